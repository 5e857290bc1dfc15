"""What changes in files of leases tell of devices: who is here, who has left, and what they call themselves."""

from collections.abc import Callable, Iterable, Sequence

from netwatchd.addresses import is_host
from netwatchd.decoders.leases import MOST_LEASES, Lease
from netwatchd.events import Sighting
from netwatchd.sources.lease_file import News

# Milliseconds between two looks at a file; where it was longer, what is new in it is as old as the first of them.
RECENT = 5000
# States in which a lease stands once its client has given it back. ISC dhcpd's goes on to `free` at once. A row of
# Kea's may stay active, and just end earlier than it would have.
_GIVEN_BACK = ("released", "free", "removed", "active")


class Macs:
    """Whose MAC a lease of IPv6 is of.

    A DUID may hold the MAC of another interface of the same machine, or one that it does not have any more (RFC 8415
    section 11). So a MAC counts where a lease of IPv4 has named it, or has named the DUID (RFC 4361) beside one MAC.
    """

    def __init__(self) -> None:
        self._named: set[str] = set()
        self._of_duid: dict[str, str | None] = {}  # None: of several machines, or interfaces

    def learn(self, leases: Iterable[Lease]) -> None:
        """Takes in what leases name together."""
        if len(self._named) + len(self._of_duid) > 4 * MOST_LEASES:
            self._named.clear()
            self._of_duid.clear()
        for lease in leases:
            if lease.mac is None or lease.derived:
                continue
            self._named.add(lease.mac)
            if lease.duid is not None and self._of_duid.setdefault(lease.duid, lease.mac) != lease.mac:
                self._of_duid[lease.duid] = None

    def of(self, lease: Lease) -> str | None:
        """The MAC; None where none is sure."""
        if not lease.derived and lease.mac is not None:
            return lease.mac
        if lease.duid is not None and (known := self._of_duid.get(lease.duid)):
            return known
        return lease.mac if lease.mac in self._named else None


def sightings(
    news: Sequence[News], macs: Macs, leased: Callable[[], set[str]], source: str, now: int
) -> list[Sighting]:
    """What the news tell at `now` (Unix ms); `leased()` says which MACs have a lease now."""
    found = [sighting for each in news if (sighting := _seen(each, macs, source, now))]
    given_back = [macs.of(each.old) for each in news if each.old is not None and _is_given_back(each, now)]
    if given_back:
        here = leased()
        gone = [mac for mac in dict.fromkeys(given_back) if mac is not None and mac not in here]
        found += [Sighting(now, source, mac, online=False) for mac in gone]
    return found


def _seen(news: News, macs: Macs, source: str, now: int) -> Sighting | None:
    lease = news.new
    if lease is None:
        return None
    mac, clues = macs.of(lease), lease.clues()
    is_active = lease.is_active(now)
    is_told = lease.address is not None and is_host(lease.address) and lease.prefix is None
    ips = (lease.address,) if is_told and is_active and lease.address is not None else ()
    if mac is None and not ips:
        return None
    time, alive = _when(news, lease, now)
    # Who has an address of IPv6 that is all we know of shows itself otherwise, with a MAC.
    alive = alive and is_active and (mac is not None or isinstance(lease.address, int))
    return Sighting(time, source, mac, ips, clues=clues, alive=alive) if alive or clues else None


def _when(news: News, lease: Lease, now: int) -> tuple[int, bool]:
    """When the client was last heard of, and whether that is known."""
    if (seen := lease.seen) is not None:
        return min(seen, now), True
    old = news.old
    # dnsmasq may take a name away from a lease, without a word of its client.
    is_renewed = old is None or (old.end, old.mac, old.client_id, old.duid) != (
        lease.end, lease.mac, lease.client_id, lease.duid,
    )  # fmt: skip
    time = now if now - news.since <= RECENT else news.since
    return min(time, now), is_renewed and not news.is_first


def _is_given_back(news: News, now: int) -> bool:
    """Whether a client gave its address back before it had to."""
    old, new = news.old, news.new
    if old is None or not old.is_active(now):
        return False
    if new is None:
        return old.end is not None  # where the end is not known it may have come
    return new.mac in (None, old.mac) and new.state in _GIVEN_BACK and not new.is_active(now)
