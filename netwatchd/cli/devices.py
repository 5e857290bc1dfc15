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
from netwatchd.cli.answer import reading, show
from netwatchd.cli.find import find, find_all
from netwatchd.cli.moments import midnight
from netwatchd.events import Device, Status, ThreatStatus, protocol_name
from netwatchd.storage import queries, schema
from netwatchd.storage import top as most

Traffic = Mapping[str, Sequence[int]]  # key -> bytes in, out

ALL = -1  # to SQLite, as a limit


@reading
def devices(options: argparse.Namespace, directory: Path) -> int:
    """The devices: those that are here first, then the latest seen."""
    now = _now()
    found = [device for device in _known(directory) if _wanted(device, options)]
    if options.device is not None:
        meant = find_all(options.device, _known(directory))
        found = [device for device in found if device in meant]
    found.sort(key=lambda device: (device.status is not Status.ONLINE, -device.last_seen))
    today = most.traffic_since(directory, midnight(now))
    rows = [_with_today(device, today) for device in found[: options.limit or None]]
    show(options, rows, lambda rows: devicetable.show(rows, now))
    return 0


def _wanted(device: Device, options: argparse.Namespace) -> bool:
    return (
        device.last_seen >= options.since
        and (options.new is None or device.first_seen >= options.new)
        and (options.kind is None or device.kind.casefold() == options.kind.casefold())
        and (device.status is Status.ONLINE or not options.online)
    )


@reading
def device(options: argparse.Namespace, directory: Path) -> int:
    """Everything that is known of one device."""
    now = _now()
    known = _known(directory)
    found = find(options.device, known)
    key = schema.key_of(found)
    stations = list(dict.fromkeys((key, *found.macs)))
    threats = [
        threat
        for threat in sorted(queries.read_core(directory).threats, key=lambda threat: -threat.last_seen)
        if threat.status is ThreatStatus.OPEN and not {threat.device, threat.target}.isdisjoint(stations)
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


def _known(directory: Path) -> list[Device]:
    """The devices with their traffic up to now: totals are settled once a minute, flows are committed earlier."""
    core = queries.read_core(directory)
    traffic = queries.traffic(directory, core.settled, core.devices)
    found = []
    for each in core.devices:
        bytes_in, bytes_out = _of(each, traffic)
        found.append(dataclasses.replace(each, bytes_in=each.bytes_in + bytes_in, bytes_out=each.bytes_out + bytes_out))
    return found


def _of(device: Device, traffic: Traffic) -> tuple[int, int]:
    """What a device has of the traffic by key: in and out, under any of its MACs."""
    counts = [traffic.get(key, (0, 0)) for key in {schema.key_of(device), *device.macs}]
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
