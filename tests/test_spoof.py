"""Who takes an address whose owner is still there is told of once; whatever else moves addresses is not."""

import dataclasses
import itertools
from collections.abc import Iterator

import pytest
from detector_kit import AT, LAPTOP, NAS, NOON, ROUTER, Street, device, kinds, panel
from hypothesis import given, settings
from hypothesis import strategies as st
from spoof_kit import AT_KALI, AT_PHONE, KALI, OTHER, OURS, PHONE, VIRTUAL, Scene

from netwatchd import config
from netwatchd.addresses import parse_address
from netwatchd.detectors.spoof import BURST, MOST_CONTESTS, RATE
from netwatchd.events import Claim, Gone, TakenBack
from netwatchd.observations import AddressAnswered, AddressShown, DhcpMessage

HOUSE = {AT[LAPTOP]: {LAPTOP}, AT[ROUTER]: {ROUTER}, AT[NAS]: {NAS}, AT_KALI: {KALI}}


def poison(scene: Scene, ip: str, owner: str, *, every: float = 2.0, until: float = 120.0, taker: str = KALI) -> None:
    """A tool that claims an address again and again, while the owner speaks each half a minute."""
    scene.shows(0, owner, ip)
    scene.shows(1, taker, AT_KALI)
    heard = 30.0
    for number in itertools.count():
        at = 10 + number * every
        if at > until:
            return
        if at >= heard:
            scene.shows(at - 0.1, owner, ip)
            scene.shows(at - 0.05, taker, AT_KALI)
            heard += 30
        scene.shows(at, taker, ip)


# What is an attack.


def test_an_address_that_moves_in_the_neighbour_table_while_its_owner_answers_is_told_at_once() -> None:
    scene = Scene(HOUSE)
    scene.moves(0, AT[LAPTOP], KALI, LAPTOP)
    (threat,) = scene.threats
    assert scene.told == {("arp_spoof", KALI, AT[LAPTOP])}
    assert threat.severity == "high"
    assert "kali" in threat.description
    assert "laptop" in threat.description
    assert threat.evidence["owner_asked"] == "answered"
    assert threat.evidence["taker_keeps"] == [AT_KALI]
    assert (threat.evidence["taker_mac"], threat.evidence["owner_mac"]) == (KALI, LAPTOP)


@pytest.mark.parametrize("how", ["kind", "route", "dhcp"])
def test_that_of_the_gateway_is_critical(how: str) -> None:
    scene = Scene(HOUSE)
    if how != "kind":
        scene.home.devices[ROUTER] = dataclasses.replace(scene.home.devices[ROUTER], kind="unknown")
    if how == "route":
        scene.machine.gateways = {parse_address(AT[ROUTER])}
    if how == "dhcp":
        gateway = parse_address(AT[ROUTER])
        scene.panel.observe([DhcpMessage(NOON, "dhcp", 5, ROUTER, LAPTOP, parse_address(AT[LAPTOP]), gateway, gateway)])
    scene.moves(0, AT[ROUTER], KALI, ROUTER)
    assert [(each.kind, each.severity) for each in scene.threats] == [("arp_spoof", "critical")]
    assert "the gateway's address" in scene.threats[0].description


@pytest.mark.parametrize("every", [0.5, 2.0, 10.0])
def test_in_a_replay_both_must_claim_it_in_turn(every: float) -> None:
    scene = Scene()
    poison(scene, AT[LAPTOP], LAPTOP, every=every)
    assert scene.told == {("arp_spoof", KALI, AT[LAPTOP])}


def test_both_directions_are_one_threat_that_grows() -> None:
    scene = Scene(HOUSE)
    scene.moves(0, AT[LAPTOP], KALI, LAPTOP)
    scene.moves(1, AT[ROUTER], KALI, ROUTER)
    assert scene.told == {("arp_spoof", KALI, AT[LAPTOP])}
    assert [each.severity for each in scene.threats] == ["high", "critical"]
    assert scene.threats[-1].evidence["victims"] == [AT[ROUTER], AT[LAPTOP]]
    assert "1 more" in scene.threats[-1].description


