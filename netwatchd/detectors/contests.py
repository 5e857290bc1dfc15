"""An address that two MACs say is theirs: what is known of that, and what it proves.

That an address moves proves nothing: DHCP gives it to the next one, a router is replaced, a laptop changes from cable
to Wi-Fi, a sleep proxy answers for who sleeps, one of two servers takes over from the other. Then the one that had it
does not use it any more. Where both use it, and

* the one that takes it has no other address, two devices were given the same one: a conflict (`conflicts`);
* it also answers for the address of the other, both are one machine with two links;
* it keeps an address of its own, it takes what is another's: it spoofs.

Whether the owner still uses its address it says when it is asked, it alone, by its MAC; where it cannot be asked, its
own packets say so: then it must say so twice between two claims of the taker, INSISTS apart at most, as a device that
wakes up, and whose proxy takes over again later, does not. All times are Unix ms.
"""

from collections import deque
from dataclasses import dataclass, field
from itertools import pairwise

from netwatchd.addresses import Address

WITHIN = 300_000  # in which all of it happens; who is there renews what its neighbours know within a minute or two
# Tools that spoof claim an address again each 0.5 to 10 s, because the owner's own ARP puts caches right. A computer
# that a packet has woken stays awake for longer than this before a proxy answers for it again.
INSISTS = 30_000
ANSWER = 3000  # milliseconds after which an answer will not come any more
TWICE = 2  # times that a claim follows the owner's own so soon
MOST_PARTIES = 8  # MACs that claim one address
MOST_TURNS = 16  # that are remembered
MOST_OTHERS = 16  # addresses of one MAC


@dataclass
class Turn:
    """A time in which only one MAC claimed the address."""

    mac: str
    first: int
    last: int


@dataclass
class Contest:
    """What was seen of one address."""

    ip: Address
    owner: str  # whose it was
    heard: int  # when that one claimed it before this began
    began: int
    interface: str | None = None  # where packets showed it
    shown: dict[str, int] = field(default_factory=dict)  # MAC -> how often it claimed the address
    turns: deque[Turn] = field(default_factory=lambda: deque(maxlen=MOST_TURNS))
    sources: set[str] = field(default_factory=set)
    asked: dict[str, tuple[int, int]] = field(default_factory=dict)  # because of a MAC: when last, and how often
    waiting: set[tuple[str, Address]] = field(default_factory=set)  # questions without an answer so far
    answers: dict[tuple[str, Address], bool] = field(default_factory=dict)
    confirmed: dict[str, int] = field(default_factory=dict)  # MAC -> when it answered that the address is its own

    def claim(self, time: int, mac: str, source: str) -> bool:
        """A MAC claims the address; whether another one did before."""
        if mac not in self.shown and len(self.shown) >= MOST_PARTIES:
            self._make_room()
        self.shown[mac] = self.shown.get(mac, 0) + 1
        self.sources.add(source)
        if self.turns and self.turns[-1].mac == mac:
            self.turns[-1].last = max(self.turns[-1].last, time)
            return False
        if self.turns:
            self._forget_presence(mac)
        self.turns.append(Turn(mac, time, time))
        return True

    def _forget_presence(self, mac: str) -> None:
        """That others had it before this one claims it now is no sign that they still do.

        A phone that walks between an access point and a repeater that sends under its own MAC answers whenever it is
        with the one, and has left each time that the repeater claims its address.
        """
        for question in [each for each, yes in self.answers.items() if yes and each[1] == self.ip and each[0] != mac]:
            del self.answers[question]

    def _make_room(self) -> None:
        """Of those that claimed it least often, the one that did so first goes, but never the owner.

        So whoever makes up MACs, which claim it once each, neither pushes out those that go on claiming it, nor keeps
        out whoever comes after them.
        """
        least = min((mac for mac in self.shown if mac != self.owner), key=lambda mac: self.shown[mac])
        del self.shown[least]
        self.asked.pop(least, None)
        self.confirmed.pop(least, None)
        self.waiting = {question for question in self.waiting if question[0] != least}
        self.answers = {question: answer for question, answer in self.answers.items() if question[0] != least}

    @property
    def last(self) -> int:
        """When it was last claimed."""
        return self.turns[-1].last if self.turns else self.began

    def still_has(self, owner: str, taker: str) -> bool:
        """Whether the owner has answered for the address, asked because the taker had claimed it just before.

        One that answers long after the taker's last claim is one to whom the address came back.
        """
        if not self.answers.get((owner, self.ip)):
            return False
        last = max((turn.last for turn in self.turns if turn.mac == taker), default=None)
        return last is None or self.confirmed.get(owner, 0) - last <= ANSWER

    def since(self, mac: str) -> int | None:
        """When the MAC claimed the address first, of what is remembered."""
        return next((turn.first for turn in self.turns if turn.mac == mac), None)

    def follows(self, taker: str, owner: str) -> bool:
        """Whether the taker claimed the address after the owner did: who has given it up does not any more."""
        since = self.since(owner)
        if owner == self.owner or since is None:
            return True
        return any(turn.mac == taker and turn.last > since for turn in self.turns)

    def insists(self, taker: str, owner: str) -> int:
        """How often the taker claimed the address again soon after the owner did, having claimed it before, too."""
        turns = [turn for turn in self.turns if self.last - turn.last <= WITHIN]
        before = False
        found = 0
        for one, next_one in pairwise(turns):
            before |= one.mac == taker
            found += before and (one.mac, next_one.mac) == (owner, taker) and next_one.first - one.last < INSISTS
        return found


class Used:
    """The addresses that a MAC has claimed, and when last."""

    def __init__(self) -> None:
        self.seen: dict[Address, int] = {}
        self.contested: dict[Address, None] = {}  # those of them for which there is a contest

    def note(self, ip: Address, time: int) -> None:
        """It claimed one then."""
        self.seen.pop(ip, None)
        self.seen[ip] = time
        if len(self.seen) > MOST_OTHERS:
            del self.seen[next(iter(self.seen))]

    def contest(self, ip: Address) -> None:
        """It claimed one that another one claims."""
        self.contested[ip] = None
        if len(self.contested) > MOST_OTHERS:
            del self.contested[next(iter(self.contested))]
