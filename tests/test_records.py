"""Traits, sessions and aliases: the later word counts, whatever fails and however often it is written."""

import shutil
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from ingest_kit import Recorder
from rollups_kit import Crash, Dying
from running import MAC, OTHER_MAC
from store_kit import DAY, NOON, device, storing
from waiting import eventually

from netwatchd.counters import Counters
from netwatchd.events import Alias, Clue, Record, Session, Trait
from netwatchd.storage import queries, schema, spool
from netwatchd.storage.batch import Batch
from netwatchd.storage.connection import Connection
from netwatchd.storage.records import key_of
from netwatchd.storage.verdicts import ERRORS, Verdict, verdict
from netwatchd.storage.writer import Writer

THIRD = "192.168.1.7"
KEYS = [MAC, OTHER_MAC, THIRD]
POISON = Trait(MAC, Clue("hostname", "\ud800"), "json", 1, 1)


def trait(station: str = MAC, kind: str = "hostname", value: str = "tv", last_seen: int = NOON) -> Trait:
    """A trait that was seen at noon, and perhaps later."""
    return Trait(station, Clue(kind, value), "json", NOON, last_seen)


def alias(mac: str = OTHER_MAC, key: str = MAC, **fields: Any) -> Alias:
    """A MAC that is one more of a device."""
    return Alias(mac, key, NOON, "netwatchd", ("the same client id",), **fields)


class Both:
    """A store without threads, and the simple model of what it should hold."""

    def __init__(self, directory: Path) -> None:
        self.spool = directory / "spool.jsonl"
        self.model = Recorder()
        self.db = sqlite3.connect(":memory:", isolation_level=None)
        for statement in [*schema.core_statements("main"), f"PRAGMA user_version = {schema.CORE_VERSION}"]:
            self.db.execute(statement)
        # It has no flows to write, and asks its connection for nothing.
        self.writer = Writer(Connection(directory, 0.1, lambda seconds: True), Counters())
        self.pending = self.in_flight = Batch()
        self.clear()

    def clear(self) -> None:
        self.pending, self.in_flight = Batch(), Batch()

    # What ingest asks of a store. Each is done to both.

    def upsert_device(self, key: str, kind: str) -> None:
        each = device(key, kind=kind) if key != THIRD else device(None, ips=(0xC0A80107,), kind=kind)
        self.pending.put_device(each)
        self.model.upsert_device(each)

    def forget_device(self, key: str) -> None:
        self.pending.forget_device(key)
        self.model.rows[key] = None

    def join_device(self, loser: str, winner: str) -> None:
        if loser != winner:
            self.pending.join_device(loser, winner)
            self.model.join_device(loser, winner)

    def erase_device(self, key: str, stations: Iterable[str]) -> None:
        self.pending.erase_device(key, stations)
        self.model.erase_device(key, stations)

    def keep(self, record: Record) -> None:
        self.pending.keep(record)
        if record != POISON:
            self.model.keep(record)

    def drop(self, record: Record) -> None:
        self.pending.drop(record)
        if record != POISON:
            self.model.drop(record)

    # What becomes of it.

    def commit(self, db: Any = None) -> None:
        """As the writer thread does it: what was spooled first, and a poisoned batch row by row."""
        db = db or self.db
        self.in_flight, self.pending = self.in_flight.followed_by(self.pending), Batch()
        self.writer.write_spooled([self.spool], self.db)
        try:
            self.writer.write(self.in_flight, db)
        except ERRORS as error:
            assert verdict(error) is Verdict.MISTAKE
            self.db.execute("ROLLBACK")
            self.writer.write_each(self.in_flight, db)

    def committed(self) -> None:
        """It is committed, and known to be."""
        self.commit()
        self.in_flight = Batch()
        self.check()

    def in_doubt(self) -> None:
        """It is committed, but COMMIT has not said so: it is written once more, with what comes until then."""
        self.commit()

    def failed(self, calls: int) -> None:
        """It breaks off after so many calls of SQLite."""
        try:
            self.commit(Dying(self.db, calls))
        except Crash:
            if self.db.in_transaction:
                self.db.execute("ROLLBACK")

    def spooled(self) -> None:
        """It ends, and spools what waits, beside what waits there; the next start finds it at its first commit."""
        spool.write(self.spool, self.in_flight.followed_by(self.pending))
        self.clear()

    def crashed_after_spool(self) -> None:
        """The spool is written to the database, and the crash comes before it is removed."""
        self.spooled()
        shutil.copy(self.spool, saved := self.spool.with_name("saved"))
        self.writer.write_spooled([self.spool], self.db)
        saved.replace(self.spool)

    def check(self) -> None:
        stored = queries.stored(self.db)
        found = [*stored.traits, *stored.aliases]
        found += [Session(*row) for row in self.db.execute("SELECT * FROM sessions")]
        assert {key_of(each): each for each in found} == self.model.records
        assert {schema.key_of(each): each for each in stored.devices} == {
            key: row for key, row in self.model.rows.items() if row
        }


