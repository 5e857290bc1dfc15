"""The listening socket: who may come in, and how everybody leaves.

websocket-server accepts: its WebsocketServer is a TCPServer with a thread a connection and a small API (`clients`,
`set_fn_message_received`, ...), which are used; its own handler is replaced by `Connection`. Its weak points are kept
out here: importing it sets up the application's logging, its constructor sets a log level, its backlog is 5, its list
of clients is changed while others walk it, and its ways to disconnect close no connection.
"""

import contextlib
import errno
import logging
import ssl
import threading
import time
from socket import AF_INET6, AI_PASSIVE, IPPROTO_IPV6, IPV6_V6ONLY, SHUT_RDWR, SOCK_STREAM, getaddrinfo, socket
from typing import Any

from netwatchd.broadcast import messages
from netwatchd.broadcast.admission import Admission, origin_of
from netwatchd.broadcast.broadcaster import Broadcaster
from netwatchd.broadcast.connection import Connection
from netwatchd.broadcast.guesses import Guesses
from netwatchd.broadcast.http import Refusal
from netwatchd.broadcast.offers import Offers
from netwatchd.broadcast.pages import Pages
from netwatchd.broadcast.protocol import Protocol
from netwatchd.broadcast.tls import server_context
from netwatchd.config import Websocket
from netwatchd.counters import Counters
from netwatchd.worker import Worker

# The package calls logging.basicConfig() when it is imported. That does nothing where a handler is set up already.
_guard = logging.NullHandler()
logging.root.addHandler(_guard)
try:
    from websocket_server.websocket_server import WebsocketServer
finally:
    logging.root.removeHandler(_guard)

log = logging.getLogger(__name__)

DRAIN = 1.0  # seconds for clients to take what is queued and to answer the close frame


