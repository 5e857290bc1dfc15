"""Opens a source, runs it, and starts it again when it fails; says in one line what is off and why."""

import logging
import threading
import time
from collections.abc import Callable

from netwatchd.sources import Source, Unavailable
from netwatchd.worker import Worker

log = logging.getLogger(__name__)

_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0  # seconds before a source is tried again
_BEAT = 1.0  # seconds


class Supervisor:
    """Runs one source; its `run` is a Worker's. `enabled` is yes, no or auto.

    `auto` takes Unavailable for an answer: the source stays off. With `yes`, or once it has worked, it is tried again,
    as after any OSError. Any other exception is a mistake of ours, and ends the thread.
    """

    def __init__(self, source: Source, enabled: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.source = source
        self.state = "off"  # on, off, failed
        self.reason: str | None = "it is not started yet"  # why the state is not "on"
        self.settled = threading.Event()  # the first attempt to open it is over
        self._enabled = enabled
        self._clock = clock
        self.worked = False  # ever
        self._pause = _FIRST_PAUSE
        if enabled == "no":
            self._settle("off", "switched off in the configuration")

    def run(self, worker: Worker) -> None:
        """Keeps the source running until the worker is asked to stop; beats also while it is off."""
        while not worker.stopping.is_set():
            if self._enabled == "no" or (self.state == "off" and self.settled.is_set()):
                self._idle(worker, _LONGEST_PAUSE)
            elif not self._attempt(worker):
                self._idle(worker, self._pause)
                self._pause = min(self._pause * 2, _LONGEST_PAUSE)

    def _attempt(self, worker: Worker) -> bool:
        """Opens and runs the source once; whether it ended because it was to."""
        try:
            if not self._open():
                return False
            started = self._clock()
            try:
                self.source.run(worker)
                why = "it ended by itself"
            except OSError as error:
                why = f"it failed: {_said(error)}"
            if worker.stopping.is_set():
                return True
            if self._clock() - started > _LONGEST_PAUSE:
                self._pause = _FIRST_PAUSE
            self._fail(why)
            return False
        finally:
            self.source.close()

    def _open(self) -> bool:
        try:
            self.source.open()
        except Unavailable as error:
            if self._enabled == "auto" and not self.worked:
                log.warning("source %s is off: %s", self.source.name, error, extra={"source": self.source.name})
                self._settle("off", str(error))
            else:
                self._fail(str(error))
            return False
        except OSError as error:
            self._fail(f"it cannot be opened: {_said(error)}")
            return False
        log.info("source %s is on", self.source.name, extra={"source": self.source.name})
        self.worked = True
        self._settle("on", None)
        return True

    def _fail(self, reason: str) -> None:
        log.error(
            "source %s does not work: %s; trying again in %.0f s",
            self.source.name,
            reason,
            self._pause,
            extra={"source": self.source.name, "repeat": f"source.{self.source.name}"},
        )
        self._settle("failed", reason)

    def _settle(self, state: str, reason: str | None) -> None:
        self.state, self.reason = state, reason
        self.settled.set()

    def _idle(self, worker: Worker, seconds: float) -> None:
        until = self._clock() + seconds
        while (left := until - self._clock()) > 0 and not worker.stopping.is_set():
            worker.beat()
            worker.stopping.wait(min(_BEAT, left))


def _said(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
