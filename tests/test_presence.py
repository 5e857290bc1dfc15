"""Who is here: silence measured by each device's own habit, asked about before it counts, and proved by nobody deaf."""

import pytest
from ingest_kit import T0, Recorder, devices_of, later, sighting
from running import MAC, OTHER_MAC
from store_kit import device

from netwatchd.clock import Now
from netwatchd.decoders.routes import Question
from netwatchd.events import Device, Status
from netwatchd.ingest.devices import Devices
from netwatchd.ingest.doubts import BURST
from netwatchd.ingest.presence import Deaf
from netwatchd.ingest.silence import CEILING, DAY, Silence

LAPTOP, PHONE = 0xC0A80105, 0xC0A80106
V6 = bytes.fromhex("fd000000000000000000000000000005")
LINK_LOCAL = bytes.fromhex("fe800000000000000000000000000005")
MINUTE = 60.0


def told(devices: Devices, key: str = MAC) -> Device:
    known = devices.find(key)
    assert known is not None
    return known


def asking(devices: Devices) -> list[Question]:
    """Whoever is asked from now on."""
    asked: list[Question] = []
    devices.presence.doubts.ask = asked.append
    return asked


def pass_time(devices: Devices, start: float, end: float, step: float = 30) -> None:
    """The daemon's clocks go on, as it looks at them."""
    at = start
    while at <= end:
        devices.sweep(later(at))
        devices.tick(later(at))
        at += step


# What is learnt of silence.


def test_a_device_has_the_patience_of_the_configuration_until_it_is_known() -> None:
    assert Silence().patience(900) == 900
    assert Silence(1800).patience(900) == 1800
    assert Silence(300).patience(900) == 900


def test_sleep_that_was_taken_for_absence_teaches_and_is_not_taken_so_again() -> None:
    seen = Recorder()
    devices = devices_of(seen)
    devices.see([sighting()], T0)
    at = 0.0
    for gap in (8, 12, 21, 23, 22, 21, 23):
        pass_time(devices, at, at + gap * MINUTE - 1)
        at += gap * MINUTE
        devices.see([sighting(time=later(at).wall)], later(at))
    assert seen.statuses.count("offline") <= 1
    assert told(devices).usual_silence >= 23 * MINUTE * 1000
    assert seen.rows[MAC] is not None and seen.rows[MAC].usual_silence == told(devices).usual_silence


def test_a_walk_teaches_nothing_to_a_device_that_is_never_silent_for_long() -> None:
    silence = Silence(60)
    assert not silence.learn(60 * MINUTE, 10_000, 900)
    assert silence.patience(900) == 900


def test_what_repeats_within_hours_is_sleep() -> None:
    silence = Silence(60)
    assert not silence.learn(30 * MINUTE, 10_000, 900)
    assert silence.learn(28 * MINUTE, 20_000, 900)
    assert silence.patience(900) >= 28 * MINUTE


@pytest.mark.parametrize("gap", [CEILING, 9 * 3600, 30 * DAY])
def test_a_night_away_teaches_nothing_however_often(gap: float) -> None:
    silence = Silence(3600)
    for n in range(1, 5):
        assert not silence.learn(gap, n * gap, 900)
    assert silence.patience(900) <= 3600


def test_patience_never_grows_beyond_the_ceiling() -> None:
    silence, at = Silence(), 0.0
    for gap in (10, 20, 40, 70, 100, 119, 119, 119):
        at += gap * MINUTE
        silence.learn(gap * MINUTE, at, 900)
    assert silence.patience(900) == CEILING


def test_what_is_not_shown_again_is_forgotten_within_days() -> None:
    silence, at = Silence(5400), 0.0
    for _ in range(7 * 24 * 12):
        at += 300
        silence.learn(300, at, 900)
    assert silence.patience(900) == 900


def test_what_is_learnt_changes_rarely() -> None:
    seen = Recorder()
    devices = devices_of(seen)
    devices.see([sighting()], T0)
    for n in range(1, 2000):
        at = n * 40.0 + n % 7
        devices.see([sighting(time=later(at).wall)], later(at))
    assert len(seen.published) == 1


# A device that was asked.


def test_a_silent_device_is_asked_a_few_times_before_it_counts_as_gone() -> None:
    seen = Recorder()
    devices = devices_of(seen)
    asked = asking(devices)
    devices.see([sighting(ips=(LAPTOP,))], T0)
    pass_time(devices, 0, 449)
    assert asked == []
    pass_time(devices, 450, 899, step=5)
    assert [question.ips for question in asked] == [(LAPTOP,)] * 4
    assert seen.statuses == ["online"]
    pass_time(devices, 900, 4000)
    assert seen.statuses == ["online", "offline"]
    assert len(asked) == 6, "after twice and four times its patience, whether it is back"
    pass_time(devices, 4000, 20 * DAY, step=300)
    assert len(asked) == 9


