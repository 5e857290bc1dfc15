"""Captures are read by netwatchd's own way from packets to flows. Compared are protocol, addresses, ports, who opened
the flow, packets and bytes each way, and the times as exactly as they are told. netwatchd counts IP bytes; where the
others count frames, the comparison adds what each frame of the flow had around its IP packet. Others end flows at other
times, or cut them up for exports: where the flows between two ends are not the same one by one, those that remain are
joined on both sides and compared as one. Who has no ports for ICMP is compared without them. Rows about devices compare
the MACs and host names that sightings from ARP, ND, DHCP and plain traffic give.
"""

import csv
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from accuracy import Row
from accuracy.talks import Span, Talk, compare, talks_of
from netwatchd.addresses import PRIVATE, Networks, address_text, parse_address
from netwatchd.decoders.flowtable import FlowTable
from netwatchd.decoders.pcapng import open_capture

_PROTOCOLS = {"TCP": 6, "UDP": 17, "ICMP": 1, "ICMPV6": 58}
_ICMP = (1, 58)

# What is told differently, and why, by the capture's name: flows that only another side is said to have opened, and
# those that are not found. {inside} is how many packets these have, {outside} those of ours without an expectation.
_MIDDLE = (
    "the capture begins in the middle; netwatchd takes who sends from a port below 1024 to a higher one for the one "
    "that was asked, {name} takes who sent first for the opener"
)
_TUNNEL = (
    "{name} looks into the tunnel ({what}), netwatchd tells the outer flows, as the network carries them "
    "({inside} packets inside, {outside} in outer flows that have no expectation)"
)
_TURNED = {
    "mqtt.pcap": "the first packet is a SYN-ACK, so that netwatchd knows who asked; nDPI takes who sent first",
    "netbios.pcap": _MIDDLE,
    "android.pcap": _MIDDLE,
    "dns.pcap": _MIDDLE,
    "Teredo.pcap": "Zeek knows 3544 as a server's port; netwatchd takes hints from ports below 1024 alone",
    "dhcp.pcap": "only the server's packets are there, from 67 to 68; Zeek knows these ports, netwatchd takes who sent",
    "mixed.pcap": "netwatchd knows who asked when answers to a ping of ff02::1 come; ipfixprobe takes who sent first",
}
_MISSED = {
    "telnet.pcap": "nDPI's totals are not those of the capture, as the recordings' notes say: 87 of its 92 packets",
    "6in4tunnel.pcap": (_TUNNEL, "6in4"),
    "vxlan.pcap": (_TUNNEL, "VXLAN"),
    "gre-sample.pcap": (_TUNNEL, "GRE"),
    "Teredo.pcap": (_TUNNEL, "Teredo"),
    "geneve-decoder": (_TUNNEL, "Geneve"),
    "wireshark-dhcp.pcap": "Arkime joins the flows of one DHCP transaction, from 0.0.0.0 and from the server",
    "igmp.pcap": "Arkime joins all IGMP; netwatchd has a flow a pair of addresses ({inside} and {outside} packets)",
    "cloudshark-arp.pcap": "Arkime has sessions of ARP, of which netwatchd makes sightings and no flows",
}
_NO_DEVICE = "an address that no device can own, in a question for somebody's lease (RFC 4388)"


class _Capture(NamedTuple):
    """A capture and what is expected of it."""

    path: Path
    name: str  # by which differences are told
    talks: list[Talk]


def rows(data: Path) -> list[Row]:
    """Each origin that has expectations of captures."""
    return [
        _row("ntop/nDPI", "flows: 5-tuple, frame bytes, duration", _ndpi(data), frames=True, ports=False),
        _row("arkime/arkime", "sessions: 5-tuple, frame bytes, times", _arkime(data), frames=True, ports=False),
        _row(
            "zeek/zeek",
            "connections: 5-tuple, IP bytes, duration",
            _zeek(data),
            frames=False,
            ports=True,
        ),
        _row("OISF/suricata-verify", "flows: 5-tuple, frame bytes, age", _suricata(data), frames=True, ports=False),
        _row("CESNET/ipfixprobe", "flows: 5-tuple, IP bytes, times", _ipfixprobe(data), frames=False, ports=False),
        _iot_devices(data),
        _dhcp_clients(data),
    ]


