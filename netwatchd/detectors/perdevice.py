"""What a detector remembers of each device: it outlives a restart as a note, and goes along with a device that is found
to be another one.

Bounded: of `most` devices. Devices that somebody made up do little, and make room for one another.
"""

import json
from collections.abc import Callable
from typing import Any, Generic, Protocol, Self, TypeVar

from netwatchd.detectors import Findings
from netwatchd.detectors.memory import LEAP
from netwatchd.events import Change, Claim, Gone


class Joinable(Protocol):
    """What may be known of one device in two places."""

    def join(self, other: Self) -> None:
        """Takes in what is known of the same device from elsewhere: an earlier run, or under another key."""


V = TypeVar("V", bound=Joinable)


class PerDevice(Generic[V]):
    """Values by the keys of devices, and the time as ticks tell it."""

    def __init__(
        self, most: int, every: int, make: Callable[[int | None], V], weight: Callable[[V], int | tuple[int, ...]]
    ) -> None:
        """Of `most` devices; a note is made `every` so many milliseconds, at most.

        `make` gives the value of a new device, by the time of the last tick; where there are too many, the one whose
        `weight` is the least goes.
        """
        self.known: dict[str, V] = {}
        self.ticked: int | None = None  # Unix ms, by our own clock: that of an exporter may be years behind
        self.note: str | None = None
        self._most, self._every, self._make, self._weight = most, every, make, weight
        self._noted = 0

    def about(self, device: str) -> V:
        """What is known of a device, which is made where nothing is."""
        known = self.known
        value = known.get(device)
        if value is None:
            if len(known) >= self._most:
                del known[min(known, key=lambda key: self._weight(known[key]))]
            value = known[device] = self._make(self.ticked)
        return value

    def see_device(self, event: Change | Claim | Gone) -> Findings:
        """A device that is found to be another one takes along what is known of it."""
        if isinstance(event, Gone):
            value = self.known.pop(event.device, None)
            if event.into is not None and value is not None:
                self.about(event.into).join(value)
        return ()

    def tick(self, time: int) -> int:
        """It is `time`; returns by how much the clock leapt, or for how long netwatchd was off, if it was."""
        last, self.ticked = self.ticked, time
        return time - last if last is not None and abs(time - last) > LEAP else 0

    def write_note(self, time: int, kept: Callable[[V], object], **beside: object) -> bool:
        """Makes a note, if that is due; returns whether it was. `kept` gives what is kept of a value, as for JSON."""
        if abs(time - self._noted) < self._every or not self.known:
            return False
        self._noted = time
        devices = {key: kept(value) for key, value in self.known.items()}
        self.note = json.dumps({"time": time, **beside, "devices": devices}, separators=(",", ":"))
        return True

    def recall(self, note: str, value_of: Callable[[Any], V]) -> dict[str, Any]:
        """Takes in what was noted; returns all of the note, {} where it is none.

        `value_of` makes a value of what was kept; where it raises ValueError or TypeError, that is left out.
        """
        try:
            kept: dict[str, Any] = json.loads(note)
            time, devices = kept["time"], kept["devices"]
        except (ValueError, TypeError, KeyError, RecursionError):
            return {}
        if type(time) is not int or not isinstance(devices, dict):
            return {}
        self.ticked = time
        for key, each in list(devices.items())[-self._most :]:
            try:
                value = value_of(each)
            except (ValueError, TypeError):
                continue
            self.about(key).join(value)
        return kept
