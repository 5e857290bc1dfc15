"""The flows that are alive, and what has been told of each: makes Flows of conntrack's Entries.

Pure: time is an argument (Unix milliseconds), nothing here reads or waits. The rules it keeps:

* **Sums are exact.** What is told of all the records of a connection adds up to what the kernel counted since we
  first looked. A record counts from its `base`, the kernel's counters when it began: zero for a connection that began
  under our eyes, what had passed already for one that is found by the very first dump (an earlier run of ours may have
  told of that), and what was told before for a record that continues another.
* **A record never outlives its UTC day**, because storage keeps a file a day. At the first dump of a day it is closed,
  and goes on under a new id, but not before something passes: a silent connection makes no empty rows.
* **An old dump resurrects nobody.** Dump and events are read from two sockets, so a DESTROY can overtake a dump entry
  that is older. What ends during a dump is remembered until that dump is over, and what is marked DYING in a dump has
  told its DESTROY already.
* **Missing in a dump is not yet the end.** A dump leaves out what has expired but was not yet collected, and has it
  collected, so that its DESTROY with the last counters is on its way; after an overflow that can take seconds. Only
  what was missing thrice, for half a minute, is closed with what is known (the kernel never tells the end of flows that
  are older than its nf_conntrack_events setting); should it speak up after all, its record is continued like over
  midnight.
* **TIME_WAIT is not the end either.** A late retransmission is counted there, and a SYN may reopen the connection. So
  a flow is closed by its DESTROY alone, which is a minute or two late, but its `end` does not show that:
* **`end` is the time of the last packet**, as well as can be told. A connection's timer is set to its state's timeout
  by each packet, so the last one came `timeout - what is left` ago. That guess is kept within what was seen: the last
  packet came after the last look (a dump, or the start) that had other counters, and before the first that had these.
  Dumps tell what is left in whole seconds, rounded down, so that `end` may be up to 1 s early there; an expiry is
  timed exactly.
"""

from collections.abc import Callable, Mapping

from netwatchd.addresses import Address
from netwatchd.decoders.conntrack import ASSURED, DYING, SEEN_REPLY, Entry
from netwatchd.events import Flow, time_of_id

Key = tuple[int | Address, ...]

MOST_FLOWS = 262_144  # some 200 MB when full; a kernel with little memory has a lower limit of its own

_DAY = 86_400_000  # milliseconds
_MISSED_ENDED = 3  # dumps
_MISSED_FORGOTTEN = 60
_PATIENCE = 25_000  # milliseconds
_ZERO = (0, 0, 0, 0)
_LOOPBACK6 = b"\0" * 15 + b"\1"

# Seconds until a silent connection expires: sysctls net.netfilter.nf_conntrack_*, with the kernel's defaults.
TIMEOUTS = {
    "generic_timeout": 600, "icmp_timeout": 30, "icmpv6_timeout": 30, "udp_timeout": 30, "udp_timeout_stream": 120,
    "gre_timeout": 30, "gre_timeout_stream": 180, "tcp_timeout_syn_sent": 120, "tcp_timeout_syn_recv": 60,
    "tcp_timeout_established": 432000, "tcp_timeout_fin_wait": 120, "tcp_timeout_close_wait": 60,
    "tcp_timeout_last_ack": 30, "tcp_timeout_time_wait": 120, "tcp_timeout_close": 10,
}  # fmt: skip
_TCP_STATES = (  # enum tcp_conntrack, from TCP_CONNTRACK_SYN_SENT = 1 to SYN_SENT2 = 9
    "generic_timeout", "tcp_timeout_syn_sent", "tcp_timeout_syn_recv", "tcp_timeout_established",
    "tcp_timeout_fin_wait", "tcp_timeout_close_wait", "tcp_timeout_last_ack", "tcp_timeout_time_wait",
    "tcp_timeout_close", "tcp_timeout_syn_sent",
)  # fmt: skip
_ESTABLISHED = 3  # enum tcp_conntrack
_OTHER_TIMEOUTS = {1: "icmp_timeout", 58: "icmpv6_timeout", 17: "udp_timeout", 47: "gre_timeout"}


class _Record:
    """One connection: the Flow last told of it, and from where its counters are counted."""

    __slots__ = ("base", "by", "found", "looked", "seen", "told")

    def __init__(self, told: Flow, base: tuple[int, ...], seen: int, found: bool = False) -> None:
        self.told = told  # its id is 0 while nothing was told
        self.base = base  # the kernel's counters when this record began
        self.looked = told.start  # when the kernel's counters were last seen
        self.by = told.start  # when they were first seen to be what they are: the last packet had come by then
        self.seen = seen  # the last dump that had it
        self.found = found  # by the first dump, so that it may be older than we


