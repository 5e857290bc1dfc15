"""A phone that comes back with another MAC is the device that it was, also after a restart."""

import dataclasses
from pathlib import Path

from ingest_kit import T0, Recorder, devices_of, later
from merging_kit import (
    ADA,
    LAPTOP,
    NEW,
    OLD,
    PHONE,
    PIXEL,
    THIRD,
    Watcher,
    a_phone_changed_its_mac,
    begun,
    macs_of,
    pass_time,
    seen,
    turn_by_turn,
)
from running import MAC, OTHER_MAC
from store_kit import flow, storing, threat
from waiting import eventually

from netwatchd.clock import Now
from netwatchd.events import Alias, Clue, Device, Forget, Gone, Merge, Split, Status, Trait
from netwatchd.ingest.devices import Devices
from netwatchd.ingest.flows import Flows
from netwatchd.ingest.identities import DECIDED_AFTER, MOST_MACS
from netwatchd.ingest.threats import Threats
from netwatchd.ingest.turns import SWITCHES
from netwatchd.storage import queries


def test_a_phone_with_another_mac_is_the_device_it_was_a_moment_later() -> None:
    told = Recorder()
    devices = a_phone_changed_its_mac(told)
    pass_time(devices, 3600 + DECIDED_AFTER / 2)
    assert len(devices.all()) == 2, "the old one may still show that it is here"
    pass_time(devices, 3600 + DECIDED_AFTER)
    (phone,) = devices.all()
    assert (phone.mac, phone.macs) == (OLD, (NEW, OLD))
    assert (phone.first_seen, phone.last_seen) == (T0.wall, later(3600).wall)
    assert phone.ips == (LAPTOP, PHONE)
    assert (phone.bytes_in, phone.bytes_out) == (10, 20)
    assert phone.status is Status.ONLINE
    assert any(NEW in sentence and "adas-iphone" in sentence for sentence in phone.evidence)
    assert devices.find(NEW) == phone
    assert [devices.owner_of(ip) for ip in phone.ips] == [OLD, OLD]


def test_a_merge_is_told_to_clients_to_the_watch_and_to_the_store() -> None:
    told, watcher = Recorder(), Watcher()
    devices = a_phone_changed_its_mac(told)
    devices.watch = watcher
    pass_time(devices, 3602)
    assert Gone(NEW) in told.published
    assert told.published[-1] == devices.find(OLD)
    assert watcher.heard[0] == (NEW, OLD)
    assert told.joined == [(NEW, OLD)]
    assert told.rows == {NEW: None, OLD: dataclasses.replace(devices.all()[0], bytes_in=0, bytes_out=0)}
    (alias,) = [each for each in told.records.values() if isinstance(each, Alias)]
    assert (alias.mac, alias.device, alias.by, alias.undone) == (NEW, OLD, "netwatchd", None)
    assert alias.before is not None
    assert (alias.before.mac, alias.before.ips) == (NEW, (LAPTOP,))


def test_a_device_that_returns_to_an_earlier_mac_is_the_same_at_once() -> None:
    told, watcher = Recorder(), Watcher()
    devices = a_phone_changed_its_mac(told)
    pass_time(devices, 3602)
    devices.watch = watcher
    for at, mac in ((7200, OLD), (9000, NEW), (9900, OLD)):
        devices.see([seen(mac, at, ip=PHONE)], later(at))
        (phone,) = devices.all()
        assert (phone.mac, phone.macs[0]) == (OLD, mac)
    assert watcher.new == []


def test_two_that_are_here_at_the_same_time_stay_two() -> None:
    devices = a_phone_changed_its_mac(Recorder())
    devices.see([seen(OLD, 3600.05)], later(3600.1))
    pass_time(devices, 3602)
    assert len(devices.all()) == 2


def test_the_old_one_is_asked_whether_it_is_here() -> None:
    asked = []
    devices = begun(Recorder())
    devices.presence.doubt = lambda key, device, now: bool(asked.append(key))  # type: ignore[method-assign]
    devices.see([seen(OLD, 0, ADA, PHONE), seen(NEW, 30, ADA)], later(30))
    assert asked == [OLD]
    for at in (30.1, 30 + DECIDED_AFTER / 2, 31):
        pass_time(devices, at)
    assert asked == [OLD, OLD], "an answer may get lost"


def test_what_is_learnt_while_it_waits_counts() -> None:
    devices = a_phone_changed_its_mac(Recorder())
    devices.see(
        [seen(NEW, 3600.5, (Clue("dhcp_parameters", "9,9,9"), Clue("mdns_name", "Bobs-iPhone")))], later(3600.5)
    )
    devices.see([seen(OLD, 3590, (Clue("mdns_name", "Adas-iPhone"),), alive=False)], later(3600.5))
    pass_time(devices, 3602)
    assert len(devices.all()) == 2


