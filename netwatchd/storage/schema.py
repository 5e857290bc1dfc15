"""The tables, and events as their rows and back.

core.db holds devices, what is known of them, threats, roll-ups and meta. Flows lie in flows-YYYYMMDD.db, one file a UTC
day, so that retention is an unlink. The flows table is lean for an SD card: its key rises with time and it has no other
index, so that rows are only ever appended; addresses are integers (IPv6: 16 bytes), and states, origins and devices are
numbers that the tables `names`, `origins` and `owners` explain. The view flows_readable shows all of it as text.
"""

import dataclasses
import json
import os
import re
import sqlite3
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from netwatchd.addresses import address_text, parse_address
from netwatchd.events import Device, Status, Threat, ThreatStatus
from netwatchd.storage import readable

# PRAGMA user_version of core.db and of a day; `migrations` brings older ones here.
CORE_VERSION, DAY_VERSION = 3, 2
DAY_MS = 86_400_000
_THREAT_FIELDS = tuple(field.name for field in dataclasses.fields(Threat))
# The columns of `devices` in netwatchd 0.2, and those that came with schema 3, with what a row of before has there.
OLD_DEVICE = (
    "device", "mac", "ip", "ips", "hostname", "vendor", "name", "first_seen", "last_seen", "status", "random_mac",
    "bytes_in", "bytes_out", "sources",
)  # fmt: skip
NEW_DEVICE = {
    "kind": "TEXT NOT NULL DEFAULT 'unknown'", "model": "TEXT", "macs": "TEXT NOT NULL DEFAULT '[]'",
    "evidence": "TEXT NOT NULL DEFAULT '[]'", "usual_silence": "INTEGER NOT NULL DEFAULT 0",
}  # fmt: skip

CORE = """
CREATE TABLE IF NOT EXISTS {schema}.devices (
    device TEXT PRIMARY KEY,        -- the MAC, or the address where no MAC can be known
    mac TEXT, ip TEXT, ips TEXT NOT NULL, hostname TEXT, vendor TEXT, name TEXT,
    first_seen INTEGER NOT NULL, last_seen INTEGER NOT NULL, status TEXT NOT NULL, random_mac INTEGER NOT NULL,
    bytes_in INTEGER NOT NULL, bytes_out INTEGER NOT NULL, sources TEXT NOT NULL{columns}
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS {schema}.threats (
    id INTEGER PRIMARY KEY, kind TEXT NOT NULL, severity TEXT NOT NULL, device TEXT, target TEXT,
    description TEXT NOT NULL, recommendation TEXT, evidence TEXT NOT NULL,
    first_seen INTEGER NOT NULL, last_seen INTEGER NOT NULL, count INTEGER NOT NULL, status TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS {schema}.threat_identity
    ON threats (kind, coalesce(device, ''), coalesce(target, ''));
CREATE TABLE IF NOT EXISTS {schema}.rollups (
    bucket INTEGER NOT NULL,        -- the millisecond in which its ten minutes began
    device TEXT NOT NULL,           -- '' for traffic of no known device
    bytes_in INTEGER NOT NULL, bytes_out INTEGER NOT NULL, flows INTEGER NOT NULL,
    PRIMARY KEY (bucket, device)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS {schema}.meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
"""

# Text that says which device, because people read it; the rows of one lie together, so that a change dirties one page.
RECORDS = """
CREATE TABLE IF NOT EXISTS {schema}.traits (
    station TEXT NOT NULL,          -- the MAC, or the address of a device without one
    kind TEXT NOT NULL, value TEXT NOT NULL, source TEXT NOT NULL,
    first_seen INTEGER NOT NULL, last_seen INTEGER NOT NULL,
    PRIMARY KEY (station, kind, value)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS {schema}.sessions (
    device TEXT NOT NULL, start INTEGER NOT NULL, "end" INTEGER,    -- NULL while it lasts
    PRIMARY KEY (device, start)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS {schema}.aliases (
    mac TEXT NOT NULL, device TEXT NOT NULL, time INTEGER NOT NULL, "by" TEXT NOT NULL, evidence TEXT NOT NULL,
    undone INTEGER,                 -- when the two were told apart again
    before TEXT,                    -- the device that the MAC was until then
    PRIMARY KEY (mac, device)
) STRICT, WITHOUT ROWID;
"""

