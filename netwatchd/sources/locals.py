"""Devices by their addresses, from flows that somebody else saw: nothing is known of such a device but its address."""

from collections.abc import Sequence
from itertools import compress
from operator import itemgetter, or_

from netwatchd.addresses import Address, Networks
from netwatchd.events import Flow, Sighting

# After so many addresses it begins anew: a scan of a large network must not fill the memory.
MOST_ADDRESSES = 100_000
_SRC, _DST, _PACKETS_IN, _BYTES_IN = itemgetter(3), itemgetter(5), itemgetter(10), itemgetter(11)


class Locals:
    """Tells of each local address once; what it does later is told by the flows themselves."""

    def __init__(self, networks: Networks) -> None:
        """`networks` are those whose addresses belong to devices here."""
        self._networks = networks
        self._told: set[Address] = set()

    def sightings(self, flows: Sequence[Flow], now: int) -> list[Sighting]:
        """The devices that take part in the flows and were not told of yet, seen at `now` (Unix ms)."""
        if not flows:
            return []
        # An address that was only ever spoken to may be nobody's: what was scanned is no device.
        answered = map(or_, map(_PACKETS_IN, flows), map(_BYTES_IN, flows))
        parties = {*map(_SRC, flows), *compress(map(_DST, flows), answered)} - self._told
        networks = self._networks
        new = [ip for ip in parties if networks.has_host(ip)]
        if len(self._told) + len(new) > MOST_ADDRESSES:
            self._told.clear()
        self._told.update(new)
        return [Sighting(now, flows[0].source, ips=(ip,)) for ip in new]
