"""Calls home are told where they are regular, and new for a device whose habits are known; habits are not."""

import itertools
import json
import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import household
import pytest
from detector_kit import AT as ADDRESSES
from detector_kit import LAPTOP, NAS, NOON, Street, device, flow, panel, shown, told
from hypothesis import given
from hypothesis import strategies as st

from netwatchd import config
from netwatchd.addresses import parse_address
from netwatchd.detectors import Finding
from netwatchd.detectors.beacon import MOST_SERVICES, Beacon
from netwatchd.detectors.panel import ALL, Panel
from netwatchd.detectors.peers import MOST_NAMES, PeerNames
from netwatchd.detectors.rhythm import Rhythm
from netwatchd.detectors.usual import MOST_DEVICES
from netwatchd.events import Flow, Gone, Threat
from netwatchd.listings import Listing
from netwatchd.observations import DnsMessage

PLUG, LAMP, PHONE = "24:0a:c4:9f:00:21", "24:0a:c4:9f:00:22", "7a:3f:91:c2:5d:0e"
AT = ADDRESSES | {PLUG: "192.168.1.30", LAMP: "192.168.1.31", PHONE: "192.168.1.40"}
C2, CLOUD = "203.0.113.66", "192.0.2.80"
DAY, HOUR = 86_400, 3_600
# What is said on 443 without TLS, and a small HTTPS conversation: packets and bytes of IP.
ODD = {"out": (6, 540), "back": (5, 332)}
HTTPS = {"out": (9, 1400), "back": (8, 4300)}
counter = itertools.count()


def home() -> Street:
    return Street(
        device(PLUG, AT[PLUG], kind="plug", vendor="Espressif"),
        device(LAMP, AT[LAMP], kind="light", vendor="Espressif"),
        device(LAPTOP, AT[LAPTOP], kind="computer", vendor="Apple"), device(NAS, AT[NAS], kind="nas"),
        device(PHONE, AT[PHONE], kind="phone"),
    )  # fmt: skip


def beats(
    period: float, count: int, *, at: float = 0.0, jitter: float = 0.0, by: str = PLUG, seed: int = 1, **fields: Any
) -> Iterator[Flow]:
    """Conversations that begin every `period` seconds, give or take the part `jitter`, by sleeping in between."""
    rng = random.Random(seed)
    for _ in range(count):
        yield flow(next(counter), at=at, **({"src": AT[by], "dst": C2} | HTTPS | fields))
        at += period * (1 + rng.uniform(-jitter, jitter))


def watching(learning: float = 3 * DAY) -> Panel:
    """Only this detector, for which nobody else is asked."""
    sections = {name: replace(getattr(config.Config(), name), enabled=False) for name in ALL}
    return panel(home(), **(sections | {"beacon": config.Beacon(learning=learning)}))


def settled(by: str = PLUG, **fields: Any) -> Panel:
    """A device that has called its cloud for five days."""
    each = watching()
    assert not shown(each, beats(600, 5 * 144, at=-5 * DAY, by=by, **({"dst": CLOUD} | fields)), home())
    return each


def seen(watching: Panel, *flows: Iterator[Flow]) -> list[Finding]:
    """What is found in several rows of conversations, in the order of time."""
    return shown(watching, sorted(itertools.chain(*flows), key=lambda each: each.start), home())


@pytest.mark.parametrize("learning", [0, 3 * DAY])
@pytest.mark.parametrize("jitter", [0.0, 0.1])
def test_what_is_no_tls_on_its_port_is_told_from_the_first_day(learning: float, jitter: float) -> None:
    found = seen(watching(learning), beats(2.0, 10, jitter=jitter, **ODD))
    assert told(found) == [("beacon", PLUG, f"{C2}:443")]
    assert isinstance(found[0], Threat)
    assert "every 2" in found[0].description or "every 1.9" in found[0].description
    assert "too little to be the TLS" in found[0].description
    assert found[0].evidence["beats"] == 7
    assert found[0].severity == "medium"


