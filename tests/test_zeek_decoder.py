"""Lines of Zeek's logs become flows and sightings, whatever the header says and however times are written."""

import itertools
import json
from collections import Counter
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netwatchd.addresses import parse_address
from netwatchd.decoders import log_lines, zeek
from netwatchd.decoders.json_lines import Malformed
from netwatchd.events import Flow, Sighting
from netwatchd.observations import DhcpMessage

NOW = 1_795_000_000_000
FIELDS = (  # noqa: SIM905  # 21 quotes would hide the words
    "ts uid id.orig_h id.orig_p id.resp_h id.resp_p proto service duration orig_bytes resp_bytes conn_state local_orig "
    "local_resp missed_bytes history orig_pkts orig_ip_bytes resp_pkts resp_ip_bytes tunnel_parents"
).split()
HEADER = [
    "#separator \\x09", "#set_separator\t,", "#empty_field\t(empty)", "#unset_field\t-", "#path\tconn",
    "#open\t2026-11-23-10-00-00", "#fields\t" + "\t".join(FIELDS),
    "#types\ttime\tstring\taddr\tport\taddr\tport\tenum",
]  # fmt: skip
VALUES = {
    "ts": "1795428000.123456", "uid": "CAbc1", "id.orig_h": "192.0.2.5", "id.orig_p": "50527",
    "id.resp_h": "198.51.100.7", "id.resp_p": "443", "proto": "tcp", "duration": "1.500600", "orig_bytes": "600",
    "resp_bytes": "9000", "conn_state": "SF", "orig_pkts": "10", "orig_ip_bytes": "1120", "resp_pkts": "12",
    "resp_ip_bytes": "9624",
}  # fmt: skip
JSON: dict[str, Any] = {
    "ts": 1795428000.123456, "uid": "CAbc1", "id.orig_h": "192.0.2.5", "id.orig_p": 50527, "id.resp_h": "198.51.100.7",
    "id.resp_p": 443, "proto": "tcp", "duration": 1.5006, "orig_bytes": 600, "resp_bytes": 9000, "conn_state": "SF",
    "orig_pkts": 10, "orig_ip_bytes": 1120, "resp_pkts": 12, "resp_ip_bytes": 9624,
}  # fmt: skip
EXPECTED = Flow(
    1, 1795428000123, 1795428001624, parse_address("192.0.2.5"), 50527, parse_address("198.51.100.7"), 443, 6, 10, 1120,
    12, 9624, "closed", "zeek",
)  # fmt: skip


def tsv(**values: str) -> str:
    return "\t".join(
        (VALUES | {name.replace("id_", "id."): v for name, v in values.items()}).get(f, "-") for f in FIELDS
    )


def as_json(**values: Any) -> str:
    merged = JSON | {name.replace("id_", "id."): value for name, value in values.items()}
    return json.dumps({name: value for name, value in merged.items() if value is not None})


def read(lines: Iterable[str], path: str | None = "conn") -> tuple[list[Flow | Sighting], Counter[str], Counter[str]]:
    ids = itertools.count(1)
    decoder, bad = zeek.ZeekDecoder(lambda _: next(ids), path), Counter[str]()
    found = list(log_lines.events((line.encode() for line in lines), decoder, NOW, bad))
    return found, decoder.skipped, bad


def only(lines: Iterable[str]) -> Any:
    found, skipped, bad = read(lines)
    assert not skipped
    assert not bad
    (event,) = (each for each in found if not isinstance(each, DhcpMessage))
    return event


def test_a_connection_is_the_same_flow_in_tsv_and_in_json() -> None:
    assert only([*HEADER, tsv()]) == EXPECTED
    assert only([as_json()]) == EXPECTED


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"ts": "2026-11-23T10:00:00.123456Z"}, {}),
        ({"ts": "2026-11-23T11:00:00.123456+0100"}, {}),
        ({"ts": "1795428000.123456", "duration": None}, {"end": 1795428000123}),
        ({"proto": "udp"}, {"protocol": 17}),
        ({"proto": "unknown_transport"}, {"protocol": 255}),
        ({"proto": "unknown_transport", "ip_proto": 2}, {"protocol": 2}),
        # An echo has an answer, whose type Zeek writes where the code is for others.
        ({"proto": "icmp", "id_orig_p": 8, "id_resp_p": 0}, {"protocol": 1, "src_port": 8, "dst_port": 0}),
        ({"proto": "icmp", "id_orig_p": 13, "id_resp_p": 14}, {"protocol": 1, "src_port": 13, "dst_port": 0}),
        ({"proto": "icmp", "id_orig_p": 3, "id_resp_p": 1}, {"protocol": 1, "src_port": 3, "dst_port": 1}),
        (
            {"proto": "icmp", "id_orig_h": "fe80::1", "id_resp_h": "ff02::2", "id_orig_p": 133, "id_resp_p": 134},
            {"protocol": 58, "src_ip": parse_address("fe80::1"), "dst_ip": parse_address("ff02::2"), "src_port": 133,
             "dst_port": 0},
        ),
        ({"conn_state": "S0"}, {"state": "unreplied"}),
        ({"conn_state": "REJ"}, {"state": "rejected"}),
        ({"conn_state": "RSTR"}, {"state": "reset"}),
        ({"conn_state": None}, {"state": "closed"}),
        # Without IP bytes there is the payload, which is better than nothing.
        ({"orig_ip_bytes": None, "resp_ip_bytes": None}, {"bytes_out": 600, "bytes_in": 9000}),
        ({"orig_ip_bytes": None, "orig_bytes": None, "orig_pkts": None}, {"bytes_out": 0, "packets_out": 0}),
    ],
)  # fmt: skip
def test_what_a_connection_becomes(given: dict[str, Any], expected: dict[str, Any]) -> None:
    wanted = EXPECTED._replace(**expected)
    assert only([as_json(**given)]) == wanted
    if "ip_proto" not in given:  # which is no field of the header
        texts = {name: "-" if value is None else str(value) for name, value in given.items()}
        assert only([*HEADER, tsv(**texts)]) == wanted


