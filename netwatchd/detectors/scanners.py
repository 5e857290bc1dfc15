"""What is the same for all scans: how bad it is, what to do, and how many rows one scanner may fill."""

from collections.abc import Callable

from netwatchd.detectors import Findings, Home
from netwatchd.detectors.bounded import Bounded, make_room
from netwatchd.detectors.tally import AGAIN, QUIET
from netwatchd.events import SEVERITIES

# Kinds of devices (identity.KINDS) that do one thing, and never look around at other devices' ports: whoever has
# taken them over does. Hubs, media boxes and televisions look for others now and then, but they do not scan either.
SIMPLE = frozenset((
    "printer", "camera", "tv", "speaker", "media", "voip", "light", "plug", "hub", "sensor", "thermostat", "lock",
    "appliance", "health", "energy", "iot", "watch",
))  # fmt: skip
DAY = 86_400_000
MOST_ROWS = 5  # targets of one scanner that are told one by one; those that follow are one together
MOST_SCANNERS = 512
# Who can be reached from the Internet is scanned from there all day, each time by somebody else: a month of a house has
# a hundred of them, and nobody can do anything about one. The first are told one by one, those that follow as one row
# for each target, until there was none for a WEEK.
MOST_STRANGERS = 3
WEEK = 7 * DAY


class _Told:
    """What was told of one, and when the last of it was new."""

    def __init__(self) -> None:
        self.targets: list[str] = []
        self.at = 0


class Scanners:
    """Which targets were told of whom."""

    def __init__(self) -> None:
        self._told: Bounded[str, _Told] = Bounded(MOST_SCANNERS, _Told)
        # What is told together: by whom and as what, when it was told last (Unix ms), and how bad that was.
        self._together: dict[tuple[str, str], tuple[int, int]] = {}
        self._held: dict[tuple[str, str], tuple[int, Callable[[], Findings]]] = {}
        self._strangers: list[str] = []
        self._last_stranger = 0

    def who(self, device: str, time: int, *, inside: bool) -> str | None:
        """As whom a scanner is told at a time (Unix ms): None where he is one of many from elsewhere."""
        if inside:
            return device
        if time - self._last_stranger > WEEK:
            self._strangers.clear()
        self._last_stranger = max(time, self._last_stranger)
        if device not in self._strangers and len(self._strangers) < MOST_STRANGERS:
            self._strangers.append(device)
        return device if device in self._strangers else None

    def target(self, device: str, target: str, together: str, time: int) -> str:
        """As what a target is told at a time (Unix ms): `together` once there are many of a day."""
        told = self._told.touch(device)
        if target not in told.targets:
            if time - told.at > DAY:
                told.targets.clear()
            told.at = time
            if len(told.targets) < 4 * MOST_ROWS:
                told.targets.append(target)
        return target if target in told.targets[:MOST_ROWS] else together

    def holds(self, device: str, target: str, severity: str, time: int, tell: Callable[[], Findings]) -> bool:
        """Whether a target is not told now, as it is one of many that are told together, and another was just told.

        Of a row that each of thousands of ports or hosts would tell anew, a person reads one. It is told all the same
        if it is worse; the latest that was held is told by `tell` when nothing has come for a while.
        """
        if len(self._told.touch(device).targets) <= MOST_ROWS or target in self._told.touch(device).targets[:MOST_ROWS]:
            return False
        row, rank = (device, target), SEVERITIES.index(severity)
        told_at, worst = self._together.get(row, (time - AGAIN, rank))
        if rank <= worst and 0 <= time - told_at < AGAIN:
            make_room(self._held, MOST_SCANNERS)
            self._held[row] = time, tell
            return True
        self._held.pop(row, None)
        make_room(self._together, MOST_SCANNERS)
        self._together[row] = time, rank
        return False

    def tick(self, time: int) -> Findings:
        """The last word on what was held, and is over at a time (Unix ms)."""
        over = [row for row, (last, _) in self._held.items() if last < time - QUIET]
        held = [self._held.pop(row)[1] for row in over]
        for row in over:
            self._together.pop(row, None)
        return [finding for tell in held for finding in tell()]

    def targets(self, device: str) -> list[str]:
        """The first of those of a device, in the order in which they were found."""
        return list(self._told.touch(device).targets)


def is_simple(home: Home, device: str) -> bool:
    """Whether it is a device that does one thing only."""
    known = home.device(device)
    return known is not None and known.kind in SIMPLE


def severity_of(home: Home, device: str, *, inside: bool) -> str:
    """How bad a scan is; `inside`: by one of here. Who can be reached from the Internet is scanned from there daily."""
    if is_simple(home, device):
        return "high"
    return "medium" if inside or home.device(device) else "low"


def what_to_do(home: Home, device: str, *, inside: bool) -> str:
    """A sentence."""
    if is_simple(home, device):
        return "such a device has no reason to: disconnect it, reset it, and update it before it comes back"
    if inside or home.device(device):
        return "find out which program on the device did that; if nobody wanted it, disconnect it and look for malware"
    return "close the ports that need not be open to the world; block the address if it goes on"
