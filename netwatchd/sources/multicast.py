"""Listens to groups in which devices announce themselves: the loop of the sources `mdns` and `ssdp`.

It only listens, and sends nothing but what the kernel sends to join a group (IGMP, MLD). There is a socket for each
group and interface, bound to the group's address: so other programs on the port, such as avahi, get what they got
before, as datagrams to this machine alone never come here. Needs no privilege.

Whom to believe: a sender whose address is a device's here ([devices] networks) and on a network of the interface that
its datagram came by. What an IPv6 address or this machine says is a sign of no new device: the same device speaks by
its IPv4 address, and this machine knows that it is here; both are only put down to the device that has the address.
"""

import errno
import logging
import os
import select
import socket
import struct
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from netwatchd import clock
from netwatchd.addresses import Address, Networks, is_host, parse_address
from netwatchd.counters import Counters
from netwatchd.decoders.clues import Told
from netwatchd.decoders.interfaces import MULTICAST, UP, Link, OwnAddress
from netwatchd.events import Clue, Sighting
from netwatchd.sources import Emit, Unavailable
from netwatchd.sources.local_links import local_interfaces, own_addresses
from netwatchd.sources.netlink import ROUTE, NetlinkSocket, Overflow
from netwatchd.worker import Worker

log = logging.getLogger(__name__)

AGAIN = 60_000  # milliseconds after which a sender is told of again, also where it says nothing new
MOST_SENDERS = 4096  # remembered; who makes up addresses has them told again
MOST_INTERFACES = 64  # that are listened on: with more, most are of containers
BURST = 64  # datagrams that are read of one socket before others have their turn
MOST_DATAGRAM = 65536
MOST_SAID = 200  # groups joined that have a line of the log each in a minute: those of all interfaces at the start

_WAIT = 1.0  # seconds: how late a stop may be noticed
_LOOK = 1.0  # seconds between two looks at what was lost
_CALM = 0.25  # seconds between two looks at the interfaces: those of containers may come and go all the time
_RETRY = 30.0  # seconds until a group that could not be joined is tried again
_BUFFER = 1 << 20  # bytes of receive buffer asked for; without privilege the kernel gives less

_GROUPS = (1, 5, 9)  # RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR
_IP_MULTICAST_ALL, _IPV6_MULTICAST_ALL = 49, 29  # linux/in.h, linux/in6.h: also groups that only others have joined
_SO_MEMINFO = 55  # the socket module of Python 3.11 does not name it
_MEMINFO = struct.Struct("=9I")  # linux/sock_diag.h: SK_MEMINFO_*; the last one is SK_MEMINFO_DROPS

Read = Callable[[bytes, Address, int], tuple[Clue, ...]]


class Group(NamedTuple):
    """A multicast group and UDP port."""

    address: str
    port: int


class _Ear:
    """One socket: a group on an interface."""

    def __init__(self, made: socket.socket, link: Link) -> None:
        self.socket = made
        self.link = link
        self.drops = 0


