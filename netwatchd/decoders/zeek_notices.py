"""Zeek's notice.log as threats (docs.zeek.org, base/frameworks/notice).

A notice has a type, such as `SSH::Password_Guessing`, and no severity. That comes from what the type says; a notice
that the administrator has asked to be mailed (`Notice::ACTION_EMAIL`, `ACTION_PAGE`, `ACTION_ALARM`) is at least
medium.
Types that speak of Zeek itself (its losses, its filters), or of nothing bad, are skipped and counted, or info.
"""

import re
from typing import Any

from netwatchd.addresses import address_text
from netwatchd.decoders import log_values
from netwatchd.decoders.ids_alerts import IDS_ALERT, Said, Side, at_least, printable, sweep_target, threat_of
from netwatchd.decoders.json_lines import Malformed
from netwatchd.events import Threat

FIELDS = (
    "ts", "uid", "id.orig_h", "id.orig_p", "id.resp_h", "id.resp_p", "proto", "note", "msg", "sub", "src", "dst", "p",
    "n", "actions", "dropped",
)  # fmt: skip
# What only a notice.log has.
ONLY = frozenset({"note"})

# Severity by type, or by its module, the longer one first. Whatever is not here was installed by the administrator, who
# wants to know of it: low.
_SEVERITY = {
    "Scan": "medium",
    "SSH::Password_Guessing": "medium", "FTP::Bruteforcing": "medium", "SSH::Login_By_Password_Guesser": "high",
    "HTTP::SQL_Injection_Attacker": "medium", "HTTP::SQL_Injection_Victim": "medium",
    "Heartbleed": "high", "Intel": "high", "TeamCymruMalwareHashRegistry": "high", "Exploit": "high",
    "ShellShock": "high", "Signatures": "medium", "FTP::Site_Exec_Success": "high", "CVE": "high",
    # Routers, printers and cameras of every home have certificates that they signed themselves.
    "SSL::Invalid_Server_Cert": "info", "SSL": "info", "Conn": "info", "LongConnection": "info", "Traceroute": "info",
    "Software": "info", "SSH": "low", "DNS": "low", "SMTP": "low", "ProtocolDetector": "info", "Known": "info",
    "SoftwareVulnerable": "low", "Software::Vulnerable_Version": "low", "ARP": "medium", "Weird": "info",
}  # fmt: skip
# Modules of Zeek that tell of Zeek: what it lost, filters and how many notices it wrote.
_OF_ITSELF = frozenset(("CaptureLoss", "PacketFilter", "Notice", "Stats", "Reporter", "Cluster", "Broker", "PerfStats"))
_KINDS = {
    "Scan::Port_Scan": "port_scan", "Scan::Address_Scan": "host_sweep", "Scan::Random_Scan": "host_sweep",
    "SSH::Password_Guessing": "brute_force", "FTP::Bruteforcing": "brute_force",
}  # fmt: skip
_PORTS = {"SSH::Password_Guessing": 22, "FTP::Bruteforcing": 21}
_WANTED = ("Notice::ACTION_EMAIL", "Notice::ACTION_PAGE", "Notice::ACTION_ALARM")
# `... scanned at least 25 unique hosts on port 23/tcp in 0m1s`
_ON_PORT = re.compile(r"\bon ports? ([0-9]{1,5})/(tcp|udp|icmp)\b(?!,)")
_ADDRESS = re.compile(r"[0-9a-fA-F:.]{3,45}")


def threat(values: tuple[Any, ...], source: str) -> list[Threat] | None:
    """The threat of a notice, whose values are in the order of FIELDS; None where Zeek speaks of itself.

    Raises Malformed.
    """
    ts, uid, orig_h, orig_p, resp_h, resp_p, proto, note, message, sub, src, dst, port, n, actions, dropped = values
    if not isinstance(note, str) or not re.fullmatch(r"[A-Za-z0-9_]{1,60}(?:::[A-Za-z0-9_]{1,60}){1,3}", note):
        raise Malformed("note should be the type of a notice, such as Scan::Port_Scan")
    module = note.split("::")[0]
    if module in _OF_ITSELF:
        return None
    text, more = (printable(each) if isinstance(each, str) else "" for each in (message, sub))
    culprit = _side(src, None) or _side(orig_h, orig_p)
    victim = _victim(note, _side(dst, port) or _side(resp_h, resp_p), more)
    severity = _SEVERITY.get(note) or _SEVERITY.get(module, "low")
    if any(wanted in str(actions) for wanted in _WANTED):
        severity = at_least(severity, "medium")
    evidence = {
        "program": source, "note": note, "message": text, "sub": more or None, "proto": _word(proto),
        "from": culprit and culprit.text, "to": victim and victim.text, "n": _whole(n), "uid": _word(uid),
        "dropped": True if dropped in (True, "T") else None,
    }  # fmt: skip
    who = culprit and address_text(culprit.address)
    said = Said(
        "Zeek", note, severity, log_values.micros(ts, "ts") // 1000, culprit, victim,
        {name: told for name, told in evidence.items() if told is not None},
        f"look at what else Zeek saw: grep {_word(uid) or who or note} *.log",
        detail=f"{text} ({note})" if text else "",
    )  # fmt: skip
    kind = _KINDS.get(note, IDS_ALERT)
    if kind == "host_sweep" and (swept := _ON_PORT.search(text)):
        return [threat_of(said, kind, sweep_target(None, int(swept[1]), swept[2]))]
    return [threat_of(said, kind)]


def _victim(note: str, victim: Side | None, more: str) -> Side | None:
    """Who suffers it, where the notice names one only; with the port of the service."""
    port = _PORTS.get(note)
    if port is None:
        return victim
    if victim is None:
        # `Sampled servers:  192.168.56.103, 192.168.56.103`
        named = set(_ADDRESS.findall(more.partition("servers:")[2]))
        victim = _side(named.pop(), None) if len(named) == 1 else None
    return victim and Side(victim.address, victim.port or port)


def _side(address: Any, port: Any) -> Side | None:
    if address is None or address == "":
        return None
    return Side(log_values.address(address, "an address"), None if port is None else _port(port))


def _port(value: Any) -> int:
    """`22`, or `22/tcp` as older versions write it."""
    return log_values.port(value.split("/")[0] if isinstance(value, str) else value, "the port")


def _word(value: Any) -> str | None:
    return value if isinstance(value, str) and re.fullmatch(r"[A-Za-z0-9_]{1,40}", value) else None


def _whole(value: Any) -> int | None:
    return None if value is None else log_values.count(value, "n")
