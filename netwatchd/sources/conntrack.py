"""Flows from the kernel's connection tracking: its NEW and DESTROY events, and a dump now and then.

Events come in on one socket, dumps on another, so that a dump never keeps an event waiting: after each batch of
events one piece of the dump is read. `LiveFlows` makes sense of the two and of their order.

The kernel delivers a DESTROY that did not fit into our buffer again (NETLINK_BROADCAST_ERROR), but not a NEW. So an
overflow is answered with a dump at once, which finds the flows whose NEW was lost.
"""

import errno
import logging
import select
import struct
import time
from collections.abc import Callable, Iterator
from typing import Any

from netwatchd import config
from netwatchd.addresses import Networks
from netwatchd.counters import Counters
from netwatchd.decoders.conntrack import DESTROY, ConntrackDecoder, Entry, inward
from netwatchd.decoders.netlink import DONE, DUMP, ERROR, Malformed, Message, messages
from netwatchd.events import Flow
from netwatchd.sources import Emit, Unavailable
from netwatchd.sources.accounting import read_timeouts, switch_on
from netwatchd.sources.liveflows import TIMEOUTS, LiveFlows
from netwatchd.sources.netlink import NETFILTER, NetlinkSocket, Overflow, check
from netwatchd.sources.tracking import start_tracking
from netwatchd.worker import Worker

log = logging.getLogger(__name__)

_GROUP_NEW, _GROUP_DESTROY = 1, 3  # NFNLGRP_CONNTRACK_*
_GET, _GET_STATS = 0x101, 0x105  # NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET, _GET_STATS
_ANY = struct.pack(">BBH", 0, 0, 0)  # struct nfgenmsg: AF_UNSPEC

_BATCH = 1000  # events emitted at once, at most; between two batches a piece of a dump is read
_WAIT = 1.0  # seconds: how late a stop may be noticed; each turn wakes the processor up
_BETWEEN_DUMPS = 1.0  # seconds, at least, however often the buffer overflows
_DUMP_PATIENCE = 60.0  # seconds for a whole dump, which takes one or two for a full table
_LAST_DUMP = 1.0  # seconds that the last dump may take


