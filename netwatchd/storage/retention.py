"""Which days of flows go, and when the clock may be believed that says so."""

import ctypes
import logging
import time
from datetime import UTC, datetime
from pathlib import Path

from netwatchd.config import Storage as Settings
from netwatchd.storage.connection import Connection
from netwatchd.storage.durable import sync_directory

log = logging.getLogger(__name__)

MAX_DAYS_A_RUN = 2  # a clock that leaps must not eat the past in one bite
_TIME_ERROR = 5  # adjtimex(2): the clock is not synchronised
_TIMEX_BYTES = 256  # struct timex has 208; modes = 0 only reads
_HOUR_MS, _DAY_MS = 3_600_000, 86_400_000


def cleanup_old_data(connection: Connection, settings: Settings, now: int) -> list[str]:
    """Removes the oldest days, at most two: those beyond the retention, then while all files are over the budget.

    `now` is Unix ms and must come from a clock known to be good. Today's file stays. Returns the removed files' names.
    """
    removed: list[str] = []
    for path in connection.day_files()[:MAX_DAYS_A_RUN]:
        age = now - _end_of_day(path)
        if age < 0:
            _say_what_is_too_much(size_of(connection.directory), settings.max_size)
            break
        if age < settings.retention * 1000 and size_of(connection.directory) <= settings.max_size:
            break
        _remove(connection, path)
        removed.append(path.name)
        log.info("removed %s: the flows of a day beyond retention or max_size", path.name, extra={"event": "retention"})
    return removed


def _say_what_is_too_much(size: int, most: int) -> None:
    if size > most:
        log.warning(
            "the databases take %d MB, more than max_size (%d MB), and nothing is removed: "
            "only days that are over may go",
            size // 10**6,
            most // 10**6,
            extra={"repeat": "retention.max_size", "event": "retention"},
        )


def size_of(directory: Path) -> int:
    """Bytes of all database files, with their -wal."""
    return sum(map(file_size, (*directory.glob("*.db"), *directory.glob("*.db-wal"))))


def file_size(path: Path) -> int:
    """Bytes of a file; 0 where it was removed since it was listed, or its disk fails, as the writer will say."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _end_of_day(path: Path) -> int:
    day = datetime.fromisoformat(path.name[6:14]).replace(tzinfo=UTC)
    return int(day.timestamp() * 1000) + _DAY_MS


def _remove(connection: Connection, path: Path) -> None:
    with connection.lock:
        connection.detach_day(path)
        path.unlink(missing_ok=True)
        # A power cut must not leave the day without the -wal that some reader kept from being moved into it.
        sync_directory(path.parent)
        for end in ("-wal", "-shm"):
            path.with_name(path.name + end).unlink(missing_ok=True)


class Clock:
    """Whether the wall clock is known to be good. A Pi has no clock of its own: it may start a year off."""

    def __init__(self, newest: int | None) -> None:
        """`newest` is the time (Unix ms) of the newest event that an earlier run stored, None where there is none."""
        self._newest = newest
        self._started = int(time.time() * 1000)
        self._started_monotonic = time.monotonic()

    def is_good(self, now: int) -> bool:
        """Whether `now` (Unix ms) may be believed.

        It may where the kernel says that the clock is synchronised. Without that it must not have leapt while this
        process ran, and this process must have begun after the newest stored event and within two days of it.
        """
        if kernel_clock_is_synchronised():
            return True
        ran = (time.monotonic() - self._started_monotonic) * 1000
        if abs(now - self._started - ran) > _HOUR_MS:
            return False
        return self._newest is None or self._newest <= self._started <= self._newest + 2 * _DAY_MS


def kernel_clock_is_synchronised() -> bool:
    """What adjtimex(2) says; False where it may not be asked."""
    state: int = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    return 0 <= state < _TIME_ERROR
