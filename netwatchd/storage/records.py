"""What is kept beside the devices and waits for the next commit: traits, sessions, aliases, and what is done to them.

The rule of the order: the later word counts. What is kept or dropped is one row under its key, and only the latest of
each is written. To join or to erase is an *act*: it means rows that only the database knows. So acts stay in their
order, each behind the sessions that were kept before it, and what an erasure would remove of the rest that waits is
removed here. What was kept after the last act is written behind all of them. To act twice is not to act once (a device
that was erased and has come back would be erased again): the token of the newest act is committed with it, and what
stands up to that act is not written again, after a failure in doubt or from the spool.
"""

import secrets
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from netwatchd.events import Record, Session, Trait
from netwatchd.storage import rows, schema

Key = tuple[str, str, str | int] | tuple[str, str, str, str]  # the table and its primary key
Rows = dict[Key, Record | None]  # None: its row goes
Statements = list[tuple[str, list[tuple[Any, ...]]]]
NEWEST_ACT = "newest_act"  # in meta: its token
_PUT = {"traits": schema.PUT_TRAIT, "sessions": schema.PUT_SESSION, "aliases": schema.PUT_ALIAS}
_DELETE = {"traits": schema.DELETE_TRAIT, "sessions": schema.DELETE_SESSION, "aliases": schema.DELETE_ALIAS}

# Of two devices' sessions those that overlap are put together, each group into its first one. A session that lasts
# ends never.
_NEVER = 2**62
_TOGETHER = f"""
INSERT OR REPLACE INTO main.sessions
WITH each AS (
    SELECT start, max(coalesce("end", {_NEVER})) AS "end" FROM main.sessions WHERE device IN (?1, ?2) GROUP BY start
), reached AS (
    SELECT *, max("end") OVER (ORDER BY start ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before FROM each
), grouped AS (SELECT *, sum(before IS NULL OR before <= start) OVER (ORDER BY start) AS number FROM reached)
SELECT ?2, min(start), nullif(max("end"), {_NEVER}) FROM grouped GROUP BY number
"""
_WITHIN_OTHERS = f"""
DELETE FROM main.sessions WHERE device = ?1 AND start IN (
    SELECT start FROM (
        SELECT start, max(coalesce("end", {_NEVER})) OVER (
            ORDER BY start ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before
        FROM main.sessions WHERE device = ?1)
    WHERE before > start)
"""
_ERASE_SESSIONS = "DELETE FROM main.sessions WHERE device = ?"
_ERASE_TRAITS = "DELETE FROM main.traits WHERE station = ?"
_ERASE_ALIASES = "DELETE FROM main.aliases WHERE mac = ?1 OR device = ?2"


@dataclass(frozen=True, slots=True)
class Join:
    """One device turned out to be another: its sessions are the other's. Of those that overlap one is made."""

    loser: str
    winner: str

    def statements(self) -> Statements:
        """SQL that does it, and its rows."""
        return [
            (_TOGETHER, [(self.loser, self.winner)]),
            (_ERASE_SESSIONS, [(self.loser,)]),
            (_WITHIN_OTHERS, [(self.winner,)]),
        ]


@dataclass(frozen=True, slots=True)
class Erasure:
    """Nothing is to be known of a device: no session, no trait, no alias."""

    device: str
    stations: frozenset[str]  # all that it was, and itself

    def statements(self) -> Statements:
        """SQL that does it, and its rows."""
        stations = sorted(self.stations)
        return [
            (_ERASE_SESSIONS, [(station,) for station in stations]),
            (_ERASE_TRAITS, [(station,) for station in stations]),
            (_ERASE_ALIASES, [(station, self.device) for station in stations]),
        ]

    def covers(self, record: Key) -> bool:
        """Whether it removes the row of this key."""
        table, first, second = record[:3]
        return first in self.stations or (table == "aliases" and second == self.device)


@dataclass(frozen=True, slots=True)
class Act:
    """A join or an erasure, and the sessions that are written before it."""

    what: Join | Erasure
    sessions: Rows
    token: str  # what tells it from every other one: it is done once, however often it is written


@dataclass
class Records:
    """The rows and acts of a batch."""

    acts: list[Act] = field(default_factory=list)
    sessions: Rows = field(default_factory=dict)  # since the last act
    others: Rows = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.acts) + len(self.sessions) + len(self.others) + sum(len(act.sessions) for act in self.acts)

    def put(self, key: Key, record: Record | None) -> None:
        """The latest of a row; None removes it."""
        (self.sessions if key[0] == "sessions" else self.others)[key] = record

    def act(self, what: Join | Erasure, token: str | None = None) -> None:
        """A join or an erasure; `token` is that of one that was spooled."""
        self.acts.append(Act(what, self.sessions, token or secrets.token_hex(8)))
        self.sessions = {}
        self.others = _left(self.others, self.acts[-1:])

    def followed_by(self, later: "Records") -> "Records":
        """Both in one; neither changes."""
        acts, sessions = later.acts, self.sessions | later.sessions
        if acts:
            acts = [replace(acts[0], sessions=self.sessions | acts[0].sessions), *acts[1:]]
            sessions = dict(later.sessions)
        return Records([*self.acts, *acts], sessions, _left(self.others, acts) | later.others)

    def stored(self) -> dict[str, int]:
        """How many rows of each table it writes, of those that stay."""
        layers = [self.others, self.sessions, *(act.sessions for act in self.acts)]
        return Counter(key[0] for layer in layers for key, record in layer.items() if record is not None)

    def statements(self, done: str | None) -> Statements:
        """What is written, where the act with the token `done` is the newest that was done."""
        tokens = [act.token for act in self.acts]
        acts = self.acts[tokens.index(done) + 1 :] if done in tokens else self.acts
        found: Statements = []
        for act in acts:
            found += [
                *_row_statements(act.sessions),
                *act.what.statements(),
                (schema.PUT_META, [(NEWEST_ACT, act.token)]),
            ]
        return [*found, *_row_statements(self.sessions), *_row_statements(self.others)]


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


def _row_statements(layer: Rows) -> Statements:
    found: Statements = []
    for table in _PUT:
        mine = [(key, record) for key, record in layer.items() if key[0] == table]
        found.append((_DELETE[table], [key[1:] for key, record in mine if record is None]))
        found.append((_PUT[table], [_row(record) for _, record in mine if record is not None]))
    return found


def _row(record: Record) -> tuple[Any, ...]:
    if isinstance(record, Trait):
        return rows.trait_row(record)
    return rows.session_row(record) if isinstance(record, Session) else rows.alias_row(record)
