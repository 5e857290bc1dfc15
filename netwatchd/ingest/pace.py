"""How often what goes on is told: at once at first, then less and less often, and its last state in the end.

Times are Unix ms. A clock that was set back makes more be told, never less.
"""

from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)

# Milliseconds between a telling and the next one. Four at once, because most of what happens is over by then; ten
# seconds, so that somebody who looks sees it go on; then a minute, in which a card is written often enough.
PAUSES = (0, 0, 0, 10_000, 10_000, 10_000, 10_000, 10_000, 60_000)
QUIET = 600_000  # after which what is told is told at once again


class Pace(Generic[K]):
    """Which of many things may be told again now, and which wait."""

    def __init__(self, most: int) -> None:
        """`most` things are remembered; of one beyond them it is forgotten how often it was told."""
        self._most = most
        self._told: dict[K, tuple[int, int]] = {}  # when last, and how often; the latest at the end
        self._waiting: dict[K, int] = {}  # until when, the longest first

    def may_tell(self, key: K, now: int) -> bool:
        """Whether it may be told again now; else it waits."""
        until = self._until(key, now)
        if until is None:
            return True
        self._waiting.setdefault(key, until)
        return False

    def note(self, key: K, now: int) -> None:
        """It is told now."""
        last, often = self._told.pop(key, (now, 0))
        self._told[key] = now, often + 1 if 0 <= now - last < QUIET else 1
        self._waiting.pop(key, None)
        if len(self._told) > self._most:
            self.forget(next(iter(self._told)))

    def resume(self, key: K, since: int, last: int, most: int) -> None:
        """An earlier run told it from `since` to `last`, at most `most` times: it is told once, and then as before."""
        often, at = 1, since
        while often < min(most, len(PAUSES)) and at + PAUSES[often - 1] <= last:
            at += PAUSES[often - 1]
            often += 1
        self._told[key] = last - PAUSES[often - 1], often

    def done(self, key: K) -> None:
        """It was told for another reason."""
        self._waiting.pop(key, None)

    def forget(self, key: K) -> None:
        """There is no such thing any more."""
        self._told.pop(key, None)
        self._waiting.pop(key, None)

    def due(self, now: int) -> list[K]:
        """Those of them that wait whose time has come."""
        return [key for key, until in self._waiting.items() if not 0 < until - now <= PAUSES[-1]]

    def waits(self, key: K) -> bool:
        """Whether it waits to be told."""
        return key in self._waiting

    def waiting(self) -> list[K]:
        """All that wait."""
        return list(self._waiting)

    def _until(self, key: K, now: int) -> int | None:
        last, often = self._told.get(key, (now, 0))
        if not often or not 0 <= now - last < QUIET:
            return None
        until = last + PAUSES[min(often, len(PAUSES)) - 1]
        return until if now < until else None
