"""Times and sizes as people write and read them."""

import argparse
from datetime import datetime

from netwatchd.answers import moments
from netwatchd.answers.moments import LAST


def moment(text: str) -> int:
    """A flag's time as Unix ms."""
    try:
        return moments.moment(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def time_text(milliseconds: int) -> str:
    """The local time, without the date where it is today."""
    when = datetime.fromtimestamp(min(max(milliseconds, 0), LAST) / 1000).astimezone()
    today = when.date() == datetime.now().astimezone().date()
    return when.strftime("%H:%M:%S" if today else "%Y-%m-%d %H:%M")


def moment_text(milliseconds: int) -> str:
    """The local date and time, to the second."""
    return f"{datetime.fromtimestamp(min(max(milliseconds, 0), LAST) / 1000).astimezone():%Y-%m-%d %H:%M:%S}"


def span_text(seconds: float) -> str:
    """`3 d 4 h`, `12 min`, `45 s`."""
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if days:
        return f"{days:.0f} d {hours % 24:.0f} h"
    if hours:
        return f"{hours:.0f} h {minutes % 60:.0f} min"
    return f"{minutes:.0f} min" if minutes else f"{seconds:.0f} s"


def ago_text(milliseconds: int, now: int) -> str:
    """How long ago a time was at `now`: `5 min ago`."""
    seconds = max(now - milliseconds, 0) // 1000
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    return f"{seconds} s ago"


def day_text(milliseconds: int) -> str:
    """The local day: `Mon 23 Nov`."""
    return f"{datetime.fromtimestamp(min(max(milliseconds, 0), LAST) / 1000):%a %d %b}"


def counted(number: int, what: str) -> str:
    """`1 device`, `2 devices`."""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"
