"""What the line carries is told for the time in which it was moved, and what stays here is told apart."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ingest_kit import T0, Recorder, devices_of, later, sighting
from running import MAC, OTHER_MAC
from store_kit import flow

from netwatchd.events import Flow
from netwatchd.ingest.flows import Flows
from netwatchd.ingest.throughput import MANY, SHOWN, STEPS

LAPTOP, PHONE, SERVER = 0xC0A80105, 0xC0A80106, 0x5DB8D822


def home() -> Flows:
    """A laptop and a phone, whose steps begin at T0."""
    seen = Recorder()
    devices = devices_of(seen)
    devices.see([sighting(ips=(LAPTOP,)), sighting(OTHER_MAC, ips=(PHONE,))], T0)
    flows = Flows(devices, seen, seen)
    flows.throughput.notice(T0, 0.0)
    return flows


def moved(number: int, begin: float, end: float, into: int, out: int = 0, **fields: object) -> Flow:
    """A flow from one time to another, in seconds after T0."""
    times = {"start": later(begin).wall, "end": later(end).wall, "bytes_in": into, "bytes_out": out}
    return flow(number)._replace(**times | fields)  # type: ignore[arg-type]


def test_the_bytes_of_a_flow_are_put_where_they_were_moved_though_it_is_told_of_late() -> None:
    flows = home()
    flows.see([moved(1, 10, 40, 3_000_000, 300_000)], later(95))
    told = flows.throughput.figures(later(100))
    assert told["in"] == [0, 1_000_000, 1_000_000, 1_000_000, 0, 0, 0, 0, 0, 0]
    assert told["out"] == [0, 100_000, 100_000, 100_000, 0, 0, 0, 0, 0, 0]
    assert (told["until"], told["step"]) == (later(100).wall, 10)
    assert told["lag"] == 80


def test_what_a_live_flow_moved_since_it_was_last_told_of_is_put_into_the_steps_since_then() -> None:
    flows = home()
    for second in range(15, 66, 10):  # not at the borders of steps, as those who tell are not
        flows.see([moved(1, 0, second, 1_000_000 * (second - 5) // 10, state="active")], later(second))
    assert flows.throughput.figures(later(60))["in"][2:] == pytest.approx([1_000_000] * 4)


def test_what_devices_here_send_each_other_is_counted_apart_and_once() -> None:
    flows = home()
    flows.see([moved(1, 0, 9, 4000, 300, src_ip=LAPTOP, dst_ip=PHONE)], later(9))
    flows.see([moved(2, 0, 9, 500, 60, src_ip=LAPTOP), moved(3, 0, 9, 70, 8, src_ip=SERVER, dst_ip=PHONE)], later(9))
    told = flows.throughput.figures(later(10))
    assert (told["bytes_in"], told["bytes_out"], told["bytes_internal"]) == (508, 130, 4300)
    assert (told["in"], told["out"], told["internal"]) == ([508], [130], [4300])


def test_who_moved_most_in_the_last_minute_is_told_the_most_first() -> None:
    flows = home()
    flows.see([moved(1, 0, 5, 4000, 300), moved(2, 0, 5, 9000, 1, src_ip=PHONE)], later(5))
    flows.see([moved(3, 0, 5, 10, 1, src_ip=1, dst_ip=2)], later(5))
    assert flows.throughput.figures(later(9))["top"] == []  # as the step goes on
    assert flows.throughput.figures(later(11))["top"] == [
        {"device": OTHER_MAC, "bytes_in": 9000, "bytes_out": 1},
        {"device": MAC, "bytes_in": 4000, "bytes_out": 300},
        {"device": None, "bytes_in": 10, "bytes_out": 1},
    ]
    assert flows.throughput.figures(later(80))["top"] == []


def test_before_the_start_there_are_no_steps_and_an_hour_of_them_is_kept() -> None:
    flows = home()
    flows.see([moved(1, -3600, 10, 361_000_000)], later(10))
    assert flows.throughput.figures(later(10))["in"] == [1_000_000]
    for second in range(10, 10 * STEPS + 500, 10):
        flows.throughput.notice(later(second), 0.0)
    told, hour = flows.throughput.figures(later(second)), flows.throughput.minutes(later(second))
    assert len(told["in"]) == SHOWN
    assert (len(hour["in"]), hour["step"]) == (59, 60)


def test_what_was_asleep_moved_nothing() -> None:
    flows = home()
    flows.see([moved(1, 0, 9, 1000)], later(9))
    flows.throughput.notice(later(10), 30.0)
    assert flows.throughput.figures(later(10))["in"] == [1000, 0, 0, 0]


@given(st.lists(st.tuples(st.integers(0, 90), st.integers(0, 60), st.integers(0, 10**9), st.booleans()), max_size=30))
def test_the_steps_add_up_to_the_totals_whatever_comes(told: Sequence[tuple[int, int, int, bool]]) -> None:
    flows = home()
    for number, (end, took, size, here) in enumerate(sorted(told), 1):
        dst = PHONE if here else SERVER
        flows.see([moved(number, max(end - took, 0), end, size, size // 3, dst_ip=dst)], later(100))
    found = flows.throughput.figures(later(110))
    for name in ("in", "out", "internal"):
        assert sum(found[name]) == pytest.approx(found[f"bytes_{name}"], abs=SHOWN)


def test_of_very_many_flows_only_the_largest_are_spread_and_none_is_lost() -> None:
    flows = home()
    before = flows.throughput.big
    many = [moved(number, 0, 50, before + number) for number in range(1, 2 * MANY)]
    flows.see(many, later(55))
    assert flows.throughput.big > before
    flows.see([moved(number, 0, 50, before + number) for number in range(2 * MANY, 4 * MANY)], later(55.1))
    told = flows.throughput.figures(later(60))
    assert sum(told["in"]) == pytest.approx(told["bytes_in"], abs=SHOWN)
    assert told["bytes_in"] == sum(before + number for number in range(1, 4 * MANY))
    for second in range(60, 75):  # and smaller ones again when there are few
        flows.see([moved(10_000 + second, second - 1, second, 8)], later(second))
    assert flows.throughput.big < before
