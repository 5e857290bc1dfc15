"""What Zeek's dns.log and Suricata's dns events tell of questions and answers, in every format that they have had."""

import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netwatchd.addresses import parse_address
from netwatchd.decoders import log_lines
from netwatchd.decoders.eve import EveDecoder
from netwatchd.decoders.zeek import ZeekDecoder
from netwatchd.observations import DnsMessage

CLIENT, SERVER = "192.0.2.5", "198.51.100.53"
TIME = 1_795_428_000_123
HEADER = [
    "#separator \\x09", "#set_separator\t,", "#empty_field\t(empty)", "#unset_field\t-", "#path\tdns",
    "#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\ttrans_id\trtt\tquery\tqclass\tqtype\trcode\tanswers",
]  # fmt: skip
ROW: dict[str, Any] = {
    "ts": "1795428000.123456", "uid": "C1", "id.orig_h": CLIENT, "id.orig_p": "4000", "id.resp_h": SERVER,
    "id.resp_p": "53", "proto": "udp", "trans_id": "77", "rtt": "0.050000", "query": "WWW.example.com", "qclass": "1",
    "qtype": "1", "rcode": "0", "answers": "cdn.example.net,203.0.113.1,203.0.113.2",
}  # fmt: skip
QUERY = DnsMessage(
    TIME, "zeek", parse_address(CLIENT), parse_address(SERVER), "www.example.com", 1, False, 0, 18 + 15, 77
)  # fmt: skip
ADDRESSES = tuple(map(parse_address, ("203.0.113.1", "203.0.113.2")))
ANSWER = QUERY._replace(
    time=TIME + 50, answer=True, size=18 + 15 + 12 + 15 + 2 * (12 + 4), addresses=ADDRESSES
)  # fmt: skip


def zeek(*lines: str) -> tuple[list[Any], Counter[str], Counter[str]]:
    decoder, bad = ZeekDecoder(lambda _: 1, "conn"), Counter[str]()
    found = list(log_lines.events((line.encode() for line in lines), decoder, 0, bad))
    return found, +decoder.skipped, bad


def row(**values: str) -> str:
    return "\t".join((ROW | {name.replace("id_", "id."): value for name, value in values.items()}).values())


def eve(dns: Any, **values: Any) -> tuple[list[Any], Counter[str], Counter[str]]:
    event = {
        "timestamp": "2026-11-23T10:00:00.123456+0000", "event_type": "dns", "src_ip": CLIENT, "src_port": 4000,
        "dest_ip": SERVER, "dest_port": 53, "proto": "UDP", "dns": dns,
    } | values  # fmt: skip
    decoder, bad = EveDecoder(lambda _: 1), Counter[str]()
    found = list(log_lines.events([json.dumps(event).encode()], decoder, 0, bad))
    return found, +decoder.skipped, bad


BACK = {"src_ip": SERVER, "src_port": 53, "dest_ip": CLIENT, "dest_port": 4000}


def test_a_line_of_zeek_is_a_query_and_its_answer() -> None:
    assert zeek(*HEADER, row())[0] == [QUERY, ANSWER]


def test_json_lines_of_zeek_with_and_without_their_log() -> None:
    values = {"ts": TIME / 1000, "id.orig_h": CLIENT, "id.orig_p": 4000, "id.resp_h": SERVER, "id.resp_p": 53,
              "proto": "udp", "trans_id": 77, "rtt": 0.05, "query": "www.example.com", "qtype": 1, "qtype_name": "A",
              "rcode": 0, "answers": ["cdn.example.net", "203.0.113.1", "203.0.113.2"]}  # fmt: skip
    nested = {name: value for name, value in values.items() if "." not in name}
    nested["id"] = {"orig_h": CLIENT, "orig_p": 4000, "resp_h": SERVER, "resp_p": 53}
    for each in (values, values | {"_path": "dns"}, nested):
        assert zeek(json.dumps(each))[0] == [QUERY, ANSWER]


def test_without_an_answer_it_is_a_query() -> None:
    assert zeek(*HEADER, row(rcode="-", answers="-", rtt="-"))[0] == [QUERY]
    _, none = zeek(*HEADER, row(rcode="3", answers="-"))[0]
    assert (none.answer, none.code, none.addresses, none.size) == (True, 3, (), QUERY.size)


