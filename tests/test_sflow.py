"""sFlow version 5: what the agents of switches and routers sampled becomes flows."""

import struct
from pathlib import Path

import pytest
from sflow_kit import (
    ACK,
    AGENT,
    ANSWER,
    COUNTERS,
    EXPANDED_COUNTERS,
    EXPORTER,
    GATEWAY,
    ME,
    ME6,
    MINE,
    MINE6,
    NOW,
    ROUTER,
    SWITCH,
    SYN,
    WEB,
    YOU,
    YOU6,
    counts,
    datagram,
    ends,
    ethernet,
    expanded_sample,
    flow_sample,
    heard,
    ipv4,
    ipv6,
    raw,
    sampled_ipv4,
    sampled_ipv6,
    tcp,
    typed,
    udp,
    xdr_address,
)

from netwatchd.addresses import parse_address
from netwatchd.decoders.sflow import SflowDecoder
from netwatchd.events import Flow, Origin

DATA = Path(__file__).parent.parent.parent / "shared" / "data"


def only(*records: bytes, **sampling: int) -> Flow:
    """The one flow of one sample."""
    (flow,), _ = heard(datagram(flow_sample(*records, **sampling)))
    return flow


def test_both_directions_of_a_conversation_are_one_flow_times_the_sampling_rate() -> None:
    (flow,), here = heard(
        datagram(flow_sample(raw(WEB), rate=512), flow_sample(raw(ANSWER), sequence=2, rate=512), sub=7),
        datagram(flow_sample(raw(ANSWER), sequence=3, rate=512), sub=7, sequence=2),
    )
    assert ends(flow) == MINE
    assert counts(flow) == (512, 512 * 140, 1024, 1024 * 1040)
    assert flow.origin == Origin(EXPORTER, 7, 512)
    assert (flow.start, flow.end, flow.state, flow.source) == (NOW, NOW + 1000, "closed", "sflow")
    assert flow.id == here.ids[0]
    assert here.counts == {"samples": 3}


def test_the_coarsest_rate_is_recorded_and_each_sample_counts_by_its_own() -> None:
    (flow,), _ = heard(datagram(flow_sample(raw(WEB), rate=100), flow_sample(raw(ANSWER), source=4, rate=1000)))
    assert counts(flow) == (100, 100 * 140, 1000, 1000 * 1040)
    assert flow.origin and flow.origin.sampling == 1000


def test_a_rate_of_none_is_one() -> None:
    assert counts(only(raw(WEB), rate=0)) == (1, 140, 0, 0)


SIX = ipv6(ME6, YOU6, tcp(40000, 443, ACK, 100))
LINKS = {
    "ethernet": (1, WEB),
    "vlan": (1, ethernet(ipv4(ME, YOU, tcp(40000, 443, ACK, 100)), 0x8100)),
    "qinq": (1, ethernet(ipv4(ME, YOU, tcp(40000, 443, ACK, 100)), 0x88A8, 0x8100)),
    "snap": (1, b"\2" * 12 + b"\0\x94\xaa\xaa\x03\0\0\0\x08\0" + WEB[14:]),
    "mpls": (1, ethernet(b"\0\1\0\x40\0\2\1\x40" + WEB[14:], kind=0x8847)),
    "pppoe": (1, ethernet(b"\x11\0\0\1\0\x8e\0\x21" + WEB[14:], kind=0x8864)),
    "ppp": (7, b"\xff\x03\0\x21" + WEB[14:]),
    "ppp, compressed": (7, b"\0\x21" + WEB[14:]),
    "ip": (11, WEB[14:]),
    "labels": (13, b"\0\1\1\x40" + WEB[14:]),
    "pos": (14, b"\xff\x03\0\x21" + WEB[14:]),
    "802.11": (15, b"\x08\1\0\0" + b"\2" * 18 + b"\0\0" + b"\xaa\xaa\x03\0\0\0\x08\0" + WEB[14:]),
    "hdlc": (14, b"\x0f\0\x08\0" + WEB[14:]),
}


@pytest.mark.parametrize("name", LINKS)
def test_the_packet_is_found_below_every_link(name: str) -> None:
    protocol, frame = LINKS[name]
    flow = only(raw(frame, protocol))
    assert (ends(flow), counts(flow)) == (MINE, (1, 140, 0, 0))


