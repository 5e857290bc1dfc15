"""The whole daemon, as a process: from the socket to the client and the card, through signals, faults and crashes."""

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from conftest import needs_nobody
from running import MAC, NOBODY, OTHER_MAC, Daemon, flow_line, join, locked, until
from waiting import eventually

Make = Callable[..., Daemon]
QUICK = "[storage]\ncommit_interval = 100 ms\n"
SLOW = "[storage]\ncommit_interval = 1 h\n"
DEVICE = {"type": "device", "mac": MAC, "ip": "192.168.1.5", "hostname": "laptop"}
THREAT = {"type": "threat", "kind": "port_scan", "description": "it scanned", "device": "192.168.1.5"}


def test_a_device_a_flow_and_a_threat_go_from_the_socket_to_a_client_and_into_the_database(daemon: Make) -> None:
    with daemon(QUICK) as running, running.client() as client:
        join(client)
        assert running.emit(DEVICE) == []
        device = until(client, lambda message: message["type"] == "device_update")["device"]
        assert running.emit(flow_line(1, bytes_in=5000), THREAT) == []
        # From two workers, so that either may be told first.
        either = [until(client, lambda message: message["type"] in ("flow_update", "threat_update")) for _ in "12"]
        told = {message["type"]: message for message in either}
        flow, threat = told["flow_update"]["flow"], told["threat_update"]["threat"]
        eventually(lambda: running.json("flows"))
        assert [each["mac"] for each in running.json("devices")] == [MAC]
        assert running.json("flows") == [flow]
        eventually(lambda: running.json("threats") == [threat])
        assert running.json("devices")[0]["bytes_in"] == 5000
    assert (device["mac"], device["hostname"], device["status"]) == (MAC, "laptop", "online")
    assert (flow["device"], flow["bytes_in"], threat["device"]) == (MAC, 5000, MAC)


def test_a_flow_is_put_down_to_the_device_that_was_told_of_just_before_it(daemon: Make) -> None:
    with daemon(QUICK) as running:
        for n in range(100):
            mac, ip = f"a4:83:e7:00:01:{n:02x}", f"192.168.2.{n + 1}"
            running.emit({"type": "device", "mac": mac, "ip": ip}, flow_line(n, src_ip=ip), THREAT | {"device": ip})
        eventually(lambda: len(running.flows()) == 100)
        assert all(each["device"] for each in running.json("flows", "--limit", "0"))
        assert len({each["device"] for each in running.json("threats", "--limit", "0")}) == 100
        assert not any("." in each["device"] for each in running.json("threats", "--limit", "0"))


def test_a_device_that_falls_silent_goes_offline_and_comes_back_and_clients_are_told(daemon: Make) -> None:
    with daemon("[devices]\noffline_after = 1 s\n") as running, running.client() as client:
        join(client)
        for status in ("online", "offline", "online"):
            if status == "online":
                running.emit(DEVICE)
            update = until(client, lambda message: message["type"] == "device_update")
            assert update["device"]["status"] == status


def test_what_a_client_does_to_a_threat_or_a_device_is_told_and_survives_a_restart(daemon: Make) -> None:
    with daemon(QUICK) as running:
        with running.client() as client:
            join(client)
            running.emit(DEVICE)
            until(client, lambda message: message["type"] == "device_update")
            running.emit(THREAT)
            threat = until(client, lambda message: message["type"] == "threat_update")["threat"]
            client.send(json.dumps({"op": "dismiss", "threat": threat["id"]}))
            client.send(json.dumps({"op": "name", "device": MAC, "name": "Ada's"}))
            until(client, lambda message: message.get("threat", {}).get("status") == "dismissed")
            until(client, lambda message: message.get("device", {}).get("name") == "Ada's")
        assert running.stop() == 0
        running.start()
        running.emit(THREAT)
        eventually(lambda: running.json("threats", "--all")[0]["count"] == 2)
        assert running.json("threats", "--all")[0]["status"] == "dismissed"
        assert running.json("devices")[0]["name"] == "Ada's"


def test_sigterm_loses_nothing_that_was_handed_in(daemon: Make) -> None:
    with daemon(SLOW) as running:
        running.emit(DEVICE, THREAT, *(flow_line(n) for n in range(20_000)))
        assert running.stop() == 0
        assert len(running.flows()) == 20_000
        assert running.core("SELECT mac FROM devices") == [(MAC,)]
        # So many at once, to one port, are a flood besides.
        assert running.core("SELECT count FROM threats WHERE kind != 'flood'") == [(1,)]
        assert "stopping on SIGTERM" in running.log
        assert not (running.run / "events.sock").exists()


