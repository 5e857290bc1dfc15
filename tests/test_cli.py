"""The verbs tell people and scripts what is stored and what runs, and end with the code that says how it went."""

import http.server
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from conftest import needs_nobody
from running import MAC, NOBODY, OTHER_MAC, Daemon, flow_line
from store_kit import DAY, NOON, device, flow, storing, threat
from waiting import eventually

from netwatchd.budget import size_text
from netwatchd.cli.moments import moment, span_text, time_text
from netwatchd.events import Status, ThreatStatus

PHONE = 0xC0A80106
EVIL = "\x1b[31m[bold red]evil[/bold red]\x07\nrow"
READERS = ("devices", "flows", "threats", "top")
Make = Callable[..., Daemon]


@pytest.fixture
def stored(daemon: Make) -> Daemon:
    """A daemon that does not run, and what it has stored."""
    stopped = daemon()
    stopped.state.mkdir()
    with storing(stopped.state) as store:
        store.upsert_device(device(name="Ada's laptop", last_seen=NOON + 1))
        store.upsert_device(device(OTHER_MAC, ips=(PHONE,), hostname="phone", status=Status.OFFLINE, last_seen=NOON))
        store.upsert_device(device(None, ips=(0xC0A80107,), hostname=EVIL, last_seen=NOON - DAY))
        store.add_flows([flow(1), flow(2, device=OTHER_MAC, src_ip=PHONE, bytes_in=10**7, dst_port=53, protocol=17)])
        store.add_flows([flow(3, NOON - DAY), flow(4, NOON - 2 * DAY, state=EVIL)])
        store.upsert_threat(threat(1, description=EVIL, last_seen=NOON))
        store.upsert_threat(threat(2, kind="old", device=OTHER_MAC, last_seen=NOON - DAY))
        store.upsert_threat(threat(3, kind="harmless", status=ThreatStatus.DISMISSED, last_seen=NOON + 1))
    return stopped


def test_devices_that_are_here_come_first_and_then_the_latest_seen_with_the_public_names(stored: Daemon) -> None:
    devices = stored.json("devices")
    assert [each["mac"] for each in devices] == [MAC, None, OTHER_MAC]
    assert {name: value for name, value in devices[0].items() if not name.endswith("_today")} == {
        "mac": MAC, "ips": ["192.168.1.5"], "ip": "192.168.1.5", "hostname": "laptop", "vendor": None,
        "name": "Ada's laptop", "first_seen": NOON, "last_seen": NOON + 1, "status": "online", "random_mac": False,
        "bytes_in": 12000, "bytes_out": 900, "sources": ["json"], "kind": "unknown", "model": None, "macs": [],
        "evidence": [], "usual_silence": 0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("filters", "macs"),
    [
        (["--online"], [MAC, None]),
        (["--limit", "1"], [MAC]),
        (["--limit", "0"], [MAC, None, OTHER_MAC]),
        (["--since", str(NOON)], [MAC, OTHER_MAC]),
        (["--new", str(NOON)], [MAC, None, OTHER_MAC]),
        (["--new", str(NOON + 1)], []),
        (["--kind", "Unknown"], [MAC, None, OTHER_MAC]),
        (["--kind", "phone"], []),
        (["--device", "PHONE"], [OTHER_MAC]),
        (["--device", "ada's laptop"], [MAC]),
        (["--device", "A4-83-E7-00-00-02"], [OTHER_MAC]),
        (["--device", "192.168.1.7"], [None]),
    ],
)
def test_devices_are_filtered(stored: Daemon, filters: list[str], macs: list[str | None]) -> None:
    assert [each["mac"] for each in stored.json("devices", *filters)] == macs


def test_flows_are_listed_the_newest_first_and_filtered(stored: Daemon) -> None:
    flows = stored.json("flows")
    assert [each["id"] for each in flows] == [
        flow(2).id,
        flow(1).id,
        flow(3, NOON - DAY).id,
        flow(4, NOON - 2 * DAY).id,
    ]
    assert (flows[0]["src_ip"], flows[0]["protocol"], flows[0]["device"]) == ("192.168.1.6", "udp", OTHER_MAC)
    assert len(stored.json("flows", "--limit", "2")) == 2
    assert len(stored.json("flows", "--since", str(NOON - DAY))) == 3
    assert [each["device"] for each in stored.json("flows", "--device", "phone")] == [OTHER_MAC]


