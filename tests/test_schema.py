"""Rows hold all of an event, compactly, and the view reads as Python writes."""

import sqlite3
from contextlib import closing
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from running import MAC, OTHER_MAC, rows
from store_kit import DAY, FILE, NOON, device, flow, flows_of, storing, threat
from waiting import eventually

from netwatchd.addresses import Address, address_text, parse_address
from netwatchd.broadcast.messages import flow_json
from netwatchd.events import PROTOCOL_NAMES, Flow, Origin, Status, ThreatStatus
from netwatchd.storage import schema, search

V6 = bytes.fromhex("20010db8000000000000000000000001")
GROUPS = st.lists(st.sampled_from([0, 0, 0, 1, 0xA, 0xFFFF, 0x0DB8, 0x0100]), min_size=8, max_size=8)
ADDRESSES = st.one_of(
    st.integers(0, 2**32 - 1),
    st.binary(min_size=16, max_size=16),
    GROUPS.map(lambda groups: b"".join(group.to_bytes(2, "big") for group in groups)),
    st.integers(0, 2**32 - 1).map(lambda ip: b"\0" * 10 + b"\xff\xff" + ip.to_bytes(4, "big")),
)


def view(directory: Path) -> sqlite3.Connection:
    """The tables of a day, made as the store makes them."""
    db = sqlite3.connect(directory / FILE)
    for statement in schema.flows_statements("main"):
        db.execute(statement)
    db.execute("INSERT INTO names VALUES (1, 'closed')")
    db.execute("INSERT INTO origins (id, source) VALUES (2, 'json')")
    return db


def readable(db: sqlite3.Connection, address: Address) -> str:
    db.execute("DELETE FROM flows")
    db.execute("INSERT INTO flows VALUES (1, 2, 3, ?, 4, ?, 5, 6, 0, 0, 0, 0, 1, 2, NULL)", (address, address))
    source, destination = db.execute("SELECT src_ip, dst_ip FROM flows_readable").fetchone()
    assert source == destination
    return str(source)


@settings(max_examples=400)
@given(ADDRESSES)
def test_the_view_writes_every_address_as_rfc_5952_wants_it(view_db: sqlite3.Connection, address: Address) -> None:
    assert readable(view_db, address) == address_text(address)


@pytest.mark.parametrize(
    "text",
    ["::", "::1", "1::", "::ffff:1.2.3.4", "::1.2.3.4", "1:0:0:2::", "fe80::1", "::1:0:0:0", "2001:db8::1:0:0:1"],
)
def test_the_view_writes_the_corners_of_ipv6_as_rfc_5952_wants_them(view_db: sqlite3.Connection, text: str) -> None:
    assert readable(view_db, parse_address(text)) == address_text(parse_address(text))


@pytest.fixture(scope="module")
def view_db(tmp_path_factory: pytest.TempPathFactory) -> sqlite3.Connection:
    return view(tmp_path_factory.mktemp("view"))


def test_the_view_has_the_public_names_in_their_order_and_the_public_values(tmp_path: Path) -> None:
    stored = flow(1, src_ip=V6, protocol=17, state="closed")
    with storing(tmp_path) as store:
        store.add_flow(stored)
    with closing(sqlite3.connect(tmp_path / FILE)) as db:
        db.row_factory = sqlite3.Row
        row = dict(db.execute("SELECT * FROM flows_readable").fetchone())
    assert row == flow_json(stored) | dict.fromkeys(Origin._fields)
    assert list(row) == [*(name for name in stored._fields if name != "origin"), *Origin._fields]


ORIGINS = [None, Origin(0x0A000001, 7, 100), Origin(V6, 2**32 - 1, 1, False), Origin(0, 0, 1)]


