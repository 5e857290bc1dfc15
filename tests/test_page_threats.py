"""Whether anything is wrong, as the page tells it: threats are listed, acknowledged, dismissed, and come back."""

import csv
import io
import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from faults_kit import storage
from looking import expect, looking
from playwright.sync_api import Browser, Locator, Page, WebSocketRoute
from running import MAC, OTHER_MAC, Daemon, flow_line, scratch, until
from waiting import eventually
from websocket_kit import get

Make = Callable[..., Daemon]
HOSTILE = "<img src=x onerror=alert(1)>"
ROWS = ".threats table.list tbody:not(.spacer) tr"


def threat(kind: str = "port_scan", **fields: Any) -> dict[str, Any]:
    """A threat as another program tells it."""
    return {"type": "threat", "kind": kind, "description": f"somebody did {kind}", "device": MAC} | fields


DEVICES: list[dict[str, Any]] = [
    {"type": "device", "mac": MAC, "ip": "192.168.1.5", "hostname": "nas", "name": "Big box"},
    {"type": "device", "mac": OTHER_MAC, "ip": "192.168.1.6", "hostname": HOSTILE},
]
EVIDENCE = {
    "ports_tried": 1234, "bytes_out": 2_100_000, "seconds": 40.2, "start": 1795426694503,
    "examples": ["tcp/22", HOSTILE], "claims": {OTHER_MAC: 3, "192.168.1.5": 1}, "slow": False,
    "peers": [f"203.0.113.{number}" for number in range(40)],
}  # fmt: skip
THREATS = [
    threat("port_scan", severity="medium", target="192.168.1.6:22", recommendation="look at it", evidence=EVIDENCE),
    threat(
        "arp_spoof", severity="critical", device=OTHER_MAC, target="192.168.1.1", description=f"{HOSTILE} claims it"
    ),
    threat("beacon", severity="low", target="203.0.113.9:443", count=12),
    threat("inbound", severity="high", device="198.51.100.7", target="tcp/22", description="the world comes in"),
    threat("new_device", severity="info", description="a new device: Big box"),
]
OPEN = 4  # without news


@pytest.fixture(scope="module")
def home() -> Iterator[Daemon]:
    """A daemon that knows some threats, in which nobody changes anything."""
    with Daemon(scratch(), storage()) as daemon:
        assert daemon.emit(*DEVICES, *THREATS) == []
        eventually(lambda: len(api(daemon, "threats")) == len(THREATS))
        yield daemon


@pytest.fixture(scope="module")
def other_home() -> Iterator[Daemon]:
    """The same, for those who change something."""
    with Daemon(scratch(), storage()) as daemon:
        assert daemon.emit(*DEVICES, *THREATS) == []
        eventually(lambda: len(api(daemon, "threats")) == len(THREATS))
        yield daemon


@pytest.fixture
def changing(other_home: Daemon) -> Daemon:
    """A daemon whose threats are all open, as in the beginning."""
    with other_home.client() as client:
        for each in api(other_home, "threats"):
            client.send(json.dumps({"op": "reopen", "threat": each["id"]}))
        client.send(json.dumps({"op": "ping"}))
        until(client, lambda message: message["type"] == "pong")
    return other_home


def api(daemon: Daemon, name: str) -> Any:
    """What a question is answered, of threats of any status."""
    _, reply = get(daemon.port, f"/api/{name}?status=all&limit=1000")
    return json.loads(reply.partition("\r\n\r\n")[2])


def live(page: Page) -> None:
    """Waits until the page is live."""
    expect(page.locator(".state")).to_have_text("live")


def wrong(page: Page) -> Locator:
    """The rows of the overview's first section."""
    return page.locator(".wrong-row")


def notices(page: Page) -> Locator:
    """What is said in passing."""
    return page.get_by_role("region", name="Notices")


def heed(page: Page) -> None:
    """Keeps what screen readers are told, as `said`."""
    page.evaluate("""() => {
      window.said = [];
      const node = document.querySelector("p[role=status][aria-live=polite]");
      new MutationObserver(() => window.said.push(node.textContent)).observe(node, { childList: true });
    }""")


def query_of(link: Locator) -> dict[str, list[str]]:
    """The filters to which a link leads."""
    return parse_qs(urlsplit(link.get_attribute("href") or "").query)


