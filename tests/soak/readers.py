"""Who reads the databases meanwhile: the command line, a process each time, and plain SQLite."""

import json
import sqlite3
import threading
import time
from contextlib import closing
from dataclasses import dataclass, field

from running import Daemon

from netwatchd.storage.schema import day_files

VERBS = (
    ("status",), ("devices",), ("flows", "--limit", "20"), ("threats",), ("top", "--since", "5 s"),
    ("flows", "--since", "1 s", "--limit", "500"), ("top", "port", "--since", "2 s"), ("devices", "--online"),
    ("flows", "--since", "2020-01-01", "--limit", "10"), ("top", "destination", "--since", "2 s"),
)  # fmt: skip
OLD_DAYS = ("top", "--since", "2020-01-01")  # reads every day, also those that are just being removed
PAUSE = 0.3  # seconds between two readings


@dataclass
class Readers:
    """What the readers have met; `mistakes` are what no user should ever see."""

    daemon: Daemon
    mistakes: list[str] = field(default_factory=list)
    commands: int = 0
    queries: int = 0
    slowest: float = 0.0
    away: bool = False  # the daemon is being killed and started: `status` may say that nobody answers
    stopping: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        # A copy, which stays as it is when the daemon's own is changed under its feet.
        self.config = self.daemon.config.with_name("reader.ini")
        self.config.write_text(self.daemon.config.read_text())

    def run_commands(self) -> None:
        """Runs one verb after the other until told to stop."""
        while not self.stopping.wait(PAUSE):
            self.run_command(*VERBS[self.commands % len(VERBS)])

    def run_command(self, *verb: str) -> None:
        """Runs a verb once."""
        away, begun = self.away, time.monotonic()
        answer = self.daemon.cli(*verb, "--json", "--config", str(self.config))
        self.slowest = max(self.slowest, time.monotonic() - begun)
        self.commands += 1
        if verb[0] == "status" and (away or self.away):
            return
        try:
            if not isinstance(json.loads(answer.stdout), dict if verb[0] == "status" else list):
                self.mistakes.append(f"{verb} printed {answer.stdout[:100]}")
        except ValueError:
            self.mistakes.append(f"{verb} printed no JSON: {answer.stdout[:100]!r}")
        # More flows than are read one by one came within these seconds: it says so, and counts the whole hour.
        said = answer.stderr if "whole hours only" not in answer.stderr else ""
        if answer.returncode or said:
            self.mistakes.append(f"{verb} ended with {answer.returncode}: {answer.stderr[-300:]}")

    def query(self) -> None:
        """Reads with plain SQLite, as dashboards do, until told to stop."""
        while not self.stopping.wait(PAUSE / 3):
            for path in [self.daemon.state / "core.db", *day_files(self.daemon.state)[-1:]]:
                query = (
                    "SELECT count(*), sum(count) FROM threats"
                    if path.name == "core.db"
                    else "SELECT * FROM flows_readable ORDER BY id DESC LIMIT 50"
                )
                try:
                    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as db:
                        # A file that was begun a moment ago has no tables yet.
                        if db.execute("PRAGMA user_version").fetchone()[0]:
                            db.execute(query).fetchall()
                except sqlite3.Error as error:
                    self.mistakes.append(f"{query} of {path.name}: {error}")
                self.queries += 1
