"""The two directions of a flow, told one by one, become one flow where they belong together."""

from typing import Any

import pytest
from exporters import Template
from netflow_kit import COMMON, HERE, MS, NOW, THERE, Heard, record, told

from netwatchd.decoders.netflow.halves import MOST_HALVES

WHOLE = (HERE, 40000, THERE, 443, 1000, 9000)


def heard(*records: Any, hold: int = 2000) -> Heard:
    """What comes of records in one datagram."""
    here = Heard(hold=hold)
    here.templates(MS)
    here.records(MS, *records)
    return here


def test_both_halves_in_one_datagram_are_told_at_once() -> None:
    here = heard(record(), record(False, octets=9000, packets=12))
    (flow,) = here.flows
    assert told(flow) == WHOLE
    assert (flow.packets_out, flow.packets_in) == (10, 12)
    assert here.all() == [flow]


def test_halves_that_come_within_half_of_the_time_are_joined() -> None:
    here = heard(record(False, octets=9000))
    here.wait(900)
    here.records(MS, record(times=(NOW - 5001, NOW - 900)))
    here.wait(1100)
    (flow,) = here.flows
    assert told(flow) == WHOLE
    assert (flow.start, flow.end) == (NOW - 5001, NOW - 900)


def test_a_half_waits_no_longer_than_it_should_and_is_told_alone() -> None:
    here = heard(record())
    here.wait(2000)
    (flow,) = here.flows
    assert told(flow) == (HERE, 40000, THERE, 443, 1000, 0)
    here.records(MS, record(False, octets=9000))
    assert [told(flow) for flow in here.all()[1:]] == [(THERE, 443, HERE, 40000, 9000, 0)]


def test_without_a_time_each_half_is_a_flow_at_once() -> None:
    assert len(heard(record(), record(False), hold=0).flows) == 2


def test_conversations_that_are_far_apart_are_two() -> None:
    here = heard(record(times=(NOW - 60_000, NOW - 50_000)), record(False, times=(NOW - 30_000, NOW)))
    assert len(here.all()) == 2


def test_parts_of_one_direction_are_told_one_by_one() -> None:
    here = heard(record(octets=1), record(octets=2), record(False, octets=3))
    assert sorted((flow.bytes_out, flow.bytes_in) for flow in here.all()) == [(1, 0), (2, 3)]


@pytest.mark.parametrize(
    ("here", "there", "here_opened"),
    [
        ({"times": (NOW - 10, NOW)}, {"times": (NOW - 9, NOW)}, True),
        ({"times": (NOW - 9, NOW)}, {"times": (NOW - 10, NOW)}, False),
        # A SYN on one side only, when both began at once.
        ({"flags": 2}, {"flags": 0x14}, True),
        ({"flags": 0x10}, {"flags": 0x12}, False),
        # The rest of a longer flow: whose packet came first in it says nothing; the service has the lower port.
        ({"flags": 0x10, "times": (NOW - 9, NOW)}, {"flags": 0x18, "times": (NOW - 10, NOW)}, True),
        ({"protocol": 17, "flags": 0}, {"protocol": 17, "flags": 0}, True),
    ],
)
@pytest.mark.parametrize("first", [True, False])
def test_who_opened_it_is_the_source(
    here: dict[str, Any], there: dict[str, Any], here_opened: bool, first: bool
) -> None:
    records = [record(**here), record(False, **there)]
    (flow,) = heard(*(records if first else records[::-1])).flows
    assert told(flow)[0] == (HERE if here_opened else THERE)


def test_a_ping_and_its_answer_are_one_flow_and_two_pings_are_two() -> None:
    icmp = Template(300, COMMON + "icmpTypeCodeIPv4")
    here = Heard()
    here.templates(icmp)

    def ping(src: str, dst: str, kind: int) -> tuple[Any, ...]:
        return (src, dst, 0, 0, 1, 0, 84, 1, kind << 8)

    here.records(icmp, ping(HERE, THERE, 8), ping(THERE, HERE, 8), ping(THERE, HERE, 0), ping(HERE, THERE, 0))
    assert [told(flow) for flow in here.all()] == [(HERE, 8, THERE, 0, 84, 84), (THERE, 8, HERE, 0, 84, 84)]


def test_an_error_of_icmp_has_no_other_half() -> None:
    here = heard(
        record(protocol=1, ports=(0, 0x0301)),
        record(False, protocol=1, ports=(0x0301, 0)),
    )
    assert [(flow.src_port, flow.dst_port, flow.bytes_in) for flow in here.flows] == [(3, 1, 0), (3, 1, 0)]


def test_only_so_many_wait_and_the_oldest_are_told_before_their_time() -> None:
    here = Heard()
    here.templates(MS)
    for at in range(0, MOST_HALVES + 1000, 8):
        here.records(MS, *(record(ports=(1024 + n % 60000, 1 + n // 60000)) for n in range(at, at + 8)))
    waiting = MOST_HALVES + 1000 - len(here.flows)
    assert waiting <= MOST_HALVES
    assert len(here.all()) == MOST_HALVES + 1000


def test_ids_rise_in_the_order_in_which_flows_are_told() -> None:
    here = heard(record(), record(ports=(40001, 443)), record(False, ports=(40001, 443)))
    here.wait(3000)
    ids = [flow.id for flow in here.flows]
    assert ids == sorted(set(ids))
    assert len(ids) == 2


DIRECTED = Template(301, COMMON + "flowStartMilliseconds flowEndMilliseconds flowDirection")


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (0, 3, 1, 2), (3, 2, 1, 0)])
@pytest.mark.parametrize("pause", [0, 900])
def test_what_a_router_counts_as_it_comes_in_and_as_it_goes_out_counts_once(order: Any, pause: int) -> None:
    here = Heard()
    here.templates(DIRECTED)
    records = [(*record(out, octets=1000 if out else 9000), egress) for out in (True, False) for egress in (0, 1)]
    for n in order:
        here.records(DIRECTED, records[n])
        here.wait(pause if n == order[1] else 0)
    assert [told(flow) for flow in here.all()] == [WHOLE]
    assert here.counts["skipped.netflow.second_count"] == 2


def test_a_conversation_of_the_same_ports_that_follows_at_once_is_another_one() -> None:
    here = Heard()
    here.templates(DIRECTED)
    for packets in (10, 11):
        here.records(DIRECTED, (*record(packets=packets), 0), (*record(False, packets=packets), 0))
    assert len(here.all()) == 2


def test_the_next_part_of_a_flow_is_no_second_count() -> None:
    here = Heard()
    here.templates(DIRECTED)
    for times in ((NOW - 9000, NOW - 5000), (NOW - 4900, NOW - 1000)):
        here.records(DIRECTED, (*record(times=times), 0), (*record(False, times=times), 0))
    assert [(flow.bytes_out, flow.bytes_in) for flow in here.all()] == [(1000, 1000), (1000, 1000)]


def test_a_direction_says_nothing_of_flags() -> None:
    here = Heard()
    here.templates(DIRECTED)
    asked = record(flags=0, ports=(443, 40000), times=(NOW - 5, NOW))
    answered = record(False, flags=0, ports=(443, 40000), times=(NOW - 4, NOW))
    here.records(DIRECTED, (*answered, 0), (*asked, 0))
    assert [told(flow)[:4] for flow in here.all()] == [(HERE, 443, THERE, 40000)]
