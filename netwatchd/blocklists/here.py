"""The addresses of this machine, and of those that it cannot do without: its resolvers and gateways.

If a list has one of them, every device here would be told of, all day long; and a resolver says nothing of who asks it.
"""

import re
import sys
from collections.abc import Iterator
from ipaddress import IPv6Address
from pathlib import Path

from netwatchd.addresses import Address, parse_address

# A thread sees the tables of its own network namespace there.
_NET = Path("/proc/thread-self/net")
# The stub of systemd-resolved stands in the first; whom it asks in the second.
_RESOLVERS = (Path("/etc/resolv.conf"), Path("/run/systemd/resolve/resolv.conf"))
_UP, _GATEWAY = 0x0001, 0x0002  # RTF_UP, RTF_GATEWAY


def here() -> dict[Address, str]:
    """These addresses, with what each is."""
    found: dict[Address, str] = {}
    for path in _RESOLVERS:
        found |= dict.fromkeys(resolvers(_text(path)), "a resolver of this machine")
    found |= dict.fromkeys(gateways(_text(_NET / "route")), "a gateway of this machine")
    found |= dict.fromkeys(gateways6(_text(_NET / "ipv6_route")), "a gateway of this machine")
    own = (*own_addresses(_text(_NET / "fib_trie")), *own_addresses6(_text(_NET / "if_inet6")))
    return found | dict.fromkeys(own, "an address of this machine")


def resolvers(text: str) -> Iterator[Address]:
    """Those of a resolv.conf(5)."""
    for line in text.splitlines():
        words = line.split()
        if len(words) > 1 and words[0] == "nameserver":
            try:
                yield parse_address(words[1].partition("%")[0])
            except ValueError:
                continue  # glibc passes over it, too


def gateways(text: str) -> Iterator[Address]:
    """Next hops in /proc/net/route, whose numbers are in the byte order of the machine."""
    for line in text.splitlines()[1:]:
        fields = line.split()
        if len(fields) > 7 and int(fields[3], 16) & _GATEWAY:
            yield int.from_bytes(int(fields[2], 16).to_bytes(4, sys.byteorder), "big")


def gateways6(text: str) -> Iterator[Address]:
    """Next hops in /proc/net/ipv6_route."""
    for line in text.splitlines():
        fields = line.split()
        if len(fields) > 9 and fields[4] != "0" * 32 and int(fields[8], 16) & _UP:
            yield bytes.fromhex(fields[4])


def own_addresses(text: str) -> Iterator[Address]:
    """Local addresses in /proc/net/fib_trie."""
    for match in re.finditer(r"\|-- ([0-9.]+)\n\s*/32 host LOCAL", text):
        yield parse_address(match[1])


def own_addresses6(text: str) -> Iterator[Address]:
    """Addresses in /proc/net/if_inet6."""
    for line in text.splitlines():
        yield IPv6Address(int(line.split()[0], 16)).packed


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""  # without IPv6, or without such a resolver, there is no such file
