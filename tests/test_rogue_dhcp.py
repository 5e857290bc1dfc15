"""A DHCP server beside the known one is told of; one that replaces it, stands in for it or serves elsewhere is not."""

from typing import Any

import pytest
from detector_kit import AT, LAPTOP, NAS, NOON, ROUTER, Street, device, panel
from hypothesis import given, settings
from hypothesis import strategies as st
from spoof_kit import AT_KALI, KALI, OUR_MAC, OURS, PHONE, Asked

from netwatchd import config
from netwatchd.addresses import parse_address
from netwatchd.detectors import Finding
from netwatchd.events import Threat
from netwatchd.observations import DhcpMessage

HOUR, DAY = 3600, 86_400
OFFER, REQUEST, ACK, NAK = 2, 3, 5, 6
SECOND = "192.168.1.3"


class Scene:
    """A link on which servers answer."""

    def __init__(self, **section: Any) -> None:
        self.home = Street(
            device(LAPTOP, AT[LAPTOP]),
            device(ROUTER, AT[ROUTER], kind="router"),
            device(KALI, AT_KALI, hostname="kali"),
        )
        self.machine = Asked()
        self.home.machine = self.machine
        self.panel = panel(self.home, rogue_dhcp=config.RogueDhcp(**section))
        self.found: list[Finding] = []

    def says(
        self, at: float, kind: int, server: str, mac: str | None, client: str = LAPTOP, *, router: str | None = None,
        **fields: Any,
    ) -> None:  # fmt: skip
        """A message; of a client, to the server that it names."""
        named = parse_address(router) if router else None
        told = {"interface": "br-lan", "source": "dhcp", "dns": (named,) if named else ()} | fields
        self.found += self.panel.observe(
            [DhcpMessage(NOON + int(at * 1000), told.pop("source"), kind, mac, client, parse_address("192.168.1.50"),
                         parse_address(server), named, **told)]
        )  # fmt: skip

    def router(self, at: float, client: str = LAPTOP, kind: int = ACK, **fields: Any) -> None:
        """The known one answers."""
        self.says(at, kind, AT[ROUTER], ROUTER, client, router=AT[ROUTER], **fields)

    def kali(self, at: float, client: str = LAPTOP, kind: int = OFFER, **fields: Any) -> None:
        """Another one does."""
        self.says(at, kind, AT_KALI, KALI, client, **{"router": AT_KALI} | fields)

    @property
    def threats(self) -> list[Threat]:
        """What was told."""
        return [each for each in self.found if isinstance(each, Threat)]


def test_an_offer_beside_that_of_the_known_one_is_told_at_once() -> None:
    scene = Scene()
    for day in range(10):
        scene.router(day * DAY, NAS)
    scene.router(10 * DAY, kind=OFFER)
    scene.kali(10 * DAY + 0.1)
    (threat,) = scene.threats
    assert (threat.kind, threat.severity, threat.device, threat.target) == ("rogue_dhcp", "high", KALI, "dhcp")
    assert "names itself as gateway and DNS server" in threat.description
    assert (threat.evidence["server_mac"], threat.evidence["known_mac"]) == (KALI, ROUTER)
    assert threat.evidence["gateways"] == [AT_KALI]


def test_the_known_one_may_answer_after_it_and_other_clients() -> None:
    scene = Scene()
    scene.router(0)
    scene.kali(2 * DAY)
    assert not scene.threats
    scene.router(2 * DAY + HOUR, NAS)
    assert [each.device for each in scene.threats] == [KALI]


def test_a_client_that_takes_an_offer_which_nobody_heard_names_it() -> None:
    """On the router, whose own answers are not heard, and where an offer goes from host to host."""
    scene = Scene()
    scene.says(0, REQUEST, OURS, LAPTOP)
    scene.says(HOUR, REQUEST, AT_KALI, PHONE, PHONE)
    (threat,) = scene.threats
    assert threat.device == KALI
    assert "this machine" in threat.description


def test_this_machine_s_own_server_is_known_before_anything_is_heard_of_it() -> None:
    scene = Scene()
    scene.machine.dhcp_links = {"br-lan"}
    scene.says(0, REQUEST, AT_KALI, PHONE, PHONE)
    assert [each.device for each in scene.threats] == [KALI]
    elsewhere = Scene()
    elsewhere.machine.dhcp_links = {"br-lan"}
    elsewhere.says(0, ACK, "10.0.0.1", ROUTER, OUR_MAC, router="10.0.0.1", interface="wan0")
    assert not elsewhere.threats


def test_the_first_on_a_link_gives_way_to_the_right_one() -> None:
    scene = Scene()
    scene.kali(0)
    scene.says(5, REQUEST, OURS, LAPTOP)
    assert [each.device for each in scene.threats] == [KALI]
    gateway = Scene()
    gateway.machine.gateways = {parse_address(AT[ROUTER])}
    gateway.kali(0)
    gateway.router(0.1)
    assert [each.device for each in gateway.threats] == [KALI]


def test_one_that_uses_the_address_of_the_known_one_is_told_by_its_mac() -> None:
    scene = Scene()
    scene.router(0)
    scene.says(2 * DAY, OFFER, AT[ROUTER], KALI, router=AT_KALI)
    scene.router(2 * DAY + 1)
    assert [each.device for each in scene.threats] == [KALI]


