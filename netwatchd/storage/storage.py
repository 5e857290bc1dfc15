"""The store: what the workers hand in is committed together by one thread, and kept until COMMIT has returned.

States: *ok*, or *degraded* while the database cannot be written. A degraded store keeps what is pending, up to
`max_pending` events, goes on trying with a capped backoff, and says so once at the beginning and once at the end. A
store that is merely slow makes the workers wait instead (`wait_for_room`), so that no event is dropped for speed.
"""

import logging
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from netwatchd.config import Storage as Settings
from netwatchd.counters import Counters
from netwatchd.events import Device, Flow, Record, Threat
from netwatchd.storage import hourly, queries, retention, spool
from netwatchd.storage.attempts import Attempts
from netwatchd.storage.batch import Batch
from netwatchd.storage.checkpoints import Checkpoints
from netwatchd.storage.connection import Connection
from netwatchd.storage.rollups import Buckets, Rollups, Traffic
from netwatchd.storage.verdicts import ERRORS, NotOurs, Unavailable
from netwatchd.storage.writer import Writer
from netwatchd.worker import Worker

log = logging.getLogger(__name__)

URGENT = 0.25  # seconds until a new device or a new threat is committed, and what the user has said of devices
FIRST_BACKOFF, LAST_BACKOFF = 0.1, 5.0  # seconds between the attempts of a degraded store
# Flows that wait at most while the database can be written: more makes no commit cheaper, and the memory that a burst
# once took for them is never given back.
PLENTY = 10_000
# What waits of the roll-ups while the database cannot be written, some 5 MB each: what comes then goes on being added
# to the hours that are open.
MOST_DELTAS = 4
TURN = 1.0  # seconds the writer sleeps at most, so that it beats and notices that it is to stop


