"""Link layers: where in a captured frame the network layer begins, what it is, and who sent the frame.

Link types are the numbers of https://www.tcpdump.org/linktypes.html, as they stand in capture files. What can lie
between a link layer and IP (802.1Q, 802.1ad, MPLS, PPPoE, LLC/SNAP) is taken off for all of them alike. Tunnels over IP
(GRE, IPIP, 6in4, VXLAN, ...) are not opened: their traffic is a flow by its outer header, as the network carries it.
"""

import struct
from collections.abc import Callable
from typing import NamedTuple

Buffer = bytes | memoryview

NULL, ETHERNET, PPP, RAW, LINUX_SLL, LINUX_SLL2 = 0, 1, 9, 101, 113, 276
IPV4, ARP, IPV6, LLDP = 0x0800, 0x0806, 0x86DD, 0x88CC  # EtherTypes
OTHER, LLC = 0, 1  # what has no EtherType here

_VLANS = {0x8100, 0x88A8, 0x9100, 0x9200, 0x9300}  # 802.1Q, 802.1ad, and what was used before that
_MPLS = {0x8847, 0x8848}
_PBB = 0x88E7
_SNAP = (b"\xaa\xaa\x03\0\0\0", b"\xaa\xaa\x03\0\0\xf8")
_PPPOE_SESSION = 0x8864
_LEAST_ETHERTYPE = 0x0600  # below it is a length (IEEE 802.3)
_MOST_TAGS = 16  # tags and labels of one frame; three or four is much

_TWO = struct.Struct("!H").unpack_from


# Why packets belong to no flow.
REASONS = {
    "arp": "ARP: it tells of devices",
    "arp_other": "ARP of other networks than Ethernet and IPv4, and RARP",
    "llc": "a frame of IEEE 802.2, such as spanning tree",
    "not_ip": "another protocol than IP, a frame without data, or an encrypted one",
    "ip_header": "an IP header with a wrong version or length, or too many extension headers",
    "ip_length": "an IP packet that is shorter than its header",
    "short": "a frame that ends within its headers, or was captured no further",
    "link_type": "a link layer that is not known",
    "time": "a time before 1970 or after 9999",
}


class Skipped(Exception):
    """The packet belongs to no flow; `reason` is one of REASONS, by which it is counted."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Frame(NamedTuple):
    """The network layer of a frame: its EtherType (OTHER, LLC), where it begins, and the sender's MAC (or nothing)."""

    kind: int
    at: int
    mac: bytes = b""


def frame_of(link_type: int, data: Buffer) -> Frame:
    """What the frame carries; raises Skipped for a link type that is not known, and for a frame that ends too early."""
    reader = LINKS.get(link_type)
    if reader is None:
        raise Skipped("link_type")
    try:
        return reader(data, 0)
    except (struct.error, IndexError):
        raise Skipped("short") from None


def _ethernet(data: Buffer, at: int) -> Frame:
    return _untagged(data, at + 14, _TWO(data, at + 12)[0], bytes(data[at + 6 : at + 12]))


def _untagged(data: Buffer, at: int, kind: int, mac: bytes) -> Frame:
    """Takes off what lies between the link layer and the network layer, in a loop: who nests deeply gets nowhere."""
    for _ in range(_MOST_TAGS):
        if kind in (IPV4, IPV6, ARP, LLDP):
            return Frame(kind, at, mac)
        if kind in _VLANS:  # tag (2), EtherType (2)
            kind = _TWO(data, at + 2)[0]
            at += 4
        elif kind == _PPPOE_SESSION:  # RFC 2516: version, code, session (2), length (2), then PPP
            return _ppp_protocol(data, at + 6, mac)
        elif kind in _MPLS:  # RFC 3032: labels of 4 bytes; nothing says what follows but its first nibble
            at = _behind_labels(data, at)
            if data[at] >> 4:
                return _by_version(data, at, mac)
            # RFC 4385: 0 begins the control word of a pseudowire, which carries Ethernet nearly always.
            kind, at, mac = _frame_within(data, at + 4)
        elif kind == _PBB:  # IEEE 802.1ah: an instance (4), then a whole frame
            kind, at, mac = _frame_within(data, at + 4)
        elif kind < _LEAST_ETHERTYPE:
            # IEEE 802.2, and SNAP in it: DSAP, SSAP, control, then organisation (3) and EtherType (2) (RFC 1042).
            if bytes(data[at : at + 6]) not in _SNAP or _TWO(data, at + 6)[0] < _LEAST_ETHERTYPE:
                return Frame(LLC, at, mac)
            kind = _TWO(data, at + 6)[0]
            at += 8
        else:
            break
    return Frame(OTHER, at, mac)


