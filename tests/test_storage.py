"""What is handed in is committed, in time, together, and once."""

from pathlib import Path
from typing import Any

import pytest
from running import MAC, OTHER_MAC, locked, rows
from store_kit import DAY, FILE, NOON, device, flow, settings, storing, threat
from waiting import eventually

from netwatchd.counters import Counters
from netwatchd.events import ThreatStatus
from netwatchd.storage.connection import Connection
from netwatchd.storage.storage import Storage

NEVER = 3600.0  # seconds: an interval that no test waits for


def core(directory: Path, query: str) -> list[tuple[Any, ...]]:
    return rows(directory / "core.db", query)


def test_flows_are_committed_within_the_interval(tmp_path: Path) -> None:
    with storing(tmp_path) as store:
        store.add_flow(flow(1))
        store.add_flows([flow(2), flow(3)])
        eventually(lambda: len(rows(tmp_path / FILE)) == 3)
        eventually(lambda: store.pending == 0)


def test_so_many_flows_are_committed_at_once_that_the_interval_does_not_matter(tmp_path: Path) -> None:
    with storing(tmp_path, commit_interval=NEVER, commit_rows=100) as store:
        store.add_flows([flow(n) for n in range(99)])
        assert rows(tmp_path / FILE) == []
        store.add_flow(flow(99))
        eventually(lambda: len(rows(tmp_path / FILE)) == 100)


def test_a_new_device_and_a_new_threat_do_not_wait_for_the_interval(tmp_path: Path) -> None:
    with storing(tmp_path, commit_interval=NEVER) as store:
        store.upsert_device(device(), new=True)
        eventually(lambda: core(tmp_path, "SELECT mac FROM devices") == [(MAC,)])
        store.add_threat(threat())
        eventually(lambda: core(tmp_path, "SELECT kind FROM threats") == [("port_scan",)])


def test_what_came_before_something_urgent_is_committed_with_it(tmp_path: Path) -> None:
    with storing(tmp_path, commit_interval=NEVER) as store:
        store.add_flow(flow(1))
        store.upsert_device(device())
        store.add_threat(threat())
        eventually(lambda: core(tmp_path, "SELECT kind FROM threats"))
        assert len(rows(tmp_path / FILE)) == 1
        assert core(tmp_path, "SELECT mac FROM devices") == [(MAC,)]
        eventually(lambda: store.counters["storage.commits"] == 1)


def test_nothing_is_written_while_nothing_happens(tmp_path: Path) -> None:
    def traces() -> list[tuple[str, int, int]]:
        return [(path.name, path.stat().st_mtime_ns, path.stat().st_size) for path in sorted(tmp_path.glob("*.db*"))]

    with storing(tmp_path) as store:
        store.add_flow(flow(1))
        store.upsert_device(device())
        eventually(lambda: store.counters["storage.commits"])
        store.checkpoint()
        before = traces()
        for _ in range(2):  # turns of the writer, which beats once in each, and checkpoints as the job makes them
            eventually(lambda: store.worker.silence > 0.3)
            eventually(lambda: store.worker.silence < 0.3)
            store.checkpoint()
        assert traces() == before
        assert store.counters["storage.commits"] == 1


def test_of_many_changes_of_a_device_only_the_last_is_written(tmp_path: Path) -> None:
    with storing(tmp_path, commit_interval=NEVER) as store:
        for n in range(1000):
            store.upsert_device(device(bytes_in=n))
        store.upsert_device(device(OTHER_MAC), new=True)
        eventually(lambda: store.counters["stored.devices"] == 2)
    assert core(tmp_path, f"SELECT bytes_in FROM devices WHERE mac = '{MAC}'") == [(999,)]


def test_a_device_that_was_joined_to_another_leaves_no_row(tmp_path: Path) -> None:
    with storing(tmp_path) as store:
        store.upsert_device(device(None))
        eventually(lambda: core(tmp_path, "SELECT device FROM devices") == [("192.168.1.5",)])
        store.join_device("192.168.1.5", MAC)
        store.upsert_device(device())
        eventually(lambda: core(tmp_path, "SELECT device FROM devices") == [(MAC,)])


def test_a_flow_that_is_told_again_replaces_its_row(tmp_path: Path) -> None:
    with storing(tmp_path) as store:
        store.add_flow(flow(1, state="active"))
        eventually(lambda: rows(tmp_path / FILE))
        store.add_flow(flow(1, bytes_out=999))
        eventually(lambda: rows(tmp_path / FILE, "SELECT bytes_out, state FROM flows_readable") == [(999, "closed")])