# By device ('': of none known), peer (x'': the rest) and port (-1: the rest), an hour and a day.
TOTALS = """
CREATE TABLE IF NOT EXISTS {schema}.{each}ly_devices (
    {unit} INTEGER NOT NULL, device TEXT NOT NULL,
    bytes_in INTEGER NOT NULL, bytes_out INTEGER NOT NULL, flows INTEGER NOT NULL,
    PRIMARY KEY ({unit}, device)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS {schema}.{each}ly_peers (
    {unit} INTEGER NOT NULL, peer ANY NOT NULL,
    bytes_in INTEGER NOT NULL, bytes_out INTEGER NOT NULL, flows INTEGER NOT NULL,
    PRIMARY KEY ({unit}, peer)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS {schema}.{each}ly_ports (
    {unit} INTEGER NOT NULL, port INTEGER NOT NULL,    -- protocol << 16 | port
    bytes_in INTEGER NOT NULL, bytes_out INTEGER NOT NULL, flows INTEGER NOT NULL,
    PRIMARY KEY ({unit}, port)
) STRICT, WITHOUT ROWID;
CREATE VIEW IF NOT EXISTS {schema}.{each}ly_readable AS
SELECT {unit}, 'device' AS kind, nullif(device, '') AS name, bytes_in, bytes_out, flows FROM {each}ly_devices UNION ALL
SELECT {unit}, 'peer', CASE WHEN peer <> x'' THEN {peer} END, bytes_in, bytes_out, flows FROM {each}ly_peers UNION ALL
SELECT {unit}, 'port', CASE WHEN port >= 0 THEN
    CASE port >> 16 {protocols} ELSE CAST(port >> 16 AS TEXT) END || '/' || (port & 65535) END,
    bytes_in, bytes_out, flows FROM {each}ly_ports;
"""

FLOWS = """
CREATE TABLE IF NOT EXISTS {schema}.flows (
    id INTEGER PRIMARY KEY,         -- id >> 12 is the millisecond in which the flow was first seen
    start INTEGER NOT NULL, "end" INTEGER NOT NULL,
    src_ip ANY NOT NULL, src_port INTEGER NOT NULL, dst_ip ANY NOT NULL, dst_port INTEGER NOT NULL,
    protocol INTEGER NOT NULL, packets_out INTEGER NOT NULL, bytes_out INTEGER NOT NULL,
    packets_in INTEGER NOT NULL, bytes_in INTEGER NOT NULL,
    state INTEGER NOT NULL,         -- of names
    origin INTEGER NOT NULL,        -- of origins
    owner INTEGER                   -- of owners; NULL where no device is known
) STRICT;
{words}
{view}
"""

# A number that is 0 or 1 takes no byte in a row, one below 128 takes one: hence no MACs and no names of sources there.
WORDS = """
CREATE TABLE IF NOT EXISTS {schema}.names (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE IF NOT EXISTS {schema}.origins (
    id INTEGER PRIMARY KEY, source TEXT NOT NULL,
    exporter ANY, domain INTEGER, sampling INTEGER, clock_trusted INTEGER    -- NULL where this machine saw the flows
) STRICT;
CREATE TABLE IF NOT EXISTS {schema}.owners (id INTEGER PRIMARY KEY, device TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE IF NOT EXISTS {schema}.late (
    id INTEGER PRIMARY KEY,         -- of a flow that the roll-ups held already when its row was written again
    writing INTEGER NOT NULL,       -- of the roll-ups, totals_writing in core.db's meta
    bytes_out INTEGER NOT NULL, bytes_in INTEGER NOT NULL    -- what they held of it
) STRICT;
"""

