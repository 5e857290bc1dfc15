"""What passed is accounted to who opened it, told once it is over, and never lost unsaid."""

from itertools import count
from pathlib import Path
from typing import Any

import pytest
from packet_kit import (
    ACK,
    FIN,
    MAC_A,
    MAC_B,
    RST,
    SYN,
    A,
    B,
    C,
    ethernet,
    icmp,
    ip4,
    ip6,
    packed,
    tcp,
    udp,
)  # fmt: skip
from store_kit import DAY, NOON

from netwatchd.addresses import parse_address
from netwatchd.decoders.conversations import STATES
from netwatchd.decoders.flowtable import FlowTable
from netwatchd.decoders.links import REASONS
from netwatchd.events import Flow, new_event_id

LOCAL, REMOTE = parse_address(A), parse_address(C)


class Watched:
    """A table, and the time of day in its packets."""

    def __init__(self, **settings: Any) -> None:
        self.table = FlowTable(self._new_id, "replay", **settings)
        self._last = 0
        self.time = NOON

    def _new_id(self, now: int, count: int = 1, /) -> int:
        self._last = new_event_id(self._last, now)
        return self._last

    def see(self, packet: bytes, after: int = 1, mac: bytes = MAC_A, link_type: int = 1, wire: int = 0) -> None:
        """A packet, so many milliseconds after the last one."""
        self.time += after
        frame = ethernet(packet, mac) if link_type == 1 else packet
        self.table.see(self.time, link_type, frame, wire or len(frame))

    def tcp(self, *flags: int, back: int = 0, port: int = 40000, seq: int = 1, after: int = 1) -> None:
        """Segments from A to C, and so many back."""
        for each in flags:
            self.see(ip4(tcp(port, 443, each, seq=seq), protocol=6), after)
        for _ in range(back):
            self.see(ip4(tcp(443, port, ACK), C, A, 6), after, MAC_B)

    def answer(self, flags: int, port: int = 40000) -> None:
        """A segment from C to A."""
        self.see(ip4(tcp(443, port, flags, seq=9), C, A, 6), 1, MAC_B)

    def only(self) -> Flow:
        """The only flow there was."""
        (flow,) = self.table.finish()
        return flow


def counters(flow: Flow) -> tuple[int, ...]:
    """Packets and bytes out, packets and bytes in."""
    return flow[8:12]


def test_a_connection_is_one_flow_from_who_opened_it() -> None:
    seen = Watched()
    seen.tcp(SYN)
    seen.answer(SYN | ACK)
    seen.tcp(ACK, ACK, back=3)
    seen.tcp(FIN | ACK)
    seen.answer(FIN | ACK)
    seen.tcp(ACK)
    flow = seen.only()
    assert flow == (
        (NOON + 1) << 12, NOON + 1, NOON + 10, LOCAL, 40000, REMOTE, 443, 6, 5, 200, 5, 200, "closed", "replay", None,
        None,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("flags", "state"),
    [
        ([], "attempt"),
        ([(1, SYN | ACK)], "unfinished"),
        ([(1, RST | ACK)], "rejected"),
        ([(1, SYN | ACK), (0, RST)], "reset"),
        ([(1, SYN | ACK), (0, ACK), (1, RST)], "reset"),
        ([(0, RST)], "reset"),
        ([(1, SYN | ACK), (0, FIN | ACK)], "unfinished"),
        ([(1, SYN | ACK), (0, FIN | ACK), (1, FIN | ACK), (0, RST)], "closed"),
    ],
)
def test_the_state_says_how_a_connection_ended(flags: list[tuple[int, int]], state: str) -> None:
    seen = Watched()
    seen.tcp(SYN)
    for back, each in flags:
        if back:
            seen.answer(each)
        else:
            seen.tcp(each)
    assert seen.only().state == state


def test_a_capture_that_begins_with_the_answer_knows_who_asked() -> None:
    seen = Watched()
    seen.answer(SYN | ACK)
    seen.tcp(ACK)
    flow = seen.only()
    assert (flow.src_ip, flow.dst_port, counters(flow), flow.state) == (LOCAL, 443, (1, 40, 1, 40), "unfinished")


