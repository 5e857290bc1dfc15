"""What Argus prints (`ra -n -c,`), as the .binetflow files of CTU-13: one flow a line, below a header with the columns.

* `TotPkts`, `TotBytes` count both directions, `SrcPkts`, `SrcBytes` what the source sent. Where `SrcPkts` is missing,
  the packets are shared out as the bytes are, and a direction that has bytes has at least one.
* Argus counts whole frames. IP bytes are what remains without the 14 bytes of Ethernet a packet.
* `Dir` shows by its arrow who opened the conversation: `<-` and `<|` is one that the right side opened, so that it is
  turned round. `<->` and `<?>` are not.
* `State` of TCP is the flags that each side has sent, `S_RA` (`ra -Z b`), or a word (REQ, RST, FIN, CON, ...). Of other
  protocols it is a word (INT: nothing came back).
* Times are the local time of the machine that ran `ra`, without a zone: `zone` as for nfdump. Seconds of Unix time
  (`ra -u`) have no such doubt.
* The ports of ICMP are hexadecimal: `0x0303` is code and type of the message, in this order.
"""

import re
from collections import Counter
from collections.abc import Callable

from netwatchd.decoders import log_values
from netwatchd.decoders.json_lines import Malformed
from netwatchd.decoders.log_lines import LogEvent, Table
from netwatchd.events import Flow

SOURCE = "argus"
ETHERNET = 14  # bytes of a frame before its IP packet
# Our name of a column: what ra calls it.
_COLUMNS = {
    "start": "StartTime", "end": "LastTime", "duration": "Dur", "protocol": "Proto", "src": "SrcAddr",
    "src_port": "Sport", "direction": "Dir", "dst": "DstAddr", "dst_port": "Dport", "state": "State",
    "packets": "TotPkts", "bytes": "TotBytes", "src_packets": "SrcPkts", "src_bytes": "SrcBytes",
    "dst_packets": "DstPkts", "dst_bytes": "DstBytes",
}  # fmt: skip
_NEEDED = ("start", "protocol", "src", "dst")
# Which counters there may be: both totals with one side, or both sides.
_COUNTED = (("packets", "bytes", "src_bytes"), ("src_packets", "src_bytes", "dst_packets", "dst_bytes"))
_FLAGS = re.compile(r"([FSRPAUEC]*)_([FSRPAUEC]*)")
# RTP and its like are what Argus makes of UDP by what is in it.
_UDP = frozenset(("rtp", "rtcp", "udt"))
_NO_IP = frozenset(("arp", "rarp", "llc", "ipx/spx", "lldp", "stp", "man", "eapol", "loop", "cdp", "aoe"))


def looks_like(first: bytes) -> bool:
    """Whether a file that begins with these bytes is what Argus prints."""
    return _header(first.split(b"\n", 1)[0].decode(errors="replace")) is not None


