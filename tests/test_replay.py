"""`netwatchd replay`: files of the past, through the same pipeline, with the time of their packets."""

import gzip
import json
import os
import pty
import signal
import sqlite3
import struct
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from fcntl import ioctl
from pathlib import Path
from termios import FIONREAD
from typing import Any

import packet_kit as kit
import pytest
from conftest import needs_root
from running import Daemon, small_disk
from waiting import eventually

from netwatchd.broadcast.messages import device_json, flow_json
from netwatchd.pidfile import AlreadyRunning, using
from netwatchd.storage import queries

ROOT = Path(__file__).parent.parent
DATA = ROOT.parent / "shared/data"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"needs the recordings in {DATA}")

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
        return [flow_json(flow) for flow in queries.flows(self.into, limit=None)]

    def devices(self) -> list[dict[str, Any]]:
        return [device_json(device) for device in queries.read_core(self.into).devices]

    def days(self) -> dict[str, int]:
        """How many flows lie in each day's file."""
        found = {}
        for path in sorted(self.into.glob("flows-*.db")):
            with closing(sqlite3.connect(path)) as db:
                found[path.name[6:14]] = db.execute("SELECT count(*) FROM flows").fetchone()[0]
        return found


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


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


# What a report says.


def test_a_capture_becomes_flows_and_devices_with_the_time_of_its_packets(run: Run) -> None:
    (report,) = run.replay(run.file("a.pcap", capture(NOON, NOON + 600 * SECOND, port=41000)))
    seconds = report.pop("seconds")
    assert seconds >= 0
    assert report == {
        "file": str(run.place / "a.pcap"), "packets": 4, "flows": 2, "devices": 1, "threats": [], "skipped": {},
        "format": "pcap", "records": None, "start": NOON // 1000, "end": NOON // 1000 + 600_001, "partial": False,
        "error": None, "directory": str(run.into),
    }  # fmt: skip
    first = run.flows()[1]
    assert {key: first[key] for key in ("start", "end", "src_ip", "dst_port", "bytes_out", "bytes_in", "device")} == {
        "start": NOON // 1000, "end": NOON // 1000 + 1, "src_ip": "192.168.1.5", "dst_port": 53, "bytes_out": 48,
        "bytes_in": 128, "device": "a4:83:e7:00:00:01",
    }  # fmt: skip
    (device,) = run.devices()
    assert (device["mac"], device["first_seen"], device["bytes_out"]) == ("a4:83:e7:00:00:01", NOON // 1000, 96)
    assert device["status"] == "offline", "it was there then, and nobody knows of now"
    assert device["last_seen"] == NOON // 1000 + 600_001


def test_link_types_are_told_by_the_capture_and_files_go_on_one_after_the_other(run: Run) -> None:
    asked, answered = lookup()
    frames = {
        "ethernet": (1, [kit.ethernet(asked), kit.ethernet(answered, kit.MAC_B)]),
        "vlan": (1, [kit.ethernet(asked, tags=(0x8100,)), kit.ethernet(answered, kit.MAC_B, tags=(0x8100,))]),
        "qinq": (1, [kit.ethernet(asked, tags=(0x88A8, 0x8100)), kit.ethernet(answered, kit.MAC_B)]),
        "raw": (101, [asked, answered]),
        "loopback": (0, [struct.pack("<I", 2) + asked, struct.pack("<I", 2) + answered]),
        "cooked": (113, [struct.pack("!HHH8sH", 0, 1, 6, kit.MAC_A, 0x0800) + asked]),
    }
    files = [
        run.file(name, kit.pcap([(NOON + at, frame) for at, frame in enumerate(packets)], link))
        for name, (link, packets) in frames.items()
    ]
    pcapng = kit.section() + kit.interface(101) + b"".join(kit.enhanced(NOON + at, p) for at, p in enumerate(lookup()))
    reports = run.replay(*files, run.file("ng", pcapng))
    assert [report["packets"] for report in reports] == [2, 2, 2, 2, 2, 1, 2]
    assert {report["flows"] for report in reports} == {1}
    assert {report["devices"] for report in reports} == {1}
    assert [report["format"] for report in reports] == ["pcap"] * 6 + ["pcapng"]
    assert run.days() == {"20260621": 7}


def test_packed_files_are_unpacked_and_logs_are_told_by_their_content(run: Run) -> None:
    eve = {
        "timestamp": "2026-06-21T12:00:00.000000+0000", "event_type": "flow", "src_ip": "192.168.1.5", "src_port": 4,
        "dest_ip": "93.184.216.34", "dest_port": 443, "proto": "TCP",
        "flow": {"pkts_toserver": 2, "bytes_toserver": 128, "pkts_toclient": 1, "bytes_toclient": 74,
                 "start": "2026-06-21T11:59:00.000000+0000", "end": "2026-06-21T12:00:00.000000+0000"},
    }  # fmt: skip
    nfdump = (
        "ts,te,td,sa,da,sp,dp,pr,ipkt,ibyt\n"
        "2026-06-21 12:00:00,2026-06-21 12:00:01,1.0,10.0.0.1,8.8.8.8,5,53,UDP,1,60\n"
    )
    reports = run.replay(
        run.file("a.pcap.gz", gzip.compress(capture(NOON))),
        run.file("conn.log", zeek(NOON, NOON + SECOND)),
        run.file("conn.log.gz", gzip.compress(zeek(NOON))),
        run.file("eve", json.dumps(eve).encode() + b"\nnonsense\n"),
        run.file("nfdump", nfdump.encode()),
    )
    assert [report["format"] for report in reports] == ["pcap", "zeek", "zeek", "eve", "nfdump"]
    assert [report["packets"] for report in reports] == [2, None, None, None, None]
    assert [report["records"] for report in reports] == [None, 2, 1, 1, 1]
    assert [report["flows"] for report in reports] == [1, 2, 1, 1, 1]
    assert [report["devices"] for report in reports] == [1] * 5
    assert [report["skipped"] for report in reports] == [{}, {}, {}, {"it is no JSON": 1}, {}]
    assert reports[1]["start"] == NOON // 1000
    assert reports[1]["end"] == NOON // 1000 + 2500
    assert len(run.flows()) == 6


def test_people_get_a_block_a_file_and_are_told_where_to_look(run: Run) -> None:
    run.file("a.pcap", capture(NOON, NOON + DAY)[:-5])
    answer = run("replay", "a.pcap", "a.pcap")
    assert answer.returncode == 0
    (directory,) = run.place.glob("netwatchd-replay-2*")
    assert answer.stdout.count("  packets  3 in ") == 2
    assert "  time     2026-06-21 12:00:00 to 2026-06-22 12:00:00 (1 d 0 h)" in answer.stdout
    assert "  flows    2\n  devices  1\n  threats  none\n  skipped  1 truncated\n" in answer.stdout
    assert "together\n  flows    4\n  devices  1\n  threats  none\n" in answer.stdout
    assert f"netwatchd flows --state {directory.name}" in answer.stdout
    assert answer.stderr == ""
    assert "93.184.216.34" in run("flows", "--state", directory.name).stdout
    assert run("top", "--since", "0", "--state", directory.name).stdout.count("a4:83:e7:00:00:01") == 1


def test_a_terminal_sees_how_far_it_is_and_a_pipe_does_not(run: Run) -> None:
    run.file("a.pcap", capture(NOON))
    ours, theirs = pty.openpty()
    command = run.command("replay", "a.pcap", "--into", run.into)
    options = {"cwd": run.place, "env": run.environment, "stdout": subprocess.PIPE, "stderr": theirs}
    done = subprocess.run(command, check=True, **options)
    os.close(theirs)
    with os.fdopen(ours, "rb") as terminal:
        assert b"a.pcap" in os.read(terminal.fileno(), 65536)
    assert b"\x1b" not in done.stdout
    assert b"  packets  2 in" in done.stdout


# Time.


def test_flows_lie_in_the_files_of_their_days_also_where_time_goes_back(run: Run) -> None:
    late, early = run.file("late", capture(NOON, NOON + DAY)), run.file("early", capture(NOON - 3 * DAY, port=42000))
    reports = run.replay(late, early, late)
    assert [report["flows"] for report in reports] == [2, 1, 2]
    assert run.days() == {"20260618": 1, "20260621": 2, "20260622": 2}
    flows = run.flows()
    assert len({flow["id"] for flow in flows}) == 5
    assert all(0 <= (flow["id"] >> 12) - flow["start"] <= 60_000 for flow in flows)
    (device,) = run.devices()
    assert (device["first_seen"], device["last_seen"]) == ((NOON - 3 * DAY) // 1000, (NOON + DAY) // 1000 + 1)
    assert (device["bytes_out"], device["bytes_in"]) == (5 * 48, 5 * 128)


def test_the_same_file_twice_gives_the_same_twice(run: Run) -> None:
    path = run.file("a.pcap", capture(*(NOON + at * SECOND for at in range(50))))
    reports = run.replay(path, path)
    for report in reports:
        del report["seconds"]
    assert reports[0] == reports[1]
    (again,) = run.replay(path)
    assert again["flows"] == reports[0]["flows"]
    assert run.days() == {"20260621": 3 * reports[0]["flows"]}


def test_a_directory_is_gone_on_with_also_where_a_daemon_has_left_it(run: Run, daemon: Callable[..., Daemon]) -> None:
    with daemon() as live:
        live.emit({"type": "device", "mac": "a4:83:e7:00:00:01", "ip": "192.168.1.5", "hostname": "tv"})
        eventually(lambda: live.core("SELECT * FROM devices"))
        assert live.stop() == 0
    run.into = live.state
    run.replay(run.file("a.pcap", capture(NOON)))
    (device,) = run.devices()
    assert (device["hostname"], device["bytes_out"]) == ("tv", 48)
    with live:
        assert live.json("devices")[0]["bytes_out"] == 48


# What a netwatchd of schema 1 has left: a flow and its device, whose MAC stood as a number in the row.
SCHEMA_1 = {
    "core.db": """
        CREATE TABLE devices (device TEXT PRIMARY KEY, mac TEXT, ip TEXT, ips TEXT NOT NULL, hostname TEXT, vendor TEXT,
            name TEXT, first_seen INTEGER NOT NULL, last_seen INTEGER NOT NULL, status TEXT NOT NULL,
            random_mac INTEGER NOT NULL, bytes_in INTEGER NOT NULL, bytes_out INTEGER NOT NULL, sources TEXT NOT NULL
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE threats (id INTEGER PRIMARY KEY, kind TEXT NOT NULL, severity TEXT NOT NULL, device TEXT,
            target TEXT, description TEXT NOT NULL, recommendation TEXT, evidence TEXT NOT NULL,
            first_seen INTEGER NOT NULL, last_seen INTEGER NOT NULL, count INTEGER NOT NULL, status TEXT NOT NULL
        ) STRICT;
        CREATE UNIQUE INDEX threat_identity ON threats (kind, coalesce(device, ''), coalesce(target, ''));
        CREATE TABLE rollups (bucket INTEGER NOT NULL, device TEXT NOT NULL, bytes_in INTEGER NOT NULL,
            bytes_out INTEGER NOT NULL, flows INTEGER NOT NULL, PRIMARY KEY (bucket, device)) STRICT, WITHOUT ROWID;
        CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
        INSERT INTO devices VALUES ('a4:83:e7:00:00:01', 'a4:83:e7:00:00:01', '192.168.1.5', '["192.168.1.5"]', 'tv',
            NULL, NULL, 1782043000000, 1782043000000, 'offline', 0, 20, 10, '["json"]');
        INSERT INTO meta VALUES ('settled', '7299248128000000');
    """,
    "flows-20260621.db": """
        CREATE TABLE flows (id INTEGER PRIMARY KEY, start INTEGER NOT NULL, "end" INTEGER NOT NULL,
            src_ip ANY NOT NULL, src_port INTEGER NOT NULL, dst_ip ANY NOT NULL, dst_port INTEGER NOT NULL,
            protocol INTEGER NOT NULL, packets_out INTEGER NOT NULL, bytes_out INTEGER NOT NULL,
            packets_in INTEGER NOT NULL, bytes_in INTEGER NOT NULL, state INTEGER NOT NULL, source INTEGER NOT NULL,
            device ANY) STRICT;
        CREATE TABLE names (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
        INSERT INTO names VALUES (1, 'closed'), (2, 'json');
        INSERT INTO flows VALUES (7299248128000000, 1782043000000, 1782043000001, 3232235781, 4, 1572395042, 443, 6,
            1, 10, 1, 20, 1, 2, 180886423207937);
    """,
}


def test_a_directory_of_an_older_schema_is_brought_to_todays_and_added_to(run: Run) -> None:
    run.into.mkdir()
    for name, statements in SCHEMA_1.items():
        with closing(sqlite3.connect(run.into / name)) as db, db:
            db.executescript(statements + "PRAGMA user_version = 1;")
    run.replay(run.file("a.pcap", capture(NOON)))
    flows = run.flows()
    assert [(flow["device"], flow["bytes_out"]) for flow in flows] == [
        ("a4:83:e7:00:00:01", 48),
        ("a4:83:e7:00:00:01", 10),
    ]
    (device,) = run.devices()
    assert (device["hostname"], device["bytes_out"], device["first_seen"]) == ("tv", 58, 1_782_043_000_000)
    assert len(list(run.into.glob("core.db.schema-1-*"))) == 1


# What goes wrong.


def test_what_is_damaged_is_said_and_the_rest_is_read(run: Run) -> None:
    whole = capture(NOON, NOON + SECOND)
    reports = run.replay(
        run.file("cut.pcap", whole[:-5]),
        run.file("arp.pcap", kit.pcap([(NOON, kit.arp()), (NOON, b"short")])),
        run.file("cut.gz", gzip.compress(os.urandom(0) + whole)[:-12]),
        run.file("header.pcap", kit.pcap([])),
    )
    assert [report["skipped"] for report in reports[:2]] == [{"truncated": 1}, {"arp": 1, "short": 1}]
    assert reports[2]["skipped"]["packed_end"] == 1
    assert [report["packets"] for report in reports] == [3, 2, reports[2]["packets"], 0]
    assert reports[1]["devices"] == 1
    assert [report["error"] for report in reports] == [None] * 4


def test_what_cannot_be_read_is_an_error_and_the_others_go_on(run: Run) -> None:
    bad = {
        str(run.place / "missing"): "No such file or directory",
        str(run.place): "Is a directory",
        str(run.file("empty", b"")): "it is empty",
        str(run.file("text", b"hello\n")): "it is no capture and no log of a known kind; --as says what it holds",
        str(run.file("short.pcap", capture(NOON)[:10])): "it is a pcap file that ends within its header",
        str(run.file("xz", b"\xfd7zXZ\0")): "it is packed by xz; unpack it first",
        str(run.file("noise.gz", b"\x1f\x8b\x08\0\0\0\0\0\0\3noise")): "it is damaged",
    }
    *errors, good = run.replay(*bad, run.file("a.pcap", capture(NOON)), code=1)
    assert {report["file"]: report["error"][: len(bad[report["file"]])] for report in errors} == bad
    assert {report["flows"] for report in errors} == {0}
    assert (good["flows"], good["error"]) == (1, None)
    answer = run("replay", "missing", ".")
    assert "missing\n  error    No such file or directory\n.\n  error    Is a directory\n" in answer.stdout
    assert answer.stdout.endswith("\nnothing was read, and nothing is stored\n")
    assert not list(run.place.glob("netwatchd-replay-*")), "nothing is left behind"


@pytest.mark.parametrize("kind", ["log", "capture"])
def test_ctrl_c_ends_it_cleanly_and_what_was_read_is_stored(run: Run, kind: str) -> None:
    content = zeek(*(NOON + at * SECOND for at in range(300))) if kind == "log" else capture(NOON, NOON + SECOND)
    reader, writer = os.pipe()
    command = run.command("replay", "-", "--json", "--into", run.into)
    with subprocess.Popen(command, env=run.environment, stdin=reader, stdout=subprocess.PIPE, text=True) as process:
        os.close(reader)
        os.write(writer, content)
        eventually(lambda: struct.unpack("i", ioctl(writer, FIONREAD, bytes(4)))[0] == 0)
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=60)
        os.close(writer)
    report = json.loads(output)
    assert process.returncode == 130
    assert report["partial"] is True
    assert report["flows"] == len(run.flows()) == (300 if kind == "log" else 1)


def test_a_directory_that_a_daemon_uses_is_refused_and_a_daemon_does_not_begin_in_ours(
    run: Run, daemon: Callable[..., Daemon]
) -> None:
    path = run.file("a.pcap", capture(NOON))
    with daemon() as live:
        answer = run("replay", path, "--into", live.state)
        assert answer.returncode == 1
        assert f"{live.state} is used by a daemon or a replay that is running" in answer.stderr
    with using(live.state, alone=True), pytest.raises(AlreadyRunning), using(live.state, alone=False):
        pass
    with using(live.state, alone=True):
        live.launch()
        assert live.wait() == 1
    assert "is used by a replay that is running" in live.log


@needs_root
def test_a_full_disk_ends_it_and_is_said(run: Run) -> None:
    packets = (kit.ethernet(kit.ip4(kit.udp(1 + at, 53))) for at in range(20_000))
    path = run.file("a.pcap", kit.pcap([]) + b"".join(kit.pcap([(NOON, packet)])[24:] for packet in packets))
    with small_disk(run.into):
        *others, last = run.replay(path, path, path, code=1)
        assert [report["error"] for report in others] == [None] * len(others)
        assert last["partial"] is True
        assert "cannot write to" in last["error"]
        assert len(run.flows()) < 60_000


def foreign(path: Path) -> None:
    """Another program's database."""
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("CREATE TABLE recipes (name)")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda into: (into.mkdir(), (into / "notes").touch()), "holds other things"),
        (lambda into: into.touch(), "is no directory"),
        (lambda into: (into.mkdir(), foreign(into / "core.db")), "cannot use the databases"),
    ],
)
def test_other_peoples_directories_are_left_alone(run: Run, make: Callable[[Path], Any], message: str) -> None:
    make(run.into)
    before = sorted(run.into.iterdir()) if run.into.is_dir() else []
    answer = run("replay", run.file("a.pcap", capture(NOON)), "--into", run.into)
    assert answer.returncode == 1
    assert message in answer.stderr
    assert before == (sorted(run.into.iterdir()) if run.into.is_dir() else [])


