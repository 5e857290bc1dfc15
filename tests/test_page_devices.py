"""Who is here: the section of the overview, all devices with their filters, and one device's own view."""

import csv
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from faults_kit import storage
from looking import expect, looking
from playwright.sync_api import Browser, Page
from running import Daemon, flow_line, locked, scratch
from waiting import eventually

from netwatchd.identity.kinds import KINDS

PAGE = Path(__file__).parent.parent / "netwatchd/page"
PHONE, NAS, PRINTER, EVIL, GONE = (f"a4:83:e7:00:00:0{number}" for number in range(1, 6))
HOST = "<img src=x onerror=alert(1)>"
SCRIPT = '"><script>alert(2)</script>'
DAY = 86_400_000


def device(mac: str, number: int, **fields: Any) -> dict[str, Any]:
    """A device as another program tells it."""
    return {"type": "device", "mac": mac, "ip": f"192.168.1.{number}"} | fields


EVENTS: list[dict[str, Any]] = [
    device(PHONE, 5, hostname="iphone-nora", vendor="Apple, Inc."),
    device(NAS, 6, hostname="diskstation", vendor="Synology", ips=["192.168.1.6", "fd00::6"]),
    device(PRINTER, 7, hostname="HP-LaserJet", vendor="Hewlett Packard"),
    device(EVIL, 8, hostname=HOST, vendor=SCRIPT),
    device(GONE, 9, hostname="tv"),
    device(GONE, 9, status="offline"),
    flow_line(1, dst_port=443, bytes_in=4_000_000), flow_line(2, dst_ip="192.168.1.6", dst_port=445, bytes_in=20),
    {"type": "threat", "kind": "odd_thing", "severity": "high", "device": PRINTER, "description": f"{HOST} is odd"},
    {"type": "threat", "kind": "older_thing", "severity": "low", "device": PRINTER, "description": "an old story"},
    {"type": "threat", "kind": "new_device", "severity": "info", "device": PHONE, "description": "a new device"},
    {"type": "threat", "kind": "flood", "device": NAS, "target": "192.168.1.7:9100", "description": "done to it"},
]  # fmt: skip


@pytest.fixture(scope="module")
def home() -> Iterator[Daemon]:
    """A daemon that knows five devices, of which four are here."""
    with Daemon(scratch(), storage()) as daemon:
        assert daemon.emit(*EVENTS) == []
        eventually(lambda: len(daemon.core("SELECT * FROM threats")) >= 4)
        daemon.json("dismiss", str(daemon.core("SELECT id FROM threats WHERE kind = 'older_thing'")[0][0]))
        eventually(lambda: len(daemon.flows()) == 2)
        yield daemon


def names(page: Page) -> list[str]:
    """The devices that are listed, in their order."""
    return page.locator(".devices tbody .row-link").all_inner_texts()


def at(mac: str, **more: str) -> str:
    """The view of a device."""
    return "&".join([f"?view=device&device={mac}", *(f"{key}={value}" for key, value in more.items())])


def test_the_overview_says_who_is_here_what_is_unusual_and_who_left(browser: Browser, home: Daemon) -> None:
    with looking(browser, home.port) as page:
        who = page.get_by_role("region", name="Who is here?")
        expect(who.locator(".answer")).to_have_text("4 of 5 devices are here.")
        rows = who.get_by_role("list", name="Devices that are here").get_by_role("listitem")
        expect(rows).to_have_count(4)
        expect(rows.first).to_contain_text("HP-LaserJet")
        expect(rows.first.locator(".severity")).to_contain_text("high")
        expect(rows.nth(2)).to_contain_text("iphone-nora")
        expect(rows.nth(2)).to_contain_text("new")
        expect(rows.nth(2)).to_contain_text("4.0 MB today")
        expect(rows.nth(2).get_by_role("img")).to_have_accessible_name(re.compile("4.0 MB in the last 24 hours, most"))
        left = who.get_by_role("list", name="Devices that left lately").get_by_role("listitem")
        expect(left).to_contain_text("tv")
        expect(who.locator(".answer + p")).to_contain_text("tv left")
        assert page.locator("img, main script").count() == 0
        rows.first.get_by_role("link").click()
        page.wait_for_url("**/?view=device&device=*")


