"""Flows that live and were taken for attempts: they may be answered yet."""

from collections.abc import Hashable
from typing import Any, Generic, TypeVar

from netwatchd.detectors import Findings
from netwatchd.detectors.bounded import make_room
from netwatchd.detectors.tally import Tallies
from netwatchd.events import LIVE, Flow, TakenBack

MOST = 16_384  # some 4 MB; of more, the oldest keep counting as attempts

K = TypeVar("K", bound=Hashable)


class Pending(Generic[K]):
    """What each flow was counted as."""

    def __init__(self, kind: str, tallies: Tallies[K]) -> None:
        """Of threats of a kind, in these tallies."""
        self.counted: dict[int, tuple[K, Any]] = {}
        self._kind = kind
        self._tallies = tallies

    def note(self, flow: Flow, key: K, thing: Any) -> None:
        """A flow was counted as the trial of a thing, in the tally of a key."""
        counted = self.counted
        if flow[12] not in LIVE:
            counted.pop(flow[0], None)  # that was its last word
            return
        if flow[0] not in counted:
            make_room(counted, MOST)
        counted[flow[0]] = key, thing

    def answered(self, flow: Flow, things: str) -> Findings:
        """What was taken for an attempt is in use; where that is most of what was told, it is taken back.

        `things` says what of the things: `7 of the hosts answered after all`. Raises KeyError where it was not counted.
        """
        key, thing = self.counted.pop(flow[0])
        tally = self._tallies.retract(key, thing)
        if tally is None or not tally.told or tally.answered <= tally.count:
            return ()
        tally.told = 0
        # A row of many strangers is not only about this one.
        if tally.by is None:
            return ()
        return [TakenBack(self._kind, tally.by, tally.target, f"{tally.answered} of the {things}")]

    def __contains__(self, flow: object) -> bool:
        return flow in self.counted

    def __len__(self) -> int:
        return len(self.counted)
