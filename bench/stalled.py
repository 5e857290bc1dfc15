"""What the clients that read notice of those that do not: their delay, with more and more of 200 clients stalled."""

import contextlib
import itertools
import statistics
import time
from collections.abc import Iterator

from bench import events
from bench.figures import percentile, show
from bench.listeners import Listeners, connected, raise_descriptor_limit
from bench.running import Running, daemon

CLIENTS, OTHERS = 200, 100  # the same number is measured each time, whoever else reads or stalls
STALLED = (0, 1, 10, 100)
ROUNDS = 5
FILLING = 200  # flows that fill the buffers of those that do not read
EVENTS, INTERVAL = 150, 0.05  # longer than the 7.1 s after which the stalled are dropped


def stalled() -> None:
    """p99 of 100 clients that read, while 0, 1, 10 and 100 of 200 stall; in turns, so that noise meets all alike."""
    raise_descriptor_limit()
    numbers = itertools.count()
    measured: dict[int, list[float]] = {count: [] for count in STALLED}
    with daemon() as running:
        for turn in range(ROUNDS):
            for count in STALLED if turn % 2 else STALLED[::-1]:
                measured[count].append(_p99(running, count, numbers) * 1000)
    none = statistics.median(measured[0])
    for count, found in measured.items():
        median = statistics.median(found)
        show(
            f"p99 of {OTHERS} others, {count} of {CLIENTS} stalled, {ROUNDS} rounds",
            f"{median:.2f} ms ({min(found):.2f} to {max(found):.2f}), {median / none:.2f}",
        )


def _p99(running: Running, count: int, numbers: Iterator[int]) -> float:
    """Seconds from the JSON socket to the others; whoever stalls has connected before them, and is ahead of them."""
    with contextlib.ExitStack() as stack:
        for _ in range(count):
            stack.enter_context(connected(running.port, receive_buffer=4096))
        fellows = stack.enter_context(Listeners(running.port, CLIENTS - OTHERS - count))
        others = stack.enter_context(Listeners(running.port, OTHERS))
        writer = stack.enter_context(running.writer())
        for number in itertools.islice(numbers, FILLING):
            writer.sendall(events.flow(number))
        fellows.drain(0.3)
        others.drain(0.3)
        delays: list[float] = []
        for number in itertools.islice(numbers, EVENTS):
            marker = b'"src_port":%d,' % (1024 + number % 60_000)
            line = events.flow(number)
            sent = time.perf_counter()
            writer.sendall(line)
            found = others.delays(marker, sent)
            fellows.delays(marker, sent)
            if len(found) < OTHERS:
                raise RuntimeError(f"only {len(found)} of {OTHERS} clients had flow {number}")
            delays += found
            time.sleep(max(sent + INTERVAL - time.perf_counter(), 0))
    return percentile(delays, 99)
