"""Masses of distinct flows as exporters send them, made once and sent again and again with other ports.

A Mass holds some thousand datagrams. Each time round, the high byte of every client's port is another one, so that a
flow comes again only after ROUNDS times round; one slice assignment does it for a whole datagram. Two hundred devices
in 192.168.0.0/22 talk to a few thousand servers, of which a few have most of the flows; packets are distributed with
a long tail. A paired mass has both halves of each flow: of most side by side, of every fourth in another datagram, at
most APART datagrams before or after the first half. An unpaired one has only what the devices sent.
"""

import random
import struct
from collections.abc import Callable, Iterator
from typing import NamedTuple

from exporters import V5_RECORD, Template, template_set

ROUNDS = 110  # high bytes of ports between 32768 and 60927, which Linux gives to clients
APART = 64  # datagrams: 10 ms at 200,000 flows a second
RECORDS = {5: 30, 9: 26, 10: 26}  # what fits into an Ethernet frame
DEVICES, SERVERS = 200, 4000
UPTIME = 3 * 86_400_000  # of the exporter when the mass is made
_SERVICES = ((443, 6, 55), (443, 17, 20), (53, 17, 15), (80, 6, 5), (993, 6, 3), (22, 6, 1), (123, 17, 1))

V9_TEMPLATE = Template(
    256,
    "sourceIPv4Address destinationIPv4Address ipNextHopIPv4Address octetDeltaCount/8 packetDeltaCount/8 "
    "flowEndSysUpTime flowStartSysUpTime ingressInterface egressInterface sourceTransportPort destinationTransportPort "
    "protocolIdentifier ipClassOfService tcpControlBits flowDirection",
)
IPFIX_TEMPLATE = Template(
    256,
    "sourceIPv4Address destinationIPv4Address octetDeltaCount/8 packetDeltaCount/8 "
    "flowStartMilliseconds flowEndMilliseconds ingressInterface egressInterface sourceTransportPort "
    "destinationTransportPort protocolIdentifier ipClassOfService tcpControlBits",
)
_V9_RECORD = struct.Struct("!IIIQQIIIIHHBBBB")
_IPFIX_RECORD = struct.Struct("!IIQQQQIIHHBBB")


class Half(NamedTuple):
    """One direction of a flow, with times as milliseconds before the mass was made."""

    src: int
    src_port: int
    dst: int
    dst_port: int
    protocol: int
    packets: int
    octets: int
    began: int
    ended: int
    flags: int
    outward: bool  # from the device

    @property
    def interfaces(self) -> tuple[int, int]:
        """By which it came in, and went out."""
        return (2, 1) if self.outward else (1, 2)


