"""A connection serves one request after the other, and whoever misuses that loses only his own connection."""

import re
import socket
import ssl
import time
from contextlib import closing
from pathlib import Path

import pytest
from waiting import PATIENCE, eventually
from websocket_kit import TEXT, RawClient, Service, certificate, device, frame, http, serving, take

from netwatchd.broadcast import connection

GET = b"GET /%s HTTP/1.1\r\nHost: localhost\r\n%s\r\n"
FILE = GET % (b"app.js", b"")
HEALTH = GET % (b"healthz", b"")


class Asker:
    """A client that asks several times on one connection."""

    def __init__(self, service: Service, tls: ssl.SSLContext | None = None, source: str = "127.0.0.1") -> None:
        self.socket = socket.create_connection(("127.0.0.1", service.port), PATIENCE, (source, 0))
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_hostname="127.0.0.1")
        self.data = b""

    def __enter__(self) -> "Asker":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def say(self, data: bytes) -> "Asker":
        self.socket.sendall(data)
        return self

    def head(self) -> str:
        """The head of the next reply."""
        while b"\r\n\r\n" not in self.data:
            self._receive()
        head, self.data = self.data.split(b"\r\n\r\n", 1)
        return head.decode()

    def reply(self) -> tuple[int, bytes]:
        """Status and body of the next reply."""
        head = self.head()
        (size,) = re.findall(r"Content-Length: (\d+)", head)
        while len(self.data) < int(size):
            self._receive()
        body, self.data = self.data[: int(size)], self.data[int(size) :]
        return int(head[9:12]), body

    def _receive(self) -> None:
        if not (data := self.socket.recv(65536)):
            raise EOFError
        self.data += data

    def is_over(self) -> bool:
        """Waits for the end of the connection; whether nothing came before it."""
        return self.data == b"" and self.socket.recv(1) == b""


def test_many_requests_on_one_connection_are_answered() -> None:
    with serving() as service, Asker(service) as asker:
        for _ in range(20):
            status, body = asker.say(FILE).reply()
            assert (status, body[:2]) == (200, b"//")
            assert asker.say(HEALTH).reply() == (200, b"ok\n")
        assert asker.say(b"\r\n\r\n" + HEALTH).reply() == (200, b"ok\n")  # RFC 9112 section 2.2
        assert service.counters["connections.accepted"] == 1


def test_requests_that_come_together_are_answered_in_their_order_however_they_are_cut() -> None:
    several = HEALTH + FILE + GET.replace(b"GET", b"HEAD") % (b"healthz", b"") + GET % (b"status", b"") + HEALTH
    with serving() as service:
        for size in (1, 7, 50, 1000):
            with Asker(service) as asker:
                for at in range(0, len(several), size):
                    asker.say(several[at : at + size])
                assert asker.reply() == (200, b"ok\n")
                assert asker.reply()[1].startswith(b"//")
                assert "Content-Length: 3" in asker.head()
                assert asker.reply() == (200, b'{"up":true}\n')
                assert asker.reply() == (200, b"ok\n")


def test_a_reply_says_whether_the_connection_goes_on() -> None:
    with serving() as service, Asker(service) as asker:
        assert "\r\nConnection: keep-alive\r\nKeep-Alive: timeout=10" in asker.say(HEALTH).head()
    endings = (
        GET % (b"healthz", b"Connection: close\r\n"),
        b"GET /healthz HTTP/1.0\r\n\r\n",
        b"GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        GET % (b"healthz", b"Content-Length: 3\r\n") + b"abc",  # nobody looks at a body: what follows it is not read
        GET % (b"healthz", b"Transfer-Encoding: chunked\r\n") + b"0\r\n\r\n",
    )
    for request in endings:
        with serving() as service, Asker(service) as asker:
            asker.say(request + HEALTH)
            assert "\r\nConnection: close" in asker.head(), request
            assert asker.data == b"ok\n" or asker.socket.recv(10) == b"ok\n"
            asker.data = b""
            assert asker.is_over()


def test_a_body_is_never_taken_for_a_request() -> None:
    smuggled = GET % (b"status", b"")
    with serving() as service:
        for header in (b"Content-Length: %d\r\n" % len(smuggled), b"Transfer-Encoding: chunked\r\n"):
            status, reply = http(service.port, GET % (b"healthz", header) + smuggled)
            assert status in (200, 400)
            assert "up" not in reply
        both = GET % (b"healthz", b"Content-Length: 3\r\nContent-Length: 4\r\n") + b"abcd"
        assert http(service.port, both)[0] == 400


def test_what_is_no_request_ends_the_connection_behind_what_was_answered() -> None:
    with serving() as service:
        for garbage in (b"\x00\xff\x13\r\n\r\n", b"GET  /healthz\r\n\r\n", frame(TEXT, b"{}") + b"\r\n\r\n"):
            with Asker(service) as asker:
                asker.say(HEALTH + garbage)
                assert asker.reply() == (200, b"ok\n")
                assert asker.reply()[0] == 400
                assert asker.is_over()
        assert service.counters["refused.bad_request"] == 3


def test_a_refusal_behind_what_was_asked_for_the_head_alone_has_its_body() -> None:
    with serving() as service, Asker(service) as asker:
        asker.say(GET.replace(b"GET", b"HEAD") % (b"healthz", b"") + b"garbage\r\n\r\n")
        assert "Content-Length: 3" in asker.head()
        assert asker.reply()[0] == 400


