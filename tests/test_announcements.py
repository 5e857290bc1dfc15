"""What packets say of devices becomes clues of whoever said it, once an hour; routers and resolvers say nothing so."""

import struct
from pathlib import Path
from typing import Any

import pytest
from announce_kit import (
    A_TYPE,
    Seen,
    browser,
    host,
    mdns,
    message,
    ptr,
    question,
    registration,
    ssdp,
)
from packet_kit import (
    ACK,
    MAC_A,
    MAC_B,
    MAC_ROUTER,
    SYN,
    A,
    B,
    C,
    arp,
    ethernet,
    icmp,
    ip4,
    ip6,
    pcap,
    tcp,
    udp,
)
from replay_kit import Run

from netwatchd.addresses import address_text, parse_address
from netwatchd.decoders.clouds import CLOUDS, cloud_of
from netwatchd.decoders.clues import HOUR, MOST_OF_A_KIND, MOST_TOLD, Told, printable
from netwatchd.events import Clue
from netwatchd.storage import queries

ME = parse_address(A)
TEXT_A, TEXT_B, TEXT_ROUTER = (mac.hex(":") for mac in (MAC_A, MAC_B, MAC_ROUTER))
HELLO = mdns(message(host("tv.local", A)))
NAMED = {TEXT_A: [("mdns_name", "tv")]}


def asks(domain: str, src: str = A, dst: str = C, mac: bytes = MAC_A, port: int = 40000) -> bytes:
    """A DNS query in its frame."""
    return ethernet(ip4(udp(port, 53, message(questions=(question(domain, A_TYPE),), flags=0x100)), src, dst), mac)


def requests(payload: bytes, flags: int = ACK, src: str = A, mac: bytes = MAC_A) -> bytes:
    """A segment of a connection to a web server."""
    return ethernet(ip4(tcp(40001, 80, flags, payload), src, C, 6), mac)


GET = b"GET /x HTTP/1.1\r\nHost: example.com\r\nUser-Agent: Thing/1.0 (Linux)\r\n\r\n"


# HTTP and DNS.


def test_the_first_segment_that_holds_something_is_read_and_no_other() -> None:
    seen = Seen()
    other = GET.replace(b"Thing", b"Later")
    seen.see(requests(b"", SYN), requests(b""), requests(GET), requests(other))
    assert seen.told(after=5000) == {TEXT_A: [("http_agent", "Thing/1.0 (Linux)")]}
    seen = Seen()
    seen.see(*[requests(b"")] * 9, requests(GET))  # joined in the middle: it is not waited for
    assert seen.told(after=5000) == {}


def test_of_a_query_only_whose_cloud_it_is_for_is_kept() -> None:
    seen = Seen()
    seen.see(*[asks("secret.Devs.TPlinkCloud.com")] * 3, asks("example.com"), asks("tplinkcloud.com.example.org"))
    assert seen.told() == {}  # it may be a router
    assert seen.told(after=5000) == {TEXT_A: [("cloud", "devs.tplinkcloud.com")]}


def test_who_is_asked_itself_asks_for_others() -> None:
    seen = Seen()
    seen.see(asks("devs.tplinkcloud.com", A, B), asks("devs.tplinkcloud.com", B, C, MAC_B))
    assert seen.told(after=5000) == {TEXT_A: [("cloud", "devs.tplinkcloud.com")]}


def test_every_cloud_says_why_and_is_found() -> None:
    for domain, why in CLOUDS.items():
        assert cloud_of(("a", *domain.split("."))) == domain
        assert cloud_of(("not" + domain.split(".")[0], *domain.split(".")[1:])) != domain
        assert len(why) > 10
    assert cloud_of(()) is None
    assert cloud_of(("com",)) is None


# Whom it is put down to.


def test_what_is_sent_to_all_is_told_at_once_and_again_after_an_hour() -> None:
    seen = Seen()
    seen.see(*[HELLO] * 20)
    assert seen.told() == NAMED
    seen.see(HELLO, after=HOUR - 20)
    assert seen.told() == {}
    seen.see(HELLO, after=21)
    assert seen.told() == NAMED


def test_a_clue_comes_with_the_address_and_none_with_one_that_arp_says_is_anothers() -> None:
    seen = Seen()
    seen.see(HELLO)
    (told,) = seen.table.sightings()
    assert (told.mac, told.ips, told.clues) == (TEXT_A, (ME,), (Clue("mdns_name", "tv"),))
    seen = Seen()
    seen.see(arp(MAC_B, A), HELLO)
    assert seen.told(after=5000) == {}


