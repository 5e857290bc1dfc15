"""A scan of many ports is told once, of whoever did it, and nothing that merely looks like one is."""

import random
import tracemalloc
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from detector_kit import AT, LAPTOP, NAS, NOON, Street, flow, panel, shown, told, unanswered
from hypothesis import given, settings
from hypothesis import strategies as st

from netwatchd import config
from netwatchd.addresses import parse_address
from netwatchd.detectors import Finding
from netwatchd.detectors.panel import Panel
from netwatchd.detectors.port_scan import PortScan
from netwatchd.detectors.tally import MOST_GROWN, MOST_YOUNG
from netwatchd.detectors.usedports import UsedPorts
from netwatchd.events import Flow, FlowBatch, TakenBack, Threat

ATTACKER = "203.0.113.9"


def scans(found: Iterable[Finding]) -> list[Threat]:
    return [each for each in found if isinstance(each, Threat) and each.kind == "port_scan"]


def again(watching: Panel, flows: Iterable[Flow]) -> list[Finding]:
    """What is found in flows that were told before."""
    flows = list(flows)
    return watching.flows(FlowBatch(flows, [LAPTOP] * len(flows)), [0] * len(flows))


def fresh(number: int, **fields: Any) -> Flow:
    """A flow as connection tracking first tells of it."""
    return flow(number, **{"out": (0, 0), "back": (0, 0), "state": "new", "source": "conntrack", "seconds": 0} | fields)


# Attacks.


