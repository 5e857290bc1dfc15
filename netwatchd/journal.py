"""Logging for journald, and the service manager's ear (sd_notify).

Under systemd, records go to journald's own socket with fields of their own (`journalctl SOURCE=conntrack`); elsewhere
to standard error as plain lines. A record with `extra={"repeat": KEY}` is written at most once a minute for that key,
and the next one says how often it happened meanwhile: a trouble that repeats must not fill the card. With `"most": N`
beside it there are up to N of them in a minute, for what is worth a line each, unless somebody makes it up; all, where
the level is debug.
"""

import logging
import os
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable

import sdnotify

JOURNAL_SOCKET = "/run/systemd/journal/socket"
FIELDS = ("source", "device", "event", "client")  # what a record's `extra` may carry into the journal
REPEAT_AFTER = 60.0  # seconds
MOST_KEYS = 1000  # troubles told apart: keys may name clients, of whom an attacker can invent any number
PAUSES = (0.01, 0.04, 0.15, 0.3, 0.5)  # seconds between the attempts to hand a record to a busy journal: 1 s in all
_PRIORITIES = {logging.CRITICAL: 2, logging.ERROR: 3, logging.WARNING: 4, logging.INFO: 6, logging.DEBUG: 7}


class OncePerMinute(logging.Filter):
    """Lets a record with a `repeat` key through at most once a minute, or as often as its `most` says."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._lock = threading.Lock()
        # Key -> when its minute began, how many were written in it, and how many were not.
        self._seen: dict[str, tuple[float, int, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is to be written."""
        key, most = getattr(record, "repeat", None), getattr(record, "most", 1)
        if key is None or (most > 1 and logging.getLogger().isEnabledFor(logging.DEBUG)):
            return True
        now = self._clock()
        with self._lock:
            if key not in self._seen and len(self._seen) >= MOST_KEYS:
                self._seen = {k: v for k, v in self._seen.items() if now - v[0] < REPEAT_AFTER}
                if len(self._seen) >= MOST_KEYS:
                    key = ""  # one for all further ones
            began, written, held = self._seen.get(key, (-REPEAT_AFTER, 0, 0))
            if now - began < REPEAT_AFTER:
                has_room = written < most
                self._seen[key] = (began, written + 1, held) if has_room else (began, written, held + 1)
                return has_room
            self._seen[key] = (now, 1, 0)
        if held:
            record.msg, record.args = f"{record.getMessage()} (and {held} more like it since the last report)", ()
        return True


class JournalHandler(logging.Handler):
    """Sends records to journald in its native protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL)."""

    def __init__(self, path: str = JOURNAL_SOCKET) -> None:
        super().__init__()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        # A timeout would not do: Linux calls a socket writable only when most of its buffer is free again.
        self._socket.setblocking(False)
        self._path = path
        self._lost = 0  # records since the journal stopped reading

    def emit(self, record: logging.LogRecord) -> None:
        """Sends one record; falls back to standard error, which systemd reads too."""
        message = self.format(record)
        fields = {
            "MESSAGE": message,
            "PRIORITY": str(_PRIORITIES.get(record.levelno, 6)),
            "SYSLOG_IDENTIFIER": "netwatchd",
            "LOGGER": record.name,
            "THREAD": record.threadName or "",
        }
        fields |= {name.upper(): str(getattr(record, name)) for name in FIELDS if hasattr(record, name)}
        try:
            if self._lost:
                said = f"{self._lost} lines of the log are lost: the journal did not take them"
                ours = {name: fields[name] for name in ("SYSLOG_IDENTIFIER", "THREAD")}
                self._send(ours | {"MESSAGE": said, "PRIORITY": "4", "LOGGER": __name__, "EVENT": "loss"})
                self._lost = 0
            self._send(fields)
        except BlockingIOError:
            # journald hangs, perhaps for as long as the card does: nobody waits for it again before it reads again.
            self._lost += 1
        except OSError:
            sys.stderr.write(f"<{fields['PRIORITY']}>{message}\n")

    def _send(self, fields: dict[str, str]) -> None:
        data = b"".join(_journal_field(*field) for field in fields.items())
        for pause in () if self._lost else PAUSES:
            try:
                self._socket.sendto(data, self._path)
            except BlockingIOError:
                time.sleep(pause)
            else:
                return
        self._socket.sendto(data, self._path)


def _journal_field(name: str, value: str) -> bytes:
    data = value.encode(errors="replace")
    if b"\n" in data:
        return name.encode() + b"\n" + struct.pack("<Q", len(data)) + data + b"\n"
    return name.encode() + b"=" + data + b"\n"


def under_journald() -> bool:
    """Whether standard error is connected to journald (systemd.exec(5), $JOURNAL_STREAM)."""
    try:
        device, inode = os.environ["JOURNAL_STREAM"].split(":")
        stat = os.fstat(2)
    except (KeyError, ValueError, OSError):
        return False
    return (stat.st_dev, stat.st_ino) == (int(device), int(inode))


def start_logging(level: str) -> None:
    """Sends the log to the journal or to standard error, from `level` (a name of the logging module) upwards."""
    handler: logging.Handler = JournalHandler() if under_journald() else logging.StreamHandler()
    if not isinstance(handler, JournalHandler):
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(message)s", "%H:%M:%S"))
    handler.addFilter(OncePerMinute())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # Libraries speak up only when something is wrong.
    for name in ("schedule", "websocket_server"):
        logging.getLogger(name).setLevel(logging.WARNING)


class ServiceManager:
    """What systemd is told: READY=1, STATUS=, RELOADING=1, WATCHDOG=1, STOPPING=1. Without systemd nothing happens."""

    def __init__(self) -> None:
        self._notifier = sdnotify.SystemdNotifier()

    @property
    def watchdog(self) -> float | None:
        """Seconds within which systemd wants to hear that we are alive; None where nobody waits for it."""
        return int(os.environ.get("WATCHDOG_USEC", 0)) / 1e6 or None

    def ready(self) -> None:
        """The daemon serves."""
        self._notifier.notify("READY=1")

    def reloading(self) -> None:
        """The daemon reads its configuration again; sd_notify(3) wants the time of it."""
        self._notifier.notify(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """The daemon is on its way out."""
        self._notifier.notify("STOPPING=1")

    def status(self, line: str) -> None:
        """The line that `systemctl status` shows."""
        self._notifier.notify(f"STATUS={line}")

    def alive(self) -> None:
        """Feeds the watchdog."""
        self._notifier.notify("WATCHDOG=1")
