"""Hours and days in core.db: what came is added, few keys are kept, and a day is made of its hours when it is over.

Written is what came (a Delta), not what there is, so that neither a restart nor a clock that is set back needs to know
what is there already. That it is added once is seen by its token, which is committed with it. In meta stand: the
`totals_token` and the `totals_mark` (the newest flow that the sums hold) of the newest Delta, `totals_writing` (which
writing of the sums this is), `totals_from` (flows up to this one were never added), `daily_to` (the last day that was
made), `pruned_to` (hours before it have their few keys) and `hourly_from` (hours before it were removed).
"""

import secrets
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from netwatchd.storage import schema
from netwatchd.storage.batch import Statement
from netwatchd.storage.rollups import OTHER_PEERS, OTHER_PORTS, Delta, Hour, hour_of

DAY_MS = schema.DAY_MS
# Of an hour and a day; what the rest moved is one sum. Of ports there are few that mean something: what is beyond them
# was chosen by chance.
KEPT = {"peers": 1_000, "ports": 250}
# Of the hour that goes on, so that one who rises slowly is not forgotten before it is over.
MOST_OPEN, KEPT_OPEN = 10_000, 5_000
MOST_REMOVED = 2 * DAY_MS  # in one run: a clock that leaps must not eat the past in one bite

KEYS = {"devices": "device", "peers": "peer", "ports": "port"}
_OTHERS: dict[str, Any] = {"peers": OTHER_PEERS, "ports": OTHER_PORTS}
_SUMS = ", ".join(
    f"CAST(min(total({column}), {schema.MOST_BYTES}) AS INTEGER)" for column in ("bytes_in", "bytes_out", "flows")
)


class Mark(NamedTuple):
    """How far the sums have come."""

    newest: int  # flow that they hold
    writing: int


Execute = Callable[[sqlite3.Connection, Statement], None]


def begin(db: sqlite3.Connection, newest: Callable[[], int]) -> None:
    """Begins the sums of a new core.db: they lack the flows up to the event that `newest` tells."""
    if number(db, "totals_from") is None:
        # By chance, because days may remember writings of another core.db.
        _put(db, totals_from=(last := newest()), totals_mark=last, totals_writing=secrets.randbits(48))


def mark(db: sqlite3.Connection) -> Mark:
    """How far the sums have come."""
    return Mark(number(db, "totals_mark") or 0, number(db, "totals_writing") or 0)


def number(db: sqlite3.Connection, key: str) -> int | None:
    """A number of meta."""
    found = db.execute("SELECT value FROM main.meta WHERE key = ?", (key,)).fetchone()
    return int(found[0]) if found else None


def not_added(db: sqlite3.Connection, deltas: Sequence[Delta]) -> Sequence[Delta]:
    """Those that are not in the sums yet: the last writing of the batch may have come further than it said."""
    if not deltas:
        return deltas
    found = db.execute("SELECT value FROM main.meta WHERE key = 'totals_token'").fetchone()
    tokens = [delta.token for delta in deltas]
    return deltas[tokens.index(found[0]) + 1 :] if found and found[0] in tokens else deltas


