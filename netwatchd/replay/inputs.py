"""Files that are replayed: opened, unpacked where they are packed, and their format told by their content.

A capture is read in place from a mapping of the file, so that memory does not grow with it. What is packed by gzip, or
comes from a pipe, is put into a file without a name in the directory for temporary files first, if it is a capture;
logs are read line by line as they come.
"""

import gzip
import io
import mmap
import os
import select
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING

from netwatchd.decoders.log_lines import MOST_LINE

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

STDIN = "-"
HEAD = 65536  # bytes by which the format is told
_PIECE = 1 << 20
_TURN = 0.2  # seconds between two looks at whether to wait on
_GZIP = b"\x1f\x8b"


class Unreadable(Exception):
    """The file cannot be replayed; the text says why."""


class _Pipe(io.RawIOBase):
    """A file that may make us wait: the end is here as soon as `stop` wants it."""

    def __init__(self, descriptor: int, stop: Callable[[], bool]) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._stop = stop
        self.stopped = False

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        """Reads what is there, as soon as anything is."""
        while not select.select([self._descriptor], [], [], _TURN)[0]:
            if self._stop():
                self.stopped = True
                return 0
        return os.readv(self._descriptor, [buffer])


class Input:
    """One file, open for reading as long as the block lasts. Raises Unreadable."""

    def __init__(self, name: str, stop: Callable[[], bool], on_progress: Callable[[int], None]) -> None:
        """`stop()` says whether to wait no longer for a pipe; `on_progress` is told how many bytes were read.

        These are the bytes of the file as it lies on the disk.
        """
        self.name = name
        self.packed = False
        self.cut = False  # the packed file ends before its end
        self._stop = stop
        self._on_progress = on_progress
        self._held = ExitStack()
        self._file: IO[bytes]  # as it lies on the disk
        self._content: IO[bytes]  # unpacked
        self._pipe: _Pipe | None = None

    def __enter__(self) -> "Input":
        """Opens the file."""
        try:
            self._file = self._content = self._open()
            self.packed = self._file.peek(2)[:2] == _GZIP  # type: ignore[attr-defined]
            if self.packed:
                self._content = self._held.enter_context(gzip.open(self._file))  # type: ignore[arg-type]
            self.head = self._peek()
        except OSError as error:
            self._held.close()
            raise Unreadable(error.strerror or str(error)) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._held.close()

    def _open(self) -> IO[bytes]:
        if self.name == STDIN:
            file: IO[bytes] = os.fdopen(os.dup(sys.stdin.fileno()), "rb", HEAD)
        else:
            file = Path(self.name).open("rb", HEAD)  # noqa: SIM115  # it is held until the end
        self._held.callback(file.close)
        if not file.seekable():
            self._pipe = _Pipe(file.fileno(), self._stop)
            return io.BufferedReader(self._pipe, HEAD)
        return file

    @property
    def stopped(self) -> bool:
        """Whether it was a pipe, and would have gone on."""
        return self._pipe is not None and self._pipe.stopped

    def mapped(self) -> mmap.mmap | bytes:
        """The whole content; it must not be used after the block. Raises Unreadable."""
        file = self._file
        try:
            if self.packed or self._pipe is not None:
                file = self._held.enter_context(tempfile.TemporaryFile("w+b"))  # noqa: SIM115
                for piece in self._pieces():
                    file.write(piece)
                file.flush()
            if not os.fstat(file.fileno()).st_size:
                return b""
            mapping = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:
            raise Unreadable(str(error)) from error
        mapping.madvise(mmap.MADV_SEQUENTIAL)
        return mapping

    def lines(self) -> Iterator[bytes | None]:
        """The lines, without what ends them; None for one that is longer than MOST_LINE."""
        try:
            while line := self._content.readline(MOST_LINE + 1):
                long = len(line) > MOST_LINE
                yield None if long else line.rstrip(b"\r\n")
                while long and not line.endswith(b"\n") and line:
                    line = self._content.readline(MOST_LINE)
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
        if self._pipe is None:
            self._on_progress(self._file.tell())

    def _pieces(self) -> Iterator[bytes]:
        try:
            # Of a pipe, what was sent until it was stopped is read; of a file, Ctrl-C wants no more of it.
            read = self._content.read1  # type: ignore[attr-defined]  # `read` would lose what stands before damage
            while (piece := read(_PIECE)) and (self._pipe is not None or not self._stop()):
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
