"""The verbs that look at threats: all of them, or everything that is known of one."""

import argparse
import time
from collections.abc import Collection
from pathlib import Path

from netwatchd import config
from netwatchd.answers import threats as answers
from netwatchd.answers.found import called
from netwatchd.cli import threattable
from netwatchd.cli.answer import reading, show
from netwatchd.events import ThreatStatus

ALL = "all"


@reading
def threats(options: argparse.Namespace, directory: Path) -> int:
    """The threats: the worst first, of these the latest seen."""
    found = answers.threats(
        directory, since=options.since, limit=options.limit, device=options.device, status=_statuses(options),
        kind=options.kind, severity=options.severity, text=options.text,
    )  # fmt: skip
    names = called(found.devices)
    show(options, found.rows, lambda rows: threattable.show(rows, names, found.otherwise))
    return 0


@reading
def threat(options: argparse.Namespace, directory: Path) -> int:
    """Everything that is known of one threat."""
    row = answers.threat(directory, options.id)
    row["flows"] = threattable.flows_command(row, options.state)
    place = config.search_path(options.config)[0]
    show(options, row, lambda row: threattable.portrait(row, int(time.time() * 1000), str(place), options.state))
    return 0


def _statuses(options: argparse.Namespace) -> Collection[str]:
    wanted = ALL if options.all else options.status
    if wanted is None:
        return answers.UNDISMISSED
    return tuple(ThreatStatus) if wanted == ALL else (ThreatStatus(wanted),)
