"""Builders of sFlow datagrams, byte by byte (sFlow version 5; RFC 4506 for XDR)."""

import struct
from collections import Counter

from netwatchd.addresses import Address, address_text, parse_address
from netwatchd.decoders.sflow import SflowDecoder
from netwatchd.events import Flow

EXPORTER = parse_address("192.168.1.2")
AGENT = parse_address("10.0.0.2")
ME, YOU = parse_address("192.168.1.10"), parse_address("198.51.100.7")
ME6, YOU6 = parse_address("fd00::10"), parse_address("2001:db8::7")
NOW = 1_700_000_000_000
SYN, ACK = 2, 16


class Heard:
    """A decoder, what it counted, and the ids that it was given."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.ids: list[int] = []
        self.decoder = SflowDecoder(self._new_id, self._count)

    def _new_id(self, now: int, count: int = 1, /) -> int:
        first = max((self.ids[-1] if self.ids else 0) + 1, now << 12)
        self.ids += range(first, first + count)
        return first

    def _count(self, name: str, n: int) -> None:
        assert n >= 0
        self.counts[name] += n


def packed(address: Address) -> bytes:
    """The address in network byte order."""
    return address.to_bytes(4, "big") if isinstance(address, int) else address


def opaque(data: bytes) -> bytes:
    """XDR's opaque<>: the length, and the bytes padded to whole words."""
    return struct.pack(">I", len(data)) + data + bytes(-len(data) % 4)


def typed(kind: int, data: bytes, enterprise: int = 0) -> bytes:
    """A sample or record of a format."""
    return struct.pack(">I", enterprise << 12 | kind) + opaque(data)


def xdr_address(address: Address | None) -> bytes:
    """struct address."""
    if address is None:
        return struct.pack(">I", 0)
    return struct.pack(">I", 1 if isinstance(address, int) else 2) + packed(address)


def datagram(
    *samples: bytes, agent: Address | None = AGENT, sub: int = 0, sequence: int = 1, uptime: int = 60_000, **other: int
) -> bytes:
    """A whole datagram; `version` and `said` (how many samples there are) may be wrong."""
    head = struct.pack(">I", other.get("version", 5)) + xdr_address(agent)
    return head + struct.pack(">4I", sub, sequence, uptime, other.get("said", len(samples))) + b"".join(samples)


def flow_sample(
    *records: bytes, sequence: int = 1, source: int = 3, rate: int = 1, drops: int = 0, **ways: int
) -> bytes:
    """A flow sample; `came` and `left` are its interfaces."""
    words = (sequence, source, rate, 0, drops, ways.get("came", 0), ways.get("left", 0), len(records))
    return typed(1, struct.pack(">8I", *words) + b"".join(records))


def expanded_sample(
    *records: bytes, sequence: int = 1, source: int = 3, rate: int = 1, drops: int = 0, **ways: int
) -> bytes:
    """An expanded flow sample."""
    ends = (0, ways.get("came", 0), ways.get("form", 0), ways.get("left", 0))
    words = (sequence, ways.get("kind", 0), source, rate, 0, drops, *ends, len(records))
    return typed(3, struct.pack(">11I", *words) + b"".join(records))


def raw(header: bytes, protocol: int = 1, frame_length: int | None = None, stripped: int = 4) -> bytes:
    """A raw packet header record."""
    length = len(header) + stripped if frame_length is None else frame_length
    return typed(1, struct.pack(">III", protocol, length, stripped) + opaque(header))


def ipv4(src: Address, dst: Address, upper: bytes, protocol: int = 6, **other: int) -> bytes:
    """An IPv4 packet; `length` may be wrong, `fragment` is flags and offset, `options` words of options."""
    options = bytes(4 * other.get("options", 0))
    length = other.get("length", 20 + len(options) + len(upper))
    head = struct.pack(">BBHHHBBH", 0x45 + len(options) // 4, 0, length, 7, other.get("fragment", 0), 64, protocol, 0)
    return head + packed(src) + packed(dst) + options + upper


def ipv6(src: Address, dst: Address, upper: bytes, protocol: int = 6, **other: int) -> bytes:
    """An IPv6 packet; `length` of the payload may be wrong."""
    head = struct.pack(">IHBB", 6 << 28, other.get("length", len(upper)), protocol, 64)
    return head + packed(src) + packed(dst) + upper


def tcp(src: int, dst: int, flags: int = ACK, carried: int = 0) -> bytes:
    """A TCP segment."""
    return struct.pack(">HHIIBBHHH", src, dst, 1, 1, 0x50, flags, 1000, 0, 0) + bytes(carried)


def udp(src: int, dst: int, carried: int = 0) -> bytes:
    """A UDP datagram."""
    return struct.pack(">HHHH", src, dst, 8 + carried, 0) + bytes(carried)


def ethernet(packet: bytes, *tags: int, kind: int | None = None) -> bytes:
    """A frame; `tags` are the types of VLAN tags, the outermost first."""
    own = kind if kind is not None else 0x0800 if packet[0] >> 4 == 4 else 0x86DD
    types = b"".join(struct.pack(">HH", tag, 100) for tag in tags)
    return b"\x02\0\0\0\0\1\x02\0\0\0\0\2" + types + struct.pack(">H", own) + packet


def sampled_ipv4(
    src: Address, dst: Address, ports: tuple[int, int], protocol: int, length: int, flags: int = 0
) -> bytes:
    """A sampled IPv4 record."""
    words = struct.pack(">IIII", *ports, flags, 0)
    return typed(3, struct.pack(">II", length, protocol) + packed(src) + packed(dst) + words)


def sampled_ipv6(
    src: Address, dst: Address, ports: tuple[int, int], protocol: int, length: int, flags: int = 0
) -> bytes:
    """A sampled IPv6 record."""
    words = struct.pack(">IIII", *ports, flags, 0)
    return typed(4, struct.pack(">II", length, protocol) + packed(src) + packed(dst) + words)


COUNTERS = typed(2, struct.pack(">III", 1, 3, 1) + typed(1, bytes(88)))
EXPANDED_COUNTERS = typed(4, struct.pack(">IIII", 1, 0, 3, 1) + typed(1, bytes(88)))
SWITCH = typed(1001, struct.pack(">4I", 10, 0, 10, 0))
ROUTER = typed(1002, xdr_address(AGENT) + struct.pack(">II", 24, 0))
GATEWAY = typed(1003, xdr_address(AGENT) + struct.pack(">IIIII", 64512, 1, 1, 0, 0) + struct.pack(">I", 100))

WEB = ethernet(ipv4(ME, YOU, tcp(40000, 443, ACK, 100)))
ANSWER = ethernet(ipv4(YOU, ME, tcp(443, 40000, ACK, 1000)))


def heard(*datagrams: bytes) -> tuple[list[Flow], Heard]:
    """What becomes of datagrams that come a second apart."""
    here = Heard()
    flows = []
    for at, data in enumerate(datagrams):
        flows += here.decoder.datagram(data, EXPORTER, NOW + 1000 * at)
    return flows + here.decoder.finish(), here


def ends(flow: Flow) -> tuple[str, int, str, int, int]:
    """Between whom."""
    return address_text(flow.src_ip), flow.src_port, address_text(flow.dst_ip), flow.dst_port, flow.protocol


def counts(flow: Flow) -> tuple[int, ...]:
    """How much."""
    return flow[8:12]


MINE = ("192.168.1.10", 40000, "198.51.100.7", 443, 6)
MINE6 = ("fd00::10", 40000, "2001:db8::7", 443, 6)
