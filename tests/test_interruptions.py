"""The network of a client goes away without a word, and comes back, sooner or later."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from crowd import Crowd, Member
from home import ROUTER4, Home, Namespace, home_network, why_not
from running import Daemon, flow_line
from silence import Silence

pytestmark = pytest.mark.skipif(bool(why_not("nft")), reason=str(why_not("nft")))

TOKEN = "a-token-for-the-home"
CONFIG = f"""
[websocket]
host = 0.0.0.0
token = {TOKEN}
stats_interval = 1 h
"""
PATIENT = f"{CONFIG}ping_interval = 10 s\nsend_timeout = 5 s\nretry_timeout = 5 s\n"
QUICK = f"{CONFIG}ping_interval = 500 ms\nsend_timeout = 500 ms\nretry_delay = 100 ms\nretry_timeout = 200 ms\n"
SHORT = 0.7  # seconds, within PATIENT's deadlines: TCP has tried again in vain, twice or thrice


@pytest.fixture
def home() -> Iterator[Home]:
    """The home; the router is to run the daemon."""
    with home_network(nat=False) as made:
        yield made


@contextmanager
def clients(place: Namespace, port: int, count: int = 1, query: str = "", receive_buffer: int = 0) -> Iterator[Crowd]:
    """Clients that are served, in a place of the home."""
    with place.entered():
        crowd = Crowd(port, count, ROUTER4, f"?token={TOKEN}{query}", receive_buffer)
    with crowd:
        yield crowd.joined()


def tell(running: Daemon, count: int, others: Crowd) -> None:
    """Flows happen, and the others are told each of them."""
    before = len(others.members[0].told)
    running.emit(*(flow_line(number) for number in range(before, before + count)))
    others.told(before + count)


def pass_time(others: Crowd, seconds: float) -> None:
    """The interruption lasts; the others go on meanwhile."""
    end = time.monotonic() + seconds
    others.until(lambda: time.monotonic() > end)


def resume(place: Namespace, port: int, client: Member, since: int, last: int) -> None:
    """The client comes back, and is told all that it would have been told since then."""
    with place.entered():
        crowd = Crowd(port, 1, ROUTER4, f"?token={TOKEN}&epoch={client.hello['epoch']}&since={since}")
    with crowd:
        (again,) = crowd.members
        crowd.until(lambda: again.last == last, "it catches up")
        assert again.told == list(range(since + 1, last + 1))


def test_a_client_whose_packets_vanish_for_a_moment_goes_on_and_misses_nothing(home: Home, short: Path) -> None:
    with (
        Daemon(short, PATIENT, inside=home.router.command()) as running,
        clients(home.host, running.port) as crowd,
        clients(home.host, running.port) as others,
    ):
        silence, client = Silence(home), crowd.members[0]
        tell(running, 10, others)
        crowd.told(10)
        silence.fall([client.port])
        tell(running, 800, others)  # more than the kernel takes for somebody who does not acknowledge it
        pass_time(others, SHORT)
        silence.end()
        crowd.until(lambda: client.last == others.members[0].last, "it has caught up")
        assert client.heard_all and others.members[0].heard_all
        assert "dropped client" not in running.log


def test_what_does_not_fit_while_the_packets_of_a_client_vanish_is_told_as_a_gap(home: Home, short: Path) -> None:
    with (
        Daemon(short, f"{PATIENT}queue_size = 100\n", inside=home.router.command()) as running,
        clients(home.host, running.port) as crowd,
        clients(home.host, running.port) as others,
    ):
        silence, client = Silence(home), crowd.members[0]
        silence.fall([client.port])
        for _ in range(10):
            tell(running, 100, others)
        silence.end()
        crowd.until(lambda: client.last == others.members[0].last, "it has caught up")
        assert client.gaps and client.knows_all
        assert others.members[0].heard_all
        resume(home.host, running.port, client, client.gaps[0][0] - 1, client.last)


def test_a_client_that_stays_away_is_dropped_and_comes_back_to_the_place_where_it_was(home: Home, short: Path) -> None:
    with (
        Daemon(short, QUICK, inside=home.router.command()) as running,
        clients(home.host, running.port) as busy,
        clients(home.host, running.port, query="&topics=threats") as idle,
        clients(home.host, running.port) as others,
    ):
        silence = Silence(home)
        tell(running, 10, others)
        busy.told(10)
        gone = {crowd.members[0].port: reason for crowd, reason in ((busy, "stalled"), (idle, "vanished"))}
        silence.fall(gone)
        tell(running, 500, others)
        for port, reason in gone.items():
            others.until(
                lambda port=port, reason=reason: f":{port}: {reason};" in running.log, f"it is dropped: {reason}"
            )
        assert "; 1 clients remain" in running.log
        with home.router.entered():
            assert running.status()["dropped"]["clients"] == {"stalled": 1, "vanished": 1}
        silence.end()
        for crowd in (busy, idle):
            resume(home.host, running.port, crowd.members[0], crowd.members[0].last, others.members[0].last)
        assert others.members[0].heard_all


@pytest.mark.parametrize("whose", ["client", "router"])
def test_an_interface_goes_down_and_up(home: Home, short: Path, whose: str) -> None:
    place, device = (home.host, "eth0") if whose == "client" else (home.router, "lan0")
    with (
        Daemon(short, PATIENT, inside=home.router.command()) as running,
        clients(home.host, running.port) as crowd,
        clients(home.router, running.port) as others,
    ):
        (client,) = crowd.members
        place.ip(f"link set {device} down")
        tell(running, 400, others)
        pass_time(others, SHORT)
        place.ip(f"link set {device} up")
        crowd.until(lambda: client.last == others.members[0].last, "it has caught up")
        assert client.heard_all and others.members[0].heard_all
        assert "dropped client" not in running.log
