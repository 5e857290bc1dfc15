"""The source `netflow`: UDP sockets on which exporters send NetFlow, IPFIX and sFlow.

Theory: what one exporter sends can come in bursts of thousands of flows, and each stage behind is cheaper the larger
its batches are. So a turn reads all that waits in the sockets, up to `MOST_FLOWS`, and hands it in as one batch, at
latest `LATEST` after it came. Whoever may not be heard costs one look into a dictionary.

Loss has two ledgers. What did not fit into our receive buffers is counted by the kernel, a socket each
(`lost.netflow.socket`); gaps in the exporters' own sequence numbers hold that, and what was lost on the way.
"""

import contextlib
import logging
import selectors
import socket
import struct
from typing import Any

from netwatchd import clock
from netwatchd.addresses import Address, Networks, address_text, parse_address
from netwatchd.config import Netflow as Settings
from netwatchd.counters import Counters
from netwatchd.decoders.exports import Exporter, Exports
from netwatchd.events import Flow, NewId
from netwatchd.sources import Emit, Unavailable
from netwatchd.sources.locals import Locals
from netwatchd.worker import Worker

log = logging.getLogger(__name__)

LATEST = 0.1  # seconds that flows wait for others to travel with
MOST_FLOWS = 4000  # that travel as one batch
BURST = 64  # datagrams that are taken at one look at the clock
BURSTS = 4  # of one socket in one turn: some 7,000 flows
TURN = 0.1  # seconds until the loop beats, and looks for halves that have waited for long enough
LAST_READS = 0.5  # seconds at most for what the kernel still holds when the daemon stops
MOST_UNREAD = 200_000  # datagrams; more fit into no buffer, and an exporter may go on for ever
LOOK = 1.0  # seconds between two looks at what was lost

MOST_DATAGRAM = 65536  # UDP's limit
MOST_HOSTS = 4096  # whose addresses are remembered as text; senders can be made up
MOST_SHOWN = 256  # exporters in the status

_SO_RCVBUFFORCE, _SO_MEMINFO = 33, 55  # the socket module of Python 3.11 does not name them
_MEMINFO = struct.Struct("=9I")  # linux/sock_diag.h: SK_MEMINFO_*; the last one is SK_MEMINFO_DROPS


