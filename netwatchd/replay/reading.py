"""What a reader of files is given: the events it finds go through here, in batches, in the order of their time."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from operator import attrgetter, itemgetter

from netwatchd.config import Config
from netwatchd.events import Flow, Sighting, Threat
from netwatchd.replay.pipeline import Pipeline
from netwatchd.replay.report import FileReport

MOST_EVENTS = 4000  # in a batch: more makes none cheaper, and they wait in memory
# A batch is taken in by pieces of so many milliseconds: the roll-ups' hours are made of them, and a device is looked
# for while it was there.
PIECE_MS = 600_000

_END, _TIME, _LAST_SEEN = itemgetter(2), attrgetter("time"), attrgetter("last_seen")


class Reading:
    """The reading of one file. `stop()` says whether it is to end before the file does."""

    def __init__(self, settings: Config, pipeline: Pipeline, report: FileReport, stop: Callable[[], bool]) -> None:
        self.settings = settings
        self.new_id = pipeline.new_id
        self.report = report
        self.stop = stop
        self._pipeline = pipeline
        self._sightings: list[Sighting] = []
        self._flows: list[Flow] = []
        self._threats: list[Threat] = []

    def add(
        self, flows: Sequence[Flow] = (), sightings: Sequence[Sighting] = (), threats: Sequence[Threat] = ()
    ) -> None:
        """Hands in events; raises CannotStore."""
        self._flows += flows
        self._sightings += sightings
        self._threats += threats
        if len(self._flows) + len(self._sightings) + len(self._threats) >= MOST_EVENTS:
            self.flush()

    def flush(self) -> None:
        """Hands on what waits; raises CannotStore."""
        flows, sightings, threats = self._flows, self._sightings, self._threats
        self._flows, self._sightings, self._threats = [], [], []
        pieces = defaultdict[int, tuple[list[Sighting], list[Flow], list[Threat]]](lambda: ([], [], []))
        for kind, (events, time_of) in enumerate(((sightings, _TIME), (flows, _END), (threats, _LAST_SEEN))):
            for event in events:  # type: ignore[attr-defined]
                pieces[time_of(event) // PIECE_MS][kind].append(event)  # type: ignore[operator]
        for _, (seen, ended, threatened) in sorted(pieces.items()):
            times = [*map(_TIME, seen), *map(_END, ended), *map(_LAST_SEEN, threatened)]
            self._pipeline.take(max(times), seen, ended, threatened)
