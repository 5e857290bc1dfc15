"""How much was moved, step by step: by ten minutes, hours or days."""

import time
from pathlib import Path

from netwatchd.answers import Misasked
from netwatchd.answers.find import find, keys_of
from netwatchd.answers.found import Row
from netwatchd.storage import queries, schema
from netwatchd.storage.rollups import BUCKET_MS, HOUR_MS
from netwatchd.storage.series import DAY_MS, series

STEPS = {"ten_minutes": BUCKET_MS, "hour": HOUR_MS, "day": DAY_MS}
MOST_STEPS = 5_000
# Where nobody says how long steps are: some hundred of them.
USUAL = ((2 * DAY_MS, "ten_minutes"), (60 * DAY_MS, "hour"))


def traffic(
    directory: Path, *, since: int, until: int | None = None, step: str | None = None, device: str | None = None
) -> Row:
    """The traffic of all devices, or of what `device` means with all MACs that were merged into it.

    Steps are those of UTC; the first and the last are whole where they lie around `since` and `until` (Unix ms). The
    counts of one in which nothing was recorded of any device are null. Raises NotFound, Misasked, NoDatabase.
    """
    now = time.time_ns() // 1_000_000
    until = now if until is None else min(until, now + DAY_MS)
    if since >= until:
        raise Misasked("the time since when should be before the one until when")
    step = step or next((name for length, name in USUAL if until - since <= length), "day")
    length = STEPS[step]
    begun = since // length * length
    if (until - begun) / length > MOST_STEPS:
        raise Misasked(f"that is more than {MOST_STEPS:,} steps; ask for a later time since when, or a longer step")
    found = None if device is None else find(device, queries.read_core(directory).devices)
    sums = series(directory, length, begun, until, None if found is None else keys_of(found))
    return {
        "device": found and schema.key_of(found),
        "since": begun,
        "until": until,
        "step": length // 1000,
        "rows": [_row(time, sums.get(time)) for time in range(begun, until, length)],
        **{name: sum(counts[at] for counts in sums.values()) for at, name in enumerate(_NAMES)},
    }


_NAMES = ("bytes_in", "bytes_out", "flows")


def _row(time: int, counts: list[int] | None) -> Row:
    return {"time": time, **dict(zip(_NAMES, counts or (None, None, None), strict=True))}
