"""The attempts at committing, for whoever waits until what he has handed in is stored.

An attempt takes with it all that was handed in before it began, so who hands in now waits for the next one. All
methods are called with the lock of the `changed` that they are given held.
"""

import threading
from collections.abc import Callable


class Attempts:
    """How many have begun, and which was the last one that was committed, or failed."""

    def __init__(self, changed: threading.Condition) -> None:
        """`changed` is notified whenever an attempt has ended."""
        self._changed = changed
        self._begun = 0
        self._committed = 0
        self._failed = 0

    def begin(self) -> None:
        """One begins, with all that was handed in by now."""
        self._begun += 1

    def end(self, *, committed: bool) -> None:
        """The one that began last is over."""
        if committed:
            self._committed = self._begun
        else:
            self._failed = self._begun
        self._changed.notify_all()

    def wait(self, timeout: float, why_failed: Callable[[], str | None], *, more: bool) -> str | None:
        """Waits for the attempt that has all that was handed in; returns why that is not committed, or None.

        `more`: something waits for an attempt that has not begun. `timeout` is in seconds.
        """
        wanted = self._begun + more
        self._changed.wait_for(lambda: max(self._committed, self._failed) >= wanted, timeout)
        if self._committed >= wanted:
            return None
        return why_failed() or f"the database could not be written for {timeout:g} s"
