"""The books balance: what came is stored, merged, dropped or waits, also with a full queue or a locked database."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ingest_kit import Recorder, devices_of
from running import MAC, OTHER_MAC, Daemon, flow_line, locked
from store_kit import Kept, flow, storing
from waiting import PATIENCE, eventually

from netwatchd import ledger
from netwatchd.clock import now
from netwatchd.events import Flow
from netwatchd.ingest.flows import Flows
from netwatchd.ingest.inbox import Door, Inboxes
from netwatchd.ingest.workers import work_through
from netwatchd.ledger import Stages, reckon
from netwatchd.worker import Worker

Make = Callable[..., Daemon]
STAGES = Stages({}, {})
QUICK = "[storage]\ncommit_interval = 100 ms\nbusy_timeout = 50 ms\nretry_delay = 10 ms\nmax_pending = 1000\n"
DEVICE = {"type": "device", "mac": MAC, "ip": "192.168.1.5"}
THREAT = {"type": "threat", "kind": "port_scan", "description": "it scanned", "device": "192.168.1.5"}


def of_source(tree: dict[str, Any], name: str = "capture") -> dict[str, Any]:
    (found,) = reckon(tree, [(name, "on")], STAGES)["sources"]
    return {key: value for key, value in found.items() if value and key not in ("name", "state")}


def test_each_source_has_its_own_losses_with_their_reasons() -> None:
    assert of_source({
        "received": {"capture": 7, "json": 9}, "events": {"capture": {"devices": 2, "flows": 5}},
        "observed": {"capture": 3}, "merged": {"flows": {"capture": 4, "zeek": 1}},
        "skipped": {"capture": {"arp": 11}}, "dropped": {"capture": {"clients": 1}, "flows": {"storage_full": 8}},
        "lost": {"capture": {"kernel": 6}, "dhcp": 5}, "overflows": {"capture": 2}, "malformed": {"json": 1},
    }) == {
        "received": 7, "devices": 2, "flows": 5, "observations": 3, "merged": 4, "passed": {"arp": 11},
        "dropped": {"clients": 1}, "lost": {"kernel": 6, "overflows": 2},
    }  # fmt: skip
    assert of_source({"lost": {"zeek": 2}, "repeated": {"zeek": 3}, "malformed": {"zeek": 1}}, "zeek") == {
        "lost": {"rests_of_logs": 2}, "merged": 3, "dropped": {"malformed": 1},
    }  # fmt: skip
    assert of_source({"lost": {"dhcp": 2}, "untracked": {"dhcp": 1}}, "dhcp") == {
        "lost": {"records": 2}, "dropped": {"untracked": 1},
    }  # fmt: skip


def test_sflow_is_told_with_the_source_by_which_it_comes() -> None:
    tree = {"lost": {"netflow": {"flows": 2}, "sflow": {"samples": 3}}, "skipped": {"sflow": {"header": 4}},
            "refused": {"netflow": {"exporter": 5}}}  # fmt: skip
    assert of_source(tree, "netflow") == {
        "lost": {"flows": 2, "sflow_samples": 3}, "passed": {"sflow_header": 4, "exporter": 5},
    }  # fmt: skip


def test_a_source_that_is_off_and_has_told_nothing_is_not_told_of() -> None:
    found = reckon({"received": {"zeek": 1}}, [("json", "off"), ("zeek", "off"), ("eve", "failed")], STAGES)
    assert [each["name"] for each in found["sources"]] == ["zeek", "eve"]


def test_sightings_go_into_what_is_known_unless_there_is_no_room_or_they_are_of_no_device() -> None:
    tree = {
        "events": {"json": {"devices": 6, "threats": 3}, "dhcp": {"devices": 4}},
        "ignored": {"devices": {"virtual_mac": 1}}, "asked": {"flows": 4}, "sent": {"messages": 8},
        "dropped": {"devices": {"too_many": 2, "passed_by": 5}, "messages": {"slow_client": 7}, "capture": {"x": 9}},
        "stored": {"devices": 30, "threats": 20}, "alerts": {"sent": {"ntfy": 1, "email": 2}},
    }  # fmt: skip
    found = reckon(tree, [], Stages({"devices": 8, "threats": 3}, {"devices": 6}))
    devices, _, threats = found["kinds"]
    assert devices == {
        "kind": "devices", "received": 10, "recalled": 0, "merged": 5, "stored": 30, "ignored": 1,
        "dropped": {"too_many": 2, "passed_by": 5}, "saved": 0, "waiting": 2, "pending": 6, "unaccounted": 0,
    }  # fmt: skip
    assert (threats["merged"], threats["stored"], threats["waiting"], threats["unaccounted"]) == (3, 20, 0, 0)
    assert found["sent"] == {"messages": 8, "alerts": 3, "answers": 4}
    # What a source dropped stands with the source.
    assert found["dropped"] == {"devices too_many": 2, "devices passed_by": 5, "messages slow_client": 7}


def test_what_was_given_up_at_the_end_waits_no_more() -> None:
    tree = {"events": {"json": {"flows": 9}}, "stored": {"flows": 2}, "saved": {"flows": 3}, "unsaved": {"flows": 4}}
    book = reckon(tree, [], Stages({"flows": 9}, {"flows": 7}))["kinds"][1]
    assert (book["saved"], book["dropped"], book["waiting"], book["unaccounted"]) == (3, {"no_spool": 4}, 0, 0)


def test_what_was_counted_since() -> None:
    before = {"received": {"json": 2}, "lost": {"dhcp": 1}, "stored": {"flows": 4}}
    now = {"received": {"json": 5, "eve": 1}, "lost": {"dhcp": 1}, "stored": {"flows": 4}, "sent": {"messages": 9}}
    assert ledger.since(before, now) == {"received": {"json": 3, "eve": 1}, "sent": {"messages": 9}}
    assert ledger.since({}, now) == now


def test_a_line_tells_what_is_not_nothing() -> None:
    assert ledger.line({}) == "received nothing, stored nothing, sent nothing, dropped nothing"
    assert ledger.line({
        "received": {"json": 1200, "eve": 1}, "stored": {"flows": 1100, "devices": 2, "spooled": 9},
        "sent": {"messages": 30}, "alerts": {"sent": {"ntfy": 2}, "failed": {"ntfy": 9}},
        "merged": {"flows": {"eve": 3}}, "coalesced": {"flows": 4}, "dropped": {"flows": {"storage_full": 50}},
        "malformed": {"json": 6}, "lost": {"netflow": {"socket": 7}}, "saved": {"flows": 8},
    }) == (
        "received 1,201 (1,200 json, 1 eve), stored 1,102 (1,100 flows, 2 devices), sent 30 messages, 2 alerts, "
        "merged 7 flows, dropped 50 flows storage full, 6 json malformed, lost 7 netflow socket, "
        "saved for the next start 8 flows"
    )  # fmt: skip


# The flows' way, with what is real of it.


class Way:
    """Doors, the worker of flows, their accounts and the store."""

    def __init__(self, store: Kept, size: int) -> None:
        self.store = store
        self.inboxes = Inboxes(size)
        self.door = Door("conntrack", self.inboxes, store.counters)
        recorder = Recorder()
        self.flows = Flows(devices_of(recorder), recorder, store, store.counters)
        self._deaths: list[Worker] = []
        self.worker = Worker("flows", self._run, self._deaths.append)

    def _run(self, worker: Worker) -> None:
        work_through(self.inboxes.flows, self.flows.see, self.store.wait_for_room, worker)

    def book(self) -> dict[str, Any]:
        stages = Stages(self.inboxes.seen(), self.store.waiting(), self.flows.held)
        book: dict[str, Any] = reckon(self.store.counters.tree(), [], stages)["kinds"][1]
        assert book["kind"] == "flows"
        return book

    def is_quiet(self) -> bool:
        return self.inboxes.flows.has_seen(self.inboxes.flows.mark()) and not len(self.inboxes.flows)


@contextmanager
def way(directory: Path, size: int = 10_000, **settings: Any) -> Iterator[Way]:
    with storing(directory, **settings) as store:
        found = Way(store, size)
        yield found
        found.inboxes.end()
        assert found.worker.stop(PATIENCE)


def news(number: int, state: str, moved: int) -> Flow:
    return flow(number, state=state, bytes_out=moved, bytes_in=moved, packets_out=moved, packets_in=moved)


def story(flows: int, times: int) -> list[Sequence[Flow]]:
    """Flows that begin, are told again and again while they live, and of which every other one ends."""
    told: list[Sequence[Flow]] = [[news(n, "new", 0) for n in range(flows)]]
    told += [[news(n, "active", 100 * (turn + 1)) for n in range(flows)] for turn in range(times)]
    return [*told, [news(n, "closed", 10_000) for n in range(0, flows, 2)]]


def test_what_was_told_again_and_again_of_flows_that_live_is_merged_stored_or_held(tmp_path: Path) -> None:
    with way(tmp_path) as found:
        found.worker.start()
        for batch in story(flows=20, times=5):
            found.door.flows(batch)
        eventually(found.is_quiet)
        eventually(lambda: found.store.pending == 0)
        book = found.book()
        # Each is stored when it is new, when it has its first counters, and at its end; the rest is merged.
        assert (book["received"], book["stored"]) == (20 + 100 + 10, 20 + 20 + 10)
        assert (book["merged"], book["waiting"], book["unaccounted"]) == (10 * 4 + 10 * 3, 10, 0)
        found.flows.settle()
        eventually(lambda: found.store.pending == 0)
        book = found.book()
        assert (book["stored"], book["merged"], book["waiting"], book["unaccounted"]) == (60, 70, 0, 0)


def test_with_a_full_queue_what_waits_at_the_door_is_in_the_books(tmp_path: Path) -> None:
    with way(tmp_path, size=10) as found:
        source = threading.Thread(target=lambda: [found.door.flows([flow(n)]) for n in range(100)])
        source.start()
        eventually(lambda: found.store.counters["received.conntrack"] == 11)  # ten in the queue, and one at its door
        book = found.book()
        assert (book["received"], book["waiting"], book["unaccounted"]) == (11, 11, 0)
        found.worker.start()
        source.join(PATIENCE)
        eventually(lambda: found.is_quiet() and found.store.counters["stored.flows"] == 100)
        book = found.book()
        assert (book["received"], book["stored"], book["waiting"], book["unaccounted"]) == (100, 100, 0, 0)


def test_a_database_that_cannot_be_written_drops_what_there_is_no_room_for_and_says_so(tmp_path: Path) -> None:
    with way(tmp_path, max_pending=50, retry_delay=0.01) as found:
        found.worker.start()
        found.door.flows([flow(0)])
        eventually(lambda: found.store.counters["stored.flows"] == 1)
        with locked(tmp_path / "core.db"):
            found.door.flows([flow(1)])
            eventually(lambda: found.store.degraded)
            found.door.flows([flow(n) for n in range(2, 100)])
            eventually(found.is_quiet)
            book = found.book()
            assert book["dropped"] == {"storage_full": 49}
            assert (book["waiting"], book["unaccounted"]) == (50, 0)
        eventually(lambda: found.store.pending == 0)
        book = found.book()
        assert (book["received"], book["stored"], book["dropped"]) == (100, 51, {"storage_full": 49})
        assert (book["waiting"], book["unaccounted"]) == (0, 0)


def test_a_row_that_is_rejected_is_not_stored(tmp_path: Path) -> None:
    with way(tmp_path) as found:
        found.worker.start()
        found.door.flows([flow(1), flow(2, packets_in=2**70), flow(3)])
        eventually(lambda: found.store.counters["storage.commits"])
        eventually(lambda: found.store.pending == 0)
        book = found.book()
        assert (book["stored"], book["dropped"], book["unaccounted"]) == (2, {"rejected": 1}, 0)
        assert found.store.counters["dropped.rows.rejected"] == 1


# The whole daemon.


def kinds(status: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {book["kind"]: book for book in status["ledger"]["kinds"]}


def test_the_daemon_s_books_balance_while_its_database_is_locked_and_afterwards(daemon: Make) -> None:
    with daemon(QUICK) as running:
        running.emit(DEVICE, THREAT, {"type": "nonsense"})
        eventually(lambda: running.status()["stored"].get("threats"))
        with locked(running.state / "core.db"):
            running.emit(DEVICE | {"mac": OTHER_MAC, "ip": "192.168.1.6"}, *(flow_line(n) for n in range(500)))
            eventually(lambda: running.status()["database"]["state"] == "degraded")
            running.emit(THREAT, DEVICE, *(flow_line(n) for n in range(500, 3000)))
            books = kinds(eventually(
                lambda: kinds(found := running.status())["flows"]["received"] == 3000
                and kinds(found)["flows"]["unaccounted"] == 0 and not found["waiting"]["flows"] and found
            ))  # fmt: skip
            assert books["flows"]["waiting"] == 1000
            assert books["flows"]["dropped"] == {"storage_full": 2000}
        eventually(lambda: running.status()["database"]["pending"] == 0)
        status = running.status()
        books = kinds(status)
        assert [books[kind]["unaccounted"] for kind in books] == [0, 0, 0]
        assert (books["flows"]["stored"], books["flows"]["waiting"]) == (1000, 0)
        assert len(running.flows()) == 1000
        assert (books["devices"]["received"], books["devices"]["merged"]) == (3, 3)
        assert (books["threats"]["received"], books["threats"]["merged"]) == (2, 2)
        (json,) = (each for each in status["ledger"]["sources"] if each["name"] == "json")
        assert (json["received"], json["devices"], json["flows"], json["threats"]) == (3005, 3, 3000, 2)
        assert json["dropped"] == {"malformed": 1}
        shown = " ".join(running.cli("status").stdout.split())
        assert "source json on; received 3 devices, 3,000 flows, 2 threats; dropped 1 malformed " in shown
        assert "ledger flows 3,000 received; 1,000 stored; dropped 2,000 storage full " in shown


def test_what_is_saved_at_the_end_is_said_and_a_crash_s_flows_are_in_the_books(daemon: Make) -> None:
    running = daemon(QUICK)
    running.state.mkdir()
    with storing(running.state) as store:
        store.add_flow(flow(1, now().wall - 1000, state="active"))
    with running:
        book = eventually(lambda: (found := kinds(running.status())["flows"])["stored"] and found)
        assert (book["received"], book["recalled"], book["stored"], book["unaccounted"]) == (0, 1, 1, 0)
        running.emit(DEVICE)
        eventually(lambda: running.core("SELECT 1 FROM devices"))
        with locked(running.state / "core.db"):
            running.emit(*(flow_line(n) for n in range(7)))
            eventually(lambda: running.status()["database"]["state"] == "degraded")
            assert running.stop() == 0
        (line,) = [each for each in running.log.splitlines() if "this run (" in each]
        assert "received 8 (8 json)" in line
        assert "saved for the next start " in line
        assert "7 flows" in line.split("saved for the next start ")[1]
        running.start()
        eventually(lambda: len(running.flows()) == 8)
        assert kinds(running.status())["flows"]["unaccounted"] == 0
