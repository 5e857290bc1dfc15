"""What the daemon does by the clock, and how often."""

import logging
from typing import TYPE_CHECKING

from netwatchd import clock
from netwatchd.jobs import Job
from netwatchd.storage import retention
from netwatchd.storage.verdicts import ERRORS

if TYPE_CHECKING:
    from netwatchd.daemon import Daemon

log = logging.getLogger(__name__)

TICK = 0.5  # seconds between two looks at what waits for a moment to pass, such as the news of a device
PROGRESS = 10.0  # seconds between two tellings of what devices have moved, and of how it stands to systemd
LISTS = 15.0  # seconds between two looks for lists that are due, and files of lists that have changed
SETTLE_TOTALS = 60.0  # seconds between two writings of totals
CHECKPOINT = 600.0
TURN_OF_DAY = 1.0  # seconds between two looks whether it is another day


class Timetable:
    """Has the daemon's parts do what is due. It is made when what earlier runs left is known."""

    def __init__(self, daemon: "Daemon") -> None:
        self._daemon = daemon
        self._clock = retention.Clock(daemon.earlier.newest)

    def jobs(self) -> list[Job]:
        """All of it."""
        daemon, settings = self._daemon, self._daemon.settings
        return [
            Job(settings.websocket.stats_interval, lambda: daemon.broadcaster.publish_stats(daemon.report.stats())),
            Job(TICK, self._tick),
            Job(LISTS, daemon.blocklists.remind),
            Job(PROGRESS, daemon.devices.publish_progress),
            Job(SETTLE_TOTALS, daemon.flows.settle),
            Job(min(max(settings.devices.offline_after / 10, 0.5), 30), lambda: daemon.devices.sweep(clock.now())),
            Job(CHECKPOINT, daemon.storage.checkpoint),
            Job(settings.storage.check_interval, daemon.storage.look_for_damage),
            Job(settings.storage.cleanup_interval, self._retain),
            Job(settings.storage.cleanup_interval, daemon.storage.make_room),
            Job(PROGRESS, lambda: daemon.manager.status(daemon.report.summary())),
            Job(settings.logging.statistics, daemon.report.say_statistics),
            Job(TURN_OF_DAY, daemon.report.turn),
        ]

    def _tick(self) -> None:
        daemon, now, slept = self._daemon, clock.now(), clock.slept()
        daemon.devices.notice(now, slept)
        daemon.flows.throughput.notice(now, slept)
        daemon.detection.notice(now)
        daemon.devices.tick(now)

    def _retain(self) -> None:
        daemon, now = self._daemon, clock.now().wall
        if not self._clock.is_good(now):
            log.warning(
                "no old flows are removed while the clock is not known to be right (is NTP running?)",
                extra={"repeat": "retention.clock"},
            )
            return
        try:
            threats_before = int(now - daemon.settings.threats.retention * 1000)
            daemon.threats.retain(threats_before)
            daemon.storage.cleanup_old_data(now, threats_before)
        except ERRORS as error:
            log.error("removing old flows failed: %s", error, extra={"repeat": "retention"})
