"""Files that are replayed: opened, unpacked where they are packed, and their format told by their content.

A capture is read in place from a mapping of the file, so that memory does not grow with it. What is packed by gzip, or
comes from a pipe, is unpacked into a file without a name in the directory for temporary files first, if it is a capture;
logs are read line by line as they are unpacked.
"""

import gzip
import mmap
import os
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import IO

STDIN = "-"
HEAD = 65536  # bytes by which the format is told
MOST_LINE = 1 << 20  # bytes of a line in a log: longer ones are no records
_PIECE = 1 << 20
_GZIP = b"\x1f\x8b"


class Unreadable(Exception):
    """The file cannot be replayed; the text says why."""


class Input:
    """One file, open for reading as long as the block lasts. Raises Unreadable."""

    def __init__(self, name: str, on_progress: Callable[[int], None]) -> None:
        """`on_progress` is told how many bytes of the file as it lies on the disk were read."""
        self.name = name
        self.packed = False
        self.cut = False  # the packed file ends before its end
        self._on_progress = on_progress
        self._held = ExitStack()
        self._file: IO[bytes]  # as it lies on the disk
        self._content: IO[bytes]  # unpacked

    def __enter__(self) -> "Input":
        """Opens the file."""
        try:
            if self.name == STDIN:
                self._file = self._held.enter_context(os.fdopen(os.dup(sys.stdin.fileno()), "rb"))
            else:
                path = Path(self.name)
                if path.is_dir():
                    raise Unreadable("it is a directory")
                self._file = self._held.enter_context(path.open("rb"))
            head = self._file.peek(2)[:2]  # type: ignore[attr-defined]
            self.packed = head == _GZIP
            self._content = self._file
            if self.packed:
                self._content = self._held.enter_context(gzip.open(self._file))  # type: ignore[arg-type]
            self.head = self._peek()
        except OSError as error:
            raise Unreadable(error.strerror or str(error)) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._held.close()

    @property
    def size(self) -> int | None:
        """Bytes on the disk; None where nobody knows, as of a pipe."""
        return size_of(self.name)

    def mapped(self, stop: Callable[[], bool]) -> mmap.mmap | bytes:
        """The whole content; it must not be used after the block. What `stop` cuts short ends early."""
        file = self._file
        try:
            if self.packed or not file.seekable():
                file = self._held.enter_context(tempfile.TemporaryFile("w+b"))
                for piece in self._pieces():
                    file.write(piece)
                    if stop():
                        break
                file.flush()
            if not os.fstat(file.fileno()).st_size:
                return b""
            mapping = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:
            raise Unreadable(str(error)) from error
        mapping.madvise(mmap.MADV_SEQUENTIAL)
        return mapping

    def lines(self) -> Iterator[bytes]:
        """The lines, without what ends them. Of one that is longer than MOST_LINE the rest is left out."""
        try:
            while line := self._content.readline(MOST_LINE):
                whole = line.endswith(b"\n")
                yield line.rstrip(b"\r\n")
                while not whole and (rest := self._content.readline(MOST_LINE)):
                    whole = rest.endswith(b"\n")
        except (EOFError, zlib.error, gzip.BadGzipFile):
            self.cut = True
        except OSError as error:
            raise Unreadable(error.strerror or str(error)) from error

    def advance(self, at: int) -> None:
        """Says that the reader of the mapping has come to this byte."""
        if not self.packed:
            self._on_progress(at)

    def tell(self) -> None:
        """Says how far the file has been read."""
        if self.packed or self._file.seekable():
            self._on_progress(self._file.tell() if self._file.seekable() else 0)

    def _pieces(self) -> Iterator[bytes]:
        try:
            while piece := self._content.read(_PIECE):
                yield piece
                self.tell()
        except (EOFError, zlib.error, gzip.BadGzipFile):
            self.cut = True

    def _peek(self) -> bytes:
        """The first bytes of the content, which are read again."""
        try:
            return self._content.peek(HEAD)[:HEAD]  # type: ignore[attr-defined,no-any-return]
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise Unreadable(f"it is damaged: {error}") from error


def size_of(name: str) -> int | None:
    """Bytes of a file; None where nobody knows."""
    try:
        path = Path(name)
        return path.stat().st_size if name != STDIN and path.is_file() else None
    except OSError:
        return None