@pytest.mark.parametrize(("period", "jitter"), [(30, 0.0), (60, 0.1), (60, 0.3), (300, 0.2), (1800, 0.1), (3500, 0.0)])
@pytest.mark.parametrize("port", [443, 80, 4444])
def test_a_thing_of_known_habits_that_calls_somebody_new_is_told(period: float, jitter: float, port: int) -> None:
    found = seen(settled(), beats(period, max(int(6000 / period), 30), jitter=jitter, dport=port, seed=port))
    assert told(found)[:1] == [("beacon", PLUG, f"{C2}:{port}")]
    assert len(found) <= 2
    assert isinstance(found[0], Threat)
    assert found[0].severity == "medium"


def test_beats_that_are_missed_told_twice_or_out_of_order_do_not_hide_it() -> None:
    flows = [each for number, each in enumerate(beats(60, 90, jitter=0.1)) if number % 7]
    rng = random.Random(3)
    late = sorted(flows + flows, key=lambda each: each.start + rng.randrange(150_000))
    assert told(shown(settled(), late, home())) == [("beacon", PLUG, f"{C2}:443")]


@pytest.mark.parametrize("state", ["closed", "reset", "unfinished", "active"])
@pytest.mark.parametrize("source", ["capture", "conntrack", "zeek", "netflow"])
def test_whoever_tells_of_it(state: str, source: str) -> None:
    found = seen(settled(), beats(60, 70, state=state, source=source))
    assert told(found) == [("beacon", PLUG, f"{C2}:443")]


def test_it_is_told_again_when_it_has_doubled_and_not_each_time() -> None:
    found = seen(settled(), beats(60, 1000))
    assert [each.evidence["beats"] for each in found if isinstance(each, Threat)] == sorted(
        each.evidence["beats"] for each in found if isinstance(each, Threat)
    )
    assert 2 <= len(found) <= 5


def test_people_leave_pages_open_so_that_theirs_must_go_on_for_hours() -> None:
    assert not seen(settled(LAPTOP), beats(30, 5 * 120, by=LAPTOP))
    found = seen(settled(LAPTOP), beats(60, 8 * 60, by=LAPTOP))
    assert told(found) == [("beacon", LAPTOP, f"{C2}:443")]
    assert isinstance(found[0], Threat)
    assert found[0].severity == "low"


def test_in_a_recording_it_is_not_known_what_is_new() -> None:
    found = seen(watching(0), beats(60, 200))
    assert [each.severity for each in found if isinstance(each, Threat)] == ["info"] * len(found)
    assert found


@pytest.mark.parametrize(
    "flows",
    [
        lambda: beats(60, 200, at=-60, dst=CLOUD),  # it is what it did all along
        lambda: beats(610, 200, dst="198.51.100.9"),  # its service has moved
        lambda: beats(2.04, 90, out=(6, 1112), back=(5, 574), dport=80),  # it is set up
        lambda: beats(5, 480, out=(6, 520), back=(5, 700)),  # its cloud is out of order
        lambda: beats(60, 200, dport=993), lambda: beats(60, 200, dport=853),
        lambda: beats(64, 200, protocol="udp", dport=123), lambda: beats(30, 200, protocol="udp", dport=3478),
        lambda: beats(60, 200, protocol="icmp", dport=0),
        lambda: beats(60, 200, dst="192.168.1.10"), lambda: beats(60, 200, dst="239.255.255.250"),
        lambda: beats(60, 200, back=(0, 0), state="attempt"), lambda: beats(60, 200, back=(1, 40), state="rejected"),
        lambda: beats(6, 900, back=(70, 90_000)),  # a film in pieces
        lambda: beats(0.7, 900), lambda: beats(3700, 60),  # faster, and slower, than is looked at
        lambda: (each for n in range(200) for each in beats(1, 1, at=60 * n, out=(9, 700 + 97 * n % 3000))),
        lambda: beats(2, 10, out=(4, 216), back=(3, 164)),  # it only looks whether the port is open
        lambda: beats(2, 10, out=(5, 440), back=(4, 223)),  # TLS that is refused
        lambda: beats(60, 20, **ODD, dport=80),
    ],
)  # fmt: skip
def test_what_only_looks_like_it_is_not_told(flows: Any) -> None:
    assert not seen(settled(), flows())


