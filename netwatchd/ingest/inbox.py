"""The bounded queue between the sources and one worker, and the door through which a source hands its events in."""

import threading
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from netwatchd.counters import Counters
from netwatchd.events import Flow, Sighting, Threat
from netwatchd.observations import Observation

T = TypeVar("T")
KINDS = ("devices", "flows", "threats")  # of events, as they are counted


class Inbox(Generic[T]):
    """Holds up to `size` events. A full one makes the source wait: the kernel's socket buffers, or the writer at the
    other end, then hold what comes, and nothing is dropped here.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._events: list[T] = []
        self._put = self._taken = self._seen = 0  # how many ever
        self._ending = False
        self._changed = threading.Condition()

    def put(self, events: Sequence[T]) -> None:
        """Adds events, as soon as there is room. More than `size` at once are taken when nothing else waits."""
        with self._changed:
            self._changed.wait_for(lambda: not self._events or len(self._events) + len(events) <= self._size)
            self._events.extend(events)
            self._put += len(events)
            self._changed.notify_all()

    def take(self, timeout: float) -> list[T]:
        """All that waits; empty where nothing came within `timeout` seconds, or at once after `end`."""
        with self._changed:
            self._seen = self._taken  # who comes for more has dealt with what he took
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._events or self._ending, timeout)
            events, self._events = self._events, []
            self._taken += len(events)
            self._changed.notify_all()
        return events

    def wait_until_seen(self, timeout: float) -> None:
        """Waits until all that was put in by now was dealt with, at most `timeout` seconds."""
        with self._changed:
            by_now = self._put
            self._changed.wait_for(lambda: self._seen >= by_now, timeout)

    def mark(self) -> int:
        """A mark behind all that was put in by now, for `has_seen`."""
        return self._put

    def has_seen(self, mark: int) -> bool:
        """Whether all that was put in before the mark was dealt with."""
        return self._seen >= mark

    @property
    def seen(self) -> int:
        """How many were dealt with, ever."""
        return self._seen

    def end(self) -> None:
        """No source will put anything in any more: whoever takes need not wait."""
        with self._changed:
            self._ending = True
            self._changed.notify_all()

    def __len__(self) -> int:
        return len(self._events)


class Inboxes:
    """One inbox a kind of event."""

    def __init__(self, size: int) -> None:
        self.sightings: Inbox[Sighting] = Inbox(size)
        self.flows: Inbox[Flow] = Inbox(size)
        self.threats: Inbox[Threat] = Inbox(size)
        self.observations: Inbox[Observation] = Inbox(size)

    def waiting(self) -> dict[str, int]:
        """How many events wait for each worker."""
        return {
            "devices": len(self.sightings), "flows": len(self.flows), "threats": len(self.threats),
            "observations": len(self.observations),
        }  # fmt: skip

    def seen(self) -> dict[str, int]:
        """How many events the workers have dealt with, ever, by kind."""
        return {"devices": self.sightings.seen, "flows": self.flows.seen, "threats": self.threats.seen}

    def end(self) -> None:
        """No source will put anything in any more."""
        for inbox in (self.sightings, self.flows, self.threats, self.observations):
            inbox.end()


class Door:
    """Where one source hands in its events; they are counted as received from it.

    `once`, where given, is handed its flows, and puts those that no other source tells where it is said.
    """

    def __init__(
        self,
        source: str,
        inboxes: Inboxes,
        counters: Counters,
        once: Callable[[Sequence[Flow], Callable[[Sequence[Flow]], None]], None] | None = None,
    ) -> None:
        self._names = {kind: (f"received.{source}", f"events.{source}.{kind}") for kind in KINDS}
        self._observed = f"observed.{source}"
        self._inboxes = inboxes
        self._counters = counters
        self._once = once

    def sightings(self, events: Sequence[Sighting]) -> None:
        """Hands in sightings of devices."""
        self._put("devices", self._inboxes.sightings, events)

    def flows(self, events: Sequence[Flow]) -> None:
        """Hands in flows."""
        if self._once is None:
            self._put_flows(events)
        else:
            self._once(events, self._put_flows)

    def threats(self, events: Sequence[Threat]) -> None:
        """Hands in threats."""
        self._put("threats", self._inboxes.threats, events)

    def observations(self, events: Sequence[Observation]) -> None:
        """Hands in what detectors need beside devices and flows."""
        if events:
            self._counters.add(self._observed, len(events))
            self._inboxes.observations.put(events)

    def _put_flows(self, events: Sequence[Flow]) -> None:
        self._put("flows", self._inboxes.flows, events)

    def _put(self, kind: str, inbox: Inbox[Any], events: Sequence[Any]) -> None:
        if events:
            self._counters.add_each(self._names[kind], len(events))
            inbox.put(events)