class Mass:
    """`count` datagrams of the version 5, 9 or 10, made at `now`, with the sums of what they carry."""

    def __init__(self, version: int, *, paired: bool, now: int, count: int = 4096, domain: int = 0) -> None:
        self.version = version
        self.paired = paired
        self.per_datagram = RECORDS[version]
        self.domain = domain
        self._booted = now - UPTIME
        self._told = 0  # datagrams with templates
        halves = _halves(count, self.per_datagram, paired, random.Random(f"{version} {paired} {domain}"))
        records, size = _RECORDS[version](halves, now), _SIZES[version]
        head = self._head(size)
        step = self.per_datagram
        self.datagrams = [bytearray(head + b"".join(records[at : at + step])) for at in range(0, len(records), step)]
        self.octets = [sum(half.octets for half in halves[at : at + step]) for at in range(0, len(halves), step)]
        self.packets = [sum(half.packets for half in halves[at : at + step]) for at in range(0, len(halves), step)]
        source, target = _PORTS[version]
        # The bytes of each datagram that are the high bytes of clients' ports.
        inward = (slice(len(head) + size + target, None, 2 * size),) if paired else ()
        outward = slice(len(head) + source, None, 2 * size if paired else size)
        self._high = (outward, *inward)
        self._fill = step // len(self._high)

    def templates(self, now: int, first: int) -> bytes:
        """The datagram with the template (none in v5) to be sent before the one of the number `first`."""
        if self.version == 5:
            return b""
        packed = template_set(self.version, V9_TEMPLATE if self.version == 9 else IPFIX_TEMPLATE).packed()
        made = self._header(now, first * self._step + self._told, len(packed), 1) + packed
        # Version 9 counts this datagram too; IPFIX counts data records only.
        self._told += self.version == 9
        return made

    def take(self, first: int, count: int, now: int) -> Iterator[bytearray]:
        """The datagrams from the number `first` on, dated `now`; each is valid until the next is asked for."""
        size, step, told = len(self.datagrams), self._step, self._told
        pack, offset, fixed = self._stamp(now)
        for number in range(first, first + count):
            times, at = divmod(number, size)
            datagram = self.datagrams[at]
            high = bytes((128 + times % ROUNDS,)) * self._fill
            for places in self._high:
                datagram[places] = high
            pack(datagram, offset, *fixed, (number * step + told) % 2**32)
            yield datagram

    def sums(self, count: int) -> tuple[int, int, int]:
        """Halves of flows, bytes and packets in the first `count` datagrams."""
        times, rest = divmod(count, len(self.datagrams))
        octets, packets = (sum(each) * times + sum(each[:rest]) for each in (self.octets, self.packets))
        return count * self.per_datagram, octets, packets

    @property
    def _step(self) -> int:
        # What one datagram adds to the sequence number: in v9 they are counted, elsewhere the flows in them.
        return 1 if self.version == 9 else self.per_datagram

    def _uptime(self, now: int) -> int:
        return (now - self._booted) % 2**32

    def _stamp(self, now: int) -> tuple[Callable[..., None], int, tuple[int, ...]]:
        """What writes times and sequence number into a header, where, and the times."""
        if self.version == 5:
            return struct.Struct("!IIII").pack_into, 4, (self._uptime(now), now // 1000, now % 1000 * 1_000_000)
        if self.version == 9:
            return struct.Struct("!III").pack_into, 4, (self._uptime(now), now // 1000)
        return struct.Struct("!II").pack_into, 4, (now // 1000,)

    def _header(self, now: int, sequence: int, size: int, records: int) -> bytes:
        if self.version == 5:
            times = (self._uptime(now), now // 1000, now % 1000 * 1_000_000)
            return struct.pack("!HHIIIIBBH", 5, records, *times, sequence, 0, self.domain, 0)
        if self.version == 9:
            return struct.pack("!HHIIII", 9, records, self._uptime(now), now // 1000, sequence, self.domain)
        return struct.pack("!HHIII", 10, 16 + size, now // 1000, sequence, self.domain)

    def _head(self, size: int) -> bytes:
        """The header, and that of the only set."""
        if self.version == 5:
            return self._header(0, 0, 0, self.per_datagram)
        length = 4 + size * self.per_datagram
        return self._header(0, 0, length, self.per_datagram) + struct.pack("!HH", 256, length)


def _halves(count: int, per_datagram: int, paired: bool, chance: random.Random) -> list[Half]:
    """The flows for `count` datagrams; if paired, what devices sent has the even places, and the answers the odd."""
    servers = [_public(chance) for _ in range(SERVERS)]
    seen: set[tuple[int, ...]] = set()
    outward: list[Half] = []
    while len(outward) < count * per_datagram // (2 if paired else 1):
        half = _outward(servers, chance)
        # The high byte of the port changes all the time, and does not tell flows apart.
        key = (half.src, half.src_port & 255, half.dst, half.dst_port, half.protocol)
        if key not in seen:
            seen.add(key)
            outward.append(half)
    if not paired:
        return outward
    inward = [_answer(half, chance) for half in outward]
    _move_apart(inward, APART * per_datagram // 2, chance)
    return [half for pair in zip(outward, inward, strict=True) for half in pair]


def _move_apart(inward: list[Half], window: int, chance: random.Random) -> None:
    """Puts every fourth answer elsewhere within its window."""
    for begin in range(0, len(inward), window):
        places = [at for at in range(begin, min(begin + window, len(inward))) if chance.random() < 0.25]
        moved = [inward[at] for at in chance.sample(places, len(places))]
        for at, half in zip(places, moved, strict=True):
            inward[at] = half


def _public(chance: random.Random) -> int:
    while True:
        address = chance.randrange(1 << 24, 224 << 24)
        # Not those that stand for devices, this machine or a private network.
        if address >> 24 not in (10, 100, 127, 169, 172, 192, 198):
            return address


def _outward(servers: list[int], chance: random.Random) -> Half:
    device = 0xC0A80000 + 2 + chance.randrange(DEVICES) * 5
    server = servers[int(len(servers) * chance.random() ** 3)]
    port, protocol, _ = chance.choices(_SERVICES, _WEIGHTS)[0]
    packets = 1 if port in (53, 123) else min(int(chance.paretovariate(1.1)) + 2, 1_000_000)
    octets = packets * chance.randint(40, 400)
    ended = chance.randrange(1, 15_000)
    began = ended + int(min(packets * chance.expovariate(1 / 200), 1_800_000))
    flags = 0x1B if protocol == 6 else 0  # FIN, SYN, PSH, ACK
    client = chance.randrange(32768, 60928)
    return Half(device, client, server, port, protocol, packets, octets, began, ended, flags, True)


def _answer(half: Half, chance: random.Random) -> Half:
    packets = max(int(half.packets * chance.uniform(0.5, 2)), 1)
    octets = packets * chance.randint(60, 1400)
    sides = (half.dst, half.dst_port, half.src, half.src_port)
    began = max(half.began - half.began // 100, half.ended)
    return Half(*sides, half.protocol, packets, octets, began, half.ended, half.flags, False)


def _v5_records(halves: list[Half], now: int) -> list[bytes]:
    pack = V5_RECORD.pack
    return [
        pack(
            h.src, h.dst, 0, *h.interfaces, h.packets, h.octets, UPTIME - h.began, UPTIME - h.ended,
            h.src_port, h.dst_port, 0, h.flags, h.protocol, 0, 0, 0, 0, 0, 0,
        )
        for h in halves
    ]  # fmt: skip


def _v9_records(halves: list[Half], now: int) -> list[bytes]:
    pack = _V9_RECORD.pack
    return [
        pack(
            h.src, h.dst, 0, h.octets, h.packets, UPTIME - h.ended, UPTIME - h.began, *h.interfaces,
            h.src_port, h.dst_port, h.protocol, 0, h.flags, 0,
        )
        for h in halves
    ]  # fmt: skip


def _ipfix_records(halves: list[Half], now: int) -> list[bytes]:
    pack = _IPFIX_RECORD.pack
    return [
        pack(
            h.src, h.dst, h.octets, h.packets, now - h.began, now - h.ended, *h.interfaces,
            h.src_port, h.dst_port, h.protocol, 0, h.flags,
        )
        for h in halves
    ]  # fmt: skip


_WEIGHTS = [weight for _, _, weight in _SERVICES]
_RECORDS = {5: _v5_records, 9: _v9_records, 10: _ipfix_records}
_SIZES = {5: V5_RECORD.size, 9: _V9_RECORD.size, 10: _IPFIX_RECORD.size}
_PORTS = {5: (32, 34), 9: (44, 46), 10: (48, 50)}  # where in a record the high bytes of both ports are
