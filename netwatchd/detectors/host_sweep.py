"""Many hosts tried by one: a horizontal scan, by a port of TCP or UDP, by ping, or by ARP and ND.

How many hosts make a sweep depends on who asks for what, because ordinary programs ask many hosts for some things:

* by ARP and ND, and by ping: addresses here that nobody is known to have. Monitors, hubs and media servers ask for
  devices that exist. Who has just come, or remembers another network, asks for a handful that do not.
* pings without any payload, which only scanners send, answered or not.
* ports in vain, here: those by which machines are taken over (CONTROL); of others, at addresses that nobody has.
* from elsewhere to services here: nobody elsewhere has a reason to try many hosts here in vain.
* ports in vain, elsewhere: CONTROL; other services only in numbers that no list of servers explains; what everybody
  asks for (EVERYDAY), as with a dead uplink, only in hundreds; and other ports, where peers of file sharing, of games
  and of currencies are, only if the hosts are neighbours: peers are scattered, but who counts through addresses is not.

While the line to the Internet is dead (`uplink`), that hosts elsewhere are silent is no evidence at all.

Where connection tracking does not know yet whether somebody answered, only HASTY attempts at CONTROL ports count; what
is in use is no evidence. Routers ask by ARP for whatever somebody outside tries to reach, and some look for their
devices by themselves, so that they are never told of for that.
"""

from collections import Counter
from functools import partial
from typing import NamedTuple

from netwatchd.addresses import Address, address_text
from netwatchd.config import HostSweep as Settings
from netwatchd.detectors import Findings, Home, Wants
from netwatchd.detectors.attempts import (
    CONTROL,
    EVERYDAY,
    ICMP,
    OPENED,
    REFUSED,
    SILENT,
    TCP,
    TRIED,
    UDP,
    USED_IN,
    attempt,
    outcome_of_ping,
)
from netwatchd.detectors.naming import called_by_key, key_at
from netwatchd.detectors.pending import Pending
from netwatchd.detectors.scanners import Scanners, severity_of, what_to_do
from netwatchd.detectors.sides import is_here
from netwatchd.detectors.tally import Tallies, Tally, outcome_of, time_of, worth_of
from netwatchd.detectors.telling import threat
from netwatchd.detectors.uplink import Uplink
from netwatchd.events import LIVE, Flow
from netwatchd.observations import AddressAsked, Observation

TIME = 60_000  # milliseconds in which the hosts must have been tried
# Or so many times as many in ten minutes, of what nobody tries by the dozen: who stays just below what a minute allows
# is not done with a home of 254 addresses by then. What is slower than that is for `slow_scan`.
STEADY_TIME, STEADILY = 600_000, 3
SILENCE = 300_000  # after which what comes is another sweep
HASTY_TIME, HASTY = 5_000, 25  # hosts of which it is not known yet whether they answered

# Hosts that make a sweep.
# Addresses here asked for by ARP or ND that nobody has. At a first start, none of a home of fifty may be known yet.
UNOWNED = 56
UNOWNED_PINGED = 16
EMPTY_PINGS = 10
INWARD = 8
SCATTERED = 30  # services elsewhere that are silent: more than the mail servers or mirrors of an hour
OUTAGE = 400  # hosts: a browser knows no names with a dead uplink, but a resolver knows all those that it asks
NEIGHBOURS = 20  # in one /24 (IPv6: /64)
PINGED = 100  # elsewhere, of which four fifths are silent: lists of game servers answer
# A program that runs commands on many servers finds some of them down.
_PATIENT = {22: 20}

_CONTROL = frozenset(TCP << 16 | port for port in CONTROL)
_EMPTY = {ICMP: 28, 58: 48}  # bytes of a ping without payload
ARP, PING = "arp", "icmp"
# Kinds of devices that pass on what others send, or keep a list of who is there.
ROUTERS = frozenset(("router", "access_point", "network"))


class Key(NamedTuple):
    """Who looks for what."""

    source: Address | str  # an address; of ARP a MAC
    what: int | str  # ARP, PING, or protocol and port as a number; 0: any service
    here: bool  # among the hosts here
    service: bool = True  # whether services listen there


