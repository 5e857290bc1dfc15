"""The systemd unit: what it says is understood, and its sandbox is as tight as it can be."""

import configparser
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from netwatchd.config import Config
from netwatchd.daemon import STOP_BROADCAST, STOP_CARD, STOP_INGEST, STOP_SOURCE, STOP_STORAGE

ROOT = Path(__file__).parent.parent
UNIT = ROOT / "systemd/netwatchd.service"
MOST_EXPOSED = 2.2  # of 10, by `systemd-analyze security`; 0.2 of it are for AF_PACKET, which the source capture needs

needs_systemd = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs the program systemd-analyze")


def settings(section: str) -> configparser.SectionProxy:
    """A section of the unit; of a key that is given several times the last."""
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(UNIT)
    return unit[section]


def analyze(*arguments: object) -> str:
    answer = subprocess.run(
        ["systemd-analyze", "--no-pager", *map(str, arguments)], capture_output=True, text=True, check=False
    )
    return answer.stdout + answer.stderr


@needs_systemd
def test_systemd_understands_every_line(tmp_path: Path) -> None:
    # What it starts is not installed here, and something of that name must be.
    unit = tmp_path / "netwatchd.service"
    unit.write_text(UNIT.read_text().replace("/opt/netwatchd/bin/netwatchd", "/bin/true"))
    said = [line for line in analyze("verify", unit).splitlines() if "netwatchd.service" in line]
    assert not said


@needs_systemd
def test_the_sandbox_scores_2_2_or_better() -> None:
    said = analyze("security", "--offline=true", UNIT)
    if "--offline" in said.split("exposure")[0]:
        pytest.skip("this systemd-analyze cannot judge a file")
    score = re.search(r"exposure level for netwatchd.service: ([0-9.]+)", said)
    assert score and float(score[1]) <= MOST_EXPOSED, said


def test_it_has_the_two_capabilities_and_nothing_else() -> None:
    service = settings("Service")
    assert service["CapabilityBoundingSet"] == service["AmbientCapabilities"] == "CAP_NET_ADMIN CAP_NET_RAW"
    assert service["User"] == service["Group"] == "netwatchd"


def test_a_mistake_in_the_configuration_is_not_tried_again() -> None:
    service = settings("Service")
    assert (service["Restart"], service["RestartPreventExitStatus"]) == ("on-failure", "78")


def test_it_is_given_the_time_that_a_stop_may_take() -> None:
    stages = STOP_SOURCE + STOP_INGEST + STOP_STORAGE + STOP_CARD + STOP_BROADCAST
    assert float(settings("Service")["TimeoutStopSec"]) > stages + 5


def test_all_clients_and_writers_may_have_their_threads_and_descriptors() -> None:
    service, defaults = settings("Service"), Config()
    # 64 connections may be in their handshake beyond max_clients; each client is one thread and one descriptor.
    clients = defaults.websocket.max_clients + 64
    assert int(service["TasksMax"]) >= clients + 50
    assert int(service["LimitNOFILE"]) >= clients + defaults.json.max_connections + 100


def test_make_install_puts_the_prefix_where_the_unit_has_the_default() -> None:
    makefile = (ROOT / "Makefile").read_text()
    (prefix,) = re.findall(r"^PREFIX \?= (.*)$", makefile, re.MULTILINE)
    assert settings("Service")["ExecStart"] == f"{prefix}/bin/netwatchd run"
