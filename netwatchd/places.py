"""The directories that the daemon writes to."""

import errno
import logging
from pathlib import Path

from netwatchd.storage.durable import make_directory

log = logging.getLogger(__name__)

# A card that is full, worn out or mounted read-only: the live stream is worth having all the same.
_MAY_PASS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)


class CannotStart(Exception):
    """The daemon cannot begin its work; the text says what was attempted and what would help."""


def prepare(directory: Path, meaning: str) -> bool:
    """Whether a directory can be written now; raises CannotStart where it never will."""
    try:
        make_directory(directory)
        probe = directory / ".netwatchd-writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        if error.errno in _MAY_PASS:
            log.warning("cannot write to %s now: %s; starting without it", directory, error.strerror)
            return False
        raise CannotStart(
            f"cannot write to {directory}, where {meaning} lie: {error.strerror or error} "
            "($STATE_DIRECTORY, $RUNTIME_DIRECTORY and [storage] directory say where)"
        ) from error
    return True
