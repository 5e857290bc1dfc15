"""Follows a log for ever, through every way in which logs are rotated, and knows where to go on after a restart.

What must hold: each line of the log is returned once, in the order of writing. The theory: what is followed is not a
file but a row of them, the oldest first (`Tail`), because a writer may still write to a file that was moved away when
the next one has begun.

* Moved away and begun anew (Zeek, logrotate's `create`): the path has another inode. The old file is read to its end
  first, and looked at until nothing has come for LINGER. Files that came and went between two looks are found by
  their names and times, also while nothing lies at the path: Zeek begins a file with its first line.
* `copytruncate`: the inode stays, and what is in front of the offset is not what it was. The rest is read from the
  copy, which is known by the bytes in front of the offset; then the file from its beginning. Lines that are written
  between logrotate's copying and its truncating are in neither: nobody can read them.
* Not there yet, or the directory made anew: the path is looked at again once a second.

What a rotation has compressed is found again in a .gz. Where a rest is not found, that is said (`lost`).
"""

import contextlib
import os
import re
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISREG
from typing import NamedTuple

from netwatchd.sources.tail import Damaged, Line, Position, Rewritten, Tail

LINGER = 60.0  # seconds after its last line that a file which was moved away is still looked at
# Files that are open at once. Who rotates every second for a minute has as many, and more is a mistake somewhere.
MOST_TAILS = 64
LOOKS = 5  # times that is looked for files that are being moved meanwhile
MOST_DAYS = 4  # dated directories that are looked into, the newest ones: who was off for longer has lost the rest
MOST_REMEMBERED = 256  # files that were read to their end
KNOWN_BY = 1024  # bytes of their beginning by which they are known
# Nanoseconds by which the file system's clock may be behind ours.
COARSE = 2_000_000_000
_PACKED = (".bz2", ".xz", ".zst", ".lz4", ".lzo", ".zip", ".tmp", ".part")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
# What comes behind a rotated log's name, or within it: conn.2026-11-23-10-00-00.log, conn.10:00:00-11:00:00.log.gz,
# eve.json.1, eve.json-20261123. A digit tells it from another log, as conn-summary.log.
_ROTATED = r"[._-][0-9][^/]*"


@dataclass(frozen=True)
class Read:
    """Lines that were read of one file."""

    tail: Tail
    lines: list[Line]


class _Found(NamedTuple):
    """A file that was found by its name."""

    path: Path
    identity: tuple[int, int]
    written: int  # time of its last change, in ns


