"""LLDP (IEEE 802.1AB) and CDP: what bridges, access points, telephones and servers tell their neighbours.

Each port of a device sends them under a MAC of its own; the chassis has the one that it is known by.
"""

import struct
from typing import NamedTuple

from netwatchd.decoders.clues import MOST_AT_ONCE, clue
from netwatchd.decoders.links import Buffer
from netwatchd.events import Clue

CDP = b"\xaa\xaa\3\0\0\x0c\x20\0"  # LLC and SNAP in front of CDP: Cisco's organisation and protocol

_END, _CHASSIS, _TTL, _NAME, _DESCRIPTION, _CAPABILITIES, _ORGANISATION = 0, 1, 3, 5, 6, 7, 127
_CHASSIS_MAC = 4  # subtype (section 8.5.2.2)
# Bits of the capabilities (section 8.5.8.1), the lowest first.
_LLDP_BITS = ("other", "repeater", "bridge", "wlan", "router", "telephone", "docsis", "station")
_MUD = b"\0\0\x5e\1"  # organisation and subtype: RFC 8520 section 11
_MED_MAKER, _MED_MODEL = b"\0\x12\xbb\x09", b"\0\x12\xbb\x0a"  # ANSI/TIA-1057: manufacturer, model
_MOST_TLVS = 128

_CDP_NAME, _CDP_CAPABILITIES, _CDP_VERSION, _CDP_PLATFORM = 1, 4, 5, 6
# Bits of CDP: router, transparent and source-route bridge, switch, host, IGMP, repeater, telephone.
_CDP_BITS = ("router", "bridge", "bridge", "bridge", "station", "", "repeater", "telephone")


class Neighbour(NamedTuple):
    """What a device tells of itself, and its MAC where it is not the frame's."""

    mac: bytes
    clues: tuple[Clue, ...]


def read_lldp(data: Buffer, at: int) -> Neighbour | None:
    """The message at `at`; None where it is damaged or says that its sender goes."""
    values: dict[bytes, bytes] = {}
    chassis = ttl = b""
    for _ in range(_MOST_TLVS):
        head = int.from_bytes(data[at : at + 2], "big")
        kind, length = head >> 9, head & 0x1FF
        value = bytes(data[at + 2 : at + 2 + length])
        if kind == _END or len(value) < length:
            break
        if kind == _CHASSIS:
            chassis = value
        elif kind == _TTL:
            ttl = value
        else:
            key = bytes((kind,)) + (value[:4] if kind == _ORGANISATION else b"")
            values.setdefault(key, value[4:] if kind == _ORGANISATION else value)
        at += 2 + length
    if not chassis or not any(ttl):
        return None
    return Neighbour(chassis[1:] if chassis[0] == _CHASSIS_MAC and len(chassis) == 7 else b"", _lldp_clues(values))


def _lldp_clues(values: dict[bytes, bytes]) -> tuple[Clue, ...]:
    def of(kind: int, rest: bytes = b"") -> bytes:
        return values.get(bytes((kind,)) + rest, b"")

    enabled = int.from_bytes(of(_CAPABILITIES)[2:4], "big")  # behind those that it has
    made = b" ".join(filter(None, (of(_ORGANISATION, _MED_MAKER), of(_ORGANISATION, _MED_MODEL))))
    mud = clue("dhcp_mud", of(_ORGANISATION, _MUD))
    return (
        *clue("lldp_name", of(_NAME)),
        *clue("lldp_description", of(_DESCRIPTION)),
        *clue("lldp_description", made),
        *_capabilities(enabled, _LLDP_BITS),
        *(each for each in mud if each.value.startswith("https://")),
    )[:MOST_AT_ONCE]


def read_cdp(data: Buffer, at: int) -> Neighbour | None:
    """The message at `at`, behind LLC and SNAP; None where it is damaged or says that its sender goes."""
    body = bytes(data[at:])
    if len(body) < 4 or not body[1]:  # version, seconds that it holds, checksum (2)
        return None
    values: dict[int, bytes] = {}
    at = 4
    while at + 4 <= len(body):
        kind, length = struct.unpack_from("!HH", body, at)
        if length < 4 or at + length > len(body):
            break
        values.setdefault(kind, body[at + 4 : at + length])
        at += length
    clues = (
        *clue("lldp_name", values.get(_CDP_NAME, b"")),
        *clue("lldp_description", values.get(_CDP_PLATFORM, b"")),
        *clue("lldp_description", values.get(_CDP_VERSION, b"")),
        *_capabilities(int.from_bytes(values.get(_CDP_CAPABILITIES, b"")[-1:], "big"), _CDP_BITS),
    )
    return Neighbour(b"", clues)


def _capabilities(bits: int, names: tuple[str, ...]) -> tuple[Clue, ...]:
    found = (name for number, name in enumerate(names) if bits >> number & 1)
    return tuple(Clue("lldp_capability", name) for name in dict.fromkeys(found) if name)
