"""What is read: by the command line, which opens the files read-only, and once by the daemon, at its start."""

import sqlite3
from bisect import bisect_right
from collections.abc import Callable, Collection, Iterator
from contextlib import closing
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from netwatchd.addresses import PRIVATE, Address, Networks
from netwatchd.events import LIVE, Alias, Device, Flow, Record, Session, Threat, Trait
from netwatchd.storage import rows, schema, words
from netwatchd.storage.rollups import BUCKET_MS, Traffic, bucket_of

# Start, end, addresses and ports, protocol, counters.
Told = tuple[int, int, str, int, str, int, str, int, int, int, int]
_TOLD = 'start, "end", src_ip, src_port, dst_ip, dst_port, protocol, packets_out, bytes_out, packets_in, bytes_in'
FOLLOWED = "followed."  # what begins the keys of places in logs, in meta
# Bytes of a file that are read in place: a sixth less time for a device's flows of ten million. The files of flows are
# only ever appended to and unlinked, so that what is mapped stays; the daemon itself reads without (`map_file`).
MAPPED = 2**30
READ_TIMEOUT = 5.0  # seconds; readers of a WAL wait for nobody except around recovery
# Whether who asks has given up: what is being read then is interrupted, by an OperationalError. It is set where the
# daemon itself reads for somebody.
given_up: ContextVar[Callable[[], bool] | None] = ContextVar("given_up", default=None)
_STEPS = 100_000  # of SQLite's machine between two looks at that: some milliseconds


# total() never overflows, as sum() does on what a liar reports, and is exact up to 2**53.
_SUMS = "CAST(total(bytes_in) AS INTEGER), CAST(total(bytes_out) AS INTEGER), count(*)"


class NoDatabase(Exception):
    """There is nothing to read, in a sentence that says why."""


@dataclass(frozen=True)
class Stored:
    """What core.db remembers of earlier runs."""

    devices: list[Device]
    threats: list[Threat]
    settled: int  # the totals of the devices hold the traffic of all flows up to this event id
    traits: list[Trait]
    aliases: list[Alias]  # the oldest first
    sessions: list[Session]  # of each device those that have not ended, and the newest one; the oldest first

    @property
    def kept(self) -> list[Record]:
        """What is stored beside the devices."""
        return [*self.traits, *self.aliases, *self.sessions]


def stored(db: sqlite3.Connection) -> Stored:
    """What the core.db of an open connection holds."""
    threats = [schema.threat_of_row(row) for row in db.execute("SELECT * FROM main.threats ORDER BY id")]
    settled = db.execute("SELECT value FROM main.meta WHERE key = 'settled'").fetchone()
    kept = (_traits(db), _aliases(db), _newest_sessions(db)) if has_records(db) else ([], [], [])
    return Stored(devices(db), threats, int(settled[0]) if settled else 0, *kept)


def devices(db: sqlite3.Connection) -> list[Device]:
    """The devices of the core.db of an open connection."""
    return [schema.device_of_row(row) for row in db.execute("SELECT * FROM main.devices")]


def has_records(db: sqlite3.Connection) -> bool:
    """Whether a core.db has traits, sessions and aliases; one that only netwatchd 0.2 has written to has none."""
    return bool(db.execute("PRAGMA main.user_version").fetchone()[0] >= 3)


def sessions(directory: Path, device: str, since: int) -> list[Session]:
    """The sessions of a device (its key) that had not ended by `since` (Unix ms), newest first; raises NoDatabase."""
    query = """SELECT * FROM main.sessions WHERE device = ? AND ("end" IS NULL OR "end" >= ?) ORDER BY start DESC"""
    with closing(open_read_only(directory / "core.db")) as db:
        return [Session(*row) for row in db.execute(query, (device, since))] if has_records(db) else []


