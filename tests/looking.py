"""A browser that looks at the page of a daemon: Debian's chromium, driven by playwright.

Whatever goes wrong in it fails the test: an exception, an error in the console, a violation of the
Content-Security-Policy, a request that fails, and a request to anybody but the daemon.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import axe_playwright_python
from playwright.sync_api import Browser, BrowserContext, CDPSession, Page, Playwright, expect, sync_playwright
from waiting import PATIENCE

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
# It asks nobody but the daemon; and while it is not seen, as by nobody here, it draws and reckons all the same.
QUIET = [
    "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync",
    "--disable-component-update", "--disable-dev-shm-usage",
]  # fmt: skip
# What a browser says of a daemon that is away, or wants a token.
LOSS = re.compile(r"WebSocket connection to .* failed|Failed to load resource: .*(ERR_|\b(401|429|503)\b)")
REFUSAL = re.compile(r"Failed to load resource: .*\b(400|404)\b")
AXE = Path(axe_playwright_python.__file__).with_name("axe.min.js")
VIEWS = ["", "?view=threats", "?view=devices", "?view=flows", "?view=traffic", "?view=status"]
expect.set_options(timeout=PATIENCE * 1000)
_started: list[tuple[Playwright, Browser]] = []


@contextmanager
def browsing() -> Iterator[Browser]:
    """A browser without a window: the same one for all tests of this process, because its start takes a second."""
    if not _started:
        assert CHROMIUM, "the page's tests need a browser: apt install chromium (or CHROMIUM=/path/of/it)"
        driver = sync_playwright().start()
        _started.append((driver, driver.chromium.launch(executable_path=CHROMIUM, args=QUIET)))
    yield _started[0][1]


def finish() -> None:
    """Ends the browser."""
    while _started:
        driver, browser = _started.pop()
        browser.close()
        driver.stop()


class Watched:
    """What goes wrong in the pages of a context. `losing`: the daemon may be away, or want a token."""

    def __init__(self, context: BrowserContext, origin: str, losing: bool, refused: bool) -> None:
        self.wrong: list[str] = []
        self.asked: list[str] = []  # URLs
        self._origin = origin
        self._losing = losing
        self._refused = refused
        context.on("request", lambda request: self._request(request.url))
        context.on("requestfailed", lambda request: self._failed(request.url, request.failure or ""))
        context.on("response", lambda response: self._response(response.url, response.status))
        context.on("console", lambda said: self._said(said.type, said.text))
        context.on("weberror", lambda error: self.wrong.append(str(error.error)))

    def _request(self, url: str) -> None:
        self.asked.append(url)
        if urlsplit(url)[:2] != urlsplit(self._origin)[:2] and not url.startswith(("blob:", "data:")):
            self.wrong.append(f"asked for {url}")

    def _failed(self, url: str, why: str) -> None:
        # What is not wanted any more is aborted, as is what a download takes over.
        if not self._losing and why != "net::ERR_ABORTED":
            self.wrong.append(f"{url}: {why}")

    def _response(self, url: str, status: int) -> None:
        if status >= 400 and not self._losing and not (self._refused and status in (400, 404)):
            self.wrong.append(f"{url}: {status}")

    def _said(self, kind: str, text: str) -> None:
        is_meant = (self._losing and LOSS.search(text)) or (self._refused and REFUSAL.search(text))
        if kind in ("error", "warning") and not is_meant:
            self.wrong.append(f"console: {text}")


@contextmanager
def looking(
    browser: Browser, port: int, at: str | None = "", *, losing: bool = False, refused: bool = False,
    scheme: str = "http", host: str = "127.0.0.1", **settings: Any,
) -> Iterator[Page]:  # fmt: skip
    """A page of its own, with a memory of its own; fails where something went wrong in it.

    Where `at` is None, it has gone nowhere yet. `losing`: the daemon may be away, or want a token. `refused`: it may
    say no to a question. `settings` are those of the context.
    """
    origin = f"{scheme}://{host}:{port}"
    context = browser.new_context(**settings)
    watched = Watched(context, origin, losing, refused)
    page = context.new_page()
    page.set_default_timeout(PATIENCE * 1000)
    try:
        if at is not None:
            page.goto(f"{origin}/{at}")
        yield page
        page.evaluate("0")  # whatever was said before is heard
    finally:
        context.close()
    assert not watched.wrong, watched.wrong


def live(page: Page) -> None:
    """Waits until the page is live."""
    expect(page.locator(".state")).to_have_text("live")


def devtools(page: Page) -> CDPSession:
    """The page's tools for developers."""
    return page.context.new_cdp_session(page)


@cache
def _axe() -> str:
    return AXE.read_text()


def barriers(page: Page, within: str | None = None) -> list[str]:
    """What axe-core finds that keeps people out, by WCAG 2.2 AA and by its own best practices; a line each."""
    # In a world of its own: the page's policy lets no other script run, and is not weakened for this.
    tools = devtools(page)
    tree = tools.send("Page.getFrameTree")
    made = tools.send("Page.createIsolatedWorld", {"frameId": tree["frameTree"]["frame"]["id"], "worldName": "axe"})
    world = {"contextId": made["executionContextId"], "returnByValue": True, "awaitPromise": True}
    target = f"document.querySelector({within!r})" if within else "document"
    line = "`${each.impact} ${each.id}: ${node.target} ${node.failureSummary}`"
    lines = f"found.violations.flatMap((each) => each.nodes.map((node) => {line}))"
    run = f"axe.run({target}, {{ resultTypes: ['violations'] }}).then((found) => {lines})"
    found = tools.send("Runtime.evaluate", {"expression": f"{_axe()};\n{run}", **world})
    tools.detach()
    assert "exceptionDetails" not in found, found["exceptionDetails"]
    value: list[str] = found["result"]["value"]
    return value


def version() -> str:
    """The browser's name and version."""
    return subprocess.run([str(CHROMIUM), "--version"], capture_output=True, text=True, check=True).stdout.strip()
