"""Logs of other programs, line by line: Zeek's conn.log, Suricata's eve.json, what nfdump and Argus print."""

import time
from collections.abc import Callable
from pathlib import Path

from netwatchd.decoders.argus import ArgusDecoder
from netwatchd.decoders.eve import EveDecoder
from netwatchd.decoders.json_lines import Malformed
from netwatchd.decoders.log_lines import LogDecoder, LogEvent, reason_of
from netwatchd.decoders.nfdump import NfdumpDecoder
from netwatchd.decoders.zeek import ZeekDecoder, log_of
from netwatchd.events import Flow, Sighting, Threat
from netwatchd.observations import Observation
from netwatchd.replay import formats
from netwatchd.replay.inputs import Input
from netwatchd.replay.reading import Reading

_TURN = 1000  # lines between two looks at whether to stop


def _no_id(_: int) -> int:
    """In place of an id: it is given when the time of the record is known."""
    return 0


_DECODERS: dict[str, Callable[[Input], LogDecoder]] = {
    formats.ZEEK: lambda source: ZeekDecoder(_no_id, log_of(source.head, Path(source.name).name) or "conn"),
    formats.EVE: lambda _: EveDecoder(_no_id),
    formats.NFDUMP: lambda _: NfdumpDecoder(_no_id, _zone),
    formats.ARGUS: lambda _: ArgusDecoder(_no_id, _zone),
}


def read(source: Input, log: str, reading: Reading) -> None:
    """Reads a log of the format `log`; a record lies in the day in which its flow began."""
    decoder = _DECODERS[log](source)
    report = reading.report
    report.records = 0
    bad = report.skipped
    for number, line in enumerate(source.lines()):
        if number % _TURN == 0:
            source.tell()
            if reading.stop() and not source.stopped:
                report.partial = True
                break
        if line is None:
            bad["it is too long"] += 1
            continue
        try:
            found = decoder.decode(line, 0)
        except Malformed as error:
            reason = reason_of(error)
            bad[reason if reason in bad or len(bad) < formats.MOST_TOLD else "it cannot be understood"] += 1
            continue
        if found:
            _hand_in(found, reading)
    _hand_in(decoder.finish(0), reading)
    bad.update({what: count for what, count in decoder.skipped.items() if count})
    reading.flush()


def _hand_in(found: list[LogEvent], reading: Reading) -> None:
    flows = [event._replace(id=reading.new_id(event.start)) for event in found if isinstance(event, Flow)]
    sightings = [event for event in found if isinstance(event, Sighting)]
    threats = [event for event in found if isinstance(event, Threat)]
    observations = [event for event in found if isinstance(event, Observation)]
    report = reading.report
    assert report.records is not None
    report.records += len(flows) + len(threats) or bool(found)
    for flow in flows:
        report.span(flow.start, flow.end)
    for threat in threats:
        report.span(threat.first_seen, threat.last_seen)
    for seen in (*sightings, *observations):
        report.span(seen.time, seen.time)
    reading.add(flows, [*sightings, *reading.sightings_of(flows)], threats, observations)


def _zone(local: int) -> int:
    """What this machine's local time is ahead of UTC, in seconds; `local` is a local time, taken for UTC."""
    return local - int(time.mktime((*time.gmtime(local)[:8], -1)))