def traits(directory: Path, stations: Collection[str]) -> list[Trait]:
    """The traits of stations (MACs and addresses), by station, kind and value; raises NoDatabase."""
    with closing(open_read_only(directory / "core.db")) as db:
        return _traits(db, stations) if has_records(db) else []


def aliases(directory: Path) -> list[Alias]:
    """All MACs that were merged into a device, the oldest first, also those told apart again; raises NoDatabase."""
    with closing(open_read_only(directory / "core.db")) as db:
        return _aliases(db) if has_records(db) else []


@dataclass(frozen=True)
class Peer:
    """Whom a device exchanged traffic with, as the device sees it."""

    address: Address
    bytes_in: int
    bytes_out: int
    flows: int
    last_seen: int  # Unix ms, the end of the last flow
    protocol: int  # of most flows: IANA's number, and the port of the side that answered
    port: int


# A router's own flows may be ten million a day: so many of a device, the newest, take two seconds.
MOST_LOOKED_AT = 500_000
# Of a day so many pairs of peer and port are looked at, those that moved most: a scan makes a new one with each packet.
MOST_PEERS = 10_000
_PEERS = f"""
SELECT CASE WHEN opened THEN dst_ip ELSE src_ip END AS peer, protocol << 16 | dst_port AS service,
    CAST(total(CASE WHEN opened THEN bytes_in ELSE bytes_out END) AS INTEGER),
    CAST(total(CASE WHEN opened THEN bytes_out ELSE bytes_in END) AS INTEGER), count(*), max("end"),
    sum(count(*)) OVER ()
FROM (SELECT *, src_ip IN own OR dst_ip NOT IN own AND (is_private(src_ip) OR NOT is_private(dst_ip)) AS opened
      FROM flows WHERE id >= ? AND id < ? AND {{owner}} IN ({{numbers}}) ORDER BY id DESC LIMIT ?)
GROUP BY peer, service ORDER BY total(bytes_in) + total(bytes_out) DESC LIMIT {MOST_PEERS}
"""
_MOST = """
WITH sums AS (
    SELECT peer, service, total(bytes_in) AS bytes_in, total(bytes_out) AS bytes_out, sum(flows) AS flows,
        max(last_seen) AS last_seen
    FROM found GROUP BY peer, service
), placed AS (SELECT *, row_number() OVER (PARTITION BY peer ORDER BY flows DESC, service) AS place FROM sums)
SELECT peer, CAST(total(bytes_in) AS INTEGER), CAST(total(bytes_out) AS INTEGER), sum(flows), max(last_seen),
    max(CASE WHEN place = 1 THEN service END)
FROM placed GROUP BY peer ORDER BY total(bytes_in) + total(bytes_out) DESC, sum(flows) DESC, peer LIMIT ?
"""


_MOST_PORTS = """
SELECT service, CAST(total(bytes_in) AS INTEGER), CAST(total(bytes_out) AS INTEGER), sum(flows)
FROM found GROUP BY service ORDER BY total(bytes_in) + total(bytes_out) DESC, sum(flows) DESC, service LIMIT ?
"""


def peers(
    directory: Path, device: str, since: int, limit: int, most: int = MOST_LOOKED_AT, until: int = 2**50
) -> list[Peer]:
    """Whom a device (its key) exchanged most bytes with, by its flows first seen from `since` to `until` (Unix ms).

    The flows of MACs that were merged into it are its own, too. Only the newest `most` are looked at, and what was
    removed is not known. Which side of a flow the device is, is told by its addresses of today; where it has neither,
    the side in a private network is its own. Raises NoDatabase.
    """
    first = _exchanged(directory, device, (since, until), most, _MOST, limit)
    return [Peer(ip, into, out, n, last, used >> 16, used & 65535) for ip, into, out, n, last, used in first]


def ports(directory: Path, device: str, since: int, limit: int, until: int = 2**50) -> list[tuple[int, int, int, int]]:
    """By which ports (protocol << 16 | port of who answered) it did so: bytes in, bytes out and flows of each."""
    return _exchanged(directory, device, (since, until), MOST_LOOKED_AT, _MOST_PORTS, limit)


