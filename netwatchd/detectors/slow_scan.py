"""The same as `port_scan` and `host_sweep`, but so slowly that no minute shows it: told as these, with `slow`.

Within a DAY at least SLOTS different ten minutes must have brought something new, and of each only the first PER_SLOT
things count, which must be half of all, so that nothing quick gets here. Who watches what is down tries the same again
and again, which is nothing new. Only last words count: an answer that is under way for a moment is seen often enough.

Then a scan is SERVICES services of one host tried in vain; a sweep INWARD hosts here tried by one from elsewhere, HOSTS
hosts at a port of remote control, PINGED or ASKED addresses here that nobody has. Devices that leave are remembered by
those that knew them, by their addresses too; but they are known here as well, so that these have an owner.

What goes on outlives a restart as a note (`kepttallies`), but for the last hour of it.
"""

import json
from collections import Counter
from typing import Any

from netwatchd.addresses import Address, address_text, parse_address, parse_mac
from netwatchd.config import SlowScan as Settings
from netwatchd.detectors import Finding, Findings, Home, Wants, kepttallies
from netwatchd.detectors.attempts import (
    CONTROL,
    REFUSED,
    SILENT,
    TCP,
    UDP,
    attempt,
    outcome_of_ping,
)
from netwatchd.detectors.bounded import make_room
from netwatchd.detectors.host_sweep import ARP, PING, ROUTERS, Key, asked, sweep
from netwatchd.detectors.memory import LEAP
from netwatchd.detectors.port_scan import SERVICE, UDP_PORT, Pair, scan
from netwatchd.detectors.scanners import Scanners
from netwatchd.detectors.sides import is_here
from netwatchd.detectors.tally import Tallies, Tally, time_of
from netwatchd.detectors.usedports import UsedPorts
from netwatchd.events import LIVE, Flow
from netwatchd.observations import AddressAsked, Observation

DAY = 86_400_000  # milliseconds
SLOT = 600_000
# What `port_scan` does not count as steady any more, up to 14 ports in five minutes, is half of it here.
SLOTS, PER_SLOT = 6, 15
QUIET = 30_000  # milliseconds after which what was new is told
PORTS = 15
INWARD, HOSTS, PINGED, ASKED = 8, 12, 20, 64
_LEAST = min(PORTS, INWARD)
NOTE_EVERY = 3_600_000  # milliseconds between two notes: a card wears out, and of hours it does not matter
_QUESTIONS = frozenset((ARP, ARP + "6", PING, PING + "6"))
_IN_VAIN = frozenset((SILENT, REFUSED))
# Of one source that has tried so much within a SLOT, which is anything but slow, from then on one of so many is looked
# at: as many as SLOTS need come early enough, and what it hides behind cannot hide it for ever.
MOST_OF_SLOT, SAMPLE = 512, 8
MOST_BUSY = 1024  # sources and slots


