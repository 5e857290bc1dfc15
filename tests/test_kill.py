"""kill -9 at any moment: while it starts, works, checkpoints, begins another day, stops or spools."""

import contextlib
import itertools
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from recorded_disk import needs_compiler, shift_clock, with_clock
from running import MAC, Daemon, flow_line, locked, until
from waiting import eventually
from witness import Witness, check, introduce, numbers_in

INTERVAL = 0.2
SLOWNESS = 10.0  # seconds by which a machine that has a lot else to do may be late
CONFIG = "[storage]\ncommit_interval = 200 ms\nbusy_timeout = 50 ms\n"
DAY = 86400
LONG_WAL = 4 * 2**20  # bytes, after which it is checkpointed


class Victim:
    """A daemon that is killed again and again in one directory, and must come up with everything each time."""

    def __init__(self, directory: Path, seed: int, **environment: str) -> None:
        self.directory = directory
        self.daemon = Daemon(directory, CONFIG, **environment)
        self.chance = random.Random(seed)
        self.there = 0  # how many flows are in the files and the spool
        self.oldest_lost = 0.0  # seconds between a flow's being handed in and the kill that lost it
        self._sent = 0
        self._handed_in: list[tuple[float, int]] = []  # when, and how many flows by then
        self._batches = itertools.count()

    def start(self) -> None:
        """Starts it, and sees that it tells the truth of what is there: each flow once, and its bytes once."""
        self.daemon.start()
        assert self.daemon.status()["database"]["state"] == "ok"
        assert not list(self.daemon.state.glob("spool*"))
        assert sorted(numbers_in(self.daemon.state)) == list(range(self.there))
        introduce(self.daemon)
        with self.daemon.client() as client:
            devices = until(client, lambda message: message["type"] == "snapshot")["devices"]
        assert [each["bytes_in"] for each in devices if each["mac"] == MAC] == [self.there * 1000]

    def feed(self, size: int) -> None:
        """Hands in a batch: flows, a new device, a new threat and one that was seen before."""
        number, flows = next(self._batches), [flow_line(n) for n in range(self._sent, self._sent + size)]
        device = {"type": "device", "mac": f"a4:83:e7:01:{number >> 8 & 255:02x}:{number & 255:02x}", "ip": "10.0.0.1"}
        threat = {"type": "threat", "kind": "port_scan", "description": "it scanned"}
        self.daemon.emit(*flows, device, threat, threat | {"target": str(number)})
        self._sent += size
        self._handed_in.append((time.monotonic(), self._sent))

    @contextmanager
    def fed(self, size: int) -> Iterator[None]:
        """It is fed without end."""
        ending = threading.Event()

        def feed() -> None:
            with contextlib.suppress(OSError, ValueError):  # it was killed, perhaps in the middle of an answer
                while not ending.wait(0.01):
                    self.feed(size)

        feeder = threading.Thread(target=feed)
        feeder.start()
        try:
            yield
        finally:
            ending.set()
            feeder.join()

    def pause(self, seconds: float) -> None:
        """Waits for a random part of so many seconds."""
        threading.Event().wait(self.chance.random() * seconds)

    def die(self, how: "Callable[[Victim], None]") -> None:
        """Is killed in this way; then all that was committed is there, and what is missing is the newest."""
        with Witness(self.daemon.state) as witness:
            how(self)
            killed = time.monotonic_ns()
            self.daemon.kill()
        spooled = self.there if (self.daemon.state / "spool.jsonl").exists() else 0
        self.there = self._sent = len(check(self.daemon.state, witness.had_seen(killed), spooled))
        lost = [killed / 1e9 - at for at, flows in self._handed_in if flows > self.there]
        self.oldest_lost = max([self.oldest_lost, *lost])
        assert self.oldest_lost < INTERVAL + SLOWNESS
        self._handed_in = []


def working(victim: Victim) -> None:
    victim.start()
    with victim.fed(100):
        victim.pause(1.0)
        victim.daemon.kill()


def starting(victim: Victim) -> None:
    victim.daemon.launch()
    victim.pause(1.5)


def stopping(victim: Victim) -> None:
    victim.start()
    with victim.fed(100):
        victim.pause(0.5)
        victim.daemon.signal(signal.SIGTERM)
        victim.pause(1.0)
        victim.daemon.kill()


def spooling(victim: Victim) -> None:
    victim.start()
    with locked(victim.daemon.state / "core.db"):
        victim.feed(500)
        victim.daemon.signal(signal.SIGTERM)
        victim.pause(1.5)
        victim.daemon.kill()


def checkpointing(victim: Victim) -> None:
    victim.start()
    longest = lambda: max((path.stat().st_size for path in victim.daemon.state.glob("*-wal")), default=0)  # noqa: E731
    with victim.fed(3000):
        eventually(lambda: longest() > LONG_WAL)
        victim.pause(0.1)
        victim.daemon.kill()


def beginning_a_day(victim: Victim) -> None:
    victim.start()
    with victim.fed(100):
        victim.pause(0.5)
        shift_clock(victim.directory, DAY * len(list(victim.daemon.state.glob("flows-*.db"))))
        victim.pause(0.5)
        victim.daemon.kill()


def check_that_it_survives(victim: Victim, ways: list[Callable[[Victim], None]]) -> None:
    """Kills it in each way, and lets it live on after the last."""
    with contextlib.ExitStack() as stack:
        stack.callback(victim.daemon.__exit__)
        for way in ways:
            victim.die(way)
        victim.start()
        assert victim.daemon.stop() == 0
    total = victim.there
    for table in ("rollups", "hourly_devices", "hourly_peers", "hourly_ports"):
        assert victim.daemon.core(f"SELECT total(bytes_in) / 1000, total(flows) FROM {table}") == [(total, total)], (
            table
        )
    assert "Traceback" not in victim.daemon.log
    print(f"the oldest of the lost flows was {victim.oldest_lost:.2f} s old; the commit interval is {INTERVAL} s")


def test_kill_9_while_it_spools_or_reads_the_spool_back_costs_nothing_that_was_committed(short: Path) -> None:
    check_that_it_survives(Victim(short, 1), [spooling, starting])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("way", "times", "seed"),
    [
        (working, 20, 1), (working, 20, 2), (working, 20, 3), (starting, 20, 4), (starting, 20, 5),
        (stopping, 20, 6), (stopping, 20, 7), (spooling, 15, 8), (spooling, 15, 9), (checkpointing, 5, 10),
        (checkpointing, 5, 11),
    ],
)  # fmt: skip
def test_kill_9_at_random_moments_costs_nothing_that_was_committed(
    short: Path, way: Callable[[Victim], None], times: int, seed: int
) -> None:
    # A start that is always killed has nothing to read back.
    ways = [working, way] * (times // 2) if way is starting else [way] * times
    check_that_it_survives(Victim(short, seed), ways)


@pytest.mark.slow
@needs_compiler
def test_kill_9_when_another_day_begins_costs_nothing_that_was_committed(short: Path) -> None:
    check_that_it_survives(Victim(short, 12, **with_clock(short)), [beginning_a_day] * 20)