def test_a_refusal_ends_the_connection_and_is_counted_also_behind_others() -> None:
    with serving() as service, Asker(service) as asker:
        assert asker.say(HEALTH).reply()[0] == 200
        assert asker.say(GET % (b"nothing", b"") + HEALTH).reply()[0] == 404
        assert asker.is_over()
        assert service.counters["refused.not_found"] == 1


def test_who_asks_nothing_more_is_let_go_in_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "IDLE", 0.1)
    with serving() as service, Asker(service) as asker:
        assert asker.say(HEALTH).reply()[0] == 200
        assert asker.is_over()
        assert "refused" not in service.counters.tree()


def test_a_later_request_must_arrive_in_time_too(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(handshake_timeout=0.3) as service, Asker(service) as asker:
        assert asker.say(HEALTH).reply()[0] == 200
        assert asker.say(HEALTH[:-4]).reply()[0] == 408
        assert asker.is_over()
        assert service.counters["refused.timeout"] == 1


def test_a_connection_serves_so_many_requests_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "MOST_REQUESTS", 3)
    with serving() as service, Asker(service) as asker:
        asker.say(HEALTH * 4)
        assert "\r\nConnection: keep-alive" in asker.head()
        asker.data = asker.data.removeprefix(b"ok\n")
        assert asker.reply()[0] == 200
        assert "\r\nConnection: close" in asker.head()


def test_who_has_ended_his_side_still_hears_the_answers() -> None:
    with serving() as service, Asker(service) as asker:
        asker.say(HEALTH * 3).socket.shutdown(socket.SHUT_WR)
        assert [asker.reply() for _ in range(3)] == [(200, b"ok\n")] * 3
        assert asker.is_over()


def test_a_connection_that_has_asked_may_become_a_websocket() -> None:
    with serving() as service, RawClient(service.port) as client:
        client.socket.sendall(HEALTH)
        while b"ok\n" not in client.data:
            client.receive()
        client.data = b""
        client.open(more=frame(TEXT, b'{"op": "ping"}'))
        assert [client.message()["type"] for _ in range(3)] == ["hello", "snapshot", "pong"]
        service.publish(device(1))
        assert client.message()["type"] == "device_update"


def test_kept_connections_give_way_to_new_ones_and_that_is_no_refusal() -> None:
    with serving(max_handshakes_per_address=4) as service:
        kept = [Asker(service) for _ in range(4)]
        assert all(asker.say(HEALTH).reply()[0] == 200 for asker in kept)
        eventually(lambda: len(service.server.admission._idle) == 4)
        with Asker(service) as another:
            assert another.say(HEALTH).reply()[0] == 200
        assert kept[0].is_over()
        assert all(asker.say(HEALTH).reply()[0] == 200 for asker in kept[1:])
        assert service.counters["refused.crowded"] == 0
        for asker in kept:
            asker.socket.close()


def test_who_keeps_many_connections_open_keeps_nobody_out() -> None:
    with serving(max_handshakes=8, max_handshakes_per_address=6, max_clients=4) as service:
        kept = [Asker(service, source=f"127.0.0.{2 + n // 6}") for n in range(18)]
        for asker in kept:
            asker.say(HEALTH)
        with service.connect() as client, Asker(service) as another:
            take(client, 2)
            assert another.say(HEALTH).reply() == (200, b"ok\n")
        for asker in kept:
            asker.socket.close()


def test_the_end_of_the_server_does_not_wait_for_kept_connections() -> None:
    with serving() as service:
        kept = [Asker(service) for _ in range(5)]
        assert all(asker.say(HEALTH).reply()[0] == 200 for asker in kept)
        eventually(lambda: len(service.server.admission._idle) == 5)
        service.server.close(PATIENCE)
        assert not service.server._running
        for asker in kept:
            with closing(asker.socket):
                assert asker.is_over()


def test_over_tls_it_is_the_same(tmp_path: Path) -> None:
    pem, key = certificate(tmp_path)
    context = ssl.create_default_context(cafile=str(pem))
    with serving(tls_certificate=pem, tls_key=key) as service, Asker(service, context) as asker:
        for _ in range(5):
            assert asker.say(FILE).reply()[0] == 200
        asker.say(HEALTH * 3)
        assert [asker.reply() for _ in range(3)] == [(200, b"ok\n")] * 3
        assert b"wss://localhost;" in asker.say(GET % (b"", b"")).head().encode()
        assert service.counters["connections.accepted"] == 1


def test_who_takes_an_answer_slowly_gets_all_of_it_and_who_takes_nothing_is_let_go() -> None:
    with serving(handshake_timeout=0.5) as service:
        service.figures = {"text": "x" * 20_000_000}
        slow = socket.socket()
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        slow.settimeout(PATIENCE)
        with closing(slow):
            slow.connect(("127.0.0.1", service.port))
            slow.sendall(GET % (b"status", b"Connection: close\r\n"))
            size, end = 0, time.monotonic() + 1.0  # twice the time for a request, at a steady pace
            while data := slow.recv(65536):
                size += len(data)
                while size > 20_000_000 * (1 - (end - time.monotonic()) / 1.0) and time.monotonic() < end:
                    time.sleep(0.005)  # it is slow: that is what this is about
            assert size > 20_000_000
        with Asker(service) as deaf:
            deaf.say(GET % (b"status", b""))
            eventually(lambda: not service.server._running)
