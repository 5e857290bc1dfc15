"""What each device moved by the hour, and today: all devices in one answer."""

import time
from pathlib import Path

from netwatchd.answers import Misasked
from netwatchd.answers.find import find_all, keys_of
from netwatchd.answers.found import Row
from netwatchd.answers.moments import midnight
from netwatchd.storage import histories, queries, schema
from netwatchd.storage import top as most
from netwatchd.storage.rollups import HOUR_MS, hour_of

USUAL_HOURS = 24
MOST_HOURS = 168  # a week: of 500 devices 1.5 MB


def activity(directory: Path, *, since: int | None = None, device: str | None = None, today: int | None = None) -> Row:
    """The bytes of each hour (UTC) from that of `since` (Unix ms) on, and of today; merged MACs are their device's.

    Without `since` that is of 24 hours, of which the last one goes on. `today` is when the day began, else the local
    one. An hour in which nothing was recorded, of no device at all, is null. Raises NotFound, Misasked, NoDatabase.
    """
    now = time.time_ns() // 1_000_000
    last = hour_of(now)
    first = last - (USUAL_HOURS - 1) * HOUR_MS if since is None else min(hour_of(since), last)
    times = range(first, last + 1, HOUR_MS)
    if len(times) > MOST_HOURS:
        raise Misasked(f"that is more than {MOST_HOURS} hours; `traffic` tells of longer times")
    known = queries.read_core(directory).devices
    devices = known if device is None else find_all(device, known)
    sums = histories.hours(directory, first)
    begun = midnight(now) if today is None else today
    moved = most.traffic_since(directory, begun)
    recorded = {hour for counts in sums.values() for hour in counts}
    rows = []
    for each in devices:
        keys = keys_of(each)
        mine = [sums[key] for key in keys if key in sums]
        of_today = [moved[key] for key in keys if key in moved]
        if mine or of_today:
            row: Row = {"device": schema.key_of(each)}
            for at, name in enumerate(("bytes_in", "bytes_out")):
                row[name] = [
                    sum(hours[hour][at] for hours in mine if hour in hours) if hour in recorded else None
                    for hour in times
                ]
                row[f"{name}_today"] = sum(counts[at] for counts in of_today)
            rows.append(row)
    return {"since": first, "step": HOUR_MS // 1000, "today": begun, "now": now, "devices": rows}
