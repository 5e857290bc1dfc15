"""Shows detectors what comes in, and hands on what they find.

Several workers come here: that of flows, that of observations, and whoever changes a device, who holds the lock of
`Devices`. A lock of its own keeps them apart; what was found is handed on when it is released, because Threats asks
Devices in turn.
"""

import threading
from collections.abc import Callable, Sequence
from typing import Protocol

from netwatchd.addresses import Address, Networks
from netwatchd.clock import Now
from netwatchd.config import Config
from netwatchd.events import Change, Claim, Device, FlowBatch, Gone, TakenBack, Threat
from netwatchd.ingest.devices import Devices
from netwatchd.ingest.forwards import Forwards
from netwatchd.ingest.threats import Threats
from netwatchd.observations import Observation

Found = list[Threat | TakenBack]


class Panel(Protocol):
    """The detectors, side by side."""

    def apply(self, settings: Config) -> None:
        """Takes in other settings."""

    def flows(self, batch: FlowBatch, new: Sequence[int]) -> Found:
        """What is found in flows."""

    def observe(self, observations: Sequence[Observation]) -> Found:
        """What is found in observations."""

    def see_device(self, event: Change | Claim | Gone) -> Found:
        """What is found in what has become of a device."""

    def tick(self, time: int) -> Found:
        """What is found by `time`."""


class Home:
    """What detectors may ask about the network: answered from what Devices knows."""

    def __init__(self, networks: Networks, devices: Devices, forwards: Forwards | None = None) -> None:
        self.networks = networks
        self._devices = devices
        self._forwards = forwards or Forwards()

    def device(self, key: str) -> Device | None:
        """The device of a key: a MAC of it, or its address as text."""
        return self._devices.find(key)

    def owner(self, address: Address) -> str | None:
        """The key of the device that has the address."""
        return self._devices.owner_of(address)

    def forwarded(self, address: Address, port: int, protocol: int) -> tuple[Address, int] | None:
        """The address and port of this router that are forwarded to those of a device."""
        return self._forwards.outside(address, port, protocol)


class Detection:
    """Is shown flows, observations and what becomes of devices. Any thread may call."""

    def __init__(self, panel: Panel, threats: Threats) -> None:
        self.panel = panel
        self._threats = threats
        self._lock = threading.Lock()

    def apply(self, settings: Config) -> None:
        """Takes in other settings."""
        with self._lock:
            self.panel.apply(settings)

    def flows(self, batch: FlowBatch, new: Sequence[int], now: Now) -> None:
        """Flows were taken in; `new` says of each whether it was told for the first time."""
        self._ask(lambda: self.panel.flows(batch, new), now)

    def observations(self, observations: Sequence[Observation], now: Now) -> None:
        """Observations came in."""
        self._ask(lambda: self.panel.observe(observations), now)

    def changed(self, change: Change) -> None:
        """A device is new or another than before."""
        self._ask(lambda: self.panel.see_device(change), _moment(change.time))

    def claimed(self, claim: Claim) -> None:
        """An address moved from one device to another."""
        self._ask(lambda: self.panel.see_device(claim), _moment(claim.time))

    def gone(self, key: str, into: str | None, time: int) -> None:
        """A device was forgotten, or found to be the device `into`."""
        self._ask(lambda: self.panel.see_device(Gone(key, into)), _moment(time))

    def tick(self, time: int) -> None:
        """It is `time`."""
        self._ask(lambda: self.panel.tick(time), _moment(time))
        self._threats.tick(time)

    def _ask(self, what: Callable[[], Found], now: Now) -> None:
        with self._lock:
            found = what()
        for finding in found:
            if isinstance(finding, TakenBack):
                self._threats.take_back(finding)
            else:
                self._threats.see([finding], now)


def _moment(time: int) -> Now:
    return Now(time, time / 1000)
