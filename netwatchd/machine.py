"""What detectors may ask about the machine that netwatchd runs on. The past, which is replayed, has none."""

from collections.abc import Container
from typing import Protocol

from netwatchd.addresses import Address


class Machine(Protocol):
    """The machine that netwatchd runs on, and whom it can ask."""

    @property
    def macs(self) -> Container[str]:
        """Those of its interfaces."""

    @property
    def addresses(self) -> Container[Address]:
        """Its own."""

    @property
    def gateways(self) -> Container[Address]:
        """Those of its default routes."""

    @property
    def dhcp_links(self) -> Container[str]:
        """The names of its interfaces on which it serves DHCP itself."""

    def ask(self, mac: str, address: Address, interface: str | None = None) -> bool:
        """Has a MAC, and it alone, asked whether it has an address; False where nobody can be asked.

        `interface` is where it was seen, where that is known: a link-local address says nothing of its link. The
        answer is an observation, AddressAnswered, some seconds later at most. Never blocks.
        """


class Nowhere:
    """The machine of the past: there is nobody to ask."""

    macs: Container[str] = ()
    addresses: Container[Address] = ()
    gateways: Container[Address] = ()
    dhcp_links: Container[str] = ()

    def ask(self, _mac: str, _address: Address, _interface: str | None = None) -> bool:
        """Nobody can be asked."""
        return False
