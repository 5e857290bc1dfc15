"""One trial of a collector at a rate, and the search for the highest rate that it keeps."""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.flows.collectors import Collector
from bench.flows.processes import Group, queue_of

LAG = 0.1  # of the sending time: so long after the last datagram a collector may still be at work
LEAST_LAG = 0.3  # seconds: the kernel's clock for CPU is no finer
NEAR = 1.12  # two rates that are so near to each other need none between them
REACHED = 0.95  # of a rate: a sender that was slower could not


@dataclass(frozen=True)
class Case:
    """What is sent to whom, and for how long."""

    collector: Collector
    version: int
    kind: str  # paired or unpaired
    seconds: float
    cores: tuple[int, int]  # the collector's, the sender's


@dataclass(frozen=True)
class Trial:
    """What came of one rate."""

    wanted: float  # flows a second
    rate: float  # flows a second that were sent
    sent: int  # flows
    lost: int  # flows; negative: stored twice
    lost_octets: int
    lost_packets: int
    dropped: int  # datagrams, by the kernel at the collector's socket
    lag: float  # seconds after the last datagram until the collector had nothing to do
    on_disk: float  # seconds after the last datagram until it had ended, asked to once it had nothing to do
    cpu: float  # seconds a million flows
    memory: float  # MB
    size: float  # bytes a flow
    rows: int
    says: str
    kept: bool


def attempt(case: Case, rate: float) -> Trial:
    """Sends flows at a rate, and looks at what became of them."""
    collector = case.collector
    with tempfile.TemporaryDirectory() as made:
        directory, port = Path(made), _free_port()
        group = Group(collector.command(directory, port), case.cores[0], directory / "log", collector.environment)
        try:
            group.wait_for_port(port)
            told = _send(case, rate, port, group)
            idle = group.wait_until_idle(port, max(case.seconds * 4, 30))
            dropped = (queue_of(port) or (0, 0))[1]
            says, cpu = collector.says(directory), group.cpu
        finally:
            ended = group.end(collector.ends_on)
        stored, files = collector.stored(directory), collector.files(directory)
        size = sum(file.stat().st_size for file in files)
        said = ", ".join(filter(None, (says, collector.said(directory))))
    lag = max(idle - told["ended"], 0.0)
    lost = [int(told[what] - have) for what, have in zip(("flows", "octets", "packets"), stored[:3], strict=True)]
    return Trial(
        wanted=rate,
        rate=told["flows"] / told["seconds"],
        sent=told["flows"],
        lost=lost[0],
        lost_octets=lost[1],
        lost_packets=lost[2],
        dropped=dropped,
        lag=lag,
        # What netwatchd does to stop is not what it does to store; the others store what they hold when they end.
        cpu=(cpu if collector.name == "netwatchd" else group.cpu) / told["flows"] * 1e6,
        on_disk=ended - told["ended"],
        memory=group.memory / 1024,
        size=size / max(stored.flows, 1),
        rows=stored.rows,
        says=said,
        kept=not any(lost) and lag <= max(LAG * case.seconds, LEAST_LAG),
    )


def search(attempt_at: Callable[[float], Trial], first: float, steps: int) -> Iterator[Trial]:
    """Tries rates: doubled while they are kept, halved until one is, then between the two."""
    rate, best, worst = first, 0.0, 0.0
    for _ in range(steps):
        trial = attempt_at(rate)
        yield trial
        if trial.rate < REACHED * rate:
            return  # the sender, not the collector, is at its limit
        if trial.kept:
            best = rate
        else:
            worst = rate
        if best and worst and worst / best < NEAR:
            return
        rate = best * 2 if not worst else worst / 2 if not best else (best * worst) ** 0.5


def _send(case: Case, rate: float, port: int, group: Group) -> dict[str, float]:
    """Runs the sender on its core, and watches the collector meanwhile."""
    arguments = [str(case.version), case.kind, str(port), str(rate), str(case.seconds)]
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {case.cores[1]})
    try:
        sender = subprocess.Popen([sys.executable, "-m", "bench.flows.sender", *arguments], stdout=subprocess.PIPE)
    finally:
        os.sched_setaffinity(0, allowed)
    while sender.poll() is None:
        group.sample()
        time.sleep(0.1)
    answer, _ = sender.communicate()
    if sender.returncode:
        raise RuntimeError("the sender failed")
    told: dict[str, float] = json.loads(answer)
    return told


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
