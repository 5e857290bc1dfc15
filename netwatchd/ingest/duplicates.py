"""The same flow seen by two sources is told once.

Whoever tells a flow first claims its addresses and ports, in both directions, and where the kernel told how NAT
translates them, in that form as well. What another source tells of a claimed flow, at an overlapping time, is not
passed on, and counted as merged: nothing is lost by it. So that the better one is the first, the source that sees
packets holds its flows back for a moment where connection tracking tells of them too (`sources.hold`).

Where a better source (RANKS) is later all the same, and the row of the other one still lives, it takes the row over:
its flow goes on under that row's id, with the higher of the counters, and the other source is not heard of it any more.

A claim lives as long as its flow, and for LINGER after it, because exporters and log files tell late; it counts only
while its source runs. Nothing of this is done, and nothing paid, while only one source of flows runs.
"""

import threading
import time
from collections.abc import Callable, Container, Sequence
from functools import partial
from operator import itemgetter

from netwatchd.counters import Counters
from netwatchd.events import LIVE, Flow

Key = tuple[object, ...]  # source address and port, destination address and port, protocol
Put = Callable[[Sequence[Flow]], None]
Entrance = Callable[[Sequence[Flow], Put], None]

# Who knows flows best: the kernel itself, then who exports what he forwarded, then packets, then other programs' logs.
# Flows that somebody hands in by the JSON socket are meant to be there, whoever else saw them.
RANKS = {"conntrack": 0, "netflow": 1, "capture": 2, "zeek": 3, "eve": 3}

# Seconds after its flow's end (or the last duplicate) that a claim is kept: exporters tell of silent flows up to five
# minutes late, and Zeek writes a flow's line some minutes after the end.
LINGER = 600.0
SLACK = 10_000  # milliseconds by which two sources may differ about when a flow was
# Of addresses and ports in one direction: two for a flow, four for one through NAT. Some 25 MB when full.
MOST_KEYS = 100_000
_SWEEP = 60.0  # seconds until what has had its time is looked for
_BETWEEN_SWEEPS = 1.0  # at least, however full the table is

_key = itemgetter(3, 4, 5, 6, 7)
_way_back = itemgetter(5, 6, 3, 4, 7)


class _Claim:
    """One flow, and who tells it."""

    __slots__ = ("alias", "base", "end", "live", "owner", "part", "row", "start", "until")

    def __init__(self, owner: str, part: str, flow: Flow, until: float) -> None:
        self.owner = owner
        self.part = part
        self.row = flow.id
        self.start = flow.start
        self.end = flow.end
        self.live = flow.state in LIVE
        self.until = until
        self.alias = 0  # the id by which the owner knows the row, where it has taken it over
        self.base = flow  # as last told

    def goes_on(self, flow: Flow, until: float) -> None:
        """The owner has told this of the flow, or of a later one of the same ends."""
        self.row, self.base = flow.id, flow
        self.start = min(self.start, flow.start)
        self.end = max(self.end, flow.end)
        self.live = flow.state in LIVE
        self.until = until

    def is_at_the_time_of(self, flow: Flow) -> bool:
        """Whether the two times overlap, as far as the clocks can be trusted."""
        if flow.origin is not None and not flow.origin.clock_trusted:
            return True
        return flow.end >= self.start - SLACK and (self.live or flow.start <= self.end + SLACK)


