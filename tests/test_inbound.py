"""What the world connects to is told once for each device and port; what began here is not."""

from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from detector_kit import AT, LAPTOP, NAS, NOON, WEB, Street, device, flow, panel, shown, told, unanswered
from hypothesis import given, settings
from hypothesis import strategies as st

from netwatchd import config
from netwatchd.addresses import address_text, parse_address
from netwatchd.detectors import Finding
from netwatchd.detectors.exposed import STREAMS
from netwatchd.detectors.inbound import MOST_DOORS, Inbound
from netwatchd.events import Flow, FlowBatch, Threat

LAPTOP6, NAS6 = "2001:db8:1:2::20", "2001:db8:1:2::10"


def inbound(found: Iterable[Finding]) -> list[Threat]:
    """What is told of connections from the world."""
    return [each for each in found if isinstance(each, Threat) and each.kind == "inbound"]


def visit(number: int = 0, **fields: Any) -> Flow:
    """A connection from the world to the NAS that is answered."""
    usual = {"src": WEB, "dst": AT[NAS], "dport": 22, "sport": 33_000 + number % 30_000}
    return flow(number, **usual | fields)


def visitor(number: int) -> str:
    """An address somewhere, each in another network."""
    return address_text(0x2D000000 + number % 0xFFFF * 256 + 5)


def test_it_says_who_came_to_what_of_whom() -> None:
    (threat,) = inbound(shown(panel(), [visit()]))
    assert told([threat]) == [("inbound", NAS, "tcp/22")]
    assert threat.description == (
        "198.51.100.10 from elsewhere connected to SSH (port 22/tcp) of nas (nas), 192.168.1.10"
    )
    assert threat.severity == "info"
    assert "VPN" in str(threat.recommendation)
    assert threat.evidence["latest"] == {WEB: NOON}


def test_the_router_itself_by_its_outer_address() -> None:
    home, outer = Street(), "203.0.113.2"
    home.outer.add(parse_address(outer))
    (threat,) = inbound(shown(panel(home), [visit(dst=outer, dport=23), flow(1, src=outer)], home))
    assert told([threat]) == [("inbound", outer, "tcp/23")]
    assert threat.description.endswith("telnet (port 23/tcp) of 203.0.113.2, which is this router itself")


def test_a_forwarded_port_is_named() -> None:
    home = Street()
    home.forwards[parse_address(AT[NAS]), 22, 6] = parse_address("203.0.113.2"), 2222
    (threat,) = inbound(shown(panel(home), [visit()]))
    assert threat.description.endswith(", by port 2222 of the router, which is forwarded to it")
    assert threat.evidence["forwarded"] == "203.0.113.2:2222"


def test_it_is_told_once_and_again_only_when_it_has_doubled() -> None:
    visits = [visit(n, src=visitor(n), at=n * 20.0) for n in range(1000)]
    found = inbound(shown(panel(), visits))
    assert set(told(found)) == {("inbound", NAS, "tcp/22")}
    assert len(found) == 10
    assert "addresses from elsewhere, the last " in found[-1].description
    assert " made 512 connections to SSH (port 22/tcp) of nas" in found[-1].description
    assert len(found[-1].evidence["latest"]) == 5
    assert found[-1].evidence["sources"] == pytest.approx(512, rel=0.4)
    assert found[-1].first_seen == NOON


