"""Joins the two halves of a flow whose directions an exporter tells of one by one.

Theory: each half waits under a key that both directions share. The other half usually comes in the same datagram or
within seconds; a half that waited for `hold` is told alone. Waiting costs most of what a flow costs, so it is done in
two generations: halves come into the young one, each by one `setdefault`; every `hold / 2` the old ones are told, and
the young ones grow old. Young and old are compared only then, as sets. So a half waits between one half of `hold` and
the whole, and halves that come within `hold / 2` of each other are always joined.

Routers may count a packet twice, as it comes in and as it goes out, and say which (flowDirection). What was counted at
the other side already, in the same direction and time, is dropped. Flows that were joined stay for that as long as a
half would wait, where their exporter says its direction; not where it has long counted at one side only.

Only halves of one Origin are joined: what one exporter counts at different rates, or by a clock that is no longer
trusted, does not belong together. Halves must also overlap, or follow each other closely: ports are used again.
"""

from collections.abc import Callable, Iterable

from netwatchd.decoders.netflow.loops import Record
from netwatchd.decoders.netflow.states import EGRESS, HAS_DIRECTION, SYN, of_both
from netwatchd.events import Origin

# Some 500 bytes each: 4 MB. More would not be found in a processor's cache any more, which makes everything slower. At
# 200,000 halves a second they then wait for a fiftieth of a second; other halves come sooner, mostly beside them.
MOST_HALVES = 8_192

# Halves that are further apart are two conversations. A DNS client asks again after five seconds.
NEAR = 10_000  # ms

# The other side's count of the same packets begins and ends with them, but for clocks.
_SAME = 1000  # ms
# Flows in a row that were counted as they come in only: their exporter counts so. Staying costs as much as joining.
ONE_SIDED = 10_000
_TCP = (1 << 16) - 1  # the flags of TCP in those of a record
_TOLD = 1 << 18  # beside the flags of a record: it stays only so that its second count is known
_MARKS = HAS_DIRECTION | _TOLD

# The requests of ICMP and ICMPv6 by their replies: echo, timestamp, information, mask; and neighbour discovery.
_REQUESTS = {
    1: {0: 8, 14: 13, 16: 15, 18: 17},
    58: {129: 128, 134: 133, 136: 135, 140: 139},
}  # fmt: skip
_PAIRED = {protocol: {*pairs, *pairs.values()} for protocol, pairs in _REQUESTS.items()}

Key = tuple[object, ...]
Count = Callable[[str, int], None]  # takes a counter's name, and how many more


def key_of(record: Record) -> Key | None:
    """What both halves of a flow have in common, as the loops write it; None for ICMP that has no other half."""
    src, sport, dst, dport, protocol = record[2:7]
    if protocol not in _REQUESTS:
        is_lower = sport < dport if src == dst else src < dst  # type: ignore[operator]
        return (src, sport, dst, dport, protocol) if is_lower else (dst, dport, src, sport, protocol)
    if sport not in _PAIRED[protocol]:
        return None
    request = _REQUESTS[protocol].get(sport)
    return (src, sport, dst, 0, protocol) if request is None else (dst, request, src, 0, protocol)


def belong_together(one: Record, other: Record) -> bool:
    """Whether two records of one key are the two directions of one flow."""
    if one[2] != other[4] or one[4] != other[2] or (one[3] != other[5] and one[6] not in _REQUESTS):
        return False
    return one[0] - other[1] <= NEAR and other[0] - one[1] <= NEAR


def joined(one: Record, other: Record) -> Record:
    """Both halves as one flow, whose source is the side that opened it.

    Who sent first; but TCP without a SYN on either side is the rest of a longer flow, whose beginning was told before,
    and the first packet of the rest says nothing. Where both began in the same millisecond, or the exporter has only
    one pair of times for both: who sent a SYN when the other one did not; then, who spoke to the lower port, because
    services have low ports; then, who was told first.
    """
    # All in one place, by names and not by numbers, because this is done for every flow of an exporter of halves.
    start, end, src, sport, dst, dport, protocol, packets, octets, _, _, state, flags = one
    start_in, end_in, src_in, sport_in, dst_in, dport_in, _, packets_in, octets_in, _, _, state_in, flags_in = other
    if protocol in _REQUESTS:
        is_first = sport not in _REQUESTS[protocol]
    elif start != start_in and (protocol != 6 or (flags | flags_in) & SYN or not (flags & _TCP and flags_in & _TCP)):
        is_first = start < start_in
    elif (flags ^ flags_in) & SYN:
        is_first = bool(flags & SYN)
    else:
        is_first = dport <= sport
    began, ended = start if start < start_in else start_in, end if end > end_in else end_in
    word, marks = of_both(state, state_in), flags | flags_in
    if is_first:
        return began, ended, src, sport, dst, dport, protocol, packets, octets, packets_in, octets_in, word, marks
    return (
        began, ended, src_in, sport_in, dst_in, dport_in, protocol, packets_in, octets_in, packets, octets, word, marks,
    )  # fmt: skip