@pytest.mark.parametrize(("protocol", "frame"), [(1, ethernet(SIX, 0x8100)), (12, SIX), (13, b"\0\1\1\x40" + SIX)])
def test_ipv6_is_found_too(protocol: int, frame: bytes) -> None:
    flow = only(raw(frame, protocol))
    assert (ends(flow), counts(flow)) == (MINE6, (1, 160, 0, 0))


def test_the_padding_and_checksum_of_a_frame_are_not_counted() -> None:
    short = ethernet(ipv4(ME, YOU, tcp(40000, 443))) + bytes(6)
    assert counts(only(raw(short, frame_length=64))) == (1, 40, 0, 0)


def test_a_packet_of_which_only_the_beginning_was_sampled_counts_whole() -> None:
    long = ethernet(ipv4(ME, YOU, tcp(40000, 443), length=1500))
    assert counts(only(raw(long, frame_length=1518))) == (1, 1500, 0, 0)


def test_a_length_that_the_network_card_fills_in_later_is_that_of_the_frame() -> None:
    for packet in (ipv4(ME, YOU, tcp(40000, 443), length=0), ipv6(ME6, YOU6, tcp(40000, 443), length=0)):
        assert counts(only(raw(ethernet(packet), frame_length=9014, stripped=0))) == (1, 9000, 0, 0)


def test_no_packet_is_longer_than_its_frame() -> None:
    assert counts(only(raw(ethernet(ipv4(ME, YOU, tcp(40000, 443), length=65535)), frame_length=114))) == (1, 100, 0, 0)


def test_a_frame_is_not_shorter_than_what_was_sampled_of_it() -> None:
    for length in (0, 10, 153):
        assert counts(only(raw(WEB, frame_length=length))) == (1, 140, 0, 0)


@pytest.mark.parametrize("sampled", [64, 128, 256])
def test_an_agent_may_give_the_length_of_what_it_sampled_for_that_of_the_frame(sampled: int) -> None:
    for packet in (ipv4(ME, YOU, tcp(40000, 443, ACK, 1460)), ipv6(ME6, YOU6, tcp(40000, 443, ACK, 1440))):
        header = ethernet(packet, 0x8100)[:sampled]
        assert counts(only(raw(header, frame_length=sampled + 4))) == (1, 1500, 0, 0)
        assert counts(only(raw(header, frame_length=sampled, stripped=0))) == (1, 1500, 0, 0)
    whole = ethernet(ipv4(ME, YOU, tcp(40000, 443, ACK, 1460), length=0))[:sampled]
    assert counts(only(raw(whole, frame_length=sampled + 4))) == (1, sampled + 4 - 14, 0, 0)


def test_later_fragments_have_no_ports() -> None:
    first = only(raw(ethernet(ipv4(ME, YOU, udp(5000, 53, 100), 17, fragment=0x2000))))
    assert (first.src_port, first.dst_port) == (5000, 53)
    later = only(raw(ethernet(ipv4(ME, YOU, b"\x13\x88\0\x35" * 9, 17, fragment=0x2010))))
    assert (later.src_port, later.dst_port, later.protocol) == (0, 0, 17)
    six = ipv6(ME6, YOU6, bytes([17, 0, 0x05, 0x78, 0, 0, 0, 1]) + udp(5000, 53, 10), 44)
    assert only(raw(ethernet(six)))[4:8] == (0, YOU6, 0, 17)


def test_ports_stand_behind_options_and_extension_headers() -> None:
    assert ends(only(raw(ethernet(ipv4(ME, YOU, tcp(40000, 443), options=2))))) == MINE
    headers = bytes([60, 0]) + bytes(6) + bytes([51, 1]) + bytes(14) + bytes([44, 4]) + bytes(22)
    upper = headers + bytes([6, 0, 0, 1, 0, 0, 0, 1]) + tcp(40000, 443)
    assert ends(only(raw(ethernet(ipv6(ME6, YOU6, upper, 0))))) == MINE6


def test_ports_are_enough_of_a_header_that_was_cut_off() -> None:
    assert ends(only(raw(WEB[: 14 + 20 + 4]))) == MINE


