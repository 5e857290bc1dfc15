"""Who looks for many hosts is told once, by what he looks for, and nobody who merely has many to talk to."""

import random
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from detector_kit import AT, LAPTOP, NAS, NOON, ROUTER, Street, device, flow, panel, shown, told, unanswered
from hypothesis import given, settings
from hypothesis import strategies as st
from test_port_scan import again, fresh

from netwatchd import config
from netwatchd.addresses import parse_address
from netwatchd.detectors import Finding
from netwatchd.detectors.host_sweep import HostSweep
from netwatchd.detectors.tally import MOST_GROWN, MOST_YOUNG
from netwatchd.events import Flow, TakenBack, Threat
from netwatchd.observations import AddressAsked

ATTACKER = "203.0.113.9"


def sweeps(found: Iterable[Finding]) -> list[Threat]:
    return [each for each in found if isinstance(each, Threat) and each.kind == "host_sweep"]


def asked(number: int, mac: str = LAPTOP, at: float = 0.0, base: str = "192.168.1.30") -> AddressAsked:
    address = parse_address(base)
    target = address + number if isinstance(address, int) else address[:-1] + bytes((address[-1] + number,))
    return AddressAsked(NOON + int(at * 1000), "capture", mac, parse_address(AT[LAPTOP]), target)


def pinged(number: int, dst: str, **fields: Any) -> Flow:
    return unanswered(number, **{"dst": dst, "sport": 8, "dport": 0, "protocol": "icmp", "out": (1, 84),
                                 "state": "timeout"} | fields)  # fmt: skip


# Attacks.


def test_addresses_that_nobody_has_asked_for_by_arp_are_a_sweep() -> None:
    found = sweeps(panel().observe([asked(n, at=n / 100) for n in range(220)]))
    assert {(each.device, each.target, each.severity) for each in found} == {(LAPTOP, "192.168.1.0/24", "medium")}
    assert found[0].evidence["hosts_tried"] == 56 and found[0].evidence["scan"] == ["arp"]
    assert "asked by ARP for 56 addresses here that nobody has, in 0.6 s" in found[0].description
    assert len(found) <= 4


def test_the_same_by_neighbour_discovery() -> None:
    found = sweeps(panel().observe([asked(n, base="fd00::1:10", at=n / 10) for n in range(90)]))
    assert {(each.device, each.target) for each in found} == {(LAPTOP, "fd00::/64")}
    assert "asked by ND" in found[0].description


@pytest.mark.parametrize(
    ("fields", "device", "target", "severity"),
    [
        ({"dst": "198.51.{}.7", "dport": 23}, LAPTOP, "world:23", "high"),
        ({"dst": "198.51.{}.7", "dport": 445, "state": "rejected", "back": (1, 40)}, LAPTOP, "world:445", "high"),
        ({"dst": "198.51.{}.7", "dport": 23, "out": (0, 0), "state": "new", "source": "conntrack"}, LAPTOP, "world:23",
         "high"),
        ({"dst": "192.168.1.{}", "dport": 445}, LAPTOP, "lan:445", "medium"),
        ({"dst": "192.168.1.{}", "dport": 8123}, LAPTOP, "lan:8123", "medium"),
        ({"dst": "192.168.1.{}", "dport": 161, "protocol": "udp", "state": "timeout"}, LAPTOP, "lan:161/udp", "medium"),
        ({"dst": "198.51.{}.7", "dport": 8080}, LAPTOP, "world:8080", "medium"),
        ({"dst": "198.51.100.{}", "dport": 12_345}, LAPTOP, "world:12345", "medium"),
        ({"dst": "198.51.{}.7", "dport": 445, "state": "rejected", "out": (3, 180), "back": (3, 120)}, LAPTOP,
         "world:445", "high"),
        ({"dst": "198.51.{}.7", "dport": 3389, "state": "reset", "out": (1, 181)}, LAPTOP, "world:3389", "high"),
        ({"dst": "198.51.{}.7", "dport": 3389, "state": "reset", "out": (4, 240)}, LAPTOP, "world:3389", "high"),
        ({"dst": "192.168.1.{}", "dport": 80, "src": ATTACKER}, ATTACKER, "lan:*", "low"),
        ({"dst": "198.51.100.{}", "dport": 0, "sport": 8, "protocol": "icmp", "out": (1, 84)}, LAPTOP,
         "198.51.100.0/24", "medium"),
        ({"dst": "192.168.1.{}", "dport": 0, "sport": 8, "protocol": "icmp", "out": (1, 84)}, LAPTOP,
         "192.168.1.0/24", "medium"),
    ],
)  # fmt: skip
def test_hosts_tried_in_vain_are_a_sweep(fields: dict[str, Any], device: str, target: str, severity: str) -> None:
    hosts = random.Random(1).sample(range(30, 230), 99)
    tried = [unanswered(n, at=n / 20, **fields | {"dst": fields["dst"].format(host)}) for n, host in enumerate(hosts)]
    found = sweeps(shown(panel(), tried))
    assert {(each.device, each.target, each.severity) for each in found} == {(device, target, severity)}
    assert len(found) <= 5


