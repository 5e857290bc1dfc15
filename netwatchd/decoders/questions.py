"""Questions and answers of DNS in packets to and from port 53: as much of them as detectors need, and that cheaply.

A network may ask ten thousand times a second, so that nothing here is read twice: the name stands uncompressed in the
question (RFC 1035 section 4.1.2), and of an answer's records only addresses are read, whose owners are skipped. What is
no plain query (an update, a zone transfer's later part, bytes that only come from port 53) gives nothing. mDNS, LLMNR
and NetBIOS have ports of their own.

Of TCP (RFC 7766) a message is read where it begins a segment: a query as a whole, of an answer what the segment has.
"""

import re
import struct
from collections.abc import Iterator

from netwatchd.addresses import Address, address_of_bytes
from netwatchd.decoders.links import Buffer
from netwatchd.decoders.packets import TCP, UDP, Packet
from netwatchd.observations import DnsMessage

PORT = b"\0\x35"  # 53
MOST_RECORDS = 64  # read of one answer: who has more addresses than that is known by these
MOST_IN_A_SEGMENT = 16  # messages of one TCP segment

_HEADER = struct.Struct("!HHHHHH").unpack_from  # id, flags, questions, answers, authorities, additionals
_QUESTION = struct.Struct("!xHH").unpack_from  # the root's empty label, then type and class
_RECORD = struct.Struct("!HHIH").unpack_from  # type, class, time to live, length of the data
_TWO = struct.Struct("!H").unpack_from
_HEADER_SIZE = 12
_LONGEST_NAME = 255  # bytes (RFC 1035 section 3.1)
_LONGEST_LABEL = 63
_RESPONSE, _OPERATION = 0x8000, 0x7800
_INTERNET = 1
_ADDRESS_SIZES = {1: 4, 28: 16}  # A, AAAA

# Bytes of a label that mean themselves; the others are written as \ddd (RFC 1035 section 5.1), the backslash too, so
# that a name never means two things.
_PLAIN = re.compile(rb"[!-\[\]-~]*").fullmatch
_ODD = re.compile(rb"[^!-\-/-\[\]-~]")


def is_dns(packet: Packet) -> bool:
    """Whether the packet is to or from the port of DNS, and shows its transport header."""
    ports = packet.ports
    return (ports[2:] == PORT or ports[:2] == PORT) and packet.protocol in (UDP, TCP) and packet.transport > 0


def read_questions(time: int, source: str, packet: Packet, data: Buffer) -> Iterator[DnsMessage]:
    """The messages in a packet of which `is_dns` is true; of fragments the first may show one."""
    at = packet.transport
    if packet.protocol == UDP:
        if len(data) >= at + 8 + _HEADER_SIZE:
            size = max(_TWO(data, at + 4)[0] - 8, 0)  # without UDP's header; the frame may be padded, or cut off
            if message := _read(time, source, packet, bytes(data[at + 8 : at + 8 + size]), size):
                yield message
        return
    if len(data) < at + 20:
        return
    # Padding need not be taken off: it has six bytes at most, and the shortest message fourteen.
    segment = bytes(data[at + (data[at + 12] >> 4) * 4 :])
    begin = 0
    for _ in range(MOST_IN_A_SEGMENT):
        if len(segment) < begin + 2 + _HEADER_SIZE:
            return
        size = _TWO(segment, begin)[0]
        message = _read(time, source, packet, segment[begin + 2 : begin + 2 + size], size)
        # What goes on from the segment before could look like a query by chance, but hardly with the right length.
        if message is None or (not message.answer and begin + 2 + size > len(segment)):
            return
        yield message
        begin += 2 + size


def _read(time: int, source: str, packet: Packet, data: bytes, size: int) -> DnsMessage | None:
    """The message of `size` bytes that `data` begins with; None where it is no plain query and no answer to one."""
    try:
        number, flags, questions, answers, _, _ = _HEADER(data)
        if questions != 1 or flags & _OPERATION:
            return None
        labels, at = [], _HEADER_SIZE
        while length := data[at]:
            if length > _LONGEST_LABEL:
                return None
            at += 1
            labels.append(data[at : at + length])
            at += length
        kind, _ = _QUESTION(data, at)
        if at - _HEADER_SIZE >= _LONGEST_NAME:
            return None
        name = name_of(labels)
        if not flags & _RESPONSE:
            return DnsMessage(time, source, packet.src_ip, packet.dst_ip, name, kind, False, 0, size, number)
        found = _addresses(data, at + 5, answers) if answers and kind in _ADDRESS_SIZES else ()
        return DnsMessage(
            time, source, packet.dst_ip, packet.src_ip, name, kind, True, flags & 15, size, number, found
        )  # fmt: skip
    except (struct.error, IndexError):
        return None


def _addresses(data: bytes, at: int, count: int) -> tuple[Address, ...]:
    """The addresses among the records from `at` on, as far as they can be read."""
    found = []
    try:
        for _ in range(min(count, MOST_RECORDS)):
            # The record's owner: labels, up to a pointer or the root.
            while length := data[at]:
                if length > _LONGEST_LABEL:
                    at += 1
                    break
                at += length + 1
            kind, group, _, length = _RECORD(data, at + 1)
            at += 11
            if group == _INTERNET and _ADDRESS_SIZES.get(kind) == length and at + length <= len(data):
                found.append(address_of_bytes(data[at : at + length]))
            at += length
    except (struct.error, IndexError):
        pass  # it was cut off: what was read is true all the same
    return tuple(found)


def name_of(labels: list[bytes]) -> str:
    """The name of these labels as text: lower case, without the trailing dot, what is no ASCII as \\ddd."""
    raw = b".".join(labels)
    if not _PLAIN(raw) or raw.count(b".") >= len(labels) > 0:
        raw = b".".join(_ODD.sub(lambda match: b"\\%03d" % match[0][0], label) for label in labels)
    return raw.decode("ascii").lower()
