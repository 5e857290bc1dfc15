"""A directory of logs is replayed in a sensible order, and says what of it is not understood."""

import gzip
from pathlib import Path

import pytest
import replay_kit as kit
from replay_kit import Run

NOTICE = b'{"ts":1782043200.5,"note":"Scan::Port_Scan","src":"192.168.1.66","dst":"192.168.1.1","msg":"scanned"}\n'
DHCP = (
    b'{"ts":1782043200.0,"mac":"00:11:32:aa:bb:cc","assigned_addr":"192.168.1.66","msg_types":["ACK"],"uids":["C2"]}\n'
)
HTTP = (
    b'{"ts":1782043200,"uid":"C","id.orig_h":"192.168.1.66","id.orig_p":1,"id.resp_h":"192.0.2.1","id.resp_p":80,'
    b'"proto":"tcp"}\n'
)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


def zeek_logs(place: Path) -> Path:
    """A directory as Zeek leaves it: the day before, packed; and what is being written."""
    day = place / "logs" / "2026-06-20"
    day.mkdir(parents=True)
    (day / "conn.10:00:00-11:00:00.log.gz").write_bytes(gzip.compress(kit.zeek(kit.NOON - kit.DAY)))
    (day / "conn.09:00:00-10:00:00.log.gz").write_bytes(gzip.compress(kit.zeek(kit.NOON - kit.DAY - 3600 * kit.SECOND)))
    now = place / "logs" / "now"
    now.mkdir()
    for name, content in (
        ("conn.log", kit.zeek(kit.NOON)), ("notice.log", NOTICE), ("dhcp.log", DHCP), ("http.log", HTTP),
        ("a.pcap", b""), ("notes.txt", b"remember the milk"), (".hidden", NOTICE),
    ):  # fmt: skip
        (now / name).write_bytes(content)
    (now / "current").symlink_to(place / "logs")
    return place / "logs"


def test_all_logs_that_are_understood_are_read_the_oldest_and_devices_first(run: Run, tmp_path: Path) -> None:
    reports = run.replay(zeek_logs(tmp_path))
    assert [Path(report["file"]).name for report in reports] == [
        "logs", "conn.09:00:00-10:00:00.log.gz", "conn.10:00:00-11:00:00.log.gz", "dhcp.log", "conn.log", "notice.log",
    ]  # fmt: skip
    assert reports[0]["format"] == "directory"
    assert reports[0]["skipped"] == {"http.log": 1, "a.pcap": 1, "notes.txt": 1}
    assert reports[0]["error"] is None
    assert [threat["kind"] for threat in reports[-1]["threats"]] == ["port_scan"]
    assert reports[-1]["threats"][0]["device"] == "00:11:32:aa:bb:cc"
    assert len(run.flows()) == 3


def test_people_read_which_files_were_skipped(run: Run, tmp_path: Path) -> None:
    answer = run("replay", "--into", run.into, zeek_logs(tmp_path))
    assert answer.returncode == 0
    assert "(directory)\n  skipped  a.pcap, http.log, notes.txt\n" in answer.stdout


def test_a_directory_of_nothing_is_an_error_and_the_others_go_on(run: Run, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    first, second = run.replay(tmp_path / "empty", run.file("conn.log", kit.zeek(kit.NOON)), code=1)
    assert "holds no capture and no log" in first["error"]
    assert second["flows"] == 1


def test_numbers_of_rotation_grow_with_age(run: Run, tmp_path: Path) -> None:
    place = tmp_path / "old"
    place.mkdir()
    for number, name in enumerate(("conn.log.10.gz", "conn.log.2", "conn.log.1", "conn.log")):
        content = kit.zeek(kit.NOON + number * kit.SECOND)
        (place / name).write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    starts = [report["start"] for report in run.replay(place)[1:]]
    assert starts == sorted(starts)
    assert len(starts) == 4


def test_lines_of_json_that_do_not_tell_belong_to_the_log_that_their_file_is_named_after(run: Run) -> None:
    (report,) = run.replay(run.file("http.log", HTTP))
    assert report["flows"] == 0
    assert report["skipped"] == {"http": 1}
    (report,) = run.replay(run.file("what.log", HTTP))
    assert report["flows"] == 1


def beats(count: int, period: int, port: int, counters: str) -> bytes:
    """A thing that calls somebody elsewhere every `period` seconds, as Zeek tells."""
    ends = "192.168.1.66\t{sport}\t198.51.100.66\t{port}\ttcp\t0.1"
    rows = (
        f"{kit.NOON / 1e6 + number * period:.6f}\tC{number}\t{ends.format(sport=number, port=port)}\t{counters}\n"
        for number in range(count)
    )
    return (kit.ZEEK + "".join(rows)).encode()


def test_what_is_regular_in_a_recording_is_information_unless_it_is_odd_from_the_start(run: Run) -> None:
    odd, usual = run.replay(
        run.file("odd.log", beats(10, 2, 443, "6\t540\t5\t332")),
        run.file("usual.log", beats(500, 60, 80, "9\t1400\t8\t4300")),
    )
    assert [(threat["kind"], threat["severity"]) for threat in odd["threats"]] == [("beacon", "medium")]
    assert [(threat["kind"], threat["severity"]) for threat in usual["threats"]] == [("beacon", "info")]
