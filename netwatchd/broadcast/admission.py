"""How many connections there may be, in all and from one address, and whose handshake ends when they are too many.

A connection is in its handshake until it is a client's, or closed. Whoever opens more than there may be costs himself a
connection first: it is the oldest one of the address that has most of them which ends. So thousands of half-open
connections from one address neither hold more than so many threads nor keep anybody else out.
"""

import contextlib
import threading
from collections import Counter
from socket import SHUT_RDWR, socket
from typing import Any

from netwatchd.addresses import Address, parse_address
from netwatchd.broadcast.http import Refusal
from netwatchd.config import Websocket
from netwatchd.counters import Counters

# Connections beyond max_clients: for requests that end at once, and for telling the others that it is full.
SPARE_CONNECTIONS = 64
_MAPPED = bytes(10) + b"\xff\xff"  # how an IPv4 address begins that comes in by an IPv6 socket (RFC 4291 2.5.5.2)


def origin_of(peer: tuple[Any, ...]) -> Address:
    """Who is to be counted together: an IPv4 address, or the /64 of an IPv6 address, all of which one host may have."""
    address = parse_address(str(peer[0]).partition("%")[0])
    if isinstance(address, int):
        return address
    return int.from_bytes(address[12:], "big") if address.startswith(_MAPPED) else address[:8] + bytes(8)


class Admission:
    """Who is in the handshake and who is served. Any thread may call."""

    def __init__(self, settings: Websocket, counters: Counters) -> None:
        self._settings = settings
        self._counters = counters
        self._lock = threading.Lock()
        self._arriving: dict[socket, Address] = {}  # in the handshake
        self._uncounted: set[socket] = set()  # of which nothing is counted as refused yet
        self._idle: set[socket] = set()  # of those in the handshake: a request was answered, and another may come
        self._by_origin: dict[Address, dict[socket, None]] = {}  # the same, of each address the oldest first
        self._serving: dict[socket, Address] = {}  # behind it
        self._clients: Counter[Address] = Counter()  # the same, counted

    def arrive(self, request: socket, origin: Address) -> None:
        """Takes note of a new connection; where it is one too many, another one's handshake ends."""
        settings = self._settings
        with self._lock:
            self._arriving[request] = origin
            self._uncounted.add(request)
            own = self._by_origin.setdefault(origin, {})
            own[request] = None
            room = min(settings.max_handshakes, settings.max_clients + SPARE_CONNECTIONS - len(self._serving))
            if len(own) > settings.max_handshakes_per_address:
                self._evict(own)
            elif len(self._arriving) > room:
                self._evict(max(self._by_origin.values(), key=len))

    def _evict(self, group: dict[socket, None]) -> None:
        # Who is merely kept open loses least: a browser opens another connection.
        oldest = next((request for request in group if request in self._idle), next(iter(group)))
        if oldest not in self._idle:
            self._count(oldest, "refused.crowded")
        self._forget(oldest)
        with contextlib.suppress(OSError):  # it may just have ended by itself
            oldest.shutdown(SHUT_RDWR)

    def _forget(self, request: socket) -> None:
        origin = self._arriving.pop(request, None)
        self._idle.discard(request)
        if origin is not None:
            group = self._by_origin[origin]
            del group[request]
            if not group:
                del self._by_origin[origin]

    def rest(self, request: socket) -> None:
        """Takes note that a request was answered, and that another one may come."""
        with self._lock:
            if request in self._arriving:
                self._idle.add(request)

    def go_on(self, request: socket) -> None:
        """Takes note that another one has come."""
        with self._lock:
            self._idle.discard(request)

    def enter(self, request: socket, origin: Address) -> None:
        """Takes a place for a client; raises Refusal where there is none."""
        with self._lock:
            if len(self._serving) >= self._settings.max_clients:
                raise Refusal(503, "there are too many clients", "full", {"Retry-After": "30"})
            if self._clients[origin] >= self._settings.max_clients_per_address:
                raise Refusal(429, "there are too many clients of your address", "address", {"Retry-After": "30"})
            self._forget(request)
            self._serving[request] = origin
            self._clients[origin] += 1

    def refuse(self, request: socket, counter: str) -> None:
        """Counts why a connection comes to nothing; only the first reason counts."""
        with self._lock:
            self._count(request, counter)

    def _count(self, request: socket, counter: str) -> None:
        if request in self._uncounted:
            self._uncounted.discard(request)
            self._counters.add(counter)

    def leave(self, request: socket) -> None:
        """Takes note that a connection ends, before it is closed: nobody may shut a descriptor used anew."""
        with self._lock:
            self._forget(request)
            self._uncounted.discard(request)
            origin = self._serving.pop(request, None)
            if origin is not None:
                self._clients[origin] -= 1
                if not self._clients[origin]:
                    del self._clients[origin]

    def end_handshakes(self, idle_only: bool = False) -> None:
        """Ends all that have not come to an end, or only those that wait for another request."""
        with self._lock:
            for request in self._idle if idle_only else self._arriving:
                with contextlib.suppress(OSError):
                    request.shutdown(SHUT_RDWR)
