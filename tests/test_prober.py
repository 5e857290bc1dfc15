"""Asking a silent device whether it is still here: softly, by the real kernel, in a home of network namespaces."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from home import HOST4, HOST6, HOST_MAC, ROUTER4, SERVER4, Home, home_network, why_not
from running import Daemon, join, until
from sources_kit import LINK_LOCAL, Wire, as_nobody, leave, meet, state_of, working
from test_neighbours import watching
from waiting import eventually
from websockets.sync.client import ClientConnection

from netwatchd import config
from netwatchd.addresses import parse_address
from netwatchd.counters import Counters
from netwatchd.decoders.netlink import DUMP
from netwatchd.decoders.routes import Question, decode_interface, link_of_route, route_request
from netwatchd.ingest.inbox import Inboxes
from netwatchd.ingest.presence import TRAFFIC
from netwatchd.intake import Intake
from netwatchd.sources import Unavailable
from netwatchd.sources.netlink import ROUTE, NetlinkSocket
from netwatchd.sources.prober import Links, Prober
from netwatchd.worker import Worker

pytestmark = pytest.mark.skipif(bool(why_not("nft")), reason=str(why_not("nft")))


@pytest.fixture
def home() -> Iterator[Home]:
    with home_network() as made:
        made.host.sysctl("net.ipv6.conf.eth0.router_solicitations", 0)
        yield made


@pytest.fixture
def wire(home: Home) -> Iterator[Wire]:
    made = Wire(home)
    yield made
    made.close()


@contextlib.contextmanager
def probing(home: Home) -> Iterator[tuple[Prober, Counters]]:
    counters = Counters()
    prober = Prober(counters)
    with working(prober, home.router):
        yield prober, counters


def question(*ips: str, mac: str = HOST_MAC) -> Question:
    return Question(mac, mac, tuple(map(parse_address, ips)))


@pytest.mark.parametrize("address", [HOST4, HOST6])
def test_a_device_that_is_here_is_asked_by_one_packet_to_it_alone_and_its_answer_is_seen(
    home: Home, wire: Wire, address: str
) -> None:
    meet(home, address)
    with watching(home) as (told, _), probing(home) as (prober, _):
        eventually(lambda: told.of(HOST_MAC, address), "the host is known")
        before = told.of(HOST_MAC, address)
        wire.questions()
        prober.ask(question(address))
        (answer,) = eventually(lambda: told.of(HOST_MAC, address)[len(before) :], "the answer is told, however soon")
        assert answer.time >= before[-1].time
        assert wire.questions() == [(HOST_MAC, address)]


@pytest.mark.parametrize("address", [HOST4, HOST6])
def test_a_device_that_the_kernel_has_forgotten_is_asked_all_the_same(home: Home, wire: Wire, address: str) -> None:
    meet(home, address)
    home.router.ip(f"neigh del {address} dev lan0")
    wire.questions()
    with probing(home) as (prober, _):
        prober.ask(question(address))
        eventually(lambda: state_of(home, address) == ["REACHABLE"], "it has answered")
        assert wire.questions() == [(HOST_MAC, address)]


@pytest.mark.slow
def test_a_device_that_is_gone_is_asked_three_times_and_that_is_no_sign_of_life(home: Home) -> None:
    home.router.ip(f"neigh replace {HOST4} lladdr {HOST_MAC} dev lan0 nud stale")
    leave(home)
    home.router.ip(f"neigh del {HOST4} dev lan0")
    with watching(home, resync=0.2) as (told, _), probing(home) as (prober, _):
        prober.ask(question(HOST4))
        eventually(lambda: state_of(home, HOST4) == ["PROBE"], "it is asked")
        eventually(lambda: state_of(home, HOST4) == ["FAILED"], "the kernel gives up")
        assert told.of(HOST_MAC, HOST4) == []


def test_what_cannot_or_must_not_be_asked_is_counted_and_left_as_it_is(home: Home, wire: Wire) -> None:
    other = "02:00:00:00:00:99"
    home.router.ip(f"neigh replace 192.168.77.50 lladdr {HOST_MAC} dev lan0 nud permanent")  # the administrator's
    home.router.ip(f"neigh replace 192.168.77.51 lladdr {other} dev lan0 nud reachable")  # somebody else's by now
    home.router.ip("route add 10.9.0.0/16 via 192.168.77.10")  # behind another router
    cases = ["192.168.77.50", "192.168.77.51", "10.9.0.1", ROUTER4, "198.51.100.1", "fe80::dead", "127.0.0.1"]
    with probing(home) as (prober, counters):
        wire.questions()
        for address in cases:
            prober.ask(question(address))
        eventually(lambda: counters["probes.impossible"] == len(cases), "all are tried")
        prober.ask(question(*cases, HOST4))  # the first that can be asked, is
        eventually(lambda: (HOST_MAC, HOST4) in wire.questions(), "the one that can be")
        assert counters["probes.impossible"] == len(cases)
    assert state_of(home, "192.168.77.50") == ["PERMANENT"]
    said = home.router.json("ip", "-j", "neigh", "show", "192.168.77.51")
    assert said[0]["lladdr"] == other


def test_a_link_local_address_is_asked_where_the_kernel_knows_its_link(home: Home, wire: Wire) -> None:
    home.router.ip(f"neigh replace {LINK_LOCAL} lladdr {HOST_MAC} dev lan0 nud stale")
    with probing(home) as (prober, _):
        wire.questions()
        prober.ask(question(LINK_LOCAL))
        eventually(lambda: state_of(home, LINK_LOCAL) == ["REACHABLE"], "it has answered")
        assert wire.questions() == [(HOST_MAC, LINK_LOCAL)]


def test_without_the_privilege_it_is_off_and_says_why_and_whoever_asks_is_not_held_up(home: Home) -> None:
    def holds() -> bool:
        counters = Counters()
        prober = Prober(counters)
        with pytest.raises(Unavailable, match="needs CAP_NET_ADMIN"):
            prober.open()
        prober.close()
        prober.ask(question(HOST4))
        return counters["probes.impossible"] == 1

    assert as_nobody(holds, home.router)


def test_interfaces_and_routes_are_read_as_ip_says(home: Home) -> None:
    with home.router.entered():
        sockets = NetlinkSocket(ROUTE)
        links = Links()
        assert links.deaf() == {link["ifname"] for link in home.router.json("ip", "-j", "link") if not deaf_not(link)}
    found = {each.name: each for each in (decode_interface(m.data) for m in sockets.ask(18, DUMP, bytes(16)))}
    said = {link["ifname"]: link["flags"] for link in home.router.json("ip", "-j", "link")}
    assert {name: (each.up, each.carrier) for name, each in found.items()} == {
        name: ("UP" in flags, "LOWER_UP" in flags) for name, flags in said.items()
    }
    assert {name for name, each in found.items() if each.bridge} == {"lan0", "port0"}
    index = {name: number for number, name in indexes(home)}
    ways = {ip: sockets.ask(26, 0, route_request(parse_address(ip))) for ip in (HOST4, HOST6, SERVER4, ROUTER4)}
    assert {ip: link_of_route(way[0].data) for ip, way in ways.items()} == {
        HOST4: index["lan0"], HOST6: index["lan0"], SERVER4: index["wan0"], ROUTER4: None
    }  # fmt: skip
    sockets.close()


def deaf_not(link: dict) -> bool:
    """Whether an interface hears, by what ip(8) says of it; all of the home's are up."""
    return "UP" in link["flags"] and "LOWER_UP" in link["flags"]