class Duplicates:
    """Who tells which flow. `running` has the names of the sources that run now. Any thread may ask."""

    def __init__(
        self,
        counters: Counters,
        running: Callable[[], Container[str]],
        clock: Callable[[], float] = time.monotonic,
        most: int = MOST_KEYS,
    ) -> None:
        self._most = most
        self._counters = counters
        self._running = running
        self._clock = clock
        self._lock = threading.Lock()
        self._claims: dict[Key, _Claim] = {}
        self._parts: dict[str, set[str]] = {}
        self._swept = 0.0

    def entrance(self, source: str, part: str = "") -> Entrance:
        """What a source's flows have to pass: it puts those that are to be told where it is said.

        `part` tells apart what may see the same flow within one source, as two interfaces do.
        """
        self._parts.setdefault(source, set()).add(part)
        return partial(self._pass, source, part)

    def translated(self, source: str, flow: Flow, seen_as: Key) -> None:
        """Behind NAT the flow is seen as `seen_as` (addresses, ports, protocol). To be said before the flow is told."""
        with self._lock:
            running = self._running()
            if not self._has_others(source, running):
                return
            now = self._clock()
            claim = self._claims.get(_key(flow))
            if claim is None or not self._holds(claim, flow, running, now):
                claim = self._claim(source, "", flow, now)
            if claim is None or claim.owner != source:
                return
            for key in (seen_as, (*seen_as[2:4], *seen_as[:2], seen_as[4])):
                other = self._claims.get(key)
                if other is None or not self._holds(other, flow, running, now):
                    self._claims[key] = claim

    def _pass(self, source: str, part: str, flows: Sequence[Flow], put: Put) -> None:
        with self._lock:
            running = self._running()
            if self._has_others(source, running):
                # An exporter tells of so many, and so long after connection tracking, that it claims nothing from that.
                claims = source != "netflow" or self._has_others(source, running, but="conntrack")
                keys = list(map(_key, flows))
                if claims or not self._claims.keys().isdisjoint(keys):
                    # With the lock held, so that the news of a row keep their order. Who waits for the queue here keeps
                    # nobody waiting who would not wait for it too.
                    put(self._chosen(source, part, flows, keys, running, claims))
                    return
        put(flows)

    def _chosen(
        self,
        source: str,
        part: str,
        flows: Sequence[Flow],
        keys: Sequence[Key],
        running: Container[str],
        claims: bool,
    ) -> list[Flow]:
        """Those of the flows that are to be told; `claims`: they are then the source's."""
        now = self._clock()
        if now - self._swept >= _SWEEP:
            self._sweep(now)
        chosen = []
        for key, flow in zip(keys, flows, strict=True):
            told = self._judge(source, part, flow, self._claims.get(key), running, now)
            if told is None:
                self._counters.add(f"merged.flows.{source}")
                continue
            chosen.append(told)
            if claims and key not in self._claims:
                self._claim(source, part, flow, now)
        return chosen

    def _judge(
        self, source: str, part: str, flow: Flow, claim: _Claim | None, running: Container[str], now: float
    ) -> Flow | None:
        """The flow as it is to be told; None where another source tells it."""
        if claim is None:
            return flow
        if claim.owner == source and claim.part == part:
            if flow.id == claim.alias:
                flow = _merged(flow, claim)
            else:
                claim.alias = 0
            claim.goes_on(flow, now + LINGER)
            return flow
        if not self._holds(claim, flow, running, now):
            self._forget(claim)
            return flow
        if RANKS[source] < RANKS[claim.owner] and claim.live:
            claim.owner, claim.part, claim.alias = source, part, flow.id
            flow = _merged(flow, claim)
            claim.goes_on(flow, now + LINGER)
            self._counters.add(f"merged.flows.{source}")
            return flow
        claim.until = now + LINGER
        return None

    def _has_others(self, source: str, running: Container[str], but: str = "") -> bool:
        """Whether anybody else tells flows now."""
        if len(self._parts.get(source, ())) > 1:
            return True
        return any(name in running for name in self._parts if name not in (source, but))

    def _holds(self, claim: _Claim, flow: Flow, running: Container[str], now: float) -> bool:
        return claim.owner in running and (claim.live or now < claim.until) and claim.is_at_the_time_of(flow)

    def _claim(self, source: str, part: str, flow: Flow, now: float) -> _Claim | None:
        """Puts the flow down to its source; None where the table is full."""
        if len(self._claims) >= self._most:
            if now - self._swept >= _BETWEEN_SWEEPS:
                self._sweep(now)
            if len(self._claims) >= self._most:
                self._counters.add(f"unclaimed.flows.{source}")
                return None
        claim = _Claim(source, part, flow, now + LINGER)
        self._claims[_key(flow)] = self._claims[_way_back(flow)] = claim
        return claim

    def _forget(self, claim: _Claim) -> None:
        for key in (_key(claim.base), _way_back(claim.base)):
            if self._claims.get(key) is claim:
                del self._claims[key]

    def _sweep(self, now: float) -> None:
        """Forgets the claims that have had their time."""
        self._swept = now
        self._claims = {key: claim for key, claim in self._claims.items() if claim.live or now < claim.until}


def _merged(flow: Flow, claim: _Claim) -> Flow:
    """The flow under the id of the row that it goes on with: in the row's direction, and no counter goes back."""
    row = claim.base
    ways = flow[8:12] if _key(row) == _key(flow) else (*flow[10:12], *flow[8:10])
    counters = map(max, row[8:12], ways)
    return Flow._make((claim.row, min(row.start, flow.start), flow.end, *row[3:8], *counters, *flow[12:]))
