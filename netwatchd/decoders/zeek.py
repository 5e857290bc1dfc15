r"""Zeek's logs in TSV with header or in JSON: conn as flows, dhcp as sightings, dns as questions, notice as threats.

The header of TSV (docs.zeek.org, "Zeek Log Formats") may come again in the middle of a file, with other fields; a log
that is none of these is skipped line by line and counted by its name.

What a connection becomes:

* Bytes are `orig_ip_bytes` and `resp_ip_bytes`. Where a log has only `orig_bytes` and `resp_bytes`, which count the
  payload, these are taken: too little, by 20 to 60 bytes a packet, and better than nothing.
* ICMP: `id.orig_p` is the type. `id.resp_p` is the code, but for a message that has an answer (echo, timestamp, ...)
  it is the answer's type, and the code is 0. Zeek calls ICMPv6 `icmp`, too: the addresses tell.
* `conn_state`: S0 is `unreplied`, REJ is `rejected`, an RST... is `reset`, and the others are `closed`.
* `local_orig` and `local_resp` say whose address belongs to a device here, and `orig_l2_addr`, `resp_l2_addr` with
  which MAC. Beside an address that is not local the MAC is the router's, and not taken.
"""

import json
import re
from collections import Counter
from collections.abc import Callable
from operator import itemgetter
from typing import Any

from netwatchd.addresses import Address, is_host, parse_station
from netwatchd.decoders import dhcp_logs, dns_logs, log_values, zeek_notices
from netwatchd.decoders.json_lines import Malformed
from netwatchd.decoders.log_lines import LogEvent
from netwatchd.events import Flow, Sighting

SOURCE = "zeek"
MOST_FIELDS = 500  # of a header: conn has some 20, and nobody's scripts add hundreds
MOST_TOLD = 100_000  # addresses of which a sighting was told; then it begins anew

# Message types that have an answer: icmp_counterpart() of Zeek's ICMP analyzer.
_TWO_WAY = frozenset({0, 8, 10, 13, 14, 15, 16, 17, 18})
_TWO_WAY_6 = frozenset({128, 129, 130, 131, 133, 134, 135, 136, 139, 140, 144, 145})

_STATES = {"S0": "unreplied", "REJ": "rejected", "RSTO": "reset", "RSTR": "reset", "RSTOS0": "reset", "RSTRH": "reset"}

_CONN = (
    "ts", "duration", "id.orig_h", "id.orig_p", "id.resp_h", "id.resp_p", "proto", "ip_proto", "orig_pkts",
    "orig_ip_bytes", "orig_bytes", "resp_pkts", "resp_ip_bytes", "resp_bytes", "conn_state", "local_orig",
    "local_resp", "orig_l2_addr", "resp_l2_addr",
)  # fmt: skip
_DHCP = (
    "ts", "mac", "assigned_addr", "assigned_ip", "client_addr", "host_name", "client_fqdn", "msg_types", "server_addr",
    "requested_addr",
)  # fmt: skip
_WANTED = {"conn": _CONN, "dhcp": _DHCP, "dns": dns_logs.ZEEK_FIELDS, "notice": zeek_notices.FIELDS}
_NEEDED = {
    "conn": ("ts", "id.orig_h", "id.orig_p", "id.resp_h", "id.resp_p", "proto"),
    "dhcp": ("ts", "mac"),
    "dns": dns_logs.ZEEK_NEEDED,
    "notice": ("ts", "note"),
}
# What only a conn.log, a dhcp.log, a dns.log has: JSON lines do not say where they belong unless asked to (`_path`).
_CONN_ONLY = frozenset({"conn_state", "missed_bytes", "orig_ip_bytes", "orig_pkts"})
_DHCP_ONLY = frozenset({"msg_types", "assigned_addr", "assigned_ip", "lease_time"})
_DNS_ONLY = frozenset({"qtype", "qtype_name", "qclass", "rcode_name"})

