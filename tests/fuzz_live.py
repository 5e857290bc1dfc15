"""Bytes thrown at a running server over real sockets: handshakes, frames, TLS. It must go on serving the others."""

import contextlib
import json
import re
import socket
import ssl
import struct
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from fuzz_http import REQUESTS
from fuzz_targets import COMMANDS, LINES, Target, in_short
from mutation import pieces
from running import Daemon
from waiting import PATIENCE, eventually
from websocket_kit import (
    BINARY,
    CLOSE,
    PING,
    PONG,
    TEXT,
    RawClient,
    Service,
    certificate,
    device,
    frame,
    serving,
    split_frame,
)  # fmt: skip

from netwatchd.broadcast.server import Server

RESETS = 0.1  # of the connections end with one
LOOK_EVERY = 50  # inputs, until the one who behaves is asked whether it hears what is published


class Patient(Server):
    guess_delay = 0.0  # guessing is slowed down for each by itself, which only costs time here


class Bystander:
    """A client who behaves, while others do not."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._client = RawClient(service.port).open()
        self._client.message()
        self._client.message()
        self._inputs = 0

    def __enter__(self) -> "Bystander":
        return self

    def __exit__(self, *_: object) -> None:
        self._client.socket.close()
        eventually(lambda: not self._service.server._running, "its thread ends")

    def look(self) -> None:
        """Now and then: it hears what is published, and no thread has failed."""
        assert self._service.counters["errors.connection"] == 0, "a client's thread failed; its traceback was logged"
        assert not self._service.deaths, "a thread of the server died"
        self._inputs += 1
        if self._inputs % LOOK_EVERY == 0:
            self._service.publish(device(1, self._inputs))
            while (message := self._client.message()).get("device", {}).get("last_seen") != self._inputs:
                assert message["type"] != "gap", "the one who reads missed something"


def throw(port: int, data: bytes, context: ssl.SSLContext | None = None) -> bytes:
    """Sends bytes, ends our side, and reads until the server ends its: what it said. Or, now and then, resets."""
    random, said = Random(len(data)), b""
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as plain:
        peer = context.wrap_socket(plain) if context else plain
        try:
            for piece in pieces(random, data):
                peer.sendall(piece)
            if random.random() < RESETS:
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                peer.close()
                return b""
            socket.socket.shutdown(peer, socket.SHUT_WR)  # an SSLSocket's own would give up reading TLS, too
            while got := peer.recv(65536):
                said += got
        except OSError as error:  # ssl.SSLError is one
            assert not isinstance(error, TimeoutError), "the server keeps a connection that has ended"
        peer.close()
    return said


def handshakes(service: Service, bystander: Bystander) -> Callable[[bytes], str]:
    """Anything instead of a request, or after one."""

    def run(data: bytes) -> str:
        said = throw(service.port, data)
        bystander.look()
        assert said == b"" or said.startswith(b"HTTP/1.1 "), said
        if not said.startswith(b"HTTP/1.1 101 "):
            return said[9:12].decode()
        return "101 " + told(said.split(b"\r\n\r\n", 1)[1])

    return run


def frames(service: Service, bystander: Bystander) -> Callable[[bytes], str]:
    """Anything after the handshake."""

    def run(data: bytes) -> str:
        said = throw(service.port, UPGRADE + data)
        bystander.look()
        if not said:  # a reset: it had sent more than was read of it
            return "reset"
        assert said.startswith(b"HTTP/1.1 101 "), said
        return told(said.split(b"\r\n\r\n", 1)[1])

    return run


def told(stream: bytes) -> str:
    """What a server's stream says, which must be whole frames up to its end, or up to a reset."""
    words: list[str] = []
    while (found := split_frame(stream)) is not None:
        opcode, payload, stream = found
        assert not words or not words[-1].startswith("close"), "nothing follows a close frame"
        if opcode == TEXT:
            message = json.loads(payload)
            words.append(f"{message['type']} {message.get('op', '')}")
        elif opcode == CLOSE:
            words.append(f"close {struct.unpack('>H', payload[:2])[0] if payload else ''}")
            payload[2:].decode()
        else:
            assert opcode in (PING, PONG), opcode
            words.append("pong")
    return ", ".join(dict.fromkeys(words))


def tls(service: Service) -> Callable[[bytes], str]:
    """Anything on the port that wants TLS."""

    def run(data: bytes) -> str:
        said = throw(service.port, data)
        assert service.counters["errors.connection"] == 0, "a client's thread failed; its traceback was logged"
        assert not said.startswith(b"HTTP/"), "nothing is said in plain text"
        return said[:7].hex()

    return run