def _row(origin: str, what: str, captures: list[_Capture], *, frames: bool, ports: bool) -> Row:
    matched = expected = 0
    differences: list[str] = []
    for capture in captures:
        found = talks_of(capture.path, frames)
        result = compare(capture.talks, found if ports else map(_without_icmp, found))
        expected += len(capture.talks)
        matched += result.matched
        name = origin.split("/")[-1]
        name = {"arkime": "Arkime", "zeek": "Zeek", "suricata-verify": "Suricata"}.get(name, name)
        numbers = {"name": name, "inside": _packets(result.missed), "outside": _packets(result.left)}
        for talks, known in ((result.turned, _TURNED), (result.missed, _MISSED)):
            if talks:
                differences.append(f"{len(talks)} of {capture.name}: {_why(known, capture.name, numbers)}")
    return Row(origin, what, len({capture.path for capture in captures}), expected, matched, tuple(differences))


def _why(known: dict[str, Any], name: str, numbers: dict[str, Any]) -> str:
    why = known.get(name, "not explained")
    text, what = why if isinstance(why, tuple) else (why, "")
    return str(text).format(what=what, **numbers)


def _packets(talks: list[Talk]) -> int:
    return sum(talk.counts[0] + talk.counts[2] for talk in talks)


def _without_icmp(talk: Talk) -> Talk:
    return talk._replace(a=(talk.a[0], 0), b=(talk.b[0], 0)) if talk.protocol in _ICMP else talk


# What the others tell.


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def _end(address: str, port: int | None) -> tuple[str, int]:
    return address_text(parse_address(address)), port or 0


def _ndpi(data: Path) -> list[_Capture]:
    """Durations have two digits; where there are none, it is 1 for anything up to a second."""

    def talk(flow: dict[str, Any]) -> Talk:
        lasted = round(float(flow["dur"]) * 1000)
        span = Span(None, max(lasted - 10, 0), lasted + 10) if "." in flow["dur"] else Span(None, 0, 1000)
        return Talk(
            _PROTOCOLS[flow["proto"]], _end(flow["a_ip"], flow["a_port"]), _end(flow["b_ip"], flow["b_port"]),
            (flow["a2b_pkts"], flow["a2b_bytes"], flow["b2a_pkts"], flow["b2a_bytes"]), span,
        )  # fmt: skip

    return _captures(data, "ndpi_flows.jsonl", "flow", talk)


def _arkime(data: Path) -> list[_Capture]:
    """Sessions that are no IP have no addresses: nothing of ours is like them."""

    def talk(session: dict[str, Any]) -> Talk:
        first, last = session["first_ms"], session["last_ms"]
        a, b = (_end(session[side] or "::", session[port]) for side, port in (("src", "sport"), ("dst", "dport")))
        counts = session["src_pkts"], session["src_bytes"], session["dst_pkts"], session["dst_bytes"]
        return Talk(session["ip_proto"], a, b, counts, Span(first, last - first, last - first))

    return _captures(data, "arkime_sessions.jsonl", "session", talk)


def _zeek(data: Path) -> list[_Capture]:
    """For ICMP, Zeek writes the type of the answer as port where there is one, and the code where not.

    Its durations of TCP leave the last ACK out, so that they are the least that ours may be.
    """

    def talk(connection: dict[str, Any]) -> Talk:
        protocol = int(connection["ip_proto"])
        lasted = connection["duration"]
        a = _end(connection["id.orig_h"], int(connection["id.orig_p"]))
        b = _end(connection["id.resp_h"], int(connection["id.resp_p"]))
        if protocol == 58 and {a[1], b[1]} in ({128, 129}, {133, 134}, {135, 136}):
            b = b[0], 0
        names = ("orig_pkts", "orig_ip_bytes", "resp_pkts", "resp_ip_bytes")
        packets_out, bytes_out, packets_in, bytes_in = (int(connection[name]) for name in names)
        lasted = 0 if lasted == "-" else int(float(lasted) * 1000)
        span = Span(None, lasted, 86_400_000 if protocol == 6 else lasted + 1)
        return Talk(protocol, a, b, (packets_out, bytes_out, packets_in, bytes_in), span)

    return _captures(data, "zeek_conn.jsonl", "conn", talk)


def _captures(data: Path, truth: str, key: str, talk: Callable[[dict[str, Any]], Talk]) -> list[_Capture]:
    return [
        _Capture(data / each["pcap"], Path(each["pcap"]).name, [talk(one) for one in each[key]])
        for each in _lines(data / "_truth" / truth)
    ]


