"""What is the same for all scans: how bad it is, what to do, and how many rows one scanner may fill."""

from netwatchd.addresses import Address
from netwatchd.detectors import Home
from netwatchd.detectors.bounded import Bounded

# Kinds of devices (identity.KINDS) that do one thing, and never look around at other devices' ports: whoever has
# taken them over does. Hubs, media boxes and televisions look for others now and then, but they do not scan either.
SIMPLE = frozenset((
    "printer", "camera", "tv", "speaker", "media", "voip", "light", "plug", "hub", "sensor", "thermostat", "lock",
    "appliance", "health", "energy", "iot", "watch",
))  # fmt: skip
MOST_ROWS = 5  # targets of one scanner that are told one by one; those that follow are one together


class Scanners:
    """Which targets were told of whom."""

    def __init__(self) -> None:
        self._told: Bounded[str, list[str]] = Bounded(512, list)

    def target(self, device: str, target: str, together: str) -> str:
        """As what a target is told: `together` once there are many."""
        told = self._told.touch(device)
        if target in told[:MOST_ROWS]:
            return target
        if len(told) < 4 * MOST_ROWS and target not in told:
            told.append(target)
        return target if len(told) <= MOST_ROWS else together

    def targets(self, device: str) -> list[str]:
        """The first of those of a device, in the order in which they were found."""
        return list(self._told.touch(device))


def is_here(home: Home, address: Address) -> bool:
    """Whether it is an address here: of IPv6 those that the provider gives are in no network that is set."""
    return address in home.networks or home.owner(address) is not None


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
