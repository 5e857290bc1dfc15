"""The verbs name, forget, merge and split have the running daemon do what they say, and say what was done."""

import json
import os
import pty
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from running import MAC, OTHER_MAC, Daemon, join, scratch, until
from shell import Shell
from waiting import PATIENCE, eventually
from websocket_kit import certificate

from netwatchd.broadcast.commands import LONGEST_NAME

Make = Callable[..., Daemon]
THIRD = "a4:83:e7:00:00:03"
EVIL = "\x1b[31m[bold red]evil[/bold red]\x07<script>alert(1)</script>"
ACTING = {"name": [MAC, "x"], "forget": [MAC, "--yes"], "merge": [OTHER_MAC, MAC], "split": [MAC]}


class Running(Shell):
    """The command line beside a running daemon."""

    daemon: Daemon


@pytest.fixture(scope="module")
def one() -> Iterator[Daemon]:
    """A daemon for all tests here: to start one for each would take most of the time."""
    directory = scratch()
    # What the user says is stored soon, however long all else may wait: the next command reads it.
    with Daemon(directory, "[storage]\ncommit_interval = 10 min") as started:
        yield started
        assert started.stop() == 0
    shutil.rmtree(directory)


@pytest.fixture
def running(one: Daemon, capsys: pytest.CaptureFixture[str]) -> Iterator[Running]:
    """The command line beside a daemon that knows two devices with MACs, and one without, and nothing else."""
    shell = Running(capsys, one.environment)
    shell.daemon = one
    one.emit(
        {"type": "device", "mac": MAC, "ip": "192.168.1.5", "hostname": "tv.lan"},
        {"type": "device", "mac": OTHER_MAC, "ip": "192.168.1.6", "hostname": "phone"},
        {"type": "device", "ip": "192.168.1.7"},
    )
    eventually(lambda: len(known(shell)) == 3)
    yield shell
    for key in known(shell):
        assert shell.cli("forget", key, "--yes").returncode == 0


def known(running: Running) -> dict[str, dict[str, Any]]:
    """The devices that the daemon knows now, by key."""
    devices: dict[str, dict[str, Any]] = {}

    def take(message: dict[str, Any]) -> bool:
        for device in message.get("devices", [message["device"]] if "device" in message else []):
            devices[device["mac"] or device["ip"]] = device
        devices.pop(message.get("key", ""), None)
        return bool(message["type"] == "pong")

    with running.daemon.client() as client:
        client.send('{"op": "subscribe", "topics": ["devices"]}')
        until(client, lambda message: take(message) or message["type"] == "snapshot")
        client.send('{"op": "ping"}')  # what has happened since the snapshot was made comes before the answer
        until(client, take)
    return devices


def test_a_device_gets_a_name_and_loses_it(running: Running) -> None:
    with running.daemon.client() as client:
        join(client)
        answer = running.cli("name", "192.168.1.5", "  Ada's TV ")
        assert answer.returncode == 0, answer.stderr
        assert answer.stdout == f'tv ({MAC}, 192.168.1.5) is called "Ada\'s TV" now\n'
        told = until(client, lambda message: message["type"] == "device_update" and message["device"]["name"])
        assert told["device"]["mac"] == MAC
    assert known(running)[MAC]["name"] == "Ada's TV"
    eventually(lambda: [each["mac"] for each in running.json("devices") if each["name"] == "Ada's TV"] == [MAC])
    answer = running.cli("name", "ada's tv", "--remove")
    assert answer.stdout == f"Ada's TV ({MAC}, 192.168.1.5) has no name of yours any more\n"
    assert known(running)[MAC]["name"] is None


@pytest.mark.parametrize(
    ("given", "key"),
    [
        (MAC, MAC), ("A4-83-E7-00-00-01", MAC), ("tv.lan", MAC), ("TV", MAC), ("Phone", OTHER_MAC),
        ("192.168.1.6", OTHER_MAC), ("192.168.1.7", "192.168.1.7"),
    ],
)  # fmt: skip
def test_a_device_is_found_by_whatever_it_is_known_by(running: Running, given: str, key: str) -> None:
    answer = running.json("name", given, "it")
    assert (answer["op"], answer["device"], answer["name"]) == ("name", key, "it")
    assert [device["name"] for device in answer["devices"]] == ["it"]
    assert [found for found, device in known(running).items() if device["name"]] == [key]


