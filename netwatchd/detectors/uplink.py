"""Whether the line to the Internet is dead, so that the silence of hosts elsewhere says nothing about who asks them.

It is when several devices ask for what everybody asks for, and nobody elsewhere has answered anybody since. Who is
suspected himself does not count: an attacker alone cannot make the line look dead, as long as anybody else is answered.
"""

from netwatchd.addresses import Address
from netwatchd.detectors import Home
from netwatchd.detectors.sides import is_here
from netwatchd.events import Flow

# Milliseconds: what was answered need not be looked at more often, which costs each flow next to nothing.
EVERY = 5_000
SILENCE = 10_000  # without an answer from elsewhere, while others ask in vain
OTHERS = 5  # questions of others in vain since then
MOST_SOURCES = 64


class Uplink:
    """Listens to what is answered, and what is not."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self.due = 0  # Unix ms, from which on an answer is to be looked at
        self._alive = 0
        self._latest = 0
        self._silent: dict[Address, int] = {}

    def answered(self, flow: Flow) -> None:
        """Somebody has answered; to be called for flows that end at `due` or later."""
        if is_here(self._home, flow[5]) and is_here(self._home, flow[3]):
            return
        self._alive, self.due = flow[2], flow[2] + EVERY
        self._silent.clear()

    def silent(self, flow: Flow) -> None:
        """Nobody elsewhere answers what everybody asks for."""
        if flow[1] <= self._alive or (flow[3] not in self._silent and len(self._silent) >= MOST_SOURCES):
            return
        self._silent[flow[3]] = self._silent.get(flow[3], 0) + 1
        self._latest = max(self._latest, flow[1])

    def is_dead(self, source: Address) -> bool:
        """Whether it is, as far as others than this one show."""
        others = sum(self._silent.values()) - self._silent.get(source, 0)
        return others >= OTHERS and self._latest - self._alive >= SILENCE
