"""The verbs that look at devices: all of them, or everything that is known of one. They read the databases only."""

import argparse
import dataclasses
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from netwatchd.addresses import address_text
from netwatchd.broadcast.messages import device_json, threat_json
from netwatchd.cli import devicetable, portrait
from netwatchd.cli.answer import Misused, reading, show
from netwatchd.cli.find import find, find_all, keys_of
from netwatchd.cli.moments import midnight
from netwatchd.cli.threats import is_about
from netwatchd.events import Device, Status, ThreatStatus, protocol_name
from netwatchd.storage import queries, schema
from netwatchd.storage import top as most

Traffic = Mapping[str, Sequence[int]]  # key -> bytes in, out

ALL = -1  # to SQLite, as a limit


@reading
def devices(options: argparse.Namespace, directory: Path) -> int:
    """The devices: those that are here first, then the latest seen."""
    now = _now()
    kind = None if options.kind is None else _kind(options.kind)
    known = _with_traffic(queries.read_core(directory), directory)
    meant = known if options.device is None else find_all(options.device, known)
    found = [device for device in meant if _wanted(device, options) and kind in (None, device.kind)]
    found.sort(key=lambda device: (device.status is not Status.ONLINE, -device.last_seen))
    today = most.traffic_since(directory, midnight(now))
    rows = [_with_today(device, today) for device in found[: options.limit or None]]
    otherwise = "no device is like that" if known else "no devices yet"
    show(options, rows, lambda rows: devicetable.show(rows, now, otherwise))
    return 0


def _wanted(device: Device, options: argparse.Namespace) -> bool:
    return (
        device.last_seen >= options.since
        and (options.new is None or device.first_seen >= options.new)
        and (device.status is Status.ONLINE or not options.online)
    )


def _kind(given: str) -> str:
    """The kind of devices that is given; raises Misused."""
    from netwatchd.identity.kinds import KINDS  # here, because it loads all by which kinds are told

    kind = given.strip().casefold().replace(" ", "_").replace("-", "_")
    if kind not in KINDS:
        raise Misused(f"{given!r:.60} is no kind of device; there are {', '.join(KINDS)}")
    return kind


@reading
def device(options: argparse.Namespace, directory: Path) -> int:
    """Everything that is known of one device."""
    now = _now()
    core = queries.read_core(directory)
    known = _with_traffic(core, directory)
    found = find(options.device, known)
    key = schema.key_of(found)
    stations = keys_of(found)
    about = {*stations, *map(address_text, found.ips)}
    threats = [
        threat
        for threat in sorted(core.threats, key=lambda threat: -threat.last_seen)
        if threat.status is ThreatStatus.OPEN and is_about(threat, about)
    ]
    whole = portrait.Portrait(
        device=found,
        now=now,
        since=options.since,
        today=_of(found, most.traffic_since(directory, midnight(now))),
        traits=queries.traits(directory, stations),
        aliases=[alias for alias in queries.aliases(directory) if alias.device == key],
        sessions=queries.sessions(directory, key, options.since),
        peers=[_peer_json(peer, known) for peer in queries.peers(directory, key, options.since, options.limit or ALL)],
        threats=[threat_json(threat) for threat in threats],
    )
    show(options, portrait.as_json(whole), lambda _: portrait.show(whole))
    return 0


def _with_traffic(core: queries.Stored, directory: Path) -> list[Device]:
    """The devices with their traffic up to now: totals are settled once a minute, flows are committed earlier."""
    traffic = queries.traffic(directory, core.settled, core.devices)
    found = []
    for each in core.devices:
        bytes_in, bytes_out = _of(each, traffic)
        found.append(dataclasses.replace(each, bytes_in=each.bytes_in + bytes_in, bytes_out=each.bytes_out + bytes_out))
    return found


def _of(device: Device, traffic: Traffic) -> tuple[int, int]:
    """What a device has of the traffic by key: in and out, under any of its MACs."""
    counts = [traffic.get(key, (0, 0)) for key in keys_of(device)]
    return sum(count[0] for count in counts), sum(count[1] for count in counts)


def _with_today(device: Device, today: Traffic) -> dict[str, Any]:
    bytes_in, bytes_out = _of(device, today)
    return device_json(device) | {"bytes_in_today": bytes_in, "bytes_out_today": bytes_out}


def _peer_json(peer: queries.Peer, known: list[Device]) -> dict[str, Any]:
    name = next((device.name or device.hostname for device in known if peer.address in device.ips), None)
    return {
        "peer": address_text(peer.address),
        "name": name,
        "port": f"{protocol_name(peer.protocol)}/{peer.port}",
        "bytes_in": peer.bytes_in,
        "bytes_out": peer.bytes_out,
        "flows": peer.flows,
        "last_seen": peer.last_seen,
    }


def _now() -> int:
    return time.time_ns() // 1_000_000
