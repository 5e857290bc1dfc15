"""A client's socket: read by its own thread, which may block; written without ever blocking, by any thread.

The socket has a timeout only during the handshake. Afterwards it is blocking for its reader, and every write says
MSG_DONTWAIT for itself, because a timeout would be shared by the reads.
"""

import contextlib
import fcntl
import socket
import struct
import sys
import termios
import time
from collections.abc import Sequence

from netwatchd.broadcast.patience import Verdict

Buffer = bytes | memoryview

# How much the kernel takes before it has been sent. Small, because progress is seen only in steps of half of it: on
# a link of 50 kbit/s a step of 8 KiB takes 1.3 s, well within a send timeout.
UNSENT_LIMIT = 16384
# First small, because every client's thread sits in recv() with a buffer of this size.
SMALL_READ, LARGE_READ = 4096, 65536


class Transport:
    """A plain TCP connection."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self.taken = 0  # bytes that the kernel took
        self._read_size = SMALL_READ
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_LIMIT)

    def handshake(self, deadline: float) -> None:
        """What goes before the HTTP request; raises OSError where it fails."""

    def send(self, buffers: Sequence[Buffer]) -> int:
        """Sends what the kernel takes at once and returns how many bytes; raises OSError where it takes none.

        Call with the outbox's lock held.
        """
        if len(buffers) == 1:
            sent = self.socket.send(buffers[0], socket.MSG_DONTWAIT)
        else:
            sent = self.socket.sendmsg(buffers, (), socket.MSG_DONTWAIT)
        self.taken += sent
        return sent

    @property
    def progress(self) -> int:
        """Rises with every byte that the kernel takes, and again when the peer acknowledges it.

        On a thin wire TCP may be repairing a loss for longer than a send timeout, and take nothing meanwhile.
        """
        held = 0
        with contextlib.suppress(OSError, ValueError):  # its thread may just have closed it
            held = int.from_bytes(
                fcntl.ioctl(self.socket, termios.TIOCOUTQ, bytes(4)), sys.byteorder
            )  # tcp(7): SIOCOUTQ
        return 2 * self.taken - held

    @property
    def unsent(self) -> int:
        """Bytes that `send` has accepted but the kernel has not."""
        return 0

    def flush(self) -> None:
        """Sends what `send` has accepted; raises OSError while the kernel does not take it all."""

    def farewell(self) -> Verdict:
        """Says goodbye below WebSocket, where there is something to say. Call with the outbox's lock held."""
        return Verdict.DONE

    def receive(self, deadline: float | None = None) -> bytes:
        """Waits for bytes; b"" at the end of the stream. Raises TimeoutError at the deadline of the handshake."""
        if deadline is not None:
            self._arm(deadline)
        return self._receive_raw()

    def send_all(self, data: bytes, deadline: float) -> None:
        """Sends everything by the deadline; only during the handshake."""
        self._arm(deadline)
        self.socket.sendall(data)

    def _receive_raw(self) -> bytes:
        data = self.socket.recv(self._read_size)
        self._read_size = LARGE_READ if len(data) == self._read_size else SMALL_READ
        return data

    def _arm(self, deadline: float) -> None:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the handshake took too long")
        self.socket.settimeout(left)

    def shut(self, discard: bool) -> None:
        """Ends the connection both ways, so that its reader wakes up; `discard`s what the kernel still holds, or not.

        Call with the outbox's lock held, as long as the socket is open.
        """
        with contextlib.suppress(OSError):  # it may be over already
            if discard:
                # Now close() forgets unsent data instead of keeping it for a peer that does not read (socket(7)).
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.socket.shutdown(socket.SHUT_RDWR)

    def linger(self, seconds: float) -> None:
        """Ends our side and reads the rest of the other's, up to a limit.

        Closing a socket with unread data sends a reset, and a reset destroys what the peer has not read yet.
        """
        deadline = time.monotonic() + seconds
        left = 16
        with contextlib.suppress(OSError):  # it may be over already, or take too long
            self.socket.shutdown(socket.SHUT_WR)
            while left and self._armed_read(deadline):
                left -= 1

    def _armed_read(self, deadline: float) -> bytes:
        self._arm(deadline)
        return self.socket.recv(LARGE_READ)
