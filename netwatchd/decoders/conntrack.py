"""Connection tracking messages (linux/netfilter/nfnetlink_conntrack.h) to Entries.

Theory: the kernel writes the same few layouts over and over, as TCP over IPv4 with counters is always built alike. So
a message's *shape* is its length and the bytes of all its attribute headers. The first message of a shape is walked
attribute by attribute, which yields one struct.Struct that picks every field out of any message of that shape, and a
mask that tells in one operation on a big integer whether a message is of it. A message is never read by a layout
whose headers differ in a bit from its own, so the fast way cannot read anything that the walk would not have.
"""

import struct
from collections.abc import Callable
from operator import itemgetter
from typing import Any, NamedTuple

from netwatchd.addresses import Address, Networks
from netwatchd.decoders.netlink import HEADER, Malformed, attributes

NEW, DESTROY = 0x100, 0x102  # nlmsg_type: NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW, _DELETE
SEEN_REPLY, ASSURED, DYING = 1 << 1, 1 << 2, 1 << 9  # enum ip_conntrack_status
MOST_SHAPES = 512  # a busy router shows some dozens; hostile input must not fill the memory

_ATTRIBUTES_AT = HEADER.size + 4  # after struct nfgenmsg { __u8 family; __u8 version; __be16 res_id; }


class Entry(NamedTuple):
    """One connection as the kernel tells it, in its original direction, before NAT.

    The first six fields are what tells it from any other. What the message does not tell is 0.
    """

    id: int
    src_ip: Address
    src_port: int  # ICMP: the type
    dst_ip: Address
    dst_port: int  # ICMP: the code
    protocol: int
    status: int
    timeout: int  # seconds until it expires, if nothing more comes
    packets_out: int
    bytes_out: int
    packets_in: int
    bytes_in: int
    start: int  # nanoseconds since 1970
    stop: int  # nanoseconds since 1970: when it expired or was removed
    event: int  # nanoseconds since 1970: when what this message tells happened (Linux 6.14)
    tcp_state: int  # enum tcp_conntrack
    reply_src_ip: Address = 0  # who answers, and to whom: the other way round than above, and after NAT
    reply_src_port: int = 0
    reply_dst_ip: Address = 0
    reply_dst_port: int = 0
    outer_ip: Address = 0  # where it was addressed to, of one that `inward` shows as it is inside
    outer_port: int = 0

    @property
    def translated(self) -> tuple[int | Address, ...] | None:
        """Addresses, ports and protocol on the other side of NAT, in the original direction; None without NAT."""
        if self.outer_ip:
            return (*self[1:3], self.outer_ip, self.outer_port, self.protocol)
        if self.protocol in _WITHOUT_PORTS:  # the type of an answer is another than that of its question
            after = self.reply_dst_ip, self.src_port, self.reply_src_ip, self.dst_port, self.protocol
        else:
            after = self.reply_dst_ip, self.reply_dst_port, self.reply_src_ip, self.reply_src_port, self.protocol
        return after if after != self[1:6] and self.reply_src_ip else None


_WITHOUT_PORTS = (1, 58)  # ICMP, ICMPv6


def inward(entry: Entry, networks: Networks) -> Entry:
    """A connection from elsewhere by a forwarded port (DNAT): the same, to the device in `networks` that answers.

    It was addressed to this router, which has nothing to do with it but the forwarding. Any other is left as it is: who
    is redirected on the way out, as by a proxy, has meant to speak to whom he addressed.
    """
    inner = entry.reply_src_ip
    if inner == entry.dst_ip or not inner or entry.protocol in _WITHOUT_PORTS:
        return entry
    if inner not in networks or entry.src_ip in networks:
        return entry
    return entry._replace(dst_ip=inner, dst_port=entry.reply_src_port, outer_ip=entry.dst_ip, outer_port=entry.dst_port)


_REQUIRED = ("id", "src_ip", "dst_ip", "protocol")

