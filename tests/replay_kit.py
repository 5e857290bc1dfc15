"""Replays run in a directory of their own, and small captures and logs for them."""

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import packet_kit as kit

from netwatchd.broadcast.messages import device_json, flow_json
from netwatchd.storage import queries, search

NOON = 1_782_043_200_000_000  # 2026-06-21 12:00 UTC, in microseconds
DAY = 86_400_000_000
SECOND = 1_000_000
ZEEK = """\
#separator \\x09
#path\tconn
#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\tduration\torig_pkts\torig_ip_bytes\tresp_pkts\tresp_ip_bytes
"""


class Run:
    """Runs the verb in a directory of its own."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.into = place / "state"
        self.environment = {**os.environ, "NETWATCHD_CONFIG": str(place / "config.ini"), "TZ": "UTC", "COLUMNS": "200"}
        (place / "config.ini").write_text("")

    def command(self, *arguments: str | Path) -> list[str]:
        return [sys.executable, "-m", "netwatchd", *map(str, arguments)]

    def __call__(self, *arguments: str | Path, **options: Any) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            self.command(*arguments), cwd=self.place, env=self.environment, capture_output=True, text=True, timeout=60,
            check=False, **options,
        )  # fmt: skip

    def replay(self, *arguments: str | Path, code: int = 0) -> list[dict[str, Any]]:
        """The reports of a replay into `self.into`."""
        answer = self("replay", "--json", "--into", self.into, *arguments)
        assert answer.returncode == code, answer.stderr
        return [json.loads(line) for line in answer.stdout.splitlines()]

    def file(self, name: str, content: bytes) -> Path:
        path = self.place / name
        path.write_bytes(content)
        return path

    def flows(self) -> list[dict[str, Any]]:
        """The flows in the directory, the newest first."""
        return [flow_json(flow) for flow in list(search.Search(self.into))]

    def devices(self) -> list[dict[str, Any]]:
        return [device_json(device) for device in queries.read_core(self.into).devices]

    def days(self) -> dict[str, int]:
        """How many flows lie in each day's file."""
        found = {}
        for path in sorted(self.into.glob("flows-*.db")):
            with closing(sqlite3.connect(path)) as db:
                found[path.name[6:14]] = db.execute("SELECT count(*) FROM flows").fetchone()[0]
        return found


def lookup(port: int = 40000) -> list[bytes]:
    """A question to a name server and its answer, as IP packets of 48 and 128 bytes."""
    return [
        kit.ip4(kit.udp(port, 53, b"x" * 20)),
        kit.ip4(kit.udp(53, port, b"x" * 100), kit.C, kit.A),
    ]


def capture(*times: int, port: int = 40000, **options: Any) -> bytes:
    """A capture of a lookup at each of the times (us)."""
    frames = []
    for time in times:
        asked, answered = lookup(port)
        frames += [(time, kit.ethernet(asked)), (time + 1000, kit.ethernet(answered, kit.MAC_B, kit.MAC_A))]
    return kit.pcap(frames, **options)


def zeek(*times: int) -> bytes:
    """A conn.log with a connection at each of the times (us)."""
    line = "{}\tC1\t192.168.1.5\t40000\t93.184.216.34\t443\ttcp\t1.5\t10\t1000\t20\t20000\n"
    return (ZEEK + "".join(line.format(time / SECOND) for time in times)).encode()