class Netflow:
    """The source `netflow`."""

    name = "netflow"

    def __init__(self, settings: Settings, networks: Networks, emit: Emit, new_id: NewId, counters: Counters) -> None:
        """`networks` are those whose addresses are devices here."""
        self._settings = settings
        self._emit = emit
        self._counters = counters
        self._locals = Locals(networks)
        self._exports = Exports(new_id, counters.add, int(settings.join * 1000))
        self._sockets: dict[socket.socket, int] = {}  # -> datagrams that the kernel had no room for
        self._hosts: dict[str, Address | None] = {}  # the senders' addresses; None: they are not heard
        self._flows: list[Flow] = []
        self._waiting_since = 0.0
        self._looked = 0.0
        self._buffer = bytearray(MOST_DATAGRAM)
        self._said: dict[tuple[Any, ...], int] = {}  # losses that the log tells of

    def open(self) -> None:
        """Listens; raises Unavailable."""
        self._selector = selectors.DefaultSelector()
        if not self._settings.listen:
            raise Unavailable("[source:netflow] listen names no address")
        for host, port in self._settings.listen:
            try:
                self._listen(host, port)
            except OSError as error:
                raise Unavailable(
                    f"cannot listen on {host} port {port} (UDP): {error.strerror or error} "
                    "(another collector may be running; [source:netflow] listen says where)"
                ) from error

    def run(self, worker: Worker) -> None:
        """Hears the exporters until the worker is asked to stop; what was sent by then is still taken."""
        while not worker.stopping.is_set():
            worker.beat()
            self._turn(TURN)
        last = clock.now().steady + LAST_READS
        while self._turn(0) and clock.now().steady < last:
            worker.beat()
        now = clock.now()
        self._leave_unread()
        self._look(now)
        self._flows += self._exports.finish(now.wall)
        self._hand_in(now)

    def close(self) -> None:
        """Closes the sockets."""
        for each in self._sockets:
            each.close()
        if self._sockets:
            self._selector.close()
        self._sockets = {}

    def exporters(self) -> list[dict[str, Any]]:
        """What each exporter has sent, and what of it was lost; any thread may ask."""
        return [
            exporter._asdict() | {"address": address_text(exporter.address)}
            for exporter in self._exports.exporters()[:MOST_SHOWN]
        ]

    def _listen(self, host: str, port: int) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._sockets[listener] = 0
        if family == socket.AF_INET6:  # so that 0.0.0.0 can be listened on, too
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        self._widen(listener)
        listener.bind((host, port))
        self._selector.register(listener, selectors.EVENT_READ)

    def _widen(self, listener: socket.socket) -> None:
        """Sets the receive buffer, beyond net.core.rmem_max where we may (CAP_NET_ADMIN)."""
        wanted = self._settings.receive_buffer
        try:
            listener.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, wanted)
        except PermissionError:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, wanted)
        # The kernel tells twice of what it was asked for: the other half is for its own bookkeeping (socket(7)).
        if (got := listener.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // 2) < wanted:
            log.warning(
                "the receive buffer is %d KiB only, a burst of flows may not fit: net.core.rmem_max limits it "
                "(CAP_NET_ADMIN would lift that)",
                got >> 10,
                extra={"source": self.name, "repeat": "netflow.buffer"},
            )

    # A turn.

    def _turn(self, timeout: float) -> bool:
        """Takes what comes within `timeout` seconds, and hands in what is due; whether anything came."""
        if self._flows:
            timeout = min(timeout, max(self._waiting_since + LATEST - clock.now().steady, 0))
        ready = self._selector.select(timeout)
        now = clock.now()
        for key, _ in ready:
            # Not as long as there is more: halves that wait must be told, and the thread must beat, also under a flood.
            for _ in range(BURSTS):
                if not self._burst(key.fileobj, now) or len(self._flows) >= MOST_FLOWS:  # type: ignore[arg-type]
                    break
                now = clock.now()
        if now.steady - self._looked >= LOOK:
            self._look(now)
        self._add(self._exports.due(now.wall), now)
        if self._flows and (len(self._flows) >= MOST_FLOWS or now.steady - self._waiting_since >= LATEST):
            self._hand_in(now)
        return bool(ready)

    def _burst(self, listener: socket.socket, now: clock.Now) -> bool:
        """Takes some datagrams; whether there may be more."""
        receive, buffer, hosts = listener.recvfrom_into, self._buffer, self._hosts
        view, datagram = memoryview(buffer), self._exports.datagram
        taken = 0
        told: list[Flow] = []
        try:
            for taken in range(BURST):  # noqa: B007 - it is how many came when there are no more
                size, (host, port, *_) = receive(buffer)
                exporter = hosts[host] if host in hosts else self._meet(host)
                if exporter is None:
                    self._refuse(host)
                else:
                    told += datagram(bytes(view[:size]), exporter, now.wall, port)
            taken = BURST
        except BlockingIOError:
            pass  # all that waited is read
        self._counters.add("datagrams.netflow", taken)
        self._add(told, now)
        return taken == BURST

    def _add(self, flows: list[Flow], now: clock.Now) -> None:
        if flows:
            if not self._flows:
                self._waiting_since = now.steady
            self._flows += flows

    def _hand_in(self, now: clock.Now) -> None:
        flows, self._flows = self._flows, []
        # Devices first, so that the flows find them.
        self._emit.sightings(self._locals.sightings(flows, now.wall))
        self._emit.flows(flows)

    # Who may be heard.

    def _meet(self, host: str) -> Address | None:
        """The address of a sender that was not met before; None where it is not to be heard."""
        if len(self._hosts) >= MOST_HOSTS:
            self._hosts.clear()
        address = parse_address(host.partition("%")[0])  # the interface of a link-local address
        self._hosts[host] = address if address in self._settings.allow else None
        return self._hosts[host]

    def _refuse(self, host: str) -> None:
        self._counters.add("refused.netflow.exporter")
        log.warning(
            "%s sends flows and is not heard: [source:netflow] allow does not name it",
            host,
            extra={"source": self.name, "repeat": "netflow.refused"},
        )

    # What was lost.

    def _look(self, now: clock.Now) -> None:
        """Reads the kernel's ledger, and says what is missing."""
        self._looked = now.steady
        lost = 0
        for listener, before in self._sockets.items():
            drops = _MEMINFO.unpack(listener.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _MEMINFO.size))[-1]
            lost += (drops - before) % 2**32
            self._sockets[listener] = drops
        if lost:
            self._counters.add("lost.netflow.socket", lost)
            self._exports.lost_here(lost, now.wall)
            log.warning(
                "%d datagrams of exporters did not fit into the receive buffer ([source:netflow] receive_buffer)",
                lost,
                extra={"source": self.name, "repeat": "netflow.lost.socket", "event": "loss"},
            )
        exporters = self._exports.exporters()
        for exporter in exporters:
            if missing := exporter.lost - self._said.get(exporter[:3], 0):
                self._say_lost(exporter, missing)
        self._said = {exporter[:3]: exporter.lost for exporter in exporters}

    def _leave_unread(self) -> None:
        """Counts what the sockets still hold when there is no more time to look at it."""
        unread = 0
        for listener in self._sockets:
            with contextlib.suppress(BlockingIOError):
                for _ in range(MOST_UNREAD):
                    listener.recv_into(self._buffer)
                    unread += 1
        if unread:
            self._counters.add("lost.netflow.unread", unread)
            log.warning(
                "%d datagrams of exporters could not be read any more before the end", unread, extra={"event": "loss"}
            )

    def _say_lost(self, exporter: Exporter, missing: int) -> None:
        address = address_text(exporter.address)
        log.warning(
            "%d %s of the exporter %s (%s) are missing, as its sequence numbers tell",
            missing,
            exporter.lost_unit,
            address,
            exporter.protocol,
            extra={"source": self.name, "repeat": f"netflow.lost.{address}", "event": "loss"},
        )
