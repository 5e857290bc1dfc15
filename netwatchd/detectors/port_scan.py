"""Many ports of one host tried by another: a vertical scan.

Each port that was tried in vain is worth something as evidence: one where services listen 3, any other 1 (clients
meet these by passive FTP, dead peers, calls), as scanlogd weighs them; one by flags that no TCP sends 3. UDP to
ephemeral ports is worth nothing: a traceroute, answers that come late, media. It is a scan with

* QUICK worth within QUICK_TIME: ten services. A program that looks for its printer, its NAS or its media server in vain
  tries five ports or so of it;
* STEADY worth within STEADY_TIME: who watches a server that is down tries one port for each of its services;
* HASTY services within HASTY_TIME of which it is not known yet whether they answered: connection tracking tells that up
  to ten seconds later. If they did, it is taken back.

A port that turns out to be in use is no evidence, nor is one that the same client has used before (`usedports`). Slower
ones are for `slow_scan`.
"""

from functools import partial

from netwatchd.addresses import Address, address_text
from netwatchd.config import PortScan as Settings
from netwatchd.detectors import Findings, Home, Wants
from netwatchd.detectors.attempts import (
    EPHEMERAL,
    EVERYDAY,
    ODD,
    OPENED,
    TRIED,
    UDP,
    USED_OUT,
    Attempt,
    attempt,
)
from netwatchd.detectors.naming import called_by_key, key_at
from netwatchd.detectors.pending import Pending
from netwatchd.detectors.scanners import Scanners, severity_of, what_to_do
from netwatchd.detectors.sides import is_here
from netwatchd.detectors.tally import Tallies, Tally, time_of, worth_of
from netwatchd.detectors.telling import threat
from netwatchd.detectors.usedports import UsedPorts
from netwatchd.events import LIVE, Flow

