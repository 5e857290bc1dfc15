"""One sFlow version 5 datagram to the packets that were sampled (sflow.org, "sFlow Version 5", July 2004; XDR).

A datagram holds samples, a sample holds records; each says its format and length, so that what is not known is
skipped. What is read of a sample: the sampled packet's header (record 1), or the fields that the agent took from it
(records 3 and 4), and what network address translation made of its addresses (records 1007 and 1020). Interface,
router, gateway, user and tunnel records do not tell one flow from another and are skipped, as are counter samples
and notices of discarded packets: those were sampled, or not, like any other when they came in.
"""

import struct
from collections.abc import Callable, Iterator
from typing import NamedTuple

from netwatchd.addresses import Address, address_of_bytes
from netwatchd.decoders.links import Skipped
from netwatchd.decoders.sflow.headers import Packet, sampled_packet

VERSION = 5

Count = Callable[[str, int], None]  # (name, how many)

# The formats of samples and records: enterprise << 12 | format; those of enterprise 0 are the standard's.
_FLOW_SAMPLE, _EXPANDED_FLOW_SAMPLE = 1, 3
_COUNTER_SAMPLES = (2, 4)
_DISCARDED_PACKET = 5  # sFlow Discarded Packets Structures, 2020
_RAW_HEADER, _SAMPLED_IPV4, _SAMPLED_IPV6, _NAT, _NAT_PORT = 1, 3, 4, 1007, 1020

_WORD = struct.Struct(">I")
_TYPED = struct.Struct(">II")  # data_format, length
# sub_agent_id, sequence_number, uptime, number of samples
_HEADER = struct.Struct(">4I")
# struct flow_sample: sequence_number, source_id (type << 24 | index), sampling_rate, sample_pool, drops, input, output
_SAMPLE = struct.Struct(">8I")
# struct flow_sample_expanded: the same, with two words for the source and for each interface
_EXPANDED = struct.Struct(">11I")
_RAW = struct.Struct(">4I")  # header_protocol, frame_length, stripped, bytes of the header
_IPV4 = struct.Struct(">IIIIIII")  # length, protocol, addresses, ports, tcp_flags; tos follows
_IPV6 = struct.Struct(">II16s16sIII")


class Malformed(Exception):
    """Bytes that are no sFlow version 5 datagram."""


class Sample(NamedTuple):
    """One sampled packet, and what the agent says of the sampling."""

    sequence: int  # of the samples of this source
    source: int  # type << 32 | index: the interface, VLAN or entity where packets are sampled
    rate: int  # one of so many packets is sampled; at least 1
    drops: int  # samples that the agent itself could not take, since it started
    leaving: bool  # sampled where it goes out, and not where it comes in
    packet: Packet | None  # None where nothing of an IP packet was told


class Datagram(NamedTuple):
    """What a datagram says of itself, and its flow samples."""

    agent: Address | None  # None where it names none
    sub_agent: int
    sequence: int
    uptime: int  # milliseconds since the agent started
    samples: list[Sample]


def decode(data: bytes, count: Count) -> Datagram:
    """Reads a datagram; raises Malformed where not even its head can be read.

    What is damaged further in is given up from there on; `count` is told, as it is of what was skipped.
    """
    try:
        (version,) = _WORD.unpack_from(data)
        if version != VERSION:
            raise Malformed(f"sFlow of version {version}" if version < VERSION else "no sFlow")
        agent, at = _address(data, 4)
        sub_agent, sequence, uptime, samples = _HEADER.unpack_from(data, at)
    except struct.error:
        raise Malformed(f"an sFlow datagram of {len(data)} bytes") from None
    read: list[Sample] = []
    for kind, start, end in _parts(data, at + _HEADER.size, len(data), samples, count):
        if kind in (_FLOW_SAMPLE, _EXPANDED_FLOW_SAMPLE):
            try:
                read.append(_sample(data, start, end, kind == _EXPANDED_FLOW_SAMPLE, count))
            except struct.error:  # shorter than its fixed part
                count("malformed.samples", 1)
        elif kind in _COUNTER_SAMPLES:
            count("skipped.counters", 1)
        else:
            count("skipped.discarded" if kind == _DISCARDED_PACKET else "skipped.samples", 1)
    return Datagram(agent, sub_agent, sequence, uptime, read)


