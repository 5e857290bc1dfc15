"""The stages that a live event passes, for events of the past: the time is theirs, and nobody listens.

The same Devices, Flows and Threats and the same Storage with its writer thread as in the daemon; but they are called
one after the other, with the time of the events instead of the clock's, and no retention removes what is old.
"""

import logging
import sqlite3
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from netwatchd import clock
from netwatchd.addresses import address_text
from netwatchd.blocklists.updates import kept_lists
from netwatchd.clock import Now
from netwatchd.config import Config, state_directory
from netwatchd.counters import Counters
from netwatchd.detectors.news import News
from netwatchd.detectors.panel import Panel
from netwatchd.events import LIVE, Event, Flow, FlowBatch, Sighting, Threat
from netwatchd.ingest import Watches
from netwatchd.ingest.detection import Detection
from netwatchd.ingest.devices import Devices
from netwatchd.ingest.flows import Flows
from netwatchd.ingest.home import Home
from netwatchd.ingest.threats import Threats
from netwatchd.ingest.watching import Watching
from netwatchd.observations import Observation
from netwatchd.replay.buckets import Passed
from netwatchd.replay.ids import PastIds
from netwatchd.replay.report import FileReport
from netwatchd.storage import queries
from netwatchd.storage.again import add_up_again
from netwatchd.storage.storage import Storage
from netwatchd.storage.verdicts import ERRORS, NotOurs
from netwatchd.worker import Worker

log = logging.getLogger(__name__)

SETTLE = 5.0  # seconds between two writings of totals, so that what waits for them does not fill the memory
SWEEP_MS = 30_000  # of the events' time, between two looks for devices that are silent
OVER_MS = 60_000  # of the events' time, after which whatever happened in a file is over
WRITER = 300.0  # seconds that the writer may take for what waits at the end: a card may be slow


class CannotStore(Exception):
    """The database cannot be used or written; the text says why."""