def test_a_scan_of_the_web_elsewhere_is_found_once_it_is_more_than_an_outage() -> None:
    tried = [unanswered(n, dst=f"198.{n % 200}.{n // 200}.7", dport=443, at=n / 20) for n in range(800)]
    assert sweeps(shown(panel(), tried))[0].evidence["hosts_tried"] == 400


def test_pings_without_payload_are_a_scanners_also_where_they_are_answered() -> None:
    tried = [pinged(n, f"192.168.1.{n}", out=(1, 28), back=(n % 2, 28 * (n % 2)), at=n / 20) for n in range(30, 45)]
    (found,) = sweeps(shown(panel(), tried))
    assert found.evidence["scan"] == ["icmp-empty"] and found.evidence["hosts_tried"] == 10


def test_a_router_asks_for_whom_others_look() -> None:
    assert not sweeps(panel().observe([asked(n, ROUTER, at=n / 100) for n in range(220)]))


def test_who_looks_for_many_things_fills_few_rows() -> None:
    found: list[Threat] = []
    watching = panel()
    for port in range(1, 40):
        found += sweeps(shown(watching, (
            unanswered(n, dst=f"198.51.100.{n}", dport=port + 40_000, at=port + n / 100) for n in range(30)
        )))  # fmt: skip
    assert len({each.target for each in found}) == 6 and found[-1].target == "world:*"
    # What is worse than the others of its row does not wait for them.
    (worse,) = sweeps(shown(watching, (unanswered(n, dst=f"198.51.100.{n}", dport=23, at=40 + n / 100)
                                       for n in range(10))))  # fmt: skip
    assert (worse.target, worse.severity) == ("world:*", "high")


def test_it_can_be_switched_off_and_set() -> None:
    tried = [unanswered(n, dst=f"198.51.{n}.7", dport=23, at=n / 5) for n in range(20)]
    assert sweeps(shown(panel(), tried))
    assert not sweeps(shown(panel(host_sweep=config.HostSweep(enabled=False)), tried))
    assert not sweeps(shown(panel(host_sweep=config.HostSweep(hosts=30)), tried))


# Look-alikes.


def browser() -> Iterator[Flow]:
    return (fresh(n, dst=f"198.51.{n % 90}.9", dport=443, at=n / 40) for n in range(400))


def dead_uplink() -> Iterator[Flow]:
    return (unanswered(n, dst=f"198.51.{n % 150}.9", dport=(443, 80, 53, 5228)[n % 4], at=n / 5) for n in range(600))


def peers() -> Iterator[Flow]:
    odd = random.Random(1)
    for n in range(2000):
        peer = {"dst": f"198.{odd.randrange(50)}.{odd.randrange(100)}.{odd.randrange(250)}",
                "dport": odd.choice((6881, 51_413, odd.randrange(1025, 65_535)))}  # fmt: skip
        yield unanswered(n, at=n / 20, protocol=odd.choice(("tcp", "udp")), **peer)


