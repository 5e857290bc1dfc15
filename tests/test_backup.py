"""The verbs backup and vacuum: a copy from which a daemon starts, made while another one writes; or nothing at all."""

import json
import os
import pty
import select
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from conftest import needs_root
from faults_kit import DEVICE, THREAT, storage
from running import MAC, Daemon, fill, flow_line, rows, small_disk
from store_kit import flow, storing
from waiting import eventually

from netwatchd.storage import copying, schema
from netwatchd.storage.copying import Refused

Make = Callable[..., Daemon]
LONG = 20_000  # rows: some 90 MB, so that there is time to be in the way
COUNTS = "SELECT count(*), sum(bytes_in) FROM flows"


@contextmanager
def under_load(running: Daemon) -> Iterator[None]:
    """Flows go on coming."""
    done = threading.Event()

    def feed() -> None:
        for number in range(1000, 100_000, 20):
            if done.wait(0.005):
                break
            assert running.emit(*(flow_line(number + n) for n in range(20))) == []

    feeder = threading.Thread(target=feed)
    feeder.start()
    try:
        yield
    finally:
        done.set()
        feeder.join()


def start(running: Daemon, *arguments: str) -> "subprocess.Popen[str]":
    """Begins the command."""
    command = [sys.executable, "-m", "netwatchd", *arguments]
    return subprocess.Popen(
        command, env=running.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )  # fmt: skip


def is_sound(path: Path) -> bool:
    with closing(sqlite3.connect(path)) as db:
        return bool(db.execute("PRAGMA integrity_check").fetchone()[0] == "ok")


def device_traffic(state: Path) -> list[tuple[Any, ...]]:
    return rows(state / "core.db", "SELECT bytes_in, bytes_out FROM devices")


def test_a_daemon_starts_from_a_copy_that_was_made_while_another_wrote_and_all_is_there(
    daemon: Make, tmp_path: Path
) -> None:
    into = tmp_path / "copy"
    with daemon(storage()) as running:
        assert running.emit(DEVICE | {"name": "Desk"}, THREAT, *map(flow_line, range(500))) == []
        eventually(lambda: len(running.flows()) == 500)
        with under_load(running):
            answer = running.json("backup", str(into))
        assert running.status()["database"]["state"] == "ok"
        assert running.log.count("cannot be written") == 0
        running.stop()
    assert answer["directory"] == str(into)
    assert sorted(answer["files"]) == sorted(path.name for path in into.iterdir())
    assert answer["files"][0] == "core.db"
    assert answer["bytes"] == sum(path.stat().st_size for path in into.iterdir())
    assert into.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in into.iterdir()} == {0o600}
    assert all(map(is_sound, into.glob("*.db")))
    copied = sum(rows(path, COUNTS)[0][0] for path in into.glob("flows-*.db"))
    assert copied >= 500
    assert json.loads(running.cli("devices", "--state", str(into), "--json").stdout)[0]["name"] == "Desk"
    assert len(json.loads(running.cli("flows", "--state", str(into), "--limit", "0", "--json").stdout)) == copied
    with daemon(storage(), STATE_DIRECTORY=str(into)) as restored:
        eventually(lambda: restored.status()["devices"])
        assert [each["name"] for each in restored.json("devices")] == ["Desk"]
        assert restored.json("threats", "--kind", "port_scan")[0]["device"] == MAC
        restored.stop()
        # Of each flow that is there the device has its bytes, once: the files are of one moment.
        sums = [rows(path, COUNTS)[0] for path in into.glob("flows-*.db")]
        assert device_traffic(into)[0][0] == sum(bytes_in for _, bytes_in in sums)


def test_nothing_is_overwritten_and_each_refusal_is_a_sentence(daemon: Make, tmp_path: Path) -> None:
    with daemon(storage()) as running:
        assert running.emit(flow_line(1)) == []
        for place, why in ((tmp_path, "is there already"), (tmp_path / "a/b", "is no directory")):
            answer = running.cli("backup", str(place))
            assert (answer.returncode, answer.stdout) == (1, "")
            assert why in answer.stderr
        answer = running.cli("backup", str(tmp_path / "c"), "--state", str(tmp_path / "none"))
        assert answer.returncode == 69
        assert "there is no database" in answer.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("what", ["a link", "a directory of all", pytest.param("a stranger's", marks=needs_root)])
def test_what_somebody_else_has_put_where_a_copy_is_made_is_left_alone(what: str, tmp_path: Path) -> None:
    state, precious, unfinished = tmp_path / "lib", tmp_path / "precious", tmp_path / ".copy.unfinished"
    large(state, 1)
    precious.mkdir()
    (precious / "diary").touch()
    if what == "a link":
        unfinished.symlink_to(precious)
    else:
        unfinished.mkdir()
        unfinished.chmod(0o777 if what == "a directory of all" else 0o755)
        if what == "a stranger's":
            os.chown(unfinished, 65534, 65534)
    with pytest.raises(Refused, match="no directory that is only yours"):
        copying.back_up(state, tmp_path / "copy", lambda *_: None)
    assert (precious / "diary").exists()
    assert unfinished.exists()


