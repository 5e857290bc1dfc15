"""Keeps flows back for a moment after they began, so that a better source, if it sees them too, is first to tell."""

from collections.abc import Iterable
from itertools import islice

from netwatchd.events import Flow, time_of_id

# A flood of new flows must not fill the memory: beyond so many (some 10 MB) the oldest is told early.
MOST_HELD = 20_000


class Hold:
    """Holds each flow until `wait` ms after its id was given; of a flow that is told again meanwhile, the latest."""

    def __init__(self, wait: int, most: int = MOST_HELD) -> None:
        self._wait = wait
        self._most = most
        self._held: dict[int, Flow] = {}  # by id, those that began first in front

    def __len__(self) -> int:
        return len(self._held)

    def take(self, flows: Iterable[Flow], now: int) -> list[Flow]:
        """Takes flows in, and returns those that may be told at `now` (Unix ms)."""
        if not self._wait:
            return list(flows)
        due = now - self._wait
        passed: list[Flow] = []
        for flow in flows:
            if flow.id in self._held or time_of_id(flow.id) > due:
                self._held[flow.id] = flow
            else:
                passed.append(flow)
        ripe = [number for number in self._held if time_of_id(number) <= due or time_of_id(number) > now + self._wait]
        ripe += islice(self._held, max(len(self._held) - self._most, 0))
        return [self._held.pop(number) for number in dict.fromkeys(ripe)] + passed

    def release(self) -> list[Flow]:
        """All that is held, as nothing will come any more."""
        flows = list(self._held.values())
        self._held.clear()
        return flows