def is_second_count(first: Record, other: Record) -> bool:
    """Whether `other` counts packets of `first` again, of the same key, at the other side of the exporter."""
    if not first[12] & other[12] & HAS_DIRECTION:
        return False
    same_way = first[2:6] == other[2:6]
    if not first[12] & _TOLD and not (same_way and (first[12] ^ other[12]) & EGRESS):
        return False
    # As many packets, within the same time: another conversation of the same ports would have to follow at once.
    counts = first[7:11] if same_way else (*first[9:11], *first[7:9])
    if counts[0] != other[7] or other[9] not in (0, counts[2]):
        return False
    return first[0] - _SAME <= other[0] and other[1] <= first[1] + _SAME


def _as_told(record: Record) -> Record:
    return (*record[:12], record[12] | _TOLD)


class Waiting:
    """The halves of one Origin that wait. `put` is what the loops call with a key and a record."""

    def __init__(self, origin: Origin, count: Count) -> None:
        self.origin = origin
        self._count = count
        self._one_sided = 0  # flows in a row that were counted as they come in only
        self._has_told = False  # whether flows that were told are among those that wait
        self.young: dict[Key, Record] = {}
        self.old: dict[Key, Record] = {}
        self.put: Callable[[Key, Record], Record] = self.young.setdefault

    def meet(self, hits: Iterable[tuple[Key, Record]]) -> list[Record]:
        """Takes records whose key is there already, or may be; returns what can be told now."""
        told: list[Record] = []
        young = self.young
        unusual = _MARKS if self._one_sided < ONE_SIDED else _TOLD | EGRESS
        for key, record in hits:
            first = young.pop(key, None)
            if first is None:
                young[key] = record
            elif not (first[12] | record[12]) & unusual and belong_together(first, record):  # what is usual
                told.append(joined(first, record))
            else:
                kept = self._met(key, first, record, told)
                if kept is not None:
                    young[key] = kept
        return told

    def _met(self, key: Key, first: Record, record: Record, told: list[Record]) -> Record | None:
        """What becomes of two records of one key: adds what can be told; returns what goes on waiting."""
        marks = first[12] | record[12]
        self._one_sided = 0 if marks & EGRESS else self._one_sided + bool(marks & HAS_DIRECTION)
        if record[12] & _TOLD:
            first, record = record, first
        if (first[2] == record[2] or first[12] & _TOLD) and is_second_count(first, record):
            self._count("skipped.netflow.second_count", 0 if record[12] & _TOLD else 1)
            return first
        if first[12] & _TOLD:
            return record
        if not belong_together(first, record):  # another part of the same direction, or a port that was used again
            told.append(first)
            return record
        flow = joined(first, record)
        if not flow[12] & HAS_DIRECTION:
            told.append(flow)
            return None
        earlier = self.old.get(key)
        if earlier is not None and is_second_count(earlier, flow):
            self._count("skipped.netflow.second_count", 2)
        else:
            told.append(flow)
        self._has_told = True
        return _as_told(flow)

    def age(self) -> list[Record]:
        """Makes the young ones old; returns what the old ones have become."""
        young, old = self.young, self.old
        told: list[Record] = []
        for key in old.keys() & young.keys():
            first = old.pop(key)
            kept = self._met(key, first, young.pop(key), told)
            if kept is first and not first[12] & _TOLD:  # it has waited for long enough
                told.append(first)
                kept = _as_told(first)
            if kept is not None:
                young[key] = kept
                self._has_told = self._has_told or bool(kept[12] & _TOLD)
        if self._has_told:
            told += [record for record in old.values() if not record[12] & _TOLD]
            self._has_told = any(record[12] & _TOLD for record in young.values())
        else:
            told += old.values()
        self.old, self.young = young, {}
        self.put = self.young.setdefault
        return told

    def __len__(self) -> int:
        return len(self.young) + len(self.old)


class Halves:
    """All halves that wait, of whatever origin, so many that they do not fill the memory."""

    def __init__(self, hold: int, count: Count) -> None:
        """`hold` is how long a half waits at most, in ms."""
        self._count = count
        self._turn = hold // 2
        self._turned = 0
        self._waiting: dict[Origin, Waiting] = {}
        self._young = 0  # how many have come into the young generation since the last turn, and are not told

    def of(self, origin: Origin) -> Waiting:
        """Where the halves of an origin wait."""
        if origin not in self._waiting:
            self._waiting[origin] = Waiting(origin, self._count)
        return self._waiting[origin]

    def added(self, count: int) -> None:
        """Says that so many more halves wait (fewer, where negative)."""
        self._young += count

    @property
    def is_full(self) -> bool:
        """Whether so many wait that `due` is to be asked at once."""
        return self._young >= MOST_HALVES // 2

    def due(self, now: int) -> list[tuple[Origin, list[Record]]]:
        """What has waited for long enough at `now` (Unix ms), or must go because too many wait."""
        if 0 <= now - self._turned < self._turn and not self.is_full:
            return []
        self._turned, self._young = now, 0
        return self._age()

    def finish(self) -> list[tuple[Origin, list[Record]]]:
        """All that wait."""
        self._young = 0
        return self._age() + self._age()

    def _age(self) -> list[tuple[Origin, list[Record]]]:
        told = [(origin, waiting.age()) for origin, waiting in self._waiting.items()]
        for origin in [origin for origin, waiting in self._waiting.items() if not len(waiting)]:
            del self._waiting[origin]
        return [(origin, records) for origin, records in told if records]
