"""Whether we may read what other programs write, and what would help where we may not."""

import grp
import logging
import os
from collections.abc import Iterable
from pathlib import Path

from netwatchd.counters import Counters
from netwatchd.sources import Unavailable

log = logging.getLogger(__name__)


class Troubles:
    """What keeps a source from reading files that it looks at all the time: said when it begins and when it ends."""

    def __init__(self, source: str, counters: Counters) -> None:
        self._source = source
        self._counters = counters
        self._said: dict[Path, str] = {}

    def say(self, path: Path, error: Exception) -> None:
        """Says it, unless it is what was said last."""
        why = str(error)
        if isinstance(error, OSError):
            why = os.strerror(error.errno).lower() if error.errno else error.strerror or why
            try:
                check_readable(path)
            except Unavailable as unavailable:
                why = str(unavailable)
        if self._said.get(path) == why:
            return
        self._said[path] = why
        self._counters.add(f"unreadable.{self._source}")
        log.warning("%s is not read: %s", path, why, extra={"source": self._source})

    def is_over(self, path: Path) -> None:
        """The file was read, or is not there."""
        if self._said.pop(path, None) is not None:
            log.info("%s can be read again", path, extra={"source": self._source})


def check_any_readable(paths: Iterable[Path]) -> bool:
    """Whether any of the files is there and may be read; raises Unavailable where none is, and some may not be read."""
    refused, there = [], False
    for path in paths:
        try:
            check_readable(path)
            there = there or path.exists()
        except Unavailable as error:
            refused.append(str(error))
    if refused and not there:
        raise Unavailable("; ".join(refused))
    return there


def check_readable(path: Path) -> None:
    """Raises Unavailable where we may not read what is there, with what would help."""
    for part in [*reversed(path.absolute().parents), path]:
        try:
            found = part.stat()
        except (FileNotFoundError, NotADirectoryError):
            return  # it may come
        except OSError as error:
            raise Unavailable(f"cannot read {path}: {error.strerror or error}") from error
        if not os.access(part, os.R_OK if part == path else os.X_OK):
            raise Unavailable(f"cannot read {path}: permission denied ({_remedy(part, found)})")


def _remedy(part: Path, found: os.stat_result) -> str:
    try:
        group = grp.getgrgid(found.st_gid).gr_name
    except KeyError:
        group = str(found.st_gid)
    wanted = 0o050 if part.is_dir() else 0o040
    if found.st_mode & wanted == wanted and group != "root":
        return f"{part} can be read by the group {group}: usermod -a -G {group} netwatchd, and restart it"
    return f"the group of {part} should be one of netwatchd's, and may read it: chgrp netwatchd and chmod g+rX"
