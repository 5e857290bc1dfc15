"""What the page's own small modules reckon: sizes, times, lists of elements, addresses of views, what is kept."""

from collections.abc import Iterator
from typing import Any

import pytest
from looking import expect, headings, hop, live, looking, settled
from playwright.sync_api import Browser, Page
from running import Daemon


@pytest.fixture(scope="module")
def page(browser: Browser, idle: Daemon) -> Iterator[Page]:
    """Its page."""
    with looking(browser, idle.port, "?view=status", locale="en-GB", timezone_id="Europe/Berlin") as shown:
        live(shown)
        yield shown


def call(page: Page, module: str, code: str, given: Any = None) -> Any:
    """What a piece of JavaScript returns that is given a module's exports as `m`, and `given`."""
    return page.evaluate(f"async (given) => {{ const m = await import('/{module}'); {code} }}", given)


def device(number: int, **fields: Any) -> dict[str, Any]:
    """A device as messages tell it."""
    mac = f"02:00:00:00:00:{number:02x}"
    return {
        "mac": mac, "ips": [f"10.0.0.{number}"], "ip": f"10.0.0.{number}", "hostname": f"host{number}", "vendor": None,
        "name": None, "first_seen": 1795426694503, "last_seen": 1795426694503, "status": "online", "random_mac": False,
        "bytes_in": 0, "bytes_out": 0, "sources": ["json"], "kind": None, "model": None, "macs": [mac], "evidence": [],
        "usual_silence": None,
    } | fields  # fmt: skip


SIZES = {
    0: "0 B", 1: "1 B", 999: "999 B", 999.6: "1.0 kB", 1000: "1.0 kB", 1300: "1.3 kB", 9949: "9.9 kB", 9960: "10 kB",
    999_499: "999 kB", 999_500: "1.0 MB", 42_000_000: "42 MB", 9_960_000: "10 MB", 2**53: "9.0 PB",
    10**30: "1000000000000000 PB", -1300: "−1.3 kB",
}  # fmt: skip


def test_sizes_are_rounded_to_what_is_read(page: Page) -> None:
    assert call(page, "format.js", "return given.map(m.size);", list(SIZES)) == list(SIZES.values())
    assert call(page, "format.js", "return m.rate(1_050_000);") == "8.4 Mbit/s"


def test_what_is_no_number_and_no_time_is_a_dash_and_breaks_nothing(page: Page) -> None:
    code = """
      const odd = [NaN, Infinity, undefined, "12", {}, 9e15];
      return ["count", "size", "span", "ago", "time", "moment"].map((name) => odd.map((each) => m[name](each)));
    """
    counts, sizes, spans, *times = call(page, "format.js", code)
    dash = ["–"] * 5
    assert (counts[:5], sizes[:5], spans[:5]) == (dash, dash, dash)
    assert times == [[*dash, "–"]] * 3


SPANS = {0: "0 s", 59_400: "59 s", 59_600: "1 min", 3_599_000: "59 min", 3_600_000: "1 h 0 min", 90_000_000: "1 d 1 h",
         -5: "0 s"}  # fmt: skip


def test_spans_and_ages(page: Page) -> None:
    assert call(page, "format.js", "return given.map(m.span);", list(SPANS)) == list(SPANS.values())
    ages = [-60_000, 0, 9_999, 10_000, 60_000, 3_600_000, 86_400_000]
    said = ["just now", "just now", "just now", "10 s ago", "1 min ago", "1 h ago", "1 d ago"]
    assert call(page, "format.js", "return given.map((age) => m.ago(1e12 - age, 1e12));", ages) == said


def test_times_are_in_the_viewers_zone(page: Page) -> None:
    assert call(page, "format.js", "return m.time(given);", 1795426694503) == "23/11/2026, 10:38"
    # Midnight in Berlin, also where the clocks have changed on that day.
    code = "return given.map((time) => new Date(m.midnight(Date.parse(time))).toISOString());"
    given = ["2026-11-23T09:38:14Z", "2026-03-29T12:00:00Z", "2026-10-25T23:30:00Z"]
    assert call(page, "format.js", code, given) == [
        "2026-11-22T23:00:00.000Z", "2026-03-28T23:00:00.000Z", "2026-10-25T23:00:00.000Z",
    ]  # fmt: skip


ORDERS = ["abc", "bc", "cab", "acb", "bca", "", "xabcy", "ab", "edcba", "abcde", "abcab", "e", "abcdefgh", "hbcdefga"]


