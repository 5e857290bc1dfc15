"""What people read on a telephone, and what programs are told."""

from zoneinfo import ZoneInfo

import pytest
from alerts_kit import found
from hypothesis import given, settings
from hypothesis import strategies as st
from store_kit import NOON, device

from netwatchd.addresses import parse_address
from netwatchd.alerts.held import LONGEST_NAME, Held
from netwatchd.alerts.text import LONGEST_TITLE, MOST_TOLD, Author, plain
from netwatchd.broadcast.messages import threat_json
from netwatchd.config import parse
from netwatchd.events import SEVERITIES, Device, Threat
from netwatchd.mutes import Side

KALI = "a4:83:e7:12:34:56"
IPS = tuple(map(parse_address, ("fe80::1", "192.168.77.60")))


def find(key: str) -> Device | None:
    known = {KALI: {"hostname": "kali", "ips": IPS}, "b": {"hostname": None, "vendor": None, "ips": (), "mac": "b"}}
    return device(**known[key]) if key in known else None  # type: ignore[arg-type]


AUTHOR = Author("pi", find, threat_json, ZoneInfo("Europe/Berlin"))


@pytest.mark.parametrize(
    ("fields", "title"),
    [
        ({"device": KALI, "severity": "high"}, "HIGH: port scan by kali (192.168.77.60)"),
        ({"device": "192.0.2.9", "severity": "critical", "kind": "brute_force"}, "CRITICAL: brute force by 192.0.2.9"),
        ({"device": KALI, "severity": "info", "kind": "new_device"}, "INFO: new device: kali (192.168.77.60)"),
        ({"device": None, "severity": "low", "kind": "flood"}, "LOW: flood"),
        ({"device": KALI, "severity": "high", "kind": "arp_spoof"}, "HIGH: ARP spoof by kali (192.168.77.60)"),
        ({"device": KALI, "severity": "high", "kind": "upload"}, "HIGH: unusual upload by kali (192.168.77.60)"),
        ({"device": "b", "severity": "low"}, "LOW: port scan by b"),
    ],
)  # fmt: skip
def test_the_title_says_how_bad_what_and_who(fields: dict[str, str], title: str) -> None:
    assert AUTHOR.alert("1", found(1, **fields), NOON).title == title  # type: ignore[arg-type]


def test_the_text_says_what_happened_what_to_do_when_how_often_and_how_to_see_more() -> None:
    once = AUTHOR.alert("1", found(7), NOON).body
    assert once == (
        "number 7 tried many ports\n\nFind out why.\n\nSeen 2026-11-23 13:00:00.\n\nMore: netwatchd threat 7\n"
        "To mute it, in [threats]: mute = port_scan 10.0.0.7"
    )
    often = AUTHOR.alert("1", found(7, count=1200, first_seen=NOON - 60_000, recommendation=None), NOON).body
    assert often == (
        "number 7 tried many ports\n\nSeen 1,200 times, 2026-11-23 12:59:00 to 2026-11-23 13:00:00.\n\n"
        "More: netwatchd threat 7\nTo mute it, in [threats]: mute = port_scan 10.0.0.7"
    )


@pytest.mark.parametrize(
    "fields",
    [{"device": KALI}, {"device": None, "target": "192.0.2.9:22", "kind": "brute_force"},
     {"kind": "ET SCAN, or \"what\" it's called", "target": "c:d e"}, {"device": "Küche", "target": "a,b"}],
)  # fmt: skip
def test_the_text_names_the_line_that_would_mute_it_as_json_does_and_it_does(fields: dict[str, str | None]) -> None:
    threat = found(1, **fields)
    told = AUTHOR.alert("1", threat, NOON)
    line = told.body.splitlines()[-1].removeprefix("To mute it, in [threats]: ")
    assert line == told.environment["NETWATCHD_MUTE"] == told.json["threat"]["mute"]
    (rule,) = parse(f"[threats]\n{line}\n").threats.mute
    assert rule.silences(threat.kind, Side(threat.device), Side(threat.target))
    digest = AUTHOR.digest("1", held(threat), [threat], NOON)
    assert digest.body.split("\n\n")[-2].splitlines()[-1] == f"To mute it, in [threats]: {line}"