@pytest.mark.parametrize("count", [1, 59, 60, 61, 120, 181])
def test_every_flow_of_a_batch_is_stored_whole_however_many_there_are(tmp_path: Path, count: int) -> None:
    flows = [flow(number, bytes_out=number * 7) for number in range(1, count + 1)]
    with storing(tmp_path) as store:
        store.add_flows(flows)
        # The last word on a flow counts, also within one commit.
        store.add_flow(flow(count, bytes_out=5))
    stored = rows(tmp_path / FILE, "SELECT id, bytes_out FROM flows ORDER BY id")
    assert stored == [*((each.id, each.bytes_out) for each in flows[:-1]), (flow(count).id, 5)]


def test_the_same_threat_keeps_its_row_its_id_and_its_first_seen(tmp_path: Path) -> None:
    with storing(tmp_path) as store:
        store.add_threat(threat(7))
        eventually(lambda: core(tmp_path, "SELECT id FROM threats"))
        store.upsert_threat(threat(8, count=2, first_seen=NOON + 1, last_seen=NOON + 2, status=ThreatStatus.DISMISSED))
        query = "SELECT id, count, first_seen, last_seen, status FROM threats"
        eventually(lambda: core(tmp_path, query) == [(7, 2, NOON, NOON + 2, "dismissed")])


def test_flows_lie_in_the_file_of_the_utc_day_in_which_they_were_first_seen(tmp_path: Path) -> None:
    midnight = NOON + DAY // 2
    with storing(tmp_path) as store:
        store.add_flows([flow(1, midnight - 1), flow(2, midnight), flow(3, midnight + DAY)])
        store.add_flow(flow(4, midnight - 1))
        eventually(lambda: store.pending == 0 and store.counters["stored.flows"] == 4)
    files = {path.name: len(rows(path)) for path in tmp_path.glob("flows-*.db")}
    assert files == {FILE: 2, "flows-20261124.db": 1, "flows-20261125.db": 1}


def test_flows_of_more_days_than_can_be_open_at_once_are_all_stored(tmp_path: Path) -> None:
    with storing(tmp_path) as store:
        store.add_flows([flow(1, NOON + DAY * n) for n in range(14)])
        store.upsert_device(device(), new=True)
        eventually(lambda: store.counters["stored.flows"] == 14)
        store.add_flows([flow(2, NOON + DAY * n) for n in range(14)])
        eventually(lambda: store.counters["stored.flows"] == 28)
    assert [len(rows(path)) for path in sorted(tmp_path.glob("flows-*.db"))] == [2] * 14


def test_days_that_are_written_together_make_no_room_for_each_other(tmp_path: Path) -> None:
    """The first day is open for longest when three others come along with it."""
    connection = Connection(tmp_path, 0.1, lambda seconds: False)
    with connection.lock:
        db = connection.ensure_connection()
        for days in ("1234", "1567", "1478", "6231"):
            names = {connection.attach_day(db, f"flows-2026010{day}.db") for day in days}
            assert names <= set(connection.schemas)
        connection.close()


@pytest.mark.parametrize(
    "poison",
    [flow(2, bytes_in=2**63), flow(2, device="\ud800"), flow(2, src_port=object()), flow(2, src_ip=None)],
    ids=["beyond 64 bits", "lone surrogate", "unsupported type", "constraint"],
)
def test_a_row_that_sqlite_cannot_take_is_rejected_alone_and_counted(tmp_path: Path, poison: Any) -> None:
    with storing(tmp_path) as store:
        store.add_flows([flow(1), poison, *map(flow, range(3, 153))])
        store.upsert_device(device(hostname="\udfff"))
        store.upsert_device(device(OTHER_MAC))
        store.add_threat(threat(evidence={"odd": {1, 2}}))
        eventually(lambda: store.counters["storage.commits"])
        store.add_flow(flow(153))
        eventually(lambda: len(rows(tmp_path / FILE)) == 152)
        assert store.counters["dropped.rows.rejected"] == 2
        assert store.degraded is None
    assert core(tmp_path, "SELECT mac FROM devices") == [(OTHER_MAC,)]
    assert core(tmp_path, "SELECT count(*) FROM threats") == [(1,)]


def test_what_is_pending_when_the_store_stops_is_committed(tmp_path: Path) -> None:
    with storing(tmp_path, commit_interval=NEVER) as store:
        store.add_flow(flow(1))
        store.upsert_device(device())
        store.add_traffic(NOON, {MAC: [1, 2, 3]}, flow(1).id)
    assert not list(tmp_path.glob("*-wal"))
    assert len(rows(tmp_path / FILE)) == 1
    assert core(tmp_path, "SELECT mac FROM devices") == [(MAC,)]
    assert core(tmp_path, "SELECT bytes_in, bytes_out, flows FROM rollups") == [(1, 2, 3)]


