"""Mute rules: what a line of config.ini means, what is wrong with one, and that each threat names its own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ingest_kit import T0, Recorder, devices_of, sighting
from running import MAC, OTHER_MAC
from store_kit import threat

from netwatchd import config
from netwatchd.addresses import parse_address
from netwatchd.broadcast.messages import threat_json
from netwatchd.catalog import KINDS
from netwatchd.config import ConfigError
from netwatchd.events import Rename
from netwatchd.ingest.devices import Devices
from netwatchd.ingest.mutes import muting
from netwatchd.mutes import Side, line_of, rule_of, rules

ELSEWHERE = "198.51.100.7"


def home() -> Devices:
    """A device that its user calls kali, and one that calls itself so."""
    devices = devices_of(Recorder())
    devices.see([sighting(ips=(parse_address("192.168.1.5"), parse_address("fd00::5")))], T0)
    devices.see([sighting(OTHER_MAC, ips=(parse_address("192.168.1.6"),), hostname="kali")], T0)
    assert devices.act(Rename(MAC, "Kali")) is None
    return devices


HOME = home()


def is_muted(
    rule: str, device: str | None = MAC, target: str | None = "192.168.1.6:22", kind: str = "plaintext"
) -> bool:
    found = threat(1, kind=kind, device=device, target=target)
    return muting(rules(rule), found, HOME) is not None


# Rule, what it mutes (device, target), what it does not.
CASES = {
    "plaintext kali": ([(MAC, "x")], [(OTHER_MAC, "x"), (None, "x"), (ELSEWHERE, None)]),
    'plaintext "Kali"': ([(MAC, None)], [(OTHER_MAC, None)]),
    f"* {MAC}": ([(MAC, None)], [(OTHER_MAC, MAC)]),
    f"plaintext {MAC.upper().replace(':', '-')}": ([(MAC, "x")], [(OTHER_MAC, "x")]),
    "plain* 192.168.1.5": ([(MAC, "x"), ("192.168.1.5", None)], [(OTHER_MAC, "x"), ("192.168.1.50", None)]),
    "plaintext fd00::/16": ([(MAC, "x"), ("fd00::99", None)], [(OTHER_MAC, "x"), ("fe80::1", "x")]),
    "plaintext 198.51.100.0/24 kali": (
        [(ELSEWHERE, MAC), (ELSEWHERE, "192.168.1.5:22"), (ELSEWHERE, "[fd00::5]:22"), (ELSEWHERE, "fd00::5")],
        [(ELSEWHERE, "192.168.1.6:22"), (ELSEWHERE, None), ("198.51.101.7", MAC)],
    ),
    "plaintext * :22": ([(MAC, "192.168.1.6:22"), (None, "example.org:22")], [(MAC, "192.168.1.6:2222"), (MAC, "22")]),
    "plaintext * 192.168.1.6:22": ([(MAC, "192.168.1.6:22")], [(MAC, "192.168.1.6:23"), (MAC, "192.168.1.6")]),
    "plaintext * [fd00::9]:22": ([(MAC, "[fd00::9]:22")], [(MAC, "[fd00::9]:23"), (MAC, "fd00::9")]),
    "plaintext * 10.0.0.0/8": ([(MAC, "10.1.2.0/24"), (MAC, "10.9.9.9:53")], [(MAC, "0.0.0.0/0"), (MAC, "11.0.0.1")]),
    "plaintext * example.org": (
        [(MAC, "example.org"), (OTHER_MAC, "EXAMPLE.org:443")],
        [(MAC, "www.example.org"), (MAC, "example.org.evil.net")],
    ),
    "plaintext * *.example.org": ([(MAC, "a.b.example.org")], [(MAC, "example.org"), (MAC, "example.orgs")]),
    "plaintext -": ([(None, "x"), (None, None)], [(MAC, "x")]),
    "plaintext * -": ([(MAC, None), (None, None)], [(MAC, "x")]),
    'plaintext "a, ""b"" name"': ([('a, "b" name', None)], [("a, b name", None), (MAC, None)]),
}  # fmt: skip


@pytest.mark.parametrize("rule", CASES)
def test_a_rule_mutes_what_it_says_and_nothing_else(rule: str) -> None:
    muted, told = CASES[rule]
    assert [each for each in muted if not is_muted(rule, *each)] == []
    assert [each for each in told if is_muted(rule, *each)] == []


def test_a_rule_is_about_its_kind_only() -> None:
    assert is_muted("plaintext *") and is_muted("* *") and is_muted("p* *") and is_muted('"my kind" *', kind="my kind")
    assert not is_muted("ip_conflict *") and not is_muted("new_* *") and not is_muted('"plain*" *')


def test_rules_stand_in_one_line_or_in_several() -> None:
    read = config.parse('[threats]\nmute = plaintext kali, * "a, b"\ncooldown = 5 min\nmute=plaintext * :23\n').threats
    assert [rule.text for rule in read.mute] == ["plaintext kali", '* "a, b"', "plaintext * :23"]
    assert config.parse("[threats]\nmute =\n").threats.mute == ()


MISTAKES = {
    "plaintext": "should be KIND WHO, or KIND WHO WHOM",
    "plaintext a b c": "should be KIND WHO, or KIND WHO WHOM",
    "plaintexts kali": "there is no kind of threats 'plaintexts'; there are ",
    "x* kali": "there is no kind of threats 'x*'",
    "plaintext 192.168.1.0/33": "'192.168.1.0/33' is no MAC, address, network, port (:22), name or domain",
    "plaintext 300.1.2.3": "'300.1.2.3' is no IP address",
    "plaintext 192.168.1": "'192.168.1' is no IP address",
    "plaintext a4:83:e7:00:00": "'a4:83:e7:00:00' is no MAC",
    "plaintext * :99999": "':99999' is no MAC",
    "plaintext * example.org:0": "'example.org:0' is no MAC",
    'plaintext "kali': "has a quotation mark that is not closed",
    'plaintext "a"b"c"': "should be words, or texts between double quotes",
    f"plaintext {'x' * 3000}": "should have at most 2000 characters",
}


@pytest.mark.parametrize("rule", MISTAKES)
def test_what_is_wrong_with_a_rule_is_told_with_its_line_and_what_would_be_right(rule: str) -> None:
    with pytest.raises(ConfigError) as caught:
        config.parse(f"[threats]\nmute = * *\nmute = {rule}, plaintext *\n")
    (said,) = map(str, caught.value.mistakes)
    assert said.startswith("line 3: [threats] mute: ")
    assert MISTAKES[rule] in said


# The line that each threat names.

DEVICES = (MAC, "192.168.1.99", "fd00::99", ELSEWHERE, "a name", None)
TARGETS = (
    "192.168.1.6",
    "192.168.1.6:22",
    "[fd00::9]:443",
    "192.168.2.0/24",
    "example.org",
    'a, "b" c',
    OTHER_MAC,
    None,
)


@pytest.mark.parametrize("kind", [*KINDS, "another program's kind"])
def test_the_line_that_a_threat_names_mutes_it_and_nothing_of_another_device(kind: str) -> None:
    for device in DEVICES:
        for target in TARGETS:
            found = threat(1, kind=kind, device=device, target=target)
            line = threat_json(found)["mute"]
            named = config.parse(f"[threats]\n{line}\n").threats.mute
            assert muting(named, found, HOME), line
            for other in {OTHER_MAC, "192.168.1.6", "203.0.113.9", "another", None} - {device}:
                assert not muting(named, threat(1, kind=kind, device=other, target=target), HOME), line
            other_kind = threat(1, kind="other", device=device, target=target)
            assert not muting(named, other_kind, HOME), line


def test_the_line_of_a_scan_means_whatever_is_scanned_and_other_lines_one_target() -> None:
    assert rule_of("port_scan", MAC, "10.0.0.1").split()[1:] == [MAC]
    assert line_of("plaintext", MAC, "10.0.0.1:23") == f"mute = plaintext {MAC} 10.0.0.1:23"
    assert line_of("plaintext", None, None) == "mute = plaintext -"


PRINTABLE = st.text(
    st.characters(exclude_categories=["C", "Z"], include_characters=' ",*?[]:-./#='), min_size=1, max_size=60
)


@given(kind=PRINTABLE, device=st.none() | PRINTABLE, target=st.none() | PRINTABLE, other=PRINTABLE)
def test_whatever_a_threat_is_called_its_line_can_be_written_and_means_it(
    kind: str, device: str | None, target: str | None, other: str
) -> None:
    (rule,) = config.parse(f"[threats]\n{line_of(kind, device, target)}\n").threats.mute
    assert rule.silences(kind, Side(device), Side(target))
    # An address may be written in several ways.
    if device is None or (not ({".", ":"} & {*device, *other}) and device.casefold() != other.casefold() != "*"):
        assert not rule.silences(kind, Side(other), Side(target))


@given(st.text(max_size=80))
def test_any_text_is_rules_or_a_mistake(text: str) -> None:
    try:
        for rule in rules(text):
            rule.silences("plaintext", Side("x"), Side("10.0.0.1:22"))
    except ValueError as error:
        assert str(error)
