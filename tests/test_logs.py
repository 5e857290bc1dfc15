"""The sources zeek and eve in a real daemon: every line's flow is stored once, whatever happens to either."""

import json
import random
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from running import NOBODY, Daemon, nobody_can_run_it, rows
from waiting import eventually

HEADER = (
    "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\tconn\n#fields\tts\tuid"
    "\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\tduration\tconn_state\torig_pkts\torig_ip_bytes\tresp_pkts\tresp_ip_bytes\n"
)
FAST = "[storage]\ncommit_interval = 100 ms\nbusy_timeout = 50 ms\n"


def conn(number: int) -> str:
    """A line of conn.log, told apart by its ports; its flow brings 1000 bytes in."""
    return (
        f"{1795000000 + number}.5\tC{number}\t192.168.1.5\t{number % 60000}\t198.51.100.7\t{number // 60000 + 1}\ttcp"
        f"\t1.0\tSF\t1\t100\t2\t1000\n"
    )


def eve_half(number: int, to_server: bool = True) -> str:
    """One of the two netflow events of a flow."""
    ends = ("192.168.1.5", number % 60000, "198.51.100.7", number // 60000 + 1)
    src, src_port, dst, dst_port = ends if to_server else (*ends[2:], *ends[:2])
    at = f"2026-11-18T{number // 3600 % 24:02d}:{number // 60 % 60:02d}:{number % 60:02d}.5+0000"
    packets, size = (1, 114) if to_server else (2, 1028)
    return json.dumps({
        "timestamp": at, "flow_id": number + 10**15, "event_type": "netflow", "src_ip": src, "src_port": src_port,
        "dest_ip": dst, "dest_port": dst_port, "proto": "TCP",
        "netflow": {"pkts": packets, "bytes": size, "start": at, "end": at, "age": 0},
    }) + "\n"  # fmt: skip


def eve_flow(number: int) -> str:
    return eve_half(number) + eve_half(number, to_server=False)


class Log:
    """A log that is written by us, and the daemon that follows it."""

    def __init__(self, directory: Path, line: Callable[[int], str], header: str = "") -> None:
        self.directory = directory / "logs"
        self.directory.mkdir()
        self.path = self.directory / ("conn.log" if header else "eve.json")
        self.header = header
        self.line = line
        self.written = 0
        kind = f"zeek]\ndirectory = {self.directory}" if header else f"eve]\nfile = {self.path}"
        self.daemon = Daemon(directory, f"{FAST}[source:{kind}\nenabled = yes\n")

    def write(self, count: int) -> None:
        """So many lines more, in pieces that cut them anywhere."""
        text = "" if self.path.exists() else self.header
        text += "".join(self.line(number) for number in range(self.written, self.written + count))
        half = len(text) // 2
        with self.path.open("a", buffering=1) as file:
            file.write(text[:half])
            file.flush()
            file.write(text[half:])
        self.written += count

    def rotate(self) -> None:
        self.path.rename(self.directory / f"{self.path.stem}.{self.written:06d}{self.path.suffix}")

    def stored(self) -> list[int]:
        """The numbers of the flows that are stored."""
        return sorted(row[0] + (row[1] - 1) * 60000 for row in self._rows())

    def _rows(self) -> list[tuple[Any, ...]]:
        query = "SELECT src_port, dst_port FROM flows_readable"
        return [row for path in sorted(self.daemon.state.glob("flows-*.db")) for row in rows(path, query)]

    def is_whole(self) -> bool:
        """Whether each line's flow is there, once."""
        stored = self.stored()
        assert len(stored) <= self.written, "some are there twice"
        return stored == list(range(self.written))

    def bytes_in(self) -> int:
        """What the totals of the device say."""
        (total,) = (each["bytes_in"] for each in self.daemon.json("devices") if each["ip"] == "192.168.1.5")
        return int(total)


# One of them at once, the other one with what takes long: both are the same but for their lines.
EVE = pytest.mark.parametrize("log", ["eve", pytest.param("zeek", marks=pytest.mark.slow)], indirect=True)
ZEEK = pytest.mark.parametrize("log", ["zeek", pytest.param("eve", marks=pytest.mark.slow)], indirect=True)


@pytest.fixture(params=["zeek", "eve"])
def log(request: pytest.FixtureRequest, short: Path) -> Iterator[Log]:
    log = Log(short, conn, HEADER) if request.param == "zeek" else Log(short, eve_flow)
    yield log
    log.daemon.__exit__()


@EVE
def test_a_log_is_waited_for_followed_and_gone_on_with_after_a_restart(log: Log) -> None:
    log.daemon.start()
    assert f"waiting for {log.path}" in log.daemon.log
    log.write(100)
    eventually(log.is_whole)
    log.rotate()
    log.write(50)
    eventually(log.is_whole)
    assert log.daemon.stop() == 0
    log.write(20)
    log.rotate()
    log.write(30)
    log.daemon.start()
    eventually(log.is_whole)
    assert log.daemon.stop() == 0
    assert log.bytes_in() == 1000 * 200
    flow = log.daemon.json("flows", "--limit", "1")[0]
    assert (flow["source"], flow["bytes_out"], flow["bytes_in"]) == (log.daemon.json("flows")[0]["source"], 100, 1000)
    assert "Traceback" not in log.daemon.log


@ZEEK
def test_what_cannot_be_understood_or_is_no_flow_is_counted(log: Log) -> None:
    log.write(3)
    other = '{"event_type": "http"}' if log.path.suffix == ".json" else '{"_path": "dns", "ts": 1.0}'
    with log.path.open("a") as file:
        file.write(f"{other}\n{other}\nthis is no line\n")
    log.write(3)
    log.daemon.start()
    eventually(log.is_whole)
    counters = eventually(lambda: (found := log.daemon.status()["counters"]).get("skipped") and found)
    source = "eve" if log.path.suffix == ".json" else "zeek"
    assert counters["skipped"] == {source: {"http" if source == "eve" else "dns": 2}}
    assert counters["malformed"] == {source: 1}
    assert f"a line of {log.path} cannot be understood" in log.daemon.log


def test_what_another_program_has_recognised_is_a_threat(log: Log) -> None:
    log.write(3)
    is_eve = log.path.suffix == ".json"
    alert = {
        "timestamp": "2026-11-23T10:00:00.000000+0000", "event_type": "alert", "src_ip": "192.168.1.5", "src_port": 1,
        "dest_ip": "198.51.100.7", "dest_port": 443, "proto": "TCP",
        "alert": {"signature_id": 9, "signature": "LOCAL odd", "category": "Misc Attack", "severity": 2},
    }  # fmt: skip
    note = {"ts": 1795428000.5, "note": "Local::Odd", "msg": "it is odd", "src": "192.168.1.5"}
    with (log.path if is_eve else log.directory / "notice.log").open("a") as file:
        file.write(json.dumps(alert if is_eve else note) + "\n")
    log.daemon.start()
    eventually(lambda: len(log.daemon.json("threats")) > 0)
    (threat,) = (each for each in log.daemon.json("threats") if each["kind"] == "ids_alert")
    assert (threat["device"], threat["target"], threat["severity"]) == (
        "192.168.1.5", "LOCAL odd" if is_eve else "Local::Odd", "medium" if is_eve else "low",
    )  # fmt: skip
    assert log.daemon.stop() == 0


def kill_at_random(log: Log, kills: int, chance: random.Random) -> None:
    """Writes and rotates while the daemon is killed again and again; everything must be there once at the end."""
    log.write(1)
    with log.daemon:  # what was rotated before the log was ever looked at is nobody's
        eventually(log.is_whole)
    ending = threading.Event()

    def write() -> None:
        while not ending.wait(0.005):
            log.write(chance.randint(1, 60))
            if chance.random() < 0.02:
                log.rotate()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(kills):
            log.daemon.start()
            threading.Event().wait(chance.random() * 1.2)
            log.daemon.kill()
            stored = log.stored()
            assert len(stored) == len(set(stored)), "some are there twice"
    finally:
        ending.set()
        writer.join()
    if log.path.exists():  # the last ones are found, too, where nothing is begun after them
        log.rotate()
    log.daemon.start()
    eventually(log.is_whole)
    assert log.daemon.stop() == 0
    assert log.bytes_in() == 1000 * log.written
    assert "Traceback" not in log.daemon.log
    print(f"{log.written} lines, {kills} kills")


@ZEEK
def test_kill_9_stores_every_line_once(log: Log) -> None:
    kill_at_random(log, 1, random.Random(1))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_kill_9_at_many_moments_stores_every_line_once(log: Log, seed: int) -> None:
    kill_at_random(log, 25, random.Random(seed))


@EVE
@pytest.mark.skipif(not nobody_can_run_it(), reason="we cannot become another user, or it could not run this")
def test_a_log_that_may_not_be_read_says_which_group_may(log: Log) -> None:
    for each in (log.directory.parent, log.directory):
        each.chmod(0o777)
    log.write(1)
    log.path.chmod(0o640)
    shutil.chown(log.path, group="adm")
    log.daemon.inside = NOBODY
    log.daemon.start()
    eventually(lambda: "permission denied" in log.daemon.log)
    assert f"cannot read {log.path}: permission denied ({log.path} can be read by the group adm" in log.daemon.log
    log.path.chmod(0o600)
    state = next(
        each for each in log.daemon.status()["sources"] if each["name"] in ("zeek", "eve") and each["state"] != "off"
    )
    assert state["state"] == "failed"
    log.path.chmod(0o644)
    eventually(log.is_whole)