def test_milliseconds_and_nested_or_joined_names_are_read_too() -> None:
    assert only([as_json(ts=1795428000123, duration=1.501)]) == EXPECTED
    nested = json.loads(as_json())
    nested["id"] = {name: nested.pop(f"id.{name}") for name in ("orig_h", "orig_p", "resp_h", "resp_p")}
    assert only([json.dumps(nested)]) == EXPECTED
    assert only([as_json().replace('"id.', '"id_')]) == EXPECTED
    assert only([line.replace("id.", "id_") for line in [*HEADER, tsv()]]) == EXPECTED


def test_a_header_may_come_again_with_other_fields_and_another_separator() -> None:
    other = [name for name in reversed(FIELDS) if name not in ("service", "duration")]
    lines = [
        *HEADER, tsv(), "#close\t2026-11-23-11-00-00",
        "#separator \\x7c", "#unset_field|?", "#path|conn", "#fields|" + "|".join(other),
        "|".join(VALUES.get(name, "?") for name in other),
    ]  # fmt: skip
    first, second = read(lines)[0]
    assert (first, second) == (EXPECTED, EXPECTED._replace(id=2, end=EXPECTED.start))


def test_a_tab_behind_separator_is_read_as_the_space_is() -> None:
    assert only(["#separator\t\\x09", *HEADER[1:], tsv()]) == EXPECTED


def test_other_logs_are_skipped_and_counted_by_name() -> None:
    ssl = ["#separator \\x09", "#path\tssl", "#fields\tts\tserver_name", "1.0\tx.example", "2.0\ty.example"]
    rows = ['{"_path": "http", "ts": 1.0}', '{"_path": "../etc", "ts": 1.0}', '{"_path": 5}']
    found, skipped, bad = read([*ssl, *rows, *HEADER, tsv()])
    assert [type(event) for event in found] == [Flow]
    assert skipped == {"ssl": 2, "http": 1, "other": 2}
    assert not bad
    assert read(['{"ts": 1.0, "query": "x"}'], path=None)[1] == {"other": 1}


def test_local_sides_are_devices_with_the_mac_that_is_their_own() -> None:
    macs = {"orig_l2_addr": "02:00:00:00:00:05", "resp_l2_addr": "02:00:00:00:00:01"}
    outward = as_json(local_orig=True, local_resp=False, **macs)
    found = read([outward, outward, as_json(local_orig=True, local_resp=False)])[0]
    ours = Sighting(EXPECTED.end, "zeek", mac="02:00:00:00:00:05", ips=(EXPECTED.src_ip,))
    # The router's MAC beside a foreign address is not that host's; and what was told is not told again.
    assert [event for event in found if isinstance(event, Sighting)] == [
        ours, Sighting(EXPECTED.end, "zeek", ips=(EXPECTED.src_ip,)),
    ]  # fmt: skip
    scanned = as_json(local_orig=False, local_resp=True, resp_pkts=0)
    assert [type(event) for event in read([scanned])[0]] == [Flow]
    assert [type(event) for event in read([*HEADER, tsv(local_orig="T", local_resp="T")])[0]] == [
        Flow,
        Sighting,
        Sighting,
    ]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            {"ts": 9.5, "mac": "00:20:18:EB:CA:21", "assigned_addr": "192.0.2.9", "host_name": "tv",
             "msg_types": ["REQUEST", "ACK"]},
            Sighting(9500, "zeek", mac="00:20:18:eb:ca:21", ips=(parse_address("192.0.2.9"),), hostname="tv"),
        ),
        (
            {"ts": 9.5, "mac": "00:20:18:eb:ca:21", "client_addr": "192.0.2.9", "client_fqdn": "pc.home.example",
             "msg_types": ["INFORM", "ACK"]},
            Sighting(9500, "zeek", mac="00:20:18:eb:ca:21", ips=(parse_address("192.0.2.9"),), hostname="pc"),
        ),
        (  # refused: whose address it is remains open
            {"ts": 9.5, "mac": "00:20:18:eb:ca:21", "assigned_addr": "192.0.2.9", "msg_types": ["REQUEST", "NAK"]},
            Sighting(9500, "zeek", mac="00:20:18:eb:ca:21"),
        ),
        (
            {"ts": 9.5, "mac": "00:20:18:eb:ca:21", "host_name": "a\x1b[31mb", "msg_types": ["RELEASE"]},
            Sighting(9500, "zeek", mac="00:20:18:eb:ca:21", hostname="a\N{REPLACEMENT CHARACTER}[31mb", online=False),
        ),
    ],
)  # fmt: skip
def test_dhcp_tells_of_devices(line: dict[str, Any], expected: Sighting) -> None:
    assert only([json.dumps(line)]) == expected


