"""The pid file: one netwatchd to a runtime directory, and everybody can see which. The lock on a state directory."""

import errno
import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import IO

PID_FILE = "netwatchd.pid"  # in the runtime directory


class AlreadyRunning(Exception):
    """Another netwatchd holds the pid file; the text says which."""


class PidFile:
    """A file with our pid, locked as long as we live: a lock that a killed process left behind does not count."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: IO[str] | None = None

    def __enter__(self) -> "PidFile":
        """Takes the lock and writes the pid; raises AlreadyRunning, or OSError where the file cannot be made."""
        while not self._take():
            pass
        assert self._file is not None
        self._file.truncate(0)
        self._file.write(f"{os.getpid()}\n")
        self._file.flush()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._file is not None
        self.path.unlink(missing_ok=True)
        self._file.close()

    def _take(self) -> bool:
        """Opens and locks the file; False where its last owner removed it in between."""
        file = self.path.open("a+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.seek(0)
            pid = file.read().strip()
            file.close()
            if error.errno not in (errno.EAGAIN, errno.EACCES):
                raise
            raise AlreadyRunning(f"netwatchd is running already, with pid {pid or 'unknown'} ({self.path})") from None
        if os.fstat(file.fileno()).st_nlink == 0:
            file.close()
            return False
        self._file = file
        return True


class Use:
    """Says to other processes that this one uses a state directory, as long as it is held.

    Several may use it together, but where one of them is to be `alone`, whoever comes second gets AlreadyRunning. The
    lock is on the directory itself: it leaves no file behind, and goes with the process. A directory that cannot be
    locked (a file system without locks, one that is not there) is used without.
    """

    def __init__(self, directory: Path, *, alone: bool) -> None:
        self._directory = directory
        self._alone = alone
        self._descriptor: int | None = None

    def __enter__(self) -> "Use":
        self.take()
        return self

    def __exit__(self, *_: object) -> None:
        self.let_go()

    def take(self) -> None:
        """Takes the lock, where it is not held, or held on what was at this path before; raises AlreadyRunning."""
        if self._descriptor is not None:
            try:
                if os.path.samestat(os.fstat(self._descriptor), self._directory.stat()):
                    return
            except OSError:  # there is nothing to be locked any more
                pass
            self.let_go()
        try:
            self._descriptor = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            fcntl.flock(self._descriptor, (fcntl.LOCK_EX if self._alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        except OSError as error:
            self.let_go()
            if error.errno == errno.EWOULDBLOCK:
                what = "a daemon or a replay" if self._alone else "a replay"
                text = f"{self._directory} is used by {what} that is running; both do not go together"
                raise AlreadyRunning(text) from None

    def let_go(self) -> None:
        """Gives the lock up: a file system in which anything is open can neither be unmounted nor mounted afresh."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
