"""The comparison of exports says what differs; and what differs in the recordings is all explained."""

from pathlib import Path

import pytest
from exporters import v5, v5_record

from accuracy.export_decoding import decoded
from accuracy.export_records import Ends, Match, Record, Times, header_of, match, of_flow, record
from accuracy.export_samples import rows as sampled_rows
from accuracy.exports import rows
from netwatchd.addresses import parse_address

DATA = Path(__file__).parent.parent.parent / "shared/data"
needs_data = pytest.mark.skipif(not (DATA / "_truth").is_dir(), reason="needs the recordings of others")

A, B = parse_address("192.168.1.5"), parse_address("203.0.113.9")
THERE, BACK = Ends(A, 40000, B, 443, 6), Ends(B, 443, A, 40000, 6)
PING = Ends(A, 8, B, 0, 1)


def test_a_record_is_the_same_from_both_sides() -> None:
    assert record(THERE, (5, 500), (3, 300)) == record(BACK, (3, 300), (5, 500))
    assert record(PING, (1, 84)).kind == (8, 0)
    assert record(PING, (1, 84)).key != record(PING._replace(src_port=0), (1, 84)).key


@pytest.mark.parametrize(
    ("expected", "got", "agree"),
    [
        (record(THERE, (5, 500)), record(THERE, (5, 500), (0, 0)), (1, 0, 0)),
        (record(THERE, (5, 500)), record(BACK, (5, 500), (0, 0)), (0, 0, 0)),
        (record(THERE, (5, 500), (0, 0)), record(THERE, (5, 500), (1, 0)), (0, 0, 0)),
        (record(THERE, (None, None)), record(THERE, (5, 500)), (1, 0, 0)),
        (record(THERE, (5, 500), times=Times(10, 20)), record(THERE, (5, 500), times=Times(11, 20)), (1, 1, 1)),
        (record(THERE, (5, 500), times=Times(10, 20)), record(THERE, (5, 500), times=Times(13, 23)), (1, 1, 0)),
        (
            record(THERE, (5, 500), times=Times(10, 20, None, 5)),
            record(THERE, (5, 500), times=Times(13, 23)),
            (1, 1, 1),
        ),
        (record(THERE, (5, 500), times=Times(lasted=10)), record(THERE, (5, 500), times=Times(90, 100)), (1, 1, 1)),
        (record(THERE, (5, 500), times=Times(lasted=10)), record(THERE, (5, 500), times=Times(90, 103)), (1, 1, 0)),
        (record(PING, (1, 84)), record(PING._replace(src_port=0), (1, 84)), (0, 0, 0)),
    ],
)
def test_what_both_tell_is_compared(expected: Record, got: Record, agree: tuple[int, int, int]) -> None:
    found = match([expected], [got])
    assert found[:3] == agree
    assert (len(found.missed), len(found.surplus)) == ((0, 0) if agree[0] else (1, 1))


def test_no_record_serves_twice_and_the_one_at_the_right_time_is_preferred() -> None:
    late, early = (record(THERE, (5, 500), times=Times(at, at + 9)) for at in (500, 100))
    assert match([early, early], [late, early]) == Match(2, 2, 1, [], [early], [])
    assert match([early, early, early], [late, early]).missed == [early]


def test_records_are_read_before_their_halves_are_joined(tmp_path: Path) -> None:
    halves = [
        v5_record("192.168.1.5", "203.0.113.9", ports=(40000, 443), packets=5, octets=500, first=1000, last=2000),
        v5_record("203.0.113.9", "192.168.1.5", ports=(443, 40000), packets=3, octets=300, first=1000, last=2000),
    ]
    data = v5(halves, uptime=5000, now=1_700_000_000_123, sampling=10)
    (tmp_path / "two.dat").write_bytes(data)
    flows, options = decoded([tmp_path / "two.dat"])
    assert (len(flows), options, [flow.packets_out for flow in flows]) == (2, 0, [50, 30])
    times = Times(1_699_999_996_123, 1_699_999_997_123)
    expected = [record(THERE, (5, 500), times=times), record(BACK, (3, 300), times=times)]
    assert match(expected, map(of_flow, flows))[:3] == (2, 2, 2)
    assert header_of(data) == (1_700_000_000_123, 1_699_999_995_123)


@needs_data
def test_whatever_differs_in_the_recordings_is_explained() -> None:
    found = rows(DATA)
    assert sum(row.expected for row in found) > 1700
    unexplained = [text for row in found for text in row.differences if "not explained" in text]
    assert unexplained == []
    assert all(row.differences for row in found if row.matched < row.expected)


@needs_data
def test_every_sampled_packet_that_tcpdump_and_tshark_tell_of_is_read() -> None:
    for row in sampled_rows(DATA):
        assert row.matched >= row.expected - row.what.startswith("expected.out"), row
