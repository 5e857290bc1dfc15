"""A home whose devices show themselves at given seconds, and what is told of them."""

from collections.abc import Iterable
from typing import Any

from ingest_kit import T0, Recorder, devices_of, later

from netwatchd.addresses import parse_address
from netwatchd.config import News as Settings
from netwatchd.detectors.news import News
from netwatchd.events import Clue, Device, Sighting, Threat, ThreatStatus
from netwatchd.ingest.threats import Threats
from netwatchd.ingest.watching import Watching

TICK = 0.5
TV, LAPTOP, PHONE, OTHER_PHONE = "8c:79:f5:44:55:66", "a4:83:e7:12:34:56", "7a:3f:91:c2:5d:0e", "02:11:22:33:44:55"
DHCP_NAME = "dhcp_hostname"


def seen(mac: str | None, *ips: str, **fields: Any) -> Sighting:
    """A sighting; the time is put in when it happens."""
    addresses = tuple(map(parse_address, ips))
    return Sighting(0, fields.pop("source", "neighbours"), mac, addresses, **fields)


def named(mac: str, name: str, *ips: str, kind: str = DHCP_NAME) -> Sighting:
    """It shows a name of its own."""
    return seen(mac, *ips, hostname=name, clues=(Clue(kind, name),))


class Home:
    """Devices, Threats and the detector between them, by a clock of their own; it ticks as the daemon does."""

    def __init__(
        self,
        *,
        learning: float = 0,
        absence: float = 30 * 86400,
        cooldown: float = 86400,
        enabled: bool = True,
        past: bool = False,
        offline_after: float = 900,
    ) -> None:
        self.recorder = Recorder()
        self.devices = devices_of(self.recorder, offline_after)
        self.threats = Threats(self.devices, self.recorder, self.recorder)
        settings = Settings(enabled=enabled, learning=learning, absence=absence, cooldown=cooldown)
        self.news = News(settings, self.devices.find, self.devices.identities.undecided, past=past)
        self.notes: dict[str, str] = {}
        self.well = True
        self.watching = Watching(
            self.news, self.threats, self.notes.__setitem__, lambda: self.well, self.recorder.counters
        )
        self.devices.watch = self.watching
        self.seconds = 0.0
        self.leapt = 0.0  # by how much the wall clock is ahead of the steady one

    @property
    def now(self) -> Any:
        moment = later(self.seconds)
        return moment._replace(wall=moment.wall + int(self.leapt * 1000))

    def remember(self, stored: Iterable[Device] = (), threats: Iterable[Threat] = (), note: str | None = None) -> None:
        """The store was opened, and holds this."""
        stored, threats = list(stored), list(threats)
        self.devices.remember(stored, self.now)
        self.threats.remember(threats, self.now.wall)
        self.watching.remember(stored, threats, note, self.now)

    def until(self, seconds: float) -> None:
        """Time passes."""
        while self.seconds + TICK <= seconds:
            self.seconds += TICK
            self.devices.notice(self.now)
            self.devices.tick(self.now)
            if self.seconds % 30 == 0:
                self.devices.sweep(self.now)
        self.seconds = seconds

    def away(self, seconds: float) -> None:
        """Time passes, with a look now and then only: for days and weeks."""
        end = self.seconds + seconds
        while self.seconds < end:
            for _ in range(5):
                self.seconds = min(self.seconds + 10, end)
                self.devices.notice(self.now)
            self.devices.tick(self.now)
            self.devices.sweep(self.now)

    def show(self, *sightings: Sighting) -> None:
        """Devices show themselves now."""
        for sighting in sightings:
            self.devices.see([sighting.__class__(**_fields(sighting) | {"time": self.now.wall})], self.now)

    def story(self, *steps: tuple[float, Sighting], end: float = 120) -> "Home":
        """What happens at which second; then nothing for `end` seconds."""
        for second, sighting in steps:
            self.until(second)
            self.show(sighting)
        self.until(self.seconds + end)
        return self

    @property
    def told(self) -> list[str]:
        """What was told, in its order: kinds, with a minus where it was taken back, without what is told better."""
        found, counts = [], dict[int, int]()
        for threat in self.recorder.published:
            if not isinstance(threat, Threat):
                continue
            if threat.status is ThreatStatus.DISMISSED:
                found.append(f"-{threat.kind}")
            elif threat.count > counts.get(threat.id, 0):
                found.append(threat.kind)
            counts[threat.id] = threat.count
        return found

    def moment(self, kind: str = "new_device") -> float:
        """The second at which the first of a kind was told."""
        first = next(each for each in self.recorder.published if isinstance(each, Threat) and each.kind == kind)
        return (first.last_seen - T0.wall) / 1000

    def latest(self, kind: str = "new_device") -> Threat:
        """The last word on a kind."""
        return [each for each in self.recorder.published if isinstance(each, Threat) and each.kind == kind][-1]


def _fields(sighting: Sighting) -> dict[str, Any]:
    return {name: getattr(sighting, name) for name in Sighting.__dataclass_fields__}