@pytest.mark.parametrize(
    ("packet", "opener"),
    [
        (ip4(tcp(443, 50000), C, A, 6), LOCAL),
        (ip4(tcp(50000, 443), C, A, 6), REMOTE),
        (ip4(tcp(50000, 50001), C, A, 6), REMOTE),
        (ip4(udp(53, 50000), C, A), LOCAL),
        (ip4(udp(53, 50000), C, "224.0.0.1"), REMOTE),
        (ip4(udp(53, 50000), C, "255.255.255.255"), REMOTE),
        (ip4(udp(123, 123), C, A), REMOTE),
        (ip4(icmp(0), C, A, 1), LOCAL),
        (ip4(icmp(3), C, A, 1), REMOTE),
    ],
)
def test_joined_in_the_middle_a_wellknown_port_hints_at_who_answered(packet: bytes, opener: int) -> None:
    seen = Watched()
    seen.see(packet)
    assert seen.only().src_ip == opener


def test_what_nobody_saw_beginning_or_ending_is_partial() -> None:
    seen = Watched()
    seen.tcp(ACK, back=1)
    assert seen.only().state == "partial"


def test_the_same_ports_again_are_another_connection() -> None:
    seen = Watched()
    for seq in (1, 5):
        seen.tcp(SYN, seq=seq)
        seen.answer(SYN | ACK)
        seen.tcp(FIN | ACK)
        seen.answer(FIN | ACK)
        seen.tcp(ACK)
    seen.tcp(SYN, seq=9)
    seen.answer(SYN | ACK)
    seen.tcp(SYN, seq=10)  # it forgot, and starts again
    flows = seen.table.finish()
    assert [(flow.state, counters(flow)) for flow in flows] == [
        ("closed", (3, 120, 2, 80)), ("closed", (3, 120, 2, 80)), ("replaced", (1, 40, 1, 40)),
        ("attempt", (1, 40, 0, 0)),
    ]  # fmt: skip


def test_who_asks_again_after_a_refusal_or_silence_makes_no_new_flow() -> None:
    seen = Watched()
    seen.tcp(SYN)
    seen.answer(RST | ACK)
    seen.tcp(SYN)
    seen.answer(RST | ACK)
    assert (seen.only().state, len(seen.table)) == ("rejected", 0)
    silent = Watched()
    silent.tcp(SYN, SYN, SYN, after=30_000)
    assert counters(silent.only()) == (3, 120, 0, 0)


def test_a_request_and_its_reply_are_one_flow_with_the_type_of_the_request() -> None:
    seen = Watched()
    seen.see(ip4(icmp(8), A, C, 1))
    seen.see(ip4(icmp(0), C, A, 1), mac=MAC_B)
    seen.see(ip6(icmp(128), "fd00::1", "fd00::2", 58))
    seen.see(ip6(icmp(129), "fd00::2", "fd00::1", 58), mac=MAC_B)
    seen.see(ip4(icmp(3, 1), C, A, 1), mac=MAC_B)
    found = [(flow.protocol, flow.src_port, flow.dst_port, counters(flow)) for flow in seen.table.finish()]
    assert found == [(1, 8, 0, (1, 44, 1, 44)), (1, 3, 1, (1, 44, 0, 0)), (58, 128, 0, (1, 64, 1, 64))]


def test_fragments_belong_to_the_flow_of_the_first() -> None:
    seen = Watched()
    seen.see(ip4(udp(5, 6), offset=0x2000, number=1))
    seen.see(ip4(b"x" * 24, offset=4, number=1))
    seen.see(ip4(b"x" * 24, offset=4, number=2))
    assert [(flow.src_port, counters(flow)) for flow in seen.table.finish()] == [(5, (2, 92, 0, 0)), (0, (1, 44, 0, 0))]


def test_fragments_that_came_before_the_first_are_put_down_to_its_flow_too() -> None:
    seen = Watched(interval=10_000)
    seen.see(ip4(b"x" * 24, offset=7, number=1))
    seen.see(ip4(b"x" * 24, offset=0x2004, number=1))
    seen.see(ip4(b"x" * 24, offset=4, number=2))
    seen.see(ip4(udp(5, 6), offset=0x2000, number=1))
    found = {flow.src_port: flow for flow in seen.table.due(seen.time)}
    assert {port: counters(flow) for port, flow in found.items()} == {5: (3, 136, 0, 0), 0: (1, 44, 0, 0)}
    seen.see(ip4(udp(7, 6), offset=0x2000, number=2))
    assert len(seen.table) == 3, "what was told cannot be taken back"
    alone = Watched()
    alone.see(ip4(b"x" * 24, offset=4, number=2))
    alone.see(ip4(udp(7, 6), offset=0x2000, number=2))
    flow = alone.only()
    assert (flow.src_port, counters(flow), flow.start) == (7, (2, 92, 0, 0), NOON + 1)


