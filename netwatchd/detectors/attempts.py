"""What of a flow is an attempt that came to nothing, and which ports are worth trying: what scans are told by.

An attempt is a flow whose beginning was seen and to which nobody has said anything useful: silence, a refusal, or a
handshake that was broken off at once. These are none: an answer (also ICMP's), whatever was joined in its middle (lone
ACKs, `partial`, replies whose question was not seen), backscatter (a SYN-ACK, a RST or an ICMP error out of the blue:
its opener is whoever was forged, or nobody), and what a sampling exporter did not look at.
"""

from netwatchd.addresses import is_host
from netwatchd.events import LIVE, Flow

ICMP, TCP, UDP, ICMPV6 = 1, 6, 17, 58

# What became of an attempt, as far as is known; a later word is never a lower one.
UNKNOWN, SILENT, REFUSED, OPENED = range(4)
OUTCOMES = ("unknown", "silent", "refused", "open")

# The last words on TCP flows that say that a beginning was seen, and nothing came of it. What a firewall denied, nobody
# may have heard, but it was tried.
_OF_STATES = {
    "attempt": SILENT, "unreplied": SILENT, "syn": SILENT, "denied": SILENT, "rejected": REFUSED,
    "fin": SILENT, "null": SILENT, "xmas": SILENT,
}  # fmt: skip
TRIED = frozenset(_OF_STATES)
ODD = frozenset(("fin", "null", "xmas"))

# Sources that tell of a conversation from its beginning, and say where they do not.
_WHOLE = frozenset(("conntrack", "capture"))
# A SYN without data, with all its options: what conntrack counts of a connection that was never answered.
_LONGEST_SYN = 80
# What comes back from an open port that is only knocked at: a SYN-ACK (60 bytes, 80 by IPv6), perhaps the greeting of
# its service, and at most a FIN. Whoever uses a service sends at least SYN, ACK, a request and a FIN.
_KNOCK = 3
_GREETING = 300
# Packets out and in, from which on an answered flow of TCP is in use beyond doubt: whoever only knocks at a port sends
# SYN, ACK and FIN at most.
USED_OUT, USED_IN = 4, 2
WELL_KNOWN = 1024
# Where ephemeral ports begin (Linux; RFC 6335 has 49152): UDP to these is an answer, media, a peer, or a traceroute,
# which counts up from 33434.
EPHEMERAL = 32_768

# Ports of TCP by which machines are taken over or malware spreads: remote control, file sharing, databases, and what
# Mirai and its kin try (37215 Huawei, 52869 Realtek, 7547 TR-069, 5555 ADB, 2323 telnet, 60023, 8291 Winbox).
CONTROL = frozenset((
    22, 23, 135, 139, 445, 512, 513, 514, 1433, 1521, 2222, 2323, 3306, 3389, 5432, 5555, 5900, 5985, 6379, 7547, 8291,
    9200, 11211, 23231, 27017, 37215, 52869, 60023,
))  # fmt: skip
# Where services listen above 1023, so that whoever tries many of them is looking for services: those that scanners try
# first, by what is found open most often.
SERVICES = CONTROL | frozenset((
    1080, 1099, 1194, 1434, 1723, 1883, 1900, 2049, 2082, 2083, 2181, 2375, 2376, 3000, 3128, 3268, 3690, 4369, 4444,
    4786, 4899, 5000, 5001, 5038, 5060, 5061, 5353, 5357, 5601, 5631, 5672, 5683, 5800, 5901, 5984, 6000, 6001, 6443,
    6667, 7001, 7070, 8000, 8008, 8009, 8080, 8081, 8086, 8088, 8089, 8443, 8545, 8554, 8834, 8880, 8883, 8888, 9000,
    9042, 9090, 9100, 9443, 9999, 10000, 10250, 15672, 32764, 49152,
))  # fmt: skip
# The same of UDP; games, calls and peers are everywhere else.
_UDP_SERVICES = frozenset((1194, 1434, 1604, 1645, 1701, 1812, 1900, 2049, 5060, 5353, 5683, 11_211))
# What everybody's programs ask many hosts for, so that with a dead uplink all of that is silent: web, mail, DNS, time,
# push messages (Apple, Google, WhatsApp), STUN.
EVERYDAY = frozenset((53, 80, 123, 443, 465, 587, 853, 993, 995, 3478, 5222, 5223, 5228))