class Conntrack:
    """The source `conntrack`. `new_id(now)` gives each flow its id.

    `translated(flow, seen_as)`, where given, is told of flows through NAT before they are emitted: how their addresses,
    ports and protocol are on its other side. A connection that comes in by a forwarded port is told as one to the
    device in `networks` that answers it, and `translated` how it was addressed.
    """

    name = "conntrack"

    def __init__(
        self,
        settings: config.Conntrack,
        emit: Emit,
        new_id: Callable[[int], int],
        counters: Counters,
        translated: Callable[[Flow, tuple[Any, ...]], None] | None = None,
        networks: Networks | None = None,
    ) -> None:
        self._networks = networks or Networks(())
        self._translated = translated
        self._settings = settings
        self._emit = emit
        self._counters = counters
        self._decoder = ConntrackDecoder()
        # Outlives a restart of the source: flows go on under their ids.
        self._flows = LiveFlows(new_id)
        self._sockets: list[NetlinkSocket] = []
        self._poll = select.poll()
        self._dumping: int | None = None  # the sequence number of the dump under way
        self._dump_due = 0.0
        self._dumped = 0.0  # when the last dump was asked for

    @property
    def live(self) -> int:
        """How many flows are alive."""
        return len(self._flows)

    def open(self) -> None:
        """Subscribes, has the kernel count, then track. Raises Unavailable, or OSError for what may pass."""
        try:
            self._events = self._socket()
            self._events.widen(self._settings.receive_buffer)
            self._events.have_kept()
            # Before anything else: flows that begin while nobody listens may be without events (the sysctl's "auto").
            self._events.subscribe((_GROUP_NEW, _GROUP_DESTROY))
            self._dumps = self._socket()
            self._dumps.ask(_GET_STATS, 0, _ANY)
        except OSError as error:
            raise _unavailable(error) from error
        switch_on(self._settings.set_sysctls)
        self._flows.timeouts.update(read_timeouts(TIMEOUTS))
        if self._settings.tracking and (tracking := start_tracking()):
            self._sockets.append(tracking)
        self._poll = select.poll()
        self._poll.register(self._events.fileno(), select.POLLIN)
        self._poll.register(self._dumps.fileno(), select.POLLIN)
        self._dumping, self._dump_due = None, time.monotonic()

    def close(self) -> None:
        """Closes the sockets; with the last, the kernel stops tracking for us."""
        while self._sockets:
            self._sockets.pop().close()

    def run(self, worker: Worker) -> None:
        """Emits flows until asked to stop, then the last word on those that are still alive."""
        while not worker.stopping.is_set():
            worker.beat()
            now = time.monotonic()
            if self._dumping is not None and now - self._dumped > _DUMP_PATIENCE:
                raise TimeoutError("the kernel did not finish a dump of connections")
            if self._dumping is None and now >= self._dump_due:
                self._start_dump()
            self._step(_WAIT if self._dumping is not None else min(_WAIT, self._dump_due - now))
        self._finish()

    def _finish(self) -> None:
        """A last look at the counters of what is alive; a dump that is under way is young enough to serve."""
        deadline = time.monotonic() + _LAST_DUMP
        if self._dumping is None:
            self._start_dump()
        while self._dumping is not None and time.monotonic() < deadline:
            self._step(0.1)
        if self._dumping is not None:
            log.warning("the last dump of connections took too long: some flows end with older counters")
        self._tell(self._flows.close_all(_now()))

    def _socket(self) -> NetlinkSocket:
        made = NetlinkSocket(NETFILTER)
        self._sockets.append(made)
        return made

    def _step(self, wait: float) -> None:
        """Waits for something to read, then reads a batch of events and a piece of the dump."""
        if self._poll.poll(wait * 1000):
            self._read_events()
            if self._dumping is not None:
                self._read_dump()

    def _start_dump(self) -> None:
        self._dumped = time.monotonic()
        self._dump_due = self._dumped + self._settings.dump_interval
        self._flows.start_dump(_now())
        self._dumping = self._dumps.request(_GET, DUMP, _ANY)
        self._counters.add("dumps.conntrack")

    def _read_events(self) -> None:
        """Reads up to a batch of events, and emits what they make."""
        flows: list[Flow] = []
        now, received = _now(), 0
        while received < _BATCH:
            try:
                data = self._events.receive()
            except Overflow:
                self._overflowed()
                continue
            if data is None:
                break
            for message, entry in self._decoded(data):
                received += 1
                if entry and (flow := self._happened(message.kind, entry, now)):
                    self._note_translation(flow, entry)
                    flows.append(flow)
        self._counters.add("messages.conntrack", received)
        self._tell(flows)

    def _happened(self, kind: int, entry: Entry, now: int) -> Flow | None:
        return self._flows.ended(entry, now) if kind == DESTROY else self._flows.began(entry, now)

    def _note_translation(self, flow: Flow, entry: Entry) -> None:
        if self._translated is not None and (seen_as := entry.translated) is not None:
            self._translated(flow, seen_as)

    def _overflowed(self) -> None:
        self._counters.add("overflows.conntrack")
        log.warning(
            "conntrack events came faster than they could be read: reading the whole table; "
            "a larger receive_buffer in [source:conntrack] would help",
            extra={"source": self.name, "repeat": "conntrack.overflow"},
        )
        self._dump_due = min(self._dump_due, self._dumped + _BETWEEN_DUMPS)

    def _read_dump(self) -> None:
        """Reads one piece of the dump, and emits what it makes."""
        data = self._dumps.receive()
        if data is None:
            return
        now, flows = _now(), []
        for message, entry in self._decoded(data):
            if message.seq != self._dumping:
                continue
            if entry is None:
                check(message)
                self._dumping = None
                flows += self._flows.finish_dump(now)
            elif flow := self._flows.dumped(entry, now):
                self._note_translation(flow, entry)
                flows.append(flow)
        self._tell(flows)

    def _decoded(self, data: bytes) -> Iterator[tuple[Message, Entry | None]]:
        """The messages with their entries, None for one that ends a dump; counts what is malformed."""
        try:
            for message in messages(data):
                if message.kind in (DONE, ERROR):
                    yield message, None
                    continue
                try:
                    entry = inward(self._decoder.decode(message.data), self._networks)
                except Malformed as error:
                    self._malformed(error)
                    continue
                yield message, entry
        except Malformed as error:
            self._malformed(error)

    def _malformed(self, error: Malformed) -> None:
        self._counters.add("malformed.conntrack")
        log.warning(
            "ignored a conntrack message: %s", error, extra={"source": self.name, "repeat": "conntrack.malformed"}
        )

    def _tell(self, flows: list[Flow]) -> None:
        if flows:
            self._emit.flows(flows)
        if self._flows.untracked:
            self._counters.add("untracked.conntrack", self._flows.untracked)
            self._flows.untracked = 0


def _now() -> int:
    return time.time_ns() // 1_000_000


def _unavailable(error: OSError) -> Exception:
    """The sentence for what the kernel answered; the error itself where it may pass."""
    if error.errno in (errno.EPERM, errno.EACCES):
        return Unavailable("cannot open a conntrack socket: permission denied (needs CAP_NET_ADMIN)")
    if error.errno in (errno.EPROTONOSUPPORT, errno.EAFNOSUPPORT):
        return Unavailable("cannot open a conntrack socket: this system has no netfilter netlink (nfnetlink)")
    if error.errno in (errno.EINVAL, errno.EOPNOTSUPP):
        return Unavailable("cannot read connections: the kernel module nf_conntrack_netlink is missing")
    return error
