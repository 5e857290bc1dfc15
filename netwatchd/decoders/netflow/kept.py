"""Data sets whose template has not come yet. They are kept for a while, and so many that they fill no memory."""

from collections import deque
from typing import Generic, NamedTuple, TypeVar

C = TypeVar("C")

# Routers send their templates every few dozen datagrams, and at latest, as most are set, every half hour.
MOST_AGE = 1_800_000  # ms
MOST_SETS, MOST_BYTES = 1024, 512 << 10  # of one stream
MOST_BYTES_IN_ALL = 8 << 20


class DataSet(NamedTuple, Generic[C]):
    """A data set, and what is needed to read it later."""

    arrived: int
    template: int
    data: bytes
    context: C


class Budget:
    """The bytes that all streams together keep."""

    def __init__(self) -> None:
        self.used = 0


class Kept(Generic[C]):
    """The data sets of one stream, the oldest first."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._sets: deque[DataSet[C]] = deque()
        self._bytes = 0

    def keep(self, kept: DataSet[C]) -> int:
        """Keeps a data set; returns how many others, or this one, had to go for it."""
        self._sets.append(kept)
        self._count(len(kept.data))
        dropped = 0
        while (
            len(self._sets) > MOST_SETS or self._bytes > MOST_BYTES or self._budget.used > MOST_BYTES_IN_ALL
        ) and self._sets:
            self._count(-len(self._sets.popleft().data))
            dropped += 1
        return dropped

    def take(self, template: int) -> list[DataSet[C]]:
        """Those of a template, which has come."""
        found = [kept for kept in self._sets if kept.template == template]
        if found:
            self._sets = deque(kept for kept in self._sets if kept.template != template)
            self._count(-sum(len(kept.data) for kept in found))
        return found

    def expire(self, now: int | None) -> int:
        """How many have waited for too long at `now` (Unix ms), and are dropped; all of them where it is None."""
        dropped = 0
        while self._sets and (now is None or not now - MOST_AGE <= self._sets[0].arrived):
            self._count(-len(self._sets.popleft().data))
            dropped += 1
        return dropped

    def __len__(self) -> int:
        return len(self._sets)

    def _count(self, octets: int) -> None:
        self._bytes += octets
        self._budget.used += octets
