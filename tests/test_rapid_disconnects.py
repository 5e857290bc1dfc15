"""Clients that come and vanish at once, in every way there is: nothing of them stays, and nobody else notices."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from crowd import Crowd
from home import ROUTER4, Home, home_network, why_not
from running import Daemon, flow_line
from silence import Silence
from waiting import eventually
from websocket_kit import CLOSE, TEXT, RawClient, frame

pytestmark = pytest.mark.skipif(bool(why_not("nft")), reason=str(why_not("nft")))

TOKEN = "a-token-for-the-home"
CONFIG = f"""
[storage]
commit_interval = 200 ms
[websocket]
host = 0.0.0.0
token = {TOKEN}
ping_interval = 1 s
send_timeout = 500 ms
retry_timeout = 500 ms
handshake_timeout = 1 s
stats_interval = 1 h
"""
SUBSCRIBE = frame(TEXT, b'{"op": "subscribe", "topics": ["devices", "threats"]}')
SURVIVORS = 5
MOST_GROWTH = 6.0  # megabytes, in the second half of the rounds: until then the heaps have found their size


def read_to_the_end(client: RawClient) -> None:
    """Until the daemon has closed, too."""
    try:
        while client.socket.recv(65536):
            pass
    except ConnectionError:
        pass
    client.socket.close()


def leave_politely(client: RawClient) -> None:
    client.open().socket.sendall(SUBSCRIBE)
    client.send(CLOSE, b"\x03\xe8")
    read_to_the_end(client)


def close_without_a_word(client: RawClient) -> None:
    client.open().socket.sendall(SUBSCRIBE)
    client.socket.shutdown(1)
    read_to_the_end(client)


def reset(client: RawClient) -> None:
    client.open().socket.sendall(SUBSCRIBE)
    client.reset()


def close_in_the_handshake(client: RawClient) -> None:
    client.socket.sendall(client.request[:40])
    client.socket.close()


def reset_in_the_handshake(client: RawClient) -> None:
    client.socket.sendall(client.request[:-2])
    client.reset()


def say_nothing(client: RawClient) -> None:
    client.socket.close()


def close_in_a_frame(client: RawClient) -> None:
    client.open().socket.sendall(SUBSCRIBE[:9])
    client.socket.shutdown(1)
    read_to_the_end(client)


def reset_in_a_frame(client: RawClient) -> None:
    client.open().socket.sendall(SUBSCRIBE[:20])
    client.reset()


def half_open(client: RawClient) -> None:
    client.open().socket.sendall(SUBSCRIBE)


def half_open_in_the_handshake(client: RawClient) -> None:
    client.socket.sendall(client.request[:100])


def half_open_in_a_frame(client: RawClient) -> None:
    client.open().socket.sendall(SUBSCRIBE[:9])


LEAVE = [
    leave_politely, close_without_a_word, reset, close_in_the_handshake, reset_in_the_handshake, say_nothing,
    close_in_a_frame, reset_in_a_frame,
]  # fmt: skip
# These are still there when their packets begin to vanish, and are gone afterwards, so that nothing is ever answered.
VANISH = [half_open, half_open_in_the_handshake, half_open_in_a_frame]


class Visits:
    """Clients that come to the daemon from the host, and go, while others stay and listen."""

    def __init__(self, home: Home, running: Daemon, survivors: Crowd) -> None:
        self._home, self._running, self._survivors = home, running, survivors
        self._silence = Silence(home)
        self.count = self._told = 0
        self._tell()
        eventually(running.flows)  # its file for today is open
        self._resources = running.resources()

    def make(self, each: int) -> None:
        """So many visits end in each of the ways; returns when the daemon has noticed that all are gone."""
        vanishing = []
        for leave, _ in itertools.product([*LEAVE, *VANISH], range(each)):
            with self._home.host.entered():
                visitor = RawClient(self._running.port, f"/ws?token={TOKEN}", host=ROUTER4)
            leave(visitor)
            if leave in VANISH:
                vanishing.append(visitor)
            self.count += 1
            self._survivors.read()
            if self.count % 20 == 0:
                self._tell()
        self._silence.fall(visitor.socket.getsockname()[1] for visitor in vanishing)
        for visitor in vanishing:
            visitor.reset()
        self._tell()
        self._survivors.until(lambda: self._running.resources() == self._resources, "threads and descriptors are free")
        self._silence.end()

    def _tell(self) -> None:
        self._running.emit(flow_line(self._told))
        self._told += 1
        self._survivors.told(self._told)


def visit(home: Home, directory: Path, rounds: int, each: int) -> None:
    """Makes rounds of visits; what stays afterwards must be what stayed after the first."""
    with Daemon(directory, CONFIG, inside=home.router.command()) as running:
        with home.host.entered():
            survivors = Crowd(running.port, SURVIVORS, ROUTER4, f"?token={TOKEN}")
        with survivors:
            visits = Visits(home, running, survivors.joined())
            memory = [running.memory()]
            for _ in range(rounds):
                visits.make(each)
                memory.append(running.memory())
            settled = " ".join(f"{megabytes:.1f}" for megabytes in memory)
            print(f"{visits.count} visits, resident MB before and after each round: {settled}")
            assert memory[-1] - memory[rounds // 2] < MOST_GROWTH
            assert all(one.heard_all for one in survivors.members)
            with home.router.entered():
                status = running.status()
        assert status["clients"] == SURVIVORS
        assert {"reset", "vanished"} <= set(status["dropped"]["clients"])
        assert "Traceback" not in running.log


@pytest.fixture
def home() -> Iterator[Home]:
    """The home; the router is to run the daemon."""
    with home_network(nat=False) as made:
        yield made


def test_clients_that_come_and_vanish_in_every_way_leave_nothing_behind(home: Home, short: Path) -> None:
    visit(home, short, rounds=1, each=45)


@pytest.mark.slow
def test_ten_thousand_clients_that_come_and_vanish_leave_nothing_behind(home: Home, short: Path) -> None:
    visit(home, short, rounds=10, each=91)
