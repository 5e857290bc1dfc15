"""Packets to Flows: who spoke to whom, how much went each way, and how it ended.

Time is the packets' (Unix milliseconds). The rules:

* **Who opened it** (`src`) is who sent the first packet, unless something better is known: a SYN comes from the opener
  and a SYN-ACK from the other side, an ICMP reply from who was asked. Where a conversation was joined in the middle, a
  first packet from a port below 1024 to one of 1024 or more, and to a single host, is taken for an answer.
* **A flow ends** with FIN from both sides or RST (TCP), or when it was silent for its protocol's timeout. What trails
  behind the end is still counted for `tcp_closed`. A SYN with another sequence number than the first begins a new flow,
  if the old one is over or was answered; so does any packet after a timeout.
* **A flow never outlives its UTC day**, because storage keeps a file a day: at midnight it is told as `continued`, and
  goes on under a new id with the next packet.
* **ICMP** flows have the type and code as ports; a request and its reply are one flow, with the request's type.
* **Fragments** belong to the flow of the first fragment, which alone has the ports. Until that comes, if ever, they are
  put down to a flow without ports. Tunnels are flows by their outer header.
* **The table is bounded**: when it is full, the flows that were silent longest are told and go.
* **Time that goes back** by more than a minute ends all flows: another capture began, or the clock was set.

For speed, a direction of a flow is found by one slice of the packet (addresses and ports lie side by side), and what is
rare about a packet (a new flow, SYN, FIN, RST, another MAC) is left to a slower way, which reads it from the start.
"""

import struct
from collections import Counter, OrderedDict
from collections.abc import Mapping
from heapq import heappop, heappush
from operator import attrgetter

from netwatchd.addresses import Networks
from netwatchd.decoders.conversations import TIMEOUTS, Record, Side, begins_oddly, opener_key
from netwatchd.decoders.links import ETHERNET, IPV4, IPV6, Buffer, Skipped, frame_of
from netwatchd.decoders.packets import NO_PORTS, SYN, TCP, UDP, Packet, packet_of
from netwatchd.decoders.sequences import count_unseen
from netwatchd.decoders.stations import Stations
from netwatchd.events import Flow, NewId, Sighting
from netwatchd.observations import Observation

MOST_FLOWS = 131_072  # some 100 MB when full
MOST_FRAGMENTS = 4096  # datagrams of which fragments are remembered; all of them come within seconds

_DAY = 86_400_000  # milliseconds
_END_OF_TIME = 253_402_300_800_000  # the year 10000: dates go no further
_TOLERANCE = 60_000  # milliseconds by which packets may be out of order
_STALE = 4096  # records that are gone and still wait to be looked at, before they are searched for
_EVICTED_SHARE = 16  # one flow of so many goes when the table is full, so that looking for the oldest is rare

# Source MAC, EtherType to type of service, total length, identification and fragment, protocol, addresses and ports.
_IPV4 = struct.Struct("!6x6sIHIxBxx12s").unpack_from
_IPV6 = struct.Struct("!6x6sH4xHBx36s").unpack_from  # source MAC, EtherType, payload length, next header, the same

_LAST = attrgetter("last")


