"""What nfdump prints becomes flows, by the columns that its header names."""

import itertools
import shutil
import socket
import struct
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netwatchd.addresses import parse_address
from netwatchd.decoders import log_lines, nfdump
from netwatchd.decoders.json_lines import Malformed
from netwatchd.events import Flow, Sighting

NOW = 1_795_000_000_000
HEADER_1_6 = (
    "ts,te,td,sa,da,sp,dp,pr,flg,fwd,stos,ipkt,ibyt,opkt,obyt,in,out,sas,das,smk,dmk,dtos,dir,nh,nhb,svln,dvln,ismc,"
    "odmc,idmc,osmc,mpls1,mpls2,mpls3,mpls4,mpls5,mpls6,mpls7,mpls8,mpls9,mpls10,cl,sl,al,ra,eng,exid,tr"
)
REST = ",0,0,0,0,0,0,0,0,0.0.0.0,0.0.0.0,0,0" + ",00:00:00:00:00:00" * 4 + ",0-0-0" * 10
REST += ",    0.000,    0.000,    0.000,192.0.2.1,0/58,1,1970-01-01 00:00:00.000"
SUMMARY = ["Summary", "flows,bytes,packets,avg_bps,avg_pps,avg_bpp", "1,10744,22,57357,14,488"]
HEADER_1_7 = "firstSeen,duration,proto,srcAddr,srcPort,dstAddr,dstPort,packets,bytes,flows"
FAST = (
    "cnt,af,firstSeen,lastSeen,proto,srcAddr,srcPort,dstAddr,dstPort,srcAS,dstAS,input,output,flags,srcTos,packets,"
    "bytes"
)
START = 1795428000000  # 2026-11-23 10:00:00 UTC


def expected(**values: Any) -> Flow:
    return Flow(
        1, START, START + 1500, parse_address("192.0.2.5"), 50527, parse_address("198.51.100.7"), 443, 6, 10, 1120,
        0, 0, "closed", "nfdump",
    )._replace(**values)  # fmt: skip


def row(first: str = "2026-11-23 10:00:00,2026-11-23 10:00:01,1.500", ends: str = "192.0.2.5,198.51.100.7,50527,443",
        proto: str = "TCP", counts: str = "10,1120,0,0") -> str:  # fmt: skip
    """A line of nfdump 1.6."""
    return f"{first},{ends},{proto},...AP.SF,0,0,{counts}{REST}"


def read(lines: list[str], **options: Any) -> tuple[list[Flow | Sighting], Counter[str], Counter[str]]:
    ids = itertools.count(1)
    decoder, bad = nfdump.NfdumpDecoder(lambda _: next(ids), **options), Counter[str]()
    return list(log_lines.events((line.encode() for line in lines), decoder, NOW, bad)), decoder.skipped, bad


