"""JSON lines on a unix stream socket: how any other program hands in devices, flows and threats.

One thread serves all connections. It pushes back: while the daemon is full, `emit` blocks, nothing more is read, and
the writers wait. A bad line is answered on its own connection and harms no other line.
"""

import contextlib
import json
import logging
import selectors
import socket
from collections.abc import Callable
from pathlib import Path

from netwatchd import clock
from netwatchd.config import Json as Settings
from netwatchd.counters import Counters
from netwatchd.decoders.json_lines import Malformed, decode_line
from netwatchd.events import Flow, Sighting, Threat
from netwatchd.sources import Emit, Unavailable
from netwatchd.worker import Worker

log = logging.getLogger(__name__)

CHUNK = 2**18  # bytes a recv: some 800 flows, which then travel as one batch
MOST_UNREAD_ANSWERS = 2**16  # bytes; a writer that does not read its answers is not read from either
TURN = 1.0  # seconds until the loop beats, and notices that it is to stop; each turn wakes the processor up
LAST_READS = 0.5  # seconds at most for what the kernel still holds when the daemon stops


class Connection:
    """One writer: what it has sent of a line so far, and the answers that it has not taken yet."""

    def __init__(self, peer: socket.socket, max_line: int) -> None:
        self.peer = peer
        self.rest = b""
        self.answers = bytearray()
        self.ended = False  # it will send no more
        self._max_line = max_line
        self._line = 0
        self._skipping = False  # within a line that was too long

    def lines(self, data: bytes) -> list[tuple[int, bytes | None]]:
        """The complete lines that `data` ends, with their numbers; None for one that is too long."""
        *complete, self.rest = (self.rest + data).split(b"\n")
        found: list[tuple[int, bytes | None]] = []
        for line in complete:
            self._line += 1
            if self._skipping:
                self._skipping = False
            elif len(line) > self._max_line:
                found.append((self._line, None))
            elif line.strip():
                found.append((self._line, line))
        if len(self.rest) > self._max_line:
            if not self._skipping:
                found.append((self._line + 1, None))
            self._skipping, self.rest = True, b""
        elif self._skipping:
            self.rest = b""
        return found

    def answer(self, line: int, message: str) -> None:
        """Says what is wrong with a line."""
        self.answers += json.dumps({"error": message, "line": line}).encode() + b"\n"


