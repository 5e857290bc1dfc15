"""Promises of the ring and its filters: the real kernel, a pair of interfaces, and frames byte by byte."""

import fcntl
import os
import socket
import struct
import threading
import time

import pytest
from capture_kit import (
    ALL,
    CONTROL,
    arp,
    ethernet,
    ipv4,
    namespace,
    packet4,
    packet6,
    raw_socket,
    read_until,
    ring_in,
    tcp,
    udp,
    wire,
)
from home import running, why_not
from link import _open_device
from waiting import eventually

from netwatchd.decoders import bpf
from netwatchd.sources.interfaces import default_interface, local_interface
from netwatchd.sources.ring import ETHERNET, RAW_IP, NotUnderstood, Ring

needs_namespaces = pytest.mark.skipif(bool(why_not()), reason=str(why_not()))

TCP, UDP, ICMP, ICMPV6 = 6, 17, 1, 58
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
_TUNSETLINK = 0x400454CD  # linux/if_tun.h
HOP_BY_HOP, ROUTING, FRAGMENT, OPTIONS = 0, 43, 44, 60

# IP packets: what they are, the packet, whether the filter `control` takes it.
PACKETS = [
    ("DNS query", packet4(UDP, udp(50000, 53)), True),
    ("DNS answer", packet4(UDP, udp(53, 50000)), True),
    ("DNS by TCP", packet4(TCP, tcp(PSH | ACK, destination=53, payload=b"x" * 200)), True),
    ("DNS answer by TCP", packet4(TCP, tcp(PSH | ACK, source=53, payload=b"x" * 200)), True),
    ("DHCP request", packet4(UDP, udp(68, 67)), True),
    ("DHCP answer", packet4(UDP, udp(67, 68)), True),
    ("NetBIOS names", packet4(UDP, udp(137, 137)), True),
    ("NetBIOS datagram", packet4(UDP, udp(138, 138)), True),
    ("mDNS", packet4(UDP, udp(5353, 5353)), True),
    ("LLMNR", packet4(UDP, udp(50001, 5355)), True),
    ("SSDP", packet4(UDP, udp(50002, 1900)), True),
    ("SYN", packet4(TCP, tcp(SYN)), True),
    ("SYN-ACK", packet4(TCP, tcp(SYN | ACK)), True),
    ("FIN", packet4(TCP, tcp(FIN | ACK)), True),
    ("RST", packet4(TCP, tcp(RST)), True),
    ("SYN behind IP options", packet4(TCP, tcp(SYN), options=b"\1" * 12), True),
    ("DNS, first fragment", packet4(UDP, udp(50000, 53), offset=0x2000), True),
    ("IPv6 SYN", packet6(TCP, tcp(SYN)), True),
    ("DHCPv6", packet6(UDP, udp(546, 547)), True),
    ("DHCPv6 answer", packet6(UDP, udp(547, 546)), True),
    ("IPv6 DNS behind options", packet6(OPTIONS, bytes([UDP, 0, *bytes(6)]) + udp(50000, 53)), True),
    ("IPv6 SYN behind two headers",
     packet6(HOP_BY_HOP, bytes([ROUTING, 1, *bytes(14), TCP, 0, *bytes(6)]) + tcp(SYN)), True),
    ("IPv6 DNS, first fragment", packet6(FRAGMENT, struct.pack(">BBHI", UDP, 0, 1, 9) + udp(50000, 53)), True),
    *((f"ICMPv6 {kind}", packet6(ICMPV6, bytes([kind, 0, *bytes(30)])), True) for kind in range(133, 138)),
    ("data", packet4(TCP, tcp(PSH | ACK, destination=443, payload=b"x" * 200)), False),
    ("HTTP request", packet4(TCP, tcp(PSH | ACK, payload=b"x" * 200)), False),
    ("HTTP request over IPv6", packet6(TCP, tcp(PSH | ACK, destination=8080, payload=b"x" * 200)), False),
    ("HTTP answer", packet4(TCP, tcp(PSH | ACK, source=80, destination=40000, payload=b"x" * 200)), False),
    ("ACK", packet4(TCP, tcp(ACK)), False),
    ("any other datagram", packet4(UDP, udp(50000, 443)), False),
    ("datagram with ports like flags", packet4(UDP, udp(52, 54)), False),
    ("ping", packet4(ICMP, struct.pack(">BBHHH", 8, 0, 0, 1, 1) + b"x" * 50), False),
    ("later fragment, like DNS", packet4(UDP, udp(53, 53), offset=100), False),
    ("IPv6 data", packet6(TCP, tcp(PSH | ACK, destination=443, payload=b"x" * 100)), False),
    ("IPv6 datagram", packet6(UDP, udp(50000, 443)), False),
    ("IPv6 ping", packet6(ICMPV6, bytes([128, 0, *bytes(30)])), False),
    ("ICMPv6 above ND", packet6(ICMPV6, bytes([138, 0, *bytes(30)])), False),
    ("IPv6 later fragment", packet6(FRAGMENT, struct.pack(">BBHI", UDP, 0, 100 << 3, 9) + udp(53, 53)), False),
    ("cut off", packet4(TCP, b"\0\0\0\0"), False),
]  # fmt: skip

