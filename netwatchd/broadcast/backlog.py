"""The clients whose sockets did not take everything: each waits here with its own deadlines, and delays nobody.

Belongs to the broadcast thread; only `wake` may be called from others. Where a socket can be written again, epoll
tells; where a deadline passes, `patience` says what follows.
"""

import contextlib
import os
import select
import time
from collections.abc import Callable

from netwatchd.broadcast.client import Client
from netwatchd.broadcast.patience import Patience, Step, Verdict
from netwatchd.config import Websocket


class _Wait:
    """One client's wait."""

    __slots__ = ("client", "fd", "patience", "progress")

    def __init__(self, client: Client, fd: int, settings: Websocket, now: float) -> None:
        self.client = client
        self.fd = fd
        self.patience = Patience(settings, now)
        self.progress = client.transport.progress


class Backlog:
    """Who waits, and until when. `drop(client, reason)` is called for those who are given up."""

    def __init__(self, settings: Websocket, drop: Callable[[Client, str], None]) -> None:
        self._settings = settings
        self._drop = drop
        self._waits: dict[int, _Wait] = {}  # by file descriptor
        self._ready: list[int] = []  # what the last sleep ended with
        self._next = float("inf")  # no deadline passes before, and no progress need be looked for
        self._epoll = select.epoll()
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._epoll.register(self._bell, select.EPOLLIN)

    def __len__(self) -> int:
        return len(self._waits)

    def wake(self) -> None:
        """Ends the `sleep` of the broadcast thread, or the next one; from any thread."""
        os.eventfd_write(self._bell, 1)

    def sleep(self, longest: float) -> None:
        """Sleeps until someone wakes it, a socket can be written, or a deadline passes: `send_on` does what follows."""
        timeout = max(0.0, min(longest, self._next - time.monotonic()))
        self._ready = [fd for fd, _ in self._epoll.poll(timeout)]
        if self._bell in self._ready:
            os.eventfd_read(self._bell)

    def send_on(self) -> None:
        """Sends what goes to those whose sockets can be written, and gives up those whose time is over."""
        ready, self._ready = self._ready, []
        for fd in ready:
            if wait := self._waits.get(fd):
                self._go_on(wait, wait.client.outbox.flush())
        if time.monotonic() >= self._next:
            self._expire()

    def add(self, client: Client, verdict: Verdict) -> None:
        """Takes a client whose send ended with a verdict."""
        fd = client.transport.socket.fileno()
        if verdict is Verdict.DONE or fd < 0:
            return
        if verdict is Verdict.DROP:
            self._drop(client, "reset")
            return
        known = self._waits.get(fd)
        if known is not None and known.client is client:
            return
        # A descriptor that is known with another client was closed meanwhile and opened anew.
        wait = self._waits[fd] = _Wait(client, fd, self._settings, time.monotonic())
        self._next = min(self._next, self._look_again())
        if self._watch(wait, select.EPOLLOUT):
            self._go_on(wait, verdict)

    def _go_on(self, wait: _Wait, verdict: Verdict) -> None:
        """Draws the conclusion from a send."""
        now = time.monotonic()
        self._note_progress(wait, now)
        if verdict is Verdict.DONE or wait.client.outbox.closed:
            self._remove(wait)
        elif verdict is Verdict.DROP:
            self._give_up(wait, "reset")
        elif verdict is Verdict.RETRY:
            wait.patience.fail(now)
            self._obey(wait)

    def _note_progress(self, wait: _Wait, now: float) -> None:
        progress = wait.client.transport.progress
        if wait.progress == progress:
            return
        paused = wait.patience.step is Step.PAUSED
        wait.progress = progress
        wait.patience.progress(now)
        if paused:
            self._watch(wait, select.EPOLLOUT)

    def _obey(self, wait: _Wait) -> None:
        """Does what the step says that the patience has come to."""
        step = wait.patience.step
        if step is Step.EXHAUSTED:
            self._give_up(wait, "stalled")
            return
        self._next = min(self._next, wait.patience.deadline)
        self._watch(wait, 0 if step is Step.PAUSED else select.EPOLLOUT)

    def _expire(self) -> None:
        """Looks for progress everywhere, and at every wait whose deadline has passed; finds when to look again."""
        now = time.monotonic()
        for wait in list(self._waits.values()):
            self._note_progress(wait, now)
            if wait.client.outbox.closed:
                self._remove(wait)
            elif now >= wait.patience.deadline:
                wait.patience.expire(now)
                self._obey(wait)
                if wait.patience.step is Step.RETRYING:
                    self._go_on(wait, wait.client.outbox.flush())
        deadlines = [wait.patience.deadline for wait in self._waits.values()]
        self._next = min(*deadlines, self._look_again()) if deadlines else float("inf")

    def _look_again(self) -> float:
        """When to look for progress that nobody tells us of: often enough for the deadlines to hold."""
        return time.monotonic() + self._settings.send_timeout / 10

    def _watch(self, wait: _Wait, events: int) -> bool:
        try:
            try:
                self._epoll.modify(wait.fd, events)
            except FileNotFoundError:
                self._epoll.register(wait.fd, events)
        except OSError:  # its thread has closed it
            self._remove(wait)
            return False
        return True

    def _give_up(self, wait: _Wait, reason: str) -> None:
        self._remove(wait)
        self._drop(wait.client, reason)

    def _remove(self, wait: _Wait) -> None:
        if self._waits.get(wait.fd) is wait:
            del self._waits[wait.fd]
            with contextlib.suppress(OSError):  # closing the socket has unregistered it
                self._epoll.unregister(wait.fd)

    def close(self) -> None:
        """Frees the descriptors; nobody may call anything afterwards."""
        self._epoll.close()
        os.close(self._bell)
