"""Data carried in pings (MITRE ATT&CK T1095).

A host that is asked by ping returns what it was sent, byte by byte (RFC 792). Three things show that somebody else
answers, or that more is carried than a ping is for:

* **Altered replies**, where packets are seen: from ALTERED on, as a broken cable or card alters one now and then.
* **Sizes** in flows, which show the sums of both directions only: what came back differs from what was sent by more
  than lost pings explain. Replies that are cut short are none, as some servers do that to long pings: they show in that
  sizes do not vary, or are the smallest of all. A tunnel whose directions are equal on average is not seen so.
* **Volume** to or from elsewhere: the largest ping that fits in a frame, once a second, is 5.4 MB an hour.

Memory: pairs of hosts, of which only those with dozens of answered pings, or an altered one, become one; a flood of
pings has neither.
"""

from typing import Any

from netwatchd.addresses import Address, address_text
from netwatchd.config import IcmpTunnel as Settings
from netwatchd.detectors import Finding, Findings, Home, Wants
from netwatchd.detectors.bounded import Bounded
from netwatchd.detectors.naming import called_by_key, key_at
from netwatchd.detectors.saying import amount, span
from netwatchd.detectors.telling import threat
from netwatchd.events import Flow
from netwatchd.observations import EchoAltered

PAIRS, FLOWS = 1024, 16  # pairs of hosts, and flows of each whose counters are remembered
ALTERED = 20  # replies, in HOUR, with other data than their request
HOUR = 3_600_000  # ms
ANSWERED = 20  # pings each way below which sizes say nothing
LARGEST = 1500  # bytes of a ping that was lost, at most
UNEXPLAINED = 4_000  # bytes by which the directions differ
CUT_SHORT = 100  # bytes of a reply that may have been cut short: servers that do so return 64 bytes of data
PADDED = 60  # bytes below which a log may count a frame's padding
VOLUME, LONG = 20_000_000, 500  # bytes an hour, and a ping on average
AGAIN, ANYWAY = 10_000, 600_000  # ms after which it is told again: if it has doubled, or goes on

_REQUESTS = frozenset((8, 128))
# Those that count each packet of both directions. Exporters may take samples.
_EXACT = frozenset(("capture", "conntrack", "zeek", "eve"))
_NOTHING = (0, 0, 0, 0)


class _Pair:
    """Pings of one host to another."""

    __slots__ = ("altered", "counted", "first", "last", "most", "returned", "sent", "since", "told", "unexplained")

    def __init__(self) -> None:
        self.begin(0)
        self.told = (0, 0)  # how much, and when
        self.counted: dict[int, tuple[int, int, int, int]] = {}  # packets and bytes out and in, by the flow's id

    def begin(self, time: int) -> None:
        """Another hour begins."""
        self.first = self.last = self.since = time
        self.altered = self.sent = self.returned = self.unexplained = self.most = 0


