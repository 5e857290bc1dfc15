"""Devices betray themselves by ARP, ND, DHCP and their traffic; a router is not taken for those behind it."""

import struct
from typing import Any

import pytest
from packet_kit import (
    ACK,
    MAC_A,
    MAC_B,
    MAC_ROUTER,
    A,
    B,
    C,
    arp,
    ethernet,
    icmp,
    ip4,
    ip6,
    packed,
    tcp,
    udp,
)  # fmt: skip
from store_kit import NOON

from netwatchd.addresses import PRIVATE, Networks, address_text
from netwatchd.decoders.flowtable import FlowTable

TEXT_A, TEXT_B, TEXT_ROUTER = (mac.hex(":") for mac in (MAC_A, MAC_B, MAC_ROUTER))
LINK_LOCAL, GLOBAL = "fe80::5", "2001:db8::5"
TARGET, SOURCE = b"\2\1", b"\1\1"  # options of ND with a link-layer address


class Seen:
    """A table, and what it has told of devices."""

    def __init__(self, **settings: Any) -> None:
        settings.setdefault("networks", Networks(PRIVATE.split()))
        self.table = FlowTable(lambda now, count=1: now << 12, "capture", **settings)
        self.time = NOON

    def see(self, *frames: bytes, after: int = 1, link_type: int = 1) -> None:
        """Frames, so many milliseconds after each other."""
        for frame in frames:
            self.time += after
            self.table.see(self.time, link_type, frame, len(frame))

    def told(self, after: int = 0) -> list[tuple[str | None, tuple[str, ...], str | None, bool]]:
        """MAC, addresses, host name and presence of each sighting, once so many milliseconds have passed."""
        self.time += after
        self.table.due(self.time)
        return [
            (each.mac, tuple(address_text(ip) for ip in each.ips), each.hostname, each.online)
            for each in self.table.sightings()
        ]


def device(mac: str | None, *ips: str) -> tuple[str | None, tuple[str, ...], None, bool]:
    """A sighting of one that is there."""
    return mac, ips, None, True


def nd(
    kind: int, target: str = "::", src: str = LINK_LOCAL, option: bytes = b"", mac: bytes = MAC_A, hops: int = 255
) -> bytes:
    """A message of neighbour discovery."""
    body = bytes((kind, 0, 0, 0)) + bytes(4) + (packed(target) if kind >= 135 else b"") + option
    return ethernet(ip6(body, src, "ff02::1", 58, hops=hops), mac)


def dhcp(
    kind: int, *options: tuple[int, bytes], reply: bool = False, own: str = "0.0.0.0", given: str = "0.0.0.0"
) -> bytes:
    """A DHCP message in its frame."""
    body = struct.pack("!BBBBIHH", 2 if reply else 1, 1, 6, 0, 7, 0, 0) + packed(own) + packed(given) + bytes(8)
    body += MAC_A + bytes(10) + bytes(192) + b"\x63\x82\x53\x63" + bytes((53, 1, kind)) + b"\0"
    body += b"".join(bytes((code, len(value))) + value for code, value in options) + b"\xff"
    ports, who = ((67, 68), MAC_ROUTER) if reply else ((68, 67), MAC_A)
    return ethernet(ip4(udp(*ports, body), "0.0.0.0", "255.255.255.255"), who)


@pytest.mark.parametrize(
    ("frame", "told"),
    [
        (arp(), [device(TEXT_A, A)]),
        (arp(operation=2), [device(TEXT_A, A)]),
        (arp(asked=A), [device(TEXT_A, A)]),  # gratuitous
        (arp(ip="0.0.0.0"), []),  # a probe
        (arp(mac=b"\1" + MAC_A[1:]), []),
        (arp(operation=3), []),
        (arp(ip=C), []),  # not ours
        (nd(136, GLOBAL, option=TARGET + MAC_B), [device(TEXT_B, GLOBAL)]),
        (nd(136, GLOBAL), [device(TEXT_A, GLOBAL)]),
        (nd(135, "fe80::99", option=SOURCE + MAC_A), [device(TEXT_A, LINK_LOCAL)]),
        (nd(135, GLOBAL, "::"), [device(TEXT_A, GLOBAL)]),  # is anybody there, or may I have it?
        (nd(133, option=b"\5\1" + bytes(6) + SOURCE + MAC_A), [device(TEXT_A, LINK_LOCAL)]),
        (nd(133, src="::"), []),
        (nd(136, GLOBAL, hops=254), []),  # from another link
        (nd(136, "ff02::1"), []),
        (nd(136, GLOBAL, option=b"\7\0" + bytes(6)), [device(TEXT_A, GLOBAL)]),
        (nd(136)[:60], []),
        (dhcp(1, (12, b"tv\0")), [(TEXT_A, (), "tv", True)]),
        (dhcp(3, (12, b"tv"), (50, packed(A))), [(TEXT_A, (A,), "tv", True)]),
        (dhcp(3, own=B), [device(TEXT_A, B)]),
        (dhcp(5, (12, b"tv"), reply=True, given=A), [(TEXT_A, (A,), "tv", True)]),
        (dhcp(7, own=A), [(TEXT_A, (A,), None, False)]),
        (dhcp(8, own=A), [device(TEXT_A, A)]),
        (dhcp(2, reply=True, given=A), []),  # an offer
        (dhcp(6, reply=True), []),  # a refusal
        (dhcp(4), []),
        (dhcp(3, (12, b"\xff\0\x07"), (50, b"\1")), [device(TEXT_A)]),
        (dhcp(3, (12, b"long"), (12, b"er")), [(TEXT_A, (), "longer", True)]),
        (dhcp(1)[:100], []),
    ],
)  # fmt: skip
def test_who_says_who_it_is_is_told(frame: bytes, told: list[Any]) -> None:
    seen = Seen()
    seen.see(frame)
    assert seen.told() == told


