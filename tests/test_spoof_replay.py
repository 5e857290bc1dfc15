"""Captures of somebody who takes addresses, and of what only looks like that, replayed through the whole pipeline."""

import struct
from pathlib import Path

import pytest
from packet_kit import MAC_A, MAC_ROUTER, ethernet, packed, pcap
from replay_kit import NOON, SECOND
from running import rows
from test_dhcp_clues import client, server

from netwatchd.config import Config
from netwatchd.replay import FileReport, Replay

VICTIM, GATEWAY, TAKER = "a4:83:e7:12:34:56", "50:c7:bf:10:20:30", "3c:58:c2:de:ad:01"
AT = {VICTIM: "192.168.1.20", GATEWAY: "192.168.1.1", TAKER: "192.168.1.66"}
Frames = list[tuple[int, bytes]]


def raw(mac: str) -> bytes:
    """Its six bytes."""
    return bytes.fromhex(mac.replace(":", ""))


def arp(at: float, mac: str, ip: str, to: str = "", *, request: bool = False) -> tuple[int, bytes]:
    """A claim: a reply to one, or a question to all about the gateway or the victim."""
    target = AT[VICTIM] if ip == AT[GATEWAY] else AT[GATEWAY]
    said = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1 if request else 2) + raw(mac) + packed(ip)
    said += (raw(to) if to else bytes(6)) + packed(target)
    return NOON + int(at * SECOND), ethernet(said, raw(mac), raw(to) if to else b"\xff" * 6, kind=0x0806)


def attack(every: float, seconds: int = 120) -> Frames:
    """As it is seen from the middle: both directions, and both victims speak each half a minute."""
    frames = [arp(0, GATEWAY, AT[GATEWAY], request=True), arp(1, VICTIM, AT[VICTIM], request=True)]
    frames.append(arp(2, TAKER, AT[TAKER], request=True))
    for number in range(int(seconds / every)):
        at = 10 + number * every
        frames += [arp(at, TAKER, AT[GATEWAY], VICTIM), arp(at, TAKER, AT[VICTIM], GATEWAY)]
    for at in range(25, seconds, 30):
        frames += [arp(at, VICTIM, AT[VICTIM], request=True), arp(at + 1, GATEWAY, AT[GATEWAY], request=True)]
        frames.append(arp(at + 2, TAKER, AT[TAKER], request=True))
    return sorted(frames)


def told(place: Path, frames: Frames) -> tuple[FileReport, list[tuple[str, str, str]]]:
    """The report, and kind, device and status of what is told of frames."""
    (place / "seen.pcap").write_bytes(pcap(frames))
    (place / "state").mkdir()
    with Replay(Config(), place / "state", lambda: False) as replay:
        report = replay.file(str(place / "seen.pcap"), None, lambda _: None)
    query = "SELECT kind, device, status FROM threats WHERE kind NOT LIKE 'new_%'"
    return report, sorted(rows(place / "state/core.db", query))


@pytest.mark.parametrize("every", [0.5, 10.0])
def test_an_attack_is_one_threat_and_the_conflicts_that_it_looked_like_are_taken_back(
    tmp_path: Path, every: float
) -> None:
    _, found = told(tmp_path, attack(every))
    assert [each for each in found if each[2] != "dismissed"] == [("arp_spoof", TAKER, "open")]
    assert {kind for kind, _, _ in found} <= {"arp_spoof", "ip_conflict"}


def test_two_with_one_address_stay_a_conflict(tmp_path: Path) -> None:
    both = [arp(at, (VICTIM, TAKER)[at // 5 % 2], AT[VICTIM], request=True) for at in range(0, 120, 5)]
    assert told(tmp_path, both)[1] == [("ip_conflict", min(VICTIM, TAKER), "open")]


def test_a_scan_by_arp_and_a_handover_by_dhcp_are_neither(tmp_path: Path) -> None:
    asked = [arp(at / 20, TAKER, AT[TAKER], request=True) for at in range(200)]
    moved = [arp(60 + at, VICTIM, AT[VICTIM], request=True) for at in range(5)]
    moved += [arp(120 + at, TAKER, AT[VICTIM], request=True) for at in range(60)]
    assert not [each for each in told(tmp_path, asked + moved)[1] if each[0] in ("arp_spoof", "ip_conflict")]


def test_a_rogue_server_and_a_starved_one(tmp_path: Path) -> None:
    frames = [(NOON, client(1)), (NOON + 1, server(2, (3, packed("192.168.1.1"))))]
    own, rogue = packed("192.168.1.1"), server(2, (3, packed(AT[TAKER])), src=AT[TAKER])
    rogue = rogue.replace(b"\x36\x04" + own, b"\x36\x04" + packed(AT[TAKER]))
    frames.append((NOON + 2, rogue.replace(MAC_ROUTER, raw(TAKER))))
    frames += [
        (NOON + SECOND + number, client(1).replace(MAC_A, b"\x02" + number.to_bytes(5, "big")))
        for number in range(2000)
    ]
    report, found = told(tmp_path, frames)
    kinds = {(kind, device) for kind, device, _ in found}
    assert {("rogue_dhcp", TAKER), ("dhcp_starvation", None)} <= kinds
    assert report.devices < 300
    assert report.skipped["DHCP clients at once"] > 1000
