"""Records of flow exports in a form that can be compared: who with whom, how much each side sent, and when."""

import struct
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from netwatchd.addresses import Address, address_of_bytes, address_text
from netwatchd.events import Flow

ICMP, ICMPV6 = 1, 58
Counts = tuple[int | None, int | None]  # packets and bytes; None where they are not told
NOTHING: Counts = (None, None)


class Side(NamedTuple):
    """An address with its port, which is None for protocols whose ports belong to no side (ICMP)."""

    ip: Address
    port: int | None


@dataclass(frozen=True)
class Record:
    """One record, the same whichever side it calls the source. What is None is not told, and not compared."""

    sides: tuple[Side, Side]  # the lesser one first
    protocol: int
    kind: tuple[int, int] | None  # type and code of ICMP
    counts: tuple[Counts, Counts]  # what each side has sent
    start: int | None = None  # Unix ms
    end: int | None = None
    lasted: int | None = None  # ms
    slack: int = 1  # ms by which the times may be off

    def counts_as(self, other: "Record") -> bool:
        """Whether the other record counts the same, as far as both of them tell."""
        told = zip((*self.counts[0], *self.counts[1]), (*other.counts[0], *other.counts[1]), strict=True)
        return all(one is None or two is None or one == two for one, two in told)

    def times_as(self, other: "Record") -> bool:
        """Whether the other record has the same times, as far as both of them tell."""
        slack = max(self.slack, other.slack)
        times = ((self.start, other.start, slack), (self.end, other.end, slack), (self.lasted, other.lasted, 1))
        return all(one is None or two is None or abs(one - two) <= most for one, two, most in times)

    @property
    def has_times(self) -> bool:
        """Whether there are times to compare."""
        return self.start is not None or self.end is not None or self.lasted is not None

    def shown(self) -> str:
        """The record as text."""
        one, other = (f"{address_text(side.ip)} port {side.port}" for side in self.sides)
        kind = "" if self.kind is None else f" type {self.kind[0]} code {self.kind[1]}"
        return f"{one} and {other}, protocol {self.protocol}{kind}, counts {self.counts}, {self.start} to {self.end}"

    @property
    def key(self) -> tuple[object, ...]:
        """What must be the same before anything is compared."""
        return self.sides, self.protocol, self.kind


class Ends(NamedTuple):
    """From whom to whom, as a record says it."""

    src: Address
    src_port: int
    dst: Address
    dst_port: int
    protocol: int


class Times(NamedTuple):
    """When, as a record says it."""

    start: int | None = None
    end: int | None = None
    lasted: int | None = None
    slack: int = 1


NO_TIMES = Times()


def record(
    ends: Ends, out: Counts, back: Counts = NOTHING, times: Times = NO_TIMES, *, directed: bool = False
) -> Record:
    """The record of a flow from `src` to `dst`; of ICMP the ports are type and code.

    `directed` keeps the source as the first side, so that only what has the same source is the same.
    """
    src_port: int | None = ends.src_port
    dst_port: int | None = ends.dst_port
    kind = None
    if ends.protocol in (ICMP, ICMPV6):
        kind, src_port, dst_port = (ends.src_port, ends.dst_port), None, None
    src, dst = Side(ends.src, src_port), Side(ends.dst, dst_port)
    lasted = times.lasted
    if lasted is None and times.start is not None and times.end is not None:
        lasted = times.end - times.start
    if directed or _order(src) <= _order(dst):
        return Record((src, dst), ends.protocol, kind, (out, back), times.start, times.end, lasted, times.slack)
    return Record((dst, src), ends.protocol, kind, (back, out), times.start, times.end, lasted, times.slack)


def _order(side: Side) -> tuple[bytes, int]:
    ip = side.ip.to_bytes(4, "big") if isinstance(side.ip, int) else side.ip
    return ip, side.port or 0


class Match(NamedTuple):
    """What came of comparing."""

    matched: int  # records that agree but for their times
    timed: int  # those of them of which times are expected
    on_time: int  # those of these whose times agree
    missed: list[Record]
    late: list[Record]  # whose times are others
    surplus: list[Record]  # that nobody expected


def match(expected: Iterable[Record], got: Iterable[Record]) -> Match:
    """Finds for each expected record one that agrees, if possible at the same times; none serves twice."""
    free: dict[object, list[Record]] = defaultdict(list)
    for each in got:
        free[each.key].append(each)
    matched = timed = on_time = 0
    missed: list[Record] = []
    late: list[Record] = []
    for each in expected:
        candidates = [candidate for candidate in free[each.key] if each.counts_as(candidate)]
        if not candidates:
            missed.append(each)
            continue
        found = next((candidate for candidate in candidates if each.times_as(candidate)), None)
        free[each.key].remove(found or candidates[0])
        matched += 1
        timed += each.has_times
        on_time += each.has_times and found is not None
        if found is None:
            late.append(each)
    return Match(matched, timed, on_time, missed, late, [each for rest in free.values() for each in rest])


def of_flow(flow: Flow, *, sampled: bool = False, directed: bool = False) -> Record:
    """A flow of ours; without `sampled` its counters are what the exporter counted, before they were multiplied."""
    rate = flow.origin.sampling if flow.origin and not sampled else 1
    out: Counts = flow.packets_out // rate, flow.bytes_out // rate
    back: Counts = flow.packets_in // rate, flow.bytes_in // rate
    return record(Ends(*flow[3:8]), out, back, Times(flow.start, flow.end), directed=directed)


# Reading files.


class Datagram(NamedTuple):
    """One UDP datagram of an exporter."""

    data: bytes
    exporter: Address


# RFC 5737: what exporters without an address in their file get.
NOBODY = 0xC0000201


def datagrams(paths: Sequence[Path]) -> Iterator[Datagram]:
    """What the files hold, in their order: captures, or one datagram a file."""
    for path in paths:
        data = path.read_bytes()
        if path.suffix == ".pcap":
            yield from _captured(data)
        else:
            yield Datagram(data, NOBODY)


def _captured(data: bytes) -> Iterator[Datagram]:
    """UDP over IP over Ethernet in a classic capture file, which is all there is here; no part of what is tested."""
    order = "<" if data[0] in (0xD4, 0x4D) else ">"
    at = 24
    while at + 16 <= len(data):
        (length,) = struct.unpack_from(order + "I", data, at + 8)
        packet = data[at + 16 + 14 : at + 16 + length]
        at += 16 + length
        kind = packet[0] >> 4
        start = (packet[0] & 15) * 4 if kind == 4 else 40
        if packet[9 if kind == 4 else 6] == 17:
            exporter = address_of_bytes(packet[12:16] if kind == 4 else packet[8:24])
            (size,) = struct.unpack_from(">H", packet, start + 4)
            yield Datagram(packet[start + 8 : start + size], exporter)


class Header(NamedTuple):
    """When an export datagram was sent, and when its exporter booted; Unix ms."""

    sent: int
    boot: int | None


def header_of(data: bytes) -> Header:
    """The times in the header of NetFlow or IPFIX, by the layouts of RFC 3954 and 7011 and of Cisco's version 5."""
    version, _, uptime, seconds, nanoseconds = struct.unpack_from(">HHIII", data)
    if version == 10:
        return Header(int.from_bytes(data[4:8], "big") * 1000, None)
    sent = seconds * 1000 + (0 if version == 9 else nanoseconds // 1_000_000)
    return Header(sent, sent - uptime)
