"""A power cut at any moment, with any part of what was not synced on the disk: nothing that was committed is lost."""

import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from recorded_disk import Call, cuts, moments_between_syncs, needs_compiler, read_record, recording, shift_clock
from running import MAC, Daemon, flow_line, locked, rows
from waiting import eventually
from witness import Held, Witness, check, introduce, numbers_in

pytestmark = needs_compiler
INTERVAL = 3
SLOWNESS = 10.0  # seconds by which a machine that has a lot else to do may be late
PACE = 0.1  # seconds between two batches
CONFIG = f"[storage]\ncommit_interval = {INTERVAL} s\nbusy_timeout = 50 ms\n"
DAY = 86400
FLOWS_A_DAY = 300


class Life:
    """A daemon that is fed numbered flows, devices and threats while everything that it writes is recorded."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        record = directory / "record"
        record.mkdir()
        self._record = record
        # Whoever closes a database last writes to it, so that the other process is recorded, too.
        self._recording = recording(record, directory / "lib")
        # The clock alone: who starts on its files later must not find it set back.
        self.clock = {key: self._recording[key] for key in ("LD_PRELOAD", "SHIFTED_CLOCK")}
        self.daemon = Daemon(directory, CONFIG, **self._recording)
        self.sent = self._batches = 0
        self.handed_in: list[tuple[int, int]] = []  # at which steady time (ns) so many flows were
        self.spooled_at: list[tuple[int, int]] = []  # (steady ns, flows) that were handed in when a spool was complete
        self.witness = Witness(self.daemon.state)

    def feed(self, batches: int, size: int) -> None:
        """Hands in flows, with a new device and two threats in each batch, so that commits are frequent."""
        for _ in range(batches):
            batch = self._batches = self._batches + 1
            device = {"type": "device", "mac": f"a4:83:e7:01:{batch >> 8:02x}:{batch & 255:02x}", "ip": "10.0.0.1"}
            threat = {"type": "threat", "kind": "port_scan", "description": "it scanned"}
            introduce(self.daemon)
            self._emit(size, device, threat, threat | {"target": str(batch)})
            threading.Event().wait(PACE)

    def _emit(self, size: int, *others: dict[str, str]) -> None:
        flows = [flow_line(n) for n in range(self.sent, self.sent + size)]
        assert self.daemon.emit(*others, *flows) == []
        self.sent += size
        self.handed_in.append((time.monotonic_ns(), self.sent))

    def stop(self, size: int) -> None:
        """Stops it while flows wait for their commit, which is then one with the totals that hold them."""
        self.wait_until_stored()
        self._emit(size)
        assert self.daemon.stop() == 0

    def wait_until_stored(self) -> None:
        """Waits until all that was handed in is committed."""
        eventually(lambda: self.witness.look().flows == self.sent)

    def stop_while_locked(self, batches: int, size: int) -> None:
        """Stops it while another process holds core.db, so that what waits is spooled."""
        with locked(self.daemon.state / "core.db", **self._recording):
            self.feed(batches, size)
            assert self.daemon.stop() == 0
        self.spooled_at.append((time.monotonic_ns(), self.sent))

    def calls(self) -> list[Call]:
        """What it did."""
        return read_record(self._record)

    def shift_clock(self, seconds: float) -> None:
        """Sets the daemon's wall clock wrong."""
        shift_clock(self._record, seconds)


def start_on(state: Path, stored: list[int], committed: Held, clock: dict[str, str]) -> None:
    """That the daemon comes up on a directory, tells the truth of all that is in it, and goes on."""
    with Daemon(state.parent, CONFIG, **clock) as running:
        assert running.status()["database"]["state"] == "ok"
        assert not list(running.state.glob("spool*"))
        assert sorted(numbers_in(running.state)) == stored, "each flow is there once, what was spooled as well"
        last = max((row[0] for row in running.flows()), default=0)
        introduce(running)
        new = {"type": "device", "mac": "a4:83:e7:02:00:01", "ip": "10.0.0.2"}  # is committed soon, and all with it
        running.emit(*(flow_line(len(stored) + n) for n in range(10)), new)
        eventually(lambda: len(running.flows()) == len(stored) + 10)
        assert sorted(row[0] for row in running.flows())[-10] > last, "ids go on rising"
        assert running.stop() == 0
        assert not any(path.stat().st_size for path in running.state.glob("*-wal")), "no day waits to be finished"
        flows = len(stored) + 10
        assert running.core(f"SELECT bytes_in / 1000 FROM devices WHERE mac = '{MAC}'") == [(flows,)]
        assert running.core("SELECT sum(bytes_in) / 1000, sum(flows) FROM rollups") == [(flows, flows)]
        assert committed.sightings <= running.core("SELECT total(count) FROM threats")[0][0]
        assert committed.devices <= running.core("SELECT count(*) FROM devices")[0][0]
        assert "Traceback" not in running.log
        assert "corrupt" not in running.log


