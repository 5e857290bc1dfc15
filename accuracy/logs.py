"""Logs of Zeek, Suricata and nfdump, read by the decoders that serve `replay` and the sources `zeek` and `eve`.

Zeek's own baselines have their times masked: a fixed time stands in for them before they are read, and times are not
compared there. Truths that count payload are compared by hiding the columns of IP bytes, so that the decoder takes
the payload. nfdump's files are printed by the installed nfdump, and compared with what it itself sums up.
"""

import json
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable, Iterable
from itertools import count
from pathlib import Path
from typing import Any

from accuracy import Row
from netwatchd.addresses import address_text
from netwatchd.decoders import eve, nfdump, zeek
from netwatchd.decoders.log_lines import LogDecoder, events
from netwatchd.events import Flow, Sighting, Threat, protocol_name
from netwatchd.observations import DnsMessage

MASKED, TIME = b"XXXXXXXXXX.XXXXXX", b"1000000000.000000"
Values = dict[str, Any]


class _Log:
    """What a decoder makes of a log."""

    def __init__(self, lines: Iterable[bytes], decoder: LogDecoder) -> None:
        self.bad: Counter[str] = Counter()
        found = list(events(lines, decoder, 0, self.bad))
        self.flows = [event for event in found if isinstance(event, Flow)]
        self.sightings = [event for event in found if isinstance(event, Sighting)]
        self.others = [event for event in found if isinstance(event, Threat | DnsMessage)]
        self.skipped = sum(decoder.skipped.values())

    @property
    def understood(self) -> int:
        """Lines that gave a flow, a device, a question or a threat, or were known to be something else."""
        # A line of dns.log is a question, and perhaps its answer; one of notice.log a threat.
        lines = [event for event in self.others if isinstance(event, Threat) or not event.answer]
        return len(self.flows) + len(lines) + self.skipped


def rows(data: Path) -> list[Row]:
    """The rows of docs/ACCURACY.md on logs; `data` is the folder of the recordings."""
    return [*_counted(data), _sums(data), _connections(data), _stations(data), *_suricata(data), *_nfdump(data)]


def _zeek(data: bytes, path: str | None = None) -> _Log:
    return _Log(data.replace(MASKED, TIME).splitlines(), zeek.ZeekDecoder(_ids(), path))


def _ids() -> Callable[[int], int]:
    numbers = count(1)
    return lambda _: next(numbers)


# How many records there are.


def _counted(data: Path) -> list[Row]:
    """Each log of Zeek: as many records as it has."""
    truth: dict[str, Values] = json.loads((data / "_truth/zeek_log_counts.json").read_text())
    found = []
    for origin in dict.fromkeys(name.split("/")[0] for name in truth):
        names = [name for name in truth if name.startswith(f"{origin}/")]
        logs = {name: _zeek((data / name).read_bytes()) for name in names}
        expected = sum(truth[name]["records"] for name in names)
        matched = sum(min(_records(name, logs[name]), truth[name]["records"]) for name in names)
        wrong = tuple(f"{name}: {dict(log.bad)}" for name, log in logs.items() if log.bad)
        found.append(Row(origin.replace("+", "/"), "lines of all logs, TSV and JSON: records", len(names), expected,
                         matched, wrong))  # fmt: skip
    return found


def _records(name: str, log: _Log) -> int:
    # A line of conn.log may tell of devices beside its flow; one of dhcp.log tells of one device.
    return len(log.sightings) + log.skipped if Path(name).name.startswith("dhcp") else log.understood


def _sums(data: Path) -> Row:
    """The sums over each conn.log in TSV: packets and payload, both ways."""
    truth: dict[str, Values] = json.loads((data / "_truth/zeek_log_counts.json").read_text())
    names = [name for name in truth if "sum_orig_pkts" in truth[name]]
    matched = 0
    for name in names:
        text = (data / name).read_bytes()
        flows = _zeek(text.replace(b"orig_ip_bytes", b"hidden_1").replace(b"resp_ip_bytes", b"hidden_2")).flows
        sums = {
            "sum_orig_pkts": sum(flow.packets_out for flow in flows),
            "sum_resp_pkts": sum(flow.packets_in for flow in flows),
            "sum_orig_bytes": sum(flow.bytes_out for flow in flows),
            "sum_resp_bytes": sum(flow.bytes_in for flow in flows),
        }
        matched += sum(truth[name][key] == value for key, value in sums.items())
    return Row("SuperCowPowers/zat", "conn.log: sums of packets and of payload both ways", len(names), 4 * len(names),
               matched)  # fmt: skip


