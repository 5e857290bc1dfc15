"""Promises of the sequence numbers: what passed unseen between SYN and FIN is counted, each byte once."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netwatchd.decoders.flowtable import FlowTable
from netwatchd.decoders.links import RAW
from netwatchd.events import Flow, new_event_id

NOON = 1_700_000_000_000
FIN, SYN, RST, ACK = 1, 2, 4, 16
HEADERS = 40
HOST, SERVER = b"\xc0\xa8\x4d\x0a", b"\xcb\x00\x71\x01"


class Line:
    """A TCP connection of which only some packets are seen; numbers are counted from 0 on both sides."""

    def __init__(self, port: int = 443, first: tuple[int, int] = (1000, 2000), sparse: bool = True) -> None:
        last = 0

        def new_id(now: int, count: int = 1) -> int:
            nonlocal last
            last = new_event_id(last, now)
            return last

        self.table = FlowTable(new_id, "capture", sparse=sparse)
        self._port = port
        self._first = first

    def sends(self, side: int, flags: int, sequence: int, acknowledges: int = 0, payload: bytes = b"") -> None:
        """A packet from the host (0) or the server (1)."""
        ends = (HOST, 40000, SERVER, self._port) if side == 0 else (SERVER, self._port, HOST, 40000)
        numbers = [(first + number) & 0xFFFFFFFF for first, number in
                   zip((self._first[side], self._first[1 - side]), (sequence, acknowledges), strict=True)]  # fmt: skip
        segment = struct.pack(">HHIIBBHHH", ends[1], ends[3], *numbers, 0x50, flags, 8192, 0, 0) + payload
        head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(segment), 0, 0, 64, 6, 0) + ends[0] + ends[2]
        self.table.see(NOON, RAW, head + segment, len(head) + len(segment))

    def opens(self) -> None:
        """SYN and SYN-ACK."""
        self.sends(0, SYN, 0)
        self.sends(1, SYN | ACK, 0, 1)

    def ended(self) -> Flow:
        """Its flow, at the end."""
        (flow,) = self.table.finish()
        return flow


@pytest.mark.parametrize("first", [(1000, 2000), (0xFFFFFFF0, 0xFFFFFF00)], ids=["plain", "wrapping"])
def test_each_side_is_counted_up_to_its_own_fin(first: tuple[int, int]) -> None:
    line = Line(first=first)
    line.opens()
    line.sends(1, FIN | ACK, 1 + 1_000_000, 1 + 500, b"the end")
    line.sends(0, FIN | ACK, 1 + 500, 1 + 1_000_000 + 8)
    flow = line.ended()
    assert (flow.packets_out, flow.packets_in, flow.state) == (2, 2, "closed")
    assert flow.bytes_out == 2 * HEADERS + 500
    assert flow.bytes_in == 2 * HEADERS + 1_000_000 + len(b"the end")


def test_what_one_side_has_acknowledged_has_passed_if_the_other_never_says_more() -> None:
    line = Line()
    line.opens()
    line.sends(0, RST | ACK, 1 + 300, 1 + 70_000)
    flow = line.ended()
    assert (flow.bytes_out, flow.bytes_in) == (2 * HEADERS + 300, HEADERS + 70_000)


def test_what_is_sent_again_is_counted_as_packets_only() -> None:
    line = Line()
    line.sends(0, SYN, 0)
    line.opens()
    for _ in range(3):
        line.sends(0, FIN | ACK, 1 + 300, 1)
    line.sends(0, RST, 1 + 301)
    assert line.ended().bytes_out == 6 * HEADERS + 300


def test_numbers_without_a_beginning_say_nothing() -> None:
    line = Line()
    line.sends(0, FIN | ACK, 70_000, 90_000)
    line.sends(1, RST, 90_000)
    flow = line.ended()
    assert (flow.bytes_out, flow.bytes_in) == (HEADERS, HEADERS)
    refused = Line()
    refused.sends(0, SYN, 0)
    refused.sends(1, RST | ACK, -2000, 1)
    assert refused.ended().bytes_in == HEADERS


def test_a_connection_for_dns_is_seen_whole_and_counted_as_seen() -> None:
    line = Line(port=53)
    line.opens()
    line.sends(0, ACK, 1, 1, b"x" * 100)
    line.sends(0, FIN | ACK, 101, 1)
    assert line.ended().bytes_out == 3 * HEADERS + 100


def test_where_all_packets_are_seen_the_numbers_do_not_count() -> None:
    line = Line(sparse=False)
    line.opens()
    line.sends(0, FIN | ACK, 1 + 300, 1)
    assert line.ended().bytes_out == 2 * HEADERS


@given(
    st.integers(0, 2**32 - 1),
    st.integers(0, 2**32 - 1),
    st.lists(st.tuples(st.integers(0, 1), st.integers(1, 100_000)), max_size=30),
    st.integers(0, 1),
    st.binary(max_size=20),
)
def test_whatever_was_sent_is_what_is_counted(
    host: int, server: int, sent: list[tuple[int, int]], ends_it: int, last: bytes
) -> None:
    line = Line(first=(host, server))
    line.opens()
    at = [1, 1]
    for side, size in sent:
        at[side] += size
    other = 1 - ends_it
    line.sends(ends_it, FIN | ACK, at[ends_it], at[other], last)
    line.sends(other, FIN | ACK, at[other], at[ends_it] + len(last) + 1)
    flow = line.ended()
    payload = [at[0] - 1, at[1] - 1]
    payload[ends_it] += len(last)
    assert (flow.bytes_out, flow.bytes_in) == (2 * HEADERS + payload[0], 2 * HEADERS + payload[1])


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 255), st.integers(0, 2**32), st.integers(0, 2**32)),
                max_size=20))  # fmt: skip
def test_numbers_that_make_no_sense_never_take_anything_away(packets: list[tuple[int, int, int, int]]) -> None:
    line = Line()
    for packet in packets:
        line.sends(*packet)
    flows = line.table.finish()
    assert sum(flow.packets_out + flow.packets_in for flow in flows) == len(packets)
    for flow in flows:
        assert flow.bytes_out >= flow.packets_out * HEADERS and flow.bytes_in >= flow.packets_in * HEADERS