# The same, before it matters: of a scan thousands come a second.
_Plain = tuple[Address | str, int | str, bool, bool]


class HostSweep:
    """The detector `host_sweep`."""

    wants = Wants.ATTEMPTS | Wants.KNOCKED | Wants.ICMP
    ports = None
    observes = (AddressAsked,)

    def __init__(self, settings: Settings, home: Home) -> None:
        self.settings = settings
        self._home = home
        self._tallies: Tallies[_Plain] = Tallies(SILENCE)
        self._pending = Pending("host_sweep", self._tallies)
        self.awaited = self._pending.counted
        self._scanners = Scanners()
        self._uplink = Uplink(home)

    def see_use(self, flow: Flow) -> int:
        """One of many flows in use: the line to the Internet may be alive."""
        self._uplink.answered(flow)
        return self._uplink.due

    def see_flow(self, flow: Flow, device: str | None, new: bool) -> Findings:
        """An attempt; a ping; or what was told of before, and is answered now."""
        protocol, port = flow[7], flow[6]
        if protocol != TCP and protocol != UDP:
            return self._see_ping(flow, new)
        # Nearly all that is not known yet is a browser's, and nearly all that is answered was nothing to us.
        if flow[10] >= USED_IN and flow[12] not in TRIED and flow[0] not in self._pending:
            return ()
        if not flow[8] and (port not in CONTROL or protocol != TCP):
            return ()
        tried = attempt(flow)
        if tried is None or tried[0] == OPENED:
            return self._answered(flow) if flow[10] and flow[0] in self._pending else ()
        how, service, way = tried
        here = is_here(self._home, flow[5])
        inward = here and not is_here(self._home, flow[3])
        if inward and not service:
            return ()
        if port in EVERYDAY and how == SILENT and not here:
            self._uplink.silent(flow)
        return self._see((flow[3], 0 if inward else protocol << 16 | port, here, service), flow, how, 1, way, new)

    def observe(self, observation: Observation) -> Findings:
        """Somebody asked who has an address."""
        assert isinstance(observation, AddressAsked)
        question = asked(self._home, observation)
        if question is None:
            return ()
        key, way = question
        time, target, source = observation.time, observation.target, observation.source
        return self._decide(key, self._tallies.see(key, target, time, SILENT, 1, way, source))

    def _see_ping(self, flow: Flow, new: bool) -> Findings:
        how = outcome_of_ping(flow)
        if how is None:
            return ()
        here = is_here(self._home, flow[5])
        key = flow[3], PING + ("6" if isinstance(flow[5], bytes) else ""), here, True
        if flow[8] and flow[9] == _EMPTY.get(flow[7], 0) * flow[8]:
            return self._see(key, flow, how, 2, "icmp-empty", new)
        return self._see(key, flow, how, 1, "icmp", new)

    def _see(  # what a tally takes
        self, key: _Plain, flow: Flow, how: int, worth: int, way: str, new: bool
    ) -> Findings:
        host, awaited = flow[5], flow[0] in self.awaited
        # What begins and ends in one batch is told twice as new.
        tally = self._tallies.see(key, host, flow[1], how, worth, way, flow[13], new and not awaited)
        if awaited or flow[12] in LIVE:
            self._pending.note(flow, key, host)
        return self._decide(key, tally)

    def tick(self, time: int) -> Findings:
        """The last word on what is over."""
        found = [each for key, tally in self._tallies.ended(time) for each in self._sweep(Key(*key), tally)]
        return [*found, *self._scanners.tick(time)]

    def _sweep(self, key: Key, tally: Tally) -> Findings:
        return sweep(self._home, self._scanners, key, tally)

    def _answered(self, flow: Flow) -> Findings:
        """What was taken for an attempt is in use."""
        return self._pending.answered(flow, "hosts answered after all")

    def _decide(self, plain: _Plain, tally: Tally | None) -> Findings:
        # It is the first host.
        if tally is None:
            return ()
        if tally.told:
            return self._sweep(Key(*plain), tally) if tally.is_worth_telling_again() else ()
        if tally.news < tally.look_at or tally.count < min(INWARD, self.settings.hosts):
            return ()
        key, last = Key(*plain), tally.latest
        tally.forget(last - (STEADY_TIME if self._is_steady(key) else TIME))
        missing = self._missing_until(last, key, tally)
        if missing <= 0 and not key.here:
            self._forget_dead(key, tally)
            missing = self._missing_until(last, key, tally)
        tally.look_at = tally.news + missing
        return self._sweep(key, tally) if missing <= 0 else ()

    def _forget_dead(self, key: Key, tally: Tally) -> None:
        """Leaves out who was asked while nobody elsewhere could answer."""
        source, things = key.source, tally.things
        if not isinstance(source, str):
            dead = [host for host, tried in things.items() if self._uplink.was_dead(time_of(tried), source)]
            for host in dead:
                del things[host]

    def _missing_until(self, last: int, key: Key, tally: Tally) -> int:
        """How many hosts it takes yet, in the minute up to `last` or, where that counts, in a longer while."""
        steady = self._is_steady(key)
        quick = self._missing(key, tally.since(last - TIME) if steady else tally)
        if quick <= 0:
            tally.forget(last - TIME)
        return min(quick, self._missing_steadily(key, tally)) if steady and quick > 0 else quick

    def _is_steady(self, key: Key) -> bool:
        """Whether it counts, too, what was tried in a longer while."""
        return key.what in _CONTROL or (key.here and (isinstance(key.what, str) or not key.what))

    def _missing_steadily(self, key: Key, tally: Tally) -> int:
        """The same for the longer while."""
        if not isinstance(key.what, str):
            least = _PATIENT.get(key.what & 0xFFFF, self.settings.hosts) if key.what else INWARD
            return STEADILY * least - tally.worth(0)
        least = STEADILY * (UNOWNED if key.what.startswith(ARP) else UNOWNED_PINGED)
        device = self._home.device(str(key.source))
        if tally.count >= least and device is not None and device.kind in ROUTERS:
            return least
        return least - (self._unowned(tally) if tally.count >= least else tally.count)

    def _missing(self, key: Key, tally: Tally) -> int:
        """How many hosts it takes yet."""
        if isinstance(key.what, str):
            return self._missing_of_arp(key, tally) if key.what.startswith(ARP) else self._missing_pings(key, tally)
        if not key.what:
            return INWARD - tally.worth(0)
        port = key.what & 0xFFFF
        if key.what in _CONTROL:
            hasty = len(tally.since(tally.last - HASTY_TIME).things)
            return min(_PATIENT.get(port, self.settings.hosts) - tally.worth(0), HASTY - hasty)
        if key.here:
            return UNOWNED_PINGED - self._unowned(tally)
        if port in EVERYDAY:
            return OUTAGE - tally.worth(0)
        neighbours = NEIGHBOURS - _neighbours(tally)
        return min(SCATTERED - tally.worth(0), neighbours) if key.service else neighbours

    def _missing_of_arp(self, key: Key, tally: Tally) -> int:
        missing = UNOWNED - tally.count
        if missing <= 0:
            device = self._home.device(str(key.source))
            if device is not None and device.kind in ROUTERS:
                return UNOWNED
            # Some may have shown themselves since.
            missing = UNOWNED - self._unowned(tally)
        return missing

    def _missing_pings(self, key: Key, tally: Tally) -> int:
        empty = sum(worth_of(tried) == 2 for tried in tally.things.values())
        silent = len(tally.of(SILENT))
        if key.here:
            return min(EMPTY_PINGS - empty, UNOWNED_PINGED - self._unowned(tally))
        scattered = PINGED - silent if silent >= 0.8 * tally.count else PINGED
        return max(min(scattered, NEIGHBOURS - _neighbours(tally)), 1 - silent)

    def _unowned(self, tally: Tally) -> int:
        """Of the hosts that did not answer, those that nobody is known to be."""
        return sum(
            outcome_of(tried) in (SILENT, REFUSED) and self._home.owner(host) is None
            for host, tried in tally.things.items()
        )