# What a record says.

_ANSWERED = {
    "icmp": (8, 0, 13, 14, 15, 16, 17, 18, 10),
    "ipv6-icmp": (128, 129, 130, 131, 133, 134, 135, 136, 139, 140),
}


def _connections(data: Path) -> Row:
    """Zeek's baselines, connection by connection."""
    truth = [json.loads(line) for line in (data / "_truth/zeek_conn.jsonl").read_text().splitlines()]
    files = [each for each in truth if _has_header(data, each["baseline"])]
    expected = matched = 0
    differences = []
    for each in truth:
        expected += len(each["conn"])
        path = _baseline(data, each["baseline"])
        if each not in files:
            differences.append(
                f"{len(each['conn'])} of {each['baseline']}: it is cut to other columns, without a header"
            )
            continue
        got = Counter(map(_seen, _zeek(path.read_bytes()).flows))
        wanted = Counter(map(_wanted, each["conn"]))
        matched += (got & wanted).total()
        if missing := wanted - got:
            differences.append(f"{missing.total()} of {each['baseline']}: {next(iter(missing))}")
    return Row("zeek/zeek", "baselines of conn.log: ends, protocol, duration, packets and IP bytes both ways, state",
               len(files), expected, matched, tuple(differences))  # fmt: skip


def _baseline(data: Path, name: str) -> Path:
    for root in ("zeek+zeek/testing/btest/Baseline", "corelight+zeek-long-connections/testing/Baseline"):
        if (data / root / name).exists():
            return data / root / name
    return data / name


def _has_header(data: Path, name: str) -> bool:
    path = _baseline(data, name)
    return path.exists() and b"#fields" in path.read_bytes()


def _seen(flow: Flow) -> tuple[Any, ...]:
    return (address_text(flow.src_ip), flow.src_port, address_text(flow.dst_ip), flow.dst_port,
            protocol_name(flow.protocol), flow.end - flow.start, *flow[8:12], flow.state)  # fmt: skip


