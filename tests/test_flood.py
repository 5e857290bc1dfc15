"""Floods are told of in one row, whoever sends them, and what is merely much is not."""

import random
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from detector_kit import AT, LAPTOP, NAS, NOON, WEB, Street, flow, panel, shown, told, unanswered
from hypothesis import given, settings
from hypothesis import strategies as st

from netwatchd import config
from netwatchd.addresses import address_text
from netwatchd.detectors import Finding
from netwatchd.detectors.distinct import Distinct
from netwatchd.detectors.flood import MOST_TARGETS, Flood
from netwatchd.events import Flow


def floods(found: Iterable[Finding]) -> list[Finding]:
    """What is told of floods."""
    return [each for each in found if each.kind == "flood"]


def made_up(number: int) -> str:
    """An address somewhere."""
    return address_text(0x2D000000 + number * 7919 % 0x1000000)


def syn(number: int, every: float = 0.002, **fields: Any) -> Flow:
    """A SYN to the NAS that is not answered."""
    return unanswered(number, **{"at": number * every, "dst": AT[NAS], "dport": 80} | fields)


def test_a_flood_of_syn_by_one_is_told_with_who_to_whom_and_how_much() -> None:
    (threat,) = floods(shown(panel(), [syn(n) for n in range(4000)]))
    assert told([threat]) == [("flood", LAPTOP, f"{AT[NAS]}:80")]
    assert threat.description == (  # type: ignore[union-attr]
        "a flood of connection attempts (SYN): laptop, 192.168.1.20 began 500 of them to nas (nas), 192.168.1.10, "
        "port 80 in 1.0 s"
    )
    assert threat.severity == "high"  # type: ignore[union-attr]
    assert threat.evidence["per_second"] == 500  # type: ignore[union-attr]


def test_made_up_sources_make_one_row_of_which_the_target_is_the_subject() -> None:
    flows = [syn(n, every=0.001, src=made_up(n)) for n in range(30_000)]
    found = floods(shown(panel(), flows))
    assert set(told(found)) == {("flood", None, f"{AT[NAS]}:80")}
    assert len(found) == 3  # in 30 seconds
    assert NOON <= found[-1].first_seen < NOON + 100  # type: ignore[union-attr]  # the first ones share a counter
    assert found[-1].evidence["flows"] > 20_000  # type: ignore[union-attr]
    assert found[-1].evidence["sources"] == pytest.approx(found[-1].evidence["flows"], rel=0.4)  # type: ignore[union-attr]


@pytest.mark.parametrize("state", ["attempt", "new", "unreplied", "timeout"])
@pytest.mark.parametrize("source", ["capture", "netflow", "zeek", "eve"])
def test_each_source_shows_it_by_its_states(source: str, state: str) -> None:
    assert floods(shown(panel(), [syn(n, source=source, state=state) for n in range(1500)]))


def test_connection_tracking_shows_it_before_anything_is_known_of_answers() -> None:
    begun = [syn(n, out=(0, 0), state="new", source="conntrack") for n in range(2500)]
    assert len(floods(shown(panel(), begun))) == 1


def test_a_device_that_takes_part_in_an_attack_is_named() -> None:
    (threat,) = floods(shown(panel(), [syn(n, dst=WEB, dport=443) for n in range(1500)]))
    assert told([threat]) == [("flood", LAPTOP, f"{WEB}:443")]
    assert "malware" in str(threat.recommendation)  # type: ignore[union-attr]


def test_the_order_in_which_it_is_told_matters_little() -> None:
    flows = [syn(n) for n in range(3000)]
    random.Random(1).shuffle(flows)
    assert len(floods(shown(panel(), flows))) == 1


def test_whole_connections_by_many_or_from_elsewhere_are_a_flood_too() -> None:
    crowd = [flow(n, at=n * 0.001, src=made_up(n % 300), dst=AT[NAS], dport=80) for n in range(5000)]
    found = floods(shown(panel(), crowd))
    assert told(found)[0] == ("flood", None, f"{AT[NAS]}:80")
    assert found[0].severity == "medium"  # type: ignore[union-attr]
    # Whatever else is told in between, and how often.
    for others in (1, 2, 3):
        mixed = [each for one in crowd for each in (one, *(flow(9 * one.id + n) for n in range(others)))]
        assert ("flood", None, f"{AT[NAS]}:80") in told(floods(shown(panel(), mixed)))
    bot = [flow(n, at=n * 0.001, dport=80) for n in range(5000)]
    assert told(floods(shown(panel(), bot)))[0] == ("flood", LAPTOP, f"{WEB}:80")


