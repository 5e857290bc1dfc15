"""What `nfdump -o csv` prints: one flow a line, with a header that says which columns there are.

Two families of headers are told apart by their words:

* `ts,te,td,sa,da,sp,dp,pr,flg,...,ipkt,ibyt,opkt,obyt,...` of nfdump 1.6 to 1.7.1, with a Summary at the end;
* `firstSeen,duration,proto,srcAddr,srcPort,dstAddr,dstPort,packets,bytes,...` of 1.7.2 and later, in the order that
  the user asked for (`-o csv:%ts,%te,...`), and `csv-fast`.

`ipkt` and `ibyt` (`packets` and `bytes`, `inPackets` and `inBytes`) go from source to destination; `opkt` and `obyt`
(`outPackets`, `outBytes`) come back, where nfdump has joined the two directions (`-B`, `-b`). Without that each
direction is a flow of its own, as it was exported.

Times are printed as the local time of the machine that ran nfdump, without a zone: `zone` says by how much it was ahead
of UTC. The hour that daylight saving time repeats in autumn cannot be told apart. Times in seconds or milliseconds
(`%tsr`, csv-fast) have no such doubt. nfdump 1.6 and 1.7.1 leave out the milliseconds of times, not of the duration.

ICMP: `dp` is the type times 256 and the code, or `type.code`.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from netwatchd.decoders import log_values
from netwatchd.decoders.log_lines import LogEvent, Table
from netwatchd.events import Flow

SOURCE = "nfdump"

# Our name of a column: what nfdump calls it, the better one first.
_COLUMNS = {
    "first": ("firstSeen", "ts"), "last": ("lastSeen", "te"), "duration": ("duration", "td"),
    "src": ("srcAddr", "sa"), "dst": ("dstAddr", "da"), "src_port": ("srcPort", "sp"), "dst_port": ("dstPort", "dp"),
    "protocol": ("proto", "pr"), "packets": ("inPackets", "packets", "ipkt"), "bytes": ("inBytes", "bytes", "ibyt"),
    "packets_back": ("outPackets", "opkt"), "bytes_back": ("outBytes", "obyt"),
    "type": ("icmpTYpe", "icmpType"), "code": ("icmpCode",),
}  # fmt: skip
_NEEDED = ("first", "src", "dst", "protocol", "packets", "bytes")
# 1 day 01:02:03.456
_CLOCK = re.compile(r"(?:([0-9]{1,6})\s*d(?:ays?)?\s+)?([0-9]{1,6}):([0-9]{2}):([0-9]{2}(?:\.[0-9]{1,9})?)")


def looks_like(first: bytes) -> bool:
    """Whether a file that begins with these bytes is what `nfdump -o csv` prints."""
    return any(_header(line.decode(errors="replace")) is not None for line in first.split(b"\n", 4)[:4])


class NfdumpDecoder:
    """Decodes the lines of one output after the other; a header holds until the next one."""

    def __init__(self, new_id: Callable[[int], int], zone: Callable[[int], int] = lambda _: 0) -> None:
        """`new_id(now)` gives a flow its id.

        `zone(seconds)` says what the local time of the machine that ran nfdump was ahead of UTC, in seconds, at a
        local time given as if it were UTC, in seconds of Unix time. Without it, nfdump ran in UTC (`TZ=UTC nfdump`).
        """
        self.skipped: Counter[str] = Counter()
        self._new_id = new_id
        self._zone = zone
        self._table = Table(_header)
        self._in_summary = False

    def decode(self, line: bytes, now: int) -> list[LogEvent]:
        """The flow of a line; raises Malformed."""
        text = line.decode(errors="replace").strip()
        if not text:
            return []
        if self._table.begins(text):
            self._in_summary = False
            return []
        if text == "Summary" or self._in_summary:
            self._in_summary = True  # its header and its numbers follow
            self.skipped["summary"] += 1
            return []
        if text == "No matching flows" or text.startswith(("Time window:", "Total flows", "Sys:", "Summary:")):
            self.skipped["summary"] += 1
            return []
        return [self._flow(self._table.values(text), now)]

    def finish(self, _: int) -> list[LogEvent]:
        """No line waits for another."""
        return []

    def _flow(self, value: dict[str, str], now: int) -> Flow:
        src, dst = log_values.address(value["src"], "the source"), log_values.address(value["dst"], "the destination")
        protocol = log_values.protocol(value["protocol"], "the protocol")
        src_port, dst_port = _ports(value, protocol)
        first = self._time(value["first"])
        last = self._time(value["last"]) if "last" in value else first
        # The milliseconds of the duration are there even where those of the times are not.
        last = max(last, first + _duration(value.get("duration", "0")))
        return Flow(
            self._new_id(now),
            first // 1000,
            last // 1000,
            src,
            src_port,
            dst,
            dst_port,
            protocol,
            log_values.count(value["packets"], "the packets"),
            log_values.count(value["bytes"], "the bytes"),
            log_values.count(value.get("packets_back", 0), "the packets back"),
            log_values.count(value.get("bytes_back", 0), "the bytes back"),
            "closed",
            SOURCE,
        )

    def _time(self, text: str) -> int:
        if "-" not in text:
            return log_values.micros(text, "the time")
        local = log_values.micros(text, "the time")
        return max(local - self._zone(local // 1_000_000) * 1_000_000, 0)


def _header(line: str) -> dict[str, int] | None:
    """The places of the columns, by our name, where the line is a header of flows."""
    fields = [field.strip() for field in line.strip().split(",")]
    if not {"firstSeen", "ts"} & set(fields):
        return None
    columns = {name: fields.index(known[0]) for name, called in _COLUMNS.items() if (known := _known(called, fields))}
    return columns if all(name in columns for name in _NEEDED) else None


def _known(called: Iterable[str], fields: list[str]) -> list[str]:
    return [name for name in called if name in fields]


def _ports(value: dict[str, Any], protocol: int) -> tuple[int, int]:
    """The ports; of ICMP, type and code."""
    if protocol not in (log_values.ICMP, log_values.ICMP6):
        return tuple(log_values.port(value.get(name, 0), f"the {name}") for name in ("src_port", "dst_port"))  # type: ignore[return-value]
    if "type" in value and "code" in value:
        kind, code = value["type"], value["code"]
    else:
        kind, dot, code = str(value.get("dst_port", "0")).partition(".")
        if not dot:
            both = log_values.port(kind, "the ICMP type and code")
            return both >> 8, both & 255
    return log_values.count(kind, "the ICMP type", 255), log_values.count(code, "the ICMP code", 255)


def _duration(text: str) -> int:
    """A duration in microseconds."""
    if not (clock := _CLOCK.fullmatch(text)):
        return log_values.interval(text, "the duration")
    days, hours, minutes, seconds = clock.groups()
    return log_values.interval((int(days or 0) * 24 + int(hours)) * 3600 + int(minutes) * 60 + float(seconds), "td")
