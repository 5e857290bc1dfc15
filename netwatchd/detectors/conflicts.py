"""Two devices that use one address at the same time: arpwatch's *flip flop*, without those that only look like it.

An address that moves once has a new owner (DHCP gave it to another one). It is a conflict when it moves back and forth,
because only two that are both there do that. What else moves addresses:

* **A proxy** (a sleep proxy, proxy ARP, a router) answers for many: who took several addresses is one.
* **One machine with two links**, cable and Wi-Fi, answers for its address on both: it has one host name.
* **Two sources that disagree**, such as a file of leases and the neighbour table: neither of them sees both owners.
* **Link-local IPv6 addresses** are unique on a link only: fe80::1 is the router of many.
"""

from collections import deque
from collections.abc import Callable

from netwatchd.addresses import Address
from netwatchd.detectors.naming import plain
from netwatchd.events import Claim, Device

# Two that are there renew what their neighbours know of them within a minute, while a laptop that sleeps and wakes, and
# whose proxy answers meanwhile, takes longer for the same three moves.
WITHIN = 300_000  # milliseconds in which an address must have moved so often
MOVES = 3  # one is a new owner, two are one who came and left again
MOST_TAKEN = 2  # addresses that one device takes from others within that time; who takes more answers for others
MOST_ADDRESSES = 1024  # whose moves are remembered; a liar may move any number


class Conflicts:
    """Remembers where addresses moved. `find` gives the device of a key."""

    def __init__(self, find: Callable[[str], Device | None]) -> None:
        self._find = find
        self._moves: dict[Address, deque[Claim]] = {}  # the one that moved last at the end

    def see(self, claim: Claim) -> list[Claim]:
        """The moves that make a conflict, the latest last; none where there is none."""
        if isinstance(claim.ip, bytes) and claim.ip[:1] == b"\xfe":
            return []
        moves = self._moves.pop(claim.ip, None) or deque(maxlen=MOVES)
        moves.append(claim)
        self._moves[claim.ip] = moves
        if len(self._moves) > MOST_ADDRESSES:
            del self._moves[next(iter(self._moves))]
        return list(moves) if self._is_conflict(moves) else []

    def forget(self, key: str) -> None:
        """A device is no more: where it was another one, the address never moved."""
        self._moves = {
            ip: moves
            for ip, moves in self._moves.items()
            if all(key not in (claim.key, claim.before) for claim in moves)
        }

    def _is_conflict(self, moves: deque[Claim]) -> bool:
        first, last = moves[0], moves[-1]
        if len(moves) < MOVES or not 0 <= last.time - first.time <= WITHIN:
            return False
        # Back and forth between the same two.
        if any((a.key, a.before) != (b.before, b.key) for a, b in zip(moves, list(moves)[1:], strict=False)):
            return False
        # Somebody saw both of them, and did not only hear of them.
        if not {claim.source for claim in moves if claim.key == last.key} & {
            claim.source for claim in moves if claim.key == last.before
        }:
            return False
        if any(self._taken_by(key, last.time) > MOST_TAKEN for key in (last.key, last.before)):
            return False
        one, other = self._find(last.key), self._find(last.before)
        if one is None or other is None:
            return False
        return not (one.hostname and other.hostname and plain(one.hostname) == plain(other.hostname))

    def _taken_by(self, key: str, time: int) -> int:
        return sum(
            any(claim.key == key and time - claim.time <= WITHIN for claim in moves) for moves in self._moves.values()
        )