def test_what_was_just_done_is_found_by_the_next_command(running: Running) -> None:
    for number in range(3):
        assert running.cli("name", MAC if not number else f"n{number - 1}", f"n{number}").returncode == 0


def test_a_name_that_another_device_has_is_given_and_said(running: Running) -> None:
    assert running.cli("name", MAC, "thing").returncode == 0
    answer = running.cli("name", OTHER_MAC, "Thing")
    assert answer.returncode == 0
    assert f"thing ({MAC}, 192.168.1.5) is called so, too" in answer.stderr
    answer = running.cli("name", "thing", "other")
    assert answer.returncode == 1
    assert "may be any of 2 devices" in answer.stderr
    assert MAC in answer.stderr
    assert OTHER_MAC in answer.stderr


def test_a_device_is_forgotten(running: Running) -> None:
    with running.daemon.client() as client:
        join(client)
        answer = running.cli("forget", "phone", "--yes")
        assert answer.returncode == 0, answer.stderr
        assert answer.stdout == f"phone ({OTHER_MAC}, 192.168.1.6) is forgotten; seen again, it is new\n"
        assert until(client, lambda message: message.get("key") == OTHER_MAC)["type"] == "device_removed"
    assert set(known(running)) == {MAC, "192.168.1.7"}
    eventually(lambda: [row["mac"] for row in running.json("devices")].count(OTHER_MAC) == 0)
    assert running.json("forget", "192.168.1.7", "--yes") == {
        "op": "forget", "device": "192.168.1.7", "devices": [], "removed": ["192.168.1.7"],
    }  # fmt: skip


def test_without_a_terminal_forgetting_needs_to_be_sure(running: Running) -> None:
    answer = running.cli("forget", "phone")
    assert answer.returncode == 2
    assert "--yes" in answer.stderr
    assert OTHER_MAC in known(running)