def test_its_first_days_are_what_it_is_used_to() -> None:
    each = watching()
    assert not seen(each, beats(60, 3 * 1440 - 10))
    assert not seen(each, beats(60, 1440, at=3 * DAY))
    assert not seen(each, beats(60, 1440, at=4 * DAY, dst="198.51.100.7"))
    assert told(seen(each, beats(300, 20, at=5 * DAY, dst="192.0.2.8"))) == [("beacon", PLUG, "192.0.2.8:443")]


def test_a_service_of_the_maker_is_called_by_the_others_of_that_maker() -> None:
    each = settled()
    shown(each, beats(600, 720, at=-5 * DAY, by=LAMP, dst=CLOUD), home())
    assert not seen(each, beats(60, 50, by=LAMP), beats(61, 200, by=PLUG))


def test_what_it_is_used_to_outlives_a_restart_and_the_time_in_which_nobody_looked_does_not_count() -> None:
    before = settled()
    shown(before, beats(60, 10, by=NAS), home())
    beacon = before.detectors["beacon"]
    beacon.tick(flow(at=DAY).end)
    after = watching()
    after.detectors["beacon"].recall(beacon.note)
    after.detectors["beacon"].tick(flow(at=20 * DAY).end)
    assert not seen(after, beats(600, 300, at=20 * DAY, dst=CLOUD))
    # It was known for a day, and netwatchd was off for 19.
    assert not seen(after, beats(60, 1000, at=20 * DAY, by=NAS))
    assert told(seen(after, beats(60, 70, at=21 * DAY))) == [("beacon", PLUG, f"{C2}:443")]


@given(
    st.text()
    | st.recursive(
        st.none() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["time", "devices", "a"]), inner),
    ).map(json.dumps)
)
def test_a_note_may_be_anything(note: str) -> None:
    each = Beacon(config.Beacon(), home(), PeerNames())
    each.recall(note)
    each.tick(0)
    assert each.note is None or isinstance(each.note, str)


def test_a_device_that_is_found_to_be_another_one_takes_along_what_it_is_used_to() -> None:
    each = settled(PHONE)
    each.see_device(Gone(PHONE, PLUG))
    assert not seen(each, beats(600, 200, dst=CLOUD))
    each.see_device(Gone(PLUG, None))
    assert not seen(each, beats(60, 200, at=2 * DAY))  # it is new


def test_a_person_reads_the_name_by_which_the_peer_was_asked_for() -> None:
    each = settled()
    address = parse_address(C2)
    answer = DnsMessage(NOON, "capture", 1, 2, "c2.example.org", 1, True, 0, 90, 7, (address,))
    each.observe([answer._replace(answer=False, addresses=()), answer])
    (found,) = seen(each, beats(60, 70))
    assert isinstance(found, Threat)
    assert f"calls c2.example.org ({C2}:443) every 60 s" in found.description
    assert found.target == f"{C2}:443"
    assert found.evidence["name"] == "c2.example.org"
    for number in range(2 * MOST_NAMES):
        each.observe([answer._replace(addresses=(number,))])
    assert MOST_NAMES * 0.9 < len(each.detectors["beacon"]._names._names) <= MOST_NAMES


def test_a_list_in_which_the_peer_stands_makes_it_worse() -> None:
    each = settled()
    each.detectors["beacon"]._home.lists[parse_address(C2)] = [Listing("feodo", "threat", "high", 0, C2, "")]
    found = seen(each, beats(60, 20))
    assert isinstance(found[0], Threat)
    assert found[0].severity == "high"
    assert "stands in feodo" in found[0].description


