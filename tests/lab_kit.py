"""A home in network namespaces with scripted behaviour, what its wire carried, and what a client of netwatchd was told.

The home is built by a program beside the project, ../shared/tools/lab.py, which also says what really happened.
"""

import contextlib
import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from home import within
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

ROOT = Path(__file__).parent.parent
LAB = Path(os.environ.get("NETWATCHD_LAB", ROOT.parent / "shared/tools/lab.py"))
PACKAGES = "dnsmasq-base nftables conntrack ethtool busybox isc-dhcp-client dhcpcd5 curl tcpdump"
PROGRAMS = ("ip", "dnsmasq", "nft", "conntrack", "ethtool", "busybox", "dhclient", "dhcpcd", "curl", "bridge")
LAN = "br-lan"
_ETH_P_ALL = 3
_SO_TIMESTAMPNS = 35  # asm-generic/socket.h
_DHCP_TYPES = {1: "discover", 3: "request", 4: "decline", 7: "release", 8: "inform"}


def why_not() -> str | None:
    """Why there can be no lab here, in a sentence; None where there can."""
    if not LAB.exists():
        return f"needs the program {LAB} ($NETWATCHD_LAB names another place)"
    if os.geteuid() != 0:
        return "needs root, to make network namespaces"
    missing = [program for program in PROGRAMS if not shutil.which(program)]
    if missing:
        return f"needs the programs {', '.join(missing)}: apt-get install {PACKAGES}"
    probe = subprocess.run(["unshare", "--net", "true"], capture_output=True, check=False)
    return None if probe.returncode == 0 else "needs network namespaces"


class Lab:
    """One home, with a prefix of its own."""

    def __init__(self) -> None:
        prefix = os.environ.get("LAB_PREFIX", f"j{os.getpid()}")
        run = os.environ.get("LAB_RUN", f"/var/tmp/netwatchd-lab/run-{prefix}")
        self._environment = os.environ | {"LAB_PREFIX": prefix, "LAB_RUN": run}
        self.router = f"{prefix}-router"
        self.leases = Path(run) / "misc/dnsmasq.leases"

    def __enter__(self) -> "Lab":
        self._call("up")
        return self

    def __exit__(self, *_: object) -> None:
        self._call("down")

    def run(self, scenario: str, **options: object) -> dict[str, Any]:
        """Lets something happen; returns what did."""
        return self._call("run", scenario, *(f"{key}={value}" for key, value in options.items()))

    def hosts(self) -> dict[str, Any]:
        """Who is there: name -> MAC, addresses, host name."""
        found: dict[str, Any] = self._call("hosts")["hosts"]
        return found

    def inside(self) -> list[str]:
        """What begins a command that runs on the router."""
        return ["ip", "netns", "exec", self.router]

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """This thread is on the router meanwhile; the sockets that it opens stay there."""
        with within(self.router):
            yield

    def _call(self, *arguments: str) -> dict[str, Any]:
        done = subprocess.run(
            [sys.executable, str(LAB), *arguments], env=self._environment, capture_output=True, text=True, check=False
        )
        answer: dict[str, Any] = json.loads(done.stdout) if done.stdout.strip() else {"error": done.stderr}
        assert "error" not in answer, answer["error"]
        return answer


class Frame(NamedTuple):
    """One frame of a station on the LAN."""

    time: float  # Unix seconds, by the kernel
    mac: str
    kind: str  # arp, mdns, ssdp, dhcp-request, ...
    ip: str | None  # whose it says that it is


class Wire:
    """All frames that stations send on the LAN, as the router's bridge gets them. Read by hand: it is the judge."""

    def __init__(self, lab: Lab) -> None:
        with lab.entered():
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL))
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self._socket.bind((LAN, _ETH_P_ALL))
        self._socket.settimeout(0.2)
        self.frames: list[Frame] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def close(self) -> None:
        """Listens no more."""
        self._ended.set()
        self._thread.join()
        self._socket.close()

    def first(self, mac: str, since: float, *kinds: str, ip: str | None = None) -> float | None:
        """When a station first sent such a frame."""
        return next(iter(self._times(mac, since, float("inf"), kinds, ip)), None)

    def last(self, mac: str, since: float, until: float, *kinds: str) -> float | None:
        """When a station last sent such a frame."""
        return next(iter(self._times(mac, since, until, kinds, None)[::-1]), None)

    def _times(self, mac: str, since: float, until: float, kinds: tuple[str, ...], ip: str | None) -> list[float]:
        return [
            frame.time
            for frame in list(self.frames)
            if since <= frame.time <= until
            and frame.mac == mac
            and (not kinds or frame.kind in kinds)
            and ip in (None, frame.ip)
        ]

    def _listen(self) -> None:
        while not self._ended.is_set():
            try:
                data, extra, _, address = self._socket.recvmsg(2048, 64)
            except TimeoutError:
                continue
            stamp = next((value for level, kind, value in extra if kind == _SO_TIMESTAMPNS), None)
            seconds, nanoseconds = struct.unpack("qq", stamp) if stamp else (time.time(), 0)
            if address[2] != socket.PACKET_OUTGOING:
                self.frames.append(Frame(seconds + nanoseconds / 1e9, data[6:12].hex(":"), *_kind_of(data)))


