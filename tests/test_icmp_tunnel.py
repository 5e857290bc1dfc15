"""Who talks in pings is found, by packets and by flows; who pings is not, whatever sizes and losses he has."""

import random
import struct
from collections.abc import Callable, Iterable

import pytest
from announce_kit import Seen
from detector_kit import AT, LAPTOP, NAS, flow, panel, shown, told
from hypothesis import given
from hypothesis import strategies as st
from packet_kit import MAC_A, MAC_B, A, C, ethernet, ip4, ip6

from netwatchd.addresses import parse_address
from netwatchd.decoders.echoes import MOST_WAITING
from netwatchd.detectors.icmp_tunnel import ALTERED, ANSWERED
from netwatchd.events import Flow, Threat
from netwatchd.observations import EchoAltered

LOTS = random.Random(3)
ELSEWHERE = "198.51.100.10"


def echo(kind: int, number: int, data: bytes, identifier: int = 7) -> bytes:
    return struct.pack("!BBHHH", kind, 0, 0, identifier, number) + data


def ping(number: int, data: bytes) -> bytes:
    return ethernet(ip4(echo(8, number, data), A, C, 1), MAC_A)


def pong(number: int, data: bytes) -> bytes:
    return ethernet(ip4(echo(0, number, data), C, A, 1), MAC_B)


def altered(*frames: bytes) -> list[EchoAltered]:
    """What is observed of these packets."""
    seen = Seen()
    seen.see(*frames)
    return [each for each in seen.table.observations() if isinstance(each, EchoAltered)]


# Packets.


def test_a_reply_with_other_data_is_observed() -> None:
    (seen,) = altered(ping(1, b"ls -l" * 10), pong(1, b"total 5\n" * 12))
    assert (seen.client, seen.server, seen.sent, seen.returned) == (parse_address(A), parse_address(C), 50, 96)
    assert len(altered(ping(1, b"x" * 56), pong(1, b"y" * 56))) == 1
    assert len(altered(*[frame for n in range(9) for frame in (ping(0, b"a%d" % n * 9), pong(0, b"b%d" % n * 9))])) == 9


def test_pings_are_not() -> None:
    honest = [
        frame for n in range(50) for frame in (ping(n, bytes(range(n, n + 56))), pong(n, bytes(range(n, n + 56))))
    ]
    assert not altered(*honest)
    cut_short = [ping(1, b"abcdefgh" * 180), pong(1, b"abcdefgh" * 8)]
    assert not altered(*cut_short)
    assert not altered(pong(1, b"joined in the middle"), ping(2, b"lost"), pong(3, b"of another one"))
    assert not altered(ping(1, b""), pong(1, b""))


def test_each_ping_is_compared_with_its_own_reply() -> None:
    """Several at once, to whom ever, answered in any order."""
    frames = [ping(n, struct.pack("!I", n) * 14) for n in range(100)]
    LOTS.shuffle(frames)
    assert not altered(*frames, *[pong(n, struct.pack("!I", n) * 14) for n in range(100)])


def test_ipv6_too() -> None:
    question = ethernet(ip6(echo(128, 1, b"ls" * 20), "2001:db8::5", "2001:db8::6", 58), MAC_A)
    reply = ethernet(ip6(echo(129, 1, b"no" * 20), "2001:db8::6", "2001:db8::5", 58), MAC_B)
    assert [(each.sent, each.returned) for each in altered(question, reply)] == [(40, 40)]


def test_a_flood_of_pings_pushes_out_the_oldest() -> None:
    flood = [ping(n & 0xFFFF, b"x" * 8) for n in range(MOST_WAITING + 9)]
    assert len(altered(ping(60_000, b"a"), *flood, pong(60_000, b"b"))) == 0
    assert len(altered(*flood, pong(MOST_WAITING, b"y" * 8))) == 1


@given(st.binary(max_size=40), st.binary(max_size=40), st.sampled_from([0, 8, 128, 129]))
def test_any_bytes_are_borne(one: bytes, other: bytes, kind: int) -> None:
    altered(
        ethernet(ip4(bytes((kind,)) + one, A, C, 1), MAC_A), ethernet(ip6(bytes((kind,)) + other, protocol=58), MAC_B)
    )


def talk(count: int, every: float = 1.0, sent: int = 80, returned: int = 300) -> list[EchoAltered]:
    start = 1_700_049_600_000
    client, server = parse_address(AT[LAPTOP]), parse_address(ELSEWHERE)
    return [EchoAltered(start + int(n * every * 1000), "capture", client, server, sent, returned) for n in range(count)]


def test_who_talks_in_pings_is_told_once_and_as_it_grows() -> None:
    found = panel().observe(talk(600))
    assert set(told(found)) == {("icmp_tunnel", LAPTOP, ELSEWHERE)}
    assert len(found) < 8
    first = found[0]
    assert isinstance(first, Threat)
    assert first.severity == "high"
    assert first.evidence["replies_altered"] == ALTERED
    assert f"{ALTERED} replies did not return what was sent" in first.description


def test_a_broken_cable_is_none() -> None:
    assert not panel().observe(talk(300, every=400.0))
    assert not panel().observe(talk(ALTERED - 1))


