"""The broadcast thread: numbers what is published, and hands it to every client that listens.

How a client can join without losing or doubling a message: `_delivered` is the number up to which messages have left
the queue for the ring and the clients' outboxes. It moves, and the list of clients is read, in one step under the
lock. A client that joins, resumes or asks for a snapshot gets, under the same lock, what the ring holds after the
position it starts from, up to `_delivered`; its outbox notes the number and leaves out what the thread, which may just
be on its way with the last batch, brings once more.

A snapshot is numbered with `_delivered` as it was before the state was read, so that the state may be newer than its
number, but never older, provided that whoever publishes has changed the state before. What follows repeats the
newest changes, and applying messages in the order of their arrival always ends at the latest state.

Nothing here waits for a client, and `publish` waits for nobody.
"""

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Sequence
from typing import Any

from netwatchd.broadcast import messages
from netwatchd.broadcast.backlog import Backlog
from netwatchd.broadcast.client import Client, ClientInfo
from netwatchd.broadcast.messages import TOPIC_OF, Message, Snapshot, Stats
from netwatchd.broadcast.patience import Verdict
from netwatchd.broadcast.ring import Batch, Lost, Ring, Run
from netwatchd.config import Websocket
from netwatchd.counters import Counters
from netwatchd.events import Event, batch_of
from netwatchd.worker import Worker

log = logging.getLogger(__name__)

MOST_QUEUED = 20_000  # messages between the ingest workers and this thread
PIECE = 256  # messages that are framed and sent in one go, so that clients can read meanwhile
LONGEST_SLEEP = 1.0  # seconds between two beats; each turn wakes the processor up
SNAPSHOT_AGE = 1.0  # seconds for which a snapshot serves those who join, with what has happened since behind it
_PING = messages.frame(b"netwatchd", messages.PING)


