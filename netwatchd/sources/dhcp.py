"""What devices say of themselves when they ask for an address: DHCP and DHCPv6 messages (RFC 2131, RFC 8415).

A question goes to all on the link, so that everybody may hear it. It comes earlier and says more than a server's file
of leases: with the host name the list of what is asked for, the vendor class, the identifiers; and a lease that lasts
for a moment is heard, too.

The sockets hear all interfaces, as the kernel's IP does: each frame once, also where a bridge passes it on, and none
that this machine sends. What counts is the interface that a message came by: it must have an address of [devices]
networks. There is no ring, because the kernel's filter leaves some messages a minute. Needs CAP_NET_RAW.
"""

import array
import errno
import logging
import os
import select
import socket
import struct
import time
from typing import Any

from netwatchd import clock, config
from netwatchd.addresses import Networks
from netwatchd.counters import Counters
from netwatchd.decoders import bpf
from netwatchd.decoders.links import IPV4, IPV6, Frame, Skipped
from netwatchd.decoders.packets import UDP, packet_of
from netwatchd.decoders.stations import Stations
from netwatchd.events import Sighting
from netwatchd.observations import Observation
from netwatchd.sources import Emit, Unavailable
from netwatchd.sources.local_links import local_interfaces, own_addresses
from netwatchd.sources.netlink import ROUTE, NetlinkSocket
from netwatchd.worker import Worker

log = logging.getLogger(__name__)

MOST_INTERFACES = 256  # on which devices are remembered apart
BURST = 64  # messages that are read at once
MOST_MESSAGE = 65536

_WAIT = 1.0  # seconds: how late a stop may be noticed
_LOOK = 10.0  # seconds between two looks at the interfaces' addresses, and at what was lost
_FORBIDDEN = (errno.EPERM, errno.EACCES, errno.EAFNOSUPPORT)
_SOL_PACKET, _PACKET_STATISTICS, _SO_ATTACH_FILTER = 263, 6, 26  # linux/if_packet.h, asm/socket.h
_PACKET_HOST = 0  # sent to this machine alone
_STATISTICS = struct.Struct("=II")  # struct tpacket_stats { unsigned int tp_packets, tp_drops; }
_CLIENTS = (68, 546)
_ETHERNET = 1  # ARPHRD_ETHER, which radio is, too


class Dhcp:
    """The source `dhcp`."""

    name = "dhcp"

    def __init__(self, settings: config.Dhcp, networks: Networks, emit: Emit, counters: Counters) -> None:
        """`networks` are those whose addresses belong to devices here."""
        self._interfaces = settings.interface
        self._networks = networks
        self._emit = emit
        self._counters = counters
        self._sockets: dict[int, tuple[socket.socket, int]] = {}  # by descriptor, and what they hear
        self._dumps: NetlinkSocket | None = None
        self._stations: dict[str, Stations] = {}
        self._local: set[str] = set()  # names of interfaces
        self._looked: float | None = None

    def open(self) -> None:
        """Opens the sockets; raises Unavailable where they may not be had, OSError for what may pass."""
        try:
            self._dumps = NetlinkSocket(ROUTE)
            for kind in (IPV4, IPV6):
                made = _hearing(kind)
                self._sockets[made.fileno()] = made, kind
        except OSError as error:
            if error.errno not in _FORBIDDEN:
                raise
            reason = os.strerror(error.errno).lower()
            raise Unavailable(f"cannot hear DHCP: {reason} (needs CAP_NET_RAW, and a sandbox AF_PACKET)") from error
        self._look()

    def close(self) -> None:
        """Closes the sockets."""
        while self._sockets:
            self._sockets.popitem()[1][0].close()
        if self._dumps is not None:
            self._dumps.close()
            self._dumps = None

    def run(self, worker: Worker) -> None:
        """Emits what clients say until asked to stop; what has come in by then is still told."""
        poll = select.poll()
        for descriptor in self._sockets:
            poll.register(descriptor, select.POLLIN)
        while not worker.stopping.is_set():
            worker.beat()
            self._read([descriptor for descriptor, _ in poll.poll(_WAIT * 1000)])
            if self._looked is None or time.monotonic() - self._looked >= _LOOK:
                self._look()
        self._read(list(self._sockets))
        self._look()

    # Messages.

    def _read(self, descriptors: list[int]) -> None:
        sightings: list[Sighting] = []
        observations: list[Observation] = []
        for descriptor in descriptors:
            made, kind = self._sockets[descriptor]
            for _ in range(BURST):
                try:
                    data, sender = made.recvfrom(MOST_MESSAGE)
                except BlockingIOError:
                    break
                self._counters.add("messages.dhcp")
                try:
                    told, observed = self._hear(kind, data, sender)
                    sightings += told
                    observations += observed
                except Skipped:
                    self._counters.add("malformed.dhcp")
        if sightings:
            self._emit.sightings(sightings)
        if observations:
            self._emit.observations(observations)

    def _hear(self, kind: int, data: bytes, sender: tuple[Any, ...]) -> tuple[list[Sighting], list[Observation]]:
        """What a packet says that came by an interface from a MAC; raises Skipped for a damaged one."""
        interface, _, to, hardware, mac = sender
        if not self._is_local(interface):
            return [], []
        packet = packet_of(Frame(kind, 0, mac if hardware == _ETHERNET else b""), data, len(data))
        # A first packet may have come before the filter was there; an answer to this machine is about this machine.
        is_dhcp = packet.protocol == UDP and packet.dst_port in bpf.DHCP_PORTS
        if not is_dhcp or (to == _PACKET_HOST and packet.dst_port in _CLIENTS):
            return [], []
        if len(self._stations) >= MOST_INTERFACES and interface not in self._stations:
            self._stations.clear()
        stations = self._stations.setdefault(interface, Stations(self.name, self._networks, interface))
        before = stations.crowded_out
        stations.see(clock.now().wall, packet, data)
        if stations.crowded_out > before:
            self._counters.add("dropped.dhcp.clients", stations.crowded_out - before)
        return stations.take(), stations.observed.take()

    def _is_local(self, interface: str) -> bool:
        if interface not in self._local and (self._looked is None or time.monotonic() - self._looked >= _WAIT):
            self._look()  # it may have come, or got its address, just now
        return interface in self._local

    def _look(self) -> None:
        """Looks at which interfaces have a local address; and at the kernel's ledger: what is lost is said to be."""
        self._looked = time.monotonic()
        if self._interfaces:
            self._local = set(self._interfaces)
        elif self._dumps is not None:
            links, own = own_addresses(self._dumps)
            local = local_interfaces(own, self._networks)
            self._local = {link.name for link in links if link.number in local}
        lost = sum(
            _STATISTICS.unpack(made.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, _STATISTICS.size))[1]
            for made, _ in self._sockets.values()
        )
        if lost:
            self._counters.add("lost.dhcp", lost)
            log.warning(
                "%d DHCP messages came faster than they could be read", lost,
                extra={"source": self.name, "event": "loss", "repeat": "dhcp.lost"},
            )  # fmt: skip


def _hearing(kind: int) -> socket.socket:
    """A socket that hears DHCP in IP packets of an EtherType, on all interfaces; raises OSError."""
    made = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK, socket.htons(kind))
    try:
        code = array.array("B", bpf.dhcp())
        # struct sock_fprog { unsigned short len; struct sock_filter *filter; }
        program = struct.pack("@HP", len(code) // 8, code.buffer_info()[0])
        made.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)
    except BaseException:
        made.close()
        raise
    return made
