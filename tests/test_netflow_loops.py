"""Whatever fields a template has, in whatever order and length, its loop is right, or at least does no harm."""

from collections.abc import Sequence
from typing import Any

from exporters import VARIABLE, Field, Template, data_set, ipfix, template_set
from hypothesis import given, settings
from hypothesis import strategies as st
from netflow_kit import HERE, NOW, THERE, Heard, record

from netwatchd.addresses import address_text
from netwatchd.decoders.netflow.clock import LONGEST, TOLERANCE
from netwatchd.decoders.netflow.elements import ADDRESSES, INTEGERS, REVERSE, REVERSED

PLAIN = [Field(8, 4), Field(12, 4)]
NUMBERS = st.builds(
    Field, st.sampled_from(sorted(INTEGERS)), st.sampled_from([0, 1, 2, 3, 4, 5, 8, 9, VARIABLE]), st.just(0)
)
BACK = st.builds(Field, st.sampled_from(sorted(REVERSED)), st.integers(1, 8), st.just(REVERSE))
PLACES = st.builds(Field, st.sampled_from(sorted(ADDRESSES)), st.sampled_from([4, 16]), st.just(0))
UNKNOWN = st.builds(Field, st.integers(400, 500), st.integers(0, 12), st.sampled_from([0, 9]))


@settings(max_examples=300)
@given(
    fields=st.lists(NUMBERS | BACK | PLACES | UNKNOWN, max_size=12),
    data=st.binary(max_size=400),
    hold=st.sampled_from([0, 2000]),
)
def test_any_template_and_any_data_give_flows_that_can_be(fields: list[Field], data: bytes, hold: int) -> None:
    template = Template(300, [*PLAIN, *fields])
    here = Heard(hold=hold)
    here.hear(ipfix([template_set(10, template), data_set(template, data)], now=NOW))
    for flow in here.all():
        assert NOW - LONGEST - TOLERANCE <= flow.start <= flow.end <= NOW + TOLERANCE
        assert all(0 <= value < 2**63 for value in flow[8:12])
        assert type(flow.src_ip) is type(flow.dst_ip)
        assert flow.state
        assert max(flow.src_port, flow.dst_port) <= 0xFFFF
        assert flow.protocol <= 255
    assert not here.collector._halves._waiting


def usual(length: int) -> list[tuple[Field, Any]]:
    """The fields of a usual record, and its values; integers have so many bytes."""
    src, dst, sport, dport, protocol, flags, octets, packets, start, end = record()
    numbers = [(7, sport), (11, dport), (1, octets), (2, packets)]
    return [
        (Field(8, 4), src),
        (Field(12, 4), dst),
        (Field(4, 1), protocol),
        (Field(6, 1), flags),
        (Field(152, 8), start),
        (Field(153, 8), end),
        *((Field(element, length), value) for element, value in numbers),
    ]


@given(
    order=st.permutations(range(10)),
    length=st.sampled_from([2, 3, 4, 5, 6, 7, 8, VARIABLE]),
    between=st.lists(UNKNOWN, min_size=10, max_size=10),
    rate=st.sampled_from([1, 50]),
)
def test_a_record_is_the_same_in_any_order_and_length(
    order: Sequence[int], length: int, between: list[Field], rate: int
) -> None:
    fields, values = [], []
    for at in order:
        field, value = usual(length)[at]
        fields += [field, between[at]]
        values += [value, bytes(between[at].length)]
    template, rates = Template(300, fields), Template(301, "149 samplingInterval", scopes=1)
    here = Heard()
    here.templates(template, rates)
    here.records(rates, (0, rate))
    here.records(template, tuple(values), tuple(values))
    first, second = here.all()
    assert first[1:] == second[1:]
    assert (address_text(first.src_ip), address_text(first.dst_ip)) == (HERE, THERE)
    assert first[4:13:2] == (40000, 443, 10 * rate, 0, "closed")
    assert (first.protocol, first.bytes_out, first.start, first.end) == (6, 1000 * rate, NOW - 5000, NOW - 1000)
