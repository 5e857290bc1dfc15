"""A thousand clients at once."""

import time
from collections.abc import Callable
from pathlib import Path

from crowd import Crowd
from running import Daemon, flow_line

CLIENTS = 1000


def test_a_thousand_clients_that_come_at_once_are_all_served_and_all_hear_what_happens(
    daemon: Callable[..., Daemon],
) -> None:
    with daemon() as running:
        started = time.monotonic()
        with Crowd(running.port, CLIENTS) as crowd:
            asked = time.monotonic() - started
            crowd.joined()
            print(
                f"{CLIENTS} clients came within {asked:.2f} s and were served after {time.monotonic() - started:.2f} s"
            )
            running.emit(*(flow_line(number) for number in range(10)))
            crowd.told(10)
            assert all(member.heard_all for member in crowd.members)
            assert running.status()["clients"] == CLIENTS
        assert running.status()["dropped"] == {}


def test_a_low_limit_of_open_files_keeps_no_client_out(short: Path) -> None:
    limit = ["prlimit", "--nofile=64:4096"]
    with Daemon(short, inside=limit) as running, Crowd(running.port, 200) as crowd:
        crowd.joined()


def test_who_allows_more_clients_than_open_files_is_told_so(short: Path) -> None:
    with Daemon(short, "[websocket]\nmax_clients = 5000\n", inside=["prlimit", "--nofile=64:1024"]) as running:
        assert "max_clients = 5000 needs" in running.log
