"""Clues are turned into votes: one reader for each kind of clue, each by its table."""

import re
from collections import Counter
from collections.abc import Callable, Iterable

from netwatchd.addresses import is_random_mac
from netwatchd.events import Clue
from netwatchd.identity.tables import FAIR, WEAK, Vote, words
from netwatchd.identity.tables.dhcp import of_class, of_parameters
from netwatchd.identity.tables.lesser import PORTS, ROLES, of_agent, of_capabilities, of_cloud
from netwatchd.identity.tables.makers import of_maker
from netwatchd.identity.tables.services import ACCESSORIES, SERVICES
from netwatchd.identity.tables.upnp import SERVERS, TYPES

# How far the words of a model are believed in each text, of 100: some are made for it, others written by people.
_IN_WORDS = {
    "mdns_model": (100, "its model is {} by mDNS"),
    "dhcp_vendor_class": (100, "its DHCP client calls it {}"),
    "ssdp_server": (90, "its UPnP server is {}"),
    "ssdp_type": (70, "its type in UPnP is {}"),
    "lldp_description": (90, "its description by LLDP is {}"),
    "dhcp_hostname": (80, "its name by DHCP is {}"),
    "mdns_name": (80, "its name by mDNS is {}"),
    "mdns_instance": (80, "it calls itself {} by mDNS"),
    "netbios_name": (80, "its name by NetBIOS is {}"),
    "llmnr_name": (80, "its name by LLMNR is {}"),
    "hostname": (80, "its name is {}"),
    "lldp_name": (80, "its name by LLDP is {}"),
    "hosts_name": (80, "its name in the file of hosts is {}"),
    "dns_name": (60, "its name by DNS is {}"),
    "dhcp_mud": (60, "its maker describes it at {}"),
}

# What is told by the same program, or says the same in other words, is one sort of evidence: of each sort, only the
# strongest vote for a kind counts. So nobody gets surer by saying a thing twenty times.
_SORTS = {
    **dict.fromkeys(_IN_WORDS, "name"),
    "mdns_model": "model",
    "ssdp_server": "server",
    "ssdp_type": "types",
    "lldp_description": "lldp",
    "lldp_capability": "lldp",
    "dhcp_vendor_class": "dhcp",
    "dhcp_parameters": "dhcp",
}

# Private MACs of virtual machines and containers, as their programs make them up.
_VIRTUAL = (("52:54:00:", "QEMU and KVM"), ("02:42:", "Docker's containers"), ("0a:00:27:", "VirtualBox's hosts"))

_ACCESSORY = re.compile(r"ci=(\d{1,3})")
_GATHERED = "lldp_capability"  # whose values say something only together

MOST_OF_A_KIND = 32  # clues that are read: a printer offers some fifteen services, and reading costs time
Sorted = list[tuple[str, Vote]]


def votes(mac: str | None, vendor: str | None, clues: Iterable[Clue]) -> Sorted:
    """All votes with the sort of evidence each belongs to, of `clues` in a fixed order."""
    found: Sorted = []
    capabilities = set()
    read: Counter[str] = Counter()
    for kind, value in clues:
        read[kind] += 1
        if read[kind] > MOST_OF_A_KIND:
            continue
        if kind == _GATHERED:
            capabilities.add(value)
        if vote := of_cloud(value, vendor) if kind == "cloud" else _of_clue(kind, value):
            found.append((_SORTS.get(kind, kind), vote))
    found += [("lldp", vote) for vote in of_capabilities(frozenset(capabilities))]
    # The first blocks that were ever given out are made up in laboratories more often than they are met.
    if vendor and not (mac or "").startswith("00:00:0") and (made := of_maker(vendor)):
        found.append(("maker", made))
    if mac and is_random_mac(mac) and not vendor:
        found.append(("mac", _of_private(mac)))
    return found


def _of_private(mac: str) -> Vote:
    for beginning, who in _VIRTUAL:
        if mac.startswith(beginning):
            return Vote("computer", FAIR, f"has a MAC that {who} make up")
    return Vote("mobile", WEAK, "makes up its MAC, as phones and tablets do")


def _of_clue(kind: str, value: str) -> Vote | None:
    """By the table of its kind, else by the words in it."""
    if (reader := _READERS.get(kind)) and (vote := reader(value)):
        return vote
    if (told := _IN_WORDS.get(kind)) and (found := words.find(value)):
        belief, sentence = told
        return Vote(found[0], found[1] * belief // 100, sentence.replace("{}", value))
    return None


def _of_service(value: str) -> Vote | None:
    found = SERVICES.get(value.lower().partition(".")[0])
    return Vote(found[0], found[1], f"{found[2]} ({value} by mDNS)") if found else None


def _of_model(value: str) -> Vote | None:
    """HomeKit's category of accessory; other models are read by their words."""
    match = _ACCESSORY.fullmatch(value)
    found = ACCESSORIES.get(int(match[1])) if match else None
    return Vote(found[0], 80, f"is a {found[1]} for HomeKit ({value} by mDNS)") if found else None


def _part_of(rows: tuple[tuple[str, str, int, str], ...], by: str) -> Callable[[str], Vote | None]:
    def read(value: str) -> Vote | None:
        lower = value.lower()
        for part, kind, strength, what in rows:
            if part in lower:
                return Vote(kind, strength, f"{what} ({value} by {by})")
        return None

    return read


def _exactly(rows: dict[str, tuple[str, int, str]]) -> Callable[[str], Vote | None]:
    def read(value: str) -> Vote | None:
        found = rows.get(value)
        return Vote(found[0], found[1], f"{found[2]} ({value})") if found else None

    return read


_READERS: dict[str, Callable[[str], Vote | None]] = {
    "dhcp_vendor_class": of_class,
    "dhcp_parameters": of_parameters,
    "mdns_service": _of_service,
    "mdns_model": _of_model,
    "ssdp_type": _part_of(TYPES, "UPnP"),
    "ssdp_server": _part_of(SERVERS, "UPnP"),
    "http_agent": of_agent,
    "role": _exactly(ROLES),
    "port": _exactly(PORTS),
}
