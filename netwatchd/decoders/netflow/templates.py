"""Templates (RFC 3954, sections 5.2 and 6.1; RFC 7011, section 3.4), kept as bytes until data needs them."""

import struct
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from netwatchd.decoders.netflow.elements import Field
from netwatchd.decoders.netflow.header import Malformed
from netwatchd.decoders.netflow.layout import Layout

# No exporter has so many; liars must not fill the memory. A field is 4 or 8 bytes.
MOST_TEMPLATES = 512  # of one stream
MOST_FIELDS = 512
# Compiled ones, of all exporters together: equal templates share one.
MOST_LAYOUTS = 256

FIRST_DATA_SET = 256

_TWO = struct.Struct(">HH")
_THREE = struct.Struct(">HHH")
_ENTERPRISE = 0x8000


class Template(NamedTuple):
    """How the data sets of one id are to be read. Equal ones are read alike."""

    specifiers: bytes  # of all fields, those of the scope first
    scopes: int  # fields of the scope; with 0 it is no options template
    is_ipfix: bool

    @property
    def fields(self) -> tuple[Field, ...]:
        """Its fields."""
        return tuple(_fields(self.specifiers, self.is_ipfix))

    @property
    def layout(self) -> Layout:
        """How its records are read."""
        return _layout(self.specifiers, self.is_ipfix)


@lru_cache(MOST_LAYOUTS)
def _layout(specifiers: bytes, is_ipfix: bool) -> Layout:
    return Layout(tuple(_fields(specifiers, is_ipfix)))


def _fields(specifiers: bytes, is_ipfix: bool) -> Iterator[Field]:
    at = 0
    while at < len(specifiers):
        element, length = _TWO.unpack_from(specifiers, at)
        at += 4
        if is_ipfix and element & _ENTERPRISE:
            (enterprise,) = struct.unpack_from(">I", specifiers, at)
            at += 4
            yield Field(element & ~_ENTERPRISE, length, enterprise)
        else:
            yield Field(element, length)


def templates_v9(data: bytes) -> Iterator[tuple[int, Template]]:
    """The templates of a v9 template flowset, with their ids. Raises Malformed."""
    at = 0
    while len(data) - at >= 4:
        number, count = _TWO.unpack_from(data, at)
        if number < FIRST_DATA_SET and not any(data[at:]):
            return  # padding
        at += 4
        yield number, Template(_taken(data, at, count * 4), 0, False)
        at += count * 4


def options_v9(data: bytes) -> Iterator[tuple[int, Template]]:
    """The templates of a v9 options template flowset, with their ids. Raises Malformed."""
    at = 0
    while len(data) - at >= 6:
        number, scope, options = _THREE.unpack_from(data, at)
        if number < FIRST_DATA_SET and not any(data[at:]):
            return
        at += 6
        if scope % 4 or options % 4:
            raise Malformed("an options template with a broken field")
        # The scope of v9 has numbers of its own (1 system, 2 interface, ...): they are no elements, and passed over.
        fields = _taken(data, at, scope + options)
        scopes = b"".join(b"\xff\xff" + fields[n + 2 : n + 4] for n in range(0, scope, 4))
        yield number, Template(scopes + fields[scope:], max(scope // 4, 1), False)
        at += scope + options


def templates_ipfix(data: bytes, *, options: bool) -> Iterator[tuple[int, Template | None]]:
    """The templates of an IPFIX set, with their ids; None for one that is withdrawn. Raises Malformed."""
    at = 0
    while len(data) - at >= 4:
        number, count = _TWO.unpack_from(data, at)
        at += 4
        if not count:
            if number:
                yield number, None
            elif any(data[at:]):
                raise Malformed("a template without an id")
            else:
                return
            continue
        scopes = 0
        if options:
            scopes = int.from_bytes(_taken(data, at, 2), "big")
            at += 2
            if not 0 < scopes <= count:
                raise Malformed("an options template without a scope")
        length = _length_of_fields(data, at, count)
        yield number, Template(data[at : at + length], scopes, True)
        at += length


def _length_of_fields(data: bytes, at: int, count: int) -> int:
    if count > MOST_FIELDS:
        raise Malformed("a template of too many fields")
    begin = at
    for _ in range(count):
        element, _ = _TWO.unpack(_taken(data, at, 4))
        at += 8 if element & _ENTERPRISE else 4
    _taken(data, begin, at - begin)
    return at - begin


def _taken(data: bytes, at: int, length: int) -> bytes:
    if length > MOST_FIELDS * 8:
        raise Malformed("a template of too many fields")
    taken = data[at : at + length]
    if len(taken) < length:
        raise Malformed("a template that ends within a field")
    return taken


class Templates:
    """Those of one stream."""

    def __init__(self) -> None:
        self._by_id: dict[int, Template] = {}

    def learn(self, number: int, template: Template | None) -> bool:
        """Keeps a template, or forgets it; whether data of this id can be read that could not before."""
        if template is None:
            self._forget(number)
            return False
        if number < FIRST_DATA_SET:
            raise Malformed("a template with the id of a set")
        if self._by_id.get(number) == template:
            return False
        if number not in self._by_id and len(self._by_id) >= MOST_TEMPLATES:
            del self._by_id[next(iter(self._by_id))]  # the oldest
        self._by_id[number] = template
        return True

    def get(self, number: int) -> Template | None:
        """The template of an id."""
        return self._by_id.get(number)

    def __len__(self) -> int:
        return len(self._by_id)

    def _forget(self, number: int) -> None:
        """RFC 7011, 8.1: the id of a template; or 2 for all templates, 3 for all options templates."""
        if number in (2, 3):
            is_options = number == 3
            self._by_id = {n: t for n, t in self._by_id.items() if bool(t.scopes) != is_options}
        else:
            self._by_id.pop(number, None)
