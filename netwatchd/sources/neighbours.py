"""Devices from the kernel's neighbour tables (ARP, IPv6 ND) and bridge forwarding tables, by rtnetlink(7).

Their events are told at once; the whole tables are read at start, every `resync`, and after an overflow, because a
bridge sends no event when it merely hears a station again. A sighting is told when it is news: the kernel keeps who
has left for ever, and it would wake everybody up each minute to say so. Needs no privilege.
"""

import errno
import logging
import os
import select
import struct
import time

from netwatchd import config
from netwatchd.counters import Counters
from netwatchd.decoders.neighbours import (
    BRIDGE,
    INET,
    INET6,
    NEW_LINK,
    NEW_NEIGHBOUR,
    PROBE,
    Neighbour,
    decode_link,
    decode_neighbour,
    sighting_of,
)
from netwatchd.decoders.netlink import DUMP, Malformed, Message, messages
from netwatchd.events import Sighting
from netwatchd.sources import Emit, Unavailable
from netwatchd.sources.netlink import ROUTE, NetlinkSocket, Overflow
from netwatchd.worker import Worker

log = logging.getLogger(__name__)

_GROUP_LINK, _GROUP_NEIGH = 1, 3  # RTNLGRP_*
_GET_LINK, _GET_NEIGHBOUR = 18, 30  # RTM_*

_FORBIDDEN = (errno.EPERM, errno.EACCES, errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT)  # by a container or seccomp

_BATCH = 1000  # events read before their sightings are emitted, at most
_WAIT = 1.0  # seconds: how late a stop may be noticed; each turn wakes the processor up
_BETWEEN_RESYNCS = 1.0  # seconds, at least, however often the buffer overflows
_BUFFER = 1 << 20  # bytes of receive buffer asked for; without privilege the kernel gives less

# Milliseconds by which a sighting must be later than the last one told to be news. Ages are told in whole ticks, and
# the clock is corrected all the time: the same moment comes out a little different each time it is computed.
_NEWS = 1000

_MOST_KNOWN = 65_536  # entries; who makes up more MACs than that has them told again and again

_Known = dict[tuple[int, str | None, object], int]


class Neighbours:
    """The source `neighbours`."""

    name = "neighbours"

    def __init__(
        self, settings: config.Neighbours, emit: Emit, counters: Counters, receive_buffer: int = _BUFFER
    ) -> None:
        self._settings = settings
        self._emit = emit
        self._counters = counters
        self._receive_buffer = receive_buffer
        self._sockets: list[NetlinkSocket] = []
        self._links: dict[int, str] = {}  # the names of the interfaces, by index
        self._told: _Known = {}  # when each entry of the tables was heard of, as last told
        self._resync_due = 0.0
        self._resynced = 0.0

    def open(self) -> None:
        """Subscribes; raises Unavailable where netlink is forbidden, OSError for what may pass."""
        try:
            self._events = self._socket()
            self._events.widen(self._receive_buffer)
            self._events.subscribe((_GROUP_LINK, _GROUP_NEIGH))
            self._dumps = self._socket()
        except OSError as error:
            if error.errno not in _FORBIDDEN:
                raise
            raise Unavailable(
                f"cannot open a routing socket: {os.strerror(error.errno).lower()} (a sandbox must allow AF_NETLINK)"
            ) from error
        self._poll = select.poll()
        self._poll.register(self._events.fileno(), select.POLLIN)
        self._resync_due = time.monotonic()

    def close(self) -> None:
        """Closes the sockets."""
        while self._sockets:
            self._sockets.pop().close()

    def run(self, worker: Worker) -> None:
        """Emits sightings until asked to stop."""
        while not worker.stopping.is_set():
            worker.beat()
            due = self._resync_due - time.monotonic()
            if due <= 0:
                self._resync()
            elif self._poll.poll(min(_WAIT, due) * 1000):
                self._read_events()

    def _socket(self) -> NetlinkSocket:
        made = NetlinkSocket(ROUTE)
        self._sockets.append(made)
        return made

    def _resync(self) -> None:
        """Reads all tables; forgets what they hold no more."""
        self._resynced = time.monotonic()
        self._resync_due = self._resynced + self._settings.resync
        # struct ifinfomsg and ndmsg begin with the family and may be zero otherwise.
        for message in self._dumps.ask(_GET_LINK, DUMP, bytes(16)):
            self._learn_link(message)
        known: _Known = {}
        sightings: list[Sighting] = []
        for family in (INET, INET6, BRIDGE):
            for message in self._dumps.ask(_GET_NEIGHBOUR, DUMP, struct.pack("=B11x", family)):
                self._see(message, known, sightings)
        self._told = known
        self._counters.add("dumps.neighbours")
        self._tell(sightings)

    def _read_events(self) -> None:
        sightings: list[Sighting] = []
        received = 0
        while received < _BATCH:
            try:
                data = self._events.receive()
            except Overflow:
                self._overflowed()
                continue
            if data is None:
                break
            received += 1
            self._read(data, sightings)
        self._counters.add("messages.neighbours", received)
        self._tell(sightings)

    def _overflowed(self) -> None:
        self._counters.add("overflows.neighbours")
        log.warning(
            "neighbour events came faster than they could be read: reading the whole tables",
            extra={"source": self.name, "repeat": "neighbours.overflow"},
        )
        self._resync_due = min(self._resync_due, self._resynced + _BETWEEN_RESYNCS)

    def _read(self, data: bytes, sightings: list[Sighting]) -> None:
        try:
            for message in messages(data):
                if message.kind == NEW_LINK:
                    self._learn_link(message)
                elif message.kind == NEW_NEIGHBOUR:
                    self._see(message, self._told, sightings)
        except Malformed as error:
            self._malformed(error)

    def _learn_link(self, message: Message) -> None:
        try:
            index, name = decode_link(message.data)
        except Malformed as error:
            self._malformed(error)
            return
        if name is not None:
            self._links[index] = name

    def _see(self, message: Message, known: _Known, sightings: list[Sighting]) -> None:
        """Adds what the entry tells to `sightings` if it is news, and to `known`."""
        try:
            neighbour = decode_neighbour(message.data)
        except Malformed as error:
            self._malformed(error)
            return
        now = time.time_ns() // 1_000_000
        sighting = sighting_of(neighbour, now, self._links.get(neighbour.interface))
        key = _key(neighbour)
        if sighting is None:
            if neighbour.state == PROBE:
                self._told.pop(key, None)  # it is asked: its answer is news, however soon it comes
            return
        told = self._told.get(key)
        # What was told of a time that is yet to come was told by a clock that has been set back since.
        if told is None or sighting.time - told >= _NEWS or told - now >= _NEWS:
            sightings.append(sighting)
            told = sighting.time
        if len(known) < _MOST_KNOWN or key in known:
            known[key] = told

    def _malformed(self, error: Malformed) -> None:
        self._counters.add("malformed.neighbours")
        log.warning(
            "ignored a neighbour message: %s", error, extra={"source": self.name, "repeat": "neighbours.malformed"}
        )

    def _tell(self, sightings: list[Sighting]) -> None:
        if sightings:
            self._emit.sightings(sightings)


def _key(neighbour: Neighbour) -> tuple[int, str | None, object]:
    return neighbour.interface, neighbour.mac, neighbour.ip
