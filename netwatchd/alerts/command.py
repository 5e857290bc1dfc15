"""A program of the user's, without a shell: JSON on its standard input, the main fields in its environment.

It gets nothing of the daemon's: no capabilities, no credentials, no open files, a process group of its own, `/` to work
in. What it prints goes to the journal at debug. At its time limit its whole group is killed.
"""

import ctypes
import json
import logging
import os
import select
import signal
import subprocess
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import IO

from netwatchd.alerts import Message, Postponed, Refused
from netwatchd.alerts.line import Line
from netwatchd.config import AlertCommand

log = logging.getLogger(__name__)

MOST_SAID = 4096  # bytes of its output that are kept; the rest is read and forgotten
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_INHERITED = ("LANG", "TZ")  # what of our environment says how people here read
# include/uapi/linux/prctl.h
_PR_SET_NO_NEW_PRIVS, _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL = 38, 47, 4


class Command:
    """Runs a program for each message."""

    name = "command"

    def __init__(self, settings: AlertCommand) -> None:
        self._settings = settings
        self.severity = settings.severity

    @property
    def place(self) -> str:
        """The program. Not its arguments, which may hold secrets."""
        return self._settings.command[0] if self._settings.command else ""

    @property
    def patience(self) -> float:
        """Seconds that it may take."""
        return self._settings.timeout

    def send(self, message: Message, line: Line) -> None:
        """Runs the program to its end; raises Postponed or Refused. To be called by a thread of its own."""
        try:
            self._send(message, line)
        except OSError as error:  # it is no program, or something is scarce now: descriptors, memory, processes
            raise Postponed(f"{self.place} cannot be run: {error.strerror or error}") from None

    def _send(self, message: Message, line: Line) -> None:
        _give_up_privileges()
        environment = {"PATH": _PATH, **{name: os.environ[name] for name in _INHERITED if name in os.environ}}
        # A file in memory, which the program may read or not: nobody waits for that.
        with os.fdopen(os.memfd_create("alert"), "w+b") as given:
            given.write(json.dumps(message.json, allow_nan=False).encode() + b"\n")
            given.seek(0)
            try:
                process = subprocess.Popen(
                    self._settings.command, stdin=given, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, bufsize=0,
                    env=environment | message.environment, cwd="/", start_new_session=True,
                )  # fmt: skip
            except PermissionError as error:
                raise Refused(f"{self.place} cannot be run: {error.strerror}") from None
            except (FileNotFoundError, NotADirectoryError):
                raise Refused(f"{self.place} is not there") from None
        with process:
            self._watch(process, line)

    def _watch(self, process: "subprocess.Popen[bytes]", line: Line) -> None:
        run = _Run(process)
        line.holds(run.kill)
        try:
            in_time = run.until(time.monotonic() + self._settings.timeout)
        finally:
            run.end()
        said = "".join(letter if letter.isprintable() else " " for letter in run.said.decode(errors="replace")).strip()
        if said:
            log.debug("%s says: %s", self.place, said, extra={"event": "alert"})
        if line.is_cut:
            raise Postponed(f"{self.place} was ended, because the daemon ends")
        if not in_time:
            raise Postponed(f"{self.place} was killed, because it did not end within {self._settings.timeout:g} s")
        code = process.returncode
        if code < 0:
            raise Postponed(f"{self.place} was ended by {signal.Signals(-code).name}")
        if code:
            raise Postponed(f"{self.place} failed with exit code {code}" + (f": {said[-200:]}" if said else ""))


@dataclass
class _Run:
    """A program that runs, and the beginning of what it has printed."""

    process: "subprocess.Popen[bytes]"
    said: bytearray = field(default_factory=bytearray)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _over: bool = False

    def until(self, deadline: float) -> bool:
        """Reads what it prints until it has ended; False where it has not by `deadline` (monotonic)."""
        output = self.process.stdout
        assert output is not None
        # Its end is told by the process itself: a child that it left behind may keep the output open.
        ended = os.pidfd_open(self.process.pid)
        try:
            poll = select.poll()
            poll.register(ended, select.POLLIN)
            poll.register(output, select.POLLIN)
            while (left := deadline - time.monotonic()) > 0:
                ready = {number for number, _ in poll.poll(left * 1000)}
                if output.fileno() in ready and not self._read(output):
                    poll.unregister(output)
                if ended in ready:
                    self._note_end()
                    os.set_blocking(output.fileno(), False)
                    # Bounded: a child that was left behind may print for ever.
                    for _ in range(64):
                        if not self._read(output):
                            break
                    self.process.wait()
                    return True
            return False
        finally:
            os.close(ended)

    def _read(self, output: IO[bytes]) -> bool:
        """Reads what is there; returns whether there was anything."""
        data = output.read(65536) or b""  # None where nothing is there now
        self.said += data[: MOST_SAID - len(self.said)]
        return bool(data)

    def kill(self) -> None:
        """Ends it, and all that it started, unless that has left its group."""
        with self._lock:
            if not self._over:
                with suppress(ProcessLookupError):
                    os.killpg(self.process.pid, signal.SIGKILL)

    def end(self) -> None:
        """Leaves nothing of it running where it has not ended by itself, and no process unasked for its end."""
        self.kill()
        self._note_end()
        self.process.wait()

    def _note_end(self) -> None:
        """From now on nobody kills it: once its end was asked for, its number may be another one's."""
        with self._lock:
            self._over = True


def _give_up_privileges() -> None:
    """Takes from this thread what its children would inherit: capabilities belong to threads (capabilities(7))."""
    libc = ctypes.CDLL(None, use_errno=True)
    for arguments in ((_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0), (_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)):
        if libc.prctl(*arguments) != 0:
            raise Postponed(f"giving up privileges failed: {os.strerror(ctypes.get_errno())}")
