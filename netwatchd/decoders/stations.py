"""Devices as their packets betray them: which MAC has which address.

How sure that is depends on what said it:

* **ARP** (RFC 826; requests, replies and gratuitous ones, but no probes, whose sender is still 0.0.0.0), **ND** (RFC
  4861: solicitations and advertisements; also who asks whether anybody else has the address that it wants) and **DHCP**
  (RFC 2131) tell of a device's own address. They are believed, and told again each AGAIN while they are said.
* **Plain traffic** with a local source address comes from the device or from a router that passes it on. A MAC is a
  router once it has sent packets of an IPv4 address that is not local, of more than MOST_OWN local ones or more than
  MOST_PREFIXES IPv6 networks, or a router advertisement; then its traffic says nothing. Because the first packet may
  come before the proof, what plain traffic says is told PROOF later, and not where ARP or ND named another MAC.
* Where there is no link layer, an address is a device without a MAC.

Other protocols that name devices (mDNS, SSDP, ...) would each be one more reader in `see`.
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
from netwatchd.decoders.dhcp import Lease, read_dhcp
from netwatchd.decoders.links import Buffer, Frame, Skipped
from netwatchd.decoders.packets import ICMPV6, UDP, Packet
from netwatchd.events import Sighting

AGAIN = 60_000  # milliseconds
PROOF = 5_000  # milliseconds: a router passes something on within seconds
MOST_OWN = 8  # IPv4 addresses of one device; more than one is rare
MOST_PREFIXES = 4  # IPv6 networks of one device, of its provider, its own and link-local

# After so many it begins anew: who makes up addresses has them told again, and must not fill the memory.
MOST_KNOWN = 16_384

# Hardware type, protocol type, sizes, operation, sender's MAC and address.
_ARP = struct.Struct("!HHBBH6s4s").unpack_from
_ARP_ETHERNET = (1, 0x0800, 6, 4)
_ROUTER_SOLICITATION, _ROUTER_ADVERTISEMENT, _SOLICITATION, _ADVERTISEMENT = 133, 134, 135, 136
_NO_ADDRESS = bytes(16)
_DHCP_PORTS = (b"\0\x43", b"\0\x44")

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
        self._told: dict[_Pair, int] = {}
        self._owners: dict[Address, bytes] = {}  # as ARP and ND say
        self._own: dict[bytes, set[Address]] = {}  # what each MAC used: IPv4 addresses and IPv6 networks
        self._routers: set[bytes] = set()
        self._waiting: dict[tuple[bytes, Address], int] = {}  # said by plain traffic, at that time

    def see(self, time: int, packet: Packet, data: Buffer) -> bool:
        """An IP packet; False where those that follow it in its flow are to be seen too."""
        self._now = time
        if packet.protocol == ICMPV6 and packet.transport and 133 <= packet.src_port <= 136:
            self._see_nd(time, packet, data)
            return False
        if packet.protocol == UDP and packet.ports[:2] in _DHCP_PORTS and packet.ports[2:] in _DHCP_PORTS:
            if packet.transport and (lease := read_dhcp(data, packet.transport + 8)):
                self._see_dhcp(time, lease)
            return False
        address = packet.src_ip
        if not packet.mac:
            if self._networks.has_host(address):
                self._tell(time, b"", address, again=False)
        elif packet.mac not in self._routers and is_station(mac_of_bytes(packet.mac)):
            self._see_source(time, packet.mac, address)
        return True

    def see_arp(self, time: int, frame: Frame, data: Buffer) -> None:
        """An ARP packet; raises Skipped where it is cut off or of other networks than Ethernet and IPv4."""
        self._now = time
        try:
            *kind, operation, mac, sender = _ARP(data, frame.at)
        except struct.error:
            raise Skipped("short") from None
        if tuple(kind) != _ARP_ETHERNET or operation not in (1, 2):
            raise Skipped("arp_other")
        address = address_of_bytes(sender)
        if self._networks.has_host(address) if self._networks else is_host(address):
            self._own_address(time, mac, address)

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
        sightings, self._sightings = self._sightings, []
        return sightings

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
            return
        address, options = packet.source, at + (8 if kind == _ROUTER_SOLICITATION else 24)
        if kind == _ADVERTISEMENT or (kind == _SOLICITATION and address == _NO_ADDRESS):
            address = bytes(data[at + 8 : at + 24])
        mac = _option(data, options, 2 if kind == _ADVERTISEMENT else 1) or packet.mac
        if len(address) == 16 and is_host(address) and mac:
            self._own_address(time, mac, address)

    def _see_dhcp(self, time: int, lease: Lease) -> None:
        if not is_station(mac_of_bytes(lease.mac)):
            return
        address = lease.address if lease.address is not None and is_host(lease.address) else None
        self._tell(time, lease.mac, address, lease.hostname, online=not lease.released, again=lease.released)

    def _own_address(self, time: int, mac: bytes, address: Address) -> None:
        """ARP or ND: the device itself says so."""
        if not is_station(mac_of_bytes(mac)):
            return
        if is_virtual_mac(mac_of_bytes(mac)):
            # Told, so that it is counted; but the address stays with whoever else shows it.
            self._tell(time, mac, address, again=False)
            return
        changed = self._owners.get(address, mac) != mac
        _bounded(self._owners)[address] = mac
        self._tell(time, mac, address, again=changed)

    def _tell(
        self, time: int, mac: bytes, address: Address | None, hostname: str | None = None, *,
        online: bool = True, again: bool,
    ) -> None:  # fmt: skip
        """Tells of the device unless that was done just now; `again` tells all the same."""
        key = (mac + (hostname or "").encode(), address)
        if not again and 0 <= time - self._told.get(key, -AGAIN) < AGAIN:
            return
        _bounded(self._told)[key] = time
        ips = () if address is None else (address,)
        text = mac_of_bytes(mac) if mac else None
        self._sightings.append(
            Sighting(time, self._source, text, ips, hostname, online=online, interface=self._interface)
        )


def _bounded(known: dict[_K, _V]) -> dict[_K, _V]:
    if len(known) >= MOST_KNOWN:
        known.clear()
    return known


def _option(data: Buffer, at: int, kind: int) -> bytes:
    """The link-layer address in the options of ND (type, length in 8 bytes, value); empty where there is none."""
    while at + 8 <= len(data) and data[at + 1]:
        if data[at] == kind and data[at + 1] == 1:
            return bytes(data[at + 2 : at + 8])
        at += data[at + 1] * 8
    return b""
