"""Whether a device with a private MAC is one that is known already: a ladder over what both have shown.

A phone makes up another MAC now and then; what it says of itself stays: identifiers that it gave itself once, its name,
and how its DHCP client asks. Two phones of one model say the same of themselves, down to the name where nobody has
changed it. What tells them apart for certain is that they were here at the same time. So presence decides first, and a
name from the factory counts only where one went silent as the other came. In doubt two devices stay two: a person can
merge them, and one that was merged wrongly hides a stranger.
"""

from collections.abc import Collection, Iterable, Mapping, Set
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from netwatchd.addresses import is_random_mac
from netwatchd.events import Clue
from netwatchd.identity.names import is_generic, plain, without_conflict

# Milliseconds between the last sign of life of the one and the first of the other, at most, where a name that many
# devices have is all there is. A phone that sleeps is silent for minutes; a guest who comes when one of the home leaves
# is rarely that quick.
HANDOVER = 300_000

# A flow's last packet is only known to lie before the connection tracker was last read, every ten seconds.
FLOW_LAG = 20_000

# Less than the answer to a question takes: it is asked as soon as the new one has shown its name, which may be in its
# first packet. No device is that quick to change its MAC.
SIGN_LAG = 2

# Devices that say the same of themselves: with more of them nobody is found, and nobody is compared.
MOST_ALIKE = 32

# Locally administered, too, but given by a hypervisor for good: QEMU and KVM, Docker, VirtualBox. Clones of a machine
# have its identifiers and its name.
_HYPERVISORS = ("52:54:00:", "02:42:", "0a:00:27:")

_IDENTIFIERS = {
    "dhcp_client_id": "DHCP client identifier",
    "dhcp_duid": "DHCP unique identifier",
    "mdns_id": "identifier in mDNS",
    "ssdp_uuid": "UUID in UPnP",
}
_GIVEN_ONCE = ("dhcp_client_id", "dhcp_duid")  # of these a device has one, so that another one is another device's
_SHORTEST_IDENTIFIER = 8  # characters: a shorter one is a number that others count, too
_FEWEST_CHARACTERS = 4  # different ones: 00000000-0000-... is what a program writes that knows none

# A name of one of the first kinds is what the device calls itself, wherever it says so; the others can only contradict.
_NAMES = {"dhcp_hostname": "DHCP", "mdns_name": "mDNS", "hostname": "as host name"}
_OTHER_NAMES = ("llmnr_name", "netbios_name")
_FINGERPRINT = ("dhcp_parameters", "dhcp_parameters6", "dhcp_vendor_class")

Mark = Clue | str  # what devices that may be one have in common: an identifier, or a name


def mark_of(clue: Clue) -> Mark | None:
    """By what devices with this clue are found: an identifier, or a name as it is compared; None for all else."""
    if clue.kind in _NAMES:
        return plain(clue.value) or None
    return clue if clue.kind in _IDENTIFIERS and _is_identifier(clue) else None


def _is_identifier(clue: Clue) -> bool:
    value = clue.value.lower()
    # RFC 2132 section 9.14: hardware type 1 and the MAC. It changes with the MAC, or belongs to an earlier one.
    if clue.kind == "dhcp_client_id" and len(value) == 14 and value.startswith("01"):
        return False
    return len(value) >= _SHORTEST_IDENTIFIER and len(set(value) - set(":-{}")) >= _FEWEST_CHARACTERS


@dataclass(frozen=True, slots=True)
class Shown:
    """What a device has shown of itself, and when it was here."""

    macs: tuple[str, ...]
    since: int  # Unix ms when it was first seen
    until: int  # when it was last seen, a flow's time among others
    signs: tuple[int, ...] = ()  # when it showed itself lately, by packets of its own; the latest last
    left: bool = False  # it is not here any more
    names: Mapping[str, str] = field(default_factory=dict)  # the latest of each kind, as it is compared
    identifiers: frozenset[Clue] = frozenset()
    fingerprint: Mapping[str, frozenset[str]] = field(default_factory=dict)  # all values of each kind


def shown(stay: Shown, clues: Iterable[Clue]) -> Shown:
    """The same with what a device's clues, the latest first, say of it as far as that tells one from another."""
    names: dict[str, str] = {}
    fingerprint: dict[str, frozenset[str]] = {}
    identifiers = set()
    for clue in clues:
        if clue.kind in _NAMES or clue.kind in _OTHER_NAMES:
            if name := plain(clue.value):
                names.setdefault(clue.kind, name)
        elif clue.kind in _FINGERPRINT:
            fingerprint[clue.kind] = fingerprint.get(clue.kind, frozenset()) | {clue.value}
        elif mark_of(clue):
            identifiers.add(clue)
    return replace(stay, names=names, identifiers=frozenset(identifiers), fingerprint=fingerprint)


class Found(NamedTuple):
    """The known device that a new one is, or None; and why, in sentences."""

    key: str | None
    why: tuple[str, ...]


class _Rung(NamedTuple):
    rank: int  # the higher, the surer; 0: another device
    why: tuple[str, ...]


