"""`watch` tells what happens as it happens, to people and to scripts, and outlives the daemon."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from running import MAC, OTHER_MAC, Daemon, flow_line
from terminal_kit import ESCAPES, Terminal, terminal, too_wide
from waiting import PATIENCE, eventually
from websocket_kit import certificate
from websockets.sync.server import ServerConnection, serve

Make = Callable[..., Daemon]
TV = {"type": "device", "mac": MAC, "ip": "192.168.1.5", "hostname": "tv"}
PHONE = {"type": "device", "mac": OTHER_MAC, "ip": "192.168.1.6", "hostname": "phone"}
EVIL = "\x1b[31m[bold]evil[/bold]\x07\u202e"
THREAT = {
    "type": "threat", "kind": "port_scan", "severity": "high", "device": MAC, "target": "192.168.1.6",
    "description": "tv has probed 1,000 ports of phone within 12 s. " * 2, "recommendation": "Find out who did it.",
}  # fmt: skip


class Watching:
    """A `watch` whose output goes into a pipe."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        self.lines: list[str] = []
        self.errors: list[str] = []
        for stream, kept in ((process.stdout, self.lines), (process.stderr, self.errors)):
            assert stream
            threading.Thread(target=self._keep, args=(stream, kept), daemon=True).start()

    @staticmethod
    def _keep(stream: Any, kept: list[str]) -> None:
        for line in stream:
            kept.append(line.removesuffix("\n"))

    def line(self, words: str) -> str:
        """The first line with these words."""
        found = eventually(lambda: [line for line in list(self.lines) if words in line], f"{words} in {self.lines}")
        return str(found[0])

    def error(self, words: str) -> str:
        return str(eventually(lambda: [line for line in list(self.errors) if words in line], words)[0])

    def message(self, kind: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.line(f'"type":"{kind}"'))
        return found

    def interrupt(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(PATIENCE)


@contextmanager
def watching(environment: dict[str, str], *arguments: str) -> Iterator[Watching]:
    command = [sys.executable, "-m", "netwatchd", "watch", *arguments]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8"
    ) as process:
        try:
            yield Watching(process)
        finally:
            process.kill()


def test_a_line_an_event_with_who_and_what(daemon: Make) -> None:
    with daemon() as running, watching(running.environment) as seen:
        assert seen.line("devices here").startswith("0 of 0 devices here, 0 open threats;")
        running.emit(TV, PHONE, THREAT, flow_line(1, bytes_in=1_200_000, bytes_out=34_000))
        assert seen.line("192.168.1.5, ")[8:].split() == ["new", "tv", "192.168.1.5,", MAC]
        assert seen.line("port_scan")[8:].split() == ["high", "tv", "port_scan", "#1"]
        assert seen.line("has probed").strip() == THREAT["description"].strip()
        assert seen.line("Find out").strip() == THREAT["recommendation"]
        assert seen.line("tcp/1")[8:].split() == [
            "flow",
            "tv",
            ">",
            "93.184.216.34",
            "tcp/1",
            "↓1.2",
            "MB",
            "↑34",
            "kB",
        ]
        assert running.cli("name", "phone", "Ada's phone").returncode == 0
        assert seen.line("named").endswith("Ada's phone         was phone")
        running.emit(PHONE | {"status": "offline"})
        assert "Ada's phone" in seen.line("offline")
        assert running.cli("dismiss", "1").returncode == 0
        assert seen.line("dismissed")
        assert running.cli("forget", "tv", "--yes").returncode == 0
        assert seen.line("gone")
        assert seen.interrupt() == 130
        assert seen.errors == []


def test_each_message_is_a_line_for_a_script_exactly_as_it_came(daemon: Make) -> None:
    with daemon() as running, watching(running.environment, "--json") as seen:
        hello = seen.message("hello")
        assert hello["server"].startswith("netwatchd/")
        assert seen.message("snapshot")["devices"] == []
        with running.client() as client:
            raw = [client.recv() for _ in range(2)]  # hello and snapshot
            running.emit(TV | {"hostname": EVIL}, flow_line(1), THREAT)
            for kind in ("device", "flow", "threat"):
                line = seen.line(f'"type":"{kind}_update"')
                while line not in raw:  # they come in any order
                    raw.append(client.recv(PATIENCE))
        assert seen.message("stats")["stats"]["devices"] == 1
        assert seen.interrupt() == 130


