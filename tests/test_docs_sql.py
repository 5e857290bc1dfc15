"""docs/SQL.md: each recipe, run by sqlite3's own command line on the files of a daemon, answers what it promises."""

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from conftest import needs
from running import MAC, OTHER_MAC, Daemon, flow_line, scratch
from waiting import eventually

PAGE = (Path(__file__).parent.parent / "docs/SQL.md").read_text()
# What a recipe is about, its file, and its text.
RECIPES = re.findall(r"\n\n((?:[^\n]+\n)*[^\n]+)\n\n```sql\n-- (\S+)\n(.*?)```", PAGE, re.DOTALL)
SCRIPTS = re.findall(r"```sh\n(for .*?)```", PAGE, re.DOTALL)
SINCE = int(time.time() * 1000)
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
TODAY, LATELY, LONG_AGO = SINCE // DAY * DAY, SINCE // HOUR * HOUR - 2 * HOUR, (SINCE // DAY - 45) * DAY
STRANGER = "a4:83:e7:00:00:07"
SESSIONS = [(20, 3), (3, 1), (2, 2)]  # days ago, and how many hours

FLOWS = [
    flow_line(1, dst_port=443),
    flow_line(2, dst_port=443, bytes_in=3000, bytes_out=300),
    flow_line(3, src_ip="192.168.1.6", dst_ip="8.8.8.8", dst_port=53, protocol="udp", bytes_in=50, bytes_out=40),
    flow_line(4, src_ip="fd00::5", dst_ip="2001:db8::1", dst_port=22, bytes_in=10, bytes_out=2000),
    flow_line(5, src_ip="192.168.1.6", dst_ip="192.168.1.5", dst_port=445, bytes_in=70, bytes_out=7),
]


def threat(target: str, **fields: Any) -> dict[str, Any]:
    evidence = {"ports": [22, 23]}
    return {
        "type": "threat", "kind": "odd", "severity": "high", "description": "x", "device": MAC, "target": target,
        "evidence": evidence,
    } | fields  # fmt: skip


@pytest.fixture(scope="module")
def state() -> Iterator[Path]:
    """The files that a daemon left, with a second day of the same flows, and known sums."""
    directory = scratch()
    with Daemon(directory) as daemon:
        daemon.emit(
            {"type": "device", "mac": MAC, "ips": ["192.168.1.5", "fd00::5"], "hostname": "tv", "vendor": "LG"},
            {"type": "device", "mac": OTHER_MAC, "ip": "192.168.1.6", "name": "Ada"},
        )
        eventually(lambda: len(daemon.core("SELECT * FROM devices")) == 2)
        daemon.emit(*FLOWS, threat("a"), threat("b"), threat("c", kind="odder", severity="low"))
        eventually(lambda: len(daemon.flows()) == len(FLOWS))
        eventually(lambda: len(daemon.core("SELECT * FROM threats")) == 3)
        assert daemon.stop() == 0
    (today,) = daemon.state.glob("flows-*.db")
    shutil.copy(today, daemon.state / "flows-20200101.db")
    with closing(sqlite3.connect(daemon.state / "core.db")) as db, db:
        fill(db)
    yield daemon.state
    shutil.rmtree(directory)


def fill(db: sqlite3.Connection) -> None:
    for table in (
        "rollups", "hourly_devices", "hourly_peers", "hourly_ports", "daily_devices", "daily_peers", "daily_ports",
        "sessions", "traits", "aliases",
    ):  # fmt: skip
        db.execute(f"DELETE FROM {table}")
    db.execute("UPDATE devices SET first_seen = ?, last_seen = ?, status = 'offline' WHERE name = 'Ada'",
               (LONG_AGO, LONG_AGO))  # fmt: skip
    db.execute("UPDATE devices SET macs = ? WHERE device = ?", (json.dumps([STRANGER, MAC]), MAC))
    db.execute("UPDATE threats SET status = 'dismissed' WHERE target = 'b'")
    rows = {
        "rollups": [(SINCE // HOUR * HOUR, MAC, 1000, 100, 1), (SINCE // HOUR * HOUR, OTHER_MAC, 200, 20, 2)],
        "hourly_devices": [(LATELY, MAC, 600, 100, 1), (LATELY, OTHER_MAC, 0, 70, 1)],
        "hourly_peers": [(LATELY, 0x5DB8D822, 10, 1, 1), (LATELY, 0x08080808, 50, 5, 2), (LATELY, b"", 99, 9, 3)],
        "daily_devices": [(TODAY, MAC, 1000, 100, 1), (TODAY, OTHER_MAC, 5000, 50, 2), (LONG_AGO, MAC, 10, 1, 1),
                          (LONG_AGO, "", 7, 7, 7)],
        "daily_ports": [(TODAY, 6 << 16 | 443, 1000, 100, 1), (TODAY, 17 << 16 | 53, 50, 40, 2),
                        (TODAY, -1, 5000, 0, 9), (LONG_AGO, 6 << 16 | 22, 1, 1, 1)],
        "sessions": [(MAC, SINCE - days * DAY, SINCE - days * DAY + hours * HOUR) for days, hours in SESSIONS],
        "traits": [(MAC, "hostname", "tv", "json", TODAY, TODAY),
                   (STRANGER, "mdns_name", "tv.local", "mdns", TODAY, TODAY),
                   (OTHER_MAC, "hostname", "phone", "json", TODAY, TODAY)],
        "aliases": [(STRANGER, MAC, TODAY, "netwatchd", '["the same client id", "the same name"]', None, None),
                    (OTHER_MAC, MAC, TODAY, "netwatchd", '["a mistake"]', TODAY, None)],
    }  # fmt: skip
    for table, values in rows.items():
        db.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(values[0]))})", values)


