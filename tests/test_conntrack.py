"""Promises of the source `conntrack`, against the real kernel in a home of network namespaces."""

import contextlib
import signal
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from home import HOST4, HOST6, ROUTER6, SERVER4, WAN4, Home, home_network, why_not
from sources_kit import SERVER, as_nobody, working
from waiting import eventually

from netwatchd import config
from netwatchd.addresses import address_text, parse_address
from netwatchd.counters import Counters
from netwatchd.decoders.conntrack import ConntrackDecoder
from netwatchd.decoders.netlink import ACK, DONE, DUMP, message
from netwatchd.events import Flow, Sighting, Threat, new_event_id
from netwatchd.sources import Unavailable
from netwatchd.sources.conntrack import Conntrack
from netwatchd.sources.netlink import NETFILTER, NetlinkSocket
from netwatchd.worker import Worker

pytestmark = pytest.mark.skipif(bool(why_not("nft")), reason=str(why_not("nft")))
needs_conntrack = pytest.mark.skipif(bool(why_not("conntrack")), reason=str(why_not("conntrack")))

ANY = bytes(4)
GET, DELETE = 0x101, 0x102

DOWNLOAD = f"""
import socket, sys
server = socket.create_connection(("{SERVER4}", 8000))
server.send(sys.argv[1].encode())
size = 0
while data := server.recv(65536):
    size += len(data)
print(size)
"""
DATAGRAMS = f"""
import socket, sys
for start in range(10000, 10000 + int(sys.argv[1]), 500):
    for port in range(start, start + 500):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
            one.bind(("{HOST4}", port))
            one.sendto(b"0123456789", ("{SERVER4}", 9999))
"""
# An echo request, by IPv4, and a datagram by IPv6.
PING = f"""
import socket, struct
one = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
one.sendto(struct.pack(">BBHHH", 8, 0, 0xF7FF - 0x1234, 0x1234, 0), ("{SERVER4}", 0))
two = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
two.sendto(b"x", ("{ROUTER6}", 53))
"""


class Told:
    """An Emit that keeps the latest of each flow, and all that was told."""

    def __init__(self) -> None:
        self.history: list[Flow] = []
        self.latest: dict[int, Flow] = {}

    def flows(self, flows: list[Flow]) -> None:
        self.history += flows
        self.latest.update((flow.id, flow) for flow in flows)

    def sightings(self, sightings: list[Sighting]) -> None:
        raise AssertionError("a flow is no sighting")

    def threats(self, threats: list[Threat]) -> None:
        raise AssertionError("a flow is no threat")

    def to(self, port: int, state: str | None = None) -> list[Flow]:
        """The flows to a port, in that state."""
        latest = list(self.latest.values())
        return [flow for flow in latest if flow.dst_port == port and state in (None, flow.state)]


def ids() -> Callable[[int], int]:
    """What gives ids, from the first."""
    last = 0

    def new_id(now: int) -> int:
        nonlocal last
        last = new_event_id(last, now)
        return last

    return new_id


@pytest.fixture
def home() -> Iterator[Home]:
    with home_network() as made:
        yield made


@contextlib.contextmanager
def tracking(home: Home, **settings: object) -> Iterator[tuple[Told, Counters, Worker]]:
    """The source, running on the router, after its first dump."""
    told, counters = Told(), Counters()
    source = Conntrack(config.Conntrack(**settings), told, ids(), counters)
    with working(source, home.router) as worker:
        eventually(lambda: counters["dumps.conntrack"], "the first dump is asked for")
        yield told, counters, worker


def flush(home: Home) -> None:
    """Has the router's kernel forget all connections, which ends them at once."""
    with home.router.entered():
        socket = NetlinkSocket(NETFILTER)
    socket.ask(DELETE, ACK, ANY)
    socket.close()