def _exchanged(
    directory: Path, device: str, between: tuple[int, int], most: int, query: str, limit: int
) -> list[tuple[Any, ...]]:
    keys, own = _known_as(directory, device)
    private, left = Networks(PRIVATE.split()), most
    with closing(sqlite3.connect("")) as found:  # in a file of its own as soon as it is more than a little
        found.execute("CREATE TABLE found (peer, service, bytes_in, bytes_out, flows, last_seen)")
        for db in days(directory, *between):
            known = words.read(db)
            if not (numbers := [number for key in sorted(keys) for number in known.owned_by(key)]):
                continue
            map_file(db)
            db.execute("CREATE TEMP TABLE own (ip ANY PRIMARY KEY) WITHOUT ROWID")
            db.executemany("INSERT OR IGNORE INTO own VALUES (?)", [(ip,) for ip in own])
            db.create_function("is_private", 1, private.__contains__, deterministic=True)
            sql = _PEERS.format(owner=known.column, numbers=marks(numbers))
            sums = db.execute(sql, [*(time << 12 for time in between), *numbers, left]).fetchall()
            found.executemany("INSERT INTO found VALUES (?, ?, ?, ?, ?, ?)", [row[:6] for row in sums])
            left -= sums[0][6] if sums else 0
            if left <= 0:
                break
        return found.execute(query, (limit,)).fetchall()


def _known_as(directory: Path, device: str) -> tuple[set[str], set[Address]]:
    """All keys that a device has had, and its addresses."""
    with closing(open_read_only(directory / "core.db")) as db:
        mine = [each for each in devices(db) if schema.key_of(each) == device]
        merged = [each for each in _aliases(db) if each.device == device] if has_records(db) else []
    merged = [alias for alias in merged if alias.undone is None]
    keys = {device, *(alias.mac for alias in merged), *(mac for each in mine for mac in each.macs)}
    known = [*mine, *(alias.before for alias in merged if alias.before)]
    return keys, {ip for each in known for ip in each.ips}


def _traits(db: sqlite3.Connection, stations: Collection[str] | None = None) -> list[Trait]:
    if stations is None:
        return [rows.trait_of_row(row) for row in db.execute("SELECT * FROM main.traits")]
    # One by one, because they may be more than the parameters of one statement.
    found = (db.execute("SELECT * FROM main.traits WHERE station = ?", (each,)) for each in sorted(set(stations)))
    return [rows.trait_of_row(row) for one in found for row in one]


def _aliases(db: sqlite3.Connection) -> list[Alias]:
    return [rows.alias_of_row(row) for row in db.execute("SELECT * FROM main.aliases ORDER BY time, mac, device")]


def _newest_sessions(db: sqlite3.Connection) -> list[Session]:
    query = """SELECT device, start, "end" FROM (
                   SELECT *, start = max(start) OVER (PARTITION BY device) AS newest FROM main.sessions)
               WHERE newest OR "end" IS NULL ORDER BY start, device"""
    return [Session(*row) for row in db.execute(query)]


def read_core(directory: Path) -> Stored:
    """The same, of the core.db in a directory; raises NoDatabase."""
    with closing(open_read_only(directory / "core.db")) as db:
        return stored(db)


def open_read_only(path: Path) -> sqlite3.Connection:
    """A connection that cannot write; raises NoDatabase."""
    if not path.exists():
        raise NoDatabase(f"there is no database {path}; has netwatchd run yet, and with this configuration?")
    try:
        return _open(f"{path.resolve().as_uri()}?mode=ro")
    except sqlite3.OperationalError as error:
        # A reader needs the -shm; where it may not make one and nobody writes (no -wal), the file itself is whole.
        if not path.with_name(path.name + "-wal").exists():
            return _open(f"{path.resolve().as_uri()}?immutable=1")
        raise NoDatabase(f"cannot read {path}: {error} (try as root, or in the group netwatchd)") from error
    except sqlite3.DatabaseError as error:
        raise NoDatabase(f"cannot read {path}: {error}") from error


