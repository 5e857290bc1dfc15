"""The command line as data: its verbs, their flags, and what may stand behind these; read from the parser itself."""

import argparse
from collections.abc import Iterable
from typing import NamedTuple

from netwatchd.broadcast.messages import TOPICS
from netwatchd.catalog import KINDS
from netwatchd.identity.kinds import KINDS as DEVICE_KINDS

# What stands for what, by the name that the help has for it.
_BY_METAVAR = {
    "DEVICE": "devices", "INTO": "devices", "WHO": "devices", "FILE": "files", "DEST": "files", "DIR": "directories",
}  # fmt: skip
ASKED = ("devices", "threats")  # what the scripts of shells ask for while somebody types


class Word(NamedTuple):
    """A flag, or what stands without one."""

    flags: tuple[str, ...]  # none: it stands by its place
    metavar: str  # what the help calls its value; empty where it takes none
    help: str
    source: str  # of its values: `words`, `devices`, `threats`, `files`, `directories`, or nothing
    words: tuple[str, ...] = ()
    nargs: str | None = None  # as argparse has it: ?, *, +

    @property
    def takes_value(self) -> bool:
        """Whether what follows belongs to it, always."""
        return bool(self.flags and self.metavar and self.nargs is None)


class Verb(NamedTuple):
    """A verb of the command line."""

    name: str
    help: str
    flags: tuple[Word, ...]
    places: tuple[Word, ...]

    def place(self, number: int) -> Word | None:
        """What stands at a place behind the verb, counted from 0."""
        if number < len(self.places):
            return self.places[number]
        last = self.places[-1] if self.places else None
        return last if last and last.nargs in ("*", "+") else None


def verbs(parser: argparse.ArgumentParser) -> list[Verb]:
    """The verbs of a parser, in their order."""
    (choices,) = (each for each in parser._actions if isinstance(each, argparse._SubParsersAction))
    helps = {each.dest: each.help or "" for each in choices._choices_actions}
    return [_verb(name, helps[name], each) for name, each in choices.choices.items()]


def _verb(name: str, help_text: str, parser: argparse.ArgumentParser) -> Verb:
    words = [_word(name, action) for action in parser._actions]
    flags, places = [each for each in words if each.flags], [each for each in words if not each.flags]
    return Verb(name, help_text, tuple(flags), tuple(places))


def _word(verb: str, action: argparse.Action) -> Word:
    takes = action.nargs != 0
    metavar = str(action.metavar or (action.dest.upper() if takes else "")) if takes else ""
    if action.choices and action.option_strings and not action.metavar:
        metavar = action.dest.upper()
    source, words = _values(verb, action, metavar)
    nargs = action.nargs if isinstance(action.nargs, str) else None
    return Word(tuple(action.option_strings), metavar, (action.help or "") % vars(action), source, words, nargs)


def _values(verb: str, action: argparse.Action, metavar: str) -> tuple[str, tuple[str, ...]]:
    if action.choices:
        # What scripts alone ask for is nothing to be typed.
        return "words", tuple(str(each) for each in action.choices if verb != "completion" or each not in ASKED)
    if metavar == "ID" and not action.option_strings:
        return "threats", ()
    if metavar == "KIND":
        return "words", tuple(_sorted(DEVICE_KINDS)) if verb == "devices" else tuple(_sorted(KINDS))
    if metavar == "TOPICS":
        return "words", tuple(TOPICS)
    return _BY_METAVAR.get(metavar, ""), ()


def _sorted(words: Iterable[str]) -> list[str]:
    return sorted({*words, "unknown"} if "phone" in words else words)
