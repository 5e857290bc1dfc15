"""What is kept of each exporter: templates, data that waits for them, rates, numbers; and all of it bounded."""

import struct
from typing import Any

import pytest
from exporters import Set, Template, data_set, ipfix, template_set, v5, v5_record, v9, withdrawal
from netflow_kit import COMMON, HERE, MS, NOW, ROUTER, THERE, UPTIME, Heard, record

from netwatchd.decoders.netflow import collector as collectors
from netwatchd.decoders.netflow import kept, templates
from netwatchd.decoders.netflow.sequence import BELIEVED, PATIENCE

OTHER = Template(257, "sourceIPv4Address destinationIPv4Address protocolIdentifier octetDeltaCount/3 interfaceName")
NOT_FLOWS = Template(260, "ingressInterface octetDeltaCount")


# Templates.


@pytest.mark.parametrize("version", [9, 10])
def test_data_that_comes_before_its_template_is_read_when_that_comes(version: int) -> None:
    here = Heard(version)
    here.records(UPTIME, record(times=(3_590_000, 3_599_000)))
    here.wait(5000)
    assert not here.all()
    here = Heard(version)
    here.records(UPTIME, record(times=(3_590_000, 3_599_000)))
    here.wait(5000)
    here.templates(UPTIME)
    (flow,) = here.all()
    # It is dated by its own datagram, and not by that of the template.
    assert (flow.start, flow.end) == ((NOW - 10_000, NOW - 1000) if version == 9 else (NOW - 9000, NOW))


def test_data_may_stand_before_its_template_in_one_datagram() -> None:
    here = Heard()
    here.sets(data_set(MS, MS.record(*record())), template_set(10, MS))
    assert len(here.all()) == 1
    assert not here.counts


def test_what_waits_for_its_template_waits_so_long_and_is_counted_then() -> None:
    here = Heard()
    here.records(MS, record())
    here.now += kept.MOST_AGE + 1
    here.wait(100)
    assert here.counts == {"dropped.netflow.no_template": 1}
    here.templates(MS)
    assert not here.all()


def test_what_waits_for_its_template_at_the_end_is_counted() -> None:
    here = Heard()
    here.records(MS, record(), record())
    here.records(OTHER, (HERE, THERE, 6, 1, b"wan"))
    assert not here.all()
    assert here.counts == {"dropped.netflow.no_template": 2}


def test_only_so_much_waits_for_templates() -> None:
    here = Heard()
    sets = kept.MOST_BYTES // 1000
    for _ in range(sets + 100):
        here.sets(Set(400, bytes(1000), 1))
    assert sets - 100 < sets + 100 - here.counts["dropped.netflow.no_template"] <= sets
    for domain in range(1, 40):
        here.exporter.domain = domain
        for _ in range(sets):
            here.sets(Set(400, bytes(1000), 1))
    assert here.collector._budget.used <= kept.MOST_BYTES_IN_ALL


def test_a_changed_template_counts_from_then_on() -> None:
    here = Heard()
    here.templates(MS)
    here.records(MS, record())
    here.templates(MS)  # sent again, as exporters do all the time
    here.records(MS, record(ports=(40001, 443)))
    here.templates(OTHER)
    here.records(OTHER, (HERE, THERE, 17, 2**24 - 1, b"wan"), (HERE, THERE, 17, 77, b""))
    assert [(flow.protocol, flow.bytes_out) for flow in here.all()] == [(17, 2**24 - 1), (6, 1000), (6, 1000), (17, 77)]


@pytest.mark.parametrize("numbers", [(257,), (2,), (256, 257)])
def test_a_withdrawn_template_is_forgotten(numbers: tuple[int, ...]) -> None:
    here = Heard()
    here.templates(MS)
    here.sets(withdrawal(*numbers))
    here.records(MS, record())
    assert not here.all()
    assert here.counts == {"dropped.netflow.no_template": 1}


def test_withdrawing_all_options_templates_leaves_the_others() -> None:
    here = Heard()
    here.templates(MS)
    here.sets(withdrawal(3, options=True))
    here.records(MS, record())
    assert len(here.all()) == 1


def test_two_processes_on_one_machine_may_give_one_id_to_two_templates() -> None:
    here = Heard()
    for port, template in ((50000, MS), (50001, OTHER)):
        here.hear(ipfix([template_set(10, template)], now=NOW), port=port)
    here.hear(ipfix([data_set(MS, MS.record(*record()))], now=NOW), port=50000)
    here.hear(ipfix([data_set(OTHER, OTHER.record(HERE, THERE, 17, 5, b"x"))], now=NOW), port=50001)
    assert sorted(flow.bytes_out for flow in here.all()) == [5, 1000]


