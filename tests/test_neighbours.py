"""Promises of the source `neighbours`, against the real kernel in a home of network namespaces."""

import contextlib
import struct
import time
from collections.abc import Iterator

import pytest
import sources_kit
from home import HOST4, HOST6, HOST_MAC, SERVER4, SERVER_MAC, Home, home_network, why_not
from sources_kit import as_nobody, leave, meet, speak, state_of, working
from waiting import eventually

from netwatchd import config
from netwatchd.addresses import parse_address
from netwatchd.counters import Counters
from netwatchd.decoders.neighbours import INET, INET6, decode_link, decode_neighbour
from netwatchd.decoders.netlink import DUMP, attribute, message
from netwatchd.events import Sighting
from netwatchd.sources.neighbours import Neighbours
from netwatchd.sources.netlink import ROUTE, NetlinkSocket
from netwatchd.worker import Worker

pytestmark = pytest.mark.skipif(bool(why_not("nft")), reason=str(why_not("nft")))

NOARP = 0x40


class Told(sources_kit.Told):
    """What a source tells of neighbours."""

    def of(self, mac: str, address: str | None = None) -> list[Sighting]:
        """The sightings of a MAC with that address; without one, those of a forwarding table."""
        ips = (parse_address(address),) if address else ()
        return [one for one in list(self.told) if one.mac == mac and one.ips == ips]


@pytest.fixture
def home() -> Iterator[Home]:
    with home_network() as made:
        yield made


@contextlib.contextmanager
def watching(home: Home | None, resync: float = 60.0) -> Iterator[tuple[Told, Counters]]:
    """The source, running on the router (None: where this thread is), after its first dump."""
    told, counters = Told(), Counters()
    source = Neighbours(config.Neighbours(resync=resync), told, counters)
    with working(source, home.router if home else None):
        eventually(lambda: counters["dumps.neighbours"], "the first dump is read")
        yield told, counters


def send(home: Home, address: str) -> None:
    """The host sends a packet to the address."""
    speak(home.host, address)


def now() -> int:
    return time.time_ns() // 1_000_000


def test_a_host_that_speaks_is_seen_with_mac_addresses_and_interface(home: Home) -> None:
    with watching(home) as (told, _):
        began = now()
        send(home, SERVER4)
        send(home, "fd00:77::1")
        for address in (HOST4, HOST6):
            (sighting, *_) = eventually(lambda a=address: told.of(HOST_MAC, a), f"{address} is seen")
            assert sighting.interface == "lan0"
            assert began - 1000 <= sighting.time <= now()
        eventually(lambda: told.of(SERVER_MAC, SERVER4), "the router's own neighbour on the WAN side is seen")
        (bridged, *_) = eventually(lambda: told.of(HOST_MAC), "the bridge's forwarding table shows the station")
        assert bridged.interface == "port0"


def test_a_dump_at_start_shows_who_is_there_and_the_bridges_own_ports_are_nobody(home: Home) -> None:
    send(home, SERVER4)
    with watching(home) as (told, _):
        eventually(lambda: told.of(HOST_MAC, HOST4), "the host is seen")
        assert {sighting.mac for sighting in told.told} == {HOST_MAC, SERVER_MAC}


def test_a_ghost_is_told_with_the_time_when_it_was_last_heard_of(home: Home) -> None:
    meet(home)
    heard = now()
    leave(home)
    wait_until(heard + 4000)
    assert state_of(home, HOST4) == ["REACHABLE"]
    with watching(home) as (told, _):
        (ghost, *_) = eventually(lambda: told.of(HOST_MAC, HOST4), "the ghost is told")
        assert heard - 2000 <= ghost.time <= heard + 1000


def test_a_ghost_that_a_timer_has_made_stale_was_not_heard_of_by_that(home: Home) -> None:
    home.router.sysctl("net.ipv4.neigh.lan0.base_reachable_time_ms", 5000)
    home.router.sysctl("net.ipv4.neigh.lan0.delay_first_probe_time", 1)
    meet(home)
    heard = now()
    leave(home)
    with watching(home, resync=0.2) as (told, _):
        eventually(lambda: state_of(home, HOST4) == ["STALE"], "the timer makes the neighbour stale")
        wait_until(now() + 1000)
        assert all(one.time <= heard + 1000 for one in told.of(HOST_MAC, HOST4))
        assert told.of(HOST_MAC, HOST4)


STRANGER = "02:00:00:00:00:aa"
FRAME = f"""
import socket
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(("eth0", 0))
s.send(b"\\xff" * 6 + bytes.fromhex("{STRANGER.replace(":", "")}") + b"\\x88\\xb5" + bytes(46))
"""


def test_a_ghost_behind_the_bridge_is_told_with_the_time_of_its_last_frame(home: Home) -> None:
    home.host.python(FRAME)
    heard = now()
    wait_until(heard + 4000)
    with watching(home) as (told, _):
        (ghost, *_) = eventually(lambda: told.of(STRANGER), "the station is told")
        assert heard - 2000 <= ghost.time <= heard + 1000


def wait_until(moment: int) -> None:
    """Lets kernel time pass, where that is what the promise is about."""
    eventually(lambda: now() >= moment, "time passes")


