"""An ordinary home of twenty-five devices, as whoever lives there uses it, told as each kind of source tells it.

What happens are talks; a way of telling makes flows of each, in the order in which a daemon hears of them: connection
tracking (its beginning, and minutes later all of it), a capture (after two seconds, and each ten), an exporter (a
minute late). `Home.when` says when the uplink, a device or a service is dead: who asks it then tries again and again.
"""

import heapq
import random
from collections.abc import Callable, Iterable, Iterator
from itertools import count
from typing import NamedTuple

from detector_kit import NOON, Street, device

from netwatchd.addresses import PRIVATE, Networks, parse_address
from netwatchd.events import Flow
from netwatchd.observations import AddressAsked, DnsMessage, Observation

MINUTE, HOUR, DAY = 60.0, 3_600.0, 86_400.0
ICMP, TCP, UDP = 1, 6, 17
_HERE = Networks(PRIVATE.split())

KINDS = {
    "router": "router", "nas": "nas", "server": "server", "pi": "server", "laptop": "computer", "desktop": "computer",
    "work": "computer", "phone1": "phone", "phone2": "phone", "kid": "phone", "tablet": "tablet", "tv": "tv",
    "console": "console", "cast": "media", "sonos1": "speaker", "sonos2": "speaker", "printer": "printer",
    "camera1": "camera", "camera2": "camera", "plug1": "plug", "plug2": "plug", "bulb": "light", "hue": "hub",
    "thermo": "thermostat", "vacuum": "appliance",
}  # fmt: skip
NAMES = list(KINDS)
AT = {name: parse_address(f"192.168.1.{number + 1}") for number, name in enumerate(NAMES)}
MAC = {name: f"00:00:5e:00:01:{number + 1:02x}" for number, name in enumerate(NAMES)}
OUTER = parse_address("198.51.100.77")


class Talk(NamedTuple):
    """What two say to each other; without packets back nobody has answered, `refused` is a RST."""

    at: float
    src: int
    sport: int
    dst: int
    dport: int
    protocol: int
    out: tuple[int, int]
    back: tuple[int, int]
    took: float
    refused: bool = False


def street() -> Street:
    """Who lives there."""
    home = Street(
        *(
            device(MAC[name], f"192.168.1.{number + 1}", kind=kind, hostname=name, first_seen=NOON - 30 * 86_400_000)
            for number, (name, kind) in enumerate(KINDS.items())
        )
    )
    home.outer.add(OUTER)
    return home


