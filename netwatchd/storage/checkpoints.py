"""Keeps the -wal files short: moves what they hold into the databases, and says who keeps it from that.

A checkpoint stops where the oldest reader stands, and a -wal begins anew only when nobody reads from it. So a program
that stays inside a reading transaction makes it grow for as long, and readers that follow each other without a pause
do, too. Against the second a long -wal is cut with a little waiting; against the first nothing helps but to say it.
"""

import logging
from pathlib import Path

from netwatchd.storage.connection import Connection
from netwatchd.storage.files import MAX_WAL, files_of, wal_files
from netwatchd.storage.retention import file_size

log = logging.getLogger(__name__)

LONG_WAL = 4 * MAX_WAL  # bytes; where readers come and go, a -wal begins anew long before


class Checkpoints:
    """The checkpoints of all files that one connection writes."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._said: dict[Path, int] = {}  # the -wal files of which it was said that they grow, and how long they were

    def when_long(self) -> None:
        """Makes a checkpoint where a -wal has become long; raises one of ERRORS."""
        if self._said or any(file_size(path) > MAX_WAL for path in wal_files(self._connection.directory)):
            self.now()

    def now(self) -> None:
        """Moves what each -wal holds into its file, as far as no reader is in the way; raises one of ERRORS."""
        with self._connection.lock:
            db = self._connection.ensure_connection()
            for schema, path in self._connection.schemas.items():
                _, frames, moved = db.execute(f"PRAGMA {schema}.wal_checkpoint(PASSIVE)").fetchone()
                _, wal, _ = files_of(path)
                if moved == frames and file_size(wal) > LONG_WAL:
                    # Waits for readers as long as for locks (busy_timeout). Those that come meanwhile read the file
                    # alone, so that there is a last one.
                    self._connection.cut_wal(schema)
        for wal in {*wal_files(self._connection.directory), *self._said}:
            self._say(wal)

    def _say(self, wal: Path) -> None:
        """Says, once a minute, that a -wal grows, and once that it does not any more."""
        if (size := file_size(wal)) > LONG_WAL:
            self._said[wal] = size
            log.warning(
                "%s has grown to %d MB, because another program stays in a transaction that reads it; "
                "it is cut when that program ends its transaction",
                wal,
                size // 10**6,
                extra={"repeat": "storage.wal", "event": "wal"},
            )
        elif grown := self._said.pop(wal, 0):
            log.info("%s was cut: it had grown to %d MB", wal, grown // 10**6, extra={"event": "wal"})
