"""A machine without a battery: its clock is years behind, or off, until it is set. What it noted is put right."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from conftest import needs_compiler
from faults_kit import storage
from ingest_kit import T0, Recorder, later
from news_kit import LAPTOP, OTHER_PHONE, PHONE, TV, Home, named, seen
from running import Daemon
from shim import Shim
from waiting import eventually

from netwatchd.addresses import parse_address
from netwatchd.events import Session, Trait

YEAR = 365 * 86400.0
IN_1970 = 100 - T0.wall / 1000  # so far is the clock ahead of the right one: it was booted 100 s ago


def next_run(run: Home, *, seconds: float, leapt: float = 0.0, learning: float = 0.0) -> Home:
    """The daemon after a crash, and what its store holds."""
    home = Home(learning=learning)
    home.seconds, home.leapt = seconds, leapt
    for device in run.devices.take_unsettled():
        run.recorder.upsert_device(device)
    home.recorder.rows, home.recorder.records = dict(run.recorder.rows), dict(run.recorder.records)
    stored = [row for row in run.recorder.rows.values() if row]
    home.devices.remember(stored, home.now, list(run.recorder.records.values()))
    home.watching.remember(stored, run.recorder.threats.values(), run.notes.get("news.learning"), home.now)
    return home


def sessions(seen_by: Recorder) -> list[tuple[float, float | None]]:
    """When the devices were here, in seconds after T0."""
    found = [each for each in seen_by.records.values() if isinstance(each, Session)]
    spans = [(each.start, each.end) for each in sorted(found, key=lambda each: each.start)]
    return [((a - T0.wall) / 1000, None if b is None else (b - T0.wall) / 1000) for a, b in spans]


def test_what_was_seen_before_the_clock_was_set_has_the_right_times() -> None:
    for off in (IN_1970, -8 * 3600.0, YEAR):
        home = Home()
        home.leapt = off
        home.remember()
        home.story((1, named(TV, "tv", "192.168.1.5")), (2, seen(LAPTOP, "192.168.1.6")), end=30)
        home.show(seen(LAPTOP, online=False))
        home.leapt = 0.0
        home.until(40)
        device = home.devices.find(TV)
        assert device is not None
        assert (device.first_seen, device.last_seen) == (later(1).wall, later(1).wall)
        assert sessions(home.recorder) == [(1, None), (2, 32)]
        assert {each.first_seen for each in home.recorder.records.values() if isinstance(each, Trait)} == {
            later(1).wall
        }
        assert home.recorder.rows == {each.mac: each for each in home.devices.all()}
        home.show(seen(TV, "192.168.1.9"))
        shown = home.devices.find(TV)
        assert shown is not None
        assert shown.ip == parse_address("192.168.1.9"), "the latest address"
        assert set(home.told) == {"new_device"}


def test_a_session_does_not_go_on_through_a_power_cut_because_the_clock_stood_still_meanwhile() -> None:
    run = Home()
    run.remember()
    run.story((1, named(TV, "tv", "192.168.1.5")), end=600)
    run.show(seen(TV))
    hours = 8 * 3600.0
    home = next_run(run, seconds=hours, leapt=620 - hours)
    home.story((hours + 10, seen(TV)), end=30)
    assert sessions(home.recorder) == [(1, None)]
    home.leapt = 0.0
    home.until(hours + 60)
    assert sessions(home.recorder) == [(1, 601), (hours + 10, None)]


def test_a_machine_that_sleeps_has_a_clock_that_is_right() -> None:
    home = Home()
    home.remember()
    home.story((1, named(TV, "tv", "192.168.1.5")), end=30)
    home.devices.notice(home.now, slept=0.0)
    home.leapt = 8 * 3600.0
    home.devices.notice(home.now, slept=8 * 3600.0)
    assert sessions(home.recorder) == [(1, None)]


def test_a_known_phone_that_comes_in_1970_with_another_mac_is_no_news_and_is_found_when_the_clock_is_set() -> None:
    run = Home()
    run.remember()
    run.story((1, named(PHONE, "Adas-iPhone", "192.168.1.5")))
    told = run.told
    home = next_run(run, seconds=3600, leapt=IN_1970 - 3600)
    home.story((3605, named(OTHER_PHONE, "Adas-iPhone", "192.168.1.5")), (3606, named(TV, "tv", "192.168.1.7")))
    assert home.told == []
    home.leapt = 0.0
    home.until(3800)
    assert [each.macs for each in home.devices.all() if each.mac == PHONE] == [(OTHER_PHONE, PHONE)]
    assert home.told == told, "the television, which really is new"


def test_a_clock_that_is_never_set_does_not_silence_the_news_for_ever() -> None:
    run = Home()
    run.remember()
    run.story((1, named(PHONE, "Adas-iPhone", "192.168.1.5")))
    home = next_run(run, seconds=3600, leapt=IN_1970 - 3600)
    home.story((3605, named(TV, "tv", "192.168.1.7")), end=1200)
    assert home.told == ["new_device"]


def test_a_leap_does_not_end_learning_nor_an_absence_begin_by_what_is_seen_before_it_is_noticed() -> None:
    home = Home(learning=3600)
    home.leapt = IN_1970
    home.remember()
    home.until(60)
    home.leapt = 0.0
    home.show(named(TV, "tv", "192.168.1.5"))
    home.story((70, named(LAPTOP, "laptop", "192.168.1.6")))
    assert home.told == []
    away = Home()
    away.remember()
    away.story((1, named(TV, "tv", "192.168.1.5")))
    away.away(2000)
    away.leapt = 60 * 86400.0
    away.show(seen(TV, "192.168.1.5"))
    assert away.told == ["new_device"]


def test_learning_that_began_in_1970_goes_on_after_a_restart_by_the_right_clock() -> None:
    run = Home(learning=3600)
    run.leapt = IN_1970
    run.remember()
    run.story((1, named(TV, "tv", "192.168.1.5")))
    home = next_run(run, seconds=300, learning=3600)
    home.story((301, named(LAPTOP, "laptop", "192.168.1.6")))
    assert home.told == []
    home.story((5000, named(PHONE, "Adas-iPhone", "192.168.1.8")))
    assert home.told == ["new_device"]


@needs_compiler
def test_the_daemon_that_starts_in_1970_has_the_right_times_in_its_database_once_the_clock_is_set(
    daemon: Callable[..., Daemon], short: Path
) -> None:
    shim, began = Shim(short), int(time.time())
    shim.leap(100 - began)
    running = daemon(storage() + "[detector:news]\nlearning = 1 h\n", **shim.environment)
    with running:
        assert running.emit({"type": "device", "mac": TV, "ip": "192.168.1.5", "hostname": "tv"}) == []
        eventually(lambda: running.core("SELECT mac FROM devices") == [(TV,)])
        shim.leap(0)
        eventually(lambda: "the clock was set by" in running.log)

        def times() -> list[tuple[Any, ...]]:
            return running.core("SELECT first_seen, last_seen, start, end FROM devices JOIN sessions USING (device)")

        eventually(lambda: [row for row in times() if row[0] >= began * 1000])
        ((first, last, start, end),) = times()
        assert began * 1000 <= first <= last <= time.time() * 1000
        assert end is None
        assert abs(start - first) < 10  # milliseconds: both clocks are read for it
        assert running.emit({"type": "device", "mac": LAPTOP, "ip": "192.168.1.6", "hostname": "laptop"}) == []
        eventually(lambda: len(running.core("SELECT mac FROM devices")) == 2)
        assert running.core("SELECT kind FROM threats") == [], "it still learns"
        assert running.status()["learning_until"] > began * 1000
