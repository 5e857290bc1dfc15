"""A source at work in a namespace of its own network, what it tells, and what it puts on the wire."""

import base64
import contextlib
import os
import socket
import struct
from collections.abc import Callable, Iterator

from home import HOST4, ROUTER_MAC, Home, Namespace
from waiting import eventually

from netwatchd.events import Flow, Sighting, Threat
from netwatchd.sources import Source
from netwatchd.worker import Worker

LINK_LOCAL = "fe80::a683:e7ff:fe12:3456"  # made of HOST_MAC
ARP, IPV6 = 0x0806, 0x86DD
SOLICITATION = 135
NOBODY = 65534
DATAGRAM = "import socket, sys; s = socket.socket({family}, socket.SOCK_DGRAM); s.sendto(b'x', ({address!r}, 9))"
# Serves, at port 8000, as many bytes as it is asked for.
SERVER = """
import socket
listener = socket.create_server(("", 8000), backlog=128)
print("listening")
while True:
    client, _ = listener.accept()
    size = int(client.recv(99))
    client.sendall(b"x" * size)
    client.close()
"""
# Sends what is on the command line, each a frame in base64.
FRAMES = """
import base64, socket, sys
with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as wire:
    wire.bind(("eth0", 0))
    for frame in sys.argv[1:]:
        wire.send(base64.b64decode(frame))
"""


class Told:
    """An Emit of a source that tells of devices only; it keeps what it is given."""

    def __init__(self) -> None:
        self.told: list[Sighting] = []

    def sightings(self, sightings: list[Sighting]) -> None:
        self.told += sightings

    def flows(self, flows: list[Flow]) -> None:
        raise AssertionError("a device is no flow")

    def threats(self, threats: list[Threat]) -> None:
        raise AssertionError("a device is no threat")


@contextlib.contextmanager
def working(source: Source, place: Namespace | None) -> Iterator[Worker]:
    """A source, opened and at work in a namespace (None: where this thread is); it must not die."""
    inside = place.entered if place else contextlib.nullcontext
    deaths: list[Worker] = []

    def run(worker: Worker) -> None:
        with inside():  # some open more sockets when they work
            source.run(worker)

    with inside():
        source.open()
    worker = Worker(f"source:{source.name}", run, deaths.append)
    worker.start()
    try:
        yield worker
        assert not deaths, deaths[0].failure
    finally:
        assert worker.stop(5)
        source.close()


def as_nobody(check: Callable[[], bool], place: Namespace | None = None) -> bool:
    """Whether something holds for a process without privileges, in a namespace; False where it raises."""
    pid = os.fork()
    if pid == 0:
        with contextlib.suppress(BaseException), place.entered() if place else contextlib.nullcontext():
            os.setresuid(NOBODY, NOBODY, NOBODY)
            os._exit(0 if check() else 1)
        os._exit(2)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def speak(sender: Namespace, address: str) -> None:
    """Sends a datagram to an address."""
    sender.python(DATAGRAM.format(family=10 if ":" in address else 2, address=address))


def inject(sender: Namespace, *frames: bytes) -> None:
    """Sends frames by a host's only interface, as they are."""
    sender.python(FRAMES, *(base64.b64encode(frame).decode() for frame in frames))


def meet(home: Home, address: str = HOST4) -> None:
    """The router gets to know the host, by traffic of its own."""
    speak(home.router, address)
    eventually(lambda: state_of(home, address) == ["REACHABLE"], "the host answers")


def leave(home: Home) -> None:
    """The host is unplugged; another port keeps the bridge up, so that the kernel keeps its ghost."""
    home.router.ip("link add port1 type veth peer name port2")
    home.router.ip("link set port2 up")
    home.router.ip("link set port1 master lan0 up")
    home.host.ip("link set eth0 down")


def state_of(home: Home, address: str) -> list[str]:
    """What ip(8) says of the router's neighbour."""
    found = [one["state"] for one in home.router.json("ip", "-j", "neigh", "show", address)]
    return found[0] if found else []


class Wire:
    """What arrives at the host's end of its cable: who is asked for, and at which MAC."""

    def __init__(self, home: Home) -> None:
        with home.host.entered():
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self._socket.bind(("eth0", 3))
        self._socket.setblocking(False)

    def questions(self) -> list[tuple[str, str]]:
        """(MAC that was asked, address that was asked for) of all that came since the last time."""
        asked = []
        with contextlib.suppress(BlockingIOError):
            while True:
                data, (_, _, kind, *_) = self._socket.recvfrom(2048)
                if kind == socket.PACKET_OUTGOING or data[6:12] != bytes.fromhex(ROUTER_MAC.replace(":", "")):
                    continue
                (ether,) = struct.unpack_from("!H", data, 12)
                if ether == ARP and data[20:22] == b"\0\1":
                    asked.append((data[:6].hex(":"), socket.inet_ntop(socket.AF_INET, data[38:42])))
                elif ether == IPV6 and data[20] == 58 and data[54] == SOLICITATION:
                    asked.append((data[:6].hex(":"), socket.inet_ntop(socket.AF_INET6, data[62:78])))
        return asked

    def close(self) -> None:
        self._socket.close()
