"""Devices of a simple kind that suddenly scan or open connections by which machines are taken over.

A lamp, a camera, a printer or a television speaks with its cloud, with who controls it and with who serves it. Malware
such as Mirai lives on such devices, and looks for more of them: by telnet first, then by SSH, ADB and what else is
left open. So of a simple device it is told when it

* opens telnet to anybody elsewhere: nothing at home needs that. Here some do (amplifiers are controlled by it);
* opens other connections of remote control to HOSTS hosts elsewhere, or here (one or two file servers are usual);
* tries VAIN services here in vain within a minute: less than is a scan of others. Elsewhere it may be its cloud that
  is down, on many servers and ports;
* asks for ASKED addresses here that nobody has, by ARP or ND.
"""

from typing import Any

from netwatchd.addresses import address_text
from netwatchd.config import Iot as Settings
from netwatchd.detectors import Findings, Home, Wants
from netwatchd.detectors.attempts import CONTROL, EVERYDAY, SERVICES, TCP, UNKNOWN, WELL_KNOWN, attempt
from netwatchd.detectors.naming import called_by_key
from netwatchd.detectors.scanners import is_simple, what_to_do
from netwatchd.detectors.sides import is_here
from netwatchd.detectors.tally import Tallies, Tally
from netwatchd.detectors.telling import threat
from netwatchd.events import Flow, Threat
from netwatchd.observations import AddressAsked, Observation

TELNET = frozenset((23, 2323))
NAMES = {
    22: "SSH", 23: "telnet", 2323: "telnet", 139: "SMB", 445: "SMB", 3389: "RDP", 5555: "ADB", 7547: "TR-069",
    2222: "SSH", 5900: "VNC",
}  # fmt: skip
HOSTS = 3
MANY = 10  # hosts elsewhere, from which on it looks for victims
VAIN = 8  # discovery of media servers and printers meets some that have left or refuse
ASKED = 16
TIME = 600_000  # milliseconds, of connections
VAIN_TIME = 60_000  # of what is in vain
# What a home's controls speak to other devices: amplifiers and bridges by telnet, televisions by ADB.
CONTROLS = frozenset(("hub",))
VAIN_KEY, ASKED_KEY = "services", "addresses"

Key = tuple[str, Any, bool]  # the device, a port or one of the two words above, whether the hosts are here


class Iot:
    """The detector `iot`."""

    wants = Wants.NEW | Wants.ATTEMPTS
    ports = (frozenset(range(1, WELL_KNOWN)) | SERVICES) - EVERYDAY
    observes = (AddressAsked,)

    def __init__(self, settings: Settings, home: Home) -> None:
        self.settings = settings
        self._home = home
        self._tallies: Tallies[Key] = Tallies(TIME)

    def see_flow(self, flow: Flow, device: str | None, new: bool) -> Findings:
        """A flow to a service, when it is new or not answered."""
        if device is None or flow[7] != TCP or flow[12] == "partial" or not is_simple(self._home, device):
            return ()
        if self._home.owner(flow[3]) != device:
            return ()  # it is the one that was asked
        here, port, tried = is_here(self._home, flow[5]), flow[6], attempt(flow)
        how = None if tried is None else tried[0]
        found = []
        if port in CONTROL and (flow[10] or how is not None) and not (here and self._is_control(device)):
            tally = self._tallies.touch((device, port, here), flow[1])
            tally.see(address_text(flow[5]), flow[1], how or UNKNOWN, 1, "tcp", flow[13], new)
            least = 1 if port in TELNET and not here else HOSTS
            if _is_due(tally, least, TIME):
                found.append(self._tell_control(device, port, here, tally))
        # A hub asks all that it controls, and when the Wi-Fi is off, in vain.
        if here and how and not self._is_control(device):
            tally = self._tallies.touch((device, VAIN_KEY, True), flow[1])
            tally.see((address_text(flow[5]), port), flow[1], how, 1, "tcp", flow[13], new)
            if _is_due(tally, VAIN, VAIN_TIME):
                found.append(self._tell_vain(device, tally))
        return found

    def observe(self, observation: Observation) -> Findings:
        """Somebody asked who has an address."""
        assert isinstance(observation, AddressAsked)
        home, target = self._home, observation.target
        if home.owner(target) is not None or target not in home.networks or not is_simple(home, observation.mac):
            return ()
        tally = self._tallies.touch((observation.mac, ASKED_KEY, True), observation.time)
        text = address_text(target)
        tally.see(text, observation.time, UNKNOWN, 1, "arp", observation.source)
        if not _is_due(tally, ASKED, VAIN_TIME):
            return ()
        what = f"asked for {tally.count:,} addresses that nobody has"
        return [self._threat(observation.mac, "lan", "high", what, tally, "addresses")]

    def _is_control(self, device: str) -> bool:
        known = self._home.device(device)
        return known is not None and known.kind in CONTROLS

    def _tell_control(self, device: str, port: int, here: bool, tally: Tally) -> Threat:
        name = f"{NAMES[port]}, port {port}" if port in NAMES else f"port {port}"
        whom = next(iter(tally.things)) if tally.count == 1 else f"{tally.count:,} hosts"
        where = "here" if here else "on the Internet"
        severity = "critical" if not here and tally.count >= MANY else "high"
        what = f"opened connections ({name}) to {whom} {where}"
        return self._threat(device, f"{'lan' if here else 'world'}:{port}", severity, what, tally, "hosts")

    def _tell_vain(self, device: str, tally: Tally) -> Threat:
        hosts = {host for host, _ in tally.things}
        whom = next(iter(hosts)) if len(hosts) == 1 else f"{len(hosts):,} hosts here"
        what = f"tried {tally.count:,} services of {whom} in vain"
        return self._threat(device, "lan", "high", what, tally, "services", _service_text)

    def _threat(  # what a threat is made of
        self, device: str, target: str, severity: str, what: str, tally: Tally, things: str, text: Any = str
    ) -> Threat:
        tally.note_told()
        known = self._home.device(device)
        kind = known.kind if known else "unknown"
        return threat(
            "iot", severity, tally.first, tally.last, device=device, target=target,
            description=f"{called_by_key(self._home, device)} {what} in {tally.span()}, as no {kind} should",
            recommendation=what_to_do(self._home, device, inside=True),
            evidence={"device_kind": kind} | tally.evidence(things, text),
        )  # fmt: skip


def _is_due(tally: Tally, least: int, time: int) -> bool:
    """Whether there is something to tell, where so many things within a time are too many."""
    if tally.told:
        return tally.is_worth_telling_again()
    if tally.count < least:
        return False
    tally.forget(tally.last - time)
    return tally.count >= least


def _service_text(thing: tuple[str, int]) -> str:
    return f"{thing[0]}:{thing[1]}"
