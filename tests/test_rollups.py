"""Roll-ups hold each flow's traffic once, whenever a crash comes, and `top` answers what the rows add up to."""

import contextlib
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rollups_kit import LAPTOP, MAC, OTHER_MAC, PHONE, SERVER, Crash, Home, agrees, told
from running import locked, rows
from store_kit import DAY, FILE, NOON, device, flow, storing
from waiting import PATIENCE, eventually

from netwatchd.events import Flow
from netwatchd.storage.storage import MOST_DELTAS
from netwatchd.storage.top import top

HOUR = 3_600_000
HTTPS = 6 << 16 | 443
V6 = bytes.fromhex("20010db8000000000000000000000001")

# A flow (by number) grows, or ends; or a flow of an older id comes late; totals are settled; roll-ups are written; what
# is pending is committed, or a part of it before a crash; an hour goes by.
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("grow"), st.integers(1, 4), st.integers(0, 1000)),
        st.tuples(st.just("end"), st.integers(1, 4), st.integers(0, 1000)),
        st.tuples(st.just("late"), st.integers(1, 4), st.integers(1, 1000)),
        st.tuples(st.sampled_from(["settle", "write", "commit", "hour"]), st.just(0), st.just(0)),
        st.tuples(st.just("crash"), st.integers(0, 1), st.integers(0, 60)),
    ),
    max_size=40,
)
SIDES = [(LAPTOP, SERVER), (SERVER, PHONE), (LAPTOP, PHONE), (SERVER, 8)]


@settings(max_examples=25)
@given(STEPS)
def test_whenever_a_crash_comes_the_rollups_and_what_came_since_are_what_the_rows_add_up_to(
    steps: list[tuple[str, int, int]],
) -> None:
    check(steps)


@pytest.mark.slow
@settings(max_examples=1500)
@given(STEPS)
def test_whenever_a_crash_comes_the_same_holds_for_many_more_days(steps: list[tuple[str, int, int]]) -> None:
    check(steps)


