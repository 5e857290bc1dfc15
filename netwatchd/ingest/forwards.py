"""What NAT has shown of this router: its addresses towards the world, and the ports that it forwards."""

from collections.abc import Callable
from typing import Any

from netwatchd.addresses import Address
from netwatchd.events import Flow

MOST = 4096  # forwarded ports; nobody has set up so many, but a full-cone NAT keeps one for each that it has opened

MOST_OUTER = 16  # a provider gives one, and another one tomorrow

Inside = tuple[Address, int, int]  # the device's address and port, and the protocol
Outside = tuple[Address, int]  # of this router


class Forwards:
    """Which port of this router leads to which of a device, and how it is called outside.

    One thread notes, any may ask.
    """

    def __init__(self) -> None:
        # Who else is to be told of whatever `translated` is told.
        self.tell: Callable[[Flow, tuple[Any, ...]], None] | None = None
        self._known: dict[Inside, Outside] = {}
        self._outer: dict[Address, None] = {}

    def translated(self, flow: Flow, seen_as: tuple[Any, ...]) -> None:
        """A flow has addresses, ports and protocol of `seen_as` on the other side of NAT."""
        if seen_as[:2] == flow[3:5]:  # the originator's are the same: it is its destination that was another
            self._known[flow.dst_ip, flow.dst_port, flow.protocol] = seen_as[2], seen_as[3]
            if len(self._known) > MOST:
                del self._known[next(iter(self._known))]
        elif seen_as[0] not in self._outer:  # masquerading
            self._outer[seen_as[0]] = None
            if len(self._outer) > MOST_OUTER:
                del self._outer[next(iter(self._outer))]
        if self.tell is not None:
            self.tell(flow, seen_as)

    def outside(self, address: Address, port: int, protocol: int) -> Outside | None:
        """The address and port of this router that lead to the address and port of a device, as far as is known."""
        return self._known.get((address, port, protocol))

    def is_outer(self, address: Address) -> bool:
        """Whether it is an address of this router, towards the world, behind which devices here are hidden."""
        return address in self._outer
