"""The exporter's times, in all the ways that it may write them, become ours, or are said not to be trusted."""

from typing import Any

import pytest
from exporters import Template, data_set, ipfix, template_set, v5, v5_record, v9
from hypothesis import given
from hypothesis import strategies as st
from netflow_kit import COMMON, HERE, NOW, THERE, UPTIME, Heard, record

from netwatchd.decoders.netflow.clock import LONGEST, TOLERANCE

PAIR = "sourceIPv4Address destinationIPv4Address octetDeltaCount "
NTP = 2_208_988_800
WRAP = 2**32


def ntp(ms: int) -> int:
    """An NTP timestamp."""
    return ((ms // 1000 + NTP) << 32) + (ms % 1000 * 2**32 + 999) // 1000


def heard(version: int, words: str, *values: Any, **header: Any) -> Heard:
    """One record with some times."""
    here = Heard(version)
    template = Template(300, PAIR + words)
    make: Any = v9 if version == 9 else ipfix
    sets = [template_set(version, template), data_set(template, template.record(HERE, THERE, 1, *values))]
    here.hear(make(sets, **{"now": NOW} | header))
    here.all()
    return here


def times(here: Heard) -> tuple[int, int, bool]:
    """When the flow began and ended before NOW, in ms, and whether that is the exporter's word."""
    (flow,) = here.flows
    assert flow.origin is not None
    return NOW - flow.start, NOW - flow.end, flow.origin.clock_trusted


BEGAN, ENDED = NOW - 5000, NOW - 2000


@pytest.mark.parametrize(
    ("words", "values"),
    [
        ("flowStartMilliseconds flowEndMilliseconds", (BEGAN, ENDED)),
        ("flowStartSeconds flowEndSeconds", (BEGAN // 1000, ENDED // 1000)),
        ("flowStartMicroseconds flowEndMicroseconds", (ntp(BEGAN), ntp(ENDED))),
        ("flowStartNanoseconds flowEndNanoseconds", (ntp(BEGAN), ntp(ENDED))),
        ("flowStartMicroseconds flowEndMicroseconds", (BEGAN * 1000, ENDED * 1000)),
        ("flowStartNanoseconds flowEndNanoseconds", (BEGAN * 10**6, ENDED * 10**6)),
        ("flowStartDeltaMicroseconds flowEndDeltaMicroseconds", (5_000_000, 2_000_000)),
        ("systemInitTimeMilliseconds flowStartSysUpTime flowEndSysUpTime", (NOW - 9000, 4000, 7000)),
        ("systemInitTimeMilliseconds flowStartSysUpTime flowEndSysUpTime", (NOW - 9000 - WRAP, 4000, 7000)),
        ("flowStartMilliseconds flowDurationMilliseconds", (BEGAN, 3000)),
        ("flowEndMilliseconds 162/4", (ENDED, 3_000_000)),
        ("flowStartMilliseconds observationTimeMilliseconds", (BEGAN, ENDED)),
    ],
)
def test_ipfix_writes_times_in_many_ways(words: str, values: Any) -> None:
    assert times(heard(10, words, *values)) == (5000, 2000, True)


def test_times_since_boot_are_put_before_the_sending_where_nobody_says_when_that_was() -> None:
    assert times(heard(10, "flowStartSysUpTime flowEndSysUpTime", 1000, 4000)) == (3000, 0, True)


def test_options_say_when_the_exporter_booted() -> None:
    here = Heard()
    options = Template(400, "149 systemInitTimeMilliseconds", scopes=1)
    here.templates(UPTIME, options)
    # In one datagram, as softflowd does.
    here.sets(
        data_set(options, options.record(0, NOW - 9000)), data_set(UPTIME, UPTIME.record(*record(times=(4000, 7000))))
    )
    here.all()
    assert times(here) == (5000, 2000, True)


@pytest.mark.parametrize("words", ["ingressInterface", "flowDurationMilliseconds"])
def test_a_flow_without_times_ended_when_it_was_told(words: str) -> None:
    began, ended, trusted = times(heard(10, words, 3000))
    assert (began, ended, trusted) == (3000 if "Duration" in words else 0, 0, True)


@pytest.mark.parametrize(
    ("uptime", "first", "last", "expected"),
    [
        (10_000, 5000, 8000, (5000, 2000)),
        (2000, WRAP - 3000, 0, (5000, 2000)),  # the uptime wrapped around between the two
        (2000, WRAP - 3000, WRAP - 1000, (5000, 3000)),
        (0, WRAP - 1, 0, (1, 0)),
        (WRAP - 1, WRAP - 5001, WRAP - 2001, (5000, 2000)),
        (10_000, 9000, 10_500, (1000, -500)),  # its clock was read a little later than the header's
    ],
)
@pytest.mark.parametrize("version", [5, 9])
def test_times_since_boot_wrap_around(version: int, uptime: int, first: int, last: int, expected: Any) -> None:
    if version == 9:
        here = heard(9, "flowStartSysUpTime flowEndSysUpTime", first, last, uptime=uptime)
    else:
        here = Heard(5)
        here.hear(v5([v5_record(HERE, THERE, first=first, last=last)], uptime=uptime, now=NOW))
        here.all()
    assert times(here) == (*expected, True)


@pytest.mark.parametrize("off", [-NOW, -86_400_000, -TOLERANCE - 1000, TOLERANCE + 1000, 86_400_000])
@pytest.mark.parametrize("version", [5, 9, 10])
def test_an_exporter_whose_clock_is_off_is_dated_by_arrival_and_that_is_said(version: int, off: int) -> None:
    if version == 5:
        here = Heard(5)
        here.hear(v5([v5_record(HERE, THERE, first=5000, last=8000)], uptime=10_000, now=NOW + off))
        here.all()
    elif version == 9:
        here = heard(9, "flowStartSysUpTime flowEndSysUpTime", 5000, 8000, uptime=10_000, now=NOW + off)
    else:
        ends = (max(BEGAN + off, 0), max(ENDED + off, 0))
        here = heard(10, "flowStartMilliseconds flowEndMilliseconds", *ends, now=NOW + off)
    if off > -NOW or version != 10:
        assert times(here) == (5000, 2000, False)
    assert not here.collector.sessions[0].clock_trusted


def test_a_clock_that_is_off_by_less_than_what_waits_in_buffers_is_trusted() -> None:
    here = heard(10, "flowStartMilliseconds flowEndMilliseconds", BEGAN, ENDED, now=NOW - TOLERANCE)
    assert times(here) == (5000, 2000, True)


@pytest.mark.parametrize(
    ("began", "ended", "expected"),
    [
        (ENDED, BEGAN, (5000, 5000, True)),  # it ends before it begins: how long it took is not known
        (0, ENDED, (2000, 2000, True)),
        (NOW + 3_600_000, NOW + 3_603_000, (3000, 0, False)),
        (1, 3001, (3000, 0, False)),
        (0, 2**64 - 1, (0, 0, False)),
        (2**64 - 1, 0, (0, 0, False)),
    ],
)
def test_times_that_cannot_be_are_made_possible(began: int, ended: int, expected: Any) -> None:
    assert times(heard(10, "flowStartMilliseconds flowEndMilliseconds", began, ended)) == expected


@given(
    uptime=st.integers(0, WRAP - 1),
    first=st.integers(0, WRAP - 1),
    last=st.integers(0, WRAP - 1),
    seconds=st.integers(0, WRAP - 1),
)
def test_whatever_the_times_are_no_flow_ends_before_it_begins(uptime: int, first: int, last: int, seconds: int) -> None:
    here = Heard(5)
    here.hear(v5([v5_record(HERE, THERE, first=first, last=last)], uptime=uptime, now=seconds * 1000))
    (flow,) = here.all()
    assert NOW - LONGEST - TOLERANCE <= flow.start <= flow.end <= NOW + TOLERANCE


def test_headers_that_count_whole_seconds_say_the_boot_more_and_more_precisely() -> None:
    here = Heard(9, booted=NOW - 3_600_000 - 400)
    here.templates(UPTIME)
    starts = []
    for ms in (0, 300, 600, 1200, 1500):
        here.now = NOW + ms
        here.records(UPTIME, record(ports=(ms + 1, 443), times=(3_590_400, 3_599_000)))
        here.all()
        starts.append(here.flows[-1].start)
    assert starts[-1] == NOW - 10_000
    assert starts == sorted(starts)


def test_the_exporters_boot_is_its_own_after_a_restart() -> None:
    here = Heard(9)
    here.templates(UPTIME)
    here.records(UPTIME, record(times=(3_590_000, 3_599_000)))
    here.exporter.booted = NOW - 10_000
    here.records(UPTIME, record(ports=(1, 443), times=(5000, 8000)))
    assert {(NOW - flow.start, NOW - flow.end) for flow in here.all()} == {(10_000, 1000), (5000, 2000)}


@pytest.mark.parametrize("version", [9, 10])
def test_common_words_are_enough(version: int) -> None:
    assert len(heard(version, COMMON.split()[4], 17).flows) == 1
