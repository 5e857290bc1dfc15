"""What was stored is found again, also by readers who may do nothing but read."""

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import needs_root
from running import MAC, OTHER_MAC
from store_kit import DAY, FILE, NOON, device, flow, flows_of, storing, threat
from waiting import eventually

from netwatchd.events import Flow
from netwatchd.storage import queries, search
from netwatchd.storage.rollups import BUCKET_MS
from netwatchd.storage.top import top

PHONE = 0xC0A80106


def store(directory: Path, *flows: Flow, **traffic: int) -> None:
    with storing(directory) as kept:
        kept.add_flows(flows)
        kept.upsert_device(device())
        kept.upsert_device(device(OTHER_MAC, ips=(PHONE,)))
        kept.upsert_threat(threat())


def test_the_newest_flows_of_all_days_come_first(tmp_path: Path) -> None:
    kept = [flow(n, NOON - DAY * day) for day in range(3) for n in range(5)]
    store(tmp_path, *kept)
    newest_first = sorted(kept, key=lambda each: -each.id)
    assert list(search.Search(tmp_path)) == newest_first
    assert list(search.Search(tmp_path, limit=7)) == newest_first[:7]
    assert list(search.Search(tmp_path, search.Wanted(since=NOON - DAY))) == newest_first[:10]


def test_the_flows_of_one_device_are_told_from_the_others(tmp_path: Path) -> None:
    store(tmp_path, flow(1), flow(2, device=OTHER_MAC), flow(3, device=None), flow(4, device="fd00::5"))
    assert [each.id for each in flows_of(tmp_path, OTHER_MAC)] == [flow(2).id]
    assert [each.id for each in flows_of(tmp_path, "fd00::5")] == [flow(4).id]


def test_devices_and_threats_come_back_as_they_were(tmp_path: Path) -> None:
    store(tmp_path)
    kept = queries.read_core(tmp_path)
    assert kept.devices == [device(), device(OTHER_MAC, ips=(PHONE,))]
    assert kept.threats == [threat()]


def test_flows_that_were_alive_when_they_were_last_stored_are_found(tmp_path: Path) -> None:
    store(tmp_path, flow(1), flow(2, state="active"), flow(3, NOON - DAY, state="new"))
    assert [each.id for each in queries.live_flows(tmp_path)] == [flow(2).id, flow(3, NOON - DAY).id]


def test_the_newest_flow_is_found_also_behind_a_day_that_was_only_begun(tmp_path: Path) -> None:
    assert queries.newest_flow(tmp_path) is None
    store(tmp_path, flow(1), flow(9), flow(3, NOON - DAY))
    (tmp_path / "flows-20261124.db").touch()
    assert queries.newest_flow(tmp_path) == flow(9).id
    assert len(list(search.Search(tmp_path))) == 3


def test_traffic_is_put_down_to_the_side_that_the_device_was_on(tmp_path: Path) -> None:
    opened, answered = flow(1), flow(2, src_ip=0x5DB8D822, dst_ip=PHONE, device=OTHER_MAC)
    store(tmp_path, opened, answered, flow(3, NOON - 1), flow(4, device=None, src_ip=1, dst_ip=2))
    devices = queries.read_core(tmp_path).devices
    after = flow(3, NOON - 1).id
    assert queries.traffic(tmp_path, after, devices) == {
        MAC: [4000, 300, 1],
        OTHER_MAC: [300, 4000, 1],
        "": [4000, 300, 1],
    }
    assert queries.traffic(tmp_path, after, devices, opened.id) == {MAC: [4000, 300, 1]}


def test_counters_of_a_liar_do_not_keep_the_sums_of_the_others_from_being_told(tmp_path: Path) -> None:
    most = 2**53 - 1
    store(tmp_path, *(flow(n, bytes_in=most) for n in range(1100)), flow(2000, device=OTHER_MAC, src_ip=PHONE))
    devices = queries.read_core(tmp_path).devices
    assert queries.traffic(tmp_path, 0, devices)[OTHER_MAC] == [4000, 300, 1]
    assert {"device": OTHER_MAC, "bytes_in": 4000, "bytes_out": 300, "flows": 1} in top(tmp_path, "device", 0, 10).rows


