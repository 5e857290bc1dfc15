"""What older versions stored is read as it is, and brought to today's schema without a row changing, whenever one dies.

tests/schema_1 holds databases as netwatchd 0.1 made and filled them, as SQL, and tests/schema_2 those of 0.2.
"""

import logging
import os
import shutil
import signal
import sqlite3
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from running import MAC, OTHER_MAC, rows
from store_kit import DAY, FILE, NOON, flow, flows_of, storing
from waiting import eventually

from netwatchd.events import Flow, Origin, Session
from netwatchd.storage import migrations, queries, schema, search
from netwatchd.storage.connection import Connection
from netwatchd.storage.top import top, traffic_since

HERE = Path(__file__).parent
YESTERDAY = "flows-20261122.db"
V6 = bytes.fromhex("20010db8000000000000000000000001")
# What the old version was given.
FLOWS = [
    flow(1, NOON - DAY),
    flow(2, NOON - DAY, device=OTHER_MAC),
    flow(1),
    flow(2, src_ip=V6, device="fd00::5", source="conntrack"),
    flow(3, NOON + 1000, state="active", device=OTHER_MAC, src_ip=0xC0A80106, protocol=17, source="conntrack"),
    flow(4, NOON + 2000, device=None, src_ip=1, dst_ip=0xFFFFFFFF, protocol=200),
    flow(5, NOON + 3_600_000, device="00:00:00:00:00:01", state="new", source="closed"),
    flow(6, NOON + 3_600_001, device="192.168.1.7", bytes_in=2**40),
]
# The columns of 0.1 and 0.2; later ones came behind them.
CORE = {"devices": ", ".join(schema.OLD_DEVICE), "threats": "*", "rollups": "*"}
TOTALS = {f"{each}_{kind}": "*" for each in ("hourly", "daily") for kind in ("devices", "peers", "ports")}
NOT_KNOWN = ("unknown", None, "[]", "[]", 0)  # what is said of a device that an older version stored