def test_a_list_of_elements_becomes_any_other_one_by_moving_what_is_there(page: Page) -> None:
    code = """
      const parent = document.createElement("ul");
      document.body.append(parent);
      const made = new Map();
      const make = (item) => { const node = document.createElement("li"); made.set(item, node); return node; };
      const found = [];
      for (const one of given) for (const other of given) for (const order of [one, other]) {
        const before = new Map([...parent.children].map((node) => [node.dataset.key, node]));
        m.reconcile(parent, [...order], (item) => item, make, (node, item) => { node.textContent = item; });
        const kept = [...parent.children].every((node) => !before.has(node.dataset.key)
          || before.get(node.dataset.key) === node);
        if (parent.textContent !== [...new Set(order)].join("") || !kept) found.push([one, other, parent.textContent]);
      }
      parent.remove();
      return found;
    """
    assert call(page, "dom.js", code, ORDERS) == []


def test_who_is_at_an_element_of_a_list_stays_there(page: Page) -> None:
    code = """
      const parent = document.createElement("div");
      document.body.append(parent);
      const show = (order) => m.reconcile(parent, [...order], (item) => item,
        () => document.createElement("button"), (node, item) => { node.textContent = item; });
      show("abcd");
      parent.children[2].focus();
      let moves = 0;
      const count = new MutationObserver((found) => { moves += found.length; });
      count.observe(parent, { childList: true });
      const at = [];
      for (const order of ["abcd", "bcd", "xbcd", "bcdx", "dcbx", "xc"]) {
        show(order);
        at.push(document.activeElement.textContent);
        await Promise.resolve();
      }
      parent.remove();
      return [at, moves];
    """
    at, moves = call(page, "dom.js", code)
    assert at == ["c"] * 6
    assert moves <= 12


def test_elements_are_made_of_texts_and_never_of_html(page: Page) -> None:
    code = """
      const node = m.element("p", { class: "a", title: given, hidden: false, text: given, id: null }, null, [given]);
      return [node.textContent, node.children.length, node.title, node.hasAttribute("hidden"), node.attributes.length];
    """
    text = "<img src=x onerror=alert(1)>"
    assert call(page, "dom.js", code, text) == [text * 2, 0, text, False, 2]


ODD = ["__proto__", "constructor", "toString", "hasOwnProperty", "<img src=x onerror=alert(1)>", "%00", "a" * 3000]


@pytest.mark.slow
def test_views_and_filters_of_any_name_are_harmless(browser: Browser, idle: Daemon) -> None:
    with looking(browser, idle.port) as shown:
        settled(shown)
        for name in ODD:
            # The next one is gone to from there.
            hop(shown, f"?view={name}&{name}={name}&device={name}&__proto__=x&constructor=x")
            assert headings(shown)[:1] == [1]
            assert shown.locator("img").count() == 0
            assert shown.evaluate("({}).x") is None
        # As it is when such an address is opened.
        shown.goto(f"http://127.0.0.1:{idle.port}/?view=__proto__&constructor=x&__proto__=x")
        settled(shown)
        assert headings(shown)[:1] == [1]


def test_filters_of_any_value_are_harmless_in_every_view(browser: Browser, idle: Daemon) -> None:
    hostile = "%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E"
    names = ("id", "device", "text", "q", "peer", "port", "state", "status", "kind", "severity", "since", "until",
             "before", "sort", "by", "protocol", "span", "__proto__")  # fmt: skip
    # The daemon says no to some of them, by a sentence: that is no error of the page.
    with looking(browser, idle.port, refused=True) as it:
        settled(it)
        for view in ("threats", "devices", "device", "flows", "traffic"):
            hop(it, f"?view={view}&" + "&".join(f"{name}={hostile}" for name in names))
            assert headings(it).count(1) == 1
            assert it.locator("img").count() == 0
        # Names that every object has, and times after the last one.
        for asked in (
            "devices&sort=constructor",
            "devices&sort=-__proto__",
            f"flows&since={9 * 10**15}&until=9{'0' * 99}",
        ):
            hop(it, f"?view={asked}")
            assert headings(it).count(1) == 1


@pytest.mark.slow
def test_where_the_browser_keeps_nothing_the_page_works_all_the_same(browser: Browser, idle: Daemon) -> None:
    deny = "{ get() { throw new DOMException('denied', 'SecurityError'); } }"
    with looking(browser, idle.port, None) as shown:
        for name in ("localStorage", "sessionStorage"):
            shown.add_init_script(f"Object.defineProperty(window, '{name}', {deny});")
        shown.goto(f"http://127.0.0.1:{idle.port}/#token=correct-horse")
        live(shown)
        shown.get_by_role("button", name="Theme").click()
        shown.get_by_role("menuitemradio", name="Dark").click()
        expect(shown.locator("html")).to_have_attribute("data-theme", "dark")
        assert call(shown, "token.js", "return m.token();") == "correct-horse"


