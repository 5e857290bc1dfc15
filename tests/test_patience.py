"""How long a client may keep us waiting, and what errors mean."""

import errno
import ssl

import pytest

from netwatchd.broadcast.patience import Patience, Step, Verdict, verdict_of
from netwatchd.config import Websocket


def waiting() -> Patience:
    return Patience(Websocket(), 100.0)


def test_a_stalled_send_gets_five_seconds_a_pause_of_100_ms_and_two_seconds_more() -> None:
    patience = waiting()
    assert (patience.step, patience.deadline) == (Step.SENDING, 105.0)
    patience.expire(105.0)
    assert (patience.step, patience.deadline) == (Step.PAUSED, 105.1)
    patience.expire(105.1)
    assert (patience.step, patience.deadline) == (Step.RETRYING, 107.1)
    patience.expire(107.1)
    assert patience.step is Step.EXHAUSTED


@pytest.mark.parametrize("expired", [0, 1, 2])
def test_any_progress_starts_the_wait_anew(expired: int) -> None:
    patience = waiting()
    for _ in range(expired):
        patience.expire(106.0)
    patience.progress(110.0)
    assert (patience.step, patience.deadline) == (Step.SENDING, 115.0)


def test_an_unknown_error_is_retried_once_after_the_pause() -> None:
    patience = waiting()
    patience.fail(101.0)
    assert (patience.step, patience.deadline) == (Step.PAUSED, 101.1)
    patience.expire(101.1)
    patience.fail(101.2)
    assert patience.step is Step.EXHAUSTED


def test_an_error_in_the_pause_changes_nothing() -> None:
    patience = waiting()
    patience.fail(101.0)
    patience.fail(101.05)
    assert (patience.step, patience.deadline) == (Step.PAUSED, 101.1)


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (BlockingIOError(errno.EAGAIN, ""), Verdict.WAIT),
        (InterruptedError(errno.EINTR, ""), Verdict.WAIT),
        (ssl.SSLWantReadError(), Verdict.WAIT),
        (BrokenPipeError(errno.EPIPE, ""), Verdict.DROP),
        (ConnectionResetError(errno.ECONNRESET, ""), Verdict.DROP),
        (OSError(errno.EBADF, ""), Verdict.DROP),
        (OSError(errno.ENOTCONN, ""), Verdict.DROP),
        (ssl.SSLError(1, "bad record"), Verdict.DROP),
        (OSError(errno.ENOBUFS, ""), Verdict.RETRY),
        (OSError("who knows"), Verdict.RETRY),
    ],
)
def test_errors_are_told_apart_by_type_and_number(error: OSError, verdict: Verdict) -> None:
    assert verdict_of(error) is verdict
