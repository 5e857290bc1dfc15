"""The threats that are known: the same kind, device and target seen again is the same threat, with a higher count.

One threat is one row, and is told once for each time that it happens. What goes on is told less and less often
(`pace`), and what comes in floods is gathered (`guard`), so that no attack floods clients, cards or people. What the
user mutes leaves nothing but a count (`mutes`). Nothing is lost by that: the last state of a row is always told.
"""

import dataclasses
import logging
import threading
from collections.abc import Callable, Iterable, Sequence

from netwatchd import clock
from netwatchd.addresses import address_text, parse_address
from netwatchd.clock import Now
from netwatchd.config import Threats as Settings
from netwatchd.counters import Counters
from netwatchd.events import Device, Judge, TakenBack, Threat, ThreatKey, ThreatStatus
from netwatchd.ingest import Publish, Store, rows
from netwatchd.ingest.devices import Devices
from netwatchd.ingest.guard import Guard
from netwatchd.ingest.mutes import device_of, muting
from netwatchd.ingest.pace import QUIET, Pace
from netwatchd.mutes import split_port

log = logging.getLogger(__name__)

MOST_THREATS = 10_000  # kept in memory; an older one that comes again then counts from one
MOST_COUNT = rows.MOST_COUNT
MOST_SAID = 100  # threats that have a line of the log each in a minute
# Kinds whose detector gathers what comes in floods by itself.
GATHERED = frozenset(("new_device",))


def no_alert(threat: Threat) -> None:
    """Tells nobody."""