def test_datagrams_to_one_port_and_to_any_port() -> None:
    one = [syn(n, every=0.001, dst=WEB, protocol="udp", dport=27015) for n in range(3000)]
    assert told(floods(shown(panel(), one))) == [("flood", LAPTOP, f"{WEB}:27015")]
    each = [syn(n, every=0.0002, dst=WEB, protocol="udp", dport=n % 60_000 + 1) for n in range(21_000)]
    assert told(floods(shown(panel(), each))) == [("flood", LAPTOP, WEB)]


def stream(**fields: Any) -> Flow:
    """A stream of datagrams for a minute that nobody answers."""
    usual = {"protocol": "udp", "dport": 5004, "out": (600_000, 300_000_000), "back": (0, 0), "seconds": 60.0}
    return flow(1, **usual | {"state": "timeout"} | fields)


def test_one_stream_of_datagrams_that_nobody_answers() -> None:
    (threat,) = floods(shown(panel(), [stream()]))
    assert told([threat]) == [("flood", LAPTOP, WEB)]
    assert threat.description == (  # type: ignore[union-attr]
        "a flood of UDP packets: laptop, 192.168.1.20 sent 600,000 packets (300 MB) to 198.51.100.10 in 60 s, "
        "and none was answered"
    )


def test_pings_without_end() -> None:
    ping = {"protocol": "icmp", "sport": 8, "dport": 0, "dst": AT[NAS]}
    fast = flow(1, out=(60_000, 5_000_000), back=(59_000, 4_900_000), seconds=10.0, **ping)
    (threat,) = floods(shown(panel(), [fast]))
    assert threat.severity == "low"  # type: ignore[union-attr]  # answered: somebody tests his cable
    silent = fast._replace(packets_in=0, bytes_in=0)
    assert floods(shown(panel(), [silent]))[0].severity == "high"  # type: ignore[union-attr]
    assert not floods(shown(panel(), [fast._replace(end=fast.start + 3_600_000)]))
    spoofed = [syn(n, src=made_up(n), out=(1, 84), **ping | {"sport": 8}) for n in range(1500)]
    assert told(floods(shown(panel(), spoofed))) == [("flood", None, AT[NAS])]


# What is much, and no flood.


def _torrent() -> Iterator[Flow]:
    """BitTorrent that looks for peers: thirty a second, most of them gone."""
    for n in range(10_000):
        yield unanswered(n, at=n * 0.03, dst=made_up(n), dport=n % 60_000 + 1024, protocol="tcp" if n % 2 else "udp")


def _retries() -> Iterator[Flow]:
    """Programs that try to connect to a machine that is off, ten times a second."""
    for n in range(5000):
        yield unanswered(n, at=n * 0.1, dst=AT[NAS], dport=8080)


def _scan() -> Iterator[Flow]:
    """A scan of all ports of one machine, and of one port of many."""
    for n in range(20_000):
        yield unanswered(n, at=n * 0.001, dst=AT[NAS], dport=n + 1)
    for n in range(3000):
        yield unanswered(n, at=n * 0.001, dst=made_up(n), dport=22)


def _load_test() -> Iterator[Flow]:
    """Somebody tests his web server at home with all that his notebook can do."""
    for n in range(10_000):
        yield flow(n, at=n * 0.001, dst=AT[NAS], dport=80)


def _names() -> Iterator[Flow]:
    """A whole house asks for names, of which the kernel tells before the answer."""
    for n in range(10_000):
        yield flow(n, at=n * 0.005, protocol="udp", dport=53, out=(0, 0), back=(0, 0), state="new", source="conntrack")


def _no_answer_to_names() -> Iterator[Flow]:
    """The same while the line is down."""
    for n in range(10_000):
        yield unanswered(n, at=n * 0.01, protocol="udp", dport=53)


def _metrics() -> Iterator[Flow]:
    """A program that reports to a collector in the house, each time from another port, and is not answered."""
    for n in range(10_000):
        yield unanswered(n, at=n * 0.003, protocol="udp", dst=AT[NAS], dport=8125)


def _broadcast() -> Iterator[Flow]:
    """Chatter to all, and to groups."""
    for n in range(5000):
        yield unanswered(n, at=n * 0.0001, protocol="udp", dst="255.255.255.255", dport=67, sport=68)
        yield unanswered(n, at=n * 0.0001, protocol="udp", dst="239.255.255.250", dport=1900)


def _streams() -> Iterator[Flow]:
    """Calls, games, a speed test, a VPN, a camera, television."""
    yield stream(out=(6000, 7_000_000), back=(6000, 7_000_000))
    yield stream(out=(4_000_000, 5_000_000_000), back=(1000, 80_000))  # iperf3 -u: answered once in a while
    yield stream(out=(600_000, 800_000_000), back=(200_000, 20_000_000), dport=51820)
    yield stream(out=(60_000, 80_000_000))  # a stream to the world of 10 Mbit/s
    yield stream(out=(300_000, 400_000_000), dst=AT[NAS])  # a camera of 50 Mbit/s to the recorder
    yield stream(out=(900_000, 1_200_000_000), dst="239.1.1.1")
    yield stream(out=(3_000_000, 4_000_000_000), protocol="tcp", back=(500_000, 30_000_000))


