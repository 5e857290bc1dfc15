"""Promises of the source `dhcp`: the real daemon on a router, and frames that a host and the provider's side send."""

import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from home import ROUTER_MAC, Home, Namespace, home_network, why_not
from packet_kit import MAC_A, MAC_B, A, ethernet, ip4, packed, udp
from running import NOBODY, Daemon, nobody_can_run_it, rows, until
from sources_kit import inject
from test_dhcp_clues import body, client
from waiting import eventually

PHONE, HERE = MAC_A.hex(":"), "192.168.77.51"
CONFIG = """
[source:dhcp]
enabled = yes
"""
needs_namespaces = pytest.mark.skipif(bool(why_not()), reason=str(why_not()))


def send(sender: Namespace, *frames: bytes) -> None:
    """Sends frames to all on the link of a host's only interface."""
    frames = tuple(b"\xff" * 6 + frame[6:] for frame in frames)
    unicast(sender, *frames)


def unicast(sender: Namespace, *frames: bytes) -> None:
    """Sends frames by a host's only interface, with the checksum of their IPv4 header: a bridge may look at it."""
    frames = tuple(frame[:24] + _checksum(frame[14:34]) + frame[26:] for frame in frames)
    inject(sender, *frames)


def _checksum(header: bytes) -> bytes:
    """RFC 1071, of a header whose own checksum is 0."""
    total = sum(struct.unpack("!10H", header.ljust(20, b"\0")))
    return struct.pack("!H", ~(total % 0xFFFF) & 0xFFFF)


def request(name: bytes = b"Annas-iPhone", address: str = HERE) -> bytes:
    """A client asks for an address."""
    return client(3, (12, name), (50, packed(address)), (55, bytes((1, 121, 3, 6, 15))), (60, b"dhcpcd-9"))


@pytest.fixture
def home() -> Iterator[Home]:
    """A home whose router runs the daemon."""
    with home_network(nat=False) as made:
        yield made


@needs_namespaces
def test_who_asks_for_an_address_is_here_with_all_it_says_and_who_gives_it_back_has_left(
    home: Home, short: Path
) -> None:
    with Daemon(short, CONFIG, inside=home.router.command()) as daemon:
        eventually(lambda: "source dhcp is on" in daemon.log)
        with home.router.entered(), daemon.client() as updates:
            send(home.host, request())
            came = until(updates, lambda m: m["type"] == "device_update" and m["device"]["mac"] == PHONE)["device"]
            assert (came["ip"], came["hostname"], came["status"]) == (HERE, "Annas-iPhone", "online")
            assert came["sources"] == ["dhcp"]
            told = "SELECT kind, value FROM traits WHERE kind LIKE 'dhcp%' ORDER BY kind"
            assert eventually(lambda: rows(daemon.state / "core.db", told)) == [
                ("dhcp_hostname", "Annas-iPhone"), ("dhcp_parameters", "1,121,3,6,15"),
                ("dhcp_vendor_class", "dhcpcd-9"),
            ]  # fmt: skip
            send(home.host, client(7, own=HERE))
            left = until(updates, lambda m: m["type"] == "device_update" and m["device"]["status"] == "offline")
            assert left["device"]["mac"] == PHONE
        assert daemon.stop() == 0
        assert "Traceback" not in daemon.log


@needs_namespaces
def test_what_comes_from_the_provider_what_is_no_dhcp_and_what_answers_this_machine_is_passed_over(
    home: Home, short: Path
) -> None:
    to_us = bytes.fromhex(ROUTER_MAC.replace(":", ""))
    answer = ip4(udp(67, 68, body(5, (54, packed("192.168.77.1")), reply=True, given=HERE)), "192.168.77.2", HERE)
    frames = [
        ethernet(ip4(udp(5000, 5001, b"no DHCP"), A, "255.255.255.255"), MAC_B),
        ethernet(ip4(udp(68, 67, b"no message"), A, "255.255.255.255"), MAC_B),
    ]
    with Daemon(short, CONFIG, inside=home.router.command()) as daemon:
        eventually(lambda: "source dhcp is on" in daemon.log)
        send(home.server, request(b"a-neighbour"))
        unicast(home.host, ethernet(answer, MAC_A, to_us))
        send(home.host, *frames, request())
        with home.router.entered():
            eventually(lambda: daemon.json("status")["received"].get("dhcp"))
            assert daemon.json("status")["devices"] == 1
            counters = daemon.json("status")["counters"]
        # The kernel keeps the plain datagram to itself.
        assert counters["messages"]["dhcp"] == 4
        assert [each["mac"] for each in eventually(lambda: daemon.json("devices"))] == [PHONE]


@needs_namespaces
def test_only_the_interfaces_that_are_named_are_listened_to(home: Home, short: Path) -> None:
    with Daemon(short, CONFIG + "interface = wan0\n", inside=home.router.command()) as daemon:
        eventually(lambda: "source dhcp is on" in daemon.log)
        send(home.host, request())
        send(home.server, request(b"beyond", "192.168.99.7"))
        found = eventually(lambda: daemon.json("devices"))
        assert [each["hostname"] for each in found] == ["beyond"]


@pytest.mark.skipif(not nobody_can_run_it(), reason="we cannot become another user, or it could not run this")
def test_without_the_capability_it_is_off_and_says_what_it_needs(short: Path) -> None:
    short.chmod(0o777)
    with Daemon(short, CONFIG.replace("yes", "auto"), inside=NOBODY) as daemon:
        sentence = "source dhcp is off: cannot hear DHCP: operation not permitted (needs CAP_NET_RAW"
        eventually(lambda: sentence in daemon.log)