@needs_root
def test_a_disk_without_room_is_told_before_and_one_that_fills_leaves_nothing(daemon: Make, tmp_path: Path) -> None:
    with daemon(storage()) as running, small_disk(tmp_path / "small") as small:
        assert running.emit(*map(flow_line, range(2000))) == []
        eventually(lambda: len(running.flows()) == 2000)
        answer = running.cli("backup", str(small / "copy"))
        assert answer.returncode == 1
        assert "MB free, and" in answer.stderr
        assert list(small.iterdir()) == []


@needs_root
def test_a_disk_that_fills_meanwhile_leaves_nothing(daemon: Make, tmp_path: Path) -> None:
    running = daemon()
    large(running.state)
    with small_disk(tmp_path / "small", "60m") as small:
        with pytest.raises(sqlite3.OperationalError, match="full"):
            copying.back_up(running.state, small / "copy", lambda name, at, total: fill(small) and None)
        assert [path.name for path in small.iterdir()] == ["ballast"]


@pytest.mark.parametrize(
    "number",
    [
        pytest.param(signal.SIGINT, marks=pytest.mark.slow),
        pytest.param(signal.SIGTERM, marks=pytest.mark.slow),
        signal.SIGKILL,
    ],
)
def test_what_is_interrupted_leaves_nothing_that_looks_whole_and_can_be_begun_again(
    daemon: Make, tmp_path: Path, number: signal.Signals
) -> None:
    running, into = daemon(), tmp_path / "copy"
    large(running.state, LONG)
    process = start(running, "backup", str(into))
    eventually(lambda: list(tmp_path.glob(".copy.unfinished/*")) or process.poll() is not None)
    process.send_signal(number)
    _, told = process.communicate(timeout=60)
    assert not into.exists(), told
    assert not list(tmp_path.glob("**/core.db"))
    if number is not signal.SIGKILL:
        assert process.returncode == 130
        assert "nothing was left behind" in told
        assert list(tmp_path.iterdir()) == []
    assert running.cli("backup", str(into), "--quiet").returncode == 0
    assert [path.name for path in tmp_path.iterdir()] == ["copy"]
    assert is_sound(into / "core.db")


@pytest.mark.slow
def test_two_that_make_the_same_copy_do_not_mix(daemon: Make, tmp_path: Path) -> None:
    running = daemon()
    large(running.state, LONG)
    unfinished = tmp_path / ".copy.unfinished"
    first = start(running, "backup", str(tmp_path / "copy"))
    eventually(lambda: list(unfinished.glob("*")))
    second = running.cli("backup", str(tmp_path / "copy"))
    _, told = first.communicate(timeout=60)
    assert (first.returncode, second.returncode) in ((0, 1), (0, 0)), told + second.stderr
    assert is_sound(tmp_path / "copy/core.db")


def test_a_copy_that_is_damaged_is_no_copy(daemon: Make, tmp_path: Path) -> None:
    running = daemon()
    large(running.state)
    with (running.state / "core.db").open("r+b") as file:
        file.seek(40 * 4096)
        file.write(b"\xff" * 4096 * 20)
    answer = running.cli("backup", str(tmp_path / "copy"))
    assert answer.returncode == 1
    assert "damaged" in answer.stderr
    assert list(tmp_path.iterdir()) == []


def large(state: Path, rows_of_meta: int = 4000) -> int:
    """A state directory with a core.db of which much is not used; returns its bytes."""
    state.mkdir(exist_ok=True)
    with closing(sqlite3.connect(state / "core.db", isolation_level=None)) as db:
        for statement in (*schema.core_statements("main"), f"PRAGMA user_version = {schema.CORE_VERSION}"):
            db.execute(statement)
        db.execute("PRAGMA synchronous = OFF")
        db.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) "
            "INSERT INTO meta SELECT 'key' || i, hex(randomblob(500)) FROM n",
            (rows_of_meta,),
        )
        db.execute("DELETE FROM meta WHERE key LIKE 'key%' AND abs(random()) % 4 > 0")
    return (state / "core.db").stat().st_size


def test_a_bar_shows_how_far_it_is_on_a_terminal_and_nothing_in_a_pipe(daemon: Make, tmp_path: Path) -> None:
    running = daemon()
    large(running.state)
    piped = running.cli("backup", str(tmp_path / "piped"))
    assert piped.stderr == ""
    assert "file" in piped.stdout
    told = on_terminal(running, "backup", str(tmp_path / "shown"))
    for shown in ("core.db", "MB", "/s"):
        assert shown in told, told
    assert on_terminal(running, "backup", str(tmp_path / "quiet"), "--quiet") == ""


