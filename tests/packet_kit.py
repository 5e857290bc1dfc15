"""Packets and captures, byte by byte."""

import struct

from netwatchd.addresses import parse_address

MAC_A, MAC_B, MAC_ROUTER = bytes.fromhex("a483e7000001"), bytes.fromhex("a483e7000002"), bytes.fromhex("a483e70000fe")
A, B, C = "192.168.1.5", "192.168.1.6", "93.184.216.34"
A6, B6 = "fd00::5", "2001:db8::6"
FIN, SYN, RST, PSH, ACK, URG = 1, 2, 4, 8, 16, 32


def packed(address: str) -> bytes:
    """An address in network byte order."""
    found = parse_address(address)
    return found.to_bytes(4, "big") if isinstance(found, int) else found


def udp(sport: int = 40000, dport: int = 53, payload: bytes = b"x" * 20) -> bytes:
    """A UDP datagram."""
    return struct.pack("!HHHH", sport, dport, 8 + len(payload), 0) + payload


def tcp(sport: int = 40000, dport: int = 443, flags: int = ACK, payload: bytes = b"", seq: int = 1) -> bytes:
    """A TCP segment."""
    return struct.pack("!HHIIBBHHH", sport, dport, seq, 0, 0x50, flags, 1000, 0, 0) + payload


def icmp(kind: int = 8, code: int = 0, payload: bytes = bytes(20)) -> bytes:
    """An ICMP or ICMPv6 message."""
    return bytes((kind, code, 0, 0)) + payload


def ip4(
    payload: bytes, src: str = A, dst: str = C, protocol: int = 17, *, options: bytes = b"", total: int | None = None,
    offset: int = 0, number: int = 7,
) -> bytes:  # fmt: skip
    """An IPv4 packet; `offset` has the flags, too, and `total` is what it says of its length."""
    length = 20 + len(options) + len(payload)
    return (
        struct.pack("!BBHHHBBH", 0x45 + len(options) // 4, 0, length if total is None else total, number, offset, 64,
                    protocol, 0)
        + packed(src) + packed(dst) + options + payload
    )  # fmt: skip


def ip6(payload: bytes, src: str = A6, dst: str = B6, protocol: int = 17, *, hops: int = 64) -> bytes:
    """An IPv6 packet."""
    return struct.pack("!IHBB", 0x60000000, len(payload), protocol, hops) + packed(src) + packed(dst) + payload


def ethernet(
    payload: bytes, src: bytes = MAC_A, dst: bytes = MAC_B, kind: int | None = None, tags: tuple[int, ...] = ()
) -> bytes:
    """An Ethernet frame; without a kind it is that of the IP packet in it."""
    if kind is None:
        kind = 0x86DD if payload[0] >> 4 == 6 else 0x0800
    inner = b"".join(struct.pack("!HH", tag, 100) for tag in tags)
    return dst + src + inner + struct.pack("!H", kind) + payload


def arp(mac: bytes = MAC_A, ip: str = A, asked: str = B, operation: int = 1) -> bytes:
    """An ARP packet in its frame."""
    body = struct.pack("!HHBBH", 1, 0x0800, 6, 4, operation) + mac + packed(ip) + bytes(6) + packed(asked)
    return ethernet(body, mac, b"\xff" * 6, 0x0806)


def pcap(
    frames: list[tuple[int, bytes]], link_type: int = 1, order: str = "<", magic: int = 0xA1B2C3D4, cut: int = 65535,
    extra: bytes = b"",
) -> bytes:  # fmt: skip
    """A pcap file of (time in the file's fractions since 1970, frame)."""
    second = 10**9 if magic == 0xA1B23C4D else 10**6
    made = struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, cut, link_type)
    for time, frame in frames:
        made += struct.pack(order + "IIII", *divmod(time, second), len(frame[:cut]), len(frame)) + extra + frame[:cut]
    return made


def block(kind: int, body: bytes, order: str = "<") -> bytes:
    """A pcapng block."""
    body += bytes(-len(body) % 4)
    return struct.pack(order + "II", kind, len(body) + 12) + body + struct.pack(order + "I", len(body) + 12)


def section(order: str = "<") -> bytes:
    """A section header block."""
    return block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1), order)


def interface(
    link_type: int = 1, order: str = "<", options: tuple[tuple[int, bytes], ...] = (), snap: int = 0
) -> bytes:
    """An interface description block."""
    told = b"".join(
        struct.pack(order + "HH", code, len(value)) + value + bytes(-len(value) % 4) for code, value in options
    )
    return block(1, struct.pack(order + "HHI", link_type, 0, snap) + told, order)


def enhanced(time: int, frame: bytes, number: int = 0, order: str = "<", wire: int | None = None) -> bytes:
    """An enhanced packet block; `time` in the interface's ticks."""
    head = struct.pack(order + "IIIII", number, time >> 32, time & 0xFFFFFFFF, len(frame), wire or len(frame))
    return block(6, head + frame, order)
