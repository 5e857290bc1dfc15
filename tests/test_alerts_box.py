"""What a channel is sent, and when: quiet hours, budget, digest, failures. The time is an argument."""

import json
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from alerts_kit import at, found
from hypothesis import given, settings
from hypothesis import strategies as st

from netwatchd.alerts.box import GIVEN_UP, HOUR, MOST_WAITING, USUAL, Box, Rules
from netwatchd.alerts.held import MOST_KEPT, Held
from netwatchd.alerts.quiet import is_quiet
from netwatchd.clock import Now
from netwatchd.events import SEVERITIES, Threat
from netwatchd.values import Hours, hours

BERLIN, UTC = ZoneInfo("Europe/Berlin"), ZoneInfo("UTC")


PAUSES, GATHER, _ = USUAL


def drained(box: Box, now: Now) -> list[Threat | Held]:
    """What leaves now, where everything is taken."""
    left = []
    while each := box.due(now):
        left.append(each.content)
        box.taken(each, now)
    return left


def numbers(left: list[Threat | Held]) -> list[int]:
    return [each.id for each in left if isinstance(each, Threat)]


def digests(left: list[Threat | Held]) -> list[Held]:
    return [each for each in left if isinstance(each, Held)]


def size(held: Held) -> int:
    return len(held.kept) + sum(held.more.values())


# Severity and budget.


def test_what_is_less_severe_than_wanted_is_not_taken() -> None:
    box = Box(Rules("medium"))
    assert [box.take(found(number, severity), at(0)) for number, severity in enumerate(SEVERITIES)] == [
        False, False, True, True, True,
    ]  # fmt: skip
    assert numbers(drained(box, at(0))) == [4, 3, 2]


def test_the_budget_of_an_hour_is_kept_and_one_digest_tells_the_rest() -> None:
    box = Box(Rules(budget=10))
    for number in range(1, 1001):
        box.take(found(number, "high"), at(number / 100))
        drained(box, at(number / 100))
    assert len(box.sent) == 10
    assert not digests(drained(box, at(GATHER - 1)))
    (digest,) = drained(box, at(GATHER + 1))
    assert isinstance(digest, Held) and size(digest) == 990
    assert digest.reasons == {"budget"}


def test_no_second_digest_comes_within_an_hour_and_the_budget_returns_with_it() -> None:
    box = Box(Rules(budget=10))
    left = []
    for minute in range(240):
        for number in range(10):
            box.take(found(minute * 10 + number, "critical"), at(minute * 60))
        left.append(drained(box, at(minute * 60)))
    for start in range(180):
        hour = [each for minute in left[start : start + 60] for each in minute]
        assert len(numbers(hour)) <= 10 and len(digests(hour)) <= 1
    told = sum(len(numbers(each)) + sum(map(size, digests(each))) for each in left)
    assert told + size(box.held) + len(box.waiting) == 2400
    assert sum(len(numbers(each)) for each in left) == 40


def test_small_things_cannot_hide_a_great_one() -> None:
    box = Box(Rules(budget=10))
    for number in range(1, 100):
        box.take(found(number, "medium"), at(0))
        drained(box, at(0))
    box.take(found(500, "critical"), at(1))
    assert numbers(drained(box, at(1))) == [500]


@pytest.mark.parametrize("budget", [1, 2, 4, 5, 10, 1000])
def test_any_budget_lets_something_through(budget: int) -> None:
    box = Box(Rules("low", budget=budget))
    for number in range(1, budget + 10):
        box.take(found(number, "low"), at(0))
    assert 1 <= len(numbers(drained(box, at(0)))) <= budget


def test_ten_thousand_at_once_are_bounded_and_none_is_lost() -> None:
    box = Box(Rules(budget=10))
    for number in range(1, 10_001):
        box.take(found(number, SEVERITIES[2 + number % 3]), at(0))
    assert len(box.waiting) <= MOST_WAITING
    assert len(json.dumps(box.to_json(at(0)))) < 32_000
    left = drained(box, at(0))
    assert len(left) == 10 and {each.severity for each in left if isinstance(each, Threat)} == {"critical"}
    (digest,) = drained(box, at(GATHER))
    assert isinstance(digest, Held)
    assert len(digest.kept) == MOST_KEPT and size(digest) == 9990
    assert set(digest.kept.values()) == {"critical"}


