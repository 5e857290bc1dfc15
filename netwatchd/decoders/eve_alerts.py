"""Suricata's `alert` events as threats (docs.suricata.io, "Eve JSON Format", event type alert).

Severity. A rule has a priority, by its class or its own: 1 is high, 2 medium, 3 low, and more is info. What is known
better lowers it:

* who wrote the rule says of it that it only informs (`signature_severity` Informational, Minor; the rules ET INFO), or
  its class does ("Not Suspicious Traffic", "Misc activity", "Generic Protocol Command Decode", ...);
* "Potential Corporate Privacy Violation" has priority 1, for an office. At home it is low;
* somebody knocked, and no packet came back: nothing has happened. Low.

What Suricata's own rules say of packets that it could not make sense of ("SURICATA STREAM ...", "SURICATA IPv4 ...") is
no threat: a lost packet is enough for one. These are skipped, and counted.

Who does it. `src_ip` is who sent the packet that the rule met, which is the server where the rule looks at answers. A
rule may say itself who attacks whom (`alert.source`, `alert.target`). Else it is the one who opened the conversation
(`flow.src_ip`, or by `direction`), because malware calls home, and attackers call on servers; unless the rule is about
an answer that attacks the client.
"""

import re
from collections import Counter
from typing import Any

from netwatchd.decoders import log_values
from netwatchd.decoders.ids_alerts import Said, Side, at_most, threat_of
from netwatchd.decoders.json_lines import Malformed
from netwatchd.events import Threat

_SEVERITY = {1: "high", 2: "medium", 3: "low"}
OWN_EVENTS = "alert of own events"  # how these are counted
_OWN = range(2_200_000, 2_300_000)  # sids of the rules in Suricata's own *-events.rules
# Classes (classification.config) that say of themselves that nothing bad is known.
_INFORMS = frozenset((
    "Not Suspicious Traffic", "Unknown Traffic", "Misc activity", "Generic Protocol Command Decode",
    "Generic ICMP event", "Device Retrieving External IP Address Detected",
    "Detection of a Non-Standard Protocol or Event", "A TCP connection was detected",
))  # fmt: skip
# Of an office's rules, not of a home's.
_POLICY = frozenset(("Potential Corporate Privacy Violation", "Inappropriate Content was Detected"))
# Those whose packets come to everybody who has an address: without an answer, nothing came of it.
_KNOCKS = frozenset((
    "Misc Attack", "Attempted Information Leak", "Detection of a Network Scan", "Potentially Bad Traffic",
    "Web Application Attack", "Attempted User Privilege Gain", "Attempted Administrator Privilege Gain",
    "Attempt to login by a default username and password",
))  # fmt: skip
# Of what malware does after it came; who calls is the one who has it.
_INFECTED = re.compile(
    r"trojan|malware|command and control|c2|crypto|coin|theft|exfil|unwanted program|info.?stealer", re.I
)
_WORDS = re.compile(r"[A-Za-z0-9_.:/ -]{1,64}")


def threat(value: dict[str, Any], skipped: Counter[str], source: str) -> list[Threat]:
    """The threat of an alert; none where it is one of Suricata's own events. Raises Malformed."""
    alert = value.get("alert")
    if not isinstance(alert, dict):
        raise Malformed('an alert event should have an object "alert"')
    signature = alert.get("signature")
    sid = _number(alert, "signature_id")
    if not isinstance(signature, str) or not signature.strip():
        signature = f"rule {sid}"
    if sid in _OWN or signature.startswith("SURICATA "):
        skipped[OWN_EVENTS] += 1
        return []
    time = log_values.micros(value.get("timestamp"), "timestamp") // 1000
    culprit, victim = _sides(value, alert)
    gid, rev = _number(alert, "gid") or 1, _number(alert, "rev")
    blocked = alert.get("action") == "blocked"
    flow = _flow_id(value.get("flow_id"))
    evidence = {
        "program": source, "signature": signature[:255], "rule": f"{gid}:{sid}:{rev}",
        "category": _word(alert.get("category")), "action": _word(alert.get("action")),
        "proto": _protocol(value.get("proto")), "app_proto": _word(value.get("app_proto")),
        "from": culprit and culprit.text, "to": victim and victim.text, "flow_id": flow,
    }  # fmt: skip
    said = Said(
        "Suricata", signature, _severity(value, alert, signature), time, culprit, victim,
        {name: told for name, told in evidence.items() if told is not None},
        f"look up rule {sid}" + (f"; what else Suricata saw of it: grep '\"flow_id\":{flow}' eve.json" if flow else ""),
        action=", which it blocked" if blocked else "",
    )  # fmt: skip
    return [threat_of(said, "port_scan" if alert.get("category") == "Detection of a Network Scan" else None)]


