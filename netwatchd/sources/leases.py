"""Who has which address and name, from the lease files of DHCP servers on this machine: dnsmasq, ISC dhcpd, Kea.

A lease that is given or renewed is a sign of life, as old as the file says; dnsmasq's does not, so that what stands
there at first tells names, and not who is here. A lease that is given back before its end is a device that leaves; one
that runs out is no news, because silence may have many reasons.
"""

import logging
from collections.abc import Callable

from netwatchd import clock
from netwatchd.clock import Now
from netwatchd.config import Leases as Settings
from netwatchd.counters import Counters
from netwatchd.decoders.leases import MOST_LEASES, Malformed
from netwatchd.sources import Emit
from netwatchd.sources.lease_file import News, WatchedLeases
from netwatchd.sources.lease_news import Macs, sightings
from netwatchd.sources.permissions import Troubles, check_any_readable
from netwatchd.worker import Worker

log = logging.getLogger(__name__)

POLL = 0.5  # seconds between two looks at the files: a stat(2) each
NOTHING_YET = 2.0  # the same while there is none: most machines give no addresses away, and never will


class Leases:
    """The source `leases`."""

    name = "leases"

    def __init__(self, settings: Settings, emit: Emit, counters: Counters) -> None:
        self._emit = emit
        self._counters = counters
        # They stay when the source is closed: what was known is no news when it is opened again.
        self._files = [WatchedLeases(path) for path in settings.files]
        self._macs = Macs()
        self._troubles = Troubles(self.name, counters)

    def open(self) -> None:
        """Raises Unavailable where there are files, and none may be read. Where there is none yet, one may come."""
        paths = [file.path for file in self._files]
        if not check_any_readable(paths):
            told = ", ".join(map(str, paths))
            log.info("there is no file of leases yet: looking for %s", told, extra={"source": self.name})

    def run(self, worker: Worker) -> None:
        """Looks until the worker is asked to stop."""

        def goes_on() -> bool:
            worker.beat()
            return not worker.stopping.is_set()

        while goes_on():
            self.turn(clock.now(), goes_on)
            worker.stopping.wait(POLL if self._any_there() else NOTHING_YET)

    def close(self) -> None:
        """Nothing is held open."""

    def turn(self, now: Now, goes_on: Callable[[], bool] = lambda: True) -> None:
        """Looks at each file once; `goes_on` is asked while a large one is read."""
        for file in self._files:
            if news := self._look(file, now, goes_on):
                self._tell(news, now)

    def _any_there(self) -> bool:
        return any(file.is_there for file in self._files)

    def _look(self, file: WatchedLeases, now: Now, goes_on: Callable[[], bool]) -> list[News]:
        try:
            news = file.look(now, goes_on)
        except (OSError, Malformed) as error:
            self._troubles.say(file.path, error)
            return []
        if news is None:
            return []
        self._troubles.is_over(file.path)
        self._say_bad(file)
        return news

    def _tell(self, news: list[News], now: Now) -> None:
        self._macs.learn(lease for each in news for lease in (each.old, each.new) if lease is not None)
        found = sightings(news, self._macs, lambda: self._leased(now.wall), self.name, now.wall)
        if found:
            self._emit.sightings(found)

    def _leased(self, now: int) -> set[str]:
        """The MACs that have a lease at `now` (Unix ms)."""
        known = (lease for file in self._files for lease in file.known.values() if lease.is_active(now))
        return {mac for lease in known if (mac := self._macs.of(lease))}

    def _say_bad(self, file: WatchedLeases) -> None:
        if file.bad:
            self._counters.add("malformed.leases", sum(file.bad.values()))
            told = {"source": self.name, "repeat": f"leases.malformed.{file.path}"}
            log.warning("a lease in %s cannot be understood: %s", file.path, next(iter(file.bad)), extra=told)
            file.bad.clear()
        if file.left_out:
            self._counters.add("dropped.leases.too_many", file.left_out)
            told = {"source": self.name, "repeat": f"leases.too_many.{file.path}"}
            log.warning("%s has more than %s leases: others are not read", file.path, f"{MOST_LEASES:,}", extra=told)
            file.left_out = 0
