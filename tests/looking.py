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
from urllib.parse import urljoin, urlsplit
from weakref import WeakKeyDictionary

import pytest
from waiting import PATIENCE

try:
    import axe_playwright_python
    from playwright.sync_api import (
        Browser,
        BrowserContext,
        CDPSession,
        Error,
        Page,
        Playwright,
        ViewportSize,
        expect,
        sync_playwright,
    )
except ModuleNotFoundError:  # its driver is a program for few kinds of machines; setup.cfg has them
    pytest.skip("needs playwright, which there is not for this machine", allow_module_level=True)

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
        if not CHROMIUM:
            pytest.skip("needs a browser (Debian: chromium), or CHROMIUM=/path/of/it")
        driver = sync_playwright().start()
        _started.append((driver, driver.chromium.launch(executable_path=CHROMIUM, args=QUIET)))
    yield _started[0][1]


def finish() -> None:
    """Ends the browser."""
    _kept.clear()
    while _started:
        driver, browser = _started.pop()
        browser.close()
        driver.stop()


class Watched:
    """What goes wrong in the pages of a context, from `begin` on."""

    def __init__(self, context: BrowserContext) -> None:
        self.wrong: list[str] = []
        context.on("request", lambda request: self._request(request.url))
        context.on("requestfailed", lambda request: self._failed(request.url, request.failure or ""))
        context.on("response", lambda response: self._response(response.url, response.status))
        context.on("console", lambda said: self._said(said.type, said.text, said.location["url"]))
        context.on("weberror", lambda error: self.wrong.append(str(error.error)))

    def begin(self, origin: str, losing: bool, refused: bool) -> None:
        """Of this daemon now. `losing`: it may be away, or want a token. `refused`: it may say no to a question."""
        self.wrong = []
        self._origin, self._losing, self._refused = origin, losing, refused

    def _request(self, url: str) -> None:
        if urlsplit(url)[:2] != urlsplit(self._origin)[:2] and not url.startswith(("blob:", "data:")):
            self.wrong.append(f"asked for {url}")

    def _failed(self, url: str, why: str) -> None:
        # What is not wanted any more is aborted, as is what a download takes over.
        if not self._losing and why != "net::ERR_ABORTED":
            self.wrong.append(f"{url}: {why}")

    def _response(self, url: str, status: int) -> None:
        if status >= 400 and not self._losing and not (self._refused and status in (400, 404)):
            self.wrong.append(f"{url}: {status}")

    def _said(self, kind: str, text: str, url: str) -> None:
        # Browsers look for a picture of that name by themselves, where what is shown is no page.
        if url.endswith("/favicon.ico"):
            return
        is_meant = (self._losing and LOSS.search(text)) or (self._refused and REFUSAL.search(text))
        if kind in ("error", "warning") and not is_meant:
            self.wrong.append(f"console: {text}")


class Shown:
    """A page in a context of its own."""

    def __init__(self, browser: Browser, **settings: Any) -> None:
        self.context = browser.new_context(**settings)
        self.watched = Watched(self.context)
        self.page = self.context.new_page()
        self.page.set_default_timeout(PATIENCE * 1000)

    def wear(self, viewport: Any = None, color_scheme: Any = "light", reduced_motion: Any = "no-preference") -> None:
        """Has the window and the system's settings of a test."""
        size: ViewportSize = viewport or {"width": 1280, "height": 720}
        self.page.set_viewport_size(size)
        self.page.emulate_media(color_scheme=color_scheme, reduced_motion=reduced_motion)

    def forget(self) -> bool:
        """Leaves a page as it was before a test, but for the browser's cache; whether that worked."""
        for other in self.context.pages[1:]:
            other.close()
        self.page.evaluate("{ localStorage.clear(); sessionStorage.clear(); }")
        # A picture keeps the browser's process for the next one, as an empty page would not.
        try:
            self.page.goto(urljoin(self.page.url, "favicon.svg"))
        except Error:  # its daemon is away
            return False
        return True


_inspectors: WeakKeyDictionary[Page, CDPSession] = WeakKeyDictionary()
_kept: list[Shown] = []  # the page that tests use one after the other, while nobody does
WORN = {"viewport", "color_scheme", "reduced_motion"}