@pytest.mark.parametrize("target", ["a\nmute = * *", "a\x1b[2Jb", "a  b", "x" * LONGEST_NAME])
def test_a_line_that_cannot_be_copied_from_the_text_is_left_to_json(target: str) -> None:
    told = AUTHOR.alert("1", found(1, kind="beacon", target=target), NOON)
    assert told.body.splitlines()[-1] == "More: netwatchd threat 1"
    assert told.environment["NETWATCHD_MUTE"] == "" and told.json["threat"]["mute"]


def held(*threats: Threat, reason: str = "budget") -> Held:
    made = Held()
    for threat in threats:
        made.add(threat, reason, NOON)
    return made


def test_a_digest_says_how_many_of_what_and_the_worst_of_them() -> None:
    threats = [found(number, "medium") for number in range(1, 8)] + [found(9, "critical", kind="spoof", device=KALI)]
    told = AUTHOR.digest("1", held(*threats), threats, NOON)
    assert told.title == "CRITICAL: 8 more threats on pi"
    first, kinds, *rest = told.body.split("\n\n")
    assert first == (
        "8 more threats, from 2026-11-23 13:00:00 to 2026-11-23 13:00:00 (more than the budget of an hour):"
    )
    assert kinds.splitlines() == ["1 × spoof (critical)", "7 × port scan (medium)"]
    assert rest[1] == (
        "CRITICAL: spoof by kali (192.168.77.60). number 9 tried many ports\n"
        f'To mute it, in [threats]: mute = "spoof" {KALI}'
    )
    assert (len(rest), rest[-1]) == (MOST_TOLD + 2, "All of them: netwatchd threats")
    value = told.json["digest"]
    assert (value["count"], value["reasons"], len(value["threats"])) == (8, ["budget"], MOST_TOLD)
    assert value["kinds"][0] == {"kind": "spoof", "severity": "critical", "count": 1}


def test_a_digest_of_ten_thousand_can_be_read() -> None:
    many = held(*(found(number, kind=f"kind {number % 300}") for number in range(10_000)), reason="quiet_hours")
    told = AUTHOR.digest("1", many, [], NOON)
    assert "(quiet hours)" in told.body and len(told.body) < 1500
    assert sum(kind["count"] for kind in told.json["digest"]["kinds"]) == told.json["digest"]["count"]


def test_a_test_says_that_it_is_one() -> None:
    told = AUTHOR.test("test-1", NOON)
    assert told.title == "TEST: alerts of netwatchd on pi" and told.json["event"] == "test"


@given(
    st.text(max_size=400), st.text(max_size=3000), st.none() | st.text(max_size=300),
    st.integers(-(2**60), 2**60), st.sampled_from(SEVERITIES),
)  # fmt: skip
@settings(max_examples=40)
def test_whatever_a_threat_holds_a_message_is_made_of_it(
    kind: str, text: str, who: str | None, time: int, severity: str
) -> None:
    threat = found(1, severity, kind=kind, description=text, device=who, target=who, last_seen=time, first_seen=time)
    for told in (AUTHOR.alert("1", threat, NOON), AUTHOR.digest("1", held(threat), [threat], NOON)):
        assert told.title.isprintable() and len(told.title) <= LONGEST_TITLE
        assert told.body.replace("\n", "").isprintable()
        assert all(value.isprintable() and "\0" not in value for value in told.environment.values())
        (told.title + told.body).encode()


def test_plain_text_is_one_line_of_a_bounded_length() -> None:
    assert plain(" a\r\n\tb\x1b[2J\u202e c ") == "a b [2J c"
    assert plain("x" * 50, 10) == "x" * 9 + "…"
