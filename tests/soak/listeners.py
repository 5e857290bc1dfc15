"""WebSocket clients of every temper, in a process of its own; prints what they have seen when its input ends.

Each message must follow the one before, or a gap must say which are missing: that is checked of every client that
reads, the slow ones and those that come back included.
"""

import base64
import json
import os
import re
import selectors
import socket
import struct
import sys
import time
from collections import Counter
from typing import Any

STEADY, SLOW, STALLED, RETURNING, FLEETING = "steady", "slow", "stalled", "returning", "fleeting"
TEMPERS = (STEADY, STEADY, SLOW, STALLED, STALLED, RETURNING, RETURNING, FLEETING)
SEQ = re.compile(rb'\{"type":"(?:flow|device|threat)_update","seq":(\d+),|\{"type":"stats","seq":(\d+),')
STAYS = 3.0  # seconds until one that returns leaves
FLEES = 0.15  # seconds that a fleeting one stays
SLOWLY = (4096, 0.02)  # bytes and seconds of one read of a slow one


class Stream:
    """The numbers of one client's messages; `mistakes` are what should never be."""

    def __init__(self, mistakes: list[str]) -> None:
        self.mistakes = mistakes
        self.messages = self.gaps = self.missed = self.snapshots = 0
        self.epoch: str | None = None
        self.last: int | None = None  # the number of the last message that it has or knows to miss
        self.pongs = b""  # answers to pings, still to be sent
        self._data = b""

    def begin(self) -> None:
        """A new connection; the numbers go on."""
        self._data = self.pongs = b""

    def feed(self, data: bytes) -> None:
        """Takes what came."""
        data, at = self._data + data, 0
        while len(data) - at >= 2:
            size, head = data[at + 1], 2
            if size == 126:
                size, head = int.from_bytes(data[at + 2 : at + 4], "big"), 4
            elif size == 127:
                size, head = int.from_bytes(data[at + 2 : at + 10], "big"), 10
            if len(data) < at + head + size:
                break
            payload = data[at + head : at + head + size]
            if data[at] == 0x81:
                self._see(payload)
            elif data[at] == 0x89:
                self.pongs += bytes((0x8A, 0x80 | size, 0, 0, 0, 0)) + payload  # masked, with zeros
            elif data[at] & 0x70 or data[at] & 15 not in (8, 10):
                self.mistakes.append(f"a corrupt frame: {data[at : at + 20]!r}")
            at += head + size
        self._data = data[at:]

    def _see(self, payload: bytes) -> None:
        self.messages += 1
        if match := SEQ.match(payload):
            seq = int(match[1] or match[2])
            if self.last is not None and seq != self.last + 1:
                self.mistakes.append(f"message {seq} after {self.last}, without a gap")
            self.last = seq
            return
        message = json.loads(payload)
        kind = message["type"]
        if kind == "hello":
            if self.epoch != message["epoch"]:
                self.epoch, self.last = message["epoch"], None
        elif kind == "gap":
            first, last = message["missed"]
            if self.last is not None and first != self.last + 1:
                self.mistakes.append(f"a gap from {first} after {self.last}")
            self.gaps, self.missed, self.last = self.gaps + 1, self.missed + last - first + 1, last
        elif kind == "snapshot":
            self.snapshots, self.last = self.snapshots + 1, message["seq"]
        else:
            self.mistakes.append(f"an unexpected message: {payload[:200]!r}")


