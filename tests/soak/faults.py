"""What happens to the daemon meanwhile, one thing after the other."""

import random
import shutil
import signal
import sqlite3
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from running import Daemon, locked
from waiting import PATIENCE

from netwatchd.storage.schema import day_files
from soak.figures import look
from soak.options import Options
from soak.readers import OLD_DAYS, Readers

PLANTED = "flows-2020"  # what the names of planted days begin with

CONFIG = """
[storage]
commit_interval = {commit_interval}
cleanup_interval = 3 s
max_size = 100 GB
[websocket]
send_timeout = 1 s
retry_timeout = 500 ms
stats_interval = 1 s
[logging]
statistics = 1 min
"""
COMMIT_INTERVAL = 1.0  # seconds
MAX_PENDING = 50_000  # flows; its default
MOST_READ = 50 * 10**6  # bytes; to read all days of more would take too long


def config(commit_interval: str = "1 s") -> str:
    """The daemon's settings, in which everything happens often."""
    return CONFIG.format(commit_interval=commit_interval)


class Faults:
    """Makes one fault after the other, with pauses; `disk` is the small file system, where there is one."""

    def __init__(self, daemon: Daemon, readers: Readers, disk: Path | None, options: Options) -> None:
        self.daemon, self.readers, self.disk, self.pause = daemon, readers, disk, options.pause
        self.counts: Counter[str] = Counter()
        self.mistakes: list[str] = []
        self.random = random.Random(1)
        self.stopping = threading.Event()
        faults: list[Callable[[], None]] = [
            self.core_locked, self.reload, self.day_locked, self.old_days, self.long_reader, self.bad_reload,
        ]  # fmt: skip
        # First, because memory is highest when it is over, and never as low again.
        faults = [*([self.disk_full] if disk else []), *faults, *([self.killed] if options.kills else [])]
        self.dropped = 0  # flows, by those that were killed
        self.faults = [fault for fault in faults if options.only in ("", fault.__name__)]

    def run(self) -> None:
        """Goes round until told to stop."""
        while True:
            for fault in self.faults:
                if self.stopping.wait(self.pause):
                    return
                fault()
                self.counts[fault.__name__] += 1

    def today(self) -> Path:
        """The file that flows are written to now: the newest part of the day."""
        return day_files(self.daemon.state)[-1]

    def core_locked(self) -> None:
        """Another program holds the lock of core.db, for less than a busy timeout or for more."""
        with locked(self.daemon.state / "core.db"):
            self.stopping.wait(self.random.uniform(0.1, 2.0))

    def day_locked(self) -> None:
        """The same of the day's file."""
        with locked(self.today()):
            self.stopping.wait(self.random.uniform(0.1, 1.0))

    def long_reader(self) -> None:
        """Another program stays in a transaction that reads the day's file."""
        with closing(sqlite3.connect(f"{self.today().as_uri()}?mode=ro", uri=True)) as db:
            db.execute("BEGIN")
            db.execute("SELECT max(id) FROM flows").fetchall()
            self.stopping.wait(self.pause)

    def reload(self) -> None:
        """Other settings for a moment."""
        self.daemon.configure(config(commit_interval="700 ms"))
        self.daemon.signal(signal.SIGHUP)
        self.stopping.wait(1)
        self.daemon.configure(config())
        self.daemon.signal(signal.SIGHUP)

    def bad_reload(self) -> None:
        """A configuration with a mistake for a moment."""
        good = self.daemon.config.read_text()
        self.daemon.config.write_text(good + "\n[nonsense]\nkey = value\n")
        said = self.daemon.log.count("the old settings stay")
        self.daemon.signal(signal.SIGHUP)
        deadline = time.monotonic() + 10
        while self.daemon.log.count("the old settings stay") == said and time.monotonic() < deadline:
            time.sleep(0.05)
        self.daemon.config.write_text(good)

    def old_days(self) -> None:
        """Days that retention removes while they are read."""
        template = self.daemon.state.parent / "old.db"
        for day in range(1, 5):
            shutil.copy(template, self.daemon.state / f"{PLANTED}01{day:02d}.db")
        deadline = time.monotonic() + PATIENCE
        while list(self.daemon.state.glob(f"{PLANTED}*.db")) and not self.stopping.is_set():
            if self.today().stat().st_size < MOST_READ:
                self.readers.run_command(*OLD_DAYS, "--limit", "3")
            self.stopping.wait(0.1)
            if time.monotonic() > deadline:
                self.mistakes.append(f"old days were not removed within {PATIENCE} s")
                return

    def disk_full(self) -> None:
        """No space is left until the daemon cannot keep any more, or for a few seconds."""
        assert self.disk
        size = shutil.disk_usage(self.disk).total
        for spare in range(4096, 2**24, 2**18):  # what is written meanwhile must still fit
            used = shutil.disk_usage(self.disk).used + spare
            if not subprocess.run(
                ["mount", "-o", f"remount,size={used}", self.disk], capture_output=True, check=False
            ).returncode:
                break
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline and self.daemon.status()["database"]["pending"] < MAX_PENDING:
            time.sleep(0.05)
        subprocess.run(["mount", "-o", f"remount,size={size}", self.disk], check=True)

    def killed(self) -> None:
        """The daemon is killed, and started again."""
        self.readers.away = True
        self.dropped += look(self.daemon).dropped  # it forgets them
        self.daemon.kill()
        self.daemon.start()
        self.readers.away = False
