"""Faults of the disk and of the clock, made from outside while the whole daemon runs, as in test_database_faults.py."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from conftest import needs_compiler, needs_root
from faults_kit import (
    DEVICE,
    FILES,
    Course,
    core_of,
    course,
    immutable,
    inserted,
    recovers,
    settled,
    slow,
    storage,
    waits,
)  # fmt: skip
from running import Daemon, fill, join, rows, small_disk
from shim import Shim
from waiting import eventually

Make = Callable[..., Daemon]


# Disks.


@needs_root
@FILES
def test_a_file_made_read_only_is_waited_for(daemon: Make, file: Any) -> None:
    with course(daemon(storage())) as each:
        path = file(each.running)
        with immutable(path, path.with_name(path.name + "-wal")):
            waits(each, "make the file system writable, or give the files to the user")
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


def day_ago(running: Daemon, days: int) -> Path:
    """The file of a day long ago, as an earlier run may have left it."""
    day = datetime.now(UTC) - timedelta(days)
    path = running.state / f"flows-{day:%Y%m%d}.db"
    running.state.mkdir(exist_ok=True)
    path.touch()
    return path


@needs_compiler
@pytest.mark.parametrize(
    "leap",
    [pytest.param(-HOUR, marks=slow), pytest.param(-3 * DAY, marks=slow), YEAR],
    ids=["an hour back", "days back", "a year ahead"],
)
def test_a_clock_that_leaps_loses_no_flow_and_no_day_and_turns_nobody_offline(
    daemon: Make, short: Path, leap: int
) -> None:
    shim = Shim(short)
    settings = storage(check_interval="200 ms", cleanup_interval="200 ms") + "[devices]\noffline_after = 10 min\n"
    leaping = daemon(settings, **shim.environment)
    past, old = day_ago(leaping, 20), day_ago(leaping, 40)
    with course(leaping) as each:
        eventually(lambda: not old.exists())  # what is beyond the retention goes, as long as the clock is right
        for off in (leap, 0, leap, 0):
            shim.leap(off)
            each.emit()
            eventually(each.all_kept)
            if abs(off) > HOUR:
                eventually(lambda: "no old flows are removed while the clock is not known" in each.running.log)
            assert each.running.status()["online"] == 1
        assert past.exists()
        assert rows(core_of(each.running), "SELECT status FROM devices") == [("online",)]
        assert "was deleted or replaced" not in each.running.log
        past.unlink()
        each.ends()
