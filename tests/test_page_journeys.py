"""The page as people use it: what happens is seen at once, also after losses, restarts and sleep; deeds are done."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from faults_kit import storage
from looking import devtools, expect, live, looking
from playwright.sync_api import Browser, Page
from proxy_kit import Proxy, proxied
from running import MAC, OTHER_MAC, Daemon, flow_line, locked
from waiting import eventually
from websocket_kit import certificate

Make = Callable[..., Daemon]


def flow(number: int, **fields: Any) -> dict[str, Any]:
    """A flow of the first device."""
    return flow_line(1000 + number, **({"dst_port": 443} | fields))


def threat(number: int, **fields: Any) -> dict[str, Any]:
    """A threat of the first device."""
    return {
        "type": "threat", "kind": f"odd_{number}", "severity": "high", "device": MAC, "description": f"thing {number}",
    } | fields  # fmt: skip


DEVICE = {"type": "device", "mac": MAC, "ip": "192.168.1.5", "hostname": "nas"}
OTHER = {"type": "device", "mac": OTHER_MAC, "ip": "192.168.1.6", "hostname": "laptop"}


def rows(page: Page) -> Any:
    """The rows of flows that are shown."""
    return page.locator("table.list.long tbody:not(.spacer) tr")


def toasts(page: Page) -> Any:
    """What is said in the corner."""
    return page.locator(".toast")


def test_what_happens_is_seen_without_a_reload(browser: Browser, daemon: Make) -> None:
    with daemon(storage()) as started, looking(browser, started.port) as page:
        live(page)
        page.evaluate("window.isStill = true")
        started.emit(DEVICE, threat(1))
        expect(page.get_by_role("link", name="Thing 1")).to_be_visible()
        expect(page).to_have_title("(1) Overview · netwatchd")
        expect(page.get_by_role("navigation", name="Views").get_by_text("1", exact=True)).to_be_visible()
        page.get_by_role("link", name="Flows", exact=True).click()
        expect(page.get_by_text("No flows yet")).to_be_visible()
        started.emit(flow(1))
        expect(rows(page)).to_have_count(1)
        expect(rows(page)).to_contain_text("nas")
        assert page.evaluate("window.isStill")


@contextmanager
def behind(browser: Browser, daemon: Daemon, at: str = "", **settings: Any) -> Iterator[tuple[Page, Proxy]]:
    """A page that reaches its daemon by a proxy that can cut it off."""
    with proxied(daemon.port) as proxy, looking(browser, proxy.port, at, losing=True, **settings) as page:
        live(page)
        yield page, proxy


@pytest.mark.slow
def test_who_was_cut_off_is_told_what_was_missed_once_and_without_a_word(browser: Browser, daemon: Make) -> None:
    with daemon(storage()) as started:
        started.emit(DEVICE, flow(1))
        with behind(browser, started, "?view=flows") as (page, proxy):
            expect(rows(page)).to_have_count(1)
            proxy.cut()
            expect(page.locator(".state")).to_contain_text("reconnecting, ")
            started.emit(OTHER, threat(1), flow(2), flow(3, src_ip="192.168.1.6"))
            proxy.is_open = True
            live(page)
            expect(rows(page)).to_have_count(3)
            expect(rows(page).first).to_contain_text("laptop")
            expect(page).to_have_title("(1) Flows · netwatchd")
            expect(toasts(page).filter(has_text="did not reach")).to_have_count(0)


def test_after_a_restart_all_is_there_and_nothing_twice(browser: Browser, daemon: Make) -> None:
    with daemon(storage()) as started, looking(browser, started.port, "?view=flows", losing=True) as page:
        live(page)
        started.emit(DEVICE, threat(1), flow(1))
        expect(rows(page)).to_have_count(1)
        assert started.stop() == 0
        expect(page.locator(".state")).to_contain_text("reconnecting, ")
        started.start()
        started.emit(OTHER, threat(2), flow(2, src_ip="192.168.1.6"))
        live(page)
        expect(rows(page)).to_have_count(2)
        expect(rows(page).first).to_contain_text("laptop")
        expect(page).to_have_title("(2) Flows · netwatchd")


@pytest.mark.slow
def test_how_old_it_is_counts_up_while_nothing_comes(browser: Browser, daemon: Make) -> None:
    with daemon() as started, behind(browser, started) as (page, proxy):
        proxy.cut()
        expect(page.locator(".state")).to_have_text("reconnecting, 12 s old")
        expect(page.get_by_text("netwatchd has not been heard for")).to_be_visible()
        proxy.is_open = True
        page.get_by_role("button", name="Try now").click()
        live(page)
        expect(page.locator(".banner")).to_have_count(0)


@pytest.mark.slow
def test_a_gap_is_said_and_what_it_took_is_asked_for(browser: Browser, daemon: Make) -> None:
    small = daemon(storage())
    small.config.write_text(small.config.read_text().replace("[websocket]\n", "[websocket]\nresume_size = 100\n"))
    with small:
        small.emit(DEVICE, flow(1))
        with behind(browser, small, "?view=flows") as (page, proxy):
            expect(rows(page)).to_have_count(1)
            proxy.cut()
            expect(page.locator(".state")).to_contain_text("reconnecting, ")
            # More than the daemon remembers for those who come back.
            for first in range(2, 302, 50):
                small.emit(threat(1), *(flow(number) for number in range(first, first + 50)))
            proxy.is_open = True
            live(page)
            expect(toasts(page).filter(has_text="updates did not reach this browser")).to_have_count(1)
            expect(page.locator(".toolbar-count")).to_have_text("301 shown")
            expect(page).to_have_title("(1) Flows · netwatchd")


@pytest.mark.slow
def test_a_tab_that_was_frozen_goes_on_where_it_was(browser: Browser, daemon: Make) -> None:
    with daemon(storage()) as started, looking(browser, started.port, "?view=flows", alone=True) as page:
        live(page)
        tools = devtools(page)
        tools.send("Page.setWebLifecycleState", {"state": "frozen"})
        started.emit(DEVICE, threat(1), *(flow(number) for number in range(50)))
        tools.send("Page.setWebLifecycleState", {"state": "active"})
        expect(page.locator(".toolbar-count")).to_have_text("50 shown")
        expect(page).to_have_title("(1) Flows · netwatchd")
        live(page)


@pytest.mark.slow
def test_what_was_asked_for_is_asked_anew_after_a_sleep_and_after_a_loss(browser: Browser, daemon: Make) -> None:
    with daemon(storage()) as started, ExitStack() as pages:
        started.emit(DEVICE, flow(1, bytes_in=1_000_000))
        eventually(lambda: len(started.flows()) == 1)
        views = ["?view=traffic&range=7d", f"?view=device&device={MAC}"]
        traffic, device = (
            pages.enter_context(looking(browser, started.port, view, losing=True, alone=True)) for view in views
        )
        expect(traffic.locator(".traffic-sums")).to_contain_text("1.0 MB")
        moved = device.get_by_role("region", name="What it moved")
        expect(moved).to_contain_text("1.0 MB down")
        started.emit(flow(2, bytes_in=2_000_000))
        eventually(lambda: len(started.flows()) == 2)
        for page in (traffic, device):  # as a browser says that it had frozen a tab
            page.evaluate("document.dispatchEvent(new Event('resume'))")
        expect(traffic.locator(".traffic-sums")).to_contain_text("3.0 MB")
        expect(moved).to_contain_text("3.0 MB down")
        started.stop()
        with closing(sqlite3.connect(started.state / "core.db", isolation_level=None)) as db:
            db.execute("UPDATE hourly_devices SET bytes_in = bytes_in + 4000000")
        started.start()
        expect(traffic.locator(".traffic-sums")).to_contain_text("7.0 MB")
        expect(moved).to_contain_text("7.0 MB down")
        started.cli("name", MAC, "Cellar")
        expect(traffic.locator("select option")).to_have_text(["all devices", "Cellar"])
        expect(traffic.get_by_role("region", name="Devices")).to_contain_text("Cellar")


@pytest.mark.slow
def test_a_threat_is_acknowledged_dismissed_and_taken_back(browser: Browser, daemon: Make) -> None:
    with daemon(storage()) as started:
        started.emit(DEVICE, threat(1), threat(2))
        statuses = "SELECT status FROM threats ORDER BY id"
        with looking(browser, started.port) as page, looking(browser, started.port) as other:
            one = page.locator("li", has=page.get_by_role("link", name="Thing 1"))
            one.get_by_role("button", name="Dismiss").click()
            expect(page.get_by_role("link", name="Thing 1")).to_have_count(0)
            expect(page).to_have_title("(1) Overview · netwatchd")
            expect(other).to_have_title("(1) Overview · netwatchd")
            eventually(lambda: started.core(statuses) == [("dismissed",), ("open",)])
            toasts(page).get_by_role("button", name="Undo").click()
            expect(page.get_by_role("link", name="Thing 1")).to_have_count(1)
            two = page.locator("li", has=page.get_by_role("link", name="Thing 2"))
            two.get_by_role("button", name="Acknowledge").click()
            expect(page.get_by_role("link", name="Thing 2")).to_have_count(0)
            eventually(lambda: started.core(statuses) == [("open",), ("acknowledged",)])
            page.reload()
            expect(page).to_have_title("(1) Overview · netwatchd")
            expect(page.get_by_role("link", name="Thing 2")).to_have_count(0)


def test_what_is_done_but_not_stored_yet_is_said_and_stored_when_it_can_be(browser: Browser, daemon: Make) -> None:
    with daemon(storage()) as started:
        started.emit(DEVICE, threat(1), threat(2))
        eventually(lambda: len(started.core("SELECT id FROM threats")) == 2)
        with looking(browser, started.port) as page:
            two = page.locator("li", has=page.get_by_role("link", name="Thing 2"))
            two.get_by_role("button", name="Acknowledge").click()
            expect(toasts(page)).to_have_text("Acknowledged: thing 2Undo×")
            with locked(started.state / "core.db"):
                one = page.locator("li", has=page.get_by_role("link", name="Thing 1"))
                one.get_by_role("button", name="Dismiss").click()
                expect(page.get_by_role("link", name="Thing 1")).to_have_count(0)
                said = toasts(page).filter(has_text="Dismissed, but not stored yet: ")
                expect(said).to_contain_text("netwatchd keeps it in memory, and stores it as soon as it can.")
                expect(toasts(page)).to_have_count(2)
                expect(page.locator(".banner")).to_contain_text("cannot be written. Meanwhile 1 record waits")
                expect(page.locator(".troubles")).to_contain_text("The database cannot be written: database is locked")
            statuses = "SELECT status FROM threats ORDER BY id"
            eventually(lambda: started.core(statuses) == [("dismissed",), ("acknowledged",)])
            expect(page.locator(".banner")).to_have_count(0)
            expect(page.locator(".troubles")).not_to_contain_text("database")
            said.get_by_role("button", name="Undo").click()
            expect(page.get_by_role("link", name="Thing 1")).to_be_visible()


@pytest.mark.slow
def test_of_two_tabs_the_one_says_that_you_did_it_and_the_other_one_that_somebody_did(
    browser: Browser, daemon: Make
) -> None:
    with daemon(storage()) as started:
        started.emit(DEVICE, threat(1))
        eventually(lambda: started.core("SELECT id FROM threats"))
        at = "?view=threats&id=1"
        with looking(browser, started.port, at) as page, looking(browser, started.port, at) as other:
            live(other)
            page.get_by_role("button", name="Acknowledge").click()
            said = [each.get_by_role("region", name="What became of it") for each in (page, other)]
            expect(said[0]).to_contain_text("You acknowledged it")
            expect(said[1]).to_contain_text("Somebody acknowledged it")
            expect(toasts(page)).to_contain_text("Acknowledged: thing 1")
            toasts(page).get_by_role("button", name="Undo").click()
            for each in (page, other):
                expect(each.locator(".threat .view-head .badge")).to_have_text(["high", "open"])
                expect(each.get_by_role("region", name="What became of it")).to_have_count(0)
            other.get_by_role("button", name="Dismiss").click()
            expect(said[0]).to_contain_text("Somebody dismissed it")
            expect(said[1]).to_contain_text("You dismissed it")
            expect(toasts(other)).to_have_count(1)


@pytest.mark.slow
@pytest.mark.parametrize("prefix", ["/netwatchd/", "/a/b%20c/"])
def test_it_lies_below_a_path_of_a_reverse_proxy(browser: Browser, daemon: Make, prefix: str) -> None:
    with daemon(storage()) as started, proxied(started.port, prefix, "X-Forwarded-For: 192.0.2.1\r\n") as proxy:
        started.emit(DEVICE, threat(1), flow(1))
        with looking(browser, proxy.port, f"{prefix[1:]}?view=flows") as page:
            live(page)
            expect(rows(page)).to_have_count(1)
            page.get_by_role("link", name="netwatchd", exact=True).click()
            expect(page.get_by_role("link", name="Thing 1")).to_be_visible()
            page.reload()
            live(page)
            assert page.evaluate("location.pathname") == prefix


@pytest.mark.slow
def test_a_websocket_of_a_name_that_is_not_allowed_is_explained(browser: Browser, daemon: Make) -> None:
    # The proxy asks under its own name, as nginx does where nothing else is said: the page comes, not its WebSocket.
    with daemon(storage()) as started, proxied(started.port, rename=f"127.0.0.1:{started.port}") as proxy:
        with looking(browser, proxy.port, losing=True, refused=True) as page:
            expect(page.get_by_text(f"http://127.0.0.1:{proxy.port} has to stand in allowed_origins")).to_be_visible()
        started.stop()
        allowed = f"[websocket]\nallowed_origins = http://127.0.0.1:{proxy.port}\n"
        started.config.write_text(started.config.read_text().replace("[websocket]\n", allowed))
        started.start()
        with looking(browser, proxy.port) as page:
            live(page)


@pytest.mark.slow
def test_it_speaks_tls_and_ipv6(browser: Browser, daemon: Make, tmp_path: Path) -> None:
    pem, key = certificate(tmp_path)
    started = daemon(storage())
    more = f"host = ::1\ntoken = correct-horse\ntls_certificate = {pem}\ntls_key = {key}"
    started.config.write_text(started.config.read_text().replace("[websocket]\n", f"[websocket]\n{more}\n"))
    with started, looking(browser, started.port, None, losing=True, host="[::1]", scheme="https",
                          ignore_https_errors=True) as page:  # fmt: skip
        page.goto(f"https://[::1]:{started.port}/?view=status#token=correct-horse")
        live(page)
        assert (
            page.evaluate("performance.getEntriesByType('resource').filter((each) => !each.name.includes('[::1]'))")
            == []
        )


@pytest.mark.slow
def test_a_token_that_is_kept_in_one_tab_opens_the_other_ones(browser: Browser, daemon: Make) -> None:
    guarded = daemon()
    guarded.config.write_text(guarded.config.read_text().replace("[websocket]\n", "[websocket]\ntoken = secretly\n"))
    with guarded, looking(browser, guarded.port, losing=True) as page:
        other = page.context.new_page()
        other.goto(page.url)
        expect(other.locator(".state")).to_have_text("a token is needed")
        asks = page.get_by_role("dialog", name="A token is needed")
        asks.get_by_label("Token").fill("secretly")
        asks.get_by_label("Keep it on this device").check()
        asks.get_by_role("button", name="Connect").click()
        live(page)
        live(other)
        expect(other.get_by_role("dialog")).to_have_count(0)


@pytest.mark.slow
def test_a_page_that_is_kept_to_go_back_to_has_no_connection_and_goes_on_when_it_is_shown(
    browser: Browser, daemon: Make
) -> None:
    # The events are those of the browser, which keeps no page while it is driven.
    turn = "(name) => { dispatchEvent(new PageTransitionEvent(name, { persisted: true })); }"
    with daemon(storage()) as started, looking(browser, started.port, "?view=flows") as page:
        live(page)
        page.evaluate(turn, "pagehide")
        eventually(lambda: started.status()["clients"] == 0)
        started.emit(DEVICE, flow(1))
        expect(page.locator(".state")).to_contain_text("reconnecting, ")
        page.evaluate(turn, "pageshow")
        live(page)
        expect(rows(page)).to_have_count(1)
        expect(toasts(page)).to_have_count(0)
