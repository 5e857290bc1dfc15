"""The one connection that writes: health check, reconnect, retry.

What must live here: everything that knows whether the connection is any good. What this file must not know: what is
written. Its theory: a connection to a deleted or replaced file answers every query and reports no error, so a
`SELECT 1` notices next to nothing. The inodes of the files are compared before each batch instead; that takes
microseconds and notices what SQLite does not. Who calls holds `lock`; nobody sleeps with it held.
"""

import contextlib
import logging
import sqlite3
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from netwatchd.storage import schema
from netwatchd.storage.durable import make_directory
from netwatchd.storage.verdicts import ERRORS, Verdict, is_closed, verdict

log = logging.getLogger(__name__)
T = TypeVar("T")

CONNECT_TIMEOUT = 5.0  # seconds that opening may wait for another process's lock
PAUSES = (1.0, 2.0, 4.0)  # seconds after the first, second and third failed attempt
MAX_ATTACHED = 4  # today, yesterday around midnight, and two more when the clock jumps; SQLite's limit is 10
MAX_WAL = 4 * 2**20  # bytes; a longer -wal is checkpointed after the commit, and cut when it begins anew


class Unavailable(Exception):
    """The database could not be used after all attempts; `cause` is the last error, `verdict` what it means."""

    def __init__(self, cause: BaseException) -> None:
        super().__init__(f"{type(cause).__name__}: {cause}")
        self.verdict = verdict(cause)


class NewerSchema(Exception):
    """The file was written by a newer netwatchd and must not be touched by this one."""


