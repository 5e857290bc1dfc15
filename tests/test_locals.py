"""Devices by their addresses, from what flows tell."""

from store_kit import flow

from netwatchd.addresses import Networks, parse_address
from netwatchd.events import Sighting
from netwatchd.sources.locals import MOST_ADDRESSES, Locals

HOME = Networks(["192.168.0.0/16", "fd00::/8"])
HERE, THERE, SIX = 0xC0A80105, 0x5DB8D822, parse_address("fd00::1")


def test_a_local_address_is_told_of_once() -> None:
    known = Locals(HOME)
    told = known.sightings([flow(1), flow(2)], 7)
    assert told == [Sighting(7, "json", ips=(HERE,))]
    assert known.sightings([flow(3)], 8) == []


def test_who_answered_is_a_device_and_who_was_only_spoken_to_is_not() -> None:
    known = Locals(HOME)
    scanned = flow(1, src_ip=THERE, dst_ip=HERE, packets_in=0, bytes_in=0)
    assert known.sightings([scanned], 7) == []
    assert known.sightings([scanned._replace(packets_in=1)], 8) == [Sighting(8, "json", ips=(HERE,))]


def test_addresses_that_no_host_can_own_are_no_devices() -> None:
    known = Locals(Networks(["0.0.0.0/0", "::/0"]))
    said = known.sightings([flow(1, src_ip=0, dst_ip=0xE0000001), flow(2, src_ip=SIX, dst_ip=0xFFFFFFFF)], 7)
    assert said == [Sighting(7, "json", ips=(SIX,))]


def test_it_remembers_only_so_many_and_then_tells_again() -> None:
    known = Locals(Networks(["0.0.0.0/0"]))
    known.sightings([flow(1, src_ip=HERE, packets_in=0, bytes_in=0)], 7)
    crowd = [flow(number, src_ip=0x0A000000 + number, packets_in=0, bytes_in=0) for number in range(MOST_ADDRESSES)]
    assert len(known.sightings(crowd, 8)) == MOST_ADDRESSES
    assert known.sightings([flow(2, src_ip=HERE, packets_in=0, bytes_in=0)], 9) == [Sighting(9, "json", ips=(HERE,))]
