"""Datagrams of NetFlow and IPFIX for `fuzz`, as `fuzz_targets` does it."""

from exporters import Exporter, Template, data_set, template_set, v5_record, withdrawal
from fuzz_targets import Target

from netwatchd.addresses import address_text, parse_address
from netwatchd.broadcast import messages
from netwatchd.decoders.exports import Exports
from netwatchd.decoders.netflow.kept import MOST_BYTES
from netwatchd.events import Flow

NOW = 1_795_000_000_000
EXPORTER = parse_address("192.168.1.1")
DAY = 86_400_000

PLAIN = "sourceIPv4Address destinationIPv4Address sourceTransportPort destinationTransportPort protocolIdentifier"
SIX = PLAIN.replace("IPv4", "IPv6")
OUT, BACK = ("192.168.1.10", "203.0.113.7", 40000, 443, 6), ("203.0.113.7", "192.168.1.10", 443, 40000, 6)
OUT6 = ("fd00::10", "2001:db8::7", 0, 0, 58)

UPTIME = Template(
    256, f"{PLAIN} octetDeltaCount packetDeltaCount flowStartSysUpTime flowEndSysUpTime tcpControlBits samplerId"
)
BOTH = Template(
    257, f"{SIX} octetTotalCount reverse:octetTotalCount flowStartMilliseconds flowEndMilliseconds 178/1 35632.80/v"
)
EVENTS = Template(
    258, f"{PLAIN} observationTimeMilliseconds firewallEvent initiatorOctets responderOctets 225/4 226/4 228/2"
)
SAMPLERS = Template(259, "149/4 samplerId samplerRandomInterval samplingInterval 160/8", scopes=1)


def messages_of(version: int) -> list[bytes]:
    """Templates, options and data of all kinds."""
    exporter = Exporter(version, booted=NOW - DAY)
    layouts = (UPTIME, EVENTS, SAMPLERS) if version == 9 else (UPTIME, BOTH, EVENTS, SAMPLERS)
    ordinary, options = template_set(version, *(t for t in layouts if not t.scopes)), template_set(version, SAMPLERS)
    halves = (UPTIME.record(*way, 500, 5, DAY - 9000, DAY - 100, 0x1B, 1) for way in (OUT, BACK))
    event = EVENTS.record(*OUT, NOW - 100, 2, 500, 4000, "203.0.113.1", "203.0.113.7", 443)
    rates = data_set(SAMPLERS, SAMPLERS.record(0, 1, 100, 10, NOW - DAY))
    told = [data_set(UPTIME, *halves), data_set(EVENTS, event), rates]
    if version == 10:
        told.append(data_set(BOTH, BOTH.record(*OUT6, 99, 88, NOW - 900, NOW - 100, 128, b"name")))
    return [
        exporter.datagram(NOW, ordinary, options, *told),
        exporter.datagram(NOW, *told, ordinary),
        exporter.datagram(
            NOW, *([withdrawal(256), withdrawal(2), withdrawal(3, options=True)] if version == 10 else told)
        ),
    ]


SEEDS = [*messages_of(9), *messages_of(10)]
OLD = Exporter(5, booted=NOW - DAY, sampling=10)
FIVE = OLD.flows(NOW, *(v5_record(*way[:2], ports=way[2:4], first=DAY - 900, last=DAY - 1) for way in (OUT, BACK)))


def read_export(data: bytes) -> str:
    """A datagram alone, then after templates, then again from another port: whatever becomes flows can be told."""
    counts: dict[str, int] = {}

    def count(name: str, n: int) -> None:
        assert n >= 0
        counts[name] = counts.get(name, 0) + n

    ids: list[int] = []

    def new_id(now: int, number: int = 1, /) -> int:
        first = max(ids[-1] + 1 if ids else 0, now << 12)
        ids.extend(range(first, first + number))
        return first

    exports = Exports(new_id, count)
    flows: list[Flow] = []
    for datagram, port in ((data, 1), (SEEDS[0], 1), (SEEDS[3], 1), (data, 1), (data, 2)):
        flows += exports.datagram(datagram, EXPORTER, NOW, port)
    flows += exports.due(NOW + 1000) + exports.due(NOW + 5000)
    exports.exporters()
    flows += exports.finish(NOW + 5000)
    assert exports.finish(NOW + 5000) == []
    assert sorted(flow.id for flow in flows) == ids
    for flow in flows:
        _can_be_told(flow)
    assert len(data) < MOST_BYTES
    return f"{min(len(flows), 9)} flows, {','.join(sorted(counts))}"


def _can_be_told(flow: Flow) -> None:
    messages.update(1, NOW, flow)
    assert flow.start <= flow.end <= NOW + 60_000, flow
    assert NOW - flow.start < 60 * DAY, flow
    assert type(flow.src_ip) is type(flow.dst_ip), flow
    assert all(parse_address(address_text(address)) == address for address in (flow.src_ip, flow.dst_ip)), flow
    assert all(0 <= port <= 0xFFFF for port in (flow.src_port, flow.dst_port)), flow
    assert 0 <= flow.protocol <= 0xFF, flow
    assert all(0 <= value < 2**63 for value in flow[8:12]), flow
    assert flow.origin and 1 <= flow.origin.sampling <= 2**24, flow


_REVERSE = b"\x80\1\0\4\0\0\x72\x79"  # octetDeltaCount of the other direction

NETFLOW = Target(
    "netflow",
    [*SEEDS, FIVE, b"\0\1" + FIVE[2:16] + FIVE[24:72] + bytes(4), b"\0\7" + FIVE[2:72] + bytes(4)],
    lambda data: read_export(data[:65535]),
    (
        b"\0\0\0\x08\1\0\0\1",
        b"\0\2\0\x08\1\0\0\0",
        b"\xff\xff",
        b"\1\0",
        b"\1\1",
        b"\1\3",
        b"\0\xe2\0\4",
        b"\x80\1\0\4\0\0\x72\x79",
    ),
)
