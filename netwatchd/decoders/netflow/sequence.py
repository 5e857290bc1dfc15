"""Sequence numbers: how much of a stream was lost on its way.

NetFlow v5 and IPFIX count the records sent before a datagram, v9 counts datagrams; and some exporters count otherwise
than they should, as softflowd, whose IPFIX counts the records of the datagram itself, too. So all ways of counting are
watched. The exporter's own way is believed only after it has foretold a few numbers; where it fails and another way
was right all the time, that one is taken: a real loss makes all ways fail. What fits none is not called a loss.

Datagrams overtake each other: a gap is counted as lost only when it is `PATIENCE` old and has not been filled.
"""

from dataclasses import dataclass, field

_NUMBERS = 1 << 32
PATIENCE = 2000  # ms
BELIEVED = 3  # numbers in a row that a way of counting must foretell
MOST_GAPS = 64  # that are open at once; older ones are counted
# A jump of more is none over lost datagrams: the exporter has begun anew, at a number of its own choice.
_FURTHEST = 1 << 26

# Ways of counting: datagrams; records before the datagram; records up to its end.
DATAGRAMS, BEFORE, UP_TO = 0, 1, 2


@dataclass(slots=True)
class Gap:
    """Numbers that have not come: so many from `first`, missed since `since`."""

    first: int
    count: int
    since: int


@dataclass(slots=True)
class Sequence:
    """The numbers of one stream."""

    way: int  # how its numbers count
    lost: int = 0  # records or datagrams
    is_believed: bool = False
    _last: int | None = None
    _last_records: int | None = 0
    _right: list[int] = field(default_factory=lambda: [0, 0, 0])  # how often in a row each way was right
    _gaps: list[Gap] = field(default_factory=list)
    _behind: int = 0  # datagrams in a row that had an older number

    @property
    def by_records(self) -> bool:
        """Whether its numbers count records, and not datagrams."""
        return self.way != DATAGRAMS

    def restart(self) -> None:
        """The exporter has begun anew."""
        self._last = None

    def heard(self, number: int, records: int | None, now: int) -> None:
        """A datagram with this number has come, which holds so many data records (None: it cannot be told)."""
        if self._last is not None:
            step = (number - self._last) % _NUMBERS
            if step >= _NUMBERS // 2 or (step == 0 and self._expected(records)):
                self._late(number, records)
                return
            self._behind = 0
            self._judge(step, records)
            expected = self._expected(records)
            if expected is not None and expected < step <= _FURTHEST:
                first = self._last + (0 if self.way == UP_TO else expected)
                self._gaps.append(Gap(first % _NUMBERS, step - expected, now))
        self._last, self._last_records = number, records

    def confirmed(self, now: int, *, final: bool = False) -> int:
        """How many more are known to be lost by now than the last time."""
        over = len(self._gaps) - MOST_GAPS
        if not self.is_believed:
            del self._gaps[: max(over, 0)]
            return 0
        lost = 0
        while self._gaps and (final or over > 0 or not 0 <= now - self._gaps[0].since < PATIENCE):
            lost += self._gaps.pop(0).count
            over -= 1
        self.lost += lost
        return lost

    def _expected(self, records: int | None) -> int | None:
        """By how much the number of a datagram with so many records should be higher than the last one."""
        return (1, self._last_records, records)[self.way]

    def _judge(self, step: int, records: int | None) -> None:
        """Watches all ways of counting."""
        for way, expected in enumerate((1, self._last_records, records)):
            self._right[way] = self._right[way] + 1 if step == expected else 0
        best = max(self._right)
        if self._right[self.way] >= BELIEVED:
            self.is_believed = True
        elif not self._right[self.way] and best >= BELIEVED:
            self.way = self._right.index(best)
            self.is_believed = True
            self._gaps.clear()

    def _late(self, number: int, records: int | None) -> None:
        """A datagram that was overtaken fills its gap; numbers that go on from there are of a new beginning."""
        count = (records or 0) if self.by_records else 1
        first = number - (count if self.way == UP_TO else 0)
        for gap in self._gaps:
            into = (first - gap.first) % _NUMBERS
            if into < gap.count:
                after = gap.count - into - count
                gap.count = into
                if after > 0:
                    self._gaps.append(Gap((first + count) % _NUMBERS, after, gap.since))
                self._gaps = [gap for gap in self._gaps if gap.count]
                return
        self._behind += 1
        if self._behind > BELIEVED:
            self.restart()
            self._behind = 0
