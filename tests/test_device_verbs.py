"""The verbs devices and device show whom the network has, and everything that is known of one."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from running import MAC, OTHER_MAC
from shell import Shell
from store_kit import device, flow, storing, threat

from netwatchd.events import Alias, Clue, Session, Status, ThreatStatus, Trait

HOUR, DAY = 3_600_000, 86_400_000
NOW = time.time_ns() // 1_000_000
# Where it is about noon now, so that today has begun some hours ago and goes on for some, whenever the tests run.
ZONE = f"NOON{NOW // HOUR % 24 - 12:+d}"
OLD_MAC, TV, LAMP = "da:a1:19:00:00:01", "a4:83:e7:00:00:07", "da:a1:19:00:00:09"
EVIL = "\x1b[31m[bold red]evil[/bold red]\x07\nrow<script>alert(1)</script>"
LONG_VENDOR = "Hangzhou Very Long Name Digital Video Technology Co., Ltd."
V6 = bytes.fromhex("20010db8000000000123456789abcdef")


def trait(kind: str, value: str, station: str = MAC, ago: int = HOUR) -> Trait:
    return Trait(station, Clue(kind, value), "dhcp", NOW - DAY, NOW - ago)


class Home(Shell):
    """The command line where no daemon runs, and the databases that one has left."""

    state: Path


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What was stored of a home."""
    directory = tmp_path_factory.mktemp("home")
    with storing(directory) as store:
        store.upsert_device(
            device(
                ips=(0xC0A80105, V6), hostname="Adas-iPhone", name="Ada's phone", vendor="Apple, Inc.", kind="phone",
                model="iPhone 13", macs=(MAC, OLD_MAC), evidence=("it asks DHCP as iPhones do",),
                first_seen=NOW - 3 * DAY, last_seen=NOW - 5000, usual_silence=20 * 60_000, bytes_in=10**9,
                bytes_out=10**6,
            )
        )  # fmt: skip
        store.upsert_device(
            device(OTHER_MAC, ips=(0xC0A80106,), hostname="nas", vendor=LONG_VENDOR, kind="nas",
                   last_seen=NOW - 2 * DAY, first_seen=NOW - 30 * DAY, status=Status.OFFLINE)
        )  # fmt: skip
        store.upsert_device(device(TV, ips=(V6,), hostname="tv.lan", last_seen=NOW - 9000, first_seen=NOW - 30 * DAY))
        store.upsert_device(
            device(LAMP, ips=(), hostname=None, last_seen=NOW - HOUR, first_seen=NOW - HOUR, status=Status.OFFLINE)
        )
        store.upsert_device(
            device(None, ips=(0xC0A80107,), hostname="tv", last_seen=NOW - 3 * DAY, first_seen=NOW - 9 * DAY,
                   status=Status.OFFLINE)
        )  # fmt: skip
        for each in (
            trait("hosts_name", "ada"), trait("dhcp_hostname", "Adas-iPhone"), trait("mdns_name", "Adas-iPhone"),
            trait("mdns_name", "Old-iPhone", OLD_MAC, 2 * DAY), trait("dhcp_vendor_class", "android-dhcp"),
            trait("dhcp_client_id", "01a483e7000001"), trait("dhcp_parameters", "1,3,6,15"),
            trait("mdns_service", "_airplay._tcp"), trait("port", "tcp/62078"), trait("cloud", "icloud.com"),
            trait("dhcp_hostname", "nas", OTHER_MAC),
        ):  # fmt: skip
            store.keep(each)
        store.keep(Alias(OLD_MAC, MAC, NOW - DAY, "netwatchd", ("the DHCP client id is the same",)))
        store.keep(Alias(LAMP, MAC, NOW - 2 * DAY, "netwatchd", ("alike",), NOW - DAY))
        store.keep(Session(MAC, NOW - 2 * DAY, NOW - DAY))
        store.keep(Session(MAC, NOW - 9 * DAY, NOW - 8 * DAY))
        store.keep(Session(MAC, NOW - 2 * HOUR))
        store.keep(Session(OTHER_MAC, NOW - 3 * DAY, NOW - 2 * DAY))
        store.add_flows([flow(1, NOW - HOUR, bytes_in=7_000_000, bytes_out=2000)])
        store.add_flows([flow(2, NOW - 2 * HOUR, device=OLD_MAC, bytes_in=3_000_000, bytes_out=500)])
        store.add_flows([flow(3, NOW - 2 * DAY, dst_ip=0xC0A80106, bytes_in=10**7)])
        store.add_flows([flow(4, NOW - 10 * DAY, dst_ip=0x08080808, bytes_in=10**9)])
        store.upsert_threat(threat(1, description="it scanned", last_seen=NOW - HOUR))
        store.upsert_threat(threat(2, kind="ip_conflict", device=TV, target=OLD_MAC, severity="info"))
        store.upsert_threat(threat(3, kind="harmless", status=ThreatStatus.DISMISSED))
        store.upsert_threat(threat(4, kind="of another", device=OTHER_MAC))
    return directory


