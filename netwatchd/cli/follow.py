"""The stream without an end: where the daemon or the way to it is lost, it is gone on with where it stopped."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from urllib.parse import quote

from netwatchd.cli.answer import Unanswered
from netwatchd.cli.reach import Place
from netwatchd.cli.stream import Message, Stream, stream_at
from netwatchd.cli.terminal import printable

PAUSES = (0.5, 1.0, 2.0, 5.0)  # seconds before each attempt to come back; the last one for all that follow
IDLE = 30.0  # seconds of silence after which the daemon is asked whether it is still there
PATIENCE = 10.0  # seconds for its answer
SNAPSHOT_PAUSE = 10.0  # seconds between two snapshots that are asked for: one is made of all devices
# Reasons of a gap behind which no snapshot follows by itself.
UNASKED = ("slow client", "overload")


class Follow:
    """Reads the stream of a daemon, and comes back to it."""

    def __init__(
        self, place: Place, topics: str, *, tick: float = 1.0, say: Callable[[str], None] | None = None
    ) -> None:
        """`topics` with commas between, `tick` in seconds; `say` is told how it goes, else standard error is."""
        self._place = place
        self._topics = topics
        self._tick = tick
        self._say = say or _say
        self._epoch, self._seq = "", -1  # the position
        self._heard = 0.0  # when there was a message, or somebody to say one
        self._pinged = -1.0  # when it was asked whether it is there
        self._asked = -SNAPSHOT_PAUSE  # when a snapshot was asked for
        self.text = ""  # the last message, as it came

    def messages(self) -> Iterator[Message | None]:
        """Each message, and None where none came for a tick; raises Unanswered where no daemon ever was.

        While there is none, and when there is one again, that is said on standard error.
        """
        said, attempt = "", 0
        while True:
            try:
                with stream_at(self._place, self._query()) as live:
                    self._heard = time.monotonic()
                    for message in self._read(live):
                        if said and message:
                            self._say(f"connected again to {self._place}")
                            said, attempt = "", 0
                        yield message
            except Unanswered as error:
                if not self._epoch:
                    raise
                if str(error) != said:
                    said = str(error)
                    self._say(f"reconnecting ... {said}")
            yield None
            time.sleep(PAUSES[min(attempt, len(PAUSES) - 1)])
            attempt += 1

    def _query(self) -> str:
        position = f"&epoch={quote(self._epoch)}&since={self._seq}" if self._seq >= 0 else ""
        return f"topics={self._topics}{position}"

    def _read(self, live: Stream) -> Iterator[Message | None]:
        while True:
            message = live.read(self._tick)
            now = time.monotonic()
            if message is None:
                if now - self._heard > IDLE:
                    self._ask(live)
                yield None
                continue
            self._heard = now
            self.text = live.text
            self._note(live, message, now)
            if message["type"] != "pong":  # the answer to our own question
                yield message

    def _ask(self, live: Stream) -> None:
        """Whether the daemon is still there: a way that is lost says nothing, for hours. Raises Unanswered."""
        if self._pinged < self._heard:
            self._pinged = time.monotonic()
            live.say("ping")
        elif time.monotonic() - self._pinged > PATIENCE:
            raise Unanswered(f"netwatchd at {self._place} is silent")

    def _note(self, live: Stream, message: Message, now: float) -> None:
        """Keeps the position, as docs/INTERFACE.md has it; asks for what is known where messages were missed."""
        kind, seq = message["type"], message.get("seq")
        if kind == "hello":
            epoch = str(message.get("epoch", ""))
            if epoch != self._epoch:
                self._epoch, self._seq = epoch, -1  # numbers of another run mean nothing in this one
        elif not self._epoch:
            raise Unanswered(f"what answers at {self._place} is not netwatchd")
        elif kind == "gap":
            if message.get("reason") in UNASKED and now - self._asked > SNAPSHOT_PAUSE:
                self._asked = now
                with suppress(Unanswered):  # the next read says so
                    live.say("snapshot")
        elif isinstance(seq, int):
            self._seq = seq


def _say(sentence: str) -> None:
    print(f"netwatchd: {printable(sentence)}", file=sys.stderr, flush=True)
