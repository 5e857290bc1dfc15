"""The sender, a process of its own: `python -m bench.flows.sender VERSION KIND PORT RATE SECONDS`.

Sends what falls due every millisecond, and a template every second. Prints what it sent, as JSON.
"""

import json
import socket
import sys
import time

from exported_mass import Mass

TICK = 0.001  # seconds
# What is sent at once where the machine held us up: more would measure the collector's buffer, not its rate.
MOST_BEHIND = 0.01  # seconds
TEMPLATES = 1.0  # seconds between two of them


def main() -> None:
    """Sends, and tells."""
    version, kind, port, rate, seconds = sys.argv[1:]
    mass = Mass(int(version), paired=kind == "paired", now=time.time_ns() // 1_000_000)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.connect(("127.0.0.1", int(port)))
        sent, took = _send(peer, mass, float(rate), float(seconds))
    ended = time.monotonic()
    flows, octets, packets = mass.sums(sent)
    told = {"datagrams": sent, "flows": flows, "octets": octets, "packets": packets}
    print(json.dumps(told | {"seconds": took, "ended": ended}))


def _send(peer: socket.socket, mass: Mass, rate: float, seconds: float) -> tuple[int, float]:
    """Sends at `rate` flows a second; returns how many datagrams, and in how many seconds."""
    per_second = rate / mass.per_datagram
    total = int(per_second * seconds)
    begun = due_since = time.monotonic()
    told = begun - TEMPLATES
    sent, most = 0, max(int(per_second * MOST_BEHIND), 1)
    while sent < total:
        now, wall = time.monotonic(), time.time_ns() // 1_000_000
        if now - told >= TEMPLATES and (template := mass.templates(wall, sent)):
            told = now
            peer.send(template)
        due = min(int((now - due_since) * per_second), total)
        if due - sent > most:
            due_since += (due - sent - most) / per_second
            due = sent + most
        for datagram in mass.take(sent, due - sent, wall):
            peer.send(datagram)
        sent = due
        time.sleep(TICK)
    return sent, time.monotonic() - begun


main()
