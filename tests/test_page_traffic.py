"""The line in a real browser: what it carries now, and what it carried, for eyes, keys and readers."""

import hashlib
import json
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
from looking import barriers, expect, looking
from playwright.sync_api import Browser, Page
from running import MAC, OTHER_MAC, Daemon, flow_line, scratch
from waiting import eventually
from websocket_kit import get

from netwatchd.broadcast.site import PAGE

HOST = "<img src=x onerror=alert(1)>"
DEVICES: list[dict[str, Any]] = [
    {"type": "device", "mac": MAC, "ip": "192.168.1.5", "hostname": "nas"},
    {"type": "device", "mac": OTHER_MAC, "ip": "192.168.1.6", "hostname": HOST},
]


@pytest.fixture(scope="module")
def home() -> Iterator[Daemon]:
    """A daemon that has been told of flows, and has the ten seconds behind it in which they were moved."""
    with Daemon(scratch()) as daemon:
        assert daemon.emit(*DEVICES) == []
        now = int(time.time() * 1000)
        times = {"start": now, "end": now}
        assert daemon.emit(
            flow_line(1, bytes_in=25_000_000, bytes_out=5_000_000, dst_ip="203.0.113.7", dst_port=443, **times),
            flow_line(2, bytes_in=2_000_000, bytes_out=1_000_000, src_ip="192.168.1.6", dst_port=8009, **times),
            flow_line(3, bytes_in=900_000, bytes_out=100_000, dst_ip="192.168.1.6", dst_port=445, **times),
        ) == []  # fmt: skip
        eventually(lambda: any(traffic(daemon)["in"]))
        yield daemon


# Of dist/uPlot.iife.min.js of uPlot 1.6.32.
UPLOT = "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f"


def traffic(daemon: Daemon) -> Any:
    """What the daemon tells of its line."""
    _, reply = get(daemon.port, "/status")
    return json.loads(reply.partition("\r\n\r\n")[2])["traffic"]


def bars(page: Page) -> int:
    """How many points of the chart have the colour of what came in."""
    return int(
        page.evaluate("""() => {
        const canvas = document.querySelector(".chart canvas");
        if (!canvas) return 0;
        const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        const probe = document.createElement("i");
        document.body.append(probe);
        probe.style.color = "var(--in)";
        const [r, g, b] = getComputedStyle(probe).color.match(/\\d+/g).map(Number);
        probe.remove();
        let found = 0;
        for (let at = 0; at < data.length; at += 4)
          if (data[at] === r && data[at + 1] === g && data[at + 2] === b) found += 1;
        return found;
    }""")
    )


def test_the_overview_shows_what_the_line_carries_and_who_moves_most(browser: Browser, home: Daemon) -> None:
    with looking(browser, home.port) as page:
        line = page.get_by_role("region", name="Who is using the line?")
        expect(line.locator(".line-figure.in .figure-big")).to_have_text(re.compile(r"bit/s$"))
        eventually(lambda: bars(page), "bars are drawn, under the policy of the page")
        devices = line.get_by_role("region", name="Devices")
        expect(devices.get_by_role("listitem").first).to_contain_text("nas")
        expect(devices.get_by_role("listitem").nth(1)).to_contain_text(HOST)
        expect(devices.get_by_role("listitem").first).to_contain_text("in 26 MB, out 5.1 MB")
        ports = line.get_by_role("region", name="Ports")
        expect(ports.get_by_role("listitem").first).to_contain_text("tcp/443")
        peers = line.get_by_role("region", name="Destinations")
        expect(peers.get_by_role("listitem").first).to_contain_text("203.0.113.7")
        peers.get_by_role("link", name="203.0.113.7").click()
        expect(page).to_have_url(re.compile(r"view=flows.*peer=203\.0\.113\.7"))


def test_the_traffic_of_a_day_is_there_for_eyes_and_as_a_table(browser: Browser, home: Daemon) -> None:
    with looking(browser, home.port, "?view=traffic") as page:
        expect(page.locator(".traffic-sums")).to_contain_text("28 MB")
        expect(page.locator(".chart canvas")).to_be_visible()
        page.get_by_text("The same as a table").click()
        rows = page.locator(".traffic-table tbody tr")
        expect(rows).to_have_count(145)
        expect(rows.first).to_contain_text("(28 MB)")
        expect(rows.last).to_contain_text("nothing was recorded")
        page.get_by_role("link", name="30 d").click()
        expect(page).to_have_url(re.compile("range=30d"))
        expect(page.locator(".traffic-table tbody tr")).to_have_count(30)
        expect(page.locator(".traffic-legend")).to_contain_text("sum of each day")


