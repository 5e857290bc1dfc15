"""`netwatchd replay` with damaged files, full disks, directories that others use, and people who press Ctrl-C."""

import gzip
import json
import os
import signal
import sqlite3
import struct
import subprocess
from collections.abc import Callable
from contextlib import closing
from fcntl import ioctl
from pathlib import Path
from termios import FIONREAD
from typing import Any

import packet_kit as kit
import pytest
from conftest import needs_root
from replay_kit import NOON, SECOND, Run, capture, zeek
from running import Daemon, small_disk
from waiting import eventually

from netwatchd.pidfile import AlreadyRunning, Use


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


# What goes wrong.


def test_what_is_damaged_is_said_and_the_rest_is_read(run: Run) -> None:
    whole = capture(NOON, NOON + SECOND)
    reports = run.replay(
        run.file("cut.pcap", whole[:-5]),
        run.file("arp.pcap", kit.pcap([(NOON, kit.arp()), (NOON, b"short")])),
        run.file("cut.gz", gzip.compress(os.urandom(0) + whole)[:-12]),
        run.file("header.pcap", kit.pcap([])),
    )
    assert [report["skipped"] for report in reports[:2]] == [{"truncated": 1}, {"arp": 1, "short": 1}]
    assert reports[2]["skipped"]["packed_end"] == 1
    assert [report["packets"] for report in reports] == [3, 2, reports[2]["packets"], 0]
    assert reports[1]["devices"] == 1
    assert [report["error"] for report in reports] == [None] * 4


def test_what_cannot_be_read_is_an_error_and_the_others_go_on(run: Run) -> None:
    bad = {
        str(run.place / "missing"): "No such file or directory",
        str(run.file("empty", b"")): "it is empty",
        str(run.file("text", b"hello\n")): "it is no capture and no log of a known kind; --as says what it holds",
        str(run.file("short.pcap", capture(NOON)[:10])): "it is a pcap file that ends within its header",
        str(run.file("xz", b"\xfd7zXZ\0")): "it is packed by xz; unpack it first",
        str(run.file("noise.gz", b"\x1f\x8b\x08\0\0\0\0\0\0\3noise")): "it is damaged",
    }
    *errors, good = run.replay(*bad, run.file("a.pcap", capture(NOON)), code=1)
    assert {report["file"]: report["error"][: len(bad[report["file"]])] for report in errors} == bad
    assert {report["flows"] for report in errors} == {0}
    assert (good["flows"], good["error"]) == (1, None)
    answer = run("replay", "missing")
    assert "missing\n  error    No such file or directory\n" in answer.stdout
    assert answer.stdout.endswith("\nnothing was read, and nothing is stored\n")
    assert not list(run.place.glob("netwatchd-replay-*")), "nothing is left behind"


@pytest.mark.slow
def test_what_there_is_no_room_for_is_counted(run: Run) -> None:
    hosts = (f"10.{at >> 16}.{at >> 8 & 255}.{at & 255}" for at in range(1, 20_501))
    lines = "".join(f"{NOON / SECOND}\tC\t{host}\t40000\t8.8.8.8\t443\ttcp\t1\t1\t60\t1\t60\n" for host in hosts)
    dates = "".join(f"2026-{month}-01T00:00:00Z" + "\t-" * 11 + "\n" for month in range(13, 99))
    (report,) = run.replay(run.file("conn.log", zeek() + lines.encode() + dates.encode() * 3))
    assert (report["flows"], report["devices"]) == (20_500, 20_000)
    assert report["skipped"]["devices too_many"] == 500
    assert len(report["skipped"]) < 110


@pytest.mark.parametrize("kind", ["log", "capture"])
def test_ctrl_c_ends_it_cleanly_and_what_was_read_is_stored(run: Run, kind: str) -> None:
    content = zeek(*(NOON + at * SECOND for at in range(300))) if kind == "log" else capture(NOON, NOON + SECOND)
    reader, writer = os.pipe()
    command = run.command("replay", "-", "--json", "--into", run.into)
    with subprocess.Popen(command, env=run.environment, stdin=reader, stdout=subprocess.PIPE, text=True) as process:
        os.close(reader)
        os.write(writer, content)
        eventually(lambda: struct.unpack("i", ioctl(writer, FIONREAD, bytes(4)))[0] == 0)
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=60)
        os.close(writer)
    report = json.loads(output)
    assert process.returncode == 130
    assert report["partial"] is True
    assert report["flows"] == len(run.flows()) == (300 if kind == "log" else 1)


def test_a_directory_that_a_daemon_uses_is_refused_and_a_daemon_does_not_begin_in_ours(
    run: Run, daemon: Callable[..., Daemon]
) -> None:
    path = run.file("a.pcap", capture(NOON))
    with daemon() as live:
        answer = run("replay", path, "--into", live.state)
        assert answer.returncode == 1
        assert f"{live.state} is used by a daemon or a replay that is running" in answer.stderr
    with Use(live.state, alone=True), pytest.raises(AlreadyRunning), Use(live.state, alone=False):
        pass
    with Use(live.state, alone=True):
        live.launch()
        assert live.wait() == 1
    assert "is used by a replay that is running" in live.log


@needs_root
def test_a_full_disk_ends_it_and_is_said(run: Run) -> None:
    packets = (kit.ethernet(kit.ip4(kit.udp(1 + at, 53))) for at in range(20_000))
    path = run.file("a.pcap", kit.pcap([]) + b"".join(kit.pcap([(NOON, packet)])[24:] for packet in packets))
    with small_disk(run.into):
        *others, last = run.replay(path, path, path, code=1)
        assert [report["error"] for report in others] == [None] * len(others)
        assert last["partial"] is True
        assert "cannot write to" in last["error"]
        assert len(run.flows()) < 60_000


def foreign(path: Path) -> None:
    """Another program's database."""
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("CREATE TABLE recipes (name)")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda into: (into.mkdir(), (into / "notes").touch()), "holds other things"),
        (lambda into: into.touch(), "is no directory"),
        (lambda into: (into.mkdir(), foreign(into / "core.db")), "cannot use the databases"),
    ],
)
def test_other_peoples_directories_are_left_alone(run: Run, make: Callable[[Path], Any], message: str) -> None:
    make(run.into)
    before = sorted(run.into.iterdir()) if run.into.is_dir() else []
    answer = run("replay", run.file("a.pcap", capture(NOON)), "--into", run.into)
    assert answer.returncode == 1
    assert message in answer.stderr
    assert before == (sorted(run.into.iterdir()) if run.into.is_dir() else [])


def test_a_mistake_in_the_configuration_is_said(run: Run) -> None:
    (run.place / "config.ini").write_text("[devices]\nnetworks = nowhere\n")
    answer = run("replay", "a.pcap")
    assert answer.returncode == 78
    assert "networks" in answer.stderr
    assert not list(run.place.glob("netwatchd-replay-*"))
