"""A line of JSON becomes an event, or is Malformed with a sentence that says why; nothing else can happen."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from running import MAC

from netwatchd.addresses import parse_address
from netwatchd.broadcast import messages
from netwatchd.decoders.json_lines import Malformed, decode_line
from netwatchd.events import Flow, Sighting, Threat, ThreatStatus
from netwatchd.storage import schema

NOW = 1_795_435_200_000
FLOW = {"type": "flow", "src_ip": "192.168.1.5", "src_port": 4, "dst_ip": "::1", "dst_port": 5, "protocol": "tcp"}
DEVICE = {"type": "device", "mac": MAC}
THREAT = {"type": "threat", "kind": "scan", "description": "it scanned"}


def decode(line: Any) -> Sighting | Flow | Threat:
    raw = line if isinstance(line, bytes) else json.dumps(line).encode()
    return decode_line(raw, NOW, lambda now: now << 12)


def complaint(line: Any) -> str:
    with pytest.raises(Malformed) as caught:
        decode(line)
    return str(caught.value)


def test_a_flow_needs_its_five_tuple_only() -> None:
    assert decode(FLOW) == Flow(
        NOW << 12, NOW, NOW, 0xC0A80105, 4, parse_address("::1"), 5, 6, 0, 0, 0, 0, "closed", "json"
    )


def test_a_flow_is_taken_with_all_that_is_told_of_it() -> None:
    told = {"start": 1, "end": 2, "packets_out": 3, "bytes_out": 4, "packets_in": 5, "bytes_in": 6, "state": "reset",
            "source": "router", "protocol": "ICMPv6", "id": 7, "device": MAC, "unknown": [1]}  # fmt: skip
    flow = decode(FLOW | told)
    assert isinstance(flow, Flow)
    assert flow[1:3] == (1, 2)
    assert flow[7:] == (58, 3, 4, 5, 6, "reset", "router", None, None)


@pytest.mark.parametrize(("protocol", "number"), [("udp", 17), ("TCP", 6), (132, 132), ("47", 47), ("gre", 47), (0, 0)])
def test_a_protocol_is_a_name_or_a_number(protocol: Any, number: int) -> None:
    flow = decode(FLOW | {"protocol": protocol})
    assert isinstance(flow, Flow)
    assert flow.protocol == number


def test_a_device_needs_its_mac_or_an_address_only() -> None:
    assert decode({"type": "device", "mac": "A4-83-E7-00-00-01"}) == Sighting(NOW, "json", MAC)
    assert decode({"type": "device", "ip": "10.0.0.1"}) == Sighting(NOW, "json", None, (0x0A000001,))


def test_a_device_is_taken_with_all_that_is_told_of_it() -> None:
    told = {"ip": "10.0.0.1", "ips": ["10.0.0.2", "10.0.0.1"], "hostname": "h", "vendor": "v", "name": "n",
            "last_seen": 9, "status": "offline", "source": "leases"}  # fmt: skip
    assert decode(DEVICE | told) == Sighting(
        9, "leases", MAC, (0x0A000001, 0x0A000002), "h", "v", "n", online=False
    )  # fmt: skip


def test_a_threat_needs_its_kind_and_description_only() -> None:
    assert decode(THREAT) == Threat(
        0, "scan", "medium", None, None, "it scanned", None, {}, NOW, NOW, 1, ThreatStatus.OPEN
    )  # fmt: skip


def test_a_threat_is_taken_with_all_that_is_told_of_it() -> None:
    told = {"severity": "critical", "device": MAC.upper(), "target": "t", "recommendation": "r", "count": 4,
            "evidence": {"a": [1, {"b": None}]}, "first_seen": 1, "last_seen": 2, "status": "dismissed"}  # fmt: skip
    assert decode(THREAT | told) == Threat(
        0, "scan", "critical", MAC, "t", "it scanned", "r", {"a": [1, {"b": None}]}, 1, 2, 4, ThreatStatus.OPEN
    )


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"", "it is no JSON"),
        (b"{", "it is no JSON"),
        (b"[1]", "it should be an object"),
        (b"null", "it should be an object"),
        (b"\xff\xfe\xfa", "it is no JSON"),
        (b'{"type": "flow", "src_ip": NaN}', "NaN is no JSON number"),
        (b'{"a": Infinity}', "Infinity is no JSON number"),
        (b'{"type": "device", "mac": ' + b"9" * 5000 + b"}", "it is no JSON"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a":' * 100_000, "nested too deeply"),
        ({"type": "event"}, '"type" should be'),
        ({"type": ["flow"]}, '"type" should be'),
        ({}, '"type" should be'),
        ({k: v for k, v in FLOW.items() if k != "dst_port"}, '"dst_port" is missing'),
        (FLOW | {"src_ip": "1.2.3"}, "is no IP address"),
        (FLOW | {"src_ip": 7}, '"src_ip" should be an address as text'),
        (FLOW | {"src_ip": "1.2.3.4\0"}, "is no IP address"),
        (FLOW | {"src_port": 65536}, '"src_port" should be a whole number from 0 to 65535'),
        (FLOW | {"src_port": True}, '"src_port" should be a whole number'),
        (FLOW | {"src_port": -1}, '"src_port" should be a whole number'),
        (FLOW | {"protocol": "quic"}, '"protocol" should be'),
        (FLOW | {"protocol": 256}, '"protocol" should be'),
        (FLOW | {"protocol": None}, '"protocol" should be'),
        (FLOW | {"bytes_in": 2**53}, '"bytes_in" should be a whole number'),
        (FLOW | {"bytes_in": 2**70}, '"bytes_in" should be a whole number'),
        (FLOW | {"bytes_in": 1.5}, '"bytes_in" should be a whole number'),
        (FLOW | {"end": 2**52}, "before the year 10000"),
        (FLOW | {"state": "active"}, "a flow is told here once"),
        (FLOW | {"state": {"a": 1}}, '"state" should be text'),
        (FLOW | {"state": [1]}, '"state" should be text'),
        ({"type": "device"}, '"mac" or "ip" is missing'),
        (DEVICE | {"mac": "a4:83"}, "is no MAC address"),
        (DEVICE | {"mac": "ff:ff:ff:ff:ff:ff"}, "group or null address"),
        (DEVICE | {"mac": "00:00:5e:00:01:0a"}, "is a virtual router's address (VRRP, HSRP, ...)"),
        (DEVICE | {"mac": 5}, '"mac" should be text'),
        (DEVICE | {"ip": "127.0.0.1"}, "no address that a device can own"),
        (DEVICE | {"ip": "224.0.0.1"}, "no address that a device can own"),
        (DEVICE | {"ips": "10.0.0.1"}, '"ips" should be a list'),
        (DEVICE | {"ips": ["10.0.0.1"] * 17}, '"ips" should be a list of at most 16'),
        (DEVICE | {"ips": [None]}, "should be an address as text"),
        (DEVICE | {"status": "away"}, '"status" should be'),
        (DEVICE | {"hostname": "x" * 256}, '"hostname" should have at most 255'),
        (DEVICE | {"hostname": 5}, '"hostname" should be text'),
        ({"type": "threat", "kind": "x"}, '"description" is missing'),
        ({"type": "threat", "description": "x"}, '"kind" is missing'),
        (THREAT | {"severity": "awful"}, '"severity" should be one of'),
        (THREAT | {"severity": [1]}, '"severity" should be one of'),
        (THREAT | {"evidence": [1]}, '"evidence" should be an object'),
        (json.dumps(THREAT | {"evidence": {"a": 0}}).replace("0}", "1e999}").encode(), "too large"),
        (THREAT | {"count": "many"}, '"count" should be a whole number'),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_line_is_said(line: Any, words: str) -> None:
    assert words in complaint(line)


@pytest.mark.parametrize("depth", [30, 200, 900, 980, 2000])
def test_evidence_is_not_taken_deeper_than_it_can_be_written_down_again(depth: int) -> None:
    deep = b'{"type":"threat","kind":"k","description":"d","evidence":' + b'{"a":' * depth + b"1" + b"}" * (depth + 1)
    assert "nested" in complaint(deep)


def test_control_characters_do_not_reach_a_terminal() -> None:
    device = decode(DEVICE | {"hostname": "\x1b[31mred\nline\u202e\ud800"})
    assert isinstance(device, Sighting)
    assert device.hostname == "\ufffd[31mred\ufffdline\ufffd\ufffd"
    device = decode(DEVICE | {"hostname": "Ünal's läptop 🐪", "name": ""})
    assert isinstance(device, Sighting)
    assert (device.hostname, device.name) == ("Ünal's läptop 🐪", None)


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["tcp", MAC, "10.0.0.1", "::"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
KEYS = sorted({*FLOW, *DEVICE, *THREAT, "ip", "ips", "hostname", "last_seen", "status", "evidence", "count",
               "severity", "device", "start",
               "end", "bytes_in", "state", "source", "name", "target", "recommendation"})  # fmt: skip


def whatever(line: bytes) -> None:
    """Decodes; what comes out must be fit for the database and for the clients."""
    try:
        event = decode_line(line, NOW, lambda now: now << 12)
    except Malformed as error:
        assert str(error)
        return
    if isinstance(event, Threat):
        schema.threat_row(event)
        messages.update(1, NOW, event)
    elif isinstance(event, Flow):
        messages.update(1, NOW, event)
        assert all(isinstance(value, (int, bytes, str, type(None))) for value in event)
        assert all(value < 2**63 for value in event if isinstance(value, int))


@settings(max_examples=300)
@given(st.binary(max_size=200))
def test_any_bytes_are_an_event_or_malformed(line: bytes) -> None:
    whatever(line)


@settings(max_examples=500)
@given(st.sampled_from([FLOW, DEVICE, THREAT]), st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=5))
def test_any_json_is_an_event_or_malformed(line: dict[str, Any], changes: dict[str, Any]) -> None:
    whatever(json.dumps(line | changes).encode())
