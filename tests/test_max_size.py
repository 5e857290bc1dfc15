"""A card never fills up because of us: the oldest flows go while new ones come in, and the roll-ups stay."""

from itertools import pairwise
from pathlib import Path

import pytest
from running import MAC, rows
from store_kit import DAY, FILE, NOON, flow, settings, storing
from waiting import PATIENCE, eventually

from netwatchd.events import Flow
from netwatchd.storage import retention, schema, search
from netwatchd.storage.rollups import HOUR_MS
from netwatchd.storage.top import top

MB = 10**6
MOST = 24 * MB
BATCH = 5_000
# A part, a -wal as long as it may be, and one commit: what may come between two looks.
SLACK = retention.SMALLEST_PART


def batch(number: int) -> list[Flow]:
    """The flows of a minute."""
    made = flow(0, NOON + number * 60_000)
    return [Flow._make((made.id + n, *made[1:])) for n in range(BATCH)]


def names(directory: Path) -> list[str]:
    return [path.name for path in schema.day_files(directory)]


def test_flows_that_come_in_without_end_never_take_more_than_max_size_and_their_sums_stay(tmp_path: Path) -> None:
    batches, most = 150, 0
    with storing(tmp_path, max_size=MOST, commit_rows=BATCH) as store:
        for number in range(batches):
            assert store.wait_for_room(PATIENCE)
            store.rollups.hour(NOON + number * 60_000).devices.setdefault(MAC, [0, 0, 0])[2] += BATCH
            store.rollups.trim(BATCH)
            told = batch(number)
            if store.rollups.due or number == batches - 1:
                store.settle([], told, told[-1].id, rollups=True)
            else:
                store.add_flows(told)
            most = max(most, retention.size_of(tmp_path))
        eventually(lambda: store.counters["stored.flows"] == batches * BATCH)
        assert store.counters["dropped.flows.storage_full"] == 0
    assert most <= MOST + SLACK
    assert MOST / 3 < retention.size_of(tmp_path) <= MOST
    kept = list(search.Search(tmp_path))
    assert len(kept) < batches * BATCH * 0.6
    assert [each.id for each in kept[:BATCH]] == [each.id for each in batch(batches - 1)[::-1]], "the newest are there"
    ids = [each.id for each in kept[::-1]]
    assert ids == sorted(set(ids))
    (answer,) = top(tmp_path, "device", NOON - HOUR_MS, 10).rows
    assert answer["flows"] == batches * BATCH


def test_a_day_is_cut_into_parts_and_a_flow_that_is_told_again_keeps_its_own(tmp_path: Path) -> None:
    with storing(tmp_path, max_size=64 * MB, commit_rows=BATCH) as store:
        first = flow(0, NOON - 1, state="active")
        for number in range(28):
            assert store.wait_for_room(PATIENCE)
            store.add_flows([*batch(number), *([first] if number == 0 else [])])
            eventually(lambda number=number: store.counters["stored.flows"] >= (number + 1) * BATCH)
        store.add_flow(first._replace(state="closed", bytes_in=7))
        eventually(lambda: store.pending == 0)
        stats = store.get_database_stats()
    files = names(tmp_path)
    assert files[0] == FILE
    assert len(files) > 2
    for one, other in pairwise(files):
        begin = schema.begin_of(other)
        assert begin is not None
        assert rows(tmp_path / one, f"SELECT count(*) FROM flows WHERE id >= {begin << 12}") == [(0,)]
        assert rows(tmp_path / other, f"SELECT count(*) FROM flows WHERE id < {begin << 12}") == [(0,)]
    kept = list(search.Search(tmp_path))
    assert len(kept) == 28 * BATCH + 1
    assert (kept[-1].state, kept[-1].bytes_in) == ("closed", 7)
    assert list(search.Search(tmp_path, search.Wanted(since=NOON + 27 * 60_000))) == batch(27)[::-1]
    assert (stats["days"], stats["oldest_day"]) == (1, "20261123")
    with storing(tmp_path) as store:  # another run goes on in the last one
        store.add_flow(flow(1, NOON + 28 * 60_000))
    assert names(tmp_path) == files


def test_a_late_flow_after_a_start_begins_no_part_before_those_that_are_there(tmp_path: Path) -> None:
    with storing(tmp_path, max_size=64 * MB, commit_rows=BATCH) as store:
        for number in range(28):
            assert store.wait_for_room(PATIENCE)
            store.add_flows(batch(number))
            eventually(lambda number=number: store.counters["stored.flows"] >= (number + 1) * BATCH)
    files, kept = names(tmp_path), list(search.Search(tmp_path))
    for late in (kept[-1], kept[len(kept) // 2], kept[100]):
        with storing(tmp_path, max_size=1) as store:  # every file is too large
            store.settings = settings(max_size=64 * MB)
            store.add_flow(late._replace(bytes_in=1))
            eventually(lambda: store.pending == 0)
            store.add_flows([flow._replace(bytes_in=2) for flow in kept[:10]])
            eventually(lambda: store.pending == 0)
    assert names(tmp_path) == files
    assert [each.id for each in list(search.Search(tmp_path))] == [each.id for each in kept]


def test_a_new_day_begins_in_a_file_of_its_own(tmp_path: Path) -> None:
    parts = [NOON, NOON + 1000, NOON + DAY]
    midnight = NOON + DAY // 2
    assert schema.day_file(NOON - 1, parts) == FILE
    assert schema.day_file(NOON + 999, parts) == "flows-20261123-120000.db"
    assert schema.day_file(midnight - 1, parts) == "flows-20261123-120001.db"
    assert schema.day_file(midnight, parts) == "flows-20261124.db"


@pytest.mark.parametrize(
    ("name", "begin"),
    [
        (FILE, NOON - DAY // 2), ("flows-20261123-120001.db", NOON + 1000), ("flows-20261123-1200.db", None),
        ("flows-20261123-250000.db", None), ("flows-20261323.db", None), ("flows-20261123.db-wal", None),
        ("flows-20261123-120001.db.corrupt-x", None), ("core.db", None), ("flows-２０２６１１２３.db", None),
    ],
)  # fmt: skip
def test_a_files_name_tells_when_it_begins(name: str, begin: int | None) -> None:
    assert schema.begin_of(name) == begin
    if begin is not None:
        assert schema.day_file(begin, [begin]) == name


def test_parts_of_a_day_go_with_their_day_when_it_is_beyond_the_retention(tmp_path: Path) -> None:
    with storing(tmp_path, retention=86400) as store:
        store.add_flow(flow(1))
        eventually(lambda: store.counters["stored.flows"] == 1)
        for name in ("flows-20261120.db", "flows-20261120-120000.db", "flows-20261120-180000.db", "flows-20261119.db"):
            (tmp_path / name).touch()
        assert len(store.cleanup_old_data(NOON)) == 4
        assert names(tmp_path) == [FILE]