def cut_the_power(life: Life, scratch: Callable[[int], Path], seed: int, how_many: int, starts: int) -> None:
    """Rebuilds the disk at many moments, and looks at each with plain SQLite, at some with the daemon, too."""
    calls, chance = life.calls(), random.Random(seed)
    moments = moments_between_syncs(calls, chance, how_many)
    started = set(chance.sample(range(how_many), starts // 2))
    with_spool = starts - starts // 2  # so many, of those that have one
    oldest_lost = 0.0
    for number, (moment, disk) in enumerate(cuts(calls, life.daemon.state, moments)):
        state = scratch(number) / "lib"
        disk.after_a_cut(seed * 1_000_000 + number, state)
        committed = life.witness.had_seen(moment)
        spooled = max((flows for time, flows in life.spooled_at if time < moment), default=0)
        with_spool -= (state / "spool.jsonl").exists()
        try:
            stored = check(state, committed, spooled)
            lost = [moment - at for at, flows in life.handed_in if flows > len(stored) and at < moment]
            oldest_lost = max([oldest_lost, *(age / 1e9 for age in lost)])
            assert oldest_lost < INTERVAL + SLOWNESS, "nothing older than the commit interval is lost"
            if number in started or (with_spool >= 0 and (state / "spool.jsonl").exists()):
                start_on(state, stored, committed, life.clock)
        except BaseException as error:
            error.add_note(f"cut {number} of seed {seed}, after {moments[number]} of {len(calls)} calls: {state}")
            raise
    print(f"the oldest of the lost flows was {oldest_lost:.2f} s old; the commit interval is {INTERVAL} s")


@pytest.fixture
def scratch(tmp_path: Path) -> Callable[[int], Path]:
    """A new directory for each cut."""

    def make(number: int) -> Path:
        path = tmp_path / str(number)
        path.mkdir()
        return path

    return make


def test_after_a_power_cut_at_any_moment_of_a_short_life_all_that_was_committed_is_there(
    short: Path, scratch: Callable[[int], Path]
) -> None:
    life = Life(short)
    with life.daemon as running, life.witness:
        life.feed(2, 50)
        life.wait_until_stored()
        life.stop_while_locked(1, 50)
        running.start()
        life.feed(6, 50)
        life.stop(50)
    cut_the_power(life, scratch, seed=1, how_many=40, starts=1)


# A store that keeps two days, while a reader keeps what is in the -wal of each from being moved into its file.
KEEP_TWO_DAYS = f"""
import sqlite3, sys, time
from pathlib import Path
from store_kit import DAY, NOON, flow, storing
from waiting import eventually
from netwatchd.storage.durable import make_directory

state, readers = Path(sys.argv[1]), []
make_directory(state)
with storing(state, retention=86400) as store:
    for day in range(6):
        store.add_flows([flow(n, NOON + DAY * day) for n in range({FLOWS_A_DAY})])
        eventually(lambda: store.counters["stored.flows"] == {FLOWS_A_DAY} * (day + 1))
        readers.append(sqlite3.connect(store.connection.day_files()[-1]))
        readers[-1].execute("SELECT count(*) FROM flows").fetchone()
        print("stored", time.monotonic_ns(), store.connection.day_files()[-1].name, flush=True)
        oldest = store.connection.day_files()[0].name
        now = time.monotonic_ns()
        if store.cleanup_old_data(NOON + DAY * day):
            print("removed", now, oldest, flush=True)
"""


def test_after_a_power_cut_a_day_is_there_whole_until_it_is_removed_whole(
    short: Path, scratch: Callable[[int], Path]
) -> None:
    record, state = short / "record", short / "lib"
    record.mkdir()
    environment = os.environ | recording(record, state) | {"PYTHONPATH": str(Path(__file__).parent)}
    command = [sys.executable, "-c", KEEP_TWO_DAYS, str(state)]
    said = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    happened = [(what, int(moment), name) for what, moment, name in map(str.split, said.splitlines())]
    assert [what for what, _, _ in happened].count("removed") >= 3
    calls, chance = read_record(record), random.Random(1)
    for number, (moment, disk) in enumerate(cuts(calls, state, moments_between_syncs(calls, chance, 60))):
        found = scratch(number) / "lib"
        disk.after_a_cut(number, found)
        removed = {name for what, at, name in happened if what == "removed" and at < moment}
        for name in {name for what, at, name in happened if what == "stored" and at < moment}:
            if name not in removed or (found / name).exists():
                assert rows(found / name, "PRAGMA integrity_check") == [("ok",)]
                assert rows(found / name, "SELECT count(*) FROM flows") == [(FLOWS_A_DAY,)], name


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_after_a_power_cut_at_any_moment_of_a_long_life_all_that_was_committed_is_there(
    short: Path, scratch: Callable[[int], Path], seed: int
) -> None:
    life = Life(short)
    with life.daemon as running, life.witness:
        life.feed(10, 100)
        life.stop(100)
        running.start()
        life.feed(60, 1000)  # until the -wal is long enough for a checkpoint
        life.wait_until_stored()
        life.stop_while_locked(5, 1000)
        running.start()
        life.feed(10, 100)
        life.wait_until_stored()
        life.shift_clock(DAY)  # another day begins
        life.feed(20, 100)
        life.stop(100)
        running.start()
        life.stop_while_locked(1, 100)
        running.start()
        life.shift_clock(2 * DAY)
        life.feed(20, 100)
        life.stop(100)
        running.start()
        life.feed(20, 100)
        life.wait_until_stored()
    cut_the_power(life, scratch, seed, how_many=200, starts=8)
