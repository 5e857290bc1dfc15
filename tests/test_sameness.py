"""A device with a private MAC is a known one only where that is sure; two that merely look alike are two."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netwatchd.events import CLUES, Clue
from netwatchd.identity import sameness
from netwatchd.identity.sameness import FLOW_LAG, HANDOVER, MOST_ALIKE, SIGN_LAG, Shown, find, mark_of, shown

OLD, NEW, THIRD, REAL = "7a:3f:91:c2:5d:0e", "2e:11:22:33:44:55", "5a:00:00:00:00:03", "a4:83:e7:12:34:56"
KVM, DOCKER = "52:54:00:12:34:56", "02:42:ac:11:00:02"
HOUR, DAY = 3_600_000, 86_400_000
CAME = 10 * DAY  # when the new one was first seen
DUID, OTHER_DUID = "00020000ab11aabbccddeeff00112233", "00020000ab11ffeeddccbbaa99887766"


def clues(**values: str | tuple[str, ...]) -> list[Clue]:
    """Clues by kind, the latest first."""
    return [
        Clue(kind, each) for kind, value in values.items() for each in ([value] if isinstance(value, str) else value)
    ]


def older(mac: str = OLD, until: int = CAME - 2 * DAY, since: int = DAY, signs: Any = (), **said: Any) -> Shown:
    """A device that was known before."""
    return shown(Shown((mac,), since, until, signs), clues(**said))


def newer(mac: str = NEW, until: int = CAME, left: bool = False, **said: Any) -> Shown:
    """The device that has just come."""
    return shown(Shown((mac,), CAME, until, (CAME,), left), clues(**said))


ADA = {"dhcp_hostname": "Adas-iPhone", "dhcp_parameters": "1,121,3,6,15", "dhcp_vendor_class": "iphone"}
PIXEL = {"dhcp_hostname": "Pixel-7", "dhcp_parameters": "1,3,6,15,26,28", "dhcp_vendor_class": "android-dhcp-14"}

# What is known, what has come, and a word of the reason.
SAME = {
    "a personal name and an equal fingerprint": (older(**ADA), newer(**ADA), "adas-iphone"),
    "a personal name where no fingerprint is known": (
        older(dhcp_hostname="Adas-iPhone"), newer(dhcp_hostname="Adas-iPhone"), "adas-iphone"),
    "a fingerprint that only one has shown": (older(dhcp_hostname="Adas-iPhone"), newer(**ADA), "adas-iphone"),
    "a name in DHCP then and in mDNS now": (
        older(dhcp_hostname="Adas-iPhone"), newer(mdns_name="adas-iphone.local"), "mDNS"),
    "a name with digits of its own": (
        older(dhcp_hostname="DESKTOP-4F7H2K1"), newer(dhcp_hostname="DESKTOP-4F7H2K1"), "desktop-4f7h2k1"),
    "a name to which mDNS has added a number, as the old one is still in a cache": (
        older(mdns_name="iMac-von-Ada", **ADA), newer(mdns_name="iMac-von-Ada-2", **ADA), "adas-iphone"),
    "one of several fingerprints that it has had": (
        older(**ADA | {"dhcp_parameters": ("1,121,3,6,15", "1,3,6")}), newer(**ADA), "adas-iphone"),
    "an identifier of DHCPv6, whatever else has changed": (
        older(dhcp_duid=DUID, dhcp_hostname="old"), newer(dhcp_duid=DUID, dhcp_hostname="new"), "unique identifier"),
    "an identifier of DHCP": (
        older(dhcp_client_id="ff00112233445566"), newer(dhcp_client_id="ff00112233445566"), "client identifier"),
    "an identifier in mDNS": (older(mdns_id="AB:CD:EF:12:34:56"), newer(mdns_id="AB:CD:EF:12:34:56"), "in mDNS"),
    "a UUID in UPnP": (
        older(ssdp_uuid="4d696e69-444c-164e"), newer(ssdp_uuid="4d696e69-444c-164e"), "UUID in UPnP"),
    "an identifier of a device with its MAC from the factory": (
        older(REAL, dhcp_duid=DUID), newer(dhcp_duid=DUID), "unique identifier"),
    "a factory name that is handed over": (older(until=CAME - 4000, **PIXEL), newer(**PIXEL), "4 s after"),
    "a factory name that is handed over, without fingerprints": (
        older(until=CAME - HANDOVER, dhcp_hostname="Pixel-7"), newer(dhcp_hostname="Pixel-7"), "5 min after"),
    "it went back to its earlier MAC at once": (
        older(signs=(CAME - 9, CAME + 5000, CAME + 9000), until=CAME + 90_000, **PIXEL),
        newer(until=CAME + 4000, left=True, **PIXEL), "0 s after"),
    "its last flow is told as of the time when the connection tracker was read": (
        older(until=CAME + 10_000, **PIXEL), newer(**PIXEL), "0 s after"),
}  # fmt: skip

DIFFERENT = {
    "a MAC from the factory": (older(**ADA), newer(REAL, **ADA), "from the factory"),
    "a MAC that was given to a virtual machine": (older(**ADA), newer(KVM, **ADA), "hypervisor"),
    "a MAC that was given to a container": (older(**ADA), newer(DOCKER, **ADA), "hypervisor"),
    "bulbs of one kind, with MACs of their own": (
        older("24:0a:c4:9f:00:21", dhcp_hostname="ESP_9F0021"), newer("24:0a:c4:9f:00:22", dhcp_hostname="ESP_9F0021"),
        "from the factory"),
    "only a name in common with a device that has its MAC from the factory": (
        older(REAL, **ADA), newer(**ADA), "share no identifier"),
    "both at once": (older(signs=(CAME - 9, CAME + SIGN_LAG + 1), **ADA), newer(**ADA), "same time"),
    "it came back before the other one had left": (
        older(signs=(CAME - 9, CAME + 2000, CAME + 5000), until=CAME + 5000, **ADA),
        newer(until=CAME + 4000, left=True, **ADA), "same time"),
    "it is here, and nobody knows whether it was before the other one had left": (
        older(signs=(CAME + 5000,), until=CAME + 5000, **ADA), newer(until=CAME + 4000, left=True, **ADA), "same time"),
    "both at once, by its flows": (older(until=CAME + FLOW_LAG + 1, **ADA), newer(**ADA), "same time"),
    "both at once, whatever identifiers they share (cloned machines)": (
        older(until=CAME + HOUR, dhcp_duid=DUID, **ADA), newer(dhcp_duid=DUID, **ADA), "same time"),
    "it came later": (older(since=CAME + 1, until=CAME + 2, **ADA), newer(**ADA), "came later"),
    "a guest's phone of the same model, a day later": (
        older(until=CAME - DAY, **PIXEL), newer(**PIXEL), "silent for 1440 min"),
    "a guest's phone of the same model, which left before the one of the home came back": (
        older(signs=(CAME - DAY, CAME + 5000), until=CAME + 90_000, **PIXEL),
        newer(until=CAME + 4000, left=True, **PIXEL), "silent for 1440 min"),
    "a factory name, a little later than a handover takes": (
        older(until=CAME - HANDOVER - 1, **PIXEL), newer(**PIXEL), "silent for 5 min"),
    "another DHCP client": (older(**ADA), newer(**ADA | {"dhcp_parameters": "1,33,3,6"}), "in different ways"),
    "another vendor class": (older(**ADA), newer(**ADA | {"dhcp_vendor_class": "MSFT 5.0"}), "in different ways"),
    "another name of the same kind": (
        older(mdns_name="Adas-iPhone", **ADA), newer(mdns_name="Bobs-iPhone", **ADA), "are called"),
    "it was called so once, and is no longer": (
        older(dhcp_hostname=("Bobs-iPhone", "Adas-iPhone")), newer(dhcp_hostname="Adas-iPhone"), "are called"),
    "each has an identifier of its own": (
        older(dhcp_duid=DUID, **ADA), newer(dhcp_duid=OTHER_DUID, **ADA), "its own DHCP unique identifier"),
    "no name in common": (older(mdns_name="a-b"), newer(dhcp_hostname="c-d"), "no name"),
    "only names in Windows' protocols": (
        older(netbios_name="ADAPC7"), newer(netbios_name="ADAPC7"), "no name"),
    "a client identifier that is a MAC": (
        older(dhcp_client_id="017a3f91c25d0e"), newer(dhcp_client_id="017a3f91c25d0e"), "no name"),
    "an identifier that says nothing": (
        older(mdns_id="00000000-0000-0000"), newer(mdns_id="00000000-0000-0000"), "no name"),
    "an identifier that is but a number": (older(mdns_id="1"), newer(mdns_id="1"), "no name"),
    "names that say nothing": (older(dhcp_hostname="localhost"), newer(dhcp_hostname="localhost"), "silent for"),
}  # fmt: skip


@pytest.mark.parametrize("case", SAME)
def test_a_device_that_comes_back_with_another_mac_is_recognised_and_it_is_said_by_what(case: str) -> None:
    known, come, word = SAME[case]
    found = find(come, {OLD: known})
    assert found.key == OLD, found.why
    assert word in "; ".join(found.why)


@pytest.mark.parametrize("case", DIFFERENT)
def test_two_devices_that_merely_look_alike_stay_two(case: str) -> None:
    known, come, word = DIFFERENT[case]
    found = find(come, {OLD: known})
    assert found.key is None
    assert word in "; ".join(found.why)


def test_of_two_phones_of_one_model_nobody_says_which_one_has_come_back() -> None:
    away, here = older(until=CAME - 4000, **PIXEL), older(THIRD, until=CAME + HOUR, **PIXEL)
    found = find(newer(**PIXEL), {OLD: away, THIRD: here})
    assert found.key is None
    assert "2 devices are called pixel-7" in "; ".join(found.why)


def test_another_model_does_not_stand_in_the_way() -> None:
    away, other = older(until=CAME - 4000, **PIXEL), older(THIRD, **PIXEL | {"dhcp_parameters": "1,2,3"})
    assert find(newer(**PIXEL), {OLD: away, THIRD: other}).key == OLD


def test_of_several_that_fit_equally_none_is_it() -> None:
    found = find(newer(**ADA), {OLD: older(**ADA), THIRD: older(THIRD, **ADA)})
    assert found.key is None
    assert "2 devices fit equally well" in found.why[0]


def test_the_surest_of_several_is_it() -> None:
    named, identified = older(**ADA), older(THIRD, dhcp_duid=DUID)
    assert find(newer(dhcp_duid=DUID, **ADA), {OLD: named, THIRD: identified}).key == THIRD


def test_an_identifier_that_two_devices_have_is_none() -> None:
    clones = {OLD: older(dhcp_duid=DUID, until=CAME + HOUR), THIRD: older(THIRD, dhcp_duid=DUID)}
    assert find(newer(dhcp_duid=DUID), clones).key is None


def test_what_was_told_apart_is_never_found_again() -> None:
    found = find(newer(**ADA), {OLD: older(**ADA)}, [OLD])
    assert found == (None, ("they were told apart",))


def test_one_that_was_told_apart_leaves_the_other_one() -> None:
    assert find(newer(**ADA), {OLD: older(**ADA), THIRD: older(THIRD, **ADA)}, [OLD]).key == THIRD


def test_with_a_crowd_that_says_the_same_nobody_is_compared() -> None:
    crowd = {f"02:00:00:00:00:{n:02x}": older(**ADA) for n in range(MOST_ALIKE + 1)}
    assert find(newer(**ADA), crowd).key is None


def test_devices_are_found_by_names_as_they_are_compared_and_by_identifiers_only() -> None:
    assert (
        mark_of(Clue("dhcp_hostname", "Adas-iPhone.lan")) == mark_of(Clue("mdns_name", "adas-iphone")) == "adas-iphone"
    )
    assert mark_of(Clue("dhcp_duid", DUID)) == Clue("dhcp_duid", DUID)
    assert {mark_of(Clue(kind, "x" * 3)) for kind in set(CLUES) - {"hostname", "dhcp_hostname", "mdns_name"}} == {None}


_CLUE = st.builds(
    Clue, st.sampled_from(sorted(CLUES)), st.sampled_from(["Adas-iPhone", "Pixel-7", "iPhone", DUID, "1,3,6"])
)
_MAC = st.sampled_from([OLD, NEW, THIRD, REAL, KVM])
_TIME = st.integers(CAME - HOUR, CAME + HOUR)
_SHOWN = st.builds(
    lambda mac, since, until, signs, left, said: shown(Shown((mac,), since, max(since, until), signs, left), said),
    _MAC, _TIME, _TIME, st.lists(_TIME, max_size=3).map(sorted).map(tuple), st.booleans(), st.lists(_CLUE, max_size=6),
)  # fmt: skip


@given(_SHOWN, st.dictionaries(st.sampled_from("abcd"), _SHOWN, max_size=4), st.sets(st.sampled_from("abcd")))
def test_whatever_is_shown_nobody_is_found_who_was_here_at_the_same_time_or_told_apart(
    come: Shown, others: dict[str, Shown], told_apart: set[str]
) -> None:
    found = find(come, others, told_apart)
    assert found.why or not others
    if found.key is not None:
        known = others[found.key]
        assert not sameness.together(known, come)
        assert known.since < come.since
        assert found.key not in told_apart
        # Another one that shows the same would make it unsure.
        assert find(come, others | {"twin": replace(known)}, told_apart).key in (None, found.key)
