"""Captures: pcapng files (https://www.ietf.org/archive/id/draft-ietf-opsawg-pcapng-03.html), and which kind a file is.

A file has sections, each with its own byte order and interfaces; each interface has its own link type and its own unit
of time. Blocks of no interest (names, statistics, secrets, those of vendors) are passed over.
"""

import struct
from collections import Counter
from collections.abc import Iterator
from mmap import mmap
from typing import NamedTuple

from netwatchd.decoders.pcap import MOST_CAPTURED, MOST_SEARCHES, Capture, Captured, NotACapture, Pcap, is_pcap

_SECTION, _INTERFACE, _OLD_PACKET, _SIMPLE, _ENHANCED = 0x0A0D0D0A, 1, 2, 3, 6
_KNOWN = {_SECTION, *range(1, 7)}  # among which the next is searched for, where one is damaged
_SECTION_BYTES = _SECTION.to_bytes(4, "big")  # the same in both byte orders
_ORDERS = {b"\x1a\x2b\x3c\x4d": ">", b"\x4d\x3c\x2b\x1a": "<"}
_RESOLUTION, _FCS_LENGTH, _OFFSET = 9, 13, 14  # if_tsresol, if_fcslen, if_tsoffset
_SECOND = 1_000_000_000
_MOST_INTERFACES = 65_536  # of a section; a packet block of the old kind cannot name more


class _Interface(NamedTuple):
    link_type: int
    snap_length: int
    multiply: int  # a tick is so many nanoseconds ...
    divide: int  # ... by so many
    offset: int  # nanoseconds to add
    fcs: int  # bytes of the FCS at the end of each frame


class Pcapng:
    """A pcapng file."""

    def __init__(self, buffer: bytes | mmap | memoryview) -> None:
        """Raises NotACapture where the buffer does not begin with a section."""
        self._view = memoryview(buffer)
        self.size = len(self._view)
        self.skipped: Counter[str] = Counter()
        if bytes(self._view[:4]) != _SECTION_BYTES or bytes(self._view[8:12]) not in _ORDERS:
            raise NotACapture("it is no pcapng file")
        self._order = ""
        self._interfaces: list[_Interface] = []
        self._time = 0  # of the last packet

    def __iter__(self) -> Iterator[Captured]:
        view, end, at, searches = self._view, self.size, 0, 0
        while at + 12 <= end:
            begun = view[at : at + 4] != _SECTION_BYTES or self._begin_section(at)
            kind, length = struct.unpack_from(self._order + "II", view, at)
            if not begun or length < 12 or length % 4:
                self.skipped["damaged"] += 1
                searches += 1
                at = self._search(at) if searches <= MOST_SEARCHES else end
                continue
            if at + length > end:
                break
            body = view[at + 8 : at + length - 4]
            at += length
            if kind == _INTERFACE:
                self._describe(body)
            elif kind in (_ENHANCED, _OLD_PACKET, _SIMPLE):
                packet = self._packet(kind, body, at)
                if packet is not None:
                    yield packet
        if at < end:
            self.skipped["truncated"] += 1

    def _search(self, at: int) -> int:
        """Where the next block begins behind what is none at `at`: its length is repeated at its end."""
        for start in range(at + 4 & ~3, min(at + MOST_CAPTURED, self.size - 11), 4):
            kind, length = struct.unpack_from(self._order + "II", self._view, start)
            if kind in _KNOWN and length % 4 == 0 and 12 <= length <= self.size - start:
                (again,) = struct.unpack_from(self._order + "I", self._view, start + length - 4)
                if again == length:
                    return start
        return self.size

    def _begin_section(self, at: int) -> bool:
        order = _ORDERS.get(bytes(self._view[at + 8 : at + 12]))
        if order is None:
            return False
        self._order = order
        self._interfaces = []
        return True

    def _describe(self, body: memoryview) -> None:
        """Interface description block: link type (2), reserved (2), snap length (4), options."""
        if len(body) < 8:
            self.skipped["block"] += 1
            return
        if len(self._interfaces) >= _MOST_INTERFACES:
            return
        link_type, snap_length = struct.unpack_from(self._order + "HxxI", body)
        options = _options(body[8:], self._order)
        resolution = (options.get(_RESOLUTION) or b"\x06")[0]
        units = 1 << (resolution & 0x7F) if resolution & 0x80 else 10**resolution
        offset = options.get(_OFFSET, b"")
        seconds = struct.unpack(self._order + "q", offset)[0] if len(offset) == 8 else 0
        fcs = (options.get(_FCS_LENGTH) or b"\0")[0] // 8  # told in bits
        whole = _SECOND % units == 0
        self._interfaces.append(
            _Interface(
                link_type, snap_length, _SECOND // units if whole else _SECOND, 1 if whole else units,
                seconds * _SECOND, fcs,
            )
        )  # fmt: skip

    def _packet(self, kind: int, body: memoryview, place: int) -> Captured | None:
        """The packet in a block of one of the three kinds; None, counted, where it contradicts itself."""
        try:
            if kind == _SIMPLE:
                (wire,) = struct.unpack_from(self._order + "I", body)
                number, start, ticks = 0, 4, None
                captured = min(wire, len(body) - 4)  # padded to 32 bits, where it was not cut
            else:
                form = "IIIII" if kind == _ENHANCED else "HxxIIII"
                number, high, low, captured, wire = struct.unpack_from(self._order + form, body)
                start, ticks = 20, high << 32 | low
        except struct.error:
            self.skipped["block"] += 1
            return None
        if number >= len(self._interfaces):
            self.skipped["interface"] += 1
            return None
        interface = self._interfaces[number]
        if kind == _SIMPLE and interface.snap_length:
            captured = min(captured, interface.snap_length)
        if start + captured > len(body):
            self.skipped["block"] += 1
            return None
        if ticks is not None:  # a simple packet block tells no time: it came with the one before it
            self._time = ticks * interface.multiply // interface.divide + interface.offset
        wire = max(wire, captured)
        data = body[start : start + captured]
        if interface.fcs:
            wire = max(wire - interface.fcs, 0)
            data = data[:wire]
        return self._time, interface.link_type, data, wire, place


def _options(data: memoryview, order: str) -> dict[int, bytes]:
    """Options by their codes: code (2), length (2), value, padded to 32 bits."""
    found: dict[int, bytes] = {}
    at = 0
    while at + 4 <= len(data):
        code, length = struct.unpack_from(order + "HH", data, at)
        if code == 0:
            break
        found.setdefault(code, bytes(data[at + 4 : at + 4 + length]))
        at += 4 + length + -length % 4
    return found


def open_capture(buffer: bytes | mmap | memoryview) -> Capture:
    """The capture in the buffer, pcap or pcapng; raises NotACapture for anything else."""
    if is_pcap(buffer):
        return Pcap(buffer)
    start = bytes(buffer[:12])
    if start[:4] == _SECTION_BYTES:
        return Pcapng(buffer)
    if start[:2] == b"\x1f\x8b":
        raise NotACapture("it is compressed with gzip, and no capture before it is unpacked")
    raise NotACapture("it is neither a pcap nor a pcapng file" if start else "it is empty")
