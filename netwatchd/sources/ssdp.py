"""The source `ssdp`: what devices announce of themselves by SSDP (UPnP Device Architecture 2.0)."""

from netwatchd import config
from netwatchd.addresses import Networks
from netwatchd.counters import Counters
from netwatchd.decoders.ssdp import read_ssdp
from netwatchd.sources import Emit
from netwatchd.sources.multicast import Group, Multicast

PORT = 1900
GROUPS = (Group("239.255.255.250", PORT), Group("ff02::c", PORT), Group("ff05::c", PORT))


class Ssdp(Multicast):
    """The source `ssdp`."""

    def __init__(self, settings: config.Ssdp, networks: Networks, emit: Emit, counters: Counters) -> None:
        """`networks` are those whose addresses belong to devices here."""
        super().__init__(
            "ssdp",
            GROUPS,
            lambda data, sender, _: read_ssdp(data, sender),
            settings.interface,
            networks,
            emit,
            counters,
        )