def add(db: sqlite3.Connection, delta: Delta, execute: Execute) -> None:
    """Adds what came, inside a transaction, and does what is due to hours and days that are over by then."""
    now = delta.mark >> 12
    daily_to = number(db, "daily_to")
    over = {begun: hour for begun, hour in delta.hours.items() if begun < hour_of(now)}
    _add_hours(db, over, daily_to, execute)
    _end_hours(db, hour_of(now))
    _add_hours(db, {begun: hour for begun, hour in delta.hours.items() if begun not in over}, daily_to, execute)
    _end_days(db, now // DAY_MS * DAY_MS, daily_to)
    _put(db, totals_token=delta.token, totals_mark=delta.mark, totals_writing=mark(db).writing + 1)


def _add_hours(db: sqlite3.Connection, hours: dict[int, Hour], daily_to: int | None, execute: Execute) -> None:
    for begun, hour in hours.items():
        _add(db, "hourly", begun, hour, execute)
        day = begun // DAY_MS * DAY_MS
        if daily_to is not None and day <= daily_to:  # it was made before this came
            _add(db, "daily", day, hour, execute)
            _prune(db, "daily", "day", day)
        _prune(db, "hourly", "hour", begun, going_on=begun >= (number(db, "pruned_to") or 0))


def remove(db: sqlite3.Connection, hours_before: int, days_before: int) -> int:
    """Removes hours and days that began before these times (Unix ms), inside a transaction; returns how many rows."""
    removed = 0
    for each, unit, before in (("hourly", "hour", hours_before), ("daily", "day", days_before)):
        oldest = db.execute(f"SELECT min({unit}) FROM main.{each}_devices").fetchone()[0]
        if oldest is None or oldest >= before:
            continue
        before = min(before, oldest + MOST_REMOVED)
        if each == "hourly":
            # What a day holds of its hours is all that stays of them.
            before = min(before, (number(db, "daily_to") or 0) + DAY_MS)
            _put(db, hourly_from=max(before, number(db, "hourly_from") or 0))
        for kind in KEYS:
            removed += db.execute(f"DELETE FROM main.{each}_{kind} WHERE {unit} < ?", (before,)).rowcount
    return removed


def _add(db: sqlite3.Connection, each: str, begun: int, hour: Hour, execute: Execute) -> None:
    sums: Iterable[tuple[str, dict[Any, list[int]]]]
    sums = (("devices", hour.devices), ("peers", hour.peers), ("ports", hour.ports))
    for kind, found in sums:
        rows = [(begun, key, *(min(count, schema.MOST_BYTES) for count in counts)) for key, counts in found.items()]
        execute(db, (schema.ADD_TOTAL.format(table=f"{each}_{kind}"), sorted(rows, key=_place)))


def _place(row: tuple[Any, ...]) -> tuple[bool, Any]:
    """Where the row's key stands in the table: what is written in this order dirties each page once."""
    return isinstance(row[1], bytes), row[1]


def _end_hours(db: sqlite3.Connection, now: int) -> None:
    """Leaves its few keys to each hour that is over by the hour `now`."""
    pruned_to = number(db, "pruned_to") or 0
    if pruned_to >= now:
        return
    query = "SELECT DISTINCT hour FROM main.hourly_devices WHERE hour >= ? AND hour < ?"
    for (begun,) in db.execute(query, (pruned_to, now)).fetchall():
        _prune(db, "hourly", "hour", begun)
        _pack(db, begun)
    _put(db, pruned_to=now)


def _pack(db: sqlite3.Connection, begun: int) -> None:
    """Puts an hour in again, in its order: what was put in bit by bit has left its pages half empty."""
    for kind in KEYS:
        rows = db.execute(f"SELECT * FROM main.hourly_{kind} WHERE hour = ?", (begun,)).fetchall()
        db.execute(f"DELETE FROM main.hourly_{kind} WHERE hour = ?", (begun,))
        db.executemany(f"INSERT INTO main.hourly_{kind} VALUES (?, ?, ?, ?, ?)", rows)


def _end_days(db: sqlite3.Connection, today: int, daily_to: int | None) -> None:
    """Makes the days that are over by `today` of their hours."""
    after = -1 if daily_to is None else daily_to
    if after >= today - DAY_MS:
        return
    query = f"SELECT DISTINCT hour / {DAY_MS} * {DAY_MS} FROM main.hourly_devices WHERE hour >= ? AND hour < ?"
    for (day,) in db.execute(query, (after + DAY_MS if after >= 0 else 0, today)).fetchall():
        for kind, key in KEYS.items():
            db.execute(
                f"INSERT OR REPLACE INTO main.daily_{kind} SELECT ?1, {key}, {_SUMS} FROM main.hourly_{kind} "
                f"WHERE hour >= ?1 AND hour < ?1 + {DAY_MS} GROUP BY {key}",
                (day,),
            )
        _prune(db, "daily", "day", day)
    _put(db, daily_to=today - DAY_MS)


def _prune(db: sqlite3.Connection, each: str, unit: str, begun: int, *, going_on: bool = False) -> None:
    """Leaves those peers and ports that moved most, where there are too many, and puts the rest together."""
    for kind, other in _OTHERS.items():
        kept, most = (KEPT_OPEN, MOST_OPEN) if going_on else (KEPT[kind], KEPT[kind])
        table, key = f"main.{each}_{kind}", KEYS[kind]
        where = f"FROM {table} WHERE {unit} = ? AND {key} <> ?"
        if not db.execute(f"SELECT 1 {where} LIMIT 1 OFFSET ?", (begun, other, most)).fetchone():
            continue
        rest = db.execute(
            f"SELECT {key}, bytes_in, bytes_out, flows {where} "
            f"ORDER BY bytes_in + bytes_out DESC, {key} LIMIT -1 OFFSET ?",
            (begun, other, kept),
        ).fetchall()
        sums = [min(sum(column), schema.MOST_BYTES) for column in list(zip(*rest, strict=True))[1:]]
        db.execute(schema.ADD_TOTAL.format(table=f"{each}_{kind}"), (begun, other, *sums))
        gone = [(begun, row[0]) for row in rest]
        db.executemany(f"DELETE FROM {table} WHERE {unit} = ? AND {key} = ?", gone)


def _put(db: sqlite3.Connection, **values: int | str) -> None:
    rows = [values for item in values.items() for values in item]
    marks = ", ".join(["(?, ?)"] * len(values))
    db.execute(f"INSERT OR REPLACE INTO main.meta VALUES {marks}", [str(value) for value in rows])
