"""The ids of events, as several threads ask for them."""

import threading

from netwatchd.events import new_event_id


class EventIds:
    """Gives the ids of events; any thread may ask."""

    def __init__(self, last: int) -> None:
        self._lock = threading.Lock()
        self._last = last

    def __call__(self, now: int, count: int = 1, /) -> int:
        with self._lock:
            first = new_event_id(self._last, now)
            self._last = first + count - 1
            return first
