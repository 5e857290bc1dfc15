"""Alerts: what of the threats leaves the machine, and how.

`box` decides what a channel is sent, and when (pure: time is an argument); `held` is what it keeps back for a digest;
`text` makes a message that people read; `ntfy`, `webhook`, `email` and `command` send one; `outgoing` is the thread
that takes threats in, keeps what waits across restarts, and has it sent.
"""

from dataclasses import dataclass, field
from typing import Any, Protocol

from netwatchd.alerts.line import Line


@dataclass(frozen=True)
class Message:
    """What is sent: for people, and for programs. Text in it is printable, whatever the network made of it."""

    id: str  # the same whenever it is sent again: A-Z a-z 0-9 - only
    event: str  # threat, digest or test
    severity: str
    title: str
    body: str
    json: dict[str, Any]
    kind: str = ""  # of the threat
    environment: dict[str, str] = field(default_factory=dict)  # what a command finds in its environment


class Postponed(Exception):
    """It could not be sent now, and is tried again; the text says why, and holds no secret."""

    def __init__(self, why: str, after: float = 0.0) -> None:
        """`after`: seconds that the other side wants to be left alone."""
        super().__init__(why)
        self.after = after


class Refused(Exception):
    """The other side will never take it; the text says why, and holds no secret."""


class Channel(Protocol):
    """A way out of the machine."""

    name: str
    severity: str  # the least that it is sent; empty: that of all channels

    @property
    def place(self) -> str:
        """Where it sends to, without what may be secret."""

    def send(self, message: Message, line: Line) -> None:
        """Sends a message, and returns when the other side has taken it; raises Postponed or Refused.

        It may take as long as its time limits allow, unless another thread cuts the line.
        """
