"""The verbs that are about the files: backup, vacuum."""

import argparse
import time
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path

from netwatchd.budget import size_text
from netwatchd.cli.answer import FAILED, fail, reading, show
from netwatchd.cli.moments import counted, span_text
from netwatchd.cli.progress import interruptible, progress
from netwatchd.cli.terminal import printable
from netwatchd.pidfile import AlreadyRunning
from netwatchd.storage import copying
from netwatchd.storage.copying import Made, Refused

INTERRUPTED = 130


class Interrupted(Exception):
    """Somebody has asked it to stop."""


def _writing(verb: Callable[[argparse.Namespace, Path], int]) -> Callable[[argparse.Namespace, Path], int]:
    """A verb that writes files: its troubles become a sentence."""

    @wraps(verb)
    def run(options: argparse.Namespace, directory: Path) -> int:
        try:
            return verb(options, directory)
        except Interrupted:
            return fail(Interrupted("stopped; nothing was left behind"), INTERRUPTED)
        except (Refused, AlreadyRunning, OSError) as error:
            return fail(error, FAILED)

    return run


@reading
@_writing
def backup(options: argparse.Namespace, directory: Path) -> int:
    """Copies the databases, as they are at one moment, into a new directory."""
    into = Path(options.destination).absolute()
    begun = time.monotonic()
    made = _watched(options, lambda tell: copying.back_up(directory, into, tell))
    seconds = time.monotonic() - begun
    copied = sum(each.after for each in made)
    answer = {
        "directory": str(into), "files": [each.name for each in made], "bytes": copied, "seconds": round(seconds, 3),
    }  # fmt: skip
    text = f"{counted(len(made), 'file')}, {size_text(copied)} in {span_text(seconds)}, checked: {into}"
    show(options, answer, lambda _: print(printable(text)))
    return 0


@reading
@_writing
def vacuum(options: argparse.Namespace, directory: Path) -> int:
    """Gives the space of removed rows back to the disk."""
    made = _watched(options, lambda tell: copying.vacuum(directory, tell))
    gained = sum(each.before - each.after for each in made)
    answer = {"files": [each._asdict() for each in made], "gained": gained}
    show(options, answer, lambda _: _print(made, gained))
    return 0


def _print(made: Sequence[Made], gained: int) -> None:
    for each in made:
        print(f"{each.name}: {size_text(each.before)}, now {size_text(each.after)}")
    print(f"gained {size_text(gained)}")


def _watched(options: argparse.Namespace, work: Callable[[copying.Progress], list[Made]]) -> list[Made]:
    """What `work` returns, with a bar; raises Interrupted."""
    with interruptible() as interrupted, progress(options) as bar:

        def tell(what: str, at: int, total: int) -> None:
            if interrupted():
                raise Interrupted
            bar(what, at, total)

        try:
            return work(tell)
        except Exception as error:
            # What SQLite calls of ours and raises is to it an interruption, and no more is known of it.
            if interrupted():
                raise Interrupted from error
            raise
