"""What a client is told: hello, a snapshot, and everything after it, once and in order."""

import json
import threading

import pytest
from waiting import eventually
from websocket_kit import (
    RawClient,
    device,
    flow,
    numbers,
    say,
    serving,
    take,
    threat,
    until,
)

from netwatchd.broadcast.broadcaster import MOST_QUEUED, Broadcaster
from netwatchd.broadcast.messages import Snapshot, device_json
from netwatchd.config import Websocket
from netwatchd.counters import Counters
from netwatchd.events import Forget, Judge, Merge, Rename, Split, ThreatStatus


def test_a_client_is_told_hello_then_a_snapshot_then_what_happens() -> None:
    with serving() as service:
        service.publish(device(1), threat(7))
        with service.connect() as client:
            hello, snapshot = take(client, 2)
            service.publish(device(2))
            service.publish(flow(3))
            service.publish(threat(4))
            service.broadcaster.publish_stats({"flows": 1})
            updates = take(client, 4)
    assert hello | {"server": "netwatchd/"} == {
        "type": "hello", "server": "netwatchd/", "protocol": 1, "epoch": service.broadcaster.epoch, "seq": 2,
    }  # fmt: skip
    assert (snapshot["type"], snapshot["seq"], snapshot["stats"]) == ("snapshot", 2, {"devices": 1})
    assert snapshot["devices"] == [json.loads(json.dumps(device_json(device(1))))]
    assert [one["id"] for one in snapshot["threats"]] == [7]
    assert [one["type"] for one in updates] == ["device_update", "flow_update", "threat_update", "stats"]
    assert numbers(updates) == [3, 4, 5, 6]
    assert all(isinstance(one["time"], int) for one in updates)


def test_a_client_hears_only_the_topics_it_subscribed_to() -> None:
    with serving() as service, service.connect() as client:
        take(client, 2)
        say(client, "subscribe", topics=["threats", "stats"])
        say(client, "ping")
        assert take(client) == [{"type": "pong"}]
        service.publish(device(1), flow(1), threat(1))
        service.broadcaster.publish_stats({})
        assert [one["type"] for one in take(client, 2)] == ["threat_update", "stats"]
        assert service.broadcaster.clients[0].topics == ["threats", "stats"]


def test_topics_can_be_chosen_in_the_url() -> None:
    with serving() as service, service.connect("?topics=devices,threats") as client:
        take(client, 2)
        service.publish(flow(1), device(1), flow(2), threat(1))
        assert numbers(take(client, 2)) == [2, 4]


def test_clients_with_different_topics_do_not_disturb_each_other() -> None:
    with serving() as service, service.connect() as all_, service.connect("?topics=flows") as flows:
        take(all_, 2)
        take(flows, 2)
        for number in range(50):
            service.publish(device(number), flow(number))
        assert numbers(until(all_, 100)) == list(range(1, 101))
        assert numbers(until(flows, 100)) == list(range(2, 101, 2))


def test_nothing_is_lost_or_doubled_for_clients_that_join_while_much_happens() -> None:
    with serving() as service:
        stop = threading.Event()

        def publish() -> None:
            number = 0
            while not stop.wait(0.001):
                number += 1
                service.publish(device(number % 50, number), flow(number))

        publisher = threading.Thread(target=publish)
        publisher.start()
        clients = [service.connect() for _ in range(15)]
        stop.set()
        publisher.join()
        for client in clients:
            with client:
                hello, snapshot = take(client, 2)
                assert hello["seq"] == snapshot["seq"]
                if snapshot["seq"] < service.last:
                    assert numbers(until(client, service.last)) == list(range(snapshot["seq"] + 1, service.last + 1))


def test_a_client_resumes_after_the_last_message_it_had() -> None:
    with serving() as service, service.connect() as client:
        take(client, 2)
        service.publish(*[device(number) for number in range(10)])
        until(client, 10)
        say(client, "resume", epoch=service.broadcaster.epoch, since=4)
        assert numbers(take(client, 6)) == [5, 6, 7, 8, 9, 10]
        service.publish(device(11))
        assert numbers(take(client)) == [11]


def test_a_client_that_comes_back_resumes_by_its_url_without_a_snapshot() -> None:
    with serving() as service:
        service.publish(*[device(number) for number in range(10)])
        with service.connect(f"?epoch={service.broadcaster.epoch}&since=7") as client:
            service.listening(1)
            service.publish(device(99))
            messages = take(client, 5)
    assert [one["type"] for one in messages] == ["hello"] + 4 * ["device_update"]
    assert numbers(messages) == [10, 8, 9, 10, 11]


