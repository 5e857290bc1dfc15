"""What is kept beside the devices as rows and back, and a device as JSON has it."""

import dataclasses
import json
from typing import Any

from netwatchd.addresses import address_text, parse_address
from netwatchd.events import Alias, Clue, Device, Session, Status, Trait


def device_json(device: Device) -> dict[str, Any]:
    """A device as JSON has it, with all of its fields."""
    return dataclasses.asdict(device) | {"ips": [address_text(ip) for ip in device.ips]}


def device_of_json(value: dict[str, Any]) -> Device:
    """The device of such a value; fields that a later version gave it may lack. Raises what a wrong one leads to."""
    lists = {name: tuple(value.get(name, ())) for name in ("sources", "macs", "evidence")}
    ips = tuple(parse_address(ip) for ip in value["ips"])
    return Device(**value | lists | {"ips": ips, "status": Status(value["status"])})


def trait_row(trait: Trait) -> tuple[Any, ...]:
    """The row of `traits`."""
    return trait.station, *trait.clue, trait.source, trait.first_seen, trait.last_seen


def trait_of_row(row: tuple[Any, ...]) -> Trait:
    """The trait of a row of `traits`."""
    station, kind, value, *rest = row
    return Trait(station, Clue(kind, value), *rest)


def session_row(session: Session) -> tuple[Any, ...]:
    """The row of `sessions`."""
    return session.device, session.start, session.end


def alias_row(alias: Alias) -> tuple[Any, ...]:
    """The row of `aliases`."""
    before = None if alias.before is None else json.dumps(device_json(alias.before))
    return alias.mac, alias.device, alias.time, alias.by, json.dumps(alias.evidence), alias.undone, before


def alias_of_row(row: tuple[Any, ...]) -> Alias:
    """The alias of a row of `aliases`."""
    mac, device, time, by, evidence, undone, before = row
    known = None if before is None else device_of_json(json.loads(before))
    return Alias(mac, device, time, by, tuple(json.loads(evidence)), undone, known)
