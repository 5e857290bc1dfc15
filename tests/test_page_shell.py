"""The frame of the page: whether what is shown is live, who may see it, search, keys, theme, and the flows."""

import csv
import io
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from faults_kit import storage
from looking import expect, live, looking
from playwright.sync_api import Browser, Page
from running import MAC, OTHER_MAC, Daemon, flow_line, locked, scratch

Make = Callable[..., Daemon]
HOST = "<img src=x onerror=alert(1)>"
HYPHENS = MAC.replace(":", "-").upper()


def flow(number: int, **fields: Any) -> dict[str, Any]:
    """A flow of the first device, unless it is said otherwise."""
    return flow_line(1000 + number, **({"dst_port": 443} | fields))


EVENTS: list[dict[str, Any]] = [
    {"type": "device", "mac": MAC, "ip": "192.168.1.5", "hostname": "nas", "vendor": "Synology", "name": "Big box"},
    {"type": "device", "mac": OTHER_MAC, "ip": "192.168.1.6", "ips": ["192.168.1.6", "fd00::6"], "hostname": HOST},
    {"type": "threat", "kind": "odd_thing", "severity": "high", "device": MAC, "description": f"{HOST} is odd"},
    flow(1), flow(2, dst_port=80), flow(3, dst_port=53, protocol="udp"),
    flow(4, src_ip="192.168.1.6", dst_ip="1.1.1.1", state="reset"),
    flow(5, src_ip="203.0.113.9", dst_ip="192.168.1.5", dst_port=22, state="rejected"),
    flow(6, src_ip="192.168.1.6", dst_ip="192.168.1.5", dst_port=445),
    flow(7, src_ip="fd00::6", dst_ip="2001:db8::53", dst_port=53, protocol="udp"),
    flow(8, src_port=8, dst_port=0, protocol="icmp"),
    flow(9, src_ip="fe80::98", dst_ip="2001:db8::99", src_port=128, dst_port=0, protocol="icmpv6"),
    flow(10, src_ip="10.9.9.9", dst_ip="224.0.0.5", src_port=0, dst_port=0, protocol="ospf"),
]  # fmt: skip
FLOWS = 10


@pytest.fixture(scope="module")
def home() -> Iterator[Daemon]:
    """A daemon that knows two devices, a threat and some flows."""
    with Daemon(scratch(), storage()) as daemon:
        assert daemon.emit(*EVENTS) == []
        yield daemon


def configured(daemon: Daemon, setting: str) -> Daemon:
    """The daemon with a setting in its section of the WebSocket."""
    daemon.config.write_text(daemon.config.read_text().replace("[websocket]\n", f"[websocket]\n{setting}\n"))
    return daemon


def rows(page: Page) -> Any:
    """The rows of flows that are shown."""
    return page.locator("table.list.long tbody:not(.spacer) tr")


def test_the_first_screen_answers_all_three_questions_without_scrolling(browser: Browser, home: Daemon) -> None:
    with looking(browser, home.port, viewport={"width": 1280, "height": 800}) as page:
        live(page)
        expect(page.locator("h1")).to_have_count(1)
        sections = page.locator(".overview-sections > *")
        expect(sections).to_have_count(3)
        for box in [sections.nth(place).bounding_box() for place in range(3)]:
            assert box and box["y"] + box["height"] <= 800
        assert page.evaluate("document.documentElement.scrollHeight <= innerHeight")


def test_search_finds_devices_threats_and_flows_and_hostile_text_stays_text(browser: Browser, home: Daemon) -> None:
    with looking(browser, home.port) as page:
        live(page)
        page.keyboard.press("/")
        page.keyboard.type("onerror")
        found = page.get_by_role("option")
        expect(found.filter(has_text=f"{HOST}192.168.1.6")).to_have_count(1)
        expect(found.filter(has_text=f"{HOST} is odd")).to_have_count(1)
        expect(found.filter(has_text="→")).to_have_count(3)
        assert page.locator("img").count() == 0
        page.keyboard.press("Escape")
        expect(page.get_by_role("listbox")).to_be_hidden()
        page.keyboard.press("ControlOrMeta+a")
        page.keyboard.type("synology")
        expect(found.first).to_contain_text("Big box")
        page.keyboard.press("Enter")
        page.wait_for_url(f"**/?view=device&device={MAC.replace(':', '%3A')}")


