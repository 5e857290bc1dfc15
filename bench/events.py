"""Events as other programs would write them, without end."""

import json
import time


def device(number: int) -> bytes:
    """A device by its number, as a JSON line."""
    mac = f"dc:a6:32:{number >> 16 & 255:02x}:{number >> 8 & 255:02x}:{number & 255:02x}"
    ip = f"192.168.{70 + number // 250}.{number % 250 + 2}"
    return _line({"type": "device", "mac": mac, "ip": ip, "hostname": f"host-{number}"})


def flow(number: int) -> bytes:
    """A flow of one of 200 hosts to one of 25,000 addresses; `src_port` tells its number, modulo 60,000."""
    now = int(time.time() * 1000)
    fields = {
        "type": "flow",
        "start": now - 1000,
        "end": now,
        "src_ip": f"192.168.70.{number % 200 + 2}",
        "src_port": 1024 + number % 60_000,
        "dst_ip": f"198.51.{number // 250 % 100}.{number % 250 + 1}",
        "dst_port": 443,
        "protocol": "tcp",
        "packets_out": 5,
        "bytes_out": 700 + number % 1000,
        "packets_in": 7,
        "bytes_in": 9000 + number % 5000,
    }
    return _line(fields)


def _line(fields: dict[str, object]) -> bytes:
    return json.dumps(fields).encode() + b"\n"
