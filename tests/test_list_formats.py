"""Lists in the formats that people publish are read as they mean it; what is none of ours is counted."""

import gzip
import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netwatchd.addresses import address_text, parse_address
from netwatchd.decoders.lists import FORMATS, LONGEST_LINE, NoList, Reading, format_of
from netwatchd.decoders.lists.entry import ALONE, Entry, entry_text, span

DATA = Path(__file__).parent.parent.parent / "shared/data"
needs_data = pytest.mark.skipif(not (DATA / "_truth").is_dir(), reason="the folder ../shared/data is not here")

# What a format's text lists: entries as text, `=` before a name that is listed alone, and a note behind a blank.
CASES = {
    "plain: addresses, networks, names, with comments": (
        "plain",
        "# a comment\n; another\n// and another\n\n198.51.100.1\n 198.51.100.2 \n203.0.113.0/24\n2001:db8::/32\r\n"
        "2001:DB8:0::1 # c2\nEvil.Example.\n*.wild.example\n.below.example\nbücher.example\n",
        ["198.51.100.1", "198.51.100.2", "203.0.113.0/24", "2001:db8::/32", "2001:db8::1 c2", "evil.example",
         "wild.example", "below.example", "xn--bcher-kva.example"],
    ),
    "plain: notes of Spamhaus, ipsum and others": (
        "plain",
        "; Spamhaus DROP List\n1.10.16.0/20 ; SBL256894\n198.51.100.1\t8\n198.51.100.2,phishing\n"
        "evil.example # Dridex\n",
        ["1.10.16.0/20 SBL256894", "198.51.100.1 8", "198.51.100.2 phishing", "evil.example Dridex"],
    ),
    "plain: ports, ranges, bits below the prefix": (
        "plain",
        "198.51.100.1:443\n[2001:db8::1]:443\n198.51.100.4-198.51.100.9\n198.51.100.77/24\n192.0.2.0 - 192.0.2.255\n",
        ["198.51.100.1", "2001:db8::1", "198.51.100.4/30", "198.51.100.8/31", "198.51.100.0/24", "192.0.2.0/24"],
    ),
    "netset": ("plain", "#\n# Entries : 2 subnets, 9 unique IPs\n#\n2.56.192.0/22\n198.51.100.42\n",
               ["2.56.192.0/22", "198.51.100.42"]),
    "hosts": (
        "hosts",
        "127.0.0.1 localhost\n::1 localhost ip6-loopback\nff02::1 ip6-allnodes\n192.168.1.1 router.lan\n"
        "0.0.0.0 ads.example  tracker.example # both\n127.0.0.1\tpixel.example\n:: six.example\n0.0.0.0 0.0.0.0\n",
        ["ads.example both", "tracker.example both", "pixel.example", "six.example"],
    ),
    "urls": (
        "urls", "# URLhaus\nhttp://198.51.100.9:8080/a.exe\nhttps://user@Evil.example/x?y=1\nhttp://[2001:db8::5]/x\n",
        ["198.51.100.9", "=evil.example", "2001:db8::5"],
    ),
    "adblock": (
        "adblock", "[Adblock Plus 2.0]\n! Title\n||ads.example^\n||t.example^$third-party\n||part.example/banner^\n"
        "@@||good.example^\nexample.com##.ad\n||203.0.113.9^\n||only.example^$script\n",
        ["ads.example", "t.example", "203.0.113.9"],
    ),
    "dnsmasq": (
        "dnsmasq", "# made\naddress=/ads.example/\naddress=/t.example/u.example/0.0.0.0\nserver=/n.example/\n"
        "local=/l.example/\naddress=/nas.example/192.168.1.10\n",
        ["ads.example", "t.example", "u.example", "n.example", "l.example"],
    ),
    "csv: Feodo Tracker": (
        "csv", '# Feodo\n"first_seen_utc","dst_ip","dst_port","c2_status","last_online","malware"\n'
        '"2021-01-17 07:30:05","198.51.100.5","443","offline","2021-08-18","Dridex"\n# END 1 entries\n',
        ["198.51.100.5 Dridex"],
    ),
    "csv: SSLBL": ("csv", "# Firstseen,DstIP,DstPort\n2021-01-01 00:00:00,198.51.100.6,443\n", ["198.51.100.6"]),
    "csv: URLhaus": (
        "csv", "# id,dateadded,url,url_status,last_online,threat,tags,urlhaus_link,reporter\n"
        '"1","2026-01-01 00:00:01","http://198.51.100.7:80/i","online","","malware_download","a,b","https://u/1/","x"\n'
        '"2","2026-01-01 00:00:01","https://bad.example/","online","","malware_download","None","https://u/2/","x"\n',
        ["198.51.100.7 malware_download", "=bad.example malware_download"],
    ),
    "csv: ThreatFox": (
        "csv", '# "first_seen_utc","ioc_id","ioc_value","ioc_type","threat_type","fk_malware","malware_alias",'
        '"malware_printable","last_seen_utc","confidence_level","reference","tags","anonymous","reporter"\n'
        '"2026-01-01", "1", "198.51.100.8:4444", "ip:port", "botnet_cc", "w", "", "Emotet", "", "99", "", "", "0", ""\n'
        '"2026-01-01", "2", "c2.example", "domain", "botnet_cc", "w", "None", "Emotet", "", "75", "", "", "0", ""\n'
        '"2026-01-01", "3", "http://u.example/a", "url", "payload", "w", "None", "None", "", "75", "", "", "0", ""\n'
        '"2026-01-01", "4", "0123456789abcdef", "md5_hash", "payload", "w", "None", "X", "", "75", "", "", "0", ""\n'
        '"2026-01-01", "5", "198.51.100.9:1", "ip:port", "botnet_cc", "w", "None", "X", "", "25", "", "", "0", ""\n',
        ["198.51.100.8 Emotet", "c2.example Emotet", "=u.example"],
    ),
    "json-lines: Spamhaus": (
        "json-lines", '{"cidr":"1.10.16.0/20","sblid":"SBL1","rir":"apnic"}\n'
        '{"cidr":"2001:db8::/29","sblid":"SBL2","rir":"apnic"}\n{"type":"metadata","records":2}\n',
        ["1.10.16.0/20 SBL1", "2001:db8::/29 SBL2"],
    ),
    "json: MISP": (
        "json", '{"name":"n","type":"cidr",\n"list":["10.0.0.0/8",\n"192.0.2.1"]}', ["10.0.0.0/8", "192.0.2.1"],
    ),
    "json: MISP on one line": ("json", '{"list":["evil.example"],"type":"hostname"}', ["evil.example"]),
    "json: a list of objects": ("json", '[{"ip_address":"192.0.2.1","malware":"QakBot"}]', ["192.0.2.1 QakBot"]),
    "json: ThreatFox": ("json", '{"7":[{"ioc_value":"192.0.2.1:5","ioc_type":"ip:port","malware_printable":"X"}]}',
                        ["192.0.2.1 X"]),
}  # fmt: skip


