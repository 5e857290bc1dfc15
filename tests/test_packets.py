"""The headers of packets are read through every link layer, and bytes are those of the IP packet on the wire."""

import struct

import pytest
from packet_kit import A6, B6, MAC_A, A, C, arp, ethernet, icmp, ip4, ip6, packed, tcp, udp

from netwatchd.decoders.links import ARP, Skipped, frame_of
from netwatchd.decoders.packets import Packet, dissect

V4, V6 = ip4(udp()), ip6(udp())
WIFI = bytes.fromhex("0801") + bytes(2) + b"\1" * 6 + MAC_A + bytes(6) + bytes(2) + b"\xaa\xaa\3\0\0\0\x08\0" + V4
FROM_AP = bytes.fromhex("8802") + bytes(2) + b"\1" * 6 + bytes(6) + MAC_A + bytes(4) + b"\xaa\xaa\3\0\0\0\x08\0" + V4
SLL = struct.pack("!HHH", 0, 1, 6) + MAC_A + bytes(2) + b"\x08\0"
SLL2 = b"\x08\0" + bytes(6) + struct.pack("!HBB", 1, 0, 6) + MAC_A + bytes(2)
PPPOE = b"\x11\0\0\1\0\x30\0\x21"

# link type, what precedes the IPv4 packet, whether it tells who sent it
LAYERS = {
    "Ethernet": (1, ethernet(b"", kind=0x0800), True),
    "802.1Q": (1, ethernet(b"", kind=0x0800, tags=(0x8100,)), True),
    "802.1ad": (1, ethernet(b"", kind=0x0800, tags=(0x88A8, 0x8100)), True),
    "QinQ of old": (1, ethernet(b"", kind=0x0800, tags=(0x9100, 0x8100)), True),
    "PPPoE": (1, ethernet(PPPOE, kind=0x8864), True),
    "PPPoE in a VLAN": (1, ethernet(PPPOE, kind=0x8864, tags=(0x8100,)), True),
    "MPLS": (1, ethernet(b"\0\1\0\x40\0\1\1\x40", kind=0x8847), True),
    "Ethernet over MPLS": (1, ethernet(b"\0\1\1\x40" + bytes(4) + ethernet(b"", kind=0x0800), kind=0x8847), True),
    "802.1ah": (1, ethernet(bytes(4) + ethernet(b"", kind=0x0800), kind=0x88E7, tags=(0x88A8,)), True),
    "SNAP": (1, ethernet(b"\xaa\xaa\3\0\0\0\x08\0", kind=100), True),
    "PPP": (9, b"\xff\3\0\x21", False),
    "PPP without HDLC": (9, b"\0\x21", False),
    "PPP compressed": (9, b"\x21", False),
    "PPP on a serial line": (50, b"\xff\3\0\x21", False),
    "Cisco HDLC on a serial line": (50, b"\x0f\0\x08\0", False),
    "Cisco HDLC": (104, b"\x0f\0\x08\0", False),
    "PPPoE alone": (51, PPPOE, False),
    "PPP with direction": (204, b"\1\xff\3\0\x21", False),
    "null, little-endian": (0, b"\2\0\0\0", False),
    "null, big-endian": (0, b"\0\0\0\2", False),
    "loop": (108, b"\0\0\0\2", False),
    "Linux cooked": (113, SLL, True),
    "Linux cooked v2": (276, SLL2, True),
    "radiotap": (127, b"\0\0\x0a\0" + bytes(6) + WIFI[: -len(V4)], True),
    "802.11 to the access point": (105, WIFI[: -len(V4)], True),
    "802.11 from the access point": (105, FROM_AP[: -len(V4)], True),
    "Prism": (119, bytes(144) + WIFI[: -len(V4)], True),
    "AVS": (163, bytes(4) + struct.pack("!I", 64) + bytes(56) + WIFI[: -len(V4)], True),
    "pktap": (258, struct.pack("<III", 108, 1, 1) + bytes(96) + ethernet(b"", kind=0x0800), True),
    "NFLOG": (239, b"\2\0\0\0" + b"\x08\0\1\0abcd\x05\0\x0a\0x\0\0\0" + b"\x34\0\x09\0", False),
    "NFLOG, big-endian": (239, b"\2\0\0\0" + b"\0\x08\0\1abcd" + b"\0\x34\0\x09", False),
    "packet filter log": (117, b"\x3d\2" + bytes(62), False),
    "enc": (109, bytes(12), False),
    "FDDI": (10, b"\x50" + MAC_A + MAC_A + b"\xaa\xaa\3\0\0\0\x08\0", False),
    "ATM": (100, b"\xaa\xaa\3\0\0\0\x08\0", False),
    "MPLS alone": (219, b"\0\1\1\x40", False),
    "netANALYZER": (240, bytes(4) + ethernet(b"", kind=0x0800), True),
    "PPI": (192, struct.pack("<BBHI", 0, 0, 8, 1) + ethernet(b"", kind=0x0800), True),
    "frame relay": (107, b"\x18\x41\x03\xcc", False),
    "frame relay, SNAP": (107, b"\x18\x40\x41\x03\0\x80\0\0\0\x08\0", False),
    "frame relay, Cisco": (107, b"\x18\x41\x08\0", False),
    **{f"raw {number}": (number, b"", False) for number in (12, 14, 101, 228)},
}


