"""The devices that are known, brought up to date by sightings and traffic.

A device is known by its MAC, or by its address while no MAC can be known; several addresses belong to one device, and
an address to one device, the one that showed it last. Silence is measured by the steady clock, so that a wall clock
that leaps turns nobody offline. All methods may be called by any thread; publishing and storing happen with the lock
held, so that they keep the order of the changes.

The totals that are stored hold exactly the traffic of the flows up to the `settled` event, so that whoever reads them
adds the flows after it, after a crash too. What came since is `_ahead` of the row, also when that is written.
"""

import dataclasses
import logging
import threading
from collections.abc import Iterable, Sequence

from netwatchd.addresses import Address, address_text, parse_address
from netwatchd.clock import Now
from netwatchd.counters import Counters
from netwatchd.events import Device, Forget, Gone, Merge, Rename, Sighting, Split, Status
from netwatchd.ingest import Publish, Store

log = logging.getLogger(__name__)

MOST_DEVICES = 20_000  # a flood of made-up MACs must not fill the memory
MOST_ADDRESSES = 16  # of one device: IPv6 privacy addresses come and go
MOST_BYTES = 2**53 - 1  # what JavaScript keeps exactly; only a liar's flows add up to more


class Devices:
    """Every device by its key. `offline_after` is the silence, in seconds, after which one counts as gone."""

    def __init__(self, publish: Publish, store: Store, counters: Counters, offline_after: float) -> None:
        self.offline_after = offline_after
        self._publish = publish
        self._store = store
        self._counters = counters
        self._lock = threading.RLock()
        self._devices: dict[str, Device] = {}
        self._heard: dict[str, float] = {}  # key -> steady time of the last sign of life
        self._owners: dict[Address, str] = {}
        self._unpublished: set[str] = set()  # a later last_seen or more traffic: told now and then
        self._unsettled: set[str] = set()
        self._ahead: dict[str, tuple[int, int]] = {}  # bytes in and out that the stored row does not hold yet
        self._remembered = False
        self.owner_of = self._owners.get

    def all(self) -> list[Device]:
        """Every device, as it is now."""
        return list(self._devices.values())

    def find(self, key: str) -> Device | None:
        """The device of a key (its MAC, or its address)."""
        return self._devices.get(key)

    def remember(self, devices: Iterable[Device], now: Now) -> None:
        """Takes in what was stored by earlier runs; what this run saw already counts more, and is stored again."""
        with self._lock:
            stored = set(devices)
            for old in stored:
                key = _key(old.mac, old.ips)
                new = self._devices.get(key)
                if new is None or not self._remembered:
                    # Only the first time: a file that replaces another holds traffic that was counted here already.
                    self._devices[key] = _joined(old, new) if new else old
                # Who was online when the last run ended is given the usual silence to show itself.
                self._heard.setdefault(key, now.steady)
                for ip in old.ips:
                    self._owners.setdefault(ip, key)
            self._remembered = True
            for key, device in self._devices.items():
                if device not in stored:
                    self._store.upsert_device(self._row(key))

    def see(self, sightings: Sequence[Sighting], now: Now) -> None:
        """Brings the devices of the sightings up to date; publishes and stores those that changed."""
        with self._lock:
            for sighting in sightings:
                self._see(sighting, now)

    def account(self, traffic: dict[str, list[int]], heard: dict[str, int], now: Now) -> None:
        """Adds traffic (key -> [bytes in, bytes out, flows]), and signs of life (key -> Unix ms) that it was."""
        with self._lock:
            for key, (bytes_in, bytes_out, _) in traffic.items():
                device = self._devices.get(key)
                if device is not None:
                    ahead_in, ahead_out = self._ahead.get(key, (0, 0))
                    self._ahead[key] = ahead_in + bytes_in, ahead_out + bytes_out
                    last_seen = min(max(device.last_seen, heard.get(key, 0)), max(now.wall, device.last_seen))
                    self._devices[key] = dataclasses.replace(
                        device,
                        bytes_in=min(device.bytes_in + bytes_in, MOST_BYTES),
                        bytes_out=min(device.bytes_out + bytes_out, MOST_BYTES),
                        last_seen=last_seen,
                    )
                    self._mark(key)
                    if key in heard:
                        self._hear(key, now.ago(heard[key]), now)

    def backdate(self, key: str, time: int) -> None:
        """Moves the time at which a device was first seen back to `time` (Unix ms), where it is later.

        For what is replayed only: a live clock may be set far back, and is not believed.
        """
        with self._lock:
            device = self._devices.get(key)
            if device is not None and time < device.first_seen:
                self._change(key, dataclasses.replace(device, first_seen=time))

    def act(self, command: Rename | Forget | Merge | Split) -> str | None:
        """Does what the user wants with a device; returns what is wrong where it cannot."""
        with self._lock:
            if isinstance(command, Rename):
                return self._rename(command)
        return "not yet"

    def _rename(self, command: Rename) -> str | None:
        device = self._devices.get(command.device)
        if device is None:
            return f"there is no device {command.device!r:.60}"
        self._change(command.device, dataclasses.replace(device, name=command.name))
        return None

    def sweep(self, now: Now) -> None:
        """Turns devices offline that were silent for too long."""
        with self._lock:
            for key, heard in self._heard.items():
                device = self._devices[key]
                if device.status is Status.ONLINE and now.steady - heard >= self.offline_after:
                    self._change(key, dataclasses.replace(device, status=Status.OFFLINE))

    def publish_progress(self) -> None:
        """Publishes the devices whose traffic or last_seen went on since they were last published."""
        with self._lock:
            devices = [self._devices[key] for key in self._unpublished]
            self._unpublished.clear()
            self._publish(devices)

    def take_unsettled(self) -> list[Device]:
        """The devices whose traffic or last_seen went on since they were last stored; the caller stores them."""
        with self._lock:
            self._ahead.clear()
            devices = [self._devices[key] for key in self._unsettled]
            self._unsettled.clear()
            return devices

    def settle_part(self, traffic: dict[str, list[int]]) -> list[Device]:
        """The rows of devices with this traffic in their totals (key -> [bytes in, bytes out]); the caller stores them.

        It belongs to flows that began before the totals were last settled, so that nobody would add it otherwise.
        """
        with self._lock:
            for key, (bytes_in, bytes_out) in traffic.items():
                ahead_in, ahead_out = self._ahead.get(key, (0, 0))
                self._ahead[key] = max(ahead_in - bytes_in, 0), max(ahead_out - bytes_out, 0)
            return [self._row(key) for key in traffic if key in self._devices]

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
        key = self._key_of(sighting)
        old = self._devices.get(key)
        if old is None and len(self._devices) >= MOST_DEVICES:
            self._counters.add("dropped.devices.too_many")
            return
        seen = min(sighting.time, now.wall)
        device = _updated(old, sighting, seen) if old else _first(sighting, seen)
        device = self._adopt(key, sighting, device)
        if device.mac is None:  # its first address is what it is known by
            device = dataclasses.replace(device, ips=_latest_first((parse_address(key),), device.ips))
        self._own(key, device.ips)
        self._disown(key, old, device)
        device = dataclasses.replace(device, status=self._presence(key, sighting, now.ago(seen), now))
        if old is not None and _same_but_for_progress(old, device):
            if device != old:
                self._devices[key] = device
                self._mark(key)
        else:
            if old is None:
                log.info("new device %s", key, extra={"event": "new_device", "device": key, "source": sighting.source})
            self._change(key, device, new=old is None)

    def _key_of(self, sighting: Sighting) -> str:
        if sighting.mac:
            return sighting.mac
        return self._owners.get(sighting.ips[0]) or address_text(sighting.ips[0])

    def _adopt(self, key: str, sighting: Sighting, device: Device) -> Device:
        """Joins to a device what was known of its addresses before it was."""
        for address in map(address_text, sighting.ips):
            stray = self._devices.pop(address, None) if address != key else None
            if stray is not None:
                device = _joined(stray, device)
                self._heard.pop(address, None)
                self._ahead.pop(address, None)
                self._unpublished.discard(address)
                self._unsettled.discard(address)
                self._store.forget_device(address)
                self._publish([Gone(address)])
        return device

    def _presence(self, key: str, sighting: Sighting, steady: float, now: Now) -> Status:
        """What a sighting of `steady` tells of a device's presence."""
        if not sighting.online:
            self._heard[key] = now.steady - self.offline_after
            return Status.OFFLINE
        self._heard[key] = max(steady, self._heard.get(key, steady))
        # The kernel's tables keep ghosts: to be known is not to be here.
        return Status.ONLINE if now.steady - self._heard[key] < self.offline_after else Status.OFFLINE

    def _disown(self, key: str, old: Device | None, device: Device) -> None:
        """Forgets the addresses that a device has not shown for so long that they fell off its list."""
        for ip in set(old.ips) - set(device.ips) if old else ():
            if self._owners.get(ip) == key:
                del self._owners[ip]

    def _own(self, key: str, ips: tuple[Address, ...]) -> None:
        """Puts addresses down to a device, and takes them from whoever had them before."""
        for ip in ips:
            owner = self._owners.get(ip)
            if owner == key:
                continue
            self._owners[ip] = key
            loser = self._devices.get(owner) if owner else None
            if owner and loser:
                self._change(owner, dataclasses.replace(loser, ips=tuple(other for other in loser.ips if other != ip)))

    def _hear(self, key: str, steady: float, now: Now) -> None:
        """A sign of life, which brings a device back online."""
        self._heard[key] = max(steady, self._heard.get(key, 0.0))
        device = self._devices[key]
        if device.status is Status.OFFLINE and now.steady - steady < self.offline_after:
            self._change(key, dataclasses.replace(device, status=Status.ONLINE))

    def _change(self, key: str, device: Device, *, new: bool = False) -> None:
        self._devices[key] = device
        self._unpublished.discard(key)
        self._publish([device])
        self._store.upsert_device(self._row(key), new=new)

    def _mark(self, key: str) -> None:
        self._unpublished.add(key)
        self._unsettled.add(key)


