"""A client that follows the stream as docs/INTERFACE.md says, and keeps the state: devices, open threats, flows."""

import contextlib
import json
import socket
from collections.abc import Callable
from random import Random
from typing import Any

from waiting import PATIENCE
from websocket_kit import PING, PONG, TEXT, RawClient, frame, split_frame


class Follower:
    """The state, and the position in the stream from which the next connection goes on.

    How it goes on after a gap, and asks to be told again what it missed, is left to chance where there is a choice.
    """

    def __init__(self, rng: Random, topics: str = "") -> None:
        self._rng = rng
        self._topics = topics
        self.epoch = ""
        self.seq: int | None = None  # the position in that epoch; None: there is no state yet
        self.devices: dict[str, dict[str, Any]] = {}
        self.threats: dict[int, dict[str, Any]] = {}
        self.flows: dict[int, dict[str, Any]] = {}
        self.missed: set[int] = set()  # numbers that were told as a gap, and not again
        self.gaps = 0
        self._said = ""  # the epoch of this connection's hello
        self._latest = 0  # the highest number of this connection
        self._pending = False  # after a gap: what was asked for has not begun to come

    @property
    def target(self) -> str:
        """Where to connect."""
        parts = [f"topics={self._topics}"] if self._topics else []
        if self.seq is not None:
            parts += [f"epoch={self.epoch}", f"since={self.seq}"]
        return "/ws?" + "&".join(parts)

    def hears(self, topic: str) -> bool:
        return not self._topics or topic in self._topics.split(",")

    def take(self, message: dict[str, Any]) -> dict[str, Any] | None:
        """Applies a message; returns what is to be asked because of it."""
        kind = message["type"]
        if kind == "hello":
            self._said, self._latest, self._pending = message["epoch"], 0, False
        elif kind == "snapshot":
            self._start_from(message)
        elif kind == "gap":
            return self._note_gap(message)
        elif "seq" in message:
            self._apply(message)
        return None

    def _start_from(self, snapshot: dict[str, Any]) -> None:
        seq = snapshot["seq"]
        if self._said != self.epoch:
            self.flows, self.missed = {}, set(range(1, seq + 1))
        elif self.seq is not None:
            self.missed |= set(range(self.seq + 1, seq + 1))
        self.devices = {device["mac"] or device["ip"]: device for device in snapshot["devices"]}
        self.threats = {threat["id"]: threat for threat in snapshot["threats"]}
        self.epoch, self.seq, self._pending = self._said, seq, False
        self._latest = max(self._latest, seq)

    def _note_gap(self, gap: dict[str, Any]) -> dict[str, Any] | None:
        self.gaps += 1
        first, last = gap["missed"]
        if self._said == self.epoch:
            self.missed |= set(range(first, last + 1))
        self._latest, self._pending = max(self._latest, last), True
        if gap["reason"] in ("no longer remembered", "another run"):
            return None  # a snapshot follows by itself
        if self._rng.random() < 0.3:
            return {"op": "snapshot"}
        return {"op": "resume", "epoch": self._said, "since": first - 1}

    def _apply(self, message: dict[str, Any]) -> None:
        seq = message["seq"]
        if seq <= self._latest:  # what was asked for comes
            self._pending = False
        self._latest = max(self._latest, seq)
        if not self._pending:
            self.seq = seq
        self.missed.discard(seq)
        if "device" in message:
            device = message["device"]
            self.devices[device["mac"] or device["ip"]] = device
        elif "key" in message:
            self.devices.pop(message["key"], None)
        elif "threat" in message:
            threat = message["threat"]
            self.threats.pop(threat["id"], None)
            if threat["status"] == "open":
                self.threats[threat["id"]] = threat
        elif "flow" in message:
            self.flows[message["flow"]["id"]] = message["flow"]

    # Connecting, and being cut off.

    def follow(self, port: int, size: int, rest: Callable[[], Any] | None = None) -> None:
        """Reads so many bytes, the handshake's included, if they come; then the connection is cut off.

        It may `rest` before it reads, with little room for what arrives meanwhile.
        """
        with RawClient(port, self.target, receive_buffer=2048 if rest else 0) as client:
            if size < 0:  # cut off before it was said what is wanted
                client.socket.sendall(client.request[:size])
                return
            client.socket.sendall(client.request)
            if rest:
                rest()
            client.socket.settimeout(0.05)
            with contextlib.suppress(TimeoutError, EOFError, ConnectionError):
                self._read(client, size)
            with contextlib.suppress(OSError):  # it may have been given up already
                self._cut(client)

    def _read(self, client: RawClient, size: int) -> None:
        while size > 0 and b"\r\n\r\n" not in client.data:
            size -= len(client.receive(size))
        head, _, client.data = client.data.partition(b"\r\n\r\n")
        assert size <= 0 or head.startswith(b"HTTP/1.1 101 "), head
        while True:
            self._take_all(client)
            if size <= 0:
                return
            size -= len(client.receive(min(size, 65536)))

    def _take_all(self, client: RawClient) -> None:
        while found := split_frame(client.data):
            opcode, payload, client.data = found
            if opcode == PING:
                client.send(PONG, payload)
            elif opcode == TEXT and (asked := self.take(json.loads(payload))):
                client.send(TEXT, json.dumps(asked).encode())

    def _cut(self, client: RawClient) -> None:
        if self._rng.random() < 0.2:  # in the middle of what it says itself
            wish = frame(TEXT, b'{"op": "snapshot"}')
            client.socket.sendall(wish[: self._rng.randrange(len(wish))])
        if self._rng.random() < 0.3:
            client.reset()
        elif self._rng.random() < 0.5:
            client.socket.shutdown(socket.SHUT_WR)

    def catch_up(self, port: int, done: Callable[[], bool]) -> None:
        """Follows until it is so."""
        with RawClient(port, self.target).open() as client:
            client.socket.settimeout(PATIENCE)
            while True:
                self._take_all(client)
                if done() and not self._pending:
                    return
                client.receive()
