"""The parts of a replay: ids of the past, datagrams out of packets and files, formats, and events in their order."""

import contextlib
import gzip
import json
import struct
import tempfile
from collections.abc import Iterator
from pathlib import Path

import packet_kit as kit
import pytest
from hypothesis import given
from hypothesis import strategies as st
from replay_kit import capture, zeek

from netwatchd.addresses import parse_address
from netwatchd.cli.main import FORMATS
from netwatchd.config import Config
from netwatchd.decoders.links import Skipped
from netwatchd.decoders.log_lines import MOST_LINE
from netwatchd.events import time_of_id
from netwatchd.replay import Replay, formats
from netwatchd.replay.datagrams import MOST_FRAGMENTED, Datagrams, is_export, split, time_of
from netwatchd.replay.ids import LAST, MINUTE_MS, PastIds
from netwatchd.replay.inputs import Unreadable
from netwatchd.storage import search

NOON = 1_782_043_200_000  # 2026-06-21 12:00 UTC
DAY = 86_400_000
MORE_FRAGMENTS = 0x2000


# Ids.


def nothing(_: int) -> dict[int, int]:
    return {}


@given(st.lists(st.tuples(st.integers(NOON, NOON + 5 * MINUTE_MS), st.integers(1, 5000)), max_size=50))
def test_no_id_is_given_twice_and_each_lies_near_its_time_in_whatever_order(asked: list[tuple[int, int]]) -> None:
    ids = PastIds(nothing)
    given_ids: set[int] = set()
    for now, count in asked:
        first = ids(now, count)
        block = set(range(first, first + count))
        assert not block & given_ids
        given_ids |= block
        assert 0 <= time_of_id(first) - now <= 2 * MINUTE_MS


def test_ids_rise_while_time_does_and_hold_the_millisecond() -> None:
    ids = PastIds(nothing)
    given_ids = [ids(NOON + at) for at in range(0, 3 * DAY, 3_600_000)]
    assert given_ids == [(NOON + at) << 12 for at in range(0, 3 * DAY, 3_600_000)]
    assert ids(NOON) == (NOON << 12) + 1


def test_ids_that_are_stored_already_are_not_given_again() -> None:
    midnight = NOON - NOON % DAY
    stored = {720: (NOON + 5 << 12) + 7}
    ids = PastIds(lambda day: stored if day == midnight else {})
    assert ids(NOON) == (NOON + 5 << 12) + 8
    assert ids(NOON + 6) == NOON + 6 << 12
    assert ids(NOON - 1) == NOON - 1 << 12


def test_a_minute_that_is_full_goes_on_in_the_next_one() -> None:
    ids = PastIds(nothing)
    last = NOON + MINUTE_MS - 1
    assert ids(last, 4096) == last << 12
    assert ids(last) == last + 1 << 12


@pytest.mark.parametrize("now", [-5, 0, LAST, LAST + 10**9, 2**63])
def test_times_that_no_id_can_hold_get_the_nearest(now: int) -> None:
    assert 0 <= PastIds(nothing)(now) < 2**53


# Datagrams.


def test_a_datagram_is_taken_out_of_its_packet_and_padding_is_not() -> None:
    frame = kit.ethernet(kit.ip4(kit.udp(5, 2055, b"export"))) + bytes(30)
    datagram = Datagrams().of(1, frame, len(frame))
    assert datagram == (parse_address(kit.A), b"export")
    six = kit.ip6(kit.udp(5, 2055, b"export"))
    assert Datagrams().of(101, six, len(six)) == (parse_address(kit.A6), b"export")


def fragments(payload: bytes, number: int = 7) -> list[bytes]:
    whole = kit.udp(5, 2055, payload)
    pieces = [whole[at : at + 16] for at in range(0, len(whole), 16)]
    return [
        kit.ip4(piece, offset=at * 2 | (MORE_FRAGMENTS if at < len(pieces) - 1 else 0), number=number)
        for at, piece in enumerate(pieces)
    ]


@pytest.mark.parametrize("order", [1, -1])
def test_fragments_are_put_together_in_any_order(order: int) -> None:
    datagrams = Datagrams()
    *first, last = [datagrams.of(101, packet, len(packet)) for packet in fragments(b"x" * 100)[::order]]
    assert first == [None] * len(first)
    assert last == (parse_address(kit.A), b"x" * 100)


def test_fragments_of_different_datagrams_do_not_mix_and_the_oldest_go() -> None:
    datagrams = Datagrams()
    one, other = fragments(b"1" * 40, 1), fragments(b"2" * 40, 2)
    found = [datagrams.of(101, packet, len(packet)) for pair in zip(one, other, strict=True) for packet in pair]
    assert [datagram.payload for datagram in found if datagram] == [b"1" * 40, b"2" * 40]
    *begun, end = fragments(b"3" * 40, 3)
    for packet in begun:
        datagrams.of(101, packet, len(packet))
    for number in range(MOST_FRAGMENTED):
        packet = fragments(b"x" * 40, 100 + number)[0]
        datagrams.of(101, packet, len(packet))
    assert datagrams.of(101, end, len(end)) is None


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (kit.ethernet(kit.ip4(kit.tcp(), protocol=6)), "not_udp"),
        (kit.arp(), "not_ip"),
        (kit.ethernet(kit.ip4(kit.udp(payload=b"x" * 50)))[:60], "cut"),
        (kit.ethernet(kit.ip4(b"\0\1\0\2")), "short"),
    ],
)
def test_what_is_no_whole_datagram_is_skipped_with_its_reason(frame: bytes, reason: str) -> None:
    with pytest.raises(Skipped) as caught:
        Datagrams().of(1, frame, 92)
    assert caught.value.reason == reason


