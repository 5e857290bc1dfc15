"""What is made of threats on the page: they are acknowledged, dismissed, muted, and come back."""

import json
from collections.abc import Callable, Iterator

import pytest
from looking import expect, looking
from playwright.sync_api import Browser, Locator, Page, WebSocketRoute
from running import MAC, Daemon, flow_line, until
from threats_kit import DEVICES, OPEN, ROWS, THREATS, api, heed, knowing_threats, wrong
from waiting import eventually

Make = Callable[..., Daemon]


@pytest.fixture(scope="module")
def home() -> Iterator[Daemon]:
    """For those who change something."""
    with knowing_threats() as daemon:
        yield daemon


@pytest.fixture
def changing(home: Daemon) -> Daemon:
    """A daemon whose threats are all open, as in the beginning."""
    with home.client() as client:
        for each in api(home, "threats"):
            client.send(json.dumps({"op": "reopen", "threat": each["id"]}))
        client.send(json.dumps({"op": "ping"}))
        until(client, lambda message: message["type"] == "pong")
    return home


def notices(page: Page) -> Locator:
    """What is said in passing."""
    return page.get_by_role("region", name="Notices")


def status_of(daemon: Daemon, kind: str) -> str:
    """What was made of the threat of this kind."""
    return next(str(each["status"]) for each in api(daemon, "threats") if each["kind"] == kind)


def test_a_threat_is_dismissed_said_once_and_undone(browser: Browser, changing: Daemon) -> None:
    with looking(browser, changing.port) as page:
        said = page.locator("p[role=status][aria-live=polite]")
        heed(page)
        dismiss = wrong(page).nth(1).get_by_role("button", name="Dismiss")
        dismiss.focus()
        page.keyboard.press("Enter")
        expect(wrong(page)).to_have_count(OPEN - 1)
        expect(said).to_have_text("Dismissed: the world comes in")
        # The row that came into its place has the focus, at the same button.
        expect(wrong(page).nth(1).get_by_role("button", name="Dismiss")).to_be_focused()
        assert page.evaluate("window.said") == ["Dismissed: the world comes in"]
        eventually(lambda: status_of(changing, "inbound") == "dismissed")
        notices(page).get_by_role("button", name="Undo").click()
        expect(wrong(page)).to_have_count(OPEN)
        expect(said).to_have_text("Open again: the world comes in")
        eventually(lambda: status_of(changing, "inbound") == "open")


@pytest.mark.slow
def test_the_last_one_that_is_dismissed_leaves_the_focus_at_the_answer(browser: Browser, daemon: Make) -> None:
    with daemon() as started:
        started.emit(flow_line(1), THREATS[0])
        with looking(browser, started.port) as page:
            wrong(page).get_by_role("button", name="Acknowledge").press("Enter")
            answer = page.locator(".wrong .answer")
            expect(answer).to_have_text("Nothing is wrong.")
            expect(answer).to_be_focused()
            known = page.get_by_role("link", name="one threat that is acknowledged")
            expect(known).to_be_visible()
            known.click()
            expect(page.locator(ROWS)).to_have_count(1)
            page.locator(ROWS).get_by_role("button", name="Dismiss").click()
            expect(page.get_by_text("No threat is like that")).to_be_visible()


def test_what_somebody_else_judges_leaves_here_too(browser: Browser, changing: Daemon) -> None:
    with looking(browser, changing.port) as page, changing.client() as other:
        expect(wrong(page)).to_have_count(OPEN)
        wrong(page).first.get_by_role("button", name="Dismiss").focus()
        worst = next(each for each in api(changing, "threats") if each["kind"] == "arp_spoof")
        other.send(json.dumps({"op": "dismiss", "threat": worst["id"]}))
        expect(wrong(page)).to_have_count(OPEN - 1)
        expect(wrong(page).first.get_by_role("button", name="Dismiss")).to_be_focused()
        expect(notices(page).locator("p")).to_have_count(0)
        page.goto(f"http://127.0.0.1:{changing.port}/?view=threats&id={worst['id']}")
        signs = page.locator(".threat .view-head .badge")
        expect(signs).to_have_text(["critical", "dismissed"])
        other.send(json.dumps({"op": "reopen", "threat": worst["id"]}))
        expect(signs).to_have_text(["critical", "open"])
        expect(page.get_by_role("button", name="Reopen")).to_be_hidden()


