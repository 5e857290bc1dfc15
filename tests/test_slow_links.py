"""Clients behind long, lossy and thin wires: slow they are, but they read, and so they are served to the end."""

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from crowd import Crowd, Member
from home import Namespace, why_not
from link import link
from running import Daemon, flow_line

pytestmark = pytest.mark.skipif(
    bool(why_not()) or not Path("/dev/net/tun").exists(), reason=why_not() or "needs TUN devices"
)

TOKEN = "a-token-for-the-wires"
CONFIG = f"""
[websocket]
host = 0.0.0.0
token = {TOKEN}
stats_interval = 1 h
"""
FAR = {"delay": 0.2, "jitter": 0.05}
LOSSY = {"loss": 0.05}
THIN = {"rate": 50_000 / 8}
BAD = {"delay": 0.1, "jitter": 0.03, "loss": 0.05, "rate": 25_000}


class Places:
    """Where the daemon is, and where its clients are, each behind a wire of its own; `crowd` is all of them."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self.near = self._made("")
        self.crowd = stack.enter_context(Crowd(0, 0))

    def _made(self, suffix: str) -> Namespace:
        namespace = Namespace(f"nw{os.getpid()}w{suffix}")
        self._stack.callback(namespace.close)
        return namespace

    def distant(self, port: int, **quality: float) -> Member:
        """A client behind a wire of some quality."""
        number = 70 + len(self.crowd.members)
        place = self._made(str(number))
        return self._joined(place, port, self._stack.enter_context(link(self.near, place, number, **quality)))

    def close(self, port: int) -> Member:
        """A client on the daemon's own machine."""
        return self._joined(self.near, port, "127.0.0.1")

    def _joined(self, place: Namespace, port: int, address: str) -> Member:
        with place.entered():
            member = self.crowd.add(port, address, f"?token={TOKEN}")
        self.crowd.joined()
        return member


@pytest.fixture
def places() -> Iterator[Places]:
    """Places that are made as they are asked for."""
    with ExitStack() as stack:
        yield Places(stack)


def test_a_client_behind_a_bad_wire_gets_all_or_is_told_the_gap_and_nobody_else_notices(
    places: Places, short: Path
) -> None:
    with Daemon(short, f"{CONFIG}queue_size = 30\n", inside=places.near.command()) as running:
        slow, other = places.distant(running.port, **BAD), places.close(running.port)
        for burst in (1, 2):
            running.emit(*(flow_line(number) for number in range(100)))
            places.crowd.until(lambda told=burst * 100: len(other.told) == told, "the other hears it at once")
        assert slow.last < other.last, "the wire is bad indeed"
        places.crowd.until(lambda: slow.last == other.last, "the slow one has caught up")
        assert slow.gaps and slow.knows_all and other.heard_all
        assert "dropped client" not in running.log


@pytest.mark.slow
def test_with_the_shipped_deadlines_no_wire_is_so_bad_that_a_client_that_reads_is_dropped(
    places: Places, short: Path
) -> None:
    with Daemon(short, f"{CONFIG}queue_size = 100\n", inside=places.near.command()) as running:
        far, lossy = places.distant(running.port, **FAR), places.distant(running.port, **LOSSY)
        thin = places.distant(running.port, **THIN)
        worst = places.distant(running.port, **FAR, **LOSSY, **THIN)
        other = places.close(running.port)
        begun, sent = time.monotonic(), 0
        while (passed := time.monotonic() - begun) < 30:
            while sent < passed * 30:  # twice of what the thin wire carries
                running.emit(flow_line(sent))
                sent += 1
            places.crowd.until(lambda sent=sent: len(other.told) == sent, "the other hears it at once")
        for slow in (far, lossy, thin, worst):
            while slow.last < other.last:
                assert not slow.ended, running.log
                places.crowd.until(lambda slow=slow, last=slow.last: slow.last > last or slow.ended, "it goes on")
            assert slow.knows_all
        assert far.heard_all and lossy.heard_all and other.heard_all
        assert "dropped client" not in running.log