def made(directory: Path, version: int) -> Path:
    """A directory as the netwatchd of that schema left it."""
    directory.mkdir()
    for script in (HERE / f"schema_{version}").glob("*.sql"):
        with closing(sqlite3.connect(directory / f"{script.stem}.db")) as db:
            db.execute("PRAGMA journal_mode = WAL")
            db.executescript(script.read_text())
    return directory


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A directory as netwatchd 0.1 left it."""
    return made(tmp_path / "old", 1)


@pytest.fixture
def two(tmp_path: Path) -> Path:
    """A directory as netwatchd 0.2 left it."""
    return made(tmp_path / "two", 2)


def shown(path: Path) -> list[tuple[Any, ...]]:
    """The columns of the view that there were from the beginning."""
    return [row[:15] for row in rows(path, "SELECT * FROM flows_readable ORDER BY id")]


def core_rows(path: Path, tables: dict[str, str] = CORE) -> list[list[tuple[Any, ...]]]:
    return [rows(path, f"SELECT {columns} FROM {table} ORDER BY 1, 2") for table, columns in tables.items()]


def stored(directory: Path) -> list[Flow]:
    return list(search.Search(directory))[::-1]


def version(path: Path) -> int:
    return int(rows(path, "PRAGMA user_version")[0][0])


def test_old_files_are_read_as_they_are_and_are_left_alone(old: Path) -> None:
    before = {path.name: path.read_bytes() for path in old.glob("*.db")}
    assert stored(old) == FLOWS
    for key in (MAC, OTHER_MAC, "fd00::5", "00:00:00:00:00:01", "192.168.1.7"):
        assert flows_of(old, key)[::-1] == [each for each in FLOWS if each.device == key]
    assert [each.id for each in queries.live_flows(old)] == [FLOWS[4].id, FLOWS[6].id]
    assert {row["device"]: row["flows"] for row in top(old, "device", 0, None).rows} == {
        MAC: 2, OTHER_MAC: 2, "fd00::5": 1, "00:00:00:00:00:01": 1, "192.168.1.7": 1, None: 1,
    }  # fmt: skip
    assert {path.name: path.read_bytes() for path in old.glob("*.db")} == before


def test_a_day_that_is_written_to_is_migrated_and_every_row_reads_the_same(old: Path) -> None:
    before, core = shown(old / FILE), core_rows(old / "core.db")
    untouched = (old / YESTERDAY).read_bytes()
    new = [flow(7, NOON + 3_600_002, device=key, origin=Origin(V6, 9)) for key in (MAC, "fd00::5", "00:00:00:00:00:02")]
    new = [each._replace(id=each.id + n) for n, each in enumerate(new)]
    ended = FLOWS[4]._replace(state="closed", bytes_in=9999)
    with storing(old) as store:
        store.add_flows([*new, ended])
        eventually(lambda: store.counters["stored.flows"] == 4)
    assert [version(old / name) for name in ("core.db", FILE, YESTERDAY)] == [
        schema.CORE_VERSION,
        schema.DAY_VERSION,
        1,
    ]
    assert stored(old) == [*(ended if each.id == ended.id else each for each in FLOWS), *new]
    changed = [(*row[:11], 9999, "closed", *row[13:]) if row[0] == ended.id else row for row in before]
    assert shown(old / FILE)[: len(before)] == changed
    assert [row[1:] for row in rows(old / FILE, "SELECT id, exporter, domain FROM flows_readable")][-4:] == [
        (None, None), *[("2001:db8::1", 9)] * 3
    ]  # fmt: skip
    for key in (MAC, OTHER_MAC, "fd00::5", "00:00:00:00:00:01", "00:00:00:00:00:02"):
        assert flows_of(old, key)[::-1] == [each for each in stored(old) if each.device == key]
    devices, threats, rollups = core_rows(old / "core.db")
    assert [devices, threats, rollups[:3]] == core, "what was in no bucket yet comes behind"
    assert (old / YESTERDAY).read_bytes() == untouched


def test_what_was_stored_before_is_in_no_rollup_and_yet_in_the_answer_once(old: Path) -> None:
    with storing(old) as store:
        hour = store.rollups.hour(NOON + 3_700_000)
        hour.devices[MAC] = [4000, 300, 1]
        store.settle([], [new := flow(1, NOON + 3_700_000)], new.id, rollups=True)
    assert rows(old / "core.db", "SELECT sum(flows) FROM hourly_devices") == [(1,)]
    assert {row["device"]: row["flows"] for row in top(old, "device", 0, None).rows}[MAC] == 3
    assert sum(row["flows"] for row in top(old, "device", NOON, None).rows) == 7


def test_core_db_is_copied_before_and_only_the_newest_copies_are_kept(
    old: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    before = core_rows(old / "core.db")
    for stamp in ("20250101T000000Z", "20250102T000000Z", "20250103T000000Z"):
        (old / f"core.db.schema-1-{stamp}").touch()
    (old / "core.db.copying").write_bytes(b"cut short")
    with storing(old):
        pass
    copies = migrations.copies(old / "core.db")
    assert [copy.name[-16:] for copy in copies[:2]] == ["20250102T000000Z", "20250103T000000Z"]
    assert len(copies) == migrations.MOST_COPIES
    assert (version(copies[-1]), core_rows(copies[-1])) == (1, before)
    assert rows(copies[-1], "PRAGMA quick_check") == [("ok",)]
    assert f"copied {old / 'core.db'} to {copies[-1].name} before its schema is changed" in caplog.text
    assert not (old / "core.db.copying").exists()
    with storing(old):
        pass
    assert migrations.copies(old / "core.db") == copies, "it is migrated once"


def killed_at(directory: Path, statement: int) -> bool:
    """Opens all in a process that is killed at the SQL statement of this number; returns whether it came to that."""
    child = os.fork()
    if child:
        return os.WIFSIGNALED(os.waitpid(child, 0)[1])
    left = statement

    def count(sql: str) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)

    class Traced(sqlite3.Connection):
        def __init__(self, *words: Any, **named: Any) -> None:
            super().__init__(*words, **named)
            self.set_trace_callback(count)

    # Python's own, so that every connection is seen; this process is a copy and ends here.
    sqlite3.connect = partial(sqlite3.connect, factory=Traced)
    try:
        connection = Connection(directory, 0.5, lambda seconds: True)
        with connection.lock:
            db = connection.ensure_connection()
            for name in (FILE, YESTERDAY):
                connection.attach_day(db, name)
            connection.close()
    finally:
        os._exit(0)


@pytest.mark.parametrize("stride", [4, pytest.param(1, marks=pytest.mark.slow)])
def test_killed_at_any_statement_each_file_is_old_or_new_and_the_next_start_goes_on(
    old: Path, tmp_path: Path, stride: int
) -> None:
    core = core_rows(old / "core.db")
    before = {name: shown(old / name) for name in (FILE, YESTERDAY)}
    statement, seen = 0, set()
    while True:
        directory = tmp_path / "killed"
        shutil.copytree(old, directory)
        if not killed_at(directory, statement):
            break
        found = tuple(version(directory / name) for name in ("core.db", FILE, YESTERDAY))
        seen.add(found)
        for copy in migrations.copies(directory / "core.db"):
            assert (version(copy), core_rows(copy)) == (1, core)
        if found[0] > 1:
            assert migrations.copies(directory / "core.db")
        assert core_rows(directory / "core.db") == core
        assert {name: shown(directory / name) for name in before} == before
        assert stored(directory) == FLOWS
        shutil.rmtree(directory)
        statement += stride
    assert {(1, 1, 1), (2, 1, 1), (3, 1, 1), (3, 2, 1)} <= seen
    assert seen <= {(1, 1, 1), (2, 1, 1), (3, 1, 1), (3, 2, 1), (3, 2, 2)}
    assert {name: shown(directory / name) for name in before} == before
    assert stored(directory) == FLOWS


def test_a_core_db_of_netwatchd_0_2_is_read_as_it_is_and_is_left_alone(two: Path) -> None:
    before = {path.name: path.read_bytes() for path in two.glob("*.db")}
    core = queries.read_core(two)
    assert [each.name for each in core.devices] == [None, "Ünal's läptop", None]
    assert {(each.kind, each.model, each.macs, each.evidence, each.usual_silence) for each in core.devices} == {
        ("unknown", None, (), (), 0)
    }
    assert (core.traits, core.aliases, core.sessions) == ([], [], [])
    assert queries.sessions(two, MAC, 0) == queries.traits(two, [MAC]) == queries.aliases(two) == []
    assert [(each.address, each.flows) for each in queries.peers(two, MAC, 0, 9)] == [(0x5DB8D822, 2)]
    assert traffic_since(two, NOON) == {MAC: (4000, 300), OTHER_MAC: (4000, 300), "2001:db8::1": (4000, 300)}
    assert {path.name: path.read_bytes() for path in two.glob("*.db")} == before


def test_a_core_db_of_netwatchd_0_2_gains_what_is_known_of_devices_and_days_stay_as_they_are(two: Path) -> None:
    everything = CORE | TOTALS
    before, days = core_rows(two / "core.db", everything), {path: path.read_bytes() for path in two.glob("flows*.db")}
    with storing(two) as store:
        store.keep(Session(MAC, NOON))
    assert version(two / "core.db") == schema.CORE_VERSION
    assert core_rows(two / "core.db", everything) == before
    assert rows(two / "core.db", f"SELECT {', '.join(schema.NEW_DEVICE)} FROM devices") == [NOT_KNOWN] * 3
    assert queries.sessions(two, MAC, 0) == [Session(MAC, NOON)]
    (copy,) = migrations.copies(two / "core.db")
    assert copy.name.startswith("core.db.schema-2-")
    assert (version(copy), core_rows(copy, everything)) == (2, before)
    assert {path: path.read_bytes() for path in days} == days
    with closing(sqlite3.connect(":memory:")) as db:
        for statement in schema.core_statements("main"):
            db.execute(statement)
        for table in ("devices", "traits", "sessions", "aliases"):
            info = f"SELECT name, type, \"notnull\", dflt_value, pk FROM pragma_table_info('{table}')"
            assert rows(two / "core.db", info) == db.execute(info).fetchall(), "as in a core.db that was begun today"


@pytest.mark.parametrize("stride", [4, pytest.param(1, marks=pytest.mark.slow)])
def test_killed_at_any_statement_a_core_db_of_0_2_is_old_or_new_and_the_next_start_goes_on(
    two: Path, tmp_path: Path, stride: int
) -> None:
    before, flows = core_rows(two / "core.db", CORE | TOTALS), stored(two)
    statement, seen = 0, set()
    while True:
        directory = tmp_path / "killed"
        shutil.copytree(two, directory)
        if not killed_at(directory, statement):
            break
        seen.add(found := version(directory / "core.db"))
        assert len(migrations.copies(directory / "core.db")) == 1 or found == 2
        for copy in migrations.copies(directory / "core.db"):
            assert (version(copy), core_rows(copy, CORE | TOTALS)) == (2, before)
        with storing(directory) as store:
            store.keep(Session(MAC, NOON))
        assert core_rows(directory / "core.db", CORE | TOTALS) == before
        assert queries.sessions(directory, MAC, 0) == [Session(MAC, NOON)]
        assert stored(directory) == flows
        shutil.rmtree(directory)
        statement += stride
    assert seen == {2, 3}
