"""Whatever devices and other programs call themselves stays text, in every view, dialog and export: nothing of it is
executed, and nothing is asked for because of it."""

import csv
import io
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from faults_kit import storage
from looking import VIEWS, expect, hop, looking, settled
from playwright.sync_api import Browser, Page
from running import MAC, OTHER_MAC, Daemon, flow_line, scratch

ATTACKS = [
    "<img src=x onerror=hit(1)>", "<script>hit(2)</script>", "\"'><svg/onload=hit(3)>", "javascript:hit(4)",
    "${hit(5)}{{hit(6)}}", "<a href='javascript:hit(7)'>x</a>",
    "</title></style><script src=//evil.example/x.js></script>",
    "\u202egnp.exe\u2066", "&lt;b&gt;&#x3c;img src=x onerror=hit(8)&#x3e;", "<iframe srcdoc='<script>hit(9)</script>'>",
    "__proto__", "constructor", "url(//evil.example/x)", "<style>@import '//evil.example/y'</style>",
    "data:text/html,<script>hit(10)</script>", "=HYPERLINK(\"//evil.example\")",
]  # fmt: skip
MARK = "<img src=x onerror=hit(0)>"


def mac(number: int) -> str:
    """One of many MACs."""
    return f"a4:83:e7:00:01:{number:02x}"


def events() -> Iterator[dict[str, Any]]:
    """Devices, threats and flows that attack by every text that they have."""
    for number, attack in enumerate(ATTACKS):
        texts = {"hostname": attack[:60], "vendor": attack, "name": attack[:100], "model": attack, "source": attack}
        yield {"type": "device", "mac": mac(number), "ip": f"192.168.1.{number + 20}", **texts}
        yield {
            "type": "threat", "kind": attack, "severity": "high", "device": mac(number), "target": attack,
            "description": attack, "recommendation": attack,
            "evidence": {attack: attack, "nested": {attack: [attack, {attack: attack}]}, "__proto__": {"x": attack}},
        }  # fmt: skip
        yield {"type": "threat", "kind": "odd", "severity": "info", "device": attack, "description": attack}
        yield flow_line(number + 1, src_ip=f"192.168.1.{number + 20}", state=attack, source=attack, dst_port=443)
    yield {"type": "device", "mac": MAC, "ip": "192.168.1.5", "hostname": MARK, "vendor": MARK}
    yield {"type": "device", "mac": OTHER_MAC, "ip": "192.168.1.6", "name": MARK}


@pytest.fixture(scope="module")
def home() -> Iterator[Daemon]:
    """A daemon that knows nobody else."""
    with Daemon(scratch(), storage()) as daemon:
        daemon.emit(*events())
        yield daemon


def watch(page: Page) -> None:
    """Notes each call of what the attacks call, and everything that a policy had to stop."""
    page.add_init_script(
        "window.hits = []; window.hit = (n) => window.hits.push(n);"
        "addEventListener('securitypolicyviolation', (event) => window.hits.push(event.violatedDirective));"
    )


def unharmed(page: Page) -> None:
    """Fails where a text has become anything else."""
    assert page.evaluate("window.hits") == []
    made = (
        "img, iframe, style, object, embed, base, form[action], a[href^='javascript' i], a[href^='data' i], [onerror]"
    )
    assert page.locator(f"{made}, script:not([src='app.js'], [src='known.js'])").count() == 0
    assert page.evaluate("[...document.querySelectorAll('a[href]')].every((a) => a.origin === location.origin)")
    assert page.evaluate("({}).x") is None


OTHER_VIEWS = [
    f"?view=device&device={MAC}", *(f"?view=device&device={mac(n)}" for n in (0, 2)), "?view=threats&id=1",
    "?view=threats&id=3",
]  # fmt: skip


def test_hostile_texts_stay_texts_in_every_view_and_when_they_come_live(browser: Browser, home: Daemon) -> None:
    with looking(browser, home.port, None) as page:
        watch(page)
        page.goto(f"http://127.0.0.1:{home.port}/")
        settled(page)
        for view in [*VIEWS, *OTHER_VIEWS]:
            hop(page, view)
            if "id=" in view:
                expect(page.locator(".threat .answer")).to_contain_text(ATTACKS[0 if "id=1" in view else 1])
            unharmed(page)
            # Whatever opens by a click, opens.
            for opened in page.locator("main summary, main button[aria-haspopup], main button.row-link").all()[:6]:
                if opened.is_visible() and opened.is_enabled():
                    opened.click()
                    assert page.evaluate("window.hits") == []
                    if opened.evaluate("(node) => node.tagName") == "SUMMARY":
                        continue
                    unharmed(page)
                    page.keyboard.press("Escape")
            unharmed(page)
        # And when they come live, and are looked for.
        hop(page, "")
        home.emit({"type": "threat", "kind": "newest", "severity": "critical", "device": MAC, "description": MARK})
        expect(page.get_by_role("link", name=MARK).first).to_be_visible()
        page.keyboard.press("/")
        page.keyboard.type("onerror")
        expect(page.get_by_role("option").first).to_be_visible()
        unharmed(page)


@pytest.mark.slow
def test_hostile_texts_stay_texts_in_exports(browser: Browser, home: Daemon) -> None:
    with looking(browser, home.port, "?view=flows") as page:
        for view in ("?view=flows", "?view=threats", "?view=devices"):
            hop(page, view)
            for kind in ("CSV", "JSON"):
                page.get_by_role("button", name="Export").first.click()
                with page.expect_download() as download:
                    page.get_by_role("menuitem", name=kind).click()
                assert download.value.suggested_filename.startswith("netwatchd-")
                text = download.value.path().read_text(encoding="utf-8-sig")
                if kind == "JSON":
                    assert json.loads(text)
                else:
                    cells = [cell for row in csv.reader(io.StringIO(text, newline=""), strict=True) for cell in row]
                    assert len(cells) > 20
                    assert not [cell for cell in cells if cell.startswith(("=", "+", "@", "\t", "\r"))]


@pytest.mark.slow
@pytest.mark.parametrize("attack", ATTACKS)
def test_hostile_texts_in_the_address_stay_texts(browser: Browser, home: Daemon, attack: str) -> None:
    with looking(browser, home.port, None, refused=True) as page:
        watch(page)
        names = ("device", "text", "q", "peer", "port", "since", "kind", "status", attack)
        page.goto(f"http://127.0.0.1:{home.port}/?{urlencode({'view': attack} | dict.fromkeys(names, attack))}")
        settled(page)
        for view in ("flows", "threats", "devices", "device", "traffic"):
            hop(page, f"?{urlencode({'view': view} | dict.fromkeys(names, attack))}")
            unharmed(page)