class FlowTable:
    """The flows that are alive. `skipped` counts the packets that belong to no flow, by reason."""

    def __init__(
        self,
        new_id: NewId,
        source: str,
        *,
        networks: Networks | None = None,
        interface: str | None = None,
        interval: int | None = None,
        timeouts: Mapping[str, int] | None = None,
        most: int = MOST_FLOWS,
        sparse: bool = False,
    ) -> None:
        """Flows and sightings are told in the name of `source`, and sightings as of `interface`.

        `networks` are those whose addresses belong to devices here. With an `interval` (ms) `due` tells of flows when
        they begin and, while they grow, each time it has passed; without, there is only the last word on each.
        `timeouts` (ms) replace those of TIMEOUTS; `most` flows are alive at once. `sparse`: of TCP little is seen but
        SYN, FIN and RST, and the bytes between them are told by sequence numbers.
        """
        self.timeouts = {**TIMEOUTS, **(timeouts or {})}
        if sparse:  # the answer to a SYN-ACK is not seen either
            self.timeouts["tcp_answered"] = self.timeouts["tcp"]
        self.skipped: Counter[str] = Counter()
        self.evicted = 0  # flows that went because the table was full
        self.stations = Stations(source, networks or Networks(()), interface)
        self._new_id = new_id
        self._source = source
        self._interval = interval
        self._most = most
        self._sparse = sparse
        self._tables: dict[int, dict[bytes, Side]] = {TCP: {}, UDP: {}}
        self._tcp, self._udp = self._tables[TCP], self._tables[UDP]
        self._count = 0
        self._done: list[Flow] = []
        self._fresh: list[Record] = []  # began since `due` last told
        self._told = 0  # when `due` last told of what grows
        self._buckets: dict[int, list[Record]] = {}  # what is to be looked at, by the second
        self._heap: list[int] = []  # of these seconds
        self._placed = 0  # records in the buckets, with those that are gone
        self._asleep: dict[tuple[int, bytes], Record] = {}  # went on over midnight, silent since
        self._fragments: OrderedDict[bytes, bytes] = OrderedDict()  # the ports of datagrams
        # Where the fragments of a datagram were put that came before the first, and their packets and bytes.
        self._early: OrderedDict[bytes, tuple[Side, list[int]]] = OrderedDict()
        self._from = self._until = 0  # milliseconds: within, a packet's time needs no look
        self._midnight = 0  # milliseconds: the next one

    def __len__(self) -> int:
        return self._count

    def see(  # noqa: C901, PLR0912  # see below
        self, time: int, link_type: int, data: Buffer, wire_length: int
    ) -> None:
        """One packet: when it passed (ms), its link type, what was captured of it, and how long it was on the wire.

        `data` is not kept. What is done here is what a packet costs, and a call within would add a tenth: one function.
        """
        if not self._from <= time < self._until and not self._turn(time):
            self.skipped["time"] += 1
            return
        if link_type == ETHERNET:
            try:
                mac, head, length, fragment, protocol, key = _IPV4(data)
                # EtherType, version and header length; no fragment; the length told fits in the frame.
                if head >> 8 == 0x080045 and not fragment & 0x3FFF and 28 <= length <= wire_length - 14:
                    if protocol == 6:
                        side = None if data[47] & 7 else self._tcp.get(key)  # SYN, RST, FIN
                    else:
                        side = self._udp.get(key) if protocol == 17 else None
                elif head >> 12 == 0x86DD6:
                    mac, _, length, protocol, key = _IPV6(data)
                    length += 40
                    if protocol == 6:
                        side = None if data[67] & 7 else self._tcp.get(key)
                    else:
                        side = self._udp.get(key) if protocol == 17 else None
                    if not 48 <= length <= wire_length - 14:
                        side = None
                else:
                    side = None
            except (struct.error, IndexError):
                side = None
            if side is not None and side.mac == mac:
                side.packets += 1
                side.bytes += length
                record = side.record
                if time >= record.last:
                    record.last = time
                elif time < record.start:
                    record.start = time
                return
        self._read(time, link_type, data, wire_length)

    def due(self, now: int) -> list[Flow]:
        """What is to be told at `now` (ms): flows that have ended, and with an interval those that begin and grow."""
        if now >= self._until:
            self._turn(now)
        self.stations.tick(now)
        told: list[Flow] = []
        if self._interval is not None:
            if now - self._told >= self._interval or now < self._told:
                self._told = now
                told = [self._live(record) for record in self._growing()]
            else:
                told = [self._live(record) for record in self._fresh if not record.gone and not record.told]
        self._fresh.clear()
        done, self._done = self._done, []
        return told + done

    def finish(self) -> list[Flow]:
        """The last word on all flows: what has ended and was not told yet, and what is alive."""
        self._end_all("unfinished")
        self._fresh.clear()
        self.stations.settle()
        done, self._done = self._done, []
        return done

    def sightings(self) -> list[Sighting]:
        """The devices that were seen since this was last asked."""
        return self.stations.take()

    def observations(self) -> list[Observation]:
        """What else was seen since this was last asked, for detectors."""
        return self.stations.observed.take()

    # The slower way.

    def _read(self, time: int, link_type: int, data: Buffer, wire_length: int) -> None:
        """Reads a packet from its start, and does all that may be to do."""
        try:
            frame = frame_of(link_type, data)
            if frame.kind not in (IPV4, IPV6):
                self.stations.see_frame(time, frame, data)
            packet = packet_of(frame, data, wire_length)
        except Skipped as skipped:
            self.skipped[skipped.reason] += 1
            return
        source, destination, protocol, ports, flags, length, _, fragment, mac = packet
        if fragment is not None and not packet.transport:
            ports = self._fragments.get(_datagram(packet), NO_PORTS)
        table = self._tables.get(protocol)
        side = None if table is None else table.get(source + destination + ports)
        if side is None:
            side = self._open(time, packet, ports)
        if flags & 7:  # SYN, RST, FIN of TCP
            side = self._control(time, side, packet, data, frame.at)
        side.packets += 1
        side.bytes += length
        record = side.record
        if time >= record.last:
            record.last = time
        elif time < record.start:
            record.start = time
        if fragment is not None:
            self._gather(side, packet)
        if side.mac != mac:
            # The stations say whether they want to see the next packet of this side, too.
            side.mac = mac if self.stations.see(time, packet, data, side.packets) else None

    def _control(self, time: int, side: Side, packet: Packet, data: Buffer, at: int) -> Side:
        """SYN, FIN, RST: the side to count the packet (at `at`) on, which is a new flow's if it opens one."""
        sequence = bytes(data[packet.transport + 4 : packet.transport + 8])
        record = side.record
        if packet.flags & 0x12 == SYN and record.out.packets + record.back.packets and record.begins_anew(sequence):
            self._end(record, "replaced")
            side = self._open(time, packet, packet.ports)
            record = side.record
        before = record.timeout
        record.control(side, packet.flags, sequence)
        if record.timeout != before:
            self._place(record, time + self.timeouts[record.timeout])
        if self._sparse:
            count_unseen(side, packet, data, at)
        return side

    def _gather(self, side: Side, packet: Packet) -> None:
        """Brings the fragments of a datagram together; `packet` is one, and counted on `side`."""
        key = _datagram(packet)
        if not packet.transport:
            if key not in self._fragments:
                early = self._early.setdefault(key, (side, [0, 0]))[1]
                early[0] += 1
                early[1] += packet.length
                if len(self._early) > MOST_FRAGMENTS:
                    self._early.popitem(last=False)
            return
        self._fragments[key] = packet.ports
        if len(self._fragments) > MOST_FRAGMENTS:
            self._fragments.popitem(last=False)
        was, (packets, size) = self._early.pop(key, (side, (0, 0)))
        record = was.record
        if record.gone or record.told:  # what was told cannot be taken back
            return
        was.packets -= packets
        was.bytes -= size
        side.packets += packets
        side.bytes += size
        if not record.out.packets + record.back.packets:
            side.record.start = min(side.record.start, record.start)
            self._remove(record)

    def _open(self, time: int, packet: Packet, ports: bytes) -> Side:
        """The side of a new flow that its first packet belongs to."""
        protocol = packet.protocol
        key = packet.source + packet.destination + ports
        slept = self._wake(time, protocol, key) if self._asleep else None
        opener = opener_key(packet, ports) if slept is None else slept.out.key
        if self._count >= self._most:
            self._evict()
        # What comes late over midnight belongs to the new day: the flow may live through it.
        new_id = self._new_id(max(time, self._midnight - _DAY))
        record = Record(new_id, time, protocol, opener, begins_oddly(packet))
        if slept is not None:
            record.inherit(slept)
        table = self._tables.setdefault(protocol, {})
        table[opener] = record.out
        if record.back.key:
            table.setdefault(record.back.key, record.back)
        self._count += 1
        if self._interval is not None:
            self._fresh.append(record)
        self._place(record, time + self.timeouts[record.timeout])
        return table[key]

    def _wake(self, time: int, protocol: int, key: bytes) -> Record | None:
        """What went on over midnight and is heard of again."""
        record = self._asleep.pop((protocol, key), None)
        if record is None or time - record.last > self.timeouts[record.timeout]:
            return None
        for side in (record.out, record.back):
            self._asleep.pop((protocol, side.key), None)
        return record

    # Time.

    def _turn(self, time: int) -> bool:
        """Does what is due by `time`; False where it cannot be a time."""
        if not 0 <= time < _END_OF_TIME:
            return False
        if time < self._from:
            self._end_all("unfinished")
            self._asleep.clear()
            self._midnight = 0
        if time >= self._midnight:
            if self._midnight:
                self._look_until(self._midnight)
                self._pass_midnight()
            self._midnight = time // _DAY * _DAY + _DAY
        self._look_until(time)
        if self._asleep and time - (self._midnight - _DAY) > self.timeouts["tcp"]:
            self._asleep = {}
        self._from = max(0, time - _TOLERANCE)
        self._until = min(self._midnight, self._heap[0] * 1000) if self._heap else self._midnight
        return True

    def _place(self, record: Record, deadline: int) -> None:
        """Has the record looked at in the first second after the deadline (ms)."""
        if self._placed >= 2 * self._count + _STALE:
            self._clean()
        self._placed += 1
        record.due = second = deadline // 1000 + 1
        bucket = self._buckets.get(second)
        if bucket is None:
            self._buckets[second] = [record]
            heappush(self._heap, second)
            self._until = min(self._until, second * 1000)
        else:
            bucket.append(record)

    def _clean(self) -> None:
        """Lets go of records that are gone: of short connections there may be many more than are alive."""
        for second, bucket in self._buckets.items():
            bucket[:] = [record for record in bucket if not record.gone and record.due == second]
        self._placed = sum(map(len, self._buckets.values()))

    def _look_until(self, time: int) -> None:
        while self._heap and self._heap[0] * 1000 <= time:
            self._look(heappop(self._heap))

    def _look(self, second: int) -> None:
        """Ends the records that were silent for too long."""
        bucket = self._buckets.pop(second)
        self._placed -= len(bucket)
        for record in bucket:
            if record.gone or record.due != second:
                continue
            deadline = record.last + self.timeouts[record.timeout]
            if deadline < second * 1000:
                self._end(record, "timeout")
            else:
                self._place(record, deadline)

    def _pass_midnight(self) -> None:
        """Tells of all flows that live, and puts them to sleep until something passes."""
        self._asleep = {}
        for record in self._records():
            over = record.over
            self._end(record, "continued")
            if not over:
                self._asleep[record.protocol, record.out.key] = record
                self._asleep[record.protocol, record.back.key] = record

    def _records(self) -> list[Record]:
        return [side.record for table in self._tables.values() for side in table.values() if side.record.out is side]

    def _growing(self) -> list[Record]:
        return [record for record in self._records() if record.out.packets + record.back.packets != record.told]

    def _live(self, record: Record) -> Flow:
        return record.flow(record.live_state, self._source)

    # Ends.

    def _end(self, record: Record, why: str) -> None:
        """Takes the record from the table, and has it told."""
        self._remove(record)
        self._done.append(record.flow(record.state(why), self._source))

    def _remove(self, record: Record) -> None:
        table = self._tables[record.protocol]
        for side in (record.out, record.back):
            if table.get(side.key) is side:
                del table[side.key]
        record.gone = True
        self._count -= 1

    def _end_all(self, why: str) -> None:
        for record in self._records():
            self._end(record, why)
        self._buckets.clear()
        self._heap.clear()
        self._placed = 0

    def _evict(self) -> None:
        """Ends the flows that were silent longest."""
        oldest = sorted(self._records(), key=_LAST)[: self._most // _EVICTED_SHARE + 1]
        for record in oldest:
            self._end(record, "evicted")
        self.evicted += len(oldest)


def _datagram(packet: Packet) -> bytes:
    """What the fragments of a datagram have in common."""
    return packet.source + packet.destination + bytes((packet.protocol,)) + (packet.fragment or b"")
