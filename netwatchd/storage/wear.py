"""What this process has written to disk, as the kernel accounts it, and by how much the databases have grown."""

import os
import threading
import time
from collections import Counter
from pathlib import Path

from netwatchd import budget
from netwatchd.budget import Period, Sizes

_IO = Path("/proc/self/io")
_DAY = 86400
GROWTH = "growth"  # the key of the note about the growth of the databases, in meta
SHORTEST = 3600.0  # seconds: less is no period of its own, as where a clock is set


class DiskMeter:
    """Bytes that this process had the kernel write since midnight (UTC) or since it began, whichever is later.

    proc(5), write_bytes of /proc/PID/io: pages made dirty, so that the file system's own journal is not in it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._day = int(time.time() // _DAY)
        self._before = 0

    def written(self) -> int | None:
        """The bytes since the process began; None where the kernel does not account them."""
        try:
            return int(_IO.read_text().split("\nwrite_bytes: ")[1].split("\n")[0])
        except (OSError, IndexError, ValueError):
            return None

    def written_today(self) -> int | None:
        """The bytes; None where the kernel does not account them."""
        written = self.written()
        if written is None:
            return None
        today = int(time.time() // _DAY)
        with self._lock:
            if today != self._day:
                self._day, self._before = today, written
            return written - self._before


def sizes(directory: Path) -> Sizes:
    """The sizes of the databases without their logs, which come and go, and what is free beside them."""
    core, days = 0, Counter[str]()
    try:
        with os.scandir(directory) as entries:
            for entry in entries:
                if entry.name == "core.db":
                    core = entry.stat().st_size
                elif entry.name.startswith("flows-") and entry.name.endswith(".db"):
                    days[entry.name[6:14]] += entry.stat().st_size
        disk = os.statvfs(directory)
    except OSError:
        return Sizes(core, days, None)  # a file was just removed, or the disk fails, as the writer will say
    return Sizes(core, days, disk.f_bavail * disk.f_frsize)


def day_of(wall: int) -> str:
    """The day (UTC) of a time (Unix ms), as in the names of files."""
    return time.strftime("%Y%m%d", time.gmtime(wall / 1000))


class Growth:
    """By how much the databases grew, day by day. Only while it ran: what a machine that is off does not write is no
    measure. Any thread may ask.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._past: list[Period] = []
        self._begun: tuple[float, Sizes, int] | None = None  # steady time, sizes, bytes written

    def remember(self, note: str | None) -> None:
        """Takes in what an earlier run measured."""
        if note:  # a file that was begun anew has none
            with self._lock:
                self._past = budget.of_note(note)

    def periods(self, now: Sizes, written: int, steady: float) -> list[Period]:
        """What was measured until now; the last one goes on. The first to ask begins it."""
        with self._lock:
            return [*self._past, self._period(now, written, steady)]

    def turn(self, now: Sizes, written: int, steady: float) -> str:
        """Ends a period, and begins the next; returns what is to be noted of all of them."""
        with self._lock:
            period = self._period(now, written, steady)
            if period.seconds >= SHORTEST:
                self._past = [*self._past, period][-budget.MOST_DAYS :]
                self._begun = (steady, now, written)
            return budget.to_note(self._past)

    def _period(self, now: Sizes, written: int, steady: float) -> Period:
        if self._begun is None:
            self._begun = (steady, now, written)
        since, before, written_before = self._begun
        # What was removed meanwhile is no negative growth.
        flows = sum(max(size - before.days.get(day, 0), 0) for day, size in now.days.items())
        return Period(steady - since, written - written_before, now.core - before.core, flows)
