"""The headers of one packet: who speaks to whom, how, and how much.

Sizes are those of the IP packet as it was on the wire: neither the padding of a short frame nor a snap length counts.
A packet is read as far as it was captured; ports are enough, and what a snap length cut off behind them is not missed.
"""

import struct
from typing import NamedTuple

from netwatchd.addresses import Address, address_of_bytes
from netwatchd.decoders.links import IPV4, IPV6, LLC, Buffer, Frame, Skipped, frame_of

ICMP, TCP, UDP, ICMPV6, SCTP = 1, 6, 17, 58, 132
FIN, SYN, RST, PSH, ACK, URG = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20  # RFC 9293

NO_PORTS = b"\0\0\0\0"
_WITH_PORTS = {TCP, UDP, 33, SCTP, 136}  # DCCP and UDP-Lite too: their headers begin with the ports
_FRAGMENT = 44
_AH = 51
_MOST_EXTENSIONS = 32  # of one packet; each should be there once
# RFC 8200, 6275 (mobility), 7401 (HIP), 5533 (shim6): next header, length in 8 bytes beyond the first 8.
_EXTENSIONS = {0, 43, 60, _AH, _FRAGMENT, 135, 139, 140}

# version and header length, total length, identification, flags and fragment offset, protocol, source, destination
_IPV4 = struct.Struct("!BxH2sHxBxx4s4s").unpack_from
_IPV6 = struct.Struct("!B3xHBx16s16s").unpack_from  # version, payload length, next header, source, destination
_FRAGMENT_HEADER = struct.Struct("!BxH4s").unpack_from  # next header, offset and more, identification


class Packet(NamedTuple):
    """One IP packet. Addresses are packed, 4 or 16 bytes."""

    source: bytes
    destination: bytes
    protocol: int  # of IPv6: what stands behind the extension headers
    ports: bytes  # source and destination port; ICMP: type and code, each in two bytes; else zeros
    flags: int  # of TCP: ACK, as in any packet but the first, where they were cut off; 0 for other protocols
    length: int  # bytes of the IP packet on the wire
    transport: int  # where in the data the transport header begins; 0 in a later fragment
    fragment: bytes | None  # of a fragment: its identification
    mac: bytes  # who sent the frame; empty where the link layer does not say

    @property
    def src_ip(self) -> Address:
        """The sender, as in a Flow."""
        return address_of_bytes(self.source)

    @property
    def dst_ip(self) -> Address:
        """The receiver, as in a Flow."""
        return address_of_bytes(self.destination)

    @property
    def src_port(self) -> int:
        """The source port, or the type of ICMP."""
        return self.ports[0] << 8 | self.ports[1]

    @property
    def dst_port(self) -> int:
        """The destination port, or the code of ICMP."""
        return self.ports[2] << 8 | self.ports[3]


def dissect(link_type: int, data: Buffer, wire_length: int) -> Packet:
    """The packet in a frame of which `data` was captured, and which had `wire_length` bytes; raises Skipped."""
    return packet_of(frame_of(link_type, data), data, wire_length)


def packet_of(frame: Frame, data: Buffer, wire_length: int) -> Packet:
    """The IP packet of the frame; raises Skipped for any other and for one that is damaged."""
    try:
        if frame.kind == IPV4:
            return _ipv4(frame, data, wire_length)
        if frame.kind == IPV6:
            return _ipv6(frame, data, wire_length)
    except (struct.error, IndexError):
        raise Skipped("short") from None
    raise Skipped("llc" if frame.kind == LLC else "not_ip")


def _ipv4(frame: Frame, data: Buffer, wire_length: int) -> Packet:
    """RFC 791."""
    at = frame.at
    version, total, identification, offset, protocol, source, destination = _IPV4(data, at)
    header = (version & 15) * 4
    if version >> 4 != 4 or header < 20:
        raise Skipped("ip_header")
    # The kernel hands segments that the card will cut with a total length of 0, if they are longer than 64 KiB.
    length = min(total, wire_length - at) if total else wire_length - at
    if length < header:
        raise Skipped("ip_length")
    fragment = identification if offset & 0x3FFF else None
    transport = 0 if offset & 0x1FFF else at + header
    ports, flags = _transport(protocol, data, transport) if transport else (NO_PORTS, 0)
    return Packet(source, destination, protocol, ports, flags, length, transport, fragment, frame.mac)


def _ipv6(frame: Frame, data: Buffer, wire_length: int) -> Packet:
    """RFC 8200."""
    at = frame.at
    version, payload, protocol, source, destination = _IPV6(data, at)
    if version >> 4 != 6:
        raise Skipped("ip_header")
    # 0 is a jumbogram (RFC 2675) or a segment that the card will cut, unless nothing could follow anyway.
    told = payload or protocol not in (0, TCP, UDP)
    length = min(payload + 40, wire_length - at) if told else wire_length - at
    if length < 40:
        raise Skipped("ip_length")
    fragment = None
    transport = at + 40
    for _ in range(_MOST_EXTENSIONS):
        if protocol not in _EXTENSIONS:
            break
        if protocol == _FRAGMENT:
            protocol, offset, identification = _FRAGMENT_HEADER(data, transport)
            transport += 8
            if offset & 0xFFF9:  # an atomic fragment (RFC 6946) is none
                fragment = identification
            if offset & 0xFFF8:
                return Packet(source, destination, protocol, NO_PORTS, 0, length, 0, fragment, frame.mac)
        else:
            size = (data[transport + 1] + 2) * 4 if protocol == _AH else (data[transport + 1] + 1) * 8
            protocol = data[transport]
            transport += size
    else:
        raise Skipped("ip_header")
    ports, flags = _transport(protocol, data, transport)
    return Packet(source, destination, protocol, ports, flags, length, transport, fragment, frame.mac)


def _transport(protocol: int, data: Buffer, at: int) -> tuple[bytes, int]:
    """Ports and TCP flags."""
    if protocol in _WITH_PORTS:
        ports = bytes(data[at : at + 4])
        if len(ports) < 4:
            raise Skipped("short")
        if protocol != TCP:
            return ports, 0
        return ports, data[at + 13] if len(data) > at + 13 else ACK
    if protocol in (ICMP, ICMPV6):
        return bytes((0, data[at], 0, data[at + 1])), 0
    return NO_PORTS, 0
