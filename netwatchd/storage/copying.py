"""Copies of the databases while they are being written, and their making anew without the space of removed rows.

What belongs together is written in one transaction over several files. So the writer is held up for the moment in which
a reader is put into each file that is being written: what all of them see from then on is one moment. These files are
copied first, because what a reader keeps from being moved out of a -wal makes it grow.

A copy has another name until all is there, and is on the disk: whatever interrupts it, nothing is left that looks
whole. Whose process this is must not have the files open but by SQLite: closing another descriptor of a database drops
its locks.
"""

import os
import shutil
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import NamedTuple

from netwatchd.pidfile import Use
from netwatchd.storage import schema
from netwatchd.storage.durable import sync_directory
from netwatchd.storage.files import files_of
from netwatchd.storage.queries import open_read_only
from netwatchd.storage.retention import file_size
from netwatchd.storage.verdicts import Verdict, verdict

Progress = Callable[[str, int, int], None]  # what is being done, bytes of it that are done, and of how many

PATIENCE = 10.0  # seconds for the writer's lock: its commits are short
PAGES = 256  # of a file between two signs of life, 1 MB
SPARE = 1_000_000  # bytes that are to be left free
UNFINISHED = ".copying"
# Below that share of a day's file, and that many bytes, making it anew is not worth the wear.
WORTH_SHARE, WORTH = 0.05, 65536
_STEPS = 50_000  # of SQLite's machine between two signs of life


class Refused(Exception):
    """It cannot be done, in a sentence that says why."""


class Made(NamedTuple):
    """A file that was copied or made anew, with bytes before and after."""

    name: str
    before: int
    after: int


def back_up(directory: Path, into: Path, progress: Progress) -> list[Made]:
    """Copies core.db and all flows into a new directory; whatever `progress` raises ends it, and passes through.

    Raises Refused, NoDatabase, OSError and sqlite3.Error. Nothing is left behind then.
    """
    if into.is_symlink() or into.exists():
        raise Refused(f"{into} is there already; name a directory that is not: nothing is overwritten")
    if not into.parent.is_dir():
        raise Refused(f"{into.parent} is no directory")
    unfinished = into.with_name(f".{into.name}.unfinished")
    _make_own(unfinished)
    with Use(unfinished, alone=True):
        try:
            _empty(unfinished)  # of what another one has left that was interrupted
            made = _copy_all(directory, unfinished, progress)
            sync_directory(unfinished)
            _give_name(unfinished, into)
        except BaseException:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise
    sync_directory(into.parent)
    return made


def _make_own(directory: Path) -> None:
    """Makes a directory that is only ours; one that an earlier try has left will do. Raises Refused."""
    with suppress(FileExistsError):
        directory.mkdir(0o700)
        return
    # In /tmp, somebody else may have made it, or a link to where files are that would be removed.
    found = directory.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise Refused(f"{directory} is there already, and no directory that is only yours: remove it")


def _copy_all(directory: Path, target: Path, progress: Progress) -> list[Made]:
    made = []
    with ExitStack() as stack:
        readers = {path: stack.enter_context(closing(db)) for path, db in _readers(directory).items()}
        others = [path for path in reversed(schema.day_files(directory)) if path not in readers]
        total = sum(_size_in(db) for db in readers.values()) + sum(map(file_size, others))
        _check_room(target, total)
        done = 0
        for path in [*readers, *others]:
            if path in others and not path.exists():
                continue  # its days were over meanwhile
            with closing(readers.get(path) or open_read_only(path)) as db:
                made.append(_copy(db, path, target, partial(_tell, progress, path.name, done, total)))
            done += made[-1].after
    for path in target.glob(f"*{UNFINISHED}"):
        path.rename(path.with_name(path.name.removesuffix(UNFINISHED)))
    return made


def _tell(progress: Progress, name: str, before: int, total: int, at: int) -> None:
    progress(name, before + at, total)


def _readers(directory: Path) -> dict[Path, sqlite3.Connection]:
    """Connections to the files that are being written, core.db first, which all see the same moment."""
    core = directory / "core.db"
    with ExitStack() as opened, _held_up(core):
        written = [path for path in reversed(schema.day_files(directory)) if files_of(path)[1].exists()]
        found = {}
        for path in [core, *written]:
            db = found[path] = open_read_only(path)
            opened.callback(db.close)
            db.isolation_level = None
            db.execute("BEGIN")
            db.execute("SELECT 1 FROM sqlite_schema").fetchone()  # from here on it sees what is there now
        opened.pop_all()
        return found


@contextmanager
def _held_up(core: Path) -> Iterator[None]:
    """Nobody writes meanwhile; where we may not write ourselves, nobody is held up, and commits may come between."""
    if not core.exists():
        open_read_only(core)  # which says so
    with closing(sqlite3.connect(f"{core.resolve().as_uri()}?mode=rw", PATIENCE, isolation_level=None, uri=True)) as db:
        try:
            db.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            if verdict(error) is Verdict.RETRY:
                raise Refused(f"{core} was locked for {PATIENCE:.0f} s by another program") from error
        yield
        if db.in_transaction:
            db.execute("ROLLBACK")


