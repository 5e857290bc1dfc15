"""Many WebSocket clients in one thread, and what each of them was told."""

import contextlib
import json
import resource
import selectors
import socket
import time
from collections.abc import Callable
from typing import Any

from waiting import PATIENCE
from websocket_kit import CLOSE, PING, PONG, TEXT, frame

_REQUEST = (
    "GET /ws{query} HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
_READ = 1 << 18


class Member:
    """One client: `told` is the numbers of its updates in the order of arrival, `gaps` what it was told to miss."""

    def __init__(self, address: tuple[str, int], query: str, receive_buffer: int) -> None:
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            self.socket.connect(address)
        self._data = bytearray()
        self._request = _REQUEST.format(query=query, host=address[0], port=address[1]).encode()
        self._upgraded = False
        self.hello: dict[str, Any] = {}
        self.begun = -1  # the number that its snapshot has; before, it is not served yet
        self.told: list[int] = []
        self.gaps: list[tuple[int, int]] = []
        self.ended = False

    @property
    def port(self) -> int:
        """Its own, by which others know it."""
        return int(self.socket.getsockname()[1])

    @property
    def asking(self) -> bool:
        """Whether its request has not been sent yet."""
        return bool(self._request)

    @property
    def last(self) -> int:
        """The number that it has come to."""
        return max(self.begun, self.told[-1] if self.told else 0, self.gaps[-1][1] if self.gaps else 0)

    def ask(self) -> None:
        """Sends the request."""
        self._request = self._request[self.socket.send(self._request) :]

    def read(self) -> None:
        """Takes in what has come."""
        try:
            data = self.socket.recv(_READ)
        except BlockingIOError:
            return
        except ConnectionError:
            data = b""
        self.ended = self.ended or not data
        self._data += data
        if not self._upgraded and b"\r\n\r\n" in self._data:
            assert self._data.startswith(b"HTTP/1.1 101 "), bytes(self._data)
            del self._data[: self._data.index(b"\r\n\r\n") + 4]
            self._upgraded = True
        if self._upgraded:
            self._split()

    def _split(self) -> None:
        """Takes the whole frames."""
        data, at = self._data, 0
        while len(data) >= at + 2:
            assert data[at] in (0x80 | TEXT, 0x80 | PING, 0x80 | CLOSE) and data[at + 1] <= 127, "the stream is corrupt"
            extra = {126: 2, 127: 8}.get(data[at + 1], 0)
            begin = at + 2 + extra
            size = int.from_bytes(data[at + 2 : begin], "big") if extra else data[at + 1]
            if len(data) < begin + size:  # half a length is never longer than what is missing of it
                break
            self._hear(data[at] & 15, bytes(data[begin : begin + size]))
            at = begin + size
        del data[:at]

    def _hear(self, opcode: int, payload: bytes) -> None:
        if opcode == PING:
            with contextlib.suppress(OSError):
                self.socket.send(frame(PONG, payload))
        if opcode != TEXT:
            return
        message = json.loads(payload)
        if message["type"] == "hello":
            self.hello = message
        elif message["type"] == "snapshot":
            self.begun = message["seq"]
        elif message["type"] == "gap":
            self.gaps.append(tuple(message["missed"]))
        else:
            self.told.append(message["seq"])

    @property
    def missed(self) -> list[int]:
        """The numbers that it was told to have missed."""
        return [number for first, last in self.gaps for number in range(first, last + 1)]

    @property
    def knows_all(self) -> bool:
        """Whether it was told everything since its snapshot once, or told that it missed it."""
        return sorted(self.told + self.missed) == list(range(self.begun + 1, self.last + 1))

    @property
    def heard_all(self) -> bool:
        """Whether it was told everything since its snapshot, once and in order."""
        return self.told == list(range(self.begun + 1, self.last + 1))


class Crowd:
    """Clients that connect at once. They read only while `until` waits: who is not waited for has stalled."""

    def __init__(
        self, port: int, count: int, host: str = "127.0.0.1", query: str = "", receive_buffer: int = 0
    ) -> None:
        raise_descriptor_limit()
        self._selector = selectors.DefaultSelector()
        self.members: list[Member] = []
        for _ in range(count):
            self.add(port, host, query, receive_buffer)

    def add(self, port: int, host: str = "127.0.0.1", query: str = "", receive_buffer: int = 0) -> Member:
        """One client more, which begins to connect."""
        member = Member((host, port), query, receive_buffer)
        self.members.append(member)
        self._selector.register(member.socket, selectors.EVENT_READ | selectors.EVENT_WRITE, member)
        return member

    def __enter__(self) -> "Crowd":
        return self

    def __exit__(self, *_: object) -> None:
        for member in self.members:
            member.socket.close()
        self._selector.close()

    def joined(self) -> "Crowd":
        """Waits until all are served."""
        self.until(lambda: all(member.begun >= 0 for member in self.members), "all are served")
        return self

    def until(self, condition: Callable[[], Any], what: str = "it is so") -> Any:
        """What `condition` returns as soon as it is true; all that come read meanwhile."""
        deadline = time.monotonic() + PATIENCE
        while not (value := condition()):
            assert time.monotonic() < deadline, f"still not after {PATIENCE} s: {what}"
            self.read(0.05)
        return value

    def read(self, wait: float = 0.0) -> None:
        """Reads what has come, or comes within some seconds."""
        for key, events in self._selector.select(wait):
            self._serve(key.data, events)

    def _serve(self, member: Member, events: int) -> None:
        if events & selectors.EVENT_WRITE:
            member.ask()
            if not member.asking:
                self._selector.modify(member.socket, selectors.EVENT_READ, member)
        if events & selectors.EVENT_READ:
            member.read()
            if member.ended:
                self._selector.unregister(member.socket)

    def told(self, updates: int) -> None:
        """Waits until all have been told so many updates."""
        self.until(lambda: all(len(member.told) >= updates for member in self.members), f"{updates} updates for all")


def raise_descriptor_limit() -> None:
    """Many clients need more descriptors than many shells allow."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