def test_a_token_comes_by_the_address_and_is_not_seen_there(browser: Browser, idle: Daemon) -> None:
    with looking(browser, idle.port, "?view=status#token=correct-horse") as shown:
        live(shown)
        assert shown.url.endswith("?view=status")
        assert call(shown, "token.js", "return m.token();") == "correct-horse"
        shown.reload()
        assert call(shown, "token.js", "return m.token();") == "correct-horse"
        assert shown.evaluate("localStorage.length") == 0


def test_what_another_version_does_not_tell_keeps_nothing_else_from_being_known(page: Page) -> None:
    code = """
      const store = new m.Store();
      store.take({ type: 'snapshot', devices: [{ mac: 'a', ips: null }, given], threats: [{ id: 1 }], stats: {} });
      store.take({ type: 'device_update', device: { mac: 'b' } });
      store.take({ type: 'threat_update', threat: { id: 2, evidence: null } });
      return [[...store.devices.values()].map(({ ips, kind }) => [ips, kind]), store.called('192.168.1.5'),
        [...store.threats.values()].map(({ status, description, evidence }) => [status, description, evidence])];
    """
    known = {"mac": "c", "ips": ["192.168.1.5"], "macs": [], "name": "Printer", "kind": "printer"}
    devices, name, threats = call(page, "store.js", code, known)
    assert sorted(devices) == [[[], "unknown"], [[], "unknown"], [["192.168.1.5"], "printer"]]
    assert name == "Printer"
    assert threats == [["open", "", {}]] * 2


def test_a_link_takes_no_token_away_that_is_kept_for_good(browser: Browser, idle: Daemon) -> None:
    with looking(browser, idle.port, "?view=status") as shown:
        live(shown)
        call(shown, "token.js", "m.keep('correct-horse', true);")
        for link, told in (("#token=<b>", "correct-horse"), ("#token=another-one", "another-one")):
            assert call(shown, "token.js", "location.hash = given; return m.token();", link) == told
            assert "#token" not in shown.url
        assert shown.evaluate("localStorage.getItem('netwatchd.token')") == "correct-horse"


def test_days_are_those_of_the_viewers_zone_also_when_its_clocks_change(page: Page) -> None:
    hours = 3_600_000
    begun = 1_792_792_800_000  # 2026-10-24 00:00 in Berlin, whose clocks go back a day later
    rows = [{"time": begun + hour * hours, "bytes_in": 1, "bytes_out": 2} for hour in range(24 + 25 + 2)]
    rows[3] = {"time": rows[3]["time"], "bytes_in": None, "bytes_out": None}
    answer = {"since": begun, "until": begun + 51 * hours, "step": 3600, "rows": rows}
    days = call(page, "trafficdata.js", "return m.fromRows(given, true);", answer)
    assert days["bytesIn"] == [23, 25, 2]
    assert [(end - time) / hours for time, end in zip(days["times"], days["ends"], strict=True)] == [24, 25, 24]


@pytest.mark.parametrize("now", ["2026-10-25T23:30", "2026-11-10T00:30", "2027-04-10T00:30", "2027-04-10T23:30"])
def test_a_month_has_thirty_days_also_when_clocks_change(page: Page, now: str) -> None:
    code = """
      const now = new Date(given).getTime();
      const since = m.beginOf("30d", now);
      const rows = [];
      for (let time = since; time < now; time += 3_600_000) rows.push({ time, bytes_in: 1, bytes_out: 0 });
      return m.fromRows({ since, until: now, step: 3600, rows }, true).times.length;
    """
    assert call(page, "trafficdata.js", code, now) == 30


@pytest.mark.parametrize(
    ("lag", "steps"), [(0, [3, 3, 3]), (10, [3, 3, 3, 1]), (30, [3, 3, 3, 2, 1, 1]), (300, [3, 9])]
)
def test_now_is_the_mean_of_steps_of_which_nearly_all_was_told(page: Page, lag: int, steps: list[int]) -> None:
    code = """
      const bytes = given.steps.map((each) => each * 1e6);
      const traffic = { until: 1e12, step: 10, lag: given.lag, in: bytes, out: bytes, internal: bytes };
      return [m.Line.prototype.nowOf(traffic).in, 1e12 - m.stepsOf(traffic).believed];
    """
    assert call(page, "line.js", code, {"lag": lag, "steps": steps}) == [300_000, lag * 1000]


