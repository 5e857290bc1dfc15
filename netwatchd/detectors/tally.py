"""What one attacker has tried of one thing: so many ports of a host, so many hosts at a port. Times are Unix ms.

The memory is bounded. Of a tally, MOST things are kept, and what comes on top is counted. Of tallies, `Tallies` keeps
many with next to nothing in them, where a new one takes the place of the one that was not touched for longest, and
apart from them a few that have GROWN: a flood of made-up sources that try one thing each never gets there. Among those
that have grown, one with little in it goes first.
"""

from collections.abc import Callable, Hashable
from itertools import islice
from typing import Any, Generic, TypeVar

from netwatchd.detectors.attempts import OPENED, OUTCOMES, REFUSED, SILENT, UNKNOWN
from netwatchd.detectors.bounded import make_room

MOST = 512  # things of a tally: more than decide anything
GROWN = 4  # things, from which on a tally is kept apart
MOST_YOUNG, MOST_GROWN = 4096, 96  # some 4 MB and, when all are full, 10 MB
AGAIN = 10_000  # milliseconds after which what goes on is told again
QUIET = 3_000  # milliseconds after which it is over
EXAMPLES = 20
_BEYOND = 0x1FFFF  # ports of TCP and UDP, or the low bits of addresses: things beyond MOST, one bit each (16 KB)
_LOOKED_AT = 8  # tallies, among which the smallest goes

K = TypeVar("K", bound=Hashable)
_Once = tuple[Any, int, int, int, str, str, bool]  # what Tally.see is told


# A thing that was tried: when (Unix ms), what came of it, and what it is worth as evidence (up to 3), in one number, as
# a scan has thousands a second. The earlier of two is the smaller one.
Tried = int
_TIME, _OUTCOME = 4, 2  # how far they are shifted


def tried(time: int, outcome: int, worth: int) -> Tried:
    """The number."""
    return time << _TIME | outcome << _OUTCOME | worth


def time_of(number: Tried) -> int:
    """When it was tried first (Unix ms)."""
    return number >> _TIME


def outcome_of(number: Tried) -> int:
    """What came of it at best."""
    return number >> _OUTCOME & 3


def worth_of(number: Tried) -> int:
    """What it is worth."""
    return number & 3


