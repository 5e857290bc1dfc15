"""Takes events in from the sources: bounded inboxes, and a worker thread each for devices, flows and threats.

Three workers, so that a flood of flows never delays a new device or a threat. Each takes its batch, brings what is
known up to date, publishes, and hands to the store.
"""

from collections.abc import Sequence
from typing import Protocol

from netwatchd.events import Device, Event, Flow, Threat


class Store(Protocol):
    """What the workers need of the storage."""

    def upsert_device(self, device: Device, *, new: bool = False) -> None:
        """Keeps the latest of a device."""

    def forget_device(self, key: str) -> None:
        """Removes a device's row."""

    def add_flows(self, flows: Sequence[Flow]) -> None:
        """Keeps flows."""

    def add_threat(self, threat: Threat) -> None:
        """Keeps a new threat."""

    def upsert_threat(self, threat: Threat) -> None:
        """Keeps the latest of a threat."""

    def add_traffic(self, now: int, traffic: dict[str, list[int]], last_id: int) -> None:
        """Adds traffic by device to the roll-up of `now`."""

    def settle(self, devices: Sequence[Device], flows: Sequence[Flow], last_id: int) -> None:
        """Keeps totals and flows that belong together, in one commit."""

    def wait_for_room(self, timeout: float) -> bool:
        """Whether the store can take more, within `timeout` seconds."""


class Publish(Protocol):
    """What the workers need of the broadcast: it never blocks."""

    def __call__(self, events: Sequence[Event]) -> None:
        """Sends events to whoever listens; nobody may change the sequence afterwards."""
