"""Times as people write them, and when their days began."""

import time
from datetime import datetime

from netwatchd.values import span

LAST = 253_370_764_800_000  # Unix ms of the year 9999: calendars end there


def moment(text: str) -> int:
    """Unix ms of `2 h` (ago), `2026-11-23` or `2026-11-23 14:05` (local time), or of a number of ms.

    Raises ValueError.
    """
    if text.isascii() and text.isdecimal() and len(text) < 16:
        return min(int(text), LAST)
    try:
        return max(int((time.time() - span(text)) * 1000), 0)
    except (ValueError, OverflowError):
        pass  # no duration; perhaps a date
    try:
        return min(max(int(datetime.fromisoformat(text).timestamp() * 1000), 0), LAST)
    except (ValueError, OverflowError):
        raise ValueError(
            f"{text!r:.60} should be a time such as '30 min', '2 h', '7 d', '2026-11-23' or '2026-11-23 14:05'"
        ) from None


def midnight(milliseconds: int) -> int:
    """When the local day of a time began."""
    day = datetime.fromtimestamp(min(max(milliseconds, 0), LAST) / 1000).date()
    return max(int(datetime(day.year, day.month, day.day).timestamp() * 1000), 0)
