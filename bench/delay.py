"""How long it takes from an event's entrance to the clients, with many of them, and with one that stalls."""

import contextlib
import time

from bench import events
from bench.figures import percentile, show
from bench.listeners import Listeners, connected, raise_descriptor_limit
from bench.running import Running, daemon

EVENTS = 200
INTERVAL = 0.05  # seconds between two events


def delays() -> None:
    """Milliseconds from the JSON socket to 1, 10, 100 and 1,000 clients, then with one more that never reads."""
    raise_descriptor_limit()
    with daemon() as running:
        for clients in (1, 10, 100, 1000):
            for stalled in (False, True):
                _delay(running, clients, stalled)


def _delay(running: Running, clients: int, stalled: bool) -> None:
    with contextlib.ExitStack() as stack:
        listeners = stack.enter_context(Listeners(running.port, clients))
        writer = stack.enter_context(running.writer())
        if stalled:
            stack.enter_context(connected(running.port, receive_buffer=4096))
        measured: list[float] = []
        cpu_before = running.cpu()
        for number in range(EVENTS):
            # A flow that nobody else in this run has, by its source port.
            line = events.flow(number)
            sent = time.perf_counter()
            writer.sendall(line)
            found = listeners.delays(b'"src_port":%d,' % (1024 + number), sent)
            if len(found) < clients:
                raise RuntimeError(f"only {len(found)} of {clients} clients had flow {number}")
            measured += found
            time.sleep(max(sent + INTERVAL - time.perf_counter(), 0))
        cpu = running.cpu() - cpu_before
    p50, p99 = (percentile(measured, p) * 1000 for p in (50, 99))
    what = f"{clients} clients" + (" and one that stalls" if stalled else "")
    show(what, f"p50 {p50:.1f} ms, p99 {p99:.1f} ms")
    show("  CPU a delivery", f"{cpu / (EVENTS * clients) * 1e6:.1f} us")