@pytest.mark.parametrize(
    ("arguments", "there", "missing"),
    [
        (["--topics", "threats"], ["port_scan", "harmless"], ["192.168.1.5,", "tcp/1"]),
        (["--topics", "flows,devices"], ["tcp/1", "192.168.1.5,"], ["port_scan"]),
        (["--severity", "high"], ["port_scan"], ["harmless", "tcp/1", "192.168.1.5,"]),
        (["--device", "192.168.1.6"], ["192.168.1.6,", "port_scan", "tcp/2"], ["tcp/1 ", "192.168.1.5,"]),
    ],
)
def test_only_what_is_asked_for_is_told(
    daemon: Make, arguments: list[str], there: list[str], missing: list[str]
) -> None:
    with daemon() as running, watching(running.environment, *arguments) as seen:
        seen.line("here")
        harmless = {"type": "threat", "kind": "harmless", "severity": "low", "description": "nothing"}
        running.emit(TV, PHONE, flow_line(1), harmless, THREAT)
        running.emit(flow_line(60_001, src_ip="192.168.1.6"))
        for words in there:
            seen.line(words)
        assert [line for line in seen.lines if any(words in line for words in missing)] == []


def test_a_device_that_nobody_knows_is_said_and_what_cannot_be_meant_is_a_usage_error(daemon: Make) -> None:
    with daemon() as running:
        answer = running.cli("watch", "--device", "nobody")
        assert (answer.returncode, "no device is known by" in answer.stderr) == (1, True)
        for arguments in (
            ["--topics", "colours"],
            ["--url", "ftp://x"],
            ["--url", "ws://h/ws?token=x"],
            ["--url", "ws://[:"],
        ):
            answer = running.cli("watch", *arguments)
            assert answer.returncode == 2, arguments
            assert "Traceback" not in answer.stderr


def test_without_a_daemon_there_is_nothing_to_watch(daemon: Make) -> None:
    answer = daemon().cli("watch")
    assert answer.returncode == 69
    assert "does not answer" in answer.stderr
    assert answer.stdout == ""


@pytest.mark.parametrize("arguments", [[], ["--json"]])
def test_when_the_daemon_is_restarted_it_comes_back_and_goes_on(daemon: Make, arguments: list[str]) -> None:
    running = daemon()
    running.start()
    with watching(running.environment, *arguments) as seen:
        seen.line("here" if not arguments else "snapshot")
        running.stop()
        assert "reconnecting ..." in seen.error("reconnecting")
        running.start()
        seen.error("connected again")
        running.emit(TV, THREAT)
        seen.line("port_scan")
        if arguments:
            assert seen.message("gap")["reason"] == "another run"
        else:
            assert "another run" in seen.line("missed")
        assert seen.interrupt() == 130


