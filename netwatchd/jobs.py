"""What happens by the clock: a `schedule` of its own, run by one thread."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import schedule

from netwatchd import clock
from netwatchd.worker import Worker

TURN = 1.0  # seconds at most between two looks at the schedule
LEAP = 60.0  # seconds by which the local time may drift from the steady one before it counts as a leap


@dataclass(frozen=True)
class Job:
    """Something to do every so many seconds."""

    every: float
    do: Callable[[], object]


class Jobs:
    """Runs jobs. `schedule` goes by local time: when that leaps, as in autumn, everything is scheduled anew."""

    def __init__(self, jobs: list[Job]) -> None:
        self._jobs = jobs
        self._scheduler = schedule.Scheduler()
        self._offset = 0.0

    def run(self, worker: Worker) -> None:
        """Runs what is due until the worker is asked to stop."""
        self._plan()
        while True:
            worker.beat()
            if abs(_offset() - self._offset) > LEAP:
                self._plan()
            self._scheduler.run_pending()
            idle = self._scheduler.idle_seconds
            if worker.stopping.wait(TURN if idle is None else min(max(idle, 0.05), TURN)):
                return

    def _plan(self) -> None:
        self._offset = _offset()
        self._scheduler.clear()
        for job in self._jobs:
            # Its annotation says int, but a timedelta is made of it, which takes fractions.
            self._scheduler.every(job.every).seconds.do(job.do)  # type: ignore[arg-type]


def _offset() -> float:
    # Local and without a zone, as `schedule` reads it.
    return (datetime.now() - datetime.min).total_seconds() - clock.now().steady