def test_a_download_is_a_flow_from_the_lan_side_with_the_bytes_that_passed(home: Home) -> None:
    home.serve(SERVER)
    with tracking(home) as (told, _, _):
        assert home.host.python(DOWNLOAD, "5000000").strip() == "5000000"
        (flow,) = eventually(lambda: told.to(8000), "the flow is told")
        assert flow.state == "new" and flow[8:12] == (0, 0, 0, 0)
        flush(home)
        (flow,) = eventually(lambda: told.to(8000, "closed"), "the flow ends")
    assert (address_text(flow.src_ip), address_text(flow.dst_ip), flow.protocol) == (HOST4, SERVER4, 6)
    # IP and TCP with timestamps are 52 bytes a packet, or a little more; something may have been sent twice.
    assert flow.bytes_in >= 5_000_000 + 52 * flow.packets_in
    assert flow.bytes_out >= 52 * flow.packets_out
    assert flow.start <= flow.end <= flow.start + 30_000


@needs_conntrack
def test_the_counters_of_a_live_flow_are_the_kernels_after_each_dump(home: Home) -> None:
    home.serve(SERVER)
    with tracking(home, dump_interval=0.2) as (told, _, _):
        home.host.python(DOWNLOAD, "300000")

        def agree() -> bool:
            (kernel,) = [one for one in listed(home) if one["dst_port"] == 8000]
            (flow,) = told.to(8000)
            names = ("packets_out", "bytes_out", "packets_in", "bytes_in")
            return all(getattr(flow, name) == kernel[name] for name in names)

        eventually(lambda: told.to(8000, "active"), "the dump tells the counters")
        eventually(agree, "they are the kernel's")


def test_a_stop_gives_the_last_counters_of_what_is_alive(home: Home) -> None:
    home.serve(SERVER)
    with tracking(home, dump_interval=3600.0) as (told, _, worker):
        home.host.python(DOWNLOAD, "1000000")
        eventually(lambda: told.to(8000), "the flow is told")
        assert worker.stop(3)
        (flow,) = told.to(8000)
        assert flow.state == "closed" and flow.bytes_in > 1_000_000


def test_no_end_is_lost_in_a_flood_of_short_flows(home: Home) -> None:
    with tracking(home) as (told, _, _):
        home.host.python(DATAGRAMS, "20000")
        flush(home)
        eventually(lambda: len(told.to(9999, "closed")) >= 20_000, "every flow has ended")
        closed = told.to(9999, "closed")
    assert len(told.to(9999)) == len({flow.src_port for flow in closed}) == 20_000
    assert {flow[8:12] for flow in closed} == {(1, 38, 0, 0)}


def test_a_buffer_that_overflows_costs_no_flow_and_no_byte(home: Home, caplog: pytest.LogCaptureFixture) -> None:
    with tracking(home, receive_buffer=8192, dump_interval=3600.0) as (told, counters, _):
        home.host.python(DATAGRAMS, "5000")
        flush(home)
        eventually(lambda: counters["overflows.conntrack"], "the buffer overflows")
        eventually(lambda: len({flow.src_port for flow in told.to(9999, "closed")}) == 5000, "every flow ends")
    assert sum(flow.bytes_out for flow in told.to(9999, "closed")) == 5000 * 38
    assert "a larger receive_buffer in [source:conntrack] would help" in caplog.text


def test_flows_that_were_there_before_are_told_and_counted_from_now_on(home: Home) -> None:
    code = f"""
import socket, sys
one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for _ in range(2):
    one.sendto(b"0123456789", ("{SERVER4}", 7777))
    print("sent")
    sys.stdin.readline()
"""
    talker = home.host.start(sys.executable, "-uc", code, stdin=subprocess.PIPE)
    assert talker.stdout.readline() == "sent\n"
    with tracking(home, dump_interval=0.2) as (told, _, _):
        (flow,) = eventually(lambda: told.to(7777), "the flow is found")
        assert flow[8:12] == (0, 0, 0, 0)
        talker.stdin.write("\n")
        talker.stdin.flush()
        eventually(lambda: told.to(7777)[0].bytes_out == 38, "what passes from now on is counted")