def test_an_exporter_may_send_data_from_another_port_than_its_templates() -> None:
    here = Heard()
    here.hear(ipfix([template_set(10, MS)], now=NOW), port=50000)
    here.hear(ipfix([data_set(MS, MS.record(*record()))], now=NOW), port=50001)
    assert len(here.all()) == 1


def test_enterprise_fields_and_unknown_ones_are_passed_over() -> None:
    odd = Template(
        300, "35632.7/5 sourceIPv4Address 9.12245/v 471/3 destinationIPv4Address octetDeltaCount 29305.999/2"
    )
    here = Heard()
    here.templates(odd)
    here.records(odd, (bytes(5), HERE, b"x" * 300, bytes(3), THERE, 77, bytes(2)))
    (flow,) = here.all()
    assert (flow.bytes_out, flow.protocol) == (77, 0)


def test_data_that_is_no_flow_is_counted() -> None:
    here = Heard()
    here.templates(NOT_FLOWS)
    here.records(NOT_FLOWS, (1, 1000))
    assert not here.all()
    assert here.counts == {"ignored.netflow": 1}


def test_a_biflow_is_a_flow_with_both_directions_and_need_not_wait() -> None:
    words = "reverse:octetDeltaCount reverse:packetDeltaCount reverse:tcpControlBits biflowDirection"
    both = Template(300, COMMON + words)
    here = Heard()
    here.templates(both)
    here.records(both, (*record()[:8], 9000, 12, 0x12, 1), (*record(False)[:8], 500, 3, 0x12, 2))
    assert [(flow.bytes_out, flow.bytes_in, flow.packets_in) for flow in here.flows] == [
        (1000, 9000, 12),
        (500, 1000, 10),
    ]
    assert here.flows[0].src_ip == here.flows[1].src_ip


def test_nothing_of_one_record_gets_into_the_next_one() -> None:
    pings = Template(300, "8/4 12/4 4/1 1/4 icmpTypeCodeIPv4")
    both = Template(
        301, "8/4 12/4 4/1 1/4 reverse:octetDeltaCount reverse:packetDeltaCount reverse:tcpControlBits 239/1"
    )
    here = Heard(hold=0)
    here.templates(pings, both)
    here.records(pings, (HERE, THERE, 1, 84, 0x0800), (HERE, THERE, 47, 100, 0))
    here.records(both, (HERE, THERE, 6, 10, 20, 2, 4, 2), (HERE, THERE, 6, 30, 0, 0, 0, 1))
    tunnel, ping, turned, plain = sorted(here.all(), key=lambda flow: flow.id)
    assert (ping.src_port, tunnel.src_port, tunnel.protocol) == (8, 0, 47)
    assert (turned.packets_out, turned.bytes_out, turned.bytes_in, turned.state) == (2, 20, 10, "reset")
    assert (plain.packets_out, plain.packets_in, plain.bytes_out, plain.state) == (0, 0, 30, "closed")


# Malformed input, and liars.

HEAD = struct.pack(">HHIII", 10, 16, NOW // 1000, 0, 0)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0",
        struct.pack(">H", 8) + bytes(40),
        HEAD[:15],
        ipfix([], now=NOW, length=15),
        ipfix([], now=NOW, length=17),
        v5([v5_record(HERE, THERE)], count=2, now=NOW),
        v9([], now=NOW)[:19],
        v9([Set(0, struct.pack(">HHHH", 256, 9, 8, 4), 1)], now=NOW),
        v9([Set(1, struct.pack(">HHHHH", 256, 3, 4, 1, 4), 1)], now=NOW),
        ipfix([Set(2, struct.pack(">HHHH", 255, 1, 8, 4), 1)], now=NOW),
        ipfix([Set(2, struct.pack(">HH", 256, 60000), 1)], now=NOW),
        ipfix([Set(3, struct.pack(">HHHHH", 256, 1, 2, 8, 4), 1)], now=NOW),
        ipfix([], now=NOW, length=20) + struct.pack(">HH", 300, 3),
        ipfix([], now=NOW, length=20) + struct.pack(">HH", 300, 5),
    ],
)
def test_what_is_malformed_is_counted_and_harms_nothing_else(data: bytes) -> None:
    here = Heard()
    here.templates(MS)
    here.hear(data)
    here.records(MS, record())
    assert len(here.all()) == 1
    assert here.counts == {"malformed.netflow": 1}


