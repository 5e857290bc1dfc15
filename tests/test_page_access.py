"""The page keeps nobody out: axe-core finds nothing in any view or dialog, light and dark, on desktops and phones."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from faults_kit import storage
from looking import VIEWS, barriers, browsing, expect, live, looking
from playwright.sync_api import Browser, Page
from running import MAC, OTHER_MAC, Daemon, flow_line, scratch

DESKTOP, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}
Looks = Callable[..., Any]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for all."""
    with browsing() as started:
        yield started


def events() -> Iterator[dict[str, Any]]:
    """A bit of everything that is shown."""
    yield {"type": "device", "mac": MAC, "ip": "192.168.1.5", "hostname": "nas", "vendor": "Synology", "name": "Box"}
    yield {"type": "device", "mac": OTHER_MAC, "ip": "192.168.1.6", "hostname": "Annas-iPhone", "vendor": "Apple"}
    yield {"type": "device", "ip": "192.168.1.7", "hostname": "printer", "status": "offline"}
    for number, severity in enumerate(("critical", "high", "medium", "low", "info")):
        yield {
            "type": "threat", "kind": f"odd_{severity}", "severity": severity, "device": MAC, "target": "203.0.113.9",
            "description": f"thing {number} is odd", "recommendation": "look at it", "evidence": {"ports": [22, 23]},
        }  # fmt: skip
    for number in range(40):
        source = ("192.168.1.5", "192.168.1.6")[number % 2]
        yield flow_line(
            number + 1, src_ip=source, dst_ip=f"203.0.113.{number % 9}", dst_port=443, bytes_in=number * 9999
        )


@pytest.fixture(scope="module")
def home() -> Iterator[Daemon]:
    """A daemon that knows a bit of everything."""
    with Daemon(scratch(), storage()) as daemon:
        daemon.emit(*events())
        yield daemon


ALL = [*VIEWS, f"?view=device&device={MAC}", "?view=threat&id=2"]


def settled(page: Page) -> None:
    """Waits until a view shows what it is about."""
    live(page)
    expect(page.locator(".loading")).to_have_count(0)


def test_what_keeps_people_out_would_be_found(browser: Browser, home: Daemon) -> None:
    plant = """() => {
      const main = document.querySelector("main");
      const [button, text] = [document.createElement("button"), document.createElement("p")];
      text.textContent = "hardly to be read";
      text.style.color = "#999";
      text.style.background = "#888";
      main.append(button, text);
    }"""
    with looking(browser, home.port, "?view=status", reduced_motion="reduce") as page:
        settled(page)
        page.evaluate(plant)
        found = barriers(page)
    assert {line.split(":")[0] for line in found} == {"critical button-name", "serious color-contrast"}


@pytest.mark.parametrize(
    ("theme", "width"),
    [
        pytest.param("light", DESKTOP, id="light-desktop"),
        pytest.param("dark", PHONE, id="dark-phone"),
        pytest.param("dark", DESKTOP, id="dark-desktop", marks=pytest.mark.slow),
        pytest.param("light", PHONE, id="light-phone", marks=pytest.mark.slow),
    ],
)
def test_axe_finds_nothing_in_any_view(browser: Browser, home: Daemon, theme: Any, width: Any) -> None:
    found = {}
    with looking(browser, home.port, color_scheme=theme, viewport=width, reduced_motion="reduce") as page:
        for view in ALL:
            page.goto(f"http://127.0.0.1:{home.port}/{view}")
            settled(page)
            found[view] = barriers(page)
    assert {view: lines for view, lines in found.items() if lines} == {}


def dialogs(page: Page) -> Iterator[str]:
    """Opens all dialogs and menus, one after the other; yields what is open."""
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Help")).to_be_visible()
    yield "help"
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Theme").click()
    yield "theme"
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    page.keyboard.type("nas")
    expect(page.get_by_role("option").first).to_be_visible()
    yield "search"
    page.keyboard.press("Escape")
    page.evaluate("""async () => {
      const m = await import("/notice.js");
      m.notice("Done.", { action: { text: "Undo" } });
      m.problem(new Error("there is no threat 7"));
      m.confirm({ title: "Forget it?", text: "It is gone then.", yes: "Forget", danger: true });
    }""")
    expect(page.get_by_role("dialog", name="Forget it?")).to_be_visible()
    yield "question"
    page.keyboard.press("Escape")
    page.goto(page.url.split("?")[0] + "?view=flows")
    settled(page)
    page.locator("table.list.long button.row-link").first.click()
    expect(page.get_by_role("dialog", name="One flow")).to_be_visible()
    yield "flow"


@pytest.mark.parametrize("theme", ["light", pytest.param("dark", marks=pytest.mark.slow)])
def test_axe_finds_nothing_in_any_dialog(browser: Browser, home: Daemon, theme: Any) -> None:
    found = {}
    with looking(browser, home.port, color_scheme=theme, reduced_motion="reduce") as page:
        settled(page)
        for name in dialogs(page):
            found[name] = barriers(page)
    assert {name: lines for name, lines in found.items() if lines} == {}


def test_axe_finds_nothing_while_there_is_nothing_and_no_token(browser: Browser, daemon: Looks) -> None:
    guarded = daemon()
    guarded.config.write_text(guarded.config.read_text().replace("[websocket]\n", "[websocket]\ntoken = secretly\n"))
    found = []
    with guarded, looking(browser, guarded.port, losing=True, reduced_motion="reduce") as page:
        expect(page.get_by_role("dialog", name="A token is needed")).to_be_visible()
        found += barriers(page)
        page.goto(f"{page.url}#token=secretly")
        page.reload()
        for view in VIEWS:
            page.goto(f"http://127.0.0.1:{guarded.port}/{view}")
            settled(page)
            found += barriers(page)
    assert not found
