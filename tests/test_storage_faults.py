"""Whatever happens to the files from outside, nothing that was handed in is lost or doubled, and it is said once."""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from conftest import needs_root
from running import MAC, OTHER_MAC, fill, locked, rows, small_disk
from store_kit import DAY, FILE, NOON, device, flow, storing, threat
from waiting import eventually

from netwatchd.events import Session
from netwatchd.storage.connection import Connection
from netwatchd.storage.verdicts import Unavailable, Verdict, verdict


def messages(caplog: pytest.LogCaptureFixture, words: str) -> list[str]:
    return [record.getMessage() for record in caplog.records if words in record.getMessage()]


def corrupt_copies(directory: Path) -> list[str]:
    return sorted(path.name.split(".corrupt-")[0] for path in directory.glob("*.corrupt-*"))


def remembering(store: list[Any]) -> Callable[[sqlite3.Connection], None]:
    """What the daemon does when core.db is begun anew: it hands in all that it knows."""

    def on_new_file(db: sqlite3.Connection) -> None:
        if store and not db.execute("SELECT 1 FROM devices").fetchone():
            store[0].upsert_device(device(OTHER_MAC))

    return on_new_file


# Another process holds the lock.


def test_while_another_process_holds_the_lock_everything_is_kept_and_then_stored_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with storing(tmp_path) as store:
        store.add_flow(flow(1))
        eventually(lambda: store.counters["storage.commits"])
        with locked(tmp_path / "core.db"):
            for n in range(2, 102):
                store.add_flow(flow(n))
            store.upsert_device(device(), new=True)
            store.add_threat(threat())
            store._stopping.set()  # the pauses of 1, 2 and 4 s are not what this test is about
            eventually(lambda: store.degraded)
            eventually(lambda: store._backoff > 0.2)  # after several attempts
            assert "another process holds its lock" in (store.degraded or "")
            assert store.pending == 102
        eventually(lambda: store.degraded is None)
        eventually(lambda: store.pending == 0)
    assert len(rows(tmp_path / FILE)) == 101
    assert len(messages(caplog, "cannot be written: ")) == 1
    assert len(messages(caplog, "can be written again")) == 1
    assert corrupt_copies(tmp_path) == []


def test_a_lock_on_the_file_of_the_day_is_waited_for_too(tmp_path: Path) -> None:
    with storing(tmp_path) as store:
        store.add_flow(flow(1))
        eventually(lambda: rows(tmp_path / FILE))
        store._stopping.set()
        with locked(tmp_path / FILE):
            store.add_flow(flow(2))
            eventually(lambda: store.degraded)
        eventually(lambda: len(rows(tmp_path / FILE)) == 2)


def test_a_degraded_store_that_is_full_counts_what_it_cannot_keep(tmp_path: Path) -> None:
    with storing(tmp_path, max_pending=1000) as store:
        with locked(tmp_path / "core.db"):
            store._stopping.set()
            store.upsert_device(device(), new=True)
            eventually(lambda: store.degraded)
            assert store.wait_for_room(0)  # the live stream goes on
            store.add_flows([flow(n) for n in range(1500)])
            store.settle([], [flow(n) for n in range(1500, 1600)], 1)
            assert store.counters["dropped.flows.storage_full"] == 600
        eventually(lambda: len(rows(tmp_path / FILE)) == 1000)


def test_a_degraded_store_counts_the_sessions_that_it_cannot_keep_and_still_joins(tmp_path: Path) -> None:
    with storing(tmp_path, max_pending=1000) as store:
        with locked(tmp_path / "core.db"):
            store._stopping.set()
            store.upsert_device(device(), new=True)
            eventually(lambda: store.degraded)
            for start in range(1500):
                store.keep(Session(OTHER_MAC, start, start))
            store.join_device(OTHER_MAC, MAC)
            assert store.counters["dropped.records.storage_full"] == 500
        eventually(lambda: store.degraded is None)
    assert rows(tmp_path / "core.db", "SELECT device, count(*) FROM sessions GROUP BY 1") == [(MAC, 1000)]