# What an attempt is judged by: its outcome, whether it goes to where services listen rather than clients, and how the
# port was tried.
Attempt = tuple[int, bool, str]

_LATEST: list[tuple[Flow | None, Attempt | None]] = [(None, None)]  # the flow that was asked of, and the answer


def attempt(flow: Flow) -> Attempt | None:
    """An attempt by TCP or UDP to reach a port; None where the flow is none."""
    # Several detectors ask it of each flow, one after the other.
    latest, found = _LATEST[0]
    if latest is not flow:
        found = _attempt(flow)
        _LATEST[0] = flow, found
    return found


def _attempt(flow: Flow) -> Attempt | None:
    protocol, state, port, origin = flow[7], flow[12], flow[6], flow[14]
    if protocol == TCP:
        outcome = _OF_STATES.get(state)
        outcome = _of_tcp(flow, state) if outcome is None else REFUSED if flow[10] else outcome
    elif protocol == UDP:
        # What comes from a service's port is its answer, too late to be known as one.
        late = flow[4] < WELL_KNOWN <= port
        outcome = None if flow[10] or state == "active" or late else SILENT if flow[8] else UNKNOWN
    else:
        return None
    if outcome is None or not port or not is_host(flow[5]) or (origin is not None and origin.sampling > 1):
        return None
    if protocol == UDP:
        return outcome, port < WELL_KNOWN or port in _UDP_SERVICES, "udp"
    way = "tcp"
    if state in ODD:
        way = state
    elif flow[10] and flow[8] > 1:
        # A half-open scan never completes the handshake; the system's own connect() does.
        way = "connect" if flow[8] == _KNOCK else "syn"
    return outcome, port < WELL_KNOWN or port in SERVICES, way


def _of_tcp(flow: Flow, state: str) -> int | None:
    """What became of it, where the state alone does not say that a beginning was seen."""
    if flow[10]:
        return _of_answered(flow)
    if state == "new":
        # Where nothing but addresses is known, it may be an answer that conntrack takes for a beginning.
        return (SILENT if flow[8] else UNKNOWN) if flow[4] >= WELL_KNOWN or flow[6] < WELL_KNOWN else None
    if state == "closed" and flow.source == "conntrack":
        return SILENT if flow[9] <= _LONGEST_SYN * flow[8] else None
    # What was broken off by its own side, as far as was seen. A lone RST without data is backscatter.
    more = flow[8] > 1 or flow[9] > _LONGEST_SYN
    return SILENT if state == "reset" and more and flow[4] >= WELL_KNOWN else None


def _of_answered(flow: Flow) -> int | None:
    """Refused, knocked at, or used (None)."""
    state, whole = flow[12], flow[13] in _WHOLE
    if not 0 < flow[8] <= _KNOCK or flow[11] > _GREETING * min(flow[10], 2) or state == "partial":
        return None
    # What exporters and logs tell of may be a slice of a long connection, unless a RST has ended it.
    if state != "reset" and not whole:
        return None
    if flow[8] == flow[10] == 1 and state not in LIVE:
        # The RST to a SYN, as conntrack has it; of packets it would be `rejected`, and this the RST to an ACK.
        return None if flow[13] == "capture" else REFUSED
    return OPENED


def outcome_of_ping(flow: Flow) -> int | None:
    """What became of a question by ICMP or ICMPv6 whether a host is there; None where the flow is none."""
    kinds = (8, 13, 17) if flow[7] == ICMP else (128,)  # echo, timestamp, mask (RFC 792, 950); echo (RFC 4443)
    if flow[4] not in kinds or (flow[14] is not None and flow[14].sampling > 1) or not is_host(flow[5]):
        return None
    return OPENED if flow[10] else SILENT if flow[8] else UNKNOWN