def at(moment: int, form: str = "%Y-%m-%d %H:%M:%S") -> str:
    return time.strftime(form, time.gmtime(moment / 1000))


THIS_MONTH, THAT_MONTH = at(TODAY, "%Y-%m"), at(LONG_AGO, "%Y-%m")
EXAMPLE = "93.184.216.34"

# What each recipe answers, in the columns that are named; in the order of the page, by words of what it is about.
ANSWERS: dict[str, tuple[str, list[tuple[Any, ...]]]] = {
    "Who is here now?": ("device ip", [("tv", "192.168.1.5")]),
    "Who came new in the last seven days?": ("device hostname", [(MAC, "tv")]),
    "Who was not here for a month, and may be forgotten?": ("device last_seen", [("Ada", at(LONG_AGO, "%Y-%m-%d"))]),
    "A device with all its addresses, one a row:": ("device address", [
        (MAC, "192.168.1.5"), (MAC, "fd00::5"), (OTHER_MAC, "192.168.1.6"),
    ]),
    "When was this phone at home in the last week?": ("came hours", [
        (at(SINCE - 3 * DAY), 1.0), (at(SINCE - 2 * DAY), 2.0),
    ]),
    "And how many hours a day?": ("day hours", [
        (at(SINCE - days * DAY, "%Y-%m-%d"), hours) for days, hours in reversed(SESSIONS)
    ]),
    "What is known of this device?": ("kind value source", [
        ("hostname", "tv", "json"), ("mdns_name", "tv.local", "mdns"),
    ]),
    "Which MACs were found to be one device, and why?": ("mac device reason", [
        (STRANGER, MAC, "the same client id"), (STRANGER, MAC, "the same name"),
    ]),
    "What `netwatchd top` asks": ("name bytes_in bytes_out flows", [
        ("8.8.8.8", 50, 5, 2), (EXAMPLE, 10, 1, 1), (None, 99, 9, 3),
    ]),
    "Traffic a month:": ("month bytes_in bytes_out flows", [(THAT_MONTH, 17, 8, 8), (THIS_MONTH, 6000, 150, 3)]),
    "And device by device, the latest month first:": ("month device bytes_in bytes_out", [
        (THIS_MONTH, "Ada", 5000, 50), (THIS_MONTH, "tv", 1000, 100), (THAT_MONTH, "no device", 7, 7),
        (THAT_MONTH, "tv", 10, 1),
    ]),
    "By service and day, of the last month:": ("name bytes_in bytes_out", [
        (None, 5000, 0), ("tcp/443", 1000, 100), ("udp/53", 50, 40),
    ]),
    "Traffic by device and hour of the last day": ("hour device bytes_in bytes_out", [
            (at(SINCE, "%Y-%m-%d %H:00"), "tv", 1000, 100), (at(SINCE, "%Y-%m-%d %H:00"), "Ada", 200, 20),
        ]),
    "The ports that most was moved by in the last 30 days:": ("port bytes flows", [
        ("tcp/443", 1100, 1), ("udp/53", 90, 2), ("others", 5000, 9),
    ]),
    "At which hours of the day is the line busy?": ("at bytes_a_day", [(at(LATELY, "%H"), 110)]),
    "How many of each kind, how bad, and what became of them?": ("kind severity threats times open", [
        ("odd", "high", 2, 2, 1), ("odder", "low", 1, 1, 1),
    ]),
    "The numbers behind the open threats:": ("severity kind target ports count", [
        ("high", "odd", "a", "[22,23]", 1), ("low", "odder", "c", "[22,23]", 1),
    ]),
    "The view `flows_readable` has addresses": ("device src_ip dst_ip dst_port bytes_in", [
        (OTHER_MAC, "192.168.1.6", "192.168.1.5", 445, 70), (MAC, "fd00::5", "2001:db8::1", 22, 10),
        (OTHER_MAC, "192.168.1.6", "8.8.8.8", 53, 50), (MAC, "192.168.1.5", EXAMPLE, 443, 3000),
        (MAC, "192.168.1.5", EXAMPLE, 443, 1000),
    ]),
    "The flows of the last hour:": ("count(*) sum(bytes_in) sum(bytes_out)", [(5, 4130, 2447)]),
    "The destinations that most was exchanged with": ("dst_ip bytes flows", [
        (EXAMPLE, 4400, 2), ("2001:db8::1", 2010, 1), ("8.8.8.8", 90, 1), ("192.168.1.5", 77, 1),
    ]),
    "One device's conversations:": ("device src_port", [(MAC, 1), (MAC, 2), (MAC, 4)]),
    "Who spoke with an address, from which port to which, and when?": ("who dst_ip dst_port protocol flows bytes", [
        (MAC, EXAMPLE, 443, "tcp", 2, 4400),
    ]),
    "Which devices opened conversations with other devices here": ("src_ip dst_ip dst_port flows bytes", [
        ("192.168.1.6", "192.168.1.5", 445, 1, 77),
    ]),
    "The largest uploads:": ("device dst_ip dst_port bytes_out bytes_in", [(MAC, "2001:db8::1", 22, 2000, 10)]),
    "SQLite attaches up to ten files to one connection:": ("device dst_ip dst_port flows bytes_out", [
        ("tv", "2001:db8::1", 22, 2, 4000), ("tv", EXAMPLE, 443, 4, 800), ("Ada", "8.8.8.8", 53, 2, 80),
        ("Ada", "192.168.1.5", 445, 2, 14),
    ]),
}  # fmt: skip


