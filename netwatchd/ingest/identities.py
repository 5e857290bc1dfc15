"""What stations have shown of themselves, and which of them are one device. `Devices` calls with its lock held.

A station is a MAC, or an address where no MAC is known. A device with a private MAC that proves to be a known one is
looked for when it shows something by which it could be found, and joined to that a moment later: by then the other one
has had the time to show that it is still here, and the new one to say more. `identity.sameness` has the rules.
"""

import dataclasses
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from netwatchd.addresses import Address, is_random_mac
from netwatchd.clock import Now
from netwatchd.events import Alias, Clue, Device, Sighting, Status, Trait
from netwatchd.identity import sameness
from netwatchd.identity.kinds import describe
from netwatchd.ingest import Store
from netwatchd.ingest.clues import Clues
from netwatchd.ingest.turns import Turns

log = logging.getLogger(__name__)

DECIDED_AFTER = 1.0  # seconds in which the other one may show that it is here; it is asked twice, and may be asleep
MOST_SIGNS, APART = 8, 500  # signs of life that are remembered of a station, so many milliseconds apart
SET_BACK = 60_000  # milliseconds by which a clock may be behind before it tells nobody who came first
MOST_SUSPECTS = 256  # that wait to be decided: a flood of made-up devices must not be compared without end
MOST_MACS = 32  # of a device: who changes it each day is known by those of a month
MOST_UNDONE = 4096  # pairs that were told apart


class Suspicion(NamedTuple):
    """A device may be one that is known."""

    into: str  # the one that it may be
    due: float  # steady time at which it is decided
    asked: int = 1  # how often the other one was asked whether it is here


