"""Exporters as they are: what the devices and programs of many makers send, field by field, and what becomes of it.

The templates are those that their manuals and sources describe, shortened by fields that say nothing of flows.
"""

import struct
from collections import Counter
from collections.abc import Sequence

import pytest
from exporters import ELEMENTS, Exporter, Field, Set, Template, Value, data_set, template_set, v5_record, v9

from netwatchd.addresses import address_text, parse_address
from netwatchd.decoders.netflow.collector import Collector
from netwatchd.events import Flow

NOW = 1_795_000_000_000
BOOTED = NOW - 3_600_000
EXPORTER = parse_address("192.168.1.1")
LAN, WAN, HOST = "192.168.1.10", "203.0.113.1", "198.51.100.7"
LAN6, HOST6 = "fd00::10", "2001:db8::7"
FIVE = "8 12 7 11 4"  # addresses, ports, protocol
OUT, BACK = (LAN, HOST, 40000, 443, 6), (HOST, LAN, 443, 40000, 6)
THEN, END = 3_500_000, 3_590_000  # ms of uptime


_USUAL = dict(ELEMENTS.values())  # how long each element usually is


def template(number: int, words: str, scopes: int = 0) -> Template:
    """A template of elements by number, as long as they usually are where nothing else is said."""
    fields = [(Field.read(word), "/" in word) for word in words.split()]
    said = [field if length else field._replace(length=_USUAL[field.element]) for field, length in fields]
    return Template(number, said, scopes)


class Heard:
    """One exporter and the collector that hears it."""

    def __init__(self, version: int, *, hold: int = 2000, **of: int) -> None:
        self.counts: Counter[str] = Counter()
        self.exporter = Exporter(version, booted=BOOTED, **of)
        self.collector = Collector(lambda now, n=1, /: now << 12, self._add, hold)
        self.flows: list[Flow] = []

    def _add(self, name: str, n: int) -> None:
        self.counts[name] += n

    def hear(self, data: bytes) -> None:
        """Takes a datagram."""
        self.flows += self.collector.datagram(data, EXPORTER, NOW)

    def templates(self, *templates: Template) -> None:
        """Takes templates."""
        self.hear(self.exporter.templates(NOW, *templates))

    def records(self, template: Template, *records: Sequence[Value]) -> None:
        """Takes a data set."""
        self.hear(self.exporter.datagram(NOW, data_set(template, *(template.record(*values) for values in records))))

    def told(self) -> list[Flow]:
        """All flows."""
        return self.flows + self.collector.finish(NOW)


def heard(version: int, layout: Template, *records: Sequence[Value]) -> list[Flow]:
    """The flows of records of one template."""
    here = Heard(version)
    here.templates(layout)
    here.records(layout, *records)
    flows = here.told()
    assert not {name for name in here.counts if name.startswith("malformed")}, here.counts
    return flows


def ends(flow: Flow) -> tuple[str, str, int, int, int]:
    """Who with whom, in the order of FIVE."""
    return address_text(flow.src_ip), address_text(flow.dst_ip), flow.src_port, flow.dst_port, flow.protocol


def counts(flow: Flow) -> tuple[int, ...]:
    """Packets and bytes out, packets and bytes in."""
    return flow[8:12]


def span(flow: Flow) -> tuple[int, int]:
    """When, in ms since the exporter booted."""
    return flow.start - BOOTED, flow.end - BOOTED


def test_mikrotik_translates_the_source_of_what_goes_out_and_the_destination_of_what_comes_back() -> None:
    layout = template(256, f"60 22 21 2 1 10 14 {FIVE} 5 6 15 225 226 227 228")
    out = (4, THEN, END, 5, 500, 1, 2, *OUT, 0, 0x1B, WAN, WAN, HOST, 61000, 443)
    back = (4, THEN, END, 4, 4000, 2, 1, HOST, WAN, 443, 61000, 6, 0, 0x1B, LAN, HOST, LAN, 443, 40000)
    (flow,) = heard(9, layout, out, back)
    assert (ends(flow), counts(flow), span(flow)) == (OUT, (5, 500, 4, 4000), (THEN, END))


