"""Who may come in while others come in masses: places by address, half-open connections, and guessed tokens."""

import contextlib
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from home import Namespace, why_not
from waiting import PATIENCE, eventually
from websocket_kit import RawClient, Service, certificate, device, get, serving, take

from netwatchd.addresses import parse_address
from netwatchd.broadcast.admission import origin_of

TOKEN = "correct-horse"
FLOOD = "127.0.0.2"  # where the masses come from; everybody else is 127.0.0.1


def answer(service: Service, source: str = "", target: str = "/ws", host: str = "127.0.0.1") -> int:
    """The status of the answer to an upgrade."""
    with RawClient(service.port, target, source=source, host=host) as client:
        client.socket.sendall(client.request)
        return int(client.receive()[9:12])


@contextlib.contextmanager
def half_open(service: Service, count: int, sent: bytes = b"") -> Iterator[list[RawClient]]:
    """So many connections from one address that say nothing, or not enough."""
    clients = []
    for _ in range(count):
        clients.append(RawClient(service.port, source=FLOOD))
        with contextlib.suppress(ConnectionError):  # its place may have been needed already
            clients[-1].socket.sendall(sent)
    try:
        yield clients
    finally:
        for client in clients:
            client.socket.close()


def handshakes(service: Service) -> int:
    """The threads that serve connections."""
    return len([thread for thread in threading.enumerate() if thread.name.startswith(f"client {FLOOD}")])


