"""A named thread that starts, stops in time and reports its death."""

import logging
import threading
import time
from collections.abc import Callable

log = logging.getLogger(__name__)


class Worker:
    """A thread that runs `run(worker)` until it is asked to stop.

    `run` looks at `stopping` at least every few seconds and calls `beat` as often: the watchdog is fed only while
    every worker beats. `run` returning before it was asked to, or raising, is a death: `on_death(worker)` is called
    from the dying thread, with `failure` set to the sentence that says why.
    """

    def __init__(self, name: str, run: Callable[["Worker"], None], on_death: Callable[["Worker"], None]) -> None:
        self.name = name
        self.stopping = threading.Event()
        self.failure: str | None = None
        self._run = run
        self._on_death = on_death
        self._last_beat = time.monotonic()
        self._thread = threading.Thread(target=self._live, name=name, daemon=True)

    def start(self) -> None:
        """Starts the thread; once."""
        self.beat()
        self._thread.start()

    def beat(self) -> None:
        """Says that the thread is alive and not stuck."""
        self._last_beat = time.monotonic()

    @property
    def silence(self) -> float:
        """Seconds since the last beat."""
        return time.monotonic() - self._last_beat

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    def ask_to_stop(self) -> None:
        """Sets `stopping` and returns at once."""
        self.stopping.set()

    def stop(self, timeout: float) -> bool:
        """Asks the thread to stop and waits up to `timeout` seconds; returns whether it has ended."""
        self.ask_to_stop()
        if self._thread.ident is None:
            return True
        self._thread.join(timeout)
        if self._thread.is_alive():
            log.error("thread %s did not stop within %.1f s", self.name, timeout)
        return not self._thread.is_alive()

    def _live(self) -> None:
        try:
            self._run(self)
        except Exception as error:  # the outermost frame: the daemon ends, and says why
            self.failure = f"{type(error).__name__}: {error}"
            log.critical("thread %s died: %s", self.name, self.failure, exc_info=True, extra={"event": "death"})
        else:
            if self.stopping.is_set():
                return
            self.failure = "it returned before it was asked to stop"
            log.critical("thread %s died: %s", self.name, self.failure, extra={"event": "death"})
        self._on_death(self)
