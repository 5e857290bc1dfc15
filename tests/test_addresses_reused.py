"""An address goes from one device to another: what comes by it alone is not put down to who had it."""

from ingest_kit import Recorder, devices_of, later, sighting
from merging_kit import NEW, OLD, a_phone_changed_its_mac, pass_time, seen
from news_kit import LAPTOP, PHONE, TV, Home, named
from news_kit import seen as shown

from netwatchd.addresses import parse_address
from netwatchd.events import Clue, Status

IP = parse_address("192.168.1.5")
GUEST = shown(None, "192.168.1.5", source="mdns", clues=(Clue("mdns_name", "Gast-iPad"),))


def home_without_the_tv(seconds: float) -> Home:
    """The television has left that long ago."""
    home = Home()
    home.remember()
    home.story((1, named(TV, "tv", "192.168.1.5", kind="mdns_name")))
    home.away(seconds)
    return home


def test_a_guest_who_has_the_address_of_one_who_left_does_not_rename_him() -> None:
    home = home_without_the_tv(5000)
    at = home.seconds
    home.story((at, GUEST), (at + 3, shown(PHONE, "192.168.1.5")), end=60)
    tv, guest = home.devices.find(TV), home.devices.find(PHONE)
    assert tv is not None
    assert guest is not None
    assert (tv.hostname, guest.hostname) == ("tv", "Gast-iPad"), "what he said has waited for him"
    assert home.told == ["new_device", "new_device"]


def test_the_address_of_one_who_left_days_ago_does_not_bring_him_back() -> None:
    home = home_without_the_tv(40 * 86400)
    asked: list[object] = []
    home.devices.presence.doubts.ask = asked.append
    home.story((home.seconds, GUEST))
    tv = home.devices.find(TV)
    assert tv is not None
    assert tv.status is Status.OFFLINE
    assert home.told == ["new_device"]
    assert asked, "it may be him"
    home.story((home.seconds, shown(TV, "192.168.1.5")))
    assert home.told == ["new_device", "device_back"]


def test_what_is_stored_of_an_address_gives_way_to_who_shows_it_before_that_can_be_read() -> None:
    run = devices_of(Recorder())
    run.see([sighting(TV, ips=(IP,))], later(0))
    recorder = Recorder()
    devices = devices_of(recorder)
    devices.see([sighting(LAPTOP, ips=(IP,), time=later(5).wall)], later(5))
    devices.remember(run.all(), later(6))
    assert {each.mac: each.ips for each in devices.all()} == {TV: (), LAPTOP: (IP,)}
    assert {each.mac: each for each in devices.all()} == recorder.rows


def test_a_phone_of_several_macs_that_makes_up_addresses_fills_no_memory() -> None:
    devices = a_phone_changed_its_mac(Recorder())
    pass_time(devices, 3605)
    assert [(each.mac, each.macs) for each in devices.all()] == [(OLD, (NEW, OLD))]
    for n in range(1000):
        at = 3610 + n
        devices.see([seen(NEW, at, ip=(0x0A000000 + n))], later(at))
    assert len(devices.identities._shower) <= 16


def test_the_ipv4_address_stays_however_many_of_ipv6_a_device_makes_up() -> None:
    devices = devices_of(Recorder())
    devices.see([sighting(LAPTOP, ips=(IP,))], later(0))
    for n in range(40):
        devices.see([sighting(LAPTOP, ips=(bytes(15) + bytes((n + 1,)),), time=later(n).wall)], later(n))
    (laptop,) = devices.all()
    assert len(laptop.ips) == 16
    assert laptop.ips[-1] == IP
    assert devices.owner_of(IP) == LAPTOP
    assert devices.owner_of(bytes(15) + b"\1") is None