def read(text: str, form: str | None = None) -> tuple[Reading, list[Entry]]:
    lines = text.splitlines(keepends=True)
    reading = Reading(form or format_of(lines))
    return reading, list(reading.entries(lines))


def shown(entry: Entry) -> str:
    return f"{'=' if entry.length == ALONE else ''}{entry_text(entry)} {entry.note}".strip()


@pytest.mark.parametrize("case", CASES)
def test_a_format_is_recognised_and_read(case: str) -> None:
    form, text, entries = CASES[case]
    reading, found = read(text)
    assert reading.form == form
    assert [shown(each) for each in found] == entries
    assert reading.bad == 0


def test_what_cannot_be_looked_for_is_counted_by_its_kind() -> None:
    assert read("0.0.0.0/0\n::/0\n224.0.0.0/3\n198.51.100.1\n")[0].passed == Counter(too_wide=3)
    assert read(CASES["csv: ThreatFox"][1])[0].passed == Counter(hash=1, unsure=1)
    # The domain is that of the provider; nobody says that it is bad.
    assert read('{"asn":932,"rir":"arin","domain":"xn.net"}\n')[0].passed == Counter(asn=1)
    assert read(CASES["adblock"][1])[0].passed["rule"] == 4


@pytest.mark.parametrize(
    ("text", "declared"),
    [
        ("# Entries         : 3753 subnets, 611405121 unique IPs\n1.1.1.1\n", 3753),
        ("1.1.1.1\n# END 17 entries\n", 17),
        ("# Number of entries: 12\n1.1.1.1\n", 12),
        ('{"cidr":"1.10.16.0/20"}\n{"type":"metadata","timestamp":1,"records":1693}\n', 1693),
        ("1.1.1.1\n", None),
    ],
)  # fmt: skip
def test_how_many_there_are_is_read_where_the_list_says_it(text: str, declared: int | None) -> None:
    assert read(text)[0].declared == declared