def _key(mac: str | None, ips: tuple[Address, ...]) -> str:
    return mac or address_text(ips[0])


def _first(sighting: Sighting, seen: int) -> Device:
    return Device(
        mac=sighting.mac,
        ips=sighting.ips,
        hostname=sighting.hostname,
        vendor=sighting.vendor,
        name=sighting.name,
        first_seen=seen,
        last_seen=seen,
        status=Status.ONLINE,
        bytes_in=0,
        bytes_out=0,
        sources=(sighting.source,),
    )


def _updated(device: Device, sighting: Sighting, seen: int) -> Device:
    sources = device.sources if sighting.source in device.sources else (*device.sources, sighting.source)
    newer, older = (sighting.ips, device.ips) if seen >= device.last_seen else (device.ips, sighting.ips)
    return dataclasses.replace(
        device,
        ips=_latest_first(newer, older),
        hostname=sighting.hostname or device.hostname,
        vendor=sighting.vendor or device.vendor,
        name=sighting.name or device.name,
        last_seen=max(device.last_seen, seen),
        sources=sources,
    )


def _latest_first(new: tuple[Address, ...], old: tuple[Address, ...]) -> tuple[Address, ...]:
    if new == old[: len(new)]:
        return old
    return (new + tuple(ip for ip in old if ip not in new))[:MOST_ADDRESSES]


def _joined(old: Device, new: Device) -> Device:
    """One device of two records of it; the newer one is right where both know."""
    return dataclasses.replace(
        new,
        ips=_latest_first(new.ips, old.ips),
        hostname=new.hostname or old.hostname,
        vendor=new.vendor or old.vendor,
        name=new.name or old.name,
        first_seen=min(old.first_seen, new.first_seen),
        last_seen=max(old.last_seen, new.last_seen),
        bytes_in=min(old.bytes_in + new.bytes_in, MOST_BYTES),
        bytes_out=min(old.bytes_out + new.bytes_out, MOST_BYTES),
        sources=tuple(dict.fromkeys((*old.sources, *new.sources))),
    )


def _same_but_for_progress(old: Device, new: Device) -> bool:
    return dataclasses.replace(new, last_seen=old.last_seen) == old
