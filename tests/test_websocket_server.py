"""Who gets in, what the port answers to everything else, and how everybody leaves."""

import json
import socket
import subprocess
import sys
import threading

import pytest
from waiting import eventually
from websocket_kit import (
    BINARY,
    CLOSE,
    PING,
    PONG,
    TEXT,
    RawClient,
    Service,
    device,
    frame,
    get,
    http,
    numbers,
    say,
    serving,
    take,
    threat,
)
from websockets.exceptions import ConnectionClosed, InvalidStatus

from netwatchd.broadcast.broadcaster import Broadcaster
from netwatchd.broadcast.messages import Snapshot
from netwatchd.broadcast.offers import Offers
from netwatchd.broadcast.server import Server
from netwatchd.config import Websocket
from netwatchd.counters import Counters

TOKEN = "correct-horse"


def status_of(service: Service, query: str = "", **options: object) -> int:
    """The status of the reply to an upgrade."""
    try:
        with service.connect(query, **options) as client:
            assert take(client)[0]["type"] == "hello"
            return 101
    except InvalidStatus as refusal:
        return refusal.response.status_code


def test_the_token_is_taken_from_header_url_or_subprotocol() -> None:
    with serving(token=TOKEN) as service:
        assert status_of(service, additional_headers={"Authorization": f"Bearer {TOKEN}"}) == 101
        assert status_of(service, f"?token={TOKEN}") == 101
        with service.connect(subprotocols=[f"netwatchd.token.{TOKEN}", "other"]) as client:
            assert client.subprotocol == f"netwatchd.token.{TOKEN}"


def test_a_wrong_or_missing_token_is_refused_before_the_upgrade(caplog: pytest.LogCaptureFixture) -> None:
    with serving(token=TOKEN) as service:
        assert status_of(service) == 401
        assert status_of(service, "?token=my-conjecture") == 401
        assert status_of(service, subprotocols=["netwatchd.token.%C3%A4"]) == 401
        assert status_of(service, additional_headers={"Authorization": "Bearer "}) == 401
        assert status_of(service, additional_headers={"Authorization": "Basic eDp5"}) == 401
        assert service.counters["refused.wrong_token"] == 3
        assert service.counters["refused.no_token"] == 2
        assert service.counters["clients.accepted"] == 0
        assert "the token is wrong" in caplog.text
        assert "conjecture" not in caplog.text


@pytest.mark.parametrize(
    ("host", "origin", "status"),
    [
        ("127.0.0.1:{port}", "http://127.0.0.1:{port}", 101),
        ("localhost:{port}", "http://localhost:{port}", 101),
        ("[::1]:{port}", "http://[::1]:{port}", 101),
        ("127.0.0.1:{port}", "https://home.example", 101),
        ("{name}:{port}", "http://{name}:{port}", 101),
        ("127.0.0.1", "http://127.0.0.1", 101),
        ("anything.example", None, 101),
        ("127.0.0.1:{port}", "http://127.0.0.1:1", 403),
        ("127.0.0.1:{port}", "https://evil.example", 403),
        ("127.0.0.1:{port}", "null", 403),
        ("127.0.0.1:{port}", "http://[evil", 403),
        ("127.0.0.1:{port}", "", 403),
        ("evil.example:{port}", "http://evil.example:{port}", 403),
        ("127.0.0.1.evil.example", "http://127.0.0.1.evil.example", 403),
    ],
)
def test_a_web_page_must_be_ours_and_reach_us_under_our_name(host: str, origin: str | None, status: int) -> None:
    with serving(allowed_origins=("https://home.example",)) as service:
        names = {"port": service.port, "name": socket.gethostname()}
        client = RawClient(service.port)
        request = client.request.replace(b"127.0.0.1:%d" % service.port, host.format(**names).encode())
        if origin is not None:
            request = request[:-2] + f"Origin: {origin.format(**names)}\r\n\r\n".encode()
        client.socket.sendall(request)
        assert client.receive().startswith(b"HTTP/1.1 %d " % status)
        client.socket.close()


def test_plain_http_has_health_status_and_the_page() -> None:
    with serving() as service:
        assert get(service.port, "/healthz")[0] == 200
        assert get(service.port, "/healthz")[1].endswith("\r\n\r\nok\n")
        status, text = get(service.port, "/status")
        assert (status, json.loads(text.partition("\r\n\r\n")[2])) == (200, {"up": True})
        assert "Content-Security-Policy: default-src 'none'" in get(service.port, "/")[1]
        service.healthy = False
        assert get(service.port, "/healthz")[1].endswith("\r\n\r\nthe disk is full\n")


def test_status_wants_the_token_and_our_own_name() -> None:
    with serving(token=TOKEN) as service:
        assert get(service.port, "/status")[0] == 401
        assert get(service.port, "/status?token=wrong")[0] == 401
        assert get(service.port, "/status", f"Authorization: Bearer {TOKEN}\r\n")[0] == 200
        rebound = f"GET /status?token={TOKEN} HTTP/1.1\r\nHost: evil.example\r\n\r\n"
        assert http(service.port, rebound.encode())[0] == 403
        assert get(service.port, "/healthz")[0] == 200


