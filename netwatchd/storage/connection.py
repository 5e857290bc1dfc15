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
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from netwatchd.pidfile import AlreadyRunning, Use
from netwatchd.storage import files, schema
from netwatchd.storage.durable import make_directory
from netwatchd.storage.files import MAX_WAL
from netwatchd.storage.migrations import migrate
from netwatchd.storage.verdicts import ERRORS, NotOurs, Unavailable, Verdict, is_closed, is_read_only, verdict

log = logging.getLogger(__name__)
T = TypeVar("T")

RETRY_DELAY = 1.0  # seconds after the first failed attempt; doubled after the second and the third
CONNECT_TIMEOUT = 5.0  # seconds that the first opening may wait for another process's lock
LOOK = 10.0  # seconds that a look for damage may take: a thread counts as stuck after 30
MAX_ATTACHED = 4  # today, yesterday around midnight, and two more when the clock jumps; SQLite's limit is 10


class Connection:
    """SQLite in WAL mode with synchronous=FULL: what COMMIT returned for survives a power cut.

    `pause(seconds)` waits between attempts and returns True where it was interrupted and no more attempts are wanted.
    `on_new_file(db)` is called, with the lock held, when core.db is another file than before (at first, too).
    `use`, where there is one, is held while it is connected; where the disk fails, it is let go of.
    """

    def __init__(
        self,
        directory: Path,
        busy_timeout: float,
        pause: Callable[[float], bool],
        on_new_file: Callable[[sqlite3.Connection], None] = lambda db: None,
        retry_delay: float = RETRY_DELAY,
    ) -> None:
        self.lock = threading.Lock()
        self.directory = directory
        self.core = directory / "core.db"
        self.pauses = (retry_delay, retry_delay * 2, retry_delay * 4)  # after each of three failed attempts
        self._busy_timeout = busy_timeout
        self._patience = CONNECT_TIMEOUT
        self._pause = pause
        self._on_new_file = on_new_file
        self.use: Use | None = None
        self._db: sqlite3.Connection | None = None
        self._watch = files.Watch()
        self._core_identity: tuple[int, int] | None = None
        self._days: dict[str, Path] = {}  # attached schema -> file, in the order of use
        self._doubtful: set[Path] = set()  # after an I/O error: what their -wal holds may not be on the disk
        self._touched: set[Path] = set()  # the days that this connection met, and so may have stumbled over

    def ensure_connection(self) -> sqlite3.Connection:
        """The connection, alive: opened where there is none, or where its files are not the same any more."""
        assert self.lock.locked()
        if self._db is not None and (change := self._watch.change()):
            self._let_go(change)
        if self._db is None:
            self._connect()
        assert self._db is not None
        return self._db

    def connect_with_retry(self) -> None:
        """Opens the database in up to three attempts; raises Unavailable."""

        def connect(db: sqlite3.Connection) -> None:
            db.execute("SELECT 1 FROM main.meta")

        self.execute_with_retry(connect)

    def execute_with_retry(self, work: Callable[[sqlite3.Connection], T], pauses: tuple[float, ...] | None = None) -> T:
        """What `work(db)` returns, tried again after the pauses while the error is one that may pass.

        SQL mistakes, constraint violations and invalid parameters are raised at once, as they are. Raises Unavailable
        when every attempt failed. `work` may run more than once and must leave the same result behind.
        """
        for pause in pauses or self.pauses:
            try:
                with self.lock:
                    return work(self.ensure_connection())
            except ERRORS as error:
                last = self._judge(error)
            if last.verdict is Verdict.WAIT or self._pause(pause):
                break
        raise last

    def attach_day(self, db: sqlite3.Connection, file: str) -> str:
        """The schema name under which the flows file of this name is attached; not inside a transaction."""
        name = "day_" + file[len("flows-") : -len(".db")].replace("-", "_")
        if name in self._days:
            # Used last: of the files of one transaction, none may make room for another.
            self._days[name] = self._days.pop(name)
        else:
            if len(self._days) >= MAX_ATTACHED:
                oldest = next(iter(self._days))
                db.execute(f"DETACH {oldest}")
                self._watch.forget(self._days.pop(oldest))
            self._attach(db, name, self.directory / file)
        return name

    def detach_day(self, path: Path) -> None:
        """Lets go of a day's file, so that it can be removed."""
        assert self.lock.locked()
        for name in [name for name, attached in self._days.items() if attached == path]:
            if self._db is not None:
                self._db.execute(f"DETACH {name}")
            self._watch.forget(self._days.pop(name))

    @property
    def schemas(self) -> dict[str, Path]:
        """The files that it is connected to, by the names of their schemas."""
        return {"main": self.core, **self._days}

    def cut_wal(self, name: str) -> None:
        """Moves a -wal into its file and cuts it to nothing, waiting for readers as long as for locks."""
        assert self._db is not None
        self._db.execute(f"PRAGMA {name}.wal_checkpoint(TRUNCATE)").fetchone()
        self._watch.add(self.schemas[name])  # what we cut ourselves is no damage

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
        self._watch.clear()
        if db is not None:
            try:
                db.close()
            except sqlite3.Error as error:
                # Closing checkpoints; on a broken disk that fails, and the WAL stays for the next opening.
                log.warning("closing the database failed: %s", error, extra={"repeat": "storage.close"})

    def look_for_damage(self) -> bool:
        """Looks through the files that are being written, as a reader does, and begins one anew that is corrupt.

        Returns whether one was. A file that is too large for a look gets none.
        """
        with self.lock:
            databases = self._watch.databases()
        deadline = time.monotonic() + LOOK
        suspects = [path for path in databases if files.is_corrupt(path, lambda: time.monotonic() > deadline)]
        if not suspects:
            return False
        with self.lock:
            self.close()
            return files.replace_corrupt(suspects, self._tired)

    def _let_go(self, change: files.Change) -> None:
        """Closes the connection after a file of it was changed from outside; what is still good is saved."""
        how = "cut short" if change.cut else "deleted or replaced"
        log.error("%s was %s while in use; opening it anew", change.file, how, extra=_MOVED)
        if change.file != change.database and not change.cut:
            try:
                self._save_wal(change.database)
            except sqlite3.Error as error:
                if verdict(error) is Verdict.RETRY:
                    raise
                log.error("what %s held could not be saved: %s", change.file, error)
        orphans = self._watch.orphans()
        self.close()
        for orphan in orphans:
            orphan.unlink(missing_ok=True)
        if change.cut:
            files.replace_corrupt([change.database], self._tired)

    def _save_wal(self, database: Path) -> None:
        """Moves into its file what only a -wal that was deleted still holds, which others may be reading.

        Closing does it, too, but only where nobody else has the file open.
        """
        assert self._db is not None
        _move_wal(self._db, next((name for name, path in self._days.items() if path == database), "main"))

    def _make_sure(self, db: sqlite3.Connection, name: str, path: Path) -> None:
        """Brings to the disk what an fsync that failed has left in the -wal.

        The rows of the batch are in there, so that writing them again changes no page, and asks for no fsync.
        """
        if path in self._doubtful:
            _move_wal(db, name)
            self._doubtful.discard(path)

    def _tired(self) -> bool:
        """Whether to end a long look at a file: beats, as a pause does."""
        return self._pause(0)

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
                if not files.replace_corrupt(suspects, self._tired):
                    unavailable.verdict = Verdict.RECONNECT  # a first read error looks the same
            elif unavailable.verdict is Verdict.RECONNECT:
                self._doubtful.update(self._watch.databases())
                self.close()
                if self.use is not None:
                    self.use.let_go()
            elif is_read_only(error):
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
        # Only the first opening waits for long: a writer that is to stop must be able to.
        timeout, self._patience = self._patience, self._busy_timeout
        db = sqlite3.connect(self.core, timeout=timeout, isolation_level=None, check_same_thread=False)
        self._db = db
        self._touched.clear()
        try:
            self._occupy(db)
            made = self._set_up(db, "main", schema.core_statements("main"))
            db.execute(f"PRAGMA busy_timeout = {int(self._busy_timeout * 1000)}")
            self._make_sure(db, "main", self.core)
            # Checkpoints are ours: an error inside an automatic one would be swallowed.
            db.execute("PRAGMA wal_autocheckpoint = 0")
            db.execute("PRAGMA cache_size = -512")  # kilobytes: appending needs the last pages only
            self._watch.add(self.core)
            identity = self._watch.identity(self.core)
            if made or identity != self._core_identity:
                self._core_identity = None
                self._on_new_file(db)
                self._core_identity = identity
        except BaseException:
            self.close()
            raise

    def _occupy(self, db: sqlite3.Connection) -> None:
        """Takes the directory's lock, where it was let go of; raises NotOurs where somebody has it for himself."""
        if self.use is None:
            return
        db.execute("PRAGMA main.user_version").fetchone()  # opens the file: what cannot be used is not held open
        try:
            self.use.take()
        except AlreadyRunning as error:
            raise NotOurs(str(error)) from error

    def _attach(self, db: sqlite3.Connection, name: str, path: Path) -> None:
        self._touched.add(path)
        try:
            db.execute(f"ATTACH ? AS {name}", (str(path),))
            self._set_up(db, name, schema.flows_statements(name))
            self._make_sure(db, name, path)
        except BaseException:
            self.close()  # a day that is attached, but has no tables, must not be taken for one that is ready
            raise
        self._days[name] = path
        self._watch.add(path)

    def _set_up(self, db: sqlite3.Connection, name: str, statements: list[str]) -> bool:
        """Brings a file to our schema and ways; whether its tables had to be made."""
        version = db.execute(f"PRAGMA {name}.user_version").fetchone()[0]
        _check_ours(db, name, version)
        db.execute(f"PRAGMA {name}.journal_mode = WAL")
        db.execute(f"PRAGMA {name}.synchronous = FULL")
        db.execute(f"PRAGMA {name}.secure_delete = OFF")  # Debian's default overwrites what is deleted: wear
        db.execute(f"PRAGMA {name}.journal_size_limit = {MAX_WAL}")
        if 0 < version < schema.version_of(name):
            migrate(db, name, _path_of(db, name), version)
        elif version == 0:
            db.execute("BEGIN IMMEDIATE")
            for statement in statements:
                db.execute(statement)
            db.execute(f"PRAGMA {name}.user_version = {schema.version_of(name)}")
            db.execute("COMMIT")
        db.execute(f"SELECT 1 FROM {name}.sqlite_schema").fetchone()  # opens the -wal, whose inode is remembered
        return bool(version == 0)


