"""A directory that is replayed: which of its files are understood, and in which order.

Zeek writes a log for each kind of thing it sees, moves them away every hour, packs them, and makes a directory a day.
The oldest are read first, and of the same hour devices before their flows. What is not understood is counted by name.
"""

import re
from collections.abc import Callable
from pathlib import Path

from netwatchd.decoders import zeek
from netwatchd.replay import formats
from netwatchd.replay.inputs import Input, Unreadable
from netwatchd.replay.report import FileReport

MOST_FILES = 100_000  # a year of Zeek's hours has 8,760 of each log
DEEPEST = 4  # directories below: years, months, days
# A log's place among those of the same time: devices first, so that flows find theirs.
_ORDER = {name: place for place, name in enumerate(("dhcp", "conn", "dns", "notice"))}
# What rotation has put behind the name, or into it: a date, the hours of a day, or a number that grows with age.
_DATED = re.compile(r"[._-]([0-9][0-9:_T-]{5,})")
_NUMBERED = re.compile(r"\.([0-9]{1,3})(?:\.gz)?$")
_Key = tuple[int, int, str, int, str]


def files_of(directory: str, given: str | None, stop: Callable[[], bool]) -> tuple[FileReport, list[str]]:
    """What is to be said of the directory, and its files that are understood, in the order of reading.

    `given` is the format of files that do not tell it themselves; `stop()` says whether to end early.
    """
    report = FileReport(directory, format="directory")
    try:
        names = _walk(Path(directory), report, given, stop, DEEPEST)
    except OSError as error:
        report.error = error.strerror or str(error)
        return report, []
    if not names:
        report.error = "it holds no capture and no log of a known kind"
    return report, names


def _walk(place: Path, report: FileReport, given: str | None, stop: Callable[[], bool], depth: int) -> list[str]:
    """The files of a directory and those below it, in the order of their names, which are days."""
    entries = sorted(entry for entry in place.iterdir() if not entry.name.startswith("."))
    names: list[str] = []
    for below in entries:
        # Zeek's `current` is a link to what is written just now; a link could also lead round in a circle.
        if below.is_dir() and not below.is_symlink() and depth and not stop():
            names += _walk(below, report, given, stop, depth - 1)
    found: list[tuple[_Key, str]] = []
    for entry in entries:
        if not entry.is_file() or stop():
            continue
        log = _log_of(entry, given, stop)
        if log is None or len(names) + len(found) >= MOST_FILES:
            report.skipped[entry.name if len(report.skipped) < formats.MOST_TOLD else "other files"] += 1
            continue
        found.append(((*_age(entry.name), _ORDER.get(log, len(_ORDER)), entry.name), str(entry)))
    return names + [name for _, name in sorted(found)]


def _log_of(path: Path, given: str | None, stop: Callable[[], bool]) -> str | None:
    """Which log, or what else it is; None where it is nothing that is understood."""
    try:
        with Input(str(path), stop, lambda _: None) as source:
            form = formats.format_of(source.head)
            if form != formats.ZEEK:
                return form
            log = zeek.log_of(source.head, path.name) or "conn"
            return log if log in zeek.LOGS else None
    except Unreadable:
        return given


def _age(name: str) -> tuple[int, int, str]:
    """Sorts the oldest first: numbers grow with age, dates with time, and what has neither is being written."""
    if dated := _DATED.search(name):
        return 1, 0, dated[1]
    if numbered := _NUMBERED.search(name):
        return 0, -int(numbered[1]), ""
    return 2, 0, ""
