"""What is asked about one device: its sessions, traits and aliases, its peers, and what it moved today."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from running import MAC, OTHER_MAC
from store_kit import DAY, NOON, Kept, device, flow, storing
from test_records import alias, trait
from waiting import eventually

from netwatchd.events import Flow, Session
from netwatchd.storage import queries
from netwatchd.storage.queries import NoDatabase, Peer
from netwatchd.storage.top import traffic_since

LAPTOP, PHONE, SERVER, DNS = 0xC0A80105, 0xC0A80106, 0x5DB8D822, 0x08080808
V6 = [bytes.fromhex("20010db8") + bytes([0] * 11 + [n]) for n in range(9)]
HOUR = 3_600_000
MIDNIGHT = NOON - 13 * HOUR  # where the clock is an hour ahead of UTC


def tell(store: Kept, *flows: Flow) -> None:
    """As the flow worker does, with their hours."""
    for each in flows:
        opened = each.src_ip in (LAPTOP, PHONE, *V6)
        sums = store.rollups.hour(each.id >> 12).devices.setdefault(each.device or "", [0, 0, 0])
        moved = (each.bytes_in, each.bytes_out) if opened else (each.bytes_out, each.bytes_in)
        sums[:] = [sums[0] + moved[0], sums[1] + moved[1], sums[2] + 1]
    store.settle([], flows, max(each.id for each in flows), rollups=True)


def test_the_sessions_of_a_device_come_newest_first_and_those_of_others_stay_out(tmp_path: Path) -> None:
    mine = [Session(MAC, NOON), Session(MAC, NOON - 50, NOON - 10), Session(MAC, NOON - 99, NOON - 60)]
    with storing(tmp_path) as store:
        for session in (*mine, Session(OTHER_MAC, NOON)):
            store.keep(session)
    assert queries.sessions(tmp_path, MAC, 0) == mine
    assert queries.sessions(tmp_path, MAC, NOON - 10) == mine[:2]
    assert queries.sessions(tmp_path, MAC, NOON + DAY) == mine[:1], "it has not ended"
    assert queries.sessions(tmp_path, "192.168.1.9", 0) == []


def test_traits_are_found_by_all_stations_of_a_device_and_aliases_with_what_was_before(tmp_path: Path) -> None:
    kept = [
        trait(),
        trait(value="phone"),
        trait(OTHER_MAC),
        trait("fd00::1", "mdns_name", "läptop \N{DROMEDARY CAMEL}"),
    ]
    merged = [alias(before=device(OTHER_MAC, kind="phone", macs=(OTHER_MAC,))), alias("a4:83:e7:00:00:03", undone=NOON)]
    with storing(tmp_path) as store:
        for record in (*kept, *merged):
            store.keep(record)
    assert queries.traits(tmp_path, [MAC, "fd00::1"]) == [kept[1], kept[0], kept[3]]
    assert queries.traits(tmp_path, []) == []
    assert queries.aliases(tmp_path) == merged
    core = queries.read_core(tmp_path)
    assert set(core.traits) == set(kept)
    assert core.aliases == merged


def test_of_sessions_the_daemon_remembers_those_that_last_and_the_newest_of_each_device(tmp_path: Path) -> None:
    with storing(tmp_path) as store:
        for start in (1, 20, 300):
            store.keep(Session(MAC, start, start + 5))
        store.keep(Session(OTHER_MAC, 2))
        store.keep(Session(OTHER_MAC, 30, 35))
    assert queries.read_core(tmp_path).sessions == [
        Session(OTHER_MAC, 2), Session(OTHER_MAC, 30, 35), Session(MAC, 300, 305)
    ]  # fmt: skip


def test_peers_are_told_as_the_device_sees_them(tmp_path: Path) -> None:
    with storing(tmp_path) as store:
        store.upsert_device(device(ips=(LAPTOP, V6[0])))
        store.upsert_device(device(OTHER_MAC, ips=(PHONE,)))
        store.add_flows(
            [
                flow(1, NOON - DAY, bytes_in=10_000, bytes_out=1),
                flow(2, bytes_in=1000, bytes_out=1, dst_port=80),
                flow(3, dst_port=80, bytes_in=0, bytes_out=0),
                flow(4, src_ip=SERVER, dst_ip=LAPTOP, dst_port=22, bytes_in=5, bytes_out=7, end=NOON + 99),
                flow(5, src_ip=V6[0], dst_ip=V6[1], protocol=17, dst_port=53, bytes_in=20, bytes_out=30),
                flow(6, src_ip=PHONE, dst_ip=LAPTOP, bytes_in=3, bytes_out=4, dst_port=445),
                flow(7, src_ip=PHONE, dst_ip=SERVER, device=OTHER_MAC),
                flow(8, src_ip=1, device=None),
            ]
        )
    most = [
        Peer(SERVER, 10_000 + 1000 + 7, 1 + 1 + 5, 4, NOON + 99, 6, 80),
        Peer(V6[1], 20, 30, 1, NOON + 5, 17, 53),
        Peer(PHONE, 4, 3, 1, NOON + 5, 6, 445),
    ]
    assert queries.peers(tmp_path, MAC, 0, 10) == most
    assert queries.peers(tmp_path, MAC, 0, 2) == most[:2]
    assert queries.peers(tmp_path, MAC, NOON, 1) == [Peer(SERVER, 1007, 6, 3, NOON + 99, 6, 80)]
    assert queries.peers(tmp_path, "192.168.1.99", 0, 10) == []
    with pytest.raises(NoDatabase):
        queries.peers(tmp_path / "none", MAC, 0, 10)


def test_an_address_that_a_device_has_lost_is_told_from_its_peers(tmp_path: Path) -> None:
    lost = 0xC0A80163
    with storing(tmp_path) as store:
        store.upsert_device(device(ips=(LAPTOP,)))
        store.add_flows(
            [
                flow(1, src_ip=lost, dst_ip=SERVER, bytes_in=10, bytes_out=1),
                flow(2, src_ip=SERVER, dst_ip=lost, bytes_in=2, bytes_out=30),
                flow(3, src_ip=V6[7], dst_ip=V6[1], bytes_in=500, bytes_out=4),  # both could be its: who opened it was
            ]
        )
    assert [(each.address, each.bytes_in, each.bytes_out) for each in queries.peers(tmp_path, MAC, 0, 10)] == [
        (V6[1], 500, 4), (SERVER, 40, 3)
    ]  # fmt: skip


def test_the_flows_of_a_merged_mac_are_the_devices_until_it_is_told_apart(tmp_path: Path) -> None:
    with storing(tmp_path) as store:
        store.upsert_device(device(ips=(LAPTOP,)))
        store.keep(alias(before=device(OTHER_MAC, ips=(PHONE,))))
        tell(store, flow(1), flow(2, src_ip=SERVER, dst_ip=PHONE, dst_port=1, device=OTHER_MAC))
    assert queries.peers(tmp_path, MAC, 0, 10) == [Peer(SERVER, 4300, 4300, 2, NOON + 5, 6, 1)]
    assert traffic_since(tmp_path, MIDNIGHT) == {MAC: (4300, 4300)}
    with storing(tmp_path) as store:
        store.keep(alias(undone=NOON))
    assert [each.flows for each in queries.peers(tmp_path, MAC, 0, 10)] == [1]
    assert traffic_since(tmp_path, MIDNIGHT) == {MAC: (4000, 300), OTHER_MAC: (300, 4000)}


def test_a_scan_of_many_peers_and_ports_hides_nobody_who_moved_much(tmp_path: Path) -> None:
    with storing(tmp_path) as store:
        store.upsert_device(device(ips=(LAPTOP,)))
        scan = [flow(n, dst_ip=0x0B000000 + n, dst_port=n, bytes_in=0, bytes_out=40) for n in range(15_000)]
        store.add_flows([*scan, flow(20_000, dst_ip=DNS, dst_port=53, bytes_in=9)])
        eventually(lambda: store.counters["stored.flows"] == 15_001)
    found = queries.peers(tmp_path, MAC, 0, 3)
    assert [(each.address, each.bytes_in, each.bytes_out) for each in found][:1] == [(DNS, 9, 300)]
    assert len(queries.peers(tmp_path, MAC, 0, 10**6)) == queries.MOST_PEERS


def test_of_a_device_with_very_many_flows_the_newest_are_looked_at(tmp_path: Path) -> None:
    with storing(tmp_path) as store:
        store.upsert_device(device(ips=(LAPTOP,)))
        store.add_flows([flow(n, NOON - DAY * day) for day in range(3) for n in range(10)])
    flows = [[each.flows for each in queries.peers(tmp_path, MAC, 0, 9, most)] for most in (5, 10, 15, 99)]
    assert flows == [[5], [10], [15], [30]]


def test_traffic_of_today_is_that_of_rollups_and_of_the_flows_since(tmp_path: Path) -> None:
    with storing(tmp_path) as store:
        store.upsert_device(device(ips=(LAPTOP,)))
        store.upsert_device(device(OTHER_MAC, ips=(PHONE,)))
        tell(store, flow(1, MIDNIGHT - 1), flow(2, MIDNIGHT), flow(3, device=OTHER_MAC, src_ip=PHONE))
        store.add_flows([flow(4, NOON + 1), flow(5, NOON + 2, device=None, src_ip=1)])  # in no roll-up yet
    assert traffic_since(tmp_path, MIDNIGHT) == {MAC: (8000, 600), OTHER_MAC: (4000, 300)}
    assert traffic_since(tmp_path, NOON + DAY) == {}


def test_questions_to_an_empty_directory_say_that_there_is_no_database(tmp_path: Path) -> None:
    for ask in (
        lambda: queries.sessions(tmp_path, MAC, 0),
        lambda: queries.traits(tmp_path, [MAC]),
        lambda: queries.aliases(tmp_path),
        lambda: traffic_since(tmp_path, 0),
    ):
        with pytest.raises(NoDatabase):
            ask()


def test_a_merge_chain_that_is_a_ring_ends(tmp_path: Path) -> None:
    with storing(tmp_path) as store:
        store.upsert_device(device(ips=(LAPTOP,)))
        store.keep(alias(MAC, OTHER_MAC))
        store.keep(alias(OTHER_MAC, MAC))
        tell(store, flow(1))
    assert sum(map(sum, traffic_since(tmp_path, 0).values())) == 4300
    with closing(sqlite3.connect(tmp_path / "core.db")) as db:
        assert db.execute("SELECT count(*) FROM aliases").fetchone() == (2,)
