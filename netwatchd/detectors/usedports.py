"""Which ports of which hosts a device uses: what it has used before is no evidence that it looks around, when the host
is switched off or its services are. Whoever watches a server asks for all its services, and has found them there.

Bounded: of PAIRS pairs, PORTS ports each; a pair makes room by being used. It outlives a restart as a note, because
after a power cut those that watch are there before those that are watched. Detectors share it.
"""

import json

from netwatchd.addresses import Address, address_text, parse_address
from netwatchd.detectors import Findings, Wants
from netwatchd.detectors.attempts import SERVICES, TCP, TRIED, USED_OUT, WELL_KNOWN
from netwatchd.detectors.bounded import Bounded
from netwatchd.events import Flow

PAIRS, PORTS = 2048, 64
# Of whom less is used, it makes no difference to a scan. That is all but the few that watch, or serve a whole house.
NOTED, LEAST = 256, 4
# The web and DNS are in use by everybody, everywhere, and are two ports of a scan.
COUNTED = (frozenset(range(1, WELL_KNOWN)) | SERVICES) - {53, 80, 443}

Pair = tuple[Address, Address]


class UsedPorts:
    """The services (ports of TCP, of COUNTED) that were used; the panel shows it what goes there."""

    wants = Wants.ANSWERED
    ports: frozenset[int] | None = COUNTED

    def __init__(self) -> None:
        self._pairs: Bounded[Pair, dict[int, None]] = Bounded(PAIRS, dict)

    def see_flow(self, flow: Flow, device: str | None, new: bool) -> Findings:
        """An answered flow to a port of COUNTED."""
        if flow[7] == TCP and flow[8] >= USED_OUT and flow[12] not in TRIED:
            ports = self._pairs.touch((flow[3], flow[5]))
            if len(ports) < PORTS:
                ports[flow[6]] = None
        return ()

    def uses(self, flow: Flow, pair: Pair) -> bool:
        """Whether the same was answered before; `pair` has the two sides of the flow."""
        ports = self._pairs.get(pair)
        return ports is not None and flow[6] in ports and flow[7] == TCP

    def __len__(self) -> int:
        return len(self._pairs)

    @property
    def note(self) -> str | None:
        """Those of whom much is used."""
        kept = [(pair, ports) for pair in self._pairs if len(ports := self._pairs.get(pair) or {}) >= LEAST]
        found = {f"{address_text(one)} {address_text(other)}": sorted(ports) for (one, other), ports in kept[-NOTED:]}
        return json.dumps(found, sort_keys=True, separators=(",", ":")) if found else None

    def recall(self, note: str) -> None:
        """Takes in what was noted; what is damaged is left out."""
        try:
            kept = json.loads(note)
        except (ValueError, RecursionError):
            return
        for text, ports in list(kept.items())[:NOTED] if isinstance(kept, dict) else ():
            try:
                one, other = map(parse_address, text.split(" "))
            except ValueError:
                continue
            if isinstance(ports, list):
                known = self._pairs.touch((one, other))
                known.update(dict.fromkeys(port for port in ports[:PORTS] if type(port) is int))
