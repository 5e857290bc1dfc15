"""Datagrams as exporters of flows send them, byte by byte: NetFlow v5, NetFlow v9 (RFC 3954), IPFIX (RFC 7011).

A template is written as words, `Template(256, "sourceIPv4Address octetDeltaCount/8 reverse:octetDeltaCount")`: an
element by IANA's name or number, `/length` where it is not the usual one, `/v` for a variable length, `reverse:` for
the same of the other direction (RFC 5103), `pen.number/length` for an enterprise's own. Sets of templates and records
go into a datagram by `v9()` and `ipfix()` with whatever header a test wants to try, or by an `Exporter`, which numbers
and dates its datagrams as a real one does. Masses of them are in `exported_mass`. Times are Unix milliseconds.
"""

import struct
from collections.abc import Iterable
from ipaddress import ip_address
from typing import NamedTuple

VARIABLE = 65535  # RFC 7011 section 7: the length of a field whose records say their own
REVERSE_PEN = 29305  # RFC 5103 section 6.1

# IANA's IPFIX elements that exporters of homes send, as "number name length".
ELEMENTS = {
    name: (int(number), int(length))
    for number, name, length in (
        line.split()
        for line in """
        1 octetDeltaCount 4
        2 packetDeltaCount 4
        4 protocolIdentifier 1
        5 ipClassOfService 1
        6 tcpControlBits 1
        7 sourceTransportPort 2
        8 sourceIPv4Address 4
        9 sourceIPv4PrefixLength 1
        10 ingressInterface 4
        11 destinationTransportPort 2
        12 destinationIPv4Address 4
        13 destinationIPv4PrefixLength 1
        14 egressInterface 4
        15 ipNextHopIPv4Address 4
        16 bgpSourceAsNumber 4
        17 bgpDestinationAsNumber 4
        21 flowEndSysUpTime 4
        22 flowStartSysUpTime 4
        23 postOctetDeltaCount 4
        24 postPacketDeltaCount 4
        27 sourceIPv6Address 16
        28 destinationIPv6Address 16
        32 icmpTypeCodeIPv4 2
        34 samplingInterval 4
        35 samplingAlgorithm 1
        36 flowActiveTimeout 2
        37 flowIdleTimeout 2
        48 samplerId 1
        49 samplerMode 1
        50 samplerRandomInterval 4
        56 sourceMacAddress 6
        58 vlanId 2
        60 ipVersion 1
        61 flowDirection 1
        62 ipNextHopIPv6Address 16
        80 destinationMacAddress 6
        81 postSourceMacAddress 6
        82 interfaceName v
        85 octetTotalCount 8
        86 packetTotalCount 8
        96 applicationName v
        130 exporterIPv4Address 4
        136 flowEndReason 1
        138 observationPointId 8
        139 icmpTypeCodeIPv6 2
        145 templateId 2
        148 flowId 8
        149 observationDomainId 4
        150 flowStartSeconds 4
        151 flowEndSeconds 4
        152 flowStartMilliseconds 8
        153 flowEndMilliseconds 8
        154 flowStartMicroseconds 8
        155 flowEndMicroseconds 8
        156 flowStartNanoseconds 8
        157 flowEndNanoseconds 8
        158 flowStartDeltaMicroseconds 4
        159 flowEndDeltaMicroseconds 4
        160 systemInitTimeMilliseconds 8
        161 flowDurationMilliseconds 4
        176 icmpTypeIPv4 1
        177 icmpCodeIPv4 1
        178 icmpTypeIPv6 1
        179 icmpCodeIPv6 1
        210 paddingOctets 1
        225 postNATSourceIPv4Address 4
        226 postNATDestinationIPv4Address 4
        227 postNAPTSourceTransportPort 2
        228 postNAPTDestinationTransportPort 2
        230 natEvent 1
        231 initiatorOctets 8
        232 responderOctets 8
        233 firewallEvent 1
        239 biflowDirection 1
        258 collectionTimeMilliseconds 8
        298 initiatorPackets 8
        299 responderPackets 8
        302 selectorId 8
        304 selectorAlgorithm 2
        305 samplingPacketInterval 4
        306 samplingPacketSpace 4
        323 observationTimeMilliseconds 8
        """.replace(" v\n", f" {VARIABLE}\n")
        .strip()
        .splitlines()
    )
}

# What a field holds: a number, an address as text, or the bytes themselves.
Value = int | str | bytes


