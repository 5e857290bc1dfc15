"""Passwords that are tried out: many dialogues with a service that asks for one, each as short as a refusal.

What flows show is how long a dialogue was and how much was said; `passwords` knows what a refusal looks like. One
client and one service make a *pair*. A pair is told of when as many dialogues in a row look refused, and alike, as
nobody makes who knows the password. Whoever has had a longer dialogue is known to the service, as a script that logs in
again and again, and must look refused far longer until he is told of.

Connection tracking tells of a connection when it begins, and of its bytes when it is over, up to two minutes later. So
a *burst* of connections that begin within seconds is told of at once, and taken back when they turn out to be something
else. Many clients from elsewhere at one of our services are told of together, and not one by one.

Nobody can make up a dialogue under an address that is not his, so pairs can be pushed out of memory only by really
connecting. Bursts can be made up, and are remembered apart: they can hide each other, and never a dialogue.
"""

from collections import deque
from typing import Any

from netwatchd.addresses import Address, address_text
from netwatchd.config import BruteForce as Settings
from netwatchd.detectors import Finding, Findings, Home, Wants
from netwatchd.detectors.bounded import Bounded
from netwatchd.detectors.naming import called_at, called_by_key, key_at
from netwatchd.detectors.passwords import (
    BURST_LEAST,
    BURST_WITHIN,
    SERVICES,
    WEB,
    WITHIN_REMOTE,
    Service,
    Talk,
    are_alike,
    are_tries,
    is_load_test,
    looks_failed,
    talk_of,
)
from netwatchd.detectors.saying import amount, span
from netwatchd.detectors.sides import is_here
from netwatchd.detectors.telling import threat
from netwatchd.events import LIVE, Flow, TakenBack

KIND = "brute_force"
TCP = 6
MOST_PAIRS, MOST_BURSTS, MOST_SERVICES = 1024, 512, 256
MOST_SOURCES = 256  # of one service that are told apart; more are "256 or more"
QUIET = 3_600_000  # milliseconds without a try, after which another row of tries begins
# Who got in within a day must look refused so many times longer: jobs that log in by themselves often say little.
FAMILIAR, DAY = 6, 86_400_000
MANY = 100  # tries from which on it is no mistake of anybody, nor an old password in a phone
AGAIN = 10_000  # milliseconds between two tellings of a success that lives
# One after the other, many addresses from elsewhere at one service are one thing: so many of them, with so many tries.
TOGETHER, TOGETHER_TRIES = 5, 20

Pair = tuple[Address, Address, int]  # client, server, port


class _Tries:
    """What a pair has done."""

    __slots__ = ("got_in", "last", "start", "talks", "told", "tries")

    def __init__(self) -> None:
        self.talks: list[Talk] = []  # the latest that look refused, up to as many as are too many
        self.tries = 0  # in a row
        self.start = self.last = 0
        self.got_in = 0  # when it last had a dialogue that looks like a success; 0: never
        self.told = 0  # tries that were told


class _Burst:
    """Connections of a pair that began, and of which nothing else is known yet."""

    __slots__ = ("begun", "other", "told")

    def __init__(self) -> None:
        self.begun: deque[int] = deque()
        self.told = False
        self.other = 0  # connections that turned out to be no failed login since it was told


class _Crowd:
    """Clients from elsewhere at one service."""

    __slots__ = ("last", "sources", "start", "told", "tries")

    def __init__(self) -> None:
        self.sources: dict[Address, int] = {}
        self.tries = self.told = 0
        self.start = self.last = 0


