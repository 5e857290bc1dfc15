"""One client's thread: its handshake, then whatever it sends, until it leaves or is given up.

The thread blocks in recv() only; what it writes goes through the outbox as everybody else's does. wsproto does the
handshake and the framing (RFC 6455), with no extension, so that permessage-deflate is declined.
"""

import logging
import select
import time
from base64 import b64decode
from collections.abc import Callable
from socketserver import BaseRequestHandler
from threading import Lock
from typing import TYPE_CHECKING, Any

from wsproto import WSConnection
from wsproto.connection import Connection as Framing
from wsproto.connection import ConnectionState, ConnectionType
from wsproto.events import AcceptConnection, BytesMessage, CloseConnection, Event, TextMessage
from wsproto.events import Ping as PingFrame
from wsproto.frame_protocol import CloseReason
from wsproto.utilities import RemoteProtocolError

from netwatchd.broadcast import access, messages
from netwatchd.broadcast.admission import origin_of
from netwatchd.broadcast.client import Client
from netwatchd.broadcast.http import Refusal, Reply, Request, read_request, reply
from netwatchd.broadcast.patience import Verdict
from netwatchd.broadcast.protocol import UnsupportedData
from netwatchd.broadcast.tls import TlsTransport
from netwatchd.broadcast.transport import Transport

if TYPE_CHECKING:
    from netwatchd.broadcast.server import Server

log = logging.getLogger(__name__)

# For how long (seconds) a connection is kept for another request, and for how many. A page asks for its files within a
# moment, over six connections, and anything later may as well open another one.
IDLE = 10.0
MOST_REQUESTS = 500
PIECE = 65536  # bytes of a reply that must be taken within the time of a handshake
BINARY = 0x2  # opcode, RFC 6455 section 11.8
LINGER = 1.0  # seconds for what was said last to arrive, and for the client to close


