"""How long there is room: from real growth, what ends it first, and nothing said while nothing is known."""

import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import needs_compiler, needs_root
from running import MAC, Daemon, flow_line, small_disk
from shim import Shim
from store_kit import flow, storing
from waiting import eventually

from netwatchd import budget
from netwatchd.budget import DAY, Limits, Period, Sizes, days_text, forecast
from netwatchd.clock import now
from netwatchd.storage.wear import DiskMeter, Growth, day_of, sizes

Make = Callable[..., Daemon]
MB, GB = 10**6, 10**9
HOUR = 3600.0
LIMITS = Limits(size=2 * GB, part=125 * MB, retention=30, hourly=90)
TODAY = "20261123"


def days(*megabytes: int) -> dict[str, int]:
    """Days of flows before today, the oldest first."""
    return {f"202611{23 - len(megabytes) + n:02}": size * MB for n, size in enumerate(megabytes)}


def told(flows: dict[str, int], *periods: Period, free: int | None = 50 * GB, **changes: Any) -> dict[str, Any]:
    here = Sizes(10 * MB, flows, free)
    return forecast(here, 10 * MB + sum(flows.values()), TODAY, periods, LIMITS._replace(**changes))


def test_in_the_first_hours_nothing_is_said() -> None:
    for seconds in (0.0, 1.0, 5.9 * HOUR):
        found = told({TODAY: 400 * MB}, Period(seconds, 900 * MB, 90 * MB, 400 * MB))
        assert [found[key] for key in ("growth", "written_a_day", "first", "days", "at", "warning")] == [None] * 6
        assert found["text"].startswith("how long there is room is not known yet")


def test_the_growth_is_that_of_the_last_whole_days() -> None:
    # Neither today, which goes on, nor the oldest, which may have begun late; of nine the last seven.
    assert told(days(1, 900, 40, 40, 40, 40, 40, 40, 40) | {TODAY: 500 * MB})["growth"] == 40 * MB
    assert told(days(1, 30) | {TODAY: MB})["growth"] == 30 * MB


def test_before_there_is_a_whole_day_it_is_what_was_measured_and_so_is_core_db() -> None:
    found = told({TODAY: 20 * MB}, Period(12 * HOUR, 6 * MB, MB, 20 * MB))
    assert (found["growth"], found["written_a_day"]) == (42 * MB, 12 * MB)
    # Of several periods their mean, in the time that it ran.
    found = told(days(1, 30), Period(DAY, 8 * MB, 2 * MB, 0), Period(DAY, 4 * MB, 0, 0))
    assert (found["growth"], found["written_a_day"]) == (31 * MB, 6 * MB)
    # What became smaller does not count as room to come.
    assert told(days(1, 30), Period(DAY, 0, -500 * MB, 0))["growth"] == 30 * MB


def test_retention_comes_first_where_its_days_fit() -> None:
    found = told(days(1, 40, 40))
    assert (found["first"], found["days"], found["warning"]) == ("retention", None, None)
    assert found["at"] == (10 + 31 * 40) * MB
    assert found["text"] == "retention (30 d) comes first, at about 1.2 GB"


def test_max_size_comes_first_where_they_do_not() -> None:
    found = told(days(100, 100, 100))  # a sixteenth before it the oldest flows begin to go
    assert (found["first"], found["at"]) == ("max_size", 1875 * MB)
    assert found["days"] == pytest.approx((1875 - 310) / 100, abs=0.1)
    assert found["text"] == "max_size (2.0 GB) in about 16 days; then the oldest flows go"
    found = told(days(*[150] * 13))
    assert (found["days"], found["warning"]) == (0, None)
    assert found["text"] == "max_size (2.0 GB) is reached: the oldest flows make room for new ones"


def test_when_the_flows_have_settled_the_roll_ups_may_still_reach_it() -> None:
    # 30 days more until retention holds 31 days of flows, by when 300 + 60 MB have come; then 2 MB a day remain.
    core = Period(DAY, 0, 2 * MB, 0)
    found = told(days(10, 10), core, size=500 * MB, part=20 * MB)
    assert found["first"] == "max_size"
    assert found["days"] == pytest.approx(29 + (480 - 30 - 29 * 12) / 2, abs=1)


def test_a_disk_that_is_full_before_is_said_and_within_a_week_it_is_a_warning() -> None:
    found = told(days(100, 100, 100), free=900 * MB)
    assert (found["first"], found["days"], found["warning"]) == ("disk", 9.0, None)
    assert found["text"] == "the disk will be full in about 9 days, before max_size is reached"
    found = told(days(100, 100, 100), free=650 * MB)
    assert found["warning"] == (
        "the disk will be full in about 6 days (650 MB are free): make room, or lower max_size in [storage]"
    )
    assert told(days(100, 100, 100), free=None)["first"] == "max_size"


def test_a_disk_with_hardly_any_room_is_said_before_anything_is_known() -> None:
    assert (told({TODAY: MB}, free=20 * MB)["warning"] or "").startswith("only 20 MB are free on the disk: ")
    assert told({TODAY: MB}, free=20 * MB, size=25 * MB, part=4 * MB)["warning"] is None  # it will not be needed


def test_what_does_not_grow_has_room_for_ever() -> None:
    found = told(days(0, 0, 0), Period(DAY, 0, 0, 0))
    assert (found["growth"], found["first"], found["days"]) == (0, "retention", None)


def test_days_as_people_say_them() -> None:
    said = {0.0: "1 hour", 0.2: "5 hours", 1.9: "46 hours", 2.4: "2 days", 119: "119 days", 150: "5 months",
            400: "13 months", 4000: "11 years", 10**6: "2,740 years"}  # fmt: skip
    assert {days: days_text(days) for days in said} == said


