"""Sums of flows from their rows: what roll-ups do not hold yet, or never held, or hold too coarsely."""

import secrets
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

from netwatchd.addresses import Address
from netwatchd.storage import hourly, queries, schema, words
from netwatchd.storage.hourly import Mark
from netwatchd.storage.rollups import HOUR_MS, Delta, Hour

Found = TypeVar("Found")
TRIES = 3
Sums = dict[Any, list[int]]  # key -> [bytes in, bytes out, flows], as in an Hour

_BY = {
    "devices": "owner",
    "peers": "CASE WHEN opened THEN dst_ip ELSE src_ip END",
    "ports": "protocol << 16 | dst_port",
}
# total() never overflows, as sum() does on what a liar reports, and is exact up to 2**53.
_MOST = f"CAST(min(total({{}}), {schema.MOST_BYTES}) AS INTEGER)"
_IN = _MOST.format("CASE WHEN opened THEN bytes_in ELSE bytes_out END")
_OUT = _MOST.format("CASE WHEN opened THEN bytes_out ELSE bytes_in END")


def settled(directory: Path, read: Callable[[sqlite3.Connection], Found]) -> Found:
    """What `read` finds in the sums of core.db, and in the flows that these lack; raises NoDatabase.

    Where the sums are written meanwhile flows may have been counted twice: then it reads again, up to TRIES times.
    """
    for _ in range(TRIES):
        with closing(queries.open_read_only(directory / "core.db")) as core:
            mark = hourly.mark(core)
            found = read(core)
            if hourly.mark(core) == mark:
                break
    return found


def own_addresses(core: sqlite3.Connection) -> list[tuple[Address]]:
    """The addresses of all devices, as rows."""
    return [(ip,) for device in queries.devices(core) for ip in device.ips]


def sums_by(
    directory: Path, kind: str, ids: tuple[int, int], own: list[tuple[Address]], late: Mark | None, until: int
) -> Sums:
    """The flows with event ids above the first and up to the second, by `devices`, `peers` or `ports`.

    Of hours that begin before `until` (Unix ms). `own` are the addresses of all devices. `late` is how far the roll-ups
    have come: what they lack of the flows up to there is added.
    """
    sums: Sums = {}
    for key, hour, counts in _groups(directory, kind, *ids, own, late):
        if hour < until:
            _add(sums, key, counts)
    return sums


def are_few(directory: Path, low: int, high: int, most: int) -> bool:
    """Whether no more than `most` flows have event ids above `low` and up to `high`; looks at no more than these."""
    found = 0
    for db in queries.days(directory, max(low >> 12, 0), high >> 12):
        query = "SELECT count(*) FROM (SELECT 1 FROM flows WHERE id > ? AND id <= ? LIMIT ?)"
        found += db.execute(query, (low, high, most + 1 - found)).fetchone()[0]
        if found > most:
            return False
    return True


def devices_by_hour(directory: Path, mark: Mark, own: list[tuple[Address]]) -> Iterator[tuple[str, int, list[int]]]:
    """What the sums lack, which have come as far as `mark`: device ('': none known), hour and sums of each."""
    yield from _groups(directory, "devices", mark.newest, 2**62, own, mark)


def unwritten(directory: Path) -> Delta | None:
    """What the sums of core.db lack of the flows that are stored; to be added before any more are."""
    with closing(queries.open_read_only(directory / "core.db")) as db:
        mark = hourly.mark(db)
        own = own_addresses(db)
    hours: dict[int, Hour] = {}
    for kind in hourly.KEYS:
        for key, begun, counts in _groups(directory, kind, mark.newest, 2**62, own, mark):
            _add(getattr(hours.setdefault(begun, Hour()), kind), key, counts)
    if not hours:
        return None
    return Delta(secrets.token_hex(8), mark.newest, max(queries.newest_flow(directory) or 0, mark.newest), hours)


def _groups(
    directory: Path, kind: str, low: int, high: int, own: list[tuple[Address]], late: Mark | None
) -> Iterator[tuple[Any, int, list[int]]]:
    """Key, hour and sums of each group of each day."""
    for db in queries.days(directory, max((min(low, late.newest) if late else low) >> 12, 0), high >> 12):
        known = words.read(db)
        db.execute("CREATE TEMP TABLE own (ip ANY)")
        db.executemany("INSERT INTO own VALUES (?)", own)
        rows = _columns(known.column) + ", 1 AS flows, id >> 12 AS time FROM flows WHERE id > ? AND id <= ?"
        values = [low, high]
        if late and known.column == "owner" and db.execute("SELECT 1 FROM late LIMIT 1").fetchone():
            rows += _LATE
            values += [late.newest >> 12, late.writing, late.newest]
        query = f"""SELECT {_BY[kind]} AS key, time / {HOUR_MS} * {HOUR_MS} AS hour, {_IN}, {_OUT}, sum(flows)
                    FROM ({rows}) GROUP BY key, hour"""
        for key, hour, *counts in db.execute(query, values):
            yield (known.owners[key] or "" if kind == "devices" else key), hour, counts


def _columns(owner: str) -> str:
    # A flow that no device is put down to is told from the side that opened it.
    return (
        f"SELECT {owner} AS owner, {owner} IS NULL OR src_ip IN own AS opened, "
        "src_ip, dst_ip, protocol, dst_port, bytes_in, bytes_out"
    )


_LATE = """
UNION ALL SELECT owner, owner IS NULL OR src_ip IN own, src_ip, dst_ip, protocol, dst_port,
    max(f.bytes_in - max(l.bytes_in, 0), 0), max(f.bytes_out - max(l.bytes_out, 0), 0), l.bytes_out < 0, ?
FROM late l CROSS JOIN flows f USING (id) WHERE l.writing = ? AND id <= ?
"""


def _add(sums: Sums, key: Any, counts: list[int]) -> None:
    known = sums.setdefault(key, [0, 0, 0])
    for at, count in enumerate(counts):
        known[at] += count
