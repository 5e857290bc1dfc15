"""Promises of the supervisor: what a source cannot do is said and survived."""

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator

import pytest
from waiting import eventually

from netwatchd.sources import Unavailable
from netwatchd.sources.supervisor import Supervisor
from netwatchd.worker import Worker


class Scripted:
    """A source that does at each open and run what its script says; after the script it works."""

    name = "scripted"

    def __init__(self, opens: list[Exception] | None = None, runs: list[Callable[[], None]] | None = None) -> None:
        self.opens, self.runs = opens or [], runs or []
        self.opened = self.closed = 0

    def open(self) -> None:
        self.opened += 1
        if self.opens:
            raise self.opens.pop(0)

    def run(self, worker: Worker) -> None:
        if self.runs:
            self.runs.pop(0)()
            return
        while not worker.stopping.wait(0.01):
            worker.beat()

    def close(self) -> None:
        self.closed += 1


class Clock:
    """A clock that is 5 s further each time somebody looks, for pauses that would be too long for a test."""

    def __init__(self) -> None:
        self._ticks = 0.0

    def __call__(self) -> float:
        self._ticks += 5
        return self._ticks


@contextlib.contextmanager
def supervised(source: Scripted, enabled: str = "auto") -> Iterator[tuple[Supervisor, Worker, threading.Event]]:
    died = threading.Event()
    supervisor = Supervisor(source, enabled, clock=Clock())
    worker = Worker("source:scripted", supervisor.run, lambda _: died.set())
    worker.start()
    try:
        yield supervisor, worker, died
    finally:
        assert worker.stop(5)


def raising(error: Exception) -> Callable[[], None]:
    def run() -> None:
        raise error

    return run


def test_a_source_that_works_is_on() -> None:
    source = Scripted()
    with supervised(source) as (supervisor, _, died):
        assert supervisor.settled.wait(5)
        assert (supervisor.state, supervisor.reason) == ("on", None)
    assert (source.opened, source.closed, died.is_set()) == (1, 1, False)


def test_auto_takes_unavailable_for_an_answer_and_says_so_in_one_line(caplog: pytest.LogCaptureFixture) -> None:
    source = Scripted(opens=[Unavailable("no such thing here")])
    with caplog.at_level(logging.INFO), supervised(source) as (supervisor, worker, died):
        assert supervisor.settled.wait(5)
        before = worker.silence
        eventually(lambda: worker.silence < before or worker.silence < 0.5, "it beats while it is off")
    assert (supervisor.state, supervisor.reason) == ("off", "no such thing here")
    assert [record.getMessage() for record in caplog.records] == ["source scripted is off: no such thing here"]
    assert (source.opened, died.is_set()) == (1, False)


def test_yes_tries_again_until_it_is_available(caplog: pytest.LogCaptureFixture) -> None:
    source = Scripted(opens=[Unavailable("not yet"), Unavailable("not yet")])
    with supervised(source, "yes") as (supervisor, _, _):
        assert supervisor.settled.wait(5)
        eventually(lambda: supervisor.state == "on", "it is on")
    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert source.opened == source.closed == 3
    assert [record.getMessage() for record in errors] == [
        "source scripted does not work: not yet; trying again in 1 s",
        "source scripted does not work: not yet; trying again in 2 s",
    ]


def test_what_is_switched_off_is_never_opened() -> None:
    source = Scripted()
    with supervised(source, "no") as (supervisor, _, died):
        assert supervisor.settled.is_set()
        assert (supervisor.state, supervisor.reason) == ("off", "switched off in the configuration")
    assert (source.opened, died.is_set()) == (0, False)


@pytest.mark.parametrize("enabled", ["yes", "auto"])
def test_a_source_that_fails_later_is_closed_and_started_again(enabled: str) -> None:
    source = Scripted(runs=[raising(OSError(5, "Input/output error")), raising(TimeoutError("timed out"))])
    with supervised(source, enabled) as (supervisor, _, died):
        eventually(lambda: source.opened == 3 and supervisor.state == "on", "it is on again")
        assert source.closed == 2
    assert not died.is_set()


def test_auto_tries_again_where_the_source_has_worked_before() -> None:
    source = Scripted(runs=[raising(OSError(5, "Input/output error"))])
    with supervised(source) as (supervisor, _, _):
        source.opens.append(Unavailable("gone for the moment"))
        eventually(lambda: source.opened >= 2 and supervisor.state == "on", "it is on again")


def test_a_source_that_ends_unasked_is_started_again(caplog: pytest.LogCaptureFixture) -> None:
    source = Scripted(runs=[lambda: None])
    with supervised(source) as (supervisor, _, _):
        eventually(lambda: source.opened == 2 and supervisor.state == "on", "it is on again")
    assert "it ended by itself" in caplog.text


def test_a_passing_error_at_open_does_not_turn_auto_off() -> None:
    source = Scripted(opens=[OSError(24, "Too many open files")])
    with supervised(source) as (supervisor, _, _):
        eventually(lambda: supervisor.state == "on", "it is on")


def test_a_mistake_of_ours_ends_the_thread_with_the_source_closed() -> None:
    source = Scripted(runs=[raising(KeyError("mistake"))])
    with supervised(source) as (_, worker, died):
        assert died.wait(5)
        assert worker.failure == "KeyError: 'mistake'"
    assert source.closed == 1