def _llc(data: Buffer, at: int, mac: bytes) -> Frame:
    return _untagged(data, at, 0, mac)


def _frame_within(data: Buffer, at: int) -> tuple[int, int, bytes]:
    """EtherType, what lies behind, and the sender of an Ethernet frame within another one."""
    return _TWO(data, at + 12)[0], at + 14, bytes(data[at + 6 : at + 12])


def _behind_labels(data: Buffer, at: int) -> int:
    """Behind the label that has the bottom bit."""
    while not data[at + 2] & 1:
        at += 4
    return at + 4


def _by_version(data: Buffer, at: int, mac: bytes = b"") -> Frame:
    """Where nothing but the packet itself says what it is."""
    return Frame({4: IPV4, 6: IPV6}.get(data[at] >> 4, OTHER), at, mac)


def _null(data: Buffer, at: int) -> Frame:
    """BSD loopback: an address family of 4 bytes in either byte order. Its value for IPv6 differs between systems."""
    family = bytes(data[at : at + 4])
    known = family[:3] == b"\0\0\0" or family[1:] == b"\0\0\0"
    return _by_version(data, at + 4) if known else Frame(OTHER, at)


def _ppp(data: Buffer, at: int) -> Frame:
    if data[at] == 0xFF and data[at + 1] == 0x03:  # HDLC's address and control (RFC 1662), which may be left out
        at += 2
    return _ppp_protocol(data, at, b"")


def _ppp_protocol(data: Buffer, at: int, mac: bytes) -> Frame:
    """RFC 1661: the protocol has 2 bytes, or 1 if that is odd (compressed)."""
    first = data[at]
    protocol, at = (first, at + 1) if first & 1 else (_TWO(data, at)[0], at + 2)
    return Frame({0x0021: IPV4, 0x0057: IPV6}.get(protocol, OTHER), at, mac)


def _cisco_hdlc(data: Buffer, at: int) -> Frame:
    if data[at] == 0xFF and data[at + 1] == 0x03:  # a line that speaks PPP after all, as the link type allows for 50
        return _ppp(data, at)
    return _untagged(data, at + 4, _TWO(data, at + 2)[0], b"")


def _ppp_serial(data: Buffer, at: int) -> Frame:
    # Link type 50: Cisco HDLC on such a line begins with 0x0F or 0x8F, PPP with 0xFF 0x03.
    return _cisco_hdlc(data, at) if data[at] in (0x0F, 0x8F) else _ppp(data, at)


def _cooked(data: Buffer, at: int) -> Frame:
    """Linux cooked v1: packet type (2), ARPHRD (2), address length (2), address (8), protocol (2)."""
    mac = bytes(data[at + 6 : at + 12]) if _TWO(data, at + 4)[0] == 6 else b""
    return _cooked_protocol(data, at + 16, _TWO(data, at + 14)[0], mac)


def _cooked2(data: Buffer, at: int) -> Frame:
    """Linux cooked v2: protocol (2), reserved (2), interface (4), ARPHRD (2), packet type, address length, address."""
    mac = bytes(data[at + 12 : at + 18]) if data[at + 11] == 6 else b""
    return _cooked_protocol(data, at + 20, _TWO(data, at)[0], mac)


def _cooked_protocol(data: Buffer, at: int, protocol: int, mac: bytes) -> Frame:
    # Below an EtherType stand Linux's own numbers: 1 is Novell's raw 802.3, 4 is LLC.
    if protocol < _LEAST_ETHERTYPE and protocol != 4:
        return Frame(OTHER, at, mac)
    return _untagged(data, at, protocol, mac)


def _frame_relay(data: Buffer, at: int) -> Frame:
    """Frame relay: an address that ends with the byte whose lowest bit is set; then RFC 2427, or Cisco's EtherType."""
    while not data[at] & 1:
        at += 1
    at += 1
    if data[at] != 0x03:
        return _untagged(data, at + 2, _TWO(data, at)[0], b"")
    at += 2 if data[at + 1] == 0 else 1  # padding
    if data[at] == 0x80:  # SNAP
        return _untagged(data, at + 6, _TWO(data, at + 4)[0], b"")
    return Frame({0xCC: IPV4, 0x8E: IPV6}.get(data[at], OTHER), at + 1)


