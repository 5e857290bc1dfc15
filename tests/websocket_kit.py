"""A broadcaster and a server on a free port, and clients that know nothing of netwatchd's code."""

import base64
import json
import os
import shutil
import socket
import ssl
import struct
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from waiting import PATIENCE, eventually
from websockets.sync.client import ClientConnection, connect

from netwatchd.addresses import address_text
from netwatchd.broadcast.broadcaster import Broadcaster
from netwatchd.broadcast.messages import Snapshot
from netwatchd.broadcast.offers import Offers
from netwatchd.broadcast.server import Server
from netwatchd.config import Websocket
from netwatchd.counters import Counters
from netwatchd.events import Command, Device, Event, Flow, Gone, Status, Threat, ThreatStatus
from netwatchd.worker import Worker

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


def device(number: int, seen: int = 1) -> Device:
    mac = f"02:00:00:00:{number >> 8:02x}:{number & 255:02x}"
    return Device(mac, (0x0A000000 + number,), None, None, None, 1, seen, Status.ONLINE, 0, 0, ("test",))


def flow(number: int) -> Flow:
    return Flow(number, 1, 2, 0x0A000001, 40000, 0x5DB8D822, 443, 6, 3, 300, 4, 400, "new", "test")


def threat(number: int, **evidence: Any) -> Threat:
    return Threat(
        number, "port scan", "high", None, "10.0.0.1", "one", None, evidence, 1, 2, 1, ThreatStatus.OPEN
    )  # fmt: skip


class Service:
    """What the daemon would be to the broadcaster: the state, and who publishes its changes."""

    def __init__(self, settings: Websocket, server_class: type[Server], refuse: str | None) -> None:
        self.settings = settings
        self.counters = Counters()
        self.devices: dict[str, Device] = {}
        self.threats: dict[int, Threat] = {}
        self.snapshots = 0
        self.commands: list[Command] = []
        self.refuse = refuse
        self.healthy = True
        self.stored: Callable[[], str | None] = lambda: None  # waits until what was done is stored
        self.broadcaster = Broadcaster(settings, self.counters, self.snapshot)
        self.figures: dict[str, Any] = {"up": True}
        offers = Offers(
            self.act, lambda: self.figures, lambda: None if self.healthy else "the disk is full",
            stored=lambda: self.stored(),
        )  # fmt: skip
        self.server = server_class(settings, self.broadcaster, offers, self.counters)
        self.port: int = self.server.port
        self.deaths: list[Worker] = []
        self.workers = [
            Worker("broadcast", self.broadcaster.run, self.deaths.append),
            Worker("accept", self.server.run, self.deaths.append),
        ]

    def snapshot(self) -> Snapshot:
        self.snapshots += 1
        threats = [one for one in list(self.threats.values()) if one.status is ThreatStatus.OPEN]
        return Snapshot(list(self.devices.values()), threats, {"devices": len(self.devices)})

    def act(self, command: Command) -> str | None:
        self.commands.append(command)
        return self.refuse

    def publish(self, *events: Event) -> None:
        for event in events:
            if isinstance(event, Device):
                self.devices[event.mac or address_text(event.ips[0])] = event
            elif isinstance(event, Threat):
                self.threats[event.id] = event
            elif isinstance(event, Gone):
                self.devices.pop(event.device, None)
        self.broadcaster.publish(events)

    def connect(self, query: str = "", **options: Any) -> ClientConnection:
        options.setdefault("max_size", 2**26)
        options.setdefault("max_queue", None)
        return connect(f"ws://127.0.0.1:{self.port}/ws{query}", open_timeout=PATIENCE, legacy=True, **options)

    @property
    def last(self) -> int:
        """The number of the last message."""
        return self.broadcaster._seq

    def listening(self, clients: int) -> None:
        """Waits until so many clients have joined."""
        eventually(lambda: len(self.broadcaster.clients) == clients)


@contextmanager
def serving(
    server_class: type[Server] = Server, refuse: str | None = None, held: bool = False, **settings: Any
) -> Iterator[Service]:
    """A service that accepts; at the end it must be well, and leave no thread behind.

    `held`: the broadcast thread is not started, so that what is published stays in its queue.
    """
    before = set(threading.enumerate())
    service = Service(Websocket(**{"port": 0, "handshake_timeout": PATIENCE, **settings}), server_class, refuse)
    for worker in service.workers[held:]:
        worker.start()
    try:
        yield service
    finally:
        service.server.close(PATIENCE)
        for worker in service.workers:
            worker.ask_to_stop()
        service.broadcaster.wake()
        stopped = [worker.stop(PATIENCE) for worker in service.workers]
    assert all(stopped)
    assert not service.deaths
    assert service.counters["errors.connection"] == 0
    assert not [thread for thread in set(threading.enumerate()) - before if thread.name.startswith("client")]


def take(websocket: ClientConnection, count: int = 1) -> list[dict[str, Any]]:
    """The next messages."""
    return [json.loads(websocket.recv(timeout=PATIENCE)) for _ in range(count)]


