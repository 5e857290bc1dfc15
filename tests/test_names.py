"""Names from the factory are told from personal ones, whatever is written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netwatchd.events import Clue
from netwatchd.identity.models import best_model
from netwatchd.identity.names import best_name, has_own_digits, is_generic, plain, without_conflict

FACTORY = """
iPhone|iPhone-2|iPhone13|iPad|Apple-TV|AppleTV|HomePod|Mac|MacBook-Pro|MacBookPro|MacBook-Pro-2|MacBook-Air-2|iMac
Mac-mini|Pixel-7|Pixel-7-Pro|Pixel 6a|Galaxy-S21|Galaxy-S21-5G|Galaxy-A52|Galaxy-Tab-S7|Galaxy-Note10|Galaxy-S9|Samsung
SM-G991B|SM-A528B|GT-I9505|TFY-LX1|HUAWEI_P30|HUAWEI_P30_lite|HONOR_9X|HONOR-20|Redmi-Note-9|Redmi-9C|M2101K6G|22101316C
POCO-X3-Pro|Mi-9T|MI9-Xiaomi|OnePlus-9|OnePlus-Nord|realme-8|OPPO-A5-2020|Nokia-7.1|moto-g-5g|moto-g(7)-power|moto-e5
XT1068|android|android-dhcp-9|Echo-Dot|Google-Home-Mini|Nest-Hub|Chromecast|Chromecast-Ultra|Fire-TV-Stick|PS4|PS5|Wii
XboxOne|Xbox-SystemOS|VIZIO|BRAVIA|LGwebOSTV|[TV] Samsung|ESP|ESP-|espressif|wlan0|raspberrypi|raspberrypi.local|DESKTOP
kali|ubuntu|pop-os|homeassistant|OpenWrt|DiskStation|DCS-935L|HS100|HS100(EU)|Philips-hue|LIFX Color 1000|Archer C7
Netatmo-Personal-Weather-Station|LG_Smart_Laundry2_open|EPSON XP-2100|RedmiNote9|P30-Pro|Mate-40-Pro
S21-FE|a52s|FP4|nova-5T|Galaxy-Watch4|GalaxyA52|TECNO-SPARK-10|Infinix-HOT-30|ZTE-Blade|Surface-Pro|ThinkPad|T480
Quest-3|Meta-Quest-2|Chromebook|HD8|V2111|A142|ROG-Phone|MyPhone|my-phone|guest
HP LaserJet 400|localhost|(none)|unknown|null|.|-
"""
PERSONAL = """
Annas-MBP|Annas-iPhone|iPhone-von-Anna|iPhone-de-Jean|iPhonedeJean|Galaxy-A52-von-Anna|Annas-Galaxy-S21|Annas-Pixel-7|Max
Lucas-iMac|NicksMacBook|nas1|camera2|pc3|pythagoras|Wohnzimmer|papa-pc|btest.is.cool|annas-pc.fritz.box
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


NAMED = """
dhcp_hostname=Annas-MBP | mdns_name=Annas-MacBook-Pro -> Annas-MBP
hosts_name=drucker | dhcp_hostname=BRN008077010203 -> drucker
dhcp_hostname=iPhone | mdns_name=Annas-iPhone -> Annas-iPhone
hosts_name=iphone | mdns_name=Annas-iPhone -> iphone
dhcp_hostname=DCS-935L | mdns_name=DCS-935L-B0C554255B0E | mdns_name=iotcam | mdns_name=garten -> DCS-935L
dhcp_hostname=localhost | netbios_name=PAPA-PC -> PAPA-PC
dhcp_hostname=(none) | dns_name=kamera.fritz.box -> kamera
dhcp_hostname=192-168-1-20 | dns_name=host-192-168-1-20.example.net | mdns_name=aabbccddeeff.local
mdns_name=5e8d4a9e-6f5b-4a8e-9d3e-1f2a3b4c5d6e.local | mdns_instance=AABBCCDDEEFF@Wohnzimmer -> Wohnzimmer
mdns_name=iMac-2.local -> iMac
mdns_name=Annas-MacBook-Pro-2 -> Annas-MacBook-Pro
mdns_name=Annas-iMac-3 | dhcp_hostname=unknown -> Annas-iMac
mdns_name=drucker-2 | netbios_name=DRUCKER -> drucker
mdns_name=server-2 -> server-2
mdns_name=Pixel-7 -> Pixel-7
mdns_instance=Brother HL-L2350DW (2) -> Brother HL-L2350DW
lldp_name=sw1.example.org. | dns_name=switch.lan -> sw1.example.org
mdns_service=_http._tcp
"""


@pytest.mark.parametrize("line", NAMED.strip().splitlines())
def test_the_name_of_the_most_trusted_source_is_chosen(line: str) -> None:
    told, _, wanted = line.partition(" -> ")
    clues = [Clue(kind, value) for kind, _, value in (cell.strip().partition("=") for cell in told.split("|"))]
    for each in (clues, clues[::-1]):
        assert best_name(each, "aa:bb:cc:dd:ee:ff") == (wanted or None)


MODELS = """
mdns_model=HP LaserJet 400 M401n | mdns_model=LaserJet 400 -> HP LaserJet 400 M401n
mdns_model=(Brother HL-L2350DW) -> Brother HL-L2350DW
mdns_model=AppleTV6,2 -> Apple TV (AppleTV6,2)
mdns_model=BSB002 -> Philips Hue Bridge (BSB002)
mdns_model=MacBookPro18,3 | dhcp_hostname=MacBook-Pro -> MacBookPro18,3
mdns_model=ci=8 | mdns_model=osxvers=22 | mdns_model=1.0 | mdns_model=unknown
dhcp_vendor_class=Mfg=Hewlett Packard;Typ=Printer;Mod=HP LaserJet M276;Ser=1; -> HP LaserJet M276
dhcp_vendor_class=Mfg=FujiXerox;Typ=printer;Mod=Phaser 6500DN;Ser=1 -> FujiXerox Phaser 6500DN
dhcp_vendor_class=Mfg=LEXMARK;Typ=MFP;Mod=Lexmark MX410de;Ser=1; -> Lexmark MX410de
ssdp_server=FRITZ!Box 7590 UPnP/1.0 AVM FRITZ!Box 7590 154.07.29 -> FRITZ!Box 7590
ssdp_server=Linux UPnP/1.0 Sonos/70.3-35220 (ZPS12) -> Sonos ZPS12
dhcp_hostname=LIFX Color 1000 -> LIFX Color 1000
dhcp_hostname=HS100(EU) -> TP-Link HS100(EU)
dhcp_hostname=DCS-935L -> D-Link DCS-935L
dhcp_hostname=SM-G991B -> Samsung SM-G991B
dhcp_hostname=Galaxy-S21-5G -> Samsung Galaxy S21-5G
dhcp_hostname=Pixel-7-Pro -> Google Pixel-7-Pro
dhcp_hostname=HUAWEI_P30_lite -> HUAWEI P30 lite
dhcp_hostname=pythagoras | mdns_name=Annas-iPhone
"""


@pytest.mark.parametrize("line", MODELS.strip().splitlines())
def test_the_model_is_in_the_words_of_its_maker(line: str) -> None:
    told, _, wanted = line.partition(" -> ")
    clues = [Clue(kind, value) for kind, _, value in (cell.strip().partition("=") for cell in told.split("|"))]
    assert best_model(clues) == best_model(clues[::-1]) == (wanted or None)
