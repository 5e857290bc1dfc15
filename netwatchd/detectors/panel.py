"""All detectors side by side: shows each of them what it wants to see, and nothing else.

What is shared by all of them is done once here. The loop over flows is what each flow costs: it takes a flow apart once
and asks only those whom it may concern.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from netwatchd.config import Config
from netwatchd.detectors import Finding, Findings, Home, Wants
from netwatchd.detectors.beacon import Beacon
from netwatchd.detectors.blocklist import Blocklist
from netwatchd.detectors.brute_force import BruteForce
from netwatchd.detectors.dhcp_starvation import DhcpStarvation
from netwatchd.detectors.dns_tunnel import DnsTunnel
from netwatchd.detectors.flood import Flood
from netwatchd.detectors.host_sweep import HostSweep
from netwatchd.detectors.icmp_tunnel import IcmpTunnel
from netwatchd.detectors.inbound import Inbound
from netwatchd.detectors.iot import Iot
from netwatchd.detectors.plaintext import Plaintext
from netwatchd.detectors.port_scan import PortScan
from netwatchd.detectors.rogue_dhcp import RogueDhcp
from netwatchd.detectors.slow_scan import SlowScan
from netwatchd.detectors.spoof import Spoof
from netwatchd.detectors.upload import Upload
from netwatchd.events import Change, Claim, Flow, FlowBatch, Gone
from netwatchd.observations import Observation

# A detector, its section of the configuration ([detector:NAME]) and its file share one word.
ALL: dict[str, Callable[[Any, Home], Any]] = {
    "plaintext": Plaintext,
    "port_scan": PortScan,
    "host_sweep": HostSweep,
    "slow_scan": SlowScan,
    "iot": Iot,
    "beacon": Beacon,
    "upload": Upload,
    "blocklist": Blocklist,
    "brute_force": BruteForce,
    "flood": Flood,
    "inbound": Inbound,
    "spoof": Spoof,
    "rogue_dhcp": RogueDhcp,
    "dhcp_starvation": DhcpStarvation,
    "dns_tunnel": DnsTunnel,
    "icmp_tunnel": IcmpTunnel,
}

# States of a flow that was answered, but by a refusal.
REFUSED = frozenset(("rejected", "fin", "null", "xmas"))
ICMP = frozenset((1, 58))
# What makes the case of a flow: the bits of an index.
_NEW, _ANSWERED, _ICMP = 1, 2, 4

See = Callable[[Flow, str | None, bool], Findings]


class Panel:
    """The detectors that are switched on. `settings` may be replaced while it works."""

    def __init__(self, settings: Config, home: Home) -> None:
        self._home = home
        self.detectors: dict[str, Any] = {}
        self.apply(settings)

    def apply(self, settings: Config) -> None:
        """Takes in other settings: what detectors remember stays, unless they are switched off."""
        kept = self.detectors
        self.detectors = {}
        for name, make in ALL.items():
            section = getattr(settings, name)
            if section.enabled:
                detector = kept.get(name) or make(section, self._home)
                detector.settings = section
                self.detectors[name] = detector
        self._wire(self.detectors.values())

    def flows(self, batch: FlowBatch, new: Sequence[int]) -> list[Finding]:
        """What is found in flows; `new` says of each whether it is told for the first time (1) or again (0)."""
        found: list[Finding] = []
        shown = self._shown
        for flow, device, fresh in zip(batch.flows, batch.devices, new, strict=True):
            # The fields by their places, which is faster: packets_in, state, protocol, dst_port.
            everywhere, by_port = shown[
                fresh | (_ANSWERED if flow[10] and flow[12] not in REFUSED else 0) | (_ICMP if flow[7] in ICMP else 0)
            ]
            for see in by_port.get(flow[6], everywhere):
                found += see(flow, device, fresh == 1)
        return found

    def observe(self, observations: Sequence[Observation]) -> list[Finding]:
        """What is found in observations."""
        found: list[Finding] = []
        for observation in observations:
            for observe in self._observers.get(type(observation), ()):
                found += observe(observation)
        return found

    def see_device(self, event: Change | Claim | Gone) -> list[Finding]:
        """What is found in what has become of a device."""
        return [finding for see in self._of_devices for finding in see(event)]

    def tick(self, time: int) -> list[Finding]:
        """What is found by `time` (Unix ms)."""
        return [finding for tick in self._tickers for finding in tick(time)]

    def set_back(self, time: int) -> None:
        """The clock was set back to `time`: what happened in the future would hide what happens until that has come.

        What they remember begins anew, but for what is kept across restarts.
        """
        for name, each in self.detectors.items():
            if hasattr(each, "set_back"):
                each.set_back(time)
            elif not hasattr(each, "recall"):
                self.detectors[name] = ALL[name](each.settings, self._home)
        self._wire(self.detectors.values())

    def notes(self) -> dict[str, str]:
        """What detectors want to be kept across restarts, by their names."""
        return {name: each.note or "" for name, each in self.detectors.items() if hasattr(each, "recall")}

    def recall(self, notes: dict[str, str]) -> None:
        """Gives them what was kept."""
        for name, note in notes.items():
            if hasattr(self.detectors.get(name), "recall"):
                self.detectors[name].recall(note)

    def explains(self, claim: Claim) -> bool:
        """Whether a detector tells more of a move of an address than that it moved, or is about to.

        Any thread may ask; nothing is changed.
        """
        return any(each.explains(claim) for each in list(self.detectors.values()) if hasattr(each, "explains"))

    def _wire(self, detectors: Iterable[Any]) -> None:
        detectors = list(detectors)
        of_flows = [each for each in detectors if hasattr(each, "see_flow")]
        self._shown = [_shown(of_flows, case) for case in range(8)]
        self._observers: dict[type, list[Callable[[Any], Findings]]] = defaultdict(list)
        for each in detectors:
            for kind in getattr(each, "observes", ()):
                self._observers[kind].append(each.observe)
        self._of_devices = [each.see_device for each in detectors if hasattr(each, "see_device")]
        self._tickers = [each.tick for each in detectors if hasattr(each, "tick")]


def _shown(detectors: Sequence[Any], case: int) -> tuple[Sequence[See], dict[int, Sequence[See]]]:
    """Who is shown the flows of a case: those to any port, and by port where that matters to somebody."""
    wanted = Wants.EVERY | (Wants.ANSWERED if case & _ANSWERED else Wants.ATTEMPTS)
    if case & _NEW:
        wanted |= Wants.NEW
    elif case & _ANSWERED:
        wanted |= Wants.TURNED
    if case & _ICMP:
        wanted |= Wants.ICMP
    concerned = [each for each in detectors if each.wants & wanted]
    asked = [(each.ports, each.see_flow) for each in concerned]
    # Hundreds of ports matter to somebody, and most of them to the same detectors: these are kept once.
    shared: dict[Sequence[See], Sequence[See]] = {}

    def to(port: int | None) -> Sequence[See]:
        sees = tuple(see for ports, see in asked if ports is None or port in ports)
        return shared.setdefault(sees, sees)

    return to(None), {port: to(port) for ports, _ in asked for port in ports or ()}
