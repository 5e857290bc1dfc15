"""News of devices: what is told, and all that must not be."""

import dataclasses
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from news_kit import LAPTOP, OTHER_PHONE, PHONE, TV, Home, named, seen
from store_kit import device

from netwatchd.addresses import parse_address
from netwatchd.detectors.naming import is_renaming, plain
from netwatchd.detectors.newcomers import MOST_WAITING
from netwatchd.events import Change, Claim, Forget, Gone, Judge, Merge, Rename, Renaming, Sighting, ThreatStatus

LINK_LOCAL = "fe80::8e79:f5ff:fe44:5566"
IP, OTHER_IP = "192.168.77.123", "192.168.77.124"
Steps = list[tuple[float, Sighting]]


def flips(count: int, every: float = 10, **fields: Any) -> Steps:
    """An address that goes back and forth between two that have shown others before."""
    owners = (TV, LAPTOP)
    return [(5 + every * n, seen(owners[n % 2], IP, **fields)) for n in range(count)]


# What happens (at which second), and what is told of it.
STORIES: dict[str, tuple[Steps, list[str]]] = {
    "nothing": ([], []),
    "a device with an address": ([(1, seen(TV, IP))], ["new_device"]),
    "a device with a name only": ([(1, seen(TV, hostname="tv"))], ["new_device"]),
    "a device that is only known to be there": ([(1, seen(TV))], ["new_device"]),
    "one that shows itself piece by piece": (
        [(1, seen(TV)), (1.02, seen(TV, LINK_LOCAL)), (1.1, seen(TV, IP)), (1.9, named(TV, "tv", IP)), (20, seen(TV))],
        ["new_device"],
    ),
    "the same one again and again": ([(n * 10, seen(TV, IP)) for n in range(1, 9)], ["new_device"]),
    "two devices": ([(1, seen(TV, IP)), (2, seen(LAPTOP, OTHER_IP))], ["new_device", "new_device"]),
    "two phones with one name": (
        [
            (1, named(PHONE, "Pixel-7", IP)),
            (58, seen(OTHER_PHONE, LINK_LOCAL)),
            (60, named(OTHER_PHONE, "Pixel-7", OTHER_IP)),
            (60.1, seen(PHONE, IP)),
        ],
        ["new_device", "new_device"],
    ),
    "a phone that comes back with another private MAC": (
        [(1, named(PHONE, "Pixel-7", IP)), (60, named(OTHER_PHONE, "Pixel-7", OTHER_IP))], ["new_device"],
    ),
    "a private MAC": ([(1, named(PHONE, "Pixel-7", IP))], ["new_device"]),
    "a private MAC without a name": ([(1, seen(PHONE, IP)), (7, seen(PHONE, IP))], ["new_device"]),
    "a private MAC without a name, for a moment": ([(1, seen(PHONE, IP)), (3, seen(PHONE, IP))], []),
    "the same, which comes again": ([(1, seen(PHONE, IP)), (3, seen(PHONE)), (90, seen(PHONE, IP))], ["new_device"]),
    "an address without MAC": ([(1, seen(None, IP))], ["new_device"]),
    "an address whose MAC is known a moment later": ([(1, seen(None, IP)), (2, seen(TV, IP))], ["new_device"]),
    "an address whose MAC is known much later": ([(1, seen(None, IP)), (60, seen(TV, IP))], ["new_device"]),
    "addresses of a known MAC": ([(1, seen(TV, IP)), (30, seen(None, IP)), (60, seen(TV, OTHER_IP))], ["new_device"]),
    "an IPv6 address without MAC": ([(1, seen(None, "2001:db8::77"))], []),
    "what is known, but was never seen": ([(1, seen(TV, IP, alive=False))], []),
    "another address by DHCP": ([(1, seen(TV, IP)), (30, seen(TV, OTHER_IP))], ["new_device"]),
    "an address that another one is given": ([(1, seen(TV, IP)), (2, seen(LAPTOP, IP))], ["new_device"] * 2),
    "an address that comes back": (
        [(1, seen(TV, IP)), (2, seen(LAPTOP, OTHER_IP)), (30, seen(LAPTOP, IP)), (60, seen(TV, IP))],
        ["new_device"] * 2,
    ),
    "a conflict": (flips(5), ["new_device", "new_device", "ip_conflict"]),
    "a conflict that goes on is one": (flips(20), ["new_device", "new_device", "ip_conflict"]),
    "an address that moves now and then": (flips(6, every=200), ["new_device"] * 2),
    "a conflict of one machine on cable and Wi-Fi": (flips(6, hostname="laptop"), ["new_device"] * 2),
    "a conflict that a file of leases has with the truth": (
        [(5 + 10 * n, seen((TV, LAPTOP)[n % 2], IP, source=("neighbours", "leases")[n % 2])) for n in range(8)],
        ["new_device"] * 2,
    ),
    "link-local addresses of two links": (
        [(5 + 10 * n, seen((TV, LAPTOP)[n % 2], "fe80::1")) for n in range(8)], ["new_device"] * 2,
    ),
    "a proxy that answers for many": (
        [(1, seen(LAPTOP, "192.168.77.1"))]
        + [(2 + n * 0.1, seen(f"8c:79:f5:00:00:{n:02x}", f"192.168.77.{n}")) for n in range(10, 14)]
        + [
            (80 + turn * 20 + n * 0.1, seen(f"8c:79:f5:00:00:{n:02x}" if turn % 2 else LAPTOP, f"192.168.77.{n}"))
            for turn in range(6)
            for n in range(10, 14)
        ],
        ["new_device"] * 5,
    ),
}  # fmt: skip


