"""Promises of the source `capture`: the real daemon on a router, two hosts on its bridge, and a server in the world."""

import contextlib
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from capture_kit import ethernet, ipv4, packet4, raw_socket, udp, wire
from home import HOST4, HOST_MAC, SERVER4, WAN4, Home, Namespace, home_network, why_not
from running import Daemon
from sources_kit import SERVER
from waiting import eventually

pytestmark = pytest.mark.skipif(bool(why_not("nft", "setpriv")), reason=str(why_not("nft", "setpriv")))

NAS4, NAS_MAC = "192.168.77.20", "00:11:32:aa:bb:cc"
FETCH = """
import socket, sys
server = socket.create_connection((sys.argv[1], 8000))
server.send(sys.argv[2].encode())
size = 0
while data := server.recv(65536):
    size += len(data)
server.close()
print(size)
"""
# How many datagrams of 500 bytes; from a port of ours, so that nothing else is taken for them.
DATAGRAMS = """
import socket, sys
one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
one.bind(("", 7001))
for _ in range(int(sys.argv[2])):
    one.sendto(b"x" * 500, (sys.argv[1], 7000))
"""
ALL = "[source:capture]\nenabled = yes\ninterface = lan0\nfilter = all\npromiscuous = yes\n"
CONTROL = "[source:capture]\nenabled = yes\ninterface = lan0\npromiscuous = yes\n"
CONNTRACK = "[source:conntrack]\nenabled = yes\ndump_interval = 1 s\n"


@pytest.fixture
def home() -> Iterator[tuple[Home, Namespace]]:
    """The home, with another host on the router's bridge that serves as many bytes as it is asked for."""
    with home_network() as made:
        nas = Namespace(f"{made.router.name}n")
        try:
            made.router.ip(f"link add port1 type veth peer name eth0 address {NAS_MAC} netns {nas.name}")
            made.router.ip("link set port1 master lan0 up")
            # What is bridged is no business of connection tracking, as where br_netfilter is not loaded.
            made.router.run("sh", "-c", "for each in /proc/sys/net/bridge/bridge-nf-call-ip*; do "
                            "test ! -e $each || echo 0 > $each; done")  # fmt: skip
            nas.ip(f"addr add {NAS4}/24 dev eth0")
            nas.ip("link set eth0 up")
            server = nas.start(sys.executable, "-uc", SERVER)
            assert server.stdout.readline() == "listening\n"
            yield made, nas
        finally:
            nas.close()


@contextlib.contextmanager
def daemon_in(place: Namespace, directory: Path, config: str) -> Iterator[Daemon]:
    """The daemon in a namespace; it has stopped, and stored all, when the block is left."""
    with Daemon(directory, config, inside=place.command()) as daemon:
        yield daemon
        assert daemon.stop() == 0, daemon.log


def counters(place: Namespace, daemon: Daemon) -> dict[str, Any]:
    """What the daemon in a namespace has counted."""
    with place.entered():
        return daemon.status()["counters"]


def count(place: Namespace, daemon: Daemon, name: str) -> int:
    """One of its counters."""
    value: Any = counters(place, daemon)
    for part in name.split("."):
        value = value.get(part, {}) if isinstance(value, dict) else {}
    return value or 0


def flows(daemon: Daemon, **wanted: object) -> list[dict[str, Any]]:
    """The flows that are stored and are like that."""
    found = daemon.json("flows", "--limit", "0")
    return [flow for flow in found if all(flow[name] == value for name, value in wanted.items())]


def test_traffic_between_two_hosts_on_the_bridge_is_one_flow_with_what_was_sent(
    home: tuple[Home, Namespace], short: Path
) -> None:
    (net, _), payload = home, 3_000_000
    with daemon_in(net.router, short, ALL + CONNTRACK) as daemon:
        net.host.python(DATAGRAMS, NAS4, "200")
        assert net.host.python(FETCH, NAS4, str(payload)) == f"{payload}\n"
        # The connection to the nas's port, and the datagrams with an answer to each that nobody listens.
        eventually(lambda: count(net.router, daemon, "packets.capture") > 200)
    (sent,) = flows(daemon, dst_ip=NAS4, dst_port=7000)
    assert (sent["packets_out"], sent["bytes_out"], sent["source"]) == (200, 200 * 528, "capture")
    (fetched,) = flows(daemon, dst_ip=NAS4, dst_port=8000)
    assert fetched["source"] == "capture" and fetched["state"] == "closed" and fetched["src_ip"] == HOST4
    headers = fetched["bytes_in"] - payload
    # Something may have been sent twice.
    assert 52 * fetched["packets_in"] <= headers <= 60 * fetched["packets_in"] + payload // 20
    devices = {device["mac"]: device for device in daemon.json("devices")}
    assert HOST4 in devices[HOST_MAC]["ips"] and NAS4 in devices[NAS_MAC]["ips"]
    assert devices[HOST_MAC]["bytes_in"] >= payload


