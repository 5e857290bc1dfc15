"""The observations that wait to be taken: whoever floods the network must not fill the memory with them."""

from netwatchd.observations import Observation

MOST = 20_000  # between two times that they are taken, which is four times a second


class Observed:
    """Observations, in the order in which they were made."""

    def __init__(self) -> None:
        self.overlooked = 0  # those that were too many
        self._waiting: list[Observation] = []

    def add(self, observation: Observation) -> None:
        """One more."""
        if len(self._waiting) < MOST:
            self._waiting.append(observation)
        else:
            self.overlooked += 1

    def take(self) -> list[Observation]:
        """What has been observed since this was last asked; it is told once."""
        taken, self._waiting = self._waiting, []
        return taken
