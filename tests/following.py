"""Somebody who follows a log in tests, and what is done to the log."""

import gzip
import os
import time
from collections.abc import Callable
from pathlib import Path

from netwatchd.sources.follow import Follower
from netwatchd.sources.tail import Position

MOST = 4000
Kept = tuple[list[Position], int]


class Reader:
    """Somebody who follows a log, may be stopped, and goes on where he was."""

    def __init__(self, path: Path, linger: float = 10) -> None:
        self.path = path
        self.linger = linger
        self.texts: list[str] = []
        self.now = 0.0
        self.follower: Follower
        self.start(None)

    def start(self, kept: Kept | None) -> None:
        self.follower = Follower(self.path, MOST, b"#separator", linger=self.linger, clock=lambda: self.now)
        if kept:
            self.follower.resume(*kept)

    def read(self) -> list[str]:
        """All that is there now."""
        found = []
        while read := self.follower.read():
            found += [line.text.decode() if line.text is not None else "(too long)" for line in read.lines]
        self.texts += found
        return found

    def keep(self) -> Kept:
        return self.follower.positions({}), self.follower.looked

    def stop(self) -> Kept:
        kept = self.keep()
        self.follower.close()
        return kept

    def wait(self) -> None:
        """Lets the time pass after which an old file is let go of."""
        self.now += 2 * self.linger


def append(path: Path, *lines: str, end: str = "\n") -> None:
    with path.open("a") as file:
        file.write("\n".join(lines) + end)


def old(path: Path, seconds: float = 100) -> None:
    """Makes a file look as if it was written some time ago."""
    at = time.time() - seconds
    os.utime(path, (at, at))


def pack(path: Path, name: str) -> None:
    """What gzip does: another file, with the time of the first one, which goes."""
    packed = path.parent / name
    packed.write_bytes(gzip.compress(path.read_bytes()))
    found = path.stat()
    os.utime(packed, ns=(found.st_atime_ns, found.st_mtime_ns))
    path.unlink()


def restart(reader: Reader, between: Callable[[], None]) -> list[str]:
    """What is read after a stop, during which something happens."""
    kept = reader.stop()
    between()
    reader.start(kept)
    return reader.read()