def _severity(value: dict[str, Any], alert: dict[str, Any], signature: str) -> str:
    priority = alert.get("severity")
    severity = _SEVERITY.get(priority, "info") if type(priority) is int else "low"
    category = _word(alert.get("category"))
    meant = _first(alert.get("metadata"), "signature_severity")
    if category in _INFORMS or meant == "Informational" or re.match(r"(?:ET|ETPRO) INFO\b", signature):
        return "info"
    if category in _POLICY or meant == "Minor":
        return at_most(severity, "low")
    flow = value.get("flow")
    if category in _KNOCKS and isinstance(flow, dict) and flow.get("pkts_toclient") == 0:
        return at_most(severity, "low")
    return severity


def _sides(value: dict[str, Any], alert: dict[str, Any]) -> tuple[Side | None, Side | None]:
    """Who does it, and to whom."""
    told = [_side(part, "ip", "port") for part in (alert.get("source"), alert.get("target"))]
    if all(told):
        return told[0], told[1]
    source, target = _side(value, "src_ip", "src_port"), _side(value, "dest_ip", "dest_port")
    if source is None or target is None:
        return source, target  # of a packet that is none of IP
    if _is_answer(value, source, target):
        # The packet is the server's: by it the server attacks, or shows what the client has done or has caught.
        return (source, target) if _attacks_client(alert) else (target, source)
    return source, target


def _is_answer(value: dict[str, Any], source: Side, target: Side) -> bool:
    """Whether the packet of the alert went from the server to the client."""
    opener = _side(value.get("flow"), "src_ip", "src_port")
    if opener is not None:
        return opener == target
    direction = value.get("direction")
    if direction in ("to_client", "to_server"):
        return bool(direction == "to_client")
    # Suricata before 6 tells of neither: a well-known port is the server's.
    return 0 < (source.port or 0) < 1024 <= (target.port or 0)


def _attacks_client(alert: dict[str, Any]) -> bool:
    category = alert.get("category")
    meant = _first(alert.get("metadata"), "attack_target") or ""
    return meant.startswith("Client") and not (isinstance(category, str) and _INFECTED.search(category))


def _side(value: Any, ip: str, port: str) -> Side | None:
    if not isinstance(value, dict) or value.get(ip) in (None, ""):
        return None
    told = value.get(port)
    return Side(log_values.address(value[ip], ip), None if told is None else log_values.port(told, port))


def _number(alert: dict[str, Any], name: str) -> int:
    value = alert.get(name)
    return 0 if value is None else log_values.count(value, name)


def _flow_id(value: Any) -> int | None:
    return value if type(value) is int and 0 <= value < 2**63 else None


def _word(value: Any) -> str | None:
    """A text of a few plain words, as classes and protocols are named."""
    return value if isinstance(value, str) and _WORDS.fullmatch(value) else None


def _protocol(value: Any) -> str | None:
    name = _word(value)
    return name.lower() if name else None


def _first(metadata: Any, name: str) -> str | None:
    """The first value of a list in the metadata of a rule."""
    values = metadata.get(name) if isinstance(metadata, dict) else None
    first = values[0] if isinstance(values, list) and values else values
    return first if isinstance(first, str) else None