@pytest.mark.parametrize(("typed", "code", "left"), [(b"y\n", 0, 2), (b"\n", 1, 3), (b"no\n", 1, 3)])
def test_at_a_terminal_forgetting_is_asked_for(running: Running, typed: bytes, code: int, left: int) -> None:
    ours, theirs = pty.openpty()
    try:
        command = [sys.executable, "-m", "netwatchd", "forget", "phone"]
        with subprocess.Popen(
            command, env=os.environ | running.environment, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            os.write(ours, typed)
            _, said = process.communicate(timeout=PATIENCE)
    finally:
        os.close(ours)
        os.close(theirs)
    assert process.returncode == code, said
    assert b"Forget all about phone" in said
    assert len(known(running)) == left


def merged_of(running: Running, device: str) -> list[dict[str, Any]]:
    """What was merged into a device, as the database has it; it has it within a quarter of a second."""
    answer = running.cli("device", device, "--json")
    return [] if answer.returncode else json.loads(answer.stdout)["merged"]


def test_two_devices_become_one_and_two_again(running: Running) -> None:
    with running.daemon.client() as client:
        join(client)
        answer = running.cli("merge", "phone", "tv")
        assert answer.returncode == 0, answer.stderr
        undo = f"netwatchd split {MAC} {OTHER_MAC}"
        assert f"phone ({OTHER_MAC}, 192.168.1.6) is tv ({MAC}, 192.168.1.5) now; to undo: {undo}" in answer.stdout
        assert until(client, lambda message: message.get("key") == OTHER_MAC)["type"] == "device_removed"
    assert set(known(running)) == {MAC, "192.168.1.7"}
    assert set(known(running)[MAC]["macs"]) == {MAC, OTHER_MAC}
    merged = eventually(lambda: merged_of(running, OTHER_MAC))
    assert [(each["mac"], each["by"], each["undone"], each["undo"]) for each in merged] == [
        (OTHER_MAC, "user", None, undo)
    ]
    assert undo in running.cli("device", MAC).stdout

    answer = running.cli(*undo.split()[1:])
    assert answer.returncode == 0, answer.stderr
    assert f"{OTHER_MAC}, " in answer.stdout.partition(" is a device of its own now; ")[0]
    assert answer.stdout.endswith(" stays\n")
    assert set(known(running)) == {MAC, OTHER_MAC, "192.168.1.7"}
    (apart,) = eventually(lambda: [each for each in merged_of(running, MAC) if each["undone"]])
    assert (apart["mac"], apart["undo"]) == (OTHER_MAC, None)


@pytest.mark.parametrize("arguments", [["192.168.1.6"], [MAC], [OTHER_MAC], [MAC, OTHER_MAC], [OTHER_MAC, OTHER_MAC]])
def test_the_only_merged_mac_need_not_be_said(running: Running, arguments: list[str]) -> None:
    answer = running.json("merge", "phone", "tv")
    assert (answer["device"], answer["into"], answer["removed"]) == (OTHER_MAC, MAC, [OTHER_MAC])
    assert [set(device["macs"]) for device in answer["devices"]] == [{MAC, OTHER_MAC}]
    answer = running.json("split", *arguments)
    assert (answer["op"], answer["device"], answer["removed"]) == ("split", OTHER_MAC, [])
    assert [device["mac"] for device in answer["devices"]] == [OTHER_MAC, MAC]
    assert len(known(running)) == 3


def test_of_several_merged_macs_one_must_be_said(running: Running) -> None:
    running.daemon.emit({"type": "device", "mac": THIRD, "ip": "192.168.1.8"})
    for mac in (OTHER_MAC, THIRD):
        assert running.cli("merge", mac, MAC).returncode == 0
    answer = running.cli("split", MAC)
    assert answer.returncode == 1
    for mac in (OTHER_MAC, THIRD):
        assert f"netwatchd split {MAC} {mac}\n" in answer.stderr
    answer = running.cli("split", MAC, MAC)
    assert answer.returncode == 1
    assert "is none that was merged" in answer.stderr
    assert running.json("split", MAC, THIRD)["device"] == THIRD
    assert set(known(running)[MAC]["macs"]) == {MAC, OTHER_MAC}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["split", "tv"], "has no other MAC"),
        (["merge", "tv", MAC], "are the same device"),
        (["merge", "tv", "fridge"], "no device is known by 'fridge'"),
        (["name", "telephone", "x"], f"perhaps phone ({OTHER_MAC}, 192.168.1.6)?"),
        (["forget", "10.0.0.1", "--yes"], "`netwatchd devices` shows them all"),
    ],
)
def test_what_cannot_be_done_is_said(running: Running, arguments: list[str], words: str) -> None:
    answer = running.cli(*arguments)
    assert (answer.returncode, answer.stdout) == (1, "")
    assert words in answer.stderr
    assert answer.stderr.startswith("netwatchd: ")
    assert len(known(running)) == 3


@pytest.mark.parametrize(
    "arguments",
    [
        ["name"], ["name", MAC], ["name", MAC, "x", "--remove"], ["name", MAC, " "], ["name", MAC, "a\x1b[31m"],
        ["name", MAC, "x" * (LONGEST_NAME + 1)], ["forget"], ["merge", MAC], ["split"], ["split", MAC, "nonsense"],
        ["split", MAC, "ff:ff:ff:ff:ff:ff"],
    ],
)  # fmt: skip
def test_what_means_nothing_is_a_usage_error(running: Running, arguments: list[str]) -> None:
    answer = running.cli(*arguments)
    assert answer.returncode == 2, answer.stderr
    assert "Traceback" not in answer.stderr


