"""Builds the table of a list, without ever holding the list as objects: a machine may have 512 MB in all.

Numbers are dealt into buckets by their first byte as they come, 4 bytes an address, and sorted bucket by bucket. What
stands in several lines is one entry.
"""

import json
import os
import sys
from array import array
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from netwatchd.blocklists.table import BITS, MAGIC, MAP, NAMES, V4, V6, hash_of
from netwatchd.decoders.lists.entry import Entry

# Entries of IPv4 from which on the bitmap is stored, too: to make it of fewer takes a few milliseconds.
MANY = 50_000
# Numbers that are sorted at once: as objects they take 40 bytes each, for a moment.
_SORTED = 65_536
_TICK = 4096  # entries between two calls of `tick`


class Builder:
    """Takes entries, and writes them as a table."""

    def __init__(self, key: bytes, tick: Callable[[], None] = lambda: None) -> None:
        """`key` is that of the hashes of names; `tick()` is called now and then, and may raise to end it."""
        self._key = key
        self._tick = tick
        self._single = [array("I") for _ in range(256)]  # addresses of IPv4, by their first byte
        self._networks: dict[int, array[int]] = {}  # networks of IPv4, by prefix length
        self._ipv6: dict[int, dict[bytes, bytearray]] = {}  # by prefix length and first three bytes
        self.counts: dict[str, int] = {}  # of what was written: ipv4, ipv6, names
        self._names: dict[int, list[array[int]]] = {}  # by whether what is below is listed, too, and first byte

    def take(self, entries: Iterable[Entry]) -> None:
        """Takes in entries; whatever `tick` and the entries raise is passed on."""
        single, key, names = self._single, self._key, self._names
        left = _TICK
        for value, length, _ in entries:
            left -= 1
            if not left:
                left = _TICK
                self._tick()
            if isinstance(value, int):
                if length == 32:
                    single[value >> 24].append(value)
                else:
                    self._networks.setdefault(length, array("I")).append(value)
            elif isinstance(value, str):
                number = hash_of(value, key)
                if length not in names:
                    names[length] = [array("Q") for _ in range(256)]
                names[length][number >> 56].append(number)
            else:
                self._ipv6.setdefault(length, {}).setdefault(value[:3], bytearray()).extend(value)

    def write(self, path: Path) -> int:
        """Writes the table to a new file, which is on disk then; returns how many entries it has. Raises OSError.

        What was taken in is gone then.
        """
        with path.open("wb") as file:
            file.write(bytes(_HEADER))
            sections: list[tuple[str, int, int, int]] = []
            bits = bytearray(BITS) if sum(map(len, self._single)) >= MANY else None
            for kind, length, parts in self._sorted():
                offset, count = file.tell(), 0
                for part in parts:
                    self._tick()
                    file.write(part)
                    count += len(part) // (16 if kind == V6 else 1)
                    if bits is not None and kind == V4:
                        assert isinstance(part, array)
                        mark(bits, part, length)
                if count:
                    sections.append((kind, length, offset, count))
                file.write(bytes(-file.tell() % 8))
            if bits is not None:
                sections.append((MAP, 0, file.tell(), BITS))
                file.write(bits)
            header = {"size": file.tell(), "order": sys.byteorder, "sections": sections}
            text = json.dumps(header).encode()
            file.seek(0)
            file.write(MAGIC + len(text).to_bytes(8, "big") + text)
            assert file.tell() <= _HEADER
            file.flush()
            os.fsync(file.fileno())
        words = {V4: "ipv4", V6: "ipv6", NAMES: "names"}
        self.counts = {
            word: sum(count for each, _, _, count in sections if each == kind) for kind, word in words.items()
        }
        return sum(self.counts.values())

    def _sorted(self) -> "Iterator[tuple[str, int, Iterable[array[int] | bytes]]]":
        """The sections: kind, prefix length, and the numbers in parts, in order."""
        yield V4, 32, _in_order(self._single, 16)
        for length, numbers in sorted(self._networks.items()):
            yield V4, length, [_unique(numbers)]
        for length, buckets in sorted(self._ipv6.items()):
            yield V6, length, (_unique6(buckets.pop(start)) for start in sorted(buckets))
        for length, hashes in sorted(self._names.items()):
            yield NAMES, length, _in_order(hashes, 48)


# Sections are at most 24 lengths of IPv4, 112 of IPv6, two of names and the bitmap; one takes up to 40 bytes.
_HEADER = 8192


def mark(bits: bytearray, networks: Iterable[int], length: int) -> None:
    """Sets the bit of each /24 that a network of this prefix length touches."""
    if length >= 24:
        for start in {network >> 8 for network in networks}:
            bits[start >> 3] |= 1 << (start & 7)
        return
    count = 1 << 24 - length
    for network in networks:
        start = network >> 8
        if count >= 8:
            bits[start >> 3 : (start + count) >> 3] = b"\xff" * (count >> 3)
        else:
            bits[start >> 3] |= (1 << count) - 1 << (start & 7)


def _in_order(buckets: "list[array[int]]", shift: int) -> "Iterator[array[int]]":
    """The numbers of buckets that are in order among each other; each bucket is emptied when it was sorted."""
    for at in range(len(buckets)):
        numbers, buckets[at] = buckets[at], array(buckets[at].typecode)
        if len(numbers) > _SORTED and shift >= 0:
            finer = [array(numbers.typecode) for _ in range(256)]
            for number in numbers:
                finer[number >> shift & 255].append(number)
            del numbers
            yield from _in_order(finer, shift - 8)
        elif numbers:
            yield _unique(numbers)


def _unique(numbers: "array[int]") -> "array[int]":
    return array(numbers.typecode, sorted(set(numbers)))


def _unique6(packed: bytearray) -> bytes:
    return b"".join(sorted({bytes(packed[at : at + 16]) for at in range(0, len(packed), 16)}))
