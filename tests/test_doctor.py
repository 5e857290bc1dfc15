"""The verb doctor: what works, what does not, what would help, and which kinds of threats can be seen."""

import http.server
import json
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from threading import Thread

import pytest
from conftest import needs_root
from running import MAC, Daemon, small_disk
from store_kit import storing
from waiting import eventually

from netwatchd import config
from netwatchd.catalog import KINDS, Kind
from netwatchd.cli.checks import (
    BROKEN,
    NOTE,
    OK,
    Patient,
    check_all,
    of_alerts,
    of_lists,
    of_losses,
    of_sources,
)
from netwatchd.sights import DIRECTLY, INDIRECTLY, NOT, OFF, sight, source_names

Make = Callable[..., Daemon]


def told(daemon: Daemon) -> tuple[int, dict[str, list[dict[str, str]]], list[dict[str, object]]]:
    """Exit code, the checks by topic, the kinds."""
    answer = daemon.cli("doctor", "--json")
    whole = json.loads(answer.stdout)
    assert whole["well"] is (answer.returncode == 0)
    checks: dict[str, list[dict[str, str]]] = {}
    for each in whole["checks"]:
        checks.setdefault(each["topic"], []).append(each)
    return answer.returncode, checks, whole["kinds"]


def test_with_a_daemon_that_works_all_is_well_and_the_page_fits_a_screen(daemon: Make) -> None:
    with daemon(COLUMNS="100") as running:
        answer = running.cli("doctor")
        assert (answer.returncode, answer.stderr) == (0, "")
        assert answer.stdout.endswith("all is well\n")
        assert max(map(len, answer.stdout.splitlines())) <= 100
        for topic in ("config", "daemon", "database", "disk", "clock", "sources", "threats"):
            assert f"\n{topic}" in f"\n{answer.stdout}"
        _, checks, kinds = told(running)
    assert {checks[topic][0]["state"] for topic in ("config", "daemon", "database", "disk")} == {OK}
    assert "on: json" in checks["sources"][0]["text"]
    assert {each["kind"] for each in kinds} == {each.kind for each in KINDS.values() if each.direct or each.indirect}


def test_without_a_daemon_it_says_so_and_all_that_can_be_known(daemon: Make) -> None:
    stopped = daemon()
    code, checks, kinds = told(stopped)
    assert (code, checks["daemon"][0]["state"]) == (1, BROKEN)
    assert "systemctl start netwatchd" in checks["daemon"][0]["help"]
    assert checks["database"][0]["state"] == NOTE, "it has never run"
    assert kinds
    stopped.state.mkdir()
    with storing(stopped.state):
        pass
    _, checks, _ = told(stopped)
    assert checks["database"][0]["state"] == OK


def test_the_page_is_there_or_somebody_else_has_its_port(daemon: Make) -> None:
    made = daemon()
    assert "page" not in told(made)[1], "nobody has it"
    with http.server.ThreadingHTTPServer(("127.0.0.1", made.port), http.server.BaseHTTPRequestHandler) as server:
        Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        code, checks, _ = told(made)
        server.shutdown()
    assert (code, checks["page"][0]["state"]) == (1, BROKEN)
    assert f"127.0.0.1 port {made.port} is taken" in checks["page"][0]["text"]
    with made:
        (page,) = told(made)[1]["page"]
    assert (page["state"], page["text"].split(" (")[0]) == (
        OK, f"http://127.0.0.1:{made.port}/, for this machine alone"
    )  # fmt: skip


def test_a_mistake_in_the_configuration_and_a_damaged_database_are_broken(daemon: Make) -> None:
    stopped = daemon("[storage]\ncolour = blue\n")
    stopped.state.mkdir()
    (stopped.state / "core.db").write_bytes(b"this is no database" * 1000)
    code, checks, _ = told(stopped)
    assert code == 1
    assert checks["config"][0]["state"] == BROKEN and "[storage] colour" in checks["config"][0]["text"]
    assert checks["database"][0]["state"] == BROKEN


def test_damage_within_the_database_is_found(daemon: Make) -> None:
    stopped = daemon()
    stopped.state.mkdir()
    with storing(stopped.state):
        pass
    path = stopped.state / "core.db"
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("PRAGMA journal_mode = DELETE")
        db.executemany("INSERT INTO meta VALUES (?, ?)", [(f"k{n}", "x" * 500) for n in range(200)])
    content = bytearray(path.read_bytes())
    content[-20_000:-12_000] = os.urandom(8000)
    path.write_bytes(content)
    _, checks, _ = told(stopped)
    assert (checks["database"][0]["state"], "damaged" in checks["database"][0]["text"]) == (BROKEN, True)


@needs_root
def test_a_disk_that_is_nearly_full_is_broken(short: Path) -> None:
    with small_disk(short / "disk") as disk:
        _, checks, _ = told(Daemon(disk))
    assert (checks["disk"][0]["state"], "make room" in checks["disk"][0]["help"]) == (BROKEN, True)


