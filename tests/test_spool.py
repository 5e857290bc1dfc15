"""What cannot be committed at exit is saved, and read back exactly once."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import needs_root
from running import MAC, OTHER_MAC, fill, locked, rows, small_disk
from store_kit import DAY, FILE, NOON, device, flow, storing, threat
from waiting import eventually

from netwatchd.events import Alias, Clue, FlowBatch, Session, Status, ThreatStatus, Trait
from netwatchd.storage import schema, spool
from netwatchd.storage.batch import Batch
from netwatchd.storage.queries import read_core
from netwatchd.storage.rollups import OTHER_PEERS, OTHER_PORTS, Delta, Hour

SPOOL = Path("spool") / spool.NAME
V6 = bytes.fromhex("20010db8000000000000000000000001")


def full_batch() -> Batch:
    """One of each, whose acts have the same tokens each time."""
    batch = Batch()
    batch.forget_device("192.168.1.9")
    batch.keep(Session(OTHER_MAC, NOON, None))
    batch.join_device(OTHER_MAC, MAC)
    batch.keep(Session(OTHER_MAC, NOON - 1, NOON))
    batch.drop(Session(MAC, NOON - 2))
    batch.erase_device("fd00::5", [OTHER_MAC])
    batch.keep(Trait(MAC, Clue("mdns_instance", "Ünal's läptop"), "mdns", NOON, NOON + 1))
    batch.drop(Trait(MAC, Clue("hostname", "x"), "json", 0, 0))
    batch.drop(Alias(MAC, "fd00::5", 0, "user", ()))
    known = device(OTHER_MAC, ips=(V6,), kind="phone", macs=(OTHER_MAC, MAC), evidence=("one", "two"), usual_silence=5)
    batch.keep(Alias(OTHER_MAC, MAC, NOON, "netwatchd", ("the same client id",), undone=NOON + 1, before=known))
    batch = Batch(
        records=batch.records,
        devices=batch.devices,
        flows=FlowBatch.of([flow(1), flow(2, src_ip=V6, device=None)]),
        rollups={(NOON, MAC): (1, 2, 3)},
        meta={"settled": "17", "rolled": str(flow(2).id)},
    )
    batch.put_device(device(ips=(0xC0A80105, V6), name="Ünal's läptop\n", status=Status.OFFLINE, model="X1"))
    batch.put_threat(threat(evidence={"ports": [1, 2], "deep": {"a": None}}, status=ThreatStatus.DISMISSED))
    hour = Hour(
        {MAC: [1, 2, 3], "": [0, 0, 1]},
        {8: [1, 2, 3], V6: [4, 5, 6], OTHER_PEERS: [7, 8, 9]},
        {6 << 16 | 80: [1, 2, 3], OTHER_PORTS: [0, 0, 0]},
    )
    batch.put_total(Delta("a1", 5, flow(2).id, {NOON: hour}))
    acts = batch.records.acts
    acts[:] = [replace(act, token=f"t{number}") for number, act in enumerate(acts)]
    return batch


def test_a_batch_comes_back_from_the_spool_as_it_was(tmp_path: Path) -> None:
    spool.write(tmp_path / "spool", full_batch())
    assert spool.read(tmp_path / "spool") == full_batch()


def test_two_batches_in_one_spool_are_read_as_one_followed_by_the_other(tmp_path: Path) -> None:
    later = Batch(flows=FlowBatch.of([flow(4)]))
    later.put_device(device(bytes_in=7))
    later.put_total(Delta("b2", flow(2).id, flow(4).id, {}))
    spool.write(tmp_path / "spool", full_batch())
    spool.write(tmp_path / "spool", later)
    assert spool.read(tmp_path / "spool") == full_batch().followed_by(later)


@pytest.mark.parametrize("tail", [b'{"flow": [1, 2', b"\0" * 512, b"\xff\xfe garbage", b"[]", b"{}", b'{"device": {}}'])
def test_a_torn_or_broken_line_is_skipped_and_the_others_are_read(tmp_path: Path, tail: bytes) -> None:
    path = tmp_path / "spool"
    spool.write(path, full_batch())
    with path.open("ab") as file:
        file.write(tail)
    spool.write(path, Batch(flows=FlowBatch.of([flow(4)])))
    read = spool.read(path)
    assert read is not None
    assert [each.id for each in read.flows] == [flow(n).id for n in (1, 2, 4)]


DAMAGED = {
    "a flow with a word for its id": ("flow", 0, "x"),
    "a flow from the year 40000": ("flow", 0, 2**62),
    "a flow with a negative id": ("flow", 0, -1),
    "a flow with a fraction": ("flow", 9, 1.5),
    "a flow without state": ("flow", 12, None),
    "a flow with a state that is no text": ("flow", 12, "\ud800"),
    "a flow of what is no device": ("flow", 15, "-1:g_:00:00:00:01"),
    "a device with half a MAC": ("device", "mac", "zz"),
    "a device with a number for its name": ("device", "name", 7),
    "a device seen never": ("device", "last_seen", None),
    "a device of odd sources": ("device", "sources", [1]),
    "a threat with an id that leaves no room": ("threat", "id", 2**63 - 1),
    "a threat with a list for its evidence": ("threat", "evidence", [1]),
    "a threat with evidence that is no number": ("threat", "evidence", {"x": float("nan")}),
    "a threat counted in words": ("threat", "count", "many"),
    "a threat with a field whose name is no text": ("threat", "\ud800", 1),
    "a flow of an origin that is none": ("flow", 14, ["x"]),
    "a roll-up at no time": ("rollup", 0, None),
    "an hour at no time": ("total", "hours", [["x", {}, [], []]]),
    "an hour of what is no device": ("total", "hours", [[NOON, {"x": [1, 2, 3]}, [], []]]),
    "an hour that counts less than nothing": ("total", "hours", [[NOON, {}, [["8.8.8.8", [1, -2, 3]]], []]]),
    "an hour with a fraction for its port": ("total", "hours", [[NOON, {}, [], [[1.5, [1, 2, 3]]]]]),
    "sums up to no event": ("total", "mark", -1),
    "sums with a number for their token": ("total", "token", 7),
    "a mark that is no number": ("meta", 1, "seventeen"),
    "a key that is none": ("forgotten", None, ["x"]),
    "a device of a kind that is no text": ("device", "kind", 1),
    "a device with half a MAC among its MACs": ("device", "macs", ["zz"]),
    "a device silent for a fraction": ("device", "usual_silence", 1.5),
    "a trait of what is no device": ("trait", 0, "x"),
    "a trait with a number for its value": ("trait", 2, 7),
    "a trait with a value that is no text": ("trait", 2, "\ud800"),
    "a trait that was never seen": ("trait", 4, None),
    "a session of what is no device": ("session", 0, MAC.upper()),
    "a session without a start": ("session", 1, None),
    "a session with a fraction for its end": ("session", 2, 1.5),
    "an alias of half a MAC": ("alias", "mac", "zz"),
    "an alias of no device": ("alias", "device", None),
    "an alias with a word for its evidence": ("alias", "evidence", 7),
    "an alias that was a device without a status": ("alias", "before", {"status": "x"}),
    "an alias undone by word": ("alias", "undone", "yes"),
    "a row of no table": ("dropped", 0, "devices"),
    "a row of what is no device": ("dropped", 1, 7),
    "a join with nobody": ("joined", 1, None),
    "a join with a number for its token": ("joined", 2, 7),
    "an erasure of half a MAC": ("erased", 0, "zz"),
    "an erasure of stations that are none": ("erased", 1, ["zz"]),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_line_that_is_json_but_damaged_is_skipped_and_does_not_keep_the_daemon_from_starting(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    kind, place, value = DAMAGED[name]
    (tmp_path / "spool").mkdir()
    spool.write(tmp_path / SPOOL, full_batch())
    lines = [json.loads(line) for line in (tmp_path / SPOOL).read_text().splitlines() if line]
    line = next(line for line in lines if kind in line)
    if place is None:
        line[kind] = value
    else:
        line[kind][place] = value
    (tmp_path / SPOOL).write_text("".join(json.dumps(line) + "\n" for line in lines))
    with storing(tmp_path) as store:
        assert not store.degraded
        assert store.counters["stored.spooled"] == full_batch().events - (kind not in ("rollup", "total", "meta"))
    assert not (tmp_path / SPOOL).exists()
    assert read_core(tmp_path)
    assert caplog.text.encode()  # what is said of it can be written


def test_a_device_that_netwatchd_0_2_spooled_is_read(tmp_path: Path) -> None:
    spool.write(tmp_path / "spool", Batch(devices={MAC: device()}))
    (line,) = map(json.loads, (tmp_path / "spool").read_text().splitlines())
    for name in schema.NEW_DEVICE:
        del line["device"][name]
    (tmp_path / "spool").write_text(json.dumps(line))
    assert spool.read(tmp_path / "spool") == Batch(devices={MAC: device()})


def test_an_event_that_json_cannot_say_is_left_out_and_the_others_are_saved(tmp_path: Path) -> None:
    spool.write(tmp_path / "spool", Batch(flows=FlowBatch.of([flow(1), flow(2, state=object()), flow(3)])))
    read = spool.read(tmp_path / "spool")
    assert read is not None
    assert list(read.flows) == [flow(1), flow(3)]


@needs_root
def test_a_spool_that_does_not_fit_on_the_disk_leaves_the_one_before_as_it_was(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        spool.write(disk / "spool", full_batch())
        fill(disk)
        with pytest.raises(OSError, match="No space left"):
            spool.write(disk / "spool", Batch(flows=FlowBatch.of([flow(n) for n in range(3, 1000)])))
        assert spool.read(disk / "spool") == full_batch()
        assert sorted(path.name for path in disk.iterdir()) == ["ballast", "spool"]


def test_a_spool_that_a_crash_cut_short_is_none_and_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "spool.new").write_text('{"flow": [1, 2')
    assert spool.read(tmp_path / "spool") is None
    assert list(tmp_path.iterdir()) == []


def test_where_there_is_no_spool_nothing_is_read(tmp_path: Path) -> None:
    assert spool.read(tmp_path / "spool") is None


def test_what_a_locked_database_did_not_take_is_stored_by_the_next_start_exactly_once(tmp_path: Path) -> None:
    with storing(tmp_path) as store:
        store.add_flow(flow(1))
        eventually(lambda: store.counters["storage.commits"])
        store.settings = type(store.settings)(commit_interval=3600, busy_timeout=0.05)
        with locked(tmp_path / "core.db"):
            store.add_flows([flow(n) for n in range(2, 502)])
            store.upsert_device(device(bytes_in=5))
            store.upsert_threat(threat())
            store.worker.ask_to_stop()
            store.wake()
            assert store.worker.stop(10)
    assert (tmp_path / SPOOL).exists()
    assert len(rows(tmp_path / FILE)) == 1
    seen = []
    with storing(tmp_path, lambda db: seen.append(db.execute("SELECT bytes_in FROM devices").fetchall())) as store:
        assert len(rows(tmp_path / FILE)) == 501
        assert rows(tmp_path / "core.db", "SELECT kind, count FROM threats") == [("port_scan", 1)]
        assert store.counters["stored.spooled"] == 502
    assert seen == [[(5,)]], "who remembers is shown what was spooled, too"
    assert not (tmp_path / SPOOL).exists()
    with storing(tmp_path) as store:
        assert store.counters["stored.spooled"] == 0


def test_a_spool_survives_starts_in_which_the_database_is_still_locked(tmp_path: Path) -> None:
    (tmp_path / "spool").mkdir()
    with storing(tmp_path):
        pass
    spool.write(tmp_path / SPOOL, full_batch())
    size = (tmp_path / SPOOL).stat().st_size
    for _ in range(3):
        with locked(tmp_path / "core.db"), storing(tmp_path) as store:
            assert store.degraded
    assert (tmp_path / SPOOL).stat().st_size == size
    with locked(tmp_path / "core.db"), storing(tmp_path) as store:
        store.add_flow(flow(7))
    with storing(tmp_path):
        assert len(rows(tmp_path / FILE)) == 3


def test_a_crash_between_the_commit_and_the_removal_of_the_spool_doubles_nothing(tmp_path: Path) -> None:
    (tmp_path / "spool").mkdir()
    for _ in range(2):  # the second time, the rows are there already
        spool.write(tmp_path / SPOOL, full_batch())
        with storing(tmp_path):
            pass
        assert len(rows(tmp_path / FILE)) == 2
        assert rows(tmp_path / "core.db", "SELECT bytes_in, bytes_out, flows FROM rollups") == [(1, 2, 3)]
        assert rows(tmp_path / "core.db", "SELECT count FROM threats") == [(1,)]


def test_a_row_of_the_spool_that_sqlite_rejects_does_not_take_the_others_along(tmp_path: Path) -> None:
    (tmp_path / "spool").mkdir()
    spool.write(tmp_path / SPOOL, Batch(flows=FlowBatch.of([flow(1), flow(2, bytes_in=2**63), flow(3)])))
    with storing(tmp_path) as store:
        assert len(rows(tmp_path / FILE)) == 2
        assert store.counters["dropped.rows.rejected"] == 1
    assert not (tmp_path / SPOOL).exists()


def test_a_spool_of_many_days_is_stored(tmp_path: Path) -> None:
    (tmp_path / "spool").mkdir()
    spool.write(tmp_path / SPOOL, Batch(flows=FlowBatch.of([flow(1, NOON + DAY * n) for n in range(9)])))
    with storing(tmp_path):
        pass
    assert len(list(tmp_path.glob("flows-*.db"))) == 9


def test_a_spool_that_cannot_be_read_is_kept(tmp_path: Path) -> None:
    (tmp_path / SPOOL).mkdir(parents=True)  # reading it fails as on a broken disk
    with storing(tmp_path) as store:
        store.add_flow(flow(1))
        eventually(lambda: store.counters["storage.commits"])
    assert (tmp_path / SPOOL).exists()


@needs_root
def test_where_the_first_place_for_the_spool_is_full_the_next_one_is_used(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk, storing(disk) as store:
        store._spools.append(tmp_path / spool.NAME)
        store.upsert_device(device(), new=True)
        eventually(lambda: store.counters["storage.commits"])
        fill(disk)
        store.add_flow(flow(1))
        store.upsert_device(device(OTHER_MAC), new=True)
        eventually(lambda: store.degraded)
        store.worker.ask_to_stop()
        store.wake()
        assert store.worker.stop(10)
    lines = [json.loads(line) for line in (tmp_path / spool.NAME).read_text().splitlines() if line]
    assert sorted(kind for line in lines for kind in line) == ["device", "flow"]
