"""The daemon's figures over time, and whether they stayed flat."""

import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from running import Daemon

# Caches, queues and the heap have reached their height after a third of the time, but not before a minute is over.
WARM_UP, LEAST_WARM_UP = 0.35, 60.0
BUCKET = 5.0  # seconds; the smallest value of each counts, so that what is just on its way does not
# Megabytes by which the fitted line may rise over the time after the warm-up, however long that is. A heap that is
# used at random moves by some two megabytes. What would be a leak is far beyond: eight bytes lost an event are
# 10 MB a minute at 20,000 events a second, and a connection that is never freed costs 38 kB.
MAY_RISE = 4.0
# In a few minutes the height is not reached in the same second each time: runs of two minutes end at 100 to 108 MB, and
# have 95 to 101 when the first of them is over. The leaks above are beyond that even so.
SHORT, MAY_RISE_WHEN_SHORT = 300.0, 16.0
# At midnight UTC a day's file is begun.
FILES_OF_A_DAY = 2  # the database and its -wal
DAY = 86_400  # seconds
MOST_MEMORY = 130.0  # megabytes at any time


@dataclass(frozen=True)
class Sample:
    """What one look saw."""

    time: float
    day: int  # of Unix time, UTC
    rss: float  # megabytes
    threads: int
    descriptors: int
    status: dict[str, Any]

    @property
    def waiting(self) -> int:
        """Events in all queues."""
        return sum(self.status["waiting"].values())

    @property
    def dropped(self) -> int:
        """Flows for which there was no room, since it was started."""
        return int(self.status["dropped"].get("flows", {}).get("storage_full", 0))


def look(daemon: Daemon) -> Sample:
    """The figures now."""
    status = daemon.status()
    assert daemon.process is not None
    proc = Path(f"/proc/{daemon.process.pid}")
    fields = dict(line.split(":", 1) for line in (proc / "status").read_text().splitlines())
    descriptors = len(list((proc / "fd").iterdir()))
    rss = int(fields["VmRSS"].split()[0]) / 1024
    return Sample(time.monotonic(), int(time.time() // DAY), rss, int(fields["Threads"]), descriptors, status)


class Sampler:
    """Looks once a second."""

    def __init__(self, daemon: Daemon) -> None:
        self.daemon = daemon
        self.samples: list[Sample] = []
        self.stopping = threading.Event()

    def run(self) -> None:
        """Looks until told to stop."""
        while not self.stopping.wait(1.0):
            try:
                self.samples.append(look(self.daemon))
            except (OSError, ValueError, IndexError, KeyError):
                continue  # it is being started

    def most(self, key: str) -> int:
        """The largest value of a figure of the database, or of what waits."""
        return max((s.waiting if key == "waiting" else int(s.status["database"][key]) for s in self.samples), default=0)

    @property
    def may_rise(self) -> float:
        """How much `rise` may be."""
        is_short = self.samples[-1].time - self.samples[0].time < SHORT
        return MAY_RISE_WHEN_SHORT if is_short else MAY_RISE

    def rise(self) -> tuple[float, float]:
        """Megabytes at the end of the warm-up, and by how much a straight line rises from there to the end."""
        begun, ended = self.samples[0].time, self.samples[-1].time
        warm = begun + max((ended - begun) * WARM_UP, LEAST_WARM_UP)
        late = [s for s in self.samples if s.time >= warm] or self.samples[-1:]
        buckets: dict[int, float] = {}
        for s in late:
            bucket = int(s.time // BUCKET)
            buckets[bucket] = min(buckets.get(bucket, s.rss), s.rss)
        if len(buckets) < 8:
            return late[0].rss, 0.0  # too short to tell
        xs, ys = list(buckets), list(buckets.values())
        x, y = sum(xs) / len(xs), sum(ys) / len(ys)
        slope = sum((a - x) * (b - y) for a, b in zip(xs, ys, strict=True)) / sum((a - x) ** 2 for a in xs)
        return y + slope * (xs[0] - x), slope * (xs[-1] - xs[0])
