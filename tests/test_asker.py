"""Who owns an address says whoever has it when asked, in a home of network namespaces; and who takes it is told of."""

import contextlib
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from home import HOST4, HOST6, HOST_MAC, ROUTER4, ROUTER6, ROUTER_MAC, SERVER4, Home, Namespace, home_network, why_not
from packet_kit import ethernet, packed
from running import Daemon, join, rows, until
from sources_kit import LINK_LOCAL, Wire, as_nobody, inject, speak, working
from waiting import eventually

from netwatchd.addresses import PRIVATE, Networks, parse_address
from netwatchd.counters import Counters
from netwatchd.ingest.inbox import Door, Inboxes
from netwatchd.observations import AddressAnswered
from netwatchd.sources import Unavailable
from netwatchd.sources.asker import Asker

pytestmark = pytest.mark.skipif(bool(why_not("nft")), reason=str(why_not("nft")))

TAKER, TAKER4 = "3c:58:c2:de:ad:01", "192.168.77.66"
# Answers UDP's port 67, as a DHCP server does.
SERVE = """
import socket
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
    made.bind(("", 67))
    print("listening", flush=True)
    made.recv(1)
"""


@pytest.fixture
def home() -> Iterator[Home]:
    """A home whose router asks."""
    with home_network() as made:
        yield made


@contextlib.contextmanager
def asking(home: Home, *, may_ask: bool = True) -> Iterator[tuple[Asker, Inboxes]]:
    """The source at work on the router, and what it emits."""
    inboxes, counters = Inboxes(1000), Counters()
    asker = Asker(Networks(PRIVATE.split()), Door("asker", inboxes, counters), counters, may_ask=may_ask)
    with working(asker, home.router):
        yield asker, inboxes


def answers(inboxes: Inboxes) -> list[tuple[str, str, bool]]:
    """Those that have come by now."""
    told = inboxes.observations.take(0.0)
    texts = {parse_address(text): text for text in (HOST4, HOST6, TAKER4, LINK_LOCAL)}
    return [(each.mac, texts[each.ip], each.answered) for each in told if isinstance(each, AddressAnswered)]


@pytest.mark.parametrize("address", [HOST4, HOST6, LINK_LOCAL])
def test_the_owner_answers_and_nobody_else_is_asked(home: Home, address: str) -> None:
    wire = Wire(home)
    with asking(home) as (asker, inboxes):
        # A link-local address is on every link: it must be said on which.
        assert asker.ask(HOST_MAC, parse_address(address)) == (address != LINK_LOCAL)
        assert address != LINK_LOCAL or asker.ask(HOST_MAC, parse_address(address), "lan0")
        assert eventually(lambda: answers(inboxes)) == [(HOST_MAC, address, True)]
    asked = [question for question in wire.questions() if question[1] == address]
    wire.close()
    assert set(asked) == {(HOST_MAC, address)}


@pytest.mark.slow
def test_who_has_it_not_and_who_is_not_there_do_not_answer(home: Home) -> None:
    with asking(home) as (asker, inboxes):
        assert asker.ask(HOST_MAC, parse_address(TAKER4))
        assert asker.ask(TAKER, parse_address(HOST4))
        told: list[tuple[str, str, bool]] = []
        eventually(lambda: (told.extend(answers(inboxes)), len(told) == 2)[1])
        assert sorted(told) == sorted([(HOST_MAC, TAKER4, False), (TAKER, HOST4, False)])


def test_whom_no_link_reaches_is_not_asked_nor_anybody_where_that_is_not_wanted(home: Home) -> None:
    with asking(home) as (asker, _):
        assert not asker.ask(HOST_MAC, parse_address("10.1.2.3"))
        assert not asker.ask(HOST_MAC, parse_address(ROUTER4))
    with asking(home, may_ask=False) as (asker, _):
        assert not asker.ask(HOST_MAC, parse_address(HOST4))
        assert ROUTER_MAC in asker.macs


def test_what_the_kernel_was_made_to_believe_the_answer_puts_right(home: Home) -> None:
    home.router.ip(f"neigh replace {HOST4} lladdr {TAKER} dev lan0 nud reachable")
    with asking(home) as (asker, _):

        def is_right() -> bool:
            asker.ask(HOST_MAC, parse_address(HOST4))
            return any(each.get("lladdr") == HOST_MAC for each in home.router.json("ip", "-j", "neigh", "show", HOST4))

        eventually(is_right, "the table has the owner again")