# Flows.


def pings(number: int = 0, **fields: object) -> Flow:
    """Many pings between two hosts, as a flow."""
    base = {"protocol": "icmp", "sport": 8, "dport": 0, "dst": ELSEWHERE, "seconds": 600.0, "source": "conntrack"}
    made = flow(number, **base | fields)  # type: ignore[arg-type]
    return made._replace(src_port=8)


TALKS: dict[str, Flow] = {
    "more came back": pings(out=(448, 40_000), back=(440, 95_000)),
    "more was sent": pings(out=(448, 95_001), back=(448, 47_003)),
    "of a log": pings(out=(448, 40_000), back=(448, 95_000), source="zeek"),
    "of an exporter": pings(out=(448, 40_000), back=(448, 95_000), source="netflow"),
    "much of it": pings(out=(20_000, 28_000_000), back=(20_000, 28_000_000)),
}


@pytest.mark.parametrize("what", TALKS)
def test_a_talk_in_pings_shows_in_flows(what: str) -> None:
    assert told(shown(panel(), [TALKS[what]])) == [("icmp_tunnel", LAPTOP, ELSEWHERE)]


def test_a_flow_that_lives_is_compared_from_one_telling_to_the_next() -> None:
    """Over the whole of it the directions are equal."""
    watching, found = panel(), []
    out, back = (0, 0), (0, 0)
    for turn in range(20):
        there, here = (900, 5000) if turn % 2 else (5000, 900)
        out, back = (out[0] + 20, out[1] + there + 1000), (back[0] + 20, back[1] + here + 1000)
        found += shown(watching, [pings(out=out, back=back, seconds=10.0 * turn)])
    assert set(told(found)) == {("icmp_tunnel", LAPTOP, ELSEWHERE)}


HONEST: dict[str, Callable[[], Iterable[Flow]]] = {
    "an hour": lambda: [pings(out=(3600, 3600 * 84), back=(3600, 3600 * 84))],
    "with losses": lambda: [pings(out=(3600, 3600 * 84), back=(3200, 3200 * 84))],
    "of many sizes": lambda: [pings(out=(1400, 1400 * 750), back=(1400, 1400 * 750))],
    "of many sizes, with losses": lambda: [pings(out=(1400, 1400 * 750), back=(1380, 1400 * 750 - 17_003))],
    "of sizes that do not pass": lambda: [pings(out=(100, 100_001), back=(60, 42_001))],
    "long ones, which are cut short": lambda: [pings(out=(500, 500 * 1028), back=(500, 500 * 92))],
    "these and others": lambda: [pings(out=(500, 84 * 400 + 1028 * 100), back=(500, 84 * 400 + 92 * 100))],
    "the largest all day": lambda: [pings(out=(86_400, 86_400 * 1500), back=(86_400, 86_400 * 1500), seconds=86_400.0)],
    "as fast as it goes, within the home": lambda: [
        pings(out=(100_000, 150_000_000), back=(100_000, 150_000_000), dst=AT[NAS])
    ],
    "a flood of small ones": lambda: [pings(out=(500_000, 42_000_000), back=(500_000, 42_000_000))],
    "doubled by a bridge": lambda: [pings(out=(500, 500 * 84), back=(1000, 1000 * 84))],
    "sampled": lambda: [pings(out=(4096, 4096 * 84), back=(5120, 5120 * 1500), source="netflow")],
    "small ones, padded": lambda: [pings(out=(5000, 5000 * 28), back=(5000, 5000 * 46), source="eve")],
    "to all the world": lambda: [
        pings(n, dst=f"198.51.{n // 250}.{n % 250 + 1}", out=(1, 84), back=(1, 84)) for n in range(999)
    ],
    "without counters": lambda: [pings(out=(0, 0), back=(0, 0), state="new")],
    "no pings": lambda: [pings(out=(500, 50_000), back=(500, 90_000))._replace(src_port=13)],
    "too few": lambda: [pings(out=(ANSWERED - 1, 9000), back=(ANSWERED - 1, 90_000))],
}  # fmt: skip


@pytest.mark.parametrize("what", HONEST)
def test_who_only_pings_is_not_told(what: str) -> None:
    assert told(shown(panel(), HONEST[what]())) == []


def test_a_monitor_that_is_told_again_and_again_is_none() -> None:
    """A ping is on its way whenever its counters are read."""
    watching = panel()
    for turn in range(1, 400):
        sent, back = turn * 10, turn * 10 - turn % 2
        assert not shown(watching, [pings(out=(sent, sent * 1028), back=(back, back * 1028), seconds=turn * 10.0)])


def test_a_flood_of_hosts_does_not_hide_who_talks() -> None:
    watching, found = panel(), []
    for at, message in enumerate(talk(60)):
        flood = [
            pings(n, src=f"192.168.1.{n % 250 + 1}", dst=f"203.0.{at}.{n}", out=(3, 252), back=(3, 252))
            for n in range(20)
        ]
        found += shown(watching, flood) + watching.observe([message])
    assert ("icmp_tunnel", LAPTOP, ELSEWHERE) in told(found)