def status_of(daemon: Daemon, kind: str) -> str:
    """What was made of the threat of this kind."""
    return next(str(each["status"]) for each in api(daemon, "threats") if each["kind"] == kind)


def test_the_worst_comes_first_with_what_to_do_and_who(browser: Browser, home: Daemon) -> None:
    with looking(browser, home.port) as page:
        expect(wrong(page)).to_have_count(OPEN)
        expect(page.locator(".wrong .answer")).to_have_text("4 threats are open; the worst is critical.")
        levels = wrong(page).locator(".severity")
        expect(levels).to_have_text(["critical", "high", "medium", "low"])
        expect(wrong(page).nth(0)).to_contain_text(f"{HOSTILE} claims")
        expect(wrong(page).nth(2)).to_contain_text("Look at it.")
        expect(wrong(page).nth(3)).to_contain_text("12 times")
        link = wrong(page).nth(2).get_by_role("link", name="Big box")
        assert query_of(link)["device"] == [MAC]
        expect(page.locator(".wrong-news")).to_contain_text("a new device: Big box")
        expect(page).to_have_title(f"({OPEN}) Overview · netwatchd")
        assert page.locator("img").count() == 0


def test_nothing_is_wrong_is_said_with_how_that_is_known(browser: Browser, daemon: Make) -> None:
    with daemon(storage()) as started:
        started.emit(flow_line(1))
        with looking(browser, started.port) as page:
            expect(page.locator(".wrong .answer")).to_have_text("Nothing is wrong.")
            calm = page.locator(".calm")
            expect(calm).to_contain_text("netwatchd has watched since")
            expect(calm).to_contain_text("1 record came in meanwhile, and none was lost")
            expect(calm).to_contain_text("It sees the network by json")
            calm.get_by_text("What cannot be seen").click()
            expect(calm).to_contain_text("ARP spoofing")
            expect(calm).to_contain_text("the source neighbours or capture would show")


@pytest.mark.slow
def test_who_sees_nothing_does_not_say_that_nothing_is_wrong(browser: Browser, daemon: Make) -> None:
    with daemon() as started, looking(browser, started.port, losing=True) as page:
        answer = page.locator(".wrong .answer")
        expect(answer).to_have_text("No threat is open, but netwatchd has trouble of its own.")
        expect(page.locator(".troubles")).to_contain_text("No source is on that shows conversations or packets")
        started.kill()
        expect(answer).to_contain_text("No threat was open when netwatchd was last heard")


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


FILTERS: list[tuple[str, int]] = [
    ("", 5), ("&severity=high", 2), ("&severity=news", 1), ("&kind=port_scan", 1), ("&kind=port-scan", 1),
    (f"&device={MAC}", 3), ("&device=192.168.1.6", 2), ("&device=198.51.100.7", 1), ("&text=big+box", 3),
    ("&text=onerror", 2), ("&text=nothing-like-it", 0), ("&since=1+h", 5), ("&status=dismissed", 0), ("&status=all", 5),
    ("&device=nobody", 0),
]  # fmt: skip


def test_filters_stand_in_the_url_and_find_what_the_daemon_finds(browser: Browser, home: Daemon) -> None:
    with looking(browser, home.port) as page:
        live(page)
        for query, many in FILTERS:
            page.evaluate(
                "(query) => { history.pushState(null, '', query); dispatchEvent(new Event('route')); }",
                f"?view=threats{query}",
            )
            expect(page.locator(ROWS), query).to_have_count(many)
            if many and "news" not in query:
                asked = page.evaluate(
                    "(query) => fetch(`/api/threats?${query}`).then((reply) => reply.json())", query.removeprefix("&")
                )
                assert len(asked) == many, query


@pytest.mark.slow
def test_filters_are_chosen_and_the_rows_sorted(browser: Browser, home: Daemon) -> None:
    with looking(browser, home.port, "?view=threats") as page:
        expect(page.locator(ROWS)).to_have_count(5)
        page.get_by_label("Severity").select_option("high and critical")
        expect(page.locator(ROWS)).to_have_count(2)
        page.get_by_label("Device", exact=True).fill("big box")
        expect(page.get_by_text("No threat is like that")).to_be_visible()
        assert MAC.replace(":", "%3A") in page.url
        page.get_by_role("link", name="Clear filters").click()
        expect(page.locator(ROWS)).to_have_count(5)
        head = page.get_by_role("columnheader", name="Severity")
        expect(head).to_have_attribute("aria-sort", "descending")
        head.get_by_role("button").click()
        expect(page.locator(ROWS).first.locator(".severity")).to_have_text("info")
        expect(head).to_have_attribute("aria-sort", "ascending")
        page.get_by_role("button", name="Times").click()
        expect(page.locator(ROWS).first.locator(".times")).to_have_text("12")
        page.reload()
        expect(page.locator(ROWS).first.locator(".times")).to_have_text("12")


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