class Pipeline:
    """Takes events of the past in, and stores them in a directory."""

    def __init__(self, settings: Config, directory: Path) -> None:
        self._directory = directory
        self.counters = Counters()
        self.storage = Storage(settings.storage, directory, [directory], self.counters, self._remember)
        self.devices = Devices(self._publish, self.storage, self.counters, settings.devices.offline_after)
        self.devices.identities.merge = settings.devices.merge
        self._flows = Flows(self.devices, self._publish, self.storage)
        self._threats = Threats(self.devices, self._publish, self.storage, settings.threats, self.counters)
        # What was new in the past is no news, but an address that two used then is still worth knowing.
        news = News(settings.news, self.devices.find, self.devices.identities.undecided, past=True)
        self._watching = Watching(news, self._threats, lambda key, text: None, lambda: True, self.counters)
        # The lists of the daemon, as it keeps them: nothing is fetched for a replay.
        networks = settings.devices.networks
        lists = kept_lists(settings.blocklists, networks, state_directory(settings))
        # What is in a recording has no first days before it: what is regular is told, as information.
        settings = replace(settings, beacon=replace(settings.beacon, learning=0.0))
        panel = Panel(settings, Home(networks, self.devices, lists=lists))
        self._detection = Detection(panel, self._threats)
        news.explains = panel.explains
        self.devices.watch = Watches(self._watching, self._detection)
        self._flows.watch = self._detection.flows
        self.new_id = PastIds(lambda day: queries.newest_of_minutes(directory, day))
        self._writer = Worker("storage", self.storage.run, lambda worker: None)
        self._report = FileReport("")
        self._known_until = 0  # Unix ms
        self._passed = Passed(0)
        self._heard: dict[str, int] = {}  # device -> the end of its last flow
        self._dropped_before: Counter[str] = Counter()
        self._settled = time.monotonic()
        self._swept = 0
        self._taken = 0  # Unix ms

    def open(self) -> None:
        """Opens the database, and takes in what it knows; raises CannotStore."""
        try:
            newest = (queries.newest_flow(self._directory) or 0) if (self._directory / "core.db").exists() else 0
            self._known_until = newest >> 12
            self._passed = Passed(self._known_until)
            self.storage.open()
        except (*ERRORS, NotOurs, queries.NoDatabase) as error:
            raise CannotStore(f"cannot use the databases in {self._directory}: {error}") from error
        self._look_at_writer()
        # Flows that a daemon left alive are its own to end.
        self._flows.remember([], newest)
        self._writer.start()

    def begin(self, report: FileReport) -> None:
        """From now on, what comes is of the file of this report."""
        self._report = report

    def take(
        self,
        now: int,
        sightings: Sequence[Sighting] = (),
        flows: Sequence[Flow] = (),
        threats: Sequence[Threat] = (),
        observations: Sequence[Observation] = (),
    ) -> None:
        """Takes in what began up to `now` (Unix ms); waits while the store is full; raises CannotStore.

        Traffic is put down to `now`, in the roll-ups too, so that these hold what the flows of their hours hold.
        """
        while not self.storage.wait_for_room(1.0):
            self._look_at_writer()
        self._look_at_writer()
        moment = Now(now, now / 1000)
        self._passed.note(now)
        self._taken = max(self._taken, now)
        if sightings:
            self.devices.see(sightings, moment)
            for sighting in sightings:
                self._note(sighting)
        if flows:
            self._flows.see(flows, moment)
            self._hear(max(now, max(flow.end for flow in flows)))
        if observations:
            self._detection.observations(observations, moment)
        if threats:
            self._threats.see(threats, moment)
        self.devices.tick(moment)
        if abs(now - self._swept) >= SWEEP_MS:
            self._swept = now
            self.devices.sweep(moment)
        if time.monotonic() - self._settled >= SETTLE:
            self.settle()

    def settle(self) -> None:
        """Brings the totals of devices, and of flows that go on, to the store."""
        self._settled = time.monotonic()
        self._flows.settle()

    def finish(self) -> None:
        """Ends a file: its devices are counted, and all that was found in it is told."""
        if self._taken:  # what detectors know by now, and would tell once it is over
            self._detection.tick(self._taken + OVER_MS)
        self._threats.finish(self._swept)
        self.settle()
        dropped = self._dropped()
        self._report.skipped.update(dropped - self._dropped_before)
        self._dropped_before = dropped
        # A device that was known by its address only may have shown its MAC since.
        self._report.devices = sum(self.devices.find(key) is not None for key in self._report.device_keys)

    def close(self) -> None:
        """Commits everything that was taken in; raises CannotStore where that fails."""
        # By the clock of whoever looks, most of what was there then is not here now.
        wall = clock.now().wall
        self.devices.sweep(Now(wall, wall / 1000))
        self._flows.settle(ending=True)
        self._writer.ask_to_stop()
        self.storage.wake()
        self._writer.stop(WRITER)
        self._look_at_writer()
        if left := self.storage.pending:
            raise CannotStore(f"{left} events could not be written to {self._directory}")
        if buckets := self._passed.again():
            try:
                add_up_again(self._directory, buckets)
            except (*ERRORS, queries.NoDatabase) as error:
                raise CannotStore(f"cannot write the roll-ups in {self._directory}: {error}") from error

    def _dropped(self) -> Counter[str]:
        """What the stages had no room for, or refused."""
        kinds: dict[str, dict[str, int]] = self.counters.tree().get("dropped", {})
        return Counter({f"{kind} {why}": n for kind, reasons in kinds.items() for why, n in reasons.items()})

    def _remember(self, db: sqlite3.Connection) -> None:
        """Takes in what core.db holds, when it is opened, or was replaced while it was written."""
        stored = queries.stored(db)
        # Their silence is measured by the time of the events, too.
        moment = Now(self._known_until, self._known_until / 1000)
        self.devices.remember(stored.devices, moment, stored.kept)
        self._threats.remember(stored.threats, moment.wall)
        self._watching.remember([], stored.threats, None, moment)
        if stored.devices and not self.counters["storage.commits"]:
            # Traffic that a crash kept out of the totals is still in the flows.
            self.devices.account(queries.traffic(self._directory, stored.settled, stored.devices), {}, moment)
        elif self.counters["storage.commits"]:
            self._flows.settle(anew=True)

    def _look_at_writer(self) -> None:
        """Raises CannotStore where the store is in trouble: live events must go on, those in a file can wait."""
        if self._writer.failure:
            raise CannotStore(f"writing to {self._directory} failed: {self._writer.failure}")
        if self.storage.degraded:
            raise CannotStore(f"cannot write to {self._directory}: {self.storage.degraded}")

    def _hear(self, until: int) -> None:
        """Tells the devices how long they were heard: until the ends of their flows, which lie after `now`."""
        heard, self._heard = self._heard, {}
        self.devices.account({key: [0, 0, 0] for key in heard}, heard, Now(until, until / 1000))

    def _note(self, sighting: Sighting) -> None:
        """Counts the device of a sighting, and moves the time it was first seen where this is older."""
        key = sighting.mac or self.devices.owner_of(sighting.ips[0]) or address_text(sighting.ips[0])
        if self.devices.find(key) is not None:
            self._report.device_keys.add(key)
            self.devices.backdate(key, sighting.time)

    def _publish(self, events: Sequence[Event]) -> None:
        """What the daemon would send to its clients: it is counted."""
        report = self._report
        if isinstance(events, FlowBatch):
            report.flows += sum(flow.state not in LIVE for flow in events.flows)
            heard = self._heard
            for flow, device in zip(events.flows, events.devices, strict=True):
                if device is not None and flow.end > heard.get(device, -1):
                    heard[device] = flow.end
            report.device_keys |= heard.keys()
            return
        for event in events:
            if isinstance(event, Threat):
                report.threats[event.id] = event