@pytest.mark.parametrize(
    ("packets", "silence"),
    [
        ([ip4(udp())], 120_000), ([ip4(icmp(), protocol=1)], 60_000), ([ip4(b"x", protocol=47)], 600_000),
        ([ip4(tcp(flags=SYN), protocol=6)], 120_000), ([ip4(tcp(), protocol=6)], 7_440_000),
        ([ip4(tcp(flags=FIN | ACK), protocol=6)], 240_000), ([ip4(tcp(flags=FIN), protocol=6)], 10_000),
        ([ip4(tcp(flags=RST), protocol=6)], 10_000),
    ],
)  # fmt: skip
def test_a_flow_ends_when_it_was_silent_for_its_protocols_timeout(packets: list[bytes], silence: int) -> None:
    seen = Watched()
    for packet in packets:
        seen.see(packet)
    assert seen.table.due(seen.time + silence - 1000) == []
    (flow,) = seen.table.due(seen.time + silence + 1000)
    assert flow.end == seen.time
    assert len(seen.table) == 0


@pytest.mark.parametrize(("sparse", "silence"), [(False, 120_000), (True, 7_440_000)])
def test_without_the_answer_to_the_answer_a_connection_is_only_opening(sparse: bool, silence: int) -> None:
    seen = Watched(sparse=sparse)
    seen.tcp(SYN)
    seen.answer(SYN | ACK)
    assert seen.table.due(seen.time + silence - 1000) == []
    assert len(seen.table.due(seen.time + silence + 1000)) == 1


def test_packets_alone_move_time_on() -> None:
    seen = Watched()
    seen.see(ip4(udp()))
    seen.see(ip4(udp()), after=121_001)
    seen.see(ip4(udp()), after=119_000)
    assert [counters(flow) for flow in seen.table.due(seen.time)] == [(1, 48, 0, 0)]
    assert counters(seen.only()) == (2, 96, 0, 0)


def test_live_flows_are_told_when_they_begin_and_while_they_grow() -> None:
    seen = Watched(interval=10_000)
    seen.see(ip4(udp()))
    (began,) = seen.table.due(seen.time)
    seen.see(ip4(udp(40001)))
    (other,) = seen.table.due(seen.time + 1)
    seen.see(ip4(udp(53, 40000), C, A), mac=MAC_B)
    assert seen.table.due(seen.time + 5000) == []
    (grown,) = seen.table.due(seen.time + 10_000)
    assert seen.table.due(seen.time + 20_000) == []
    assert [(flow.state, counters(flow)) for flow in (began, other, grown)] == [
        ("new", (1, 48, 0, 0)), ("new", (1, 48, 0, 0)), ("active", (1, 48, 1, 48)),
    ]  # fmt: skip
    last = seen.table.finish()
    assert [(flow.id, flow.state) for flow in last] == [(began.id, "unfinished"), (other.id, "unfinished")]


def test_at_midnight_a_flow_goes_on_under_another_id_once_something_passes() -> None:
    seen = Watched(interval=10_000)
    midnight = NOON + DAY // 2
    seen.time = midnight - 2000
    seen.tcp(SYN)
    seen.answer(SYN | ACK)
    seen.tcp(ACK)
    flows = seen.table.due(midnight + 5)
    assert [(flow.state, counters(flow)) for flow in flows] == [("continued", (2, 80, 1, 40))]
    seen.time = midnight + 10_000
    seen.answer(ACK)
    seen.answer(FIN | ACK)
    seen.tcp(FIN | ACK)
    flow = seen.only()
    assert (flow.src_ip, flow.state, counters(flow)) == (LOCAL, "closed", (1, 40, 2, 80))
    assert flow.start == midnight + 10_001 == flow.id >> 12
    assert seen.table.finish() == [], "a silent one makes no empty rows"