def test_who_comes_leaves_or_is_renamed_shows_at_once(browser: Browser, daemon: Any) -> None:
    with daemon() as running, looking(browser, running.port) as page:
        who = page.get_by_role("region", name="Who is here?")
        expect(who).to_contain_text("Nobody has been seen yet")
        assert running.emit(device(PHONE, 5, hostname="phone")) == []
        expect(who.locator(".answer")).to_have_text("1 of 1 device is here.")
        running.json("name", PHONE, HOST)
        expect(who.get_by_role("link", name=HOST)).to_be_visible()
        assert running.emit(device(PHONE, 5, status="offline")) == []
        expect(who.locator(".answer")).to_have_text("0 of 1 device is here.")
        expect(who.get_by_role("list", name="Devices that left lately")).to_contain_text("left")
        running.json("forget", PHONE, "--yes")
        expect(who).to_contain_text("Nobody has been seen yet")


def test_filters_and_order_stand_in_the_address_and_come_from_it(browser: Browser, home: Daemon) -> None:
    with looking(browser, home.port, "?view=devices") as page:
        expect(page.locator(".toolbar-count")).to_have_text("5 shown, 4 here")
        assert names(page) == [HOST, "diskstation", "HP-LaserJet", "iphone-nora", "tv"]
        page.locator("[name=device-text]").fill("synology 192.168")
        page.wait_for_url("**/?view=devices&text=synology+192.168")
        expect(page.locator(".devices tbody .row-link")).to_have_text(["diskstation"])
        page.reload()
        expect(page.locator(".toolbar-count")).to_have_text("1 of 5 shown, 1 here")
        expect(page.locator("[name=device-text]")).to_have_value("synology 192.168")
        page.get_by_role("link", name="Clear filters").click()
        page.get_by_role("button", name="Away").click()
        page.wait_for_url("**/?view=devices&online=no")
        expect(page.locator(".devices tbody .row-link")).to_have_text(["tv"])
        page.get_by_role("button", name="All", exact=True).click()
        page.get_by_role("button", name="Unusual").click()
        expect(page.locator(".toolbar-count")).to_have_text("3 of 5 shown, 3 here")
        page.get_by_role("button", name="Unusual").click()
        page.locator("[name=device-kind]").select_option("printer")
        page.wait_for_url("**/?view=devices&kind=printer")
        expect(page.locator(".devices tbody .row-link")).to_have_text(["HP-LaserJet"])
        page.locator("[name=device-kind]").select_option("")
        head = page.get_by_role("columnheader", name="Down today")
        head.get_by_role("button").click()
        expect(head).to_have_attribute("aria-sort", "descending")
        page.wait_for_url("**/?view=devices&sort=down")
        expect(page.locator(".devices tbody .row-link").first).to_have_text("iphone-nora")
        head.get_by_role("button").click()
        page.wait_for_url("**/?view=devices&sort=-down")
        expect(page.locator(".devices tbody .row-link").last).to_have_text("iphone-nora")
        page.locator("[name=device-new]").select_option("1 h")
        expect(page.locator(".toolbar-count")).to_have_text("5 shown, 4 here")


@pytest.mark.slow
def test_hostile_names_stay_text_and_what_is_shown_is_exported(browser: Browser, home: Daemon) -> None:
    with looking(browser, home.port, "?view=devices&text=script") as page:
        expect(page.locator(".devices tbody .row-link")).to_have_text([HOST])
        expect(page.locator(".devices .what")).to_contain_text(SCRIPT)
        assert page.locator("img, main script").count() == 0
        page.get_by_role("button", name="Export").click()
        with page.expect_download() as download:
            page.get_by_role("menuitem", name="CSV").click()
        (row,) = csv.DictReader(io.StringIO(download.value.path().read_text("utf-8-sig"), newline=""))
        assert (row["mac"], row["hostname"], row["vendor"], row["status"]) == (EVIL, HOST, SCRIPT, "online")
        page.get_by_role("button", name="Export").click()
        with page.expect_download() as download:
            page.get_by_role("menuitem", name="JSON").click()
        (told,) = json.loads(download.value.path().read_text())
        assert told.keys() == home.json("devices")[0].keys()


def test_a_device_is_renamed_where_its_name_stands(browser: Browser, home: Daemon) -> None:
    named = f"SELECT name FROM devices WHERE mac = '{NAS}'"
    with looking(browser, home.port, at(NAS)) as page:
        heading = page.get_by_role("heading", level=1)
        expect(heading).to_have_text("diskstation")
        rename = page.get_by_role("button", name="Rename")
        field = page.get_by_label("Name of this device")
        rename.click()
        expect(field).to_be_focused()
        field.fill("Never")
        field.press("Escape")
        expect(heading).to_have_text("diskstation")
        expect(rename).to_be_focused()
        rename.click()
        field.fill(f"Big {HOST}")
        field.press("Enter")
        expect(heading).to_have_text(f"Big {HOST}")
        expect(page.get_by_role("status").filter(has_text=f"It is called Big {HOST} now.")).to_have_count(1)
        expect(page).to_have_title(f"(2) Big {HOST} · netwatchd")
        eventually(lambda: home.core(named) == [(f"Big {HOST}",)])
        rename.click()
        field.evaluate("(input) => input.removeAttribute('maxlength')")
        field.fill("x" * 101)
        field.press("Enter")
        expect(page.locator("#device-name-problem")).to_have_text(
            "It was not renamed: 'name' should be text of up to 100 characters, or null."
        )
        expect(field).to_have_attribute("aria-invalid", "true")
        field.fill("")
        page.get_by_role("button", name="Save").click()
        expect(heading).to_have_text("diskstation")
        eventually(lambda: home.core(named) == [(None,)])
        assert page.locator("img").count() == 0


