"""Asks the user's rules whether a threat is to be told; what they say of devices by name is answered from Devices."""

from netwatchd.addresses import address_text, parse_address
from netwatchd.events import Device, Threat
from netwatchd.ingest.devices import Devices
from netwatchd.mutes import Rule, Side, split_port

NOBODY = Side(None)


def muting(rules: tuple[Rule, ...], threat: Threat, devices: Devices) -> Rule | None:
    """The first rule by which a threat is not to be told; None where there is none."""
    about = [rule for rule in rules if rule.is_about(threat.kind)]
    if not about:  # nearly always
        return None
    who = _side(threat.device, devices)
    whom = _side(threat.target, devices)
    return next((rule for rule in about if rule.silences(threat.kind, who, whom)), None)


def _side(text: str | None, devices: Devices) -> Side:
    """Who or what a threat names, with all by which a rule may name it."""
    if text is None:
        return NOBODY
    device = device_of(text, devices)
    if device is None:
        return Side(text)
    keys = frozenset(mac for mac in (device.mac, *device.macs) if mac)
    return Side(text, keys, device.name, tuple(map(address_text, device.ips)))


def device_of(text: str, devices: Devices) -> Device | None:
    """The device that is known here by what stands in a threat: a key, or an address, perhaps with a port."""
    host, _ = split_port(text)
    try:
        return devices.find(devices.owner_of(parse_address(host)) or host)
    except ValueError:
        return devices.find(text)
