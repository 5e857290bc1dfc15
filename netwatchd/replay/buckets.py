"""Which roll-ups a replay came back to after they were written, so that they have to be added up again."""

from netwatchd.storage.rollups import BUCKET_MS

_DAY_MS = 86_400_000
_A_DAY = _DAY_MS // BUCKET_MS


class Passed:
    """The buckets that time has passed. A day takes one number, so that all days there can be take 5 MB."""

    def __init__(self, until: int) -> None:
        """What lies before `until` (Unix ms) was written by an earlier run."""
        self._until = until // BUCKET_MS
        self._at = -1
        self._seen: dict[int, int] = {}  # day -> a bit for each bucket
        self._again: dict[int, int] = {}

    def note(self, now: int) -> None:
        """Something happens at `now` (Unix ms)."""
        number = now // BUCKET_MS
        if number == self._at:
            return
        self._at = number
        day, bit = number // _A_DAY, 1 << number % _A_DAY
        seen = self._seen.get(day, 0)
        if seen & bit or number <= self._until:
            self._again[day] = self._again.get(day, 0) | bit
        self._seen[day] = seen | bit

    def again(self) -> list[int]:
        """The buckets that were come back to, by the time (Unix ms) at which they begin."""
        return [
            day * _DAY_MS + at * BUCKET_MS
            for day, bits in sorted(self._again.items())
            for at in range(_A_DAY)
            if bits >> at & 1
        ]
