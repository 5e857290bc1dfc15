"""What a detector remembers of time: what it has told, when it could not look, and until when it only learns.

All times are Unix ms.
"""

LEAP = 60_000  # between two ticks, which come twice a second: the clock was set, or the machine slept
MOST_GAPS = 256  # of a notebook that sleeps every night, those of months
MOST_TOLD = 10_000  # as many as there are threats in memory
_OVER = "over"  # how it is noted that the learning period was there and has ended

Key = tuple[str, str | None, str | None]  # kind, device, target of a threat


class Told:
    """When each news was last told."""

    def __init__(self) -> None:
        self._told: dict[Key, int] = {}  # the latest at the end

    def note(self, key: Key, time: int) -> None:
        """It was told then."""
        self._told.pop(key, None)
        self._told[key] = time
        if len(self._told) > MOST_TOLD:
            del self._told[next(iter(self._told))]

    def tell(self, key: Key, time: int, cooldown: int) -> bool:
        """Whether it may be told at `time`; if so, it is."""
        last = self._told.get(key)
        if last is not None and 0 <= time - last < cooldown:
            return False
        self.note(key, time)
        return True

    def forget(self, device: str) -> None:
        """Whatever was told of a device may be told again."""
        for key in [key for key in self._told if key[1] == device]:
            del self._told[key]


class Unwatched:
    """The times in which nobody looked, so that nobody can be said to have been away then.

    Those are the time from the last sign of life of an earlier run to the start, sleep, and leaps of the clock: a Pi
    without a battery starts at the time of its last shutdown, and NTP puts that right later.
    """

    def __init__(self) -> None:
        self._gaps: list[tuple[int, int]] = []
        self._ticked: int | None = None

    def begin(self, last: int, time: int) -> None:
        """Looking began at `time`; the run before looked until `last`."""
        self._add(last, time)

    def tick(self, time: int) -> int:
        """It is `time`; returns by how much it leapt, if it did."""
        last, self._ticked = self._ticked, time
        if last is None or abs(time - last) <= LEAP:  # threads tell of their moments in any order
            return 0
        self._add(last, time)
        return time - last

    def watched(self, since: int, until: int) -> int:
        """Milliseconds between the two in which somebody looked."""
        gaps = sum(max(min(end, until) - max(start, since), 0) for start, end in self._gaps)
        return max(until - since - gaps, 0)

    def _add(self, start: int, end: int) -> None:
        if start < end:
            self._gaps.append((start, end))
        if len(self._gaps) > MOST_GAPS:
            # The oldest two become one, with what lies between: in doubt nobody was away.
            (start, end), (other, until), *rest = self._gaps
            self._gaps = [(min(start, other), max(end, until)), *rest]


class Learning:
    """The time at the very first start in which everything that shows up is baseline."""

    def __init__(self) -> None:
        self._began: int | None = None
        self._over = False

    @property
    def note(self) -> str | None:
        """What is to be kept of it, so that a restart does not begin it anew."""
        return _OVER if self._over else None if self._began is None else str(self._began)

    def remember(self, note: str | None, knows: bool, time: int, last: int) -> None:
        """Takes in what was kept, if anything; it begins where nothing was, and no device is known either.

        `last` is when the run before last saw a device: what lies between that and now does not count, as that run's
        clock may have been years behind.
        """
        if self.note is not None:
            return  # a file that replaces another one while we run knows nothing, but we do
        if note is None and not knows:
            self._began = time
        elif note is None or note == _OVER or not note.isdecimal():
            self._over = True
        else:
            off = time - last if time - last > LEAP else 0
            self._began = min(int(note) + off, time)

    def shift(self, leap: int) -> None:
        """The clock leapt, or nobody looked: that time does not count."""
        if self._began is not None:
            self._began += leap

    def until(self, seconds: float) -> int | None:
        """When it ends; None where it does not go on."""
        return None if self._over or self._began is None else self._began + int(seconds * 1000)

    def goes_on(self, seconds: float, time: int) -> bool:
        """Whether everything is still baseline. Once it is over it stays over."""
        until = self.until(seconds)
        if until is not None and time >= until:
            self._over = True
        return not self._over and until is not None
