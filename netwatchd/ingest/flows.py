"""Flows put down to their devices, and what they added since they were last told.

A live flow is told again and again with growing counters. It is published each time; stored when it is new, when it
first has counters, when it ends, and otherwise only when totals are settled, once a minute: an SD card wears out by
what is rewritten. All methods may be called by any thread.
"""

import threading
from collections.abc import Callable, Collection, Sequence
from operator import add, sub

from netwatchd.addresses import Address
from netwatchd.clock import Now
from netwatchd.counters import Counters
from netwatchd.events import LIVE, Flow, FlowBatch
from netwatchd.ingest import Hour, Publish, Store
from netwatchd.ingest.devices import Devices
from netwatchd.ingest.throughput import Batch, Growth, Throughput

Counts = tuple[int, int]  # bytes out, bytes in
Traffic = dict[str, list[int]]  # by device: bytes in, bytes out, flows


class Flows:
    """The accounts of flows that are still alive."""

    def __init__(self, devices: Devices, publish: Publish, store: Store, counters: Counters | None = None) -> None:
        self._devices = devices
        self._publish = publish
        self._store = store
        self._counters = counters or Counters()
        self.throughput = Throughput()
        # Who is shown the flows, and which of them are told for the first time (1).
        self.watch: Callable[[FlowBatch, list[int], Now], None] | None = None
        self._lock = threading.Lock()
        self._live: dict[int, Counts] = {}  # what was accounted of each live flow
        self._unsaved: dict[int, Flow] = {}  # live flows with more than their row has
        self._saved: dict[int, Counts] = {}  # what the row of each live flow has
        self._last_id = 0
        self._settled = 0  # the totals that are stored hold the traffic of all flows up to this event

    @property
    def live(self) -> int:
        """How many flows are alive."""
        return len(self._live)

    @property
    def held(self) -> int:
        """How many live flows have more than their row has: they are stored when totals are settled."""
        return len(self._unsaved)

    def remember(self, flows: Sequence[Flow], newest: int) -> None:
        """Takes in flows that were alive when the last run ended: their counters so far are accounted already.

        `newest` is the id of the newest flow that is stored.
        """
        with self._lock:
            self._live.update({flow.id: (flow.bytes_out, flow.bytes_in) for flow in flows})
            self._saved.update(self._live)
            self._last_id = max(self._last_id, newest)

    def see(self, flows: Sequence[Flow], now: Now) -> None:
        """Accounts the flows, publishes them, and stores those that are due."""
        traffic: Traffic = {}
        heard: dict[str, int] = {}
        with self._lock:
            hour = self._store.rollups.hour(now.wall)
            big: list[Growth] = []
            here = self._devices_among(flows)
            before = _sum_of(hour.peers, here)
            owners, ids, fresh, live = self._account(flows, traffic, heard, hour, big, now.wall)
            owned = FlowBatch(flows, owners)
            # What a device has opened to another one here: the peer is a device, too.
            internal = tuple(map(sub, _sum_of(hour.peers, here), before))
            for key, counts in traffic.items():
                sums = hour.devices.setdefault(key, [0, 0, 0])
                sums[:] = map(add, sums, counts)
            usual = not live and self._are_told_once(ids)
            due = owned if usual else self._due_among(owned)
            self._last_id = max(self._last_id, max(ids))
            self._publish(owned)
            self._store.add_traffic(now.wall, traffic, self._last_id)
            self._devices.account(traffic, heard, now)
            self.throughput.add(Batch(traffic, internal, big, flows[len(flows) // 2].end), now)
            if usual:
                self._store.add_flows(due)
            else:
                self._keep(due)
            if self._store.rollups.trim(len(flows)):
                self._settle(rollups=True)
        if self.watch is not None:
            self.watch(owned, fresh, now)

    def settle(self, *, anew: bool = False, ending: bool = False) -> None:
        """Stores the totals of devices, committed right after the live flows whose counters they hold.

        `anew` says so even where nothing has changed, to a file that was never told. The roll-ups are written with
        them when they are due, and when the daemon is `ending`.
        """
        with self._lock:
            self._settle(anew=anew, rollups=ending or self._store.rollups.due)

    def _settle(self, *, anew: bool = False, rollups: bool) -> None:
        flows = list(self._unsaved.values())
        devices = self._devices.take_unsettled(writing=bool(flows) or anew or rollups)
        self._unsaved.clear()
        if flows or devices or anew or rollups:
            self._saved.update({flow.id: (flow.bytes_out, flow.bytes_in) for flow in flows})
            self._settled = self._last_id
            self._store.settle(devices, flows, self._settled, rollups=rollups)

    def _are_told_once(self, ids: list[int]) -> bool:
        """Whether nothing was told of flows that have ended before, and their day is not settled: exporters tell so."""
        return min(ids) > self._settled and self._live.keys().isdisjoint(ids) and self._saved.keys().isdisjoint(ids)

    def _keep(self, due: Sequence[Flow]) -> None:
        """Stores flows; what those from before the last settling brought since goes into the totals with them."""
        late = [flow for flow in due if flow.id <= self._settled]
        traffic: Traffic = {}
        for flow in due:
            out, back = self._saved.pop(flow.id, (0, 0))
            if flow.state in LIVE:
                self._saved[flow.id] = flow.bytes_out, flow.bytes_in
            if flow.id <= self._settled and flow.device is not None:
                opened = self._devices.owner_of(flow.src_ip) is not None
                sums = traffic.setdefault(flow.device, [0, 0])
                sums[not opened] += max(flow.bytes_in - back, 0)
                sums[opened] += max(flow.bytes_out - out, 0)
        if late:
            self._store.settle(self._devices.settle_part(traffic), late, self._settled)
        self._store.add_flows([flow for flow in due if flow.id > self._settled] if late else due)

    def _account(  # noqa: PLR0915  # see below
        self, flows: Sequence[Flow], traffic: Traffic, heard: dict[str, int], hour: Hour, big: list[Growth], now: int
    ) -> tuple[list[str | None], list[int], list[int], bool]:
        """Adds what the flows brought since they were last told to `traffic` and to the hour; the big ones to `big`.

        Returns the device of each flow, the ids, 1 for each that is told for the first time (else 0), and whether any
        is alive. This loop is what every flow costs here: it takes them apart once, and calls nothing that it need not.
        """
        owner_of, live, peers, ports = self._devices.owner_of, self._live, hour.peers, hour.ports
        owned, most, told = self._devices.owned, self.throughput.big, now - int(self.throughput.interval * 1000)
        owners, ids, fresh, any_live = [], [], [], False
        for number, start, end, src, _, dst, port, protocol, _, out, _, back, state, _, _, _ in flows:
            ids.append(number)
            new = 1
            if state in LIVE:
                any_live = True
            if live and (known := live.get(number)) is not None:
                out, back, new = max(out - known[0], 0), max(back - known[1], 0), 0
            # What comes back is in for the side that opened the flow, and out for the other one. Where no device is
            # known, it is as if the originator were one.
            if (owner := owner_of(src)) is not None or (owner := owner_of(dst)) is None:
                peer, arrived, left = dst, back, out
            else:
                peer, arrived, left = src, out, back
            if out + back > most:
                here = src in owned and dst in owned
                big.append(Growth(start if new else max(start, told), end, arrived, left, here))
            owners.append(owner)
            fresh.append(new)
            key = owner or ""
            try:
                sums = traffic[key]
            except KeyError:
                sums = traffic[key] = [0, 0, 0]
            sums[0] += arrived
            sums[1] += left
            sums[2] += new
            try:
                sums = peers[peer]
            except KeyError:
                sums = peers[peer] = [0, 0, 0]
            sums[0] += arrived
            sums[1] += left
            sums[2] += new
            service = protocol << 16 | port
            try:
                sums = ports[service]
            except KeyError:
                sums = ports[service] = [0, 0, 0]
            sums[0] += arrived
            sums[1] += left
            sums[2] += new
            if left and owner is not None and heard.get(owner, 0) < end:
                heard[owner] = end
        return owners, ids, fresh, any_live

    def _devices_among(self, flows: Sequence[Flow]) -> Collection[Address]:
        """The addresses of devices here to which flows may have been opened."""
        owned = self._devices.owned
        if len(owned) < len(flows):
            return list(owned)
        # One by one, because another thread may add to them meanwhile.
        return [ip for ip in {flow.dst_ip for flow in flows} if ip in owned]

    def _due_among(self, flows: Sequence[Flow]) -> list[Flow]:
        """Those whose row is to be written now; what a later word has made needless is counted."""
        before = len(self._unsaved)
        due = [flow for flow in flows if self._is_due(flow)]
        if coalesced := before + len(flows) - len(due) - len(self._unsaved):
            self._counters.add("coalesced.flows", coalesced)
        return due

    def _is_due(self, flow: Flow) -> bool:
        """Whether the flow's row is to be written now; keeps its account."""
        if flow.state not in LIVE:
            self._live.pop(flow.id, None)
            self._unsaved.pop(flow.id, None)
            return True
        known = self._live.get(flow.id)
        self._live[flow.id] = (flow.bytes_out, flow.bytes_in)
        if not known or known == (0, 0):
            return True
        self._unsaved[flow.id] = flow
        return False


def _sum_of(peers: dict[Address, list[int]], wanted: Collection[Address]) -> Counts:
    """What came in and went out between devices and these peers."""
    found = [peers[ip] for ip in wanted if ip in peers]
    return sum(counts[0] for counts in found), sum(counts[1] for counts in found)