def test_a_client_that_missed_nothing_resumes_with_nothing() -> None:
    with serving() as service:
        service.publish(device(1))
        with service.connect(f"?epoch={service.broadcaster.epoch}&since=1") as client:
            take(client)
            say(client, "ping")
            assert take(client) == [{"type": "pong"}]


def test_what_is_no_longer_remembered_becomes_a_gap_and_a_snapshot() -> None:
    with serving(resume_size=16) as service:
        for number in range(100):
            service.publish(device(number))
        with service.connect(f"?epoch={service.broadcaster.epoch}&since=20") as client:
            hello, gap, snapshot = take(client, 3)
            say(client, "resume", epoch=service.broadcaster.epoch, since=30)
            again = take(client, 2)
    assert (hello["type"], hello["seq"]) == ("hello", 100)
    assert gap == {"type": "gap", "seq": 100, "missed": [21, 100], "reason": "no longer remembered"}
    assert (snapshot["type"], snapshot["seq"], len(snapshot["devices"])) == ("snapshot", 100, 100)
    assert [one["type"] for one in again] == ["gap", "snapshot"]


@pytest.mark.parametrize(("epoch", "since"), [("another", 1), (None, 12345)])
def test_a_position_of_another_run_becomes_a_gap_and_a_snapshot(epoch: str | None, since: int) -> None:
    with serving() as service:
        service.publish(device(1), device(2))
        with service.connect(f"?epoch={epoch or service.broadcaster.epoch}&since={since}") as client:
            _, gap, snapshot = take(client, 3)
    assert (gap["missed"], gap["reason"]) == ([1, 2], "another run")
    assert (snapshot["type"], snapshot["seq"]) == ("snapshot", 2)


def test_a_client_gets_a_snapshot_when_it_asks_and_the_stream_goes_on_behind_it() -> None:
    with serving() as service, service.connect() as client:
        take(client, 2)
        service.publish(device(1))
        take(client)
        say(client, "snapshot")
        (snapshot,) = take(client)
        service.publish(device(2))
        messages = until(client, 2)
    assert snapshot["type"] == "snapshot"
    assert numbers(messages) == list(range(snapshot["seq"] + 1, 3))


def test_a_hundred_clients_that_come_at_once_share_one_snapshot() -> None:
    with serving() as service:
        service.publish(device(1))
        clients = [RawClient(service.port) for _ in range(100)]
        for client in clients:
            client.socket.sendall(client.request)
        service.listening(100)
        assert service.snapshots <= 3
        for client in clients:
            client.socket.close()


def test_commands_are_handed_on_and_a_refusal_is_told() -> None:
    with serving(refuse="there is no such threat") as service, service.connect() as client:
        take(client, 2)
        say(client, "dismiss", threat=5)
        say(client, "acknowledge", threat=6)
        say(client, "name", device="02-00-00-00-00-01", name=" printer ")
        say(client, "name", device="02:00:00:00:00:01", name=None)
        say(client, "name", device="2001:DB8:0::1", name="no MAC")
        say(client, "forget", device="0200.0000.0001".replace(".", ""))
        say(client, "merge", device="02:00:00:00:00:01", into="10.0.0.9")
        say(client, "split", device="02:00:00:00:00:01")
        errors = take(client, 8)
    assert errors[0] == {"type": "error", "op": "dismiss", "message": "there is no such threat"}
    assert service.commands == [
        Judge(5, ThreatStatus.DISMISSED),
        Judge(6, ThreatStatus.ACKNOWLEDGED),
        Rename("02:00:00:00:00:01", "printer"),
        Rename("02:00:00:00:00:01", None),
        Rename("2001:db8::1", "no MAC"),
        Forget("02:00:00:00:00:01"),
        Merge("02:00:00:00:00:01", "10.0.0.9"),
        Split("02:00:00:00:00:01"),
    ]