@pytest.mark.parametrize("text", [HYPHENS, MAC.replace(":", ""), "a4-83-E7-00-00-01"])
def test_a_mac_is_found_however_it_is_written(browser: Browser, home: Daemon, text: str) -> None:
    with looking(browser, home.port) as page:
        live(page)
        page.keyboard.press("/")
        page.keyboard.type(text)
        found = page.get_by_role("option")
        expect(found.first).to_contain_text("Big box")
        expect(found.filter(has_text=f"{HOST} is odd")).to_have_count(1)
        expect(found.filter(has_text="→")).to_have_count(5)
        found.filter(has_text="All devices with").click()
        expect(page.get_by_text("1 of 2 shown, 1 here")).to_be_visible()
        page.goto(page.url.replace("view=devices", "view=threats"))
        expect(page.get_by_role("row", name=f"{HOST} is odd")).to_be_visible()


def test_keys_go_to_views_and_can_be_switched_off(browser: Browser, home: Daemon) -> None:
    with looking(browser, home.port) as page:
        live(page)
        for key, view in [("t", "threats"), ("d", "devices"), ("f", "flows"), ("s", "status"), ("r", "traffic")]:
            page.keyboard.press("g")
            page.keyboard.press(key)
            page.wait_for_url(f"**/?view={view}")
        page.keyboard.press("?")
        help_ = page.get_by_role("dialog", name="Help")
        help_.get_by_label("Single keys do this").uncheck()
        page.keyboard.press("Escape")
        expect(help_).to_have_count(0)
        page.keyboard.press("g")
        page.keyboard.press("o")
        page.keyboard.press("?")
        expect(help_).to_have_count(0)
        assert page.url.endswith("?view=traffic")


@pytest.mark.slow
def test_j_and_k_walk_the_rows_and_enter_opens_one(browser: Browser, home: Daemon) -> None:
    with looking(browser, home.port, "?view=flows") as page:
        expect(rows(page)).to_have_count(FLOWS)
        for key in "jjjk":
            page.keyboard.press(key)
        expect(rows(page).nth(1).locator(".row-link")).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.get_by_role("dialog", name="One flow")).to_contain_text("2001:db8::99, port 0")


@pytest.mark.slow
def test_a_theme_is_chosen_and_kept(browser: Browser, home: Daemon) -> None:
    with looking(browser, home.port, color_scheme="light") as page:
        root = page.locator("html")
        expect(root).to_have_attribute("data-theme", "light")
        page.emulate_media(color_scheme="dark")
        expect(root).to_have_attribute("data-theme", "dark")
        page.get_by_role("button", name="Theme").click()
        page.get_by_role("menuitemradio", name="Light").click()
        expect(root).to_have_attribute("data-theme", "light")
        page.reload()
        expect(root).to_have_attribute("data-theme", "light")


def test_who_has_no_token_is_asked_for_it(browser: Browser, daemon: Make) -> None:
    guarded = configured(daemon(), "token = secretly")
    with guarded, looking(browser, guarded.port, losing=True) as page:
        asks = page.get_by_role("dialog", name="A token is needed")
        expect(page.locator(".state")).to_have_text("a token is needed")
        page.keyboard.press("Escape")
        expect(asks).to_have_count(0)
        page.locator(".state").click()
        asks.get_by_label("Token").fill("no token")
        asks.get_by_role("button", name="Connect").click()
        expect(asks.get_by_role("alert")).to_contain_text("That is no token")
        asks.get_by_label("Token").fill("guessed-it")
        asks.get_by_role("button", name="Connect").click()
        expect(asks.get_by_role("alert")).to_have_text("That is not the token of this netwatchd.")
        asks.get_by_label("Token").fill("secretly")
        asks.get_by_label("Keep it on this device").check()
        asks.get_by_role("button", name="Connect").click()
        expect(asks).to_have_count(0)
        live(page)
        assert page.evaluate("Object.values(localStorage)") == ["secretly"]
        page.reload()
        live(page)


@pytest.mark.slow
def test_who_guesses_tokens_is_told_that_it_takes_a_while(browser: Browser, daemon: Make) -> None:
    with configured(daemon(), "token = secretly") as guarded, looking(browser, guarded.port, losing=True) as page:
        asks = page.get_by_role("dialog", name="A token is needed")
        connect = asks.get_by_role("button", name="Connect")
        for guess in range(40):
            asks.get_by_label("Token").fill(f"guess-{guess:02}")
            connect.click()
            expect(asks.get_by_role("alert")).not_to_be_empty()
            if "wait for a while" in asks.get_by_role("alert").inner_text():
                break
        asks.get_by_label("Token").fill("secretly")
        connect.click()
        live(page)