FORTIGATE = "1/8 23/8 2 24 21 22 7 11 10/2 14/2 95/9 65/2 4 136 8 12"


def test_fortigate_repeats_its_counters_and_tells_each_direction_for_itself() -> None:
    out = (500, 500, 5, 5, END, THEN, 40000, 443, 1, 2, bytes(9), 1, 6, 3, LAN, HOST)
    back = (4000, 4000, 4, 4, END, THEN, 443, 40000, 2, 1, bytes(9), 1, 6, 3, HOST, LAN)
    (flow,) = heard(9, template(258, FORTIGATE), out, back)
    assert (ends(flow), counts(flow), span(flow)) == (OUT, (5, 500, 4, 4000), (THEN, END))


def test_a_firewall_may_tell_both_directions_in_one_record() -> None:
    out = (500, 4000, 5, 4, END, THEN, 40000, 443, 1, 2, bytes(9), 1, 6, 3, LAN, HOST)
    (flow,) = heard(9, template(258, FORTIGATE), out)
    assert (ends(flow), counts(flow), span(flow)) == (OUT, (5, 500, 4, 4000), (THEN, END))


def test_nprobe_tells_both_directions_in_one_record_beside_fields_of_its_own() -> None:
    for version, more in ((9, "22 21 57590/2 57640/16"), (10, "152 153 35632.118/2 35632.180/v")):
        layout = template(257, f"1 2 23 24 {FIVE} {more}")
        times = (THEN, END) if version == 9 else (BOOTED + THEN, BOOTED + END)
        name: Value = bytes(16) if version == 9 else b"www.example.org"
        (flow,) = heard(version, layout, (500, 5, 4000, 4, *OUT, *times, 7, name))
        assert (ends(flow), counts(flow), span(flow)) == (OUT, (5, 500, 4, 4000), (THEN, END))


def test_a_counter_at_the_exit_is_the_flows_own_where_nothing_was_counted_at_the_entry() -> None:
    layout = template(256, f"{FIVE} 1 2 23 24 22 21 61")
    (flow,) = heard(9, layout, (*OUT, 0, 0, 500, 5, THEN, END, 1))
    assert (ends(flow), counts(flow)) == (OUT, (5, 500, 0, 0))


def test_palo_alto_tells_each_direction_for_itself_beside_what_became_of_the_session() -> None:
    layout = template(261, "1/8 2/8 4 5 6 7 8 10 11 12 14 21 22 32 61 148 233 225 226 227 228 56701/32 56702/64")
    names = b"ssl".ljust(32, b"\0"), b"anna".ljust(64, b"\0")
    out = (500, 5, 6, 0, 0x1B, 40000, LAN, 1, 443, HOST, 2, END, THEN, 0, 0, 77, 2, WAN, HOST, 61000, 443)
    back = (4000, 4, 6, 0, 0x1B, 443, HOST, 2, 61000, WAN, 1, END, THEN, 0, 1, 77, 2, HOST, LAN, 443, 40000)
    (flow,) = heard(9, layout, (*out, *names), (*back, *names))
    assert (ends(flow), counts(flow), span(flow), flow.state) == (OUT, (5, 500, 4, 4000), (THEN, END), "closed")


ASA = "148/4 8 7 10/2 12 11 14/2 4 176 177 225 226 227 228 233 33002/2 323 231/4 232/4 152 33000/12 33001/12 40000/20"


def asa(event: int, sent: int = 0, answered: int = 0, icmp: bool = False) -> tuple[Value, ...]:
    """A record of an ASA."""
    ports, protocol, kind = ((4711, 0), 1, 8) if icmp else ((40000, 443), 6, 0)
    who = (9, LAN, ports[0], 2, HOST, ports[1], 3, protocol, kind, 0, WAN, HOST, 61000, ports[1])
    return (*who, event, 2025, BOOTED + END, sent, answered, BOOTED + THEN, bytes(12), bytes(12), bytes(20))


