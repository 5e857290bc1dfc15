"""sFlow version 5: datagrams of sampled packets to Flows.

`datagram` reads what an agent sends, `headers` what it sampled, `conversations` makes Flows of it. Here are the
agents: which numbers their datagrams and samples should have next, so that loss is noticed.
"""

from netwatchd.addresses import Address
from netwatchd.decoders.sflow.conversations import Agent, Conversations
from netwatchd.decoders.sflow.datagram import Count, Datagram, Malformed, Sample, decode
from netwatchd.events import Flow, NewId

__all__ = ["Malformed", "SflowDecoder"]

MOST_AGENTS = 4_096  # agents and sub-agents; when there are more, all are met anew
MOST_SOURCES = 16_384  # interfaces of all of them: a large switch has hundreds

# A number that is further ahead than this is no loss but another beginning. One that is a little behind came late.
_GREATEST_LOSS, _LATE = 100_000, 1_000
_GREATEST_DELAY = 10_000  # milliseconds of the agent's uptime by which a datagram may come late


class SflowDecoder:
    """Takes datagrams, gives the Flows of conversations whose samples are complete."""

    def __init__(self, new_id: NewId, count: Count, source: str = "sflow") -> None:
        """`new_id` gives the ids of Flows; `count(name, n)` is told what was read, skipped, damaged and lost."""
        self._count = count
        self._conversations = Conversations(new_id, source)
        self._agents: dict[Agent, tuple[int, int]] = {}  # the last sequence number and uptime
        self._sources: dict[tuple[Agent, int], tuple[int, int]] = {}  # the last sequence number and drops
        self._now = 0

    def __len__(self) -> int:
        return len(self._conversations)

    def datagram(self, data: bytes, exporter: Address, now: int) -> list[Flow]:
        """The Flows that are due when `data` came from `exporter` at `now` (Unix ms).

        Raises Malformed where it is no sFlow version 5 at all. Times of Flows are those at which samples arrived: an
        agent has no clock of the time of day, and sends a sample within a second (sFlow version 5, section 4.1).
        """
        read = decode(data, self._count)
        self._now = now
        agent = (exporter, read.agent, read.sub_agent)
        self._watch_datagrams(agent, read)
        for sample in read.samples:
            self._watch_samples(agent, sample)
            if sample.packet is not None:
                self._conversations.add(agent, sample, sample.packet, now)
        self._count("samples", len(read.samples))
        return self._conversations.due(now)

    def due(self, now: int) -> list[Flow]:
        """The Flows of conversations that nothing more is awaited of at `now` (Unix ms)."""
        self._now = now
        return self._conversations.due(now)

    def finish(self) -> list[Flow]:
        """All that is left, at the time that was last told."""
        return self._conversations.finish(self._now)

    def _watch_datagrams(self, agent: Agent, read: Datagram) -> None:
        known = self._agents.get(agent)
        if known is None:
            if len(self._agents) >= MOST_AGENTS:
                self._agents.clear()
        elif self._missed("lost.datagrams", known[0], read.sequence) and abs(known[1] - read.uptime) < _GREATEST_DELAY:
            return  # overtaken on the way by the one that was last; otherwise the agent has started again
        self._agents[agent] = read.sequence, read.uptime

    def _watch_samples(self, agent: Agent, sample: Sample) -> None:
        key = (agent, sample.source)
        known = self._sources.get(key)
        if known is None and len(self._sources) >= MOST_SOURCES:
            self._sources.clear()
        if known is not None:
            if self._missed("lost.samples", known[0], sample.sequence):
                return
            dropped = sample.drops - known[1] & 0xFFFFFFFF
            if 0 < dropped <= _GREATEST_LOSS:
                self._count("lost.by_agent", dropped)
        self._sources[key] = sample.sequence, sample.drops

    def _missed(self, name: str, last: int, sequence: int) -> bool:
        """Counts what is missing between two sequence numbers; whether the second one comes late."""
        missing = sequence - last - 1 & 0xFFFFFFFF
        if 0 < missing <= _GREATEST_LOSS:
            self._count(name, missing)
        return missing > 0xFFFFFFFF - _LATE
