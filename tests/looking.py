"""A browser that looks at the page of a daemon: Debian's chromium, driven by playwright."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, Page, expect, sync_playwright
from waiting import PATIENCE

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or "/usr/bin/chromium"
# It asks nobody but the daemon.
QUIET = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync",
         "--disable-component-update"]  # fmt: skip
expect.set_options(timeout=PATIENCE * 1000)


@contextmanager
def browsing() -> Iterator[Browser]:
    """A browser without a window."""
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def looking(browser: Browser, port: int, at: str = "", **settings: Any) -> Iterator[Page]:
    """A page of its own, with a memory of its own; fails where a script did. `settings` are those of the context."""
    wrong: list[str] = []
    context = browser.new_context(**settings)
    page = context.new_page()
    page.set_default_timeout(PATIENCE * 1000)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    try:
        page.goto(f"http://127.0.0.1:{port}/{at}")
        yield page
    finally:
        context.close()
    assert not wrong, wrong
