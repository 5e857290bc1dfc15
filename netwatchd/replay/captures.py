"""Captures, packet by packet: their flows, and the devices that they betray."""

import mmap
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from operator import itemgetter

from netwatchd.decoders.flowtable import FlowTable
from netwatchd.decoders.links import Skipped
from netwatchd.decoders.pcap import Captured, NotACapture
from netwatchd.decoders.pcapng import open_capture
from netwatchd.replay.datagrams import Datagrams, is_export
from netwatchd.replay.inputs import Input, Unreadable
from netwatchd.replay.reading import Reading

SOURCE = "capture"  # what was captured live has the same name: it is the same that was seen
_PACKETS = 2000  # at a time
_FORGET = 16 << 20  # bytes of the mapping that are let go of at once

_TIME = itemgetter(0)
_MS = 1_000_000  # nanoseconds


def read(source: Input, reading: Reading) -> None:
    """Reads a capture's packets into flows."""
    table = FlowTable(reading.new_id, SOURCE, networks=reading.settings.devices.networks)
    see = table.see
    for packets in batches(source, reading):
        if reading.report.packets == len(packets) and _are_exports(packets):
            reading.report.hint = "most of it was sent by exporters of flows: --as netflow reads what they have told"
        for time, link_type, data, length, _ in packets:
            see(time // _MS, link_type, data, length)
        reading.add(table.due(packets[-1][0] // _MS), table.sightings(), observations=table.observations())
    reading.add(table.finish(), table.sightings(), observations=table.observations())
    reading.flush()
    reading.report.skipped.update(table.skipped)
    if table.stations.dropped:
        reading.report.skipped["clues"] += table.stations.dropped
    if table.stations.observed.overlooked:
        reading.report.skipped["observations"] += table.stations.observed.overlooked
    if table.stations.crowded_out:
        reading.report.skipped["DHCP clients at once"] += table.stations.crowded_out


def _are_exports(packets: list[Captured]) -> bool:
    """Whether most of the first packets are what exporters send."""
    datagrams = Datagrams()
    exports = 0
    for _, link_type, data, length, _ in packets:
        with suppress(Skipped):
            datagram = datagrams.of(link_type, data, length)
            exports += datagram is not None and is_export(datagram.payload)
    return exports * 2 > len(packets)


def batches(source: Input, reading: Reading) -> Iterator[list[Captured]]:
    """The packets of a capture, many at a time: they are counted, and so is what is damaged; raises Unreadable."""
    buffer = source.mapped()
    report = reading.report
    try:
        capture = open_capture(buffer)
    except NotACapture as error:
        raise Unreadable(str(error)) from error
    report.format = type(capture).__name__.lower()
    report.packets = 0
    packets = iter(capture)
    forgotten = 0
    while batch := list(islice(packets, _PACKETS)):
        report.packets += len(batch)
        times = list(map(_TIME, batch))
        report.span(min(times) // _MS, max(times) // _MS)
        yield batch
        at = batch[-1][4]
        source.advance(at)
        if isinstance(buffer, mmap.mmap) and at - forgotten >= _FORGET:
            # Pages that were read would count as our memory for as long as the file is mapped.
            buffer.madvise(mmap.MADV_DONTNEED, 0, at // mmap.PAGESIZE * mmap.PAGESIZE)
            forgotten = at
        # Of a pipe that was stopped, all that had come is read.
        if reading.stop() and not source.stopped:
            report.partial = True
            break
    report.skipped.update(capture.skipped)
