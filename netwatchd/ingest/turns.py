"""Whether two MACs that were taken for one device take turns, as those of one that changes its MAC, or are both here.

A device shows one MAC for minutes at least before it shows another one. Two devices show themselves in turn again and
again. One sign of life may be late, or a person may switch a phone back and forth, so that it takes several.
"""

from collections import deque

SWITCHES = 4  # from one MAC to another
WITHIN = 300_000  # milliseconds: kernels tell of a neighbour that is here once or twice a minute
TOLD_EVERY = 10_000  # milliseconds: of MACs that are here at the same time, each packet would make another the latest


class Turns:
    """The signs of life of one device with several MACs."""

    def __init__(self) -> None:
        self._now: str | None = None  # the MAC that it shows
        self._since = 0  # when it first showed it, this time
        self._last = 0
        self._told = 0
        self._switches: deque[tuple[int, str]] = deque(maxlen=SWITCHES)  # when, and from which MAC

    def shown(self, mac: str, seen: int) -> str | None:
        """The device showed a MAC at `seen` (Unix ms); returns another one that is here, too, where that is proven."""
        if mac == self._now:
            self._last = max(self._last, seen)
            return None
        if self._now is None:
            self._now, self._since, self._last = mac, seen, seen
            return None
        # What is told late belongs to an earlier turn, unless it lies within this one.
        if seen <= self._since:
            return None
        other = self._now
        self._switches.append((seen, other))
        if seen > self._last:
            self._now, self._since, self._last = mac, seen, seen
        else:
            self._switches.append((seen, mac))
            self._since = self._last  # what lies between is this one excursion
        if len(self._switches) == SWITCHES and seen - self._switches[0][0] <= WITHIN:
            return other
        return None

    def may_tell(self, seen: int) -> bool:
        """Whether it is told that another MAC is the latest, at `seen` (Unix ms)."""
        if 0 <= seen - self._told < TOLD_EVERY:
            return False
        self._told = seen
        return True
