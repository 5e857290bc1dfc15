"""An attack is a few rows, and a bounded number of messages and writes, however many findings it makes."""

from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ingest_kit import T0, later
from running import MAC, OTHER_MAC
from store_kit import threat
from test_threat_rows import House

from netwatchd.broadcast import messages
from netwatchd.catalog import FLOOD
from netwatchd.events import Judge, ThreatStatus
from netwatchd.ingest.guard import MOST_ALIKE, MOST_AT_ALL, MOST_DISTINCT, MOST_OF_A_KIND, WINDOW
from netwatchd.ingest.pace import PAUSES, Pace


def stranger(number: int) -> str:
    """An address that somebody made up."""
    return f"203.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


# One threat that goes on.


def test_what_goes_on_is_told_less_and_less_often_and_its_last_state_in_the_end() -> None:
    house = House()
    told = []
    for n in range(36_000):  # ten findings a second for an hour
        house.see(n / 10, evidence={"n": n})
        if n % 5 == 0:
            house.threats.tick(later(n / 10).wall)
        while len(told) < len(house.seen.published):
            told.append(n / 10)
    assert told[:4] == [0, 0.1, 0.2, 0.3]
    assert [round(b - a) for a, b in pairwise(told[3:])][:5] == [10] * 5
    assert 60 < len(told) < 75, "and then a minute each"
    house.threats.finish(later(3600).wall)
    assert (house.row.count, house.row.evidence) == (36_000, {"n": 35_999})
    assert house.seen.published[-1] == house.row
    assert len(house.alerts) == 1
    assert house.seen.counters["threats.held"] == 36_000 - len(told)


def test_what_waits_is_told_when_its_time_has_come_though_nothing_more_is_seen() -> None:
    house = House()
    for n in range(10):
        house.see(n / 10)
    assert house.seen.published[-1].count == 4
    house.threats.tick(later(9).wall)
    assert house.seen.published[-1].count == 4
    house.threats.tick(later(10.5).wall)
    assert (house.seen.published[-1].count, house.row.count) == (10, 10)
    house.threats.tick(later(100).wall)
    assert len(house.seen.published) == 5


def test_what_the_user_says_is_told_at_once_with_what_had_waited() -> None:
    house = House()
    for n in range(10):
        house.see(n / 10)
    house.threats.judge(Judge(1, ThreatStatus.ACKNOWLEDGED))
    assert (house.row.count, house.row.status) == (10, ThreatStatus.ACKNOWLEDGED)
    house.threats.tick(later(100).wall)
    assert len(house.seen.published) == 5


def test_a_clock_that_is_set_back_holds_nothing_up() -> None:
    house = House()
    for n in range(10):
        house.see(n / 10)
    house.threats.tick(T0.wall - 10**9)
    assert house.row.count == 10


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(-100_000, 200_000), st.booleans()), max_size=200))
@settings(max_examples=50)
def test_nothing_waits_for_ever_and_nothing_is_told_too_often(steps: list[tuple[int, int, bool]]) -> None:
    pace: Pace[int] = Pace(3)
    now = 0
    for key, step, tells in steps:
        now += step
        if tells and pace.may_tell(key, now):
            pace.note(key, now)
        for each in pace.due(now):
            pace.note(each, now)
        assert len(pace.waiting()) <= 3
    for each in pace.due(now + PAUSES[-1]):
        pace.note(each, now + PAUSES[-1])
    assert pace.waiting() == []


# Many that are alike.


def test_spoofed_sources_become_one_threat_against_their_target() -> None:
    house = House()
    for n in range(10_000):
        house.see(n / 100, device=stranger(n), target="192.168.1.6", description=f"scan {n}")
    house.threats.finish(later(100).wall)
    rows = list(house.seen.threats.values())
    assert len(rows) == MOST_ALIKE + 1
    whole = rows[-1]
    assert (whole.kind, whole.device, whole.target) == ("port_scan", None, "192.168.1.6")
    assert whole.count == whole.evidence["findings"] == 10_000 - MOST_ALIKE
    assert (whole.evidence["threats"], whole.evidence["or_more"]) == (MOST_DISTINCT, True)
    assert [each["device"] for each in whole.evidence["examples"]] == [
        *(stranger(MOST_ALIKE + n) for n in range(5)), *(stranger(9_995 + n) for n in range(5))
    ]  # fmt: skip
    assert "scan 9999" in whole.description and "192.168.1.6" in whole.description
    assert len(house.alerts) == MOST_ALIKE + 1
    assert len(house.seen.published) < MOST_ALIKE + 20
    assert house.seen.counters["threats.gathered"] == 10_000 - MOST_ALIKE


