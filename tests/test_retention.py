"""Old days go, whole and few at a time, and never because a clock is wrong."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from running import rows
from store_kit import DAY, FILE, NOON, Kept, flow, storing, threat
from waiting import eventually

from netwatchd.events import ThreatStatus
from netwatchd.storage import retention, schema
from netwatchd.storage.retention import MOST_THREATS, Clock

HOUR = 3_600_000


def days(directory: Path) -> list[str]:
    return [path.name[6:14] for path in schema.day_files(directory)]


@contextmanager
def keeping(directory: Path, how_many: int, **changes: Any) -> Iterator[Kept]:
    """A store with the flows of so many days up to the 23rd of November."""
    with storing(directory, **changes) as store:
        store.add_flows([flow(1, NOON - DAY * n) for n in range(how_many)])
        eventually(lambda: store.counters["stored.flows"] == how_many)
        yield store


def test_days_beyond_the_retention_go_whole_with_their_wal_and_shm(tmp_path: Path) -> None:
    with keeping(tmp_path, 4, retention=2 * 86400) as store:
        assert store.cleanup_old_data(NOON) == ["flows-20261120.db"]
        assert days(tmp_path) == ["20261121", "20261122", "20261123"]
        assert not list(tmp_path.glob("flows-20261120*"))


def test_a_day_goes_only_when_its_last_flow_is_older_than_the_retention(tmp_path: Path) -> None:
    with keeping(tmp_path, 2, retention=86400) as store:
        end_of_yesterday = NOON - DAY // 2
        assert store.cleanup_old_data(end_of_yesterday + DAY - 1) == []
        assert store.cleanup_old_data(end_of_yesterday + DAY) == ["flows-20261122.db"]


def test_the_oldest_files_go_while_all_are_over_the_budget_but_never_the_newest(tmp_path: Path) -> None:
    with keeping(tmp_path, 4, max_size=1) as store:
        assert store.make_room() == ["flows-20261120.db", "flows-20261121.db", "flows-20261122.db"]
        assert store.make_room() == []
        assert days(tmp_path) == ["20261123"]


def test_that_nothing_is_left_to_remove_though_the_budget_is_exceeded_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with keeping(tmp_path, 1, max_size=1) as store:
        assert store.make_room() == []
    assert "more than max_size (0 MB), and nothing is left to be removed" in caplog.text


def test_one_run_removes_at_most_two_days_however_far_the_clock_has_leapt(tmp_path: Path) -> None:
    with keeping(tmp_path, 6) as store:
        assert store.cleanup_old_data(NOON + 1000 * DAY) == ["flows-20261118.db", "flows-20261119.db"]
        assert len(days(tmp_path)) == 4


def test_a_clock_that_is_behind_removes_nothing(tmp_path: Path) -> None:
    with keeping(tmp_path, 3, retention=1) as store:
        assert store.cleanup_old_data(1000) == []


def test_the_store_writes_on_after_a_day_in_use_was_removed(tmp_path: Path) -> None:
    with keeping(tmp_path, 2, retention=1) as store:
        assert store.cleanup_old_data(NOON) == ["flows-20261122.db"]
        store.add_flows([flow(2), flow(3)])
        eventually(lambda: store.counters["stored.flows"] == 4)
        assert store.degraded is None
    assert len(rows(tmp_path / FILE)) == 3


def test_a_reader_of_the_day_that_goes_reads_to_its_end(tmp_path: Path) -> None:
    uri = f"{(tmp_path / 'flows-20261122.db').as_uri()}?mode=ro"
    with keeping(tmp_path, 2, retention=1) as store, closing(sqlite3.connect(uri, uri=True)) as reader:
        assert reader.execute("SELECT count(*) FROM flows").fetchone() == (1,)
        assert store.cleanup_old_data(NOON) == ["flows-20261122.db"]
        assert reader.execute("SELECT count(*) FROM flows").fetchone() == (1,)


def test_files_that_only_look_like_a_days_are_left_alone(tmp_path: Path) -> None:
    with keeping(tmp_path, 1) as store:
        for name in ("flows-old_copy.db", "flows-99999999.db", "flows-2026111.db", "flows-20261101.db.corrupt-x"):
            (tmp_path / name).touch()
        assert days(tmp_path) == ["20261123"]
        assert store.cleanup_old_data(NOON + 100 * DAY) == [FILE]
        assert len(list(tmp_path.glob("flows-*"))) == 4


def test_the_size_counts_all_databases_and_what_their_wal_holds(tmp_path: Path) -> None:
    for name, size in (("core.db", 10), ("core.db-wal", 20), ("flows-20261123.db", 300), ("other.txt", 4000)):
        (tmp_path / name).write_bytes(b"x" * size)
    assert retention.size_of(tmp_path) == 330
    assert retention.size_of(tmp_path / "nowhere") == 0


def test_a_day_that_was_begun_before_a_power_cut_and_has_no_tables_goes_too(tmp_path: Path) -> None:
    (tmp_path / "flows-20261001.db").touch()
    with keeping(tmp_path, 1) as store:
        assert store.cleanup_old_data(NOON) == ["flows-20261001.db"]


unsynchronised = pytest.mark.skipif(
    retention.kernel_clock_is_synchronised(), reason="needs a kernel whose clock nobody keeps in time"
)


def wall() -> int:
    return int(time.time() * 1000)


def test_a_clock_that_the_kernel_knows_to_be_synchronised_is_good() -> None:
    assert Clock(wall() + 400 * DAY).is_good(wall()) == retention.kernel_clock_is_synchronised()


@unsynchronised
def test_a_clock_that_went_steadily_on_from_the_newest_event_is_good() -> None:
    assert Clock(wall() - HOUR).is_good(wall())
    assert Clock(None).is_good(wall())


@unsynchronised
@pytest.mark.parametrize("newest", [HOUR, -3 * DAY], ids=["before the newest event", "days after it"])
def test_a_clock_that_began_elsewhere_than_the_last_run_ended_is_not_good(newest: int) -> None:
    assert not Clock(wall() + newest).is_good(wall())


@unsynchronised
@pytest.mark.parametrize("leap", [30 * DAY, -30 * DAY, 2 * HOUR])
def test_a_clock_that_leapt_while_we_ran_is_not_good(leap: int) -> None:
    assert not Clock(wall()).is_good(wall() + leap)


def test_threats_that_were_not_seen_for_long_are_removed_whatever_was_made_of_them(tmp_path: Path) -> None:
    with storing(tmp_path) as store:
        for n, status in enumerate(ThreatStatus):
            store.upsert_threat(threat(n + 1, kind=f"old {n}", status=status, last_seen=NOON - DAY))
        store.upsert_threat(threat(9, last_seen=NOON))
        eventually(lambda: store.counters["stored.threats"] == 4)
        store.cleanup_old_data(NOON)
        assert len(rows(tmp_path / "core.db", "SELECT id FROM threats")) == 4
        store.cleanup_old_data(NOON, NOON)
        assert rows(tmp_path / "core.db", "SELECT id FROM threats") == [(9,)]


def test_of_very_many_threats_those_that_were_judged_and_the_latest_stay(tmp_path: Path) -> None:
    with storing(tmp_path) as store:
        store.upsert_threat(threat(1, kind="old", status=ThreatStatus.DISMISSED, last_seen=NOON - DAY))
        for n in range(MOST_THREATS + 5):
            store.upsert_threat(threat(n + 2, target=str(n), last_seen=NOON + n))
        eventually(lambda: store.counters["stored.threats"] == MOST_THREATS + 6)
        store.cleanup_old_data(NOON)
        kept = rows(tmp_path / "core.db", "SELECT id FROM threats ORDER BY id")
        assert [kept[0], kept[1], len(kept)] == [(1,), (8,), MOST_THREATS]
