"""What may be asked over HTTP: GET /api/NAME answers what the verb NAME prints with `--json`, by the same flags."""

import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from netwatchd.answers.activity import activity
from netwatchd.answers.devices import devices, portrait
from netwatchd.answers.flows import Like, part
from netwatchd.answers.moments import moment
from netwatchd.answers.portrait import as_json
from netwatchd.answers.presence import presence
from netwatchd.answers.threats import UNDISMISSED, threat, threats
from netwatchd.answers.top import top
from netwatchd.answers.traffic import STEPS, traffic
from netwatchd.broadcast.http import Refusal
from netwatchd.broadcast.messages import flow_json
from netwatchd.events import SEVERITIES, ThreatStatus
from netwatchd.storage.search import Bounds, Search

MOST_ROWS = 10_000  # of one answer: 5 MB of flows
# What one question may look at. Whoever wants more goes on below where it stopped.
MOST_LOOKED_AT = 5_000_000  # flows
LOOKS_FOR = 3.0  # seconds
Parameter = Callable[[str], Any]


class Part(NamedTuple):
    """A list that may not be all there is, as `search` tells when the rows were walked through, once."""

    rows: Iterator[dict[str, Any]]
    search: Search


def values_of(name: str, query: Mapping[str, str]) -> dict[str, Any]:
    """What the parameters of a URL say to the question `name`; raises Refusal."""
    if name not in QUESTIONS:
        raise Refusal(404, f"there is no answer {name!r:.40}; there are {', '.join(QUESTIONS)}", "not_found")
    question = QUESTIONS[name]
    values = {}
    for key, text in query.items():
        if key == "token":
            continue
        if key not in question.parameters:
            known = ", ".join(question.parameters)
            raise Refusal(400, f"{name} has no parameter {key!r:.40}; it has {known}", "bad_request")
        try:
            values[key] = question.parameters[key](text)
        except ValueError as error:
            raise Refusal(400, f"{key}: {error}", "bad_request") from error
    if missing := [key for key in question.needed if key not in values]:
        raise Refusal(400, f"{name} needs the parameter {missing[0]}", "bad_request")
    return values


def _count(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or not 1 <= int(text[:9]) <= MOST_ROWS:
        raise ValueError(f"{text!r:.40} should be a whole number from 1 to {MOST_ROWS:,}")
    return int(text[:9])


def _number(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or len(text) > 18:
        raise ValueError(f"{text!r:.40} should be a whole number")
    return int(text)


def _flag(text: str) -> bool:
    if text not in ("yes", "no"):
        raise ValueError(f"{text!r:.40} should be yes or no")
    return text == "yes"


def _one_of(words: tuple[str, ...]) -> Parameter:
    def read(text: str) -> str:
        if text not in words:
            raise ValueError(f"{text!r:.40} should be one of {', '.join(words)}")
        return text

    return read


def _statuses(text: str) -> tuple[str, ...]:
    known = tuple(ThreatStatus)
    if text == "all":
        return known
    return tuple(_one_of(known)(word) for word in text.split(","))


def _devices(directory: Path, *, limit: int = MOST_ROWS, **asked: Any) -> Any:
    return devices(directory, limit=limit, **asked).rows


def _device(directory: Path, *, device: str, since: int | None = None, **asked: Any) -> Any:
    return as_json(portrait(directory, device, since=moment("7 d") if since is None else since, **asked))


def _threats(directory: Path, *, status: tuple[str, ...] = UNDISMISSED, **asked: Any) -> Any:
    return threats(directory, status=status, **asked).rows


def _flows(directory: Path, *, limit: int = 50, **asked: Any) -> Part:
    search = part(directory, Like(**asked), limit, Bounds(MOST_LOOKED_AT, time.monotonic() + LOOKS_FOR))
    return Part(map(flow_json, search), search)


def _top(directory: Path, *, by: str = "device", since: int | None = None, **asked: Any) -> Any:
    return top(directory, by, since=moment("24 h") if since is None else since, **asked).rows


def _presence(directory: Path, *, since: int | None = None, **asked: Any) -> Any:
    return presence(directory, since=moment("24 h") if since is None else since, **asked)


def _traffic(directory: Path, *, since: int | None = None, **asked: Any) -> Any:
    return traffic(directory, since=moment("24 h") if since is None else since, **asked)


class Question(NamedTuple):
    """What answers a question, by which parameters, of which these are needed."""

    answer: Callable[..., Any]
    parameters: dict[str, Parameter]
    needed: tuple[str, ...] = ()


_COMMON: dict[str, Parameter] = {"since": moment, "limit": _count, "device": str}
_OF_FLOWS = ("peer", "port", "protocol", "state", "text")
_BY = ("device", "destination", "port")
QUESTIONS = {
    "devices": Question(
        _devices,
        {**_COMMON, "online": _flag, "kind": str, "new": moment, "today": moment},
    ),
    "device": Question(_device, {**_COMMON, "today": moment}, ("device",)),
    "flows": Question(_flows, {**_COMMON, "until": moment, "before": _number, **dict.fromkeys(_OF_FLOWS, str)}),
    "threats": Question(
        _threats, {**_COMMON, "status": _statuses, "kind": str, "severity": _one_of(SEVERITIES), "text": str}
    ),
    "threat": Question(lambda directory, id: threat(directory, id), {"id": _number}, ("id",)),
    "top": Question(_top, {"by": _one_of(_BY), **_COMMON, "until": moment}),
    "traffic": Question(_traffic, {"since": moment, "until": moment, "step": _one_of(tuple(STEPS)), "device": str}),
    "activity": Question(activity, {"since": moment, "device": str, "today": moment}),
    "presence": Question(_presence, _COMMON),
}
