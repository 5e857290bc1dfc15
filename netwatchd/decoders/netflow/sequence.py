"""Sequence numbers: how much of a stream was lost on its way.

NetFlow v5 and IPFIX count records, v9 counts datagrams, and some exporters count otherwise than they should. So both
ways of counting are watched, the exporter's own way is taken for right only after it has come true a few times, and
where the other way comes true instead, that one is taken. What fits neither is not called a loss.

Datagrams overtake each other: a gap is counted as lost only when it is `PATIENCE` old and has not been filled.
"""

from dataclasses import dataclass, field

_NUMBERS = 1 << 32
PATIENCE = 2000  # ms
BELIEVED = 3  # datagrams in a row that a way of counting must foretell
MOST_GAPS = 64  # that are open at once; older ones are counted
# A jump of more is none over lost datagrams: the exporter has begun anew, at a number of its own choice.
_FURTHEST = 1 << 26


@dataclass(slots=True)
class Gap:
    """Numbers that have not come: so many from `first`, missed since `since`."""

    first: int
    count: int
    since: int


@dataclass(slots=True)
class Sequence:
    """The numbers of one stream."""

    by_records: bool  # whether its numbers count records, and not datagrams
    lost: int = 0  # records or datagrams
    is_believed: bool = False
    _last: int | None = None
    _last_records: int | None = 0
    _right: list[int] = field(
        default_factory=lambda: [0, 0]
    )  # how often in a row counting datagrams, records was right
    _gaps: list[Gap] = field(default_factory=list)
    _behind: int = 0  # datagrams in a row that had an older number

    def restart(self) -> None:
        """The exporter has begun anew."""
        self._last = None
        self._gaps.clear()

    def heard(self, number: int, records: int | None, now: int) -> None:
        """A datagram with this number has come, which holds so many data records (None: it cannot be told)."""
        if self._last is None:
            self._last, self._last_records = number, records
            return
        step = (number - self._last) % _NUMBERS
        if step >= _NUMBERS // 2:
            self._late(number, records or 0)
            return
        self._behind = 0
        self._judge(step)
        expected = self._last_records if self.by_records else 1
        if expected is not None and expected < step <= _FURTHEST:
            self._gaps.append(Gap((self._last + expected) % _NUMBERS, step - expected, now))
        self._last, self._last_records = number, records

    def confirmed(self, now: int, *, final: bool = False) -> int:
        """How many more are lost by now; those of which that is known since the last time."""
        if not self._gaps or not (self.is_believed or final):
            del self._gaps[:-MOST_GAPS]
            return 0
        over = len(self._gaps) - MOST_GAPS
        lost = 0
        while self._gaps and (final or over > 0 or not 0 <= now - self._gaps[0].since < PATIENCE):
            lost += self._gaps.pop(0).count
            over -= 1
        self.lost += lost if self.is_believed else 0
        return lost if self.is_believed else 0

    def _judge(self, step: int) -> None:
        """Watches both ways of counting."""
        for way, expected in enumerate((1, self._last_records)):
            self._right[way] = self._right[way] + 1 if step == expected else 0
        own, other = self._right[self.by_records], self._right[not self.by_records]
        if own >= BELIEVED:
            self.is_believed = True
        elif not own and other >= 2 * BELIEVED:
            self.by_records = not self.by_records
            self.is_believed = True
            self._gaps.clear()

    def _late(self, number: int, records: int) -> None:
        """A datagram that was overtaken fills its gap; numbers that go on from there are of a new beginning."""
        for gap in self._gaps:
            into = (number - gap.first) % _NUMBERS
            if into < gap.count:
                count = min(records if self.by_records else 1, gap.count - into)
                rest = gap.count - into - count
                gap.count = into
                if rest:
                    self._gaps.append(Gap((number + count) % _NUMBERS, rest, gap.since))
                self._gaps = [gap for gap in self._gaps if gap.count]
                return
        self._behind += 1
        if self._behind > BELIEVED:
            self.restart()
            self._behind = 0
