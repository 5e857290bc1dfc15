"""Where events enter: one file a source, a thread each, which receives, has it decoded, and emits.

A source knows nobody but its decoder: `daemon` gives it an Emit, and `supervisor` opens, runs and restarts it.
"""

from typing import Protocol

from netwatchd.events import Flow, Sighting, Threat
from netwatchd.observations import Observation
from netwatchd.worker import Worker


class Unavailable(Exception):
    """The source cannot work here; the text is the sentence that says why, and what would help."""


class Emit(Protocol):
    """Where a source puts its events. Whether a full queue makes it wait or drops is decided by who made it."""

    def sightings(self, sightings: list[Sighting]) -> None:
        """Takes what was seen of devices."""

    def flows(self, flows: list[Flow]) -> None:
        """Takes flows, new ones and news of live ones."""

    def threats(self, threats: list[Threat]) -> None:
        """Takes threats that others recognised."""

    def observations(self, observations: list[Observation]) -> None:
        """Takes what detectors need beside devices and flows."""


class Source(Protocol):
    """What `supervisor` asks of a source. After `close` it can be opened again."""

    name: str

    def open(self) -> None:
        """Gets what it reads from; raises Unavailable where it cannot work here, OSError for what may pass."""

    def run(self, worker: Worker) -> None:
        """Reads and emits until `worker.stopping` is set, beating meanwhile; raises OSError when its input fails."""

    def close(self) -> None:
        """Gives back what `open` got, also after an `open` that failed half-way. May be called twice."""
