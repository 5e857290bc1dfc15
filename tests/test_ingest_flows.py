"""Flows are put down to devices, and what each adds is counted once, however often and in whatever order it is told."""

import threading
from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st
from ingest_kit import T0, Recorder, devices_of, later, sighting
from running import MAC, OTHER_MAC
from store_kit import Held, flow
from waiting import PATIENCE, eventually

from netwatchd.events import Flow, Sighting
from netwatchd.ingest.devices import Devices
from netwatchd.ingest.flows import Flows
from netwatchd.ingest.inbox import Door, Inbox, Inboxes
from netwatchd.ingest.workers import work_through
from netwatchd.worker import Worker

LAPTOP, PHONE, SERVER = 0xC0A80105, 0xC0A80106, 0x5DB8D822


def at_home(recorder: Recorder) -> tuple[Devices, Flows]:
    """A laptop and a phone, and their flows."""
    devices = devices_of(recorder)
    devices.see([sighting(ips=(LAPTOP,)), sighting(OTHER_MAC, ips=(PHONE,))], T0)
    return devices, Flows(devices, recorder, recorder)


def totals(devices: Devices) -> dict[str | None, tuple[int, int]]:
    return {each.mac: (each.bytes_in, each.bytes_out) for each in devices.all() if each.bytes_in or each.bytes_out}


def test_a_flow_is_put_down_to_the_device_that_opened_it_and_what_comes_back_is_in() -> None:
    seen = Recorder()
    devices, flows = at_home(seen)
    flows.see([flow(1, bytes_out=300, bytes_in=4000, device=None)], T0)
    assert seen.flows[flow(1).id].device == MAC
    assert seen.published[-1].device == MAC
    assert totals(devices) == {MAC: (4000, 300)}


def test_a_flow_from_outside_is_put_down_to_the_device_that_answered() -> None:
    seen = Recorder()
    devices, flows = at_home(seen)
    flows.see([flow(1, src_ip=SERVER, dst_ip=PHONE, bytes_out=300, bytes_in=4000, device=None)], T0)
    assert seen.flows[flow(1).id].device == OTHER_MAC
    assert totals(devices) == {OTHER_MAC: (300, 4000)}


def test_a_flow_between_two_devices_belongs_to_the_one_that_opened_it() -> None:
    seen = Recorder()
    devices, flows = at_home(seen)
    flows.see([flow(1, src_ip=PHONE, dst_ip=LAPTOP, device=None)], T0)
    assert seen.flows[flow(1).id].device == OTHER_MAC
    assert totals(devices) == {OTHER_MAC: (4000, 300)}


def test_a_flow_of_nobody_known_is_kept_and_counted_for_nobody() -> None:
    seen = Recorder()
    devices, flows = at_home(seen)
    flows.see([flow(1, src_ip=1, dst_ip=2, device=None)], T0)
    assert seen.flows[flow(1).id].device is None
    assert totals(devices) == {}
    assert seen.traffic == [(T0.wall, {"": [4000, 300, 1]}, flow(1).id)]


def test_a_live_flow_adds_only_what_it_carried_since_it_was_last_told() -> None:
    seen = Recorder()
    devices, flows = at_home(seen)
    for out, back, state in ((0, 0, "new"), (100, 1000, "active"), (150, 1500, "active"), (200, 9000, "closed")):
        flows.see([flow(1, bytes_out=out, bytes_in=back, state=state)], T0)
    assert totals(devices) == {MAC: (9000, 200)}
    assert sum(traffic[MAC][2] for _, traffic, _ in seen.traffic) == 1
    assert [each.bytes_in for each in seen.published if isinstance(each, Flow)] == [0, 1000, 1500, 9000]
    assert flows.live == 0