def test_a_healthy_store_that_is_full_makes_its_workers_wait_and_drops_nothing(tmp_path: Path) -> None:
    with storing(tmp_path, commit_interval=NEVER, commit_rows=10**6, max_pending=1000) as store:
        assert store.wait_for_room(0)
        store.add_flows([flow(n) for n in range(1000)])
        assert not store.wait_for_room(0)
        store.add_threat(threat())  # which brings the commit forward
        assert store.wait_for_room(10)
    assert len(rows(tmp_path / FILE)) == 1000
    assert store.counters["dropped.flows.storage_full"] == 0


def test_rollups_are_written_once_their_ten_minutes_are_over(tmp_path: Path) -> None:
    query = "SELECT bucket, device, bytes_in, bytes_out, flows FROM rollups ORDER BY bucket"
    with storing(tmp_path) as store:
        store.add_traffic(NOON + 1, {MAC: [10, 20, 1]}, 1)
        store.add_traffic(NOON + 599_999, {MAC: [1, 2, 1], "": [5, 5, 1]}, 2)
        assert core(tmp_path, query) == []
        store.add_traffic(NOON + 600_000, {MAC: [7, 7, 1]}, 3)
        store.upsert_device(device(), new=True)
        eventually(lambda: core(tmp_path, query) == [(NOON, "", 5, 5, 1), (NOON, MAC, 11, 22, 2)])
    assert core(tmp_path, query)[-1] == (NOON + 600_000, MAC, 7, 7, 1)


def test_a_reader_is_served_while_the_store_writes(tmp_path: Path) -> None:
    with storing(tmp_path) as store:
        for n in range(20):
            store.add_flow(flow(n))
            eventually(lambda n=n: len(rows(tmp_path / FILE)) == n + 1)
        assert store.degraded is None


def test_a_burst_leaves_no_long_wal_behind(tmp_path: Path) -> None:
    wal = tmp_path / (FILE + "-wal")
    with storing(tmp_path) as store:
        store.add_flows([flow(n) for n in range(80_000)])
        eventually(lambda: store.counters["stored.flows"] == 80_000)
        store.add_flow(flow(80_000))
        eventually(lambda: store.counters["stored.flows"] == 80_001 and wal.stat().st_size <= 2**22)


def test_the_database_is_as_durable_and_as_gentle_as_promised(tmp_path: Path) -> None:
    with storing(tmp_path) as store:
        store.add_flow(flow(1))
        eventually(lambda: store.counters["storage.commits"])
        with store.connection.lock:
            db = store.connection.ensure_connection()
            for name in ("main", "day_20261123"):
                assert db.execute(f"PRAGMA {name}.journal_mode").fetchone() == ("wal",)
                assert db.execute(f"PRAGMA {name}.synchronous").fetchone() == (2,)
                assert db.execute(f"PRAGMA {name}.secure_delete").fetchone() == (0,)
            assert db.execute("PRAGMA wal_autocheckpoint").fetchone() == (0,)


def test_the_stores_account_of_itself_says_what_waits_and_what_is_there(tmp_path: Path) -> None:
    with storing(tmp_path) as store:
        store.add_flow(flow(1))
        store.add_flow(flow(1, NOON + DAY))
        eventually(lambda: store.pending == 0 and store.counters["stored.flows"] == 2)
        stats = store.get_database_stats()
    assert (stats["state"], stats["reason"], stats["days"], stats["oldest_day"]) == ("ok", None, 2, "20261123")
    assert stats["pending"] == 0
    assert stats["last_error"] is None
    assert stats["size"] >= (tmp_path / FILE).stat().st_size


def test_what_an_earlier_run_stored_is_shown_to_who_remembers(tmp_path: Path) -> None:
    with storing(tmp_path) as store:
        store.upsert_device(device(), new=True)
    seen: list[list[tuple[Any, ...]]] = []
    with storing(tmp_path, lambda db: seen.append(db.execute("SELECT mac FROM devices").fetchall())):
        pass
    assert seen == [[(MAC,)]]


def test_a_store_in_a_directory_that_is_not_there_yet_makes_it(tmp_path: Path) -> None:
    store = Storage(settings(), tmp_path / "a" / "b", [tmp_path], Counters(), lambda db: None)
    store.open()
    assert store.degraded is None
    assert (tmp_path / "a" / "b" / "core.db").exists()
    with store.connection.lock:
        store.connection.close()


def test_a_locked_database_does_not_keep_who_hands_in_from_going_on(tmp_path: Path) -> None:
    with storing(tmp_path, busy_timeout=0.5) as store:
        store.add_flow(flow(1))
        eventually(lambda: store.counters["storage.commits"])
        with locked(tmp_path / "core.db"):
            for n in range(2, 200):
                store.add_flow(flow(n))
                store.upsert_device(device(bytes_in=n))
                assert store.wait_for_room(0)
    assert len(rows(tmp_path / FILE)) == 199
