"""The lines of a log: what the decoders of other programs' logs have in common, and a whole file's events."""

from collections import Counter
from collections.abc import Iterable, Iterator
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