@pytest.mark.slow
def test_how_old_is_what_is_shown_while_the_daemon_is_away(browser: Browser, daemon: Make) -> None:
    with daemon() as started, looking(browser, started.port, losing=True) as page:
        live(page)
        started.kill()
        state = page.locator(".state")
        expect(state).to_contain_text("reconnecting, ")
        expect(state).to_contain_text("7 s old")
        expect(page.get_by_text("The connection to netwatchd is lost.")).to_have_count(1)
        started.start()
        live(page)


@pytest.mark.slow
def test_a_database_that_cannot_be_written_is_said_and_so_is_every_lost_record(browser: Browser, daemon: Make) -> None:
    started = configured(daemon(storage(max_pending="1000")), "stats_interval = 1 s")
    with started, looking(browser, started.port) as page:
        live(page)
        with locked(started.state / "core.db"):
            started.emit(*(flow(number) for number in range(700)))
            expect(page.locator(".banner")).to_contain_text("The database cannot be written")
            started.emit(*(flow(number) for number in range(700, 1400)))
            expect(page.locator(".losses")).to_have_text("400 lost")
            page.locator(".losses").click()
            expect(page.get_by_role("row", name="Flows dropped: 400 storage full")).to_be_visible()
        expect(page.locator(".banner")).to_have_count(0)


FILTERS = [
    {}, {"device": MAC}, {"device": "big box"}, {"device": OTHER_MAC}, {"device": "192.168.1.6"}, {"peer": "1.1.1.1"},
    {"peer": "192.168.1.0/24"}, {"peer": "nas"}, {"peer": "2001:db8::/32"}, {"port": "53"}, {"port": "udp/53"},
    {"port": "tcp/53"}, {"protocol": "udp"}, {"protocol": "icmp"}, {"state": "closed"}, {"state": "reset,rejected"},
    {"text": "big"}, {"text": "synology"}, {"text": "192.168.1.6"}, {"text": "192.168."}, {"text": "203.0"},
    {"text": "udp"}, {"text": "53"}, {"text": "udp big"}, {"text": "tcp/443 nas"}, {"text": "rejected"},
    {"text": "fd00:"}, {"text": "nothing-like-it"}, {"peer": "nas", "protocol": "tcp", "port": "445"},
    # The same written otherwise.
    {"device": HYPHENS}, {"device": MAC.replace(":", "")}, {"device": " nas "}, {"device": "FD00:0::6"},
    {"peer": HYPHENS.lower()}, {"peer": "2001:DB8:0::53"}, {"peer": "nas."}, {"protocol": "icmpv6"},
    {"protocol": "ipv6-icmp"}, {"protocol": "TCP"}, {"protocol": "17"}, {"port": "6/443"}, {"port": "128"},
    {"text": HYPHENS}, {"text": MAC[:11]}, {"text": MAC.replace(":", "")}, {"text": "a4-83-e7"}, {"text": "icmp"},
    {"text": "icmpv6"}, {"text": "ospf"}, {"text": "128"}, {"text": "fd00::"}, {"text": "2001:0db8"},
    {"text": "2001:db8:0"}, {"text": "FD00:0::6"}, {"text": "10.9"}, {"text": "6/443"}, {"text": "203.0.113.0/24"},
]  # fmt: skip


def test_what_comes_live_is_looked_for_as_the_past_is(browser: Browser, home: Daemon) -> None:
    code = """async (all) => {
      const [{ matcher }, { Store }, { askPart }] = await Promise.all(
        ["/matching.js", "/store.js", "/api.js"].map((name) => import(name)));
      const store = new Store();
      const { rows } = await askPart("flows", { limit: 100 });
      for (const device of await (await fetch("/api/devices")).json()) store.putDevice(device);
      return Promise.all(all.map(async (filters) => [
        rows.filter(matcher(filters, store)).map((flow) => flow.id),
        (await askPart("flows", { ...filters, limit: 100 })).rows.map((flow) => flow.id),
      ]));
    }"""
    with looking(browser, home.port, "?view=flows") as page:
        expect(rows(page)).to_have_count(FLOWS)
        found = page.evaluate(code, FILTERS)
    differ = {json.dumps(each): pair for each, pair in zip(FILTERS, found, strict=True) if pair[0] != pair[1]}
    assert not differ
    assert len(found[0][0]) == FLOWS
    nowhere = [{"port": "tcp/53"}, {"text": "nothing-like-it"}, {"port": "128"}, {"text": "128"}]
    assert [each for each, (here, _) in zip(FILTERS, found, strict=True) if not here] == nowhere


