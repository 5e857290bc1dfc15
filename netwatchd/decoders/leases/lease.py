"""One lease, whatever file it stands in, and what the formats have in common."""

import re
from collections import Counter
from collections.abc import Hashable
from typing import NamedTuple

from netwatchd.addresses import Address, is_station, mac_of_bytes
from netwatchd.events import LONGEST_CLUE, Clue

# Unix ms of the year 10000: the end of a lease that does not end.
NEVER = 253_402_300_800_000

# Leases of one file. More devices are not remembered anyway; one is some 700 bytes.
MOST_LEASES = 20_000
LONGEST_RECORD = 1 << 16  # bytes of a line or block; a DHCP message, and so what can be kept of it, is shorter
MOST_REASONS = 50  # that are told apart

# RFC 8415 section 11.2, 11.4: a DUID that holds a link-layer address, after its hardware type (and time).
_DUID_LLT, _DUID_LL = 1, 3
# IANA's hardware types whose addresses of 6 bytes are MACs: Ethernet, and IEEE 802, as some stations on Wi-Fi say.
MAC_TYPES = (1, 6)
_NODE_SPECIFIC = 0xFF  # RFC 4361 section 6.1: the client identifier is an IAID and a DUID

_HEX = re.compile(r"[0-9a-fA-F]{1,2}(?:[:-][0-9a-fA-F]{1,2})*|(?:[0-9a-fA-F]{2})+")


class Malformed(ValueError):
    """The file, or a record of it, cannot be understood; the message says why."""


class Lease(NamedTuple):
    """An address that a server has given to a client, as the last record of it says. Times are Unix ms."""

    address: Address | None  # None only of a host that is declared without one
    mac: str | None
    hostname: str | None = None
    client_id: str | None = None  # in hexadecimal
    duid: str | None = None  # in hexadecimal
    vendor_class: str | None = None
    start: int | None = None  # when it was given, or renewed
    end: int | None = None  # NEVER where it does not end, None where that is not known
    state: str = "active"  # active, expired, released, declined, removed, static; or a word of ISC's: free, backup, ...
    heard: int | None = None  # when the server last heard of the client, where the file says so
    derived: bool = False  # the MAC is taken from the DUID: it may be that of another interface of the same machine
    prefix: int | None = None  # a delegated prefix of this length, and no address of the client
    temporary: bool = False  # RFC 8415 section 13.2
    iaid: int | None = None  # the client's number for it (DHCPv6)

    @property
    def seen(self) -> int | None:
        """When the client was heard of last, where the file tells."""
        times = [time for time in (self.start, self.heard) if time is not None]
        return max(times, default=None)

    def is_active(self, now: int) -> bool:
        """Whether the client may use the address at `now` (Unix ms)."""
        return self.state == "active" and (self.end is None or self.end > now)

    def clues(self) -> tuple[Clue, ...]:
        """What it tells of its client."""
        # A server that updates DNS adds its domain to the name; the client has not told it.
        name = self.hostname.partition(".")[0] if self.hostname else None
        # Most identifiers only repeat the hardware address.
        repeats = self.mac is not None and self.client_id == f"01{self.mac.replace(':', '')}"
        kinds = {
            "dhcp_hostname": name,
            "dhcp_client_id": None if repeats else self.client_id,
            "dhcp_duid": self.duid,
            "dhcp_vendor_class": self.vendor_class,
        }
        return tuple(Clue(kind, value) for kind, value in kinds.items() if value)


class Book:
    """What the records that were read so far come to: a later one replaces an earlier one of the same address."""

    def __init__(self) -> None:
        self.leases: dict[Hashable, Lease] = {}
        self.touched: dict[
            Hashable, None
        ] = {}  # keys, in their order, whose records were read since the reader last cleared it
        self.records = 0
        self.left_out = 0  # leases beyond MOST_LEASES
        self.bad: Counter[str] = Counter()  # records that cannot be understood, by reason

    def put(self, lease: Lease) -> Hashable | None:
        """Takes in a lease; returns its key, None where there are too many."""
        # What was declared does not stand in the way of what was leased.
        key: Hashable = (lease.address, lease.prefix, lease.mac if lease.state == "static" else None)
        if key not in self.leases and len(self.leases) >= MOST_LEASES:
            self.left_out += 1
            return None
        self.touched[key] = None
        self.leases[key] = lease
        return key

    def drop(self, key: Hashable) -> None:
        """Forgets a lease."""
        self.leases.pop(key, None)
        self.touched[key] = None

    def blame(self, reason: str) -> None:
        """Counts a record that cannot be understood."""
        self.bad[reason if reason in self.bad or len(self.bad) < MOST_REASONS else "and others"] += 1


def hex_bytes(text: str) -> bytes | None:
    """The bytes that `01:a4:83`, `1:a4:83`, `01-a4-83` or `01a483` write; None where it writes none."""
    if not _HEX.fullmatch(text):
        return None
    parts = re.split("[:-]", text)
    return bytes.fromhex("".join(part.zfill(2) for part in parts))


def identifier(packed: bytes | None) -> str | None:
    """A client identifier or DUID as it travels; None where there is none."""
    # RFC 8415 section 11.1: at most 130 bytes; a client identifier may have 255, and is cut to what a clue holds.
    return packed.hex()[: LONGEST_CLUE - 1] if packed and any(packed) else None


def duid_of_client_id(packed: bytes | None) -> bytes | None:
    """The DUID within a client identifier of RFC 4361; None where there is none."""
    return packed[5:] if packed and packed[0] == _NODE_SPECIFIC and len(packed) > 7 else None


def mac_of(packed: bytes | None, kind: int = 1) -> str | None:
    """The MAC of a hardware address of that type; None where it is none that a station can own."""
    if packed is None or len(packed) != 6 or kind not in MAC_TYPES:
        return None
    mac = mac_of_bytes(packed)
    return mac if is_station(mac) else None


def mac_of_duid(duid: bytes | None) -> str | None:
    """The MAC that a DUID-LLT or DUID-LL was made of (RFC 8415 section 11.2, 11.4); None for other DUIDs."""
    if duid is None or len(duid) < 4:
        return None
    kind, hardware = int.from_bytes(duid[:2], "big"), int.from_bytes(duid[2:4], "big")
    at = {_DUID_LLT: 8, _DUID_LL: 4}.get(kind)
    return mac_of(duid[at:], hardware) if at is not None else None


def shown(text: str | None) -> str | None:
    """A text from the network that can be shown; None where nothing of it can.

    `text` has a character a byte (latin-1); names are UTF-8 (RFC 4702 section 2.3.2.1: or ASCII).
    """
    if text is None:
        return None
    read = text.encode("latin-1", "replace").decode(errors="replace").strip("\0. \t")
    printable = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in read)
    return printable[:LONGEST_CLUE].strip() or None
