"""All that matters can be done by whoever has no mouse, and the focus is never lost."""

from collections.abc import Callable

import pytest
from faults_kit import storage
from looking import expect, looking, settled
from playwright.sync_api import Browser, Locator, Page
from running import MAC, Daemon, flow_line
from waiting import eventually

MOST = 120  # steps until something must have been reached


def reach(page: Page, wanted: Locator) -> None:
    """Goes there by Tab alone; all that is passed by can be seen to have the focus."""
    expect(wanted).to_be_visible()
    code = """() => {
      const at = document.activeElement;
      if (at === document.body) return true;
      const box = at.getBoundingClientRect();
      return at.checkVisibility() && box.width > 1 && box.height > 1 && at.matches(":focus-visible");
    }"""
    for _ in range(MOST):
        page.keyboard.press("Tab")
        assert page.evaluate(code), page.evaluate("document.activeElement.outerHTML")
        if wanted.evaluate("(node) => node === document.activeElement"):
            return
    raise AssertionError(f"not reached by {MOST} times Tab: {wanted}")


def kept(page: Page) -> None:
    """Fails where nothing has the focus: the next Tab would begin anew at the top."""
    eventually(lambda: page.evaluate("document.activeElement !== document.body"), "something has the focus")


def walk(page: Page, started: Daemon) -> None:
    """Opens a threat, dismisses it, takes that back, renames its device, filters its flows, and exports them."""
    reach(page, page.get_by_role("link", name="the odd thing"))
    page.keyboard.press("Enter")
    expect(page.locator("main:focus, main :focus")).to_have_count(1)
    expect(page.get_by_role("heading", level=1)).to_have_text("Odd: nas")
    reach(page, page.get_by_role("button", name="Dismiss"))
    page.keyboard.press("Enter")
    expect(page.locator(".threat .view-head .badge")).to_have_text(["high", "dismissed"])
    kept(page)
    notices = page.get_by_role("region", name="Notices")
    reach(page, notices.get_by_role("button", name="Undo"))
    page.keyboard.press("Enter")
    expect(page.locator(".threat .view-head .badge")).to_have_text(["high", "open"])
    kept(page)
    reach(page, page.locator(".facts").get_by_role("link", name="nas"))
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    reach(page, page.get_by_role("button", name="Rename"))
    page.keyboard.press("Enter")
    expect(page.get_by_label("Name of this device")).to_be_focused()
    page.keyboard.type("Cellar")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Cellar")
    expect(page.get_by_role("button", name="Rename")).to_be_focused()
    eventually(lambda: started.core("SELECT name FROM devices") == [("Cellar",)])
    page.keyboard.press("g")
    page.keyboard.press("f")
    rows = page.locator("table.list.long tbody:not(.spacer) tr")
    expect(rows).to_have_count(2)
    if (folded := page.locator("main summary", has_text="Filters")).is_visible():
        reach(page, folded)
        page.keyboard.press("Enter")
    reach(page, page.get_by_label("Port", exact=True))
    page.keyboard.type("53")
    expect(rows).to_have_count(1)
    kept(page)
    page.keyboard.press("Enter")
    # Back to the top, and on to what saves them.
    page.get_by_role("link", name="Overview").focus()
    reach(page, page.get_by_role("button", name="Export"))
    page.keyboard.press("Enter")
    expect(page.get_by_role("menuitem", name="CSV")).to_be_focused()
    with page.expect_download() as download:
        page.keyboard.press("Enter")
    assert download.value.path().read_text("utf-8-sig").count("\n") == 2
    kept(page)


@pytest.mark.slow
@pytest.mark.parametrize("width", [1280, 320])
def test_a_threat_is_judged_a_device_named_and_flows_are_filtered_and_saved_by_keys(
    browser: Browser, daemon: Callable[..., Daemon], width: int
) -> None:
    with daemon(storage()) as started:
        started.emit(
            {"type": "device", "mac": MAC, "ip": "192.168.1.5", "hostname": "nas"},
            {"type": "threat", "kind": "odd", "severity": "high", "device": MAC, "description": "the odd thing"},
            flow_line(1, dst_port=443), flow_line(2, dst_port=53, protocol="udp"),
        )  # fmt: skip
        eventually(lambda: started.core("SELECT id FROM threats") and len(started.flows()) == 2)
        with looking(browser, started.port, viewport={"width": width, "height": 700}) as page:
            settled(page)
            walk(page, started)
