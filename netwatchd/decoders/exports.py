"""What exporters send, whichever of the protocols it is: NetFlow, IPFIX and sFlow told apart by the datagram.

sFlow begins with its version as 32 bits, the others with theirs as 16: so an sFlow datagram looks like version 0.
"""

from dataclasses import dataclass
from typing import NamedTuple

from netwatchd.addresses import Address
from netwatchd.decoders.netflow.collector import HOLD, SOURCE, Collector
from netwatchd.decoders.netflow.halves import Count
from netwatchd.decoders.sflow import Malformed, SflowDecoder
from netwatchd.events import Flow, NewId

_SFLOW = b"\0\0\0\5"
MOST_AGENTS = 1024  # whose figures are kept


class Exporter(NamedTuple):
    """One stream of one exporter, and what became of it."""

    address: Address
    domain: int  # observation domain (IPFIX), source id (v9), engine (v5)
    protocol: str  # such as `NetFlow v9`
    datagrams: int
    flows: int  # records; sFlow: samples
    lost: int  # as its sequence numbers tell, wherever
    lost_unit: str  # what they count: `flows` or `datagrams`
    lost_here: int  # datagrams of these for which our own socket had no room, as far as can be told
    templates: int
    sampling: int  # one of so many packets was looked at, lately
    clock_trusted: bool
    last_heard: int  # Unix ms


@dataclass(slots=True)
class _Agent:
    """The figures of an exporter of sFlow."""

    datagrams: int = 0
    samples: int = 0
    lost: int = 0
    sampling: int = 1
    last_heard: int = 0


class Exports:
    """All exporters. Methods take the time as Unix ms."""

    def __init__(self, new_id: NewId, count: Count, hold: int = HOLD) -> None:
        """`count(name, n)` counts what happens besides flows.

        `hold` is how long one half of a flow waits for the other one, in ms; with 0 none does.
        """
        self._collector = Collector(new_id, count, hold)
        self._sflow = SflowDecoder(new_id, self._count_sflow, SOURCE)
        self._total = count
        self._agents: dict[Address, _Agent] = {}
        self._agent = _Agent()  # the one whose datagram is looked at

    def datagram(self, data: bytes, exporter: Address, now: int, port: int = 0) -> list[Flow]:
        """Takes a datagram that `exporter` sent from `port`; returns the flows that are told now. Raises nothing."""
        if data[:4] == _SFLOW:
            return self._sampled(data, exporter, now)
        return self._collector.datagram(data, exporter, now, port)

    def due(self, now: int) -> list[Flow]:
        """The flows that have waited for long enough. To be asked some times a second."""
        return self._collector.due(now) + self._sflow.due(now)

    def finish(self, now: int) -> list[Flow]:
        """All flows that still wait, at the end."""
        return self._collector.finish(now) + self._sflow.finish()

    def lost_here(self, datagrams: int, now: int) -> None:
        """Says that our own socket had no room for so many datagrams."""
        self._collector.lost_here(datagrams, now)

    def exporters(self) -> list[Exporter]:
        """The figures of all, those with most flows first; any thread may ask."""
        found = [
            Exporter(
                session.domain.exporter,
                session.domain.number,
                "IPFIX" if session.version == 10 else f"NetFlow v{session.version}",
                session.datagrams,
                session.flows,
                session.sequence.lost,
                "flows" if session.sequence.by_records else "datagrams",
                session.dropped_here,
                len(session.templates),
                session.sampling,
                session.clock_trusted,
                session.last_heard,
            )
            for session in self._collector.sessions
        ]
        for address, agent in list(self._agents.items()):
            figures = agent.datagrams, agent.samples, agent.lost, "datagrams", 0, 0, agent.sampling, True
            found.append(Exporter(address, 0, "sFlow v5", *figures, agent.last_heard))
        return sorted(found, key=lambda exporter: exporter.flows, reverse=True)

    def _sampled(self, data: bytes, exporter: Address, now: int) -> list[Flow]:
        agent = self._agents.get(exporter)
        if agent is None:
            if len(self._agents) >= MOST_AGENTS:
                del self._agents[min(self._agents, key=lambda address: self._agents[address].last_heard)]
            agent = self._agents[exporter] = _Agent()
        agent.datagrams += 1
        agent.last_heard = now
        self._agent = agent
        try:
            flows = self._sflow.datagram(data, exporter, now)
        except Malformed:
            self._total("malformed.netflow", 1)
            return []
        for flow in flows[-1:]:
            if flow.origin is not None and flow.origin.exporter == exporter:
                agent.sampling = flow.origin.sampling
        return flows

    def _count_sflow(self, name: str, n: int) -> None:
        if name == "samples":
            self._agent.samples += n
        elif name == "lost.datagrams":
            self._agent.lost += n
        family, _, what = name.partition(".")
        self._total(f"{family}.sflow.{what}" if what else f"{family}.sflow", n)
