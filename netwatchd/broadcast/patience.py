"""How long a client may keep us waiting, and what an error of its socket means.

One send may make no progress for `send_timeout`; then comes a pause of `retry_delay`, then one retry of
`retry_timeout` on the same bytes, then the client is given up. A byte that the kernel takes, or the peer acknowledges,
starts all over: a slow phone is not a stalled one. An error of which nothing is known goes straight to the pause.
Pure: time is an argument.
"""

import errno
import ssl
from enum import Enum, auto

from netwatchd.config import Websocket


class Verdict(Enum):
    """What is to become of a client after a send."""

    DONE = auto()  # everything was taken
    WAIT = auto()  # the socket takes no more for now
    RETRY = auto()  # an error that may pass
    DROP = auto()  # the connection is over


# The connection is gone, or the descriptor was never one: no retry can help.
_PERMANENT = frozenset(
    {
        errno.EPIPE, errno.ECONNRESET, errno.ECONNABORTED, errno.ENOTCONN, errno.EBADF, errno.ESHUTDOWN,
        errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENOTSOCK,
    }
)  # fmt: skip


def verdict_of(error: OSError) -> Verdict:
    """What an error of a send means, by its type and number."""
    if isinstance(error, BlockingIOError | InterruptedError | ssl.SSLWantReadError | ssl.SSLWantWriteError):
        return Verdict.WAIT
    # ETIMEDOUT on a send is TCP's own verdict after its retransmissions, not a timeout of ours.
    if isinstance(error, ssl.SSLError) or error.errno in _PERMANENT:
        return Verdict.DROP
    return Verdict.RETRY


class Step(Enum):
    """Where a wait stands."""

    SENDING = auto()
    PAUSED = auto()
    RETRYING = auto()
    EXHAUSTED = auto()


class Patience:
    """The wait for one client's socket. `step` says what goes on, `deadline` (monotonic seconds) until when."""

    __slots__ = ("_settings", "deadline", "step")

    def __init__(self, settings: Websocket, now: float) -> None:
        self._settings = settings
        self.progress(now)

    def progress(self, now: float) -> None:
        """The socket took something, or the peer did."""
        self._enter(Step.SENDING, now + self._settings.send_timeout)

    def fail(self, now: float) -> None:
        """The send failed in a way that may pass."""
        if self.step is Step.SENDING:
            self._enter(Step.PAUSED, now + self._settings.retry_delay)
        elif self.step is Step.RETRYING:
            self._enter(Step.EXHAUSTED, now)

    def expire(self, now: float) -> None:
        """The deadline has passed."""
        if self.step is Step.PAUSED:
            self._enter(Step.RETRYING, now + self._settings.retry_timeout)
        else:
            self.fail(now)

    def _enter(self, step: Step, deadline: float) -> None:
        self.step = step
        self.deadline = deadline
