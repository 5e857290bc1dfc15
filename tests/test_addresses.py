"""Addresses are read from whatever writes them, and written in one way."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netwatchd.addresses import (
    _MOST_PREFIXES,
    PRIVATE,
    Networks,
    address_of_bytes,
    address_text,
    is_host,
    is_random_mac,
    is_station,
    is_virtual_mac,
    mac_of_bytes,
    parse_address,
    parse_mac,
    parse_station,
)


@given(st.one_of(st.integers(0, 2**32 - 1), st.binary(min_size=16, max_size=16)))
def test_an_address_written_and_read_again_is_the_same(address: int | bytes) -> None:
    assert parse_address(address_text(address)) == address


@given(st.ip_addresses())
def test_an_address_is_read_as_the_standard_library_reads_it(address: ipaddress.IPv4Address) -> None:
    assert parse_address(str(address)) == address_of_bytes(address.packed)


@given(st.text(max_size=50))
def test_any_other_text_is_a_value_error(text: str) -> None:
    try:
        address = parse_address(text)
    except ValueError as error:
        assert "is no IP address" in str(error)
    else:
        assert address_text(address) == str(ipaddress.ip_address(text))


@pytest.mark.parametrize(
    "text", ["", "1.2.3", "1.2.3.256", "1.2.3.4/8", "::1%eth0", "1.2.3.4\0", "\ud800", ":::", "0x1"]
)
def test_what_is_no_address_is_said(text: str) -> None:
    with pytest.raises(ValueError, match="is no IP address"):
        parse_address(text)


@pytest.mark.parametrize(
    ("written", "canonical"),
    [("2001:DB8:0:0:0:0:0:1", "2001:db8::1"), ("0:0:0:0:0:0:0:0", "::"), ("1:0:0:2:0:0:0:3", "1:0:0:2::3")],
)
def test_ipv6_is_written_as_rfc_5952_wants_it(written: str, canonical: str) -> None:
    assert address_text(parse_address(written)) == canonical


@pytest.mark.parametrize("mac", ["A4:83:E7:00:00:01", "a4-83-e7-00-00-01", "a483e7000001"])
def test_a_mac_is_read_however_it_is_written(mac: str) -> None:
    assert parse_mac(mac) == "a4:83:e7:00:00:01"


@pytest.mark.parametrize("mac", ["", "a4:83:e7:00:00", "a4:83-e7:00:00:01", "g4:83:e7:00:00:01", "a4:83:e7:00:00:01\n"])
def test_what_is_no_mac_is_said(mac: str) -> None:
    with pytest.raises(ValueError, match="is no MAC address"):
        parse_mac(mac)


@pytest.mark.parametrize("mac", ["ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:01", "33:33:00:00:00:01", "00:00:00:00:00:00"])
def test_a_mac_that_no_station_can_own_is_refused(mac: str) -> None:
    assert not is_station(mac)
    with pytest.raises(ValueError, match="group or null address"):
        parse_mac(mac)


SHARED = [
    "00:00:5e:00:01:01", "00:00:5e:00:02:ff", "00:00:0c:07:ac:0a", "00:00:0c:9f:f0:01", "00:00:0c:9f:ff:ff",
    "00:05:73:a0:00:01", "00:05:73:a0:0f:ff", "00:07:b4:00:01:01", "00:07:b4:03:ff:04",
]  # fmt: skip
NEIGHBOURS_OF_SHARED = [
    "00:00:5e:00:03:01", "00:00:5e:00:00:01", "00:00:0c:07:ad:0a", "00:00:0c:9f:e0:01", "00:05:73:a0:10:01",
    "00:07:b4:04:01:01", "a4:83:e7:00:00:01",
]  # fmt: skip


def test_a_mac_that_routers_share_is_told_from_those_beside_it() -> None:
    assert all(is_virtual_mac(mac) and is_station(mac) for mac in SHARED)
    assert not any(is_virtual_mac(mac) for mac in NEIGHBOURS_OF_SHARED)
    for mac in SHARED:
        assert parse_mac(mac) == mac, "it is an address, only nobody's"
        with pytest.raises(ValueError, match="is a virtual router's address"):
            parse_station(mac)
    assert [parse_station(mac) for mac in NEIGHBOURS_OF_SHARED] == NEIGHBOURS_OF_SHARED


def test_no_host_has_the_broadcast_or_null_address_of_a_network_that_is_known() -> None:
    networks = Networks(["192.168.1.0/24", "10.0.0.0/31", "10.1.1.1", "fd00::/8"])
    hosts = ["192.168.1.1", "192.168.1.254", "10.0.0.0", "10.0.0.1", "10.1.1.1", "fd00::1"]
    nobodies = ["192.168.1.0", "192.168.1.255", "192.168.2.1", "255.255.255.255", "0.0.0.0", "ff02::1", "::1"]
    assert all(networks.has_host(parse_address(ip)) for ip in hosts)
    assert not any(networks.has_host(parse_address(ip)) for ip in nobodies)
    assert not Networks(["0.0.0.0/0"]).has_host(parse_address("127.0.0.1"))


def test_a_mac_of_bytes_is_text() -> None:
    assert mac_of_bytes(b"\xa4\x83\xe7\0\0\1") == "a4:83:e7:00:00:01"


@pytest.mark.parametrize(("mac", "random"), [("a4:83:e7:00:00:01", False), ("a6:83:e7:00:00:01", True), (None, False)])
def test_a_private_mac_is_told_by_its_bit(mac: str | None, random: bool) -> None:
    assert is_random_mac(mac) is random


@pytest.mark.parametrize(
    ("text", "local", "host"),
    [
        ("10.0.0.1", True, True), ("172.16.0.1", True, True), ("172.32.0.1", False, True),
        ("192.168.255.255", True, True), ("192.169.0.1", False, True), ("100.64.0.1", True, True),
        ("169.254.1.1", True, True), ("8.8.8.8", False, True), ("127.0.0.1", False, False),
        ("0.0.0.0", False, False), ("0.1.2.3", False, False), ("224.0.0.251", False, False),
        ("255.255.255.255", False, False), ("fe80::1", True, True), ("fd00::1", True, True),
        ("2001:db8::1", False, True), ("::", False, False), ("::1", False, False), ("ff02::1", False, False),
    ],
)  # fmt: skip
def test_whether_an_address_is_local_and_whether_a_host_can_own_it(text: str, local: bool, host: bool) -> None:
    assert (parse_address(text) in Networks(PRIVATE.split())) is local
    assert is_host(parse_address(text)) is host


def test_networks_hold_their_addresses() -> None:
    networks = Networks(["192.168.1.1/24", "10.9.8.7", "fd00::/8", "2001:db8::1"])
    inside = ["192.168.1.0", "192.168.1.255", "10.9.8.7", "fdff::1", "2001:db8::1"]
    outside = ["192.168.2.0", "10.9.8.6", "fe80::1", "2001:db8::2", "0.0.0.0", "::"]
    assert all(parse_address(ip) in networks for ip in inside)
    assert not any(parse_address(ip) in networks for ip in outside)
    assert networks == Networks(["192.168.1.1/24", "10.9.8.7", "fd00::/8", "2001:db8::1"])
    assert not Networks([])


@pytest.mark.parametrize("text", ["192.168.1.0/33", "home", "10.0.0.0/8/8", "::/129", ""])
def test_what_is_no_network_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="does not appear to be"):
        Networks([text])


def test_networks_remember_what_they_said_and_say_the_same() -> None:
    networks = Networks(["10.0.0.0/8", "192.168.1.128/25", "2001:db8::/33"])
    for _ in range(2):
        assert parse_address("10.255.0.1") in networks
        assert parse_address("192.168.1.200") in networks
        assert parse_address("192.168.1.100") not in networks
        assert parse_address("2001:db8:7fff::1") in networks
        assert parse_address("2001:db8:8000::1") not in networks
    assert 1 not in Networks([])
    assert bytes(16) not in Networks([])
    assert bytes(16) in Networks(["::/0"])


def test_networks_remember_only_so_many_prefixes() -> None:
    networks = Networks(["10.0.0.1"])
    for address in range(_MOST_PREFIXES + 10):
        assert address not in networks
    assert len(networks._known) <= _MOST_PREFIXES