def _parts(data: bytes, at: int, end: int, most: int, count: Count) -> Iterator[tuple[int, int, int]]:
    """(format, start, end) of up to `most` samples or records, as far as they are whole."""
    for _ in range(most):
        if at + _TYPED.size > end:
            count("malformed.lengths", 1)
            return
        kind, length = _TYPED.unpack_from(data, at)
        at += _TYPED.size
        if length > end - at:
            count("malformed.lengths", 1)
            return
        yield kind, at, at + length
        at += (length + 3) & ~3  # XDR pads to whole words (RFC 4506 section 4.10)


def _sample(data: bytes, start: int, end: int, expanded: bool, count: Count) -> Sample:
    if expanded:
        fixed = _EXPANDED.unpack_from(data[start:end])
        sequence, source_type, source_index, rate, _, drops, _, _, form, output, records = fixed
    else:
        sequence, source, rate, _, drops, _, output, records = _SAMPLE.unpack_from(data[start:end])
        source_type, source_index, form, output = source >> 24, source & 0xFFFFFF, output >> 30, output & 0x3FFFFFFF
    # An interface (format 0) that is the source and where the packet goes out: it was sampled there.
    leaving = source_type == form == 0 and output == source_index
    at = start + (_EXPANDED.size if expanded else _SAMPLE.size)
    packet = _packet(data, _parts(data, at, end, records, count), count)
    return Sample(sequence, source_type << 32 | source_index, max(rate, 1), drops, leaving, packet)


def _packet(data: bytes, records: Iterator[tuple[int, int, int]], count: Count) -> Packet | None:
    """The packet that the records describe: by its own header where there is one, else as the agent read it."""
    own: Packet | None = None
    told: Packet | None = None
    nat: dict[str, Address | int] = {}
    why = "no_header"
    for kind, start, end in records:
        try:
            if kind == _RAW_HEADER:
                own = own or _raw_header(data, start, end)
            elif kind == _SAMPLED_IPV4:
                length, protocol, src, dst, src_port, dst_port, flags = _IPV4.unpack_from(data[start:end])
                told = _told(length, protocol, src, src_port, dst, dst_port, flags)
            elif kind == _SAMPLED_IPV6:
                length, protocol, src, dst, src_port, dst_port, flags = _IPV6.unpack_from(data[start:end])
                told = _told(length, protocol, src, src_port, dst, dst_port, flags)
            elif kind == _NAT:
                nat |= _nat(data[start:end])
            elif kind == _NAT_PORT:
                nat["dst_port"] = _TYPED.unpack_from(data[start:end])[1]
        except struct.error:
            count("malformed.records", 1)
        except Skipped as skipped:
            why = skipped.reason
    packet = own or told
    if packet is None:
        count(f"skipped.{why}", 1)
    return _inside(packet, nat) if packet and nat else packet


def _raw_header(data: bytes, start: int, end: int) -> Packet:
    protocol, frame_length, stripped, length = _RAW.unpack_from(data[start:end])
    start += _RAW.size
    return sampled_packet(protocol, data[start : min(start + length, end)], frame_length, stripped)


def _told(length: int, protocol: int, src: Address, src_port: int, dst: Address, dst_port: int, flags: int) -> Packet:
    """A packet of which only these fields were told."""
    return Packet(src, src_port & 0xFFFF, dst, dst_port & 0xFFFF, protocol & 0xFF, flags & 0xFF, length)


def _nat(record: bytes) -> dict[str, Address | int]:
    """struct extended_nat: the source and destination after the translation. Only the latter is of use here."""
    _, at = _address(record, 0)
    destination, _ = _address(record, at)
    return {} if destination is None else {"dst_ip": destination}


def _inside(packet: Packet, nat: dict[str, Address | int]) -> Packet:
    """The packet as the hosts behind the translation have it: from where it came, and to whom it was brought.

    A host's own packets are translated at their source, those that answer it at their destination. So the source
    before the translation and the destination after it are the same pair in both directions.
    """
    destination = nat.get("dst_ip", packet.dst_ip)
    if type(destination) is not type(packet.dst_ip):  # from one family to the other: two conversations
        return packet
    port = int(nat.get("dst_port", 0)) & 0xFFFF
    return packet._replace(dst_ip=destination, dst_port=port or packet.dst_port)


def _address(data: bytes, at: int) -> tuple[Address | None, int]:
    """struct address: the address at a place, and where it ends."""
    (kind,) = _WORD.unpack_from(data, at)
    length = {0: 0, 1: 4, 2: 16}.get(kind)  # UNKNOWN, IP_V4, IP_V6
    at += _WORD.size
    if length is None or at + length > len(data):
        raise struct.error
    return (address_of_bytes(data[at : at + length]) if length else None), at + length
