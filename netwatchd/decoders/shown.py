"""Which MAC says by ARP or ND that it has which address, and where two say so in turn.

Of nearly all addresses the same MAC says so for ever: that costs a look into a table and is told once. What is said of
an address that two MACs have claimed within CONTESTED is told each time, once a second at most, and so is what these
two say of other addresses: it decides who of them is who (`detectors.spoof`).
"""

from netwatchd.addresses import Address, mac_of_bytes
from netwatchd.observations import AddressShown

# Who is there renews what its neighbours know of it within a minute or two.
CONTESTED = 300_000  # milliseconds
OFTEN = 1000  # milliseconds, between two that are told of the same MAC and address
# After so many it begins anew: who makes up addresses must not fill the memory.
MOST_SHOWN, MOST_CONTESTED = 16_384, 4096


class Shown:
    """What was said so far. Times are Unix ms."""

    def __init__(self) -> None:
        self._owners: dict[Address, tuple[bytes, int]] = {}
        self._contested: dict[Address, int] = {}  # until when
        self._parties: dict[bytes, int] = {}  # the same of the MACs that claim such addresses
        self._told: dict[tuple[bytes, Address], int] = {}

    def see(self, time: int, mac: bytes, address: Address) -> tuple[bytes | None, int] | None:
        """A MAC says that it has the address; None where that need not be told.

        Else another MAC that said so last, and when, or (None, 0).
        """
        owners = self._owners
        owner, heard = owners.get(address, (None, 0))
        if owner is None and len(owners) >= MOST_SHOWN:
            owners.clear()
        owners[address] = mac, time
        if owner is None:
            return None, 0
        if owner != mac:
            self._contest(time, owner, mac, address)
            return owner, heard
        if not self._contested or not self._concerns(time, mac, address):
            return None
        if 0 <= time - self._told.get((mac, address), -OFTEN) < OFTEN:
            return None
        self._note(time, mac, address)
        return None, 0

    def said(
        self, time: int, source: str, interface: str | None, mac: bytes, address: Address
    ) -> AddressShown | None:  # fmt: skip
        """The same as it is told."""
        other = self.see(time, mac, address)
        if other is None:
            return None
        before = mac_of_bytes(other[0]) if other[0] else None
        return AddressShown(time, source, mac_of_bytes(mac), address, before, other[1], interface)

    def _contest(self, time: int, owner: bytes, mac: bytes, address: Address) -> None:
        for table in (self._contested, self._parties):
            if len(table) >= MOST_CONTESTED:
                table.clear()
        self._contested[address] = self._parties[owner] = self._parties[mac] = time + CONTESTED
        self._note(time, mac, address)

    def _concerns(self, time: int, mac: bytes, address: Address) -> bool:
        if time < self._contested.get(address, 0) or time < self._parties.get(mac, 0):
            return True
        if self._contested.get(address) is not None:
            del self._contested[address]
        return False

    def _note(self, time: int, mac: bytes, address: Address) -> None:
        if len(self._told) >= MOST_CONTESTED:
            self._told.clear()
        self._told[mac, address] = time


class Crowd:
    """Which clients of DHCP are told of as devices, where nothing but their own question shows them.

    Who makes up clients to starve a server makes up thousands within a minute: of those only some become devices. A
    real one that is not believed at once is when it repeats itself, or shows the address that it was given.
    """

    MOST_NEW, WITHIN = 200, 60_000  # so many in so many milliseconds: a household has some dozens in all

    def __init__(self) -> None:
        self.refused = 0
        self._known: dict[bytes, None] = {}
        self._since, self._new = 0, 0

    def admits(self, time: int, mac: bytes) -> bool:
        """Whether a client is told of."""
        if mac in self._known:
            return True
        if not 0 <= time - self._since < self.WITHIN:
            self._since, self._new = time, 0
        if self._new >= self.MOST_NEW:
            self.refused += 1
            return False
        if len(self._known) >= MOST_SHOWN:
            self._known.clear()
        self._new += 1
        self._known[mac] = None
        return True