def asked(home: Home, observation: AddressAsked) -> tuple[Key, str] | None:
    """Who asks by what for an address here that nobody has, and how; None where it is no such question."""
    target = observation.target
    # An address that is not one of here is asked for by whoever has a wrong netmask. Those of IPv6 are learned from
    # routers, and right.
    if home.owner(target) is not None or not (isinstance(target, bytes) or target in home.networks):
        return None
    is_nd = isinstance(target, bytes)
    return Key(observation.mac, ARP + "6" * is_nd, True), "nd" if is_nd else ARP


def sweep(home: Home, scanners: Scanners, key: Key, tally: Tally, *, slow: bool = False) -> Findings:
    """The threat of a tally of the hosts that one tried, unless it is held; it is noted as told."""
    source = key.source
    if isinstance(source, str):
        device, here = source, True  # who asks by ARP is on the link
    else:
        device, here = key_at(home, source), is_here(home, source)
    if not tally.told:
        tally.target = scanners.target(device, *_target(key, tally), tally.last)
    tally.note_told()
    tally.by = scanners.who(device, tally.last, inside=here or home.device(device) is not None)
    severity = severity_of(home, device, inside=here)
    if not key.here and severity == "medium" and isinstance(key.what, int) and key.what in _CONTROL:
        severity = "high"  # so behaves malware that spreads
    again = partial(sweep, home, scanners, key, tally, slow=slow)
    if scanners.holds(device, tally.target or "", severity, tally.last, again):
        return ()
    outcomes = tally.outcomes("answered" if isinstance(key.what, str) else "open")
    who = called_by_key(home, device)
    evidence = tally.evidence("hosts", address_text) | {"slow": slow}
    if tally.by is None:
        evidence["latest_scanner"] = device
    is_question = isinstance(key.what, str) and key.what.startswith(ARP)  # silence is all that there is
    return [threat(
        "host_sweep", severity, tally.first, tally.last, device=tally.by, target=tally.target,
        description=f"{who} {_deed(key, tally)} in {tally.span()}" + ("" if is_question else f": {outcomes}"),
        recommendation=what_to_do(home, device, inside=here),
        evidence=evidence,
    )]  # fmt: skip


