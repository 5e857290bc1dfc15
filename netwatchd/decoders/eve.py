"""Suricata's eve.json: its flow and netflow events as flows, dhcp as sightings, dns as questions, alerts as threats.

What a flow becomes (docs.suricata.io, "Eve JSON Format"):

* Suricata counts whole frames. IP bytes are what remains without the Ethernet header, 14 bytes a packet and 4 more for
  each VLAN tag that the event names. On an interface without Ethernet (tun, ppp) nothing is to be taken away: that is
  `link_header`. The padding of short frames is not known and stays in: up to 6 bytes a packet that came in.
* A `flow` event has both directions. `netflow` events have one each: the two halves of a flow, to the server first,
  have the same `flow_id` and are joined. A half that stays alone becomes a flow without answer. Where both kinds are
  written, the `flow` events are taken and the `netflow` events skipped.
* `flow.state` new, without an answer, is `unreplied`; a flow that a RST ended is `reset`; the others are `closed`.
* ICMP ports are type and code. A name of a protocol may be a number ("002").

Other events are skipped and counted by their type.
"""

import json
import re
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

from netwatchd.addresses import is_host, parse_station
from netwatchd.decoders import dhcp_logs, dns_logs, eve_alerts, log_values
from netwatchd.decoders.json_lines import Malformed
from netwatchd.decoders.log_lines import LogEvent
from netwatchd.events import Flow, Sighting

SOURCE = "eve"
ETHERNET = 14  # bytes of a frame before its IP packet
VLAN_TAG = 4
# How many lines the other half of a flow may come later. One thread of Suricata writes both, one behind the other, but
# others may write in between.
MOST_LINES_BETWEEN = 1000
# After so many lines without a flow event these are taken to be switched off, and netflow events count again.
MOST_LINES_WITHOUT = 10_000
MOST_WAIT = 5_000  # milliseconds that it may come later, by the time at which lines are read


def looks_like(first: bytes) -> bool:
    """Whether a file that begins with these bytes is an eve.json."""
    line = first.lstrip().split(b"\n", 1)[0]
    return line.startswith(b"{") and b'"event_type"' in line


class _Half(NamedTuple):
    """One direction of a flow, which waits for the other one."""

    flow: Flow
    line: int
    read_at: int  # Unix ms


