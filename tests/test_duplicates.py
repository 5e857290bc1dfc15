"""Promises of the entrance of flows: what two sources see is told once, by the better one, and nothing else is lost."""

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netwatchd.addresses import parse_address
from netwatchd.counters import Counters
from netwatchd.events import Flow, Origin
from netwatchd.ingest.duplicates import LINGER, MOST_KEYS, RANKS, SLACK, Duplicates, Entrance

NOON = 1_700_000_000_000
HOST, NAS, SERVER = (parse_address(text) for text in ("192.168.77.10", "192.168.77.20", "203.0.113.1"))
WAN = parse_address("203.0.113.2")


class Entrances:
    """All sources at one entrance, with a clock that is set by hand."""

    def __init__(self, *running: str, most: int = MOST_KEYS) -> None:
        self.now = 1000.0
        self.running = set(running)
        self.counters = Counters()
        self.duplicates = Duplicates(self.counters, lambda: self.running, lambda: self.now, most)
        self._doors = {name: self.duplicates.entrance(name) for name in RANKS}
        self._ids = itertools.count(1)

    def flow(self, source: str, **fields: Any) -> Flow:
        """A flow that a source tells, with a fresh id."""
        usual = Flow(next(self._ids), NOON, NOON + 1000, HOST, 40000, SERVER, 443, 6, 5, 500, 7, 7000, "closed", source)
        return usual._replace(**fields)

    def tell(self, *flows: Flow) -> list[Flow]:
        """What passes of the flows of one source."""
        return passed(self._doors[flows[0].source], *flows)

    def told(self, source: str, **fields: Any) -> bool:
        """Whether a flow that a source tells passes."""
        return bool(self.tell(self.flow(source, **fields)))


def passed(entrance: Entrance, *flows: Flow) -> list[Flow]:
    """Those of the flows that an entrance lets in."""
    found: list[Flow] = []
    entrance(flows, found.extend)
    return found


def swapped(flow: Flow) -> Flow:
    """The flow as somebody tells it who takes the other side for its opener."""
    return Flow._make((*flow[:3], *flow[5:7], *flow[3:5], flow[7], *flow[10:12], *flow[8:10], *flow[12:]))


def test_alone_a_source_tells_all_it_sees_and_nothing_is_remembered() -> None:
    one = Entrances("capture")
    flow = one.flow("capture")
    assert one.tell(flow) == one.tell(flow) == [flow]
    assert one.duplicates._claims == {}


# Connection tracking is never later than an exporter.
ORDERS = [order for order in itertools.permutations(RANKS, 2) if order != ("netflow", "conntrack")]


@pytest.mark.parametrize(("first", "second"), ORDERS)
def test_what_another_source_has_told_to_its_end_is_merged(first: str, second: str) -> None:
    both = Entrances(first, second)
    assert both.told(first)
    assert both.tell(swapped(both.flow(second))) == []
    assert both.counters[f"merged.flows.{second}"] == 1
    assert both.told(second, src_port=40001), "another connection"
    assert both.told(second, protocol=17), "another protocol"


def test_behind_nat_the_flow_is_the_same() -> None:
    both = Entrances("conntrack", "capture")
    flow = both.flow("conntrack", state="new")
    both.duplicates.translated("conntrack", flow, (WAN, 50000, SERVER, 443, 6))
    assert both.tell(flow) == [flow]
    outside = both.flow("capture", src_ip=WAN, src_port=50000)
    assert both.tell(outside) == both.tell(swapped(outside)) == both.tell(both.flow("capture")) == []
    assert both.told("capture", src_ip=WAN, src_port=50001)


def test_a_live_flow_is_merged_for_as_long_as_it_lives_and_a_while_after() -> None:
    both = Entrances("conntrack", "capture")
    live = both.flow("conntrack", state="active")
    both.tell(live)
    both.now += 100 * LINGER
    late = {"start": NOON + 3_600_000, "end": NOON + 3_601_000}
    assert not both.told("capture", **late)
    both.tell(live._replace(state="closed", end=NOON + 3_602_000))
    both.now += LINGER - 1
    assert not both.told("capture", **late), "late, as log files are"
    both.now += LINGER + 1
    assert both.told("capture", **late), "nobody remembers"


def test_the_same_ends_at_another_time_are_another_flow() -> None:
    both = Entrances("conntrack", "zeek")
    both.tell(both.flow("conntrack"))
    yesterday = NOON - 86_400_000
    assert both.told("zeek", start=yesterday, end=yesterday + 1000)
    both.tell(both.flow("conntrack"))
    assert not both.told("zeek", start=NOON - SLACK - 500, end=NOON - SLACK + 500)
    assert both.told("zeek", start=NOON + 2 * SLACK, end=NOON + 2 * SLACK)


