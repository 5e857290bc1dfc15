"""What Suricata and Zeek have recognised is told as a threat, by who did it, and in the same row as our own."""

import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netwatchd.decoders import log_lines
from netwatchd.decoders.eve import EveDecoder
from netwatchd.decoders.json_lines import Malformed
from netwatchd.decoders.zeek import ZeekDecoder
from netwatchd.decoders.zeek_notices import FIELDS
from netwatchd.events import SEVERITIES, Threat

LAPTOP, SERVER = "192.168.1.20", "198.51.100.7"
ALERT: dict[str, Any] = {
    "timestamp": "2026-11-23T10:01:00.250000+0000", "flow_id": 77, "event_type": "alert", "src_ip": LAPTOP,
    "src_port": 50212, "dest_ip": SERVER, "dest_port": 443, "proto": "TCP", "app_proto": "tls",
    "direction": "to_server",
    "alert": {
        "action": "allowed", "gid": 1, "signature_id": 2024468, "rev": 3, "signature": "ET MALWARE Thing Checkin",
        "category": "Malware Command and Control Activity Detected", "severity": 1,
    },
}  # fmt: skip
ANSWER = {"src_ip": SERVER, "src_port": 443, "dest_ip": LAPTOP, "dest_port": 50212, "direction": "to_client"}


def eve(**values: Any) -> tuple[list[Any], Counter[str], Counter[str]]:
    """What becomes of an alert with other values; those of `alert` are named with a leading underscore."""
    inner = ALERT["alert"] | {name[1:]: value for name, value in values.items() if name[0] == "_"}
    event = ALERT | {name: value for name, value in values.items() if name[0] != "_"} | {"alert": inner}
    decoder, bad = EveDecoder(lambda _: 1), Counter[str]()
    found = list(log_lines.events([json.dumps(event).encode()], decoder, 0, bad))
    return found, +decoder.skipped, bad


def alert(**values: Any) -> Threat:
    (found,), skipped, bad = eve(**values)
    assert not skipped
    assert not bad
    assert isinstance(found, Threat)
    return found


def notice(**values: Any) -> Threat | None:
    """What becomes of a notice; the same in TSV and in JSON."""
    fields = {"ts": "1795428060.25", "note": "Scan::Port_Scan", "src": SERVER} | values
    text = {name: str(value) for name, value in fields.items()}
    header = [b"#separator \\x09", b"#path\tnotice", b"#fields\t" + "\t".join(FIELDS).encode()]
    line = "\t".join(text.get(name, "-") for name in FIELDS).encode()
    found: list[Any] = []
    for lines in ([*header, line], [json.dumps(fields).encode()]):
        decoder, bad = ZeekDecoder(lambda _: 1), Counter[str]()
        found.append(list(log_lines.events(lines, decoder, 0, bad)))
        assert not bad
        assert decoder.skipped["notice of itself"] == (not found[-1])
    assert found[0] == found[1]
    return found[0][0] if found[0] else None


def test_an_alert_says_what_who_to_whom_and_how_to_see_more() -> None:
    found = alert()
    assert (found.kind, found.severity, found.device, found.target) == (
        "ids_alert", "high", LAPTOP, "ET MALWARE Thing Checkin",
    )  # fmt: skip
    assert (
        found.description == "Suricata reports: ET MALWARE Thing Checkin, from 192.168.1.20:50212 to 198.51.100.7:443"
    )
    assert "2024468" in (found.recommendation or "")
    assert '"flow_id":77' in (found.recommendation or "")
    assert found.first_seen == found.last_seen == 1795428060250
    assert found.evidence == {
        "program": "eve", "signature": "ET MALWARE Thing Checkin", "rule": "1:2024468:3", "action": "allowed",
        "category": "Malware Command and Control Activity Detected", "proto": "tcp", "app_proto": "tls",
        "from": "192.168.1.20:50212", "to": "198.51.100.7:443", "flow_id": 77,
    }  # fmt: skip
    assert alert(_action="blocked").description.endswith(", which it blocked")