@pytest.mark.parametrize("link", LAYERS)
def test_the_packet_is_found_in_every_link_layer(link: str) -> None:
    link_type, head, tells = LAYERS[link]
    frame = head + V4
    expected = Packet(
        packed(A), packed(C), 17, struct.pack("!HH", 40000, 53), 0, len(V4), len(head) + 20, None, MAC_A * tells
    )
    for data in (frame, memoryview(bytearray(frame))):
        assert dissect(link_type, data, len(frame)) == expected
    assert dissect(link_type, frame + bytes(9), len(frame) + 9).length == len(V4), "padding does not count"


@pytest.mark.parametrize(
    ("link_type", "head"),
    [(229, b""), (101, b""), (0, b"\x1e\0\0\0"), (0, b"\0\0\0\x18"), (9, b"\0\x57"), (104, b"\x0f\0\x86\xdd")],
)
def test_ipv6_is_found_too(link_type: int, head: bytes) -> None:
    found = dissect(link_type, head + V6, len(head + V6))
    assert (found.source, found.destination, found.src_port, found.length) == (packed(A6), packed(B6), 40000, len(V6))


def test_a_header_tells_addresses_ports_and_flags() -> None:
    found = dissect(1, ethernet(ip4(tcp(1234, 443, 0x12), protocol=6)), 54)
    assert (found.src_ip, found.dst_ip, found.src_port, found.dst_port) == (0xC0A80105, 0x5DB8D822, 1234, 443)
    assert (found.protocol, found.flags, found.length) == (6, 0x12, 40)
    echo = dissect(101, ip4(icmp(8, 3), protocol=1), 44)
    assert (echo.src_port, echo.dst_port) == (8, 3)
    assert dissect(101, ip4(b"gre", protocol=47), 23).ports == bytes(4), "tunnels are their outer header"


def test_ipv4_options_are_passed_over() -> None:
    assert dissect(101, ip4(udp(7, 8), options=bytes(12)), 60).ports == b"\0\7\0\x08"


def test_a_total_length_of_0_is_a_segment_that_the_card_will_cut() -> None:
    assert dissect(1, ethernet(ip4(udp(), total=0)), 4000).length == 4000 - 14
    zero = bytearray(ip6(tcp(), protocol=6))
    zero[4:6] = b"\0\0"
    assert dissect(101, bytes(zero), 4000).length == 4000


def test_a_length_beyond_the_frame_is_that_of_the_frame() -> None:
    assert dissect(1, ethernet(ip4(udp(), total=60000)), 62).length == 48


@pytest.mark.parametrize("snap", [38, 42, 60])
def test_what_a_snap_length_cut_off_counts(snap: int) -> None:
    frame = ethernet(ip4(tcp(1, 2, 0x10, b"x" * 900), protocol=6))
    found = dissect(1, frame[:snap], len(frame))
    assert (found.ports, found.length) == (b"\0\1\0\2", 940)


def test_ipv6_extension_headers_are_walked_through() -> None:
    chain = bytes((60, 0)) + bytes(6) + bytes((51, 1)) + bytes(14) + bytes((17, 4)) + bytes(22) + udp(5, 6)
    found = dissect(101, ip6(chain, protocol=0), 999)
    assert (found.protocol, found.ports, found.transport) == (17, b"\0\5\0\6", 40 + 8 + 16 + 24)
    for headers, why in ((9, "short"), (100, "ip_header")):
        with pytest.raises(Skipped, match=why):
            dissect(101, ip6(bytes(8) * headers, protocol=0), 999)


