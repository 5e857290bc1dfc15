"""Threats through a real daemon: an attack with very many findings, restarts, and rules that are reloaded."""

import json
import signal
from collections.abc import Callable
from typing import Any

import pytest
from running import MAC, OTHER_MAC, Daemon, join
from waiting import eventually
from websockets.sync.client import ClientConnection

from netwatchd.ingest.guard import MOST_ALIKE

Make = Callable[..., Daemon]
DEVICES = (
    {"type": "device", "mac": MAC, "ip": "192.168.1.5", "name": "kali"},
    {"type": "device", "mac": OTHER_MAC, "ip": "192.168.1.6", "hostname": "nas"},
)
QUICK = "[storage]\ncommit_interval = 100 ms\n"


def finding(**fields: Any) -> dict[str, Any]:
    """A finding as another program hands it in."""
    return {
        "type": "threat",
        "kind": "plaintext",
        "description": "telnet",
        "device": MAC,
        "target": "192.168.1.6",
    } | fields


def rows(daemon: Daemon) -> list[tuple[Any, ...]]:
    return daemon.core("SELECT id, device, target, count, status FROM threats ORDER BY id")


def told_by(client: ClientConnection) -> list[str]:
    """The messages about threats that have come until now, and the answer to a ping."""
    client.send('{"op": "ping"}')
    found: list[str] = []
    while True:
        text = str(client.recv())
        message = json.loads(text)
        if message["type"] == "threat_update":
            found.append(text)
        elif message["type"] == "pong":
            return found


def attack(daemon: Daemon, many: int, *, spoofed: bool) -> tuple[list[str], int]:
    """Hands in so many findings, and ends the daemon; returns what a client was told, and the writes of threats."""
    with daemon.client() as client:
        client.send('{"op": "subscribe", "topics": ["threats"]}')
        join(client)
        for begin in range(0, many, 5000):
            numbers = range(begin, min(begin + 5000, many))
            assert daemon.emit(
                *(
                    finding(
                        device=f"203.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}" if spoofed else MAC, evidence={"n": n}
                    )
                    for n in numbers
                )
            ) == []  # fmt: skip
        eventually(lambda: daemon.status()["counters"]["received"]["json"] >= many)
        eventually(lambda: daemon.status()["waiting"]["threats"] == 0)
        told = told_by(client)
        writes = daemon.status()["stored"].get("threats", 0)
    assert daemon.stop() == 0
    return told, writes


def check_attack(daemon: Daemon, many: int, *, spoofed: bool) -> None:
    told, writes = attack(daemon, many, spoofed=spoofed)
    found = rows(daemon)
    assert len(found) == (MOST_ALIKE + 1 if spoofed else 1)
    assert sum(row[3] for row in found) == many, "nothing is lost, also of what had waited to be told"
    assert len(told) <= MOST_ALIKE + 25 and sum(map(len, told)) < 100_000
    assert writes <= len(told) + 1
    assert daemon.log.count(" plaintext: ") == len(found), "a line of the log a threat"
    if not spoofed:
        (evidence,) = daemon.core("SELECT evidence FROM threats")[0]
        assert json.loads(evidence) == {"n": many - 1}


def test_an_attack_with_thousands_of_findings_is_few_rows_and_few_messages(daemon: Make) -> None:
    with daemon(QUICK) as running:
        check_attack(running, 3000, spoofed=True)


@pytest.mark.slow
@pytest.mark.parametrize("spoofed", [False, True])
def test_an_attack_with_a_hundred_thousand_findings_is_few_rows_and_few_messages(daemon: Make, spoofed: bool) -> None:
    with daemon(QUICK) as running:
        check_attack(running, 100_000, spoofed=spoofed)


