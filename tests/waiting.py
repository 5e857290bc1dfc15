"""Waiting for what another thread, process or kernel does: for the thing itself, never for a time."""

import threading
import time
from collections.abc import Callable
from typing import Any

PATIENCE = 60.0  # seconds within which anything must have happened, on the slowest machine


def eventually(condition: Callable[[], Any], what: str = "it is so") -> Any:
    """What `condition` returns as soon as it is true; fails with `what` where it never is."""
    deadline = time.monotonic() + PATIENCE
    while not (value := condition()):
        assert time.monotonic() < deadline, f"still not after {PATIENCE} s: {what}"
        threading.Event().wait(0.01)
    return value
