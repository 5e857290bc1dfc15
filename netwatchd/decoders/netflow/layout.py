"""A template compiled: its records to rows by one struct.Struct, its rows to records by one loop.

Fields of variable length (RFC 7011, section 7) have no Struct: their records are walked one by one, and what the walk
yields are rows of the same kind.
"""

import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from netwatchd.decoders.netflow.elements import BYTES, RATES, VARIABLE, Field, is_six, word_of
from netwatchd.decoders.netflow.loops import Loop, describes_flows, is_whole, loop_for

Row = tuple[Any, ...]

_FORMATS = {1: "B", 2: "H", 4: "I", 8: "Q"}
_COUNTERS = ("octets", "packets")
# By which the sampling rate of a record is told.
_RATES = tuple(RATES)
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
        self._columns = tuple(
            (word, not is_six(word) and field.length not in _FORMATS, field.length > BYTES.get(word, VARIABLE))
            for word, field in known
        )
        self.describes_flows = describes_flows(self.words) and self.size > 0
        self.is_whole = is_whole(self.words)
        self._is_large = any(word.startswith(_COUNTERS) and field.length > 4 for word, field in known)
        # Where its rows say their own sampling rate, by elements; and the sampler that has one.
        self.rates_at = [(RATES[word], self.words.index(word)) for word in _RATES if word in self.words]
        self.sampler_at = self._first_of(_SAMPLERS)
        # Where the exporter's uptime has to be guessed from its records.
        self.uptime_at = None if "boot" in self.words else self._first_of(("last", "first"))
        self._struct = None if self.is_variable else struct.Struct(">" + "".join(map(_format, self._words, fields)))
        self._loops: dict[tuple[bool, bool], Loop] = {}

    def loop(self, scaled: bool, joins: bool) -> Loop:
        """The loop over its rows; `scaled`: one that multiplies counters by a rate; `joins`: one that joins halves."""
        loop = self._loops.get((scaled, joins))
        if loop is None:
            loop = self._loops[scaled, joins] = loop_for(self._columns, self._is_large, scaled, joins)
        return loop

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
                if field.length == VARIABLE and word and not is_six(word):
                    value = value[-8:]  # no integer of RFC 7011 has more
                if word:
                    # As iter_unpack would give it; the loop makes integers of what is packed.
                    packed = is_six(word) or field.length not in _FORMATS
                    row.append(value if packed else int.from_bytes(value, "big"))
            yield tuple(row)

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
    if is_six(word):
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
