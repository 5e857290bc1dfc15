"""A device as the stream tells it: by its public fields."""

from dataclasses import fields
from typing import Any

from netwatchd.addresses import parse_address
from netwatchd.events import Device, Status

_FIELDS = {each.name for each in fields(Device)}
Row = dict[str, Any]


def key_of(row: Row) -> str:
    """The key of a device, by its public fields."""
    return str(row["mac"] or row["ip"])


def device_of(row: Row) -> Device:
    """The device of its public fields."""
    values: Row = {
        key: tuple(value) if isinstance(value, list) else value for key, value in row.items() if key in _FIELDS
    }
    return Device(**values | {"ips": tuple(map(parse_address, row["ips"])), "status": Status(row["status"])})