@pytest.mark.parametrize(
    ("values", "device"),
    [
        (ANSWER, LAPTOP),  # the server's packet shows what the client has
        (ANSWER | {"direction": None, "flow": {"src_ip": LAPTOP, "src_port": 50212}}, LAPTOP),
        (ANSWER | {"direction": None}, LAPTOP),  # by the port, where older versions do not say
        (ANSWER | {"_metadata": {"attack_target": ["Client_Endpoint"]}}, LAPTOP),  # malware is on the client
        (ANSWER | {"_metadata": {"attack_target": ["Client_Endpoint"]}, "_category": "Exploit Kit Activity Detected"},
         SERVER),
        (ANSWER | {"_category": "Attempted Information Leak"}, LAPTOP),
        ({"_source": {"ip": SERVER, "port": 443}, "_target": {"ip": LAPTOP, "port": 50212}}, SERVER),
        ({"src_ip": SERVER, "dest_ip": LAPTOP, "dest_port": 22}, SERVER),  # an attack from elsewhere
        ({"src_ip": "fe80::1", "dest_ip": "fe80::2", "src_port": None, "dest_port": None}, "fe80::1"),
        ({"src_ip": None, "dest_ip": None}, None),
    ],
)  # fmt: skip
def test_who_does_it_is_not_always_who_sent_the_packet(values: dict[str, Any], device: str | None) -> None:
    assert alert(**values).device == device


@pytest.mark.parametrize(
    ("values", "severity"),
    [
        ({"_severity": 2}, "medium"), ({"_severity": 3}, "low"), ({"_severity": 4}, "info"),
        ({"_severity": 255}, "info"), ({"_severity": None}, "low"),
        ({"_metadata": {"signature_severity": ["Informational"]}}, "info"),
        ({"_metadata": {"signature_severity": ["Minor"]}}, "low"),
        ({"_metadata": {"signature_severity": ["Critical"]}}, "high"),
        ({"_signature": "ET INFO Something Ordinary"}, "info"),
        ({"_category": "Misc activity", "_severity": 3}, "info"),
        ({"_category": "Potential Corporate Privacy Violation"}, "low"),
        ({"_category": "Misc Attack", "_severity": 2, "flow": {"pkts_toclient": 0}}, "low"),
        ({"_category": "Misc Attack", "_severity": 2, "flow": {"pkts_toclient": 1}}, "medium"),
        ({"flow": {"pkts_toclient": 0}}, "high"),  # malware that finds its server gone is there all the same
    ],
)  # fmt: skip
def test_the_severity_is_the_rules_unless_it_is_known_better(values: dict[str, Any], severity: str) -> None:
    assert alert(**values).severity == severity


@pytest.mark.parametrize(
    ("values", "kind", "target"),
    [
        ({"_category": "Detection of a Network Scan"}, "port_scan", SERVER),
        ({"_signature": "ET SCAN NMAP -sS window 1024"}, "port_scan", SERVER),
        ({"_signature": "ET SCAN Nmap Scripting Engine User-Agent Detected"}, "ids_alert", None),  # one packet
        ({"_signature": "GPL NETBIOS SMB host sweep", "dest_port": 445}, "host_sweep", "world:445"),
        ({"_signature": "LOCAL ping sweep", "proto": "ICMP", "dest_port": 0, "src_port": 0},
         "host_sweep", "198.51.100.0/24"),
        ({"_signature": "ET SCAN SSH BruteForce Tool", "dest_port": 22}, "brute_force", "198.51.100.7:22"),
        ({"_signature": "LOCAL multiple failed logins", "dest_port": 3389}, "brute_force", "198.51.100.7:3389"),
        ({"_signature": "LOCAL SYN flood"}, "flood", "198.51.100.7:443"),
        ({"_signature": "ET TROJAN ICMP tunnel", "proto": "ICMP"}, "icmp_tunnel", SERVER),
        ({"_signature": "ET POLICY Cleartext password", "dest_port": 80}, "plaintext", "198.51.100.7:80"),
        ({"_signature": "LOCAL SYN flood", "src_ip": None, "dest_ip": None}, "ids_alert", "LOCAL SYN flood"),
    ],
)  # fmt: skip
def test_what_we_would_have_found_too_is_of_our_kind(values: dict[str, Any], kind: str, target: str | None) -> None:
    found = alert(**values)
    assert (found.kind, found.target) == (kind, target or values["_signature"])


