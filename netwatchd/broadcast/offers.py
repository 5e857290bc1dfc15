"""What the daemon lets clients have: its functions, which the server calls from clients' threads."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from netwatchd.broadcast.http import Refusal
from netwatchd.events import Command


@dataclass(frozen=True)
class Answer:
    """What is answered to a question: JSON as gzip has it, how many bytes it is without, and headers that say more."""

    zipped: bytes
    size: int
    headers: dict[str, str] = field(default_factory=dict)


def _nothing(name: str, _query: Mapping[str, str]) -> Answer:
    raise Refusal(404, f"there is no answer {name!r:.40} here", "not_found")


@dataclass(frozen=True)
class Offers:
    """Each may raise Refusal, with the status and the sentence that the client is told, but for `act` and `stored`."""

    act: Callable[[Command], str | None]  # does what a client asks; returns why not
    status: Callable[[], dict[str, Any]]  # GET /status
    ill: Callable[[], str | None] = lambda: None  # GET /healthz: why it is not well, or None
    answer: Callable[[str, Mapping[str, str]], Answer] = _nothing  # GET /api/NAME?...
    stored: Callable[[], str | None] = lambda: None  # waits until what was done is stored; why it is not yet