def test_each_port_and_each_device_has_a_row_of_its_own() -> None:
    visits = [visit(0), visit(1, dport=443), visit(2, dst=AT[LAPTOP])]
    assert told(inbound(shown(panel(), visits))) == [
        ("inbound", NAS, "tcp/22"), ("inbound", NAS, "tcp/443"), ("inbound", LAPTOP, "tcp/22"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("port", "severity"),
    [(23, "high"), (3389, "high"), (445, "high"), (3306, "high"), (2375, "high"), (554, "medium"), (5000, "medium"),
     (22, "info"), (80, "low"), (700, "low"), (443, "info"), (25565, "info"), (31_000, "info")],
)  # fmt: skip
def test_what_worms_look_for_is_worse(port: int, severity: str) -> None:
    (threat,) = inbound(shown(panel(), [visit(dport=port)]))
    assert threat.severity == severity
    assert (STREAMS[port].name if port in STREAMS else "a service") in threat.description


@pytest.mark.parametrize("state", ["closed", "reset", "active", "timeout"])
@pytest.mark.parametrize("source", ["capture", "conntrack", "netflow", "zeek", "eve"])
def test_each_source_shows_it_by_its_states(source: str, state: str) -> None:
    assert inbound(shown(panel(), [visit(source=source, state=state)]))


def test_a_connection_that_lives_is_one_however_often_it_is_told() -> None:
    watching = panel()
    living = visit(state="active")
    found = inbound(shown(watching, [living]))
    for n in range(1, 100):
        again = living._replace(end=living.end + n * 60_000, start=living.start)
        found += inbound(watching.flows(FlowBatch([again], [NAS]), [0]))
    found += inbound(watching.flows(FlowBatch([living._replace(state="closed")], [NAS]), [0]))
    assert len(found) == 1


def with_ipv6() -> Street:
    """A home whose devices have addresses of the world."""
    return Street(device(LAPTOP, AT[LAPTOP], LAPTOP6, hostname="laptop"), device(NAS, AT[NAS], NAS6, hostname="nas"))


def test_by_ipv6_without_a_firewall() -> None:
    home = with_ipv6()
    (threat,) = inbound(shown(panel(home), [visit(src="2001:db8:ffff::1", dst=NAS6, dport=445)], home))
    assert told([threat]) == [("inbound", NAS, "tcp/445")]
    assert threat.description.endswith("by IPv6, which nothing stops")


def test_two_others_at_one_high_port_of_tcp_show_that_it_is_a_service() -> None:
    peers = [visit(n, src=visitor(n), dport=51_413) for n in range(2)]
    assert not inbound(shown(panel(), peers[:1]))
    assert told(inbound(shown(panel(), peers))) == [("inbound", NAS, "tcp/51413")]


def test_many_others_at_one_port_of_udp_show_that_all_may() -> None:
    few = [visit(n, src=visitor(n % 7), dport=51_413, sport=40_000, protocol="udp") for n in range(100)]
    assert not inbound(shown(panel(), few))
    many = [visit(n, src=visitor(n), dport=51_413, sport=40_000 + n, protocol="udp") for n in range(8)]
    (threat,) = inbound(shown(panel(), many))
    assert (threat.severity, threat.target) == ("info", "udp/51413")
    assert told(inbound(shown(panel(), [visit(dport=161, protocol="udp")]))) == [("inbound", NAS, "udp/161")]


# What is no connection from the world.


def _knocks() -> Iterator[Flow]:
    """Nobody answers, or refuses, or takes the connection and says nothing."""
    for port in (22, 23, 3389):
        yield unanswered(dport=port, src=WEB, dst=AT[NAS])
        yield visit(dport=port, out=(1, 60), back=(1, 40), state="rejected")
        yield visit(dport=port, out=(4, 216), back=(3, 164))


def _began_here() -> Iterator[Flow]:
    """Everything that devices here begin, and what they say to each other."""
    for n in range(100):
        yield flow(n)
        yield flow(n, dst=AT[NAS], dport=445)
        yield flow(n, dst=WEB, dport=53, protocol="udp")


def _answers() -> Iterator[Flow]:
    """The middle of what began before anybody looked: the other side's packet was the first."""
    yield visit(sport=443, dport=50_000)
    yield visit(sport=443, dport=50_000, protocol="udp", state="active")
    yield visit(sport=8443, dport=50_000, state="active")
    yield visit(sport=5222, dport=40_000, state="active")
    yield visit(sport=123, dport=123, protocol="udp")
    yield visit(sport=4500, dport=4500, protocol="udp")
    yield visit(sport=51_820, dport=51_820, protocol="udp")
    yield visit(sport=27_015, dport=55_555, protocol="udp")
    yield visit(state="partial")


def _call() -> Iterator[Flow]:
    """A call by WebRTC: the other one, and relays, before our own packets came through; each call by another port."""
    for call in range(50):
        for n in range(4):
            yield visit(n, src=visitor(n), sport=40_000 + n, dport=50_000 + call, protocol="udp", at=call * 3600)


def _peers() -> Iterator[Flow]:
    """File sharing with others at their high ports, begun here before anybody looked, each from a port of its own."""
    for n in range(500):
        yield visit(n, src=visitor(n), sport=51_413, dport=40_000 + n, state="active")


def _others() -> Iterator[Flow]:
    """Pings, groups, tunnels, link-local neighbours."""
    yield visit(protocol="icmp", sport=8, dport=0)
    yield visit(dst="239.255.255.250", dport=1900, protocol="udp")
    yield visit(protocol="esp", sport=0, dport=0)
    yield visit(src="fe80::1", dst="fe80::2", dport=22)
    yield visit(src="10.8.0.2")  # by the VPN


def _elsewhere() -> Iterator[Flow]:
    """Between others, neither of whom is here."""
    yield visit(dst="203.0.113.7")


@pytest.mark.parametrize(
    "ordinary",
    [_knocks, _began_here, _answers, _call, _peers, _others, _elsewhere],
    ids=lambda each: each.__name__.strip("_"),
)
def test_what_is_none_is_not_told(ordinary: Any) -> None:
    assert not inbound(shown(panel(), ordinary()))


def test_neighbours_by_ipv6_are_not_the_world() -> None:
    home = with_ipv6()
    flows = [visit(src=LAPTOP6, dst=NAS6), visit(1, src="2001:db8:1:2:abcd::77", dst=NAS6)]
    assert not inbound(shown(panel(home), flows, home))


def test_it_can_be_switched_off() -> None:
    assert not inbound(shown(panel(inbound=config.Inbound(enabled=False)), [visit()]))


def test_memory_is_bounded() -> None:
    detector = Inbound(config.Inbound(), Street())
    for n in range(5000):
        detector.see_flow(visit(n, src=visitor(n), dport=n + 1, sport=60_000, state="active"), NAS, True)
        detector.see_flow(flow(n, src=address_text(0x0A000000 + n)), LAPTOP, True)
    assert len(detector._doors) <= MOST_DOORS
    assert len(detector._counted) <= MOST_DOORS


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([WEB, AT[LAPTOP], "2001:db8::5", "255.255.255.255", "0.0.0.0", "::"]),
            st.sampled_from([AT[NAS], WEB, "224.0.0.1"]), st.sampled_from(["tcp", "udp", "icmp"]),
            st.integers(0, 65_535), st.integers(0, 65_535), st.integers(0, 10**9), st.integers(-(10**6), 10**6),
        ),
        max_size=60,
    )
)  # fmt: skip
def test_whatever_comes_is_borne(numbers: list[tuple[Any, ...]]) -> None:
    detector = Inbound(config.Inbound(), Street())
    for n, (src, dst, protocol, sport, dport, size, at) in enumerate(numbers):
        if (":" in src) != (":" in dst):
            dst = "2001:db8::9"
        one = flow(n, at=at, src=src, dst=dst, protocol=protocol, sport=sport, dport=dport, back=(size, size))
        for found in detector.see_flow(one, NAS, True):
            assert found.kind == "inbound"


def test_a_neighbour_on_the_side_of_the_provider_is_the_world_too() -> None:
    """The router's table of neighbours has it, so that it is a device."""
    home = Street(device(NAS, AT[NAS], hostname="nas"), device(LAPTOP, WEB))
    assert told(inbound(shown(panel(home), [visit()], home))) == [("inbound", NAS, "tcp/22")]
