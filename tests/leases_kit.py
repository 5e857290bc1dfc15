"""Files of leases written as their servers write them, and a source that looks at them when it is told to."""

import os
import subprocess
from pathlib import Path
from typing import Any

import sources_kit

from netwatchd import config
from netwatchd.addresses import address_text
from netwatchd.clock import Now
from netwatchd.counters import Counters
from netwatchd.events import Sighting
from netwatchd.sources.leases import Leases

NOON = 1_795_435_200_000
HOUR = 3_600_000
PHONE, TV = "a4:83:e7:00:00:01", "a4:83:e7:00:00:02"


class Told(sources_kit.Told):
    """What a source tells of leases."""

    def take(self) -> list[Sighting]:
        """What was told since it was last asked."""
        found, self.told = self.told, []
        return found


class Watcher:
    """The source `leases`, with a clock that goes on by hand."""

    def __init__(self, *files: Path, now: int = NOON) -> None:
        self.told, self.counters, self.time = Told(), Counters(), now
        self.source = Leases(config.Leases(files=files), self.told, self.counters)
        self._steady = 1000.0

    def look(self, seconds: float = 0.5) -> list[tuple[Any, ...]]:
        """What is told `seconds` later: (MAC or address, "alive" | "left" | "known", seconds ago, names)."""
        return [short(each, self.time) for each in self.look_whole(seconds)]

    def look_whole(self, seconds: float = 0.5) -> list[Sighting]:
        """The same, whole."""
        self._steady += seconds
        self.time += round(seconds * 1000)
        self.source.turn(Now(self.time, self._steady))
        return self.told.take()

    def settle(self) -> list[tuple[Any, ...]]:
        """What is told until the files have stood still for long."""
        return [each for _ in range(6) for each in self.look()]


def short(sighting: Sighting, now: int) -> tuple[Any, ...]:
    """A sighting in a few words."""
    what = "alive" if sighting.alive else "known"
    names = [clue.value for clue in sighting.clues if clue.kind == "dhcp_hostname"]
    return (
        sighting.mac or address_text(sighting.ips[0]),
        what if sighting.online else "left",
        (now - sighting.time) // 1000,
        *names,
    )


def line(mac: str, address: str, name: str = "*", end: int = NOON + HOUR, client: str = "*") -> str:
    """A lease as dnsmasq writes it; `mac` is an IAID for IPv6."""
    return f"{end // 1000} {mac} {address} {name} {client}\n"


def write(path: Path, text: str) -> None:
    """Writes as dnsmasq does: the same file, emptied and written anew."""
    with path.open("r+b" if path.exists() else "wb") as file:
        file.truncate(0)
        file.write(text.encode())
    touch(path)


def replace(path: Path, text: str) -> None:
    """Writes as ISC dhcpd and Kea do when they clean up: another file, renamed."""
    new = path.with_name("new")
    new.write_text(text)
    new.rename(path)


def append(path: Path, text: str) -> None:
    """Writes as ISC dhcpd and Kea do."""
    with path.open("a") as file:
        file.write(text)


_ticks = iter(range(1, 1 << 30))


def touch(path: Path) -> None:
    """A moment later by the file's own clock, which some file systems have by the hundredth of a second."""
    time = 1_700_000_000_000_000_000 + next(_ticks) * 10_000_000
    os.utime(path, ns=(time, time))


def isc_time(time: int) -> str:
    """Unix ms as ISC dhcpd writes it."""
    return f"epoch {time // 1000}"


def isc(mac: str, address: str, start: int, state: str = "active", end: int | None = None, more: str = "") -> str:
    """A block of dhcpd.leases."""
    return (
        f"lease {address} {{\n  starts {isc_time(start)};\n  ends {isc_time(end or start + HOUR)};\n"
        f"  cltt {isc_time(start)};\n  binding state {state};\n  hardware ethernet {mac};\n{more}}}\n"
    )


KEA4 = (
    "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context,pool_id\n"
)


def kea(mac: str, address: str, start: int, state: int = 0, lifetime: int = 3600, name: str = "") -> str:
    """A row of kea-leases4.csv."""
    return f"{address},{mac},,{lifetime},{start // 1000 + lifetime},1,0,0,{name},{state},,0\n"


def has(*programs: str) -> bool:
    """Whether these programs are here."""
    return all(subprocess.run(["which", each], capture_output=True, check=False).returncode == 0 for each in programs)