class Follower:
    """Follows the log at `path`. Its methods raise OSError where a file that is there cannot be read."""

    def __init__(
        self,
        path: Path,
        most_line: int,
        header_mark: bytes = b"",
        *,
        linger: float = LINGER,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """A line longer than `most_line` is passed over; see `Tail` for `header_mark`.

        `linger` is for how many seconds, counted by `clock`, a file that was moved away may be silent before it is let
        go of.
        """
        self.path = path
        self.lost: list[str] = []  # sentences about what could not be found; who has said them empties the list
        self._most_line = most_line
        self._header_mark = header_mark
        self._linger = linger
        self._clock = clock
        self._tails: list[Tail] = []  # the oldest first; the last one is what lies at `path`, or lay there last
        self._quiet_since: dict[Tail, float] = {}
        # Read to their end: identity and beginning, because an inode is given to another file.
        self._ended: deque[tuple[tuple[int, int], bytes]] = deque(maxlen=MOST_REMEMBERED)
        self._looked = 0  # time of the last look at `path`, in nanoseconds of the file system's clock
        stem, suffix = path.stem, path.suffix
        names = (
            f"{re.escape(path.name)}{_ROTATED}|{re.escape(stem)}{_ROTATED}{re.escape(suffix)}(?:[.-][0-9][^/]*|\\.gz)?"
        )
        self._rotated = re.compile(names)

    @property
    def is_there(self) -> bool:
        """Whether there is a file to read."""
        return bool(self._tails)

    def resume(self, positions: Sequence[Position], looked: int) -> None:
        """Goes on where an earlier run was, which last looked at `looked` (ns of Unix time); once, before `read`."""
        self._looked = looked
        for position in positions:
            tail = self._find(position)
            if tail is None:
                self.lost.append(
                    f"what {self.path} held behind byte {position.offset} when netwatchd was last there cannot be "
                    "found any more: it was removed, or compressed by another program than gzip"
                )
                continue
            self._tails.append(tail)

    def positions(self, back: Mapping[Tail, int]) -> list[Position]:
        """Where to go on. `back` has the offset to which a file must be read again."""
        return [tail.position(back.get(tail)) for tail in self._tails]

    @property
    def looked(self) -> int:
        """When it last looked, in nanoseconds of Unix time: `resume` wants it."""
        return self._looked

    def read(self) -> Read | None:
        """The next lines; None where nothing new is there."""
        self.look()
        for tail in list(self._tails):
            try:
                lines = tail.read()
            except Rewritten:
                self._begin_anew(tail)
                return self.read()
            except Damaged as error:
                self.lost.append(str(error))
                self._forget(tail)
                continue
            if lines is not None:
                self._quiet_since.pop(tail, None)
                return Read(tail, lines)
            if tail is not self._tails[-1] and (read := self._retire(tail)):
                return read
        return None

    def close(self) -> None:
        """Lets go of all files."""
        for tail in self._tails:
            tail.close()
        self._tails.clear()
        self._quiet_since.clear()

    # What lies at the path.

    def look(self) -> None:
        """Notices that another file lies at the path; `read` does so by itself."""
        now = time.time_ns()
        for _ in range(LOOKS):  # it may be moved away while we open it
            identity = self._identity()
            if identity is None:  # until something is to be written: who waited for that would look for these too late
                if self._looked and self._has_anything_moved():
                    self._add_between()
                break
            if self._tails and self._tails[-1].identity == identity:
                break
            try:
                new = self._open(self.path)
            except FileNotFoundError:
                continue
            self._insert(new)
            if self._looked:  # else what lies beside it is older than our interest in it
                self._add_between(before=new)
        self._looked = now

    def _identity(self) -> tuple[int, int] | None:
        try:
            found = self.path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        return found.st_dev, found.st_ino

    def _has_anything_moved(self) -> bool:
        """Whether any file beside the log was made, moved or removed since the last look."""
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            beside = max(each.stat().st_mtime_ns for each in (self.path.parent, self.path.resolve().parent))
            return beside >= self._looked - COARSE
        return False

    def _open(self, path: Path, offset: int = 0, header: int | None = None) -> Tail:
        tail = Tail(path, self._most_line, self._header_mark)
        if offset:
            tail.seek(offset, header)
        return tail

    def _insert(self, tail: Tail, before: Tail | None = None) -> None:
        self._tails.insert(len(self._tails) if before is None else self._tails.index(before), tail)
        while len(self._tails) > MOST_TAILS:
            oldest = self._tails[0]
            if oldest.is_behind():
                self.lost.append(f"{oldest.path} and {MOST_TAILS} later files wait to be read: the oldest is given up")
            self._forget(oldest)

    def _retire(self, tail: Tail) -> Read | None:
        """Lets go of a file that was moved away when nothing more comes; its last line may lack the newline."""
        since = self._quiet_since.setdefault(tail, self._clock())
        if self._clock() - since < self._linger:
            return None
        lines = tail.end()
        self._forget(tail)
        return Read(tail, lines) if lines else None

    def _forget(self, tail: Tail) -> None:
        self._quiet_since.pop(tail, None)
        self._tails.remove(tail)
        with contextlib.suppress(Damaged):
            self._ended.append((tail.identity, tail.beginning()[:KNOWN_BY]))
        tail.close()

    # What was rotated meanwhile.

    def _begin_anew(self, tail: Tail) -> None:
        """The file was truncated: what was not read of it is in a copy, or nowhere."""
        read_to, fingerprint = tail.what_was_read()
        copy = self._copy_of(read_to, fingerprint) if read_to else None
        if copy is not None:
            copy.seek(tail.offset, tail.header)
            self._insert(copy, before=tail)
        elif read_to:
            self.lost.append(
                f"{tail.path} was truncated, and there is no copy beside it: lines that were written in the second "
                "before are not read (logrotate's delaycompress leaves one for long enough)"
            )
        self._add_between(before=tail)
        tail.seek(0, None)

    def _copy_of(self, offset: int, fingerprint: str) -> Tail | None:
        """The file beside the path that holds what was read of another one up to `offset`."""
        open_now = {tail.identity for tail in self._tails}
        for found in reversed(self._relatives()):
            if found.identity in open_now:
                continue
            with contextlib.suppress(OSError):
                tail = self._open(found.path)
                if tail.fingerprint(offset) == fingerprint:
                    return tail
                tail.close()
        return None

    def _find(self, position: Position) -> Tail | None:
        """The file of a position: by its inode, else by its content."""
        for _ in range(LOOKS):  # it may be moved away between our finding its name and opening it
            tail = self._find_inode(position)
            if tail is None and position.offset:
                tail = self._copy_of(position.offset, position.fingerprint)
                if tail is not None:
                    tail.seek(position.offset, position.header)
            if tail is not None:
                return tail
        return None

    def _find_inode(self, position: Position) -> Tail | None:
        wanted = (position.device, position.inode)
        paths = [found.path for found in self._relatives() if found.identity == wanted]
        if self._identity() == wanted:
            paths.insert(0, self.path)
        for path in paths:
            with contextlib.suppress(FileNotFoundError, Damaged):
                tail = self._open(path)
                # The inode may have been given to another file, or the file truncated.
                tail.seek(position.offset, position.header)
                if tail.identity == wanted and tail.what_was_read() == (position.offset, position.fingerprint):
                    return tail
                tail.close()
        return None

    def _add_between(self, before: Tail | None = None) -> None:
        """Files that came and went since the last look, to be read before `before`, else behind all others.

        They are none of those that are known, and no copy of one.
        """
        known = {tail.identity for tail in self._tails}
        added: list[tuple[int, Tail]] = []
        for _ in range(LOOKS):
            has_moved = False
            for found in self._relatives():
                if found.written < self._looked - COARSE or found.identity in known:
                    continue
                try:
                    tail = self._open(found.path)
                except FileNotFoundError:
                    has_moved = True
                    continue
                if tail.identity != found.identity:
                    has_moved = True
                    tail.close()
                    continue
                known.add(tail.identity)
                if self._is_known(tail):
                    tail.close()
                else:
                    added.append((found.written, tail))
            if not has_moved:
                break
        for _, tail in sorted(added, key=lambda each: each[0]):
            self._insert(tail, before)

    def _is_known(self, tail: Tail) -> bool:
        """Whether a file is one that was read, holds what one of those holds, as its .gz does, or cannot be read."""
        try:
            beginning = tail.beginning()
        except Damaged:
            return True
        if any(tail.identity == identity and beginning.startswith(begun) for identity, begun in self._ended):
            return True
        # Of one that was truncated, what it holds now: its copy is open, too.
        return any(_hold_the_same(beginning, other.beginning()) for other in self._tails)

    def _relatives(self) -> list[_Found]:
        """Rotated files of this log, the oldest first."""
        before: set[_Found] = set()
        for _ in range(LOOKS):
            found = set(self._scanned())
            # A file that is moved while a directory is read may be missed: two readings that agree have missed none.
            if {each[:2] for each in found} == {each[:2] for each in before}:
                break
            before = found
        return sorted(found, key=lambda each: (each.written, each.path))

    def _scanned(self) -> Iterator[_Found]:
        for directory in self._directories():
            with contextlib.suppress(OSError), os.scandir(directory) as entries:
                for entry in entries:
                    if entry.name.endswith(_PACKED) or not self._rotated.fullmatch(entry.name):
                        continue
                    with contextlib.suppress(FileNotFoundError):
                        stat = entry.stat()
                        if S_ISREG(stat.st_mode):
                            yield _Found(Path(entry.path), (stat.st_dev, stat.st_ino), stat.st_mtime_ns)

    def _directories(self) -> Iterator[Path]:
        """Where rotated files may lie: beside the log, and in directories of days as zeekctl makes them."""
        own = self.path.parent
        yield from dict.fromkeys([own, self.path.resolve().parent])
        # `current` is where zeekctl's links point to the log of today; the days lie beside it.
        for parent in dict.fromkeys([own, own.parent]):
            with contextlib.suppress(OSError):
                yield from sorted(each for each in parent.iterdir() if _DAY.fullmatch(each.name))[-MOST_DAYS:]


def _hold_the_same(one: bytes, other: bytes) -> bool:
    """Whether two files that begin so hold the same, as far as the shorter one goes, and at least a line.

    Headers tell nothing: two files may have the same one.
    """
    one, other = _without_header(one), _without_header(other)
    length = min(len(one), len(other))
    return one[:length] == other[:length] and b"\n" in one[:length]


def _without_header(text: bytes) -> bytes:
    while text.startswith(b"#"):
        _, _, text = text.partition(b"\n")
    return text
