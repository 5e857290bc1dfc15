"""Builds the sources, and the doors through which each hands in what it sees.

Beside `daemon` the only file that knows them all.
"""

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from netwatchd import config
from netwatchd.addresses import Address
from netwatchd.counters import Counters
from netwatchd.decoders.routes import Question
from netwatchd.events import NewId
from netwatchd.ingest.duplicates import RANKS, Duplicates
from netwatchd.ingest.forwards import Forwards
from netwatchd.ingest.inbox import Door, Inboxes
from netwatchd.ingest.presence import TRAFFIC, Deaf
from netwatchd.sources import Source
from netwatchd.sources.asker import Asker
from netwatchd.sources.capture import Capture
from netwatchd.sources.conntrack import Conntrack
from netwatchd.sources.dhcp import Dhcp
from netwatchd.sources.eve import Eve
from netwatchd.sources.hosts import Hosts
from netwatchd.sources.json_lines import JsonLines
from netwatchd.sources.leases import Leases
from netwatchd.sources.locals import Locals
from netwatchd.sources.logs import Memory
from netwatchd.sources.mdns import Mdns
from netwatchd.sources.neighbours import Neighbours
from netwatchd.sources.netflow import Netflow
from netwatchd.sources.prober import Links, Prober
from netwatchd.sources.rdns import Rdns
from netwatchd.sources.ssdp import Ssdp
from netwatchd.sources.supervisor import Supervisor
from netwatchd.sources.zeek import Zeek

# Milliseconds that a flow which was seen as packets waits for connection tracking to tell it. Its events come within
# some; a busy machine may take a second.
HOLD = 2000


class Intake:
    """All sources, each with its supervisor, by name. `runtime` is the directory of the sockets."""

    def __init__(
        self,
        settings: config.Config,
        runtime: Path,
        inboxes: Inboxes,
        counters: Counters,
        new_id: NewId,
        memory: Callable[[str], Memory],
        addresses: Callable[[], Iterable[Address]],
        forwards: Forwards | None = None,
    ) -> None:
        """`memory(source)` is where a source that follows logs keeps its place in them.

        `addresses` tells those of the devices that are here; `forwards` is told of ports that lead to them.
        """
        self._inboxes = inboxes
        self._counters = counters
        self.sources: dict[str, Supervisor] = {}
        # Where only one source tells of flows, nothing is looked at twice.
        self._duplicates = Duplicates(counters, self.running) if _has_several_views(settings) else None
        forwards = forwards or Forwards()
        if self._duplicates:
            forwards.tell = partial(self._duplicates.translated, "conntrack")
        hold = 0 if settings.conntrack.enabled == "no" else HOLD
        local, door = settings.devices.networks, self._door
        netflow = Netflow(settings.netflow, local, door("netflow"), new_id, counters)
        self.exporters = netflow.exporters
        sources: list[Source] = [
            JsonLines(settings.json, runtime / "events.sock", door("json"), new_id, counters),
            Neighbours(settings.neighbours, door("neighbours"), counters),
            Conntrack(settings.conntrack, door("conntrack"), new_id, counters, forwards.translated, local),
            netflow,
            Capture(settings.capture, local, partial(door, "capture"), new_id, counters, hold),
            Zeek(settings.zeek, door("zeek"), new_id, Locals(local), memory("zeek"), counters),
            Eve(settings.eve, door("eve"), new_id, Locals(local), memory("eve"), counters),
            Leases(settings.leases, door("leases"), counters),
            Hosts(settings.hosts, door("hosts"), counters),
            Rdns(settings.rdns, local, addresses, door("rdns"), counters),
            Dhcp(settings.dhcp, local, door("dhcp"), counters),
            Mdns(settings.mdns, local, door("mdns"), counters),
            Ssdp(settings.ssdp, local, door("ssdp"), counters),
        ]
        # A source, its section of the configuration and its counters share one word.
        self.sources = {each.name: Supervisor(each, getattr(settings, each.name).enabled) for each in sources}
        self.prober = Prober(counters)
        self.sources[self.prober.name] = Supervisor(self.prober, "auto" if settings.devices.probe else "no")
        may_ask = settings.devices.probe
        self.asker = Asker(local, door("asker"), counters, may_ask=may_ask)
        self.sources[self.asker.name] = Supervisor(self.asker, "auto")
        self._links = Links()

    def ask(self, question: Question) -> None:
        """Has a device asked whether it is still here, where somebody would hear its answer."""
        if self.running() & {"neighbours", "capture"}:
            self.prober.ask(question)
        else:
            self._counters.add("probes.impossible")

    def deaf(self) -> Deaf:
        """What hears nothing now, though it did before: sources that failed, and interfaces that are down."""
        down = {name for name, each in self.sources.items() if each.worked and each.state == "failed"}
        return Deaf(down | {TRAFFIC} if down & RANKS.keys() else down, self._links.deaf())

    def running(self) -> set[str]:
        """The names of the sources that work now."""
        return {name for name, supervisor in self.sources.items() if supervisor.state == "on"}

    def _door(self, source: str, part: str = "") -> Door:
        """Where a source hands in its events, or one part of a source that sees the same from two places."""
        once = self._duplicates.entrance(source, part) if self._duplicates and source in RANKS else None
        return Door(source, self._inboxes, self._counters, once)


def _has_several_views(settings: config.Config) -> bool:
    """Whether the same flow may be seen twice."""
    sections = [getattr(settings, name, None) for name in RANKS]
    of_flows = [section for section in sections if section is not None and section.enabled != "no"]
    return len(of_flows) > 1 or len(settings.capture.interface) > 1
