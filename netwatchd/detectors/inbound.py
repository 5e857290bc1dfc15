"""Connections from the world to devices here: by a port that the router forwards, or because nothing stops them (IPv6).

One row for each device and port, however many come: who they were, how often, and what it means. A knock that nobody
answers is none, nor is one that is answered by no word of the service.

What began here comes first sometimes, because its beginning was not seen, or because two programs open a path to each
other through NAT (hole punching): see `_is_answer` and `exposed.ANY_UDP`.
"""

from netwatchd.addresses import Address, address_text, is_host
from netwatchd.config import Inbound as Settings
from netwatchd.detectors import Findings, Home, Wants
from netwatchd.detectors.bounded import Bounded
from netwatchd.detectors.distinct import Distinct
from netwatchd.detectors.exposed import ANY_LOW, ANY_TCP, ANY_UDP, TCP, UDP, Exposed, service_of
from netwatchd.detectors.naming import called_by_key
from netwatchd.detectors.saying import span
from netwatchd.detectors.sides import is_here
from netwatchd.detectors.telling import threat
from netwatchd.events import LIVE, Flow, Threat

KIND = "inbound"
MOST_DOORS = 1024  # device, protocol and port
MOST_KNOWN = 65_536  # addresses whose side is remembered
# Ports that clients take by themselves begin here on Linux; other systems use 49152 and above (RFC 6335).
EPHEMERAL = 32_768
# Others, by their networks, at one port of UDP without a known service. A call tries all addresses of the other one,
# and a relay or two.
CROWD = 8
# And at one port of TCP that a client may have taken by itself, to connect to another one's high port before anybody
# looked: he takes one for each connection.
PAIR = 2
LAST = 5  # whom the evidence names
# IP and TCP headers with time stamps, and what a SYN has more: below this, a side has said nothing.
_EMPTY4, _EMPTY6, _SYN = 52, 72, 8


class _Door:
    """One port of one device."""

    __slots__ = ("connections", "first", "groups", "latest", "sketch", "told")

    def __init__(self) -> None:
        self.connections = 0
        self.first = 0
        self.latest: dict[Address, int] = {}  # who came last, and when; the latest last
        self.groups: set[Address] = set()  # the first networks that they came from
        self.sketch = Distinct()
        self.told = 0  # connections that were told


class Inbound:
    """The detector `inbound`."""

    wants = Wants.ANSWERED
    ports = None

    def __init__(self, settings: Settings, home: Home) -> None:
        self.settings = settings
        self._home = home
        self._doors: Bounded[tuple[str, int, int], _Door] = Bounded(MOST_DOORS, _Door)
        self._here: dict[Address, None] = {}  # who opened flows, and is no one from the world
        self._counted: Bounded[int, list[int]] = Bounded(MOST_DOORS, lambda: [0])  # live flows that were counted

    def see_flow(self, flow: Flow, device: str | None, new: bool) -> Findings:
        """An answered flow."""
        # The usual case: it was opened here.
        if flow[3] in self._here:
            return ()
        return self._from_elsewhere(flow)

    def _from_elsewhere(self, flow: Flow) -> Findings:
        source, target, protocol = flow.src_ip, flow.dst_ip, flow.protocol
        if is_here(self._home, source):
            if len(self._here) >= MOST_KNOWN:
                self._here.clear()
            self._here[source] = None
            return ()
        if protocol not in (TCP, UDP) or not is_host(target) or not is_host(source):
            return ()
        # A neighbour by IPv6, with an address of his that nobody has told of yet.
        if isinstance(source, bytes) and source[:8] == target[:8]:  # type: ignore[index]
            return ()
        # Not the flow's device, which may be a neighbour on the side of the provider.
        owner = self._home.owner(target)
        if owner is None and not is_here(self._home, target):
            return ()
        if _is_answer(flow) or not _has_said(flow):
            return ()
        return self._came(flow, owner or address_text(target))

    def _came(self, flow: Flow, device: str) -> Findings:
        # A long connection is told again and again, and is one.
        if flow.id in self._counted:
            if flow.state not in LIVE:
                self._counted.drop(flow.id)
            return ()
        if flow.state in LIVE:
            self._counted.touch(flow.id)
        source, protocol, port = flow.src_ip, flow.protocol, flow.dst_port
        door = self._doors.touch((device, protocol, port))
        door.first = min(door.first or flow.start, flow.start)
        door.connections += 1
        door.sketch.add(source)
        door.latest.pop(source, None)
        door.latest[source] = flow.start
        if len(door.latest) > LAST:
            del door.latest[next(iter(door.latest))]
        exposed = service_of(protocol, port)
        if exposed is None:
            exposed = ANY_UDP if protocol == UDP else ANY_LOW if port < 1024 else ANY_TCP
            crowd = CROWD if protocol == UDP else PAIR if port >= EPHEMERAL else 1
            if len(door.groups) < crowd:
                door.groups.add(source >> 8 if isinstance(source, int) else source[:6])
            if len(door.groups) < crowd:
                return ()
        if door.connections < 2 * door.told:
            return ()
        return [self._threat(flow, device, door, exposed)]

    def _threat(self, flow: Flow, device: str, door: _Door, exposed: Exposed) -> Threat:
        protocol = "tcp" if flow.protocol == TCP else "udp"
        port, last = flow.dst_port, max(flow.start, door.first)
        door.told = door.connections
        outside = self._home.forwarded(flow.dst_ip, port, flow.protocol)
        way = "" if outside is None else f", by port {outside[1]} of the router, which is forwarded to it"
        if self._home.is_outer(flow.dst_ip):
            way = ", which is this router itself"
        elif isinstance(flow.dst_ip, bytes):
            way = ", by IPv6, which nothing stops"
        others = len(door.sketch)
        who = address_text(flow.src_ip)
        if door.connections == 1:
            what = f"{who} from elsewhere connected to"
        else:
            addresses = "1 address" if others == 1 else f"{others:,} addresses"
            what = f"{addresses} from elsewhere, the last {who}, made {door.connections:,} connections to"
        lasted = f" in {span(last - door.first)}" if door.connections > 1 else ""
        return threat(
            KIND, exposed.severity, door.first, last, device=device, target=f"{protocol}/{port}",
            description=f"{what} {exposed.name} (port {port}/{protocol}) of {called_by_key(self._home, device)}{lasted}"
            f"{way}",
            recommendation=exposed.advice,
            evidence={
                "service": exposed.name, "connections": door.connections, "sources": others,
                "latest": {address_text(each): time for each, time in reversed(door.latest.items())},
                "address": address_text(flow.dst_ip),
                "forwarded": None if outside is None else f"{address_text(outside[0])}:{outside[1]}",
            },
        )  # fmt: skip


def _is_answer(flow: Flow) -> bool:
    """Whether it rather goes to a client here, whose connection began before anybody looked."""
    port, other = flow.dst_port, flow.src_port
    # From a server's port to one that clients take by themselves, or one that knew each other before (NTP, IPsec).
    if other < 1024 <= port or other < EPHEMERAL <= port:
        return True
    if flow.protocol == UDP:
        return other == port or (other < 1024 and port < 1024)
    return flow.state == "partial"


def _has_said(flow: Flow) -> bool:
    """Whether the device here has said anything, rather than just not refused."""
    if flow.protocol == UDP:
        return flow.packets_in > 0
    empty = _EMPTY6 if isinstance(flow.dst_ip, bytes) else _EMPTY4
    return flow.bytes_in > empty * flow.packets_in + _SYN