def test_an_hour_that_began_before_the_first_day_is_none_of_its(page: Page) -> None:
    code = """
      const first = new Date("2026-10-26T00:00").getTime();
      const rows = [-30, 30, 90].map((minutes) => ({ time: first + minutes * 60000, bytes_in: 1, bytes_out: 1 }));
      const { times, bytesIn } = m.fromRows({ since: rows[0].time, until: first + 9e6, step: 3600, rows }, true, first);
      return [times.map((time) => time - first), bytesIn];
    """
    assert call(page, "trafficdata.js", code) == [[0], [2]], "as where the zone is half an hour off"


def test_days_strips_and_bars_are_reckoned_right(page: Page) -> None:
    # The clocks go back on 2026-10-25: that day has 25 hours.
    days = page.evaluate("""async () => {
      const { daysOf } = await import('/presence.js');
      const [begin, now] = [Date.parse('2026-10-24T12:00+02:00'), Date.parse('2026-10-26T12:00+01:00')];
      return daysOf([[begin, now]], begin, now).map(({ here }) => here / 3600000);
    }""")
    assert days == [12, 25, 12]
    path, times, drawn, hosts = page.evaluate("""async () => {
      const [presence, spark, past] = [await import('/presence.js'), await import('/sparkline.js'),
        await import('/devicepast.js')];
      const device = { status: 'offline', last_seen: 70 };
      return [
        presence.stripPath([[-50, 10], [50, 50], [100, 200]], 0, 100),
        presence.timesOf([{ start: 60, end: null }, { start: 5, end: 3 }], device, 100),
        spark.bars([null, 0, 25, 100], 40, 20),
        ['192.0.2.1', '192.0.2.1:80', '[::1]:80', 'fe80::1', 'list x'].map(past.hostOf),
      ];
    }""")
    assert path == "M0 0h100v10h-100zM500 0h4v10h-4zM996 0h4v10h-4z"
    assert times == [[60, 70], [5, 5]]
    assert drawn == "M10 20v-0.38h9v0.38zM20 20v-10h9v10zM30 20v-20h9v20z"
    assert hosts == ["192.0.2.1", "192.0.2.1", "::1", "fe80::1", "list x"]


def test_many_messages_are_shown_together_and_a_listener_that_fails_keeps_none_from_the_others(page: Page) -> None:
    told = page.evaluate("""async (device) => {
      const { Store } = await import("/store.js");
      const store = new Store();
      const [told, failed] = [[], []];
      addEventListener("error", (event) => { failed.push(event.message); event.preventDefault(); });
      store.listen(() => { throw new Error("on purpose"); });
      store.listen((changed) => told.push([...changed.keys()]));
      for (let n = 0; n < 1000; n += 1) store.take({ type: "device_update", seq: n, device });
      store.take({ type: "stats", seq: 1000, stats: {} });
      await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
      return { told, failed };
    }""", device(1))  # fmt: skip
    assert told == {"told": [["devices", "stats"]], "failed": ["Uncaught Error: on purpose"]}


def test_what_is_known_is_bounded_however_long_it_goes_on(page: Page) -> None:
    sizes = page.evaluate("""async (device) => {
      const { Store } = await import("/store.js");
      const store = new Store();
      for (let n = 0; n < 5000; n += 1) {
        store.take({ type: "device_update", device: { ...device, ips: [`10.0.${n >> 8}.${n & 255}`] } });
        store.take({ type: "threat_update", threat: { id: n, status: n % 100 ? "dismissed" : "open" } });
        store.take({ type: "flow_update", flow: { id: n, end: 1, state: "closed" } });
        store.take({ type: "device_update", device: { ...device, mac: "ff", macs: ["ff"], ips: ["::1"] } });
        store.take({ type: "device_removed", key: "ff" });
      }
      const open = [...store.threats.values()].filter((threat) => threat.status === "open").length;
      return [store.devices.size, store.owners.size, store.flows.size, open, store.threats.size];
    }""", device(1))  # fmt: skip
    assert sizes == [1, 2, 2000, 50, 1050]


def test_an_address_that_moved_on_belongs_to_the_other_one(page: Page) -> None:
    named = page.evaluate("""async ([one, other]) => {
      const { Store } = await import("/store.js");
      const store = new Store();
      store.putDevice(one);
      store.putDevice({ ...other, ips: one.ips });
      store.putDevice({ ...one, ips: ["10.0.0.9"] });
      const moved = store.called(one.ips[0]);
      store.removeDevice(other.mac);
      return [moved, store.called(one.ips[0]), store.called("10.0.0.9"), store.called(null), store.called("__proto__")];
    }""", [device(1), device(2)])  # fmt: skip
    assert named == ["host2", "10.0.0.1", "host1", "", "__proto__"]