def test_a_degraded_store_without_anything_to_write_finds_out_that_it_is_well_again(tmp_path: Path) -> None:
    (tmp_path / "core.db").mkdir()  # nothing that SQLite can open
    with storing(tmp_path) as store:
        assert store.degraded
        (tmp_path / "core.db").rmdir()
        eventually(lambda: store.degraded is None)


# Files that go away.


def test_a_file_deleted_in_use_is_noticed_and_the_devices_are_written_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    known: list[Any] = []
    with storing(tmp_path, remembering(known)) as store:
        known.append(store)
        store.add_flow(flow(1))
        eventually(lambda: store.counters["storage.commits"])
        for path in tmp_path.glob("*.db*"):
            path.unlink()
        store.add_flow(flow(2))
        store.add_threat(threat())
        eventually(lambda: rows(tmp_path / FILE, "SELECT id FROM flows") == [(flow(2).id,)])
        eventually(lambda: rows(tmp_path / "core.db", "SELECT mac FROM devices") == [(OTHER_MAC,)])
        assert rows(tmp_path / "core.db", "SELECT kind FROM threats") == [("port_scan",)]
    assert len(messages(caplog, "was deleted or replaced while in use")) == 1


def test_a_file_replaced_in_use_is_noticed_and_the_new_one_is_used(tmp_path: Path) -> None:
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
    with storing(tmp_path / "new") as other:
        other.upsert_device(device("a4:83:e7:00:00:99"), new=True)
    with storing(tmp_path / "old") as store:
        store.upsert_device(device(), new=True)
        eventually(lambda: store.counters["storage.commits"])
        (tmp_path / "new" / "core.db").rename(tmp_path / "old" / "core.db")
        store.upsert_device(device(OTHER_MAC), new=True)
        eventually(lambda: store.counters["storage.commits"] == 2)
    macs = rows(tmp_path / "old" / "core.db", "SELECT mac FROM devices ORDER BY mac")
    assert macs == [(OTHER_MAC,), ("a4:83:e7:00:00:99",)]


@pytest.mark.parametrize("name", ["core.db-wal", FILE + "-wal", "core.db-shm"])
def test_a_wal_deleted_in_use_costs_nothing(tmp_path: Path, name: str) -> None:
    with storing(tmp_path) as store:
        store.add_flow(flow(1))
        store.upsert_device(device(), new=True)
        eventually(lambda: store.counters["storage.commits"])
        (tmp_path / name).unlink()
        store.add_flow(flow(2))
        store.upsert_device(device(OTHER_MAC), new=True)
        eventually(lambda: store.counters["storage.commits"] == 2)
    assert len(rows(tmp_path / FILE)) == 2
    assert len(rows(tmp_path / "core.db", "SELECT mac FROM devices")) == 2


