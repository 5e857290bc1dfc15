"""Questions for the name of an address, and their answers: PTR records in messages of DNS (RFC 1035)."""

import re
import struct
from typing import NamedTuple

from netwatchd.addresses import Address, address_text
from netwatchd.decoders.dns import CNAME, INTERNET, PTR, Malformed, Name, Record, folded, read_message
from netwatchd.events import LONGEST_CLUE

PORT = 53
NO_ERROR, NO_SUCH_NAME = 0, 3  # RFC 1035 section 4.1.1: RCODE

_HEADER = struct.Struct("!6H")
_RECURSION = 0x0100  # RFC 1035 section 4.1.1: RD
_LONGEST_TTL = 2**31 - 1  # RFC 2181 section 8: what is more counts as 0
_MOST_ALIASES = 8  # RFC 2317 has one

# Names that say no more than that there is somebody.
_NOBODY = re.compile(
    r"(?:unknown|unassigned|unallocated|undefined|localhost|localdomain|host|client|dhcp|pool|dyn|dynamic|static|ip|"
    r"ipv?[46]|addr|user|device|pc|hidden|null|none|no-?data|no-?name|no-?ptr|reserved)[-_.]?[0-9]{0,4}",
    re.IGNORECASE,
)


class Answer(NamedTuple):
    """What a name server says of an address."""

    code: int  # RCODE
    names: tuple[str, ...]  # without the dot at the end
    ttl: int  # seconds; 0 where there is no record


def question_name(address: Address) -> Name:
    """The labels of in-addr.arpa (RFC 1035 section 3.5) or ip6.arpa (RFC 3596 section 2.5)."""
    if isinstance(address, int):
        return (*map(str, reversed(address.to_bytes(4, "big"))), "in-addr", "arpa")
    return (*reversed(address.hex()), "ip6", "arpa")


def query(address: Address, number: int) -> bytes:
    """The question for the name of an address; `number` is its id, of 16 bits."""
    labels = (label.encode() for label in question_name(address))
    name = b"".join(bytes((len(label),)) + label for label in labels) + b"\0"
    return _HEADER.pack(number, _RECURSION, 1, 0, 0, 0) + name + struct.pack("!HH", PTR, INTERNET)


def read_answer(data: bytes, address: Address, number: int) -> Answer:
    """The answer to that question; raises dns.Malformed where it is none."""
    message = read_message(data)
    if int.from_bytes(data[:2], "big") != number or not message.response or message.operation:
        raise Malformed("it is no answer to the question")
    wanted = question_name(address)
    if [(folded(name), kind) for name, kind in message.questions] != [(wanted, PTR)]:
        raise Malformed("it answers another question")
    pointers = _pointers(message.answers, wanted)
    names = [text for record in pointers if (text := _text(record.target))]
    ttl = min((record.ttl if record.ttl <= _LONGEST_TTL else 0 for record in pointers), default=0)
    return Answer(message.code, tuple(dict.fromkeys(names)), ttl)


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


def _pointers(answers: list[Record], wanted: Name) -> list[Record]:
    """The records that point from the wanted name to others, also by way of aliases (RFC 2317)."""
    aliases = {folded(record.name): folded(record.target) for record in answers if record.kind == CNAME}
    for _ in range(_MOST_ALIASES):
        found = [record for record in answers if record.kind == PTR and folded(record.name) == wanted]
        if found or wanted not in aliases:
            return found
        wanted = aliases[wanted]
    return []


def _text(labels: Name) -> str | None:
    """A name that can be shown; None where it is none that a host may have."""
    text = ".".join(labels)
    is_name = text and text.isprintable() and " " not in text and "\N{REPLACEMENT CHARACTER}" not in text
    return text if is_name and len(text) <= LONGEST_CLUE else None