class Tally:
    """What was tried, and what was told of it."""

    __slots__ = (
        "answered", "attempts", "beyond", "by", "first", "last", "look_at", "more", "news", "sources", "target",
        "things", "told", "told_at", "told_attempts", "ways",
    )  # fmt: skip

    def __init__(self) -> None:
        self.clear()
        self.target: str | None = None  # as it was told
        self.by: str | None = None  # as whom who did it was told; None: as one of many

    def clear(self) -> None:
        """Begins anew; what it was called stays."""
        self.things: dict[Any, Tried] = {}
        self.attempts = 0
        self.beyond: bytearray | None = None  # a bit for each thing that found it full
        self.more = 0  # how many these are
        self.answered = 0  # things that turned out to be in use
        self.first = self.last = 0
        # A few words each; of most tallies one, so that they are no sets.
        self.ways: tuple[str, ...] = ()
        self.sources: tuple[str, ...] = ()
        self.news = 0  # what has changed
        self.look_at = 0  # how much must have changed before it can decide something
        self.told = 0  # how many things were told; 0: nothing was
        self.told_at = 0
        self.told_attempts = 0

    @property
    def count(self) -> int:
        """How many things were tried."""
        return len(self.things) + self.more

    def see(  # what there is to know of a trial
        self, thing: Any, time: int, outcome: int, worth: int, way: str, source: str, new: bool = True
    ) -> None:
        """Something was tried; if that is not `new`, perhaps more is known of it."""
        if not self.attempts or time < self.first:
            self.first = time
        if time > self.last:
            self.last = time
        if new or not self.attempts:
            self.attempts += 1
        if way not in self.ways or source not in self.sources:
            self._see_way(way, source)
        known = self.things.get(thing)
        if known is None:
            if len(self.things) >= MOST and not self._make_room():
                self._see_beyond(thing)
                return
            self.things[thing] = time << _TIME | outcome << _OUTCOME | worth
        elif outcome > known >> _OUTCOME & 3 or worth > known & 3:
            self.things[thing] = tried(time_of(known), max(outcome, outcome_of(known)), max(worth, worth_of(known)))
        else:
            return
        self.news += 1

    def retract(self, thing: Any) -> None:
        """It is in use, and no evidence."""
        if self.things.pop(thing, None) is not None:
            self.answered += 1
            self.news += 1

    def forget(self, until: int) -> None:
        """What was tried before is no evidence any more, unless it was told."""
        if self.told or self.first >= until:
            return
        least = until << _TIME
        self.things = {thing: number for thing, number in self.things.items() if number >= least}
        self.first = time_of(min(self.things.values(), default=self.last << _TIME))

    @property
    def latest(self) -> int:
        """When the last of the things was tried first."""
        return time_of(max(self.things.values(), default=self.last << _TIME))

    def since(self, time: int) -> "Tally":
        """What was tried since then, to be looked at."""
        found = Tally()
        found.things = {thing: number for thing, number in self.things.items() if number >= time << _TIME}
        found.last = self.last
        return found

    def worth(self, since: int, least: int = SILENT) -> int:
        """The evidence since then, of what is known so well."""
        first, low = since << _TIME, least << _OUTCOME
        return sum(number & 3 for number in self.things.values() if number >= first and number & 12 >= low)

    def is_worth_telling_again(self, again: int = AGAIN) -> bool:
        """Whether the picture has grown: it has doubled, or goes on for another while (ms)."""
        # It costs next to nothing where nothing has grown: each thing more is news.
        if self.news < self.told and self.last - self.told_at < again:
            return False
        return self.count >= 2 * self.told or (self.last - self.told_at >= again and self.has_news)

    @property
    def has_news(self) -> bool:
        """Whether there is more to tell than was told; to try all of it once more is something, too."""
        return self.news > 0 or self.attempts >= self.told_attempts + self.told

    def note_told(self) -> None:
        """It is told as it is."""
        self.told, self.told_at, self.news = max(self.count, 1), self.last, 0
        self.told_attempts = self.attempts

    def evidence(self, things: str, text: Callable[[Any], str] = str) -> dict[str, Any]:
        """The numbers that decided; `things` are what was tried, and `text` writes one."""
        seconds = max(self.last - self.first, 0) / 1000
        found: dict[str, Any] = {f"{things}_tried": self.count, "attempts": self.attempts}
        counts = self._counts()
        found |= dict(zip(OUTCOMES, counts, strict=True))
        found |= {
            "more": self.more, "in_use": self.answered,
            "examples": [text(thing) for thing in sorted(self.things)[:EXAMPLES]],
            "found_open": [text(each) for each in sorted(self.of(OPENED))[:EXAMPLES]] if counts[OPENED] else [],
            "scan": sorted(self.ways), "sources": sorted(self.sources),
            "start": self.first, "end": self.last, "seconds": round(seconds, 1),
            "per_second": round(self.attempts / max(seconds, 1), 1),
        }  # fmt: skip
        return found

    def of(self, outcome: int) -> list[Any]:
        """The things of which that became."""
        return [thing for thing, number in self.things.items() if number >> _OUTCOME & 3 == outcome]

    def outcomes(self, opened: str = "open") -> str:
        """`3 open, 290 refused, 19 not answered`, of as many as are told apart."""
        counts = self._counts()
        words = ("answer not known yet", "not answered", "refused", opened)
        told = [
            f"{counts[number]:,} {words[number]}" for number in (OPENED, REFUSED, SILENT, UNKNOWN) if counts[number]
        ]
        return ", ".join([*told, f"{self.more:,} more"] if self.more else told)

    def span(self) -> str:
        """How long it took, in words."""
        seconds = max(self.last - self.first, 0) / 1000
        if seconds < 120:
            return f"{seconds:.1f} s" if seconds >= 0.1 else "less than 0.1 s"
        return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"

    def _counts(self) -> list[int]:
        """How many there are of each outcome."""
        bits = [number & 3 << _OUTCOME for number in self.things.values()]
        return [bits.count(outcome << _OUTCOME) for outcome in range(len(OUTCOMES))]

    def _see_way(self, way: str, source: str) -> None:
        if len(self.ways) < EXAMPLES and way not in self.ways:
            self.ways += (way,)
        if len(self.sources) < EXAMPLES and source not in self.sources:
            self.sources += (source,)

    def _see_beyond(self, thing: Any) -> None:
        if self.beyond is None:
            self.beyond = bytearray((_BEYOND + 1) // 8)
        number = (thing if isinstance(thing, int) else hash(thing)) & _BEYOND
        bit = 1 << (number & 7)
        if not self.beyond[number >> 3] & bit:
            self.beyond[number >> 3] |= bit
            self.more += 1
            self.news += 1

    def _make_room(self) -> bool:
        """Of what was not told, the older half goes."""
        if self.told:
            return False
        numbers = sorted(self.things.values())
        self.forget(time_of(numbers[len(numbers) // 2]) + 1)
        return len(self.things) < MOST


class Tallies(Generic[K]):
    """Tallies by key."""

    def __init__(self, silence: int, make: Callable[[], Tally] = Tally) -> None:
        """After a `silence` (ms) a tally begins anew."""
        self.evicted = 0
        self._silence = silence
        self._make = make
        # Most keys come once, of which only that first trial is kept.
        self._young: dict[K, Tally | _Once] = {}
        self._grown: dict[K, Tally] = {}
        # The one that was touched last of those that have grown: a scanner does the same again and again.
        self._latest: tuple[K | None, Tally] = None, Tally()

    def __len__(self) -> int:
        return len(self._young) + len(self._grown)

    def has_grown(self, key: K) -> bool:
        """Whether there is much in the tally of a key."""
        return key in self._grown

    def see(  # what there is to know of a trial
        self, key: K, thing: Any, time: int, outcome: int, worth: int, way: str, source: str, new: bool = True
    ) -> Tally | None:
        """Something was tried (`Tally.see`); returns the tally, None where that is all that is known of the key."""
        latest, tally = self._latest
        if key != latest:
            found = self._find(key)
            if found is None:
                self.evicted += make_room(self._young, MOST_YOUNG)
                self._young[key] = thing, time, outcome, worth, way, source, new
                return None
            tally = found
        if time - tally.last > self._silence:
            tally.clear()
        tally.see(thing, time, outcome, worth, way, source, new)
        return tally

    def grown(self) -> list[tuple[K, Tally]]:
        """Those in which there is much, as far as is known of them."""
        old = ((key, tally) for key, tally in self._young.items() if isinstance(tally, Tally))
        return [*self._grown.items(), *(each for each in old if len(each[1].things) >= GROWN)]

    def put(self, key: K, tally: Tally) -> None:
        """Takes in one that was kept, unless there is one of that key already, or no room."""
        if key not in self._grown and key not in self._young and len(self._grown) < MOST_GROWN:
            self._grown[key] = tally

    def drop_later(self, time: int) -> None:
        """Forgets those that were touched later than at a time, which a clock may have told that was wrong."""
        for key in [key for key, tally in self._grown.items() if tally.last > time]:
            del self._grown[key]
        self._latest = None, Tally()

    def touch(self, key: K, time: int) -> Tally:
        """The tally of a key at a time, which is made where there is none."""
        tally = self._find(key)
        if tally is None:
            self.evicted += make_room(self._young, MOST_YOUNG)
            tally = self._young[key] = self._make()
        elif time - tally.last > self._silence and tally.attempts:
            tally.clear()
        return tally

    def retract(self, key: K, thing: Any) -> Tally | None:
        """What was tried is in use; returns the tally, if there is one."""
        tally = self._grown.get(key) or self._young.get(key)
        if isinstance(tally, Tally):
            tally.retract(thing)
            return tally
        if tally is not None and tally[0] == thing:
            del self._young[key]
        return None

    def ended(self, time: int, quiet: int = QUIET) -> list[tuple[K, Tally]]:
        """Those that were told, and of which there is more to tell, but nothing has come for a while (ms) at a time."""
        return [
            (key, tally)
            for key, tally in self._grown.items()
            if tally.told and tally.has_news and tally.last < time - quiet
        ]

    def _find(self, key: K) -> Tally | None:
        """The tally of a key, which is touched."""
        grown = self._grown
        tally = grown.get(key)
        if tally is None:
            young = self._young.pop(key, None)
            if young is None:
                return None
            if isinstance(young, tuple):
                tally = self._make()
                tally.see(*young)
            else:
                tally = young
            if len(tally.things) < GROWN:
                self._young[key] = tally
                return tally
            if len(grown) >= MOST_GROWN:
                del grown[min(islice(grown.items(), _LOOKED_AT), key=_content)[0]]
                self.evicted += 1
        else:
            del grown[key]
        grown[key] = tally
        self._latest = key, tally
        return tally


def _content(item: tuple[Any, Tally]) -> int:
    """How much there is in a tally, of which the key is given, too."""
    tally = item[1]
    return len(tally.things) + tally.more + tally.told
