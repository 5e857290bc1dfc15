"""Questions over HTTP, kept within bounds: nobody who asks may hold up those who store and those who tell.

At most MOST_AT_ONCE questions are looked after at a time, because what is made of rows in Python is done by one thread
at a time, and that may be the one which takes flows in. Who comes then waits a little, and is told to come again. A
question that takes too long is interrupted, at the next step of SQLite or the next row. Pages that ask the same within
a moment, as those of a family do, are told the same.

What answers is loaded with the first question: most daemons are never asked, and it is half a megabyte.
"""

import hashlib
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netwatchd.answers import Misasked, NotFound
from netwatchd.broadcast import json_text
from netwatchd.broadcast.http import Refusal
from netwatchd.broadcast.offers import Answer
from netwatchd.counters import Counters
from netwatchd.storage import queries

if TYPE_CHECKING:
    from netwatchd.storage.search import Search

MOST_AT_ONCE = 2
LONGEST_WAIT = 4.0  # seconds for a place
LONGEST = 10.0  # seconds for an answer
FRESH = 2.0  # seconds for which an answer is told again
MOST_KEPT = 32  # answers
LARGEST_KEPT = 65536  # bytes of one, compressed
Asked = tuple[str, tuple[tuple[str, str], ...]]


class Questions:
    """Answers questions about what is stored in a directory. Any thread may ask."""

    def __init__(self, directory: Path, counters: Counters, most_at_once: int = MOST_AT_ONCE) -> None:
        self._directory = directory
        self._counters = counters
        self._places = threading.BoundedSemaphore(most_at_once)
        self._ended = threading.Event()
        self._lock = threading.Lock()  # for the next two
        self._kept: dict[Asked, tuple[float, Answer]] = {}  # until when (monotonic seconds), the oldest first
        self._asking: dict[Asked, threading.Event] = {}

    def answer(self, name: str, query: Mapping[str, str]) -> Answer:
        """The answer to GET /api/`name` with the parameters of a URL; raises Refusal."""
        from netwatchd.answers.asked import values_of

        values = values_of(name, query)
        self._counters.add(f"asked.{name}")
        asked = name, tuple(sorted((key, text) for key, text in query.items() if key != "token"))
        end = time.monotonic() + LONGEST_WAIT
        while True:
            with self._lock:
                if kept := self._recall(asked):
                    return kept
                if (other := self._asking.get(asked)) is None:
                    mine = self._asking[asked] = threading.Event()
                    break
            if not other.wait(max(end - time.monotonic(), 0)):
                raise _busy()
        try:
            answer = self._found(name, values, end)
            self._keep(asked, answer)
            return answer
        finally:
            with self._lock:
                del self._asking[asked]
            mine.set()

    def end(self) -> None:
        """Answers nothing any more: what is being looked for is given up, since the daemon ends."""
        self._ended.set()

    def _recall(self, asked: Asked) -> Answer | None:
        """Call with the lock held."""
        until, answer = self._kept.get(asked, (0.0, None))
        return answer if time.monotonic() < until else None

    def _keep(self, asked: Asked, answer: Answer) -> None:
        now = time.monotonic()
        with self._lock:
            self._kept = {key: kept for key, kept in self._kept.items() if kept[0] > now}
            if len(answer.zipped) <= LARGEST_KEPT and len(self._kept) < MOST_KEPT:
                self._kept[asked] = now + FRESH, answer

    def _found(self, name: str, values: dict[str, Any], end: float) -> Answer:
        if not self._places.acquire(timeout=max(end - time.monotonic(), 0)):
            raise _busy()
        from netwatchd.answers.asked import QUESTIONS, Part

        deadline = time.monotonic() + LONGEST

        def given_up() -> bool:
            return self._ended.is_set() or time.monotonic() >= deadline

        mark = queries.given_up.set(given_up)
        try:
            found = QUESTIONS[name].answer(self._directory, **values)
            rows = found.rows if isinstance(found, Part) else found
            zipped, size = json_text.zipped(_in_time(json_text.pieces_of(rows), given_up))
            headers = {"ETag": f'W/"{hashlib.blake2b(zipped, digest_size=9).hexdigest()}"'}
            return Answer(zipped, size, headers | (_rest_of(found.search) if isinstance(found, Part) else {}))
        except Misasked as error:
            raise Refusal(400, str(error), "bad_request") from error
        except NotFound as error:
            raise Refusal(404, str(error), "not_found") from error
        except (queries.NoDatabase, sqlite3.Error, TimeoutError) as error:
            if given_up():
                raise (_ending() if self._ended.is_set() else _too_long()) from error
            raise Refusal(503, f"the database cannot be read: {error}", "no_answer", {"Retry-After": "5"}) from error
        finally:
            queries.given_up.reset(mark)
            self._places.release()


def _rest_of(search: "Search") -> dict[str, str]:
    """The headers that tell where more may be found."""
    if search.before is None:
        return {}
    return {"Netwatchd-Before": str(search.before), "Netwatchd-Stopped": "yes" if search.stopped else "no"}


def _in_time(pieces: Iterator[str], given_up: Callable[[], bool]) -> Iterator[str]:
    for piece in pieces:
        if given_up():
            raise TimeoutError
        yield piece


def _ending() -> Refusal:
    return Refusal(503, "the server is going away", "closing")


def _busy() -> Refusal:
    return Refusal(503, "too many questions are asked at once; ask again in a moment", "busy", {"Retry-After": "2"})


def _too_long() -> Refusal:
    sentence = f"that takes more than {LONGEST:.0f} s; ask for less: a shorter time, or a lower limit"
    return Refusal(503, sentence, "too_slow", {"Retry-After": "30"})
