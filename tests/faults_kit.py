"""A daemon at work under faults that are made from outside, and the account of what it was given, told and kept."""

import fcntl
import os
import sqlite3
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from running import MAC, Daemon, flow_line, join, rows, until
from waiting import eventually
from websockets.sync.client import ClientConnection

QUICK = {"commit_interval": "50 ms", "busy_timeout": "50 ms", "retry_delay": "50 ms"}
DEVICE = {"type": "device", "mac": MAC, "ip": "192.168.1.5", "hostname": "laptop"}
THREAT = {"type": "threat", "kind": "port_scan", "description": "it scanned", "device": MAC}
PART = 500  # flows at once: they fit into a client's queue
EXT4_IOC_SHUTDOWN = 0x8004587D  # fs/ext4/ext4.h: _IOR('X', 125, __u32)
NO_LOG_FLUSH = 2


def storage(**settings: str) -> str:
    """The section [storage], in which nothing waits for longer than a test is about."""
    return "[storage]\n" + "".join(f"{key} = {value}\n" for key, value in (QUICK | settings).items())


def number_of(flow: dict[str, Any]) -> int:
    """The number of a flow that `flow_line` made."""
    return int(flow["src_port"]) + (int(flow["dst_port"]) - 1) * 60000


class Course:
    """One daemon that is fed, and one client that must hear all of it, once and in order."""

    def __init__(self, running: Daemon, client: ClientConnection) -> None:
        self.running = running
        self.sent = 0
        self.threats = 0  # how many threats were handed in, each with a target of its own
        self._client = client

    def emit(self, count: int = 20) -> None:
        """Hands in a threat, and flows, and waits until the client was told of each, once and in order."""
        assert self.running.emit(THREAT | {"target": f"192.0.2.{self.threats}"}) == []
        self.threats += 1
        for first in range(self.sent, self.sent + count, PART):
            numbers = list(range(first, min(first + PART, self.sent + count)))
            assert self.running.emit(*map(flow_line, numbers)) == []
            told = []
            while len(told) < len(numbers):
                message = until(self._client, lambda message: message["type"] in ("flow_update", "gap"))
                assert message["type"] == "flow_update", message
                told.append(number_of(message["flow"]))
            assert told == numbers
        self.sent += count

    def kept(self) -> list[int]:
        """The numbers of the flows in all files; none while a file cannot be read."""
        try:
            return sorted(row[4] + (row[6] - 1) * 60000 for row in self.running.flows())
        except sqlite3.DatabaseError:
            return []

    def knows_everything(self) -> bool:
        """Whether the device and the threats are in core.db, each once."""
        handed_in = (
            "SELECT count(*), sum(count) FROM threats WHERE kind = 'port_scan'"  # thousands of flows are a flood
        )
        try:
            return self.running.core(f"SELECT mac, found.* FROM devices, ({handed_in}) AS found") == [
                (MAC, self.threats, self.threats)
            ]
        except sqlite3.DatabaseError:
            return False

    def all_kept(self) -> bool:
        """Whether all that was handed in is stored, each once."""
        return self.kept() == list(range(self.sent)) and self.knows_everything()

    def kept_since(self, first: int) -> bool:
        """Whether the flows from a number on are stored, and everything that is known."""
        return set(self.kept()) >= set(range(first, self.sent)) and self.knows_everything()

    @property
    def database(self) -> dict[str, Any]:
        """What the daemon says of its database."""
        found: dict[str, Any] = self.running.status()["database"]
        return found

    def degraded(self) -> str:
        """Waits until the daemon says that the database cannot be written; returns the reason."""
        reason = eventually(lambda: self.database["reason"])
        assert self.running.log.count("cannot be written: ") == 1
        return str(reason)

    def well(self) -> None:
        """Waits until all is stored, and until the daemon says so."""
        eventually(lambda: (found := self.database)["state"] == "ok" and not found["pending"])

    def ends(self) -> None:
        """The daemon ends as it should, and leaves sound files and no spool."""
        assert self.running.stop() == 0, self.running.log
        assert "Traceback" not in self.running.log
        assert not list(self.running.state.parent.glob("*/spool*"))
        for path in self.running.state.glob("*.db"):
            assert rows(path, "PRAGMA integrity_check") == [("ok",)], path


@contextmanager
def course(running: Daemon) -> Iterator[Course]:
    """Starts a daemon with a client, a device, and some flows that are stored."""
    with running, running.client() as client:
        join(client)
        running.emit(DEVICE)
        each = Course(running, client)
        try:
            each.emit()
            eventually(lambda: each.all_kept() and each.database["pending"] == 0)
            yield each
        finally:
            print(running.log)


