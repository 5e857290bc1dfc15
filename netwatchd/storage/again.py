"""Roll-ups of ten minutes added up again from the flows, after a replay whose time went back.

The writer keeps the sums of one bucket at a time, and has written the others once for all. A replay comes back to
buckets that were written: with another file, or with a flow that began long before it ended.
"""

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

from netwatchd.events import Device
from netwatchd.storage import queries, schema, words
from netwatchd.storage.rollups import BUCKET_MS

# What comes in for the side that opened a flow goes out for the other one. Nobody's flow is told from the former.
_OPENED = "CASE WHEN {owner} IS NULL OR (src_ip, {owner}) IN own THEN"
_SUMS = f"""
SELECT (id >> 12) / ?1 * ?1, {{owner}}, CAST(total({_OPENED} bytes_in ELSE bytes_out END) AS INTEGER),
    CAST(total({_OPENED} bytes_out ELSE bytes_in END) AS INTEGER), count(*)
FROM flows WHERE id >= ?2 AND id < ?3 GROUP BY 1, 2
"""


def add_up_again(directory: Path, buckets: Iterable[int]) -> None:
    """Writes the roll-ups of the buckets that began at these times (Unix ms) from the flows first seen in them.

    Nobody else may write into the directory meanwhile. Raises one of ERRORS, or NoDatabase.
    """
    wanted = set(buckets)
    devices = queries.read_core(directory).devices
    rows: list[tuple[Any, ...]] = []
    for day in sorted({bucket // schema.DAY_MS * schema.DAY_MS for bucket in wanted}):
        found = _sums(directory, day, devices)
        rows += [(*key, *counts) for key, counts in found.items() if key[0] in wanted]
    with closing(sqlite3.connect(directory / "core.db")) as core, core:
        core.executemany(schema.PUT_ROLLUP, rows)


def _sums(directory: Path, day: int, devices: list[Device]) -> dict[tuple[int, str], list[int]]:
    """Bytes in, bytes out and flows by bucket and device; a day may lie in several files."""
    sums: dict[tuple[int, str], list[int]] = {}
    for db in queries.days(directory, day, day + schema.DAY_MS - 1):
        known = words.read(db)
        own = [(ip, n) for device in devices for ip in device.ips for n in known.owned_by(schema.key_of(device))]
        db.execute("CREATE TEMP TABLE own (ip, owner, PRIMARY KEY (ip, owner)) WITHOUT ROWID")
        db.executemany("INSERT OR IGNORE INTO own VALUES (?, ?)", own)
        values = (BUCKET_MS, day << 12, day + schema.DAY_MS << 12)
        for bucket, owner, *counts in db.execute(_SUMS.format(owner=known.column), values):
            before = sums.get((bucket, known.owners[owner] or ""), [0, 0, 0])
            sums[bucket, known.owners[owner] or ""] = [a + b for a, b in zip(before, counts, strict=True)]
    return sums
