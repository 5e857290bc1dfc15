"""The page's connection: where it goes on after a loss, what it makes of gaps, sleep, clocks and nonsense.

Its daemon is the test: it says exactly what is to be said when, and cuts off where it wants.
"""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from looking import expect, live, looking
from playwright.sync_api import Browser, Page, WebSocketRoute
from running import Daemon
from waiting import eventually

STATS: dict[str, Any] = {"uptime": 1, "devices": 0, "dropped": {}, "lost": {}, "database": {"state": "ok"}}


def device(number: int, **fields: Any) -> dict[str, Any]:
    """A device as messages tell it."""
    mac = f"02:00:00:00:00:{number:02x}"
    return {
        "mac": mac, "ips": [f"10.0.0.{number}"], "ip": f"10.0.0.{number}", "hostname": f"host{number}", "vendor": None,
        "name": None, "first_seen": 1795426694503, "last_seen": 1795426694503, "status": "online", "random_mac": False,
        "bytes_in": 0, "bytes_out": 0, "sources": ["json"], "kind": None, "model": None, "macs": [mac], "evidence": [],
        "usual_silence": None,
    } | fields  # fmt: skip


class Told:
    """Stands for the daemon of a page: `socket` is the connection now, `urls` those of all until now."""

    def __init__(self, page: Page) -> None:
        self.urls: list[dict[str, str]] = []
        self.ops: list[dict[str, Any]] = []
        self.mute = False  # nothing is answered, as by who is not there any more
        self.socket: WebSocketRoute
        page.route_web_socket("**/ws*", self._meet)

    def _meet(self, socket: WebSocketRoute) -> None:
        self.socket = socket
        socket.on_message(self._hear)
        self.urls.append(dict(parse_qsl(urlsplit(socket.url).query)))

    def _hear(self, text: str | bytes) -> None:
        self.ops.append(json.loads(text))
        if self.ops[-1]["op"] == "ping" and not self.mute:
            self.say(type="pong")

    def say(self, **message: Any) -> None:
        """Sends a message."""
        self.socket.send(json.dumps(message))

    def hello(self, seq: int, epoch: str = "one") -> None:
        """What is said first."""
        self.say(type="hello", server="netwatchd/1", protocol=1, epoch=epoch, seq=seq)

    def snapshot(self, seq: int, *devices: dict[str, Any]) -> None:
        """The whole state."""
        self.say(type="snapshot", seq=seq, devices=list(devices), threats=[], stats=STATS)

    def cut(self, page: Page) -> dict[str, str]:
        """Cuts the connection off; returns what the next one asks for."""
        count = len(self.urls)
        self.socket.close()
        expect(page.locator(".state")).to_contain_text("reconnecting")
        while len(self.urls) == count:
            page.wait_for_timeout(20)
        return self.urls[-1]


@pytest.fixture(scope="module")
def page(browser: Browser, idle: Daemon) -> Iterator[Page]:
    """A page that is loaded anew by each test that tells it something, and not before."""
    with looking(browser, idle.port, None) as shown:
        yield shown


@pytest.fixture
def told(page: Page, idle: Daemon) -> Told:
    """A page that is live at the number 7, with one device."""
    stand_in = Told(page)
    page.goto(f"http://127.0.0.1:{idle.port}/?view=status")
    expect(page.locator(".state")).to_have_text("connecting")
    stand_in.hello(7)
    stand_in.snapshot(7, device(1))
    live(page)
    return stand_in


def test_it_goes_on_after_the_last_message_that_was_taken(page: Page, told: Told) -> None:
    assert told.urls == [{}]
    told.say(type="device_update", seq=8, time=1, device=device(2))
    assert told.cut(page) == {"epoch": "one", "since": "8"}
    told.hello(12)  # where the stream stands is not where the page stands
    live(page)
    assert told.cut(page) == {"epoch": "one", "since": "8"}


@pytest.mark.slow
def test_of_another_run_nothing_is_known_until_its_snapshot_is_here(page: Page, told: Told) -> None:
    told.cut(page)
    told.hello(3, epoch="two")
    live(page)
    assert told.cut(page) == {}
    told.hello(4, epoch="two")
    told.say(type="gap", seq=4, missed=[1, 4], reason="another run")
    told.snapshot(4)
    live(page)
    assert told.cut(page) == {"epoch": "two", "since": "4"}


