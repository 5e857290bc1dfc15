"""One conversation as its packets show it: who opened it, how long it may be silent, and how it ended."""

from netwatchd.addresses import address_of_bytes
from netwatchd.decoders.packets import ACK, FIN, ICMP, ICMPV6, NO_PORTS, PSH, RST, SYN, TCP, UDP, URG, Packet
from netwatchd.events import Flow

# Milliseconds of silence after which a conversation is over.
TIMEOUTS = {
    "tcp": 7_440_000,  # RFC 5382 REQ-5: two hours, after which hosts ask whether the other is there, and four minutes
    "tcp_opening": 120_000,  # a SYN is sent again for up to 127 s, but never more than 64 s later than the last
    "tcp_answered": 120_000,  # no answer to the SYN-ACK, which is sent again for 63 s: perhaps one of a flood of SYNs
    "tcp_closing": 240_000,  # one side has closed: RFC 5382 REQ-5
    "tcp_closed": 10_000,  # the last ACK, and what is sent again until it arrives
    "udp": 120_000,  # RFC 4787 REQ-5, and Linux's conntrack for a stream
    "icmp": 60_000,  # RFC 5508 REQ-1
    "other": 600_000,  # as Linux's conntrack
}
_NAMES = {UDP: "udp", ICMP: "icmp", ICMPV6: "icmp"}

STATES = {
    "closed": "TCP: both sides have closed it",
    "reset": "TCP: one side has broken it off",
    "rejected": "TCP: the other side answered the SYN with a RST",
    "attempt": "TCP: nobody answered the SYN",
    "fin": "TCP: it began with a FIN without ACK, as no TCP does: a FIN scan",
    "null": "TCP: it began with a packet without flags, as no TCP does: a NULL scan",
    "xmas": "TCP: it began with FIN, URG and PSH but no ACK, as no TCP does: an XMAS scan",
    "partial": "TCP: neither its beginning nor its end was seen",
    "replaced": "TCP: it was not ended, but its ports are used for another one",
    "timeout": "nothing was sent for long",
    "unfinished": "it lived when the capture ended",
    "continued": "it goes on after midnight (UTC) under another id",
    "evicted": "it lived, but the table of flows was full",
}

# What is known of a TCP connection.
_SYN, _ANSWERED, _FIN_OUT, _FIN_BACK, _RST, _REJECTED = 1, 2, 4, 8, 16, 32
_FINS = _FIN_OUT | _FIN_BACK
# How no conversation begins: RFC 9293 section 3.10.7 wants an ACK in all but the SYN and some RST. A port that is open
# ignores these, a closed one answers with RST, which is what scanners want to see.
_ODD_FIN, _ODD_NULL, _ODD_XMAS = 64, 128, 256
_ODD = {_ODD_FIN: "fin", _ODD_NULL: "null", _ODD_XMAS: "xmas"}
_ANY_ODD = _ODD_FIN | _ODD_NULL | _ODD_XMAS

# Replies of ICMP (RFC 792, 950) and ICMPv6 (RFC 4443, 4861, 4620), and what they reply to.
_REPLIES = {
    ICMP: {b"\0\0\0\0": b"\0\x08\0\0", b"\0\x0e\0\0": b"\0\x0d\0\0", b"\0\x10\0\0": b"\0\x0f\0\0",
           b"\0\x12\0\0": b"\0\x11\0\0"},
    ICMPV6: {b"\0\x81\0\0": b"\0\x80\0\0", b"\0\x88\0\0": b"\0\x87\0\0", b"\0\x8c\0\0": b"\0\x8b\0\0"},
}  # fmt: skip
_REQUESTS = {protocol: {ask: answer for answer, ask in pairs.items()} for protocol, pairs in _REPLIES.items()}

_WELL_KNOWN = b"\x04\0"  # ports below 1024, in network byte order


class Side:
    """What went in one direction."""

    __slots__ = ("bytes", "expected", "key", "mac", "packets", "record")

    def __init__(self, record: "Record", key: bytes) -> None:
        self.record = record
        self.key = key  # source, destination and ports of its packets; empty where none can come
        self.packets = 0
        self.bytes = 0
        self.mac: bytes | None = None  # who sent its last frame; None: each frame is to be looked at
        self.expected: int | None = None  # TCP: the sequence number that is next, where it is followed


