"""The clues that are kept: what each station has shown, who saw it, and when first and last.

What a device says of itself is text from the network, and who says much of it must not fill the memory or wear out the
card. So a station has at most so many clues, of each kind and in all; a full one takes a new value in the place of one
that was not shown for long, and passes it over otherwise. Of names the latest holds all the same, in memory: it is not
stored while its device makes up one after the other. Of all stations those go first that showed nothing for longest,
and before them those that were heard for less than an hour in all: who makes up devices must not make us forget what
the known ones have shown. A clue that is merely shown again is stored once a day.

What is known of a station before it is seen, from a file of leases or hosts, waits under its MAC or address.
"""

from collections import OrderedDict
from collections.abc import Callable, Collection, Hashable, Iterable

from netwatchd.addresses import Address
from netwatchd.events import Clue, Sighting, Trait
from netwatchd.ingest import Store

MOST_OF_A_KIND = 16  # values of a station: a media server offers a dozen services
MOST_OF_A_STATION = 96
MOST = 30_000  # of all stations: 10 MB, or 20 MB of a liar's longest texts; a home has a thousand
MOST_WAITING = 4096  # stations that are known of and were not seen; files of leases have some hundred
DISPLACED_AFTER = 3_600_000  # milliseconds for which a clue was not shown before another one may take its place
SPARED_AFTER = 3_600_000  # milliseconds over which a station has shown itself that is not made up, one hopes
MOST_SPARED = 1000  # stations that are looked at to find one that goes
MOST_DISPLACED = 1000  # clues a minute that are taken in where as many are kept as may be: each is written to the card
STORED_EVERY = 86_400_000  # milliseconds between two writings of what is merely shown again

# Of these the latest is the one that holds; of others a station has several at a time.
_ONE_AT_A_TIME = frozenset({
    "hostname", "vendor", "dhcp_hostname", "mdns_name", "llmnr_name", "netbios_name", "lldp_name", "hosts_name",
    "dns_name",
})  # fmt: skip

# What is said of an address, whoever has it: it goes with the address, and not with the device that has it now.
_OF_ADDRESSES = frozenset({"hosts_name", "dns_name"})

_Place = str | Address  # a MAC as text, or an address


class _Kept:
    """When a station showed a clue."""

    __slots__ = ("first", "last", "source", "stored")

    def __init__(self, source: str, first: int, last: int, stored: int | None) -> None:
        self.source = source
        self.first = first
        self.last = last
        self.stored = stored  # what of `last` is in the store; None: it is a passing name, and not there


