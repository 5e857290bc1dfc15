"""The words that travel: Sighting, Device, Flow, Threat, what is kept beside a device, and what clients ask for.

Times are Unix milliseconds (UTC), sizes are bytes at IP level, addresses as in `addresses`. All are immutable. A Flow
is a named tuple, because there may be hundreds of thousands a second and a frozen dataclass costs four times as much.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple, Protocol, overload

from netwatchd.addresses import Address, is_random_mac

# States of a flow that is still being accounted: more will be told of it under the same id.
LIVE = frozenset({"new", "active"})
SEVERITIES = ("info", "low", "medium", "high", "critical")

# The names of IANA's protocol numbers that homes meet; any other protocol is written as its number.
PROTOCOL_NAMES = {
    1: "icmp", 2: "igmp", 4: "ipip", 6: "tcp", 17: "udp", 33: "dccp", 41: "ipv6", 47: "gre", 50: "esp", 51: "ah",
    58: "ipv6-icmp", 89: "ospf", 103: "pim", 112: "vrrp", 132: "sctp", 136: "udplite",
}  # fmt: skip
PROTOCOL_NUMBERS = {name: number for number, name in PROTOCOL_NAMES.items()} | {"icmpv6": 58}


class Status(StrEnum):
    """Whether a device is on the network now."""

    ONLINE = "online"
    OFFLINE = "offline"


class ThreatStatus(StrEnum):
    """What the user has made of a threat."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    DISMISSED = "dismissed"


# The kinds of clues. What a device says of itself it may say wrongly: all of it is text from the network.
CLUES = {
    "hostname": "as a source names it, which does not say how it knows",
    "dhcp_hostname": "host name that the DHCP client tells (RFC 2132 option 12, RFC 4702, RFC 4704), or of its lease",
    "dhcp_vendor_class": "vendor class of the DHCP client (RFC 2132 option 60; RFC 8415 option 16: number and text)",
    "dhcp_client_id": "client identifier (RFC 2132 option 61) in hexadecimal",
    "dhcp_duid": "DHCP unique identifier (RFC 8415 section 11; RFC 4361 within option 61) in hexadecimal",
    "dhcp_parameters": "options that the DHCP client asks for, in its order (RFC 2132 option 55): 1,3,6,15",
    "dhcp_parameters6": "the same of DHCPv6 (RFC 8415 option 6)",
    "dhcp_user_class": "user class of the DHCP client (RFC 3004, option 77)",
    "dhcp_mud": "URL of the manufacturer usage description (RFC 8520, option 161)",
    "mdns_name": "host name in mDNS (RFC 6762), without .local",
    "mdns_instance": "name of a service instance in mDNS (RFC 6763 section 4.1.1), as people read it",
    "mdns_service": "service that it offers by mDNS (RFC 6763): _ipp._tcp",
    "mdns_model": "model that a TXT record of mDNS tells (model, md, ty, am, product, ...)",
    "mdns_id": "identifier that a TXT record of mDNS tells (id, deviceid, UUID, ...), which no other device has",
    "ssdp_type": "device or service type in UPnP (UDA 2.0 section 1.1.2): urn:schemas-upnp-org:device:MediaRenderer:1",
    "ssdp_server": "what SERVER of an SSDP message says: system, UPnP version, product",
    "ssdp_uuid": "UUID of the UPnP device",
    "llmnr_name": "host name in LLMNR (RFC 4795)",
    "netbios_name": "NetBIOS name (RFC 1002), of the machine, not of its group",
    "lldp_name": "system name in LLDP (IEEE 802.1AB) or CDP",
    "lldp_description": "system description in LLDP or CDP",
    "lldp_capability": "enabled capability in LLDP or CDP: bridge, router, wlan, telephone, ...",
    "cloud": "domain of a manufacturer's cloud that it asks DNS for",
    "http_agent": "User-Agent of its HTTP requests",
    "role": "what it does on the network: router (it passes on or advertises routes), dhcp_server",
    "vendor": "maker, as a source names it",
    "hosts_name": "name in /etc/hosts or /etc/ethers",
    "dns_name": "name by reverse DNS",
    "port": "port of a service that it answered on: tcp/9100",
}  # fmt: skip
LONGEST_CLUE = 255  # characters of a value; decoders cut what is longer


class Clue(NamedTuple):
    """Something that a device shows of itself, or that is known of it. `kind` is one of CLUES."""

    kind: str
    value: str  # printable, not empty, at most LONGEST_CLUE characters


