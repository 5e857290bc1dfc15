"""The devices that are known, brought up to date by sightings and traffic.

A device is known by its key: its MAC, or its address while no MAC can be known. A *station* is what shows itself, a MAC
or an address; `identities` knows which stations are one device and what each has shown, `presence` who is here. Several
addresses belong to one device, and an address to one device, the one that showed it last. All methods may be called by
any thread; publishing, storing and watching happen with the lock held, so that they keep the order of the changes.

The totals that are stored hold exactly the traffic of the flows up to the `settled` event, so that whoever reads them
adds the flows after it, after a crash too. What came since is `_ahead` of the row, also when that is written.
"""

import dataclasses
import logging
import threading
from collections.abc import Iterable, Sequence

from netwatchd.addresses import Address, address_text, is_virtual_mac, parse_address
from netwatchd.clock import Now
from netwatchd.counters import Counters
from netwatchd.events import (
    Change,
    Claim,
    Device,
    Gone,
    Record,
    Renaming,
    Session,
    Sighting,
    Status,
)
from netwatchd.ingest import Publish, Store, Watch, records
from netwatchd.ingest.identities import Identities
from netwatchd.ingest.merging import Merging
from netwatchd.ingest.presence import TRAFFIC, Presence

log = logging.getLogger(__name__)

# By how much (milliseconds) the wall clock must be set for what was noted by it to be put right: a machine without a
# battery starts in 1970, or at the time of its last shutdown, and NTP comes later. Less than that is drift.
CLOCK_SET = 600_000
# Milliseconds after which an address is no sign of life of whoever had it: leases last a day, mostly.
ANOTHERS_AFTER = 86_400_000
BEFORE = 1000  # milliseconds: what was received, and has waited
MOST_DEVICES = 20_000  # a flood of made-up MACs must not fill the memory
MOST_SAID = 100  # new devices that have a line of the log each in a minute: a flood must not fill the card


