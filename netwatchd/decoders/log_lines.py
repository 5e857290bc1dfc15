"""The lines of a log: what the decoders of other programs' logs have in common, and a whole file's events."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from netwatchd.decoders.json_lines import Malformed
from netwatchd.events import Flow, Sighting, Threat
from netwatchd.observations import Observation

# A line of Zeek or Suricata has some 300 to 3,000 bytes. Who reads a file may give up one that is longer than this:
# a file without line ends must not fill the memory.
MOST_LINE = 2**20


LogEvent = Flow | Sighting | Threat | Observation


class LogDecoder(Protocol):
    """Makes events of the lines of one file, in their order."""

    skipped: Counter[str]  # lines that are understood and give no event, by what they are

    def decode(self, line: bytes, now: int) -> list[LogEvent]:
        """The events of one line (without its newline), none for a comment or what is skipped; raises Malformed.

        `now` (Unix ms) is when the line was read, from which the events get their ids.
        """

    def finish(self, now: int) -> list[LogEvent]:
        """The events of lines that waited for others which did not come."""


class Table:
    """The lines of a log whose columns a header names; what is the header, its reader knows."""

    def __init__(self, header: Callable[[str], dict[str, int] | None]) -> None:
        """`header` returns the places of the columns by our names, or None of a line that is no header."""
        self._header = header
        self._columns: dict[str, int] | None = None
        self._fields = 0

    def begins(self, text: str) -> bool:
        """Whether the line is a header; what follows goes by it."""
        if (columns := self._header(text)) is None:
            return False
        self._columns, self._fields = columns, text.count(",") + 1
        return True

    def values(self, text: str, *, free: bool = False) -> dict[str, str]:
        """The values of a line by our names of its columns; `free`: the last one may hold commas. Raises Malformed."""
        if self._columns is None:
            raise Malformed("there is no header before it that names the columns of flows")
        values = text.split(",", self._fields - 1 if free else -1)
        if len(values) != self._fields:
            raise Malformed(f"it should have as many fields as its header names: {self._fields}, not {len(values)}")
        return {name: values[at].strip() for name, at in self._columns.items()}


def events(lines: Iterable[bytes], decoder: LogDecoder, now: int, bad: Counter[str]) -> Iterator[LogEvent]:
    """The events of all lines; those that cannot be understood are counted in `bad`, by the reason."""
    for line in lines:
        if len(line) > MOST_LINE:
            bad["it is too long"] += 1
            continue
        try:
            yield from decoder.decode(line.rstrip(b"\r\n"), now)
        except Malformed as error:
            bad[reason_of(error)] += 1
    yield from decoder.finish(now)


def reason_of(error: Malformed) -> str:
    """What is wrong, without the values of the one line, so that equal mistakes count together."""
    text = str(error)
    return text.split(": ")[0] if ": " in text else text
