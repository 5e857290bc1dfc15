"""Everything that is known of one device, as an object."""

import shlex
from collections.abc import Iterable
from dataclasses import dataclass

from netwatchd.answers.found import Row, Rows
from netwatchd.broadcast.messages import device_json
from netwatchd.events import Alias, Device, Session, Trait
from netwatchd.storage import schema

# What tells names, in the order in which people trust them.
NAMES = {
    "hosts_name": "hosts file", "dhcp_hostname": "DHCP", "mdns_name": "mDNS", "mdns_instance": "mDNS service",
    "llmnr_name": "LLMNR", "netbios_name": "NetBIOS", "lldp_name": "LLDP", "dns_name": "reverse DNS",
    "hostname": "as told",
}  # fmt: skip


@dataclass(frozen=True)
class Portrait:
    """What was found out; times in Unix ms."""

    device: Device
    now: int
    since: int
    today: tuple[int, int]  # bytes in and out
    traits: list[Trait]
    aliases: list[Alias]
    sessions: list[Session]  # the newest first
    peers: Rows
    threats: Rows

    @property
    def key(self) -> str:
        """What identifies the device."""
        return schema.key_of(self.device)

    @property
    def merged(self) -> list[Alias]:
        """The MACs that were merged into it, and still are."""
        return [alias for alias in self.aliases if alias.undone is None]

    def undoing(self, mac: str) -> str:
        """The command that makes a merged MAC a device of its own."""
        return shlex.join(["netwatchd", "split", self.key, mac])


def as_json(whole: Portrait) -> Row:
    """One object: the fields of the device, and what belongs to it."""
    return device_json(whole.device) | {
        "bytes_in_today": whole.today[0],
        "bytes_out_today": whole.today[1],
        "names": [_name_json(trait) for trait in of_kinds(whole.traits, NAMES)],
        "clues": [_trait_json(trait) for trait in whole.traits],
        "merged": [_alias_json(alias, whole) for alias in whole.aliases],
        "since": whole.since,
        "sessions": [{"start": session.start, "end": session.end} for session in whole.sessions],
        "peers": whole.peers,
        "threats": whole.threats,
    }


def _name_json(trait: Trait) -> Row:
    return {"name": trait.clue.value, "kind": trait.clue.kind, "last_seen": trait.last_seen}


def _trait_json(trait: Trait) -> Row:
    return {
        "station": trait.station,
        "kind": trait.clue.kind,
        "value": trait.clue.value,
        "source": trait.source,
        "first_seen": trait.first_seen,
        "last_seen": trait.last_seen,
    }


def _alias_json(alias: Alias, whole: Portrait) -> Row:
    return {
        "mac": alias.mac,
        "time": alias.time,
        "by": alias.by,
        "evidence": list(alias.evidence),
        "undone": alias.undone,
        "undo": whole.undoing(alias.mac) if alias.undone is None else None,
    }


def of_kinds(traits: Iterable[Trait], kinds: Iterable[str]) -> list[Trait]:
    """Those of the kinds, in the order of these, the latest seen first."""
    order = {kind: number for number, kind in enumerate(kinds)}
    found = [trait for trait in traits if trait.clue.kind in order]
    return sorted(found, key=lambda trait: (order[trait.clue.kind], -trait.last_seen))