class IcmpTunnel:
    """The detector `icmp_tunnel`."""

    wants = Wants.ICMP
    ports = None
    observes = (EchoAltered,)

    def __init__(self, settings: Settings, home: Home) -> None:
        self.settings = settings
        self._home = home
        self._pairs: Bounded[tuple[Address, Address], _Pair] = Bounded(PAIRS, _Pair)

    def observe(self, observation: EchoAltered) -> Findings:
        """A reply with other data than its request."""
        pair = self._pair(observation.client, observation.server, observation.time, observation.time)
        if abs(observation.time - pair.since) > HOUR:
            pair.begin(observation.time)
        pair.altered += 1
        pair.sent += observation.sent
        pair.returned += observation.returned
        pair.most = max(pair.most, observation.sent, observation.returned)
        if pair.altered < ALTERED or not _is_due(pair, pair.altered, observation.time):
            return []
        return [self._altered(pair, observation.client, observation.server)]

    def see_flow(self, flow: Flow, device: str | None, new: bool) -> Findings:
        """A flow of ICMP."""
        if flow.src_port not in _REQUESTS or flow.packets_in < ANSWERED or flow.packets_out < ANSWERED:
            return []
        if flow.bytes_out + flow.bytes_in >= VOLUME and self._is_much(flow):
            pair = self._pair(flow.src_ip, flow.dst_ip, flow.start, flow.end)
            much = max(flow.bytes_out, flow.bytes_in)
            return [self._volume(flow)] if _is_due(pair, much, flow.end) else []
        if flow.bytes_out == flow.bytes_in and flow.packets_out == flow.packets_in:
            return []  # all of it was returned
        if not _may_differ(flow):
            return []
        pair = self._pair(flow.src_ip, flow.dst_ip, flow.start, flow.end)
        pair.unexplained += _unexplained(pair, flow)
        if pair.unexplained < UNEXPLAINED or not _is_due(pair, pair.unexplained, flow.end):
            return []
        return [self._sizes(pair, flow)]

    def _pair(self, client: Address, server: Address, start: int, end: int) -> _Pair:
        pair = self._pairs.touch((client, server))
        if not pair.first or abs(end - pair.last) > HOUR:
            pair.begin(start)
        pair.first, pair.last = min(pair.first, start), max(pair.last, end)
        return pair

    def _is_much(self, flow: Flow) -> bool:
        """More in an hour than anybody pings with, to or from elsewhere."""
        hours = max((flow.end - flow.start) / HOUR, 1.0)
        is_much = max(flow.bytes_out, flow.bytes_in) / hours >= VOLUME
        is_long = flow.bytes_out + flow.bytes_in >= LONG * (flow.packets_out + flow.packets_in)
        networks = self._home.networks
        return is_much and is_long and not (flow.src_ip in networks and flow.dst_ip in networks)

    def _altered(self, pair: _Pair, client: Address, server: Address) -> Finding:
        time = span(pair.last - pair.first)
        return self._threat(
            "high", pair.first, pair.last, (client, server),
            f"talk in pings: {pair.altered} replies did not return what was sent, {amount(pair.sent)} there and "
            f"{amount(pair.returned)} back in {time}",
            {
                "replies_altered": pair.altered, "bytes_out": pair.sent, "bytes_in": pair.returned,
                "largest": pair.most, "seconds": _seconds(pair),
            },
        )  # fmt: skip

    def _sizes(self, pair: _Pair, flow: Flow) -> Finding:
        return self._threat(
            "high", pair.first, pair.last, (flow.src_ip, flow.dst_ip),
            f"talk in pings: {flow.packets_out} with {amount(flow.bytes_out)} were answered by {flow.packets_in} with "
            f"{amount(flow.bytes_in)}, though replies return what was sent",
            _counts(flow) | {"unexplained": pair.unexplained},
        )  # fmt: skip

    def _volume(self, flow: Flow) -> Finding:
        size, time = amount(flow.bytes_out + flow.bytes_in), span(flow.end - flow.start)
        return self._threat(
            "low", flow.start, flow.end, (flow.src_ip, flow.dst_ip),
            f"exchanged {size} in pings within {time}, more than anybody pings with: data is carried, or a line is "
            "tested",
            _counts(flow) | {"seconds": max((flow.end - flow.start) // 1000, 1)},
        )  # fmt: skip

    def _threat(  # what a threat is made of
        self, severity: str, first: int, last: int, ends: tuple[Address, Address], deed: str, evidence: dict[str, Any]
    ) -> Finding:
        """Of the two `ends`, who pings is the first."""
        key, server = key_at(self._home, ends[0]), ends[1]
        other = self._home.owner(server)
        whom = called_by_key(self._home, other) if other else address_text(server)
        return threat(
            "icmp_tunnel", severity, first, last, device=key, target=address_text(server),
            description=f"{called_by_key(self._home, key)} and {whom} {deed}", recommendation=_DO, evidence=evidence,
        )  # fmt: skip


_DO = "find out which program sends them; a firewall that lets no pings through stops it"


def _is_due(pair: _Pair, much: int, time: int) -> bool:
    """Whether it is to be told now; if so, that is noted."""
    before, at = pair.told
    if at and (abs(time - at) < AGAIN or (much < 2 * before and abs(time - at) < ANYWAY)):
        return False
    pair.told = much, time
    return True


def _may_differ(flow: Flow) -> bool:
    """Whether its sizes can mean something: not where they are cut short, padded or sampled."""
    out, back = flow.bytes_out / flow.packets_out, flow.bytes_in / flow.packets_in
    if min(out, back) <= PADDED or (flow.source not in _EXACT and flow.packets_out != flow.packets_in):
        return False
    if flow.bytes_in > flow.bytes_out:
        return True
    varies = flow.bytes_out % flow.packets_out and flow.bytes_in % flow.packets_in
    return back > CUT_SHORT and varies > 0


def _unexplained(pair: _Pair, flow: Flow) -> int:
    """By how much the directions differ since the flow was told before, beyond pings that were lost."""
    counts = (flow.packets_out, flow.bytes_out, flow.packets_in, flow.bytes_in)
    before = pair.counted.pop(flow.id, _NOTHING)
    pair.counted[flow.id] = counts
    if len(pair.counted) > FLOWS:
        del pair.counted[next(iter(pair.counted))]
    out, sent, back, returned = (now - then for now, then in zip(counts, before, strict=True))
    return max(abs(sent - returned) - abs(out - back) * LARGEST, 0)


def _counts(flow: Flow) -> dict[str, int | float]:
    return {
        "packets_out": flow.packets_out, "bytes_out": flow.bytes_out, "packets_in": flow.packets_in,
        "bytes_in": flow.bytes_in, "bytes_per_ping_out": round(flow.bytes_out / flow.packets_out, 1),
        "bytes_per_ping_in": round(flow.bytes_in / flow.packets_in, 1),
    }  # fmt: skip


def _seconds(pair: _Pair) -> int:
    return max((pair.last - pair.first) // 1000, 1)