class Storage:
    """Devices, flows and threats on disk. All operations only hand in; the writer thread (`run`) commits."""

    def __init__(
        self,
        settings: Settings,
        directory: Path,
        spool_directories: Sequence[Path],
        counters: Counters,
        on_new_file: Callable[[sqlite3.Connection], None],
    ) -> None:
        self.settings = settings
        self.directory = directory
        self.counters = counters
        self._spools = [path / spool.NAME for path in spool_directories]
        self._stopping = threading.Event()
        self._changed = threading.Condition()  # guards the fields below
        self._pending = Batch()
        self._in_flight = Batch()
        self._due: float | None = None  # monotonic time of the next commit
        self._attempts = Attempts(self._changed)
        self._buckets = Buckets()
        self.rollups = Rollups()  # the flow worker adds to it, under its own lock
        self.degraded: str | None = None  # why, in a sentence
        self._struggling = False  # an attempt has failed since the last commit
        self.last_error: str | None = None
        self._backoff = FIRST_BACKOFF
        self._recalled = False
        self._beat: Callable[[], None] = lambda: None
        self._on_new_file = on_new_file
        self.connection = Connection(
            directory, settings.busy_timeout, self._pause, self._begin_file, settings.retry_delay
        )
        self._writer = Writer(self.connection, counters)
        self._checkpoints = Checkpoints(self.connection)

    # What the workers hand in.

    def upsert_device(self, device: Device, *, new: bool = False) -> None:
        """Keeps the latest of a device; a new one within a quarter of a second."""
        self._put(Batch.put_device, device, within=URGENT if new else None)

    def join_device(self, loser: str, winner: str) -> None:
        """Removes the row of `loser`, and makes its sessions those of `winner`; of those that overlap one is made."""
        self._put(Batch.join_device, loser, winner, within=URGENT)

    def erase_device(self, key: str, stations: Iterable[str]) -> None:
        """Removes all that is kept of a device, which was these stations, but flows, roll-ups and threats."""
        self._put(Batch.erase_device, key, stations, within=URGENT)

    def keep(self, record: Record) -> None:
        """Keeps the latest of a trait, a session or an alias; a store in trouble only while there is room."""
        with self._changed:
            waiting = len(self._pending.records) + len(self._in_flight.records)
            if self._in_trouble and waiting >= self.settings.max_pending:
                self.counters.add("dropped.records.storage_full")
                spool.say_full(self.settings.max_pending, "sessions and traits")
                return
            self._pending.keep(record)
            self._commit_within(self.settings.commit_interval)

    def drop(self, record: Record) -> None:
        """Removes the row of a trait, a session or an alias."""
        self._put(Batch.drop, record)

    def add_flow(self, flow: Flow) -> None:
        """Keeps a flow; one with the same id is replaced."""
        self.add_flows([flow])

    def add_flows(self, flows: Sequence[Flow]) -> None:
        """Keeps flows, as `add_flow` does."""
        if flows:
            with self._changed:
                self._put_flows(flows)
                self._commit_within(self.settings.commit_interval)

    def add_threat(self, threat: Threat) -> None:
        """Keeps a threat that was not there before, within a quarter of a second."""
        self._put(Batch.put_threat, threat, within=URGENT)

    def upsert_threat(self, threat: Threat, *, soon: bool = False) -> None:
        """Keeps the latest of a threat that was seen again: the same row, in the next regular commit, or `soon`."""
        self._put(Batch.put_threat, threat, within=URGENT if soon else None)

    def add_traffic(self, now: int, traffic: Traffic, last_id: int) -> None:
        """Adds traffic by device to the ten-minute roll-up of `now` (Unix ms); `last_id` is the newest flow in it."""
        with self._changed:
            if ended := self._buckets.add(now, traffic, last_id):
                self._pending.put_bucket(*ended)

    def settle(self, devices: Sequence[Device], flows: Sequence[Flow], last_id: int, *, rollups: bool = False) -> None:
        """Keeps flows, and totals of devices that hold the traffic of all flows up to the event `last_id`.

        With `rollups` it keeps what `rollups` has gathered, too. All that it holds must have been handed in by then.
        """
        with self._changed:
            for device in devices:
                self._pending.put_device(device)
            self._put_flows(flows)
            self._pending.meta["settled"] = str(last_id)
            if rollups and len(self._pending.totals) + len(self._in_flight.totals) >= MOST_DELTAS:
                self.rollups.postpone()
            elif rollups and (delta := self.rollups.take(last_id)):
                self._pending.put_total(delta)
            self._commit_within(self.settings.commit_interval)

    def put_note(self, key: str, text: str, *, soon: bool = False) -> None:
        """Keeps a text in `meta`, in the commit of the flows that were handed in before, or a later one."""
        with self._changed:
            self._pending.meta[key] = text
            self._commit_within(URGENT if soon else self.settings.commit_interval)

    def until_committed(self, timeout: float) -> str | None:
        """Has what was handed in by now committed at once; says why it is not yet, `timeout` seconds later at most."""
        with self._changed:
            if more := len(self._pending) > 0 or self.degraded is not None:
                self._due = time.monotonic()  # whatever the backoff: somebody waits
                self._changed.notify_all()
            return self._attempts.wait(timeout, lambda: self.degraded, more=more)

    def wait_for_room(self, timeout: float) -> bool:
        """Waits until the store can take more; False where it still cannot after `timeout` seconds.

        One that is in trouble, and not merely slow, holds nobody up: clients want to hear what happens.
        """
        with self._changed:
            return self._changed.wait_for(lambda: self._in_trouble or self._room() > 0, timeout)

    # What the jobs ask for.

    def cleanup_old_data(self, now: int, threats_before: int = 0) -> list[str]:
        """Removes what is too old at `now` (Unix ms), and threats not seen since then; returns removed files' names."""
        return retention.cleanup_old_data(self.connection, self.settings, now, threats_before)

    def make_room(self, *, only_for_part: bool = False) -> list[str]:
        """Removes the oldest flows where all would take more than max_size; returns the removed files' names.

        `only_for_part` does so only where the file of flows has grown so large that another one is begun.
        """
        try:
            if only_for_part and not self._writer.begin_part(retention.part_size(self.settings.max_size)):
                return []
            return retention.make_room(self.connection, self.settings.max_size, self._writer.newest_file)
        except ERRORS as error:
            log.error("removing the oldest flows failed: %s", error, extra={"repeat": "retention"})
            return []

    def look_for_damage(self) -> None:
        """Begins a file anew that was damaged while it is being written."""
        if self.connection.look_for_damage():
            self.checkpoint()  # which opens it, so that all that is known is written there

    def get_database_stats(self) -> dict[str, Any]:
        """State, sizes in bytes, what waits and the last error: for status and statistics."""
        return {
            "state": "degraded" if self.degraded else "ok",
            "reason": self.degraded,
            **retention.stored(self.connection),
            "pending": self.pending,
            "commits": self.counters["storage.commits"],
            "last_error": self.last_error,
        }

    def rescue(self) -> None:
        """Saves what waits while the writer hangs, and not where the databases are: the next write would hang, too."""
        with self._changed:
            spool.save(self._spools[-1:], self._in_flight.followed_by(self._pending), self.counters)

    # The writer thread.

    def open(self) -> None:
        """Opens the database in one attempt, and reads the spool back; a store that cannot be written is degraded.

        Raises NotOurs where the files are a newer netwatchd's, or another program's.
        """
        try:
            self.connection.execute_with_retry(lambda db: None, pauses=(0.0,))
            self.connection.finish_days()
            for bucket, traffic, last_id in queries.unwritten_rollups(self.directory):
                self.add_traffic(bucket, traffic, last_id)
        except Unavailable as error:
            if isinstance(error.cause, NotOurs):
                raise error.cause from error
            self._degrade(error)
        except (*ERRORS, queries.NoDatabase) as error:
            log.warning("reading the traffic of the last minutes failed: %s; the roll-ups begin without it", error)

    def run(self, worker: Worker) -> None:
        """Commits what is pending when it is due, until the worker is asked to stop; then all of it."""
        self._beat = worker.beat
        try:
            while not worker.stopping.is_set():
                worker.beat()
                if self._wait_until_due():
                    self._commit()
            self._commit_last()
        except BaseException:
            spool.save(self._spools, self._in_flight.followed_by(self._pending), self.counters)
            raise

    def wake(self) -> None:
        """Lets the writer notice at once that it is to stop, and ends its pauses."""
        self._stopping.set()
        with self._changed:
            self._changed.notify_all()

    @property
    def pending(self) -> int:
        """Events that are not committed yet."""
        return sum(self.waiting().values())

    def waiting(self) -> dict[str, int]:
        """The same by kind; `records` are traits, sessions and aliases."""
        with self._changed:
            return dict(Counter(self._pending.waiting()) + Counter(self._in_flight.waiting()))

    def _pause(self, seconds: float) -> bool:
        """Waits after an attempt that failed; True where the daemon stops meanwhile."""
        with self._changed:
            self._struggling = True
            self._changed.notify_all()
        self._beat()
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0 and not self._stopping.wait(min(left, TURN)):
            self._beat()
        return self._stopping.is_set()

    def _begin_file(self, db: sqlite3.Connection) -> None:
        """Writes what was spooled into a file that is ours from now on, and then shows it to who remembers."""
        hourly.begin(db, self._before_totals)
        self._writer.write_spooled(self._spools, db)
        if not self._recalled:
            self._recalled = True
            self.rollups.mark = self._writer.add_unwritten(db)
        self._on_new_file(db)

    def _before_totals(self) -> int:
        """The newest flow that the roll-ups of a new core.db will never hold."""
        with self._changed:
            totals = [*self._in_flight.totals, *self._pending.totals]
        if totals or self.rollups.mark:
            return totals[0].after if totals else self.rollups.mark
        return self._writer.newest_flow()

    def _put_flows(self, flows: Sequence[Flow]) -> None:
        """Keeps flows, a store in trouble only as many as there is room for. Called with the lock held."""
        room = max(self._room(), 0) if self._in_trouble else len(flows)
        self._pending.put_flows(flows[:room])
        if room < len(flows):
            self.counters.add("dropped.flows.storage_full", len(flows) - room)
            spool.say_full(self.settings.max_pending, "flows")

    def _put(self, put: Callable[..., None], *what: Any, within: float | None = None) -> None:
        """Has the batch that waits take something, for the next regular commit unless it must be earlier."""
        with self._changed:
            put(self._pending, *what)
            self._commit_within(self.settings.commit_interval if within is None else within)

    def _commit_within(self, seconds: float) -> None:
        """Sets the time of the next commit, where it is not earlier already. Called with the lock held."""
        if self.degraded is not None:
            return  # the next attempt is a matter of the backoff, not of what comes in
        now = time.monotonic()
        due = now if len(self._pending.flows) >= self.settings.commit_rows else now + seconds
        if self._due is None or due < self._due:
            self._due = due
            self._changed.notify_all()

    @property
    def _in_trouble(self) -> bool:
        return self._struggling or self.degraded is not None

    def _room(self) -> int:
        """For how many flows there is room. Called with the lock held."""
        most = self.settings.max_pending if self._in_trouble else min(self.settings.max_pending, PLENTY)
        return most - len(self._pending.flows) - len(self._in_flight.flows)

    def _wait_until_due(self) -> bool:
        with self._changed:
            until = TURN if self._due is None else min(TURN, self._due - time.monotonic())
            if until > 0:
                self._changed.wait(until)
            return self._due is not None and self._due <= time.monotonic()

    def _commit(self) -> bool:
        """One attempt at everything pending (three while the store is healthy); whether it is committed."""
        with self._changed:
            # Whatever is in flight was not committed last time: it goes again, with what came since.
            batch = self._in_flight = self._in_flight.followed_by(self._pending)
            self._pending, self._due = Batch(), None
            self._attempts.begin()
            if not len(batch) and self.degraded is None:
                self._attempts.end(committed=True)
                return True
        try:
            self._write_with_retry(batch)
        except Unavailable as error:
            self._degrade(error)
            return False
        self._writer.count(batch)
        self._recover(batch)
        self.checkpoint(only_long=True)
        self.make_room(only_for_part=True)
        return True

    def _write_with_retry(self, batch: Batch) -> None:
        pauses = (0.0,) if self.degraded or self._stopping.is_set() else self.connection.pauses
        try:
            self.connection.execute_with_retry(partial(self._writer.write, batch), pauses)
        except ERRORS:
            # A row that SQLite cannot take: row by row, so that it is rejected alone.
            self.connection.execute_with_retry(partial(self._writer.write_each, batch), pauses)

    def _degrade(self, error: Unavailable) -> None:
        self.last_error = str(error)
        if self.degraded is None:
            told = {"event": "database_degraded"}
            log.error("the database %s cannot be written: %s", self.connection.core, error.advice, extra=told)
        with self._changed:
            self.degraded = error.advice
            self._due = time.monotonic() + self._backoff
            self._backoff = min(self._backoff * 2, LAST_BACKOFF)
            self._attempts.end(committed=False)

    def _recover(self, batch: Batch) -> None:
        with self._changed:
            self._in_flight = Batch()
            was_degraded, self.degraded = self.degraded is not None, None
            self._struggling = False
            self._backoff = FIRST_BACKOFF
            if was_degraded and len(self._pending):
                self._commit_within(URGENT)  # what came in meanwhile
            self._attempts.end(committed=True)
        if was_degraded:
            log.warning("the database can be written again; %d events were kept and are stored now", batch.events)

    def checkpoint(self, *, only_long: bool = False) -> None:
        """Moves what the -wal files hold into the databases, as far as no reader is in the way."""
        try:
            self._checkpoints.when_long() if only_long else self._checkpoints.now()
        except ERRORS as error:
            # The commits are safe in the -wal; the next writing will meet the same trouble and act on it.
            self.last_error = str(error)
            log.warning("checkpointing the database failed: %s", error, extra={"repeat": "storage.checkpoint"})

    def _commit_last(self) -> None:
        """Everything that waits is committed, or else saved to the spool file."""
        with self._changed:
            if ended := self._buckets.written():
                self._pending.put_bucket(*ended)
        # The second is for what a file that had to be begun anew asked for meanwhile.
        if not (self._commit() and self._commit()):
            spool.save(self._spools, self._in_flight.followed_by(self._pending), self.counters)
        with self.connection.lock:
            self.connection.close()
