"""Devices that were never seen before, until it is known what to say of them.

A device shows itself piece by piece: an entry of the bridge, a link-local address, then DHCP with its name, and a lease
file that is read a moment later. Who told of the first piece would say "something new, fe80::..."; who waited for all
of it would be late. And a private MAC may be a known phone, which its host name or its DHCP identity gives away.
"""

from dataclasses import dataclass, field

from netwatchd.addresses import is_random_mac
from netwatchd.events import Device

# All in milliseconds. News shall be there within 2 s of the packet that tells who it is, a tick of 500 ms included.
SETTLE = 1_200  # from the name of a private MAC: what else that packet tells arrives, and it may prove a known phone
# From the address of a MAC that its maker gave: DHCP answers before the address is used, but a lease file is read up to
# a second later, and with a name the news is worth more.
NAME_WAIT = 1_000
# A private MAC that shows no name: a DHCP client repeats a lost request after 4 s (RFC 2131, section 4.1), so that
# nothing for 10 s means that nothing comes. But whoever shows another address now and then is told of all the same.
QUIET, LONGEST_QUIET = 10_000, 30_000
# A private MAC without a name that was there for less than STAYED waits until it shows itself again, for PASSED: one
# that tries several, or whose lease came and went, was there for a moment, and nobody could find what it was.
STAYED, PASSED = 5_000, 3_600_000
# Neither address nor name: a switch, or a phone that only just joined the Wi-Fi. DHCP takes a minute where it must try.
BARE = 60_000
# An address without MAC: where the MAC can be known, the neighbour table shows it in a moment.
STRAY = 10_000
UNDECIDED = 20_000  # while it is being looked into whether it is a known one: two probes without answer
MOST_WAITING = 256  # newcomers that wait; more at once are a flood
FLOOD = 10  # newcomers within FLOOD_WINDOW that are told one by one; at home, not even a party brings more
FLOOD_WINDOW = 60_000
FLOOD_TOLD = 10_000  # between two times that the number of a flood is told anew
EXAMPLES = 20  # devices of a flood that its news names
MOST_KEYS = 4096  # of a flood, remembered in case that one turns out to be a known device


@dataclass(slots=True)
class Newcomer:
    """One device that waits."""

    device: Device
    since: int  # Unix ms, when it appeared
    latest: int  # when it last showed something more
    named: int | None = None
    addressed: int | None = None

    def show(self, device: Device, time: int) -> None:
        """It has shown something more."""
        self.device = device
        self.latest = time
        if self.named is None and (device.hostname or device.name):
            self.named = time
        if self.addressed is None and device.ips:
            self.addressed = time

    def shift(self, leap: int, time: int) -> None:
        """The clock leapt to `time`: it begins to wait anew, because only now it may be known who it is."""
        self.since += leap
        self.latest = time
        self.named = time if self.named is not None else None
        self.addressed = time if self.addressed is not None else None

    @property
    def due(self) -> int:
        """When it is news, where nothing more comes."""
        if self.device.mac is None:
            return self.since + STRAY
        if self.named is not None:
            return self.named + (SETTLE if is_random_mac(self.device.mac) else 0)
        if self.addressed is None:
            return self.since + BARE
        if is_random_mac(self.device.mac):
            return min(self.latest + QUIET, self.since + LONGEST_QUIET)
        return self.addressed + NAME_WAIT

    def passed_by(self, last_seen: int) -> bool:
        """Whether it was only there for a moment, and showed nothing by which it could be recognised."""
        nameless = self.named is None and is_random_mac(self.device.mac)
        return nameless and 0 <= last_seen - self.since < STAYED

    def is_due(self, time: int) -> bool:
        """Whether it is news at `time`; a clock that was set back must not make it wait for hours."""
        return not self.since <= time < self.due


def is_newcomer(device: Device) -> bool:
    """Whether a device that was not known may be news at all.

    An IPv6 address without MAC is not: a host makes itself new ones every day (RFC 8981), and nobody could tell which
    of them are one device.
    """
    return device.mac is not None or any(isinstance(ip, int) for ip in device.ips)


@dataclass(slots=True)
class Flood:
    """Newcomers that are too many to be told one by one: somebody makes up addresses, or a hall fills."""

    start: int  # Unix ms
    last: int  # when the latest one came
    devices: int = 0
    random_macs: int = 0
    told: int | None = None  # when the number was told
    told_devices: int = 0
    examples: dict[str, Device] = field(default_factory=dict)
    keys: set[str] = field(default_factory=set)

    def add(self, key: str, device: Device, time: int) -> None:
        """One more."""
        self.devices += 1
        self.random_macs += is_random_mac(device.mac)
        self.last = max(self.last, time)
        if len(self.keys) < MOST_KEYS:
            self.keys.add(key)
        if len(self.examples) < EXAMPLES:
            self.examples[key] = device

    def remove(self, key: str) -> None:
        """One of them was a known device."""
        if key in self.keys:
            self.keys.remove(key)
            self.devices -= 1
        self.examples.pop(key, None)

    def is_over(self, time: int) -> bool:
        """Whether newcomers are told one by one again."""
        return not 0 <= time - self.last < FLOOD_WINDOW
