"""Everything that moves gets a counter: received, stored, sent, and dropped with the reason."""

import threading
from collections import Counter
from collections.abc import Iterable
from typing import Any


class Counters:
    """Counts by dotted name (`dropped.flows.queue_full`); shared by all threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()

    def add(self, name: str, n: int = 1) -> None:
        """Counts `n` more; a name that was never counted starts at 0."""
        with self._lock:
            self._counts[name] += n

    def add_each(self, names: Iterable[str], n: int) -> None:
        """Counts `n` more by each of these names, at once."""
        with self._lock:
            for name in names:
                self._counts[name] += n

    def __getitem__(self, name: str) -> int:
        with self._lock:
            return self._counts[name]

    def tree(self) -> dict[str, Any]:
        """All counts, nested by the parts of their names: {"dropped": {"flows": {"queue_full": 3}}}."""
        with self._lock:
            counts = sorted(self._counts.items())
        root: dict[str, Any] = {}
        for name, count in counts:
            *path, leaf = name.split(".")
            node = root
            for part in path:
                node = node.setdefault(part, {})
            node[leaf] = count
        return root
