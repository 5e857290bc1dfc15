"""netwatchd on the router of a home where somebody attacks, and others do ordinary things: the alerts, and how soon.

    python tests/lab_threats.py [--capture | --no-capture] [--only SCENARIO] [--markdown FILE] [--log]

Twice, without and with the capture of packets. An alert is any threat but news of devices and mere information. The
table says how long after the first packet of the attack it was told to a client; of what no source that is on can show
it says so.
"""

import argparse
import json
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from lab_journey import Journey, journey
from lab_kit import why_not

SOON = 30.0  # seconds after the end of an attack after which what was not told will not be
SETTLED = 5.0  # seconds in which nothing may be told after something ordinary
# Seconds from the first packet to the alert. A beacon is one only when it has called eight times; here that takes 14 s,
# and connection tracking tells what they carried ten seconds later.
PROMISE, SCAN_PROMISE, BEACON_PROMISE = 10.0, 3.0, 30.0
NEWS = ("new_device", "device_back", "name_changed")
SCANS = ("port_scan", "host_sweep")


class Attack(NamedTuple):
    """One scenario of the lab, and the alert that it should yield."""

    scenario: str
    options: dict[str, Any]
    kinds: tuple[str, ...]  # one of these; empty: it is ordinary, and nothing may be told
    by: str = "kali"
    tables: bool = True  # whether the kernel's tables and DHCP show it
    packets: bool = True  # whether the packets of the LAN do

    @property
    def what(self) -> str:
        """How the table calls it."""
        return " ".join([self.scenario, *(f"{key}={value}" for key, value in self.options.items())])


ATTACKS = (
    Attack("browse", {}, ()),
    Attack("browse6", {}, ()),
    Attack("download", {}, ()),
    Attack("upload", {}, ()),
    Attack("lan_transfer", {}, ()),
    Attack("discovery", {}, ()),
    Attack("mixed", {"seconds": 20}, ()),
    Attack("scan_syn", {"target": "web"}, ("port_scan",)),
    Attack("scan_syn", {"target": "router"}, ("port_scan",)),
    Attack("sweep_lan", {}, ("host_sweep",), tables=False),
    Attack("ssh_brute", {"target": "ssh"}, ("brute_force",)),
    Attack("ssh_brute", {"target": "in"}, ("brute_force",), by="internet"),
    # Frames between two hosts pass the bridge, and not the router: only a promiscuous capture sees them.
    Attack("ssh_brute", {"target": "nas"}, ("brute_force",), tables=False, packets=False),
    Attack("dns_tunnel", {"server": "router"}, ("dns_tunnel",), by="esp", tables=False),
    Attack("dns_tunnel", {"host": "pi", "server": "direct"}, ("dns_tunnel",), by="pi", tables=False),
    Attack("beacon", {"n": 30}, ("beacon",), by="esp"),
    Attack("rogue_dhcp", {}, ("rogue_dhcp",)),
    Attack("arp_spoof", {}, ("arp_spoof",)),
    Attack("mixed", {"seconds": 10, "seed": 2}, ()),
)


class Line(NamedTuple):
    """One line of the table."""

    attack: Attack
    told: list[dict[str, Any]]  # the alerts
    seconds: float | None  # from the first packet to the right one
    visible: bool

    @property
    def wrong(self) -> str:
        """What is not as it should be; empty where all is."""
        others = [each["kind"] for each in self.told if each["kind"] not in self.attack.kinds]
        if others:
            return f"told too: {', '.join(others)}"
        if not self.attack.kinds or not self.visible:
            return ""
        if self.seconds is None:
            return f"wanted {' or '.join(self.attack.kinds)}"
        kind = self.attack.kinds[0]
        late = self.seconds > (SCAN_PROMISE if kind in SCANS else BEACON_PROMISE if kind == "beacon" else PROMISE)
        return "late" if late else ""


