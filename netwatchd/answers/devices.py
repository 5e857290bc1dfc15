"""The devices: all of them, or everything that is known of one."""

import dataclasses
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from netwatchd.addresses import address_text
from netwatchd.answers import Misasked
from netwatchd.answers.find import find, find_all, keys_of
from netwatchd.answers.found import Found, Row
from netwatchd.answers.moments import midnight
from netwatchd.answers.portrait import Portrait
from netwatchd.answers.threats import is_about
from netwatchd.broadcast.messages import device_json, threat_json
from netwatchd.events import Device, Status, ThreatStatus, protocol_name
from netwatchd.storage import queries, schema
from netwatchd.storage import top as most

Traffic = Mapping[str, Sequence[int]]  # key -> bytes in, out

ALL = -1  # to SQLite, as a limit


def devices(
    directory: Path,
    *,
    since: int = 0,
    limit: int | None = None,
    device: str | None = None,
    online: bool = False,
    kind: str | None = None,
    new: int | None = None,
    today: int | None = None,
) -> Found:
    """Those that are here first, then the latest seen; raises NotFound, Misasked, NoDatabase.

    `since`: seen at this time (Unix ms) or later; `new`: never seen before this one. `today` is when the day began that
    `bytes_in_today` and `bytes_out_today` are about, else the local one.
    """
    wanted_kind = None if kind is None else _kind(kind)
    known = _with_traffic(queries.read_core(directory), directory)
    meant = known if device is None else find_all(device, known)
    found = [
        each
        for each in meant
        if each.last_seen >= since
        and (new is None or each.first_seen >= new)
        and (each.status is Status.ONLINE or not online)
        and wanted_kind in (None, each.kind)
    ]
    found.sort(key=lambda each: (each.status is not Status.ONLINE, -each.last_seen))
    moved = most.traffic_since(directory, midnight(_now()) if today is None else today)
    rows = [_with_today(each, moved) for each in found[: limit or None]]
    return Found(rows, known, "no device is like that" if known else "no devices yet")


def _kind(given: str) -> str:
    """The kind of devices that is given; raises Misasked."""
    from netwatchd.identity.kinds import KINDS  # here, because it loads all by which kinds are told

    kind = given.strip().casefold().replace(" ", "_").replace("-", "_")
    if kind not in KINDS:
        raise Misasked(f"{given!r:.60} is no kind of device; there are {', '.join(KINDS)}")
    return kind


def portrait(directory: Path, device: str, *, since: int, limit: int | None = 10, today: int | None = None) -> Portrait:
    """Everything that is known of the device that `device` means; raises NotFound, NoDatabase.

    Sessions and peers since `since` (Unix ms), and at most `limit` peers; `today` as in `devices`.
    """
    now = _now()
    core = queries.read_core(directory)
    known = _with_traffic(core, directory)
    found = find(device, known)
    key = schema.key_of(found)
    stations = keys_of(found)
    about = {*stations, *map(address_text, found.ips)}
    threats = [
        threat
        for threat in sorted(core.threats, key=lambda threat: -threat.last_seen)
        if threat.status is ThreatStatus.OPEN and is_about(threat, about)
    ]
    return Portrait(
        device=found,
        now=now,
        since=since,
        today=_of(found, most.traffic_since(directory, midnight(now) if today is None else today)),
        traits=queries.traits(directory, stations),
        aliases=[alias for alias in queries.aliases(directory) if alias.device == key],
        sessions=queries.sessions(directory, key, since),
        peers=[_peer_json(peer, known) for peer in queries.peers(directory, key, since, limit or ALL)],
        threats=[threat_json(threat) for threat in threats],
    )


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


def _with_today(device: Device, today: Traffic) -> Row:
    bytes_in, bytes_out = _of(device, today)
    return device_json(device) | {"bytes_in_today": bytes_in, "bytes_out_today": bytes_out}


def _peer_json(peer: queries.Peer, known: list[Device]) -> Row:
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
