"""IP and MAC addresses: small and comparable inside, text at the edges.

An IPv4 address travels as an integer and an IPv6 address as its 16 bytes: that is how the kernel and the exporters
deliver them, and how SQLite stores them most compactly. Nothing but this file turns them into text and back.
"""

import re
from collections.abc import Iterable
from ipaddress import ip_network
from socket import AF_INET, AF_INET6, inet_ntop, inet_pton  # conversions in C only: no socket is opened here

Address = int | bytes

# MACs that several routers own in turn: who has one is the router of the moment, which has a MAC of its own besides.
_VIRTUAL = (
    "00:00:5e:00:01:", "00:00:5e:00:02:",  # VRRP for IPv4 and IPv6 (RFC 9568 section 7.3); CARP uses the first, too
    "00:00:0c:07:ac:", "00:00:0c:9f:f", "00:05:73:a0:0",  # HSRP version 1, version 2, for IPv6 (RFC 2281; Cisco)
    "00:07:b4:00:", "00:07:b4:01:", "00:07:b4:02:", "00:07:b4:03:",  # GLBP: ten bits of group, eight of forwarder
)  # fmt: skip

_MAC = re.compile(r"[0-9a-f]{2}(?:([:-]?)[0-9a-f]{2})(?:\1[0-9a-f]{2}){4}")

# What only a site itself routes: RFC 1918, RFC 6598 (shared), RFC 3927 and 4291 (link-local), RFC 4193.
PRIVATE = "10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 100.64.0.0/10 169.254.0.0/16 fc00::/7 fe80::/10"


_MOST_PREFIXES = 65_536  # that Networks remember: 8 MB at most


def parse_address(text: str) -> Address:
    """The address that `text` writes; raises ValueError where it writes none."""
    try:
        if ":" in text:
            return inet_pton(AF_INET6, text)
        return int.from_bytes(inet_pton(AF_INET, text), "big")
    except (OSError, ValueError) as error:  # ValueError: an embedded NUL or a lone surrogate
        raise ValueError(f"{text!r:.60} is no IP address") from error


def address_text(address: Address) -> str:
    """The canonical text: dotted decimal, or RFC 5952."""
    if isinstance(address, int):
        return f"{address >> 24}.{address >> 16 & 255}.{address >> 8 & 255}.{address & 255}"
    return inet_ntop(AF_INET6, address)


def address_of_bytes(packed: bytes) -> Address:
    """An address in network byte order, 4 or 16 bytes long, as it stands in packets and netlink attributes."""
    return int.from_bytes(packed, "big") if len(packed) == 4 else bytes(packed)


class Networks:
    """A set of networks, asked whether an address lies in one of them."""

    def __init__(self, texts: Iterable[str]) -> None:
        """Takes networks as `192.168.0.0/16` or `fd00::/8`, or single addresses; raises ValueError for anything else.

        Bits below the prefix length are no mistake: people write the address of their router.
        """
        self._texts = tuple(texts)
        networks = [ip_network(text, strict=False) for text in self._texts]
        self._ipv4 = [(int(n.network_address), int(n.netmask)) for n in networks if n.version == 4]
        self._ipv6 = [(int(n.network_address), int(n.netmask)) for n in networks if n.version == 6]
        # The answer is the same for all addresses that begin alike, as far as the longest prefix reaches. It is asked
        # for each address of each flow.
        self._shift = 32 - max((n.prefixlen for n in networks if n.version == 4), default=0)
        self._length = (max((n.prefixlen for n in networks if n.version == 6), default=0) + 7) // 8
        self._known: dict[Address, bool] = {}

    def __contains__(self, address: Address) -> bool:
        prefix = address >> self._shift if isinstance(address, int) else address[: self._length]
        try:
            return self._known[prefix]
        except KeyError:
            if len(self._known) >= _MOST_PREFIXES:
                self._known.clear()
            found = self._known[prefix] = self._contains(address)
            return found

    def has_host(self, address: Address) -> bool:
        """Whether the address lies in one of them, and a host can own it: not their broadcast or null address."""
        if not is_host(address) or address not in self:
            return False
        if isinstance(address, bytes):
            return True
        # A network of two addresses has no broadcast (RFC 3021).
        return not any(
            address & mask == network and mask < 0xFFFFFFFE and address & ~mask & 0xFFFFFFFF in (0, ~mask & 0xFFFFFFFF)
            for network, mask in self._ipv4
        )

    def _contains(self, address: Address) -> bool:
        if isinstance(address, int):
            return any(address & mask == network for network, mask in self._ipv4)
        number = int.from_bytes(address, "big")
        return any(number & mask == network for network, mask in self._ipv6)

    def __bool__(self) -> bool:
        return bool(self._texts)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Networks) and other._texts == self._texts

    def __hash__(self) -> int:
        return hash(self._texts)

    def __str__(self) -> str:
        return " ".join(self._texts)


def is_host(address: Address) -> bool:
    """Whether one host can own the address: not unspecified, loopback, multicast or broadcast."""
    if isinstance(address, int):
        return 0x01000000 <= address < 0xE0000000 and address >> 24 != 127
    return address[0] != 0xFF and address > b"\0" * 15 + b"\1"


def parse_mac(text: str) -> str:
    """A MAC address in lower case with colons; raises ValueError where `text` writes none that a station can own."""
    lower = text.lower()
    if not _MAC.fullmatch(lower):
        raise ValueError(f"{text!r:.60} is no MAC address")
    digits = re.sub("[:-]", "", lower)
    mac = ":".join(digits[at : at + 2] for at in range(0, 12, 2))
    if not is_station(mac):
        raise ValueError(f"{text!r:.60} is a group or null address, not one device's")
    return mac


def parse_station(text: str) -> str:
    """A MAC address as by `parse_mac`; raises ValueError also for one that several routers share."""
    mac = parse_mac(text)
    if is_virtual_mac(mac):
        raise ValueError(f"{text!r:.60} is a virtual router's address (VRRP, HSRP, ...), not one device's")
    return mac


def mac_of_bytes(packed: bytes) -> str:
    """A MAC address of 6 bytes as text."""
    return packed.hex(":")


def is_station(mac: str) -> bool:
    """Whether one station can own the MAC: no group bit (IEEE 802), not all zero."""
    return not int(mac[:2], 16) & 1 and mac != "00:00:00:00:00:00"


def is_virtual_mac(mac: str) -> bool:
    """Whether the MAC is one that routers share, so that one can take over from another: VRRP, CARP, HSRP, GLBP."""
    return mac.startswith(_VIRTUAL)


def is_random_mac(mac: str | None) -> bool:
    """Whether the MAC is locally administered (IEEE 802: bit 1 of the first byte), as private Wi-Fi addresses are."""
    return mac is not None and bool(int(mac[:2], 16) & 2)
