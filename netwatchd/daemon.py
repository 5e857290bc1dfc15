"""Builds the parts, starts them from the mouth to the source, stops them from the source to the mouth.

The only file that knows everyone. A part is given the next one's function; nobody else imports across stages.
"""

import contextlib
import faulthandler
import logging
import queue
import signal
import socket
import ssl
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from netwatchd import clock, config
from netwatchd.addresses import Address
from netwatchd.alerts.outgoing import Outgoing
from netwatchd.alerts.text import Author
from netwatchd.answers.questions import Questions
from netwatchd.blocklists.lists import Lists
from netwatchd.blocklists.updates import Updates
from netwatchd.broadcast.broadcaster import Broadcaster
from netwatchd.broadcast.messages import Snapshot, threat_json
from netwatchd.broadcast.offers import Offers
from netwatchd.broadcast.server import Server
from netwatchd.counters import Counters
from netwatchd.detectors.news import News
from netwatchd.detectors.panel import Panel
from netwatchd.earlier import Earlier
from netwatchd.event_ids import EventIds
from netwatchd.events import Command, Judge, Status, UpdateLists
from netwatchd.ingest import Watches
from netwatchd.ingest.detection import Detection
from netwatchd.ingest.devices import Devices
from netwatchd.ingest.flows import Flows
from netwatchd.ingest.forwards import Forwards
from netwatchd.ingest.home import Home
from netwatchd.ingest.inbox import Inboxes
from netwatchd.ingest.presence import Presence
from netwatchd.ingest.threats import Threats
from netwatchd.ingest.throughput import STEP
from netwatchd.ingest.watching import Watching
from netwatchd.ingest.workers import work_through
from netwatchd.intake import Intake
from netwatchd.jobs import Jobs
from netwatchd.journal import ServiceManager
from netwatchd.metrics.asked import Asked
from netwatchd.metrics.exposition import Exposition
from netwatchd.pidfile import PID_FILE, AlreadyRunning, PidFile, Use
from netwatchd.places import CannotStart, prepare
from netwatchd.positions import Positions
from netwatchd.reload import merge_reloadable
from netwatchd.report import Report
from netwatchd.sources.supervisor import Supervisor
from netwatchd.storage.storage import Storage
from netwatchd.storage.verdicts import NotOurs
from netwatchd.timetable import Timetable
from netwatchd.worker import Worker

log = logging.getLogger(__name__)

STUCK = 30.0  # seconds without a beat after which a thread counts as stuck, and the watchdog is not fed
SETTLE_SOURCES = 5.0  # seconds that READY waits for the sources' first attempt
TURN = 1.0  # seconds between two looks of the main thread
STORED = 5.0  # seconds that a client waits at most until what it has said is committed, which takes some milliseconds
# How long each stage may take to stop. Together below the 10 s after which people lose patience.
STOP_SOURCE, STOP_INGEST, STOP_STORAGE, STOP_BROADCAST = 1.5, 1.5, 3.0, 1.5
STOP_CARD = 12.0  # seconds more for a card that does not answer; what waits for it is saved elsewhere before


