"""Which days of flows go, and when the clock may be believed that says so."""

import ctypes
import logging
import sqlite3
import time
from functools import partial
from pathlib import Path
from typing import Any

from netwatchd.config import Storage as Settings
from netwatchd.storage import hourly, schema
from netwatchd.storage.connection import Connection
from netwatchd.storage.durable import sync_directory
from netwatchd.storage.files import files_of, wal_files
from netwatchd.storage.verdicts import Unavailable

log = logging.getLogger(__name__)

MAX_DAYS_A_RUN = 2  # a clock that leaps must not eat the past in one bite
# A day is cut into parts of this share of max_size, so that there is always something to remove but what is written.
PARTS = 16
SMALLEST_PART, LARGEST_PART = 4 * 2**20, 2**30  # bytes
_TIME_ERROR = 5  # adjtimex(2): the clock is not synchronised
_TIMEX_BYTES = 256  # struct timex has 208; modes = 0 only reads
# Rows of threats that stay: as many as the daemon remembers, some 10 MB. A public address is scanned all day.
MOST_THREATS = 10_000
_HOUR_MS, _DAY_MS = 3_600_000, 86_400_000


def cleanup_old_data(connection: Connection, settings: Settings, now: int, threats_before: int = 0) -> list[str]:
    """Removes what is beyond the retention: of flows the oldest two days at most, and of core.db.

    `now` is Unix ms and must come from a clock known to be good. Threats go that were last seen before
    `threats_before` (Unix ms). Returns the removed files' names.
    """
    removed: list[str] = []
    days: set[int] = set()
    for path in connection.day_files():
        days.add(day := _day_of(path))
        if len(days) > MAX_DAYS_A_RUN or now - (day + _DAY_MS) < settings.retention * 1000:
            break
        _remove(connection, path)
        removed.append(path.name)
        log.info("removed %s: flows beyond retention", path.name, extra=_REMOVED)
    before = (int(now - settings.hourly_retention * 1000), int(now - settings.daily_retention * 1000))
    try:
        connection.execute_with_retry(partial(_remove_totals, before, threats_before), pauses=(0.0,))
    except Unavailable as error:
        raise error.cause from error
    return removed


def make_room(connection: Connection, most: int, written: Path | None = None) -> list[str]:
    """Removes the oldest files of flows until all databases, with one part more, take less than `most` bytes.

    The newest file stays, and the one that is `written`; so do the roll-ups. It asks no clock: a card that is full is
    worse than a day that is missing. Returns the removed files' names.
    """
    removed: list[str] = []
    size = size_of(connection.directory) + part_size(most)
    for path in connection.day_files()[:-1]:
        if size <= most:
            break
        if path == written:
            continue
        size -= sum(map(file_size, files_of(path)[:2]))
        _remove(connection, path)
        removed.append(path.name)
        log.info("removed %s, the oldest flows: all would take more than max_size", path.name, extra=_REMOVED)
    if size - part_size(most) > most:
        log.warning(
            "the databases take %d MB, more than max_size (%d MB), and nothing is left to be removed: "
            "what is being written and the roll-ups stay",
            (size - part_size(most)) // 10**6,
            most // 10**6,
            extra={"repeat": "retention.max_size", "event": "retention"},
        )
    return removed


def part_size(most: int) -> int:
    """Bytes after which a new file of flows is begun, where all databases may take `most`."""
    return min(max(most // PARTS, SMALLEST_PART), LARGEST_PART)


_REMOVED = {"event": "retention"}


def _remove_totals(before: tuple[int, int], threats_before: int, db: sqlite3.Connection) -> None:
    db.execute("BEGIN IMMEDIATE")
    db.execute("DELETE FROM main.threats WHERE last_seen < ?", (threats_before,))
    # What the user has judged goes last.
    db.execute(
        "DELETE FROM main.threats WHERE id IN "
        "(SELECT id FROM main.threats ORDER BY status = 'open', last_seen DESC LIMIT -1 OFFSET ?)",
        (MOST_THREATS,),
    )
    hourly.remove(db, *before)
    _remove_records(db, before[1])
    db.execute("COMMIT")


def _remove_records(db: sqlite3.Connection, before: int) -> None:
    """Removes two days at most of the sessions that ended, and traits that were last seen, before a time (Unix ms)."""
    for table, column in (("sessions", '"end"'), ("traits", "last_seen")):
        oldest = db.execute(f"SELECT min({column}) FROM main.{table}").fetchone()[0]
        if oldest is not None and oldest < before:
            until = min(before, oldest + hourly.MOST_REMOVED)
            db.execute(f"DELETE FROM main.{table} WHERE {column} < ?", (until,))


def size_of(directory: Path) -> int:
    """Bytes of all database files, with their -wal, and of the copies of core.db."""
    patterns = ("*.db", "*.db-wal", "core.db.schema-*")
    return sum(file_size(path) for pattern in patterns for path in directory.glob(pattern))


def stored(connection: Connection) -> dict[str, Any]:
    """What all databases take, in bytes, and the days of flows that there are."""
    days = connection.day_files()
    return {
        "size": size_of(connection.directory),
        "wal": sum(map(file_size, wal_files(connection.directory))),
        "days": len({path.name[6:14] for path in days}),
        "oldest_day": days[0].name[6:14] if days else None,
    }


def file_size(path: Path) -> int:
    """Bytes of a file; 0 where it was removed since it was listed, or its disk fails, as the writer will say."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _day_of(path: Path) -> int:
    """When the day began whose flows are in a file."""
    return (schema.begin_of(path.name) or 0) // _DAY_MS * _DAY_MS


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
