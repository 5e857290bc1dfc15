"""Addresses that another device takes while their owner is still there: `arp_spoof`, `nd_spoof`.

What such a move proves, and what else moves addresses, says `contests`. Here it is learnt that an address moves
(packets of ARP and ND, the kernel's neighbour table), those whom it concerns are asked, and what comes of it is told:
one threat for each that takes addresses, however many it takes.
"""

from dataclasses import dataclass, field

from netwatchd.addresses import Address, address_text
from netwatchd.config import Spoof as Settings
from netwatchd.detectors import Finding, Findings, Home
from netwatchd.detectors.bounded import Bounded
from netwatchd.detectors.contests import ANSWER, TWICE, WITHIN, Contest, Used
from netwatchd.detectors.naming import called, plain
from netwatchd.detectors.telling import threat
from netwatchd.events import Change, Claim, Device, Gone, TakenBack
from netwatchd.observations import AddressAnswered, AddressShown, DhcpMessage, Observation

MOST_CONTESTS = 1024  # addresses; each has some hundred bytes
MOST_MACS = 4096  # whose other addresses are known
MOST_TOLD = 256
MOST_GATEWAYS = 64
MOST_ASKED = 2  # other addresses of the taker at which it is asked: one answer is enough
ASK_AGAIN = 30_000  # milliseconds until the same are asked again, and twice as long each time
# Questions at once, and a minute: as many as a person may need who walks through the house, and nothing to a network.
BURST, RATE = 24, 60
PAUSE = 600_000  # milliseconds after which what the same one does is another attack
EVERY = 10_000  # milliseconds between two that are told of the same, at least
SEEN_BY_TABLE = "neighbours"  # the source that sees owners move; others only hear of them (leases, logs)
_ACK = 5


@dataclass
class Attack:
    """What was told of one that takes addresses."""

    target: str
    first: int
    victims: dict[Address, str] = field(default_factory=dict)  # and their owners' MACs
    last: int = 0  # when it was found last
    told: int = 0
    claims: int = 0  # when it was told


