"""The compact form of a list: sorted numbers in a file that is mapped into memory, so that it costs pages, not objects.

An address of IPv4 takes 4 bytes, one of IPv6 16, a name 8: a keyed hash of 64 bits, so that nobody can make up a name
that is taken for a listed one. Networks stand by the length of their prefix; each length is searched by halves. What a
list notes beside an entry is not here: it is read from the kept copy of the list when an entry has matched.

The file: MAGIC, the length of the header in 8 bytes, the header in JSON, then the sections at multiples of 8.
"""

import json
import mmap
import sys
from bisect import bisect_left
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any

from netwatchd.addresses import Address
from netwatchd.decoders.lists.entry import ALONE, BELOW, Entry, masked

MAGIC = b"netwatchd list 1"
# A bitmap of all networks /24 of IPv4: 2 MiB, kept in the file where to make it anew would take long.
BITS = 1 << 21
KEY_SIZE = 16
LONGEST_NAME = 253
V4, V6, NAMES, MAP = "4", "6", "n", "b"
_WIDTHS = {V4: 4, V6: 16, NAMES: 8, MAP: 1}  # bytes of a number


class Unusable(Exception):
    """The file is no table, or one of another version; it can be built anew from the copy of the list."""


def hash_of(name: str, key: bytes) -> int:
    """The number by which a name is found."""
    return int.from_bytes(blake2b(name.encode(), digest_size=8, key=key).digest(), "big")


def suffixes(name: str) -> Iterator[str]:
    """The name and the domains that it lies in, without the last label alone: `a.b.example`, `b.example`."""
    while "." in name:
        yield name
        name = name.partition(".")[2]


class Table:
    """A list in its compact form, in a file that is not changed while it is open."""

    def __init__(self, path: Path) -> None:
        """Raises Unusable, or OSError where the file cannot be read."""
        with path.open("rb") as file:
            try:
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            except ValueError as error:
                raise Unusable(f"{path} is empty") from error
        self.header = self._read_header(path)
        self._ipv4: list[tuple[int, int, memoryview]] = []  # prefix length, mask, networks
        self._ipv6: list[tuple[int, int, int]] = []  # prefix length, where it begins, how many
        self._names: dict[int, memoryview] = {}
        self.bitmap: memoryview | None = None
        view = memoryview(self._map)
        for kind, length, offset, count in self.header["sections"]:
            if kind == V4:
                mask = 0xFFFFFFFF << 32 - length & 0xFFFFFFFF
                self._ipv4.append((length, mask, view[offset : offset + 4 * count].cast("I")))
            elif kind == V6:
                self._ipv6.append((length, offset, count))
            elif kind == NAMES:
                self._names[length] = view[offset : offset + 8 * count].cast("Q")
            elif kind == MAP:
                self.bitmap = view[offset : offset + BITS]
        # The longest prefix says most.
        self._ipv4.sort(key=lambda section: -section[0])
        self._ipv6.sort(key=lambda section: -section[0])

    @property
    def entries(self) -> int:
        """How many there are."""
        return sum(self.counts.values())

    @property
    def counts(self) -> dict[str, int]:
        """How many of each kind: ipv4, ipv6, names."""
        words = {V4: "ipv4", V6: "ipv6", NAMES: "names"}
        found = dict.fromkeys(words.values(), 0)
        for kind, _, _, count in self.header["sections"]:
            if kind in words:
                found[words[kind]] += count
        return found

    @property
    def has_names(self) -> bool:
        """Whether it lists any name."""
        return bool(self._names)

    def networks4(self) -> Iterator[tuple[int, memoryview]]:
        """Prefix lengths of IPv4, and the networks of each."""
        for length, _, networks in self._ipv4:
            yield length, networks

    def networks6(self) -> Iterator[tuple[int, Iterator[bytes]]]:
        """Prefix lengths of IPv6, and the networks of each."""
        for length, offset, count in self._ipv6:
            yield length, (self._map[at : at + 16] for at in range(offset, offset + 16 * count, 16))

    def address(self, address: Address) -> Entry | None:
        """The narrowest network that has the address."""
        if isinstance(address, int):
            for length, mask, networks in self._ipv4:
                network = address & mask
                at = bisect_left(networks, network)
                if at < len(networks) and networks[at] == network:
                    return Entry(network, length)
            return None
        for length, offset, count in self._ipv6:
            wanted = masked(address, length)
            if self._has6(wanted, offset, count):
                return Entry(wanted, length)
        return None

    def name(self, hashes: list[tuple[str, int]]) -> Entry | None:
        """The longest name that is listed: of the pairs of name and hash, the first is the one that was asked for."""
        below, alone = self._names.get(BELOW), self._names.get(ALONE)
        if alone is not None and hashes and _has(alone, hashes[0][1]):
            return Entry(hashes[0][0], ALONE)
        if below is not None:
            for name, number in hashes:
                if _has(below, number):
                    return Entry(name, BELOW)
        return None

    def _has6(self, wanted: Address, offset: int, count: int) -> bool:
        assert isinstance(wanted, bytes)
        low, high, numbers = 0, count, self._map
        while low < high:
            middle = (low + high) // 2
            found = numbers[offset + middle * 16 : offset + middle * 16 + 16]
            if found == wanted:
                return True
            if found < wanted:
                low = middle + 1
            else:
                high = middle
        return False

    def _read_header(self, path: Path) -> dict[str, Any]:
        data = self._map
        if data[: len(MAGIC)] != MAGIC:
            raise Unusable(f"{path} is no table of a list")
        at = len(MAGIC) + 8
        length = int.from_bytes(data[len(MAGIC) : at], "big")
        try:
            header: dict[str, Any] = json.loads(data[at : at + length])
            size, order = header["size"], header["order"]
        except (ValueError, KeyError, TypeError) as error:
            raise Unusable(f"the header of {path} is broken") from error
        if size != len(data) or order != sys.byteorder:
            raise Unusable(f"{path} is incomplete, or of another machine")
        sections = header.get("sections")
        if not isinstance(sections, list) or not all(_is_section(each, size) for each in sections):
            raise Unusable(f"the sections of {path} are broken")
        return header


def _is_section(told: Any, size: int) -> bool:
    """Whether this is kind, prefix length, offset and count of numbers that lie within a file of this size."""
    if not isinstance(told, list) or len(told) != 4 or not isinstance(told[0], str) or told[0] not in _WIDTHS:
        return False
    kind, length, offset, count = told
    if not all(type(each) is int for each in told[1:]) or offset < 0 or count < 0 or offset % 8:
        return False
    longest = {V4: 32, V6: 128}.get(kind, 0)
    fits = offset + count * _WIDTHS[kind] <= size and (kind != MAP or count == BITS)
    return fits and (length in (BELOW, ALONE) if kind == NAMES else 0 <= length <= longest)


def _has(numbers: memoryview, wanted: int) -> bool:
    at = bisect_left(numbers, wanted)
    return at < len(numbers) and numbers[at] == wanted
