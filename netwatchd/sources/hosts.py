"""Names from /etc/hosts and /etc/ethers, read again whenever the files change. They say who is who, not who is here."""

import logging
from pathlib import Path

from netwatchd import clock
from netwatchd.addresses import Address
from netwatchd.clock import Now
from netwatchd.config import Hosts as Settings
from netwatchd.counters import Counters
from netwatchd.decoders.hosts import Named, decode_line
from netwatchd.events import Clue, Sighting
from netwatchd.sources import Emit
from netwatchd.sources.permissions import Troubles, check_any_readable
from netwatchd.sources.watched import Reading, Stamp, look
from netwatchd.worker import Worker

log = logging.getLogger(__name__)

POLL = 2.0  # seconds between two looks: a stat(2) each
MOST_BYTES = 32 << 20  # of a file; lists of blocked domains have hundreds of thousands of lines
MOST_NAMES = 10_000  # of all files
LONGEST_LINE = 4096

_Told = dict[tuple[str | None, Address | None], str]


class Hosts:
    """The source `hosts`."""

    name = "hosts"

    def __init__(self, settings: Settings, emit: Emit, counters: Counters) -> None:
        self._paths = settings.files
        self._emit = emit
        self._counters = counters
        self._stamps: dict[Path, Stamp | None] = {}
        self._lines: dict[Path, list[Named]] = {}
        self._told: _Told = {}
        self._troubles = Troubles(self.name, counters)

    def open(self) -> None:
        """Raises Unavailable where there are files, and none may be read."""
        check_any_readable(self._paths)

    def run(self, worker: Worker) -> None:
        """Looks until the worker is asked to stop."""
        while not worker.stopping.is_set():
            worker.beat()
            self.turn(clock.now())
            worker.stopping.wait(POLL)

    def close(self) -> None:
        """Nothing is held open."""

    def turn(self, now: Now) -> None:
        """Looks at each file once, and tells the names that are new."""
        if not [path for path in self._paths if self._has_changed(path)]:
            return
        names = _together([line for path in self._paths for line in self._lines.get(path, [])])
        new = {key: name for key, name in names.items() if self._told.get(key) != name}
        self._told = names
        found = [
            Sighting(
                now.wall,
                self.name,
                mac,
                (address,) if address is not None else (),
                clues=(Clue("hosts_name", name),),
                alive=False,
            )
            for (mac, address), name in new.items()
        ]
        if found:
            self._emit.sightings(found)

    def _has_changed(self, path: Path) -> bool:
        try:
            stamp = look(path)
            if path in self._stamps and self._stamps[path] == stamp:
                return False
            self._stamps[path] = stamp
            self._lines[path] = self._read(path) if stamp is not None else []
        except OSError as error:
            # What stood there holds, until something else can be read.
            self._troubles.say(path, error)
            return False
        self._troubles.is_over(path)
        return True

    def _read(self, path: Path) -> list[Named]:
        found: list[Named] = []
        rest = b""
        with Reading(path) as reading:
            for data in reading.pieces(0, MOST_BYTES):
                *lines, rest = (rest + data).split(b"\n")
                rest = rest[: LONGEST_LINE + 1]
                self._take(path, lines, found)
        self._take(path, [rest], found)
        return found

    def _take(self, path: Path, lines: list[bytes], found: list[Named]) -> None:
        for line in lines:
            try:
                if len(line) > LONGEST_LINE:
                    raise ValueError(f"it is longer than {LONGEST_LINE} bytes")
                named = decode_line(line)
            except ValueError as error:
                self._counters.add("malformed.hosts")
                told = {"source": self.name, "repeat": f"hosts.{path}"}
                log.warning("a line of %s cannot be understood: %.200s", path, error, extra=told)
                continue
            if named is None:
                continue
            if len(found) < MOST_NAMES:
                found.append(named)
            else:
                self._counters.add("dropped.hosts.too_many")


def _together(lines: list[Named]) -> _Told:
    """The name of each address and MAC. The first line about one counts, as it does for the resolver."""
    by_address: _Told = {}
    by_mac: _Told = {}
    for mac, address, name in lines:
        if mac is None and name:
            by_address.setdefault((None, address), name)
    for mac, address, name in lines:
        # ethers(5) may give a MAC an address, and hosts(5) that address its name.
        called = name or by_address.get((None, address))
        if mac is not None and called:
            by_mac.setdefault((mac, None), called)
    return by_address | by_mac
