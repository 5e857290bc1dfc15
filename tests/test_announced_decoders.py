"""Each decoder of announcements tells what a message says of its sender, and nothing of damaged ones."""

import struct
from typing import Any

import pytest
from announce_kit import (
    Seen,
    browser,
    cdp,
    dhcp6,
    ia_na,
    lldp,
    name,
    netbios,
    option6,
    pairs,
    registration,
    ssdp,
    tlv,
)
from packet_kit import (
    MAC_A,
    MAC_B,
    MAC_ROUTER,
    A,
    B,
    ethernet,
    ip6,
    packed,
    udp,
)

from netwatchd.addresses import address_text, parse_address
from netwatchd.decoders.dhcp6 import mac_of_duid, read_dhcp6
from netwatchd.decoders.http import read_agent
from netwatchd.decoders.netbios import read_datagram, read_names
from netwatchd.decoders.ssdp import read_ssdp

ME = parse_address(A)
TEXT_A, TEXT_B, TEXT_ROUTER = (mac.hex(":") for mac in (MAC_A, MAC_B, MAC_ROUTER))
UUID = "4d696e69-444c-164e-9d41-b827eb54e939"


GET = b"GET /x HTTP/1.1\r\nHost: example.com\r\nUser-Agent: Thing/1.0 (Linux)\r\n\r\n"


# SSDP.


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (ssdp("NTS: ssdp:alive", "NT: urn:x:device:TV:1", f"USN: uuid:{UUID}::urn:x:device:TV:1",
              f"LOCATION: http://{A}:80/d.xml", "SERVER: Linux UPnP/1.0 TV/2"),
         [("ssdp_type", "urn:x:device:TV:1"), ("ssdp_uuid", UUID), ("ssdp_server", "Linux UPnP/1.0 TV/2")]),
        (ssdp("nts: ssdp:update", "nt: upnp:rootdevice", f"usn: uuid:{UUID.upper()}::upnp:rootdevice"),
         [("ssdp_uuid", UUID)]),
        (ssdp("NTS: ssdp:alive", f"NT: uuid:{UUID}", f"USN: uuid:{UUID}"), [("ssdp_uuid", UUID)]),
        # What some makers write in place of a UUID, whole: only its end tells two of them apart.
        (ssdp("NTS: ssdp:alive", "NT: x", "USN: uuid:Socket-1_0-22151::x"), [("ssdp_type", "x"),
                                                                           ("ssdp_uuid", "socket-1_0-22151")]),
        (ssdp("NTS: ssdp:alive", "NT: upnp:rootdevice", "USN: uuid:00000000-0000-0000-0000-000000000000"), []),
        (ssdp("NTS: ssdp:byebye", "NT: urn:x:device:TV:1", f"USN: uuid:{UUID}"), []),
        (ssdp("NT: urn:x:device:TV:1"), []),
        (ssdp("NTS: ssdp:alive", "NT: urn:x", f"LOCATION: http://{B}/d.xml", "SERVER: x"), []),  # of another host
        (ssdp("NTS: ssdp:alive", "NT: urn:x", "LOCATION: http://[fd00::9%25eth0]/"), []),
        (ssdp("NTS: ssdp:alive", "NT: urn:x", "LOCATION: http://999.1.1.1/"), []),
        (ssdp("NTS: ssdp:alive", "NT: urn:x", "LOCATION: http://tv.local/"), [("ssdp_type", "urn:x")]),
        (ssdp("ST: roku:ecp", "USN: uuid:roku:ecp:X0", "SERVER: Roku", first="HTTP/1.1 200 OK"),
         [("ssdp_type", "roku:ecp"), ("ssdp_uuid", "roku:ecp:x0"), ("ssdp_server", "Roku")]),
        (ssdp("ST: x", first="HTTP/1.1 200 OK"), []),  # an answer of something else
        (ssdp("ST: x", "USN: uuid:1", first="HTTP/1.1 404 Not Found"), []),
        (ssdp('MAN: "ssdp:discover"', "ST: ssdp:all", "USER-AGENT: Chrome/100 Windows", first="M-SEARCH * HTTP/1.1"),
         [("http_agent", "Chrome/100 Windows")]),
        (ssdp("ST: urn:x", "SERVER: x", first="M-SEARCH * HTTP/1.1"), []),
        (b"", []), (b"NOTIFY", []), (b"\xff" * 400, []), (b"NOTIFY * HTTP/1.1\r\n" + b":\r\n" * 5000, []),
    ],
)  # fmt: skip
def test_ssdp_tells_what_is_there_and_nothing_of_others(data: bytes, told: list[Any]) -> None:
    assert pairs(read_ssdp(data, ME)) == told


# NetBIOS.