class Devices(Merging):
    """Every device by its key."""

    def __init__(self, publish: Publish, store: Store, counters: Counters, offline_after: float) -> None:
        """`offline_after` is the silence, in seconds, after which a device counts as gone."""
        self.presence = Presence(store, offline_after, counters)
        self.identities = Identities(store)
        self.watch: Watch | None = None  # who wants to know what becomes of devices
        self._publish = publish
        self._store = store
        self._counters = counters
        self._lock = threading.RLock()
        self._devices: dict[str, Device] = {}
        self._owners: dict[Address, str] = {}
        self._unpublished: set[str] = set()  # a later last_seen or more traffic: told now and then
        self._unsettled: set[str] = set()
        self._quiet: set[str] = set()  # like these, but no reason to write
        self._ahead: dict[str, tuple[int, int]] = {}  # bytes in and out that the stored row does not hold yet
        self._remembered = False
        self.most = MOST_DEVICES
        self._full = float("-inf")
        self._began: int | None = None  # when this run began by its wall clock (Unix ms)
        self._noticed: tuple[Now, float | None] | None = None  # and how long this machine had slept by then
        self.owner_of, self.owned = self._owners.get, self._owners.keys()  # by address

    def all(self) -> list[Device]:
        """Every device, as it is now."""
        return list(self._devices.values())

    def find(self, key: str) -> Device | None:
        """The device of a key (a MAC of it, or its address)."""
        return self._devices.get(self.identities.key_of(key))

    def remember(self, devices: Iterable[Device], now: Now, kept: Iterable[Record] = ()) -> None:
        """Takes in what was stored by earlier runs; what this run saw already counts more, and is stored again.

        `kept` is what is stored beside the devices.
        """
        with self._lock:
            self._begin(now)
            stored, kept = set(devices), list(kept)
            waiting = set() if self._remembered else set(self._devices)  # to be stored as if they were new
            self.identities.remember(each for each in kept if not isinstance(each, Session))
            for old in stored:
                key = records.key_of(old.mac, old.ips)
                new = self._devices.get(key)
                if new is None or not self._remembered:
                    # Only the first time: a file that replaces another holds traffic that was counted here already.
                    self._devices[key] = (
                        self.identities.described(key, records.joined(old, new)) if new is not None else old
                    )
                self.presence.remember(key, old, now)
                for ip in old.ips:
                    self._owners.setdefault(ip, key)
                mine = tuple(ip for ip in self._devices[key].ips if self._owners[ip] == key)
                if old.mac and mine != self._devices[key].ips:  # another one shows it in this run
                    self._devices[key] = dataclasses.replace(self._devices[key], ips=mine)
            self.presence.resume([each for each in kept if isinstance(each, Session)])
            self._remembered = True
            self._recall_aliases(now)
            for key, device in self._devices.items():
                if device not in stored or key in waiting:
                    self._store.upsert_device(self._row(key))

    def see(self, sightings: Sequence[Sighting], now: Now) -> None:
        """Brings the devices of the sightings up to date; publishes and stores those that changed."""
        with self._lock:
            self._begin(now)
            for sighting in sightings:
                self._see(sighting, now)
            self._suspect(now)

    def account(self, traffic: dict[str, list[int]], heard: dict[str, int], now: Now) -> None:
        """Adds traffic (key -> [bytes in, bytes out, flows]), and signs of life (key -> Unix ms) that it was."""
        with self._lock:
            for key, (bytes_in, bytes_out, _) in traffic.items():
                device = self._devices.get(key)
                if device is None:  # it may have been merged since
                    key = self.identities.key_of(key)
                    device = self._devices.get(key)
                if device is not None:
                    ahead_in, ahead_out = self._ahead.get(key, (0, 0))
                    self._ahead[key] = ahead_in + bytes_in, ahead_out + bytes_out
                    last_seen = min(max(device.last_seen, heard.get(key, 0)), max(now.wall, device.last_seen))
                    self._devices[key] = dataclasses.replace(
                        device,
                        bytes_in=min(device.bytes_in + bytes_in, records.MOST_BYTES),
                        bytes_out=min(device.bytes_out + bytes_out, records.MOST_BYTES),
                        last_seen=last_seen,
                    )
                    self._mark(key)
                    if key in heard:
                        here = self.presence.hear(key, self._devices[key], now.ago(heard[key]), now, TRAFFIC)
                        if here is not self._devices[key]:
                            self._change(key, here, now, before=device)

    def backdate(self, key: str, time: int) -> None:
        """Moves the time at which a device was first seen back to `time` (Unix ms), where it is later.

        For what is replayed only: a live clock may be set far back, and is not believed.
        """
        with self._lock:
            device = self._devices.get(key)
            if device is not None and time < device.first_seen:
                self._change(key, dataclasses.replace(device, first_seen=time), None)

    def sweep(self, now: Now) -> None:
        """Turns devices offline that were silent for too long."""
        with self._lock:
            for key in self.presence.silent(self._devices, now):
                self._change(key, dataclasses.replace(self._devices[key], status=Status.OFFLINE), now)

    def notice(self, now: Now, slept: float = 0.0) -> None:
        """Time goes on, as it does about twice a second; `slept` is how long this machine has slept by now, in seconds.

        Where the clock was set meanwhile, it was off until then, and what this run has noted by it is put right.
        """
        with self._lock:
            self._begin(now)
            self.presence.notice(now)
            before, self._noticed = self._noticed, (now, slept)
            if before is None:
                return
            passed = now.steady - before[0].steady + (0 if before[1] is None else slept - before[1])
            leap = now.wall - before[0].wall - int(passed * 1000)
            if abs(leap) >= CLOCK_SET:
                log.warning(
                    "the clock was set by %+d s: what was seen before that is put right", leap // 1000,
                    extra={"event": "clock_set"},
                )  # fmt: skip
                self._put_right(before[0].wall, leap, now)

    def _begin(self, now: Now) -> None:
        if self._began is None:
            self._began, self._noticed = now.wall - BEFORE, (now, None)

    def _put_right(self, last: int, leap: int, now: Now) -> None:
        """The clock was set by `leap`, in milliseconds, soon after `last`."""
        began = self._began if self._began is not None else last

        def right(time: int) -> int:
            return min(time + leap, now.wall) if began <= time <= last + BEFORE else time

        self.presence.put_right(right)
        self.identities.put_right(right)
        for key, old in list(self._devices.items()):
            first, seen = right(old.first_seen), right(old.last_seen)
            if (first, seen) != (old.first_seen, old.last_seen):
                self._change(key, dataclasses.replace(old, first_seen=min(first, seen), last_seen=seen), None)
        self._began = began + leap
        self._suspect(now)

    def tick(self, now: Now) -> None:
        """Decides what waited for a moment to pass."""
        with self._lock:
            self.presence.tick(now)
            self._settle_identities(now)
            if self.watch:
                self.watch.tick(now.wall)

    def publish_progress(self) -> None:
        """Publishes the devices whose traffic or last_seen went on since they were last published."""
        with self._lock:
            devices = [self._devices[key] for key in self._unpublished]
            self._unpublished.clear()
            self._publish(devices)

    def take_unsettled(self, *, writing: bool = False) -> list[Device]:
        """The devices whose traffic or last_seen went on since they were last stored; the caller stores them.

        Those that merely answered when we asked them are among them only where the caller is `writing` anyway.
        """
        with self._lock:
            if self._unsettled or writing:
                self._unsettled |= self._quiet
                self._quiet.clear()
            self._ahead.clear()
            devices = [self._devices[key] for key in self._unsettled]
            self._unsettled.clear()
            return devices

    def settle_part(self, traffic: dict[str, list[int]]) -> list[Device]:
        """The rows of devices with this traffic in their totals (key -> [bytes in, bytes out]); the caller stores them.

        It belongs to flows that began before the totals were last settled, so that nobody would add it otherwise.
        """
        with self._lock:
            keys = {station: self.identities.key_of(station) for station in traffic}
            for station, (bytes_in, bytes_out) in traffic.items():
                ahead_in, ahead_out = self._ahead.get(keys[station], (0, 0))
                self._ahead[keys[station]] = max(ahead_in - bytes_in, 0), max(ahead_out - bytes_out, 0)
            return [self._row(key) for key in set(keys.values()) if key in self._devices]

    def _row(self, key: str) -> Device:
        """The device as it is stored."""
        device = self._devices[key]
        if key not in self._ahead:
            return device
        ahead_in, ahead_out = self._ahead[key]
        return dataclasses.replace(
            device, bytes_in=max(device.bytes_in - ahead_in, 0), bytes_out=max(device.bytes_out - ahead_out, 0)
        )

    def _see(self, sighting: Sighting, now: Now) -> None:
        if sighting.mac and is_virtual_mac(sighting.mac):
            self._counters.add("ignored.devices.virtual_mac")
            return
        station = self._station_of(sighting)
        key = self.identities.key_of(station)
        old = self._devices.get(key)
        if old is None and not sighting.alive:
            self.identities.note(sighting)
            return
        if old is None and len(self._devices) >= self.most and not self._make_room(now):
            self._counters.add("dropped.devices.too_many")
            return
        seen = min(sighting.time, now.wall)
        if old is None:
            self.identities.arrive(station, station, seen)
        elif sighting.mac is None and sighting.alive and old.mac and old.status is Status.OFFLINE:
            # An address alone may be another one's by now: what it says of itself waits for whoever shows the address.
            self.identities.note(sighting)
            if not self.presence.was_asked(key, now):
                self.presence.doubt(key, old, now)
            if now.wall - old.last_seen >= ANOTHERS_AFTER:
                return
            sighting = dataclasses.replace(sighting, clues=(), hostname=None, vendor=None)
        device = old if old is not None and not sighting.alive else self._met(key, old, sighting, seen, now)
        renamed = self._renamed(station, sighting)
        if self.identities.learn(station, sighting, seen) or old is None:
            device = self.identities.described(key, device)
        self._put(key, old, device, now, sighting.source, renamed)

    def _suspect(self, now: Now) -> None:
        for key in self.identities.suspect(self._devices, now):
            self.presence.doubt(key, self._devices[key], now)

    def _renamed(self, station: str, sighting: Sighting) -> tuple[Renaming, ...]:
        """The names of a sighting that are other ones than the station has shown; asked before they are learnt."""
        told = ((clue, self.identities.told(station, clue.kind)) for clue in sighting.clues)
        return tuple(Renaming(*clue, before) for clue, before in told if before and clue.value not in before)

    def _met(self, key: str, old: Device | None, sighting: Sighting, seen: int, now: Now) -> Device:
        """The device after it has shown itself at `seen` (Unix ms)."""
        device = records.updated(old, sighting, seen) if old else records.first(key, sighting, seen)
        if sighting.online and sighting.mac:
            device = self.identities.alive(key, device, sighting, seen)
        device = self._adopt(key, sighting, device, now)
        if device.mac is None:  # its first address is what it is known by
            device = dataclasses.replace(device, ips=records.latest_first((parse_address(key),), device.ips))
        self._own(key, device.ips, now, sighting.source)
        self._disown(key, old, device)
        if not sighting.online:
            return self.presence.leave(key, device, now.ago(seen), now, sighting.source)
        return self.presence.hear(key, device, now.ago(seen), now, sighting.source, sighting.interface)

    def _put(
        self, key: str, old: Device | None, device: Device, now: Now, source: str, renamed: tuple[Renaming, ...]
    ) -> None:
        """Keeps what became of a device, and tells it unless it was merely seen again."""
        if old is not None and not renamed and records.same_but_for_progress(old, device):
            if device != old:
                self._devices[key] = device
                self._mark(key, quietly=self.presence.prompted)
            return
        if old is None:
            told = {"event": "new_device", "device": key, "source": source, "repeat": "devices.new", "most": MOST_SAID}
            log.info("new device %s", key, extra=told)
        self._change(key, device, now, new=old is None, renamed=renamed)

    def _station_of(self, sighting: Sighting) -> str:
        if sighting.mac:
            return sighting.mac
        owner = self._owners.get(sighting.ips[0])
        return self.identities.station_of(owner, self._devices[owner]) if owner else address_text(sighting.ips[0])

    def _adopt(self, key: str, sighting: Sighting, device: Device, now: Now) -> Device:
        """Joins to a device what was known of its addresses before it was."""
        for address in map(address_text, sighting.ips):
            stray = self._devices.pop(address, None) if address != key else None
            if stray is not None:
                device = records.joined(stray, device)
                self._inherit(address, key)
                self.identities.adopt(address, sighting.mac or key)
                self._store.join_device(address, key)
                self._publish([Gone(address)])
                if self.watch:
                    self.watch.gone(address, key, now.wall)
        return device

    def _let_go(self, key: str) -> None:
        """Keeps nothing more in memory of a device that is no more."""
        self._devices.pop(key, None)
        self.presence.forget(key)
        self._ahead.pop(key, None)
        self._unpublished.discard(key)
        self._unsettled.discard(key)
        self._quiet.discard(key)

    def _disown(self, key: str, old: Device | None, device: Device) -> None:
        """Forgets the addresses that a device has not shown for so long that they fell off its list."""
        for ip in set(old.ips) - set(device.ips) if old else ():
            if self._owners.get(ip) == key:
                del self._owners[ip]
                self.identities.disown(ip)

    def _own(self, key: str, ips: tuple[Address, ...], now: Now, source: str) -> None:
        """Puts addresses down to a device, and takes them from whoever had them before."""
        for ip in ips:
            owner = self._owners.get(ip)
            if owner == key:
                continue
            self._owners[ip] = key
            self.identities.arrive(key, ip, now.wall)
            loser = self._devices.get(owner) if owner else None
            if owner and loser:
                loser = dataclasses.replace(loser, ips=tuple(other for other in loser.ips if other != ip))
                self._change(owner, self.identities.depart(owner, loser, ip), now)
                if self.watch:
                    self.watch.claimed(Claim(now.wall, ip, key, owner, source))

    def _change(
        self,
        key: str,
        device: Device,
        now: Now | None,
        *,
        new: bool = False,
        before: Device | None = None,
        renamed: tuple[Renaming, ...] = (),
    ) -> None:
        """Keeps, tells and stores a device. Without `now` it is the user who changes it, which is no news."""
        before = before or self._devices.get(key)
        self._devices[key] = device
        self._unpublished.discard(key)
        self._publish([device])
        # Soon, too, what the user has said: the next command reads it from the database.
        self._store.upsert_device(self._row(key), new=new or now is None)
        if self.watch and now is not None:
            self.watch.changed(Change(now.wall, key, before, device, renamed))

    def _mark(self, key: str, *, quietly: bool = False) -> None:
        """Has the device told and stored by and by; `quietly`: only when something is written anyway."""
        self._unpublished.add(key)
        (self._quiet if quietly else self._unsettled).add(key)
