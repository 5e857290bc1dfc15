"""Devices by their addresses, from flows that somebody else saw: nothing is known of such a device but its address."""

from collections.abc import Sequence
from operator import itemgetter

from netwatchd.addresses import Address, Networks, is_host
from netwatchd.events import Flow, Sighting

# After so many addresses it begins anew: a scan of a large network must not fill the memory.
MOST_ADDRESSES = 100_000
_SRC, _DST = itemgetter(3), itemgetter(5)


class Locals:
    """Tells of each local address once; what it does later is told by the flows themselves."""

    def __init__(self, networks: Networks) -> None:
        """`networks` are those whose addresses belong to devices here."""
        self._networks = networks
        self._seen: set[Address] = set()

    def sightings(self, flows: Sequence[Flow], now: int) -> list[Sighting]:
        """The devices that take part in the flows and were not told of yet, seen at `now` (Unix ms)."""
        if not flows:
            return []
        # An address that was only ever spoken to may be nobody's: what was scanned is no device.
        new = {*map(_SRC, flows), *(flow.dst_ip for flow in flows if flow.packets_in or flow.bytes_in)} - self._seen
        if len(self._seen) + len(new) > MOST_ADDRESSES:
            self._seen.clear()
        self._seen |= new
        source = flows[0].source
        return [Sighting(now, source, ips=(ip,)) for ip in new if ip in self._networks and is_host(ip)]
