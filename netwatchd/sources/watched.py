"""A file that another program writes, looked at again and again: what looking costs is one stat(2)."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

PIECE = 1 << 18  # bytes that are read at once


class Stamp(NamedTuple):
    """What tells a file, and a state of it, from another."""

    device: int
    inode: int
    size: int
    changed: int  # nanoseconds; its content
    touched: int  # nanoseconds; also its owner, mode or name

    def is_same_file(self, other: "Stamp | None") -> bool:
        """Whether it is the same file, whatever stands in it."""
        return other is not None and (self.device, self.inode) == (other.device, other.inode)


class NoFile(OSError):
    """There is something at the path that is no regular file."""


def look(path: Path) -> Stamp | None:
    """What is at the path now; None where nothing is. Raises OSError where we may not look."""
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return _stamp(found)


class Reading:
    """A file that is being read; to be closed."""

    def __init__(self, path: Path) -> None:
        """Raises OSError where it cannot be opened, NoFile where it is a pipe, a directory, a device."""
        # A pipe without a writer would make us wait.
        self._file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            found = os.fstat(self._file)
            if not stat.S_ISREG(found.st_mode):
                raise NoFile(None, "it is no regular file")
        except OSError:
            os.close(self._file)
            raise
        self.stamp = _stamp(found)  # as it was before anything was read

    def pieces(self, start: int, most: int) -> Iterator[bytes]:
        """What stands there from `start` on, up to `most` bytes."""
        while most > 0 and (data := os.pread(self._file, min(PIECE, most), start)):
            start += len(data)
            most -= len(data)
            yield data

    def __enter__(self) -> "Reading":
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._file)


def _stamp(found: os.stat_result) -> Stamp:
    return Stamp(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
