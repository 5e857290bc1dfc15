"""A thread starts, beats, stops in time and never dies in silence."""

import threading

import pytest
from store_kit import Held
from waiting import PATIENCE, eventually

from netwatchd.worker import Worker


def test_a_worker_runs_until_it_is_asked_to_stop() -> None:
    deaths: list[Worker] = []
    worker = Worker("one", lambda worker: worker.stopping.wait(PATIENCE), deaths.append)
    assert not worker.alive
    worker.start()
    assert worker.alive
    assert any(thread.name == "one" for thread in threading.enumerate())
    assert worker.stop(PATIENCE)
    assert not worker.alive
    assert not deaths


@pytest.mark.parametrize(
    ("run", "why"),
    [(lambda worker: 1 / 0, "ZeroDivisionError: division by zero"), (lambda worker: None, "it returned before")],
)
def test_a_worker_that_ends_unasked_reports_why(run: object, why: str, caplog: pytest.LogCaptureFixture) -> None:
    died = threading.Event()
    worker = Worker("one", run, lambda worker: died.set())  # type: ignore[arg-type]
    worker.start()
    assert died.wait(PATIENCE)
    assert why in (worker.failure or "")
    assert f"thread one died: {worker.failure}" in caplog.text


def test_an_exception_on_the_way_out_is_a_death_too() -> None:
    deaths: list[Worker] = []

    def run(worker: Worker) -> None:
        worker.stopping.wait(PATIENCE)
        raise ValueError("unsaved")

    worker = Worker("one", run, deaths.append)
    worker.start()
    assert worker.stop(PATIENCE)
    assert [each.failure for each in deaths] == ["ValueError: unsaved"]


def test_a_worker_that_does_not_stop_in_time_is_said_and_not_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    held = Held()
    worker = Worker("stuck", held, lambda worker: None)
    worker.start()
    assert held.entered.wait(PATIENCE)
    assert not worker.stop(0.01)
    assert "thread stuck did not stop" in caplog.text
    held.free.set()
    assert worker.stop(PATIENCE)


def test_a_worker_that_was_never_started_is_stopped_at_once() -> None:
    assert Worker("one", lambda worker: None, lambda worker: None).stop(0)


def test_silence_is_counted_from_the_last_beat() -> None:
    worker = Worker("one", lambda worker: None, lambda worker: None)
    eventually(lambda: worker.silence > 0.02)
    worker.beat()
    assert worker.silence < PATIENCE
    before = worker.silence
    eventually(lambda: worker.silence > before)