def test_dhcp_of_older_zeeks_and_without_a_mac() -> None:
    header = ["#separator \\x09", "#unset_field\t-", "#path\tdhcp", "#fields\tts\tmac\tassigned_ip\tlease_time"]
    found, skipped, bad = read([*header, "9.5\t00:20:18:eb:ca:21\t192.0.2.9\t60.0", "9.5\t-\t192.0.2.9\t60.0"])
    told, granted = found
    assert told == Sighting(9500, "zeek", mac="00:20:18:eb:ca:21", ips=(parse_address("192.0.2.9"),))
    assert granted == DhcpMessage(9500, "zeek", 5, None, told.mac, told.ips[0], None)
    assert skipped == {"dhcp without mac": 1}
    assert not bad


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ([tsv()], "there is no #fields line before it"),
        ([*HEADER, tsv()[:-2]], "it should have as many fields as its header names"),
        ([*HEADER, tsv(ts="yesterday")], "ts should be a time"),
        ([*HEADER, tsv(ts="-1")], "ts should be a time between"),
        ([*HEADER, tsv(id_orig_h="192.0.2.256")], "id.orig_h"),
        ([*HEADER, tsv(id_resp_p="65536")], "id.resp_p should be"),
        ([*HEADER, tsv(orig_pkts="-4")], "orig_pkts should be"),
        ([*HEADER, tsv(orig_ip_bytes=str(2**53))], "orig_ip_bytes should be"),
        ([*HEADER, tsv(proto="carrier-pigeon")], "proto should be"),
        (['{"ts": 1.0, "conn_state": "SF"'], "it is no JSON"),
        (['{"_path": "conn", "ts": 1.0}'], "id.orig_h should be an address"),
        ([as_json(ts=True)], "ts should be a time"),
        ([as_json(duration="NaN")], "duration should be"),
        (["#path\tconn", "#fields\tts\tproto"], "its #fields lack id.orig_h, id.orig_p, id.resp_h, id.resp_p"),
        (["x" * (log_lines.MOST_LINE + 1)], "it is too long"),
    ],
)
def test_what_is_wrong_with_a_line_is_said_in_words_that_count_together(lines: list[str], reason: str) -> None:
    found, _, bad = read(lines)
    assert not found
    ((said, times),) = bad.items()
    assert said.startswith(reason)
    assert times == 1


@given(st.data())
def test_a_damaged_line_harms_no_other(data: st.DataObject) -> None:
    line = bytearray(data.draw(st.sampled_from([tsv().encode(), as_json().encode()])))
    for _ in range(data.draw(st.integers(1, 4))):
        line[data.draw(st.integers(0, len(line) - 1))] = data.draw(st.integers(0, 255))
    decoder, bad = zeek.ZeekDecoder(lambda now: now << 12, "conn"), Counter[str]()
    lines = [
        *(each.encode() for each in HEADER),
        bytes(line).replace(b"\n", b" "),
        *(e.encode() for e in HEADER),
        tsv().encode(),
    ]
    found = list(log_lines.events(lines, decoder, NOW, bad))
    assert found[-1] == EXPECTED._replace(id=NOW << 12)
    assert (
        len([each for each in found if isinstance(each, Flow)]) + sum(bad.values()) + sum(decoder.skipped.values()) <= 2
    )


@given(st.binary(max_size=200))
def test_any_bytes_are_events_or_malformed(line: bytes) -> None:
    decoder = zeek.ZeekDecoder(lambda now: now << 12)
    for each in (b"#fields\t" + line, b'{"conn_state":' + line, line):
        try:
            decoder.decode(each, NOW)
        except Malformed as error:
            assert str(error)


@pytest.mark.parametrize(
    ("first", "expected"),
    [
        ("\n".join(HEADER).encode(), True), (as_json().encode(), True), (b'{"_path":"dns","ts":1.0', True),
        (b'{"ts":1.0,"uids":["C1"],"mac":"x"}', True), (b"### baseline\n#separator \\x09\n", True),
        (b'{"timestamp":"2026","event_type":"flow"}', False), (b"#!/bin/sh\n", False),
        (b"", False), (b"\xd4\xc3", False),
    ],
)  # fmt: skip
def test_its_logs_are_told_by_their_beginning(first: bytes, expected: bool) -> None:
    assert zeek.looks_like(first) is expected