@dataclass(frozen=True, slots=True)
class Sighting:
    """One source saw one device: what it can tell, and when. The device worker makes Devices of these."""

    time: int
    source: str
    mac: str | None = None
    ips: tuple[Address, ...] = ()
    hostname: str | None = None
    vendor: str | None = None
    name: str | None = None
    online: bool = True  # False: the source says that the device has left
    interface: str | None = None  # of this machine, where the device was seen
    clues: tuple[Clue, ...] = ()
    alive: bool = True  # False: something is known of the device, but nothing says that it is here now


@dataclass(frozen=True, slots=True)
class Device:
    """One device, known by its MAC, or by its address where no MAC can be known."""

    mac: str | None
    ips: tuple[Address, ...]  # the latest first
    hostname: str | None
    vendor: str | None
    name: str | None
    first_seen: int
    last_seen: int
    status: Status
    bytes_in: int  # to the device
    bytes_out: int  # from the device
    sources: tuple[str, ...]
    kind: str = "unknown"  # one of identity.KINDS
    model: str | None = None
    macs: tuple[str, ...] = ()  # all that it was seen with, the latest first, where there were several
    evidence: tuple[str, ...] = ()  # why it is of that kind, and why several MACs are one device: sentences
    usual_silence: int = 0  # milliseconds that it is silent now and then while it is here; 0 is not known

    @property
    def ip(self) -> Address | None:
        """The latest address."""
        return self.ips[0] if self.ips else None

    @property
    def random_mac(self) -> bool:
        """Whether the MAC is a private one, made up by the device."""
        return is_random_mac(self.mac)


class Origin(NamedTuple):
    """Who told of a flow, where it was not this machine that saw it: an exporter of NetFlow, IPFIX or sFlow.

    A source makes one for each exporter, observation domain and sampling rate, and its flows share it.
    """

    exporter: Address
    domain: int = 0  # observation domain (IPFIX), source id (NetFlow v9), engine (v5), sub-agent (sFlow)
    sampling: int = 1  # one of so many packets was looked at; the flow's counters are multiplied by it
    clock_trusted: bool = True  # False: the exporter's clock is off, and the flow's times are those of its arrival


class Flow(NamedTuple):
    """One conversation: its two sides, and what it has carried so far. `src` is the side that opened it.

    A flow in a LIVE state is told again, with the same id and higher counters; any other state is the last word.
    """

    id: int
    start: int
    end: int  # of a live flow: when it was last seen
    src_ip: Address
    src_port: int  # ICMP: the type, as NetFlow has it
    dst_ip: Address
    dst_port: int  # ICMP: the code
    protocol: int
    packets_out: int  # originator to responder
    bytes_out: int
    packets_in: int
    bytes_in: int
    state: str
    source: str
    origin: Origin | None = None
    device: str | None = None  # MAC of the local side; last, so that ingest can put it in cheaply

    def of(self, device: str | None) -> "Flow":
        """The same flow, put down to a device."""
        return tuple.__new__(Flow, (*self[:-1], device))


class FlowBatch(Sequence[Flow]):
    """Flows and the devices that they are put down to, side by side.

    A Flow with its device is made only where somebody looks at it: of hundreds of thousands a second, few are.
    """

    __slots__ = ("devices", "flows")

    def __init__(self, flows: Sequence[Flow], devices: list[str | None]) -> None:
        self.flows = list(flows)  # whose own `device` does not count
        self.devices = devices

    @classmethod
    def of(cls, flows: Iterable[Flow]) -> "FlowBatch":
        """The batch of flows that know their devices."""
        flows = list(flows)
        return cls(flows, [flow.device for flow in flows])

    def extend(self, more: "FlowBatch") -> None:
        """Adds the flows of another batch."""
        self.flows += more.flows
        self.devices += more.devices

    @overload
    def __getitem__(self, at: int) -> Flow: ...

    @overload
    def __getitem__(self, at: slice) -> "FlowBatch": ...

    def __getitem__(self, at: int | slice) -> "Flow | FlowBatch":
        if isinstance(at, slice):
            return FlowBatch(self.flows[at], self.devices[at])
        return self.flows[at].of(self.devices[at])

    def __iter__(self) -> Iterator[Flow]:
        return map(Flow.of, self.flows, self.devices)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FlowBatch) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]  # it can be extended

    def __len__(self) -> int:
        return len(self.flows)


ThreatKey = tuple[str, str | None, str | None]  # kind, device and target


