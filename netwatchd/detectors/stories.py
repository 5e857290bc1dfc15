"""News as threats that a person reads: what happened, what to do about it, and the words and numbers that decided."""

import dataclasses
from typing import Any

from netwatchd.addresses import address_text
from netwatchd.detectors.naming import HOW, best_address, called
from netwatchd.detectors.newcomers import Flood
from netwatchd.events import Claim, Device, Renaming, Threat, ThreatStatus

NEW_DEVICE, DEVICE_BACK, NAME_CHANGED, IP_CONFLICT = KINDS = (
    "new_device", "device_back", "name_changed", "ip_conflict",
)  # fmt: skip
DAY, HOUR = 86_400_000, 3_600_000


def newcomer(key: str, device: Device, since: int, time: int) -> Threat:
    """A device that was never seen before, and showed itself at `since`."""
    return _news(
        NEW_DEVICE, key, time, f"a new device: {called(device, key)}",
        f'netwatchd name {key} "..." gives it a name; netwatchd device {key} shows all about it',
        _portrait(device) | {"first_seen": since},
    )  # fmt: skip


def many(flood: Flood, time: int) -> Threat:
    """More new devices than are told one by one."""
    seconds = max(flood.last - flood.start, 0) // 1000
    made_up = ", most of them with private MACs" if flood.random_macs * 2 > flood.devices else ""
    return _news(
        NEW_DEVICE, None, time, f"{flood.devices} new devices within {max(seconds, 1)} s{made_up}",
        "netwatchd devices shows them; where no crowd came, somebody makes up addresses to fill tables: "
        "see at which port or Wi-Fi they appear",
        {
            "devices": flood.devices, "random_macs": flood.random_macs, "start": flood.start, "end": flood.last,
            "examples": [called(device, key) for key, device in flood.examples.items()],
        },
    )  # fmt: skip


def back(key: str, before: Device, after: Device, away: int, time: int) -> Threat:
    """A device that was away for long; `away` is in milliseconds."""
    span = f"{away // DAY} days" if away >= 2 * DAY else f"{away / HOUR:.1f} hours"
    return _news(
        DEVICE_BACK, key, time, f"back after {span}: {called(after, key)}",
        f"netwatchd device {key} shows all about it; netwatchd forget {key} if it is nothing of yours any more",
        _portrait(after) | {"away": away, "last_seen": before.last_seen},
    )  # fmt: skip


def renamed(key: str, device: Device, renaming: Renaming, time: int) -> Threat:
    """A device that calls itself by another name."""
    how, before = HOW[renaming.kind], renaming.before[0]
    return _news(
        NAME_CHANGED, key, time, f"by {how}, {before} calls itself {renaming.name} now: {called(device, key)}",
        f"netwatchd device {key} shows what it was called before; it may have another owner, or be another device "
        "that shows the same MAC",
        _portrait(device) | {"by": renaming.kind, "name_before": before, "name_now": renaming.name},
    )  # fmt: skip


def conflict(moves: list[Claim], one: Device, other: Device) -> Threat:
    """Two devices that use one address; `one` and `other` in the order of their keys."""
    first, last = moves[0], moves[-1]
    keys = sorted((last.key, last.before))
    ip = address_text(last.ip)
    description = f"two devices use {ip}: {called(one, keys[0])}, and {called(other, keys[1])}"
    threat = _news(
        IP_CONFLICT, keys[0], last.time, description,
        "give one of them another address, or let both ask for it by DHCP: until then each is cut off now and then",
        {
            "ip": ip, "devices": keys, "hostnames": [one.hostname, other.hostname], "moves": len(moves),
            "seconds": round((last.time - first.time) / 1000, 1), "sources": sorted({claim.source for claim in moves}),
        },
    )  # fmt: skip
    # Both are cut off now and then, and their users see no reason.
    return dataclasses.replace(threat, severity="medium", target=ip, first_seen=first.time)


def again_without_counting(threat: Threat) -> Threat:
    """The same news said better, and not one more."""
    return dataclasses.replace(threat, count=0)


def _news(
    kind: str, device: str | None, time: int, description: str, recommendation: str, evidence: dict[str, Any]
) -> Threat:
    return Threat(
        0, kind, "info", device, None, description, recommendation, evidence, time, time, 1, ThreatStatus.OPEN
    )  # fmt: skip


def _portrait(device: Device) -> dict[str, Any]:
    return {
        "mac": device.mac, "ip": best_address(device), "hostname": device.hostname, "vendor": device.vendor,
        "kind": device.kind, "random_mac": device.random_mac, "sources": list(device.sources),
    }  # fmt: skip
