"""A store with its writer thread, on real files, and events to put into it."""

import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from running import MAC
from waiting import PATIENCE

from netwatchd.config import Storage as Settings
from netwatchd.counters import Counters
from netwatchd.events import Device, Flow, Session, Status, Threat, ThreatStatus
from netwatchd.storage import search
from netwatchd.storage.storage import Storage
from netwatchd.worker import Worker

NOON = 1_795_435_200_000  # 2026-11-23 12:00 UTC
DAY = 86_400_000
FILE = "flows-20261123.db"


def device(mac: str = MAC, **fields: Any) -> Device:
    """A device; the fields are its."""
    values: dict[str, Any] = {
        "ips": (0xC0A80105,), "hostname": "laptop", "vendor": None, "name": None, "first_seen": NOON,
        "last_seen": NOON, "status": Status.ONLINE, "bytes_in": 0, "bytes_out": 0, "sources": ("json",),
    }  # fmt: skip
    return Device(mac=mac, **values | fields)


def flow(number: int, time: int = NOON, **fields: Any) -> Flow:
    """The flow with the given number within its millisecond."""
    made = Flow(
        (time << 12) + number, time, time + 5, 0xC0A80105, 40000, 0x5DB8D822, 443, 6, 3, 300, 4, 4000, "closed",
        "json", None, MAC,
    )  # fmt: skip
    return made._replace(**fields)


def threat(number: int = 1, **fields: Any) -> Threat:
    """A threat; the fields are its."""
    values: dict[str, Any] = {
        "kind": "port_scan", "severity": "high", "device": MAC, "target": None, "description": "it scanned",
        "recommendation": None, "evidence": {"ports": 100}, "first_seen": NOON, "last_seen": NOON, "count": 1,
        "status": ThreatStatus.OPEN,
    }  # fmt: skip
    return Threat(number, **values | fields)


def joined(sessions: Iterable[Session], loser: str, winner: str) -> list[Session]:
    """The sessions of two devices as those of one; of those that overlap one is made."""
    made: list[Session] = []
    for each in sorted((each for each in sessions if each.device in (loser, winner)), key=lambda each: each.start):
        last = made[-1] if made else None
        if last and (last.end is None or last.end > each.start or last.start == each.start):
            ends = (last.end, each.end)
            made[-1] = Session(winner, last.start, None if None in ends else max(end for end in ends if end))
        else:
            made.append(Session(winner, each.start, each.end))
    return made


def flows_of(directory: Path, device: str) -> list[Flow]:
    """The flows that were put down to a device (its key), the newest first."""
    wanted = search.Wanted(terms=(search.Either(devices=frozenset((device,))),))
    return list(search.Search(directory, wanted))


def settings(**changes: Any) -> Settings:
    """Such as make a store wait for nothing but what a test is about."""
    return Settings(**{"commit_interval": 0.05, "busy_timeout": 0.05} | changes)


class Kept(Storage):
    """A store that tells its tests which files it began with."""

    files: int
    worker: Worker
    deaths: list[Worker]


@contextmanager
def storing(
    directory: Path, on_new_file: Callable[[sqlite3.Connection], None] = lambda db: None, **changes: Any
) -> Iterator[Kept]:
    """A store at work; at the end it commits or spools what waits, and its thread must not have died."""
    deaths: list[Worker] = []
    store = Kept(settings(**changes), directory, [directory / "spool"], Counters(), on_new_file)
    (directory / "spool").mkdir(exist_ok=True)
    store.deaths = deaths
    store.open()
    store.worker = Worker("storage", store.run, deaths.append)
    store.worker.start()
    try:
        yield store
    finally:
        store.worker.ask_to_stop()
        store.wake()
        assert store.worker.stop(PATIENCE)
        assert not deaths, deaths[0].failure


class Held:
    """Something that blocks until it is let go."""

    def __init__(self) -> None:
        self.entered, self.free = threading.Event(), threading.Event()

    def __call__(self, *_: object) -> None:
        self.entered.set()
        assert self.free.wait(PATIENCE)
