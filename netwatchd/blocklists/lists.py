"""Which lists an address or a name is in: asked for both ends of each flow, so that the usual answer costs nothing.

Three steps, the cheapest first. Answers are remembered, since devices talk with the same few hundred hosts all day: a
dict whose lookup never leaves the interpreter's C code. What was not asked before is looked up in a bitmap of all /24
that any list touches, shared by all lists. Only what has its bit set is searched in each list; what is found there
is compared with the allow-lists, which win.
"""

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from netwatchd.addresses import Address
from netwatchd.blocklists.allowed import Allowance
from netwatchd.blocklists.building import mark
from netwatchd.blocklists.kept import Kept, Record
from netwatchd.blocklists.notes import note_of
from netwatchd.blocklists.table import BITS, LONGEST_NAME, Table, Unusable, hash_of, suffixes
from netwatchd.config.blocklists import Source
from netwatchd.counters import Counters
from netwatchd.decoders.lists.entry import Entry, entry_text
from netwatchd.listings import NONE, Listing, Listings

# Answers that are remembered, some 100 bytes each: whoever talks with more addresses than that scans the world.
MOST_KNOWN = 32_768
# A bitmap of hashes of the first four bytes of IPv6, of which providers have some 100,000 in all.
_BITS6 = 1 << 20


class Open(NamedTuple):
    """A list in force."""

    source: Source
    record: Record
    table: Table


class View:
    """The lists in force, as they were at one moment; nothing in it changes."""

    def __init__(self, lists: Sequence[Open], allowance: Allowance, key: bytes, kept: Kept | None = None) -> None:
        self.lists = lists
        self.allowance = allowance
        self._key = key
        self._kept = kept
        self._bits = _bitmap([each.table for each in lists])
        self._bits6 = _bitmap6([each.table for each in lists])
        self._has_names = any(each.table.has_names for each in lists)

    def address(self, address: Address) -> list[tuple[Open, Entry]]:
        """The lists that have the address, with the entry, whether it is allowed or not."""
        if isinstance(address, int):
            bits = self._bits
            if bits is None or not bits[address >> 11] >> (address >> 8 & 7) & 1:
                return []
        elif self._bits6 is None or not self._bits6[hash(address[:4]) & _BITS6 - 1]:
            return []
        return [(each, entry) for each in self.lists if (entry := each.table.address(address))]

    def name(self, name: str) -> list[tuple[Open, Entry]]:
        """The lists that have the name or a domain that it lies in."""
        if not self._has_names or len(name) > LONGEST_NAME:
            return []
        hashes = [(each, hash_of(each, self._key)) for each in suffixes(name)]
        return [(each, entry) for each in self.lists if (entry := each.table.name(hashes))]

    def allowed(self, what: Address | str, entry: Entry) -> str | None:
        """Why an entry is not told; None where it is."""
        if isinstance(what, str):
            return self.allowance.name(what, entry, self._key)
        return self.allowance.address(what)

    def listing(self, found: Open, entry: Entry) -> Listing:
        """What is told of an entry."""
        source, record, _ = found
        note = note_of(self._kept.copy(record), record.form, entry) if self._kept else ""
        return Listing(source.name, source.purpose, source.severity, record.fetched, entry_text(entry), note)


class _Known(dict[Any, Listings]):
    """Answers; one that is not known yet is looked up."""

    def __init__(self, look: Callable[[Any], Listings]) -> None:
        super().__init__()
        self._look = look

    def __missing__(self, what: Any) -> Listings:
        return self._look(what)


class Lists:
    """Answers what is in which list. Any thread may ask; what is in force is exchanged while they do."""

    def __init__(self, counters: Counters | None = None) -> None:
        self._counters = counters
        self._lock = threading.Lock()
        self.view = View((), Allowance(), b"")
        self._known = _Known(self._look)
        # What detectors call: no methods of ours, as that would be one call more for each end of each flow.
        self.listed: Callable[[Address], Listings] = self._known.__getitem__
        self.listed_name: Callable[[str], Listings] = self._known.__getitem__

    def use(self, view: View) -> None:
        """From now on, these lists are in force."""
        with self._lock:
            self.view = view
            self._known.clear()

    def explain(self, what: Address | str) -> list[tuple[Listing, str | None]]:
        """All listings of an address or name, each with the reason for which it is not told, if there is one."""
        view = self.view
        found = view.name(what) if isinstance(what, str) else view.address(what)
        return [(view.listing(each, entry), view.allowed(what, entry)) for each, entry in found]

    def _look(self, what: Address | str) -> Listings:
        view = self.view
        found = view.name(what) if isinstance(what, str) else view.address(what)
        answer = NONE
        if found:
            answer = tuple(view.listing(each, entry) for each, entry in found if not view.allowed(what, entry))
            self._count(found if answer else [], allowed=not answer)
        with self._lock:
            if self.view is view:  # else the answer is that of lists of the past
                if len(self._known) >= MOST_KNOWN:
                    self._known.clear()
                self._known[what] = answer
        return answer

    def _count(self, found: Iterable[tuple[Open, Entry]], allowed: bool) -> None:
        if self._counters is None:
            return
        if allowed:
            self._counters.add("listed.allowed")
        for each, _ in found:
            self._counters.add(f"listed.{each.source.name}")


def opened(
    kept: Kept, sources: Iterable[Source], allow: Callable[[Mapping[str, Table]], Allowance], allowing: Iterable[Source]
) -> View:
    """What is kept of these lists, as it can be used at once; what cannot be read is left out.

    `allow` makes the allow-lists of the tables of the sources `allowing`, by their paths.
    """
    key = kept.key()
    if key is None:
        return View((), allow({}), b"", kept)
    found = [each for source in sources if (each := open_list(kept, source))]
    tables = {each.source.place: each.table for source in allowing if (each := open_list(kept, source))}
    return View(found, allow(tables), key, kept)


def open_list(kept: Kept, source: Source, record: Record | None = None) -> Open | None:
    """A list whose files are whole; None where there is none, or it came from elsewhere."""
    record = record or kept.record(source.name)
    if not record.generation or record.place != source.place:
        return None
    try:
        return Open(source, record, Table(kept.table(record)))
    except (OSError, Unusable):
        return None


def _bitmap(tables: Sequence[Table]) -> bytearray | None:
    """All /24 of IPv4 that a list touches; None where none lists any."""
    if not any(True for table in tables for _ in table.networks4()):
        return None
    bits = bytearray(BITS)
    for table in tables:
        if table.bitmap is not None:
            bits = bytearray((int.from_bytes(bits, "big") | int.from_bytes(table.bitmap, "big")).to_bytes(BITS, "big"))
            # It has the single addresses and all networks.
            continue
        for length, networks in table.networks4():
            mark(bits, networks, length)
    return bits


def _bitmap6(tables: Sequence[Table]) -> bytearray | None:
    """A byte for each hash of four first bytes that a list touches."""
    bits: bytearray | None = None
    for table in tables:
        for length, networks in table.networks6():
            bits = bits or bytearray(_BITS6)
            for network in networks:
                start = network[:4]
                if length >= 32:
                    bits[hash(start) & _BITS6 - 1] = 1
                    continue
                first = int.from_bytes(start, "big")
                for each in range(first, first + (1 << 32 - length)):
                    bits[hash(each.to_bytes(4, "big")) & _BITS6 - 1] = 1
    return bits