class Listener:
    """One client: it connects, again and again, and behaves as its temper wants."""

    def __init__(self, port: int, temper: str) -> None:
        self.port, self.temper = port, temper
        self.stream = Stream([])
        self.counts: Counter[str] = Counter()
        self.socket: socket.socket | None = None
        self.next = 0.0  # when it does something by itself
        self._shaken = False

    def connect(self, now: float) -> None:
        """Connects, if the daemon is there; asks to resume if it returns."""
        peer = socket.socket()
        if self.temper in (SLOW, STALLED):
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        peer.settimeout(2)
        resume = ""
        if self.temper == RETURNING and self.stream.epoch and self.stream.last is not None:
            resume = f"?epoch={self.stream.epoch}&since={self.stream.last}"
        key = base64.b64encode(os.urandom(16)).decode()
        request = (
            f"GET /ws{resume} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        try:
            peer.connect(("127.0.0.1", self.port))
            cut = len(request) if self.temper != FLEETING else (len(request), 40, 0)[self.counts["connected"] % 3]
            peer.sendall(request.encode()[:cut])
        except OSError:  # it is just being started
            peer.close()
            self.next = now + 0.1
            return
        peer.setblocking(False)
        self.socket, self._shaken = peer, False
        self.stream.begin()
        if self.temper != RETURNING:
            self.stream.last = None  # it does not resume: what it missed meanwhile is nobody's mistake
        self.counts["connected"] += 1
        self.next = now + {RETURNING: STAYS, FLEETING: FLEES, SLOW: SLOWLY[1]}.get(self.temper, float("inf"))

    def read(self) -> bool:
        """Reads what is there; whether the connection goes on."""
        assert self.socket is not None
        try:
            data = self.socket.recv(SLOWLY[0] if self.temper == SLOW else 2**18)
        except BlockingIOError:
            return True
        except OSError:
            data = b""
        if not data:
            self.counts["dropped"] += 1
            return False
        if not self._shaken:
            head, end, data = data.partition(b"\r\n\r\n")
            if not end or not head.startswith(b"HTTP/1.1 101 "):
                self.counts["refused"] += 1
                return False
            self._shaken = True
        self.stream.feed(data)
        try:
            sent = self.socket.send(self.stream.pongs) if self.stream.pongs else 0
        except OSError:  # the next read says more
            sent = 0
        self.stream.pongs = self.stream.pongs[sent:]
        return True

    def leave(self) -> None:
        """Ends its connection, every other time without a word."""
        if self.socket is not None:
            if self.counts["connected"] % 2:
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.socket.close()
            self.socket = None


class Crowd:
    """All clients, served by one thread."""

    def __init__(self, port: int) -> None:
        self.listeners = [Listener(port, temper) for temper in TEMPERS]
        self._selector = selectors.DefaultSelector()
        self._selector.register(sys.stdin, selectors.EVENT_READ)

    def run(self) -> None:
        """Serves them until our input ends."""
        while True:
            now = time.monotonic()
            for listener in self.listeners:
                self._turn(listener, now)
            for key, _ in self._selector.select(0.02):
                if key.data is None:
                    for listener in self.listeners:
                        self._end(listener, now)
                    return
                if not key.data.read():
                    self._end(key.data, now + 0.05)

    def _turn(self, listener: Listener, now: float) -> None:
        """What a client does by itself."""
        if listener.socket is not None and listener.temper == STALLED:
            if _was_reset(listener.socket):
                listener.counts["dropped"] += 1
                self._end(listener, now + 0.5)
        elif listener.next > now:
            return
        elif listener.socket is None:
            listener.connect(now)
            if listener.socket is not None and listener.temper in (STEADY, RETURNING):
                self._selector.register(listener.socket, selectors.EVENT_READ, listener)
        elif listener.temper == SLOW and listener.read():
            listener.next = now + SLOWLY[1]
        else:
            self._end(listener, now)

    def _end(self, listener: Listener, again: float) -> None:
        if listener.socket is not None and listener.socket.fileno() in self._selector.get_map():
            self._selector.unregister(listener.socket)
        listener.leave()
        listener.next = again

    def summary(self) -> dict[str, Any]:
        """What they have seen."""
        found: dict[str, Any] = {"mistakes": [m for one in self.listeners for m in one.stream.mistakes][:20]}
        for temper in dict.fromkeys(TEMPERS):
            mine = [one for one in self.listeners if one.temper == temper]
            found[temper] = {
                "connected": sum(one.counts["connected"] for one in mine),
                "dropped": sum(one.counts["dropped"] for one in mine),
                **{key: sum(getattr(one.stream, key) for one in mine) for key in ("messages", "gaps", "missed")},
            }
        return found


def _was_reset(peer: socket.socket) -> bool:
    """Whether the daemon has given this connection up, without reading from it."""
    state = peer.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
    return state != 1  # TCP_ESTABLISHED


if __name__ == "__main__":
    crowd = Crowd(int(sys.argv[1]))
    crowd.run()
    print(json.dumps(crowd.summary()))