keys = st.sampled_from(KEYS)
times = st.integers(0, 6)
sessions = st.builds(Session, keys, times, st.none() | times)
traits = st.builds(trait, keys, st.just("hostname"), st.sampled_from(["tv", "phone"]), times)
aliases = st.builds(alias, keys, keys, undone=st.none() | times, before=st.none() | st.just(device()))
kept = sessions | traits | aliases | st.just(POISON)
steps = st.one_of(
    *[st.tuples(st.just("keep"), sessions)] * 3,
    *[st.tuples(st.just("keep"), kept)] * 2,
    st.tuples(st.just("drop"), kept),
    st.tuples(st.just("join_device"), keys, keys),
    st.tuples(st.just("join_device"), keys, keys),
    st.tuples(st.just("erase_device"), keys, st.sets(keys)),
    st.tuples(st.just("upsert_device"), keys, st.sampled_from(["phone", "tv"])),
    st.tuples(st.just("forget_device"), keys),
    st.sampled_from([("committed",), ("in_doubt",), ("spooled",), ("crashed_after_spool",)]),
    st.tuples(st.just("failed"), st.integers(0, 20)),
)
OLD, NEW, LONG = Session(OTHER_MAC, 1, 2), Session(OTHER_MAC, 4), Session(MAC, 0, 5)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("records")


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@example([("keep", OLD), ("join_device", OTHER_MAC, MAC), ("in_doubt",), ("keep", NEW), ("committed",)])
@example([("keep", OLD), ("join_device", OTHER_MAC, MAC), ("keep", NEW), ("in_doubt",), ("committed",)])
@example([("erase_device", MAC, {MAC}), ("keep", trait()), ("upsert_device", MAC, "tv"), ("crashed_after_spool",)])
@example([("keep", trait()), ("spooled",), ("erase_device", MAC, {MAC}), ("spooled",), ("keep", Session(MAC, 1))])
@example([("keep", OLD), ("failed", 1), ("join_device", OTHER_MAC, MAC)])
@example([("keep", OLD), ("keep", LONG), ("join_device", MAC, OTHER_MAC)])
@example([("keep", OLD), ("keep", LONG), ("join_device", OTHER_MAC, MAC)])
@example([("keep", POISON), ("keep", OLD), ("join_device", OTHER_MAC, MAC), ("keep", NEW), ("in_doubt",)])
@given(st.lists(steps, max_size=25))
def test_whatever_fails_the_database_holds_what_the_last_words_say(place: Path, script: list[tuple[Any, ...]]) -> None:
    both = Both(place)
    both.spool.unlink(missing_ok=True)
    for name, *words in [*script, ("committed",)]:
        getattr(both, name)(*words)


def test_old_sessions_and_traits_go_two_days_a_run_and_devices_and_aliases_stay(tmp_path: Path) -> None:
    ended = [Session(MAC, NOON - n * DAY - 1, NOON - n * DAY) for n in range(9)]
    lasting = Session(OTHER_MAC, NOON - 400 * DAY)
    seen = [trait(value=str(n), last_seen=NOON - n * DAY) for n in range(9)]
    with storing(tmp_path, daily_retention=4 * 86400, hourly_retention=86400) as store:
        for record in (*ended, lasting, *seen, alias()):
            store.keep(record)
        store.upsert_device(device(last_seen=1), new=True)
        eventually(lambda: store.counters["storage.commits"])
        assert store.cleanup_old_data(NOON + 10**6) == []
        assert queries.sessions(tmp_path, MAC, 0) == ended[:7]
        assert len(queries.traits(tmp_path, [MAC])) == 7
        for _ in range(9):
            store.cleanup_old_data(NOON)
    core = queries.read_core(tmp_path)
    assert queries.sessions(tmp_path, MAC, 0) == ended[:5]
    assert core.traits == seen[:5]
    assert (core.aliases, core.devices) == ([alias()], [device(last_seen=1)])
    assert core.sessions == [lasting, ended[0]]
