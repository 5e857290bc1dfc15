"""A house with all that moves in it: addresses, prefixes, MACs, who is there; and how the sources tell of that.

What happens in it is in `month_life`. Times are seconds since NOON of the first day; `Day` gathers what happens in one
day, in any order, and gives it in the order in which a daemon hears of it.
"""

import random
from collections.abc import Callable, Iterator
from typing import NamedTuple

from detector_kit import NOON
from ordinary import DAY, HOUR, TCP, Talk

from netwatchd.addresses import PRIVATE, Address, Networks, parse_address
from netwatchd.decoders.shown import Shown
from netwatchd.events import Clue, Sighting
from netwatchd.observations import AddressAnswered, AddressAsked, DhcpMessage, DnsMessage, Observation

HERE = Networks(PRIVATE.split())
OUTER = parse_address("198.51.100.77")
PROVIDER = parse_address("9.9.9.9")
ROUTER_NEW = "b0:4e:26:aa:00:01"  # from the day on which it was replaced
REPEATER_CLIENTS = ("phone2", "tablet", "cast")

# What is fixed of each: MAC, last byte of its address, kind as it should be known, clues, whether it has IPv6.
MEMBERS: dict[str, tuple[str, int, tuple[tuple[str, str], ...], bool]] = {
    "router": ("50:c7:bf:10:20:30", 1, (("role", "router"), ("dhcp_hostname", "router")), True),
    "nas": ("00:11:32:aa:bb:cc", 10, (("dhcp_hostname", "DiskStation"), ("mdns_service", "_smb._tcp")), True),
    "pi": ("b8:27:eb:01:02:03", 11,
        (("dhcp_hostname", "homeassistant"), ("mdns_service", "_home-assistant._tcp")), True),
    "desktop": ("d8:bb:c1:01:02:03", 20,
        (("dhcp_hostname", "DESKTOP-7GK2L1P"), ("dhcp_vendor_class", "MSFT 5.0")), True),
    "laptop": ("f0:18:98:01:02:03", 21, (("dhcp_hostname", "Annas-MacBook"), ("mdns_model", "MacBookPro18,1")), True),
    "dock": ("00:e0:4c:68:01:02", 22, (("dhcp_hostname", "Annas-MacBook"),), True),
    "work": ("8c:8d:28:01:02:03", 23, (("dhcp_hostname", "LT-04711"), ("dhcp_vendor_class", "MSFT 5.0")), True),
    "phone1": ("6e:11:22:33:44:01", 30, (("dhcp_hostname", "iPhone"),), True),
    "phone2": ("ee:11:22:33:44:02", 31,
        (("dhcp_hostname", "Galaxy-S22"), ("dhcp_vendor_class", "android-dhcp-13")), True),
    "kid": ("", 100, (("dhcp_hostname", "Pixel-6a"), ("dhcp_vendor_class", "android-dhcp-14")), True),
    "tablet": ("f8:62:14:01:02:03", 32, (("dhcp_hostname", "iPad"),), True),
    "tv": ("8c:79:f5:01:02:03", 40,
        (("dhcp_hostname", "Samsung"), ("ssdp_type", "urn:samsung.com:device:RemoteControlReceiver:1")), True),
    "cast": ("54:60:09:01:02:03", 41, (("mdns_service", "_googlecast._tcp"), ("mdns_model", "Chromecast")), True),
    "sonos": ("00:0e:58:01:02:03", 42, (("dhcp_hostname", "SonosZP"), ("mdns_service", "_sonos._tcp")), False),
    "console": ("98:b6:e9:01:02:03", 43, (("dhcp_hostname", "Nintendo Switch"),), False),
    "iptv": ("00:03:7f:01:02:03", 44, (("dhcp_hostname", "MR401"),), False),
    "printer": ("00:1b:78:01:02:03", 50, (("dhcp_hostname", "HP1B7801"), ("mdns_service", "_ipp._tcp")), True),
    "camera": ("ec:71:db:01:02:03", 51, (("dhcp_hostname", "Reolink-Cam"), ("mdns_service", "_rtsp._tcp")), False),
    "hue": ("00:17:88:01:02:03", 52, (("dhcp_hostname", "Philips-hue"), ("mdns_service", "_hue._tcp")), False),
    "plug1": ("24:0a:c4:01:02:03", 53, (("dhcp_hostname", "shellyplug-s-1"),), False),
    "plug2": ("68:57:2d:01:02:03", 54, (("dhcp_hostname", "tuya-plug"),), False),
    "thermo": ("18:b4:30:01:02:03", 55, (("dhcp_hostname", "Nest-Thermostat"),), False),
    "vacuum": ("50:ec:50:01:02:03", 56, (("dhcp_hostname", "roborock-vacuum-s5"),), False),
    "repeater": ("44:4e:6d:01:02:03", 60, (("dhcp_hostname", "fritz.repeater"),), False),
    "guest1": ("2a:99:00:00:00:01", 70, (("dhcp_hostname", "Toms-iPhone"),), True),
    "guest2": ("2a:99:00:00:00:02", 71, (("dhcp_hostname", "Redmi-Note-11"),), True),
    "guest3": ("7c:b2:7d:01:02:03", 72, (("dhcp_hostname", "TOM-THINKPAD"), ("dhcp_vendor_class", "MSFT 5.0")), True),
}  # fmt: skip
PEOPLE = ("desktop", "laptop", "work", "phone1", "phone2", "kid", "tablet", "guest1", "guest2", "guest3")
PHONES = ("phone1", "phone2", "kid", "tablet", "guest1", "guest2")
THINGS = ("tv", "cast", "sonos", "printer", "camera", "hue", "plug1", "plug2", "thermo", "vacuum")


