"""Who moved most bytes."""

from pathlib import Path

from netwatchd.addresses import address_text
from netwatchd.answers.find import find, keys_of
from netwatchd.answers.found import Found, Row, Rows
from netwatchd.events import Device, protocol_name
from netwatchd.storage import queries, schema
from netwatchd.storage import top as most


def top(
    directory: Path, by: str, *, since: int, until: int | None = None, limit: int | None = 10, device: str | None = None
) -> Found:
    """By `device`, `destination` or `port`, since `since` (Unix ms); raises NotFound, NoDatabase.

    `until`: by whole hours. Of one `device` it is told by its flows that began then.
    """
    devices = queries.read_core(directory).devices
    if device is not None and by != "device":
        return Found(_of_one(directory, by, find(device, devices), since, until, limit), devices, since=since)
    # What was moved under several MACs of one device is one row; which of these is below the limit is known then.
    found = most.top(directory, by, since, None if by == "device" else limit, until)
    rows = _of_one_device_each(found.rows, devices) if by == "device" else found.rows
    if device is not None:
        key = schema.key_of(find(device, devices))
        rows = [row for row in rows if row["device"] == key]
    rows = rows[:limit] if by == "device" else rows
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


def _of_one(directory: Path, by: str, device: Device, since: int, until: int | None, limit: int | None) -> Rows:
    """With whom a device exchanged most, or by which ports."""
    key, most_rows, end = schema.key_of(device), -1 if limit is None else limit, 2**50 if until is None else until
    if by == "destination":
        return [
            {"destination": address_text(each.address), "bytes_in": each.bytes_in, "bytes_out": each.bytes_out}
            | {"flows": each.flows}
            for each in queries.peers(directory, key, since, most_rows, until=end)
        ]
    return [
        {"port": f"{protocol_name(port >> 16)}/{port & 65535}", "bytes_in": into, "bytes_out": out, "flows": flows}
        for port, into, out, flows in queries.ports(directory, key, since, most_rows, end)
    ]
