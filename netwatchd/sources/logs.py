"""What the sources that follow other programs' logs have in common: lines to events, and the place to go on.

Every line's flow is stored once, also where the daemon is killed at any moment:

* A place is handed to the store behind the flows of all lines before it (`Memory.keep`). It may lag behind what is
  stored, and is never ahead.
* After a restart the lines behind it are read once more, and the flows that the store holds already are left out
  (`recalled`). Their ids tell where to look: those behind a place have greater ids than those before.

A log is patient: while the database cannot be written, nothing is read.
"""

import json
import logging
from collections import deque
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol
from weakref import WeakKeyDictionary

from netwatchd import clock
from netwatchd.counters import Counters
from netwatchd.decoders.json_lines import Malformed
from netwatchd.decoders.log_lines import MOST_LINE, LogDecoder, LogEvent
from netwatchd.events import Flow, NewId, Sighting, Threat
from netwatchd.observations import Observation
from netwatchd.sources import Emit
from netwatchd.sources.follow import Follower, Read
from netwatchd.sources.locals import Locals
from netwatchd.sources.permissions import check_readable
from netwatchd.sources.recalled import Recalled, Row
from netwatchd.sources.tail import Position, Tail
from netwatchd.worker import Worker

log = logging.getLogger(__name__)

POLL = 1.0  # seconds between two looks at a log in which nothing new stands
# Seconds after which the place in a silent log is kept anew, so that a restart looks through little of what other
# sources have stored since.
REFRESH = 600.0
FIRST_KEEP = 10.0  # seconds that the very first reading of a log waits until its place is stored
FIRST_LOOK = 0.05  # seconds between two looks whether it is
MOST_KINDS = 60  # of lines that are skipped, told apart in counters: what stands in a log must not fill the memory
MOST_WAITING = 2_000  # lines that may have to be read again because they wait for others


class Memory(Protocol):
    """What outlives the daemon, for one source."""

    def recall(self) -> str | None:
        """What was kept last; None where nothing was. Raises OSError while the store cannot be read."""

    def told_since(self, event_id: int) -> tuple[Iterable[Row], bool]:
        """What is stored of the source's flows with greater ids, and whether it all lies in one file.

        Raises OSError while the store cannot be read.
        """

    def keep(self, text: str, *, soon: bool = False) -> bool:
        """Keeps a text as soon as all flows that were handed in by now are stored; False where another one waits."""

    def tend(self) -> None:
        """To be called now and then: what waits is kept when its time has come."""

    def is_writable(self) -> bool:
        """Whether the store can be written."""


