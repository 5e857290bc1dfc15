"""What one client asks below one domain: how many names, how much they carry, and how fast.

Distinct names are told apart by one bit each, so that a million of them need no more room than a thousand: a name whose
bit is set already is taken for one that was asked before, and when a fourth of the bits is set they are cleared. So the
counts are a little too low, and a name that is asked for again and again is counted once per thousand new ones. The bit
comes from Python's `hash`, which nobody outside can foresee.
"""

from netwatchd.addresses import Address
from netwatchd.detectors.dns_names import carrying, is_address, is_appended
from netwatchd.observations import DnsMessage

HOUR, DAY = 3_600_000, 86_400_000  # ms
BURST = 10_000  # ms
NXDOMAIN = 3
NO_SUCH = 60_000  # ms in which names are counted that do not exist

BITS = 4096
_FULL = BITS // 4
_POOL = 24  # labels that are kept to see whether they are made up, the latest ones
_EXAMPLES = 5
_LONGEST_EXAMPLE = 80  # characters
_KINDS = 8  # types of questions that are told apart

# Types whose answers hold more than an address, as tunnels ask for: CNAME, NULL, MX, TXT, KEY, SRV, and private ones
# (RFC 6895: 65280 and up).
_FOR_DATA = frozenset((5, 10, 15, 16, 25, 33))
_PRIVATE = 65_280
_HEAD = 18  # bytes of a query without its name


class Distinct:
    """Which names have been there."""

    __slots__ = ("_bits", "_filled", "_old", "count")

    def __init__(self) -> None:
        self.count = 0
        self._bits = self._old = self._filled = 0

    def add(self, name: str) -> bool:
        """Whether the name is new."""
        bit = 1 << hash(name) % BITS
        if self._bits & bit:
            return False
        self._bits |= bit
        self._filled += 1
        self.count += 1
        if self._filled >= _FULL:
            self._old, self._bits, self._filled = self._bits, 0, 0
        return True

    def share(self, other: "Distinct") -> bool:
        """Whether most of the latest names of one of them are names of the other, too."""
        mine, others = self._bits | self._old, other._bits | other._old
        common = (mine & others).bit_count()
        return common >= 5 and common * 2 >= min(mine.bit_count(), others.bit_count())


class Window:
    """What was counted since it began; it begins anew after `length` (ms)."""

    __slots__ = ("length", "names", "start", "up")

    def __init__(self, length: int, time: int) -> None:
        self.length = length
        self.start = time
        self.names = self.up = 0

    def add(self, time: int, up: int) -> None:
        """A name that carries so many bytes."""
        if abs(time - self.start) >= self.length:  # logs tell a little out of order
            self.start = time
            self.names = self.up = 0
        self.names += 1
        self.up += up


class Zone:
    """What one client asks below one domain."""

    __slots__ = (
        "_before", "answers", "burst", "client", "common", "day", "distinct", "domain", "down", "examples", "first",
        "for_data", "found", "hour", "kinds", "last", "longest", "lost", "missing", "pool", "queries", "server",
        "told", "up",
    )  # fmt: skip

    def __init__(self) -> None:
        self._forget()

    def _forget(self) -> None:
        self.client: Address = 0
        self.server: Address = 0
        self.domain = ""
        self.first = self.last = 0  # ms; 0: nothing was asked yet
        self.told: dict[str, tuple[int, int]] = {}  # by kind: how much there was when it was told, and when
        self.queries = self.answers = self.found = self.for_data = 0
        self.up = self.down = self.longest = 0
        self.distinct = Distinct()
        self.lost: Distinct | None = None  # names that do not exist
        self.hour = self.day = self.burst = self.missing = Window(0, 0)
        self.kinds: dict[int, int] = {}
        self.pool: list[str] = []
        self.examples: list[str] = []
        self.common: list[str] = []  # the labels that all names have before the domain
        self._before: list[str] = []

    def note(self, message: DnsMessage, domain: str, prefix: str) -> bool:
        """Takes a question or an answer in; whether its name is new, or is new as one that does not exist."""
        time = message.time
        if not self.first or time - self.last > DAY:
            self._begin(message, domain)
        self.last = max(self.last, time)
        fresh = self.distinct.add(message.name)
        if fresh:
            self._add(time, prefix)
        if not message.answer:
            self.queries += 1
            kind = message.kind
            if kind in self.kinds or len(self.kinds) < _KINDS:
                self.kinds[kind] = self.kinds.get(kind, 0) + 1
            self.for_data += kind in _FOR_DATA or kind >= _PRIVATE
            return fresh
        self.answers += 1
        self.found += message.code == 0
        self.down += max(message.size - _HEAD - len(message.name), 0)
        if message.code != NXDOMAIN or not _is_counted(prefix.split(".")):
            return fresh
        if self.lost is None:
            self.lost = Distinct()
        if not self.lost.add(message.name):
            return fresh
        self.missing.add(time, 0)
        return True

    def _begin(self, message: DnsMessage, domain: str) -> None:
        self._forget()
        time = message.time
        self.client, self.server, self.domain, self.first = message.client, message.server, domain, time
        self.hour, self.day = Window(HOUR, time), Window(DAY, time)
        self.burst, self.missing = Window(BURST, time), Window(NO_SUCH, time)

    def _add(self, time: int, prefix: str) -> None:
        """A name that was not there before."""
        labels = prefix.split(".")
        up = carrying(labels, self._before)
        self.up += up
        self.hour.add(time, up)
        self.day.add(time, up)
        if _is_counted(labels):
            self.burst.add(time, 0)
        label = max((each for each in labels if each not in self._before), key=len, default=labels[0])
        self.longest = max(self.longest, len(label) - 3 * label.count("\\"))
        if len(self.pool) < _POOL:
            self.pool.append(label)
        else:
            self.pool[self.distinct.count % _POOL] = label
        if len(self.examples) < _EXAMPLES:
            name = f"{prefix}.{self.domain}"
            self.examples.append(name if len(name) <= _LONGEST_EXAMPLE else name[: _LONGEST_EXAMPLE - 1] + "…")
        self.common = _shared(self.common, labels) if self._before else labels[1:]
        self._before = labels

    @property
    def zone(self) -> str:
        """The longest domain that all names have in common."""
        return ".".join([*self.common, self.domain])


def _is_counted(labels: list[str]) -> bool:
    """Whether it can be one of many made-up names: no service, no address, no name with a search domain behind it."""
    return labels[0][:1] != "_" and not is_address(labels) and not is_appended(labels)


def _shared(common: list[str], labels: list[str]) -> list[str]:
    """The labels at the end that both have."""
    most = min(len(common), len(labels) - 1)
    for length in range(1, most + 1):
        if common[-length] != labels[-length]:
            return common[len(common) - length + 1 :]
    return common[len(common) - most :]
