"""docs/INTERFACE.md and README.md, compared with what the program does."""

import json
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from running import MAC, OTHER_MAC, Daemon, flow_line, until
from waiting import eventually

from netwatchd import journal
from netwatchd.answers.asked import QUESTIONS
from netwatchd.broadcast import commands, messages
from netwatchd.events import SEVERITIES, Status, ThreatStatus

ROOT = Path(__file__).parent.parent
INTERFACE = (ROOT / "docs/INTERFACE.md").read_text()
SOURCES = {path: path.read_text() for path in sorted((ROOT / "netwatchd").rglob("*.py"))}

DEVICE = {"type": "device", "mac": MAC, "ip": "192.168.1.5", "hostname": "tv"}
THREAT = {"type": "threat", "kind": "port scan", "description": "one", "evidence": {"ports": 90}, "device": MAC}


def section(title: str, text: str = INTERFACE) -> str:
    """What stands below a heading, up to the next one of its rank."""
    match = re.search(rf"^(#+) {re.escape(title)}\n(.*?)(?=^#{{1,2}} |\Z)", text, re.MULTILINE | re.DOTALL)
    assert match, f"there is no section {title}"
    below = match[2]
    return below.split("\n### ")[0] if match[1] == "###" else below


def rows(text: str) -> list[list[str]]:
    """The rows of the tables in a text, without their heads."""
    found: list[list[str]] = []
    for line in text.splitlines():
        if line.startswith("|---"):
            found.pop()
        elif line.startswith("|"):
            found.append([cell.strip() for cell in line.strip("|").split(" | ")])
    return found


def names(cell: str) -> list[str]:
    """What stands in `backticks`."""
    return re.findall(r"`([^`]+)`", cell)


def first_names(title: str) -> list[str]:
    return [names(row[0])[0] for row in rows(section(title))]


@pytest.fixture
def running(daemon: Callable[..., Daemon]) -> Iterator[Daemon]:
    """A daemon with a device, a flow and a threat."""
    with daemon() as started:
        fill(started)
        yield started


def fill(daemon: Daemon) -> None:
    assert daemon.emit(DEVICE, flow_line(1), flow_line(2, dst_ip="2001:db8::1", src_ip="fd00::5"), THREAT) == []
    eventually(lambda: len(daemon.flows()) == 2)
    eventually(lambda: daemon.core("SELECT * FROM threats"))


# Events, the command line, the status.


@pytest.mark.parametrize(("title", "verb"), [("Device", "devices"), ("Flow", "flows"), ("Threat", "threats")])
def test_events_have_the_fields_that_are_documented(running: Daemon, title: str, verb: str) -> None:
    added = ["bytes_in_today", "bytes_out_today"] if verb == "devices" else []
    assert list(running.json(verb)[0]) == first_names(title) + added


def test_the_object_of_device_has_the_keys_that_are_documented(running: Daemon) -> None:
    answer = running.json("device", MAC)
    table = {names(row[0])[0]: row[1] for row in rows(section("The object of `device --json`"))}
    assert list(answer) == first_names("Device") + list(table)
    for key in ("clues", "sessions", "peers", "threats"):
        assert answer[key], key
    for key in ("clues", "sessions", "peers"):
        assert list(answer[key][0]) == re.findall(r'"(\w+)"', names(table[key])[0])


def test_the_objects_of_what_acts_have_the_keys_that_are_documented(running: Daemon) -> None:
    documented = first_names("The objects of `name`, `forget`, `merge` and `split`")
    assert running.emit(DEVICE | {"mac": OTHER_MAC, "ip": "192.168.1.6"}) == []
    told = [
        running.json("name", MAC, "tv"),
        running.json("merge", OTHER_MAC, MAC),
        running.json("forget", MAC, "--yes"),
    ]
    assert [key for key in documented if any(key in answer for answer in told)] == documented
    assert set().union(*told) == set(documented)


def test_the_words_of_status_and_severity_are_documented() -> None:
    text = section("Device") + section("Threat")
    for word in (*SEVERITIES, *Status, *ThreatStatus):
        assert f"`{word}`" in text


def help_of(*verb: str) -> str:
    return subprocess.run(
        [sys.executable, "-m", "netwatchd", *verb, "--help"], capture_output=True, text=True, check=True
    ).stdout


def test_verbs_and_flags_are_those_that_are_documented() -> None:
    table = [row for row in rows(section("Command line")) if row[0].startswith("`netwatchd ")]
    documented = {row[0].split()[1].strip("`"): set(names(row[1])) for row in table}
    verbs = re.findall(r"^    ([a-z-]+)", help_of(), re.MULTILINE)
    assert list(documented) == verbs
    for verb, flags in documented.items():
        assert set(re.findall(r"--[a-z]+(?:-[a-z]+)*", help_of(verb))) - {"--help"} == flags, verb


