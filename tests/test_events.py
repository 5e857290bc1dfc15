"""Ids rise and are never given twice; words are frozen."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st
from store_kit import device, flow, threat

from netwatchd.daemon import EventIds
from netwatchd.events import PROTOCOL_NUMBERS, batch_of, new_event_id, protocol_name, time_of_id

MOMENT = 1_795_435_200_000


@given(st.lists(st.integers(0, 2**41 - 1), min_size=1))
def test_ids_rise_whatever_the_clock_does(moments: list[int]) -> None:
    ids = EventIds(0)
    given_out = [ids(moment) for moment in moments]
    assert given_out == sorted(set(given_out))


def test_an_id_tells_its_millisecond_and_javascript_keeps_it() -> None:
    first = new_event_id(0, MOMENT)
    assert [time_of_id(first), time_of_id(new_event_id(first, MOMENT))] == [MOMENT, MOMENT]
    assert new_event_id(0, 2**41 - 1) < 2**53


def test_ids_go_on_behind_those_of_an_earlier_run_when_the_clock_was_set_back() -> None:
    assert EventIds(new_event_id(0, MOMENT))(5) == new_event_id(0, MOMENT) + 1


def test_a_protocol_is_named_or_written_as_its_number() -> None:
    assert (protocol_name(6), protocol_name(200)) == ("tcp", "200")
    assert all(protocol_name(number) in (name, "ipv6-icmp") for name, number in PROTOCOL_NUMBERS.items())


def test_events_cannot_be_changed() -> None:
    for event in (device(), threat()):
        with pytest.raises(dataclasses.FrozenInstanceError):
            event.last_seen = 1  # type: ignore[misc]
    with pytest.raises(AttributeError):
        flow(1).bytes_in = 1  # type: ignore[misc]


def test_a_flow_put_down_to_a_device_is_otherwise_the_same() -> None:
    assert flow(1, device=None).of("x") == flow(1, device="x")


def test_a_device_tells_its_latest_address_and_whether_its_mac_is_made_up() -> None:
    assert (device(ips=(2, 1)).ip, device(ips=()).ip) == (2, None)
    assert (device().random_mac, device("02:00:00:00:00:01").random_mac) == (False, True)


def test_events_in_pieces_are_the_same_events() -> None:
    assert batch_of(range(5), 2) == [range(2), range(2, 4), range(4, 5)]
    assert batch_of([], 2) == []