def test_made_up_kinds_do_not_fill_a_digest() -> None:
    held = Held()
    for number in range(5000):
        held.add(found(number, kind=f"kind{number}"), "budget", at(0).wall)
    assert size(held) == 5000
    assert len(held.more) <= MOST_KEPT + len(SEVERITIES)


def test_the_same_threat_that_waits_already_is_sent_once() -> None:
    box = Box(Rules())
    box.take(found(1), at(0))
    box.take(found(1, count=5), at(1))
    (each,) = drained(box, at(1))
    assert isinstance(each, Threat) and each.count == 5


def test_what_happens_again_while_it_is_being_sent_is_sent_again() -> None:
    box = Box(Rules())
    box.take(found(1), at(0))
    first = box.due(at(0))
    assert first
    box.take(found(1, "high"), at(1))
    assert box.due(at(1)) is None
    box.taken(first, at(2))
    (second,) = drained(box, at(2))
    assert isinstance(second, Threat) and second.severity == "high"


# Quiet hours.


NIGHT = Hours(22 * 60, 7 * 60)


def local(zone: ZoneInfo, *moment: int, fold: int = 0) -> float:
    """Seconds from noon of the tests' day to a local time."""
    return datetime(*moment, tzinfo=zone, fold=fold).timestamp() - at(0).wall / 1000  # type: ignore[arg-type, misc]


@pytest.mark.parametrize(
    ("text", "quiet", "loud"),
    [
        ("22:00-07:00", ["22:00", "23:59", "00:00", "06:59"], ["07:00", "12:00", "21:59"]),
        ("13:00-15:30", ["13:00", "15:29"], ["12:59", "15:30", "00:00"]),
    ],
)
def test_quiet_hours_are_those_of_the_clock_on_the_wall(text: str, quiet: list[str], loud: list[str]) -> None:
    for told, wanted in ((quiet, True), (loud, False)):
        for each in told:
            moment = datetime.fromisoformat(f"2026-11-23T{each}:00").replace(tzinfo=BERLIN)
            assert is_quiet(hours(text), int(moment.timestamp() * 1000), BERLIN) is wanted, each


def test_where_the_clock_is_put_back_the_night_is_an_hour_longer_and_where_it_is_put_forward_shorter() -> None:
    def minutes(day: datetime) -> int:
        start = int(day.timestamp())
        return sum(is_quiet(NIGHT, (start + minute * 60) * 1000, BERLIN) for minute in range(24 * 60))

    assert minutes(datetime(2026, 10, 24, 12, tzinfo=BERLIN)) == 10 * 60
    assert minutes(datetime(2026, 3, 28, 12, tzinfo=BERLIN)) == 8 * 60
    assert minutes(datetime(2026, 6, 1, 12, tzinfo=BERLIN)) == 9 * 60


def test_an_hour_that_comes_twice_is_quiet_twice_and_one_that_does_not_come_is_not() -> None:
    twice = Hours(2 * 60, 3 * 60)
    day = int(datetime(2026, 10, 25, tzinfo=BERLIN).timestamp())
    assert sum(is_quiet(twice, (day + minute * 60) * 1000, BERLIN) for minute in range(25 * 60)) == 120
    day = int(datetime(2026, 3, 29, tzinfo=BERLIN).timestamp())
    assert sum(is_quiet(twice, (day + minute * 60) * 1000, BERLIN) for minute in range(23 * 60)) == 0


def test_in_quiet_hours_only_what_is_severe_is_sent_and_one_digest_tells_the_rest_at_their_end() -> None:
    box = Box(Rules(quiet_hours=NIGHT, quiet_severity="high", zone=UTC))
    night = local(UTC, 2026, 11, 23, 23, 30)
    for number, severity in enumerate(("medium", "high", "critical", "medium"), 1):
        box.take(found(number, severity), at(night + number))
        assert numbers(drained(box, at(night + number))) == ([number] if severity != "medium" else [])
    assert not drained(box, at(local(UTC, 2026, 11, 24, 6, 59, 59)))
    (digest,) = drained(box, at(local(UTC, 2026, 11, 24, 7, 0, 0)))
    assert isinstance(digest, Held) and size(digest) == 2 and digest.reasons == {"quiet_hours"}
    assert not drained(box, at(local(UTC, 2026, 11, 24, 9)))


