"""What an error of SQLite means: decided here, by type and code, never by words in a message."""

import sqlite3
from enum import Enum, auto


class Verdict(Enum):
    """What to do about an error."""

    RETRY = auto()  # somebody else is at it: the same again, a little later
    RECONNECT = auto()  # this connection is of no use any more
    WAIT = auto()  # the disk is full or read-only: keep everything, try slowly
    REPLACE = auto()  # the file is no database any more, if a fresh connection says so too
    MISTAKE = auto()  # what was asked is wrong: the same again would fail again


class NotOurs(Exception):
    """The file is a newer netwatchd's, or another program's, and must not be touched by this one."""


_BY_CODE = {
    sqlite3.SQLITE_BUSY: Verdict.RETRY,
    sqlite3.SQLITE_LOCKED: Verdict.RETRY,
    sqlite3.SQLITE_PROTOCOL: Verdict.RETRY,
    sqlite3.SQLITE_NOMEM: Verdict.RETRY,
    sqlite3.SQLITE_CANTOPEN: Verdict.RECONNECT,
    sqlite3.SQLITE_IOERR: Verdict.RECONNECT,
    sqlite3.SQLITE_FULL: Verdict.WAIT,
    sqlite3.SQLITE_READONLY: Verdict.WAIT,
    sqlite3.SQLITE_PERM: Verdict.WAIT,
    sqlite3.SQLITE_CORRUPT: Verdict.REPLACE,
    sqlite3.SQLITE_NOTADB: Verdict.REPLACE,
}

# What the stages above may meet: SQLite's errors, what Python's binding raises for values that SQLite cannot take
# (an integer beyond 64 bits, a lone surrogate), what the files themselves answer, and what we make of them.
ERRORS = (sqlite3.Error, OverflowError, UnicodeEncodeError, OSError, MemoryError, NotOurs)


def verdict(error: BaseException) -> Verdict:
    """The verdict on one of ERRORS."""
    if isinstance(error, OSError):
        return Verdict.RECONNECT
    if isinstance(error, NotOurs):
        return Verdict.WAIT  # until somebody puts the right file there
    if isinstance(error, MemoryError):
        return Verdict.RETRY  # Python's word for SQLITE_NOMEM
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        # A closed connection raises ProgrammingError without a code, and so does a wrong number of parameters: only
        # the first is cured by a new connection, and it is told apart by asking the connection (is_closed).
        return Verdict.MISTAKE
    if code == sqlite3.SQLITE_READONLY_DBMOVED:
        return Verdict.RECONNECT
    return _BY_CODE.get(code & 0xFF, Verdict.MISTAKE)


def is_read_only(error: BaseException) -> bool:
    """Whether the file could not be written; SQLite then never writes by this connection, also when it could again."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_READONLY


def is_closed(db: sqlite3.Connection) -> bool:
    """Whether the connection was closed under our feet."""
    try:
        db.total_changes  # noqa: B018 - asking is the point: it raises on a closed connection and costs no query
    except sqlite3.ProgrammingError:
        return True
    return False


class Unavailable(Exception):
    """The database could not be used after all attempts; `cause` is the last error, `verdict` what it means."""

    def __init__(self, cause: BaseException) -> None:
        super().__init__(f"{type(cause).__name__}: {cause}")
        self.cause = cause
        self.verdict = verdict(cause)

    @property
    def advice(self) -> str:
        """The error, and what would help."""
        if isinstance(self.cause, NotOurs):
            return f"{self.cause} (events are kept in memory until then)"
        return f"{self} ({_HELP.get(self.verdict, 'events are kept in memory')})"


_HELP = {
    Verdict.RETRY: "another process holds its lock; events are kept in memory until it lets go",
    Verdict.WAIT: (
        "free some space, make the file system writable, or give the files to the user as whom it runs; "
        "events are kept in memory until then"
    ),
    Verdict.RECONNECT: "check the disk and the directory's permissions; events are kept in memory until it works",
    Verdict.REPLACE: "a new file is begun",
}