def test_of_control_packets_alone_the_sequence_numbers_tell_what_passed(
    home: tuple[Home, Namespace], short: Path
) -> None:
    (net, _), payload = home, 3_000_000
    with daemon_in(net.router, short, CONTROL) as daemon:
        assert net.host.python(FETCH, NAS4, str(payload)) == f"{payload}\n"
        # SYN, SYN-ACK and two FINs.
        eventually(lambda: count(net.router, daemon, "packets.capture") >= 4)
    (fetched,) = flows(daemon, dst_ip=NAS4, dst_port=8000)
    assert fetched["state"] == "closed"
    # What was asked for has 7 bytes; the rest are the headers of the packets that were seen.
    assert 0 <= fetched["bytes_in"] - payload <= 60 * fetched["packets_in"]
    assert 0 <= fetched["bytes_out"] - 7 <= 60 * fetched["packets_out"]


@pytest.mark.parametrize(
    ("interface", "stop"), [("lan0 wan0", True), pytest.param("lan0", False, marks=pytest.mark.slow)]
)
def test_what_connection_tracking_tells_too_is_told_once(
    home: tuple[Home, Namespace], short: Path, interface: str, stop: bool
) -> None:
    (net, _), payload = home, 1_000_000
    net.serve(SERVER)
    config = ALL.replace("interface = lan0", f"interface = {interface}") + CONNTRACK
    with daemon_in(net.router, short, config) as daemon:
        assert net.host.python(FETCH, SERVER4, str(payload)) == f"{payload}\n"
        # Captured flows wait for connection tracking, and are told at the end at the latest.
        eventually(lambda: count(net.router, daemon, "received.conntrack"))
        eventually(lambda: count(net.router, daemon, "packets.capture") > 9)
        if not stop:
            eventually(lambda: count(net.router, daemon, "merged.flows.capture"))
    (fetched,) = flows(daemon, dst_port=8000)
    assert fetched["source"] == "conntrack" and fetched["bytes_in"] > payload
    assert flows(daemon, src_ip=WAN4) == []


# A record of NetFlow v5: the same five-tuple, but of fifty packets.
EXPORT = f"""
import socket, struct, time
now = time.time()
head = struct.pack("!HHIIIIBBH", 5, 1, 60000, int(now), 0, 0, 0, 0, 0)
ends = socket.inet_aton("{ipv4(2)}") + socket.inet_aton("{ipv4(1)}") + bytes(4)
record = ends + struct.pack("!HHIIIIHHBBBBHHBBH", 1, 2, 50, 26400, 59000, 60000, 7001, 7000, 0, 0, 17, 0, 0, 0, 0, 0, 0)
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(head + record, ("127.0.0.1", 2055))
"""


@pytest.mark.slow
def test_an_exporter_that_tells_of_a_flow_while_it_lives_takes_its_row_over(short: Path) -> None:
    config = "[source:netflow]\nenabled = yes\n[source:capture]\nenabled = yes\ninterface = eth0\nfilter = all\n"
    with wire() as (near, far), daemon_in(near, short, config) as daemon:
        far.python(DATAGRAMS, ipv4(1), "3")
        eventually(lambda: count(near, daemon, "received.capture"))
        near.python(EXPORT)
        eventually(lambda: count(near, daemon, "merged.flows.netflow"))
        far.python(DATAGRAMS, ipv4(1), "3")
    (row,) = flows(daemon, dst_port=7000)
    assert (row["source"], row["packets_out"], row["bytes_out"]) == ("netflow", 50, 26400)


@pytest.mark.slow
def test_what_passes_two_interfaces_is_told_once_without_connection_tracking_too(short: Path) -> None:
    with home_network(nat=False) as net:
        net.server.ip(f"route add {HOST4} via {WAN4}")
        net.serve(SERVER)
        config = ALL.replace("interface = lan0", "interface = lan0, wan0")
        with daemon_in(net.router, short, config) as daemon:
            assert net.host.python(FETCH, SERVER4, "100000") == "100000\n"
            eventually(lambda: count(net.router, daemon, "merged.flows.capture"))
        (fetched,) = flows(daemon, dst_port=8000)
        assert 100_000 < fetched["bytes_in"] < 110_000


