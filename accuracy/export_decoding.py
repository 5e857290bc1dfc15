"""What netwatchd makes of recorded exports, before it joins the two halves of flows, and after."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from accuracy.export_records import datagrams, header_of
from netwatchd.addresses import Address
from netwatchd.decoders.netflow.collector import HOLD, Collector
from netwatchd.events import Flow


class Records(Collector):
    """A collector that has heard nothing yet, and counts options records."""

    def __init__(self, hold: int) -> None:
        self.counts: Counter[str] = Counter()
        self.options = 0
        super().__init__(self._number, self._add, hold)

    def _number(self, now: int, _: int = 1, /) -> int:
        return now << 12

    def _add(self, name: str, n: int) -> None:
        self.counts[name] += n

    def _options(self, *of: Any) -> int:
        read = super()._options(*of)
        self.options += read
        return read


def decoded(paths: Sequence[Path], *, joined: bool = False) -> tuple[list[Flow], int]:
    """The flows in some files, read in their order, and how many options records there are.

    Without `joined` each record is a flow of its own.
    """
    collector = Records(HOLD if joined else 0)
    flows: list[Flow] = []
    now = 0
    exporter: Address
    for data, exporter in datagrams(paths):
        now = header_of(data).sent if len(data) >= 16 else now
        flows += collector.datagram(data, exporter, now)
        flows += collector.due(now)
    return [*flows, *collector.finish(now)], collector.options
