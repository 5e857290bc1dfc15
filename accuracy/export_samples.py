"""sFlow: each datagram and each flow sample, compared with what tcpdump, tshark and telegraf say of it."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from accuracy import Row
from accuracy.export_records import Ends, Record, datagrams, match, of_flow, record
from accuracy.export_truths import telegraf
from netwatchd.addresses import Address, address_text, parse_address
from netwatchd.decoders.sflow import Malformed, SflowDecoder
from netwatchd.decoders.sflow.datagram import Datagram, decode


class Sampled(NamedTuple):
    """What is told of a flow sample."""

    sequence: int
    source: int
    rate: int
    drops: int


class Head(NamedTuple):
    """What is told of a datagram: who sent it, and what it holds."""

    agent: Address | None
    sub_agent: int
    sequence: int
    uptime: int
    number: int  # of flow samples
    flows: tuple[Sampled, ...] | None  # None where the truth leaves them out
    counters: int  # counter samples
    discarded: int  # notices of discarded packets


def rows(data: Path) -> list[Row]:
    """All comparisons of sFlow."""
    return [*_by_tshark(data), *_by_tcpdump(data), *_by_telegraf(data)]


def _heads(paths: Sequence[Path]) -> tuple[list[Head], int]:
    """What netwatchd reads in the files, and how many datagrams it refuses."""
    heads, refused = [], 0
    for each in datagrams(paths):
        counts: Counter[str] = Counter()

        def count(name: str, n: int, counts: Counter[str] = counts) -> None:
            counts[name] += n

        try:
            heads.append(_head(decode(each.data, count), counts))
        except Malformed:
            refused += 1
    return heads, refused


def _head(read: Datagram, counts: Counter[str]) -> Head:
    samples = tuple(Sampled(each.sequence, each.source & 0xFFFFFFFF, each.rate, each.drops) for each in read.samples)
    others = counts["skipped.counters"], counts["skipped.discarded"]
    return Head(read.agent, read.sub_agent, read.sequence, read.uptime, len(samples), samples, *others)


def _row(origin: str, by: str, files: int, expected: list[Head], got: list[Head], *more: str) -> Row:
    left = Counter(got)
    missed = []
    for head in expected:
        found = next((each for each in +left if each == head or each._replace(flows=None) == head), None)
        if found:
            left[found] -= 1
        else:
            missed.append(head)
    trouble = [f"not explained yet: {_shown(head)}" for head in (*missed, *left.elements())]
    what = f"{by}: sFlow datagrams with agent, numbers, and each flow sample's source, rate and drops"
    return Row(origin, what, files, len(expected), len(expected) - len(missed), (*trouble, *more))


def _shown(head: Head) -> str:
    agent = "nobody" if head.agent is None else address_text(head.agent)
    return f"datagram {head.sequence} of {agent} with {head.number} flow and {head.counters} counter samples"


# tshark


def _by_tshark(data: Path) -> Iterator[Row]:
    truths: dict[str, list[tuple[Path, list[dict[str, Any]]]]] = {}
    for line in (data / "_truth/tshark_flow_decode.jsonl").read_text(encoding="utf-8").splitlines():
        told = json.loads(line)
        parts = [part["fields"] for part in told["decoded"] if part["proto"] == "sflow"]
        for file in told["files"] if parts else ():
            truths.setdefault(file.split("/")[0].replace("+", "/"), []).append((data / file, parts))
    for origin, every in truths.items():
        expected, more = [], []
        for path, parts in every:
            whole = [fields for fields in parts if "sflow_245.numsamples" in fields]
            if len(whole) < len(parts):
                more.append(f"{path.stem}: its one datagram ends within its header, which both notice")
            expected += [_of_tshark(fields) for fields in whole]
        heads, _ = _heads([path for path, _ in every])
        broken = [head for head in heads if head.sequence not in {each.sequence for each in expected}]
        yield _row(origin, "tshark", len(every), expected, [head for head in heads if head not in broken], *more)


def _of_tshark(fields: dict[str, list[str]]) -> Head:
    def numbers(name: str) -> list[int]:
        return [int(text, 0) for text in fields.get(name, ())]

    agent = fields.get("sflow_245.agent", fields.get("sflow_245.agent.v6", [None]))[0]
    (sub_agent,), (sequence,) = numbers("sflow_245.sub_agent_id"), numbers("sflow_245.sequence_number")
    (uptime,) = numbers("sflow_245.sysuptime")
    kinds = Counter(numbers("sflow_245.sampletype"))
    plain, expanded = numbers("sflow.flow_sample.index"), numbers("sflow.flow_sample.source_id_index")
    told = (
        numbers("sflow.flow_sample.sequence_number"),
        plain or expanded,
        numbers("sflow.flow_sample.sampling_rate"),
        numbers("sflow.flow_sample.dropped_packets"),
    )
    number = kinds[1] + kinds[3]
    # The truth keeps the first fields of each datagram, which may not reach as far as its flow samples.
    samples = tuple(Sampled(*each) for each in zip(*told, strict=True)) if len(told[0]) == number else None
    return Head(_address(agent), sub_agent, sequence, uptime, number, samples, kinds[2] + kinds[4], kinds[5])


def _address(text: str | None) -> Address | None:

    return parse_address(text) if text else None


# tcpdump: tests/*.out

_DATAGRAM = re.compile(r"sFlowv5, IPv[46] agent (\S+), agent-id (\d+), seqnum (\d+), uptime (\d+), samples \d+")
_SAMPLE = re.compile(
    r"flow sample \([13]\), length \d+, seqnum (\d+), type \d+, idx (\d+), rate (\d+), pool \d+, drops (\d+)"
)


def _by_tcpdump(data: Path) -> Iterator[Row]:
    folder = data / "the-tcpdump-group+tcpdump/tests"
    expected: list[Head] = []
    got: list[Head] = []
    files, more = 0, []
    for path in sorted(folder.glob("sflow*.pcap")):
        text = path.with_suffix(".out").read_text(encoding="utf-8")
        heads, refused = _heads([path])
        files += 1
        if "(invalid)" in text:
            more.append(f"{path.stem}: tcpdump calls its one datagram invalid; netwatchd counts the damage and no flow")
            continue
        if other := text.count("packet not supported"):
            agree = "netwatchd too" if other == refused else f"netwatchd refuses {refused}"
            more.append(f"{path.stem}: tcpdump refuses {other} datagrams that are NetFlow, {agree}")
        expected += _of_tcpdump(text)
        got += heads
    yield _row("the-tcpdump-group/tcpdump", "tcpdump", files, expected, got, *more)


def _of_tcpdump(text: str) -> list[Head]:
    heads = []
    places = list(_DATAGRAM.finditer(text))
    for at, place in enumerate(places):
        body = text[place.end() : places[at + 1].start() if at + 1 < len(places) else len(text)]
        samples = tuple(Sampled(*map(int, each)) for each in _SAMPLE.findall(body))
        counters = len(re.findall(r"counter sample \([24]\)", body))
        agent, (sub_agent, sequence, uptime) = place[1], map(int, place.groups()[1:])
        heads.append(Head(_address(agent), sub_agent, sequence, uptime, len(samples), samples, counters, 0))
    return heads


# telegraf: what the sampled packets are


def _by_telegraf(data: Path) -> Iterator[Row]:
    truths = list(telegraf(data, True))
    files = sum(len(truth.paths) for truth, _ in truths)
    packets: list[Record] = []
    flows: list[Record] = []
    for truth, _ in truths:
        decoder = SflowDecoder(lambda now, n=1, /: now << 12, lambda name, n: None)
        for each in datagrams(truth.paths):
            flows += [of_flow(flow, sampled=True) for flow in decoder.datagram(each.data, each.exporter, 0)]
            read = (sample.packet for sample in decode(each.data, lambda name, n: None).samples)
            packets += [record(Ends(*packet[:5]), (1, packet.length)) for packet in read if packet]
        flows += [of_flow(flow, sampled=True) for flow in decoder.finish()]
    sampled = [flow for truth, _ in truths for flow in truth.flows]
    what = "expected.out: sampled packets: addresses, ports, protocol, IP bytes"
    yield _compared(what, files, sampled, packets)
    lines = [fields for _, every in truths for fields in every if "src" in fields]
    rates = [int(fields["sampling_interval"]) for fields in lines]
    what = "expected.out: conversations, times the sampling rate: addresses, ports, protocol, packets, IP bytes"
    yield _compared(what, files, _conversations(sampled, rates), flows)


def _compared(what: str, files: int, expected: list[Record], got: list[Record]) -> Row:
    found = match(expected, got)
    trouble = [f"{len(found.missed)} missed: {_ABOUT_HEADERS}"] if len(found.missed) == len(found.surplus) == 1 else []
    return Row("influxdata/telegraf", what, files, len(expected), found.matched, tuple(trouble))


def _conversations(samples: list[Record], rates: list[int]) -> list[Record]:
    """Samples of the same two sides put together, each as often as its rate says."""
    sums: dict[tuple[object, ...], list[int]] = {}
    kinds: dict[tuple[object, ...], Record] = {}
    for sample, rate in zip(samples, rates, strict=True):
        kinds.setdefault(sample.key, sample)
        total = sums.setdefault(sample.key, [0, 0, 0, 0])
        for at, count in enumerate((*sample.counts[0], *sample.counts[1])):
            total[at] += (count or 0) * rate
    return [replace(kinds[key], counts=((a, b), (c, d))) for key, (a, b, c, d) in sums.items()]


_ABOUT_HEADERS = (
    "telegraf stops at the hop-by-hop header of an MLD report and calls that its protocol; netwatchd reads on to ICMPv6"
)
