"""Which interface packets are captured from, where nobody said."""

import socket
from pathlib import Path

# A thread sees the routes of its own network namespace there.
_ROUTES = Path("/proc/thread-self/net/route")
_ROUTES6 = Path("/proc/thread-self/net/ipv6_route")
# The bridge of the local network, as OpenWrt and most others name it.
_BRIDGES = ("br-lan", "br0")
_UP = 0x0001  # RTF_UP
_REJECT = 0x0200  # RTF_REJECT


def local_interface() -> str | None:
    """The local network's bridge, else the interface of the default route; None where there is neither."""
    present = {name for _, name in socket.if_nameindex()}
    bridge = next((name for name in _BRIDGES if name in present), None)
    return bridge or default_interface(_text(_ROUTES), _text(_ROUTES6))


def default_interface(routes: str, routes6: str) -> str | None:
    """The interface of the default route, of IPv4 or else of IPv6, in the kernel's tables /proc/net/{route,ipv6_route}.

    Of several, the one with the lowest metric.
    """
    found = []
    for line in routes.splitlines()[1:]:
        # Iface Destination Gateway Flags RefCnt Use Metric Mask ...
        fields = line.split()
        if len(fields) > 7 and fields[1] == fields[7] == "00000000" and _leads_on(fields[3]):
            found.append((4, int(fields[6]), fields[0]))
    for line in routes6.splitlines():
        # destination, its prefix length, source, its prefix length, next hop, metric, references, use, flags, interface
        fields = line.split()
        if len(fields) > 9 and fields[:2] == ["0" * 32, "00"] and _leads_on(fields[8]) and fields[9] != "lo":
            found.append((6, int(fields[5], 16), fields[9]))
    return min(found)[2] if found else None


def _leads_on(flags: str) -> bool:
    return int(flags, 16) & (_UP | _REJECT) == _UP


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""  # without IPv6 there is no such file
