"""Recorded attacks, harmless traffic and edge cases, each with its verdict by somebody else, are replayed through the
whole pipeline, each alone and into a fresh directory, as `netwatchd replay` would. An alert is any threat but news of
devices and what is merely information. *Expected* are, by kind, the alerts that must come: of the attack's kind, and
naming the attacker; *matched* those that came. The row of harmless captures counts those in which nothing was told.
"""

import csv
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

from accuracy import Row
from netwatchd.config import Config
from netwatchd.events import Threat
from netwatchd.replay import FileReport, Replay

TRUTH = "_truth/verdicts.tsv"
SUFFIXES = (".pcap", ".pcapng", ".cap")


class Alert(NamedTuple):
    """An alert that must come: one of these kinds, by this one, and to this one as far as that is known."""

    kinds: tuple[str, ...]
    device: str = ""  # how the attacker is called: an address or a MAC; empty: the verdict does not say
    target: str = ""  # part of what the target is called

    def is_met_by(self, threat: Threat) -> bool:
        """Whether a threat is this alert."""
        said = (threat.device or "", str(threat.evidence.get("ip", "")), str(threat.evidence.get("mac", "")))
        return (
            threat.kind in self.kinds
            and (not self.device or self.device in said or self.device in threat.description)
            and self.target in (threat.target or "")
        )


# What each verdict demands in our words, by the end of its path: the column must_alert is written for people.
_PORT, _SWEEP, _BRUTE = ("port_scan",), ("host_sweep",), ("brute_force",)
DEMANDED: Mapping[str, tuple[Alert, ...]] = {
    "synscan.pcap": (Alert(_PORT, "172.16.0.8", "64.13.134.52"),),
    "dns-tunnel-iodine.pcap": (Alert(("dns_tunnel",), "10.0.2.30", "pirate.sea"),),
    "icmp-tunnel.pcap": (Alert(("icmp_tunnel",), "192.168.154.131"),),
    "sshguess.pcap": (Alert(_BRUTE, "192.168.56.1", "192.168.56.103:22"),),
    "ftp/bruteforce.pcap": (Alert(_BRUTE, "192.168.56.1", "192.168.56.101:21"),),
    "nmap-vsn.pcap": (Alert(_SWEEP, "c4:2c:03:3b:6c:aa"),),
    "dhcp-request-flood/test.pcap": (Alert(("dhcp_starvation", "dhcp_flood", "flood")),),
    "pcaps/port_scan.pcap": (Alert(_PORT, "192.168.2.154", "192.168.2.22"),),
    "multiport_scan.pcap": (Alert(_SWEEP, "125.27.226.209"),),
    "scan_with_zero_windows.pcap": (Alert(_SWEEP, "10.0.0.1"),),
    "test8-malicious.pcap": (Alert(_SWEEP, "50:ed:3c:39:bc:d9"),),
    "test12-icmp-portscan.pcap": (Alert(_SWEEP, "192.168.1.109"),),
    "vertical/conn.log": (Alert(_PORT, "192.168.1.9", "45.33.32.156"),),
    "test13-malicious-dhcpscan-zeek-dir": (Alert(("dhcp_starvation", "dhcp_scan"), "24:4b:fe:1c:48:a4"),),
    "test3-mixed.binetflow": (Alert(_SWEEP, "46.166.151.160"),),
    "ps-tcp_syn.pcap": tuple(Alert(_PORT, "10.0.0.140", f"10.0.0.{last}") for last in (1, 2, 254)),
    "corpus/port_scan.pcap": (Alert(_PORT, "203.0.113.9", "198.51.100.7"),),
    "stealth_scan_fin.pcap": (Alert(_PORT),),
    "stealth_scan_null.pcap": (Alert(_PORT),),
    "stealth_scan_xmas.pcap": (Alert(_PORT),),
    "udp_scan.pcap": (Alert(_PORT),),
    "infection_scan.pcap": (Alert(_SWEEP, "10.0.0.5"),),
    "dns_exhaustion.pcap": (Alert(("dns_anomaly", "dns_tunnel")),),
    "dns_nxdomain_flood.pcap": (Alert(("dns_anomaly", "dns_tunnel")),),
}
# More that is true of a recording, though its verdict does not name it: told there, it is no false alarm.
ALSO: Mapping[str, tuple[Alert, ...]] = {
    # A bit of everything: SYN, NULL, FIN, XMAS and UDP to twelve ports.
    "mixed_soup.pcap": (Alert(_PORT, "203.0.113.9", "198.51.100.7"),),
    # Its first lines are another one's sweep: 445 of host after host.
    "test3-mixed.binetflow": (Alert(_SWEEP, "216.73.23.146", "445"),),
}
# News of devices are no alerts, and what is merely information is true of clean traffic, too.
_NEWS = frozenset(("new_device", "device_back", "name_changed"))