@pytest.mark.parametrize("story", STORIES)
def test_a_story_yields_exactly_its_news(story: str) -> None:
    steps, news = STORIES[story]
    home = Home()
    home.remember()
    assert home.story(*steps).told == news


# New devices: when, and in which words.


def newcomer(*steps: tuple[float, Sighting]) -> Home:
    home = Home()
    home.remember()
    return home.story(*steps)


def test_a_maker_s_mac_is_told_at_once_with_its_name_and_a_second_after_its_address_without() -> None:
    assert newcomer((10, named(TV, "tv", IP))).moment() == 10
    assert newcomer((10, seen(TV, LINK_LOCAL))).moment() == 11
    assert newcomer((10, seen(TV, LINK_LOCAL)), (10.5, named(TV, "tv", IP))).moment() == 10.5


def test_a_private_mac_is_told_within_two_seconds_of_the_packet_that_tells_who_it_is() -> None:
    home = newcomer(
        (10, seen(PHONE)), (10.1, seen(PHONE, LINK_LOCAL)), (13, seen(PHONE, IP)), (14, named(PHONE, "Pixel-7"))
    )
    assert 15 < home.moment() <= 16


def test_a_private_mac_that_shows_no_name_is_told_when_nothing_more_comes_and_in_any_case() -> None:
    assert newcomer((10, seen(PHONE, IP)), (15, seen(PHONE, IP))).moment() == 20
    busy = [(10.0 + n * 5, seen(PHONE, f"192.168.77.{n + 2}")) for n in range(20)]
    assert newcomer(*busy).moment() == 40


def test_a_station_without_address_is_told_after_a_minute() -> None:
    assert newcomer((10, seen(TV))).moment() == 70


def test_a_new_device_is_told_in_words_that_a_person_recognises() -> None:
    told = newcomer((1, named(TV, "Chromecast", LINK_LOCAL, IP)), (2, seen(TV, vendor="Google"))).latest()
    assert told.description == f"a new device: Chromecast (Google, media), {IP}"
    assert told.recommendation and f"netwatchd name {TV}" in told.recommendation
    assert (told.device, told.target, told.severity, told.count) == (TV, None, "info", 1)
    assert told.evidence["hostname"] == "Chromecast"
    assert (
        newcomer((1, seen(PHONE, IP)), (9, seen(PHONE, IP))).latest().description == f"a new device: private MAC, {IP}"
    )