def test_what_he_does_an_hour_later_is_another_attack() -> None:
    scene = Scene(HOUSE)
    scene.moves(0, AT[LAPTOP], KALI, LAPTOP)
    scene.moves(3600, AT[NAS], KALI, NAS)
    assert scene.told == {("arp_spoof", KALI, AT[LAPTOP]), ("arp_spoof", KALI, AT[NAS])}


def test_who_has_no_address_of_his_own_but_takes_several_is_found() -> None:
    scene = Scene({AT[LAPTOP]: {LAPTOP}, AT[ROUTER]: {ROUTER}}, Street(
        device(LAPTOP, AT[LAPTOP]), device(ROUTER, AT[ROUTER]), device(KALI),
    ))  # fmt: skip
    scene.moves(0, AT[LAPTOP], KALI, LAPTOP)
    assert not scene.threats
    scene.moves(1, AT[ROUTER], KALI, ROUTER)
    assert {each[:2] for each in scene.told} == {("arp_spoof", KALI)}


def test_neighbour_discovery_too() -> None:
    street = Street(
        device(LAPTOP, "fd00::20", "fe80::20"), device(KALI, "fd00::66"), device(ROUTER, "fe80::1", kind="router")
    )
    scene = Scene({"fd00::20": {LAPTOP}, "fd00::66": {KALI}, "fe80::1": {ROUTER}}, street)
    scene.moves(0, "fd00::20", KALI, LAPTOP)
    assert scene.told == {("nd_spoof", KALI, "fd00::20")}
    packets = Scene({"fe80::1": {ROUTER}, "fd00::66": {KALI}}, street)
    packets.shows(0, ROUTER, "fe80::1")
    packets.shows(5, KALI, "fe80::1")
    assert [(each.kind, each.severity) for each in packets.threats] == [("nd_spoof", "critical")]


def test_two_claims_of_this_machine_s_own_address_need_no_question() -> None:
    for answers in (HOUSE, None):
        scene = Scene(answers)
        scene.shows(0, KALI, OURS)
        scene.shows(1, KALI, AT_KALI)
        assert not scene.threats
        scene.shows(2, KALI, OURS)
        assert [(each.kind, each.severity) for each in scene.threats] == [("arp_spoof", "critical")]
        assert scene.threats[0].evidence["owner_mac"] == "this machine"


def test_a_capture_may_begin_in_the_middle() -> None:
    scene = Scene()
    for number in range(60):
        scene.shows(number * 2, KALI, AT[ROUTER])
        if number % 15 == 14:
            scene.shows(number * 2 + 0.1, ROUTER, AT[ROUTER])
            scene.shows(number * 2 + 0.2, KALI, AT_KALI)
    assert [each.device for each in scene.threats[:1]] == [KALI]


def test_a_victim_that_sleeps_is_asked_again() -> None:
    scene = Scene({AT_KALI: {KALI}})
    scene.moves(0, AT[LAPTOP], KALI, LAPTOP)
    assert not scene.threats
    scene.answers[parse_address(AT[LAPTOP])] = {LAPTOP}
    scene.moves(40, AT[LAPTOP], LAPTOP, KALI)
    scene.moves(41, AT[LAPTOP], KALI, LAPTOP)
    assert scene.told == {("arp_spoof", KALI, AT[LAPTOP])}


def test_it_is_told_a_few_times_and_not_a_thousand() -> None:
    scene = Scene(HOUSE)
    for second in range(3600):
        scene.shows(second, LAPTOP, AT[LAPTOP])
        scene.shows(second + 0.5, KALI, AT[LAPTOP])
    assert len(scene.told) == 1
    assert len(scene.threats) < 15


