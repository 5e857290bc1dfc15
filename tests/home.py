"""A small home network of network namespaces, for journeys: a host and a server with the router between them.

    host 192.168.77.10 -- [lan0 router wan0] -- 203.0.113.1 server
         fd00:77::10        192.168.77.1, fd00:77::1 / 203.0.113.2

The router's `lan0` is a bridge, it masquerades IPv4 by nft, and counts and times connections. Nothing leaves the
machine. Names carry the process's id, so that test runs do not meet; everything goes when the block is left.
"""

import contextlib
import ctypes
import itertools
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

HOST4, ROUTER4, HOST6, ROUTER6 = "192.168.77.10", "192.168.77.1", "fd00:77::10", "fd00:77::1"
SERVER4, WAN4 = "203.0.113.1", "203.0.113.2"
HOST_MAC, ROUTER_MAC, SERVER_MAC = "a4:83:e7:12:34:56", "50:c7:bf:10:20:30", "00:0c:29:77:00:01"

_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)
_count = itertools.count()

NAT = """
table ip nat {
  chain postrouting { type nat hook postrouting priority srcnat; oifname "wan0" masquerade; }
}
"""


def why_not(*tools: str) -> str | None:
    """Why no home can be built here (for pytest's skipif), also where one of the `tools` is missing."""
    if os.geteuid() != 0:
        return "needs root, to make network namespaces"
    missing = [tool for tool in ("ip", *tools) if not shutil.which(tool)]
    if missing:
        return f"needs the programs {', '.join(missing)}"
    probe = subprocess.run(["unshare", "--net", "true"], capture_output=True, check=False)
    return None if probe.returncode == 0 else "needs network namespaces"


class Namespace:
    """One network namespace."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._processes: list[subprocess.Popen[str]] = []
        _run("ip", "netns", "add", name)
        self.ip("link set lo up")

    def command(self, *command: str) -> list[str]:
        """The command as it has to be started to run in here."""
        return ["ip", "netns", "exec", self.name, *command]

    def run(self, *command: str, input: str | None = None) -> str:
        """Runs a command to its end and returns its output; fails with what it said."""
        return _run(*self.command(*command), input=input)

    def ip(self, arguments: str) -> None:
        """ip(8)"""
        _run("ip", "-n", self.name, *arguments.split())

    def json(self, *command: str) -> list[dict]:
        """What a command prints as JSON."""
        return json.loads(self.run(*command) or "[]")

    def sysctl(self, name: str, value: int) -> None:
        """Sets a sysctl of this namespace."""
        self.run("sh", "-c", f"echo {value} > /proc/sys/{name.replace('.', '/')}")

    def start(self, *command: str, **options: object) -> "subprocess.Popen[str]":
        """Starts a process that is killed, at the latest, with the home."""
        options = {"stdout": subprocess.PIPE, "text": True, **options}
        process = subprocess.Popen(self.command(*command), **options)  # type: ignore[call-overload]
        self._processes.append(process)
        return process

    def python(self, code: str, *arguments: str) -> str:
        """Runs Python code in here and returns what it printed."""
        return self.run(sys.executable, "-c", code, *arguments)

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """This thread is in the namespace meanwhile; the sockets that it opens stay there."""
        with within(self.name):
            yield

    def close(self) -> None:
        """Ends its processes and removes it."""
        for process in self._processes:
            process.kill()
            process.communicate()
        _run("ip", "netns", "del", self.name)


class Home:
    """The three namespaces, connected."""

    def __init__(self, stack: contextlib.ExitStack, nat: bool) -> None:
        prefix = f"nw{os.getpid()}x{next(_count)}"
        self.router, self.host, self.server = (self._made(stack, f"{prefix}-{end}") for end in ("r", "h", "s"))
        self._connect()
        for name in ("ipv4.ip_forward", "ipv6.conf.all.forwarding"):
            self.router.sysctl(f"net.{name}", 1)
        for name in ("acct", "timestamp"):
            self.router.sysctl(f"net.netfilter.nf_conntrack_{name}", 1)
        if nat:
            self.router.run("nft", "-f", "-", input=NAT)

    def _made(self, stack: contextlib.ExitStack, name: str) -> Namespace:
        namespace = Namespace(name)
        stack.callback(namespace.close)
        return namespace

    def _connect(self) -> None:
        router, host, server = self.router, self.host, self.server
        for namespace in (router, host, server):  # an address must not wait until it is known to be unique
            namespace.sysctl("net.ipv6.conf.default.accept_dad", 0)
        router.ip(f"link add lan0 address {ROUTER_MAC} type bridge")
        router.ip(f"link add port0 type veth peer name eth0 address {HOST_MAC} netns {host.name}")
        router.ip("link set port0 master lan0")
        router.ip(f"link add wan0 type veth peer name eth0 address {SERVER_MAC} netns {server.name}")
        router.ip(f"addr add {ROUTER4}/24 dev lan0")
        router.ip(f"addr add {ROUTER6}/64 dev lan0 nodad")
        router.ip(f"addr add {WAN4}/24 dev wan0")
        host.ip(f"addr add {HOST4}/24 dev eth0")
        host.ip(f"addr add {HOST6}/64 dev eth0 nodad")
        server.ip(f"addr add {SERVER4}/24 dev eth0")
        for name in ("lan0", "port0", "wan0"):
            router.ip(f"link set {name} up")
        host.ip("link set eth0 up")
        server.ip("link set eth0 up")
        host.ip(f"route add default via {ROUTER4}")

    def serve(self, code: str) -> "subprocess.Popen[str]":
        """Runs Python code on the server and returns once it has printed a line."""
        process = self.server.start(sys.executable, "-uc", code)
        assert process.stdout.readline(), "the server's code ended without a word"
        return process


@contextlib.contextmanager
def home_network(nat: bool = True) -> Iterator[Home]:
    """A home; without `nat` the router has no firewall rules at all, so that its kernel tracks nothing by itself."""
    with contextlib.ExitStack() as stack:
        yield Home(stack, nat)


@contextlib.contextmanager
def running(target: Callable[[], None]) -> Iterator[threading.Thread]:
    """A thread that runs `target`, joined at the end."""
    thread = threading.Thread(target=target)
    thread.start()
    try:
        yield thread
    finally:
        thread.join(10)
        assert not thread.is_alive()


def _run(*command: str, input: str | None = None) -> str:
    done = subprocess.run(command, input=input, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}"
    return done.stdout


@contextlib.contextmanager
def within(name: str) -> Iterator[None]:
    """This thread is in a namespace meanwhile; the sockets that it opens stay there."""
    with Path("/proc/thread-self/ns/net").open() as home, Path(f"/run/netns/{name}").open() as there:
        _setns(there.fileno())
        try:
            yield
        finally:
            _setns(home.fileno())


def _setns(descriptor: int) -> None:
    if _libc.setns(descriptor, _CLONE_NEWNET):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
