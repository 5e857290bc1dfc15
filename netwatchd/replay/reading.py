"""What a reader of files is given: the events it finds go through here, in batches, in the order of their time."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from operator import attrgetter, itemgetter

from netwatchd.addresses import Address
from netwatchd.config import Config
from netwatchd.events import Flow, Sighting, Threat, batch_of, time_of_id
from netwatchd.observations import Observation
from netwatchd.replay.pipeline import Pipeline
from netwatchd.replay.report import FileReport
from netwatchd.sources.locals import Locals

MOST_EVENTS = 4000  # in a batch: more makes none cheaper, and they wait in memory
# A batch is taken in by pieces of so many milliseconds, of which the roll-ups' hours are made.
PIECE_MS = 600_000

_ID, _TIME, _LAST_SEEN = itemgetter(0), attrgetter("time"), attrgetter("last_seen")


class Reading:
    """The reading of one file. `stop()` says whether it is to end before the file does."""

    def __init__(self, settings: Config, pipeline: Pipeline, report: FileReport, stop: Callable[[], bool]) -> None:
        self.settings = settings
        self.new_id = pipeline.new_id
        self.report = report
        self.stop = stop
        self._pipeline = pipeline
        self._locals = Locals(settings.devices.networks)
        self._sightings: list[Sighting] = []
        self._flows: list[Flow] = []
        self._threats: list[Threat] = []
        self._observations: list[Observation] = []

    def add(
        self,
        flows: Sequence[Flow] = (),
        sightings: Sequence[Sighting] = (),
        threats: Sequence[Threat] = (),
        observations: Sequence[Observation] = (),
    ) -> None:
        """Hands in events; raises CannotStore."""
        self._flows += flows
        self._sightings += sightings
        self._threats += threats
        self._observations += observations
        waiting = len(self._flows) + len(self._sightings) + len(self._threats) + len(self._observations)
        if waiting >= MOST_EVENTS:
            self.flush()

    def sightings_of(self, flows: Sequence[Flow]) -> list[Sighting]:
        """The devices that flows betray of which nobody saw the packets, each when it was first met."""
        found = self._locals.sightings(flows, 0)
        if not found:
            return []
        first: dict[Address, int] = {}
        for flow in flows:
            for ip in (flow.src_ip, flow.dst_ip):
                first[ip] = min(flow.start, first.get(ip, flow.start))
        return [replace(sighting, time=first[sighting.ips[0]]) for sighting in found]

    def flush(self) -> None:
        """Hands on what waits; raises CannotStore."""
        flows, sightings, threats, observations = self._flows, self._sightings, self._threats, self._observations
        self._flows, self._sightings, self._threats, self._observations = [], [], [], []
        pieces: dict[int, _Piece] = defaultdict(_Piece)
        for flow in flows:
            pieces[time_of_id(flow.id) // PIECE_MS].flows.append(flow)
        for sighting in sightings:
            pieces[sighting.time // PIECE_MS].sightings.append(sighting)
        for threat in threats:
            pieces[threat.last_seen // PIECE_MS].threats.append(threat)
        for observation in observations:
            pieces[observation.time // PIECE_MS].observations.append(observation)
        for _, piece in sorted(pieces.items()):
            ids = map(time_of_id, map(_ID, piece.flows))
            seen = (*piece.sightings, *piece.observations)
            now = max([*ids, *map(_TIME, seen), *map(_LAST_SEEN, piece.threats)])
            self._pipeline.take(now, piece.sightings)
            self._pipeline.take(now, observations=piece.observations)
            # The last flows of a capture come all at once, and the store has room for some only.
            for some in batch_of(piece.flows, MOST_EVENTS):
                self._pipeline.take(now, flows=some)
            self._pipeline.take(now, threats=piece.threats)


class _Piece:
    """What happened within PIECE_MS."""

    __slots__ = ("flows", "observations", "sightings", "threats")

    def __init__(self) -> None:
        self.flows: list[Flow] = []
        self.sightings: list[Sighting] = []
        self.threats: list[Threat] = []
        self.observations: list[Observation] = []
