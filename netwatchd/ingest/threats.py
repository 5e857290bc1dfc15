"""The threats that are known: the same kind, device and target seen again is the same threat, with a higher count."""

import dataclasses
import threading
from collections.abc import Iterable, Sequence

from netwatchd.addresses import parse_address
from netwatchd.clock import Now
from netwatchd.events import Judge, TakenBack, Threat, ThreatStatus
from netwatchd.ingest import Publish, Store
from netwatchd.ingest.devices import Devices

MOST_THREATS = 10_000  # kept in memory; an older one that comes again then counts from one
MOST_COUNT = 2**53 - 1  # what JavaScript keeps exactly; only a liar counts further
ThreatKey = tuple[str, str | None, str | None]


class Threats:
    """Every threat by kind, device and target, the most recently seen last. Any thread may call."""

    def __init__(self, devices: Devices, publish: Publish, store: Store) -> None:
        self._devices = devices
        self._publish = publish
        self._store = store
        self._lock = threading.Lock()
        self._threats: dict[ThreatKey, Threat] = {}
        self._last_id = 0
        self._remembered = False

    def open(self) -> list[Threat]:
        """The threats that nobody has dismissed or acknowledged yet."""
        with self._lock:
            return [threat for threat in self._threats.values() if threat.status is ThreatStatus.OPEN]

    def remember(self, threats: Iterable[Threat]) -> None:
        """Takes in what was stored by earlier runs; what this run saw already goes on from there."""
        with self._lock:
            recent, self._threats = self._threats, {}
            for threat in sorted(threats, key=lambda threat: threat.last_seen):
                self._put(threat)
            for threat in recent.values():
                # The first time, its id may be an older threat's. Later, its count holds what was stored.
                self._put(threat if self._remembered else self._joined(dataclasses.replace(threat, id=0)))
                self._store.upsert_threat(self._threats[_key(threat)])
            self._remembered = True

    def see(self, threats: Sequence[Threat], now: Now, *, news: bool = False) -> None:
        """Takes in threats, publishes and stores them. Their ids are given here; nothing was seen later than now.

        A threat that was dismissed stays so when it is seen again; `news` are open again: what happened once more is
        something else than what the user has put away. A count of 0 says nothing new: it is the same, told better.
        """
        with self._lock:
            for threat in threats:
                threat = dataclasses.replace(
                    threat,
                    device=self._device_of(threat.device),
                    first_seen=min(threat.first_seen, now.wall),
                    last_seen=min(threat.last_seen, now.wall),
                )
                new = _key(threat) not in self._threats
                again = news and threat.count > 0
                threat = self._joined(threat)
                if again:
                    threat = dataclasses.replace(threat, status=ThreatStatus.OPEN)
                self._put(threat)
                self._publish([threat])
                (self._store.add_threat if new else self._store.upsert_threat)(threat)

    def take_back(self, back: TakenBack) -> None:
        """Dismisses a threat that turned out to be none, with the reason in its evidence; nothing if it is not open."""
        with self._lock:
            key = back.kind, back.device, back.target
            threat = self._threats.get(key)
            if threat is None or threat.status is not ThreatStatus.OPEN:
                return
            evidence = threat.evidence | {"taken_back": back.why}
            self._threats[key] = threat = dataclasses.replace(threat, status=ThreatStatus.DISMISSED, evidence=evidence)
            self._publish([threat])
            self._store.upsert_threat(threat)

    def judge(self, command: Judge) -> str | None:
        """Marks a threat as the user wants; returns what is wrong where it cannot."""
        with self._lock:
            for key, threat in self._threats.items():
                if threat.id == command.threat:
                    self._threats[key] = judged = dataclasses.replace(threat, status=command.status)
                    self._publish([judged])
                    self._store.upsert_threat(judged)
                    return None
        return f"there is no threat {command.threat}"

    def _device_of(self, device: str | None) -> str | None:
        """The device's key, where an address was named that a device owns, or one more MAC of it."""
        try:
            return self._devices.owner_of(parse_address(device or "")) or device
        except ValueError:
            return device and self._devices.identities.key_of(device)

    def _joined(self, threat: Threat) -> Threat:
        known = self._threats.get(_key(threat))
        if known is None:
            return (
                threat if threat.id else dataclasses.replace(threat, id=self._last_id + 1, count=max(threat.count, 1))
            )
        return dataclasses.replace(
            threat,
            id=known.id,
            first_seen=min(known.first_seen, threat.first_seen),
            last_seen=max(known.last_seen, threat.last_seen),
            count=min(known.count + threat.count, MOST_COUNT),
            status=known.status,
        )

    def _put(self, threat: Threat) -> None:
        self._last_id = max(self._last_id, threat.id)
        self._threats.pop(_key(threat), None)
        self._threats[_key(threat)] = threat
        if len(self._threats) > MOST_THREATS:
            del self._threats[next(iter(self._threats))]


def _key(threat: Threat) -> ThreatKey:
    return threat.kind, threat.device, threat.target
