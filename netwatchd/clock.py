"""The time, as an argument: who needs it is given a Now."""

import time
from typing import NamedTuple


class Now(NamedTuple):
    """One moment by two clocks: the wall clock, which may leap, and the steady one, which measures silence."""

    wall: int  # Unix milliseconds
    steady: float  # seconds since some fixed point

    def ago(self, wall: int) -> float:
        """The steady time of something that happened at `wall`, not later than now."""
        return self.steady - max(self.wall - wall, 0) / 1000


def now() -> Now:
    """This moment."""
    return Now(int(time.time() * 1000), time.monotonic())


def slept() -> float:
    """How long this machine has slept since it was booted, in seconds: by so much the steady clock is behind."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) - time.monotonic()