def test_a_flood_of_severe_ones_at_night_has_its_digest_at_night() -> None:
    box = Box(Rules(quiet_hours=NIGHT, zone=UTC, budget=5))
    night = local(UTC, 2026, 11, 23, 23, 30)
    for number in range(1, 20):
        box.take(found(number, "critical"), at(night))
    assert len(drained(box, at(night))) == 5
    (digest,) = drained(box, at(night + GATHER))
    assert isinstance(digest, Held) and size(digest) == 14


def test_what_waited_before_the_night_waits_through_it() -> None:
    box = Box(Rules(quiet_hours=NIGHT, zone=UTC))
    evening = local(UTC, 2026, 11, 23, 21, 59, 50)
    box.take(found(1), at(evening))
    each = box.due(at(evening))
    assert each
    box.failed(each, at(evening + 10))
    assert not drained(box, at(evening + 60))
    (digest,) = drained(box, at(local(UTC, 2026, 11, 24, 7)))
    assert isinstance(digest, Held)


# Failures.


def test_a_channel_that_fails_pauses_for_longer_each_time_and_the_id_stays() -> None:
    box = Box(Rules())
    box.take(found(1), at(0))
    moment, seen = 0.0, set()
    for pause in (*PAUSES, PAUSES[-1]):
        each = box.due(at(moment))
        assert each
        seen.add(each.id)
        box.failed(each, at(moment))
        assert box.due(at(moment + pause - 1)) is None
        moment += pause
    assert len(seen) == 1
    assert numbers(drained(box, at(moment))) == [1]
    box.take(found(2), at(moment))
    each = box.due(at(moment))
    assert each
    box.failed(each, at(moment))
    assert box.due(at(moment + PAUSES[0] + 1)), "after a success it begins anew"


def test_it_is_left_alone_for_as_long_as_it_asks_for_but_not_for_ever() -> None:
    box = Box(Rules())
    for wanted, waited in ((5.0, PAUSES[0]), (7200.0, 7200.0), (1e9, GIVEN_UP)):
        box.take(found(1), at(0))
        box.failures, box.again = 0, 0.0
        each = box.due(at(0))
        assert each
        box.failed(each, at(0), wanted)
        assert box.due(at(waited - 1)) is None
        assert box.again == at(waited).steady


def test_one_that_can_never_be_sent_does_not_keep_the_others_from_it() -> None:
    box = Box(Rules())
    box.take(found(1, "critical"), at(0))
    box.take(found(2), at(1))
    first = box.due(at(1))
    assert first
    box.failed(first, at(1))
    second = box.due(at(1 + PAUSES[0]))
    assert second and second is not first


def test_what_is_a_day_old_is_told_by_a_digest_and_a_digest_is_given_up_after_a_day() -> None:
    box = Box(Rules())
    box.take(found(1), at(0))
    assert not box.too_old(at(GIVEN_UP - 1))
    assert len(box.too_old(at(GIVEN_UP + 1))) == 1
    assert box.reasons == {"late": 1}
    digest = box.due(at(GIVEN_UP + 1 + GATHER))
    assert digest and isinstance(digest.content, Held)
    box.failed(digest, at(GIVEN_UP + 1 + GATHER))
    assert [each.id for each in box.too_old(at(GIVEN_UP * 2 + 2 * GATHER))] == [digest.id]
    assert not box.waiting and not box.held


def test_an_outage_of_hours_ends_with_the_budget_and_a_digest() -> None:
    box = Box(Rules(budget=10))
    for number in range(1, 101):
        box.take(found(number, "high"), at(number * 300))
        if each := box.due(at(number * 300)):
            box.failed(each, at(number * 300))
    left = drained(box, at(101 * 300 + HOUR))
    assert len(numbers(left)) == 10
    left += drained(box, at(101 * 300 + HOUR + GATHER))
    (digest,) = digests(left)
    assert size(digest) == 90


# The clock.