def test_the_table_may_be_poisoned_already_when_it_is_read_first() -> None:
    street = Street(device(LAPTOP), device(KALI, AT_KALI, AT[LAPTOP]))
    scene = Scene({AT[LAPTOP]: {LAPTOP}, AT_KALI: {KALI}}, street)
    scene.moves(0, AT[LAPTOP], LAPTOP, KALI)
    assert not scene.threats
    scene.moves(1, AT[LAPTOP], KALI, LAPTOP)
    assert scene.told == {("arp_spoof", KALI, AT[LAPTOP])}


# What is none.


def test_who_has_changed_his_address_takes_none_though_another_one_gets_the_old_one_at_once() -> None:
    street = Street(device(LAPTOP, AT[LAPTOP]), device(PHONE, AT_PHONE))
    scene = Scene({AT[LAPTOP]: {PHONE}, "192.168.1.21": {LAPTOP}}, street)
    replayed = Scene(None, street)
    for each in (scene, replayed):
        each.shows(0, LAPTOP, AT[LAPTOP])
        for at in range(10, 100, 10):
            each.shows(at, LAPTOP, "192.168.1.21")
            each.shows(at + 5, PHONE, AT[LAPTOP])
    scene.moves(100, AT[LAPTOP], PHONE, LAPTOP)
    assert not scene.found
    assert not replayed.found


def test_an_owner_with_several_addresses_is_not_accused_by_whoever_was_given_one_of_them() -> None:
    street = Street(device(NAS, AT[NAS], "192.168.1.11"), device(PHONE, AT[NAS]))
    scene = Scene({AT[NAS]: {NAS, PHONE}, "192.168.1.11": {NAS}}, street)
    for at in range(0, 100, 10):
        scene.moves(at, AT[NAS], PHONE, NAS)
        scene.moves(at + 5, AT[NAS], NAS, PHONE)
    assert not scene.found


def test_an_address_that_has_another_owner_is_not_told() -> None:
    gone = Scene({AT[LAPTOP]: {PHONE}, AT_PHONE: set()}, Street(device(LAPTOP, AT[LAPTOP]), device(PHONE, AT_PHONE)))
    for at in range(0, 3600, 60):
        gone.moves(at, AT[LAPTOP], PHONE, LAPTOP)
    for at in range(3600, 7200, 20):
        gone.shows(at, PHONE, AT[LAPTOP])
    assert not gone.found


def test_a_replaced_router_is_not_told() -> None:
    scene = Scene({AT[ROUTER]: {OTHER}, "192.168.1.9": {OTHER}}, Street(
        device(ROUTER, AT[ROUTER], kind="router"), device(OTHER, "192.168.1.9"),
    ))  # fmt: skip
    scene.machine.gateways = {parse_address(AT[ROUTER])}
    scene.shows(0, ROUTER, AT[ROUTER])
    for at in range(60, 3600, 5):
        scene.shows(at, OTHER, AT[ROUTER])
    scene.moves(61, AT[ROUTER], OTHER, ROUTER)
    assert not scene.found


def test_two_that_were_given_the_same_address_are_a_conflict() -> None:
    street = Street(device(LAPTOP, AT[LAPTOP]), device(NAS, AT[NAS], "192.168.1.77"))
    # It had another address before, and does not answer there any more.
    scene = Scene({AT[LAPTOP]: {LAPTOP, NAS}}, street)
    for at in range(0, 600, 10):
        scene.moves(at, AT[LAPTOP], NAS, LAPTOP)
        scene.moves(at + 5, AT[LAPTOP], LAPTOP, NAS)
        scene.shows(at + 1, NAS, AT[LAPTOP])
        scene.shows(at + 6, LAPTOP, AT[LAPTOP])
    assert not scene.found
    assert not scene.panel.explains(Claim(NOON, parse_address(AT[LAPTOP]), NAS, LAPTOP, "neighbours"))


