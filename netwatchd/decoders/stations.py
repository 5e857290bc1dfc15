"""Devices as their packets betray them: which MAC has which address, and what they say of themselves.

How sure that is depends on what said it:

* **ARP** (RFC 826; requests, replies and gratuitous ones, but no probes, whose sender is still 0.0.0.0), **ND** (RFC
  4861: solicitations and advertisements; also who asks whether anybody else has the address that it wants) and **DHCP**
  (RFC 2131) tell of a device's own address. They are believed, and told again each AGAIN while they are said.
* **Plain traffic** with a local source address comes from the device or from a router that passes it on. A MAC is a
  router once it has sent packets of an IPv4 address that is not local, of more than MOST_OWN local ones or more than
  MOST_PREFIXES IPv6 networks, or a router advertisement; then its traffic says nothing. Because the first packet may
  come before the proof, what plain traffic says is told PROOF later, and not where ARP or ND named another MAC.
* Where there is no link layer, an address is a device without a MAC.

What a device says of itself (`announcements`) becomes clues of whoever sent the frame: at once where it was sent to all
on the link, else as for plain traffic. A router's MAC is believed only for an address that ARP or ND says is its own.
Each clue is told once an hour.
"""

import struct
from typing import TypeVar

from netwatchd.addresses import (
    Address,
    Networks,
    address_of_bytes,
    is_host,
    is_station,
    is_virtual_mac,
    mac_of_bytes,
)
from netwatchd.decoders.announcements import NOTHING_YET, Announcements, Said
from netwatchd.decoders.asking import link_option
from netwatchd.decoders.clues import MOST_AT_ONCE, Told
from netwatchd.decoders.dhcp import Lease, read_dhcp
from netwatchd.decoders.dhcp6 import Lease6, mac_of_duid, read_dhcp6
from netwatchd.decoders.dhcp_messages import message_in
from netwatchd.decoders.echoes import Echoes, is_echo
from netwatchd.decoders.links import ARP, LLC, LLDP, Buffer, Frame, Skipped
from netwatchd.decoders.lldp import CDP, Neighbour, read_cdp, read_lldp
from netwatchd.decoders.observed import Observed
from netwatchd.decoders.packets import ICMPV6, UDP, Packet
from netwatchd.decoders.questions import is_dns, read_questions
from netwatchd.decoders.shown import Crowd, Shown
from netwatchd.events import Clue, Sighting
from netwatchd.observations import AddressAsked

AGAIN = 60_000  # milliseconds
PROOF = 5_000  # milliseconds: a router passes something on within seconds
MOST_OWN = 8  # IPv4 addresses of one device; more than one is rare
MOST_PREFIXES = 4  # IPv6 networks of one device, of its provider, its own and link-local
# Hosts elsewhere whose packets to hosts here a MAC has sent, from which on it certainly passes them on. A host with a
# public address of its own has one.
SURE = 3

# After so many it begins anew: who makes up addresses has them told again, and must not fill the memory.
MOST_KNOWN = 16_384


# Hardware type, protocol type, sizes, operation, sender's MAC and address, target's address.
_ARP = struct.Struct("!HHBBH6s4s6x4s").unpack_from
_ARP_ETHERNET = (1, 0x0800, 6, 4)
_ROUTER_SOLICITATION, _ROUTER_ADVERTISEMENT, _SOLICITATION, _ADVERTISEMENT = 133, 134, 135, 136
_NO_ADDRESS, _MULTICAST6 = bytes(16), 0xFF
_DHCP_PORTS = (b"\0\x43", b"\0\x44")
_DHCP6_PORTS = (b"\2\x22", b"\2\x23")
_LINK_LOCAL = b"\xfe\x80"

_ROUTER, _DHCP_SERVER = Clue("role", "router"), Clue("role", "dhcp_server")

_K = TypeVar("_K")
_V = TypeVar("_V")
_Pair = tuple[bytes, Address | None]