def _open(uri: str) -> sqlite3.Connection:
    db = sqlite3.connect(uri, uri=True, timeout=READ_TIMEOUT)
    if has_given_up := given_up.get():
        db.set_progress_handler(has_given_up, _STEPS)
    try:
        db.execute("SELECT 1 FROM sqlite_schema").fetchone()
    except sqlite3.Error:
        db.close()
        raise
    return db


def map_file(db: sqlite3.Connection) -> None:
    """Has the file of a connection be read in place, where that is no danger.

    A page that cannot be read ends the process then, by SIGBUS: the daemon must not be ended by a bad card.
    """
    if given_up.get() is None:
        db.execute(f"PRAGMA mmap_size = {MAPPED}")


def soundness(directory: Path) -> str:
    """What SQLite finds wrong with core.db, or `ok`; raises NoDatabase."""
    with closing(open_read_only(directory / "core.db")) as db:
        return str(db.execute("PRAGMA main.quick_check(1)").fetchone()[0])


def note(directory: Path, key: str) -> str | None:
    """What `put_note` kept under a key; raises NoDatabase."""
    with closing(open_read_only(directory / "core.db")) as db:
        return note_in(db, key)


def note_in(db: sqlite3.Connection, key: str) -> str | None:
    """The same, of the core.db of an open connection."""
    found = db.execute("SELECT value FROM main.meta WHERE key = ?", (key,)).fetchone()
    return str(found[0]) if found else None


def told_since(directory: Path, source: str, event_id: int) -> tuple[list[Told], bool]:
    """What is stored of a source's flows with greater ids than this one, and whether it all lies in one file."""
    query = f"SELECT {_TOLD} FROM flows_readable WHERE id > ? AND source = ?"
    found = [db.execute(query, (event_id, source)).fetchall() for db in days(directory, event_id >> 12)]
    return [row for rows in found for row in rows], sum(map(bool, found)) < 2


