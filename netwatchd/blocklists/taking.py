"""Whether a text that came is the list that it should be; if so, its table is built.

A list is refused where using it would be worse than going on with the old one: a web page that says sorry, half a
download, ten times or a tenth of what it had. The sentence that says why is for whoever reads `netwatchd lists`.
"""

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

from netwatchd.blocklists.building import Builder
from netwatchd.blocklists.kept import Record
from netwatchd.decoders.lists import LARGEST_DOCUMENT, NoList, Reading, format_of

HEAD = 400  # lines that are looked at for the format: the header of a list may be long
# Of a hundred lines so many may be unreadable: a name with a mistake is nothing, a page of prose is no list.
MOST_BAD = 20
LEAP = 10  # a list that grows by this factor, or shrinks by it, is not the list that it was
# A list of fewer entries may well become ten times longer or shorter from one day to the next: three command servers
# were found and one was. It may grow up to LEAP times this, and shrink as it likes.
FEW = 10


class Refused(Exception):
    """It is not taken; the text says why."""


def build(
    text: Path, table: Path, record: Record, key: bytes, tick: Callable[[], None], before: int | None = None
) -> None:
    """Builds `table` of `text`, and notes in `record` what it has; raises Refused, or OSError.

    `before` is how many entries the list had, None where that does not matter. `record.asked` is the format if it is
    known. `tick()` is called now and then, and may raise to end it.
    """
    try:
        reading = Reading(record.asked or format_of(head_of(text)))
        builder = Builder(key, tick)
        builder.take(reading.entries(lines_of(text)))
    except NoList as error:
        raise Refused(str(error)) from error
    if reading.read or reading.bad:
        _judge_lines(reading)
    entries = builder.write(table)
    if not entries and reading.declared != 0:
        raise Refused(_why_nothing(reading))
    if before is not None:
        judge_size(before, entries)
    record.form = reading.form
    record.entries, record.counts = entries, builder.counts
    record.passed, record.bad = dict(reading.passed), reading.bad


def judge_size(before: int, now: int) -> None:
    """Raises Refused where the list is suddenly another one."""
    if now > LEAP * max(before, FEW):
        raise Refused(f"it has {now:,} entries, and had {before:,}: more than {LEAP} times as many")
    if before > LEAP * FEW and now * LEAP < before:
        raise Refused(f"it has {now:,} entries, and had {before:,}: less than a tenth")


def _judge_lines(reading: Reading) -> None:
    if reading.bad * 100 > MOST_BAD * reading.lines:
        raise Refused(f"{reading.bad:,} of its {reading.lines:,} lines cannot be read as {reading.form}")
    if reading.declared is not None and reading.lines < reading.declared * 0.99 - 1:
        raise Refused(f"it says that it has {reading.declared:,} entries, and only {reading.lines:,} came")


def _why_nothing(reading: Reading) -> str:
    if reading.passed:
        what = ", ".join(f"{count:,} {word.replace('_', ' ')}" for word, count in reading.passed.items())
        return f"it lists nothing that netwatchd can look for ({what})"
    return "it is empty"


def head_of(path: Path) -> list[str]:
    """The first lines of a text, of which together no more is kept than a document may have."""
    head: list[str] = []
    left = LARGEST_DOCUMENT
    for line in islice(lines_of(path), HEAD):
        left -= len(line)
        if left < 0:
            break
        head.append(line)
    return head


def lines_of(path: Path) -> Iterator[str]:
    """The lines of a text, whatever bytes are in it; raises OSError.

    What is longer than any document that is read comes in parts, so that a text without lines fills no memory.
    """
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        while line := file.readline(LARGEST_DOCUMENT + 1):
            yield line
