"""Many WebSocket clients in one process, which only note when a message came."""

import contextlib
import selectors
import socket
import time
from collections.abc import Sequence

# Flows that may be on their way: a client for whom more than 1 MiB waits is told of a gap instead.
WINDOW, PIECE = 2_500, 500
_REQUEST = (
    "GET /ws HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


def connected(port: int, receive_buffer: int = 0) -> socket.socket:
    """A socket that has asked to be upgraded; what is answered waits to be read."""
    peer = socket.socket()
    if receive_buffer:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    peer.connect(("127.0.0.1", port))
    peer.sendall(_REQUEST.format(port=port).encode())
    return peer


class Listeners:
    """`count` clients that read all they are sent."""

    def __init__(self, port: int, count: int) -> None:
        self._selector = selectors.DefaultSelector()
        self._sockets = [connected(port) for _ in range(count)]
        for peer in self._sockets:
            peer.setblocking(False)
            self._selector.register(peer, selectors.EVENT_READ)
        self.drain(1.0)

    def __enter__(self) -> "Listeners":
        return self

    def __exit__(self, *_: object) -> None:
        for peer in self._sockets:
            peer.close()
        self._selector.close()

    def drain(self, quiet: float) -> None:
        """Reads until nothing has come for `quiet` seconds."""
        while ready := self._selector.select(quiet):
            for key, _ in ready:
                with contextlib.suppress(BlockingIOError):
                    key.fileobj.recv(2**20)

    def delays(self, marker: bytes, sent: float, most: float = 5.0) -> list[float]:
        """Seconds from `sent` until each client had a message with `marker`; fewer where some had none in time."""
        waiting, found = len(self._sockets), []
        while waiting and (ready := self._selector.select(max(sent + most - time.perf_counter(), 0))):
            for key, _ in ready:
                if marker in key.fileobj.recv(2**20):
                    found.append(time.perf_counter() - sent)
                    waiting -= 1
        return found

    def count(self, marker: bytes, writer: socket.socket, lines: Sequence[bytes]) -> int:
        """Writes the lines while reading, never more than WINDOW ahead; returns how many messages had the `marker`."""
        rest, sent, found = b"", 0, 0
        while found < len(lines):
            while sent < len(lines) and sent - found < WINDOW:
                writer.sendall(b"".join(lines[sent : sent + PIECE]))
                sent += PIECE
            ready = self._selector.select(3.0)
            if not ready:
                break
            for key, _ in ready:
                data = rest + key.fileobj.recv(2**20)
                found += data.count(marker)
                rest = data[max(data.rfind(marker) + 1, len(data) - len(marker)) :]
        return found


def raise_descriptor_limit() -> None:
    """1,000 clients need more descriptors than many shells allow."""
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