@dataclass(frozen=True, slots=True)
class Threat:
    """Something a person should know. The same kind, device and target seen again is the same threat."""

    id: int
    kind: str
    severity: str
    device: str | None
    target: str | None
    description: str
    recommendation: str | None
    evidence: dict[str, Any]
    first_seen: int
    last_seen: int
    count: int
    status: ThreatStatus

    @property
    def key(self) -> ThreatKey:
        """What makes it the same threat when it is seen again."""
        return self.kind, self.device, self.target


class Renaming(NamedTuple):
    """A station shows a name that it did not show before, though it did show one of this kind."""

    kind: str  # of the clue: dhcp_hostname, mdns_name, ...
    name: str
    before: tuple[str, ...]  # what it showed until then, the latest first


class Change(NamedTuple):
    """What has become of a device."""

    time: int  # Unix ms, of this machine's clock
    key: str
    before: Device | None  # None: it is new
    after: Device
    renamed: tuple[Renaming, ...] = ()


class Claim(NamedTuple):
    """An address was shown by another device than before."""

    time: int
    ip: Address
    key: str  # who has it now
    before: str  # who had it
    source: str = ""  # who saw that


class TakenBack(NamedTuple):
    """A threat that was told turned out to be none."""

    kind: str
    device: str | None
    target: str | None
    why: str  # a sentence


@dataclass(frozen=True, slots=True)
class Gone:
    """A device is no more: it was forgotten, or is known to be another one."""

    device: str  # its key
    into: str | None = None  # the key of the other one, for whoever needs to know


@dataclass(frozen=True, slots=True)
class Trait:
    """A clue as it is kept: which station showed it, who saw that, and when first and last."""

    station: str  # the MAC, or the address of a device without one; a device may have been several stations
    clue: Clue
    source: str
    first_seen: int
    last_seen: int


@dataclass(frozen=True, slots=True)
class Session:
    """A time in which a device was on the network."""

    device: str
    start: int
    end: int | None = None  # None while it lasts


@dataclass(frozen=True, slots=True)
class Alias:
    """A MAC that was found to be one more of a known device."""

    mac: str
    device: str  # the key of the device
    time: int
    by: str  # netwatchd or user
    evidence: tuple[str, ...]  # why, in sentences
    undone: int | None = None  # when it was told apart again: from then on these two are never merged by netwatchd
    before: Device | None = None  # what the MAC was known as until then


Record = Trait | Session | Alias  # what is kept beside the devices


@dataclass(frozen=True, slots=True)
class Rename:
    """The user gives a device a name (None takes it away)."""

    device: str
    name: str | None


@dataclass(frozen=True, slots=True)
class Judge:
    """The user has looked at a threat."""

    threat: int
    status: ThreatStatus


@dataclass(frozen=True, slots=True)
class Forget:
    """The user wants nothing of a device to be kept; seen again, it is a new one."""

    device: str


@dataclass(frozen=True, slots=True)
class Merge:
    """The user says that a device is another one that is known already, with another MAC."""

    device: str
    into: str


@dataclass(frozen=True, slots=True)
class Split:
    """The user says that a MAC is a device of its own, and not the one that it was merged into."""

    mac: str


@dataclass(frozen=True, slots=True)
class UpdateLists:
    """The user wants all blocklists to be fetched now."""


Event = Device | Flow | Threat | Gone
Command = Rename | Judge | Forget | Merge | Split | UpdateLists


class NewId(Protocol):
    """Gives the ids of events that come in at `now` (Unix ms)."""

    def __call__(self, now: int, count: int = 1, /) -> int:
        """The first of `count` ids that follow each other."""


def new_event_id(last: int, now: int) -> int:
    """The event id that follows `last` at `now`: 41 bits of milliseconds, 12 bits of count.

    Ids are below 2**53, so that JavaScript keeps them exactly, and rise with time, so that a table keyed by them is
    only ever appended to. A clock that is set back cannot make one twice.
    """
    return max(last + 1, now << 12)


def time_of_id(event_id: int) -> int:
    """The millisecond in which the id was given."""
    return event_id >> 12


def protocol_name(number: int) -> str:
    """`tcp`, `udp`, ..., or the number as text."""
    return PROTOCOL_NAMES.get(number) or str(number)


def batch_of(events: Sequence[Any], most: int) -> list[Sequence[Any]]:
    """The events in pieces of at most `most`."""
    return [events[at : at + most] for at in range(0, len(events), most)]
