"""What clients are told and may ask for, once they are in: the messages of this daemon."""

import logging
import time

from netwatchd.addresses import Address
from netwatchd.broadcast import access, commands, messages
from netwatchd.broadcast.broadcaster import Broadcaster
from netwatchd.broadcast.client import Client
from netwatchd.broadcast.guesses import Guesses
from netwatchd.broadcast.http import Refusal, Request
from netwatchd.broadcast.offers import Offers
from netwatchd.config import Websocket
from netwatchd.counters import Counters
from netwatchd.events import Command, UpdateLists

log = logging.getLogger(__name__)


class UnsupportedData(Exception):
    """The client sent a kind of message that is not understood here (close code 1003)."""


class Protocol:
    """Answers the clients."""

    def __init__(
        self,
        settings: Websocket,
        broadcaster: Broadcaster,
        offers: Offers,
        counters: Counters,
        guesses: Guesses,
    ) -> None:
        self._settings = settings
        self._broadcaster = broadcaster
        self._offers = offers
        self._counters = counters
        self._guesses = guesses

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
            if refusal := self._offers.act(asked):
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
            why = self._offers.stored()
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