VIEW = """
CREATE VIEW IF NOT EXISTS {schema}.flows_readable AS
SELECT f.id, f.start, f."end",
    {src_ip} AS src_ip, f.src_port, {dst_ip} AS dst_ip, f.dst_port,
    CASE f.protocol {protocols} ELSE CAST(f.protocol AS TEXT) END AS protocol,
    f.packets_out, f.bytes_out, f.packets_in, f.bytes_in,
    s.name AS state, o.source, {device} AS device,
    CASE WHEN o.exporter IS NOT NULL THEN {exporter} END AS exporter, o.domain, o.sampling, o.clock_trusted
FROM flows f LEFT JOIN names s ON s.id = f.state LEFT JOIN origins o ON o.id = f.origin
    LEFT JOIN owners w ON w.id = f.owner;
"""

PUT_DEVICE = "INSERT OR REPLACE INTO main.devices ({columns}) VALUES ({marks})"
DELETE_DEVICE = "DELETE FROM main.devices WHERE device = ?"
# The row that is there keeps its id and its first_seen: it may be older than this process's memory.
UPSERT_THREAT = """
INSERT INTO main.threats VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (kind, coalesce(device, ''), coalesce(target, '')) DO UPDATE SET
    severity = excluded.severity, description = excluded.description, recommendation = excluded.recommendation,
    evidence = excluded.evidence, last_seen = excluded.last_seen, count = excluded.count, status = excluded.status
"""
# Sums only grow, except where a clock that was set back begins a bucket a second time.
PUT_ROLLUP = """
INSERT INTO main.rollups VALUES (?, ?, ?, ?, ?) ON CONFLICT (bucket, device) DO UPDATE SET
    bytes_in = max(bytes_in, excluded.bytes_in), bytes_out = max(bytes_out, excluded.bytes_out),
    flows = max(flows, excluded.flows)
"""
# What is counted stays below this: only a liar's flows add up to more.
MOST_BYTES = 2**53 - 1
ADD_TOTAL = f"""
INSERT INTO main.{{table}} VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
    bytes_in = min(bytes_in + excluded.bytes_in, {MOST_BYTES}),
    bytes_out = min(bytes_out + excluded.bytes_out, {MOST_BYTES}),
    flows = min(flows + excluded.flows, {MOST_BYTES})
"""
# What writing ?2 of the roll-ups holds of flow ?1 is noted when its row is about to change; -1: it was not there.
PUT_LATE = """
INSERT INTO {schema}.late
SELECT ?1, ?2, coalesce(max(bytes_out), -1), coalesce(max(bytes_in), -1) FROM {schema}.flows WHERE id = ?1
ON CONFLICT (id) DO UPDATE SET writing = excluded.writing, bytes_out = excluded.bytes_out, bytes_in = excluded.bytes_in
WHERE writing <> excluded.writing
"""
FORGET_LATE = "DELETE FROM {schema}.late WHERE writing <> ?"
PUT_TRAIT = "INSERT OR REPLACE INTO main.traits VALUES (?, ?, ?, ?, ?, ?)"
PUT_SESSION = "INSERT OR REPLACE INTO main.sessions VALUES (?, ?, ?)"
PUT_ALIAS = "INSERT OR REPLACE INTO main.aliases VALUES (?, ?, ?, ?, ?, ?, ?)"
DELETE_TRAIT = "DELETE FROM main.traits WHERE station = ? AND kind = ? AND value = ?"
DELETE_SESSION = "DELETE FROM main.sessions WHERE device = ? AND start = ?"
DELETE_ALIAS = "DELETE FROM main.aliases WHERE mac = ? AND device = ?"
PUT_META = "INSERT OR REPLACE INTO main.meta VALUES (?, ?)"
PUT_FLOW = "INSERT OR REPLACE INTO {schema}.flows VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
PUT_NAME = "INSERT OR IGNORE INTO {schema}.names VALUES (?, ?)"
PUT_ORIGIN = "INSERT OR IGNORE INTO {schema}.origins VALUES (?, ?, ?, ?, ?, ?)"
PUT_OWNER = "INSERT OR IGNORE INTO {schema}.owners VALUES (?, ?)"


