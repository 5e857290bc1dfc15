"""Journeys through a small home: a router with NAT where the daemon runs, a host behind it, a server in the world."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from home import HOST4, HOST_MAC, ROUTER4, SERVER4, WAN4, Home, home_network, why_not
from running import Daemon, flow_line, join, until
from waiting import eventually
from websocket_kit import RawClient
from websockets.sync.client import ClientConnection

pytestmark = pytest.mark.skipif(bool(why_not("nft")), reason=str(why_not("nft")))

# The kernel's sources, looking often.
CONFIG = """
[storage]
commit_interval = 500 ms
[devices]
offline_after = 3 s
[websocket]
send_timeout = 500 ms
retry_timeout = 500 ms
[source:neighbours]
enabled = yes
resync = 1 s
[source:conntrack]
enabled = yes
dump_interval = 1 s
"""
WEB = f"""
import http.server, socketserver
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        size = int(self.path[1:])
        self.send_response(200)
        self.send_header("Content-Length", str(size))
        self.end_headers()
        self.wfile.write(b"x" * size)
server = http.server.ThreadingHTTPServer(("{SERVER4}", 80), Page)
print("serving")
server.serve_forever()
"""
# A datagram to a port where nobody listens: the router's answer makes both sides look for each other.
HELLO = f"""
import socket
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
    peer.connect(("{ROUTER4}", 9))
    peer.send(b"hello")
"""
FETCH = f"""
import sys, urllib.request
print(len(urllib.request.urlopen("http://{SERVER4}/" + sys.argv[1]).read()))
"""


@pytest.fixture
def home() -> Iterator[Home]:
    """The home; the server serves pages of any size."""
    with home_network() as made:
        made.serve(WEB)
        yield made


@pytest.fixture
def router(home: Home, short: Path) -> Iterator[Daemon]:
    """The daemon on the router."""
    with Daemon(short, CONFIG, inside=home.router.command()) as daemon:
        yield daemon


@contextmanager
def listening(home: Home, router: Daemon) -> Iterator[ClientConnection]:
    """A client on the router that hears all that happens from now on."""
    with ExitStack() as stack:
        with home.router.entered():
            client = stack.enter_context(router.client())
        join(client)
        yield client


def counted(home: Home) -> tuple[int, int]:
    """What the kernel's own tool says of the download: bytes from the host, bytes to it."""
    listed = home.router.run("conntrack", "-L", "-p", "tcp", "--orig-src", HOST4, "-o", "extended")
    (line,) = [line for line in listed.splitlines() if f"dst={SERVER4}" in line]
    out, back = [int(word.removeprefix("bytes=")) for word in line.split() if word.startswith("bytes=")]
    return out, back


def test_a_host_that_joins_appears_in_devices_and_on_the_websocket(home: Home, router: Daemon) -> None:
    with listening(home, router) as client:
        home.host.python(HELLO)
        shown = until(client, lambda m: m["type"] == "device_update" and HOST4 in m["device"]["ips"])
    assert shown["device"]["mac"] == HOST_MAC
    assert shown["device"]["status"] == "online"
    (listed,) = eventually(lambda: [d for d in router.json("devices") if d["mac"] == HOST_MAC and HOST4 in d["ips"]])
    assert listed["sources"] == ["neighbours"]


@pytest.mark.skipif(bool(why_not("nft", "conntrack")), reason=str(why_not("nft", "conntrack")))
def test_a_download_appears_as_a_flow_with_the_kernels_exact_byte_count(home: Home, router: Daemon) -> None:
    def is_it(flow: dict) -> bool:
        return (flow["dst_ip"], flow["dst_port"], flow["bytes_out"], flow["bytes_in"]) == (SERVER4, 80, out, back)

    with listening(home, router) as client:
        assert home.host.python(FETCH, "3000000") == "3000000\n"
        out, back = eventually(lambda: counted(home))
        assert back > 3_000_000, "headers and acknowledgements count, too"
        pushed = until(client, lambda m: m["type"] == "flow_update" and is_it(m["flow"]))["flow"]
    assert (pushed["src_ip"], pushed["protocol"]) == (HOST4, "tcp"), "the host, as it was before NAT"
    assert pushed["device"] == HOST_MAC
    eventually(lambda: [flow for flow in router.json("flows") if is_it(flow)])
    eventually(lambda: [d for d in router.json("devices") if d["mac"] == HOST_MAC and d["bytes_in"] >= back])
    router.stop()
    (stored,) = [flow for flow in router.json("flows") if is_it(flow)]
    assert stored["state"] == "closed"


def test_a_host_that_falls_silent_goes_offline_and_comes_back(home: Home, router: Daemon) -> None:
    with listening(home, router) as client:
        home.host.python(HELLO)
        until(client, lambda m: m["type"] == "device_update" and m["device"]["mac"] == HOST_MAC)
        home.host.ip("link set eth0 down")
        gone = until(client, lambda m: m["type"] == "device_update" and m["device"]["status"] == "offline")
        assert gone["device"]["mac"] == HOST_MAC
        home.host.ip("link set eth0 up")
        home.host.python(HELLO)
        back = until(client, lambda m: m["type"] == "device_update" and m["device"]["mac"] == HOST_MAC)
        assert back["device"]["status"] == "online"


def test_what_the_router_does_by_itself_is_no_device_of_its_own(home: Home, router: Daemon) -> None:
    home.host.python(FETCH, "1000")
    eventually(lambda: [d for d in router.json("devices") if d["mac"] == HOST_MAC])
    assert WAN4 not in {device["ip"] for device in router.json("devices")}


def test_a_client_that_stalls_does_not_delay_another(home: Home, router: Daemon) -> None:
    with home.router.entered():
        stalled = RawClient(router.port, receive_buffer=2048).open()
    with stalled, listening(home, router) as client:
        for number in range(200, 6000, 200):  # far more than the stalled one's buffers hold
            router.emit(*(flow_line(port) for port in range(number - 199, number + 1)))
            until(client, lambda m, last=number: m["type"] == "flow_update" and m["flow"]["src_port"] == last)
        home.host.python(FETCH, "100000")
        until(client, lambda m: m["type"] == "flow_update" and m["flow"]["dst_ip"] == SERVER4)
        eventually(lambda: ": stalled; 1 clients remain" in router.log)


def test_sigterm_loses_nothing_of_what_the_kernel_told(home: Home, router: Daemon) -> None:
    for number in range(20):
        home.host.python(FETCH, str(1000 + number))
    assert router.stop() == 0
    stored = [flow for flow in router.json("flows") if flow["dst_ip"] == SERVER4]
    assert len({flow["src_port"] for flow in stored}) == 20
    assert all(flow["state"] == "closed" and flow["bytes_in"] > 1000 for flow in stored)


def test_after_kill_9_at_most_one_commit_interval_is_missing(home: Home, router: Daemon) -> None:
    home.host.python(FETCH, "5000")
    eventually(lambda: [flow for flow in router.json("flows") if flow["bytes_in"] > 5000])
    home.host.python(FETCH, "6000")  # this one may be younger than a commit interval
    router.kill()
    router.start()
    kept = [flow for flow in router.json("flows") if flow["dst_ip"] == SERVER4]
    assert [flow for flow in kept if 5000 < flow["bytes_in"] < 6000]
    with home.router.entered():
        assert router.status()["database"]["state"] == "ok"
