"""The verbs threats, threat, acknowledge, dismiss and reopen: what is shown, and what the daemon does."""

import json
import shlex
import shutil
from collections.abc import Iterator

import pytest
from running import MAC, OTHER_MAC, Daemon, join, scratch, until
from shell import Shell
from store_kit import DAY, NOON, device, storing, threat
from waiting import eventually

from netwatchd.catalog import KINDS
from netwatchd.cli import threattable
from netwatchd.events import Status, ThreatStatus

EVIL = "\x1b[31m[bold red]evil[/bold red]\x07\nrow"
HISTORY = {
    "happenings": 3, "began": NOON, "counted": 2,
    "earlier": [{"first_seen": NOON - DAY, "last_seen": NOON - DAY, "count": 2}, 7],
    "before": {"status": "dismissed", "severity": "low", "time": NOON - DAY},
}  # fmt: skip
EVIDENCE = {
    "ports": 900, "seconds": 12.3456, "ratio": True, "since": NOON, "examples": [{"port": 22, "state": "reset"}] * 20,
    "states": {"rejected": 880, "closed": 20}, "list": [1, 2], "none": None, "text": EVIL, "empty": [],
    "netwatchd": HISTORY,
}  # fmt: skip


@pytest.fixture(scope="module")
def files() -> Iterator[Daemon]:
    """A daemon that does not run, and what it has stored."""
    directory = scratch()
    stopped = Daemon(directory)
    stopped.state.mkdir()
    with storing(stopped.state) as store:
        store.upsert_device(device(name="Ada's laptop"))
        store.upsert_device(device(OTHER_MAC, ips=(0xC0A80106,), hostname="nas", status=Status.OFFLINE))
        store.upsert_threat(threat(1, target="192.168.1.6:22", evidence=EVIDENCE, count=3, recommendation=EVIL))
        store.upsert_threat(threat(2, kind="plaintext", severity="info", device=OTHER_MAC, last_seen=NOON + DAY))
        store.upsert_threat(
            threat(3, kind="inbound", severity="medium", device="198.51.100.7", target="192.168.1.5:80")
        )
        store.upsert_threat(threat(4, kind="beacon", severity="medium", status=ThreatStatus.ACKNOWLEDGED))
        store.upsert_threat(threat(5, kind="odd one", severity="critical", status=ThreatStatus.DISMISSED, device=None))
        store.upsert_threat(threat(6, kind="inbound", severity="medium", device="198.51.100.7", last_seen=NOON + 1))
    yield stopped
    shutil.rmtree(directory)


@pytest.fixture
def stored(files: Daemon, capsys: pytest.CaptureFixture[str]) -> Shell:
    """The command line beside them."""
    return Shell(capsys, dict(files.environment))


@pytest.mark.parametrize(
    ("filters", "ids"),
    [
        ([], [1, 6, 3, 4, 2]),
        (["--limit", "2"], [1, 6]),
        (["--limit", "0", "--all"], [5, 1, 6, 3, 4, 2]),
        (["--status", "all"], [5, 1, 6, 3, 4, 2]),
        (["--status", "open"], [1, 6, 3, 2]),
        (["--status", "acknowledged"], [4]),
        (["--status", "dismissed"], [5]),
        (["--severity", "medium"], [1, 6, 3, 4]),
        (["--severity", "critical"], []),
        (["--kind", "Port-Scan"], [1]),
        (["--kind", "odd one", "--all"], [5]),
        (["--kind", "nonsense"], []),
        (["--since", str(NOON + 1)], [6, 2]),
        (["--device", "nas"], [1, 2]),
        (["--device", "ada's laptop"], [1, 3, 4]),
        (["--device", "198.51.100.7"], [6, 3]),
        (["--device", "198.51.100.7", "--kind", "inbound", "--since", str(NOON + 1)], [6]),
    ],
)
def test_threats_are_listed_the_worst_first_then_the_latest_and_filtered(
    stored: Shell, filters: list[str], ids: list[int]
) -> None:
    assert [each["id"] for each in stored.json("threats", *filters)] == ids


