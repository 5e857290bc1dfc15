"""What a flow takes on disk, how fast rows are put in, and how fast questions are answered while that goes on.

Ten million flows of thirty days, and ten million of one day: a thirtieth is made as an exporter tells of flows and put
in as the daemon does (200 devices, a quarter of the flows IPv6, peers and ports as uneven as in life), and is copied
within SQLite. Questions are asked by another process, as the command line does.
"""

import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from bench.figures import show
from netwatchd import config
from netwatchd.addresses import Address
from netwatchd.counters import Counters
from netwatchd.events import Device, Flow, FlowBatch, Origin, Status
from netwatchd.storage import hourly
from netwatchd.storage.batch import Batch
from netwatchd.storage.connection import Connection
from netwatchd.storage.rollups import Rollups
from netwatchd.storage.storage import Storage
from netwatchd.storage.top import KINDS
from netwatchd.storage.writer import Writer
from netwatchd.worker import Worker

FLOWS, DAYS = 10_000_000, 30
DAY_MS = 86_400_000
SAMPLE = 100_000  # different flows; the others repeat them with new ids and times
BATCH = 10_000
DEVICES = [f"a4:83:e7:00:00:{number:02x}" for number in range(200)]
ORIGIN = Origin(0xC0A80101, 0, 1)
MOST = 2**50  # bytes: nothing is to be removed
ASK = """
import json, sys, time
from pathlib import Path
from netwatchd.storage import queries
from netwatchd.storage.search import Either, Search, Wanted
from netwatchd.storage.top import top
directory, since, device = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
questions = {
    "top": lambda by: top(directory, by, since, 10),
    "flows": lambda limit: list(
        Search(directory, Wanted(since, terms=(Either(devices=frozenset((device,))),)), int(limit) or None)
    ),
    "peers": lambda limit: queries.peers(directory, device, since, int(limit)),
}
times = []
for _ in range(5):
    wall, cpu = time.perf_counter(), time.process_time()
    found = questions[sys.argv[4]](sys.argv[5])
    times.append((time.perf_counter() - wall, time.process_time() - cpu))
print(json.dumps([sorted(column)[2] for column in zip(*times)]))
"""


