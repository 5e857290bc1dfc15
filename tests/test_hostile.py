"""Hostile input to the whole daemon: each costs a bounded amount of memory, is counted, and disturbs nobody else.

One daemon bears all attacks, one after another; a healthy client hears every message during each of them.
"""

import contextlib
import json
import shutil
import socket
import ssl
import threading
import time
from collections.abc import Iterator

import pytest
from running import Daemon, flow_line, scratch
from siege import expelled, refused, threads, undisturbed
from waiting import PATIENCE, eventually
from websocket_kit import BINARY, CLOSE, PING, PONG, TEXT, RawClient, certificate, frame

# Two heaps, as in the shipped unit. Short times, so that the attacks need not last long.
ENVIRONMENT = {"MALLOC_ARENA_MAX": "2"}
TIMEOUT = 0.6
LIMITS = f"[websocket]\nhandshake_timeout = {TIMEOUT} s\n"
ENOUGH = 64 << 20  # bytes after which whoever sends without end gives up
FLOOD = "127.0.0.2"  # where masses come from; everybody else is 127.0.0.1


@contextlib.contextmanager
def started(config: str) -> Iterator[Daemon]:
    directory = scratch()
    with Daemon(directory, config + "[storage]\ncommit_interval = 200 ms\n", **ENVIRONMENT) as running:
        running.emit(flow_line(1))
        eventually(running.flows)  # all files are open now that will be
        yield running
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="module")
def attacked() -> Iterator[Daemon]:
    with started(LIMITS) as running:
        yield running


def pour(peer: socket.socket, more: bytes) -> int:
    """Sends the same again and again until the connection is ended; returns how much went."""
    sent = 0
    with contextlib.suppress(ConnectionError):
        while sent < ENOUGH:
            sent += peer.send(more)
    return sent


# Before the upgrade: what is sent, again and again; the status of the answer; the reason that is counted.
ENDLESS = {
    "an endless request line": (b"GET /", b"x" * 65536, "too_long"),
    "an endless header": (b"GET /ws HTTP/1.1\r\nHost: ", b"x" * 65536, "too_long"),
    "endless headers": (b"GET /ws HTTP/1.1\r\nHost: x\r\n", b"X-Header: nothing\r\n" * 3000, "too_long"),
    "an endless body": (b"POST /ws HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999999\r\n\r\n", bytes(65536), "method"),
    "endless chunks": (
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", b"4\r\nxxxx\r\n" * 5000, "method",
    ),
    "endless garbage": (b"\x00\xff\x13", b"\xff\x00" * 30000, "bad_request"),
}  # fmt: skip


@pytest.mark.parametrize("name", ENDLESS)
def test_a_request_without_end_is_cut_short(attacked: Daemon, name: str) -> None:
    start, more, reason = ENDLESS[name]
    before = refused(attacked, reason)
    with undisturbed(attacked, 16):
        for _ in range(5):
            with socket.create_connection(("127.0.0.1", attacked.port), PATIENCE) as peer:
                peer.sendall(start)
                assert pour(peer, more) < ENOUGH
    eventually(lambda: refused(attacked, reason) == before + 5)


def test_a_request_that_comes_byte_by_byte_is_waited_for_no_longer_than_any_other(attacked: Daemon) -> None:
    before = refused(attacked, "timeout")
    with undisturbed(attacked, 24):
        clients = [RawClient(attacked.port, source=FLOOD) for _ in range(100)]
        started_at = time.monotonic()
        left = list(clients)
        for at in range(len(clients[0].request)):
            threading.Event().wait(0.05)
            for client in list(left):
                try:
                    client.socket.sendall(client.request[at : at + 1])
                    client.socket.setblocking(False)
                    if b"HTTP/1.1 408 " in client.receive():
                        left.remove(client)
                except BlockingIOError:
                    client.socket.setblocking(True)
            if not left:
                break
        assert time.monotonic() - started_at >= TIMEOUT
        assert not left, "they were listened to, to the end"
        for client in clients:
            client.socket.close()
    assert refused(attacked, "timeout") == before + 100