class Stations:
    """What was seen of devices and is to be told."""

    def __init__(self, source: str, networks: Networks, interface: str | None) -> None:
        """Sightings are told in the name of `source` and as of `interface`; `networks` are the local ones."""
        self._source = source
        self._networks = networks
        self._interface = interface
        self._now = 0
        self._sightings: list[Sighting] = []
        self.observed = Observed()
        self._told: dict[_Pair, int] = {}
        self._clues = Told()
        self._announcements = Announcements(networks)
        self._echoes = Echoes()
        self._owners: dict[Address, bytes] = {}  # as ARP and ND say
        self._shown = Shown()
        self._crowd = Crowd()
        self._own: dict[bytes, set[Address]] = {}  # what each MAC used: IPv4 addresses and IPv6 networks
        self._routers: set[bytes] = set()
        self._clients: dict[bytes, bytes] = {}  # the MACs of DHCPv6's clients by their DUIDs
        self._passed_on: dict[bytes, set[Address]] = {}  # hosts elsewhere whose packets a MAC has sent to hosts here
        self._waiting: dict[tuple[bytes, Address], int] = {}  # said by plain traffic, at that time
        self._heard: dict[tuple[bytes, Address], tuple[int, list[Clue]]] = {}  # the same of clues

    @property
    def dropped(self) -> int:
        """How many clues were not told, as one station had too many of them."""
        return self._clues.dropped

    @property
    def crowded_out(self) -> int:
        """How many messages of DHCP clients were not told of, as too many new ones came at once."""
        return self._crowd.refused

    def see(self, time: int, packet: Packet, data: Buffer, number: int = 1) -> bool:
        """An IP packet, the so-manieth of its flow in its direction.

        False where those that follow it there are to be seen too.
        """
        self._now = time
        if packet.protocol == ICMPV6 and packet.transport and 133 <= packet.src_port <= 136:
            self._see_nd(time, packet, data)
            return False
        if packet.protocol == UDP and packet.ports[2:] in _DHCP_PORTS + _DHCP6_PORTS:
            self._see_lease(time, packet, data)
            return False
        said = self._see_said(time, packet, data, self._announcements.read(packet, data, number))
        address = packet.src_ip
        if said and said.clues:
            self._hear(time, packet.mac, address, said)
        if not packet.mac:
            if self._networks.has_host(address):
                self._tell(time, b"", address, again=False)
        elif packet.mac in self._routers:
            self._see_passed_on(time, packet.mac, address, packet.dst_ip)
        elif is_station(mac_of_bytes(packet.mac)):
            self._see_source(time, packet.mac, address)
            self._see_passed_on(time, packet.mac, address, packet.dst_ip)
        return not (said and said.more)

    def see_frame(self, time: int, frame: Frame, data: Buffer) -> None:
        """A frame that holds no IP; raises Skipped for ARP."""
        self._now = time
        if frame.kind == ARP:
            self._see_arp(time, frame, data)
            raise Skipped("arp")
        if frame.kind == LLDP:
            self._see_neighbour(time, frame, read_lldp(data, frame.at))
        elif frame.kind == LLC and bytes(data[frame.at : frame.at + len(CDP)]) == CDP:
            self._see_neighbour(time, frame, read_cdp(data, frame.at + len(CDP)))

    def _see_neighbour(self, time: int, frame: Frame, said: Neighbour | None) -> None:
        """A message that only those on the same cable hear."""
        mac = said.mac or frame.mac if said else b""
        if said and said.clues and mac and is_station(mac_of_bytes(mac)):
            self._tell(time, mac, None, clues=said.clues, again=False)

    def _see_arp(self, time: int, frame: Frame, data: Buffer) -> None:
        """An ARP packet; raises Skipped where it is cut off or of other networks than Ethernet and IPv4."""
        try:
            *kind, operation, mac, sender, target = _ARP(data, frame.at)
        except struct.error:
            raise Skipped("short") from None
        if tuple(kind) != _ARP_ETHERNET or operation not in (1, 2):
            raise Skipped("arp_other")
        address = address_of_bytes(sender)
        if operation == 1 and sender != target and is_station(mac_of_bytes(mac)):
            asker = address if is_host(address) else None
            self.observed.add(AddressAsked(time, self._source, mac_of_bytes(mac), asker, address_of_bytes(target)))
        if self._networks.has_host(address) if self._networks else is_host(address):
            self._own_address(time, mac, address)

    def _see_said(self, time: int, packet: Packet, data: Buffer, said: Said | None) -> Said | None:
        """What a packet says of its sender, where it may say something else to detectors."""
        if is_dns(packet):
            name = None
            for message in read_questions(time, self._source, packet, data):
                self.observed.add(message)
                if name is None and not message.answer:
                    name = message.name
            return said._replace(more=True) if said else self._announcements.asks(packet, name)
        if is_echo(packet):
            if altered := self._echoes.see(time, self._source, packet, data):
                self.observed.add(altered)
            return NOTHING_YET
        return said

    def tick(self, now: int) -> None:
        """The time (ms) has got on, also if no packet came."""
        self._now = now

    def settle(self) -> None:
        """Nothing more will come: what waits for a proof is told."""
        self._now += PROOF

    def take(self) -> list[Sighting]:
        """What is to be told now; it is told once."""
        ripe = [pair for pair, time in self._waiting.items() if not time <= self._now < time + PROOF]
        for mac, address in ripe:
            time = self._waiting.pop((mac, address))
            if mac not in self._routers and self._owners.get(address, mac) == mac:
                self._tell(time, mac, address, again=False)
        self._tell_heard()
        sightings, self._sightings = self._sightings, []
        return sightings

    def _hear(self, time: int, mac: bytes, address: Address, said: Said) -> None:
        """Clues in a packet from this MAC and address."""
        local = address in self._networks and is_host(address)
        if isinstance(address, int) and not local:
            return
        if not mac:
            if local:
                self._tell(time, mac, address, clues=said.clues, again=False)
        elif said.on_link and is_station(mac_of_bytes(mac)):
            owner = self._owners.get(address, b"" if mac in self._routers else mac)
            if owner == mac:
                self._tell(time, mac, address if local else None, clues=said.clues, again=False)
        elif local and mac not in self._routers and is_station(mac_of_bytes(mac)):
            _, clues = _bounded(self._heard).setdefault((mac, address), (time, []))
            clues += [each for each in said.clues if each not in clues][: max(MOST_AT_ONCE - len(clues), 0)]

    def _tell_heard(self) -> None:
        """Tells the clues that were not sent to all on the link, once there was time to prove a router."""
        ripe = [pair for pair, (time, _) in self._heard.items() if not time <= self._now < time + PROOF]
        for mac, address in ripe:
            time, clues = self._heard.pop((mac, address))
            if mac in self._routers or self._owners.get(address, mac) != mac:
                continue
            if address in self._announcements.resolvers:  # it may ask for somebody else
                clues = [each for each in clues if each.kind != "cloud"]
            if clues:
                self._tell(time, mac, address, clues=tuple(clues), again=False)

    def _see_passed_on(self, time: int, mac: bytes, source: Address, destination: Address) -> None:
        """A packet that may be one that a router has passed on.

        Only to hosts here: who sends under false addresses sends elsewhere, and is no router.
        """
        if not isinstance(source, int) or source in self._networks or destination not in self._networks:
            return
        hosts = _bounded(self._passed_on).setdefault(mac, set())
        if len(hosts) < SURE and is_host(source) and is_host(destination):
            hosts.add(source)
        if len(hosts) >= SURE:
            self._tell_role(time, mac, _ROUTER)

    def _tell_role(self, time: int, mac: bytes, role: Clue, address: Address | None = None) -> None:
        if is_station(mac_of_bytes(mac)) and (fresh := self._clues.fresh(mac, (role,), time)):
            self._sight(time, mac, address, clues=fresh)

    def _see_source(self, time: int, mac: bytes, address: Address) -> None:
        """The source of plain traffic."""
        used: Address
        if isinstance(address, int):
            local = address in self._networks
            if not local and is_host(address):
                self._is_router(mac)
                return
            used, most = address, MOST_OWN
        else:
            local = address in self._networks
            used, most = address[:8], MOST_PREFIXES
        if not is_host(address):
            return
        own = _bounded(self._own).setdefault(mac, set())
        own.add(used)
        if len(own) > most and sum(isinstance(each, int) == isinstance(used, int) for each in own) > most:
            self._is_router(mac)
        elif local and (mac, address) not in self._told:
            _bounded(self._waiting).setdefault((mac, address), time)

    def _is_router(self, mac: bytes) -> None:
        if len(self._routers) >= MOST_KNOWN:
            self._routers.clear()
        self._routers.add(mac)
        self._own.pop(mac, None)

    def _see_nd(self, time: int, packet: Packet, data: Buffer) -> None:
        """RFC 4861, 4862. A packet from another link would not have come with the hop limit of 255."""
        at, kind = packet.transport, packet.src_port
        if len(data) < at + 8 or data[at - 33] != 255:
            return
        if kind == _ROUTER_ADVERTISEMENT:
            self._is_router(packet.mac)
            # A lifetime of 0 says that it routes for some networks only, as those of lamps, and is nobody's way out.
            if any(data[at + 6 : at + 8]) and packet.mac:
                self._tell_role(time, packet.mac, _ROUTER)
            return
        if kind == _SOLICITATION:
            self._see_question(time, packet, bytes(data[at + 8 : at + 24]))
        address, options = packet.source, at + (8 if kind == _ROUTER_SOLICITATION else 24)
        wanted = kind == _SOLICITATION and address == _NO_ADDRESS  # it asks whether anybody else has it (RFC 4862)
        if kind == _ADVERTISEMENT or wanted:
            address = bytes(data[at + 8 : at + 24])
        mac = link_option(data, options, 2 if kind == _ADVERTISEMENT else 1) or packet.mac
        if len(address) == 16 and is_host(address) and mac:
            self._own_address(time, mac, address, sure=not wanted)

    def _see_question(self, time: int, packet: Packet, target: bytes) -> None:
        """RFC 4861 section 4.3: all are asked, not the neighbour itself whether it is still there (section 7.3).

        Where the source is unspecified, it is about the asker's own address: duplicate address detection (RFC 4862).
        """
        if packet.source == _NO_ADDRESS or packet.destination[0] != _MULTICAST6 or len(target) < 16:
            return
        if packet.mac and target != packet.source and is_station(mac_of_bytes(packet.mac)):
            self.observed.add(AddressAsked(time, self._source, mac_of_bytes(packet.mac), packet.source, target))

    def _see_lease(self, time: int, packet: Packet, data: Buffer) -> None:
        at = packet.transport + 8
        if not packet.transport:
            return
        if packet.ports[2:] in _DHCP_PORTS and packet.ports[:2] in _DHCP_PORTS:
            if message := message_in(time, self._source, self._interface, packet, data):
                self.observed.add(message)
            if lease := read_dhcp(data, at):
                self._see_dhcp(time, packet, lease)
        # A server may answer from any port (RFC 8415 section 7.2).
        elif packet.ports[2:] in _DHCP6_PORTS and (lease6 := read_dhcp6(data, at)):
            self._see_dhcp6(time, packet, lease6)

    def _see_dhcp6(self, time: int, packet: Packet, lease: Lease6) -> None:
        mac = lease.mac
        if lease.answered:
            mac = mac or self._clients.get(lease.duid, b"")
        elif not mac and not lease.relayed and packet.source[:2] == _LINK_LOCAL:
            mac = packet.mac
        if not lease.answered:
            mac = mac or mac_of_duid(lease.duid)
            _bounded(self._clients)[lease.duid] = mac
        if not mac or not is_station(mac_of_bytes(mac)):
            return
        for address in lease.addresses or (None,):
            self._tell(time, mac, address, clues=lease.clues, online=not lease.released, again=lease.released)

    def _see_dhcp(self, time: int, packet: Packet, lease: Lease) -> None:
        if lease.server is not None and lease.server == packet.src_ip and packet.mac:
            self._tell_role(time, packet.mac, _DHCP_SERVER, lease.server if lease.server in self._networks else None)
        if lease.offered or not is_station(mac_of_bytes(lease.mac)):
            return
        if lease.server is None and not self._crowd.admits(time, lease.mac):
            return
        address = lease.address if lease.address is not None and is_host(lease.address) else None
        self._tell(
            time, lease.mac, address, lease.hostname, clues=lease.clues, online=not lease.released, again=lease.released
        )

    def _own_address(self, time: int, mac: bytes, address: Address, *, sure: bool = True) -> None:
        """ARP or ND: the device itself says so; not `sure`: it wants the address if nobody else has it."""
        if not is_station(mac_of_bytes(mac)):
            return
        if is_virtual_mac(mac_of_bytes(mac)):
            # Told, so that it is counted; but the address stays with whoever else shows it.
            self._tell(time, mac, address, again=False)
            return
        if sure and (said := self._shown.said(time, self._source, self._interface, mac, address)):
            self.observed.add(said)
        changed = self._owners.get(address, mac) != mac
        _bounded(self._owners)[address] = mac
        self._tell(time, mac, address, again=changed)

    def _tell(
        self, time: int, mac: bytes, address: Address | None, hostname: str | None = None, *,
        clues: tuple[Clue, ...] = (), online: bool = True, again: bool,
    ) -> None:  # fmt: skip
        """Tells of the device unless that was done just now; `again` tells all the same, and so does a new clue."""
        key = (mac + (hostname or "").encode(), address)
        fresh = self._clues.fresh(mac or address, clues, time) if clues else ()
        if not again and not fresh and 0 <= time - self._told.get(key, -AGAIN) < AGAIN:
            return
        _bounded(self._told)[key] = time
        self._sight(time, mac, address, hostname, clues=fresh, online=online)

    def _sight(
        self, time: int, mac: bytes, address: Address | None, hostname: str | None = None, *,
        clues: tuple[Clue, ...] = (), online: bool = True,
    ) -> None:  # fmt: skip
        text = mac_of_bytes(mac) if mac else None
        ips = () if address is None else (address,)
        self._sightings.append(
            Sighting(time, self._source, text, ips, hostname, online=online, interface=self._interface, clues=clues)
        )


def _bounded(known: dict[_K, _V]) -> dict[_K, _V]:
    if len(known) >= MOST_KNOWN:
        known.clear()
    return known
