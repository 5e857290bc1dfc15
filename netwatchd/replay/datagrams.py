"""UDP payloads: out of the packets of a capture, or out of a file that holds nothing else."""

import struct
from collections import OrderedDict
from collections.abc import Iterator
from mmap import mmap
from typing import NamedTuple

from netwatchd.addresses import Address, address_of_bytes
from netwatchd.decoders.links import IPV4, Buffer, Skipped, frame_of
from netwatchd.decoders.packets import UDP, Packet, packet_of

# Datagrams whose fragments have not all come; those of one come within milliseconds. With 64 KiB at most in each, a
# liar gets 16 MB.
MOST_FRAGMENTED = 256

MOST_BYTES = 65_535  # of a datagram: its length has 16 bits

_FRAGMENT = struct.Struct("!H").unpack_from
_UDP_HEADER = 8


class Datagram(NamedTuple):
    """What one host sent to another: who, and what."""

    sender: Address
    payload: bytes


class Datagrams:
    """Reads packets, and puts datagrams together again that came in fragments (of IPv4)."""

    def __init__(self) -> None:
        self._fragments: OrderedDict[bytes, dict[int, bytes]] = OrderedDict()  # -> pieces by their offset
        self._whole: dict[bytes, int] = {}  # how long those are whose last fragment has come

    def of(self, link_type: int, data: Buffer, length: int) -> Datagram | None:
        """The datagram that a packet is or completes; None where it is a fragment; raises Skipped."""
        frame = frame_of(link_type, data)
        packet = packet_of(frame, data, length)
        if packet.protocol != UDP:
            raise Skipped("not_udp")
        if packet.fragment is None:
            return self._read(packet, data[packet.transport : frame.at + packet.length])
        if frame.kind != IPV4:
            raise Skipped("fragment")
        header = (data[frame.at] & 15) * 4
        (field,) = _FRAGMENT(data, frame.at + 6)
        piece = bytes(data[frame.at + header : frame.at + packet.length])
        whole = self._put(packet, (field & 0x1FFF) * 8, piece, more=bool(field & 0x2000))
        return None if whole is None else self._read(packet, whole)

    def _read(self, packet: Packet, data: Buffer) -> Datagram:
        """RFC 768: ports, length, checksum, payload."""
        if len(data) < _UDP_HEADER:
            raise Skipped("short")
        (told,) = _FRAGMENT(data, 4)
        if told > len(data):
            raise Skipped("cut")  # by the snap length of whoever captured it
        return Datagram(address_of_bytes(packet.source), bytes(data[_UDP_HEADER : told or None]))

    def _put(self, packet: Packet, offset: int, piece: bytes, *, more: bool) -> bytes | None:
        """RFC 791, section 3.2: the whole datagram, once its last piece has come."""
        key = packet.source + packet.destination + (packet.fragment or b"")
        pieces = self._fragments.setdefault(key, {})
        pieces[offset] = piece
        if not more:
            self._whole[key] = offset + len(piece)
        if len(self._fragments) > MOST_FRAGMENTED:
            self._forget(next(iter(self._fragments)))
        length = self._whole.get(key)
        if length is None or sum(map(len, pieces.values())) < length:
            return None
        self._forget(key)
        whole = b"".join(pieces[at] for at in sorted(pieces))
        if len(whole) != length:
            raise Skipped("fragment")  # they overlap
        return whole

    def _forget(self, key: bytes) -> None:
        self._fragments.pop(key, None)
        self._whole.pop(key, None)


def split(data: bytes | mmap) -> Iterator[bytes]:
    """The datagrams of exporters that lie one behind the other in a file; what cannot be told apart comes as one."""
    at = 0
    while at < len(data):
        end = min(at + max(_length(data, at), 4), at + MOST_BYTES, len(data))
        yield data[at:end]
        at = end


def is_export(datagram: bytes) -> bool:
    """Whether a datagram looks like NetFlow v5 or v9, IPFIX or sFlow v5."""
    if len(datagram) < 20:
        return False
    if datagram[:2] == b"\0\0":  # sFlow: the version, and what kind of address the agent has
        return datagram[3] == 5 and datagram[4:7] == b"\0\0\0" and datagram[7] in (1, 2)
    return datagram[0] == 0 and datagram[1] in (5, 9, 10) and _length(datagram, 0) == len(datagram)


def time_of(datagram: bytes) -> int | None:
    """When the exporter says that it sent a datagram (Unix ms); None where it does not say."""
    version = int.from_bytes(datagram[:2], "big")
    at = {1: 8, 5: 8, 7: 8, 9: 8, 10: 4}.get(version)
    if at is None or len(datagram) < at + 4:
        return None
    return int.from_bytes(datagram[at : at + 4], "big") * 1000


def _length(data: bytes | mmap, at: int) -> int:
    """How long the datagram is that begins there."""
    version, count = int.from_bytes(data[at : at + 2], "big"), int.from_bytes(data[at + 2 : at + 4], "big")
    if version == 5:
        return 24 + 48 * count
    if version == 10:  # RFC 7011, section 3.1: the second field is the length
        return count
    return _length_of_v9(data, at) if version == 9 else len(data) - at


def _length_of_v9(data: bytes | mmap, at: int) -> int:
    """RFC 3954 counts records, and nothing says the length: sets follow until one would have the number 9 or 2 to 255.

    Sets 0 and 1 are templates, those from 256 on are data; 9 is the version of the next datagram.
    """
    end = at + 20
    while end + 4 <= min(len(data), at + MOST_BYTES):
        number, length = int.from_bytes(data[end : end + 2], "big"), int.from_bytes(data[end + 2 : end + 4], "big")
        if 1 < number < 256 or length < 4:
            break
        end += length
    return end - at
