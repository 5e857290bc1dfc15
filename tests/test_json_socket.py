"""Other programs hand in events by a unix socket: none harms another, and nothing is lost."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from running import MAC, flow_line
from waiting import PATIENCE, eventually

from netwatchd.config import Json
from netwatchd.counters import Counters
from netwatchd.events import Flow, Sighting, Threat
from netwatchd.sources import Unavailable
from netwatchd.sources.json_lines import JsonLines
from netwatchd.worker import Worker

FLOW = json.dumps(flow_line(1)).encode() + b"\n"


class Taken:
    """Who takes the events; can be closed, as by a daemon that is full."""

    def __init__(self) -> None:
        self.events: list[Sighting | Flow | Threat] = []
        self.open = threading.Event()
        self.open.set()

    def _take(self, events: list[Any]) -> None:
        assert self.open.wait(PATIENCE)
        self.events += events

    sightings = flows = threats = _take


class Served:
    def __init__(self, path: Path, **settings: Any) -> None:
        self.path, self.taken, self.counters = path, Taken(), Counters()
        self.source = JsonLines(Json(**settings), path, self.taken, lambda now: now << 12, self.counters)

    def connect(self) -> socket.socket:
        peer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        peer.settimeout(PATIENCE)
        peer.connect(str(self.path))
        return peer

    def said(self, *parts: bytes) -> list[dict[str, Any]]:
        """What is answered to bytes that are sent on one connection."""
        with self.connect() as peer:
            for part in parts:
                peer.sendall(part)
            peer.shutdown(socket.SHUT_WR)
            return [json.loads(line) for line in peer.makefile("rb")]


@contextmanager
def serving(short: Path, **settings: Any) -> Iterator[Served]:
    served = Served(short / "events.sock", **settings)
    deaths: list[Worker] = []
    served.source.open()
    worker = Worker("source:json", served.source.run, deaths.append)
    worker.start()
    try:
        yield served
    finally:
        served.taken.open.set()
        assert worker.stop(PATIENCE)
        served.source.close()
        assert not deaths, deaths[0].failure


def test_each_kind_of_event_is_taken(short: Path) -> None:
    with serving(short) as served:
        assert served.said(FLOW, b'{"type":"device","mac":"%s"}\n' % MAC.encode(),
                           b'{"type":"threat","kind":"k","description":"d"}\n') == []  # fmt: skip
        eventually(lambda: len(served.taken.events) == 3)
    assert {type(event) for event in served.taken.events} == {Flow, Sighting, Threat}


def test_a_bad_line_is_answered_with_its_number_and_harms_no_other(short: Path) -> None:
    with serving(short) as served:
        answers = served.said(FLOW, b"\n", b"nonsense\n", FLOW, b'{"type":"device"}\r\n', FLOW)
    assert [answer["line"] for answer in answers] == [3, 5]
    assert answers[1]["error"] == '"mac" or "ip" is missing'
    assert len(served.taken.events) == 3
    assert served.counters["malformed.json"] == 2


def test_the_answer_comes_while_the_writer_goes_on(short: Path) -> None:
    with serving(short) as served, served.connect() as peer:
        answers = peer.makefile("rb")
        for number in range(1, 4):
            peer.sendall(b"nonsense\n")
            assert json.loads(answers.readline())["line"] == number


def test_a_line_may_come_in_any_pieces(short: Path) -> None:
    with serving(short) as served:
        assert served.said(*(FLOW[at : at + 1] for at in range(len(FLOW)))) == []
        assert len(served.taken.events) == 1


def test_the_last_line_counts_without_its_newline_and_half_a_line_is_answered(short: Path) -> None:
    with serving(short) as served:
        assert served.said(FLOW, FLOW.rstrip()) == []
        assert [answer["line"] for answer in served.said(FLOW, FLOW[:50])] == [2]
    assert len(served.taken.events) == 3


@pytest.mark.parametrize("size", [1001, 5000, 600_000])
def test_a_line_that_is_too_long_is_answered_once_and_the_next_is_taken(short: Path, size: int) -> None:
    with serving(short, max_line=1000) as served:
        (answer,) = served.said(FLOW, b"x" * size + b"\n", FLOW)
        assert answer == {"error": "it is longer than 1000 bytes (max_line)", "line": 2}
        assert len(served.taken.events) == 2


def test_a_line_that_never_ends_costs_no_memory(short: Path) -> None:
    with serving(short, max_line=1000) as served, served.connect() as peer:
        for _ in range(200):
            peer.sendall(b"x" * 100_000)
        assert json.loads(peer.makefile("rb").readline())["line"] == 1
        (connection,) = served.source._connections.values()
        assert len(connection.rest) <= 1000


def test_a_flood_of_bad_lines_is_answered_in_full(short: Path) -> None:
    with serving(short) as served, served.connect() as peer:
        writer = threading.Thread(target=lambda: (peer.sendall(b"x\n" * 100_000), peer.shutdown(socket.SHUT_WR)))
        writer.start()
        lines = [json.loads(line)["line"] for line in peer.makefile("rb")]
        writer.join()
    assert lines == list(range(1, 100_001))


def test_a_writer_that_does_not_read_its_answers_is_not_read_from_and_stops_nobody_else(short: Path) -> None:
    with serving(short) as served, served.connect() as deaf:
        deaf.settimeout(0.5)
        with pytest.raises(TimeoutError):
            for _ in range(1000):
                deaf.sendall(b"x\n" * 10_000)
        assert served.said(FLOW) == []
        assert len(served.taken.events) == 1


def test_when_the_daemon_is_full_writers_wait_and_nothing_is_lost(short: Path) -> None:
    with serving(short) as served:
        served.taken.open.clear()
        with served.connect() as peer:
            writer = threading.Thread(target=lambda: [peer.sendall(FLOW * 100) for _ in range(200)])
            writer.start()
            writer.join(0.3)
            assert writer.is_alive(), "20,000 flows did not fit into the socket"
            assert served.taken.events == []
            served.taken.open.set()
            writer.join()
            eventually(lambda: len(served.taken.events) == 20_000)


def test_many_writers_at_once_are_all_served(short: Path) -> None:
    with serving(short) as served:
        writers = [threading.Thread(target=lambda: served.said(FLOW * 10)) for _ in range(30)]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        assert len(served.taken.events) == 300


def test_one_writer_too_many_is_told_so_and_the_others_go_on(short: Path) -> None:
    with serving(short, max_connections=1) as served, served.connect() as first:
        first.sendall(FLOW)
        eventually(lambda: served.taken.events)
        with served.connect() as second:
            assert "max_connections" in json.loads(second.makefile("rb").readline())["error"]
        first.sendall(FLOW)
        eventually(lambda: len(served.taken.events) == 2)
    assert served.counters["refused.json.max_connections"] == 1


def test_a_writer_that_resets_its_connection_harms_nobody(short: Path) -> None:
    with serving(short) as served:
        for _ in range(20):
            with served.connect() as peer:
                peer.sendall(FLOW + b"nonsense\n" * 100)
        assert served.said(FLOW) == []
        eventually(lambda: len(served.taken.events) == 21)
        eventually(lambda: not served.source._connections)


def test_what_was_sent_before_the_daemon_stops_is_taken(short: Path) -> None:
    with serving(short) as served:
        served.taken.open.clear()
        with served.connect() as first, served.connect() as second:
            first.sendall(FLOW)
            second.sendall(FLOW * 100)  # both wait in the kernel when the daemon is asked to stop
    assert len(served.taken.events) == 101


def test_the_socket_that_a_killed_daemon_left_is_replaced(short: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as dead:
        dead.bind(str(short / "events.sock"))
    with serving(short) as served:
        assert served.said(FLOW) == []
    assert not (short / "events.sock").exists()


def test_a_second_daemon_is_refused_and_the_first_goes_on(short: Path) -> None:
    with serving(short) as first:
        second = Served(short / "events.sock")
        with pytest.raises(Unavailable, match="is netwatchd running already"):
            second.source.open()
        second.source.close()
        assert first.said(FLOW) == []


def test_a_path_that_cannot_be_a_socket_is_said(short: Path) -> None:
    for path in (short / ("x" * 120), short / "file" / "events.sock"):
        (short / "file").touch()
        with pytest.raises(Unavailable, match="cannot listen on"):
            Served(path).source.open()


def test_a_source_that_was_closed_can_be_opened_again(short: Path) -> None:
    served = Served(short / "events.sock")
    for _ in range(2):
        served.source.open()
        served.source.close()
    served.source.close()


def test_only_the_owner_and_its_group_may_write(short: Path) -> None:
    with serving(short) as served:
        assert served.path.stat().st_mode & 0o777 == 0o660
