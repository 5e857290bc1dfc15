"""Devices are made of sightings and of traffic, and are told and kept whenever they change."""

import dataclasses
from pathlib import Path

import pytest
from ingest_kit import T0, Recorder, devices_of, later, sighting
from running import MAC, OTHER_MAC
from store_kit import device, flow, storing
from waiting import eventually

from netwatchd.addresses import parse_address
from netwatchd.clock import Now
from netwatchd.events import Device, Rename, Status
from netwatchd.ingest.devices import MOST_DEVICES
from netwatchd.ingest.flows import Flows
from netwatchd.ingest.records import MOST_ADDRESSES, MOST_BYTES

LAPTOP, PHONE, ROUTER = 0xC0A80105, 0xC0A80106, 0xC0A80101
V6 = parse_address("fd00::5")


def test_a_device_never_seen_before_is_told_and_kept_as_new() -> None:
    seen = Recorder()
    devices = devices_of(seen)
    devices.see([sighting(ips=(LAPTOP,), hostname="laptop")], T0)
    (told,) = seen.published
    assert dataclasses.replace(told, vendor=None, evidence=()) == Device(
        MAC, (LAPTOP,), "laptop", None, None, T0.wall, T0.wall, Status.ONLINE, 0, 0, ("json",)
    )
    assert seen.new == {MAC}
    assert devices.owner_of(LAPTOP) == MAC


def test_what_several_sources_tell_of_a_device_is_put_together() -> None:
    seen = Recorder()
    devices = devices_of(seen)
    devices.see([sighting(ips=(LAPTOP,), source="neighbours")], T0)
    devices.see([sighting(hostname="laptop", source="leases", time=later(5).wall)], later(5))
    devices.see([sighting(vendor="Acme", source="json", time=later(3).wall)], later(5))
    known = devices.find(MAC)
    assert known is not None
    assert (known.ips, known.hostname, known.vendor) == ((LAPTOP,), "laptop", "Acme")
    assert known.sources == ("neighbours", "leases", "json")
    assert (known.first_seen, known.last_seen) == (T0.wall, T0.wall + 5000)


def test_a_device_seen_again_without_news_is_neither_told_nor_kept_at_once() -> None:
    seen = Recorder()
    devices = devices_of(seen)
    devices.see([sighting(ips=(LAPTOP,))], T0)
    devices.see([sighting(ips=(LAPTOP,), time=later(5).wall)] * 10, later(5))
    assert len(seen.published) == 1
    devices.publish_progress()
    assert [each.last_seen for each in seen.published] == [T0.wall, T0.wall + 5000]
    assert [each.last_seen for each in devices.take_unsettled()] == [T0.wall + 5000]
    devices.publish_progress()
    assert len(seen.published) == 2


def test_the_latest_of_several_addresses_comes_first() -> None:
    devices = devices_of(Recorder())
    devices.see([sighting(ips=(LAPTOP,)), sighting(ips=(V6,)), sighting(ips=(PHONE,))], T0)
    known = devices.find(MAC)
    assert known is not None
    assert known.ips == (PHONE, V6, LAPTOP)
    assert known.ip == PHONE


def test_news_that_are_older_than_what_is_known_do_not_become_the_latest_address() -> None:
    devices = devices_of(Recorder())
    devices.see([sighting(ips=(LAPTOP,), time=T0.wall), sighting(ips=(PHONE,), time=T0.wall - 1000)], T0)
    known = devices.find(MAC)
    assert known is not None
    assert known.ips == (LAPTOP, PHONE)


def test_a_device_keeps_its_latest_addresses_only_and_owns_no_others() -> None:
    devices = devices_of(Recorder())
    for n in range(MOST_ADDRESSES + 5):
        devices.see([sighting(ips=(LAPTOP + n,))], later(n))
    known = devices.find(MAC)
    assert known is not None
    assert known.ips == tuple(LAPTOP + n for n in range(MOST_ADDRESSES + 4, 4, -1))
    assert devices.owner_of(LAPTOP) is None
    assert devices.owner_of(LAPTOP + 5) == MAC


def test_an_address_that_shows_at_another_mac_moves_there_and_both_are_told() -> None:
    seen = Recorder()
    devices = devices_of(seen)
    devices.see([sighting(ips=(LAPTOP, V6)), sighting(OTHER_MAC, ips=(LAPTOP,))], T0)
    assert devices.owner_of(LAPTOP) == OTHER_MAC
    assert [(each.mac, each.ips) for each in seen.published[1:]] == [(MAC, (V6,)), (OTHER_MAC, (LAPTOP,))]