@pytest.mark.parametrize(
    ("text", "op"),
    [
        ("no json", ""), ("[" * 5000, ""), ("[]", ""), ('{"op": 5}', ""), ('{"op": "destroy"}', "destroy"),
        ('{"op": "subscribe", "topics": "flows"}', "subscribe"), ('{"op": "subscribe", "topics": [1]}', "subscribe"),
        ('{"op": "resume", "epoch": "x", "since": -1}', "resume"), ('{"op": "resume", "since": 5}', "resume"),
        ('{"op": "dismiss", "threat": true}', "dismiss"), ('{"op": "dismiss", "threat": 1e400}', "dismiss"),
        ('{"op": "name", "device": "router", "name": "x"}', "name"),
        ('{"op": "name", "device": "02:00:00:00:00:01", "name": "\\u0000"}', "name"),
        ('{"op": "name", "device": "02:00:00:00:00:01", "name": 5}', "name"),
        ('{"op": "name", "device": "02:00:00:00:00:01", "name": "' + "x" * 101 + '"}', "name"),
        ('{"op": "name", "name": "x"}', "name"), ('{"op": "forget"}', "forget"),
        ('{"op": "forget", "device": ["02:00:00:00:00:01"]}', "forget"), ('{"op": "forget", "device": ""}', "forget"),
        ('{"op": "forget", "device": "ff:ff:ff:ff:ff:ff"}', "forget"),
        ('{"op": "merge", "device": "02:00:00:00:00:01"}', "merge"),
        ('{"op": "merge", "device": "02:00:00:00:00:01", "into": "02-00-00-00-00-01"}', "merge"),
        ('{"op": "split"}', "split"), ('{"op": "split", "device": "10.0.0.1"}', "split"),
        ('{"op": "subscribe", "topics": ["flows"], "x": ' + "9" * 5000 + "}", ""),
    ],
)  # fmt: skip
def test_a_bad_command_is_answered_and_the_client_stays(text: str, op: str) -> None:
    with serving() as service, service.connect() as client:
        take(client, 2)
        client.send(text)
        (error,) = take(client)
        assert (error["type"], error["op"]) == ("error", op)
        assert error["message"]
        say(client, "ping")
        assert take(client) == [{"type": "pong"}]
        assert not service.commands


def test_an_event_that_json_cannot_say_is_told_as_a_gap() -> None:
    with serving() as service, service.connect() as client:
        take(client, 2)
        service.publish(device(1), threat(1, share=float("inf")), device(2))
        messages = take(client, 3)
    assert [one["type"] for one in messages] == ["device_update", "gap", "device_update"]
    assert messages[1]["missed"] == [2, 2]


def test_what_overflows_the_queue_is_told_as_a_gap_to_those_who_would_have_got_it() -> None:
    with (
        serving(held=True) as service,
        service.connect("?topics=threats") as some,
        service.connect("?topics=devices") as others,
    ):
        take(some, 2)
        take(others, 2)
        service.publish(*[flow(number) for number in range(MOST_QUEUED)])
        service.publish(flow(1), threat(1))
        service.publish(flow(2))
        service.workers[0].start()
        (gap,) = take(some)
        service.publish(device(1), threat(2))
        assert numbers(take(some) + take(others)) == [MOST_QUEUED + 5, MOST_QUEUED + 4]
    assert (gap["missed"], gap["reason"]) == ([MOST_QUEUED + 1, MOST_QUEUED + 3], "overload")
    assert service.counters["dropped.messages.overload"] == 3


def test_nobody_resumes_over_what_was_lost() -> None:
    with serving(held=True) as service, service.connect("?topics=threats") as client:
        take(client, 2)
        service.publish(*[flow(number) for number in range(MOST_QUEUED)])
        service.publish(threat(1))
        service.workers[0].start()
        take(client)
        say(client, "resume", epoch=service.broadcaster.epoch, since=MOST_QUEUED)
        assert [one["type"] for one in take(client, 2)] == ["gap", "snapshot"]


def test_publishing_never_waits_and_costs_no_memory_while_the_thread_is_not_running() -> None:
    broadcaster = Broadcaster(Websocket(resume_size=100), Counters(), lambda: Snapshot([], [], {}))
    for _ in range(100):
        broadcaster.publish([flow(number) for number in range(1000)])
    kept = len(broadcaster._ring.frames(15, 0))
    assert 100 <= kept <= 100 + 256


def test_what_is_queued_is_handed_out_before_the_thread_stops() -> None:
    with serving(held=True) as service, service.connect() as client:
        take(client, 2)
        for number in range(20):
            service.publish(device(number))
        service.workers[0].ask_to_stop()
        service.workers[0].start()
        assert numbers(until(client, 20)) == list(range(1, 21))


def test_who_is_behind_when_the_server_closes_still_gets_everything() -> None:
    with serving() as service, RawClient(service.port, receive_buffer=2048).open() as slow:
        service.listening(1)
        service.publish(*[flow(number) for number in range(500)])
        eventually(lambda: service.broadcaster.clients[0].queued)
        service.workers[0].stop(5)
        closer = threading.Thread(target=service.server.close, args=[5])
        closer.start()
        assert numbers([slow.message() for _ in range(502)])[2:] == list(range(1, 501))
        assert slow.close_code() == 1001
        closer.join()