_MOVED = {"event": "database_moved"}


def _check_ours(db: sqlite3.Connection, name: str, version: int) -> None:
    """Raises NotOurs where a file is of a newer netwatchd, or of another program."""
    path = _path_of(db, name)
    if version > schema.version_of(name):
        known = schema.version_of(name)
        raise NotOurs(f"{path} has schema {version}, this netwatchd knows {known}; update netwatchd")
    tables = {row[0] for row in db.execute(f"SELECT name FROM {name}.sqlite_schema WHERE type = 'table'")}
    # Ours are made in one transaction together with their version.
    if tables if version == 0 else not schema.fits(db, name, version):
        raise NotOurs(f"{path} is another program's database; put it elsewhere, and netwatchd begins its own")


def _path_of(db: sqlite3.Connection, name: str) -> Path:
    return Path(next(row[2] for row in db.execute("PRAGMA database_list") if row[1] == name))


def _move_wal(db: sqlite3.Connection, name: str) -> None:
    """Moves all that a -wal holds into its file; raises, as for a lock, where a reader keeps it from that."""
    busy, pages, moved = db.execute(f"PRAGMA {name}.wal_checkpoint(FULL)").fetchone()
    if busy or moved < pages:
        error = sqlite3.OperationalError("a reader of the -wal keeps it from being moved into its file")
        error.sqlite_errorcode = sqlite3.SQLITE_BUSY
        raise error
