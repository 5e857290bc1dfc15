"""Under load from all sides no event is lost, no queue grows without end, and whoever reads is never turned away."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime

import pytest
from running import Daemon, flow_line
from soak.figures import look
from soak.run import Options, Soak
from waiting import eventually

MB = 10**6
PIECE = b"".join(json.dumps(flow_line(number)).encode() + b"\n" for number in range(2000))


def soak(**options: object) -> None:
    """A soak that must keep every promise."""
    lines: list[str] = []
    result = Soak(Options(**options), lines.append).run()  # type: ignore[arg-type]
    assert not result.mistakes, "\n".join([*result.mistakes, *lines, *map(str, result.figures.items())])


def test_eight_writers_with_readers_clients_and_faults_lose_nothing() -> None:
    soak(minutes=0.07, pause=0.1)


@pytest.mark.slow
def test_eight_writers_at_full_speed_for_two_minutes_lose_nothing_and_memory_stays_flat() -> None:
    soak(minutes=2, faults=False)


@pytest.mark.slow
def test_a_daemon_that_is_killed_under_load_loses_only_what_was_young_and_writes_nothing_twice() -> None:
    soak(minutes=1.5, pause=2.0, kills=True)


def test_a_program_that_stays_in_a_reading_transaction_is_named_and_the_wal_is_cut_when_it_ends(
    daemon: Callable[..., Daemon],
) -> None:
    with daemon("[storage]\ncommit_interval = 200 ms\n") as running:
        running.emit(flow_line(1))
        path = running.state / f"flows-{datetime.now(UTC):%Y%m%d}.db"
        eventually(lambda: len(running.flows()) == 1)
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as reader, running.connect() as writer:
            reader.execute("BEGIN")
            assert reader.execute("SELECT count(*) FROM flows").fetchone() == (1,)
            pieces = 0
            while running.status()["database"]["wal"] < 20 * MB:
                writer.sendall(PIECE)
                pieces += 1
            eventually(lambda: "stays in a transaction that reads it" in running.log)
            assert reader.execute("SELECT count(*) FROM flows").fetchone() == (1,), "it reads what it read before"
        running.emit(flow_line(2))
        eventually(lambda: f"{path}-wal was cut: it had grown to" in running.log)
        assert running.status()["database"]["wal"] < 5 * MB
        assert running.stop() == 0
        assert len(running.flows()) == pieces * 2000 + 2


def test_memory_after_a_burst_is_what_a_bounded_queue_needs(daemon: Callable[..., Daemon]) -> None:
    with daemon() as running:
        before = look(running).rss
        with running.connect() as writer:
            for _ in range(60):
                writer.sendall(PIECE)
        eventually(lambda: running.status()["stored"].get("flows", 0) > 110_000)
        assert look(running).rss - before < 22, "megabytes; a queue of 50,000 flows left 30 behind"
