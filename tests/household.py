"""A household of twenty devices and what they call for weeks: polls, pushes, pages, backups, outages, guests.

Made up, by what such devices are known to do: most of them ask their maker's cloud at regular intervals, whose
addresses change with each answer of DNS or every few hours, among the networks of large providers.
"""

import heapq
import random
from collections.abc import Iterator
from itertools import count
from typing import Any

from detector_kit import NOON, Street, device

from netwatchd.addresses import parse_address
from netwatchd.events import Device, Flow

DAY, HOUR, MINUTE = 86_400.0, 3_600.0, 60.0
TCP, UDP, ICMP = 6, 17, 1
_POLL, _TINY, _PAGE = ((9, 1400), (8, 4300)), ((6, 520), (5, 700)), ((30, 6000), (90, 110_000))
Sizes = tuple[tuple[int, int], tuple[int, int]]

# Kind, maker, address and MAC of each; the plugs are of one maker.
_WHO = {
    "phone1": ("phone", None), "phone2": ("phone", None), "tablet": ("tablet", "Apple"), "guest": ("phone", None),
    "laptop": ("computer", "Apple"), "desktop": ("computer", "Intel"), "nas": ("nas", "Synology"),
    "tv": ("tv", "Samsung"), "console": ("console", "Sony"), "plug1": ("plug", "Espressif"),
    "plug2": ("plug", "Espressif"), "plug3": ("plug", "Espressif"), "hub": ("hub", "Signify"),
    "weather": ("sensor", "Ecowitt"), "camera": ("camera", "Hikvision"), "printer": ("printer", "HP"),
    "thermostat": ("thermostat", "tado"),
    "vacuum": ("appliance", "Roborock"), "inverter": ("energy", "SMA"), "speaker": ("speaker", "Sonos"),
    "strange": ("unknown", None),
}  # fmt: skip
KEYS = {name: f"02:00:5e:00:00:{number:02x}" if kind == "phone" else f"00:00:5e:00:00:{number:02x}"
        for number, (name, (kind, _)) in enumerate(_WHO.items())}  # fmt: skip
ADDRESS = {name: parse_address(f"192.168.1.{number + 20}") for number, name in enumerate(_WHO)}


def street() -> Street:
    """Who lives there."""
    devices: list[Device] = [
        device(KEYS[name], f"192.168.1.{number + 20}", kind=kind, vendor=maker, hostname=name)
        for number, (name, (kind, maker)) in enumerate(_WHO.items())
    ]
    return Street(*devices)


