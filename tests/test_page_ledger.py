"""The view of the status tells by source what came and was lost, what became of it, and how long there is room."""

from collections.abc import Iterator

import pytest
from looking import expect, live, looking
from playwright.sync_api import Browser, Route
from running import MAC, Daemon, flow_line, locked, scratch
from waiting import eventually

QUICK = "[storage]\ncommit_interval = 100 ms\nbusy_timeout = 50 ms\nretry_delay = 10 ms\nmax_pending = 1000\n"
WARNING = "the disk will be full in about 3 days (2.1 GB are free): make room"


@pytest.fixture(scope="module")
def house() -> Iterator[Daemon]:
    """A daemon that had no room for flows, and was told what nobody understands."""
    with Daemon(scratch(), QUICK) as daemon:
        daemon.emit({"type": "device", "mac": MAC, "ip": "192.168.1.5"}, {"type": "nonsense"})
        eventually(lambda: daemon.status()["stored"].get("devices"))
        with locked(daemon.state / "core.db"):
            daemon.emit(flow_line(0))
            eventually(lambda: daemon.status()["database"]["state"] == "degraded")
            daemon.emit(*(flow_line(n) for n in range(1, 1500)))
            eventually(lambda: daemon.status()["ledger"]["kinds"][1]["dropped"])
        eventually(lambda: daemon.status()["database"]["pending"] == 0)
        yield daemon


def test_what_came_and_what_became_of_it_is_shown_with_the_reasons(browser: Browser, house: Daemon) -> None:
    with looking(browser, house.port, "?view=status") as page:
        live(page)
        source = page.get_by_role("region", name="What came, by source").get_by_role("row").filter(has_text="json")
        expect(source.get_by_role("rowheader")).to_have_text("json1 device, 1,500 flows; dropped: 1 malformed")
        expect(source.get_by_role("cell")).to_have_text(["1,501", "0", "1", "0"])
        kinds = page.get_by_role("region", name="What became of it")
        flows = kinds.get_by_role("row").filter(has_text="Flows")
        expect(flows.get_by_role("rowheader")).to_have_text("Flowsdropped: 500 storage full")
        expect(flows.get_by_role("cell")).to_have_text(["1,500", "1,000", "500", "0"])
        expect(kinds).to_contain_text("Sent: ")
        disk = page.get_by_role("region", name="The disk")
        expect(disk).to_contain_text("of 2.0 GB")
        expect(disk).to_contain_text("How long there is room is not known yet")
        # The asker hands in nothing, and is told of as a source only.
        expect(page.get_by_role("region", name="What came, by source").get_by_text("prober")).to_have_count(0)


def test_a_disk_that_will_be_full_is_said_first_of_all(browser: Browser, house: Daemon) -> None:
    def warn(route: Route) -> None:
        answer = route.fetch()
        found = answer.json()
        found["budget"] |= {"warning": WARNING, "growth": 700_000_000, "written_a_day": 800_000_000}
        route.fulfill(response=answer, json=found)

    with looking(browser, house.port, None) as page:
        page.route("**/status", warn)
        page.goto(f"http://127.0.0.1:{house.port}/")
        live(page)
        troubles = page.get_by_role("list", name="Troubles of netwatchd")
        expect(troubles).to_contain_text(f"{WARNING.capitalize().replace('gb', 'GB')}.")
        page.goto(f"http://127.0.0.1:{house.port}/?view=status")
        expect(page.get_by_role("region", name="Is netwatchd well?")).to_contain_text(WARNING.split(" (", 1)[0][1:])
        expect(page.get_by_role("region", name="The disk")).to_contain_text("about 700 MB a day")
        expect(page.get_by_role("region", name="The disk")).to_contain_text("; about 800 MB a day")
