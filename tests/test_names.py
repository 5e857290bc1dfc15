"""Names from the factory are told from personal ones, whatever is written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netwatchd.identity.names import has_own_digits, is_generic, plain, without_conflict

FACTORY = """
iPhone|iPhone-2|iPhone13|iPad|Apple-TV|AppleTV|HomePod|Mac|MacBook-Pro|MacBookPro|MacBook-Pro-2|MacBook-Air-2|iMac
Mac-mini|Pixel-7|Pixel-7-Pro|Pixel 6a|Galaxy-S21|Galaxy-S21-5G|Galaxy-A52|Galaxy-Tab-S7|Galaxy-Note10|Galaxy-S9|Samsung
SM-G991B|SM-A528B|GT-I9505|TFY-LX1|HUAWEI_P30|HUAWEI_P30_lite|HONOR_9X|HONOR-20|Redmi-Note-9|Redmi-9C|M2101K6G|22101316C
POCO-X3-Pro|Mi-9T|MI9-Xiaomi|OnePlus-9|OnePlus-Nord|realme-8|OPPO-A5-2020|Nokia-7.1|moto-g-5g|moto-g(7)-power|moto-e5
XT1068|android|android-dhcp-9|Echo-Dot|Google-Home-Mini|Nest-Hub|Chromecast|Chromecast-Ultra|Fire-TV-Stick|PS4|PS5|Wii
XboxOne|Xbox-SystemOS|VIZIO|BRAVIA|LGwebOSTV|[TV] Samsung|ESP|ESP-|espressif|wlan0|raspberrypi|raspberrypi.local|DESKTOP
kali|ubuntu|pop-os|homeassistant|OpenWrt|DiskStation|DCS-935L|HS100|HS100(EU)|Philips-hue|LIFX Color 1000|Archer C7
Netatmo-Personal-Weather-Station|LG_Smart_Laundry2_open|EPSON XP-2100|HP LaserJet 400|localhost|(none)|unknown|null|.|-
"""
PERSONAL = """
Annas-MBP|Annas-iPhone|iPhone-von-Anna|iPhone-de-Jean|iPhonedeJean|Galaxy-A52-von-Anna|Annas-Galaxy-S21|Annas-Pixel-7|Max
Lucas-iMac|NicksMacBook|nas1|camera2|pythagoras|Wohnzimmer|papa-pc|btest.is.cool|annas-pc.fritz.box
ESP_07AEFB|DESKTOP-4F7H2K1|DESKTOP-ABCDEFG|LAPTOP-ABCDEF1|WIN-8KJ3H4G5F6D|GainSpanca9152|Lightify-7B5F6B
android-8f7a9b6c5d4e3f21|amazon-3f6a5b4c1|BRW008092AABBCC|NPI1A2B3C|EPSON1A2B3C|HP1A2B3C|shellyplug-s-1A2B3C
SonosZP-949F3E112233|Chromecast-0123456789abcdef0123456789abcdef|wled-a1b2c3|tasmota-7B5F6B-1234|sonoff-1234567
Philips-hue-A1B2C3
"""


def each(text: str) -> list[str]:
    return text.strip().replace("\n", "|").split("|")


@pytest.mark.parametrize("name", each(FACTORY))
def test_names_from_the_factory_are_generic(name: str) -> None:
    assert is_generic(name)
    assert is_generic(name.upper())


@pytest.mark.parametrize("name", each(PERSONAL))
def test_personal_names_and_those_with_digits_of_their_own_are_not(name: str) -> None:
    assert not is_generic(name)
    assert not is_generic(name.lower())


def test_digits_of_its_own_are_those_of_the_mac_or_a_serial_number() -> None:
    assert has_own_digits("ESP_07AEFB") and has_own_digits("GainSpanca9152") and has_own_digits("DESKTOP-4F7H2K1")
    assert not any(map(has_own_digits, ("Annas-MBP", "SM-G991B", "Pixel-7", "DCS-935L", "deadbeef", "OPPO-A5-2020")))


def test_what_a_home_puts_behind_a_name_is_not_compared() -> None:
    assert plain(" Annas-MBP.fritz.box ") == plain("annas-mbp.local.") == "annas-mbp"
    assert plain(".local") == ".local"
    assert plain("host.example.org") == "host.example.org"


def test_the_number_of_a_conflict_is_taken_off() -> None:
    assert without_conflict("iMac-2") == without_conflict("iMac (2)") == without_conflict("iMac(12)") == "iMac"
    for name in ("iMac", "iMac-1", "192-168-1-20", "-2", "(2)", "", "HS100", "iMac-123"):
        assert without_conflict(name) == name


@given(st.text(max_size=300))
def test_any_text_is_a_name_or_none(text: str) -> None:
    assert is_generic(text) in (True, False)
    assert isinstance(without_conflict(text), str)