def test_an_asa_tells_both_directions_when_a_connection_is_torn_down() -> None:
    (flow,) = heard(9, template(263, ASA), asa(2, 500, 4000))
    assert (ends(flow), counts(flow), span(flow)) == (OUT, (0, 500, 0, 4000), (THEN, END))


def test_an_asa_that_denies_tells_of_an_attempt_without_traffic() -> None:
    (flow,) = heard(9, template(263, ASA), asa(3))
    assert (ends(flow), counts(flow), flow.state) == (OUT, (0, 0, 0, 0), "denied")


def test_the_ports_of_a_ping_through_an_asa_are_type_and_code_and_not_its_id() -> None:
    (flow,) = heard(9, template(263, ASA), asa(2, 56, 56, icmp=True))
    assert ends(flow) == (LAN, HOST, 8, 0, 1)


def test_the_update_and_the_end_of_a_connection_add_up() -> None:
    flows = heard(9, template(263, ASA), asa(1), asa(5, 300, 1000), asa(2, 200, 3000))
    assert [sum(column) for column in zip(*map(counts, flows), strict=True)] == [0, 500, 0, 4000]


def test_juniper_says_its_sampling_for_all_in_options() -> None:
    layout = template(256, f"{FIVE} 5 32 10 14 58 13 9 16 17 15 6 1/8 2/8 52/1 53/1 152 153 136 60")
    options = template(512, "144/4 41/8 42/8 130 131/16 34 36 37 160 214/1 215/1", scopes=1)
    who = (*OUT, 0, 0, 1, 2, 0, 24, 24, 0, 0, WAN, 0x1B, 500, 5, 60, 60, BOOTED + THEN, BOOTED + END, 3, 4)
    here = Heard(10)
    here.templates(layout, options)
    here.records(options, (1, 9, 9, WAN, bytes(16), 100, 60, 15, BOOTED, 10, 17))
    here.records(layout, who)
    (flow,) = here.told()
    assert (ends(flow), counts(flow), flow.origin and flow.origin.sampling) == (OUT, (500, 50000, 0, 0), 100)


def test_ios_xr_has_several_samplers_and_each_record_names_its_own() -> None:
    layout = template(256, f"{FIVE} 1 2 22 21 48/2")
    options = template(257, "1/4 48/2 49 50 84/32", scopes=1)
    here = Heard(9)
    here.templates(layout, options)
    here.records(options, (0, 1, 2, 100, bytes(32)), (0, 2, 2, 1000, bytes(32)))
    here.records(layout, (*OUT, 500, 5, THEN, END, 1), (LAN, HOST, 40001, 443, 6, 500, 5, THEN, END, 2))
    assert sorted(counts(flow) for flow in here.told()) == [(500, 50000, 0, 0), (5000, 500000, 0, 0)]


def test_ios_xe_writes_a_rate_as_a_part_of_a_population() -> None:
    layout = template(260, f"{FIVE} 1/8 2/8 152 153 302/4")
    options = template(261, "302/4 305 304 309/4 310/4 335/10", scopes=1)
    here = Heard(10)
    here.templates(layout, options)
    here.records(options, (7, 1, 3, 1, 256, bytes(10)))
    here.records(layout, (*OUT, 500, 5, BOOTED + THEN, BOOTED + END, 7))
    assert [counts(flow) for flow in here.told()] == [(1280, 128000, 0, 0)]