def test_keys_choose_a_step_and_a_part_of_the_time_that_stands_in_the_url(browser: Browser, home: Daemon) -> None:
    with looking(browser, home.port, "?view=traffic") as page:
        chart = page.get_by_role("slider", name="Traffic")
        expect(page.locator(".chart canvas")).to_be_visible()
        chart.focus()
        page.keyboard.press("End")
        expect(chart).to_have_attribute("aria-valuetext", re.compile(r"in .*bit/s \(28 MB\), out"))
        page.keyboard.press("ArrowLeft")
        expect(chart).to_have_attribute("aria-valuetext", re.compile("nothing was recorded"))
        page.keyboard.press("Shift+ArrowRight")
        page.keyboard.press("Enter")
        expect(page).to_have_url(re.compile(r"since=\d+&until=\d+"))
        expect(page.get_by_role("region", name="Devices").get_by_role("listitem").first).to_contain_text("nas")
        page.get_by_role("button", name="Whole time").click()
        expect(page).not_to_have_url(re.compile("since="))


@pytest.mark.slow
def test_a_part_of_the_time_is_chosen_by_dragging(browser: Browser, home: Daemon) -> None:
    with looking(browser, home.port, "?view=traffic&range=7d") as page:
        expect(page.locator(".chart canvas")).to_be_visible()
        box = page.locator(".chart .u-over").bounding_box()
        assert box
        page.mouse.move(box["x"] + 100, box["y"] + 40)
        page.mouse.down()
        page.mouse.move(box["x"] + 200, box["y"] + 40, steps=4)
        page.mouse.up()
        expect(page).to_have_url(re.compile(r"range=7d.*since=\d+&until=\d+"))
        expect(page.get_by_role("region", name="Devices")).to_contain_text("Nothing yet")


def test_one_device_can_be_looked_at_by_itself(browser: Browser, home: Daemon) -> None:
    with looking(browser, home.port, "?view=traffic") as page:
        page.get_by_role("combobox", name="Device", exact=True).select_option(label=HOST)
        expect(page.locator(".traffic-sums")).to_contain_text("2.0 MB")
        expect(page.get_by_role("region", name="Ports").get_by_role("listitem")).to_have_count(1)
        expect(page.get_by_role("region", name="Ports").get_by_role("listitem")).to_contain_text("tcp/8009")
        expect(page.get_by_role("link", name="About this device")).to_have_attribute("href", re.compile("view=device"))


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_keeps_anybody_out(browser: Browser, home: Daemon, scheme: Any) -> None:
    with looking(browser, home.port, color_scheme=scheme) as page:
        expect(page.locator(".chart canvas")).to_be_visible()
        expect(page.locator(".top-row")).not_to_have_count(0)
        assert not barriers(page, "[aria-labelledby=line-title]")
        page.get_by_role("link", name="All traffic").click()
        page.get_by_text("The same as a table").click()
        expect(page.locator(".traffic-table tbody tr")).to_have_count(145)
        assert not barriers(page, ".traffic")


@pytest.mark.slow
def test_where_nothing_was_told_of_yet_the_page_says_what_would_help(browser: Browser) -> None:
    with Daemon(scratch()) as daemon, looking(browser, daemon.port) as page:
        line = page.get_by_role("region", name="Who is using the line?")
        expect(line).to_contain_text("netwatchd doctor")
        page.goto(f"http://127.0.0.1:{daemon.port}/?view=traffic")
        expect(page.get_by_text("Nothing was recorded in this time")).to_be_visible()


def test_an_hour_of_which_nothing_is_known_yet_is_not_called_silent(browser: Browser) -> None:
    with Daemon(scratch()) as daemon, looking(browser, daemon.port, "?view=traffic&range=1h") as page:
        expect(page.get_by_text("Nothing is known of this hour yet")).to_be_visible()
        expect(page.get_by_role("button", name="Whole time")).to_be_hidden()


def test_the_library_is_what_its_maker_published_with_a_line_that_exports_it() -> None:
    published, line, rest = (PAGE / "uplot/uPlot.js").read_text().rpartition("\nexport default uPlot;\n")
    assert (line, rest) == ("\nexport default uPlot;\n", "")
    assert hashlib.sha256(published.encode()).hexdigest() == UPLOT
