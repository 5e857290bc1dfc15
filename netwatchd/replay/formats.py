"""What a file holds, told by its first bytes, or by whoever names it."""

from netwatchd.decoders import argus, eve, nfdump, zeek
from netwatchd.replay.inputs import Unreadable

PACKETS, NETFLOW, ZEEK, EVE, NFDUMP, ARGUS = FORMATS = ("packets", "netflow", "zeek", "eve", "nfdump", "argus")

MOST_TOLD = 100  # reasons, or names, that a report tells apart

_PCAPNG = b"\x0a\x0d\x0d\x0a"  # the type of a section header block, the same in either byte order
# The magic numbers of pcap: microseconds, nanoseconds, and two with longer records.
_PCAP = (0xA1B2C3D4, 0xA1B23C4D, 0xA1B2CD34, 0xA1B2CDEF)
_CAPTURES = {_PCAPNG} | {number.to_bytes(4, order) for number in _PCAP for order in ("big", "little")}
# What people may hold for a log or a capture, and what it is.
_OTHERS = {
    b"\xfd7zXZ": "is packed by xz; unpack it first",
    b"BZh": "is packed by bzip2; unpack it first",
    b"\x28\xb5\x2f\xfd": "is packed by zstd; unpack it first",
    b"PK\x03\x04": "is a zip archive; unpack it first",
    b"\x0c\xa5": "is nfdump's own file; make CSV of it: nfdump -r FILE -o csv",
    b"\xa5\x0c": "is nfdump's own file; make CSV of it: nfdump -r FILE -o csv",
    b"SQLite format 3": "is a database; look at it with netwatchd flows --state DIR",
}


def is_capture(head: bytes) -> bool:
    """Whether a file that begins with these bytes holds packets."""
    return head[:4] in _CAPTURES


def format_of(head: bytes) -> str:
    """The format of a file that begins with these bytes; raises Unreadable."""
    if not head:
        raise Unreadable("it is empty")
    if is_capture(head):
        return PACKETS
    for name, decoder in ((ZEEK, zeek), (EVE, eve), (NFDUMP, nfdump), (ARGUS, argus)):
        if decoder.looks_like(head):
            return name
    for magic, what in _OTHERS.items():
        if head.startswith(magic):
            raise Unreadable(f"it {what}")
    raise Unreadable("it is no capture and no log of a known kind; --as says what it holds")