def test_a_port_that_speaks_no_tls_says_so_to_who_tries(attacked: Daemon) -> None:
    before = refused(attacked, "bad_request")
    context = ssl.create_default_context()
    with undisturbed(attacked, 8):
        for _ in range(20):
            with socket.create_connection(("127.0.0.1", attacked.port), PATIENCE) as plain, pytest.raises(ssl.SSLError):
                context.wrap_socket(plain, server_hostname="127.0.0.1")
    eventually(lambda: refused(attacked, "bad_request") == before + 20)


@pytest.mark.parametrize(
    ("headers", "reason", "status"),
    [
        ("Origin: https://evil.example\r\n", "origin", 403),
        ("Origin: null\r\n", "origin", 403),
        ("Sec-WebSocket-Version: 8\r\n", "version", 426),
    ],
)
def test_a_page_of_somebody_else_and_another_version_get_no_further(
    attacked: Daemon, headers: str, reason: str, status: int
) -> None:
    before = refused(attacked, reason)
    with undisturbed(attacked, 8):
        for _ in range(20):
            with RawClient(attacked.port, headers=headers) as client:
                request = client.request
                if reason == "version":
                    request = request.replace(b"Sec-WebSocket-Version: 13\r\n", b"")
                client.socket.sendall(request)
                assert client.receive().startswith(b"HTTP/1.1 %d " % status)
    assert refused(attacked, reason) == before + 20


def declared(size: int, start: bytes = b"") -> bytes:
    """The beginning of a text frame that says it will have so many bytes, masked with zeros."""
    return bytes((0x81, 0xFF)) + size.to_bytes(8, "big") + bytes(4) + start


FORBIDDEN = {
    "a huge declared length, and data without end": (declared(1 << 62), b"x" * 65536, 1009),
    "a declared length that no frame may have": (declared(1 << 63), b"", 1002),
    "a message in pieces without end": (frame(TEXT, b"x", fin=False), frame(0, b"x" * 1000, fin=False) * 60, 1009),
    "a ping of more than 125 bytes": (frame(PING, b"x" * 126), b"", 1002),
    "a pong of more than 125 bytes": (frame(PONG, b"x" * 70_000), b"", 1002),
    "a ping in pieces": (frame(PING, b"x", fin=False), b"", 1002),
    "a close frame in pieces": (frame(CLOSE, b"\x03", fin=False), b"", 1002),
    "a close frame of one byte": (frame(CLOSE, b"\x03"), b"", 1002),
    "a close code that may not be sent": (frame(CLOSE, b"\x03\xed"), b"", 1002),
    "a reason that is not UTF-8": (frame(CLOSE, b"\x03\xe8\xff"), b"", 1007),
    "text that is not UTF-8": (frame(TEXT, b"\xc0\xaf"), b"", 1007),
    "a surrogate in two pieces": (frame(TEXT, b"\xed", fin=False) + frame(0, b"\xa0\x80"), b"", 1007),
    "a character that does not end": (frame(TEXT, b'"\xe2\x82'), b"", 1007),
    "an unmasked frame": (frame(TEXT, b'{"op": "ping"}', masked=False), b"", 1002),
    "an unmasked ping": (frame(PING, b"", masked=False), b"", 1002),
    "reserved bits": (b"\xc1" + frame(TEXT, b"x")[1:], b"", 1002),
    "a reserved opcode": (frame(11, b"x"), b"", 1002),
    "a continuation of nothing": (frame(0, b"x"), b"", 1002),
    "a message within another": (frame(TEXT, b"x", fin=False) + frame(TEXT, b"x"), b"", 1002),
    "binary data": (frame(BINARY, bytes(100)), b"", 1003),
}  # fmt: skip


