"""Takes in the threats that are worth an alert, keeps what waits across restarts, and has it sent.

`alert` is called by whoever found something, perhaps with locks held: it only puts the threat into the boxes and hands
the note of them to the store, so that both are in the same commit. The thread `alerts` looks what may leave, and makes
an attempt for it; it never waits for one. Whether a threat is still worth it is looked up when it is about to leave.
"""

import json
import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from netwatchd import clock
from netwatchd.alerts import Channel, Message, Postponed
from netwatchd.alerts.attempt import Attempt
from netwatchd.alerts.box import USUAL, Box, Patience, Waiting
from netwatchd.alerts.channels import NAMES, configured, rules_of
from netwatchd.alerts.held import NOT_OURS, Held
from netwatchd.alerts.text import Author
from netwatchd.clock import Now
from netwatchd.config import Config
from netwatchd.counters import Counters
from netwatchd.events import Threat, ThreatKey, ThreatStatus
from netwatchd.worker import Worker

log = logging.getLogger(__name__)

WAITING = "alerts.waiting"  # the key of the note, in meta
# Seconds between two notes of what is only held back: a flood must not be written to the card a thousand times. It is
# what a power cut may cost, as of flows.
NOTE_EVERY = 5.0
IDLE = 1.0  # seconds between two beats while nothing waits; each turn wakes the processor up


class KeepNote(Protocol):
    """Keeps a text in the store, within a quarter of a second if `soon`."""

    def __call__(self, key: str, text: str, *, soon: bool = False) -> None:
        """Returns at once."""


Latest = Callable[[Sequence[ThreatKey]], list[Threat | None]]


@dataclass
class _Way:
    """A channel, what waits for it, and how it goes."""

    box: Box
    channel: Channel | None  # None: not configured any more
    attempt: Attempt | None = None
    each: Waiting | None = None  # what the attempt is about
    last_sent: int | None = None  # Unix ms
    last_error: str | None = None  # while it fails