def test_threats_are_listed_without_the_dismissed_ones_unless_asked_for(stored: Daemon) -> None:
    assert [each["id"] for each in stored.json("threats")] == [1, 2]
    assert [each["id"] for each in stored.json("threats", "--all")] == [3, 1, 2]
    assert [each["id"] for each in stored.json("threats", "--device", "phone")] == [2]
    assert stored.json("threats")[0]["evidence"] == {"ports": 100}


def test_top_adds_up_by_device_destination_or_port(stored: Daemon) -> None:
    since = ("--since", str(NOON - 3 * DAY))
    assert stored.json("top", *since)[0] == {"device": OTHER_MAC, "bytes_in": 10**7, "bytes_out": 300, "flows": 1}
    assert stored.json("top", "port", *since)[0]["port"] == "udp/53"
    assert stored.json("top", "destination", *since)[0]["destination"] == "93.184.216.34"
    assert len(stored.json("top", *since, "--limit", "1")) == 1


@pytest.mark.parametrize("verb", READERS)
def test_a_table_fits_eighty_columns_and_shows_what_the_network_said_as_plain_text(stored: Daemon, verb: str) -> None:
    stored.environment["COLUMNS"] = "80"
    answer = stored.cli(verb, *(["--since", str(NOON - 3 * DAY)] if verb == "top" else []))
    assert answer.returncode == 0, answer.stderr
    assert "\x1b" not in answer.stdout
    assert "\x07" not in answer.stdout
    assert max(map(len, answer.stdout.splitlines())) <= 80


@pytest.mark.parametrize("verb", READERS)
def test_into_a_pipe_every_word_is_whole_for_grep(stored: Daemon, verb: str) -> None:
    stored.environment.pop("COLUMNS", None)
    words = {"devices": "Ada's laptop", "flows": "93.184.216.34", "threats": "port_scan", "top": "Ada's laptop"}
    shown = stored.cli(verb, *(["--since", str(NOON - 3 * DAY)] if verb == "top" else [])).stdout
    assert words[verb] in shown
    if verb != "top":
        assert "\ufffd[31m[bold red]evil[/bold red]\ufffd\ufffdrow" in shown, "markup stays the text that it is"


def test_tables_say_that_there_is_nothing_yet(daemon: Make) -> None:
    empty = daemon()
    empty.state.mkdir()
    with storing(empty.state):
        pass
    for verb in READERS:
        answer = empty.cli(verb)
        assert answer.returncode == 0
        assert answer.stdout.startswith("no ")
        assert empty.json(verb) == []


@pytest.mark.parametrize("verb", READERS)
def test_without_a_database_there_is_nothing_to_talk_to(daemon: Make, verb: str) -> None:
    answer = daemon().cli(verb)
    assert answer.returncode == 69
    assert "has netwatchd run yet" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_status_of_a_daemon_that_does_not_run_tells_what_is_stored(stored: Daemon) -> None:
    answer = stored.cli("status", "--json")
    assert answer.returncode == 69
    assert json.loads(answer.stdout)["running"] is False
    assert json.loads(answer.stdout)["database"]["size"] > 0
    assert "not running" in stored.cli("status").stdout


@pytest.mark.parametrize(
    "arguments",
    [["devices", "--device", "nobody"], ["flows", "--device", ""], ["threats", "--device", "10.9.9.9"]],
)
def test_a_device_that_is_not_known_is_said(stored: Daemon, arguments: list[str]) -> None:
    answer = stored.cli(*arguments)
    assert answer.returncode == 1
    assert "no device is known by" in answer.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        [], ["dance"], ["flows", "--limit", "-1"], ["flows", "--limit", "9" * 30], ["flows", "--since", "yesterdayish"],
        ["flows", "--since", "9" * 30], ["top", "colour"], ["devices", "--nonsense"],
    ],
)  # fmt: skip
def test_a_command_line_that_means_nothing_is_a_usage_error(stored: Daemon, arguments: list[str]) -> None:
    answer = stored.cli(*arguments)
    assert answer.returncode == 2
    assert "usage:" in answer.stderr


