"""Passwords that are tried out are told of, and whoever knows the password is left alone."""

import random
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from detector_kit import AT, LAPTOP, NAS, NOON, WEB, Street, flow, kinds, panel, shown, told, unanswered
from hypothesis import given, settings
from hypothesis import strategies as st

from netwatchd import config
from netwatchd.addresses import address_text
from netwatchd.detectors import Finding
from netwatchd.detectors.brute_force import MOST_BURSTS, MOST_PAIRS, BruteForce
from netwatchd.detectors.passwords import SERVICES
from netwatchd.events import Flow, FlowBatch, TakenBack

SSH = f"{AT[NAS]}:22"


def tried(found: Iterable[Finding]) -> list[Finding]:
    """What is told of passwords."""
    return [each for each in found if each.kind == "brute_force"]


def refused(number: int, every: float = 4.0, **fields: Any) -> Flow:
    """A login at the NAS by SSH that was refused, as OpenSSH does: keys, three passwords, some seconds."""
    usual = {"dst": AT[NAS], "dport": 22, "out": (24, 3993), "back": (17, 3284), "seconds": 3.6} | fields
    return flow(number, at=number * every, **usual)


def session(number: int, at: float, **fields: Any) -> Flow:
    """A login at the NAS by SSH that was none of these: somebody worked there."""
    usual = {"dst": AT[NAS], "dport": 22, "out": (400, 40_000), "back": (500, 90_000), "seconds": 240} | fields
    return flow(number, at=at, **usual)