def test_sources_that_failed_are_broken_and_those_that_are_off_say_why(daemon: Make) -> None:
    with daemon("[source:zeek]\nenabled = yes\ndirectory = /nowhere\n[source:eve]\nenabled = auto\n") as running:
        states = {each["name"]: each for each in running.status()["sources"]}
        code, checks, _ = told(running)
    texts = {(each["state"], each["text"].split()[0]) for each in checks.get("", [])}
    for name in ("zeek", "eve"):
        expected = {"failed": BROKEN, "off": NOTE}.get(states[name]["state"])
        assert expected is None or (expected, name) in texts
    assert code == (1 if any(each["state"] == "failed" for each in states.values()) else 0)


def test_rules_that_mean_nobody_are_told_and_those_that_work_are_counted(daemon: Make) -> None:
    rules = "[threats]\nmute = plaintext kali, plaintext tv\nmute = * -\n"
    with daemon(rules) as running:
        running.emit({"type": "device", "mac": MAC, "name": "TV", "ip": "192.168.1.5"})
        running.emit({"type": "threat", "kind": "x", "description": "y"})
        eventually(lambda: running.status()["counters"].get("threats", {}).get("muted"))
        eventually(lambda: running.json("devices"))
        _, checks, _ = told(running)
    notes = [each["text"] for each in checks["mute"] if each["state"] == NOTE]
    assert notes == ["'plaintext kali' mutes nothing: no device has the name 'kali'"]
    assert checks["alerts"][0]["state"] == OK
    assert checks["mute"][-1]["text"] == "3 rules, 1 findings muted since the start"


# What is said of each kind.


@pytest.mark.parametrize("kind", [each for each in KINDS.values() if each.direct], ids=lambda kind: kind.kind)
def test_each_kind_is_seen_as_the_sources_that_are_on_show_it(kind: Kind) -> None:
    settings = config.parse("[source:capture]\nfilter = all\n")
    for source in kind.direct:
        seen = sight(kind, {source, *kind.indirect}, settings)
        assert (seen["seen"], seen["by"], seen["would_help"]) == (DIRECTLY, [source], [])
    for source in kind.indirect:
        seen = sight(kind, {source}, settings)
        assert (seen["seen"], seen["by"]) == (INDIRECTLY, [source])
        assert seen["would_help"] == list(kind.direct)
    assert sight(kind, set(), settings)["seen"] == NOT
    if kind.detector:
        off = config.parse(f"[detector:{kind.detector}]\nenabled = no\n")
        assert sight(kind, set(source_names()), off)["seen"] == OFF


def test_what_needs_all_packets_is_not_said_to_be_seen_by_a_capture_of_some() -> None:
    kind = KINDS["icmp_tunnel"]
    assert sight(kind, {"capture"}, config.Config())["would_help"] == ["capture with filter = all"]
    assert sight(kind, {"capture"}, config.Config())["seen"] == NOT


def test_what_is_not_seen_even_so_is_told_when_asked_for(daemon: Make) -> None:
    stopped = daemon()
    limits = stopped.cli("doctor", "--limits").stdout
    for kind in KINDS.values():
        assert " ".join(kind.limits.split()[:6]) in " ".join(limits.split())
    assert len(stopped.cli("doctor").stdout.splitlines()) < len(limits.splitlines())


def test_channels_and_lists_that_fail_are_told() -> None:
    channel = {"name": "ntfy", "state": "failing", "place": "x", "waiting": 2, "last_error": "refused"}
    blocklist = {"name": "mine", "error": "404", "entries": None}
    status = {"alerts": [channel, channel | {"state": "on"}, channel | {"state": "off"}], "blocklists": [blocklist]}
    patient = Patient(config.Config(), "config.ini", [], status, "")
    assert [(each.state, each.text) for each in [*of_alerts(patient), *of_lists(patient)]] == [
        (BROKEN, "ntfy fails: refused (2 messages wait)"), (OK, "ntfy works: x"), (NOTE, "not up to date: mine: 404"),
    ]  # fmt: skip


def test_losses_and_silent_sources_are_told_by_the_daemons_own_account() -> None:
    status = {
        "sources": [
            {"name": "capture", "state": "on", "reason": None}, {"name": "conntrack", "state": "failed", "reason": "x"},
            {"name": "prober", "state": "off", "reason": None},
        ],
        "counters": {"received": {"json": 5}}, "uptime": 4000.0, "lost": {"capture": {"kernel": 3}},
        "dropped": {}, "last_error": "disk I/O error",
    }  # fmt: skip
    patient = Patient(config.Config(), "config.ini", [], status, "")
    assert [each.text for each in of_losses(patient)] == [
        "since its start: 3 lost capture kernel", "the last error of the database: disk I/O error",
    ]  # fmt: skip
    checks, on = of_sources(patient)
    assert on == {"capture"}
    assert [(each.state, each.text) for each in checks] == [
        (OK, "on: capture"), (BROKEN, "conntrack does not work: x"), (NOTE, "on, but nothing has come yet: capture"),
    ]  # fmt: skip


def test_nothing_that_it_looks_at_keeps_it_from_going_on(tmp_path: Path) -> None:
    settings = config.parse(f"[storage]\ndirectory = {tmp_path}/a/b/c\n[source:netflow]\nenabled = yes\n")
    checks = check_all(Patient(settings, "config.ini", [], None, "no daemon"))
    assert {"config", "daemon", "database", "disk", "clock", "kernel", "blocklists", "metrics", "page"} >= {
        each.topic for each in checks
    }