@pytest.mark.parametrize("sent", [b"", b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgr"])
def test_half_open_connections_of_one_address_hold_no_more_than_its_share(sent: bytes) -> None:
    with serving(max_handshakes_per_address=10, handshake_timeout=PATIENCE) as service:
        early = RawClient(service.port)
        with half_open(service, 100, sent) as flood:
            eventually(lambda: service.counters["refused.crowded"] == 90)
            eventually(lambda: handshakes(service) == 10)
            for client in flood[:90]:
                with pytest.raises((EOFError, ConnectionResetError)):
                    client.receive()
            assert answer(service) == 101
            early.open()  # who came before the flood has kept his place
            early.socket.close()
        eventually(lambda: handshakes(service) == 0)
        assert service.counters.tree()["refused"] == {"crowded": 90, "disconnected": 10}


def test_when_all_handshakes_are_taken_the_address_with_the_most_makes_room() -> None:
    with serving(max_handshakes=20, handshake_timeout=PATIENCE) as service:
        patient = [RawClient(service.port, source=f"127.0.0.{number}") for number in range(10, 20)]
        with half_open(service, 100):
            eventually(lambda: service.counters["refused.crowded"] == 90)
            for client in patient:
                client.open().socket.close()


def test_half_open_tls_connections_are_ended_too_and_counted_once(tmp_path: Path) -> None:
    pem, key = certificate(tmp_path)
    with (
        serving(max_handshakes_per_address=10, handshake_timeout=PATIENCE, tls_certificate=pem, tls_key=key) as service,
        half_open(service, 30, b"\x16\x03\x01\x02\x00\x01"),
    ):
        eventually(lambda: service.counters["refused.crowded"] == 20)
        eventually(lambda: handshakes(service) == 10)
        assert service.counters.tree()["refused"] == {"crowded": 20}


def test_one_address_may_not_take_all_places_and_gives_back_what_it_had() -> None:
    with serving(max_clients=5, max_clients_per_address=3) as service:
        for _ in range(5):
            clients = [RawClient(service.port, source=FLOOD).open() for _ in range(3)]
            assert answer(service, FLOOD) == 429
            assert answer(service) == 101
            clients[0].reset()
            clients[1].socket.close()
            clients[2].socket.shutdown(socket.SHUT_WR)
            service.listening(0)
            eventually(lambda: handshakes(service) == 0)
            clients[2].socket.close()
        assert service.counters["refused.address"] == 5


@pytest.mark.parametrize(
    ("peer", "origin"),
    [
        (("192.168.1.5", 1), "192.168.1.5"),
        (("::ffff:192.168.1.5", 1, 0, 0), "192.168.1.5"),
        (("2001:db8:1:2:3:4:5:6", 1, 0, 0), "2001:db8:1:2::"),
        (("2001:db8:1:2:ffff::1", 1, 0, 0), "2001:db8:1:2::"),
        (("2001:db8:1:3::1", 1, 0, 0), "2001:db8:1:3::"),
        (("fe80::1%lan0", 1, 0, 3), "fe80::"),
    ],
)
def test_an_ipv6_network_counts_as_one_address_and_a_mapped_ipv4_address_as_itself(
    peer: tuple[str, int], origin: str
) -> None:
    assert origin_of(peer) == parse_address(origin)


@pytest.mark.skipif(bool(why_not()), reason=str(why_not()))
def test_the_addresses_of_one_ipv6_network_share_their_places() -> None:
    namespace = Namespace(f"nw{os.getpid()}admission")
    try:
        for address in ("fd00:1::1/64", "fd00:1::2/64", "fd00:1::3/64", "fd00:2::1/64"):
            namespace.ip(f"addr add {address} dev lo nodad")
        with namespace.entered(), serving(host="::", max_clients_per_address=2) as service:
            first, second = (RawClient(service.port, source=f"fd00:1::{n}", host="fd00:1::1").open() for n in (1, 2))
            assert answer(service, "fd00:1::3", host="fd00:1::1") == 429
            assert answer(service, "fd00:2::1", host="fd00:1::1") == 101
            assert answer(service) == 101
            first.socket.close()
            second.socket.close()
    finally:
        namespace.close()


# Tokens.


class Guessers:
    """Many threads that guess from one address as fast as they are answered."""

    def __init__(self, service: Service, threads: int) -> None:
        self._service = service
        self._enough = threading.Event()
        self._threads = [threading.Thread(target=self._guess, args=[number]) for number in range(threads)]
        self.answers: list[int] = []

    def _guess(self, number: int) -> None:
        while not self._enough.is_set():
            with contextlib.suppress(ConnectionError, ValueError):
                self.answers.append(answer(self._service, FLOOD, f"/ws?token=conjecture-{number}"))

    def __enter__(self) -> "Guessers":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._enough.set()
        for thread in self._threads:
            thread.join()


def test_an_address_guesses_once_a_second_however_many_connections_it_guesses_with() -> None:
    with serving(token=TOKEN) as service:
        started = time.monotonic()
        with Guessers(service, 20) as guessers:
            eventually(lambda: len(guessers.answers) >= 300)
            # Nobody else is kept out, nor held up by the guessers.
            for _ in range(5):
                assert answer(service, target=f"/ws?token={TOKEN}") == 101
            assert answer(service, "127.0.0.3", f"/ws?token={TOKEN}") == 101
        passed = time.monotonic() - started
        heard = guessers.answers.count(401)
        assert 5 <= heard <= 5 + passed
        assert guessers.answers.count(429) == len(guessers.answers) - heard
        assert service.counters["refused.wrong_token"] == heard
        assert service.counters["refused.guessing"] == len(guessers.answers) - heard
        eventually(lambda: answer(service, FLOOD, f"/ws?token={TOKEN}") == 101)


def test_guesses_at_the_status_page_cost_as_much() -> None:
    with serving(token=TOKEN) as service:
        answers = [get(service.port, "/status?token=conjecture")[0] for _ in range(7)]
        assert answers[:5] == [401] * 5
        assert 429 in answers
        assert answer(service, target=f"/ws?token={TOKEN}") == 429
        assert get(service.port, "/healthz")[0] == 200
        eventually(lambda: get(service.port, f"/status?token={TOKEN}")[0] == 200)


def test_who_is_connected_already_is_not_disturbed_by_guesses_from_the_same_address() -> None:
    with serving(token=TOKEN) as service, service.connect(f"?token={TOKEN}") as client:
        take(client, 2)
        for _ in range(10):
            answer(service, target="/ws?token=conjecture")
        service.publish(device(1))
        assert take(client)[0]["seq"] == 1


def test_requests_without_a_token_are_no_guesses() -> None:
    with serving(token=TOKEN) as service:
        for _ in range(10):
            assert answer(service) == 401
        assert answer(service, target=f"/ws?token={TOKEN}") == 101
        assert service.counters["refused.no_token"] == 10