# What refused logins look like: port, out, back, seconds that each takes, seconds from one to the next.
REFUSALS = {
    "ssh by hand": (22, (24, 3993), (17, 3284), 3.6, 4.0),
    "ssh with three passwords or one": (22, (22, 3737), (15, 3124), 3.6, 5.0),
    "ssh to a server that does not wait": (22, (14, 2300), (12, 2500), 0.2, 0.25),
    "telnet": (23, (14, 640), (12, 700), 8.0, 9.0),
    "telnet at the other port": (2323, (14, 640), (12, 700), 2.0, 2.2),
    "ftp": (21, (11, 608), (9, 613), 2.2, 2.3),
    "rdp": (3389, (12, 2200), (9, 2600), 0.6, 1.0),
    "smb": (445, (9, 1300), (8, 1400), 0.1, 0.15),
    "vnc": (5900, (8, 480), (7, 420), 0.5, 2.0),
    "mysql": (3306, (7, 520), (6, 480), 0.02, 0.05),
    "postgresql": (5432, (8, 600), (7, 520), 0.02, 0.05),
    "imap": (993, (11, 1400), (10, 4800), 2.2, 0.5),
    "pop3": (110, (9, 420), (8, 480), 3.0, 1.0),
    "submission": (587, (14, 1600), (13, 5000), 2.0, 0.6),
    "a web page": (80, (6, 700), (5, 900), 0.05, 0.06),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_refused_logins_at_each_service_are_told_once(name: str) -> None:
    port, out, back, seconds, every = REFUSALS[name]
    service = SERVICES[port]
    flows = [
        flow(n, at=n * every, dst=AT[NAS], dport=port, out=out, back=back, seconds=seconds)
        for n in range(service.local + 3)
    ]
    found = tried(shown(panel(), flows))
    assert told(found) == [("brute_force", LAPTOP, f"{AT[NAS]}:{port}")]
    assert service.name in found[0].description  # type: ignore[union-attr]


def test_it_says_who_where_how_many_and_in_what_time() -> None:
    (threat,) = tried(shown(panel(), [refused(n) for n in range(11)]))
    assert threat.description == (  # type: ignore[union-attr]
        "laptop, 192.168.1.20 tries passwords at SSH of nas (nas), 192.168.1.10, port 22: 10 short connections in "
        "40 s, each answered by about 2.6 kB, as a refused login is"
    )
    assert threat.severity == "medium"  # type: ignore[union-attr]
    assert threat.evidence["connections"] == 10  # type: ignore[union-attr]
    assert threat.recommendation  # type: ignore[union-attr]


@pytest.mark.parametrize("state", ["closed", "reset", "timeout", "unfinished"])
@pytest.mark.parametrize("source", ["capture", "netflow", "zeek", "eve", "conntrack"])
def test_each_source_shows_it_by_its_states(source: str, state: str) -> None:
    assert tried(shown(panel(), [refused(n, source=source, state=state) for n in range(12)]))


def test_the_order_in_which_it_is_told_does_not_matter() -> None:
    flows = [refused(n) for n in range(14)]
    random.Random(1).shuffle(flows)
    assert len(tried(shown(panel(), flows))) == 1


def test_by_ipv6_too() -> None:
    flows = [refused(n, src="2001:db8::1", dst="2001:db8::2", out=(24, 4473), back=(17, 3624)) for n in range(12)]
    assert told(tried(shown(panel(), flows))) == [("brute_force", "2001:db8::1", "2001:db8::2:22")]


def test_a_longer_connection_that_follows_is_said_to_be_one_that_may_be_a_login() -> None:
    watching = panel()
    shown(watching, [refused(n) for n in range(12)])
    (threat,) = tried(shown(watching, [session(99, at=60)]))
    assert threat.severity == "high"  # type: ignore[union-attr]
    assert "then one connection of 4 min with 94 kB followed, which may be a login" in threat.description  # type: ignore[union-attr]
    assert told([threat]) == [("brute_force", LAPTOP, SSH)]


def test_it_is_told_while_that_one_lives() -> None:
    watching = panel()
    shown(watching, [refused(n) for n in range(12)])
    living = session(99, at=60, state="active")
    assert tried(shown(watching, [living]))
    watching.flows(FlowBatch([living._replace(end=living.end + 2000)], [LAPTOP]), [0])
    assert not tried(watching.flows(FlowBatch([living._replace(end=living.end + 3000)], [LAPTOP]), [0]))


def test_it_is_told_again_when_it_has_doubled_and_not_a_thousand_times() -> None:
    found = tried(shown(panel(), [refused(n) for n in range(5000)]))
    assert 5 < len(found) < 12
    assert found[-1].severity == "high"  # type: ignore[union-attr]


# What looks like it, and is none. Flows of one client, told in the order of their ends.


def _git() -> Iterator[Flow]:
    """Continuous integration that fetches by SSH: some are large, some only ask whether anything is new."""
    for n in range(200):
        size = 3000 if n % 7 else 80_000
        yield flow(n, at=n * 2.0, dport=22, out=(18, 4100), back=(16, size), seconds=1.4)


def _remote_command() -> Iterator[Flow]:
    """A hub that asks a machine how it is, by SSH, every five seconds, and has for days."""
    for n in range(1000):
        yield refused(n, every=5.0, out=(20, 4100), back=(17, 3900), seconds=0.4)


def _rsync() -> Iterator[Flow]:
    """A backup that copies each file by a connection of its own."""
    sizes = random.Random(2)
    for n in range(300):
        yield refused(n, every=1.5, out=(40, sizes.randrange(5000, 400_000)), back=(25, 4100), seconds=1.2)


def _check() -> Iterator[Flow]:
    """A monitor that looks every second whether the port is open, and reads the greeting."""
    for n in range(600):
        yield refused(n, every=1.0, out=(5, 272), back=(4, 250), seconds=0.05)


def _editor() -> Iterator[Flow]:
    """An editor that opens a connection for each window."""
    for n in range(12):
        yield session(n, at=n * 2.0, seconds=1200 + n)


def _camera() -> Iterator[Flow]:
    """A camera that stores a picture by FTP, every two seconds while something moves."""
    for n in range(300):
        yield refused(n, every=2.0, dport=21, out=(14, 820), back=(13, 900), seconds=0.4)


def _polling() -> Iterator[Flow]:
    """A hub whose page is asked for twice a second, without keep-alive."""
    for n in range(2000):
        yield refused(n, every=0.5, dport=80, out=(5, 434), back=(5, 759), seconds=0.02)


def _browsing() -> Iterator[Flow]:
    """A page of many pictures, from a server that keeps nothing alive."""
    sizes = random.Random(3)
    for n in range(400):
        yield flow(n, at=n * 0.02, dport=80, out=(7, 800), back=(9, sizes.randrange(500, 40_000)))


def _load_test() -> Iterator[Flow]:
    """Somebody tests how much his web server at home can bear."""
    for n in range(5000):
        yield refused(n, every=0.003, dport=8080, out=(6, 500), back=(5, 900), seconds=0.01)


def _ansible() -> Iterator[Flow]:
    """Tasks for a machine: one connection is shared by some, and each of the others copies and runs something."""
    sizes = random.Random(5)
    for n in range(100):
        yield refused(n, every=3.0, out=(60, sizes.randrange(9000, 60_000)), back=(50, 9000), seconds=2.5)


def _gateway() -> Iterator[Flow]:
    """A gateway for RDP: sessions of all lengths, and its look every half minute whether the host is there."""
    for n in range(60):
        yield refused(n, every=30.0, dport=3389, out=(5, 260), back=(4, 230), seconds=0.1)
        yield session(n + 100, at=n * 20.0, dport=3389, seconds=5 + n * 10)


def _ftp_data() -> Iterator[Flow]:
    """Files by FTP: one dialogue, and a connection for each file, to ports of the server's choice."""
    yield session(1, at=0, dport=21, seconds=300)
    for n in range(500):
        yield refused(n, every=0.5, dport=40_000 + n, out=(9, 900), back=(8, 700), seconds=0.1)


def _mail() -> Iterator[Flow]:
    """A phone with five accounts at one server, which looks for mail every minute."""
    for n in range(300):
        yield flow(n, at=n // 5 * 60 + n % 5 * 0.2, dport=993, out=(14, 1900), back=(12, 5200), seconds=1.5)


def _database() -> Iterator[Flow]:
    """A web application that asks its database for each of its pages."""
    sizes = random.Random(4)
    for n in range(1000):
        yield refused(n, every=0.3, dport=3306, out=(12, 1500), back=(12, sizes.randrange(400, 9000)), seconds=0.02)


def _scan() -> Iterator[Flow]:
    """A port that is tried over and over, and closed or silent: nobody is asked for a password."""
    for n in range(200):
        yield unanswered(n, at=n * 0.2, dst=AT[NAS], dport=22)
        yield flow(n + 500, at=n * 0.2, dst=AT[NAS], dport=23, out=(1, 60), back=(1, 40), state="rejected")


def _connect_scan() -> Iterator[Flow]:
    """A port that is connected to, without a word."""
    for n in range(200):
        yield refused(n, every=0.2, dport=23, out=(4, 216), back=(3, 172), seconds=0.01)


def _pieces() -> Iterator[Flow]:
    """A few long connections of which an exporter tells each minute."""
    for n in range(600):
        yield refused(n, every=2.0, sport=50_000 + n % 30, dport=3306, out=(8, 700), back=(8, 900), seconds=60)


def _few() -> Iterator[Flow]:
    """Somebody who has forgotten his password."""
    for n in range(8):
        yield refused(n, every=9.0)


def _other_ports() -> Iterator[Flow]:
    for n in range(300):
        yield refused(n, every=0.1, dport=443)
        yield refused(n, every=0.1, dport=22, protocol="udp")


ORDINARY = [
    _git, _remote_command, _rsync, _check, _editor, _camera, _polling, _browsing, _load_test, _ansible, _gateway,
    _ftp_data, _mail, _database, _scan, _connect_scan, _pieces, _few, _other_ports,
]  # fmt: skip


@pytest.mark.parametrize("ordinary", ORDINARY, ids=lambda each: each.__name__.strip("_"))
def test_what_looks_like_it_is_not_told(ordinary: Any) -> None:
    flows = sorted(ordinary(), key=lambda each: each.end)
    assert not tried(shown(panel(), flows))


def test_who_has_worked_there_must_look_refused_for_far_longer() -> None:
    watching = panel()
    shown(watching, [session(999, at=-600)])
    assert not tried(shown(watching, [refused(n) for n in range(50)]))
    assert tried(shown(watching, [refused(n) for n in range(50, 70)]))


def test_one_web_page_that_is_longer_than_others_is_no_login() -> None:
    watching = panel()
    shown(watching, [refused(n, every=0.05, dport=80, out=(6, 700), back=(5, 900), seconds=0.02) for n in range(300)])
    assert not tried(shown(watching, [flow(999, at=20, dst=AT[NAS], dport=80, back=(40, 50_000))]))


# Bursts: connection tracking tells when a connection begins, and later what it was.


def began(number: int, every: float = 0.08, **fields: Any) -> Flow:
    """A connection of which only is known that it began."""
    return refused(number, every=every, **{"out": (0, 0), "back": (0, 0), "state": "new", "seconds": 0} | fields)


def ends(watching: Any, flows: Iterable[Flow]) -> list[Finding]:
    """What is found when more is told of flows that were told before."""
    flows = list(flows)
    return tried(watching.flows(FlowBatch(flows, [LAPTOP] * len(flows)), [0] * len(flows)))


def test_a_burst_is_told_at_once_and_confirmed_later() -> None:
    watching = panel()
    found = tried(shown(watching, [began(n, source="conntrack") for n in range(60)]))
    assert told(found) == [("brute_force", LAPTOP, SSH)]
    assert "30 connections begun within 2.3 s; how they end is not known yet" in found[0].description  # type: ignore[union-attr]
    later = ends(watching, [refused(n, every=0.08, source="conntrack") for n in range(60)])
    assert told(later)[0] == ("brute_force", LAPTOP, SSH)
    assert not any(isinstance(each, TakenBack) for each in later)


def test_a_burst_is_seen_in_a_capture_too_which_knows_that_somebody_answered() -> None:
    half = [began(n, out=(3, 200), back=(2, 150), state="active") for n in range(60)]
    assert len(tried(shown(panel(), half))) == 1


@pytest.mark.parametrize("what", ["longer", "silent"])
def test_a_burst_that_was_none_is_taken_back(what: str) -> None:
    watching = panel()
    assert tried(shown(watching, [began(n) for n in range(30)]))
    if what == "longer":
        later = ends(watching, [refused(n, every=0.08, back=(40, 40_000)) for n in range(30)])
    else:
        later = ends(watching, [refused(n, every=0.08, out=(1, 60), back=(0, 0)) for n in range(30)])
    assert [type(each) for each in later] == [TakenBack]
    assert (later[0].device, later[0].target) == (LAPTOP, SSH)


def test_a_flood_of_syn_is_no_burst_of_logins() -> None:
    assert not tried(shown(panel(), [began(n, every=0.001) for n in range(5000)]))
    assert not tried(shown(panel(), [began(n, out=(1, 60), every=0.05) for n in range(500)]))


def test_some_connections_at_once_are_no_burst() -> None:
    assert not tried(shown(panel(), [began(n, every=0.1) for n in range(20)]))
    assert not tried(shown(panel(), [began(n, every=0.05, dport=3306) for n in range(500)]))


def test_who_has_worked_there_makes_no_burst() -> None:
    watching = panel()
    shown(watching, [session(999, at=-60)])
    assert not tried(shown(watching, [began(n) for n in range(60)]))


# From elsewhere.


def test_from_elsewhere_fewer_in_longer_are_too_many() -> None:
    flows = [refused(n, every=50.0, src=WEB, seconds=0.5) for n in range(11)]
    found = tried(shown(panel(), flows))
    assert told(found) == [("brute_force", WEB, SSH)]
    assert "close the port to the world" in str(found[0].recommendation)  # type: ignore[union-attr]


def test_many_from_elsewhere_are_told_as_one() -> None:
    flows = [refused(n, every=5.0, src=f"203.0.{n % 50}.{n % 7 + 1}", seconds=1.5) for n in range(2000)]
    found = tried(shown(panel(), flows))
    assert set(told(found)) == {("brute_force", None, SSH)}
    assert len(found) < 10
    assert "256 or more addresses from elsewhere try passwords at SSH of nas" in found[-1].description  # type: ignore[union-attr]
    assert len(found[-1].evidence["busiest"]) == 10  # type: ignore[union-attr]


def test_visitors_of_a_web_server_here_try_no_passwords() -> None:
    flows = [
        refused(n, every=0.5, src=f"203.0.{n % 250}.{n % 7 + 1}", dport=80, out=(6, 700), back=(5, 900))
        for n in range(3000)
    ]
    assert not tried(shown(panel(), flows))


# Settings and memory.


def test_it_can_be_switched_off_and_set() -> None:
    flows = [refused(n) for n in range(12)]
    assert not tried(shown(panel(brute_force=config.BruteForce(enabled=False)), flows))
    assert not tried(shown(panel(brute_force=config.BruteForce(logins=30)), flows))
    assert tried(shown(panel(brute_force=config.BruteForce(logins=5)), flows[:5]))


def test_made_up_clients_fill_no_memory_and_hide_nobody() -> None:
    detector = BruteForce(config.BruteForce(), Street())
    found: list[Finding] = []
    for n in range(10_000):
        made_up = began(n, src=address_text(0x2D000000 + n), every=0.001)
        found += detector.see_flow(made_up, None, True)
        if n % 900 == 0:
            found += detector.see_flow(refused(n // 900), LAPTOP, True)
    assert kinds(found) == ["brute_force"]
    assert len(detector._bursts) <= MOST_BURSTS
    assert len(detector._pairs) <= MOST_PAIRS


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([*SERVICES]), st.integers(-(10**6), 10**6), st.integers(0, 10**6), st.integers(0, 10**12),
            st.integers(0, 10**12), st.sampled_from(["new", "active", "closed", "attempt", "continued"]), st.booleans(),
        ),
        max_size=80,
    )
)  # fmt: skip
def test_whatever_numbers_come_are_borne(told_flows: list[tuple[Any, ...]]) -> None:
    detector = BruteForce(config.BruteForce(), Street())
    for n, (port, at, packets, out, back, state, new) in enumerate(told_flows):
        one = flow(n, at=at, dst=AT[NAS], dport=port, out=(packets, out), back=(packets, back), state=state)
        for found in detector.see_flow(one._replace(end=NOON), LAPTOP, new):
            assert found.kind == "brute_force"
