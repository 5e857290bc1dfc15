"""A client of the daemon's WebSocket: it reads the stream, says what the user wants, and hears whether it was done.

Nothing here has a thread: whoever reads or speaks waits, up to a deadline. Pings are answered while somebody reads.
"""

import json
import socket
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    CloseConnection,
    Event,
    Ping,
    RejectConnection,
    RejectData,
    Request,
    TextMessage,
)
from wsproto.utilities import RemoteProtocolError

from netwatchd import config
from netwatchd.cli.answer import Trouble, Unanswered
from netwatchd.cli.reach import TIMEOUT, Place, reached, refused, silent

Message = dict[str, Any]
READ_SIZE = 65536
# Seconds until the daemon says that what it has done is stored; where it is not, it says so after 5.
TIMEOUT_STORED = 10.0
# A snapshot of 20,000 devices is 15 MB; what is longer comes from somebody else.
LONGEST_MESSAGE = 2**27  # characters


class Refused(Trouble):
    """The daemon does not do what it was asked; the text is its own."""


def unstored(told: Iterable[Message]) -> str | None:
    """Why something that was done is not stored, where that was told."""
    return next((str(each.get("message")) for each in told if each.get("stored") is False), None)


@contextmanager
def stream(websocket: config.Websocket, topics: str = "devices", timeout: float = TIMEOUT) -> Iterator["Stream"]:
    """A connection to the running daemon; raises Unanswered where none is, or where it lets nobody in.

    `topics` are those of `subscribe`, between commas; `timeout` is in seconds, and for each answer.
    """
    with stream_at(reached(websocket), f"topics={topics}", timeout) as opened:
        yield opened


@contextmanager
def stream_at(place: Place, query: str, timeout: float = TIMEOUT) -> Iterator["Stream"]:
    """The same, of a daemon anywhere; `query` is what stands behind the `?` of the URL."""
    try:
        peer = _connect(place, timeout)
    except OSError as error:
        raise silent(str(place), error) from error
    with peer:
        opened = Stream(peer, str(place), timeout)
        opened.open(place, f"{place.path}?{query}")
        yield opened
        opened.close()


def _connect(place: Place, timeout: float) -> socket.socket:
    peer = socket.create_connection((place.host, place.port), timeout)
    try:
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return place.tls.wrap_socket(peer, server_hostname=place.host) if place.tls else peer
    except BaseException:
        peer.close()
        raise