class ArgusDecoder:
    """Decodes the lines of one output after the other; a header holds until the next one."""

    def __init__(self, new_id: Callable[[int], int], zone: Callable[[int], int] = lambda _: 0) -> None:
        """`new_id(now)` gives a flow its id; `zone(seconds)` as for NfdumpDecoder."""
        self.skipped: Counter[str] = Counter()
        self._new_id = new_id
        self._zone = zone
        self._table = Table(_header)

    def decode(self, line: bytes, now: int) -> list[LogEvent]:
        """The flow of a line; raises Malformed."""
        text = line.decode(errors="replace").strip()
        if not text:
            return []
        if self._table.begins(text):
            return []
        value = self._table.values(text, free=True)  # the label at the end
        if value["protocol"].lower() in _NO_IP:
            self.skipped[value["protocol"].lower().replace("/", "_")] += 1
            return []
        return [self._flow(value, now)]

    def finish(self, _: int) -> list[LogEvent]:
        """No line waits for another."""
        return []

    def _flow(self, value: dict[str, str], now: int) -> Flow:
        name = value["protocol"].lower()
        protocol = 17 if name in _UDP else log_values.protocol(name, "Proto")
        first = self._time(value["start"])
        last = self._time(value["end"]) if value.get("end") else first
        if value.get("duration"):
            last = max(last, first + log_values.interval(value["duration"], "Dur"))
        left = log_values.address(value["src"], "SrcAddr"), _port(value.get("src_port", ""), protocol)
        right = log_values.address(value["dst"], "DstAddr"), _port(value.get("dst_port", ""), protocol)
        out, back = _counters(value)
        state = value.get("state", "")
        flags = _FLAGS.fullmatch(state)
        sent, got = flags.groups() if flags else ("", "")
        if _is_turned(value.get("direction", "")):
            left, right, out, back, sent, got = right, left, back, out, got, sent
        ports = (left[1], right[1])
        if protocol in (log_values.ICMP, log_values.ICMP6):
            message = _number(value.get("src_port") or "0")
            ports = message & 255, message >> 8
        return Flow(
            self._new_id(now), first // 1000, max(first, last) // 1000, left[0], ports[0], right[0], ports[1], protocol,
            *out, *back, _flags_state(sent, got, answered=bool(back[0])) if flags else _state(state, bool(back[0])),
            SOURCE,
        )  # fmt: skip

    def _time(self, text: str) -> int:
        if "/" not in text and "-" not in text:
            return log_values.micros(text, "StartTime")
        local = log_values.micros(text.replace("/", "-").replace(".", " ", text.count(".") - 1), "StartTime")
        return max(local - self._zone(local // 1_000_000) * 1_000_000, 0)


def _header(line: str) -> dict[str, int] | None:
    """The places of the columns, by our name, where the line is a header of flows."""
    fields = [field.strip() for field in line.strip().split(",")]
    if "StartTime" not in fields or "SrcAddr" not in fields:
        return None
    columns = {name: fields.index(known) for name, known in _COLUMNS.items() if known in fields}
    counted = any(all(name in columns for name in names) for names in _COUNTED)
    return columns if counted and all(name in columns for name in _NEEDED) else None


def _is_turned(arrow: str) -> bool:
    """Whether the right side opened it."""
    arrow = arrow.split()[-1] if arrow.split() else ""  # a program may have put something before it
    return arrow.startswith("<") and not arrow.endswith(">")


def _number(text: str) -> int:
    try:
        number = int(text, 16) if text.startswith("0x") else int(text)
    except ValueError:
        raise Malformed("a port should be a number: let ra print numbers (-n)") from None
    return log_values.port(number, "a port")


def _port(text: str, protocol: int) -> int:
    return _number(text) if text and protocol not in (log_values.ICMP, log_values.ICMP6) else 0


def _counters(value: dict[str, str]) -> tuple[tuple[int, int], tuple[int, int]]:
    """Packets and bytes at IP level, from the left side and from the right."""

    def count(name: str) -> int:
        return log_values.count(value.get(name) or 0, _COLUMNS[name])

    octets = count("src_bytes")
    rest = count("dst_bytes") if "dst_bytes" in value else max(count("bytes") - octets, 0)
    if "src_packets" in value:
        packets = count("src_packets")
        others = count("dst_packets") if "dst_packets" in value else max(count("packets") - packets, 0)
    else:
        total = count("packets")
        packets = round(total * octets / (octets + rest)) if octets + rest else total
        packets = min(max(packets, octets > 0), total - (rest > 0 and total > 1))
        others = total - packets
    return (packets, max(octets - ETHERNET * packets, 0)), (others, max(rest - ETHERNET * others, 0))


def _flags_state(sent: str, got: str, *, answered: bool) -> str:
    """The state of a TCP conversation by the flags of its two sides."""
    if set(sent) <= {"S", "E", "C"} and not got:
        return "unreplied"
    if not answered and "A" not in sent and "R" not in sent:
        return "unreplied"
    if "R" in got and "S" not in got and "P" not in got and "F" not in got:
        return "rejected" if "S" in sent and "P" not in sent else "reset"
    return "reset" if "R" in sent + got else "closed"


def _state(word: str, answered: bool) -> str:
    """The state by Argus's word; what it says of ICMP is the message's kind."""
    if word == "RST":
        return "reset" if answered else "unreplied"
    return "closed" if answered or word in ("CON", "FIN", "CLO", "EST") else "unreplied"
