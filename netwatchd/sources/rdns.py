"""Names of devices by reverse DNS: local addresses are asked for, one after the other, and slowly.

A question goes to one name server, from a port and with an id that were drawn for it, and only that server's answer to
that question counts (RFC 5452). What it says is remembered, also that there is no name.
"""

import logging
import secrets
import select
import socket
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from netwatchd import clock
from netwatchd.addresses import Address, Networks, address_text, is_host
from netwatchd.config import Rdns as Settings
from netwatchd.counters import Counters
from netwatchd.decoders.dns import Malformed
from netwatchd.decoders.reverse_dns import (
    NO_ERROR,
    NO_SUCH_NAME,
    PORT,
    Answer,
    name_servers,
    query,
    read_answer,
    tells_something,
)
from netwatchd.events import Clue, Sighting
from netwatchd.sources import Emit, Unavailable
from netwatchd.worker import Worker

log = logging.getLogger(__name__)

RESOLV_CONF = Path("/etc/resolv.conf")
MOST_ADDRESSES = 20_000  # that are asked for; as many devices are remembered
MOST_WRONG = 1000  # answers to other questions, after which one is given up: somebody guesses its number, of 65,536
_TURN = 0.5  # seconds: how late a stop may be noticed
_PATIENCE = 3.0  # seconds for an answer
_LOOK = 10.0  # seconds between two looks at who is here, and at the list of name servers
_LATER = 600.0  # seconds until an address is asked for again whose question nobody answered
_SILENT = 60.0  # seconds of rest once no server has answered three questions
_LONGEST_TTL = 86_400  # seconds
_LINK_LOCAL = Networks(["169.254.0.0/16", "fe80::/10"])


class Rdns:
    """The source `rdns`."""

    name = "rdns"

    def __init__(
        self,
        settings: Settings,
        local: Networks,
        addresses: Callable[[], Iterable[Address]],
        emit: Emit,
        counters: Counters,
        resolv_conf: Path = RESOLV_CONF,
        port: int = PORT,
    ) -> None:
        """`addresses` tells those of all devices; only those of the networks `local` are asked for."""
        self._settings = settings
        self._local = local
        self._addresses = addresses
        self._emit = emit
        self._counters = counters
        self._resolv_conf = resolv_conf
        self._port = port
        self._servers: list[str] = []
        self._due: dict[Address, float] = {}  # steady: when each address may be asked for
        self._looked: float | None = None
        self._unanswered = 0  # questions in a row

    def open(self) -> None:
        """Raises Unavailable where there is no name server to ask."""
        self._servers = self._find_servers()
        if not self._servers:
            raise Unavailable(f"no name server is known: {self._resolv_conf} names none (servers = 192.168.1.1)")

    def run(self, worker: Worker) -> None:
        """Asks until the worker is asked to stop."""
        while not worker.stopping.is_set():
            worker.beat()
            address = self._next(time.monotonic())
            if address is None:
                worker.stopping.wait(_TURN)
                continue
            answer = self._ask(address, worker)
            if worker.stopping.is_set():
                return
            self._take(address, answer)
            _rest(worker, self._settings.interval if self._unanswered < 3 else max(_SILENT, self._settings.interval))

    def close(self) -> None:
        """Nothing is held open."""

    def _find_servers(self) -> list[str]:
        if self._settings.servers:
            return list(self._settings.servers)
        try:
            return name_servers(self._resolv_conf.read_text(errors="replace"))
        except OSError:
            return []

    def _next(self, now: float) -> Address | None:
        """The address to ask for now."""
        if self._looked is None or now - self._looked >= _LOOK:
            self._looked = now
            self._servers = self._find_servers() or self._servers
            here = [each for each in self._addresses() if self._is_asked_for(each)][:MOST_ADDRESSES]
            self._due = {each: self._due.get(each, 0.0) for each in here}
        address = min(self._due, key=self._due.__getitem__, default=None)
        return address if address is not None and self._due[address] <= now else None

    def _is_asked_for(self, address: Address) -> bool:
        # Names of addresses that only one link knows are in no DNS (RFC 6303 section 4.5, RFC 3927 section 4).
        return address in self._local and address not in _LINK_LOCAL and is_host(address)

    def _ask(self, address: Address, worker: Worker) -> Answer | None:
        """The first answer of a server that knows; None where none does."""
        found = None
        for server in self._servers:
            answer = self._ask_server(server, address, worker)
            if answer is not None and answer.code in (NO_ERROR, NO_SUCH_NAME):
                return answer
            found = found or answer
            if worker.stopping.is_set():
                break
        return found

    def _ask_server(self, server: str, address: Address, worker: Worker) -> Answer | None:
        number = secrets.randbits(16)
        self._counters.add("queries.rdns")
        try:
            ((family, kind, protocol, _, end), *_) = socket.getaddrinfo(
                server, self._port, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST
            )
            # The kernel draws the port, and hands on only what comes from the server's address and port.
            with socket.socket(family, kind | socket.SOCK_NONBLOCK, protocol) as peer:
                peer.connect(end)
                peer.send(query(address, number))
                return self._receive(peer, address, number, worker)
        except OSError as error:
            told = {"source": self.name, "repeat": f"rdns.{server}"}
            log.warning("cannot ask the name server %s: %s", server, error.strerror or error, extra=told)
            return None

    def _receive(self, peer: socket.socket, address: Address, number: int, worker: Worker) -> Answer | None:
        """The answer, within the time; raises OSError where there is nobody to answer."""
        until = time.monotonic() + _PATIENCE
        poll = select.poll()
        poll.register(peer, select.POLLIN)
        wrong = 0
        while wrong < MOST_WRONG and (left := until - time.monotonic()) > 0 and not worker.stopping.is_set():
            worker.beat()
            if not poll.poll(min(left, _TURN) * 1000):
                continue
            try:
                return read_answer(peer.recv(65_535), address, number)
            except Malformed as error:
                # Somebody may be guessing: the true answer may still come.
                self._counters.add("malformed.rdns")
                wrong += 1
                log.debug("ignored what came instead of an answer: %s", error)
        return None

    def _take(self, address: Address, answer: Answer | None) -> None:
        now = time.monotonic()
        if answer is None or answer.code not in (NO_ERROR, NO_SUCH_NAME):
            self._due[address] = now + _LATER
            self._counters.add("unanswered.rdns")
            self._unanswered = self._unanswered + 1 if answer is None else 0
            return
        self._unanswered = 0
        self._due[address] = now + max(min(answer.ttl, _LONGEST_TTL), self._settings.refresh)
        names = [name for name in answer.names if tells_something(name, address)]
        if names:
            clues = (Clue("dns_name", names[0]),)
            self._emit.sightings([Sighting(clock.now().wall, self.name, ips=(address,), clues=clues, alive=False)])
        else:
            log.debug("%s has no name in DNS", address_text(address), extra={"source": self.name})


def _rest(worker: Worker, seconds: float) -> None:
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0 and not worker.stopping.is_set():
        worker.beat()
        worker.stopping.wait(min(left, _TURN))
