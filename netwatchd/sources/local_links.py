"""This machine's interfaces and addresses, as the kernel tells them now."""

import errno
from collections.abc import Iterable

from netwatchd.addresses import Networks
from netwatchd.decoders.interfaces import Link, OwnAddress, read_address, read_link
from netwatchd.decoders.netlink import DUMP, Malformed
from netwatchd.sources.netlink import NetlinkSocket

_GET_LINK, _GET_ADDRESS = 18, 22  # RTM_*
_LINK_LOCAL = b"\xfe\x80"


def own_addresses(dumps: NetlinkSocket) -> tuple[list[Link], list[OwnAddress]]:
    """The interfaces, and their addresses; raises OSError."""
    try:
        # struct ifinfomsg and ifaddrmsg may be zero: all of them.
        links = [read_link(each.data) for each in dumps.ask(_GET_LINK, DUMP, bytes(16))]
        found = [read_address(each.data) for each in dumps.ask(_GET_ADDRESS, DUMP, bytes(8))]
    except Malformed as error:
        raise OSError(errno.EBADMSG, str(error)) from error
    return [each for each in links if each], [each for each in found if each]


def local_interfaces(own: Iterable[OwnAddress], networks: Networks) -> set[int]:
    """The numbers of the interfaces that have an address of these networks.

    A link-local address of IPv6 does not count: it is on every interface, also on that to the provider.
    """
    return {
        each.number
        for each in own
        if each.address in networks and not (isinstance(each.address, bytes) and each.address[:2] == _LINK_LOCAL)
    }
