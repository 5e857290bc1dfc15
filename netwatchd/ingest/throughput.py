"""How much was moved: since the start, in each step of ten seconds of the last hour, and by whom in the last minute.

What crosses the line, in or out, is told apart from what devices here send to each other (`internal`), which is counted
once. A flow's bytes are known when its source tells of them: connection tracking and captures each ten seconds, what
flows of an exporter have carried a minute or more later, all at once. So they are put into the steps in which they were
moved: evenly between the flow's beginning, or the last time it was told of, and its end. This is done for each flow by
itself only while there are few of them. Of many, those that moved less than `big` go together: in the time that
the others of their batch tell of. `big` rises until so few are left that it costs nothing.

What comes late completes steps that were shown already; `lag` says after how long a step may be believed. Steps are
those of the steady clock, so that a wall clock that is set moves none of them.
"""

import threading
from array import array
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from netwatchd.clock import Now

STEP = 10.0  # seconds: no source tells more often
STEPS = 360
SHOWN = 90  # steps that clients are told of every few seconds: 15 minutes
MINUTE = 6  # steps
MOST_TOLD = 10  # devices

# Flows a second that are spread by themselves: with these, less than a millisecond.
FEW, MANY = 75, 300
BIG = 65_536  # bytes, to begin with
# The share of a step's bytes that is to have come before it is believed, and the most steps that are waited for it.
SHARE, MOST_LAG = 0.95, 30
FADING = 0.97  # of what is known of the lag, a step: half of it is of the last four minutes


class Growth(NamedTuple):
    """What one flow has moved between two times, in Unix ms."""

    begin: int
    end: int
    bytes_in: int
    bytes_out: int
    internal: bool


class Batch(NamedTuple):
    """What the flows of a batch have moved."""

    devices: Mapping[str, Sequence[int]]  # bytes in and out, by device; '': of none known
    internal: Sequence[int]  # how much of it, in and out, went from one device here to another
    big: Sequence[Growth]  # the flows that moved more than `big`
    end: int  # Unix ms, of a flow that is like most


