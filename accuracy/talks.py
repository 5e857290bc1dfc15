"""Flows as anybody tells them, those that netwatchd makes of a capture, and the comparison of the two."""

from collections import defaultdict, deque
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from netwatchd.addresses import address_text
from netwatchd.decoders.conversations import reverse
from netwatchd.decoders.flowtable import FlowTable
from netwatchd.decoders.links import Skipped
from netwatchd.decoders.packets import NO_PORTS, Packet, dissect
from netwatchd.decoders.pcapng import open_capture
from netwatchd.events import Flow, new_event_id

End = tuple[str, int]  # address and port
Ends = tuple[int, End, End]  # protocol, and the two ends in the order of sorting

_ROUNDING = 1  # milliseconds


class Span(NamedTuple):
    """When a flow was, as well as somebody tells it."""

    first: int | None  # Unix ms
    shortest: int  # ms
    longest: int


class Talk(NamedTuple):
    """A flow: from `a`, who opened it, to `b`."""

    protocol: int
    a: End
    b: End
    counts: tuple[int, int, int, int]  # packets and bytes from a, packets and bytes from b
    span: Span | None = None

    @property
    def turned(self) -> "Talk":
        """The same, opened by the other side."""
        return self._replace(a=self.b, b=self.a, counts=self.counts[2:] + self.counts[:2])

    @property
    def ends(self) -> Ends:
        """What it has in common with every other flow between these ends."""
        first, second = sorted((self.a, self.b))
        return self.protocol, first, second

    def equals(self, other: "Talk") -> bool:
        """Whether they are the same in everything that both tell."""
        return self[:4] == other[:4] and _same_time(self.span, other.span)


class Result(NamedTuple):
    """What came out of a comparison; `turned` and `missed` are as the other tells them."""

    matched: int
    turned: list[Talk]  # the same, but that the other side opened it
    missed: list[Talk]
    left: list[Talk]  # of ours, where nothing was expected


def talks_of(path: Path, frames: bool) -> list[Talk]:
    """The flows of a capture, by the bytes of their frames or of their IP packets."""
    table = FlowTable(_Ids(), "replay")
    beyond: defaultdict[tuple[int, bytes], deque[int]] = defaultdict(deque)  # bytes around each packet, in order
    ports: dict[bytes, bytes] = {}
    for time, link_type, data, wire, _ in open_capture(path.read_bytes()):
        table.see(time // 1_000_000, link_type, data, wire)
        try:
            packet = dissect(link_type, data, wire)
        except Skipped:
            continue
        beyond[packet.protocol, packet.source + packet.destination + _ports(packet, ports)].append(wire - packet.length)
    return [_talk(flow, beyond if frames else None) for flow in sorted(table.finish())]


class _Ids:
    """Ids in the order of time."""

    def __init__(self) -> None:
        self._last = 0

    def __call__(self, now: int, count: int = 1, /) -> int:
        self._last = new_event_id(self._last, now)
        return self._last


def _ports(packet: Packet, known: dict[bytes, bytes]) -> bytes:
    if packet.fragment is None:
        return packet.ports
    datagram = packet.source + packet.destination + packet.fragment
    if packet.transport:
        known[datagram] = packet.ports
    return known.get(datagram, NO_PORTS)


def _talk(flow: Flow, beyond: dict[tuple[int, bytes], deque[int]] | None) -> Talk:
    out, back = 0, 0
    if beyond is not None:
        # The flows of two ends follow each other, so that each takes as many as it has packets.
        ports = flow.src_port.to_bytes(2, "big") + flow.dst_port.to_bytes(2, "big")
        key = _packed(flow.src_ip) + _packed(flow.dst_ip) + ports
        out = _take(beyond[flow.protocol, key], flow.packets_out)
        back = _take(beyond[flow.protocol, reverse(flow.protocol, key)], flow.packets_in)
    long = flow.end - flow.start
    return Talk(
        flow.protocol, (address_text(flow.src_ip), flow.src_port), (address_text(flow.dst_ip), flow.dst_port),
        (flow.packets_out, flow.bytes_out + out, flow.packets_in, flow.bytes_in + back), Span(flow.start, long, long),
    )  # fmt: skip


def _take(sizes: deque[int], count: int) -> int:
    return sum(sizes.popleft() for _ in range(count))


def _packed(address: int | bytes) -> bytes:
    return address.to_bytes(4, "big") if isinstance(address, int) else address


def compare(expected: Iterable[Talk], found: Iterable[Talk]) -> Result:
    """Flows one by one; then what remains between two ends, joined on both sides."""
    theirs, ours = _grouped(expected), _grouped(found)
    result = Result(0, [], [], [])
    for ends, wanted in theirs.items():
        had = ours.get(ends, [])
        rest = _without_equal(wanted, had)
        if rest and had and _same_sum(rest, had):
            rest = []
            had.clear()
        back = _without_equal([talk.turned for talk in rest], had)
        missed = [talk.turned for talk in back]
        if missed and had and _same_sum(back, had):
            missed = []
            had.clear()
        result.turned.extend(talk for talk in rest if talk not in missed)
        result.missed.extend(missed)
        result = result._replace(matched=result.matched + len(wanted) - len(rest))
    return result._replace(left=[talk for talks in ours.values() for talk in talks])


def _without_equal(wanted: list[Talk], had: list[Talk]) -> list[Talk]:
    """Those of `wanted` that have no equal in `had`, which is rid of the equals."""
    rest = []
    for talk in wanted:
        equal = next((other for other in had if talk.equals(other)), None)
        if equal is None:
            rest.append(talk)
        else:
            had.remove(equal)
    return rest


def _grouped(talks: Iterable[Talk]) -> dict[Ends, list[Talk]]:
    groups: defaultdict[Ends, list[Talk]] = defaultdict(list)
    for talk in talks:
        groups[talk.ends].append(talk)
    return dict(groups)


def _same_sum(theirs: list[Talk], ours: list[Talk]) -> bool:
    """Whether the flows of two ends are the same, joined; who tells each direction alone does not say who opened."""
    both = len({talk.a for talk in theirs}) > 1
    one, other = _joined(theirs), _joined(ours)
    return one.equals(other) or (both and one.turned.equals(other))


def _joined(talks: list[Talk]) -> Talk:
    """All of them as one, opened by who opened the first."""
    opener = talks[0]
    counts = [talk.counts if talk.a == opener.a else talk.turned.counts for talk in talks]
    packets_out, bytes_out, packets_in, bytes_in = (sum(column) for column in zip(*counts, strict=True))
    return opener._replace(
        counts=(packets_out, bytes_out, packets_in, bytes_in), span=_joined_span([talk.span for talk in talks])
    )


def _joined_span(spans: list[Span | None]) -> Span | None:
    if len(spans) == 1:
        return spans[0]
    times = [(span.first, span.first + span.longest) for span in spans if span and span.first is not None]
    if len(times) < len(spans):
        return None
    first, last = min(time[0] for time in times), max(time[1] for time in times)
    return Span(first, last - first, last - first)


def _same_time(theirs: Span | None, ours: Span | None) -> bool:
    if theirs is None or ours is None:
        return True
    if theirs.first is not None and ours.first is not None and abs(theirs.first - ours.first) > _ROUNDING:
        return False
    return theirs.shortest - _ROUNDING <= ours.longest and ours.shortest <= theirs.longest + _ROUNDING
