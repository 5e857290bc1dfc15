"""A template compiled: its records to rows by one struct.Struct, its rows to records by one loop.

Fields of variable length (RFC 7011, section 7) have no Struct: their records are walked one by one, and what the walk
yields are rows of the same kind.
"""

import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from netwatchd.decoders.netflow.elements import VARIABLE, Field, word_of
from netwatchd.decoders.netflow.loops import Loop, describes_flows, is_whole, loop_for

Row = tuple[Any, ...]

_FORMATS = {1: "B", 2: "H", 4: "I", 8: "Q"}
_COUNTERS = ("octets", "packets")
# By which the sampling rate of a record is told, the best one first.
_RATES = ("sampling", "sampling_random", "sampling_packets")
_SAMPLERS = ("sampler", "selector")


class Unreadable(ValueError):
    """A record that ends within a field."""


class Layout:
    """How the records of one template are read. What is none of `elements` is passed over."""

    def __init__(self, fields: Sequence[Field]) -> None:
        self._fields = fields
        self._words = _wanted(fields)
        self.is_variable = any(field.length == VARIABLE for field in fields)
        # The least that a record can be long; its length where no field varies.
        self.size = sum(1 if field.length == VARIABLE else field.length for field in fields)
        known = [(word, field) for word, field in zip(self._words, fields, strict=True) if word]
        self.words = [word for word, _ in known]
        self._columns = tuple((word, self._comes_packed(word, field)) for word, field in known)
        self.describes_flows = describes_flows(self.words) and self.size > 0
        self.is_whole = is_whole(self.words)
        self._is_large = any(word.startswith(_COUNTERS) and field.length > 4 for word, field in known)
        self.rate_at = self._first_of(_RATES)
        self.space_at = self._first_of(("sampling_space",))
        self.sampler_at = self._first_of(_SAMPLERS)
        # Where the exporter's uptime has to be guessed from its records.
        self.uptime_at = None if "boot" in self.words else self._first_of(("last", "first"))
        self._struct = None if self.is_variable else struct.Struct(">" + "".join(map(_format, self._words, fields)))
        self._loops: dict[bool, Loop] = {}

    def loop(self, scaled: bool) -> Loop:
        """The loop over its rows; `scaled`: one that multiplies counters by a sampling rate."""
        if scaled not in self._loops:
            self._loops[scaled] = loop_for(self._columns, self._is_large, scaled)
        return self._loops[scaled]

    def rows(self, data: bytes) -> Iterable[Row]:
        """The rows of the records in a data set; what remains is padding. Raises Unreadable."""
        if self._struct is None:
            return list(self._walk(data))
        left = len(data) % self.size
        return self._struct.iter_unpack(data[:-left] if left else data)

    def records(self, data: bytes) -> int:
        """How many records a data set holds, where none of them varies."""
        return len(data) // self.size

    def _walk(self, data: bytes) -> Iterator[Row]:
        at = 0
        # What is shorter than any record is padding.
        while len(data) - at >= self.size:
            row = []
            for word, field in zip(self._words, self._fields, strict=True):
                length, at = field_length(field, data, at)
                value = data[at : at + length]
                at += length
                if field.length == VARIABLE and word and word[-1] != "6":
                    value = value[-8:]  # no integer of RFC 7011 has more
                if word:
                    # As iter_unpack would give it; the loop makes integers of what is packed.
                    packed = word[-1] == "6" or length not in _FORMATS or field.length == VARIABLE
                    row.append(value if packed else int.from_bytes(value, "big"))
            yield tuple(row)

    def _comes_packed(self, word: str, field: Field) -> bool:
        return field.length not in _FORMATS and not word.endswith("6")

    def _first_of(self, words: Sequence[str]) -> int | None:
        return next((self.words.index(word) for word in words if word in self.words), None)


def _wanted(fields: Sequence[Field]) -> list[str | None]:
    """The word of each field; one that comes twice counts once: the first (RFC 7011, section 8)."""
    seen: set[str] = set()
    words: list[str | None] = []
    for field in fields:
        word = word_of(field)
        words.append(None if word in seen else word)
        if word:
            seen.add(word)
    return words


def _format(word: str | None, field: Field) -> str:
    if word is None:
        return f"{field.length}x"
    if word.endswith("6"):
        return "16s"
    return _FORMATS.get(field.length, f"{field.length}s")


def field_length(field: Field, data: bytes, at: int) -> tuple[int, int]:
    """The length of a field that stands at `at`, and where its value begins. Raises Unreadable where it is cut off."""
    length = field.length
    if length == VARIABLE:  # RFC 7011, section 7: one byte, or 255 and two more
        length, at = int.from_bytes(data[at : at + 1], "big"), at + 1
        if length == 255:
            length, at = int.from_bytes(data[at : at + 2], "big"), at + 2
    if at + length > len(data):
        raise Unreadable
    return length, at
