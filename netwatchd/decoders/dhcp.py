"""DHCPv4 (RFC 2131, 2132): which device has, wants or gives up which address, and what it tells of itself."""

import struct
from typing import NamedTuple

from netwatchd.addresses import Address
from netwatchd.decoders.clues import MOST_AT_ONCE, clue, hexadecimal, printable
from netwatchd.decoders.links import Buffer
from netwatchd.events import LONGEST_CLUE, Clue

_DISCOVER, _OFFER, _REQUEST, _ACK, _RELEASE, _INFORM = 1, 2, 3, 5, 7, 8  # message types (option 53)
_REPLIES = (2, 5, 6)  # OFFER, ACK, NAK
_MOST_ADDRESSES = 8  # of one option
_ROUTERS, _DNS, _ROUTES, _ROUTES_BEFORE = 3, 6, 121, 249  # RFC 3442; Microsoft used 249 before there was a number
_HOSTNAME, _REQUESTED, _OVERLOAD, _MESSAGE, _SERVER, _PARAMETERS, _CLASS = 12, 50, 52, 53, 54, 55, 60
_CLIENT_ID, _USER_CLASS, _FQDN, _MUD, _END = 61, 77, 81, 161, 255
_COOKIE = b"\x63\x82\x53\x63"
_ETHERNET = 1  # hardware type (RFC 1700)
_WITH_DUID = 255  # type of a client identifier that holds an IAID (4 bytes) and a DUID (RFC 4361)
_ENCODED = 0x04  # the flag E of option 81: its name is encoded as in DNS (RFC 4702 section 2.1)

# Operation, hardware type and size; ciaddr, yiaddr; giaddr; chaddr; the cookie in front of the options.
_FIXED = struct.Struct("!BBBx8xII4xI6s202x4s").unpack_from
_SERVER_NAME, _FILE, _OPTIONS_AT = (44, 108), (108, 236), 240


class Lease(NamedTuple):
    """What one message says of its client, and of the server where it sent the message."""

    mac: bytes
    address: Address | None
    hostname: str | None
    released: bool  # it gives its address back: it leaves
    clues: tuple[Clue, ...] = ()
    server: Address | None = None  # who lends the address, and has sent this by himself
    offered: bool = False  # nothing is said of the client: the server only offers


def read_dhcp(data: Buffer, at: int) -> Lease | None:
    """What the message at `at` says; None where it says nothing that lasts, or is none.

    A server's name for the client is told; what else the server repeats of the client is not. DHCPDECLINE says that an
    address is somebody else's, and nothing of who is where.
    """
    opened = _opened(data, at)
    if opened is None:
        return None
    operation, own, given, relay, mac, options = opened
    message = options.get(_MESSAGE, b"\0")[:1]
    kind = message[0] if message else 0
    if operation == 2:
        # A relay passes on what the server far away has sent.
        server = _address(options.get(_SERVER, b"")) if not relay and (given or own) else None
        if kind == _ACK:
            # The server repeats the name that the client gave, or gives it one.
            name = _hostname(options)
            return Lease(mac, given or own or None, name, False, _names(name), server)
        return Lease(mac, None, None, False, (), server, True) if kind == _OFFER and server else None
    if kind not in (_DISCOVER, _REQUEST, _INFORM, _RELEASE):
        return None
    wanted = _address(options.get(_REQUESTED, b"")) if kind == _REQUEST else None
    clues = _clues(options, mac)
    return Lease(mac, own or wanted, _hostname(options), kind == _RELEASE, clues[:MOST_AT_ONCE])


class Message(NamedTuple):
    """What one message of a client or a server says; see `observations.DhcpMessage`."""

    kind: int
    mac: bytes  # chaddr
    address: Address | None
    server: Address | None
    router: Address | None
    relayed: bool
    dns: tuple[Address, ...]
    routes: tuple[Address, ...]


def read_message(data: Buffer, at: int) -> Message | None:
    """The message at `at`; None where it is none of RFC 2131 for a client with an Ethernet address."""
    opened = _opened(data, at)
    if opened is None:
        return None
    operation, own, given, relay, mac, options = opened
    message = options.get(_MESSAGE, b"")
    # A reply is none of a client, whatever it says: a server that is asked for nothing answers nothing.
    if not message or not _DISCOVER <= message[0] <= _INFORM or (operation == 2) != (message[0] in _REPLIES):
        return None
    wanted = _address(options.get(_REQUESTED, b""))
    routers = _addresses(options.get(_ROUTERS, b""))
    return Message(
        message[0],
        mac,
        (given or own or None) if operation == 2 else (wanted or own or None),
        _address(options.get(_SERVER, b"")),
        routers[0] if routers else None,
        bool(relay),
        _addresses(options.get(_DNS, b"")),
        _routes(options.get(_ROUTES) or options.get(_ROUTES_BEFORE, b"")),
    )