def test_the_same_is_not_told_for_every_packet_but_again_later() -> None:
    seen = Seen(interface="br0")
    seen.see(*[arp()] * 50, *[dhcp(3, (50, packed(A)))] * 5)
    assert len(seen.told()) == 1
    seen.see(arp(), after=60_000)
    (again,) = seen.table.sightings()
    assert (again.source, again.interface, again.time) == ("capture", "br0", seen.time)


def test_an_address_that_moves_to_another_mac_is_told_at_once() -> None:
    seen = Seen()
    seen.see(arp(), arp(MAC_B, A), arp())
    assert seen.told() == [device(TEXT_A, A), device(TEXT_B, A), device(TEXT_A, A)]


def test_local_traffic_tells_of_a_device_once_it_had_time_to_prove_a_router() -> None:
    seen = Seen()
    seen.see(ethernet(ip4(udp())), ethernet(ip4(udp(40001))))
    assert seen.told() == []
    assert seen.told(after=5000) == [device(TEXT_A, A)]
    seen.see(ethernet(ip4(udp(40002))))
    assert seen.told(after=5000) == []


def test_at_the_end_nothing_waits() -> None:
    seen = Seen()
    seen.see(ethernet(ip4(udp())))
    seen.table.finish()
    assert [each.mac for each in seen.table.sightings()] == [TEXT_A]


@pytest.mark.parametrize(
    "proof",
    [
        [ethernet(ip4(udp(), C, A), MAC_ROUTER)],
        [ethernet(ip4(udp(), f"192.168.1.{n}", C), MAC_ROUTER) for n in range(10, 19)],
        [ethernet(ip6(udp(), f"2001:db8:{n}::1", "fd00::1"), MAC_ROUTER) for n in range(1, 6)],
        [nd(134, mac=MAC_ROUTER)],
    ],
)
def test_what_a_router_passes_on_is_not_its_own(proof: list[bytes]) -> None:
    seen = Seen()
    seen.see(ethernet(ip4(udp(), B, C), MAC_ROUTER), *proof, ethernet(ip4(udp(9), B, C), MAC_ROUTER))
    seen.see(arp(MAC_ROUTER, "192.168.1.1"))
    assert seen.told(after=5000) == [device(TEXT_ROUTER, "192.168.1.1")]


def test_one_device_may_have_several_addresses() -> None:
    seen = Seen()
    own = [f"192.168.1.{n}" for n in range(10, 14)]
    seen.see(*(ethernet(ip4(udp(), ip, C)) for ip in own))
    seen.see(*(ethernet(ip6(udp(), f"fd00::{n}", GLOBAL)) for n in range(1, 20)))
    assert len(seen.told(after=5000)) == 4 + 19


def test_what_arp_says_goes_before_what_traffic_says() -> None:
    seen = Seen()
    seen.see(arp(MAC_B, A), ethernet(ip4(udp()), MAC_A))
    assert seen.told(after=5000) == [device(TEXT_B, A)]


@pytest.mark.parametrize("source", [C, "0.0.0.0", "224.0.0.5", "127.0.0.1", "2001:db8::1", "::"])
def test_addresses_of_nobody_here_are_no_devices(source: str) -> None:
    seen = Seen()
    packet = ip6(udp(), source, GLOBAL) if ":" in source else ip4(udp(), source, A)
    seen.see(ethernet(packet))
    assert seen.told(after=5000) == []


def test_a_mac_that_no_station_can_own_is_none() -> None:
    seen = Seen()
    seen.see(ethernet(ip4(udp()), bytes(6)), ethernet(ip4(udp()), b"\xff" * 6))
    assert seen.told(after=5000) == []


def test_without_a_link_layer_an_address_is_a_device() -> None:
    seen = Seen()
    seen.see(ip4(udp()), ip4(tcp(443, 40000, ACK), C, A, 6), ip4(icmp(), A, C, 1), link_type=101)
    assert seen.told() == [device(None, A)]


def test_made_up_addresses_cannot_fill_the_memory() -> None:
    seen = Seen()
    for number in range(40_000):
        seen.see(arp(MAC_A[:3] + number.to_bytes(3, "big"), address_text(0x0A000001 + number)), after=0)
    stations = seen.table.stations
    held = (stations._told, stations._owners, stations._own, stations._waiting)
    assert all(len(each) <= 16_384 for each in held)
    assert len(seen.told()) == 40_000


def test_an_address_that_a_virtual_router_shows_stays_with_its_owner() -> None:
    seen = Seen()
    seen.see(arp(bytes.fromhex("00005e00010a"), A), ethernet(ip4(udp()), MAC_A))
    assert seen.told(after=5000) == [device("00:00:5e:00:01:0a", A), device(TEXT_A, A)], "ingest counts the first one"


def test_the_broadcast_of_a_network_is_nobody() -> None:
    seen = Seen(networks=Networks(["192.168.1.0/24"]))
    seen.see(ip4(udp(), "192.168.1.255"), arp(MAC_A, "192.168.1.255"), link_type=101)
    seen.see(arp(MAC_A, "192.168.1.0"))
    assert seen.told(after=5000) == []