@pytest.mark.parametrize("leap", [-10 * 365 * 86400, -7200, 7200, 10 * 365 * 86400])
def test_a_clock_that_is_set_changes_neither_budget_nor_pauses(leap: float) -> None:
    box = Box(Rules(budget=5))
    for number in range(1, 11):
        box.take(found(number, "high"), at(0))
    assert len(drained(box, at(0))) == 5
    for number in range(11, 21):
        box.take(found(number, "high"), at(10, wall=leap))
    assert not drained(box, at(10, wall=leap))
    assert len(digests(drained(box, at(GATHER + 1, wall=leap)))) == 1
    box.take(found(30, "high"), at(HOUR - 1, wall=leap))
    assert not numbers(drained(box, at(HOUR - 1, wall=leap)))
    box.take(found(31, "high"), at(HOUR + 1, wall=leap))
    assert numbers(drained(box, at(HOUR + 1, wall=leap))) == [31]


@pytest.mark.parametrize("leap", [-10 * 365 * 86400, 0, 7200])
def test_what_was_kept_is_taken_in_by_whatever_clock(leap: float) -> None:
    before = Box(Rules(budget=2))
    for number in range(1, 6):
        before.take(found(number, "high"), at(0))
    drained(before, at(0))
    before.rules = Rules(budget=3)
    before.take(found(9, "high"), at(1))
    text = json.dumps(before.to_json(at(2)))
    after = Box(Rules(budget=2))
    booted = Now(at(2, wall=2 + leap).wall, 7.0)
    after.restore(json.loads(text), booted)
    assert [each.id for each in after.waiting.values()] == [f"9-{at(1).wall}"]
    assert size(after.held) == 3
    if leap <= 0:
        assert after.due(booted) is None, "the budget of the hour is spent"
    later = Now(booted.wall + 3_700_000, booted.steady + 3700)
    assert after.due(later)


@pytest.mark.parametrize(
    "text",
    ["{}", "[]", "3", '{"waiting":[{}],"held":{},"sent":[],"digested":null}',
     '{"waiting":[{"id":"1","time":1,"tries":0,"threat":{"id":1}}],"held":{},"sent":[],"digested":null}'],
)  # fmt: skip
def test_what_is_no_note_is_refused_and_changes_nothing(text: str) -> None:
    box = Box(Rules())
    box.take(found(1), at(0))
    with pytest.raises((ValueError, TypeError, KeyError)):
        box.restore(json.loads(text), at(0))
    assert numbers(drained(box, at(0))) == [1]


# Whatever happens.

STEPS = st.lists(
    st.tuples(
        st.sampled_from((0.0, 1.0, 31.0, 301.0, 1900.0, 40_000.0)),
        st.lists(st.tuples(st.integers(1, 60), st.sampled_from(SEVERITIES)), max_size=25),
        st.sampled_from(("taken", "failed", "refused", "restart")),
    ),
    max_size=40,
)


@given(STEPS, st.integers(1, 12), st.booleans())
@settings(max_examples=60)
def test_no_hour_has_more_than_the_budget_and_one_digest_and_nothing_is_forgotten(
    steps: list[tuple[float, list[tuple[int, str]], str]], budget: int, quiet: bool
) -> None:
    rules = Rules("medium", NIGHT if quiet else None, "high", budget, UTC)
    box, moment, sent = Box(rules), 0.0, list[tuple[float, bool]]()
    owed: set[int] = set()
    for pause, happened, fate in steps:
        moment += pause
        for number, severity in happened:
            if box.take(found(number, severity), at(moment)) or SEVERITIES.index(severity) >= 2:
                owed.add(number)
        if any(isinstance(each.content, Held) for each in box.too_old(at(moment))):
            owed.clear()  # a digest that could not be sent for a day is given up, which is counted and said
        while each := box.due(at(moment)):
            if fate == "failed":
                box.failed(each, at(moment))
            elif fate == "restart":
                kept = json.loads(json.dumps(box.to_json(at(moment))))
                box = Box(rules)
                box.restore(kept, at(moment))
                break
            else:
                box.taken(each, at(moment)) if fate == "taken" else box.drop(each)
                if fate == "taken":
                    sent.append((moment, isinstance(each.content, Held)))
                owed -= {each.content.id} if isinstance(each.content, Threat) else owed
    for start, _ in sent:
        hour = [digest for moment, digest in sent if start <= moment < start + HOUR]
        assert hour.count(True) <= 1 and hour.count(False) <= budget
    in_mind = {each.content.id for each in box.waiting.values() if isinstance(each.content, Threat)}
    assert not owed - in_mind or box.held or None in box.waiting
