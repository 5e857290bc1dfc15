"""In a terminal of 80 columns every verb fits and breaks no word, whatever the network made of names."""

import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from packet_kit import A, B, ethernet, ip4, pcap, tcp
from ports import free_port
from running import MAC, OTHER_MAC, Daemon, scratch
from store_kit import device, flow, storing, threat
from terminal_kit import ESCAPES, terminal, too_wide
from waiting import eventually

from netwatchd.addresses import parse_address
from netwatchd.clock import now
from netwatchd.events import Status

SIX, OTHER_SIX = (parse_address(f"2001:db8:85a3:1234:5678:8a2e:1370:733{n}") for n in (4, 5))
THIRD = "a4:83:e7:00:00:03"
LONG = "my-very-long-host-name-" + "abc" * 10 + ".fritz.box"
WIDE = "電視" * 20
EVIL = "\x1b[31m[bold red]evil[/bold red]\x07\x9b2J\u202etxt.exe"
MUCH = 10**15 - 1
MAKER = "Some Enormous Company of Electronics International Ltd"
VERBS = {
    "devices": ["devices"], "device": ["device", MAC], "flows": ["flows"], "threats": ["threats", "--all"],
    "threat": ["threat", "123456789"], "top": ["top", "--since", "0"],
    "top destination": ["top", "destination", "--since", "0"], "top port": ["top", "port", "--since", "0"],
}  # fmt: skip


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """A database full of what is long, wide or hostile."""
    directory, time = scratch(), now().wall
    with storing(directory) as store:
        store.upsert_device(device(name="x" * 64, vendor=MAKER, kind="access_point", ips=(SIX,), last_seen=time))
        away = {"last_seen": time - 86_400_000 * 400, "status": Status.OFFLINE}
        store.upsert_device(device(OTHER_MAC, hostname=LONG, ips=(0xC0A80106, SIX), kind="thermostat", **away))
        store.upsert_device(device(THIRD, name=WIDE, vendor=MAKER, ips=(0xC0A801F7,), last_seen=time))
        store.upsert_device(device(None, hostname=EVIL, ips=(OTHER_SIX,), last_seen=time))
        many = {"bytes_in": MUCH, "bytes_out": MUCH, "src_ip": SIX, "dst_ip": OTHER_SIX, "dst_port": 65535}
        store.add_flows([flow(n, time + n, state=EVIL, **many) for n in range(3)])
        store.add_flows([flow(5, time - 86_400_000 * 2, device=OTHER_MAC, src_ip=0xC0A80106, dst_ip=0xDEADBEEF)])
        store.add_flows([flow(6, time, device=THIRD, src_ip=0xC0A801F7)])
        store.upsert_threat(threat(
            123456789, kind="dhcp_starvation", severity="critical", count=MUCH,
            description=f"{EVIL} has tried {MUCH:,} addresses. " * 4, recommendation="Look at who did it. " * 9,
            target="a-domain-name-that-is-long." * 4 + "example.org",
            evidence={"names": [EVIL, LONG] * 9, "bytes_in": MUCH, "nested": [{"a": LONG, "b": MUCH}] * 20},
        ))  # fmt: skip
        store.upsert_threat(threat(2, device=THIRD, target=EVIL, description="short"))
    yield directory
    shutil.rmtree(directory)


def environment(place: Path) -> dict[str, str]:
    config = place / "config.ini"
    config.write_text(f"[websocket]\nport = {free_port()}\n")  # where no daemon answers
    return {**os.environ, "NETWATCHD_CONFIG": str(config), "STATE_DIRECTORY": str(place), "TZ": "UTC"}


def words_of(text: str) -> set[str]:
    return set(text.replace("\n", " ").split())


@pytest.mark.parametrize("verb", VERBS)
def test_it_fits_eighty_columns_and_does_nothing_to_the_terminal(place: Path, verb: str) -> None:
    with terminal(VERBS[verb], environment(place)) as shown:
        assert shown.end() == 0, shown.text
    assert too_wide(shown.lines) == []
    # Colours are all that acts on the terminal.
    assert {each[-1] for each in ESCAPES.findall(shown.raw)} <= {"m"}
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", shown.text)
    assert "\x1b[31m[bold" not in shown.raw


