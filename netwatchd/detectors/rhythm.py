"""Conversations of one device with one service elsewhere, and whether they begin at regular intervals.

The base period is the median of the intervals. It is regular when most intervals are about that long, or a small
multiple of it (a beat was missed), and half of them are much closer to it than those of a random arrival would be: of
an exponential distribution the median deviation is 0.7 of the median, of one that is jittered by up to 30 % it is 0.15.
"""

from array import array
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

MOST_BEATS = 32  # of which it is decided; one pair takes about 1 kB
# Milliseconds within which conversations are one beat: clients open several connections side by side.
SAME = 500
SHORTEST, LONGEST = 1_000, 3_600_000  # periods, in milliseconds: faster is a transfer, slower takes days to be sure of
MOST_MISSED = 3  # beats that may be missing in a row
JITTER = 0.35  # of the period that an interval may be off: sleeps with a jitter of 30 %, and the network's own
# Of so many intervals, half must be within such a part of the period: few that are very even, or more that are less so.
# The uneven ones: a jitter of 30 % gives 0.15. The call before the first of them is not counted.
EVEN = ((6, 0.1), (19, 0.2))
SHARE = 0.85  # of the intervals must be a multiple: one in seven may be anything, as when the device was restarted


class Measure(NamedTuple):
    """What is regular about it."""

    period: int  # milliseconds
    intervals: int
    missed: int  # beats that did not come
    jitter: float  # half of the intervals are off by less than this part of the period
    share: float  # of the intervals that are about a multiple of the period
    bytes_out: int  # of one conversation: the median
    bytes_in: int
    alike: float  # half of the conversations differ from that by less than this part of it
    first: int  # Unix ms
    last: int

    @property
    def regular(self) -> bool:
        """Whether it is, beyond chance."""
        return (
            SHORTEST <= self.period <= LONGEST
            and self.share >= SHARE
            and any(self.intervals >= needed and self.jitter <= most for needed, most in EVEN)
        )

    @property
    def confidence(self) -> float:
        """How sure that is, from 0 to 1: by evenness, likeness, and how often it came."""
        often = min(1.0, 0.5 + self.intervals / (2 * MOST_BEATS - 2))
        return round(self.share * (1 - self.jitter) * (1 - min(self.alike, 0.5)) * often, 2)


class Rhythm:
    """The last conversations of a pair, by when they began."""

    __slots__ = ("_beats", "begun", "due", "told", "total")

    def __init__(self, first: int, second: int, bytes_out: int, bytes_in: int) -> None:
        """Two conversations began at these times (Unix ms, in this order); of the second one the bytes are known."""
        self.begun = first
        self.total = 2  # beats so far, also those that are not remembered any more
        self.due = EVEN[0][0] + 1  # at how many it is judged next
        self.told = 0  # how many they were when it was told
        # Start, bytes out and bytes in of each beat, one behind the other: one array is made faster than three.
        self._beats = array("Q", (first, bytes_out, bytes_in, second, bytes_out, bytes_in))

    def add(self, start: int, bytes_out: int, bytes_in: int) -> bool:
        """Adds a conversation, or what more is known of it by now; whether it is a beat of its own."""
        beats = self._beats
        # The usual case: the next one.
        if start - beats[-3] > SAME:
            if len(beats) >= 3 * MOST_BEATS:
                del beats[:3]
            beats.append(start)
            beats.append(bytes_out)
            beats.append(bytes_in)
            self.total += 1
            return True
        return self._insert(start, bytes_out, bytes_in)

    def _insert(self, start: int, bytes_out: int, bytes_in: int) -> bool:
        """Adds what began no later than the latest."""
        beats = self._beats
        at = len(beats)
        while at and beats[at - 3] > start:
            at -= 3
        for near in (at - 3, at):
            if 0 <= near < len(beats) and abs(beats[near] - start) <= SAME:
                # The same one that is told again, or one beside it.
                beats[near + 1] = max(beats[near + 1], bytes_out)
                beats[near + 2] = max(beats[near + 2], bytes_in)
                return False
        if len(beats) >= 3 * MOST_BEATS:
            if at == 0:
                return False  # told so late that it lies before all that is remembered
            del beats[:3]
            at -= 3
        beats[at:at] = array("Q", (start, bytes_out, bytes_in))
        self.total += 1
        return True

    def measure(self) -> Measure:
        """What is regular about it."""
        starts, sizes, answers = self._beats[::3], self._beats[1::3], self._beats[2::3]
        intervals = [after - before for before, after in pairwise(starts)]
        period = max(_median(intervals), 1)
        beats = [max(round(interval / period), 1) for interval in intervals]
        near = sum(
            count <= MOST_MISSED + 1 and abs(interval - count * period) <= JITTER * period
            for interval, count in zip(intervals, beats, strict=True)
        )
        out = _median(sizes)
        return Measure(
            period, len(intervals), sum(count - 1 for count in beats if count <= MOST_MISSED + 1),
            _median([abs(interval - period) for interval in intervals]) / period, near / len(intervals),
            out, _median(answers), _median([abs(each - out) for each in sizes]) / max(out, 1),
            starts[0], starts[-1],
        )  # fmt: skip


def _median(values: Sequence[int]) -> int:
    """The middle one; of an even number, the lower of the two."""
    return sorted(values)[(len(values) - 1) // 2]
