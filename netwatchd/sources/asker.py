"""Asks a MAC, and it alone, whether it has an address; and knows this machine's own addresses and gateways.

The prober's question is the kernel's, and goes to whom the kernel's table names: where the table may be the victim of a
lie, it asks the wrong one, and to put another MAC into it would cut off whoever has the address by right. So here the
question is a frame of our own, under our own address, which changes no table but by the answer: that one puts right
what the kernel was made to believe. Needs CAP_NET_RAW.
"""

import contextlib
import errno
import logging
import os
import queue
import select
import socket
import struct
import time
from dataclasses import dataclass
from pathlib import Path

from netwatchd import clock
from netwatchd.addresses import Address, Networks, mac_of_bytes
from netwatchd.counters import Counters
from netwatchd.decoders.asking import ARP, arp_answer, nd_answer, question
from netwatchd.decoders.interfaces import Link, OwnAddress, mac_of_link
from netwatchd.decoders.netlink import DUMP, Malformed
from netwatchd.decoders.routes import route_request, way_of_route
from netwatchd.observations import AddressAnswered, Observation
from netwatchd.sources import Emit, Unavailable
from netwatchd.sources.local_links import local_interfaces, own_addresses
from netwatchd.sources.netlink import ROUTE, NetlinkSocket
from netwatchd.worker import Worker

log = logging.getLogger(__name__)

_GET_LINK, _GET_ROUTE = 18, 26  # RTM_*
_WAIT = 1.0  # seconds: how late a stop may be noticed
_TURN = 0.05  # seconds between two looks while answers are waited for
_LOOK = 10.0  # seconds between two looks at this machine's addresses
# When a question is put, in seconds: a card that saves power hears what comes within its interval, some 0.1 to 0.3 s.
_PUT_AT = (0.0, 0.4, 1.0)
_PATIENCE = 2.0  # seconds
_MOST_WAITING = 256
_MOST_MESSAGE = 2048
_FORBIDDEN = (errno.EPERM, errno.EACCES, errno.EAFNOSUPPORT)
_ICMP6_FILTER, _ADVERTISEMENT = 1, 136  # linux/icmpv6.h
_LINK_LOCAL = b"\xfe\x80"
_DHCP_SERVER = ":0043"  # UDP port 67 in /proc/net/udp
_UDP = Path("/proc/self/net/udp")
# The way out is the way to any address that is nowhere near; nothing is sent to it.
_ANYWHERE: tuple[Address, ...] = (0x08080808, bytes.fromhex("2001486048600000000000000000" + "8888"))


@dataclass
class _Open:
    """A question that waits for its answer."""

    interface: str
    frame: bytes
    since: float
    put: int = 0


