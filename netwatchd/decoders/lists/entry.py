"""One entry of a list: a network, or a name. How people write them, and what is no entry of ours."""

import re
from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import urlsplit

from netwatchd.addresses import Address, address_text, parse_address

LONGEST_NOTE = 120  # characters: a malware's name, a number at Spamhaus
# A shorter prefix covers whole regions of the world: whoever writes it lists what nobody routes (224.0.0.0/3), or errs.
SHORTEST_V4, SHORTEST_V6 = 8, 16
# A name as DNS knows it (RFC 1035 section 2.3.1, with the underscore of RFC 2782), whose last label is no number.
_NAME = re.compile(r"(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?")
_RANGE = re.compile(r"([0-9.]+)\s*-\s*([0-9.]+)")


class Entry(NamedTuple):
    """What is listed."""

    value: Address | str  # the network's address, or a name in lower case
    length: int  # of the prefix; -1 for a name with all that is below it, -2 for a name alone
    note: str = ""  # what the list says of it


BELOW, ALONE = -1, -2
Entries = Sequence[Entry]


class NotOurs(Exception):
    """The line is well, but lists what netwatchd cannot look for; the text is a word that says what."""


def entry_text(entry: Entry) -> str:
    """The entry as people write it."""
    if isinstance(entry.value, str):
        return entry.value
    whole = 32 if isinstance(entry.value, int) else 128
    return address_text(entry.value) + (f"/{entry.length}" if entry.length != whole else "")


def network(text: str, note: str = "") -> Entry:
    """`192.0.2.0/24`, or a single address. Raises ValueError, or NotOurs for what is too wide."""
    plain, slash, prefix = text.partition("/")
    address = parse_address(plain)
    whole = 32 if isinstance(address, int) else 128
    length = _length(prefix) if slash else whole
    if not 0 <= length <= whole:
        raise ValueError(f"{text!r:.60} has no prefix length up to {whole}")
    if length < (SHORTEST_V4 if whole == 32 else SHORTEST_V6):
        raise NotOurs("too_wide")
    return Entry(masked(address, length), length, note)


def masked(address: Address, length: int) -> Address:
    """The address with nothing but zeros behind the prefix."""
    if isinstance(address, int):
        return address >> 32 - length << 32 - length
    off = 128 - length
    return (int.from_bytes(address, "big") >> off << off).to_bytes(16, "big")


def _length(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or len(text) > 3:
        raise ValueError(f"{text!r:.60} is no prefix length")
    return int(text)


def span(text: str, note: str = "") -> Entries:
    """`192.0.2.0-192.0.3.255` as networks; raises ValueError, or NotOurs for what is too wide."""
    match = _RANGE.fullmatch(text)
    first, last = (parse_address(part) for part in match.groups()) if match else (1, 0)
    if not isinstance(first, int) or not isinstance(last, int) or first > last:
        raise ValueError(f"{text!r:.60} is no range of addresses")
    if last - first >= 1 << 32 - SHORTEST_V4:
        raise NotOurs("too_wide")
    found = []
    while first <= last:
        # The largest network that begins here and does not reach beyond the end.
        bits = min((first & -first).bit_length() - 1 if first else 32, (last - first + 1).bit_length() - 1)
        found.append(Entry(first, 32 - bits, note))
        first += 1 << bits
    return found


def name(text: str, note: str = "", alone: bool = False) -> Entry:
    """A name, and unless `alone` all that is below it; raises ValueError for what is none."""
    host = text.strip().rstrip(".").lower().removeprefix("*.").removeprefix(".")
    if not host.isascii():
        host = host.encode("idna").decode()  # UnicodeError is a ValueError
    if len(host) > 253 or not _NAME.fullmatch(host):
        raise ValueError(f"{text!r:.60} is no name of a host")
    return Entry(host, ALONE if alone else BELOW, note)


def host(text: str, note: str = "") -> Entry:
    """The host of a URL: an address, or a name alone, because its neighbours below a domain need not be bad."""
    try:
        found = urlsplit(text if "://" in text else f"//{text}").hostname or ""
    except ValueError as error:
        raise ValueError(f"{text!r:.60} is no URL") from error
    return _address_or_name(found, note, alone=True)


def thing(text: str, note: str = "") -> Entry:
    """An address, a network, an address with a port, the host of a URL, or a name; raises ValueError or NotOurs."""
    text = text.strip()
    if "://" in text:
        return host(text, note)
    if match := re.fullmatch(r"([0-9.]+):[0-9]{1,5}|\[([0-9A-Fa-f:.]+)\](?::[0-9]{1,5})?", text):
        return network(match[1] or match[2], note)
    return _address_or_name(text, note, alone=False)


def _address_or_name(text: str, note: str, alone: bool) -> Entry:
    if text[:1].isdigit() or ":" in text:
        try:
            return network(text, note)
        except ValueError:
            if ":" in text or "/" in text:
                raise
    return name(text, note, alone)


def note_of(text: str) -> str:
    """What a list says of an entry, as text that can be shown."""
    return "".join(c if c.isprintable() else " " for c in text.strip()[:LONGEST_NOTE]).strip()
