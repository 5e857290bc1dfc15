"""`top --live` shows who moves most now, in place, and leaves the terminal as it was."""

import signal
from collections.abc import Callable

import pytest
from running import MAC, OTHER_MAC, Daemon, flow_line
from terminal_kit import ESCAPES, Terminal, terminal, too_wide
from waiting import eventually

from netwatchd.cli.moved import Moved, Sum

Make = Callable[..., Daemon]
ENTER, LEAVE = "\x1b[?1049h", "\x1b[?1049l"
LIVE = ["top", "--live", "--interval", "1 s"]


def filled(running: Daemon) -> None:
    running.emit(
        {"type": "device", "mac": MAC, "ip": "192.168.1.5", "hostname": "tv"},
        {"type": "device", "mac": OTHER_MAC, "ip": "192.168.1.6", "hostname": "\x1b[31mphone" + "-long" * 30},
        flow_line(1, bytes_in=10**9), flow_line(2, src_ip="192.168.1.6", bytes_in=10**6),
    )  # fmt: skip
    eventually(lambda: len(running.flows()) == 2)


def page(screen: Terminal) -> list[str]:
    """The last whole page that was drawn."""
    pages = screen.raw.split("\x1b[H")
    return [line.rstrip() for line in ESCAPES.sub("", pages[-2]).replace("\r\n", "\n").split("\n")]


def test_it_shows_what_is_moved_now_beside_the_sums_and_sorts_by_it(daemon: Make) -> None:
    with daemon() as running:
        filled(running)
        with terminal(LIVE, running.environment) as screen:
            before = screen.mode()
            screen.until("q quit")
            screen.until("sums since")  # it is connected
            first = screen.raw
            assert first.index("tv ") < first.index("[31mphone") and "1.0 GB" in first
            number = 100
            while "kB/s" not in screen.raw and "MB/s" not in screen.raw:
                number += 1
                running.emit(flow_line(number, src_ip="192.168.1.6", bytes_in=10**6))
                at = screen.until("top by device", len(screen.raw))
                screen.until("q quit", at)
            told = screen.raw[screen.raw.rindex("top by device") :]
            assert told.index("[31mphone") < told.index("tv "), "who moves now stands first"
            screen.type("t")
            at = screen.until("top by destination", len(first))
            screen.until("93.184.216.34", at)
            screen.type("p")
            screen.until("top by port", at)
            screen.resize(120, 30)
            screen.until("q quit", screen.until("top by port", len(screen.raw)))
            screen.type("q")
            assert screen.end() == 0
            assert screen.mode() == before
    assert screen.raw.startswith(ENTER) and screen.raw.endswith(LEAVE)
    assert "\x1b[31mphone" not in screen.raw
    assert too_wide(page(screen), 120) == []


def test_it_fits_eighty_columns_and_twenty_four_lines(daemon: Make) -> None:
    with daemon() as running:
        filled(running)
        running.emit(
            *(flow_line(n, dst_ip=f"2001:db8:85a3:1234:5678:8a2e:1370:{n:x}", src_ip="fd00::5") for n in range(9, 99))
        )
        eventually(lambda: len(running.flows()) > 90)
        with terminal([*LIVE[:1], "destination", *LIVE[1:]], running.environment) as screen:
            screen.until("q quit", screen.until("q quit"))
            screen.type("q")
            assert screen.end() == 0
    assert too_wide(page(screen)) == []
    assert len(page(screen)) <= 24
    assert page(screen)[-1].endswith("q quit")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_however_it_ends_the_terminal_is_as_before(daemon: Make, number: signal.Signals, code: int) -> None:
    with daemon() as running:
        filled(running)
        with terminal(LIVE, running.environment) as screen:
            before = screen.mode()
            screen.until("q quit")
            if number == signal.SIGINT:
                screen.type("\x03")
            else:
                screen.process.send_signal(number)
            assert screen.end() == code
            assert screen.mode() == before
    assert screen.raw.endswith(LEAVE) and "\x1b[?25h" in screen.raw


def test_without_a_daemon_the_sums_are_shown_and_why_there_is_no_more(daemon: Make) -> None:
    with daemon() as running:
        filled(running)
        running.stop()
        with terminal(LIVE, running.environment) as screen:
            screen.until("tv")
            screen.until("does not answer")
            screen.type("q")
            assert screen.end() == 0
        with terminal(["top", "--live", "--state", str(running.state)], running.environment) as screen:
            screen.until("tv")
            screen.type("q")
            assert screen.end() == 0


def test_into_a_pipe_and_in_a_dumb_terminal_it_is_refused(daemon: Make) -> None:
    stopped = daemon()
    with stopped:
        filled(stopped)
    answer = stopped.cli("top", "--live")
    assert (answer.returncode, "needs a terminal" in answer.stderr) == (2, True)
    assert stopped.cli("top", "--live", "--interval", "1 ms").returncode == 2
    with terminal(LIVE, stopped.environment, TERM="dumb") as screen:
        assert screen.end() == 2
    with terminal(LIVE, stopped.environment | {"STATE_DIRECTORY": "/nowhere"}) as screen:
        assert screen.end() == 69


# What is moved.


def told(moved: Moved, number: int, state: str, bytes_in: int, start: int = 1000, **more: object) -> None:
    flow = {
        "id": number, "start": start, "end": 3000, "src_ip": "10.0.0.5", "dst_ip": "8.8.8.8", "dst_port": 53,
        "protocol": "udp", "bytes_out": 0, "bytes_in": bytes_in, "state": state, "device": MAC,
    }  # fmt: skip
    moved.take({"type": "flow_update", "seq": 1, "time": 1, "flow": flow | more})


def test_what_a_flow_has_grown_by_counts_and_not_what_it_had_before() -> None:
    moved = Moved(began=2000)
    told(moved, 1, "active", 1000)
    assert moved.taken()["device"] == {MAC: Sum(0, 0, 1)}
    told(moved, 1, "active", 1500)
    told(moved, 1, "closed", 1600)
    told(moved, 2, "new", 70, start=2500)
    assert moved.taken()["device"] == {MAC: Sum(670, 0, 1)}
    assert moved.taken()["device"] == {}
    told(moved, 3, "closed", 1000)  # half of its time was before
    assert moved.taken()["port"] == {"udp/53": Sum(500, 0, 1)}


def test_traffic_counts_as_the_device_sees_it() -> None:
    moved = Moved(began=0)
    device = {"mac": MAC, "macs": [OTHER_MAC], "ips": ["10.0.0.5"], "ip": "10.0.0.5"}
    moved.take({"type": "snapshot", "seq": 1, "devices": [device], "threats": [], "stats": {}})
    told(moved, 1, "closed", 100, src_ip="8.8.8.8", dst_ip="10.0.0.5", device=OTHER_MAC)
    taken = moved.taken()
    assert taken["device"] == {MAC: Sum(0, 100, 1)}
    assert taken["destination"] == {"8.8.8.8": Sum(0, 100, 1)}


def test_made_up_addresses_do_not_fill_the_memory() -> None:
    moved = Moved(began=0)
    for number in range(30_000):
        told(moved, number, "closed", 1, dst_ip=f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
    taken = moved.taken()["destination"]
    assert len(taken) == 20_001 and taken[None].bytes_in == 10_000
