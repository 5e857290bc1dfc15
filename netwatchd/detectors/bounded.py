"""A memory that cannot be filled by whoever makes up addresses, names or ports."""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


def make_room(values: dict[Any, Any], most: int) -> int:
    """Where there are `most` values, the oldest sixteenth goes at once; returns how many went.

    To find the first one of a dict, Python passes by the places of all that went before it: with one at a time, that
    costs several microseconds where there are thousands.
    """
    if len(values) < most:
        return 0
    oldest = list(islice(values, max(most // 16, 1)))
    for key in oldest:
        del values[key]
    return len(oldest)


class Bounded(Generic[K, V]):
    """Up to `most` values by key; a new one takes the place of the one that was not touched for longest."""

    def __init__(self, most: int, make: Callable[[], V]) -> None:
        """`make()` gives the value of a new key."""
        self.evicted = 0  # values that went because there were too many
        self._most = most
        self._make = make
        # The one that was touched last at the end. It finds its first one at once, which a dict does not (`make_room`).
        self._values: OrderedDict[K, V] = OrderedDict()
        self.get: Callable[[K], V | None] = self._values.get  # the value of a key, which that does not touch

    def touch(self, key: K) -> V:
        """The value of the key, which is made where there is none."""
        values = self._values
        value = values.get(key)
        if value is None:
            value = self._make()
            self._make_room()
            values[key] = value
        else:
            values.move_to_end(key)
        return value

    def put(self, key: K, value: V) -> None:
        """Takes in a value that was made elsewhere."""
        if self._values.pop(key, None) is None:
            self._make_room()
        self._values[key] = value

    def _make_room(self) -> None:
        values = self._values
        if len(values) >= self._most:
            values.popitem(last=False)
            self.evicted += 1

    def drop(self, key: K) -> None:
        """Forgets a key."""
        self._values.pop(key, None)

    def forget(self, is_old: Callable[[V], bool]) -> None:
        """Forgets the values that were not touched for longest, as long as they are old."""
        while self._values:
            key = next(iter(self._values))
            if not is_old(self._values[key]):
                return
            del self._values[key]

    def __contains__(self, key: object) -> bool:
        return key in self._values

    def __iter__(self) -> Iterator[K]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)
