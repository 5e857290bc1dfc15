"""How long a device is silent now and then while it is here, learnt from the gaps between its signs of life.

A phone sleeps for half an hour, a lamp speaks every minute. So each device has a patience of its own: MARGIN times the
longest gap that it is known to make, at least `offline_after` and at most CEILING. What decides about a gap:

* It is shorter than the patience: it is one more gap of somebody who is here.
* It is longer, so that the device was said to be offline. Where it is at most LIKELY times what is known of it, the
  device has only slept, and that teaches its patience. A longer one teaches when another one like it follows within
  AGAIN: sleep repeats itself within hours, a walk does not.
* It is longer than CEILING: a night away, which teaches nothing.

Each DAY in which the device made no such gap takes its patience down by FORGOTTEN steps, so that one odd hour does not
make netwatchd slow to notice for ever. A few numbers a device; of these `told` is kept with it, so that it survives.
"""

from bisect import bisect_left

MARGIN = 1.25
# Longer than phones sleep without a sign of life (some minutes to an hour), shorter than a night or a day away.
CEILING = 2 * 3600.0  # seconds
LIKELY = 3.0
AGAIN = 12 * 3600.0  # seconds
DAY = 24 * 3600.0  # seconds
FORGOTTEN = 2
# What is learnt is one of these (seconds): it is told and stored when it changes, which it so does rarely.
STEPS = (1, 5, 15, 30, 60, 120, 180, 300, 420, 600, 900, 1200, 1500, 1800, 2400, 3000, 3600, 4500, 5400, 6300, 7200)


class Silence:
    """What is known of one device's silences. All times are seconds of the steady clock."""

    __slots__ = ("_longest", "_odd", "_odd_at", "_reviewed", "told", "usual")

    def __init__(self, usual: float = 0.0) -> None:
        """`usual` is what an earlier run has learnt, in seconds; 0 is nothing."""
        self.usual = self.told = min(usual, CEILING)  # MARGIN times the longest usual gap
        self._longest = 0.0  # gap since the last review
        self._reviewed: float | None = None
        self._odd, self._odd_at = 0.0, 0.0  # the last gap that was too long to be sleep, and when it ended

    def patience(self, offline_after: float) -> float:
        """The silence after which the device counts as gone."""
        return max(offline_after, self.usual)

    def learn(self, gap: float, ended: float, offline_after: float) -> bool:
        """A gap between two signs of life ended at `ended`; returns whether the device was here meanwhile."""
        self._review(ended)
        if gap >= max(CEILING, offline_after):
            return False
        known = self.usual / MARGIN or offline_after / 2
        here = gap < self.patience(offline_after) or gap <= LIKELY * known or self._is_again(gap, ended)
        if not here:
            self._odd, self._odd_at = gap, ended
            return False
        self._longest = max(self._longest, gap)
        if gap * MARGIN > self.usual:
            self.usual = _step(gap * MARGIN)
            # What is less than `offline_after` changes nothing, and is told at the next review.
            if self.usual > offline_after:
                self.told = self.usual
        return True

    def _is_again(self, gap: float, ended: float) -> bool:
        return bool(self._odd) and ended - self._odd_at < AGAIN and gap <= LIKELY * self._odd

    def _review(self, now: float) -> None:
        """Forgets some of what the last DAY has not shown again."""
        if self._reviewed is None:
            self._reviewed = now
        elif now - self._reviewed >= DAY:
            fewer = STEPS[max(bisect_left(STEPS, self.usual) - FORGOTTEN, 0)]
            self.usual = self.told = min(self.usual, max(_step(self._longest * MARGIN), fewer))
            self._longest, self._reviewed = 0.0, now


def _step(seconds: float) -> float:
    """The step that holds so many seconds."""
    return float(STEPS[min(bisect_left(STEPS, seconds), len(STEPS) - 1)])