class LogSource:
    """Follows logs; which ones, and how their lines are read, say the sources that are made of it."""

    name = ""
    header_mark = b""

    def __init__(
        self, paths: Sequence[Path], emit: Emit, new_id: NewId, locals_: Locals, memory: Memory, counters: Counters
    ) -> None:
        """`paths` are the logs; `locals_` tells of devices without MAC."""
        self._paths = paths
        self._emit = emit
        self._new_id = new_id
        self._locals = locals_
        self._memory = memory
        self._counters = counters
        self._followers: list[Follower] = []
        self._decoders: WeakKeyDictionary[Tail, LogDecoder] = WeakKeyDictionary()
        self._recalled: Recalled | None = None
        self._record: dict[str, Any] | None = None  # where it was when it was last closed
        self._is_first = False  # nothing was ever kept
        self._last_id = 0
        self._kept: tuple[Any, float] = (None, 0.0)  # the places that were kept last, and when (steady)
        # The newest lines: file, beginning, and the last id before.
        self._recent: deque[tuple[Tail, int, int]] = deque(maxlen=MOST_WAITING)
        self._kinds: set[str] = set()

    # What the sources that are made of it may know better.

    def make_decoder(self) -> LogDecoder:
        """The decoder for a file that is begun."""
        raise NotImplementedError

    def waiting(self) -> int:
        """How many of the last lines a new decoder would have to read again."""
        return 0

    def overdue(self, _now: int) -> list[LogEvent]:
        """The events of lines that have waited for others long enough."""
        return []

    def remark(self) -> Any:
        """What a decoder has to know after a restart."""
        return None

    def take_remark(self, remark: Any) -> None:
        """Takes in what `remark` said in an earlier run."""

    def next_id(self, now: int) -> int:
        """The id of the next flow."""
        self._last_id = self._new_id(now)
        return self._last_id

    # What the supervisor asks.

    def open(self) -> None:
        """Goes on where it was; raises Unavailable, OSError."""
        record = self._record or self._recall()
        for path in self._paths:
            check_readable(path)
        followers = [Follower(path, MOST_LINE, self.header_mark) for path in self._paths]
        self._record, self._followers = record, followers
        for follower in followers:
            places = record["files"].get(str(follower.path), [])
            follower.resume([Position.of_json(place) for place in places], record["looked"])
            if not places and not follower.path.exists():
                log.info("waiting for %s, which is not there yet", follower.path, extra={"source": self.name})

    def run(self, worker: Worker) -> None:
        """Reads and emits until the worker is asked to stop."""
        if self._is_first:
            self._keep_first(worker)
        while not worker.stopping.is_set():
            worker.beat()
            if not (self._memory.is_writable() and self._turn()):
                worker.stopping.wait(POLL)

    def close(self) -> None:
        """Lets go of the logs."""
        if self._followers:
            # The decoder stays, with the lines that wait in it: nothing has to be read again.
            self._record = self._places(0)
        for follower in self._followers:
            follower.close()
        self._followers = []
        self._recent.clear()

    # Reading.

    def _turn(self) -> bool:
        """Reads on in each log; whether there was anything new."""
        now = clock.now().wall
        found = False
        for follower in self._followers:
            if read := follower.read():
                found = True
                self._take(read, now)
            self._say_lost(follower)
        self._hand_in(self.overdue(now), now)
        if not found and self._recalled is not None and not self.waiting():
            flows, self._recalled = self._recalled.rest(), None
            self._emit_flows(flows, now)
        self._keep()
        return found

    def _take(self, read: Read, now: int) -> None:
        decoder = self._decoders.get(read.tail)
        if decoder is None:
            decoder = self._decoders[read.tail] = self.make_decoder()
            for line in read.tail.context:
                self._decode(decoder, line, now)
        events: list[LogEvent] = []
        for start, text in read.lines:
            if text is None:
                self._say_malformed(read.tail, f"a line is longer than {MOST_LINE} bytes")
                continue
            self._recent.append((read.tail, start, self._last_id))
            try:
                events += decoder.decode(text, now)
            except Malformed as error:
                self._say_malformed(read.tail, str(error))
        for kind, lines in decoder.skipped.items():
            if len(self._kinds) < MOST_KINDS:
                self._kinds.add(kind)
            elif kind not in self._kinds:
                kind = "other"
            self._counters.add(f"skipped.{self.name}.{kind.replace(' ', '_')}", lines)
        decoder.skipped.clear()
        self._hand_in(events, now)

    def _decode(self, decoder: LogDecoder, line: bytes, now: int) -> None:
        try:
            decoder.decode(line, now)
        except Malformed as error:
            log.debug("the header is not understood: %s", error)

    def _hand_in(self, events: Sequence[LogEvent], now: int) -> None:
        if not events:
            return
        flows: Sequence[Flow] = [event for event in events if isinstance(event, Flow)]
        sightings = [event for event in events if isinstance(event, Sighting)]
        if self._recalled is not None:
            before = self._recalled.repeated
            flows = self._recalled.new(flows)
            self._counters.add(f"repeated.{self.name}", self._recalled.repeated - before)
            if not self._recalled:
                self._recalled = None
        # Devices first, so that flows of the same batch find them.
        self._emit.sightings(sightings)
        self._emit_flows(flows, now)
        if threats := [event for event in events if isinstance(event, Threat)]:
            self._emit.threats(threats)
        if observations := [event for event in events if isinstance(event, Observation)]:
            self._emit.observations(observations)

    def _emit_flows(self, flows: Sequence[Flow], now: int) -> None:
        if flows:
            # What stands in a log was seen when it happened, and not when it is read.
            seen = min(max(flow.end for flow in flows), now)
            self._emit.sightings(self._locals.sightings(flows, seen))
            self._emit.flows(list(flows))

    def _say_malformed(self, tail: Tail, reason: str) -> None:
        self._counters.add(f"malformed.{self.name}")
        told = {"source": self.name, "repeat": f"{self.name}.malformed"}
        log.warning("a line of %s cannot be understood: %.300s", tail.path, reason, extra=told)

    def _say_lost(self, follower: Follower) -> None:
        for sentence in follower.lost:
            self._counters.add(f"lost.{self.name}")
            log.error("%s", sentence, extra={"source": self.name, "event": "loss"})
        follower.lost.clear()

    # Remembering.

    def _places(self, waiting: int) -> dict[str, Any]:
        """Where to go on, if the last so many lines had to be read again."""
        back: dict[Tail, int] = {}
        last_id = self._last_id
        if waiting:
            again = list(self._recent)[-waiting:]
            last_id = again[0][2]
            for tail, start, _ in reversed(again):
                back[tail] = start
        files = {str(each.path): [place.to_json() for place in each.positions(back)] for each in self._followers}
        looked = min((each.looked for each in self._followers), default=0)
        return {"id": last_id, "looked": looked, "files": files, "remark": self.remark()}

    def _keep(self) -> None:
        self._memory.tend()
        if self._recalled is not None:
            return  # what is stored behind a place of now may have ids that were given before it
        steady = clock.now().steady
        places, kept_at = self._kept
        is_old = steady - kept_at >= REFRESH
        if is_old and not self.waiting():
            self._last_id = self._new_id(clock.now().wall)
        record = self._places(self.waiting())
        now_at = record["files"], record["remark"]
        if (is_old or now_at != places) and self._memory.keep(json.dumps(record)):
            self._kept = now_at, steady

    def _keep_first(self, worker: Worker) -> None:
        """Has the beginning stored, before anything is read: or else a crash would not know of the first flows."""
        for follower in self._followers:
            follower.look()
        text = json.dumps(self._places(0))
        self._memory.keep(text, soon=True)
        until = clock.now().steady + FIRST_KEEP
        while clock.now().steady < until and not worker.stopping.wait(FIRST_LOOK):
            worker.beat()
            self._memory.tend()
            if self._memory.recall() == text:
                self._is_first = False
                return

    def _recall(self) -> dict[str, Any]:
        """Where an earlier run was, and which flows it told beyond that."""
        text = self._memory.recall()
        record = _record_of(text) if text is not None else None
        self._is_first = record is None
        if record is None:
            self._last_id = self._new_id(clock.now().wall)
            return {"id": self._last_id, "looked": 0, "files": {}, "remark": None}
        self._last_id = record["id"]
        rows, in_order = self._memory.told_since(record["id"])
        self._recalled = Recalled(rows, in_order=in_order)
        self.take_remark(record["remark"])
        return record


def _record_of(text: str) -> dict[str, Any] | None:
    """What was kept; None where it cannot be read."""
    try:
        record: dict[str, Any] = json.loads(text)
        places = [Position.of_json(place) for each in record["files"].values() for place in each]
        if not all(type(record[name]) is int for name in ("id", "looked")):
            raise ValueError(f"{record!r:.60} is no place")
        log.debug("going on at %s", places)
        return {"remark": None} | record
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        log.error("the place in a log cannot be read, which is read from its beginning again: %s", error)
        return None