def test_calls_to_thousands_of_others_neither_hide_it_nor_fill_the_memory() -> None:
    each = settled()
    numbers = itertools.count()

    def noise() -> Iterator[Flow]:
        for second in range(6000):
            for _ in range(3):
                number = next(numbers)
                yield flow(
                    number, at=second, src=AT[PLUG], dst=f"198.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
                )

    assert told(seen(each, noise(), beats(60, 100, at=30))) == [("beacon", PLUG, f"{C2}:443")]
    beacon = each.detectors["beacon"]
    assert len(beacon._callers[PLUG].called) <= MOST_SERVICES
    for number in range(3 * MOST_DEVICES):
        beacon.see_flow(flow(number), f"made up {number}", True)
    assert len(beacon._callers) == MOST_DEVICES
    assert PLUG in beacon._callers


def test_more_devices_than_there_is_room_for_push_each_other_out_slowly() -> None:
    beacon = watching().detectors["beacon"]
    names = [f"device {number}" for number in range(MOST_DEVICES + 20)]
    for number in range(10 * len(names)):
        beacon.see_flow(flow(number), names[number % len(names)], True)
    stayed = [name for name in names[:MOST_DEVICES] if name in beacon._callers]
    assert MOST_DEVICES - 20 <= len(stayed) < MOST_DEVICES


def test_an_exporter_whose_clock_is_behind_ends_no_first_days() -> None:
    each = watching()
    each.detectors["beacon"].tick(flow().end)
    shown(each, [flow(next(counter), at=-900 * DAY, src=AT[PLUG])], home())
    assert not seen(each, beats(60, 200))


@given(
    st.lists(st.tuples(st.integers(0, 2**45), st.integers(0, 2**40), st.integers(0, 2**40)), min_size=2, max_size=80)
)
def test_any_times_and_sizes_are_a_measure(beats: list[tuple[int, int, int]]) -> None:
    rhythm = Rhythm(beats[0][0], beats[0][0] + 1000, *beats[0][1:])
    for each in beats[1:]:
        rhythm.add(*each)
    measure = rhythm.measure()
    assert measure.period >= 1
    assert 0 <= measure.share <= 1
    assert 0 <= measure.confidence <= 1


def test_arrivals_by_chance_are_not_regular() -> None:
    rng = random.Random(5)
    regular = 0
    for _ in range(500):
        at, rhythm = 60_000.0, Rhythm(0, 60_000, 1400, 4300)
        for _ in range(40):
            at += rng.expovariate(1 / 60_000) + 600
            rhythm.add(int(at), 1400, 4300)
            regular += rhythm.total > 6 and rhythm.measure().regular
    assert regular <= 10  # of 17,000 looks


def household_tells(days: float, seed: int) -> list[Finding]:
    """What is told of a household; one of its plugs is infected in the end, which must be told."""
    beacon = Beacon(config.Beacon(), household.street(), PeerNames())
    owners = {address: household.KEYS[name] for name, address in household.ADDRESS.items()}
    found: list[Finding] = []
    for told_of in household.Household(days, seed).flows():
        found += beacon.see_flow(told_of, owners[told_of.src_ip], True)
    for infected in beats(60, 100, at=days * DAY, jitter=0.2, dst=C2, dport=8080):
        plug = infected._replace(src_ip=household.ADDRESS["plug1"])
        found += beacon.see_flow(plug, household.KEYS["plug1"], True)
    return found


def test_a_week_of_a_household_is_silent_until_something_is_infected() -> None:
    assert told(household_tells(7.5, 1)) == [("beacon", household.KEYS["plug1"], f"{C2}:8080")]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 6))
def test_a_month_of_a_household_is_silent_until_something_is_infected(seed: int) -> None:
    assert told(household_tells(31, seed)) == [("beacon", household.KEYS["plug1"], f"{C2}:8080")]