@given(st.binary(max_size=200), st.sampled_from([0, 1, 101, 113, 276]))
def test_any_bytes_are_a_datagram_or_skipped(data: bytes, link_type: int) -> None:
    with contextlib.suppress(Skipped):
        Datagrams().of(link_type, data, len(data))


V5 = struct.pack("!HHIIIIHH", 5, 2, 1000, 1_782_043_200, 0, 0, 0, 0) + bytes(96)
V9 = struct.pack("!HHIIII", 9, 1, 1000, 1_782_043_200, 0, 0) + struct.pack("!HH8x", 256, 12)
IPFIX = struct.pack("!HHIII", 10, 28, 1_782_043_200, 0, 0) + struct.pack("!HH8x", 256, 12)


def test_datagrams_that_lie_one_behind_the_other_are_told_apart() -> None:
    assert list(split(V5 + V9 + IPFIX + V9 + V9 + V5)) == [V5, V9, IPFIX, V9, V9, V5]
    assert {time_of(datagram) for datagram in (V5, V9, IPFIX)} == {NOON}
    assert time_of(b"\0\0\0\5") is None


SFLOW = struct.pack("!II4sIIII", 5, 1, b"agnt", 0, 1, 2, 0)


@pytest.mark.parametrize("datagram", [V5, V9, IPFIX, SFLOW])
def test_exports_are_told_from_other_datagrams(datagram: bytes) -> None:
    assert is_export(datagram)
    assert not is_export(datagram[:19])
    assert not is_export(b"\1" + datagram[1:])
    assert not is_export(b"\0\5\1\0\0\1\0\0\0\0\0\0\3www\7example\3com\0\0\1\0\1"), "a question to a name server"


@given(st.binary(max_size=300), st.sampled_from([b"", V5[:30], V9[:22], IPFIX[:3]]))
def test_splitting_loses_nothing_and_ends(noise: bytes, begin: bytes) -> None:
    assert b"".join(split(begin + noise)) == begin + noise


# Stopping.


def test_a_capture_is_left_where_it_is_to_stop_and_what_was_read_is_stored(tmp_path: Path) -> None:
    frames = [(NOON * 1000 + at, kit.ethernet(kit.ip4(kit.udp()))) for at in range(10_000)]
    (tmp_path / "a.pcap").write_bytes(kit.pcap(frames))
    told: list[int] = []
    with Replay(Config(), tmp_path / "state", lambda: len(told) > 1) as replaying:
        report = replaying.file(str(tmp_path / "a.pcap"), None, told.append)
    assert report.partial
    assert 0 < (report.packets or 0) < 10_000
    assert told == sorted(told)
    (flow,) = list(search.Search(tmp_path / "state"))
    assert flow.packets_out == report.packets


# Damage.


def test_a_line_without_end_is_counted_and_does_not_fill_the_memory(tmp_path: Path) -> None:
    long = b"x" * (3 * MOST_LINE)
    good = zeek(NOON * 1000)
    (tmp_path / "conn.log").write_bytes(good + long + b"\n" + long[: MOST_LINE + 1] + b"\n" + good + long)
    with Replay(Config(), tmp_path / "state", lambda: False) as opened:
        report = opened.file(str(tmp_path / "conn.log"), None, lambda at: None)
    assert (report.flows, dict(report.skipped)) == (2, {"it is too long": 3})


SENT = [(NOON * 1000 + at, kit.ethernet(kit.ip4(kit.udp(9, 2055, data)))) for at, data in enumerate([V5, V9, IPFIX])]
OPENED = kit.ethernet(kit.ip4(kit.tcp(flags=kit.SYN), protocol=6))
EVE = {
    "event_type": "netflow", "timestamp": "2026-06-21T12:00:00Z", "src_ip": "10.0.0.1", "dest_ip": "10.0.0.2",
    "proto": "UDP", "netflow": {"pkts": 1, "bytes": 60},
}  # fmt: skip
CSV = b"ts,te,sa,da,sp,dp,pr,ipkt,ibyt\n2026-06-21 12:00:00,2026-06-21 12:00:01,10.0.0.1,8.8.8.8,5,53,UDP,1,60"
SEEDS = [
    (capture(NOON * 1000, NOON * 1000 + 5), None),
    (kit.section() + kit.interface() + kit.enhanced(NOON * 1000, OPENED), None),
    (gzip.compress(capture(NOON * 1000)), None),
    (zeek(NOON * 1000, NOON * 1000 + 5), "zeek"),
    (json.dumps(EVE).encode(), "eve"),
    (CSV, "nfdump"),
    (kit.pcap(SENT), "netflow"),
    (V5 + V9 + IPFIX, "netflow"),
]


@pytest.fixture(scope="module")
def replaying(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replay]:
    with Replay(Config(), tmp_path_factory.mktemp("damaged") / "state", lambda: False) as opened:
        yield opened


@given(
    st.sampled_from(SEEDS),
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 8), st.binary(max_size=8)), max_size=4),
)
def test_damaged_files_are_reported_and_end_nothing(
    replaying: Replay, seed: tuple[bytes, str | None], damages: list[tuple[int, int, bytes]]
) -> None:
    content, form = seed
    for at, removed, put in damages:
        at %= len(content) + 1
        content = content[:at] + put + content[at + removed :]
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        report = replaying.file(file.name, form, lambda at: None)
    assert not report.fatal
    assert report.error or report.format


# Formats.


@given(st.binary(max_size=100))
def test_any_content_has_a_format_or_is_refused(head: bytes) -> None:
    try:
        assert formats.format_of(head) in formats.FORMATS
    except Unreadable as error:
        assert str(error).startswith("it ")


def test_the_command_line_offers_all_formats() -> None:
    assert FORMATS == formats.FORMATS