def _kind_of(data: bytes) -> tuple[str, str | None]:
    ethernet = data[12:14]
    if ethernet == b"\x08\x06":
        return "arp", socket.inet_ntoa(data[28:32])
    if ethernet != b"\x08\x00" or len(data) < 42:
        return "other", None
    ip, udp = socket.inet_ntoa(data[26:30]), data[14 + (data[14] & 15) * 4 :]
    ports = struct.unpack("!HH", udp[:4]) if data[23] == 17 else (0, 0)
    if ports == (68, 67):
        return f"dhcp-{_DHCP_TYPES.get(_dhcp_type(udp[8:]), 'other')}", ip
    return {5353: "mdns", 1900: "ssdp"}.get(ports[1], "ip"), ip


def _dhcp_type(message: bytes) -> int:
    at = 240  # behind the magic cookie
    while at + 2 < len(message) and message[at] != 255:
        if message[at] == 53:
            return message[at + 2]
        at += 1 if message[at] == 0 else 2 + message[at + 1]
    return 0


class Listener:
    """What a WebSocket client is told, with the moment at which it was."""

    def __init__(self, lab: Lab, connect: Callable[[], "contextlib.AbstractContextManager[ClientConnection]"]) -> None:
        self.told: list[tuple[float, dict[str, Any]]] = []
        self._stack = contextlib.ExitStack()
        with lab.entered():
            self._client = self._stack.enter_context(connect())
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def close(self) -> None:
        """Listens no more."""
        self._stack.close()
        self._thread.join()

    def _listen(self) -> None:
        with contextlib.suppress(ConnectionClosed):
            while True:
                message = json.loads(self._client.recv())
                self.told.append((time.time(), message))

    def news(self, since: float = 0) -> list[tuple[float, dict[str, Any]]]:
        """The news that were told: each once, however often it was said better, and none that was taken back."""
        known: dict[int, int] = {}
        found = []
        for when, message in list(self.told):
            threat = message.get("threat")
            if message["type"] == "threat_update" and threat["count"] > known.get(threat["id"], 0):
                known[threat["id"]] = threat["count"]
                found.append((when, threat))
        return [(when, threat) for when, threat in found if when >= since]

    def first_device(
        self, since: float, wanted: Callable[[dict[str, Any]], object]
    ) -> tuple[float, dict[str, Any]] | None:
        """The first update of a device that is wanted, since then."""
        for when, message in list(self.told):
            if when >= since and message["type"] == "device_update" and wanted(message["device"]):
                return when, message["device"]
        return None

    def devices(self) -> dict[str, dict[str, Any]]:
        """The devices as they are now, by key."""
        known: dict[str, dict[str, Any]] = {}
        for _, message in list(self.told):
            if message["type"] == "snapshot":
                known = {each["mac"] or each["ip"]: each for each in message["devices"]}
            elif message["type"] == "device_update":
                known[message["device"]["mac"] or message["device"]["ip"]] = message["device"]
            elif message["type"] == "device_removed":
                known.pop(message["key"], None)
        return known

    def flips(self, mac: str, since: float) -> list[str]:
        """How the status of a device went, since then: each that differs from the one before."""
        found: list[tuple[float, str]] = []
        for when, message in list(self.told):
            device = message.get("device") or {}
            if message["type"] == "snapshot":
                device = next((each for each in message["devices"] if each["mac"] == mac), {})
            if device.get("mac") == mac and (not found or found[-1][1] != device["status"]):
                found.append((when, device["status"]))
        return [status for when, status in found if when >= since]