def test_one_device_shows_all_that_is_known_of_it(browser: Browser, home: Daemon) -> None:
    with looking(browser, home.port, at(PHONE), viewport={"width": 1280, "height": 1600}) as page:
        expect(page.get_by_role("heading", level=1)).to_have_text("iphone-nora")
        expect(page.locator(".device-head")).to_contain_text("here for")
        about = page.get_by_role("region", name="What it is")
        for text in ("Phone", "Apple, Inc.", "192.168.1.5", PHONE, "iphone-nora", "Why it is of that kind"):
            expect(about).to_contain_text(text)
        about.get_by_text("Names and clues").click()
        expect(about.locator(".clues")).to_contain_text("name as told")
        here = page.get_by_role("region", name="When it was here")
        expect(here).to_contain_text("in one go")
        here.get_by_text("The same as a table").click()
        expect(here.get_by_role("row")).to_have_count(2)
        expect(here.get_by_role("row").last).to_contain_text("now")
        moved = page.get_by_role("region", name="What it moved")
        expect(moved).to_contain_text("4.0 MB down, 200 B up.")
        expect(moved.locator("canvas")).to_have_count(1)
        whom = page.get_by_role("region", name="With whom, by which ports")
        peer = whom.get_by_role("link", name="93.184.216.34")
        expect(peer).to_have_attribute(
            "href", f"?view=flows&device={PHONE.replace(':', '%3A')}&since=7+d&peer=93.184.216.34"
        )
        expect(whom.get_by_role("link", name="tcp/445")).to_be_visible()
        expect(page.get_by_role("region", name="Latest flows").get_by_role("row")).to_have_count(3)
        expect(page.get_by_role("region", name="Threats and news")).to_contain_text("a new device")
        page.get_by_role("link", name="30 d").click()
        page.wait_for_url("**range=30d")
        expect(here.locator(".day")).to_have_count(30)
        page.get_by_role("link", name="All of its flows").click()
        page.wait_for_url("**/?view=flows&device=*")


@pytest.mark.slow
def test_threats_of_a_device_are_told_with_those_that_were_put_away(browser: Browser, home: Daemon) -> None:
    with looking(browser, home.port, at("192.168.1.7")) as page:
        rows = page.get_by_role("region", name="Threats and news").get_by_role("listitem")
        expect(rows).to_have_count(3)
        expect(rows.first).to_contain_text(f"{HOST} is odd")
        expect(rows.nth(1)).to_contain_text("done to it")
        expect(rows.last).to_contain_text("dismissed")
        number = home.core("SELECT id FROM threats WHERE kind = 'odd_thing'")[0][0]
        expect(rows.first.get_by_role("link")).to_have_attribute("href", f"?view=threats&id={number}")
        assert page.locator("img").count() == 0


@pytest.mark.slow
def test_devices_are_merged_split_and_forgotten_where_that_is_confirmed(browser: Browser, daemon: Any) -> None:
    with daemon() as running:
        assert running.emit(device(PHONE, 5, name="phone"), device(NAS, 6, hostname="other")) == []
        eventually(lambda: len(running.json("devices")) == 2)
        with looking(browser, running.port, at(NAS)) as page:
            more = page.get_by_role("button", name="More about this device")
            more.click()
            page.get_by_role("menuitem", name="It is another device").click()
            box = page.get_by_role("dialog", name="Which device is other?")
            box.get_by_label("It is").select_option(PHONE)
            expect(box).to_contain_text("other and phone become one device")
            box.get_by_role("button", name="Merge").click()
            expect(page.get_by_role("heading", level=1)).to_have_text("phone")
            expect(page.get_by_role("region", name="What it is")).to_contain_text("by you")
            assert [row["mac"] for row in running.json("devices")] == [PHONE]
            page.get_by_role("button", name=f"Split {NAS} off").click()
            page.get_by_role("dialog").get_by_role("button", name="Split").click()
            expect(page.locator(".toast").last).to_contain_text(f"{NAS} is a device of its own now.")
            eventually(lambda: len(running.json("devices")) == 2)
            more.click()
            page.get_by_role("menuitem", name="Forget it").click()
            page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
            more.click()
            page.get_by_role("menuitem", name="Forget it").click()
            page.get_by_role("dialog").get_by_role("button", name="Forget").click()
            page.wait_for_url("**/?view=devices")
            eventually(lambda: [row["mac"] for row in running.json("devices")] == [NAS])