@pytest.mark.parametrize(("interval", "space", "rate"), [(1, 0, 1), (1, 99, 100), (10, 90, 10), (0, 0, 1)])
def test_softflowd_and_yaf_write_a_rate_as_a_packet_and_a_gap(interval: int, space: int, rate: int) -> None:
    layout = template(1024, f"{FIVE} 1 2 22 21 6 60 5 32")
    options = template(256, "143/4 160 305 306 304/2", scopes=1)
    here = Heard(10)
    here.hear(here.exporter.templates(NOW, layout, options))
    here.records(options, (1, BOOTED, interval, space, 1))
    here.records(layout, (*OUT, 500, 5, THEN, END, 0x1B, 4, 0, 0))
    assert [(counts(flow), span(flow)) for flow in here.told()] == [((5 * rate, 500 * rate, 0, 0), (THEN, END))]


def test_huawei_and_pmacct_write_the_rate_into_each_record() -> None:
    layout = template(256, f"{FIVE} 1/8 2/8 22 21 34 35")
    flows = heard(9, layout, (*OUT, 500, 5, THEN, END, 1000, 2), (LAN, HOST, 1, 2, 17, 9, 1, THEN, END, 0, 0))
    assert sorted(counts(flow) for flow in flows) == [(1, 9, 0, 0), (5000, 500000, 0, 0)]


def test_juniper_writes_the_rate_of_v5_without_its_mode() -> None:
    here = Heard(5)
    record = v5_record(LAN, HOST, ports=(40000, 443), packets=5, octets=500, first=THEN, last=END)
    data = bytearray(here.exporter.flows(NOW, record))
    for field, rate in ((100, 100), (0x4000 | 100, 100), (0x8000 | 100, 100), (0, 1), (0x4000, 1)):
        here = Heard(5)
        here.hear(bytes(data[:22]) + struct.pack("!H", field) + bytes(data[24:]))
        assert [counts(flow) for flow in here.told()] == [(5 * rate, 500 * rate, 0, 0)]


def test_yaf_tells_biflows_with_totals_and_lists_that_nobody_needs() -> None:
    fields = f"152 153 85 reverse:85 86 reverse:86 {FIVE} 136 6871.14 6871.33/2 6871.40/2 6871.21/4 6 reverse:6 293/v"
    layout = template(53248, fields.replace("6871.14 ", "6871.14/1 "))
    values = (BOOTED + THEN, BOOTED + END, 500, 4000, 5, 4, *OUT, 3, 0, 443, 0, 12, 0x1B, 0x1B, bytes(300))
    (flow,) = heard(10, layout, values)
    assert (ends(flow), counts(flow), span(flow)) == (OUT, (5, 500, 4, 4000), (THEN, END))


def test_barracuda_counts_the_answer_in_reverse_fields_beside_its_own() -> None:
    layout = template(256, f"10704.1/4 10704.2/1 10704.4/v {FIVE} 85/8 86/8 reverse:85/8 reverse:86/8 10704.7/v 161")
    (flow,) = heard(10, layout, (1, 2, b"LAN-2-INTERNET", *OUT, 500, 5, 4000, 4, b"box", 90_000))
    assert (ends(flow), counts(flow), flow.end - flow.start) == (OUT, (5, 500, 4, 4000), 90_000)


