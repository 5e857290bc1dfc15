"""Older schemas brought to the one of today: one step a version, and a copy of core.db before the first.

A step is one transaction with its version in it, so that a crash leaves the old schema or the new one. Days get no
copy: there may be gigabytes of them, and a step changes what describes their rows, but none of the rows. Only a day
that is written to is brought to today's schema; the others stay as they are, and are read as they are. The schemas of
core.db and of days have numbers of their own.
"""

import contextlib
import logging
import os
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

from netwatchd.storage import schema
from netwatchd.storage.durable import sync_directory
from netwatchd.storage.words import AFTER_MACS

log = logging.getLogger(__name__)

MOST_COPIES = 3  # of core.db beside it; the oldest goes


def migrate(db: sqlite3.Connection, name: str, path: Path, version: int) -> None:
    """Brings the file at `path`, attached as `name`, from its version to today's; raises one of ERRORS."""
    newest = schema.version_of(name)
    if name == "main":
        copy_core(db, path, version)
    steps = CORE if name == "main" else DAYS
    for number in range(version, newest):
        db.execute("BEGIN IMMEDIATE")
        for statement in steps[number](name):
            db.execute(statement)
        db.execute(f"PRAGMA {name}.user_version = {number + 1}")
        db.execute("COMMIT")
    log.info("brought %s from schema %d to %d", path, version, newest, extra=_MIGRATED)


def copy_core(db: sqlite3.Connection, path: Path, version: int) -> Path:
    """Copies core.db beside itself, whole or not at all; returns the copy's path. Raises one of ERRORS."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    copy = path.with_name(f"{path.name}.schema-{version}-{stamp}")
    unfinished = path.with_name(f"{path.name}.copying")
    for left in (unfinished, unfinished.with_name(f"{unfinished.name}-journal")):
        left.unlink(missing_ok=True)  # of a copy that a crash cut short: it would be taken for a database
    with contextlib.closing(sqlite3.connect(unfinished)) as target:
        db.backup(target)  # in one go: page by page it would never end while others write
        target.execute("PRAGMA journal_mode = DELETE")  # one file, that is whole without a -wal
    # Closing another descriptor of core.db itself would drop its locks; this is the copy.
    with unfinished.open("rb") as file:
        os.fsync(file.fileno())
    unfinished.replace(copy)
    sync_directory(path.parent)
    log.info("copied %s to %s before its schema is changed", path, copy.name, extra=_MIGRATED)
    for old in copies(path)[:-MOST_COPIES]:
        old.unlink(missing_ok=True)
    return copy


def copies(path: Path) -> list[Path]:
    """The copies of a core.db, the oldest first."""
    found = path.parent.glob(f"{path.name}.schema-*Z")
    return sorted(found, key=lambda copy: copy.name.rsplit("-", 1)[-1])


_MIGRATED = {"event": "database_migrated"}


def _core_1(name: str) -> list[str]:
    """Roll-ups an hour and a day."""
    return schema.totals_statements(name)


def _core_2(name: str) -> list[str]:
    """What is known of devices: their kinds, and beside them traits, sessions and aliases."""
    return schema.records_and_new_columns(name)


def _day_1(name: str) -> list[str]:
    """Origins, and owners by number; rows of before keep what they hold, and the view shows both."""
    return [
        f"DROP VIEW IF EXISTS {name}.flows_readable",
        f"ALTER TABLE {name}.flows RENAME COLUMN source TO origin",
        f"ALTER TABLE {name}.flows RENAME COLUMN device TO owner",
        *schema.words_and_old_view(name),
        # All names, because which of them are sources only the rows know.
        f"INSERT INTO {name}.origins (id, source) SELECT id, name FROM {name}.names",
        f"INSERT INTO {name}.owners VALUES ({AFTER_MACS}, '')",
    ]


# Version -> the statements that lead to the next.
CORE = {1: _core_1, 2: _core_2}
DAYS = {1: _day_1}