def test_what_was_out_for_minutes_and_is_silent_for_days_is_found_again() -> None:
    seen = Recorder()
    devices = devices_of(seen)
    asked = asking(devices)
    devices.see([sighting(ips=(LAPTOP,))], T0)
    pass_time(devices, 0, 1000)
    asked.clear()
    pass_time(devices, 1030, 1830)
    assert len(asked) == 1
    devices.see([sighting(ips=(LAPTOP,), time=later(1830).wall)], later(1830))
    assert seen.statuses == ["online", "offline", "online"]


def test_a_ghost_is_asked_once_and_who_said_that_it_leaves_is_not_asked() -> None:
    devices = devices_of(Recorder())
    asked = asking(devices)
    devices.see([sighting(ips=(LAPTOP,), time=T0.wall - 100_000_000)], T0)
    devices.see([sighting(OTHER_MAC, ips=(PHONE,)), sighting(OTHER_MAC, online=False)], T0)
    pass_time(devices, 0, 2 * DAY, step=300)
    assert [question.device for question in asked] == [MAC]


def test_a_device_that_answers_stays_and_is_asked_once_each_time() -> None:
    seen = Recorder()
    devices = devices_of(seen)
    devices.see([sighting(ips=(LAPTOP,))], T0)
    asked: list[float] = []
    moment = [0.0]

    def ask(question: Question) -> None:
        asked.append(moment[0])

    devices.presence.doubts.ask = ask
    while moment[0] < 6 * 3600:
        before = len(asked)
        pass_time(devices, moment[0], moment[0])
        if len(asked) > before:
            devices.see([sighting(ips=(LAPTOP,), time=later(moment[0]).wall)], later(moment[0] + 0.01))
        moment[0] += 30
    assert seen.statuses.count("offline") == 0
    assert len(asked) <= 6 * 3600 / 450
    assert seen.counters["probes.answered"] == len(asked)


def test_an_answer_is_kept_only_where_something_is_written_anyway() -> None:
    devices = devices_of(Recorder())
    asking(devices)
    devices.see([sighting(ips=(LAPTOP,))], T0)
    pass_time(devices, 0, 450)
    devices.see([sighting(ips=(LAPTOP,), time=later(450.2).wall)], later(450.2))
    assert devices.take_unsettled() == []
    assert [each.last_seen for each in devices.take_unsettled(writing=True)] == [later(450.2).wall]
    devices.see([sighting(ips=(LAPTOP,), time=later(500).wall)], later(500))
    assert [each.last_seen for each in devices.take_unsettled()] == [later(500).wall]


def test_each_attempt_begins_at_another_address_ipv4_first() -> None:
    devices = devices_of(Recorder())
    asked = asking(devices)
    devices.see([sighting(ips=(V6, LINK_LOCAL, LAPTOP))], T0)
    pass_time(devices, 0, 899, step=5)
    assert [question.ips[0] for question in asked] == [LAPTOP, LINK_LOCAL, V6, LAPTOP]
    assert all(len(question.ips) == 3 for question in asked)


@pytest.mark.parametrize("fields", [{"mac": None, "ips": (LAPTOP,)}, {"ips": ()}])
def test_who_has_no_mac_or_no_address_cannot_be_asked_and_goes_by_silence_alone(fields: dict) -> None:
    seen = Recorder()
    devices = devices_of(seen)
    asked = asking(devices)
    devices.see([sighting(**fields)], T0)
    pass_time(devices, 0, 930)
    assert (asked, seen.statuses) == ([], ["online", "offline"])


def test_a_crowd_that_falls_silent_is_asked_by_and_by() -> None:
    seen = Recorder()
    devices = devices_of(seen)
    asked = asking(devices)
    for n in range(200):
        devices.see([sighting(f"a4:83:e7:00:01:{n:02x}", ips=(LAPTOP + n,))], T0)
    pass_time(devices, 0, 450)
    assert len(asked) == BURST
    pass_time(devices, 450.5, 480, step=0.5)
    assert len(asked) == BURST + 30
    pass_time(devices, 480.5, 899.5, step=0.5)
    assert {question.device for question in asked} == {each.mac for each in devices.all()}
    assert "offline" not in seen.statuses
    assert len(asked) <= BURST + 450


def test_who_could_not_be_asked_because_of_the_others_has_twice_the_time() -> None:
    seen = Recorder()
    devices = devices_of(seen)
    asking(devices)
    devices.presence.doubts.rate = 1
    for n in range(100):
        devices.see([sighting(f"a4:83:e7:00:01:{n:02x}", ips=(LAPTOP + n,))], T0)
    pass_time(devices, 0, 1795)
    offline = seen.statuses.count("offline")
    assert 10 <= offline < 50
    pass_time(devices, 1800, 1830)
    assert seen.statuses.count("offline") == 100


