"""The datagrams that tests and benchmarks send are what the RFCs say, and masses of flows are distinct."""

import struct
from collections import Counter

import pytest
from exported_mass import DEVICES, ROUNDS, Mass
from exporters import Exporter, Template, data_set, ipfix, template_set, v5_record, withdrawal

NOW = 1_795_000_000_123


def test_a_message_with_all_kinds_of_fields() -> None:
    """RFC 7011: a template with an enterprise's field, a reverse one and one of variable length, and a record of it."""
    template = Template(300, "sourceIPv4Address reverse:octetDeltaCount/8 35632.80/v 12/4")
    sets = template_set(10, template), data_set(template, template.record("192.0.2.1", 7, b"web", 0x01020304))
    expected = """
        000a 0048 6afd86c0 00000001 00000009
        0002 0020 012c 0004 0008 0004 8001 0008 00007279 8050 ffff 00008b30 000c 0004
        012c 0018 c0000201 0000000000000007 03 776562 01020304
    """
    assert ipfix(sets, sequence=1, now=NOW, domain=9) == bytes.fromhex(expected)


def test_long_values_have_three_bytes_of_length() -> None:
    """RFC 7011 section 7: 255, then the length in two bytes."""
    assert Template(256, "96/v").record(bytes(300))[:4] == b"\xff\x01\x2c\x00"


def test_an_options_template_counts_fields_in_ipfix_and_bytes_in_version_9() -> None:
    """RFC 7011 section 3.4.2.2, RFC 3954 section 6.1."""
    template = Template(257, "149/4 samplingInterval samplingAlgorithm", scopes=1)
    assert template_set(10, template).packed()[:10] == struct.pack("!HHHHH", 3, 24, 257, 3, 1)
    assert template_set(9, template).packed()[:10] == struct.pack("!HHHHH", 1, 24, 257, 4, 8)
    assert withdrawal(257, options=True).packed() == struct.pack("!HHHH", 3, 8, 257, 0)


def test_an_exporter_counts_as_its_version_does() -> None:
    """NetFlow v5 counts flows, v9 datagrams, IPFIX data records."""
    old, middle, new = (Exporter(version, booted=NOW - 5000) for version in (5, 9, 10))
    old.flows(NOW, v5_record("192.0.2.1", "192.0.2.2"), v5_record("192.0.2.1", "192.0.2.2"))
    assert struct.unpack_from("!HHIIII", old.flows(NOW)) == (5, 0, 5000, NOW // 1000, 123_000_000, 2)
    template = Template(256, "octetDeltaCount")
    for exporter, counted in (middle, 2), (new, 3):
        exporter.templates(NOW, template, Template(257, "1/4 34", scopes=1))
        exporter.datagram(NOW, data_set(template, *(template.record(1) for _ in range(3))))
        assert exporter.sequence == counted
    assert struct.unpack_from("!HHIIII", middle.datagram(NOW)) == (9, 0, 5000, NOW // 1000, 2, 0)


@pytest.mark.parametrize("paired", [False, True])
@pytest.mark.parametrize("version", [5, 9, 10])
def test_a_mass_has_distinct_flows_and_says_their_sums(version: int, paired: bool) -> None:
    """Also the second time round; each half of a paired flow has its other one."""
    mass = Mass(version, paired=paired, now=NOW, count=128)
    halves = [half for datagram in mass.take(0, 256, NOW) for half in _read(version, bytes(datagram))]
    keys = Counter(half[:5] for half in halves)
    octets, packets = (sum(half[at] for half in halves) for at in (5, 6))
    assert (len(halves), octets, packets) == mass.sums(256)
    assert set(keys.values()) == {1}
    assert len({address for key in keys for address in key[:2] if address >> 16 == 0xC0A8}) <= DEVICES
    assert all(((dst, src, to, port, protocol) in keys) == paired for src, dst, port, to, protocol in keys)
    assert next(len(d) for d in mass.take(ROUNDS * 128, 1, NOW)) <= 1472


def _read(version: int, datagram: bytes) -> list[tuple[int, ...]]:
    """Addresses, ports, protocol, bytes and packets of the records."""
    layout, head, order = {
        5: ("!II4x4xII4x4xHHxxBx8x", 24, (0, 1, 4, 5, 6, 3, 2)),
        9: ("!II4xQQ16xHHB3x", 24, (0, 1, 4, 5, 6, 2, 3)),
        10: ("!IIQQ24xHHB2x", 20, (0, 1, 4, 5, 6, 2, 3)),
    }[version]
    records = struct.iter_unpack(layout, datagram[head:])
    return [tuple(record[at] for at in order) for record in records]