def test_a_live_flow_is_written_when_it_begins_has_first_counters_and_ends_and_else_when_totals_are_settled() -> None:
    seen = Recorder()
    _, flows = at_home(seen)
    told = ((0, "new", 1), (10, "active", 2), (20, "active", 2), (30, "active", 2))
    for back, state, writes in told:
        flows.see([flow(1, bytes_out=0, bytes_in=back, state=state)], T0)
        assert seen.writes == writes
    flows.settle()
    assert (seen.writes, seen.flows[flow(1).id].bytes_in) == (3, 30)
    flows.settle()
    assert seen.writes == 3, "nothing has changed since"
    flows.see([flow(1, bytes_out=0, bytes_in=40)], T0)
    assert (seen.writes, seen.flows[flow(1).id].bytes_in) == (4, 40)


def test_counters_that_go_backwards_take_nothing_away() -> None:
    seen = Recorder()
    devices, flows = at_home(seen)
    for back in (1000, 10):
        flows.see([flow(1, bytes_out=0, bytes_in=back, state="active")], T0)
    assert totals(devices) == {MAC: (1000, 0)}


def test_only_what_a_device_sends_itself_is_a_sign_of_its_life() -> None:
    seen = Recorder()
    devices, flows = at_home(seen)
    devices.sweep(later(10_000))
    knock = flow(1, later(10_000).wall, src_ip=SERVER, dst_ip=PHONE, bytes_out=60, bytes_in=0)
    flows.see([knock], later(10_000))
    assert {str(each.status) for each in devices.all()} == {"offline"}
    flows.see([knock._replace(bytes_in=60)], later(10_000))
    assert [each.mac for each in devices.all() if each.status == "online"] == [OTHER_MAC]


def test_flows_of_an_earlier_run_that_a_crash_left_alive_add_nothing_when_they_are_closed() -> None:
    seen = Recorder()
    devices, flows = at_home(seen)
    left = flow(1, state="active")
    flows.remember([left], left.id)
    assert flows.live == 1
    flows.see([left._replace(state="closed")], T0)
    assert totals(devices) == {}
    assert seen.flows[left.id].state == "closed"
    assert flows.live == 0


# Steps of a day: a flow (by number) grows by so much, or ends, or totals are settled, or a device changes.
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("grow"), st.integers(1, 4), st.integers(0, 1000)),
        st.tuples(st.just("end"), st.integers(1, 4), st.integers(0, 1000)),
        st.just(("settle", 0, 0)),
        st.just(("rename", 0, 0)),
    ),
    max_size=40,
)


@settings(max_examples=200)
@given(STEPS)
def test_whenever_a_crash_comes_what_is_stored_adds_up_to_what_was_stored_of_the_flows(
    steps: list[tuple[str, int, int]],
) -> None:
    seen = Recorder()
    devices, flows = at_home(seen)
    alive: dict[int, Flow] = {}
    for step, (what, number, size) in enumerate(steps, 10):
        if what == "settle":
            flows.settle()
        elif what == "rename":
            devices.see([sighting(hostname=str(step))], T0)
        else:
            old = alive.pop(number, None) or flow(step, bytes_out=0, bytes_in=0)
            told = old._replace(bytes_in=old.bytes_in + size, state="closed" if what == "end" else "active")
            flows.see([told], T0)
            if what == "grow":
                alive[number] = told
        row = seen.rows[MAC]
        assert row is not None
        after = sum(each.bytes_in for each in seen.flows.values() if each.id > seen.settled)
        assert row.bytes_in + after == sum(each.bytes_in for each in seen.flows.values())
    flows.settle()
    assert seen.rows[MAC] == devices.find(MAC)


def test_after_a_crash_the_rows_of_flows_that_ended_since_the_last_settling_are_all_in_the_totals() -> None:
    seen = Recorder()
    devices, flows = at_home(seen)
    flows.see([flow(1, bytes_in=100, bytes_out=1, state="active"), flow(2, bytes_in=10, bytes_out=1)], T0)
    flows.settle()
    flows.see([flow(1, bytes_in=150, bytes_out=2, state="active"), flow(3, bytes_in=7, bytes_out=1)], T0)
    flows.see([flow(1, bytes_in=200, bytes_out=3)], T0)  # began before the settling, ends after it
    row = seen.rows[MAC]
    assert row is not None
    after = [each for each in seen.flows.values() if each.id > seen.settled]
    assert [each.id for each in after] == [flow(3).id]
    assert row.bytes_in + sum(each.bytes_in for each in after) == 217
    assert row.bytes_out + sum(each.bytes_out for each in after) == 5
    assert totals(devices) == {MAC: (217, 5)}