class Broadcaster:
    """Numbers messages, remembers the latest, and sends them to all clients.

    `snapshot` is called from clients' threads and returns the state as it is now.
    """

    def __init__(self, settings: Websocket, counters: Counters, snapshot: Callable[[], Snapshot]) -> None:
        self.epoch = os.urandom(8).hex()
        self._settings = settings
        self._counters = counters
        self._snapshot = snapshot
        self._lock = threading.Lock()  # for everything up to the next blank line
        self._seq = 0
        self._delivered = 0
        self._queue: deque[Batch | Lost] = deque()
        self._queued = 0
        self._ring = Ring(settings.resume_size)
        self._clients: tuple[Client, ...] = ()  # replaced, never changed: it may be walked without the lock
        self._late: list[Client] = []  # whose last send left something, said by another thread
        self._stopped = False

        self._snapshot_lock = threading.Lock()
        self._cached: tuple[float, int, bytes] | None = None  # when it was made, its number, its frame
        self._backlog = Backlog(settings, self.drop)
        self._next_look = 0.0  # when silent clients are looked for

    # What the ingest workers call.

    def publish(self, events: Sequence[Event]) -> None:
        """Hands events to all who listen; never blocks. The state behind `snapshot` must contain them already.

        The sequence is kept for those who resume: nobody may change it afterwards.
        """
        self._publish(events)

    def publish_stats(self, stats: dict[str, Any]) -> None:
        """Hands the daemon's figures to all who listen."""
        self._publish((Stats(stats),))

    def _publish(self, events: Sequence[Message]) -> None:
        now = time.time_ns() // 1_000_000
        lost = 0
        for piece in batch_of(events, PIECE):
            with self._lock:
                batch = Batch(self._seq + 1, now, piece)
                self._seq = batch.last
                if not self._clients and not self._queue:  # nobody listens: no need to wake anybody
                    self._remember(batch)
                elif self._queued + len(piece) <= MOST_QUEUED:
                    self._enqueue(batch)
                else:
                    self._lose(batch)
                    lost += len(piece)
        if lost:
            self._counters.add("dropped.messages.overload", lost)
            log.warning(
                "cannot send %d messages: clients are served more slowly than events arrive",
                lost,
                extra={"repeat": "broadcast.overload"},
            )

    def _enqueue(self, batch: Batch) -> None:
        if not self._queue and not self._stopped:
            self._backlog.wake()
        self._queue.append(batch)
        self._queued += len(batch.events)

    def _lose(self, batch: Batch) -> None:
        """Puts a note into the queue instead of the batch."""
        first, topics = batch.first, 0
        for event in batch.events:
            topics |= TOPIC_OF[type(event)]
        if isinstance(before := self._queue[-1], Lost):
            self._queue.pop()
            first, topics = before.first, before.topics | topics
        self._queue.append(Lost(first, batch.last, topics))

    def _remember(self, piece: Batch | Lost) -> None:
        """Moves on over a batch; a hole in the ring cannot be resumed over."""
        if isinstance(piece, Batch):
            self._ring.append(piece)
        else:
            self._ring.forget(piece.last)
        self._delivered = piece.last

    # The thread.

    def run(self, worker: Worker) -> None:
        """Serves the clients until the worker is stopping; then what is queued is handed out still."""
        longest = min(LONGEST_SLEEP, self._settings.ping_interval / 8)
        try:
            while not worker.stopping.is_set():
                worker.beat()
                self._backlog.sleep(0.0 if self._queue else longest)
                self._serve()
            for _ in range(len(self._queue)):
                self._serve()
        finally:
            with self._lock:
                self._stopped = True
                self._backlog.close()

    def wake(self) -> None:
        """Has the thread look at once whether it is to stop; otherwise it does so once a second."""
        with self._lock:
            if not self._stopped:
                self._backlog.wake()

    def _serve(self) -> None:
        pieces, clients, late = self._take()
        # Who keeps up comes first, so that those who do not cost the others nothing.
        behind = {client for client in clients if client.outbox.waiting} if len(self._backlog) or late else ()
        self._deliver(pieces, [client for client in clients if client not in behind])
        for client in late:
            self._backlog.add(client, client.outbox.flush())
        self._backlog.send_on()
        self._deliver(pieces, behind)
        now = time.monotonic()
        if clients and now >= self._next_look:
            self._next_look = now + self._settings.ping_interval / 8
            for client in clients:
                self._look_after(client, now)

    def _take(self) -> tuple[list[Batch | Lost], tuple[Client, ...], list[Client]]:
        """Takes a piece of the queue; from here on it counts as delivered to the clients that are in the list."""
        pieces: list[Batch | Lost] = []
        count = 0
        with self._lock:
            while self._queue and count < PIECE:
                piece = self._queue.popleft()
                pieces.append(piece)
                self._remember(piece)
                if isinstance(piece, Batch):
                    count += len(piece.events)
            self._queued -= count
            late, self._late = self._late, []
            return pieces, self._clients, late

    def _deliver(self, pieces: list[Batch | Lost], clients: Collection[Client]) -> None:
        if not (pieces and clients):
            return
        runs: dict[int, Run] = {}
        sent = lost = 0
        for client in clients:
            run = runs.get(client.topics)
            if run is None:
                topics = client.topics
                run = runs[topics] = Run.of(pieces, topics)
            if not run.frames:
                continue
            before = client.outbox.lost
            verdict = client.outbox.put(run)
            sent += len(run.frames)
            if verdict is not Verdict.DONE:
                lost += client.outbox.lost - before
                self._backlog.add(client, verdict)
        self._counters.add("sent.messages", sent - lost)
        if lost:
            self._counters.add("dropped.messages.slow_client", lost)

    def _look_after(self, client: Client, now: float) -> None:
        """Pings a client that is silent; after two pings without an answer it is gone."""
        interval = self._settings.ping_interval
        if client.outbox.waiting or client.waited_for:
            client.hear()  # it has its deadlines in the backlog, and an answer may be stuck behind what waits
            return
        silence = now - client.heard
        if silence >= 2 * interval:
            self.drop(client, "vanished")
        elif silence >= interval * (1 + client.pings / 2) and client.pings < 2:
            client.pings += 1
            self._backlog.add(client, client.outbox.say(_PING))

    # What the clients' threads call.

    @property
    def clients(self) -> list[ClientInfo]:
        """Who listens."""
        return [client.info for client in self._clients]

    @property
    def queued(self) -> int:
        """Messages that wait to be handed to the clients' own queues."""
        return self._queued

    def join(self, client: Client, resume: tuple[str, int] | None = None) -> None:
        """Sends hello, then a snapshot or, where the epoch and number of `resume` allow it, what was missed."""
        if resume and self._resume(client, *resume, hello=True):
            return
        missed = self._missed(*resume) if resume else None
        self._start_over(client, missed, hello=True)

    def resume(self, client: Client, epoch: str, since: int) -> None:
        """Sends again everything after the number `since`, or a gap and a snapshot where that is gone."""
        if not self._resume(client, epoch, since):
            self._start_over(client, self._missed(epoch, since))

    def send_snapshot(self, client: Client) -> None:
        """Sends a snapshot, after which the stream goes on at the snapshot's number."""
        self._start_over(client, None)

    def _resume(self, client: Client, epoch: str, since: int, hello: bool = False) -> bool:
        if epoch != self.epoch or since > self._delivered:
            return False
        return self._go_on_from(client, since, [], hello)

    def _missed(self, epoch: str, since: int) -> tuple[int, str]:
        """First number that a client missed, and why it cannot be sent again."""
        if epoch == self.epoch and since <= self._delivered:
            return since + 1, "no longer remembered"
        return 1, "another run"

    def _start_over(self, client: Client, missed: tuple[int, str] | None, hello: bool = False) -> None:
        for attempt in range(4):
            # Those who join together share a snapshot; who has heard everything is not told it again behind one.
            seq, frame = self._snapshot_frame(0 if attempt or not hello else PIECE)
            before = [messages.gap(min(missed[0], seq), seq, missed[1])] if missed else []
            # While messages pass faster than the ring is long, a snapshot may be too old as soon as it is made.
            if self._go_on_from(client, seq, [*before, frame], hello, must=attempt == 3):
                return

    def _go_on_from(
        self, client: Client, since: int, frames: list[bytes], hello: bool = False, must: bool = False
    ) -> bool:
        """Queues frames, and behind them the stream from the number `since` on; False where the ring lacks it."""
        with self._lock:
            covered = self._ring.covers(since)
            if not covered and not must:
                return False
            # Without frames the client goes on from where it was; hello then tells where the stream stands.
            start = [messages.hello(self.epoch, since if frames else self._delivered)] if hello else []
            if not covered:
                frames = [*frames, messages.gap(since + 1, self._delivered, "overload")]
            else:
                frames = [*frames, *self._ring.frames(client.topics, since)]
            client.outbox.go_on_from(self._delivered, start + frames)
            if hello:
                self._clients = (*self._clients, client)
        self.watch(client, client.outbox.flush())
        return True

    def _snapshot_frame(self, behind: int) -> tuple[int, bytes]:
        """A snapshot's number and frame: a young one that is at most so many messages behind, or a new one."""
        with self._snapshot_lock:
            if self._cached is not None:
                made, seq, frame = self._cached
                young = time.monotonic() - made < SNAPSHOT_AGE
                if young and self._delivered - seq <= behind and self._ring.covers(seq):
                    return seq, frame
            with self._lock:
                seq = self._delivered
            frame = messages.snapshot(seq, self._snapshot())
            self._cached = (time.monotonic(), seq, frame)
            return seq, frame

    def watch(self, client: Client, verdict: Verdict) -> None:
        """Leaves a client whose send, by another thread, ended with a verdict to the broadcast thread."""
        if verdict is Verdict.DONE:
            return
        with self._lock:
            if not self._stopped:
                self._late.append(client)
                self._backlog.wake()

    def drop(self, client: Client, reason: str) -> None:
        """Gives a client up; its reader wakes and frees what it holds."""
        self.strike_off(client, reason)
        client.outbox.abort(discard=True)

    def strike_off(self, client: Client, reason: str) -> None:
        """Counts and logs, once, that a client is not served any longer, and why."""
        remaining = self._forget(client)
        if remaining is None:
            return
        self._counters.add(f"dropped.clients.{reason.replace(' ', '_')}")
        log.info(
            "dropped client %s: %s; %d clients remain",
            client.address,
            reason,
            remaining,
            extra={"client": client.address, "event": "client_dropped"},
        )

    def leave(self, client: Client) -> None:
        """Takes note that a client has ended its connection itself."""
        if self._forget(client) is not None:
            self._counters.add("clients.left")
            log.debug("client %s has left", client.address, extra={"client": client.address})

    def _forget(self, client: Client) -> int | None:
        """Takes a client off the list; how many remain, or None where it was not on it."""
        with self._lock:
            if client not in self._clients:
                return None
            self._clients = tuple(other for other in self._clients if other is not client)
            return len(self._clients)
