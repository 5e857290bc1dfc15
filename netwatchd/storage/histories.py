"""What devices moved in each hour, and when they were here: of all devices at once."""

import sqlite3
from contextlib import closing
from pathlib import Path

from netwatchd.events import Session
from netwatchd.storage import hourly, queries, scan
from netwatchd.storage.rollups import hour_of

Hours = dict[str, dict[int, list[int]]]  # key ('': no known device) -> when an hour began (Unix ms) -> [bytes in, out]


def hours(directory: Path, since: int) -> Hours:
    """What was moved in the hours (UTC) from that of `since` (Unix ms) on, by the key that it was told of.

    From the roll-ups, and the flows that came since they were written. Traffic counts in the hour in which it was told
    of. Raises NoDatabase.
    """
    return scan.settled(directory, lambda core: _hours(core, directory, hour_of(since)))


def _hours(core: sqlite3.Connection, directory: Path, first: int) -> Hours:
    found: Hours = {}
    if core.execute("PRAGMA user_version").fetchone()[0] < 2:
        return found  # netwatchd 0.1 had no sums
    query = "SELECT device, hour, bytes_in, bytes_out FROM main.hourly_devices WHERE hour >= ?"
    for device, hour, *counts in core.execute(query, (first,)):
        found.setdefault(device, {})[hour] = counts
    own = scan.own_addresses(core)
    for device, hour, (bytes_in, bytes_out, _) in scan.devices_by_hour(directory, hourly.mark(core), own):
        if hour >= first:
            sums = found.setdefault(device, {}).setdefault(hour, [0, 0])
            sums[0] += bytes_in
            sums[1] += bytes_out
    return found


def sessions(directory: Path, since: int, limit: int) -> list[Session]:
    """The sessions of all devices that had not ended by `since` (Unix ms), at most `limit`; raises NoDatabase.

    Those that last come first, then the latest ended: what is left out had ended by the time when the last one did.
    """
    query = """SELECT device, start, "end" FROM main.sessions WHERE "end" IS NULL OR "end" >= ?
               ORDER BY "end" IS NULL DESC, "end" DESC, start DESC, device LIMIT ?"""
    with closing(queries.open_read_only(directory / "core.db")) as core:
        return [Session(*row) for row in core.execute(query, (since, limit))] if queries.has_records(core) else []
