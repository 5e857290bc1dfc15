"""Shows a detector what becomes of devices, and hands on what it finds.

`Devices` calls with its lock held, others with none; a lock of its own keeps them apart, and is always taken after that
of `Devices`. Nothing here waits.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable
from typing import Protocol

from netwatchd.clock import Now
from netwatchd.counters import Counters
from netwatchd.events import Change, Claim, Device, Gone, TakenBack, Threat
from netwatchd.ingest.threats import Threats

log = logging.getLogger(__name__)

# A clock so far (milliseconds) behind what is stored is wrong, as a Pi's is before NTP has put it right. By it a known
# phone seems to come before it was known. It is waited for, but not for ever.
CLOCK_BEHIND, CLOCK_WAIT = 600_000, 900_000
MOST_SAID = 100  # news that have a line of the log each in a minute: names are text from strangers, who may change them
LEARNING = "news.learning"  # the key of the note about the learning period, in meta


class Learning(Protocol):
    """The time in which everything is baseline."""

    @property
    def note(self) -> str | None:
        """What is to be kept of it."""

    def until(self, seconds: float) -> int | None:
        """When it ends (Unix ms), where it goes on."""


class Settings(Protocol):
    """What is said of the detector elsewhere."""

    @property
    def learning(self) -> float:
        """How long it learns, in seconds."""


class Detector(Protocol):
    """Decides what is news."""

    ready: bool
    lost: int

    @property
    def settings(self) -> Settings:
        """What is said of it elsewhere."""

    @property
    def learning(self) -> Learning:
        """The time in which everything is baseline."""

    def remember(self, devices: Iterable[Device], threats: Iterable[Threat], learning: str | None, time: int) -> None:
        """Takes in what is stored."""

    def see(self, event: Change | Claim | Gone) -> list[Threat | TakenBack]:
        """What is news because of an event."""

    def tick(self, time: int) -> list[Threat | TakenBack]:
        """What is news by now."""

    def finish(self, time: int) -> list[Threat | TakenBack]:
        """What was to be told later."""


class Watching:
    """Is the `Watch` of Devices."""

    def __init__(
        self,
        detector: Detector,
        threats: Threats,
        keep_note: Callable[[str, str], None],
        is_well: Callable[[], bool],
        counters: Counters,
    ) -> None:
        """`keep_note` keeps a text under a key; `is_well` says whether the store can be written."""
        self.detector = detector
        self._threats = threats
        self._keep_note = keep_note
        self._is_well = is_well
        self._counters = counters
        self._lock = threading.RLock()
        self._remembered = False
        self._newest = 0  # Unix ms of the latest event that is stored: no clock that is right is before it
        self._patient: int | None = None  # until when it is waited for the clock to be put right, by that clock
        self._noted: str | None = None

    def learning_until(self) -> int | None:
        """When the learning period ends (Unix ms), where it goes on."""
        with self._lock:
            return self.detector.learning.until(self.detector.settings.learning)

    def remember(self, devices: Iterable[Device], threats: Iterable[Threat], note: str | None, now: Now) -> None:
        """Takes in what is stored; `note` is the one about learning. A file that was begun anew gets the note again."""
        with self._lock:
            first, self._remembered = not self._remembered, True
            devices = list(devices)
            if first:
                self._newest = max((device.last_seen for device in devices), default=0)
                self._patient = now.wall + CLOCK_WAIT
            self.detector.remember(devices, threats, note, now.wall)
            self._noted = note
            self._note()
            if first and (until := self.learning_until()) and until > now.wall:
                log.info(
                    "learning until %s: until then, whatever shows up is known and no news ([detector:news] learning)",
                    _local(until),
                    extra={"event": "learning"},
                )

    def changed(self, change: Change) -> None:
        """A device is new or another than before."""
        self._see(change, change.time)

    def claimed(self, claim: Claim) -> None:
        """An address moved from one device to another."""
        self._see(claim, claim.time)

    def gone(self, key: str, into: str | None, time: int) -> None:
        """A device was forgotten, or found to be the device `into`."""
        self._see(Gone(key, into), time)

    def tick(self, time: int) -> None:
        """It is `time`."""
        with self._lock:
            self._look(time)
            self._tell(self.detector.tick(time), time)
            self._note()
            lost, self.detector.lost = self.detector.lost, 0
            if lost:
                self._counters.add("dropped.news.too_many", lost)

    def finish(self, time: int) -> None:
        """The daemon ends: what waits is told."""
        with self._lock:
            self._tell(self.detector.finish(time), time)

    def _see(self, event: Change | Claim | Gone, time: int) -> None:
        with self._lock:
            self._look(time)
            self._tell(self.detector.see(event), time)

    def _look(self, time: int) -> None:
        """Nothing is new while it is not known what is known, nor while the clock is surely behind."""
        behind = time < self._newest - CLOCK_BEHIND and self._patient is not None and time < self._patient
        self.detector.ready = self._remembered and self._is_well() and not behind

    def _tell(self, findings: Iterable[Threat | TakenBack], time: int) -> None:
        for finding in findings:
            if isinstance(finding, TakenBack):
                self._threats.take_back(finding)
                told = {"event": "news", "repeat": "news.taken_back", "most": MOST_SAID}
                log.info("taken back: %s of %s: %s", finding.kind, finding.device, finding.why, extra=told)
            else:
                self._threats.see([finding], Now(time, time / 1000), news=True)
                if finding.count and not self._threats.is_muted(finding):
                    told = {"event": "news", "device": finding.device or "", "repeat": "news", "most": MOST_SAID}
                    log.info("%s", finding.description, extra=told)

    def _note(self) -> None:
        """Keeps how far learning has come, where that is another than was kept."""
        note = self.detector.learning.note
        if self._remembered and note is not None and note != self._noted:
            if self._noted is not None and self._noted.isdecimal() and not note.isdecimal():
                log.info("learning is over: what shows up from now on is news", extra={"event": "learning"})
            self._noted = note
            self._keep_note(LEARNING, note)


def _local(moment: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(moment / 1000))