def test_a_router_is_believed_for_an_address_that_is_its_own() -> None:
    passed_on = [ethernet(ip4(udp(), f"93.184.216.{n}", B), MAC_ROUTER) for n in range(1, 4)]
    hello = mdns(message(host("fritz.local", A)), mac=MAC_ROUTER)
    seen = Seen()
    seen.see(*passed_on, hello, asks("devs.tplinkcloud.com", mac=MAC_ROUTER), requests(GET, mac=MAC_ROUTER))
    assert seen.told(after=5000) == {TEXT_ROUTER: [("role", "router")]}
    seen.see(arp(MAC_ROUTER, A), hello)
    assert seen.told() == {TEXT_ROUTER: [("mdns_name", "fritz")]}


def test_a_router_is_who_passes_on_packets_from_several_hosts_elsewhere_to_hosts_here() -> None:
    seen = Seen()
    seen.see(*(ethernet(ip4(udp(n), C, B), MAC_ROUTER) for n in range(1, 9)))  # one with an address of its own
    # False addresses, as in an attack, on their way out.
    seen.see(*(ethernet(ip4(udp(), f"93.184.216.{n}", "8.8.8.8"), MAC_A) for n in range(1, 9)))
    assert seen.told() == {}
    seen.see(*(ethernet(ip4(udp(), f"93.184.216.{n}", B), MAC_ROUTER) for n in range(1, 3)))
    assert seen.told() == {TEXT_ROUTER: [("role", "router")]}


@pytest.mark.parametrize(("lifetime", "told"), [(1800, {TEXT_ROUTER: [("role", "router")]}), (0, {})])
def test_who_advertises_itself_as_a_way_out_is_a_router(lifetime: int, told: dict[str, Any]) -> None:
    advertisement = bytes((134, 0, 0, 0, 64, 0)) + struct.pack("!H", lifetime) + bytes(8)
    seen = Seen()
    seen.see(ethernet(ip6(advertisement, "fe80::1", "ff02::1", 58, hops=255), MAC_ROUTER))
    assert seen.told() == told


def test_an_open_port_tells_once_its_host_answered_on_it() -> None:
    seen = Seen()
    seen.see(*(ethernet(ip4(tcp(port, 40000, SYN | ACK), A, B, 6)) for port in (9100, 40001)))
    seen.see(ethernet(ip4(tcp(40000, 631, SYN), B, A, 6), MAC_B))
    assert seen.told(after=5000) == {TEXT_A: [("port", "tcp/9100")]}


def test_foreign_addresses_say_nothing() -> None:
    seen = Seen(networks="192.168.1.0/24")
    seen.see(mdns(message(host("tv.local", "10.9.9.9")), "10.9.9.9"), mdns(message(host("tv.local", C)), C))
    seen.see(mdns(message(host("tv.local", A)), mac=b"\1" + MAC_A[1:]))
    assert seen.told(after=5000) == {}


def test_ipv6_on_the_link_is_the_mac_s_whatever_its_network() -> None:
    seen = Seen()
    seen.see(mdns(message(host("tv.local", "2001:db8::5")), "2001:db8::5"))
    (told,) = seen.table.sightings()
    assert (told.mac, told.ips, told.clues) == (TEXT_A, (), (Clue("mdns_name", "tv"),))


def test_without_a_link_layer_clues_are_the_address_s() -> None:
    seen = Seen(link_type=101)
    seen.see(HELLO[14:], asks("devs.tplinkcloud.com")[14:])
    assert seen.told() == {A: [("mdns_name", "tv"), ("cloud", "devs.tplinkcloud.com")]}


def test_every_packet_of_a_port_that_announces_is_looked_at() -> None:
    seen = Seen()
    names = [f"tv{number}" for number in range(5)]
    seen.see(*(mdns(message(host(f"{each}.local", A))) for each in names))
    assert seen.told() == {TEXT_A: [("mdns_name", each) for each in names]}