class JsonLines:
    """The source `json`."""

    name = "json"

    def __init__(
        self, settings: Settings, path: Path, emit: Emit, new_id: Callable[[int], int], counters: Counters
    ) -> None:
        """`path` is where the socket is made; `new_id(now)` gives the next event id."""
        self._settings = settings
        self._path = path
        self._emit = emit
        self._new_id = new_id
        self._counters = counters
        self._listener: socket.socket | None = None
        self._connections: dict[socket.socket, Connection] = {}

    def open(self) -> None:
        """Listens; raises Unavailable."""
        self._selector = selectors.DefaultSelector()
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._clear_way()
            listener.bind(str(self._path))
            self._path.chmod(0o660)  # who may write is decided by the group; nobody can connect before listen()
            listener.listen(64)
        except OSError as error:
            listener.close()
            raise Unavailable(f"cannot listen on {self._path}: {error.strerror or error}") from error
        listener.setblocking(False)
        self._listener = listener
        self._selector.register(listener, selectors.EVENT_READ)

    def run(self, worker: Worker) -> None:
        """Serves the connections until the worker is asked to stop; what was sent by then is still taken."""
        while not worker.stopping.is_set():
            worker.beat()
            self._serve(TURN)
        last = clock.now().steady + LAST_READS
        while clock.now().steady < last and self._serve(0):
            worker.beat()

    def close(self) -> None:
        """Closes the listener and all connections, and removes the socket."""
        for connection in list(self._connections.values()):
            self._drop(connection)
        if self._listener is not None:
            self._selector.unregister(self._listener)
            self._listener.close()
            self._listener = None
            self._path.unlink(missing_ok=True)
            self._selector.close()

    def _clear_way(self) -> None:
        """Removes the socket that a killed daemon left; raises OSError where another one is being served."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        if self._path.is_socket():
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
                try:
                    probe.connect(str(self._path))
                except ConnectionRefusedError:
                    self._path.unlink()
                else:
                    raise OSError("another process is listening there (is netwatchd running already?)")

    def _serve(self, timeout: float) -> bool:
        """Handles what is ready within `timeout` seconds; whether anything was."""
        ready = self._selector.select(timeout)
        for key, events in ready:
            if key.fileobj is self._listener:
                self._accept()
                continue
            connection: Connection = key.data
            if events & selectors.EVENT_WRITE:
                self._send_answers(connection)
            if events & selectors.EVENT_READ:
                self._receive(connection)
        return bool(ready)

    def _accept(self) -> None:
        assert self._listener is not None
        try:
            peer, _ = self._listener.accept()
        except OSError as error:  # it was gone again, or descriptors have run out
            log.warning("accepting a writer failed: %s", error, extra={"repeat": "json.accept", "source": "json"})
            return
        if len(self._connections) >= self._settings.max_connections:
            self._counters.add("refused.json.max_connections")
            peer.setblocking(False)
            with contextlib.suppress(OSError):  # a courtesy; the connection is closed all the same
                peer.send(b'{"error": "too many connections (max_connections)", "line": 0}\n')
            peer.close()
            return
        peer.setblocking(False)
        self._connections[peer] = connection = Connection(peer, self._settings.max_line)
        self._selector.register(peer, selectors.EVENT_READ, connection)

    def _receive(self, connection: Connection) -> None:
        try:
            data = connection.peer.recv(CHUNK)
        except BlockingIOError:
            return
        except OSError as error:
            log.debug("a writer went away: %s", error)
            self._drop(connection)
            return
        if not data:
            # The last line counts without its newline, too.
            connection.ended, data = True, b"\n" if connection.rest else b""
        self._take(connection, connection.lines(data))
        self._send_answers(connection)

    def _take(self, connection: Connection, lines: list[tuple[int, bytes | None]]) -> None:
        """Decodes lines, answers the bad ones and hands in the events, a batch a kind."""
        now = clock.now().wall
        sightings: list[Sighting] = []
        flows: list[Flow] = []
        threats: list[Threat] = []
        for number, line in lines:
            try:
                if line is None:
                    raise Malformed(f"it is longer than {self._settings.max_line} bytes (max_line)")
                event = decode_line(line, now, self._new_id)
            except Malformed as error:
                self._counters.add("malformed.json")
                connection.answer(number, str(error))
                continue
            if type(event) is Flow:
                flows.append(event)
            elif isinstance(event, Sighting):
                sightings.append(event)
            elif isinstance(event, Threat):
                threats.append(event)
        # Devices first, so that flows of the same batch find them.
        self._emit.sightings(sightings)
        self._emit.flows(flows)
        self._emit.threats(threats)

    def _send_answers(self, connection: Connection) -> None:
        try:
            sent = connection.peer.send(connection.answers[:CHUNK]) if connection.answers else 0
        except BlockingIOError:
            sent = 0
        except OSError as error:
            log.debug("a writer went away before its answer: %s", error)
            self._drop(connection)
            return
        del connection.answers[:sent]
        if connection.ended and not connection.answers:
            self._drop(connection)
            return
        wanted = selectors.EVENT_WRITE if connection.answers else 0
        if not connection.ended and len(connection.answers) < MOST_UNREAD_ANSWERS:
            wanted |= selectors.EVENT_READ
        self._selector.modify(connection.peer, wanted, connection)

    def _drop(self, connection: Connection) -> None:
        if self._connections.pop(connection.peer, None) is not None:
            self._selector.unregister(connection.peer)
            connection.peer.close()