def test_records_before_a_broken_set_count() -> None:
    here = Heard()
    here.templates(MS)
    data = here.exporter.datagram(NOW, data_set(MS, MS.record(*record())))
    here.hear(data[:2] + struct.pack(">H", len(data) + 4) + data[4:] + b"\1\1\0\3")
    assert len(here.all()) == 1
    assert here.counts == {"malformed.netflow": 1}


def test_a_record_that_is_cut_off_within_a_variable_field_is_malformed() -> None:
    here = Heard()
    here.templates(OTHER)
    here.sets(Set(257, OTHER.record(HERE, THERE, 6, 1, b"x" * 20)[:-4], 1))
    assert here.counts == {"malformed.netflow": 1}


def test_counters_that_no_flow_reaches_are_malformed() -> None:
    large = Template(300, "sourceIPv4Address destinationIPv4Address octetDeltaCount/8 packetDeltaCount/8")
    here = Heard()
    here.templates(large)
    here.records(large, (HERE, THERE, 2**64 - 1, 1), (HERE, THERE, 5, 1))
    assert [flow.bytes_out for flow in here.all()] == [5]
    assert here.counts == {"malformed.netflow": 1}


def test_streams_and_templates_that_liars_make_up_are_bounded() -> None:
    here = Heard()
    for number in range(templates.MOST_TEMPLATES + 50):
        here.templates(Template(256 + number, f"sourceIPv4Address {number + 500}/4"))
    (session,) = here.collector.sessions
    assert len(session.templates) == templates.MOST_TEMPLATES
    for domain in range(collectors.MOST_SESSIONS + 50):
        here.now += 1
        here.hear(ipfix([template_set(10, MS)], now=NOW, domain=domain))
    assert len(here.collector.sessions) == collectors.MOST_SESSIONS == len(here.collector._domains)
    assert here.counts["forgotten.netflow"] == 50
    assert ROUTER in here.collector._rates


# Sampling.


def test_the_rate_of_v5_is_applied_and_recorded() -> None:
    here = Heard(5)
    here.exporter.sampling = 100
    here.hear(here.exporter.flows(NOW, v5_record(HERE, THERE, packets=3, octets=150, protocol=17)))
    (flow,) = here.all()
    assert (flow.packets_out, flow.bytes_out) == (300, 15_000)
    assert flow.origin is not None
    assert flow.origin.sampling == 100


def test_a_rate_is_applied_from_when_it_is_known() -> None:
    options = Template(400, "149 samplingInterval samplingAlgorithm", scopes=1)
    here = Heard()
    here.templates(MS, options)
    here.records(MS, record())
    here.records(options, (0, 50, 1))
    here.records(MS, record(ports=(40001, 443)))
    flows = here.all()
    assert sorted((flow.bytes_out, flow.origin and flow.origin.sampling) for flow in flows) == [(1000, 1), (50_000, 50)]


@pytest.mark.parametrize(
    ("words", "values", "rate"),
    [
        ("samplingInterval", (0,), 1),
        ("samplerRandomInterval", (64,), 64),
        ("samplingPacketInterval samplingPacketSpace", (1, 99), 100),
        ("samplingPacketInterval samplingPacketSpace", (0, 99), 1),
        ("samplingPacketInterval", (20,), 20),
        ("309/4 310/4", (1, 256), 256),
        ("309/4 310/4", (0, 256), 1),
        ("311/8", (struct.pack(">d", 0.001),), 1000),
        ("311/8", (struct.pack(">d", float("nan")),), 1),
        ("311/8", (struct.pack(">d", -1.0),), 1),
        ("samplingInterval", (2**32 - 1,), 1),
    ],
)
def test_rates_are_told_in_many_ways(words: str, values: tuple[Any, ...], rate: int) -> None:
    options = Template(400, "149 " + words, scopes=1)
    here = Heard()
    here.templates(MS, options)
    here.records(options, (0, *values))
    here.records(MS, record())
    assert here.all()[0].bytes_out == 1000 * rate


def test_records_name_their_sampler_also_of_another_domain() -> None:
    options = Template(400, "149 selectorId samplingInterval", scopes=1)
    sampled = Template(300, COMMON + "selectorId")
    here = Heard(domain=1)
    here.templates(options)
    here.records(options, (0, 7, 10), (0, 8, 20))
    here.exporter.domain = 2
    here.templates(sampled)
    here.records(sampled, *((*record(ports=(port, 443))[:8], sampler) for port, sampler in ((1, 7), (2, 8), (3, 9))))
    assert sorted((flow.src_port, flow.bytes_out) for flow in here.all()) == [(1, 10_000), (2, 20_000), (3, 1000)]