def test_times_are_not_compared_with_those_of_a_clock_that_is_wrong() -> None:
    both = Entrances("conntrack", "netflow")
    both.tell(both.flow("conntrack"))
    late = {"start": NOON + 3_600_000, "end": NOON + 3_600_000}
    assert not both.told("netflow", **late, origin=Origin(HOST, clock_trusted=False))
    assert both.told("netflow", **late, origin=Origin(HOST))


def test_a_source_that_does_not_work_any_more_keeps_nothing() -> None:
    both = Entrances("conntrack", "capture", "netflow")
    both.tell(both.flow("conntrack", state="active"))
    assert not both.told("capture")
    both.running.discard("conntrack")
    assert both.told("capture")


def test_a_source_may_tell_its_own_flow_again_and_again() -> None:
    both = Entrances("capture", "netflow")
    flow = both.flow("capture", state="new")
    for state in ("new", "active", "active", "closed"):
        assert both.tell(flow._replace(state=state)) == [flow._replace(state=state)]
    assert both.told("capture"), "the next one of the same ends"


def test_a_better_source_that_comes_late_takes_the_row_over() -> None:
    both = Entrances("capture", "netflow")
    row = both.flow("capture", state="active", bytes_in=100, packets_in=9)
    both.tell(row)
    better = both.flow("netflow", bytes_in=5000, packets_in=4)
    (merged,) = both.tell(better)
    assert merged == better._replace(id=row.id, packets_in=9), "no counter goes back"
    assert both.counters["merged.flows.netflow"] == 1
    assert both.tell(row._replace(bytes_in=200)) == [], "the other one is not heard of it any more"
    (later,) = both.tell(both.flow("netflow", start=NOON + 2000, end=NOON + 60_000))
    assert later.id != row.id, "what the exporter tells of the next minute is a flow of its own"


def test_a_row_keeps_its_direction_and_the_new_owner_goes_on_with_it() -> None:
    both = Entrances("conntrack", "capture")
    row = both.flow("capture", state="active")
    both.tell(swapped(row))
    live = both.flow("conntrack", state="active", bytes_in=8000, bytes_out=800)
    (merged,) = both.tell(live)
    assert merged[3:8] == swapped(row)[3:8] and (merged.bytes_in, merged.bytes_out) == (800, 8000)
    (last,) = both.tell(live._replace(state="closed", bytes_in=9000))
    assert (last.id, last.state, last.bytes_out, last.source) == (row.id, "closed", 9000, "conntrack")


def test_two_places_of_one_source_tell_what_both_see_once() -> None:
    both = Entrances("capture")
    inside, outside = both.duplicates.entrance("capture", "lan0"), both.duplicates.entrance("capture", "wan0")
    flow = both.flow("capture")
    assert passed(inside, flow) == [flow]
    assert passed(outside, both.flow("capture")) == []


def test_the_memory_is_bounded_and_what_is_beyond_passes_and_is_counted() -> None:
    both = Entrances("conntrack", "capture", most=20)
    for port in range(30):
        assert both.told("conntrack", src_port=port, state="new")
    assert len(both.duplicates._claims) == 20
    assert both.counters["unclaimed.flows.conntrack"] == 20
    assert not both.told("capture", src_port=5) and both.told("capture", src_port=25)
    for port in range(30):
        both.tell(both.flow("conntrack", src_port=port))
    both.now += LINGER + 1
    assert both.told("conntrack", src_port=77)
    assert len(both.duplicates._claims) == 2, "what has had its time goes"


ends = st.sampled_from(
    [(HOST, 40000, SERVER, 443), (SERVER, 443, HOST, 40000), (HOST, 1, NAS, 2), (NAS, 9, SERVER, 443)]
)
steps = st.tuples(st.sampled_from(sorted(RANKS)), ends, st.sampled_from(["new", "active", "closed"]), st.integers(0, 9))


@given(st.lists(steps, max_size=40), st.sets(st.sampled_from(sorted(RANKS)), min_size=1))
def test_every_flow_passes_or_is_counted_as_merged_and_no_counter_of_a_row_goes_back(
    told: list[tuple[str, tuple[Any, ...], str, int]], running: set[str]
) -> None:
    all_of = Entrances(*running)
    rows: dict[int, Flow] = {}
    told_on = merged = 0
    for source, (src_ip, src_port, dst_ip, dst_port), state, size in told:
        if source not in running:
            continue
        flow = all_of.flow(source, src_ip=src_ip, src_port=src_port, dst_ip=dst_ip, dst_port=dst_port,
                           state=state, bytes_in=size)  # fmt: skip
        before = sum(all_of.counters[f"merged.flows.{name}"] for name in RANKS)
        for one in all_of.tell(flow):
            told_on += 1
            if one.id in rows:
                row = rows[one.id]
                assert one[3:8] == row[3:8]
                assert all(new >= old for new, old in zip(one[8:12], row[8:12], strict=True))
            rows[one.id] = one
        merged += sum(all_of.counters[f"merged.flows.{name}"] for name in RANKS) - before
    assert told_on + merged >= sum(source in running for source, *_ in told)
