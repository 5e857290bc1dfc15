"""What agents of sFlow number, repeat and lose; when flows are told; and what damaged datagrams do."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sflow_kit import (
    ACK,
    EXPORTER,
    ME,
    ME6,
    MINE,
    MINE6,
    NOW,
    WEB,
    YOU,
    YOU6,
    Heard,
    counts,
    datagram,
    ends,
    ethernet,
    expanded_sample,
    flow_sample,
    heard,
    ipv4,
    ipv6,
    packed,
    raw,
    sampled_ipv4,
    tcp,
    typed,
    udp,
)

from netwatchd.decoders.sflow import Malformed
from netwatchd.decoders.sflow.conversations import MOST_CONVERSATIONS, WINDOW
from netwatchd.events import Origin

# What is sampled twice, and what is lost.


def test_a_packet_that_is_sampled_where_it_comes_in_and_where_it_leaves_counts_once() -> None:
    ways = {"came": 3, "left": 4, "rate": 10}
    samples = [flow_sample(raw(WEB), source=source, **ways) for source in (3, 4, 3)]
    (flow,), _ = heard(datagram(*samples))
    assert counts(flow) == (20, 2800, 0, 0)
    samples = [expanded_sample(raw(WEB), source=source, **ways) for source in (4, 3, 4)]
    (flow,), _ = heard(datagram(*samples))
    assert counts(flow) == (20, 2800, 0, 0)


def test_what_comes_in_at_several_ports_is_added() -> None:
    (flow,), _ = heard(datagram(*(flow_sample(raw(WEB), source=port, came=port, left=9) for port in (1, 2, 3))))
    assert counts(flow) == (3, 420, 0, 0)


def test_lost_datagrams_and_samples_are_counted_by_their_numbers() -> None:
    web = raw(WEB)
    _, here = heard(
        datagram(flow_sample(web, sequence=10), sequence=100),
        datagram(flow_sample(web, sequence=11), flow_sample(web, sequence=70, source=4), sequence=101),
        datagram(flow_sample(web, sequence=15, drops=2), sequence=104),
        datagram(flow_sample(web, sequence=71, source=4), sequence=105),
    )
    assert here.counts == {"samples": 5, "lost.datagrams": 2, "lost.samples": 3, "lost.by_agent": 2}


def test_numbers_that_wrap_around_lose_nothing() -> None:
    last = 0xFFFFFFFF
    _, here = heard(
        datagram(flow_sample(raw(WEB), sequence=last), sequence=last, uptime=last),
        datagram(flow_sample(raw(WEB), sequence=0), sequence=0, uptime=900),
        datagram(flow_sample(raw(WEB), sequence=2), sequence=2, uptime=1900),
    )
    assert here.counts == {"samples": 3, "lost.datagrams": 1, "lost.samples": 1}


def test_what_comes_late_is_not_lost_twice() -> None:
    _, here = heard(*(datagram(sequence=number, uptime=number * 1000) for number in (1, 2, 4, 3, 5)))
    assert here.counts["lost.datagrams"] == 1


def test_an_agent_that_started_again_has_lost_nothing() -> None:
    _, here = heard(
        datagram(flow_sample(raw(WEB), sequence=900_000), sequence=800_000, uptime=90_000_000),
        datagram(flow_sample(raw(WEB), sequence=1), sequence=1, uptime=1000),
        datagram(flow_sample(raw(WEB), sequence=2), sequence=2, uptime=2000),
        datagram(sequence=900, uptime=3_000_000),
        datagram(sequence=1, uptime=7),
        datagram(sequence=3, uptime=90),
    )
    assert here.counts == {"samples": 3, "lost.datagrams": 897 + 1}


def test_agents_and_their_parts_are_numbered_on_their_own() -> None:
    here = Heard()
    for exporter, agent, sub in ((1, 1, 0), (2, 1, 0), (1, 2, 0), (1, 1, 9), (1, None, 0), (1, YOU6, 0)):
        here.decoder.datagram(datagram(agent=agent, sub=sub, sequence=exporter * 50 + sub), exporter, NOW)
    assert here.counts["lost.datagrams"] == 0
    for exporter in (1, 2):
        here.decoder.datagram(datagram(flow_sample(raw(WEB)), agent=1, sequence=exporter * 50 + 1), exporter, NOW)
    assert here.counts["lost.datagrams"] == 0
    assert [flow.origin for flow in here.decoder.finish()] == [Origin(1), Origin(2)]


# When flows are told, and what is kept until then.


def test_a_conversation_is_told_when_its_time_has_come() -> None:
    here = Heard()
    assert here.decoder.datagram(datagram(flow_sample(raw(WEB))), EXPORTER, NOW) == []
    assert here.decoder.due(NOW + WINDOW - 1) == []
    dns = raw(ethernet(ipv4(ME, YOU, udp(5000, 53), 17)))
    (flow,) = here.decoder.datagram(datagram(flow_sample(dns), sequence=2), EXPORTER, NOW + WINDOW)
    assert (ends(flow), flow.end) == (MINE, NOW)
    assert here.decoder.datagram(datagram(flow_sample(raw(WEB)), sequence=3), EXPORTER, NOW + WINDOW) == []
    assert len(here.decoder.due(NOW + 2 * WINDOW)) == 2
    assert here.decoder.finish() == []
    assert len(set(here.ids)) == 3


def test_a_clock_that_is_set_back_keeps_nothing_for_ever() -> None:
    here = Heard()
    here.decoder.datagram(datagram(flow_sample(raw(WEB))), EXPORTER, NOW)
    assert here.decoder.due(NOW - 50) == []
    assert len(here.decoder.due(NOW - 86_400_000)) == 1


def test_more_conversations_than_are_kept_are_told_before_their_time() -> None:
    here = Heard()
    told = 0
    for number in range(MOST_CONVERSATIONS + 50):
        sample = flow_sample(sampled_ipv4(number, YOU, (40000, 443), 6, 100), sequence=number)
        told += len(here.decoder.datagram(datagram(sample, sequence=number), EXPORTER, NOW))
        assert len(here.decoder) <= MOST_CONVERSATIONS
    assert told == 50
    assert len(here.decoder.finish()) == MOST_CONVERSATIONS


# Damage.


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "an sFlow datagram of 0 bytes"),
        (datagram(version=4), "sFlow of version 4"),
        (datagram(version=0x00050018), "no sFlow"),
        (datagram()[:27], "an sFlow datagram of 27 bytes"),
        (struct.pack(">II", 5, 3) + bytes(40), "an sFlow datagram of 48 bytes"),
        (struct.pack(">II", 5, 2) + bytes(15), "an sFlow datagram of 23 bytes"),
    ],
)
def test_what_is_no_sflow_is_said(data: bytes, why: str) -> None:
    with pytest.raises(Malformed) as caught:
        heard(data)
    assert str(caught.value) == why


def test_damage_costs_only_what_is_behind_it() -> None:
    good, short = flow_sample(raw(WEB)), typed(1, bytes(31))
    beyond = struct.pack(">II", 1, 10_000) + bytes(32)
    for data, damage in (
        (datagram(good, said=9), "malformed.lengths"),
        (datagram(good, b"\0\0", said=2), "malformed.lengths"),
        (datagram(good, beyond), "malformed.lengths"),
        (datagram(short, good), "malformed.samples"),
        (datagram(flow_sample(typed(1, bytes(8)), raw(WEB))), "malformed.records"),
        (datagram(flow_sample(typed(3, bytes(27)), raw(WEB))), "malformed.records"),
        (datagram(flow_sample(typed(1007, bytes(2)), raw(WEB))), "malformed.records"),
        (datagram(flow_sample(raw(WEB), beyond)), "malformed.lengths"),
    ):
        (flow,), here = heard(data)
        assert ends(flow) == MINE
        assert here.counts == {"samples": 1, damage: 1}


@given(st.lists(st.binary(max_size=200), max_size=4), st.integers(0, 2**32 - 1))
def test_any_header_and_any_record_are_survived(headers: list[bytes], rate: int) -> None:
    samples = [
        flow_sample(
            raw(ethernet(b"\x45" + header)), typed(len(header), header), raw(header, len(header) % 15), rate=rate
        )
        for header in headers
    ]
    flows, here = heard(datagram(*samples))
    assert here.counts["samples"] == len(headers)
    for flow in flows:
        assert flow.packets_out + flow.packets_in <= len(headers) * max(rate, 1)
        assert packed(flow.src_ip) and 0 <= flow.src_port <= 0xFFFF and 0 <= flow.protocol <= 0xFF
        assert all(0 <= value < 2**63 for value in counts(flow))


@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 1400), st.integers(1, 5000), st.integers(0, 3)), min_size=1),
    st.sampled_from([(ME, YOU, ipv4), (ME6, YOU6, ipv6)]),
)
def test_what_is_sampled_is_neither_lost_nor_invented(samples: list, family: tuple) -> None:
    me, you, ip = family
    here, flows, sums = Heard(), [], [0, 0, 0, 0]
    for back, carried, rate, seconds in samples:
        way = (you, me, tcp(443, 40000, ACK, carried)) if back else (me, you, tcp(40000, 443, ACK, carried))
        packet = ip(*way)
        data = datagram(flow_sample(raw(ethernet(packet)), rate=rate))
        flows += here.decoder.datagram(data, EXPORTER, NOW + seconds * WINDOW // 2)
        sums[2 * back] += rate
        sums[2 * back + 1] += rate * len(packet)
    flows += here.decoder.finish()
    assert [sum(flow[8 + at] for flow in flows) for at in range(4)] == sums
    assert {ends(flow) for flow in flows} == {MINE if ip is ipv4 else MINE6}