KEY = "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
VERSION = "Sec-WebSocket-Version: 13\r\n"


def upgrade(first: str = "GET /ws HTTP/1.1", host: str = "x", key: str = KEY, version: str = VERSION) -> bytes:
    head = f"{first}\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n{key}{version}\r\n"
    return head.encode("latin-1")


BAD = {
    "garbage": (b"\x00\xff\x13garbage\r\n\r\n", 400),
    "TLS hello": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200) + b"\r\n\r\n", 400),
    "SSH": (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", 400),
    "POST": (b"POST /ws HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello", 405),
    "a large POST": (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 500000\r\n\r\n" + bytes(500000), 405),
    "DELETE": (b"DELETE /status HTTP/1.1\r\nHost: x\r\n\r\n", 405),
    "another path": (b"GET /etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
    "upgrade elsewhere": (upgrade("GET /other HTTP/1.1", host="localhost"), 404),
    "no upgrade": (b"GET /ws HTTP/1.1\r\nHost: localhost\r\n\r\n", 426),
    "no host": (b"GET /ws HTTP/1.1\r\n\r\n", 400),
    "HTTP/1.0": (upgrade("GET /ws HTTP/1.0"), 400),
    "version 8": (upgrade(version="Sec-WebSocket-Version: 8\r\n"), 426),
    "no version": (upgrade(version=""), 400),
    "no key": (upgrade(key=""), 400),
    "a short key": (upgrade(key="Sec-WebSocket-Key: AAAA\r\n"), 400),
    "a key that is no base64": (upgrade(key="Sec-WebSocket-Key: \xff\xfe=\r\n"), 400),
    "an empty key": (upgrade(key="Sec-WebSocket-Key:\r\n"), 400),
    "a strange host": (upgrade(host="xn--\xff\xff"), 400),
    "a bad since": (upgrade("GET /ws?epoch=x&since=-4 HTTP/1.1"), 400),
    "a bad topic": (upgrade("GET /ws?topics=all HTTP/1.1"), 400),
    "a long line": (b"GET /" + b"x" * 100_000, 431),
    "endless headers": (b"GET /ws HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 20_000, 431),
    "half a request": (b"GET /ws HTTP/1.1\r\nHost", 408),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_websocket_request_gets_a_short_reply_and_disturbs_nobody(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    request, status = BAD[name]
    with serving(handshake_timeout=0.3) as service, service.connect() as client:
        take(client, 2)
        got, reply = http(service.port, request)
        assert got == status
        assert len(reply) < 1000
        assert "\r\nConnection: close\r\n" in reply
        if name == "version 8":
            assert "\r\nsec-websocket-version: 13\r\n" in reply.lower()
        assert sum(service.counters.tree()["refused"].values()) == 1
        service.publish(device(1))
        assert numbers(take(client)) == [1]
    assert not [record for record in caplog.records if record.levelname in ("ERROR", "CRITICAL")]


def test_a_port_probe_is_no_news(caplog: pytest.LogCaptureFixture) -> None:
    with serving() as service:
        for _ in range(5):
            RawClient(service.port).socket.close()
            RawClient(service.port).reset()
        eventually(lambda: service.counters["connections.accepted"] == 10)
    assert not caplog.records


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (frame(TEXT, b"\xff"), 1007),
        (frame(TEXT, b"x", masked=False), 1002),
        (frame(BINARY, b"x"), 1003),
        (frame(TEXT, b"x" * 70_000), 1009),
        (frame(TEXT, b"x" * 40_000, fin=False) + frame(0, b"x" * 40_000), 1009),
        (bytes((0x81, 0xFF)) + (1 << 40).to_bytes(8, "big") + bytes(4) + b"x" * 70_000, 1009),
        (frame(0, b"x"), 1002),
        (frame(3, b"x"), 1002),
        (frame(PING, b"x" * 126), 1002),
        (frame(PING, b"x", fin=False), 1002),
        (frame(CLOSE, b"\x03"), 1002),
        (frame(CLOSE, b"\x03\xe8bye"), 1000),
        (frame(CLOSE), None),
    ],
    ids=map(str, range(13)),  # masks are random, and the cases must have the same names everywhere
)
def test_a_close_frame_says_what_was_wrong(sent: bytes, code: int | None) -> None:
    with serving() as service, RawClient(service.port).open() as client:
        service.listening(1)
        client.socket.sendall(sent)
        frames = [client.frame() for _ in range(3)]
        assert frames[-1][0] == CLOSE
        assert (int.from_bytes(frames[-1][1][:2], "big") or None) == code
        with pytest.raises(EOFError):
            client.frame()
        service.listening(0)
        mistakes = service.counters[f"dropped.clients.protocol_error_{code}"]
        assert mistakes == (0 if code in (None, 1000) else 1)


def test_pings_are_answered_with_their_payload_even_between_the_pieces_of_a_message() -> None:
    with serving() as service, RawClient(service.port).open() as client:
        client.frame(), client.frame()
        client.send(TEXT, b'{"op": ', fin=False)
        client.send(PING, b"\xff\x00 no utf-8")
        assert client.frame() == (PONG, b"\xff\x00 no utf-8")
        client.send(0, b'"ping"}')
        assert client.message() == {"type": "pong"}
        assert service.counters["messages.clients"] == 1


def test_a_frame_that_comes_in_the_packet_of_the_request_is_heard() -> None:
    with serving() as service, RawClient(service.port).open(more=frame(TEXT, b'{"op": "ping"}')) as client:
        assert [client.message()["type"] for _ in range(3)] == ["hello", "snapshot", "pong"]
        assert "Sec-WebSocket-Extensions" not in client.head
        assert service.counters["clients.accepted"] == 1


def test_compression_is_declined() -> None:
    with serving() as service:
        client = RawClient(service.port, headers="Sec-WebSocket-Extensions: permessage-deflate\r\n").open()
        assert "extensions" not in client.head.lower()
        client.socket.close()


def test_two_hundred_clients_that_come_at_once_are_all_served() -> None:
    with serving() as service:
        clients = [RawClient(service.port) for _ in range(200)]
        for client in clients:
            client.socket.sendall(client.request)
        service.listening(200)
        service.publish(threat(1))
        for client in clients:
            while b"threat_update" not in client.data:
                client.receive()
            client.socket.close()
        service.listening(0)


def test_a_client_too_many_is_told_so_and_the_health_page_still_answers() -> None:
    with serving(max_clients=2) as service, service.connect(), service.connect():
        service.listening(2)
        assert status_of(service) == 503
        assert get(service.port, "/healthz")[0] == 200
        assert service.counters["refused.full"] == 1
    assert len(service.server.clients) == 0


def test_half_open_connections_do_not_keep_others_out() -> None:
    with serving(max_clients=5, handshake_timeout=60.0) as service:
        idle = [RawClient(service.port) for _ in range(150)]
        with service.connect() as client:
            take(client, 2)
        assert service.counters["refused.crowded"] >= 150 - 69
        for one in idle:
            one.socket.close()


def test_close_says_going_away_and_ends_every_connection() -> None:
    with serving() as service, service.connect() as client, RawClient(service.port).open() as silent:
        service.listening(2)
        half_open = RawClient(service.port)
        eventually(lambda: service.counters["connections.accepted"] == 3)
        service.publish(device(1))
        closer = threading.Thread(target=service.server.close, args=[5])
        closer.start()
        with pytest.raises(ConnectionClosed) as closed:
            while True:
                take(client)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1001
        assert silent.close_code() == 1001
        for one in (silent, half_open):
            with pytest.raises((EOFError, ConnectionResetError)):
                one.receive()
            one.socket.close()
        closer.join()
        with pytest.raises(ConnectionRefusedError):
            RawClient(service.port)


def test_a_port_in_use_is_an_oserror() -> None:
    with serving() as service, pytest.raises(OSError, match="in use"):
        broadcaster = Broadcaster(Websocket(), Counters(), lambda: Snapshot([], [], {}))
        Server(Websocket(port=service.port), broadcaster, Offers(lambda _: None, dict), Counters())


def test_ipv6_is_served() -> None:
    with serving(host="::1") as service, socket.create_connection(("::1", service.port), 5) as client:
        client.sendall(f"GET /healthz HTTP/1.1\r\nHost: [::1]:{service.port}\r\n\r\n".encode())
        assert client.recv(100).startswith(b"HTTP/1.1 200 ")


def test_the_package_s_api_serves_another_protocol_on_the_same_framing() -> None:
    with serving(max_message=1 << 20) as service:
        left = threading.Event()
        service.server.set_fn_new_client(lambda client, server: None)
        service.server.set_fn_client_left(lambda client, server: left.set())
        service.server.set_fn_message_received(lambda client, server, message: server.send_message(client, message))
        with service.connect() as client:
            for message in ("", "text \u20ac", b"", b"\xff\x00", "x" * 100_000, b"y" * 70_000):
                client.send(message)
                assert client.recv(timeout=5) == message
            service.server.send_message_to_all("to all")
            assert client.recv(timeout=5) == "to all"
        assert left.wait(5)


def test_the_client_stays_usable_after_it_was_refused_something() -> None:
    with serving(refuse="no") as service, service.connect() as client:
        take(client, 2)
        say(client, "dismiss", threat=1)
        assert take(client) == [{"type": "error", "op": "dismiss", "message": "no"}]
        service.publish(device(1))
        assert numbers(take(client)) == [1]


def test_importing_the_server_leaves_the_application_s_logging_alone() -> None:
    code = """
import logging
import netwatchd.broadcast.server
assert logging.root.handlers == [], logging.root.handlers
logging.basicConfig(level=logging.DEBUG, format="mine %(message)s")
logging.getLogger("x").debug("hello")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "mine hello\n"
