"""One text file that grows: its complete lines, where each began, and whether it is still the file that was read.

A position in a file is its device and inode, an offset, and a fingerprint of the bytes before the offset: an inode is
given to another file when the first one is gone, and `copytruncate` keeps the inode and not the content.
"""

import gzip
import hashlib
import os
import stat
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

CHUNK = 2**18  # bytes read at once: some 800 lines, which then travel as one batch
# Bytes before the offset of which the fingerprint is made. Lines hold times and ids, so that few tell them apart.
FINGERPRINT = 256
BEGINNING = 2**16  # bytes by which two files are compared; headers are alike, and shorter
MOST_HEADER = 2**16  # bytes of a header that are read again


class Damaged(OSError):
    """A .gz that cannot be unpacked, or not yet: somebody may still be writing it."""


class Rewritten(Exception):
    """The file does not hold any more what was read of it."""


@dataclass(frozen=True)
class Position:
    """What a file was read up to."""

    device: int
    inode: int
    offset: int  # where the first line begins that was not read
    fingerprint: str  # of the bytes before the offset
    header: int | None  # where the last header began

    def to_json(self) -> list[Any]:
        """As it is remembered."""
        return [self.device, self.inode, self.offset, self.fingerprint, self.header]

    @classmethod
    def of_json(cls, value: Any) -> "Position":
        """Reads what `to_json` made; raises ValueError for anything else."""
        if not isinstance(value, list) or len(value) != 5:
            raise ValueError(f"{value!r:.60} is no position")
        device, inode, offset, fingerprint, header = value
        numbers = (device, inode, offset, 0 if header is None else header)
        if not all(type(number) is int and 0 <= number < 2**64 for number in numbers) or not isinstance(
            fingerprint, str
        ):
            raise ValueError(f"{value!r:.60} is no position")
        return cls(device, inode, offset, fingerprint, header)


class Line(NamedTuple):
    """A line without its newline, and where it began; `text` is None where it was too long."""

    start: int
    text: bytes | None


