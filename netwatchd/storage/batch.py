"""What waits for the next commit."""

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from operator import itemgetter
from typing import Any, NamedTuple

from netwatchd.events import Device, Flow, FlowBatch, Origin, Record, Threat, ThreatKey, time_of_id
from netwatchd.storage import records, schema
from netwatchd.storage.records import Erasure, Join, Records
from netwatchd.storage.rollups import Delta
from netwatchd.storage.words import DayNumbers

Statement = tuple[str, Iterable[tuple[Any, ...]]]  # SQL and the rows it is executed with, once
_ID = itemgetter(0)
# One INSERT of so many rows costs a third less than as many INSERTs; their 900 values are fewer than the 999 that
# any SQLite takes.
ROWS_AT_ONCE = 60
NO_ORIGIN = (None, None, None, None)


@dataclass
class Batch:
    """Devices and threats are coalesced: only their latest state is written."""

    devices: dict[str, Device | None] = field(default_factory=dict)  # None: its row goes
    threats: dict[ThreatKey, Threat] = field(default_factory=dict)
    flows: FlowBatch = field(default_factory=lambda: FlowBatch([], []))
    rollups: dict[tuple[int, str], tuple[int, int, int]] = field(default_factory=dict)  # -> bytes in, out, flows
    meta: dict[str, str] = field(default_factory=dict)
    totals: list[Delta] = field(default_factory=list)
    records: Records = field(default_factory=Records)

    def __len__(self) -> int:
        return self.events + len(self.rollups) + len(self.meta) + len(self.totals)

    @property
    def events(self) -> int:
        """How many devices, flows, threats and what is kept beside devices it holds."""
        return sum(self.waiting().values())

    def waiting(self) -> dict[str, int]:
        """The same by kind; `records` are traits, sessions and aliases."""
        return {
            "devices": len(self.devices), "threats": len(self.threats), "flows": len(self.flows),
            "records": len(self.records),
        }  # fmt: skip

    def put_device(self, device: Device) -> None:
        """The latest of a device."""
        self.devices[schema.key_of(device)] = device

    def forget_device(self, key: str) -> None:
        """The device of this key is no more."""
        self.devices[key] = None

    def join_device(self, loser: str, winner: str) -> None:
        """The device `loser` is `winner`."""
        self.forget_device(loser)
        self.records.act(Join(loser, winner))

    def erase_device(self, key: str, stations: Iterable[str]) -> None:
        """Nothing is to be known of the device of this key, which was these stations."""
        self.forget_device(key)
        self.records.act(Erasure(key, frozenset((key, *stations))))

    def keep(self, record: Record) -> None:
        """The latest of a trait, a session or an alias."""
        self.records.put(records.key_of(record), record)

    def drop(self, record: Record) -> None:
        """A trait, a session or an alias is no more."""
        self.records.put(records.key_of(record), None)

    def put_flows(self, flows: Sequence[Flow]) -> None:
        """More flows, in the order in which they came."""
        self.flows.extend(flows if isinstance(flows, FlowBatch) else FlowBatch.of(flows))

    def put_bucket(self, rows: dict[tuple[int, str], tuple[int, int, int]], last_id: int) -> None:
        """A bucket of ten minutes, in which `last_id` is the newest flow."""
        self.rollups |= rows
        self.meta["rolled"] = str(last_id)

    def stored(self) -> dict[str, int]:
        """How many rows of each kind it writes, of those that there are."""
        rows = {"devices": len(self.devices), "threats": len(self.threats), "flows": len(self.flows)}
        rows |= self.records.stored()
        return {kind: count for kind, count in rows.items() if count}

    def put_threat(self, threat: Threat) -> None:
        """The latest of a threat."""
        self.threats[threat.key] = threat

    def followed_by(self, later: "Batch") -> "Batch":
        """Both in one, where the later word on the same thing counts."""
        return Batch(
            self.devices | later.devices,
            self.threats | later.threats,
            FlowBatch(self.flows.flows + later.flows.flows, self.flows.devices + later.flows.devices),
            self.rollups | later.rollups,
            self.meta | later.meta,
            [*self.totals, *(replace(delta, at=delta.at + len(self.flows)) for delta in later.totals)],
            self.records.followed_by(later.records),
        )

    def put_total(self, delta: Delta) -> None:
        """Adds what came to the hours, with all flows that were put in until now."""
        self.totals.append(replace(delta, at=len(self.flows)))

    def core_statements(self, done: str | None = None) -> list[Statement]:
        """What it writes into core.db, where the newest act of `Records` that was done is `done`, by its token."""
        rollups = [(*key, *counts) for key, counts in self.rollups.items()]
        statements: list[tuple[str, list[tuple[Any, ...]]]] = [
            *self.records.statements(done),
            (schema.DELETE_DEVICE, [(key,) for key, device in self.devices.items() if device is None]),
            (schema.put_device(), [schema.device_row(device) for device in self.devices.values() if device]),
            (schema.UPSERT_THREAT, [schema.threat_row(threat) for threat in self.threats.values()]),
            (schema.PUT_ROLLUP, rollups),
            (schema.PUT_META, list(self.meta.items())),
        ]
        return [(sql, rows) for sql, rows in statements if rows]


