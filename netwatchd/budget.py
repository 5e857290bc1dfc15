"""The write budget: how much the databases grow, what that does to the card, and what ends it first, and when.

What ends the growth is one of three: `retention` removes days of flows before anything is full, `max_size` does, or the
`disk` is full before either. The growth of flows is the size of the last whole days' files, and before there are any,
what was measured while netwatchd ran; so is that of core.db, and what is written. As long as nothing is known well
enough nothing is said: a number of the first hours, with their fetching and learning, would be wild.
"""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

DAY = 86400.0
ENOUGH = 6 * 3600.0  # seconds of running from which on a growth is told
MOST_DAYS = 7  # whole days that are looked at: a week has all kinds
SOON = 7.0  # days: who is told that the disk will be full must have time to do something
# Bytes: with so little left on the disk, it is said though the growth is not known.
LITTLE = 32 * 2**20


class Period(NamedTuple):
    """What was measured in a part of a day in which netwatchd ran."""

    seconds: float
    written: int  # bytes that it had written to disk
    core: int  # bytes by which core.db grew
    flows: int  # bytes by which the files of flows grew


class Sizes(NamedTuple):
    """What there is, in bytes."""

    core: int
    days: Mapping[str, int]  # files of flows by day, as `20261123`
    free: int | None  # on the file system; None where it cannot be asked


class Limits(NamedTuple):
    """What the configuration says."""

    size: int  # `max_size`, bytes
    part: int  # so many bytes below it the oldest flows begin to go
    retention: float  # days of flows
    hourly: float  # days of hours' roll-ups


def forecast(sizes: Sizes, size: int, today: str, periods: Sequence[Period], limits: Limits) -> dict[str, Any]:
    """The budget. `size` is that of all databases with their logs; the last of `periods` goes on."""
    measured = _measured(periods)
    flows = _a_day(sizes, today)
    if flows is None and measured:
        flows = measured.flows
    core = measured.core if measured else 0
    found = {"growth": None if flows is None else round(flows + core), "written_a_day": measured and measured.written}
    if flows is None:
        reached: dict[str, Any] = {"first": None, "days": None, "at": None}
    else:
        reached = _first(sizes, size, (flows, core), limits)
    told = {"max_size": limits.size, "free": sizes.free, **found, **reached}
    return told | {"text": _text(told, limits), "warning": _warning(told, size, limits)}


def _measured(periods: Sequence[Period]) -> Period | None:
    """What the periods make a day; None where they are too short to tell."""
    seconds = sum(each.seconds for each in periods)
    if seconds < ENOUGH:
        return None
    _, *sums = map(sum, zip(*periods, strict=True))
    return Period(DAY, *(round(max(each, 0) / seconds * DAY) for each in sums))


def _a_day(sizes: Sizes, today: str) -> float | None:
    """Bytes of flows a day; None where no whole day is known: today goes on, and the oldest may have begun late."""
    whole = [sizes.days[day] for day in sorted(sizes.days) if day < today][1:][-MOST_DAYS:]
    return sum(whole) / len(whole) if whole else None


def _first(sizes: Sizes, size: int, growth: tuple[float, float], limits: Limits) -> dict[str, Any]:
    """What ends the growth first: `first`, in how many `days` (None: never), and `at` how many bytes."""
    most = max(limits.size - limits.part, 0)
    full = math.inf if sizes.free is None else size + sizes.free
    flows, core = growth
    have = sum(sizes.days.values())
    # A whole day is removed at a time, so that one more is kept; what is there already may be more than that.
    more_flows = max(flows * (limits.retention + 1) - have, 0.0)
    more_core = core * limits.hourly
    settles = size + more_flows + more_core
    limit = min(most, full)
    if settles < limit:
        return {"first": "retention", "days": None, "at": round(settles)}
    room = max(limit - size, 0.0)
    # First both grow, then the flows stay as they are.
    both = more_flows / flows if flows else 0.0
    if room <= both * (flows + core):
        days = room / (flows + core) if flows + core else 0.0
    else:
        days = both + (room - both * (flows + core)) / core if core else both
    return {"first": "max_size" if most <= full else "disk", "days": round(days, 1), "at": round(limit)}


def _text(told: dict[str, Any], limits: Limits) -> str:
    """What comes first, as people say it."""
    if told["first"] is None:
        return "how long there is room is not known yet: netwatchd has to run for 6 hours first"
    at = size_text(told["at"])
    if told["first"] == "retention":
        return f"retention ({limits.retention:.0f} d) comes first, at about {at}"
    if told["first"] == "disk":
        return f"the disk will be full in about {days_text(told['days'])}, before max_size is reached"
    if told["days"] <= 0:
        return f"max_size ({size_text(limits.size)}) is reached: the oldest flows make room for new ones"
    return f"max_size ({size_text(limits.size)}) in about {days_text(told['days'])}; then the oldest flows go"


def _warning(told: dict[str, Any], size: int, limits: Limits) -> str | None:
    """What should be done something about, in a sentence; None where nothing should."""
    free, advice = told["free"], "make room, or lower max_size in [storage]"
    if told["first"] == "disk" and told["days"] < SOON:
        return f"the disk will be full in about {days_text(told['days'])} ({size_text(free)} are free): {advice}"
    if free is not None and free < LITTLE and size + free < limits.size - limits.part:
        return f"only {size_text(free)} are free on the disk: {advice}"
    return None


def days_text(days: float) -> str:
    """`5 hours`, `3 days`, `4 months`, `12 years`."""
    number, unit = days, "day"
    if days < 2:
        number, unit = days * 24, "hour"
    elif days >= 730:
        number, unit = days / 365, "year"
    elif days >= 120:
        number, unit = days / 30.4, "month"
    whole = max(round(number), 1)
    return f"{whole} {unit}" if whole == 1 else f"{whole:,} {unit}s"


def size_text(size: float) -> str:
    """`512 B`, `1.3 kB`, `42 MB`."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if size < 1000 or unit == "TB":
            break
        size /= 1000
    return f"{size:.0f} {unit}" if unit == "B" or size >= 10 else f"{size:.1f} {unit}"


def to_note(periods: Sequence[Period]) -> str:
    """The periods as a text that is kept for the next start."""
    return json.dumps([list(each) for each in periods[-MOST_DAYS:]])


def of_note(text: str | None) -> list[Period]:
    """The periods of such a text; none where it cannot be read: they are measured again."""
    try:
        read = [Period(float(each[0]), *map(int, each[1:])) for each in json.loads(text or "[]")]
    except (ValueError, TypeError):
        return []
    return [each for each in read[-MOST_DAYS:] if 0 < each.seconds <= 2 * DAY and each.written >= 0]