class Outcome(NamedTuple):
    """What came of one recording."""

    path: str
    verdict: str  # attack, clean, edge
    demanded: tuple[Alert, ...]
    report: FileReport
    found: tuple[Alert, ...]
    false: tuple[Threat, ...]  # alerts that nobody demanded

    @property
    def missed(self) -> tuple[Alert, ...]:
        """The alerts that did not come."""
        return tuple(alert for alert in self.demanded if alert not in self.found)


def rows(data: Path) -> list[Row]:
    """The rows of docs/ACCURACY.md on threats; `data` is the folder of the recordings."""
    outcomes = _outcomes(data)
    made = [
        Row("verdicts", f"{kind}: alerts that must come", len(those), total, total - len(missed),
            tuple(f"1 of {each.path}: it was not told" for each, _ in missed))
        for kind, those, total, missed in _by_kind(outcomes)
    ]  # fmt: skip
    for verdict, what in (
        ("clean", "harmless captures in which nothing may be told"),
        ("edge", "edge cases that must not alarm"),
    ):
        these = [each for each in outcomes if each.verdict == verdict]
        wrong = [each for each in these if each.false]
        made.append(
            Row("verdicts", what, len(these), len(these), len(these) - len(wrong),
                tuple(f"1 of {each.path}: {_sentences(each.false)}" for each in wrong))
        )  # fmt: skip
    attacks = [each for each in outcomes if each.verdict == "attack"]
    loud = [each for each in attacks if each.false]
    made.append(
        Row("verdicts", "attacks in which nothing is told but what is there", len(attacks), len(attacks),
            len(attacks) - len(loud), tuple(f"1 of {each.path}: {_sentences(each.false)}" for each in loud))
    )  # fmt: skip
    return made


def headline(data: Path) -> str:
    """How many of the alerts came, and how many that should not: a sentence for the top of the page."""
    outcomes = _outcomes(data)
    demanded = sum(len(each.demanded) for each in outcomes)
    found = sum(len(each.found) for each in outcomes)
    false = sum(len(each.false) for each in outcomes)
    clean = sum(each.verdict == "clean" for each in outcomes)
    return (
        f"{found} of {demanded} attacks are told, and {false} false alarms in {len(outcomes)} recordings, "
        f"{clean} of which are harmless."
    )


