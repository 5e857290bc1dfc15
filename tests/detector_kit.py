"""What detectors are shown, in few words: flows, a home, and what they find in it."""

from collections.abc import Iterable
from typing import Any

from netwatchd import config
from netwatchd.addresses import PRIVATE, Address, Networks, address_text, parse_address
from netwatchd.detectors import Finding, Home
from netwatchd.detectors.panel import Panel
from netwatchd.events import PROTOCOL_NUMBERS as NUMBERS
from netwatchd.events import Device, Flow, FlowBatch, Status, Threat
from netwatchd.listings import NONE, Listings
from netwatchd.machine import Machine, Nowhere

NOON = 1_700_049_600_000  # Unix ms
LAPTOP, NAS, ROUTER = "a4:83:e7:12:34:56", "00:11:32:aa:bb:cc", "50:c7:bf:10:20:30"
AT = {LAPTOP: "192.168.1.20", NAS: "192.168.1.10", ROUTER: "192.168.1.1"}
WEB = "198.51.100.10"  # RFC 5737: elsewhere


def device(mac: str, *ips: str, **fields: Any) -> Device:
    """A device that is there."""
    base = Device(
        mac, tuple(map(parse_address, ips)), None, None, None, NOON, NOON, Status.ONLINE, 0, 0, ("neighbours",)
    )  # fmt: skip
    return Device(**{name: getattr(base, name) for name in base.__slots__} | fields)


class Street:
    """A Home of these devices."""

    def __init__(self, *devices: Device) -> None:
        self.networks = Networks(PRIVATE.split())
        self.machine: Machine = Nowhere()
        known = devices or (
            device(LAPTOP, AT[LAPTOP], hostname="laptop"),
            device(NAS, AT[NAS], hostname="nas", kind="nas"),
            device(ROUTER, AT[ROUTER], kind="router"),
        )
        self.lists: dict[Address | str, Listings] = {}  # what is listed, by address or name
        self.outer: set[Address] = set()
        self.forwards: dict[tuple[Address, int, int], tuple[Address, int]] = {}
        self.devices = {each.mac or address_text(each.ips[0]): each for each in known}

    def device(self, key: str) -> Device | None:
        """The device of a key."""
        return self.devices.get(key)

    def owner(self, address: Address) -> str | None:
        """Who has the address."""
        return next((key for key, each in self.devices.items() if address in each.ips), None)

    def listed(self, address: Address) -> Listings:
        """What lists say of an address."""
        return self.lists.get(address, NONE)

    def listed_name(self, name: str) -> Listings:
        """What lists say of a name."""
        return self.lists.get(name, NONE)

    def is_outer(self, address: Address) -> bool:
        """Whether the router has the address outside."""
        return address in self.outer

    def forwarded(self, address: Address, port: int, protocol: int) -> tuple[Address, int] | None:
        """Which port of the router leads to a device's."""
        return self.forwards.get((address, port, protocol))


def flow(number: int = 0, *, at: float = 0.0, seconds: float = 0.1, **fields: Any) -> Flow:
    """A flow that begins `at` seconds after noon, by default one from the laptop to a web server elsewhere."""
    start = NOON + int(at * 1000)
    told = {
        "src": AT[LAPTOP], "sport": 40_000 + number % 20_000, "dst": WEB, "dport": 443, "protocol": "tcp",
        "out": (8, 900), "back": (9, 5000), "state": "closed", "source": "capture",
    } | fields  # fmt: skip
    return Flow(
        number + 1, start, start + int(seconds * 1000), parse_address(told["src"]), told["sport"],
        parse_address(told["dst"]), told["dport"], NUMBERS[told["protocol"]], *told["out"], *told["back"],
        told["state"], told["source"],
    )  # fmt: skip


def unanswered(number: int = 0, **fields: Any) -> Flow:
    """The same without an answer: a SYN into the dark."""
    return flow(number, **{"out": (1, 60), "back": (0, 0), "state": "attempt"} | fields)


def panel(home: Home | None = None, **sections: Any) -> Panel:
    """All detectors; the sections of the configuration may be others than the defaults."""
    return Panel(config.Config(**sections), home or Street())


def shown(watching: Panel, flows: Iterable[Flow], home: Home | None = None) -> list[Finding]:
    """What is found in flows of which each is told for the first time."""
    flows = list(flows)
    asked = home or Street()
    owners = [asked.owner(each.src_ip) or asked.owner(each.dst_ip) for each in flows]
    return watching.flows(FlowBatch(flows, owners), [1] * len(flows))


def kinds(found: Iterable[Finding]) -> list[str]:
    """What was found, in a word each."""
    return [each.kind for each in found]


def told(found: Iterable[Finding]) -> list[tuple[str, str | None, str | None]]:
    """Kind, device and target of each threat that was found."""
    return [(each.kind, each.device, each.target) for each in found if isinstance(each, Threat)]