def test_many_targets_of_one_device_become_one_threat_by_that_device() -> None:
    house = House()
    for n in range(254):
        house.see(n / 10, target=f"10.0.0.{n}")
    house.threats.finish(later(100).wall)
    whole = list(house.seen.threats.values())[-1]
    assert len(house.seen.threats) == MOST_ALIKE + 1
    assert (whole.device, whole.target, whole.evidence["threats"]) == (MAC, None, 254 - MOST_ALIKE)
    assert MAC in whole.description


def test_a_flood_of_strangers_does_not_hide_what_a_device_here_does() -> None:
    house = House()
    for n in range(1000):
        house.see(n / 100, device=stranger(n), target=f"10.0.{n >> 8}.{n & 255}")
    assert len(house.seen.threats) == MOST_OF_A_KIND + 1
    house.see(11, device=MAC, target="192.168.1.6")
    house.see(11, device=OTHER_MAC, target="10.0.0.1")
    assert Counter(each.device for each in house.seen.threats.values())[MAC] == 1
    assert Counter(each.device for each in house.seen.threats.values())[OTHER_MAC] == 1


def test_a_flood_goes_on_as_one_until_it_was_quiet_for_a_while_and_then_rows_are_made_again() -> None:
    house = House()
    for n in range(10_000):  # for hours
        house.see(n, device=stranger(n), target="192.168.1.6")
    assert len(house.seen.threats) == MOST_ALIKE + 1
    house.see(10_000 + WINDOW / 1000, device=stranger(10**5), target="192.168.1.6")
    assert len(house.seen.threats) == MOST_ALIKE + 2


def test_what_has_a_row_keeps_it_in_a_flood() -> None:
    house = House()
    for n in range(1000):
        house.see(n / 100, device=stranger(n % 50), target="192.168.1.6")
    house.threats.finish(later(100).wall)
    counts = [each.count for each in house.seen.threats.values()]
    assert sum(counts) == 1000, "nothing is lost"
    assert counts[:MOST_ALIKE] == [20] * MOST_ALIKE


def test_kinds_that_are_made_up_are_gathered_too_as_severe_as_the_worst() -> None:
    house = House()
    for n in range(1000):
        house.see(n / 100, kind=f"kind {n}", device=None, severity="critical" if n == 700 else "low")
    house.threats.finish(later(100).wall)
    assert len(house.seen.threats) == MOST_AT_ALL + 1
    whole = list(house.seen.threats.values())[-1]
    assert (whole.kind, whole.severity, whole.count) == (FLOOD, "critical", 1000 - MOST_AT_ALL)


def test_a_flood_that_comes_again_is_open_again_as_those_are_others() -> None:
    house = House()

    def flood(at: float) -> None:
        for n in range(100):
            house.see(at + n / 100, device=stranger(n + int(at)), target="192.168.1.6")

    flood(0)
    whole = next(each for each in house.seen.threats.values() if "findings" in each.evidence)
    house.threats.judge(Judge(whole.id, ThreatStatus.DISMISSED))
    flood(60)
    assert house.seen.threats[whole.id].status is ThreatStatus.DISMISSED
    flood(9000)
    assert house.seen.threats[whole.id].status is ThreatStatus.OPEN


def test_what_gathers_a_flood_is_muted_by_its_own_line() -> None:
    house = House()
    house.mute("* - 192.168.1.6")
    for n in range(100):
        house.see(n / 100, device=stranger(n), target="192.168.1.6")
    assert len(house.seen.threats) == MOST_ALIKE
    assert house.seen.counters["threats.muted"] == 100 - MOST_ALIKE


def test_news_of_new_devices_gather_themselves() -> None:
    house = House()
    for n in range(100):
        house.see(n / 100, news=True, kind="new_device", device=stranger(n))
    assert len(house.seen.threats) == 100


# A restart in the middle of it.


def restarted(house: House, at: float) -> House:
    """Another run, so many seconds after T0, on what the last one has kept; what it tells and alerts is its own."""
    house.threats.finish(later(at).wall)
    again = House()
    again.seen.threats.update(house.seen.threats)
    again.threats.remember(list(house.seen.threats.values()), later(at).wall)
    again.seen.published.clear()
    return again