@pytest.mark.parametrize(
    ("datagram", "dst", "told"),
    [
        (udp(1900, 1900, ssdp("NTS: ssdp:alive", "NT: x")), "239.255.255.250", [("ssdp_type", "x")]),
        (udp(5355, 40000, message(host("pc", A), flags=0x8000)), B, [("llmnr_name", "pc")]),
        (udp(137, 137, registration()), "192.168.1.255", [("netbios_name", "TV")]),
        (udp(138, 138, browser()), "192.168.1.255", [("netbios_name", "NAS")]),
        (udp(5353, 5353, message(ptr("_ipp._tcp.local", ("x", "_ipp", "_tcp", "local")))), "224.0.0.251",
         [("mdns_service", "_ipp._tcp"), ("mdns_instance", "x")]),
        (udp(40000, 5353, message(host("tv.local", A))), "224.0.0.251", []),
        (udp(40000, 5355, message(host("tv", A))), "224.0.0.252", []),
    ],
)  # fmt: skip
def test_each_port_has_its_reader(datagram: bytes, dst: str, told: list[Any]) -> None:
    seen = Seen()
    seen.see(ethernet(ip4(datagram, A, dst)))
    assert seen.told(after=5000) == ({TEXT_A: told} if told else {})


def test_other_packets_say_nothing() -> None:
    seen = Seen()
    seen.see(ethernet(ip4(icmp(), protocol=1)), ethernet(ip4(udp(1, 2))), ethernet(ip4(b"x" * 9, offset=3)))
    seen.see(ethernet(ip4(udp(5353, 5353, b""), dst="224.0.0.251")), requests(b"\0" * 6))
    assert seen.told(after=5000) == {}


# Bounds.


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"tv\0\0", "tv"), (b" a\r\n b\t", "a b"), (b"\xff\xfe", ""), (b"caf\xe9", "caf\ufffd"), (b"a\0b", ""),
        (b"a\x1bb", ""), ("a\u202eb", "ab"), ("x" * 300, "x" * 255), (b"", ""), ("\u200d", ""),
        ("Küche 📺", "Küche 📺"), ("a\x7f", ""),
    ],
)  # fmt: skip
def test_text_from_the_network_can_be_printed(raw: bytes | str, text: str) -> None:
    assert printable(raw) == text


def test_a_station_may_have_so_many_clues_of_a_kind_an_hour_and_the_rest_is_counted() -> None:
    told = Told()
    clues = [Clue("mdns_service", f"_{number}._tcp") for number in range(100)]
    assert told.fresh("a", clues, 0) == tuple(clues[:MOST_OF_A_KIND])
    assert told.dropped == 100 - MOST_OF_A_KIND
    assert told.fresh("a", [Clue("mdns_name", "tv")], 0)
    assert told.fresh("b", clues[:1], 0)
    assert told.fresh("a", clues[-1:], HOUR) == tuple(clues[-1:])


def test_liars_cannot_fill_the_memory() -> None:
    told = Told()
    for number in range(3 * MOST_TOLD):
        told.fresh(number, [Clue("mdns_name", "tv")], 0)
        assert len(told) <= MOST_TOLD
    seen = Seen()
    for number in range(20_000):
        address = address_text(0x0A000001 + number)
        mac = MAC_A[:3] + number.to_bytes(3, "big")
        seen.see(mdns(message(host(f"x{number}.local", address)), address, mac), after=0)
        seen.see(asks("devs.tplinkcloud.com", address, mac=mac), after=0)
    stations = seen.table.stations
    assert len(stations._clues) <= MOST_TOLD
    assert len(stations._heard) <= 16_384
    assert len(stations._announcements._mdns._names) <= 1024


# Replayed.


def test_a_capture_that_is_replayed_tells_the_same_and_how_much_was_too_much(tmp_path: Path) -> None:
    run = Run(tmp_path)
    services = [ptr("_services._dns-sd._udp.local", f"_s{number}._tcp.local") for number in range(30)]
    frames = [mdns(message(host("tv.local", A), *services)), asks("devs.tplinkcloud.com")]
    packets = [(1_700_000_000_000_000 + number, frame) for number, frame in enumerate(frames)]
    (report,) = run.replay(run.file("a.pcap", pcap(packets)))
    assert report["skipped"] == {"clues": 30 - MOST_OF_A_KIND}
    traits = queries.read_core(run.into).traits
    clues = {each.clue for each in traits if each.station == TEXT_A}
    assert {Clue("mdns_name", "tv"), Clue("mdns_service", "_s0._tcp"), Clue("cloud", "devs.tplinkcloud.com")} <= clues
