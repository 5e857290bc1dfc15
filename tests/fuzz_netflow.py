"""Datagrams of NetFlow and IPFIX for `fuzz`, as `fuzz_targets` does it."""

from exporters import Set, Template, data_set, ipfix, template_set, v5, v5_record, v9, withdrawal
from fuzz_targets import Target
from netflow_kit import COMMON, HERE, MS, MS6, NOW, THERE, UPTIME, Heard, record

from netwatchd.addresses import address_text, parse_address
from netwatchd.broadcast import messages
from netwatchd.decoders.netflow.clock import LONGEST, TOLERANCE
from netwatchd.decoders.netflow.loops import MOST_COUNT


def read_netflow(data: bytes) -> str:
    """Datagrams, each behind its length in two bytes: every flow can be told and stored, and nothing stays behind."""
    here = Heard()
    here.templates(MS)
    for port, datagram in enumerate(_split(data)):
        here.hear(datagram, port=port % 2)
        here.wait(100)
    begun = here.now
    for flow in here.all():
        messages.update(1, NOW, flow)
        assert type(flow.src_ip) is type(flow.dst_ip)
        assert all(parse_address(address_text(address)) == address for address in (flow.src_ip, flow.dst_ip))
        assert all(0 <= value <= 0xFFFF for value in (flow.src_port, flow.dst_port))
        assert 0 <= flow.protocol <= 255
        assert NOW - LONGEST - TOLERANCE <= flow.start <= flow.end <= begun + TOLERANCE
        assert all(0 <= value <= 2 * MOST_COUNT for value in flow[8:12])
    assert not here.collector._halves._waiting
    assert not here.collector._budget.used
    assert here.collector.finish(begun) == []
    return f"{min(len(here.flows), 3)} flows, {','.join(sorted(here.counts))}"


def _split(data: bytes) -> list[bytes]:
    parts, at = [], 0
    while at < len(data) and len(parts) < 20:
        length = int.from_bytes(data[at : at + 2], "big")
        parts.append(data[at + 2 : at + 2 + length])
        at += 2 + length
    return parts


def _together(*datagrams: bytes) -> bytes:
    return b"".join(len(datagram).to_bytes(2, "big") + datagram for datagram in datagrams)


_ODD = Template(
    300,
    "sourceIPv6Address destinationIPv6Address 7/4 11/3 protocolIdentifier octetDeltaCount/v packetDeltaCount/3 "
    "35632.7/5 icmpTypeCodeIPv6 flowDurationMilliseconds 9.100/v biflowDirection reverse:octetDeltaCount/5",
)
_OPTIONS = Template(301, "149 selectorId samplingPacketInterval samplingPacketSpace systemInitTimeMilliseconds", 1)
_SAMPLED = Template(302, COMMON + "flowDirection selectorId flowEndReason flowStartSysUpTime flowEndSysUpTime")
_EVENTS = Template(303, "8 12 7 11 4 233 230 231 232 323 226 228".replace(" ", "/4 ") + "/4")
_BOTH = Template(304, "8/4 12/4 27/16 28/16 4/1 60/1 1/4 2/4 23/4 24/4 154/8 156/8 176/1 177/1")
_FIVE = [
    v5_record(HERE, THERE, ports=(1, 2), first=10, last=20),
    v5_record(THERE, HERE, ports=(2, 1), first=10, last=20),
]


def _ipfix(*sets: Set, number: int = 0) -> bytes:
    return ipfix(sets, now=NOW, sequence=number)


NETFLOW = Target(
    "netflow",
    [
        _together(
            v5(_FIVE, now=NOW, uptime=100), v5(_FIVE, now=5, uptime=5, sampling=10, sequence=2), b"\0\1\0\0" + bytes(12)
        ),
        _together(
            v9([template_set(9, UPTIME, MS6)], now=NOW, uptime=90_000),
            v9([data_set(UPTIME, UPTIME.record(*record(times=(1000, 2000))))], now=NOW, uptime=90_000, sequence=1),
        ),
        _together(
            _ipfix(data_set(MS, MS.record(*record()), MS.record(*record(False)))),
            _ipfix(
                data_set(
                    _ODD, _ODD.record("fd00::1", "fd00::2", 5, 6, 58, 700, 8, b"12345", 0x8000, 9, b"x" * 300, 2, 1)
                )
            ),
            _ipfix(template_set(10, _ODD, _EVENTS), number=3),
            _ipfix(withdrawal(300), withdrawal(2), number=3),
        ),
        _together(
            _ipfix(template_set(10, _SAMPLED, _BOTH), template_set(10, _OPTIONS)),
            _ipfix(data_set(_OPTIONS, _OPTIONS.record(0, 7, 1, 99, NOW - 5000))),
            _ipfix(data_set(_SAMPLED, _SAMPLED.record(*record()[:8], 1, 7, 2, 100, 200)), number=1),
            _ipfix(
                data_set(_BOTH, _BOTH.record(HERE, THERE, "::", "::", 1, 4, 5, 6, 7, 8, 1 << 63, 1 << 50, 8, 0)),
                number=2,
            ),
        ),
        _together(
            _ipfix(template_set(10, _EVENTS)),
            _ipfix(data_set(_EVENTS, _EVENTS.record(1, 2, 3, 4, 6, 2, 0, 500, 600, 7, 8, 9))),
        ),
    ],
    read_netflow,
    (
        b"\0\2\0\x0c",
        b"\0\3\0\x10",
        b"\xff\xff",
        b"\x80\x01\0\4\0\0\x72\x79",
        b"\1\1",
        MS.specifiers(),
        _SAMPLED.specifiers(),
    ),
)
