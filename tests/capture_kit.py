"""What tests of the source `capture` need: namespaces with wires between them, and frames byte by byte."""

import contextlib
import itertools
import os
import select
import socket
import struct
from collections.abc import Callable, Iterator
from ipaddress import ip_address

from home import Namespace

from netwatchd.decoders import bpf
from netwatchd.sources.ring import Packet, Ring

MACS = {1: "02:00:00:00:00:01", 2: "02:00:00:00:00:02", 3: "02:00:00:00:00:03"}
CONTROL = bpf.control(ethernet=True), bpf.control(ethernet=False)
ALL = bpf.everything(ethernet=True), bpf.everything(ethernet=False)

_count = itertools.count()


def ipv4(number: int) -> str:
    """The address of a namespace of ours."""
    return f"10.9.9.{number}"


@contextlib.contextmanager
def namespace(name: str) -> Iterator[Namespace]:
    """One network namespace, which goes with the block."""
    made = Namespace(f"nc{os.getpid()}x{next(_count)}-{name}")
    try:
        yield made
    finally:
        made.close()


@contextlib.contextmanager
def wire() -> Iterator[tuple[Namespace, Namespace]]:
    """Two namespaces with a wire, `eth0` at both ends: 10.9.9.1 and 10.9.9.2; no IPv6, which would chatter."""
    with namespace("a") as near, namespace("b") as far:
        for each in (near, far):
            each.sysctl("net.ipv6.conf.default.disable_ipv6", 1)
        near.ip(f"link add eth0 address {MACS[1]} type veth peer name eth0 address {MACS[2]} netns {far.name}")
        for number, each in enumerate((near, far), 1):
            each.ip(f"addr add {ipv4(number)}/24 dev eth0")
            each.ip("link set eth0 up")
        yield near, far


@contextlib.contextmanager
def ring_in(place: Namespace, programs: tuple[bytes, bytes], interface: str = "eth0", **options: int) -> Iterator[Ring]:
    """A ring on an interface of a namespace."""
    with place.entered():
        made = Ring(interface, options.pop("size", 1 << 20), programs, **options)
    try:
        yield made
    finally:
        made.close()


@contextlib.contextmanager
def raw_socket(place: Namespace, interface: str = "eth0") -> Iterator[socket.socket]:
    """What sends whole frames."""
    with place.entered():
        made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    try:
        made.bind((interface, 0))
        yield made
    finally:
        made.close()


def read_until(ring: Ring, enough: Callable[[list[Packet]], bool]) -> list[Packet]:
    """All packets until there are enough; fails where they do not come."""
    poll = select.poll()
    poll.register(ring.fileno(), select.POLLIN)
    packets: list[Packet] = []
    while not enough(packets):
        assert poll.poll(20_000), f"no more came than {packets}"
        while block := ring.read():
            packets += block
    return packets


# Frames.


def ethernet(kind: int, payload: bytes, *tags: tuple[int, int], to: int = 1) -> bytes:
    """A frame from the second namespace; tags are (EtherType, number)."""
    addresses = bytes.fromhex((MACS[to] + MACS[2]).replace(":", ""))
    return addresses + b"".join(struct.pack(">HH", *tag) for tag in tags) + struct.pack(">H", kind) + payload


def packet4(protocol: int, payload: bytes, offset: int = 0, options: bytes = b"") -> bytes:
    """An IPv4 packet; `offset` is the fragment's in 8 bytes."""
    words = 5 + len(options) // 4
    length = words * 4 + len(payload)
    head = struct.pack(">BBHHHBBH", 0x40 | words, 0, length, 7, offset, 64, protocol, 0)
    return head + ip_address(ipv4(2)).packed + ip_address(ipv4(1)).packed + options + payload


def packet6(protocol: int, payload: bytes) -> bytes:
    """An IPv6 packet, whose payload may begin with extension headers."""
    ends = ip_address("fe80::2").packed + ip_address("fe80::1").packed
    return struct.pack(">IHBB", 0x60000000, len(payload), protocol, 64) + ends + payload


def tcp(flags: int, source: int = 40000, destination: int = 80, payload: bytes = b"", seq: int = 1000) -> bytes:
    """A TCP segment; its checksum is left out."""
    return struct.pack(">HHIIBBHHH", source, destination, seq, 0, 0x50, flags, 8192, 0, 0) + payload


def udp(source: int, destination: int, payload: bytes = b"x" * 200) -> bytes:
    """A UDP datagram without a checksum."""
    return struct.pack(">HHHH", source, destination, 8 + len(payload), 0) + payload


def arp() -> bytes:
    """A question for an address that nobody has."""
    sender = bytes.fromhex(MACS[2].replace(":", "")) + ip_address(ipv4(2)).packed
    return struct.pack(">HHBBH", 1, 0x0800, 6, 4, 1) + sender + bytes(6) + ip_address(ipv4(9)).packed