def live_flows(directory: Path) -> list[Flow]:
    """The flows that were still going on when they were last stored, of the newest day and the one before."""
    found: list[Flow] = []
    files = schema.day_files(directory)
    newest = (schema.begin_of(files[-1].name) or 0) if files else 0
    for db in days(directory, newest // schema.DAY_MS * schema.DAY_MS - schema.DAY_MS):
        known = words.read(db)
        live = [number for number, name in known.states.items() if name in LIVE]
        if not live:
            continue  # most days of exporters: a look at every row would take seconds
        rows = db.execute(f"SELECT * FROM flows WHERE state IN ({marks(live)})", live)
        found += [known.flow(row) for row in rows]
    return found


def newest_flow(directory: Path, before: int = 2**62) -> int | None:
    """The id of the newest flow that is stored, of those below the event id `before`."""
    for db in days(directory, 0):
        newest: int | None = db.execute("SELECT max(id) FROM flows WHERE id < ?", (before,)).fetchone()[0]
        if newest is not None:
            return newest
    return None


def holds_anything(directory: Path) -> bool:
    """Whether any device, threat or flow is stored."""
    core = read_core(directory)
    return bool(core.devices or core.threats or newest_flow(directory))


def newest_of_minutes(directory: Path, day: int) -> dict[int, int]:
    """The newest event id in each minute (0 to 1439) of the UTC day that began at `day` (Unix ms)."""
    found: dict[int, int] = {}
    for db in days(directory, day, day + schema.DAY_MS - 1):
        for minute in range(1440):
            first = day + minute * 60_000
            newest = db.execute(
                "SELECT max(id) FROM flows WHERE id >= ? AND id < ?", (first << 12, first + 60_000 << 12)
            ).fetchone()[0]
            if newest is not None:
                found[minute] = max(newest, found.get(minute, 0))
    return found


def traffic(directory: Path, after: int, devices: list[Device], until: int | None = None) -> Traffic:
    """The traffic by device of the flows first seen after the event id `after`, and up to `until`."""
    owned: list[tuple[Address]] = [(ip,) for device in devices for ip in device.ips]
    sums: Traffic = {}
    for db in days(directory, after >> 12):
        db.execute("CREATE TEMP TABLE own (ip ANY)")
        db.executemany("INSERT INTO own VALUES (?)", owned)
        known = words.read(db)
        rows = db.execute(
            f"""SELECT {known.column}, {known.column} IS NULL OR src_ip IN own AS opened, {_SUMS} FROM flows
               WHERE id > ? AND id <= ? GROUP BY 1, 2""",
            (after, until or 2**62),
        )
        for owner, opened, bytes_in, bytes_out, n in rows:
            counts = sums.setdefault(known.owners[owner] or "", [0, 0, 0])
            # What comes in for the side that opened a flow goes out for the other one; where none is known, as there.
            counts[0] += bytes_in if opened else bytes_out
            counts[1] += bytes_out if opened else bytes_in
            counts[2] += n
    return sums


def unwritten_rollups(directory: Path) -> list[tuple[int, Traffic, int]]:
    """The ten-minute buckets that an earlier run was still filling, with their newest flow's id; the oldest first."""
    newest = newest_flow(directory)
    with closing(open_read_only(directory / "core.db")) as db:
        rolled = db.execute("SELECT value FROM meta WHERE key = 'rolled'").fetchone()
        known = devices(db)
    after = int(rolled[0]) if rolled else 0
    if newest is None:
        return []
    last = bucket_of(newest >> 12)
    # A bucket is written when the next one that has traffic begins, so that a crash leaves at most two unwritten.
    earlier = newest_flow(directory, last << 12)
    found = []
    for bucket in (last,) if earlier is None else (bucket_of(earlier >> 12), last):
        end = (bucket + BUCKET_MS << 12) - 1
        if end > after:
            sums = traffic(directory, max(after, (bucket << 12) - 1), known, end)
            for _, device, *counts in rollups(directory, bucket, bucket):
                sums[device] = [a + b for a, b in zip(sums.get(device, [0, 0, 0]), counts, strict=True)]
            found.append((bucket, sums, min(end, newest)))
    return found


def rollups(directory: Path, since: int, until: int = 2**62) -> list[tuple[int, str, int, int, int]]:
    """The ten-minute roll-ups from the bucket of `since` to that of `until` (Unix ms).

    Rows are (bucket, device, bytes in, bytes out, flows).
    """
    with closing(open_read_only(directory / "core.db")) as db:
        rows = db.execute("SELECT * FROM rollups WHERE bucket BETWEEN ? AND ?", (bucket_of(since), until))
        return list(rows)


def marks(values: Collection[object]) -> str:
    """So many marks for the values of a statement."""
    return ", ".join("?" * len(values))


def days(directory: Path, since: int, until: int = 2**62) -> Iterator[sqlite3.Connection]:
    """Connections to the files with flows of a time (Unix ms), the newest first; each is closed before the next.

    Columns of `flows` are those of the file's version (`words.read`).
    """
    paths = schema.day_files(directory)
    begins = [schema.begin_of(path.name) or 0 for path in paths]
    for path in paths[max(bisect_right(begins, since) - 1, 0) : bisect_right(begins, until)][::-1]:
        try:
            opened = open_read_only(path)
        except (NoDatabase, sqlite3.OperationalError):
            if path.exists():
                raise
            continue  # retention has removed it since it was listed
        with closing(opened) as db:
            # A day that was begun a moment ago, or whose beginning was cut short, has no tables yet.
            if db.execute("PRAGMA user_version").fetchone()[0]:
                yield db