@pytest.mark.parametrize("verb", ACTING)
def test_without_a_daemon_there_is_nothing_to_talk_to(daemon: Make, verb: str) -> None:
    stopped = daemon()
    answer = stopped.cli(verb, *ACTING[verb])
    assert answer.returncode == 69
    assert f"does not answer at 127.0.0.1 port {stopped.port}" in answer.stderr
    assert "Traceback" not in answer.stderr


def websocket(daemon: Daemon, settings: str) -> Daemon:
    """The daemon with settings in its section of the WebSocket."""
    daemon.config.write_text(daemon.config.read_text().replace("[websocket]\n", f"[websocket]\n{settings}\n"))
    return daemon


def test_a_token_that_is_wrong_is_said(daemon: Make) -> None:
    with websocket(daemon(), "token = secretly") as started:
        started.emit({"type": "device", "mac": MAC})
        assert started.cli("name", MAC, "x").returncode == 0
        started.configure("")
        websocket(started, "token = guessing")
        answer = started.cli("name", MAC, "y")
    assert answer.returncode == 69
    assert "answers 401" in answer.stderr


def test_it_is_done_over_tls_too(daemon: Make, tmp_path: Path) -> None:
    pem, key = certificate(tmp_path)
    with websocket(daemon(), f"tls_certificate = {pem}\ntls_key = {key}") as started:
        started.emit({"type": "device", "mac": MAC})
        answer = started.cli("name", MAC, "x")
    assert answer.returncode == 0, answer.stderr


def test_a_device_without_a_mac_is_merged_into_one_with(running: Running) -> None:
    for arguments in (["192.168.1.7", "tv"], ["phone", "192.168.1.8"]):
        running.daemon.emit({"type": "device", "ip": "192.168.1.8"})
        eventually(lambda: "192.168.1.8" in known(running))
        answer = running.cli("merge", *arguments)
        assert answer.returncode == 0, answer.stderr
        assert answer.stdout.endswith(" now\n"), "there is nothing to undo it by"
    assert set(known(running)) == {MAC, OTHER_MAC}


def test_a_mistake_in_the_configuration_is_named(daemon: Make) -> None:
    stopped = daemon("[storage]\ncolour = blue")
    for verb, arguments in ACTING.items():
        answer = stopped.cli(verb, *arguments)
        assert answer.returncode == 78
        assert "[storage] colour" in answer.stderr


def test_what_the_network_says_does_nothing_to_the_terminal(running: Running) -> None:
    running.daemon.emit({"type": "device", "mac": THIRD, "ip": "192.168.1.8", "hostname": EVIL})
    eventually(lambda: THIRD in known(running))
    for arguments in (["merge", THIRD, THIRD], ["name", "evi", "x"], ["split", THIRD], ["name", THIRD, "x"]):
        answer = running.cli(*arguments)
        said = answer.stdout + answer.stderr
        assert "evil" in said
        assert "\x1b" not in said
        assert "\x07" not in said
    assert json.loads(running.cli("name", THIRD, "y", "--json").stdout)["devices"][0]["hostname"].endswith(
        "<script>alert(1)</script>"
    )


def test_what_was_merged_into_a_device_that_is_merged_itself_can_be_split_too(running: Running) -> None:
    running.daemon.emit({"type": "device", "mac": THIRD, "ip": "192.168.1.8"})
    eventually(lambda: THIRD in known(running))
    for pair in ((OTHER_MAC, MAC), (MAC, THIRD)):
        assert running.cli("merge", *pair).returncode == 0
    assert set(known(running)[THIRD]["macs"]) == {MAC, OTHER_MAC, THIRD}
    eventually(lambda: [each["macs"] for each in running.json("devices") if len(each["macs"]) == 3])
    merged = running.json("device", THIRD)["merged"]
    assert {each["mac"]: each["undo"] for each in merged} == {
        mac: f"netwatchd split {THIRD} {mac}" for mac in (MAC, OTHER_MAC)
    }
    assert running.json("split", OTHER_MAC)["device"] == OTHER_MAC
    assert set(known(running)) == {OTHER_MAC, THIRD, "192.168.1.7"}
    assert set(known(running)[THIRD]["macs"]) == {MAC, THIRD}