@contextmanager
def looking(
    browser: Browser, port: int, at: str | None = "", *, losing: bool = False, refused: bool = False,
    alone: bool = False, scheme: str = "http", host: str = "127.0.0.1", **settings: Any,
) -> Iterator[Page]:  # fmt: skip
    """A page without a memory of other tests; fails where something went wrong in it.

    Where `at` is None, it has gone nowhere yet. `losing`: the daemon may be away, or want a token. `refused`: it may
    say no to a question. `settings` are those of the context. Tests use the same page one after the other, because
    that takes a quarter of the time; `alone`, as those that go nowhere yet, have one that ends with them.
    """
    origin = f"{scheme}://{host}:{port}"
    is_alone = alone or at is None or scheme != "http" or not settings.keys() <= WORN
    shown = Shown(browser, **settings) if is_alone or not _kept else _kept.pop()
    try:
        if not is_alone:
            shown.wear(**settings)
        shown.watched.begin(origin, losing, refused)
        if at is not None:
            shown.page.goto(f"{origin}/{at}")
        yield shown.page
        shown.page.evaluate("0")  # whatever was said before is heard
        if not is_alone:
            is_alone = not shown.forget()
    except BaseException:
        is_alone = True
        raise
    finally:
        if is_alone or _kept:
            shown.context.close()
        else:
            _kept.append(shown)
    assert not shown.watched.wrong, shown.watched.wrong


def live(page: Page) -> None:
    """Waits until the page is live."""
    expect(page.locator(".state")).to_have_text("live")


def settled(page: Page) -> None:
    """Waits until a view shows what it is about."""
    live(page)
    expect(page.locator("main .loading")).to_have_count(0)


def hop(page: Page, query: str) -> None:
    """Goes to another view as a link does, and waits until it is there: much sooner than by loading the page anew."""
    page.evaluate("(to) => { history.pushState(null, '', to); dispatchEvent(new Event('route')); }", query or "/")
    settled(page)


def headings(page: Page) -> list[int]:
    """The levels of the headings that are seen or read out, in their order."""
    code = "all => all.filter((each) => each.checkVisibility()).map((each) => Number(each.tagName[1]))"
    found: list[int] = page.locator("h1, h2, h3, h4, h5, h6").evaluate_all(code)
    return found


def devtools(page: Page) -> CDPSession:
    """The page's tools for developers."""
    return page.context.new_cdp_session(page)


@cache
def _axe() -> str:
    return AXE.read_text()


def barriers(page: Page, within: str | None = None) -> list[str]:
    """What axe-core finds that keeps people out, by WCAG 2.2 AA and by its own best practices; a line each."""
    # In a world of its own: the page's policy lets no other script run, and is not weakened for this.
    if page not in _inspectors:
        _inspectors[page] = devtools(page)
    tools = _inspectors[page]
    tree = tools.send("Page.getFrameTree")
    made = tools.send("Page.createIsolatedWorld", {"frameId": tree["frameTree"]["frame"]["id"], "worldName": "axe"})
    world = {"contextId": made["executionContextId"], "returnByValue": True, "awaitPromise": True}
    if not tools.send("Runtime.evaluate", {"expression": "'axe' in globalThis", **world})["result"]["value"]:
        tools.send("Runtime.evaluate", {"expression": f"{_axe()};null", **world})
    target = f"document.querySelector({within!r})" if within else "document"
    line = "`${each.impact} ${each.id}: ${node.target} ${node.failureSummary}`"
    lines = f"found.violations.flatMap((each) => each.nodes.map((node) => {line}))"
    run = f"axe.run({target}, {{ resultTypes: ['violations'] }}).then((found) => {lines})"
    found = tools.send("Runtime.evaluate", {"expression": run, **world})
    assert "exceptionDetails" not in found, found["exceptionDetails"]
    value: list[str] = found["result"]["value"]
    return value


def version() -> str:
    """The browser's name and version."""
    return subprocess.run([str(CHROMIUM), "--version"], capture_output=True, text=True, check=True).stdout.strip()
