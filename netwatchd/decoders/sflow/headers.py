"""The first bytes of a sampled packet to what tells its flow.

An agent sends some 64 to 256 bytes of each packet, beginning with the header of the link or of IP. Its frame length
counts what the link adds: headers, padding of short frames, often a checksum. So the bytes of a packet are what its
own IP header says.
"""

import struct
from typing import NamedTuple

from netwatchd.addresses import Address

# enum header_protocol: what the sampled bytes begin with.
_ETHERNET, _PPP, _IPV4, _IPV6, _MPLS, _POS = 1, 7, 11, 12, 13, 14

TCP, ICMP, ICMPV6 = 6, 1, 58
# Protocols whose header begins with two ports: TCP, UDP, DCCP, SCTP, UDP-Lite.
_WITH_PORTS = frozenset({6, 17, 33, 132, 136})
# IPv6 headers that another one follows, and which say their length in units of 8 bytes: hop-by-hop options, routing,
# destination options, mobility, HIP, Shim6 (RFC 8200 section 4, RFC 6275, 7401, 5533).
_EXTENSIONS = frozenset({0, 43, 60, 135, 139, 140})
_FRAGMENT, _AUTHENTICATION = 44, 51
_MOST_HEADERS = 10  # of one kind one after the other: more is no packet

_VLAN_TAGS = frozenset({0x8100, 0x88A8, 0x9100, 0x9200})
_PPP_TYPES = {0x0021: 0x0800, 0x0057: 0x86DD}  # PPP's protocol numbers to those of Ethernet

_SHORT = struct.Struct(">H")
_PORTS = struct.Struct(">HH")
_IPV4_HEADER = struct.Struct(">BxHxxHxBxxII")  # version and length, total length, fragment, protocol, addresses
_IPV6_HEADER = struct.Struct(">IHBx16s16s")


class Packet(NamedTuple):
    """One IP packet."""

    src_ip: Address
    src_port: int  # ICMP: the type; 0 where the packet, or what is there of it, has no ports
    dst_ip: Address
    dst_port: int  # ICMP: the code
    protocol: int
    flags: int  # of TCP
    length: int  # bytes, with the IP header


def sampled_packet(protocol: int, header: bytes, frame_length: int) -> Packet | None:
    """The IP packet whose first bytes, from the header of kind `protocol` on, are `header`; None where it is none.

    `frame_length` is the length that the packet had on the link: no IP packet is longer than its frame.
    """
    try:
        kind, at = _link(protocol, header)
        if kind == 0x0800:
            return _ipv4(header, at, frame_length)
        return _ipv6(header, at, frame_length) if kind == 0x86DD else None
    except struct.error:  # not enough of it was sampled
        return None


def _link(protocol: int, data: bytes) -> tuple[int, int]:
    """(EtherType, place) of what the link header carries; the EtherType is 0 where it is nothing known."""
    if protocol == _ETHERNET:
        found = _ethernet(data, 12)
    elif protocol == _MPLS:
        found = _mpls(data, 0)
    elif protocol == _PPP:
        found = _ppp(data, 2 if data.startswith(b"\xff\x03") else 0)
    elif protocol == _POS:  # RFC 2615, or Cisco's HDLC: address, control, EtherType
        found = _ppp(data, 2) if data.startswith(b"\xff\x03") else (_SHORT.unpack_from(data, 2)[0], 4)
    else:
        found = {_IPV4: 0x0800, _IPV6: 0x86DD}.get(protocol, 0), 0
    return found


def _ethernet(data: bytes, at: int) -> tuple[int, int]:
    """What follows the MAC addresses: tags, labels, PPPoE, LLC."""
    for _ in range(_MOST_HEADERS):
        (kind,) = _SHORT.unpack_from(data, at)
        if kind in _VLAN_TAGS:
            at += 4
        elif kind in (0x8847, 0x8848):
            return _mpls(data, at + 2)
        elif kind == 0x8864:  # RFC 2516: version, code, session, length; then PPP
            return _ppp(data, at + 8)
        elif kind <= 1500 and data[at + 2 : at + 8] == b"\xaa\xaa\x03\0\0\0":  # IEEE 802.2 LLC with SNAP
            at += 8
        else:
            return kind, at + 2
    return 0, 0


def _ppp(data: bytes, at: int) -> tuple[int, int]:
    (kind,) = _SHORT.unpack_from(data, at)
    return _mpls(data, at + 2) if kind == 0x0281 else (_PPP_TYPES.get(kind, 0), at + 2)


def _mpls(data: bytes, at: int) -> tuple[int, int]:
    """Below the last label stands what its first half-byte says (RFC 4928): there is no type."""
    for _ in range(_MOST_HEADERS):
        bottom = data[at + 2 : at + 3]
        at += 4
        if bottom and bottom[0] & 1:
            return {4: 0x0800, 6: 0x86DD}.get(data[at] >> 4 if at < len(data) else 0, 0), at
    return 0, 0


def _ipv4(data: bytes, at: int, most: int) -> Packet | None:
    """RFC 791 section 3.1."""
    first, total, fragment, protocol, src, dst = _IPV4_HEADER.unpack_from(data, at)
    size = (first & 15) * 4
    if first >> 4 != 4 or size < 20:
        return None
    # A network card that cuts large packets up itself is handed them with a length of 0.
    length = total if size <= total else most - at
    ports = _upper(data, at + size, protocol) if not fragment & 0x1FFF else (0, 0, 0)
    return _packet(src, dst, protocol, ports, length, most - at)


def _ipv6(data: bytes, at: int, most: int) -> Packet | None:
    """RFC 8200 section 3."""
    first, payload, protocol, src, dst = _IPV6_HEADER.unpack_from(data, at)
    if first >> 28 != 6:
        return None
    length = 40 + payload if payload else most - at  # 0: a jumbogram, or as above
    here, fragmented = at + _IPV6_HEADER.size, False
    for _ in range(_MOST_HEADERS):
        if protocol not in _EXTENSIONS and protocol not in (_FRAGMENT, _AUTHENTICATION):
            break
        if here + 8 > len(data):  # the sample ends before what tells the protocol
            break
        following, units = data[here], data[here + 1]
        if protocol == _FRAGMENT:
            fragmented = fragmented or bool(_SHORT.unpack_from(data, here + 2)[0] >> 3)
            size = 8
        else:
            size = (units + 2) * 4 if protocol == _AUTHENTICATION else (units + 1) * 8
        protocol, here = following, here + size
        if fragmented:  # what follows is the middle of something
            break
    ports = (0, 0, 0) if fragmented else _upper(data, here, protocol)
    return _packet(src, dst, protocol, ports, length, most - at)


def _packet(src: Address, dst: Address, protocol: int, ports: tuple[int, int, int], length: int, most: int) -> Packet:
    src_port, dst_port, flags = ports
    return Packet(src, src_port, dst, dst_port, protocol, flags, max(min(length, most) if most > 0 else length, 0))


def _upper(data: bytes, at: int, protocol: int) -> tuple[int, int, int]:
    """(source port, destination port, TCP flags); ICMP: (type, code, 0). What was not sampled is 0."""
    if protocol in _WITH_PORTS and at + 4 <= len(data):
        src_port, dst_port = _PORTS.unpack_from(data, at)
        return src_port, dst_port, data[at + 13] if protocol == TCP and at + 13 < len(data) else 0
    if protocol in (ICMP, ICMPV6) and at + 2 <= len(data):
        return data[at], data[at + 1], 0
    return 0, 0, 0