def _opened(data: Buffer, at: int) -> tuple[int, Address, Address, Address, bytes, dict[int, bytes]] | None:
    """The operation, ciaddr, yiaddr, giaddr, chaddr and the options of the message at `at`, for Ethernet; else None."""
    if len(data) < at + _OPTIONS_AT:
        return None
    operation, hardware, size, own, given, relay, mac, cookie = _FIXED(data, at)
    if cookie != _COOKIE or hardware != _ETHERNET or size != 6:
        return None
    return operation, own, given, relay, mac, _all_options(data, at)


def _addresses(value: bytes) -> tuple[Address, ...]:
    """The addresses of an option that holds several, as many as are of use."""
    found = (_address(value[at : at + 4]) for at in range(0, min(len(value), 4 * _MOST_ADDRESSES), 4))
    return tuple(each for each in found if each)


def _routes(value: bytes) -> tuple[Address, ...]:
    """RFC 3442: the width of a prefix, its significant bytes, and the router; the routers, each once."""
    found: list[Address] = []
    at = 0
    while at < len(value) and value[at] <= 32 and len(found) < _MOST_ADDRESSES:
        at += 1 + (value[at] + 7) // 8
        if (router := _address(value[at : at + 4])) and router not in found:
            found.append(router)
        at += 4
    return tuple(found)


def _all_options(data: Buffer, at: int) -> dict[int, bytes]:
    """The options of the message at `at`, also those in the fields that option 52 says are used for them."""
    options = _options(bytes(data[at + _OPTIONS_AT :]))
    overload = options.get(_OVERLOAD, b"\0")[:1]
    for bit, (start, end) in ((1, _FILE), (2, _SERVER_NAME)):
        if overload and overload[0] & bit:
            _options(bytes(data[at + start : at + end]), options)
    return options


def _options(data: bytes, found: dict[int, bytes] | None = None) -> dict[int, bytes]:
    """The options by their codes; one that comes in pieces is joined (RFC 3396)."""
    found = {} if found is None else found
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


def _address(value: bytes) -> Address | None:
    return int.from_bytes(value, "big") or None if len(value) == 4 else None


def _hostname(options: dict[int, bytes]) -> str | None:
    """The client's name: option 12, else that of option 81."""
    return printable(options.get(_HOSTNAME, b"")) or _name_of_fqdn(options.get(_FQDN, b"")) or None


def _names(*names: str | None) -> tuple[Clue, ...]:
    return tuple(Clue("dhcp_hostname", name) for name in dict.fromkeys(names) if name)


def _name_of_fqdn(value: bytes) -> str:
    """The host's own name in option 81: flags, two codes that are not used any more, and the name with its domain."""
    flags, name = value[:1], value[3:]
    if not flags or not name:
        return ""
    if flags[0] & _ENCODED:
        return printable(name[1 : 1 + name[0]]) if name[0] < 64 else ""
    return printable(name).partition(".")[0]


def _clues(options: dict[int, bytes], mac: bytes) -> tuple[Clue, ...]:
    """What the client tells of itself."""
    mud = clue("dhcp_mud", options.get(_MUD, b""))
    return (
        *_names(printable(options.get(_HOSTNAME, b"")), _name_of_fqdn(options.get(_FQDN, b""))),
        *clue("dhcp_vendor_class", options.get(_CLASS, b"")),
        *_parameters(options.get(_PARAMETERS, b"")),
        *_client_id(options.get(_CLIENT_ID, b""), mac),
        *_user_class(options.get(_USER_CLASS, b"")),
        *(each for each in mud if each.value.startswith("https://")),  # RFC 8520 section 10: nothing else
    )


def _parameters(value: bytes) -> tuple[Clue, ...]:
    return clue("dhcp_parameters", ",".join(map(str, value))[:LONGEST_CLUE].rstrip(","))


def _client_id(value: bytes, mac: bytes) -> tuple[Clue, ...]:
    """The identifier, unless it only repeats the hardware address, and the DUID in it."""
    if len(value) < 2 or value in (mac, bytes((_ETHERNET,)) + mac):
        return ()
    duid = value[5:] if value[0] == _WITH_DUID else b""
    return (*hexadecimal("dhcp_client_id", value), *(hexadecimal("dhcp_duid", duid) if len(duid) > 2 else ()))


def _user_class(value: bytes) -> tuple[Clue, ...]:
    """RFC 3004: texts with their lengths in front; Microsoft and others send one text without."""
    texts, at = [], 0
    while at < len(value) and value[at]:
        texts.append(value[at + 1 : at + 1 + value[at]])
        at += 1 + value[at]
    return tuple(each for text in (texts if at == len(value) else [value]) for each in clue("dhcp_user_class", text))