def test_the_directory_deleted_in_use_is_made_again(tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    with storing(tmp_path / "lib") as store:
        store.add_flow(flow(1))
        eventually(lambda: store.counters["storage.commits"])
        (tmp_path / "lib").rename(tmp_path / "gone")
        store.add_flow(flow(2))
        eventually(lambda: len(rows(tmp_path / "lib" / FILE)) == 1)


def test_a_connection_closed_under_the_stores_feet_is_opened_again(tmp_path: Path) -> None:
    with storing(tmp_path) as store:
        store.add_flow(flow(1))
        eventually(lambda: store.counters["storage.commits"])
        with store.connection.lock:
            store.connection.ensure_connection().close()
        store._stopping.set()
        store.add_flow(flow(2))
        eventually(lambda: len(rows(tmp_path / FILE)) == 2)


# Files that are no databases any more.


@pytest.mark.parametrize("name", ["core.db", FILE])
@pytest.mark.parametrize("at", [0, 100], ids=["header", "pages"])
def test_a_file_overwritten_with_garbage_is_kept_aside_and_a_new_one_is_begun(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str, at: int
) -> None:
    known: list[Any] = []
    with storing(tmp_path, remembering(known)) as store:
        known.append(store)
        store.add_flows([flow(n) for n in range(5000)])
        store.upsert_device(device(), new=True)
        eventually(lambda: store.counters["storage.commits"])
        with store.connection.lock:
            store.connection.close()
    with (tmp_path / name).open("r+b") as file:
        file.seek(at)
        file.write(os.urandom((tmp_path / name).stat().st_size - at))
    with storing(tmp_path, remembering(known)) as store:
        known[:] = [store]
        store.add_flow(flow(6000))
        store.upsert_device(device(OTHER_MAC), new=True)
        eventually(lambda: name in corrupt_copies(tmp_path))
        eventually(lambda: store.pending == 0)
    assert (flow(6000).id,) in rows(tmp_path / FILE, "SELECT id FROM flows")
    assert (OTHER_MAC,) in rows(tmp_path / "core.db", "SELECT mac FROM devices")
    assert messages(caplog, f"{name} is corrupt; kept as")
    for path in tmp_path.glob("*.db"):
        assert rows(path, "PRAGMA integrity_check") == [("ok",)]


def test_another_file_than_the_broken_one_stays_where_it_is(tmp_path: Path) -> None:
    with storing(tmp_path) as store:
        store.add_flow(flow(1, NOON - DAY))
        store.add_flow(flow(1))
        eventually(lambda: store.counters["stored.flows"] == 2)
    (tmp_path / FILE).write_bytes(b"no database at all, but long enough to be taken for one" * 100)
    with storing(tmp_path) as store:
        store.add_flow(flow(2))
        eventually(lambda: store.counters["stored.flows"] == 1)
    assert len(rows(tmp_path / FILE)) == 1
    assert corrupt_copies(tmp_path) == [FILE]
    assert len(rows(tmp_path / "flows-20261122.db")) == 1


# Disks.


@needs_root
def test_a_full_disk_loses_nothing_and_is_used_again_once_there_is_space(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with small_disk(tmp_path / "disk") as disk, storing(disk) as store:
        store.add_flow(flow(1))
        eventually(lambda: store.counters["storage.commits"])
        ballast = fill(disk)
        store.add_flows([flow(n) for n in range(2, 1002)])
        eventually(lambda: store.degraded)
        assert "free some space" in (store.degraded or "")
        ballast.unlink()
        eventually(lambda: store.degraded is None)
        assert len(rows(disk / FILE)) == 1001
    assert len(messages(caplog, "cannot be written: ")) == 1


@needs_root
def test_a_disk_that_was_full_when_the_day_began_takes_the_day_once_there_is_space(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk, storing(disk) as store:
        store.upsert_device(device(), new=True)
        eventually(lambda: store.counters["storage.commits"])
        ballast = fill(disk)
        store.add_flow(flow(1))
        eventually(lambda: store.degraded)
        ballast.unlink()
        eventually(lambda: len(rows(disk / FILE)) == 1)


@needs_root
def test_a_file_system_that_turns_read_only_is_waited_for(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk, storing(disk) as store:
        with store.connection.lock:
            store.connection.close()  # an open file for writing would keep it from turning
        os.system(f"mount -o remount,ro {disk}")
        store._stopping.set()
        store.add_flow(flow(1))
        eventually(lambda: store.degraded)
        os.system(f"mount -o remount,rw {disk}")
        eventually(lambda: len(rows(disk / FILE)) == 1)


# What an error means.


def connection(directory: Path, pauses: list[float]) -> Connection:
    return Connection(directory, 0.01, lambda seconds: pauses.append(seconds) or False)


def test_connecting_is_tried_three_times_with_growing_pauses(tmp_path: Path) -> None:
    (tmp_path / "core.db").mkdir()
    pauses: list[float] = []
    with pytest.raises(Unavailable, match="unable to open database file"):
        connection(tmp_path, pauses).connect_with_retry()
    assert pauses == [1.0, 2.0, 4.0]


def test_pauses_end_at_once_when_they_are_interrupted(tmp_path: Path) -> None:
    (tmp_path / "core.db").mkdir()
    pauses: list[float] = []
    broken = Connection(tmp_path, 0.01, lambda seconds: pauses.append(seconds) or True)
    with pytest.raises(Unavailable):
        broken.connect_with_retry()
    assert pauses == [1.0]


@pytest.mark.parametrize(
    ("work", "error"),
    [
        (lambda db: db.execute("SELEKT 1"), sqlite3.OperationalError),
        (lambda db: db.execute("SELECT * FROM nowhere"), sqlite3.OperationalError),
        (lambda db: db.execute("INSERT INTO meta VALUES ('a', NULL)"), sqlite3.IntegrityError),
        (lambda db: db.execute("SELECT ?", ()), sqlite3.ProgrammingError),
        (lambda db: db.execute("SELECT ?", (2**63,)), OverflowError),
        (lambda db: db.execute("SELECT ?", ("\ud800",)), UnicodeEncodeError),
        (lambda db: db.execute("SELECT ?", (object(),)), sqlite3.Error),
    ],
    ids=["syntax", "table", "constraint", "parameters", "integer", "surrogate", "type"],
)
def test_a_callers_mistake_is_raised_at_once_and_leaves_no_transaction(
    tmp_path: Path, work: Callable[[sqlite3.Connection], Any], error: type[Exception]
) -> None:
    pauses: list[float] = []
    db = connection(tmp_path, pauses)

    def mistaken(raw: sqlite3.Connection) -> None:
        raw.execute("BEGIN IMMEDIATE")
        work(raw)

    with pytest.raises(error):
        db.execute_with_retry(mistaken)
    assert pauses == []
    assert db.execute_with_retry(lambda raw: raw.in_transaction) is False


def coded(code: int) -> sqlite3.Error:
    error = sqlite3.OperationalError("words that mean nothing")
    error.sqlite_errorcode = code
    return error


@pytest.mark.parametrize(
    ("error", "meaning"),
    [
        (coded(5), Verdict.RETRY), (coded(517), Verdict.RETRY), (coded(6), Verdict.RETRY),
        (coded(15), Verdict.RETRY), (coded(7), Verdict.RETRY), (MemoryError(), Verdict.RETRY),
        (coded(14), Verdict.RECONNECT), (coded(10), Verdict.RECONNECT), (coded(778), Verdict.RECONNECT),
        (coded(1034), Verdict.RECONNECT), (coded(8458), Verdict.RECONNECT), (coded(1032), Verdict.RECONNECT),
        (OSError(5, "Input/output error"), Verdict.RECONNECT),
        (coded(13), Verdict.WAIT), (coded(8), Verdict.WAIT), (coded(1544), Verdict.WAIT), (coded(3), Verdict.WAIT),
        (coded(11), Verdict.REPLACE), (coded(26), Verdict.REPLACE), (coded(267), Verdict.REPLACE),
        (coded(1), Verdict.MISTAKE), (coded(19), Verdict.MISTAKE), (coded(2067), Verdict.MISTAKE),
        (coded(20), Verdict.MISTAKE), (coded(25), Verdict.MISTAKE), (OverflowError(), Verdict.MISTAKE),
        (sqlite3.DatabaseError("database disk image is malformed"), Verdict.MISTAKE),
    ],
)  # fmt: skip
def test_an_error_is_judged_by_its_code_and_never_by_its_words(error: BaseException, meaning: Verdict) -> None:
    assert verdict(error) is meaning


def test_a_file_of_a_newer_netwatchd_is_left_alone(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "core.db")) as db:
        db.execute("PRAGMA user_version = 99")
    before = (tmp_path / "core.db").read_bytes()
    with pytest.raises(Unavailable, match="schema 99"):
        connection(tmp_path, []).connect_with_retry()
    assert (tmp_path / "core.db").read_bytes() == before


def test_a_store_opened_while_its_database_is_unreadable_works_once_it_is_back(tmp_path: Path) -> None:
    with storing(tmp_path) as store:
        store.upsert_device(device(), new=True)
    seen: list[list[tuple[Any, ...]]] = []
    (tmp_path / "core.db").rename(tmp_path / "away")
    (tmp_path / "core.db").mkdir()
    remember = lambda db: seen.append(db.execute("SELECT mac FROM devices").fetchall())  # noqa: E731
    with storing(tmp_path, remember) as store:
        assert store.degraded
        store.add_flow(flow(1))
        (tmp_path / "core.db").rmdir()
        (tmp_path / "away").rename(tmp_path / "core.db")
        eventually(lambda: len(rows(tmp_path / FILE)) == 1)
    assert seen == [[(MAC,)]]
