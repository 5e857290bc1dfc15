"""One soak from its start to the balance of its books."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from running import Daemon, flow_line, scratch, small_disk
from waiting import eventually

from soak import figures
from soak.faults import MAX_PENDING, Faults, config
from soak.figures import Sampler, look
from soak.ledger import Ledger
from soak.options import Options
from soak.producers import DEVICES, ip_of, mac_of
from soak.readers import Readers

LAST = 3000  # flows that are handed in just before the daemon is told to stop
OTHERS = {"src_ip": "172.16.0.1", "packets_in": 2**40, "packets_out": 0}  # of nobody's device, and of no producer
HERE = Path(__file__).parent.parent


@dataclass
class Result:
    """What came of it."""

    figures: dict[str, str] = field(default_factory=dict)
    mistakes: list[str] = field(default_factory=list)


class Soak:
    """Everything at once, on one daemon."""

    def __init__(self, options: Options, say: Callable[[str], None]) -> None:
        self.options, self.say = options, say
        self.result = Result()

    def run(self) -> Result:
        """Starts all, waits, stops all, and reckons."""
        directory = scratch()
        with ExitStack() as stack:
            stack.callback(shutil.rmtree, directory, ignore_errors=True)
            (directory / "lib").mkdir()
            size = self.options.disk
            disk = stack.enter_context(small_disk(directory / "lib", size)) if size else None
            self.daemon = stack.enter_context(Daemon(directory, config()))
            self._prepare()
            self._soak(disk)
            self._reckon()
        return self.result

    def _prepare(self) -> None:
        """Tells of all devices, keeps a day's file to be planted later, and sees what an idle daemon needs."""
        daemon = self.daemon
        all_devices = [(p, d) for p in range(self.options.producers) for d in range(DEVICES)]
        daemon.emit(
            *[{"type": "device", "mac": mac_of(*device), "ip": ip_of(*device)} for device in all_devices],
            flow_line(1, **OTHERS),
        )
        eventually(lambda: daemon.status()["devices"] == len(all_devices) and len(daemon.flows()) == 1)
        (today,) = daemon.state.glob("flows-*.db")
        # By SQLite itself, so that what lies in the -wal comes along; and not within the state directory.
        script = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute('VACUUM INTO ?', (sys.argv[2],))"
        subprocess.run([sys.executable, "-c", script, str(today), str(daemon.state.parent / "old.db")], check=True)
        self.idle = look(daemon)

    def _soak(self, disk: Path | None) -> None:
        options, daemon = self.options, self.daemon
        self.readers = Readers(daemon)
        self.faults = Faults(daemon, self.readers, disk, options)
        self.sampler = Sampler(daemon)
        works = [self.sampler.run, self.readers.run_commands, self.readers.query]
        works += [self.faults.run] if options.faults else []
        threads = [threading.Thread(target=self._guarded, args=(work,), daemon=True) for work in works]
        each = [str(rate / options.producers) for rate in (options.rate, options.later_rate)]
        events = str(daemon.run / "events.sock")
        self.begun = time.monotonic()
        with (
            _python("soak.listeners", str(daemon.port)) as listeners,
            ExitStack() as stack,
        ):
            producers = [
                stack.enter_context(_python("soak.producers", events, str(n), *each, str(options.full_minutes * 60)))
                for n in range(options.producers)
            ]
            for thread in threads:
                thread.start()
            self._watch()
            self.faults.stopping.set()
            if options.faults:
                threads[-1].join()
            self.sent = [_ended(producer) for producer in producers]
            self.ended = time.monotonic()
            self.readers.stopping.set()
            self.sampler.stopping.set()
            for thread in threads:
                thread.join()
            self.heard = _ended(listeners)

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001 - a thread of ours; the soak fails and says why
            self.result.mistakes.append(f"{work.__qualname__} failed: {type(error).__name__}: {error}")

    def _watch(self) -> None:
        """Says every now and then how it goes, until the time is over or the daemon has ended."""
        until, next_line, before = self.begun + self.options.minutes * 60, 0.0, 0
        while (now := time.monotonic()) < until:
            time.sleep(min(1.0, until - now))
            samples = self.sampler.samples
            if samples and now >= next_line and not self.readers.away:
                last, received = samples[-1], samples[-1].status["received"].get("json", 0)
                took = min(now - self.begun, 10.0 if next_line else now - self.begun) or 1.0
                database = last.status["database"]
                self.say(
                    f"{now - self.begun:6.0f} s  {max(received - before, 0) / took:8,.0f} events/s  "
                    f"{last.rss:5.1f} MB  {last.threads} threads  {last.descriptors} files  "
                    f"waiting {last.waiting:,}  pending {database['pending']:,}  wal {database['wal'] / 1e6:.0f} MB  "
                    f"all {database['size'] / 1e6:,.0f} MB  clients {last.status['clients']}"
                )
                next_line, before = now + 10.0, received
            if self.daemon.process and self.daemon.process.poll() is not None and not self.readers.away:
                return

    def _reckon(self) -> None:
        """Everything has left: what remains, what was stored, and what the books say."""
        daemon, mistakes = self.daemon, self.result.mistakes
        if daemon.process is None or daemon.process.poll() is not None:
            mistakes.append("the daemon has ended by itself")
            return
        try:
            eventually(self._is_idle, "threads, descriptors and queues are as in the beginning")
        except AssertionError as error:
            end = look(daemon)
            mistakes.append(
                f"{error}: {end.threads} threads, {end.descriptors} files, {end.waiting} waiting, "
                f"{end.status['database']}; it began with {self.idle.threads} and {self.idle.descriptors}"
            )
        self.end = end = look(daemon)
        daemon.emit(*[flow_line(n, **OTHERS) for n in range(LAST)])
        begun = time.monotonic()
        code = daemon.stop()
        self.stopped_in = time.monotonic() - begun
        if code != 0:
            mistakes.append(f"it ended with {code}")
        ledger = Ledger(daemon, self.sent, end.dropped + self.faults.dropped, LAST + 1)
        ledger.balance()
        mistakes += ledger.mistakes + self.readers.mistakes + self.faults.mistakes
        mistakes += self.heard["mistakes"]
        self._compare(ledger)
        self._judge_figures()
        self._judge_log()
        self._tell(ledger)

    def _is_idle(self) -> bool:
        now = look(self.daemon)
        settled = now.status["database"]["pending"] == now.waiting == 0
        files = self.idle.descriptors + (now.day - self.idle.day) * figures.FILES_OF_A_DAY
        return settled and now.threads <= self.idle.threads and now.descriptors <= files

    def _compare(self, ledger: Ledger) -> None:
        """The counters of the status with what was sent and what is in the files."""
        if self.options.kills:
            return  # they began anew with the daemon
        status, sent = self.end.status, self.sent
        kinds = {kind: sum(one[kind] for one in sent) for kind in ("flows", "devices", "threats", "bad")}
        received = kinds["flows"] + kinds["devices"] + kinds["threats"] + self.options.producers * DEVICES + 1
        expected = {
            "received": (status["received"]["json"], received),
            "malformed": (status["counters"]["malformed"]["json"], kinds["bad"]),
            "stored flows": (status["stored"]["flows"], ledger.stored + 1),
        }
        for what, (counted, known) in expected.items():
            if counted != known:
                self.result.mistakes.append(f"{what}: the daemon counts {counted:,}, and {known:,} are known")

    def _judge_figures(self) -> None:
        sampler, mistakes = self.sampler, self.result.mistakes
        self.warm, self.rise = sampler.rise()
        if self.options.kills:
            return  # each life is too short
        if self.rise > sampler.may_rise:
            mistakes.append(f"memory rises: {self.rise:.1f} MB after the warm-up ({self.warm:.1f} MB)")
        if max(s.rss for s in sampler.samples) > figures.MOST_MEMORY:
            mistakes.append(f"memory was {max(s.rss for s in sampler.samples):.0f} MB at one time")
        # A queue holds its bound, and the batch that was put into it when it was almost full; `max_pending` is one of
        # flows, beside which devices, threats and traits wait.
        for what, most, bound in (
            ("waiting", sampler.most("waiting"), 60_000),
            ("pending", sampler.most("pending"), MAX_PENDING + 5000),
        ):
            if most > bound:
                mistakes.append(f"{what} was {most:,} at one time")

    def _judge_log(self) -> None:
        log = self.daemon.log
        self.result.mistakes += [f"the log says {word!r}" for word in ("Traceback", "died", "stuck") if word in log]

    def _tell(self, ledger: Ledger) -> None:
        sampler, took = self.sampler, self.ended - self.begun
        peaks = [int(n) for n in re.findall(r"-wal was cut: it had grown to (\d+) MB", self.daemon.log)]
        heard = {key: value for key, value in self.heard.items() if key != "mistakes"}
        dropped = json.dumps(self.end.status["dropped"])
        self.result.figures |= {
            "minutes": f"{took / 60:.1f}",
            "flows stored": f"{ledger.stored:,} of {ledger.stored + ledger.missing:,}",
            "flows a second": f"{ledger.stored / took:,.0f}",
            "dropped": dropped,
            "memory at start, warm, end, most": f"{self.idle.rss:.1f}, {self.warm:.1f}, {self.end.rss:.1f}, "
            f"{max(s.rss for s in sampler.samples):.1f} MB",
            "memory: rise of the line after the warm-up": f"{self.rise:+.2f} MB",
            "threads at start, end": f"{self.idle.threads}, {self.end.threads}",
            "files at start, end": f"{self.idle.descriptors}, {self.end.descriptors}",
            "most pending, waiting": f"{sampler.most('pending'):,}, {sampler.most('waiting'):,}",
            "largest -wal, and where one was cut": f"{sampler.most('wal') / 1e6:.0f} MB, {peaks} MB",
            "databases at the end": f"{self.end.status['database']['size'] / 1e6:,.0f} MB",
            "stopped with work in hand": f"{self.stopped_in:.1f} s",
            "commands run, the slowest": f"{self.readers.commands}, {self.readers.slowest:.1f} s",
            "plain SQLite queries": f"{self.readers.queries}",
            "faults": ", ".join(f"{n} {name}" for name, n in self.faults.counts.items()),
            **{f"{temper} clients": str(seen) for temper, seen in heard.items()},
        }


@contextmanager
def _python(module: str, *arguments: str) -> Iterator["subprocess.Popen[str]"]:
    """One of our modules as a process, which ends when its input does."""
    environment = os.environ | {"PYTHONPATH": str(HERE)}
    command = [sys.executable, "-m", module, *arguments]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, text=True) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)


def _ended(process: "subprocess.Popen[str]") -> dict[str, Any]:
    """What one of our processes has to tell, when it is told to end."""
    output, _ = process.communicate(timeout=120)
    found: dict[str, Any] = json.loads(output)
    return found