def test_silence_turns_a_device_offline_and_a_sighting_brings_it_back() -> None:
    seen = Recorder()
    devices = devices_of(seen, offline_after=60)
    devices.see([sighting()], T0)
    devices.sweep(later(59))
    assert seen.statuses == ["online"]
    devices.sweep(later(60))
    devices.sweep(later(70))
    assert seen.statuses == ["online", "offline"]
    devices.see([sighting(time=later(80).wall)], later(80))
    assert seen.statuses == ["online", "offline", "online"]


def test_traffic_is_a_sign_of_life() -> None:
    seen = Recorder()
    devices = devices_of(seen, offline_after=60)
    devices.see([sighting()], T0)
    devices.sweep(later(100))
    devices.account({MAC: [1, 2, 1]}, {MAC: later(100).wall}, later(100))
    assert seen.statuses == ["online", "offline", "online"]
    devices.account({MAC: [1, 2, 1]}, {}, later(200))
    devices.sweep(later(200))
    assert seen.statuses[-1] == "offline"


def test_a_device_that_its_source_says_has_left_is_offline_until_it_is_seen_again() -> None:
    seen = Recorder()
    devices = devices_of(seen)
    devices.see([sighting(), sighting(online=False), sighting()], T0)
    assert seen.statuses == ["online", "offline", "online"]


def test_a_ghost_from_the_kernels_tables_is_known_but_offline() -> None:
    seen = Recorder()
    devices = devices_of(seen, offline_after=60)
    devices.see([sighting(time=T0.wall - 61_000)], T0)
    assert seen.statuses == ["offline"]


@pytest.mark.parametrize("leap", [-40 * 365 * 86400, -3600, 3600, 40 * 365 * 86400])
def test_a_wall_clock_that_leaps_turns_nobody_offline(leap: int) -> None:
    seen = Recorder()
    devices = devices_of(seen, offline_after=60)
    devices.see([sighting()], T0)
    leapt = Now(T0.wall + leap * 1000, T0.steady + 1)
    devices.sweep(leapt)
    devices.see([sighting(time=leapt.wall)], leapt)
    devices.account({MAC: [1, 1, 1]}, {MAC: leapt.wall}, leapt)
    devices.sweep(leapt._replace(steady=T0.steady + 60))
    known = devices.find(MAC)
    assert known is not None
    assert known.status is Status.ONLINE


def test_nothing_was_seen_in_the_future() -> None:
    devices = devices_of(Recorder())
    devices.see([sighting(time=T0.wall + 10**9)], T0)
    known = devices.find(MAC)
    assert known is not None
    assert (known.first_seen, known.last_seen) == (T0.wall, T0.wall)


def test_a_device_known_by_its_address_is_joined_to_its_mac_when_that_shows() -> None:
    seen = Recorder()
    devices = devices_of(seen)
    devices.see([sighting(None, ips=(LAPTOP,), hostname="laptop")], T0)
    devices.account({"192.168.1.5": [10, 20, 1]}, {}, T0)
    devices.see([sighting(ips=(LAPTOP,), source="neighbours")], later(5))
    (known,) = devices.all()
    assert (known.mac, known.hostname, known.first_seen) == (MAC, "laptop", T0.wall)
    assert (known.bytes_in, known.bytes_out, known.sources) == (10, 20, ("json", "neighbours"))
    assert seen.rows == {"192.168.1.5": None, MAC: dataclasses.replace(known, bytes_in=0, bytes_out=0)}
    assert devices.take_unsettled() == [known], "the traffic goes into the row with the flows that it is of"
    devices.sweep(later(10**6))  # nothing of the one that went is left behind
    devices.publish_progress()


def test_an_address_without_a_mac_means_the_device_that_has_it() -> None:
    devices = devices_of(Recorder())
    devices.see([sighting(ips=(LAPTOP,)), sighting(None, ips=(LAPTOP,), hostname="laptop")], T0)
    (known,) = devices.all()
    assert (known.mac, known.hostname) == (MAC, "laptop")


def test_a_device_known_by_an_address_keeps_that_address_first_whatever_else_it_shows() -> None:
    seen = Recorder()
    devices = devices_of(seen)
    devices.see([sighting(None, ips=(LAPTOP,)), sighting(None, ips=(LAPTOP, V6))], T0)
    devices.see([sighting(None, ips=(V6, LAPTOP)), sighting(None, ips=(V6,))], later(1))
    (known,) = devices.all()
    assert known.ips == (LAPTOP, V6)
    assert seen.rows == {"192.168.1.5": known}