@contextmanager
def somebody(serves: Callable[[ServerConnection], object]) -> Iterator[str]:
    """Another server of the same stream; its URL."""
    with serve(serves, "127.0.0.1", 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"ws://127.0.0.1:{server.socket.getsockname()[1]}"


HELLO = {"type": "hello", "server": "netwatchd/0", "protocol": 1, "epoch": "one", "seq": 5}
SNAPSHOT = {"type": "snapshot", "seq": 5, "devices": [], "threats": [], "stats": {}}
FLOW = {
    "id": 1, "start": 1, "end": 2, "src_ip": "192.168.1.5", "src_port": 1, "dst_ip": "8.8.8.8", "dst_port": 53,
    "protocol": "udp", "packets_out": 1, "bytes_out": 10, "packets_in": 1, "bytes_in": 10, "state": "closed",
    "source": "test", "device": None,
}  # fmt: skip


def test_a_lost_connection_is_resumed_where_it_stopped_and_a_gap_is_said() -> None:
    asked: list[str] = []

    def serves(connection: ServerConnection) -> None:
        assert connection.request
        asked.append(connection.request.path)
        if len(asked) == 1:
            for message in (HELLO, SNAPSHOT, {"type": "flow_update", "seq": 9, "time": 1, "flow": FLOW}):
                connection.send(json.dumps(message))
            return
        connection.send(json.dumps(HELLO | {"seq": 9}))
        connection.send(json.dumps({"type": "gap", "seq": 1249, "missed": [10, 1249], "reason": "slow client"}))
        asked.append(str(connection.recv(PATIENCE)))
        list(connection)

    with somebody(serves) as url, watching(dict(os.environ), "--url", url) as seen:
        assert seen.line("missed").endswith("1,240 messages were not sent: slow client")
        eventually(lambda: len(asked) == 3)
    assert asked[0].startswith("/ws?topics=") and "epoch" not in asked[0]
    assert asked[1].endswith("&epoch=one&since=9")
    assert json.loads(asked[2]) == {"op": "snapshot"}


def test_thousands_a_second_are_a_few_lines_and_the_rest_is_said() -> None:
    many = 5000

    def serves(connection: ServerConnection) -> None:
        connection.send(json.dumps(HELLO))
        connection.send(json.dumps(SNAPSHOT))
        for number in range(many):
            flow = FLOW | {"id": number, "bytes_in": 1000}
            connection.send(json.dumps({"type": "flow_update", "seq": 6 + number, "time": 1, "flow": flow}))
        list(connection)

    with somebody(serves) as url, watching(dict(os.environ), "--url", url) as seen:

        def told() -> int:
            left = [int(line.split()[2].replace(",", "")) for line in list(seen.lines) if " more: " in line]
            return sum(left) + sum(" flow  " in line for line in list(seen.lines))

        eventually(lambda: told() == many)
        assert len(seen.lines) < 200


def test_a_stranger_is_not_taken_for_the_daemon() -> None:
    def serves(connection: ServerConnection) -> None:
        connection.send(json.dumps({"type": "price", "usd": 5}))
        list(connection)

    with somebody(serves) as url:
        answer = subprocess.run(
            [sys.executable, "-m", "netwatchd", "watch", "--url", url], capture_output=True, text=True, check=False
        )
    assert (answer.returncode, "is not netwatchd" in answer.stderr) == (69, True)


def listening(daemon: Daemon, settings: str) -> Daemon:
    """The same with more settings of [websocket]."""
    daemon.config.write_text(daemon.config.read_text().replace("[websocket]\n", f"[websocket]\n{settings}\n"))
    return daemon


def test_another_machine_is_shown_the_token_of_a_file_or_of_the_environment(daemon: Make, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secretly\n")
    (tmp_path / "empty").touch()
    elsewhere = dict(os.environ) | {"NETWATCHD_CONFIG": "/nowhere"}
    with listening(daemon(), "token = secretly") as running:
        url = f"ws://127.0.0.1:{running.port}"
        with watching(elsewhere, "--url", url, "--token-file", str(tmp_path / "token")) as seen:
            seen.line("here")
        with watching(elsewhere | {"NETWATCHD_TOKEN": "secretly"}, "--url", url) as seen:
            seen.line("here")
        with watching(running.environment) as seen:
            seen.line("here")
        for arguments, code, words in (
            ([], 69, "answers 401"),
            (["--token-file", str(tmp_path / "empty")], 1, "is empty"),
            (["--token-file", "/nowhere"], 1, "No such file"),
        ):
            answer = subprocess.run(
                [sys.executable, "-m", "netwatchd", "watch", "--url", url, *arguments], env=elsewhere,
                capture_output=True, text=True, check=False,
            )  # fmt: skip
            assert (answer.returncode, words in answer.stderr) == (code, True), answer.stderr


def test_tls_is_spoken_and_a_certificate_of_ones_own_is_trusted_where_it_is_named(daemon: Make, tmp_path: Path) -> None:
    pem, key = certificate(tmp_path)
    with listening(daemon(), f"tls_certificate = {pem}\ntls_key = {key}") as running:
        url = f"wss://127.0.0.1:{running.port}"
        with watching(dict(os.environ), "--url", url, "--certificate", str(pem)) as seen:
            seen.line("here")
        answer = running.cli("watch", "--url", url)
        assert (answer.returncode, "certificate" in answer.stderr) == (69, True)


def until_shown(screen: Terminal, *words: str) -> None:
    for each in words:
        screen.until(each)


def test_in_a_terminal_it_fits_is_coloured_and_nothing_that_the_network_says_acts_on_it(daemon: Make) -> None:
    with daemon() as running, terminal(["watch"], running.environment) as screen:
        screen.until("until Ctrl-C")
        long = {"hostname": "my-very-long-host-name-" * 4}
        six = "2001:db8:85a3:1234:5678:8a2e:1370:7334"
        running.emit(
            TV | {"hostname": EVIL}, PHONE | long | {"ip": six}, THREAT | {"description": f"{EVIL} " * 20},
            flow_line(1, dst_ip=six, bytes_in=10**15 - 1, bytes_out=10**15 - 1),
        )  # fmt: skip
        until_shown(screen, "new", "high", "Find out", "tcp/1")
        screen.type("\x03")
        assert screen.end() == 130
    assert too_wide(screen.lines) == []
    assert "\x1b[31mhigh" in screen.raw
    assert {each[-1] for each in ESCAPES.findall(screen.raw)} == {"m"}
    assert "\x1b[31m[bold" not in screen.raw and "\u202e" not in screen.raw and "\x07" not in screen.raw


def test_json_in_a_terminal_is_shown_without_what_acts_on_it() -> None:
    def serves(connection: ServerConnection) -> None:
        connection.send(json.dumps(HELLO | {"server": "netwatchd\x9b2J\u202e"}, ensure_ascii=False))
        list(connection)

    with somebody(serves) as url, terminal(["watch", "--json", "--url", url], dict(os.environ)) as screen:
        screen.until("netwatchd\N{REPLACEMENT CHARACTER}2J\N{REPLACEMENT CHARACTER}")


@pytest.mark.parametrize("settings", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_without_colours_where_they_are_not_wanted(daemon: Make, settings: dict[str, str]) -> None:
    with daemon() as running, terminal(["watch"], running.environment, **settings) as screen:
        screen.until("until Ctrl-C")
        running.emit(TV, THREAT)
        until_shown(screen, "high", "Find out")
        assert "[31m" not in screen.raw and ("TERM" not in settings or "\x1b" not in screen.raw)
