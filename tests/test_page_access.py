"""The page keeps nobody out: axe-core finds nothing in any view or dialog, light and dark, on desktops and phones."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from faults_kit import storage
from looking import VIEWS, barriers, expect, headings, hop, looking, settled
from playwright.sync_api import Browser, Page
from running import MAC, OTHER_MAC, Daemon, flow_line, scratch

DESKTOP, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}
SMALL: Any = {"width": 320, "height": 640}
Looks = Callable[..., Any]


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
        assert daemon.emit(*events()) == []
        yield daemon


VIEW_OF = {
    "overview": "", "threats": "?view=threats", "a threat": "?view=threats&id=2", "devices": "?view=devices",
    "a device": f"?view=device&device={MAC}", "no device": "?view=device&device=nobody", "flows": "?view=flows",
    "traffic": "?view=traffic", "status": "?view=status",
}  # fmt: skip
MATRIX = [(theme, width) for theme in ("light", "dark") for width in (DESKTOP, PHONE, SMALL)]


def arrive(page: Page, name: str) -> None:
    """Goes to a view, and waits for what stands in it alone."""
    hop(page, VIEW_OF[name])
    if name == "a threat":
        expect(page.get_by_role("heading", level=1)).to_have_text("Odd high: Box")
        expect(page.get_by_role("table").filter(has_text="Ports")).to_be_visible()
    elif name == "no device":
        expect(page.get_by_text("No such device is known")).to_be_visible()


def looked_at(page: Page) -> dict[str, Any]:
    """What is wrong in any of the views."""
    found = {}
    for name in VIEW_OF:
        arrive(page, name)
        found[name] = barriers(page) + misplaced(page)
    return {name: lines for name, lines in found.items() if lines}


def misplaced(page: Page) -> list[str]:
    """One heading of the first level comes first, and none is left out below it."""
    levels = headings(page)
    steps = zip([0, *levels], levels, strict=False)
    good = levels.count(1) == 1 and all(level <= before + 1 for before, level in steps)
    return [] if good else [f"headings of the levels {levels}"]


def test_what_keeps_people_out_would_be_found_and_is_in_no_view(browser: Browser, home: Daemon) -> None:
    plant = """() => {
      const main = document.querySelector("main");
      const [button, text, head] = ["button", "p", "h4"].map((name) => document.createElement(name));
      text.textContent = head.textContent = "hardly to be read";
      text.style.color = "#999";
      text.style.background = "#888";
      main.append(button, text, head);
    }"""
    with looking(browser, home.port, reduced_motion="reduce") as page:
        settled(page)
        assert looked_at(page) == {}
        page.evaluate(plant)
        found = barriers(page)
        assert misplaced(page)
    assert {line.split(":")[0] for line in found} >= {"critical button-name", "serious color-contrast"}


def test_no_view_is_wider_than_a_small_phone(browser: Browser, home: Daemon) -> None:
    with looking(browser, home.port, viewport=SMALL) as page:
        settled(page)
        for name, query in VIEW_OF.items():
            arrive(page, name)
            for more in ("", "&range=30d") if name in ("a device", "traffic") else ("",):
                hop(page, query + more)
                assert page.evaluate("document.documentElement.scrollWidth") == 320, name + more


@pytest.mark.slow
@pytest.mark.parametrize(("theme", "width"), MATRIX)
def test_axe_finds_nothing_in_any_view(browser: Browser, home: Daemon, theme: Any, width: Any) -> None:
    with looking(browser, home.port, color_scheme=theme, viewport=width, reduced_motion="reduce") as page:
        settled(page)
        assert looked_at(page) == {}


def dialogs(page: Page) -> Iterator[str]:
    """Opens all dialogs and menus, and what is written in, one after the other; yields what is open."""
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
    for close in page.get_by_role("region", name="Notices").get_by_role("button", name="Close").all()[::-1]:
        close.click()
    page.locator(".wrong-row").first.get_by_role("button", name="Mute").click()
    expect(page.get_by_role("dialog", name="Mute it")).to_be_visible()
    yield "mute"
    page.keyboard.press("Escape")
    arrive(page, "flows")
    page.locator("table.list.long button.row-link").first.click()
    expect(page.get_by_role("dialog", name="One flow")).to_be_visible()
    yield "flow"
    page.keyboard.press("Escape")
    arrive(page, "threats")
    page.get_by_label("Choose all that are shown").check()
    yield "threats that are chosen"
    yield from of_a_device(page)


def of_a_device(page: Page) -> Iterator[str]:
    """The same in the view of a device."""
    arrive(page, "a device")
    for summary in page.locator("main summary").all():
        summary.click()
    yield "all of a device"
    page.get_by_role("button", name="Rename").click()
    expect(page.get_by_label("Name of this device")).to_be_focused()
    yield "a name"
    page.keyboard.press("Escape")
    page.get_by_role("button", name="More about this device").click()
    yield "what can be done with a device"
    page.get_by_role("menuitem", name="It is another device").click()
    expect(page.get_by_role("dialog", name="Which device is")).to_be_visible()
    yield "which device it is"
    page.keyboard.press("Escape")


@pytest.mark.slow
@pytest.mark.parametrize(("theme", "width"), MATRIX)
def test_axe_finds_nothing_in_any_dialog(browser: Browser, home: Daemon, theme: Any, width: Any) -> None:
    found = {}
    with looking(browser, home.port, viewport=width, color_scheme=theme, reduced_motion="reduce") as page:
        settled(page)
        for name in dialogs(page):
            found[name] = barriers(page)
    assert {name: lines for name, lines in found.items() if lines} == {}


@pytest.mark.slow
def test_axe_finds_nothing_while_there_is_nothing_and_no_token(browser: Browser, daemon: Looks) -> None:
    guarded = daemon()
    guarded.config.write_text(guarded.config.read_text().replace("[websocket]\n", "[websocket]\ntoken = secretly\n"))
    with guarded, looking(browser, guarded.port, losing=True, reduced_motion="reduce") as page:
        expect(page.get_by_role("dialog", name="A token is needed")).to_be_visible()
        assert barriers(page) == []
        page.goto(f"{page.url}#token=secretly")
        page.reload()
        found = {}
        for view in VIEWS:
            hop(page, view)
            found[view] = barriers(page) + misplaced(page)
        assert {view: lines for view, lines in found.items() if lines} == {}
        guarded.stop()
        expect(page.locator(".state")).to_contain_text("reconnecting")
        assert barriers(page) == []