def test_frames_that_are_forbidden_end_the_connection_with_the_right_code_and_nothing_else(attacked: Daemon) -> None:
    codes = sorted({code for _, _, code in FORBIDDEN.values()})
    before = {code: expelled(attacked, code) for code in codes}
    with undisturbed(attacked, 24):
        for name, (start, more, code) in FORBIDDEN.items():
            for _ in range(3):
                with RawClient(attacked.port).open() as client:
                    client.socket.sendall(start)
                    if more:
                        assert pour(client.socket, more) < ENOUGH
                    else:
                        assert client.close_code() == code, name
    for code in codes:
        times = 3 * [expected for _, _, expected in FORBIDDEN.values()].count(code)
        eventually(
            lambda code=code, times=times: expelled(attacked, code) == before[code] + times, f"{code} is counted"
        )


def test_empty_pieces_pings_and_wishes_without_end_cost_no_memory(attacked: Daemon) -> None:
    floods = [
        frame(TEXT, b"", fin=False) + frame(0, b"", fin=False) * 5000,
        frame(PING, b"x" * 125) * 500,
        frame(PONG, b"x") * 5000,
        frame(TEXT, b'{"op": "snapshot"}') * 200,
        frame(TEXT, b'{"op": "resume", "epoch": "x", "since": 1}') * 200,
        frame(TEXT, b"[" * 60_000) * 5,
    ]
    with undisturbed(attacked, 32), contextlib.ExitStack() as stack:
        clients = [stack.enter_context(RawClient(attacked.port).open()) for _ in floods]
        for client, flood in zip(clients, floods, strict=True):
            client.socket.settimeout(0.3)
            with contextlib.suppress(TimeoutError, ConnectionError):  # it reads none of the answers
                for _ in range(5):
                    client.socket.sendall(flood)


# Masses.


def half_open(running: Daemon, count: int, sent: bytes) -> list[socket.socket]:
    """So many connections from one address that say nothing, or not enough."""
    peers = []
    for _ in range(count):
        peers.append(socket.socket())
        peers[-1].bind((FLOOD, 0))
        peers[-1].connect(("127.0.0.1", running.port))
        with contextlib.suppress(ConnectionError):  # it had to make room already
            peers[-1].sendall(sent)
    return peers


