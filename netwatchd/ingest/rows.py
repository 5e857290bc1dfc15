"""What becomes of the row of a threat when it is seen again: one happening, or one more; and what the user made of it.

What netwatchd itself notes of a row stands in its evidence, under NOTES: how often it has happened, what the user
judged, which rule silenced it. All times are Unix ms.
"""

from dataclasses import replace
from typing import Any, TypeVar

from netwatchd.catalog import FLOOD
from netwatchd.events import SEVERITIES, Threat, ThreatStatus

MOST_COUNT = 2**53 - 1  # what JavaScript keeps exactly; only a liar counts further
MOST_EARLIER = 10  # happenings of before that are noted
NOTES = "netwatchd"
T = TypeVar("T")


def is_worse(one: str, other: str) -> bool:
    """Whether a severity is above another one."""
    return SEVERITIES.index(one) > SEVERITIES.index(other)


def happened_again(known: Threat, threat: Threat, cooldown: float) -> bool:
    """Whether it had ended before it was seen now: `cooldown` (seconds) lie between the two."""
    return threat.first_seen - known.last_seen >= cooldown * 1000


def joined(known: Threat, threat: Threat, *, again: bool, reopen: bool) -> Threat:
    """The row of a threat that is seen again. `again`: it has happened once more; `reopen`: it is open, whatever was
    made of it.
    """
    status = ThreatStatus.OPEN if reopen or _is_open_again(known, threat, again=again) else known.status
    evidence = {name: value for name, value in threat.evidence.items() if name != NOTES}
    if notes := _notes_after(known, threat, status, again=again):
        evidence[NOTES] = notes
    return replace(
        threat,
        id=known.id,
        # While it goes on it may become worse, and what was told is not made little of.
        severity=known.severity if not again and is_worse(known.severity, threat.severity) else threat.severity,
        first_seen=min(known.first_seen, threat.first_seen),
        last_seen=max(known.last_seen, threat.last_seen),
        count=min(known.count + threat.count, MOST_COUNT),
        status=status,
        evidence=evidence,
    )


def without_notes(threat: Threat) -> Threat:
    """The same as it came in: nobody else writes our notes."""
    if NOTES not in threat.evidence:
        return threat
    return replace(threat, evidence={name: each for name, each in threat.evidence.items() if name != NOTES})


def judged(threat: Threat, status: ThreatStatus, time: int) -> Threat:
    """The same, as the user has judged it."""
    notes = {name: value for name, value in notes_of(threat).items() if name not in ("judged", "muted_by")}
    if status is not ThreatStatus.OPEN:
        notes["judged"] = {"status": str(status), "severity": threat.severity, "time": time}
    return replace(threat, status=status, evidence=_with(threat.evidence, notes))


def muted(threat: Threat, rule: str) -> Threat:
    """The same, put away by a rule of the user's."""
    notes = notes_of(threat) | {"muted_by": rule}
    return replace(threat, status=ThreatStatus.DISMISSED, evidence=_with(threat.evidence, notes))


def notes_of(threat: Threat) -> dict[str, Any]:
    """What was noted of a row."""
    notes = threat.evidence.get(NOTES)
    return notes if isinstance(notes, dict) else {}


def _with(evidence: dict[str, Any], notes: dict[str, Any]) -> dict[str, Any]:
    bare = {name: value for name, value in evidence.items() if name != NOTES}
    return bare | {NOTES: notes} if notes else bare


def _is_open_again(known: Threat, threat: Threat, *, again: bool) -> bool:
    """Whether a row that was put away is open now: the usual case first."""
    if known.status is ThreatStatus.OPEN:
        return True
    notes = notes_of(known)
    # A rule that is no more has put it away, or netwatchd itself: nobody has judged it.
    if "muted_by" in notes or ("taken_back" in known.evidence and "judged" not in notes):
        return True
    if not again:
        return False
    # What gathers others gathers others now than those that were put away.
    if known.kind == FLOOD or "findings" in known.evidence:
        return True
    # What was judged was something lesser.
    judgement = notes.get("judged")
    severity = judgement.get("severity") if isinstance(judgement, dict) else None
    return is_worse(threat.severity, severity if severity in SEVERITIES else known.severity)


def _notes_after(known: Threat, threat: Threat, status: ThreatStatus, *, again: bool) -> dict[str, Any]:
    notes = {name: value for name, value in notes_of(known).items() if name != "muted_by"}
    if status is ThreatStatus.OPEN and (judgement := notes.pop("judged", None)) and known.status is not status:
        notes["before"] = judgement  # what the user had made of it, so that a person sees why it is here again
    if not again:
        return notes
    earlier: list[Any] = _noted(notes, "earlier", [])
    counted = _noted(notes, "counted", 0)
    past = {
        "first_seen": notes.get("began", known.first_seen), "last_seen": known.last_seen,
        "count": known.count - counted,
    }  # fmt: skip
    return notes | {
        "happenings": _noted(notes, "happenings", 1) + 1, "began": threat.first_seen, "counted": known.count,
        "earlier": [*earlier, past][-MOST_EARLIER:],
    }  # fmt: skip


def _noted(notes: dict[str, Any], name: str, otherwise: T) -> T:
    """A note of that type; what else may stand there was written by somebody else."""
    value = notes.get(name)
    return value if isinstance(value, type(otherwise)) else otherwise
