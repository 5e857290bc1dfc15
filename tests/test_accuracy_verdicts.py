"""Of recorded attacks that is told which must be, and of harmless traffic nothing."""

from pathlib import Path

import pytest

from accuracy.verdicts import DEMANDED, Alert, demanded_of, verdicts
from netwatchd.events import Threat, ThreatStatus

DATA = Path(__file__).parent.parent.parent / "shared/data"
THREAT = Threat(
    1, "port_scan", "medium", "a4:83:e7:12:34:56", "198.51.100.7", "kali, 192.168.1.9, tried 1,000 ports", None,
    {"ip": "192.168.1.9"}, 0, 0, 1, ThreatStatus.OPEN,
)  # fmt: skip


@pytest.mark.skipif(not (DATA / "_truth").is_dir(), reason="needs the recordings of others")
def test_every_attack_has_its_demand_and_nothing_else_has() -> None:
    judged = verdicts(DATA)
    assert all(demanded_of(path) for path, verdict in judged if verdict == "attack")
    assert not [path for path, verdict in judged if verdict == "clean" and demanded_of(path)]
    for end in DEMANDED:
        assert sum(path.endswith(end) for path, _ in judged) == 1, end


def test_an_alert_is_met_by_its_kind_its_attacker_and_its_target() -> None:
    assert Alert(("port_scan",), "192.168.1.9", "198.51.100.7").is_met_by(THREAT)
    assert Alert(("port_scan",), "a4:83:e7:12:34:56").is_met_by(THREAT)
    assert not Alert(("host_sweep",), "192.168.1.9").is_met_by(THREAT)
    assert not Alert(("port_scan",), "192.168.1.10").is_met_by(THREAT)
    assert not Alert(("port_scan",), "192.168.1.9", "198.51.100.8").is_met_by(THREAT)
