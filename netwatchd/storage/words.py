"""The words of a day's file and their numbers: states, origins and the devices that flows were put down to.

A number is given in the same transaction as the first row that holds it: the next one, because low numbers take less
room. A word that SQLite cannot take has no number and stands for itself, so that its row is refused, alone.

Rows that netwatchd 0.1 wrote hold a MAC as a number, or an address as text, where today's hold the number of an owner.
In the day in which it was updated there are both; the owner AFTER_MACS, which nobody is, keeps them apart.
"""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from netwatchd.events import Flow, Origin

Word = TypeVar("Word")
Told = tuple[str, Origin | None]  # the source that told of a flow, and who told the source
AFTER_MACS = 1 << 48


class Numbers(dict[Word, Any]):
    """The numbers of words. One that has none gets the next when it is asked for, and is then among the `new` ones.

    So rows come first and their words behind them: whoever writes a hundred thousand rows a second need not look
    through them twice.
    """

    def __init__(self, known: Mapping[Any, Word]) -> None:
        """`known` are the words by their numbers."""
        super().__init__((word, number) for number, word in known.items())
        self._next = max((number for number in known if isinstance(number, int)), default=-1) + 1
        self.new: list[tuple[int, Word]] = []

    def __missing__(self, word: Word) -> Any:
        if not is_storable(word):
            self[word] = word
            return word
        self[word] = number = self._next
        self._next += 1
        self.new.append((number, word))
        return number


class DayNumbers:
    """What is written for the words of a day."""

    def __init__(self, words: "Words") -> None:
        self.states: Numbers[str] = Numbers(words.states)
        self.origins: Numbers[Told] = Numbers(words.origins)
        self.owners: Numbers[str | None] = Numbers(words.owners)


class _Macs(dict[Any, str | None]):
    """The devices of rows that netwatchd 0.1 wrote."""

    def __missing__(self, packed: Any) -> str | None:
        return packed.to_bytes(6, "big").hex(":") if isinstance(packed, int) else packed


@dataclass
class Words:
    """What a number means, and the column that holds those of the owners."""

    states: Mapping[int, str]
    origins: Mapping[int, Told]
    owners: Mapping[Any, str | None]
    column: str = "owner"

    def flow(self, row: tuple[Any, ...]) -> Flow:
        """The flow of a row of `flows`."""
        return Flow._make((*row[:12], self.states[row[12]], *self.origins[row[13]], self.owners[row[14]]))

    def owned_by(self, device: str) -> list[Any]:
        """What stands in the column for a device."""
        found: list[Any] = [number for number, owner in self.owners.items() if owner == device]
        if isinstance(self.owners, _Macs):
            found.append(int(device.replace(":", ""), 16) if _is_mac(device) else device)
        return found


def read(db: sqlite3.Connection, schema: str = "main") -> Words:
    """The words of a day of any version, attached as `schema`."""
    states = dict(db.execute(f"SELECT id, name FROM {schema}.names"))
    if db.execute(f"PRAGMA {schema}.user_version").fetchone()[0] < 2:
        return Words(states, {number: (name, None) for number, name in states.items()}, _Macs(), "device")
    rows = db.execute(f"SELECT * FROM {schema}.origins")
    origins = {number: (source, _origin(*rest)) for number, source, *rest in rows}
    owners: dict[Any, str | None] = {None: None, **dict(db.execute(f"SELECT id, device FROM {schema}.owners"))}
    return Words(states, origins, _Macs(owners) if AFTER_MACS in owners else owners)


def is_storable(word: Any) -> bool:
    """Whether SQLite can take a word, or all parts of one."""
    if isinstance(word, tuple):
        return all(map(is_storable, word))
    if isinstance(word, str):
        return not any("\ud800" <= letter <= "\udfff" for letter in word)
    return word is None or isinstance(word, bytes) or (isinstance(word, int) and -(2**63) <= word < 2**63)


def _origin(exporter: Any, domain: int, sampling: int, clock_trusted: int) -> Origin | None:
    return None if exporter is None else Origin(exporter, domain, sampling, bool(clock_trusted))


def _is_mac(key: str) -> bool:
    return len(key) == 17 and key.count(":") == 5 and "::" not in key
