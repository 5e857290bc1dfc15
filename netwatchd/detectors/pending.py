"""Flows that live and were taken for attempts: they may be answered yet."""

from typing import Any

from netwatchd.detectors.tally import Tally
from netwatchd.events import LIVE, Flow

MOST = 16_384  # some 4 MB; of more, the oldest keep counting as attempts


class Pending:
    """What each flow was counted as."""

    def __init__(self) -> None:
        self.counted: dict[int, tuple[Tally, Any]] = {}

    def note(self, flow: Flow, tally: Tally, thing: Any) -> None:
        """A flow was counted as the trial of a thing."""
        if flow[12] not in LIVE:
            self.counted.pop(flow[0], None)  # that was its last word
            return
        if len(self.counted) >= MOST:
            del self.counted[next(iter(self.counted))]
        self.counted[flow[0]] = tally, thing

    def take(self, flow: int) -> tuple[Tally, Any]:
        """What it was counted as; it is no more. Raises KeyError where it was not counted."""
        return self.counted.pop(flow)

    def __contains__(self, flow: object) -> bool:
        return flow in self.counted

    def __len__(self) -> int:
        return len(self.counted)
