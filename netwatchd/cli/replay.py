"""The verb that replays: files of the past through the same pipeline, into a state directory of their own."""

import argparse
import json
import os
import shlex
import shutil
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from netwatchd import config, journal
from netwatchd.broadcast.messages import threat_json
from netwatchd.budget import size_text
from netwatchd.cli.moments import moment_text, span_text
from netwatchd.cli.progress import interruptible, progress
from netwatchd.cli.terminal import print_lines, printable
from netwatchd.events import Threat
from netwatchd.pidfile import AlreadyRunning, Use
from netwatchd.replay import CannotStore, FileReport, Replay, files_of, size_of
from netwatchd.storage import queries
from netwatchd.storage.durable import make_directory

FAILED, CONFIG, INTERRUPTED = 1, os.EX_CONFIG, 130
CORE = "core.db"  # what a state directory is known by


class Refused(Exception):
    """The directory is not to be written into; the text says why."""


def replay(options: argparse.Namespace) -> int:
    """Replays the files, and tells what was in them."""
    try:
        settings = config.load(options.config)
    except config.ConfigError as error:
        print(error, file=sys.stderr)
        return CONFIG
    journal.start_logging("error")
    try:
        directory = Path(options.into) if options.into else _fresh()
        with _made(directory, named=bool(options.into)), Use(directory, alone=True), interruptible() as interrupted:
            return _replay(options, settings, directory, interrupted)
    except (Refused, AlreadyRunning, CannotStore) as error:
        print(f"netwatchd: {error}", file=sys.stderr)
        return FAILED


def _replay(
    options: argparse.Namespace, settings: config.Config, directory: Path, interrupted: Callable[[], bool]
) -> int:
    reports: list[FileReport] = []
    files = deque(options.files)
    with Replay(settings, directory, interrupted) as replaying:
        while files and not interrupted():
            name = files.popleft()
            if Path(name).is_dir():
                report, inside = files_of(name, options.format, interrupted)
                files.extendleft(reversed(inside))
            else:
                report = _file(options, replaying, name)
            reports.append(report)
            if options.json:
                print(json.dumps(_as_json(report, directory)), flush=True)
            else:
                print_lines(_lines(report))
            if report.fatal:
                break
    if not options.json:
        print_lines(_summary(reports, len(reports) + len(files), directory))
    if interrupted():
        return INTERRUPTED
    return FAILED if any(report.error for report in reports) else 0


def _file(options: argparse.Namespace, replaying: Replay, name: str) -> FileReport:
    """Reads one file, and shows how far it is."""
    what, size = Path(name).name or name, size_of(name)
    with progress(options) as bar:
        return replaying.file(name, options.format, lambda at: bar(what, at, size))


# The directory.


@contextmanager
def _made(directory: Path, *, named: bool) -> Iterator[None]:
    """Makes the directory, and takes it away again where nothing came into it; raises Refused.

    `named`: the user has said that it is to be this one.
    """
    try:
        there = directory.exists()
        if there and not directory.is_dir():
            raise Refused(f"{directory} is no directory")
        if there and any(directory.iterdir()) and not (directory / CORE).exists():
            raise Refused(f"{directory} holds other things: --into wants an empty directory, or one with {CORE}")
        make_directory(directory)
    except OSError as error:
        help_text = "" if named else "; --into names another place"
        raise Refused(f"cannot write into {directory}: {error.strerror or error}{help_text}") from error
    yield
    if not there and not any(directory.glob("flows-*.db")) and not queries.holds_anything(directory):
        shutil.rmtree(directory, ignore_errors=True)


def _fresh() -> Path:
    """A directory in the working directory that is not there yet."""
    stem = f"netwatchd-replay-{datetime.now():%Y%m%d-%H%M%S}"  # the user's own time
    directory, number = Path(stem), 1
    while directory.exists():
        number += 1
        directory = Path(f"{stem}-{number}")
    return directory


# What is told.


def _as_json(report: FileReport, directory: Path) -> dict[str, Any]:
    return {
        "file": report.file,
        "packets": report.packets,
        "flows": report.flows,
        "devices": report.devices,
        "threats": [threat_json(threat) for threat in report.threats.values()],
        "skipped": dict(report.skipped),
        "format": report.format,
        "records": report.records,
        "start": report.first,
        "end": report.last,
        "seconds": round(report.seconds, 3),
        "partial": report.partial,
        "error": report.error,
        "hint": report.hint,
        "directory": str(directory),
    }


def _lines(report: FileReport) -> list[str]:
    """The report of one file, as people read it."""
    size = size_of(report.file)
    about = ", ".join(part for part in (report.format, None if size is None else size_text(size)) if part)
    lines = [printable(report.file) + (f"  ({about})" if about else "")]
    if report.error:
        lines.append(_line("error", report.error))
        if not (report.packets or report.records):
            return lines
    if report.format == "directory":
        return lines + _skipped(report)
    for label, count in (("packets", report.packets), ("records", report.records)):
        if count is not None:
            lines.append(_line(label, _rate(count, report.seconds)))
    if report.first is not None and report.last is not None:
        span = span_text((report.last - report.first) / 1000)
        lines.append(_line("time", f"{moment_text(report.first)} to {moment_text(report.last)} ({span})"))
    lines += _found(report.flows, report.devices, list(report.threats.values()))
    lines += _skipped(report)
    if report.partial:
        lines.append(_line("partial", "its end was not reached"))
    if report.hint:
        lines.append(_line("hint", report.hint))
    return lines


def _found(flows: int, devices: int, threats: Sequence[Threat]) -> list[str]:
    lines = [_line("flows", f"{flows:,}"), _line("devices", f"{devices:,}")]
    lines.append(_line("threats", f"{len(threats):,}" if threats else "none"))
    return lines + [
        f"    {threat.severity:<9} {printable(threat.kind)}: {printable(threat.description)}" for threat in threats
    ]


def _skipped(report: FileReport) -> list[str]:
    reasons = sorted(report.skipped.items(), key=lambda item: -item[1])
    if report.format == "directory":
        text = ", ".join(name if n == 1 else f"{n:,} {name}" for name, n in reasons)
    else:
        text = ", ".join(f"{n:,} {reason.replace('_', ' ')}" for reason, n in reasons)
    return [_line("skipped", text)] if text else []


def _line(label: str, text: str) -> str:
    return f"  {label:<9}{printable(text)}"


def _rate(count: int, seconds: float) -> str:
    return f"{count:,} in {seconds:.2f} s" + (f" ({count / seconds:,.0f} a second)" if seconds >= 0.1 else "")


def _summary(reports: Sequence[FileReport], files: int, directory: Path) -> list[str]:
    lines = []
    if len(reports) > 1:
        devices = len(set().union(*(each.device_keys for each in reports)))
        threats = {each.id: each for report in reports for each in report.threats.values()}
        lines += ["together", *_found(sum(each.flows for each in reports), devices, list(threats.values()))]
    lines.append("")
    if len(reports) < files:
        lines.append(f"stopped: {files - len(reports)} of {files} files were not begun")
    if not any(report.packets or report.records for report in reports):
        return [*lines, "nothing was read, and nothing is stored"]
    place = shlex.quote(str(directory))
    lines.append(f"stored in {printable(str(directory))}; look at it with")
    lines += [f"  netwatchd {verb} --state {place}" for verb in ("devices", "flows", "top --since 0", "threats")]
    return lines
