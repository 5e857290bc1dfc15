"""Clients of a crowd that stop reading, and the others, who must not notice."""

import itertools
import time
from collections.abc import Callable

import pytest
from crowd import Crowd
from running import Daemon, flow_line

CLIENTS = 200
BURST = 100  # flows that are told at once: more than what the kernel takes for a client that does not read
SMALL = 2048  # bytes of receive buffer
LATE = 20.0  # seconds that a busy machine may need longer
QUICK = """
[websocket]
send_timeout = 400 ms
retry_delay = 100 ms
retry_timeout = 200 ms
"""


def stall(running: Daemon, stalled: int, schedule: float) -> float:
    """Some of all clients stop reading while flows are told; returns the megabytes that the daemon grew by."""
    with Crowd(running.port, CLIENTS - stalled) as others, Crowd(running.port, stalled, receive_buffer=SMALL) as crowd:
        others.joined()
        crowd.joined()
        before, grown = running.memory(), 0.0
        begun = time.monotonic()
        for told in itertools.count(BURST, BURST):
            running.emit(*(flow_line(number) for number in range(told - BURST, told)))
            others.told(told)
            dropped, after = running.dropped("stalled"), time.monotonic() - begun
            grown = max(grown, running.memory() - before)
            assert not dropped or after > schedule, "nobody is given up early"
            assert after < schedule + LATE, "everybody is given up in the end"
            if dropped == stalled:
                break
        assert f"; {CLIENTS - stalled} clients remain" in running.log
        assert all(one.heard_all for one in others.members), "the others miss nothing"
        assert running.status()["dropped"]["clients"] == {"stalled": stalled}
    return grown


@pytest.mark.parametrize(
    "stalled", [pytest.param(1, marks=pytest.mark.slow), pytest.param(10, marks=pytest.mark.slow), 100]
)
def test_of_200_clients_those_that_stall_are_dropped_on_schedule_and_the_others_miss_nothing(
    daemon: Callable[..., Daemon], stalled: int
) -> None:
    with daemon(QUICK) as running:
        assert stall(running, stalled, schedule=0.7) < 32


@pytest.mark.slow
def test_with_the_shipped_settings_half_of_the_clients_stall_for_seven_seconds_and_cost_little_memory(
    daemon: Callable[..., Daemon],
) -> None:
    with daemon() as running:
        assert stall(running, CLIENTS // 2, schedule=7.1) < 32
