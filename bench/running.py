"""The installed daemon as a process, with directories of its own."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


class Running:
    """A daemon that is ready: its sockets, files and figures."""

    def __init__(self, process: subprocess.Popen[bytes], directory: Path, port: int, took: float) -> None:
        self.process = process
        self.state = directory / "state"
        self.port = port
        self.startup = took  # seconds from exec until it served
        self._events = directory / "run" / "events.sock"

    def writer(self) -> socket.socket:
        """A connection for JSON lines."""
        peer = socket.socket(socket.AF_UNIX)
        peer.connect(str(self._events))
        return peer

    def write(self, lines: bytes) -> None:
        """Hands in JSON lines, and waits until the daemon has read them all."""
        with self.writer() as peer:
            peer.sendall(lines)
            peer.shutdown(socket.SHUT_WR)
            if answer := peer.recv(1000):
                raise RuntimeError(answer.decode())

    def cpu(self) -> float:
        """Seconds of CPU so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def memory(self) -> float:
        """Resident megabytes."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024


@contextlib.contextmanager
def daemon(config: str = "", state: Path | None = None, namespace: str | None = None) -> Iterator[Running]:
    """Starts a daemon with only the source json, unless `config` says otherwise, and ends it with the block."""
    with tempfile.TemporaryDirectory() as made:
        directory, port = Path(made), _free_port()
        (directory / "state").symlink_to(state) if state else (directory / "state").mkdir()
        file = directory / "config.ini"
        off = "".join(f"[source:{name}]\nenabled = no\n" for name in ("neighbours", "conntrack") if name not in config)
        file.write_text(f"[websocket]\nport = {port}\n{off}{config}")
        places = {"STATE_DIRECTORY": f"{directory}/state", "RUNTIME_DIRECTORY": f"{directory}/run"}
        inside = ["ip", "netns", "exec", namespace] if namespace else []
        command = [*inside, sys.executable, "-m", "netwatchd", "run", "--config", str(file)]
        begun = time.perf_counter()
        with (directory / "log").open("wb") as log:
            process = subprocess.Popen(command, env=os.environ | places, stderr=log)
        try:
            _wait_until_ready(process, directory / "log")
            yield Running(process, directory, port, time.perf_counter() - begun)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(20)


def _wait_until_ready(process: subprocess.Popen[bytes], log: Path) -> None:
    while b" ready: " not in log.read_bytes():
        if process.poll() is not None:
            raise RuntimeError(f"the daemon ended at its start: {log.read_text()}")
        time.sleep(0.002)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
