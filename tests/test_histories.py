"""What all devices moved by the hour, and when they were here, is told in one answer each."""

import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from running import MAC, OTHER_MAC
from store_kit import Kept, device, flow, storing
from test_known_devices import tell
from test_records import alias
from waiting import eventually

from netwatchd.answers import Misasked, NotFound
from netwatchd.answers.activity import MOST_HOURS, activity
from netwatchd.answers.presence import presence
from netwatchd.events import Session
from netwatchd.storage.queries import NoDatabase
from netwatchd.storage.rollups import HOUR_MS, hour_of

LAPTOP, PHONE, SERVER = 0xC0A80105, 0xC0A80106, 0x5DB8D822
NOW = time.time_ns() // 1_000_000
HOUR = hour_of(NOW)


def two(store: Kept) -> None:
    """A laptop and a phone."""
    store.upsert_device(device(ips=(LAPTOP,)))
    store.upsert_device(device(OTHER_MAC, ips=(PHONE,)))


def moved(directory: Path, **asked: Any) -> dict[str, dict[str, Any]]:
    """What is told of each device."""
    return {row["device"]: row for row in activity(directory, **asked)["devices"]}


def test_each_hour_has_what_was_moved_in_it_from_the_sums_and_from_the_flows_since(tmp_path: Path) -> None:
    with storing(tmp_path) as store:
        two(store)
        tell(store, flow(1, HOUR - 2 * HOUR_MS), flow(2, HOUR), flow(3, HOUR - HOUR_MS, device=OTHER_MAC, src_ip=PHONE))
        store.add_flows([flow(4, HOUR + 1), flow(5, HOUR + 2, device=None, src_ip=1)])  # in no sum yet
    found = activity(tmp_path, today=HOUR - HOUR_MS)
    assert (found["since"], found["step"]) == (HOUR - 23 * HOUR_MS, 3600)
    rows = {row["device"]: row for row in found["devices"]}
    assert set(rows) == {MAC, OTHER_MAC}
    nothing = [None] * 21
    assert rows[MAC]["bytes_in"] == [*nothing, 4000, 0, 8000]
    assert rows[MAC]["bytes_out"] == [*nothing, 300, 0, 600]
    assert rows[OTHER_MAC]["bytes_in"] == [*nothing, 0, 4000, 0]
    assert (rows[MAC]["bytes_in_today"], rows[MAC]["bytes_out_today"]) == (8000, 600)
    assert moved(tmp_path, since=HOUR)[MAC]["bytes_in"] == [8000]
    assert list(moved(tmp_path, device="192.168.1.6")) == [OTHER_MAC]
    assert activity(tmp_path, since=NOW + 10 * HOUR_MS)["since"] in (HOUR, hour_of(time.time_ns() // 1_000_000))


def test_what_a_merged_mac_moved_is_its_devices(tmp_path: Path) -> None:
    with storing(tmp_path) as store:
        store.upsert_device(device(ips=(LAPTOP, PHONE), macs=(OTHER_MAC, MAC)))
        store.keep(alias())
        tell(store, flow(1, HOUR), flow(2, HOUR, device=OTHER_MAC, src_ip=PHONE))
        store.add_flows([flow(3, HOUR + 9, device=OTHER_MAC, src_ip=PHONE)])
    found = moved(tmp_path, since=HOUR, today=HOUR)
    assert list(found) == [MAC]
    assert (found[MAC]["bytes_in"], found[MAC]["bytes_in_today"]) == ([12_000], 12_000)


def test_more_than_a_week_by_the_hour_is_refused_in_a_sentence(tmp_path: Path) -> None:
    with storing(tmp_path) as store:
        two(store)
    assert activity(tmp_path, since=HOUR - (MOST_HOURS - 2) * HOUR_MS)["devices"] == []
    with pytest.raises(Misasked, match="that is more than 168 hours"):
        activity(tmp_path, since=HOUR - (MOST_HOURS + 1) * HOUR_MS)


def kept(directory: Path, *sessions: Session) -> None:
    """Sessions of a laptop and a phone."""
    with storing(directory) as store:
        two(store)
        for session in sessions:
            store.keep(session)
        eventually(lambda: store.counters["stored.sessions"] == len(sessions))


def times(answer: dict[str, Any]) -> dict[str, list[tuple[int, int | None]]]:
    """Start and end of each device's sessions."""
    return {row["device"]: [(each["start"], each["end"]) for each in row["sessions"]] for row in answer["devices"]}


def test_sessions_of_all_devices_are_told_that_had_not_ended_by_a_time(tmp_path: Path) -> None:
    kept(tmp_path, Session(MAC, 10, 20), Session(MAC, 30, 40), Session(MAC, 50), Session(OTHER_MAC, 5, 35),
         Session("aa:aa:aa:aa:aa:aa", 50, 60))  # fmt: skip
    assert times(presence(tmp_path, since=30)) == {MAC: [(50, None), (30, 40)], OTHER_MAC: [(5, 35)]}
    assert times(presence(tmp_path, since=0, device=OTHER_MAC)) == {OTHER_MAC: [(5, 35)]}
    with pytest.raises(NotFound):
        presence(tmp_path, since=0, device="nobody")


def test_of_too_many_sessions_the_latest_are_told_and_since_when_that_is_all_of_them(tmp_path: Path) -> None:
    kept(tmp_path, Session(MAC, 1), *(Session(OTHER_MAC, n * 10, n * 10 + 5) for n in range(1, 9)))
    found = presence(tmp_path, since=0, limit=4)
    assert times(found) == {MAC: [(1, None)], OTHER_MAC: [(80, 85), (70, 75), (60, 65)]}
    assert found["since"] == 55
    assert presence(tmp_path, since=0, limit=9)["since"] == 0


def test_without_a_database_both_say_so(tmp_path: Path) -> None:
    for ask in (lambda: activity(tmp_path), lambda: presence(tmp_path, since=0)):
        with pytest.raises(NoDatabase):
            ask()


def test_a_database_of_a_first_version_has_no_such_history(tmp_path: Path) -> None:
    kept(tmp_path, Session(MAC, 10))
    with closing(sqlite3.connect(tmp_path / "core.db")) as db:
        db.execute("PRAGMA user_version = 1")
    assert presence(tmp_path, since=0)["devices"] == []
    assert activity(tmp_path, today=NOW)["devices"] == []
