"""Promises of the sources `mdns` and `ssdp`, with the real kernel: two namespaces with a wire between them."""

import contextlib
import json
import select
import socket
import struct
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sources_kit
from announce_kit import cdp, host, message, ptr, ssdp
from capture_kit import namespace, raw_socket
from home import HOST4, HOST_MAC, Namespace, home_network, why_not
from running import Daemon
from waiting import eventually

from netwatchd import config
from netwatchd.addresses import Networks, address_text
from netwatchd.counters import Counters
from netwatchd.decoders.interfaces import OwnAddress, read_address, read_link
from netwatchd.decoders.netlink import Malformed, attribute
from netwatchd.decoders.netlink import message as netlink
from netwatchd.sources import Unavailable
from netwatchd.sources.mdns import Mdns
from netwatchd.sources.multicast import Multicast
from netwatchd.sources.ssdp import Ssdp
from netwatchd.worker import Worker

pytestmark = pytest.mark.skipif(bool(why_not()), reason=str(why_not()))

GROUP, GROUP6 = "224.0.0.251", "ff02::fb"
NEAR, FAR, FAR6 = "10.9.9.1", "10.9.9.2", "fd00:9::2"
HELLO = message(host("tv.local", FAR))
NETWORKS = Networks(["10.0.0.0/8", "fc00::/7", "fe80::/10"])


class Told(sources_kit.Told):
    """What a source tells of those who announce themselves."""

    def clues(self) -> list[tuple[str, str]]:
        """All that was told of any device, as pairs."""
        return [tuple(clue) for each in list(self.told) for clue in each.clues]  # type: ignore[misc]


@contextlib.contextmanager
def wire() -> Iterator[tuple[Namespace, Namespace]]:
    """Two namespaces with a wire, `lan0` at both ends, and addresses of both families."""
    with namespace("a") as near, namespace("b") as far:
        for each in (near, far):  # so that addresses of IPv6 can be used at once
            each.sysctl("net.ipv6.conf.default.accept_dad", 0)
        near.ip(f"link add lan0 type veth peer name lan0 netns {far.name}")
        for number, each in enumerate((near, far), 1):
            each.ip(f"addr add 10.9.9.{number}/24 dev lan0")
            each.ip(f"addr add fd00:9::{number}/64 dev lan0 nodad")
            each.ip("link set lan0 up")
        yield near, far


def made(kind: str = "mdns", interface: tuple[str, ...] = ()) -> tuple[Multicast, Told, Counters]:
    """A source, and what it tells and counts."""
    told, counters = Told(), Counters()
    if kind == "mdns":
        return Mdns(config.Mdns(interface=interface), NETWORKS, told, counters), told, counters
    return Ssdp(config.Ssdp(interface=interface), NETWORKS, told, counters), told, counters


@contextlib.contextmanager
def listening(
    place: Namespace, kind: str = "mdns", interface: tuple[str, ...] = ()
) -> Iterator[tuple[Multicast, Told, Counters]]:
    """The source, opened in a namespace; `heard` has it work."""
    source, told, counters = made(kind, interface)
    with place.entered():
        try:
            source.open()
            yield source, told, counters
        finally:
            source.close()


def heard(source: Multicast, condition: Callable[[], bool]) -> None:
    """Has the source work until something is so."""

    def turn() -> bool:
        source._turn(0.02)
        return condition()

    eventually(turn)


def sender(place: Namespace, address: str, port: int = 5353, interface: str = "lan0") -> socket.socket:
    """A socket of a device that announces from this address."""
    with place.entered():
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        sent = socket.socket(family, socket.SOCK_DGRAM)
        index = socket.if_nametoindex(interface)
        sent.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sent.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
            sent.bind((address, port, 0, index if address.startswith("fe80") else 0))
        else:
            sent.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, struct.pack("=4s4si", b"", b"", index))
            sent.bind((address, port))
    return sent


def say(place: Namespace, data: bytes, source: str = FAR, group: str = GROUP, port: int = 5353) -> None:
    """Announces something."""

    def sent() -> bool:
        # The routes of a new interface take a moment.
        with contextlib.suppress(OSError), sender(place, source, port) as made:
            return made.sendto(data, (group, port)) == len(data)
        return False

    eventually(sent)