class LiveFlows:
    """The table of live flows. `new_id(now)` gives ids; `untracked` counts the news that found the table full."""

    def __init__(
        self, new_id: Callable[[int], int], timeouts: Mapping[str, int] | None = None, most: int = MOST_FLOWS
    ) -> None:
        self.timeouts = {**TIMEOUTS, **(timeouts or {})}
        self.untracked = 0
        self._new_id = new_id
        self._most = most
        self._records: dict[Key, _Record] = {}
        self._since: int | None = None  # when we first looked
        self._dump = 0  # the number of the current or last dump
        self._today = 0
        self._dumping = False
        self._ended: set[Key] = set()  # during the current dump
        self._complete = False  # whether there was a whole dump yet

    def __len__(self) -> int:
        return len(self._records)

    def began(self, entry: Entry, now: int) -> Flow | None:
        """A NEW event: the flow that began; None for loopback, a full table, or what a dump told before."""
        key = entry[:6]
        record = self._records.get(key)
        if record is not None:
            if record.found:  # it proves to be younger than our subscription: all it carried is news
                record.base, record.found = _ZERO, False
            return None
        if _is_loopback(entry):
            return None
        return self._add(key, entry, now, (entry.event or entry.start) // 1_000_000 or now)

    def ended(self, entry: Entry, now: int) -> Flow | None:
        """A DESTROY event: the flow's last word; None where there is nothing to say."""
        key = entry[:6]
        if self._dumping:
            self._ended.add(key)
        record = self._records.pop(key, None)
        if record is None:
            if _is_loopback(entry) or not self._is_news(entry):
                return None
            # Its NEW was lost or found the table full; here is all of it at once.
            record = _Record(_flow(entry, 0, entry.start // 1_000_000 or now), _ZERO, self._dump)
        stopped = entry.stop // 1_000_000 or now
        flow = self._counted(record, entry, stopped, "closed")
        if flow.id:
            return flow
        # A continued record that has nothing to add stays silent.
        return self._named(flow, now) if flow[8:12] != _ZERO or record.base == _ZERO else None

    def start_dump(self, now: int) -> None:
        """A dump is asked for; `dumped` entries follow. One that is not finished is simply started again."""
        if not self._dumping:
            self._dump += 1
        self._since = now if self._since is None else self._since
        self._dumping = True
        self._today = now // _DAY

    def dumped(self, entry: Entry, now: int) -> Flow | None:
        """An entry of the dump: the flow, if there is something new to tell of it."""
        key = entry[:6]
        record = self._records.get(key)
        if record is not None:
            record.seen = self._dump
            return self._look(record, entry, now)
        if entry.status & DYING or key in self._ended or _is_loopback(entry):
            return None
        if self._is_news(entry):
            flow = self._add(key, entry, now, entry.start // 1_000_000 or now)
            return flow and (self._look(self._records[key], entry, now) or flow)
        return self._add(key, entry, now, now, entry[8:12])

    def finish_dump(self, now: int) -> list[Flow]:
        """The dump is complete: the flows that have ended without a word."""
        closed = []
        for key, record in list(self._records.items()):
            missed = self._dump - record.seen
            if missed >= _MISSED_ENDED and record.told.id and now - record.looked > _PATIENCE:
                closed.append(self._close(record, now))
            elif missed > _MISSED_FORGOTTEN:
                del self._records[key]
        self._ended.clear()
        self._dumping, self._complete = False, True
        return closed

    def close_all(self, now: int) -> list[Flow]:
        """The last word on everything: nobody will look any more. Forgets all."""
        closed = [self._close(record, now) for record in self._records.values() if record.told.id]
        self._records.clear()
        return closed

    def _is_news(self, entry: Entry) -> bool:
        """Whether an unknown connection began since we first looked, rather than before."""
        if entry.start and self._since is not None:
            return entry.start // 1_000_000 >= self._since
        return self._complete

    def _add(self, key: Key, entry: Entry, now: int, start: int, base: tuple[int, ...] | None = None) -> Flow | None:
        if len(self._records) >= self._most:
            self.untracked += 1
            return None
        flow = _flow(entry, self._new_id(now), start)
        self._records[key] = _Record(flow, base or _ZERO, self._dump, found=base is not None)
        return flow

    def _look(self, record: _Record, entry: Entry, now: int) -> Flow | None:
        """The kernel's counters of a known connection: what has changed, or the record's end at a new day."""
        if record.told.id == 0 or self._today <= time_of_id(record.told.id) // _DAY:
            return self._update(record, entry, now)
        flow = self._counted(record, entry, now, "closed")
        self._continue(record, flow, now)
        return flow

    def _update(self, record: _Record, entry: Entry, now: int) -> Flow | None:
        told, state = record.told, _state(entry)
        carried = (entry.packets_out - record.base[0], entry.packets_in - record.base[2])
        if carried == (told.packets_out, told.packets_in) and state == told.state:  # most flows at most dumps
            record.looked = now
            return None
        flow = self._counted(record, entry, now, state)
        # A continued record stays silent until something passes; its state alone is no news.
        if flow[8:12] == told[8:12] and (told.id == 0 or flow.state == told.state):
            return None
        record.told = flow if flow.id else self._named(flow, now)
        return record.told

    def _counted(self, record: _Record, entry: Entry, at: int, state: str) -> Flow:
        """The record's flow with the entry's counters; `at` is when the entry was true."""
        told = record.told
        new = entry[8:12]
        counts = tuple(n - b for n, b in zip(new, record.base, strict=True))
        if any(c < t for c, t in zip(counts, told[8:12], strict=True)):
            # Somebody has set the kernel's counters to zero (conntrack -L -z), or none are told: go on from there.
            record.base = tuple(-t for t in told[8:12])
            counts = tuple(n - b for n, b in zip(new, record.base, strict=True))
        if counts != told[8:12]:
            after, record.by = record.looked, at
        else:
            after, record.by = told.end, record.by if any(new) else at  # without counters only the timer tells
        record.looked = at
        # At most a second early, see above, and never earlier than told.
        last = at - self.timeouts[timeout_of(entry)] * 1000 + entry.timeout * 1000
        end = max(told.end, after, min(last, record.by))
        return Flow._make((*told[:2], end, *told[3:8], *counts, state, *told[13:]))

    def _named(self, flow: Flow, now: int) -> Flow:
        """The flow with an id; its record belongs to today, even if it was silent for days."""
        start = max(flow.start, now // _DAY * _DAY)
        return flow._replace(id=self._new_id(now), start=start, end=max(flow.end, start))

    def _close(self, record: _Record, now: int) -> Flow:
        flow = record.told._replace(state="closed")
        self._continue(record, flow, now)
        return flow

    def _continue(self, record: _Record, closed: Flow, now: int) -> None:
        """Has a record that was closed count on, silently, from what it told last."""
        record.base = tuple(b + c for b, c in zip(record.base, closed[8:12], strict=True))
        record.told = Flow._make((0, now, now, *closed[3:8], *_ZERO, "active", *closed[13:]))
        record.looked = record.by = now
        record.found = False


def timeout_of(entry: Entry) -> str:
    """The name, in TIMEOUTS, of how long the connection would be kept after a packet."""
    if entry.protocol == 6:
        return _TCP_STATES[entry.tcp_state] if entry.tcp_state < len(_TCP_STATES) else "generic_timeout"
    name = _OTHER_TIMEOUTS.get(entry.protocol, "generic_timeout")
    return name + "_stream" if entry.status & ASSURED and entry.protocol in (17, 47) else name


def _state(entry: Entry) -> str:
    """`new` is what was seen to begin, and was not answered yet."""
    # A connection that is older than the tracking is joined in its middle (nf_conntrack_tcp_loose), without a SYN.
    joined = entry.protocol == 6 and entry.tcp_state == _ESTABLISHED
    return "active" if entry.status & SEEN_REPLY or joined else "new"


def _flow(entry: Entry, flow_id: int, start: int) -> Flow:
    return Flow._make((flow_id, start, start, *entry[1:6], *_ZERO, _state(entry), "conntrack", None, None))


def _is_loopback(entry: Entry) -> bool:
    """Whether the connection never leaves the machine; its own LAN addresses talk to each other like this too."""
    source = entry.src_ip
    if source == entry.dst_ip:
        return True
    if isinstance(source, int):
        return source >> 24 == 127 or int(entry.dst_ip) >> 24 == 127
    return _LOOPBACK6 in (source, entry.dst_ip)