def test_after_a_gap_the_position_stays_until_the_snapshot_that_is_asked_for_is_here(page: Page, told: Told) -> None:
    told.say(type="gap", seq=20, missed=[8, 20], reason="slow client")
    told.say(type="device_update", seq=21, time=1, device=device(2))
    expect(page.locator(".toast")).to_contain_text("13 updates did not reach this browser")
    eventually(lambda: page.evaluate("1") and {"op": "snapshot"} in told.ops)
    assert told.cut(page) == {"epoch": "one", "since": "7"}
    told.hello(21)
    told.say(type="gap", seq=20, missed=[8, 20], reason="slow client")
    told.snapshot(21, device(3))
    told.say(type="device_update", seq=22, time=1, device=device(4))
    live(page)
    assert told.cut(page) == {"epoch": "one", "since": "22"}


@pytest.mark.slow
def test_gaps_without_end_do_not_keep_the_snapshot_from_being_asked_for(page: Page, told: Told) -> None:
    seq = 7
    while {"op": "snapshot"} not in told.ops:
        seq += 1
        told.say(type="gap", seq=seq, missed=[seq, seq], reason="overload")
        page.wait_for_timeout(100)
        assert seq < 600
    assert seq > 8


@pytest.mark.slow
def test_nonsense_and_messages_of_other_types_change_nothing(page: Page, told: Told) -> None:
    for text in ("", "{", "null", "7", '"text"', "[]", '{"type": 7}', '{"seq": 9}', '{"type": "__proto__"}'):
        told.socket.send(text)
    told.say(type="news", seq=8, what="of a later version")
    told.say(type="news", seq=2**60)
    told.say(type="news", seq="9")
    told.say(type="error", op="nothing", message="that was not asked")
    told.say(type="pong")
    told.say(type="stats", seq=9, time=1, stats=STATS)
    assert told.cut(page) == {"epoch": "one", "since": "9"}


@pytest.mark.slow
def test_who_slept_for_days_goes_on_at_once_and_says_how_old_it_was(page: Page, told: Told) -> None:
    count = len(told.urls)
    told.mute = True
    page.evaluate("() => { const real = Date.now; Date.now = () => real() + 2 * 86_400_000; }")
    expect(page.locator(".state")).to_contain_text("reconnecting, 2 d 0 h old")
    assert told.urls[count:] == [{"epoch": "one", "since": "7"}]
    told.hello(9)
    told.say(type="stats", seq=9, time=1, stats=STATS)
    live(page)


@pytest.mark.slow
def test_a_clock_that_is_set_back_makes_nobody_wait_for_hours(page: Page, told: Told) -> None:
    page.evaluate("() => { const real = Date.now; Date.now = () => real() - 86_400_000; }")
    told.cut(page)
    expect(page.locator(".state")).to_have_text("reconnecting, 2 s old")


@pytest.mark.slow
def test_a_daemon_that_says_nothing_any_more_is_left(page: Page, told: Told) -> None:
    told.mute = True
    # Thirteen seconds later by the clock: nothing came, so that it is asked, and does not answer.
    page.evaluate("() => { const real = Date.now; Date.now = () => real() + 13_000; }")
    eventually(lambda: page.evaluate("1") and {"op": "ping", "stored": False} in told.ops)
    count = len(told.urls)
    expect(page.locator(".state")).to_contain_text("reconnecting, ")
    eventually(lambda: page.evaluate("1") and len(told.urls) > count)
    assert told.urls[-1] == {"epoch": "one", "since": "7"}


@pytest.mark.slow
def test_a_websocket_that_a_proxy_does_not_pass_on_is_said(page: Page, idle: Daemon) -> None:
    page.route_web_socket("**/ws*", lambda socket: socket.close())
    page.goto(f"http://127.0.0.1:{idle.port}/")
    expect(page.get_by_text("netwatchd answers, but not over the WebSocket")).to_be_visible()
