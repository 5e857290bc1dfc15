"""Captures are read as they were written, whoever wrote them, and as far as they go."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packet_kit import block, enhanced, ethernet, interface, ip4, pcap, section, udp

from netwatchd.decoders.pcap import MOST_CAPTURED, MOST_SEARCHES, NotACapture
from netwatchd.decoders.pcapng import open_capture

FRAME = ethernet(ip4(udp()))
SECOND = 1_700_000_000
NS = SECOND * 10**9


def read(data: bytes) -> tuple[list[tuple[int, int, bytes, int]], dict[str, int]]:
    """The packets of a capture, and what was skipped; their places rise up to its size."""
    capture = open_capture(data)
    packets, before = [], 0
    for time, link_type, frame, wire, place in capture:
        assert before < place <= capture.size == len(data)
        before = place
        packets.append((time, link_type, bytes(frame), wire))
    return packets, dict(capture.skipped)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    ("magic", "unit", "extra"), [(0xA1B2C3D4, 1000, b""), (0xA1B23C4D, 1, b""), (0xA1B2CD34, 1000, bytes(8))]
)
def test_a_pcap_file_is_read_in_both_byte_orders_and_units(order: str, magic: int, unit: int, extra: bytes) -> None:
    times = [NS + 5_000, NS + 999_999_000]
    data = pcap([(time // unit, FRAME) for time in times], 101, order, magic, extra=extra)
    assert read(data) == ([(time, 101, FRAME, len(FRAME)) for time in times], {})


def test_a_packet_cut_by_a_snap_length_keeps_its_length_on_the_wire() -> None:
    assert read(pcap([(0, FRAME)], cut=30)) == ([(0, 1, FRAME[:30], len(FRAME))], {})


def test_a_frame_check_sequence_is_no_part_of_the_packet() -> None:
    told = 1 | 1 << 26 | 2 << 28  # four bytes of it
    assert read(pcap([(0, FRAME + b"fcs!")], told)) == ([(0, 1, FRAME, len(FRAME))], {})
    ng = section() + interface(options=((13, b"\x20"),)) + enhanced(0, FRAME + b"fcs!")
    assert read(ng) == ([(0, 1, FRAME, len(FRAME))], {})


def test_the_sections_of_a_pcapng_file_have_their_own_byte_orders_and_interfaces() -> None:
    data = (
        section("<") + interface(1) + interface(101, options=((9, b"\x09"),)) + enhanced(SECOND * 10**6, FRAME)
        + enhanced(NS + 7, FRAME[14:], 1) + section(">") + interface(113, ">") + enhanced(0, b"x", 0, ">", wire=99)
    )  # fmt: skip
    expected = [(NS, 1, FRAME, len(FRAME)), (NS + 7, 101, FRAME[14:], len(FRAME) - 14), (0, 113, b"x", 99)]
    assert read(data) == (expected, {})


@pytest.mark.parametrize(
    ("options", "ticks", "expected"),
    [
        ((), 3, 3000),
        (((9, b"\x03"),), 3, 3_000_000),
        (((9, b"\x0c"),), 3_999, 3),  # picoseconds
        (((9, b"\x8a"),), 512, 500_000_000),  # 2 ** -10 s
        (((9, b"\x00"), (14, struct.pack("<q", -2))), 3, 1_000_000_000),
        (((14, struct.pack("<q", SECOND)),), 1, NS + 1000),
        (((2, b"eth0"), (12, b"Linux"), (0, b""), (9, b"\x03")), 3, 3000),  # what follows the end of options is none
    ],
)
def test_an_interface_has_its_own_unit_and_offset_of_time(
    options: tuple[tuple[int, bytes], ...], ticks: int, expected: int
) -> None:
    assert read(section() + interface(options=options) + enhanced(ticks, FRAME))[0][0][0] == expected


def test_simple_and_old_packet_blocks_are_read_and_unknown_ones_passed_over() -> None:
    old = block(2, struct.pack("<HHIIII", 0, 3, 0, 9, len(FRAME), 90) + FRAME)
    simple = block(3, struct.pack("<I", 5) + b"hello")
    cut = block(3, struct.pack("<I", 500) + b"x" * 64)
    data = section() + interface(snap=64) + block(0x80000BAD, b"x" * 9) + old + simple + cut
    assert read(data) == ([(9000, 1, FRAME, 90), (9000, 1, b"hello", 5), (9000, 1, b"x" * 64, 500)], {})


def test_what_is_truncated_is_read_up_to_there() -> None:
    whole = pcap([(0, FRAME)] * 3)
    assert (len(read(whole[:-1])[0]), read(whole[:-1])[1]) == (2, {"truncated": 1})
    assert (len(read(whole + b"xy")[0]), read(whole + b"xy")[1]) == (3, {"truncated": 1})
    ng = section() + interface() + enhanced(0, FRAME) * 3
    assert (len(read(ng[:-1])[0]), read(ng[:-1])[1]) == (2, {"truncated": 1})


def test_what_is_damaged_in_the_middle_is_said_and_reading_goes_on_behind_it() -> None:
    frames = [(SECOND * 10**6 + number, FRAME + bytes(number)) for number in range(9)]
    good = pcap(frames)
    at = 24 + 3 * (16 + len(FRAME)) + 0 + 1 + 2  # the fourth packet
    for lies in (0x7FFFFFFF, MOST_CAPTURED + 1):
        packets, skipped = read(good[: at + 8] + struct.pack("<I", lies) + good[at + 12 :])
        assert (len(packets), skipped) == (8, {"damaged": 1})
    packets, skipped = read(good[: at + 8] + struct.pack("<I", len(FRAME) - 7) + good[at + 12 :])
    assert len(packets) >= 8, "one that is too short is read so, and then the next is searched for"
    assert skipped == {"damaged": 1}
    one = pcap([(0, FRAME)])
    assert read(one + b"\xff" * 4000) == (read(one)[0], {"damaged": 1}), "nothing more is found"
    ng = section() + interface() + enhanced(0, FRAME)
    for damage in (b"\6\0\0\0\7\0\0\0" + FRAME + b"..", b"\x0a\x0d\x0d\x0a" + bytes(40)):
        packets, skipped = read(ng + damage + enhanced(0, FRAME) * 2)
        assert (len(packets), skipped) == (3, {"damaged": 1})
        assert read(ng + damage)[1] == {"damaged": 1}
    lying = block(6, struct.pack("<IIIII", 0, 0, 0, 5000, 5000) + FRAME)
    packets, skipped = read(ng + lying + enhanced(0, FRAME, 7) + block(6, b"short") + enhanced(0, FRAME))
    assert (len(packets), skipped) == (2, {"block": 2, "interface": 1})


def test_a_file_of_nothing_but_damage_is_not_searched_through_for_ever() -> None:
    lie = struct.pack("<IIII", 0, 0, 0x7FFFFFFF, 0)
    packet = pcap([(0, FRAME)])[24:]
    packets, skipped = read(pcap([]) + (lie + packet * 2) * 40)
    assert (len(packets), skipped) == (2 * MOST_SEARCHES, {"damaged": MOST_SEARCHES + 1})
    packets, skipped = read(section() + interface() + (b"\6\0\0\0\7\0\0\0" + enhanced(0, FRAME)) * 40)
    assert (len(packets), skipped) == (MOST_SEARCHES, {"damaged": MOST_SEARCHES + 1})


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "empty"), (b"hello", "neither"), (b"\x1f\x8b\x08" + bytes(30), "gzip"),
        (b"\xd4\xc3\xb2\xa1\x02\0", "within its header"), (b"\x0a\x0d\x0d\x0a" + bytes(30), "no pcapng"),
    ],
)  # fmt: skip
def test_what_is_no_capture_is_refused_with_the_reason(data: bytes, why: str) -> None:
    with pytest.raises(NotACapture, match=why):
        open_capture(data)


@given(at=st.integers(24, 400), value=st.binary(min_size=1, max_size=8), ng=st.booleans())
def test_damage_behind_the_header_never_raises(at: int, value: bytes, ng: bool) -> None:
    data = section() + interface() + enhanced(5, FRAME) * 4 if ng else pcap([(5, FRAME)] * 4)
    at = 28 + at if ng else at
    read(data[:at] + value + data[at + len(value) :])
