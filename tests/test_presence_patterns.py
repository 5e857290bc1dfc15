"""How devices really behave, over simulated days: how often one that is here is said to be gone, and how late one
that has gone. `python tests/test_presence_patterns.py` prints the figures that docs/DEVICES.md tells.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
from ingest_kit import Recorder, devices_of, later, sighting

from netwatchd.decoders.routes import Question
from netwatchd.events import Device

HOUR, DAY = 3600.0, 86_400.0
LOOK = 30.0  # seconds between two sweeps, as the daemon does at an offline_after of 15 min
IP = 0xC0A80105


@dataclass
class Habit:
    """One device: when it is really here, the signs of life that it gives, and how often it answers when asked."""

    name: str
    here: list[tuple[float, float]]
    gap: Callable[[random.Random, float], float]  # to the next sign of life, at that time
    answers: float = 0.0

    def signs(self, rng: random.Random) -> Iterator[float]:
        for start, end in self.here:
            at = start
            while at < end:
                yield at
                at += self.gap(rng, at)

    def is_here(self, at: float) -> bool:
        return any(start <= at < end for start, end in self.here)


@dataclass
class Figures:
    """What became of it."""

    false: list[float] = field(default_factory=list)  # when it was said to be gone while it was here
    delays: list[float] = field(default_factory=list)  # seconds from its last moment here until that was said
    asked: int = 0
    writes: int = 0


def sleeping_phone(rng: random.Random, at: float) -> float:
    """Awake for ten minutes of each hour of the day; asleep it wakes up every 5 to 40 minutes."""
    hour, minute = at % DAY / HOUR, at % HOUR / 60
    return rng.uniform(5, 60) if 7 <= hour < 23 and minute < 10 else rng.uniform(300, 2400)


def days_of(count: int, start: float, end: float) -> list[tuple[float, float]]:
    return [(day * DAY + start * HOUR, day * DAY + end * HOUR) for day in range(count)]


def phone(days: int, answers: float) -> Habit:
    """At home from 17 h until 8:30 on the next day."""
    nights = [(day * DAY + 17 * HOUR, (day + 1) * DAY + 8.5 * HOUR) for day in range(days)]
    return Habit("phone", nights, sleeping_phone, answers)


def lamp(days: int, answers: float) -> Habit:
    """It speaks every minute or so, but for one afternoon without power."""
    outage = days // 2 * DAY + 14 * HOUR
    return Habit("lamp", [(0, outage), (outage + 3 * HOUR, days * DAY)], lambda rng, _: rng.uniform(20, 90), answers)


def computer(days: int, answers: float) -> Habit:
    """Switched on at 9 h, off at 22 h, and asleep over lunch."""
    halves = sorted(days_of(days, 9, 12.5) + days_of(days, 13.5, 22))
    return Habit("computer", halves, lambda rng, _: rng.uniform(10, 300), answers)


def printer(days: int, answers: float) -> Habit:
    """It speaks once a day, and is always on."""
    return Habit("printer", [(0, days * DAY)], lambda rng, _: DAY + rng.uniform(-HOUR, HOUR), answers)


def live(habit: Habit, days: int, seed: int = 1, probe: bool = True) -> Figures:
    """Lets the days pass."""
    rng, seen, figures = random.Random(seed), Recorder(), Figures()
    devices = devices_of(seen)
    waiting: list[Question] = []
    if probe:
        devices.presence.doubts.ask = waiting.append
    signs, told, at = habit.signs(rng), 0, 0.0
    coming = next(signs, None)
    while at < days * DAY:
        at += LOOK
        while coming is not None and coming <= at:
            devices.see([sighting(ips=(IP,), time=later(coming).wall)], later(coming))
            coming = next(signs, None)
        devices.sweep(later(at))
        figures.asked += len(waiting)
        if waiting and habit.is_here(at) and rng.random() < habit.answers:
            devices.see([sighting(ips=(IP,), time=later(at).wall)], later(at))
        waiting.clear()
        for each in seen.published[told:]:
            if isinstance(each, Device) and str(each.status) == "offline":
                note(figures, habit, at)
        told = len(seen.published)
    figures.writes = told
    return figures


def note(figures: Figures, habit: Habit, at: float) -> None:
    """It was said to be gone."""
    if habit.is_here(at):
        figures.false.append(at)
    else:
        figures.delays.append(at - max(end for _, end in habit.here if end <= at))


@pytest.mark.parametrize("seed", range(3))
def test_a_phone_that_sleeps_is_soon_known_and_not_said_to_be_gone_again(seed: int) -> None:
    days = 7
    asleep = live(phone(days, answers=0), days, seed)
    assert len([at for at in asleep.false if at < DAY + 17 * HOUR]) <= 5, "while it is learnt"
    assert len([at for at in asleep.false if at >= DAY + 17 * HOUR]) <= 3, "one in two days, at most"
    assert len(asleep.delays) == days - 1, "each leaving is told once"
    assert max(asleep.delays) <= 2 * HOUR
    half = live(phone(days, answers=0.5), days, seed)
    assert len(half.false) <= 3


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("probe", [True, False])
def test_a_lamp_and_a_computer_are_never_gone_while_here_and_their_leaving_is_told_in_time(
    seed: int, probe: bool
) -> None:
    for habit in (lamp(4, 1.0), computer(4, 1.0)):
        figures = live(habit, 4, seed, probe)
        assert figures.false == []
        assert len(figures.delays) == (1 if habit.name == "lamp" else 8)
        assert max(figures.delays) <= 900 + LOOK


def test_a_printer_that_speaks_once_a_day_stays_where_it_answers_and_is_told_once_a_day_where_it_is_not_asked() -> None:
    assert live(printer(5, 1.0), 5).false == []
    assert len(live(printer(5, 1.0), 5, probe=False).false) <= 5


def test_questions_are_few() -> None:
    assert live(lamp(2, 1.0), 2).asked <= 7, "only while it was gone"
    assert live(printer(2, 1.0), 2).asked <= 2 * DAY / 450


if __name__ == "__main__":
    DAYS = 14
    for make in (phone, lamp, computer, printer):
        for answers in (None, 0.0, 0.5, 1.0):
            runs = [live(make(DAYS, answers or 0.0), DAYS, seed, answers is not None) for seed in range(5)]
            delays = sorted(delay / 60 for run in runs for delay in run.delays)
            first = sum(sum(at < 2 * DAY for at in run.false) for run in runs) / 5
            later_on = sum(sum(at >= 2 * DAY for at in run.false) for run in runs) / 5
            middle = f"{delays[len(delays) // 2]:.0f} / {delays[-1]:.0f}" if delays else "-"
            print(
                f"| {make.__name__} | {'not asked' if answers is None else f'{answers:.0%}'} | {first:.1f} | "
                f"{later_on:.1f} | {middle} | {sum(run.asked for run in runs) / 5 / DAYS:.0f} | "
                f"{sum(run.writes for run in runs) / 5 / DAYS:.1f} |"
            )
