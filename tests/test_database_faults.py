"""Every fault of a database, made from outside while the whole daemon runs.

Each time: what is said, once; the live stream goes on undisturbed; what came in meanwhile is stored afterwards, once;
and the daemon ends cleanly. tests/test_storage_faults.py has what cannot be done to a process from outside.
"""

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Any

import pytest
from faults_kit import (
    DEVICE,
    FILES,
    Course,
    beheaded,
    core_of,
    course,
    damaged,
    day_of,
    locked_for,
    recovers,
    settled,
    slow,
    storage,
    waits,
    watched,
)  # fmt: skip
from running import MAC, Daemon, flow_line, locked
from waiting import eventually

Make = Callable[..., Daemon]


# Another process holds the lock.


@slow
@FILES
def test_a_lock_shorter_than_the_busy_timeout_is_waited_for_and_nothing_is_said(daemon: Make, file: Any) -> None:
    with course(daemon(storage(busy_timeout="30 s"))) as each:
        with locked_for(file(each.running), 0.5):
            each.emit()
        eventually(each.all_kept)
        assert each.database["last_error"] is None
        assert "cannot be written" not in each.running.log
        each.ends()


@slow
@FILES
def test_a_lock_shorter_than_the_three_attempts_is_waited_for_and_nothing_is_said(daemon: Make, file: Any) -> None:
    with course(daemon(storage(retry_delay="1 s"))) as each:
        with locked_for(file(each.running), 0.5):
            each.emit()
        eventually(each.all_kept)
        assert "cannot be written" not in each.running.log
        each.ends()


@FILES
def test_a_lock_longer_than_the_three_attempts_is_said_and_everything_is_kept(daemon: Make, file: Any) -> None:
    with course(daemon(storage())) as each:
        with locked(file(each.running)):
            waits(each, "another process holds its lock")
            assert len(each.running.json("flows")) == 20, "readers are not kept out"
        recovers(each)


@slow
def test_while_the_day_is_locked_the_daemon_keeps_no_lock_on_core_db(daemon: Make) -> None:
    with course(daemon(storage())) as each:
        with locked(day_of(each.running)):
            waits(each, "another process holds its lock")
            with closing(sqlite3.connect(core_of(each.running), timeout=30)) as other:
                other.execute("BEGIN IMMEDIATE")
        recovers(each)


def test_a_lock_until_max_pending_is_reached_costs_what_exceeds_it_and_that_is_counted_and_said(daemon: Make) -> None:
    with course(daemon(storage(max_pending="1000"))) as each:
        with locked(core_of(each.running)):
            each.emit(700)
            each.degraded()
            each.emit(700)
            assert each.running.status()["dropped"] == {"flows": {"storage_full": 400}}
            assert each.running.log.count("1000 events wait already (max_pending)") == 1
        each.well()
        assert each.kept() == list(range(1020)), "the oldest are kept"
        each.emit()
        eventually(lambda: len(each.kept()) == 1040)
        each.ends()


def test_more_than_max_pending_under_a_lock_does_not_hold_the_live_stream_up(daemon: Make) -> None:
    with course(daemon(storage(max_pending="1000", retry_delay="1 h"))) as each, locked(core_of(each.running)):
        each.emit(1500)  # before the second attempt, within which clients have heard everything
        assert each.database["state"] == "ok"


@slow
@pytest.mark.parametrize("busy_timeout", ["50 ms", "10 s"])
def test_a_lock_that_keeps_even_readers_out_from_the_start_to_the_end_costs_nothing(
    daemon: Make, busy_timeout: str
) -> None:
    with course(daemon(storage(busy_timeout=busy_timeout))) as each:
        running = each.running
        assert running.stop() == 0
        with closing(sqlite3.connect(core_of(running), isolation_level=None)) as other:
            other.execute("PRAGMA locking_mode = EXCLUSIVE")
            other.execute("BEGIN EXCLUSIVE")
            running.start()
            assert running.emit(*(flow_line(n) for n in range(20, 40))) == []
            assert "another process holds its lock" in each.degraded()
            assert running.stop() == 0
        running.start()
        eventually(lambda: each.kept() == list(range(40)))
        each.ends()


# Files that go away or change.


@slow
@FILES
def test_a_file_deleted_is_begun_anew(daemon: Make, file: Any) -> None:
    with course(daemon(storage())) as each:
        gone = file(each.running)
        for path in each.running.state.glob(f"{gone.name}*"):
            path.unlink()
        each.emit()
        eventually(lambda: each.kept_since(20))
        assert each.running.log.count("was deleted or replaced while in use") == 1
        each.ends()