class EveDecoder:
    """Decodes the lines of one eve.json after the other."""

    def __init__(self, new_id: Callable[[int], int], link_header: int = ETHERNET) -> None:
        """`new_id(now)` gives a flow its id; `link_header` is what a frame has before its IP packet, in bytes."""
        self.skipped: Counter[str] = Counter()
        self.has_flows = False  # flow events were seen, so that netflow events tell nothing new
        self._new_id = new_id
        self._link_header = link_header
        self._line = self._flow_line = 0
        self._halves: dict[int, _Half] = {}  # by flow_id, the oldest first
        self._told: dict[int, int] = {}  # flow_id -> line, of flows that netflow events told, the oldest first

    @property
    def waiting(self) -> int:
        """How many of the last lines must be read again by a decoder that knows nothing of this one's halves."""
        return self._line - next(iter(self._halves.values())).line + 1 if self._halves else 0

    def decode(self, line: bytes, now: int) -> list[LogEvent]:
        """The events that the line completes; raises Malformed."""
        self._line += 1
        found = self._event(_object(line), now) if line.strip() else []
        return [*self.overdue(now), *found] if self._halves else found

    def finish(self, now: int) -> list[LogEvent]:
        """The flows whose other half has not come."""
        alone = [half.flow._replace(id=self._new_id(now)) for half in self._halves.values()]
        for flow_id in self._halves:
            self._remember(flow_id)
        self._halves.clear()
        return list(alone)

    def _event(self, value: dict[str, Any], now: int) -> list[LogEvent]:
        kind = value.get("event_type")
        if kind == "flow":
            return self._flow(value, now)
        if kind == "netflow":
            return self._netflow(value, now)
        if kind == "dhcp":
            return self._dhcp(value)
        if kind == "dns":
            asked = dns_logs.of_eve(value, SOURCE)
            if not asked:
                self.skipped["dns"] += 1
            return list(asked)
        if kind == "alert":
            return list(eve_alerts.threat(value, self.skipped, SOURCE))
        self.skipped[kind if isinstance(kind, str) and re.fullmatch(r"[a-z0-9_]{1,30}", kind) else "other"] += 1
        return []

    def overdue(self, now: int) -> list[LogEvent]:
        """The flows whose other half has not come by `now` (Unix ms)."""
        alone: list[LogEvent] = []
        while self._halves:
            flow_id, half = next(iter(self._halves.items()))
            # A clock that was set back must not keep a half for ever.
            if self._line - half.line <= MOST_LINES_BETWEEN and abs(now - half.read_at) <= MOST_WAIT:
                break
            del self._halves[flow_id]
            self._remember(flow_id)
            alone.append(half.flow._replace(id=self._new_id(now)))
        return alone

    def _flow(self, value: dict[str, Any], now: int) -> list[LogEvent]:
        counts = value.get("flow")
        if not isinstance(counts, dict):
            raise Malformed('a flow event should have an object "flow"')
        packets, back = _count(counts, "pkts_toserver"), _count(counts, "pkts_toclient")
        flow = self._common(value, counts)._replace(
            packets_out=packets,
            bytes_out=self._ip_bytes(value, _count(counts, "bytes_toserver"), packets),
            packets_in=back,
            bytes_in=self._ip_bytes(value, _count(counts, "bytes_toclient"), back),
            state=_state(value, counts, answered=bool(back)),
        )
        if not self.has_flows:
            # The first of its kind: from here on the netflow events tell the same once more.
            self.has_flows = True
            self.skipped["netflow"] += len(self._halves)
            self._halves.clear()
        self._flow_line = self._line
        flow_id = value.get("flow_id")
        told = self._told.pop(flow_id, None) if isinstance(flow_id, int) else None
        if told is not None and self._line - told <= MOST_LINES_BETWEEN:
            self.skipped["flow"] += 1
            return []
        return [flow._replace(id=self._new_id(now))]

    def _netflow(self, value: dict[str, Any], now: int) -> list[LogEvent]:
        if self.has_flows and self._line - self._flow_line <= MOST_LINES_WITHOUT:
            self.skipped["netflow"] += 1
            return []
        self.has_flows = False
        counts = value.get("netflow")
        if not isinstance(counts, dict):
            raise Malformed('a netflow event should have an object "netflow"')
        packets = _count(counts, "pkts")
        size = self._ip_bytes(value, _count(counts, "bytes"), packets)
        flow = self._common(value, counts)._replace(packets_out=packets, bytes_out=size)
        flow_id = value.get("flow_id")
        if type(flow_id) is not int:
            return [flow._replace(id=self._new_id(now), state="unreplied")]
        first = self._halves.pop(flow_id, None)
        if first is None or not _is_answer(first.flow, flow):
            self._halves[flow_id] = _Half(
                flow._replace(state="reset" if _was_reset(value) else "unreplied"), self._line, now
            )
            return [] if first is None else [first.flow._replace(id=self._new_id(now))]
        self._remember(flow_id)
        there = first.flow
        return [
            there._replace(
                id=self._new_id(now),
                start=min(there.start, flow.start),
                end=max(there.end, flow.end),
                packets_in=flow.packets_out,
                bytes_in=flow.bytes_out,
                state="reset" if there.state == "reset" or _was_reset(value) else "closed",
            )
        ]

    def _remember(self, flow_id: int) -> None:
        """Keeps in mind, for a while, what netflow events told: a flow event may follow that tells it again."""
        self._told.pop(flow_id, None)
        self._told[flow_id] = self._line
        if len(self._told) > MOST_LINES_BETWEEN:
            del self._told[next(iter(self._told))]

    def _common(self, value: dict[str, Any], counts: dict[str, Any]) -> Flow:
        """A flow with all but its id, which it gets when it is told, its counters and its state."""
        src, dst = (
            log_values.address(value.get("src_ip"), "src_ip"),
            log_values.address(value.get("dest_ip"), "dest_ip"),
        )
        protocol = log_values.protocol(value.get("proto"), "proto")
        if protocol == log_values.ICMP and not isinstance(src, int):
            protocol = log_values.ICMP6
        is_icmp = protocol in (log_values.ICMP, log_values.ICMP6)
        ports = ("icmp_type", "icmp_code") if is_icmp and "icmp_type" in value else ("src_port", "dest_port")
        src_port, dst_port = (log_values.port(value.get(name) or 0, name) for name in ports)
        end = counts.get("end") or value.get("timestamp")
        last = log_values.micros(end, "end" if "end" in counts else "timestamp")
        if (start := counts.get("start")) is not None:
            first = log_values.micros(start, "start")
        else:
            first = max(last - log_values.interval(counts.get("age") or 0, "age"), 0)
        return Flow(
            0, first // 1000, max(last, first) // 1000, src, src_port, dst, dst_port, protocol,
            0, 0, 0, 0, "closed", SOURCE,
        )  # fmt: skip

    def _ip_bytes(self, value: dict[str, Any], frames: int, packets: int) -> int:
        tags = value.get("vlan")
        header = self._link_header + (VLAN_TAG * len(tags) if isinstance(tags, list) and self._link_header else 0)
        return max(frames - header * packets, 0)

    def _dhcp(self, value: dict[str, Any]) -> list[LogEvent]:
        told = value.get("dhcp")
        if not isinstance(told, dict):
            raise Malformed('a dhcp event should have an object "dhcp"')
        try:
            mac = parse_station(told["client_mac"])
        except (KeyError, ValueError, AttributeError):
            self.skipped["dhcp without mac"] += 1
            return []
        kind = told.get("dhcp_type")
        # Without `extended` there is no type, and only what was acknowledged is written.
        granted = told.get("type") == "reply" and kind in (None, "ack")
        texts = [told.get("assigned_ip") if granted else None, told.get("client_ip")]
        ips = [log_values.address(text, "the client's address") for text in texts if text]
        time = log_values.micros(value.get("timestamp"), "timestamp") // 1000
        hosts = tuple(dict.fromkeys(ip for ip in ips if is_host(ip)))[:1]
        host = log_values.name_of(told.get("hostname"))
        seen = Sighting(time, SOURCE, mac=mac, ips=hosts, hostname=host, online=kind != "release")
        return [seen, *dhcp_logs.of_eve(time, SOURCE, mac, value, told)]


def _object(line: bytes) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise Malformed(f"it is no JSON: {error}") from None
    if not isinstance(value, dict):
        raise Malformed("it should be an object, {...}")
    # AWS Network Firewall, which runs Suricata, puts each event into an envelope.
    inner = value.get("event")
    return inner if isinstance(inner, dict) and "event_type" in inner else value


def _count(counts: dict[str, Any], name: str) -> int:
    value = counts.get(name)
    return 0 if value is None else log_values.count(value, name)


def _is_answer(there: Flow, back: Flow) -> bool:
    """Whether one half goes the other way than the other one."""
    if there.protocol in (log_values.ICMP, log_values.ICMP6):
        return (there.src_ip, there.dst_ip) == (back.dst_ip, back.src_ip)
    return there[3:7] == (*back[5:7], *back[3:5])


def _was_reset(value: dict[str, Any]) -> bool:
    tcp = value.get("tcp")
    return isinstance(tcp, dict) and tcp.get("rst") is True


def _state(value: dict[str, Any], counts: dict[str, Any], *, answered: bool) -> str:
    if _was_reset(value):
        return "reset"
    return "unreplied" if counts.get("state") == "new" and not answered else "closed"
