"""What Argus prints becomes flows, with bytes at IP level and the side that opened them first."""

import itertools
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netwatchd.addresses import parse_address
from netwatchd.decoders import argus, log_lines
from netwatchd.events import Flow

HEADER = "StartTime,Dur,Proto,SrcAddr,Sport,Dir,DstAddr,Dport,State,sTos,dTos,TotPkts,TotBytes,SrcBytes,SrcPkts,Label"
CTU13 = HEADER.replace("SrcPkts,", "")
LINE: dict[str, Any] = {
    "StartTime": "2018/12/18 14:00:00.527012", "Dur": "1.5", "Proto": "tcp", "SrcAddr": "192.0.2.5", "Sport": "52798",
    "Dir": "  ->", "DstAddr": "198.51.100.7", "Dport": "443", "State": "FSPA_FSPA", "sTos": "0", "dTos": "0",
    "TotPkts": "10", "TotBytes": "2140", "SrcBytes": "656", "SrcPkts": "4", "Label": "flow=Background, a label",
}  # fmt: skip
EXPECTED = Flow(
    1, 1545141600527, 1545141602027, parse_address("192.0.2.5"), 52798, parse_address("198.51.100.7"), 443, 6, 4, 600,
    6, 1400, "closed", "argus",
)  # fmt: skip


def read(*lines: str, zone: int = 0) -> tuple[list[Any], Counter[str], Counter[str]]:
    ids = itertools.count(1)
    decoder, bad = argus.ArgusDecoder(lambda _: next(ids), lambda _: zone), Counter[str]()
    return list(log_lines.events((line.encode() for line in lines), decoder, 0, bad)), +decoder.skipped, bad


def only(header: str = HEADER, zone: int = 0, **values: str) -> Flow:
    told = LINE | values
    (found,), skipped, bad = read(header, ",".join(told.get(name, "") for name in header.split(",")), zone=zone)
    assert not skipped
    assert not bad
    assert isinstance(found, Flow)
    return found


BACK = {"src_ip": EXPECTED.dst_ip, "src_port": 443, "dst_ip": EXPECTED.src_ip, "dst_port": 52798, "packets_out": 6,
        "bytes_out": 1400, "packets_in": 4, "bytes_in": 600}  # fmt: skip


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, {}),
        ({"StartTime": "1545141600.527012"}, {}),
        ({"State": "S_RA"}, {"state": "rejected"}),
        ({"State": "S_R"}, {"state": "rejected"}),
        ({"State": "SPA_SRPA"}, {"state": "reset"}),
        ({"State": "SRPA_SPA"}, {"state": "reset"}),
        ({"State": "S_", "TotPkts": "4", "TotBytes": "656"},
         {"state": "unreplied", "packets_in": 0, "bytes_in": 0}),
        ({"State": "PA_", "TotPkts": "4", "TotBytes": "656"}, {"packets_in": 0, "bytes_in": 0}),
        ({"State": "REQ", "TotPkts": "4", "TotBytes": "656"},
         {"state": "unreplied", "packets_in": 0, "bytes_in": 0}),
        ({"State": "RST"}, {"state": "reset"}),
        ({"State": "CON", "Proto": "udp"}, {"protocol": 17}),
        ({"State": "CON", "Proto": "rtp"}, {"protocol": 17}),
        ({"State": "INT", "Proto": "udp", "TotPkts": "4", "TotBytes": "656"},
         {"protocol": 17, "state": "unreplied", "packets_in": 0, "bytes_in": 0}),
        ({"Dir": "  <-"}, BACK), ({"Dir": " <|"}, BACK), ({"Dir": "  <?>"}, {}), ({"Dir": "get_message  ->"}, {}),
        ({"Dir": "  <-", "State": "RA_S"}, BACK | {"state": "rejected"}),
        ({"Proto": "icmp", "Sport": "0x0008", "Dport": "0x0f72", "State": "ECO", "Dir": "<->"},
         {"protocol": 1, "src_port": 8, "dst_port": 0}),
        ({"Proto": "icmp", "Sport": "0x0303", "Dport": "", "State": "URP"},
         {"protocol": 1, "src_port": 3, "dst_port": 3}),
        ({"Proto": "igmp", "Sport": "", "Dport": "", "State": "CON"}, {"protocol": 2, "src_port": 0, "dst_port": 0}),
        ({"Sport": "0x01bb"}, {"src_port": 443}),
        ({"TotBytes": "3", "SrcBytes": "1"}, {"bytes_out": 0, "bytes_in": 0}),  # never below zero
    ],
)  # fmt: skip
def test_what_a_line_becomes(values: dict[str, str], expected: dict[str, Any]) -> None:
    assert only(**values) == EXPECTED._replace(**expected)


@pytest.mark.parametrize(
    ("total", "octets", "source", "packets"),
    [("10", "1000", "500", (5, 5)), ("10", "1000", "1000", (10, 0)), ("10", "1000", "1", (1, 9)),
     ("2", "1400", "70", (1, 1)),
     ("1", "70", "70", (1, 0)), ("5", "1000", "0", (0, 5)), ("0", "0", "0", (0, 0)), ("3", "0", "0", (3, 0))],
)  # fmt: skip
def test_ctu_13_does_not_say_whose_packets_they_are(
    total: str, octets: str, source: str, packets: tuple[int, int]
) -> None:
    found = only(CTU13, TotPkts=total, TotBytes=octets, SrcBytes=source)
    assert (found.packets_out, found.packets_in) == packets


def test_the_local_time_of_another_machine_is_put_right() -> None:
    assert only(zone=3600).start == EXPECTED.start - 3_600_000


def test_what_is_no_ip_is_counted_and_what_is_wrong_is_said() -> None:
    def line(**values: str) -> str:
        return ",".join((LINE | values)[name] for name in HEADER.split(","))

    found, skipped, bad = read(
        line(), HEADER, line(Proto="arp", DstAddr="who"), line(Proto="llc"), "a,b", line(SrcAddr="nobody"),
        line(Dport="https"), line(TotPkts="-1"), "", line(),
    )  # fmt: skip
    assert len(found) == 1
    assert skipped == {"arp": 1, "llc": 1}
    assert sum(bad.values()) == 5
    assert "a port should be a number" in bad


@pytest.mark.parametrize(
    ("first", "expected"),
    [(HEADER, True), (CTU13, True), ("StartTime,Proto,SrcAddr,DstAddr", False), ("ts,te,td,sa,da", False), ("", False)],
)
def test_it_is_told_by_its_header(first: str, expected: bool) -> None:
    assert argus.looks_like(first.encode() + b"\nmore") is expected


@given(
    st.lists(st.sampled_from([*LINE.values(), "-1", "0x", "999999999999999999999", "\x1b", "<-", "S_"]), max_size=18)
)
def test_any_fields_are_a_flow_or_said_to_be_wrong(fields: list[str]) -> None:
    found, skipped, bad = read(HEADER, ",".join(fields))
    assert len(found) + sum(skipped.values()) + sum(bad.values()) <= 1
    for flow in found:
        assert min(flow.packets_out, flow.packets_in, flow.bytes_out, flow.bytes_in) >= 0
        assert flow.end >= flow.start