@pytest.fixture
def stored(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Home:
    """The command line, and a copy of what was stored."""
    shell = Home(
        capsys, {"TZ": ZONE, "STATE_DIRECTORY": str(tmp_path / "lib"), "NETWATCHD_CONFIG": str(tmp_path / "ini")}
    )
    shell.state = tmp_path / "lib"
    (tmp_path / "ini").touch()
    shutil.copytree(home, shell.state)
    return shell


# All of them.


def test_those_that_are_here_come_first_then_the_latest_seen(stored: Home) -> None:
    assert [each["mac"] for each in stored.json("devices")] == [MAC, TV, LAMP, OTHER_MAC, None]


@pytest.mark.parametrize(
    ("filters", "macs"),
    [
        (["--kind", "PHONE"], [MAC]),
        (["--kind", "unknown"], [TV, LAMP, None]),
        (["--kind", "Access Point"], []),
        (["--new"], [LAMP]),
        (["--new", "4 d"], [MAC, LAMP]),
        (["--new", "4 d", "--online"], [MAC]),
        (["--online"], [MAC, TV]),
        (["--since", "4 h"], [MAC, TV, LAMP]),
        (["--device", OLD_MAC], [MAC]),
        (["--device", "tv"], [None]),
    ],
)
def test_devices_are_filtered(stored: Home, filters: list[str], macs: list[str | None]) -> None:
    assert [each["mac"] for each in stored.json("devices", *filters)] == macs


def test_a_narrow_terminal_has_no_vendors(stored: Home) -> None:
    stored.environment["COLUMNS"] = "62"
    shown = stored.cli("devices").stdout
    assert "vendor" not in shown and shown.splitlines()[0].split()[-2:] == ["in", "out"]


def test_that_no_device_is_meant_is_said(stored: Home) -> None:
    assert stored.cli("devices", "--kind", "tv").stdout == "no device is like that\n"


def test_a_kind_that_is_none_is_a_usage_error(stored: Home) -> None:
    answer = stored.cli("devices", "--kind", "toaster")
    assert answer.returncode == 2
    assert "there are phone, tablet," in answer.stderr
    assert answer.stderr.endswith("unknown\n")


def test_all_devices_of_a_name_are_listed(stored: Home) -> None:
    with storing(stored.state) as store:
        store.upsert_device(device(LAMP, ips=(), hostname="nas"))
    assert {each["mac"] for each in stored.json("devices", "--device", "nas")} == {LAMP, OTHER_MAC}


def test_the_traffic_of_today_is_that_since_midnight_under_all_macs(stored: Home) -> None:
    today = {each["mac"]: (each["bytes_in_today"], each["bytes_out_today"]) for each in stored.json("devices")}
    assert today == {MAC: (10_000_000, 2500), TV: (0, 0), LAMP: (0, 0), OTHER_MAC: (0, 0), None: (0, 0)}


def test_the_table_fits_eighty_columns(stored: Home) -> None:
    stored.environment["COLUMNS"] = "80"
    shown = stored.cli("devices").stdout
    assert max(map(len, shown.splitlines())) <= 80
    for line, words in zip(
        [line for line in shown.splitlines() if line[1:2].strip()][2:],
        (
            ["Ada's phone", "Apple ", "phone", "192.168.1.5", "online", "10 MB", "2.5 kB"],
            ["tv.lan", "unknown", "2001:db8", "online"],
            ["(random MAC)", "unknown", "1 h ago"],
            ["nas", "Hangzhou Ve\N{HORIZONTAL ELLIPSIS}", "nas", "192.168.1.6", "2 d ago", "-"],
            ["tv", "192.168.1.7", "3 d ago"],
        ),
        strict=True,
    ):
        for word in words:
            assert word in line, (word, shown)


def test_a_wide_terminal_shows_more(stored: Home) -> None:
    stored.environment["COLUMNS"] = "140"
    shown = stored.cli("devices").stdout
    assert "192.168.1.5 +1" in shown
    assert MAC in shown
    assert max(map(len, shown.splitlines())) <= 140


def test_into_a_pipe_every_word_is_whole_for_grep(stored: Home) -> None:
    shown = stored.cli("devices").stdout
    for word in (LONG_VENDOR, MAC, "192.168.1.5, 2001:db8::123:4567:89ab:cdef", "Ada's phone"):
        assert word in shown


# One of them.


def test_everything_that_is_known_of_one_is_one_object(stored: Home) -> None:
    answer = stored.json("device", "ada's phone")
    assert (answer["mac"], answer["name"], answer["kind"], answer["model"]) == (
        MAC,
        "Ada's phone",
        "phone",
        "iPhone 13",
    )
    assert (answer["bytes_in_today"], answer["bytes_out_today"]) == (10_000_000, 2500)
    assert [(each["name"], each["kind"]) for each in answer["names"]] == [
        ("ada", "hosts_name"), ("Adas-iPhone", "dhcp_hostname"), ("Adas-iPhone", "mdns_name"),
        ("Old-iPhone", "mdns_name"),
    ]  # fmt: skip
    assert len(answer["clues"]) == 10
    assert {each["station"] for each in answer["clues"]} == {MAC, OLD_MAC}
    assert answer["merged"] == [
        {
            "mac": LAMP, "time": NOW - 2 * DAY, "by": "netwatchd", "evidence": ["alike"], "undone": NOW - DAY,
            "undo": None,
        },
        {
            "mac": OLD_MAC, "time": NOW - DAY, "by": "netwatchd", "evidence": ["the DHCP client id is the same"],
            "undone": None, "undo": f"netwatchd split {MAC} {OLD_MAC}",
        },
    ]  # fmt: skip
    assert answer["sessions"] == [
        {"start": NOW - 2 * HOUR, "end": None},
        {"start": NOW - 2 * DAY, "end": NOW - DAY},
    ]
    assert [(each["peer"], each["name"], each["bytes_in"], each["flows"]) for each in answer["peers"]] == [
        ("93.184.216.34", None, 10_000_000, 2),
        ("192.168.1.6", "nas", 10_000_000, 1),
    ]
    assert answer["peers"][1]["port"] == "tcp/443"
    assert [each["kind"] for each in answer["threats"]] == ["port_scan", "ip_conflict"]


def test_how_far_back_and_how_many_peers_can_be_said(stored: Home) -> None:
    answer = stored.json("device", MAC, "--since", "30 d", "--limit", "1")
    assert len(answer["sessions"]) == 3
    assert [each["peer"] for each in answer["peers"]] == ["8.8.8.8"]
    assert len(stored.json("device", MAC, "--since", "30 d", "--limit", "0")["peers"]) == 3


def test_one_device_is_shown_for_people(stored: Home) -> None:
    stored.environment["COLUMNS"] = "80"
    answer = stored.cli("device", "192.168.1.5")
    assert answer.returncode == 0, answer.stderr
    assert max(map(len, answer.stdout.splitlines())) <= 80
    lines = [line.rstrip() for line in answer.stdout.splitlines()]
    assert lines[0] == "Ada's phone  online"
    labels = [line.split()[0] for line in lines[1:] if line[:1].strip()]
    assert labels == [
        "names", "vendor", "kind", "evidence", "MACs", "addresses", "DHCP", "services", "also", "seen", "first", "last",
        "status", "timeline", "traffic", "peers", "open",
    ]  # fmt: skip
    whole = " ".join(" ".join(lines).split())
    for words in (
        "Ada's phone (yours) ada (hosts file) Adas-iPhone (DHCP, mDNS) Old-iPhone (mDNS)", "phone: iPhone 13",
        "it asks DHCP as iPhones do", f"{MAC} now {OLD_MAC} (random) merged ", "by netwatchd",
        "because the DHCP client id is the same", f"to undo: netwatchd split {MAC} {OLD_MAC}", f"{LAMP} was told apart",
        "192.168.1.5, 2001:db8::123:4567:89ab:cdef", "vendor class: android-dhcp", "client id: 01a483e7000001",
        "options: 1,3,6,15", "mDNS: _airplay._tcp", "port: tcp/62078", "asks DNS for: icloud.com", "online since ",
        "silent up to 20 min at times", "(1 d 0 h)", "to now (2 h ", "today 10 MB in, 2.5 kB out",
        "in total 2.0 GB in, 1.0 MB out", "192.168.1.6 nas tcp/443: 10 MB in", "high port_scan: it scanned (",
        "info ip_conflict",
    ):  # fmt: skip
        assert words in whole, (words, answer.stdout)
    assert "harmless" not in whole
    bars = [line for line in lines if "\N{FULL BLOCK}" in line]
    assert len(bars) in (3, 4), answer.stdout


def test_a_terminal_without_blocks_gets_letters(stored: Home) -> None:
    command = [sys.executable, "-m", "netwatchd", "device", MAC]
    ascii_only = os.environ | stored.environment | {"PYTHONIOENCODING": "ascii"}
    shown = subprocess.run(command, env=ascii_only, capture_output=True, text=True, check=True).stdout
    assert "##" in shown
    assert "?" not in shown.partition("timeline")[2].partition("traffic")[0]


def test_a_device_of_which_little_is_known_is_shown_too(stored: Home) -> None:
    shown = " ".join(stored.cli("device", LAMP).stdout.split())
    assert shown.startswith("(random MAC) offline names none vendor unknown kind unknown ")
    assert "addresses none now" in shown
    assert "traffic today 0 B in, 0 B out" in shown
    assert "offline since" in shown
    shown = " ".join(stored.cli("device", "192.168.1.7").stdout.split())
    assert "MACs not known" in shown
    assert "not here since" not in shown
    assert "not here since" in stored.cli("device", "192.168.1.7", "--since", "1 d").stdout
    answer = stored.json("device", "192.168.1.7")
    assert [answer[key] for key in ("names", "clues", "merged", "sessions", "peers", "threats")] == [[]] * 6


def test_many_sessions_and_clues_are_cut_short_and_that_is_said(stored: Home) -> None:
    with storing(stored.state) as store:
        for number in range(30):
            store.keep(Session(MAC, NOW - DAY + number * 10**6, NOW - DAY + number * 10**6 + 10**5))
            store.keep(trait("mdns_service", f"_s{number}._tcp"))
            store.upsert_threat(threat(10 + number, kind=f"k{number}"))
    shown = stored.cli("device", MAC).stdout
    assert "and 20 more" in shown
    assert "and 19 more" in shown
    assert len(stored.json("device", MAC)["sessions"]) == 32


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("adas-iphnoe", f"perhaps Ada's phone ({MAC}, 192.168.1.5)?"),
        ("fridge", "`netwatchd devices` shows them all"),
        ("", "no device is known by ''"),
    ],
)
def test_a_device_that_is_not_known_is_said(stored: Home, given: str, words: str) -> None:
    answer = stored.cli("device", given)
    assert (answer.returncode, answer.stdout) == (1, "")
    assert words in answer.stderr


