"""Which addresses belong here, and which to the world."""

from netwatchd.addresses import Address
from netwatchd.detectors import Home


def is_here(home: Home, address: Address) -> bool:
    """Whether the address is one of this site.

    By IPv4 its networks say so: a router's neighbours on the side of the provider are known as devices, too. By IPv6
    devices have addresses of the world, so that it counts who is known.
    """
    if address in home.networks or home.is_outer(address):
        return True
    return isinstance(address, bytes) and home.owner(address) is not None
