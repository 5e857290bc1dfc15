"""Who is here: when each device was heard of, and whether that is too long ago.

Silence is measured by the steady clock, so that a wall clock that leaps turns nobody offline, and from the moment from
which this machine could hear: not while it slept, while the source that heard the device is down, or before it was
started. A device that is silent for too long by its own measure (`silence`) is asked first (`doubts`). One that its
source says has left is gone at once, and what merely echoes its last packets does not bring it back.

A session begins when a device comes and ends at its last sign of life. `Devices` calls with its lock held.
"""

import dataclasses
from bisect import bisect_right
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple

from netwatchd.clock import Now
from netwatchd.counters import Counters
from netwatchd.events import Device, Session, Status
from netwatchd.ingest import Store
from netwatchd.ingest.doubts import ANSWER, Doubts
from netwatchd.ingest.silence import DAY, Silence

TRAFFIC = "traffic"  # flows of whichever source

# The parts of its patience after which a silent device is asked, with growing pauses; the rest is for the answer.
ASKED_AT = (0.5, 0.55, 0.65, 0.85)
# Who is thought to be gone is asked again after so many times its patience, because what is silent for days, as a
# printer is, would otherwise be gone for days after a cable was out for minutes.
ASKED_AGAIN = (2, 4, 8, 16, 32)
ASKED_ONCE = 60.0  # seconds in which one question about an address is enough
UNASKED = 2.0  # times its patience that a device has when there were too many others to ask it

# Seconds after the release in which other sources see the release itself: frames in the bridge's table, whose ages are
# rounded; and counters of connection tracking, which are read every 10 s and then said to be of that moment.
ECHO, ECHO_TRAFFIC = 2.0, 15.0

# By how much (seconds) the steady clock may get on without us, or the wall clock without the steady one, before that
# was a time in which we heard nothing: a machine that was suspended, a process that was stopped.
DEAF = 15.0
_NEVER, _FOREVER = float("-inf"), float("inf")


class Deaf(NamedTuple):
    """What hears nothing now, though it should."""

    sources: Collection[str] = ()  # names; TRAFFIC where one is down that tells of flows
    interfaces: Collection[str] = ()


class _Known:
    """What is known of one device's presence. Times are steady seconds, but those of its session."""

    __slots__ = (
        "asked", "asked_at", "by", "end", "heard", "here", "interface", "left", "left_by", "resumed", "seen", "silence",
        "since", "start",
    )  # fmt: skip

    def __init__(self, usual_silence: int) -> None:
        self.silence = Silence(usual_silence / 1000)
        self.heard: float | None = None  # the last sign of life in this run
        self.since = _NEVER  # silence before that proves nothing
        self.here = False
        self.by = ""  # who heard it last
        self.interface: str | None = None
        self.left: float | None = None
        self.left_by = ""
        self.asked = 0  # times in this silence
        self.asked_at = _NEVER
        self.start: int | None = None  # of its session, and the session's end when it is over (Unix ms)
        self.end: int | None = None
        # Of an earlier run's session: when it was last seen there, and first in this one.
        self.resumed: tuple[int, int] | None = None
        self.seen: int | None = None  # when an earlier run last saw it, until it is heard in this one


