"""What a disk may hold after a power cut, rebuilt from a record of everything that was done to a directory.

A file system promises this: what was written before an fsync of the file returned is on disk, and so are the names
that were made, removed or renamed before an fsync of their directory returned. Of everything later, the disk has
whatever the block layer chose: of each block of 4 KiB any of the versions that were written since, or two of them mixed
by sectors of 512 bytes (a torn write); any of the lengths that the file had; names in the order in which they changed,
but those of different files independently. The record is made by recorder.c, preloaded into the process; -shm is mapped
and never recorded, and SQLite makes it anew.
"""

import functools
import os
import random
import shutil
import struct
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import pytest

BLOCK, SECTOR = 4096, 512
_HEAD = struct.Struct("=qqiiiIIIc7x")
_SOURCE = Path(__file__).with_name("recorder.c")
_COMPILER = shutil.which("cc") or shutil.which("gcc")

needs_compiler = pytest.mark.skipif(_COMPILER is None, reason="needs a C compiler, to record what reaches the disk")


@functools.cache
def recorder(directory: Path) -> Path:
    """The compiled recorder."""
    assert _COMPILER
    library = directory / "recorder.so"
    subprocess.run([_COMPILER, "-O2", "-shared", "-fPIC", "-o", library, _SOURCE, "-ldl", "-lpthread"], check=True)
    return library


def recording(directory: Path, root: Path) -> dict[str, str]:
    """The environment in which a process records what it does below `root` into `directory`, and has a clock there."""
    return with_clock(directory) | {"RECORD": str(directory / "record"), "RECORDED_ROOT": str(root)}


def with_clock(directory: Path) -> dict[str, str]:
    """The environment in which the wall clock of a process is what `shift_clock` makes of it."""
    clock = directory / "clock"
    clock.write_bytes(bytes(8))
    return {"LD_PRELOAD": str(recorder(directory)), "SHIFTED_CLOCK": str(clock)}


def shift_clock(directory: Path, seconds: float) -> None:
    """Sets the wall clock of the recorded process wrong by so much."""
    with (directory / "clock").open("r+b", buffering=0) as file:
        file.write(struct.pack("=q", int(seconds * 1e9)))


class Call(NamedTuple):
    """One recorded call, at a steady time in nanoseconds. Kinds: open, close, write, sync, truncate, unlink, mkdir and
    rename, by their first letters.
    """

    time: int
    offset: int
    pid: int
    fd: int
    flags: int
    kind: str
    path: str
    other: str
    data: bytes


def read_record(directory: Path) -> list[Call]:
    """All calls in their order."""
    record, at, calls = (directory / "record").read_bytes(), 0, []
    while at + _HEAD.size <= len(record):
        time, offset, pid, fd, flags, path, other, data, kind = _HEAD.unpack_from(record, at)
        at += _HEAD.size
        if at + path + other + data > len(record):
            break  # the process was killed here
        parts = []
        for size in (path, other, data):
            parts.append(record[at : at + size])
            at += size
        calls.append(Call(time, offset, pid, fd, flags, kind.decode(), parts[0].decode(), parts[1].decode(), parts[2]))
    return calls