class Record:
    """One conversation, of which a flow is told. `key` is that of what its opener sends."""

    __slots__ = ("back", "due", "gone", "id", "isn", "last", "out", "protocol", "start", "tcp", "told")

    def __init__(self, flow_id: int, time: int, protocol: int, key: bytes, tcp: int = 0) -> None:
        self.id = flow_id
        self.start = self.last = time
        self.protocol = protocol
        self.out = Side(self, key)
        self.back = Side(self, reverse(protocol, key))
        self.tcp = tcp
        self.isn = b""  # the sequence number of its SYN
        self.told = 0  # packets when it was last told
        self.gone = False  # it is not in the table any more
        self.due = 0  # the second in which the table looks at it

    @property
    def over(self) -> bool:
        """Whether it has ended, and only trails."""
        return self.tcp & _FINS == _FINS or self.tcp & _RST != 0

    @property
    def timeout(self) -> str:
        """The name, in TIMEOUTS, of how long it may be silent."""
        if self.protocol != TCP:
            return _NAMES.get(self.protocol, "other")
        if self.over or self.tcp & _ANY_ODD:
            return "tcp_closed"
        if self.tcp & _FINS:
            return "tcp_closing"
        if not self.tcp & _SYN or (self.back.packets and self.out.packets > 1):
            return "tcp"
        return "tcp_answered" if self.back.packets else "tcp_opening"

    def state(self, why: str) -> str:
        """The word for how it ended, if nothing better is known than `why` it is told."""
        tcp = self.tcp
        if tcp & _ANY_ODD:
            return _ODD[tcp & _ANY_ODD]
        if why == "continued" and not self.over:
            return why
        if tcp & _FINS == _FINS:
            return "closed"
        if tcp & _RST:
            return "rejected" if tcp & _REJECTED else "reset"
        if self.protocol == TCP and not tcp & (_SYN | _ANSWERED):
            return "partial"
        return "attempt" if tcp & _SYN and not self.back.packets else why

    @property
    def live_state(self) -> str:
        """The word while it lives: `new` is what was seen to begin, and was not answered yet."""
        joined = self.protocol == TCP and not self.tcp & (_SYN | _ANY_ODD)
        return "active" if self.back.packets or joined else "new"

    def inherit(self, other: "Record") -> None:
        """Goes on where another one was cut off."""
        self.tcp, self.isn = other.tcp, other.isn
        self.out.expected, self.back.expected = other.out.expected, other.back.expected

    def begins_anew(self, sequence: bytes) -> bool:
        """Whether a SYN (without ACK) opens another connection than this one."""
        if self.tcp & _SYN:
            # A host that was refused may ask again with the same number; so does one that was not heard.
            return sequence != self.isn and (self.over or self.back.packets > 0)
        return not self.tcp & _ANSWERED or self.over

    def control(self, side: Side, flags: int, sequence: bytes) -> None:
        """What a packet on `side` with SYN, FIN or RST means; it is not counted yet."""
        if flags & SYN:
            if flags & ACK:
                self.tcp |= _ANSWERED
            else:
                self.tcp |= _SYN
                self.isn = sequence
        if flags & FIN:
            self.tcp |= _FIN_OUT if side is self.out else _FIN_BACK
        if flags & RST and not self.over:
            self.tcp |= _RST
            if self.tcp & _SYN and not self.tcp & _ANSWERED and side is self.back and not side.packets:
                self.tcp |= _REJECTED

    def flow(self, state: str, source: str) -> Flow:
        """What is known of it, as told by `source`."""
        out, back = self.out, self.back
        key = out.key
        size = (len(key) - 4) // 2
        self.told = out.packets + back.packets
        return Flow(
            self.id, self.start, self.last,
            address_of_bytes(key[:size]), int.from_bytes(key[-4:-2], "big"),
            address_of_bytes(key[size:-4]), int.from_bytes(key[-2:], "big"),
            self.protocol, out.packets, out.bytes, back.packets, back.bytes, state, source,
        )  # fmt: skip


def begins_oddly(packet: Packet) -> int:
    """What is known of a TCP connection of which this is the first packet, where none begins like that; else 0."""
    flags = packet.flags
    if packet.protocol != TCP or not packet.transport or flags & (SYN | RST | ACK):
        return 0
    if not flags & FIN:
        return 0 if flags & (PSH | URG) else _ODD_NULL
    return _ODD_XMAS if flags & (PSH | URG) else _ODD_FIN


def reverse(protocol: int, key: bytes) -> bytes:
    """The key of what comes back; empty where nothing does (an ICMP message that is no request)."""
    size = (len(key) - 4) // 2
    if protocol in _REQUESTS:
        ports = _REQUESTS[protocol].get(key[-4:], b"")
        if not ports:
            return b""
    else:
        ports = key[-2:] + key[-4:-2]
    return key[size:-4] + key[:size] + ports


def opener_key(packet: Packet, ports: bytes) -> bytes:
    """The key of what the opener sends, where `packet` is the first that was seen of a conversation."""
    if _is_answer(packet, ports):
        if packet.protocol in _REPLIES:
            return packet.destination + packet.source + _REPLIES[packet.protocol][ports]
        return packet.destination + packet.source + ports[2:] + ports[:2]
    return packet.source + packet.destination + ports


def _is_answer(packet: Packet, ports: bytes) -> bool:
    if packet.protocol in _REPLIES:
        return ports in _REPLIES[packet.protocol] and _is_one_host(packet.destination)
    if packet.protocol == TCP and packet.flags & SYN:
        return packet.flags & ACK != 0
    # The hint, where nothing better is known: it comes from a server's port and goes to a client's.
    return ports != NO_PORTS and ports[:2] < _WELL_KNOWN <= ports[2:] and _is_one_host(packet.destination)


def _is_one_host(address: bytes) -> bool:
    """Whether it is no multicast address and not 255.255.255.255; a network's own broadcast address cannot be told."""
    return address[0] < 0xE0 if len(address) == 4 else address[0] != 0xFF