@pytest.mark.parametrize(
    "text",
    ["<!DOCTYPE html>\n", "\n<html><body>sorry\n", "<?xml version='1.0'?>\n", "PK\x03\x04",
     "this is\nprose of\nno list\n"],
)  # fmt: skip
def test_what_is_no_list_is_said(text: str) -> None:
    with pytest.raises(NoList):
        format_of(text.splitlines())


BAD_LINES = ["1.2.3", "1.2.3.4.5", "300.1.1.1", "1.2.3.4/33", "1.2.3.4/x", "::g", "-bad-.example", "a..b", "localhost",
             "com", "x" * 70 + ".example", "9.9.9.1-9.9.9.0", "?", "\0", "0.0.0.0 ads.example", "1.2.3.4/"]  # fmt: skip


@pytest.mark.parametrize("line", BAD_LINES)
def test_a_line_that_cannot_be_read_is_counted_and_harms_no_other(line: str) -> None:
    reading, found = read(f"198.51.100.1\n{line}\n198.51.100.2\n", "plain")
    assert [shown(each) for each in found] == ["198.51.100.1", "198.51.100.2"]
    assert reading.bad == 1


def test_a_line_without_end_is_one_bad_line() -> None:
    assert read("a" * (LONGEST_LINE + 1) + "\n198.51.100.1\n", "plain")[0].bad == 1


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**20))
def test_a_range_is_exactly_covered_by_its_networks(first: int, more: int) -> None:
    last = min(first + more, 2**32 - 1)
    found = span(f"{address_text(first)}-{address_text(last)}")
    at = first
    for each in found:
        assert each.value == at
        at += 1 << 32 - each.length
    assert at == last + 1


@given(st.sampled_from(sorted(FORMATS)), st.lists(st.text(max_size=60) | st.sampled_from(
    [line for _, text, _ in CASES.values() for line in text.splitlines()]), max_size=20))  # fmt: skip
def test_whatever_stands_in_a_list_is_read_or_counted(form: str, lines: list[str]) -> None:
    reading = Reading(form)
    try:
        for entry in reading.entries(lines):
            text = entry_text(entry)
            # What is read can be written, and read again.
            assert isinstance(entry.value, str) or parse_address(text.split("/")[0]) == entry.value
            assert len(entry.note) <= 120
    except NoList:
        assert form == "json"


@given(st.lists(st.text(max_size=80), max_size=30))
def test_any_text_has_a_format_or_is_no_list(lines: list[str]) -> None:
    try:
        assert format_of(lines) in FORMATS
    except NoList as error:
        assert str(error)


# What others publish.


def recorded() -> dict[str, dict[str, int]]:
    counts: dict[str, dict[str, int]] = json.loads((DATA / "_truth/blocklist_counts.json").read_text())
    return counts


@needs_data
def test_the_counts_of_real_lists_are_those_that_others_found() -> None:
    for name, told in recorded().items():
        path = DATA / name
        with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
            lines = list(file)
        reading = Reading(format_of(lines[:400]))
        found = Counter("name" if isinstance(each.value, str) else "ipv4" if isinstance(each.value, int) else "ipv6"
                        for each in reading.entries(lines))  # fmt: skip
        if reading.form == "hosts":
            assert found["name"] == told["hosts_entry"] - 1, name  # without 127.0.0.1 localhost
        elif reading.form == "json":
            assert found["ipv4"] == len(json.loads("".join(lines))["list"]), name
        elif "json_line" in told:
            assert reading.passed["asn"] == told["json_line"] - 1, name  # and one with the number of them
        else:
            assert found["ipv4"] == told.get("ipv4", 0) + told.get("ipv4_cidr", 0), name
            assert found["ipv6"] == told.get("ipv6", 0), name
        assert not reading.bad, name


@needs_data
@pytest.mark.parametrize(
    ("name", "form", "entries", "declared"),
    [
        ("feodo_ipblocklist_2021.csv", "csv", 6, None),
        ("firehol_level1_head_2026.netset", "plain", 5, 3753),
        ("spamhaus_drop_v4_2026.json", "json-lines", 3, 1693),
    ],
)  # fmt: skip
def test_beginnings_of_real_lists_are_read_and_known_to_be_beginnings(
    name: str, form: str, entries: int, declared: int | None
) -> None:
    reading, found = read((DATA / "transcribed" / name).read_text())
    assert (reading.form, len(found), reading.declared, reading.bad) == (form, entries, declared, 0)
    assert form == "plain" or all(each.note for each in found)
