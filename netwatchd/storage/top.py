"""Who moved most, from the roll-ups: whole days, whole hours, and the flows that came since they were written."""

import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from netwatchd.addresses import address_text
from netwatchd.events import protocol_name
from netwatchd.storage import hourly, queries, scan, schema
from netwatchd.storage.rollups import HOUR_MS, OTHER_PEERS, OTHER_PORTS, hour_of

KINDS = {"device": "devices", "destination": "peers", "port": "ports"}
OTHERS: dict[str, Any] = {"device": None, "destination": OTHER_PEERS, "port": OTHER_PORTS}
# Flows from the time asked for to the end of its hour that are read one by one, to be exact: a tenth of a second.
MOST_SCANNED = 100_000


@dataclass(frozen=True)
class Top:
    """The answer, and the time (Unix ms) since which it counts: a while before the one asked for, in a busy hour."""

    rows: list[dict[str, Any]]
    since: int


@dataclass
class _Plan:
    """Which sums and which flows make the answer."""

    since: int
    scans: list[tuple[int, int]]  # flows above and up to these event ids
    first_day: int  # days from this one to `daily_to`
    first_hour: int  # hours from this one on that are in none of these days
    until: int = 2**62  # hours before this one


def top(directory: Path, by: str, since: int, limit: int | None, until: int | None = None) -> Top:
    """Who moved most bytes since `since` (Unix ms), by `device`, `destination` or `port`; the most first.

    Where it is to be counted `until` a time, it is by whole hours. A flow's bytes are in and out as its
    device sees them, or who opened it where no device is known. What peers and ports moved that were not among the
    first of their hour stands in a row without a name, after the others.
    """
    return scan.settled(directory, lambda core: _top(core, directory, by, since, limit, until))


def traffic_since(directory: Path, since: int) -> dict[str, tuple[int, int]]:
    """Bytes in and out by device (its key) since `since` (Unix ms); what a merged MAC moved is its device's.

    It is exact as `top` is. Traffic counts when it was told of: what an exporter tells of at a flow's end counts then
    as a whole. A time within an hour is exact while the flows of its hour are there and are few; else that whole hour
    counts. Traffic that was in no roll-up yet when its flows were removed is not known. Raises NoDatabase.
    """
    into = {alias.mac: alias.device for alias in queries.aliases(directory) if alias.undone is None}
    sums: dict[str, tuple[int, int]] = {}
    for row in top(directory, "device", since, None).rows:
        key = row["device"]
        for _ in range(len(into)):  # one may have been merged into one that was merged itself
            key = into.get(key, key)
        if key is not None:
            bytes_in, bytes_out = sums.get(key, (0, 0))
            sums[key] = bytes_in + row["bytes_in"], bytes_out + row["bytes_out"]
    return sums