def _wanted(conn: Values) -> tuple[Any, ...]:
    """A record of the truth in our words, by a reading of its own."""
    protocol = protocol_name(int(conn["ip_proto"])) if conn.get("ip_proto", "-") != "-" else conn["proto"]
    orig_port, resp_port = int(conn["id.orig_p"]), int(conn["id.resp_p"])
    if orig_port in _ANSWERED.get(protocol, ()):
        resp_port = 0
    state = conn["conn_state"]
    word = {"S0": "unreplied", "REJ": "rejected"}.get(state, "reset" if state.startswith("RST") else "closed")
    micros = 0 if conn["duration"] == "-" else int(conn["duration"].replace(".", ""))
    counters = (int(conn[name]) for name in ("orig_pkts", "orig_ip_bytes", "resp_pkts", "resp_ip_bytes"))
    return (conn["id.orig_h"], orig_port, conn["id.resp_h"], resp_port, protocol, micros // 1000, *counters, word)


def _stations(data: Path) -> Row:
    """dhcp.log: who has which address and name, read here by plain JSON or by splitting at tabs."""
    paths = [*sorted(data.glob("*/**/dhcp.log")), *sorted(data.glob("*/**/dhcp_002.log"))]
    expected = matched = 0
    for path in paths:
        text = path.read_bytes()
        got = Counter((s.mac, *map(address_text, s.ips), s.hostname) for s in _zeek(text).sightings)
        wanted = Counter(map(_lease, _plain(text)))
        expected += wanted.total()
        matched += (got & wanted).total()
    return Row("zeek/zeek, SuperCowPowers/zat, StratosphereLinuxIPS", "dhcp.log: MAC, address, host name", len(paths),
               expected, matched)  # fmt: skip


def _plain(text: bytes) -> list[Values]:
    lines = text.decode().splitlines()
    if lines[0].startswith("{"):
        return [json.loads(line) for line in lines]
    fields = next(line.split("\t")[1:] for line in lines if line.startswith("#fields"))
    values = [dict(zip(fields, line.split("\t"), strict=True)) for line in lines if not line.startswith("#")]
    return [{name: value for name, value in each.items() if value != "-"} for each in values]


def _lease(value: Values) -> tuple[Any, ...]:
    types = value.get("msg_types", "ACK")
    said = types.split(",") if isinstance(types, str) else types
    acknowledged = "ACK" in said and said[-1] != "DECLINE"
    address = (value.get("assigned_addr") or value.get("assigned_ip")) if acknowledged else None
    address = address or value.get("client_addr")
    return (value["mac"], *([address] if address else []), value.get("host_name"))


# Suricata.


def _suricata(data: Path) -> list[Row]:
    """Events that others have recorded; a flow is compared with its values, frames brought to IP by hand."""
    found = []
    for origin, pattern in (("influxdata+telegraf", "plugins/inputs/suricata/testdata/**/*.json"),
                            ("crowdsecurity+hub", ".tests/**/*evelog*.log")):  # fmt: skip
        paths = sorted((data / origin).glob(pattern))
        expected = matched = 0
        differences: list[str] = []
        for path in paths:
            told = _documents(path.read_text())
            log = _Log((json.dumps(each).encode() for each in told), eve.EveDecoder(_ids()))
            flows = [each for each in told if each.get("event_type") == "flow"]
            expected += len(told)
            right = (Counter(map(_seen, log.flows)) & Counter(map(_event, flows))).total()
            matched += right + min(log.skipped + len(log.others), len(told) - len(flows))
            if backwards := sum(_event(flow)[5] < 0 for flow in flows):
                why = "it ends a day before it begins, as somebody has edited the date; our flow ends when it begins"
                differences.append(f"{backwards} of {path.name}: {why}")
        what = "eve.json: flows with their values, other events skipped"
        found.append(Row(origin.replace("+", "/"), what, len(paths), expected, matched, tuple(differences)))
    return found


def _documents(text: str) -> list[Values]:
    """The events of a file: one a line, or one that was laid out over many lines for its readers."""
    try:
        return [json.loads(text)]
    except ValueError:
        return [json.loads(line) for line in text.splitlines() if line.strip()]


def _event(value: Values) -> tuple[Any, ...]:
    flow = value["flow"]
    packets, back = flow.get("pkts_toserver", 0), flow.get("pkts_toclient", 0)
    state = "reset" if value.get("tcp", {}).get("rst") else "closed"
    if state == "closed" and flow.get("state") == "new" and not back:
        state = "unreplied"
    duration = _millis(flow["end"]) - _millis(flow["start"]) if "end" in flow else flow.get("age", 0) * 1000
    return (
        value["src_ip"], value["src_port"], value["dest_ip"], value["dest_port"], value["proto"].lower(), duration,
        packets, flow.get("bytes_toserver", 0) - 14 * packets, back, flow.get("bytes_toclient", 0) - 14 * back, state,
    )  # fmt: skip


def _millis(text: str) -> int:
    days, hours, minutes, seconds, fraction = map(int, re.findall(r"-(\d\d)T(\d\d):(\d\d):(\d\d)\.(\d{3})", text)[0])
    return (((days * 24 + hours) * 60 + minutes) * 60 + seconds) * 1000 + fraction


# nfdump.


def _nfdump(data: Path) -> list[Row]:
    """nfdump's own file, as the installed nfdump prints it, in its own sums and in those of its pairs (-B)."""
    paths = sorted(data.glob("*/**/*.nfdump"))
    found = []
    for options, what in (((), "-o csv"), (("-B",), "-o csv -B")):
        expected = matched = 0
        compared = f"nfdump {what}: flows, and its own sums of bytes and packets"
        if not shutil.which("nfdump"):
            found.append(Row("stratosphereips/StratosphereLinuxIPS", compared, 0, 0, 0, ("nfdump is not installed",)))
            continue
        for path in paths:
            command = ["nfdump", "-r", str(path), "-o", "csv", *options]
            printed = subprocess.run(
                command, capture_output=True, check=True, env={"TZ": "UTC", "PATH": "/usr/bin:/bin"}
            )
            lines = printed.stdout.splitlines()
            log = _Log(lines, nfdump.NfdumpDecoder(_ids()))
            # A header, then the flows; "Summary", its header and its numbers.
            flows, (size, packets) = len(lines) - 4, map(int, lines[-1].split(b",")[1:3])
            is_right = (sum(f.bytes_out + f.bytes_in for f in log.flows) == size
                        and sum(f.packets_out + f.packets_in for f in log.flows) == packets)  # fmt: skip
            expected += flows
            matched += min(len(log.flows), flows) if is_right and not log.bad else 0
        found.append(Row("stratosphereips/StratosphereLinuxIPS", compared, len(paths), expected, matched))
    return found