LOGS = frozenset(_WANTED)  # those that are understood
# Further logs that Zeek writes by default: where lines do not say where they belong, the name of their file does.
_OTHER_NAMES = """
analyzer broker capture_loss cluster config dce_rpc dnp3 dpd files ftp http intel irc kerberos known_certs
known_hosts known_services ldap ldap_search loaded_scripts modbus mqtt_connect mqtt_publish mqtt_subscribe mysql
netcontrol notice_alarm ntlm ntp ocsp openflow packet_filter pe postgresql print prof quic radius rdp redis reporter rfb
signatures sip smb_files smb_mapping smtp snmp socks software ssh ssl stats stderr stdout syslog telemetry
traceroute tunnel websocket weird weird_stats x509
""".split()  # noqa: SIM905  # 60 quotes would hide the words
_OTHERS = frozenset(_OTHER_NAMES)

_HEX = re.compile(r"\\x([0-9a-fA-F]{2})")


def looks_like(first: bytes) -> bool:
    """Whether a file that begins with these bytes is a log of Zeek."""
    if re.search(rb"^#(?:separator|fields|path)[ \t]", first, re.MULTILINE):
        return True
    line = first.lstrip().split(b"\n", 1)[0]
    return line.startswith(b"{") and b'"ts"' in line and bool(re.search(rb'"(?:uids?|_path|note|id[._]orig_h)"', line))


def log_of(first: bytes, name: str) -> str | None:
    """Which log a file is that begins with these bytes and has this name: `conn`; None where nothing tells."""
    if header := re.search(rb"^#path[ \t]+([a-z0-9_]{1,30})\r?$", first, re.MULTILINE):
        return header[1].decode()
    try:
        value = json.loads(first.lstrip().split(b"\n", 1)[0])
    except (ValueError, RecursionError):
        value = None
    told = (value.get("_path") or _path_of(value)) if isinstance(value, dict) else None
    if isinstance(told, str):
        return told
    stem = re.split(r"[^a-z0-9_]", name, maxsplit=1)[0]
    return stem if stem in _OTHERS or stem in LOGS else None