def _top(core: sqlite3.Connection, directory: Path, by: str, since: int, limit: int | None, until: int | None) -> Top:
    kind, mark = KINDS[by], hourly.mark(core)
    own = scan.own_addresses(core)
    before = _Plan(since, [((since << 12) - 1, 2**62)], 0, 0)  # netwatchd 0.1 had no sums
    last = None if until is None else -(-until // HOUR_MS) * HOUR_MS
    if last is not None and _has_totals(core):
        plan = _plan(core, directory, hour_of(since), mark.newest)
        plan.until = last
    else:
        plan = _plan(core, directory, since, mark.newest) if _has_totals(core) else before
    core.execute("CREATE TEMP TABLE scanned (key, bytes_in, bytes_out, flows)")
    for low, high in plan.scans:
        late = mark if high > mark.newest and plan.since <= mark.newest >> 12 else None
        sums = scan.sums_by(directory, kind, (low, high), own, late, plan.until)
        core.executemany("INSERT INTO scanned VALUES (?, ?, ?, ?)", [(key, *counts) for key, counts in sums.items()])
    return Top(_most(core, by, plan, limit), plan.since)


def _most(core: sqlite3.Connection, by: str, plan: _Plan, limit: int | None) -> list[dict[str, Any]]:
    found, values = _found(core, KINDS[by], plan)
    select = f"""SELECT key, CAST(total(bytes_in) AS INTEGER), CAST(total(bytes_out) AS INTEGER), sum(flows)
                 FROM ({found}) WHERE key {{}} ? GROUP BY key
                 HAVING total(bytes_in) + total(bytes_out) + sum(flows) > 0
                 ORDER BY total(bytes_in) + total(bytes_out) DESC, key LIMIT ?"""
    rows = core.execute(select.format("IS NOT"), [*values, OTHERS[by], -1 if limit is None else limit]).fetchall()
    if OTHERS[by] is not None:
        rows += core.execute(select.format("IS"), [*values, OTHERS[by], 1]).fetchall()
    return [{by: _text(by, row[0]), "bytes_in": row[1], "bytes_out": row[2], "flows": row[3]} for row in rows]


def _plan(core: sqlite3.Connection, directory: Path, since: int, mark: int) -> _Plan:
    never = hourly.number(core, "totals_from") or 0
    tail = (max(mark, (since << 12) - 1), 2**62)
    if since <= never >> 12:
        # The flows of before are in no sums, and those are in all of them.
        return _Plan(since, [((since << 12) - 1, never), tail], 0, 0)
    if since > mark >> 12:
        return _Plan(since, [tail], 2**62, 2**62)
    begun = hour_of(since)
    if begun < (hourly.number(core, "hourly_from") or 0):
        day = since // hourly.DAY_MS * hourly.DAY_MS
        return _Plan(day, [tail], day, day)
    next_day = -(-since // hourly.DAY_MS) * hourly.DAY_MS
    if begun == since:
        return _Plan(since, [tail], next_day, begun)
    rest_of_hour = ((since << 12) - 1, min(mark, (begun + HOUR_MS << 12) - 1))
    if _has_flows(directory, since) and scan.are_few(directory, *rest_of_hour, MOST_SCANNED):
        return _Plan(since, [rest_of_hour, tail], next_day, begun + HOUR_MS)
    return _Plan(begun, [tail], -(-begun // hourly.DAY_MS) * hourly.DAY_MS, begun)


def _has_flows(directory: Path, since: int) -> bool:
    """Whether the flows since then are still there, and were not removed for their size or age."""
    files = schema.day_files(directory)
    return bool(files) and (schema.begin_of(files[0].name) or 0) <= since


def _found(core: sqlite3.Connection, kind: str, plan: _Plan) -> tuple[str, list[int]]:
    """SQL for all sums that make the answer, and its values."""
    if not _has_totals(core):
        return "SELECT * FROM temp.scanned", []
    daily_to = hourly.number(core, "daily_to")
    # Hours of days before this are in the days.
    end = 0 if daily_to is None else daily_to + hourly.DAY_MS
    end = max(plan.first_day, min(end, plan.until // hourly.DAY_MS * hourly.DAY_MS))
    columns = f"{hourly.KEYS[kind]} AS key, bytes_in, bytes_out, flows"
    # Two ranges of hours, because SQLite reads the whole table for an OR.
    parts = [
        f"SELECT {columns} FROM main.daily_{kind} WHERE day >= ? AND day < ?",
        f"SELECT {columns} FROM main.hourly_{kind} WHERE hour >= ? AND hour < ?",
        f"SELECT {columns} FROM main.hourly_{kind} WHERE hour >= ? AND hour < ?",
        "SELECT * FROM temp.scanned",
    ]
    hours = [plan.first_hour, min(plan.first_day, plan.until), max(end, plan.first_hour), plan.until]
    values = [plan.first_day, end, *hours]
    return " UNION ALL ".join(parts), values


def _has_totals(core: sqlite3.Connection) -> bool:
    return bool(core.execute("PRAGMA user_version").fetchone()[0] >= 2)


def _text(by: str, key: Any) -> str | None:
    if by == "device":
        return key or None
    if key == OTHERS[by]:
        return None
    return address_text(key) if by == "destination" else f"{protocol_name(key >> 16)}/{key & 65535}"
