"""`python sender.py RATE SECONDS`: sends packets on eth0 from memory, and prints [how many, in how many seconds].

They lie ready in a ring of the kernel (PACKET_TX_RING), so that a batch of them is one system call. As in a home, most
carry data both ways; two in a hundred are DNS queries and SYNs, which the filter `control` lets pass.
"""

import array
import mmap
import random
import socket
import struct
import sys
import time

FRAMES = 1024
_FRAME, _BLOCK = 2048, 65536
_SOL_PACKET, _TX_RING, _VERSION, _TPACKET_V2 = 263, 13, 10, 1
_HEADER = 32  # struct tpacket2_hdr, where the frame begins in a ring for sending
_SEND_REQUEST = 1  # TP_STATUS_SEND_REQUEST


def frames() -> list[bytes]:
    """The packets of 300 conversations between 20 devices and the world."""
    choose = random.Random(7)  # noqa: S311  # the same packets each time
    made = []
    for number in range(FRAMES):
        inside = bytes([192, 168, 77, 2 + number % 20])
        outside = bytes([203, 0, 113, 1 + number % 15])
        port, kind = 40000 + number % 300, choose.random()
        if kind < 0.01:
            segment = struct.pack(">HHHH", port, 53, 48, 0) + bytes(40)
        elif kind < 0.1:
            segment = struct.pack(">HHHH", port, 443, 1208, 0) + bytes(1200)
        else:
            flags = 2 if kind > 0.99 else 16
            size = 0 if flags == 2 or number % 2 else 1400
            ports = (port, 443) if number % 2 or flags == 2 else (443, port)
            segment = struct.pack(">HHIIBBHHH", *ports, 1, 1, 0x50, flags, 8192, 0, 0) + bytes(size)
            if ports[0] == 443:
                inside, outside = outside, inside
        protocol = 17 if kind < 0.1 else 6
        head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(segment), 0, 0, 64, protocol, 0) + inside + outside
        made.append(b"\x02\0\0\0\0\x01\x02\0\0\0\0\x02\x08\0" + head + segment)
    return made


def main(rate: float, seconds: float) -> tuple[int, float]:
    """Sends at the rate for so long; falls behind where the machine does not manage more."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as sender:
        sender.setsockopt(_SOL_PACKET, _VERSION, _TPACKET_V2)
        blocks = FRAMES * _FRAME // _BLOCK
        sender.setsockopt(_SOL_PACKET, _TX_RING, struct.pack("=4I", _BLOCK, blocks, _FRAME, FRAMES))
        sender.bind(("eth0", 0))
        with mmap.mmap(sender.fileno(), blocks * _BLOCK) as ring:
            for number, frame in enumerate(frames()):
                # struct tpacket2_hdr { __u32 tp_status, tp_len, tp_snaplen; ... }
                struct.pack_into("=III", ring, number * _FRAME, 0, len(frame), len(frame))
                ring[number * _FRAME + _HEADER : number * _FRAME + _HEADER + len(frame)] = frame
            return _send(sender, ring, rate, seconds)


def _send(sender: socket.socket, ring: mmap.mmap, rate: float, seconds: float) -> tuple[int, float]:
    batch = 128
    words = memoryview(ring).cast("I")
    step = _FRAME // 4
    go = memoryview(array.array("I", [_SEND_REQUEST] * batch))
    sent, begun = 0, time.perf_counter()
    try:
        while (now := time.perf_counter()) - begun < seconds:
            ahead = sent / rate - (now - begun)
            if ahead > 0:
                time.sleep(ahead)
            at = sent % FRAMES * step
            words[at : at + batch * step : step] = go
            sender.send(b"")
            sent += batch
        return sent, time.perf_counter() - begun
    finally:
        words.release()


if __name__ == "__main__":
    import json

    print(json.dumps(main(float(sys.argv[1]), float(sys.argv[2]))))