@pytest.mark.parametrize(
    ("header", "line", "values"),
    [
        (HEADER_1_6, row(), {}),
        (HEADER_1_6, row(counts="10,1120,12,9624"), {"packets_in": 12, "bytes_in": 9624}),
        (HEADER_1_6, row(ends="2001:db8::5,2001:db8::7,546,547", proto="UDP"),
         {"src_ip": parse_address("2001:db8::5"), "dst_ip": parse_address("2001:db8::7"), "src_port": 546,
          "dst_port": 547, "protocol": 17}),
        (HEADER_1_6, row(ends="192.0.2.5,198.51.100.7,0,2048", proto="ICMP"),
         {"protocol": 1, "src_port": 8, "dst_port": 0}),
        (HEADER_1_6, row(ends="192.0.2.5,198.51.100.7,0,769", proto="ICMP"),
         {"protocol": 1, "src_port": 3, "dst_port": 1}),
        (HEADER_1_6, row(ends="fe80::1,ff02::1,0,34304", proto="ICMP6"),
         {"protocol": 58, "src_ip": parse_address("fe80::1"), "dst_ip": parse_address("ff02::1"), "src_port": 134,
          "dst_port": 0}),
        (HEADER_1_6, row(proto="47"), {"protocol": 47}),
        (HEADER_1_6, row(proto="ESP  "), {"protocol": 50}),
        (HEADER_1_7, "2026-11-23 10:00:00.000,1.500,6,192.0.2.5,50527,198.51.100.7,443,10,1120,1", {}),
        (HEADER_1_7, "2026-11-23 10:00:00.000,00:00:01.500,TCP,192.0.2.5,50527,198.51.100.7,443,10,1120,1", {}),
        (HEADER_1_7, "1795428000.000,1 days 00:00:01.5,6,192.0.2.5,50527,198.51.100.7,443,10,1120,1",
         {"end": START + 86_401_500}),
        (HEADER_1_7, "2026-11-23 10:00:00.000,1.500,1,192.0.2.5,0,198.51.100.7,3.1,10,1120,1",
         {"protocol": 1, "src_port": 3, "dst_port": 1}),
        ("srcAddr,dstAddr,proto,icmpTYpe,icmpCode,firstSeen,lastSeen,inPackets,inBytes,outPackets,outBytes",
         "192.0.2.5,198.51.100.7,1,11,0,2026-11-23 10:00:00.000,2026-11-23 10:00:01.500,10,1120,1,56",
         {"protocol": 1, "src_port": 11, "dst_port": 0, "packets_in": 1, "bytes_in": 56}),
        (FAST, "1,2,1795428000000,1795428001500,6,192.0.2.5,50527,198.51.100.7,443,0,0,0,0,...AP.SF,0,10,1120", {}),
    ],
)  # fmt: skip
def test_what_a_line_becomes(header: str, line: str, values: dict[str, Any]) -> None:
    found, skipped, bad = read([header, line])
    assert found == [expected(**values)]
    assert not skipped
    assert not bad


def test_the_summary_is_no_flow_and_what_follows_another_header_is() -> None:
    found, skipped, bad = read([HEADER_1_6, row(), *SUMMARY, HEADER_1_7, "No matching flows", "", HEADER_1_6, row()])
    assert [flow._replace(id=1) for flow in found if isinstance(flow, Flow)] == [expected()] * 2
    assert skipped == {"summary": 4}
    assert not bad


def test_local_times_are_brought_to_utc_where_the_zone_is_known() -> None:
    def summer_and_winter(seconds: int) -> int:
        return 7200 if seconds < START // 1000 + 3600 else 3600

    found, _, _ = read([HEADER_1_6, row("2026-11-23 12:00:00,2026-11-23 12:00:00,0.000")], zone=summer_and_winter)
    assert found == [expected(start=START + 3_600_000, end=START + 3_600_000)]
    line = "1,2,1795428000000,1795428001500,6,192.0.2.5,50527,198.51.100.7,443,0,0,0,0,-,0,10,1120"
    assert read([FAST, line], zone=summer_and_winter)[0] == [expected()]


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ([row()], "there is no header before it"),
        (["ts,te,td,pr,val,fl,pkt,byt", row()], "there is no header before it"),
        ([HEADER_1_6, row() + ",1"], "it should have as many fields as its header names"),
        ([HEADER_1_6, row("0000-00-00 00:00:00,0000-00-00 00:00:00,0.000")], "'0000-00-00 00"),
        ([HEADER_1_6, row(counts="10,1.1 M,0,0")], "the bytes should be"),
        ([HEADER_1_6, row(ends="192.0.2..7,198.51.100.7,50527,443")], "the source"),
        ([HEADER_1_6, row(ends="192.0.2.7,198.51.100.7,65536,443")], "the src_port should be"),
        ([HEADER_1_7, "2026-11-23 10:00:00.000,1.500,1,192.0.2.5,0,198.51.100.7,3.256,10,1120,1"], "the ICMP code"),
    ],
)
def test_what_is_wrong_with_a_line_is_said(lines: list[str], reason: str) -> None:
    found, _, bad = read(lines)
    assert not found
    assert max(bad, key=lambda each: each.startswith(reason)).startswith(reason)


