"""What waits to be sent to one client: updates, answers, pings, pongs and the close frame alike.

Everything goes through one queue under one lock, so that no frame ever stands in the middle of another: a frame that
the socket took in part is resumed at the byte where it stopped. Nothing here blocks; whoever finds that something is
left (Verdict.WAIT) hands the client to the backlog.

The queue is bounded for updates. What does not fit is remembered as one gap, which is told, before any later update,
when half of the queue is free again: at the first free place it would be told over and over. What the client has
asked for itself (answers, a snapshot) always fits; its reader stops reading while too much of that waits (`crowded`).
"""

from collections import deque
from itertools import islice
from threading import Lock

from netwatchd.broadcast import messages
from netwatchd.broadcast.patience import Verdict, verdict_of
from netwatchd.broadcast.ring import Run
from netwatchd.broadcast.transport import Buffer, Transport

MOST_BYTES = 1 << 20  # of updates that wait for one client
# Buffers a sendmsg(): IOV_MAX is 1024, and what one call cannot take was listed in vain.
MOST_BUFFERS = 128
# What a client may have asked for beyond a full queue before its reader waits.
MOST_ANSWERS, MOST_ANSWER_BYTES = 64, 1 << 16


class Outbox:
    """One client's queue. `lock` guards it together with the transport's writing side."""

    def __init__(self, transport: Transport, most: int, lock: Lock) -> None:
        self.lost = 0  # updates that did not fit, ever
        self._transport = transport
        self._most = most
        self._lock = lock
        self._queue: deque[Buffer] = deque()
        self._size = 0
        self._position = 0  # the number of the last update that was considered
        self._gap: tuple[int, int] | None = None
        self._ending = False  # the close frame is in: nothing may follow it
        self._parted = False  # and the transport has said its goodbye
        self._closed = False

    def __len__(self) -> int:
        return len(self._queue)

    @property
    def closed(self) -> bool:
        """Whether the connection has been given up."""
        return self._closed

    @property
    def waiting(self) -> bool:
        """Whether the socket has not taken everything yet."""
        return not self._closed and bool(self._queue or self._transport.unsent)

    @property
    def crowded(self) -> bool:
        """Whether so many answers wait that the client must first take some."""
        beyond = self._size > MOST_BYTES + MOST_ANSWER_BYTES or len(self._queue) > self._most + MOST_ANSWERS
        return beyond and not self._closed

    def put(self, run: Run) -> Verdict:
        """Sends updates, or queues what the socket does not take; what was considered before is left out."""
        with self._lock:
            if run.first <= self._position:
                run = run.after(self._position)
            if self._ending or self._closed or not run.frames:
                return Verdict.DONE
            self._position = run.last
            if self._queue or self._gap or self._transport.unsent:
                self._queue_run(run, 0)
                return Verdict.WAIT
            try:
                taken = self._transport.send(run.buffers)
            except OSError as error:
                self._queue_run(run, 0)
                return verdict_of(error)
            if taken < run.size:
                self._queue_run(run, taken)
            return self._flush()

    def say(self, *frames: bytes) -> Verdict:
        """Sends what is not an update: it always fits."""
        with self._lock:
            if self._ending or self._closed:
                return Verdict.DONE
            for frame in frames:
                self._append(frame)
            return self._flush()

    def go_on_from(self, position: int, frames: list[bytes]) -> None:
        """Queues frames after which the client has all up to the number `position`. Whoever calls flushes."""
        with self._lock:
            if self._ending or self._closed:
                return
            if self._gap:
                self._say_gap()
            for frame in frames:
                self._append(frame)
            self._position = position

    def flush(self) -> Verdict:
        """Sends on."""
        with self._lock:
            return self._flush()

    def finish(self, close_frame: bytes, at_once: bool) -> Verdict:
        """Queues the close frame, the last one; `at_once`: before all that the socket has not begun to take."""
        with self._lock:
            if self._ending or self._closed:
                return Verdict.DONE
            if at_once:
                self._discard()
            self._gap = None
            self._append(close_frame)
            self._ending = True
            return self._flush()

    def close(self) -> None:
        """Gives the connection up: whatever is queued is forgotten, nothing is sent any more."""
        with self._lock:
            self._close()

    def abort(self, discard: bool) -> None:
        """As `close`, and ends the connection, so that its reader wakes up; what the kernel holds may be discarded."""
        with self._lock:
            if not self._closed:  # after that, the descriptor may be somebody else's
                self._close()
                self._transport.shut(discard)

    def _close(self) -> None:
        self._closed = True
        self._queue.clear()
        self._size = 0

    def _append(self, frame: Buffer) -> None:
        self._queue.append(frame)
        self._size += len(frame)

    def _queue_run(self, run: Run, taken: int) -> None:
        """Queues what fits of a run of which the socket took `taken` bytes; the rest becomes a gap."""
        assert self._lock.locked(), "the queue is changed with the lock held"
        if self._gap:  # nothing may be told before it
            self._lose(run, 0)
            return
        for at, frame in enumerate(run.frames):
            if taken >= len(frame):
                taken -= len(frame)
            elif taken:
                self._append(memoryview(frame)[taken:])
                taken = 0
            elif self._fits(frame):
                self._append(frame)
            else:
                self._lose(run, at)
                return

    def _lose(self, run: Run, at: int) -> None:
        """Adds a run, from one of its frames on, to the gap."""
        self.lost += len(run.frames) - at
        self._gap = (self._gap[0] if self._gap else run.firsts[at], run.last)

    def _fits(self, frame: bytes) -> bool:
        return not self._queue or (len(self._queue) < self._most and self._size + len(frame) <= MOST_BYTES)

    def _discard(self) -> None:
        """Forgets the frames of which the socket has taken nothing."""
        head = self._queue[0] if self._queue else b""
        self._queue.clear()
        self._size = 0
        if isinstance(head, memoryview):  # only what was taken in part is one
            self._append(head)

    def _flush(self) -> Verdict:
        assert self._lock.locked(), "the transport is written with the lock held"
        try:
            while not self._closed and (self._queue or self._transport.unsent):
                if not self._queue:
                    self._transport.flush()
                    continue
                self._consume(self._transport.send(list(islice(self._queue, MOST_BUFFERS))))
                if self._gap and len(self._queue) <= self._most // 2 and self._size <= MOST_BYTES // 2:
                    self._say_gap()
            if self._ending and not self._parted and not self._closed:
                self._parted = True
                return self._transport.farewell()
            return Verdict.DONE
        except OSError as error:
            return verdict_of(error)

    def _consume(self, taken: int) -> None:
        """Takes bytes that were sent off the queue."""
        self._size -= taken
        while taken:
            head = self._queue[0]
            if taken < len(head):
                self._queue[0] = memoryview(head)[taken:]
                return
            taken -= len(head)
            self._queue.popleft()

    def _say_gap(self) -> None:
        assert self._gap, "there is a gap to be said"
        first, last = self._gap
        self._gap = None
        self._append(messages.gap(first, last, "slow client"))
