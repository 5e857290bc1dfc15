"""What sessions and traits take on disk, and what one of them costs the card."""

import random
import sqlite3
import tempfile
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from bench.figures import show
from netwatchd.counters import Counters
from netwatchd.events import CLUES, Clue, Device, Record, Session, Status, Trait
from netwatchd.storage.batch import Batch
from netwatchd.storage.connection import Connection
from netwatchd.storage.writer import Writer

DEVICES = [f"a4:83:e7:00:00:{number:02x}" for number in range(250)]
TRAITS, SESSIONS = 20, 60
AT_ONCE = 20  # records of a commit
HOUR, DAY = 3_600_000, 86_400_000
BEGUN = 1_795_435_200_000
VALUES = ["Galaxy", "iPhone", "Living-Room", "_ipp._tcp", "_googlecast._tcp", "1,3,6,15,26,28,51,58,59,43", "dhcp-13"]


def records() -> None:
    """Two months of a home: its devices come and go in the order of time, and have shown all that they show."""
    with tempfile.TemporaryDirectory() as made:
        connection = Connection(Path(made), 5.0, lambda seconds: False)
        writer = Writer(connection, Counters())
        chance = random.Random(1)  # noqa: S311 - the same records each time
        with connection.lock:
            for kept in (_traits(chance), _sessions(chance)):
                for at in range(0, len(kept), AT_ONCE):
                    _commit(connection, writer, kept[at : at + AT_ONCE])
            pages = [_pages(connection, writer, number) for number in range(len(DEVICES))]
            connection.close()
        with closing(sqlite3.connect(Path(made) / "core.db")) as db:
            for table in ("traits", "sessions"):
                query = "SELECT sum(pgsize), sum(ncell) FROM dbstat WHERE name = ?"
                size, rows = db.execute(query, (table,)).fetchone()
                show(f"{table}: bytes each, of {rows:,}", f"{size / rows:.1f}")
        show("pages of 4 KB for a device that comes or goes", f"{sum(pages) / len(pages):.1f}")


def _traits(chance: random.Random) -> list[Record]:
    kinds = list(CLUES)[:TRAITS]
    found: list[Record] = [
        Trait(device, Clue(kind, " ".join(chance.choices(VALUES, k=2))), "mdns", BEGUN, BEGUN + chance.randrange(DAY))
        for device in DEVICES
        for kind in kinds
    ]
    chance.shuffle(found)
    return found


def _sessions(chance: random.Random) -> list[Record]:
    told: list[tuple[int, Record]] = []
    for device in DEVICES:
        now = BEGUN
        for _ in range(SESSIONS):
            start = now + chance.randrange(16 * HOUR)
            now = start + chance.randrange(16 * HOUR)
            told += [(start, Session(device, start)), (now, Session(device, start, now))]
    return [record for _, record in sorted(told, key=lambda each: each[0])]


def _commit(connection: Connection, writer: Writer, kept: Iterable[Record], *devices: Device) -> None:
    batch = Batch()
    for record in kept:
        batch.keep(record)
    for device in devices:
        batch.put_device(device)
    writer.write(batch, connection.ensure_connection())


def _pages(connection: Connection, writer: Writer, number: int) -> int:
    """How many pages a commit writes into the -wal when a device comes: its session, and its status."""
    db = connection.ensure_connection()
    db.execute("PRAGMA main.wal_checkpoint(FULL)")
    now = BEGUN + 90 * DAY
    seen = Device(DEVICES[number], (number,), "phone", None, None, 0, now, Status.ONLINE, 0, 0, ("bench",))
    _commit(connection, writer, [Session(DEVICES[number], now)], seen)
    return int(db.execute("PRAGMA main.wal_checkpoint(FULL)").fetchone()[1])
