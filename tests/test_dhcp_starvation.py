"""A client that tries addresses, made-up clients and a flood of one are told of; crowds and hasty clients are not."""

from pathlib import Path
from typing import Any

import pytest
from detector_kit import LAPTOP, NAS, NOON, ROUTER, Street, device, panel
from hypothesis import given, settings
from hypothesis import strategies as st

from netwatchd import config
from netwatchd.addresses import Address, parse_address
from netwatchd.detectors import Finding
from netwatchd.detectors.dhcp_starvation import MOST_CLIENTS, MOST_TRIED
from netwatchd.events import Threat
from netwatchd.observations import DhcpMessage

DISCOVER, OFFER, REQUEST, DECLINE, ACK, NAK = 1, 2, 3, 4, 5, 6
POOL = parse_address("192.168.1.100")
DATA = Path(__file__).parent.parent.parent / "shared/data"


def made_up(number: int) -> str:
    """A MAC."""
    return f"02:00:{number >> 24 & 255:02x}:{number >> 16 & 255:02x}:{number >> 8 & 255:02x}:{number & 255:02x}"


class Scene:
    """A link with a server."""

    def __init__(self, *known: str, **section: Any) -> None:
        week = 7 * 86_400_000
        self.panel = panel(
            Street(*(device(mac, first_seen=NOON - week) for mac in known or (LAPTOP, NAS, ROUTER))),
            dhcp_starvation=config.DhcpStarvation(**section),
        )
        self.found: list[Finding] = []

    def says(
        self, at: float, client: str, kind: int = DISCOVER, address: Address | None = None, *, mac: str | None = None,
        **fields: Any,
    ) -> None:  # fmt: skip
        """A client's message; by default from its own card."""
        message = DhcpMessage(
            NOON + int(at * 1000), "dhcp", kind, mac or client, client, address, None, **fields
        )  # fmt: skip
        self.found += self.panel.observe([message])

    @property
    def told(self) -> list[tuple[str | None, str | None, str]]:
        """Device, target, severity of each."""
        return [(each.device, each.target, each.severity) for each in self.found if isinstance(each, Threat)]


# What is told.


@pytest.mark.parametrize("apart", [0.0, 1.0, 60.0])
def test_a_client_that_tries_one_address_after_the_other(apart: float) -> None:
    scene = Scene()
    for number in range(10):
        scene.says(number * apart, LAPTOP, REQUEST, POOL + number)
    assert scene.told == [(LAPTOP, "dhcp addresses", "high")]
    (threat,) = scene.found
    assert isinstance(threat, Threat)
    assert "6 different addresses" in threat.description
    assert threat.evidence["examples"][:2] == ["192.168.1.100", "192.168.1.101"]


@pytest.mark.parametrize("apart", [0.001, 0.2])
def test_made_up_clients_are_told_as_one(apart: float) -> None:
    scene = Scene()
    for number in range(5000):
        scene.says(number * apart, made_up(number))
        scene.says(number * apart, made_up(number), REQUEST, POOL + number % 100)
    assert set(scene.told) == {(None, "dhcp clients", "high")}
    assert len(scene.told) < 10


def test_slowly_made_up_ones_too() -> None:
    scene = Scene()
    for number in range(300):
        scene.says(number * 10, made_up(number))
    assert set(scene.told) == {(None, "dhcp clients", "high")}


def test_made_up_clients_of_one_card_are_put_down_to_it() -> None:
    scene = Scene()
    for number in range(90):
        scene.says(number * 5, made_up(number), mac=LAPTOP)
    assert set(scene.told) == {(LAPTOP, "dhcp clients", "high")}


def test_a_flood_of_one_client_is_one_flood() -> None:
    scene = Scene()
    for _ in range(10_000):
        scene.says(0, made_up(1), mac=made_up(2))
    assert set(scene.told) == {(made_up(1), "dhcp flood", "medium")}
    assert len(scene.told) == 7  # as it doubles
    assert isinstance(scene.found[-1], Threat)
    assert scene.found[-1].evidence["messages"] == 6400