class Connection(BaseRequestHandler):
    """A client, from the accepted socket to its end. socketserver calls `handle` in the connection's own thread."""

    server: "Server"

    def setup(self) -> None:
        """Prepares the socket; the TLS handshake is part of `handle`."""
        self.address = _address_text(self.client_address)
        self.origin = origin_of(self.client_address)
        self.upgrade: Request | None = None  # what asked for the WebSocket
        self.client: Client | None = None
        self.entry: dict[str, Any] | None = None  # in the server's list of clients
        self._answered = 0  # requests
        self._bodiless = False  # whether the last one was for the head alone
        self._message: list[Any] = []  # the pieces of the one that is arriving
        self._message_size = 0
        self._lock = Lock()
        context = self.server.tls
        self._transport = (
            Transport(self.request) if context is None else TlsTransport(self.request, context, self._lock)
        )

    def handle(self) -> None:
        """Serves the client to its end."""
        deadline = time.monotonic() + self.server.settings.handshake_timeout
        framing = self._open(deadline)
        if framing is None:
            return
        self.request.settimeout(None)  # from here on, only MSG_DONTWAIT keeps a write from blocking
        client = self.client = Client(self.address, self._transport, self.server.settings.queue_size, self._lock)
        try:
            self.server.enter(self)
            self._listen(framing, client)
        finally:
            self.server.broadcaster.leave(client)
            client.outbox.close()

    def finish(self) -> None:
        """Gives the place back."""
        self.server.release(self)

    def send_message(self, message: str | bytes) -> None:
        """Sends a text or binary message to this client."""
        text = isinstance(message, str)
        payload = message.encode() if isinstance(message, str) else message
        self.say(messages.frame(payload, messages.TEXT if text else BINARY))

    def say(self, frame: bytes) -> None:
        """Sends a frame to this client."""
        assert self.client, "only who is connected can be talked to"
        verdict = self.client.outbox.say(frame)
        self.server.broadcaster.watch(self.client, verdict)

    def finish_with(self, close_frame: bytes, at_once: bool) -> None:
        """Sends the close frame; the client is to answer by closing."""
        assert self.client, "only who is connected can be closed"
        self.server.broadcaster.watch(self.client, self.client.outbox.finish(close_frame, at_once))

    # The handshake.

    def _open(self, deadline: float) -> Framing | None:
        """TLS, the request, and the upgrade; None where it does not come to that."""
        try:
            self._transport.handshake(deadline)
        except OSError as error:
            self._count("refused.timeout" if isinstance(error, TimeoutError) else "refused.tls")
            log.debug("TLS handshake with %s failed: %s", self.address, error)
            return None
        try:
            return self._answer(deadline)
        except Refusal as refusal:
            self._count(f"refused.{refusal.word}")
            self._refuse(refusal, deadline)
        except OSError as error:
            if not self._answered:
                self._count("refused.disconnected")
            log.debug("connection to %s ended in the handshake: %s", self.address, error)
        return None

    def _count(self, refused: str) -> None:
        self.server.admission.refuse(self.request, refused)

    def _answer(self, deadline: float) -> Framing | None:
        """Answers requests until one asks for the upgrade, or it was the last; raises Refusal, OSError."""
        rest = b""
        while (request := self._next_request(rest, deadline)) is not None:
            if request.path == "/ws" and request.wants_upgrade:
                self.upgrade = request
                response = self._upgrade_reply(request)
                self.server.reserve(self)
                self._transport.send_all(response, deadline)
                return Framing(ConnectionType.SERVER, trailing_data=request.rest)
            self._answered += 1
            self._bodiless = request.method == "HEAD"
            goes_on = request.goes_on and self._answered < MOST_REQUESTS and not self.server.closing.is_set()
            self._send(self.server.pages.reply(request, self.origin), IDLE if goes_on else 0)
            if not goes_on:
                self._transport.linger(LINGER)
                return None
            self.server.admission.rest(self.request)
            rest, deadline = request.rest, time.monotonic() + IDLE
        if not self._answered:
            self._count("refused.disconnected")
        return None

    def _next_request(self, rest: bytes, deadline: float) -> Request | None:
        """The next request, of which `rest` is there; None where the client leaves, or has asked for all it wanted."""
        # Empty lines before a request are passed over, as RFC 9112 section 2.2 wants it.
        while not (rest := rest.lstrip(b"\r\n")):
            try:
                if not (rest := self._transport.receive(deadline)):
                    return None
            except TimeoutError:
                if self._answered:
                    return None
                raise _too_late() from None
        if self._answered:
            self._bodiless = False  # of what comes now, nothing is known
            self.server.admission.go_on(self.request)
            deadline = time.monotonic() + self.server.settings.handshake_timeout
        try:
            return read_request(lambda: self._transport.receive(deadline), rest)
        except TimeoutError:
            raise _too_late() from None

    def _send(self, answer: Reply, idle: float) -> None:
        """Sends a reply; raises OSError where the client does not take it."""
        waiting = answer.head(idle)
        for piece in answer.body:
            waiting += piece
            while len(waiting) >= PIECE:
                self._send_piece(waiting[:PIECE])
                waiting = waiting[PIECE:]
        self._send_piece(waiting)

    def _send_piece(self, piece: bytes) -> None:
        self._transport.send_all(piece, time.monotonic() + self.server.settings.handshake_timeout)

    def _upgrade_reply(self, request: Request) -> bytes:
        """The reply that upgrades the connection; raises Refusal where it may not be."""
        if request.method != "GET":
            raise Refusal(405, "only GET is served here", "method", {"Allow": "GET"})
        if request.version != "1.1":
            raise Refusal(400, "WebSocket needs HTTP/1.1", "bad_request")
        handshake = WSConnection(ConnectionType.SERVER)
        try:
            handshake.initiate_upgrade_connection(request.raw_headers, request.target)
        except RemoteProtocolError as error:
            raise _refusal_of(error) from error
        except UnicodeError as error:
            raise Refusal(400, "the Host header cannot be read", "bad_request") from error
        if not _is_nonce(request.headers["sec-websocket-key"]):
            raise Refusal(400, "the Sec-WebSocket-Key is none", "bad_request")
        self.server.protocol.check(request, self.origin)
        return handshake.send(AcceptConnection(subprotocol=access.token_protocol(request)))

    def _refuse(self, refusal: Refusal, deadline: float) -> None:
        if refusal.word in ("wrong_token", "guessing"):
            log.warning(
                "refused %s: %s",
                self.address,
                refusal,
                extra={"repeat": f"broadcast.token.{self.origin!r}", "client": self.address},
            )
        try:
            answer = reply(refusal.status, f"{refusal}\n", refusal.headers)
            body = b"" if self._bodiless else b"".join(answer.body)
            self._transport.send_all(answer.head(0) + body, max(deadline, time.monotonic() + LINGER))
            self._transport.linger(LINGER)
        except OSError as error:
            log.debug("cannot tell %s that it is refused: %s", self.address, error)

    # The conversation.

    def _listen(self, framing: Framing, client: Client) -> None:
        """Reads until the connection ends, either way."""
        while True:
            for event in framing.events():
                if not self._take(event, framing, client):
                    return
            try:
                data = self._transport.receive()
            except OSError:  # ssl.SSLError is one
                self.server.broadcaster.strike_off(client, "reset")
                return
            if not data:
                return
            client.hear()
            framing.receive_data(data)

    def _take(self, event: Event, framing: Framing, client: Client) -> bool:
        """Acts on one event; returns whether the conversation goes on."""
        if isinstance(event, TextMessage | BytesMessage):
            return self._gather(event, framing, client)
        if isinstance(event, PingFrame):
            self.say(framing.send(event.response()))
            return self._wait_for_room(client)
        if isinstance(event, CloseConnection):
            if framing.state is not ConnectionState.REMOTE_CLOSING:  # not the client's wish, but its mistake
                return self._expel(framing, client, event.code, event.reason or "")
            self._part(framing.send(event.response()), client)
            return False
        return True

    def _gather(self, event: TextMessage | BytesMessage, framing: Framing, client: Client) -> bool:
        """Collects the pieces of a message, up to the limit, and hands it over when it is whole."""
        self._message_size += len(event.data.encode()) if isinstance(event.data, str) else len(event.data)
        if self._message_size > self.server.settings.max_message:
            return self._expel(framing, client, CloseReason.MESSAGE_TOO_BIG, "the message is too big")
        if event.data:
            self._message.append(event.data)
        if not event.message_finished:
            return True
        empty: str | bytes = "" if isinstance(event, TextMessage) else b""
        message = empty.join(self._message)
        self._message, self._message_size = [], 0
        self.server.counters.add("messages.clients")
        assert self.entry, "only who is on the list is listened to"
        try:
            self.server.message_received(self.entry, self.server, message)
        except UnsupportedData as error:
            return self._expel(framing, client, CloseReason.UNSUPPORTED_DATA, str(error))
        return self._wait_for_room(client)

    def _wait_for_room(self, client: Client) -> bool:
        """Reads no more from a client that asks without taking the answers; returns whether it is still there."""
        self._flush_while(client, lambda: client.outbox.crowded, float("inf"))
        return not client.outbox.closed

    def _expel(self, framing: Framing, client: Client, code: int, reason: str) -> bool:
        self.server.broadcaster.strike_off(client, f"protocol error {int(code)}")
        self._part(framing.send(CloseConnection(code=code, reason=reason)), client)
        return False

    def _part(self, close_frame: bytes, client: Client) -> None:
        """Sends the close frame, with a little time for it to arrive."""
        client.outbox.finish(bytes(close_frame), at_once=True)
        self._flush_while(client, lambda: client.outbox.waiting, time.monotonic() + LINGER)
        self.server.broadcaster.leave(client)
        if not client.outbox.closed:
            client.outbox.close()
            self._transport.linger(LINGER)

    def _flush_while(self, client: Client, condition: Callable[[], bool], deadline: float) -> None:
        """Sends on from this thread, whether or not the broadcast thread does, while a condition holds."""
        poll = select.poll()
        poll.register(self.request, select.POLLOUT)
        while condition() and (left := deadline - time.monotonic()) > 0:
            poll.poll(min(left, 0.25) * 1000)
            if client.outbox.flush() is Verdict.DROP:
                return


def _too_late() -> Refusal:
    return Refusal(408, "the request did not arrive in time", "timeout")


def _is_nonce(key: str) -> bool:
    """Whether it is what RFC 6455 section 4.2.1 asks for: 16 bytes in base64. wsproto takes anything."""
    try:
        return len(b64decode(key, validate=True)) == 16
    except ValueError:
        return False


def _refusal_of(error: RemoteProtocolError) -> Refusal:
    hint = error.event_hint
    status = getattr(hint, "status_code", 400)
    headers = {name.decode(): value.decode() for name, value in getattr(hint, "headers", [])}
    if status == 426:
        return Refusal(426, "only version 13 of WebSocket is spoken here", "version", headers)
    return Refusal(400, f"this is no WebSocket handshake: {error}", "bad_request", headers)


def _address_text(address: tuple[Any, ...]) -> str:
    host, port = str(address[0]).removeprefix("::ffff:"), address[1]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