class Multicast:
    """Listens to groups on all interfaces that are up and have a local network's address, or on those of a list."""

    def __init__(
        self, name: str, groups: Sequence[Group], read: Read, interfaces: Sequence[str], networks: Networks,
        emit: Emit, counters: Counters,
    ) -> None:  # fmt: skip
        """`read(data, sender, its port)` is what a datagram says of its sender."""
        self.name = name
        self._groups = groups
        self._read = read
        self._interfaces = interfaces
        self._networks = networks
        self._emit = emit
        self._counters = counters
        self._told: dict[Address, int] = {}
        self._clues = Told()
        self._dropped = 0
        self._buffer = bytearray(MOST_DATAGRAM)
        self._sockets: list[NetlinkSocket] = []
        self._ears: dict[tuple[str, int], _Ear] = {}  # by group and interface
        self._by_descriptor: dict[int, _Ear] = {}
        self._own: list[OwnAddress] = []
        self._stale = True  # the interfaces have changed
        self._retry: float | None = None  # steady time
        self._looked = 0.0
        self._joined = -_CALM  # steady: when the interfaces were last looked at

    def open(self) -> None:
        """Joins the groups; raises Unavailable where they cannot be listened to, OSError for what may pass."""
        self._poll = select.poll()
        try:
            self._events, self._dumps = self._netlink(), self._netlink()
            self._events.subscribe(_GROUPS)
        except OSError as error:
            raise Unavailable(f"cannot see the interfaces: {_said(error)} (a sandbox must allow AF_NETLINK)") from error
        self._poll.register(self._events.fileno(), select.POLLIN)
        refused = self._join_all()
        if refused and not self._ears:
            raise Unavailable(f"cannot listen for announcements: {refused}")

    def close(self) -> None:
        """Closes the sockets, with which the kernel leaves the groups."""
        for key in list(self._ears):
            self._leave(key)
        while self._sockets:
            self._sockets.pop().close()

    def run(self, worker: Worker) -> None:
        """Emits what devices announce until asked to stop; what has come in by then is still told."""
        while not worker.stopping.is_set():
            worker.beat()
            self._turn(_WAIT)
        self._turn(0)
        self._look()

    def _netlink(self) -> NetlinkSocket:
        made = NetlinkSocket(ROUTE)
        self._sockets.append(made)
        return made

    def _turn(self, timeout: float) -> None:
        """Waits for datagrams and tells of them; joins the groups on interfaces that have come."""
        sightings: list[Sighting] = []
        for descriptor, _ in self._poll.poll((min(timeout, _CALM) if self._stale else timeout) * 1000):
            if descriptor == self._events.fileno():
                self._drain_events()
            elif ear := self._by_descriptor.get(descriptor):
                self._hear(ear, sightings)
        if sightings:
            self._emit.sightings(sightings)
        now = time.monotonic()
        if (self._stale and now - self._joined >= _CALM) or (self._retry is not None and now >= self._retry):
            self._joined = now
            self._join_all()
        if now - self._looked >= _LOOK:
            self._looked = now
            self._look()

    # Interfaces.

    def _drain_events(self) -> None:
        """What exactly has changed does not matter: all is looked at anew."""
        self._stale = True
        try:
            while self._events.receive() is not None:
                pass
        except Overflow:
            pass  # all is looked at anyway

    def _join_all(self) -> str | None:
        """Joins the groups on all interfaces that are to be listened on, and leaves the others; what went wrong."""
        self._stale, self._retry = False, None
        refused = None
        links = self._links()
        wanted = {(group.address, link.number): (group, link) for link in links for group in self._groups}
        for key in self._ears.keys() - wanted.keys():
            self._leave(key)
        for key, (group, link) in wanted.items():
            if key in self._ears or not self._has_family(group, link):
                continue
            try:
                self._join(key, group, link)
            except OSError as error:
                refused = f"group {group.address} on {link.name}, UDP port {group.port}: {_said(error)}"
                self._refused(refused, error)
        return refused

    def _links(self) -> list[Link]:
        """The interfaces to listen on, of those that there are now."""
        links, self._own = own_addresses(self._dumps)
        local = local_interfaces(self._own, self._networks)
        chosen = [
            link
            for link in links
            if link.flags & UP and link.flags & MULTICAST
            and (link.name in self._interfaces if self._interfaces else link.number in local)
        ]  # fmt: skip
        if len(chosen) > MOST_INTERFACES:
            log.warning(
                "only %d of %d interfaces are listened on: name those that count in [source:%s] interface",
                MOST_INTERFACES, len(chosen), self.name, extra={"source": self.name, "repeat": f"{self.name}.many"},
            )  # fmt: skip
        return chosen[:MOST_INTERFACES]

    def _has_family(self, group: Group, link: Link) -> bool:
        kind = bytes if ":" in group.address else int
        return any(each.number == link.number and isinstance(each.address, kind) for each in self._own)

    def _join(self, key: tuple[str, int], group: Group, link: Link) -> None:
        made = _joined(group, link)
        self._ears[key] = self._by_descriptor[made.fileno()] = _Ear(made, link)
        self._poll.register(made.fileno(), select.POLLIN)
        # Interfaces of containers may come and go all the time.
        told = {"source": self.name, "repeat": f"{self.name}.joined", "most": MOST_SAID}
        log.info("listening to %s on %s", group.address, link.name, extra=told)

    def _leave(self, key: tuple[str, int]) -> None:
        ear = self._ears.pop(key)
        self._poll.unregister(ear.socket.fileno())
        del self._by_descriptor[ear.socket.fileno()]
        ear.socket.close()

    def _refused(self, text: str, error: OSError) -> None:
        if error.errno == errno.ENODEV:
            return  # it has gone while we looked at it; the kernel says so, too
        self._retry = time.monotonic() + _RETRY
        log.warning(
            "cannot listen to %s; trying again", text, extra={"source": self.name, "repeat": f"{self.name}.join"}
        )

    # Datagrams.

    def _hear(self, ear: _Ear, sightings: list[Sighting]) -> None:
        """Reads some of what waits; the poll says whether there is more."""
        count = 0
        for _ in range(BURST):
            try:
                size, (host, port, *_) = ear.socket.recvfrom_into(self._buffer)
            except BlockingIOError:
                break
            except OSError:
                # The interface went away or down; the kernel tells of it by netlink, where it is dealt with.
                self._stale = True
                break
            count += 1
            sender = parse_address(host.partition("%")[0])
            if self._is_here(sender, ear.link):
                self._take(bytes(self._buffer[:size]), sender, port, ear.link, sightings)
            else:
                self._counters.add(f"refused.{self.name}.sender")
        self._counters.add(f"datagrams.{self.name}", count)

    def _is_here(self, sender: Address, link: Link) -> bool:
        """Whether the sender is a device here, as far as its address tells."""
        if not is_host(sender) or sender not in self._networks:
            return False
        return any(each.number == link.number and each.reaches(sender) for each in self._own)

    def _take(self, data: bytes, sender: Address, port: int, link: Link, sightings: list[Sighting]) -> None:
        now = clock.now().wall
        clues = self._clues.fresh(sender, self._read(data, sender, port), now)
        if self._clues.dropped > self._dropped:
            self._counters.add(f"dropped.{self.name}.clues", self._clues.dropped - self._dropped)
            self._dropped = self._clues.dropped
        alive = isinstance(sender, int) and all(each.address != sender for each in self._own)
        if not clues and (not alive or 0 <= now - self._told.get(sender, -AGAIN) < AGAIN):
            return
        if len(self._told) >= MOST_SENDERS:
            self._told.clear()
        self._told[sender] = now
        sightings.append(Sighting(now, self.name, ips=(sender,), interface=link.name, clues=clues, alive=alive))

    def _look(self) -> None:
        """Reads the kernel's ledger: what did not fit into the receive buffers is lost, and is said to be."""
        lost = 0
        for ear in self._ears.values():
            drops = _MEMINFO.unpack(ear.socket.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _MEMINFO.size))[-1]
            lost += (drops - ear.drops) % 2**32
            ear.drops = drops
        if lost:
            self._counters.add(f"lost.{self.name}", lost)
            log.warning(
                "%d announcements came faster than they could be read", lost,
                extra={"source": self.name, "event": "loss", "repeat": f"{self.name}.lost"},
            )  # fmt: skip


def _joined(group: Group, link: Link) -> socket.socket:
    """A socket that hears the group on the interface, and nothing else; raises OSError."""
    family = socket.AF_INET6 if ":" in group.address else socket.AF_INET
    made = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, link.name.encode() + b"\0")
        packed = socket.inet_pton(family, group.address)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            made.setsockopt(socket.IPPROTO_IPV6, _IPV6_MULTICAST_ALL, 0)
            made.bind((group.address, group.port, 0, link.number))
            # struct ipv6_mreq { struct in6_addr ipv6mr_multiaddr; int ipv6mr_ifindex; }
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, struct.pack("=16si", packed, link.number))
        else:
            made.setsockopt(socket.IPPROTO_IP, _IP_MULTICAST_ALL, 0)
            made.bind((group.address, group.port))
            # struct ip_mreqn { struct in_addr imr_multiaddr, imr_address; int imr_ifindex; }
            request = struct.pack("=4s4si", packed, bytes(4), link.number)
            made.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, request)
    except BaseException:
        made.close()
        raise
    return made


def _said(error: OSError) -> str:
    return os.strerror(error.errno).lower() if error.errno else str(error)