def test_this_machine_s_own_addresses_and_ways_out_are_known(home: Home) -> None:
    home.router.ip(f"route add default via {SERVER4}")
    server = home.router.start("python3", "-c", SERVE)
    assert server.stdout is not None
    assert server.stdout.readline()
    with asking(home) as (asker, _):
        assert {parse_address(ROUTER4), parse_address(ROUTER6)} <= asker.addresses
        assert parse_address(HOST4) not in asker.addresses
        assert ROUTER_MAC in asker.macs
        assert HOST_MAC not in asker.macs
        assert asker.gateways == {parse_address(SERVER4)}
        assert asker.dhcp_links == {"lan0"}  # and not where the provider is


def test_without_the_privilege_it_is_off_and_says_why_and_knows_the_addresses(home: Home) -> None:
    def holds() -> bool:
        counters = Counters()
        asker = Asker(Networks(PRIVATE.split()), Door("asker", Inboxes(10), counters), counters)
        with pytest.raises(Unavailable, match="needs CAP_NET_RAW"):
            asker.open()
        asker.close()
        return parse_address(ROUTER4) in asker.addresses and not asker.ask(HOST_MAC, parse_address(HOST4))

    assert as_nobody(holds, home.router)


# The whole way.


@pytest.fixture
def taker(home: Home) -> Iterator[Namespace]:
    """One more host on the bridge."""
    made = Namespace(f"{home.router.name}-t")
    home.router.ip(f"link add port1 type veth peer name eth0 address {TAKER} netns {made.name}")
    home.router.ip("link set port1 master lan0")
    home.router.ip("link set port1 up")
    made.ip(f"addr add {TAKER4}/24 dev eth0")
    made.ip("link set eth0 up")
    yield made
    made.close()


def forged(ip: str, mac: str) -> bytes:
    """An ARP reply to the router."""
    to, own = (bytes.fromhex(text.replace(":", "")) for text in (ROUTER_MAC, mac))
    said = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 2) + own + packed(ip) + to + packed(ROUTER4)
    return ethernet(said, own, to, kind=0x0806)


def meet(daemon: Daemon, home: Home) -> None:
    """The router gets to know both hosts, and so does the daemon."""
    for address in (HOST4, TAKER4):
        speak(home.router, address)
    known = "SELECT count(*) FROM devices WHERE mac IN (?, ?)".replace("?", "'{}'").format(HOST_MAC, TAKER)
    eventually(lambda: rows(daemon.state / "core.db", known) == [(2,)])


@pytest.mark.slow
def test_who_takes_an_address_while_its_owner_is_there_is_told_within_seconds(
    home: Home, taker: Namespace, short: Path
) -> None:
    with Daemon(short, "[source:neighbours]\nenabled = yes\n", inside=home.router.command()) as daemon:
        eventually(lambda: "source asker is on" in daemon.log)
        meet(daemon, home)
        with home.router.entered(), daemon.client() as updates:
            join(updates)
            eventually(lambda: _moved(home, taker))
            told = until(updates, lambda m: m["type"] == "threat_update" and m["threat"]["kind"] == "arp_spoof")
            threat = told["threat"]
            assert (threat["device"], threat["target"], threat["severity"]) == (TAKER, HOST4, "high")
            assert threat["evidence"]["owner_asked"] == "answered"
            assert threat["evidence"]["taker_keeps"] == [TAKER4]
        assert daemon.stop() == 0
        assert "Traceback" not in daemon.log


@pytest.mark.slow
def test_who_gets_the_address_of_one_that_has_left_is_not_told(home: Home, taker: Namespace, short: Path) -> None:
    with Daemon(short, "[source:neighbours]\nenabled = yes\n", inside=home.router.command()) as daemon:
        eventually(lambda: "source asker is on" in daemon.log)
        meet(daemon, home)
        home.host.ip("link set eth0 down")
        taker.ip(f"addr add {HOST4}/24 dev eth0")
        eventually(lambda: _moved(home, taker))
        with home.router.entered():
            # The owner's address, and whether the owner has the taker's, were asked without an answer.
            eventually(lambda: daemon.json("status")["counters"].get("observed", {}).get("asker", 0) >= 3)
            assert not [each for each in daemon.json("threats") if each["kind"] in ("arp_spoof", "ip_conflict")]
        assert daemon.stop() == 0


def _moved(home: Home, taker: Namespace) -> bool:
    """The taker claims the address; whether the router believes it, be it for a moment."""
    inject(taker, forged(HOST4, TAKER))
    return any(each.get("lladdr") == TAKER for each in home.router.json("ip", "-j", "neigh", "show", HOST4))