@pytest.mark.parametrize("values", [{"_signature_id": 2210044}, {"_signature": "SURICATA STREAM bad window update"}])
def test_what_suricata_could_not_follow_is_counted_and_no_threat(values: dict[str, Any]) -> None:
    assert eve(**values) == ([], Counter({"alert of own events": 1}), Counter())


def test_a_rule_without_a_name_and_one_that_is_endless_or_paints_the_terminal() -> None:
    assert alert(_signature=None).target == "rule 2024468"
    painted = alert(_signature="\x1b[31m" + "x" * 500)
    assert painted.target == painted.target.encode().decode() and "\x1b" not in painted.target  # type: ignore[union-attr]
    assert len(painted.target or "") == 120


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"dst": LAPTOP}, ("port_scan", "medium", SERVER, LAPTOP)),
        ({"note": "Scan::Address_Scan", "msg": "scanned at least 25 unique hosts on port 23/tcp in 0m1s"},
         ("host_sweep", "medium", SERVER, "lan:23")),
        ({"note": "Scan::Address_Scan", "msg": "on ports #/tcp, #/tcp"},
         ("ids_alert", "medium", SERVER, "Scan::Address_Scan")),
        ({"note": "SSH::Password_Guessing", "sub": "Sampled servers:  192.168.1.20, 192.168.1.20"},
         ("brute_force", "medium", SERVER, "192.168.1.20:22")),
        ({"note": "SSH::Password_Guessing", "sub": "Sampled servers:  192.168.1.20, 192.168.1.21"},
         ("ids_alert", "medium", SERVER, "SSH::Password_Guessing")),
        ({"note": "FTP::Bruteforcing", "dst": LAPTOP}, ("brute_force", "medium", SERVER, "192.168.1.20:21")),
        ({"note": "SSL::Invalid_Server_Cert", "id.orig_h": LAPTOP, "id.resp_h": SERVER, "src": LAPTOP, "dst": SERVER,
          "p": 443}, ("ids_alert", "info", LAPTOP, "SSL::Invalid_Server_Cert")),
        ({"note": "SSL::Weak_Key", "actions": "Notice::ACTION_LOG,Notice::ACTION_EMAIL"},
         ("ids_alert", "medium", SERVER, "SSL::Weak_Key")),
        ({"note": "Intel::Notice"}, ("ids_alert", "high", SERVER, "Intel::Notice")),
        ({"note": "House::Cat_Asleep"}, ("ids_alert", "low", SERVER, "House::Cat_Asleep")),
    ],
)  # fmt: skip
def test_a_notice_is_a_threat_by_its_type(values: dict[str, Any], expected: tuple[str, ...]) -> None:
    found = notice(**values)
    assert found
    assert (found.kind, found.severity, found.device, found.target) == expected


def test_what_zeek_says_of_itself_is_counted() -> None:
    assert notice(note="CaptureLoss::Too_Much_Loss", src=SERVER) is None


def test_a_notice_without_a_type_is_malformed() -> None:
    decoder = ZeekDecoder(lambda _: 1, "notice")
    with pytest.raises(Malformed, match="type of a notice"):
        decoder.decode(b'{"ts":1,"note":"not a type"}', 0)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.sampled_from([LAPTOP, "::1"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(
    st.dictionaries(st.sampled_from([*ALERT, "flow"]), VALUES),
    st.dictionaries(st.sampled_from([*ALERT["alert"], "source", "target", "metadata"]), VALUES),
)
def test_any_values_are_a_threat_or_malformed(outer: dict[str, Any], inner: dict[str, Any]) -> None:
    event = ALERT | outer | {"event_type": "alert", "alert": ALERT["alert"] | inner}
    for decoder, value in (
        (EveDecoder(lambda _: 1), event),
        (ZeekDecoder(lambda _: 1, "notice"), dict(zip(FIELDS, outer.values(), strict=False))),
    ):  # fmt: skip
        try:
            found = decoder.decode(json.dumps(value).encode(), 0)
        except Malformed:
            continue
        for threat in found:
            assert isinstance(threat, Threat)
            assert threat.severity in SEVERITIES
            assert threat.description.isprintable()
            assert json.dumps(threat.evidence, allow_nan=False)
