"""Events of Suricata become flows and sightings, with bytes at IP level, and each flow once."""

import itertools
import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netwatchd.addresses import parse_address
from netwatchd.decoders import eve, log_lines
from netwatchd.decoders.json_lines import Malformed
from netwatchd.events import Flow, Sighting
from netwatchd.observations import DhcpMessage

NOW = 1_795_000_000_000
Event = dict[str, Any]
FLOW: Event = {
    "timestamp": "2026-11-23T10:01:00.000000+0000", "flow_id": 7, "event_type": "flow", "src_ip": "192.0.2.5",
    "src_port": 50212, "dest_ip": "198.51.100.7", "dest_port": 443, "proto": "TCP", "app_proto": "tls",
    "flow": {
        "pkts_toserver": 10, "pkts_toclient": 12, "bytes_toserver": 1260, "bytes_toclient": 9792,
        "start": "2026-11-23T10:00:00.123456+0000", "end": "2026-11-23T10:00:01.624999+0000", "age": 1,
        "state": "closed", "reason": "timeout", "alerted": False,
    },
    "tcp": {"tcp_flags": "1b", "syn": True, "fin": True, "psh": True, "ack": True, "state": "closed"},
}  # fmt: skip
EXPECTED = Flow(
    1, 1795428000123, 1795428001624, parse_address("192.0.2.5"), 50212, parse_address("198.51.100.7"), 443, 6, 10, 1120,
    12, 9624, "closed", "eve",
)  # fmt: skip


def event(*, flow: Event | None = None, **values: Any) -> Event:
    merged = FLOW | values | {"flow": FLOW["flow"] | (flow or {})}
    merged["flow"] = {name: value for name, value in merged["flow"].items() if value is not None}
    return {name: value for name, value in merged.items() if value is not None}


def half(flow_id: int | None, to_server: bool = True, **values: Any) -> Event:
    """One direction of the flow above."""
    there, back = ("src_ip", "src_port", "dest_ip", "dest_port"), ("dest_ip", "dest_port", "src_ip", "src_port")
    ends = dict(zip(there, (FLOW[name] for name in (there if to_server else back)), strict=True))
    side = "toserver" if to_server else "toclient"
    counts = {name: FLOW["flow"][name] for name in ("start", "end", "age")}
    counts |= {"pkts": FLOW["flow"][f"pkts_{side}"], "bytes": FLOW["flow"][f"bytes_{side}"]}
    told = {"timestamp": FLOW["timestamp"], "flow_id": flow_id, "event_type": "netflow", "proto": "TCP"}
    return told | ends | {"netflow": counts} | values


def read(events: list[Event], link_header: int = 14) -> tuple[list[Flow | Sighting], Counter[str], Counter[str]]:
    ids = itertools.count(1)
    decoder, bad = eve.EveDecoder(lambda _: next(ids), link_header), Counter[str]()
    found = list(log_lines.events((json.dumps(each).encode() for each in events), decoder, NOW, bad))
    return found, +decoder.skipped, bad


def only(*events: Event) -> Any:
    found, skipped, bad = read(list(events))
    assert not skipped
    assert not bad
    (single,) = (each for each in found if not isinstance(each, DhcpMessage))
    return single


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (event(), {}),
        (event(timestamp="2026-11-23T12:00:00+0200", flow={"start": None, "end": None, "age": 3}),
         {"start": 1795427997000, "end": 1795428000000}),
        (event(vlan=[13, 10]), {"bytes_out": 1040, "bytes_in": 9528}),
        (event(flow={"bytes_toserver": 100}), {"bytes_out": 0}),
        (event(tcp={"rst": True}), {"state": "reset"}),
        (event(flow={"state": "new", "pkts_toclient": 0, "bytes_toclient": 0}),
         {"state": "unreplied", "packets_in": 0, "bytes_in": 0}),
        (event(flow={"state": "new"}), {}),
        (event(flow={"state": "bypassed"}), {}),
        (event(proto="ICMP", src_port=None, dest_port=None, icmp_type=8, icmp_code=0),
         {"protocol": 1, "src_port": 8, "dst_port": 0}),
        (event(proto="IPv6-ICMP", src_ip="fe80::1", dest_ip="ff02::1", src_port=None, dest_port=None, icmp_type=134,
               icmp_code=0),
         {"protocol": 58, "src_ip": parse_address("fe80::1"), "dst_ip": parse_address("ff02::1"), "src_port": 134,
          "dst_port": 0}),
        (event(proto="UDP"), {"protocol": 17}),
        (event(proto="SCTP"), {"protocol": 132}),
        (event(proto="002", src_port=None, dest_port=None), {"protocol": 2, "src_port": 0, "dst_port": 0}),
        ({"firewall_name": "fw", "event": event()}, {}),
        # A netflow event is one direction; its answer, if there is one, has the same flow_id.
        (half(None), {"packets_in": 0, "bytes_in": 0, "state": "unreplied"}),
        (half(7), {"packets_in": 0, "bytes_in": 0, "state": "unreplied"}),
    ],
)  # fmt: skip
def test_what_an_event_becomes(given: Event, expected: dict[str, Any]) -> None:
    assert only(given) == EXPECTED._replace(**expected)


