"""What clients are told and may ask for, once they are in: the messages of this daemon, and its few HTTP pages."""

import json
import logging
import time
from collections.abc import Callable
from typing import Any

from netwatchd.addresses import Address
from netwatchd.broadcast import access, commands, messages
from netwatchd.broadcast.broadcaster import Broadcaster
from netwatchd.broadcast.client import Client
from netwatchd.broadcast.guesses import Guesses
from netwatchd.broadcast.http import Refusal, Request, reply
from netwatchd.config import Websocket
from netwatchd.counters import Counters
from netwatchd.events import Command, UpdateLists

log = logging.getLogger(__name__)

ABOUT = """This is netwatchd. Its WebSocket is at /ws, its health at /healthz, its status at /status.
To look at it in a terminal: netwatchd status | doctor | devices | flows | top | threats
"""


def at_once() -> str | None:
    """Of what is kept nowhere: there is nothing to wait for."""
    return None


class UnsupportedData(Exception):
    """The client sent a kind of message that is not understood here (close code 1003)."""


class Protocol:
    """Answers the clients. `act` does what one asks and returns an error sentence or None.

    `stored` waits until what was done is stored, and returns why it is not yet, or None.
    """

    def __init__(
        self,
        settings: Websocket,
        broadcaster: Broadcaster,
        act: Callable[[Command], str | None],
        counters: Counters,
        status: Callable[[], dict[str, Any]],
        healthy: Callable[[], bool],
        guesses: Guesses,
        stored: Callable[[], str | None] = at_once,
    ) -> None:
        self._settings = settings
        self._broadcaster = broadcaster
        self._act = act
        self._counters = counters
        self._status = status
        self._healthy = healthy
        self._guesses = guesses
        self._stored = stored

    def page(self, request: Request, origin: Address) -> bytes:
        """The reply to a plain HTTP request; raises Refusal."""
        if request.method != "GET":
            raise Refusal(405, "only GET is served here", "method", {"Allow": "GET"})
        if request.path == "/healthz":
            return reply(200, "ok\n") if self._healthy() else reply(503, "not well; see netwatchd status\n")
        if request.path == "/status":
            access.check_origin(request, self._settings.allowed_origins)
            access.check_host(request, self._settings.allowed_origins)
            self._guesses.check(request, origin, time.monotonic())
            return reply(200, json.dumps(self._status(), default=str) + "\n", {"Content-Type": "application/json"})
        if request.path == "/":
            return reply(200, ABOUT)
        if request.path == "/ws":
            raise Refusal(426, "this is a WebSocket; connect with ws://", "bad_request", {"Upgrade": "websocket"})
        raise Refusal(404, "there is nothing here; the WebSocket is at /ws", "not_found")

    def check(self, request: Request, origin: Address) -> None:
        """Raises Refusal where an upgrade may not be, or its URL asks for what cannot be given."""
        access.check_origin(request, self._settings.allowed_origins)
        self._guesses.check(request, origin, time.monotonic())
        try:
            _start_of(request)
        except ValueError as error:
            raise Refusal(400, str(error), "bad_request") from error

    def join(self, client: Client, request: Request) -> None:
        """Sends a client its first messages: `/ws?epoch=E&since=N` resumes, `topics=a,b` subscribes."""
        resume, client.topics = _start_of(request)
        self._broadcaster.join(client, (resume.epoch, resume.since) if resume else None)

    def hear(self, client: Client, message: str | bytes) -> None:
        """Does what a client asks, or tells it why not. Raises UnsupportedData."""
        if isinstance(message, bytes):
            raise UnsupportedData("only text is understood here")
        try:
            op, asked = commands.parse(message)
        except commands.BadCommand as error:
            self._counters.add("refused.commands")
            self._say(client, messages.error(error.op, str(error)))
            return
        if isinstance(asked, Command):
            if refusal := self._act(asked):
                self._say(client, messages.error(op, refusal))
            elif not isinstance(asked, UpdateLists):  # which changes nothing that is kept
                client.unstored = op
        else:
            self._obey(client, asked)

    def _obey(self, client: Client, asked: commands.Op) -> None:
        if isinstance(asked, commands.Subscribe):
            client.topics = asked.topics
        elif isinstance(asked, commands.Resume):
            self._broadcaster.resume(client, asked.epoch, asked.since)
        elif isinstance(asked, commands.TakeSnapshot):
            self._broadcaster.send_snapshot(client)
        elif isinstance(asked, commands.Ping):
            if asked.stored:
                self._wait_until_stored(client)
            self._say(client, messages.pong())

    def _wait_until_stored(self, client: Client) -> None:
        """Before its ping is answered: what a client was told of, no power cut takes back."""
        op, client.unstored = client.unstored, ""
        if not op:
            return
        client.waited_for = True
        try:
            why = self._stored()
        finally:
            client.hear()
            client.waited_for = False
        if why:
            self._say(client, messages.unstored(op, f"it is done, but not stored yet: {why}"))

    def _say(self, client: Client, frame: bytes) -> None:
        self._broadcaster.watch(client, client.outbox.say(frame))


def _start_of(request: Request) -> tuple[commands.Resume | None, int]:
    """Where the stream is to start, and the topics, as the URL says; raises ValueError."""
    query = request.query
    resume = None
    if "epoch" in query or "since" in query:
        since = query.get("since", "")
        number = int(since) if since.isascii() and since.isdigit() and len(since) <= 16 else None
        resume = commands.position_of(query.get("epoch"), number)
    topics = commands.topics_of(query["topics"].split(",")) if "topics" in query else messages.ALL_TOPICS
    return resume, topics