def test_what_is_noted_is_read_again_and_what_is_damaged_is_not() -> None:
    periods = [Period(DAY, n, n, n) for n in range(9)]
    assert budget.of_note(budget.to_note(periods)) == periods[-7:]
    for text in (None, "", "x", "7", "[1]", "[[1]]", '[["a", 1, 1, 1]]', "[[1e9, 1, 1, 1]]", "[[-1, 1, 1, 1]]", "{}"):
        assert budget.of_note(text) == []


def test_growth_is_measured_day_by_day_and_what_is_removed_is_none() -> None:
    growth = Growth()
    assert growth.periods(Sizes(100, {"20261122": 50}, None), 10, 1000.0) == [Period(0.0, 0, 0, 0)]
    then = Sizes(130, {"20261123": 70}, None)
    assert growth.periods(then, 30, 1060.0) == [Period(60.0, 20, 30, 70)]
    growth.turn(then, 30, 1060.0)  # a clock that was set makes no day
    assert growth.periods(then, 30, 1060.0) == [Period(60.0, 20, 30, 70)]
    note = growth.turn(then, 40, 1000.0 + DAY)
    later = Growth()
    later.remember(note)
    later.remember(None)  # core.db was begun anew
    assert later.periods(then, 0, 5.0) == [Period(DAY, 30, 30, 70), Period(0.0, 0, 0, 0)]


def test_sizes_are_those_of_the_files_without_their_logs(tmp_path: Path) -> None:
    for name, size in {"core.db": 10, "core.db-wal": 99, "flows-20261122.db": 3, "flows-20261122-120000.db": 4,
                       "flows-20261123.db": 5, "flows-20261123.db-wal": 99, "spool.jsonl": 9}.items():  # fmt: skip
        (tmp_path / name).write_bytes(bytes(size))
    found = sizes(tmp_path)
    assert (found.core, found.days) == (10, {"20261122": 7, "20261123": 5})
    assert found.free is not None
    assert sizes(tmp_path / "missing") == Sizes(0, {}, None)
    assert (DiskMeter().written() or 0) >= 0


# The whole daemon.


def put_past(directory: Path, flows: int = 500) -> int:
    """Leaves the files of four days before today, as the store writes them; returns the bytes of one."""
    directory.mkdir(exist_ok=True)
    with storing(directory) as store:
        store.add_flows([flow(n, now().wall, src_port=n) for n in range(flows)])
    (directory / "spool").rmdir()
    (file,) = directory.glob("flows-*.db")
    for ago in range(1, 5):
        shutil.copy(file, file.with_name(f"flows-{day_of(now().wall - ago * 86_400_000)}.db"))
    return file.stat().st_size


def test_it_is_told_by_the_status_the_metrics_and_the_log(daemon: Make) -> None:
    running = daemon("[storage]\nretention = 7 d\n")
    size = put_past(running.state)
    with running:
        found = running.status()["budget"]
        shown = running.cli("status").stdout
        running.stop()
    assert (found["growth"], found["first"], found["days"]) == (size, "retention", None)
    assert found["at"] == pytest.approx(found["size"] + 8 * size - 5 * size, abs=2)
    assert found["text"].startswith("retention (7 d) comes first, at about ")
    # How much it will be is another number a moment later.
    assert " ".join(shown.split()).count(found["text"].rsplit(" ", 2)[0]) == 1
    assert found["written"] >= found["written_today"] >= 0
    assert "this run (" in running.log and running.log.count(found["text"].rsplit(" ", 2)[0]) == 1


@pytest.mark.slow
@needs_root
def test_a_disk_that_will_be_full_is_trouble(daemon: Make, short: Path) -> None:
    with small_disk(short / "disk", "1300k") as disk:
        running = daemon(f"[storage]\ndirectory = {disk}\n")
        put_past(disk, 1000)
        with running:
            found = running.status()["budget"]
            assert found["first"] == "disk"
            assert 0 < found["days"] < 7
            shown = running.cli("status").stdout
            running.stop()
    assert shown.startswith("not well: 1 trouble\n")
    assert " ".join(shown.split()).count(found["warning"].split(" in about ")[0]) == 2  # also as the budget


@needs_compiler
def test_after_midnight_the_day_is_told_in_a_line_and_noted(daemon: Make, tmp_path: Path) -> None:
    shim = Shim(tmp_path)
    with daemon("[storage]\ncommit_interval = 100 ms\n", **shim.environment) as running:
        running.emit({"type": "device", "mac": MAC, "ip": "192.168.1.5"}, *(flow_line(n) for n in range(5)))
        eventually(lambda: len(running.flows()) == 5)
        shim.leap(86_400)
        (line,) = eventually(lambda: [each for each in running.log.splitlines() if "the day until " in each])
        assert "received 6 (6 json), stored " in line
        assert "5 flows" in line
        assert "dropped nothing; " in line
        assert " commits, databases " in line
        # Of a day that was hardly begun there is nothing to note.
        assert eventually(lambda: running.core("SELECT value FROM meta WHERE key = 'growth'")) == [("[]",)]
        running.emit({"type": "device", "mac": MAC, "ip": "192.168.1.6"})
        shim.leap(2 * 86_400)
        _, line = eventually(
            lambda: len(found := [each for each in running.log.splitlines() if "the day until " in each]) == 2 and found
        )
        assert "received 1 (1 json), stored " in line
        running.signal(signal.SIGTERM)
        running.wait()
        (line,) = [each for each in running.log.splitlines() if "this run (" in each]
        assert "received 7 (7 json)" in line