def test_without_ethernet_nothing_is_taken_away() -> None:
    (flow,), _, _ = read([event(vlan=[13])], link_header=0)
    assert isinstance(flow, Flow)
    assert (flow.bytes_out, flow.bytes_in) == (1260, 9792)


def test_the_two_halves_of_a_flow_are_joined_also_where_others_write_in_between() -> None:
    assert only(half(7), half(7, to_server=False)) == EXPECTED
    found, _, _ = read([half(7), half(8), half(8, to_server=False), half(7, to_server=False), half(9)])
    assert [(flow.packets_out, flow.packets_in) for flow in found if isinstance(flow, Flow)] == [
        (10, 12),
        (10, 12),
        (10, 0),
    ]
    assert only(half(7), half(7, to_server=False, tcp={"rst": True})) == EXPECTED._replace(state="reset")
    ping = {"proto": "ICMP", "icmp_type": 8, "icmp_code": 0}
    pong = {"proto": "ICMP", "icmp_type": 0, "icmp_code": 0}
    assert only(half(7, **ping), half(7, to_server=False, **pong)) == EXPECTED._replace(
        protocol=1, src_port=8, dst_port=0
    )


def test_a_half_without_answer_waits_for_a_thousand_lines_only() -> None:
    decoder = eve.EveDecoder(lambda now: now)
    other = json.dumps({"event_type": "stats"}).encode()
    assert decoder.decode(json.dumps(half(7)).encode(), NOW) == []
    assert decoder.waiting == 1
    told = [decoder.decode(other, NOW) for _ in range(eve.MOST_LINES_BETWEEN + 1)]
    assert [len(each) for each in told] == [0] * eve.MOST_LINES_BETWEEN + [1]
    assert decoder.waiting == 0
    # An answer that comes too late is a flow of its own, as it would be if nobody had seen the first half.
    decoder.decode(json.dumps(half(7, to_server=False)).encode(), NOW)
    assert len(decoder.finish(NOW)) == 1


def test_a_flood_of_halves_is_bounded() -> None:
    decoder = eve.EveDecoder(lambda now: now)
    found = [
        flow for n in range(eve.MOST_LINES_BETWEEN * 3) for flow in decoder.decode(json.dumps(half(n)).encode(), NOW)
    ]
    assert len(found) + len(decoder.finish(NOW)) == eve.MOST_LINES_BETWEEN * 3
    assert decoder.waiting == 0


def test_a_flow_id_that_comes_again_for_another_flow_joins_nothing() -> None:
    found, _, _ = read([half(7), half(7)])
    assert [(flow.packets_out, flow.packets_in) for flow in found if isinstance(flow, Flow)] == [(10, 0), (10, 0)]


@pytest.mark.parametrize("events", [
    [event(), half(7), half(7, to_server=False)],
    [half(7), half(7, to_server=False), event()],
    [half(7), event(), half(7, to_server=False)],
])  # fmt: skip
def test_where_both_kinds_are_written_each_flow_is_told_once(events: list[Event]) -> None:
    before = [half(6), half(6, to_server=False), half(5)]
    later = [event(flow_id=6), event(flow_id=5), half(8), event(flow_id=8), half(8, to_server=False)]
    found, skipped, bad = read(before + events + later)
    assert [each._replace(id=1) for each in found if isinstance(each, Flow)] == [EXPECTED] * 4
    assert len(found) == 4
    assert sum(skipped.values()) >= 3
    assert not bad


