"""Devices and flows from the packets of an interface: for what the kernel's tables do not show.

Each interface has a ring, and a table of its own in which packets become flows, so that what passes two of them is not
counted twice: whoever is given the flows tells the two apart. A flow that began is told after `hold`, a live one again
every _INTERVAL while it grows, and with its last word when it has ended.

With the filter `control` most of a TCP connection is not seen, but its sequence numbers are: see decoders.sequences.
"""

import errno
import logging
import select
import time
from typing import Protocol

from netwatchd import config
from netwatchd.addresses import Networks
from netwatchd.counters import Counters
from netwatchd.decoders import bpf
from netwatchd.decoders.flowtable import FlowTable
from netwatchd.decoders.packets import ICMPV6
from netwatchd.events import Flow, NewId
from netwatchd.sources import Emit, Unavailable
from netwatchd.sources.hold import Hold
from netwatchd.sources.interfaces import local_interface
from netwatchd.sources.ring import NotUnderstood, Ring, is_forbidden
from netwatchd.worker import Worker

log = logging.getLogger(__name__)

_INTERVAL = 10_000  # milliseconds after which a live flow that grows is told again
_WAIT = 1.0  # seconds: how late a stop may be noticed; each turn wakes the processor up
_NEWS = 0.25  # seconds after which what was read is told
_LOOK = 1.0  # seconds between two looks at the kernel's counters, and whether interfaces are there
_MISSING = 5.0  # seconds between two looks for interfaces that are not there
_BLOCKS = 16  # read at once from one interface (1 MiB), before others have their turn
_ALL_BLOCKS = 8192  # at the end: more than a ring can have, if something goes on sending
# Some 25 MB when full. A flood ends the flows that were silent longest, which are told.
_MOST_FLOWS = 32_768
# Types of ICMPv6: router and neighbour solicitation and advertisement, redirect (RFC 4861).
_ND = range(133, 138)
# Milliseconds: of a long connection nothing is seen until it ends, and of one half closed not before the other half is.
_UNSEEN = {"tcp": 86_400_000, "tcp_closing": 3_600_000}

_PROGRAMS = {
    "control": (bpf.control(ethernet=True), bpf.control(ethernet=False)),
    "all": (bpf.everything(ethernet=True), bpf.everything(ethernet=False)),
}


class EmitOf(Protocol):
    """Where the events of each interface go."""

    def __call__(self, interface: str, /) -> Emit:
        """That of one interface."""


class _Tap:
    """One interface: its ring while it is there, and the flows that are seen on it."""

    def __init__(self, interface: str, table: FlowTable, hold: Hold, emit: Emit) -> None:
        self.interface = interface
        self.table = table
        self.hold = hold
        self.emit = emit
        self.ring: Ring | None = None
        self.evicted = 0
        self.dropped = 0  # clues
        self.overlooked = 0  # observations
        self.crowded_out = 0  # messages of DHCP clients


