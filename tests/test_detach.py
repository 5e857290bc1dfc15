"""`netwatchd run --daemon`: detached, locked by a pid file, and with no more privileges than it needs."""

import contextlib
import json
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from running import Daemon, nobody_can_run_it, scratch
from waiting import eventually

TWO_CAPABILITIES = 1 << 12 | 1 << 13  # CAP_NET_ADMIN, CAP_NET_RAW (linux/capability.h)
CONNTRACK = "[source:conntrack]\nenabled = auto\n"

# Runs a command in a network of its own, and where /etc/passwd and /etc/group are the given ones.
ENTER = """
set -e
mount --bind "$1" /etc/passwd
mount --bind "$2" /etc/group
ip link set lo up
shift 2
exec "$@"
"""


def why_not() -> str | None:
    """Why no daemon can be detached here as it is on a real system."""
    if os.geteuid() != 0:
        return "needs root, whose privileges are to be dropped"
    probe = subprocess.run(["unshare", "--net", "--mount", "true"], capture_output=True, check=False)
    return None if probe.returncode == 0 and shutil.which("ip") else "needs network and mount namespaces"


pytestmark = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))


def has_ended(pid: int) -> bool:
    """Whether a process is gone, or only waits for init to note its exit code."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


class Detached(Daemon):
    """A daemon that is started with --daemon, where there is a user netwatchd."""

    def __init__(self, directory: Path, user: bool = True) -> None:
        super().__init__(directory)
        # The kernel's table of connections is what it needs its capabilities for.
        self.config.write_text(f"[websocket]\nport = {self.port}\n[source:neighbours]\nenabled = no\n{CONNTRACK}")
        self.uid = self.gid = 64999 if user else 0
        for name, line in (("passwd", "netwatchd:x:64999:64999::/:/bin/false"), ("group", "netwatchd:x:64999:")):
            lines = Path("/etc", name).read_text().splitlines()
            kept = [kept for kept in lines if not kept.startswith("netwatchd:")]
            (directory / name).write_text("\n".join([*kept, line] if user else kept) + "\n")
        self._enter = [
            "unshare",
            "--net",
            "--mount",
            "sh",
            "-c",
            ENTER,
            "sh",
            directory / "passwd",
            directory / "group",
        ]

    def detach(self) -> "subprocess.CompletedProcess[str]":
        """Starts it, and returns what the command said when it had gone into the background."""
        command = [*self._enter, sys.executable, "-m", "netwatchd", "run", "--daemon"]
        return subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=60, check=False, cwd="/"
        )

    @property
    def pid_file(self) -> Path:
        return self.run / "netwatchd.pid"

    @property
    def pid(self) -> int:
        return int(eventually(lambda: self.pid_file.exists() and self.pid_file.read_text().strip()))

    def ready(self) -> int:
        """Waits until it serves; returns its pid."""
        eventually((self.run / "events.sock").exists)
        return self.pid

    def process_status(self) -> dict[str, str]:
        """What the kernel says of it (proc(5))."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}

    def asked_inside(self) -> dict[str, object]:
        """Its `status --json`, asked in its network."""
        command = ["nsenter", "--net", f"--target={self.pid}", sys.executable, "-m", "netwatchd", "status", "--json"]
        answer = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=True)
        found: dict[str, object] = json.loads(answer.stdout)
        return found

    def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Ends it, and waits until it is gone."""
        pid = self.pid
        os.kill(pid, number)
        eventually(lambda: has_ended(pid))


@pytest.fixture
def directory() -> Iterator[Path]:
    made = scratch()
    made.chmod(0o755)
    yield made
    if (left := made / "run/netwatchd.pid").exists():  # a test failed; nothing may go on running
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(left.read_text()), signal.SIGKILL)
    shutil.rmtree(made)


@pytest.fixture
def detached(directory: Path) -> Iterator[Detached]:
    if not nobody_can_run_it():
        pytest.skip("other users may not run this Python")
    daemon = Detached(directory)
    started = daemon.detach()
    assert (started.returncode, started.stderr) == (0, "")
    daemon.ready()
    yield daemon
    if daemon.pid_file.exists():
        daemon.end()


def test_it_runs_in_the_background_as_netwatchd_with_two_capabilities(detached: Detached) -> None:
    status = detached.process_status()
    assert status["PPid"] == "1"
    assert set(status["Uid"].split()) == {str(detached.uid)}
    assert set(status["Gid"].split()) == {str(detached.gid)}
    assert status["Groups"] == str(detached.gid)
    assert int(status["CapEff"], 16) == int(status["CapPrm"], 16) == TWO_CAPABILITIES
    assert Path(f"/proc/{detached.pid}/cwd").readlink() == Path("/")
    assert Path(f"/proc/{detached.pid}/fd/0").readlink() == Path("/dev/null")


def test_the_capabilities_suffice_for_the_kernels_connections(detached: Detached) -> None:
    sources = detached.asked_inside()["sources"]
    assert isinstance(sources, list)
    assert {source["name"]: source["state"] for source in sources}["conntrack"] == "on"


def test_what_it_writes_is_netwatchds_and_nobody_elses_to_read(detached: Detached) -> None:
    for path in (*detached.state.iterdir(), *detached.run.iterdir()):
        found = path.stat()
        assert (found.st_uid, found.st_gid) == (detached.uid, detached.gid), path
        assert not found.st_mode & stat.S_IRWXO, path


def test_a_second_start_says_who_runs_and_leaves_it_alone(detached: Detached) -> None:
    pid = detached.pid
    second = detached.detach()
    assert second.returncode == 1
    assert f"netwatchd is running already, with pid {pid}" in second.stderr
    assert detached.pid == pid and Path(f"/proc/{pid}").exists()


def test_sigterm_stops_it_cleanly_and_removes_the_pid_file(detached: Detached) -> None:
    detached.emit({"type": "device", "mac": "a4:83:e7:00:00:01"})
    detached.end()
    assert not detached.pid_file.exists()
    assert not (detached.run / "events.sock").exists()
    assert detached.core("SELECT mac FROM devices") == [("a4:83:e7:00:00:01",)]


def test_the_pid_file_of_a_killed_one_keeps_nobody_from_starting(detached: Detached) -> None:
    killed = detached.pid
    detached.end(signal.SIGKILL)
    assert detached.pid_file.exists()
    (detached.run / "events.sock").unlink()  # so that we see when it is made again
    assert detached.detach().returncode == 0
    assert detached.ready() != killed
    assert "netwatchd" in Path(f"/proc/{detached.pid}/cmdline").read_text()


def test_without_the_user_netwatchd_it_says_so_and_runs_as_root(directory: Path) -> None:
    daemon = Detached(directory, user=False)
    started = daemon.detach()
    assert started.returncode == 0
    assert "there is no user netwatchd to run as; running as root" in started.stderr
    daemon.ready()
    assert set(daemon.process_status()["Uid"].split()) == {str(pwd.getpwnam("root").pw_uid)}
    daemon.end()
    assert not daemon.pid_file.exists()