@pytest.mark.parametrize("width", [80, 112, 200])
def test_the_table_fits_its_terminal_and_names_devices_as_people_do(stored: Shell, width: int) -> None:
    stored.environment["COLUMNS"] = str(width)
    shown = stored.cli("threats", "--all").stdout
    assert max(map(len, shown.splitlines())) <= width
    assert "198.51.100.7" in shown and "critical" in shown and "plaintext" in shown
    assert MAC not in shown, "it has a name"
    assert "3 times" in shown.replace("\n", " ") or width >= 112


def test_a_severity_that_there_is_not_is_a_usage_error(stored: Shell) -> None:
    assert stored.cli("threats", "--severity", "bad").returncode == 2
    assert stored.cli("threats", "--status", "bad").returncode == 2
    assert stored.cli("threat", "one").returncode == 2


def test_the_portrait_of_a_threat_says_all_that_is_known_and_what_to_do(stored: Shell, files: Daemon) -> None:
    answer = stored.cli("threat", "1")
    assert answer.returncode == 0, answer.stderr
    assert "\x1b" not in answer.stdout and "\x07" not in answer.stdout
    port_scan = "port_scan" if "port_scan" in KINDS else '"port_scan"'
    lines = [" ".join(line.split()) for line in answer.stdout.splitlines()]
    for line in (
        "high port_scan open", "what it scanned", f"who Ada's laptop ({MAC}): netwatchd device {MAC}",
        "target nas (192.168.1.6:22): netwatchd device 192.168.1.6", "numbers ports 900", "seconds 12.3", "ratio yes",
        "none -", "empty none", "list 1, 2", "states rejected: 880", "closed: 20", "examples port 22, state reset",
        "and 8 more (--json)", "put away netwatchd acknowledge 1 | netwatchd dismiss 1",
        f"to mute mute = {port_scan} {MAC}",
        f"below [threats] in {files.config}, then: systemctl reload netwatchd",
    ):  # fmt: skip
        assert any(each.startswith(line) for each in lines), line
    assert "target nas (192.168.1.6:22): netwatchd device 192.168.1.6" in lines
    assert any(each.startswith("history it has happened 3 times, the last time since ") for each in lines)
    assert any("you had dismissed it" in each and "when it was low; it is open again" in each for each in lines)
    assert any(each.startswith(f"flows netwatchd flows --device {MAC} --since '2026-11-23 ") for each in lines)


def test_the_commands_that_a_portrait_names_can_be_run(stored: Shell) -> None:
    told = stored.json("threat", "1")
    assert stored.cli(*shlex.split(told["flows"])[1:]).returncode == 0
    assert stored.cli("device", "192.168.1.6").returncode == 0


def test_the_commands_of_a_threat_of_a_replay_look_where_that_lies(stored: Shell, files: Daemon) -> None:
    shown = stored.cli("threat", "1", "--state", str(files.state)).stdout
    assert f"netwatchd device {MAC} --state {files.state}" in " ".join(shown.split())
    assert "netwatchd dismiss" not in shown, "no daemon knows it"
    told = stored.json("threat", "1", "--state", str(files.state))
    assert told["flows"].endswith(f" --state {files.state}")


def test_scripts_get_the_threat_with_names_and_its_line(stored: Shell) -> None:
    told = stored.json("threat", "3")
    assert (told["who"], told["whom"], told["device"]) == (None, "Ada's laptop", "198.51.100.7")
    assert told["mute"].endswith(" 198.51.100.7 192.168.1.5:80")
    assert stored.json("threat", "5")["meaning"] is None
    assert stored.json("threat", "2")["meaning"].endswith(".")
    assert stored.json("threat", "5")["flows"] is None


def test_a_threat_without_a_device_and_one_that_is_not_there(stored: Shell) -> None:
    assert "nobody in particular" in stored.cli("threat", "5").stdout
    assert "netwatchd reopen 5" in stored.cli("threat", "5").stdout
    answer = stored.cli("threat", "77")
    assert (answer.returncode, "there is no threat 77" in answer.stderr) == (1, True)


# What the running daemon does.


@pytest.fixture(scope="module")
def one() -> Iterator[Daemon]:
    """A daemon for all tests here."""
    directory = scratch()
    # What the user says is stored soon, however long all else may wait.
    with Daemon(directory, "[storage]\ncommit_interval = 10 min") as started:
        started.emit(
            {"type": "device", "mac": MAC, "ip": "192.168.1.5", "hostname": "tv"},
            {"type": "device", "mac": OTHER_MAC, "ip": "192.168.1.6", "hostname": "nas"},
        )
        yield started
        assert started.stop() == 0
    shutil.rmtree(directory)