def test_one_machine_with_two_links_is_not_told() -> None:
    street = Street(device(NAS, AT[NAS]), device(OTHER, "192.168.1.11"))
    both = {NAS, OTHER}
    scene = Scene({AT[NAS]: both, "192.168.1.11": both}, street)
    replayed = Scene(None, street)
    for at in range(0, 600, 4):
        for each in (scene, replayed):
            each.shows(at, NAS, AT[NAS])
            each.shows(at + 1, OTHER, AT[NAS])
            each.shows(at + 2, OTHER, "192.168.1.11")
            each.shows(at + 3, NAS, "192.168.1.11")
        scene.moves(at, AT[NAS], OTHER, NAS)
    assert not scene.found
    assert not replayed.found


def test_cable_and_wifi_of_a_laptop_are_not_told() -> None:
    street = Street(device(LAPTOP, AT[LAPTOP], hostname="laptop"), device(PHONE, AT_PHONE, hostname="LAPTOP.lan"))
    scene = Scene({AT[LAPTOP]: {LAPTOP, PHONE}, AT_PHONE: {PHONE}}, street)
    scene.moves(0, AT[LAPTOP], PHONE, LAPTOP)
    assert not scene.found


def test_a_sleep_proxy_is_not_told() -> None:
    proxy = Scene({AT_KALI: {KALI}})  # the others sleep
    replayed = Scene()
    for at in range(0, 7200, 300):
        for ip, owner in ((AT[LAPTOP], LAPTOP), (AT[NAS], NAS)):
            for each in (proxy, replayed):
                each.shows(at, owner, ip)  # it wakes up for a minute
                each.shows(at + 60, KALI, ip)
                each.shows(at + 61, KALI, AT_KALI)
                each.shows(at + 120, KALI, ip)
    assert not proxy.found
    assert not replayed.found


def test_an_address_that_servers_pass_on_is_not_told() -> None:
    street = Street(device(NAS, AT[NAS], VIRTUAL), device(OTHER, "192.168.1.11"))
    asked, replayed = Scene({AT[NAS]: {NAS}, "192.168.1.11": {OTHER}}, street), Scene(None, street)
    for at in range(0, 600, 20):
        for each in (asked, replayed):
            one, other = (NAS, OTHER) if at % 40 else (OTHER, NAS)
            asked.answers[parse_address(VIRTUAL)] = {one}
            each.shows(at, one, VIRTUAL)
            each.shows(at + 1, one, AT[NAS] if one == NAS else "192.168.1.11")
            each.shows(at + 2, other, "192.168.1.11" if one == NAS else AT[NAS])
    assert not asked.found
    assert not replayed.found


def test_who_asks_for_all_addresses_takes_none() -> None:
    scene = Scene(HOUSE)
    for number in range(255):
        scene.shows(number / 20, KALI, AT_KALI)
    assert not scene.found


def test_what_others_only_hear_of_moves_nothing() -> None:
    scene = Scene(HOUSE)
    for source in ("leases", "dhcp", "zeek", "eve", "capture"):
        scene.moves(0, AT[LAPTOP], KALI, LAPTOP, source)
    scene.moves(0, "fe80::1", KALI, ROUTER)
    assert not scene.found


def test_who_may_not_ask_decides_by_what_is_shown() -> None:
    scene = Scene(HOUSE)
    scene.panel = panel(scene.home, spoof=config.Spoof(ask=False))
    scene.moves(0, AT[LAPTOP], KALI, LAPTOP)
    assert not scene.found
    assert not scene.machine.questions
    poison(scene, AT[NAS], NAS)
    assert scene.told == {("arp_spoof", KALI, AT[NAS])}


# How it is told beside the conflict.


