"""What the page's modules reckon, in the browser in which they run."""

import csv
import io
from collections.abc import Iterator
from typing import Any

import pytest
from looking import browsing, expect, looking
from playwright.sync_api import Page
from running import Daemon, scratch

from netwatchd.events import PROTOCOL_NUMBERS


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    """A page of a daemon that knows nothing."""
    with Daemon(scratch()) as daemon, browsing() as browser, looking(browser, daemon.port) as shown:
        yield shown


def call(page: Page, module: str, code: str, given: Any = None) -> Any:
    """What a piece of JavaScript returns that is given a module's exports as `m`, and `given`."""
    return page.evaluate(f"async (given) => {{ const m = await import('/{module}'); {code} }}", given)


HOSTILE = [
    "=1+1", "+49 30 1234", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =cmd|' /C calc'!A0", "\x01=1", "＝1+1", "＋1",
    "－1", "＠x",
]  # fmt: skip
PLAIN = ["", "plain", 'with "quotes"', "a,b", "two\r\nlines", "one\nline", "ünïcode ☃", "1,5", "a=b", "x-y"]


def test_csv_is_read_back_as_it_was(page: Page) -> None:
    rows = [{"name": text, "bytes": number} for number, text in enumerate(PLAIN)]
    text = call(page, "export.js", "return m.csv(given, [{ name: 'name' }, { name: 'bytes' }]);", rows)
    assert text.endswith("\r\n")
    read = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    assert read == [["name", "bytes"], *([row["name"], str(row["bytes"])] for row in rows)]


def test_what_a_spreadsheet_takes_for_a_formula_is_a_text(page: Page) -> None:
    rows = [{"name": text} for text in HOSTILE]
    text = call(page, "export.js", "return m.csv(given, [{ name: 'name' }]);", rows)
    read = [row[0] for row in csv.reader(io.StringIO(text, newline=""))][1:]
    assert read == [f"'{text}" for text in HOSTILE]


def test_numbers_times_and_lists_in_csv(page: Page) -> None:
    columns = "[{ name: 'number' }, m.timeColumn('time'), { name: 'list' }, { name: 'none' }, { name: 'yes' }]"
    row = {"number": -5, "time": 1795426694503, "list": ["a", "b"], "none": None, "yes": True}
    text = call(page, "export.js", f"return m.csv(given, {columns});", [row])
    assert text == "number,time,list,none,yes\r\n-5,2026-11-23T09:38:14.503Z,a b,,true\r\n"


def test_screen_readers_are_told_news_only_now_and_then(page: Page) -> None:
    code = """
      const budget = new m.Budget(2, 1000);
      return given.map((time) => budget.spend(time));
    """
    times = [100_000, 100_001, 100_002, 100_003, 101_000, 101_500, 109_000, 109_001, 109_002]
    assert call(page, "notice.js", code, times) == [0, 0, None, None, 2, None, 1, 0, None]


@pytest.mark.parametrize(
    ("network", "inside", "outside"),
    [
        ("192.0.2.0/24", ["192.0.2.1", "192.0.2.255"], ["192.0.3.1", "::1", "2001:db8::1"]),
        ("192.0.2.7", ["192.0.2.7"], ["192.0.2.8"]),
        ("2001:db8::/32", ["2001:db8::1", "2001:db8:ffff::"], ["2001:db9::", "192.0.2.1"]),
        ("::/0", ["::1", "fe80::1"], ["192.0.2.1"]),
        ("0.0.0.0/0", ["8.8.8.8"], ["::1"]),
    ],
)
def test_who_is_in_a_network(page: Page, network: str, inside: list[str], outside: list[str]) -> None:
    code = "const isIn = m.networkOf(given[0]); return given[1].map((address) => isIn(address));"
    assert call(page, "matching.js", code, [network, inside]) == [True] * len(inside)
    assert call(page, "matching.js", code, [network, outside]) == [False] * len(outside)


NO_NETWORKS = ["", "nas", "1.2.3", "256.1.1.1", "1.2.3.4/33", "1.2.3.4/x", ":::", "1::2::3", "fffff::"]


@pytest.mark.parametrize("text", NO_NETWORKS)
def test_what_is_no_network(page: Page, text: str) -> None:
    assert call(page, "matching.js", "return m.networkOf(given);", text) is None


def test_protocols_are_those_that_the_daemon_knows(page: Page) -> None:
    assert call(page, "matching.js", "return m.PROTOCOLS;") == PROTOCOL_NUMBERS


