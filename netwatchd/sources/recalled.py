"""Which flows of a log that is read once more are stored already.

The position of a log is stored behind the flows of the lines before it, never with more, so that a crash loses
nothing: the lines after it are read once more. What the store holds of them is known by its content.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

from netwatchd.addresses import address_text
from netwatchd.events import Flow, protocol_name

# Start, end, ends and protocol as text, the four counters: all that a line tells of a flow, but its state.
Row = tuple[int, int, str, int, str, int, str, int, int, int, int]

# A log that was removed meanwhile leaves rows that nothing matches: so many flows are waited with at most.
MOST_DOUBTFUL = 100_000


def row_of(flow: Flow) -> Row:
    """A flow as the store shows it."""
    return (
        flow.start, flow.end, address_text(flow.src_ip), flow.src_port, address_text(flow.dst_ip), flow.dst_port,
        protocol_name(flow.protocol), *flow[8:12],
    )  # fmt: skip


class Recalled:
    """The flows behind a position that are stored. They are fewer than what was read: the newest were not committed."""

    def __init__(self, rows: Iterable[Row], *, in_order: bool) -> None:
        """`in_order` says that whatever was handed in before a stored flow was dealt with.

        That is so within one file of the database. A flow before it that is not stored was told by another source then,
        and is not to be told now.
        """
        self._left = Counter(rows)
        self._in_order = in_order
        self._doubtful: list[Flow] = []
        self.repeated = 0  # flows that were found

    def __bool__(self) -> bool:
        """Whether anything may still be found."""
        return bool(self._left)

    def new(self, flows: Sequence[Flow]) -> Sequence[Flow]:
        """The flows that are to be told; those that may still turn out to be no news come with a later call."""
        for number, flow in enumerate(flows):
            if not self._left:
                return [*self.rest(), *flows[number:]]
            row = row_of(flow)
            if row not in self._left:
                self._doubtful.append(flow)
                continue
            self.repeated += 1
            self._left[row] -= 1
            if not self._left[row]:
                del self._left[row]
            if self._in_order:
                self.repeated += len(self._doubtful)
                self._doubtful.clear()
        return self.rest() if not self._left or len(self._doubtful) > MOST_DOUBTFUL else []

    def rest(self) -> list[Flow]:
        """The flows that nothing was found of, when all was read; from here on everything is new."""
        self._left.clear()
        doubtful, self._doubtful = self._doubtful, []
        return doubtful