def _wifi(data: Buffer, at: int) -> Frame:
    """IEEE 802.11 data frames, unprotected ones: the others show no IP."""
    control, flags = data[at], data[at + 1]
    if control & 0x0C != 0x08 or control & 0x40 or flags & 0x40:  # no data frame, one without data, or encrypted
        return Frame(OTHER, at)
    to_ds, from_ds = flags & 1, flags & 2
    source = at + (24 if to_ds and from_ds else 16 if from_ds else 10)  # address 4, 3 or 2
    body = at + (30 if to_ds and from_ds else 24) + (2 if control & 0x80 else 0)  # QoS control
    if control & 0x80 and flags & 0x80:
        body += 4  # HT control
    if control & 0x80 and data[body - (6 if flags & 0x80 else 2)] & 0x80:
        return Frame(OTHER, at)  # an A-MSDU: several frames in one
    return _llc(data, body, bytes(data[source : source + 6]))


def _radiotap(data: Buffer, at: int) -> Frame:
    """Radiotap: version, padding, length (2, little-endian), fields present (4); then 802.11, perhaps padded."""
    length = data[at + 2] | data[at + 3] << 8
    return _wifi(data, at + length)


def _ppi(data: Buffer, at: int) -> Frame:
    """Per-packet information: version, flags, length (2) and link type (4), little-endian."""
    length, inner = struct.unpack_from("<HI", data, at + 2)
    return _inner(inner, data, at + length)


def _pktap(data: Buffer, at: int) -> Frame:
    """What macOS writes: length (4), type (4), link type (4), little-endian, and more."""
    length, _, inner = struct.unpack_from("<III", data, at)
    return _inner(inner, data, at + length)


def _inner(link_type: int, data: Buffer, at: int) -> Frame:
    if link_type not in LINKS or link_type in _OUTER:  # one within another could go on for ever
        raise Skipped("link_type")
    return LINKS[link_type](data, at)


def _nflog(data: Buffer, at: int) -> Frame:
    """Linux's NFLOG: family, version, resource (2); then length (2), type (2) and value in the machine's byte order."""
    order = "<" if data[at + 5] == 0 else ">"  # no value but the last is longer than 255 bytes
    at += 4
    while True:
        length, kind = struct.unpack_from(order + "HH", data, at)
        if kind == 9:  # NFULA_PAYLOAD
            return _by_version(data, at + 4)
        at += max(length, 4) + -length % 4


LINKS: dict[int, Callable[[Buffer, int], Frame]] = {
    NULL: _null,
    ETHERNET: _ethernet,
    PPP: _ppp,
    10: lambda data, at: _llc(data, at + 13, b""),  # FDDI; in which order the bits of its MACs are is not told
    12: _by_version,  # raw IP, as most systems number it
    14: _by_version,  # raw IP, as OpenBSD numbers it
    50: _ppp_serial,
    51: lambda data, at: _ppp_protocol(data, at + 6, b""),  # PPPoE without Ethernet
    100: lambda data, at: _llc(data, at, b""),  # ATM (RFC 1483)
    RAW: _by_version,
    104: _cisco_hdlc,
    105: _wifi,
    107: _frame_relay,
    108: _null,  # OpenBSD loopback: in network byte order
    109: lambda data, at: _by_version(data, at + 12),  # OpenBSD's encapsulating interface
    LINUX_SLL: _cooked,
    117: lambda data, at: _by_version(data, at + (data[at] + 3 & ~3)),  # OpenBSD's packet filter log
    119: lambda data, at: _wifi(data, at + 144),  # Prism header
    127: _radiotap,
    163: lambda data, at: _wifi(data, at + int.from_bytes(data[at + 4 : at + 8], "big")),  # AVS header
    166: lambda data, at: _ppp_protocol(data, at + 4, b""),  # pppd: direction, control, ...
    192: _ppi,
    204: lambda data, at: _ppp(data, at + 1),  # PPP with direction
    219: lambda data, at: _untagged(data, at, 0x8847, b""),
    228: lambda data, at: Frame(IPV4, at),
    229: lambda data, at: Frame(IPV6, at),
    239: _nflog,
    240: lambda data, at: _ethernet(data, at + 4),  # netANALYZER
    258: _pktap,
    LINUX_SLL2: _cooked2,
}
_OUTER = (192, 258)  # those that name another link type
