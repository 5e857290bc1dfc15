"""DNS messages (RFC 1035): questions and records of the kinds that tell of hosts and services.

A name is a tuple of labels, as a label of mDNS may hold dots. Whoever sends a message may want to keep us busy: a
pointer leads backwards only and not to many others, a name ends with its 255th byte, a message with its MOST_RECORDS,
and reading it with its MOST_LABELS.
"""

import struct
from typing import NamedTuple

from netwatchd.addresses import Address, address_of_bytes

A, CNAME, PTR, TXT, AAAA, SRV = 1, 5, 12, 16, 28, 33  # types of records
INTERNET = 1  # class

MOST_RECORDS = 512  # of one message; one of mDNS has up to 9,000 bytes
MOST_LABELS = 8192  # read of one message: names that are pointed to are read once
_MOST_POINTERS = 32  # from one to the next; a name has rarely more than four labels
_LONGEST_NAME = 255  # bytes (RFC 1035 section 3.1)
_MOST_STRINGS = 128  # of one TXT record
_POINTER = 0xC0
_UNIQUE = 0x8000  # the bit of mDNS in the class: in questions "answer me alone", in records "I alone have this"

_HEADER = struct.Struct("!HHHHHH").unpack_from  # id, flags, questions, answers, authorities, additionals
_QUESTION = struct.Struct("!HH").unpack_from  # type, class
_RECORD = struct.Struct("!HHIH").unpack_from  # type, class, time to live, length of the data
_HEADER_SIZE = 12

Name = tuple[str, ...]


class Malformed(ValueError):
    """The bytes are no DNS message."""


class Record(NamedTuple):
    """A record: for A and AAAA its data is an address, for CNAME, PTR and SRV a name, for TXT strings, else None."""

    name: Name
    kind: int
    ttl: int  # seconds
    address: Address | None = None
    target: Name = ()
    texts: tuple[bytes, ...] = ()


class Message(NamedTuple):
    """One message; `questions` are names and types."""

    response: bool
    operation: int
    code: int
    questions: list[tuple[Name, int]]
    answers: list[Record]
    authorities: list[Record]
    additionals: list[Record]


def folded(name: Name) -> Name:
    """The name as it is compared: without regard to case."""
    return tuple(label.casefold() for label in name)


def read_message(data: bytes) -> Message:
    """The message that `data` is; raises Malformed."""
    try:
        return _Reader(data).message()
    except (struct.error, IndexError):
        raise Malformed("it ends too early") from None


class _Reader:
    """Reads a message from its start."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = _HEADER_SIZE
        self._known: dict[int, tuple[Name, int]] = {}  # names by where they begin, and their lengths in bytes
        self._labels = 0

    def message(self) -> Message:
        _, flags, *counts = _HEADER(self._data)
        if sum(counts) > MOST_RECORDS:
            raise Malformed(f"{sum(counts)} records are too many")
        questions = [self._question() for _ in range(counts[0])]
        sections = [[self._record() for _ in range(count)] for count in counts[1:]]
        return Message(bool(flags & 0x8000), flags >> 11 & 15, flags & 15, questions, *sections)

    def name(self) -> Name:
        """The name here, behind which reading goes on."""
        name, self._at = self._name(self._at)
        return name

    def _name(self, at: int, pointers: int = 0) -> tuple[Name, int]:
        """The name at `at`, to which so many pointers led, and where it ends."""
        data, start, size = self._data, at, 0
        labels: list[str] = []
        while length := data[at]:
            if length >= _POINTER:
                target = (length & 0x3F) << 8 | data[at + 1]
                if target >= start or pointers == _MOST_POINTERS:
                    raise Malformed("a name goes on where it or a later one begins, or by too many pointers")
                if target not in self._known:
                    self._name(target, pointers + 1)
                rest, more = self._known[target]
                return self._keep(start, (*labels, *rest), size + more), at + 2
            if length & _POINTER:
                raise Malformed("a label of an unknown type")
            label = data[at + 1 : at + 1 + length]
            if len(label) < length:
                raise Malformed("a label goes beyond the end")
            labels.append(label.decode(errors="replace"))
            size += length + 1
            at += length + 1
            self._labels += 1
            if size > _LONGEST_NAME or self._labels > MOST_LABELS:
                raise Malformed("a name is too long, or there are too many")
        return self._keep(start, tuple(labels), size + 1), at + 1

    def _keep(self, start: int, name: Name, size: int) -> Name:
        if size > _LONGEST_NAME:
            raise Malformed("a name is too long")
        self._known[start] = name, size
        return name

    def _question(self) -> tuple[Name, int]:
        name = self.name()
        kind, _ = _QUESTION(self._data, self._at)
        self._at += 4
        return name, kind

    def _record(self) -> Record:
        data, name = self._data, self.name()
        kind, group, ttl, length = _RECORD(data, self._at)
        start = self._at + 10
        self._at = end = start + length
        if end > len(data):
            raise Malformed("a record goes beyond the end")
        record = Record(name, kind, ttl)
        if group & ~_UNIQUE != INTERNET:
            return record._replace(kind=0)
        if kind in (A, AAAA):
            if length != (4 if kind == A else 16):
                raise Malformed(f"an address of {length} bytes")
            return record._replace(address=address_of_bytes(data[start:end]))
        if kind in (CNAME, PTR, SRV):  # SRV (RFC 2782): priority, weight, port, then the name
            target, after = self._name(start + 6 if kind == SRV else start)
            if after > end:
                raise Malformed("a name goes beyond its record")
            return record._replace(target=target)
        return record._replace(texts=_strings(data[start:end])) if kind == TXT else record


def _strings(data: bytes) -> tuple[bytes, ...]:
    """The strings of a TXT record, each with its length in front."""
    found: list[bytes] = []
    at = 0
    while at < len(data) and len(found) < _MOST_STRINGS:
        found.append(data[at + 1 : at + 1 + data[at]])
        at += 1 + data[at]
    return tuple(found)