class Presence:
    """When each device was heard of. `offline_after` is the silence (s) after which one counts as gone, at least."""

    def __init__(self, store: Store, offline_after: float, counters: Counters) -> None:
        self.offline_after = offline_after
        self.doubts = Doubts(counters)
        self.prompted = False  # whether the last sign of life was an answer
        self.deaf: Callable[[], Deaf] = Deaf  # looks what hears nothing now
        self._store = store
        self._known: dict[str, _Known] = {}
        self._deaf_since: dict[str, float] = {}
        self._deaf_until: dict[str, float] = {}  # by the name of a source or an interface: when it was last found deaf
        self._awake = _NEVER  # when this machine last woke up
        self._noticed: Now | None = None
        self._last_run: dict[str, int] = {}  # when each device was last seen in the run before, until `resume`

    # Signs of life.

    def hear(
        self, key: str, device: Device, steady: float, now: Now, by: str = "", interface: str | None = None
    ) -> Device:
        """A sign of life at `steady`, told `by` a source; returns the device with what that says of its presence."""
        one = self._of(key, device)
        if _is_echo(one, steady, by):
            return device
        stayed = self._note(one, steady)
        one.by, one.interface = by or one.by, interface or one.interface
        self.prompted = 0 <= steady - one.asked_at <= ANSWER
        self.doubts.answered(key, steady)
        patience = one.silence.patience(self.offline_after)
        # The kernel's tables keep ghosts: to be known is not to be here.
        if not one.here and now.steady - (one.heard or steady) < patience:
            one.here = True
            self._come(key, one, now.wall - int((now.steady - steady) * 1000), stayed)
        elif one.here and one.seen is not None:
            self._go_on(key, one, now.wall - int((now.steady - steady) * 1000), patience)
        one.seen = None
        return self._described(one, device)

    def leave(self, key: str, device: Device, steady: float, now: Now, by: str = "") -> Device:
        """A source says that the device has left, and is believed; returns the device with that."""
        one = self._of(key, device)
        one.left = one.heard = min(max(steady, one.heard or steady), now.steady)
        one.left_by, one.seen = by, None
        self.doubts.forget(key)
        self._go(key, one, device.last_seen)
        return self._described(one, device)

    def heard(self, key: str) -> float | None:
        """The steady time of the device's last sign of life; None where it gave none in this run."""
        one = self._known.get(key)
        return one.heard if one else None

    def status_of(self, key: str) -> Status:
        """Whether the device is here."""
        one = self._known.get(key)
        return Status.ONLINE if one is not None and one.here else Status.OFFLINE

    def doubt(self, key: str, device: Device, now: Now) -> bool:
        """Has a device be asked at once whether it is here, also if it was heard of just now.

        Returns whether it can be asked. An answer is a sign of life (`heard`), mostly within a tenth of a second.
        """
        able = self.doubts.wonder(key, device, 0, urgent=True)
        for each in self.doubts.put(now.steady):
            if each in self._known:
                self._known[each].asked_at = now.steady
        return able

    def was_asked(self, key: str, now: Now) -> bool:
        """Whether the device was asked a short while ago, so that it need not be asked once more."""
        one = self._known.get(key)
        return one is not None and now.steady - one.asked_at < ASKED_ONCE

    # Silence.

    def silent(self, devices: Mapping[str, Device], now: Now) -> list[str]:
        """The devices that were here and were silent for too long; those that soon will be are asked."""
        gone, looked = [], False
        self._wake(now)
        for key, one in self._known.items():
            patience = one.silence.patience(self.offline_after)
            if not one.here:
                self._ask_again(key, one, devices[key], now.steady, patience)
                continue
            silence = now.steady - self._since(one)
            if silence < patience * ASKED_AT[0]:
                continue
            if not looked:
                looked = True
                self._look_around(now.steady)
            silence = now.steady - self._since(one)
            if silence >= patience * ASKED_AT[min(one.asked, len(ASKED_AT) - 1)] and one.asked < len(ASKED_AT):
                asking = self.doubts.wonder(key, devices[key], one.asked)
            else:
                asking = False
            if silence >= patience and not (asking and not one.asked and silence < patience * UNASKED):
                self.doubts.forget(key)
                self._go(key, one, devices[key].last_seen)
                gone.append(key)
        self.tick(now)
        return gone

    def _ask_again(self, key: str, one: _Known, device: Device, steady: float, patience: float) -> None:
        """Has a device that is not here asked now and then whether it is; not where it said that it leaves."""
        if one.asked >= len(ASKED_AGAIN) or one.heard is None or one.left is not None:
            return
        passed = bisect_right(ASKED_AGAIN, (steady - one.heard) / patience)
        if passed > one.asked:
            one.asked = passed - 1  # an old ghost of the kernel's table is asked once
            self.doubts.wonder(key, device, one.asked)

    def tick(self, now: Now) -> None:
        """Puts the questions that wait, as many as may be."""
        for key in self.doubts.put(now.steady):
            if key in self._known:
                self._known[key].asked += 1
                self._known[key].asked_at = now.steady

    def notice(self, now: Now) -> None:
        """Time goes on, as it does about twice a second: where it leapt, this machine has heard nothing meanwhile."""
        self._wake(now)
        self._noticed = now

    def _wake(self, now: Now) -> None:
        """Where time leapt, silence begins anew; who looks for silence may be the first to see it."""
        if self._noticed is not None:
            steady, wall = now.steady - self._noticed.steady, (now.wall - self._noticed.wall) / 1000
            if steady > DEAF or wall - steady > DEAF:
                self._awake = now.steady

    def put_right(self, right: Callable[[int], int]) -> None:
        """The clock was off: `right` makes the right one of a time (Unix ms) that this run has noted, and no other."""
        for key, one in self._known.items():
            if one.start is None:
                continue
            start, end = right(one.start), None if one.end is None else right(one.end)
            if one.resumed is not None and end is None:
                seen, resumed = one.resumed[0], right(one.resumed[1])
                if resumed - seen > one.silence.patience(self.offline_after) * 1000:
                    # It went on only by the wrong clock.
                    self._store.keep(Session(key, one.start, max(seen, one.start)))
                    start = one.start = resumed
                    self._store.keep(Session(key, start))
                one.resumed = None
            if (start, end) != (one.start, one.end):
                self._store.drop(Session(key, one.start))
                one.start, one.end = start, None if end is None else max(start, end)
                self._store.keep(Session(key, one.start, one.end))

    # Records.

    def remember(self, key: str, device: Device, now: Now) -> None:
        """Takes in a device of an earlier run: if it was online then, it has the usual silence to show itself."""
        self._last_run[key] = device.last_seen
        one = self._known.get(key)
        if one is None:
            one = self._known[key] = _Known(device.usual_silence)
            one.here = device.status is Status.ONLINE
            one.since, one.seen = now.steady, device.last_seen
        elif not one.silence.usual:
            one.silence = Silence(device.usual_silence / 1000)

    def resume(self, sessions: Sequence[Session]) -> None:
        """Takes in the sessions of earlier runs, after the devices: those that a crash left open go on, or end.

        A session that this run began is stored again, as the file may be another one.
        """
        for session in sorted(sessions, key=lambda session: session.start):
            if session.end is None:
                self._resume(session)
        stored = {(session.device, session.start) for session in sessions}
        for key, one in self._known.items():
            if one.here and one.start is not None and (key, one.start) not in stored:
                self._store.keep(Session(key, one.start))
        self._last_run.clear()

    def _resume(self, session: Session) -> None:
        """Takes in a session that was left open."""
        one = self._known.get(session.device)
        seen = max(self._last_run.get(session.device, session.start), session.start)
        if one is not None and one.here and one.start is None:
            one.start = session.start
        elif one is None or not one.here or one.start is None:
            self._store.keep(dataclasses.replace(session, end=seen))
        elif one.start != session.start:  # this run has begun one before the file could be read
            if one.start - seen > one.silence.patience(self.offline_after) * 1000:
                self._store.keep(dataclasses.replace(session, end=seen))
            else:
                self._store.drop(Session(session.device, one.start))
                one.start = session.start

    def join(self, key: str, into: str) -> None:
        """A device turned out to be another one. What is stored of their sessions is joined by `Store.join_device`."""
        old, new = self._known.pop(key, None), self._known.get(into)
        self.doubts.forget(key)
        if old is None:
            return
        if new is None:
            self._known[into] = old
            return
        new.start, new.end = _last_session(old, new)
        new.here = new.here or old.here
        if old.silence.usual > new.silence.usual:
            new.silence = old.silence
        if (old.heard or _NEVER) > (new.heard or _NEVER):
            new.heard, new.by, new.interface = old.heard, old.by, old.interface
            new.left, new.left_by, new.asked = old.left, old.left_by, 0
        new.since = max(new.since, old.since)

    def forget(self, key: str) -> None:
        """The device is no more."""
        self._known.pop(key, None)
        self.doubts.forget(key)

    # How it is done.

    def _of(self, key: str, device: Device) -> _Known:
        one = self._known.get(key)
        if one is None:
            one = self._known[key] = _Known(device.usual_silence)
        return one

    def _note(self, one: _Known, steady: float) -> bool:
        """Notes a sign of life; returns whether the gap that it ends says that the device was here all the time."""
        stayed = False
        if one.heard is None or steady > one.heard:
            # A gap in which we were deaf, or after the device has left, is none of its usual ones.
            if one.heard is not None and one.left is None and self._since(one) == one.heard:
                stayed = one.silence.learn(steady - one.heard, steady, self.offline_after)
            one.heard, one.left, one.asked = steady, None, 0
        elif one.left is not None:
            one.left = None
        return stayed

    def _since(self, one: _Known) -> float:
        """From when on the device's silence counts."""
        since = max(one.heard if one.heard is not None else _NEVER, one.since, self._awake)
        if self._deaf_until:
            since = max(since, self._deaf_until.get(one.by, _NEVER), self._deaf_until.get(one.interface or "", _NEVER))
        return since

    def _look_around(self, steady: float) -> None:
        """Notes what is deaf now. What was for a DAY is believed to be so for good, and silence counts again."""
        deaf = self.deaf()
        names = {*deaf.sources, *deaf.interfaces}
        self._deaf_since = {name: self._deaf_since.get(name, steady) for name in names}
        for name, since in self._deaf_since.items():
            if steady - since < DAY:
                self._deaf_until[name] = steady

    def _come(self, key: str, one: _Known, wall: int, stayed: bool) -> None:
        """The device is here: its session begins, or goes on where it had only slept."""
        if one.start is None or one.end is None or not stayed:
            one.start = max(wall, one.end or 0)
        one.end = one.resumed = None
        self._store.keep(Session(key, one.start))

    def _go_on(self, key: str, one: _Known, wall: int, patience: float) -> None:
        """The first sign of life in this run: the session of the last one goes on, if that was not too long ago."""
        if one.start is not None and one.seen is not None and wall - one.seen > patience * 1000:
            self._store.keep(Session(key, one.start, max(one.seen, one.start)))
            one.start = None
        if one.start is None:
            self._come(key, one, wall, stayed=False)
        elif one.seen is not None:
            one.resumed = one.seen, wall

    def _go(self, key: str, one: _Known, last_seen: int) -> None:
        """The device is gone: its session ends at its last sign of life (Unix ms)."""
        if one.here and one.start is not None:
            one.end = max(last_seen, one.start)
            self._store.keep(Session(key, one.start, one.end))
        one.here, one.asked = False, 0

    def _described(self, one: _Known, device: Device) -> Device:
        status = Status.ONLINE if one.here else Status.OFFLINE
        usual = int(one.silence.told * 1000)
        if device.status is status and device.usual_silence == usual:
            return device
        return dataclasses.replace(device, status=status, usual_silence=usual)


def _last_session(*both: _Known) -> tuple[int | None, int | None]:
    """(start, end) of the last session of two devices that are one: where they overlap, that is all of both."""
    spans = [(one.start, _FOREVER if one.end is None else one.end) for one in both if one.start is not None]
    if not spans:
        return None, None
    start, end = max(spans, key=lambda span: (span[1], span[0]))
    start = min(other for other, until in spans if until > start or other == start)  # as `Store.join_device` has it
    return start, None if end == _FOREVER else int(end)


def _is_echo(one: _Known, steady: float, by: str) -> bool:
    """Whether a sign of life may be one from before the device left. Who said so is right about the order at once."""
    if one.left is None:
        return False
    if by == one.left_by and by != TRAFFIC:
        return steady < one.left
    return steady <= one.left + (ECHO_TRAFFIC if by == TRAFFIC else ECHO)