def test_what_is_announced_is_told_of_the_address_it_came_from() -> None:
    with wire() as (near, far), listening(near) as (source, told, counters):
        say(far, HELLO)
        heard(source, lambda: told.clues() == [("mdns_name", "tv")])
        say(far, HELLO)
        say(far, message(ptr("_ipp._tcp.local", ("Hall", "_ipp", "_tcp", "local"))))
        heard(source, lambda: len(told.clues()) == 3)
        first, second = told.told
        assert (first.mac, first.alive, first.interface, first.source) == (None, True, "lan0", "mdns")
        assert [address_text(ip) for ip in first.ips] == [FAR]
        assert second.ips == first.ips
        heard(source, lambda: counters["datagrams.mdns"] == 3)
        with sender(far, FAR, 40000) as asks:  # not by the port of announcements
            asks.sendto(message(host("liar.local", FAR)), (GROUP, 5353))
        heard(source, lambda: counters["datagrams.mdns"] == 4)
    assert len(told.told) == 2


def test_ssdp_is_heard_in_all_its_groups() -> None:
    with wire() as (near, far), listening(near, "ssdp") as (source, told, _):
        for number, (group, address) in enumerate((("239.255.255.250", FAR), ("ff02::c", FAR6), ("ff05::c", FAR6))):
            say(far, ssdp("NTS: ssdp:alive", f"NT: urn:x:{number}"), address, group, 1900)
        heard(source, lambda: sorted(told.clues()) == [("ssdp_type", f"urn:x:{number}") for number in range(3)])


def test_what_ipv6_and_this_machine_say_makes_no_device() -> None:
    with wire() as (near, far), listening(near) as (source, told, _):
        say(far, message(host("six.local", FAR6)), FAR6, GROUP6)
        say(near, message(host("me.local", NEAR)), NEAR)
        heard(source, lambda: sorted(told.clues()) == [("mdns_name", "me"), ("mdns_name", "six")])
    assert not any(each.alive for each in told.told)


def test_a_sender_from_elsewhere_is_not_believed() -> None:
    with wire() as (near, far), listening(near) as (source, told, counters):
        for address in ("10.7.7.7", "198.51.100.7"):  # another subnet, and none of [devices] networks
            far.ip(f"addr add {address}/24 dev lan0")
            near.ip(f"route add {address}/32 dev lan0")  # or the kernel itself would not believe it
            say(far, message(host("liar.local", address)), address)
        heard(source, lambda: counters["refused.mdns.sender"] == 2)
    assert told.told == []


def test_another_program_on_the_port_gets_all_that_it_got_before() -> None:
    with wire() as (near, far):
        with near.entered():
            other = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            other.bind(("0.0.0.0", 5353))
            request = struct.pack("=4s4si", socket.inet_aton(GROUP), b"", socket.if_nametoindex("lan0"))
            other.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, request)
        with other, listening(near) as (source, told, counters):
            with sender(far, FAR) as sent:
                sent.sendto(HELLO, (GROUP, 5353))
                for number in range(20):
                    sent.sendto(b"to you alone %d" % number, (NEAR, 5353))
            other.settimeout(10)
            got = [other.recv(2000) for _ in range(21)]
            heard(source, lambda: told.clues() == [("mdns_name", "tv")])
            assert counters["datagrams.mdns"] == 1
    assert got[0] == HELLO
    assert len(set(got)) == 21


def test_two_of_us_hear_the_same() -> None:
    with wire() as (near, far), listening(near) as (one, first, _), listening(near) as (two, second, _):
        say(far, HELLO)
        for source, told in ((one, first), (two, second)):
            heard(source, lambda told=told: told.clues() == [("mdns_name", "tv")])


def test_it_works_until_asked_to_stop_and_tells_what_has_come_by_then() -> None:
    with wire() as (near, far), listening(near) as (source, told, counters):
        worker = Worker("source:mdns", source.run, lambda worker: None)
        worker.ask_to_stop()
        say(far, HELLO)
        source.run(worker)
        assert told.clues() == [("mdns_name", "tv")]
        worker = Worker("source:mdns", source.run, lambda worker: None)
        worker.start()
        say(far, message(host("tv2.local", FAR)))
        eventually(lambda: counters["datagrams.mdns"] == 2)
        assert worker.stop(10)


