"""What waits for one channel, and when it may leave.

Pure: the time is an argument. Every alert waits here until the channel has taken it. It leaves at once, unless

* it is a time of quiet hours, and it is not severe enough for them, or
* the channel was sent its budget of the last hour: then it is held back for a digest.

A digest is one message about all that was held back. There is at most one in an hour, so that a channel is never sent
more than its budget and one. Of what waits the worst leaves first, and a part of the budget is kept for it: who floods
the network with small things cannot hide a great one. A delivery that fails makes the whole channel pause, each time
for longer, because it is nearly always the way that is blocked, and not the message.

Budget and pauses are measured by the steady clock. The wall clock may be set: it only says when hours are quiet.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import Any, NamedTuple

from netwatchd.alerts.held import Held, brief, rank, threat_from_json, threat_to_json
from netwatchd.alerts.quiet import is_quiet
from netwatchd.clock import Now
from netwatchd.events import Threat, ThreatKey
from netwatchd.values import Hours

HOUR = 3600.0  # seconds
GIVEN_UP = 24 * HOUR  # an alert that is older says nothing that a digest would not say
MOST_WAITING = 20  # alerts that wait one by one while the channel does not answer: twice the usual budget
PRECIOUS = rank("high")  # from here on the whole budget may be used; below, a fifth of it is kept free


class Patience(NamedTuple):
    """How long is waited, in seconds."""

    pauses: tuple[float, ...] = (30.0, 120.0, 600.0, HOUR)  # after the first, second, ... failure; the last one stays
    gather: float = 300.0  # for more of the same in a digest: what floods the budget goes on for some minutes
    turn: float = 0.5  # between two looks at what a clock decides


USUAL = Patience()


@dataclass(frozen=True)
class Rules:
    """What the user wants of a channel."""

    severity: str = "medium"  # the least that is sent
    quiet_hours: Hours | None = None
    quiet_severity: str = "high"  # the least that is sent in quiet hours, too
    budget: int = 10  # alerts in an hour
    zone: tzinfo | None = None  # of the quiet hours; None: that of this machine


@dataclass(eq=False)
class Waiting:
    """An alert, or a digest, on its way."""

    id: str
    time: int  # Unix ms when it happened, or the digest was made
    born: float  # the same by the steady clock
    content: Threat | Held
    tries: int = 0

    @property
    def severity(self) -> str:
        """The worst in it."""
        return self.content.worst if isinstance(self.content, Held) else self.content.severity


@dataclass
class Box:
    """What waits for one channel. `rules` may be replaced at any time."""

    rules: Rules
    patience: Patience = USUAL
    waiting: dict[ThreatKey | None, Waiting] = field(default_factory=dict)  # by threat; the digest under None
    held: Held = field(default_factory=Held)
    held_from: float = 0.0  # steady time since when something is held back
    sent: list[float] = field(default_factory=list)  # steady times of the alerts of the last hour
    digested: float | None = None  # steady time of the last digest
    busy: Waiting | None = None  # what is being sent now
    failures: int = 0  # in a row
    again: float = 0.0  # steady time before which nothing is tried
    reasons: Counter[str] = field(default_factory=Counter)  # why something was held back, for whoever counts

    def take(self, threat: Threat, now: Now) -> bool:
        """A threat is worth an alert now; returns whether it waits to be sent by itself."""
        if rank(threat.severity) < rank(self.rules.severity):
            return False
        threat = brief(threat)
        each = self.waiting[threat.key] = Waiting(f"{threat.id}-{now.wall}", now.wall, now.steady, threat)
        if not self._has_room(threat.severity, now):
            self._hold(each, "budget", now)
            return False
        alerts = [each for each in self.waiting.values() if isinstance(each.content, Threat) and each is not self.busy]
        if len(alerts) <= MOST_WAITING:
            return True
        least = min(alerts, key=lambda each: (rank(each.severity), -each.born))
        self._hold(least, "backlog", now)
        return least.content is not threat

    def due(self, now: Now) -> Waiting | None:
        """What is to be sent now; it is `busy` until `taken`, `failed` or `drop` says what became of it."""
        if self.busy is not None or now.steady < self.again:
            return None
        quiet = is_quiet(self.rules.quiet_hours, now.wall, self.rules.zone)
        # Those that failed come last, so that one which can never be sent does not keep the others from it.
        for each in sorted(self.waiting.values(), key=lambda each: (each.tries, -rank(each.severity), each.born)):
            unfit = quiet and rank(each.severity) < rank(self.rules.quiet_severity)
            if isinstance(each.content, Held):
                if not unfit:
                    self.busy = each
                    return each
            elif unfit:
                self._hold(each, "quiet_hours", now)
            elif not self._has_room(each.severity, now):
                self._hold(each, "budget", now)
            else:
                self.busy = each
                return each
        self._make_digest(now, quiet)
        return self.busy

    def taken(self, each: Waiting, now: Now) -> None:
        """The channel has taken it."""
        if isinstance(each.content, Held):
            self.digested = now.steady
        else:
            self.sent.append(now.steady)
        self.failures, self.again = 0, 0.0
        self.drop(each)

    def failed(self, each: Waiting, now: Now, after: float = 0.0) -> None:
        """It could not be sent; the other side wants to be left alone for `after` seconds."""
        each.tries += 1
        pause = self.patience.pauses[min(self.failures, len(self.patience.pauses) - 1)]
        self.failures += 1
        self.again = now.steady + max(pause, min(after, GIVEN_UP))
        self.busy = None

    def drop(self, each: Waiting) -> None:
        """It is not sent any more: it was, or cannot be, or need not be."""
        if self.busy is each:
            self.busy = None
        for key, other in self.waiting.items():
            if other is each:
                del self.waiting[key]
                return

    def too_old(self, now: Now) -> list[Waiting]:
        """Takes out what was tried for so long that it is given up; of alerts, the next digest tells."""
        old = [each for each in self.waiting.values() if now.steady - each.born > GIVEN_UP and each is not self.busy]
        for each in old:
            if isinstance(each.content, Threat):
                self._hold(each, "late", now)
            else:
                self.drop(each)
        return old

    def _has_room(self, severity: str, now: Now) -> bool:
        self.sent = [moment for moment in self.sent if now.steady - moment < HOUR]
        budget = self.rules.budget
        return len(self.sent) < (budget if rank(severity) >= PRECIOUS else budget - budget // 5)

    def _hold(self, each: Waiting, reason: str, now: Now) -> None:
        assert isinstance(each.content, Threat)
        self.drop(each)
        if not self.held:
            self.held_from = now.steady
        self.held.add(each.content, reason, now.wall)
        self.reasons[reason] += 1

    def _make_digest(self, now: Now, quiet: bool) -> None:
        """Makes a digest of what is held back, where it is time."""
        held = self.held
        if not held or None in self.waiting:
            return
        if quiet and rank(held.worst) < rank(self.rules.quiet_severity):
            return
        if self.digested is not None and now.steady - self.digested < HOUR:
            return
        # What quiet hours held back is told at their end.
        if now.steady - self.held_from < self.patience.gather and (quiet or "quiet_hours" not in held.reasons):
            return
        self.held = Held()
        self.busy = Waiting(f"digest-{now.wall}", now.wall, now.steady, held)
        self.waiting[None] = self.busy

    # Across restarts.

    def to_json(self, now: Now) -> dict[str, Any]:
        """What is kept: all that waits, what is held back, and what was sent in the last hour."""

        def wall(steady: float) -> int:
            return now.wall - round((now.steady - steady) * 1000)

        return {
            "waiting": [_to_json(each) for each in self.waiting.values()],
            "held": self.held.to_json(),
            "sent": [wall(moment) for moment in self.sent],
            "digested": None if self.digested is None else wall(self.digested),
        }

    def restore(self, value: Mapping[str, Any], now: Now) -> None:
        """Takes in what was kept; raises one of NOT_OURS where it is not that, and is as it was."""
        waiting = [_from_json(each, now) for each in value["waiting"]]
        held = Held.from_json(value["held"])
        sent = [now.ago(int(moment)) for moment in value["sent"]]
        digested = None if value["digested"] is None else now.ago(int(value["digested"]))
        held_from = now.ago(held.since)
        held.join(self.held)
        self.held_from = held_from
        self.held, self.sent = held, sorted(sent + self.sent)
        self.digested = self.digested if digested is None else max(digested, self.digested or digested)
        for each in waiting:
            self.waiting.setdefault(each.content.key if isinstance(each.content, Threat) else None, each)


def _to_json(each: Waiting) -> dict[str, Any]:
    content = each.content
    what = {"held": content.to_json()} if isinstance(content, Held) else {"threat": threat_to_json(content)}
    return {"id": each.id, "time": each.time, "tries": each.tries} | what


def _from_json(value: Mapping[str, Any], now: Now) -> Waiting:
    content = Held.from_json(value["held"]) if "held" in value else threat_from_json(value["threat"])
    time = int(value["time"])
    return Waiting(str(value["id"]), time, now.ago(time), content, int(value["tries"]))
