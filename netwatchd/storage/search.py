"""Flows that are looked for: the newest first, across days, by more than their time.

The flows table has no index but its key, which rises with time: whatever else is asked of a flow is asked of each row,
from the newest on. So a search goes by pieces of so many rows. Between two of them it may stop, because it has looked
at as many rows or for as long as it may, and knows then up to where it has looked: there it can be gone on with.
"""

import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from netwatchd.addresses import Address
from netwatchd.events import Flow
from netwatchd.storage import queries, words

PIECE = 20_000  # rows that are looked at between two looks at the clock: some 10 ms, on a small machine 100
FEW = 500  # addresses that are parameters of a statement, which takes 32,766 of them; there may be a dozen terms
NEVER = "0"  # SQL for what is true of no row
_NO_PORTS = "(1, 58)"  # ICMP, whose type and code stand in the place of ports


@dataclass(frozen=True)
class Either:
    """What may be true of a flow: one of these suffices."""

    addresses: frozenset[Address] = frozenset()  # of one of its sides
    ranges: tuple[tuple[Address, Address], ...] = ()  # first and last address, of one of its sides
    ports: tuple[tuple[int | None, int], ...] = ()  # of one of its sides: the protocol, or any, and the port
    protocols: frozenset[int] = frozenset()
    states: frozenset[str] = frozenset()
    devices: frozenset[str] = frozenset()  # keys of the device that it was put down to


@dataclass(frozen=True)
class Wanted:
    """Which flows: all of this must be true of one. Times are those when it was first seen, in Unix ms."""

    since: int = 0
    until: int | None = None
    before: int | None = None  # an event id, below which its own is
    terms: tuple[Either, ...] = ()

    @property
    def ids(self) -> tuple[int, int]:
        """The lowest id, and the one above the highest."""
        end = 2**62 if self.until is None else self.until + 1 << 12
        return self.since << 12, end if self.before is None else min(end, self.before)


@dataclass
class Bounds:
    """How many rows may still be looked at, and until when (monotonic seconds)."""

    rows: float = float("inf")
    end: float = float("inf")

    @property
    def reached(self) -> bool:
        """Whether that is enough."""
        return self.rows <= 0 or time.monotonic() >= self.end


class Search:
    """Finds flows, the newest first, while it is walked through, once; so no more than one of them need be there."""

    def __init__(
        self, directory: Path, wanted: Wanted | None = None, limit: int | None = None, bounds: Bounds | None = None
    ) -> None:
        """At most `limit` flows that are `wanted`."""
        self._directory = directory
        self._wanted = wanted or Wanted()
        self._left = float("inf") if limit is None else limit
        self._bounds = bounds or Bounds()
        # When it is through: below this id are flows that were not looked at, and whether it ended at its bounds.
        self.before: int | None = None
        self.stopped = False

    def __iter__(self) -> Iterator[Flow]:
        """The flows; raises NoDatabase, sqlite3.Error."""
        first, end = self._wanted.ids
        if first >= end:
            return
        for db in queries.days(self._directory, self._wanted.since, end - 1 >> 12):
            queries.map_file(db)
            yield from self._of_day(db, first, end)
            if self.before is not None:
                return

    def _of_day(self, db: sqlite3.Connection, first: int, end: int) -> Iterator[Flow]:
        known, terms = words.read(db), self._wanted.terms
        condition, values = _condition(db, known, terms)
        if condition == NEVER:
            return
        query = f"SELECT * FROM flows WHERE id >= ? AND id < ? AND {condition} ORDER BY id DESC"
        for low, high in _pieces(db, first, end) if terms else [(first, end)]:
            for row in db.execute(query, [low, high, *values]):
                yield known.flow(row)
                self._left -= 1
                if self._left <= 0:
                    self.before = row[0]
                    return
            self._bounds.rows -= PIECE
            if terms and low > first and self._bounds.reached:
                self.before, self.stopped = low, True
                return


def _pieces(db: sqlite3.Connection, first: int, end: int) -> Iterator[tuple[int, int]]:
    """Ranges of ids with so many rows each, the newest first: the lowest id, and the one above the highest."""
    query = "SELECT id FROM flows WHERE id >= ? AND id < ? ORDER BY id DESC LIMIT 1 OFFSET ?"
    while row := db.execute(query, (first, end, PIECE - 1)).fetchone():
        yield row[0], end
        end = row[0]
    yield first, end


def _condition(db: sqlite3.Connection, known: words.Words, terms: tuple[Either, ...]) -> tuple[str, list[Any]]:
    """SQL for all terms, with its values; NEVER where one of them is true of no flow of this day."""
    parts, values = ["1"], []
    for number, term in enumerate(terms):
        either = list(_alternatives(db, known, term, f"addresses_{number}"))
        if not either:
            return NEVER, []
        parts.append(f"({' OR '.join(sql for sql, _ in either)})")
        values += [value for _, own in either for value in own]
    return " AND ".join(parts), values


def _alternatives(
    db: sqlite3.Connection, known: words.Words, term: Either, table: str
) -> Iterator[tuple[str, list[Any]]]:
    """SQL for each of what suffices, with its values; `table` is a name for one that it may make."""
    if numbers := [number for key in sorted(term.devices) for number in known.owned_by(key)]:
        yield f"{known.column} IN ({queries.marks(numbers)})", numbers
    if len(term.addresses) > FEW:
        db.execute(f"CREATE TEMP TABLE {table} (ip ANY PRIMARY KEY) WITHOUT ROWID")
        db.executemany(f"INSERT INTO {table} VALUES (?)", [(ip,) for ip in term.addresses])
        yield f"src_ip IN {table} OR dst_ip IN {table}", []
    elif term.addresses:
        own = list(term.addresses)
        yield f"src_ip IN ({queries.marks(own)}) OR dst_ip IN ({queries.marks(own)})", own * 2
    for pair in term.ranges:
        yield "src_ip BETWEEN ? AND ? OR dst_ip BETWEEN ? AND ?", [*pair, *pair]
    for protocol, port in term.ports:
        of = f"protocol NOT IN {_NO_PORTS}" if protocol is None else "protocol = ?"
        yield f"{of} AND (src_port = ? OR dst_port = ?)", [*([] if protocol is None else [protocol]), port, port]
    if term.protocols:
        yield f"protocol IN ({queries.marks(term.protocols)})", list(term.protocols)
    if states := [number for number, name in known.states.items() if name in term.states]:
        yield f"state IN ({queries.marks(states)})", states