def test_a_flood_cannot_fill_the_memory() -> None:
    seen = Watched(most=100)
    seen.see(ip4(udp(1, 1)))
    for number in range(1000):
        seen.see(ip4(udp(2000 + number)))
        assert len(seen.table) <= 100
    flows = seen.table.finish()
    assert len(flows) == 1001
    assert seen.table.evicted == sum(flow.state == "evicted" for flow in flows) > 900
    assert flows[0].src_port == 1, "who was silent longest goes first"


def test_what_has_ended_is_let_go_of() -> None:
    seen = Watched()
    for number in range(30_000):
        seen.tcp(SYN, RST, port=number, after=0)
        if number % 100 == 0:
            seen.time += 1000
            seen.table.due(seen.time)
    assert len(seen.table) <= 1200
    assert sum(map(len, seen.table._buckets.values())) <= 2 * 1200 + 4096 + 1


def test_what_comes_late_over_midnight_belongs_to_the_new_day() -> None:
    seen = Watched()
    midnight = NOON + DAY // 2
    seen.table.due(midnight)
    seen.time = midnight - 50
    seen.see(ip4(udp()))
    assert seen.only().id >> 12 == midnight


def test_time_that_goes_back_ends_all_and_time_out_of_order_does_not() -> None:
    seen = Watched()
    seen.see(ip4(udp()))
    seen.see(ip4(udp()), after=-500)
    assert seen.table.due(seen.time) == []
    seen.see(ip4(udp()), after=-DAY)
    (before,) = seen.table.due(seen.time)
    assert (before.start, before.end, counters(before)) == (NOON - 499, NOON + 1, (2, 96, 0, 0))
    assert counters(seen.only()) == (1, 48, 0, 0)


@pytest.mark.parametrize("time", [-1, 2**63, 253_402_300_800_000])
def test_a_time_that_is_none_is_counted(time: int) -> None:
    table = Watched().table
    table.see(time, 1, ethernet(ip4(udp())), 62)
    assert (table.skipped, table.finish()) == ({"time": 1}, [])


def test_the_fast_way_counts_as_the_slow_one() -> None:
    """Ethernet without tags is counted by one slice, everything else from the start."""
    numbers = count(1)
    packets = [
        *[ip4(tcp(1000 + n % 3, 443, ACK, b"x" * n), protocol=6) for n in range(9)],
        *[ip4(tcp(443, 1000 + n % 3, ACK, b"x" * n), C, A, 6) for n in range(9)],
        *[ip6(udp(5000 + n % 2, 53, b"x" * n)) for n in range(9)],
        *[ip6(tcp(5000 + n % 2, 53, ACK, b"x" * n), protocol=6) for n in range(9)],
        *[ip4(udp(7, 8), options=bytes(4 * (n % 2))) for n in range(9)],
        *[ip4(udp(7, 8, b"x" * 50), offset=0x2000 + n % 2, number=next(numbers) // 2) for n in range(8)],
        *[ip4(udp(7, 8), total=(0, 9999, 48)[n % 3]) for n in range(9)],
    ]  # fmt: skip
    fast, slow = Watched(), Watched()
    for packet in packets * 2:
        fast.see(packet, wire=70)
        slow.see(packet, link_type=101, wire=56)
    assert sorted(flow[1:] for flow in fast.table.finish()) == sorted(flow[1:] for flow in slow.table.finish())


def test_a_packet_to_oneself_is_counted() -> None:
    seen = Watched()
    seen.see(ip4(udp(7, 7), A, A))
    seen.see(ip4(udp(7, 7), A, A))
    assert counters(seen.only()) == (2, 96, 0, 0)


def test_addresses_are_as_everywhere() -> None:
    seen = Watched()
    seen.see(ip6(udp(), "fd00::1", "2001:db8::1"))
    seen.see(ip4(udp(), A, B))
    (four, six) = sorted(seen.table.finish(), key=lambda flow: str(type(flow.src_ip)), reverse=True)
    assert (four.src_ip, six.src_ip, six.dst_ip) == (LOCAL, packed("fd00::1"), packed("2001:db8::1"))


def test_the_states_and_reasons_are_documented() -> None:
    page = (Path(__file__).parent.parent / "docs/INTERFACE.md").read_text()
    for word, meaning in {**STATES, **REASONS}.items():
        assert f"| `{word}` | {meaning} |" in page