def test_interfaces_that_come_later_are_listened_on_and_those_that_go_are_left() -> None:
    with namespace("a") as near, namespace("b") as far, listening(near) as (source, told, _):
        assert not source._ears
        for number in (1, 2):  # it comes, goes, and comes again
            near.ip(f"link add lan0 type veth peer name lan0 netns {far.name}")
            near.ip("addr add 10.9.9.1/24 dev lan0")
            for each in (near, far):
                each.ip("link set lan0 up")
            far.ip("addr add 10.9.9.2/24 dev lan0")
            heard(source, lambda: any(group == GROUP for group, _ in list(source._ears)))
            say(far, message(host(f"tv{number}.local", FAR)))
            heard(source, lambda number=number: ("mdns_name", f"tv{number}") in told.clues())
            near.ip("link del lan0")
            heard(source, lambda: not source._ears)


def test_many_interfaces_of_which_some_come_and_go_all_the_time() -> None:
    def come(n: int) -> str:
        return f"link add v{n} type veth peer name p{n}\naddr add 10.9.{n}.1/24 dev v{n}\nlink set v{n} up\n"

    with namespace("a") as near, listening(near) as (source, _, _):
        assert int(near.run("cat", "/proc/sys/net/ipv4/igmp_max_memberships")) < 25  # of a socket
        near.run("ip", "-batch", "-", input="".join(map(come, range(25))) + f"link del v0\n{come(0)}" * 20)
        heard(source, lambda: sum(group == GROUP for group, _ in list(source._ears)) == 25)
        numbers = {int(line.split(":")[0]) for line in near.run("ip", "-o", "link", "show", "up").splitlines()}
        assert {number for _, number in source._ears} <= numbers


@pytest.mark.parametrize(
    ("interface", "heard"), [((), {"lan0"}), (("wan0",), {"wan0"}), (("lan0", "wan0"), {"lan0", "wan0"})]
)
def test_by_itself_it_listens_on_local_networks_only(interface: tuple[str, ...], heard: set[str]) -> None:
    with wire() as (near, far):
        near.ip(f"link add wan0 type veth peer name wan0 netns {far.name}")
        near.ip("addr add 198.51.100.1/24 dev wan0")  # and a link-local address of IPv6, as every interface
        near.ip("link set wan0 up")
        source, _, _ = made("mdns", interface)
        with near.entered():
            source.open()
        try:
            assert {ear.link.name for ear in source._ears.values()} == heard
        finally:
            source.close()


def test_nothing_is_ever_sent_by_it() -> None:
    with wire() as (near, far):
        with far.entered():
            tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
        with tap, listening(near) as (source, told, _):
            say(far, message(questions=(b"\x04_ipp\x04_tcp\x05local\0\0\x0c\0\1",), flags=0))
            say(far, HELLO)
            heard(source, lambda: told.clues() == [("mdns_name", "tv")])
            sent = []
            while select.select([tap], [], [], 0)[0]:
                frame, origin = tap.recvfrom(2000)
                if origin[2] != socket.PACKET_OUTGOING:
                    sent.append(frame)
    assert all(frame[23] == 2 for frame in sent)  # IGMP, by which the kernel joins the group


def test_what_finds_no_room_is_counted_as_lost() -> None:
    source, told, counters = made()
    with wire() as (near, far):
        with near.entered():
            source.open()
        try:
            with sender(far, FAR) as sent:
                for number in range(3000):
                    sent.sendto(message(host(f"tv{number}.local", FAR)) + bytes(1000), (GROUP, 5353))
            while counters["datagrams.mdns"] + counters["lost.mdns"] < 3000:
                source._turn(0)
                source._look()
        finally:
            source.close()
    assert counters["lost.mdns"] > 0
    assert counters["datagrams.mdns"] + counters["lost.mdns"] == 3000
    assert counters["dropped.mdns.clues"] == counters["datagrams.mdns"] - len(told.clues())


WITHOUT_PRIVILEGE = """
from pathlib import Path
from netwatchd.addresses import Networks
from netwatchd.config import Mdns as Settings
from netwatchd.counters import Counters
from netwatchd.sources.mdns import Mdns
source = Mdns(Settings(), Networks(["10.0.0.0/8"]), None, Counters())
source.open()
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
print(int(status["CapEff"], 16), sorted(group for group, _ in source._ears))
"""


@pytest.mark.skipif(bool(why_not("setpriv")), reason=str(why_not("setpriv")))
def test_it_needs_no_privilege() -> None:
    with wire() as (near, _):
        said = near.run("setpriv", "--bounding-set=-all", "--inh-caps=-all", sys.executable, "-c", WITHOUT_PRIVILEGE)
    assert said == f"0 {sorted((GROUP, GROUP6))}\n"


