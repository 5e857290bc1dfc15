"""Sampled packets put together to conversations, and these to Flows.

* **A conversation is told once**, WINDOW after its first sample, with all that was sampled of it in both directions
  since; what is sampled later is another Flow. A switch samples one of hundreds of packets, so most conversations
  are one sample, and nothing in the samples says that a conversation has ended.
* **Each sample stands for as many packets as its sampling rate says** (sFlow version 5, section 3.1), and so do its
  bytes. The rate that stands in the Flow's origin is the coarsest that took part.
* **A packet that was sampled twice counts once.** Many agents sample where packets come in and where they go out, so
  that one packet has two chances. Both give an estimate of the same; the larger one is taken.
* **Who opened it** is told by the best evidence among the samples, from the best: TCP's SYN, or an ICMP request and
  its reply; a destination that is a group, which never opens anything; the lower port, as services have known ports
  and clients get theirs from above 1023 (RFC 6335) or 32,767; and where all of these are silent, the first sample's
  sender.
"""

from itertools import islice

from netwatchd.addresses import Address
from netwatchd.decoders.packets import ACK, ICMP, ICMPV6, SYN, TCP
from netwatchd.decoders.sflow.datagram import Sample
from netwatchd.decoders.sflow.headers import Packet
from netwatchd.events import Flow, NewId, Origin

WINDOW = 15_000  # milliseconds: long enough for both directions of what is sampled often, and short enough for "now"
MOST_CONVERSATIONS = 20_000  # some 11 MB; beyond them the oldest are told before their time

MOST_COUNTED = 2**53 - 1  # what JSON's numbers hold exactly; only who lies of his sampling rate gets there

# ICMP's answers and what they answer: echo, timestamp, information, address mask (RFC 792, 950); ICMPv6: echo.
_REPLIES = {(ICMP, 0): 8, (ICMP, 14): 13, (ICMP, 16): 15, (ICMP, 18): 17, (ICMPV6, 129): 128}
_REQUESTS = {(protocol, request) for (protocol, _), request in _REPLIES.items()}
_BY_FLAGS, _BY_GROUP, _BY_PORT, _BY_ORDER = 3, 2, 1, 0

Agent = tuple[Address, Address | None, int]  # exporter, agent, sub-agent
Key = tuple[Agent, int, Address, int, Address, int]


class _Conversation:
    """What was sampled of one conversation. Its sides are 0, the lesser by address and port, and 1."""

    __slots__ = ("evidence", "first", "last", "opener", "rate", "sums")

    def __init__(self, now: int) -> None:
        self.first = self.last = now
        self.rate = 1
        self.opener, self.evidence = 0, -1
        # Packets and bytes: sampled where they come in from side 0, from side 1; where they leave, likewise.
        self.sums = [0] * 8

    def add(self, packet: Packet, sample: Sample, sender: int, now: int) -> None:
        """Counts one sample that side `sender` sent."""
        self.last = max(self.last, now)
        self.rate = max(self.rate, sample.rate)
        at = sample.leaving * 4 + sender * 2
        self.sums[at] += sample.rate
        self.sums[at + 1] += sample.rate * packet.length
        opened, evidence = _opened(packet)
        if evidence > self.evidence:
            self.opener, self.evidence = sender if opened else 1 - sender, evidence

    def counts(self, side: int) -> tuple[int, int]:
        """Packets and bytes that the side has sent."""
        come, left = self.sums[side * 2 :], self.sums[4 + side * 2 :]
        packets, size = max((come[0], come[1]), (left[0], left[1]))
        return min(packets, MOST_COUNTED), min(size, MOST_COUNTED)


