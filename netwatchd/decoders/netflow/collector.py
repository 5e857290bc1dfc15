"""Datagrams of all exporters to Flows.

The way of a datagram: its version says how its header is read, the header which Session it belongs to; each set is a
template, options, or data. Data of a known template goes through the template's loop into records, records are joined
with the other half where there is one, and what can be told gets ids and becomes Flows.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from netwatchd.addresses import Address
from netwatchd.decoders.netflow import elements, ipfix, options, v5, v9
from netwatchd.decoders.netflow.clock import Clock, mended
from netwatchd.decoders.netflow.halves import Count, Halves, Key, key_of
from netwatchd.decoders.netflow.header import Header, Malformed
from netwatchd.decoders.netflow.kept import Budget, DataSet
from netwatchd.decoders.netflow.layout import Layout, Row, Unreadable
from netwatchd.decoders.netflow.loops import MOST_COUNT, Record
from netwatchd.decoders.netflow.sampling import Sampling, rate_of
from netwatchd.decoders.netflow.session import Domain, Session
from netwatchd.decoders.netflow.templates import FIRST_DATA_SET, options_v9, templates_ipfix, templates_v9
from netwatchd.events import Flow, NewId, Origin

Told = list[tuple[Origin, list[Record]]]

SOURCE = "netflow"
HOLD = 2000  # ms that a half waits for its other half

# Streams that are known at once. Whoever may send can make up any number of them.
MOST_SESSIONS = 1024

# Gaps in numbers, and the kernel's count of what did not fit, tell of the same loss within this time.
_LATELY = 10_000  # ms

_HEADERS = {1: v5.header, 5: v5.header, 7: v5.header, 9: v9.header, 10: ipfix.header}
_new = tuple.__new__


class Collector:
    """All exporters. Methods take the time as Unix ms, never going back by much."""

    def __init__(self, new_id: NewId, count: Count, hold: int = HOLD) -> None:
        """`count(name, n)` counts what happens besides flows; `hold` is how long a half may wait, in ms; with
        0 no halves are joined.
        """
        self._new_id = new_id
        self._count = count
        self._halves = Halves(hold, count)
        self._joins = hold > 0
        self._budget = Budget()
        self._domains: dict[tuple[int, Address, int], Domain] = {}
        self._sessions: dict[tuple[int, Address, int, int], Session] = {}
        # Samplers are sometimes told of in another domain than that of the flows that name them.
        self._rates: dict[Address, Sampling] = {}
        self._told: Told = []
        self._dropped_here = 0  # datagrams that our socket lost and that are not put down to an exporter yet

    @property
    def sessions(self) -> list[Session]:
        """The streams that are known."""
        return list(self._sessions.values())

    def datagram(self, data: bytes, exporter: Address, now: int, port: int = 0) -> list[Flow]:
        """Takes a datagram that `exporter` sent from `port`, and arrived at `now`; returns the flows that are told now.

        What is malformed is counted; nothing is raised.
        """
        try:
            header = _HEADERS[int.from_bytes(data[:2], "big")](data)
        except (KeyError, Malformed):
            self._count("malformed.netflow", 1)
            return []
        session = self._session(header, exporter, port, now)
        clock = session.clock(header, now)
        if header.layout is not None:
            records: int | None = self._take(
                session, header.layout, data[header.begin : header.end], clock, header.sampling
            )
        else:
            records = self._sets(session, header, data, clock)
        session.datagrams += 1
        session.last_heard = now
        if header.sequence is not None:
            session.sequence.heard(header.sequence, records, now)
        if self._halves.is_full:
            self._told += self._halves.due(now)
        return self._tell(now)

    def due(self, now: int) -> list[Flow]:
        """The flows that have waited for their other half for long enough. To be asked some times a second."""
        self._told += self._halves.due(now)
        for session in self._sessions.values():
            self._confirm(session, session.sequence.confirmed(now), now)
        for domain in self._domains.values():
            if domain.kept:
                self._expired(domain.kept.expire(now))
        return self._tell(now)

    def finish(self, now: int) -> list[Flow]:
        """All flows that still wait, at the end."""
        for session in self._sessions.values():
            self._confirm(session, session.sequence.confirmed(now, final=True), now)
        for domain in self._domains.values():
            self._expired(domain.kept.expire(None))
        self._told += self._halves.finish()
        return self._tell(now)

    def lost_here(self, datagrams: int, now: int) -> None:
        """Says that our own socket lost so many datagrams; they are of the exporters that miss some at this time."""
        self._dropped_here += datagrams
        for session in self._sessions.values():
            if 0 <= now - session.missed < _LATELY:
                self._explain(session)
            else:
                session.unexplained = 0

    # Streams.

    def _session(self, header: Header, exporter: Address, port: int, now: int) -> Session:
        key = header.version, exporter, port, header.domain
        session = self._sessions.get(key)
        if session is None:
            if len(self._sessions) >= MOST_SESSIONS:
                self._forget()
            domain = self._domains.get((header.version, exporter, header.domain))
            if domain is None:
                domain = Domain(exporter, header.domain, self._budget)
                self._rates.setdefault(exporter, Sampling())
                self._domains[header.version, exporter, header.domain] = domain
            session = self._sessions[key] = Session(header.version, port, domain)
            session.last_heard = now
        return session

    def _forget(self) -> None:
        """Forgets the stream that has been silent for longest."""
        key = min(self._sessions, key=lambda key: self._sessions[key].last_heard)
        session = self._sessions.pop(key)
        if all(other.domain is not session.domain for other in self._sessions.values()):
            self._expired(session.domain.kept.expire(None))
            del self._domains[session.version, session.domain.exporter, session.domain.number]
        exporter = session.domain.exporter
        if all(other.domain.exporter != exporter for other in self._sessions.values()):
            del self._rates[exporter]
        self._count("forgotten.netflow", 1)

    def _confirm(self, session: Session, lost: int, now: int) -> None:
        if not lost:
            return
        by_records = session.sequence.by_records
        self._count("lost.netflow.flows" if by_records else "lost.netflow.datagrams", lost)
        a_datagram = max(session.flows // max(session.datagrams, 1), 1) if by_records else 1
        session.unexplained += -(-lost // a_datagram)
        session.missed = now
        self._explain(session)

    def _explain(self, session: Session) -> None:
        """Puts what an exporter misses down to our own socket, as far as that lost anything."""
        here = min(self._dropped_here, session.unexplained)
        self._dropped_here -= here
        session.unexplained -= here
        session.dropped_here += here

    def _expired(self, sets: int) -> None:
        if sets:
            self._count("dropped.netflow.no_template", sets)

    # Sets.

    def _sets(self, session: Session, header: Header, data: bytes, clock: Clock) -> int | None:
        """Takes the sets of a datagram; returns how many data records they hold, None where that cannot be told."""
        records: int | None = 0
        try:
            for number, body in v9.sets(data, header.begin, header.end):
                if number >= FIRST_DATA_SET:
                    known = self._data_set(session, number, body, clock)
                    records = None if records is None or known is None else records + known
                else:
                    self._templates(session, number, body)
        except (Malformed, Unreadable):
            self._count("malformed.netflow", 1)
            return None
        return records

    def _templates(self, session: Session, number: int, body: bytes) -> None:
        found: Iterator[Any]
        if session.version == 9:
            found = (
                templates_v9(body) if number == v9.TEMPLATES else options_v9(body) if number == v9.OPTIONS else iter(())
            )
        elif number in (ipfix.TEMPLATES, ipfix.OPTIONS):
            found = templates_ipfix(body, options=number == ipfix.OPTIONS)
        else:
            found = iter(())
        for template_id, template in found:
            if session.learn(template_id, template):
                for kept in session.domain.kept.take(template_id):
                    self._kept(template_id, kept)

    def _kept(self, number: int, kept: DataSet[tuple[Session, Clock]]) -> None:
        session, clock = kept.context
        try:
            self._data_set(session, number, kept.data, clock)
        except Unreadable:
            self._count("malformed.netflow", 1)

    def _data_set(self, session: Session, number: int, body: bytes, clock: Clock) -> int | None:
        """Takes a data set; returns how many records it holds."""
        template = session.template(number)
        if template is None:
            dropped = session.domain.kept.keep(DataSet(clock.now, number, body, (session, clock)))
            self._expired(dropped)
            return None
        if template.scopes:
            return self._options(session, template.fields, body)
        layout = template.layout
        if layout.describes_flows:
            return self._take(session, layout, body, clock, 0)
        self._count("ignored.netflow", 1)
        return None if layout.is_variable or not layout.size else len(body) // layout.size

    def _options(self, session: Session, fields: tuple[elements.Field, ...], body: bytes) -> int:
        """Takes what an exporter says of itself."""
        count = 0
        for values in options.records(fields, body):
            count += 1
            session.domain.sampling.learn(values)
            self._rates[session.domain.exporter].learn(values)
            if (booted := values.get(elements.SYSTEM_INIT_MS)) and len(booted) <= 8:
                session.domain.booted = int.from_bytes(booted, "big")
        return count

    # Records.

    def _take(self, session: Session, layout: Layout, body: bytes, clock: Clock, sampling: int) -> int:
        """Takes a data set of flows; returns how many there are. `sampling` is what the header says of it, or 0."""
        rows = layout.rows(body)
        if session.version == 10 and layout.uptime_at is not None:
            booted = session.domain.booted
            if booted is None:
                rows = list(rows)
                booted = clock.export - clock.shift - _latest(rows, layout.uptime_at)
            clock = clock.booted(booted)
        general = sampling or session.domain.sampling.general or 1
        if not layout.rates_at and layout.sampler_at is None:
            self._loop(session, layout, rows, clock, general)
        else:
            for rate, some in self._by_rate(session, layout, rows, general):
                self._loop(session, layout, some, clock, rate)
        count = len(rows) if isinstance(rows, list) else layout.records(body)
        session.flows += count
        return count

    def _loop(self, session: Session, layout: Layout, rows: Iterable[Row], clock: Clock, rate: int) -> None:
        """Rows of one sampling rate to records, which wait or are told."""
        waiting = session.waiting(self._halves, rate, clock.trusted)
        session.sampling = rate
        told: list[Record] = []
        hits: list[tuple[Key, Record]] = []
        odd: list[Record] = []
        before = len(waiting.young)
        joins = self._joins and not layout.is_whole
        put = waiting.put if joins else told.append
        layout.loop(rate != 1, joins)(rows, put, hits.append, odd.append, clock, rate)
        if hits:
            told += waiting.meet(hits)
        if told:
            self._told.append((waiting.origin, told))
        self._halves.added(len(waiting.young) - before)
        for record in odd:
            self._odd(session, layout, record, clock, rate)

    def _odd(self, session: Session, layout: Layout, record: Record, clock: Clock, rate: int) -> None:
        """A record that the loop has put aside: made possible, or counted."""
        if record[11] is None:
            self._count("ignored.netflow", 1)
            return
        if max(record[7:11]) > MOST_COUNT:
            self._count("malformed.netflow", 1)
            return
        start, end, trusted = mended(record[0], record[1], clock)
        record = (start, end, *record[2:])
        waiting = session.waiting(self._halves, rate, trusted)
        before = len(waiting.young)
        is_whole = layout.is_whole or not self._joins or record[9] or record[10]
        key = None if is_whole else key_of(record)
        if told := [record] if key is None else waiting.meet([(key, record)]):
            self._told.append((waiting.origin, told))
        self._halves.added(len(waiting.young) - before)

    def _by_rate(
        self, session: Session, layout: Layout, rows: Iterable[Row], general: int
    ) -> Iterable[tuple[int, list[Row]]]:
        """The rows by the rate that each of them, or its sampler, names."""
        groups: dict[int, list[Row]] = {}
        rates: dict[tuple[Any, ...], int] = {}
        at = [at for _, at in layout.rates_at]
        at += [] if layout.sampler_at is None else [layout.sampler_at]
        for row in rows:
            key = tuple(row[n] for n in at)
            rate = rates.get(key)
            if rate is None:
                rate = rates[key] = self._rate(session, layout, row) or general
            groups.setdefault(rate, []).append(row)
        return groups.items()

    def _rate(self, session: Session, layout: Layout, row: Row) -> int | None:
        rate = rate_of({element: _number(row[at]) for element, at in layout.rates_at})
        if rate is None and layout.sampler_at is not None:
            sampler = _number(row[layout.sampler_at])
            return session.domain.sampling.of_sampler(sampler) or self._rates[session.domain.exporter].of_sampler(
                sampler
            )
        return rate

    def _tell(self, now: int) -> list[Flow]:
        """What can be told as Flows, which get their ids now: ids rise in the order in which flows are stored."""
        if not self._told:
            return []
        told, self._told = self._told, []
        at = self._new_id(now, sum(len(records) for _, records in told))
        flows: list[Flow] = []
        for origin, records in told:
            # By hand, because Flow(...) costs three times as much.
            flows += [
                _new(
                    Flow,
                    (
                        n,
                        start,
                        end,
                        src,
                        sport,
                        dst,
                        dport,
                        proto,
                        out,
                        out_b,
                        back,
                        back_b,
                        state,
                        SOURCE,
                        origin,
                        None,
                    ),
                )
                for n, (start, end, src, sport, dst, dport, proto, out, out_b, back, back_b, state, _) in enumerate(
                    records, at
                )
            ]
            at += len(records)
        return flows


def _number(value: int | bytes) -> int:
    """A column of a row: lengths that struct does not know come as bytes."""
    return value if isinstance(value, int) else int.from_bytes(value, "big")


def _latest(rows: list[Row], at: int) -> int:
    """The latest of the times in a data set that count from the exporter's boot.

    Where it does not say when that was, this one is taken for the time at which the data set was sent.
    """
    return max((_number(row[at]) for row in rows), default=0)