@pytest.mark.parametrize("verb", [["device", "nas"], ["flows", "--device", "nas"], ["threats", "--device", "nas"]])
def test_a_name_of_several_devices_is_not_guessed(stored: Home, verb: list[str]) -> None:
    with storing(stored.state) as store:
        store.upsert_device(device(LAMP, ips=(), hostname="NAS"))
    answer = stored.cli(*verb)
    assert (answer.returncode, answer.stdout) == (1, "")
    assert f"  nas ({OTHER_MAC}, 192.168.1.6)" in answer.stderr
    assert f"  NAS ({LAMP})" in answer.stderr


def test_without_a_database_there_is_nothing_to_look_at(stored: Home) -> None:
    (stored.state / "core.db").unlink()
    answer = stored.cli("device", "tv")
    assert answer.returncode == 69
    assert "has netwatchd run yet" in answer.stderr


@pytest.mark.parametrize("columns", ["80", "200"])
def test_what_the_network_says_is_shown_as_plain_text(stored: Home, columns: str) -> None:
    stored.environment["COLUMNS"] = columns
    with storing(stored.state) as store:
        store.upsert_device(
            device(TV, hostname=EVIL, vendor=EVIL, kind=EVIL, model=EVIL, evidence=(EVIL,), sources=(EVIL,), name=None)
        )
        for kind in ("mdns_name", "dhcp_vendor_class", "mdns_service", "http_agent"):
            store.keep(trait(kind, EVIL, TV))
        store.keep(Alias(LAMP, TV, NOW, EVIL, (EVIL,)))
        store.upsert_threat(threat(9, device=TV, kind=EVIL, description=EVIL))
    for arguments in (["devices"], ["device", TV], ["device", "evi"]):
        answer = stored.cli(*arguments)
        said = answer.stdout + answer.stderr
        assert "[31m" in said  # what is too long for its column is cut in the middle
        assert "\x1b" not in said
        assert "\x07" not in said
        assert max(map(len, answer.stdout.splitlines()), default=0) <= int(columns)
    assert stored.cli("device", TV).stdout.count("[bold") >= 10, "markup stays the text that it is"


