"""What the page weighs: all that is asked for until the first screen is live."""

import gzip

from faults_kit import storage
from looking import devtools, live, looking
from playwright.sync_api import Browser
from running import MAC, Daemon, flow_line, scratch

from netwatchd.broadcast.site import PAGE

MOST = 300_000  # bytes of the first view, without compression


def test_the_first_view_is_small_and_asks_for_nothing_that_is_not_needed(browser: Browser) -> None:
    with Daemon(scratch(), storage()) as daemon, looking(browser, daemon.port, None) as page:
        daemon.emit({"type": "device", "mac": MAC, "ip": "192.168.1.5"}, flow_line(1))
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        tools = devtools(page)
        tools.send("Network.enable")
        sent: list[int] = []
        tools.on("Network.loadingFinished", lambda event: sent.append(event["encodedDataLength"]))
        page.goto(f"http://127.0.0.1:{daemon.port}/")
        live(page)
        page.wait_for_load_state("networkidle")
        names = [url.split("/", 3)[3].split("?")[0] or "index.html" for url in asked if "/api/" not in url]
        files = [PAGE / name for name in names if (PAGE / name).is_file()]
        assert len(names) == len(set(names)), names
        plain = sum(file.stat().st_size for file in files)
        small = sum(len(gzip.compress(file.read_bytes())) for file in files)
        print(f"{len(files)} files, {plain} bytes, compressed {small}; {sum(sent)} bytes over the network")
        assert plain < MOST
        # With all headers, answers and icons.
        assert sum(sent) < MOST * 2 / 3
        assert not {"flows.js", "status.js", "traffic.js"} & set(names)
