"""Ports on which nobody listens, nor will soon."""

import os
import socket
from random import Random

# Below those that the kernel gives to whoever connects somewhere: one of these could be taken by the time it is used.
_PORTS = range(10_000, 32_000)
_random = Random(os.urandom(8))


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM, host: str = "127.0.0.1") -> int:
    """A port of `host` that can be bound; also a while later, and again after a restart."""
    while True:
        port = _random.choice(_PORTS)
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, kind) as probe:
            try:
                probe.bind((host, port))
            except OSError:
                continue
            return port
