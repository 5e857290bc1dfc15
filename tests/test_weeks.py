"""A household over weeks: phones that change their MACs, guests, machines that sleep, few addresses, daemons that die.

What is told, stored and remembered is compared with what really happened.
"""

import heapq
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pytest
from ingest_kit import later
from news_kit import Home

from netwatchd.addresses import address_text
from netwatchd.decoders.routes import Question
from netwatchd.events import Clue, Device, Gone, Session, Sighting, Threat

HOUR, DAY = 3600.0, 86_400.0
POOL = range(0xC0A80114, 0xC0A80114 + 20)  # fewer addresses than MACs
Hours = tuple[float, float]


@dataclass
class Machine:
    """Something with a network card; `rotates` is how likely it comes with another MAC."""

    name: str
    hostnames: tuple[str, ...]
    hours: Hours
    rotates: float = -1.0  # a negative number: its MAC is from the factory
    gaps: Hours = (20, 400)
    mac: str = ""
    ip: int = 0
    macs: set[str] = field(default_factory=set)
    here: list[list[float]] = field(default_factory=list)

    def is_here(self, at: float) -> bool:
        return bool(self.here) and self.here[-1][0] <= at < self.here[-1][1]


def machines() -> list[Machine]:
    return [
        Machine("ada", ("Adas-iPhone",), (17, 32), 1.0, (30, 1500)),
        Machine("bob", ("Bobs-Galaxy-S23",), (18, 31), 0.5, (30, 1500)),
        Machine("pixel", ("Pixel-7",), (16, 32), 0.3, (30, 1500)),
        Machine("other pixel", ("Pixel-7",), (15, 30), 0.3, (30, 1500)),
        Machine("nameless", (), (12, 31), 0.2, (30, 1500)),
        Machine("lamp", ("lamp-1",), (0.1, 23.95), gaps=(20, 90)),
        Machine("esp", ("ESP_AB12CD",), (0.5, 24.45), gaps=(60, 600)),
        Machine("laptop, cable", ("adas-laptop",), (9, 12)),
        Machine("laptop, Wi-Fi", ("adas-laptop",), (13, 22)),
        Machine("two systems", ("DESKTOP-AB12CDE", "ada-pc"), (10, 20)),
    ]