def nodes() -> Iterator[Flow]:
    """A currency's: always the same port, most of them dead."""
    odd = random.Random(2)
    return (unanswered(n, dst=f"{odd.randrange(1, 220)}.{odd.randrange(250)}.3.4", dport=8333, at=n * 0.5)
            for n in range(2000))  # fmt: skip


def games() -> Iterator[Flow]:
    odd = random.Random(3)
    for n in range(200):
        server = f"198.51.{odd.randrange(60)}.{odd.randrange(250)}"
        yield unanswered(n, dst=server, dport=27_015 + n % 10, protocol="udp", state="timeout", at=n / 100)
        yield pinged(500 + n, server, back=(n % 3 % 2, 84 * (n % 3 % 2)), at=n / 100)


def monitor() -> Iterator[Flow]:
    for n in range(5000):
        up = n % 50 not in (3, 17, 20, 31, 44)
        yield pinged(n, f"192.168.1.{100 + n % 50}", back=(up, 84 * up), at=n / 50 * 60)
        yield flow(n, dst=f"192.168.1.{100 + n % 50}", dport=80, at=n / 50 * 60)


def pods() -> Iterator[Flow]:
    """A node of Kubernetes, as connection tracking first tells of it."""
    return (fresh(n, dst=f"10.42.0.{n % 60}", dport=(9153, 8080, 10_250, 443)[n % 4], at=n / 60) for n in range(600))


def discovery() -> Iterator[Flow]:
    return (unanswered(n, dst=("239.255.255.250", "224.0.0.251", "255.255.255.255", "192.168.1.255")[n % 4],
                       dport=(1900, 5353, 137, 9999)[n % 4], protocol="udp", at=n) for n in range(300))  # fmt: skip


def resolver() -> Iterator[Flow]:
    return (fresh(n, dst=f"198.{n % 200}.7.53", dport=53, protocol="udp", at=n / 50) for n in range(1000))


def late_answers() -> Iterator[Flow]:
    return (unanswered(n, src=f"198.51.{n % 200}.9", sport=443, dst=AT[LAPTOP], dport=40_000 + n, protocol="udp",
                       at=n / 50) for n in range(900))  # fmt: skip


def one_outsider() -> Iterator[Flow]:
    """A peer elsewhere that tries ephemeral ports of many here."""
    return (unanswered(n, src="198.51.100.9", dst=f"192.168.1.{n % 60}", dport=50_000 + n, at=n) for n in range(60))


def mail() -> Iterator[Flow]:
    return (unanswered(n, dst=f"198.51.{n % 120}.25", dport=25, at=n * 4) for n in range(300))


def forged_rsts() -> Iterator[Flow]:
    return (unanswered(n, src="198.51.100.9", sport=80, dst=f"192.168.1.{n}", dport=23, state="reset", at=n / 50)
            for n in range(200))  # fmt: skip


CLEAN = [browser, dead_uplink, peers, nodes, games, monitor, pods, discovery, resolver, late_answers, one_outsider,
         mail, forged_rsts]  # fmt: skip


@pytest.mark.parametrize("usual", CLEAN, ids=lambda each: each.__name__)
def test_what_ordinary_programs_do_is_no_sweep(usual: Any) -> None:
    assert not sweeps(shown(panel(), usual()))


def test_who_asks_for_devices_that_are_here_sweeps_nothing() -> None:
    many = [device(f"02:00:00:00:00:{n:02x}", f"192.168.1.{30 + n}") for n in range(60)]
    street = Street(device(LAPTOP, AT[LAPTOP]), *many)
    assert not sweeps(panel(street).observe([asked(n % 70, at=n / 50) for n in range(5000)]))


def test_a_dead_address_that_everybody_asks_for_is_nobodys_sweep() -> None:
    questions = [asked(5, f"02:00:00:00:{n % 100:02x}:01", at=n / 10) for n in range(3000)]
    assert not sweeps(panel().observe(questions))


def test_a_wrong_netmask_makes_no_sweep() -> None:
    assert not sweeps(panel().observe([asked(n, base="198.51.100.1", at=n / 10) for n in range(200)]))