@dataclass
class File:
    """A file's bytes that are on disk for sure, and what was done since: (offset, bytes), or (length, None)."""

    durable: bytes = b""
    since: list[tuple[int, bytes | None]] = field(default_factory=list)

    def sync(self) -> None:
        """Everything is on disk."""
        self.durable = self.now()
        self.since = []

    def now(self) -> bytes:
        """What a process sees."""
        content = bytearray(self.durable)
        for change in self.since:
            _apply(content, change)
        return bytes(content)

    def after_a_cut(self, chance: random.Random, share: float) -> bytes:
        """What the disk may hold; `share` is how likely it has what was not synced."""
        content, lengths = bytearray(self.durable), [len(self.durable)]
        versions: dict[int, list[bytes]] = {}
        for offset, data in self.since:
            before = len(content)
            touched = range(offset // BLOCK, _blocks(max(offset + len(data or b""), before if data is None else 0)))
            for block in touched:
                versions.setdefault(block, [_block(content, block)])
            _apply(content, (offset, data))
            lengths.append(len(content))
            for block in touched:
                versions[block].append(_block(content, block))
        length = lengths[-1] if chance.random() < share else chance.choice(lengths)
        disk = bytearray(self.durable.ljust(max(lengths), b"\0"))
        for block, known in versions.items():
            disk[block * BLOCK : (block + 1) * BLOCK] = _one_of(known, chance, share)
        return bytes(disk[:length].ljust(length, b"\0"))


def _one_of(versions: list[bytes], chance: random.Random, share: float) -> bytes:
    """A version of a block, the newest with the likelihood `share`, or torn between two."""
    if chance.random() < share:
        return versions[-1]
    first, second = sorted((chance.randrange(len(versions)), chance.randrange(len(versions))))
    if chance.random() < 0.7:
        return versions[first]
    sectors = [chance.choice((versions[first], versions[second])) for _ in range(0, BLOCK, SECTOR)]
    return b"".join(version[n * SECTOR : (n + 1) * SECTOR] for n, version in enumerate(sectors))


def _apply(content: bytearray, change: tuple[int, bytes | None]) -> None:
    offset, data = change
    if len(content) < offset:
        content.extend(bytes(offset - len(content)))
    if data is None:
        del content[offset:]
    else:
        content[offset : offset + len(data)] = data


def _block(content: bytearray, number: int) -> bytes:
    return bytes(content[number * BLOCK : (number + 1) * BLOCK]).ljust(BLOCK, b"\0")


def _blocks(size: int) -> int:
    return -(-size // BLOCK)


class Disk:
    """The directory `root` as the calls so far have left it, for processes and on disk. Subdirectories are not kept."""

    def __init__(self, root: Path) -> None:
        self._root = str(root)
        self._names: dict[str, File] = {}  # what processes see
        self._durable_names: dict[str, File] = {}
        self._renames: list[dict[str, File | None]] = []  # each at once: the names that changed, None: gone
        self._root_is_durable = False
        self._open: dict[tuple[int, int], File | str] = {}  # (pid, descriptor) -> a file, or a directory's path

    def after_a_cut(self, seed: int, into: Path) -> None:
        """Writes into a new directory what the disk may hold now."""
        chance = random.Random(seed)
        # From a disk that took nothing since the last sync, by all mixtures, to one that took everything.
        share = chance.choice((0.0, 0.1, 0.5, 0.9, 1.0))
        into.mkdir()
        if not self._root_is_durable:
            return
        for name, file in self._names_after_a_cut(chance, share).items():
            (into / Path(name).name).write_bytes(file.after_a_cut(chance, share))

    def _names_after_a_cut(self, chance: random.Random, share: float) -> dict[str, File]:
        names = dict(self._durable_names)
        stopped: set[str] = set()
        for change in self._renames:
            # The changes of one name keep their order; those of different names are independent.
            if stopped.isdisjoint(change) and chance.random() < max(share, 0.2):
                _rename(names, change)
            else:
                stopped.update(change)
        return names

    def see(self, call: Call) -> None:
        """Does what a call did."""
        at = call.pid, call.fd
        if call.kind == "o":
            self._open_file(at, call)
        elif call.kind == "c":
            self._open.pop(at, None)
        elif call.kind in "wts":
            self._change(self._open[at], call)
        elif call.kind == "u":
            self._note({call.path: None})
        elif call.kind == "r":
            self._note({call.path: None, call.other: self._names[call.path]})

    def _open_file(self, at: tuple[int, int], call: Call) -> None:
        if call.path == self._root or self._root.startswith(call.path + "/"):
            self._open[at] = call.path
            return
        if call.path not in self._names:
            self._note({call.path: File()})
        self._open[at] = file = self._names[call.path]
        if call.flags & os.O_TRUNC:
            file.since.append((0, None))

    def _change(self, opened: File | str, call: Call) -> None:
        if isinstance(opened, File):
            if call.kind == "s":
                opened.sync()
            else:
                opened.since.append((call.offset, call.data if call.kind == "w" else None))
        elif call.kind == "s" and opened == self._root:
            self._durable_names, self._renames = dict(self._names), []
        elif call.kind == "s":
            self._root_is_durable = True

    def _note(self, change: dict[str, File | None]) -> None:
        _rename(self._names, change)
        self._renames.append(change)


def _rename(names: dict[str, File], change: dict[str, File | None]) -> None:
    for name, file in change.items():
        if file is None:
            names.pop(name, None)
        else:
            names[name] = file


def cuts(calls: list[Call], root: Path, moments: list[int]) -> Iterator[tuple[int, Disk]]:
    """The disk after so many calls, for each of the moments, with the steady time (ns) at which it was so last."""
    disk, done = Disk(root), 0
    for moment in sorted(moments):
        for call in calls[done:moment]:
            disk.see(call)
        done = max(done, moment)
        yield calls[min(done, len(calls) - 1)].time, disk


def moments_between_syncs(calls: list[Call], chance: random.Random, how_many: int) -> list[int]:
    """Moments for cuts, so that the times between any two syncs are met alike, however much was written in them."""
    stretches: dict[int, list[int]] = defaultdict(list)
    stretch = 0
    for number, call in enumerate(calls):
        stretches[stretch].append(number)
        stretch += call.kind in "su"
    return sorted(chance.choice(stretches[chance.randrange(len(stretches))]) for _ in range(how_many))
