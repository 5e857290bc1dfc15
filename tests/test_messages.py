"""Events as JSON and frames."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websocket_kit import device, flow, split_frame, threat

from netwatchd.addresses import parse_address
from netwatchd.broadcast import messages
from netwatchd.broadcast.messages import Snapshot, Stats, device_json, flow_json, threat_json
from netwatchd.events import Flow, Origin

whole = st.integers(0, 2**63 - 1)
addresses = st.integers(0, 2**32 - 1) | st.binary(min_size=16, max_size=16)
texts = st.text() | st.just("\ud800 lone")
flows = st.builds(
    Flow, whole, whole, whole, addresses, st.integers(0, 65535), addresses, st.integers(0, 65535), st.integers(0, 255),
    whole, whole, whole, whole, texts, texts,
    st.none() | st.builds(Origin, addresses, whole, whole, st.booleans()), st.none() | texts,
)  # fmt: skip


def said(frame: bytes) -> dict:
    opcode, payload, rest = split_frame(frame)
    assert (opcode, rest) == (1, b"")
    return json.loads(payload.decode("utf-8"))


@given(flows)
def test_a_flow_update_says_the_same_as_flow_json(one: Flow) -> None:
    expected = {"type": "flow_update", "seq": 7, "time": 8, "flow": flow_json(one)}
    assert said(messages.update(7, 8, one)) == json.loads(json.dumps(expected))


def test_a_device_has_the_public_names_and_its_addresses_as_text() -> None:
    addressed = device_json(device(1).__class__(*_fields(ips=(parse_address("fe80::1"), parse_address("10.0.0.9")))))
    assert list(addressed) == [
        "mac", "ips", "ip", "hostname", "vendor", "name", "first_seen", "last_seen", "status", "random_mac",
        "bytes_in", "bytes_out", "sources", "kind", "model", "macs", "evidence", "usual_silence",
    ]  # fmt: skip
    assert addressed["ips"] == ["fe80::1", "10.0.0.9"]
    assert addressed["ip"] == "fe80::1"
    assert addressed["random_mac"] is True
    assert addressed["sources"] == ["test"]


def test_a_device_without_address_has_null_as_ip() -> None:
    assert device_json(device(1).__class__(*_fields(ips=())))["ip"] is None


def _fields(**changed: object) -> list:
    one = device(1)
    return [changed.get(name, getattr(one, name)) for name in one.__dataclass_fields__]


def test_a_flow_tells_of_its_exporter_only_where_it_has_one() -> None:
    origin = Origin(parse_address("192.0.2.7"), 256, 100, clock_trusted=False)
    told = {"exporter": "192.0.2.7", "domain": 256, "sampling": 100, "clock_trusted": False}
    assert flow_json(flow(1)._replace(origin=origin)) == flow_json(flow(1)) | told
    assert not told.keys() & flow_json(flow(1)).keys()


def test_a_flow_has_protocols_by_name_or_number() -> None:
    assert flow_json(flow(1))["protocol"] == "tcp"
    assert flow_json(flow(1)._replace(protocol=199))["protocol"] == "199"


def test_a_threat_has_the_public_names() -> None:
    assert list(threat_json(threat(5, ports=30))) == [
        "id", "kind", "severity", "device", "target", "description", "recommendation", "evidence", "first_seen",
        "last_seen", "count", "status", "mute",
    ]  # fmt: skip
    assert said(messages.update(1, 2, threat(5, ports=30)))["threat"]["evidence"] == {"ports": 30}


def test_stats_are_sent_as_they_are() -> None:
    message = said(messages.update(3, 4, Stats({"flows": 5})))
    assert message == {"type": "stats", "seq": 3, "time": 4, "stats": {"flows": 5}}


def test_a_snapshot_leaves_out_only_what_json_cannot_say() -> None:
    state = Snapshot([device(1)], [threat(1, share=float("nan")), threat(2)], {"x": 1})
    message = said(messages.snapshot(9, state))
    assert [one["id"] for one in message["threats"]] == [2]
    assert len(message["devices"]) == 1
    assert message["stats"] == {"x": 1}


def test_an_event_that_json_cannot_say_is_an_error_and_no_broken_json() -> None:
    with pytest.raises(ValueError, match="JSON"):
        messages.update(1, 1, threat(1, share=float("nan")))


def test_a_gap_carries_the_number_after_which_the_stream_goes_on() -> None:
    message = said(messages.gap(46, 59, "slow client"))
    assert message == {"type": "gap", "seq": 59, "missed": [46, 59], "reason": "slow client"}


@pytest.mark.parametrize("size", [0, 125, 126, 65535, 65536, 70000])
def test_a_frame_of_any_size_is_read_back_whole(size: int) -> None:
    assert split_frame(messages.frame(b"x" * size) + b"next") == (1, b"x" * size, b"next")


def test_a_close_frame_never_exceeds_a_control_frame() -> None:
    opcode, payload, _ = split_frame(messages.closing(1001, "x" * 500))
    assert opcode == 8
    assert payload[:2] == b"\x03\xe9"
    assert len(payload) <= 125
