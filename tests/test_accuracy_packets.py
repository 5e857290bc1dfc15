"""The comparison of captures says what differs; and what differs in the recordings is all explained."""

from pathlib import Path

import pytest
from packet_kit import FIN, SYN, ethernet, ip4, pcap, tcp, udp

from accuracy.packets import rows
from accuracy.talks import Result, Span, Talk, compare, talks_of
from netwatchd.decoders.flowtable import FlowTable
from netwatchd.decoders.pcap import NotACapture
from netwatchd.decoders.pcapng import open_capture

DATA = Path(__file__).parent.parent.parent / "shared/data"
needs_data = pytest.mark.skipif(not (DATA / "_truth").is_dir(), reason="needs the recordings of others")

SHORT, LONG = Span(1, 5, 5), Span(1, 9, 9)
A, B = ("192.168.1.5", 40000), ("93.184.216.34", 443)


def talk(a: tuple[str, int] = A, b: tuple[str, int] = B, *counts: int, span: Span | None = None) -> Talk:
    """A flow of TCP."""
    out, bytes_out, back, bytes_in = counts or (2, 80, 1, 40)
    return Talk(6, a, b, (out, bytes_out, back, bytes_in), span)


@pytest.mark.parametrize(
    ("expected", "found", "result"),
    [
        ([talk()], [talk()], Result(1, [], [], [])),
        ([talk(span=Span(100, 5, 5))], [talk(span=Span(101, 4, 4))], Result(1, [], [], [])),
        (
            [talk(span=Span(1, 5, 5))],
            [talk(span=Span(1, 9, 9))],
            Result(0, [], [talk(span=Span(1, 5, 5))], [talk(span=Span(1, 9, 9))]),
        ),
        ([talk(span=Span(None, 0, 9))], [talk(span=Span(100, 5, 5))], Result(1, [], [], [])),
        ([talk()], [talk(B, A, 1, 40, 2, 80)], Result(0, [talk()], [], [])),
        ([talk()], [talk(A, B, 1, 40, 1, 40), talk(A, B, 1, 40, 0, 0)], Result(1, [], [], [])),
        ([talk(A, B, 1, 40, 0, 0), talk(B, A, 1, 40, 0, 0)], [talk(A, B, 1, 40, 1, 40)], Result(2, [], [], [])),
        ([talk()], [], Result(0, [], [talk()], [])),
        ([], [talk()], Result(0, [], [], [talk()])),
        ([talk()], [talk(A, B, 3, 80, 1, 40)], Result(0, [], [talk()], [talk(A, B, 3, 80, 1, 40)])),
    ],
)
def test_flows_are_compared_one_by_one_and_joined(expected: list[Talk], found: list[Talk], result: Result) -> None:
    assert compare(expected, found) == result


def test_the_bytes_of_frames_are_added_to_the_flows_they_belong_to(tmp_path: Path) -> None:
    frames = [
        ethernet(ip4(tcp(flags=SYN), protocol=6)) + bytes(6),
        ethernet(ip4(tcp(flags=FIN), protocol=6), tags=(0x8100,)),
        ethernet(ip4(tcp(flags=SYN, seq=9), protocol=6)),
        ethernet(ip4(udp(), offset=0x2000)),
        ethernet(ip4(b"x" * 24, offset=3)),
    ]
    (tmp_path / "x.pcap").write_bytes(pcap([(number, frame) for number, frame in enumerate(frames)]))
    assert sorted(each.counts for each in talks_of(tmp_path / "x.pcap", frames=True)) == [
        (2, 14 + 48 + 14 + 44, 0, 0), (3, 60 + 58 + 54, 0, 0),
    ]  # fmt: skip
    assert sorted(each.counts for each in talks_of(tmp_path / "x.pcap", frames=False)) == [
        (2, 92, 0, 0), (3, 120, 0, 0),
    ]  # fmt: skip


@needs_data
def test_every_packet_of_every_capture_is_read_and_accounted_or_counted() -> None:
    read = 0
    for path in sorted(each for each in DATA.rglob("*") if each.suffix in (".pcap", ".pcapng", ".cap", ".trace")):
        try:
            capture = open_capture(path.read_bytes())
        except NotACapture:
            pytest.fail(f"{path} is no capture")
        table = FlowTable(lambda now, count=1: now << 12, "replay")
        packets = 0
        for time, link_type, data, wire, _ in capture:
            table.see(time // 1_000_000, link_type, data, wire)
            packets += 1
        accounted = sum(flow.packets_out + flow.packets_in for flow in table.finish())
        assert accounted + table.skipped.total() == packets, path
        assert not capture.skipped, path
        read += 1
    assert read >= 170


@needs_data
def test_what_others_made_of_the_recordings_matches_or_is_explained() -> None:
    found = rows(DATA)
    assert sum(row.matched for row in found) >= 2452
    for row in found:
        assert row.matched <= row.expected
        assert row.matched == row.expected or row.differences
        assert not [text for text in row.differences if "not explained" in text]