def put_flows(schema: str, rows: int) -> str:
    """What puts so many flows at once into the day attached as `schema`."""
    sql = PUT_FLOW.format(schema=schema)
    return sql + ", (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)" * (rows - 1)


def core_statements(schema: str) -> list[str]:
    """What makes core.db's tables, attached as `schema`."""
    columns = "".join(f",\n    {name} {kind}" for name, kind in NEW_DEVICE.items())
    core = _statements(CORE.format(schema=schema, columns=columns))
    return [*core, *totals_statements(schema), *_statements(RECORDS.format(schema=schema))]


def totals_statements(schema: str) -> list[str]:
    """What makes the tables of hours and days."""
    peer, protocols = readable.address_sql("peer"), readable.protocols_sql()
    units = (("hour", "hour"), ("dai", "day"))
    return [
        statement
        for each, unit in units
        for statement in _statements(TOTALS.format(schema=schema, each=each, unit=unit, peer=peer, protocols=protocols))
    ]


def records_and_new_columns(schema: str) -> list[str]:
    """What brings a core.db of schema 2 to schema 3."""
    columns = [f"ALTER TABLE {schema}.devices ADD COLUMN {name} {kind}" for name, kind in NEW_DEVICE.items()]
    return [*columns, *_statements(RECORDS.format(schema=schema))]


def put_device(version: int = CORE_VERSION) -> str:
    """What puts a row into the `devices` of that version."""
    columns = OLD_DEVICE if version < 3 else (*OLD_DEVICE, *NEW_DEVICE)
    return PUT_DEVICE.format(columns=", ".join(columns), marks=", ".join("?" * len(columns)))


def version_of(schema: str) -> int:
    """Today's version of the kind of file that is attached as `schema`."""
    return CORE_VERSION if schema == "main" else DAY_VERSION


def flows_statements(schema: str) -> list[str]:
    """What makes a day's tables, attached as `schema`."""
    return _statements(FLOWS.format(schema=schema, words=WORDS.format(schema=schema), view=_view(schema)))


def words_and_old_view(schema: str) -> list[str]:
    """What makes all of a day's tables but `flows`, for one in which netwatchd 0.1 wrote rows, too."""
    return _statements(WORDS.format(schema=schema) + _view(schema, readable.mac_sql("f.owner")))


def _view(schema: str, otherwise: str | None = None) -> str:
    return VIEW.format(
        schema=schema,
        src_ip=readable.address_sql("f.src_ip"),
        dst_ip=readable.address_sql("f.dst_ip"),
        device=f"coalesce(w.device, {otherwise})" if otherwise else "w.device",
        exporter=readable.address_sql("o.exporter"),
        protocols=readable.protocols_sql(),
    )


def fits(db: sqlite3.Connection, schema: str, version: int) -> bool:
    """Whether what that version of ours writes can be written to the tables of the file attached as `schema`."""
    core = [put_device(version), UPSERT_THREAT, PUT_ROLLUP, PUT_META]
    core += [PUT_TRAIT, PUT_SESSION, PUT_ALIAS] if version > 2 else []
    day = (PUT_FLOW, PUT_NAME) if version < 2 else (PUT_FLOW, PUT_NAME, PUT_ORIGIN, PUT_OWNER)
    try:
        for statement in core if schema == "main" else day:
            db.execute("EXPLAIN " + statement.format(schema=schema), (None,) * statement.count("?")).close()
    except sqlite3.Error as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_ERROR:  # an unknown table or column
            raise
        return False
    return True


def _statements(script: str) -> list[str]:
    # One by one, because executescript() commits whatever transaction is open.
    return [statement for statement in script.split(";\n") if statement.strip()]


