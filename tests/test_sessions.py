"""When each device was here: its sessions, few writes each, whatever becomes of the daemon meanwhile."""

from collections.abc import Callable
from pathlib import Path

from ingest_kit import T0, Recorder, devices_of, later, sighting
from running import MAC, OTHER_MAC, Daemon
from store_kit import device
from waiting import eventually

from netwatchd.events import Session
from netwatchd.ingest.devices import Devices

LAPTOP = 0xC0A80105


class Writes(Recorder):
    """Also counts how often sessions are written."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[Session] = []

    def keep(self, record: object) -> None:
        if isinstance(record, Session):
            self.kept.append(record)
        super().keep(record)  # type: ignore[arg-type]

    @property
    def sessions(self) -> list[Session]:
        """Those that are stored, the oldest first."""
        return sorted((r for r in self.records.values() if isinstance(r, Session)), key=lambda each: each.start)


def seen_at(devices: Devices, seconds: float, **fields: object) -> None:
    devices.see([sighting(time=later(seconds).wall, **fields)], later(seconds))


def wall(seconds: float) -> int:
    return later(seconds).wall


def test_a_session_begins_with_the_first_sign_of_life_and_ends_with_the_last_one() -> None:
    seen = Writes()
    devices = devices_of(seen)
    for at in (0, 100, 200, 300):
        seen_at(devices, at)
        devices.sweep(later(at))
    assert seen.sessions == [Session(MAC, wall(0))]
    devices.sweep(later(1200))
    assert seen.sessions == [Session(MAC, wall(0), wall(300))]
    assert len(seen.kept) == 2, "two writes"


def test_a_device_that_comes_back_after_a_night_begins_another_session() -> None:
    seen = Writes()
    devices = devices_of(seen)
    seen_at(devices, 0)
    devices.sweep(later(900))
    seen_at(devices, 30_000)
    assert seen.sessions == [Session(MAC, wall(0), wall(0)), Session(MAC, wall(30_000))]


def test_sleep_that_was_taken_for_absence_does_not_cut_a_session() -> None:
    seen = Writes()
    devices = devices_of(seen)
    seen_at(devices, 0)
    seen_at(devices, 600)
    devices.sweep(later(1500))
    assert seen.sessions == [Session(MAC, wall(0), wall(600))]
    seen_at(devices, 600 + 1000)
    assert seen.sessions == [Session(MAC, wall(0))]


def test_a_release_ends_a_session_at_once_and_what_follows_is_another_one() -> None:
    seen = Writes()
    devices = devices_of(seen)
    seen_at(devices, 0)
    seen_at(devices, 60, online=False)
    seen_at(devices, 90)
    assert seen.sessions == [Session(MAC, wall(0), wall(60)), Session(MAC, wall(90))]


def test_a_ghost_has_no_session() -> None:
    seen = Writes()
    devices = devices_of(seen)
    devices.see([sighting(time=T0.wall - 3_600_000)], T0)
    assert seen.sessions == []


def test_a_session_that_a_crash_left_open_goes_on_where_the_device_is_soon_seen_again() -> None:
    seen = Writes()
    devices = devices_of(seen)
    opened = Session(MAC, T0.wall - 7_200_000)
    devices.remember([device(last_seen=T0.wall - 60_000)], T0, [opened])
    seen_at(devices, 5)
    devices.sweep(later(905))
    assert seen.kept == [Session(MAC, opened.start, wall(5))]


def test_a_session_that_a_crash_left_open_long_ago_ended_when_the_device_was_last_seen() -> None:
    seen = Writes()
    devices = devices_of(seen)
    opened = Session(MAC, T0.wall - 90_000_000)
    devices.remember([device(last_seen=T0.wall - 86_400_000)], T0, [opened])
    seen_at(devices, 5)
    assert seen.kept == [Session(MAC, opened.start, T0.wall - 86_400_000), Session(MAC, wall(5))]


def test_a_session_that_a_crash_left_open_ends_when_the_device_is_seen_no_more() -> None:
    seen = Writes()
    devices = devices_of(seen)
    devices.remember([device(last_seen=T0.wall - 60_000)], T0, [Session(MAC, T0.wall - 7_200_000)])
    devices.sweep(later(900))
    assert seen.kept == [Session(MAC, T0.wall - 7_200_000, T0.wall - 60_000)]


def test_open_sessions_of_devices_that_are_not_here_are_closed_at_the_start() -> None:
    seen = Writes()
    devices = devices_of(seen)
    gone = device(mac=OTHER_MAC, ips=(), status="offline", last_seen=T0.wall - 1000)
    devices.remember([gone], T0, [Session(OTHER_MAC, T0.wall - 5000), Session("192.168.1.99", T0.wall - 5000)])
    assert set(seen.kept) == {
        Session(OTHER_MAC, T0.wall - 5000, T0.wall - 1000), Session("192.168.1.99", T0.wall - 5000, T0.wall - 5000)
    }  # fmt: skip


def test_a_database_that_replaces_another_is_told_of_the_sessions_that_go_on() -> None:
    seen = Writes()
    devices = devices_of(seen)
    seen_at(devices, 0)
    seen.records.clear()
    devices.remember([], later(10))
    assert seen.sessions == [Session(MAC, wall(0))]


def test_a_database_that_appears_late_has_the_session_that_goes_on() -> None:
    for ago, sessions in ((60, [(-7200, None)]), (80_000, [(-90_000, -80_000), (0, None)])):
        seen = Writes()
        devices = devices_of(seen)
        seen_at(devices, 0)
        opened = Session(MAC, wall(sessions[0][0]))
        seen.keep(opened)
        devices.remember([device(last_seen=wall(-ago))], later(10), [opened])
        seen_at(devices, 20)
        assert seen.sessions == [Session(MAC, wall(start), end and wall(end)) for start, end in sessions]


def test_an_address_that_proves_to_be_a_devices_hands_over_its_session() -> None:
    seen = Writes()
    devices = devices_of(seen)
    seen_at(devices, 0, mac=None, ips=(LAPTOP,))
    seen_at(devices, 60, ips=(LAPTOP,))
    devices.sweep(later(1000))
    assert seen.sessions == [Session(MAC, wall(0), wall(60))]


def test_devices_that_prove_to_be_one_have_the_session_that_holds_both() -> None:
    cases = [  # of the one that is joined, of the other: (first, last sign of life, is here); and what comes of it
        ((0, 100, False), (50, 5000, True), (0, None)),
        ((50, 5000, True), (0, 100, False), (0, None)),
        ((0, 100, False), (3000, 5000, True), (3000, None)),
        ((0, 100, False), (50, 200, False), (0, 200)),
        ((0, 5000, True), (50, 5000, True), (0, None)),
        ((3000, 3100, False), (0, 100, False), (3000, 3100)),
    ]
    for first, second, session in cases:
        devices = devices_of(Writes())
        for mac, (start, end, here) in ((OTHER_MAC, first), (MAC, second)):
            for at in range(start, end + 1, 50):
                seen_at(devices, at, mac=mac)
            if not here:
                seen_at(devices, end, mac=mac, online=False)
        devices.presence.join(OTHER_MAC, MAC)
        one = devices.presence._known[MAC]
        assert (one.start, one.end) == (wall(session[0]), session[1] and wall(session[1]))


def test_a_wall_clock_that_is_set_back_makes_no_session_that_ends_before_it_began() -> None:
    seen = Writes()
    devices = devices_of(seen)
    seen_at(devices, 0)
    back = later(10)._replace(wall=T0.wall - 10**9)
    devices.see([sighting(time=back.wall)], back)
    devices.sweep(back._replace(steady=T0.steady + 2000))
    (session,) = seen.sessions
    assert session.end is not None
    assert session.end >= session.start


def test_sessions_survive_kill_9_in_the_real_database(daemon: Callable[..., Daemon], tmp_path: Path) -> None:
    query = "SELECT * FROM sessions ORDER BY start"
    with daemon("[storage]\ncommit_interval = 200 ms\n[devices]\noffline_after = 30 s\n") as running:
        running.emit({"type": "device", "mac": MAC, "ip": "192.168.1.5"})
        (first,) = eventually(lambda: running.core(query))
        running.kill()
        running.start()
        running.emit({"type": "device", "mac": MAC, "ip": "192.168.1.5"})
        running.emit({"type": "device", "mac": MAC, "status": "offline"})
        (last,) = eventually(lambda: [row for row in running.core(query) if row != first])
        assert len(running.core(query)) == 1
        assert None in first
        assert None not in last
