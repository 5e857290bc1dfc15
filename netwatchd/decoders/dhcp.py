"""DHCPv4 (RFC 2131, 2132): which device has, wants or gives up which address, and how it calls itself."""

import struct
from typing import NamedTuple

from netwatchd.addresses import Address
from netwatchd.decoders.links import Buffer

_DISCOVER, _REQUEST, _ACK, _RELEASE, _INFORM = 1, 3, 5, 7, 8  # message types (option 53)
_HOSTNAME, _REQUESTED, _MESSAGE, _END = 12, 50, 53, 255
_COOKIE = b"\x63\x82\x53\x63"

# Operation, hardware type and size; ciaddr, yiaddr; chaddr; then sname, file, cookie.
_FIXED = struct.Struct("!BBBx8xII8x6s").unpack_from
_OPTIONS_AT = 240
_LONGEST_NAME = 255


class Lease(NamedTuple):
    """What one message says of its client."""

    mac: bytes
    address: Address | None
    hostname: str | None
    released: bool  # it gives its address back: it leaves


def read_dhcp(data: Buffer, at: int) -> Lease | None:
    """What the message at `at` says; None where it says nothing that lasts, or is none."""
    try:
        operation, hardware, size, own, given, mac = _FIXED(data, at)
    except struct.error:
        return None
    if bytes(data[at + 236 : at + _OPTIONS_AT]) != _COOKIE or (hardware, size) != (1, 6):
        return None
    options = _options(bytes(data[at + _OPTIONS_AT :]))
    message = options.get(_MESSAGE, b"\0")[:1]
    kind = message[0] if message else 0
    if operation == 2:
        # The server repeats the name that the client gave, or gives it one.
        return Lease(mac, given or own or None, _hostname(options), False) if kind == _ACK else None
    if kind == _REQUEST:
        requested = options.get(_REQUESTED, b"")
        wanted = int.from_bytes(requested, "big") if len(requested) == 4 else 0
        return Lease(mac, own or wanted or None, _hostname(options), False)
    if kind in (_DISCOVER, _INFORM, _RELEASE):
        return Lease(mac, own or None, _hostname(options), kind == _RELEASE)
    return None


def _options(data: bytes) -> dict[int, bytes]:
    """The options by their codes; one that comes in pieces is joined (RFC 3396)."""
    found: dict[int, bytes] = {}
    at = 0
    while at < len(data) and data[at] != _END:
        if data[at] == 0:
            at += 1
            continue
        if at + 1 >= len(data):
            break
        value = data[at + 2 : at + 2 + data[at + 1]]
        found[data[at]] = found.get(data[at], b"") + value
        at += 2 + data[at + 1]
    return found


def _hostname(options: dict[int, bytes]) -> str | None:
    text = options.get(_HOSTNAME, b"").rstrip(b"\0").decode(errors="replace").strip()
    return text if text and text.isprintable() and len(text) <= _LONGEST_NAME else None