@given(st.data())
def test_a_damaged_line_harms_no_other(data: st.DataObject) -> None:
    line = bytearray(row().encode())
    for _ in range(data.draw(st.integers(1, 4))):
        line[data.draw(st.integers(0, len(line) - 1))] = data.draw(st.integers(0, 255))
    decoder, bad = nfdump.NfdumpDecoder(lambda now: now), Counter[str]()
    lines = [HEADER_1_6.encode(), bytes(line), HEADER_1_6.encode(), row().encode()]
    found = list(log_lines.events(lines, decoder, NOW, bad))
    assert found[-1] == expected(id=NOW)
    assert len(found) <= 2


@given(st.binary(max_size=200))
def test_any_bytes_are_flows_or_malformed(line: bytes) -> None:
    decoder = nfdump.NfdumpDecoder(lambda now: now)
    for each in (line, HEADER_1_7.encode() + line, line):
        try:
            decoder.decode(each, NOW)
        except Malformed as error:
            assert str(error)


def test_its_output_is_told_by_its_header() -> None:
    assert nfdump.looks_like(f"{HEADER_1_6}\n{row()}\n".encode())
    assert nfdump.looks_like(HEADER_1_7.encode())
    assert not nfdump.looks_like(b"ts,te,td,pr,val,fl,pkt,byt\n")
    assert not nfdump.looks_like(b'{"ts": 1.0}')
    assert not nfdump.looks_like(b"")


def capture(path: Path) -> None:
    """A capture of five conversations, a packet each way 1.5 s after the other."""
    records = []
    for number in range(5):
        there = (socket.inet_aton("192.0.2.5"), socket.inet_aton("198.51.100.7"), 40000 + number, 53)
        for late, (src, dst, src_port, dst_port) in enumerate((there, (there[1], there[0], there[3], there[2]))):
            udp = struct.pack("!HHHH", src_port, dst_port, 8 + 100 + number, 0) + bytes(100 + number)
            packet = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, src, dst) + udp
            frame = bytes(12) + b"\x08\0" + packet
            at = START // 1000 + late, late * 500_000
            records.append((at, struct.pack("<IIII", *at, len(frame), len(frame)) + frame))
    header = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
    path.write_bytes(header + b"".join(record for _, record in sorted(records)))


@pytest.mark.skipif(not (shutil.which("nfpcapd") and shutil.which("nfdump")), reason="nfdump is not installed")
@pytest.mark.parametrize("options", [[], ["-B"]])
def test_what_the_installed_nfdump_prints_is_read_as_it_was_captured(tmp_path: Path, options: list[str]) -> None:
    capture(tmp_path / "capture.pcap")
    subprocess.run(["nfpcapd", "-r", "capture.pcap", "-l", "."], cwd=tmp_path, check=True, capture_output=True)
    (file,) = tmp_path.glob("nfcapd.2*")
    command = ["nfdump", "-r", str(file), "-o", "csv", *options]
    environment = {"TZ": "UTC", "PATH": "/usr/bin:/bin:/usr/local/bin"}
    printed = subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout
    assert nfdump.looks_like(printed.encode())
    found, _, bad = read(printed.splitlines())
    assert not bad
    flows = [flow for flow in found if isinstance(flow, Flow)]
    assert len(flows) == (5 if options else 10)
    assert sum(flow.packets_out + flow.packets_in for flow in flows) == 10
    assert sum(flow.bytes_out + flow.bytes_in for flow in flows) == 2 * sum(128 + number for number in range(5))
    assert {flow.protocol for flow in flows} == {17}
    assert min(flow.start for flow in flows) == START