def test_icmp_and_ipv6_are_flows_too(home: Home) -> None:
    with tracking(home, dump_interval=0.2) as (told, _, _):
        home.host.python(PING)
        flows = told.latest.values
        (ping,) = eventually(lambda: [one for one in list(flows()) if one.protocol == 1], "the ping is told")
        assert (ping.src_port, ping.dst_port, address_text(ping.dst_ip)) == (8, 0, SERVER4)
        (query,) = eventually(lambda: told.to(53), "the IPv6 flow is told")
        assert (address_text(query.src_ip), query.protocol) == (HOST6, 17)


def test_the_end_is_when_the_last_packet_passed_not_when_the_kernel_gave_up_waiting(home: Home) -> None:
    home.router.sysctl("net.netfilter.nf_conntrack_udp_timeout", 3)
    with tracking(home, dump_interval=0.5) as (told, _, _):
        home.host.python(f"import socket; socket.socket(2, 2).sendto(b'x', ('{SERVER4}', 9998))")
        (flow,) = eventually(lambda: told.to(9998, "closed"), "the flow expires")
    assert flow.state == "closed"
    assert flow.end - flow.start < 1000


def test_loopback_is_no_flow(home: Home) -> None:
    code = "import socket; one = socket.socket(2, 2)"
    for address in ("127.0.0.1", WAN4):
        code += f"; one.sendto(b'x', ('{address}', 5))"
    with tracking(home, dump_interval=0.2) as (told, counters, _):
        home.router.python(code)
        before = counters["dumps.conntrack"]
        eventually(lambda: counters["dumps.conntrack"] >= before + 2, "two more dumps are read")
        assert told.to(5) == []


def test_a_router_without_rules_tracks_connections_only_while_we_run() -> None:
    with home_network(nat=False) as home:
        home.server.ip(f"route add {HOST4} via {WAN4}")
        knock = f"import socket; socket.socket(2, 2).sendto(b'x', ('{SERVER4}', 9997))"
        with tracking(home, tracking=False) as (told, _, _):
            home.host.python(knock)
            assert home.router.run("nft", "list", "ruleset") == ""
            with tracking(home) as (also_told, _, _):
                assert "flags owner" in home.router.run("nft", "list", "table", "inet", "netwatchd")
                home.host.python(knock)
                eventually(lambda: also_told.to(9997), "the flow is told")
            assert home.router.run("nft", "list", "ruleset") == ""
            assert len(told.latest) == len(also_told.latest)


def test_the_table_goes_even_when_we_are_killed(home: Home) -> None:
    code = """
import time
from netwatchd.sources.tracking import start_tracking
owner = start_tracking()
print(owner is not None, flush=True)
time.sleep(60)
"""
    process = home.router.start(sys.executable, "-c", code)
    assert process.stdout.readline() == "True\n"
    assert "netwatchd" in home.router.run("nft", "list", "tables")
    # The process is `ip netns exec`, which has become python: the signal reaches the one that owns the table.
    process.send_signal(signal.SIGKILL)
    process.wait(5)
    eventually(lambda: "netwatchd" not in home.router.run("nft", "list", "tables"), "the table is gone")


def test_a_second_owner_of_the_table_is_content_with_the_first(home: Home) -> None:
    with tracking(home), tracking(home) as (told, _, _):
        home.host.python(f"import socket; socket.socket(2, 2).sendto(b'x', ('{SERVER4}', 9997))")
        eventually(lambda: told.to(9997), "the flow is told")


def test_the_sysctls_that_are_off_are_set(home: Home) -> None:
    for name in ("acct", "timestamp", "events"):
        home.router.sysctl(f"net.netfilter.nf_conntrack_{name}", 0)
    with tracking(home):
        for name in ("acct", "timestamp", "events"):
            assert home.router.run("cat", f"/proc/sys/net/netfilter/nf_conntrack_{name}") == "1\n"


def test_without_privilege_it_is_unavailable_for_a_reason_that_helps(home: Home) -> None:
    source = Conntrack(config.Conntrack(), Told(), ids(), Counters())

    def holds() -> bool:
        with pytest.raises(Unavailable) as caught:
            source.open()
        return str(caught.value) == "cannot open a conntrack socket: permission denied (needs CAP_NET_ADMIN)"

    assert as_nobody(holds)