def test_a_mistake_in_the_configuration_is_said(run: Run) -> None:
    (run.place / "config.ini").write_text("[devices]\nnetworks = nowhere\n")
    answer = run("replay", "a.pcap")
    assert answer.returncode == 78
    assert "networks" in answer.stderr
    assert not list(run.place.glob("netwatchd-replay-*"))


# What others recorded, with what they say is in it.


@needs_data
def test_recorded_captures_hold_the_flows_that_others_found(run: Run) -> None:
    """As many flows and packets as nDPI tells of, but where it looks into tunnels or goes by other timeouts."""
    others = {"telnet", "6in4tunnel", "vxlan", "wireguard", "icmp-tunnel"}
    truths = {}
    for line in (DATA / "_truth/ndpi_flows.jsonl").read_text().splitlines():
        truth = json.loads(line)
        if truth["pcap"].startswith("ntop") and Path(truth["pcap"]).stem not in others:
            packets = sum(flow["a2b_pkts"] + flow["b2a_pkts"] for flow in truth["flow"])
            truths[str(DATA / truth["pcap"])] = (packets, truth["flows"])
    reports = run.replay(*truths)
    found = {
        report["file"]: (report["packets"] - sum(report["skipped"].values()), report["flows"]) for report in reports
    }
    assert len(found) == 19
    assert found == truths


