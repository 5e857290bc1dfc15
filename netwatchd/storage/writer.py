"""How a batch becomes committed rows: which transactions, in which order, and what becomes of a row that is refused."""

import logging
import re
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from netwatchd.counters import Counters
from netwatchd.events import FlowBatch, time_of_id
from netwatchd.storage import hourly, queries, records, scan, schema, spool, words
from netwatchd.storage.batch import (
    ROWS_AT_ONCE,
    Batch,
    Statement,
    execute_many,
    flow_statements,
    late_statements,
    parts_of,
)
from netwatchd.storage.connection import MAX_ATTACHED, Connection
from netwatchd.storage.files import files_of
from netwatchd.storage.retention import file_size
from netwatchd.storage.verdicts import ERRORS, Verdict, verdict

log = logging.getLogger(__name__)

_TABLE = re.compile(r"(?:INTO|FROM|UPDATE) (?:\w+\.)?(\w+)")  # what a statement writes to
Execute = Callable[[sqlite3.Connection, Statement], None]


class Writer:
    """Writes batches by a connection, whose lock the caller holds. Writing one twice leaves what writing it once does.

    SQLite commits one file after the other. A crash in between must not leave totals that hold flows which are not
    there: whoever reads adds what is missing, but nobody could take away. So the totals come last, alone.
    """

    def __init__(self, connection: Connection, counters: Counters) -> None:
        self._connection = connection
        self._counters = counters
        self.rejected: Counter[str] = Counter()  # rows of the last batch that were not taken, by table
        self.newest_file: Path | None = None  # that of the newest flow that was written
        self._newest = 0  # that flow
        self._next = 0  # when a part of a day begins whose file may not be there yet

    def write(self, batch: Batch, db: sqlite3.Connection) -> None:
        """The whole batch; raises one of ERRORS, and then a part of it may be committed."""
        self.rejected.clear()
        self._write(batch, execute_many, ROWS_AT_ONCE, db)

    def write_each(self, batch: Batch, db: sqlite3.Connection) -> None:
        """The batch row by row, so that a row that SQLite cannot take is rejected alone, and counted."""
        self.rejected.clear()
        self._write(batch, self._execute_each, 1, db)

    def count(self, batch: Batch) -> None:
        """Counts what a batch brought that was just committed."""
        self._counters.add("storage.commits")
        for kind, rows in batch.stored().items():
            self._counters.add(f"stored.{kind}", rows - self.rejected[kind])
        for kind, rows in self.rejected.items():
            self._counters.add(f"rejected.{kind}", rows)

    def add_unwritten(self, db: sqlite3.Connection) -> int:
        """Adds what a crash left out of the roll-ups, before any more flows; returns the newest that they hold."""
        try:
            if delta := scan.unwritten(self._connection.directory):
                with _transaction(db):
                    hourly.add(db, delta, self._execute_each)
        except (*ERRORS, queries.NoDatabase) as error:
            if db.in_transaction:
                db.execute("ROLLBACK")
            log.warning("adding up the last flows of the last run failed: %s; the hours lack them", error)
        return hourly.mark(db).newest

    def newest_flow(self) -> int:
        """The newest flow of the files; where they cannot be read, any that has come by now."""
        try:
            return queries.newest_flow(self._connection.directory) or 0
        except ERRORS as error:
            log.warning("the newest flow of the last run cannot be found: %s", error)
            return int(time.time() * 1000) << 12

    def write_spooled(self, paths: Sequence[Path], db: sqlite3.Connection) -> None:
        """Writes what was spooled, and forgets it; raises one of ERRORS."""
        for path in paths:
            if (batch := spool.read(path)) is None:
                continue
            try:
                self.write(batch, db)
            except ERRORS as error:
                if verdict(error) is not Verdict.MISTAKE:
                    raise
                db.execute("ROLLBACK")
                self.write_each(batch, db)
            if batch.events:
                self._counters.add("stored.spooled", batch.events)
            spool.forget(path)

    def _write(self, batch: Batch, execute: Execute, at_once: int, db: sqlite3.Connection) -> None:
        begun = 0
        for delta in hourly.not_added(db, batch.totals):
            # Its sums must never hold less, or more, than the rows that are there when it is committed.
            self._write_flows(batch.flows[begun : delta.at], execute, at_once, db)
            with _transaction(db):
                hourly.add(db, delta, execute)
            begun = delta.at
        self._write_flows(batch.flows[begun:] if begun else batch.flows, execute, at_once, db)
        with _transaction(db):
            done = db.execute("SELECT value FROM main.meta WHERE key = ?", (records.NEWEST_ACT,)).fetchone()
            for statement in batch.core_statements(done and done[0]):
                execute(db, statement)

    def _write_flows(self, flows: FlowBatch, execute: Execute, at_once: int, db: sqlite3.Connection) -> None:
        parts = parts_of(flows, self._begins()) if flows else []
        mark = hourly.mark(db)
        while parts:
            some, parts = parts[:MAX_ATTACHED], parts[MAX_ATTACHED:]
            attached = [(self._connection.attach_day(db, part.file), part) for part in some]
            with _transaction(db):
                for name, part in attached:
                    for statement in late_statements(name, part, *mark):
                        execute(db, statement)
                    numbers = words.DayNumbers(words.read(db, name))
                    for statement in flow_statements(name, part.flows, numbers, at_once):
                        execute(db, statement)
            for part in some:
                if part.newest >= self._newest:
                    self._newest, self.newest_file = part.newest, self._connection.directory / part.file

    def _begins(self) -> list[int]:
        """The times at which the files of flows begin, and that at which the next one will."""
        begins = [schema.begin_of(path.name) or 0 for path in self._connection.day_files()]
        return [*begins, self._next]

    def begin_part(self, most: int) -> bool:
        """Has a new file begun where the one that is written has come to `most` bytes; returns whether it has.

        The caller does not hold the connection's lock. Raises one of ERRORS.
        """
        path = self.newest_file
        if path is None or file_size(path) + file_size(files_of(path)[1]) < most:
            return False
        if path != self._connection.day_files()[-1]:
            return False  # after a start the first flows may be late ones; the files behind have their times already
        with self._connection.lock:
            db = self._connection.ensure_connection()
            name = self._connection.attach_day(db, path.name)
            newest: int = db.execute(f"SELECT max(id) FROM {name}.flows").fetchone()[0] or 0
        # From the next second on: a flow that is in a file must find it again. What is on its way goes by its own id.
        self._next = (time_of_id(max(newest, self._newest)) // 1000 + 1) * 1000
        self.newest_file = None
        return True

    def _execute_each(self, db: sqlite3.Connection, statement: Statement) -> None:
        sql, rows = statement
        for row in rows:
            try:
                db.execute(sql, row)
            except ERRORS as error:
                if verdict(error) is not Verdict.MISTAKE:
                    raise
                self.rejected[_TABLE.findall(sql)[0]] += 1
                self._counters.add("dropped.rows.rejected")
                log.error(
                    "the database rejected one row, the others are kept: %s: %.300r",
                    error,
                    row,
                    extra={"repeat": "storage.rejected", "event": "loss"},
                )


@contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[None]:
    """Commits what is done within; after an error the transaction is left open, as a COMMIT that fails leaves it."""
    db.execute("BEGIN IMMEDIATE")
    yield
    db.execute("COMMIT")