def details(data: Path) -> str:
    """Precision and recall by kind, and what is told in each recording, and in those without a verdict."""
    outcomes = _outcomes(data)
    lines = ["| kind | told rightly | missed | false alarms | precision | recall |\n|---|--:|--:|--:|--:|--:|\n"]
    kinds = {kind: (total - len(missed), len(missed)) for kind, _, total, missed in _by_kind(outcomes)}
    false = [threat.kind for each in outcomes for threat in each.false]
    for kind in sorted(kinds.keys() | set(false)):
        right, missed = kinds.get(kind, (0, 0))
        wrong = false.count(kind)
        lines.append(
            f"| {kind} | {right} | {missed} | {wrong} | {_share(right, right + wrong)} | "
            f"{_share(right, right + missed)} |\n"
        )
    lines.append("\n| recording | verdict | told |\n|---|---|---|\n")
    for each in outcomes:
        told = "; ".join(threat.description for threat in _alerts(each.report)) or "nothing"
        lines.append(f"| {each.path} | {each.verdict} | {told.replace('|', '/')} |\n")
    others = _others(data)
    loud = [(path, alerts) for path, alerts in others if alerts]
    lines.append(
        f"\nOf {len(others)} more captures, about which nobody has said whether there is an attack in them, something\n"
        f"is told in {len(loud)}:\n\n| recording | told |\n|---|---|\n"
    )
    for path, alerts in loud:
        lines.append(f"| {path} | {'; '.join(each.description for each in alerts).replace('|', '/')} |\n")
    return "".join(lines)


def verdicts(data: Path) -> list[tuple[str, str]]:
    """The path of each recording with a verdict, and the verdict: attack, clean, edge."""
    with (data / TRUTH).open(newline="", encoding="utf-8") as file:
        return [(row["path"], row["verdict"]) for row in csv.DictReader(file, delimiter="\t")]


def demanded_of(path: str) -> tuple[Alert, ...]:
    """What must be told of a recording."""
    return next((alerts for end, alerts in DEMANDED.items() if path.endswith(end)), ())


def replayed(path: Path) -> FileReport:
    """What is told of a recording by default settings."""
    with tempfile.TemporaryDirectory(prefix="nw-") as made, Replay(Config(), Path(made), lambda: False) as replay:
        report = FileReport(str(path))
        for file in _files(path):
            each = replay.file(str(file), None, lambda _: None)
            report.threats |= each.threats
            report.devices += each.devices
            report.error = report.error or each.error
        return report


@cache
def _outcomes(data: Path) -> tuple[Outcome, ...]:
    made = []
    for path, verdict in verdicts(data):
        report = replayed(data / path)
        demanded = demanded_of(path)
        allowed = demanded + next((alerts for end, alerts in ALSO.items() if path.endswith(end)), ())
        alerts = _alerts(report)
        found = tuple(alert for alert in demanded if any(alert.is_met_by(threat) for threat in alerts))
        false = tuple(threat for threat in alerts if not any(alert.is_met_by(threat) for alert in allowed))
        made.append(Outcome(path, verdict, demanded, report, found, false))
    return tuple(made)


def _others(data: Path) -> list[tuple[str, list[Threat]]]:
    """The captures without a verdict, and what is told of them."""
    judged = {path for path, _ in verdicts(data)}
    paths = sorted(path for suffix in SUFFIXES for path in data.rglob(f"*{suffix}"))
    names = [(path, str(path.relative_to(data))) for path in paths]
    return [(name, _alerts(replayed(path))) for path, name in names if name not in judged]


def _files(path: Path) -> Sequence[Path]:
    return sorted(path.iterdir()) if path.is_dir() else [path]


def _alerts(report: FileReport) -> list[Threat]:
    return [each for each in report.threats.values() if each.kind not in _NEWS and each.severity != "info"]


def _by_kind(
    outcomes: Sequence[Outcome],
) -> Iterator[tuple[str, list[Outcome], int, list[tuple[Outcome, Alert]]]]:
    """By the first of the kinds that will do: the recordings, how many alerts must come, and those that did not."""
    for kind in sorted({alert.kinds[0] for each in outcomes for alert in each.demanded}):
        those = [each for each in outcomes if any(alert.kinds[0] == kind for alert in each.demanded)]
        alerts = [(each, alert) for each in those for alert in each.demanded if alert.kinds[0] == kind]
        yield kind, those, len(alerts), [(each, alert) for each, alert in alerts if alert in each.missed]


def _sentences(threats: Sequence[Threat]) -> str:
    return "; ".join(f"{each.kind}: {each.description}" for each in threats)


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.2f}" if whole else "-"
