"""What the page does of what comes fast: only what has changed."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from looking import browsing, looking
from playwright.sync_api import Page
from running import Daemon, scratch

from netwatchd.broadcast.site import PAGE

IMPORT = re.compile(r'^import (?:[^;"]*? from )?"\./([^"]+)";', re.MULTILINE)


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    """A page of a daemon that knows nothing."""
    with Daemon(scratch()) as daemon, browsing() as browser, looking(browser, daemon.port) as shown:
        yield shown


def call(page: Page, module: str, code: str, given: Any = None) -> Any:
    """What a piece of JavaScript returns that is given a module's exports as `m`, and `given`."""
    return page.evaluate(f"async (given) => {{ const m = await import('/{module}'); {code} }}", given)


def needed(*modules: str) -> set[str]:
    """These modules, and all that they import."""
    found: set[str] = set()
    ahead = [*modules]
    while ahead:
        name = ahead.pop()
        if name not in found:
            found.add(name)
            ahead += IMPORT.findall((PAGE / name).read_text())
    return found


def test_what_the_first_view_needs_is_asked_for_at_once_and_nothing_else() -> None:
    html = (PAGE / "index.html").read_text()
    run = re.findall(r'<script type="module" src="([^"]+)">', html)
    ahead = re.findall(r'<link rel="modulepreload" href="([^"]+)">', html)
    assert run == ["known.js", "app.js"]
    assert len(ahead) == len(set(ahead)) > 30
    assert set(ahead) == needed(*run) - set(run)


def test_flows_stay_in_order_whatever_comes_goes_or_becomes_another_one(page: Page) -> None:
    code = """
      const stock = new m.FlowStock();
      const known = new Map();
      let seed = 1;
      const random = (end) => (seed = (seed * 48271) % 2147483647) % end;
      for (let turn = 0; turn < 3000; turn += 1) {
        const id = random(400);
        if (random(4)) {
          const flow = { id, turn };
          stock.put(flow);
          known.set(id, flow);
        } else {
          stock.delete(id);
          known.delete(id);
        }
      }
      const sorted = [...known.values()].sort((one, other) => other.id - one.id);
      const isSame = (given) =>
        given.length === stock.items.length && given.every((each, at) => each === stock.items[at]);
      const isFound = [...Array(400).keys()].every((id) => stock.get(id) === known.get(id));
      const found = [isSame(sorted), isFound, stock.trim(100), isSame(sorted.slice(0, 100)), stock.trim(100)];
      return [sorted.length > 200, ...found];
    """
    assert call(page, "flowstock.js", code) == [True, True, True, True, True, False]


def test_who_shows_what_is_known_is_told_which_keys_have_changed(page: Page) -> None:
    code = """
      const store = new m.Store();
      const told = [];
      store.listen((changed) => told.push(Object.fromEntries([...changed].map(([topic, keys]) => [topic, [...keys]]))));
      const frame = () => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
      const device = (mac) => ({ mac, ip: null, ips: [], macs: [mac] });
      const begin = (devices, threats) => store.take({ type: "snapshot", devices, threats, stats: {} });
      begin([device("a"), device("b")], [{ id: 1, status: "open" }]);
      await frame();
      store.take({ type: "device_update", device: device("b") });
      store.take({ type: "device_update", device: device("b") });
      store.take({ type: "flow_update", flow: { id: 7 } });
      store.take({ type: "device_removed", key: "a" });
      await frame();
      begin([device("c")], []);
      await frame();
      return told;
    """
    assert call(page, "store.js", code) == [
        {"devices": ["a", "b"], "threats": [1], "stats": []},
        {"devices": ["b", "a"], "flows": [7]},
        {"devices": ["b", "c"], "threats": [1], "stats": []},
    ]
