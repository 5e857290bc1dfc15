"""What the page's modules reckon, in the browser in which they run."""

import csv
import io
from collections.abc import Iterator
from typing import Any

import pytest
from looking import browsing, looking
from playwright.sync_api import Page
from running import Daemon, scratch


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


def test_a_loss_is_what_the_daemon_lost_and_not_what_slow_clients_were_not_sent(page: Page) -> None:
    stats = {
        "dropped": {"flows": {"storage_full": 3}, "messages": {"slow_client": 100}, "clients": {"reset": 7}},
        "lost": {"netflow": {"flows": 4}, "capture": {"kernel": 1}},
    }
    assert call(page, "live.js", "return m.lossOf(given);", stats) == 8
    assert call(page, "live.js", "return m.lossOf(given);", {}) == 0