@pytest.mark.parametrize("verb", ["devices", "flows", "threats", "top", "top destination", "top port"])
def test_no_word_of_a_table_is_broken_in_two(place: Path, verb: str) -> None:
    with terminal(VERBS[verb], environment(place), columns=900) as roomy:
        roomy.end()
    whole = words_of(roomy.text)
    with terminal(VERBS[verb], environment(place)) as shown:
        shown.end()
    broken = {word for word in words_of(shown.text) if word not in whole and "…" not in word and "─" not in word}
    # What has a column of its own where there is room is in brackets where there is none.
    assert {word for word in broken if not re.fullmatch(r"\([\d,]+|times\)", word)} == set()


@pytest.mark.parametrize("verb", ["devices", "flows", "top"])
def test_more_room_is_used(place: Path, verb: str) -> None:
    shown = {}
    for columns in (80, 200):
        with terminal(VERBS[verb], environment(place), columns=columns) as screen:
            screen.end()
        shown[columns] = screen
    assert too_wide(shown[200].lines, 200) == []
    assert shown[200].text.count("…") < shown[80].text.count("…")


@pytest.mark.parametrize("verb", ["devices", "threats", "top"])
@pytest.mark.parametrize("settings", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_colours_are_left_out_where_they_are_not_wanted(place: Path, verb: str, settings: dict[str, str]) -> None:
    with terminal(VERBS[verb], environment(place), **settings) as shown:
        shown.end()
    assert not re.search(r"\x1b\[[0-9;]*3\dm", shown.raw)
    if "TERM" in settings:
        assert "\x1b" not in shown.raw


@pytest.fixture(scope="module")
def running() -> Iterator[Daemon]:
    """A daemon with a list that cannot be fetched, and a channel of alerts that fails."""
    directory = scratch()
    port = 9  # where nobody listens
    config = (
        f"[blocklists]\nlists = {'long-name-' * 3}=http://127.0.0.1:{port}/{'long-' * 20}list.txt\n"
        f"[alert:webhook]\nurl = http://127.0.0.1:{port}/hook\n"
    )
    with Daemon(directory, config) as daemon:
        daemon.emit({"type": "device", "mac": MAC, "ip": "192.168.1.5", "hostname": LONG})
        daemon.emit({"type": "threat", "kind": "port_scan", "severity": "high", "description": "one"})
        eventually(lambda: daemon.status()["blocklists"][0]["error"])
        yield daemon
    shutil.rmtree(directory)


@pytest.mark.parametrize("verb", [["status"], ["doctor", "--limits"], ["lists"], ["lookup", "203.0.113.9"]])
def test_what_the_daemon_tells_fits_too(running: Daemon, verb: list[str]) -> None:
    with terminal(verb, running.environment) as shown:
        assert shown.end() in (0, 1), shown.text  # doctor finds something broken
    assert too_wide(shown.lines) == []


def test_status_says_first_whether_all_is_well(running: Daemon) -> None:
    with terminal(["status"], running.environment) as shown:
        shown.end()
    first, *troubles = shown.lines[:5]
    assert first == "not well: 2 troubles"
    assert troubles[0].startswith("  alerts by webhook fail: ")
    assert troubles[1].startswith("  list long-name-long-name-long-name- is missing: ")
    assert "1 threat open: netwatchd threats" in shown.text
    order = ["netwatchd ", "source json ", "devices ", "received ", "database ", "clients ", "alerts by ntfy"]
    order += ["list long-", "dropped "]
    places = [shown.text.index(f"\n{label}") for label in order]
    assert places == sorted(places)
    assert "\x1b[32mon" in shown.raw and "\x1b[1;31mnot well" in shown.raw


def test_status_without_a_daemon_says_so_first(place: Path) -> None:
    with terminal(["status"], environment(place)) as shown:
        assert shown.end() == 69
    said, first, *_ = shown.lines
    assert "does not answer" in said and first == "not running"


def test_status_says_that_all_is_well(daemon: Callable[..., Daemon]) -> None:
    with daemon() as started:
        assert started.cli("status").stdout.startswith("all is well\nnetwatchd ")


def test_what_a_replay_tells_fits_too(tmp_path: Path) -> None:
    capture = tmp_path / f"{LONG}.pcap"
    frames = [ethernet(ip4(tcp(40000, port, flags=2), A, B, 6)) for port in range(1, 200)]
    capture.write_bytes(pcap([(1_795_435_200_000_000 + number * 10_000, frame) for number, frame in enumerate(frames)]))
    words = environment(tmp_path) | {"RUNTIME_DIRECTORY": str(tmp_path)}
    with terminal(["replay", "--quiet", str(capture), "--into", str(tmp_path / "into")], words) as shown:
        assert shown.end() == 0, shown.text
    told = [line for line in shown.lines if str(tmp_path) not in line]
    assert "port_scan" in shown.text
    assert too_wide(told) == []
