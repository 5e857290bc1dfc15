"""Whether the line to the Internet was dead, so that the silence of hosts elsewhere says nothing about who asked them.

It was in a gap between two answers from elsewhere in which several devices asked in vain for what everybody asks for.
Who is suspected himself does not count: an attacker alone cannot make the line look dead, as long as anybody else is
answered. Gaps are remembered, because connection tracking and exporters tell of the silence when the line is back.
"""

from collections import deque

from netwatchd.addresses import Address
from netwatchd.detectors import Home
from netwatchd.detectors.sides import is_here
from netwatchd.events import Flow

EVERY = 5_000  # milliseconds, in which one answer is looked at, so that it costs next to nothing
SILENCE = 10_000  # without an answer from elsewhere
OTHERS = 5  # questions of others in vain meanwhile
MOST_GAPS, MOST_SOURCES = 16, 64


class _Gap:
    """A time without answers from elsewhere."""

    __slots__ = ("begin", "end", "silent")

    def __init__(self, begin: int) -> None:
        self.begin = begin
        self.end: int | None = None  # it goes on
        self.silent: dict[Address, int] = {}  # who asked in vain, and how often

    def covers(self, time: int) -> bool:
        """Whether that was then."""
        return self.begin < time and (self.end is None or time < self.end)


class Uplink:
    """Listens to what is answered, and what is not."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self.due = 0  # Unix ms, from which on an answer is to be looked at
        self._gaps: deque[_Gap] = deque([_Gap(0)], maxlen=MOST_GAPS)  # the last one goes on

    def answered(self, flow: Flow) -> None:
        """Somebody has answered; to be called for flows that end at `due` or later."""
        if is_here(self._home, flow[5]) and is_here(self._home, flow[3]):
            return
        gap, start, end = self._gaps[-1], flow[1], flow[2]
        self.due = end + EVERY
        if end <= gap.begin:
            return
        # What began before the gap may have lived through it.
        gap.end = start if start > gap.begin else end
        if gap.end - gap.begin < SILENCE:
            self._gaps.pop()
        self._gaps.append(_Gap(end))

    def silent(self, flow: Flow) -> None:
        """Nobody elsewhere answers what everybody asks for."""
        gap = self._gap(flow[1])
        if gap and (flow[3] in gap.silent or len(gap.silent) < MOST_SOURCES):
            gap.silent[flow[3]] = gap.silent.get(flow[3], 0) + 1

    def was_dead(self, time: int, source: Address) -> bool:
        """Whether it was at a time (Unix ms), as far as others than this one show."""
        gap = self._gap(time)
        return gap is not None and sum(gap.silent.values()) - gap.silent.get(source, 0) >= OTHERS

    def _gap(self, time: int) -> _Gap | None:
        return next((gap for gap in reversed(self._gaps) if gap.covers(time)), None)