@pytest.mark.parametrize("end", [signal.SIGTERM, pytest.param(signal.SIGKILL, marks=pytest.mark.slow)])
def test_a_restart_in_the_middle_of_an_attack_makes_no_more_rows(daemon: Make, end: signal.Signals) -> None:
    with daemon(QUICK) as running:
        for run in range(2):
            if run:
                running.start()
            running.emit(*DEVICES, *(finding(device=f"203.0.{run}.{n}") for n in range(100)))
            # What gathers is told at once at first: it is kept before an end that comes without warning.
            eventually(lambda: len(rows(running)) == MOST_ALIKE + 1)
            eventually(lambda run=run: rows(running)[-1][3] > run * 4)
            running.signal(end)
            running.wait()
        found = rows(running)
    assert len(found) == MOST_ALIKE + 1
    if end is signal.SIGTERM:
        assert sum(row[3] for row in found) == 200


def happenings(daemon: Daemon) -> int:
    (row,) = daemon.json("threats", "--all", "--kind", "plaintext")
    return int(row["evidence"].get("netwatchd", {}).get("happenings", 1))


@pytest.mark.parametrize("end", [signal.SIGTERM, pytest.param(signal.SIGKILL, marks=pytest.mark.slow)])
def test_what_was_judged_and_the_cooldown_outlive_a_restart(daemon: Make, end: signal.Signals) -> None:
    with daemon(QUICK) as running:
        running.emit(*DEVICES, finding(), finding(kind="other"), finding(kind="third"))
        eventually(lambda: len(rows(running)) == 3)
        assert running.cli("dismiss", "2").returncode == running.cli("acknowledge", "3").returncode == 0
        # At once: the verb returns when those that read the database show it.
        assert [row[4] for row in rows(running)] == ["open", "dismissed", "acknowledged"]
        running.signal(end)
        running.wait()
        running.start()
        running.emit(finding(), finding(kind="other", severity="critical"), finding(kind="third"))
        eventually(lambda: [(row[3], row[4]) for row in rows(running)] == [
            (2, "open"), (2, "dismissed"), (2, "acknowledged"),
        ])  # fmt: skip
        assert happenings(running) == 1, "it went on"


@pytest.mark.slow
def test_after_the_cooldown_it_has_happened_once_more_also_across_a_restart(daemon: Make) -> None:
    with daemon(QUICK + "[threats]\ncooldown = 1 ms\n") as running:
        running.emit(finding())
        eventually(lambda: len(rows(running)) == 1)
        assert running.stop() == 0
        running.start()
        running.emit(finding())
        eventually(lambda: rows(running)[0][3] == 2)
        assert happenings(running) == 2


def test_a_rule_that_is_reloaded_mutes_what_comes_and_dismisses_what_is_open(daemon: Make) -> None:
    with daemon(QUICK) as running:
        running.emit(*DEVICES, finding(), finding(device=OTHER_MAC))
        eventually(lambda: len(rows(running)) == 2)
        line = running.json("threat", "1")["mute"]
        running.configure(f"{QUICK}[threats]\n{line}\nmute = plaintext nobody-of-this-name\n")
        running.signal(signal.SIGHUP)
        eventually(lambda: [row[4] for row in rows(running)] == ["dismissed", "open"])
        assert "the rule" in running.cli("threat", "1").stdout
        running.emit(finding(), finding(device=OTHER_MAC), finding(target="192.168.1.7"))
        eventually(lambda: [row[3] for row in rows(running)] == [1, 2, 1])
        assert running.status()["counters"]["threats"]["muted"] == 1
        running.configure(QUICK)
        running.signal(signal.SIGHUP)
        eventually(lambda: running.log.count("the configuration was reloaded") == 2)
        running.emit(finding())
        eventually(lambda: rows(running)[0][3:] == (2, "open"))


@pytest.mark.slow
def test_a_rule_with_a_mistake_is_named_and_the_old_ones_stay(daemon: Make) -> None:
    with daemon(QUICK + "[threats]\nmute = plaintext kali\n") as running:
        running.configure(QUICK + "[threats]\nmute = plaintexts kali\n")
        assert running.cli("check-config").returncode == 78
        assert "there is no kind of threats 'plaintexts'" in running.cli("check-config").stderr
        running.signal(signal.SIGHUP)
        eventually(lambda: "the old settings stay" in running.log)
        running.emit(*DEVICES)
        eventually(lambda: len(running.core("SELECT * FROM devices")) == 2)
        running.emit(finding())
        eventually(lambda: running.status()["counters"].get("threats", {}).get("muted") == 1)
