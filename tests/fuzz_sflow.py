"""Datagrams of sFlow for `fuzz`, as `fuzz_targets` does it."""

from fuzz_targets import Target, in_short
from sflow_kit import (
    ANSWER,
    COUNTERS,
    EXPANDED_COUNTERS,
    EXPORTER,
    GATEWAY,
    ME,
    ME6,
    NOW,
    ROUTER,
    SWITCH,
    WEB,
    YOU,
    YOU6,
    Heard,
    datagram,
    ethernet,
    expanded_sample,
    flow_sample,
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

from netwatchd.addresses import address_text, parse_address
from netwatchd.broadcast import messages
from netwatchd.decoders.sflow import Malformed
from netwatchd.decoders.sflow.conversations import WINDOW


def read_sflow(data: bytes) -> str:
    """A datagram, twice: no flow is made up, every one can be told, and nothing stays behind."""
    here = Heard()
    try:
        flows = here.decoder.datagram(data, EXPORTER, NOW) + here.decoder.datagram(data, YOU6, NOW)
    except Malformed as error:
        return in_short(error)
    flows += here.decoder.due(NOW + WINDOW)
    assert not len(here.decoder)
    assert len(flows) <= here.counts["samples"]
    assert [flow.id for flow in flows] == here.ids
    for flow in flows:
        messages.update(1, NOW, flow)
        assert type(flow.src_ip) is type(flow.dst_ip)
        assert all(parse_address(address_text(address)) == address for address in (flow.src_ip, flow.dst_ip))
        assert all(0 <= port <= 0xFFFF for port in (flow.src_port, flow.dst_port))
        assert all(0 <= value < 2**63 for value in flow[8:12])
    return f"{min(len(flows), 3)} flows, {','.join(sorted(here.counts))}"


_NAT = typed(1007, xdr_address(ME) + xdr_address(YOU)), typed(1020, bytes(8))
_SIX = ethernet(ipv6(ME6, YOU6, bytes([44, 0]) + bytes(6) + bytes([17, 0, 0, 1, 0, 0, 0, 1]) + udp(1, 2), 0), 0x88A8)
_LABELLED = ethernet(b"\0\1\0\x40\0\2\1\x40" + ipv4(ME, YOU, tcp(1, 2), options=1), kind=0x8847)

SFLOW = Target(
    "sflow",
    [
        datagram(flow_sample(raw(WEB), SWITCH, ROUTER), flow_sample(raw(ANSWER), GATEWAY), COUNTERS),
        datagram(expanded_sample(raw(_SIX), *_NAT, rate=2**32 - 1), EXPANDED_COUNTERS, agent=YOU6, sub=3),
        datagram(flow_sample(sampled_ipv4(ME, YOU, (1, 2), 6, 2**32 - 1)), flow_sample(raw(_LABELLED)), agent=None),
        datagram(expanded_sample(sampled_ipv6(ME6, YOU6, (1, 2), 6, 60)), flow_sample(raw(WEB[14:], 11), *_NAT)),
        datagram(typed(5, bytes(32)), flow_sample(raw(b"\x0f\0\x08\0" + WEB[14:], 14)), said=9),
    ],
    read_sflow,
    (SWITCH, ROUTER, raw(WEB), COUNTERS, b"\x81\0\0\1", b"\x88\x47", b"\0\0\x03\xef"),
)