class Identities:
    """Which station is which device, and what each has shown. `merge`: whether any are joined without being told to."""

    def __init__(self, store: Store, *, merge: bool = True) -> None:
        self.merge = merge
        self._store = store
        self._clues = Clues(store, sameness.mark_of)
        self._aliases: dict[str, Alias] = {}  # MAC -> what it is an alias of
        self._stations: dict[str, list[str]] = {}  # key -> its MACs, of devices that have several
        self._undone: dict[tuple[str, str], Alias] = {}
        self._signs: dict[str, tuple[int, ...]] = {}  # station -> Unix ms of the last packets of its own
        self._turns: dict[str, Turns] = {}  # of devices that have several MACs
        self._apart: list[str] = []  # MACs that are devices of their own, as they have shown
        self._shower: dict[Address, str] = {}  # which MAC showed an address, of devices that have several MACs
        self._changed: set[str] = set()  # stations that have shown something new
        self._suspicions: dict[str, Suspicion] = {}
        self._remembered = False

    def remember(self, kept: Iterable[Trait | Alias]) -> None:
        """Takes in what was stored by earlier runs; what is not among it is stored again."""
        kept = list(kept)
        self._clues.remember(each for each in kept if isinstance(each, Trait))
        aliases = [each for each in kept if isinstance(each, Alias)]
        for alias in aliases:
            if alias.undone is not None:
                self._undone.setdefault((alias.mac, alias.device), alias)
            elif alias.mac not in self._aliases and (alias.mac, alias.device) not in self._undone:
                self._point(alias)
        for alias in [*self._aliases.values(), *self._undone.values()]:
            if alias not in aliases:
                self._store.keep(alias)
        # What was seen before anything was remembered is looked at now.
        self._changed.update([] if self._remembered else self._clues.stations())
        self._remembered = True

    # Which device a station is.

    def key_of(self, station: str) -> str:
        """The key of the device that a station is."""
        alias = self._aliases.get(station)
        return alias.device if alias else station

    def station_of(self, key: str, device: Device) -> str:
        """The station that a device is now: its latest MAC, or its address."""
        return device.macs[0] if device.macs else key

    def stations_of(self, key: str) -> list[str]:
        """All that a device was, its key first."""
        return self._stations.get(key) or [key]

    def aliases(self) -> list[Alias]:
        """The MACs that are one more of a device."""
        return list(self._aliases.values())

    # What stations show.

    def note(self, sighting: Sighting) -> None:
        """Keeps what is known of a device that was not seen yet, until it is."""
        if clues := _clues_of(sighting):
            self._clues.wait(sighting, clues)

    def learn(self, station: str, sighting: Sighting, seen: int) -> bool:
        """Takes in what a station has shown at `seen` (Unix ms); returns whether any of it is new."""
        if sighting.clues or sighting.hostname or sighting.vendor:
            clues = _clues_of(sighting)
            if self._clues.add(station, clues, sighting.source, seen):
                self._changed.add(station)
            if sighting.mac is None:
                self._clues.say_of_address(sighting, clues)
        return station in self._changed

    def told(self, station: str, kind: str) -> tuple[str, ...]:
        """The names of this kind that a station has called itself so far, the latest first."""
        return self._clues.names(station, kind)

    def arrive(self, station: str, place: str | Address, seen: int) -> None:
        """A station shows up that has this MAC or address: what has waited for it is its own."""
        if self._clues.arrive(station, place, seen):
            self._changed.add(station)

    def depart(self, key: str, device: Device, ip: Address) -> Device:
        """An address is another device's from now on: the device `key` without what was said of the address."""
        self._shower.pop(ip, None)
        return self.described(key, device) if self._clues.depart(self.stations_of(key), ip) else device

    def disown(self, ip: Address) -> None:
        """An address fell off the list of its device."""
        self._shower.pop(ip, None)

    def adopt(self, address: str, station: str) -> None:
        """What was known by an address proves to be a station: what it has shown goes with it."""
        self._clues.move(address, station)
        self._signs.pop(address, None)

    def alive(self, key: str, device: Device, sighting: Sighting, seen: int) -> Device:
        """A MAC of a device has shown itself at `seen` (Unix ms): the device with that MAC as its latest."""
        station = sighting.mac or key
        signs = self._signs.get(station, ())
        if not signs or seen > signs[-1]:
            # Of many at once the first and the last one are enough.
            close = len(signs) > 1 and seen < signs[-2] + APART
            self._signs[station] = (*(signs[:-1] if close else signs[1 - MOST_SIGNS :]), seen)
        if key not in self._stations:
            return device
        for ip in sighting.ips:
            self._shower[ip] = station
        turns = self._turns.setdefault(key, Turns())
        # Two MACs that the user says are one device may well be here at the same time.
        alias = self._aliases.get(station)
        other = turns.shown(key if alias and alias.by == "user" else station, seen)
        if other is not None:
            self._apart.append(station if station != key else other)
        if station == device.macs[0] or seen < device.last_seen or not turns.may_tell(seen):
            return device
        return dataclasses.replace(device, macs=(station, *(mac for mac in device.macs if mac != station)))

    def described(self, key: str, device: Device) -> Device:
        """The device with all that is known of what it is called and what it is."""
        stations = self.stations_of(key)
        clues = self._clues.holding(stations)
        # Of several MACs one from the factory says most.
        found = describe(next((mac for mac in stations if device.mac and not is_random_mac(mac)), device.mac), clues)
        said = next((clue.value for clue in clues if clue.kind == "vendor"), None)
        merged = [sentence for each in stations if each in self._aliases for sentence in self._sentences(each)]
        return dataclasses.replace(
            device,
            hostname=found.hostname or device.hostname,
            vendor=said or found.vendor or device.vendor,
            kind=found.kind,
            model=found.model,
            evidence=(*found.evidence, *merged),
        )

    def _sentences(self, mac: str) -> list[str]:
        alias = self._aliases[mac]
        if alias.by == "user":
            return [f"{mac} is the same device: the user says so"]
        return [f"{mac} is the same device: {'; '.join(alias.evidence)}"]

    def put_right(self, right: Callable[[int], int]) -> None:
        """The clock was off (`Presence.put_right`); who seemed to come at the wrong time is looked at again."""
        self._signs = {each: tuple(sorted(map(right, signs))) for each, signs in self._signs.items()}
        self._turns.clear()
        self._clues.put_right(right)
        self._changed.update(self._clues.stations())

    # Which devices are one.

    def suspect(self, devices: Mapping[str, Device], now: Now) -> list[str]:
        """Looks at those that have shown something new; returns the known devices that they may be."""
        changed, self._changed = self._changed, set()
        if not (self.merge and self._remembered):
            self._changed = changed if self.merge else set()
            return []
        asked = []
        for station in changed:
            key = self.key_of(station)
            if key in devices and key == station and key not in self._suspicions:
                into = self._find(key, devices, now).key
                if into is not None and len(self._suspicions) < MOST_SUSPECTS:
                    self._suspicions[key] = Suspicion(into, now.steady + DECIDED_AFTER)
                    asked.append(into)
        return asked

    def decide(self, devices: Mapping[str, Device], now: Now) -> Alias | None:
        """The next of the suspected devices that is a known one, of those whose time has come."""
        for key, suspicion in list(self._suspicions.items()):
            if suspicion.due > now.steady:
                break
            del self._suspicions[key]
            if key not in devices:
                continue
            found = self._find(key, devices, now)
            if found.key is not None:
                return Alias(key, found.key, now.wall, "netwatchd", found.why, before=devices[key])
            log.debug("%s is a device of its own: %s", key, "; ".join(found.why), extra={"device": key})
        return None

    def ask_again(self, devices: Mapping[str, Device], now: Now) -> list[str]:
        """The known devices that are to be asked once more: an answer may get lost, or come too soon to be told."""
        half = [each for each in self._suspicions.items() if each[1].asked == 1]
        late = [each for each in half if now.steady >= each[1].due - DECIDED_AFTER / 2 and each[1].into in devices]
        self._suspicions.update({key: suspicion._replace(asked=2) for key, suspicion in late})
        return [suspicion.into for _, suspicion in late]

    def undecided(self, key: str) -> bool:
        """Whether it is being looked into whether a device is another one that is known."""
        return key in self._suspicions

    def told_apart(self) -> list[str]:
        """The MACs that have proven to be devices of their own, since this was last asked."""
        found, self._apart = self._apart, []
        return [mac for mac in dict.fromkeys(found) if mac in self._aliases and self._aliases[mac].by != "user"]

    def _find(self, key: str, devices: Mapping[str, Device], now: Now) -> sameness.Found:
        """The known device that a device is."""
        device = devices[key]
        if device.mac is None or len(self.stations_of(key)) > 1:
            return sameness.Found(None, ("it is known by more than a private MAC",))
        if device.first_seen > now.wall + SET_BACK:
            return sameness.Found(None, ("the clock is behind: whoever comes now would seem to be the older one",))
        marks = {mark for clue in self._clues.of([key]) if (mark := sameness.mark_of(clue))}
        others = {self.key_of(station) for mark in marks for station in self._clues.stations_with(mark)} - {key}
        if not others or len(others) > sameness.MOST_ALIKE:
            return sameness.Found(None, (f"{len(others)} devices share a name or an identifier with it",))
        shown = {other: self._shown(other, devices[other]) for other in others if other in devices}
        named = {other: each for other, each in shown.items() if each.macs}
        return sameness.find(self._shown(key, device), named, [other for other in named if self._is_undone(key, other)])

    def _shown(self, key: str, device: Device) -> sameness.Shown:
        stations = self.stations_of(key)
        signs = tuple(sorted(sign for station in stations for sign in self._signs.get(station, ())))
        macs = tuple(stations) if device.mac else ()
        left = device.status is Status.OFFLINE
        stay = sameness.Shown(macs, device.first_seen, device.last_seen, signs, left)
        return sameness.shown(stay, self._clues.of(stations))

    def _is_undone(self, one: str, other: str) -> bool:
        pairs = {(a, b) for a in self.stations_of(one) for b in self.stations_of(other)}
        return any((a, b) in self._undone or (b, a) in self._undone for a, b in pairs)

    # What was decided, by whomever.

    def join(self, alias: Alias, lost: Device) -> None:
        """A device is one more station of another one from now on, and so is all that it was."""
        if lost.mac is None:  # whoever owns its address is it
            self.adopt(alias.mac, alias.device)
            return
        for mac in self.stations_of(alias.mac)[1:]:
            other = self._aliases[mac]
            self._store.drop(other)
            self._point(dataclasses.replace(other, device=alias.device))
            self._store.keep(self._aliases[mac])
        self._stations.pop(alias.mac, None)
        self._turns.pop(alias.mac, None)
        self._suspicions.pop(alias.mac, None)
        self._undone.pop((alias.mac, alias.device), None)
        self._point(alias)
        self._store.keep(alias)
        for ip in lost.ips:
            self._shower.setdefault(ip, alias.mac)
        while len(self._stations[alias.device]) > MOST_MACS:
            self._drop_oldest(alias.device)

    def _drop_oldest(self, key: str) -> None:
        """Forgets the MAC of a device that was not seen for longest."""
        others = self._stations[key][1:]
        oldest = min(others, key=lambda mac: max(self._signs.get(mac, (0,))[-1], self._aliases[mac].time))
        self._stations[key].remove(oldest)
        self._store.drop(self._aliases.pop(oldest))
        self._clues.erase(oldest)
        self._signs.pop(oldest, None)

    def disclaim(self, alias: Alias) -> None:
        """An alias names a device that is not there."""
        del self._aliases[alias.mac]
        self._stations.pop(alias.device, None)
        self._store.drop(alias)

    def part(self, mac: str, device: Device, time: int) -> tuple[Alias, tuple[Address, ...]]:
        """A MAC is a device of its own from `time` on, and never merged into that one again without being told.

        Returns what it was an alias of, and its addresses.
        """
        alias = dataclasses.replace(self._aliases.pop(mac), undone=time)
        before = alias.before.ips if alias.before else ()
        ips = tuple(ip for ip in device.ips if self._shower.get(ip, mac if ip in before else None) == mac)
        stations = self._stations[alias.device]
        stations.remove(mac)
        if len(stations) == 1:
            del self._stations[alias.device]
        self._shower = {
            ip: shower
            for ip, shower in self._shower.items()
            if shower != mac and (len(stations) > 1 or shower not in stations)
        }
        self._turns.pop(alias.device, None)
        self._undone[mac, alias.device] = alias
        while len(self._undone) > MOST_UNDONE:
            self._store.drop(self._undone.pop(next(iter(self._undone))))
        self._store.keep(alias)
        return alias, ips

    def forget(self, key: str) -> list[str]:
        """The device is no more: nothing of it is known; returns the stations that it was."""
        stations = self.stations_of(key)
        for station in stations:
            self._clues.erase(station)
            self._aliases.pop(station, None)
            self._signs.pop(station, None)
        for pair in [pair for pair in self._undone if set(pair) & set(stations)]:
            self._store.drop(self._undone.pop(pair))
        self._shower = {ip: mac for ip, mac in self._shower.items() if mac not in stations}
        self._stations.pop(key, None)
        self._turns.pop(key, None)
        self._suspicions.pop(key, None)
        self._changed.difference_update(stations)
        return stations

    def _point(self, alias: Alias) -> None:
        self._aliases[alias.mac] = alias
        stations = self._stations.setdefault(alias.device, [alias.device])
        if alias.mac not in stations:
            stations.append(alias.mac)


def _clues_of(sighting: Sighting) -> list[Clue]:
    clues = list(sighting.clues)
    if sighting.hostname:
        clues.append(Clue("hostname", sighting.hostname))
    if sighting.vendor:
        clues.append(Clue("vendor", sighting.vendor))
    return clues