SERVICE, OTHER = 3, 1  # what a port is worth
QUICK_TIME, STEADY_TIME, STEADY = 15_000, 300_000, 15 * SERVICE
HASTY_TIME, HASTY = 5_000, 25
SILENCE = STEADY_TIME  # milliseconds after which what comes is another scan
UDP_PORT = 1 << 16  # beside the number of a port of UDP
_LEAST = min(STEADY // SERVICE, HASTY)  # ports, each of which is worth SERVICE at most
_WEB = frozenset((80, 443))

Pair = tuple[Address, Address]


class PortScan:
    """The detector `port_scan`."""

    wants = Wants.ATTEMPTS | Wants.KNOCKED
    ports = None
    shares = ("usedports",)

    def __init__(self, settings: Settings, home: Home, used: UsedPorts) -> None:
        self.settings = settings
        self._home = home
        self._used = used
        self.set_back(0)

    def set_back(self, _time: int) -> None:
        """What was tried by another clock is forgotten."""
        self._tallies: Tallies[Pair] = Tallies(SILENCE)
        self._pending = Pending("port_scan", self._tallies)
        self.awaited = self._pending.counted
        self._scanners = Scanners()

    def see_flow(self, flow: Flow, device: str | None, new: bool) -> Findings:
        """An attempt, or an answered flow: one that was taken for an attempt, or may be one."""
        # Nearly all that is answered is in use; unless it was taken for an attempt it is nothing to us.
        if flow[10] and (flow[8] >= USED_OUT or flow[7] == UDP) and flow[12] not in TRIED:
            return self._answered(flow) if flow[0] in self._pending else ()
        pair = flow[3], flow[5]
        # What everybody asks for, and was not answered yet, is nothing, unless he looks at that host already.
        if not flow[8] and flow[6] in EVERYDAY and not self._tallies.has_grown(pair):
            return ()
        tried = attempt(flow)
        if tried is None:
            return self._answered(flow) if flow[10] and flow[0] in self._pending else ()
        worth = SERVICE if tried[1] else _worth(flow)
        return self._see_attempt(flow, pair, tried, worth, new) if worth and not self._used.uses(flow, pair) else ()

    def _see_attempt(self, flow: Flow, pair: Pair, tried: Attempt, worth: int, new: bool) -> Findings:
        port, (how, _, way) = flow[6], tried
        # What was dropped at once may be one of two that a browser tried side by side (RFC 8305).
        awaited = flow[0] in self.awaited
        if how == OPENED and port in _WEB and not self._tallies.has_grown(pair) and not awaited:
            return ()
        thing = port | UDP_PORT if flow[7] == UDP else port
        tally = self._tallies.see(pair, thing, flow[1], how, worth, way, flow[13], new and not awaited)
        if awaited or flow[12] in LIVE:
            self._pending.note(flow, pair, thing)
        if tally is None:
            return ()
        if tally.told:
            return self._scan(pair, tally) if tally.is_worth_telling_again() else ()
        if tally.news < tally.look_at or tally.count < min(self.settings.ports, _LEAST):
            return ()
        return self._scan(pair, tally) if self._is_scan(tally) else ()

    def tick(self, time: int) -> Findings:
        """The last word on what is over."""
        found = [each for pair, tally in self._tallies.ended(time) for each in self._scan(pair, tally)]
        return [*found, *self._scanners.tick(time)]

    def _scan(self, pair: Pair, tally: Tally) -> Findings:
        return scan(self._home, self._scanners, pair, tally)

    def _answered(self, flow: Flow) -> Findings:
        """What was taken for an attempt is in use."""
        return self._pending.answered(flow, "ports turned out to be in use")

    def _is_scan(self, tally: Tally) -> bool:
        last = tally.latest
        tally.forget(last - STEADY_TIME)
        quick = self.settings.ports * SERVICE
        hasty = sum(
            worth_of(tried) == SERVICE and time_of(tried) >= last - HASTY_TIME for tried in tally.things.values()
        )  # fmt: skip
        missing = min(
            quick - tally.worth(last - QUICK_TIME), STEADY - tally.worth(0), (HASTY - hasty) * SERVICE
        )  # fmt: skip
        # Each thing more is worth SERVICE at most, and so many it takes until this can come out otherwise.
        tally.look_at = tally.news + -(-missing // SERVICE)
        return missing <= 0


def scan(home: Home, scanners: Scanners, pair: Pair, tally: Tally, *, slow: bool = False) -> Findings:
    """The threat of a tally of the ports that one tried of another, unless it is held; it is noted as told."""
    source, host = pair
    device = key_at(home, source)
    name = address_text(host)
    tally.target = scanners.target(device, name, "lan" if is_here(home, host) else "world", tally.last)
    tally.note_told()
    inside = is_here(home, source)
    tally.by = scanners.who(device, tally.last, inside=inside or home.device(device) is not None)
    severity = severity_of(home, device, inside=inside)
    again = partial(scan, home, scanners, pair, tally, slow=slow)
    if scanners.holds(device, tally.target, severity, tally.last, again):
        return ()
    evidence = tally.evidence("ports", port_text) | {"slow": slow}
    if tally.target != name:
        evidence["hosts"] = scanners.targets(device)
    if tally.by is None:
        evidence["latest_scanner"] = device
    victim = home.owner(host)
    whom = called_by_key(home, victim) if victim else name
    return [threat(
        "port_scan", severity, tally.first, tally.last,
        device=tally.by, target=tally.target,
        description=f"{called_by_key(home, device)} tried {tally.count:,} ports of {whom} "
                    f"in {tally.span()}: {tally.outcomes()}",
        recommendation=what_to_do(home, device, inside=inside),
        evidence=evidence,
    )]  # fmt: skip


def port_text(thing: int) -> str:
    """`53/udp`, `443`."""
    return f"{thing & 0xFFFF}/udp" if thing & UDP_PORT else str(thing)


def _worth(flow: Flow) -> int:
    """What a port where no services listen is worth as evidence."""
    if flow[12] in ODD:
        return SERVICE
    return 0 if flow[7] == UDP and flow[6] >= EPHEMERAL else OTHER
