"""Who moved most bytes."""

from pathlib import Path

from netwatchd.answers.find import keys_of
from netwatchd.answers.found import Found, Row, Rows
from netwatchd.events import Device
from netwatchd.storage import queries, schema
from netwatchd.storage import top as most


def top(directory: Path, by: str, *, since: int, limit: int | None = 10) -> Found:
    """By `device`, `destination` or `port`, since `since` (Unix ms); raises NoDatabase."""
    devices = queries.read_core(directory).devices
    # What was moved under several MACs of one device is one row; which of these is below the limit is known then.
    found = most.top(directory, by, since, None if by == "device" else limit)
    rows = _of_one_device_each(found.rows, devices)[:limit] if by == "device" else found.rows
    return Found(rows, devices, since=found.since)


def _of_one_device_each(rows: Rows, devices: list[Device]) -> Rows:
    """The rows of devices, with what merged MACs moved in the row of their device; the most first."""
    owners = {key: schema.key_of(device) for device in devices for key in keys_of(device)}
    sums: dict[str | None, Row] = {}
    for row in rows:
        device = owners.get(row["device"], row["device"])
        if sum_ := sums.get(device):
            sums[device] = sum_ | {name: sum_[name] + row[name] for name in ("bytes_in", "bytes_out", "flows")}
        else:
            sums[device] = row | {"device": device}
    return sorted(sums.values(), key=lambda row: -(row["bytes_in"] + row["bytes_out"]))