def test_fragments_tell_their_datagram_and_only_the_first_has_ports() -> None:
    first = dissect(101, ip4(udp(5, 6), offset=0x2000, number=77), 48)
    later = dissect(101, ip4(b"x" * 24, offset=3, number=77), 44)
    assert (first.fragment, first.ports, later.fragment, later.ports) == (b"\0\x4d", b"\0\5\0\6", b"\0\x4d", bytes(4))
    assert dissect(101, ip4(udp(), offset=0x4000), 48).fragment is None, "don't fragment"
    head = struct.pack("!BBHI", 17, 0, 1, 99)
    assert dissect(101, ip6(head + udp(5, 6), protocol=44), 99).ports == b"\0\5\0\6"
    head = struct.pack("!BBHI", 17, 0, 8, 99)
    later = dissect(101, ip6(head + b"x" * 9, protocol=44), 99)
    assert (later.fragment, later.protocol, later.transport) == (b"\0\0\0\x63", 17, 0)


@pytest.mark.parametrize(
    ("link_type", "layer"),
    [
        (1, struct.pack("!HHHH", 100, 0x8100, 100, 0x8100)),
        (1, b"\0\0\x88\xe7" + bytes(4) + MAC_A + MAC_A + b"\x88\xe7"),
        (1, b"\0\0\x88\x47\0\0\1\0" + bytes(4) + MAC_A + MAC_A + b"\x88\x47"),
        (1, b"\0\0\0\x64\xaa\xaa\3\0\0\0\x81\0"),
        (219, b"\0\0\0\x40"),
        (107, b"\0"),
        (239, b"\x04\0\1\0"),
        (192, struct.pack("<BBHI", 0, 0, 8, 101)),
        (258, struct.pack("<III", 12, 1, 192)),
    ],
)
def test_deep_nests_end(link_type: int, layer: bytes) -> None:
    data = (layer * 70_000)[: 1 << 18]
    for start in range(3):
        frame = bytes(12 * (link_type == 1)) + data[start:]
        with pytest.raises(Skipped):
            dissect(link_type, frame, len(frame))


def test_arp_is_told_apart() -> None:
    assert frame_of(1, arp()) == (ARP, 14, MAC_A)


@pytest.mark.parametrize(
    ("link_type", "frame", "reason"),
    [
        (1, ethernet(b"\x42\x42\3" + bytes(40), kind=43), "llc"),  # spanning tree
        (1, ethernet(bytes(40), kind=0x88CC), "not_ip"),
        (1, arp(), "not_ip"),
        (1, b"\1" * 13, "short"),
        (1, ethernet(b"\0\0", kind=0x8100), "short"),
        (1, ethernet(V4[:19]), "short"),
        (1, ethernet(V4[:22]), "short"),
        (1, ethernet(V6[:39]), "short"),
        (1, ethernet(b"\x44" + V4[1:]), "ip_header"),
        (1, ethernet(V6, kind=0x0800), "ip_header"),
        (1, ethernet(V4, kind=0x86DD), "ip_header"),
        (1, ethernet(ip4(udp(), total=19)), "ip_length"),
        (1, ethernet(bytes(99), tags=(0x8100,) * 20, kind=0x0800), "not_ip"),
        (9, b"\xc0\x21" + bytes(30), "not_ip"),
        (0, b"\2\2\2\2" + V4, "not_ip"),
        (105, bytes.fromhex("8000") + bytes(60), "not_ip"),
        (105, bytes.fromhex("0841") + bytes(60), "not_ip"),
        (113, SLL[:-2] + b"\0\4" + b"\x42\x42\3" + bytes(9), "llc"),
        (113, SLL[:-2] + b"\0\1" + bytes(9), "not_ip"),
        (113, SLL[:9], "short"),
        (147, V4, "link_type"),
        (192, struct.pack("<BBHI", 0, 0, 8, 192) * 9, "link_type"),
        (258, struct.pack("<III", 0, 1, 258) * 9, "link_type"),
        (258, struct.pack("<III", 0, 1, 192) * 9, "link_type"),
        (239, b"\2\0\0\0" + bytes(9), "short"),
    ],
)
def test_what_is_no_ip_or_damaged_is_skipped_for_a_reason(link_type: int, frame: bytes, reason: str) -> None:
    with pytest.raises(Skipped) as skipped:
        dissect(link_type, frame, len(frame))
    assert skipped.value.reason == reason