@pytest.mark.parametrize(
    ("fields", "way"),
    [
        ({}, "tcp"),
        ({"state": "unreplied", "source": "zeek"}, "tcp"),
        ({"state": "syn", "source": "netflow"}, "tcp"),
        ({"state": "rejected", "back": (1, 40)}, "tcp"),
        ({"state": "closed", "back": (1, 40), "source": "conntrack"}, "tcp"),
        ({"state": "closed", "out": (3, 180), "source": "conntrack"}, "tcp"),
        ({"state": "new", "source": "capture"}, "tcp"),
        ({"state": "fin"}, "fin"), ({"state": "null"}, "null"), ({"state": "xmas", "back": (1, 40)}, "xmas"),
        ({"protocol": "udp", "state": "timeout", "out": (1, 28)}, "udp"),
        ({"protocol": "udp", "state": "closed", "out": (1, 28), "source": "conntrack"}, "udp"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("order", ["up", "down", "any"])
def test_ports_tried_in_vain_are_a_scan_by_whoever_tried_them(fields: dict[str, Any], way: str, order: str) -> None:
    ports = list(range(20, 120))
    if order == "down":
        ports.reverse()
    elif order == "any":
        random.Random(1).shuffle(ports)
    tried = [unanswered(n, dport=port, dst=AT[NAS], at=n / 50, **fields) for n, port in enumerate(ports)]
    found = scans(shown(panel(), tried))
    assert {(each.device, each.target) for each in found} == {(LAPTOP, AT[NAS])}
    assert found[-1].evidence["scan"] == [way]
    assert found[0].evidence["ports_tried"] == 10, "told as soon as there are enough"
    assert 2 <= len(found) <= 5, "and again only when it has doubled"


def test_a_scan_from_elsewhere_is_told_of_its_address_and_is_less_severe() -> None:
    tried = [unanswered(n, src=ATTACKER, dst=AT[NAS], dport=20 + n, at=n / 10) for n in range(30)]
    (first, *_) = scans(shown(panel(), tried))
    assert (first.device, first.target, first.severity) == (ATTACKER, AT[NAS], "low")
    assert f"{ATTACKER} tried 10 ports of nas (nas), {AT[NAS]}" in first.description
    assert "10 not answered" in first.description


def test_what_decided_is_shown() -> None:
    tried = [unanswered(n, dport=n + 1, dst=AT[NAS], at=n / 10) for n in range(40)]
    tried += [flow(50 + n, dport=50 + n, dst=AT[NAS], at=4 + n / 10, out=(1, 44), back=(1, 40), state="rejected")
              for n in range(40)]  # fmt: skip
    tried += [flow(99, dport=443, dst=AT[NAS], at=9, out=(2, 84), back=(1, 44), state="reset")]
    tried += [unanswered(200 + n, dport=200 + n, dst=AT[NAS], at=10 + n / 10) for n in range(79)]
    last = scans(shown(panel(), tried))[-1].evidence
    assert (last["ports_tried"], last["open"], last["refused"], last["silent"]) == (160, 1, 40, 119)
    assert last["found_open"] == ["443"] and last["examples"][:3] == ["1", "2", "3"] and len(last["examples"]) == 20
    assert (last["start"], last["end"], last["seconds"]) == (NOON, NOON + 17_800, 17.8)
    assert last["sources"] == ["capture"] and last["scan"] == ["syn", "tcp"]


def test_a_fast_scan_is_told_before_it_is_known_what_answered() -> None:
    tried = [fresh(n, dport=n + 1, at=n / 500) for n in range(100)]
    watching = panel()
    found = scans(shown(watching, tried))
    assert found[0].evidence["unknown"] == 25 and found[0].last_seen - NOON < 1000
    assert "answer not known yet" in found[0].description


def test_a_connect_scan_whose_ports_are_open_is_one() -> None:
    knocks = [flow(n, dport=20 + n, dst=AT[NAS], at=n / 10, out=(3, 164), back=(1, 60), state="reset")
              for n in range(12)]  # fmt: skip
    (found,) = scans(shown(panel(), knocks))
    assert found.evidence["open"] == 10 and found.evidence["scan"] == ["connect"]


def test_ports_of_no_service_take_longer_but_are_found() -> None:
    tried = [unanswered(n, dport=10_100 + n, dst=AT[NAS], at=n / 10) for n in range(40)]
    assert scans(shown(panel(), tried))[0].evidence["ports_tried"] == 30


def test_many_hosts_scanned_by_one_fill_few_rows() -> None:
    watching = panel()
    found = []
    for host in range(50):
        found += scans(shown(watching, (
            unanswered(n, dst=f"192.168.1.{100 + host}", dport=n + 1, at=host + n / 20) for n in range(20)
        )))  # fmt: skip
    assert {each.target for each in found} == {f"192.168.1.{100 + host}" for host in range(5)} | {"lan"}
    together = [each for each in found if each.target == "lan"]
    assert len(together) < 10, "one row is told anew every ten seconds, and not by each of its hosts"
    # The last of them has its word when all is over.
    (last,) = scans(watching.tick(NOON + 60_000))
    assert last.target == "lan" and last.last_seen == NOON + 49_950
    assert len(last.evidence["hosts"]) == 20
    assert not watching.tick(NOON + 70_000)


def test_it_can_be_switched_off_and_set() -> None:
    tried = [unanswered(n, dport=n + 1, at=n / 10) for n in range(30)]
    assert not scans(shown(panel(port_scan=config.PortScan(enabled=False)), tried))
    assert not scans(shown(panel(port_scan=config.PortScan(ports=40)), tried[:14]))


def test_a_flow_that_begins_and_ends_in_one_batch_is_one_attempt() -> None:
    begun = [fresh(n, dport=n + 1, at=n / 100) for n in range(40)]
    ended = [each._replace(packets_out=1, bytes_out=60, packets_in=1, bytes_in=40, state="closed") for each in begun]
    both = [each for pair in zip(begun, ended, strict=True) for each in pair]
    last = scans(shown(panel(), both))[-1].evidence
    assert last["attempts"] == last["ports_tried"] and last["refused"] >= last["ports_tried"] - 1


# Look-alikes.


def browser() -> Iterator[Flow]:
    return (fresh(n, dst=f"198.51.100.{n % 20}", dport=443, at=n / 40) for n in range(40))


def passive_ftp() -> Iterator[Flow]:
    yield fresh(0, dst=AT[NAS], dport=21)
    yield from (fresh(n, dst=AT[NAS], dport=random.Random(n).randrange(20_000, 60_000), at=n / 20)
                for n in range(1, 900))  # fmt: skip


def peers() -> Iterator[Flow]:
    """BitTorrent: hundreds of peers at odd ports, most of them dead, some many times behind one address."""
    odd = random.Random(1)
    for n in range(2000):
        address = f"198.51.{odd.randrange(100)}.{odd.randrange(250)}"
        yield unanswered(
            n, dst=address, dport=odd.randrange(1025, 65_535), at=n / 20, protocol=odd.choice(("tcp", "udp"))
        )
    yield from (
        unanswered(3000 + n, dst="203.0.113.77", dport=odd.randrange(1025, 65_535), at=n * 8.0) for n in range(60)
    )


def a_flaky_link() -> Iterator[Flow]:
    return (unanswered(n, dst="198.51.100.7", dport=(443, 80, 5228)[n % 3], at=n) for n in range(500))


def a_slow_resolver() -> Iterator[Flow]:
    late = {"src": "198.51.100.53", "sport": 53, "dst": AT[LAPTOP], "protocol": "udp"}
    for n in range(800):
        counted = {"state": ("new", "timeout")[n % 2], "out": (n % 2, 80 * (n % 2))}
        yield unanswered(n, dport=20_000 + n * 7, at=n / 20, **late, **counted)


def a_traceroute() -> Iterator[Flow]:
    return (unanswered(n, dport=33_434 + n, protocol="udp", out=(1, 60), state="timeout", at=n / 20) for n in range(90))


def calls() -> Iterator[Flow]:
    return (unanswered(n, dst="198.51.100.60", dport=16_384 + 2 * n, protocol="udp", at=n * 30.0) for n in range(100))


def lone_acks() -> Iterator[Flow]:
    return (unanswered(n, dport=20 + n, state="partial", at=n / 10) for n in range(50))


def joined() -> Iterator[Flow]:
    return (unanswered(n, dport=20 + n, state="active", at=n / 10) for n in range(50))


def backscatter() -> Iterator[Flow]:
    """RSTs of a host that somebody floods in our name."""
    return (unanswered(n, src="198.51.100.1", sport=80, dst=AT[LAPTOP], dport=1024 + 37 * n, state="reset", at=n / 50)
            for n in range(900))  # fmt: skip


def synacks() -> Iterator[Flow]:
    """The same, with SYN-ACKs: the table takes who is answered for the opener."""
    return (flow(n, dst="198.51.100.1", dport=80 + n % 3, out=(0, 0), back=(3, 132), state="timeout", at=n / 50)
            for n in range(900))  # fmt: skip


def picked_up_by_conntrack() -> Iterator[Flow]:
    return (fresh(n, src="198.51.100.80", sport=443, dst=AT[LAPTOP], dport=500 + 97 * n, at=n / 50)
            for n in range(6, 600))  # fmt: skip


def a_dead_nas() -> Iterator[Flow]:
    """Watched by somebody every minute."""
    ports = (22, 80, 443, 445, 139, 548, 2049, 5000, 5001)
    return (unanswered(n, dst=AT[NAS], dport=ports[n % 9], at=n // 9 * 60 + n % 9) for n in range(900))


def sampled() -> Iterator[Flow]:
    from netwatchd.events import Origin

    origin = Origin(parse_address(AT[LAPTOP]), sampling=400)
    return (unanswered(n, dport=20 + n, state="syn", source="netflow")._replace(origin=origin) for n in range(50))


def half_exported() -> Iterator[Flow]:
    """An exporter that sees one direction only."""
    return (unanswered(n, dport=20 + n, state="closed", source="netflow", out=(9, 900)) for n in range(50))


def answered() -> Iterator[Flow]:
    return (flow(n, dst=AT[NAS], dport=20 + n, at=n / 20) for n in range(200))


CLEAN = [browser, passive_ftp, peers, a_flaky_link, a_slow_resolver, a_traceroute, calls, lone_acks, joined,
         backscatter, synacks, picked_up_by_conntrack, a_dead_nas, sampled, half_exported, answered]  # fmt: skip


@pytest.mark.parametrize("usual", CLEAN, ids=lambda each: each.__name__)
def test_what_ordinary_programs_do_is_no_scan(usual: Any) -> None:
    assert not scans(shown(panel(), usual()))


def test_ports_that_answer_later_are_no_evidence() -> None:
    watching = panel()
    tried = [fresh(n, dst=AT[NAS], dport=20 + n, at=n / 10) for n in range(24)]
    assert not scans(shown(watching, tried))
    used = [each._replace(packets_out=8, bytes_out=900, packets_in=9, bytes_in=5000, state="active") for each in tried]
    assert not scans(again(watching, used))
    assert not scans(
        shown(watching, [unanswered(100 + n, dst=AT[NAS], dport=100 + n, at=3 + n / 10) for n in range(9)])
    )


def test_a_scan_that_turns_out_to_be_use_is_taken_back_once() -> None:
    watching = panel()
    tried = [fresh(n, dst=AT[NAS], dport=20 + n, at=n / 10) for n in range(40)]
    assert scans(shown(watching, tried))
    used = [each._replace(packets_out=8, bytes_out=900, packets_in=9, bytes_in=5000, state="active") for each in tried]
    back = [each for each in again(watching, used) if isinstance(each, TakenBack) and each.kind == "port_scan"]
    assert [(each.device, each.target) for each in back] == [(LAPTOP, AT[NAS])]


def test_the_scanned_is_never_told_as_the_scanner() -> None:
    tried = [unanswered(n, src=ATTACKER, sport=4444, dst=AT[NAS], dport=n + 1, at=n / 50) for n in range(400)]
    replies = [flow(1000 + n, src=ATTACKER, sport=4444, dst=AT[NAS], dport=n + 1, out=(0, 0), back=(1, 40), at=n / 50,
                    state="reset") for n in range(400)]  # fmt: skip
    unreachable = [unanswered(2000 + n, src=AT[NAS], sport=3, dst=ATTACKER, dport=3, protocol="icmp", at=n / 50)
                   for n in range(400)]  # fmt: skip
    found = shown(panel(), tried + replies + unreachable)
    assert {device for kind, device, _ in told(found)} == {ATTACKER}


# Bounds.


def test_a_flood_of_made_up_sources_neither_fills_the_memory_nor_hides_a_scanner() -> None:
    made_up = random.Random(1)
    detector = PortScan(config.PortScan(), Street(), UsedPorts())
    found: list[Any] = []

    def flood(count: int) -> None:
        for n in range(count):
            forged = f"{made_up.randrange(1, 223)}.{made_up.randrange(256)}.{made_up.randrange(256)}.9"
            found.extend(
                detector.see_flow(unanswered(n, src=forged, dst=AT[NAS], dport=made_up.randrange(1, 1024)), None, True)
            )

    flood(8_000)
    tracemalloc.start()
    flood(8_000)
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert grown < 6_000_000 and len(detector._tallies) <= MOST_YOUNG + MOST_GROWN
    for port in range(1, 40):
        found.extend(detector.see_flow(unanswered(port, src=ATTACKER, dst=AT[NAS], dport=port), None, True))
        flood(200)
    assert {each.device for each in found} == {ATTACKER}


def test_a_scan_of_all_ports_is_counted_to_the_end() -> None:
    watching = panel()
    found = scans(shown(watching, (unanswered(n, dst=AT[NAS], dport=n, at=n / 1000) for n in range(1, 20_000))))
    assert found[-1].evidence["ports_tried"] > 10_000 and len(found) < 15
    (detector,) = [each for each in watching.detectors.values() if isinstance(each, PortScan)]
    assert all(len(tally.things) <= 512 for tally in detector._tallies._grown.values())


@settings(max_examples=12)
@given(st.lists(st.tuples(
    st.integers(0, 3), st.integers(0, 65_535), st.integers(-10**6, 10**6), st.integers(0, 5), st.integers(0, 5),
    st.sampled_from(["new", "active", "attempt", "partial", "closed", "rejected", "fin", "whatever"]),
    st.sampled_from(["tcp", "udp", "icmp", "gre"]), st.integers(0, 1), st.integers(0, 50),
), max_size=40))  # fmt: skip
def test_any_flows_in_any_order_are_taken(raw: list[tuple[Any, ...]]) -> None:
    watching = panel()
    hosts = (AT[LAPTOP], AT[NAS], "198.51.100.1", "224.0.0.251")
    flows = [
        flow(number, dst=hosts[host], dport=port, at=at, out=(out, 60 * out), back=(back, 60 * back), state=state,
             protocol=protocol) for host, port, at, out, back, state, protocol, _, number in raw
    ]  # fmt: skip
    for found in watching.flows(FlowBatch(flows, [LAPTOP] * len(flows)), [each[7] for each in raw]):
        assert isinstance(found, Threat | TakenBack)


def test_when_a_scan_is_over_all_of_it_is_told() -> None:
    watching = panel()
    shown(watching, [unanswered(n, dst=AT[NAS], dport=n + 1, at=n / 1000) for n in range(700)])
    assert not scans(watching.tick(NOON + 1000))
    (last,) = scans(watching.tick(NOON + 5000))
    assert last.evidence["ports_tried"] == 700 and "700 ports" in last.description
    assert not scans(watching.tick(NOON + 9000))