class Asker:
    """The source `asker`, and the Machine of detectors. `may_ask`: whether anybody may be asked."""

    name = "asker"

    def __init__(self, networks: Networks, emit: Emit, counters: Counters, *, may_ask: bool = True) -> None:
        """`networks` are those whose addresses belong to devices here."""
        self.macs: frozenset[str] = frozenset()
        self.addresses: frozenset[Address] = frozenset()
        self.gateways: frozenset[Address] = frozenset()
        self.dhcp_links: frozenset[str] = frozenset()
        self._networks = networks
        self._emit = emit
        self._counters = counters
        self._may_ask = may_ask
        self._able = False
        self._questions: queue.SimpleQueue[tuple[str, Address, str, bytes, Address]] = queue.SimpleQueue()
        self._open: dict[tuple[str, Address], _Open] = {}
        self._dumps: NetlinkSocket | None = None
        self._sockets: list[socket.socket] = []
        self._links: dict[int, tuple[str, bytes]] = {}  # name and MAC by number
        self._own: list[OwnAddress] = []
        self._looked = 0.0

    def ask(self, mac: str, address: Address, interface: str | None = None) -> bool:
        """Has a MAC asked whether it has an address; False where not. Never blocks, and any thread may call.

        `interface` is where the address was seen, if that is known.
        """
        way = self._way_to(address, interface)
        if not self._able or self._questions.qsize() >= _MOST_WAITING or way is None:
            self._counters.add("questions.impossible")
            return False
        self._questions.put((mac, address, *way))
        return True

    def open(self) -> None:
        """Looks at the addresses, and whether it may ask; raises Unavailable where not, OSError for what may pass."""
        self._dumps = NetlinkSocket(ROUTE)
        self._look()
        if not self._may_ask:
            return
        try:
            self._open_sockets()
        except OSError as error:
            if error.errno not in _FORBIDDEN:
                raise
            raise Unavailable(
                f"cannot ask who owns an address: {os.strerror(error.errno).lower()} (needs CAP_NET_RAW); "
                "who takes another's address is found by what packets show"
            ) from error
        self._close_sockets()
        self._able = True

    def close(self) -> None:
        """Closes the sockets."""
        self._able = False
        self._close_sockets()
        if self._dumps is not None:
            self._dumps.close()
            self._dumps = None

    def run(self, worker: Worker) -> None:
        """Puts questions and tells their answers until asked to stop."""
        while not worker.stopping.is_set():
            worker.beat()
            if time.monotonic() - self._looked >= _LOOK:
                self._look()
            if not self._open:
                self._close_sockets()
                with contextlib.suppress(queue.Empty):
                    self._take(self._questions.get(timeout=_WAIT))
            while not self._questions.empty():
                self._take(self._questions.get())
            if self._open:
                self._step()

    # Asking.

    def _take(self, asked: tuple[str, Address, str, bytes, Address]) -> None:
        mac, ip, interface, own_mac, own = asked
        frame = question(own_mac, own, bytes.fromhex(mac.replace(":", "")), ip)
        self._open[mac, ip] = _Open(interface, frame, time.monotonic())

    def _step(self) -> None:
        """Puts what is due, reads what has come, gives up what is too late."""
        if not self._sockets:
            self._open_sockets()
        now = time.monotonic()
        for each in self._open.values():
            if each.put < len(_PUT_AT) and now - each.since >= _PUT_AT[each.put]:
                each.put += 1
                self._counters.add("questions.asked")
                # An interface that has just gone cannot be asked; the question is given up in time.
                with contextlib.suppress(OSError):
                    self._sockets[0].sendto(each.frame, (each.interface, 0))
        ready, _, _ = select.select(self._sockets, [], [], _TURN)
        for each_socket in ready:
            self._read(each_socket)
        late = [asked for asked, each in self._open.items() if time.monotonic() - each.since >= _PATIENCE]
        for asked in late:
            del self._open[asked]
        self._tell(late, answered=False)

    def _read(self, made: socket.socket) -> None:
        answered: list[tuple[str, Address]] = []
        with contextlib.suppress(BlockingIOError):
            while True:
                data = made.recv(_MOST_MESSAGE)
                said = arp_answer(data) if made is self._sockets[0] else nd_answer(data)
                if said is None:
                    continue
                for mac, ip in list(self._open):
                    if ip == said[1] and said[0] in (mac, None):
                        del self._open[mac, ip]
                        answered.append((mac, ip))
        if answered:
            self._counters.add("questions.answered", len(answered))
            self._tell(answered, answered=True)

    def _tell(self, asked: list[tuple[str, Address]], *, answered: bool) -> None:
        now = clock.now().wall
        told: list[Observation] = [AddressAnswered(now, self.name, mac, ip, answered) for mac, ip in asked]
        if told:
            self._emit.observations(told)

    def _open_sockets(self) -> None:
        """Opens the sockets that hear answers: only while some are waited for, because they hear others' as well."""
        arp = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.htons(ARP))
        self._sockets = [arp]
        with contextlib.suppress(OSError):  # a machine without IPv6
            nd = socket.socket(socket.AF_INET6, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.IPPROTO_ICMPV6)
            self._sockets.append(nd)
            blocked = [0xFFFFFFFF] * 8  # struct icmp6_filter: a bit for each type that is not heard
            blocked[_ADVERTISEMENT >> 5] &= ~(1 << (_ADVERTISEMENT & 31))
            nd.setsockopt(socket.IPPROTO_ICMPV6, _ICMP6_FILTER, struct.pack("=8I", *blocked))

    def _close_sockets(self) -> None:
        while self._sockets:
            self._sockets.pop().close()

    # This machine.

    def _way_to(self, ip: Address, interface: str | None) -> tuple[str, bytes, Address] | None:
        """The interface that reaches an address itself, its MAC, and the own address to ask under."""
        links, ways = self._links, [own for own in self._own if own.prefix and own.reaches(ip) and own.address != ip]
        there = [own for own in ways if own.number in links and interface in (None, links[own.number][0])]
        if isinstance(ip, bytes) and ip[:2] == _LINK_LOCAL and len({own.number for own in there}) > 1:
            return None
        return (*links[there[0].number], there[0].address) if there else None

    def _look(self) -> None:
        """Reads addresses, MACs and the ways out anew."""
        self._looked = time.monotonic()
        if self._dumps is None:
            return
        try:
            links, own = own_addresses(self._dumps)
            macs = [mac_of_link(each.data) for each in self._dumps.ask(_GET_LINK, DUMP, bytes(16))]
        except (OSError, Malformed) as error:
            log.debug("cannot read this machine's addresses: %s", error)
            return
        names = {link.number: link.name for link in links}
        self._links = {number: (names[number], mac) for number, mac in filter(None, macs) if number in names}
        self._own = [each for each in own if each.number in self._links]
        self.macs = frozenset(mac_of_bytes(mac) for _, mac in self._links.values())
        self.addresses = frozenset(each.address for each in own if each.address in self._networks)
        ways = [way for ip in _ANYWHERE if (way := self._way_out(ip)) is not None]
        self.gateways = frozenset(gateway for gateway, _ in ways)
        self.dhcp_links = self._dhcp_links(links, own, {number for _, number in ways})

    def _way_out(self, ip: Address) -> tuple[Address, int] | None:
        assert self._dumps is not None
        try:
            answers = self._dumps.ask(_GET_ROUTE, 0, route_request(ip))
            return way_of_route(answers[0].data) if answers else None
        except (OSError, Malformed):  # there is no way out
            return None

    def _dhcp_links(self, links: list[Link], own: list[OwnAddress], uplinks: set[int]) -> frozenset[str]:
        """The interfaces on which this machine serves DHCP: if it does, those to networks here."""
        try:
            listens = any(line.split()[1].endswith(_DHCP_SERVER) for line in _UDP.read_text().splitlines()[1:])
        except (OSError, IndexError):
            return frozenset()
        local = local_interfaces(own, self._networks) - uplinks if listens else set()
        return frozenset(link.name for link in links if link.number in local)