def test_scripts_get_the_text_as_it_is(stored: Home) -> None:
    with storing(stored.state) as store:
        store.upsert_device(device(TV, hostname=EVIL))
    answer = stored.cli("device", TV, "--json")
    assert "\x1b" not in answer.stdout
    told: dict[str, Any] = json.loads(answer.stdout)
    assert told["hostname"] == EVIL


def test_what_an_older_netwatchd_has_stored_is_shown(stored: Home) -> None:
    shutil.rmtree(stored.state)
    stored.state.mkdir()
    with closing(sqlite3.connect(stored.state / "core.db")) as db:
        db.executescript((Path(__file__).parent / "schema_2/core.sql").read_text())
    devices = stored.json("devices")
    assert devices
    answer = stored.json("device", devices[0]["mac"] or devices[0]["ip"])
    assert [answer[key] for key in ("clues", "merged", "sessions")] == [[]] * 3


# What was stored under a MAC that was merged.


@pytest.mark.parametrize("given", [MAC, OLD_MAC, "Ada's phone"])
def test_the_flows_and_threats_of_a_device_are_those_of_all_its_macs(stored: Home, given: str) -> None:
    flows = stored.json("flows", "--device", given, "--since", "5 d")
    assert [each["device"] for each in flows] == [MAC, OLD_MAC, MAC]
    assert [each["id"] for each in flows] == sorted((each["id"] for each in flows), reverse=True)
    assert len(stored.json("flows", "--device", given, "--limit", "2")) == 2
    assert len(stored.json("flows", "--device", given, "--limit", "0")) == 4
    with storing(stored.state) as store:
        store.upsert_threat(threat(7, kind="before it was merged", device=OLD_MAC))
    kinds = {each["kind"] for each in stored.json("threats", "--device", given)}
    assert kinds == {"port_scan", "before it was merged", "ip_conflict"}, "what was done to it, too"
    with storing(stored.state) as store:
        store.add_flows([flow(9, NOW, device=OLD_MAC, src_ip=0x5DB8D822, dst_ip=0xC0A80105, dst_port=22)])
    newest = next(line for line in stored.cli("flows").stdout.splitlines() if "tcp/22" in line)
    assert "Ada's phone" in newest
    assert " <  93.184.216.34" in newest, "the other side has opened it"


def test_what_several_macs_of_a_device_moved_is_one_row(stored: Home) -> None:
    rows = stored.json("top", "--since", "5 h")
    assert rows == [{"device": MAC, "bytes_in": 10_000_000, "bytes_out": 2500, "flows": 2}]
    assert len(stored.json("top", "--since", "5 h", "--limit", "1")) == 1
    assert "Ada's phone" in stored.cli("top", "--since", "5 h").stdout
