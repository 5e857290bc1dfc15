"""Tallies as a note: what takes hours to become evidence outlives a restart.

Bounded: TALLIES of them, those that have come in the most different slots of time first, so that who tries much at once
does not push out who tries little for long; and of each the latest THINGS, more than a slow scan takes. When all are
full, that is 80 kB of ports, or 120 kB of addresses.
"""

from collections.abc import Callable, Hashable, Iterable
from typing import Any, TypeVar

from netwatchd.detectors.tally import GROWN, Tallies, Tally, time_of

TALLIES, THINGS = 32, 96
_MOST = 1 << 62
_LONGEST = 64  # characters of a word

K = TypeVar("K", bound=Hashable)


def to_list(
    tallies: Tallies[K], slot: int, key_text: Callable[[K], object], text: Callable[[Any], object]
) -> list[Any]:
    """What is kept of tallies, as for JSON; a `slot` is in milliseconds, `text` writes a thing."""

    def rank(item: tuple[K, Tally]) -> tuple[int, int]:
        return len({time_of(number) // slot for number in item[1].things.values()}), item[1].last

    ranked = sorted(tallies.grown(), key=rank)[-TALLIES:]
    return [[key_text(key), *_of_tally(tally, text)] for key, tally in ranked if tally.things]


def take_list(kept: object, tallies: Tallies[K], key_of: Callable[[Any], K], thing_of: Callable[[K, Any], Any]) -> None:
    """Takes in what was kept.

    `key_of` and `thing_of`, which is given the key, too, raise ValueError or TypeError where it is damaged: that is
    left out.
    """
    for each in kept[-TALLIES:] if isinstance(kept, list) else ():
        try:
            key = key_of(each[0])
            tallies.put(key, _tally_of(key, each[1:], thing_of))
        except (ValueError, TypeError, LookupError):
            continue


def _of_tally(tally: Tally, text: Callable[[Any], object]) -> list[object]:
    things = sorted(tally.things.items(), key=lambda item: item[1])[-THINGS:]
    more, target = tally.count - len(things), tally.target if tally.told else None
    return [
        tally.first, tally.last, tally.attempts, more, tally.told, tally.told_at, target,
        tally.ways, tally.sources, [[text(thing), number] for thing, number in things],
    ]  # fmt: skip


def _tally_of(key: K, kept: list[Any], thing_of: Callable[[K, Any], Any]) -> Tally:
    *numbers, target, ways, sources, things = kept
    if len(numbers) != 6 or not _are_counts(numbers) or (numbers[4] > 0) != _is_word(target):
        raise ValueError("it is no tally")
    tally = Tally()
    tally.first, tally.last, tally.attempts, tally.more, tally.told, tally.told_at = numbers
    tally.target, tally.told_attempts = target, tally.attempts
    tally.ways, tally.sources = _words(ways), _words(sources)
    for thing, number in things[-THINGS:]:
        if not _are_counts((number,)):
            raise ValueError("it is no trial")
        tally.things[thing_of(key, thing)] = number
    if len(tally.things) < GROWN or tally.first > tally.last or tally.last < tally.latest:
        raise ValueError("it is not worth keeping, or contradicts itself")
    tally.news = 0 if tally.told else len(tally.things)
    return tally


def _are_counts(numbers: Iterable[object]) -> bool:
    return all(type(number) is int and 0 <= number < _MOST for number in numbers)


def _is_word(word: object) -> bool:
    return isinstance(word, str) and len(word) <= _LONGEST


def _words(words: object) -> tuple[str, ...]:
    if not isinstance(words, list) or not all(map(_is_word, words)):
        raise ValueError("these are no words")
    return tuple(words[:THINGS])
