"""The source `mdns`: what devices announce of themselves by multicast DNS (RFC 6762)."""

from netwatchd import config
from netwatchd.addresses import Address, Networks
from netwatchd.counters import Counters
from netwatchd.decoders import mdns
from netwatchd.events import Clue
from netwatchd.sources import Emit
from netwatchd.sources.multicast import Group, Multicast

PORT = 5353
GROUPS = (Group("224.0.0.251", PORT), Group("ff02::fb", PORT))


class Mdns(Multicast):
    """The source `mdns`."""

    def __init__(self, settings: config.Mdns, networks: Networks, emit: Emit, counters: Counters) -> None:
        """`networks` are those whose addresses belong to devices here."""
        self._decoder = mdns.Mdns()
        super().__init__("mdns", GROUPS, self._clues_of, settings.interface, networks, emit, counters)

    def _clues_of(self, data: bytes, sender: Address, port: int) -> tuple[Clue, ...]:
        # What comes from another port is a question of somebody who does not announce (RFC 6762 sections 6.7, 11).
        return self._decoder.read(data, sender) if port == PORT else ()
