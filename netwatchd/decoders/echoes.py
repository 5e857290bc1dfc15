"""Pings whose answer is not what was sent.

RFC 792 and RFC 4443 (section 4.2) demand that an echo reply returns the data of the request as they came. So a reply
with other data was not made by a kernel that answers pings, but by a program that talks. A reply that is cut short is
none: some servers return the first bytes of a long ping only.

Requests wait for their reply in a table that is bounded: who sends more than it holds pushes out the oldest.
"""

from collections import OrderedDict

from netwatchd.decoders.links import Buffer
from netwatchd.decoders.packets import ICMP, ICMPV6, Packet
from netwatchd.observations import EchoAltered

MOST_WAITING = 4096
_COMPARED = 64  # bytes of data; what a snap length leaves may be less
_HEADER = 8  # type, code, checksum, identifier, sequence number
_REQUESTS = {ICMP: 8, ICMPV6: 128}
_IP_HEADERS = {ICMP: 20, ICMPV6: 40}
_REPLIES = {ICMP: 0, ICMPV6: 129}


def is_echo(packet: Packet) -> bool:
    """Whether the packet is a whole ping, or an answer to one."""
    kind = _REQUESTS.get(packet.protocol)
    return kind is not None and packet.src_port in (kind, _REPLIES[packet.protocol]) and packet.fragment is None


class Echoes:
    """The requests that wait for their reply."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[bytes, tuple[int, bytes]] = OrderedDict()  # length and beginning of the data

    def see(self, time: int, source: str, packet: Packet, data: Buffer) -> EchoAltered | None:
        """An echo request or reply; what there is to say of a reply."""
        at = packet.transport
        number = bytes(data[at + 4 : at + _HEADER])
        # Options would be a part of the size, but a reply has those of its request.
        size = packet.length - _IP_HEADERS[packet.protocol] - _HEADER
        told = bytes(data[at + _HEADER : at + _HEADER + min(size, _COMPARED)]) if size > 0 else b""
        if packet.src_port == _REQUESTS[packet.protocol]:
            waiting = self._waiting
            key = packet.source + packet.destination + number
            waiting.pop(key, None)
            waiting[key] = size, told
            if len(waiting) > MOST_WAITING:
                waiting.popitem(last=False)
            return None
        sent = self._waiting.get(packet.destination + packet.source + number)
        if sent is None:
            return None
        common = min(len(told), len(sent[1]))
        if size <= sent[0] and told[:common] == sent[1][:common]:
            return None
        return EchoAltered(time, source, packet.dst_ip, packet.src_ip, sent[0], size)