def test_a_conflict_that_was_told_is_taken_back_and_none_follows() -> None:
    scene = Scene(HOUSE)
    scene.moves(0, AT[LAPTOP], KALI, LAPTOP)
    back = [each for each in scene.found if isinstance(each, TakenBack)]
    assert [(each.kind, each.device, each.target) for each in back] == [("ip_conflict", min(KALI, LAPTOP), AT[LAPTOP])]
    move = Claim(NOON + 1000, parse_address(AT[LAPTOP]), LAPTOP, KALI, "neighbours")
    assert scene.panel.explains(move)
    assert not scene.panel.explains(move._replace(ip=parse_address(AT[NAS])))


def test_while_it_is_asked_there_is_no_conflict_and_no_answer_does_not_last_for_ever() -> None:
    scene = Scene(HOUSE)
    move = Claim(NOON, parse_address(AT[LAPTOP]), KALI, LAPTOP, "neighbours")
    scene.panel.see_device(move)
    assert scene.panel.explains(move)
    scene.passes(4)
    assert not scene.panel.explains(move)


def test_two_that_prove_to_be_one_device_are_taken_back() -> None:
    scene = Scene(HOUSE)
    scene.moves(0, AT[LAPTOP], KALI, LAPTOP)
    (back,) = scene.panel.see_device(Gone(KALI, LAPTOP))
    assert isinstance(back, TakenBack)
    assert (back.kind, back.device, back.target) == ("arp_spoof", KALI, AT[LAPTOP])


# Liars.


def macs() -> Iterator[str]:
    """Made-up ones."""
    return (f"02:00:00:{n >> 16:02x}:{n >> 8 & 255:02x}:{n & 255:02x}" for n in itertools.count(1))


def test_a_flood_of_made_up_claims_neither_grows_nor_hides_the_attacker() -> None:
    scene = Scene(HOUSE)
    for number, mac in zip(range(5 * MOST_CONTESTS), macs(), strict=False):
        ip = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"
        scene.shows(number / 1000, LAPTOP, ip)
        scene.shows(number / 1000, mac, ip)
    spoof = scene.panel.detectors["spoof"]
    assert len(spoof._contests) <= MOST_CONTESTS
    assert not scene.threats
    scene.passes(60)
    scene.moves(120, AT[LAPTOP], KALI, LAPTOP)
    assert scene.told == {("arp_spoof", KALI, AT[LAPTOP])}


def test_many_made_up_macs_at_one_address_ask_few_questions() -> None:
    scene = Scene(HOUSE)
    asked = 0
    for number, mac in zip(range(3000), macs(), strict=False):
        scene.panel.observe(
            [AddressShown(NOON + number, "capture", mac, parse_address(AT[ROUTER]), ROUTER, NOON)]
        )  # fmt: skip
        asked += len(scene.machine.questions)
        scene.machine.questions.clear()
    assert asked <= BURST + 3 * RATE // 60  # they take three seconds


@settings(max_examples=50)
@given(st.lists(st.tuples(
    st.integers(-10_000, 10_000_000), st.sampled_from([LAPTOP, NAS, ROUTER, KALI, "ff", ""]),
    st.sampled_from([AT[LAPTOP], AT[ROUTER], AT_KALI, OURS, "fe80::1", "fd00::1"]), st.sampled_from("stam"),
    st.booleans(),
), max_size=60))  # fmt: skip
def test_any_order_of_anything_harms_nothing(events: list[tuple[int, str, str, str, bool]]) -> None:
    scene = Scene(HOUSE)
    for time, mac, ip, what, yes in events:
        if what == "s":
            scene.see(AddressShown(NOON + time, "capture", mac, parse_address(ip), LAPTOP if yes else None, NOON))
        elif what == "t":
            scene.passes(time / 1000)
        elif what == "a":
            scene.panel.observe([AddressAnswered(NOON + time, "asker", mac, parse_address(ip), yes)])
        else:
            scene.moves(time / 1000, ip, mac, LAPTOP)
    assert set(kinds(scene.found)) <= {"arp_spoof", "nd_spoof", "ip_conflict"}
