"""The threats: all of them, or everything that is known of one."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from netwatchd.addresses import address_text, parse_address
from netwatchd.answers import NotFound
from netwatchd.answers.find import find, keys_of
from netwatchd.answers.found import Found, Row, called
from netwatchd.answers.terms import forms_of
from netwatchd.broadcast.messages import threat_json
from netwatchd.catalog import KINDS
from netwatchd.events import SEVERITIES, Device, Threat, ThreatStatus
from netwatchd.mutes import split_port
from netwatchd.storage import queries

UNDISMISSED = (ThreatStatus.OPEN, ThreatStatus.ACKNOWLEDGED)


def threats(
    directory: Path,
    *,
    since: int = 0,
    limit: int | None = 50,
    device: str | None = None,
    status: Collection[str] = UNDISMISSED,
    kind: str | None = None,
    severity: str | None = None,
    text: str | None = None,
) -> Found:
    """The worst first, of these the latest seen; raises NotFound, NoDatabase.

    `since`: seen at this time (Unix ms) or later. `severity`: those, and what is worse. `device`: what it did, and what
    was done to it; also an address of others that a threat names. `text`: all of its words stand in what a threat says,
    or in how the devices are called that it names.
    """
    core = queries.read_core(directory)
    texts = {text for threat in core.threats for text in (threat.device, split_port(threat.target or "")[0])}
    keys = None if device is None else names_of(device, core.devices, texts)
    words = (text or "").casefold().split()
    names = called(core.devices) if words else {}
    kind = kind and kind.strip().casefold().replace("-", "_")
    found = [
        threat
        for threat in core.threats
        if threat.last_seen >= since
        and threat.status in status
        and (severity is None or rank(threat) >= SEVERITIES.index(severity))
        and (kind is None or threat.kind.casefold().replace("-", "_") == kind)
        and (keys is None or is_about(threat, keys))
        and (not words or _says(threat, words, names))
    ]
    found.sort(key=lambda threat: (-rank(threat), -threat.last_seen))
    otherwise = "no threat is like that" if core.threats else "no threats"
    if core.threats and status == UNDISMISSED and all(each.status not in UNDISMISSED for each in core.threats):
        otherwise = "no threats but dismissed ones: netwatchd threats --all"
    return Found([threat_json(threat) for threat in found[: limit or None]], core.devices, otherwise)


def threat(directory: Path, number: int) -> Row:
    """Everything that is known of the threat with this id; raises NotFound, NoDatabase."""
    core = queries.read_core(directory)
    found = next((each for each in core.threats if each.id == number), None)
    if found is None:
        raise NotFound(f"there is no threat {number}; `netwatchd threats --status all` shows them")
    names = called(core.devices)
    kind = KINDS.get(found.kind)
    return threat_json(found) | {
        "who": names.get(found.device or ""),
        "whom": names.get(split_port(found.target or "")[0]),
        "meaning": kind.meaning if kind else None,
    }


def rank(threat: Threat) -> int:
    """How bad it is."""
    return SEVERITIES.index(threat.severity)


def is_about(threat: Threat, keys: Collection[str]) -> bool:
    """Whether one of these did it, or it was done to one."""
    return threat.device in keys or (threat.target is not None and split_port(threat.target)[0] in keys)


def _says(threat: Threat, words: list[str], names: Mapping[str, str]) -> bool:
    """Whether all words stand somewhere in what the threat says."""
    whom = threat.target and split_port(threat.target)[0]
    told = (threat.kind, threat.severity, threat.device, threat.target, threat.description, threat.recommendation)
    called_so = (names.get(threat.device or ""), names.get(whom or ""), threat.kind.replace("_", " "))
    everything = " ".join(each for each in (*told, *called_so) if each).casefold()
    return all(any(form in everything for form in forms_of(word)) for word in words)


def names_of(given: str, devices: Sequence[Device], texts: Collection[str | None]) -> set[str]:
    """All by which a threat may name the device that is given, or somebody elsewhere, where he is among `texts`.

    Raises NotFound.
    """
    try:
        device = find(given, devices)
    except NotFound:
        with suppress(ValueError):
            given = address_text(parse_address(given))
        if given not in texts:
            raise
        return {given}
    return {*keys_of(device), *map(address_text, device.ips)}
