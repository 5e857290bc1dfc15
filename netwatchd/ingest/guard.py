"""Keeps a flood of threats from becoming a flood of rows: too many that are alike become one that gathers them.

Alike are those of one kind by one device, of one kind against one target, and of one kind at all; and in the end
whatever comes. Each of these groups may have so many new rows in a while. What comes beyond is gathered in one row,
until the group was quiet for as long. Whoever makes up addresses fills the groups of strangers only: a device that is
known here still has rows of its own then. All times are Unix ms.
"""

from collections import deque
from collections.abc import Hashable
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
    admitted: deque[int] = field(default_factory=deque)  # when each of the latest got a row
    gathered: int = 0  # how many findings became part of the one row
    began: int = 0
    last: int = 0
    distinct: set[int] = field(default_factory=set)
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
            self.gathered, self.began, self.severity = 0, now, threat.severity
            self.distinct.clear()
            self.first_ones.clear()
            self.last_ones.clear()
        self.gathered += 1
        self.last = now
        if len(self.distinct) < MOST_DISTINCT:
            self.distinct.add(hash((threat.kind, threat.device, threat.target)))
        self.severity = max(self.severity, threat.severity, key=SEVERITIES.index)
        example = {
            "kind": threat.kind, "device": threat.device, "target": threat.target,
            "description": threat.description[:LONGEST],
        }  # fmt: skip
        (self.first_ones if len(self.first_ones) < MOST_EXAMPLES else self.last_ones).append(example)
        return self._whole(threat, who)

    def _whole(self, latest: Threat, who: str | None) -> Threat:
        number = f"{len(self.distinct):,}" + (" or more" if len(self.distinct) >= MOST_DISTINCT else "")
        what = "threats of all kinds" if self.kind == FLOOD else f"threats of the kind {self.kind}"
        by = f" by {who}" if who else ""
        against = f" against {self.target}" if self.target else ""
        return Threat(
            0, self.kind, self.severity, self.device, self.target,
            f"{number} more {what}{by}{against} came too fast for a row each; the latest: "
            f"{latest.description[:LONGEST]}",
            latest.recommendation,
            {
                "findings": self.gathered, "threats": len(self.distinct),
                "or_more": len(self.distinct) >= MOST_DISTINCT, "since": self.began,
                "examples": [*self.first_ones, *self.last_ones],
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
        while len(self._groups) > MOST_GROUPS:
            del self._groups[next(iter(self._groups))]
        return None

    @staticmethod
    def _groups_of(threat: Threat, here: bool) -> dict[GroupKey, Group]:
        """The groups that it belongs to, the narrowest first."""
        kind, device, target = threat.kind, threat.device, threat.target
        groups: dict[GroupKey, Group] = {}
        if device is not None:
            groups["device", kind, device] = Group(kind, device, None, MOST_ALIKE)
        if target is not None:
            groups["target", kind, target, here] = Group(kind, None, target, MOST_ALIKE)
        groups["kind", kind, here] = Group(kind, None, None, MOST_OF_A_KIND_HERE if here else MOST_OF_A_KIND)
        groups["all", here] = Group(FLOOD, None, None, MOST_AT_ALL)
        return groups