class SlowScan:
    """The detector `slow_scan`."""

    wants = Wants.ATTEMPTS | Wants.TURNED | Wants.ICMP
    ports = None
    shares = ("usedports",)
    observes = (AddressAsked,)

    def __init__(self, settings: Settings, home: Home, used: UsedPorts) -> None:
        self.settings = settings
        self._home = home
        self._used = used
        self._note: str | None = None
        self._noted = 0
        self._recalled = False
        self.set_back(0)

    @property
    def note(self) -> str | None:
        """What goes on."""
        return self._note

    def recall(self, note: str) -> None:
        """Takes in what was noted; what is damaged is left out."""
        try:
            kept = json.loads(note)
        except (ValueError, RecursionError):
            return
        if isinstance(kept, dict):
            kepttallies.take_list(kept.get("scans"), self._scans, _pair_of, _port_of)
            kepttallies.take_list(kept.get("sweeps"), self._sweeps, _key_of, _host_of)
            self._recalled = True

    def set_back(self, _time: int) -> None:
        """What was tried by another clock is forgotten."""
        self._scans: Tallies[Pair] = Tallies(DAY)
        self._sweeps: Tallies[Key] = Tallies(DAY)
        self._scanners = Scanners()
        self._busy: dict[tuple[Address, int], int] = {}  # what a source has tried in a slot

    def see_flow(self, flow: Flow, device: str | None, new: bool) -> Findings:
        """A flow that was not answered, or refused."""
        if flow[12] in LIVE or (flow[10] and flow[8] > 1):
            return ()
        if flow[7] != TCP and flow[7] != UDP:
            return self._see_ping(flow)
        tried = attempt(flow)
        if tried is None or not tried[1] or tried[0] not in _IN_VAIN:
            return ()
        time, source, target = flow[1], flow[3], flow[5]
        if self._is_busy(source, time):
            return ()
        pair, port, (how, _, way) = (source, target), flow[6], tried
        if self._used.uses(flow, pair):
            return ()
        thing = port | UDP_PORT if flow[7] == UDP else port
        tally = self._scans.see(pair, thing, time, how, SERVICE, way, flow[13], new)
        found: list[Finding] = []
        if tally is not None and _is_slow(tally, PORTS):
            found += scan(self._home, self._scanners, pair, tally, slow=True)
        here = is_here(self._home, target)
        inward = here and not is_here(self._home, source)
        if inward or (flow[7] == TCP and port in CONTROL):
            key = Key(source, 0 if inward else flow[7] << 16 | port, here)
            tally = self._sweeps.see(key, target, time, how, 1, way, flow[13], new)
            if tally is not None and _is_slow(tally, INWARD if inward else HOSTS):
                found += sweep(self._home, self._scanners, key, tally, slow=True)
        return found

    def observe(self, observation: Observation) -> Findings:
        """Somebody asked who has an address."""
        assert isinstance(observation, AddressAsked)
        question = asked(self._home, observation)
        if question is None:
            return ()
        (key, way), time, source = question, observation.time, observation.source
        return self._decide_unowned(key, self._sweeps.see(key, observation.target, time, SILENT, 1, way, source), ASKED)

    def tick(self, time: int) -> Findings:
        """The latest of what goes on; now and then, a note of it is made."""
        if self._recalled:
            self._recalled = False
            for tallies in (self._scans, self._sweeps):
                tallies.drop_later(time + LEAP)
        if abs(time - self._noted) >= NOTE_EVERY:
            self._noted = time
            self._write_note()
        found: list[Finding] = []
        for pair, tally in self._scans.ended(time, QUIET):
            found += scan(self._home, self._scanners, pair, tally, slow=True)
        for key, tally in self._sweeps.ended(time, QUIET):
            found += sweep(self._home, self._scanners, key, tally, slow=True)
        return [*found, *self._scanners.tick(time)]

    def _write_note(self) -> None:
        scans = kepttallies.to_list(self._scans, SLOT, lambda pair: [address_text(each) for each in pair], int)
        sweeps = kepttallies.to_list(self._sweeps, SLOT, _key_list, address_text)
        # That there is nothing any more is noted, too.
        if scans or sweeps or self._note is not None:
            self._note = json.dumps({"scans": scans, "sweeps": sweeps}, separators=(",", ":"))

    def _is_busy(self, source: Address, time: int) -> bool:
        """Whether a source tries so much that this one is left out."""
        busy, slot = self._busy, (source, time // SLOT)
        count = busy.get(slot, 0) + 1
        if count == 1:
            make_room(busy, MOST_BUSY)
        busy[slot] = count
        return count > MOST_OF_SLOT and count % SAMPLE != 0

    def _see_ping(self, flow: Flow) -> Findings:
        how, host = outcome_of_ping(flow), flow[5]
        if how != SILENT or host not in self._home.networks or self._home.owner(host) is not None:
            return ()
        key = Key(flow[3], PING + ("6" if isinstance(host, bytes) else ""), True)
        return self._decide_unowned(key, self._sweeps.see(key, host, flow[1], how, 1, "icmp", flow[13]), PINGED)

    def _decide_unowned(self, key: Key, tally: Tally | None, least: int) -> Findings:
        if tally is None or not _is_slow(tally, least):
            return ()
        device = self._home.device(str(key.source))
        if device is not None and device.kind in ROUTERS:
            return ()
        # Some may have shown themselves since.
        for each in [each for each in tally.things if self._home.owner(each) is not None]:
            tally.retract(each)
        return sweep(self._home, self._scanners, key, tally, slow=True) if _is_slow(tally, least) else ()


def _pair_of(kept: Any) -> Pair:
    source, target = kept
    return parse_address(source), parse_address(target)


def _port_of(pair: Pair, kept: Any) -> int:
    if type(kept) is not int or not 0 < kept < 2 * UDP_PORT:
        raise ValueError("it is no port")
    return kept


def _key_list(key: Key) -> list[object]:
    source = key.source if isinstance(key.source, str) else address_text(key.source)
    return [source, isinstance(key.source, str), *key[1:]]


def _key_of(kept: Any) -> Key:
    source, is_mac, what, here, service = kept
    known = (type(what) is int and 0 <= what < 1 << 24) or what in _QUESTIONS
    if not known or not isinstance(source, str) or not all(isinstance(each, bool) for each in (is_mac, here, service)):
        raise ValueError("it is no key")
    return Key(parse_mac(source) if is_mac else parse_address(source), what, here, service)


def _host_of(key: Key, kept: Any) -> Address:
    host = parse_address(kept)
    by_ip6 = key.what.endswith("6") if isinstance(key.what, str) else isinstance(key.source, bytes)
    if isinstance(host, bytes) != by_ip6:
        raise ValueError("it is an address of the other kind")
    return host


def _is_slow(tally: Tally, least: int) -> bool:
    """Whether there is something to tell."""
    if tally.told:
        return tally.is_worth_telling_again(SLOT)
    if tally.count < _LEAST or tally.news < tally.look_at:
        return False
    tally.forget(tally.last - DAY)
    slots = Counter(time_of(tried) // SLOT for tried in tally.things.values())
    counted = sum(min(count, PER_SLOT) for count in slots.values())
    # Each thing more is one more of what is missing, at most.
    missing = max(least - counted, SLOTS - len(slots), tally.count - 2 * counted)
    tally.look_at = tally.news + missing
    return missing <= 0
