"""A small Debian of its own with systemd as pid 1, for what only a real service manager can show.

The first use makes a base system below $NETWATCHD_BOX (default /var/tmp/netwatchd-box, 250 MB) by debootstrap, which
takes a minute; it is kept and never changed. `installed` puts a layer over it with what `make install` makes of this
checkout, and a `Box` boots these two, in systemd-nspawn, under a layer of its own, which is all that it writes to.
"""

import contextlib
import itertools
import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from waiting import PATIENCE, eventually

ROOT = Path(__file__).parent.parent
HOME = Path(os.environ.get("NETWATCHD_BOX", "/var/tmp/netwatchd-box"))
BASE = HOME / "base"
RELEASE = "bookworm"  # the oldest that netwatchd promises to run on
PACKAGES = "ca-certificates,dbus,make,python3,python3-venv,systemd,systemd-sysv"
TOOLS = ("debootstrap", "systemd-nspawn", "nsenter", "unshare")
CHECKOUT = ("Makefile", "README.md", "LICENSE", "config.ini", "setup.cfg", "pyproject.toml", "netwatchd", "systemd")
# What the machine lends to `make install`, which fetches packages: the names of hosts, and whom to trust.
LENT = ("/etc/resolv.conf", "/etc/ssl/certs/ca-certificates.crt")
PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_count = itertools.count()

# Both run in a mount namespace of their own, so that what they mount goes with them.
INSTALL = """
mount -t overlay -o "lowerdir=$BASE,upperdir=$LAYER/upper,workdir=$LAYER/work" box "$LAYER/root"
cd "$LAYER/root"
mount -t proc proc proc
mount --rbind /dev dev
for file in $LENT; do touch ".$file"; mount --bind "$file" ".$file"; done
exec chroot . make -C /root/netwatchd install
"""
BOOT = """
for group in $GROUPS_OF_BOX; do mkdir -p "$group"; echo $$ > "$group/cgroup.procs"; done
mount -t tmpfs tmpfs /run/systemd
mount -t overlay -o "lowerdir=$INSTALLED:$BASE,upperdir=$LAYER/upper,workdir=$LAYER/work" box "$LAYER/root"
exec systemd-nspawn --quiet --boot --register=no --keep-unit --machine="$NAME" --directory="$LAYER/root" \
    --console=pipe --link-journal=no --resolv-conf=off --timezone=off --capability=CAP_NET_ADMIN "$NETWORK"
"""


def why_not() -> str | None:
    """Why no box can be made here (for pytest's skipif)."""
    if os.geteuid() != 0:
        return "needs root, to boot a container"
    missing = [tool for tool in TOOLS if not shutil.which(tool)]
    return f"needs the programs {', '.join(missing)} (Debian: debootstrap, systemd-container)" if missing else None


@contextlib.contextmanager
def layer() -> Iterator[Path]:
    """A directory for what is written over a base, removed at the end."""
    HOME.mkdir(parents=True, exist_ok=True)
    path = Path(tempfile.mkdtemp(prefix="layer-", dir=HOME))
    for name in ("upper", "work", "root"):
        (path / name).mkdir()
    try:
        yield path
    finally:
        shutil.rmtree(path)


@contextlib.contextmanager
def installed() -> Iterator[Path]:
    """The layer that `make install` of this checkout writes over the base."""
    if not (BASE / "etc/machine-id").exists():
        unfinished = HOME / f"base-{os.getpid()}"
        _run("debootstrap", "--variant=minbase", f"--include={PACKAGES}", RELEASE, str(unfinished))
        (unfinished / "etc/machine-id").write_text("")  # each box gets one of its own
        unfinished.rename(BASE)
    with layer() as path:
        for name in CHECKOUT:
            target = path / "upper/root/netwatchd" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            _run("cp", "-R", str(ROOT / name), str(target))
        (path / "upper/root").chmod(0o700)
        proxies = {name: value for name, value in os.environ.items() if name.lower().endswith("_proxy")}
        lent = " ".join(name for name in LENT if Path(name).exists())
        variables = {"BASE": str(BASE), "LAYER": str(path), "LENT": lent, "HOME": "/root", **proxies}
        _run(
            "unshare",
            "--mount",
            "--propagation=private",
            "env",
            "-i",
            PATH,
            *_assigned(variables),
            "sh",
            "-ec",
            INSTALL,
        )
        yield path / "upper"


