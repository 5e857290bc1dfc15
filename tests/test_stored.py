"""What the user has said is stored when the command that says it has ended, or the command says that it is not."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from faults_kit import core_of, storage
from running import MAC, OTHER_MAC, Daemon, join, locked, rows, until
from shell import Shell
from store_kit import device, storing
from waiting import PATIENCE, eventually
from websocket_kit import say, serving, take

Make = Callable[..., Daemon]
LATE = "[storage]\ncommit_interval = 10 min"  # nothing is stored in a test but what somebody waits for
DEVICES = [
    {"type": "device", "mac": MAC, "ip": "192.168.1.5", "hostname": "tv"},
    {"type": "device", "mac": OTHER_MAC, "ip": "192.168.1.6", "hostname": "phone"},
]
THREATS = [
    {"type": "threat", "kind": "plaintext", "description": "telnet", "device": MAC, "target": f"192.168.1.9:{port}"}
    for port in range(20, 24)
]
NAMES = "SELECT name FROM devices WHERE name IS NOT NULL ORDER BY name"
MACS = "SELECT mac FROM devices UNION ALL SELECT 'once ' || mac FROM aliases WHERE undone IS NULL ORDER BY mac"
STATUSES = "SELECT status FROM threats ORDER BY id"
# What is said, and what another process then reads in the database.
SAID: list[tuple[list[str], str, list[Any]]] = [
    (["name", MAC, "Ada's TV"], NAMES, ["Ada's TV"]),
    (["name", MAC, "--remove"], NAMES, []),
    (["merge", OTHER_MAC, MAC], MACS, [MAC, f"once {OTHER_MAC}"]),
    (["split", MAC, OTHER_MAC], MACS, [MAC, OTHER_MAC]),
    (["forget", OTHER_MAC, "--yes"], MACS, [MAC]),
    (["acknowledge", "1"], STATUSES, ["acknowledged", "open", "open", "open"]),
    (["dismiss", "1", "3"], STATUSES, ["dismissed", "open", "dismissed", "open"]),
    (["dismiss", "--kind", "plaintext"], STATUSES, ["dismissed"] * 4),
    (["reopen", "4", "1"], STATUSES, ["open", "dismissed", "dismissed", "open"]),
]


def told(daemon: Daemon) -> None:
    """The daemon hears of all devices and threats, and has stored them."""
    daemon.emit(*DEVICES, *THREATS)
    eventually(lambda: len(read(daemon, MACS)) == 2 and len(read(daemon, STATUSES)) == 4)


def read(daemon: Daemon, query: str) -> list[Any]:
    """A column of core.db, as another process reads it."""
    return [row[0] for row in rows(core_of(daemon), query)]


@pytest.fixture
def late(daemon: Make) -> Iterator[Daemon]:
    """A daemon that is in no hurry to store anything."""
    with daemon(LATE) as started:
        told(started)
        yield started


def test_what_was_said_is_in_the_database_when_the_command_has_ended(
    late: Daemon, capsys: pytest.CaptureFixture[str]
) -> None:
    shell = Shell(capsys, late.environment)
    for arguments, query, expected in SAID:
        answer = shell.cli(*arguments)
        assert answer.returncode == 0, answer.stderr
        assert read(late, query) == expected, arguments


@pytest.mark.slow
def test_what_was_said_outlives_kill_9_right_behind_the_command(late: Daemon) -> None:
    for arguments, query, expected in SAID:
        assert late.cli(*arguments).returncode == 0
        late.kill()
        late.start()
        assert read(late, query) == expected, arguments
        if arguments[0] == "name":
            assert [each["name"] for each in late.json("devices") if each["name"]] == expected


def test_a_client_of_the_websocket_hears_when_what_it_has_said_is_stored(late: Daemon) -> None:
    with late.client() as client:
        join(client)
        for number in range(3):
            client.send(json.dumps({"op": "name", "device": MAC, "name": f"n{number}"}))
            client.send('{"op": "ping"}')
            until(client, lambda message: message["type"] == "pong")
            assert read(late, NAMES) == [f"n{number}"]
    late.kill()
    late.start()
    assert read(late, NAMES) == ["n2"]


def test_where_the_database_cannot_be_written_the_command_says_so_and_it_is_stored_later(
    daemon: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    with daemon(storage(busy_timeout="50 ms", retry_delay="50 ms")) as running:
        told(running)
        shell = Shell(capsys, running.environment)
        with locked(core_of(running)):
            answer = shell.cli("name", MAC, "Ada's TV")
            assert (answer.returncode, answer.stdout.count('is called "Ada\'s TV" now')) == (1, 1)
            assert answer.stderr.startswith("netwatchd: it is done, but not stored yet: ")
            assert "database is locked" in answer.stderr
            assert answer.stderr.count("\n") == 1
            answer = shell.cli("dismiss", "1", "77", "2", "--json")
            assert answer.returncode == 1
            assert [each["status"] for each in json.loads(answer.stdout)["threats"]] == ["dismissed"] * 2
            assert "there is no threat 77\nit is done, but not stored yet: " in answer.stderr
            assert read(running, NAMES) == []
            with running.client() as client:
                join(client)
                client.send(json.dumps({"op": "name", "device": MAC, "name": "Ada's"}))
                client.send('{"op": "ping", "stored": false}')  # which asks for nothing but an answer
                client.send('{"op": "ping"}')
                assert "name" not in [each["op"] for each in pong(client) if each["type"] == "error"]
                (error,) = [each for each in pong(client) if each["type"] == "error"]
                assert (error["op"], error["stored"]) == ("name", False)
                client.send('{"op": "update_lists"}')  # which changes nothing that is stored
                client.send('{"op": "ping"}')
                assert not [each for each in pong(client) if each["type"] == "error"]
        eventually(lambda: read(running, NAMES) == ["Ada's"])
        assert read(running, STATUSES) == ["dismissed", "dismissed", "open", "open"]
        assert shell.cli("name", MAC, "TV").returncode == 0
        assert read(running, NAMES) == ["TV"]


def pong(client: Any) -> list[dict[str, Any]]:
    """What a client is told, up to an answer to a ping."""
    told: list[dict[str, Any]] = []
    until(client, lambda message: told.append(message) or message["type"] == "pong")
    return told


def test_several_are_judged_in_one_commit(late: Daemon, capsys: pytest.CaptureFixture[str]) -> None:
    shell = Shell(capsys, late.environment)
    before = shell.json("status")["database"]["commits"]
    assert len(shell.json("dismiss", "--kind", "plaintext", "1", "1")["threats"]) == 4
    assert read(late, STATUSES) == ["dismissed"] * 4
    assert shell.json("status")["database"]["commits"] - before <= 2


# The store.


def test_nothing_is_waited_for_where_nothing_waits(tmp_path: Path) -> None:
    with storing(tmp_path, commit_interval=600) as store:
        eventually(lambda: store.pending == 0)
        assert store.until_committed(PATIENCE) is None


def test_what_waits_is_committed_at_once_for_who_waits_for_it(tmp_path: Path) -> None:
    with storing(tmp_path, commit_interval=600) as store:
        for number in range(5):
            store.upsert_device(device(bytes_in=number))
            assert store.until_committed(PATIENCE) is None
            assert rows(tmp_path / "core.db", "SELECT bytes_in FROM devices") == [(number,)]


def test_several_may_wait_at_the_same_time(tmp_path: Path) -> None:
    answers: list[object] = []

    def say_and_wait(number: int) -> None:
        store.upsert_device(device(f"02:00:00:00:00:{number:02x}"))
        answers.append(store.until_committed(PATIENCE))

    with storing(tmp_path, commit_interval=600) as store:
        waiting = [threading.Thread(target=say_and_wait, args=(number,)) for number in range(20)]
        for each in waiting:
            each.start()
        for each in waiting:
            each.join(PATIENCE)
        assert answers == [None] * 20
        assert rows(tmp_path / "core.db", "SELECT count(*) FROM devices") == [(20,)]


def test_who_waits_hears_of_a_failed_attempt_and_need_not_wait_for_the_next_one_s_turn(tmp_path: Path) -> None:
    with storing(tmp_path, commit_interval=600, retry_delay=0.01) as store:
        with locked(tmp_path / "core.db"):
            store.upsert_device(device(bytes_in=1))
            for _ in range(8):  # by which time the store waits for seconds before it tries again
                why = store.until_committed(PATIENCE)
                assert why is not None
                assert "database is locked" in why
        assert store.until_committed(PATIENCE) is None
        assert rows(tmp_path / "core.db", "SELECT bytes_in FROM devices") == [(1,)]
        assert store.degraded is None


def test_who_waits_does_so_for_a_while_only(tmp_path: Path) -> None:
    with storing(tmp_path, busy_timeout=60.0) as store, locked(tmp_path / "core.db"):
        store.upsert_device(device())
        assert store.until_committed(0.05) == "the database could not be written for 0.05 s"


def test_a_row_that_is_refused_is_not_waited_for(tmp_path: Path) -> None:
    with storing(tmp_path, commit_interval=600) as store:
        store.upsert_device(device(bytes_in=2**70))
        assert store.until_committed(PATIENCE) is None
        assert store.counters["dropped.rows.rejected"] == 1


# The server.


def test_a_client_that_waits_for_us_is_not_taken_for_one_that_has_vanished() -> None:
    with serving(ping_interval=0.05) as service, closing(service.connect()) as client:
        free = threading.Event()
        service.stored = lambda: None if free.wait(0.5) else "the disk is full"
        take(client, 2)
        say(client, "name", device=MAC, name="x")
        say(client, "ping")
        message = "it is done, but not stored yet: the disk is full"
        assert take(client, 2) == [
            {"type": "error", "op": "name", "message": message, "stored": False},
            {"type": "pong"},
        ]
        say(client, "ping")  # which asks for no more than was said since
        assert take(client) == [{"type": "pong"}]


def test_what_was_refused_is_not_waited_for() -> None:
    with serving(refuse="no") as service, service.connect() as client:
        service.stored = lambda: "never"
        take(client, 2)
        say(client, "name", device=MAC, name="x")
        say(client, "ping")
        assert [each["type"] for each in take(client, 2)] == ["error", "pong"]
