"""All detectors side by side: shows each of them what it wants to see, and nothing else.

What is shared by all of them is done once here. The loop over flows is what each flow costs: it takes a flow apart once
and asks only those whom it may concern.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from netwatchd.config import Config
from netwatchd.detectors import Finding, Findings, Home, Wants
from netwatchd.detectors.attempts import TRIED, UDP, USED_IN, USED_OUT
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
from netwatchd.detectors.peers import PeerNames
from netwatchd.detectors.plaintext import Plaintext
from netwatchd.detectors.port_scan import PortScan
from netwatchd.detectors.rogue_dhcp import RogueDhcp
from netwatchd.detectors.slow_scan import SlowScan
from netwatchd.detectors.spoof import Spoof
from netwatchd.detectors.upload import Upload
from netwatchd.detectors.usedports import UsedPorts
from netwatchd.events import Change, Claim, Flow, FlowBatch, Gone
from netwatchd.observations import Observation

# A detector, its section of the configuration ([detector:NAME]) and its file share one word.
ALL: dict[str, Callable[..., Any]] = {
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

# What several detectors know together is learnt once, where one of those that share it is switched on.
COMMON: dict[str, Callable[[], Any]] = {"peers": PeerNames, "usedports": UsedPorts}

# States of a flow that was answered, but by a refusal.
REFUSED = frozenset(("rejected", "fin", "null", "xmas"))
ICMP = frozenset((1, 58))
# Of flows in use that are new one of so many is a sample. A prime number, as what is told may alternate in pairs.
SAMPLE = 31
NEVER = 1 << 63
# What makes the case of a flow: the bits of an index.
_NEW, _ANSWERED, _USED, _ICMP = 1, 2, 4, 8

See = Callable[[Flow, str | None, bool], Findings]


class Panel:
    """The detectors that are switched on. `settings` may be replaced while it works."""

    def __init__(self, settings: Config, home: Home) -> None:
        self._home = home
        self._skip = SAMPLE - 1  # flows until the next sample
        self._due = 0  # Unix ms, from which on the next flow in use is shown to those who want one now and then
        self._users: list[Callable[[Flow], int]] = []
        self.detectors: dict[str, Any] = {}
        self._common: dict[str, Any] = {}
        self.apply(settings)

    def apply(self, settings: Config) -> None:
        """Takes in other settings: what detectors remember stays, unless they are switched off."""
        kept = self.detectors
        enabled = {name: section for name in ALL if (section := getattr(settings, name)).enabled}
        shared = {each for name in enabled for each in _shares(name)}
        known = self._common
        self._common = {
            name: known[name] if name in known else make() for name, make in COMMON.items() if name in shared
        }  # fmt: skip
        self.detectors = {}
        for name, section in enabled.items():
            detector = self.detectors[name] = kept.get(name) or self._make(name, section)
            detector.settings = section
        self._wire()

    def _make(self, name: str, section: Any) -> Any:
        return ALL[name](section, self._home, *(self._common[each] for each in _shares(name)))

    def flows(  # noqa: C901  # what each flow costs: one loop
        self, batch: FlowBatch, new: Sequence[int]
    ) -> list[Finding]:
        """What is found in flows; `new` says of each whether it is told for the first time (1) or again (0)."""
        found: list[Finding] = []
        shown, awaiting = self._shown, self._awaiting
        for flow, device, fresh in zip(batch.flows, batch.devices, new, strict=True):
            # The fields by their places, which is faster: protocol, packets_in, state, packets_out, dst_port.
            case, protocol = fresh, flow[7]
            if flow[10]:
                state = flow[12]
                if state not in TRIED and (
                    protocol == UDP or (flow[8] >= USED_OUT and flow[10] >= USED_IN and protocol not in ICMP)
                ):
                    case |= _ANSWERED | _USED
                    if flow[2] >= self._due:
                        self._see_use(flow)
                    for awaited, see in awaiting:
                        if flow[0] in awaited:
                            found += see(flow, device, fresh == 1)
                elif state not in REFUSED:
                    case |= _ANSWERED
            if protocol in ICMP:
                case |= _ICMP
            everywhere, by_port = shown[case]
            for see in by_port.get(flow[6], everywhere):
                # Most find nothing, and say so by an empty tuple.
                if news := see(flow, device, fresh == 1):
                    found += news
        self._sample(batch.flows, new, found)
        return found

    def _see_use(self, flow: Flow) -> None:
        self._due = min((use(flow) for use in self._users), default=NEVER)

    def _sample(self, flows: Sequence[Flow], new: Sequence[int], found: list[Finding]) -> None:
        """Shows a sample of the flows that are new and in use."""
        for at in range(self._skip, len(flows), SAMPLE):
            flow = flows[at]
            if new[at] and _is_used(flow):
                for see in self._samplers:
                    found += see(flow, SAMPLE)
        self._skip = (self._skip - len(flows)) % SAMPLE

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
                self.detectors[name] = self._make(name, each.settings)
        self._wire()

    def notes(self) -> dict[str, str]:
        """What detectors want to be kept across restarts, by their names."""
        return {name: each.note or "" for name, each in self._all().items() if hasattr(each, "recall")}

    def recall(self, notes: dict[str, str]) -> None:
        """Gives them what was kept."""
        for name, note in notes.items():
            keeper = self._all().get(name)
            if keeper is not None and hasattr(keeper, "recall"):
                keeper.recall(note)

    def explains(self, claim: Claim) -> bool:
        """Whether a detector tells more of a move of an address than that it moved, or is about to.

        Any thread may ask; nothing is changed.
        """
        return any(each.explains(claim) for each in list(self.detectors.values()) if hasattr(each, "explains"))

    def _all(self) -> dict[str, Any]:
        """The detectors, and behind them what they know together."""
        return self.detectors | self._common

    def _wire(self) -> None:
        detectors = list(self._all().values())
        of_flows = [each for each in detectors if hasattr(each, "see_flow")]
        self._shown = [_shown(of_flows, case) for case in range(16)]
        self._awaiting = [(each.awaited, each.see_flow) for each in of_flows if hasattr(each, "awaited")]
        self._samplers = [each.see_sample for each in of_flows if hasattr(each, "see_sample")]
        self._due = 0
        self._users = [each.see_use for each in of_flows if hasattr(each, "see_use")]
        self._observers: dict[type, list[Callable[[Any], Findings]]] = defaultdict(list)
        for each in detectors:
            for kind in getattr(each, "observes", ()):
                self._observers[kind].append(each.observe)
        self._of_devices = [each.see_device for each in detectors if hasattr(each, "see_device")]
        self._tickers = [each.tick for each in detectors if hasattr(each, "tick")]


def _shares(name: str) -> tuple[str, ...]:
    """What a detector knows together with others."""
    shares: tuple[str, ...] = getattr(ALL[name], "shares", ())
    return shares


def _is_used(flow: Flow) -> bool:
    """Whether it is in use, as the loop over flows has it."""
    if flow.protocol == UDP:
        return flow.packets_in > 0 and flow.state not in TRIED
    enough = flow.packets_in >= USED_IN and flow.packets_out >= USED_OUT
    return enough and flow.protocol not in ICMP and flow.state not in TRIED


def _shown(detectors: Sequence[Any], case: int) -> tuple[Sequence[See], dict[int, Sequence[See]]]:
    """Who is shown the flows of a case: those to any port, and by port where that matters to somebody."""
    wanted = Wants.EVERY | (Wants.ANSWERED if case & _ANSWERED else Wants.ATTEMPTS)
    if case & _NEW:
        wanted |= Wants.NEW
    if case & _ANSWERED and not case & _USED:
        wanted |= Wants.KNOCKED
        if not case & _NEW:
            wanted |= Wants.TURNED
    if case & _ICMP:
        wanted |= Wants.ICMP
    concerned = [each for each in detectors if each.wants & wanted]
    asked = [(each.ports, each.see_flow) for each in concerned]
    # A thousand ports matter to somebody, and most of them to the same detectors: these are kept once.
    shared: dict[Sequence[See], Sequence[See]] = {}

    def to(port: int | None) -> Sequence[See]:
        sees = tuple(see for ports, see in asked if ports is None or port in ports)
        return shared.setdefault(sees, sees)

    return to(None), {port: to(port) for ports, _ in asked for port in ports or ()}