# What is not.


def test_what_clients_do_by_themselves() -> None:
    scene = Scene()
    for number in range(1000):
        scene.says(number, LAPTOP)  # a hasty one that gets no answer for a quarter of an hour
    # It has come home: the address of elsewhere is refused, it had another one before, that is taken, ...
    for at, ip in enumerate(("10.0.0.7", "192.168.1.50", "192.168.1.51", "192.168.1.52")):
        scene.says(2000 + at, NAS, REQUEST, parse_address(ip))
        scene.says(2000 + at, NAS, DECLINE, parse_address(ip))
    for hour in range(24 * 30):  # and gets another address each hour
        scene.says(3600 * hour + 3600, ROUTER, REQUEST, POOL + hour % 100)
    assert not scene.told


def test_after_a_power_cut_everybody_comes_back_at_once() -> None:
    everybody = [made_up(number) for number in range(250)]
    scene = Scene(*everybody)
    for again in range(4):
        for number, mac in enumerate(everybody):
            scene.says(again * 4 + number / 100, mac)
            scene.says(again * 4 + number / 100, mac, REQUEST, POOL + number)
    assert not scene.told


def test_guests_and_repeaters() -> None:
    scene = Scene()
    for number in range(60):  # a bus stops at the café
        scene.says(number, made_up(number))
    for number in range(200):  # and so on all day
        scene.says(4000 + number * 60, made_up(1000 + number))
    for number in range(40):  # a repeater speaks for those behind it, a relay for a floor
        scene.says(90_000 + number, made_up(2000 + number), mac=LAPTOP)
    for number in range(80):
        scene.says(100_000 + number, made_up(3000 + number), mac=ROUTER, relayed=True)
    assert not scene.told


def test_what_servers_say_counts_for_nothing() -> None:
    scene = Scene()
    for number in range(1000):
        scene.says(number / 1000, LAPTOP, (OFFER, ACK, NAK)[number % 3], POOL + number)
    assert not scene.told


def test_thresholds_can_be_set() -> None:
    scene = Scene(addresses=3, clients=10, messages=10)
    for number in range(3):
        scene.says(number, LAPTOP, REQUEST, POOL + number)
    for number in range(10):
        scene.says(20 + number, made_up(number))
        scene.says(20, NAS)
    assert [target for _, target, _ in scene.told] == ["dhcp addresses", "dhcp clients", "dhcp flood"]


# Liars.


def test_made_up_clients_neither_grow_it_nor_hide_the_one_that_tries() -> None:
    scene = Scene()
    for number in range(3 * MOST_CLIENTS):
        scene.says(number / 1000, made_up(number), REQUEST, POOL + number, mac=made_up(number + 1))
        if number % 1000 == 0:
            scene.says(number / 1000, LAPTOP, REQUEST, POOL + number)
    starvation = scene.panel.detectors["dhcp_starvation"]
    assert len(starvation._clients) <= MOST_CLIENTS
    assert len(starvation._cards) <= 1024
    assert (LAPTOP, "dhcp addresses", "high") in scene.told
    for number in range(10 * MOST_TRIED):
        scene.says(100, NAS, REQUEST, POOL + number)
    assert len(starvation._clients.get(("dhcp", NAS)).tried) <= MOST_TRIED


@settings(max_examples=50)
@given(st.lists(st.tuples(st.integers(-(10**6), 10**6), st.integers(0, 3), st.integers(0, 9), st.integers(0, 300))))
def test_any_order_of_anything_harms_nothing(events: list[tuple[int, int, int, int]]) -> None:
    scene = Scene()
    for time, client, kind, address in events:
        scene.says(time, made_up(client), kind, address or None, mac=made_up(kind))
    # Who answers in any order is a server beside another one, too: `dhcp` is the target of rogue_dhcp.
    assert {target for _, target, _ in scene.told} <= {"dhcp addresses", "dhcp clients", "dhcp flood", "dhcp"}