def test_a_loss_is_what_the_daemon_lost_and_not_what_slow_clients_were_not_sent(page: Page) -> None:
    stats = {
        "dropped": {"flows": {"storage_full": 3}, "messages": {"slow_client": 100}, "clients": {"reset": 7}},
        "lost": {"netflow": {"flows": 4}, "capture": {"kernel": 1}},
    }
    assert call(page, "live.js", "return m.lossOf(given);", stats) == 8
    assert call(page, "live.js", "return m.lossOf(given);", {}) == 0


def test_a_question_is_answered_by_buttons_and_escape(page: Page) -> None:
    ask = "m.confirm({ title: 'Forget it?', text: 'It is gone then.', yes: 'Forget', danger: true })"
    asked = page.get_by_role("dialog", name="Forget it?")
    for way, answer in [("Forget", True), ("Cancel", False), (None, False)]:
        page.evaluate(f"async () => {{ const m = await import('/notice.js'); window.answered = {ask}; }}")
        expect(asked.get_by_role("button", name="Cancel")).to_be_focused()
        if way:
            asked.get_by_role("button", name=way, exact=True).click()
        else:
            page.keyboard.press("Escape")
        assert page.evaluate("window.answered") is answer
        expect(asked).to_have_count(0)


def test_a_notice_can_be_acted_on_and_is_read_out(page: Page) -> None:
    undo = "{ text: 'Undo', do: () => { window.done += 1; } }"
    code = f"window.done = 0; m.notice('3 threats dismissed.', {{ action: {undo} }});"
    call(page, "notice.js", code)
    expect(page.get_by_role("status").filter(has_text="3 threats dismissed.")).to_have_count(1)
    notices = page.get_by_role("region", name="Notices")
    notices.get_by_role("button", name="Undo").click()
    expect(notices.get_by_text("3 threats dismissed.")).to_have_count(0)
    assert page.evaluate("window.done") == 1


def test_a_mistake_stays_until_it_is_closed_and_three_are_seen_at_most(page: Page) -> None:
    call(page, "notice.js", "for (const n of [1, 2, 3, 4]) m.problem(new Error(`there is no threat ${n}`));")
    shown = page.get_by_role("region", name="Notices").locator("p")
    expect(shown).to_have_text([f"There is no threat {n}" for n in (2, 3, 4)])
    for _ in range(3):
        page.get_by_role("button", name="Close").first.click()
    expect(shown).to_have_count(0)


def test_a_menu_is_walked_by_keys(page: Page) -> None:
    code = """
      window.chosen = [];
      const items = ["one", "two", "three"].map((text) => ({ text, do: () => window.chosen.push(text) }));
      document.querySelector("main").append(m.menuButton("Pick", items));
    """
    call(page, "menu.js", code)
    pick = page.get_by_role("button", name="Pick")
    ways = {"Enter": "one", "ArrowDown Enter": "two", "ArrowUp Enter": "three", "End Home Enter": "one"}
    for keys, chosen in ways.items():
        pick.focus()
        page.keyboard.press("Enter")
        expect(page.get_by_role("menuitem", name="one")).to_be_focused()
        for key in keys.split():
            page.keyboard.press(key)
        assert page.evaluate("window.chosen.at(-1)") == chosen
        expect(pick).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    expect(pick).to_have_attribute("aria-expanded", "false")
    expect(pick).to_be_focused()


NOTES = {
    "happenings": 2, "began": 1795426694503, "earlier": [{"first_seen": 1795326694503, "last_seen": 1795326694509}, 7],
    "before": {"status": "dismissed", "severity": "low", "time": 1795326694509}, "muted_by": "* kali",
    "judged": {"status": "acknowledged", "severity": "high", "time": 1795326694509},
}  # fmt: skip


def test_what_became_of_a_threat_is_told_whatever_stands_in_its_notes(page: Page) -> None:
    code = "return m.historyOf({ evidence: given });"
    told = call(page, "threat.js", code, {"netwatchd": NOTES, "taken_back": "it was none"})
    words = ["happened 2 times", "Earlier: ", "acknowledged it", "open again", "* kali", "it was none"]
    assert len(told) == len(words)
    assert all(word in line for word, line in zip(words, told, strict=True))
    for odd in ({}, {"netwatchd": 7}, {"netwatchd": {"earlier": 7, "judged": None, "before": [], "happenings": "x"}}):
        assert call(page, "threat.js", code, odd) == []