SHAPES: dict[str, Callable[[int], dict[str, Any]]] = {
    "one target": lambda n: {"device": stranger(n), "target": "192.168.1.6"},
    "one device": lambda n: {"device": MAC, "target": stranger(n)},
    "one kind": lambda n: {"device": stranger(n), "target": stranger(n)},
    "many kinds": lambda n: {"kind": f"kind {n}", "device": None},
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("seconds", [100, 3000])  # within the window of the guard, and for much longer
def test_a_restart_in_a_flood_makes_neither_rows_nor_alerts(shape: str, seconds: int) -> None:
    house, whole = House(), House()
    alerts = 0
    for n in range(1500):
        at = n * seconds / 1500
        if n in (500, 501, 1000):
            alerts += len(house.alerts)
            house = restarted(house, at)
        for each in (house, whole):
            each.see(at, **SHAPES[shape](n))
    for each in (house, whole):
        each.threats.finish(later(seconds).wall)
    rows, others = (list(each.seen.threats.values()) for each in (house, whole))
    assert [(each.id, each.kind, each.device, each.target, each.count, each.severity) for each in rows] == [
        (each.id, each.kind, each.device, each.target, each.count, each.severity) for each in others
    ]
    assert alerts + len(house.alerts) == len(whole.alerts)
    told, other = rows[-1].evidence, others[-1].evidence
    assert told["findings"] == other["findings"] and told["since"] == other["since"], "what was gathered goes on"
    assert told["examples"] == other["examples"]
    # Which of them the run before had seen is not known.
    assert 499 <= told["threats"] <= other["threats"] and told["or_more"]
    assert f"at least {told['threats']:,} more threats" in rows[-1].description


def test_a_restart_after_a_flood_was_quiet_for_a_while_makes_rows_again() -> None:
    house = House()
    for n in range(100):
        house.see(n, device=stranger(n), target="192.168.1.6")
    again = restarted(house, 100 + WINDOW / 1000)
    again.see(101 + WINDOW / 1000, device=stranger(1000), target="192.168.1.6")
    assert len(again.seen.threats) == MOST_ALIKE + 2


def test_after_a_restart_a_flood_of_strangers_does_not_hide_what_a_device_here_does_either() -> None:
    house = House()
    for n in range(1000):
        house.see(n / 100, device=stranger(n), target="192.168.1.6")
    again = restarted(house, 11)
    again.see(12, device=MAC, target="192.168.1.6")
    assert Counter(each.device for each in again.seen.threats.values())[MAC] == 1


def test_what_goes_on_over_a_restart_is_told_once_and_then_as_rarely_as_before() -> None:
    house = House()
    for n in range(300):
        house.see(n)
    again = restarted(house, 300)
    for n in range(301, 360):
        again.see(n)
    assert [each.count for each in again.seen.published] == [301]
    again.threats.tick(later(362).wall)
    assert [each.count for each in again.seen.published] == [301, 359]
    assert again.alerts == []


def test_what_has_just_begun_is_told_at_once_also_after_a_restart() -> None:
    house = House()
    house.see(0)
    again = restarted(house, 1)
    again.see(2)
    again.see(3)
    assert [each.count for each in again.seen.published] == [2, 3]


def test_rows_that_only_look_as_if_they_gathered_harm_nothing() -> None:
    good = {"findings": 5, "threats": 5, "since": T0.wall, "here": False, "examples": []}
    damaged = [{**good, name: wrong} for name in good for wrong in (None, "x", 1.5, -1)]
    house = House()
    rows = [threat(n + 1, kind=f"kind {n}", evidence=each) for n, each in enumerate([{}, *damaged])]
    house.seen.threats.update((each.id, each) for each in rows)
    house.threats.remember(rows, T0.wall)
    for n in range(100):
        house.see(n, device=stranger(n), target="192.168.1.6")
        house.see(n, kind=f"kind {n}", device=None)
    house.threats.finish(later(100).wall)
    assert sum(each.count for each in house.seen.threats.values()) == 200 + len(rows)


# What an attack costs clients and cards: messages and their bytes, writes and rows.


@pytest.mark.parametrize("spoofed", [False, True])
def test_tens_of_thousands_of_findings_are_few_messages_and_few_rows(spoofed: bool) -> None:
    house = House()
    many = 20_000  # in a minute
    for n in range(many):
        now = later(n * 60 / many)
        device = stranger(n if spoofed else 7)
        house.threats.see([threat(0, device=device, target="192.168.1.6", last_seen=now.wall)], now)
        if n % 200 == 0:
            house.threats.tick(now.wall)
    house.threats.finish(later(61).wall)
    sent = [messages.update(1, 1, each) for each in house.seen.published]
    assert len(sent) < MOST_ALIKE + 25, "each is a message and a write"
    assert sum(map(len, sent)) < 80_000
    assert len(house.seen.threats) == (MOST_ALIKE + 1 if spoofed else 1)
    assert sum(each.count for each in house.seen.threats.values()) == many
