"""Takes events in from the sources: bounded inboxes, and a worker thread each for devices, flows and threats.

Three workers, so that a flood of flows never delays a new device or a threat. Each takes its batch, brings what is
known up to date, publishes, and hands to the store.
"""

from collections.abc import Iterable, Sequence
from typing import Protocol

from netwatchd.addresses import Address
from netwatchd.events import Change, Claim, Device, Event, Flow, Record, Threat


class Hour(Protocol):
    """The traffic of an hour: key -> [bytes in, bytes out, flows], to be added to."""

    devices: dict[str, list[int]]  # '': no known device
    peers: dict[Address, list[int]]
    ports: dict[int, list[int]]  # protocol << 16 | port


class Rollups(Protocol):
    """What gathers traffic by hours. The flow worker calls it with its own lock held."""

    def hour(self, now: int) -> Hour:
        """The sums of the hour of `now` (Unix ms); good until the next `trim`."""

    def trim(self, flows: int) -> bool:
        """Keeps the memory bounded, after so many flows more; returns whether it is time to write."""

    @property
    def due(self) -> bool:
        """Whether it is time to write."""


class Store(Protocol):
    """What the workers need of the storage."""

    @property
    def rollups(self) -> Rollups:
        """The hours that the flow worker adds to; `settle` has them written."""

    def upsert_device(self, device: Device, *, new: bool = False) -> None:
        """Keeps the latest of a device."""

    def join_device(self, loser: str, winner: str) -> None:
        """Removes the row of `loser`, and makes its sessions those of `winner` (keys of devices).

        Of sessions that overlap one is made: it begins when the first of them began, and ends when the last one did.
        """

    def erase_device(self, key: str, stations: Iterable[str]) -> None:
        """Removes all that is kept of a device, which was these stations; flows, roll-ups and threats are history."""

    def keep(self, record: Record) -> None:
        """Keeps the latest of a trait, a session or an alias: each call writes, so only what has changed is kept."""

    def drop(self, record: Record) -> None:
        """Removes the row of a trait, a session or an alias."""

    def add_flows(self, flows: Sequence[Flow]) -> None:
        """Keeps flows."""

    def add_threat(self, threat: Threat) -> None:
        """Keeps a new threat."""

    def upsert_threat(self, threat: Threat, *, soon: bool = False) -> None:
        """Keeps the latest of a threat; `soon`: the next one who reads is to find it."""

    def add_traffic(self, now: int, traffic: dict[str, list[int]], last_id: int) -> None:
        """Adds traffic by device to the roll-up of `now`."""

    def settle(self, devices: Sequence[Device], flows: Sequence[Flow], last_id: int, *, rollups: bool = False) -> None:
        """Keeps totals and flows that belong together, in one commit, and what `rollups` has gathered if asked to."""

    def wait_for_room(self, timeout: float) -> bool:
        """Whether the store can take more, within `timeout` seconds."""


class Publish(Protocol):
    """What the workers need of the broadcast: it never blocks."""

    def __call__(self, events: Sequence[Event]) -> None:
        """Sends events to whoever listens; nobody may change the sequence afterwards."""


class Watch(Protocol):
    """Who is told what becomes of devices, in the order in which it happens, with the lock of `Devices` held."""

    def changed(self, change: Change) -> None:
        """A device is new or another than before; what merely goes on (last_seen, traffic) is not told."""

    def claimed(self, claim: Claim) -> None:
        """An address moved from one device to another."""

    def gone(self, key: str, into: str | None, time: int) -> None:
        """A device was forgotten, or found to be the device `into`."""

    def tick(self, time: int) -> None:
        """It is `time` (Unix ms), also where nothing happens; called about twice a second."""


class Watches:
    """Several that are told what becomes of devices, one after the other."""

    def __init__(self, *watches: Watch) -> None:
        self._watches = watches

    def changed(self, change: Change) -> None:
        """A device is new or another than before."""
        for watch in self._watches:
            watch.changed(change)

    def claimed(self, claim: Claim) -> None:
        """An address moved from one device to another."""
        for watch in self._watches:
            watch.claimed(claim)

    def gone(self, key: str, into: str | None, time: int) -> None:
        """A device was forgotten, or found to be the device `into`."""
        for watch in self._watches:
            watch.gone(key, into, time)

    def tick(self, time: int) -> None:
        """It is `time`."""
        for watch in self._watches:
            watch.tick(time)