def test_a_factory_name_is_handed_over_only_at_once() -> None:
    for away, left in ((10, 1), (3600, 2)):
        devices = a_phone_changed_its_mac(Recorder(), PIXEL, away)
        pass_time(devices, away + 2)
        assert len(devices.all()) == left


def test_nothing_is_decided_before_it_is_known_who_was_known() -> None:
    told = Recorder()
    devices = devices_of(told)
    devices.see([seen(OLD, 0, ADA, PHONE), seen(NEW, 3600, ADA, LAPTOP)], later(3600))
    pass_time(devices, 4000)
    assert len(devices.all()) == 2
    devices.remember([], later(4000))
    devices.see([], later(4000))
    pass_time(devices, 4002)
    assert macs_of(devices) == [(OLD, (NEW, OLD))]


def test_it_can_be_switched_off() -> None:
    devices = begun(Recorder())
    devices.identities.merge = False
    devices.see([seen(OLD, 0, ADA, PHONE), seen(NEW, 3600, ADA, LAPTOP)], later(3600))
    pass_time(devices, 3700)
    assert len(devices.all()) == 2


def test_traffic_of_both_macs_goes_to_the_one_device() -> None:
    told = Recorder()
    devices = a_phone_changed_its_mac(told)
    flows = Flows(devices, told, told)
    live = flow(1, src_ip=LAPTOP, state="active", bytes_out=100, bytes_in=1000)
    flows.see([live], later(3600))
    assert told.published[-1].device == NEW
    pass_time(devices, 3602)
    flows.see([live._replace(bytes_out=300, state="closed")], later(3603))
    flows.see([flow(2, src_ip=PHONE, bytes_out=5, bytes_in=6)], later(3603))
    (phone,) = devices.all()
    assert (phone.bytes_in, phone.bytes_out) == (10 + 1000 + 6, 20 + 300 + 5)
    devices.account({NEW: [1, 1, 1]}, {}, later(3604))  # was put down before the merge
    assert devices.all()[0].bytes_in == 1017
    flows.settle()
    assert told.rows[OLD] == devices.all()[0]


def test_a_phone_that_changes_its_mac_each_day_is_known_by_the_latest_of_them() -> None:
    told = Recorder()
    devices = begun(told)
    for day in range(MOST_MACS + 10):
        at = day * 86400.0
        devices.see([seen(f"02:00:00:00:00:{day:02x}", at, ADA, PHONE)], later(at))
        pass_time(devices, at + 2)
    (phone,) = devices.all()
    assert phone.mac == "02:00:00:00:00:00"
    assert phone.macs == tuple(f"02:00:00:00:00:{day:02x}" for day in (*range(MOST_MACS + 9, 10, -1), 0))
    assert sum(isinstance(each, Alias) for each in told.records.values()) == MOST_MACS - 1
    assert {each.station for each in told.records.values() if isinstance(each, Trait)} == set(phone.macs)


def test_a_threat_of_a_mac_is_its_devices() -> None:
    told = Recorder()
    devices = a_phone_changed_its_mac(told)
    pass_time(devices, 3602)
    Threats(devices, told, told).see([threat(0, device=mac, target=mac) for mac in (NEW, MAC)], later(3603))
    assert [each.device for each in told.threats.values()] == [OLD, MAC]


# Proven wrong.


def test_two_macs_that_prove_to_be_here_at_the_same_time_are_told_apart_by_themselves_and_for_good() -> None:
    told, watcher = Recorder(), Watcher()
    devices = a_phone_changed_its_mac(told, PIXEL, 10)
    pass_time(devices, 12)
    assert len(devices.all()) == 1
    devices.watch = watcher
    turn_by_turn(devices, 20, 5, SWITCHES + 1)
    assert {device.mac: device.ips for device in devices.all()} == {OLD: (PHONE,), NEW: (LAPTOP,)}
    assert watcher.new == [NEW]
    assert {devices.owner_of(PHONE), devices.owner_of(LAPTOP)} == {OLD, NEW}
    (alias,) = [each for each in told.records.values() if isinstance(each, Alias)]
    assert alias.undone is not None
    devices.see([seen(NEW, 90, (Clue("mdns_name", "Pixel-7"),))], later(90))
    pass_time(devices, 95)
    assert len(devices.all()) == 2


def test_a_phone_that_is_switched_back_and_forth_now_and_then_stays_one() -> None:
    devices = a_phone_changed_its_mac(Recorder())
    pass_time(devices, 3602)
    turn_by_turn(devices, 4000, 120, 20)
    assert len(devices.all()) == 1