def damaged(path: Path) -> None:
    """Overwrites a file in place, from its second half on."""
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(size // 2)
        file.write(os.urandom(size - size // 2))


def beheaded(path: Path) -> None:
    """Overwrites the header of a file in place."""
    with path.open("r+b") as file:
        file.write(os.urandom(100))


def settled(path: Path) -> None:
    """Moves what the -wal of a database holds into its file, as another program may."""
    with closing(sqlite3.connect(path, timeout=10)) as db:
        assert db.execute("PRAGMA wal_checkpoint(FULL)").fetchone()[0] == 0


# Run by another process: keeps a database open for reading until its input ends, as a dashboard does.
READ = """
import sqlite3, sys
db = sqlite3.connect("file:" + sys.argv[1] + "?mode=ro", uri=True)
db.execute("SELECT * FROM sqlite_schema").fetchall()
print("reading", flush=True)
sys.stdin.read()
"""


@contextmanager
def watched(path: Path) -> Iterator[None]:
    """Another process reads a database, and keeps it open."""
    command = [sys.executable, "-c", READ, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout and process.stdout.readline() == b"reading\n"
        yield
        process.communicate()


# Run by another process: keeps a lock for so many seconds.
LOCK_FOR = """
import sqlite3, sys, time
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("PRAGMA busy_timeout = 10000")
db.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
time.sleep(float(sys.argv[2]))
"""


@contextmanager
def locked_for(path: Path, seconds: float) -> Iterator[None]:
    """Another process takes the write lock of a database, and lets go of it after some time; then this ends."""
    command = [sys.executable, "-c", LOCK_FOR, str(path), str(seconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout and process.stdout.readline() == b"locked\n"
        yield


@contextmanager
def immutable(*paths: Path) -> Iterator[None]:
    """Files or directories that nobody may change, not even root."""
    if subprocess.run(["chattr", "+i", *paths], capture_output=True, check=False).returncode:
        pytest.skip("needs a file system that knows immutable files")
    try:
        yield
    finally:
        subprocess.run(["chattr", "-i", *paths], check=True)


class Card:
    """A file system of its own on a loop device, which can be pulled out and put in again, like a memory card."""

    def __init__(self, image: Path, place: Path) -> None:
        self._image, self._place = image, place
        with image.open("wb") as file:
            file.truncate(16 * 2**20)
        subprocess.run(["mkfs.ext4", "-q", image], check=True)

    def put_in(self) -> None:
        """Mounts it."""
        if subprocess.run(["mount", "-o", "loop", self._image, self._place], check=False).returncode:
            pytest.skip("needs loop devices")

    def pull_out(self) -> None:
        """From now on, all that asks the card gets an I/O error, and what was not synced is lost."""
        fd = os.open(self._place, os.O_RDONLY)
        try:
            fcntl.ioctl(fd, EXT4_IOC_SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
        finally:
            os.close(fd)

    def take_away(self) -> None:
        """Unmounts it, whoever uses it."""
        subprocess.run(["umount", "--lazy", self._place], check=True)


@contextmanager
def inserted(place: Path) -> Iterator[Card]:
    """A card mounted at a place where nothing can be written without it."""
    place.mkdir()
    with immutable(place):
        card = Card(place.with_name("card"), place)
        card.put_in()
        try:
            yield card
        finally:
            card.take_away()


def day_of(running: Daemon) -> Path:
    """The file of the day that is written now."""
    return sorted(running.state.glob("flows-*.db"))[-1]


def core_of(running: Daemon) -> Path:
    return running.state / "core.db"


slow = pytest.mark.slow
FILES = pytest.mark.parametrize("file", [core_of, pytest.param(day_of, marks=slow)], ids=["core", "day"])


def waits(each: Course, words: str) -> None:
    """While the fault lasts: the verdict is said once, clients hear everything, and everything is kept."""
    each.emit()
    assert words in each.degraded()
    each.emit()
    assert each.database["pending"] >= 40


def recovers(each: Course) -> None:
    """After the fault: everything is stored, each once, it is said once, and nothing was dropped."""
    each.well()
    each.emit()
    eventually(each.all_kept)
    log = each.running.log
    assert log.count("cannot be written: ") == log.count("can be written again") == 1
    assert each.running.status()["dropped"] == {}
    each.ends()