def behind_tls(service: Service) -> Callable[[bytes], str]:
    """Anything within TLS, instead of a request or after one."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE

    def run(data: bytes) -> str:
        said = throw(service.port, data, context)
        assert service.counters["errors.connection"] == 0, "a client's thread failed; its traceback was logged"
        assert said == b"" or said.startswith(b"HTTP/1.1 "), said
        return said[9:12].decode()

    return run


def lines(daemon: Daemon) -> Callable[[bytes], str]:
    """Anything on the socket for events, to the whole daemon: what it takes must go all the way to the database."""
    inputs = count(1)

    def run(data: bytes) -> str:
        said = b""
        with daemon.connect() as peer:
            try:
                for piece in pieces(Random(len(data)), data):
                    peer.sendall(piece)
                peer.shutdown(socket.SHUT_WR)
                said = peer.makefile("rb").read()
            except BrokenPipeError:  # it has ended
                pass
        assert daemon.process is not None
        assert daemon.process.poll() is None, daemon.log[-3000:]
        if next(inputs) % LOOK_EVERY == 0:
            status = daemon.status()
            assert status["running"]
            assert not re.search("Traceback|rejected one row|cannot be written", daemon.log), daemon.log[-3000:]
        return ", ".join(sorted({in_short(ValueError(json.loads(line)["error"])) for line in said.splitlines()}))

    return run


def client_hello() -> bytes:
    """What a client of TLS says first."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    engine = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname="localhost")
    with contextlib.suppress(ssl.SSLWantReadError):  # it wants the answer
        engine.do_handshake()
    return outgoing.read()


UPGRADE = (
    b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
LINE_WORDS = (
    b"\n", b"9007199254740991", b"253402300799999", b"0", b'"192.168.1.5"', b'"a4:83:e7:00:00:01"', b'"fe80::1"',
    b'"closed"', b'"offline"', b'"icmp"', b"\\u0000", b"null", b"{}", b"[]",
)  # fmt: skip
FRAMES = [
    b"".join(frame(TEXT, command) for command in COMMANDS) + frame(CLOSE, b"\x03\xe8bye"),
    frame(PING, b"are you there") + frame(TEXT, b'{"op": ', fin=False) + frame(PONG) + frame(0, b'"ping"}'),
    frame(BINARY, b"\0" * 200) + frame(TEXT, b"x" * 70_000),
    frame(TEXT, "\N{EURO SIGN}".encode() * 50, fin=False) + frame(0, b"", fin=False) + frame(0, b"{}"),
]
FRAME_WORDS = (
    b"\x81\x80", b"\x01\x80", b"\x80\x80", b"\x88\x82", b"\x89\xfd", b"\xff", b"\x82\xfe", b"\x81\xff", bytes(4),
    frame(PING), frame(TEXT, b"{}"), frame(CLOSE), frame(0, b"x"), b"\xed\xa0\x80",
)  # fmt: skip


@contextmanager
def live_targets() -> Iterator[list[Target]]:
    """The targets with a server behind them, which must be well at the end."""
    # The one who behaves may wait for its turn for long, and answers no pings.
    limits = {"handshake_timeout": 30.0, "stats_interval": 3600.0, "ping_interval": 86400.0}
    with ExitStack() as stack:
        plain = stack.enter_context(serving(Patient, **limits))
        guarded = stack.enter_context(serving(Patient, token="correct-horse", **limits))
        pem, key = certificate(Path(stack.enter_context(TemporaryDirectory())))
        secret = stack.enter_context(serving(Patient, tls_certificate=pem, tls_key=key, **limits))
        bystander = stack.enter_context(Bystander(plain))
        place = Path(stack.enter_context(TemporaryDirectory(prefix="nw-")))
        whole = stack.enter_context(Daemon(place, "[storage]\ncommit_interval = 100 ms\n"))
        words = (b"\r\n", b": ", b"Upgrade: websocket\r\n", b"\xff", b"Sec-WebSocket-Protocol: ", b"Host: xn--", b",")
        targets = [
            Target("live-http", [*REQUESTS, UPGRADE, UPGRADE + FRAMES[0]], handshakes(plain, bystander), words),
            Target("live-frames", FRAMES, frames(plain, bystander), FRAME_WORDS),
            Target("live-token", [*REQUESTS, UPGRADE], guesses(guarded), words),
            Target("live-wss", [*REQUESTS, *(UPGRADE + each for each in FRAMES)], behind_tls(secret), FRAME_WORDS),
            Target("live-tls", [client_hello(), UPGRADE], tls(secret), (b"\x16\x03\x01", b"\x15", b"\x14\x03\x03")),
            Target("live-daemon", [b"\n".join(LINES), *LINES], lines(whole), LINE_WORDS),
        ]
        yield targets
        # What it took must not keep it from starting again, nor anybody from reading it.
        assert whole.stop() == 0, whole.log[-3000:]
        whole.start()
        for verb in ("devices", "flows", "threats", "top"):
            whole.json(verb)


def guesses(service: Service) -> Callable[[bytes], str]:
    """Requests to a server that wants a token: nobody comes in without it."""

    def run(data: bytes) -> str:
        said = throw(service.port, data)
        assert service.counters["errors.connection"] == 0, "a client's thread failed; its traceback was logged"
        assert b"correct-horse" in data or not said.startswith(b"HTTP/1.1 101 "), said
        return said[9:12].decode()

    return run