class ZeekDecoder:
    """Decodes the lines of one file after the other; a header holds until the next one."""

    def __init__(self, new_id: Callable[[int], int], path: str | None = None) -> None:
        """`new_id(now)` gives a flow its id; `path` is what JSON lines are that do not tell (`conn`)."""
        self.skipped: Counter[str] = Counter()
        self._new_id = new_id
        self._path = path
        self._header = _Header()
        self._told: dict[Address, str | None] = {}

    def decode(self, line: bytes, now: int) -> list[LogEvent]:
        """The events of a line; raises Malformed."""
        if line[:1] == b"#":
            text = line.decode(errors="replace")
            if text.startswith("#separator"):
                self._header = _Header(_separator(text))
            else:
                self._header.read(text)
            return []
        if line[:1] == b"{":
            path, values = self._of_json(line)
        elif not line.strip():
            return []
        else:
            path, values = self._header.path, self._header.values(line.decode(errors="replace"))
        if values is None:
            self.skipped[path] += 1
            return []
        if path == "conn":
            return self._conn(values, now)
        if path == "dns":
            asked = dns_logs.of_zeek(values, SOURCE)
            self.skipped["dns"] += not asked
            return list(asked)
        return self._dhcp(values) if path == "dhcp" else self._notice(values)

    def finish(self, _: int) -> list[LogEvent]:
        """No line of Zeek waits for another."""
        return []

    def _of_json(self, line: bytes) -> tuple[str, tuple[Any, ...] | None]:
        """Which log the line belongs to, and its values in the order of `_WANTED`; None where it is skipped."""
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise Malformed(f"it is no JSON: {error}") from None
        told = value.get("_path") or _path_of(value) or self._path
        if told not in _WANTED:
            return (told if isinstance(told, str) and re.fullmatch(r"[a-z0-9_]{1,30}", told) else "other"), None
        if "id.orig_h" not in value and told in ("conn", "dns", "notice"):
            value |= _flattened(value)
        return told, tuple(map(value.get, _WANTED[told]))

    def _conn(self, values: tuple[Any, ...], now: int) -> list[LogEvent]:
        (ts, duration, orig_h, orig_p, resp_h, resp_p, proto, ip_proto, orig_pkts, orig_ip_bytes, orig_bytes, resp_pkts,
         resp_ip_bytes, resp_bytes, state, *local) = values  # fmt: skip
        src, dst = log_values.address(orig_h, "id.orig_h"), log_values.address(resp_h, "id.resp_h")
        number = _protocol(proto, ip_proto, src)
        src_port, dst_port = log_values.port(orig_p, "id.orig_p"), log_values.port(resp_p, "id.resp_p")
        if (number == log_values.ICMP and src_port in _TWO_WAY) or (
            number == log_values.ICMP6 and src_port in _TWO_WAY_6
        ):
            dst_port = 0
        start = log_values.micros(ts, "ts")
        end = start if duration is None else start + log_values.interval(duration, "duration")
        flow = Flow(
            self._new_id(now),
            start // 1000,
            end // 1000,
            src,
            src_port,
            dst,
            dst_port,
            number,
            _count(orig_pkts, "orig_pkts"),
            _count(orig_bytes if orig_ip_bytes is None else orig_ip_bytes, "orig_ip_bytes"),
            _count(resp_pkts, "resp_pkts"),
            _count(resp_bytes if resp_ip_bytes is None else resp_ip_bytes, "resp_ip_bytes"),
            _STATES.get(state, "closed") if isinstance(state, str) else "closed",
            SOURCE,
        )
        if local == _NOT_LOCAL:
            return [flow]
        return [flow, *self._stations(flow, *local)]

    def _stations(self, flow: Flow, local_orig: Any, local_resp: Any, orig_l2: Any, resp_l2: Any) -> list[Sighting]:
        """What a connection tells of devices that was not told before."""
        found = []
        # An address that was only ever spoken to may be nobody's: what was scanned is no device.
        sides = (
            (flow.src_ip, local_orig, orig_l2, flow.packets_out),
            (flow.dst_ip, local_resp, resp_l2, flow.packets_in),
        )
        for ip, local, l2, packets in sides:
            if local not in (True, "T") or not packets or not is_host(ip):
                continue
            mac = _mac(l2)
            if ip in self._told and self._told[ip] == mac:
                continue
            if len(self._told) >= MOST_TOLD:
                self._told.clear()
            self._told[ip] = mac
            found.append(Sighting(flow.end, SOURCE, mac=mac, ips=(ip,)))
        return found

    def _notice(self, values: tuple[Any, ...]) -> list[LogEvent]:
        found = zeek_notices.threat(values, SOURCE)
        if found is None:
            self.skipped["notice of itself"] += 1
        return list(found or ())

    def _dhcp(self, values: tuple[Any, ...]) -> list[LogEvent]:
        ts, l2, assigned, assigned_before_3, client, host_name, fqdn, types, server, requested = values
        if (mac := _mac(l2)) is None:
            self.skipped["dhcp without mac"] += 1
            return []
        said = types.split(",") if isinstance(types, str) else types if isinstance(types, list) else []
        # An address that was offered is the client's only when it was acknowledged, and not declined after that.
        granted = not said or ("ACK" in said and said[-1] != "DECLINE")
        texts = [assigned or assigned_before_3 if granted else None, client]
        ips = [log_values.address(text, "the client's address") for text in texts if text]
        host = log_values.name_of(host_name) or log_values.name_of(str(fqdn).split(".")[0] if fqdn else None)
        time = log_values.micros(ts, "ts") // 1000
        return [
            Sighting(
                time,
                SOURCE,
                mac=mac,
                ips=tuple(dict.fromkeys(ip for ip in ips if is_host(ip)))[:1],
                hostname=host,
                online=said[-1:] != ["RELEASE"],
            ),
            *dhcp_logs.of_zeek(
                time, SOURCE, mac, said or ["ACK"], given=assigned or assigned_before_3, wanted=requested or client,
                server=server,
            ),
        ]  # fmt: skip


_NOT_LOCAL = [None] * 4


