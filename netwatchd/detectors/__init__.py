"""What is worth knowing in what happens. A detector is shown events, and returns what it finds.

Detectors are pure: no clock, no thread, no outside. The time comes with the event, and what they remember is bounded.
`panel` has them side by side; each declares what it wants to be shown, so that a flow costs only those it concerns.

A detector is the file that its section [detector:NAME] is named after: those of `panel.ALL`, and `news`, which tells of
devices. The other files are what these are made of:

* all of them: `telling` makes a threat, `naming` and `saying` are its words, `sides` tells here from the world,
  `memory` and `bounded` are what is remembered of time, and of whom somebody may have made up
* scans, and `iot`: `attempts` (what came to nothing), `tally` (what one has tried), `pending`, `scanners`,
  `usedports` and `uplink` (whose silence is no evidence); `slow_scan`: `kepttallies`
* `brute_force`: `passwords`; `inbound`: `exposed`, and with `flood`: `distinct`
* `spoof`: `contests`; `rogue_dhcp`: `servers`
* `dns_tunnel`: `dns_names`, `dns_zones`
* `beacon`: `rhythm`, `usual` (what a device is used to), and with `upload`: `perdevice` (what is remembered of each
  device), `peers` (by what name somebody was called)
* `news`: `newcomers`, `conflicts`, `stories`
"""

from collections.abc import Callable, Container, Iterable
from enum import Flag, auto
from typing import Protocol

from netwatchd.addresses import Address, Networks
from netwatchd.events import Change, Claim, Device, Flow, Gone, TakenBack, Threat
from netwatchd.listings import Listings
from netwatchd.machine import Machine
from netwatchd.observations import Observation

Finding = Threat | TakenBack
Findings = Iterable[Finding]


class Wants(Flag):
    """Which flows a detector is shown."""

    NEW = auto()  # each flow when it is first told of, whatever it is
    ATTEMPTS = auto()  # nothing has come back, or it was refused: each time it is told, so also while it is `new`
    ANSWERED = auto()  # something has come back: each time it is told
    KNOCKED = auto()  # something has come back, but so little that it may not be in use: each time it is told
    TURNED = auto()  # the same, and it was told of before: costs nothing where flows are told once
    ICMP = auto()  # ICMP and ICMPv6: each time it is told
    EVERY = auto()  # each flow, each time it is told: costs most


class Home(Protocol):
    """What detectors may ask about the network; all of it is known in memory, and answered at once."""

    @property
    def machine(self) -> Machine:
        """The machine that netwatchd runs on."""

    @property
    def networks(self) -> Networks:
        """Those whose addresses belong to devices here."""

    def device(self, key: str) -> Device | None:
        """The device of a key: a MAC of it, or its address as text."""

    def owner(self, address: Address) -> str | None:
        """The key of the device that has the address."""

    @property
    def listed(self) -> Callable[[Address], Listings]:
        """Gives the entries of blocklists that cover an address, but for what is allowed."""

    @property
    def listed_name(self) -> Callable[[str], Listings]:
        """The same of a name of DNS, in lower case, or of a domain that it lies in."""

    def forwarded(self, address: Address, port: int, protocol: int) -> tuple[Address, int] | None:
        """The address and port of this router that are forwarded to those of a device; None where none is known."""

    def is_outer(self, address: Address) -> bool:
        """Whether it is an address of this router towards the world, behind which devices here are hidden."""


class FlowDetector(Protocol):
    """Finds something in flows.

    A flow may be told several times under the same id, while it lives, with growing counters. Flows come in the order
    in which they are told, and not in that of their times: exporters and logs tell when a flow has ended.
    """

    wants: Wants
    # With ports, only flows to one of these, of any protocol (for ICMP it is the code).
    ports: frozenset[int] | None

    def see_flow(self, flow: Flow, device: str | None, new: bool) -> Findings:
        """A flow, the key of the device that it is put down to, and whether it is told for the first time."""


class Awaiting(FlowDetector, Protocol):
    """Counts flows before it is known what becomes of them, and takes that back."""

    awaited: Container[int]  # ids of flows, which it is shown also when they turn out to be in use


class Sampling(FlowDetector, Protocol):
    """Does with a sample of what is in use."""

    def see_sample(self, flow: Flow, weight: int) -> Findings:
        """A flow in use that is told for the first time, one of `weight`; see_flow is not shown these."""


class Using(FlowDetector, Protocol):
    """Wants to see now and then that something is in use."""

    def see_use(self, flow: Flow) -> int:
        """A flow in use; returns when one that ends then or later is to be shown again (Unix ms)."""


class Sharing(Protocol):
    """Is made with what several detectors know together, after its settings and the home: each is a detector, too."""

    shares: tuple[str, ...]  # names of panel.COMMON


class Observer(Protocol):
    """Finds something in observations."""

    observes: tuple[type[Observation], ...]

    def observe(self, observation: Observation) -> Findings:
        """One of the kinds that it observes."""


class DeviceDetector(Protocol):
    """Finds something in what becomes of devices and their addresses."""

    def see_device(self, event: Change | Claim | Gone) -> Findings:
        """What has become of a device; asked with the lock of Devices held, so that it must be quick."""


class Keeper(Protocol):
    """Keeps a note across restarts."""

    @property
    def note(self) -> str | None:
        """What is to be kept; None where it is nothing."""

    def recall(self, note: str) -> None:
        """Takes in what was kept: text that may be anything."""


class Ticker(Protocol):
    """Finds something in that nothing happens, or not yet."""

    def tick(self, time: int) -> Findings:
        """It is `time` (Unix ms); about twice a second, in a replay as often as events allow."""


Detector = FlowDetector | Observer | DeviceDetector | Ticker | Keeper
