"""Tunnels are found in recordings: packets, Zeek's dns.log, Suricata's events; those of others, too."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
from announce_kit import TXT, message, question
from packet_kit import MAC_A, MAC_B, A, C, ethernet, icmp, ip4, pcap, udp
from replay_kit import NOON, Run

DATA = Path(__file__).parent.parent.parent / "shared/data"
LOTS = random.Random(5)
NAMES = [f"{LOTS.getrandbits(240):060x}.{LOTS.getrandbits(240):060x}.{n}.t.exfil.example" for n in range(100)]


def threats(reports: list[dict[str, Any]]) -> set[tuple[str, str, str]]:
    return {(each["kind"], each["device"], each["target"]) for report in reports for each in report["threats"]}


def of_packets() -> bytes:
    frames = []
    for number, name in enumerate(NAMES):
        asked = message(questions=(question(name, TXT),), flags=0x100)
        frames.append((NOON + number * 50_000, ethernet(ip4(udp(40_000, 53, asked), A, C), MAC_A)))
    return pcap(frames)


def of_zeek() -> bytes:
    head = (
        "#separator \\x09\n#path\tdns\n#fields\tts\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tquery\tqtype\trcode\n"
    )
    lines = [
        f"{NOON / 1e6 + number / 20:.6f}\t{A}\t4000\t{C}\t53\t{name}\t16\t0\n" for number, name in enumerate(NAMES)
    ]
    return (head + "".join(lines)).encode()


def of_eve() -> bytes:
    base = {"event_type": "dns", "src_ip": A, "src_port": 4000, "dest_ip": C, "dest_port": 53, "proto": "UDP"}
    events = [
        base | {"timestamp": f"2026-06-21T12:00:{number / 20:09.6f}+0000",
                "dns": {"version": 2, "type": "query", "id": number, "rrname": name, "rrtype": "TXT"}}
        for number, name in enumerate(NAMES)
    ]  # fmt: skip
    return "\n".join(map(json.dumps, events)).encode()


@pytest.mark.parametrize(
    ("name", "content", "device"),
    [("x.pcap", of_packets, MAC_A.hex(":")), ("dns.log", of_zeek, A), ("eve.json", of_eve, A)],
)  # fmt: skip
def test_a_tunnel_is_found_by_whatever_saw_it(tmp_path: Path, name: str, content: Any, device: str) -> None:
    run = Run(tmp_path)
    assert ("dns_tunnel", device, "exfil.example") in threats(run.replay(run.file(name, content())))


def test_a_talk_in_pings_is_found(tmp_path: Path) -> None:
    run = Run(tmp_path)
    frames = []
    for number in range(60):
        pair = icmp(8, payload=b"\0\1\0\0" + b"ls" * 30), icmp(0, payload=b"\0\1\0\0" + bytes((number,)) * 90)
        frames.append((NOON + number * 1_000_000, ethernet(ip4(pair[0], A, C, 1), MAC_A)))
        frames.append((NOON + number * 1_000_000 + 900, ethernet(ip4(pair[1], C, A, 1), MAC_B)))
    assert ("icmp_tunnel", MAC_A.hex(":"), C) in threats(run.replay(run.file("ping.pcap", pcap(frames))))


RECORDED = {
    "ntop+nDPI/tests/cfgs/default/pcap/dns-tunnel-iodine.pcap": ("dns_tunnel", "08:00:27:9c:e0:b4", "pirate.sea"),
    "ntop+nDPI/tests/cfgs/default/pcap/icmp-tunnel.pcap": ("icmp_tunnel", "00:0c:29:cf:0c:c1", "192.168.154.132"),
    "OISF+suricata-verify/tests/dns/bug-1158/input.pcap": ("dns_tunnel", "", "tunnel.com"),
    "stamparm+maltrail/sensor/tests/corpus/dns_exhaustion.pcap": ("dns_anomaly", "", "tunnel.com"),
    "stamparm+maltrail/sensor/tests/corpus/dns_nxdomain_flood.pcap": ("dns_anomaly", "203.0.113.5", "dgaparent.com"),
    "ntop+nDPI/tests/cfgs/default/pcap/dns.pcap": None,
    "ntop+nDPI/tests/cfgs/default/pcap/dns_long_domainname.pcap": None,
    "SuperCowPowers+zat/data/dns.log": None,
    "SuperCowPowers+zat/data/json/dns.log": None,
}


@pytest.mark.skipif(not DATA.is_dir(), reason="needs the recordings of others")
def test_of_recordings_of_others_the_tunnels_are_told_and_nothing_else(tmp_path: Path) -> None:
    run = Run(tmp_path)
    reports = run.replay(*(DATA / name for name in RECORDED))
    mine = ("dns_tunnel", "dns_anomaly", "dga", "icmp_tunnel")
    for (name, expected), report in zip(RECORDED.items(), reports, strict=True):
        told = [each for each in report["threats"] if each["kind"] in mine]
        if expected is None:
            assert not told, name
            continue
        assert [(each["kind"], each["target"]) for each in told] == [(expected[0], expected[2])], name
        assert not expected[1] or told[0]["device"] == expected[1], name
