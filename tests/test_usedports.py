"""Who watches a server knows its services, and is no scanner when it is down."""

import json
from typing import Any

import pytest
from detector_kit import AT, NAS, ROUTER, flow, kinds, panel, shown, unanswered

from netwatchd import config
from netwatchd.detectors.usedports import PAIRS, PORTS, UsedPorts
from netwatchd.events import Flow

SERVICES_OF_A_NAS = (21, 22, 25, 139, 445, 548, 873, 2049, 5000, 5001, 8080, 9000)


def checks(begin: float, *, answered: bool, **fields: Any) -> list[Flow]:
    """What a program does that watches a server: one connection to each of its services."""
    each = {"dst": AT[NAS], **fields}
    if not answered:
        return [unanswered(number, at=begin + number, dport=port, **each)
                for number, port in enumerate(SERVICES_OF_A_NAS)]  # fmt: skip
    return [flow(number, at=begin + number, dport=port, out=(5, 268), back=(3, 164), **each)
            for number, port in enumerate(SERVICES_OF_A_NAS)]  # fmt: skip


@pytest.mark.parametrize("name", ["port_scan", "slow_scan"])
def test_who_watches_a_server_is_no_scanner_when_it_is_down(name: str) -> None:
    """It has found all of these services there before."""
    off: dict[str, Any] = {
        "port_scan": {"slow_scan": config.SlowScan(enabled=False)},
        "slow_scan": {"port_scan": config.PortScan(enabled=False)},
    }
    alone = off[name]
    watching = panel(**alone)
    assert not shown(watching, checks(0, answered=True))
    watching.apply(config.Config(**alone))
    down = [each for minute in range(200) for each in checks(60 + 60 * minute, answered=False)]
    assert "port_scan" not in kinds(shown(watching, down))
    # After a restart, too: once the power is back, who watches is there before what is watched.
    later = panel(**alone)
    later.recall(watching.notes())
    assert "port_scan" not in kinds(shown(later, down))


def test_what_was_never_used_is_a_scan_all_the_same() -> None:
    watching = panel()
    shown(watching, checks(0, answered=True, src=AT[ROUTER]))
    assert "port_scan" in kinds(shown(watching, checks(60, answered=False)))


@pytest.mark.parametrize("note", ["", "{", "[]", "7", '{"a": [1]}', '{"10.0.0.1 10.0.0.2": 3}', "[" * 100_000,
                                  '{"10.0.0.1 10.0.0.2": ["x", null, 22]}', '{"10.0.0.1": [22]}'])  # fmt: skip
def test_a_damaged_note_of_what_is_used_does_no_harm(note: str) -> None:
    used = UsedPorts()
    used.recall(note)
    assert len(used) <= 1


def test_what_is_used_is_bounded() -> None:
    used = UsedPorts()
    for number in range(20_000):
        used.see_flow(
            flow(number, dst=f"10.{number >> 8 & 255}.{number & 255}.1", dport=1 + number % 1000), None, new=True
        )
    assert len(used) == PAIRS
    for port in range(1, 1000):
        used.see_flow(flow(port, dst="10.9.9.9", dport=port), None, new=True)
    assert len(json.loads(used.note or "")["192.168.1.20 10.9.9.9"]) == PORTS


def test_it_is_learnt_once_for_all_that_share_it_and_stays_when_settings_are_read_again() -> None:
    watching = panel()
    shown(watching, checks(0, answered=True))
    assert [name for name, note in watching.notes().items() if AT[NAS] in note] == ["usedports"]
    watching.apply(config.Config(port_scan=config.PortScan(enabled=False)))
    watching.apply(config.Config())
    assert "port_scan" not in kinds(shown(watching, checks(60, answered=False)))
