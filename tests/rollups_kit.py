"""A home whose flow worker and store work without threads, and may die between any two words to the database."""

import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ingest_kit import T0, later, sighting
from running import MAC, OTHER_MAC

from netwatchd.addresses import address_text
from netwatchd.counters import Counters
from netwatchd.events import Device, Flow, Record, protocol_name
from netwatchd.ingest.devices import Devices
from netwatchd.ingest.flows import Flows
from netwatchd.storage import hourly, queries, search
from netwatchd.storage.batch import Batch
from netwatchd.storage.connection import Connection
from netwatchd.storage.rollups import Rollups
from netwatchd.storage.top import top
from netwatchd.storage.writer import Writer

LAPTOP, PHONE, SERVER = 0xC0A80105, 0xC0A80106, 0x5DB8D822
Sums = dict[str | None, tuple[int, int, int]]


class Crash(Exception):
    """The process is killed."""


class Dying:
    """A connection that is killed at the call of this number."""

    def __init__(self, db: sqlite3.Connection, calls: int) -> None:
        self._db = db
        self._calls = calls

    def _live(self) -> sqlite3.Connection:
        self._calls -= 1
        if self._calls < 0:
            raise Crash
        return self._db

    def execute(self, *words: Any) -> Any:
        return self._live().execute(*words)

    def executemany(self, *words: Any) -> Any:
        return self._live().executemany(*words)


class Home:
    """A laptop and a phone, and the store that keeps their flows; a new one on the same files is the next start."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.rollups = Rollups()
        self.batch = Batch()
        self.connection = Connection(directory, 0.5, lambda seconds: True, self._begin)
        self.writer = Writer(self.connection, Counters())
        with self.connection.lock:
            self.connection.ensure_connection()
        self.devices = Devices(lambda events: None, self, Counters(), 900)
        self.devices.see([sighting(ips=(LAPTOP,)), sighting(OTHER_MAC, ips=(PHONE,))], T0)
        self.commit()
        with self.connection.lock:
            self.rollups.mark = self.writer.add_unwritten(self.connection.ensure_connection())
        self.flows = Flows(self.devices, lambda events: None, self)
        self.flows.remember(queries.live_flows(directory), queries.newest_flow(directory) or 0)

    def _begin(self, db: sqlite3.Connection) -> None:
        hourly.begin(db, lambda: queries.newest_flow(self.directory) or 0)

    # What ingest asks of the store.

    def upsert_device(self, device: Device, *, new: bool = False) -> None:
        self.batch.put_device(device)

    def forget_device(self, key: str) -> None:
        self.batch.forget_device(key)

    def join_device(self, loser: str, winner: str) -> None:
        self.batch.join_device(loser, winner)

    def erase_device(self, key: str, stations: Iterable[str]) -> None:
        self.batch.erase_device(key, stations)

    def keep(self, record: Record) -> None:
        self.batch.keep(record)

    def drop(self, record: Record) -> None:
        self.batch.drop(record)

    def add_flows(self, flows: Sequence[Flow]) -> None:
        self.batch.put_flows(flows)

    def add_threat(self, threat: Any) -> None:
        raise NotImplementedError

    upsert_threat = add_threat

    def add_traffic(self, now: int, traffic: dict[str, list[int]], last_id: int) -> None:
        """Buckets of ten minutes are not what this is about."""

    def settle(self, devices: Sequence[Device], flows: Sequence[Flow], last_id: int, *, rollups: bool = False) -> None:
        for device in devices:
            self.upsert_device(device)
        self.add_flows(flows)
        if rollups and (delta := self.rollups.take(last_id)):
            self.batch.put_total(delta)

    def wait_for_room(self, timeout: float) -> bool:
        return True

    # What a test does to it.

    def see(self, *flows: Flow, seconds: float = 0) -> None:
        self.flows.see(flows, later(seconds))

    def commit(self, calls: int = 10**9) -> None:
        """Writes what is pending; it is killed at that call, and raises Crash."""
        with self.connection.lock:
            db: Any = Dying(self.connection.ensure_connection(), calls)
            self.writer.write(self.batch, db)
        self.batch = Batch()

    def write(self, calls: int = 10**9) -> None:
        """Writes the roll-ups, too."""
        self.flows.settle(ending=True)
        self.commit(calls)

    def end(self) -> None:
        with self.connection.lock:
            self.connection.close()


def told(directory: Path, by: str, since: int = 0) -> Sums:
    """What `top` answers."""
    rows = top(directory, by, since, None).rows
    return {row[by]: (row["bytes_in"], row["bytes_out"], row["flows"]) for row in rows if row["flows"]}


def true(directory: Path, by: str) -> Sums:
    """What the rows of flows add up to."""
    sums: Sums = {}
    for flow in list(search.Search(directory)):
        opened = flow.device is None or flow.src_ip in (LAPTOP, PHONE)
        counts = (flow.bytes_in, flow.bytes_out) if opened else (flow.bytes_out, flow.bytes_in)
        key = {
            "device": flow.device,
            "destination": address_text(flow.dst_ip if opened else flow.src_ip),
            "port": f"{protocol_name(flow.protocol)}/{flow.dst_port}",
        }[by]
        old = sums.get(key, (0, 0, 0))
        sums[key] = (old[0] + counts[0], old[1] + counts[1], old[2] + 1)
    return sums


def agrees(directory: Path) -> bool:
    """Whether what `top` answers is what the rows add up to, by everything."""
    return all(told(directory, by) == true(directory, by) for by in ("device", "destination", "port"))


__all__ = ["LAPTOP", "MAC", "OTHER_MAC", "PHONE", "SERVER", "Crash", "Home", "agrees", "told", "true"]
