"""Who is here: when each device was last heard of, and whether that is too long ago.

Silence is measured by the steady clock, so that a wall clock that leaps turns nobody offline. `Devices` calls with its
lock held.
"""

from collections.abc import Mapping

from netwatchd.clock import Now
from netwatchd.events import Device, Status
from netwatchd.ingest import Store


class Presence:
    """When each device was heard of. `offline_after` is the silence, in seconds, after which one counts as gone."""

    def __init__(self, store: Store, offline_after: float) -> None:
        self.offline_after = offline_after
        self._store = store
        self._heard: dict[str, float] = {}  # key -> steady time of the last sign of life

    def remember(self, key: str, device: Device, now: Now) -> None:
        """Takes in a device of an earlier run: if it was online then, it has the usual silence to show itself."""
        self._heard.setdefault(key, now.steady)

    def hear(self, key: str, device: Device, steady: float, now: Now) -> Status:
        """A sign of life at `steady`; returns whether the device is here."""
        self._heard[key] = max(steady, self._heard.get(key, steady))
        # The kernel's tables keep ghosts: to be known is not to be here.
        return Status.ONLINE if now.steady - self._heard[key] < self.offline_after else Status.OFFLINE

    def leave(self, key: str, device: Device, now: Now) -> Status:
        """A source says that the device has left, and is believed."""
        self._heard[key] = now.steady - self.offline_after
        return Status.OFFLINE

    def silent(self, devices: Mapping[str, Device], now: Now) -> list[str]:
        """The devices that count as online and were silent for too long."""
        return [
            key
            for key, heard in self._heard.items()
            if devices[key].status is Status.ONLINE and now.steady - heard >= self.offline_after
        ]

    def heard(self, key: str) -> float | None:
        """The steady time of the device's last sign of life; None where it gave none in this run."""
        return self._heard.get(key)

    def doubt(self, key: str, device: Device, now: Now) -> bool:
        """Has a device be asked at once whether it is here; returns whether it can be asked."""
        return False

    def join(self, key: str, into: str) -> None:
        """A device turned out to be another one."""
        self._heard[into] = max(self._heard.pop(key, 0.0), self._heard.get(into, 0.0))

    def forget(self, key: str) -> None:
        """The device is no more."""
        self._heard.pop(key, None)
