"""Captures: pcap files (https://www.ietf.org/archive/id/draft-ietf-opsawg-pcap-05.html); pcapng lies beside it.

A capture is read from a buffer (bytes, or a file that is mapped into memory), and packets are slices of it, not copies.
A capture that began well never raises: what is damaged ends it, or is passed over where that can be done, and `skipped`
says how often for which reason:

* `truncated`: it ends in the middle of a packet, as when a disk is full or the writer still writes;
* `damaged`: a length in it cannot be right. It is read on from where a packet begins next, which is searched for:
  within the most that a packet may have, and at most MOST_SEARCHES times, as that takes long;
* `interface`, `block`: a packet of an interface that was not described, or a block that contradicts itself (pcapng).
"""

import struct
from collections import Counter
from collections.abc import Iterator
from mmap import mmap
from typing import Protocol

Captured = tuple[int, int, memoryview, int, int]
"""When it passed (Unix ns), link type, what was captured, how long it was on the wire, where it ends in the file."""

MOST_CAPTURED = 1 << 18  # bytes of a packet, if the file does not promise more: what libpcap's tools capture at most

MOST_SEARCHES = 16  # for the next packet, in a damaged file: each takes up to half a second

_SECOND = 1_000_000_000
_DAY = 86_400  # seconds: a packet that is further from the one before is none, where one is searched for

# Magic number as it lies in the file: byte order, nanoseconds of a fraction, size of what precedes a packet.
_MAGICS = {
    bytes.fromhex("a1b2c3d4"): (">", 1000, 16),
    bytes.fromhex("d4c3b2a1"): ("<", 1000, 16),
    bytes.fromhex("a1b23c4d"): (">", 1, 16),
    bytes.fromhex("4d3cb2a1"): ("<", 1, 16),
    # Modified by Kuznetzov: interface (4), protocol (2) and packet type (2) follow the lengths.
    bytes.fromhex("a1b2cd34"): (">", 1000, 24),
    bytes.fromhex("34cdb2a1"): ("<", 1000, 24),
}
_HEADER = 24  # bytes
_HAS_FCS = 1 << 26  # in the link type; the four bits from 28 on are then the length of the FCS in 16-bit words


class NotACapture(ValueError):
    """The buffer holds something else."""


class Capture(Protocol):
    """A capture: iterate over it for its packets."""

    skipped: Counter[str]
    size: int  # bytes of the file; the place of a packet is within it

    def __iter__(self) -> Iterator[Captured]:
        """The packets, in the order of the file."""


class Pcap:
    """A pcap file."""

    def __init__(self, buffer: bytes | mmap | memoryview) -> None:
        """Reads the header; raises NotACapture where there is none."""
        self._view = memoryview(buffer)
        self.size = len(self._view)
        self.skipped: Counter[str] = Counter()
        magic = _MAGICS.get(bytes(self._view[:4]))
        if magic is None:
            raise NotACapture("it is no pcap file")
        if self.size < _HEADER:
            raise NotACapture("it is a pcap file that ends within its header")
        self._order, self._scale, self._record = magic
        self.snap_length, network = struct.unpack_from(self._order + "II", self._view, 16)
        self.link_type = network & 0xFFFF
        self._fcs = (network >> 28) * 2 if network & _HAS_FCS else 0
        self._most = max(MOST_CAPTURED, self.snap_length)
        self._unpack = struct.Struct(self._order + "IIII").unpack_from

    def __iter__(self) -> Iterator[Captured]:
        view, size, end, link_type, scale, fcs = (
            self._view, self._record, self.size, self.link_type, self._scale, self._fcs,
        )  # fmt: skip
        unpack = self._unpack
        most = self._most
        at, seconds, searches = _HEADER, None, 0
        while at + size <= end:
            before = seconds
            seconds, fraction, captured, wire = unpack(view, at)
            start = at + size
            if captured > most:
                self.skipped["damaged"] += 1
                searches += 1
                at = self._search(at, before) if searches <= MOST_SEARCHES else end
                seconds = before
                continue
            at = start + captured
            if at > end:
                self.skipped["truncated"] += 1
                return
            if captured > wire:  # there are writers who leave it at 0
                wire = captured
            data = view[start:at]
            if fcs:
                wire = max(wire - fcs, 0)
                data = data[:wire]
            yield seconds * _SECOND + fraction * scale, link_type, data, wire, at
        if at < end:
            self.skipped["truncated"] += 1

    def _search(self, at: int, seconds: int | None) -> int:
        """Where the next packet begins behind what is none at `at`: two follow each other there, or it is the last."""
        for start in range(at + 1, min(at + MOST_CAPTURED, self.size - self._record)):
            behind = self._behind(start, seconds)
            if behind == self.size or (behind and self._behind(behind, seconds)):
                return start
        return self.size

    def _behind(self, at: int, seconds: int | None) -> int:
        """Where the packet that seems to begin at `at` ends; 0 where none does."""
        if at + self._record > self.size:
            return 0
        when, fraction, captured, wire = self._unpack(self._view, at)
        if captured > wire or wire > self._most or fraction * self._scale >= _SECOND:
            return 0
        if seconds is not None and not -_DAY < when - seconds < _DAY:
            return 0
        behind = at + self._record + int(captured)
        return behind if captured and behind <= self.size else 0


def is_pcap(buffer: bytes | mmap | memoryview) -> bool:
    """Whether the buffer begins as a pcap file does."""
    return bytes(buffer[:4]) in _MAGICS
