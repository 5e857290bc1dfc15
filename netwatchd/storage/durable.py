"""Names that survive a power cut: an fsync of a file does not promise that its directory knows of it."""

import contextlib
import itertools
import os
from pathlib import Path


def make_directory(path: Path) -> None:
    """Makes a directory, with those above it, where it is missing; its name is on disk then. Raises OSError."""
    missing = itertools.takewhile(lambda above: not above.exists(), path.parents)
    names = [path, *missing]  # in any case the last: who made it may not have synced it
    path.mkdir(parents=True, exist_ok=True)
    for name in names:
        # What lies above may be closed to us; whoever made it so has to answer for the name.
        with contextlib.suppress(OSError):
            sync_directory(name.parent)


def sync_directory(path: Path) -> None:
    """Waits until the names in a directory are on disk as they are now; raises OSError."""
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
