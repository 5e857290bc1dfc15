"""One writer of JSON lines as a process of its own: numbered flows, devices and threats, with bad lines between them.

Its flows say who it is (`packets_in`) and are numbered (`packets_out`), so that each can be found again. It ends when
its input does, and then prints what it has sent.
"""

import json
import select
import socket
import sys
import time
from typing import Any

DEVICES, TARGETS = 40, 10  # of each producer
BLOCK = 250  # flows that are sent in one go, with a device, a threat and at times a bad line
BYTES_OUT, BYTES_IN = 100, 1000  # of every flow
BAD = (b"nonsense\n", b'{"type":"flow","src_ip":"nowhere"}\n', b'{"type":"device"}\n', b"\xff\xfe{\n")
REMEMBERED = 30.0  # seconds for which it is known what was sent when


def mac_of(producer: int, device: int) -> str:
    """The MAC of a producer's device."""
    return f"a4:83:e7:{producer:02x}:00:{device:02x}"


def ip_of(producer: int, device: int) -> str:
    """The address of a producer's device."""
    return f"10.{producer}.0.{device + 2}"


class Producer:
    """What one writer has sent so far."""

    def __init__(self, path: str, number: int, rate: float, later_rate: float, full_seconds: float) -> None:
        self.path, self.number = path, number
        self.rate, self.later_rate, self.full_seconds = rate, later_rate, full_seconds
        self.flows = self.devices = self.threats = self.bad = self.blocks = 0
        self.answers: list[int] = []  # lines that were called bad
        self.expected: list[int] = []
        self.hostnames = [""] * DEVICES
        self.breaks: list[dict[str, Any]] = []
        self._sent: list[tuple[float, int]] = []
        self._rest = b""
        self._line = 0
        self._known = 0  # answers and expected before this connection

    def run(self) -> None:
        """Writes until our input ends."""
        begun = last = time.monotonic()
        peer = self._connect()
        while not select.select([sys.stdin], [], [], 0)[0]:
            now = time.monotonic()
            rate = self.rate if now - begun < self.full_seconds else self.later_rate
            if rate:
                last = max(last, now - 1) + BLOCK / rate
                time.sleep(max(last - now, 0))
            block = self._block()
            try:
                peer.sendall(block)
                self._read(peer, wait=False)
            except (BrokenPipeError, ConnectionResetError):
                self._broke()
                peer.close()
                peer = self._connect()
            if not self._sent or now - self._sent[-1][0] > 0.1:
                self._sent = [*(pair for pair in self._sent[-300:] if now - pair[0] < REMEMBERED), (now, self.flows)]
        peer.shutdown(socket.SHUT_WR)
        self._read(peer, wait=True)  # its end says that the daemon has taken every line

    def _connect(self) -> socket.socket:
        while True:
            peer = socket.socket(socket.AF_UNIX)
            try:
                peer.connect(self.path)
            except OSError:  # it is just being started
                peer.close()
                time.sleep(0.02)
                continue
            self._rest, self._line = b"", 0
            # What a daemon that was killed never answered is not expected any more.
            self._known = len(self.answers)
            self.expected = self.expected[: self._known]
            return peer

    def _broke(self) -> None:
        self.breaks.append({"at": time.monotonic(), "end": self.flows, "sent": self._sent})

    def _block(self) -> bytes:
        p, n = self.number, self.blocks
        self.blocks += 1
        device, target = n % DEVICES, n % TARGETS
        self.hostnames[device] = hostname = f"host-{p}-{n}"
        lines = [
            b'{"type":"device","mac":"%s","ip":"%s","hostname":"%s"}\n'
            % (mac_of(p, device).encode(), ip_of(p, device).encode(), hostname.encode())
        ]
        now = int(time.time() * 1000)
        for flow in range(self.flows, self.flows + BLOCK):
            lines.append(
                b'{"type":"flow","start":%d,"end":%d,"src_ip":"10.%d.0.%d","src_port":%d,"dst_ip":"198.51.100.%d",'
                b'"dst_port":443,"protocol":"tcp","packets_out":%d,"bytes_out":%d,"packets_in":%d,"bytes_in":%d}\n'
                % (now - 1000 - flow % 9_000_000, now, p, flow % DEVICES + 2, flow % 60000, flow % 250, flow,
                   BYTES_OUT, p, BYTES_IN)
            )  # fmt: skip
        lines.append(
            b'{"type":"threat","kind":"soak","description":"one of many","device":"%s","target":"t%d-%d"}\n'
            % (mac_of(p, 0).encode(), p, target)
        )
        self.flows, self.devices, self.threats = self.flows + BLOCK, self.devices + 1, self.threats + 1
        if n % 4 == 3:
            lines.insert(n % BLOCK, BAD[n // 4 % len(BAD)])
            self.bad += 1
            self.expected.append(self._line + n % BLOCK + 1)
        self._line += len(lines)
        return b"".join(lines)

    def _read(self, peer: socket.socket, wait: bool) -> None:
        while wait or select.select([peer], [], [], 0)[0]:
            data = peer.recv(65536)
            if not data:
                if not wait:
                    raise ConnectionResetError
                return
            *lines, self._rest = (self._rest + data).split(b"\n")
            self.answers += [json.loads(line)["line"] for line in lines]

    def summary(self) -> dict[str, Any]:
        """What was sent, for the ledger."""
        return {
            "flows": self.flows, "devices": self.devices, "threats": self.threats, "bad": self.bad,
            "answered": self.answers == self.expected, "hostnames": self.hostnames, "breaks": self.breaks,
        }  # fmt: skip


if __name__ == "__main__":
    producer = Producer(sys.argv[1], int(sys.argv[2]), *map(float, sys.argv[3:6]))
    producer.run()
    print(json.dumps(producer.summary()))
