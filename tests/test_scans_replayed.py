"""Scans in captures are told by the whole pipeline, each with a row of its own, and once."""

from pathlib import Path

import packet_kit as kit
import pytest
from replay_kit import NOON

from netwatchd import config
from netwatchd.events import Threat
from netwatchd.replay import Replay

ATTACKER, VICTIM = "192.168.1.66", "192.168.1.10"
FIN, SYN, RST, PSH, ACK, URG = kit.FIN, kit.SYN, kit.RST, kit.PSH, kit.ACK, kit.URG


def segments(flags: int, ports: range, host: str = VICTIM, *, refused: bool = False) -> list[bytes]:
    frames = []
    for port in ports:
        frames.append(kit.ethernet(kit.ip4(kit.tcp(50_000, port, flags), ATTACKER, host, 6), kit.MAC_A))
        if refused:
            frames.append(kit.ethernet(kit.ip4(kit.tcp(port, 50_000, RST | ACK), host, ATTACKER, 6), kit.MAC_B))
    return frames


def datagrams(ports: range) -> list[bytes]:
    return [kit.ethernet(kit.ip4(kit.udp(50_000, port, b""), ATTACKER, VICTIM), kit.MAC_A) for port in ports]


def pings() -> list[bytes]:
    return [kit.ethernet(kit.ip4(kit.icmp(payload=bytes(4)), ATTACKER, f"192.168.1.{n}", 1), kit.MAC_A)
            for n in range(100, 130)]  # fmt: skip


def solicitations() -> list[bytes]:
    frames = []
    for number in range(80):
        body = bytes((135, 0, 0, 0)) + bytes(4) + kit.packed(f"fd00::1:{number:x}")
        frames.append(kit.ethernet(kit.ip6(body, "fd00::66", "ff02::1:ff00:1", 58, hops=255), kit.MAC_A))
    return frames


MAC = kit.MAC_A.hex(":")
ATTACKS: dict[str, tuple[list[bytes], str, str, str]] = {
    "syn": (segments(SYN, range(1, 101)), "port_scan", VICTIM, "tcp"),
    "refused": (segments(SYN, range(1, 101), refused=True), "port_scan", VICTIM, "tcp"),
    "fin": (segments(FIN, range(2000, 2040)), "port_scan", VICTIM, "fin"),
    "null": (segments(0, range(2000, 2040), refused=True), "port_scan", VICTIM, "null"),
    "xmas": (segments(FIN | PSH | URG, range(2000, 2040), refused=True), "port_scan", VICTIM, "xmas"),
    "udp": (datagrams(range(1, 101)), "port_scan", VICTIM, "udp"),
    "smb": ([frame for n in range(40) for frame in segments(SYN, range(445, 446), f"198.51.100.{n + 1}")],
            "host_sweep", "world:445", "tcp"),
    "arp": ([kit.arp(kit.MAC_A, ATTACKER, f"192.168.1.{n}") for n in range(100, 240)], "host_sweep", "192.168.1.0/24",
            "arp"),
    "nd": (solicitations(), "host_sweep", "fd00::/64", "nd"),
    "ping": (pings(), "host_sweep", "192.168.1.0/24", "icmp-empty"),
}  # fmt: skip


def scans(place: Path, frames: list[bytes]) -> list[Threat]:
    """What is told of frames that come ten milliseconds after each other."""
    capture = place / "x.pcap"
    capture.write_bytes(kit.pcap([(NOON + 10_000 * n, frame) for n, frame in enumerate(frames)]))
    with Replay(config.Config(), place / "state", lambda: False) as replaying:
        report = replaying.file(str(capture), None, lambda at: None)
    return [each for each in report.threats.values() if each.kind in ("port_scan", "host_sweep", "iot")]


@pytest.mark.parametrize("name", ATTACKS)
def test_a_scan_is_one_row_of_who_did_it(tmp_path: Path, name: str) -> None:
    frames, kind, target, way = ATTACKS[name]
    (threat,) = scans(tmp_path, frames)
    assert (threat.kind, threat.device, threat.target) == (kind, MAC, target)
    assert threat.evidence["scan"] == [way] and len(threat.evidence["examples"]) == 20


def test_answers_and_what_was_joined_in_its_middle_are_none(tmp_path: Path) -> None:
    acks = segments(ACK, range(1, 101), refused=True)
    answers = [kit.ethernet(kit.ip4(kit.tcp(port, 50_000, SYN | ACK), VICTIM, ATTACKER, 6), kit.MAC_B)
               for port in range(200, 300)]  # fmt: skip
    resets = [kit.ethernet(kit.ip4(kit.tcp(80, 2000 + 7 * n, RST), VICTIM, ATTACKER, 6), kit.MAC_B) for n in range(99)]
    assert not scans(tmp_path, acks + answers + resets)
