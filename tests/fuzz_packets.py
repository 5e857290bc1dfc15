"""Captures and packets, for the fuzzers: nothing that is captured raises, and each packet is in a flow or counted."""

import struct

from fuzz_checks import check_event
from fuzz_targets import Target, in_short
from packet_kit import (
    ACK,
    FIN,
    MAC_A,
    MAC_B,
    RST,
    SYN,
    A,
    B,
    C,
    arp,
    block,
    enhanced,
    ethernet,
    icmp,
    interface,
    ip4,
    ip6,
    packed,
    pcap,
    section,
    tcp,
    udp,
)  # fmt: skip

from netwatchd.addresses import PRIVATE, Networks, address_text, parse_address
from netwatchd.decoders.flowtable import MOST_FRAGMENTS, FlowTable
from netwatchd.decoders.links import LINKS, Skipped
from netwatchd.decoders.packets import dissect
from netwatchd.decoders.pcap import NotACapture
from netwatchd.decoders.pcapng import open_capture
from netwatchd.events import new_event_id

_MOST = 64


def read_capture(data: bytes) -> str:
    """What can be read of a capture becomes flows and sightings that can be stored and told, packet by packet."""
    try:
        capture = open_capture(data)
    except NotACapture as error:
        assert str(error)
        return in_short(error)
    table, packets, before = _table(), 0, 0
    for time, link_type, frame, wire, place in capture:
        assert before < place <= len(data)
        assert len(frame) <= wire
        table.see(time // 1_000_000, link_type, frame, wire)
        packets, before = packets + 1, place
    counted = _check(table)
    assert counted + table.skipped.total() == packets
    words = "".join(sorted(capture.skipped))
    return f"{min(packets, 3)} packets, {min(counted, 3)} accounted, {words}"


def read_frame(data: bytes) -> str:
    """Any frame of any link type is read twice alike, from bytes and in place, with two bytes for the link type."""
    if len(data) < 2:
        return "short"
    link_type, frame = sorted(LINKS)[data[0] % len(LINKS)], data[1:]
    wire = len(frame) + data[0]
    try:
        packet = dissect(link_type, frame, wire)
    except Skipped as skipped:
        said = skipped.reason
    else:
        said = f"protocol {packet.protocol}"
        assert packet == dissect(link_type, memoryview(bytearray(frame)), wire)
        assert 0 < packet.length <= wire
        assert len(packet.source) == len(packet.destination) in (4, 16)
        assert len(packet.ports) == 4
        assert len(packet.mac) in (0, 6)
        for address in (packet.src_ip, packet.dst_ip):
            assert parse_address(address_text(address)) == address
    table = _table()
    for time in (0, 1, 1000):
        table.see(time, link_type, memoryview(frame), wire)
    assert _check(table) + table.skipped.total() == 3
    return said


def _table() -> FlowTable:
    last = 0

    def new_id(now: int, count: int = 1, /) -> int:
        nonlocal last
        last = new_event_id(last, now)
        return last

    return FlowTable(new_id, "replay", networks=Networks(PRIVATE.split()), interval=1000, most=_MOST)


def _check(table: FlowTable) -> int:
    """The packets in flows; all that is told is fit for the database and for the clients."""
    assert len(table) <= _MOST
    assert len(table._fragments) <= MOST_FRAGMENTS
    assert len(table._early) <= MOST_FRAGMENTS
    flows = table.finish()
    for flow in flows:
        check_event(flow)
        assert flow.start <= flow.end
        assert flow.packets_out + flow.packets_in > 0
    for sighting in table.sightings():
        check_event(sighting)
    assert len({flow.id for flow in flows}) == len(flows)
    assert len(table) == 0
    return sum(flow.packets_out + flow.packets_in for flow in flows)


_DHCP = struct.pack("!BBBBIHH", 1, 1, 6, 0, 7, 0, 0) + bytes(16) + MAC_A + bytes(202) + b"\x63\x82\x53\x63"
_ND = bytes((135, 0, 0, 0)) + bytes(4) + packed("fe80::9") + b"\1\1" + MAC_A
_FRAMES = [
    ethernet(ip4(tcp(flags=SYN), protocol=6)), ethernet(ip4(tcp(443, 40000, SYN | ACK), C, A, 6), MAC_B),
    ethernet(ip4(tcp(flags=FIN | ACK), protocol=6)), ethernet(ip4(tcp(443, 40000, RST), C, A, 6), MAC_B),
    ethernet(ip4(udp(), A, B)), ethernet(ip6(udp())), ethernet(ip4(icmp(), protocol=1), tags=(0x88A8, 0x8100)),
    ethernet(ip4(udp(), offset=0x2000)), ethernet(ip4(b"x" * 9, offset=3)),
    ethernet(ip4(b"x" * 9, offset=3, number=8)), ethernet(ip4(udp(), offset=0x2000, number=8)),
    arp(), arp(MAC_B, B, A, 2),
    ethernet(ip4(udp(68, 67, _DHCP + b"\x35\1\3\x0c\2tv\x32\4" + packed(A) + b"\xff"), "0.0.0.0", "255.255.255.255")),
    ethernet(ip6(_ND, "fe80::5", "ff02::1", 58, hops=255)),
    ethernet(ip6(bytes((44, 0)) + bytes(6) + struct.pack("!BBHI", 17, 0, 1, 9) + udp(), protocol=0)),
    ethernet(b"\x11\0\0\1\0\x30\0\x21" + ip4(udp()), kind=0x8864), ethernet(b"\0\1\1\x40" + ip4(udp()), kind=0x8847),
]  # fmt: skip
_NG = section() + interface(options=((9, b"\x09"), (14, b"\1" + bytes(7)))) + block(5, bytes(12))
CAPTURES = [
    pcap([(1_700_000_000_000_000 + number, frame) for number, frame in enumerate(_FRAMES)]),
    pcap([(number, frame) for number, frame in enumerate(_FRAMES)], order=">", magic=0xA1B23C4D, cut=60),
    _NG + b"".join(enhanced(number * 10**9, frame) for number, frame in enumerate(_FRAMES))
    + section(">") + interface(101, ">") + enhanced(9, ip4(udp()), 0, ">") + block(3, b"\0\0\0\x09" + b"x" * 9, ">"),
]  # fmt: skip
PACKETS = [
    Target("captures", CAPTURES, read_capture, (b"\x0a\x0d\x0d\x0a", b"\6\0\0\0", *_FRAMES)),
    Target("frames", [b"\1" + frame for frame in _FRAMES], read_frame, (b"\x08\0\x45", b"\x81\0", b"\x86\xdd\x60")),
]
