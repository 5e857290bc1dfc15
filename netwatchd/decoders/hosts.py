"""Names that somebody wrote down: lines of hosts(5), ADDRESS NAME..., and of ethers(5), MAC NAME or MAC ADDRESS."""

import re
from typing import NamedTuple

from netwatchd.addresses import Address, is_host, is_station, mac_of_bytes, parse_address
from netwatchd.events import LONGEST_CLUE

# ethers(5): x:x:x:x:x:x, where x is a hexadecimal number of one or two digits; others write dashes.
_MAC = re.compile(r"[0-9a-fA-F]{1,2}(?:([:-])[0-9a-fA-F]{1,2})(?:\1[0-9a-fA-F]{1,2}){4}")
# Debian's own names for what is no host: fe00:: is ip6-localnet.
_NO_HOSTS = re.compile(r"ip6-\w+|localhost(\.\w+)?", re.IGNORECASE)


class Named(NamedTuple):
    """A line: whose it is, and the name, if it has one."""

    mac: str | None
    address: Address | None
    name: str | None


def decode_line(line: bytes) -> Named | None:
    """What a line says; None where it names no host of the network: a comment, a loopback, a blocked domain.

    Raises ValueError where it cannot be understood.
    """
    words = line.partition(b"#")[0].decode(errors="replace").split()
    if not words:
        return None
    if len(words) < 2:
        raise ValueError("there should be a name behind the address")
    if _MAC.fullmatch(words[0]):
        mac = mac_of_bytes(bytes(int(part, 16) for part in re.split("[:-]", words[0])))
        if not is_station(mac):
            return None
        try:
            address = parse_address(words[1])
        except ValueError:
            return Named(mac, None, _shown(words[1])) if _shown(words[1]) else None
        return Named(mac, address, None) if is_host(address) else None
    address = parse_address(words[0].partition("%")[0])
    if not is_host(address) or _NO_HOSTS.fullmatch(words[1]):
        return None
    name = _shown(_chosen(words[1:]))
    return Named(None, address, name) if name else None


def _chosen(names: list[str]) -> str:
    """The name that people use of a host: the first one, which is the canonical one; without its domain where it is
    listed that way too. A domain that nobody leaves out belongs to the name: fritz.box.
    """
    short = names[0].partition(".")[0]
    return short if short.lower() in (name.lower() for name in names[1:]) else names[0]


def _shown(name: str) -> str | None:
    name = name.strip(".")
    return name[:LONGEST_CLUE] if name and name.isprintable() else None