def test_a_resync_tells_of_a_station_that_the_bridge_merely_heard_again(home: Home) -> None:
    send(home, SERVER4)
    with watching(home, resync=0.2) as (told, counters):
        (first, *_) = eventually(lambda: told.of(HOST_MAC), "the station is seen")
        wait_until(first.time + 1500)
        send(home, SERVER4)
        eventually(lambda: told.of(HOST_MAC)[-1].time >= first.time + 1000, "it is seen again")
        before = counters["dumps.neighbours"]
        eventually(lambda: counters["dumps.neighbours"] >= before + 3, "more dumps are read")


def test_what_is_no_news_is_not_told_again_at_each_resync(home: Home) -> None:
    send(home, SERVER4)
    leave(home)
    with watching(home, resync=0.05) as (told, counters):
        eventually(lambda: counters["dumps.neighbours"] >= 3, "some dumps are read")
        eventually(lambda: counters["dumps.neighbours"] >= 20, "many dumps are read")
        assert len(told.of(HOST_MAC, HOST4)) == 1


def test_another_mac_for_an_address_is_told_at_once(home: Home) -> None:
    home.router.ip(f"neigh replace {HOST4} lladdr {HOST_MAC} dev lan0 nud reachable")
    with watching(home) as (told, _):
        home.router.ip(f"neigh replace {HOST4} lladdr 3c:58:c2:de:ad:01 dev lan0 nud reachable")
        eventually(lambda: told.of("3c:58:c2:de:ad:01", HOST4), "the other MAC is told")


def test_a_burst_that_overflows_the_buffer_is_made_good_by_a_dump(home: Home) -> None:
    macs = [f"02:00:00:00:{n >> 8:02x}:{n & 255:02x}" for n in range(1, 3001)]
    batch = "".join(f"fdb add {mac} dev port0 master dynamic\n" for mac in macs)
    told, counters = Told(), Counters()
    source = Neighbours(config.Neighbours(resync=3600.0), told, counters, receive_buffer=4096)
    with home.router.entered():
        source.open()
    worker = Worker("source:neighbours", source.run, lambda _: None)
    home.router.run("bridge", "-batch", "-", input=batch)
    worker.start()
    try:
        eventually(lambda: counters["overflows.neighbours"], "the overflow is noticed")
        eventually(lambda: {one.mac for one in list(told.told)} >= set(macs), "every station is told")
    finally:
        assert worker.stop(5)
        source.close()


def test_the_dump_decodes_to_what_ip_neigh_says(home: Home) -> None:
    send(home, SERVER4)
    send(home, "fd00:77::1")
    home.router.ip("neigh add 192.168.77.99 lladdr 02:00:00:00:00:99 dev lan0 nud permanent")
    with home.router.entered():
        socket = NetlinkSocket(ROUTE)
    names = dict(decode_link(answer.data) for answer in socket.ask(18, DUMP, bytes(16)))
    decoded = {}
    for family in (INET, INET6):
        for answer in socket.ask(30, DUMP, bytes([family, *bytes(11)])):
            one = decode_neighbour(answer.data)
            if one.mac and one.state != NOARP:  # ip(8) leaves those out
                decoded[(one.ip, names[one.interface], one.mac)] = one
    said = {
        (parse_address(one["dst"]), one["dev"], one["lladdr"]): one
        for one in home.router.json("ip", "-s", "-j", "neigh")
        if "lladdr" in one
    }
    assert len(said) >= 4
    assert decoded.keys() == said.keys()
    for key, one in said.items():
        if "PERMANENT" not in one["state"]:
            assert abs((decoded[key].updated or 0) // 100 - one["updated"]) <= 2
    socket.close()


def test_the_dump_decodes_to_what_bridge_fdb_says(home: Home) -> None:
    send(home, SERVER4)
    with watching(home) as (told, _):
        eventually(lambda: told.of(HOST_MAC), "the forwarding table is read")
        seen = {(one.mac, one.interface) for one in told.told if not one.ips}
    said = {
        (one["mac"], one["ifname"])
        for one in home.router.json("bridge", "-j", "fdb")
        if one["state"] not in ("permanent", "static")
    }
    assert seen == said


def test_no_privilege_is_needed(home: Home) -> None:
    send(home, SERVER4)

    def holds() -> bool:
        with watching(None) as (told, _):
            return bool(eventually(lambda: told.of(HOST_MAC, HOST4), "the host is seen"))

    assert as_nobody(holds, home.router)


def test_a_malformed_message_is_counted_and_harms_no_other() -> None:
    told, counters = Told(), Counters()
    source = Neighbours(config.Neighbours(), told, counters)
    source._links[3] = "lan0"
    address, mac = attribute(1, bytes([192, 168, 77, 10])), attribute(2, bytes.fromhex("a483e7123456"))
    good = message(28, 0, 0, struct.pack("=BxxxiHBB", 2, 3, 2, 0, 0) + address + mac)
    for data in (message(28, 0, 0, b"ab"), b"\xff" * 20, good):
        source._read(data, told.told)
    assert counters["malformed.neighbours"] == 2
    assert len(told.of(HOST_MAC, HOST4)) == 1
