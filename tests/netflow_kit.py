"""An exporter and the collector that hears it, at any time."""

from collections import Counter

from exporters import Exporter, Set, Template, Value, data_set

from netwatchd.addresses import address_text, parse_address
from netwatchd.decoders.netflow.collector import Collector
from netwatchd.events import Flow, new_event_id

NOW = 1_795_000_000_000
BOOTED = NOW - 3_600_000
ROUTER = parse_address("192.168.1.1")
HERE, THERE = "192.168.1.10", "198.51.100.7"
HERE6, THERE6 = "fd00::10", "2001:db8::7"

# Addresses, ports, protocol, flags, octets, packets; and times: of the uptime, or of 1970.
COMMON = (
    "sourceIPv4Address destinationIPv4Address sourceTransportPort destinationTransportPort protocolIdentifier "
    "tcpControlBits octetDeltaCount packetDeltaCount "
)
UPTIME = Template(256, COMMON + "flowStartSysUpTime flowEndSysUpTime")
MS = Template(257, COMMON + "flowStartMilliseconds flowEndMilliseconds")
MS6 = Template(258, COMMON.replace("IPv4", "IPv6") + "flowStartMilliseconds flowEndMilliseconds")


class Ids:
    """Gives the ids of flows, as the daemon does."""

    def __init__(self) -> None:
        self.last = 0

    def __call__(self, now: int, count: int = 1, /) -> int:
        first = new_event_id(self.last, now)
        self.last = first + count - 1
        return first


class Heard:
    """A collector, and what one exporter has told it."""

    def __init__(self, version: int = 10, *, hold: int = 2000, domain: int = 0, booted: int = BOOTED) -> None:
        self.counts: Counter[str] = Counter()
        self.exporter = Exporter(version, domain=domain, booted=booted)
        self.collector = Collector(Ids(), self._add, hold)
        self.flows: list[Flow] = []
        self.now = NOW

    def _add(self, name: str, n: int) -> None:
        self.counts[name] += n

    def hear(self, data: bytes, *, exporter: int | bytes = ROUTER, port: int = 50000) -> None:
        """Takes a datagram."""
        self.flows += self.collector.datagram(data, exporter, self.now, port)

    def sets(self, *sets: Set) -> None:
        """Takes the exporter's next datagram."""
        self.hear(self.exporter.datagram(self.now, *sets))

    def templates(self, *templates: Template) -> None:
        """Takes templates."""
        self.hear(self.exporter.templates(self.now, *templates))

    def records(self, template: Template, *records: tuple[Value, ...]) -> None:
        """Takes a data set."""
        self.sets(data_set(template, *(template.record(*values) for values in records)))

    def wait(self, ms: int) -> None:
        """So much time passes."""
        for _ in range(0, ms, 100):
            self.now += 100
            self.flows += self.collector.due(self.now)

    def all(self) -> list[Flow]:
        """All flows, in the end."""
        self.flows += self.collector.finish(self.now)
        return self.flows


def record(
    out: bool = True,
    *,
    ports: tuple[int, int] = (40000, 443),
    protocol: int = 6,
    flags: int = 0x1B,
    octets: int = 1000,
    packets: int = 10,
    times: tuple[int, int] = (NOW - 5000, NOW - 1000),
) -> tuple[Value, ...]:
    """The values of COMMON and two times; the way back where not `out`."""
    ends = ((HERE, ports[0]), (THERE, ports[1]))
    (src, sport), (dst, dport) = ends if out else ends[::-1]
    return (src, dst, sport, dport, protocol, flags, octets, packets, *times)


def told(flow: Flow) -> tuple[str, int, str, int, int, int]:
    """Who opened it with whom, and its bytes out and in."""
    return (
        address_text(flow.src_ip),
        flow.src_port,
        address_text(flow.dst_ip),
        flow.dst_port,
        flow.bytes_out,
        flow.bytes_in,
    )
