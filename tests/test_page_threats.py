"""Whether anything is wrong, as the page tells it: threats are listed, filtered, shown one by one, exported."""

import csv
import io
import json
from collections.abc import Callable, Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
from faults_kit import storage
from looking import expect, live, looking
from playwright.sync_api import Browser, Locator
from running import MAC, Daemon, flow_line
from threats_kit import DEVICES, HOSTILE, OPEN, ROWS, api, heed, knowing_threats, threat, wrong
from waiting import eventually

Make = Callable[..., Daemon]


@pytest.fixture(scope="module")
def home() -> Iterator[Daemon]:
    """In which nobody changes anything."""
    with knowing_threats() as daemon:
        yield daemon


def query_of(link: Locator) -> dict[str, list[str]]:
    """The filters to which a link leads."""
    return parse_qs(urlsplit(link.get_attribute("href") or "").query)


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
def test_a_threat_that_is_not_there_is_said_so(browser: Browser, home: Daemon) -> None:
    with looking(browser, home.port, "?view=threats&id=4711", refused=True) as page:
        expect(page.get_by_role("alert")).to_contain_text("There is no such threat")
        page.goto(f"http://127.0.0.1:{home.port}/?view=threats&id=x")
        expect(page.get_by_role("alert")).to_contain_text("should be a whole number")


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
