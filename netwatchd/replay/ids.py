"""Ids of events from the past, whose time may go back: captures overlap, are replayed twice, or in any order.

An id holds the millisecond in which a flow was first seen, and with it the file of the day in which the flow lies. So
ids may not simply rise, as those of the daemon do. They rise within each minute instead; what a minute has given is
remembered in four bytes, which makes 2 MB a year, and less than 150 MB for a liar who names every day there can be.
"""

from array import array
from collections.abc import Callable

MINUTE_MS = 60_000
_MINUTES = 1440  # of a day
_IDS = MINUTE_MS << 12  # of a minute
LAST = (1 << 41) - 1  # the last millisecond that an id can hold, in 2039


class PastIds:
    """Gives the ids of events at any time; not for several threads.

    `stored(day)` tells, of the day that began at `day` (Unix ms), the newest id in each minute (by its number within
    the day) that lies in the database already.
    """

    def __init__(self, stored: Callable[[int], dict[int, int]]) -> None:
        self._stored = stored
        self._days: dict[int, array[int]] = {}  # number of the day -> for each minute, how many of its ids are gone

    def __call__(self, now: int, count: int = 1, /) -> int:
        """The first of `count` ids (up to 100 million) at `now` (Unix ms), or as soon after it as there is room."""
        now = min(max(now, 0), LAST)
        minute, offset = now // MINUTE_MS, (now % MINUTE_MS) << 12
        while True:
            day = self._days.get(minute // _MINUTES)
            if day is None:
                day = self._begin(minute // _MINUTES)
            at = minute % _MINUTES
            offset = max(offset, day[at])
            if offset + count <= _IDS:
                day[at] = offset + count
                return minute * _IDS + offset
            minute, offset = minute + 1, 0

    def _begin(self, number: int) -> "array[int]":
        day = self._days[number] = array("I", bytes(4 * _MINUTES))
        for at, newest in self._stored(number * _MINUTES * MINUTE_MS).items():
            day[at] = newest - (number * _MINUTES + at) * _IDS + 1
        return day