class Household:
    """Weeks of flows; the same for the same `seed`."""

    def __init__(self, days: float, seed: int = 1) -> None:
        self.days = days
        self._rng = random.Random(seed)
        self._ids = count(1)

    def flows(self) -> Iterator[Flow]:
        """All of them, in the order in which they end."""
        return heapq.merge(*self._rows(), key=lambda flow: flow.end)

    def _rows(self) -> list[Iterator[Flow]]:
        day = DAY
        return [
            *(self._cloud(f"plug{n}", MINUTE, networks=12, sticky=HOUR * n) for n in (1, 2, 3)),
            self._cloud("hub", 5 * MINUTE, networks=3),
            # Its cloud is out of order for 40 minutes: it tries again every 5 seconds, and another network says no.
            self._cloud("hub", 5, networks=1, begin=6.4 * day, end=6.4 * day + 2400, sizes=_TINY),
            self._cloud("weather", 16, networks=1, port=80, sizes=_TINY, sticky=30 * day),
            # An update moves its service to another provider, on its fifth day.
            self._cloud("thermostat", 120, networks=2, end=5 * day),
            self._cloud("thermostat", 120, networks=2, begin=5 * day),
            self._cloud("vacuum", 180, networks=2, jitter=0.1), self._cloud("inverter", 300, networks=1, port=10443),
            self._cloud("speaker", 600, networks=4, jitter=0.2), self._cloud("tv", 300, networks=8, sticky=0),
            self._cloud("printer", 1800, networks=1), self._cloud("strange", 30, networks=1, sizes=_TINY, port=8080),
            self._cloud("camera", 30, networks=1, protocol=UDP, port=32100),
            self._cloud("camera", 600, networks=1, port=80),
            self._cloud("nas", 300, networks=1, port=80, sizes=_TINY), self._cloud("nas", HOUR, networks=1, port=22),
            self._cloud("desktop", 300, networks=2, sizes=_TINY, port=80),
            # Whether there is an Internet, by a name that has many addresses.
            *(self._cloud(name, 900, networks=40, sticky=0, jitter=0.3) for name in ("phone1", "phone2", "tablet")),
            *(self._cloud(name, 10 * MINUTE, networks=1, port=993) for name in ("phone1", "laptop", "tablet")),
            *(self._regular(name) for name in _WHO),
            *(self._people(name) for name in ("phone1", "phone2", "tablet", "laptop", "desktop", "console")),
            *(self._left_open(name) for name in ("laptop", "desktop")),
            self._people("guest", begin=4.5 * day, end=6.5 * day), self._set_up("plug3"), self._motion("camera"),
        ]  # fmt: skip

    def _peer(self, networks: int) -> int:
        """An address in one of so many /16 of providers."""
        return (self._rng.choice((0x03, 0x12, 0x23, 0x34, 0x36, 0x68, 0x8E, 0xAC)) << 24) + (
            self._rng.randrange(networks) + 64 << 16
        ) + self._rng.randrange(1, 60_000)  # fmt: skip

    def _flow(
        self,
        name: str,
        at: float,
        peer: int,
        port: int = 443,
        sizes: Sizes = _POLL,
        protocol: int = TCP,
        took: float = 0.4,
    ) -> Flow:
        start = NOON + int(at * 1000)
        (out, bytes_out), (back, bytes_in) = sizes
        src = ADDRESS[name]
        ends = src, 32768 + self._rng.randrange(28_000), peer, port, protocol
        number = next(self._ids)
        return Flow(number, start, start + int(took * 1000), *ends, out, bytes_out, back, bytes_in, "closed", "capture")

    def _cloud(
        self, name: str, period: float, *, networks: int, sticky: float = 6 * HOUR, begin: float = 0.0,
        end: float | None = None, jitter: float = 0.02, **fields: Any,
    ) -> Iterator[Flow]:  # fmt: skip
        """A service that is asked every `period` seconds; its address changes after `sticky` seconds."""
        at, until, peer = begin + self._rng.random() * period, 0.0, 0
        first = self._rng.randrange(1 << 24)
        while at < (self.days * DAY if end is None else min(end, self.days * DAY)):
            if at >= until:
                peer, until = (self._peer(networks) ^ first & 0xFF0000) & 0xFFFFFFFF, at + sticky
            yield self._flow(name, at, peer, **fields)
            at += period * (1 + self._rng.uniform(-jitter, jitter))

    def _regular(self, name: str) -> Iterator[Flow]:
        """What all do: the time by NTP, names by DNS, pings of the router, and the NAS at home."""
        at = self._rng.random() * 600
        router, resolver = parse_address("192.168.1.1"), parse_address("9.9.9.9")
        while at < self.days * DAY:
            yield self._flow(name, at, self._peer(40), 123, ((1, 76), (1, 76)), UDP)
            yield self._flow(name, at + 1, resolver, 53, ((1, 60), (1, 130)), UDP)
            yield self._flow(name, at + 2, resolver, 853, _TINY)
            yield self._flow(name, at + 3, router, 0, ((1, 84), (1, 84)), ICMP)
            yield self._flow(name, at + 4, ADDRESS["nas"], 445, _PAGE)
            at += 1024

    def _people(self, name: str, begin: float = 0.0, end: float | None = None) -> Iterator[Flow]:
        """Pages and apps: bursts of connections, many to the same few providers, while somebody is awake."""
        at = begin
        favourites = [self._peer(60) for _ in range(30)]
        while at < (self.days * DAY if end is None else min(end, self.days * DAY)):
            at += self._rng.expovariate(1 / 900)
            if 11 * HOUR < at % DAY < 19 * HOUR:  # from noon on: eleven at night to seven in the morning
                continue
            moment = at
            for _ in range(self._rng.randrange(3, 25)):
                peer = self._rng.choice(favourites) if self._rng.random() < 0.7 else self._peer(200)
                protocol = UDP if self._rng.random() < 0.3 else TCP
                size = int(self._rng.paretovariate(1.1) * 4000)
                yield self._flow(name, moment, peer, 443, ((12, 2200), (10 + size // 1400, size)), protocol)
                moment += self._rng.expovariate(1 / 2.0)

    def _left_open(self, name: str) -> Iterator[Flow]:
        """A page that asks for news every half a minute, and is left open for three hours, on another site each day."""
        for day in range(int(self.days)):
            begin = day * DAY + self._rng.random() * 8 * HOUR
            yield from self._cloud(name, 30, networks=200, begin=begin, end=begin + 3 * HOUR, sizes=_POLL)

    def _set_up(self, name: str) -> Iterator[Flow]:
        """It is set up again: it asks every two seconds whether it was registered by now, for a few minutes."""
        yield from self._cloud(
            name, 2.04, networks=1, begin=5.2 * DAY, end=5.2 * DAY + 300, port=80, sizes=((6, 1112), (5, 574))
        )

    def _motion(self, name: str) -> Iterator[Flow]:
        """A film of a few MB to the cloud when something moves: some 60 a day."""
        at = 0.0
        while at < self.days * DAY:
            at += self._rng.expovariate(1 / 1440)
            yield self._flow(
                name, at, self._peer(2), 443, ((2000, self._rng.randrange(1, 5) * 1_000_000), (900, 40_000)), took=8
            )
