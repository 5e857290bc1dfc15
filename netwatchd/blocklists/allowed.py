"""What is never told, whatever a list says, and why. Asked only of what a list has."""

from collections.abc import Iterable, Mapping

from netwatchd.addresses import Address, Networks
from netwatchd.blocklists.shared import NAMES, networks_with_reasons
from netwatchd.blocklists.table import Table, hash_of, suffixes
from netwatchd.decoders.lists.entry import Entry, entry_text

_BUILT_IN = networks_with_reasons()
_NONE = Networks(())


class Allowance:
    """The allow-lists: built in, of this machine, and of the user."""

    def __init__(
        self,
        networks: Networks = _NONE,
        names: Iterable[str] = (),
        own: Networks = _NONE,
        here: Mapping[Address, str] | None = None,
        tables: Iterable[tuple[str, Table]] = (),
    ) -> None:
        """`networks` and `names` are those of [blocklists] allow, `tables` its files, `own` the networks here."""
        self._networks = [(networks, "allow of [blocklists]"), (own, "networks of [devices]"), *_BUILT_IN]
        self._names = frozenset(names)
        self._here = dict(here or {})
        self._tables = list(tables)

    def address(self, address: Address) -> str | None:
        """Why the address is allowed; None where it is not."""
        if isinstance(address, bytes) and address[:12] == b"\0" * 10 + b"\xff\xff":
            address = int.from_bytes(address[12:], "big")  # an address of IPv4 in IPv6 (RFC 4291)
        if why := self._here.get(address):
            return why
        for networks, why in self._networks:
            if address in networks:
                return why
        for path, table in self._tables:
            if entry := table.address(address):
                return f"{entry_text(entry)} of {path}"
        return None

    def name(self, name: str, entry: Entry, key: bytes) -> str | None:
        """Why a name is allowed that `entry` of a list covers; None where it is not."""
        assert isinstance(entry.value, str)
        for each in suffixes(name):
            if each in self._names:
                return f"{each} in allow of [blocklists]"
        if name.rpartition(".")[2] in self._names:
            return "allow of [blocklists]"
        if entry.value in NAMES:
            return f"{entry.value} is shared by many"
        hashes = [(each, hash_of(each, key)) for each in suffixes(name)]
        for path, table in self._tables:
            if found := table.name(hashes):
                return f"{entry_text(found)} of {path}"
        return None
