"""The verbs that look at threats: all of them, or everything that is known of one. They read the databases only."""

import argparse
import time
from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from netwatchd import config
from netwatchd.addresses import address_text, parse_address
from netwatchd.broadcast.messages import threat_json
from netwatchd.catalog import KINDS
from netwatchd.cli import threattable
from netwatchd.cli.answer import Trouble, reading, show
from netwatchd.cli.find import NotFound, find, keys_of
from netwatchd.events import SEVERITIES, Device, Threat, ThreatStatus
from netwatchd.mutes import split_port
from netwatchd.storage import queries, schema

ALL, DEFAULT = "all", (ThreatStatus.OPEN, ThreatStatus.ACKNOWLEDGED)


@reading
def threats(options: argparse.Namespace, directory: Path) -> int:
    """The threats: the worst first, of these the latest seen."""
    core = queries.read_core(directory)
    statuses = _statuses(options)
    texts = {text for threat in core.threats for text in (threat.device, split_port(threat.target or "")[0])}
    keys = None if options.device is None else names_of(options.device, core.devices, texts)
    kind = options.kind and options.kind.strip().casefold().replace("-", "_")
    found = [
        threat
        for threat in core.threats
        if threat.last_seen >= options.since
        and threat.status in statuses
        and (options.severity is None or rank(threat) >= SEVERITIES.index(options.severity))
        and (kind is None or threat.kind.casefold().replace("-", "_") == kind)
        and (keys is None or is_about(threat, keys))
    ]
    found.sort(key=lambda threat: (-rank(threat), -threat.last_seen))
    rows = [threat_json(threat) for threat in found[: options.limit or None]]
    names = called(core.devices)
    otherwise = "no threat is like that" if core.threats else "no threats"
    if core.threats and statuses == DEFAULT and all(each.status is ThreatStatus.DISMISSED for each in core.threats):
        otherwise = "no threats but dismissed ones: netwatchd threats --all"
    show(options, rows, lambda rows: threattable.show(rows, names, otherwise))
    return 0


@reading
def threat(options: argparse.Namespace, directory: Path) -> int:
    """Everything that is known of one threat."""
    core = queries.read_core(directory)
    found = next((each for each in core.threats if each.id == options.id), None)
    if found is None:
        raise Trouble(f"there is no threat {options.id}; `netwatchd threats --status all` shows them")
    names = called(core.devices)
    kind = KINDS.get(found.kind)
    row = threat_json(found) | {
        "who": names.get(found.device or ""),
        "whom": names.get(split_port(found.target or "")[0]),
        "meaning": kind.meaning if kind else None,
        "flows": threattable.flows_command(threat_json(found), options.state),
    }
    place = config.search_path(options.config)[0]
    show(options, row, lambda row: threattable.portrait(row, int(time.time() * 1000), str(place), options.state))
    return 0


def rank(threat: Threat) -> int:
    """How bad it is."""
    return SEVERITIES.index(threat.severity)


def is_about(threat: Threat, keys: Collection[str]) -> bool:
    """Whether one of these did it, or it was done to one."""
    return threat.device in keys or (threat.target is not None and split_port(threat.target)[0] in keys)


def names_of(given: str, devices: Sequence[Device], texts: Collection[str | None]) -> set[str]:
    """All by which a threat may name the device that is given, or somebody elsewhere, where he is among `texts`."""
    try:
        device = find(given, devices)
    except NotFound:
        with suppress(ValueError):
            given = address_text(parse_address(given))
        if given not in texts:
            raise
        return {given}
    return {*keys_of(device), *map(address_text, device.ips)}


def called(devices: Sequence[Device]) -> dict[str, str]:
    """How devices are called, by all by which a threat may name them; those without a name by their addresses."""
    names: dict[str, str] = {}
    for device in devices:
        first = next((ip for ip in device.ips if isinstance(ip, int)), device.ip)
        name = device.name or device.hostname or device.model or (address_text(first) if first is not None else "")
        for key in (*keys_of(device), *map(address_text, device.ips)):
            names.setdefault(key, name or schema.key_of(device))
    return names


def _statuses(options: argparse.Namespace) -> Collection[Any]:
    wanted = ALL if options.all else options.status
    if wanted is None:
        return DEFAULT
    return tuple(ThreatStatus) if wanted == ALL else (ThreatStatus(wanted),)
