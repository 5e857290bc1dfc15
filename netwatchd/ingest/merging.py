"""How devices become one, or two again, and how they are forgotten: as the user says, or as they have shown.

A device that is merged into another one goes on under the key of that: its addresses, its traffic, its sessions and
when it was first seen are that one's from then on. Told apart again, it has what it had when it was merged; what came
since stays with the other, as nobody can tell whose it was. What is stored of flows and roll-ups is history, and keeps
the names that it was told under.
"""

import dataclasses
import logging
import threading

from netwatchd import clock
from netwatchd.addresses import Address, parse_address
from netwatchd.clock import Now
from netwatchd.counters import Counters
from netwatchd.events import Alias, Device, Forget, Gone, Merge, Rename, Split
from netwatchd.ingest import Publish, Store, Watch, records
from netwatchd.ingest.identities import Identities
from netwatchd.ingest.presence import Presence

log = logging.getLogger(__name__)

# When no more devices can be known, those give way that were here for less than so many milliseconds, so many at once.
PASSED_BY, FORGOTTEN = 60_000, 500
ROOM_EVERY = 30.0  # seconds until that is done again: it reads all devices, and writes to the card
MOST_SAID = 100  # merges that have a line of the log each in a minute, and so on: whom to merge, strangers may say


class Merging:
    """The part of `Devices` that knows how to; all that it works on is there. Its own methods want the lock held."""

    presence: Presence
    identities: Identities
    watch: Watch | None
    _publish: Publish
    _store: Store
    _lock: threading.RLock
    _devices: dict[str, Device]
    _owners: dict[Address, str]
    _ahead: dict[str, tuple[int, int]]
    _unsettled: set[str]
    _counters: Counters
    most: int  # devices that may be known
    _full: float  # steady time until which there is no room for more devices

    def _change(self, key: str, device: Device, now: Now | None, *, new: bool = False) -> None:
        """Keeps, tells and stores a device."""
        raise NotImplementedError

    def _let_go(self, key: str) -> None:
        """Keeps nothing more in memory of a device that is no more."""
        raise NotImplementedError

    def act(self, command: Rename | Forget | Merge | Split, now: Now | None = None) -> str | None:
        """Does what the user wants with a device; returns what is wrong where it cannot."""
        now = now or clock.now()
        with self._lock:
            if isinstance(command, Split):
                return self._split_by_user(command, now)
            key = self._key_named(command.device)
            if key is None:
                return f"there is no device {command.device!r:.60}"
            if isinstance(command, Merge):
                return self._merge_by_user(key, command, now)
            if isinstance(command, Forget):
                self._forget(key, now)
            else:
                self._change(key, dataclasses.replace(self._devices[key], name=command.name), None)
        return None

    def _key_named(self, name: str) -> str | None:
        """The key of a device by any MAC or address of it."""
        key = self.identities.key_of(name)
        if key in self._devices:
            return key
        try:
            return self._owners.get(parse_address(name))
        except ValueError:
            return None

    def _merge_by_user(self, key: str, command: Merge, now: Now) -> str | None:
        into = self._key_named(command.into)
        if into is None:
            return f"there is no device {command.into!r:.60}"
        if into == key:
            return f"{command.device} and {command.into} are the same device already ({key})"
        if self._devices[into].mac is None:  # a device is known by a MAC as soon as it has one
            key, into = into, key
        self._merge(Alias(key, into, now.wall, "user", (), before=self._devices[key]), now)
        return None

    def _split_by_user(self, command: Split, now: Now) -> str | None:
        key = self.identities.key_of(command.mac)
        device = self._devices.get(key)
        if device is None:
            return f"there is no device {command.mac!r:.60}"
        if key == command.mac:
            others = ", ".join(mac for mac in device.macs if mac != key)
            has = (
                f"is what its device is known by: split {others} from it" if others else "is the only MAC of its device"
            )
            return f"{command.mac} {has}"
        self._split(command.mac, now, by_user=True)
        return None

    def _settle_identities(self, now: Now) -> None:
        """Merges and tells apart what is to be by now."""
        for mac in self.identities.told_apart():
            self._split(mac, now)
        while alias := self.identities.decide(self._devices, now):
            self._merge(alias, now)
        for key in self.identities.ask_again(self._devices, now):
            self.presence.doubt(key, self._devices[key], now)

    def _recall_aliases(self, now: Now) -> None:
        """Merges what was known to be one device before, and seen as two before that could be read."""
        for alias in self.identities.aliases():
            if alias.device not in self._devices:
                self.identities.disclaim(alias)
            elif alias.mac in self._devices:
                self._merge(alias, now)

    def _merge(self, alias: Alias, now: Now) -> None:
        """Makes one device of two, under the key of the one that is kept."""
        lost, kept = self._devices[alias.mac], self._devices[alias.device]
        device = records.merged(kept, lost)
        self._inherit(alias.mac, alias.device)
        for ip in (*lost.ips, *kept.ips):
            if self._owners.get(ip) in (alias.mac, alias.device):
                if ip in device.ips:
                    self._owners[ip] = alias.device
                else:
                    del self._owners[ip]
        self.identities.join(alias, lost)
        known = self.identities.stations_of(alias.device)
        device = dataclasses.replace(device, macs=tuple(mac for mac in device.macs if mac in known))
        self._store.join_device(alias.mac, alias.device)
        device = dataclasses.replace(device, status=self.presence.status_of(alias.device))
        self._publish([Gone(alias.mac)])
        if self.watch:
            self.watch.gone(alias.mac, alias.device, now.wall)
        self._change(alias.device, self.identities.described(alias.device, device), now)
        why = "; ".join(alias.evidence) or f"{alias.by} says so"
        log.info("%s is the device %s: %s", alias.mac, alias.device, why, extra=_event("merged", alias.device))

    def _inherit(self, key: str, into: str) -> None:
        """Lets go of a device that is another one, which has been here, and has the traffic that no row holds yet."""
        ahead = self._ahead.get(key)
        self.presence.join(key, into)
        self._let_go(key)
        if ahead is not None:
            bytes_in, bytes_out = self._ahead.get(into, (0, 0))
            self._ahead[into] = bytes_in + ahead[0], bytes_out + ahead[1]
            self._unsettled.add(into)

    def _split(self, mac: str, now: Now, *, by_user: bool = False) -> None:
        """Makes a device of its own again of a MAC that was merged."""
        key = self.identities.key_of(mac)
        device = self._devices[key]
        alias, ips = self.identities.part(mac, device, now.wall)
        ahead_in, ahead_out = self._ahead.get(key, (0, 0))
        settled = max(device.bytes_in - ahead_in, 0), max(device.bytes_out - ahead_out, 0)
        rest, own = records.parted(device, alias, ips, settled)
        for ip in own.ips:
            self._owners[ip] = mac
        if mac == (device.macs or (key,))[0]:  # it is the one that is here
            own = dataclasses.replace(own, last_seen=device.last_seen)
            own = self.presence.hear(mac, own, now.ago(own.last_seen), now)
        moment = None if by_user else now  # what the user says is no news
        self._change(key, self.identities.described(key, rest), moment)
        self._change(mac, self.identities.described(mac, own), moment, new=True)
        why = "the user says so" if by_user else "both were here at the same time"
        log.info("%s is not the device %s: %s", mac, key, why, extra=_event("split", mac))

    def _forget(self, key: str, now: Now, *, told: bool = True) -> None:
        """Keeps nothing of a device; what it sends next makes it a new one. `told`: the journal says so."""
        for ip in self._devices[key].ips:
            if self._owners.get(ip) == key:
                del self._owners[ip]
        self._let_go(key)
        self._store.erase_device(key, self.identities.forget(key))
        self._publish([Gone(key)])
        if self.watch:
            self.watch.gone(key, None, now.wall)
        if told:
            log.info("forgot the device %s", key, extra=_event("forgotten", key))

    def _make_room(self, now: Now) -> bool:
        """Forgets devices that were here for a moment only, long ago; whether there was one.

        A flood of made-up MACs would otherwise leave netwatchd blind for whoever comes after it.
        """
        if now.steady < self._full:
            return False
        passed = [
            (device.last_seen, key)
            for key, device in self._devices.items()
            if device.last_seen - device.first_seen < PASSED_BY <= now.wall - device.last_seen
            and not (device.name or device.macs)
        ]
        for _, key in sorted(passed)[:FORGOTTEN]:
            self._forget(key, now, told=False)
        self._counters.add("dropped.devices.passed_by", len(passed[:FORGOTTEN]))
        self._full = now.steady + ROOM_EVERY
        what = "those that were here for a moment only are forgotten" if passed else "new ones are not taken in"
        told = {"event": "crowd", "repeat": "devices.crowd"}
        log.warning("%d devices are known, which is the most: %s", self.most, what, extra=told)
        return bool(passed)


def _event(event: str, device: str) -> dict[str, str | int]:
    return {"event": event, "device": device, "repeat": f"devices.{event}", "most": MOST_SAID}
