"""How much was moved in each ten minutes, hour or day, from the roll-ups and the flows that came since.

A step in which nothing at all was recorded, of no device, is no step: netwatchd did not run then, or was told nothing.
"""

import sqlite3
from collections.abc import Collection
from pathlib import Path

from netwatchd.storage import hourly, queries, scan
from netwatchd.storage.rollups import BUCKET_MS, HOUR_MS, bucket_of, hour_of

DAY_MS = hourly.DAY_MS
Sums = dict[int, list[int]]  # when a step began (Unix ms) -> [bytes in, bytes out, flows]


def series(directory: Path, step: int, since: int, until: int, keys: Collection[str] | None = None) -> Sums:
    """The steps of `step` ms (ten minutes, an hour or a day, UTC) that begin from `since` on and before `until`.

    Of the devices with these keys, else of all. Traffic counts when it was told of. Raises NoDatabase.
    """

    def read(core: sqlite3.Connection) -> Sums:
        if core.execute("PRAGMA user_version").fetchone()[0] < 2:
            return {}  # netwatchd 0.1 had no sums
        return _BY_STEP[step](core, directory, since, until, keys)

    found = scan.settled(directory, read)
    return {begun: sums for begun, sums in sorted(found.items()) if since <= begun < until}


def _hours(
    core: sqlite3.Connection, directory: Path, since: int, until: int, keys: Collection[str] | None, unit: int = HOUR_MS
) -> Sums:
    """The hours, put together to units of a length in ms."""
    found = _read(core, "hourly_devices", f"hour / {unit} * {unit}", (hour_of(since), until), keys)
    mark = hourly.mark(core)
    if until <= mark.newest >> 12:
        return found
    for device, hour, counts in scan.devices_by_hour(directory, mark, scan.own_addresses(core)):
        sums = found.setdefault(hour // unit * unit, [0, 0, 0])
        if keys is None or device in keys:
            sums[:] = (a + b for a, b in zip(sums, counts, strict=True))
    return found


def _days(core: sqlite3.Connection, directory: Path, since: int, until: int, keys: Collection[str] | None) -> Sums:
    daily_to = hourly.number(core, "daily_to")
    found = _read(core, "daily_devices", "day", (since // DAY_MS * DAY_MS, until), keys)
    first = max(since // DAY_MS * DAY_MS, 0 if daily_to is None else daily_to + DAY_MS)
    return found | _hours(core, directory, first, until, keys, DAY_MS)


def _buckets(core: sqlite3.Connection, directory: Path, since: int, until: int, keys: Collection[str] | None) -> Sums:
    newest = core.execute("SELECT max(bucket) FROM main.rollups").fetchone()[0] or 0
    # A bucket is written when it is over. What it has so far is what its hour has more than the hour's other buckets.
    first = hour_of(newest)
    found = _read(core, "rollups", "bucket", (min(bucket_of(since), first), until), keys)
    last = bucket_of(max(queries.newest_flow(directory) or 0, hourly.mark(core).newest) >> 12)
    for hour, sums in _hours(core, directory, first, until, keys).items():
        bucket = min(hour + HOUR_MS - BUCKET_MS, max(last, hour))
        if bucket <= newest:
            continue
        written = [counts for begun, counts in found.items() if hour <= begun < hour + HOUR_MS]
        rest = [max(count - sum(each[at] for each in written), 0) for at, count in enumerate(sums)]
        found[bucket] = rest
    return found


_BY_STEP = {BUCKET_MS: _buckets, HOUR_MS: _hours, DAY_MS: _days}


def _read(
    core: sqlite3.Connection, table: str, unit: str, between: tuple[int, int], keys: Collection[str] | None
) -> Sums:
    """The sums of a table from a time to another one, by `unit`; of these devices."""
    column = unit.split()[0]
    places = ", ".join(f"?{number}" for number in range(3, 3 + len(keys or ())))
    wanted = "{}" if keys is None else f"CASE WHEN device IN ({places}) THEN {{}} ELSE 0 END"
    sums = ", ".join(f"CAST(total({wanted.format(each)}) AS INTEGER)" for each in ("bytes_in", "bytes_out", "flows"))
    query = f"SELECT {unit} AS step, {sums} FROM main.{table} WHERE {column} >= ?1 AND {column} < ?2 GROUP BY step"
    return {begun: list(counts) for begun, *counts in core.execute(query, [*between, *(keys or ())])}
