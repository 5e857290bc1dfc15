"""Blocklists for `fuzz`, as `fuzz_targets` does it: whatever comes instead of a list is refused, or read."""

import tempfile
from pathlib import Path

from fuzz_targets import Target
from test_list_formats import CASES

from netwatchd.blocklists.kept import Record
from netwatchd.blocklists.notes import note_of
from netwatchd.blocklists.table import Table, Unusable
from netwatchd.blocklists.taking import Refused, build
from netwatchd.decoders.lists import FORMATS, NoList, Reading
from netwatchd.decoders.lists.entry import Entry, entry_text

_KEY = bytes(16)


def take(data: bytes) -> str:
    """What was taken has a table with as many entries as are told, and each is found in it."""
    with tempfile.TemporaryDirectory() as place:
        text, file = Path(place) / "text", Path(place) / "table"
        text.write_bytes(data)
        record = Record("list")
        try:
            build(text, file, record, _KEY, lambda: None)
        except Refused as error:
            assert len(str(error)) < 500
            return "refused"
        table = Table(file)
        assert sum(table.counts.values()) == record.entries
        for length, networks in table.networks4():
            for network in networks:
                assert table.address(network) is not None
                assert len(note_of(text, record.form, Entry(network, length))) <= 120
        return f"{record.form}, {min(record.entries, 3)}"


def read(data: bytes) -> str:
    """In each format, a text is entries that can be written again, or lines that are counted."""
    lines = data.decode(errors="replace").splitlines(keepends=True)
    told = []
    for form in FORMATS:
        reading = Reading(form)
        try:
            found = [entry_text(each) for each in reading.entries(lines)]
        except NoList:
            told.append("none")
        else:
            told.append(str(min(len(found), 1)))
    return " ".join(told)


def open_table(data: bytes) -> str:
    """A damaged file is no table; one whose sizes fit is searched without harm."""
    with tempfile.TemporaryDirectory() as place:
        file = Path(place) / "table"
        file.write_bytes(data)
        try:
            table = Table(file)
        except Unusable:
            return "unusable"
        table.address(0xC6336407)
        table.address(bytes(16))
        table.name([("evil.example", 7)])
        return "table"


def _table() -> bytes:
    with tempfile.TemporaryDirectory() as place:
        text, file = Path(place) / "text", Path(place) / "table"
        text.write_text("198.51.100.7\n203.0.113.0/24\n2001:db8::/32\nevil.example\n")
        build(text, file, Record("list"), _KEY, lambda: None)
        return file.read_bytes()


_SEEDS = [text.encode() for _, text, _ in CASES.values()]
_WORDS = (b"0.0.0.0 ", b"||", b"^", b"address=/", b"://", b'"cidr":', b"/24", b"-", b"#", b"\r\n", b"END 3 entries")
LISTS = [
    Target("taken lists", _SEEDS, take, _WORDS),
    Target("lines of lists", _SEEDS, read, _WORDS),
    Target("tables of lists", [_table()], open_table, (b"sections", b'"size": ', b"[", b"]", b"null", b"-1")),
]