def test_whoever_doubts_asks_at_once_and_hears_the_answer() -> None:
    devices = devices_of(Recorder())
    asked = asking(devices)
    devices.see([sighting(ips=(LAPTOP,))], T0)
    assert devices.presence.heard(MAC) == T0.steady
    assert devices.presence.doubt(MAC, told(devices), later(1))
    assert [question.mac for question in asked] == [MAC]
    devices.see([sighting(ips=(LAPTOP,), time=later(1.1).wall)], later(1.1))
    assert devices.presence.heard(MAC) == pytest.approx(T0.steady + 1.1)
    assert devices.presence.heard(OTHER_MAC) is None
    devices.presence.doubts.ask = None
    assert not devices.presence.doubt(MAC, told(devices), later(2))


# Who is deaf.


def test_while_the_source_that_heard_a_device_is_down_silence_proves_nothing() -> None:
    seen = Recorder()
    devices = devices_of(seen)
    devices.see([sighting(source="capture"), sighting(OTHER_MAC, source="neighbours")], T0)
    devices.presence.deaf = lambda: Deaf({"capture"})
    pass_time(devices, 0, 3600)
    assert {each.mac: str(each.status) for each in devices.all()} == {MAC: "online", OTHER_MAC: "offline"}
    devices.presence.deaf = Deaf
    pass_time(devices, 3630, 3630 + 800)
    assert told(devices).status is Status.ONLINE, "it has its patience once the source works again"
    pass_time(devices, 4430, 4600)
    assert told(devices).status is Status.OFFLINE


def test_an_interface_that_is_down_is_deaf_and_after_a_day_it_is_believed_to_stay_so() -> None:
    seen = Recorder()
    devices = devices_of(seen)
    devices.see([sighting(interface="eth0", source="neighbours")], T0)
    devices.presence.deaf = lambda: Deaf(interfaces={"eth0"})
    pass_time(devices, 0, DAY - 60)
    assert seen.statuses == ["online"]
    pass_time(devices, DAY, DAY + 3600)
    assert seen.statuses == ["online", "offline"]


def test_a_machine_that_was_suspended_or_stopped_turns_nobody_offline() -> None:
    for steady, wall in ((1.0, 8 * 3600.0), (8 * 3600.0, 8 * 3600.0)):  # suspended; stopped by SIGSTOP
        seen = Recorder()
        devices = devices_of(seen)
        devices.see([sighting()], T0)
        devices.presence.notice(later(800))
        woken = Now(later(800).wall + int(wall * 1000), later(800).steady + steady)
        devices.sweep(woken)  # which may come before the leap is noticed
        assert seen.statuses == ["online"]
        for passed in range(901):
            moment = Now(woken.wall + passed * 1000, woken.steady + passed)
            devices.presence.notice(moment)
            devices.sweep(moment)
            assert seen.statuses == (["online"] if passed < 900 else ["online", "offline"])


def test_usual_silence_survives_a_restart() -> None:
    devices = devices_of(Recorder())
    devices.remember([device(usual_silence=3_600_000, last_seen=T0.wall)], T0)
    pass_time(devices, 0, 3599)
    assert told(devices).status is Status.ONLINE
    devices.sweep(later(3600))
    assert told(devices).status is Status.OFFLINE


# Who has left.


@pytest.mark.parametrize(("source", "seconds", "back"), [
    ("json", -1.0, False), ("json", 0.1, True),  # who said so is right about the order
    ("neighbours", -30.0, False), ("neighbours", 1.0, False), ("neighbours", 3.0, True),
])  # fmt: skip
def test_only_a_sign_of_life_after_the_release_brings_a_device_back(source: str, seconds: float, back: bool) -> None:
    devices = devices_of(Recorder())
    devices.see([sighting(), sighting(time=later(60).wall, online=False)], later(60))
    devices.see([sighting(time=later(60 + seconds).wall, source=source)], later(64))
    assert (told(devices).status is Status.ONLINE) is back


def test_counters_that_are_read_after_the_release_do_not_bring_a_device_back() -> None:
    devices = devices_of(Recorder())
    devices.see([sighting(), sighting(time=later(60).wall, online=False)], later(60))
    devices.account({MAC: [1, 1, 0]}, {MAC: later(69).wall}, later(69))
    assert told(devices).status is Status.OFFLINE
    devices.account({MAC: [1, 1, 0]}, {MAC: later(80).wall}, later(80))
    assert told(devices).status is Status.ONLINE


# Who is nobody.


@pytest.mark.parametrize("mac", ["00:00:5e:00:01:0a", "00:00:5e:00:02:0a", "00:00:0c:07:ac:01", "00:00:0c:9f:f0:01",
                                 "00:05:73:a0:00:01", "00:07:b4:00:01:02"])  # fmt: skip
def test_a_virtual_routers_mac_is_no_device_and_takes_no_address(mac: str) -> None:
    seen = Recorder()
    devices = devices_of(seen)
    devices.see([sighting(ips=(LAPTOP,)), sighting(mac, ips=(LAPTOP,)), sighting(mac)], T0)
    assert [each.mac for each in devices.all()] == [MAC]
    assert devices.owner_of(LAPTOP) == MAC
    assert seen.counters["ignored.devices.virtual_mac"] == 2
