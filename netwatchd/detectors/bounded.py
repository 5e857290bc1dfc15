"""A memory that cannot be filled by whoever makes up addresses, names or ports."""

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Bounded(Generic[K, V]):
    """Up to `most` values by key; a new one takes the place of the one that was not touched for longest."""

    def __init__(self, most: int, make: Callable[[], V]) -> None:
        """`make()` gives the value of a new key."""
        self.evicted = 0  # values that went because there were too many
        self._most = most
        self._make = make
        self._values: dict[K, V] = {}  # the one that was touched last at the end

    def touch(self, key: K) -> V:
        """The value of the key, which is made where there is none."""
        values = self._values
        value = values.pop(key, None)
        if value is None:
            value = self._make()
            self._make_room()
        values[key] = value
        return value

    def put(self, key: K, value: V) -> None:
        """Takes in a value that was made elsewhere."""
        if self._values.pop(key, None) is None:
            self._make_room()
        self._values[key] = value

    def _make_room(self) -> None:
        values = self._values
        if len(values) >= self._most:
            del values[next(iter(values))]
            self.evicted += 1

    def get(self, key: K) -> V | None:
        """The value of the key, which that does not touch."""
        return self._values.get(key)

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
