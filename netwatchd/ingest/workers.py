"""The three worker threads: each takes its batch from its inbox and brings what is known up to date."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from netwatchd import clock
from netwatchd.ingest.inbox import Inbox
from netwatchd.worker import Worker

T = TypeVar("T")
TURN = 1.0  # seconds a worker waits for events, so that it beats and notices that it is to stop
DEVICES_FIRST = 1.0  # seconds that flows and threats wait for the devices that were seen before them


def work_through(
    inbox: Inbox[T],
    see: Callable[[Sequence[T], clock.Now], None],
    has_room: Callable[[float], bool],
    worker: Worker,
    first: Inbox[Any] | None = None,
) -> None:
    """Shows all that comes into the inbox to `see`, until the worker is asked to stop and the inbox is empty.

    `has_room(timeout)` says whether the store can take more. While it cannot, nothing is taken, the inbox fills, and
    the sources wait. What was put into the inbox `first` earlier is, where possible, seen earlier too: a flow is put
    down to the device that its source has just told of.
    """
    while True:
        worker.beat()
        if not has_room(TURN):
            continue
        # Read before taking: what a source put in before it was stopped is taken all the same.
        stopping = worker.stopping.is_set()
        if events := inbox.take(0 if stopping else TURN):
            if first is not None:
                first.wait_until_seen(DEVICES_FIRST)
            see(events, clock.now())
        elif stopping:
            return
