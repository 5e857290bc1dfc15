"""Text from the network as Clues: printable, of bounded length; and each told once, not for every packet."""

from collections.abc import Hashable, Iterable

from netwatchd.events import LONGEST_CLUE, Clue

HOUR = 3_600_000  # milliseconds after which a clue is told again, so that whoever keeps them knows that it still holds

# A printer with every protocol there is offers some fifteen services; a liar may offer a new one in each packet.
MOST_OF_A_KIND = 24  # clues of one kind and one station within HOUR
# Of all stations together, some 5 MB when full; after so many it begins anew, and tells some again.
MOST_TOLD = 8192
MOST_AT_ONCE = 64  # clues of one packet


def printable(raw: bytes | str) -> str:
    """The text without what cannot be printed, cut to the length of a clue; empty for binary data.

    Invalid UTF-8 is replaced. A control character other than white space, and NULs at the end, says that it is no text.
    """
    text = raw.decode(errors="replace") if isinstance(raw, bytes) else raw
    text = " ".join(text.rstrip("\0").split())
    if any(character < " " or character == "\x7f" for character in text):
        return ""
    if not text.isprintable():  # such as characters that turn the direction of writing
        text = "".join(filter(str.isprintable, text))
    return text[:LONGEST_CLUE].rstrip() if text.strip("\ufffd ") else ""


def clue(kind: str, raw: bytes | str) -> tuple[Clue, ...]:
    """The clue of this kind that a text is, or none where it is no text."""
    text = printable(raw)
    return (Clue(kind, text),) if text else ()


def hexadecimal(kind: str, raw: bytes) -> tuple[Clue, ...]:
    """The clue of this kind that an identifier is; none where it is empty or says nothing."""
    return (Clue(kind, raw[: LONGEST_CLUE // 2].hex()),) if any(raw) else ()


class Told:
    """Which clues were told of which station lately. `dropped` counts those that were too many."""

    def __init__(self) -> None:
        self.dropped = 0
        self._told: dict[tuple[Hashable, Clue], int] = {}
        self._counts: dict[tuple[Hashable, str], tuple[int, int]] = {}  # of a station and kind: since when, how many

    def __len__(self) -> int:
        return len(self._told)

    def fresh(self, station: Hashable, clues: Iterable[Clue], time: int) -> tuple[Clue, ...]:
        """Those of the clues that are to be told at `time` (ms), as they were not within HOUR."""
        found = []
        for each in dict.fromkeys(clues):
            key = station, each
            if 0 <= time - self._told.get(key, -HOUR) < HOUR:
                continue
            if not self._may_tell(station, each.kind, time):
                self.dropped += 1
                continue
            if len(self._told) >= MOST_TOLD:
                self._told.clear()
                self._counts.clear()
            self._told[key] = time
            found.append(each)
        return tuple(found)

    def _may_tell(self, station: Hashable, kind: str, time: int) -> bool:
        since, count = self._counts.get((station, kind), (time, 0))
        if not 0 <= time - since < HOUR:
            since, count = time, 0
        self._counts[station, kind] = since, count + 1
        return count < MOST_OF_A_KIND
