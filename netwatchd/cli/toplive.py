"""`top --live`: who moves most now, on the whole screen, done anew every few seconds.

What is moved now comes from the stream, which costs little; the sums come from the database, which is read once a
minute. Where no daemon is heard, the database is read each time, and its sums are compared.
"""

import argparse
import os
import select
import signal
import sys
import termios
import threading
import time
import tty
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from netwatchd import config
from netwatchd.answers.top import top
from netwatchd.budget import size_text
from netwatchd.cli.answer import USAGE, Misused, Trouble, fail
from netwatchd.cli.follow import Follow
from netwatchd.cli.moments import counted, time_text
from netwatchd.cli.moved import KINDS, Moved, Sum, Sums
from netwatchd.cli.reach import reached
from netwatchd.cli.sheet import Column, table_in
from netwatchd.cli.tables import called
from netwatchd.cli.terminal import cut, printable
from netwatchd.storage import schema

KEYS = {"d": "device", "t": "destination", "p": "port"}
REREAD = 60.0  # seconds after which the sums are read from the database again
SOON = 10.0  # the same after the first time: what was heard before may not have been written then
MOST = 1000  # rows of these
GLANCE = 0.25  # seconds after which a window of another size is noticed
RETRY = 5.0  # seconds after which a daemon that was not there is looked for again
FRAME = 5  # lines around the rows: two above the table, its head, and one below
WAITING = "listening; what is moved now comes with the first refresh"


def live(options: argparse.Namespace, directory: Path) -> int:
    """Shows it until q or Ctrl-C; raises NoDatabase."""
    out = Console()
    if options.json or not sys.stdout.isatty() or out.is_dumb_terminal:
        return fail(Misused("--live needs a terminal that can be drawn on anew; without it there is one table"), USAGE)
    screen = Screen(options, directory)
    if not options.state:  # what lies in a directory of its own is not what a daemon here tells of
        threading.Thread(target=screen.listen, name="stream", daemon=True).start()
    with (
        _keys() as keys,
        Live(console=out, screen=True, auto_refresh=False, redirect_stdout=False, redirect_stderr=False) as shown,
    ):
        size, due = None, 0.0
        while True:
            now = time.monotonic()
            if now >= due:
                screen.refresh()
                due, size = now + options.interval, None
            if out.size != size:
                size = out.size
                shown.update(screen.page(size.width, size.height), refresh=True)
            key = keys(min(max(due - time.monotonic(), 0), GLANCE))
            if key in ("q", "Q"):
                return 0
            if screen.switch(key):
                size = None