class Daemon:
    """One running netwatchd."""

    def __init__(self, settings: config.Config, manager: ServiceManager) -> None:
        self.settings = settings
        self.manager = manager
        self.counters = Counters()
        self.started = clock.now()
        self._happened: queue.SimpleQueue[str | Worker] = queue.SimpleQueue()
        # A short WatchdogSec= means it: half of it is for the beat, the other half for systemd.
        self._stuck_after = min(STUCK, (manager.watchdog or STUCK * 2) / 2)
        self._state = config.state_directory(settings)
        self._runtime = config.runtime_directory()
        self._build()

    def run(self) -> int:
        """Works until a signal or a death ends it; returns the exit code. Raises CannotStart."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
            # A handler only enqueues: what it interrupts may hold any lock.
            signal.signal(number, lambda number, _: self._happened.put(signal.Signals(number).name))
        # From the watchdog. The stacks are written even where the main thread is what hangs.
        faulthandler.register(signal.SIGQUIT, chain=True)
        prepare(self._state, "the databases")
        has_place = prepare(self._runtime, "the sockets")
        try:
            pid_file = PidFile(self._runtime / PID_FILE) if has_place else contextlib.nullcontext()
            with pid_file, self._use:
                return self._work()
        except AlreadyRunning as error:
            raise CannotStart(str(error)) from error

    def _work(self) -> int:
        self._start()
        try:
            return self._watch()
        finally:
            self.manager.stopping()
            self._stop()

    # Building.

    def _build(self) -> None:
        settings = self.settings
        spools = [settings.storage.spool] if settings.storage.spool else [self._state, self._runtime]
        self.earlier = Earlier(self)
        self._use = Use(self._state, alone=False)
        self.storage = Storage(settings.storage, self._state, spools, self.counters, self.earlier.remember)
        self.storage.connection.use = self._use
        self.broadcaster = Broadcaster(settings.websocket, self.counters, self._snapshot)
        publish = self.broadcaster.publish
        self.devices = Devices(publish, self.storage, self.counters, settings.devices.offline_after)
        self.devices.identities.merge = settings.devices.merge
        self.flows = Flows(self.devices, publish, self.storage, self.counters)
        author = Author(socket.gethostname(), self.devices.find, threat_json)
        self.alerts = Outgoing(
            settings, self.counters, author, lambda keys: self.threats.latest(keys), self.storage.put_note
        )
        self.threats = Threats(self.devices, publish, self.storage, settings.threats, self.counters, self.alerts.alert)
        self.news = News(settings.news, self.devices.find, self.devices.identities.undecided)
        note = partial(self.storage.put_note, soon=True)
        self.watching = Watching(self.news, self.threats, note, self._is_healthy, self.counters)
        self.forwards = Forwards()
        networks, lists = settings.devices.networks, Lists(self.counters)
        self.blocklists = Updates(settings.blocklists, networks, self._state, lists, self.counters)
        self.home = Home(networks, self.devices, self.forwards, lists)
        self.panel = Panel(settings, self.home)
        self.detection = Detection(self.panel, self.threats, note)
        self.news.explains = self.panel.explains
        self.devices.watch = Watches(self.watching, self.detection)
        self.flows.watch = self.detection.flows
        self.flows.throughput.interval = max(settings.conntrack.dump_interval, STEP)
        self.inboxes = Inboxes(settings.ingest.queue_size)
        self.sources: dict[str, Supervisor] = {}
        self.exporters: Callable[[], list[dict[str, Any]]] = list
        self.report = Report(self)

    def _position_of(self, source: str) -> Positions:
        return Positions(source, self._state, self.inboxes.flows, self.storage)

    def _build_workers(self) -> None:
        def worker(name: str, run: Callable[[Worker], None]) -> Worker:
            return Worker(name, run, self._happened.put)

        boxes, has_room = self.inboxes, self.storage.wait_for_room
        self._storage_worker = worker("storage", self.storage.run)
        self._broadcast_worker = worker("broadcast", self.broadcaster.run)
        self._server_worker = worker("websocket", self.server.run)
        self._alerts_worker = worker("alerts", self.alerts.run)
        self._jobs_worker = worker("jobs", Jobs(Timetable(self).jobs()).run)
        self._lists_worker = worker("blocklists", self.blocklists.run)
        self._ingest_workers = [
            worker("ingest:device", partial(work_through, boxes.sightings, self.devices.see, has_room)),
            worker("ingest:flow", partial(work_through, boxes.flows, self.flows.see, has_room, first=boxes.sightings)),
            worker(
                "ingest:threat", partial(work_through, boxes.threats, self.threats.see, has_room, first=boxes.sightings)
            ),
            worker(
                "ingest:observation", partial(work_through, boxes.observations, self.detection.observations, has_room)
            ),
        ]
        self._source_workers = [worker(f"source:{name}", each.run) for name, each in self.sources.items()]

    @property
    def _workers(self) -> list[Worker]:
        """All threads, from the mouth to the source."""
        mouth = [self._storage_worker, self._broadcast_worker, self._server_worker, self._alerts_worker]
        return [*mouth, *self._ingest_workers, self._lists_worker, self._jobs_worker, *self._source_workers]

    # Starting, watching, stopping.

    def _start(self) -> None:
        try:
            self.storage.open()
        except NotOurs as error:
            raise CannotStart(f"cannot use the databases in {self._state}: {error}") from error
        self.earlier.recall()
        new_id = EventIds(self.earlier.newest_id)
        intake = Intake(
            self.settings, self._runtime, self.inboxes, self.counters, new_id, self._position_of, self._addresses,
            self.forwards,
        )  # fmt: skip
        self.sources, self.exporters = intake.sources, intake.exporters
        self._wire(self.devices.presence, intake)
        self.server = self._listen()
        self._build_workers()
        for worker in self._workers:
            worker.start()
        deadline = clock.now().steady + SETTLE_SOURCES
        for supervisor in self.sources.values():
            supervisor.settled.wait(max(deadline - clock.now().steady, 0))
        self.manager.ready()
        self.manager.status(self.report.summary())
        self._say_where_to_look()

    def _wire(self, presence: Presence, intake: Intake) -> None:
        """Gives those who are silent somebody who asks them, and silence its proof."""
        self.home.machine = intake.asker
        presence.deaf = intake.deaf
        presence.doubts.rate = self.settings.devices.probe_rate
        if self.settings.devices.probe:
            presence.doubts.ask = intake.ask

    def _listen(self) -> Server:
        websocket = self.settings.websocket
        try:
            self.questions = Questions(self._state, self.counters)
            asked = Asked(lambda: self.settings, self.report.status, self.threats.open, self.devices.all)
            metrics, stored = Exposition(asked).reply, partial(self.storage.until_committed, STORED)
            offers = Offers(self._act, self.report.status, self._ill, self.questions.answer, metrics, stored)
            return Server(websocket, self.broadcaster, offers, self.counters)
        except ssl.SSLError as error:
            raise CannotStart(f"cannot use tls_certificate and tls_key of [websocket]: {error}") from error
        except OSError as error:
            raise CannotStart(
                f"cannot listen on {websocket.host} port {websocket.port}: {error.strerror or error} "
                "(is netwatchd running already? [websocket] port and host say where to listen)"
            ) from error

    def _watch(self) -> int:
        """The main thread's loop; returns the exit code."""
        while True:
            try:
                happened = self._happened.get(timeout=TURN)
            except queue.Empty:
                happened = None
            if isinstance(happened, Worker):
                log.critical("ending, because the thread %s died: %s", happened.name, happened.failure)
                return 1
            if happened == "SIGHUP":
                self._reload()
            elif happened == "SIGQUIT":
                log.critical("ending on SIGQUIT, which the watchdog sends; the stacks of all threads were written")
                return 1
            elif happened:
                log.info("stopping on %s", happened)
                return 0
            if stuck := self._stuck():
                log.error("threads are stuck: %s", ", ".join(stuck), extra={"repeat": "watchdog"})
            else:
                self.manager.alive()

    def _stop(self) -> None:
        """Stops from the source to the mouth, so that everything received is committed."""
        self.questions.end()
        _stop_together(self._source_workers, STOP_SOURCE)
        self.inboxes.end()
        self._lists_worker.ask_to_stop()
        _stop_together(self._ingest_workers, STOP_INGEST)
        self._jobs_worker.stop(1.0)
        self._lists_worker.stop(1.0)
        self.watching.finish(clock.now().wall)
        self.threats.finish(clock.now().wall)
        self._alerts_worker.ask_to_stop()
        self.alerts.wake()
        self._alerts_worker.stop(1.0)
        self.flows.settle(ending=True)
        self._storage_worker.ask_to_stop()
        self.storage.wake()
        self._server_worker.ask_to_stop()
        self.server.close(STOP_BROADCAST)
        self._server_worker.stop(1.0)
        self._broadcast_worker.ask_to_stop()
        self.broadcaster.wake()
        self._broadcast_worker.stop(STOP_BROADCAST)
        if not self._storage_worker.stop(STOP_STORAGE):
            self.storage.rescue()
            self._storage_worker.stop(STOP_CARD)
        self.report.say_stopped()

    def _reload(self) -> None:
        """Reads the configuration again and takes what may change while running."""
        self.manager.reloading()
        try:
            new = config.load(str(self.settings.path) if self.settings.path else None)
        except config.ConfigError as error:
            for mistake in error.mistakes:
                log.error("%s", mistake, extra={"event": "reload"})
            log.error("the configuration was not reloaded; the old settings stay", extra={"event": "reload"})
        else:
            self._apply(new)
        self.manager.ready()

    def _apply(self, new: config.Config) -> None:
        merged, waiting = merge_reloadable(self.settings, new)
        self.settings = merged
        self.storage.settings = merged.storage
        self.devices.presence.offline_after = merged.devices.offline_after
        self.devices.presence.doubts.rate = merged.devices.probe_rate
        self.devices.identities.merge = merged.devices.merge
        self.news.settings = merged.news
        self.threats.apply(merged.threats)
        self.alerts.apply(merged)
        self.detection.apply(merged)
        self.blocklists.apply(merged.blocklists)
        logging.getLogger().setLevel(merged.logging.level.upper())
        log.info("the configuration was reloaded", extra={"event": "reload"})
        if waiting:
            log.warning("these settings need a restart to take effect: %s", ", ".join(waiting))

    # What the parts are given.

    def _addresses(self) -> list[Address]:
        return [ip for device in self.devices.all() if device.status is Status.ONLINE for ip in device.ips]

    def _snapshot(self) -> Snapshot:
        return Snapshot(self.devices.all(), self.threats.open(), self.report.stats())

    def _act(self, command: Command) -> str | None:
        if isinstance(command, UpdateLists):
            self.blocklists.expire()
            return None
        return self.threats.judge(command) if isinstance(command, Judge) else self.devices.act(command)

    def _is_healthy(self) -> bool:
        return self.storage.degraded is None

    def _ill(self) -> str | None:
        """Why it is not well, in a sentence."""
        if reason := self.storage.degraded:
            return f"the database cannot be written: {reason}"
        if stuck := self._stuck():
            return f"threads are stuck: {', '.join(stuck)}"
        return None

    def _stuck(self) -> list[str]:
        return [worker.name for worker in self._workers if worker.silence > self._stuck_after]

    def _say_where_to_look(self) -> None:
        log.info(
            "ready: page at %s, live stream at %s; netwatchd status | doctor | devices | flows | top | threats",
            self.settings.websocket.page_url,
            self.settings.websocket.url,
            extra={"event": "ready"},
        )


def _stop_together(workers: list[Worker], seconds: float) -> None:
    for worker in workers:
        worker.ask_to_stop()
    deadline = time.monotonic() + seconds
    for worker in workers:
        worker.stop(max(deadline - time.monotonic(), 0.05))