class Outgoing:
    """All channels. `alert`, `apply`, `remember` and `status` may be called by any thread."""

    def __init__(
        self,
        settings: Config,
        counters: Counters,
        author: Author,
        latest: Latest,
        keep_note: KeepNote,
        patience: Patience = USUAL,
    ) -> None:
        """`latest` tells what is known now of threats, by key; None of those that are not known any more."""
        self._counters = counters
        self._author = author
        self._latest = latest
        self._keep_note = keep_note
        self._patience = patience
        self._changed = threading.Condition()  # guards the fields below
        self._ways: dict[str, _Way] = {}
        self._woken = False
        self._noted = ""
        self._remembered = False
        self._unnoted = False  # something changed that the note does not hold
        self._note_from = 0.0  # steady time before which that is not hurried
        self.apply(settings)

    def apply(self, settings: Config) -> None:
        """Takes in other settings. What waits for a channel that is not configured any more is given up."""
        channels = configured(settings)
        with self._changed:
            for name in [name for name in self._ways if name not in channels]:
                left = self._ways.pop(name)
                if left.box.waiting or left.box.held:
                    log.warning("the alerts that waited for %s are given up: it is switched off", name)
                    self._counters.add(f"alerts.failed.{name}", len(left.box.waiting))
            for name, channel in channels.items():
                rules = rules_of(channel, settings.alerts)
                way = self._ways.setdefault(name, _Way(Box(rules, self._patience), channel))
                way.channel, way.box.rules = channel, rules
                way.box.again = 0.0  # what was wrong may have been put right
            self._wake()

    def alert(self, threat: Threat) -> None:
        """A threat is worth an alert: it is new, or back, or worse. Returns at once."""
        if not self._ways or threat.status is not ThreatStatus.OPEN:
            return
        now = clock.now()
        with self._changed:
            waits = [way.box.take(threat, now) for way in self._ways.values()]
            self._count_held()
            self._unnoted = True
            if any(waits):
                self._note(now)
            self._wake()

    def remember(self, note: str | None, now: Now) -> None:
        """Takes in what an earlier run has kept. A file that was begun anew gets the note again."""
        with self._changed:
            first, self._remembered = not self._remembered, True
            if note and first:
                self._restore(note, now)
            self._noted = note or ""
            if any(way.box.waiting or way.box.held for way in self._ways.values()):
                self._note(now)
                self._wake()

    def _restore(self, note: str, now: Now) -> None:
        lost = {"event": "loss"}
        try:
            kept = dict(json.loads(note))
        except NOT_OURS as error:
            log.error("the alerts that waited cannot be read, and are lost: %s", error, extra=lost)
            return
        for name, way in self._ways.items():
            try:
                if name in kept:
                    way.box.restore(kept[name], now)
            except NOT_OURS as error:
                log.error("the alerts that waited for %s cannot be read, and are lost: %s", name, error, extra=lost)

    def status(self) -> list[dict[str, Any]]:
        """How it goes with each channel; without what may be secret."""
        with self._changed:
            return [self._status_of(name) for name in NAMES]

    def _status_of(self, name: str) -> dict[str, Any]:
        way = self._ways.get(name)
        box = way.box if way else None
        state = "off" if not way else "failing" if way.last_error else "on"
        return {
            "name": name,
            "state": state,
            "place": way.channel.place if way and way.channel else None,
            "waiting": len(box.waiting) if box else 0,
            "held": len(box.held.kept) + sum(box.held.more.values()) if box else 0,
            "last_sent": way.last_sent if way else None,
            "last_error": way.last_error if way else None,
        }

    # The thread.

    def run(self, worker: Worker) -> None:
        """Has sent what may leave, until the worker is asked to stop; what is under way then is cut."""
        while not worker.stopping.is_set():
            worker.beat()
            now = clock.now()
            for name, way in list(self._ways.items()):
                self._look(name, way, now)
            self._note_in_time(now)
            with self._changed:
                turn = self._patience.turn if self._has_work() else max(IDLE, self._patience.turn)
                self._changed.wait_for(lambda: self._woken or worker.stopping.is_set(), turn)
                self._woken = False
        for way in self._ways.values():
            if way.attempt:
                way.attempt.cut()
        self._note_in_time(clock.now(), ending=True)

    def _has_work(self) -> bool:
        """Whether a clock decides what is to be done next. Called with the lock held."""
        return self._unnoted or any(way.attempt or way.box.waiting or way.box.held for way in self._ways.values())

    def wake(self) -> None:
        """Lets the thread look at once, such as whether it is to stop."""
        with self._changed:
            self._wake()

    def _wake(self) -> None:
        self._woken = True
        self._changed.notify_all()

    def _look(self, name: str, way: _Way, now: Now) -> None:
        """Ends the attempt that is over, and makes the next one."""
        if way.attempt:
            if not way.attempt.over.is_set():
                way.attempt.look()
                return
            self._end(name, way, now)
        while True:
            with self._changed:
                self._give_up(name, way, now)
                each = way.box.due(now)
                self._count_held()
            if each is None:
                return
            message = self._message(each)
            if message and way.channel:
                way.each, way.attempt = each, Attempt(way.channel, message, self.wake)
                return
            with self._changed:
                way.box.drop(each)
                self._unnoted = True
            self._counters.add("alerts.withdrawn")

    def _message(self, each: Waiting) -> Message | None:
        """What is to be said now; None where it is not worth it any more."""
        content = each.content
        if isinstance(content, Held):
            open_ = [
                threat if threat else _unknown(key, severity)
                for (key, severity), threat in zip(
                    content.kept.items(), self._latest(list(content.kept)), strict=True
                )
                if threat is None or threat.status is ThreatStatus.OPEN
            ]  # fmt: skip
            return self._author.digest(each.id, content, open_, each.time) if open_ or content.more else None
        (latest,) = self._latest([content.key])
        if latest and latest.status is not ThreatStatus.OPEN:
            return None
        return self._author.alert(each.id, latest or content, each.time)

    def _end(self, name: str, way: _Way, now: Now) -> None:
        """Draws the conclusions from an attempt that is over."""
        attempt, each = way.attempt, way.each
        assert attempt and each
        way.attempt = way.each = None
        failure = attempt.failure
        with self._changed:
            if failure is None:
                way.box.taken(each, now)
                way.last_sent, way.last_error = now.wall, None
            elif isinstance(failure, Postponed):
                way.box.failed(each, now, failure.after)
                way.last_error = str(failure)
            else:
                way.box.drop(each)
                way.last_error = str(failure)
            self._note(now)
        key = {"repeat": f"alerts.{name}", "event": "alert"}
        if failure is None:
            self._counters.add(f"alerts.sent.{name}")
            log.info("sent by %s: %s %s", name, "digest" if isinstance(each.content, Held) else "alert", each.id,
                     extra=key | {"repeat": f"alerts.sent.{name}", "most": 100})  # fmt: skip
        elif isinstance(failure, Postponed):
            self._counters.add(f"alerts.retried.{name}")
            log.warning("sending by %s failed, and is tried again: %s", name, failure, extra=key)
        else:
            self._counters.add(f"alerts.failed.{name}")
            if failure.__cause__ is None:  # else a mistake of ours, which the attempt has said
                log.error("%s refuses alert %s, which is given up: %s", name, each.id, failure, extra=key)

    def _give_up(self, name: str, way: _Way, now: Now) -> None:
        """Gives up what was tried for too long. Called with the lock held."""
        old = way.box.too_old(now)
        if old:
            self._unnoted = True
            self._counters.add(f"alerts.failed.{name}", len(old))
            digests = sum(isinstance(each.content, Held) for each in old)
            rest = "; the next digest tells of the alerts" if digests < len(old) else ""
            log.error(
                "%d alerts and %d digests could not be sent by %s for a day, and are given up%s; last: %s",
                len(old) - digests, digests, name, rest,
                way.last_error or "they were not tried", extra={"event": "loss"},
            )  # fmt: skip

    def _count_held(self) -> None:
        for way in self._ways.values():
            for reason, count in way.box.reasons.items():
                self._counters.add(f"alerts.held.{reason}", count)
            if way.box.reasons:
                way.box.reasons.clear()
                self._unnoted = True

    def _note_in_time(self, now: Now, *, ending: bool = False) -> None:
        """Keeps what changed meanwhile, unless that was just done."""
        with self._changed:
            if self._unnoted and (ending or now.steady >= self._note_from):
                self._note(now)

    def _note(self, now: Now) -> None:
        """Keeps what waits, where it is something else than was kept. Called with the lock held."""
        text = json.dumps({name: way.box.to_json(now) for name, way in self._ways.items()}, separators=(",", ":"))
        self._unnoted = False
        self._note_from = now.steady + NOTE_EVERY
        if text != self._noted:
            self._noted = text
            self._keep_note(WAITING, text, soon=True)


def _unknown(key: ThreatKey, severity: str) -> Threat:
    """A threat of which only that is known."""
    kind, device, target = key
    return Threat(0, kind, severity, device, target, "", None, {}, 0, 0, 1, ThreatStatus.OPEN)