class Screen:
    """What is known, and how it looks."""

    def __init__(self, options: argparse.Namespace, directory: Path) -> None:
        self._options = options
        self._directory = directory
        self._by = options.by
        self._moved = Moved(int(time.time() * 1000))
        self._note: str | None = WAITING  # why there is nothing of what is moved now
        self._totals: dict[str, Sums] = {}  # of each kind that was looked at
        self._due: dict[str, float] = {}  # when each of these is to be read again
        self._rates: dict[str, Sums] = {kind: {} for kind in KINDS}  # bytes in the last interval
        self._names: dict[str, str | None] = {}
        self._refreshed = time.monotonic()
        self._seconds = 1.0  # that the last interval took
        self._heard = False
        self._sum_up()

    def listen(self) -> None:
        """Hears the stream, as long as the program runs; a thread of its own."""
        while True:
            try:
                place = reached(config.load(self._options.config).websocket)
                for message in Follow(place, "devices,flows", say=self._say).messages():
                    if message is not None:
                        self._heard, self._note = True, None
                        self._moved.take(message)
            except (Trouble, config.ConfigError, OSError) as error:
                self._heard = False
                self._say(str(error))
            time.sleep(RETRY)

    def _say(self, sentence: str) -> None:
        self._note = " ".join(sentence.split())

    def switch(self, key: str) -> bool:
        """Shows another kind, where the key means one."""
        if key not in KEYS:
            return False
        self._by = KEYS[key]
        self._sum_up()
        return True

    def refresh(self) -> None:
        """Takes in what has come since the last time."""
        now = time.monotonic()
        self._seconds, self._refreshed = max(now - self._refreshed, 0.001), now
        taken = self._moved.taken()
        if self._heard:
            self._rates = taken
            for kind, totals in self._totals.items():
                for key, moved in taken[kind].items():
                    totals[key] = totals.get(key, Sum()).plus(moved)
            self._sum_up()
            return
        before = self._totals.pop(self._by, {})
        self._sum_up()
        self._rates[self._by] = {
            key: Sum(max(each.bytes_in - old.bytes_in, 0), max(each.bytes_out - old.bytes_out, 0))
            for key, each in self._totals[self._by].items()
            if (old := before.get(key))
        }

    def _sum_up(self) -> None:
        """Reads the sums of what is shown, where they are not known, or not of late."""
        by, now = self._by, time.monotonic()
        first = by not in self._totals
        if not first and now < self._due[by]:
            return
        found = top(self._directory, by, since=self._options.since, limit=MOST)
        self._names = {schema.key_of(device): device.name or device.hostname for device in found.devices}
        self._totals[by] = {row[by]: Sum(row["bytes_in"], row["bytes_out"], row["flows"]) for row in found.rows}
        self._due[by] = now + (SOON if first else REREAD)

    def page(self, width: int, height: int) -> Group:
        """The whole screen, of so many columns and lines."""
        totals, rates = self._totals[self._by], self._rates[self._by]
        keys = sorted({*totals, *rates}, key=lambda key: _order(rates.get(key), totals.get(key)), reverse=True)
        rows = max(min(height - FRAME, self._options.limit or height), 1)
        cells = [self._cells(key, rates.get(key, Sum()), totals.get(key, Sum())) for key in keys[:rows]]
        now = Sum(sum(each.bytes_in for each in rates.values()), sum(each.bytes_out for each in rates.values()))
        head = f"top by {self._by}: now {self._rate(now.bytes_in)} in, {self._rate(now.bytes_out)} out"
        head += f"  {time.strftime('%H:%M:%S')}"
        note = f"{counted(len(keys), self._by)}; sums since {time_text(self._options.since)}"
        foot = "d device  t destination  p port  q quit"
        return Group(
            Text(cut(head, width), "bold"),
            Text(cut(printable(self._note or note), width), "yellow" if self._note else "dim"),
            table_in(_columns(self._by), cells, width),
            Text(cut(foot, width), "dim"),
        )

    def _cells(self, key: str | None, rate: Sum, total: Sum) -> list[Text]:
        busy = rate.bytes_in + rate.bytes_out > 0
        return [
            Text(printable(called(key, self._by, self._names)), "bold" if busy else ""),
            *(Text(self._rate(size) if size else "-", "" if size else "dim") for size in rate[:2]),
            *(Text(size_text(size), "") for size in total[:2]),
            Text(f"{total.flows:,}", ""),
        ]

    def _rate(self, size: int) -> str:
        return f"{size_text(size / self._seconds)}/s"


def _columns(by: str) -> tuple[Column, ...]:
    return (
        Column(by, least=12), Column("in now", number=True), Column("out now", number=True),
        Column("in", number=True, spare=1), Column("out", number=True, spare=1), Column("flows", number=True, spare=2),
    )  # fmt: skip


def _order(rate: Sum | None, total: Sum | None) -> tuple[int, int]:
    return tuple(each.bytes_in + each.bytes_out if each else 0 for each in (rate, total))  # type: ignore[return-value]


@contextmanager
def _keys() -> Iterator["Keys"]:
    """The keys that are typed, one by one and unseen; the terminal is as it was before, however this ends."""
    stopping = (signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, _stop) for number in stopping}
    terminal = sys.stdin.fileno() if sys.stdin.isatty() else None
    saved = termios.tcgetattr(terminal) if terminal is not None else None
    try:
        if terminal is not None:
            tty.setcbreak(terminal)
            mode = termios.tcgetattr(terminal)
            mode[6][termios.VSUSP] = b"\0"  # Ctrl-Z would leave the screen to the shell as it is
            termios.tcsetattr(terminal, termios.TCSANOW, mode)
        yield Keys(terminal)
    finally:
        if terminal is not None and saved is not None:
            with suppress(termios.error):  # the terminal is gone
                termios.tcsetattr(terminal, termios.TCSAFLUSH, saved)
        for number, handler in before.items():
            signal.signal(number, handler)


def _stop(number: int, _: FrameType | None) -> None:
    sys.exit(128 + number)


class Keys:
    """Waits for a key."""

    def __init__(self, terminal: int | None) -> None:
        self._terminal = terminal

    def __call__(self, seconds: float) -> str:
        """The key that is typed within so many seconds, or nothing."""
        if self._terminal is None:
            time.sleep(seconds)
            return ""
        if not select.select([self._terminal], [], [], seconds)[0]:
            return ""
        typed = os.read(self._terminal, 64).decode(errors="replace")
        if not typed:
            return "q"  # nobody is there any more
        return typed if len(typed) == 1 else ""