def indexes(home: Home) -> list[tuple[int, str]]:
    return [(link["ifindex"], link["ifname"]) for link in home.router.json("ip", "-j", "link")]


def test_our_own_end_that_is_down_is_deaf_and_a_bridge_without_a_carrier_is_not(home: Home) -> None:
    links = Links()

    def deaf() -> set[str]:
        with home.router.entered():
            return links.deaf() & {"lan0", "port0", "wan0"}

    assert deaf() == set()
    home.server.ip("link set eth0 down")
    eventually(lambda: deaf() == {"wan0"}, "the cable of a plain interface is out: on which end, nobody knows")
    home.host.ip("link set eth0 down")
    eventually(lambda: "NO-CARRIER" in home.router.json("ip", "-j", "link", "show", "lan0")[0]["flags"])
    assert deaf() == {"wan0"}, "whoever is behind a bridge's dead port has left the network"
    home.router.ip("link set lan0 down")
    assert deaf() == {"wan0", "lan0"}
    home.router.ip("link del wan0")
    assert deaf() == {"wan0", "lan0"}, "what is gone hears nothing"


def test_a_source_that_works_no_more_is_deaf_and_nobody_is_asked_whose_answer_nobody_hears(
    home: Home, tmp_path: Path
) -> None:
    home.router.ip("link add dummy0 type veth peer name dummy1")
    home.router.ip("link set dummy0 up")
    counters = Counters()
    settings = config.Config(
        capture=config.Capture(enabled="yes", interface=("dummy0",)),
        conntrack=config.Conntrack(enabled="yes"),  # it never works, as nobody starts it: that makes nobody deaf
        neighbours=config.Neighbours(enabled="no"),
    )
    nothing: Any = None  # the memory of sources that are never opened
    intake = Intake(settings, tmp_path, Inboxes(100), counters, lambda now, count=1: now, lambda _: nothing, list)
    capture = intake.sources["capture"]
    worker = Worker("source:capture", capture.run, lambda _: None)
    with home.router.entered():
        worker.start()
    try:
        eventually(lambda: capture.state == "on", "it captures")
        assert intake.deaf().sources == set()
        home.router.ip("link del dummy0")
        eventually(lambda: capture.state == "failed", "its interface is gone")
        assert intake.deaf().sources == {"capture", TRAFFIC}
        intake.ask(question(HOST4))
        assert counters["probes.impossible"] == 1
    finally:
        assert worker.stop(5)


