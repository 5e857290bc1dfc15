"""News of devices: the learning period, a store in trouble, restarts, absences, and what is told once only."""

from pathlib import Path
from typing import Any

from faults_kit import storage
from ingest_kit import T0
from news_kit import LAPTOP, PHONE, TV, Home, named, seen
from running import Daemon, join, locked, until
from store_kit import device
from waiting import eventually

from netwatchd.addresses import parse_address
from netwatchd.events import Judge, Status, ThreatStatus

IP, OTHER_IP = "192.168.77.123", "192.168.77.124"


# Learning.


def test_what_shows_up_while_it_learns_is_known_and_no_news_later() -> None:
    home = Home(learning=3600)
    home.remember()
    home.story((1, seen(TV, IP)), (3590, seen(PHONE, OTHER_IP)), *((at, seen(TV, IP)) for at in (3700, 3800)))
    assert home.told == []
    home.show(named(LAPTOP, "laptop", "192.168.77.9"))
    assert home.told == ["new_device"]
    assert home.latest().device == LAPTOP


def test_a_restart_neither_begins_learning_anew_nor_ends_it() -> None:
    home = Home(learning=3600)
    home.remember()
    assert home.watching.learning_until() == T0.wall + 3600_000
    again = Home(learning=3600)
    again.until(1800)
    again.remember(note=home.notes["news.learning"])
    assert again.watching.learning_until() == T0.wall + 3600_000
    again.story((1900, seen(TV, IP)), (3700, seen(LAPTOP, OTHER_IP)))
    assert again.told == ["new_device"]
    last = Home(learning=3600)
    last.remember(note=again.notes["news.learning"])  # whose clock began anew
    assert last.watching.learning_until() is None
    assert last.story((1, named(PHONE, "Pixel-7", IP))).told == ["new_device"]


def test_a_store_that_knows_devices_needs_no_learning() -> None:
    home = Home(learning=3600)
    home.remember([device(LAPTOP)])
    assert home.watching.learning_until() is None
    assert home.story((1, seen(TV, IP))).told == ["new_device"]


def test_a_clock_that_leaps_ahead_or_back_does_not_end_or_prolong_learning() -> None:
    for leap in (86400.0, -86400.0):
        home = Home(learning=3600)
        home.remember()
        home.until(600)
        home.leapt = leap
        home.story((3000, seen(TV, IP)), (3700, named(LAPTOP, "laptop", OTHER_IP)), end=5)
        assert home.told == ["new_device"]


# The store.


def test_while_the_store_cannot_be_written_nothing_is_new_and_later_what_is_still_true() -> None:
    home = Home()
    home.remember([device(LAPTOP)])
    home.well = False
    home.story((1, named(TV, "tv", IP)), (2, named(PHONE, "Pixel-7", OTHER_IP)))
    home.watching.gone(PHONE, LAPTOP, home.now.wall)
    assert home.told == []
    home.well = True
    home.until(home.seconds + 1)
    assert home.told == ["new_device"]
    assert home.latest().device == TV


def test_what_was_not_remembered_yet_is_not_new() -> None:
    home = Home()
    home.story((1, named(TV, "tv", IP)), (2, named(LAPTOP, "laptop", OTHER_IP)))
    assert home.told == []
    home.remember([device(TV)])
    home.until(home.seconds + 1)
    assert [(each.kind, each.device) for each in home.threats.open()] == [("new_device", LAPTOP)]


def test_a_first_store_that_comes_late_makes_all_that_was_seen_its_baseline() -> None:
    home = Home(learning=3600)
    home.story((1, named(TV, "tv", IP)))
    home.remember()
    home.until(3800)
    assert home.told == []


def test_a_store_that_is_begun_anew_while_we_run_makes_nothing_new() -> None:
    home = Home(learning=3600)
    home.remember([device(LAPTOP), device(TV)])
    home.until(10)
    home.notes.clear()
    home.remember()
    assert home.story((20, seen(TV, IP)), (30, seen(LAPTOP, OTHER_IP))).told == []
    assert home.notes == {"news.learning": "over"}


def test_more_than_may_wait_for_the_store_are_a_number_or_are_counted() -> None:
    home = Home()
    home.remember()
    home.well = False
    home.show(*(named(f"8c:00:00:00:{n >> 8:02x}:{n & 255:02x}", f"h{n}") for n in range(1000)))
    home.well = True
    home.until(30)
    assert [each.evidence["devices"] for each in home.threats.open()] == [1000]


def test_what_waits_is_told_at_the_end() -> None:
    home = Home()
    home.remember()
    home.show(seen(TV))
    home.watching.finish(home.now.wall)
    assert home.told == ["new_device"]


# Back after long.


def returning(away: float, **fields: Any) -> Home:
    """A laptop that is away for so many days, in steps."""
    home = Home(offline_after=900, **fields)
    home.remember([device(LAPTOP, last_seen=T0.wall, ips=(parse_address(IP),))])
    home.show(seen(LAPTOP, IP))
    home.away(away * 86400)
    home.show(seen(LAPTOP, IP))
    return home