def test_flows_are_filtered_by_the_url_and_the_fields_and_exported_as_shown(browser: Browser, home: Daemon) -> None:
    with looking(browser, home.port, "?view=flows&protocol=udp") as page:
        expect(rows(page)).to_have_count(2)
        expect(page.get_by_label("Protocol")).to_have_value("udp")
        page.get_by_label("Protocol").select_option("any")
        expect(rows(page)).to_have_count(FLOWS)
        page.get_by_label("Device", exact=True).fill("Big box")
        expect(rows(page)).to_have_count(5)
        assert MAC.replace(":", "%3A") in page.url
        for kind in ("CSV", "JSON"):
            page.get_by_role("button", name="Export").click()
            with page.expect_download() as download:
                page.get_by_role("menuitem", name=kind).click()
            text = download.value.path().read_text(encoding="utf-8-sig")
            found = list(csv.DictReader(io.StringIO(text))) if kind == "CSV" else json.loads(text)
            assert [row["device"] for row in found] == [MAC] * 5
            assert download.value.suggested_filename.endswith(kind.lower())
        page.get_by_role("link", name="Clear filters").click()
        expect(rows(page)).to_have_count(FLOWS)
        page.get_by_label("Search", exact=True).fill("no such thing")
        expect(page.get_by_text("No flow is like that")).to_be_visible()


@pytest.mark.slow
def test_rows_are_called_anew_when_a_device_is_and_their_links_keep_the_filters(browser: Browser, daemon: Make) -> None:
    with daemon(storage()) as started:
        started.emit(*EVENTS)
        with looking(browser, started.port, "?view=flows&protocol=udp") as page:
            expect(rows(page)).to_have_count(2)
            named = rows(page).get_by_role("rowheader")
            expect(named).to_have_text([HOST, "Big box"])
            assert started.cli("name", MAC, "Cellar").returncode == 0
            expect(named).to_have_text([HOST, "Cellar"])
            rows(page).get_by_role("link", name="93.184.216.34").click()
            page.wait_for_url("**/?view=flows&protocol=udp&peer=93.184.216.34")
            expect(rows(page)).to_have_count(1)
            page.go_back()
            expect(rows(page)).to_have_count(2)


def test_flows_come_live_and_wait_while_they_are_paused(browser: Browser, daemon: Make) -> None:
    with daemon(storage()) as started, looking(browser, started.port, "?view=flows") as page:
        expect(page.get_by_text("No flows yet")).to_be_visible()
        started.emit(flow(1))
        expect(rows(page)).to_have_count(1)
        page.get_by_role("button", name="Pause").click()
        started.emit(flow(2), flow(3))
        newer = page.get_by_role("button", name="2 newer")
        expect(newer).to_be_visible()
        expect(rows(page)).to_have_count(1)
        newer.click()
        expect(rows(page)).to_have_count(3)


@pytest.mark.slow
def test_flows_that_came_while_the_connection_was_away_are_not_missing(browser: Browser, daemon: Make) -> None:
    with daemon(storage()) as started:
        started.emit(flow(1))
        with looking(browser, started.port, "?view=flows", losing=True) as page:
            expect(rows(page)).to_have_count(1)
            live(page)
            started.stop()
            started.start()
            started.emit(flow(2), flow(3))
            live(page)
            expect(rows(page)).to_have_count(3)


@pytest.mark.slow
def test_of_many_flows_only_those_are_made_that_are_seen_and_older_ones_are_asked_for(
    browser: Browser, daemon: Make
) -> None:
    with daemon(storage()) as started:
        started.emit(*(flow(number) for number in range(450)))
        with looking(browser, started.port, "?view=flows") as page:
            shown = page.locator(".toolbar-count")
            expect(shown).to_have_text("200 shown")
            assert rows(page).count() < 80
            page.get_by_role("button", name="Show older").click()
            expect(shown).to_have_text("400 shown")
            page.get_by_role("button", name="Show older").click()
            expect(shown).to_have_text("450 shown")
            expect(page.get_by_text("That is all that is kept.")).to_be_visible()
            page.locator(".card-foot").scroll_into_view_if_needed()
            expect(rows(page).last).to_have_attribute("aria-rowindex", "451")