def test_devices_known_by_addresses_that_prove_to_be_one_become_one() -> None:
    seen = Recorder()
    devices = devices_of(seen)
    devices.see([sighting(None, ips=(LAPTOP,)), sighting(None, ips=(PHONE,))], T0)
    devices.see([sighting(None, ips=(ROUTER, LAPTOP, PHONE))], later(1))
    (known,) = devices.all()
    assert known.ips == (ROUTER, LAPTOP, PHONE)
    assert seen.rows == {"192.168.1.5": None, "192.168.1.6": None, "192.168.1.1": known}


def test_a_flood_of_made_up_devices_is_bounded_and_counted() -> None:
    seen = Recorder()
    devices = devices_of(seen)
    for n in range(MOST_DEVICES + 10):
        devices.see([sighting(f"02:00:00:{n >> 16:02x}:{n >> 8 & 255:02x}:{n & 255:02x}")], T0)
    assert len(devices.all()) == MOST_DEVICES
    assert seen.counters["dropped.devices.too_many"] == 10
    devices.see([sighting("02:00:00:00:00:01", hostname="known")], T0)  # who is known is still brought up to date
    assert seen.published[-1].hostname == "known"


def test_the_users_name_is_told_and_kept_and_survives_sightings() -> None:
    seen = Recorder()
    devices = devices_of(seen)
    devices.see([sighting()], T0)
    assert devices.act(Rename(MAC, "Ada's laptop")) is None
    devices.see([sighting(hostname="x")], later(1))
    assert [each.name for each in seen.published] == [None, "Ada's laptop", "Ada's laptop"]
    assert "there is no device" in (devices.act(Rename(OTHER_MAC, "x")) or "")


def test_devices_of_an_earlier_run_are_known_and_have_the_usual_silence_to_show_themselves() -> None:
    seen = Recorder()
    devices = devices_of(seen, offline_after=60)
    old = device(last_seen=T0.wall - 10**9, first_seen=T0.wall - 10**9)
    devices.remember([old], T0)
    assert devices.all() == [old]
    devices.sweep(later(59))
    assert seen.statuses == []
    devices.sweep(later(60))
    assert seen.statuses == ["offline"]


def test_a_database_that_appears_late_is_joined_to_what_was_seen_meanwhile() -> None:
    seen = Recorder()
    devices = devices_of(seen)
    devices.see([sighting(ips=(PHONE,), hostname="new")], T0)
    devices.account({MAC: [1, 2, 1]}, {}, T0)
    devices.remember([device(bytes_in=10, bytes_out=20, name="Ada", first_seen=7)], later(1))
    (known,) = devices.all()
    assert (known.bytes_in, known.bytes_out, known.name, known.hostname, known.first_seen) == (11, 22, "Ada", "new", 7)
    assert known.ips == (PHONE, LAPTOP)


def test_a_database_that_replaces_another_does_not_add_to_what_is_known() -> None:
    seen = Recorder()
    devices = devices_of(seen)
    devices.remember([device(bytes_in=10)], T0)
    devices.remember([device(bytes_in=10)], later(1))
    assert [each.bytes_in for each in devices.all()] == [10]
    seen.rows.clear()
    devices.remember([], later(2))
    assert seen.rows == {MAC: device(bytes_in=10)}, "an empty one is given all that is known"


def test_totals_stop_growing_where_numbers_would_no_longer_be_exact() -> None:
    devices = devices_of(Recorder())
    devices.see([sighting()], T0)
    for _ in range(3):
        devices.account({MAC: [2**53 - 1, 1, 1]}, {}, T0)
    (known,) = devices.all()
    assert (known.bytes_in, known.bytes_out) == (MOST_BYTES, 3)


def test_a_row_written_between_two_settlings_holds_no_traffic_that_the_flows_tell_too(tmp_path: Path) -> None:
    with storing(tmp_path) as store:
        seen = Recorder()
        devices = devices_of(seen, store=store)
        flows = Flows(devices, lambda events: None, store)
        devices.see([sighting(ips=(LAPTOP,))], T0)
        flows.see([flow(1)], T0)
        devices.see([sighting(hostname="laptop")], later(1))
        eventually(lambda: store.pending == 0)
        with store.connection.lock:
            db = store.connection.ensure_connection()
            assert db.execute("SELECT hostname, bytes_in FROM devices").fetchone() == ("laptop", 0)
        flows.settle()
        eventually(lambda: store.pending == 0)
        with store.connection.lock:
            assert db.execute("SELECT hostname, bytes_in FROM devices").fetchone() == ("laptop", 4000)
    assert [each.bytes_in for each in devices.all()] == [4000]