TAGGED = [(), ((0x8100, 5),), ((0x88A8, 7), (0x8100, 5))]


def frames() -> list[tuple[str, bytes, bool]]:
    """Every packet in every frame; its name, the frame, whether `control` takes it."""
    made = [("ARP", ethernet(0x0806, arp()), True), ("ARP, tagged", ethernet(0x0806, arp(), (0x8100, 5)), True)]
    cdp = bytes.fromhex("aaaa0300000c2000") + bytes(60)
    made += [("LLDP", ethernet(0x88CC, bytes(60)), True), ("CDP", ethernet(len(cdp), cdp), True)]
    made += [("spanning tree", ethernet(60, b"\x42\x42\3" + bytes(57)), False)]
    made += [("another protocol of Cisco", ethernet(len(cdp), cdp[:6] + b"\1\x0b" + bytes(60)), False)]
    made += [("neither IP nor ARP", ethernet(0x9000, cdp), False)]
    for name, packet, passes in PACKETS:
        kind, ppp = (0x86DD, 0x57) if packet[0] >> 4 == 6 else (0x0800, 0x21)
        made += [(f"{name}, {len(tags)} tags", ethernet(kind, packet, *tags), passes) for tags in TAGGED]
        # RFC 2516: version and type, code, session, length.
        session = struct.pack(">BBHHH", 0x11, 0, 1, len(packet) + 2, ppp) + packet
        made.append((f"{name}, PPPoE", ethernet(0x8864, session), passes))
        made.append((f"{name}, tagged PPPoE", ethernet(0x8864, session, (0x8100, 5)), passes))
    return made


def payload(frame: bytes) -> bytes:
    """The frame without the tag that the kernel may have taken off already."""
    return frame[:12] + frame[16:] if frame[12:14] in (b"\x81\x00", b"\x88\xa8") else frame


END = ethernet(0x0806, b"the end" + bytes(40))


@needs_namespaces
def test_control_takes_what_it_names_in_every_frame_and_nothing_else() -> None:
    cases = frames()
    with wire() as (near, far), ring_in(near, CONTROL) as ring, raw_socket(far) as sender:
        assert ring.link_type == ETHERNET
        for _, frame, _ in cases:
            sender.send(frame)
        sender.send(END)
        got = [data for _, _, data in read_until(ring, lambda packets: packets and packets[-1][2] == END)]
    taken = [name for name, frame, _ in cases if frame in got or payload(frame) in got]
    assert taken == [name for name, _, passes in cases if passes]
    assert len(got) == len(taken) + 1


