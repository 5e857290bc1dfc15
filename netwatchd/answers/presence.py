"""When each device was here: all devices in one answer."""

import time
from pathlib import Path

from netwatchd.answers.find import find_all, keys_of
from netwatchd.answers.found import Row, Rows
from netwatchd.storage import histories, queries, schema

MOST_SESSIONS = 10_000  # of one answer: 600 kB


def presence(directory: Path, *, since: int, limit: int = MOST_SESSIONS, device: str | None = None) -> Row:
    """The sessions that had not ended by `since` (Unix ms), by device, the newest first; at most `limit` in all.

    Where there are more, the latest are told, and `since` is the time from which on they are all of them. Sessions of
    MACs that were merged are their device's. Raises NotFound, NoDatabase.
    """
    known = queries.read_core(directory).devices
    meant = known if device is None else find_all(device, known)
    owners = {key: schema.key_of(each) for each in meant for key in keys_of(each)}
    found = histories.sessions(directory, since, limit + 1)
    if len(found) > limit:
        cut = found[limit].end
        since = since if cut is None else max(since, cut)
        found = found[:limit]
    rows: dict[str, Rows] = {}
    for session in sorted(found, key=lambda each: -each.start):
        if owner := owners.get(session.device):
            rows.setdefault(owner, []).append({"start": session.start, "end": session.end})
    return {
        "since": since,
        "now": time.time_ns() // 1_000_000,
        "devices": [{"device": key, "sessions": sessions} for key, sessions in rows.items()],
    }