def test_hosts_that_answer_later_are_no_evidence_and_a_sweep_of_them_is_taken_back() -> None:
    watching = panel()
    tried = [fresh(n, dst=f"198.51.{n}.7", dport=22, at=n / 10) for n in range(40)]
    assert sweeps(shown(watching, tried))
    used = [each._replace(packets_out=9, bytes_out=900, packets_in=9, bytes_in=5000, state="active") for each in tried]
    back = [each for each in again(watching, used) if isinstance(each, TakenBack) and each.kind == "host_sweep"]
    assert [(each.device, each.target) for each in back] == [(LAPTOP, "world:22")]


def test_the_hosts_that_were_looked_for_are_never_told() -> None:
    tried = [unanswered(n, src=ATTACKER, sport=4444, dst=f"192.168.1.{n}", dport=23, at=n / 50) for n in range(30, 200)]
    refusals = [unanswered(500 + n, src=f"192.168.1.{n}", sport=3, dst=ATTACKER, dport=1, protocol="icmp", at=n / 50)
                for n in range(30, 200)]  # fmt: skip
    assert {who for _, who, _ in told(shown(panel(), tried + refusals))} == {ATTACKER}


def test_a_flood_of_made_up_sources_neither_fills_the_memory_nor_hides_a_sweep() -> None:
    made_up = random.Random(1)
    detector = HostSweep(config.HostSweep(), Street())
    found: list[Any] = []

    def flood(count: int) -> None:
        for n in range(count):
            forged = f"{made_up.randrange(1, 223)}.{made_up.randrange(256)}.{made_up.randrange(256)}.9"
            found.extend(detector.see_flow(unanswered(n, src=forged, dst=AT[NAS], dport=23), None, True))
            mac = f"02:00:00:{made_up.randrange(256):02x}:{made_up.randrange(256):02x}:{made_up.randrange(256):02x}"
            found.extend(detector.observe(asked(made_up.randrange(200), mac)))

    flood(5_000)
    assert len(detector._tallies) <= MOST_YOUNG + MOST_GROWN
    for n in range(40):
        found.extend(detector.see_flow(unanswered(n, dst=f"198.51.{n}.7", dport=23, at=n / 10), LAPTOP, True))
        flood(200)
    assert {each.device for each in found} == {LAPTOP}


@settings(max_examples=12)
@given(st.lists(st.tuples(
    st.integers(0, 255), st.sampled_from([0, 22, 23, 53, 80, 8080, 50_000]), st.integers(-10**6, 10**6),
    st.integers(0, 5), st.integers(0, 5), st.sampled_from(["new", "active", "attempt", "rejected", "whatever"]),
    st.sampled_from(["tcp", "udp", "icmp", "ipv6-icmp"]), st.booleans(),
), max_size=40))  # fmt: skip
def test_any_flows_in_any_order_are_taken(raw: list[tuple[Any, ...]]) -> None:
    watching = panel()
    flows = [
        flow(n % 7, dst=f"192.168.1.{host}" if here else f"198.51.100.{host}", dport=port, sport=8, at=at,
             out=(out, 28 * out), back=(back, 60 * back), state=state, protocol=protocol)
        for n, (host, port, at, out, back, state, protocol, here) in enumerate(raw)
    ]  # fmt: skip
    for found in [*shown(watching, flows), *again(watching, flows)]:
        assert isinstance(found, Threat | TakenBack)


def test_a_sweep_once_more_is_told_once_more() -> None:
    watching = panel()
    questions = [asked(n, at=n / 100) for n in range(220)]
    assert sweeps(watching.observe(questions)) and sweeps(watching.tick(NOON + 10_000))
    assert not sweeps(watching.tick(NOON + 20_000))
    again_asked = [each._replace(time=each.time + 60_000) for each in questions]
    assert not sweeps(watching.observe(again_asked[:100]))
    assert len(sweeps(watching.observe(again_asked[100:]) + watching.tick(NOON + 70_000))) == 1