@needs_namespaces
def test_all_takes_everything_and_of_what_is_not_control_the_headers_only() -> None:
    cases = [(name, frame, passes) for name, frame, passes in frames() if len(frame) > 180]
    with wire() as (near, far), ring_in(near, ALL) as ring, raw_socket(far) as sender:
        for _, frame, _ in cases:
            sender.send(frame)
        packets = read_until(ring, lambda packets: len(packets) >= len(cases))
    assert len(packets) == len(cases)
    for (name, frame, passes), (_, length, data) in zip(cases, packets, strict=True):
        whole = payload(frame) if length < len(frame) else frame
        assert length == len(whole), name
        kept = passes or name.startswith("HTTP request")  # which says who makes it
        assert data == (whole if kept else whole[: bpf.HEADERS]), name


@needs_namespaces
def test_nothing_comes_in_before_the_filter_is_there() -> None:
    unwanted = ethernet(0x0800, packet4(UDP, udp(50000, 443)))
    ended = threading.Event()

    def flood() -> None:
        while not ended.is_set():
            sender.send(unwanted)

    with wire() as (near, far), raw_socket(far) as sender, running(flood):
        try:
            for _ in range(20):
                with ring_in(near, CONTROL) as ring, raw_socket(far) as other:
                    other.send(END)
                    assert {data for _, _, data in read_until(ring, bool)} == {END}
        finally:
            ended.set()


@needs_namespaces
def test_a_device_without_link_headers_is_read_as_ip() -> None:
    with namespace("tun") as place:
        device = _open_device(place, "tun0")
        place.sysctl("net.ipv6.conf.all.disable_ipv6", 1)
        place.ip("link set tun0 up")
        with ring_in(place, CONTROL, "tun0") as ring:
            assert ring.link_type == RAW_IP
            for _, packet, _ in PACKETS:
                os.write(device, packet)
            os.write(device, packet4(TCP, tcp(SYN, seq=99)))
            wanted = [packet for _, packet, passes in PACKETS if passes]
            got = [data for _, _, data in read_until(ring, lambda packets: len(packets) > len(wanted))]
        os.close(device)
    assert got[:-1] == wanted


