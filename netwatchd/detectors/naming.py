"""Which names of a device mean the same, and how a device is called in a sentence."""

import re
from collections.abc import Iterable

from netwatchd.addresses import Address, address_text, is_random_mac
from netwatchd.detectors import Home
from netwatchd.events import Device, Renaming

# Names by which a device calls itself. What /etc/hosts and reverse DNS say is the administrator's, and what merely is a
# `hostname` does not say who said it, so that two sources would seem to rename the device in turn.
SELF_NAMES = frozenset(("dhcp_hostname", "mdns_name", "netbios_name", "llmnr_name", "lldp_name"))
HOW = {
    "dhcp_hostname": "DHCP", "mdns_name": "mDNS", "netbios_name": "NetBIOS", "llmnr_name": "LLMNR", "lldp_name": "LLDP",
}  # fmt: skip
# What devices say before they have a name, and what DHCP servers write where there is none.
_NO_NAMES = frozenset(("", "*", "(none)", "unknown", "localhost", "none", "null", "default"))
# How a name is told apart from one that is taken: `tv-2` (RFC 6762, section 9), `tv (2)` (Apple), `tv#2`.
_AGAIN = re.compile(r"(?:-|_|\s*#|\s*\()\d{1,4}\)?$")
LONGEST = 60  # characters of a name in a sentence: it is text from the network


def plain(name: str) -> str:
    """The name without what does not make it another one: case, domain, trailing dot, number of a conflict."""
    name = name.strip().lower().rstrip(".").split(".", 1)[0]
    return _AGAIN.sub("", name) or name


def is_renaming(change: Renaming) -> bool:
    """Whether a device calls itself by another name than ever before."""
    if change.kind not in SELF_NAMES:
        return False
    before = {plain(name) for name in change.before} - _NO_NAMES
    now = plain(change.name)
    return bool(before) and now not in _NO_NAMES and now not in before


def called(device: Device, key: str) -> str:
    """`Chromecast (Google), 192.168.1.5`, `camera (Hikvision), 192.168.1.9`: by what a person may recognise it."""
    name = device.name or device.hostname or device.model
    kind = "" if device.kind == "unknown" else device.kind
    vendor = device.vendor or ("private MAC" if is_random_mac(device.mac) else "")
    first, *rest = _short([name, vendor, kind] if name else [kind, vendor]) or ["unknown device"]
    what = f"{first} ({', '.join(rest)})" if rest else first
    return f"{what}, {best_address(device) or key}"


def called_by_key(home: Home, key: str) -> str:
    """How the device of a key is called in a sentence; the key itself where it is none of ours."""
    device = home.device(key)
    return called(device, key) if device else key


def key_at(home: Home, address: Address) -> str:
    """By what a threat names who has an address: the key of the device, or the address of somebody elsewhere."""
    return home.owner(address) or address_text(address)


def called_at(home: Home, address: Address) -> str:
    """How a sentence calls who has an address."""
    return called_by_key(home, key_at(home, address))


def best_address(device: Device) -> str | None:
    """The address that people know: IPv4 before IPv6, what is reachable from elsewhere before link-local."""
    ranked = sorted(device.ips, key=lambda ip: 0 if isinstance(ip, int) else 2 if ip[0] == 0xFE else 1)
    return address_text(ranked[0]) if ranked else None


def _short(texts: Iterable[str | None]) -> list[str]:
    return [_cut(text) for text in texts if text]


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