def test_fields_that_the_agent_took_from_the_packet_serve_where_there_is_no_header() -> None:
    flow = only(sampled_ipv4(ME, YOU, (40000, 443), 6, 1400), rate=10)
    assert (ends(flow), counts(flow)) == (MINE, (10, 14000, 0, 0))
    flow = only(typed(2, bytes(24)), sampled_ipv6(ME6, YOU6, (40000, 443), 6, 1400), rate=10)
    assert (ends(flow), counts(flow)) == (MINE6, (10, 14000, 0, 0))
    cut = only(raw(WEB[: 14 + 20 + 2]), typed(2, bytes(24)), sampled_ipv4(ME, YOU, (40000, 443), 6, 1400))  # Huawei
    assert (ends(cut), counts(cut)) == (MINE, (1, 1400, 0, 0))
    both = only(sampled_ipv4(ME, YOU, (1, 2), 17, 99), raw(WEB))
    assert (ends(both), counts(both)) == (MINE, (1, 140, 0, 0))


def test_records_that_tell_no_flows_are_skipped() -> None:
    flow = only(SWITCH, ROUTER, GATEWAY, typed(1, b"who knows", enterprise=4413), raw(WEB), typed(1022, b""))
    assert ends(flow) == MINE


def test_what_is_longer_than_the_standard_says_is_passed_over() -> None:
    longer = flow_sample(raw(WEB) + bytes(4)), flow_sample(typed(1002, bytes(24)), raw(ANSWER), sequence=2)
    (flow,), here = heard(datagram(*longer))
    assert (ends(flow), counts(flow), here.counts) == (MINE, (1, 140, 1, 1040), {"samples": 2})


def test_expanded_samples_are_read() -> None:
    (flow,), _ = heard(datagram(expanded_sample(SWITCH, raw(WEB), rate=16383, source=1_000_100)))
    assert (ends(flow), counts(flow)) == (MINE, (16383, 16383 * 140, 0, 0))


def test_counters_discarded_packets_and_unknown_samples_are_skipped_and_counted() -> None:
    unknown = typed(9, b"12345", enterprise=9)
    discarded = typed(5, bytes(32))
    data = datagram(COUNTERS, EXPANDED_COUNTERS, unknown, discarded, flow_sample(raw(WEB)))
    (flow,), here = heard(data)
    assert ends(flow) == MINE
    assert here.counts == {"skipped.counters": 2, "skipped.samples": 1, "skipped.discarded": 1, "samples": 1}


@pytest.mark.parametrize(
    ("frame", "why"),
    [
        (ethernet(b"\0" * 28, kind=0x0806), "not_ip"),
        (ethernet(b"\x42\x42\x03" + bytes(35), kind=38), "llc"),
        (ethernet(b"\x65" + bytes(30), kind=0x0800), "ip_header"),
        (ethernet(b"\x43" + bytes(30), kind=0x0800), "ip_header"),
        (b"\2" * 12 + b"\x81\0\0\1" * 12, "short"),
        (ethernet(b"\0\1\0\x40" * 12, kind=0x8847), "short"),
        (ethernet(ipv4(ME, YOU, tcp(40000, 443)))[:36], "short"),
        (ethernet(ipv4(ME, YOU, tcp(40000, 443), length=19)), "ip_length"),
    ],
)
def test_what_is_no_ip_is_counted_with_the_reason(frame: bytes, why: str) -> None:
    flows, here = heard(datagram(flow_sample(raw(frame)), flow_sample(raw(WEB, 6)), flow_sample()))
    assert (flows, here.counts) == (
        [],
        {"samples": 3, f"skipped.{why}": 1, "skipped.link_type": 1, "skipped.no_header": 1},
    )


# Who opened the conversation.


def test_the_side_that_sent_a_syn_has_opened_it_whatever_its_port() -> None:
    syn, answer = (
        raw(ethernet(ipv4(*way))) for way in ((YOU, ME, tcp(20, 5000, SYN)), (ME, YOU, tcp(5000, 20, SYN | ACK)))
    )
    late = raw(ethernet(ipv4(ME, YOU, tcp(5000, 20))))
    for records in ([syn], [answer], [late, syn], [syn, late, late], [late, answer]):
        (flow,), _ = heard(*(datagram(flow_sample(record)) for record in records))
        assert ends(flow) == ("198.51.100.7", 20, "192.168.1.10", 5000, 6)


def test_without_one_the_lower_port_has_answered() -> None:
    assert ends(only(raw(ANSWER))) == MINE
    assert counts(only(raw(ANSWER))) == (0, 0, 1, 1040)


