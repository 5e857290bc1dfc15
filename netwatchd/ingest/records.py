"""How what is known of a device changes: by a sighting, and when two records turn out to be one device."""

import dataclasses

from netwatchd.addresses import Address, address_text
from netwatchd.events import Alias, Device, Sighting, Status

MOST_ADDRESSES = 16  # of one device: IPv6 privacy addresses come and go
MOST_BYTES = 2**53 - 1  # what JavaScript keeps exactly; only a liar's flows add up to more


def key_of(mac: str | None, ips: tuple[Address, ...]) -> str:
    """What a device is known by."""
    return mac or address_text(ips[0])


def first(key: str, sighting: Sighting, seen: int) -> Device:
    """A device that was never seen before. What it is called and what it is, its clues tell."""
    return Device(
        mac=key if sighting.mac else None,
        ips=sighting.ips,
        hostname=None,
        vendor=None,
        name=sighting.name,
        first_seen=seen,
        last_seen=seen,
        status=Status.ONLINE,
        bytes_in=0,
        bytes_out=0,
        sources=(sighting.source,),
    )


def updated(device: Device, sighting: Sighting, seen: int) -> Device:
    """The device after one more sighting, at `seen` (Unix ms)."""
    sources = device.sources if sighting.source in device.sources else (*device.sources, sighting.source)
    newer, older = (sighting.ips, device.ips) if seen >= device.last_seen else (device.ips, sighting.ips)
    return dataclasses.replace(
        device,
        ips=latest_first(newer, older),
        name=sighting.name or device.name,
        last_seen=max(device.last_seen, seen),
        sources=sources,
    )


def latest_first(new: tuple[Address, ...], old: tuple[Address, ...]) -> tuple[Address, ...]:
    """The addresses without repetitions, as many as are kept."""
    if new == old[: len(new)]:
        return old
    every = new + tuple(ip for ip in old if ip not in new)
    kept, rest = every[:MOST_ADDRESSES], every[MOST_ADDRESSES:]
    # By its IPv4 address people know it, and it is asked, however many it makes up of IPv6.
    known = next((ip for ip in rest if isinstance(ip, int)), None)
    if known is not None and not any(isinstance(ip, int) for ip in kept):
        return (*kept[:-1], known)
    return kept


def joined(old: Device, new: Device) -> Device:
    """One device of two records of it; the newer one is right where both know."""
    return dataclasses.replace(
        new,
        ips=latest_first(new.ips, old.ips),
        hostname=new.hostname or old.hostname,
        vendor=new.vendor or old.vendor,
        name=new.name or old.name,
        first_seen=min(old.first_seen, new.first_seen),
        last_seen=max(old.last_seen, new.last_seen),
        bytes_in=min(old.bytes_in + new.bytes_in, MOST_BYTES),
        bytes_out=min(old.bytes_out + new.bytes_out, MOST_BYTES),
        sources=tuple(dict.fromkeys((*old.sources, *new.sources))),
        macs=_macs_of(new, old),
        usual_silence=max(old.usual_silence, new.usual_silence),
    )


def _macs_of(newer: Device, older: Device) -> tuple[str, ...]:
    macs = dict.fromkeys(mac for each in (newer, older) for mac in each.macs or (each.mac,) if mac)
    return tuple(macs) if len(macs) > 1 else ()


def merged(kept: Device, lost: Device) -> Device:
    """One device of two, known as `kept` was; a name that the user gave that one goes before the other's."""
    newer, older = (lost, kept) if lost.last_seen >= kept.last_seen else (kept, lost)
    both = joined(older, newer)
    return dataclasses.replace(
        both,
        mac=kept.mac,
        ips=both.ips if kept.mac else latest_first(kept.ips[:1], both.ips),  # the first one is what it is known by
        name=kept.name or lost.name,
        sources=tuple(dict.fromkeys((*kept.sources, *lost.sources))),
        kind=kept.kind,
        model=kept.model,
        evidence=kept.evidence,
    )


def parted(device: Device, alias: Alias, ips: tuple[Address, ...], settled: tuple[int, int]) -> tuple[Device, Device]:
    """The two devices that one is found to be: the rest, and the one that was merged into it.

    That one has what it had then. What came since stays with the rest, as nobody can tell whose it was. `ips` are the
    addresses that are the separated one's; `settled` is how many bytes in and out may be taken from the rest.
    """
    before = alias.before or Device(
        alias.mac, ips, None, None, None, alias.time, device.last_seen, Status.OFFLINE, 0, 0, device.sources
    )
    own = dataclasses.replace(
        before,
        ips=ips,
        bytes_in=min(before.bytes_in, settled[0]),
        bytes_out=min(before.bytes_out, settled[1]),
        macs=(),
        status=Status.OFFLINE,
    )
    macs = tuple(mac for mac in device.macs if mac != alias.mac)
    rest = dataclasses.replace(
        device,
        ips=tuple(ip for ip in device.ips if ip not in ips),
        name=None if device.name == before.name else device.name,  # it had none, and this one came with the other
        bytes_in=device.bytes_in - own.bytes_in,
        bytes_out=device.bytes_out - own.bytes_out,
        macs=macs if len(macs) > 1 else (),
    )
    return rest, own


def same_but_for_progress(old: Device, new: Device) -> bool:
    """Whether the device was merely seen once more."""
    return dataclasses.replace(new, last_seen=old.last_seen) == old
