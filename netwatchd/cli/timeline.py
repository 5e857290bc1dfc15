"""When a device was here: a line of marks for each day, and its sessions with how long they lasted."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from netwatchd.answers.moments import midnight
from netwatchd.cli.moments import day_text
from netwatchd.events import Device, Session, Status

CELLS = 24  # of a day
MOST_DAYS = 14
_NOON = 36 * 3_600_000  # from midnight to the middle of the next day, whether or not a clock is changed between


@dataclass(frozen=True)
class Day:
    """One local day: how much of each of its cells the device was here, None where that is not known or to come."""

    name: str
    cells: tuple[float | None, ...]
    here: int  # milliseconds


def end_of(session: Session, device: Device, now: int) -> int:
    """Until when a session lasted, as far as is known at `now` (Unix ms)."""
    if session.end is not None:
        return max(session.end, session.start)
    return max(now if device.status is Status.ONLINE else device.last_seen, session.start)


def last_of(sessions: Sequence[Session], device: Device, now: int) -> int:
    """Until when days are worth showing: to `now`, or to the last time that it was here, where that is long ago."""
    last = max((end_of(session, device, now) for session in sessions), default=now)
    return now if last > midnight(now) - (MOST_DAYS - 1) * 24 * 3_600_000 else last


def days(device: Device, sessions: Sequence[Session], since: int, now: int) -> list[Day]:
    """The local days from `since` to `now` (Unix ms), the oldest first, at most MOST_DAYS of them."""
    times = [(session.start, end_of(session, device, now)) for session in sessions]
    found: list[Day] = []
    begin = midnight(now)
    while len(found) < MOST_DAYS:
        end = midnight(begin + _NOON)
        edges = [begin + (end - begin) * cell // CELLS for cell in range(CELLS + 1)]
        cells = tuple(
            _share(times, first, min(last, now)) if last > device.first_seen and first <= now else None
            for first, last in pairwise(edges)
        )
        found.append(Day(day_text(begin), cells, _overlap(times, begin, min(end, now))))
        if begin <= max(since, device.first_seen):
            break
        begin = midnight(begin - 1)
    return found[::-1]


def marks(day: Day, full: str, part: str, none: str) -> str:
    """A day as a line: a letter a cell."""
    return "".join(" " if c is None else none if not c else part if c < 0.5 else full for c in day.cells)


def _share(times: Sequence[tuple[int, int]], begin: int, end: int) -> float:
    return _overlap(times, begin, end) / max(end - begin, 1)


def _overlap(times: Sequence[tuple[int, int]], begin: int, end: int) -> int:
    return sum(max(min(last, end) - max(first, begin), 0) for first, last in times)
