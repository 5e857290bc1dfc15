"""What this process has written to disk today, as the kernel accounts it."""

import threading
import time
from pathlib import Path

_IO = Path("/proc/self/io")
_DAY = 86400


class DiskMeter:
    """Bytes that this process had the kernel write since midnight (UTC) or since it began, whichever is later.

    proc(5), write_bytes of /proc/PID/io: pages made dirty, so that the file system's own journal is not in it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._day = int(time.time() // _DAY)
        self._before = 0

    def written_today(self) -> int | None:
        """The bytes; None where the kernel does not account them."""
        try:
            written = int(_IO.read_text().split("\nwrite_bytes: ")[1].split("\n")[0])
        except (OSError, IndexError, ValueError):
            return None
        today = int(time.time() // _DAY)
        with self._lock:
            if today != self._day:
                self._day, self._before = today, written
            return written - self._before
