"""What an answer that is a list consists of."""

from dataclasses import dataclass, field
from typing import Any

from netwatchd.addresses import address_text
from netwatchd.answers.find import keys_of
from netwatchd.events import Device
from netwatchd.storage import schema

Row = dict[str, Any]
Rows = list[Row]


@dataclass(frozen=True)
class Found:
    """The rows, as JSON has them, and what helps to read them."""

    rows: Rows
    devices: list[Device] = field(default_factory=list)  # all that are known, whom rows may name by their keys
    otherwise: str = ""  # what is to be said where there are no rows
    since: int = 0  # since when (Unix ms) the rows count, where that is not the time asked for


def called(devices: list[Device]) -> dict[str, str]:
    """How devices are called, by all by which a row may name them; those without a name by their addresses."""
    names: dict[str, str] = {}
    for device in devices:
        first = next((ip for ip in device.ips if isinstance(ip, int)), device.ip)
        name = device.name or device.hostname or device.model or (address_text(first) if first is not None else "")
        for key in (*keys_of(device), *map(address_text, device.ips)):
            names.setdefault(key, name or schema.key_of(device))
    return names
