"""What takes long: how far it is, on a terminal, and how it is stopped."""

import argparse
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from netwatchd.cli.terminal import printable


@contextmanager
def interruptible() -> Iterator[Callable[[], bool]]:
    """Whether SIGINT or SIGTERM asked to stop; a second one stops at once."""
    asked: list[int] = []

    def ask(number: int, _: FrameType | None) -> None:
        asked.append(number)
        signal.signal(number, before[signal.Signals(number)])

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def progress(options: argparse.Namespace) -> Iterator[Callable[[str, int, int | None], None]]:
    """A bar on standard error, if that is a terminal and it is wanted; takes what is done, bytes, and of how many."""
    if options.json or options.quiet or not sys.stderr.isatty():
        yield lambda what, at, total: None
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    # What is printed meanwhile goes where it was to go: the reports to standard output.
    bar = Progress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=False, redirect_stderr=False)
    with bar:
        task = bar.add_task("", total=None)
        yield lambda what, at, total: bar.update(task, description=printable(what), completed=at, total=total)
