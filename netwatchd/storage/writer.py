"""How a batch becomes committed rows: which transactions, in which order, and what becomes of a row that is refused."""

import logging
import sqlite3
from collections.abc import Callable, Sequence

from netwatchd.counters import Counters
from netwatchd.events import FlowBatch
from netwatchd.storage import words
from netwatchd.storage.batch import ROWS_AT_ONCE, Batch, Statement, execute_many, flow_statements
from netwatchd.storage.connection import MAX_ATTACHED, Connection
from netwatchd.storage.verdicts import ERRORS, Verdict, verdict

log = logging.getLogger(__name__)

Execute = Callable[[sqlite3.Connection, Statement], None]


class Writer:
    """Writes batches by a connection, whose lock the caller holds. Writing one twice leaves what writing it once does.

    SQLite commits one file after the other. A crash in between must not leave totals that hold flows which are not
    there: whoever reads adds what is missing, but nobody could take away. So the totals come last, alone.
    """

    def __init__(self, connection: Connection, counters: Counters) -> None:
        self._connection = connection
        self._counters = counters

    def write(self, batch: Batch, db: sqlite3.Connection) -> None:
        """The whole batch; raises one of ERRORS, and then a part of it may be committed."""
        self._write(batch, execute_many, ROWS_AT_ONCE, db)

    def write_each(self, batch: Batch, db: sqlite3.Connection) -> None:
        """The batch row by row, so that a row that SQLite cannot take is rejected alone, and counted."""
        self._write(batch, self._execute_each, 1, db)

    def _write(self, batch: Batch, execute: Execute, at_once: int, db: sqlite3.Connection) -> None:
        days = sorted(batch.days().items())
        while days:
            some, days = days[:MAX_ATTACHED], days[MAX_ATTACHED:]
            self._transact([], some, execute, at_once, db)
        self._transact(batch.core_statements(), [], execute, at_once, db)

    def _transact(
        self,
        statements: Sequence[Statement],
        days: Sequence[tuple[str, FlowBatch]],
        execute: Execute,
        at_once: int,
        db: sqlite3.Connection,
    ) -> None:
        attached = {self._connection.attach_day(db, day): flows for day, flows in days}
        db.execute("BEGIN IMMEDIATE")
        for statement in statements:
            execute(db, statement)
        for name, flows in attached.items():
            for statement in flow_statements(name, flows, words.numbers(words.read(db, name)), at_once):
                execute(db, statement)
        db.execute("COMMIT")

    def _execute_each(self, db: sqlite3.Connection, statement: Statement) -> None:
        sql, rows = statement
        for row in rows:
            try:
                db.execute(sql, row)
            except ERRORS as error:
                if verdict(error) is not Verdict.MISTAKE:
                    raise
                self._counters.add("dropped.rows.rejected")
                log.error(
                    "the database rejected one row, the others are kept: %s: %.300r",
                    error,
                    row,
                    extra={"repeat": "storage.rejected", "event": "loss"},
                )
