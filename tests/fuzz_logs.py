"""Logs of other programs for `fuzz`, as `fuzz_targets` does it."""

import json
from collections import Counter
from collections.abc import Callable

from fuzz_checks import check_event
from fuzz_targets import Target
from store_kit import NOON
from test_eve_decoder import event, half
from test_nfdump_decoder import HEADER_1_6, HEADER_1_7, SUMMARY, row
from test_zeek_decoder import HEADER, as_json, tsv

from netwatchd.decoders import eve, json_lines, nfdump, zeek
from netwatchd.decoders.log_lines import LogDecoder, LogEvent, events
from netwatchd.observations import DnsMessage, Observation
from netwatchd.sources.tail import Position


def reading(make: Callable[[Callable[[int], int]], LogDecoder]) -> Callable[[bytes], str]:
    """Whatever stands in a log, each of its lines is events, skipped, or malformed with a short reason."""

    def run(data: bytes) -> str:
        decoder, bad = make(lambda now: now << 12), Counter[str]()
        lines = data.split(b"\n")
        found = [_check(each) for each in events(lines, decoder, NOON, bad)]
        flows = found.count("Flow")
        # One that waited may come with a line of another kind.
        assert flows + bad.total() <= 2 * len(lines)
        assert all(reason and len(reason) < 500 for reason in bad)
        return f"{min(flows, 3)} flows, {min(len(found) - flows, 2)} sightings, {','.join(sorted(bad))[:60]}"

    return run


def _check(event: LogEvent) -> str:
    """What comes out of a log is fit for the database and for the clients, or for detectors."""
    if not isinstance(event, Observation):
        return check_event(event)
    assert 0 <= event.time < json_lines.END_OF_TIME
    assert not isinstance(event, DnsMessage) or (event.name.isascii() and event.name.isprintable())
    return type(event).__name__


def read_place(data: bytes) -> str:
    """What is remembered of a place in a log is a place, or refused."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return "no JSON"
    try:
        place = Position.of_json(value)
    except ValueError as error:
        return str(error)[-20:]
    assert Position.of_json(place.to_json()) == place
    return "place"


def _lines(*lines: str) -> bytes:
    return "\n".join(lines).encode()


_DHCP = '{"ts": 9.5, "mac": "00:20:18:eb:ca:21", "assigned_addr": "192.0.2.9", "host_name": "tv", "msg_types": ["ACK"]}'
_DNS = (
    '{"ts": 9.5, "id.orig_h": "192.0.2.1", "id.resp_h": "192.0.2.2", "id.resp_p": 53, "query": "a.example", "qtype": 1}'
)
_ASKED = {"type": "answer", "rrname": "a.example", "rrtype": "A", "grouped": {"A": ["192.0.2.9"]}}
_LOCAL = {"local_orig": True, "local_resp": True, "orig_l2_addr": "02:00:00:00:00:05"}
_OTHER = (
    "#separator \\x7c",
    "#unset_field|?",
    "#path|conn",
    "#fields|ts|id.orig_h|id.orig_p|id.resp_h|id.resp_p|proto",
)
_CSV = "2026-11-23 10:00:00.000,1.500,6,192.0.2.5,50527,198.51.100.7,443,10,1120,1"
_JSON_WORDS = (b"{", b"}", b"[", b"]", b",", b":", b'"', b"null", b"true", b"NaN", b"1e999", b"-1", b"\\u0000")

LOGS = [
    Target(
        "zeek",
        [_lines(*HEADER, tsv(), *_OTHER, "1.0|192.0.2.1|8|fe80::1|0|icmp"), _lines(as_json(**_LOCAL), _DHCP, _DNS)],
        reading(zeek.ZeekDecoder),
        (*_JSON_WORDS, b"\t", b"#fields\t", b"#path\tdhcp", b"\\x09", b"#separator ", b"|", b"icmp", b'"id": {'),
    ),
    Target(
        "eve",
        [
            _lines(
                *map(
                    json.dumps,
                    (
                        half(7),
                        half(8),
                        half(7, to_server=False),
                        event(),
                        event(vlan=[1, 2]),
                        event(event_type="dns", dns=_ASKED),
                    ),
                )
            )
        ],
        reading(eve.EveDecoder),
        (
            *_JSON_WORDS,
            b'"event_type": "dhcp"',
            b'"dhcp": {',
            b'"netflow"',
            b'"event": {',
            b"+9999",
            b'"proto": "ICMP"',
        ),
    ),
    Target(
        "nfdump",
        [_lines(HEADER_1_6, row(), *SUMMARY, HEADER_1_7, _CSV)],
        reading(nfdump.NfdumpDecoder),
        (b",", b"icmpTYpe", b"firstSeen", b"1 days 00:00:01.5", b"Summary", b"ICMP", b"8.0", b"e9", b"-"),
    ),
    Target("places", [b'[1, 2, 3, "ab", null]', b'[1, 2, 3, "ab", 0]'], read_place, _JSON_WORDS),
]