@needs_namespaces
def test_times_are_those_of_arrival_and_both_directions_are_seen_once() -> None:
    code = f"import socket; s = socket.socket(2, 2); s.sendto(b'x' * 100, ('{ipv4(2)}', 53))"
    with wire() as (near, _), ring_in(near, CONTROL) as ring:
        before = time.time_ns() // 1_000_000
        near.python(code)
        packets = read_until(ring, lambda packets: any(data[12:14] == b"\x08\x00" for _, _, data in packets))
        assert all(before <= at <= time.time_ns() // 1_000_000 for at, _, _ in packets)
    # Its ARP question and the answer to it came before.
    assert [data[12:14] for _, _, data in packets] == [b"\x08\x06", b"\x08\x06", b"\x08\x00"]


@needs_namespaces
def test_the_loopback_interface_shows_each_packet_once() -> None:
    with namespace("lo") as place, ring_in(place, CONTROL, "lo") as ring:
        place.python("import socket; s = socket.socket(2, 2); [s.sendto(b'x', ('127.0.0.1', 53)) for _ in 'ab']")
        place.python("import socket; s = socket.socket(2, 2); s.sendto(b'the end', ('127.0.0.1', 53))")
        packets = read_until(ring, lambda packets: packets and packets[-1][2].endswith(b"the end"))
    assert len(packets) == 3


def promiscuity(place: object, interface: str = "eth0") -> int:
    """How many want the interface to take every frame."""
    (link,) = place.json("ip", "-j", "-d", "link", "show", interface)  # type: ignore[attr-defined]
    return int(link["promiscuity"])


@needs_namespaces
def test_promiscuous_only_if_asked_for_and_undone_at_the_end() -> None:
    foreign = ethernet(0x0806, arp(), to=3)
    with wire() as (near, far), raw_socket(far) as sender:
        before = promiscuity(near)
        with ring_in(near, CONTROL):
            assert promiscuity(near) == before
        with ring_in(near, CONTROL, promiscuous=True) as ring:
            assert promiscuity(near) == before + 1
            sender.send(foreign)
            assert read_until(ring, bool)[0][2] == foreign
        assert promiscuity(near) == before


@needs_namespaces
def test_what_came_in_while_nobody_read_is_counted_as_dropped_to_the_packet() -> None:
    frame = ethernet(0x0800, packet4(UDP, udp(53, 53, b"x" * 1000)))
    with wire() as (near, far), ring_in(near, CONTROL, size=1 << 18) as ring, raw_socket(far) as sender:
        for _ in range(1000):
            sender.send(frame)
        kept = 0
        while block := ring.read():
            kept += len(block)
        passed, dropped, frozen = ring.statistics()
        # The block that was being filled comes a moment later.
        kept += len(read_until(ring, lambda packets: kept + len(packets) >= passed - dropped))
    assert passed == 1000
    assert dropped > 0 and frozen > 0
    assert kept + dropped == 1000


@needs_namespaces
def test_an_interface_that_goes_down_or_away_says_so() -> None:
    with wire() as (near, _), ring_in(near, CONTROL) as ring:
        near.ip("link set eth0 down")
        with pytest.raises(OSError, match="down"):
            eventually(ring.check)
        assert ring.is_there()
        with near.entered(), pytest.raises(OSError, match="down"):
            Ring("eth0", 1 << 18, CONTROL)
        near.ip("link del eth0")
        eventually(lambda: not ring.is_there())
        with near.entered(), pytest.raises(OSError, match="No such device"):
            Ring("eth0", 1 << 18, CONTROL)


@needs_namespaces
def test_an_interface_that_carries_no_ip_is_not_understood() -> None:
    with namespace("radio") as place:
        device = _open_device(place, "mon0")
        fcntl.ioctl(device, _TUNSETLINK, 803)  # ARPHRD_IEEE80211_RADIOTAP: wireless, in monitor mode
        place.ip("link set mon0 up")
        with place.entered(), pytest.raises(NotUnderstood, match="mon0 has the link type 803"):
            Ring("mon0", 1 << 18, CONTROL)
        os.close(device)


ROUTES = """Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT
wlan0	00000000	0101A8C0	0003	0	0	600	00000000	0	0	0
eth0	00000000	0101A8C0	0003	0	0	100	00000000	0	0	0
eth1	0001A8C0	00000000	0001	0	0	0	00FFFFFF	0	0	0
"""
NOWHERE = "0" * 32
ROUTES6 = f"""{NOWHERE} 00 {NOWHERE} 00 fe80{"0" * 27}1 00000400 00000001 00000000 00000003 eth2
{NOWHERE} 00 {NOWHERE} 00 {NOWHERE} ffffffff 00000001 00000000 00200200 lo
"""


def test_the_default_route_with_the_lowest_metric_names_the_interface() -> None:
    assert default_interface(ROUTES, ROUTES6) == "eth0"
    assert default_interface("", ROUTES6) == "eth2"
    assert default_interface("", "") is None


@needs_namespaces
def test_the_bridge_of_the_local_network_comes_before_the_default_route() -> None:
    with wire() as (near, _):
        with near.entered():
            assert local_interface() is None
        near.ip(f"route add default via {ipv4(2)}")
        with near.entered():
            assert local_interface() == "eth0"
        near.ip("link add br-lan type bridge")
        with near.entered():
            assert local_interface() == "br-lan"


BAD_PROGRAMS = [
    (["twice", "twice", ("return", 0)], "stands twice"),
    ([("if =", 1, "end"), *[("return", 0)] * 300, "end", ("return", 1)], "300 instructions away"),
    (["start", ("load byte", 0), ("if =", 1, "start"), ("return", 0)], "-2 instructions away"),
    ([("return", 0)] * 5000, "more than the kernel takes"),
]


@pytest.mark.parametrize(("lines", "complaint"), BAD_PROGRAMS)
def test_a_program_that_the_kernel_would_not_take_is_a_mistake(lines: list[bpf.Line], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        bpf.assemble(lines)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, for a packet socket")
def test_the_kernel_takes_no_program_with_a_hole() -> None:
    with pytest.raises(OSError, match="Invalid argument"):
        Ring("lo", 1 << 18, (bpf.assemble([("load byte", 0)]),) * 2)
    assert socket.if_nametoindex("lo")
