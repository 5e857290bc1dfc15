"""The timeline of a device shows when it was here, also over midnight and where a clock is changed."""

import time
from collections.abc import Iterator

import pytest
from store_kit import NOON, device

from netwatchd.answers.moments import midnight
from netwatchd.cli.moments import ago_text, day_text
from netwatchd.cli.timeline import CELLS, MOST_DAYS, Day, days, end_of, last_of, marks
from netwatchd.events import Device, Session, Status

HOUR, DAY = 3_600_000, 86_400_000
MIDNIGHT = NOON - 12 * HOUR  # UTC
SUMMER_ENDS = 1_792_879_200_000  # 2026-10-25 00:00 in Berlin


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Local time is UTC."""
    yield from at(monkeypatch, "UTC")


def at(monkeypatch: pytest.MonkeyPatch, zone: str) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", zone)
        time.tzset()
        yield
    time.tzset()


def known(**fields: object) -> Device:
    return device(**{"first_seen": MIDNIGHT - 30 * DAY, "last_seen": NOON} | fields)  # type: ignore[arg-type]


def drawn(found: list[Day]) -> list[str]:
    return [marks(day, "#", "+", ".") for day in found]


def test_a_day_is_drawn_by_the_hour_up_to_now() -> None:
    sessions = [Session("x", MIDNIGHT + 8 * HOUR, None), Session("x", MIDNIGHT + HOUR, MIDNIGHT + 2 * HOUR + HOUR // 4)]
    (day,) = days(known(), sessions, MIDNIGHT, NOON)
    assert drawn([day]) == [".#+.....####.".ljust(CELLS)], "the cell that has just begun, too"
    assert day.here == 5 * HOUR + HOUR // 4
    assert day.name == "Mon 23 Nov"


def test_a_session_over_midnight_is_in_both_days() -> None:
    sessions = [Session("x", MIDNIGHT - 2 * HOUR, MIDNIGHT + HOUR)]
    before, today = days(known(status=Status.OFFLINE), sessions, MIDNIGHT - DAY, NOON)
    assert (before.here, today.here) == (2 * HOUR, HOUR)
    assert drawn([before, today])[0] == "." * 22 + "##"


def test_before_it_was_known_there_is_nothing() -> None:
    found = days(known(first_seen=MIDNIGHT - 6 * HOUR), [], MIDNIGHT - 5 * DAY, NOON)
    assert drawn(found)[0] == " " * 18 + "." * 6
    assert len(found) == 2


def test_the_days_are_no_more_than_a_screen_holds() -> None:
    assert len(days(known(), [], 0, NOON)) == MOST_DAYS
    assert len(days(known(), [], MIDNIGHT - 6 * DAY, NOON)) == 7


def test_where_it_was_here_long_ago_the_days_end_then() -> None:
    gone = known(status=Status.OFFLINE, last_seen=NOON - 20 * DAY)
    long_ago = [Session("x", NOON - 21 * DAY, NOON - 20 * DAY), Session("x", NOON - 25 * DAY, NOON - 24 * DAY)]
    assert last_of(long_ago, gone, NOON) == NOON - 20 * DAY
    assert drawn(days(gone, long_ago, 0, NOON - 20 * DAY))[-1] == "#" * 12 + "." + " " * 11
    assert last_of([Session("x", NOON - 9 * DAY, NOON - 8 * DAY), *long_ago], gone, NOON) == NOON
    assert last_of([], gone, NOON) == NOON


def test_a_day_with_a_changed_clock_is_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in at(monkeypatch, "Europe/Berlin"):
        assert midnight(SUMMER_ENDS + 20 * HOUR) == SUMMER_ENDS
        found = days(known(first_seen=0), [Session("x", 0)], SUMMER_ENDS - DAY, SUMMER_ENDS + 26 * HOUR)
        assert [day.name for day in found] == ["Sat 24 Oct", "Sun 25 Oct", "Mon 26 Oct"]
        assert [day.here for day in found] == [24 * HOUR, 25 * HOUR, HOUR]
        assert all(len(day.cells) == CELLS for day in found)


def test_a_session_that_has_not_ended_lasts_while_the_device_is_here() -> None:
    open_one = Session("x", NOON - DAY)
    assert end_of(open_one, known(), NOON) == NOON
    assert end_of(open_one, known(status=Status.OFFLINE, last_seen=NOON - HOUR), NOON) == NOON - HOUR
    assert end_of(Session("x", NOON, NOON - DAY), known(), NOON) == NOON, "a clock that was set back"


def test_how_long_ago_is_said_shortly() -> None:
    told = [ago_text(NOON - seconds * 1000, NOON) for seconds in (0, 59, 60, 3599, 3600, 86399, 86400, 400 * 86400)]
    assert told == ["0 s ago", "59 s ago", "1 min ago", "59 min ago", "1 h ago", "23 h ago", "1 d ago", "400 d ago"]
    assert ago_text(NOON + 5, NOON) == "0 s ago"
    assert day_text(2**60) == "Fri 01 Jan"
    assert midnight(0) == 0
    assert midnight(2**60) > 0