@pytest.mark.slow
def test_what_the_kernel_dropped_while_the_daemon_hung_is_told_to_the_packet(short: Path) -> None:
    # To an address of nobody, so that nobody answers.
    frame = ethernet(0x0800, packet4(17, udp(1, 2)).replace(bytes([10, 9, 9, 1]), bytes([10, 9, 9, 77])))
    config = "[source:capture]\nenabled = yes\ninterface = eth0\nfilter = all\nring_size = 256 KiB\n"
    config += "[source:mdns]\nenabled = no\n[source:ssdp]\nenabled = no\n"  # whose IGMP would be counted, too
    with wire() as (near, far), raw_socket(far) as sender, daemon_in(near, short, config) as daemon:
        eventually(lambda: "capturing from eth0" in daemon.log)
        daemon.signal(signal.SIGSTOP)
        for _ in range(5000):
            sender.send(frame)
        daemon.signal(signal.SIGCONT)
        eventually(lambda: count(near, daemon, "packets.capture") + count(near, daemon, "lost.capture.kernel") >= 5000)
        read, lost = count(near, daemon, "packets.capture"), count(near, daemon, "lost.capture.kernel")
        assert lost > 1000 and read + lost == 5000
        assert count(near, daemon, "overflows.capture") > 0
        assert f"lost {lost} packets on eth0" in daemon.log
    (stored,) = flows(daemon)
    assert stored["packets_out"] == read


@pytest.mark.slow
def test_an_interface_may_go_down_or_away_and_come_back(short: Path) -> None:
    frame = ethernet(0x0800, packet4(17, udp(1, 2)))
    config = "[source:capture]\nenabled = yes\ninterface = eth0\nfilter = all\n"

    def state() -> str:
        with near.entered():
            (source,) = [each for each in daemon.status()["sources"] if each["name"] == "capture"]
        return source["state"]

    def is_heard() -> bool:
        before = count(near, daemon, "packets.capture")
        with raw_socket(far) as sender:
            sender.send(frame)
        return count(near, daemon, "packets.capture") > before

    with wire() as (near, far), daemon_in(near, short, config) as daemon:
        near.ip("link set eth0 down")
        eventually(lambda: "eth0 went down" in daemon.log)
        near.ip("link set eth0 up")
        eventually(is_heard)
        assert state() == "on"
        near.ip("link del eth0")
        eventually(lambda: state() == "failed")
        near.ip(f"link add eth0 type veth peer name eth0 netns {far.name}")
        for each in (near, far):
            each.ip("link set eth0 up")
        eventually(is_heard)
        assert state() == "on"


@pytest.mark.slow
def test_an_interface_that_is_down_may_go_away_too(short: Path) -> None:
    config = "[source:capture]\nenabled = yes\ninterface = eth0\n"
    with wire() as (near, _), daemon_in(near, short, config) as daemon:
        near.ip("link set eth0 down")
        eventually(lambda: "eth0 went down" in daemon.log)
        near.ip("link del eth0")
        eventually(lambda: "source capture does not work" in daemon.log)


@pytest.mark.slow
def test_of_several_interfaces_those_that_are_there_are_captured_and_the_others_looked_for(short: Path) -> None:
    config = "[source:capture]\nenabled = yes\ninterface = eth1 eth0\n"
    with wire() as (near, _), daemon_in(near, short, config) as daemon:
        eventually(lambda: "cannot capture from eth1: no such device" in daemon.log)
        assert "capturing from eth0" in daemon.log and "source capture is on" in daemon.log
        near.ip("link add eth1 type veth peer name eth2")
        for each in ("eth1", "eth2"):
            near.ip(f"link set {each} up")
        eventually(lambda: "capturing from eth1" in daemon.log)
        near.ip("link del eth1")
        eventually(lambda: "eth1 went away" in daemon.log)
        near.ip("link del eth0")
        eventually(lambda: "source capture does not work" in daemon.log)


@pytest.mark.parametrize(("enabled", "state"), [("auto", "off"), ("yes", "failed")])
def test_without_the_privilege_it_says_what_is_needed(short: Path, enabled: str, state: str) -> None:
    config = f"[source:capture]\nenabled = {enabled}\ninterface = lo\n"
    with Daemon(short, config, inside=["setpriv", "--bounding-set=-net_raw"]) as daemon:
        (source,) = [each for each in daemon.status()["sources"] if each["name"] == "capture"]
        assert source == {
            "name": "capture",
            "state": state,
            "reason": "cannot capture packets: permission denied (needs CAP_NET_RAW)",
        }


@pytest.mark.slow
def test_where_nobody_names_an_interface_it_says_which_it_took(short: Path) -> None:
    with wire() as (near, _):
        near.ip(f"route add default via {ipv4(2)}")
        with daemon_in(near, short, "[source:capture]\nenabled = yes\n") as daemon:
            assert "capturing from eth0, filter control" in daemon.log
