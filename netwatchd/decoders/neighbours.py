"""Neighbour table and bridge forwarding table messages (linux/neighbour.h, linux/rtnetlink.h) to Sightings.

When was a neighbour last heard of? Below gc_thresh1 the kernel keeps who has left for ever, as REACHABLE or STALE, so
that an entry's mere existence says nothing; its struct nda_cacheinfo tells. What the three ages in it mean
(net/core/neighbour.c, net/bridge/br_fdb.c):

* confirmed: since the neighbour proved that it is reachable (an ARP reply, a solicited neighbour advertisement, TCP
  that gets on). When an entry is created, the kernel sets it 60 s (2 * base_reachable_time) back.
* updated: since the entry's state or MAC changed. Hearing an ARP request or neighbour solicitation makes an entry
  STALE, so for STALE this is when it was heard, **unless** it was a timer that made it STALE: that happens 15 to 45 s
  (0.5 to 1.5 * base_reachable_time) after it was confirmed, and is no sign of life. In DELAY and PROBE it tells when
  *we* began to ask.
* used: since we sent to it, which proves nothing.

In a forwarding table `updated` is when the bridge last saw a frame from the station, and `confirmed` is always 0.
"""

import struct
from typing import NamedTuple

from netwatchd.addresses import Address, address_of_bytes, is_host, is_station, mac_of_bytes
from netwatchd.decoders.netlink import HEADER, Malformed, attributes, fixed
from netwatchd.events import Sighting

NEW_LINK, DEL_LINK, NEW_NEIGHBOUR = 16, 17, 28  # RTM_*
INET, BRIDGE, INET6 = 2, 7, 10  # AF_*
REACHABLE, STALE, DELAY, PROBE, PERMANENT = 0x02, 0x04, 0x08, 0x10, 0x80  # NUD_*

# PERMANENT is what an administrator wrote down: no sign of life but of the time when it was written. In a forwarding
# table it is one of the bridge's own ports. PROBE is we who ask: the answer, if one comes, makes it REACHABLE; and an
# entry that is made to be asked has never been confirmed, though its age would say so.
_TELLING = REACHABLE | STALE | DELAY | PERMANENT
_TELLING_BRIDGE = REACHABLE | STALE

_TICK = 10  # milliseconds: the ages are in USER_HZ, which is 100 everywhere
_TIMER_AFTER = 5000  # ticks: more than the 45 s after which the timer made it STALE, less than the 60 s of a new one

# struct ndmsg { __u8 family; __u8 pad1; __u16 pad2; __s32 ifindex; __u16 state; __u8 flags; __u8 type; };
_NDMSG = struct.Struct("=BxxxiHBB")
# struct nda_cacheinfo { __u32 confirmed; __u32 used; __u32 updated; __u32 refcnt; };
_CACHEINFO = struct.Struct("=IIII")
# struct ifinfomsg { unsigned char family; unsigned char pad; __u16 type; int index; __u32 flags; __u32 change; };
_IFINFOMSG = struct.Struct("=BxHiII")
_IFNAME = 3  # IFLA_IFNAME
_DST, _LLADDR, _INFO = 1, 2, 3  # NDA_*


class Neighbour(NamedTuple):
    """One entry of a neighbour table, or of a bridge's forwarding table (family BRIDGE)."""

    family: int
    interface: int  # its index
    state: int
    mac: str | None  # None while it is not resolved, or where it is no 6 bytes
    ip: Address | None
    confirmed: int | None  # ages in ticks of 10 ms; None where the kernel tells none
    updated: int | None

    @property
    def silent(self) -> int:
        """Milliseconds since the neighbour was last heard of, as the kernel knows."""
        if self.updated is None or self.confirmed is None:
            return 0
        if self.family == BRIDGE:
            return self.updated * _TICK
        heard_by_request = self.state == STALE and self.confirmed - self.updated > _TIMER_AFTER
        return (self.updated if heard_by_request else self.confirmed) * _TICK


def decode_neighbour(message: bytes) -> Neighbour:
    """The entry in one whole message of type NEW_NEIGHBOUR; raises Malformed."""
    family, interface, state, _, _ = fixed(_NDMSG, message)
    mac = ip = confirmed = updated = None
    for kind, start, end in attributes(message, HEADER.size + _NDMSG.size, len(message)):
        if kind == _DST and family != BRIDGE:  # in a forwarding table it is the far end of a tunnel
            if end - start not in (4, 16):
                raise Malformed(f"a neighbour with an address of {end - start} bytes")
            ip = address_of_bytes(message[start:end])
        elif kind == _LLADDR and end - start == 6:
            mac = mac_of_bytes(message[start:end])
        elif kind == _INFO:
            if end - start < _CACHEINFO.size:
                raise Malformed(f"a neighbour with cache information of {end - start} bytes")
            confirmed, _, updated, _ = _CACHEINFO.unpack_from(message, start)
    return Neighbour(family, interface, state, mac, ip, confirmed, updated)


def decode_link(message: bytes) -> tuple[int, str | None]:
    """(index, name) of the interface in one whole message of type NEW_LINK or DEL_LINK; raises Malformed."""
    index = fixed(_IFINFOMSG, message)[2]
    for kind, start, end in attributes(message, HEADER.size + _IFINFOMSG.size, len(message)):
        if kind == _IFNAME:
            return index, message[start:end].rstrip(b"\0").decode(errors="replace")
    return index, None


def sighting_of(neighbour: Neighbour, now: int, interface: str | None) -> Sighting | None:
    """What the entry tells of a device at `now`; None where it tells nothing."""
    bridged = neighbour.family == BRIDGE
    if not neighbour.state & (_TELLING_BRIDGE if bridged else _TELLING):
        return None
    if neighbour.mac is None or not is_station(neighbour.mac):
        return None
    if not bridged and (neighbour.ip is None or not is_host(neighbour.ip)):
        return None
    ips = () if neighbour.ip is None else (neighbour.ip,)
    return Sighting(max(0, now - neighbour.silent), "neighbours", neighbour.mac, ips, interface=interface)
