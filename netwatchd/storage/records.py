"""What is kept beside the devices and waits for the next commit: traits, sessions, aliases, and what is done to them.

The rule of the order: the later word counts. What is kept or dropped is one row under its key, and only the latest of
each is written. To join or to erase is an *act*: it means rows that only the database knows. So acts stay in their
order, each behind the sessions that were kept before it, and what an erasure would remove of the rest that waits is
removed here. What was kept after the last act is written behind all of them. To act twice is not to act once (a device
that was erased and has come back would be erased again): the token of the newest act is committed with it, and what
stands up to that act is not written again, after a failure in doubt or from the spool.
"""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from netwatchd.events import Alias, Record, Session, Trait

Key = tuple[str, str, str | int] | tuple[str, str, str, str]  # the table and its primary key
Rows = dict[Key, Record | None]  # None: its row goes
TABLES: dict[type[Record], str] = {Trait: "traits", Session: "sessions", Alias: "aliases"}


@dataclass(frozen=True, slots=True)
class Join:
    """One device turned out to be another: its sessions are the other's. Of those that overlap one is made."""

    loser: str
    winner: str


@dataclass(frozen=True, slots=True)
class Erasure:
    """Nothing is to be known of a device: no session, no trait, no alias."""

    device: str
    stations: frozenset[str]  # all that it was, and itself

    def covers(self, record: Key) -> bool:
        """Whether it removes the trait or alias of this key."""
        table, first, second = record[:3]
        return first in self.stations or (table == "aliases" and second == self.device)


@dataclass(frozen=True, slots=True)
class Act:
    """A join or an erasure, and the sessions that are written before it."""

    what: Join | Erasure
    sessions: Rows = field(default_factory=dict)
    token: str = field(default_factory=lambda: secrets.token_hex(8))


@dataclass
class Records:
    """The rows and acts of a batch."""

    acts: list[Act] = field(default_factory=list)
    sessions: Rows = field(default_factory=dict)  # since the last act
    others: Rows = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.acts) + len(self.sessions) + len(self.others) + sum(len(act.sessions) for act in self.acts)

    def __contains__(self, key: Key) -> bool:
        return key in self.sessions or key in self.others

    def put(self, key: Key, record: Record | None) -> None:
        """The latest of a row; None removes it."""
        (self.sessions if key[0] == "sessions" else self.others)[key] = record

    def join(self, loser: str, winner: str) -> None:
        """Makes the sessions of one device those of another."""
        self._act(Act(Join(loser, winner), self.sessions))

    def erase(self, device: str, stations: Iterable[str]) -> None:
        """Removes what is kept of a device and of all the stations that it was."""
        self._act(Act(Erasure(device, frozenset((device, *stations))), self.sessions))

    def _act(self, act: Act) -> None:
        self.acts.append(act)
        self.sessions = {}
        self.others = _left(self.others, [act])

    def followed_by(self, later: "Records") -> "Records":
        """Both in one; neither changes."""
        acts, sessions = later.acts, self.sessions | later.sessions
        if acts:
            acts = [replace(acts[0], sessions=self.sessions | acts[0].sessions), *acts[1:]]
            sessions = dict(later.sessions)
        return Records([*self.acts, *acts], sessions, _left(self.others, acts) | later.others)

    def count(self, table: str) -> int:
        """How many rows of a table it writes, of those that stay."""
        rows = [*self.others.items(), *self.sessions.items()]
        rows += [item for act in self.acts for item in act.sessions.items()]
        return sum(key[0] == table and record is not None for key, record in rows)


def key_of(record: Record) -> Key:
    """The table of a record and its primary key there."""
    if isinstance(record, Trait):
        return "traits", record.station, record.clue.kind, record.clue.value
    if isinstance(record, Session):
        return "sessions", record.device, record.start
    return "aliases", record.mac, record.device


def _left(rows: Rows, acts: Iterable[Act]) -> Rows:
    """What the acts leave of traits and aliases."""
    erasures = [act.what for act in acts if isinstance(act.what, Erasure)]
    if not erasures:
        return dict(rows)
    return {key: record for key, record in rows.items() if not any(each.covers(key) for each in erasures)}
