"""Interfaces and routes as rtnetlink(7) tells them (linux/if_link.h, linux/rtnetlink.h), and the probe of a neighbour.

A neighbour entry that is set to NUD_PROBE is asked by the kernel at once, at the MAC that it has: an ARP request (RFC
826) or a neighbour solicitation (RFC 4861 section 7.2.2) to that station alone, not to all. It is asked once where it
answers, and then becomes REACHABLE; after `ucast_solicit` questions (3, a second apart) without one it is FAILED.
"""

import struct
from typing import NamedTuple

from netwatchd.addresses import Address, address_of_bytes
from netwatchd.decoders.neighbours import INET, INET6, PROBE
from netwatchd.decoders.netlink import HEADER, attribute, attributes, fixed

# struct ndmsg, ifinfomsg: see `neighbours`.
_NDMSG = struct.Struct("=BxxxiHBB")
_IFINFOMSG = struct.Struct("=BxHiII")
# struct rtmsg { unsigned char family, dst_len, src_len, tos, table, protocol, scope, type; unsigned flags; };
_RTMSG = struct.Struct("=BBBBBBBBI")

_DST, _LLADDR = 1, 2  # NDA_*
_IFNAME, _MASTER, _LINKINFO, _INFO_KIND = 3, 10, 18, 1  # IFLA_*
_ROUTE_DST, _OIF, _GATEWAY, _VIA = 1, 4, 5, 18  # RTA_*
_UNICAST = 1  # RTN_*
_UP, _LOWER_UP = 0x1, 0x10000  # IFF_*


class Question(NamedTuple):
    """Somebody wants to know whether a device is still here: it is asked at one of its addresses."""

    device: str  # its key
    mac: str
    ips: tuple[Address, ...]  # the first of them that can be asked, is; not empty


class Interface(NamedTuple):
    """One network interface, and whether it can hear anything."""

    name: str
    up: bool  # it was switched on
    carrier: bool  # its cable is plugged in, it is associated, ...
    bridge: bool  # a bridge, or one of a bridge's ports
    port: bool = False  # it belongs to another one, such as a bridge

    @property
    def deaf(self) -> bool:
        """Whether silence on it proves nothing.

        It does where it is switched off. Without a carrier either this machine or the other end was unplugged. With a
        bridge this machine is the middle of its network: who is behind a dead port has left it.
        """
        return not self.up or not (self.carrier or self.bridge)


def decode_interface(message: bytes) -> Interface:
    """The interface in one whole message of type RTM_NEWLINK; raises Malformed."""
    flags = fixed(_IFINFOMSG, message)[3]
    name, bridge, port = "", False, False
    for kind, start, end in attributes(message, HEADER.size + _IFINFOMSG.size, len(message)):
        if kind == _IFNAME:
            name = message[start:end].rstrip(b"\0").decode(errors="replace")
        elif kind == _MASTER:
            bridge = port = True
        elif kind == _LINKINFO:
            for inner, at, to in attributes(message, start, end):
                bridge |= inner == _INFO_KIND and message[at:to].rstrip(b"\0") == b"bridge"
    return Interface(name, bool(flags & _UP), bool(flags & _LOWER_UP), bridge, port)


def route_request(ip: Address) -> bytes:
    """The payload of RTM_GETROUTE that asks how an address is reached."""
    packed = _packed(ip)
    return _RTMSG.pack(_family(ip), len(packed) * 8, 0, 0, 0, 0, 0, 0, 0) + attribute(_ROUTE_DST, packed)


def link_of_route(message: bytes) -> int | None:
    """The index of the interface behind which the address lies itself; None where it is beyond a router, or ours.

    `message` is one whole message of type RTM_NEWROUTE; raises Malformed.
    """
    if fixed(_RTMSG, message)[7] != _UNICAST:
        return None
    index = None
    for kind, start, end in attributes(message, HEADER.size + _RTMSG.size, len(message)):
        if kind in (_GATEWAY, _VIA):
            return None
        if kind == _OIF and end - start == 4:
            index = int(struct.unpack_from("=I", message, start)[0])
    return index


def way_of_route(message: bytes) -> tuple[Address, int] | None:
    """The router by which an address is reached, and the index of the interface; None where there is none on the way.

    `message` is one whole message of type RTM_NEWROUTE; raises Malformed.
    """
    fixed(_RTMSG, message)
    gateway, index = None, None
    for kind, start, end in attributes(message, HEADER.size + _RTMSG.size, len(message)):
        if kind == _GATEWAY and end - start in (4, 16):
            gateway = address_of_bytes(message[start:end])
        elif kind == _OIF and end - start == 4:
            index = int(struct.unpack_from("=I", message, start)[0])
    return None if gateway is None or index is None else (gateway, index)


def probe_request(interface: int, ip: Address, mac: str) -> bytes:
    """The payload of RTM_NEWNEIGH that has a neighbour asked; `interface` is an index."""
    fixed = _NDMSG.pack(_family(ip), interface, PROBE, 0, 0)
    return fixed + attribute(_DST, _packed(ip)) + attribute(_LLADDR, bytes.fromhex(mac.replace(":", "")))


def _family(ip: Address) -> int:
    return INET if isinstance(ip, int) else INET6


def _packed(ip: Address) -> bytes:
    return ip.to_bytes(4, "big") if isinstance(ip, int) else ip
