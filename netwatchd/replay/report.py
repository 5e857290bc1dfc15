"""What is told of a file that was replayed."""

from collections import Counter
from dataclasses import dataclass, field

from netwatchd.events import Threat


@dataclass
class FileReport:
    """One file: what was in it, what was skipped and why, and how long it took.

    `packets` is None where the file holds no packets, `records` where it holds none: a capture of what exporters sent
    has both. `first` and `last` are the Unix ms of its first and last event; None where it has none.
    """

    file: str
    format: str | None = None
    packets: int | None = None
    records: int | None = None
    flows: int = 0
    devices: int = 0
    threats: dict[int, Threat] = field(default_factory=dict)  # by id, the latest of each
    skipped: Counter[str] = field(default_factory=Counter)
    first: int | None = None
    last: int | None = None
    seconds: float = 0.0
    partial: bool = False  # its end was not reached
    error: str | None = None
    hint: str | None = None  # what the user may have wanted
    fatal: bool = False  # the store cannot be written, so that other files would fare no better
    device_keys: set[str] = field(default_factory=set)

    def span(self, first: int, last: int) -> None:
        """Widens the time range to events from `first` to `last` (Unix ms)."""
        self.first = first if self.first is None else min(self.first, first)
        self.last = last if self.last is None else max(self.last, last)
