"""What an SD card has to bear: bytes written at the block device, an event."""

import os
import socket
import time

from bench import events
from bench.disk import own_disk
from bench.figures import show
from bench.running import daemon

RATE = 20  # events a second
SECONDS = 180.0
IDLE = 60.0


def wear() -> None:
    """20 flows a second for three minutes with the default settings, then a minute of nothing."""
    if os.geteuid() != 0:
        show("bytes written an event", "needs root, for a disk of its own")
        return
    with own_disk() as disk, daemon(state=disk.mount) as running:
        running.write(b"".join(map(events.device, range(20))))
        time.sleep(6)
        before = disk.written()
        sent = _steadily(running.writer())
        time.sleep(6)
        written = disk.written() - before
        show(f"bytes written an event, at {RATE} a second", f"{written / sent:,.0f} B")
        show("  a day", f"{written / SECONDS * 86400 / 1e9:.2f} GB")
        before = disk.written()
        time.sleep(IDLE)
        show("bytes written in an idle minute", f"{disk.written() - before:,} B")


def _steadily(writer: socket.socket) -> int:
    begun, sent = time.perf_counter(), 0
    while time.perf_counter() - begun < SECONDS:
        writer.sendall(events.flow(sent))
        sent += 1
        time.sleep(max(begun + sent / RATE - time.perf_counter(), 0))
    writer.close()
    return sent
