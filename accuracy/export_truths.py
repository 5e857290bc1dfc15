"""What others found in the recorded exports: tshark, and the projects whose test suites they come from."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from accuracy.export_records import NOTHING, Counts, Ends, Header, Record, Times, datagrams, header_of, record
from netwatchd.addresses import parse_address
from netwatchd.events import PROTOCOL_NUMBERS

Fields = dict[str, Any]

_WRAP, _HOUR = 2**32, 3_600_000  # ms
_TOLERANCE = 30_000  # ms by which a flow may end after it was sent: the clock of a router


@dataclass(frozen=True)
class Truth:
    """What is expected of some files, read in this order."""

    name: str
    paths: tuple[Path, ...]
    flows: tuple[Record, ...]
    others: int = 0  # records that are no flows: options


# tshark 4.0: _truth/tshark_flow_decode.jsonl


def tshark(data: Path) -> Iterator[Truth]:
    """All records of every file with NetFlow or IPFIX."""
    for line in _lines(data / "_truth/tshark_flow_decode.jsonl"):
        told = json.loads(line)
        parts = [part for part in told["decoded"] if part["proto"] == "cflow"]
        if not parts:
            continue
        paths = tuple(data / file for file in told["files"])
        payloads = [each.data for each in datagrams(paths) if each.data[:2] in (b"\0\1", b"\0\5", b"\0\x09", b"\0\x0a")]
        flows: list[Record] = []
        others = 0
        boot: int | None = None
        for part, payload in zip(parts, payloads, strict=True):
            header = header_of(payload)
            boot = header.boot
            for fields in part["flows"]:
                if "sys_init_time" in fields:
                    boot = _instant(fields["sys_init_time"])
                if _is_flow(fields):
                    flows.append(_of_tshark(fields, header._replace(boot=boot), 1000 if part["version"] == "9" else 1))
                else:
                    others += 1
        yield Truth(told.get("context") or _short(paths), paths, tuple(flows), others)


def _short(paths: Sequence[Path]) -> str:
    """What the files are called, without what all of them are called."""
    names = [path.stem.removeprefix("tests.lib.py.") for path in paths]
    parent = paths[0].parent.name
    return f"{parent}/{names[0]}" + (f" and {len(names) - 1} more" if len(names) > 1 else "")


def _is_flow(fields: Fields) -> bool:
    return bool({"srcaddr", "srcaddrv6"} & fields.keys() and {"dstaddr", "dstaddrv6"} & fields.keys())


def _of_tshark(fields: Fields, header: Header, slack: int) -> Record:
    src, dst = (parse_address(fields.get(f"{way}addr") or fields[f"{way}addrv6"]) for way in ("src", "dst"))
    # netwatchd has the destination after the translation, so that both directions are between the same two.
    told = fields.get("post_natdestination_ipv4_address", "0.0.0.0")  # noqa: S104
    dst = parse_address(told) or dst
    src_port, dst_port, protocol = _ports_of_tshark(fields)
    packets, octets = _both_ways(fields, "packets"), _both_ways(fields, "octets")
    times = _times_of_tshark(fields, header, slack)
    return record(Ends(src, src_port, dst, dst_port, protocol), (packets[0], octets[0]), (packets[1], octets[1]), times)


def _ports_of_tshark(fields: Fields) -> tuple[int, int, int]:
    """Ports, or type and code of ICMP, and the protocol; softflowd leaves out the protocol of ICMP."""
    protocol = int(fields.get("protocol") or (58 if "icmp_ipv6_type" in fields else 1))
    translated = int(fields.get("post_naptdestination_transport_port", 0))
    src_port, dst_port = int(fields.get("srcport", 0)), translated or int(fields.get("dstport", 0))
    if protocol not in (1, 58):
        return src_port, dst_port, protocol
    family = "ipv4" if protocol == 1 else "ipv6"
    if f"icmp_{family}_type" in fields:
        return int(fields[f"icmp_{family}_type"]), int(fields[f"icmp_{family}_code"]), protocol
    both = int(fields.get("icmp_type_code_ipv4", "0"), 16) or dst_port
    return both >> 8, both & 255, protocol


def _both_ways(fields: Fields, name: str) -> tuple[int | None, int | None]:
    """A counter there and back; what left the exporter where nothing is said to have come in."""
    told = fields.get(name, fields.get(f"permanent_{name}"))
    if told is None:
        return None, None
    there, *back = [int(each) for each in told] if isinstance(told, list) else [int(told)]
    return there or int(fields.get(f"post_{name}", 0)), back[0] if back else None


def _times_of_tshark(fields: Fields, header: Header, slack: int) -> Times:
    """The most exact of the times; of those that cannot be only how long the flow lasted."""
    start, end = (max(map(_instant, _all(fields, f"abstime{which}")), default=0) for which in ("start", "end"))
    if not (start and end) and header.boot is not None and "timestart" in fields:
        start, end = (header.boot + _milliseconds(_all(fields, f"time{which}")[-1]) for which in ("start", "end"))
        # tshark does not see that the uptime, which has 32 bits, has begun anew between the flow and the header.
        end = end - _WRAP if end > header.sent + _HOUR else end
        start = start - _WRAP if start > end else start
    lasted = _milliseconds(_all(fields, "timedelta")[-1]) if "timedelta" in fields else None
    if not start or end > header.sent + _TOLERANCE or (header.boot or 0) > header.sent:
        return Times(lasted=lasted)
    return Times(start, end or None, lasted, slack)


def _all(fields: Fields, name: str) -> list[str]:
    told = fields.get(name, [])
    return told if isinstance(told, list) else [told]


def _milliseconds(seconds: str) -> int:
    return round(float(seconds) * 1000)


def _instant(text: str) -> int:
    """Unix ms of `Oct 21, 2022 09:45:13.807000000 UTC`."""
    whole, _, fraction = text.removesuffix(" UTC").partition(".")
    moment = datetime.strptime(re.sub(r"\s+", " ", whole), "%b %d, %Y %H:%M:%S").replace(tzinfo=UTC)
    return int(moment.timestamp()) * 1000 + int(fraction[:3] or 0)


# logstash-codec-netflow: _truth/logstash_netflow_expected.json


def logstash(data: Path) -> Iterator[tuple[Truth, int | None, list[Fields]]]:
    """Of each exporter: its flows, how many records there are in all, and the events that are no flows."""
    folder = data / "logstash-plugins+logstash-codec-netflow/spec/codecs"
    for told in json.loads((data / "_truth/logstash_netflow_expected.json").read_text(encoding="utf-8")):
        paths = tuple(folder / name for name in told["files"])
        if not all(path.exists() for path in paths):
            continue
        events = [event["netflow"] for event in told["expected_events"]]
        flows = tuple(_of_logstash(event) for event in events if _LOGSTASH_SRC & event.keys())
        others = [event for event in events if not _LOGSTASH_SRC & event.keys()]
        yield Truth(told["context"], paths, flows, len(others)), told["expected_record_count"], others


_LOGSTASH_SRC = {"ipv4_src_addr", "ipv6_src_addr", "sourceIPv4Address", "sourceIPv6Address"}


def _first(fields: Fields, *names: str) -> Any:
    """The first of these fields that is there, and more than 0 if any is."""
    told = [fields[name] for name in names if name in fields]
    return next((each for each in told if each), told[0] if told else None)


def _of_logstash(event: Fields) -> Record:
    protocol = int(event["protocol"] if "protocol" in event else event["protocolIdentifier"])
    src = parse_address(_first(event, *sorted(_LOGSTASH_SRC)))
    names = ("ipv4_dst_addr", "ipv6_dst_addr", "destinationIPv4Address", "destinationIPv6Address")
    translated = ("xlate_dst_addr_ipv4", "postNATDestinationIPv4Address")
    dst = parse_address(_first(event, *translated, *names))
    src_port = _first(event, "l4_src_port", "sourceTransportPort") or 0
    dst_port = _first(event, "l4_dst_port", "destinationTransportPort") or 0
    if protocol in (1, 58) and "icmp_type" in event:
        src_port, dst_port = event["icmp_type"], event["icmp_code"]
    packets = _first(event, "in_pkts", "out_pkts", "packetDeltaCount", "packetTotalCount")
    octets = _first(event, "in_bytes", "out_bytes", "octetDeltaCount", "octetTotalCount", "in_permanent_bytes")
    back: Counts = event.get("reversePacketTotalCount"), event.get("reverseOctetTotalCount")
    start = _moment(_first(event, "first_switched", "flowStartMilliseconds", "flow_start_msec"))
    end = _moment(_first(event, "last_switched", "flowEndMilliseconds", "event_time_msec"))
    slack = 1000 if event["version"] == 9 else 1
    return record(Ends(src, src_port, dst, dst_port, protocol), (packets, octets), back, Times(start, end, None, slack))


def _moment(told: str | int | None) -> int | None:
    """Unix ms of an ISO 8601 time, or of what is that already."""
    return round(datetime.fromisoformat(told).timestamp() * 1000) if isinstance(told, str) else told


# telegraf: plugins/inputs/netflow/testcases/*/expected.out, in the line protocol of InfluxDB


def telegraf(data: Path, sampled: bool) -> Iterator[tuple[Truth, list[Fields]]]:
    """Its test cases with sFlow (`sampled`), or all the others: the records, and all fields of each."""
    for folder in sorted((data / "influxdata+telegraf/plugins/inputs/netflow/testcases").iterdir()):
        if not folder.is_dir() or folder.name.startswith("sflow") != sampled:
            continue
        paths = tuple(sorted(folder.glob("*.bin")))
        lines = [_of_influx(line) for line in _lines(folder / "expected.out")]
        told = [fields for fields in lines if "src" in fields]
        headers = [header_of(each.data) for each in datagrams(paths)] if not sampled else []
        flows = tuple(_of_telegraf(fields, headers[-1] if headers else None) for fields in told)
        yield Truth(folder.name, paths, flows, len(lines) - len(told)), lines


def _of_influx(line: str) -> Fields:
    """The fields of one line: `name,tag=value field=value,... time`."""
    fields: Fields = {}
    for name, string, number in re.findall(r'([a-z0-9_]+)=(?:"([^"]*)"|([0-9]+)u?)', line[line.index(" ") :]):
        fields[name] = int(number) if number else string
    return fields


def _of_telegraf(fields: Fields, header: Header | None) -> Record:
    protocol = {"icmp": 1, "ipv6-icmp": 58, "hopopt": 0}.get(fields["protocol"])
    protocol = PROTOCOL_NUMBERS[fields["protocol"]] if protocol is None else protocol
    src, dst = parse_address(fields["src"]), parse_address(fields["dst"])
    out: Counts = _first(fields, "in_packets", "in_total_packets"), _first(fields, "in_bytes", "in_total_bytes")
    back: Counts = NOTHING
    if "type_29305_86" in fields:  # it has no name for the reverse elements, and shows them as bytes
        back = int(fields["type_29305_86"], 16), int(fields["type_29305_85"], 16)
    start, end = fields.get("flow_start_ms"), fields.get("flow_end_ms")
    if start is None and header and header.boot is not None and "first_switched" in fields:
        start, end = header.boot + fields["first_switched"], header.boot + fields["last_switched"]
    if "l2_bytes" in fields:  # a sampled packet
        out = 1, fields.get("ipv4_total_len", fields["ip_total_len"] + 40)
    ends = Ends(src, fields.get("src_port", 0), dst, fields.get("dst_port", 0), protocol)
    times = Times(start, end)
    if header and start and end and end > header.sent + _TOLERANCE:
        times = Times(lasted=end - start)
    return record(ends, out, back, times)


# pmacct: tests/*/output-flow-00.json


def pmacct(data: Path) -> Iterator[Truth]:
    """Its test cases; it has multiplied the counters by the sampling rate, and added up what is alike."""
    for folder in sorted((data / "pmacct+pmacct/tests").iterdir()):
        told = map(json.loads, _lines(folder / "output-flow-00.json"))
        yield Truth(folder.name, (folder / "traffic-00.pcap",), tuple(_of_pmacct(fields) for fields in told))


def _of_pmacct(fields: Fields) -> Record:
    protocol = PROTOCOL_NUMBERS[fields["ip_proto"]]
    src, dst = parse_address(fields["ip_src"]), parse_address(fields["ip_dst"])
    ends = Ends(src, fields["port_src"], dst, fields["port_dst"], protocol)
    return record(ends, (fields["packets"], fields["bytes"]))


# nDPI: _truth/ndpi_flows.jsonl, for the exports that softflowd made of its captures

_REPLAYED = {"ssh": "ssh", "android": "android", "whatsapp": "whatsapp_login_chat"}
_ETHERNET = 14  # bytes a packet that nDPI counts, and exporters do not


def ndpi(data: Path, *, joined: bool) -> Iterator[Truth]:
    """The flows of each replayed capture, or without `joined` each direction for itself.

    Of ICMP nDPI tells no type and code. NetFlow v5 knows no IPv6.
    """
    told = {Path(each["pcap"]).stem: each["flow"] for each in map(json.loads, _lines(data / "_truth/ndpi_flows.jsonl"))}
    for name, capture in _REPLAYED.items():
        both = [_of_ndpi(flow, joined) for flow in told[capture]]
        for version in ("v5", "v9", "v10"):
            ours = [each for flow in both for each in flow if version != "v5" or isinstance(each.sides[0].ip, int)]
            path = data / f"replayed/softflowd/ndpi_{name}.{version}.pcap"
            yield Truth(path.stem, (path,), tuple(ours))


def _of_ndpi(flow: Fields, joined: bool) -> list[Record]:
    """A flow as one record, or as one for each direction in which something went."""
    protocol = PROTOCOL_NUMBERS[flow["proto"].lower()]
    one, other = ((parse_address(flow[f"{side}_ip"]), flow[f"{side}_port"]) for side in "ab")
    counts = [(flow[f"{way}_pkts"], flow[f"{way}_bytes"] - _ETHERNET * flow[f"{way}_pkts"]) for way in ("a2b", "b2a")]
    if joined:
        told = [record(Ends(*one, *other, protocol), counts[0], counts[1], directed=True)]
    else:
        ways = (Ends(*one, *other, protocol), Ends(*other, *one, protocol))
        told = [record(ends, count) for ends, count in zip(ways, counts, strict=True) if count[0]]
    return [replace(each, kind=None) for each in told]


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()