def test_sigterm_in_the_middle_of_a_flood_stores_every_flow_that_was_received(daemon: Make) -> None:
    with daemon(QUICK) as running, running.connect() as peer:
        lines = b"".join(json.dumps(flow_line(n)).encode() + b"\n" for n in range(2000))
        sent = [0]

        def flood() -> None:
            try:
                while True:
                    peer.sendall(lines)
                    sent[0] += 2000
            except OSError:
                pass  # the daemon has gone

        writer = threading.Thread(target=flood)
        writer.start()
        eventually(lambda: sent[0] >= 20_000)
        assert running.stop() == 0
        writer.join()
        (line,) = [line for line in running.log.splitlines() if "stopped; " in line]
        received = int(line.split("received ")[1].split(",")[0])
        assert "dropped 0" in line
        assert len(running.flows()) == received > 20_000


def test_sigint_stops_it_as_cleanly(daemon: Make) -> None:
    with daemon(SLOW) as running:
        running.emit(flow_line(1))
        running.signal(signal.SIGINT)
        assert running.wait() == 0
        assert len(running.flows()) == 1


def test_sigterm_while_the_database_is_locked_spools_and_the_next_start_stores_exactly_once(daemon: Make) -> None:
    with daemon(SLOW) as running:
        running.emit(DEVICE)
        eventually(lambda: running.core("SELECT mac FROM devices"))
        with locked(running.state / "core.db"):
            running.emit({**DEVICE, "mac": OTHER_MAC, "ip": "192.168.1.6"}, *(flow_line(n) for n in range(1000)))
            assert running.stop() == 0
            assert running.flows() == []
        running.start()
        eventually(lambda: len(running.flows()) == 1000)
        assert len(running.core("SELECT mac FROM devices")) == 2
        assert not list(running.state.glob("spool*"))
        assert {each["mac"]: each["bytes_in"] for each in running.json("devices")} == {MAC: 10**6, OTHER_MAC: 0}
        assert running.stop() == 0
        assert len(running.flows()) == 1000


def test_after_kill_9_in_the_middle_of_ingest_only_the_newest_are_missing_and_all_files_and_totals_are_sound(
    daemon: Make,
) -> None:
    with daemon(QUICK) as running:
        running.emit(DEVICE)
        eventually(lambda: running.core("SELECT mac FROM devices"))
        sent = 0
        for _ in range(3):
            start = sent
            for sent in range(start, start + 3000):
                if not sent % 100:
                    running.emit(*(flow_line(n) for n in range(sent, sent + 100)))
            sent += 1
            committed = eventually(lambda start=start: {row[4] for row in running.flows()} - set(range(start)))
            running.kill()
            ports = {row[4] for row in running.flows()} - set(range(start))
            assert committed <= ports
            assert ports == set(range(start, start + len(ports))), "what is missing is the newest, without holes"
            stored = len(running.flows())
            for path in running.state.glob("*.db"):
                with closing(sqlite3.connect(path)) as db:
                    assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            running.start()
            # Totals and roll-ups agree with what the files hold, though a crash came between them.
            eventually(lambda stored=stored: running.json("devices")[0]["bytes_in"] == stored * 1000)
        assert running.stop() == 0
        stored = len(running.flows())
        assert running.core("SELECT bytes_in, bytes_out FROM devices") == [(stored * 1000, stored * 100)]
        assert running.core("SELECT sum(bytes_in), sum(flows) FROM rollups") == [(stored * 1000, stored)]


def test_what_was_committed_before_kill_9_is_there_and_nothing_else_is_lost_than_what_waited(daemon: Make) -> None:
    with daemon("[storage]\ncommit_interval = 1 h\ncommit_rows = 1000\n") as running:
        running.emit(*(flow_line(n) for n in range(1000)))
        eventually(lambda: len(running.flows()) == 1000)
        running.emit(*(flow_line(n) for n in range(10)))
        running.kill()
        assert len(running.flows()) == 1000


