"""Ingest's parts between a recorder of what they tell and one of what they keep."""

from collections.abc import Iterable, Sequence
from typing import Any

from running import MAC
from store_kit import NOON, joined

from netwatchd.clock import Now
from netwatchd.counters import Counters
from netwatchd.events import Device, Event, Flow, Record, Session, Sighting, Threat
from netwatchd.ingest import Store
from netwatchd.ingest.devices import Devices
from netwatchd.storage import schema
from netwatchd.storage.records import Erasure, Key, key_of
from netwatchd.storage.rollups import Delta, Rollups

T0 = Now(NOON, 1000.0)


def later(seconds: float) -> Now:
    """So many seconds after T0, by both clocks."""
    return Now(T0.wall + int(seconds * 1000), T0.steady + seconds)


def sighting(mac: str | None = MAC, **fields: Any) -> Sighting:
    """A sighting at T0; the fields are its."""
    return Sighting(mac=mac, **{"time": T0.wall, "source": "json"} | fields)


class Recorder:
    """Both neighbours of ingest: what is published, and the rows as the store would have them."""

    def __init__(self) -> None:
        self.published: list[Any] = []
        self.rows: dict[str, Device | None] = {}
        self.new: set[str] = set()
        self.records: dict[Key, Record] = {}  # by table and primary key
        self.joined: list[tuple[str, str]] = []
        self.erased: list[tuple[str, frozenset[str]]] = []
        self.flows: dict[int, Flow] = {}
        self.threats: dict[int, Threat] = {}
        self.new_threats: list[int] = []
        self.traffic: list[tuple[int, dict[str, list[int]], int]] = []
        self.settled = 0
        self.writes = 0
        self.counters = Counters()
        self.rollups = Rollups()
        self.written: list[Delta] = []

    @property
    def statuses(self) -> list[str]:
        """The status of each device, as it was told."""
        return [str(each.status) for each in self.published if isinstance(each, Device)]

    def __call__(self, events: Sequence[Event]) -> None:
        """Is the broadcast."""
        self.published += events

    def upsert_device(self, device: Device, *, new: bool = False) -> None:
        self.rows[schema.key_of(device)] = device
        if new:
            self.new.add(schema.key_of(device))

    def join_device(self, loser: str, winner: str) -> None:
        self.joined.append((loser, winner))
        self.rows[loser] = None
        sessions = [each for each in self.records.values() if isinstance(each, Session)]
        for session in [each for each in sessions if each.device in (loser, winner)]:
            self.drop(session)
        for session in joined(sessions, loser, winner):
            self.keep(session)

    def erase_device(self, key: str, stations: Iterable[str]) -> None:
        erasure = Erasure(key, frozenset((key, *stations)))
        self.erased.append((key, erasure.stations))
        self.rows[key] = None
        for name in [each for each in self.records if erasure.covers(each)]:
            del self.records[name]

    def keep(self, record: Record) -> None:
        self.records[key_of(record)] = record

    def drop(self, record: Record) -> None:
        self.records.pop(key_of(record), None)

    def add_flows(self, flows: Sequence[Flow]) -> None:
        self.flows |= {flow.id: flow for flow in flows}
        self.writes += len(flows)

    def add_threat(self, threat: Threat) -> None:
        self.new_threats.append(threat.id)
        self.upsert_threat(threat)

    def upsert_threat(self, threat: Threat, *, soon: bool = False) -> None:
        self.threats[threat.id] = threat

    def add_traffic(self, now: int, traffic: dict[str, list[int]], last_id: int) -> None:
        self.traffic.append((now, traffic, last_id))

    def settle(self, devices: Sequence[Device], flows: Sequence[Flow], last_id: int, *, rollups: bool = False) -> None:
        for device in devices:
            self.upsert_device(device)
        self.add_flows(flows)
        self.settled = last_id
        if rollups and (delta := self.rollups.take(last_id)):
            self.written.append(delta)

    def wait_for_room(self, timeout: float) -> bool:
        return True


def devices_of(recorder: Recorder, offline_after: float = 900, store: Store | None = None) -> Devices:
    """Devices that tell the recorder."""
    return Devices(recorder, store or recorder, recorder.counters, offline_after)
