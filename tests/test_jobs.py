"""Jobs are done again and again, whatever the clocks on the wall do."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from waiting import PATIENCE, eventually

from netwatchd.jobs import Job, Jobs
from netwatchd.worker import Worker


@contextmanager
def working(*jobs: Job) -> Iterator[list[Worker]]:
    deaths: list[Worker] = []
    worker = Worker("jobs", Jobs(list(jobs)).run, deaths.append)
    worker.start()
    yield deaths
    assert worker.stop(PATIENCE)


def test_each_job_is_done_as_often_as_it_is_due_and_fractions_of_a_second_count() -> None:
    often, seldom = threading.Semaphore(0), threading.Event()
    with working(Job(0.05, often.release), Job(3600, seldom.set)) as deaths:
        assert all(often.acquire(timeout=PATIENCE) for _ in range(5))
        assert not seldom.is_set()
    assert not deaths


def test_a_job_that_fails_ends_the_daemon_with_its_reason() -> None:
    with working(Job(0.01, lambda: 1 / 0)) as deaths:
        eventually(lambda: deaths)
    assert deaths[0].failure == "ZeroDivisionError: division by zero"


@pytest.fixture
def zone() -> Iterator[None]:
    before = os.environ.get("TZ")
    yield
    os.environ.pop("TZ") if before is None else os.environ.update(TZ=before)
    time.tzset()


@pytest.mark.usefixtures("zone")
def test_local_time_that_is_set_back_in_autumn_does_not_stop_the_jobs_for_an_hour() -> None:
    done = threading.Semaphore(0)
    os.environ["TZ"] = "SUMMER-2"
    time.tzset()
    with working(Job(0.05, done.release)):
        assert done.acquire(timeout=PATIENCE)
        os.environ["TZ"] = "WINTER-1"
        time.tzset()
        assert all(done.acquire(timeout=PATIENCE) for _ in range(20))


def test_two_schedules_know_nothing_of_each_other() -> None:
    first, second = threading.Event(), threading.Event()
    with working(Job(0.01, first.set)), working(Job(3600, second.set)):
        assert first.wait(PATIENCE)
        assert not second.is_set()
