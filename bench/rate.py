"""How many flows a second, from decoded events to committed rows, from the socket, and to WebSocket clients."""

import gc
import os
import sqlite3
import tempfile
import time
from contextlib import closing
from pathlib import Path

from bench import events
from bench.figures import show
from bench.listeners import Listeners
from bench.running import daemon
from netwatchd import clock, config
from netwatchd.addresses import PRIVATE, Networks, parse_address
from netwatchd.cli.run import GARBAGE_THRESHOLDS
from netwatchd.counters import Counters
from netwatchd.decoders.json_lines import decode_line
from netwatchd.detectors.panel import Panel
from netwatchd.events import Flow, Sighting, new_event_id
from netwatchd.ingest.detection import Detection
from netwatchd.ingest.devices import Devices
from netwatchd.ingest.flows import Flows
from netwatchd.ingest.home import Home
from netwatchd.ingest.threats import Threats
from netwatchd.storage.storage import PLENTY, Storage
from netwatchd.worker import Worker

SECONDS = 10.0
BATCH = 800  # as many as one recv() of the JSON socket brings
FROM_SOCKET = 200_000
TO_CLIENT = 300_000


def stored() -> None:
    """From decoded events to committed rows, on one core; and from the JSON socket."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    usual = gc.get_threshold()
    gc.set_threshold(*GARBAGE_THRESHOLDS)  # as the daemon does
    try:
        wall, cpu, size = _decoded_to_rows()
    finally:
        gc.set_threshold(*usual)
        os.sched_setaffinity(0, cores)
    show("decoded events to committed rows, one core", f"{wall:,.0f} flows/s")
    show("  per second of CPU", f"{cpu:,.0f} flows")
    show("  bytes on disk", f"{size:.1f} a flow")
    lines = b"".join(map(events.flow, range(FROM_SOCKET)))
    with daemon() as running:
        running.write(b"".join(map(events.device, range(200))))
        cpu_before, begun = running.cpu(), time.perf_counter()
        running.write(lines)
        # What is left at the end waits for the interval of commits, however fast the rest was.
        while (count := _rows(running.state)) < FROM_SOCKET - PLENTY:
            time.sleep(0.02)
        wall = time.perf_counter() - begun
        while _rows(running.state) < FROM_SOCKET:
            time.sleep(0.02)
        cpu = running.cpu() - cpu_before
        show("JSON socket to committed rows", f"{count / wall:,.0f} flows/s")
        show("  per second of CPU", f"{FROM_SOCKET / cpu:,.0f} flows")
        show("  memory afterwards", f"{running.memory():.1f} MB")


def broadcast() -> None:
    """From the JSON socket to one WebSocket client that reads everything."""
    lines = [events.flow(number) for number in range(TO_CLIENT)]
    with daemon("[websocket]\nqueue_size = 100000\n") as running, Listeners(running.port, 1) as listeners:
        cpu_before, begun = running.cpu(), time.perf_counter()
        with running.writer() as writer:
            got = listeners.count(b'"flow_update"', writer, lines)
        wall, cpu = time.perf_counter() - begun, running.cpu() - cpu_before
        show("JSON socket to a WebSocket client", f"{got / wall:,.0f} flows/s")
        show("  per second of CPU", f"{got / cpu:,.0f} flows")
        show("  received", f"{got:,} of {len(lines):,}")


def _decoded_to_rows() -> tuple[float, float, float]:
    """Flows a second of wall clock and of CPU, and bytes a flow on disk."""
    with tempfile.TemporaryDirectory() as made:
        directory = Path(made)
        store = Storage(config.Storage(), directory, [directory], Counters(), lambda db: None)
        store.open()
        writer = Worker("storage", store.run, lambda worker: None)
        writer.start()
        devices = Devices(lambda events: None, store, Counters(), 900.0)
        devices.see([_sighting(number) for number in range(200)], clock.now())
        flows = Flows(devices, lambda events: None, store)
        home = Home(Networks(PRIVATE.split()), devices)
        flows.watch = Detection(Panel(config.Config(), home), Threats(devices, lambda events: None, store)).flows
        batches = _batches(200_000)
        count, last_id = 0, 0
        begun, cpu_before = time.perf_counter(), time.process_time()
        while time.perf_counter() - begun < SECONDS:
            batch = batches[count // BATCH % len(batches)]
            now = clock.now()
            # Fresh ids, as a source gives them.
            first = new_event_id(last_id, now.wall)
            last_id = first + len(batch) - 1
            fresh = [Flow._make((number, *flow[1:])) for number, flow in enumerate(batch, first)]
            store.wait_for_room(60.0)
            flows.see(fresh, now)
            count += len(batch)
        writer.ask_to_stop()
        store.wake()
        writer.stop(60.0)
        wall, cpu = time.perf_counter() - begun, time.process_time() - cpu_before
        assert _rows(directory) == count, "every flow is committed"
        size = sum(file.stat().st_size for file in directory.glob("flows-*.db"))
        return count / wall, count / cpu, size / count


def _batches(count: int) -> list[list[Flow]]:
    ids = iter(range(1, count + 1))
    decoded = [decode_line(events.flow(number), 0, lambda now: next(ids)) for number in range(count)]
    flows = [flow for flow in decoded if isinstance(flow, Flow)]
    return [flows[at : at + BATCH] for at in range(0, count, BATCH)]


def _sighting(number: int) -> Sighting:
    address = parse_address(f"192.168.70.{number + 2}")
    return Sighting(clock.now().wall, "bench", f"dc:a6:32:00:00:{number:02x}", (address,))


# A day has several files where it has many flows.
def _rows(directory: Path) -> int:
    count = 0
    for file in directory.glob("flows-*.db"):
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as db:
            count += db.execute("SELECT count(*) FROM flows").fetchone()[0]
    return count