def test_netscaler_has_enterprise_fields_of_every_length_and_times_in_ntps_fractions() -> None:
    layout = template(258, f"138/4 148/8 5951.129/4 5951.132/4 {FIVE} 1/8 2/8 6 154 155 5951.128/v 5951.140/v")
    start, end = (((BOOTED + at) // 1000 + 2_208_988_800 << 32) + (1 << 31) for at in (THEN, END))
    (flow,) = heard(10, layout, (1, 2, 3, 4, *OUT, 500, 5, 0x1B, start, end, b"", b"x" * 500))
    assert (ends(flow), counts(flow), span(flow)) == (OUT, (5, 500, 0, 0), (THEN + 500, END + 500))


def test_microseconds_since_1970_are_understood_where_ntps_fractions_should_be() -> None:
    layout = template(258, f"{FIVE} 1 2 154 155")
    (flow,) = heard(10, layout, (*OUT, 500, 5, (BOOTED + THEN) * 1000, (BOOTED + END) * 1000))
    assert span(flow) == (THEN, END)


def test_a_vmware_switch_and_ixia_have_fields_for_both_families() -> None:
    layout = template(257, "8 12 27 28 7 11 4 60 1/8 2/8 152 153 6876.880/1 6876.881/4 352/8")
    times = (BOOTED + THEN, BOOTED + END)
    none = "0.0.0.0", "0.0.0.0", "::", "::"
    four = (LAN, HOST, *none[2:], 40000, 443, 6, 4, 500, 5, *times, 1, 2, 590)
    six = (*none[:2], LAN6, HOST6, 40000, 443, 6, 6, 500, 5, *times, 1, 2, 590)
    flows = heard(10, layout, four, six)
    assert sorted(map(ends, flows)) == [OUT, (LAN6, HOST6, 40000, 443, 6)]
    assert {counts(flow) for flow in flows} == {(5, 500, 0, 0)}


def test_translations_of_ipt_netflow_are_flows_without_traffic() -> None:
    layout = template(257, f"323 {FIVE} 225 226 227 228 230")
    flows = heard(9, layout, (BOOTED + END, *OUT, WAN, HOST, 61000, 443, 1))
    assert [(ends(flow), counts(flow), flow.end - BOOTED) for flow in flows] == [(OUT, (0, 0, 0, 0), END)]


def test_what_is_no_flow_makes_none() -> None:
    wireless = template(261, "365/6 366/4 367/6 147/33 61 1/8 2/8")  # Cisco WLC: stations, not conversations
    table = template(262, "95/4 96/24 94/55", scopes=1)  # applications and their names
    interfaces = template(263, "10 82/32 83/64", scopes=1)
    pool = template(264, "323 230 283/4 284/2")  # a pool of addresses is exhausted (RFC 8158)
    here = Heard(9)
    here.templates(wireless, pool, table, interfaces)
    here.records(wireless, (bytes(6), LAN, bytes(6), bytes(33), 1, 500, 5))
    here.records(table, (bytes(4), bytes(24), bytes(55)))
    here.records(interfaces, (1, bytes(32), bytes(64)))
    here.records(pool, (NOW, 3, 1, 2))
    assert here.told() == []
    assert not {name for name in here.counts if name.startswith("malformed")}


@pytest.mark.parametrize("length", [1, 2, 3, 5, 6, 7, 8])
def test_numbers_are_as_long_as_the_exporter_likes(length: int) -> None:
    wide = max(length, 2)
    layout = template(260, f"8 12 7/{wide} 11/{wide} 4/{length} 1/{length} 2/{length} 22 21 6/2 10/8 14/{length}")
    (flow,) = heard(9, layout, (*OUT, 200, 5, THEN, END, 0x1B, 1, 2))
    assert (ends(flow), counts(flow), span(flow)) == (OUT, (5, 200, 0, 0), (THEN, END))


def test_nexus_writes_times_since_it_booted_in_eight_bytes() -> None:
    (flow,) = heard(9, template(260, f"{FIVE} 1/8 2/8 22/8 21/8 61 6"), (*OUT, 500, 5, THEN, END, 0, 0x1B))
    assert (ends(flow), counts(flow), span(flow)) == (OUT, (5, 500, 0, 0), (THEN, END))


def test_h3c_has_fields_of_variable_length_in_version_9() -> None:
    layout = template(3281, f"{FIVE} 1 2 22 21 96/v 10 6")
    one = (*OUT, 500, 5, THEN, END, b"", 1, 0x1B)
    other = (LAN, HOST, 40001, 443, 6, 600, 6, THEN, END, b"GigabitEthernet", 1, 0x1B)
    assert sorted(counts(flow) for flow in heard(9, layout, one, other)) == [(5, 500, 0, 0), (6, 600, 0, 0)]


def test_softflowd_once_wrote_its_uptime_for_the_time() -> None:
    here = Heard(9)
    layout = template(1024, f"{FIVE} 1 2 22 21")
    sets = template_set(9, layout), data_set(layout, layout.record(*OUT, 500, 5, THEN, END))
    here.hear(v9(sets, uptime=3_600_000, now=3_600_000))
    (flow,) = here.told()
    assert (span(flow), flow.origin and flow.origin.clock_trusted) == ((THEN, END), False)


def test_an_options_template_may_have_a_scope_alone_or_no_scope() -> None:
    here = Heard(9)
    layout = template(256, f"{FIVE} 1 2 22 21")
    alone, without = struct.pack("!HHHHH", 300, 4, 0, 1, 4), struct.pack("!HHHHHHH", 301, 0, 8, 36, 2, 34, 4)
    options = data_set(template(301, "36 34"), template(301, "36 34").record(60, 10))
    data = data_set(layout, layout.record(*OUT, 500, 5, THEN, END))
    here.hear(here.exporter.datagram(NOW, Set(1, alone, 1), Set(1, without, 1), options, template_set(9, layout), data))
    assert [(counts(flow), here.counts) for flow in here.told()] == [((50, 5000, 0, 0), {})]


def test_a_template_with_fields_of_no_length_is_read() -> None:
    layout = template(256, f"{FIVE} 1/0 2 23/0 22 21 16/0 89/0")
    (flow,) = heard(9, layout, (*OUT, b"", 5, b"", THEN, END, b"", b""))
    assert (ends(flow), counts(flow)) == (OUT, (5, 0, 0, 0))


@pytest.mark.parametrize(
    ("more", "values", "expected"),
    [
        ("32", (0x0800,), (8, 0)),
        ("176 177", (3, 1), (3, 1)),
        ("11", (0x0301,), (3, 1)),
        ("7 11", (0, 0x0800), (8, 0)),
        ("7 11 32", (0, 0x0800, 0), (8, 0)),
        ("7 11 32", (0, 0, 0x0B00), (11, 0)),
    ],
)
def test_the_type_and_code_of_icmp_are_told_in_many_ways(
    more: str, values: tuple[int, ...], expected: tuple[int, int]
) -> None:
    (flow,) = heard(9, template(256, f"8 12 4 1 2 22 21 {more}"), (LAN, HOST, 1, 84, 1, THEN, END, *values))
    assert (flow.src_port, flow.dst_port) == expected


def test_softflowd_leaves_out_the_protocol_of_icmp() -> None:
    (four,) = heard(10, template(1025, "8 12 1 2 152 153 32"), (LAN, HOST, 84, 1, BOOTED + THEN, BOOTED + END, 0x0800))
    six = (LAN6, HOST6, 104, 1, BOOTED + THEN, BOOTED + END, 135, 0)
    (other,) = heard(10, template(2049, "27 28 1 2 152 153 178 179"), six)
    assert (ends(four)[2:], ends(other)[2:]) == ((8, 0, 1), (135, 0, 58))


def test_an_id_means_another_template_in_another_domain_and_from_another_exporter() -> None:
    here = Heard(9, domain=1)
    one, other = template(256, f"{FIVE} 1 2 22 21"), template(256, f"{FIVE} 2 1 21 22")
    second = Exporter(9, booted=BOOTED, domain=2)
    here.templates(one)
    here.hear(second.templates(NOW, other))
    here.records(one, (*OUT, 500, 5, THEN, END))
    here.hear(second.datagram(NOW, data_set(other, other.record(LAN, HOST, 40001, 443, 6, 5, 500, END, THEN))))
    assert {(counts(flow), span(flow)) for flow in here.told()} == {((5, 500, 0, 0), (THEN, END))}


def test_data_before_its_template_in_one_datagram_and_in_another_is_read_when_the_template_comes() -> None:
    layout = template(256, f"{FIVE} 1 2 22 21")
    here = Heard(9)
    here.records(layout, (*OUT, 500, 5, THEN, END))
    assert here.flows == []
    here.templates(layout)
    assert [ends(flow) for flow in here.told()] == [OUT]