@FILES
@pytest.mark.parametrize("suffix", ["-wal", pytest.param("-shm", marks=slow)])
@pytest.mark.parametrize("others", [pytest.param(nullcontext, marks=slow), watched], ids=["alone", "with a reader"])
def test_a_wal_or_shm_deleted_costs_nothing(daemon: Make, file: Any, suffix: str, others: Any) -> None:
    with course(daemon(storage())) as each:
        path = file(each.running)
        with others(path):
            path.with_name(path.name + suffix).unlink()
            for _ in range(2):
                each.emit()
                eventually(each.all_kept)
        assert each.running.log.count("was deleted or replaced while in use") == 1
        each.ends()
        assert each.all_kept()


def left_alone(each: Course, path: Path, other: Path, words: str) -> None:
    """A file is replaced by another one, of which that is said and nothing is changed; all is well with the old one."""
    before, away = other.read_bytes(), path.with_name("away")
    settled(path)
    shutil.copy(path, away)
    other.rename(path)
    waits(each, words)
    assert path.read_bytes() == before
    away.rename(path)
    recovers(each)


@slow
@FILES
def test_a_file_replaced_by_another_programs_database_is_left_alone_and_everything_is_kept(
    daemon: Make, file: Any
) -> None:
    with course(daemon(storage())) as each:
        path, other = file(each.running), each.running.state / "other"
        with closing(sqlite3.connect(other)) as db:
            db.execute("CREATE TABLE devices (colour)")
            db.execute("CREATE TABLE flows (colour)")
            db.execute("PRAGMA user_version = 1")
        left_alone(each, path, other, "is another program's database")


@slow
@FILES
def test_a_file_replaced_by_a_newer_netwatchds_is_left_alone_and_everything_is_kept(daemon: Make, file: Any) -> None:
    with course(daemon(storage())) as each:
        path, newer = file(each.running), each.running.state / "newer"
        with closing(sqlite3.connect(newer)) as db:
            db.execute("PRAGMA user_version = 99")
        left_alone(each, path, newer, "update netwatchd")


@FILES
@pytest.mark.parametrize("part", [pytest.param(0, marks=slow), 0.5], ids=["to nothing", "to half"])
def test_a_file_truncated_is_noticed_and_what_comes_after_is_stored(daemon: Make, file: Any, part: float) -> None:
    with course(daemon(storage())) as each:
        each.emit(3000)
        eventually(each.all_kept)
        path = file(each.running)
        settled(path)
        each.emit()
        eventually(each.all_kept)
        os.truncate(path, int(path.stat().st_size * part) // 4096 * 4096)
        each.emit()
        eventually(lambda: each.kept_since(3040))
        assert each.running.log.count("was cut short while in use") == 1
        each.emit()
        eventually(lambda: each.kept_since(3040))
        each.ends()


@FILES
@pytest.mark.parametrize("damage", [pytest.param(beheaded, marks=slow), damaged], ids=["header", "pages"])
def test_garbage_in_a_file_is_noticed_while_it_runs_and_what_comes_after_is_stored(
    daemon: Make, file: Any, damage: Callable[[Path], None]
) -> None:
    with course(daemon(storage(check_interval="200 ms"))) as each:
        each.emit(3000)
        eventually(each.all_kept)
        path = file(each.running)
        settled(path)
        damage(path)
        eventually(lambda: "is corrupt; kept as" in each.running.log)
        each.emit()
        eventually(lambda: each.kept_since(3020))
        assert each.running.log.count("is corrupt; kept as") == 1
        assert len(list(each.running.state.glob(f"{path.name}.corrupt-*"))) == 1
        each.ends()


@slow
@FILES
@pytest.mark.parametrize("damage", [beheaded, damaged], ids=["header", "pages"])
def test_garbage_in_a_file_before_the_start_is_kept_aside_and_a_new_one_is_begun(
    daemon: Make, file: Any, damage: Callable[[Path], None]
) -> None:
    with course(daemon(storage())) as each:
        each.emit(3000)
        eventually(each.all_kept)
        each.ends()
        damage(file(each.running))
        each.running.start()
        assert each.running.emit(DEVICE, flow_line(4000)) == []
        eventually(lambda: 4000 in each.kept())
        eventually(lambda: each.running.core("SELECT mac FROM devices") == [(MAC,)])
        assert each.running.log.count("is corrupt; kept as") == 1
        each.ends()