def storage() -> None:
    """Thirty days, and one day, of ten million flows each; questions to both, also while flows come in."""
    today = int(time.time() * 1000) // DAY_MS * DAY_MS
    first = today - DAYS * DAY_MS
    with tempfile.TemporaryDirectory() as made:
        directory, begun = Path(made), time.perf_counter()
        cpu = _fill(directory, first, first + DAY_MS, FLOWS // DAYS)
        show("flows put in, with their roll-ups, a second of CPU", f"{FLOWS / DAYS / cpu:,.0f}")
        _repeat_days(directory, first)
        show(f"{FLOWS:,} flows of {DAYS} days were made in", f"{time.perf_counter() - begun:.0f} s")
        flows = sum(path.stat().st_size for path in directory.glob("flows-*.db"))
        show("bytes a flow on disk", f"{(flows + (directory / 'core.db').stat().st_size) / FLOWS:.1f}")
        show("  of these, roll-ups", f"{(directory / 'core.db').stat().st_size / FLOWS:.1f}")
        _ask_top(directory, first, "")
        with _writing(directory, today):
            _ask_top(directory, first, ", while flows come in")
    with tempfile.TemporaryDirectory() as made:
        directory = Path(made)
        _fill(directory, first, first + DAY_MS // DAYS, FLOWS // DAYS)
        _repeat_within_a_day(directory, first)
        _ask_flows(directory, first, "")
        with _writing(directory, first + DAY_MS - 600_000):
            _ask_flows(directory, first, ", while flows come in")


def _ask_top(directory: Path, since: int, when: str) -> None:
    for by in KINDS:
        _ask(f"top {by} --since 30d{when}", directory, since, "top", by)
    begun = time.perf_counter()
    verb = [sys.executable, "-m", "netwatchd", "top", "destination", "--since", str(since)]
    environment = os.environ | {"STATE_DIRECTORY": str(directory), "NETWATCHD_CONFIG": os.devnull}
    subprocess.run(verb, check=True, stdout=subprocess.DEVNULL, env=environment)
    show("  the whole command", f"{(time.perf_counter() - begun) * 1000:,.0f} ms")


def _ask_flows(directory: Path, since: int, when: str) -> None:
    _ask(f"flows of a device and day, all{when}", directory, since, "flows", "0")
    _ask(f"flows of a device and day, 50{when}", directory, since, "flows", "50")
    _ask(f"peers of a device and day, 10{when}", directory, since, "peers", "10")


def _ask(name: str, directory: Path, since: int, *question: str) -> None:
    words = [sys.executable, "-c", ASK, str(directory), str(since), DEVICES[7], *question]
    wall, cpu = json.loads(subprocess.run(words, check=True, stdout=subprocess.PIPE).stdout)
    show(name, f"{wall * 1000:,.0f} ms, CPU {cpu * 1000:,.0f} ms")


def _repeat_days(directory: Path, first: int) -> None:
    """Copies the first day to all days after it, with their hours; a last batch has their days made."""
    connection = Connection(directory, 5.0, lambda seconds: False)
    with connection.lock:
        db = connection.ensure_connection()
        for number in range(1, DAYS):
            source = connection.attach_day(db, _file(first))
            day = connection.attach_day(db, _file(first + number * DAY_MS))
            _copy(db, source, day, f"id + {number * DAY_MS << 12}", number * DAY_MS)
            for kind, key in hourly.KEYS.items():
                db.execute(
                    f"INSERT INTO hourly_{kind} SELECT hour + ?, {key}, bytes_in, bytes_out, flows "
                    f"FROM hourly_{kind} WHERE hour < ?",
                    (number * DAY_MS, first + DAY_MS),
                )
            connection.detach_day(connection.directory / _file(first + number * DAY_MS))
        connection.close()
    _fill(directory, first + DAYS * DAY_MS, first + DAYS * DAY_MS + 1000, 1000)


def _repeat_within_a_day(directory: Path, first: int) -> None:
    """Copies the first part of a day to the rest of it."""
    connection = Connection(directory, 5.0, lambda seconds: False)
    with connection.lock:
        db = connection.ensure_connection()
        day = connection.attach_day(db, _file(first))
        last = db.execute(f"SELECT max(id) FROM {day}.flows").fetchone()[0]
        for number in range(1, DAYS):
            shift = number * DAY_MS // DAYS
            _copy(db, day, day, f"id + {shift << 12}", shift, last)
        connection.close()


def _copy(db: Any, source: str, target: str, new_id: str, shift: int, last: int = 2**62) -> None:
    db.execute("BEGIN IMMEDIATE")
    for table in ("names", "origins", "owners"):
        db.execute(f"INSERT OR IGNORE INTO {target}.{table} SELECT * FROM {source}.{table}")
    counts = "packets_out, bytes_out, packets_in, bytes_in"
    rest = f"src_ip, src_port, dst_ip, dst_port, protocol, {counts}, state, origin, owner"
    db.execute(
        f'INSERT INTO {target}.flows SELECT {new_id}, start + {shift}, "end" + {shift}, {rest} '
        f"FROM {source}.flows WHERE id <= {last} ORDER BY id"
    )
    db.execute("COMMIT")
    db.execute(f"PRAGMA {target}.wal_checkpoint(TRUNCATE)").fetchone()


def _file(day: int) -> str:
    return time.strftime("flows-%Y%m%d.db", time.gmtime(day // 1000))


def _fill(directory: Path, since: int, until: int, count: int) -> float:
    """Puts in so many flows between two times (Unix ms) as the daemon does; returns the seconds of CPU it took."""
    counters, rollups = Counters(), Rollups()
    connection = Connection(directory, 5.0, lambda seconds: False, lambda db: hourly.begin(db, lambda: 0))
    writer = Writer(connection, counters)
    cpu = 0.0
    with connection.lock:
        db = connection.ensure_connection()
        devices = Batch()
        for device in map(_device, range(len(DEVICES))):
            devices.put_device(device)
        writer.write(devices, db)
        put = 0
        for flows in _batches(since, until, count):
            batch = Batch(flows=FlowBatch.of(flows))
            for flow in flows:
                _add(rollups, flow)
            put += len(flows)
            if rollups.trim(len(flows)) or put == count:
                delta = rollups.take(flows[-1].id)
                assert delta
                batch.put_total(delta)
            begun = time.thread_time()
            writer.write(batch, connection.ensure_connection())
            for name in connection.schemas:
                db.execute(f"PRAGMA {name}.wal_checkpoint(PASSIVE)").fetchone()
            cpu += time.thread_time() - begun
        connection.close()
    return cpu


def _add(rollups: Rollups, flow: Flow) -> None:
    """As the flow worker does for a device that opened the flow."""
    hour = rollups.hour(flow.id >> 12)
    keys: tuple[tuple[dict[Any, list[int]], Any], ...]
    keys = ((hour.devices, flow.device), (hour.peers, flow.dst_ip), (hour.ports, flow.protocol << 16 | flow.dst_port))
    for sums, key in keys:
        if key in sums:
            known = sums[key]
            known[0] += flow.bytes_in
            known[1] += flow.bytes_out
            known[2] += 1
        else:
            sums[key] = [flow.bytes_in, flow.bytes_out, 1]


@contextmanager
def _writing(directory: Path, now: int) -> Iterator[None]:
    """Flows come in at full speed, by a store with its thread, as the daemon has it."""
    store = Storage(config.Storage(max_size=MOST), directory, [directory], Counters(), lambda db: None)
    store.open()
    writer = Worker("storage", store.run, lambda worker: None)
    writer.start()
    ending = threading.Event()

    def feed() -> None:
        for flows in _batches(now, now + 600_000, FLOWS, 1000):
            store.wait_for_room(60.0)
            for flow in flows:
                _add(store.rollups, flow)
            if store.rollups.trim(len(flows)):
                store.settle([], flows, flows[-1].id, rollups=True)
            else:
                store.add_flows(flows)
            if ending.is_set():
                return

    feeder = threading.Thread(target=feed)
    feeder.start()
    try:
        before, begun = store.counters["stored.flows"], time.perf_counter()
        yield
        rate = (store.counters["stored.flows"] - before) / (time.perf_counter() - begun)
        show("  meanwhile were stored", f"{rate:,.0f} flows/s")
    finally:
        ending.set()
        feeder.join()
        writer.ask_to_stop()
        store.wake()
        writer.stop(60.0)


def _batches(since: int, until: int, count: int, size: int = BATCH) -> Iterator[list[Flow]]:
    """Flows with rising ids, evenly between two times (Unix ms)."""
    sample = _sample()
    last = 0
    for at in range(0, count, size):
        flows = []
        for number in range(at, min(at + size, count)):
            time_ms = since + number * (until - since) // count
            last = max(last + 1, time_ms << 12)
            length, rest = sample[number % SAMPLE]
            flows.append(Flow._make((last, time_ms - length, time_ms, *rest)))
        yield flows


def _sample() -> list[tuple[int, tuple[Any, ...]]]:
    """The length (ms) and the other fields of flows."""
    chance = random.Random(1)  # noqa: S311 - the same flows each time
    ipv4 = [chance.randrange(1 << 24, 0xDF000000) for _ in range(20_000)]
    ipv6 = [bytes.fromhex("2a00") + chance.randbytes(14) for _ in range(7_000)]
    return list(islice(_flows(chance, ipv4, ipv6), SAMPLE))


def _flows(chance: random.Random, ipv4: list[int], ipv6: list[bytes]) -> Iterator[tuple[int, tuple[Any, ...]]]:
    while True:
        device = chance.randrange(len(DEVICES))
        src: Address
        dst: Address
        if chance.random() < 0.25:
            src, dst = _ipv6(device), ipv6[int(len(ipv6) * chance.random() ** 3)]
        else:
            src, dst = _ipv4(device), ipv4[int(len(ipv4) * chance.random() ** 3)]
        port = chance.choice((443, 443, 443, 443, 443, 80, 53, 53, 123, 5228, chance.randrange(1024, 65536)))
        out = int(chance.paretovariate(1.1) * 3)
        back = int(out * chance.uniform(0.5, 2)) + 1
        sides = (src, chance.randrange(32768, 61000), dst, port, 6 if chance.random() < 0.6 else 17)
        counts = (out, out * chance.randrange(60, 600), back, back * chance.randrange(60, 1400))
        words = ("closed", "netflow", ORIGIN, DEVICES[device])
        yield int(chance.expovariate(1 / 20_000)), (*sides, *counts, *words)


def _ipv4(device: int) -> int:
    return (0xC0A80100 if device % 3 else 0x0A000000) + device


def _ipv6(device: int) -> bytes:
    return bytes.fromhex("20010db800010000") + device.to_bytes(8, "big")


def _device(number: int) -> Device:
    ips: tuple[Address, ...] = (_ipv4(number), _ipv6(number))
    return Device(DEVICES[number], ips, None, None, None, 0, 0, Status.ONLINE, 0, 0, ("bench",))
