"""Announcements, byte by byte: messages of DNS, NetBIOS, LLDP and CDP, DHCPv6; and what is told of them."""

import struct

from packet_kit import MAC_A, MAC_ROUTER, A, ethernet, ip4, ip6, packed, udp

from netwatchd.addresses import PRIVATE, Networks, address_text, parse_address
from netwatchd.decoders.flowtable import FlowTable
from netwatchd.events import Clue

A_TYPE, PTR, TXT, AAAA, SRV, ANY = 1, 12, 16, 28, 33, 255
Told = dict[str, list[tuple[str, str]]]


def name(text: str | tuple[str, ...]) -> bytes:
    """A name without compression; a tuple where labels have dots in them."""
    labels = text.split(".") if isinstance(text, str) else text
    return b"".join(bytes((len(raw),)) + raw for raw in (label.encode() for label in labels)) + b"\0"


def record(owner: str | tuple[str, ...] | bytes, kind: int, data: bytes, ttl: int = 120, group: int = 0x8001) -> bytes:
    """A resource record; its owner may be written already."""
    written = owner if isinstance(owner, bytes) else name(owner)
    return written + struct.pack("!HHIH", kind, group, ttl, len(data)) + data


def host(owner: str, address: str, ttl: int = 120) -> bytes:
    """An A or AAAA record."""
    return record(owner, AAAA if ":" in address else A_TYPE, packed(address), ttl)


def srv(owner: str | tuple[str, ...], target: str, port: int = 631, ttl: int = 120) -> bytes:
    """An SRV record."""
    return record(owner, SRV, struct.pack("!HHH", 0, 0, port) + name(target), ttl)


def ptr(owner: str, target: str | tuple[str, ...], ttl: int = 120) -> bytes:
    """A PTR record."""
    return record(owner, PTR, name(target), ttl, 1)


def txt(owner: str | tuple[str, ...], *texts: str | bytes) -> bytes:
    """A TXT record."""
    raw = [text.encode() if isinstance(text, str) else text for text in texts]
    return record(owner, TXT, b"".join(bytes((len(each),)) + each for each in raw))


def question(owner: str, kind: int = PTR) -> bytes:
    """A question."""
    return name(owner) + struct.pack("!HH", kind, 1)


def message(
    *answers: bytes, questions: tuple[bytes, ...] = (), authorities: tuple[bytes, ...] = (),
    additionals: tuple[bytes, ...] = (), flags: int = 0x8400,
) -> bytes:  # fmt: skip
    """A DNS message; without other flags it is an answer."""
    counts = (len(questions), len(answers), len(authorities), len(additionals))
    return struct.pack("!HHHHHH", 0, flags, *counts) + b"".join((*questions, *answers, *authorities, *additionals))


def mdns(payload: bytes, sender: str = A, mac: bytes = MAC_A, port: int = 5353) -> bytes:
    """A frame of multicast DNS."""
    body = udp(port, 5353, payload)
    if ":" in sender:
        return ethernet(ip6(body, sender, "ff02::fb"), mac)
    return ethernet(ip4(body, sender, "224.0.0.251"), mac)


def ssdp(*lines: str, first: str = "NOTIFY * HTTP/1.1") -> bytes:
    """A message of SSDP."""
    return "\r\n".join((first, "HOST: 239.255.255.250:1900", *lines, "", "")).encode()


def netbios(text: str, suffix: int = 0) -> bytes:
    """An encoded NetBIOS name."""
    raw = text.encode().ljust(15) + bytes((suffix,))
    return b"\x20" + bytes(0x41 + half for byte in raw for half in (byte >> 4, byte & 15)) + b"\0"


def registration(
    text: str = "TV", suffix: int = 0, address: str = A, about: int = 0, operation: int = 5, pointer: bool = True
) -> bytes:
    """A registration of a NetBIOS name, or a refresh."""
    asked = netbios(text, suffix)
    head = struct.pack("!HHHHHH", 1, operation << 11 | 0x110, 1, 0, 0, 1) + asked + struct.pack("!HH", 0x20, 1)
    owner = b"\xc0\x0c" if pointer else asked
    return head + owner + struct.pack("!HHIHH", 0x20, 1, 300_000, 6, about) + packed(address)


def browser(text: str = "NAS", command: int = 1, address: str = A) -> bytes:
    """A machine's announcement to the browsers of its network."""
    body = bytes((command, 0)) + struct.pack("<I", 60_000) + text.encode().ljust(16, b"\0") + bytes(10)
    smb = b"\xffSMB\x25" + bytes(27) + bytes(37) + b"\\MAILSLOT\\BROWSE\0" + body
    names = netbios(text) + netbios("WORKGROUP", 0x1D)
    return struct.pack("!BBHIHHH", 0x11, 0x0A, 1, int(parse_address(address)), 138, len(names + smb), 0) + names + smb


def tlv(kind: int, value: bytes) -> bytes:
    """A piece of an LLDP message."""
    return struct.pack("!H", kind << 9 | len(value)) + value


def lldp(*more: bytes, chassis: bytes = b"\4" + MAC_ROUTER, ttl: int = 120, mac: bytes = MAC_A) -> bytes:
    """An LLDP message in its frame."""
    body = tlv(1, chassis) + tlv(2, b"\5eth0") + tlv(3, struct.pack("!H", ttl)) + b"".join(more) + tlv(0, b"")
    return ethernet(body, mac, bytes.fromhex("0180c200000e"), 0x88CC)


def cdp(*pieces: tuple[int, bytes], ttl: int = 180, mac: bytes = MAC_A) -> bytes:
    """A CDP message in its frame."""
    body = bytes((2, ttl, 0, 0)) + b"".join(struct.pack("!HH", kind, len(value) + 4) + value for kind, value in pieces)
    llc = bytes.fromhex("aaaa0300000c2000") + body
    return ethernet(llc, mac, bytes.fromhex("01000ccccccc"), len(llc))


def option6(code: int, value: bytes) -> bytes:
    """An option of DHCPv6."""
    return struct.pack("!HH", code, len(value)) + value


def dhcp6(kind: int, *options: bytes) -> bytes:
    """A message of DHCPv6."""
    return bytes((kind, 1, 2, 3)) + b"".join(options)


def ia_na(address: str, valid: int = 7200, status: int = 0) -> bytes:
    """An identity association with an address."""
    inner = packed(address) + struct.pack("!II", valid, valid) + (option6(13, struct.pack("!H", status)))
    return option6(3, struct.pack("!III", 1, 0, 0) + option6(5, inner))


class Seen:
    """A table of flows, and what it has told of devices."""

    def __init__(self, networks: str = PRIVATE, link_type: int = 1) -> None:
        self.table = FlowTable(lambda now, count=1: now << 12, "capture", networks=Networks(networks.split()))
        self.time = 1_700_000_000_000
        self._link_type = link_type

    def see(self, *frames: bytes, after: int = 1) -> None:
        """Frames, so many milliseconds after each other."""
        for frame in frames:
            self.time += after
            self.table.see(self.time, self._link_type, frame, len(frame))

    def told(self, after: int = 0) -> Told:
        """The clues by MAC or address, once so many milliseconds have passed."""
        self.time += after
        self.table.due(self.time)
        found: Told = {}
        for each in self.table.sightings():
            found.setdefault(each.mac or address_text(each.ips[0]), []).extend(map(tuple, each.clues))
        return {key: clues for key, clues in found.items() if clues}


def pairs(clues: tuple[Clue, ...]) -> list[tuple[str, str]]:
    """Clues as plain pairs."""
    return [tuple(each) for each in clues]  # type: ignore[misc]
