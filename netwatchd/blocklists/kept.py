"""The lists as they are kept on disk, beside the databases: the last good copy of each, its table, and how it went.

    lists/key                       of the hashes of names
    lists/NAME.json                 the record: what is known of the list, and which generation is in force
    lists/NAME.GENERATION.copy      the list as text, for the notes of entries, and to build the table anew
    lists/NAME.GENERATION.table     its compact form

A new generation is written beside the old one and is in force when the record that names it has taken the place of the
old record: a power cut leaves either the one or the other. What no record names is swept away.
"""

import contextlib
import json
import os
import secrets
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from netwatchd.blocklists.table import KEY_SIZE
from netwatchd.storage.durable import make_directory, sync_directory

DIRECTORY = "lists"
KEY = "key"


@dataclass
class Record:
    """What is known of one list; times are Unix ms, 0 for never."""

    name: str
    place: str = ""  # the URL or path that it came from
    asked: str = ""  # the format that config.ini says; empty: told by the content
    form: str = ""  # the format that it has
    generation: str = ""  # of the files in force; empty: none was good yet
    fetched: int = 0  # when these came
    checked: int = 0  # when they were last known to be the latest
    etag: str = ""
    modified: str = ""  # Last-Modified, as the server writes it
    stamp: list[int] = field(default_factory=list)  # of a file: modification time, size, inode
    digest: str = ""  # SHA-256 of the text
    size: int = 0  # bytes of the text
    entries: int = 0
    counts: dict[str, int] = field(default_factory=dict)  # ipv4, ipv6, names
    passed: dict[str, int] = field(default_factory=dict)  # what it lists besides that cannot be looked for, by a word
    bad: int = 0  # lines that could not be read
    tried: int = 0  # when the last attempt ended
    failures: int = 0  # attempts without success since the last one with
    error: str = ""  # why the last attempt failed, a sentence; empty: it did not


class Kept:
    """The directory of the lists. Only the thread that updates writes there."""

    def __init__(self, state: Path) -> None:
        """`state` is the directory of the databases; nothing is made there before something is to be written."""
        self.directory = state / DIRECTORY

    def key(self) -> bytes | None:
        """The key of the hashes; None where there is none yet."""
        with contextlib.suppress(OSError):
            key = (self.directory / KEY).read_bytes()
            return key if len(key) == KEY_SIZE else None
        return None

    def made_key(self) -> bytes:
        """The key, which is made where there is none; raises OSError."""
        key = self.key()
        if key is None:
            key = secrets.token_bytes(KEY_SIZE)
            self._write(self.directory / KEY, key, sync=True)
        return key

    def record(self, name: str) -> Record:
        """What is known of a list; an empty record where nothing is, or it cannot be read."""
        try:
            told = json.loads((self.directory / f"{name}.json").read_text())
        except (OSError, ValueError):
            return Record(name)
        return _record_of(name, told)

    def copy(self, record: Record) -> Path:
        """The text of the generation in force."""
        return self.directory / f"{record.name}.{record.generation}.copy"

    def table(self, record: Record) -> Path:
        """Its table."""
        return self.directory / f"{record.name}.{record.generation}.table"

    def staged(self, name: str) -> Path:
        """Where a new text is put before it is looked at; raises OSError where there can be no such place."""
        make_directory(self.directory)
        return self.directory / f"{name}.new"

    def staged_table(self, name: str) -> Path:
        """Where its table is built."""
        return self.directory / f"{name}.new.table"

    def commit(self, record: Record) -> None:
        """Puts what is staged in force, as a new generation of this record; raises OSError."""
        old = {self.copy(record), self.table(record)} if record.generation else set()
        record.generation = secrets.token_hex(4)
        staged = self.staged(record.name)
        with staged.open("rb") as file:
            os.fsync(file.fileno())
        staged.rename(self.copy(record))
        self.staged_table(record.name).rename(self.table(record))
        self.save(record, sync=True)
        for path in old:
            path.unlink(missing_ok=True)

    def rebuilt(self, record: Record) -> None:
        """Puts a table that was built anew from the copy in the place of the old one; raises OSError."""
        self.staged_table(record.name).rename(self.table(record))

    def save(self, record: Record, sync: bool = False) -> None:
        """Writes a record; with `sync` it is on disk then. Raises OSError."""
        text = json.dumps(asdict(record), indent=1)
        self._write(self.directory / f"{record.name}.json", text.encode(), sync)

    def discard(self, name: str) -> None:
        """Takes away what is staged."""
        for path in (self.directory / f"{name}.new", self.staged_table(name)):
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)

    def sweep(self, records: dict[str, Record]) -> None:
        """Takes away what belongs to no list any more, and what a crash left behind."""
        wanted = {self.directory / KEY}
        for record in records.values():
            wanted |= {self.directory / f"{record.name}.json", self.copy(record), self.table(record)}
        with contextlib.suppress(OSError):
            for path in self.directory.iterdir():
                if path not in wanted:
                    path.unlink()

    def _write(self, path: Path, data: bytes, sync: bool) -> None:
        make_directory(self.directory)
        new = path.with_name(path.name + "~")
        with new.open("wb") as file:
            file.write(data)
            file.flush()
            if sync:
                os.fsync(file.fileno())
        new.rename(path)
        if sync:
            sync_directory(self.directory)


def _record_of(name: str, told: Any) -> Record:
    """A record from JSON: whatever is not of its type is as if it were not there."""
    record = Record(name)
    if isinstance(told, dict):
        for each in fields(Record):
            value = told.get(each.name)
            if type(value) is type(getattr(record, each.name)) and each.name != "name":
                setattr(record, each.name, value)
    if not record.generation.isalnum():
        record.generation = ""
    return record