class BruteForce:
    """The detector `brute_force`."""

    wants = Wants.ANSWERED | Wants.ATTEMPTS
    ports = frozenset(SERVICES)

    def __init__(self, settings: Settings, home: Home) -> None:
        self.settings = settings
        self._home = home
        self._pairs: Bounded[Pair, _Tries] = Bounded(MOST_PAIRS, _Tries)
        self._bursts: Bounded[Pair, _Burst] = Bounded(MOST_BURSTS, _Burst)
        self._crowds: Bounded[tuple[Address, int], _Crowd] = Bounded(MOST_SERVICES, _Crowd)

    def see_flow(self, flow: Flow, device: str | None, new: bool) -> Findings:
        """A flow to one of the ports."""
        # By their places, which is faster: protocol, dst_port, src_ip, dst_ip, state.
        if flow[7] != TCP:
            return ()
        port = flow[6]
        pair, service = (flow[3], flow[5], port), SERVICES[port]
        if flow[12] in LIVE:
            # It begins: somebody was let in, or nobody knows yet.
            found: list[Finding] = []
            if new and service.burst and (flow.packets_in or not flow.packets_out):
                found += self._began(pair, service, flow.start)
            if flow.packets_in:
                found += self._grows(pair, service, flow)
            return found
        # What goes on over midnight is one dialogue with what follows.
        if flow.state == "continued":
            return ()
        return self._ended(pair, service, flow)

    def _grows(self, pair: Pair, service: Service, flow: Flow) -> Findings:
        """A connection lives: after tries, one that is longer than these is worth telling before it ends."""
        tries = self._pairs.get(pair)
        if tries is None or not tries.told:
            return ()
        talk = talk_of(flow, service)
        return self._got_in(pair, service, tries, talk) if self._is_success(tries, talk, service) else ()

    def _ended(self, pair: Pair, service: Service, flow: Flow) -> Findings:
        """The last word on a connection."""
        talk = talk_of(flow, service)
        # The port was looked at, or nobody answered: that is a scan's, or a monitor's.
        if not talk.spoke:
            return self._is_no_try(pair)
        tries = self._pairs.touch(pair)
        if self._is_success(tries, talk, service):
            return [*self._is_no_try(pair), *self._got_in(pair, service, tries, talk)]
        # Exporters and logs tell late, and in any order.
        if abs(talk.start - tries.last) > QUIET:
            tries.tries = tries.told = 0
            tries.talks.clear()
            tries.start = talk.start
        tries.tries += 1
        tries.start = min(tries.start, talk.start)
        tries.last = max(tries.last, talk.start + talk.lasted)
        tries.talks.append(talk)
        local = is_here(self._home, pair[0])
        limit = self._limit(service.local if local else service.remote)
        while len(tries.talks) > limit:
            del tries.talks[0]
        if local:
            return self._judge(pair, service, tries, limit, service.within)
        return self._from_elsewhere(pair, service, tries, limit)

    def _is_success(self, tries: _Tries, talk: Talk, service: Service) -> bool:
        """Whether somebody was let in, by the looks of it."""
        if not talk.spoke:
            return False
        if not looks_failed(talk, service):
            return True
        # A server with short answers: what is far longer than a row of refusals is none.
        usual = max((each.answered for each in tries.talks), default=0)
        return tries.tries >= service.local and talk.answered > 3 * usual + 1000

    def _limit(self, count: int) -> int:
        return max(count * self.settings.logins // 10, 3)

    def _judge(self, pair: Pair, service: Service, tries: _Tries, limit: int, within: int) -> Findings:
        """A dialogue that looks refused has ended."""
        talks = tries.talks
        if tries.told:
            # It goes on: told again when it has doubled.
            return self._tell(pair, service, tries, None) if tries.tries >= 2 * tries.told else ()
        known = tries.got_in and abs(tries.last - tries.got_in) < DAY
        if tries.tries < limit * (FAMILIAR if known else 1) or len(talks) < limit:
            return ()
        starts = [talk.start for talk in talks]
        if max(starts) - min(starts) > within or not are_alike(talks):
            return ()
        # Nobody from elsewhere has jobs here.
        if within != WITHIN_REMOTE and (
            is_load_test(talks) if service is WEB else service.waits and not are_tries(talks)
        ):
            return ()
        return self._tell(pair, service, tries, None)

    def _from_elsewhere(self, pair: Pair, service: Service, tries: _Tries, limit: int) -> Findings:
        """A client from elsewhere has tried: by himself, or as one of many."""
        client, server, port = pair
        # The visitors of a web server are many, and their dialogues short. Others' services are theirs to watch.
        if service.burst and is_here(self._home, server):
            crowd = self._crowds.touch((server, port))
            if tries.last - crowd.last > DAY:  # bots come by now and then, all day long
                crowd.sources.clear()
                crowd.tries = crowd.told = 0
                crowd.start = tries.last
            crowd.tries += 1
            crowd.last = max(crowd.last, tries.last)
            if client in crowd.sources or len(crowd.sources) < MOST_SOURCES:
                crowd.sources[client] = crowd.sources.get(client, 0) + 1
            if len(crowd.sources) >= TOGETHER and crowd.tries >= TOGETHER_TRIES:
                return self._together(server, port, service, crowd)
        return self._judge(pair, service, tries, limit, WITHIN_REMOTE)

    def _together(self, server: Address, port: int, service: Service, crowd: _Crowd) -> Findings:
        """Many addresses from elsewhere try."""
        if crowd.tries < 2 * crowd.told:
            return ()
        crowd.told = crowd.tries
        count = f"{len(crowd.sources)}{' or more' if len(crowd.sources) == MOST_SOURCES else ''}"
        busiest = sorted(crowd.sources, key=lambda each: -crowd.sources[each])[:10]
        return [
            threat(
                KIND, "medium", crowd.start, crowd.last, device=None, target=f"{address_text(server)}:{port}",
                description=f"{count} addresses from elsewhere try passwords at {service.name} of "
                f"{called_at(self._home, server)}, port {port}: {crowd.tries:,} short connections in "
                f"{span(crowd.last - crowd.start)}",
                recommendation="close the port to the world, or let in keys only (no passwords) or a VPN; a service "
                "that anybody can reach is tried all day",
                evidence={
                    "service": service.name, "sources": len(crowd.sources), "connections": crowd.tries,
                    "busiest": {address_text(each): crowd.sources[each] for each in busiest},
                },
            )
        ]  # fmt: skip

    def _got_in(self, pair: Pair, service: Service, tries: _Tries, talk: Talk) -> Findings:
        """A dialogue that looks like a success."""
        before, tries.got_in = tries.got_in, talk.start + talk.lasted
        was_told, tries_before = tries.told, tries.tries
        found: Findings = ()
        # On the web a longer answer is another page, and nothing more.
        if was_told and tries_before and service.burst and not 0 <= talk.start + talk.lasted - before < AGAIN:
            found = self._tell(pair, service, tries, talk)
        tries.tries = tries.told = 0
        tries.talks.clear()
        return found

    def _tell(self, pair: Pair, service: Service, tries: _Tries, success: Talk | None) -> list[Finding]:
        tries.told = tries.tries
        answers = [talk.answered for talk in tries.talks]
        lasted = [talk.lasted for talk in tries.talks]
        what = (
            f"{tries.tries:,} short connections in {span(tries.last - tries.start)}, "
            f"each answered by about {amount(sum(answers) // len(answers))}, as a refused login is"
        )
        if service is WEB:
            what += ", or a page that is not there"
        evidence: dict[str, Any] = {
            "service": service.name, "connections": tries.tries, "seconds": round((tries.last - tries.start) / 1000, 1),
            "answered": [min(answers), max(answers)], "lasted": [min(lasted), max(lasted)], "looked_at": len(answers),
        }  # fmt: skip
        advice = "see what runs there: tools that try passwords, malware, or a program with an old password"
        if not is_here(self._home, pair[0]):
            advice = "close the port to the world, or let in keys only (no passwords) or a VPN"
        # Of the web it is least known what was asked for.
        severity = "low" if service is WEB else "high" if tries.tries >= MANY else "medium"
        if success is not None:
            size = amount(success.answered + success.sent)
            what += f"; then one connection of {span(success.lasted)} with {size} followed, which may be a login"
            evidence["then"] = {"lasted": success.lasted, "sent": success.sent, "answered": success.answered}
            advice = (
                f"look at the logins in the log of the server; if it was not you, change the password, and {advice}"
            )
            severity = "high"
        return [self._threat(pair, severity, tries.start, max(tries.last, tries.got_in), what, advice, evidence)]

    def _threat(
        self, pair: Pair, severity: str, first: int, last: int, what: str, advice: str, evidence: dict[str, Any]
    ) -> Finding:
        client, server, port = pair
        who = key_at(self._home, client)
        return threat(
            KIND, severity, first, last, device=who, target=f"{address_text(server)}:{port}",
            description=f"{called_by_key(self._home, who)} tries passwords at {SERVICES[port].name} of "
            f"{called_at(self._home, server)}, port {port}: {what}",
            recommendation=advice, evidence=evidence,
        )  # fmt: skip

    # Bursts.

    def _began(self, pair: Pair, service: Service, start: int) -> Findings:
        """A connection began."""
        tries = self._pairs.get(pair)
        if tries is not None and tries.got_in and abs(start - tries.got_in) < DAY:
            return ()
        burst = self._bursts.touch(pair)
        burst.begun.append(start)
        if len(burst.begun) < service.burst:
            return ()
        if len(burst.begun) > service.burst:
            burst.begun.popleft()
        first, last = min(burst.begun), max(burst.begun)
        if burst.told or not BURST_LEAST <= last - first <= BURST_WITHIN:
            return ()
        burst.told, burst.other = True, 0
        if tries is not None and tries.told:
            return ()
        what = f"{len(burst.begun)} connections begun within {span(last - first)}; how they end is not known yet"
        return [
            self._threat(
                pair, "medium", first, last, what,
                "see what runs there: tools that try passwords, malware, or a job that connects over and over",
                {"service": service.name, "connections": len(burst.begun), "seconds": round((last - first) / 1000, 1)},
            )
        ]  # fmt: skip

    def _is_no_try(self, pair: Pair) -> list[Finding]:
        """A connection was no failed login: if most of a burst were none, it is taken back."""
        burst = self._bursts.get(pair)
        if burst is None or not burst.told:
            return []
        burst.other += 1
        tries = self._pairs.get(pair)
        tried = tries.tries if tries is not None else 0
        if burst.other <= tried or burst.other * 2 < len(burst.begun):
            return []
        self._bursts.drop(pair)
        if tries is not None and tries.told:
            return []
        why = f"{burst.other} of these connections were no failed logins: longer, or without any"
        return [TakenBack(KIND, key_at(self._home, pair[0]), f"{address_text(pair[1])}:{pair[2]}", why)]