@needs_data
def test_recorded_exports_are_read_out_of_captures_and_out_of_plain_files(run: Run) -> None:
    softflowd = [DATA / f"replayed/softflowd/ndpi_ssh.{version}.pcap" for version in ("v5", "v9", "v10")]
    plain = DATA / "logstash-plugins+logstash-codec-netflow/spec/codecs/netflow5.dat"
    sampled = DATA / "ntop+nDPI/tests/cfgs/default/pcap/sflow.pcap"
    reports = run.replay("--as", "netflow", *softflowd, plain, sampled)
    assert [(each["format"], each["packets"], each["records"], each["flows"]) for each in reports] == [
        ("netflow", 1, 4, 2), ("netflow", 1, 4, 2), ("netflow", 1, 4, 2), ("netflow", 12, 30, 15), ("netflow", 9, 1, 1),
    ]  # fmt: skip
    # What softflowd exported is what is in the capture that it was shown, halves joined.
    shown = DATA / "ntop+nDPI/tests/cfgs/default/pcap/ssh.pcap"
    exported = [flow for flow in run.flows() if flow["dst_ip"] == "172.16.238.168"]
    run.into = run.place / "shown"
    run.replay(shown)
    (flow,) = [flow for flow in run.flows() if flow["dst_ip"] == "172.16.238.168"]
    counters = ("src_ip", "src_port", "dst_port", "packets_out", "bytes_out", "packets_in", "bytes_in")
    assert len(exported) == 3
    assert {tuple(each[name] for name in counters) for each in exported} == {tuple(flow[name] for name in counters)}