def positive(suffix: int = 0, address: str = A, about: int = 0) -> bytes:
    """An answer to a question for a name."""
    head = struct.pack("!HHHHHH", 1, 0x8500, 0, 1, 0, 0) + netbios("PC", suffix)
    return head + struct.pack("!HHIHH", 0x20, 1, 300_000, 6, about) + packed(address)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (registration(), "TV"), (registration("FILES", 0x20), "FILES"), (registration(operation=8), "TV"),
        (registration(operation=9), "TV"), (registration(operation=15), "TV"), (registration(pointer=False), "TV"),
        (registration("WORKGROUP", about=0x8000), None), (registration("USER", 0x03), None),
        (registration("X", 0x1B), None), (registration(address=B), None), (registration(operation=6), None),
        (registration()[:-3], None), (registration()[:30], None), (b"", None),
        (registration().replace(b"\x20FEFG", b"\x20zzzz"), None),
        (positive(), "PC"), (positive(about=0x8000), None), (positive(address=B), None), (positive(0x1D), None),
        (positive()[:20], None),
    ],
)  # fmt: skip
def test_a_netbios_name_is_the_machines_own_and_no_groups(data: bytes, told: str | None) -> None:
    assert pairs(read_names(data, ME)) == ([("netbios_name", told)] if told else [])


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (browser(), "NAS"), (browser("PC", 15), "PC"), (browser(command=12), None), (browser(address=B), None),
        (browser()[:140], None), (browser()[:9], None), (browser().replace(b"\xffSMB", b"\xfeSMB"), None),
        (browser().replace(b"BROWSE", b"OTHERS"), None),
    ],
)  # fmt: skip
def test_machines_announce_themselves_to_browsers(data: bytes, told: str | None) -> None:
    assert pairs(read_datagram(data, ME)) == ([("netbios_name", told)] if told else [])


# LLDP and CDP.

MED, MUD = b"\0\x12\xbb", b"\0\0\x5e\1"


@pytest.mark.parametrize(
    ("frame", "told"),
    [
        (lldp(tlv(5, b"switch"), tlv(6, b"Maker\r\nSwitch 8"), tlv(7, bytes.fromhex("00140004"))),
         {TEXT_ROUTER: [("lldp_name", "switch"), ("lldp_description", "Maker Switch 8"),
                        ("lldp_capability", "bridge")]}),
        (lldp(tlv(127, MED + b"\x09Yealink"), tlv(127, MED + b"\x0aT46"), tlv(7, bytes.fromhex("00ff0028")),
              chassis=b"\5\1" + packed(A)),
         {TEXT_A: [("lldp_description", "Yealink T46"), ("lldp_capability", "wlan"),
                   ("lldp_capability", "telephone")]}),
        (lldp(tlv(127, MUD + b"https://x.example/m"), tlv(127, MUD + b"second")),
         {TEXT_ROUTER: [("dhcp_mud", "https://x.example/m")]}),
        (lldp(tlv(127, MUD + b"ftp://x.example/m")), {}),
        (lldp(tlv(5, b"switch"), ttl=0), {}),  # it goes
        (lldp(tlv(5, b"x"), chassis=b"\4" + b"\1" + MAC_A[1:]), {}),  # no station
        (lldp(tlv(5, b"switch"))[:30], {}),
        (lldp(tlv(5, b"switch"))[:-5], {}),
        (cdp((1, b"S1"), (4, bytes.fromhex("00000029")), (5, b"IOS\n12"), (6, b"cisco X")),
         {TEXT_A: [("lldp_name", "S1"), ("lldp_description", "cisco X"), ("lldp_description", "IOS 12"),
                   ("lldp_capability", "router"), ("lldp_capability", "bridge")]}),
        (cdp((1, b"SEP1"), (4, bytes.fromhex("00000490"))),
         {TEXT_A: [("lldp_name", "SEP1"), ("lldp_capability", "station"), ("lldp_capability", "telephone")]}),
        (cdp((1, b"S1"), ttl=0), {}),
        (cdp((1, b"S1"))[:26], {}),
        (cdp((1, b"S1"), (9, b"x" * 20))[:-9], {TEXT_A: [("lldp_name", "S1")]}),
        (ethernet(b"\x42\x42\3" + bytes(35), MAC_A, MAC_B, 38), {}),  # spanning tree
    ],
)  # fmt: skip
def test_neighbours_on_the_cable_tell_who_they_are(frame: bytes, told: dict[str, Any]) -> None:
    seen = Seen()
    seen.see(frame)
    assert seen.told() == told
    assert seen.table.skipped.total() == 1  # it is of no flow


# DHCPv6.

DUID = bytes.fromhex("0001000129d08193") + MAC_B  # made when it had another card
IDENTIFIED = option6(1, DUID)


def from_client(payload: bytes, src: str = "fe80::5") -> bytes:
    """A message of a client in its frame."""
    return ethernet(ip6(udp(546, 547, payload), src, "ff02::1:2"), MAC_A)


def from_server(payload: bytes) -> bytes:
    """A message of the server in its frame."""
    return ethernet(ip6(udp(547, 546, payload), "fe80::1", "fe80::5"), MAC_ROUTER)


