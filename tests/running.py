"""The real daemon as a process of its own, and what is needed to look at it from outside."""

import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from ports import free_port
from waiting import PATIENCE, eventually
from websockets.sync.client import ClientConnection, connect

MAC, OTHER_MAC = "a4:83:e7:00:00:01", "a4:83:e7:00:00:02"
KERNEL_SOURCES = ("neighbours", "conntrack", "leases", "hosts", "dhcp")
# What runs a command as a user who owns nothing.
NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]

# Run by another process: takes the write lock of a database and keeps it until its input ends.
LOCK = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("PRAGMA busy_timeout = 10000")
db.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
sys.stdin.read()
"""


@contextmanager
def locked(path: Path, **environment: str) -> Iterator[None]:
    """Another process holds the write lock of a database."""
    command = [sys.executable, "-c", LOCK, str(path)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=os.environ | environment
    ) as process:
        assert process.stdout and process.stdout.readline() == b"locked\n"
        yield
        process.communicate()


@contextmanager
def small_disk(path: Path, size: str = "1m") -> Iterator[Path]:
    """A file system of its own at `path`, which is soon full; needs root."""
    path.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", path], check=True)
    try:
        yield path
    finally:
        subprocess.run(["umount", "--lazy", path], check=True)


def fill(directory: Path) -> Path:
    """A file that takes all the space that is left."""
    path = directory / "ballast"
    with path.open("wb", buffering=0) as file:
        try:
            while file.write(b"x" * 4096):
                pass
        except OSError:
            pass
    return path


def rows(path: Path, query: str = "SELECT * FROM flows") -> list[tuple[Any, ...]]:
    """What a database answers to a reader that knows nothing of netwatchd; nothing where there is none yet."""
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=5)) as db:
            return db.execute(query).fetchall()
    except sqlite3.OperationalError as error:
        if "no such table" in str(error) or "unable to open" in str(error):
            return []
        raise


def flow_line(number: int, **fields: Any) -> dict[str, Any]:
    """A flow as another program writes it, told apart by its ports."""
    return {
        "type": "flow", "src_ip": "192.168.1.5", "src_port": number % 60000, "dst_ip": "93.184.216.34",
        "dst_port": number // 60000 + 1, "protocol": "tcp", "packets_out": 1, "bytes_out": 100, "packets_in": 2,
        "bytes_in": 1000,
    } | fields  # fmt: skip


class Daemon:
    """One netwatchd, in directories of its own, on a port that was free."""

    def __init__(self, directory: Path, config: str = "", inside: Sequence[str] = (), **environment: str) -> None:
        self.inside = list(inside)  # the command that runs it elsewhere, as in a network namespace
        self.state, self.run = directory / "lib", directory / "run"
        self.port = free_port()
        self.config = directory / "config.ini"
        self.configure(config)
        self.environment = os.environ | {
            "STATE_DIRECTORY": str(self.state), "RUNTIME_DIRECTORY": str(self.run),
            "NETWATCHD_CONFIG": str(self.config), "PYTHONUNBUFFERED": "1", **environment,
        }  # fmt: skip
        self._log = directory / "log"
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Daemon":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is not None and self.process.poll() is None:
            self.kill()

    def configure(self, config: str) -> None:
        """Writes config.ini anew: our port, the kernel's sources off unless it has them, and what is given."""
        off = [f"[source:{name}]\nenabled = no\n" for name in KERNEL_SOURCES if f"[source:{name}]" not in config]
        self.config.write_text(f"[websocket]\nport = {self.port}\n{''.join(off)}{config}\n")

    def start(self) -> None:
        """Starts it, and waits until it says that it is ready."""
        ready = self.log.count("ready: page at")
        self.launch()
        eventually(lambda: self.log.count("ready: page at") > ready or self._ended())

    def launch(self) -> None:
        """Starts it, and waits for nothing."""
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [*self.inside, sys.executable, "-m", "netwatchd", "run"], env=self.environment, stdout=log, stderr=log,
                stdin=subprocess.DEVNULL,
            )  # fmt: skip

    def _ended(self) -> None:
        assert self.process is None or self.process.poll() is None, self.log

    @property
    def log(self) -> str:
        """What it has said."""
        return self._log.read_text() if self._log.exists() else ""

    def signal(self, number: signal.Signals) -> None:
        """Sends it a signal."""
        assert self.process is not None
        self.process.send_signal(number)

    def wait(self) -> int:
        """Its exit code, when it has ended."""
        assert self.process is not None
        return self.process.wait(PATIENCE)

    def stop(self) -> int:
        """Ends it as systemd does; returns its exit code."""
        self.signal(signal.SIGTERM)
        return self.wait()

    def kill(self) -> None:
        """Ends it as a power cut does."""
        self.signal(signal.SIGKILL)
        self.wait()

    def connect(self) -> socket.socket:
        """A connection to its socket for JSON lines."""
        peer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        peer.settimeout(PATIENCE)
        peer.connect(str(self.run / "events.sock"))
        return peer

    def emit(self, *events: dict[str, Any]) -> list[dict[str, Any]]:
        """Hands in events, and returns the answers when all are read."""
        with self.connect() as peer:
            peer.sendall(b"".join(json.dumps(event).encode() + b"\n" for event in events))
            peer.shutdown(socket.SHUT_WR)
            return [json.loads(line) for line in peer.makefile("rb")]

    @contextmanager
    def client(self) -> Iterator[ClientConnection]:
        """A WebSocket client."""
        url = f"ws://127.0.0.1:{self.port}/ws"
        with connect(url, open_timeout=PATIENCE, max_size=2**26, max_queue=None) as client:
            yield client

    def cli(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """What the command answers, in its environment."""
        command = [sys.executable, "-m", "netwatchd", *arguments]
        return subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=60, check=False, errors="strict"
        )

    def json(self, *arguments: str) -> Any:
        """What the command answers to a script."""
        answer = self.cli(*arguments, "--json")
        assert answer.returncode == 0, answer.stderr
        return json.loads(answer.stdout)

    def status(self) -> dict[str, Any]:
        """What it says of itself."""
        found = re.search(r"^token = (\S+)", self.config.read_text(), re.MULTILINE)
        token = f"Authorization: Bearer {found[1]}\r\n" if found else ""
        with socket.create_connection(("127.0.0.1", self.port), PATIENCE) as peer:
            peer.sendall(f"GET /status HTTP/1.1\r\nHost: localhost\r\n{token}Connection: close\r\n\r\n".encode())
            answer: dict[str, Any] = json.loads(peer.makefile("rb").read().split(b"\r\n\r\n", 1)[1])
            return answer

    def dropped(self, reason: str) -> int:
        """How many clients it has given up, as its log tells."""
        return len(re.findall(rf"dropped client \S+: {reason}; \d+ clients remain", self.log))

    def resources(self) -> tuple[int, int]:
        """Its threads and its descriptors."""
        assert self.process is not None
        own = Path(f"/proc/{self.process.pid}")
        return len(list((own / "task").iterdir())), len(list((own / "fd").iterdir()))

    def memory(self) -> float:
        """Its resident megabytes."""
        assert self.process is not None
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024

    def flows(self) -> list[tuple[Any, ...]]:
        """The flows in its files, by plain SQLite."""
        return [row for path in sorted(self.state.glob("flows-*.db")) for row in rows(path)]

    def core(self, query: str) -> list[tuple[Any, ...]]:
        """What core.db answers, by plain SQLite."""
        return rows(self.state / "core.db", query)


def nobody_can_run_it() -> bool:
    """Whether we may become another user, who may then run this Python and this project: both may lie in a home."""
    probe = [*NOBODY, sys.executable, "-c", "import netwatchd.daemon"]
    return os.geteuid() == 0 and subprocess.run(probe, capture_output=True, check=False).returncode == 0


def until(client: ClientConnection, wanted: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    """The first message that is wanted; fails where none comes."""
    deadline = time.monotonic() + PATIENCE
    while True:
        message: dict[str, Any] = json.loads(client.recv(max(deadline - time.monotonic(), 0.01)))
        if wanted(message):
            return message


def join(client: ClientConnection) -> dict[str, Any]:
    """Waits until a client hears all that happens from now on; returns the hello.

    Its connection is there a moment earlier: what happens in between is in the snapshot, and not told again.
    """
    hello = until(client, lambda message: message["type"] == "hello")
    until(client, lambda message: message["type"] == "snapshot")
    return hello


def scratch() -> Path:
    """A short path for sockets: theirs may have 107 bytes only."""
    return Path(tempfile.mkdtemp(prefix="nw-"))
