"""What another program has recognised (Suricata, Zeek), as a threat of ours.

Where it recognised the same thing as one of our own detectors would, the threat has that detector's kind, device and
target, so that both are one row. Everything else is of the kind `ids_alert`: the device that does it, and as the target
what it is said to do, because one device may do several things, and one of them to many peers.
"""

import re
from typing import Any, NamedTuple

from netwatchd.addresses import PRIVATE, Address, Networks, address_text
from netwatchd.events import SEVERITIES, Threat, ThreatStatus

IDS_ALERT = "ids_alert"
LONGEST = 120  # characters of a rule's name, which becomes a part of what makes a threat the same
# Kinds whose target is a service, and not a host.
_AT_SERVICE = frozenset(("brute_force", "plaintext"))
# An alert does not say which networks are the home's; at home these are.
_HERE = Networks(PRIVATE.split())
# What a rule's name says in so many words. A rule that only has "SCAN" in its name looks for one packet, such as that
# of a scanner's User-Agent: it has not seen many ports tried. The domain of a DNS tunnel is not known to an alert.
_TEXT, _SECRET = "(?:clear|plain)[ -]?text", "(?:password|credential|login|pass=)"
_SWEPT = "(?:host|ping|icmp|arp|network|address|horizontal)"
_OFTEN, _LOGIN = "(?:excessive|multiple|many|repeated)", r"(?:log ?[io]ns?|auth\w*|passwords?)"
_KINDS = tuple(
    (kind, re.compile(pattern, re.IGNORECASE))
    for kind, pattern in (
        ("host_sweep", rf"\b{_SWEPT}[ -]?(?:port ?)?(?:sweep|scan)|sweep\b"),
        ("port_scan", r"\bport[ -]?scan|\bnmap -s|\bvertical scan"),
        ("brute_force", rf"\bbrute[ -]?forc|password[ -]guess|\b{_OFTEN}\b.{{0,40}}\b{_LOGIN}\b"),
        ("flood", r"\b(?:syn|udp|icmp|ping|ack|http|rst|fin|packet|connection)[ -]?flood"),
        ("icmp_tunnel", r"\bicmp\b.{0,30}\btunnel"),
        ("plaintext", rf"{_TEXT}.{{0,40}}\b{_SECRET}|\b{_SECRET}.{{0,40}}{_TEXT}|unencrypted (?:password|login)"),
    )
)


class Side(NamedTuple):
    """One of the two that an alert is about."""

    address: Address
    port: int | None

    @property
    def text(self) -> str:
        """`192.0.2.1:443`, `[2001:db8::1]:443`, or the address alone."""
        if not self.port:
            return address_text(self.address)
        host = address_text(self.address)
        return f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"


class Said(NamedTuple):
    """What the other program says."""

    program: str  # as people call it
    what: str  # the name of its rule, always the same
    severity: str
    time: int  # Unix ms
    culprit: Side | None  # who does it
    victim: Side | None  # to whom
    evidence: dict[str, Any]
    recommendation: str
    detail: str = ""  # what it says of this one case
    action: str = ""  # what was done about it: a part of a sentence


def kind_of(text: str) -> str:
    """The kind of threat that a rule's name stands for."""
    return next((kind for kind, pattern in _KINDS if pattern.search(text)), IDS_ALERT)


def threat_of(said: Said, kind: str | None = None, target: str | None = None) -> Threat:
    """The threat; `kind` is one of ours, and `target` its, where that is known better than by the rule's name."""
    what = printable(said.what)
    kind = kind or kind_of(what)
    target = target or _target(kind, said, what)
    if target is None:  # whom it is done to was not said: our own detector's row cannot be met
        kind, target = IDS_ALERT, what
    culprit, victim = said.culprit, said.victim
    sides = " to ".join(side.text for side in (culprit, victim) if side)
    return Threat(
        0, kind, said.severity, address_text(culprit.address) if culprit else None, target,
        f"{said.program} reports: {said.detail or what}" + (f", from {sides}" if sides else "") + said.action,
        said.recommendation, said.evidence, said.time, said.time, 1, ThreatStatus.OPEN,
    )  # fmt: skip


def at_most(severity: str, most: str) -> str:
    """The severity, or `most` where that is less."""
    return min(severity, most, key=SEVERITIES.index)


def at_least(severity: str, least: str) -> str:
    """The severity, or `least` where that is more."""
    return max(severity, least, key=SEVERITIES.index)


def printable(text: str) -> str:
    """A text that can be shown: without what acts on a terminal, and not longer than LONGEST."""
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def sweep_target(victim: Address | None, port: int | None, protocol: str) -> str | None:
    """The target of a host sweep: the service that was looked for and where, or the network that was pinged."""
    if port:
        place = "lan" if victim is None or victim in _HERE else "world"
        return f"{place}:{port}" + ("/udp" if protocol == "udp" else "")
    if victim is None or not protocol.startswith("icmp"):
        return None
    if isinstance(victim, int):
        return f"{address_text(victim & 0xFFFFFF00)}/24"
    return f"{address_text(victim[:8] + bytes(8))}/64"


def _target(kind: str, said: Said, what: str) -> str | None:
    """The target as our own detector of the kind has it; None where it is not known."""
    victim = said.victim
    if kind == IDS_ALERT or victim is None:
        return what if kind == IDS_ALERT else None
    if kind == "host_sweep":
        return sweep_target(victim.address, victim.port, said.evidence.get("proto", ""))
    if kind in _AT_SERVICE:
        return victim.text if victim.port else None
    return victim.text if kind == "flood" else address_text(victim.address)