class Connection:
    """SQLite in WAL mode with synchronous=FULL: what COMMIT returned for survives a power cut.

    `pause(seconds)` waits between attempts and returns True where it was interrupted and no more attempts are wanted.
    `on_new_file(db)` is called, with the lock held, when core.db is another file than before (at first, too).
    """

    def __init__(
        self,
        directory: Path,
        busy_timeout: float,
        pause: Callable[[float], bool],
        on_new_file: Callable[[sqlite3.Connection], None] = lambda db: None,
    ) -> None:
        self.lock = threading.Lock()
        self.directory = directory
        self.core = directory / "core.db"
        self._busy_timeout = busy_timeout
        self._pause = pause
        self._on_new_file = on_new_file
        self._db: sqlite3.Connection | None = None
        self._inodes: dict[Path, int | None] = {}
        self._core_inode: int | None = None
        self._days: dict[str, Path] = {}  # attached schema -> file, in the order of use
        self._touched: set[Path] = set()  # the days that this connection met, and so may have stumbled over

    def ensure_connection(self) -> sqlite3.Connection:
        """The connection, alive: opened where there is none, or where its files are not the same any more."""
        assert self.lock.locked()
        if self._db is not None and (changed := self._changed_file()):
            log.error(
                "%s was deleted or replaced while in use; opening it anew", changed, extra={"event": "database_moved"}
            )
            before = dict(self._inodes)
            self.close()
            _remove_orphans(before)
        if self._db is None:
            self._connect()
        assert self._db is not None
        return self._db

    def connect_with_retry(self) -> None:
        """Opens the database in up to three attempts; raises Unavailable."""

        def connect(db: sqlite3.Connection) -> None:
            db.execute("SELECT 1 FROM main.meta")

        self.execute_with_retry(connect)

    def execute_with_retry(self, work: Callable[[sqlite3.Connection], T], pauses: tuple[float, ...] = PAUSES) -> T:
        """What `work(db)` returns, tried again after the pauses while the error is one that may pass.

        SQL mistakes, constraint violations and invalid parameters are raised at once, as they are. Raises Unavailable
        when every attempt failed. `work` may run more than once and must leave the same result behind.
        """
        for pause in pauses:
            try:
                with self.lock:
                    return work(self.ensure_connection())
            except ERRORS as error:
                last = self._judge(error)
            if last.verdict is Verdict.WAIT or self._pause(pause):
                break
        raise last

    def attach_day(self, db: sqlite3.Connection, day: str) -> str:
        """The schema name under which the flows file of a day (20261123) is attached; not inside a transaction."""
        name = f"day_{day}"
        if name not in self._days:
            if len(self._days) >= MAX_ATTACHED:
                oldest = next(iter(self._days))
                db.execute(f"DETACH {oldest}")
                self._forget(self._days.pop(oldest))
            self._attach(db, name, self.directory / f"flows-{day}.db")
        return name

    def detach_day(self, path: Path) -> None:
        """Lets go of a day's file, so that it can be removed."""
        assert self.lock.locked()
        for name in [name for name, attached in self._days.items() if attached == path]:
            if self._db is not None:
                self._db.execute(f"DETACH {name}")
            self._forget(self._days.pop(name))

    @property
    def files(self) -> dict[str, Path]:
        """The files that it is connected to, by the names of their schemas."""
        return {"main": self.core, **self._days}

    def finish_days(self) -> None:
        """Moves what a crash left in the -wal of days into their files.

        Perhaps nobody writes to such a day any more, and who may only read cannot read a file with a -wal.
        """
        with self.lock:
            for wal in self.directory.glob("flows-*.db-wal"):
                try:
                    if not (path := wal.with_name(wal.name.removesuffix("-wal"))).exists():
                        wal.unlink()  # its day was just being removed
                        continue
                    with contextlib.closing(sqlite3.connect(path, timeout=self._busy_timeout)) as db:
                        db.execute("SELECT 1 FROM sqlite_schema").fetchone()
                except ERRORS as error:
                    # It is as good as it was: the next writing to this day will meet the same and act on it.
                    log.warning("finishing %s failed: %s", wal, error)

    def day_files(self) -> list[Path]:
        """The files of all days, the oldest first."""
        return schema.day_files(self.directory)

    def close(self) -> None:
        """Closes the connection; what was committed stays."""
        assert self.lock.locked()
        db, self._db = self._db, None
        self._days.clear()
        self._inodes.clear()
        if db is not None:
            try:
                db.close()
            except sqlite3.Error as error:
                # Closing checkpoints; on a broken disk that fails, and the WAL stays for the next opening.
                log.warning("closing the database failed: %s", error, extra={"repeat": "storage.close"})

    def _judge(self, error: BaseException) -> Unavailable:
        """Rolls back and does what the error's verdict asks for; raises a caller's mistake."""
        with self.lock:
            if self._db is not None and is_closed(self._db):
                error = sqlite3.OperationalError("the connection was closed")
                error.sqlite_errorcode = sqlite3.SQLITE_CANTOPEN
            unavailable = Unavailable(error)
            if unavailable.verdict is Verdict.MISTAKE:
                self._roll_back()
                raise error
            if unavailable.verdict is Verdict.REPLACE:
                suspects = [self.core, *sorted(self._touched)]
                self.close()
                _replace_corrupt_files(suspects)
            elif unavailable.verdict is Verdict.RECONNECT:
                self.close()
            else:
                self._roll_back()
        return unavailable

    def _roll_back(self) -> None:
        """Leaves no transaction open: a COMMIT that was busy keeps its transaction, and a retry would insert twice."""
        try:
            if self._db is not None and self._db.in_transaction:
                self._db.execute("ROLLBACK")
        except sqlite3.Error:
            self.close()  # which rolls back, too

    def _connect(self) -> None:
        if not self.directory.is_dir():
            make_directory(self.directory)
        db = sqlite3.connect(self.core, timeout=CONNECT_TIMEOUT, isolation_level=None, check_same_thread=False)
        self._db = db
        self._touched.clear()
        try:
            made = self._set_up(db, "main", schema.core_statements("main"))
            db.execute(f"PRAGMA busy_timeout = {int(self._busy_timeout * 1000)}")
            # Checkpoints are ours: an error inside an automatic one would be swallowed.
            db.execute("PRAGMA wal_autocheckpoint = 0")
            db.execute("PRAGMA cache_size = -512")  # kilobytes: appending needs the last pages only
            self._remember(self.core)
            if made or self._inodes[self.core] != self._core_inode:
                self._core_inode = None
                self._on_new_file(db)
                self._core_inode = self._inodes[self.core]
        except BaseException:
            self.close()
            raise

    def _attach(self, db: sqlite3.Connection, name: str, path: Path) -> None:
        self._touched.add(path)
        try:
            db.execute(f"ATTACH ? AS {name}", (str(path),))
            self._set_up(db, name, schema.flows_statements(name))
        except BaseException:
            self.close()  # a day that is attached, but has no tables, must not be taken for one that is ready
            raise
        self._days[name] = path
        self._remember(path)

    def _set_up(self, db: sqlite3.Connection, name: str, statements: list[str]) -> bool:
        """Brings a file to our schema and ways; whether its tables had to be made."""
        version = db.execute(f"PRAGMA {name}.user_version").fetchone()[0]
        if version > schema.VERSION:
            raise NewerSchema(f"it has schema {version}, this netwatchd knows {schema.VERSION}; update netwatchd")
        db.execute(f"PRAGMA {name}.journal_mode = WAL")
        db.execute(f"PRAGMA {name}.synchronous = FULL")
        db.execute(f"PRAGMA {name}.secure_delete = OFF")  # Debian's default overwrites what is deleted: wear
        db.execute(f"PRAGMA {name}.journal_size_limit = {MAX_WAL}")
        if version < schema.VERSION:
            db.execute("BEGIN IMMEDIATE")
            for statement in statements:
                db.execute(statement)
            db.execute(f"PRAGMA {name}.user_version = {schema.VERSION}")
            db.execute("COMMIT")
        db.execute(f"SELECT 1 FROM {name}.sqlite_schema").fetchone()  # opens the -wal, whose inode is remembered
        return bool(version < schema.VERSION)

    def _remember(self, path: Path) -> None:
        for file in (path, _wal(path)):
            self._inodes[file] = _inode(file)

    def _forget(self, path: Path) -> None:
        for file in (path, _wal(path)):
            self._inodes.pop(file, None)

    def _changed_file(self) -> Path | None:
        """A file of ours that is gone or another one; a -wal that did not exist yet may come."""
        for path, inode in self._inodes.items():
            now = _inode(path)
            if inode is None:
                self._inodes[path] = now
            elif now != inode:
                return path
        return None


