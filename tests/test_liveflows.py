"""Promises of the table of live flows: sums are exact, days are kept apart, nobody is resurrected."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netwatchd.addresses import parse_address
from netwatchd.decoders.conntrack import ASSURED, DYING, SEEN_REPLY, Entry
from netwatchd.events import LIVE, Flow, new_event_id, time_of_id
from netwatchd.sources.liveflows import LiveFlows

DAY = 86_400_000
MORNING = 19_700 * DAY + 8 * 3_600_000
SECOND = 1000


def entry(**fields: Any) -> Entry:
    """An entry of a TCP connection, with other values where given."""
    usual = Entry(
        77, parse_address("192.168.77.10"), 40000, parse_address("203.0.113.1"), 443, 6, SEEN_REPLY | ASSURED, 0,
        0, 0, 0, 0, 0, 0, 0, 3,
    )  # fmt: skip
    return usual._replace(**fields)


def counted(packets_out: int, bytes_out: int, packets_in: int = 0, bytes_in: int = 0, **fields: Any) -> Entry:
    return entry(packets_out=packets_out, bytes_out=bytes_out, packets_in=packets_in, bytes_in=bytes_in, **fields)


def fresh(**options: Any) -> LiveFlows:
    """A table that has looked at nothing yet."""
    last = 0

    def new_id(now: int) -> int:
        nonlocal last
        last = new_event_id(last, now)
        return last

    return LiveFlows(new_id, **options)


def table(**options: Any) -> LiveFlows:
    """A table that has had its first dump, which found nothing, a second before MORNING."""
    flows = fresh(**options)
    flows.start_dump(MORNING - SECOND)
    assert flows.finish_dump(MORNING - SECOND) == []
    return flows


def dump(flows: LiveFlows, now: int, *entries: Entry) -> list[Flow]:
    """A whole dump; what it made."""
    flows.start_dump(now)
    told = [flow for one in entries if (flow := flows.dumped(one, now))]
    return told + flows.finish_dump(now)


def test_a_flow_keeps_its_id_from_new_by_active_to_closed() -> None:
    flows = table()
    new = flows.began(entry(status=0, tcp_state=1), MORNING)
    (active,) = dump(flows, MORNING + 10 * SECOND, counted(2, 200, 1, 1500, timeout=431_990))
    closed = flows.ended(counted(3, 300, 2, 3000, timeout=0, tcp_state=7), MORNING + 140 * SECOND)
    assert new is not None and closed is not None
    assert (new.state, active.state, closed.state) == ("new", "active", "closed")
    assert new.id == active.id == closed.id
    assert (new[8:12], active[8:12], closed[8:12]) == ((0, 0, 0, 0), (2, 200, 1, 1500), (3, 300, 2, 3000))
    assert new.source == "conntrack" and new.start == MORNING == closed.start
    assert len(flows) == 0


def test_a_dump_says_nothing_of_a_flow_that_has_not_changed() -> None:
    flows = table()
    flows.began(entry(), MORNING)
    same = counted(2, 200, 1, 1500)
    assert len(dump(flows, MORNING + SECOND, same)) == 1
    assert dump(flows, MORNING + 2 * SECOND, same) == []


def test_a_flow_without_reply_stays_new_and_is_told_once_it_is_answered() -> None:
    flows = table()
    flows.began(entry(status=0, tcp_state=1), MORNING)
    (asked,) = dump(flows, MORNING + SECOND, counted(1, 60, status=0, tcp_state=1))
    (answered,) = dump(flows, MORNING + 2 * SECOND, counted(1, 60, 1, 60))
    assert (asked.state, answered.state) == ("new", "active")


def test_a_connection_that_is_joined_in_its_middle_is_not_new() -> None:
    flow = table().began(entry(status=0), MORNING)
    assert flow is not None and flow.state == "active"


def test_a_flow_whose_new_event_was_lost_is_found_by_the_dump_and_counted_from_zero() -> None:
    flows = table()
    (found,) = dump(flows, MORNING + SECOND, counted(5, 500))
    assert found[8:10] == (5, 500)


def test_a_flow_of_which_only_the_end_was_heard_is_told_whole() -> None:
    closed = table().ended(counted(5, 500, start=MORNING * 10**6, stop=(MORNING + SECOND) * 10**6), MORNING + SECOND)
    assert closed is not None
    assert (closed.state, closed[8:10], closed.start) == ("closed", (5, 500), MORNING)
    assert closed.id


def test_what_passed_before_the_first_dump_is_not_counted() -> None:
    flows = fresh()
    (found,) = dump(flows, MORNING, counted(1000, 10**6, start=(MORNING - DAY) * 10**6))
    assert (found.start, found[8:10]) == (MORNING, (0, 0))
    (active,) = dump(flows, MORNING + SECOND, counted(1001, 10**6 + 60))
    assert active[8:10] == (1, 60)


def test_a_flow_that_began_during_the_first_dump_is_counted_whole() -> None:
    by_time = fresh()
    (found,) = dump(by_time, MORNING, counted(10, 1000, start=(MORNING + 1) * 10**6))
    assert found[8:10] == (10, 1000)
    by_event = fresh()
    dump(by_event, MORNING, counted(10, 1000))
    assert by_event.began(entry(), MORNING) is None
    (active,) = dump(by_event, MORNING + SECOND, counted(11, 1100))
    assert active[8:10] == (11, 1100)


def test_the_end_of_a_flow_from_before_the_first_dump_is_no_news() -> None:
    flows = fresh()
    flows.start_dump(MORNING)
    assert flows.ended(counted(10, 1000), MORNING) is None
    flows.finish_dump(MORNING)
    assert flows.ended(counted(10, 1000, start=(MORNING - SECOND) * 10**6), MORNING) is None


def test_a_dump_does_not_resurrect_a_flow_that_ended_meanwhile() -> None:
    flows = table()
    flows.began(entry(), MORNING)
    flows.start_dump(MORNING + SECOND)
    assert flows.ended(counted(2, 200), MORNING + SECOND) is not None
    assert flows.dumped(counted(1, 100), MORNING + SECOND) is None
    assert flows.finish_dump(MORNING + SECOND) == []
    assert len(flows) == 0


def test_a_dump_does_not_resurrect_a_flow_that_the_kernel_is_taking_down() -> None:
    flows = table()
    assert dump(flows, MORNING, counted(1, 100, status=DYING)) == []
    assert len(flows) == 0


def test_a_flow_that_is_born_during_a_dump_does_not_count_as_missing_in_it() -> None:
    flows = table()
    flows.start_dump(MORNING)
    flows.began(entry(), MORNING)
    assert flows.finish_dump(MORNING) == []
    assert len(flows) == 1


def test_a_flow_missing_in_three_dumps_has_ended_and_what_comes_later_is_told_as_the_difference() -> None:
    flows = table()
    flows.began(entry(), MORNING)
    dump(flows, MORNING, counted(2, 200))
    made = [dump(flows, MORNING + n * 10 * SECOND) for n in (1, 2, 3, 4)]
    assert [len(each) for each in made] == [0, 0, 1, 0]
    assert (made[2][0].state, made[2][0][8:10]) == ("closed", (2, 200))
    late = flows.ended(counted(3, 260), MORNING + 60 * SECOND)
    assert late is not None and late.id != made[2][0].id
    assert late[8:10] == (1, 60)


def test_a_flow_that_was_taken_for_ended_and_then_ends_indeed_is_not_told_again() -> None:
    flows = table()
    flows.began(entry(), MORNING)
    dump(flows, MORNING, counted(2, 200))
    for n in (1, 2, 3):
        dump(flows, MORNING + n * 10 * SECOND)
    assert flows.ended(counted(2, 200), MORNING + 60 * SECOND) is None


def test_dumps_in_quick_succession_do_not_take_a_flow_for_ended() -> None:
    flows = table()
    flows.began(entry(), MORNING)
    assert [dump(flows, MORNING + n * SECOND) for n in range(10)] == [[]] * 10


def test_flows_that_stay_away_are_forgotten() -> None:
    flows = table()
    flows.began(entry(), MORNING)
    for n in range(70):
        dump(flows, MORNING + n * SECOND)
    assert len(flows) == 0


def test_an_aborted_dump_is_no_dump_that_missed_a_flow() -> None:
    flows = table()
    flows.began(entry(), MORNING)
    for n in range(10):
        flows.start_dump(MORNING + n)
    assert flows.finish_dump(MORNING) == []
    assert len(flows) == 1


def test_at_the_first_dump_of_a_day_a_record_is_closed_and_goes_on_from_zero() -> None:
    flows = table()
    new = flows.began(entry(), MORNING)
    assert new is not None
    midnight = MORNING - MORNING % DAY + DAY
    (closed,) = dump(flows, midnight + SECOND, counted(100, 10_000))
    assert (closed.state, closed.id, closed[8:10]) == ("closed", new.id, (100, 10_000))
    (active,) = dump(flows, midnight + 11 * SECOND, counted(130, 13_000))
    assert active.id != new.id and time_of_id(active.id) >= midnight
    assert (active.start, active.state, active[8:10]) == (midnight + SECOND, "active", (30, 3000))


def test_a_silent_flow_makes_no_record_of_the_new_day_until_it_speaks() -> None:
    flows = table()
    flows.began(entry(), MORNING)
    dump(flows, MORNING, counted(1, 100))
    for days in (1, 2, 3):
        told = dump(flows, MORNING + days * DAY, counted(1, 100))
        assert [flow.state for flow in told] == (["closed"] if days == 1 else [])
    (active,) = dump(flows, MORNING + 3 * DAY + SECOND, counted(2, 200))
    assert active[8:10] == (1, 100)
    assert active.start // DAY == time_of_id(active.id) // DAY == (MORNING + 3 * DAY) // DAY


def test_a_clock_that_is_set_back_closes_nothing() -> None:
    flows = table()
    flows.began(entry(), MORNING)
    (active,) = dump(flows, MORNING - 3 * DAY, counted(1, 100))
    assert active.state == "active" and active.start <= active.end


def test_counters_that_somebody_sets_to_zero_do_not_lose_what_was_told() -> None:
    flows = table()
    flows.began(entry(), MORNING)
    dump(flows, MORNING, counted(10, 1000, 5, 500))
    (active,) = dump(flows, MORNING + SECOND, counted(1, 100, 1, 50))
    closed = flows.ended(counted(2, 200, 1, 50), MORNING + 2 * SECOND)
    assert active[8:12] == (11, 1100, 6, 550)
    assert closed is not None and closed[8:12] == (12, 1200, 6, 550)


@pytest.mark.parametrize(
    ("source", "destination"),
    [("127.0.0.1", "127.0.0.1"), ("::1", "::1"), ("127.0.0.53", "192.168.1.1"), ("192.168.77.1", "192.168.77.1")],
)
def test_what_stays_inside_the_machine_is_no_flow(source: str, destination: str) -> None:
    flows = table()
    inside = counted(1, 100, src_ip=parse_address(source), dst_ip=parse_address(destination))
    assert flows.began(inside, MORNING) is None
    assert dump(flows, MORNING, inside) == []
    assert flows.ended(inside, MORNING) is None
    assert (len(flows), flows.untracked) == (0, 0)


def test_a_full_table_takes_no_more_but_counts_them_and_tells_them_at_their_end() -> None:
    flows = table(most=1)
    flows.began(entry(id=1), MORNING)
    assert flows.began(entry(id=2), MORNING) is None
    assert (len(flows), flows.untracked) == (1, 1)
    closed = flows.ended(counted(2, 200, id=2), MORNING + SECOND)
    assert closed is not None and closed[8:10] == (2, 200)


def test_closing_all_is_the_last_word_with_the_last_counters() -> None:
    flows = table()
    flows.began(entry(), MORNING)
    (active,) = dump(flows, MORNING, counted(2, 200))
    assert flows.close_all(MORNING + SECOND) == [active._replace(state="closed")]
    assert len(flows) == 0


def test_a_flow_without_counters_is_told_at_its_end_all_the_same() -> None:
    flows = table()
    flows.began(entry(), MORNING)
    closed = flows.ended(entry(stop=(MORNING + 130 * SECOND) * 10**6, tcp_state=7), MORNING + 130 * SECOND)
    assert closed is not None
    assert (closed[8:12], closed.end) == ((0, 0, 0, 0), MORNING + 10 * SECOND)


class TestTheEndOfAFlowIsTheTimeOfItsLastPacket:
    def test_from_the_moment_of_its_expiry(self) -> None:
        flows = table()
        flows.began(entry(), MORNING)
        stop = MORNING + 125_250
        closed = flows.ended(counted(5, 500, tcp_state=7, stop=stop * 10**6), stop + 30 * SECOND)
        assert closed is not None and closed.end == MORNING + 5250

    def test_from_what_is_left_when_it_is_removed_early(self) -> None:
        flows = table()
        flows.began(entry(), MORNING)
        closed = flows.ended(
            counted(5, 500, timeout=431_995, stop=(MORNING + 15 * SECOND) * 10**6), MORNING + 15 * SECOND
        )
        assert closed is not None and closed.end == MORNING + 10 * SECOND

    def test_not_before_the_look_that_had_other_counters(self) -> None:
        flows = table()
        flows.began(entry(), MORNING)
        dump(flows, MORNING + 100 * SECOND, counted(5, 500, timeout=431_999))
        closed = flows.ended(counted(6, 600, stop=(MORNING + 101 * SECOND) * 10**6), MORNING + 101 * SECOND)
        assert closed is not None and closed.end == MORNING + 100 * SECOND

    def test_not_after_the_look_that_had_the_same_counters(self) -> None:
        flows = table()
        flows.began(entry(), MORNING)
        dump(flows, MORNING + 10 * SECOND, counted(5, 500, timeout=431_000))
        dump(flows, MORNING + 20 * SECOND, counted(5, 500, timeout=430_990))
        closed = flows.ended(counted(5, 500, tcp_state=8), MORNING + 300 * SECOND)
        assert closed is not None and closed.end <= MORNING + 10 * SECOND

    def test_by_the_timeouts_that_this_kernel_has(self) -> None:
        flows = table(timeouts={"udp_timeout_stream": 180})
        flows.began(entry(protocol=17, tcp_state=0), MORNING)
        stop = MORNING + 190 * SECOND
        closed = flows.ended(counted(5, 500, protocol=17, tcp_state=0, stop=stop * 10**6), stop)
        assert closed is not None and closed.end == MORNING + 10 * SECOND

    @pytest.mark.parametrize(("protocol", "state"), [(6, 0), (6, 10), (6, 255), (132, 0), (47, 0), (255, 0), (58, 0)])
    def test_whatever_the_protocol_and_state(self, protocol: int, state: int) -> None:
        flows = table()
        flows.began(entry(protocol=protocol), MORNING)
        closed = flows.ended(counted(5, 500, protocol=protocol, tcp_state=state), MORNING + DAY)
        assert closed is not None and MORNING <= closed.end <= MORNING + DAY


steps = st.lists(
    st.tuples(st.sampled_from(["dump", "miss", "dump during", "midnight", "abort"]), st.integers(0, 3)), max_size=25
)


@given(steps, st.booleans())
def test_whatever_happens_the_records_of_a_connection_add_up_to_what_the_kernel_counted(
    happenings: list[tuple[str, int]], heard: bool
) -> None:
    flows, now, packets = table(), MORNING, 1
    told: list[Flow | None] = [flows.began(entry(), now)] if heard else []
    for what, more in happenings:
        now += DAY if what == "midnight" else 10 * SECOND
        packets += more
        if what == "abort":
            flows.start_dump(now)
        else:
            told += dump(flows, now, *([counted(packets, packets * 100)] if what != "miss" else []))
    told.append(flows.ended(counted(packets, packets * 100), now + SECOND))
    assert _sums(told) == (packets, packets * 100)


def _sums(told: list[Flow | None]) -> tuple[int, int]:
    last: dict[int, Flow] = {}
    for flow in told:
        if flow is not None:
            before = last.get(flow.id)
            assert before is None or (before.state in LIVE and before[8:10] <= flow[8:10] and before.end <= flow.end)
            last[flow.id] = flow
    assert all(flow.state == "closed" and flow.start <= flow.end for flow in last.values())
    return sum(flow.packets_out for flow in last.values()), sum(flow.bytes_out for flow in last.values())