def on_terminal(running: Daemon, *arguments: str) -> str:
    """What the command writes on standard error, where that is a terminal."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "netwatchd", *arguments]
    environment = running.environment | {"TERM": "xterm", "COLUMNS": "100"}
    with subprocess.Popen(command, env=environment, stderr=theirs, stdout=subprocess.DEVNULL) as process:
        os.close(theirs)
        told = b""
        while select.select([ours], [], [], 60)[0]:
            try:
                told += os.read(ours, 65536)
            except OSError:  # nobody holds the other end any more
                break
        assert process.wait(60) == 0
    os.close(ours)
    return told.decode()


# vacuum


def test_vacuum_gives_back_what_removed_rows_took_and_keeps_the_rest(daemon: Make) -> None:
    running = daemon(storage())
    before = large(running.state)
    core = running.state / "core.db"
    core.chmod(0o640)
    kept = rows(core, "SELECT * FROM meta ORDER BY key")
    answer = running.json("vacuum")
    after = core.stat().st_size
    assert answer == {"files": [{"name": "core.db", "before": before, "after": after}], "gained": before - after}
    assert after < before / 2
    assert rows(core, "SELECT * FROM meta ORDER BY key") == kept
    assert core.stat().st_mode & 0o777 == 0o640
    assert sorted(path.name for path in running.state.iterdir()) == ["core.db"]
    with running:
        assert running.emit(DEVICE) == []
        eventually(lambda: running.core("SELECT * FROM devices"))
    assert "cannot be written" not in running.log


def test_vacuum_spares_the_card_flows_with_little_space_of_removed_rows(tmp_path: Path) -> None:
    with storing(tmp_path) as kept:
        kept.add_flows([flow(number) for number in range(1, 4000)])
    (day,) = tmp_path.glob("flows-*.db")
    for low, anew in ((3900, ["core.db"]), (100, ["core.db", day.name])):
        with closing(sqlite3.connect(day, isolation_level=None)) as db:
            db.execute("DELETE FROM flows WHERE id & 4095 > ?", (low,))
        assert [each.name for each in copying.vacuum(tmp_path, lambda name, at, total: None)] == anew


def test_vacuum_leaves_a_daemon_alone_that_runs(daemon: Make) -> None:
    with daemon(storage()) as running:
        assert running.emit(flow_line(1)) == []
        eventually(running.flows)
        with under_load(running):
            answer = running.cli("vacuum")
        assert answer.returncode == 1
        assert "is used by a daemon or a replay that is running" in answer.stderr
        assert running.status()["database"]["state"] == "ok"


@pytest.mark.parametrize("number", [pytest.param(signal.SIGTERM, marks=pytest.mark.slow), signal.SIGKILL])
def test_vacuum_that_is_interrupted_leaves_the_old_file(daemon: Make, number: signal.Signals) -> None:
    running = daemon()
    before = large(running.state, LONG)
    kept = rows(running.state / "core.db", "SELECT count(*) FROM meta")
    process = start(running, "vacuum")
    copy = running.state / "core.db.copying"
    eventually(lambda: (copy.exists() and copy.stat().st_size > 0) or process.poll() is not None)
    process.send_signal(number)
    process.communicate(timeout=60)
    assert (running.state / "core.db").stat().st_size == before or process.returncode == 0
    assert rows(running.state / "core.db", "SELECT count(*) FROM meta") == kept
    assert is_sound(running.state / "core.db")
    assert running.json("vacuum")["gained"] >= 0
    assert not copy.exists()


@needs_root
def test_vacuum_wants_room_and_says_how_much(daemon: Make, tmp_path: Path) -> None:
    with small_disk(tmp_path / "small", "60m") as small:
        running = daemon(STATE_DIRECTORY=str(small))
        large(small)
        with (small / "ballast").open("wb") as file:
            disk = os.statvfs(small)
            file.write(b"x" * (disk.f_bavail * disk.f_frsize - 5_000_000))
        answer = running.cli("vacuum", "--state", str(small))
        assert answer.returncode == 1
        assert "MB free, and" in answer.stderr
        assert is_sound(small / "core.db")


def test_vacuum_waits_for_nobody_who_stays_in_a_file(daemon: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    running = daemon()
    large(running.state)
    core = running.state / "core.db"
    monkeypatch.setattr(copying, "PATIENCE", 0.2)
    with closing(sqlite3.connect(core, isolation_level=None)) as reader:
        reader.execute("PRAGMA journal_mode = WAL")
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM meta").fetchone()
        with pytest.raises(Refused, match="another program has"):
            copying.vacuum(running.state, lambda name, at, total: None)
    assert is_sound(core)