def run(state: Path, *command: str, text: str = "") -> str:
    answer = subprocess.run(
        command, cwd=state, input=text, capture_output=True, text=True, timeout=60, check=False,
        env={"PATH": os.environ["PATH"], "TZ": "UTC"},
    )  # fmt: skip
    assert (answer.returncode, answer.stderr) == (0, "")
    return answer.stdout


def test_each_recipe_says_what_it_is_about_and_has_its_answer() -> None:
    assert len(RECIPES) == PAGE.count("```sql") == len(ANSWERS)
    assert [words for words, (about, _, _) in zip(ANSWERS, RECIPES, strict=True) if words not in about] == []


@needs("sqlite3")
@pytest.mark.parametrize("about", ANSWERS)
def test_a_recipe_answers_what_it_promises(state: Path, about: str) -> None:
    today = max(state.glob("flows-*.db")).name
    file, text = (
        part.replace("flows-20261123.db", today).replace("flows-20261122.db", "flows-20200101.db")
        for part in RECIPES[list(ANSWERS).index(about)][1:]
    )
    found = json.loads(run(state, "sqlite3", "-readonly", "-json", file, text=text))
    columns, expected = ANSWERS[about]
    assert [tuple(row[column] for column in columns.split()) for row in found] == expected


@needs("sqlite3")
def test_the_loops_over_all_days_answer_what_they_promise(state: Path) -> None:
    today = max(state.glob("flows-*.db")).name
    sizes, peers, sums = (run(state, "sh", "-euc", script).splitlines() for script in SCRIPTS)
    size = (state / today).stat().st_size
    assert sizes == [f"{name} {size} 5" for name in ("flows-20200101.db", today)]
    assert sorted(line.split()[2:] for line in peers) == sorted(
        [[MAC, EXAMPLE, "443", "1100"], [MAC, EXAMPLE, "443", "3300"]] * 2
    )
    assert sums == [f"8800 {MAC}"]


def test_the_program_in_python_answers_what_it_promises(state: Path) -> None:
    (text,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    told = run(state, sys.executable, "-", text=text.replace("/var/lib/netwatchd", str(state)))
    today = max(state.glob("flows-*.db")).name
    assert sorted(told.splitlines()) == sorted(
        f"{name} {device} {moved}"
        for name in ("flows-20200101.db", today)
        for device, moved in ((MAC, 4010), (OTHER_MAC, 120))
    )