class Stream:
    """The daemon's messages, one after the other."""

    def __init__(self, peer: socket.socket, where: str, timeout: float) -> None:
        self._peer = peer
        self._where = where
        self._timeout = timeout
        self._framing = WSConnection(ConnectionType.CLIENT)
        self._pieces: list[str] = []  # of the message that is arriving
        self._size = 0
        self._messages: deque[tuple[Message, str]] = deque()  # whole ones that nobody has read yet, and as they came
        self.text = ""  # the message that was read last, as it came
        self._refusal: tuple[int, bytes] | None = None  # status and body of a reply that is no upgrade
        self._opened = False
        self._end: Unanswered | None = None  # why nothing comes any more, once all that came before is read

    def open(self, place: Place, target: str) -> None:
        """The handshake; raises Unanswered."""
        headers = [(key.encode(), value.encode()) for key, value in place.headers.items()]
        deadline = time.monotonic() + self._timeout
        self._send(self._framing.send(Request(host=place.authority, target=target, extra_headers=headers)))
        while not self._opened:
            if not self._receive(deadline):
                raise silent(self._where, TimeoutError("timed out"))

    def read(self, timeout: float | None = None) -> Message | None:
        """The next message; None where there is none in `timeout` seconds. Raises Unanswered where the daemon ends."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while not self._messages:
            if not self._receive(deadline):
                return None
        message, self.text = self._messages.popleft()
        return message

    def say(self, op: str, **fields: Any) -> None:
        """Sends an op, as docs/INTERFACE.md has them."""
        self._send(self._framing.send(TextMessage(json.dumps({"op": op, **fields}))))

    def act(self, op: str, **fields: Any) -> list[Message]:
        """Has the daemon do something; returns what it told meanwhile. Raises Refused, with the daemon's sentence.

        What is done but not stored is no reason to raise: `unstored` finds it in what was told.
        """
        self.say(op, **fields)
        self.say("ping")
        told, refusal = self._answer()
        if refusal is not None:
            raise Refused(refusal)
        return told

    def act_all(self, op: str, each: Sequence[dict[str, Any]]) -> tuple[list[Message], dict[int, str]]:
        """Has the daemon do something with each of these fields, and store all of it together.

        Returns what it told meanwhile, and its sentence where it refused one, by its index.
        """
        for fields in each:
            self.say(op, **fields)
            self.say("ping", stored=False)
        self.say("ping")
        told: list[Message] = []
        refused: dict[int, str] = {}
        for index in range(len(each) + 1):
            some, refusal = self._answer()
            told += some
            if refusal is not None:
                refused[index] = refusal
        return told, refused

    def _answer(self) -> tuple[list[Message], str | None]:
        """What is told up to the answer to a ping, and what of that is wrong with the op before it.

        What is wrong is told before; else the op is done by then and, unless the ping said otherwise, stored.
        """
        told = self.until(lambda message: message["type"] == "pong", max(self._timeout, TIMEOUT_STORED))
        wrong = (each for each in told if each["type"] == "error" and each.get("stored") is not False)
        return told, next((str(each.get("message")) for each in wrong), None)

    def catch_up(self) -> list[Message]:
        """What a client that has just come is told: the snapshot, and what happened since that was made.

        It may have been made for another client, a moment ago.
        """
        told = self.until(lambda message: message["type"] == "snapshot")
        self.say("ping")
        return told + self.until(lambda message: message["type"] == "pong")

    def until(self, wanted: Callable[[Message], Any], timeout: float | None = None) -> list[Message]:
        """The next messages, up to one that is wanted; raises Unanswered where it does not come in time."""
        deadline = time.monotonic() + (self._timeout if timeout is None else timeout)
        told: list[Message] = []
        while not told or not wanted(told[-1]):
            message = self.read(max(deadline - time.monotonic(), 0))
            if message is None:
                raise silent(self._where, TimeoutError("timed out"))
            told.append(message)
        return told

    def close(self) -> None:
        """Says good-bye; what the daemon says to that is not waited for."""
        with suppress(Unanswered):
            self._send(self._framing.send(CloseConnection(code=1000)))

    def _receive(self, deadline: float | None) -> bool:
        """Takes in what has arrived, or arrives by then; False where nothing does."""
        if self._end:
            raise self._end
        self._peer.settimeout(None if deadline is None else max(deadline - time.monotonic(), 0.001))
        try:
            data = self._peer.recv(READ_SIZE)
        except TimeoutError:
            return False
        except OSError as error:
            raise silent(self._where, error) from error
        if not data:
            raise self._ended("it closed the connection")
        try:
            self._framing.receive_data(data)
            for event in self._framing.events():
                self._take(event)
        except RemoteProtocolError as error:
            raise self._stranger() from error
        return True

    def _take(self, event: Event) -> None:
        if isinstance(event, TextMessage):
            self._gather(event)
        elif isinstance(event, Ping):
            self._send(self._framing.send(event.response()))
        elif isinstance(event, AcceptConnection):
            self._opened = True
        elif isinstance(event, RejectConnection):
            self._refusal = event.status_code, b""
        elif isinstance(event, RejectData) and self._refusal:
            self._refusal = self._refusal[0], self._refusal[1] + event.data
            if event.body_finished or len(self._refusal[1]) > READ_SIZE:
                raise self._ended("")
        elif isinstance(event, CloseConnection):
            self._end = self._ended(event.reason or f"it closed the connection ({int(event.code)})")

    def _gather(self, event: TextMessage) -> None:
        self._pieces.append(event.data)
        self._size += len(event.data)
        if self._size > LONGEST_MESSAGE:
            raise self._stranger()
        if not event.message_finished:
            return
        text, self._pieces, self._size = "".join(self._pieces), [], 0
        try:
            message = json.loads(text)
        except (ValueError, RecursionError):
            message = None
        if not isinstance(message, dict) or not isinstance(message.get("type"), str):
            raise self._stranger()
        self._messages.append((message, text))

    def _send(self, data: bytes) -> None:
        try:
            self._peer.settimeout(self._timeout)
            self._peer.sendall(data)
        except OSError as error:
            raise silent(self._where, error) from error

    def _ended(self, reason: str) -> Unanswered:
        if self._refusal:
            # A reply of HTTP that is no error is another server's.
            return refused(self._where, *self._refusal) if self._refusal[0] >= 400 else self._stranger()
        if not self._opened:
            return silent(self._where, ConnectionError(reason))
        return Unanswered(f"netwatchd at {self._where} does not go on: {reason}")

    def _stranger(self) -> Unanswered:
        return Unanswered(f"what answers at {self._where} is not netwatchd")