# Sequence numbers.


def numbered(here: Heard, number: int, records: int = 3) -> None:
    """A datagram with some number and so many records."""
    rows = [MS.record(*record(ports=(number * 10 + n & 0xFFFF, 443))) for n in range(records)]
    here.hear(ipfix([data_set(MS, *rows)], sequence=number, now=NOW))
    here.now += 1


def lost(here: Heard) -> int:
    """How many are lost, when all that may still come has come."""
    here.wait(PATIENCE + 200)
    return here.counts["lost.netflow.flows"]


def stream(*numbers: int, records: int = 3) -> Heard:
    here = Heard()
    here.exporter.sequence = numbers[0]
    here.templates(MS)
    for number in numbers:
        numbered(here, number, records)
    return here


BEGUN = (0, 3, 6, 9)


@pytest.mark.parametrize(
    ("numbers", "missing"),
    [
        (BEGUN, 0),
        ((*BEGUN, 15, 18), 3),
        ((*BEGUN, 18, 15, 12, 21), 0),  # overtaken on the way
        ((*BEGUN, 21, 15, 24), 6),
        ((*BEGUN, 9, 12), 0),  # one comes twice
        ((*BEGUN, 1000, 0, 3, 6, 9, 12, 15), 988),  # it begins anew
        ((*BEGUN, 2**31 - 5, 2**31 - 2), 0),  # at a number of its own choice
        ((2**32 - 9, 2**32 - 6, 2**32 - 3, 0, 3, 9), 3),  # the numbers wrap around
    ],
)
def test_what_is_missing_on_the_way_is_counted_once(numbers: tuple[int, ...], missing: int) -> None:
    assert lost(stream(*numbers)) == missing


def test_a_datagram_that_comes_too_late_does_not_count_again() -> None:
    here = stream(*BEGUN, 15)
    assert lost(here) == 3
    numbered(here, 12)
    numbered(here, 18)
    assert lost(here) == 3


def test_numbers_that_foretell_nothing_are_not_believed() -> None:
    assert lost(stream(5, 100, 1000, 1100, 3000)) == 0


@pytest.mark.parametrize("version", [9, 10])
def test_an_exporter_may_count_otherwise_than_it_should(version: int) -> None:
    here = Heard(version)
    here.templates(MS)
    number = 0
    for size in (3, 4, 2, 5, 3, 0, 4):  # softflowd's IPFIX counts up to the end of the datagram
        number += size
        rows = [MS.record(*record(ports=(number * 10 + n, 443))) for n in range(size)]
        make = v9 if version == 9 else ipfix
        if size:
            here.hear(make([data_set(MS, *rows)], sequence=number, now=NOW))
        else:
            number += 4  # this one is lost
    here.wait(PATIENCE + 200)
    assert here.counts["lost.netflow.flows"] == 4
    assert not here.counts["lost.netflow.datagrams"]


def test_v9_counts_datagrams_and_they_are_put_down_to_our_own_socket_where_that_lost_some() -> None:
    here = Heard(9)
    here.templates(UPTIME)
    for at in range(BELIEVED + 6):
        if at == 5:
            here.exporter.sequence += 3
            here.collector.lost_here(2, here.now)
        here.records(UPTIME, record(ports=(at + 1, 443), times=(3_590_000, 3_599_000)))
    here.wait(PATIENCE + 200)
    assert here.counts["lost.netflow.datagrams"] == 3
    (session,) = here.collector.sessions
    assert (session.sequence.lost, session.dropped_here) == (3, 2)


def test_v5_counts_flows_and_a_restart_is_no_loss() -> None:
    here = Heard(5)
    for _ in range(6):
        here.hear(here.exporter.flows(here.now, v5_record(HERE, THERE), v5_record(THERE, HERE)))
    here.exporter.sequence += 10
    here.hear(here.exporter.flows(here.now, v5_record(HERE, THERE)))
    here.exporter.booted, here.exporter.sequence = here.now - 1000, 0
    for _ in range(6):
        here.hear(here.exporter.flows(here.now, v5_record(HERE, THERE)))
    here.wait(PATIENCE + 200)
    assert here.counts["lost.netflow.flows"] == 10