def find(newer: Shown, others: Mapping[str, Shown], told_apart: Collection[str] = ()) -> Found:
    """Which of the devices that share a mark with a new one it is.

    `told_apart` are the keys of those that were said not to be it.
    """
    if not is_random_mac(newer.macs[0]):
        return Found(None, (f"{newer.macs[0]} is a MAC from the factory",))
    if newer.macs[0].startswith(_HYPERVISORS):
        return Found(None, (f"{newer.macs[0]} is a MAC that a hypervisor gave",))
    if len(others) > MOST_ALIKE:
        return Found(None, (f"more than {MOST_ALIKE} devices say the same of themselves",))
    unique = {each for each in newer.identifiers if sum(each in other.identifiers for other in others.values()) == 1}
    alike = sum(_looks_like(newer, other) for other in others.values())
    rungs = {
        key: _Rung(0, ("they were told apart",)) if key in told_apart else _compare(other, newer, unique, alike)
        for key, other in others.items()
    }
    best = max((rung.rank for rung in rungs.values()), default=0)
    fitting = [key for key, rung in rungs.items() if rung.rank == best]
    if not best:
        return Found(None, tuple(why for rung in rungs.values() for why in rung.why))
    if len(fitting) > 1:
        return Found(None, (f"{len(fitting)} devices fit equally well: {', '.join(sorted(fitting))}",))
    return Found(fitting[0], rungs[fitting[0]].why)


def _compare(older: Shown, newer: Shown, unique: Set[Clue], alike: int) -> _Rung:
    """How sure it is that the newer one is the older one; `alike` is how many devices look like the newer one."""
    # Only one that was there before can have been it.
    if older.since >= newer.since:
        return _Rung(0, ("the other one came later",))
    # Who is here at the same time is two, whatever they say of themselves.
    if together(older, newer):
        return _Rung(0, ("both were here at the same time",))
    # An identifier that nobody else has goes with the device, whatever else has changed.
    if same := sorted(unique & older.identifiers):
        return _Rung(3, tuple(f"both have the {_IDENTIFIERS[each.kind]} {each.value}" for each in same))
    # A device does not change the MAC from its factory for a private one and keep nothing but its name.
    if not all(map(is_random_mac, older.macs)):
        return _Rung(0, ("the other one has a MAC from the factory, and they share no identifier",))
    if different := _difference(older, newer):
        return _Rung(0, (different,))
    return _compare_names(older, newer, alike)


def _compare_names(older: Shown, newer: Shown, alike: int) -> _Rung:
    """The lower rungs: nothing but what they are called, and how their DHCP clients ask."""
    common = _common_names(older, newer)
    if not common:
        return _Rung(0, ("they have no name in common",))
    name, where = next(iter(common.items()))
    same_client = ["their DHCP clients ask in the same way"] if _shared_fingerprint(older, newer) else []
    # A name that somebody gave it, or with digits of its own, which its model does not have.
    if not all(map(is_generic, common)):
        name, where = next((each, where) for each, where in common.items() if not is_generic(each))
        return _Rung(2, (f"both call themselves {name} ({where})", *same_client))
    # Names from the factory: only a handover, and only where nobody else could have handed over.
    before = [sign for sign in older.signs if sign <= newer.since]  # it may have come back since
    gap = max(newer.since - min(older.until, max(before, default=older.until)), 0)
    if alike > 1:
        return _Rung(0, (f"{alike} devices are called {name}, as many of its model are",))
    if gap > HANDOVER:
        return _Rung(0, (f"many devices are called {name}, and the other one had been silent for {_time(gap)}",))
    handover = f"it was first seen {_time(gap)} after the other one was last seen"
    return _Rung(1, (f"both call themselves {name} ({where})", *same_client, handover))


def together(older: Shown, newer: Shown) -> bool:
    """Whether the older one was still here when the newer one came, or came back before that had left."""
    after = [sign for sign in older.signs if sign > newer.since + SIGN_LAG]
    if newer.left and len(after) < len(older.signs):
        # A phone may go back to its earlier MAC at once: it is still one where the other one is not seen any more.
        return any(sign <= newer.until for sign in after)
    return bool(after) or older.until > newer.since + FLOW_LAG


def _difference(older: Shown, newer: Shown) -> str | None:
    """What the two say of themselves that one device would not."""
    for kind in _GIVEN_ONCE:
        ours, theirs = ({each for each in one.identifiers if each.kind == kind} for one in (older, newer))
        if ours and theirs and not ours & theirs:
            return f"each has its own {_IDENTIFIERS[kind]}"
    for kind in older.fingerprint.keys() & newer.fingerprint.keys():
        if not older.fingerprint[kind] & newer.fingerprint[kind]:
            return "their DHCP clients ask in different ways"
    for kind in older.names.keys() & newer.names.keys():
        # In mDNS a device whose old name is still in somebody's cache adds a number to it (RFC 6762 section 9).
        known, said = (
            without_conflict(one.names[kind]) if kind == "mdns_name" else one.names[kind] for one in (older, newer)
        )
        if known != said:
            return f"they are called {known} and {said}"
    return None


def _looks_like(newer: Shown, other: Shown) -> bool:
    """Whether nothing but their times tells them apart."""
    return bool(_common_names(other, newer)) and not _difference(other, newer)


def _common_names(older: Shown, newer: Shown) -> dict[str, str]:
    """The names that both call themselves, and where they do."""
    ours = {older.names[kind] for kind in _NAMES if kind in older.names}
    return {newer.names[kind]: where for kind, where in _NAMES.items() if newer.names.get(kind) in ours}


def _shared_fingerprint(older: Shown, newer: Shown) -> bool:
    """Whether their DHCP clients are known to ask in the same way."""
    return any(older.fingerprint[kind] & newer.fingerprint.get(kind, frozenset()) for kind in older.fingerprint)


def _time(milliseconds: int) -> str:
    seconds = round(milliseconds / 1000)
    return f"{seconds} s" if seconds < 120 else f"{round(seconds / 60)} min"