def _deed(key: Key, tally: Tally) -> str:
    where = "here" if key.here else "on the Internet"
    if isinstance(key.what, str):
        if key.what.startswith(ARP):
            how = "ND" if key.what.endswith("6") else "ARP"
            return f"asked by {how} for {tally.count:,} addresses here that nobody has,"
        return f"pinged {tally.count:,} hosts {where}"
    return f"tried {_port(key.what)} of {tally.count:,} hosts {where}"


def _port(what: int) -> str:
    if not what:
        return "services"
    return f"port {what & 0xFFFF}" + ("/udp" if what >> 16 == UDP else "")


def _target(key: Key, tally: Tally) -> tuple[str, str]:
    """What stays the same however many hosts follow: of a port who has it, else the network of most hosts."""
    place = "lan" if key.here else "world"
    if isinstance(key.what, int):
        name = f"{key.what & 0xFFFF}" + ("/udp" if key.what >> 16 == UDP else "") if key.what else "*"
        return f"{place}:{name}", f"{place}:*"
    (network, _), *_ = Counter(map(_network, tally.things)).most_common(1)
    return _network_text(network), place


def _neighbours(tally: Tally) -> int:
    """The most silent hosts in one network."""
    counts = Counter(_network(host) for host, tried in tally.things.items() if outcome_of(tried) in (SILENT, REFUSED))
    return max(counts.values(), default=0)


def _network(host: Address) -> Address:
    return host & 0xFFFFFF00 if isinstance(host, int) else host[:8] + bytes(8)


def _network_text(network: Address) -> str:
    return f"{address_text(network)}/{24 if isinstance(network, int) else 64}"