@pytest.mark.parametrize(
    "ordinary",
    [_torrent, _retries, _scan, _load_test, _names, _no_answer_to_names, _metrics, _broadcast, _streams],
    ids=lambda each: each.__name__.strip("_"),
)
def test_what_is_much_is_no_flood(ordinary: Any) -> None:
    assert not floods(shown(panel(), ordinary()))


# Settings and memory.


def test_it_can_be_switched_off_and_set() -> None:
    flows = [syn(n) for n in range(4000)]
    assert not floods(shown(panel(flood=config.Flood(enabled=False)), flows))
    assert not floods(shown(panel(flood=config.Flood(connections=1000)), flows))
    assert not floods(shown(panel(flood=config.Flood(packets=50_000)), [stream()]))


def test_other_targets_neither_fill_the_memory_nor_hide_a_flood() -> None:
    detector = Flood(config.Flood(), Street())
    found: list[Finding] = []
    for n in range(16_000):
        found += detector.see_flow(unanswered(n, at=n * 0.0005, dst=made_up(n), dport=22), None, True)
        if n % 4 == 0:
            found += detector.see_flow(syn(n, every=0.0005), LAPTOP, True)
    assert set(told(found)) == {("flood", LAPTOP, f"{AT[NAS]}:80")}
    assert len(detector._targets) <= MOST_TARGETS


@pytest.mark.parametrize("number", [0, 1, 10, 100, 1000, 100_000])
def test_the_sketch_counts_each_once_and_nearly_right(number: int) -> None:
    sketch = Distinct()
    for n in range(number):
        sketch.add(0x0A000000 + n)
        sketch.add(0x0A000000 + n // 2)
        if n < 1000:
            sketch.add(0x0A000000 + n)
    assert len(sketch) == pytest.approx(number, rel=0.4, abs=2)


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["tcp", "udp", "icmp", "ipv6-icmp", "esp"]), st.integers(-(10**6), 10**6),
            st.integers(0, 10**9), st.integers(0, 10**9), st.integers(0, 65535), st.booleans(),
        ),
        max_size=80,
    )
)  # fmt: skip
def test_whatever_numbers_come_are_borne(numbers: list[tuple[Any, ...]]) -> None:
    detector = Flood(config.Flood(connections=10, packets=100), Street())
    for n, (protocol, at, out, back, port, new) in enumerate(numbers):
        one = flow(n, at=at, protocol=protocol, dport=port, sport=8, out=(out, out), back=(back, back))
        for found in detector.see_flow(one._replace(end=NOON), LAPTOP, new):
            assert found.kind == "flood"


def test_fewer_pings_than_a_flood_of_them_and_a_small_one() -> None:
    ping = {"protocol": "icmp", "sport": 8, "dport": 0, "dst": AT[NAS]}
    assert floods(shown(panel(), [flow(1, out=(3000, 252_000), back=(0, 0), seconds=1.0, **ping)]))
    assert not floods(shown(panel(), [flow(1, out=(1900, 159_600), back=(0, 0), seconds=0.5, **ping)]))
    assert not floods(shown(panel(), [flow(1, out=(864_000, 72_576_000), back=(800_000, 9), seconds=86_400, **ping)]))


def test_a_syn_that_is_answered_and_then_dropped_is_no_connection() -> None:
    """As by a tool that makes its packets itself: its system knows of no such connection, and breaks it off."""
    reset = [syn(n, out=(2, 80), back=(1, 44), state="reset") for n in range(1500)]
    assert told(floods(shown(panel(), reset))) == [("flood", LAPTOP, f"{AT[NAS]}:80")]
    half_open = [
        syn(n, src=made_up(n), out=(1, 40), back=(n % 6 + 1, 44 * (n % 6 + 1)), state="timeout") for n in range(3000)
    ]
    found = floods(shown(panel(), half_open))
    assert told(found)[0] == ("flood", None, f"{AT[NAS]}:80")
    assert "a flood of connection attempts (SYN)" in found[0].description  # type: ignore[union-attr]


def test_connections_of_which_only_the_syn_was_captured_yet_are_none() -> None:
    assert not floods(shown(panel(), [syn(n, out=(1, 60), back=(1, 60), state="active") for n in range(5000)]))
    assert not floods(shown(panel(), [syn(n, out=(1, 60), back=(1, 40), state="rejected") for n in range(5000)]))
