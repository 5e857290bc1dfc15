"""A phone that changes its MAC, and who hears what becomes of devices."""

from typing import Any

from ingest_kit import T0, Recorder, devices_of, later, sighting

from netwatchd.events import Change, Claim, Clue, Sighting
from netwatchd.ingest.devices import Devices

OLD, NEW, THIRD = "7a:3f:91:c2:5d:0e", "2e:11:22:33:44:55", "5a:00:00:00:00:03"
LAPTOP, PHONE, ROUTER = 0xC0A80105, 0xC0A80106, 0xC0A80101
ADA = (Clue("dhcp_hostname", "Adas-iPhone"), Clue("dhcp_parameters", "1,121,3,6,15"))
PIXEL = (Clue("dhcp_hostname", "Pixel-7"), Clue("dhcp_parameters", "1,3,6,15"))


class Watcher:
    """Hears what becomes of devices."""

    def __init__(self) -> None:
        self.heard: list[Any] = []

    def changed(self, change: Change) -> None:
        self.heard.append(change)

    def claimed(self, claim: Claim) -> None:
        self.heard.append(claim)

    def gone(self, key: str, into: str | None, time: int) -> None:
        self.heard.append((key, into))

    def tick(self, time: int) -> None:
        pass

    @property
    def new(self) -> list[str]:
        """The devices that were told as new."""
        return [each.key for each in self.heard if isinstance(each, Change) and each.before is None]


def seen(mac: str | None, at: float, clues: tuple[Clue, ...] = (), ip: int | None = None, **fields: Any) -> Sighting:
    """A sighting so many seconds after T0."""
    return sighting(mac, time=later(at).wall, clues=clues, ips=() if ip is None else (ip,), **fields)


def begun(seen_by: Recorder) -> Devices:
    """Devices that know what is stored, which is nothing."""
    devices = devices_of(seen_by)
    devices.remember([], T0)
    return devices


def a_phone_changed_its_mac(seen_by: Recorder, clues: tuple[Clue, ...] = ADA, away: float = 3600) -> Devices:
    """The phone was there, and comes back with another MAC."""
    devices = begun(seen_by)
    devices.see([seen(OLD, 0, clues, PHONE)], T0)
    devices.account({OLD: [10, 20, 1]}, {}, T0)
    devices.see([seen(NEW, away, clues, LAPTOP)], later(away))
    return devices


def pass_time(devices: Devices, seconds: float) -> None:
    """Until so many seconds after T0."""
    devices.tick(later(seconds))


def macs_of(devices: Devices) -> list[tuple[str | None, tuple[str, ...]]]:
    """The devices, and all their MACs."""
    return [(device.mac, device.macs) for device in devices.all()]


def turn_by_turn(devices: Devices, begin: float, apart: float, times: int) -> None:
    """Both MACs show themselves in turn, with a tick after each."""
    for n in range(times):
        at = begin + n * apart
        devices.see([seen((OLD, NEW)[n % 2], at, ip=(PHONE, LAPTOP)[n % 2])], later(at))
        devices.tick(later(at))