class Threats:
    """Every threat by kind, device and target, the most recently seen last. Any thread may call."""

    def __init__(
        self,
        devices: Devices,
        publish: Publish,
        store: Store,
        settings: Settings | None = None,
        counters: Counters | None = None,
        alert: Callable[[Threat], None] = no_alert,
    ) -> None:
        """`alert` is called once for each open threat that has happened, or become worse; it must not wait."""
        self._devices = devices
        self._publish = publish
        self._store = store
        self._settings = settings or Settings()
        self._counters = counters or Counters()
        self._alert = alert
        self._lock = threading.Lock()
        self._threats: dict[ThreatKey, Threat] = {}
        self._happened: dict[ThreatKey, int] = {}  # when it was last told that it had happened once more (Unix ms)
        self._pace: Pace[ThreatKey] = Pace(MOST_THREATS)
        self._guard = Guard()
        self._last_id = 0
        self._remembered = False

    def open(self) -> list[Threat]:
        """The threats that nobody has dismissed or acknowledged yet."""
        with self._lock:
            return [threat for threat in self._threats.values() if threat.status is ThreatStatus.OPEN]

    def latest(self, keys: Sequence[ThreatKey]) -> list[Threat | None]:
        """What is known now of threats; None of those that are not known any more."""
        with self._lock:
            return [self._threats.get(key) for key in keys]

    def is_muted(self, threat: Threat) -> bool:
        """Whether a rule of the user's keeps it from being told."""
        return muting(self._settings.mute, threat, self._devices) is not None

    def apply(self, settings: Settings) -> None:
        """Takes in other settings: open threats that a rule mutes now are dismissed, with the rule in their notes."""
        with self._lock:
            self._settings = settings
            self._mute_open()

    def remember(self, threats: Iterable[Threat], now: int) -> None:
        """Takes in what was stored by earlier runs; what this run saw already goes on from there. It is `now`."""
        with self._lock:
            recent, self._threats = self._threats, {}
            for threat in sorted(threats, key=lambda threat: threat.last_seen):
                self._put(threat)
            for key, threat in recent.items():
                # The first time, its id may be an older threat's. Later, its count holds what was stored.
                known = None if self._remembered else self._threats.get(key)
                if known is not None:
                    threat = rows.joined(known, threat, again=False, reopen=False)
                self._put(threat if self._remembered or known else dataclasses.replace(threat, id=self._last_id + 1))
                self._store.upsert_threat(self._threats[key])
            if not self._remembered:
                self._resume([each for key, each in self._threats.items() if key not in recent], now)
            self._remembered = True
            self._mute_open()

    def see(self, threats: Sequence[Threat], now: Now, *, news: bool = False) -> None:
        """Takes in threats, publishes and stores them. Their ids are given here; nothing was seen later than now.

        A threat that was put away stays so when it is seen again, unless it has happened once more and is worse than
        what was judged. `news` are open again: what happened once more is something else than what the user has put
        away. A count of 0 says nothing new: it is the same, told better.
        """
        with self._lock:
            for threat in threats:
                self._see(self._plain(threat, now), now.wall, news=news)

    def take_back(self, back: TakenBack) -> None:
        """Dismisses a threat that turned out to be none, with the reason in its evidence; nothing if it is not open."""
        with self._lock:
            threat = self._threats.get((back.kind, back.device, back.target))
            if threat is None or threat.status is not ThreatStatus.OPEN:
                return
            evidence = threat.evidence | {"taken_back": back.why}
            self._change(dataclasses.replace(threat, status=ThreatStatus.DISMISSED, evidence=evidence))

    def judge(self, command: Judge) -> str | None:
        """Marks a threat as the user wants; returns what is wrong where it cannot."""
        with self._lock:
            for threat in self._threats.values():
                if threat.id == command.threat:
                    self._change(rows.judged(threat, command.status, clock.now().wall))
                    return None
        return f"there is no threat {command.threat}"

    def tick(self, now: int) -> None:
        """It is `now` (Unix ms): what had to wait is told when its time has come."""
        with self._lock:
            for key in self._pace.due(now):
                self._tell(self._threats[key], now)

    def finish(self, now: int) -> None:
        """What waits to be told is told."""
        with self._lock:
            for key in self._pace.waiting():
                self._tell(self._threats[key], now)

    def retain(self, before: int) -> None:
        """Forgets the threats that were last seen before a time (Unix ms); their rows are removed by the store."""
        with self._lock:
            for threat in [each for each in self._threats.values() if each.last_seen < before]:
                if threat.status is ThreatStatus.OPEN:  # clients keep what is open
                    self._publish([dataclasses.replace(threat, status=ThreatStatus.DISMISSED)])
                self._forget(threat.key)

    # Called with the lock held.

    def _resume(self, threats: Sequence[Threat], now: int) -> None:
        """What went on when the last run ended is no news to anybody, and gets no rows that it would not have got."""
        for threat in (each for each in threats if 0 <= now - each.last_seen < QUIET):
            self._pace.resume(threat.key, threat.first_seen, threat.last_seen, threat.count)
        rows_ = (each for each in threats if each.kind not in GATHERED)
        self._guard.remember(((each, self._is_here(each.device)) for each in rows_), now)

    def _is_here(self, key: str | None) -> bool:
        device = self._devices.find(key) if key else None
        return bool(device and device.mac)

    def _see(self, threat: Threat, now: int, *, news: bool) -> None:
        if self.is_muted(threat):
            self._counters.add("threats.muted")
            return
        device = self._devices.find(threat.device) if threat.device and threat.key not in self._threats else None
        if device and not news:
            threat = self._as_before(threat, device)
        if threat.key not in self._threats and threat.kind not in GATHERED:
            group = self._guard.full(threat, here=bool(device and device.mac), now=now)
            if group:
                self._counters.add("threats.gathered")
                threat = group.gather(threat, self._called(group.device), now)
                if self.is_muted(threat):
                    self._counters.add("threats.muted")
                    return
        self._take(threat, now, news=news)

    def _as_before(self, threat: Threat, device: Device) -> Threat:
        """The same by the MAC under which it has a row: that one was merged with others since."""
        keys = ((threat.kind, mac, threat.target) for mac in device.macs)
        known = next((key for key in keys if key in self._threats), None)
        return dataclasses.replace(threat, device=known[1]) if known else threat

    def _take(self, threat: Threat, now: int, *, news: bool) -> None:
        key = threat.key
        known = self._threats.get(key)
        again = known is not None and self._is_again(key, known, threat, now, news=news)
        if known is None:
            threat = dataclasses.replace(threat, id=self._last_id + 1, count=max(threat.count, 1))
        else:
            threat = rows.joined(known, threat, again=again, reopen=news and again)
        if known is None or again:
            self._happened[key] = now
        self._put(threat)
        worse = known is not None and rows.is_worse(threat.severity, known.severity)
        opened = known is not None and known.status is not threat.status
        is_news = known is None or again or worse or opened
        # The alert first: should a power cut come between the two, it is told of once more, and not never.
        if threat.status is ThreatStatus.OPEN and is_news:
            self._alert(threat)
            if not news:  # which are logged by who tells them
                told = {"event": "threat", "device": threat.device or "", "repeat": "threat", "most": MOST_SAID}
                log.info("%s %s: %s", threat.severity, threat.kind, threat.description, extra=told)
        if is_news or self._pace.may_tell(key, now):
            self._tell(threat, now, new=known is None)
        else:
            self._counters.add("threats.held")

    def _is_again(self, key: ThreatKey, known: Threat, threat: Threat, now: int, *, news: bool) -> bool:
        """Whether it has happened once more."""
        if news:  # whose detector decides
            return threat.count > 0
        if not rows.happened_again(known, threat, self._settings.cooldown):
            return False
        # Logs of weeks are read in a moment: what lies in the past is not told as often as it happened.
        told = self._happened.get(key)
        return told is None or abs(now - told) >= self._settings.cooldown * 1000

    def _tell(self, threat: Threat, now: int, *, new: bool = False) -> None:
        self._pace.note(threat.key, now)
        self._publish([threat])
        (self._store.add_threat if new else self._store.upsert_threat)(threat)

    def _change(self, threat: Threat) -> None:
        """A row is another than before, but was not seen again."""
        self._threats[threat.key] = threat
        self._pace.done(threat.key)
        self._publish([threat])
        self._store.upsert_threat(threat, soon=True)

    def _mute_open(self) -> None:
        if not self._settings.mute:
            return
        for threat in [each for each in self._threats.values() if each.status is ThreatStatus.OPEN]:
            if rule := muting(self._settings.mute, threat, self._devices):
                self._change(rows.muted(threat, rule.text))

    def _plain(self, threat: Threat, now: Now) -> Threat:
        """The same by the names under which it may be known here already."""
        last = min(threat.last_seen, now.wall)
        return dataclasses.replace(
            rows.without_notes(threat),
            device=self._device_of(threat.device),
            target=_target_of(threat.target),
            first_seen=min(threat.first_seen, last),
            last_seen=last,
        )

    def _device_of(self, device: str | None) -> str | None:
        """The device's key, where an address was named that a device owns, or one more MAC of it."""
        try:
            address = parse_address(device or "")
            return self._devices.owner_of(address) or address_text(address)
        except ValueError:
            return device and self._devices.identities.key_of(device)

    def _called(self, key: str | None) -> str | None:
        """How a device is called in a sentence."""
        device = key and device_of(key, self._devices)
        name = device and (device.name or device.hostname)
        return f"{name} ({key})" if name else key

    def _put(self, threat: Threat) -> None:
        self._last_id = max(self._last_id, threat.id)
        self._threats.pop(threat.key, None)
        self._threats[threat.key] = threat
        if len(self._threats) > MOST_THREATS:
            # What the user has judged is kept, where there is anything else.
            open_ones = (key for key, each in self._threats.items() if each.status is ThreatStatus.OPEN)
            self._forget(next(open_ones, next(iter(self._threats))))

    def _forget(self, key: ThreatKey) -> None:
        if self._pace.waits(key):
            self._store.upsert_threat(self._threats[key])
        self._threats.pop(key, None)
        self._happened.pop(key, None)
        self._pace.forget(key)


def _target_of(target: str | None) -> str | None:
    """The target as everybody writes it: addresses canonically."""
    host, port = split_port(target or "")
    try:
        text = address_text(parse_address(host))
    except ValueError:
        return target
    if port is None:
        return text
    return f"[{text}]:{port}" if ":" in text else f"{text}:{port}"
