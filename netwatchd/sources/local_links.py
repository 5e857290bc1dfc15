"""This machine's interfaces and addresses, as the kernel tells them now."""

import errno

from netwatchd.decoders.interfaces import Link, OwnAddress, read_address, read_link
from netwatchd.decoders.netlink import DUMP, Malformed
from netwatchd.sources.netlink import NetlinkSocket

LINK_LOCAL = b"\xfe\x80"  # such an address of IPv6 is on every interface, also on that to the provider

_GET_LINK, _GET_ADDRESS = 18, 22  # RTM_*


def own_addresses(dumps: NetlinkSocket) -> tuple[list[Link], list[OwnAddress]]:
    """The interfaces, and their addresses; raises OSError."""
    try:
        # struct ifinfomsg and ifaddrmsg may be zero: all of them.
        links = [read_link(each.data) for each in dumps.ask(_GET_LINK, DUMP, bytes(16))]
        found = [read_address(each.data) for each in dumps.ask(_GET_ADDRESS, DUMP, bytes(8))]
    except Malformed as error:
        raise OSError(errno.EBADMSG, str(error)) from error
    return [each for each in links if each], [each for each in found if each]
