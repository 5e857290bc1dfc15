"""What was published lately, numbered: batches of events, framed when the first client wants them.

A batch holds the events themselves, so that publishing costs next to nothing while nobody listens. A frame is made
once for all clients, and kept with its batch for those who come back and resume.
"""

import logging
from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from netwatchd.broadcast import messages
from netwatchd.broadcast.messages import TOPIC_OF, Message
from netwatchd.events import Flow, FlowBatch

log = logging.getLogger(__name__)


class Batch:
    """Events that were published together: they are the messages `first`, `first + 1`, ..."""

    __slots__ = ("_frames", "events", "first", "time")

    def __init__(self, first: int, time: int, events: Sequence[Message]) -> None:
        self.first = first
        self.time = time  # Unix milliseconds
        self.events = events
        self._frames: list[bytes | None] | None = None

    @property
    def last(self) -> int:
        """The number of the last message."""
        return self.first + len(self.events) - 1

    def frames(self, topics: int, after: int = 0) -> Iterable[tuple[int, bytes]]:
        """Number and frame of each message of these topics after the number `after`.

        Two threads may frame the same event at once; then the two frames are equal, and no lock is needed.
        """
        if self._frames is None:
            self._frames = [None] * len(self.events)
        for at in range(max(0, after + 1 - self.first), len(self.events)):
            if self._topic(at) & topics:
                yield self.first + at, self._frames[at] or self._framed(at)

    def _topic(self, at: int) -> int:
        # A batch of flows makes each anew when it is looked at; that they are flows is known without.
        return TOPIC_OF[Flow if isinstance(self.events, FlowBatch) else type(self.events[at])]

    def _framed(self, at: int) -> bytes:
        seq = self.first + at
        try:
            frame = messages.update(seq, self.time, self.events[at])
        except (ValueError, TypeError) as error:  # evidence may hold what JSON cannot say, such as NaN
            log.warning("cannot write message %d as JSON: %s", seq, error, extra={"repeat": "broadcast.json"})
            frame = messages.gap(seq, seq, "not representable")
        assert self._frames is not None
        self._frames[at] = frame
        return frame


class Lost(NamedTuple):
    """Stands in the queue for messages that did not fit into it."""

    first: int
    last: int
    topics: int

    def frames(self, topics: int, _after: int = 0) -> Iterable[tuple[int, bytes]]:
        """The gap that those who would have got the messages are told of."""
        if self.topics & topics:
            yield self.last, messages.gap(self.first, self.last, "overload")


class Run:
    """Frames of some topics in a row, ready to be sent: shared by all clients that have these topics."""

    __slots__ = ("buffers", "first", "firsts", "frames", "last", "seqs", "size")

    def __init__(self, frames: list[bytes], seqs: list[int], firsts: list[int]) -> None:
        """`seqs` are the numbers of the frames; one that tells of a gap tells of all messages from its `firsts` on."""
        self.frames = frames
        self.seqs = seqs
        self.firsts = firsts
        self.first = seqs[0] if seqs else 0
        self.last = seqs[-1] if seqs else 0
        # One buffer is cheaper for the kernel than many, and it is joined once for all clients.
        self.buffers = frames if len(frames) == 1 else [b"".join(frames)]
        self.size = len(self.buffers[0])

    @classmethod
    def of(cls, pieces: Iterable[Batch | Lost], topics: int) -> "Run":
        """The run of what these batches hold of the topics."""
        frames: list[bytes] = []
        seqs: list[int] = []
        firsts: list[int] = []
        for piece in pieces:
            for seq, frame in piece.frames(topics):
                frames.append(frame)
                seqs.append(seq)
                firsts.append(piece.first if isinstance(piece, Lost) else seq)
        return cls(frames, seqs, firsts)

    def after(self, seq: int) -> "Run":
        """What of the run follows the number `seq`."""
        at = bisect_right(self.seqs, seq)
        return Run(self.frames[at:], self.seqs[at:], self.firsts[at:])


class Ring:
    """The latest `size` messages, or a few more, because whole batches are forgotten."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._count = 0
        self._batches: deque[Batch] = deque()
        self._reach = 0

    def append(self, batch: Batch) -> None:
        """Remembers a batch."""
        self._batches.append(batch)
        self._count += len(batch.events)
        while self._batches and self._count - len(self._batches[0].events) >= self._size:
            oldest = self._batches.popleft()
            self._count -= len(oldest.events)
            self._reach = oldest.last

    def forget(self, upto: int) -> None:
        """Forgets everything up to the number `upto`: some of it was lost, so that none can be followed over it."""
        self._batches.clear()
        self._count = 0
        self._reach = upto

    def covers(self, since: int) -> bool:
        """Whether every message after the number `since` is remembered."""
        return since >= self._reach

    def frames(self, topics: int, since: int) -> list[bytes]:
        """The frames of these topics after the number `since`."""
        kept = (batch for batch in self._batches if batch.last > since)
        return [frame for batch in kept for _, frame in batch.frames(topics, since)]