class Box:
    """One booted machine. It has a network of its own with nothing but `lo`, or joins the network namespace given."""

    def __init__(self, installed: Path, layer: Path, namespace: str | None = None) -> None:
        self._name = f"netwatchd-box-{os.getpid()}-{next(_count)}"
        self._groups = list(_groups(self._name))
        self._layer = layer
        self._variables = {
            "INSTALLED": str(installed), "BASE": str(BASE), "LAYER": str(layer), "NAME": self._name,
            "GROUPS_OF_BOX": " ".join(map(str, self._groups)),
            "NETWORK": f"--network-namespace-path=/run/netns/{namespace}" if namespace else "--private-network",
            # As on the machine: cgroup v2 alone, or the controllers of v1 where those are all there are.
            "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": str(int(_unified())), "SYSTEMD_NSPAWN_API_VFS_WRITABLE": "network",
        }  # fmt: skip
        self._process: subprocess.Popen[bytes] | None = None
        self._pid = 0

    def __enter__(self) -> "Box":
        try:
            self.boot()
        except BaseException:
            self.crash()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.crash()

    def boot(self) -> None:
        """Switches it on, and waits until it is up."""
        alone = ("unshare", "--mount", "--propagation=private")
        command = [*alone, "env", *_assigned(self._variables), "sh", "-ec", BOOT]
        with (self._layer / "console").open("ab") as console:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=console, stderr=console)
        self._pid = eventually(self._first_process, "the box boots")
        eventually(self._is_up, "the box is up")
        if not _unified():
            # nspawn mounts the controllers read-only; those that are rooted at the box's own groups are its to use.
            for group in self._groups:
                controller = group.relative_to("/sys/fs/cgroup").parts[0]
                self.run("mount", "-o", "remount,bind,rw", f"/sys/fs/cgroup/{controller}", check=False)
            self.run("systemctl", "daemon-reexec")

    def crash(self) -> None:
        """Ends everything in it at once, as a power cut does; what it had written stays, and it can boot again."""
        if self._process is not None and self._process.poll() is None:
            inside = [pid for listed in self._groups[0].rglob("cgroup.procs") for pid in listed.read_text().split()]
            for pid in (self._process.pid, *map(int, inside)):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self._process.wait(PATIENCE)
            eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in inside))
        for group in self._groups:
            _run("find", str(group), "-depth", "-type", "d", "-exec", "rmdir", "{}", ";", check=False)

    def command(self, *command: str) -> list[str]:
        """The command as it has to be started to run in the box, as its root."""
        spaces = ("--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root", "--wdns=/")
        environment = ("env", "-i", "HOME=/root", "LANG=C.UTF-8", "SYSTEMD_PAGER=", "SYSTEMD_COLORS=0", PATH)
        return ["nsenter", f"--target={self._pid}", *spaces, "--", *environment, *command]

    def run(self, *command: str, input: str | None = None, check: bool = True) -> str:
        """Runs a command in the box and returns what it printed; fails with what it said."""
        return _run(*self.command(*command), input=input, check=check)

    def path(self, inside: str) -> Path:
        """Where a file of the box is for us."""
        return Path(f"/proc/{self._pid}/root{inside}")

    def journal(self, *matches: str) -> list[dict[str, Any]]:
        """The journal's entries that match."""
        listed = self.run("journalctl", "--output=json", "--no-pager", *matches)
        return [json.loads(line) for line in listed.splitlines()]

    def _first_process(self) -> int | None:
        """The box's pid 1, as we see it; fails where nspawn has ended."""
        assert self._process is not None
        assert self._process.poll() is None, (self._layer / "console").read_text()
        for children in Path(f"/proc/{self._process.pid}/task").glob("*/children"):
            for pid in children.read_text().split():
                with contextlib.suppress(OSError):  # it was short-lived
                    if Path(f"/proc/{pid}/comm").read_text() == "systemd\n":
                        return int(pid)
        return None

    def _is_up(self) -> bool:
        return self.run("systemctl", "is-system-running", check=False).strip() in ("running", "degraded")


def _unified() -> bool:
    return Path("/sys/fs/cgroup/cgroup.controllers").exists()


def _groups(name: str) -> Iterator[Path]:
    """A control group of its own in every hierarchy of this machine."""
    mounts = Path("/sys/fs/cgroup")
    if _unified():
        yield mounts / name
        return
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, ours = line.split(":", 2)
        mount = mounts / (controllers.removeprefix("name=") or "unified")
        # A cpuset can take nobody before it is given processors.
        if controllers != "cpuset" and mount.exists():
            yield mount / ours.strip("/") / name


def _assigned(variables: dict[str, str]) -> list[str]:
    return [f"{name}={value}" for name, value in variables.items()]


def _run(*command: str, input: str | None = None, check: bool = True) -> str:
    done = subprocess.run(command, input=input, capture_output=True, text=True, check=False)
    assert not check or done.returncode == 0, f"{' '.join(command)}: {done.stdout}{done.stderr}"
    return done.stdout