SOLICIT = dhcp6(
    1, IDENTIFIED, option6(6, struct.pack("!HHH", 23, 24, 39)), option6(39, b"\0" + name("pc.lan")),
    option6(16, struct.pack("!IH", 311, 8) + b"MSFT 5.0"), option6(15, b"\0\3abc\0\1d"),
    option6(112, b"https://x.example/m"),
)  # fmt: skip
TOLD6 = [
    ("dhcp_duid", DUID.hex()), ("dhcp_hostname", "pc"), ("dhcp_vendor_class", "311 MSFT 5.0"),
    ("dhcp_parameters6", "23,24,39"), ("dhcp_user_class", "abc"), ("dhcp_user_class", "d"),
    ("dhcp_mud", "https://x.example/m"),
]  # fmt: skip


def relayed(payload: bytes, *more: bytes, hops: int = 1) -> bytes:
    """A message as relays pass it on."""
    for _ in range(hops):
        payload = bytes((12, 0)) + bytes(32) + b"".join(more) + option6(9, payload)
    return payload


def test_a_client_of_dhcpv6_is_who_sent_the_frame() -> None:
    seen = Seen()
    seen.see(from_client(SOLICIT))
    assert seen.told() == {TEXT_A: TOLD6}


def test_behind_a_relay_the_relay_tells_the_mac_or_the_duid_does() -> None:
    seen = Seen()
    link_layer = option6(79, b"\0\1" + MAC_A)
    seen.see(ethernet(ip6(udp(547, 547, relayed(SOLICIT, link_layer, hops=2)), "fd00::1", "fd00::2"), MAC_ROUTER))
    assert seen.told() == {TEXT_A: TOLD6}
    seen = Seen()
    seen.see(ethernet(ip6(udp(547, 547, relayed(SOLICIT)), "fd00::1", "fd00::2"), MAC_ROUTER))
    assert seen.told() == {TEXT_B: TOLD6}
    assert read_dhcp6(relayed(SOLICIT, hops=9), 0) is None


def test_addresses_are_the_clients_once_the_server_confirms_them_and_released_it_leaves() -> None:
    seen = Seen()
    seen.see(from_server(dhcp6(7, IDENTIFIED, ia_na("fd00::99"))))
    assert seen.table.sightings() == []  # whose that is, nobody has told
    seen.see(from_client(dhcp6(3, IDENTIFIED, ia_na("fd00::77"))))
    assert [each.ips for each in seen.table.sightings()] == [()]
    for answer, ips in (
        (dhcp6(7, IDENTIFIED, ia_na("fd00::99", valid=0)), []),
        (dhcp6(7, IDENTIFIED, ia_na("fd00::99", status=2)), []),
        (dhcp6(7, IDENTIFIED), []),
        (dhcp6(2, IDENTIFIED, ia_na("fd00::99")), []),  # only offered
        (dhcp6(7, IDENTIFIED, ia_na("fd00::99")), ["fd00::99"]),
        (dhcp6(8, IDENTIFIED, ia_na("fd00::99")), ["fd00::99"]),
        (dhcp6(9, IDENTIFIED, ia_na("fd00::99")), []),  # it is somebody else's
    ):
        seen.see(from_client(answer) if answer[0] in (8, 9) else from_server(answer))
        told = seen.table.sightings()
        assert [address_text(each.ips[0]) for each in told] == ips
        assert all(each.mac == TEXT_A and each.online == (answer[0] != 8) for each in told)


@pytest.mark.parametrize(
    ("duid", "mac"),
    [
        (DUID, MAC_B), (b"\0\3\0\1" + MAC_A, MAC_A), (b"\0\3\0\6" + MAC_A, b""), (b"\0\4" + bytes(16), b""),
        (b"\0\1\0\1", b""),
    ],
)  # fmt: skip
def test_the_mac_in_a_duid(duid: bytes, mac: bytes) -> None:
    assert mac_of_duid(duid) == mac


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\1", dhcp6(1), dhcp6(1, option6(1, b"ab")), dhcp6(1, IDENTIFIED[:9]), dhcp6(99, IDENTIFIED),
        bytes((12,)) * 40,
    ],
)  # fmt: skip
def test_what_is_no_message_of_a_client_tells_nothing(data: bytes) -> None:
    assert read_dhcp6(data, 0) is None


# HTTP.


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (GET, "Thing/1.0 (Linux)"), (GET.replace(b"User-Agent", b"user-AGENT"), "Thing/1.0 (Linux)"),
        (GET.replace(b"\r\n", b"\n"), "Thing/1.0 (Linux)"), (GET[:-9], None), (GET[4:], None), (b"", None),
        (GET.replace(b"User-Agent: Thing/1.0 (Linux)", b"A: \nb"), None), (GET.replace(b"Thing", b"\x01\x02"), None),
        (b"GET /" + b"x" * 5000 + b" HTTP/1.1\r\nUser-Agent: x\r\n\r\n", None),
        (b"POST / HTTP/1.1\r\nUser-Agent: y\r\n\r\nUser-Agent: no\r\n", "y"),
    ],
)  # fmt: skip
def test_a_request_tells_who_makes_it(data: bytes, told: str | None) -> None:
    assert pairs(read_agent(data)) == ([("http_agent", told)] if told else [])
