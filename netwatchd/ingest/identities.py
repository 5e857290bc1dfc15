"""What stations have shown of themselves, and which of them are one device. `Devices` calls with its lock held."""

import dataclasses
from collections.abc import Iterable

from netwatchd.events import Alias, Device, Sighting, Trait
from netwatchd.ingest import Store


class Identities:
    """Stations are MACs, or addresses where no MAC is known."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def remember(self, kept: Iterable[Trait | Alias]) -> None:
        """Takes in what was stored by earlier runs."""

    def key_of(self, station: str) -> str:
        """The key of the device that a station is."""
        return station

    def station_of(self, key: str, device: Device) -> str:
        """The station that a device is now: its latest MAC, or its address."""
        return device.macs[0] if device.macs else key

    def note(self, sighting: Sighting) -> None:
        """Keeps what is known of a device that was not seen yet, until it is."""

    def learn(self, station: str, sighting: Sighting, seen: int) -> bool:
        """Takes in what a station has shown at `seen` (Unix ms); returns whether any of it is new."""
        return False

    def described(self, key: str, device: Device) -> Device:
        """The device with all that is known of what it is called and what it is."""
        return dataclasses.replace(device)

    def told(self, station: str, kind: str) -> tuple[str, ...]:
        """The values of clues of this kind that a station has shown so far, the latest first."""
        return ()

    def undecided(self, key: str) -> bool:
        """Whether it is being looked into whether a device is another one that is known."""
        return False