@pytest.mark.parametrize("since", ["30000000 d", "9999-12-31", "999999999999999", "2026-11-23 14:05"])
def test_any_time_that_can_be_written_can_be_asked_for(stored: Daemon, since: str) -> None:
    for verb in READERS:
        assert stored.cli(verb, "--since", since).returncode == 0


@pytest.mark.parametrize("verb", ["check-config", *READERS, "status", "run"])
def test_a_mistake_in_the_configuration_is_named_with_its_line(stored: Daemon, verb: str) -> None:
    stored.configure("[storage]\ncolour = blue")
    answer = stored.cli(verb)
    assert answer.returncode == 78
    assert "[storage] colour" in answer.stderr
    line = stored.config.read_text().splitlines().index("colour = blue") + 1
    assert f"line {line}: [storage] colour" in answer.stderr


def test_check_config_says_that_there_is_no_mistake(stored: Daemon) -> None:
    answer = stored.cli("check-config")
    assert answer.returncode == 0
    assert answer.stdout == f"{stored.config}: no mistakes\n"


def test_the_version_is_told(stored: Daemon) -> None:
    assert stored.cli("--version").stdout.startswith("netwatchd ")


def test_a_broken_database_is_said_in_a_sentence(stored: Daemon) -> None:
    (stored.state / "core.db").write_bytes(b"this is no database" * 1000)
    answer = stored.cli("devices")
    assert answer.returncode == 69
    assert "cannot read" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_a_reader_that_has_had_enough_is_no_failure(stored: Daemon) -> None:
    with storing(stored.state) as store:
        store.add_flows([flow(n) for n in range(2000)])
    command = f"{sys.executable} -m netwatchd flows --json --limit 0 | head -1; echo ${{PIPESTATUS[0]}}"
    answer = subprocess.run(["bash", "-c", command], env=stored.environment, capture_output=True, text=True, check=True)
    assert (answer.stdout, answer.stderr) == ("[\n0\n", "")


def test_a_terminal_that_lacks_a_letter_shows_the_rest(stored: Daemon) -> None:
    with storing(stored.state) as store:
        store.upsert_device(device(name="Ünal \N{DROMEDARY CAMEL}"))
    stored.environment["PYTHONIOENCODING"] = "ascii"
    answer = stored.cli("devices")
    assert answer.returncode == 0, answer.stderr
    assert "?nal" in answer.stdout


@contextmanager
def somebody_else(port: int, body: bytes, status: int = 200) -> Iterator[None]:
    """Another server on our port."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", port), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield
        server.shutdown()


@pytest.mark.parametrize(("body", "words"), [(b"<html>", "is not netwatchd"), (b"[1]", "is not netwatchd")])
def test_another_server_on_the_port_is_not_taken_for_the_daemon(stored: Daemon, body: bytes, words: str) -> None:
    with somebody_else(stored.port, body):
        answer = stored.cli("status")
    assert answer.returncode == 69
    assert words in answer.stderr
    assert "Traceback" not in answer.stderr


@needs_nobody
def test_a_user_who_may_only_read_the_files_reads_while_the_daemon_writes_and_after(daemon: Make) -> None:
    os.umask(0o022)
    with daemon() as started:
        started.emit({"type": "device", "mac": MAC, "ip": "192.168.1.5"}, flow_line(1))
        as_nobody = [*NOBODY, sys.executable, "-m", "netwatchd"]

        def count(verb: str) -> int:
            answer = subprocess.run(
                [*as_nobody, verb, "--json"], env=started.environment, capture_output=True, text=True, check=False
            )
            assert answer.returncode == 0, answer.stderr
            return len(json.loads(answer.stdout))

        eventually(lambda: started.json("flows"))
        assert (count("devices"), count("flows"), count("threats")) == (1, 1, 0)
        assert started.stop() == 0
        assert (count("devices"), count("flows"), count("threats")) == (1, 1, 0)


def test_times_and_sizes_are_written_for_people() -> None:
    assert [size_text(n) for n in (0, 999, 1300, 42e6, 5e15)] == ["0 B", "999 B", "1.3 kB", "42 MB", "5000 TB"]
    assert [span_text(n) for n in (5, 125, 3700, 100_000)] == ["5 s", "2 min", "1 h 1 min", "1 d 3 h"]
    assert time_text(0).startswith(("1970", "1969"))
    assert time_text(2**60).startswith("9999")
    assert moment("0") == 0