class Weeks:
    """Lets the days pass. `state` is what a follower of the stream has."""

    def __init__(self, seed: int, days: int) -> None:
        self.rng = random.Random(seed)
        self.days, self.at = days, 0.0
        self.machines = machines()
        self.leased: dict[int, str] = {}
        self.events: list[tuple[float, int, Callable[[], None]]] = []
        self.news: Counter[tuple[str, str]] = Counter()
        self.begin(Home())

    def begin(self, home: Home) -> None:
        """A daemon starts, with what the store of the one before it holds."""
        self.home, self.asked, self.told = home, list[Question](), 0
        home.seconds = self.at
        home.devices.presence.doubts.ask = self.asked.append
        stored = [row for row in home.recorder.rows.values() if row]
        home.devices.remember(stored, home.now, list(home.recorder.records.values()))
        home.watching.remember(stored, home.recorder.threats.values(), home.notes.get("news.learning"), home.now)
        self.state = {each.mac or address_text(each.ips[0]): each for each in home.devices.all()}

    def restart(self) -> None:
        """After a crash, or in good order."""
        old, new = self.home, Home()
        if self.rng.random() < 0.5:
            old.watching.finish(old.now.wall)
            for device in old.devices.take_unsettled(writing=True):
                old.recorder.upsert_device(device)
        self.follow()
        new.recorder.rows, new.recorder.records = dict(old.recorder.rows), dict(old.recorder.records)
        new.recorder.threats = dict(old.recorder.threats)
        new.notes.update(old.notes)
        self.begin(new)

    def plan(self, at: float, do: Callable[[], None]) -> None:
        heapq.heappush(self.events, (at, len(self.events) + self.rng.getrandbits(40), do))

    def come(self, machine: Machine, until: float) -> None:
        if not machine.mac or self.rng.random() < machine.rotates:
            first = self.rng.randrange(64) * 4 + 2 if machine.rotates >= 0 else 0xA4
            machine.mac = f"{first:02x}:83:" + ":".join(f"{self.rng.randrange(256):02x}" for _ in range(4))
        machine.macs.add(machine.mac)
        machine.here.append([self.at, until])
        machine.ip = self.lease(machine.mac)
        name = self.rng.choice(machine.hostnames) if machine.hostnames else ""
        self.show(machine, (Clue("dhcp_hostname", name), Clue("dhcp_parameters", "1,3,6")) if name else ())
        self.live(machine, until)

    def lease(self, mac: str) -> int:
        taken = {each.ip for each in self.machines if each.is_here(self.at) and each.mac != mac}
        own = [ip for ip, owner in self.leased.items() if owner == mac and ip not in taken]
        free = [ip for ip in POOL if ip not in self.leased] or [ip for ip in POOL if ip not in taken]
        ip = own[0] if own else self.rng.choice(free)
        self.leased[ip] = mac
        return ip

    def live(self, machine: Machine, until: float) -> None:
        following = self.at + self.rng.uniform(*machine.gaps)
        if following < until:
            self.plan(following, lambda: (self.show(machine), self.live(machine, until))[0])

    def show(self, machine: Machine, clues: tuple[Clue, ...] = ()) -> None:
        self.home.seconds = self.at
        source = "capture" if clues else self.rng.choice(("capture", "neighbours"))
        self.home.show(Sighting(0, source, machine.mac, (machine.ip,), clues=clues))
        self.follow()
        for after in (0.5, 1.0, 1.5, 2.0, 12.0) if clues or not machine.hostnames else ():
            self.plan(self.at + after, self.tick)

    def tick(self) -> None:
        self.home.seconds = self.at
        self.home.devices.tick(self.home.now)
        self.follow()
        for question in self.asked:
            for machine in self.machines:
                # Two of one model are told apart by nothing but that the one answers when the other one comes.
                answers = self.rng.random() < 0.7 or "Pixel-7" in machine.hostnames
                if machine.mac == question.mac and machine.is_here(self.at) and answers:
                    self.home.show(Sighting(0, "neighbours", machine.mac, (machine.ip,)))
        self.asked.clear()
        self.follow()

    def look(self) -> None:
        self.home.seconds = self.at
        self.home.devices.sweep(self.home.now)
        self.tick()
        if round(self.at) % 300 == 0:
            for device in self.home.devices.take_unsettled():
                self.home.recorder.upsert_device(device)
        self.plan(self.at + 30, self.look)

    def follow(self) -> None:
        """Applies what was published."""
        for event in self.home.recorder.published[self.told :]:
            if isinstance(event, Device):
                self.state[event.mac or address_text(event.ips[0])] = event
            elif isinstance(event, Gone):
                self.state.pop(event.device, None)
            elif isinstance(event, Threat) and event.count:
                who = next(each.name for each in self.machines if event.device in each.macs)
                self.news[event.kind if str(event.status) == "open" else "taken back", who] += 1
        self.told = len(self.home.recorder.published)

    def run(self) -> "Weeks":
        self.plan(30, self.look)
        for day in range(self.days):
            for machine in self.machines:
                start, end = (day * DAY + (hour + self.rng.uniform(-0.04, 0.04)) * HOUR for hour in machine.hours)
                self.plan(max(start, 0), lambda machine=machine, end=end: self.come(machine, end))  # type: ignore[misc]
            guest = Machine(
                f"guest {day}", (self.rng.choice(("iPhone", "Galaxy-A54", f"Toms-iPad-{day}b")),), (0, 0), 1
            )
            self.plan((day + 0.6) * DAY, lambda guest=guest: self.welcome(guest))  # type: ignore[misc]
            for _ in range(2):
                self.plan((day + self.rng.random()) * DAY, self.restart)
        for number in range(self.days * 8):
            self.plan((number + self.rng.random()) / 8 * DAY, self.check)
        while self.events and self.events[0][0] < self.days * DAY:
            self.at, _, do = heapq.heappop(self.events)
            do()
        self.check()
        return self

    def welcome(self, guest: Machine) -> None:
        self.machines.append(guest)
        self.come(guest, self.at + self.rng.uniform(1, 5) * HOUR)

    # What must be so at any time.

    def check(self) -> None:
        devices = {each.mac or "": each for each in self.home.devices.all()}
        rows = {key: row for key, row in self.home.recorder.rows.items() if row}
        assert set(devices) == set(self.state) == set(rows)
        for key, device in devices.items():
            assert device.status == self.state[key].status == rows[key].status
            assert device.ips == rows[key].ips
            assert {self.home.devices.owner_of(ip) for ip in device.ips} <= {key}
            self.check_sessions(device, self.sessions(key))

    def sessions(self, key: str) -> list[Session]:
        kept: list[Any] = list(self.home.recorder.records.values())
        found = [each for each in kept if isinstance(each, Session) and each.device == key]
        return sorted(found, key=lambda session: session.start)

    def check_sessions(self, device: Device, sessions: list[Session]) -> None:
        for one, following in pairwise(sessions):
            assert one.end is not None
            assert one.end <= following.start
        # Who was told apart has left its sessions with the other one.
        assert any(each.end is None for each in sessions) == (str(device.status) == "online")

    def hours_of(self, machine: Machine) -> tuple[float, float]:
        """For how long it was here, and for how long its devices are said to have been."""
        truly = sum(min(end, self.at) - start for start, end in machine.here)
        keys = {each.mac or "" for each in self.home.devices.all() if {each.mac, *each.macs} & machine.macs}
        spans = [((each.end or later(self.at).wall) - each.start) / 1000 for key in keys for each in self.sessions(key)]
        return truly / HOUR, sum(spans) / HOUR


@pytest.mark.parametrize(
    ("seed", "days"), [(0, 4), *(pytest.param(seed, 21, marks=pytest.mark.slow) for seed in range(1, 9))]
)
def test_what_is_told_and_kept_of_a_household_is_what_happened(seed: int, days: int) -> None:
    weeks = Weeks(seed, days).run()
    owner = {mac: machine.name for machine in weeks.machines for mac in machine.macs}
    for device in weeks.home.devices.all():
        assert len({owner[mac] for mac in (*device.macs, device.mac or "")}) == 1, "two that are not one"
    for machine in weeks.machines:
        count = {kind: weeks.news[kind, machine.name] for kind in ("device_back", "ip_conflict", "taken back")}
        assert not any(count.values()), (machine.name, count)
        assert weeks.news["name_changed", machine.name] <= (machine.name == "two systems")
        alike = machine.name in ("pixel", "other pixel", "nameless") or machine.name.startswith("guest")
        assert weeks.news["new_device", machine.name] <= (len(machine.macs) if alike else 1)
        truly, said = weeks.hours_of(machine)
        assert said == pytest.approx(truly, rel=0.05, abs=1.0), machine.name