def _path_of(value: dict[str, Any]) -> str | None:
    """Which log a line of JSON belongs to, by what only that has."""
    if not _CONN_ONLY.isdisjoint(value):
        return "conn"
    if "mac" in value and not _DHCP_ONLY.isdisjoint(value):
        return "dhcp"
    if not zeek_notices.ONLY.isdisjoint(value):
        return "notice"
    return "dns" if "query" in value and not _DNS_ONLY.isdisjoint(value) else None


class _Header:
    """The header of a TSV file, as far as it was read."""

    def __init__(self, separator: str = "\t") -> None:
        self.path = "other"
        self._separator = separator
        self._unset, self._empty = "-", "(empty)"
        self._fields = 0
        self._wanted: Callable[[list[str]], tuple[str, ...]] | None = None

    def read(self, line: str) -> None:
        """Takes in a line that begins with #; those that mean nothing here are passed over."""
        word, _, rest = line.partition(self._separator)
        if word == "#unset_field":
            self._unset = rest
        elif word == "#empty_field":
            self._empty = rest
        elif word == "#path":
            self.path = rest if re.fullmatch(r"[a-z0-9_]{1,30}", rest) else "other"
        elif word == "#fields":
            self._compile(rest.split(self._separator))

    def _compile(self, fields: list[str]) -> None:
        """Prepares the reading of lines with these fields."""
        self._fields, self._wanted = len(fields), None
        names = [re.sub(r"^id_(?=orig_|resp_)", "id.", field) for field in fields]
        if len(names) > MOST_FIELDS or self.path not in _WANTED:
            return
        if missing := [name for name in _NEEDED[self.path] if name not in names]:
            self._fields = 0
            raise Malformed(f"its #fields lack {', '.join(missing)}")
        # A field that is not there is found behind the last one, where `values` puts an unset one.
        self._wanted = itemgetter(*(names.index(name) if name in names else len(names) for name in _WANTED[self.path]))

    def values(self, line: str) -> tuple[Any, ...] | None:
        """The values that are wanted of a line, None for an unset one; None where the whole log is skipped."""
        if not self._fields:
            raise Malformed("there is no #fields line before it")
        if self._wanted is None:
            return None
        values = line.split(self._separator)
        if len(values) != self._fields:
            raise Malformed(f"it should have as many fields as its header names: {self._fields}, not {len(values)}")
        values.append(self._unset)
        unset = (self._unset, self._empty)
        found = [None if value in unset else value for value in self._wanted(values)]
        if "\\" in line:
            found = [_plain(value) if value else value for value in found]
        return tuple(found)


def _separator(line: str) -> str:
    r"""What a #separator line tells: `\x09`, behind a space or, by some writers, behind a tab."""
    return _plain(line.removeprefix("#separator")[1:]) or "\t"


def _plain(text: str) -> str:
    r"""A text without its escapes: Zeek writes `\x09` for a separator within a value."""
    return _HEX.sub(lambda match: chr(int(match[1], 16)), text).replace("\\\\", "\\")


def _flattened(value: dict[str, Any]) -> dict[str, Any]:
    """The connection's four values under the names that they have by default.

    A `Log::default_scope_sep` may join them by `_`, and a shipper may have nested them.
    """
    nested = value.get("id")
    parts = ("orig_h", "orig_p", "resp_h", "resp_p")
    if isinstance(nested, dict):
        return {f"id.{part}": nested.get(part) for part in parts}
    return {f"id.{part}": value.get(f"id_{part}") for part in parts}


def _protocol(proto: Any, ip_proto: Any, src: Address) -> int:
    if ip_proto is not None:
        return log_values.count(ip_proto, "ip_proto", 255)  # since Zeek 7.1
    if proto == "icmp" and not isinstance(src, int):
        return log_values.ICMP6
    return log_values.protocol(proto, "proto")


def _count(value: Any, name: str) -> int:
    return 0 if value is None else log_values.count(value, name)


def _mac(value: Any) -> str | None:
    """A MAC that a station can own; where there is none, or a broadcast's, None."""
    if not isinstance(value, str):
        return None
    try:
        return parse_station(value)
    except ValueError:
        return None
