"""What netwatchd itself has trouble with stands on the page, a sentence each.

Whatever is in these sentences, and in the logs and announcements that it reads, stays text.
"""

import json
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import packet_kit as kit
import pytest
from alerts_kit import SECRET, Answer, Receiver
from announce_kit import host, message, ptr, srv, txt
from faults_kit import storage
from looking import expect, hop, live, looking, settled
from playwright.sync_api import Browser, Page, WebSocketRoute
from running import MAC, OTHER_MAC, Daemon, flow_line
from test_ids_alerts import ALERT
from test_page_hostile import unharmed, watch
from waiting import eventually

Make = Callable[..., Daemon]
HIT = "<img src=x onerror=hit({})>"
PATH = '<svg"onload=hit({})>'  # as a path that stands among others, which blanks tell apart


def troubles(page: Page) -> Any:
    """The rows that tell of netwatchd's own troubles."""
    return page.get_by_role("list", name="Troubles of netwatchd").get_by_role("listitem")


def test_each_trouble_is_a_row_with_a_sentence_that_stays_text(browser: Browser, daemon: Make, short: Path) -> None:
    listed, log = (short / PATH.format(number) for number in (1, 2))
    log.write_text("")
    with Receiver(Answer(503, body=HIT.format(3).encode())) as receiver, socket.socket(type=socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        started = daemon(
            f"{storage()}[source:netflow]\nenabled = yes\nlisten = 127.0.0.1:{taken.getsockname()[1]}\n"
            f"[source:eve]\nenabled = yes\nfile = {log}\n[blocklists]\nlists = bad={listed}\n"
            f"[alert:webhook]\nurl = {receiver.url('/hook')}\nsecret = {SECRET}\n"
        )
        with started, looking(browser, started.port, None) as page:
            started.emit({"type": "device", "mac": MAC, "ip": "192.168.1.5"}, {"type": "threat", "kind": "odd",
                         "severity": "critical", "device": MAC, "description": "odd"})  # fmt: skip
            signed = ALERT["alert"] | {"signature": HIT.format(4)}
            now = time.strftime("%Y-%m-%dT%H:%M:%S.000000+0000", time.gmtime())
            with log.open("a") as lines:
                lines.write(json.dumps(ALERT | {"timestamp": now, "alert": signed}) + "\n")
            eventually(lambda: started.status()["alerts"] and any(
                each["state"] == "failing" for each in started.status()["alerts"]))  # fmt: skip
            eventually(lambda: started.status()["blocklists"][0]["error"])
            watch(page)
            page.goto(f"http://127.0.0.1:{started.port}/")
            settled(page)
            expect(troubles(page).filter(has_text="The source netflow does not work: ")).to_contain_text("in use")
            expect(troubles(page).filter(has_text="The blocklist bad: ")).to_have_count(1)
            expect(troubles(page).filter(has_text="Alerts by webhook do not get through: ")).to_contain_text(
                HIT.format(3)
            )
            expect(page.get_by_role("link", name=HIT.format(4)).first).to_be_visible()
            unharmed(page)
            hop(page, "?view=status")
            expect(page.locator(".status .answer")).to_contain_text("The source netflow does not work: ")
            expect(page.locator(".status .answer")).to_contain_text("Alerts by webhook do not get through: ")
            expect(page.get_by_role("listitem").filter(has_text="List bad")).to_be_visible()
            expect(page.get_by_role("listitem").filter(has_text="Alerts by webhook")).to_contain_text("failing")
            unharmed(page)


@pytest.mark.slow
def test_what_is_announced_on_the_wire_stays_text(browser: Browser, daemon: Make, short: Path) -> None:
    instance = (HIT.format(1)[:60], "_ipp", "_tcp", "local")
    texts = (f"ty={HIT.format(2)}", f"product=({HIT.format(3)})", f"model={HIT.format(4)}", f"note={HIT.format(5)}")
    said = message(
        ptr("_ipp._tcp.local", instance), srv(instance, "tv.local"), txt(instance, *texts), host("tv.local", kit.A)
    )
    notify = (
        "NOTIFY * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nNTS: ssdp:alive\r\nNT: upnp:rootdevice\r\n"
        f"USN: uuid:1::upnp:rootdevice\r\nSERVER: Linux/1 UPnP/1.0 {HIT.format(6)}/2\r\nLOCATION: http://{kit.A}/x\r\n\r\n"
    )
    now = int(time.time() * 1_000_000) - 60_000_000
    frames = [
        (now, kit.ethernet(kit.ip4(kit.udp(5353, 5353, said), kit.A, "224.0.0.251"))),
        (now + 1000, kit.ethernet(kit.ip4(kit.udp(1900, 1900, notify.encode()), kit.A, "239.255.255.250"))),
    ]
    capture = short / "said.pcap"
    capture.write_bytes(kit.pcap(frames))
    started = daemon(storage())
    answer = started.cli("replay", "--into", str(started.state), str(capture))
    assert answer.returncode == 0, answer.stderr
    with started, looking(browser, started.port, None) as page:
        (device,) = started.json("devices")
        assert "onerror" in device["model"]
        watch(page)
        page.goto(f"http://127.0.0.1:{started.port}/")
        settled(page)
        for view in ("", "?view=devices", f"?view=device&device={device['mac']}"):
            hop(page, view)
            expect(page.locator("main")).to_contain_text(device["model"])
            for summary in page.locator("main summary").all():
                summary.click()
            unharmed(page)
        page.keyboard.press("/")
        page.keyboard.type("onerror")
        expect(page.get_by_role("option").first).to_be_visible()
        unharmed(page)


@pytest.mark.slow
def test_a_daemon_of_another_version_says_that_the_page_is_older(browser: Browser, daemon: Make) -> None:
    versions = iter(["netwatchd/1", "netwatchd/<b>2</b>", "netwatchd/<b>2</b>"])
    sockets: list[WebSocketRoute] = []

    def renamed(route: WebSocketRoute) -> None:
        server, version = route.connect_to_server(), next(versions)
        sockets.append(route)

        def say(text: str | bytes) -> None:
            told = json.loads(text)
            route.send(json.dumps(told | {"server": version} if told["type"] == "hello" else told))

        server.on_message(say)

    with daemon() as started, looking(browser, started.port, None, losing=True) as page:
        page.route_web_socket("**/ws*", renamed)
        page.goto(f"http://127.0.0.1:{started.port}/")
        live(page)
        expect(page.locator(".banner")).to_have_count(0)
        sockets[0].close()
        banner = page.locator(".banner")
        expect(banner).to_contain_text("This is now netwatchd/<b>2</b>; the page is that of netwatchd/1.")
        page.evaluate("window.isOld = true")
        banner.get_by_role("button", name="Reload").click()
        page.wait_for_function("!window.isOld")
        live(page)
        expect(banner).to_have_count(0)


@pytest.mark.slow
def test_who_has_just_begun_reads_that_it_learns_and_that_nothing_came_yet(browser: Browser, daemon: Make) -> None:
    with daemon(storage()) as started, looking(browser, started.port) as page:
        calm = page.locator(".calm")
        expect(calm).to_contain_text("nothing has come in yet; 0 of 0 known devices are here")
        expect(calm).to_contain_text("it learns who lives here: devices that show up are taken as known")
        for view, text in {
            "?view=threats": "No threat", "?view=devices": "No device", "?view=flows": "No flows yet",
            "?view=traffic": "Nothing was recorded in this time", "?view=status": "No source is on that shows",
        }.items():  # fmt: skip
            hop(page, view)
            expect(page.locator("main")).to_contain_text(text)
        hop(page, "")
        started.emit({"type": "device", "mac": OTHER_MAC, "ip": "192.168.1.6"}, flow_line(1))
        expect(calm).to_contain_text("records came in meanwhile, and none was lost; 1 of 1 known devices are here")
        hop(page, "?view=status")
        expect(page.locator(".status .answer")).to_have_text("All is well, and nothing was lost.")
