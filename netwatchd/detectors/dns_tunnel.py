"""Data carried in the names of DNS (MITRE ATT&CK T1071.004, T1048), and names that are made up in masses.

Three kinds, each by what it cannot do without:

* **dns_tunnel.** Whoever carries data upwards in names needs new names all the time, as long as he can make them, below
  a domain of his. The measure is the bytes that the distinct names carry, in an hour by client and domain. What honest
  programs ask for comes again (and is counted once), is short, or belongs to domains whose owners answer themselves
  (`dns_names.KNOWN`). It is told from LIMIT on; from a fourth of it, where most questions are of types whose answers
  carry data, too; and from twice as much in a day, if the names are long and drawn by lot: a slow one.
* **dns_anomaly.** Dozens of made-up names below one domain within seconds: the search for what exists there, a tunnel
  that says hello, an attack on the domain's servers, a program that looks for its master.
* **dga.** Dozens of registered domains that look drawn by lot and do not exist (T1568.002).

A client that is asked by others asks for them: four times as much is needed, and nothing is told of it where somebody
behind it is seen to ask for the same names.

Memory: a client and domain are first one of FEW, where a flood of made-up domains pushes them out, and with their
MOSTLY-th name one of ZONES, where it does not come: each of its domains would need as many names.
"""

from typing import Any

from netwatchd.addresses import Address, address_text
from netwatchd.config import DnsTunnel as Settings
from netwatchd.detectors import Finding, Findings, Home
from netwatchd.detectors.bounded import Bounded
from netwatchd.detectors.dns_names import KNOWN, entropy, is_counted_up, is_label_random, is_random, registered
from netwatchd.detectors.dns_zones import HOUR, NXDOMAIN, Distinct, Zone
from netwatchd.detectors.naming import called_by_key, key_at
from netwatchd.detectors.saying import amount, span
from netwatchd.detectors.telling import threat
from netwatchd.observations import DnsMessage

FEW, ZONES, CLIENTS, SERVERS = 2048, 1024, 1024, 64  # how many of each are remembered: 10 MB when all are full
MOSTLY = 8

# Distinct names below which nothing is said: a page with all its parts asks for fewer below one domain.
LEAST_NAMES = 20
# Bytes a name on average. Shorter ones are what people call their servers; the shortest packet of a tunnel (iodine's
# and dnscat2's, when they have nothing to say) needs five bytes of header, which are eight and ten as text.
LEAST_EACH = 12
LEAST_EACH_SLOW = 30  # of what takes a day: whoever has so few questions fills each of them
# Bytes of distinct names in an hour, or twice as many in a day, are the setting; a household's devices stay below 3 kB
# an hour for each domain that is not in KNOWN.
FOR_DATA = 4  # the part of it that is enough where the types are for data, and the multiple that a resolver needs

# Distinct names below one domain in 10 s: a page that has its links looked up asks for dozens, but they are words.
MANY = 30
ANSWERED = 2_000  # ms within which most questions are answered
# Distinct names below one domain that do not exist, in a minute: a program with a list of names that are gone retries
# these, and a typo is one. Made-up ones, and whatever they are.
MANY_MISSING, VERY_MANY_MISSING = 20, 100
MANY_LONG = 24  # bytes a name on average, from which on it is rather a tunnel, and waited for it
_LOOKS = frozenset(MANY << at for at in range(12)) | frozenset(MANY_MISSING << at for at in range(12))
_LOOKS_MISSING = _LOOKS | {VERY_MANY_MISSING}

# Domains drawn by lot that do not exist, in an hour: of two thousand domains of advertisers, as filters answer in this
# way, three look so.
MANY_DOMAINS = 20

AGAIN, ANYWAY = 10_000, 600_000  # ms after which it is told again: if it has doubled, or goes on

_NAMES = {1: "A", 2: "NS", 5: "CNAME", 10: "NULL", 12: "PTR", 15: "MX", 16: "TXT", 25: "KEY", 28: "AAAA", 33: "SRV",
          65: "HTTPS", 255: "ANY"}  # fmt: skip


class _Lots:
    """What a client asks for of domains that are drawn by lot and do not exist."""

    __slots__ = ("examples", "first", "last", "names", "told")

    def __init__(self) -> None:
        self.begin(0)

    def begin(self, time: int) -> None:
        """Another hour begins."""
        self.first = self.last = time
        self.told = 0
        self.names = Distinct()
        self.examples: list[str] = []


