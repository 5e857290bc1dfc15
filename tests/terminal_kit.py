"""A real terminal of 80 columns and 24 lines, with a command in it."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.cells import cell_len
from waiting import PATIENCE

ESCAPES = re.compile(r"\x1b(?:\[[0-9;?]*[A-Za-z]|\][^\x07]*\x07|[()][A-Z0-9])")
NETWATCHD = [sys.executable, "-m", "netwatchd"]


class Terminal:
    """What a command shows in it, and what is typed."""

    def __init__(self, ours: int, theirs: int, process: "subprocess.Popen[bytes]") -> None:
        self.ours = ours
        self.theirs = theirs
        self.process = process
        self.raw = ""  # all that was written to it

    @property
    def text(self) -> str:
        """The same, without colours and movements."""
        return ESCAPES.sub("", self.raw).replace("\r\n", "\n")

    @property
    def lines(self) -> list[str]:
        return [line.rstrip() for line in self.text.split("\n")]

    def type(self, keys: str) -> None:
        os.write(self.ours, keys.encode())

    def resize(self, columns: int, lines: int) -> None:
        fcntl.ioctl(self.ours, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def until(self, words: str, since: int = 0) -> int:
        """Waits until these words are shown behind `since`; returns where they end, in `raw`."""
        deadline = time.monotonic() + PATIENCE
        while (at := self.raw.find(words, since)) < 0:
            assert time.monotonic() < deadline, f"{words!r} is not shown: {self.raw!r}"
            assert self._read(0.1) or self.process.poll() is None, f"{words!r} was not shown: {self.raw!r}"
        return at + len(words)

    def end(self) -> int:
        """Waits for its end; returns its exit code."""
        deadline = time.monotonic() + PATIENCE
        while self.process.poll() is None:
            assert time.monotonic() < deadline, self.raw
            self._read(0.05)
        while self._read(0):
            pass
        return self.process.returncode

    def mode(self) -> list[Any]:
        """How it treats what is typed."""
        return termios.tcgetattr(self.theirs)

    def _read(self, seconds: float) -> bool:
        if not select.select([self.ours], [], [], seconds)[0]:
            return False
        self.raw += os.read(self.ours, 65536).decode(errors="replace")
        return True


@contextmanager
def terminal(
    arguments: Sequence[str], environment: dict[str, str], columns: int = 80, lines: int = 24, **more: str
) -> Iterator[Terminal]:
    """Runs netwatchd in a terminal of its own."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(ours, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    settings = {"TERM": "xterm-256color", "LANG": "C.UTF-8", "PYTHONIOENCODING": "utf-8"}
    kept = {key: value for key, value in environment.items() if key not in ("COLUMNS", "LINES", "NO_COLOR")}
    process = subprocess.Popen(
        [*NETWATCHD, *arguments], stdin=theirs, stdout=theirs, stderr=theirs, env=kept | settings | more,
        start_new_session=True, preexec_fn=_own_terminal,
    )  # fmt: skip
    shown = Terminal(ours, theirs, process)
    try:
        yield shown
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(PATIENCE)
        os.close(ours)
        os.close(theirs)


def _own_terminal() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def too_wide(lines: Sequence[str], columns: int = 80) -> list[str]:
    """The lines that do not fit."""
    return [line for line in lines if cell_len(line) > columns]