def besiege(running: Daemon, count: int, sent: bytes) -> None:
    """Opens so many connections half, while others come and are served."""
    with undisturbed(running, 64):
        peers: list[socket.socket] = []
        for _ in range(5):
            peers += half_open(running, count // 5, sent)
            assert threads(running) < 1400  # TasksMax of the shipped unit
            with running.client() as client:
                client.recv(PATIENCE)
        for peer in peers:
            peer.close()


@pytest.mark.parametrize("sent", [b"", b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgr"], ids=["silent", "half"])
def test_thousands_of_half_open_connections_keep_nobody_out(attacked: Daemon, sent: bytes) -> None:
    before = refused(attacked, "crowded") + refused(attacked, "timeout") + refused(attacked, "disconnected")
    besiege(attacked, 1500, sent)
    after = refused(attacked, "crowded") + refused(attacked, "timeout") + refused(attacked, "disconnected")
    assert after == before + 1500


@pytest.mark.slow
@pytest.mark.parametrize("sent", [b"", b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgr"], ids=["silent", "half"])
def test_ten_thousand_half_open_connections_keep_nobody_out(sent: bytes) -> None:
    with started("") as running:
        besiege(running, 10_000, sent)
        assert refused(running, "crowded") >= 10_000 - 1100 - 5000  # the others had their five seconds


# With TLS.


@pytest.fixture(scope="module")
def encrypted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Daemon, ssl.SSLContext]]:
    pem, key = certificate(tmp_path_factory.mktemp("tls"))
    with started(f"{LIMITS}tls_certificate = {pem}\ntls_key = {key}\n") as running:
        yield running, ssl.create_default_context(cafile=str(pem))


def tls_reason(running: Daemon, trusting: ssl.SSLContext, word: str) -> int:
    """How often something was refused for this reason, asked over TLS."""
    with socket.create_connection(("127.0.0.1", running.port), PATIENCE) as plain:
        peer = trusting.wrap_socket(plain, server_hostname="127.0.0.1")
        peer.sendall(b"GET /status HTTP/1.1\r\nHost: localhost\r\n\r\n")
        status = peer.makefile("rb").read().split(b"\r\n\r\n", 1)[1]
    return int(json.loads(status)["counters"].get("refused", {}).get(word, 0))


@pytest.mark.parametrize(
    ("sent", "more", "reason"),
    [
        (b"GET /ws HTTP/1.1\r\nHost: x\r\n", b"X: y\r\n" * 10_000, "tls"),
        (b"\x16\x03\x01\xff\xff\x01", b"\x00" * 65536, "tls"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"", "timeout"),
        (b"", b"", "timeout"),
    ],
    ids=["plain", "a record without end", "half a hello", "silence"],
)  # fmt: skip
def test_what_is_no_tls_learns_nothing_and_disturbs_nobody(
    encrypted: tuple[Daemon, ssl.SSLContext], sent: bytes, more: bytes, reason: str
) -> None:
    running, trusting = encrypted
    before = tls_reason(running, trusting, reason)
    peers = [socket.create_connection(("127.0.0.1", running.port), PATIENCE) for _ in range(5)]
    for peer in peers:
        peer.sendall(sent)
        if more:
            assert pour(peer, more) < ENOUGH
    for peer in peers:
        with peer, contextlib.suppress(ConnectionError):
            assert len(peer.recv(1000)) <= 7  # a TLS alert, at most
    eventually(lambda: tls_reason(running, trusting, reason) == before + 5)


def test_a_request_over_tls_whose_records_come_byte_by_byte_is_waited_for_no_longer(
    encrypted: tuple[Daemon, ssl.SSLContext],
) -> None:
    running, trusting = encrypted
    before = tls_reason(running, trusting, "timeout")
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    engine = trusting.wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")
    with socket.create_connection(("127.0.0.1", running.port), PATIENCE) as peer:
        while True:
            try:
                engine.do_handshake()
                break
            except ssl.SSLWantReadError:
                peer.sendall(outgoing.read())
                incoming.write(peer.recv(65536))
        engine.write(b"GET /ws HTTP/1.1\r\n" + b"X: y\r\n" * 100)
        sent = 0
        with contextlib.suppress(ConnectionError):
            for byte in outgoing.read():
                peer.sendall(bytes((byte,)))
                sent += 1
                threading.Event().wait(0.1)
    assert sent < 400
    assert tls_reason(running, trusting, "timeout") == before + 1


# With a token.


def test_guessing_a_token_is_slow_and_logged_and_keeps_nobody_else_out() -> None:
    with started(f"{LIMITS}token = correct-horse\n") as running:
        enough = threading.Event()
        answers: list[int] = []
        guessing = [threading.Thread(target=guess, args=(running, enough, answers)) for _ in range(20)]
        begun = time.monotonic()
        for thread in guessing:
            thread.start()
        for _ in range(5):
            with RawClient(running.port, "/ws?token=correct-horse").open() as client:
                assert client.message()["type"] == "hello"
            seen = len(answers)
            eventually(lambda seen=seen: len(answers) > seen + 20)
        assert threads(running) < 100
        enough.set()
        for thread in guessing:
            thread.join()
        assert answers.count(401) <= 5 + time.monotonic() - begun
        assert answers.count(429) == len(answers) - answers.count(401) >= 50
        assert running.log.count("the token is wrong") + running.log.count("too many wrong tokens") <= 2
        assert "the token is wrong" in running.log
        assert "conjecture" not in running.log
        eventually(lambda: answered(running, "correct-horse") == 101)


def guess(running: Daemon, enough: threading.Event, answers: list[int]) -> None:
    while not enough.is_set():
        answers.append(answered(running, "conjecture"))


def answered(running: Daemon, token: str) -> int:
    """The status of the answer to an upgrade with this token, from where the guesses come."""
    with RawClient(running.port, f"/ws?token={token}", source=FLOOD) as client:
        client.socket.sendall(client.request)
        return int(client.receive()[9:12])