@pytest.mark.slow
def test_what_is_refused_is_said(browser: Browser, changing: Daemon) -> None:
    def misdirect(socket: WebSocketRoute) -> None:
        """The threat that is meant is gone by the time when netwatchd hears of it."""
        server = socket.connect_to_server()
        socket.on_message(lambda message: server.send(str(message).replace('"threat":1}', '"threat":999}')))
        server.on_message(socket.send)

    with looking(browser, changing.port, None) as page:
        page.route_web_socket("**/ws**", misdirect)
        page.goto(f"http://127.0.0.1:{changing.port}/")
        row = wrong(page).filter(has_text="did port_scan")
        row.get_by_role("button", name="Dismiss").click()
        expect(notices(page).locator(".bad")).to_contain_text("There is no threat 999")
        expect(row.get_by_role("button", name="Dismiss")).not_to_have_attribute("aria-disabled", "true")
        # The others are judged, and what did not work is said beside it.
        page.get_by_role("link", name="All threats").click()
        page.get_by_label("Choose all that are shown").check()
        page.get_by_role("group", name="With those").get_by_role("button", name="Dismiss").click()
        expect(page.locator(ROWS)).to_have_count(1)
        expect(notices(page)).to_contain_text("Not done with 1 of 5 threats: there is no threat 999.")
        expect(notices(page)).to_contain_text("4 threats are dismissed.")


def test_those_that_are_chosen_are_judged_together_and_that_is_undone(browser: Browser, changing: Daemon) -> None:
    with looking(browser, changing.port, "?view=threats") as page:
        page.get_by_label("Choose all that are shown").check()
        page.get_by_label("Choose: the world comes in").uncheck()
        bulk = page.get_by_role("group", name="With those that are chosen")
        expect(bulk).to_contain_text("4 chosen")
        bulk.get_by_role("button", name="Dismiss").click()
        expect(page.locator(ROWS)).to_have_count(1)
        expect(bulk).to_be_hidden()
        expect(page.get_by_role("heading", name="Threats")).to_be_focused()
        page.get_by_role("link", name="Dismissed").click()
        expect(page.locator(ROWS)).to_have_count(4)
        notices(page).filter(has_text="4 threats are dismissed.").get_by_role("button", name="Undo").click()
        expect(page.get_by_text("No threat is like that")).to_be_visible()
        page.get_by_role("link", name="Open", exact=True).click()
        expect(page.locator(ROWS)).to_have_count(5)


@pytest.mark.slow
def test_who_has_judged_a_threat_reads_so(browser: Browser, daemon: Make) -> None:
    with daemon() as started:
        started.emit(*DEVICES, THREATS[0])
        with looking(browser, started.port, "?view=threats&id=1") as page:
            page.get_by_role("button", name="Acknowledge").click()
            expect(page.get_by_role("region", name="What became of it")).to_contain_text("You acknowledged it")
            expect(page.locator(".threat .view-head .badge")).to_have_text(["medium", "acknowledged"])
            expect(page.get_by_role("button", name="Reopen")).to_be_visible()


@pytest.mark.slow
def test_the_line_that_mutes_is_copied_and_the_threat_dismissed_meanwhile(browser: Browser, changing: Daemon) -> None:
    with looking(browser, changing.port, permissions=["clipboard-read", "clipboard-write"]) as page:
        wrong(page).filter(has_text="did port_scan").get_by_role("button", name="Mute").click()
        asked = page.get_by_role("dialog", name="Mute it")
        line = f"mute = port_scan {MAC}"
        expect(asked.get_by_label("The line", exact=True)).to_have_value(line)
        asked.get_by_role("button", name="Copy the line").click()
        expect(asked.get_by_role("status")).to_have_text("The line is copied.")
        assert page.evaluate("navigator.clipboard.readText()") == line
        asked.get_by_role("button", name="Dismiss it for now").click()
        expect(wrong(page)).to_have_count(OPEN - 1)
        # What was copied is what netwatchd understands.
        changing.config.write_text(f"{changing.config.read_text()}\n[threats]\n{line}\n")
        assert changing.cli("check-config").returncode == 0