@pytest.mark.parametrize(
    "line",
    [
        b"nonsense", b"\xff\x00\xfe", b"[" * 60_000, b'{"type":"flow","state":[1]}', b'{"type":"flow","state":{}}',
        b'{"type":"threat","kind":"k","description":"d","evidence":' + b'{"a":' * 960 + b"1" + b"}" * 961,
        b'{"type":"threat","kind":"k","description":"d","evidence":{"n":1e999}}',
        json.dumps(flow_line(1, end=2**53 - 1)).encode(), json.dumps(DEVICE | {"mac": {}}).encode(),
    ],
    ids=range(9),
)  # fmt: skip
def test_no_line_ends_the_daemon(hostile: tuple[Daemon, socket.socket], line: bytes) -> None:
    running, peer = hostile
    peer.sendall(line + b"\n")
    assert "error" in json.loads(peer.makefile("rb").readline())
    assert running.status()["running"] is True


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One daemon for all hostile lines, and a connection to it."""
    with Daemon(tmp_path_factory.mktemp("d")) as running, running.connect() as peer:
        yield running, peer


def test_flows_of_absurd_sizes_keep_nobody_from_reading_or_starting_again(daemon: Make) -> None:
    with daemon(QUICK) as running:
        running.emit(DEVICE)
        eventually(lambda: running.core("SELECT mac FROM devices"))
        running.emit(*(flow_line(n, bytes_in=2**53 - 1) for n in range(1100)))
        eventually(lambda: len(running.flows()) == 1100)
        assert running.json("devices")[0]["bytes_in"] >= 2**53 - 1
        running.kill()
        running.start()
        assert running.status()["database"]["state"] == "ok"
        assert running.cli("top").returncode == 0
        assert running.stop() == 0


def test_a_day_that_is_garbage_keeps_the_daemon_neither_from_starting_nor_from_storing(daemon: Make) -> None:
    with daemon(QUICK) as running:
        running.emit(DEVICE, flow_line(1))
        eventually(running.flows)
        running.kill()
        (day,) = running.state.glob("flows-*.db")
        day.write_bytes(os.urandom(20_000))
        day.with_name(day.name + "-wal").unlink()  # which holds the whole file still
        running.start()
        running.emit(flow_line(2))
        eventually(lambda: running.status()["stored"].get("flows"))
        assert len(running.flows()) == 1
        assert list(running.state.glob("flows-*.corrupt-*"))
        assert running.stop() == 0


def test_core_db_deleted_while_it_runs_is_written_anew_with_all_that_is_known_and_the_same_totals(daemon: Make) -> None:
    with daemon(QUICK) as running:
        running.emit(DEVICE)
        eventually(lambda: running.core("SELECT mac FROM devices"))
        running.emit(flow_line(1), THREAT)
        eventually(lambda: running.json("devices")[0]["bytes_in"] == 1000 and running.core("SELECT id FROM threats"))
        for path in running.state.glob("core.db*"):
            path.unlink()
        running.emit(flow_line(2))
        eventually(lambda: running.core("SELECT mac FROM devices") and running.core("SELECT kind FROM threats"))
        eventually(lambda: len(running.flows()) == 2)
        eventually(lambda: running.json("devices")[0]["bytes_in"] == 2000)
        running.kill()
        assert running.json("devices")[0]["bytes_in"] == 2000


def test_a_port_in_use_is_said_and_ends_the_start(daemon: Make) -> None:
    blocked = daemon()
    with socket.create_server(("127.0.0.1", blocked.port)):
        blocked.launch()
        assert blocked.wait() == 1
    assert f"cannot listen on 127.0.0.1 port {blocked.port}" in blocked.log
    assert "Traceback" not in blocked.log


def test_a_second_start_in_the_same_place_says_who_runs_and_leaves_it_alone(daemon: Make) -> None:
    with daemon(QUICK) as running:
        assert running.process
        second = running.cli("run")
        assert second.returncode == 1
        assert f"netwatchd is running already, with pid {running.process.pid}" in second.stderr
        assert running.emit(flow_line(1)) == []
        assert running.stop() == 0
    assert len(running.flows()) == 1
    assert not (running.run / "netwatchd.pid").exists()


def test_a_state_directory_that_cannot_be_written_is_said_and_ends_the_start(daemon: Make) -> None:
    blocked = daemon()
    blocked.state.touch()  # a file where a directory should be
    blocked.launch()
    assert blocked.wait() == 1
    assert f"cannot write to {blocked.state}" in blocked.log
    assert "Traceback" not in blocked.log


@needs_nobody
def test_a_state_directory_of_somebody_else_is_said_and_ends_the_start(daemon: Make) -> None:
    blocked = daemon()
    blocked.state.mkdir(mode=0o700)
    command = [*NOBODY, sys.executable, "-m", "netwatchd", "run"]
    answer = subprocess.run(command, env=blocked.environment, capture_output=True, text=True, timeout=30, check=False)
    assert answer.returncode == 1
    assert f"cannot write to {blocked.state}" in answer.stderr
    assert "Permission denied" in answer.stderr


def test_files_of_a_newer_netwatchd_are_left_alone(daemon: Make) -> None:
    newer = daemon()
    newer.state.mkdir()
    with closing(sqlite3.connect(newer.state / "core.db")) as db:
        db.execute("PRAGMA user_version = 99")
    newer.launch()
    assert newer.wait() == 1
    assert "update netwatchd" in newer.log


def test_sighup_takes_what_may_change_and_names_what_needs_a_restart(daemon: Make) -> None:
    with daemon("[devices]\noffline_after = 10 s\n") as running, running.client() as client:
        join(client)
        running.emit(DEVICE)
        until(client, lambda message: message["type"] == "device_update")
        running.configure("[devices]\noffline_after = 100 ms\n[source:json]\nmax_line = 1 kB\n")
        running.signal(signal.SIGHUP)
        eventually(lambda: "need a restart to take effect: [source:json] max_line" in running.log)
        update = until(client, lambda message: message["type"] == "device_update")
        assert update["device"]["status"] == "offline"


def test_a_bad_file_at_sighup_is_reported_and_the_old_settings_stay(daemon: Make) -> None:
    with daemon(QUICK) as running:
        running.configure("[storage]\ncommit_interval = soon\ncolour = blue\n")
        running.signal(signal.SIGHUP)
        eventually(lambda: "the old settings stay" in running.log)
        assert "[storage] commit_interval" in running.log
        assert "[storage] colour" in running.log
        running.emit(flow_line(1))
        eventually(running.flows)
        assert running.stop() == 0


def test_each_run_names_itself_by_another_epoch_and_ids_go_on_rising(daemon: Make) -> None:
    epochs, ids = [], []
    with daemon(QUICK) as running:
        for _ in range(2):
            with running.client() as client:
                epochs.append(join(client)["epoch"])
                running.emit(flow_line(1))
                ids.append(until(client, lambda message: message["type"] == "flow_update")["flow"]["id"])
            assert running.stop() == 0
            running.start()
    assert epochs[0] != epochs[1]
    assert ids[0] < ids[1]


def test_status_tells_an_operator_what_came_in_what_was_stored_and_what_is_off(daemon: Make) -> None:
    with daemon(QUICK) as running:
        running.emit(DEVICE, flow_line(1))
        running.emit({"type": "nonsense"})
        eventually(lambda: running.status()["stored"].items() >= {"devices": 1, "flows": 1, "traits": 1}.items())
        status = running.json("status")
        assert status["running"] is True
        assert status["received"] == {"json": 2}
        assert status["counters"]["malformed"] == {"json": 1}
        states = {each["name"]: (each["state"], each["reason"]) for each in status["sources"]}
        assert states["json"] == ("on", None)
        assert states["conntrack"] == ("off", "switched off in the configuration")
        assert (status["database"]["state"], status["dropped"], status["devices"]) == ("ok", {}, 1)
        table = running.cli("status").stdout
        assert "source conntrack" in table
        assert "running since" in table


def test_while_the_database_is_locked_the_live_stream_goes_on_and_status_says_why_nothing_is_stored(
    daemon: Make,
) -> None:
    with daemon(QUICK) as running, running.client() as client:
        join(client)
        running.emit(flow_line(1))
        eventually(running.flows)
        with locked(running.state / "core.db"):
            for n in range(2, 5):
                running.emit(flow_line(n))
                until(client, lambda message, n=n: message.get("flow", {}).get("src_port") == n)
            # After three attempts, with the real pauses between them.
            database = eventually(lambda: (found := running.status()["database"])["state"] == "degraded" and found)
            assert "another process holds its lock" in database["reason"]
            assert database["pending"] == 3
        eventually(lambda: len(running.flows()) == 4)
        eventually(lambda: running.status()["database"]["state"] == "ok")
    assert running.log.count("cannot be written: ") == running.log.count("can be written again") == 1


def test_an_idle_daemon_writes_nothing(daemon: Make) -> None:
    with daemon(QUICK + "[websocket]\nstats_interval = 500 ms\n") as running, running.client() as client:
        join(client)
        running.emit(DEVICE, flow_line(1))
        eventually(lambda: running.status()["stored"].items() >= {"devices": 1, "flows": 1, "traits": 1}.items())
        commits = running.status()["database"]["commits"]
        before = {path.name: path.stat().st_mtime_ns for path in running.state.iterdir()}
        for _ in range(4):
            until(client, lambda message: message["type"] == "stats")
        assert {path.name: path.stat().st_mtime_ns for path in running.state.iterdir()} == before
        assert running.status()["database"]["commits"] == commits
