"""Who looks at the files from outside: what was committed when, and what must be there after a crash.

Flows are numbered in the order in which they are handed in, 1000 bytes each for the device of MAC.
"""

import json
import sqlite3
import threading
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from running import MAC, Daemon, rows
from waiting import eventually

DEVICE = {"type": "device", "mac": MAC, "ip": "192.168.1.5", "hostname": "laptop"}
MARKS = ("settled", "rolled")


@dataclass(frozen=True)
class Held:
    """What a state directory holds, as another program sees it: flows are numbered in the order of their arrival."""

    flows: int = 0
    devices: int = 0
    sightings: int = 0  # of all threats together

    def __le__(self, other: "Held") -> bool:
        return self.flows <= other.flows and self.devices <= other.devices and self.sightings <= other.sightings


def numbers_in(state: Path) -> list[int]:
    """The numbers of the flows in all files of a directory."""
    query = "SELECT src_port + (dst_port - 1) * 60000 FROM flows"
    return [number for path in sorted(state.glob("flows-*.db")) for (number,) in rows(path, query)]


def numbers_in_spool(state: Path) -> list[int]:
    """The numbers of the flows that wait in the spool."""
    spool = state / "spool.jsonl"
    lines = [json.loads(line) for line in spool.read_text().splitlines() if line] if spool.exists() else []
    flows = [line["flow"] for line in lines if "flow" in line]
    return [flow[4] + (flow[6] - 1) * 60000 for flow in flows]


def introduce(daemon: Daemon) -> None:
    """Makes the device of all flows known, before the first of them comes."""
    query = f"SELECT 1 FROM devices WHERE mac = '{MAC}'"
    if not daemon.core(query):
        daemon.emit(DEVICE)
        eventually(lambda: daemon.core(query))


class Witness:
    """A reader that knows nothing of netwatchd, and what it saw at which steady time (ns)."""

    def __init__(self, state: Path) -> None:
        self._state = state
        self.saw: list[tuple[int, Held]] = [(0, Held())]
        self._ending = threading.Event()
        self._failure: sqlite3.Error | None = None
        self._thread = threading.Thread(target=self._look_on)

    def __enter__(self) -> "Witness":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join()
        assert self._failure is None, f"a reader was not served: {self._failure!r}"

    def look(self) -> Held:
        """What is there now."""
        core = self._state / "core.db"
        held = Held(
            sum(_flows_after(path, 0) for path in self._state.glob("flows-*.db")),
            *(rows(core, "SELECT count(*) FROM devices") or [(0,)])[0],
            *(rows(core, "SELECT total(count) FROM threats") or [(0,)])[0],
        )
        self.saw.append((time.monotonic_ns(), held))
        return held

    def had_seen(self, moment: int) -> Held:
        """What was committed at a steady time, for all that it could tell."""
        return next(held for time, held in reversed(self.saw) if time < moment)

    def _look_on(self) -> None:
        while self._failure is None and not self._ending.wait(0.02):
            try:
                self.look()
            except sqlite3.Error as error:
                # Who may only read is refused for the moment in which a crash is being recovered from.
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_READONLY:
                    self._failure = error


def check(state: Path, committed: Held, spooled: int) -> list[int]:
    """That plain SQLite finds the files of a directory sound, and in them, or in the spool, all that was committed.

    Returns the numbers of the flows that are there.
    """
    for path in state.glob("*.db"):
        with closing(sqlite3.connect(path)) as db:
            assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)], path
    numbers, waiting = numbers_in(state), numbers_in_spool(state)
    assert len(set(numbers)) == len(numbers), "a flow is there twice"
    everything = sorted({*numbers, *waiting})
    assert everything == list(range(len(everything))), "what is missing is the newest, without holes"
    assert len(everything) >= spooled, "a complete spool is there until it is read back"
    core = state / "core.db"
    held = Held(
        len(numbers),
        *(rows(core, "SELECT count(*) FROM devices") or [(0,)])[0],
        *(rows(core, "SELECT total(count) FROM threats") or [(0,)])[0],
    )
    assert committed <= held, "what was committed is there"
    if waiting:
        assert committed.flows <= waiting[-1] + 1, "a spool is gone before anything is committed after it"
    else:
        check_totals(state, len(numbers))
    return everything


def check_totals(state: Path, flows: int) -> None:
    """That what is stored of totals and roll-ups, and the flows after what they hold, make up all flows."""
    core = state / "core.db"
    meta = dict(rows(core, "SELECT key, value FROM meta"))
    later = {key: sum(_flows_after(path, int(meta.get(key, 0))) for path in state.glob("flows-*.db")) for key in MARKS}
    stored = rows(core, f"SELECT bytes_in / 1000 FROM devices WHERE mac = '{MAC}'")
    if stored:
        assert stored[0][0] + later["settled"] == flows, "the totals of the devices"
    if "rolled" in meta:
        assert rows(core, "SELECT sum(flows) FROM rollups")[0][0] + later["rolled"] == flows, "the roll-ups"


def _flows_after(path: Path, event_id: int) -> int:
    counted: list[tuple[int]] = rows(path, f"SELECT count(*) FROM flows WHERE id > {event_id}")
    return counted[0][0] if counted else 0
