"""What a device is used to: the networks of the services that it calls, and the rhythms in which it does.

Bounded: of 128 devices, 512 networks and 32 rhythms each. It outlives a restart as a note.
"""

from base64 import b85decode, b85encode
from struct import pack, unpack
from typing import NamedTuple
from zlib import crc32

from netwatchd.addresses import Address

MOST_DEVICES = 128
MOST_NETWORKS = 512  # of a telephone in some weeks: the large providers have some hundred of these prefixes
MOST_RHYTHMS = 32
DAY = 86_400_000
# Rhythms that differ by less than these parts are the same habit: a service that moved to another address.
SAME_PERIOD, SAME_SIZE = 0.25, 0.3


class Habit(NamedTuple):
    """A rhythm that is known."""

    port: int
    period: int  # milliseconds
    size: int  # bytes of a conversation, from the device

    def is_like(self, other: "Habit") -> bool:
        """Whether it is the same one."""
        return (
            self.port == other.port
            and abs(self.period - other.period) <= SAME_PERIOD * max(self.period, other.period)
            and abs(self.size - other.size) <= SAME_SIZE * max(self.size, other.size)
        )


class Usual:
    """What one device is used to."""

    def __init__(self) -> None:
        self.since: int | None = None  # Unix ms; when it was first seen to call somebody
        self.habits: list[Habit] = []  # the latest at the end
        self.networks: dict[int, int] = {}  # network and port -> Unix ms of the first time, 0: it is settled

    def meet(self, network: int, time: int) -> None:
        """It calls a network (`network_of`) that is not in `networks`."""
        if self.since is None:
            self.since = time
        self.networks[network] = time
        if len(self.networks) > MOST_NETWORKS:
            del self.networks[next(iter(self.networks))]

    def learns(self, time: int, learning: int) -> bool:
        """Whether these are its first days, of `learning` milliseconds; where that is 0, it has none."""
        return self.since is None or (learning > 0 and time - self.since < learning)

    def shift(self, leap: int, time: int, learning: int) -> None:
        """Nobody looked for `leap` milliseconds until `time`: as long as it learns, these do not count."""
        if self.since is not None and time - leap - self.since < learning:
            self.since += leap

    def knows(self, address: Address, port: int, time: int, learning: int) -> bool:
        """Whether it called that network a day before `time`, or in its first days."""
        first = self.networks.get(network_of(address, port))
        if first is None or self.since is None:
            return False
        return first < time - DAY or self.learns(first, learning)

    def join(self, other: "Usual") -> None:
        """Takes in what is known of the same device from elsewhere: an earlier run, or under another MAC."""
        if other.since is not None and (self.since is None or other.since < self.since):
            self.since = other.since
        for number, first in other.networks.items():
            self.networks[number] = min(first, self.networks.get(number, first))
        while len(self.networks) > MOST_NETWORKS:
            del self.networks[next(iter(self.networks))]
        for habit in other.habits:
            if not self.has(habit):
                self.add(habit)

    def add(self, habit: Habit) -> None:
        """It is a habit from now on."""
        others = [each for each in self.habits if not each.is_like(habit)]
        self.habits = [*others[-MOST_RHYTHMS + 1 :], habit]

    def has(self, habit: Habit) -> bool:
        """Whether it is one."""
        return any(each.is_like(habit) for each in self.habits)

    def to_note(self, time: int, learning: int) -> list[object]:
        """What is kept of it; of networks, those that are settled."""
        since = self.since or 0
        settled = [
            number for number, first in self.networks.items() if first < time - DAY or self.learns(first, learning)
        ]
        return [since, b85encode(pack(f">{len(settled)}I", *settled)).decode(), self.habits]

    @classmethod
    def of_note(cls, note: list[object]) -> "Usual":
        """What was kept; raises ValueError or TypeError where it is damaged."""
        since, networks, habits = note
        usual = cls()
        if not (type(since) is int and isinstance(networks, str) and isinstance(habits, list)):
            raise ValueError("it is no note")
        usual.since = since
        packed = b85decode(networks)
        if len(packed) % 4:
            raise ValueError("a network is cut off")
        numbers = unpack(f">{len(packed) // 4}I", packed)
        usual.networks.update(dict.fromkeys(numbers[-MOST_NETWORKS:], 0))
        for each in habits[-MOST_RHYTHMS:]:
            port, period, size = each
            if not all(type(value) is int for value in each):
                raise ValueError("it is no habit")
            usual.habits.append(Habit(port, period, size))
        return usual


def network_of(address: Address, port: int) -> int:
    """A number for the network around a service: /16 of IPv4, /32 of IPv6, which is what a provider gets at least."""
    if isinstance(address, int):
        return port << 16 | address >> 16
    return crc32(address[:4] + port.to_bytes(2, "big"))
