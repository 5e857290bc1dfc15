"""Announcements, for the fuzzers: whatever a device says of itself, what is told can be stored, shown and held."""

from announce_kit import (
    Seen,
    browser,
    cdp,
    dhcp6,
    host,
    ia_na,
    lldp,
    mdns,
    message,
    option6,
    ptr,
    question,
    registration,
    srv,
    ssdp,
    tlv,
    txt,
)
from fuzz_checks import check_event
from fuzz_targets import Target
from packet_kit import ACK, MAC_A, A, B, ethernet, ip4, ip6, packed, tcp, udp

from netwatchd.addresses import parse_address
from netwatchd.decoders.clues import MOST_AT_ONCE
from netwatchd.decoders.mdns import Mdns
from netwatchd.decoders.ssdp import read_ssdp
from netwatchd.events import CLUES, LONGEST_CLUE, Clue

_ME = parse_address(A)


def read_announcement(data: bytes) -> str:
    """A frame, twice: clues are of known kinds, printable, of bounded length and number, and told once."""
    seen = Seen()
    seen.see(data, data)
    seen.time += 5000
    seen.table.due(seen.time)
    clues: list[Clue] = []
    for sighting in seen.table.sightings():
        check_event(sighting)
        _check(sighting.clues)
        clues += sighting.clues
    assert len(clues) <= 2 * MOST_AT_ONCE
    return " ".join(sorted({clue.kind for clue in clues}))


def read_payload(data: bytes) -> str:
    """What comes by the groups' sockets, without a frame."""
    found = Mdns().read(data, _ME) + read_ssdp(data, _ME)
    _check(found)
    return " ".join(sorted({clue.kind for clue in found}))


def _check(clues: tuple[Clue, ...]) -> None:
    assert len(clues) <= 2 * MOST_AT_ONCE
    for clue in clues:
        assert clue.kind in CLUES
        assert 0 < len(clue.value) <= LONGEST_CLUE
        assert clue.value.isprintable()
        clue.value.encode()


def _dhcp(*options: tuple[int, bytes]) -> bytes:
    body = bytes((1, 1, 6, 0)) + bytes(24) + MAC_A + bytes(202) + b"\x63\x82\x53\x63\x35\1\3"
    body += b"".join(bytes((code, len(value))) + value for code, value in options) + b"\xff"
    return ethernet(ip4(udp(68, 67, body), "0.0.0.0", "255.255.255.255"))


_PRINTER = ("HP [1].x", "_ipp", "_tcp", "local")
_MDNS = message(
    ptr("_ipp._tcp.local", _PRINTER), srv(_PRINTER, "tv.local"), txt(_PRINTER, "ty=HP", "UUID=12345678-abcd"),
    host("tv.local", A),
)  # fmt: skip
_SSDP = ssdp("NTS: ssdp:alive", "NT: urn:x:1", "USN: uuid:12345678::urn:x:1", f"LOCATION: http://{A}/", "SERVER: x/1")
_FRAMES = [
    mdns(_MDNS), mdns(_MDNS, "fe80::5"),
    ethernet(ip4(udp(1900, 1900, _SSDP), dst="239.255.255.250")),
    ethernet(ip4(udp(5355, 40000, message(host("pc", A), flags=0x8000)), dst=B)),
    ethernet(ip4(udp(137, 137, registration()), dst="192.168.1.255")),
    ethernet(ip4(udp(138, 138, browser()), dst="192.168.1.255")),
    ethernet(ip4(udp(40000, 53, message(questions=(question("a.withings.net", 1),), flags=0x100)))),
    ethernet(ip4(tcp(40000, 80, ACK, b"GET / HTTP/1.1\r\nUser-Agent: x\r\n\r\n"), protocol=6)),
    lldp(tlv(5, b"switch"), tlv(6, b"x"), tlv(7, bytes(3) + b"\xff"), tlv(127, b"\0\0\x5e\1https://x")),
    cdp((1, b"S1"), (4, b"\0\0\0\xff"), (5, b"x"), (6, b"y")),
    ethernet(ip6(udp(546, 547, dhcp6(
        1, option6(1, b"\0\3\0\1" + MAC_A), option6(6, b"\0\x17"), option6(16, b"\0\0\1\x37\0\1x"),
        option6(39, b"\0\2pc\0"), option6(15, b"\0\1x"), ia_na("fd00::9"))), "fe80::5", "ff02::1:2")),
    _dhcp((12, b"tv"), (55, b"\1\3\6"), (60, b"udhcp"), (61, b"\xff1234\0\3\0\1abcdef"), (77, b"\3abc"),
          (81, b"\4\0\0\2tv\3lan\0"), (161, b"https://x"), (52, b"\3"), (50, packed(A))),
]  # fmt: skip
ANNOUNCEMENTS = [
    Target("announcements", _FRAMES, read_announcement, (b"\xc0\x0c", b"uuid:", b"\x00\x0c", b"_tcp", b"\x05local")),
    Target("announced-payloads", [_MDNS, _SSDP], read_payload, (b"\xc0\x0c", b"\r\n", b"NT: ", b"\x05local")),
]
