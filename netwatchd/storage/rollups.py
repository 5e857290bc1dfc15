"""Traffic added up in memory: by device in buckets of ten minutes, and by device, peer and port in hours.

A bucket is written once, when it is over; what a crash left unwritten is added up again from the flows
(`queries.unwritten_rollups`): `rolled` in meta is the newest flow that a written bucket holds.

Of hours only what came since the last writing is here. It is written as a Delta, which is added to what the database
has (`hourly`). A Delta belongs behind the rows of exactly those flows that it holds: `at` says where in its batch.
"""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from netwatchd.addresses import Address

BUCKET_MS = 600_000
HOUR_MS = 3_600_000
Traffic = dict[str, list[int]]  # device ('' for none known) -> [bytes in, bytes out, flows]
Rows = dict[tuple[int, str], tuple[int, int, int]]

# What recovery after a crash, and every `top`, has to add from the flows themselves stays below this: it takes a tenth
# of a second. Ten minutes, because a quiet home writes each row of its hour at most six times.
WRITE_AFTER, WRITE_FLOWS = 600.0, 100_000
# A scan, or senders that are made up, bring a new peer with every packet. Some 250 bytes each: with these, 5 MB.
MOST_KEYS, KEPT_KEYS = 10_000, 5_000
OLD_KEYS = 1_000  # of an hour that waits for others to be written; some 250 kB
MOST_HOURS = 3  # a replay goes through hours faster than through minutes
OTHER_PEERS, OTHER_PORTS = b"", -1  # the keys of the rest: no peer has an empty address


def bucket_of(now: int) -> int:
    """The millisecond in which the bucket of `now` (Unix ms) began."""
    return now // BUCKET_MS * BUCKET_MS


def hour_of(now: int) -> int:
    """The millisecond in which the hour of `now` (Unix ms) began."""
    return now // HOUR_MS * HOUR_MS


class Buckets:
    """The bucket of ten minutes that is being filled."""

    def __init__(self) -> None:
        self._bucket = 0
        self._traffic: Traffic = {}
        self._last_id = 0

    def add(self, now: int, traffic: Traffic, last_id: int) -> tuple[Rows, int] | None:
        """Adds traffic at `now` (Unix ms), of flows up to `last_id`; returns the bucket that ended before, if one did.

        A clock that is set back opens an old bucket again, whose row then keeps the larger sums.
        """
        ended = self.written() if bucket_of(now) != self._bucket else None
        if bucket_of(now) != self._bucket:
            self._bucket, self._traffic = bucket_of(now), {}
        self._last_id = max(last_id, self._last_id)
        for device, counts in traffic.items():
            sums = self._traffic.setdefault(device, [0, 0, 0])
            for at, count in enumerate(counts):
                sums[at] += count
        return ended

    def written(self) -> tuple[Rows, int] | None:
        """The bucket as it stands, to be written, and the newest flow in it; it goes on being filled."""
        if not self._traffic:
            return None
        return {(self._bucket, device): (c[0], c[1], c[2]) for device, c in self._traffic.items()}, self._last_id


@dataclass(slots=True)
class Hour:
    """The traffic of one hour: key -> [bytes in, bytes out, flows].

    In is towards the device, or towards who opened the flow where no device is known; out is the other way.
    """

    devices: dict[str, list[int]] = field(default_factory=dict)  # '': no known device
    peers: dict[Address, list[int]] = field(default_factory=dict)  # the other side's address, or the responder's
    ports: dict[int, list[int]] = field(default_factory=dict)  # protocol << 16 | port of the responder

    def trim(self, most: int = MOST_KEYS, kept: int = KEPT_KEYS) -> None:
        """Puts the smallest peers and ports together where there are more than `most`; the sums stay what they are."""
        if len(self.peers) > most:
            self.peers = _trimmed(self.peers, OTHER_PEERS, kept)
        if len(self.ports) > most:
            self.ports = _trimmed(self.ports, OTHER_PORTS, kept)


@dataclass(frozen=True, slots=True)
class Delta:
    """What came to the hours between two writings."""

    token: str  # what tells it from every other one: it is added once, however often it is written
    after: int  # the newest flow in what was written before it
    mark: int  # the newest flow in it: it holds all that was told of flows up to this, and nothing of later ones
    hours: dict[int, Hour]
    at: int = 0  # how many flows of its batch come before it


class Rollups:
    """The hours since they were last written. Who adds to them holds one lock around all calls."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.mark = 0  # the newest flow in what was taken to be written
        self._clock = clock
        self._hours: dict[int, Hour] = {}
        self._flows = 0
        self._taken = clock()

    def hour(self, now: int) -> Hour:
        """The sums of the hour of `now` (Unix ms), to be added to; good until the next `trim` or `take`."""
        begun = now - now % HOUR_MS
        hour = self._hours.get(begun)
        if hour is None:
            hour = self._hours[begun] = Hour()
        return hour

    def trim(self, flows: int) -> bool:
        """Keeps the memory bounded, after so many flows more; returns whether it is time to write."""
        self._flows += flows
        for hour in self._hours.values():
            hour.trim()
        if len(self._hours) > MOST_HOURS:  # the database cannot be written for hours; those that are over keep less
            for hour in list(self._hours.values())[:-MOST_HOURS]:
                hour.trim(OLD_KEYS, OLD_KEYS)
        return self.due

    @property
    def due(self) -> bool:
        """Whether it is time to write."""
        if not self._hours:
            return False
        late = self._clock() - self._taken >= WRITE_AFTER
        return late or self._flows >= WRITE_FLOWS or len(self._hours) > MOST_HOURS

    def postpone(self) -> None:
        """Goes on with the same hours until it is time again."""
        self._taken, self._flows = self._clock(), 0

    def take(self, mark: int) -> Delta | None:
        """What came since the last time, to be written; it holds flows up to the event `mark`."""
        self._taken, self._flows = self._clock(), 0
        if not self._hours:
            return None
        after, self.mark = self.mark, mark
        hours, self._hours = self._hours, {}
        return Delta(secrets.token_hex(8), after, mark, hours)


def _trimmed(sums: dict[Any, list[int]], other: Any, kept: int) -> dict[Any, list[int]]:
    rest = sums.pop(other, [0, 0, 0])
    ordered = sorted(sums.items(), key=lambda item: -(item[1][0] + item[1][1]))
    for _, counts in ordered[kept - 1 :]:
        for at, count in enumerate(counts):
            rest[at] += count
    return {**dict(ordered[: kept - 1]), other: rest}
