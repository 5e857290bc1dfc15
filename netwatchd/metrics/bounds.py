"""No word from outside makes a label without end: each series costs whoever keeps it, for as long as he keeps it."""

import re
from collections.abc import Iterable, Iterator

from netwatchd.metrics.counted import OTHER
from netwatchd.metrics.names import Metric, Sample

MOST = 100  # series of one metric
# What stands in a label: what a name in a configuration or a log may have, and nothing that is long, or no letter.
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:/@+-]{0,39}")


class Bounds:
    """Which series there are. One that is there stays, or its sum would seem to begin anew. Not for several threads."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._known: dict[str, set[tuple[str, ...]]] = {}

    def bounded(self, samples: Iterable[Sample], free: Iterable[Metric] = ()) -> Iterator[Sample]:
        """The samples, each series once: those that are too many, or have odd words, are added up as `other`.

        `free` are metrics whose labels are bounded and clean already.
        """
        open_ones = {metric.name for metric in free}
        sums: dict[tuple[Metric, tuple[str, ...]], float] = {}
        for metric, labels, value in samples:
            key = metric, labels if metric.name in open_ones else self._labels(metric, labels)
            sums[key] = sums.get(key, 0) + value
        for (metric, labels), value in sums.items():
            yield Sample(metric, labels, value)

    def _labels(self, metric: Metric, labels: tuple[str, ...]) -> tuple[str, ...]:
        clean = tuple(word if not word or _WORD.fullmatch(word) else OTHER for word in labels)
        known = self._known.setdefault(metric.name, set())
        if clean in known:
            return clean
        if len(known) < self._most:
            known.add(clean)
            return clean
        return tuple(OTHER if word else word for word in clean)
