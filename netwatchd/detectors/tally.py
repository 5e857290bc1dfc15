"""What one attacker has tried of one thing: so many ports of a host, so many hosts at a port. Times are Unix ms.

The memory is bounded. Of a tally, MOST things are kept, and what comes on top is counted. Of tallies, `Tallies` keeps
many with next to nothing in them, where a new one takes the place of the one that was not touched for longest, and
apart from them a few that have GROWN: a flood of made-up sources that try one thing each never gets there. Among those
that have grown, one with little in it goes first.
"""

from collections.abc import Callable, Hashable
from itertools import islice
from typing import Any, Generic, NamedTuple, TypeVar

from netwatchd.detectors.attempts import OPENED, OUTCOMES, REFUSED, SILENT, UNKNOWN

MOST = 512  # things of a tally: more than decide anything
GROWN = 4  # things, from which on a tally is kept apart
MOST_YOUNG, MOST_GROWN = 4096, 96  # some 4 MB and, when all are full, 10 MB
AGAIN = 10_000  # milliseconds after which what goes on is told again
QUIET = 3_000  # milliseconds after which it is over
EXAMPLES = 20
_BEYOND = 0x1FFFF  # ports of TCP and UDP, or the low bits of addresses: things beyond MOST, one bit each (16 KB)
_LOOKED_AT = 8  # tallies, among which the smallest goes

K = TypeVar("K", bound=Hashable)


class Tried(NamedTuple):
    """One thing that was tried."""

    time: int
    outcome: int
    worth: int = 1  # as evidence


class Tally:
    """What was tried, and what was told of it."""

    __slots__ = (
        "answered", "attempts", "beyond", "first", "last", "look_at", "more", "news", "sources", "target", "things",
        "told", "told_at", "told_attempts", "ways",
    )  # fmt: skip

    def __init__(self) -> None:
        self.clear()
        self.target: str | None = None  # as it was told

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

    def see(self, thing: Any, tried: Tried, way: str, source: str, *, new: bool = True) -> None:
        """Something was tried; if that is not `new`, perhaps more is known of it."""
        time = tried.time
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
            self.things[thing] = tried
        elif tried.outcome > known.outcome or tried.worth > known.worth:
            self.things[thing] = Tried(known.time, max(tried.outcome, known.outcome), max(tried.worth, known.worth))
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
        if not self.told:
            self.things = {thing: tried for thing, tried in self.things.items() if tried.time >= until}
            self.first = min((tried.time for tried in self.things.values()), default=self.last)

    def since(self, time: int) -> "Tally":
        """What was tried since then, to be looked at."""
        found = Tally()
        found.things = {thing: tried for thing, tried in self.things.items() if tried.time >= time}
        found.last = self.last
        return found

    def worth(self, since: int, least: int = SILENT) -> int:
        """The evidence since then, of what is known so well."""
        return sum(tried.worth for tried in self.things.values() if tried.time >= since and tried.outcome >= least)

    def is_worth_telling_again(self, again: int = AGAIN) -> bool:
        """Whether the picture has grown: it has doubled, or goes on for another while (ms)."""
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
        for number, word in enumerate(OUTCOMES):
            found[word] = sum(tried.outcome == number for tried in self.things.values())
        found |= {
            "more": self.more, "in_use": self.answered,
            "examples": [text(thing) for thing in sorted(self.things)[:EXAMPLES]],
            "found_open": [text(each) for each in sorted(self.of(OPENED))[:EXAMPLES]],
            "scan": sorted(self.ways), "sources": sorted(self.sources),
            "start": self.first, "end": self.last, "seconds": round(seconds, 1),
            "per_second": round(self.attempts / max(seconds, 1), 1),
        }  # fmt: skip
        return found

    def of(self, outcome: int) -> list[Any]:
        """The things of which that became."""
        return [thing for thing, tried in self.things.items() if tried.outcome == outcome]

    def outcomes(self, opened: str = "open") -> str:
        """`3 open, 290 refused, 19 not answered`, of as many as are told apart."""
        counts = ((number, len(self.of(number))) for number in (OPENED, REFUSED, SILENT, UNKNOWN))
        words = ("answer not known yet", "not answered", "refused", opened)
        told = [f"{count:,} {words[number]}" for number, count in counts if count]
        return ", ".join([*told, f"{self.more:,} more"] if self.more else told)

    def span(self) -> str:
        """How long it took, in words."""
        seconds = max(self.last - self.first, 0) / 1000
        if seconds < 120:
            return f"{seconds:.1f} s" if seconds >= 0.1 else "less than 0.1 s"
        return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"

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
        times = sorted(tried.time for tried in self.things.values())
        self.forget(times[len(times) // 2] + 1)
        return len(self.things) < MOST


class Tallies(Generic[K]):
    """Tallies by key."""

    def __init__(self, silence: int, make: Callable[[], Tally] = Tally) -> None:
        """After a `silence` (ms) a tally begins anew."""
        self.evicted = 0
        self._silence = silence
        self._make = make
        self._young: dict[K, Tally] = {}
        self._grown: dict[K, Tally] = {}

    def __len__(self) -> int:
        return len(self._young) + len(self._grown)

    def has_grown(self, key: K) -> bool:
        """Whether there is much in the tally of a key."""
        return key in self._grown

    def touch(self, key: K, time: int) -> Tally:
        """The tally of a key at a time."""
        grown = self._grown
        if key in grown:
            tally = grown[key] = grown.pop(key)
        else:
            tally = self._touch_young(key)
        if time - tally.last > self._silence and tally.attempts:
            tally.clear()
        return tally

    def ended(self, time: int, quiet: int = QUIET) -> list[tuple[K, Tally]]:
        """Those that were told, and of which there is more to tell, but nothing has come for a while (ms) at a time."""
        return [
            (key, tally)
            for key, tally in self._grown.items()
            if tally.told and tally.has_news and tally.last < time - quiet
        ]

    def _touch_young(self, key: K) -> Tally:
        tally = self._young.pop(key, None)
        if tally is None:
            tally = self._make()
            if len(self._young) >= MOST_YOUNG:
                del self._young[next(iter(self._young))]
                self.evicted += 1
        elif len(tally.things) >= GROWN:
            if len(self._grown) >= MOST_GROWN:
                del self._grown[min(islice(self._grown.items(), _LOOKED_AT), key=_content)[0]]
                self.evicted += 1
            self._grown[key] = tally
            return tally
        self._young[key] = tally
        return tally


def _content(item: tuple[Any, Tally]) -> int:
    """How much there is in a tally, of which the key is given, too."""
    tally = item[1]
    return len(tally.things) + tally.more + tally.told
