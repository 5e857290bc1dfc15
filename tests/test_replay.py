"""`netwatchd replay`: files of the past, through the same pipeline, with the time of their packets."""

import gzip
import json
import os
import pty
import sqlite3
import struct
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import packet_kit as kit
import pytest
from replay_kit import DAY, NOON, SECOND, Run, capture, lookup, zeek
from running import Daemon
from waiting import eventually

from netwatchd.storage import queries, top

ROOT = Path(__file__).parent.parent
DATA = ROOT.parent / "shared/data"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"needs the recordings in {DATA}")


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


# What a report says.


def test_a_capture_becomes_flows_and_devices_with_the_time_of_its_packets(run: Run) -> None:
    (report,) = run.replay(run.file("a.pcap", capture(NOON, NOON + 600 * SECOND, port=41000)))
    seconds = report.pop("seconds")
    assert seconds >= 0
    assert report == {
        "file": str(run.place / "a.pcap"), "packets": 4, "flows": 2, "devices": 1, "threats": [], "skipped": {},
        "format": "pcap", "records": None, "start": NOON // 1000, "end": NOON // 1000 + 600_001, "partial": False,
        "error": None, "hint": None, "directory": str(run.into),
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


def test_roll_ups_hold_what_the_flows_hold_though_time_goes_back(run: Run) -> None:
    """The first flow of `long` ends after others of later buckets; the files overlap, and come twice."""
    asked, answered = lookup()
    begun, went_on = kit.ethernet(asked), kit.ethernet(answered, kit.MAC_B, kit.MAC_A)
    long = kit.pcap([(NOON, begun), *((NOON + at * 60 * SECOND, went_on) for at in range(1, 60))])
    paths = [run.file("long", long), run.file("b", capture(*(NOON + at * 300 * SECOND for at in range(24)), port=9))]
    run.replay(*paths, *paths)
    run.replay(paths[1])
    flows = run.flows()
    sums = [sum(flow["bytes_in"] for flow in flows), sum(flow["bytes_out"] for flow in flows), len(flows)]
    assert [sum(column) for column in zip(*(row[2:] for row in queries.rollups(run.into, 0)), strict=True)] == sums
    for by in ("device", "destination", "port"):
        (row,) = top.top(run.into, by, 0, None).rows
        assert [row["bytes_in"], row["bytes_out"], row["flows"]] == sums
    since = NOON // 1000 + 3_600_000
    later = [flow for flow in flows if flow["id"] >> 12 >= since]
    (row,) = top.top(run.into, "device", since, None).rows
    assert (row["bytes_in"], row["flows"]) == (sum(flow["bytes_in"] for flow in later), len(later))


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
    (hinted,) = run.replay(softflowd[0])
    assert (hinted["flows"], "--as netflow" in hinted["hint"]) == (1, True)
    # What softflowd exported is what is in the capture that it was shown, halves joined.
    shown = DATA / "ntop+nDPI/tests/cfgs/default/pcap/ssh.pcap"
    exported = [flow for flow in run.flows() if flow["dst_ip"] == "172.16.238.168"]
    run.into = run.place / "shown"
    run.replay(shown)
    (flow,) = [flow for flow in run.flows() if flow["dst_ip"] == "172.16.238.168"]
    counters = ("src_ip", "src_port", "dst_port", "packets_out", "bytes_out", "packets_in", "bytes_in")
    assert len(exported) == 3
    assert {tuple(each[name] for name in counters) for each in exported} == {tuple(flow[name] for name in counters)}