class Calendar(NamedTuple):
    """On which day what happens; a day has 24 h from noon on."""

    reboot: float = 3.25
    outage: tuple[float, float] = (9.1, 9.23)
    guests: tuple[float, float] = (10.2, 12.3)
    cloud_backup: float = 14.5
    replaced: float = 15.3
    repeater: float = 17.2
    nas_dead: tuple[float, float] = (20.1, 20.35)
    wake: float = 22.3
    scan: tuple[float, ...] = (5.3, 18.3)  # an app that looks for devices
    antivirus: float = 24.2  # a scan of all files
    prefixes: tuple[float, ...] = (0, 3.26, 7.67, 14.67, 15.31, 21.67, 28.67)
    away: tuple[float, float] = (25.8, 27.2)  # the family, for a weekend


Heard = Talk | Sighting | Observation


class House:
    """Who has which address at a time; the same for the same `seed`."""

    def __init__(self, calendar: Calendar | None = None, seed: int = 1) -> None:
        self.calendar = calendar or Calendar()
        self.seed = seed
        self.rng = random.Random(seed)
        self.talks: list[Talk] = []
        self.others: list[tuple[float, Sighting | Observation]] = []
        self.shown: list[tuple[float, str, Address]] = []
        self._shown = Shown()
        self._made: dict[tuple[str, int, float], int] = {}
        self._names = {self.v4(name, 0): name for name in MEMBERS}

    # Who is where.

    def mac(self, name: str, at: float) -> str:
        """The MAC of a device; the kid's phone has another one each day, and behind the repeater all have its."""
        day = int((at / DAY) + 0.3)  # it changes in the morning
        if name == "kid":
            return f"d6:3c:51:{self.seed & 255:02x}:00:{day:02x}"
        if name == "router" and at >= self.calendar.replaced * DAY:
            return ROUTER_NEW
        if name in REPEATER_CLIENTS and self.is_behind_repeater(name, at):
            return MEMBERS["repeater"][0]
        return MEMBERS[name][0]

    def is_behind_repeater(self, name: str, at: float) -> bool:
        """Whether the repeater sends for it: in the evening, some minutes here and some there."""
        if at < self.calendar.repeater * DAY or not 5 < at / HOUR % 24 < 10:
            return False
        return name == "cast" or random.Random(f"{name}{int(at / 400)}").random() < 0.5

    def v4(self, name: str, at: float) -> Address:
        """Its IPv4 address; one by DHCP for each MAC that the kid's phone makes up."""
        last = MEMBERS[name][1] + (int(at / DAY + 0.3) if name == "kid" else 0)
        return parse_address(f"192.168.1.{last}")

    def v6(self, name: str, at: float) -> Address:
        """A temporary address of the day (RFC 8981) below the provider's prefix; some talk on by yesterday's."""
        prefix = max(each for each in self.calendar.prefixes if each * DAY <= at)
        day = int(at / DAY)
        if day - 1 >= prefix and self.rng.random() < 0.1:
            day -= 1
        return self._temporary(name, day, prefix)

    def _temporary(self, name: str, day: int, prefix: float) -> bytes:
        made = self._made.get((name, day, prefix))
        if made is None:
            made = random.Random(f"{name}{day}{self.seed}").getrandbits(64)
            made |= 0x2003 << 112 | random.Random(f"{prefix}").randrange(1 << 28) << 64
            self._made[name, day, prefix] = made
        return made.to_bytes(16, "big")

    def is_there(self, name: str, at: float) -> bool:
        """Whether it is switched on and at home."""
        calendar, hour, day = self.calendar, (at / HOUR + 12) % 24, at / DAY
        if name.startswith("guest"):
            return calendar.guests[0] <= day < calendar.guests[1] and (name != "guest3" or hour > 9)
        if name == "repeater":
            return day >= calendar.repeater
        if name == "nas":
            return not calendar.nas_dead[0] <= day < calendar.nas_dead[1]
        if name not in PEOPLE and name not in ("dock", "tv", "console"):
            return True
        if calendar.away[0] <= day < calendar.away[1] or (
            name == "laptop" and calendar.wake - 2 <= day < calendar.wake
        ):
            return False
        weekday = int(day + 0.5) % 7 < 5
        if name in ("phone1", "phone2", "kid"):
            return not (weekday and 8 <= hour < 16 + MEMBERS[name][1] % 3)
        if name == "dock":  # the laptop by cable
            return weekday and 9 <= hour < 12
        return 8 <= hour < 23

    def is_dead(self, at: float, dst: Address) -> bool:
        """Whether nobody answers there then."""
        day, calendar = at / DAY, self.calendar
        name = self._names.get(dst)
        if name is None and dst not in HERE:
            return calendar.outage[0] <= day < calendar.outage[1] or 0 <= day - calendar.reboot < 0.003
        return name is None or not self.is_there(name, at)

    def holds(self, mac: str, ip: Address, at: float) -> bool:
        """Whether a MAC would answer for an address."""
        prefix = max(each for each in self.calendar.prefixes if each * DAY <= at)
        return any(
            ip == self.v4(name, at) or ip in [self._temporary(name, int(at / DAY) - old, prefix) for old in (0, 1)]
            for name in MEMBERS
            if self.is_there(name, at) and self.mac(name, at) == mac
        )

    # What happens.

    def elsewhere(self, spread: int = 40) -> int:
        """An address of some provider."""
        networks = (0x03, 0x12, 0x23, 0x34, 0x36, 0x68, 0x8E, 0x4A)
        return (self.rng.choice(networks) << 24) + (self.rng.randrange(spread) << 16) + self.rng.randrange(1, 60_000)

    def stranger(self) -> int:
        """Any address of the Internet."""
        return self.rng.randrange(0x20000000, 0x60000000)

    def talk(
        self, at: float, src: str | Address, dst: str | Address, port: int, protocol: int = TCP,
        out: tuple[int, int] = (12, 2400), back: tuple[int, int] = (14, 9000), took: float = 0.5, sport: int = 0,
        *, silent: bool = False, refused: bool = False, again: float = 0.0, tries: int = 8,
    ) -> None:  # fmt: skip
        """One talk, or as many as it takes until it succeeds, where it is tried `again` after so many seconds."""
        if isinstance(src, str) and not self.is_there(src, at):
            return
        target = self.v4(dst, at) if isinstance(dst, str) else dst
        if isinstance(src, str):
            by_6 = isinstance(target, int) and MEMBERS[src][3] and target not in HERE and self.rng.random() < 0.4
            if by_6:  # the same service by IPv6
                target = (0x2A000000 << 96 | int(target) << 64 | 1).to_bytes(16, "big")
            source = self.v6(src, at) if isinstance(target, bytes) else self.v4(src, at)
            if by_6 and self.rng.random() < 0.05:  # its address is seen at once, or a little later
                self.shown.append((at + self.rng.choice((0.0, 2.0)), self.mac(src, at), source))
        else:
            source = src
            if source not in HERE and source != OUTER and self.is_dead(at, 0x09090909):
                return
        for _ in range(tries):
            ends = source, sport or self.rng.randrange(32_768, 61_000), target, port, protocol
            if silent or self.is_dead(at, target):
                sent = 1 + self.rng.randrange(4)
                self.talks.append(Talk(at, *ends, (sent, 64 * sent), (0, 0), sent * 1.5))  # type: ignore[arg-type]
                if silent or not again:
                    return
                at += again * (1 + self.rng.random() / 4)
                continue
            told = ((1, 60), (1, 40), 0.01, True) if refused else (out, back, took, False)
            self.talks.append(Talk(at, *ends, *told))  # type: ignore[arg-type]
            return

    def each(self, day: int, period: float, jitter: float = 0.05) -> Iterator[float]:
        """Moments of a day."""
        at = day * DAY + self.rng.random() * period
        while at < (day + 1) * DAY:
            yield at
            at += period * (1 + self.rng.uniform(-jitter, jitter)) if jitter else period

    def asks(self, at: float, who: str, target: Address) -> None:
        """An ARP request; who is asked says by its answer who it is."""
        if self.is_there(who, at):
            self._observe(at, AddressAsked(_ms(at), "capture", self.mac(who, at), self.v4(who, at), target))

    def names(
        self, at: float, who: str, name: str, kind: int = 1, code: int = 0, size: int = 140, server: str = "router",
    ) -> None:  # fmt: skip
        """A question of DNS and its answer."""
        if not self.is_there(who, at):
            return
        dead = self.is_dead(at, PROVIDER)
        client, asked = self.v4(who, at), self.v4(server, at)
        for again in range(4 if dead else 1):
            time, number = _ms(at + again), self.rng.randrange(65_536)
            query = DnsMessage(time, "capture", client, asked, name, kind, False, 0, 60, number)
            self._observe(at + again, query)
            if not dead:
                answer = query._replace(time=time + 20, answer=True, code=code, size=size)
                self._observe(at + again + 0.02, answer)

    def lease(self, at: float, who: str, *, new: bool = False) -> None:
        """A client asks for its address, or renews it; then it announces that."""
        if not self.is_there(who, at) or who == "router":
            return
        # Who is behind the repeater asks by its own MAC in the message (chaddr).
        mac = self.mac(who, at) if who == "kid" else MEMBERS[who][0]
        ip, server = self.v4(who, at), self.v4("router", at)
        for number, kind in enumerate((1, 2, 3, 5) if new else (3, 5)):
            offers = kind in (2, 5)
            message = DhcpMessage(
                _ms(at) + number * 20, "dhcp", kind, self.mac("router", at) if offers else mac, mac, ip,
                server if kind != 1 else None, server if offers else None, dns=(server,) if offers else (),
                interface="eth0",
            )  # fmt: skip
            self._observe(at + number * 0.02, message)
        clues = tuple(Clue(*each) for each in MEMBERS[who][2])
        self.others.append((at + 0.1, Sighting(_ms(at + 0.1), "dhcp", mac, (ip,), clues=clues, interface="eth0")))
        self.shown.append((at + 0.2, self.mac(who, at), ip))

    def shows(self, at: float, who: str) -> None:
        """It is seen by its addresses, as their neighbours renew what they know."""
        if self.is_there(who, at):
            self.shown.append((at, self.mac(who, at), self.v4(who, at)))
            if MEMBERS[who][3]:
                self.shown.append((at + 0.1, self.mac(who, at), self.v6(who, at)))

    def day(self, day: int, *lines: Callable[["House", int], None]) -> tuple[list[Talk], list[tuple[float, Heard]]]:
        """What happens in a day, and what is heard beside flows, in order."""
        self.talks, self.others, self.shown = [], [], []
        for line in lines:
            line(self, day)
        for at, mac, ip in sorted(self.shown, key=lambda each: each[0]):
            said = self._shown.said(_ms(at), "capture", "eth0", bytes.fromhex(mac.replace(":", "")), ip)
            if said is not None:
                self._observe(at, said)
            self.others.append((at, Sighting(_ms(at), "neighbours", mac, (ip,), interface="eth0")))
        return sorted(self.talks, key=lambda talk: talk.at), sorted(self.others, key=lambda each: each[0])

    def _observe(self, at: float, observation: Observation) -> None:
        self.others.append((at, observation))


class Asked:
    """The machine that watches, on the Pi: it asks, and whoever holds an address answers."""

    def __init__(self, house: House) -> None:
        self.macs = (MEMBERS["pi"][0],)
        self.addresses = (house.v4("pi", 0),)
        self.gateways = (house.v4("router", 0),)
        self.dhcp_links: tuple[str, ...] = ()
        self.now = 0.0
        self.answers: list[tuple[float, AddressAnswered]] = []
        self._house = house

    def ask(self, mac: str, address: Address, _interface: str | None = None) -> bool:
        """Asks it; the answer comes at once, or does not within a second."""
        held = self._house.holds(mac, address, self.now + 0.01)
        at = self.now + (0.05 if held else 1.0)
        self.answers.append((at, AddressAnswered(_ms(at), "asker", mac, address, held)))
        return True


def _ms(at: float) -> int:
    return NOON + int(at * 1000)