def until(websocket: ClientConnection, seq: int) -> list[dict[str, Any]]:
    """The messages up to the one with a number."""
    messages = take(websocket)
    while messages[-1].get("seq") != seq:
        messages += take(websocket)
    return messages


def numbers(messages: list[dict[str, Any]]) -> list[int]:
    return [message["seq"] for message in messages]


def say(websocket: ClientConnection, op: str, **fields: Any) -> None:
    websocket.send(json.dumps({"op": op, **fields}))


class RawClient:
    """A socket that speaks just enough WebSocket to misbehave."""

    def __init__(
        self,
        port: int,
        target: str = "/ws",
        headers: str = "",
        receive_buffer: int = 0,
        tls: ssl.SSLContext | None = None,
        source: str = "",
        host: str = "127.0.0.1",
    ) -> None:
        self.socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(PATIENCE)
        if source:
            self.socket.bind((source, 0))
        self.socket.connect((host, port))
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_hostname=host)
        self.data = b""
        name = f"[{host}]" if ":" in host else host
        self.request = (
            f"GET {target} HTTP/1.1\r\nHost: {name}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}\r\nSec-WebSocket-Version: 13\r\n"
            f"{headers}\r\n"
        ).encode()

    def __enter__(self) -> "RawClient":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def open(self, more: bytes = b"") -> "RawClient":
        """Shakes hands; `more` goes out in the same packet."""
        self.socket.sendall(self.request + more)
        while b"\r\n\r\n" not in self.data:
            self.receive()
        head, self.data = self.data.split(b"\r\n\r\n", 1)
        assert head.startswith(b"HTTP/1.1 101 "), head
        self.head = head.decode()
        return self

    def receive(self, size: int = 65536) -> bytes:
        data = self.socket.recv(size)
        if not data:
            raise EOFError
        self.data += data
        return data

    def send(self, opcode: int, payload: bytes = b"", fin: bool = True, masked: bool = True) -> None:
        self.socket.sendall(frame(opcode, payload, fin, masked))

    def frame(self) -> tuple[int, bytes]:
        """The next frame; raises EOFError at the end of the stream."""
        while (found := split_frame(self.data)) is None:
            self.receive()
        opcode, payload, self.data = found
        return opcode, payload

    def message(self) -> dict[str, Any]:
        """The next message; pings are left out."""
        opcode, payload = self.frame()
        while opcode == PING:
            opcode, payload = self.frame()
        assert opcode == TEXT, (opcode, payload)
        return json.loads(payload)  # type: ignore[no-any-return]

    def close_code(self) -> int:
        """The code of the close frame that comes next, or after what was on its way."""
        opcode, payload = self.frame()
        while opcode != CLOSE:
            opcode, payload = self.frame()
        return int(struct.unpack(">H", payload[:2])[0])

    def reset(self) -> None:
        """Ends the connection with RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


def frame(opcode: int, payload: bytes = b"", fin: bool = True, masked: bool = True) -> bytes:
    """A client's frame."""
    mask = os.urandom(4) if masked else b""
    if len(payload) < 126:
        size = bytes((len(payload) | masked << 7,))
    elif len(payload) < 65536:
        size = struct.pack(">BH", 126 | masked << 7, len(payload))
    else:
        size = struct.pack(">BQ", 127 | masked << 7, len(payload))
    body = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload)) if masked else payload
    return bytes((fin << 7 | opcode,)) + size + mask + body


def split_frame(data: bytes) -> tuple[int, bytes, bytes] | None:
    """Opcode and payload of a server's first frame, and what follows it; None while it is not whole."""
    if len(data) < 2:
        return None
    size, at = data[1], 2
    assert data[0] & 0x70 == 0 and size < 128, "the stream is corrupt"
    if size >= 126:
        at = 4 if size == 126 else 10
        if len(data) < at:
            return None
        size = int.from_bytes(data[2:at], "big")
    return (data[0] & 15, data[at : at + size], data[at + size :]) if len(data) >= at + size else None


def http(port: int, request: bytes, tls: ssl.SSLContext | None = None) -> tuple[int, str]:
    """Status and whole text of the reply to bytes that may be anything; 0 where there is none."""
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as plain:
        connection = tls.wrap_socket(plain, server_hostname="127.0.0.1") if tls else plain
        reply = b""
        try:
            connection.sendall(request)
            while data := connection.recv(65536):
                reply += data
        except ConnectionError:
            pass
    return (int(reply[9:12]) if reply.startswith(b"HTTP/1.1 ") else 0), reply.decode("latin-1")


def get(port: int, path: str, headers: str = "", tls: ssl.SSLContext | None = None) -> tuple[int, str]:
    return http(
        port, f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n{headers}\r\n".encode(), tls
    )


def certificate(directory: Path) -> tuple[Path, Path]:
    """A fresh self-signed certificate for 127.0.0.1, and its key."""
    if not shutil.which("openssl"):
        pytest.skip("needs openssl")
    pem, key = directory / "cert.pem", directory / "key.pem"
    command = (
        f"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout {key} -out {pem} -days 2"
    )
    options = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*command.split(), *options], check=True, capture_output=True)
    return pem, key
