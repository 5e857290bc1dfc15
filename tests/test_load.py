"""Under load from all sides no event is lost, no queue grows without end, and whoever reads is never turned away."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing

import pytest
from running import Daemon, flow_line
from soak.figures import look
from soak.options import Options
from soak.run import Soak
from waiting import eventually

MB = 10**6
PIECE = b"".join(json.dumps(flow_line(number)).encode() + b"\n" for number in range(2000))


def large_threat(number: int) -> bytes:
    """A threat that takes 60 kB in the database; of each kind there are so few that each has its row."""
    kind, evidence = f"large_{number // 20}", {"text": "x" * 60_000}
    threat = {"type": "threat", "kind": kind, "description": "one", "target": str(number), "evidence": evidence}
    return json.dumps(threat).encode() + b"\n"


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
        eventually(lambda: len(running.flows()) == 1)
        path = running.state / "core.db"
        count = 0
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as reader, running.connect() as writer:
            reader.execute("BEGIN")
            assert reader.execute("SELECT count(*) FROM threats").fetchone() == (0,)
            sent = 0
            while (database := running.status()["database"])["wal"] < 20 * MB:
                # Each is written four times at once, as one that goes on is: a commit each.
                count = sent // 4 * 10 + 10
                writer.sendall(b"".join(map(large_threat, range(count - 10, count))))
                eventually(lambda: running.status()["database"]["commits"] > database["commits"])
                sent += 1
            eventually(lambda: "stays in a transaction that reads it" in running.log)
            assert reader.execute("SELECT count(*) FROM threats").fetchone() == (0,), "it reads what it read before"
        running.emit(json.loads(large_threat(count)))
        eventually(lambda: f"{path}-wal was cut: it had grown to" in running.log)
        assert running.status()["database"]["wal"] < 5 * MB
        assert running.stop() == 0
        assert running.core("SELECT count(*) FROM threats") == [(count + 1,)]


def test_memory_after_a_burst_is_what_a_bounded_queue_needs(daemon: Callable[..., Daemon]) -> None:
    with daemon("[storage]\ncommit_interval = 500 ms\n") as running:
        before = look(running).rss
        with running.connect() as writer:
            for _ in range(50):
                writer.sendall(PIECE)
        eventually(lambda: running.status()["stored"].get("flows", 0) == 100_000)
        assert look(running).rss - before < 22, "megabytes; a queue of 50,000 flows left 30 behind"
