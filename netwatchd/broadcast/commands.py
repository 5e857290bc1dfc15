"""What a client may ask for: the text of a message becomes an Op, or a sentence that says what is wrong with it."""

import json
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from netwatchd.addresses import address_text, parse_address, parse_mac
from netwatchd.broadcast.messages import TOPICS
from netwatchd.events import Command, Forget, Judge, Merge, Rename, Split, ThreatStatus, UpdateLists

LONGEST_NAME = 100  # characters


class BadCommand(ValueError):
    """A message is no command; `op` is what it claims to be."""

    def __init__(self, op: str, message: str) -> None:
        super().__init__(message)
        self.op = op


@dataclass(frozen=True, slots=True)
class Subscribe:
    """Only these topics (bits) from now on."""

    topics: int


@dataclass(frozen=True, slots=True)
class Resume:
    """Everything after the number `since` of the run `epoch` again."""

    epoch: str
    since: int


@dataclass(frozen=True, slots=True)
class TakeSnapshot:
    """The whole state again."""


@dataclass(frozen=True, slots=True)
class Ping:
    """Is anybody there? `stored`: and is all stored that was said before?"""

    stored: bool


Op = Subscribe | Resume | TakeSnapshot | Ping | Command


def parse(text: str) -> tuple[str, Op]:
    """The op's name and what it means; raises BadCommand."""
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        raise BadCommand("", "the message is no JSON") from None
    if not isinstance(message, dict) or not isinstance(message.get("op"), str):
        raise BadCommand("", "the message should be an object with an 'op'")
    op = message["op"]
    if op not in _READERS:
        raise BadCommand(op[:40], f"there is no such op; there are {', '.join(_READERS)}")
    try:
        return op, _READERS[op](message)
    except ValueError as error:
        raise BadCommand(op, str(error)) from None


def topics_of(names: Any) -> int:
    """The bits of a list of topics; raises ValueError."""
    if not isinstance(names, list) or not all(isinstance(name, str) and name in TOPICS for name in names):
        raise ValueError(f"'topics' should be a list of {', '.join(TOPICS)}")
    return sum(TOPICS[name] for name in set(names))


def position_of(epoch: Any, since: Any) -> Resume:
    """A position in the stream; raises ValueError."""
    if not isinstance(epoch, str) or not _is_whole(since):
        raise ValueError("'epoch' should be the text from hello, and 'since' the last message's seq")
    return Resume(epoch, since)


def _is_whole(value: Any) -> bool:
    # Below 2**53 every JSON implementation keeps whole numbers exactly; True is an int to Python only.
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53


def _judge(message: dict[str, Any], status: ThreatStatus) -> Judge:
    if not _is_whole(message.get("threat")):
        raise ValueError("'threat' should be a threat's id")
    return Judge(message["threat"], status)


def _rename(message: dict[str, Any]) -> Rename:
    device, name = _key_in(message, "device"), message.get("name")
    if name is not None and not (isinstance(name, str) and len(name) <= LONGEST_NAME and name.isprintable()):
        raise ValueError(f"'name' should be text of up to {LONGEST_NAME} characters, or null")
    return Rename(device, (name or "").strip() or None)


def _merge(message: dict[str, Any]) -> Merge:
    device, into = _key_in(message, "device"), _key_in(message, "into")
    if device == into:
        raise ValueError("'device' and 'into' should be two devices")
    return Merge(device, into)


def _split(message: dict[str, Any]) -> Split:
    if not isinstance(message.get("device"), str):
        raise ValueError("'device' should be a MAC address that was merged into a device")
    return Split(parse_mac(message["device"]))


def _key_in(message: dict[str, Any], field: str) -> str:
    """The key of a device, as it is written canonically: its MAC, or the address of one without."""
    given = message.get(field)
    if isinstance(given, str):
        with suppress(ValueError):
            return parse_mac(given)
        with suppress(ValueError):
            return address_text(parse_address(given))
    raise ValueError(f"'{field}' should be a device's MAC address, or the IP address of one without")


_READERS: dict[str, Any] = {
    "subscribe": lambda message: Subscribe(topics_of(message.get("topics"))),
    "resume": lambda message: position_of(message.get("epoch"), message.get("since")),
    "snapshot": lambda message: TakeSnapshot(),
    "ping": lambda message: Ping(message.get("stored") is not False),
    "dismiss": lambda message: _judge(message, ThreatStatus.DISMISSED),
    "acknowledge": lambda message: _judge(message, ThreatStatus.ACKNOWLEDGED),
    "reopen": lambda message: _judge(message, ThreatStatus.OPEN),
    "name": _rename,
    "forget": lambda message: Forget(_key_in(message, "device")),
    "merge": _merge,
    "split": _split,
    "update_lists": lambda message: UpdateLists(),
}
