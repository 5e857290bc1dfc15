"""Shows detectors what comes in, and hands on what they find.

Several workers come here: that of flows, that of observations, and whoever changes a device, who holds the lock of
`Devices`. A lock of its own keeps them apart; what was found is handed on when it is released, because Threats asks
Devices in turn.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Protocol

from netwatchd.clock import Now
from netwatchd.config import Config
from netwatchd.events import Change, Claim, FlowBatch, Gone, TakenBack, Threat
from netwatchd.ingest.threats import Threats
from netwatchd.observations import Observation

log = logging.getLogger(__name__)

Found = list[Threat | TakenBack]

NOTE = "detector."  # how the keys of notes begin, in meta
SET_BACK = 60_000  # milliseconds by which the clock must have been set back to matter: NTP slews what is less than that
KEEP_EVERY = 60_000  # milliseconds between two looks whether a note is another one: each writing wears the card


class Panel(Protocol):
    """The detectors, side by side."""

    def apply(self, settings: Config) -> None:
        """Takes in other settings."""

    def flows(self, batch: FlowBatch, new: Sequence[int]) -> Found:
        """What is found in flows."""

    def observe(self, observations: Sequence[Observation]) -> Found:
        """What is found in observations."""

    def see_device(self, event: Change | Claim | Gone) -> Found:
        """What is found in what has become of a device."""

    def tick(self, time: int) -> Found:
        """What is found by `time`."""

    def set_back(self, time: int) -> None:
        """The clock was set back to `time`."""

    def notes(self) -> dict[str, str]:
        """What is to be kept across restarts, by detectors."""

    def recall(self, notes: dict[str, str]) -> None:
        """Takes in what was kept."""


class Detection:
    """Is shown flows, observations and what becomes of devices. Any thread may call."""

    def __init__(
        self, panel: Panel, threats: Threats, keep_note: Callable[[str, str], None] = lambda key, text: None
    ) -> None:
        """`keep_note` keeps a text under a key."""
        self.panel = panel
        self._threats = threats
        self._keep_note = keep_note
        self._lock = threading.Lock()
        self._kept: dict[str, str] | None = None  # notes as they are stored; None: those are not known yet
        self._looked = 0
        self._noticed: Now | None = None

    def remember(self, note_of: Callable[[str], str | None]) -> None:
        """Takes in what detectors have kept, in the first file that is read; another one is given it anew."""
        with self._lock:
            first, self._kept = self._kept is None, {}
            if first:
                self._kept = {name: note for name in self.panel.notes() if (note := note_of(NOTE + name))}
                self.panel.recall(self._kept)

    def apply(self, settings: Config) -> None:
        """Takes in other settings."""
        with self._lock:
            self.panel.apply(settings)

    def flows(self, batch: FlowBatch, new: Sequence[int], now: Now) -> None:
        """Flows were taken in; `new` says of each whether it was told for the first time."""
        self._ask(lambda: self.panel.flows(batch, new), now)

    def observations(self, observations: Sequence[Observation], now: Now) -> None:
        """Observations came in."""
        self._ask(lambda: self.panel.observe(observations), now)

    def changed(self, change: Change) -> None:
        """A device is new or another than before."""
        self._ask(lambda: self.panel.see_device(change), _moment(change.time))

    def claimed(self, claim: Claim) -> None:
        """An address moved from one device to another."""
        self._ask(lambda: self.panel.see_device(claim), _moment(claim.time))

    def gone(self, key: str, into: str | None, time: int) -> None:
        """A device was forgotten, or found to be the device `into`."""
        self._ask(lambda: self.panel.see_device(Gone(key, into)), _moment(time))

    def notice(self, now: Now) -> None:
        """Looks whether the clock was set back, which the steady one tells."""
        last, self._noticed = self._noticed, now
        if last is None:
            return
        leap = now.wall - last.wall - (now.steady - last.steady) * 1000
        if leap < -SET_BACK:
            log.warning("the clock was set back by %.0f s: what detectors remember begins anew", -leap / 1000)
            with self._lock:
                self.panel.set_back(now.wall)

    def tick(self, time: int) -> None:
        """It is `time`."""
        self._ask(lambda: self.panel.tick(time), _moment(time))
        self._threats.tick(time)
        self._looked = self._looked or time
        if self._kept is not None and abs(time - self._looked) >= KEEP_EVERY:
            self._looked = time
            self._keep(self._kept)

    def _keep(self, kept: dict[str, str]) -> None:
        """Keeps the notes that are others than were kept."""
        with self._lock:
            new = {name: note for name, note in self.panel.notes().items() if note and note != kept.get(name)}
            kept.update(new)
        for name, note in new.items():
            self._keep_note(NOTE + name, note)

    def _ask(self, what: Callable[[], Found], now: Now) -> None:
        with self._lock:
            found = what()
        for finding in found:
            if isinstance(finding, TakenBack):
                self._threats.take_back(finding)
            else:
                self._threats.see([finding], now)


def _moment(time: int) -> Now:
    return Now(time, time / 1000)