def test_a_group_opens_nothing() -> None:
    group = parse_address("224.0.0.251")
    flow = only(raw(ethernet(ipv4(ME, group, udp(53, 5353), 17))))
    assert ends(flow)[:4] == ("192.168.1.10", 53, "224.0.0.251", 5353)
    flow = only(raw(ethernet(ipv6(ME6, parse_address("ff02::fb"), udp(53, 5353), 17))))
    assert ends(flow)[:4] == ("fd00::10", 53, "ff02::fb", 5353)


def test_where_nothing_tells_it_is_who_was_heard_first() -> None:
    there, back = (raw(ethernet(ipv4(*way, udp(123, 123), 17))) for way in ((YOU, ME), (ME, YOU)))
    (flow,), _ = heard(datagram(flow_sample(there), flow_sample(back)))
    assert (flow.src_ip, counts(flow)) == (YOU, (1, 28, 1, 28))
    other = ethernet(ipv4(YOU, ME, bytes(8), 47))
    assert ends(only(raw(other))) == ("198.51.100.7", 0, "192.168.1.10", 0, 47)


def test_an_echo_and_its_reply_are_one_conversation() -> None:
    reply, request = (raw(ethernet(ipv4(*way, 1))) for way in ((ME, YOU, b"\0" * 64), (YOU, ME, b"\x08" + bytes(63))))
    for records in ((reply, request), (request, reply)):
        (flow,), _ = heard(datagram(*map(flow_sample, records)))
        assert (ends(flow), counts(flow)) == (("198.51.100.7", 8, "192.168.1.10", 0, 1), (1, 84, 1, 84))
    six = only(raw(ethernet(ipv6(ME6, YOU6, b"\x81" + bytes(63), 58))))
    assert (ends(six), counts(six)) == (("2001:db8::7", 128, "fd00::10", 0, 58), (0, 0, 1, 104))


def test_an_icmp_error_comes_from_who_sends_it() -> None:
    for src, dst in ((ME, YOU), (YOU, ME)):
        flow = only(raw(ethernet(ipv4(src, dst, b"\3\1" + bytes(40), 1))))
        assert flow[3:8] == (src, 3, dst, 1, 1)


def test_translated_addresses_are_those_of_the_hosts_behind() -> None:
    outside = parse_address("203.0.113.1")
    going = typed(1007, xdr_address(outside) + xdr_address(YOU)), typed(1020, struct.pack(">II", 61000, 443))
    coming = typed(1007, xdr_address(YOU) + xdr_address(ME)), typed(1020, struct.pack(">II", 443, 40000))
    answer = raw(ethernet(ipv4(YOU, outside, tcp(443, 61000, ACK, 1000))))
    (flow,), _ = heard(datagram(flow_sample(raw(WEB), *going), flow_sample(answer, *coming)))
    assert (ends(flow), counts(flow)) == (MINE, (1, 140, 1, 1040))


# What others recorded.


@pytest.mark.skipif(not DATA.is_dir(), reason="needs the recordings in ../shared/data")
def test_a_recorded_datagram_of_a_firewall_is_read() -> None:
    path = DATA / "influxdata+telegraf/plugins/inputs/netflow/testcases/sflow_issue_15918/message.bin"
    flows, here = heard(path.read_bytes())
    assert {(*ends(flow), *counts(flow)) for flow in flows} == {
        ("192.168.153.106", 64969, "142.250.185.14", 443, 17, 200, 11800, 200, 140200),
        ("192.168.227.2", 49469, "192.168.101.2", 2055, 17, 200, 253600, 0, 0),
        ("192.168.100.104", 52851, "142.250.200.99", 443, 17, 0, 0, 200, 109000),
        ("fe80::f3a8:9738:cab4:2286", 143, "ff02::16", 0, 58, 200, 19200, 0, 0),
        ("fe80::f3a8:9738:cab4:2286", 49770, "ff02::1:3", 5355, 17, 200, 15000, 0, 0),
    }
    assert here.counts == {"samples": 6, "skipped.counters": 1}


def test_the_decoder_can_be_told_who_it_works_for() -> None:
    decoder = SflowDecoder(lambda now, count=1, /: now << 12, lambda name, n: None, source="switch")
    decoder.datagram(datagram(flow_sample(raw(WEB)), agent=AGENT), EXPORTER, NOW)
    assert [flow.source for flow in decoder.finish()] == ["switch"]
