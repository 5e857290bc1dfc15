"""The verbs that look at devices: all of them, or everything that is known of one."""

import argparse
import time
from pathlib import Path

from netwatchd.answers import devices as answers
from netwatchd.answers.portrait import as_json
from netwatchd.cli import devicetable, portrait
from netwatchd.cli.answer import reading, show


@reading
def devices(options: argparse.Namespace, directory: Path) -> int:
    """The devices: those that are here first, then the latest seen."""
    found = answers.devices(
        directory, since=options.since, limit=options.limit, device=options.device, online=options.online,
        kind=options.kind, new=options.new,
    )  # fmt: skip
    show(options, found.rows, lambda rows: devicetable.show(rows, int(time.time() * 1000), found.otherwise))
    return 0


@reading
def device(options: argparse.Namespace, directory: Path) -> int:
    """Everything that is known of one device."""
    whole = answers.portrait(directory, options.device, since=options.since, limit=options.limit)
    show(options, as_json(whole), lambda _: portrait.show(whole))
    return 0
