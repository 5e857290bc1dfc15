"""What is moved now: by device, destination and port, of the flows that the stream tells of.

A flow that goes on is told again with higher counters; what counts is by how much they have risen. Of one that had
begun before anybody listened, only what came since then counts: when it ends unheard, its share of the time.
"""

import threading
from collections import defaultdict
from typing import NamedTuple

from netwatchd.cli.stream import Message
from netwatchd.cli.told import Row, key_of
from netwatchd.cli.wanted import Wanted
from netwatchd.events import LIVE

KINDS = ("device", "destination", "port")
MOST_KEYS = 20_000  # of a kind; the rest has a sum of its own
MOST_FLOWS = 200_000  # that live at once, and whose counters are remembered


class Sum(NamedTuple):
    """Bytes in and out as the device sees them, and flows."""

    bytes_in: int = 0
    bytes_out: int = 0
    flows: int = 0

    def plus(self, other: "Sum") -> "Sum":
        """Both together."""
        return Sum(*(one + more for one, more in zip(self, other, strict=True)))


Sums = dict[str | None, Sum]


class Moved:
    """Adds up what the messages of a stream tell; one thread tells, and another one asks."""

    def __init__(self, began: int) -> None:
        """`began`: since when is listened, Unix ms."""
        self._lock = threading.Lock()
        self._began = began
        self._wanted = Wanted(("flows", "devices"))
        self._flows: dict[int, tuple[int, int]] = {}  # the counters of each that lives
        self._sums: dict[str, Sums] = {kind: defaultdict(Sum) for kind in KINDS}
        self._owners: dict[str, str] = {}  # a device's key by each of its MACs

    def take(self, message: Message) -> None:
        """Takes in a message."""
        self._wanted.see(message)
        if message["type"] == "snapshot":
            self._owners = {mac: key_of(row) for row in message["devices"] for mac in row["macs"]}
        elif message["type"] == "device_update":
            row = message["device"]
            self._owners |= dict.fromkeys(row["macs"], key_of(row))
        elif message["type"] == "flow_update":
            self._count(message["flow"])

    def taken(self) -> dict[str, Sums]:
        """What was moved since this was asked the last time, by kind and key."""
        with self._lock:
            taken, self._sums = self._sums, {kind: defaultdict(Sum) for kind in KINDS}
        return taken

    def _count(self, flow: Row) -> None:
        counters = flow["bytes_out"], flow["bytes_in"]
        before = self._flows.pop(flow["id"], None)
        if flow["state"] in LIVE:
            if len(self._flows) >= MOST_FLOWS:
                self._flows.clear()
            self._flows[flow["id"]] = counters
        first = before is None
        if before is None:
            before = self._unheard(flow, counters)
        out, back = max(counters[0] - before[0], 0), max(counters[1] - before[1], 0)
        device = flow["device"]
        key = self._owners.get(device, device)
        owner = self._wanted.known.get(key or "")
        opened = owner is None or flow["dst_ip"] not in owner["ips"]
        moved = Sum(back, out, int(first)) if opened else Sum(out, back, int(first))
        peer = flow["dst_ip"] if opened else flow["src_ip"]
        keys = key, peer, f"{flow['protocol']}/{flow['dst_port']}"
        with self._lock:
            for kind, each in zip(KINDS, keys, strict=True):
                sums = self._sums[kind]
                name = each if each in sums or len(sums) < MOST_KEYS else None
                sums[name] = sums[name].plus(moved)

    def _unheard(self, flow: Row, counters: tuple[int, int]) -> tuple[int, int]:
        """How far a flow that is told of for the first time was, when the listening began."""
        if flow["start"] >= self._began:
            return 0, 0
        if flow["state"] in LIVE:
            return counters
        share = (self._began - flow["start"]) / max(flow["end"] - flow["start"], 1)
        return int(counters[0] * min(share, 1)), int(counters[1] * min(share, 1))
