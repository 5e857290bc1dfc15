"""Asks devices whether they are still here, by the kernel: one packet to the one device.

The kernel is told by rtnetlink(7) to probe a neighbour (`decoders.routes`); the answer changes its neighbour table,
which the source `neighbours` reads. So nothing is sent by hand and no address of ours is made up, and where the kernel
knows better (an entry written by the administrator, another MAC at the address) nobody is asked. Only addresses on a
link that this machine is attached to are asked. Needs CAP_NET_ADMIN.
"""

import errno
import logging
import os
import queue
import struct

from netwatchd.addresses import Address
from netwatchd.counters import Counters
from netwatchd.decoders.neighbours import BRIDGE, INET, INET6, NEW_NEIGHBOUR, PERMANENT, Neighbour, decode_neighbour
from netwatchd.decoders.netlink import ACK, CREATE, DUMP, Malformed
from netwatchd.decoders.routes import Question, decode_interface, link_of_route, probe_request, route_request
from netwatchd.sources import Unavailable
from netwatchd.sources.netlink import ROUTE, NetlinkSocket
from netwatchd.worker import Worker

log = logging.getLogger(__name__)

_GET_LINK, _GET_ROUTE, _GET_NEIGHBOUR = 18, 26, 30  # RTM_*
_REPLACE = 0x100  # NLM_F_REPLACE
_NOARP = 0x40  # NUD_NOARP
_WAIT = 1.0  # seconds: how late a stop may be noticed
_FORBIDDEN = (errno.EPERM, errno.EACCES, errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT)
_MOST_WAITING = 1000  # questions; they come a few a second, and are put within a millisecond
_MOST_NAMES = 4096  # of interfaces; containers come and go

_Table = dict[Address, list[Neighbour]]


class Prober:
    """The source `prober`, which emits nothing: what it brings about comes in by `neighbours`."""

    name = "prober"

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self._questions: queue.SimpleQueue[Question] = queue.SimpleQueue()
        self._socket: NetlinkSocket | None = None

    def ask(self, question: Question) -> None:
        """Puts a question to a device soon; never blocks, and any thread may call."""
        if self._socket is None or self._questions.qsize() >= _MOST_WAITING:
            self._counters.add("probes.impossible")
        else:
            self._questions.put(question)

    def open(self) -> None:
        """Tries whether it may; raises Unavailable where not, OSError for what may pass."""
        try:
            self._socket = NetlinkSocket(ROUTE)
            # A neighbour without an address: refused as invalid, but before that to who may not change neighbours.
            self._socket.ask(NEW_NEIGHBOUR, ACK, bytes(12))
        except OSError as error:
            if error.errno in _FORBIDDEN:
                raise Unavailable(
                    f"cannot ask silent devices: {os.strerror(error.errno).lower()} (needs CAP_NET_ADMIN); "
                    "their silence alone decides"
                ) from error
            if error.errno not in (errno.EINVAL, errno.ENODEV):
                raise

    def close(self) -> None:
        """Closes the socket."""
        socket, self._socket = self._socket, None
        if socket is not None:
            socket.close()

    def run(self, worker: Worker) -> None:
        """Puts questions until asked to stop."""
        while not worker.stopping.is_set():
            worker.beat()
            try:
                questions = [self._questions.get(timeout=_WAIT)]
            except queue.Empty:
                continue
            while not self._questions.empty():
                questions.append(self._questions.get())
            self._put(questions)

    def _put(self, questions: list[Question]) -> None:
        """Reads the neighbour tables once for all of these questions, and puts them."""
        tables = {INET: self._table(INET), INET6: self._table(INET6)}
        for question in questions:
            if not any(self._try(question.mac, ip, tables) for ip in question.ips):
                self._counters.add("probes.impossible")

    def _try(self, mac: str, ip: Address, tables: dict[int, _Table]) -> bool:
        """Asks at one address, if that is possible."""
        link = self._link_of(mac, ip, tables[INET if isinstance(ip, int) else INET6].get(ip, []))
        if link is None:
            return False
        try:
            self._ask(NEW_NEIGHBOUR, ACK | _REPLACE | CREATE, probe_request(link, ip, mac))
        except OSError as error:
            if error.errno in _FORBIDDEN:
                raise
            log.debug("cannot ask %s: %s", mac, error)  # such as an interface that has just gone
            return False
        return True

    def _link_of(self, mac: str, ip: Address, entries: list[Neighbour]) -> int | None:
        """The index of the interface where a device can be asked at the address; None where it cannot."""
        if any(entry.mac not in (mac, None) or entry.state & (PERMANENT | _NOARP) for entry in entries):
            return None
        # A link-local address says nothing of its link: only the table knows.
        its = [entry for entry in entries if entry.mac] or entries
        if its:
            return its[0].interface if len(its) == 1 else None
        if isinstance(ip, bytes) and ip[:2] == b"\xfe\x80":
            return None
        try:
            answers = self._ask(_GET_ROUTE, 0, route_request(ip))
            return link_of_route(answers[0]) if answers else None
        except (OSError, Malformed):  # there is no way to it
            return None

    def _table(self, family: int) -> _Table:
        table: _Table = {}
        for data in self._ask(_GET_NEIGHBOUR, DUMP, struct.pack("=B11x", family)):
            try:
                entry = decode_neighbour(data)
            except Malformed:  # counted by the source `neighbours`, which reads the same
                continue
            if entry.family != BRIDGE and entry.ip is not None:
                table.setdefault(entry.ip, []).append(entry)
        return table

    def _ask(self, kind: int, flags: int, payload: bytes) -> list[bytes]:
        if self._socket is None:
            raise OSError(errno.ENOTCONN, os.strerror(errno.ENOTCONN))
        return [message.data for message in self._socket.ask(kind, flags, payload)]


class Links:
    """Looks which interfaces hear nothing now. Needs no privilege."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def deaf(self) -> set[str]:
        """The names of the interfaces on which silence proves nothing, those that are gone included."""
        try:
            socket = NetlinkSocket(ROUTE)
        except OSError:  # a sandbox: then no source hears anything of interfaces either
            return set()
        try:
            found = [decode_interface(each.data) for each in socket.ask(_GET_LINK, DUMP, bytes(16))]
        except (OSError, Malformed):
            return set()
        finally:
            socket.close()
        # Who was behind a bridge's port that is gone, as that of a virtual machine is, has left with it.
        names = {interface.name for interface in found if not interface.port}
        gone = self._seen - names
        self._seen = names | gone if len(gone) < _MOST_NAMES else names
        return gone | {interface.name for interface in found if interface.deaf}