def test_the_exit_codes_of_the_help_are_documented() -> None:
    (told,) = re.findall(r"exit codes: (.*)", help_of())
    codes = [row[0] for row in rows(section("Command line")) if row[0].isdecimal()]
    assert re.findall(r"\d+", told) == codes


def test_status_has_the_keys_that_are_documented(running: Daemon) -> None:
    answer = running.json("status")
    table = {names(row[0])[0]: row[1] for row in rows(section("The object of `status --json`"))}
    assert set(answer) == set(table)
    assert set(answer["database"]) == set(names(table["database"])) - {"ok", "degraded"}
    assert '`{"name", "state", "reason"}`' in table["sources"]
    assert set(answer["sources"][0]) == {"name", "state", "reason"}


# The stream.


def examples(title: str) -> list[dict[str, Any]]:
    return [json.loads(line) for block in re.findall(r"```json\n(.*?)```", section(title), re.DOTALL)
            for line in block.splitlines()]  # fmt: skip


def test_messages_look_as_documented(running: Daemon) -> None:
    documented = {example["type"]: example for example in examples("Server to client")}
    seen: dict[str, dict[str, Any]] = {}
    with running.client() as client:

        def note(message: dict[str, Any]) -> bool:
            seen[message["type"]] = message
            return set(seen) >= wanted

        wanted = {"hello", "snapshot"}
        until(client, note)
        running.emit({"type": "device", "ip": "192.168.1.77"})  # gone as soon as its MAC is known
        running.emit({"type": "device", "ip": "192.168.1.77", "mac": "a4:83:e7:00:00:77"})
        running.emit(flow_line(3), THREAT, DEVICE | {"hostname": "television"})
        wanted = {"device_update", "device_removed", "flow_update", "threat_update"}  # before a snapshot does
        until(client, note)
        client.send('{"op": "ping"}')
        client.send('{"op": "dismiss", "threat": 70}')
        wanted = set(documented) - {"gap"}
        until(client, note)
        # Not before: what was on its way would be contained in the snapshot, and not be told.
        client.send('{"op": "resume", "epoch": "another", "since": 3}')
        wanted = set(documented)
        until(client, note)
    assert {kind: list(message) for kind, message in seen.items()} == {
        kind: list(example) for kind, example in documented.items()
    }
    (told,) = re.findall(r"^\* `stats` comes (.*)", section("Server to client"), re.MULTILINE | re.DOTALL)
    assert set(seen["stats"]["stats"]) | set(seen["stats"]["stats"]["database"]) <= set(names(told))


def test_ops_are_those_that_are_documented_and_are_understood() -> None:
    documented = examples("Client to server")
    for example in documented:
        assert commands.parse(json.dumps(example))[0] == example["op"]
    with pytest.raises(commands.BadCommand) as caught:
        commands.parse('{"op": "?"}')
    (known,) = re.findall("there are (.*)", str(caught.value))
    assert known.split(", ") == [example["op"] for example in documented]
    assert documented[0]["topics"] == list(messages.TOPICS)


def test_the_questions_have_the_parameters_that_are_documented() -> None:
    documented = {names(row[0])[0]: names(row[1]) for row in rows(section("Questions over HTTP"))}
    assert {name: list(question.parameters) for name, question in QUESTIONS.items()} == documented


# The databases.


def test_tables_and_columns_are_those_that_are_documented(running: Daemon) -> None:
    documented = {names(row[0])[0]: names(row[1]) for row in rows(section("Databases"))}
    (told,) = re.findall(r"`PRAGMA user_version` is the version of the schema: (.*?)\.\s", INTERFACE)
    (day,) = running.state.glob("flows-*.db")
    found = {}
    for label, path in (("core.db", running.state / "core.db"), ("flows", day)):
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as db:
            version = db.execute("PRAGMA user_version").fetchone()[0]
            assert f"{version} of {'`core.db`' if label == 'core.db' else 'the flows'}" in told
            tables = db.execute("SELECT name FROM sqlite_schema WHERE type IN ('table', 'view')").fetchall()
            for (table,) in tables:
                columns = [row[1] for row in db.execute(f"PRAGMA table_info({table})")]
                found[f"{label}: {table}"] = columns
    assert found == documented


# Counters and the log.