class Clues:
    """The clues of all stations, at most `most`. `mark_of` says by what of a clue its stations are found, or None."""

    def __init__(self, store: Store, mark_of: Callable[[Clue], Hashable | None], most: int = MOST) -> None:
        self._store = store
        self._most = most
        self._mark_of = mark_of
        self._stations: OrderedDict[str, dict[Clue, _Kept]] = OrderedDict()  # who showed something last is last
        self._latest: dict[tuple[str, str], str] = {}  # station and kind -> value, of those that have one at a time
        self._count = 0
        self._displaced = (0, 0)  # since when (Unix ms), and how many
        self._marked: dict[Hashable, set[str]] = {}
        self._waiting: OrderedDict[_Place, dict[Clue, tuple[str, int]]] = OrderedDict()

    def __len__(self) -> int:
        return self._count

    def add(self, station: str, clues: Iterable[Clue], source: str, seen: int) -> bool:
        """Takes in clues that a station showed at `seen` (Unix ms); whether any of it is new, or holds again."""
        shown = self._stations.get(station)
        if shown is None:
            shown = self._stations[station] = {}
        else:
            self._stations.move_to_end(station)
        changed = False
        for clue in clues:
            kept = shown.get(clue)
            if kept is None:
                changed |= self._add(station, shown, clue, _Kept(source, seen, seen, seen))
                continue
            if seen > kept.last:
                kept.last = seen
                if self._is_to_be_stored(station, shown, clue, kept):
                    self._keep(station, clue, kept)
            if clue.kind in _ONE_AT_A_TIME:
                changed |= self._hold(station, clue, kept)
        if not shown:
            del self._stations[station]
        while self._count > self._most:
            self.erase(self._oldest())
        return changed

    def _oldest(self) -> str:
        """Who goes first: one that showed nothing for long, and was heard for a short time only where there is one."""
        for _ in range(min(len(self._stations), MOST_SPARED)):
            station, shown = next(iter(self._stations.items()))
            first = min((kept.first for kept in shown.values()), default=0)
            if max((kept.last for kept in shown.values()), default=0) - first < SPARED_AFTER:
                return station
            self._stations.move_to_end(station)  # its turn comes again when all others had theirs
        return next(iter(self._stations))

    def of(self, stations: Iterable[str]) -> list[Clue]:
        """All clues of these stations, the latest first."""
        found = [(kept.last, clue) for each in stations for clue, kept in self._stations.get(each, {}).items()]
        # Of those of one moment the last one that came is the latest.
        found.reverse()
        found.sort(key=lambda item: -item[0])
        return list(dict.fromkeys(clue for _, clue in found))

    def holding(self, stations: Iterable[str]) -> list[Clue]:
        """The same without what a later clue has replaced, such as the name that it had before."""
        found: dict[object, Clue] = {}
        for clue in self.of(stations):
            found.setdefault(clue.kind if clue.kind in _ONE_AT_A_TIME else clue, clue)
        return list(found.values())

    def names(self, station: str, kind: str) -> tuple[str, ...]:
        """The values of a clue of which a station has one at a time, the latest first."""
        if kind not in _ONE_AT_A_TIME or (station, kind) not in self._latest:
            return ()
        return tuple(clue.value for clue in self.of([station]) if clue.kind == kind)

    def stations_with(self, mark: Hashable) -> Collection[str]:
        """Who has shown a clue with this mark."""
        return self._marked.get(mark, ())

    def stations(self) -> list[str]:
        """All that have shown something."""
        return list(self._stations)

    def move(self, station: str, to: str) -> None:
        """What a station has shown was shown by another one."""
        for clue, kept in self._take(station).items():
            shown = self._stations.setdefault(to, {})
            if clue not in shown:
                self._add(to, shown, clue, kept)

    def erase(self, station: str) -> None:
        """Forgets what a station has shown."""
        self._take(station)

    def remember(self, traits: Iterable[Trait]) -> None:
        """Takes in what earlier runs have kept; what this run has kept and is not among it is stored again."""
        stored = set()
        mine = set(self._stations)
        for trait in sorted(traits, key=lambda trait: -trait.last_seen):
            stored.add((trait.station, trait.clue))
            if self._count >= self._most and trait.clue not in self._stations.get(trait.station, ()):
                self._store.drop(trait)
                continue
            shown = self._stations.setdefault(trait.station, {})
            if trait.station not in mine:
                self._stations.move_to_end(trait.station, last=False)
            if known := shown.get(trait.clue):
                known.first = min(known.first, trait.first_seen)
            else:
                kept = _Kept(trait.source, trait.first_seen, trait.last_seen, trait.last_seen)
                self._add(trait.station, shown, trait.clue, kept, stored=True)
        for station, shown in self._stations.items():
            for clue, kept in shown.items():
                if (station, clue) not in stored and kept.stored is not None:
                    self._keep(station, clue, kept)

    def put_right(self, right: Callable[[int], int]) -> None:
        """The clock was off: `right` makes the right one of a time (Unix ms) that this run has noted, and no other."""
        for station, shown in self._stations.items():
            for clue, kept in shown.items():
                first, last = right(kept.first), right(kept.last)
                if (first, last) != (kept.first, kept.last):
                    kept.first, kept.last = min(first, last), last
                    if kept.stored is not None:
                        self._keep(station, clue, kept)

    # What waits for its station.

    def wait(self, sighting: Sighting, clues: Iterable[Clue]) -> None:
        """Keeps what is known of a station that was not seen yet."""
        for place in (sighting.mac,) if sighting.mac else sighting.ips:
            known = self._waiting.setdefault(place, {})
            self._waiting.move_to_end(place)
            for clue in clues:
                known.pop(clue, None)
                known[clue] = sighting.source, sighting.time
            while len(known) > MOST_OF_A_KIND:
                del known[next(iter(known))]
        while len(self._waiting) > MOST_WAITING:
            self._waiting.popitem(last=False)

    def arrive(self, station: str, place: _Place, seen: int) -> bool:
        """A station shows up that has this MAC or address; whether anything has waited for it."""
        waiting = self._waiting.get(place)
        if not waiting:
            return False
        if isinstance(place, str):
            del self._waiting[place]
        changed = False
        for clue, (source, _) in list(waiting.items()):
            if not isinstance(place, str) and clue.kind not in _OF_ADDRESSES:
                del waiting[clue]
            changed |= self.add(station, [clue], source, seen)
        return changed

    def depart(self, stations: Iterable[str], address: Address) -> bool:
        """An address is another device's from now on; whether these stations had a name that goes with it."""
        said = [clue for clue in self._waiting.get(address, ()) if clue.kind in _OF_ADDRESSES]
        gone = [(each, clue) for each in stations for clue in said if clue in self._stations.get(each, {})]
        for station, clue in gone:
            self._remove(station, clue)
        return bool(gone)

    def say_of_address(self, sighting: Sighting, clues: Iterable[Clue]) -> None:
        """Keeps what is said of addresses for whoever has them later."""
        if said := [clue for clue in clues if clue.kind in _OF_ADDRESSES]:
            self.wait(sighting, said)

    # One clue.

    def _add(self, station: str, shown: dict[Clue, _Kept], clue: Clue, kept: _Kept, *, stored: bool = False) -> bool:
        """Adds a clue that the station has not shown before; whether there was room."""
        passing = not self._make_room(station, shown, clue.kind, kept.last)
        if passing and (stored or clue.kind not in _ONE_AT_A_TIME):
            return False
        if not stored and self._count >= self._most and not self._may_displace(kept.last):
            return False
        if passing:
            self._forget_passing(station, shown, clue.kind)
        shown[clue] = kept
        self._count += 1
        if mark := self._mark_of(clue):
            self._marked.setdefault(mark, set()).add(station)
        if clue.kind in _ONE_AT_A_TIME:
            self._hold(station, clue, kept)
        if passing:
            kept.stored = None
        elif not stored:
            self._keep(station, clue, kept)
        return True

    def _forget_passing(self, station: str, shown: dict[Clue, _Kept], kind: str) -> None:
        """A name that was not worth storing gives way to the next one."""
        for clue in [clue for clue, kept in shown.items() if clue.kind == kind and kept.stored is None]:
            self._remove(station, clue)

    def _is_to_be_stored(self, station: str, shown: dict[Clue, _Kept], clue: Clue, kept: _Kept) -> bool:
        """Whether it is time to store a clue that is shown again; for a passing name also whether there is room."""
        if kept.stored is None:
            return self._make_room(station, shown, clue.kind, kept.last)
        return kept.last - kept.stored > STORED_EVERY

    def _may_displace(self, seen: int) -> bool:
        """Whether others may go for a clue that was shown at `seen` (Unix ms): a flood must not wear out the card."""
        since, count = self._displaced
        if not 0 <= seen - since < 60_000:
            since, count = seen, 0
        self._displaced = since, count + 1
        return count < MOST_DISPLACED

    def _make_room(self, station: str, shown: dict[Clue, _Kept], kind: str, seen: int) -> bool:
        stored = [clue for clue, kept in shown.items() if kept.stored is not None]
        alike = [clue for clue in stored if clue.kind == kind]
        full = alike if len(alike) >= MOST_OF_A_KIND else stored if len(stored) >= MOST_OF_A_STATION else []
        if not full:
            return True
        oldest = min(full, key=lambda clue: shown[clue].last)
        if seen - shown[oldest].last < DISPLACED_AFTER:
            return False
        self._remove(station, oldest)
        return True

    def _hold(self, station: str, clue: Clue, kept: _Kept) -> bool:
        """Makes it the value that holds, where nothing later was shown; whether it was not before."""
        holding = self._latest.get((station, clue.kind))
        if holding == clue.value:
            return False
        other = self._stations.get(station, {}).get(Clue(clue.kind, holding)) if holding is not None else None
        if other is not None and other.last > kept.last:
            return False
        self._latest[station, clue.kind] = clue.value
        shown = self._stations[station]
        shown[clue] = shown.pop(clue, kept)  # behind those of the same moment
        return True

    def _take(self, station: str) -> dict[Clue, _Kept]:
        """Removes all that a station has shown, and returns it."""
        taken = dict(self._stations.get(station, {}))
        for clue in taken:
            self._remove(station, clue)
        self._stations.pop(station, None)
        return taken

    def _remove(self, station: str, clue: Clue) -> None:
        kept = self._stations[station].pop(clue)
        self._count -= 1
        if self._latest.get((station, clue.kind)) == clue.value:
            del self._latest[station, clue.kind]
        mark = self._mark_of(clue)
        if mark and not any(self._mark_of(other) == mark for other in self._stations[station]):
            self._marked[mark].discard(station)
            if not self._marked[mark]:
                del self._marked[mark]
        if kept.stored is not None:
            self._store.drop(_trait(station, clue, kept))

    def _keep(self, station: str, clue: Clue, kept: _Kept) -> None:
        kept.stored = kept.last
        self._store.keep(_trait(station, clue, kept))


def _trait(station: str, clue: Clue, kept: _Kept) -> Trait:
    return Trait(station, clue, kept.source, kept.first, kept.last)
