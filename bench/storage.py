"""What a flow takes on disk, how fast rows are put in, and how fast questions are answered while that goes on.

Ten million flows of thirty days are made as an exporter tells of them: 200 devices, a quarter of the flows IPv6, peers
and ports as uneven as in life.
"""

import random
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from bench.figures import show
from netwatchd import config
from netwatchd.addresses import Address
from netwatchd.counters import Counters
from netwatchd.events import Device, Flow, Origin, Status
from netwatchd.storage import queries
from netwatchd.storage.batch import Batch
from netwatchd.storage.connection import Connection
from netwatchd.storage.rollups import Rollups
from netwatchd.storage.storage import Storage
from netwatchd.storage.top import KINDS, top
from netwatchd.storage.writer import Writer
from netwatchd.worker import Worker

FLOWS, DAYS = 10_000_000, 30
DAY_MS = 86_400_000
SAMPLE = 200_000  # different flows; the ten million repeat them with new ids and times
BATCH = 10_000
ROUNDS = 5
DEVICES = [f"a4:83:e7:00:00:{number:02x}" for number in range(200)]
ORIGIN = Origin(0xC0A80101, 0, 1)


def storage() -> None:
    """Thirty days of ten million flows, and one day of ten million; questions to both while flows come in."""
    with tempfile.TemporaryDirectory() as made:
        directory = Path(made)
        now = int(time.time() * 1000)
        begun = time.perf_counter()
        cpu = _fill(directory, now - DAYS * DAY_MS, now, FLOWS)
        show(f"{FLOWS:,} flows of {DAYS} days put in", f"{FLOWS / cpu:,.0f}/s of CPU")
        show("  with all that is done to them", f"{time.perf_counter() - begun:.0f} s")
        days = sum(path.stat().st_size for path in directory.glob("flows-*.db"))
        show("bytes a flow on disk, flows", f"{days / FLOWS:.1f}")
        show("  roll-ups", f"{(directory / 'core.db').stat().st_size / FLOWS:.1f}")
        ask = [(f"top {by} --since 30d", _top(directory, by, now - DAYS * DAY_MS)) for by in KINDS]
        _ask(ask, "")
        with _writing(directory, now):
            _ask(ask, ", while flows come in")
    with tempfile.TemporaryDirectory() as made:
        directory = Path(made)
        noon = now // DAY_MS * DAY_MS
        _fill(directory, noon - DAY_MS, noon - 1, FLOWS)
        ask = [
            ("flows of one device, the newest 50", _list(directory, noon, 50)),
            ("flows of one device, all of the day", _list(directory, noon, None)),
        ]
        _ask(ask, "")
        with _writing(directory, noon - 1):
            _ask(ask, ", while flows come in")


def _top(directory: Path, by: str, since: int) -> Callable[[], object]:
    return lambda: top(directory, by, since, 10)


def _list(directory: Path, end: int, limit: int | None) -> Callable[[], object]:
    return lambda: queries.flows(directory, end - DAY_MS, limit, DEVICES[7])


def _ask(questions: list[tuple[str, Callable[[], object]]], when: str) -> None:
    for name, question in questions:
        walls, cpus = [], []
        for _ in range(ROUNDS):
            wall, cpu = time.perf_counter(), time.thread_time()
            question()
            walls.append(time.perf_counter() - wall)
            cpus.append(time.thread_time() - cpu)
        show(f"{name}{when}", f"{sorted(walls)[ROUNDS // 2] * 1000:,.0f} ms")
        show("  of it CPU", f"{sorted(cpus)[ROUNDS // 2] * 1000:,.0f} ms")


def _fill(directory: Path, since: int, until: int, count: int) -> float:
    """Puts in so many flows between two times (Unix ms) as the daemon does; returns the seconds of CPU it took."""
    counters, rollups = Counters(), Rollups()
    connection = Connection(directory, 5.0, lambda seconds: False)
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
            batch = Batch(flows=flows)
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
    store = Storage(config.Storage(max_size=2**50), directory, [directory], Counters(), lambda db: None)
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