# The attributes that are read: type -> (field, format), or those nested in it. Everything is in network byte order.
_COUNTERS_ORIG = {1: ("packets_out", "Q"), 2: ("bytes_out", "Q")}
_COUNTERS_REPLY = {1: ("packets_in", "Q"), 2: ("bytes_in", "Q")}
_TUPLE = {
    1: {1: ("src_ip", "I"), 2: ("dst_ip", "I"), 3: ("src_ip", "16s"), 4: ("dst_ip", "16s")},  # CTA_IP_V4_*, _V6_*
    2: {  # CTA_PROTO_NUM, _SRC_PORT, _DST_PORT, _ICMP_TYPE, _ICMP_CODE, _ICMPV6_TYPE, _ICMPV6_CODE
        1: ("protocol", "B"),
        2: ("src_port", "H"),
        3: ("dst_port", "H"),
        5: ("src_port", "B"),
        6: ("dst_port", "B"),
        8: ("src_port", "B"),
        9: ("dst_port", "B"),
    },
}
_REPLY = {
    1: {1: ("reply_src_ip", "I"), 2: ("reply_dst_ip", "I"), 3: ("reply_src_ip", "16s"), 4: ("reply_dst_ip", "16s")},
    2: {2: ("reply_src_port", "H"), 3: ("reply_dst_port", "H")},
}
_TREE: dict[int, Any] = {
    1: _TUPLE,  # CTA_TUPLE_ORIG
    2: _REPLY,  # CTA_TUPLE_REPLY
    3: ("status", "I"),
    4: {1: {1: ("tcp_state", "B")}},  # CTA_PROTOINFO, _TCP, _TCP_STATE
    7: ("timeout", "I"),
    9: _COUNTERS_ORIG,
    10: _COUNTERS_REPLY,
    12: ("id", "I"),
    20: {1: ("start", "Q"), 2: ("stop", "Q")},  # CTA_TIMESTAMP
    27: ("event", "Q"),  # CTA_TIMESTAMP_EVENT
}


class _Shape(NamedTuple):
    mask: int  # ones over every attribute header that was walked
    headers: int  # what stands there
    unpack: Callable[[bytes], tuple[Any, ...]]
    pick: Callable[[tuple[Any, ...]], tuple[Any, ...]]  # into the order of Entry


class ConntrackDecoder:
    """Decodes messages, remembering the shapes it has met."""

    def __init__(self) -> None:
        self._shapes: dict[int, list[_Shape]] = {}  # by the message's length
        self.shapes = 0

    def decode(self, message: bytes) -> Entry:
        """The entry in one whole message of type NEW or DESTROY; raises Malformed."""
        number = int.from_bytes(message, "little")
        for shape in self._shapes.get(len(message), ()):
            if number & shape.mask == shape.headers:
                break
        else:
            shape = self._learn(message, number)
        return Entry._make(shape.pick((*shape.unpack(message), 0)))

    def _learn(self, message: bytes, number: int) -> _Shape:
        fields: dict[str, tuple[int, str]] = {}
        headers: list[int] = []
        _walk(message, _ATTRIBUTES_AT, len(message), _TREE, fields, headers)
        if missing := [name for name in _REQUIRED if name not in fields]:
            raise Malformed(f"a conntrack message without {', '.join(missing)}")
        if fields["src_ip"][1] != fields["dst_ip"][1]:
            raise Malformed("a conntrack message from IPv4 to IPv6")
        mask = sum(0xFFFFFFFF << at * 8 for at in headers)
        shape = _Shape(mask, number & mask, *_picker(fields, len(message)))
        if self.shapes >= MOST_SHAPES:  # start over rather than choose: whatever is common is back at once
            self._shapes.clear()
            self.shapes = 0
        self._shapes.setdefault(len(message), []).append(shape)
        self.shapes += 1
        return shape


def _walk(
    data: bytes, at: int, end: int, tree: dict[int, Any], fields: dict[str, tuple[int, str]], headers: list[int]
) -> None:
    """Puts the place and format of every known field into `fields`, and where attributes begin into `headers`."""
    for kind, start, stop in attributes(data, at, end):
        headers.append(start - 4)
        known = tree.get(kind)
        if isinstance(known, dict):
            _walk(data, start, stop, known, fields, headers)
        elif known is not None:
            name, form = known
            if stop - start != struct.calcsize(">" + form):
                raise Malformed(f"conntrack attribute {kind} ({name}) has {stop - start} bytes")
            fields[name] = (start, form)


def _picker(fields: dict[str, tuple[int, str]], length: int) -> tuple[Any, Any]:
    """What unpacks the fields from a message of `length` bytes, and what brings them into the order of Entry."""
    ordered = sorted(fields, key=lambda name: fields[name][0])
    form, at = ">", 0
    for name in ordered:
        start, code = fields[name]
        form += f"{start - at}x{code}"
        at = start + struct.calcsize(">" + code)
    absent = len(ordered)  # the index of the 0 that `decode` puts behind the unpacked values
    places = [ordered.index(name) if name in fields else absent for name in Entry._fields]
    return struct.Struct(f"{form}{length - at}x").unpack, itemgetter(*places)
