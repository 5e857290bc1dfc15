"""Which device is meant: by its MAC or one that was merged into it, its address, or a name of it."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from difflib import get_close_matches

from netwatchd.addresses import address_text, parse_address, parse_mac
from netwatchd.answers import NotFound
from netwatchd.events import Device
from netwatchd.storage import schema

MOST_SUGGESTED = 3
MOST_LISTED = 20


def find(given: str, devices: Sequence[Device]) -> Device:
    """The only device that `given` means; raises NotFound where it is none or several, and says which may be meant."""
    found = find_all(given, devices)
    if len(found) > 1:
        listed = "".join(f"\n  {described(device)}" for device in found[:MOST_LISTED])
        more = f"\n  and {len(found) - MOST_LISTED} more" if len(found) > MOST_LISTED else ""
        raise NotFound(f"{given!r:.80} may be any of {len(found)} devices; say it by MAC or address:{listed}{more}")
    return found[0]


def find_all(given: str, devices: Sequence[Device]) -> list[Device]:
    """The devices that `given` may mean, at least one; raises NotFound.

    A MAC or an address means one device. A name that the user gave goes before what devices call themselves, so that
    nobody on the network can take it; whole host names go before their first labels: `tv` means `tv.lan`, and
    `tv.lan` means `tv`, whose domain nobody may have told.
    """
    with suppress(ValueError):
        mac = parse_mac(given)
        if found := [device for device in devices if mac == device.mac or mac in device.macs]:
            return found[:1]
    with suppress(ValueError):
        address = parse_address(given)
        key = address_text(address)
        if found := [device for device in devices if address in device.ips or schema.key_of(device) == key]:
            return found[:1]
    wanted = _plain(given)
    for names_of in (_given_names, _host_names, _labels):
        if found := [device for device in devices if wanted and wanted in names_of(device)]:
            return found
    if found := [device for device in devices if wanted.partition(".")[0] in _host_names(device)]:
        return found
    raise NotFound(f"no device is known by {given!r:.80}; {_suggestion(given, devices)}")


def described(device: Device) -> str:
    """The device, so that it can be told from others: its name, and what else it can be called by."""
    name = device.name or device.hostname or device.model
    others = [device.mac, address_text(device.ips[0]) if device.ips else None]
    marks = ", ".join(each for each in others if each)
    return f"{name} ({marks})" if name else marks


def keys_of(device: Device) -> list[str]:
    """The key of a device, and the MACs that were merged into it: under these its flows and threats may be stored."""
    return list(dict.fromkeys((schema.key_of(device), *device.macs)))


def _suggestion(given: str, devices: Sequence[Device]) -> str:
    known: dict[str, str] = {}
    for device in devices:
        for names_of in (_keys, _labels, _host_names, _given_names):
            known |= dict.fromkeys(names_of(device), described(device))
    wanted = _plain(given)
    # A word out of a name is nearer than any that is merely spelled alike.
    within = sorted(name for name in known if len(wanted) > 2 and wanted in name)
    near = within + get_close_matches(wanted, list(known), MOST_SUGGESTED, 0.7)
    found = list(dict.fromkeys(known[name] for name in near))[:MOST_SUGGESTED]
    if not found:
        return "`netwatchd devices` shows them all"
    return f"perhaps {' or '.join(found)}?"


def _plain(name: str | None) -> str:
    return " ".join((name or "").casefold().split()).removesuffix(".")


def _given_names(device: Device) -> set[str]:
    return {_plain(device.name)} - {""}


def _host_names(device: Device) -> set[str]:
    return {_plain(device.hostname)} - {""}


def _labels(device: Device) -> set[str]:
    return {name.partition(".")[0] for name in _host_names(device)} - {""}


def _keys(device: Device) -> Iterable[str]:
    return [text for text in (device.mac, *device.macs, *map(address_text, device.ips)) if text]
