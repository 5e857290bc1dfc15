"""netwatchd as a service in a box, and what its administrator and its neighbours do to it."""

import json
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from box import Box
from running import flow_line
from waiting import PATIENCE, eventually

UNIT = "netwatchd.service"
QUIET = "[source:neighbours]\nenabled = no\n[source:conntrack]\nenabled = no\n"
QUICK = QUIET + "[storage]\ncommit_interval = 300 ms\n"
STATE = "/var/lib/netwatchd"

# Writes flows as fast as they are taken, until the daemon hangs up or as many are sent as wanted.
PRODUCER = """
import json, socket, sys
path, wanted, line = sys.argv[1], int(sys.argv[2]), json.loads(sys.argv[3])
peer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
peer.connect(path)
block = b"".join(json.dumps(line | {"src_port": n}).encode() + b"\\n" for n in range(500))
try:
    for _ in range(wanted // 500):
        peer.sendall(block)
    peer.shutdown(socket.SHUT_WR)
    peer.recv(1)
except OSError:
    pass
"""

# Prints the source ports of the flows in a directory, for a reader that knows nothing of netwatchd.
PORTS = """
import pathlib, sqlite3, sys
ports = []
for path in pathlib.Path(sys.argv[1]).glob("flows-*.db"):
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)
    if db.execute("SELECT 1 FROM sqlite_master WHERE name = 'flows'").fetchone():
        ports += [port for (port,) in db.execute("SELECT src_port FROM flows")]
print(sorted(ports))
"""


# Run in the service's place, under its sandbox: tries what netwatchd never does, and says what was allowed.
INTRUDER = """
import ctypes, os, pathlib, socket
tries = {}
for path in ("/etc/x", "/opt/netwatchd/x", "/usr/x", "/var/lib/x", "/var/log/x", "/root/x", "/home/x", "/dev/shm/x",
             "/boot/x", "/proc/sys/kernel/hostname", "/sys/fs/cgroup/x", "/run/x",
             "/var/lib/netwatchd/x", "/run/netwatchd/x"):
    tries["write " + path] = lambda path=path: pathlib.Path(path).write_text("x")
libc = ctypes.CDLL(None, use_errno=True)
def call(name, *arguments):
    if getattr(libc, name)(*arguments) == -1:
        raise OSError(ctypes.get_errno(), name)
tries["mount"] = lambda: call("mount", b"none", b"/tmp", b"tmpfs", 0, None)
tries["namespace"] = lambda: call("unshare", 0x10000000)
tries["packets"] = lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
tries["root"] = lambda: os.setuid(0)
tries["setuid file"] = lambda: (pathlib.Path("/tmp/x").write_text("x"), os.chmod("/tmp/x", 0o4755))
tries["set clock"] = lambda: __import__("time").clock_settime(0, 0)
tries["others' processes"] = lambda: pathlib.Path("/proc/1/status").read_text()
tries["another family"] = lambda: socket.socket(socket.AF_ALG, socket.SOCK_SEQPACKET)
tries["netlink"] = lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)
for name, attempt in tries.items():
    try:
        attempt()
    except OSError as error:
        print("refused", name, error.errno)
    else:
        print("allowed", name)
"""


class Service:
    """netwatchd in a box, as its administrator sees it."""

    def __init__(self, box: Box) -> None:
        self.box = box

    def configure(self, text: str = QUICK) -> None:
        """Writes config.ini."""
        self.box.path("/etc/netwatchd/config.ini").write_text(text)

    def drop_in(self, *lines: str) -> None:
        """What `systemctl edit` does, with these lines under [Service]."""
        path = self.box.path(f"/etc/systemd/system/{UNIT}.d/override.conf")
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n".join(["[Service]", *lines, ""]))
        self.box.run("systemctl", "daemon-reload")

    def systemctl(self, verb: str, check: bool = True) -> str:
        return self.box.run("systemctl", verb, UNIT, check=check)

    def show(self, name: str) -> str:
        """A property of the unit."""
        return self.box.run("systemctl", "show", f"--property={name}", "--value", UNIT).strip()

    def became(self, state: str, than: str = "") -> str:
        """Waits until it is in this state, with another main process than this one; returns the main process."""

        def has() -> str | None:
            pid = self.show("MainPID")
            return pid if self.show("ActiveState") == state and pid != than else None

        return str(eventually(has, f"{UNIT} is {state}"))

    def kill(self, number: signal.Signals) -> None:
        self.box.run("sh", "-c", f"kill -{number.value} {self.show('MainPID')}")

    def log(self, *matches: str) -> list[dict[str, Any]]:
        """What the journal holds of it."""
        return self.box.journal("--unit", UNIT, *matches)

    def said(self, text: str) -> bool:
        return any(text in str(entry["MESSAGE"]) for entry in self.log())

    def says(self, text: str) -> None:
        """Waits until the journal has it, which is a moment later than it is so."""
        eventually(lambda: self.said(text), f"the journal says {text}")

    def emit(self, *events: dict[str, Any]) -> None:
        """Hands in events and waits until all are read."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
            peer.settimeout(PATIENCE)
            peer.connect(self.socket)
            peer.sendall(b"".join(json.dumps(event).encode() + b"\n" for event in events))
            peer.shutdown(socket.SHUT_WR)
            assert peer.recv(4096) == b""

    @property
    def socket(self) -> str:
        return str(self.box.path("/run/netwatchd/events.sock"))

    def status(self) -> dict[str, Any]:
        status: dict[str, Any] = json.loads(self.box.run("netwatchd", "status", "--json"))
        return status

    def flows(self, directory: str = STATE) -> list[int]:
        """The source ports of the flows in its files."""
        # In there: SQLite would follow the way into the box back to our own root.
        ports: list[int] = json.loads(self.box.run("python3", "-c", PORTS, directory))
        return ports

    @contextmanager
    def flood(self, wanted: int = 10**9, producers: int = 8) -> Iterator[list["subprocess.Popen[bytes]"]]:
        """So many programs write flows as fast as they are taken, each up to as many as wanted."""
        started = [
            subprocess.Popen([sys.executable, "-c", PRODUCER, self.socket, str(wanted), json.dumps(flow_line(0))])
            for _ in range(producers)
        ]
        try:
            yield started
        finally:
            for each in started:
                each.kill()
                each.wait()


@contextmanager
def hanging(card: Path) -> Iterator[None]:
    """Whoever writes to the card waits meanwhile, and cannot even be killed."""
    subprocess.run(["fsfreeze", "--freeze", card], check=True)
    try:
        yield
    finally:
        subprocess.run(["fsfreeze", "--unfreeze", card], check=True)


def figure(name: str, text: str) -> int:
    found = re.search(rf"{name} (\d+)", text)
    assert found, text
    return int(found[1])
