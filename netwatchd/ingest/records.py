"""How what is known of a device changes: by a sighting, and when two records turn out to be one device."""

import dataclasses

from netwatchd.addresses import Address, address_text
from netwatchd.events import Device, Sighting, Status

MOST_ADDRESSES = 16  # of one device: IPv6 privacy addresses come and go
MOST_BYTES = 2**53 - 1  # what JavaScript keeps exactly; only a liar's flows add up to more


def key_of(mac: str | None, ips: tuple[Address, ...]) -> str:
    """What a device is known by."""
    return mac or address_text(ips[0])


def first(key: str, sighting: Sighting, seen: int) -> Device:
    """A device that was never seen before."""
    return Device(
        mac=key if sighting.mac else None,
        ips=sighting.ips,
        hostname=sighting.hostname,
        vendor=sighting.vendor,
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
        hostname=sighting.hostname or device.hostname,
        vendor=sighting.vendor or device.vendor,
        name=sighting.name or device.name,
        last_seen=max(device.last_seen, seen),
        sources=sources,
    )


def latest_first(new: tuple[Address, ...], old: tuple[Address, ...]) -> tuple[Address, ...]:
    """The addresses without repetitions, as many as are kept."""
    if new == old[: len(new)]:
        return old
    return (new + tuple(ip for ip in old if ip not in new))[:MOST_ADDRESSES]


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
    )


def same_but_for_progress(old: Device, new: Device) -> bool:
    """Whether the device was merely seen once more."""
    return dataclasses.replace(new, last_seen=old.last_seen) == old