class Server(WebsocketServer):  # type: ignore[misc]  # the package has no types
    """Accepts clients and serves what they ask for. Binds when it is made: raises OSError where it cannot.

    `offers` has what clients may ask for.
    """

    request_queue_size = 1024  # all clients of a home come back at once after a restart

    def __init__(
        self,
        settings: Websocket,
        broadcaster: Broadcaster,
        offers: Offers,
        counters: Counters,
    ) -> None:
        self.settings = settings
        self.broadcaster = broadcaster
        self.counters = counters
        self.admission = Admission(settings, counters)
        guesses = Guesses(settings.token)
        self.protocol = Protocol(settings, broadcaster, offers, counters, guesses)
        self.pages = Pages(settings, offers, guesses)
        self.closing = threading.Event()
        self._accepting = threading.Lock()  # held while the listening socket is in use
        self.tls: ssl.SSLContext | None = None
        if settings.tls_certificate and settings.tls_key:
            self.tls = server_context(settings.tls_certificate, settings.tls_key)
        self._lock = threading.Lock()  # for the next two
        self._running: set[threading.Thread] = set()
        self.clients: list[dict[str, Any]] = []
        self._bind(settings.host.strip("[]"), settings.port)

    def _bind(self, host: str, port: int) -> None:
        self.address_family = getaddrinfo(host or None, port, type=SOCK_STREAM, flags=AI_PASSIVE)[0][0]
        package_log = logging.getLogger("websocket_server.websocket_server")
        super().__init__(host, port, loglevel=package_log.level)
        self.RequestHandlerClass = Connection
        self.timeout = 1.0  # of handle_request(), between two beats; `close` ends it at once

    def server_bind(self) -> None:
        """Binds; `::` listens on IPv4 too, whatever the system's default is."""
        if self.address_family == AF_INET6:
            self.socket.setsockopt(IPPROTO_IPV6, IPV6_V6ONLY, self.settings.host.strip("[]") != "::")
        super().server_bind()

    # Accepting.

    def run(self, worker: Worker) -> None:
        """Accepts until the worker is stopping or the server is closed."""
        while not (worker.stopping.is_set() or self.closing.is_set()):
            worker.beat()
            with self._accepting:
                if not self.closing.is_set():
                    self.handle_request()
        while not worker.stopping.wait(1.0):
            worker.beat()

    def get_request(self) -> tuple[socket, Any]:
        """Accepts one connection."""
        try:
            return super().get_request()  # type: ignore[no-any-return]
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                # The connection stays in the backlog, so that without a pause this would be a busy loop.
                self.counters.add("refused.no_resources")
                log.error("cannot accept a client: %s", error, extra={"repeat": "broadcast.accept"})
                self.closing.wait(0.1)
            raise

    def process_request(self, request: socket, client_address: Any) -> None:
        """Starts the connection's thread."""
        self.counters.add("connections.accepted")
        thread = threading.Thread(
            target=self.process_request_thread,
            args=(request, client_address),
            name=f"client {client_address[0]}",
            daemon=True,
        )
        with self._lock:
            self._running.add(thread)
        self.admission.arrive(request, origin_of(client_address))
        try:
            thread.start()
        except RuntimeError:  # no thread can be had; handle_error says so, and the connection is closed
            with self._lock:
                self._running.discard(thread)
            raise

    def process_request_thread(self, request: socket, client_address: Any) -> None:
        """The whole life of one connection."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._lock:
                self._running.discard(threading.current_thread())

    def shutdown_request(self, request: socket) -> None:
        """Closes a connection and gives its place back."""
        self.admission.leave(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Notes that a connection's thread failed in a way that nobody foresaw; the others go on."""
        self.counters.add("errors.connection")
        log.exception("the thread of client %s failed", client_address[0], extra={"repeat": "broadcast.connection"})

    # What a connection calls on its way in and out.

    def reserve(self, connection: Connection) -> None:
        """Takes a place for a client; raises Refusal where there is none."""
        if self.closing.is_set():
            raise Refusal(503, "the server is going away", "closing")
        self.admission.enter(connection.request, connection.origin)

    def enter(self, connection: Connection) -> None:
        """Lets a client in whose handshake is done."""
        self.counters.add("clients.accepted")
        self._new_client_(connection)
        if self.closing.is_set():  # it came while close() was walking the others
            connection.finish_with(messages.closing(1001, "going away"), at_once=False)

    def release(self, connection: Connection) -> None:
        """Takes a client off the list, if it was on it."""
        if connection.entry is not None:
            self._client_left_(connection)

    # The package's API, made safe for threads: the list is replaced, never changed. What it calls `handler` is a
    # Connection. By default, the hooks speak this daemon's protocol.

    def _new_client_(self, handler: Connection) -> None:
        with self._lock:
            self.id_counter += 1
            handler.entry = {"id": self.id_counter, "handler": handler, "address": handler.client_address}
            self.clients = [*self.clients, handler.entry]
        self.new_client(handler.entry, self)

    def _client_left_(self, handler: Connection) -> None:
        with self._lock:
            self.clients = [client for client in self.clients if client is not handler.entry]
        self.client_left(handler.entry, self)

    def new_client(self, client: dict[str, Any], _server: "Server") -> None:
        """Sends a client its first messages."""
        connection = client["handler"]
        self.protocol.join(connection.client, connection.upgrade)

    def message_received(self, client: dict[str, Any], _server: "Server", message: str | bytes) -> None:
        """Does what a client asks."""
        self.protocol.hear(client["handler"].client, message)

    def _disconnect_clients_gracefully(self, status: int = 1000, reason: bytes = b"") -> None:
        for client in self.clients:
            client["handler"].finish_with(messages.closing(status, reason.decode()), at_once=False)

    def _disconnect_clients_abruptly(self) -> None:
        for client in self.clients:
            client["handler"].client.outbox.abort(discard=True)

    def _shutdown_gracefully(self, status: int = 1000, reason: bytes = b"") -> None:
        self._disconnect_clients_gracefully(status, reason)
        self.close(2 * DRAIN)

    def _shutdown_abruptly(self) -> None:
        self._disconnect_clients_abruptly()
        self.close(DRAIN)

    def close(self, timeout: float) -> None:
        """Says 1001 to every client, lets them take what is queued for a second, closes everything.

        Returns when all threads of clients have ended, or after `timeout` seconds.
        """
        end = time.monotonic() + timeout
        self.closing.set()
        with contextlib.suppress(OSError):
            self.socket.shutdown(SHUT_RDWR)  # ends the accept thread's wait
        with self._accepting:
            self.server_close()
        self._disconnect_clients_gracefully(1001, b"going away")
        self.admission.end_handshakes(idle_only=True)
        self._join_threads(min(end, time.monotonic() + DRAIN))
        self.admission.end_handshakes()
        for client in self.clients:
            client["handler"].client.outbox.abort(discard=False)
        self._join_threads(end)
        if self._running:
            log.warning("%d clients' threads have not ended within %.1f s", len(self._running), timeout)

    def _join_threads(self, until: float) -> None:
        """Waits for the clients' threads, and sends on, since the broadcast thread may have ended before."""
        while (left := until - time.monotonic()) > 0:
            for client in self.clients:
                client["handler"].client.outbox.flush()
            with self._lock:
                thread = next(iter(self._running), None)
            if thread is None:
                return
            if thread.ident is not None:
                thread.join(min(left, 0.02))