@pytest.mark.parametrize("port", ["137", "5353", "5355"])
def test_what_everybody_on_the_link_is_asked_is_skipped_and_counted(port: str) -> None:
    assert zeek(*HEADER, row(id_resp_p=port), row(query="-"))[:2] == ([], {"dns": 2})
    assert eve({"type": "query", "rrname": "tv.local", "rrtype": "A"}, dest_port=int(port))[:2] == ([], {"dns": 1})


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("a\\xe4b.example", r"a\228b.example"), ("\u4e2d.example", r"\228\184\173.example"),
        ("a.b\\\\.c", r"a.b\092.c"), ("x y.example.", r"x\032y.example"), (".", ""),
    ],
)  # fmt: skip
def test_odd_bytes_are_written_as_elsewhere(text: str, name: str) -> None:
    assert zeek(*HEADER, row(query=text))[0][0].name == name


GROUPED = {"CNAME": ["cdn.example.net"], "A": ["203.0.113.1", "203.0.113.2"]}
LISTED = [{"rrname": "x", "rrtype": "A", "ttl": 1, "rdata": data} for each in GROUPED.values() for data in each]
ANSWERED = {"id": 77, "rrname": "www.example.com", "rrtype": "A", "rcode": "NOERROR"}
ASKED = [{"rrname": "WWW.example.com", "rrtype": "A"}]


@pytest.mark.parametrize(
    "dns",
    [
        {"type": "query", "id": 77, "rrname": "www.example.com", "rrtype": "A", "tx_id": 0},
        {"version": 2, "type": "query", "id": 77, "rrname": "www.example.com", "rrtype": "A", "opcode": 0},
        {"version": 3, "type": "request", "id": 77, "queries": ASKED, "opcode": 0, "rcode": "NOERROR"},
    ],
)  # fmt: skip
def test_a_query_of_each_version_of_suricata(dns: Any) -> None:
    assert eve(dns)[0] == [QUERY._replace(source="eve")]


@pytest.mark.parametrize("ends", [{}, BACK])
@pytest.mark.parametrize(
    "dns",
    [
        {"version": 2, "type": "answer", **ANSWERED, "answers": LISTED},
        {"version": 2, "type": "answer", **ANSWERED, "grouped": GROUPED},
        {"version": 3, "type": "response", "id": 77, "rcode": "NOERROR", "queries": ASKED, "answers": LISTED},
    ],
)  # fmt: skip
def test_an_answer_of_each_version_of_suricata(dns: Any, ends: Any) -> None:
    assert eve(dns, **ends)[0] == [ANSWER._replace(source="eve", time=TIME)]


def test_version_1_tells_each_record_by_itself() -> None:
    (told,) = eve({"type": "answer", **ANSWERED, "ttl": 5, "rdata": "203.0.113.1"}, **BACK)[0]
    assert (told.client, told.server, told.addresses) == (QUERY.client, QUERY.server, ADDRESSES[:1])
    (none,) = eve({"type": "answer", "id": 77, "rcode": "NXDOMAIN", "rrname": "www.example.com"}, **BACK)[0]
    assert (none.answer, none.code) == (True, 3)


def test_types_without_a_name_have_their_number() -> None:
    kinds = [eve({"type": "query", "rrname": "x.y", "rrtype": kind})[0][0].kind for kind in
             ("NULL", "TXT", "TYPE65399", "UNKNOWN(70)", "HTTPS", 16, "what", None)]  # fmt: skip
    assert kinds == [10, 16, 65399, 70, 65, 16, 0, 0]


def test_updates_and_what_is_damaged_give_nothing() -> None:
    assert eve({"type": "query", "opcode": 5, "rrname": "x.y", "rrtype": "A"})[:2] == ([], {"dns": 1})
    for damaged in (None, 5, {"type": "query", "rrname": 5}, {"type": "query", "rrname": "x" * 2000}):
        found, _, bad = eve(damaged)
        assert not found
        assert sum(bad.values()) == 1
    assert sum(zeek(*HEADER, row(qtype="x"), row(id_orig_h="x"), row(query="x" * 2000))[2].values()) == 3


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from(["answer", "query", "a.b"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "rrname", "rrtype", "queries", "answers", "grouped", "rdata", "id", "rcode"]),
            inner,
        )
    ),
)


@given(ANYTHING, st.text(max_size=20))
def test_any_event_is_read_or_refused(dns: Any, name: str) -> None:
    for told in eve(dns)[0] + eve({"type": "query", "rrname": name})[0]:
        assert isinstance(told, DnsMessage)
        assert told.name.isascii()
    zeek(*HEADER, row(query=name.replace("\n", ""), answers=name))
