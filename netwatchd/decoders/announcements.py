"""What devices say of themselves in packets to and from well-known ports: finds who reads which.

Not all of it can be put down to the frame's sender at once: what was sent to all on the link has passed no router,
everything else may have.
"""

from typing import NamedTuple

from netwatchd.addresses import Address, Networks
from netwatchd.decoders.clouds import cloud_of
from netwatchd.decoders.clues import clue
from netwatchd.decoders.http import read_agent
from netwatchd.decoders.links import Buffer
from netwatchd.decoders.mdns import Mdns, read_llmnr
from netwatchd.decoders.netbios import read_datagram, read_names
from netwatchd.decoders.packets import ACK, SYN, TCP, UDP, Packet
from netwatchd.decoders.ssdp import read_ssdp
from netwatchd.events import Clue

DNS, NETBIOS_NAMES, NETBIOS_DATAGRAMS, SSDP, MDNS, LLMNR = 53, 137, 138, 1900, 5353, 5355
_HTTP = (80, 8080)
_FIRST_PACKETS = 5  # of a connection, among which its first request is: SYN, ACK, and some of them sent again
# Services that tell what a device is: files, remote control, printing, media, cameras, telephones, home automation.
_TELLING = frozenset((
    21, 22, 23, 53, 80, 139, 443, 445, 515, 548, 554, 631, 1400, 1883, 2049, 3389, 3689, 5000, 5001, 5060, 5555, 5900,
    6668, 7000, 8001, 8002, 8008, 8009, 8060, 8080, 8123, 8443, 8883, 9100, 9999, 32400, 49152, 55443, 62078,
))  # fmt: skip
_SIDES = frozenset((NETBIOS_NAMES, NETBIOS_DATAGRAMS, SSDP, MDNS, LLMNR))
_MOST_RESOLVERS = 4096


class Said(NamedTuple):
    """What a packet says of its sender."""

    clues: tuple[Clue, ...]
    on_link: bool  # it was sent to all on the link
    more: bool  # the packets that follow it in its flow may say more


NOTHING_YET = Said((), False, True)


class Announcements:
    """Reads packets. `resolvers` are the local addresses whose DNS queries may be made for somebody else."""

    def __init__(self, networks: Networks) -> None:
        self.resolvers: set[Address] = set()
        self._networks = networks
        self._mdns = Mdns()

    def read(self, packet: Packet, data: Buffer, number: int) -> Said | None:
        """What the packet says, the so-manieth of its flow in its direction; None where it says nothing of the kind."""
        if not packet.transport:
            return None
        if packet.protocol == UDP:
            source, destination = packet.src_port, packet.dst_port
            if source in _SIDES or destination in _SIDES:
                return self._datagram(packet, source, destination, data)
        elif packet.protocol == TCP:
            if packet.dst_port in _HTTP:
                return _request(packet, data, number)
            if packet.flags & (SYN | ACK) == SYN | ACK and packet.src_port in _TELLING:
                return Said(clue("port", f"tcp/{packet.src_port}"), False, False)
        return None

    def asks(self, packet: Packet, name: str | None) -> Said:
        """What a packet of DNS says: of a query for `name` only whose cloud it asks for."""
        asked = packet.dst_ip
        if packet.dst_port != DNS or packet.protocol != UDP:
            return NOTHING_YET
        if asked in self._networks:
            if len(self.resolvers) >= _MOST_RESOLVERS:
                self.resolvers.clear()
            self.resolvers.add(asked)
        domain = cloud_of(tuple(name.split("."))) if name else None
        return Said(clue("cloud", domain), False, True) if domain else NOTHING_YET

    def _datagram(self, packet: Packet, source: int, destination: int, data: Buffer) -> Said | None:
        payload = bytes(data[packet.transport + 8 :])
        sender = packet.src_ip
        if source == MDNS:  # RFC 6762 section 11: what comes from another port is no announcement
            clues = self._mdns.read(payload, sender)
        elif SSDP in (source, destination):
            clues = read_ssdp(payload, sender)
        elif source == LLMNR:
            clues = read_llmnr(payload, sender)
        elif source == NETBIOS_NAMES:
            clues = read_names(payload, sender)
        elif source == destination == NETBIOS_DATAGRAMS:
            clues = read_datagram(payload, sender)
        else:
            return None
        return Said(clues, is_for_all(packet.destination), True)


def is_for_all(destination: bytes) -> bool:
    """Whether a packet for this address is for all on the link: multicast, or a broadcast as far as can be seen."""
    return destination[0] >= 0xE0 if len(destination) == 4 else destination[0] == 0xFF


def _request(packet: Packet, data: Buffer, number: int) -> Said | None:
    """The first segment of a connection that holds something."""
    start = packet.transport + 12
    payload = bytes(data[packet.transport + (data[start] >> 4) * 4 :]) if len(data) > start else b""
    if not payload.strip(b"\0"):  # short frames are padded
        return NOTHING_YET if number < _FIRST_PACKETS else None
    return Said(read_agent(payload), False, False)
