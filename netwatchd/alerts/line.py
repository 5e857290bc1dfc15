"""What a delivery hangs on, so that another thread can end it."""

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol


class HasSocket(Protocol):
    """A connection of the standard library: its socket is there once it is connected."""

    sock: socket.socket | None


class Line:
    """Can be cut by any thread, before and while something hangs on it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._end: Callable[[], None] | None = None
        self.is_cut = False

    def holds(self, end: Callable[[], None]) -> None:
        """`end` is what ends the delivery; called at once where the line is cut already."""
        with self._lock:
            self._end = end
            if self.is_cut:
                end()

    def holds_connection(self, connection: HasSocket) -> None:
        """The delivery goes over this connection."""

        def end() -> None:
            sock = connection.sock
            if sock is not None:
                with suppress(OSError):  # it was never connected, or is closed already
                    sock.shutdown(socket.SHUT_RDWR)

        self.holds(end)

    def cut(self) -> None:
        """Ends what hangs on it."""
        with self._lock:
            self.is_cut = True
            if self._end is not None:
                self._end()