class Home:
    """Days of talks; the same for the same `seed`."""

    def __init__(self, hours: float, seed: int = 1) -> None:
        self.until = hours * HOUR
        self.rng = random.Random(seed)
        self.uplink_dead: list[tuple[float, float]] = []
        self.dead: dict[str, list[tuple[float, float]]] = {}  # by name, or `name:port`
        self.besides: list[Talk] = []  # what is not ordinary
        self._names = {address: name for name, address in AT.items()}

    def is_dead(self, at: float, dst: int, port: int) -> bool:
        """Whether nobody answers there then."""
        if dst not in _HERE:
            return any(begin <= at < end for begin, end in self.uplink_dead)
        name = self._names.get(dst)
        spans = [*self.dead.get(f"{name}", ()), *self.dead.get(f"{name}:{port}", ())]
        return any(begin <= at < end for begin, end in spans)

    def talk(
        self, at: float, src: str | int, dst: str | int, port: int, protocol: int = TCP,
        out: tuple[int, int] = (12, 2400), back: tuple[int, int] = (14, 9000), took: float = 0.5, sport: int = 0,
        *, silent: bool = False, refused: bool = False, again: float = 0.0, tries: int = 40,
    ) -> Iterator[Talk]:  # fmt: skip
        """One, or as many as it takes until it succeeds, where it is tried `again` after so many seconds."""
        source, target = AT[src] if isinstance(src, str) else src, AT[dst] if isinstance(dst, str) else dst
        if source not in _HERE and source != OUTER and self.is_dead(at, source, 0):
            return  # nobody elsewhere gets here
        for _ in range(tries):
            ends = source, sport or self.rng.randrange(32_768, 61_000), target, port, protocol
            if silent or self.is_dead(at, target, port):
                sent = 1 + self.rng.randrange(4)
                size = 60 if protocol == TCP else 74
                yield Talk(at, *ends, (sent, size * sent), (0, 0), sent * 1.5)
                if not again or silent:
                    return
                at += again * (1 + self.rng.random() / 4)
                continue
            if refused:
                yield Talk(at, *ends, (1, 60), (1, 40), 0.01, refused=True)
            else:
                cut = (begin - at for begin, _ in self.uplink_dead if begin > at)
                yield Talk(at, *ends, out, back, took if target in _HERE and source in _HERE else min(took, *cut, took))
            return

    def elsewhere(self, spread: int = 40) -> int:
        """An address of some provider."""
        networks = (0x03, 0x12, 0x23, 0x34, 0x36, 0x68, 0x8E, 0xAC)
        return (self.rng.choice(networks) << 24) + (self.rng.randrange(spread) << 16) + self.rng.randrange(1, 60_000)

    def each(self, period: float, jitter: float = 0.05, begin: float | None = None) -> Iterator[float]:
        """Moments."""
        at = self.rng.random() * period if begin is None else begin
        while at < self.until:
            yield at
            at += period * (1 + self.rng.uniform(-jitter, jitter))

    def names(self, at: float, who: str, number: int) -> Iterator[Talk]:
        """Questions of DNS to the router, which asks its provider."""
        for _ in range(number):
            yield from self.talk(at, who, "router", 53, UDP, (1, 66), (1, 130), 0.02)
            if self.rng.random() < 0.4:
                yield from self.talk(at, OUTER, 0x09090909, 53, UDP, (1, 66), (1, 130), 0.02, again=1.0, tries=12)
            at += self.rng.random() * 0.1

    def page(self, at: float, who: str) -> Iterator[Talk]:
        """A page with all its parts."""
        hosts = [self.elsewhere(200) for _ in range(self.rng.randrange(4, 25))]
        yield from self.names(at, who, len(hosts))
        for _ in range(self.rng.randrange(10, 80)):
            at += self.rng.expovariate(8)
            protocol = UDP if self.rng.random() < 0.35 else TCP
            size = int(self.rng.paretovariate(1.2) * 3000)
            got = (6 + size // 1400, size)
            yield from self.talk(at, who, self.rng.choice(hosts), 443, protocol, (9, 1900), got, 20, again=5.0)
            if self.rng.random() < 0.1:  # the other one of two that were tried side by side (RFC 8305)
                yield from self.talk(at, who, self.rng.choice(hosts), 443, TCP, (3, 160), (1, 60), 0.3)

    def browsing(self, who: str, every: float = 240.0) -> Iterator[Talk]:
        """Pages, and once a day a browser that begins with sixty of them."""
        for at in self.each(every, 0.9):
            yield from self.page(at, who)
        for at in self.each(DAY, begin=self.rng.random() * HOUR):
            for _ in range(60):
                yield from self.page(at + self.rng.random() * 20, who)

    def device(self, who: str) -> Iterator[Talk]:
        """What each does: time, names, its cloud, announcements."""
        clouds = [self.elsewhere() for _ in range(3)]
        for at in self.each(900):
            for _ in range(4):
                yield from self.talk(at, who, self.elsewhere(), 123, UDP, (1, 76), (1, 76), 0.03, again=16.0)
            yield from self.names(at, who, 3)
        for at in self.each(120):
            yield from self.talk(at, who, self.rng.choice(clouds), 443, again=3.0)
        for at in self.each(600):
            for group, port in ((0xE00000FB, 5353), (0xEFFFFFFA, 1900), (0xC0A801FF, 137), (0xFFFFFFFF, 67)):
                yield from self.talk(at, who, group, port, UDP, (3, 400), silent=True)

    def phone(self, who: str) -> Iterator[Talk]:
        """Push and mail of five accounts; the printer and speakers that it looks for each time that it wakes up."""
        for at in self.each(28 * MINUTE):
            yield from self.talk(at, who, self.elsewhere(4), 5223, took=1200, again=2.0)
        for at in self.each(5 * MINUTE):
            for _ in range(5):
                yield from self.talk(at, who, self.elsewhere(3), 993, TCP, (14, 2000), (16, 6500), 1.5, again=10.0)
        for at in self.each(HOUR):
            for name, port in (("printer", 631), ("sonos1", 1400), ("sonos2", 1400), ("cast", 8009), ("tv", 8001),
                               ("tv", 7000), ("nas", 5000), ("nas", 445), ("hue", 443)):  # fmt: skip
                yield from self.talk(at + self.rng.random(), who, name, port)

    def monitor(self) -> Iterator[Talk]:
        """A Pi that looks each minute whether thirty services are there, of which some are not."""
        checks = [
            ("nas", port) for port in (22, 80, 139, 443, 445, 548, 873, 2049, 5000, 5001, 6690, 8080, 9000, 32400)
        ]
        checks += [("server", port) for port in (22, 80, 443, 3000, 5432, 6379, 8086, 8123, 8443, 9090, 9100, 27017)]
        checks += [(name, 80) for name in ("printer", "camera1", "camera2", "hue")]
        begins = [self.rng.random() * 10 for _ in checks]
        for at in self.each(MINUTE, 0.001):
            for begin, (name, port) in zip(begins, checks, strict=True):
                down = (name, port) in (("server", 9090), ("nas", 6690), ("nas", 9000))
                yield from self.talk(at + begin, "pi", name, port, TCP, (5, 268), (3, 164), 0.01, refused=down)
            for name in NAMES[1:]:
                yield from self.talk(at, "pi", name, 0, ICMP, (1, 84), (1, 84), 0.01, sport=8)

    def smart_home(self) -> Iterator[Talk]:
        """Home Assistant asks all devices, by whatever each speaks, some of them every few seconds."""
        ports = {"tv": 8001, "cast": 8009, "sonos1": 1400, "sonos2": 1400, "hue": 443, "printer": 631, "plug1": 80,
                 "plug2": 80, "bulb": 55443, "thermo": 80, "vacuum": 54321, "camera1": 80, "camera2": 554}  # fmt: skip
        for at in self.each(10):
            for name, port in ports.items():
                yield from self.talk(at, "server", name, port, TCP, (6, 700), (5, 900), 0.1)
        for at in self.each(30):
            for name in NAMES:
                yield from self.talk(at, "server", name, 0, ICMP, (2, 168), (2, 168), 1.0, sport=8)
            yield from self.talk(at, "server", "router", 22, TCP, (18, 4200), (16, 5200), 0.6)
            yield from self.talk(at, "plug1", "server", 1883, TCP, (9, 700), (8, 500), 0.2)

    def backups(self) -> Iterator[Talk]:
        """Each hour rsync, borg and git by SSH; each day Ansible, with a connection for each task."""
        for at in self.each(HOUR):
            for number in range(12):  # directories
                moment = at + number * 2.0
                yield from self.talk(moment, "laptop", "nas", 22, TCP, (22, 3900), (21, 3800), 0.4, again=30)
            yield from self.talk(at + 60, "desktop", "nas", 22, TCP, (90_000, 120_000_000), (20_000, 1_600_000), 90)
            for number in range(25):  # repositories
                yield from self.talk(at + 200 + number * 0.5, "work", self.elsewhere(1) & 0xFFFF0000 | 5, 22, TCP,
                                     (24, 4300), (26, 6500 + 900 * number), 0.8, again=60)  # fmt: skip
        for at in self.each(DAY):
            for number in range(120):
                for name in ("server", "pi", "nas"):
                    yield from self.talk(at + number * 1.1, "laptop", name, 22, TCP, (25, 5000), (26, 4700), 0.8)

    def torrent(self) -> Iterator[Talk]:
        """A swarm: half of the peers are gone, and others come by the port that the router forwards."""
        for at in self.each(1.0, 0.9):
            address = self.rng.randrange(0x10000000, 0xDF000000)
            port = self.rng.choice((6881, 51413, 80, 443, 8080, 8999)) if self.rng.random() < 0.2 else 0
            port = 22 if self.rng.random() < 0.001 else port
            port = port or self.rng.randrange(1025, 65_000)
            protocol = TCP if self.rng.random() < 0.4 else UDP
            gone, closed = self.rng.random() < 0.5, protocol == TCP and self.rng.random() < 0.1
            yield from self.talk(
                at, "desktop", address, port, protocol, (6, 500), (5, 900), 20, silent=gone, refused=closed
            )
            if self.rng.random() < 0.3:
                yield from self.talk(at, address, "desktop", 51413, protocol, (6, 500), (5, 900), 20)

    def bots(self) -> Iterator[Talk]:
        """What knocks all day at an SSH server that is open to the world, and at what else answers."""
        for at in self.each(40, 0.9):
            bot = self.rng.randrange(0x10000000, 0xDF000000)
            for number in range(self.rng.choice((1, 1, 1, 2, 5, 30))):
                moment = at + number * 4
                yield from self.talk(moment, bot, "server", 22, TCP, (15, 2300), (14, 2700), 2.6)
        for at in self.each(5, 0.9):
            bot, port = self.rng.randrange(0x10000000, 0xDF000000), self.rng.randrange(1, 65_535)
            yield from self.talk(at, bot, OUTER, port, TCP, (1, 40), silent=True)
        for at in self.each(2 * HOUR, 0.9):  # scanners of the whole Internet
            bot = self.rng.randrange(0x10000000, 0xDF000000)
            for number in range(60):
                port = self.rng.randrange(1, 1024)
                yield from self.talk(at + number * 0.3, bot, OUTER, port, TCP, (1, 40), silent=True)

    def calls(self, who: str) -> Iterator[Talk]:
        """Video calls, games and VPNs: relays, candidates that are not there, and a long stream."""
        for at in self.each(3 * HOUR, 0.5):
            for _ in range(12):
                private = parse_address(f"192.168.{self.rng.randrange(2, 200)}.{self.rng.randrange(2, 250)}")
                yield from self.talk(at, who, private, self.rng.randrange(40_000, 65_000), UDP, (5, 640), silent=True)
                yield from self.talk(at, who, self.elsewhere(), 3478, UDP, (3, 400), (3, 500), 5)
            yield from self.talk(at, who, self.elsewhere(), 50_000, UDP, (90_000, 9 * 10**7), (90_000, 10**8), 1800)
        for at in self.each(6 * HOUR, 0.5):  # a list of the servers of a game
            for _ in range(150):
                dead = self.rng.random() < 0.3
                yield from self.talk(at, who, self.elsewhere(), 27015, UDP, (1, 53), (1, 300), 0.2, silent=dead)
        yield from self.talk(5, who, self.elsewhere(), 51820, UDP, (10**6, 2 * 10**8), (10**6, 10**9), self.until - 10)

    def camera(self, who: str) -> Iterator[Talk]:
        """Pictures to the NAS by FTP, one connection each, every few seconds while something moves."""
        for at in self.each(20 * MINUTE, 0.9):
            for number in range(30):
                moment = at + number * 2
                yield from self.talk(moment, who, "nas", 21, TCP, (14, 900), (13, 1200), 0.5)
                port = 50_000 + self.rng.randrange(900)
                yield from self.talk(moment + 0.2, who, "nas", port, TCP, (60, 82_000), (30, 1600), 0.2)

    def neighbours(self) -> Iterator[Talk]:
        """Windows updates by other computers, Docker images, tests of the line, Plex from elsewhere, shares."""
        for at in self.each(2 * HOUR, 0.5):
            for _ in range(40):
                peer = self.rng.randrange(0x10000000, 0xDF000000)
                yield from self.talk(
                    at, "desktop", peer, 7680, TCP, (9, 900), (8, 700), 4, silent=self.rng.random() < 0.7
                )
            for _ in range(60):
                yield from self.talk(at, "server", self.elsewhere(2), 443, TCP, (4000, 240_000), (9000, 13_000_000), 9)
            for _ in range(32):
                yield from self.talk(at, "laptop", self.elsewhere(2), 8080, TCP, (30_000, 4 * 10**7), (9000, 10**6), 10)
            friend = self.elsewhere()
            for _ in range(20):
                yield from self.talk(at, friend, "server", 32400, TCP, (20, 3000), (90, 120_000), 2)
        for at in self.each(10 * MINUTE):
            for name in ("laptop", "desktop", "tv", "kid"):
                yield from self.talk(at, name, "nas", 445, TCP, (14, 2600), (12, 2200), 1, again=5)
                yield from self.talk(at, name, "nas", 5000, TCP, (9, 1400), (8, 3000), 1, again=5)
                yield from self.talk(at, name, "nas", 32400, TCP, (9, 1400), (8, 3000), 1, again=3)

    def talks(self) -> Iterator[Talk]:
        """All of them, by when they begin."""
        people = ("laptop", "desktop", "work", "phone1", "phone2", "kid", "tablet")
        lines: list[Iterable[Talk]] = [
            *(self.device(name) for name in NAMES[1:]), *(self.browsing(name) for name in people),
            *(self.phone(name) for name in ("phone1", "phone2", "kid", "tablet")), self.monitor(), self.smart_home(),
            self.backups(), self.torrent(), self.bots(), self.calls("work"), self.calls("console"),
            self.camera("camera1"), self.camera("camera2"), self.neighbours(), self.besides,
        ]  # fmt: skip
        return heapq.merge(*(sorted(line) for line in lines))


Told = tuple[float, Flow]


def in_order(talks: Iterable[Talk], tell: Callable[[int, Talk], Iterable[Told]]) -> Iterator[Told]:
    """What is told of talks, in the order in which it is."""
    waiting: list[tuple[float, int, Flow]] = []
    tie = count()
    for number, talk in enumerate(talks, 1):
        while waiting and waiting[0][0] <= talk.at:
            at, _, flow = heapq.heappop(waiting)
            yield at, flow
        for at, flow in tell(number, talk):
            heapq.heappush(waiting, (at, next(tie), flow))
    while waiting:
        at, _, flow = heapq.heappop(waiting)
        yield at, flow


def _flow(number: int, talk: Talk, state: str, source: str, share: float = 1.0) -> Flow:
    start = NOON + int(talk.at * 1000)
    counts = [int(value * share) for value in (*talk.out, *talk.back)]
    if share:
        counts[0] = max(counts[0], 1)
    return Flow(number, start, start + int(talk.took * share * 1000), *talk[1:6], *counts, state, source)


def by_tracking(number: int, talk: Talk) -> Iterator[Told]:
    """As connection tracking tells: nothing but that it begins; now and then what it carried; the end is late."""
    yield talk.at, _flow(number, talk, "new", "conntrack", 0.0)
    if talk.took > 60 and talk.back[0]:
        for share in (0.25, 0.5, 0.75):
            yield talk.at + talk.took * share, _flow(number, talk, "active", "conntrack", share)
    late = 10 if talk.refused else 120 if talk.protocol == TCP else 30
    yield talk.at + talk.took + late, _flow(number, talk, "closed", "conntrack")


def by_packets(number: int, talk: Talk) -> Iterator[Told]:
    """As a capture tells: what lives after two seconds, and each ten; and how it ended."""
    for after in (2.0, 10.0, 20.0, 30.0, 60.0):
        if talk.took > after:
            live = "active" if talk.back[0] else "new"
            yield talk.at + after, _flow(number, talk, live, "capture", after / talk.took)
    answered = "closed" if talk.protocol == TCP else "timeout"
    silent = "attempt" if talk.protocol == TCP else "timeout"
    state = "rejected" if talk.refused else answered if talk.back[0] else silent
    late = 1.0 if talk.back[0] and talk.protocol == TCP else 30.0
    yield talk.at + talk.took + late, _flow(number, talk, state, "capture")


def by_exporter(number: int, talk: Talk) -> Iterator[Told]:
    """As an exporter tells: once, when it is over."""
    tcp = talk.protocol == TCP
    state = "reset" if talk.refused else "idle" if not tcp else "closed" if talk.back[0] else "syn"
    yield talk.at + talk.took + 15 + number % 60, _flow(number, talk, state, "netflow")


def by_log(number: int, talk: Talk) -> Iterator[Told]:
    """As Zeek's conn.log tells: once, when it is over."""
    state = "rejected" if talk.refused else "closed" if talk.back[0] else "unreplied"
    yield talk.at + talk.took + 5, _flow(number, talk, state, "zeek")


def living(talks: Iterable[Talk], at: float, way: str) -> Iterator[Flow]:
    """What lives then, as a source tells of it that begins to look."""
    for number, talk in enumerate(talks, 1):
        if way in ("conntrack", "capture") and talk.at < at < talk.at + talk.took + 20:
            yield _flow(number, talk, "active" if talk.back[0] else "new", way, 0.0 if way == "conntrack" else 0.5)


WAYS = {"conntrack": by_tracking, "capture": by_packets, "netflow": by_exporter, "zeek": by_log}


def observed(home: Home) -> Iterator[tuple[float, Observation]]:
    """What a capture shows beside flows: questions of ARP and DNS, also while nobody answers."""
    rng = random.Random(7)
    words = [
        f"{one}{other}" for one in ("mail", "shop", "news", "wiki", "cloud", "play") for other in ("", "s", "2", "hub")
    ]
    for number in range(int(home.until / 2)):
        at = number * 2.0
        time = NOON + int(at * 1000)
        who, target = rng.choice(NAMES), rng.choice(NAMES)
        yield at, AddressAsked(time, "capture", MAC[who], AT[who], AT[target])
        name = f"{rng.choice(('www', 'api', 'cdn', 'img', 'static'))}.{rng.choice(words)}{rng.randrange(40)}.com"
        if rng.random() < 0.02:
            name = name.replace("w", "q").replace("e", "rr", 1)
        dead = home.is_dead(at, 0x09090909, 53)
        for again in range(5 if dead else 1):
            query = DnsMessage(
                time, "capture", AT[who], AT["router"], name, rng.choice((1, 28, 65)), False, 0, 60, again
            )
            yield at, query
            if not dead or again == 4:
                yield at, query._replace(answer=True, code=2 if dead else rng.choice((0,) * 30 + (3,)), size=140)