# Journeys.

CONFIG = """
[storage]
commit_interval = 200 ms
[devices]
offline_after = 4 s
[source:neighbours]
enabled = yes
resync = 1 s
[source:conntrack]
enabled = no
"""
# What makes the host's kernel ask for the router and so show itself.
HELLO = f"""
import socket
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
    peer.connect(("{ROUTER4}", 9))
    peer.send(b"hello")
"""


@contextlib.contextmanager
def knowing(home: Home, short: Path, config: str) -> Iterator[tuple[Daemon, ClientConnection]]:
    """A daemon on the router that has just met the host, and a client of it."""
    with Daemon(short, config, inside=home.router.command()) as router, contextlib.ExitStack() as stack:
        with home.router.entered():
            client = stack.enter_context(router.client())
        join(client)
        home.host.python(HELLO)
        until(client, lambda m: m["type"] == "device_update" and m["device"]["mac"] == HOST_MAC)
        yield router, client


def status_of(message: dict, told: list[str]) -> str | None:
    """The status of the host in a message that tells it, which is also added to `told`."""
    if message["type"] != "device_update" or message["device"]["mac"] != HOST_MAC:
        return None
    told.append(message["device"]["status"])
    return told[-1]


def answered(home: Home, router: Daemon) -> int:
    """How many questions were answered by now."""
    with home.router.entered():
        return int(router.status()["counters"].get("probes", {}).get("answered", 0))


def sessions(router: Daemon) -> list[tuple]:
    return router.core(f"SELECT start, end FROM sessions WHERE device = '{HOST_MAC}' ORDER BY start")