def test_what_the_user_says_is_one_device_may_show_both_macs_at_once() -> None:
    told = Recorder()
    devices = begun(told)
    devices.see([seen(OLD, 0, ip=PHONE), seen(NEW, 0, ip=LAPTOP)], T0)
    assert devices.act(Merge(NEW, OLD), later(1)) is None
    before = len(told.published)
    turn_by_turn(devices, 2, 0.1, 60)
    assert len(devices.all()) == 1
    assert sum(isinstance(each, Device) for each in told.published[before:]) <= 61


# Restarts.


def restarted(told: Recorder, now: Now) -> tuple[Recorder, Devices]:
    """The next run, which reads what the last one has kept."""
    again = Recorder()
    again.records, again.rows = dict(told.records), dict(told.rows)
    devices = devices_of(again)
    devices.remember([row for row in told.rows.values() if row], now, list(told.records.values()))
    return again, devices


def test_a_merge_and_what_led_to_it_outlive_a_restart() -> None:
    told = Recorder()
    devices = a_phone_changed_its_mac(told)
    pass_time(devices, 3602)
    told, devices = restarted(told, later(4000))
    devices.see([seen(NEW, 4001, ip=LAPTOP)], later(4001))
    assert macs_of(devices) == [(OLD, (NEW, OLD))]
    devices.see([seen(THIRD, 9000, ADA)], later(9000))
    pass_time(devices, 9002)
    assert macs_of(devices) == [(OLD, (THIRD, NEW, OLD))]
    assert len([sentence for sentence in devices.all()[0].evidence if "is the same device" in sentence]) == 2


def test_a_split_outlives_a_restart() -> None:
    told = Recorder()
    devices = a_phone_changed_its_mac(told)
    pass_time(devices, 3602)
    devices.act(Split(NEW), later(3700))
    told, devices = restarted(told, later(4000))
    devices.see([seen(NEW, 4001, (Clue("mdns_name", "Adas-iPhone"),))], later(4001))
    pass_time(devices, 4005)
    assert len(devices.all()) == 2


def test_what_was_one_device_before_is_one_when_the_database_comes_late() -> None:
    told = Recorder()
    devices = a_phone_changed_its_mac(told)
    pass_time(devices, 3602)
    again, watcher = Recorder(), Watcher()
    devices = devices_of(again)
    devices.watch = watcher
    devices.see([seen(NEW, 5000, ip=LAPTOP)], later(5000))
    devices.account({NEW: [7, 7, 1]}, {}, later(5000))
    devices.remember([row for row in told.rows.values() if row], later(5001), list(told.records.values()))
    (phone,) = devices.all()
    assert (phone.mac, phone.macs, phone.bytes_in) == (OLD, (NEW, OLD), 7)
    assert Gone(NEW) in again.published
    assert (NEW, OLD) in watcher.heard


def test_a_file_that_replaces_another_is_given_all_that_is_known() -> None:
    told = Recorder()
    devices = a_phone_changed_its_mac(told)
    pass_time(devices, 3602)
    kept = dict(told.records)
    told.records.clear()
    devices.remember([], later(3700))
    assert told.records == kept


def test_an_alias_whose_device_is_not_there_is_none() -> None:
    told = Recorder()
    devices = devices_of(told)
    alias = Alias(NEW, OLD, T0.wall, "netwatchd", ("why",))
    told.keep(alias)
    devices.remember([], T0, [alias])
    assert told.records == {}
    devices.see([seen(NEW, 0)], T0)
    assert macs_of(devices) == [(NEW, ())]


def test_merged_split_and_forgotten_in_a_real_store(tmp_path: Path) -> None:
    with storing(tmp_path) as store:
        devices = devices_of(Recorder(), store=store)
        devices.remember([], T0)
        devices.see([seen(OLD, 0, ADA, PHONE), seen(MAC, 0), seen(OTHER_MAC, 0, ADA)], T0)
        devices.see([seen(NEW, 60, ADA, LAPTOP)], later(60))
        pass_time(devices, 62)
        devices.act(Merge(MAC, OLD), later(63))
        devices.act(Split(MAC), later(64))
        devices.act(Forget(OTHER_MAC), later(65))
        eventually(lambda: store.pending == 0)
    stored = queries.read_core(tmp_path)
    assert {device.mac: device.macs for device in stored.devices} == {OLD: (NEW, OLD), MAC: ()}
    assert {(alias.mac, alias.undone is None) for alias in stored.aliases} == {(NEW, True), (MAC, False)}
    assert {trait.station for trait in stored.traits} == {OLD, NEW}
    devices = devices_of(Recorder())
    devices.remember(stored.devices, later(100), [*stored.traits, *stored.aliases])
    assert devices.find(NEW) == devices.find(OLD)
    assert devices.find(MAC) != devices.find(OLD)