def test_a_route_by_option_121_counts_as_a_gateway() -> None:
    scene = Scene()
    dns = (parse_address(AT[ROUTER]),)
    scene.router(2 * DAY, dns=dns)
    scene.kali(2 * DAY + 1, router=AT[ROUTER], dns=dns, routes=(parse_address(AT_KALI),))
    assert "gateway" in scene.threats[0].description


def test_in_a_replay_both_must_answer_the_same_client() -> None:
    scene = Scene()
    scene.router(0, interface=None, source="capture")
    scene.kali(1, NAS, interface=None, source="capture")
    assert not scene.threats
    scene.kali(2, interface=None, source="capture")
    assert [each.device for each in scene.threats] == [KALI]


def test_logs_tell_no_mac() -> None:
    scene = Scene()
    log = {"interface": None, "source": "zeek"}
    scene.says(0, ACK, AT[ROUTER], None, **log)
    scene.says(2 * DAY, ACK, AT_KALI, None, **log)
    assert not scene.threats
    scene.says(2 * DAY + HOUR, ACK, AT[ROUTER], None, **log)
    assert {each.device for each in scene.threats} == {KALI}
    roaming = Scene()
    for at in range(0, 3 * DAY, HOUR):
        roaming.says(at, ACK, ("10.0.0.1", "10.0.1.1")[at // HOUR % 2], None, **log)
    assert not roaming.threats


def test_it_is_told_once_and_not_with_each_answer() -> None:
    scene = Scene()
    scene.router(0)
    for number in range(3600):
        scene.kali(2 * DAY + number, PHONE)
        scene.router(2 * DAY + number + 0.5)
    assert 1 <= len(scene.threats) <= 7
    assert len({(each.device, each.target) for each in scene.threats}) == 1


# What is none.


def test_a_replaced_router_and_a_server_that_moved_are_not_told() -> None:
    scene = Scene()
    for day in range(10):
        scene.router(day * DAY)
    for day in range(10, 30):
        scene.says(day * DAY, ACK, AT[ROUTER], PHONE, router=AT[ROUTER])
    scene.kali(30 * DAY)
    scene.kali(31 * DAY + 1)
    for day in range(32, 40):
        scene.kali(day * DAY)
    assert not scene.threats


def test_a_pair_of_servers_is_not_told() -> None:
    scene = Scene()
    for at in range(0, 60 * DAY, 6 * HOUR):
        scene.router(at, kind=OFFER)
        scene.says(at + 0.01, OFFER, SECOND, NAS, router=AT[ROUTER])
    assert not scene.threats


def test_a_pair_that_clients_name_is_learnt_within_a_day() -> None:
    scene = Scene()
    for at in range(0, 30 * DAY, HOUR):
        scene.says(at, REQUEST, (AT[ROUTER], SECOND)[at // HOUR % 2], LAPTOP)
    assert not scene.threats


def test_servers_that_are_configured_are_right() -> None:
    for servers in ((AT_KALI,), (KALI,)):
        scene = Scene(servers=servers)
        scene.router(0)
        scene.kali(2 * DAY)
        scene.router(2 * DAY + 1)
        assert not scene.threats


def test_other_links_relays_and_servers_of_images_are_none() -> None:
    scene = Scene()
    scene.router(0)
    for at in (2 * DAY, 3 * DAY):
        scene.says(at, ACK, "172.17.0.1", OUR_MAC, router="172.17.0.1", interface="docker0")
        scene.says(at, ACK, "10.9.0.1", KALI, router="10.9.0.1", interface="eth1")
        scene.says(at, REQUEST, AT_KALI, ROUTER, relayed=True)
        scene.found += scene.panel.observe(
            [
                DhcpMessage(
                    NOON + at * 1000, "dhcp", OFFER, KALI, LAPTOP, None, parse_address(AT_KALI), interface="br-lan"
                )
            ]
        )
        scene.router(at + 1)
    assert not scene.threats


# Across restarts, and liars.


def test_what_is_known_outlives_a_restart() -> None:
    before = Scene()
    before.router(0)
    note = before.panel.notes()["rogue_dhcp"]
    after = Scene()
    after.panel.recall({"rogue_dhcp": note})
    after.kali(2 * DAY)
    after.router(2 * DAY + 1)
    assert [each.device for each in after.threats] == [KALI]


@settings(max_examples=50)
@given(
    st.text(max_size=200)
    | st.from_regex(r'\A\{"a": \[[0-9]{1,30}, \[\[("x"|null|1), ("y"|null), [0-9]{1,400}, 5\]\]\]\}\Z')
)
def test_a_note_may_be_anything(note: str) -> None:
    scene = Scene()
    scene.panel.recall({"rogue_dhcp": note})
    scene.router(0)
    assert not scene.threats


@pytest.mark.parametrize("links", [1, 1000])
def test_made_up_servers_do_not_grow_it_and_do_not_hide_the_known_one(links: int) -> None:
    scene = Scene()
    scene.router(0)
    for number in range(5000):
        mac = f"02:00:00:00:{number >> 8:02x}:{number & 255:02x}"
        name = "br-lan" if links == 1 else f"eth{number % links}"
        scene.says(2 * DAY + number / 100, OFFER, f"192.168.2.{number % 250}", mac, PHONE, interface=name)
    rogue = scene.panel.detectors["rogue_dhcp"]
    assert len(rogue._links) <= 32
    assert all(len(link.servers) <= 16 for link in rogue._links.values())
    assert len(rogue.note) < 10_000
    if links == 1:
        assert any(server.mac == ROUTER and server.known for server in rogue._links["br-lan"].servers)
