"""What detectors may ask about the network: answered from what is known in memory."""

from collections.abc import Callable
from typing import Protocol

from netwatchd.addresses import Address, Networks
from netwatchd.events import Device
from netwatchd.ingest.devices import Devices
from netwatchd.ingest.forwards import Forwards
from netwatchd.listings import NONE, Listings
from netwatchd.machine import Machine, Nowhere


class Lists(Protocol):
    """The blocklists."""

    listed: Callable[[Address], Listings]
    listed_name: Callable[[str], Listings]


class Home:
    """What detectors may ask about the network: answered from what Devices knows, and from the blocklists."""

    def __init__(
        self,
        networks: Networks,
        devices: Devices,
        forwards: Forwards | None = None,
        lists: Lists | None = None,
        machine: Machine | None = None,
    ) -> None:
        """Without `machine`, the past is replayed."""
        self.networks = networks
        self.machine: Machine = machine or Nowhere()
        self._devices = devices
        self._forwards = forwards or Forwards()
        # Whether it is an address of this router towards the world; as an attribute, as it is asked of each attempt.
        self.is_outer: Callable[[Address], bool] = self._forwards.is_outer
        self.listed: Callable[[Address], Listings] = lists.listed if lists else _in_none
        self.listed_name: Callable[[str], Listings] = lists.listed_name if lists else _in_none

    def device(self, key: str) -> Device | None:
        """The device of a key: a MAC of it, or its address as text."""
        return self._devices.find(key)

    def owner(self, address: Address) -> str | None:
        """The key of the device that has the address."""
        return self._devices.owner_of(address)

    def forwarded(self, address: Address, port: int, protocol: int) -> tuple[Address, int] | None:
        """The address and port of this router that are forwarded to those of a device."""
        return self._forwards.outside(address, port, protocol)


def _in_none(what: Address | str) -> Listings:
    return NONE
