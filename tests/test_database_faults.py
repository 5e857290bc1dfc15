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
from conftest import needs_compiler, needs_root
from faults_kit import (
    DEVICE,
    Course,
    beheaded,
    course,
    damaged,
    immutable,
    inserted,
    locked_for,
    settled,
    storage,
    watched,
)  # fmt: skip
from running import MAC, Daemon, fill, flow_line, join, locked, rows, small_disk
from shim import Shim
from waiting import eventually

Make = Callable[..., Daemon]


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


@slow
@FILES
def test_a_file_replaced_by_another_programs_database_is_left_alone_and_everything_is_kept(
    daemon: Make, file: Any
) -> None:
    with course(daemon(storage())) as each:
        path, other, away = file(each.running), each.running.state / "other", each.running.state / "away"
        with closing(sqlite3.connect(other)) as db:
            db.execute("CREATE TABLE devices (colour)")
            db.execute("CREATE TABLE flows (colour)")
            db.execute("PRAGMA user_version = 1")
        before = other.read_bytes()
        settled(path)
        shutil.copy(path, away)
        other.rename(path)
        waits(each, "is another program's database")
        assert path.read_bytes() == before
        away.rename(path)
        recovers(each)


@slow
@FILES
def test_a_file_replaced_by_a_newer_netwatchds_is_left_alone_and_everything_is_kept(daemon: Make, file: Any) -> None:
    with course(daemon(storage())) as each:
        path = file(each.running)
        newer, away = each.running.state / "newer", each.running.state / "away"
        with closing(sqlite3.connect(newer)) as db:
            db.execute("PRAGMA user_version = 99")
        before = newer.read_bytes()
        settled(path)
        shutil.copy(path, away)
        newer.rename(path)
        waits(each, "update netwatchd")
        assert path.read_bytes() == before
        away.rename(path)
        recovers(each)


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


# Disks.


@needs_root
@FILES
def test_a_file_made_read_only_is_waited_for(daemon: Make, file: Any) -> None:
    with course(daemon(storage())) as each:
        path = file(each.running)
        with immutable(path, path.with_name(path.name + "-wal")):
            waits(each, "make the file system writable")
        recovers(each)


@slow
@needs_root
def test_a_directory_that_cannot_be_written_when_a_day_begins_is_waited_for(daemon: Make) -> None:
    with daemon(storage()) as running, running.client() as client:
        join(client)
        running.emit(DEVICE)
        eventually(lambda: running.core("SELECT mac FROM devices"))
        each = Course(running, client)
        with immutable(running.state):
            waits(each, "the directory's permissions")
        recovers(each)


@needs_root
def test_a_full_disk_is_waited_for(daemon: Make) -> None:
    small = daemon(storage())
    with small_disk(small.state), course(small) as each:
        ballast = fill(small.state)
        each.emit(2000)
        assert "free some space" in each.degraded()
        each.emit(2000)
        ballast.unlink()
        recovers(each)


@slow
@needs_root
def test_a_disk_that_is_full_at_the_end_costs_nothing_either(daemon: Make) -> None:
    small = daemon(storage())
    with small_disk(small.state), course(small) as each:
        ballast = fill(small.state)
        each.emit(2000)
        each.degraded()
        assert small.stop() == 0
        assert (small.run / "spool.jsonl").exists()
        ballast.unlink()
        small.start()
        eventually(each.all_kept)
        each.ends()


@slow
@needs_root
def test_a_card_pulled_out_and_put_in_again_is_waited_for(daemon: Make) -> None:
    carded = daemon(storage())
    with inserted(carded.state) as card, course(carded) as each:
        card.pull_out()
        waits(each, "check the disk")
        card.take_away()
        card.put_in()
        recovers(each)


@needs_compiler
@pytest.mark.parametrize("call", [pytest.param("write", marks=slow), "fsync", pytest.param("read", marks=slow)])
@FILES
def test_io_errors_are_waited_for_and_are_no_reason_to_put_a_file_aside(
    daemon: Make, short: Path, call: str, file: Any
) -> None:
    shim = Shim(short)
    with course(daemon(storage(), **shim.environment)) as each:
        path = file(each.running)
        with shim.failing(call, path.name):
            path.with_name(path.name + "-shm").unlink()  # so that it is opened anew, and so read
            waits(each, "check the disk")
            assert shim.failed
        recovers(each)
        assert not list(each.running.state.glob("*.corrupt-*"))


@needs_compiler
@slow
@FILES
def test_pages_that_cannot_be_read_are_not_taken_for_broken_ones(daemon: Make, short: Path, file: Any) -> None:
    shim = Shim(short)
    with course(daemon(storage(check_interval="100 ms"), **shim.environment)) as each:
        each.emit(1000)
        eventually(each.all_kept)
        path = file(each.running)
        settled(path)
        with shim.failing("read", path.name, beyond=4096):
            eventually(lambda: shim.failed > 3)
            path.with_name(path.name + "-shm").unlink(missing_ok=True)
            each.emit()
            eventually(lambda: shim.failed > 20)
        each.well()
        each.emit()
        eventually(each.all_kept)
        assert not list(each.running.state.glob("*.corrupt-*"))
        each.ends()


# The clock.

HOUR, DAY, YEAR = 3600, 86400, 365 * 86400


@needs_compiler
@pytest.mark.parametrize("leap", [-HOUR, -3 * DAY, YEAR], ids=["an hour back", "days back", "a year ahead"])
def test_a_clock_that_leaps_loses_no_flow_and_no_day_and_turns_nobody_offline(
    daemon: Make, short: Path, leap: int
) -> None:
    shim = Shim(short)
    with course(daemon(storage() + "[devices]\noffline_after = 10 min\n", **shim.environment)) as each:
        days = sorted(each.running.state.glob("flows-*.db"))
        for off in (leap, 0, leap, 0):
            shim.leap(off)
            each.emit()
            eventually(each.all_kept)
            assert each.running.status()["online"] == 1
        assert set(days) <= set(each.running.state.glob("flows-*.db"))
        recovered_at = rows(core_of(each.running), "SELECT status FROM devices")
        assert recovered_at == [("online",)]
        each.ends()
