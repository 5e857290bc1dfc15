"""This machine's interfaces and their addresses in messages of rtnetlink(7) (linux/rtnetlink.h, linux/if_addr.h)."""

import struct
from typing import NamedTuple

from netwatchd.addresses import Address, address_of_bytes
from netwatchd.decoders.neighbours import decode_link
from netwatchd.decoders.netlink import HEADER, Malformed, attributes

UP, MULTICAST = 0x1, 0x1000  # IFF_*

# struct ifinfomsg { unsigned char family, pad; __u16 type; int index; __u32 flags; __u32 change; };
_IFINFOMSG = struct.Struct("=BxHiII")
# struct ifaddrmsg { __u8 family, prefixlen, flags, scope; __u32 index; };
_IFADDRMSG = struct.Struct("=BBBBI")
_LINK_ADDRESS = 1  # IFLA_ADDRESS
_ADDRESS, _LOCAL = 1, 2  # IFA_*: on a line to one other host, ADDRESS is the other's


class Link(NamedTuple):
    """An interface."""

    number: int  # that the kernel knows it by
    name: str
    flags: int  # IFF_*


class OwnAddress(NamedTuple):
    """An address of an interface, and how many of its bits are the network's."""

    number: int  # of the interface
    address: Address
    prefix: int

    def reaches(self, other: Address) -> bool:
        """Whether the other address is on the same network."""
        if isinstance(self.address, int) and isinstance(other, int):
            return (self.address ^ other) >> (32 - self.prefix) == 0
        if isinstance(self.address, bytes) and isinstance(other, bytes):
            return (int.from_bytes(self.address, "big") ^ int.from_bytes(other, "big")) >> (128 - self.prefix) == 0
        return False


def read_link(message: bytes) -> Link | None:
    """The interface in one whole message of type RTM_NEWLINK; None where it has no name; raises Malformed."""
    index, name = decode_link(message)
    flags = _IFINFOMSG.unpack_from(message, HEADER.size)[3]
    return Link(index, name, flags) if name else None


def mac_of_link(message: bytes) -> tuple[int, bytes] | None:
    """Number and MAC of the interface in one whole message of type RTM_NEWLINK; None where it has none."""
    index, _ = decode_link(message)
    for kind, start, end in attributes(message, HEADER.size + _IFINFOMSG.size, len(message)):
        if kind == _LINK_ADDRESS and end - start == 6 and any(message[start:end]):
            return index, bytes(message[start:end])
    return None


def read_address(message: bytes) -> OwnAddress | None:
    """The address in one whole message of type RTM_NEWADDR; None where it holds none; raises Malformed."""
    if len(message) < HEADER.size + _IFADDRMSG.size:
        raise Malformed(f"an address message of {len(message)} bytes")
    _, prefix, _, _, index = _IFADDRMSG.unpack_from(message, HEADER.size)
    found = {
        kind: message[start:end]
        for kind, start, end in attributes(message, HEADER.size + _IFADDRMSG.size, len(message))
        if kind in (_ADDRESS, _LOCAL) and end - start in (4, 16)
    }
    own = found.get(_LOCAL) or found.get(_ADDRESS)
    if own is None or prefix > 8 * len(own):
        return None
    return OwnAddress(index, address_of_bytes(own), prefix)