def test_who_exported_a_flow_comes_back_and_is_readable(tmp_path: Path) -> None:
    stored = [flow(n, source=source, origin=origin) for n, (source, origin) in enumerate(product("ab", ORIGINS))]
    with storing(tmp_path) as store:
        store.add_flows(stored[::2])
        eventually(lambda: store.counters["stored.flows"] == 4)
        store.add_flows(stored)
    assert list(search.Search(tmp_path)) == stored[::-1]
    with closing(sqlite3.connect(tmp_path / FILE)) as db:
        db.row_factory = sqlite3.Row
        found = [dict(row) for row in db.execute("SELECT * FROM flows_readable")]
        assert tuple(db.execute("SELECT count(*) FROM origins").fetchone()) == (8,)
    assert found == [dict.fromkeys(Origin._fields) | flow_json(each) for each in stored]


@pytest.mark.parametrize(
    "poison", [flow(1, origin=Origin(1, 2**63)), flow(1, source="\ud800"), flow(1, state="\udfff")], ids=repr
)
def test_a_word_that_sqlite_cannot_take_costs_its_own_row_only(tmp_path: Path, poison: Flow) -> None:
    with storing(tmp_path) as store:
        store.add_flows([poison, flow(2)])
        eventually(lambda: store.counters["dropped.rows.rejected"] == 1)
        store.add_flow(flow(3, device=OTHER_MAC, state="new"))
    assert list(search.Search(tmp_path)) == [flow(3, device=OTHER_MAC, state="new"), flow(2)]


@pytest.mark.parametrize("number", [*PROTOCOL_NAMES, 0, 200, 255])
def test_the_view_names_protocols_as_everything_else_does(view_db: sqlite3.Connection, number: int) -> None:
    view_db.execute("DELETE FROM flows")
    view_db.execute("INSERT INTO flows VALUES (1, 2, 3, 4, 4, 5, 5, ?, 0, 0, 0, 0, 1, 2, NULL)", (number,))
    shown = view_db.execute("SELECT protocol FROM flows_readable").fetchone()[0]
    assert shown == flow_json(flow(1, protocol=number))["protocol"]


KEYS = [MAC, "00:00:00:00:00:01", "fe:dc:ba:98:76:54", "192.168.1.5", "fd00::5", "fd::1234:5678:abc", None]


def test_a_flows_device_comes_back_as_it_was(tmp_path: Path) -> None:
    stored = [flow(n, device=key) for n, key in enumerate(KEYS)]
    with storing(tmp_path) as store:
        store.add_flows(stored)
    assert list(search.Search(tmp_path)) == stored[::-1]
    assert rows(tmp_path / FILE, "SELECT device FROM flows_readable") == [(key,) for key in KEYS]
    for key in filter(None, KEYS):
        assert [each.device for each in flows_of(tmp_path, key)] == [key]


@pytest.mark.parametrize(
    "kept",
    [device(), device(None, ips=(V6,)), device(hostname=None, ips=(), status=Status.OFFLINE, sources=("a", "b")),
     device(ips=(0xC0A80105, V6), name="Ünal's \N{DROMEDARY CAMEL}", vendor="x", bytes_in=2**53 - 1)],
)  # fmt: skip
def test_a_device_comes_back_from_its_row_as_it_was(kept: object) -> None:
    assert schema.device_of_row(schema.device_row(kept)) == kept  # type: ignore[arg-type]


def test_a_threat_comes_back_from_its_row_as_it_was() -> None:
    kept = threat(evidence={"ports": [1, 2], "why": {"deep": None}}, target="x", status=ThreatStatus.ACKNOWLEDGED)
    assert schema.threat_of_row(schema.threat_row(kept)) == kept


def test_the_day_of_a_time_is_utcs() -> None:
    midnight = NOON + DAY // 2
    assert (schema.day_of(midnight - 1), schema.day_of(midnight)) == ("20261123", "20261124")
    assert schema.day_of(0) == "19700101"


def test_both_kinds_of_file_say_which_schema_they_have(tmp_path: Path) -> None:
    with storing(tmp_path) as store:
        store.add_flow(flow(1))
    for name, version in (("core.db", schema.CORE_VERSION), (FILE, schema.DAY_VERSION)):
        assert rows(tmp_path / name, "PRAGMA user_version") == [(version,)]