def _suricata(data: Path) -> list[_Capture]:
    """Its age is the difference of whole seconds."""
    found = []
    for case in _lines(data / "_truth/suricata_flow_checks.jsonl"):
        talks = []
        for match in (filtered["match"] for filtered in case["filters"]):
            if match.get("event_type") != "flow":
                continue
            names = ("flow.pkts_toserver", "flow.bytes_toserver", "flow.pkts_toclient", "flow.bytes_toclient")
            packets_out, bytes_out, packets_in, bytes_in = (match[name] for name in names)
            age = match["flow.age"] * 1000
            talks.append(
                Talk(
                    _PROTOCOLS[match["proto"]], _end(match["src_ip"], match.get("src_port")),
                    _end(match["dest_ip"], match.get("dest_port")), (packets_out, bytes_out, packets_in, bytes_in),
                    Span(None, max(age - 1000, 0), age + 1000),
                )
            )  # fmt: skip
        if talks:
            (path,) = (data / case["case"]).glob("*.pcap")
            found.append(_Capture(path, Path(case["case"]).name, talks))
    return found


def _ipfixprobe(data: Path) -> list[_Capture]:
    """One output a capture; one that reads a protocol repeats a flow for each name that it finds in it."""
    folder = data / "CESNET+ipfixprobe/tests/functional"
    found = []
    for output in ("basic", "bstats", "dns", "dnssd", "mqtt", "netbios", "ntp", "ssdp", "vlan"):
        path = folder / "inputs" / f"{'mixed' if output == 'basic' else output}.pcap"
        lines = (folder / "outputs" / output).read_text(encoding="utf-8").splitlines()
        (heads,) = (line for line in lines if line.startswith("ipaddr "))
        names = [head.split()[-1] for head in heads.split(",")]
        records = [dict(zip(names, row, strict=False)) for row in csv.reader(line for line in lines if line != heads)]
        per_vlan = [(record.get("VLAN_ID"), _ipfixprobe_talk(record)) for record in records]
        found.append(_Capture(path, path.name, [talk for _, talk in dict.fromkeys(per_vlan)]))
    return found


def _ipfixprobe_talk(record: dict[str, str]) -> Talk:
    first, last = (
        round(datetime.fromisoformat(record[name]).replace(tzinfo=UTC).timestamp() * 1000)
        for name in ("TIME_FIRST", "TIME_LAST")
    )
    return Talk(
        int(record["PROTOCOL"]), _end(record["SRC_IP"], int(record["SRC_PORT"])),
        _end(record["DST_IP"], int(record["DST_PORT"])),
        (int(record["PACKETS"]), int(record["BYTES"]), int(record["PACKETS_REV"]), int(record["BYTES_REV"])),
        Span(first, last - first, last - first),
    )  # fmt: skip


# Devices.


def _iot_devices(data: Path) -> Row:
    """Each device of the recordings, one folder a device, has been seen, and by its host name if it tells one."""
    matched = expected = files = 0
    differences = []
    for line in _table(data / "_truth/devices.tsv"):
        seen: set[tuple[str | None, str | None]] = set()
        for path in sorted(data.glob(f"andypitcher+IoT_Sentinel/**/{line['device_folder']}/*.pcap")):
            files += 1
            seen |= _seen(path)
        expected += 1
        if (line["mac"], line["dhcp_hostname"] or None) in seen:
            matched += 1
        else:
            differences.append(f"{line['device_folder']}: not explained")
    what = "devices: MAC, host name"
    return Row("andypitcher/IoT_Sentinel", what, files, expected, matched, tuple(differences))


def _dhcp_clients(data: Path) -> Row:
    lines = list(_table(data / "_truth/dhcp_identity.tsv"))
    seen = {name: _seen(data / name) for name in {line["pcap"] for line in lines}}
    missed = [line for line in lines if (line["chaddr"], line["option12_hostname"] or None) not in seen[line["pcap"]]]
    differences = tuple(f"{line['chaddr']} of {Path(line['pcap']).name}: {_NO_DEVICE}" for line in missed)
    return Row(
        "several, decoded with dpkt", "DHCP clients: MAC, host name", len(seen), len(lines),
        len(lines) - len(missed), differences,
    )  # fmt: skip


def _seen(path: Path) -> set[tuple[str | None, str | None]]:
    """The MACs and host names that the sightings of a capture tell."""
    table = FlowTable(lambda now, count=1: now << 12, "replay", networks=Networks(PRIVATE.split()))
    for time, link_type, data, wire, _ in open_capture(path.read_bytes()):
        table.see(time // 1_000_000, link_type, data, wire)
    table.finish()
    sightings = table.sightings()
    return {(sighting.mac, name) for sighting in sightings for name in (sighting.hostname, None)}


def _table(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as lines:
        yield from csv.DictReader(lines, delimiter="\t")