def test_a_device_that_was_away_for_long_is_told_when_it_is_back() -> None:
    home = returning(31)
    assert home.told == ["device_back"]
    assert home.latest("device_back").description.startswith("back after 31 days: laptop")
    assert returning(29).told == []
    assert returning(2, absence=86400).told == ["device_back"]


def test_a_device_that_is_heard_through_its_traffic_is_back_too() -> None:
    home = Home()
    home.remember([device(LAPTOP, last_seen=T0.wall)])
    home.away(31 * 86400)
    home.devices.account({LAPTOP: [1, 1, 1]}, {LAPTOP: home.now.wall}, home.now)
    assert home.told == ["device_back"]


def test_a_time_in_which_nobody_looked_is_no_absence() -> None:
    stored = [device(LAPTOP, status=Status.OFFLINE), device(TV, ips=(parse_address(IP),))]
    home = Home()
    home.seconds = 40 * 86400.0  # netwatchd was off since
    home.remember(stored)
    home.story((home.seconds + 1, seen(LAPTOP)), (home.seconds + 2, seen(TV)))
    assert home.told == []
    leapt = Home()
    leapt.remember(stored)
    leapt.until(1)
    leapt.leapt = 40 * 86400.0
    leapt.story((2, seen(LAPTOP)), (3, seen(TV)))
    assert leapt.told == []


def test_who_was_away_for_long_before_the_start_is_back_after_it() -> None:
    home = Home()
    home.seconds = 40 * 86400.0
    home.remember([device(LAPTOP, status=Status.OFFLINE), device(TV, last_seen=home.now.wall - 60_000, ips=())])
    home.show(seen(LAPTOP))
    assert home.told == ["device_back"]


def test_the_same_is_told_once_within_the_cooldown_and_again_after_it_though_it_was_put_away() -> None:
    home = returning(2, absence=86400, cooldown=4 * 86400)
    home.threats.judge(Judge(1, ThreatStatus.DISMISSED))
    for days in (1.5, 1.5):
        home.away(days * 86400)
        home.show(seen(LAPTOP, IP))
    assert home.told == ["device_back", "-device_back"]
    home.away(1.5 * 86400)
    home.show(seen(LAPTOP, IP))
    assert home.told == ["device_back", "-device_back", "device_back"]
    assert home.latest("device_back").count == 2


def test_the_cooldown_outlives_a_restart() -> None:
    home = returning(31, cooldown=86400)
    again = Home(absence=60, offline_after=30)
    again.seconds = home.seconds
    again.remember(home.devices.all(), home.threats.open())
    again.away(3600)
    again.show(seen(LAPTOP, IP))
    assert again.told == []


# The daemon itself.


def test_the_daemon_learns_once_tells_what_is_new_after_it_and_nothing_while_it_cannot_store(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path, storage() + "[detector:news]\nlearning = 1 h\n")
    with daemon:
        assert daemon.emit({"type": "device", "mac": TV, "ip": IP, "hostname": "tv"}) == []
        assert daemon.status()["learning_until"] > 0
        assert "learning until" in daemon.log
        assert "1, learning until " in daemon.cli("status").stdout
        eventually(lambda: daemon.core("SELECT value FROM meta WHERE key = 'news.learning'"))
        began = daemon.core("SELECT value FROM meta WHERE key = 'news.learning'")
        daemon.stop()
        daemon.start()
        assert daemon.core("SELECT value FROM meta WHERE key = 'news.learning'") == began
        learning = daemon.status()["learning_until"]
        assert learning == int(began[0][0]) + 3600_000
        daemon.configure(storage() + "[detector:news]\nlearning = 0 s\n")
        daemon.stop()
        daemon.start()
        eventually(lambda: daemon.core("SELECT value FROM meta WHERE key = 'news.learning'") == [("over",)])
        assert daemon.status()["learning_until"] is None
        with daemon.client() as client:
            join(client)
            with locked(daemon.state / "core.db"):
                assert daemon.emit({"type": "threat", "kind": "other", "description": "it makes the store write"}) == []
                eventually(lambda: daemon.status()["database"]["state"] == "degraded")
                assert daemon.emit({"type": "device", "mac": LAPTOP, "ip": OTHER_IP, "hostname": "laptop"}) == []
                until(client, lambda message: message.get("device", {}).get("mac") == LAPTOP)
                assert daemon.core("SELECT device FROM threats WHERE kind = 'new_device'") == []
            told: dict[str, Any] = until(client, lambda message: message.get("threat", {}).get("kind") == "new_device")
            assert told["threat"]["device"] == LAPTOP
            assert daemon.status()["database"]["state"] == "ok"
        eventually(lambda: daemon.core("SELECT device FROM threats WHERE kind = 'new_device'") == [(LAPTOP,)])
        eventually(lambda: f"a new device: laptop (Apple, Inc.), {OTHER_IP}" in daemon.log)