def _copy(db: sqlite3.Connection, path: Path, target: Path, progress: Callable[[int], None]) -> Made:
    """Copies what a connection sees, checks the copy, and has it be on the disk."""
    copy = target / f"{path.name}{UNFINISHED}"
    os.close(os.open(copy, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    page = _number(db, "page_size")
    if not db.in_transaction:
        # A copy page by page would begin anew whenever somebody writes.
        db.isolation_level = None
        db.execute("BEGIN")
        db.execute("SELECT 1 FROM sqlite_schema").fetchone()
    with closing(sqlite3.connect(copy, isolation_level=None)) as made:
        made.execute("PRAGMA journal_mode = OFF")
        made.execute("PRAGMA synchronous = OFF")  # the whole is synced below
        db.backup(made, pages=PAGES, progress=lambda _, left, all_pages: progress((all_pages - left) * page))
        db.execute("ROLLBACK")
        made.execute("PRAGMA journal_mode = DELETE")  # one file, that is whole without a -wal
        _check(made, path.name)
    _sync(copy)
    return Made(path.name, file_size(path), copy.stat().st_size)


def _give_name(unfinished: Path, into: Path) -> None:
    try:
        unfinished.rename(into)
    except OSError as error:
        raise Refused(f"{into} came to be meanwhile: {error.strerror}") from error


def _empty(directory: Path) -> None:
    for path in directory.iterdir():
        path.unlink()


def vacuum(directory: Path, progress: Progress) -> list[Made]:
    """Makes core.db anew, and files of flows with much space of removed rows; nobody may use the directory.

    Whatever `progress` raises ends it, and passes through: each file is the old or the new one. Raises Refused,
    NoDatabase, AlreadyRunning, OSError and sqlite3.Error.
    """
    with Use(directory, alone=True):
        for left in directory.glob(f"*.db{UNFINISHED}*"):
            left.unlink()
        wanted = [path for path in [directory / "core.db", *schema.day_files(directory)] if _is_worth_it(path)]
        return [_make_anew(path, progress) for path in wanted]


def _is_worth_it(path: Path) -> bool:
    with closing(open_read_only(path)) as db:
        unused = _number(db, "freelist_count") * _number(db, "page_size")
        return path.name == "core.db" or unused >= max(WORTH, _size_in(db) * WORTH_SHARE)


def _make_anew(path: Path, progress: Progress) -> Made:
    copy = path.with_name(f"{path.name}{UNFINISHED}")
    old = path.stat()
    try:
        with closing(
            sqlite3.connect(f"{path.resolve().as_uri()}?mode=rw", PATIENCE, isolation_level=None, uri=True)
        ) as db:
            try:
                # Waits for readers. Without a -wal nothing of the old file can get into the new one.
                db.execute("PRAGMA journal_mode = DELETE").fetchone()
            except sqlite3.Error as error:
                if verdict(error) is not Verdict.RETRY:
                    raise
                raise Refused(f"another program has {path} open; try again when it does not") from error
            size = _size_in(db)
            _check_room(path.parent, size)
            os.close(os.open(copy, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            db.set_progress_handler(lambda: progress(path.name, copy.stat().st_size, size), _STEPS)
            progress(path.name, 0, size)
            # Into another file: a power cut leaves the old one, and no directory for temporary files is filled.
            db.execute("VACUUM INTO ?", (str(copy),))
            db.set_progress_handler(None, 0)
        with closing(sqlite3.connect(copy, isolation_level=None)) as made:
            _check(made, path.name)
        _take_after(copy, old)
        _sync(copy)
        copy.replace(path)
        sync_directory(path.parent)
    except BaseException:
        copy.unlink(missing_ok=True)
        raise
    return Made(path.name, size, path.stat().st_size)


def _take_after(copy: Path, old: os.stat_result) -> None:
    """Gives the owner and the rights of the old file to the one that takes its place."""
    # No link is followed: the directory is the daemon's, and this may be root.
    descriptor = os.open(copy, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        found = os.fstat(descriptor)
        if (old.st_uid, old.st_gid) != (found.st_uid, found.st_gid):
            os.fchown(descriptor, old.st_uid, old.st_gid)
        os.fchmod(descriptor, old.st_mode & 0o777)
    finally:
        os.close(descriptor)


def _check(db: sqlite3.Connection, name: str) -> None:
    if (found := db.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
        raise Refused(f"the copy of {name} is damaged: {found}; look at the original with netwatchd doctor")


def _check_room(directory: Path, wanted: int) -> None:
    disk = os.statvfs(directory)
    if (free := disk.f_bavail * disk.f_frsize) < wanted + SPARE:
        raise Refused(f"{directory.parent} has {free / 1e6:,.1f} MB free, and {(wanted + SPARE) / 1e6:,.1f} are needed")


def _size_in(db: sqlite3.Connection) -> int:
    """Bytes of what a connection sees, as a file."""
    return _number(db, "page_count") * _number(db, "page_size")


def _number(db: sqlite3.Connection, pragma: str) -> int:
    return int(db.execute(f"PRAGMA {pragma}").fetchone()[0])


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
