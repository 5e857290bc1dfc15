"""Clients that are slow, stall, vanish or reset: they harm nobody, and what they get is never corrupt."""

import contextlib
import json
import socket
import threading
import time
from threading import Lock

import pytest
from waiting import PATIENCE, eventually
from websocket_kit import (
    CLOSE,
    PING,
    TEXT,
    RawClient,
    device,
    flow,
    numbers,
    say,
    serving,
    split_frame,
    take,
    threat,
    until,
)

from netwatchd.broadcast.messages import ALL_TOPICS
from netwatchd.broadcast.outbox import Outbox
from netwatchd.broadcast.ring import Batch, Lost, Run
from netwatchd.broadcast.transport import Transport
from netwatchd.events import Threat

QUICK = {"send_timeout": 0.3, "retry_delay": 0.05, "retry_timeout": 0.2}
SMALL = 2048  # bytes of receive buffer


def large_threat(number: int, size: int = 50_000) -> Threat:
    return threat(number, text="x" * size)


def test_a_stalled_client_is_dropped_while_another_misses_nothing(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    with (
        serving(**QUICK) as service,
        service.connect() as healthy,
        RawClient(service.port, receive_buffer=SMALL).open() as stalled,
    ):
        service.listening(2)
        name = "{}:{}".format(*stalled.socket.getsockname())
        received = take(healthy, 2)
        while service.counters["dropped.clients.stalled"] == 0:
            service.publish(*[flow(number) for number in range(100)])
            received += until(healthy, service.last)
        assert numbers(received[2:]) == list(range(1, service.last + 1))
        assert [one.queued for one in service.broadcaster.clients] == [0]
        assert f"dropped client {name}: stalled; 1 clients remain" in caplog.text


def test_many_stalled_clients_do_not_delay_the_last_healthy_one() -> None:
    with serving(**QUICK) as service, service.connect() as healthy:
        stalled = [RawClient(service.port, receive_buffer=SMALL).open() for _ in range(20)]
        service.listening(21)
        take(healthy, 2)
        for round_ in range(1, 21):
            service.publish(*[flow(number) for number in range(50)])
            assert numbers(until(healthy, 50 * round_))[-1] == 50 * round_
        eventually(lambda: service.counters["dropped.clients.stalled"] == 20)
        for client in stalled:
            client.socket.close()


def test_a_slow_client_that_keeps_reading_is_not_dropped_and_reads_an_uncorrupted_stream() -> None:
    with serving(**QUICK) as service, RawClient(service.port, receive_buffer=SMALL).open() as slow:
        service.listening(1)
        service.publish(*[large_threat(number) for number in range(4)], *[flow(number) for number in range(500)])
        received = 0
        # Slower than every deadline in all, but never without progress for as long.
        started = time.monotonic()
        while time.monotonic() - started < 2 * sum(QUICK.values()):
            slow.receive(2000)
            threading.Event().wait(0.02)
        messages = [slow.message() for _ in range(2 + 504)]
        received = len(messages)
        assert received == 506
        assert numbers(messages[2:]) == list(range(1, 505))
        assert service.counters["dropped.clients.stalled"] == 0


def test_a_frame_goes_on_at_the_byte_where_it_stopped_whatever_the_reads() -> None:
    with serving() as service, RawClient(service.port, receive_buffer=SMALL).open() as slow:
        service.listening(1)
        sent = [large_threat(number, 1 + number * 7919 % 90_000) for number in range(1, 12)]
        for one in sent:
            service.publish(one)
        sizes = [1, 7, 100, 1448, 5000]
        for at in range(300):
            slow.receive(sizes[at % 5])
        messages = [slow.message() for _ in range(2 + len(sent))]
        assert [len(one["threat"]["evidence"]["text"]) for one in messages[2:]] == [
            len(one.evidence["text"]) for one in sent
        ]


def test_a_client_that_is_too_slow_is_told_the_gap_and_can_resume() -> None:
    with serving(queue_size=50) as service, RawClient(service.port, receive_buffer=SMALL).open() as slow:
        service.listening(1)
        for number in range(400):
            service.publish(large_threat(number, 2000))
        eventually(lambda: service.counters["dropped.messages.slow_client"])
        messages = [slow.message() for _ in range(2)]
        gap = None
        while gap is None or messages[-1]["seq"] < service.last:
            if len(messages) % 50 == 0:
                service.publish(device(1))
            messages.append(slow.message())
            gap = next((one for one in messages if one["type"] == "gap"), None)
        told = []
        for one in messages[2:]:
            told += list(range(one["missed"][0], one["missed"][1] + 1)) if one["type"] == "gap" else [one["seq"]]
        assert gap["reason"] == "slow client"
        assert told == list(range(1, service.last + 1))
        text = json.dumps({"op": "resume", "epoch": service.broadcaster.epoch, "since": gap["missed"][0] - 1})
        slow.send(TEXT, text.encode())
        again = slow.message()
        assert (again["type"], again["seq"]) == ("threat_update", gap["missed"][0])


def test_what_was_lost_for_all_before_a_full_queue_is_in_the_clients_gap() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        connection, _ = server.accept()
        with connection:
            outbox = Outbox(Transport(connection), 2, Lock())
            last, data, told = 0, b"", []

            def put(piece: Batch | Lost) -> None:
                nonlocal last
                outbox.put(Run.of([piece], ALL_TOPICS))
                last = piece.last

            while len(outbox) < 2:
                put(Batch(last + 1, 0, [large_threat(last, 100_000)]))
            put(Lost(last + 1, last + 500, ALL_TOPICS))
            put(Batch(last + 1, 0, [large_threat(last)]))
            client.setblocking(False)
            while not told or told[-1] < last:
                outbox.flush()
                with contextlib.suppress(BlockingIOError):
                    data += client.recv(1 << 20)
                while frame := split_frame(data):
                    _, payload, data = frame
                    one = json.loads(payload)
                    first, end = one["missed"] if one["type"] == "gap" else (one["seq"], one["seq"])
                    told += range(first, end + 1)
    assert told == list(range(1, last + 1))


def test_what_waits_for_one_client_is_bounded() -> None:
    with serving(queue_size=50) as service, RawClient(service.port, receive_buffer=SMALL).open():
        service.listening(1)
        for number in range(500):
            service.publish(flow(number), large_threat(number, 100))
        eventually(lambda: service.counters["sent.messages"] + service.counters["dropped.messages.slow_client"] == 1000)
        assert service.broadcaster.clients[0].queued <= 51


def test_a_snapshot_larger_than_the_queue_reaches_even_a_slow_client() -> None:
    with serving(queue_size=16) as service:
        for number in range(60):
            service.publish(large_threat(number))
        with RawClient(service.port, receive_buffer=8192).open() as slow:
            assert slow.message()["type"] == "hello"
            assert len(slow.message()["threats"]) == 60


def test_a_client_that_asks_without_reading_is_read_no_further() -> None:
    with serving(queue_size=16) as service:
        # Before it comes, so that every snapshot holds them, and nothing follows any.
        service.publish(*[device(number) for number in range(300)])
        with RawClient(service.port, receive_buffer=SMALL).open() as greedy:
            service.listening(1)
            greedy.socket.settimeout(0.3)
            try:
                while True:
                    greedy.send(TEXT, b'{"op": "snapshot"}')
            except TimeoutError:
                pass
            answered = service.counters["messages.clients"]
            assert service.broadcaster.clients[0].queued <= 16 + 64 + 2
            greedy.socket.settimeout(PATIENCE)
            while service.counters["messages.clients"] == answered:
                greedy.message()


def test_a_client_that_resets_is_dropped_at_once_and_the_others_hear_everything() -> None:
    with serving() as service, service.connect() as other:
        clients = [RawClient(service.port).open() for _ in range(10)]
        service.listening(11)
        take(other, 2)
        for client in clients:
            service.publish(device(1))
            client.reset()
            service.publish(device(2))
        assert numbers(until(other, 20)) == list(range(1, 21))
        service.listening(1)
        assert service.counters["dropped.clients.reset"] == 10


def test_a_client_that_vanishes_is_pinged_and_then_given_up() -> None:
    with (
        serving(ping_interval=0.7) as service,
        service.connect() as answering,
        RawClient(service.port).open() as vanished,
    ):
        service.listening(2)
        eventually(lambda: service.counters["dropped.clients.vanished"] == 1)
        opcodes = []
        with pytest.raises((EOFError, ConnectionResetError)):
            while True:
                opcodes.append(vanished.frame()[0])
        assert opcodes == [TEXT, TEXT, PING, PING]
        take(answering, 2)
        say(answering, "ping")
        assert take(answering) == [{"type": "pong"}]


def test_the_pings_come_through_while_the_client_is_told_much_and_says_nothing() -> None:
    with serving(ping_interval=0.2) as service, RawClient(service.port).open() as mute:
        service.listening(1)
        with pytest.raises((EOFError, ConnectionResetError)):
            while True:
                service.publish(device(1))
                mute.frame()
        assert service.counters["dropped.clients.vanished"] == 1


def test_no_close_frame_stands_in_the_middle_of_another_frame() -> None:
    with serving() as service, RawClient(service.port, receive_buffer=SMALL).open() as slow:
        service.listening(1)
        service.publish(large_threat(1, 500_000), large_threat(2, 300_000))
        eventually(lambda: service.broadcaster.clients[0].queued)
        slow.send(CLOSE, b"\x03\xe8")
        frames = [slow.frame() for _ in range(3)]
        while frames[-1][0] != CLOSE:
            frames.append(slow.frame())
        assert frames[-1] == (CLOSE, b"\x03\xe8")
        assert all(json.loads(payload) for opcode, payload in frames[:-1] if opcode == TEXT)


def test_a_client_that_half_closes_is_let_go() -> None:
    with serving() as service, RawClient(service.port).open() as client:
        service.listening(1)
        client.socket.shutdown(socket.SHUT_WR)
        service.listening(0)
        assert service.counters["clients.left"] == 1
