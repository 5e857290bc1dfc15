"""What exporters sent (NetFlow v1, v5 and v9, IPFIX, sFlow), compared record by record, before the two halves of a flow
are joined: addresses, ports or ICMP type and code, protocol, packets and bytes each way as the exporter counted them;
and in a row of its own when the flow began and ended. Where a device translates addresses, the destination is the one
behind the translation. Bytes are those of IP. What softflowd told of nDPI's captures is also compared with its halves
joined, and who opened each flow with it.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from accuracy import Row
from accuracy.export_decoding import decoded
from accuracy.export_records import Match, Record, match, of_flow
from accuracy.export_samples import rows as sampled_rows
from accuracy.export_truths import Truth, logstash, ndpi, pmacct, telegraf, tshark

RECORDS = "addresses, ports, protocol, packets, bytes"
TIMES = "start and end"


class Compared(NamedTuple):
    """A truth, and what netwatchd made of the same files."""

    truth: Truth
    found: Match
    options: int


def compared(truth: Truth, *, sampled: bool = False) -> Compared:
    """Decodes the files of a truth; with `sampled`, its counters are multiplied by the sampling rate."""
    flows, options = decoded(truth.paths)
    return Compared(truth, match(truth.flows, [of_flow(flow, sampled=sampled) for flow in flows]), options)


def rows(data: Path) -> list[Row]:
    """All comparisons of exports."""
    return [
        *_by_tshark(data),
        *_by_logstash(data),
        *_rows_of("influxdata/telegraf", "expected.out", [compared(truth) for truth, _ in telegraf(data, False)]),
        *_rows_of(
            "pmacct/pmacct", "nfacctd's JSON, sampling applied", [compared(t, sampled=True) for t in pmacct(data)]
        ),
        *_replayed(data),
        *sampled_rows(data),
    ]


def _by_tshark(data: Path) -> list[Row]:
    origins: dict[str, list[Compared]] = defaultdict(list)
    for truth in tshark(data):
        origins[truth.paths[0].relative_to(data).parts[0].replace("+", "/")].append(compared(truth))
    return [row for origin, every in origins.items() for row in _rows_of(origin, "tshark", every, strict=True)]


def _rows_of(origin: str, by: str, every: Sequence[Compared], *, strict: bool = False) -> list[Row]:
    """A row for the records and one for their times; `strict`: the truth has every record of its files."""
    files = len({path for each in every for path in each.truth.paths})
    matched = sum(each.found.matched for each in every)
    expected = sum(len(each.truth.flows) for each in every)
    timed = sum(each.found.timed for each in every)
    trouble = [text for each in every for text in (*_missed(each), *(_surplus(each) if strict else ()))]
    late = [*(text for each in every for text in _late(each)), *_without_moments(every)]
    found = [Row(origin, f"{by}{',' if ': ' in by else ':'} {RECORDS}", files, expected, matched, tuple(trouble))]
    if timed:
        on_time = sum(each.found.on_time for each in every)
        found.append(Row(origin, f"{by}: {TIMES}", files, timed, on_time, tuple(late)))
    return found


# Why some records are other than expected: by the truth's name and how many there are. What is not here is said to be
# unexplained.
_GARBAGE = "the file is garbage behind a header that tells of 55,582 records: it is refused, as upstream does"
_MISSED = {
    ("Netflow 5 invalid 01", 30): _GARBAGE,
}
_SURPLUS = {
    ("Netflow 9 invalid 01", 2): (
        "neither upstream nor tshark reads the datagram, which is whole by RFC 3954: two templates, options (1 of 100 "
        "packets is sampled), and a data set of each template with one flow"
    ),
    ("extracted/PACKET_V9_TEMPLATE_MIXED.0", 8): (
        "the template stands behind the data in the datagram; netwatchd keeps such data until the template has come, "
        "tshark does not"
    ),
}
_LATE = {
    ("Netflow 5 valid 01", 2): (
        "logstash does not borrow a second, and takes 0xFFFFFFFF, a millisecond before the uptime began anew, for 49 "
        "days after it; tshark agrees with netwatchd"
    ),
    ("Netflow5 Juniper MX80", 1): "logstash does not borrow a second; tshark agrees with netwatchd",
}


def _missed(each: Compared) -> Iterable[str]:
    return _told(each.truth.name, each.found.missed, _MISSED, "missed")


def _surplus(each: Compared) -> Iterable[str]:
    return _told(each.truth.name, each.found.surplus, _SURPLUS, "beyond what is expected")


def _late(each: Compared) -> Iterable[str]:
    return _told(each.truth.name, each.found.late, _LATE, "at other times")


def _without_moments(every: Sequence[Compared]) -> Iterable[str]:
    """Where the truth has durations only."""
    names = [
        f"{each.truth.name} ({count})"
        for each in every
        if (count := sum(flow.lasted is not None and flow.start is None for flow in each.truth.flows))
    ]
    if names:
        why = "the exporter does not say when it booted, or its header contradicts its records"
        yield f"only how long each flow lasted is compared of {', '.join(names)}: {why}"


def _told(name: str, records: list[Record], reasons: dict[tuple[str, int], str], how: str) -> Iterable[str]:
    if records:
        name = name.strip()
        why = reasons.get((name, len(records))) or f"not explained yet; the first is {records[0].shown()}"
        yield f"{len(records)} of {name} {how}: {why}"


def _by_logstash(data: Path) -> list[Row]:
    origin = "logstash-plugins/logstash-codec-netflow"
    every = [(compared(truth), count) for truth, count, _ in logstash(data)]
    asserted = [(each, count) for each, count in every if count is not None]
    expected = sum(count for _, count in asserted)
    got = [(each, count, len(each.found.surplus) + each.found.matched + each.options) for each, count in asserted]
    trouble = [f"{each.truth.name}: {count} records expected, {n} read" for each, count, n in got if n != count]
    files = sum(len(each.truth.paths) for each, _ in asserted)
    right = sum(min(count, n) for _, count, n in got)
    return [
        Row(origin, "netflow_spec.rb: number of records, with options", files, expected, right, tuple(trouble)),
        *_rows_of(origin, "netflow_spec.rb, whole events", [each for each, _ in every]),
    ]


def _replayed(data: Path) -> list[Row]:
    """softflowd told of captures of nDPI's: by each version, each flow must be what nDPI counted."""
    found = []
    for joined, by in ((False, "each direction of nDPI's flows of the same captures"), (True, "nDPI's flows, joined")):
        every = []
        for truth in ndpi(data, joined=joined):
            flows, options = decoded(truth.paths, joined=joined)
            # nDPI tells neither type and code of ICMP nor when a flow began.
            got = [replace(of_flow(f, directed=joined), kind=None, start=None, end=None, lasted=None) for f in flows]
            every.append(Compared(truth, match(truth.flows, got), options))
        found += _rows_of("replayed", f"{by}: who opened it" if joined else by, every, strict=True)
    return found
