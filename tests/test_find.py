"""A device is found by its MACs, its addresses and its names, and by nothing that could mean another one."""

import pytest
from store_kit import device

from netwatchd.answers import NotFound
from netwatchd.answers.find import described, find, find_all
from netwatchd.cli.devicetable import printed_name, shortened

TV, PHONE, OLD_PHONE, LAMP = "a4:83:e7:00:00:01", "da:a1:19:00:00:02", "da:a1:19:00:00:03", "a4:83:e7:00:00:04"
DEVICES = [
    device(TV, hostname="tv.lan", name="Living room", ips=(0xC0A80105, bytes.fromhex("fe80" + "00" * 13 + "05"))),
    device(PHONE, hostname="Adas-iPhone", macs=(OLD_PHONE, PHONE), ips=(0xC0A80106,)),
    device(LAMP, hostname="lamp", ips=()),
    device("a4:83:e7:00:00:05", hostname="LAMP", ips=()),
    device(None, hostname="tv", ips=(0xC0A80107,)),
    device("a4:83:e7:00:00:06", hostname="living room", ips=()),
    device("a4:83:e7:00:00:07", hostname="Straße", ips=()),
]


@pytest.mark.parametrize(
    ("given", "number"),
    [
        (TV, 0), ("A4-83-E7-00-00-01", 0), ("a483e7000001", 0), (PHONE, 1), (OLD_PHONE, 1), ("192.168.1.5", 0),
        ("fe80:0::5", 0), ("192.168.1.7", 4), ("tv.lan", 0), ("TV.LAN.", 0), ("adas-iphone", 1),
        ("  living   ROOM ", 0), ("tv", 4), ("STRASSE", 6), ("strasse.fritz.box", 6), ("tv.local", 4),
    ],
)  # fmt: skip
def test_one_device_is_meant(given: str, number: int) -> None:
    assert find(given, DEVICES) is DEVICES[number]


def test_the_name_that_the_user_gave_cannot_be_taken_by_anybody_on_the_network() -> None:
    assert find_all("living room", DEVICES) == [DEVICES[0]]


def test_a_name_of_several_devices_lists_them() -> None:
    assert find_all("lamp", DEVICES) == DEVICES[2:4]
    with pytest.raises(NotFound) as caught:
        find("Lamp", DEVICES)
    assert str(caught.value) == (
        "'Lamp' may be any of 2 devices; say it by MAC or address:"
        "\n  lamp (a4:83:e7:00:00:04)\n  LAMP (a4:83:e7:00:00:05)"
    )


def test_of_very_many_devices_of_a_name_some_are_listed() -> None:
    many = [device(f"a4:83:e7:00:01:{number:02x}", hostname="x") for number in range(100)]
    with pytest.raises(NotFound) as caught:
        find("x", many)
    assert str(caught.value).count("\n") == 21
    assert str(caught.value).endswith("and 80 more")


@pytest.mark.parametrize("given", ["livingroom", "iphone", "Adas-iPhne", "192.168.1.", "a4:83:e7:00:00:0", "da:a1"])
def test_the_nearest_are_suggested(given: str) -> None:
    with pytest.raises(NotFound, match="; perhaps "):
        find(given, DEVICES)


@pytest.mark.parametrize(
    "given", ["", " ", ".", "fridge", "10.0.0.1", "ff:ff:ff:ff:ff:ff", "\x00", "\ud800", "x" * 999]
)
def test_what_nobody_is_called_is_not_found(given: str) -> None:
    with pytest.raises(NotFound, match="`netwatchd devices` shows them all"):
        find(given, DEVICES)
    with pytest.raises(NotFound):
        find(given, [])


def test_a_device_is_described_so_that_it_can_be_told_from_others() -> None:
    assert described(DEVICES[0]) == f"Living room ({TV}, 192.168.1.5)"
    assert described(device(TV, hostname=None, ips=())) == TV
    assert described(device(TV, hostname=None, model="ET-2720", ips=())) == f"ET-2720 ({TV})"


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"name": "N", "hostname": "h"}, "N"), ({"hostname": "h", "model": "m"}, "h"),
        ({"model": "m", "vendor": "v"}, "m"),
        ({"vendor": "Philips Lighting BV", "kind": "light"}, "Philips Lighting light"),
        ({"vendor": "Apple, Inc."}, "Apple device"), ({"kind": "phone"}, "(phone)"),
        ({"mac": PHONE}, "(random MAC)"), ({}, TV), ({"mac": None, "ip": "10.0.0.1"}, "10.0.0.1"),
    ],
)  # fmt: skip
def test_a_device_without_a_name_is_called_by_what_it_is(fields: dict[str, str | None], name: str) -> None:
    row = {"mac": TV, "ip": None, "name": None, "hostname": None, "model": None, "vendor": None, "kind": "unknown"}
    row |= fields
    assert printed_name(row | {"random_mac": row["mac"] == PHONE}) == name


@pytest.mark.parametrize(
    ("vendor", "short"),
    [
        ("Apple, Inc.", "Apple"), ("Espressif Inc.", "Espressif"), ("TP-Link Technologies Co.,Ltd.", "TP-Link"),
        ("Samsung Electronics Co.,Ltd", "Samsung"), ("Hewlett Packard", "Hewlett Pac\N{HORIZONTAL ELLIPSIS}"),
        ("Technology Co., Ltd.", "Technology"), ("HUAWEI TECHNOLOGIES CO.,LTD", "HUAWEI"), ("-", "-"), ("", ""),
        ("Inc", "Inc"), ("AVM GmbH", "AVM"), ("Intel Corporate", "Intel"), ("Sonos", "Sonos"),
    ],
)  # fmt: skip
def test_vendors_are_shortened_to_what_they_are_called(vendor: str, short: str) -> None:
    assert shortened(vendor) == short
