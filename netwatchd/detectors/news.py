"""News of devices: `new_device`, `device_back`, `name_changed`, `ip_conflict`; and only what is true.

What must not be told is the point of this file:

* nothing of the learning period, which begins when a store that knows no device is opened for the first time;
* nothing while it is not known what is known: the store cannot be written, or was not read yet. What happened meanwhile
  is told afterwards, if it still is true then;
* no newcomer that turns out to be a known device: it waits until it has shown who it is (`newcomers`), and where it was
  told already, it is taken back;
* no absence in a time in which nobody looked: netwatchd was off, the machine slept, the clock leapt;
* nothing twice within `cooldown`;
* of the past (a replay), only what two devices did to each other then: an address that both used.

All times are Unix ms, and come with the events.
"""

from collections.abc import Callable, Iterable
from typing import Protocol

from netwatchd.addresses import address_text
from netwatchd.detectors import Finding, stories
from netwatchd.detectors.conflicts import Conflicts
from netwatchd.detectors.memory import Learning, Told, Unwatched
from netwatchd.detectors.naming import called, is_renaming
from netwatchd.detectors.newcomers import (
    FLOOD,
    FLOOD_TOLD,
    FLOOD_WINDOW,
    MOST_WAITING,
    PASSED,
    UNDECIDED,
    Flood,
    Newcomer,
    is_newcomer,
)
from netwatchd.detectors.stories import DEVICE_BACK, KINDS, NEW_DEVICE
from netwatchd.events import Change, Claim, Device, Gone, Status, TakenBack, Threat

BETTER = 60_000  # milliseconds in which the text of a newcomer's news follows what it shows: mDNS may come later
MOST_HEIRS = 256  # their own change follows at once


class Settings(Protocol):
    """What decides; seconds."""

    @property
    def enabled(self) -> bool:
        """Whether news are told."""

    @property
    def learning(self) -> float:
        """How long everything is baseline at the first start."""

    @property
    def absence(self) -> float:
        """How long a device must have been away for its return to be news."""

    @property
    def cooldown(self) -> float:
        """How long the same news is not told again."""