# Names that are put together at run time, and from what.
PATTERNS = {
    "received.{source}": "received.SOURCE", "observed.{source}": "observed.SOURCE",
    "dropped.clients.{reason.replace(' ', '_')}": "dropped.clients.REASON",
    "refused.{refusal.word}": "refused.REASON", "asked.{name}": "asked.NAME", "stored.{kind}": None,
    "events.{source}.{kind}": "events.SOURCE.KIND", "rejected.{kind}": "rejected.KIND",
    "saved.{kind}": "saved.KIND", "unsaved.{kind}": "unsaved.KIND",
    "merged.flows.{source}": "merged.flows.SOURCE",
    "unclaimed.flows.{source}": "unclaimed.flows.SOURCE", "skipped.capture.{reason}": "skipped.capture.REASON",
    "skipped.{self.name}.{kind.replace(' ', '_')}": "skipped.SOURCE.KIND", "lost.{self.name}": "lost.SOURCE",
    "repeated.{self.name}": "repeated.SOURCE", "malformed.{self.name}": "malformed.SOURCE",
    "unreadable.{self._source}": "unreadable.SOURCE",
    "datagrams.{self.name}": "datagrams.SOURCE", "refused.{self.name}.sender": "refused.SOURCE.sender",
    "dropped.{self.name}.clues": "dropped.SOURCE.clues",
    "listed.{each.source.name}": "listed.NAME",
    "alerts.sent.{name}": "alerts.sent.CHANNEL", "alerts.retried.{name}": "alerts.retried.CHANNEL",
    "alerts.failed.{name}": "alerts.failed.CHANNEL", "alerts.held.{reason}": "alerts.held.REASON",
}  # fmt: skip


def test_every_counter_is_documented() -> None:
    code: set[str] = set()
    for text in SOURCES.values():
        code |= set(
            re.findall(r'f?"((?:[a-z]+\.)+[a-z_]+)"(?=[,) ])', " ".join(re.findall(r"(?:\.add|_count)\((.*)", text)))
        )
        code |= {PATTERNS[name] or "" for name in re.findall(r'f"([a-z]+(?:\.[a-z]+)*\.\{.*?\}[a-z.]*)"[,)\n]', text)
                 if name in PATTERNS}  # fmt: skip
    # What the sFlow decoder counts gets its place in front of it by `exports`.
    code = code - {"lost.by_agent"} | {"samples.sflow", "skipped.sflow.REASON", "lost.sflow.WHAT"}
    code = {general(name) for name in code - {""}} | {
        f"stored.{kind}" for kind in ("devices", "flows", "threats", "traits", "sessions", "aliases")
    }
    assert code == set(first_names("Counters"))


def general(name: str) -> str:
    """A counter's name as documented: SOURCE for a source's name, REASON for why a request was refused."""
    family, _, rest = name.partition(".")
    if name.startswith("skipped.capture."):
        return "skipped.capture.REASON"
    if name.endswith(".clues"):
        return "dropped.SOURCE.clues"
    if family in ("received", "messages", "malformed", "overflows", "dumps") and rest != "clients":
        return f"{family}.SOURCE"
    return "refused.REASON" if family == "refused" and "." not in rest and rest != "commands" else name


def test_every_reason_of_a_refusal_is_documented() -> None:
    texts = "".join(text for path, text in SOURCES.items() if path.parent.name in ("broadcast", "answers", "metrics"))
    code = set(re.findall(r'Refusal\([^()]*(?:\([^()]*\))?[^()]*?, "([a-z_]+)"', texts))
    code |= set(re.findall(r'"refused\.([a-z_]+)"', texts)) - {"commands"}
    (documented,) = (names(row[1]) for row in rows(section("Counters")) if row[0] == "`refused.REASON`")
    assert code == set(documented)


def test_the_log_fields_and_events_are_documented() -> None:
    documented = {names(row[0])[0]: row[1] for row in rows(section("Log"))}
    assert {field.upper() for field in journal.FIELDS} | {"PRIORITY", "LOGGER", "THREAD"} == set(documented)
    code = {word for text in SOURCES.values() for word in re.findall(r'"event": "([a-z_]+)"', text)}
    assert code == set(names(documented["EVENT"]))


# README.


def test_links_lead_somewhere() -> None:
    for page in (ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").glob("*.md")):
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_the_tests_that_show_the_reliability_are_there() -> None:
    written = "".join(path.read_text() for path in (ROOT / "tests").glob("test_*.py"))
    named = re.findall(r"::(test_\w+)", (ROOT / "docs/RELIABILITY.md").read_text())
    assert named
    assert [name for name in named if f"def {name}(" not in written] == []


def test_the_map_in_the_readme_names_what_is_there() -> None:
    (drawing,) = re.findall(r"```\nnetwatchd/\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    for name in re.findall(r"^  (\S+)  ", drawing, re.MULTILINE):
        assert (ROOT / "netwatchd" / name).exists(), name
    for name in drawing.splitlines()[-1].split():
        assert (ROOT / name).exists(), name


def test_the_readme_names_every_verb() -> None:
    (line,) = re.findall(r"cli/ +the verbs: (.*)", (ROOT / "README.md").read_text())
    assert line.split(", ") == re.findall(r"^    ([a-z-]+)", help_of(), re.MULTILINE)
