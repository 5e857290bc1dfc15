"""What was moved is told step by step, of all devices or of one, also where it is in no roll-up yet."""

from pathlib import Path

import pytest
from rollups_kit import MAC, OTHER_MAC, PHONE, Home
from store_kit import DAY, NOON, device, flow, storing
from waiting import eventually

from netwatchd.answers import Misasked, NotFound
from netwatchd.answers.top import top
from netwatchd.answers.traffic import traffic
from netwatchd.storage.rollups import BUCKET_MS, HOUR_MS
from netwatchd.storage.series import series

HOUR = 3600


def test_hours_and_days_are_those_that_are_written_and_what_came_since(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.see(flow(1, bytes_in=1000, bytes_out=10))
    home.see(flow(2, NOON + HOUR_MS, bytes_in=500, bytes_out=5, src_ip=PHONE), seconds=HOUR)
    home.write()
    home.see(flow(3, NOON + HOUR_MS + 9, bytes_in=7, bytes_out=3), seconds=HOUR + 1)
    home.flows.settle()
    home.commit()
    home.end()
    assert series(tmp_path, HOUR_MS, NOON, NOON + DAY) == {NOON: [1000, 10, 1], NOON + HOUR_MS: [507, 8, 2]}
    assert series(tmp_path, HOUR_MS, NOON, NOON + DAY, [MAC]) == {NOON: [1000, 10, 1], NOON + HOUR_MS: [7, 3, 1]}
    assert series(tmp_path, DAY, NOON // DAY * DAY, NOON + DAY) == {NOON // DAY * DAY: [1507, 18, 3]}


def test_a_live_flow_counts_in_the_hour_in_which_it_moved_something(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.see(flow(1, bytes_in=1000, bytes_out=0, state="active"))
    home.write()
    home.see(flow(1, bytes_in=5000, bytes_out=0, state="closed"), seconds=HOUR)
    home.write()
    home.end()
    assert series(tmp_path, HOUR_MS, NOON, NOON + DAY) == {NOON: [1000, 0, 1], NOON + HOUR_MS: [4000, 0, 0]}


def test_ten_minutes_hold_also_what_is_not_written_yet(tmp_path: Path) -> None:
    with storing(tmp_path) as kept:
        kept.upsert_device(device())
        for number, minutes in enumerate((0, 10, 20), 1):
            at = NOON + minutes * 60_000
            told = flow(number, at, bytes_in=1000 * number, bytes_out=10)
            sums = kept.rollups.hour(at).devices.setdefault(MAC, [0, 0, 0])
            sums[:] = (a + b for a, b in zip(sums, (told.bytes_in, 10, 1), strict=True))
            kept.add_traffic(at, {MAC: [told.bytes_in, 10, 1]}, told.id)
            kept.add_flows([told])
        kept.settle([], [], told.id, rollups=True)
        eventually(lambda: len(series(tmp_path, BUCKET_MS, NOON, NOON + DAY)) == 3)
        found = series(tmp_path, BUCKET_MS, NOON, NOON + DAY)
    assert found == {NOON: [1000, 10, 1], NOON + BUCKET_MS: [2000, 10, 1], NOON + 2 * BUCKET_MS: [3000, 10, 1]}
    assert series(tmp_path, BUCKET_MS, NOON, NOON + DAY) == found  # when it is


def test_a_step_in_which_nothing_was_recorded_is_a_gap_and_one_of_others_is_none(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.see(flow(1, bytes_in=1000, bytes_out=10))
    home.see(flow(2, NOON + 2 * HOUR_MS, bytes_in=500, bytes_out=5, src_ip=PHONE), seconds=2 * HOUR)
    home.write()
    home.end()
    told = traffic(tmp_path, since=NOON, until=NOON + 3 * HOUR_MS, step="hour", device=MAC)
    assert [(row["bytes_in"], row["bytes_out"]) for row in told["rows"]] == [(1000, 10), (None, None), (0, 0)]
    assert (told["bytes_in"], told["flows"], told["step"], told["device"]) == (1000, 1, HOUR, MAC)


def test_who_asks_for_what_cannot_be_is_told_what_would_be_right(tmp_path: Path) -> None:
    Home(tmp_path).end()
    with pytest.raises(Misasked, match="before"):
        traffic(tmp_path, since=NOON, until=NOON)
    with pytest.raises(Misasked, match="5,000 steps"):
        traffic(tmp_path, since=0, until=NOON, step="ten_minutes")
    with pytest.raises(NotFound):
        traffic(tmp_path, since=NOON, until=NOON + 1, device="nobody")


def test_who_moved_most_is_told_of_a_time_that_is_over_by_whole_hours(tmp_path: Path) -> None:
    home = Home(tmp_path)
    for hour, size in enumerate((1000, 200, 30, 4)):
        home.see(flow(hour + 1, NOON + hour * HOUR_MS, bytes_in=size, bytes_out=0), seconds=hour * HOUR)
        home.write()
    home.see(flow(9, NOON + 30 * HOUR_MS, bytes_in=5, bytes_out=0), seconds=30 * HOUR)  # the day is over
    home.write()
    home.end()

    def moved(since: int, until: int) -> int:
        rows = top(tmp_path, "device", since=since, until=until).rows
        return sum(row["bytes_in"] for row in rows)

    assert moved(NOON + HOUR_MS, NOON + 3 * HOUR_MS) == 230
    assert moved(NOON + HOUR_MS + 1, NOON + 2 * HOUR_MS + 1) == 230
    assert moved(NOON // DAY * DAY, NOON // DAY * DAY + DAY) == 1234
    assert moved(NOON // DAY * DAY, NOON + DAY) == 1234
    assert moved(NOON - DAY, NOON + 40 * HOUR_MS) == 1239


def test_an_hour_that_is_over_but_not_written_yet_holds_nothing_of_the_next(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.see(flow(1, bytes_in=1000, bytes_out=0))
    home.write()
    home.see(flow(2, NOON + BUCKET_MS, bytes_in=200, bytes_out=0), seconds=600)
    home.see(flow(3, NOON + HOUR_MS, bytes_in=30, bytes_out=0), seconds=HOUR)
    home.flows.settle()
    home.commit()
    for _ in range(2):  # and when it is written
        for by in ("device", "destination", "port"):
            for since, until, sum_ in ((0, HOUR_MS, 1200), (600_000, 1_200_000, 1200), (HOUR_MS, 2 * HOUR_MS, 30)):
                rows = top(tmp_path, by, since=NOON + since, until=NOON + until).rows
                assert sum(row["bytes_in"] for row in rows) == sum_, (by, since)
        home.write()
    home.end()


def test_destinations_and_ports_of_one_device_are_told_by_its_flows_of_the_time(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.see(flow(1, bytes_in=1000), flow(2, src_ip=PHONE, bytes_in=9))
    home.see(flow(3, NOON + HOUR_MS, bytes_in=500, dst_port=53, dst_ip=8), seconds=HOUR)
    home.write()
    home.end()

    def of(by: str, until: int | None) -> list[tuple[str, int]]:
        rows = top(tmp_path, by, since=NOON, until=until, device=MAC).rows
        return [(row[by], row["bytes_in"]) for row in rows]

    assert of("destination", None) == [("93.184.216.34", 1000), ("0.0.0.8", 500)]
    assert of("destination", NOON + HOUR_MS) == [("93.184.216.34", 1000)]
    assert of("port", None) == [("tcp/443", 1000), ("tcp/53", 500)]
    assert [row["device"] for row in top(tmp_path, "device", since=NOON, device=OTHER_MAC).rows] == [OTHER_MAC]