def test_where_the_port_is_somebody_else_s_alone_it_says_so() -> None:
    with wire() as (near, _), near.entered():
        alone = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        alone.bind(("0.0.0.0", 5353))
        alone6 = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        alone6.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        alone6.bind(("::", 5353))
        source, _, _ = made()
        with alone, alone6, pytest.raises(Unavailable, match=r"on lan0, UDP port 5353: address already in use"):
            source.open()
        source.close()
        source.open()  # it can be opened again
        source.close()


# Its decoder of interfaces.


@pytest.mark.parametrize(
    ("own", "prefix", "other", "reaches"),
    [
        (0x0A090901, 24, 0x0A0909FE, True), (0x0A090901, 24, 0x0A090A01, False), (0x0A090901, 0, 1, True),
        (0x0A090901, 32, 0x0A090901, True), (b"\xfe\x80" + bytes(14), 64, b"\xfe\x80" + bytes(13) + b"\1", True),
        (b"\xfd" + bytes(15), 64, b"\xfe" + bytes(15), False), (0x0A090901, 24, bytes(16), False),
    ],
)  # fmt: skip
def test_what_is_on_the_same_network(own: int | bytes, prefix: int, other: int | bytes, reaches: bool) -> None:
    assert OwnAddress(1, own, prefix).reaches(other) is reaches


def test_interfaces_and_addresses_are_read_and_damage_is_refused() -> None:
    body = struct.pack("=BBBBI", 2, 24, 0, 0, 7)
    both = attribute(1, bytes((10, 0, 0, 2))) + attribute(2, bytes((10, 0, 0, 1)))
    assert read_address(netlink(20, 0, 1, body + both)) == OwnAddress(7, 0x0A000001, 24)  # a line to 10.0.0.2
    assert read_address(netlink(20, 0, 1, body)) is None
    assert read_address(netlink(20, 0, 1, struct.pack("=BBBBI", 2, 99, 0, 0, 7) + both)) is None
    link = netlink(16, 0, 1, struct.pack("=BxHiII", 0, 1, 7, 0x1001, 0) + attribute(3, b"lan0\0"))
    found = read_link(link)
    assert found is not None
    assert (found.number, found.name, found.flags) == (7, "lan0", 0x1001)
    assert read_link(link[:32]) is None
    for damaged in (link[:20], netlink(20, 0, 1, body[:4]), netlink(20, 0, 1, body + b"\xff\xff\0\0")):
        with pytest.raises(Malformed):
            read_address(damaged) if len(damaged) > 20 or damaged[4] == 20 else read_link(damaged)


# The daemon.


@pytest.mark.skipif(bool(why_not("nft", "setpriv")), reason=str(why_not("nft", "setpriv")))
def test_what_a_host_announces_is_shown_of_the_device_that_it_is(short: Path) -> None:
    """A daemon with every source that sees announcements: by packets, and by the groups."""
    settings = "[source:capture]\nenabled = yes\ninterface = lan0\n"
    with home_network() as home, Daemon(short, settings, inside=home.router.command()) as daemon:
        eventually(lambda: "listening to 239.255.255.250 on lan0" in daemon.log)
        announced = message(host("hall.local", HOST4), ptr("_ipp._tcp.local", ("Hall", "_ipp", "_tcp", "local")))
        found = ssdp("NTS: ssdp:alive", "NT: urn:x", f"LOCATION: http://{HOST4}/")
        for port, group, data in ((5353, GROUP, announced), (1900, "239.255.255.250", found)):
            with sender(home.host, HOST4, port, "eth0") as sent:
                sent.sendto(data, (group, port))
        with raw_socket(home.host, "eth0") as wired:
            # A bridge passes on CDP, but not LLDP.
            wired.send(cdp((1, b"desk"), mac=bytes.fromhex(HOST_MAC.replace(":", ""))))
        wanted = {"mdns_name": "hall", "mdns_service": "_ipp._tcp", "ssdp_type": "urn:x", "lldp_name": "desk"}

        def shown() -> bool:
            answer = daemon.cli("device", HOST_MAC, "--json")
            clues = json.loads(answer.stdout)["clues"] if answer.returncode == 0 else []
            return wanted.items() <= {each["kind"]: each["value"] for each in clues}.items()

        eventually(shown)
        assert [each["mac"] for each in daemon.json("devices") if HOST4 in each["ips"]] == [HOST_MAC]