def _replace_corrupt_files(suspects: list[Path]) -> None:
    """Moves away each file that a fresh connection twice finds corrupt, with its -wal and -shm.

    A first read error looks like corruption, and so does a locked file to careless eyes: hence the second look.
    """
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    for path in suspects:
        if not (_is_corrupt(path) and _is_corrupt(path)):
            continue
        try:
            for file in (path, _wal(path), _shm(path)):
                if file.exists():
                    file.rename(file.with_name(f"{file.name}.corrupt-{stamp}"))
        except OSError as error:
            log.critical("%s is corrupt and cannot be moved aside: %s", path, error, extra=_STUCK)
        else:
            log.critical(
                "%s is corrupt; kept as %s.corrupt-%s, a new one is begun", path, path.name, stamp, extra=_CORRUPT
            )


_CORRUPT = {"event": "database_corrupt"}
_STUCK = {"event": "database_corrupt", "repeat": "storage.corrupt"}


def _remove_orphans(before: dict[Path, int | None]) -> None:
    """Removes a -wal whose file is another one by now: SQLite would play it into that one, which ruins it."""
    for path, inode in before.items():
        wal = _wal(path)
        if wal in before and _inode(path) != inode and _inode(wal) == before[wal]:
            wal.unlink(missing_ok=True)
            _shm(path).unlink(missing_ok=True)


def _wal(path: Path) -> Path:
    return path.with_name(path.name + "-wal")


def _shm(path: Path) -> Path:
    return path.with_name(path.name + "-shm")


def _inode(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return None


def _is_corrupt(path: Path) -> bool:
    """Whether a fresh connection finds the file to be no sound database; an error that may pass proves nothing."""
    if not path.exists():
        return False
    db = sqlite3.connect(path, timeout=CONNECT_TIMEOUT)
    try:
        return bool(db.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok")
    except sqlite3.Error as error:
        return verdict(error) is Verdict.REPLACE
    finally:
        db.close()
