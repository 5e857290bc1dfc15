"""Information elements that describe flows, by IANA's number: each gets the fixed word by which our loops name it.

Numbers up to 127 are NetFlow v9's, too (RFC 3954, section 8). Those of 32768 and more are Cisco's in NetFlow v9 (NSEL
of the ASA before it took IANA's numbers); in IPFIX such a number has an enterprise in front of it.
"""

from typing import NamedTuple

# RFC 5103: an element of this enterprise number is the one of the same number, seen from the other side.
REVERSE = 29305


class Field(NamedTuple):
    """One field of a template."""

    element: int
    length: int  # bytes; VARIABLE: the record says
    enterprise: int = 0


VARIABLE = 65535  # RFC 7011, section 7

# What is an address: 4 or 16 bytes, never fewer. All the others are unsigned integers.
ADDRESSES = {
    8: "src4", 12: "dst4", 27: "src6", 28: "dst6",
    # The destination after NAT: with it, both directions of a translated flow are between the same two hosts.
    226: "nat_dst4", 282: "nat_dst6", 40002: "nat_dst4",
}  # fmt: skip

INTEGERS = {
    4: "protocol",
    7: "sport", 180: "sport", 182: "sport", 11: "dport", 181: "dport", 183: "dport",
    228: "nat_dport", 40004: "nat_dport",
    # octets and packets: delta, total, initiator's (ASA), after the middlebox, layer 2
    1: "octets", 85: "octets_total", 231: "octets_initiator", 23: "octets_post", 352: "octets_layer2",
    2: "packets", 86: "packets_total", 298: "packets_initiator", 24: "packets_post",
    232: "octets_responder", 299: "packets_responder",
    6: "flags", 61: "direction", 136: "end_reason", 239: "biflow_direction",
    233: "firewall_event", 40005: "firewall_event", 230: "nat_event",
    32: "icmp4", 139: "icmp6", 176: "icmp_type4", 177: "icmp_code4", 178: "icmp_type6", 179: "icmp_code6",
    22: "first", 21: "last", 160: "boot",
    150: "start_s", 151: "end_s", 152: "start_ms", 153: "end_ms", 154: "start_us", 155: "end_us",
    156: "start_ns", 157: "end_ns", 158: "start_before", 159: "end_before", 161: "lasted_ms", 162: "lasted_us",
    322: "event_s", 323: "event_ms", 324: "event_us", 325: "event_ns",
    34: "rate_interval", 50: "rate_random", 305: "rate_packets", 306: "rate_space", 309: "rate_size",
    310: "rate_population", 48: "sampler", 302: "selector",
    60: "ip_version",
}  # fmt: skip

REVERSED = {
    1: "octets_back", 85: "octets_total_back", 2: "packets_back", 86: "packets_total_back", 6: "flags_back",
    231: "octets_back", 298: "packets_back",
}  # fmt: skip

# What an options record says of sampling, and of the exporter's clock.
SAMPLING_INTERVAL, RANDOM_INTERVAL, SAMPLERS = 34, 50, (48, 302)
PACKET_INTERVAL, PACKET_SPACE, SIZE, POPULATION, PROBABILITY = 305, 306, 309, 310, 311
SYSTEM_INIT_MS = 160
RATES = {"rate_interval": 34, "rate_random": 50, "rate_packets": 305, "rate_space": 306, "rate_size": 309,
         "rate_population": 310}  # fmt: skip

# How many bytes what is no counter and no time has. In longer fields only the last ones count.
BYTES = {"sport": 2, "dport": 2, "nat_dport": 2, "protocol": 1, "flags": 2} | dict.fromkeys(("icmp4", "icmp6"), 2)


def word_of(field: Field) -> str | None:
    """The word of a field that describes flows; None for all the others, and for those of an impossible length."""
    if field.enterprise == REVERSE:
        return REVERSED.get(field.element) if 1 <= field.length <= 8 else None
    if field.enterprise:
        return None
    if word := ADDRESSES.get(field.element):
        return word if field.length == (16 if is_six(word) else 4) else None
    return INTEGERS.get(field.element) if 1 <= field.length <= 8 or field.length == VARIABLE else None


def is_six(word: str) -> bool:
    """Whether it is an IPv6 address, which stays as it comes: 16 bytes."""
    return word in ("src6", "dst6", "nat_dst6")