# Inboxes and workers.


def running(run: Callable[[Worker], None]) -> tuple[Worker, list[Worker]]:
    deaths: list[Worker] = []
    worker = Worker("ingest:test", run, deaths.append)
    worker.start()
    return worker, deaths


def test_a_full_inbox_makes_its_source_wait_and_loses_nothing() -> None:
    inbox: Inbox[int] = Inbox(10)
    inbox.put(range(10))
    waited = threading.Event()
    source = threading.Thread(target=lambda: (inbox.put(range(10, 15)), waited.set()))
    source.start()
    assert len(inbox) == 10
    assert inbox.take(PATIENCE) == list(range(10))
    assert waited.wait(PATIENCE)
    source.join()
    assert inbox.take(0) == list(range(10, 15))


def test_a_batch_larger_than_the_inbox_is_taken_when_nothing_else_waits() -> None:
    inbox: Inbox[int] = Inbox(10)
    inbox.put(range(100))
    assert len(inbox.take(0)) == 100


def test_a_worker_takes_all_that_was_put_in_before_it_was_asked_to_stop() -> None:
    inbox: Inbox[int] = Inbox(1000)
    taken: list[int] = []
    held = Held()

    def see(events: object, now: object) -> None:
        held()
        taken.extend(events)  # type: ignore[call-overload]

    worker, deaths = running(lambda worker: work_through(inbox, see, lambda timeout: True, worker))
    inbox.put(range(5))
    assert held.entered.wait(PATIENCE)
    inbox.put(range(5, 500))
    worker.ask_to_stop()
    inbox.end()
    held.free.set()
    assert worker.stop(PATIENCE)
    assert taken == list(range(500))
    assert not deaths


def test_what_was_put_in_before_is_waited_for_until_its_worker_has_dealt_with_it() -> None:
    inbox: Inbox[int] = Inbox(10)
    inbox.wait_until_seen(0)
    inbox.put([1, 2])
    assert inbox.take(0) == [1, 2]
    waited = threading.Event()
    waiter = threading.Thread(target=lambda: (inbox.wait_until_seen(PATIENCE), waited.set()))
    waiter.start()
    assert not waited.wait(0.05), "it was taken, but its worker has not come back yet"
    inbox.put([3])  # which came later, and is not waited for
    inbox.take(0)
    assert waited.wait(PATIENCE)
    waiter.join()


def test_while_the_store_has_no_room_nothing_is_taken() -> None:
    inbox: Inbox[int] = Inbox(1000)
    taken: list[int] = []
    room, asked = threading.Event(), threading.Semaphore(0)

    def has_room(timeout: float) -> bool:
        asked.release()
        return room.is_set()

    worker, _ = running(lambda worker: work_through(inbox, lambda events, now: taken.extend(events), has_room, worker))
    inbox.put(range(5))
    assert all(asked.acquire(timeout=PATIENCE) for _ in range(3))
    assert taken == []
    room.set()
    eventually(lambda: taken == list(range(5)))
    inbox.end()
    assert worker.stop(PATIENCE)


def test_what_a_source_hands_in_is_counted_and_goes_to_the_inbox_of_its_kind() -> None:
    recorder, boxes = Recorder(), Inboxes(10)
    door = Door("json", boxes, recorder.counters)
    one: Sighting = sighting()
    door.sightings([one])
    door.flows([flow(1), flow(2)])
    door.threats([])
    assert (boxes.sightings.take(0), boxes.flows.take(0), boxes.threats.take(0)) == ([one], [flow(1), flow(2)], [])
    assert recorder.counters["received.json"] == 3
