"""The files of a database as they lie on the disk: whether they are still the same, and whether they are sound.

What must live here: what the file system tells of a file. What this file must not know: what the database says. A
database is never opened but by sqlite3 while a connection to it is open in this process: closing another descriptor of
the file drops the locks that the connection holds (POSIX).
"""

import logging
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from netwatchd.storage.verdicts import Verdict, verdict

log = logging.getLogger(__name__)

LOCK_TIMEOUT = 0.5  # seconds that a look may wait for another process's lock; a locked file is not called corrupt
MAX_WAL = 4 * 2**20  # bytes; a longer -wal is checkpointed after the commit, and cut when it begins anew
_STEPS = 100_000  # of SQLite's machine between two signs of life while a file is looked through: some milliseconds
_CHUNK = 2**20


@dataclass(frozen=True)
class Seen:
    """What tells a file from another one, and its size."""

    device: int
    inode: int
    size: int


@dataclass(frozen=True)
class Change:
    """Something that was done to a file of ours from outside."""

    database: Path  # whose file it is
    file: Path
    cut: bool  # it is shorter; else it is gone, or another one


class Watch:
    """The files of the databases that are open, as they were when they were last looked at."""

    def __init__(self) -> None:
        self._seen: dict[Path, dict[Path, Seen | None]] = {}  # database -> its files

    def add(self, database: Path) -> None:
        """Watches a database from now on."""
        self._seen[database] = {file: seen(file) for file in files_of(database)}

    def forget(self, database: Path) -> None:
        """Watches it no more."""
        self._seen.pop(database, None)

    def clear(self) -> None:
        """Watches nothing."""
        self._seen.clear()

    def databases(self) -> list[Path]:
        """What is watched."""
        return list(self._seen)

    def identity(self, database: Path) -> tuple[int, int] | None:
        """What tells a database's file from another one that comes to its place."""
        found = self._seen[database][database]
        return (found.device, found.inode) if found else None

    def change(self) -> Change | None:
        """What was done to a file from outside since the last look; a file that was not there yet may come."""
        for database, files in self._seen.items():
            for file, before in files.items():
                now = seen(file)
                if before is not None:
                    if now is None or (now.device, now.inode) != (before.device, before.inode):
                        return Change(database, file, cut=False)
                    # SQLite itself cuts a long -wal, but not below this.
                    if now.size < (before.size if file == database else min(before.size, MAX_WAL)):
                        return Change(database, file, cut=True)
                files[file] = now
        return None

    def orphans(self) -> list[Path]:
        """What does not belong to the files that lie there now, and would ruin them.

        A -wal whose database is another one by now: SQLite would play it into that one. A -shm whose -wal is another
        one: it tells where in that to find what.
        """
        found = []
        for database, before in self._seen.items():
            now = {file: _identity(seen(file)) for file in before}
            same = {file: _identity(before[file]) == now[file] for file in before}
            _, wal, shm = files_of(database)
            if not same[database]:
                found += [file for file in (wal, shm) if same[file] and now[file]]
            elif not same[wal] and same[shm] and now[shm]:
                found.append(shm)
        return found


def files_of(database: Path) -> tuple[Path, Path, Path]:
    """The file itself, its -wal and its -shm."""
    return database, database.with_name(database.name + "-wal"), database.with_name(database.name + "-shm")


def wal_files(directory: Path) -> list[Path]:
    """The -wal files of all databases in a directory."""
    return list(directory.glob("*.db-wal"))


def seen(file: Path) -> Seen | None:
    """A file as it is now; None where there is none."""
    try:
        stat = file.stat()
    except FileNotFoundError:
        return None
    return Seen(stat.st_dev, stat.st_ino, stat.st_size)


def is_corrupt(database: Path, tired: Callable[[], bool]) -> bool:
    """Whether a fresh connection finds the file to be no sound database; an error that may pass proves nothing.

    `tired()` is asked now and then while a large file is looked through, and gives up by saying True.
    """
    try:
        with closing(sqlite3.connect(f"{database.resolve().as_uri()}?mode=rw", LOCK_TIMEOUT, uri=True)) as db:
            db.set_progress_handler(tired, _STEPS)
            return bool(db.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok")
    except sqlite3.Error as error:
        return verdict(error) is Verdict.REPLACE


def replace_corrupt(suspects: list[Path], tired: Callable[[], bool]) -> bool:
    """Moves away each database that is corrupt beyond doubt, with its -wal and -shm; none may be open here.

    Returns whether there was one. A first read error looks like corruption, and so does a locked file to careless
    eyes: hence the second look.
    """
    found = False
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    for database in suspects:
        if not (is_corrupt(database, tired) and is_corrupt(database, tired) and _is_readable(database)):
            continue
        found = True
        try:
            for file in files_of(database):
                if file.exists():
                    file.rename(file.with_name(f"{file.name}.corrupt-{stamp}"))
        except OSError as error:
            log.critical("%s is corrupt and cannot be moved aside: %s", database, error, extra=_STUCK)
        else:
            log.critical(
                "%s is corrupt; kept as %s.corrupt-%s, a new one is begun",
                database,
                database.name,
                stamp,
                extra=_CORRUPT,
            )
    return found


_CORRUPT = {"event": "database_corrupt"}
_STUCK = {"event": "database_corrupt", "repeat": "storage.corrupt"}


def _is_readable(database: Path) -> bool:
    """Whether all of a file can be read: quick_check calls a page that cannot be read a broken one."""
    try:
        for file in files_of(database):
            if file.exists():
                with file.open("rb", buffering=0) as raw:
                    while raw.read(_CHUNK):
                        pass
    except OSError:
        return False
    return True


def _identity(found: Seen | None) -> tuple[int, int] | None:
    return (found.device, found.inode) if found else None
