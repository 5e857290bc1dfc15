"""What exporters sent, in a capture or in a file of nothing but their datagrams: NetFlow, IPFIX and sFlow.

The exporter is who sent the packet, whatever port it was sent to, and the time is the packet's.
"""

from pathlib import Path

from netwatchd.addresses import Address
from netwatchd.decoders import sflow
from netwatchd.decoders.links import Skipped
from netwatchd.decoders.netflow.collector import Collector
from netwatchd.events import Flow
from netwatchd.replay import captures, formats
from netwatchd.replay.datagrams import Datagrams, split, time_of
from netwatchd.replay.inputs import STDIN, Input, Unreadable
from netwatchd.replay.reading import Reading

_MS = 1_000_000  # nanoseconds
_UNKNOWN = 0  # the exporter of datagrams of which nobody wrote down who sent them
_LOOK = 1000  # datagrams between two looks at whether to stop
_TURN = 500  # milliseconds between two looks for flows whose other half does not come


def read(source: Input, reading: Reading) -> None:
    """Reads datagrams of exporters into flows."""
    collectors = _Collectors(reading)
    if formats.is_capture(source.head):
        _read_capture(source, reading, collectors)
    else:
        _read_datagrams(source, reading, collectors)
    collectors.finish()
    reading.flush()
    reading.report.format = formats.NETFLOW


def _read_capture(source: Input, reading: Reading, collectors: "_Collectors") -> None:
    datagrams = Datagrams()
    skipped = reading.report.skipped
    for packets in captures.batches(source, reading):
        for time, link_type, data, length, _ in packets:
            try:
                datagram = datagrams.of(link_type, data, length)
            except Skipped as reason:
                skipped[reason.reason] += 1
                continue
            if datagram is not None:
                collectors.datagram(datagram.payload, datagram.sender, time // _MS)


def _read_datagrams(source: Input, reading: Reading, collectors: "_Collectors") -> None:
    """They are dated by their exporter; what has no date, by the file."""
    report = reading.report
    now = 0 if source.name == STDIN else int(Path(source.name).stat().st_mtime * 1000)
    report.packets = place = 0
    for datagram in split(source.mapped()):
        now = time_of(datagram) or now
        report.packets += 1
        report.span(now, now)
        collectors.datagram(datagram, _UNKNOWN, now)
        place += len(datagram)
        if report.packets % _LOOK == 0:
            source.advance(place)
            if reading.stop() and not source.stopped:
                report.partial = True
                break
    if not report.packets:
        raise Unreadable("it is empty")


class _Collectors:
    """The collectors of each kind of export: which one is meant is told by the datagram."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._netflow = Collector(reading.new_id, self._count)
        self._sflow = sflow.SflowDecoder(reading.new_id, self._count)
        self._samples = 0
        self._now = self._looked = 0

    def datagram(self, payload: bytes, exporter: Address, now: int) -> None:
        """Takes what an exporter sent at `now` (Unix ms)."""
        self._now = now
        if not 0 <= now - self._looked < _TURN:
            self._looked = now
            self._hand_in(self._netflow.due(now))
        if payload[:2] != b"\0\0":  # sFlow's version is a whole word, the others' is half of one
            self._hand_in(self._netflow.datagram(payload, exporter, now))
            return
        try:
            flows = self._sflow.datagram(payload, exporter, now)
        except sflow.Malformed:
            self._count("malformed.sflow", 1)
        else:
            self._hand_in(flows)

    def finish(self) -> None:
        """Nothing more will come."""
        self._hand_in([*self._netflow.finish(self._now), *self._sflow.finish()])
        self._reading.report.records = self._samples + sum(session.flows for session in self._netflow.sessions)

    def _hand_in(self, flows: list[Flow]) -> None:
        if flows:
            self._reading.add(flows, self._reading.sightings_of(flows))

    def _count(self, name: str, n: int) -> None:
        if name == "samples":
            self._samples += n
        else:
            self._reading.report.skipped[name.removeprefix("skipped.").replace(".", " ")] += n
