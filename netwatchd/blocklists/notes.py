"""What a list says of one of its entries, read from the kept copy when the entry has matched.

To keep the notes of millions of entries would take more memory than the entries. A match is rare: the copy is searched
for the text of the entry, and the line in which it stands is read as it was when the table was built.
"""

import mmap
from pathlib import Path

from netwatchd.blocklists.taking import head_of
from netwatchd.decoders.lists import Reading
from netwatchd.decoders.lists.entry import ALONE, BELOW, Entry, NotOurs, entry_text

# Lines in which the text stands without being the entry, such as 192.0.2.1 in 192.0.2.11: so many are looked at.
_TRIES = 50
# A larger copy is not searched: some 30 ms on a small machine, while flows wait.
LARGEST = 32 << 20


def note_of(copy: Path, form: str, entry: Entry) -> str:
    """What the list says of the entry; empty where it says nothing, or writes the entry in another way."""
    try:
        if form == "json" or copy.stat().st_size > LARGEST:
            return ""
        with copy.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
            return _search(text, copy, form, entry)
    except (OSError, ValueError):
        return ""  # the copy is gone or empty; the entry counts all the same


def _search(text: mmap.mmap, copy: Path, form: str, entry: Entry) -> str:
    reading = Reading(form)
    if form == "csv":  # its header says what the columns mean
        for _ in reading.entries(head_of(copy)):
            pass
    wanted, at = _needle(entry), -1
    for _ in range(_TRIES):
        at = text.find(wanted, at + 1)
        if at < 0:
            break
        start, end = text.rfind(b"\n", 0, at) + 1, text.find(b"\n", at)
        line = text[start : end if end >= 0 else len(text)].decode(errors="replace")
        try:
            found = reading.line(line)
        except (ValueError, NotOurs):
            continue
        for each in found:
            if each[:2] == entry[:2] and each.note:
                return each.note
    return ""


def _needle(entry: Entry) -> bytes:
    if entry.length in (BELOW, ALONE):
        assert isinstance(entry.value, str)
        return entry.value.encode()
    return entry_text(entry).encode()