class DnsTunnel:
    """The detector `dns_tunnel`."""

    observes = (DnsMessage,)

    def __init__(self, settings: Settings, home: Home) -> None:
        self.settings = settings
        self._home = home
        self._few: Bounded[tuple[Address, str], Zone] = Bounded(FEW, Zone)
        self._zones: Bounded[tuple[Address, str], Zone] = Bounded(ZONES, Zone)
        self._lots: Bounded[Address, _Lots] = Bounded(CLIENTS, _Lots)
        self._servers: Bounded[Address, list[None]] = Bounded(SERVERS, list)

    def observe(self, observation: DnsMessage) -> Findings:
        """A question, or an answer."""
        below = registered(observation.name)
        if below is None:
            return []
        domain, prefix = below
        if domain in KNOWN or domain in self.settings.ignored:
            return []
        if not observation.answer and observation.server in self._home.networks:
            self._servers.touch(observation.server)
        found: list[Finding] = []
        if observation.code == NXDOMAIN:
            found = self._miss(observation, domain)
        if not prefix:
            return found
        key = (observation.client, domain)
        zone = self._zones.touch(key) if key in self._zones else self._few.touch(key)
        if not zone.note(observation, domain, prefix) or zone.distinct.count < MOSTLY:
            return found
        if key not in self._zones:
            self._few.drop(key)
            self._zones.put(key, zone)
        return found + self._judge(zone, observation.time)

    def _judge(self, zone: Zone, time: int) -> list[Finding]:
        """What is to be said of a zone that has grown."""
        if zone.distinct.count < LEAST_NAMES:
            return []
        if severity := self._is_tunnel(zone, 1):
            return self._tell(zone, time, "dns_tunnel", severity, zone.up)
        if self._is_mass(zone, 1):
            return self._tell(zone, time, "dns_anomaly", "medium", zone.burst.names + zone.missing.names)
        return []

    def _is_tunnel(self, zone: Zone, times: int) -> str | None:
        limit = self.settings.hourly * times
        if zone.for_data * 2 > zone.queries:
            limit //= FOR_DATA
        hour, day = zone.hour, zone.day
        if hour.up >= limit and hour.up >= LEAST_EACH * hour.names:
            return "high"
        limit = self.settings.hourly * times * 2
        is_slow = day.up >= limit and day.up >= LEAST_EACH_SLOW * day.names
        return "medium" if is_slow and is_random(zone.pool) else None

    def _is_mass(self, zone: Zone, times: int) -> bool:
        """Many names at once that somebody made up, or nearly all of which do not exist."""
        burst, missing = zone.burst.names, zone.missing.names
        if burst not in _LOOKS and missing not in _LOOKS_MISSING:
            return False
        if "dns_tunnel" in zone.told:
            return False
        if missing >= VERY_MANY_MISSING * times:
            return True
        # Long names are a tunnel's, which is told of when it has carried something.
        times *= 4 if zone.up >= MANY_LONG * zone.distinct.count else 1
        if missing >= MANY_MISSING * times:
            return is_random(zone.pool) or is_counted_up(zone.pool)
        if burst < MANY * times:
            return False
        # Numbered servers are honest if they are there, which takes the answers some time to tell.
        are_there = zone.last - zone.burst.start < ANSWERED or zone.found * 2 >= zone.queries
        return is_random(zone.pool) or (is_counted_up(zone.pool) and not are_there)

    def _tell(self, zone: Zone, time: int, kind: str, severity: str, much: int) -> list[Finding]:
        """Tells it, unless it was told just now, or the client asks for others."""
        before, at = zone.told.get(kind, (0, 0))
        if at and (abs(time - at) < AGAIN or (much < 2 * before and abs(time - at) < ANYWAY)):
            return []
        is_tunnel = kind == "dns_tunnel"
        times = self._times(zone.client)
        if times > 1 and not (self._is_tunnel(zone, times) if is_tunnel else self._is_mass(zone, times)):
            return []
        zone.told[kind] = (much, time)
        if self._asks_for(zone):
            return []
        client = key_at(self._home, zone.client)
        return [self._tunnel(zone, severity, client) if is_tunnel else self._mass(zone, severity, client)]

    def _tunnel(self, zone: Zone, severity: str, client: str) -> Finding:
        names, time = f"{zone.distinct.count:,} names", span(zone.last - zone.first)
        return self._threat(
            "dns_tunnel", zone, severity, client,
            f"sends data in names below {_cut(zone.zone)}: {names} in {time} carried {amount(zone.up)} there, and "
            f"their answers {amount(zone.down)} back",
            "find out which program asks for these names and stop it; your resolver can block the domain",
        )  # fmt: skip

    def _mass(self, zone: Zone, severity: str, client: str) -> Finding:
        missing = zone.lost.count if zone.lost else 0
        also = f"; {missing:,} of them do not exist" if missing > 1 else ""
        if missing >= zone.distinct.count:
            also = "; none of them exists"
        count, time = f"{zone.distinct.count:,}", span(zone.last - zone.first)
        return self._threat(
            "dns_anomaly", zone, severity, client,
            f"asks for made-up names below {_cut(zone.zone)}: {count} in {time}, such as {_cut(zone.pool[-1])}{also}",
            "find out which program asks for these names: malware, a scanner of domains, or a tunnel",
            missing=missing,
        )  # fmt: skip

    def _threat(  # what a threat of a zone is made of
        self, kind: str, zone: Zone, severity: str, client: str, deed: str, advice: str, **beside: int
    ) -> Finding:
        return threat(
            kind, severity, zone.first, zone.last, device=client, target=zone.domain,
            description=f"{called_by_key(self._home, client)} {deed}{self._for_others(zone.client)}",
            recommendation=f"{advice}. If you know it, write {zone.domain} into `ignored` of [detector:dns_tunnel]",
            evidence=_evidence(zone) | beside,
        )  # fmt: skip

    def _miss(self, message: DnsMessage, domain: str) -> list[Finding]:
        """A name that does not exist: is its domain one of those that were drawn by lot?"""
        label = domain.split(".", 1)[0]
        if not is_label_random(label):
            return []
        lots = self._lots.touch(message.client)
        if not lots.first or not -HOUR < message.time - lots.first < HOUR:
            lots.begin(message.time)
        lots.last = message.time
        if not lots.names.add(domain):
            return []
        if len(lots.examples) < 5:
            lots.examples.append(domain)
        count = lots.names.count
        if count < MANY_DOMAINS * self._times(message.client) or count < 2 * lots.told:
            return []
        others = (each for key in self._lots if key != message.client and (each := self._lots.get(key)))
        if any(lots.names.share(each.names) and each.first <= lots.first for each in others):
            return []
        lots.told = count
        client = key_at(self._home, message.client)
        seconds = max((lots.last - lots.first) // 1000, 1)
        return [
            threat(
                "dga", "high", lots.first, lots.last, device=client, target=None,
                description=f"{called_by_key(self._home, client)} asked for {count} domains that do not exist and look "
                f"drawn by lot, such as {_cut(lots.examples[0])}, in {span(lots.last - lots.first)}"
                f"{self._for_others(message.client)}",
                recommendation="malware finds its command server in this way: take the device off the network, and "
                "look for it with a virus scanner",
                evidence={"domains": count, "examples": list(lots.examples), "seconds": seconds},
            )
        ]  # fmt: skip

    # Who asks for whom.

    def _times(self, client: Address) -> int:
        """How many times as much is needed of this client."""
        return FOR_DATA if self._is_resolver(client) else 1

    def _is_resolver(self, client: Address) -> bool:
        """Whether it is asked by others, under this address or another one of it."""
        if client in self._servers:
            return True
        key = self._home.owner(client)
        if key is None:
            return False
        device = self._home.device(key)
        if device is not None and device.kind == "router":
            return True
        return any(self._home.owner(server) == key for server in self._servers)

    def _for_others(self, client: Address) -> str:
        return "; it asks for others, and who they are was not seen" if self._is_resolver(client) else ""

    def _asks_for(self, zone: Zone) -> bool:
        """Whether somebody else is seen to ask for the same names, for whom this client asks."""
        for key in self._zones:
            other = self._zones.get(key)
            if other is None or key[1] != zone.domain or other is zone or not zone.distinct.share(other.distinct):
                continue
            mine, others = self._is_resolver(zone.client), self._is_resolver(other.client)
            if mine != others:
                return mine
            outside, inside = zone.client not in self._home.networks, other.client in self._home.networks
            if outside and inside:
                return True
            if other.first < zone.first and not (inside and not outside and other.client not in self._home.networks):
                return True
        return False


def _evidence(zone: Zone) -> dict[str, Any]:
    names = max(zone.distinct.count, 1)
    kinds = sorted(zone.kinds.items(), key=lambda item: -item[1])
    return {
        "domain": zone.domain, "zone": _cut(zone.zone), "names": zone.distinct.count, "queries": zone.queries,
        "answers": zone.answers, "bytes_up": zone.up, "bytes_down": zone.down,
        "bytes_per_name": round(zone.up / names, 1),
        "longest_label": zone.longest, "types": {_NAMES.get(kind, f"TYPE{kind}"): count for kind, count in kinds},
        "bits_per_character": round(entropy(zone.pool), 2), "server": address_text(zone.server),
        "examples": list(zone.examples),
    }  # fmt: skip


def _cut(text: str) -> str:
    return text if len(text) <= 60 else text[:59] + "…"