class Part(NamedTuple):
    """Flows that belong into one file, and the first and the last of their ids."""

    file: str
    flows: FlowBatch
    oldest: int
    newest: int


def parts_of(flows: FlowBatch, begins: Sequence[int]) -> list[Part]:
    """The flows by their files, the oldest first, where the parts of days begin at the times `begins`."""
    if not flows:
        return []
    ids = list(map(_ID, flows.flows))
    oldest, newest = min(ids), max(ids)
    file = schema.day_file(time_of_id(oldest), begins)
    if file == schema.day_file(time_of_id(newest), begins):
        return [Part(file, flows, oldest, newest)]
    files: dict[str, FlowBatch] = defaultdict(lambda: FlowBatch([], []))
    for flow, device in zip(flows.flows, flows.devices, strict=True):
        part = files[schema.day_file(time_of_id(flow.id), begins)]
        part.flows.append(flow)
        part.devices.append(device)
    return [
        Part(file, each, min(map(_ID, each.flows)), max(map(_ID, each.flows))) for file, each in sorted(files.items())
    ]


def flow_statements(name: str, flows: FlowBatch, numbers: DayNumbers, at_once: int) -> list[Statement]:
    """What writes flows into the day attached as `name`, `at_once` rows with one INSERT.

    `numbers` are those of the day's words, and gain what is new. The statements must be executed in their order.
    """
    rows = _flow_rows(flows, numbers)
    many = (tuple(chain.from_iterable(islice(rows, at_once))) for _ in range(len(flows) // at_once))
    # What is new is known when the rows are written.
    told = ((number, source, *(origin or NO_ORIGIN)) for number, (source, origin) in numbers.origins.new)
    words = ((schema.PUT_NAME, numbers.states.new), (schema.PUT_ORIGIN, told), (schema.PUT_OWNER, numbers.owners.new))
    return [
        (schema.put_flows(name, at_once), many),
        (schema.put_flows(name, 1), rows),  # what the first one has left of them
        *((sql.format(schema=name), new) for sql, new in words),
    ]


def late_statements(name: str, part: Part, newest: int, writing: int) -> list[Statement]:
    """What keeps the counters, as this writing of the roll-ups holds them, of flows whose rows will be written again.

    These are the flows up to the event `newest`.
    """
    if part.oldest > newest:
        return []
    late = [(flow.id, writing) for flow in part.flows.flows if flow.id <= newest]
    return [(schema.FORGET_LATE.format(schema=name), [(writing,)]), (schema.PUT_LATE.format(schema=name), late)]


def _flow_rows(flows: FlowBatch, numbers: DayNumbers) -> Iterator[tuple[Any, ...]]:
    """One row at a time: after a full disk there are 50,000, and memory for them all would stay taken."""
    states, origins, owners = numbers.states, numbers.origins, numbers.owners
    source: str | None = None
    origin: Origin | None = None
    teller = None
    # Taken apart and put together by name, because slices cost twice as much, and this is done for every flow.
    for flow, key in zip(flows.flows, flows.devices, strict=True):
        n, start, end, src, sport, dst, dport, proto, po, bo, pi, bi, state, told_by, told_of, _ = flow
        if told_by is not source or told_of is not origin:  # seldom: they come in runs, and share their origin
            source, origin = told_by, told_of
            teller = origins[source, origin]
        yield n, start, end, src, sport, dst, dport, proto, po, bo, pi, bi, states[state], teller, owners[key]


def execute_many(db: sqlite3.Connection, statement: Statement) -> None:
    """Executes a statement with all its rows."""
    db.executemany(*statement)