def test_netflow_events_count_again_when_flow_events_are_switched_off() -> None:
    decoder = eve.EveDecoder(lambda now: now)
    decoder.decode(json.dumps(event()).encode(), NOW)
    line = json.dumps(half(9)).encode()
    assert not any(decoder.decode(line, NOW) for _ in range(eve.MOST_LINES_WITHOUT))
    assert decoder.skipped["netflow"] == eve.MOST_LINES_WITHOUT
    decoder.decode(line, NOW)
    assert decoder.decode(json.dumps(half(9, to_server=False)).encode(), NOW) == [EXPECTED._replace(id=NOW)]


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"type": "reply", "client_mac": "00:20:18:EB:CA:21", "assigned_ip": "192.0.2.9", "dhcp_type": "ack"},
         {"ips": (parse_address("192.0.2.9"),)}),
        ({"type": "reply", "client_mac": "00:20:18:eb:ca:21", "assigned_ip": "192.0.2.9"},
         {"ips": (parse_address("192.0.2.9"),)}),
        ({"type": "reply", "client_mac": "00:20:18:eb:ca:21", "assigned_ip": "192.0.2.9", "dhcp_type": "offer"}, {}),
        ({"type": "request", "client_mac": "00:20:18:eb:ca:21", "client_ip": "192.0.2.9", "hostname": "nas1\0",
          "dhcp_type": "request", "assigned_ip": "0.0.0.0"},
         {"ips": (parse_address("192.0.2.9"),), "hostname": "nas1"}),
        ({"type": "request", "client_mac": "00:20:18:eb:ca:21", "dhcp_type": "release"}, {"online": False}),
    ],
)  # fmt: skip
def test_dhcp_tells_of_devices(told: Event, expected: dict[str, Any]) -> None:
    line = {"timestamp": "2026-11-23T10:00:00.5Z", "event_type": "dhcp", "dhcp": told}
    assert only(line) == Sighting(**{"time": 1795428000500, "source": "eve", "mac": "00:20:18:eb:ca:21"} | expected)


def test_other_events_are_skipped_and_counted_by_type() -> None:
    lines = [{"event_type": kind} for kind in ("http", "http", "stats", "smb", None, 5, "No Such Type")]
    found, skipped, bad = read([*lines, {"event_type": "dhcp", "dhcp": {"type": "request"}}])
    assert not found
    assert not bad
    assert skipped == {"http": 2, "stats": 1, "smb": 1, "other": 3, "dhcp without mac": 1}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (event(proto="carrier-pigeon"), "proto should be"), (event(src_ip=None), "src_ip should be an address"),
        (event(flow={"pkts_toserver": -1}), "pkts_toserver should be"),
        (event(dest_port="many"), "dest_port should be"),
        (event(flow={"start": "2026-13-01T00:00:00Z"}), "'2026-13-01T00:00:00Z' is no time"),
        (event() | {"flow": 5}, 'a flow event should have an object "flow"'),
        (half(1) | {"netflow": None}, 'a netflow event should have an object "netflow"'),
        ({"event_type": "dhcp", "dhcp": []}, 'a dhcp event should have an object "dhcp"'),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_line_is_said(line: Event, reason: str) -> None:
    found, _, bad = read([line])
    assert not found
    assert list(bad.values()) == [1]
    assert next(iter(bad)).startswith(reason)


@given(st.data())
def test_a_damaged_line_harms_no_other(data: st.DataObject) -> None:
    line = bytearray(json.dumps(data.draw(st.sampled_from([event(), half(9)]))).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        line[data.draw(st.integers(0, len(line) - 1))] = data.draw(st.integers(0, 255))
    decoder, bad = eve.EveDecoder(lambda now: now), Counter[str]()
    lines = [bytes(line), json.dumps(event(flow_id=99)).encode()]
    assert EXPECTED._replace(id=NOW) in list(log_lines.events(lines, decoder, NOW, bad))


@given(st.binary(max_size=200))
def test_any_bytes_are_events_or_malformed(line: bytes) -> None:
    decoder = eve.EveDecoder(lambda now: now)
    try:
        decoder.decode(line, NOW)
    except Malformed as error:
        assert str(error)


def test_its_logs_are_told_by_their_beginning() -> None:
    assert eve.looks_like(json.dumps(event()).encode()[:200])
    assert not eve.looks_like(b'{"ts": 1.0, "uid": "C1", "id.orig_h": "192.0.2.1"}')
    assert not eve.looks_like(b"")
