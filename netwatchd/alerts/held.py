"""What is kept back for a digest: bounded, however much there is."""

import dataclasses
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from netwatchd.events import SEVERITIES, Threat, ThreatKey, ThreatStatus

# Threats that are known one by one, so that those which were dismissed meanwhile can be left out; of more than these
# only the number by kind and severity is known.
MOST_KEPT = 50
# Characters of what is kept of a threat: other programs may hand in longer ones. It is looked up again for the rest.
LONGEST_NAME, LONGEST_TEXT = 200, 1000


def rank(severity: str) -> int:
    """Where a severity stands: higher is worse."""
    return SEVERITIES.index(severity)


def brief(threat: Threat) -> Threat:
    """What is kept of a threat while it waits, of a bounded size."""
    return dataclasses.replace(
        threat,
        kind=threat.kind[:LONGEST_NAME],
        device=threat.device and threat.device[:LONGEST_NAME],
        target=threat.target and threat.target[:LONGEST_NAME],
        description=threat.description[:LONGEST_TEXT],
        recommendation=threat.recommendation and threat.recommendation[:LONGEST_TEXT],
        evidence={},
    )


def threat_to_json(threat: Threat) -> dict[str, Any]:
    """A threat as it is kept."""
    return dataclasses.asdict(threat) | {"status": str(threat.status)}


# What raises is no note of ours: whoever reads one back catches these.
NOT_OURS = (ValueError, TypeError, LookupError, ArithmeticError, AttributeError, RecursionError)


def threat_from_json(value: Mapping[str, Any]) -> Threat:
    """The same, read back; raises one of NOT_OURS where it is none."""
    threat = Threat(**{**value, "status": ThreatStatus(value["status"])})
    rank(threat.severity)
    _check(str, threat.kind, threat.description)
    _check(str | None, threat.device, threat.target, threat.recommendation)
    _check(int, threat.id, threat.first_seen, threat.last_seen, threat.count)
    _check(dict, threat.evidence)
    return threat


def _check(kind: Any, *values: object) -> None:
    """What was damaged must not come to light in the middle of a sentence."""
    if not all(isinstance(value, kind) for value in values):
        raise TypeError(f"{values!r:.100} should be {kind}")


@dataclass
class Held:
    """Threats that were held back since `since` (Unix ms), and why."""

    since: int = 0
    until: int = 0
    kept: dict[ThreatKey, str] = field(default_factory=dict)  # severity by threat
    more: Counter[tuple[str, str]] = field(default_factory=Counter)  # (kind, severity) of those that are not kept
    reasons: set[str] = field(default_factory=set)

    def add(self, threat: Threat, reason: str, wall: int) -> None:
        """Holds a threat back; one that is held already counts once."""
        self.since = self.since or wall
        self.until = wall
        self.reasons.add(reason)
        key = threat.key
        before = self.kept.get(key)
        if before is not None and rank(before) >= rank(threat.severity):
            return
        self.kept[key] = threat.severity
        if len(self.kept) > MOST_KEPT:
            # Of equals the latest goes, which leaves the dictionary as it was.
            least = min(reversed(self.kept), key=lambda key: rank(self.kept[key]))
            self.more[least[0], self.kept.pop(least)] += 1
            self._bound()

    def join(self, other: "Held") -> None:
        """Takes in what another one holds."""
        if not other:
            return
        self.since = min(self.since or other.since, other.since)
        self.until = max(self.until, other.until)
        self.reasons |= other.reasons
        self.more.update(other.more)
        for key, severity in other.kept.items():
            if key not in self.kept and len(self.kept) >= MOST_KEPT:
                self.more[key[0], severity] += 1
            else:
                self.kept[key] = max(severity, self.kept.get(key, severity), key=rank)
        self._bound()

    @property
    def worst(self) -> str:
        """The worst severity in it."""
        return max([*self.kept.values(), *(severity for _, severity in self.more)], key=rank, default=SEVERITIES[0])

    def __bool__(self) -> bool:
        return bool(self.kept or self.more)

    def _bound(self) -> None:
        """Kinds may be made up, too: those that would be too many are one."""
        while len(self.more) > MOST_KEPT:
            kind, severity = min(self.more, key=lambda each: (each[0] == "other", self.more[each]))
            self.more["other", severity] += self.more.pop((kind, severity))

    def to_json(self) -> dict[str, Any]:
        """As it is kept."""
        return {
            "since": self.since,
            "until": self.until,
            "kept": [[*key, severity] for key, severity in self.kept.items()],
            "more": [[*what, count] for what, count in self.more.items()],
            "reasons": sorted(self.reasons),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Held":
        """Read back; raises one of NOT_OURS where it is none."""
        held = cls(int(value["since"]), int(value["until"]), reasons=set(map(str, value["reasons"])))
        for kind, device, target, severity in value["kept"]:
            rank(severity)
            _check(str, kind)
            _check(str | None, device, target)
            held.kept[kind, device, target] = severity
        for kind, severity, count in value["more"]:
            rank(severity)
            held.more[str(kind), severity] += max(int(count), 1)
        return held