class Capture:
    """The source `capture`. `hold` (ms) is how long a flow that began waits for a better source to tell it."""

    name = "capture"

    def __init__(
        self,
        settings: config.Capture,
        networks: Networks,
        emit_of: EmitOf,
        new_id: NewId,
        counters: Counters,
        hold: int = 0,
    ) -> None:
        """`networks` are those whose addresses belong to devices here."""
        self._settings = settings
        self._networks = networks
        self._emit_of = emit_of
        self._new_id = new_id
        self._counters = counters
        self._hold = hold
        self._taps: dict[str, _Tap] = {}
        self._poll = select.poll()
        self._by_descriptor: dict[int, _Tap] = {}
        self._told = self._looked = self._missed = 0.0
        self._has_news = False  # something was read that is not told yet

    @property
    def live(self) -> int:
        """How many flows are alive."""
        return sum(len(tap.table) for tap in self._taps.values())

    def open(self) -> None:
        """Opens the interfaces. Raises Unavailable; OSError where none of them is there or up."""
        names = self._settings.interface or (local_interface(),)
        if None in names:
            raise OSError(
                errno.ENODEV,
                "there is neither a bridge br-lan or br0 nor a default route; "
                "name the interface in [source:capture] interface",
            )
        # What an interface has shown outlives a restart of the source.
        self._taps = {name: self._taps.get(name) or self._tap(name) for name in names if name is not None}
        failed: OSError | None = None
        for tap in self._taps.values():
            try:
                self._open(tap)
            except OSError as error:
                failed = error
        if not self._by_descriptor and failed is not None:
            raise failed

    def close(self) -> None:
        """Closes the rings."""
        for tap in list(self._by_descriptor.values()):
            self._close(tap)

    def run(self, worker: Worker) -> None:
        """Emits devices and flows until asked to stop, then the last word on those that are alive."""
        try:
            while not worker.stopping.is_set():
                worker.beat()
                self._step()
        finally:
            self._finish()

    # Opening and closing.

    def _tap(self, name: str) -> _Tap:
        sparse = self._settings.filter == "control"
        table = FlowTable(
            self._new_id,
            self.name,
            networks=self._networks,
            interface=name,
            interval=_INTERVAL,
            timeouts=_UNSEEN if sparse else None,
            most=_MOST_FLOWS,
            sparse=sparse,
        )
        return _Tap(name, table, Hold(self._hold), self._emit_of(name))

    def _open(self, tap: _Tap) -> None:
        settings = self._settings
        try:
            tap.ring = Ring(tap.interface, settings.ring_size, _PROGRAMS[settings.filter], settings.promiscuous)
        except NotUnderstood as error:
            raise Unavailable(f"cannot capture packets: {error}") from error
        except OSError as error:
            if error.errno == errno.EAFNOSUPPORT:
                raise Unavailable(
                    "cannot capture packets: no packet sockets here (a sandbox must allow AF_PACKET)"
                ) from error
            if is_forbidden(error):
                raise Unavailable("cannot capture packets: permission denied (needs CAP_NET_RAW)") from error
            raise OSError(error.errno, f"cannot capture from {tap.interface}: {_said(error)}") from error
        self._by_descriptor[tap.ring.fileno()] = tap
        self._poll.register(tap.ring.fileno(), select.POLLIN)
        log.info(
            "capturing from %s, filter %s%s",
            tap.interface,
            settings.filter,
            ", promiscuous" if settings.promiscuous else "",
            extra={"source": self.name},
        )

    def _close(self, tap: _Tap) -> None:
        if tap.ring is not None:
            self._poll.unregister(tap.ring.fileno())
            del self._by_descriptor[tap.ring.fileno()]
            tap.ring.close()
            tap.ring = None

    def _open_missing(self) -> None:
        """Looks for the interfaces that are not there."""
        for tap in self._taps.values():
            if tap.ring is None:
                try:
                    self._open(tap)
                except (OSError, Unavailable) as error:
                    log.warning("%s", error, extra={"source": self.name, "repeat": f"capture.{tap.interface}"})

    # Reading.

    def _step(self) -> None:
        """Waits for packets, reads what there is, and does what is due."""
        for descriptor, event in self._poll.poll((_NEWS if self._has_news else _WAIT) * 1000):
            tap = self._by_descriptor[descriptor]
            if event & select.POLLIN:
                self._read(tap, _BLOCKS)
            if event & ~select.POLLIN:
                self._failed(tap)
        now = time.monotonic()
        if now - self._told >= _NEWS:
            self._told, self._has_news = now, False
            self._tell()
        if now - self._looked >= _LOOK:
            self._looked = now
            self._count_lost()
            self._look_for_gone()
        if len(self._by_descriptor) < len(self._taps) and now - self._missed >= _MISSING:
            self._missed = now
            self._open_missing()

    def _read(self, tap: _Tap, blocks: int) -> None:
        ring = tap.ring
        if ring is None:
            return
        see, link_type, read = tap.table.see, ring.link_type, 0
        for _ in range(blocks):
            packets = ring.read()
            if not packets:
                break
            for at, length, data in packets:
                see(at, link_type, data, length)
            read += len(packets)
        if read:
            self._has_news = True
            self._counters.add("packets.capture", read)

    def _failed(self, tap: _Tap) -> None:
        """What poll reported: an interface that is only down comes up again by itself."""
        ring = tap.ring
        if ring is None:
            return
        try:
            ring.check()
        except OSError as error:
            if error.errno == errno.ENETDOWN and ring.is_there():
                log.warning(
                    "%s went down; waiting for it to come up",
                    tap.interface,
                    extra={"source": self.name, "repeat": f"capture.{tap.interface}"},
                )
                return
            self._lost(tap, error)

    def _look_for_gone(self) -> None:
        """Looks whether all interfaces are there: of one that is down already, poll does not report that it goes."""
        for tap in list(self._by_descriptor.values()):
            if tap.ring is not None and not tap.ring.is_there():
                self._lost(tap, OSError(errno.ENODEV, "it went away"))

    def _lost(self, tap: _Tap, error: OSError) -> None:
        """Does without an interface; raises the error where it was the last one."""
        self._read(tap, _ALL_BLOCKS)
        self._count_lost()
        self._close(tap)
        if not self._by_descriptor:
            raise OSError(error.errno, f"{tap.interface}: {_said(error)}") from error
        log.warning("%s went away; looking for it", tap.interface, extra={"source": self.name})

    # Telling.

    def _tell(self) -> None:
        now = time.time_ns() // 1_000_000
        for tap in self._taps.values():
            self._emit(tap, tap.hold.take(self._conversations(tap.table.due(now)), now))
            self._has_news = self._has_news or len(tap.hold) > 0

    def _conversations(self, flows: list[Flow]) -> list[Flow]:
        """The flows without those of IPv6 ND, which like ARP say where somebody is, and that at any hour of the day."""
        found = [flow for flow in flows if flow.protocol != ICMPV6 or flow.src_port not in _ND]
        if len(found) < len(flows):
            self._counters.add("skipped.capture.nd", len(flows) - len(found))
        return found

    def _emit(self, tap: _Tap, flows: list[Flow]) -> None:
        if sightings := tap.table.sightings():
            tap.emit.sightings(sightings)
        if flows:
            tap.emit.flows(flows)
        if observations := tap.table.observations():
            tap.emit.observations(observations)
        for reason, count in tap.table.skipped.items():
            self._counters.add(f"skipped.capture.{reason}", count)
        tap.table.skipped.clear()
        if tap.table.evicted > tap.evicted:
            self._counters.add("evicted.capture", tap.table.evicted - tap.evicted)
            tap.evicted = tap.table.evicted
        if tap.table.stations.dropped > tap.dropped:
            self._counters.add("dropped.capture.clues", tap.table.stations.dropped - tap.dropped)
            tap.dropped = tap.table.stations.dropped
        if tap.table.stations.observed.overlooked > tap.overlooked:
            self._counters.add("dropped.capture.observations", tap.table.stations.observed.overlooked - tap.overlooked)
            tap.overlooked = tap.table.stations.observed.overlooked
        if tap.table.stations.crowded_out > tap.crowded_out:
            self._counters.add("dropped.capture.clients", tap.table.stations.crowded_out - tap.crowded_out)
            tap.crowded_out = tap.table.stations.crowded_out

    def _count_lost(self) -> None:
        """The packets that found the ring full are lost, and are said to be."""
        for tap in self._by_descriptor.values():
            if tap.ring is None:
                continue
            _, dropped, frozen = tap.ring.statistics()
            if frozen:
                self._counters.add("overflows.capture", frozen)
            if dropped:
                self._counters.add("lost.capture.kernel", dropped)
                log.warning(
                    "lost %d packets on %s, which came faster than they could be read: "
                    "a larger ring_size in [source:capture] would help",
                    dropped,
                    tap.interface,
                    extra={"source": self.name, "event": "loss", "repeat": "capture.lost"},
                )

    def _finish(self) -> None:
        """Reads what has come in, and says the last word on every flow."""
        for tap in list(self._by_descriptor.values()):
            self._read(tap, _ALL_BLOCKS)
        self._count_lost()
        now = time.time_ns() // 1_000_000
        for tap in self._taps.values():
            flows = tap.hold.take(self._conversations(tap.table.finish()), now)
            self._emit(tap, flows + tap.hold.release())


def _said(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