class Spoof:
    """The detector `spoof`."""

    observes = (AddressShown, AddressAnswered, DhcpMessage)

    def __init__(self, settings: Settings, home: Home) -> None:
        self.settings = settings
        self._home = home
        self._contests: Bounded[Address, list[Contest]] = Bounded(MOST_CONTESTS, list)
        self._used: Bounded[str, Used] = Bounded(MOST_MACS, Used)
        self._gateways: Bounded[Address, list[int]] = Bounded(MOST_GATEWAYS, list)  # that DHCP names
        self._attacks: dict[tuple[str, str], Attack] = {}  # by kind and the taker's MAC
        self._tokens, self._filled = float(BURST), 0
        self._waiting: dict[Address, int] = {}  # contests that wait for answers, and until when

    def observe(self, observation: Observation) -> Findings:
        """Somebody claims an address, or was asked whether it is his."""
        if isinstance(observation, AddressShown):
            return self._see_shown(observation)
        if isinstance(observation, AddressAnswered):
            return self._see_answer(observation)
        if isinstance(observation, DhcpMessage) and observation.kind == _ACK and observation.router:
            self._gateways.touch(observation.router)
        return []

    def see_device(self, event: Change | Claim | Gone) -> Findings:
        """An address has moved in the kernel's neighbour table; or two devices prove to be one."""
        if isinstance(event, Claim):
            return self._see_claim(event)
        if isinstance(event, Gone) and event.into is not None:
            return self._take_back(event.device, event.into)
        return []

    def tick(self, time: int) -> Findings:
        """Some will not answer any more."""
        late = [ip for ip, until in self._waiting.items() if not 0 <= until - time <= ANSWER]
        found: list[Finding] = []
        for ip in late:
            del self._waiting[ip]
            for contest in self._contests.get(ip) or ():
                contest.waiting.clear()
                found += self._judge(contest, time)
        return found

    def explains(self, claim: Claim) -> bool:
        """Whether a move belongs to what is told, or is being looked into: then it is no conflict."""
        if claim.ip in self._waiting:
            return True
        macs = {self._mac(claim.key), self._mac(claim.before)}
        return any(mac in macs and claim.ip in attack.victims for (_, mac), attack in list(self._attacks.items()))

    # What is seen.

    def _see_shown(self, shown: AddressShown) -> list[Finding]:
        self._used.touch(shown.mac).note(shown.ip, shown.time)
        ours = shown.ip in self._home.machine.addresses
        contests = self._contests.get(shown.ip)
        if not contests and shown.before is None and not (ours and shown.mac not in self._home.machine.macs):
            # One of those that claim an address may use another one.
            return [found for each in self._contests_of(shown.mac) for found in self._judge(each, shown.time)]
        owner = shown.before or ("" if ours else shown.mac)
        move = Claim(shown.time, shown.ip, shown.mac, owner, shown.source)
        return self._see_move(move, shown.heard, shown.interface)

    def _see_claim(self, claim: Claim) -> list[Finding]:
        # A link-local address of IPv6 is unique on its link only: fe80::1 is the router of many.
        if claim.source != SEEN_BY_TABLE or (isinstance(claim.ip, bytes) and claim.ip[:1] == b"\xfe"):
            return []
        taker, owner = self._mac(claim.key), self._mac(claim.before)
        device = self._home.device(claim.before)
        if taker is None or owner is None or device is None:
            return []
        return self._see_move(claim._replace(key=taker, before=owner), device.last_seen, None)

    def _see_move(self, move: Claim, heard: int, interface: str | None) -> list[Finding]:
        """A MAC claims an address that was another's (their MACs as `key` and `before`), which that did at `heard`."""
        time, ip, mac, owner, source = move
        contests = self._contests.touch(ip)
        if not contests or abs(time - contests[0].last) > WITHIN:
            contests[:] = [Contest(ip, owner, heard, time)]
            if owner and owner != mac and 0 <= time - heard <= WITHIN:
                contests[0].claim(heard, owner, source)
        contest = contests[0]
        contest.claim(time, mac, source)
        contest.interface = interface or contest.interface
        self._used.touch(mac).contest(ip)
        if mac != owner:
            self._ask(contest, mac, owner, time)
        return self._judge(contest, time)

    def _see_answer(self, answer: AddressAnswered) -> list[Finding]:
        found: list[Finding] = []
        for ip in list(self._waiting):
            for contest in self._contests.get(ip) or ():
                if (answer.mac, answer.ip) in contest.waiting:
                    contest.waiting.discard((answer.mac, answer.ip))
                    contest.answers[answer.mac, answer.ip] = answer.answered
                    if answer.answered and answer.ip == contest.ip:
                        contest.confirmed[answer.mac] = answer.time
                    if not contest.waiting:
                        del self._waiting[ip]
                        found += self._judge(contest, answer.time)
        return found

    # Asking.

    def _ask(self, contest: Contest, taker: str, owner: str, time: int) -> None:
        """Asks both whether the address is theirs, and whether the taker's other addresses are."""
        last, often = contest.asked.get(taker, (0, 0))
        if not self.settings.ask or taker not in contest.shown:
            return
        if often and abs(time - last) < ASK_AGAIN << min(often - 1, 10):
            return
        others = self._other_addresses(taker, contest.ip)[:MOST_ASKED]
        # Where it is this machine's own address, the owner need not be asked.
        both = [mac for mac in (taker, owner) if mac and mac not in self._home.machine.macs]
        questions = [(mac, ip) for mac in both for ip in (contest.ip, *others)]
        if not self._afford(len(questions), time):
            return
        asked = {question for question in questions if self._home.machine.ask(*question, contest.interface)}
        contest.asked[taker] = time, often + 1
        if asked:
            contest.waiting |= asked
            self._waiting[contest.ip] = time + ANSWER

    def _afford(self, number: int, time: int) -> bool:
        self._tokens = min(self._tokens + abs(time - self._filled) * RATE / 60_000, BURST)
        self._filled = time
        if self._tokens < number:
            return False
        self._tokens -= number
        return True

    def _other_addresses(self, mac: str, ip: Address) -> list[Address]:
        """Other addresses of its device, the latest first."""
        device = self._home.device(mac)
        known = device.ips if device else ()
        return [other for other in known if other != ip and isinstance(other, int) == isinstance(ip, int)]

    # What it proves.

    def _judge(self, contest: Contest, time: int) -> list[Finding]:
        if contest.waiting:
            return []
        # Who had it before is the last to be thought of: a capture may begin in the middle of an attack.
        takers = sorted(contest.shown, key=lambda mac: mac == contest.owner)
        for taker in takers:
            for owner in (contest.owner, *contest.shown):
                if taker != owner and self._takes(contest, taker, owner):
                    return self._tell(contest, taker, owner, time)
        return []

    def _takes(self, contest: Contest, taker: str, owner: str) -> bool:
        """Whether one of them takes what is the other's: a ladder, the usual case first."""
        machine = self._home.machine
        # This machine's own MACs take nothing.
        if taker in machine.macs:
            return False
        ours = contest.ip in machine.addresses and (not owner or owner in machine.macs)
        several = bool(self._taken_by(taker) - {contest.ip})
        gateway = self._is_gateway(contest.ip, owner)
        asked = contest.still_has(owner, taker)
        # Who had it before takes it from nobody; but that only seemed so where it is a gateway's, or he takes others',
        # or claims it again without answering for it himself, because his machine knows nothing of what he sends.
        silent = asked and contest.answers.get((taker, contest.ip)) is False
        if not contest.follows(taker, owner) or (taker == contest.owner and not (several or gateway or silent)):
            return False
        # The owner has left, sleeps, or was not heard of since: the address has another owner now.
        enough = contest.insists(taker, owner) >= (1 if several or gateway else TWICE)
        if not (asked or enough or (ours and contest.shown[taker] >= TWICE)):
            return False
        # It has nothing but this address: two were given the same one.
        kept = self._kept(contest, taker)
        if not kept and not several:
            return False
        return ours or not self._is_honest(contest, taker, owner, kept)

    def _is_honest(self, contest: Contest, taker: str, owner: str, kept: set[Address]) -> bool:
        """Whether two that use one address, of which the taker has others (`kept`), do so by right."""
        # Both answer for both addresses: one machine with two links.
        if any(contest.answers.get((owner, ip)) or self._claims(contest, owner, ip) for ip in kept):
            return True
        # Both keep another one, and nobody could be asked: an address that servers pass on to each other. Of IPv6
        # everybody has several.
        asked = contest.answers.get((owner, contest.ip))
        if not asked and isinstance(contest.ip, int) and self._kept(contest, owner):
            return True
        return self._are_one(taker, owner)

    def _taken_by(self, mac: str) -> set[Address]:
        """The addresses that a MAC claims though another one, that is there, does, too."""
        return {
            each.ip
            for each in self._contests_of(mac)
            for owner in (each.owner, *each.shown)
            if owner != mac and (each.still_has(owner, mac) or each.insists(mac, owner))
        }

    def _kept(self, contest: Contest, mac: str) -> set[Address]:
        """Other addresses, of the same family, that a MAC has used since it claims this one, and nobody else does."""
        since, used = contest.since(mac), self._used.get(mac)
        told = {ip for (whose, ip), yes in contest.answers.items() if whose == mac and yes and ip != contest.ip}
        seen = used.seen.items() if used and since is not None else ()
        own = {ip for ip, time in seen if since is not None and time > since and not self._is_taken(mac, ip)}
        return {ip for ip in told | own - {contest.ip} if isinstance(ip, int) == isinstance(contest.ip, int)}

    def _claims(self, contest: Contest, mac: str, ip: Address) -> bool:
        """Whether a MAC has claimed another address, too, while it was contested for this one."""
        used = self._used.get(mac)
        return used is not None and used.seen.get(ip, 0) > contest.began - WITHIN

    def _is_taken(self, mac: str, ip: Address) -> bool:
        """Whether the address is another's, too, so that to claim it does not make it the MAC's own."""
        return any(contest.owner != mac for contest in self._contests.get(ip) or ())

    def _are_one(self, one: str, other: str) -> bool:
        """Whether both are known to be the same device, or call themselves the same: cable and Wi-Fi of a laptop."""
        first, second = self._home.device(one), self._home.device(other)
        if first is None or second is None:
            return False
        if first == second or _macs(first) & _macs(second):
            return True
        return bool(first.hostname and second.hostname and plain(first.hostname) == plain(second.hostname))

    def _is_gateway(self, ip: Address, owner: str) -> bool:
        if ip in self._home.machine.gateways or ip in self._gateways or ip in self._home.machine.addresses:
            return True
        device = self._home.device(owner) if owner else None
        return device is not None and device.kind == "router"

    def _contests_of(self, mac: str) -> list[Contest]:
        used = self._used.get(mac)
        return [each for ip in (used.contested if used else ()) for each in self._contests.get(ip) or ()]

    # Telling.

    def _tell(self, contest: Contest, taker: str, owner: str, time: int) -> list[Finding]:
        kind = "arp_spoof" if isinstance(contest.ip, int) else "nd_spoof"
        attack = self._attacks.pop((kind, taker), None)
        if attack is None or abs(time - attack.last) > PAUSE:
            attack = Attack(address_text(contest.ip), contest.began)
        attack.last = time
        self._attacks[kind, taker] = attack
        if len(self._attacks) > MOST_TOLD:
            del self._attacks[next(iter(self._attacks))]
        claims = contest.shown[taker]
        new = contest.ip not in attack.victims
        if not new and (abs(time - attack.told) < EVERY or claims < 2 * attack.claims):
            return []
        attack.victims[contest.ip] = owner
        attack.told, attack.claims = time, claims
        keys = sorted(filter(None, (self._key(taker), self._key(owner))))
        why = f"{self._called(taker)} takes it, and keeps an address of its own: it is told as {kind}."
        return [
            *([TakenBack("ip_conflict", keys[0], address_text(contest.ip), why)] if new and keys else []),
            self._threat(kind, attack, contest, taker, owner),
        ]

    def _threat(self, kind: str, attack: Attack, contest: Contest, taker: str, owner: str) -> Finding:
        gateways = [ip for ip, whose in attack.victims.items() if self._is_gateway(ip, whose)]
        who, ip = self._called(taker), address_text(contest.ip)
        whose = self._called(owner) if owner else "this machine"
        what = f"the gateway's address ({whose})" if contest.ip in gateways else f"the address of {whose}"
        more = f", and for {len(attack.victims) - 1} more" if len(attack.victims) > 1 else ""
        asked = contest.answers.get((owner, contest.ip))
        return threat(
            kind, "critical" if gateways else "high", min(attack.first, contest.began), contest.last,
            device=taker, target=attack.target,
            description=f"{who} claims {ip}, {what}{more}, while that one is still there: what is sent there goes "
            "to it first, and it can read and change it",
            recommendation=f"disconnect {taker} and find out whose it is; change passwords that were sent meanwhile "
            "without encryption; a fixed neighbour entry for the gateway (ip neigh replace ... nud permanent) protects "
            "a device",
            evidence={
                "ip": ip, "taker_mac": taker, "owner_mac": owner or "this machine", "owner_since": self._since(owner),
                "owner_heard_before": contest.heard or None,
                "claims": {mac or "this machine": count for mac, count in contest.shown.items()},
                "seconds": round((contest.last - contest.began) / 1000, 1),
                "owner_asked": "not asked" if asked is None else "answered" if asked else "did not answer",
                "owner_answered_between": contest.insists(taker, owner),
                "taker_keeps": sorted(map(address_text, self._kept(contest, taker))),
                "victims": sorted(map(address_text, attack.victims)), "gateways": sorted(map(address_text, gateways)),
                "sources": sorted(contest.sources),
            },
        )  # fmt: skip

    def _called(self, mac: str) -> str:
        """By its name and its MAC: its addresses are what is in doubt."""
        device = self._home.device(mac)
        known = called(device, mac).rpartition(", ")[0] if device else ""
        return f"{known}, {mac}" if known else mac

    def _since(self, mac: str) -> int | None:
        device = self._home.device(mac) if mac else None
        return device.first_seen if device else None

    def _take_back(self, device: str, into: str) -> list[Finding]:
        """Two devices are one: what it took was its own."""
        found: list[Finding] = []
        for (kind, mac), attack in list(self._attacks.items()):
            owners = set(attack.victims.values())
            if mac in (device, into) and owners <= {device, into, mac}:
                del self._attacks[kind, mac]
                found.append(TakenBack(kind, mac, attack.target, f"{device} and {into} are one device."))
        return found

    def _mac(self, key: str) -> str | None:
        device = self._home.device(key)
        return (device.macs[0] if device.macs else device.mac) if device else key if key.count(":") == 5 else None

    def _key(self, mac: str) -> str | None:
        device = self._home.device(mac) if mac else None
        return device.mac if device else mac or None


def _macs(device: Device) -> set[str]:
    return {device.mac or "", *device.macs} - {""}