@pytest.mark.slow
@pytest.mark.parametrize("probe", [True, False])
def test_a_host_that_is_silent_is_asked_and_stays_and_goes_offline_once_when_it_is_unplugged(
    home: Home, wire: Wire, short: Path, probe: bool
) -> None:
    config = CONFIG if probe else CONFIG.replace("offline_after = 4 s", "offline_after = 4 s\nprobe = no")
    home.host.ip(f"-6 addr del {HOST6}/64 dev eth0")
    home.host.ip("-6 addr flush dev eth0")
    with knowing(home, short, config) as (router, client):
        home.router.ip("neigh flush dev lan0")  # no traffic of ours keeps it talking
        before = answered(home, router)
        wire.questions()
        if probe:
            eventually(lambda: answered(home, router) >= before + 3)
            asked = wire.questions()
            assert {mac for mac, _ in asked} == {HOST_MAC}, "to it alone"
            assert len(asked) <= 8, "few"
            assert [d["status"] for d in router.json("devices") if d["mac"] == HOST_MAC] == ["online"]
            leave(home)
        told: list[str] = []
        gone = until(client, lambda m: status_of(m, told) == "offline")
        ((start, end),) = eventually(lambda: [row for row in sessions(router) if row[1] is not None])
        assert start <= end
        assert end <= gone["time"] - 3000, "it ended when the host was last heard of, not when that was noticed"
        router.emit({"type": "device", "mac": "a4:83:e7:00:00:01"})
        until(client, lambda m: status_of(m, told) is None and "a4:83:e7:00:00:01" in str(m))
        assert told.count("offline") == 1


@pytest.mark.slow
def test_a_release_is_believed_at_once_and_the_kernels_ghost_does_not_bring_the_host_back(
    home: Home, short: Path
) -> None:
    quiet = CONFIG.replace("4 s", "10 min")
    with knowing(home, short, quiet) as (router, client):
        router.emit({"type": "device", "mac": HOST_MAC, "status": "offline"})
        until(client, lambda m: m["type"] == "device_update" and m["device"]["status"] == "offline")
        assert state_of(home, HOST4) != [], "the kernel still keeps it"
        with home.router.entered():
            dumps = router.status()["counters"]["dumps"]["neighbours"]
            eventually(lambda: router.status()["counters"]["dumps"]["neighbours"] >= dumps + 3)
        assert [d["status"] for d in router.json("devices") if d["mac"] == HOST_MAC] == ["offline"]
        ((start, end),) = eventually(lambda: [row for row in sessions(router) if row[1] is not None])
        home.host.python(HELLO)
        home.host.ip("link set eth0 down")
        home.host.ip("link set eth0 up")
        home.host.ip(f"route replace default via {ROUTER4}")
        home.host.python(HELLO)
        until(client, lambda m: m["type"] == "device_update" and m["device"]["status"] == "online")
    assert start <= end


RELEASE = f"""
import socket, subprocess
mac = bytes.fromhex("{HOST_MAC.replace(":", "")}")
packet = b"\\1\\1\\6\\0" + bytes(8) + socket.inet_aton("{HOST4}") + bytes(12) + mac + bytes(10 + 192)
packet += b"\\x63\\x82\\x53\\x63" + b"\\x35\\1\\7" + b"\\x36\\4" + socket.inet_aton("{ROUTER4}") + b"\\xff"
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
    client.bind(("{HOST4}", 68))
    client.sendto(packet, ("{ROUTER4}", 67))
subprocess.run(["ip", "link", "set", "eth0", "down"], check=True)
"""


@pytest.mark.slow
def test_a_real_dhcprelease_is_seen_by_all_sources_and_ends_the_session_once(home: Home, short: Path) -> None:
    config = CONFIG.replace("4 s", "10 min").replace("[source:conntrack]\nenabled = no", "[source:conntrack]")
    config += "enabled = yes\ndump_interval = 1 s\n[source:capture]\nenabled = yes\ninterface = lan0\nfilter = all\n"
    with knowing(home, short, config) as (router, client):
        home.router.ip("link add port1 type veth peer name port2")  # keeps the bridge up
        home.router.ip("link set port2 up")
        home.router.ip("link set port1 master lan0 up")
        told: list[str] = []
        home.host.python(RELEASE)
        until(client, lambda m: status_of(m, told) == "offline")
        with home.router.entered():
            dumps = dict(router.status()["counters"]["dumps"])
            for source in ("neighbours", "conntrack"):
                eventually(lambda name=source: router.status()["counters"]["dumps"][name] >= dumps[name] + 4)
        ((_, end),) = sessions(router)
        assert end is not None
        assert [d["status"] for d in router.json("devices") if d["mac"] == HOST_MAC] == ["offline"]