def attacks(*, capture: bool, only: str | None = None) -> list[Line]:
    """Everything happens in turn; returns the lines."""
    with journey(capture=capture) as on:
        lines = []
        for attack in ATTACKS:
            if only is None or attack.scenario == only:
                lines.append(_happens(on, attack, attack.packets if capture else attack.tables))
                print(row(lines[-1]), flush=True)
        return lines


def _happens(on: Journey, attack: Attack, visible: bool) -> Line:
    since = time.time()
    known = set(_alerts(on, 0.0, set()))
    truth = on.lab.run(attack.scenario, **attack.options)["attack"] or {}
    by = truth.get("by", {}).get("mac")
    first = (on.wire.first(by, since) if by else None) or truth.get("start", since)
    deadline = time.monotonic() + (SOON if attack.kinds and visible else SETTLED)
    found: dict[int, tuple[float, dict[str, Any]]] = {}
    while time.monotonic() < deadline:
        found = _alerts(on, since, known)
        if any(each["kind"] in attack.kinds for _, each in found.values()):
            deadline = min(deadline, time.monotonic() + SETTLED)
        threading.Event().wait(0.05)
    right = [when for when, each in found.values() if each["kind"] in attack.kinds]
    return Line(attack, [each for _, each in found.values()], min(right) - first if right else None, visible)


def _alerts(on: Journey, since: float, known: set[int]) -> dict[int, tuple[float, dict[str, Any]]]:
    """The alerts that were told since then, but those that were known: by id, when first, and as last told."""
    found: dict[int, tuple[float, dict[str, Any]]] = {}
    for when, threat in _updates(on):
        if when < since or threat["id"] in known or threat["kind"] in NEWS or threat["severity"] == "info":
            continue
        found[threat["id"]] = found.get(threat["id"], (when, {}))[0], threat
    return {number: each for number, each in found.items() if "taken_back" not in each[1]["evidence"]}


def _updates(on: Journey) -> Iterator[tuple[float, dict[str, Any]]]:
    for when, message in list(on.listener.told):
        if message["type"] == "threat_update":
            yield when, message["threat"]


def row(line: Line) -> str:
    """A line of the table in Markdown."""
    told = "; ".join(f"{each['kind']}: {each['description']}" for each in line.told) or "nothing"
    took = "" if line.seconds is None else f"{line.seconds:.2f} s"
    unseen = "" if line.visible else " (no source that is on can show it)"
    return f"| {line.attack.what} | {told}{unseen} | {took} | {'no: ' + line.wrong if line.wrong else 'yes'} |"


def main() -> int:
    """Returns 1 where anything was not as it should be."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--capture", action=argparse.BooleanOptionalAction, help="only with capture, or only without")
    parser.add_argument("--only", metavar="SCENARIO", help="only this one")
    parser.add_argument("--markdown", type=Path, help="a file for the tables")
    parser.add_argument("--json", type=Path, help="a file for all that was told")
    parser.add_argument("--log", action="store_true", help="show what the daemon has said")
    options = parser.parse_args()
    if reason := why_not():
        print(f"there can be no lab here: it {reason}", file=sys.stderr)
        return 1
    text, all_lines = "", []
    for capture in [False, True] if options.capture is None else [options.capture]:
        title = "Kernel tables and DHCP" + (", and packets" if capture else "")
        print(f"\n{title}", flush=True)
        lines = attacks(capture=capture, only=options.only)
        head = "| what happens | told | first packet to message | as it should be |\n|---|---|--:|---|\n"
        text += f"{title}\n\n{head}" + "".join(f"{row(line)}\n" for line in lines) + "\n"
        all_lines += lines
    if options.markdown:
        options.markdown.write_text(text)
    if options.json:
        options.json.write_text(json.dumps([[line.attack.what, line.seconds, line.told] for line in all_lines]))
    return 1 if any(line.wrong for line in all_lines) else 0


if __name__ == "__main__":
    sys.exit(main())
