"""Quiet hours, by what the clock on the wall shows: also when it is put forward or back."""

from datetime import datetime, tzinfo

from netwatchd.values import Hours


def is_quiet(hours: Hours | None, wall: int, zone: tzinfo | None = None) -> bool:
    """Whether `wall` (Unix ms) is in the quiet hours of a time zone (None: that of this machine).

    What counts is the local time of day. Where the clock is put back within them, they last an hour longer; where it is
    put forward, an hour shorter. Their end belongs to the day.
    """
    if hours is None:
        return False
    local = datetime.fromtimestamp(wall / 1000, zone)
    minute = local.hour * 60 + local.minute
    if hours.start < hours.end:
        return hours.start <= minute < hours.end
    return minute >= hours.start or minute < hours.end