def test_a_phone_that_is_recognised_late_has_its_news_taken_back_with_a_word_why() -> None:
    home = Home()
    home.remember()
    home.story((1, named(PHONE, "Pixel-7", IP)), (60, named(OTHER_PHONE, "Anna", OTHER_IP)))
    assert home.devices.act(Merge(OTHER_PHONE, PHONE), home.now) is None
    assert home.told == ["new_device", "new_device", "-new_device"]
    assert "Pixel-7" in home.latest().evidence["taken_back"]
    assert home.latest().device == OTHER_PHONE
    home.story((home.seconds + 1, named(OTHER_PHONE, "Anna", OTHER_IP)))
    assert len(home.told) == 3


def test_what_is_being_looked_into_waits_but_not_for_ever() -> None:
    home = Home()
    home.remember()
    home.news._undecided = lambda key: True
    home.story((10, named(PHONE, "Pixel-7", IP)))
    assert 30 < home.moment() < 32


def test_a_device_that_was_forgotten_is_new_again() -> None:
    home = Home()
    home.remember()
    home.story((1, seen(TV, IP)))
    home.threats.judge(Judge(1, ThreatStatus.DISMISSED))
    assert home.devices.act(Forget(TV), home.now) is None
    home.story((200, seen(TV, IP)))
    assert home.told == ["new_device", "-new_device", "new_device"]


def test_many_new_devices_at_once_are_one_news_with_their_number() -> None:
    home = Home()
    home.remember()
    flood = [(1 + n * 0.1, seen(f"02:00:00:00:{n >> 8:02x}:{n & 255:02x}", hostname=f"h{n}")) for n in range(600)]
    home.story(*flood)
    assert home.told.count("new_device") - home.told.count("-new_device") == 1
    assert home.latest().device is None
    assert (home.latest().count, home.latest().evidence["devices"]) == (1, 600)
    assert home.latest().description.startswith("600 new devices within ")
    assert len([each for each in home.threats.open() if each.kind == "new_device"]) == 1
    home.until(home.seconds + 120)
    home.show(named(TV, "tv", IP))
    assert home.latest().device == TV  # one by one again


def test_a_flood_of_stations_without_anything_does_not_fill_the_memory() -> None:
    home = Home()
    home.remember()
    home.show(*(seen(f"8c:00:00:00:{n >> 8:02x}:{n & 255:02x}") for n in range(3000)))
    assert len(home.news._newcomers) == MOST_WAITING
    home.until(100)
    assert [each.evidence["devices"] for each in home.threats.open()] == [3000]


# Other names.


@pytest.mark.parametrize(
    ("before", "now", "news"),
    [
        (("tv",), "projector", True),
        (("annas-phone", "old"), "bens-phone", True),
        (("tv",), "TV", False),
        (("tv",), "tv.lan", False),
        (("tv.local.",), "tv", False),
        (("tv",), "tv-2", False),
        (("tv-2",), "tv-3", False),
        (("Annas MacBook",), "Annas MacBook (2)", False),
        (("projector", "tv"), "tv", False),
        ((), "tv", False),
        (("localhost",), "tv", False),
        (("tv",), "localhost", False),
        (("tv",), "*", False),
    ],
)
def test_another_name_is_one_that_it_never_had(before: tuple[str, ...], now: str, news: bool) -> None:
    assert is_renaming(Renaming("mdns_name", now, before)) is news
    assert not is_renaming(Renaming("dns_name", now, before))
    assert not is_renaming(Renaming("hosts_name", now, before))


def test_another_name_is_told_once() -> None:
    home = Home()
    home.remember([device(TV)])
    for name in ("projector", "beamer"):
        renaming = Renaming("mdns_name", name, ("tv",))
        home.watching.changed(Change(home.now.wall, TV, device(TV), device(TV, hostname=name), (renaming,)))
    assert home.told == ["name_changed"]
    assert home.latest("name_changed").description.startswith("by mDNS, tv calls itself projector now: ")
    assert home.latest("name_changed").evidence["name_before"] == "tv"