@pytest.mark.slow
def test_the_past_of_a_device_that_just_came_is_asked_again_until_it_is_stored(browser: Browser, daemon: Any) -> None:
    with daemon() as running:
        assert running.emit(device(PHONE, 5, hostname="phone")) == []
        eventually(lambda: len(running.json("devices")) == 1)
        with looking(browser, running.port, at(NAS), refused=True) as page:
            problem = page.locator(".device > .banner").filter(has_text="Some of the past could not be asked")
            with locked(running.state / "core.db"):
                assert running.emit(device(NAS, 6, hostname="nas")) == []
                expect(page.get_by_role("heading", level=1)).to_have_text("nas")
                expect(problem).to_be_visible()
            expect(problem).to_be_hidden()
            expect(page.get_by_role("region", name="What it is")).to_contain_text("json")


@pytest.mark.slow
def test_a_device_that_is_not_known_or_no_more_is_said(browser: Browser, daemon: Any) -> None:
    with daemon() as running:
        assert running.emit(device(PHONE, 5, hostname="phone")) == []
        with looking(browser, running.port, at(HOST)) as page:
            expect(page.locator("main")).to_contain_text(f"Nothing here is known by {HOST}.")
            page.get_by_role("link", name="All devices").click()
            page.get_by_role("link", name="phone").click()
            expect(page.get_by_role("heading", level=1)).to_have_text("phone")
            running.json("forget", PHONE, "--yes")
            expect(page.locator("main")).to_contain_text("This device is no more")
            expect(page.get_by_role("heading", level=1)).to_have_text("Device")


@pytest.mark.slow
def test_500_devices_are_a_window_and_hold_still_for_who_is_at_a_row(browser: Browser, daemon: Any) -> None:
    with daemon() as running:
        macs = [f"a4:83:e7:00:{number // 256:02x}:{number % 256:02x}" for number in range(500)]
        assert running.emit(*(device(mac, 9, ip=f"10.0.{n // 250}.{n % 250 + 1}", hostname=f"host-{n:03}")
                              for n, mac in enumerate(macs))) == []  # fmt: skip
        with looking(browser, running.port, "?view=devices") as page:
            expect(page.locator(".toolbar-count")).to_have_text("500 shown, 500 here")
            rows = page.locator(".devices tbody:not(.spacer) tr")
            expect(rows.first).to_contain_text("host-000")
            assert rows.count() < 60
            page.locator(".devices tbody .row-link").nth(2).focus()
            running.json("name", macs[2], "zzz")
            expect(rows.nth(2)).to_contain_text("zzz")
            expect(rows.nth(2).get_by_role("link")).to_be_focused()
            page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
            expect(rows.last).to_contain_text("host-499")
            assert rows.count() < 60
        with looking(browser, running.port) as page:
            expect(page.locator(".who-more")).to_have_text("and 440 more that are here")
            expect(page.locator(".who-rows .who-row")).to_have_count(60)


def test_every_kind_has_a_name_and_an_icon_that_is_drawn(browser: Browser, home: Daemon) -> None:
    with looking(browser, home.port, "?view=devices") as page:
        told = page.evaluate("async () => Object.keys((await import('/kinds.js')).KINDS)")
        assert sorted(told) == sorted(KINDS)
        code = """async (kinds) => {
          const [{ kindIcon }, drawn] = [await import('/kinds.js'), []];
          for (const kind of kinds) {
            const icon = kindIcon(kind);
            document.querySelector('main').append(icon);
            for (let tries = 0; tries < 200 && !icon.getBBox().width; tries += 1) {
              await new Promise(requestAnimationFrame);
            }
            const box = icon.getBBox();
            drawn.push([kind, box.x >= 1 && box.y >= 1 && box.x + box.width <= 23 && box.y + box.height <= 23]);
          }
          return drawn;
        }"""
        drawn = page.evaluate(code, told)
        assert [kind for kind, is_whole in drawn if not is_whole] == []
        assert page.evaluate("async () => (await import('/kinds.js')).kindIcon('no_such').dataset.kind") == "unknown"
    text = (PAGE / "icons.svg").read_text()
    assert all(f'<symbol id="{kind}" viewBox="0 0 24 24">' in text for kind in KINDS)
