"""Promises of the hold: a flow waits once, the latest word on it is told, and a flood does not fill the memory."""

from typing import Any

from netwatchd.events import Flow
from netwatchd.sources.hold import Hold

NOON = 1_700_000_000_000


def flow(at: int, number: int = 0, **fields: Any) -> Flow:
    """A flow whose id was given at NOON + `at` ms."""
    usual = Flow(NOON + at << 12 | number, NOON + at, NOON + at, 1, 2, 3, 4, 6, 0, 0, 0, 0, "new", "capture")
    return usual._replace(**fields)


def test_without_a_wait_everything_passes_at_once() -> None:
    flows = [flow(0), flow(1)]
    assert Hold(0).take(flows, NOON) == flows


def test_a_flow_waits_from_its_beginning_and_then_its_latest_word_is_told() -> None:
    hold = Hold(2000)
    assert hold.take([flow(0)], NOON) == []
    assert hold.take([flow(0, bytes_in=5, state="closed")], NOON + 1000) == []
    assert hold.take([], NOON + 2000) == [flow(0, bytes_in=5, state="closed")]
    assert hold.take([], NOON + 9000) == []


def test_what_was_told_is_not_held_again() -> None:
    hold = Hold(2000)
    hold.take([flow(0)], NOON)
    assert hold.take([flow(0, bytes_in=1)], NOON + 2500) == [flow(0, bytes_in=1)]
    assert hold.take([flow(0, bytes_in=2)], NOON + 2600) == [flow(0, bytes_in=2)]


def test_a_clock_that_is_set_back_holds_nothing_for_long() -> None:
    hold = Hold(2000)
    hold.take([flow(0)], NOON)
    assert hold.take([], NOON - 86_400_000) == [flow(0)]


def test_in_a_flood_the_oldest_are_told_early() -> None:
    hold = Hold(2000, most=10)
    flows = [flow(0, number) for number in range(25)]
    assert hold.take(flows, NOON) == flows[:15]
    assert hold.release() == flows[15:]
    assert len(hold) == 0