def test_what_the_user_calls_a_device_is_no_news() -> None:
    home = Home()
    home.remember([device(TV)])
    home.devices.act(Rename(TV, "the big one"))
    assert home.told == []


@given(st.text(max_size=300))
@settings(max_examples=200)
def test_any_name_can_be_compared(name: str) -> None:
    assert plain(plain(name)) is not None
    is_renaming(Renaming("mdns_name", name, (name,)))


# Addresses in conflict, replays, and what may be switched off.


def test_a_conflict_names_both_and_is_the_same_one_whoever_moved_first() -> None:
    home = newcomer(*flips(5))
    told = home.latest("ip_conflict")
    assert (told.severity, told.target, told.device) == ("medium", IP, min(TV, LAPTOP))
    assert told.evidence["devices"] == sorted((TV, LAPTOP))
    assert told.evidence["moves"] == 3


def test_a_device_that_was_merged_was_in_no_conflict() -> None:
    home = Home()
    home.remember()
    home.story(*flips(3), end=1)
    home.watching.gone(LAPTOP, TV, home.now.wall)
    home.story(*[(at + 30, step) for at, step in flips(2)])
    assert "ip_conflict" not in home.told


def test_a_replay_tells_of_conflicts_only() -> None:
    home = Home(past=True)
    home.remember()
    assert home.story(*flips(6)).told == ["ip_conflict"]


def test_who_wants_no_news_gets_none_and_none_later_of_what_was_then() -> None:
    home = Home(enabled=False)
    home.remember()
    assert home.story((1, seen(TV, IP)), (2, seen(LAPTOP, OTHER_IP))).told == []
    home.news.settings = dataclasses.replace(Home().news.settings, enabled=True)  # type: ignore[type-var]
    assert home.story((home.seconds + 1, seen(TV, IP))).told == []


# Whatever comes.

KEYS = st.sampled_from([TV, LAPTOP, PHONE, OTHER_PHONE, None])
IPS = st.sampled_from([IP, OTHER_IP, "fe80::1", "2001:db8::1", "192.168.77.1"])


@st.composite
def sightings(draw: st.DrawFn) -> Sighting:
    mac, ips = draw(KEYS), draw(st.lists(IPS, max_size=2))
    if mac is None and not ips:
        ips = [IP]
    names = st.sampled_from([None, "tv", "Pixel-7", "x" * 300])
    return seen(mac, *ips, hostname=draw(names), online=draw(st.booleans()), alive=draw(st.booleans()))


@given(st.lists(st.tuples(st.floats(-5, 4000), sightings(), st.booleans()), max_size=30), st.booleans())
@settings(max_examples=60)
def test_in_any_order_nothing_is_told_twice_within_its_cooldown(
    steps: list[tuple[float, Sighting, bool]], merging: bool
) -> None:
    home = Home(absence=60, offline_after=30, cooldown=600)
    home.remember()
    for gap, sighting, well in steps:
        home.well = well
        home.seconds += gap
        home.devices.tick(home.now)
        home.devices.sweep(home.now)
        home.show(sighting)
        if merging and sighting.mac == OTHER_PHONE:
            home.watching.gone(OTHER_PHONE, PHONE, home.now.wall)
    home.watching.finish(home.now.wall)
    last: dict[tuple[str, str | None, str | None], tuple[int, int]] = {}
    for threat in [each for each in home.recorder.published if hasattr(each, "severity")]:
        key = threat.kind, threat.device, threat.target
        count, time = last.get(key, (0, -(10**15)))
        if threat.count > count:
            assert not 0 <= threat.last_seen - time < 600_000 or threat.status is ThreatStatus.DISMISSED
            last[key] = threat.count, threat.last_seen


def test_claims_and_ends_of_devices_that_are_not_there_harm_nothing() -> None:
    home = Home()
    home.remember()
    for n in range(6):
        home.news.see(Claim(n, parse_address(IP), "ab"[n % 2], "ba"[n % 2], "x"))
    assert home.news.see(Gone("a")) == []
    assert home.told == []