class Throughput:
    """The sums. The flow worker adds to them; any thread may ask."""

    def __init__(self) -> None:
        self.big = BIG
        self.asleep = 0.0  # seconds that this machine has slept: the steady clock stood still meanwhile
        self.interval = STEP  # seconds after which a source tells of a live flow again
        self._lock = threading.Lock()
        self._totals = [0, 0, 0]  # in, out, internal
        self._moved = [array("d", bytes(8 * STEPS)) for _ in self._totals]  # bytes, by the number of the step
        self._late = array("d", bytes(8 * MOST_LAG))  # bytes that came so many steps after they were moved
        self._devices: dict[int, dict[str, list[int]]] = {}  # by the number of the step in which they were told of
        self._first = self._newest = -1
        self._second, self._spread = 0, FEW

    def add(self, batch: Batch, now: Now) -> None:
        """Adds what was told of now."""
        with self._lock:
            at = self._advance(now)
            rest_in, rest_out, internal = self._sum(batch)
            if not rest_in and not rest_out and not internal:
                return  # most flows that have just begun
            for flow in batch.big:
                begin, end = at - (now.wall - flow.begin) / 1000, at - (now.wall - flow.end) / 1000
                both = flow.bytes_in, flow.bytes_out
                moved = (0, 0, sum(both)) if flow.internal else (*both, 0)
                rest_in, rest_out, internal = rest_in - moved[0], rest_out - moved[1], internal - moved[2]
                self._put(begin, end, moved, at)
            end = min(at - (now.wall - batch.end) / 1000, at)
            self._put(max(end - self.interval, self._first * STEP), end, (rest_in, rest_out, internal), at)
            self._adapt(len(batch.big), int(now.steady))

    def notice(self, now: Now, slept: float) -> None:
        """Time goes on; `slept` is how long this machine has slept by now, in seconds."""
        with self._lock:
            self.asleep = slept
            self._advance(now)

    def figures(self, now: Now) -> dict[str, Any]:
        """What clients are told: totals, the last steps that are over, and who moved most in the last minute."""
        with self._lock:
            at = self._advance(now)
            return {
                **dict(zip(("bytes_in", "bytes_out", "bytes_internal"), self._totals, strict=True)),
                **self._steps(now, at, SHOWN, 1),
                "lag": self._lag(),
                "top": self._top(),
            }

    def minutes(self, now: Now) -> dict[str, Any]:
        """The last hour, in minutes."""
        with self._lock:
            return self._steps(now, self._advance(now), STEPS, MINUTE)

    # All below: call with the lock held.

    def _advance(self, now: Now) -> float:
        """Begins the steps up to now; returns when that is, in seconds of the machine, awake or asleep."""
        at = now.steady + self.asleep
        number = int(at // STEP)
        if self._first < 0:
            self._first = self._newest = number
        if number <= self._newest:
            return at
        passed = number - self._newest
        for moved in self._moved:
            for each in range(max(self._newest + 1, number - STEPS + 1), number + 1):
                moved[each % STEPS] = 0.0
        fade = FADING ** min(passed, STEPS)
        self._late = array("d", [count * fade for count in self._late])
        self._newest = number
        self._devices = {step: sums for step, sums in self._devices.items() if step >= number - MINUTE}
        return at

    def _sum(self, batch: Batch) -> tuple[int, int, int]:
        """Adds to the totals and to the devices; returns what came in, went out and stayed here."""
        devices = self._devices.setdefault(self._newest, {})
        bytes_in = bytes_out = 0
        for key, counts in batch.devices.items():
            sums = devices.setdefault(key, [0, 0])
            sums[0] += counts[0]
            sums[1] += counts[1]
            bytes_in += counts[0]
            bytes_out += counts[1]
        found = bytes_in - batch.internal[0], bytes_out - batch.internal[1], sum(batch.internal)
        self._totals = [total + count for total, count in zip(self._totals, found, strict=True)]
        return found

    def _put(self, begin: float, end: float, counts: tuple[int, int, int], at: float) -> None:
        """Spreads bytes evenly between two times; what was moved before the first step is left out."""
        begin, end = min(begin, at), min(end, at)
        begin = min(begin, end)
        first, last = int(begin // STEP), int(end // STEP)
        oldest = max(self._first, self._newest - STEPS + 1)
        for number in range(max(first, oldest), last + 1):
            if first == last:
                share = 1.0
            else:
                share = (min(end, (number + 1) * STEP) - max(begin, number * STEP)) / (end - begin)
            for moved, count in zip(self._moved, counts, strict=True):
                if count > 0:
                    moved[number % STEPS] += count * share
                    self._late[min(self._newest - number, MOST_LAG - 1)] += count * share

    def _adapt(self, spread: int, second: int) -> None:
        """Has fewer flows be spread where they are many, and more where they are few."""
        if second != self._second:
            if self._spread < FEW:
                self.big //= 4
            self._second, self._spread = second, 0
        self._spread += spread
        if self._spread > MANY:
            self.big, self._spread = max(self.big, 1) * 4, 0

    def _steps(self, now: Now, at: float, most: int, each: int) -> dict[str, Any]:
        """At most so many steps that are over, `each` of them as one."""
        count = min(self._newest - self._first, most, STEPS - 1) // each * each
        numbers = range(self._newest - count, self._newest, each)
        found = (
            [round(sum(moved[number % STEPS] for number in range(begun, begun + each))) for begun in numbers]
            for moved in self._moved
        )
        until = now.wall - round((at - self._newest * STEP) * 1000)
        return {"until": until, "step": int(STEP * each), **dict(zip(("in", "out", "internal"), found, strict=True))}

    def _lag(self) -> int:
        """Seconds after which nearly all that was moved in a step was told of."""
        wanted = sum(self._late) * SHARE
        have = 0.0
        for number, count in enumerate(self._late):
            have += count
            if have >= wanted:
                return int(STEP * number)
        return int(STEP * MOST_LAG)

    def _top(self) -> list[dict[str, Any]]:
        """Who moved most, as was told in the last six steps that are over."""
        sums: dict[str, list[int]] = {}
        for step, devices in self._devices.items():
            if step == self._newest:
                continue
            for key, counts in devices.items():
                known = sums.setdefault(key, [0, 0])
                known[0] += counts[0]
                known[1] += counts[1]
        most = sorted(sums.items(), key=lambda item: -sum(item[1]))[:MOST_TOLD]
        return [
            {"device": key or None, "bytes_in": counts[0], "bytes_out": counts[1]}
            for key, counts in most
            if any(counts)
        ]
