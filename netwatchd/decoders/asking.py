"""The question to one MAC whether it has an address, and its answer: ARP (RFC 826), neighbour discovery (RFC 4861).

It goes to that MAC alone, so that nobody else hears it, and no neighbour's table is changed by it.
"""

import struct

from netwatchd.addresses import Address, address_of_bytes, mac_of_bytes
from netwatchd.decoders.links import Buffer

ARP, IPV6 = 0x0806, 0x86DD
_ARP = struct.Struct("!HHBBH6s4s6s4s")
_ETHERNET_IPV4 = (1, 0x0800, 6, 4)
_REQUEST, _REPLY = 1, 2
_ICMPV6, _SOLICITATION, _ADVERTISEMENT = 58, 135, 136
_SOURCE_LINK, _TARGET_LINK = 1, 2  # options of RFC 4861 section 4.6.1


def question(asker_mac: bytes, asker: Address, mac: bytes, ip: Address) -> bytes:
    """The frame that asks; both addresses are of the same family."""
    if isinstance(ip, int) and isinstance(asker, int):
        said = _ARP.pack(
            *_ETHERNET_IPV4, _REQUEST, asker_mac, asker.to_bytes(4, "big"), bytes(6), ip.to_bytes(4, "big")
        )
        return mac + asker_mac + struct.pack("!H", ARP) + said
    assert isinstance(ip, bytes)
    assert isinstance(asker, bytes)
    option = bytes((_SOURCE_LINK, 1)) + asker_mac
    said = struct.pack("!BBHI", _SOLICITATION, 0, 0, 0) + ip + option
    pseudo = asker + ip + struct.pack("!II", len(said), _ICMPV6)
    said = said[:2] + struct.pack("!H", _checksum(pseudo + said)) + said[4:]
    # Hop limit 255: it comes from this link (RFC 4861 section 7.1.1).
    header = struct.pack("!IHBB", 6 << 28, len(said), _ICMPV6, 255) + asker + ip
    return mac + asker_mac + struct.pack("!H", IPV6) + header + said


def arp_answer(frame: bytes) -> tuple[str, Address] | None:
    """(MAC, address) that an ARP reply in an Ethernet frame tells; None where it is none, or a lie about its sender."""
    try:
        *kind, operation, mac, ip, _, _ = _ARP.unpack_from(frame, 14)
    except struct.error:
        return None
    if tuple(kind) != _ETHERNET_IPV4 or operation != _REPLY or frame[6:12] != mac:
        return None
    return mac_of_bytes(mac), address_of_bytes(ip)


def nd_answer(message: bytes) -> tuple[str | None, Address] | None:
    """(MAC, address) that an advertisement tells, from its ICMPv6 header on; None where it is none.

    The answer to a question that went to one station alone may leave the MAC out (RFC 4861 section 4.4).
    """
    if len(message) < 24 or message[0] != _ADVERTISEMENT:
        return None
    mac = link_option(message, 24, _TARGET_LINK)
    return mac_of_bytes(mac) if mac else None, address_of_bytes(message[8:24])


def link_option(data: Buffer, at: int, kind: int) -> bytes:
    """The link-layer address in the options of ND from `at` on (RFC 4861 section 4.6.1); empty where there is none."""
    while at + 8 <= len(data) and data[at + 1]:
        if data[at] == kind and data[at + 1] == 1:
            return bytes(data[at + 2 : at + 8])
        at += data[at + 1] * 8
    return b""


def _checksum(data: bytes) -> int:
    """RFC 1071."""
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