class News:
    """Decides what of all that devices do is news."""

    def __init__(
        self,
        settings: Settings,
        find: Callable[[str], Device | None],
        undecided: Callable[[str], bool],
        *,
        past: bool = False,
    ) -> None:
        """`find` gives the device of a key as it is now; `undecided` whether it is being looked into who that is.

        `past`: what is seen lies in the past.
        """
        self.settings = settings
        self.ready = past  # whether it is known what is known; news wait until then
        # Whether more is known of a move of an address than that it moved: then that is told, and no conflict.
        self.explains: Callable[[Claim], bool] = lambda claim: False
        self.lost = 0  # news that nobody was told, because too many waited
        self.learning = Learning()
        self._find = find
        self._undecided = undecided
        self._past = past
        self._conflicts = Conflicts(find)
        self._unwatched = Unwatched()
        self._newcomers: dict[str, Newcomer] = {}
        self._heirs: dict[str, None] = {}  # who was known by an address, and now shows a MAC
        self._fresh: dict[str, tuple[int, str]] = {}  # newcomers that were told: when, and how they were called
        self._held: dict[tuple[str, str], Threat] = {}  # by kind and device: waits until it is known what is known
        self._told = Told()
        self._flood: Flood | None = None

    def remember(self, devices: Iterable[Device], threats: Iterable[Threat], learning: str | None, time: int) -> None:
        """Takes in what is stored: devices, what was told of them, and `learning` as it was noted."""
        devices = list(devices)
        for threat in threats:
            if threat.kind in KINDS:
                self._told.note((threat.kind, threat.device, threat.target), threat.last_seen)
        last = max((device.last_seen for device in devices), default=time)
        self._unwatched.begin(last, time)
        self.learning.remember(learning, bool(devices), time, last)
        for device in devices:
            key = device.mac or address_text(device.ips[0])
            if self._flood:
                self._flood.remove(key)
            if self._newcomers.pop(key, None) is not None:
                self._met_again(key, device, time)

    def see(self, event: Change | Claim | Gone) -> list[Finding]:
        """What is news now, because of this event."""
        if isinstance(event, Claim):
            return self._see_claim(event)
        if self._past:
            return []
        if isinstance(event, Change):
            self._notice(event.time)  # what follows a leap may come before the tick does
        return self._see_change(event) if isinstance(event, Change) else self._see_end(event)

    def tick(self, time: int) -> list[Finding]:
        """What is news by now; asked about twice a second."""
        self._notice(time)
        if not self._tells(time):
            self._newcomers.clear()
            self._held.clear()
            self._flood = None
            return []
        self._fresh = {key: fresh for key, fresh in self._fresh.items() if 0 <= time - fresh[0] < BETTER}
        if not self.ready:
            return []
        return self._tell_held() + self._tell_newcomers(time) + self._tell_flood(time)

    def finish(self, time: int) -> list[Finding]:
        """The newcomers that still wait: after a restart they would be known devices that nobody was told of."""
        if not self.ready or not self._tells(time):
            return []
        waiting, self._newcomers = self._newcomers, {}
        waiting = {key: each for key, each in waiting.items() if not self._passed_by(key, each)}
        return self._tell_held() + self._release(waiting, time) + self._tell_flood(time, ending=True)

    def _notice(self, time: int) -> None:
        """It is `time`: where the clock leapt, nobody has learnt, nor waited for long."""
        if leap := self._unwatched.tick(time):
            self.learning.shift(leap)
            for newcomer in self._newcomers.values():
                newcomer.shift(leap, time)

    # What an event means: the usual case first.

    def _see_change(self, change: Change) -> list[Finding]:
        if not self._tells(change.time):
            return []
        if change.before is None:
            return self._see_newcomer(change)
        if newcomer := self._newcomers.get(change.key):
            newcomer.show(change.after, change.time)
            return self._tell_newcomers(change.time, change.key)
        found = self._better(change)
        if change.before.status is Status.OFFLINE and change.after.status is Status.ONLINE:
            away = self._unwatched.watched(change.before.last_seen, change.time)
            if away >= self.settings.absence * 1000:
                back = stories.back(change.key, change.before, change.after, away, change.time)
                found += self._when_ready(change.key, back)
        # Who is new has no old name: what it shows one after the other is who it is.
        if change.key not in self._fresh:
            for renaming in filter(is_renaming, change.renamed):
                renamed = stories.renamed(change.key, change.after, renaming, change.time)
                found += self._when_ready(change.key, renamed)
        return found

    def _see_newcomer(self, change: Change) -> list[Finding]:
        if change.key in self._heirs:  # it was known by its address
            del self._heirs[change.key]
            return []
        if not is_newcomer(change.after):
            return []
        newcomer = Newcomer(change.after, change.time, change.time)
        newcomer.show(change.after, change.time)
        self._newcomers[change.key] = newcomer
        if len(self._newcomers) > MOST_WAITING:
            oldest = next(iter(self._newcomers))
            return self._join_flood({oldest: self._newcomers.pop(oldest)}, change.time)
        return self._tell_newcomers(change.time, change.key)

    def _see_end(self, event: Gone) -> list[Finding]:
        self._conflicts.forget(event.device)
        waiting = self._newcomers.pop(event.device, None)
        self._fresh.pop(event.device, None)
        for kind in KINDS:
            self._held.pop((kind, event.device), None)
        if event.into is None:
            # The user wants it forgotten: seen again, it is new again.
            self._told.forget(event.device)
            return []
        if self._flood:
            self._flood.remove(event.device)
        if waiting is not None:
            return []
        other = self._find(event.into)
        if other is None:
            # A device that was known by its address shows its MAC, which is told next as if it were new.
            self._heirs[event.into] = None
            if len(self._heirs) > MOST_HEIRS:
                del self._heirs[next(iter(self._heirs))]
            return []
        why = f"It is a known device: {called(other, event.into)}."
        return [TakenBack(NEW_DEVICE, event.device, None, why)]

    def _see_claim(self, claim: Claim) -> list[Finding]:
        moves = self._conflicts.see(claim)
        if not moves or not self.ready or not self._tells(claim.time) or self.explains(claim):
            return []  # where it goes on, it is seen again
        one, other = (self._find(key) for key in sorted((claim.key, claim.before)))
        return self._tell(stories.conflict(moves, one, other)) if one and other else []

    def _met_again(self, key: str, stored: Device, time: int) -> None:
        """What seemed new while the store could not be read is a known device, and may have been away for long."""
        device = self._find(key)
        away = self._unwatched.watched(stored.last_seen, time)
        if device is not None and stored.status is Status.OFFLINE and away >= self.settings.absence * 1000:
            self._hold(key, stories.back(key, stored, device, away, time))

    # When it is told.

    def _tells(self, time: int) -> bool:
        """Whether there are news at all; what happens where there are none is known, and not news later."""
        return self.settings.enabled and not self.learning.goes_on(self.settings.learning, time)

    def _tell_newcomers(self, time: int, only: str | None = None) -> list[Finding]:
        """The news of those that have shown who they are, or had the time to."""
        if not self.ready:
            return []
        asked = self._newcomers if only is None else {only: self._newcomers[only]}
        due = {key: each for key, each in asked.items() if each.is_due(time) and not self._waits(key, each, time)}
        for key in due:
            del self._newcomers[key]
        return self._release({key: each for key, each in due.items() if not self._passed_by(key, each)}, time)

    def _waits(self, key: str, newcomer: Newcomer, time: int) -> bool:
        """Whether it is not known yet what to say of a newcomer whose time has come."""
        late = time - newcomer.due
        return (0 <= late < UNDECIDED and self._undecided(key)) or (
            0 <= late < PASSED and self._passed_by(key, newcomer)
        )

    def _passed_by(self, key: str, newcomer: Newcomer) -> bool:
        device = self._find(key)
        return device is not None and newcomer.passed_by(device.last_seen)

    def _release(self, due: dict[str, Newcomer], time: int) -> list[Finding]:
        recent = sum(0 <= time - told < FLOOD_WINDOW for told, _ in self._fresh.values())
        if (self._flood and not self._flood.is_over(time)) or recent + len(due) > FLOOD:
            return self._join_flood(due, time)
        found: list[Finding] = []
        for key, each in due.items():
            if told := self._tell(stories.newcomer(key, each.device, each.since, time)):
                self._fresh[key] = time, called(each.device, key)
                found += told
        return found

    def _join_flood(self, due: dict[str, Newcomer], time: int) -> list[Finding]:
        """Newcomers that are too many are one news; those that were told just now are part of it."""
        if not due:
            return []
        if self._flood is None or time - self._flood.start >= self.settings.cooldown * 1000:
            self._flood = Flood(time, time)
        why = "It is one of many new devices at once, which are told together."
        found: list[Finding] = []
        for key, (told, _) in self._fresh.items():
            device = self._find(key)
            if device is not None and 0 <= time - told < FLOOD_WINDOW:
                self._flood.add(key, device, time)
                found.append(TakenBack(NEW_DEVICE, key, None, why))
        self._fresh.clear()
        for key, newcomer in due.items():
            self._flood.add(key, newcomer.device, time)
        return found

    def _tell_flood(self, time: int, *, ending: bool = False) -> list[Finding]:
        """The news of a flood once it has begun, and its number now and then while that rises."""
        flood = self._flood
        if flood is None or flood.devices == flood.told_devices:
            return []
        if flood.told is not None and 0 <= time - flood.told < FLOOD_TOLD and not ending:
            return []
        flood.told, flood.told_devices = time, flood.devices
        news = stories.many(flood, time)
        return self._tell(news) or [stories.again_without_counting(news)]

    def _better(self, change: Change) -> list[Finding]:
        """The news of a newcomer, said better by what it has shown since: the same news, not one more."""
        told, name = self._fresh.get(change.key, (0, ""))
        now = called(change.after, change.key)
        if not told or now == name:
            return []
        self._fresh[change.key] = told, now
        news = stories.newcomer(change.key, change.after, change.after.first_seen, change.time)
        return [stories.again_without_counting(news)]

    def _when_ready(self, key: str, news: Threat) -> list[Finding]:
        if self.ready:
            return self._tell(news)
        self._hold(key, news)
        return []

    def _hold(self, key: str, news: Threat) -> None:
        self._held[news.kind, key] = news
        if len(self._held) > MOST_WAITING:
            del self._held[next(iter(self._held))]
            self.lost += 1

    def _tell_held(self) -> list[Finding]:
        """What waited until it was known what is known, if it is still true."""
        held, self._held = self._held, {}
        found: list[Finding] = []
        for (kind, key), news in held.items():
            device = self._find(key)
            if device is not None and (kind != DEVICE_BACK or device.status is Status.ONLINE):
                found += self._tell(news)
        return found

    def _tell(self, news: Threat) -> list[Finding]:
        """The news, unless it was told a short while ago."""
        cooldown = int(self.settings.cooldown * 1000)
        told = self._told.tell((news.kind, news.device, news.target), news.last_seen, cooldown)
        return [news] if told else []