class Field(NamedTuple):
    """A field of a template: the element, how many bytes it has, and whose it is (0: IANA's)."""

    element: int
    length: int
    enterprise: int = 0

    @classmethod
    def read(cls, word: str) -> "Field":
        """A field as a word says it."""
        name, _, length = word.removeprefix("reverse:").partition("/")
        pen, _, number = name.rpartition(".")
        element, usual = ELEMENTS[name] if name in ELEMENTS else (int(number), 0)
        size = VARIABLE if length == "v" else int(length or usual)
        return cls(element, size, REVERSE_PEN if word.startswith("reverse:") else int(pen or 0))

    def pack(self, value: Value) -> bytes:
        """A value as it stands in a record; with its length before it, where that varies (RFC 7011 section 7)."""
        if isinstance(value, str):
            value = ip_address(value).packed
        if self.length != VARIABLE:
            return value.to_bytes(self.length, "big") if isinstance(value, int) else value
        if isinstance(value, int):
            value = value.to_bytes(max((value.bit_length() + 7) // 8, 1), "big")
        return (bytes([len(value)]) if len(value) < 255 else struct.pack("!BH", 255, len(value))) + value


class Template:
    """A template by its number (256 and above) and fields; the first `scopes` of an options template are its scope."""

    def __init__(self, number: int, fields: str | Iterable[Field], scopes: int = 0) -> None:
        self.number = number
        self.fields = [Field.read(word) for word in fields.split()] if isinstance(fields, str) else list(fields)
        self.scopes = scopes

    @property
    def size(self) -> int:
        """Bytes of a record without variable fields."""
        return sum(field.length for field in self.fields)

    def record(self, *values: Value) -> bytes:
        """A record with these values."""
        return b"".join(field.pack(value) for field, value in zip(self.fields, values, strict=True))

    def specifiers(self) -> bytes:
        """Its fields, as RFC 7011 section 3.2 and, without enterprises, RFC 3954 section 5.2 write them."""
        return b"".join(
            struct.pack("!HHI", element | 0x8000, length, enterprise)
            if enterprise
            else struct.pack("!HH", element, length)
            for element, length, enterprise in self.fields
        )


class Set(NamedTuple):
    """A set (RFC 7011) or flowset (RFC 3954): its id, the records without the header, and how many they are."""

    number: int
    body: bytes
    records: int

    def packed(self) -> bytes:
        """With its header."""
        return struct.pack("!HH", self.number, 4 + len(self.body)) + self.body


def template_set(version: int, *templates: Template) -> Set:
    """Templates, ordinary ones or options templates (not both), as the version 9 or 10 writes them."""
    options = templates[0].scopes > 0
    body = b"".join(_options_template(version, t) if t.scopes else _template(t) for t in templates)
    return _padded((1 if version == 9 else 3) if options else (0 if version == 9 else 2), body, len(templates))


def withdrawal(*numbers: int, options: bool = False) -> Set:
    """IPFIX templates withdrawn (RFC 7011 section 8.1); the numbers 2 and 3 mean all, or all options templates."""
    return Set(3 if options else 2, b"".join(struct.pack("!HH", number, 0) for number in numbers), len(numbers))


def data_set(template: Template, *records: bytes, padded: bool = True) -> Set:
    """Records of a template, padded to a multiple of four bytes as both RFCs advise, where `padded`."""
    body = b"".join(records)
    return _padded(template.number, body, len(records)) if padded else Set(template.number, body, len(records))


def _template(template: Template) -> bytes:
    return struct.pack("!HH", template.number, len(template.fields)) + template.specifiers()


def _options_template(version: int, template: Template) -> bytes:
    # RFC 3954 section 6.1 gives the lengths of both parts in bytes, RFC 7011 section 3.4.2.2 the numbers of fields.
    # What a scope of version 9 is, its element says: 1 system, 2 interface, 3 line card, 4 cache, 5 template.
    fields, scopes = len(template.fields), template.scopes
    counts = (4 * scopes, 4 * (fields - scopes)) if version == 9 else (fields, scopes)
    return struct.pack("!HHH", template.number, *counts) + template.specifiers()


def _padded(number: int, body: bytes, records: int) -> Set:
    return Set(number, body + bytes(-len(body) % 4), records)


V5_RECORD = struct.Struct("!IIIHHIIIIHHBBBBHHBBH")  # Cisco, "NetFlow export datagram format", table B-4


def v5_record(
    src: str,
    dst: str,
    *,
    ports: tuple[int, int] = (0, 0),
    protocol: int = 6,
    packets: int = 1,
    octets: int = 40,
    first: int = 0,
    last: int = 0,
    flags: int = 0,
    tos: int = 0,
    interfaces: tuple[int, int] = (1, 2),
    next_hop: str = "0.0.0.0",
) -> bytes:
    """A flow; `first` and `last` are milliseconds of the exporter's uptime. ICMP: type * 256 + code as second port."""
    source, target, hop = (int(ip_address(address)) for address in (src, dst, next_hop))
    counts = (packets, octets, first, last)
    return V5_RECORD.pack(source, target, hop, *interfaces, *counts, *ports, 0, flags, protocol, tos, 0, 0, 0, 0, 0)


def v5(
    records: Iterable[bytes],
    *,
    sequence: int = 0,
    uptime: int = 0,
    now: int = 0,
    engine: tuple[int, int] = (0, 0),
    sampling: int = 0,
    mode: int = 1,
    count: int | None = None,
) -> bytes:
    """A NetFlow v5 datagram. `engine` is type and id; `count` may lie."""
    body = list(records)
    seconds, rest = divmod(now, 1000)
    counted = len(body) if count is None else count
    interval = mode << 14 | sampling if sampling else 0
    times = (uptime % 2**32, seconds, rest * 1_000_000, sequence % 2**32)
    return struct.pack("!HHIIIIBBH", 5, counted, *times, *engine, interval) + b"".join(body)


def v9(
    sets: Iterable[Set],
    *,
    sequence: int = 0,
    uptime: int = 0,
    now: int = 0,
    domain: int = 0,
    count: int | None = None,
) -> bytes:
    """A NetFlow v9 datagram (RFC 3954 section 5.1); `domain` is its source id, `count` may lie."""
    body = list(sets)
    counted = sum(s.records for s in body) if count is None else count
    header = struct.pack("!HHIIII", 9, counted, uptime % 2**32, now // 1000, sequence % 2**32, domain)
    return header + b"".join(s.packed() for s in body)


def ipfix(sets: Iterable[Set], *, sequence: int = 0, now: int = 0, domain: int = 0, length: int | None = None) -> bytes:
    """An IPFIX message (RFC 7011 section 3.1); `length` may lie."""
    body = b"".join(s.packed() for s in sets)
    size = 16 + len(body) if length is None else length
    return struct.pack("!HHIII", 10, size, now // 1000, sequence % 2**32, domain) + body


class Exporter:
    """An exporter of version 5, 9 or 10: numbers its datagrams, and knows when it was booted.

    `sequence` is the number of its next datagram: in v5 the flows sent so far, in v9 the datagrams, in IPFIX the data
    records (RFC 7011 section 3.1: those of options too, templates not).
    """

    def __init__(self, version: int, *, domain: int = 0, booted: int = 0, sequence: int = 0, sampling: int = 0) -> None:
        self.version = version
        self.domain = domain
        self.booted = booted
        self.sequence = sequence
        self.sampling = sampling  # of v5, whose header says it

    def uptime(self, now: int) -> int:
        """Milliseconds since it was booted, as they stand in 32 bits."""
        return (now - self.booted) % 2**32

    def datagram(self, now: int, *sets: Set) -> bytes:
        """The next datagram of v9 or IPFIX with these sets."""
        data = sum(s.records for s in sets if s.number >= 256)
        if self.version == 9:
            made = v9(sets, sequence=self.sequence, uptime=self.uptime(now), now=now, domain=self.domain)
        else:
            made = ipfix(sets, sequence=self.sequence, now=now, domain=self.domain)
        self.sequence += 1 if self.version == 9 else data
        return made

    def flows(self, now: int, *records: bytes) -> bytes:
        """The next datagram of v5 with these records."""
        engine = divmod(self.domain, 256)
        header = {"sequence": self.sequence, "uptime": self.uptime(now), "now": now, "sampling": self.sampling}
        self.sequence += len(records)
        return v5(records, engine=engine, **header)

    def templates(self, now: int, *templates: Template) -> bytes:
        """The next datagram, with these templates, ordinary ones and options templates."""
        kinds = [[t for t in templates if not t.scopes], [t for t in templates if t.scopes]]
        return self.datagram(now, *(template_set(self.version, *kind) for kind in kinds if kind))