@pytest.fixture
def running(one: Daemon, capsys: pytest.CaptureFixture[str]) -> Iterator[Shell]:
    """The command line beside a daemon with three open threats; at the end they are dismissed."""
    shell = Shell(capsys, one.environment)
    finding = {"type": "threat", "kind": "plaintext", "description": "telnet", "device": MAC}
    one.emit(finding, finding | {"kind": "other"}, finding | {"device": "198.51.100.7", "target": "192.168.1.6:23"})
    eventually(lambda: len(shell.json("threats", "--all")) == 3)
    shell.cli("reopen", "1", "2", "3")
    yield shell
    shell.cli("dismiss", "1", "2", "3")


def test_where_all_are_dismissed_it_is_said_how_to_see_them(running: Shell) -> None:
    running.cli("dismiss", "1", "2", "3")
    assert running.cli("threats").stdout == "no threats but dismissed ones: netwatchd threats --all\n"
    assert running.cli("threats", "--kind", "nonsense", "--all").stdout == "no threat is like that\n"


def statuses(shell: Shell) -> dict[int, str]:
    return {each["id"]: each["status"] for each in shell.json("threats", "--all")}


def test_threats_are_acknowledged_dismissed_and_opened_again_and_everybody_is_told(running: Shell, one: Daemon) -> None:
    with one.client() as client:
        join(client)
        answer = running.cli("acknowledge", "1", "2")
        assert (answer.returncode, answer.stdout.splitlines()) == (
            0, ["1 is acknowledged now: plaintext: telnet", "2 is acknowledged now: other: telnet"],
        )  # fmt: skip
        told = until(client, lambda message: message.get("threat", {}).get("status") == "acknowledged")
        assert told["threat"]["id"] == 1
    eventually(lambda: statuses(running) == {1: "acknowledged", 2: "acknowledged", 3: "open"})
    assert running.cli("dismiss", "2").returncode == 0
    eventually(lambda: statuses(running) == {1: "acknowledged", 2: "dismissed", 3: "open"})
    assert running.cli("reopen", "1", "2").returncode == 0
    eventually(lambda: set(statuses(running).values()) == {"open"})


def test_all_open_ones_of_a_kind_or_of_a_device_are_meant(running: Shell) -> None:
    assert running.cli("dismiss", "--kind", "plaintext", "--device", "tv").returncode == 0
    eventually(lambda: statuses(running) == {1: "dismissed", 2: "open", 3: "open"})
    assert [each["id"] for each in running.json("acknowledge", "--device", "nas")["threats"]] == [3]
    answer = running.cli("dismiss", "--kind", "plaintext")
    assert (answer.returncode, "no open threat is like that" in answer.stderr) == (1, True)
    assert running.cli("dismiss", "--device", "nobody").returncode == 1


def test_of_several_ids_those_that_are_there_are_done(running: Shell) -> None:
    answer = running.cli("dismiss", "77", "1", "--json")
    told = json.loads(answer.stdout)
    assert answer.returncode == 1
    assert [each["id"] for each in told["threats"]] == [1]
    assert told["failed"] == [{"threat": 77, "message": "there is no threat 77"}]
    assert "there is no threat 77" in answer.stderr


@pytest.mark.parametrize("verb", ["acknowledge", "dismiss", "reopen"])
def test_who_says_no_threat_or_has_no_daemon_is_told_so(stored: Shell, running: Shell, verb: str) -> None:
    assert running.cli(verb).returncode == 2
    answer = stored.cli(verb, "1")
    assert (answer.returncode, "does not answer" in answer.stderr) == (69, True)


def test_numbers_of_evidence_are_written_as_people_read_them() -> None:
    shown = {"seconds": 1122.4, "known_since": 1_700_049_600_000, "bytes_out": 1_700_049_600_000,
             "latest": {"203.0.113.9": 1_700_049_600_000}}  # fmt: skip
    lines = dict(line.split(maxsplit=1) for line in threattable._numbers(shown))
    assert lines["seconds"] == "1,122.4"
    assert lines["bytes_out"] == "1,700,049,600,000"
    assert lines["known_since"].startswith("2023-11-1")
    assert lines["latest"].startswith("203.0.113.9: 2023-11-1")
