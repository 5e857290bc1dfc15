"""One client, as the broadcaster sees it."""

import time
from threading import Lock
from typing import NamedTuple

from netwatchd.broadcast.messages import ALL_TOPICS, TOPICS
from netwatchd.broadcast.outbox import Outbox
from netwatchd.broadcast.transport import Transport


class ClientInfo(NamedTuple):
    """What an operator asks about a client."""

    address: str
    since: int  # Unix milliseconds
    queued: int  # frames that wait for it
    topics: list[str]


class Client:
    """A connection that has been upgraded to WebSocket: where it is written to, and when it was last heard."""

    __slots__ = ("address", "heard", "outbox", "pings", "since", "topics", "transport", "unstored", "waited_for")

    def __init__(self, address: str, transport: Transport, most: int, lock: Lock) -> None:
        self.address = address
        self.transport = transport
        self.outbox = Outbox(transport, most, lock)
        self.topics = ALL_TOPICS
        self.since = time.time_ns() // 1_000_000
        self.unstored = ""  # the op that it had done last, where it has not asked yet whether that is stored
        self.waited_for = False  # nothing is read from it meanwhile: its silence is ours
        self.pings = 0  # sent since it was heard last
        self.heard = time.monotonic()

    def hear(self) -> None:
        """Notes a sign of life: any byte that came, or that it is taking what was queued."""
        self.heard = time.monotonic()
        self.pings = 0

    @property
    def info(self) -> ClientInfo:
        """What an operator asks about it."""
        topics = [name for name, bit in TOPICS.items() if bit & self.topics]
        return ClientInfo(self.address, self.since, len(self.outbox), topics)
