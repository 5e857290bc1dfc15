"""NetFlow v9 (RFC 3954): its header, and the flowsets behind it."""

import struct
from collections.abc import Iterator

from netwatchd.decoders.netflow.header import Header, Malformed

# version, count of records, sysUptime, unix seconds, sequence number, source id
_HEADER = struct.Struct(">HHIIII")
_SET = struct.Struct(">HH")

TEMPLATES, OPTIONS = 0, 1  # ids of flowsets


def header(data: bytes) -> Header:
    """The header. Raises Malformed."""
    if len(data) < _HEADER.size:
        raise Malformed("a header that is cut off")
    version, _, uptime, seconds, sequence, source = _HEADER.unpack_from(data)
    return Header(version, seconds * 1000, uptime, sequence, source, _HEADER.size, len(data))


def sets(data: bytes, at: int, end: int) -> Iterator[tuple[int, bytes]]:
    """The id and the body of each set, of IPFIX too. Raises Malformed at the first one that is broken."""
    while end - at >= _SET.size:
        number, length = _SET.unpack_from(data, at)
        if length < _SET.size or at + length > end:
            if any(data[at:end]):  # not only padding
                raise Malformed("a set that is longer than its datagram, or shorter than its header")
            return
        yield number, data[at + 4 : at + length]
        at += length