def check(steps: list[tuple[str, int, int]]) -> None:
    """Lives through a day, and compares after every step."""
    directory = Path(tempfile.mkdtemp(dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
    home, alive, hours = Home(directory), dict[int, Flow](), 0
    try:
        for step, (what, number, size) in enumerate(steps, 100):
            src, dst = SIDES[number % len(SIDES)]
            fresh = flow(step, NOON + hours * HOUR, src_ip=src, dst_ip=dst, device=None, bytes_out=size, bytes_in=0)
            if what in ("grow", "end"):
                old = alive.pop(number, None) or fresh._replace(bytes_out=0)
                told_now = old._replace(bytes_in=old.bytes_in + size, state="closed" if what == "end" else "active")
                home.see(told_now, seconds=hours * 3600)
                if what == "grow":
                    alive[number] = told_now
            elif what == "late":
                home.see(fresh._replace(id=fresh.id - 99), seconds=hours * 3600)
            elif what == "settle":
                home.flows.settle()
            elif what == "hour":
                hours += 1
            elif what == "crash":
                with contextlib.suppress(Crash):
                    (home.write if number else home.commit)(min(size, 3))
                home.end()
                home, alive = Home(directory), {}
            else:
                (home.write if what == "write" else home.commit)()
            assert agrees(directory)
        home.end()
        home = Home(directory)
        home.write()
        assert agrees(directory)
    finally:
        home.end()
        shutil.rmtree(directory)


def hours(directory: Path, table: str = "hourly_devices") -> list[tuple[Any, ...]]:
    return rows(directory / "core.db", f"SELECT * FROM {table} ORDER BY 1, 2")


def test_traffic_counts_in_the_hour_in_which_it_was_told_of(tmp_path: Path) -> None:
    home = Home(tmp_path)
    live = flow(1, device=None, bytes_out=10, bytes_in=100, state="active")
    home.see(live)
    home.see(live._replace(bytes_out=30, bytes_in=1000), seconds=3600)
    home.see(live._replace(bytes_out=30, bytes_in=1001, state="closed"), seconds=3601)
    home.write()
    assert hours(tmp_path) == [(NOON, MAC, 100, 10, 1), (NOON + HOUR, MAC, 901, 20, 0)]
    assert hours(tmp_path, "hourly_peers") == [(NOON, SERVER, 100, 10, 1), (NOON + HOUR, SERVER, 901, 20, 0)]
    assert hours(tmp_path, "hourly_ports") == [(NOON, HTTPS, 100, 10, 1), (NOON + HOUR, HTTPS, 901, 20, 0)]
    home.end()


def test_in_is_towards_the_device_or_towards_who_opened_the_flow_where_none_is_known(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.see(
        flow(1, src_ip=LAPTOP, dst_ip=SERVER, device=None, bytes_out=1, bytes_in=10),
        flow(2, src_ip=V6, dst_ip=PHONE, device=None, bytes_out=2, bytes_in=20),
        flow(3, src_ip=SERVER, dst_ip=8, device=None, bytes_out=3, bytes_in=30, protocol=17, dst_port=53),
    )
    home.write()
    assert hours(tmp_path) == [(NOON, "", 30, 3, 1), (NOON, MAC, 10, 1, 1), (NOON, OTHER_MAC, 2, 20, 1)]
    assert hours(tmp_path, "hourly_peers") == [(NOON, 8, 30, 3, 1), (NOON, SERVER, 10, 1, 1), (NOON, V6, 2, 20, 1)]
    assert rows(tmp_path / "core.db", "SELECT name, bytes_in FROM hourly_readable") == [
        (None, 30), (MAC, 10), (OTHER_MAC, 2), ("0.0.0.8", 30), ("93.184.216.34", 10), ("2001:db8::1", 2),
        ("tcp/443", 12), ("udp/53", 30),
    ]  # fmt: skip
    home.end()


def test_a_flood_of_peers_and_ports_leaves_those_that_moved_most_and_the_sum_of_the_rest(tmp_path: Path) -> None:
    home = Home(tmp_path)
    for turn in range(3):
        home.see(*(flow(n, device=None, dst_ip=2**24 + n, dst_port=n % 60_000, bytes_in=n) for n in
                   range(turn * 12_000, (turn + 1) * 12_000)))  # fmt: skip
        (hour,) = [home.rollups.hour(NOON)]
        assert max(len(hour.peers), len(hour.ports)) <= 10_000
        home.write()
        assert rows(tmp_path / "core.db", "SELECT count(*) <= 10001 FROM hourly_peers") == [(1,)]
    home.see(flow(1, NOON + HOUR, device=None), seconds=3600)
    home.write()
    peers = [row[1:] for row in hours(tmp_path, "hourly_peers") if row[0] == NOON]
    assert peers[-1][0] == b"", "the rest"
    assert [row[0] for row in peers[:-1]] == [2**24 + n for n in range(35_000, 36_000)]
    assert (sum(row[1] for row in peers), sum(row[3] for row in peers)) == (sum(range(36_000)), 36_000)
    answer = top(tmp_path, "destination", NOON, 3)
    assert [row["destination"] for row in answer.rows] == ["1.0.140.159", "1.0.140.158", "1.0.140.157", None]
    assert answer.rows[-1]["flows"] >= 35_000
    home.end()


def test_a_day_is_made_of_its_hours_when_it_is_over_also_after_downtime_and_when_more_comes_late(
    tmp_path: Path,
) -> None:
    home = Home(tmp_path)
    for n, seconds in enumerate((0, 3600, 5 * 3600, 86400)):
        home.see(flow(n, NOON + seconds * 1000, device=None), seconds=seconds)
    home.write()
    day, next_day = NOON - DAY // 2, NOON + DAY // 2
    assert hours(tmp_path, "daily_devices") == [(day, MAC, 12_000, 900, 3)]
    home.end()
    home = Home(tmp_path)  # after a week
    home.see(flow(9, NOON + 7 * DAY, device=None), seconds=7 * 86400)
    home.write()
    assert hours(tmp_path, "daily_devices") == [(day, MAC, 12_000, 900, 3), (next_day, MAC, 4000, 300, 1)]
    home.see(flow(10, NOON + 7 * DAY, device=None), seconds=1)  # the clock was set back
    home.write()
    assert hours(tmp_path, "daily_devices")[0] == (day, MAC, 16_000, 1200, 4)
    assert hours(tmp_path, "daily_peers")[0] == (day, SERVER, 16_000, 1200, 4)
    assert told(tmp_path, "device") == {MAC: (24_000, 1800, 6)}
    home.end()


def test_top_is_exact_within_the_hour_where_its_flows_are_few_and_still_there(tmp_path: Path) -> None:
    home = Home(tmp_path)
    for n in range(8):
        home.see(flow(n, NOON + n * HOUR // 4, device=None), seconds=n * 900)
    home.write()
    home.see(flow(8, NOON + 2 * HOUR, device=None), seconds=7200)
    home.commit()
    for quarter in range(9):
        since = NOON + quarter * HOUR // 4
        answer = top(tmp_path, "port", since, 10)
        assert (answer.since, [row["flows"] for row in answer.rows]) == (since, [9 - quarter])
    (tmp_path / FILE).unlink()
    answer = top(tmp_path, "port", NOON + HOUR // 2, 10)
    assert (answer.since, answer.rows[0]["flows"]) == (NOON, 8), "whole hours, where the flows are gone"
    home.end()


def test_old_hours_and_days_are_removed_few_at_a_time_and_days_stay_longer(tmp_path: Path) -> None:
    with storing(tmp_path, hourly_retention=3 * 86400, daily_retention=8 * 86400) as store:
        for n in range(10):
            store.rollups.hour(NOON + n * DAY).devices[MAC] = [1, 1, 1]
        store.settle([], [last := flow(1, NOON + 9 * DAY)], last.id, rollups=True)
        eventually(lambda: len(hours(tmp_path)) == 10 and len(hours(tmp_path, "daily_devices")) == 9)
        store.cleanup_old_data(NOON + 9 * DAY)
        assert [row[0] for row in hours(tmp_path)] == [NOON + n * DAY for n in range(2, 10)], "two days a run"
        for _ in range(5):
            store.cleanup_old_data(NOON + 9 * DAY)
        assert [row[0] for row in hours(tmp_path)] == [NOON + n * DAY for n in range(6, 10)]
        assert len(hours(tmp_path, "daily_devices")) == 7
        answer = top(tmp_path, "device", NOON + 2 * DAY + HOUR, 10)
        assert (answer.since, answer.rows[0]["flows"]) == (NOON + 3 * DAY // 2, 8), "whole days, that far back"


def test_a_liars_counters_do_not_break_the_sums(tmp_path: Path) -> None:
    home = Home(tmp_path)
    for n in range(3):
        home.see(*(flow(n * 1000 + m, device=None, bytes_in=2**62, bytes_out=2**62) for m in range(700)))
        home.write()
    assert hours(tmp_path) == [(NOON, MAC, 2**53 - 1, 2**53 - 1, 2100)]
    home.end()


def test_what_the_last_run_left_unwritten_is_added_also_where_the_database_cannot_be_opened_at_first(
    tmp_path: Path,
) -> None:
    home = Home(tmp_path)
    home.see(flow(1, device=None), flow(2, device=None))
    home.commit()
    home.end()
    assert hours(tmp_path) == []
    (tmp_path / "core.db").rename(tmp_path / "away")
    (tmp_path / "core.db").mkdir()
    with storing(tmp_path) as store:
        assert store.degraded
        store.rollups.hour(NOON + HOUR).devices[MAC] = [4000, 300, 1]
        store.settle([], [new := flow(3, NOON + HOUR)], new.id, rollups=True)
        (tmp_path / "core.db").rmdir()
        (tmp_path / "away").rename(tmp_path / "core.db")
        eventually(lambda: store.degraded is None and store.pending == 0)
    assert hours(tmp_path) == [(NOON, MAC, 8000, 600, 2), (NOON + HOUR, MAC, 4000, 300, 1)]


def test_sums_that_wait_for_the_database_take_only_so_much_memory_and_none_is_lost(tmp_path: Path) -> None:
    with storing(tmp_path) as store:
        store.add_flow(flow(0))
        eventually(lambda: (tmp_path / FILE).exists())
        with locked(tmp_path / "core.db"):
            for number in range(1, 40):
                hour = store.rollups.hour(NOON + number * 3_600_000)
                for peer in range(2_000):
                    hour.peers[peer] = [1, 2, 3]
                store.rollups.trim(100_000)
                store.settle([], [], flow(number).id, rollups=True)
            assert len(store._pending.totals) + len(store._in_flight.totals) <= MOST_DELTAS
            waiting = [len(hour.peers) for hour in store.rollups._hours.values()]
            assert len(waiting) > 30 and max(waiting[:-3]) <= 1_000
        eventually(lambda: store.degraded is None and not store._pending.totals and not store._in_flight.totals)
        store.settle([], [], flow(40).id, rollups=True)
    assert rows(tmp_path / "core.db", "SELECT sum(bytes_in), sum(flows) FROM hourly_peers") == [(78_000, 234_000)]


def test_sums_that_were_spooled_are_added_once(tmp_path: Path) -> None:
    with storing(tmp_path) as store:
        store.upsert_device(device(), new=True)
        eventually(lambda: store.counters["storage.commits"])
        with locked(tmp_path / "core.db"):
            store.rollups.hour(NOON).devices[MAC] = [4000, 300, 1]
            store.settle([], [flow(1)], flow(1).id, rollups=True)
            store.worker.ask_to_stop()
            store.wake()
            assert store.worker.stop(PATIENCE)
    spooled = tmp_path / "spool" / "spool.jsonl"
    text = spooled.read_bytes()
    for _ in range(2):
        spooled.write_bytes(text)  # the second time as after a crash between the commit and the removal
        with storing(tmp_path):
            pass
        assert hours(tmp_path) == [(NOON, MAC, 4000, 300, 1)]
        assert told(tmp_path, "device") == {MAC: (4000, 300, 1)}
