"""Keeps a flood of threats from becoming a flood of rows: too many that are alike become one that gathers them.

Alike are those of one kind by one device, of one kind against one target, and of one kind at all; and in the end
whatever comes. Each of these groups may have so many new rows in a while. What comes beyond is gathered in one row,
until the group was quiet for as long. Whoever makes up addresses fills the groups of strangers only: a device that is
known here still has rows of its own then. A restart in the middle of a flood changes nothing of that: rows tell when
they were made, and those that gather, what. All times are Unix ms.
"""

from collections import deque
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from typing import Any

from netwatchd.catalog import FLOOD
from netwatchd.events import SEVERITIES, Threat, ThreatStatus

WINDOW = 600_000
# New rows in that time. A person reads no thirty lines of which each says the same. Detectors that know what to say of
# many gather them by themselves, with twenty rows before: these must have room.
MOST_ALIKE = 30
MOST_OF_A_KIND, MOST_OF_A_KIND_HERE = 40, 100  # by strangers, and by devices here, of which there are not so many
MOST_AT_ALL = 200
MOST_GROUPS = 1_000  # each admission touches four at most: none of the last ten minutes is forgotten
MOST_DISTINCT = 1_000  # that are told apart in a group
MOST_EXAMPLES = 5  # of the first, and as many of the last
LONGEST = 200  # characters of a description within another one

GroupKey = tuple[Hashable, ...]


@dataclass(slots=True)
class Group:
    """Those that are alike."""

    kind: str
    device: str | None
    target: str | None
    most: int
    here: bool  # whether it is of devices that are known here
    admitted: deque[int] = field(default_factory=deque)  # when each of the latest got a row
    gathered: int = 0  # how many findings became part of the one row
    began: int = 0
    last: int = 0
    distinct: set[int] = field(default_factory=set)
    before: int = 0  # how many an earlier run has told apart; these may be among them
    severity: str = SEVERITIES[0]
    first_ones: list[dict[str, Any]] = field(default_factory=list)
    last_ones: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=MOST_EXAMPLES))

    def is_full(self, now: int) -> bool:
        """Whether there may be no more rows of these now."""
        if self.gathered and abs(now - self.last) < WINDOW:
            return True
        while self.admitted and not 0 <= now - self.admitted[0] < WINDOW:
            self.admitted.popleft()
        return len(self.admitted) >= self.most

    def gather(self, threat: Threat, who: str | None, now: int) -> Threat:
        """Takes one in; returns the threat that all of them are. `who` is how the group's device is called."""
        if not self.gathered or abs(now - self.last) >= WINDOW:
            self.gathered, self.began, self.severity, self.before = 0, now, threat.severity, 0
            self.distinct.clear()
            self.first_ones.clear()
            self.last_ones.clear()
        self.gathered += 1
        self.last = now
        if len(self.distinct) < MOST_DISTINCT:
            self.distinct.add(hash(threat.key))
        self.severity = max(self.severity, threat.severity, key=SEVERITIES.index)
        example = {
            "kind": threat.kind, "device": threat.device, "target": threat.target,
            "description": threat.description[:LONGEST],
        }  # fmt: skip
        (self.first_ones if len(self.first_ones) < MOST_EXAMPLES else self.last_ones).append(example)
        return self._whole(threat, who)

    def resume(self, row: Threat) -> None:
        """Goes on with the row that an earlier run has made of these."""
        evidence = row.evidence
        self.gathered, self.began, self.before = evidence["findings"], evidence["since"], evidence["threats"]
        self.last, self.severity = row.last_seen, row.severity
        self.first_ones[:] = evidence["examples"][:MOST_EXAMPLES]
        self.last_ones.extend(evidence["examples"][MOST_EXAMPLES:])

    def _whole(self, latest: Threat, who: str | None) -> Threat:
        threats = max(len(self.distinct), self.before)
        or_more = bool(self.before) or threats >= MOST_DISTINCT
        number = f"{'at least ' if or_more else ''}{threats:,}"
        what = "threats of all kinds" if self.kind == FLOOD else f"threats of the kind {self.kind}"
        by = f" by {who}" if who else ""
        against = f" against {self.target}" if self.target else ""
        return Threat(
            0, self.kind, self.severity, self.device, self.target,
            f"{number} more {what}{by}{against} came too fast for a row each; the latest: "
            f"{latest.description[:LONGEST]}",
            latest.recommendation,
            {
                "findings": self.gathered, "threats": threats, "or_more": or_more, "since": self.began,
                "here": self.here, "examples": [*self.first_ones, *self.last_ones],
            },
            latest.first_seen, latest.last_seen, latest.count, ThreatStatus.OPEN,
        )  # fmt: skip


class Guard:
    """Decides which new threats get rows of their own. The caller keeps threads apart."""

    def __init__(self) -> None:
        self._groups: dict[GroupKey, Group] = {}  # the one that was used last at the end

    def full(self, threat: Threat, *, here: bool, now: int) -> Group | None:
        """The group that a threat without a row becomes part of; None where it may have a row, which is counted then.

        `here`: a device that is known here did it.
        """
        groups = self._groups_of(threat, here)
        for key in groups:
            if key in self._groups and self._groups[key].is_full(now):
                return self._groups[key]
        for key, group in groups.items():
            known = self._groups.pop(key, group)
            self._groups[key] = known
            known.admitted.append(now)
        self._forget_the_oldest()
        return None

    def remember(self, rows: Iterable[tuple[Threat, bool]], now: int) -> None:
        """Takes in the rows that earlier runs have made, each with what `here` was."""
        for row, here in sorted(rows, key=lambda each: each[0].first_seen):
            gathers = _is_gathering(row)
            if not 0 <= now - (row.last_seen if gathers else row.first_seen) < WINDOW:
                continue
            if gathers:
                # The narrowest of those that it belongs to is the one whose row it is.
                key, group = next(iter(self._groups_of(row, row.evidence["here"]).items()))
                self._groups.setdefault(key, group).resume(row)
                continue
            for key, group in self._groups_of(row, here).items():
                self._groups.setdefault(key, group).admitted.append(row.first_seen)
        self._forget_the_oldest()

    def _forget_the_oldest(self) -> None:
        while len(self._groups) > MOST_GROUPS:
            del self._groups[next(iter(self._groups))]

    @staticmethod
    def _groups_of(threat: Threat, here: bool) -> dict[GroupKey, Group]:
        """The groups that it belongs to, the narrowest first."""
        kind, device, target = threat.kind, threat.device, threat.target
        groups: dict[GroupKey, Group] = {}
        if kind == FLOOD:
            return {("all", here): Group(FLOOD, None, None, MOST_AT_ALL, here)}
        if device is not None:
            groups["device", kind, device] = Group(kind, device, None, MOST_ALIKE, here)
        if target is not None:
            groups["target", kind, target, here] = Group(kind, None, target, MOST_ALIKE, here)
        groups["kind", kind, here] = Group(kind, None, None, MOST_OF_A_KIND_HERE if here else MOST_OF_A_KIND, here)
        groups["all", here] = Group(FLOOD, None, None, MOST_AT_ALL, here)
        return groups


def _is_gathering(row: Threat) -> bool:
    """Whether it is the row of a group, whole: other programs write evidence too."""
    evidence, whole = row.evidence, {"findings": int, "threats": int, "since": int, "here": bool, "examples": list}
    return all(isinstance(evidence.get(name), kind) for name, kind in whole.items()) and evidence["findings"] > 0