class Conversations:
    """Those that are not told of yet, the oldest first."""

    def __init__(self, new_id: NewId, source: str) -> None:
        self._new_id = new_id
        self._source = source
        self._open: dict[Key, _Conversation] = {}
        self._origins: dict[tuple[Agent, int], Origin] = {}

    def __len__(self) -> int:
        return len(self._open)

    def add(self, agent: Agent, sample: Sample, packet: Packet, now: int) -> None:
        """Takes in a sample that came at `now`."""
        key, sender = _key(agent, packet)
        conversation = self._open.get(key)
        if conversation is None:
            conversation = self._open[key] = _Conversation(now)
        conversation.add(packet, sample, sender, now)

    def due(self, now: int) -> list[Flow]:
        """The conversations whose time has come, and those that are too many. A clock set far back makes all be due."""
        excess = len(self._open) - MOST_CONVERSATIONS
        number = 0
        for number, conversation in enumerate(self._open.values()):
            if number >= excess and abs(now - conversation.first) < WINDOW:
                break
        else:
            number = len(self._open)
        return self._tell(number, now)

    def finish(self, now: int) -> list[Flow]:
        """All of them."""
        return self._tell(len(self._open), now)

    def _tell(self, number: int, now: int) -> list[Flow]:
        if not number:
            return []
        first = self._new_id(now, number)
        keys = list(islice(self._open, number))
        return [self._flow(first + at, key, self._open.pop(key)) for at, key in enumerate(keys)]

    def _flow(self, flow_id: int, key: Key, told: _Conversation) -> Flow:
        agent, protocol, low_ip, low_port, high_ip, high_port = key
        ends = (low_ip, low_port), (high_ip, high_port)
        src, dst = ends[told.opener], ends[1 - told.opener]
        if protocol in (ICMP, ICMPV6):  # the ports are type and code, the same in both directions
            src, dst = (src[0], low_port), (dst[0], high_port)
        out, back = told.counts(told.opener), told.counts(1 - told.opener)
        origin = self._origin(agent, told.rate)
        return Flow(flow_id, told.first, told.last, *src, *dst, protocol, *out, *back, "closed", self._source, origin)

    def _origin(self, agent: Agent, rate: int) -> Origin:
        origin = self._origins.get((agent, rate))
        if origin is None:
            if len(self._origins) > 1000:  # an agent has a few rates; one that lies has any number
                self._origins.clear()
            origin = self._origins[agent, rate] = Origin(agent[0], agent[2], rate)
        return origin


def _key(agent: Agent, packet: Packet) -> tuple[Key, int]:
    """What tells the packet's conversation from others, and which of its sides has sent the packet."""
    src_ip, src_port, dst_ip, dst_port, protocol, _, _ = packet
    if protocol in (ICMP, ICMPV6):
        kind = _REPLIES.get((protocol, src_port), src_port)
        if _before(dst_ip, src_ip):
            return (agent, protocol, dst_ip, kind, src_ip, dst_port), 1
        return (agent, protocol, src_ip, kind, dst_ip, dst_port), 0
    if _before(dst_ip, src_ip) or (src_ip == dst_ip and dst_port < src_port):
        return (agent, protocol, dst_ip, dst_port, src_ip, src_port), 1
    return (agent, protocol, src_ip, src_port, dst_ip, dst_port), 0


def _before(one: Address, other: Address) -> bool:
    """Whether the one is the lesser of two addresses of the same family."""
    return one < other  # type: ignore[operator]


def _opened(packet: Packet) -> tuple[bool, int]:
    """Whether the packet's sender opened the conversation, and how good the evidence is."""
    if packet.protocol == TCP and packet.flags & SYN:
        return not packet.flags & ACK, _BY_FLAGS
    if packet.protocol in (ICMP, ICMPV6):
        kind = (packet.protocol, packet.src_port)
        if kind in _REQUESTS or kind in _REPLIES:
            return kind in _REQUESTS, _BY_FLAGS
    elif packet.src_port != packet.dst_port and not _is_group(packet.dst_ip):
        return packet.src_port > packet.dst_port, _BY_PORT
    return True, _BY_GROUP if _is_group(packet.dst_ip) else _BY_ORDER


def _is_group(address: Address) -> bool:
    """Whether it is a multicast address, or IPv4's broadcast."""
    if isinstance(address, int):
        return address >= 0xE0000000
    return address[0] == 0xFF
