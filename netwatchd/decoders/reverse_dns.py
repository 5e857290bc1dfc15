"""Questions for the name of an address, and their answers: PTR records in messages of DNS (RFC 1035)."""

import re
import struct
from typing import NamedTuple

from netwatchd.addresses import Address, address_text
from netwatchd.events import LONGEST_CLUE

PORT = 53
NO_ERROR, NO_SUCH_NAME = 0, 3  # RFC 1035 section 4.1.1: RCODE

_PTR, _CNAME, _IN = 12, 5, 1
_HEADER = struct.Struct("!6H")
_RECORD = struct.Struct("!HHIH")  # behind the name: type, class, TTL, length
_RECURSION, _RESPONSE, _OPCODE = 0x0100, 0x8000, 0x7800
_MOST_LABELS = 128  # RFC 1035 section 2.3.4: a name has at most 255 bytes
_MOST_ALIASES = 8  # RFC 2317 has one

# Names that say no more than that there is somebody.
_NOBODY = re.compile(
    r"(?:unknown|unassigned|unallocated|undefined|localhost|localdomain|host|client|dhcp|pool|dyn|dynamic|static|ip|"
    r"ipv?[46]|addr|user|device|pc|hidden|null|none|no-?data|no-?name|no-?ptr|reserved)[-_.]?[0-9]{0,4}",
    re.IGNORECASE,
)


class Malformed(ValueError):
    """The datagram is no answer to the question; the message says why."""


class Answer(NamedTuple):
    """What a name server says of an address."""

    code: int  # RCODE
    names: tuple[str, ...]  # without the dot at the end
    ttl: int  # seconds; of no name 0


def question_name(address: Address) -> tuple[bytes, ...]:
    """The labels of in-addr.arpa (RFC 1035 section 3.5) or ip6.arpa (RFC 3596 section 2.5)."""
    if isinstance(address, int):
        octets = address.to_bytes(4, "big")
        return (*(str(octet).encode() for octet in reversed(octets)), b"in-addr", b"arpa")
    return (*(digit.encode() for digit in reversed(address.hex())), b"ip6", b"arpa")


def query(address: Address, number: int) -> bytes:
    """The question for the name of an address; `number` is its id, of 16 bits."""
    name = b"".join(bytes((len(label),)) + label for label in question_name(address)) + b"\0"
    return _HEADER.pack(number, _RECURSION, 1, 0, 0, 0) + name + struct.pack("!HH", _PTR, _IN)


def read_answer(data: bytes, address: Address, number: int) -> Answer:
    """The answer to that question; raises Malformed where it is none."""
    try:
        found, flags, questions, answers, _, _ = _HEADER.unpack_from(data)
        if found != number or not flags & _RESPONSE or flags & _OPCODE or questions != 1:
            raise Malformed("it is no answer to the question")
        name, at = _name(data, _HEADER.size)
        wanted = tuple(label.lower() for label in question_name(address))
        if _lower(name) != wanted or struct.unpack_from("!HH", data, at) != (_PTR, _IN):
            raise Malformed("it answers another question")
        return Answer(flags & 15, *_pointers(data, at + 4, answers, wanted))
    except (struct.error, IndexError):
        raise Malformed("it ends too early") from None


def name_servers(text: str) -> list[str]:
    """The addresses of the name servers in a resolv.conf(5), three at most, as the resolver takes them."""
    found = re.findall(r"^nameserver[ \t]+([0-9A-Fa-f:.]+(?:%[\w.-]+)?)", text, re.MULTILINE | re.ASCII)
    return found[:3]


def tells_something(name: str, address: Address) -> bool:
    """Whether somebody gave this name; not where it is made of the address, or means nobody."""
    label = name.partition(".")[0].lower()
    if not name or _NOBODY.fullmatch(label) or name.lower().endswith((".in-addr.arpa", ".ip6.arpa")):
        return False
    return not (_holds_ipv4(name, address) if isinstance(address, int) else _holds_ipv6(name, address))


def _holds_ipv4(name: str, address: int) -> bool:
    octets = [*address.to_bytes(4, "big")]
    numbers = [int(digits) for digits in re.findall(r"[0-9]{1,9}", name)]
    # `192-168-1-5`, `5.1.168.192`, `host-1-5` (its network left out), `c0a80105`, `192168001005`.
    for wanted in (octets, octets[::-1], octets[1:], octets[2:]):
        if any(numbers[at : at + len(wanted)] == wanted for at in range(len(numbers))):
            return True
    together = name.lower().replace("-", "").replace(".", "")
    return f"{address:08x}" in together or "".join(f"{octet:03}" for octet in octets) in together


def _holds_ipv6(name: str, address: bytes) -> bool:
    plain = re.sub("[^0-9a-f]", "", name.lower())
    written = address_text(address)
    # All of it, the interface identifier, or as people write it with dashes for colons.
    return (
        address.hex() in plain or address.hex()[16:] in plain or address.hex()[::-1] in plain
        or any(written.replace(":", mark) in name.lower() for mark in ("-", "x", "."))
    )  # fmt: skip


def _pointers(data: bytes, at: int, count: int, wanted: tuple[bytes, ...]) -> tuple[tuple[str, ...], int]:
    """The names that the answers point to from the wanted one, also by way of aliases (RFC 2317); and their TTL."""
    pointers: dict[tuple[bytes, ...], list[tuple[str, int]]] = {}
    aliases: dict[tuple[bytes, ...], tuple[bytes, ...]] = {}
    for _ in range(count):
        owner, at = _name(data, at)
        kind, group, ttl, length = _RECORD.unpack_from(data, at)
        at += _RECORD.size
        if at + length > len(data):
            raise Malformed("it ends too early")
        if group == _IN and kind in (_PTR, _CNAME):
            target, _ = _name(data, at)
            if kind == _CNAME:
                aliases.setdefault(_lower(owner), _lower(target))
            elif text := _text(target):
                pointers.setdefault(_lower(owner), []).append((text, ttl if ttl < 1 << 31 else 0))
        at += length
    for _ in range(_MOST_ALIASES):
        if wanted in pointers or wanted not in aliases:
            break
        wanted = aliases[wanted]
    found = pointers.get(wanted, [])
    return tuple(dict.fromkeys(name for name, _ in found)), min((ttl for _, ttl in found), default=0)


def _name(data: bytes, at: int) -> tuple[tuple[bytes, ...], int]:
    """The labels of a name, which may be compressed (RFC 1035 section 4.1.4), and where it ends."""
    labels: list[bytes] = []
    end: int | None = None
    lowest = at
    while size := data[at]:
        if size >= 0xC0:
            end = at + 2 if end is None else end
            at = (size & 0x3F) << 8 | data[at + 1]
            # A pointer leads back: so there are no circles.
            if at >= lowest:
                raise Malformed("a pointer does not lead back")
            lowest = at
        elif size > 63:
            raise Malformed("a label has a type that is not known")
        else:
            label = data[at + 1 : at + 1 + size]
            if len(label) < size or len(labels) >= _MOST_LABELS:
                raise Malformed("a name is too long")
            labels.append(label)
            at += 1 + size
    return tuple(labels), at + 1 if end is None else end


def _lower(labels: tuple[bytes, ...]) -> tuple[bytes, ...]:
    return tuple(label.lower() for label in labels)


def _text(labels: tuple[bytes, ...]) -> str | None:
    """A name that can be shown; None where it is none that a host may have."""
    text = b".".join(labels).decode(errors="replace")
    is_name = text and text.isprintable() and " " not in text and "\N{REPLACEMENT CHARACTER}" not in text
    return text if is_name and len(text) <= LONGEST_CLUE else None