def day_of(time_ms: int) -> str:
    """The UTC day of a time, as it stands in a file's name: 20261123."""
    return datetime.fromtimestamp(time_ms // 1000, UTC).strftime("%Y%m%d")


def day_files(directory: Path) -> list[Path]:
    """The flows files in a directory, the oldest first; what only looks like one is none."""
    try:
        with os.scandir(directory) as entries:
            names = [entry.name for entry in entries]
    except FileNotFoundError:
        return []
    found = [(begin, directory / name) for name in names if (begin := begin_of(name)) is not None]
    return [path for _, path in sorted(found)]


def day_file(time_ms: int, parts: Iterable[int]) -> str:
    """The name of the file that holds the flows first seen at a time; parts of days begin at the times `parts`.

    The first file of a day is flows-20261123.db. Where it grows large, flows-20261123-143000.db takes what is first
    seen from 14:30:00 (UTC) on: a flow's id alone says in which file it is, when it is told again, too.
    """
    day = time_ms // DAY_MS * DAY_MS
    begin = max((part for part in parts if day < part <= time_ms), default=day)
    when = datetime.fromtimestamp(begin // 1000, UTC)
    return when.strftime("flows-%Y%m%d.db" if begin == day else "flows-%Y%m%d-%H%M%S.db")


@lru_cache(1000)
def begin_of(name: str) -> int | None:
    """The time from which on flows may be in the file of this name; None where it is no flows file's."""
    match = _FLOWS_FILE.fullmatch(name)
    try:
        when = datetime.strptime((match[1] + match[2][1:].ljust(6, "0")) if match else "", "%Y%m%d%H%M%S")
    except ValueError:
        return None
    return int(when.replace(tzinfo=UTC).timestamp()) * 1000


_FLOWS_FILE = re.compile(r"flows-(\d{8})(|-\d{6})\.db", re.ASCII)


def key_of(device: Device) -> str:
    """What identifies a device: its MAC, or its address."""
    return device.mac or (address_text(device.ips[0]) if device.ips else "")


def device_row(device: Device) -> tuple[Any, ...]:
    """The row of `devices`."""
    ips = [address_text(ip) for ip in device.ips]
    return (
        key_of(device),
        device.mac,
        ips[0] if ips else None,
        json.dumps(ips),
        device.hostname,
        device.vendor,
        device.name,
        device.first_seen,
        device.last_seen,
        device.status,
        int(device.random_mac),
        device.bytes_in,
        device.bytes_out,
        json.dumps(device.sources),
        device.kind,
        device.model,
        json.dumps(device.macs),
        json.dumps(device.evidence),
        device.usual_silence,
    )


def device_of_row(row: tuple[Any, ...]) -> Device:
    """The device of a row of `devices`, also of one of schema 2."""
    values: dict[str, Any] = dict(zip((*OLD_DEVICE, *NEW_DEVICE), row, strict=False))
    for derived in ("device", "ip", "random_mac"):
        del values[derived]
    for name in {"sources", "macs", "evidence"} & set(values):
        values[name] = tuple(json.loads(values[name]))
    ips = tuple(parse_address(ip) for ip in json.loads(values["ips"]))
    return Device(**values | {"ips": ips, "status": Status(values["status"])})


def threat_row(threat: Threat) -> tuple[Any, ...]:
    """The row of `threats`."""
    values = {name: getattr(threat, name) for name in _THREAT_FIELDS}
    # What JSON has no word for is kept as Python writes it.
    return tuple((values | {"evidence": json.dumps(threat.evidence, default=repr)}).values())


def threat_of_row(row: tuple[Any, ...]) -> Threat:
    """The threat of a row of `threats`."""
    values = dict(zip(_THREAT_FIELDS, row, strict=True))
    return Threat(**values | {"evidence": json.loads(values["evidence"]), "status": ThreatStatus(values["status"])})
