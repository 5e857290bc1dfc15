"""A long, lossy or thin wire between two network namespaces: two TUN devices, and a process that carries the packets.

The kernel's own means for it, netem, is missing in many kernels.
"""

import contextlib
import fcntl
import json
import os
import random
import select
import struct
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator

from home import Namespace

_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 0x0001, 0x1000  # linux/if_tun.h
_LARGEST = 65536


@contextlib.contextmanager
def link(near: Namespace, far: Namespace, number: int, **quality: float) -> Iterator[str]:
    """A wire whose ends have the addresses 10.NUMBER.0.1 and .2; yields the first. `quality`: as of `Direction`."""
    ends = [(near, f"10.{number}.0.1", f"10.{number}.0.2"), (far, f"10.{number}.0.2", f"10.{number}.0.1")]
    name = f"wire{number}"
    devices = [_open_device(namespace, name) for namespace, _, _ in ends]
    process = subprocess.Popen(
        [sys.executable, __file__, *map(str, devices), json.dumps(quality)], pass_fds=devices, stdin=subprocess.DEVNULL
    )
    for device in devices:
        os.close(device)
    try:
        for namespace, own, other in ends:
            namespace.ip(f"addr add {own} peer {other} dev {name}")
            namespace.ip(f"link set {name} up")
        yield ends[0][1]
        assert process.poll() is None, "the wire is broken"
    finally:
        process.kill()
        process.wait()


def _open_device(namespace: Namespace, name: str) -> int:
    with namespace.entered():
        descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(descriptor, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _IFF_TUN | _IFF_NO_PI))
    return descriptor


class Direction:
    """What is on its way to one end.

    `delay` and `jitter` are seconds, `loss` is a part of 1, `rate` is bytes a second, and `queue` the bytes that may
    wait for it: what goes beyond is lost, as in a modem. Packets keep their order.
    """

    def __init__(
        self,
        out: int,
        delay: float = 0.0,
        jitter: float = 0.0,
        loss: float = 0.0,
        rate: float = 1e9,
        queue: float = 20_000,
    ) -> None:
        self._out = out
        self._delay, self._jitter, self._loss, self._rate, self._queue = delay, jitter, loss, rate, queue
        self._random = random.Random(out)
        self._free = 0.0  # when the wire will have taken what waits for it
        self._flying: deque[tuple[float, bytes]] = deque()  # when they arrive

    def take(self, packet: bytes, now: float) -> None:
        """Takes a packet, or loses it."""
        begins = max(self._free, now)
        if (begins - now) * self._rate > self._queue or self._random.random() < self._loss:
            return
        self._free = begins + len(packet) / self._rate
        arrival = self._free + self._delay + self._random.uniform(-self._jitter, self._jitter)
        self._flying.append((max(arrival, self._flying[-1][0]) if self._flying else arrival, packet))

    def deliver(self, now: float) -> float:
        """Hands over what has arrived; returns when the next packet will."""
        while self._flying and self._flying[0][0] <= now:
            packet = self._flying.popleft()[1]
            with contextlib.suppress(OSError):  # the device is not up yet
                os.write(self._out, packet)
        return self._flying[0][0] if self._flying else float("inf")


def carry(near: int, far: int, quality: dict[str, float]) -> None:
    """Carries packets both ways until it is killed."""
    ways = {near: Direction(far, **quality), far: Direction(near, **quality)}
    arrival = float("inf")
    while True:
        ready, _, _ = select.select(ways, [], [], min(max(0.0, arrival - time.monotonic()), 1.0))
        now = time.monotonic()
        for end in ready:
            ways[end].take(os.read(end, _LARGEST), now)
        arrival = min(way.deliver(now) for way in ways.values())


if __name__ == "__main__":
    carry(int(sys.argv[1]), int(sys.argv[2]), json.loads(sys.argv[3]))