def test_who_moved_most_comes_first_by_device_destination_and_port(tmp_path: Path) -> None:
    store(
        tmp_path,
        flow(1),
        flow(2, NOON - DAY),
        flow(3, device=OTHER_MAC, dst_ip=8, dst_port=53, protocol=17, bytes_in=10**6),
        flow(4, NOON - 2 * DAY, bytes_in=10**9),
    )
    since = NOON - DAY
    assert top(tmp_path, "device", since, 10).rows == [
        {"device": OTHER_MAC, "bytes_in": 10**6, "bytes_out": 300, "flows": 1},
        {"device": MAC, "bytes_in": 8000, "bytes_out": 600, "flows": 2},
    ]
    assert [row["destination"] for row in top(tmp_path, "destination", since, 10).rows] == [
        "0.0.0.8",
        "93.184.216.34",
    ]
    assert [row["port"] for row in top(tmp_path, "port", since, 1).rows] == ["udp/53"]


def test_rollups_of_a_time_are_told(tmp_path: Path) -> None:
    with storing(tmp_path) as kept:
        for n in range(4):
            kept.add_traffic(NOON + n * BUCKET_MS, {MAC: [n, n, 1]}, n)
    found = queries.rollups(tmp_path, NOON + BUCKET_MS + 5, NOON + 2 * BUCKET_MS)
    assert found == [(NOON + BUCKET_MS, MAC, 1, 1, 1), (NOON + 2 * BUCKET_MS, MAC, 2, 2, 1)]


def test_the_ten_minutes_that_a_crash_left_unwritten_are_added_up_from_the_flows(tmp_path: Path) -> None:
    store(tmp_path, flow(1, NOON - BUCKET_MS), flow(2, NOON), flow(3, NOON + 1))
    with storing(tmp_path):
        pass
    assert queries.rollups(tmp_path, 0) == [
        (NOON - BUCKET_MS, MAC, 4000, 300, 1),
        (NOON, MAC, 8000, 600, 2),
    ]
    with storing(tmp_path) as kept:  # and once only, together with what comes after
        kept.add_flow(flow(4, NOON + 2))
        kept.add_traffic(NOON + 2, {MAC: [1, 2, 1]}, flow(4, NOON + 2).id)
    assert queries.rollups(tmp_path, NOON) == [(NOON, MAC, 8001, 602, 3)]


def test_the_ten_minutes_before_a_silence_are_added_up_too_however_long_it_was(tmp_path: Path) -> None:
    store(tmp_path, flow(1, NOON - DAY), flow(2))
    unwritten = queries.unwritten_rollups(tmp_path)
    assert [(bucket, traffic[MAC][2]) for bucket, traffic, _ in unwritten] == [(NOON - DAY, 1), (NOON, 1)]


def test_where_there_is_no_database_the_reader_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(queries.NoDatabase, match="has netwatchd run yet"):
        queries.read_core(tmp_path)
    (tmp_path / "core.db").write_bytes(b"this is no database" * 100)
    with pytest.raises(queries.NoDatabase, match="cannot read"):
        queries.read_core(tmp_path)


def test_a_reader_cannot_write(tmp_path: Path) -> None:
    store(tmp_path)
    db = queries.open_read_only(tmp_path / "core.db")
    with pytest.raises(sqlite3.OperationalError):
        db.execute("DELETE FROM devices")
    db.close()


READ = """
import os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from netwatchd.storage import queries, search  # before the privileges are gone, for the sake of the imports
directory = Path(sys.argv[1])
os.setgid(65534); os.setuid(65534)
print(len(queries.read_core(directory).devices), len(list(search.Search(directory))))
"""


def read_as_nobody(directory: Path) -> str:
    project = str(Path(__file__).parents[1])
    answer = subprocess.run(
        [sys.executable, "-c", READ, directory, project], capture_output=True, text=True, check=False
    )
    return answer.stdout + answer.stderr


@needs_root
def test_a_user_who_may_only_read_the_directory_reads_while_the_daemon_writes_and_after(short: Path) -> None:
    os.umask(0o022)
    with storing(short) as kept:
        kept.add_flow(flow(1))
        kept.upsert_device(device(), new=True)
        eventually(lambda: kept.counters["storage.commits"])
        assert read_as_nobody(short) == "1 1\n"
    assert read_as_nobody(short) == "1 1\n"
    assert (short / FILE).exists()


def test_a_day_that_is_removed_after_the_days_were_listed_is_passed_over(tmp_path: Path) -> None:
    with storing(tmp_path) as store:
        store.add_flow(flow(1))
    # A name without a file: what a listing holds when the file has just gone.
    (tmp_path / "flows-20261122.db").symlink_to(tmp_path / "gone")
    assert len(list(search.Search(tmp_path))) == 1