def test_after_a_restart_of_the_source_flows_go_on_under_their_ids(home: Home) -> None:
    home.serve(SERVER)
    told, counters = Told(), Counters()
    source = Conntrack(config.Conntrack(dump_interval=0.1), told, ids(), counters)

    class Failing(Worker):
        """A worker that has the source fail, as an error of its socket would, once the flow was told."""

        def beat(self) -> None:
            super().beat()
            if told.to(8000, "active"):
                raise OSError("failed")

    with home.router.entered():
        source.open()
    home.host.python(DOWNLOAD, "1000000")
    with pytest.raises(OSError, match="failed"):
        source.run(Failing("source:conntrack", source.run, lambda _: None))
    source.close()
    (before,) = told.to(8000)
    with working(source, home.router):
        flush(home)
        (after,) = eventually(lambda: told.to(8000, "closed"), "the flow ends")
    assert (after.id, after.bytes_in) == (before.id, before.bytes_in)


def test_a_malformed_message_is_counted_and_harms_no_other(caplog: pytest.LogCaptureFixture) -> None:
    counters = Counters()
    source = Conntrack(config.Conntrack(), Told(), ids(), counters)
    bad, done = message(GET, 0, 1, ANY), message(DONE, 0, 1, ANY)
    assert [one.kind for one, _ in source._decoded(bad + done + b"\1\2\3")] == [DONE]
    assert counters["malformed.conntrack"] == 2
    assert "ignored a conntrack message: a conntrack message without id" in caplog.text


def listed(home: Home) -> list[dict[str, int | str]]:
    """What `conntrack -L -o xml` says of the router's connections."""
    text = home.router.run("conntrack", "-L", "-o", "xml,id")
    return [_of_xml(flow) for flow in ElementTree.fromstring(text).iter("flow")]


def _of_xml(flow: ElementTree.Element) -> dict[str, int | str]:
    sides = {meta.get("direction"): meta for meta in flow.iter("meta")}
    original, independent = sides["original"], sides["independent"]

    def number(side: ElementTree.Element, path: str) -> int:
        return int(side.findtext(path) or 0)

    return {
        "id": number(independent, "id"),
        "src_ip": original.findtext("layer3/src") or "",
        "src_port": number(original, "layer4/sport"),
        "dst_ip": original.findtext("layer3/dst") or "",
        "dst_port": number(original, "layer4/dport"),
        "protocol": int(original.find("layer4").get("protonum")),
        "packets_out": number(original, "counters/packets"),
        "bytes_out": number(original, "counters/bytes"),
        "packets_in": number(sides["reply"], "counters/packets"),
        "bytes_in": number(sides["reply"], "counters/bytes"),
    }


@needs_conntrack
def test_the_dump_decodes_to_what_conntrack_says(home: Home) -> None:
    home.serve(SERVER)
    for code in ((DOWNLOAD, "100000"), (DATAGRAMS, "500"), (PING,)):
        home.host.python(*code)
    with home.router.entered():
        socket, decoder = NetlinkSocket(NETFILTER), ConntrackDecoder()

    def both() -> Any:
        decoded = [decoder.decode(answer.data) for answer in socket.ask(GET, DUMP, ANY)]
        said = {one["id"]: one for one in listed(home)}
        return (decoded, said) if {entry.id for entry in decoded} == set(said) else None

    decoded, said = eventually(both, "nothing has begun or ended between the two looks")
    socket.close()
    assert len(said) >= 502
    assert {1, 6, 17} <= {entry.protocol for entry in decoded}
    for entry in decoded:
        one = said[entry.id]
        assert (entry.src_ip, entry.dst_ip) == (parse_address(str(one["src_ip"])), parse_address(str(one["dst_ip"])))
        assert entry.start > 0
        ports = ("src_port", "dst_port") if entry.protocol != 1 else ()  # the tool does not write ICMP's type
        for name in (*ports, "protocol", "packets_out", "bytes_out", "packets_in", "bytes_in"):
            assert getattr(entry, name) == one[name], name