def test_one_threat_is_shown_with_its_numbers_and_what_became_of_it(browser: Browser, home: Daemon) -> None:
    number = next(each["id"] for each in api(home, "threats") if each["kind"] == "port_scan")
    with looking(browser, home.port, "?view=threats") as page:
        page.locator(ROWS).filter(has_text="did port_scan").get_by_role("link", name="somebody did").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Port scan: Big box")
        expect(page.get_by_role("heading", level=1)).to_be_focused()
        assert parse_qs(urlsplit(page.url).query) == {"view": ["threats"], "id": [str(number)]}
        expect(page.locator(".threat")).to_contain_text("Many ports of one host were tried by another.")
        expect(page.locator(".threat")).to_contain_text("Look at it.")

        def told(name: str) -> Locator:
            return (
                page.locator(".evidence tr")
                .filter(has=page.get_by_role("rowheader", name=name, exact=True))
                .locator("td")
            )

        expect(told("Ports tried")).to_have_text("1,234")
        expect(told("Sent")).to_have_text("2.1 MB")
        expect(told("Within")).to_have_text("40.2 s")
        expect(told("Slow scan")).to_have_text("no")
        expect(told("Start").locator("time")).to_have_attribute("datetime", "2026-11-23T09:38:14.503Z")
        expect(told("Examples").locator("li").nth(1)).to_have_text(HOSTILE)
        expect(told("Claims").get_by_role("link", name="Big box")).to_have_count(1)
        expect(told("Peers").get_by_role("link")).to_have_count(24)
        told("Peers").get_by_role("button", name="All 40").click()
        expect(told("Peers").get_by_role("link")).to_have_count(40)
        flows = parse_qs(
            urlsplit(page.get_by_role("link", name="The flows of that time").get_attribute("href") or "").query
        )
        assert flows["device"] == [MAC]
        assert flows["peer"] == ["192.168.1.6"]
        assert page.locator("img").count() == 0
        page.go_back()
        expect(
            page.locator(ROWS).filter(has_text="did port_scan").get_by_role("link", name="somebody did")
        ).to_be_focused()


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
def test_a_threat_that_is_not_there_is_said_so(browser: Browser, home: Daemon) -> None:
    with looking(browser, home.port, "?view=threats&id=4711", refused=True) as page:
        expect(page.get_by_role("alert")).to_contain_text("There is no such threat")
        page.goto(f"http://127.0.0.1:{home.port}/?view=threats&id=x")
        expect(page.get_by_role("alert")).to_contain_text("should be a whole number")


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


@pytest.mark.slow
def test_a_new_high_threat_is_said_once_wherever_one_is(browser: Browser, daemon: Make) -> None:
    with daemon() as started:
        started.emit(*DEVICES)
        with looking(browser, started.port, "?view=status") as page:
            live(page)
            heed(page)
            started.emit(threat("beacon", severity="low"), threat("flood", severity="high"))
            started.emit(threat("flood", severity="high"))
            expect(page).to_have_title("(2) Status · netwatchd")
            started.emit(threat("flood", severity="critical"))
            said = [f"New threat, {severity}: somebody did flood" for severity in ("high", "critical")]
            eventually(lambda: page.evaluate("window.said") == said)


@pytest.mark.slow
def test_threats_are_exported_as_shown(browser: Browser, home: Daemon) -> None:
    with looking(browser, home.port, "?view=threats&severity=high") as page:
        expect(page.locator(ROWS)).to_have_count(2)
        for kind in ("CSV", "JSON"):
            page.get_by_role("button", name="Export").click()
            with page.expect_download() as download:
                page.get_by_role("menuitem", name=kind).click()
            text = download.value.path().read_text(encoding="utf-8-sig")
            found = list(csv.DictReader(io.StringIO(text))) if kind == "CSV" else json.loads(text)
            assert [row["severity"] for row in found] == ["critical", "high"]
