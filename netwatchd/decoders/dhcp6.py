"""DHCPv6 (RFC 8415): who asks under which identifier, what he tells of himself, and which addresses he is given.

The client's MAC is not in the message. In front of a relay the relay tells it (RFC 6939), else the frame's sender is
the client. The MAC within a DUID is the one that the machine had when it made the DUID, and may be that of another card
of it: it serves only where nothing else is known.
"""

import struct
from typing import NamedTuple

from netwatchd.addresses import Address, is_host
from netwatchd.decoders.clues import MOST_AT_ONCE, clue, hexadecimal, printable
from netwatchd.decoders.links import Buffer
from netwatchd.events import LONGEST_CLUE, Clue

_SOLICIT, _REQUEST, _CONFIRM, _RENEW, _REBIND, _REPLY, _RELEASE, _INFORMATION = 1, 3, 4, 5, 6, 7, 8, 11
_RELAY_FORWARD, _RELAY_REPLY = 12, 13
_ASKING = {_SOLICIT, _REQUEST, _CONFIRM, _RENEW, _REBIND, _INFORMATION}
_CLIENT_ID, _IA_NA, _IA_ADDRESS, _ORO, _RELAYED, _STATUS = 1, 3, 5, 6, 9, 13
_USER_CLASS, _VENDOR_CLASS, _FQDN, _LINK_LAYER, _MUD = 15, 16, 39, 79, 112
_MOST_RELAYS = 8  # HOP_COUNT_LIMIT (section 7.6)
_MOST_OPTIONS = 256  # of one message
_ETHERNET = 1  # hardware type

_OPTION = struct.Struct("!HH").unpack_from  # code, length
_IA = 12  # bytes of an identity association in front of its options: IAID, T1, T2
_ADDRESS = struct.Struct("!16sII").unpack_from  # address, preferred and valid lifetime in seconds

Options = list[tuple[int, bytes]]


class Lease6(NamedTuple):
    """What one message says of its client."""

    duid: bytes
    mac: bytes  # as a relay tells it; empty where none does
    relayed: bool
    answered: bool  # a server says it: the frame is not the client's
    addresses: tuple[Address, ...]  # that the client is given, or gives back
    released: bool
    clues: tuple[Clue, ...]


def read_dhcp6(data: Buffer, at: int) -> Lease6 | None:
    """What the message at `at` says; None where it says nothing that lasts, or is none."""
    message, mac, relays = bytes(data[at:]), b"", 0
    while message[:1] in (bytes((_RELAY_FORWARD,)), bytes((_RELAY_REPLY,))):
        options = _options(message[34:])  # type, hops, link's and peer's address
        told = _first(options, _LINK_LAYER)
        mac = told[2:] if told[:2] == b"\0\1" and len(told) == 8 else mac
        message, relays = _first(options, _RELAYED), relays + 1
        if relays > _MOST_RELAYS:
            return None
    kind, options = message[0] if message else 0, _options(message[4:])
    duid = _first(options, _CLIENT_ID)
    if not 3 <= len(duid) <= 130:  # section 11.1: a type of two bytes, and up to 128 more
        return None
    if kind in (_REPLY, _RELEASE):
        addresses = _addresses(options, given=kind == _REPLY)
        released = kind == _RELEASE
        return Lease6(duid, mac, relays > 0, not released, addresses, released, ()) if addresses else None
    if kind not in _ASKING:
        return None
    return Lease6(duid, mac, relays > 0, False, (), False, _clues(options, duid)[:MOST_AT_ONCE])


def mac_of_duid(duid: bytes) -> bytes:
    """The MAC in a DUID-LLT or DUID-LL (sections 11.2, 11.4); empty where there is none."""
    if duid[:4] == b"\0\1\0\1" and len(duid) == 14:
        return duid[8:]
    return duid[4:] if duid[:4] == b"\0\3\0\1" and len(duid) == 10 else b""


def _options(data: bytes) -> Options:
    found: Options = []
    at = 0
    while at + 4 <= len(data) and len(found) < _MOST_OPTIONS:
        code, length = _OPTION(data, at)
        if at + 4 + length > len(data):
            break
        found.append((code, data[at + 4 : at + 4 + length]))
        at += 4 + length
    return found


def _first(options: Options, code: int) -> bytes:
    return next((value for each, value in options if each == code), b"")


def _addresses(options: Options, given: bool) -> tuple[Address, ...]:
    """The addresses of all identity associations; of those that are given, the ones with a lifetime."""
    found = []
    for code, value in options:
        inner = _options(value[_IA:]) if code == _IA_NA else []
        if any(_first(inner, _STATUS)[:2]):
            continue
        for kind, body in inner:
            if kind != _IA_ADDRESS or len(body) < 24:
                continue
            address, _, valid = _ADDRESS(body)
            refused = any(_first(_options(body[24:]), _STATUS)[:2])
            if is_host(address) and not refused and (valid or not given):
                found.append(address)
    return tuple(found)


def _clues(options: Options, duid: bytes) -> tuple[Clue, ...]:
    name = _first(options, _FQDN)[1:]  # behind the flags the name as in DNS (RFC 4704)
    asked = _first(options, _ORO)
    numbers = ",".join(str(code) for (code,) in struct.iter_unpack("!H", asked[: len(asked) & ~1]))
    mud = clue("dhcp_mud", _first(options, _MUD))
    return (
        *hexadecimal("dhcp_duid", duid),
        *(clue("dhcp_hostname", name[1 : 1 + name[0]]) if name and name[0] < 64 else ()),
        *_vendor_classes(options),
        *clue("dhcp_parameters6", numbers[:LONGEST_CLUE].rstrip(",")),
        *(each for text in _texts(_first(options, _USER_CLASS)) for each in clue("dhcp_user_class", text)),
        *(each for each in mud if each.value.startswith("https://")),
    )


def _vendor_classes(options: Options) -> tuple[Clue, ...]:
    """The enterprise number (IANA's), and the texts behind it."""
    found: tuple[Clue, ...] = ()
    for code, value in options:
        if code == _VENDOR_CLASS and len(value) > 4:
            texts = filter(None, map(printable, _texts(value[4:])))
            found += clue("dhcp_vendor_class", f"{int.from_bytes(value[:4], 'big')} {' '.join(texts)}")
    return found


def _texts(value: bytes) -> list[bytes]:
    """Texts with their lengths, of two bytes, in front."""
    found, at = [], 0
    while at + 2 <= len(value):
        length = int.from_bytes(value[at : at + 2], "big")
        found.append(value[at + 2 : at + 2 + length])
        at += 2 + length
    return found