class Tail:
    """Reads one file from an offset on. `close` it."""

    def __init__(self, path: Path, most_line: int, header_mark: bytes = b"") -> None:
        """Opens `path`, a plain file or one that gzip made (.gz); raises OSError.

        A line of more than `most_line` bytes is passed over. Lines that begin with `header_mark` begin a header.
        """
        self.path = path
        self._gzip = path.suffix == ".gz"
        # Whatever somebody put there instead, as a pipe, must not hold the thread up.
        self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
        try:
            found = os.fstat(self._fd)
            if not stat.S_ISREG(found.st_mode):
                raise OSError(f"{path} is no regular file")
            self._unzipped = gzip.open(os.fdopen(os.dup(self._fd), "rb")) if self._gzip else None  # noqa: SIM115
        except OSError:
            os.close(self._fd)
            raise
        self.identity = (found.st_dev, found.st_ino)
        self.offset = 0  # where the first line begins that is not complete yet
        self.header: int | None = None
        self.context: list[bytes] = []  # the header that holds where reading began, if that was behind it
        self._header_mark = header_mark
        self._most_line = most_line
        self._read_to = 0
        self._rest = b""
        self._skipping = False  # within a line that is too long
        # The bytes before `_read_to` and before `offset`, kept because the file may be rewritten at any moment.
        self._before = self._before_offset = b""

    def seek(self, offset: int, header: int | None) -> None:
        """Goes on from `offset`, where a line begins."""
        self.offset = self._read_to = offset
        self.header = header
        self._rest, self._skipping = b"", False
        self._before = self._pread(max(offset - FINGERPRINT, 0), min(offset, FINGERPRINT))
        self._before_offset = self._before
        self.context = self._header_lines()

    def read(self) -> list[Line] | None:
        """The lines that were completed since; None where there is nothing new.

        Raises Rewritten where the file was truncated or written anew. That is looked for after reading: what was read
        before a truncation is then found in the copy, or lost, and what was read after it is no garbage.
        """
        data = self._pread(self._read_to, CHUNK)
        if not self._gzip and self._is_rewritten():
            raise Rewritten
        if not data:
            return None
        self._read_to += len(data)
        self._before = (self._before + data)[-FINGERPRINT:]
        if not self._rest and not self._skipping and data[:1] == b"\0":
            # Who goes on writing at his old offset after a truncation leaves a hole, which reads as zeros.
            filled = data.lstrip(b"\0")
            self._before_offset = (self._before_offset + data[: len(data) - len(filled)])[-FINGERPRINT:]
            data = filled
            self.offset = self._read_to - len(data)
        return self._lines(data)

    def end(self) -> list[Line]:
        """The last line, where the file ended without its newline."""
        line, start = self._rest, self.offset
        self._rest, self.offset, self._before_offset = b"", self._read_to, self._before
        return [Line(start, line)] if line.strip() else []

    def position(self, offset: int | None = None) -> Position:
        """The position of an offset, else of the first line that is not complete."""
        known = _fingerprint(self._before_offset) if offset in (None, self.offset) else ""
        offset = self.offset if offset is None else offset
        header = self.header if self.header is not None and self.header < offset else None
        return Position(*self.identity, offset, known or self.fingerprint(offset), header)

    def fingerprint(self, offset: int) -> str:
        """The fingerprint of the bytes before an offset; empty where there are not so many."""
        length = min(offset, FINGERPRINT)
        data = self._pread(offset - length, length)
        return _fingerprint(data) if len(data) == length else ""

    def what_was_read(self) -> tuple[int, str]:
        """Up to where the file was read, and the fingerprint of the bytes before, whatever the file holds now."""
        return self._read_to, _fingerprint(self._before)

    def is_behind(self) -> bool:
        """Whether there is more to read."""
        return bool(self._pread(self._read_to, 1))

    def beginning(self) -> bytes:
        """The first bytes, by which a copy is known."""
        return self._pread(0, BEGINNING)

    def close(self) -> None:
        """Lets go of the file."""
        if self._fd >= 0:
            if self._unzipped is not None:
                self._unzipped.close()
            os.close(self._fd)
            self._fd = -1

    def _pread(self, offset: int, length: int) -> bytes:
        if self._unzipped is None:
            return os.pread(self._fd, length, offset) if length else b""
        try:
            self._unzipped.seek(offset)
            return self._unzipped.read(length)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise Damaged(f"{self.path} cannot be unpacked: {error}") from error

    def _header_lines(self) -> list[bytes]:
        if self.header is None:
            return []
        lines = self._pread(self.header, min(self.offset - self.header, MOST_HEADER)).split(b"\n")
        kept = next((number for number, line in enumerate(lines) if line[:1] != b"#"), len(lines))
        return lines[:kept]

    def _is_rewritten(self) -> bool:
        if os.fstat(self._fd).st_size < self._read_to:
            return True
        return self._pread(self._read_to - len(self._before), len(self._before)) != self._before

    def _lines(self, data: bytes) -> list[Line]:
        if self._skipping:
            _, newline, data = data.partition(b"\n")
            if not newline:
                return []
            self._skipping = False
            self.offset = self._read_to - len(data)
            self._before_offset = self._pread(max(self.offset - FINGERPRINT, 0), min(self.offset, FINGERPRINT))
        start = self.offset
        *complete, rest = (self._rest + data).split(b"\n")
        found = []
        for text in complete:
            if self._header_mark and text.startswith(self._header_mark):
                self.header = self.offset
            found.append(Line(self.offset, text if len(text) <= self._most_line else None))
            self.offset += len(text) + 1
        self._before_offset = (self._before_offset + (self._rest + data)[: self.offset - start])[-FINGERPRINT:]
        self._rest = rest
        if len(rest) > self._most_line:
            found.append(Line(self.offset, None))
            self._skipping, self._rest = True, b""
        return found


def _fingerprint(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=8).hexdigest()
