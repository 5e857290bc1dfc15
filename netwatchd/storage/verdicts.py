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
# (an integer beyond 64 bits, a lone surrogate), and what the files themselves answer.
ERRORS = (sqlite3.Error, OverflowError, UnicodeEncodeError, OSError, MemoryError)


def verdict(error: BaseException) -> Verdict:
    """The verdict on one of ERRORS."""
    if isinstance(error, OSError):
        return Verdict.RECONNECT
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


def is_closed(db: sqlite3.Connection) -> bool:
    """Whether the connection was closed under our feet."""
    try:
        db.total_changes  # noqa: B018 - asking is the point: it raises on a closed connection and costs no query
    except sqlite3.ProgrammingError:
        return True
    return False
