"""What earlier runs left: what the databases tell at the start, and when one was replaced while we run."""

import logging
import sqlite3
from typing import TYPE_CHECKING

from netwatchd import clock
from netwatchd.alerts.outgoing import WAITING
from netwatchd.ingest.watching import LEARNING
from netwatchd.storage import queries, wear
from netwatchd.storage.verdicts import ERRORS

if TYPE_CHECKING:
    from netwatchd.daemon import Daemon

log = logging.getLogger(__name__)


class Earlier:
    """Has the daemon's parts take in what is stored."""

    def __init__(self, daemon: "Daemon") -> None:
        self._daemon = daemon
        self.newest_id = 0  # of the newest event that is stored

    @property
    def newest(self) -> int | None:
        """When the newest event was stored (Unix ms), if there is any."""
        return self.newest_id >> 12 or None

    def recall(self) -> None:
        """What the flows files tell: the newest event, and the flows that a crash left alive.

        What was stored of these is the last word on them: those that go on are told anew, from zero, by their source.
        """
        daemon = self._daemon
        try:
            alive = queries.live_flows(daemon.storage.directory)
            self.newest_id = queries.newest_flow(daemon.storage.directory) or 0
        except (*ERRORS, queries.NoDatabase) as error:
            log.warning("reading what earlier runs stored failed: %s; beginning without it", error)
            return
        daemon.flows.remember(alive, self.newest_id)
        if alive:
            daemon.counters.add("recalled.flows", len(alive))
        daemon.inboxes.flows.put([flow._replace(state="closed") for flow in alive])

    def remember(self, db: sqlite3.Connection) -> None:
        """What core.db holds, when it is opened for the first time or was replaced."""
        daemon, now = self._daemon, clock.now()
        stored = queries.stored(db)
        daemon.devices.remember(stored.devices, now, stored.kept)
        daemon.threats.remember(stored.threats, now.wall)
        daemon.watching.remember(stored.devices, stored.threats, queries.note_in(db, LEARNING), now)
        daemon.report.remember(queries.note_in(db, wear.GROWTH))
        daemon.alerts.remember(queries.note_in(db, WAITING), now)
        daemon.detection.remember(lambda key: queries.note_in(db, key))
        if stored.devices and not daemon.counters["storage.commits"]:
            # Traffic that a crash kept out of the totals is still in the flows.
            try:
                traffic = queries.traffic(daemon.storage.directory, stored.settled, stored.devices)
            except (*ERRORS, queries.NoDatabase) as error:
                log.warning("adding up the last flows of the last run failed: %s; the totals lack them", error)
            else:
                daemon.devices.account(traffic, {}, now)
        elif daemon.counters["storage.commits"]:
            daemon.flows.settle(anew=True)
