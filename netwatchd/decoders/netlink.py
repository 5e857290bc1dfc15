"""Netlink's envelope: messages and their attributes (linux/netlink.h), read and written.

Headers are in the byte order of this machine; what attributes hold is up to each protocol (netfilter: big-endian).
"""

import errno
import struct
from collections.abc import Iterator
from typing import NamedTuple

# struct nlmsghdr { __u32 nlmsg_len; __u16 nlmsg_type; __u16 nlmsg_flags; __u32 nlmsg_seq; __u32 nlmsg_pid; }
HEADER = struct.Struct("=IHHII")
# struct nlattr { __u16 nla_len; __u16 nla_type; }
ATTRIBUTE = struct.Struct("=HH")

ERROR = 2  # NLMSG_ERROR, also an acknowledgement when its code is 0
DONE = 3  # NLMSG_DONE, the end of a dump
REQUEST, ACK, DUMP = 0x1, 0x4, 0x300  # NLM_F_*
EXCLUSIVE, CREATE, APPEND = 0x200, 0x400, 0x800
NESTED = 0x8000  # NLA_F_NESTED
TYPE_MASK = 0x3FFF  # NLA_TYPE_MASK: without the flags "nested" and "network byte order"

_CODE = struct.Struct("=i")
_MOST_ERRNO = 4095  # MAX_ERRNO (linux/err.h)


class Malformed(ValueError):
    """The bytes are not what the kernel's headers say they should be."""


class Message(NamedTuple):
    """One message; `data` is all of it, with its header of 16 bytes."""

    kind: int
    flags: int
    seq: int
    data: bytes


def messages(data: bytes) -> Iterator[Message]:
    """The messages of one datagram; raises Malformed at the first that does not fit into it."""
    at, end = 0, len(data)
    while at < end:
        if end - at < HEADER.size:
            raise Malformed(f"{end - at} bytes are left where a netlink header should begin")
        length, kind, flags, seq, _ = HEADER.unpack_from(data, at)
        if not HEADER.size <= length <= end - at:
            raise Malformed(f"a netlink message claims {length} bytes where {end - at} are left")
        yield Message(kind, flags, seq, data if length == end else data[at : at + length])
        at += (length + 3) & ~3


def attributes(data: bytes, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    """(type, where its value starts, where it ends) of each attribute in data[at:end]; raises Malformed."""
    while at < end:
        if end - at < ATTRIBUTE.size:
            raise Malformed(f"{end - at} bytes are left where a netlink attribute should begin")
        length, kind = ATTRIBUTE.unpack_from(data, at)
        if not ATTRIBUTE.size <= length <= end - at:
            raise Malformed(f"netlink attribute {kind & TYPE_MASK} claims {length} bytes where {end - at} are left")
        yield kind & TYPE_MASK, at + ATTRIBUTE.size, at + length
        at += (length + 3) & ~3


def fixed(form: struct.Struct, message: bytes) -> tuple[int, ...]:
    """What stands behind the header of a routing message, before its attributes; raises Malformed."""
    if len(message) < HEADER.size + form.size:
        raise Malformed(f"a routing message of {len(message)} bytes")
    return form.unpack_from(message, HEADER.size)


def error_code(message: Message) -> int:
    """The errno that an ERROR or DONE message tells; 0 where all went well."""
    if len(message.data) < HEADER.size + _CODE.size:
        return 0  # a DONE without a code, as old kernels send it
    code = -int(_CODE.unpack_from(message.data, HEADER.size)[0])
    return code if 0 <= code <= _MOST_ERRNO else errno.EPROTO


def message(kind: int, flags: int, seq: int, payload: bytes) -> bytes:
    """A message to the kernel, padded for a following one."""
    length = HEADER.size + len(payload)
    return HEADER.pack(length, kind, flags, seq, 0) + payload + bytes(-length % 4)


def attribute(kind: int, value: bytes) -> bytes:
    """An attribute, padded for a following one."""
    length = ATTRIBUTE.size + len(value)
    return ATTRIBUTE.pack(length, kind) + value + bytes(-length % 4)


def nested(kind: int, *inner: bytes) -> bytes:
    """An attribute that holds others."""
    return attribute(kind | NESTED, b"".join(inner))
