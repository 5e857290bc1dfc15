"""IPFIX (RFC 7011): its message header. Its sets are those of v9, with other ids for templates."""

import struct

from netwatchd.decoders.netflow.header import Header, Malformed

# version, length, export time in seconds, sequence number, observation domain id
_HEADER = struct.Struct(">HHIII")

TEMPLATES, OPTIONS = 2, 3  # ids of sets


def header(data: bytes) -> Header:
    """The header. Raises Malformed."""
    if len(data) < _HEADER.size:
        raise Malformed("a header that is cut off")
    version, length, seconds, sequence, domain = _HEADER.unpack_from(data)
    if not _HEADER.size <= length <= len(data):
        raise Malformed("a message of another length than its header says")
    return Header(version, seconds * 1000, None, sequence, domain, _HEADER.size, length)
