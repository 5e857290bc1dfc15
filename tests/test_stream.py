"""The command line's own client of the WebSocket hears, speaks, and says in a sentence what is wrong."""

import dataclasses
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from ports import free_port
from waiting import PATIENCE
from websocket_kit import Service, certificate, device, flow, serving, threat
from websockets.sync.server import ServerConnection, serve

from netwatchd.cli.answer import Unanswered
from netwatchd.cli.stream import LONGEST_MESSAGE, Refused, Stream, stream
from netwatchd.config import Websocket
from netwatchd.events import Forget

MAC = "02:00:00:00:00:01"


@contextmanager
def listening(service: Service, **options: Any) -> Iterator[Stream]:
    """A stream of the service, behind its snapshot."""
    settings = dataclasses.replace(service.settings, port=service.port)
    with stream(settings, timeout=PATIENCE, **options) as live:
        assert [message["type"] for message in live.until(is_snapshot)] == ["hello", "snapshot"]
        yield live


def is_snapshot(message: dict[str, Any]) -> bool:
    return bool(message["type"] == "snapshot")


def test_it_reads_what_is_told_of_its_topics_in_order() -> None:
    with serving() as service, listening(service, topics="devices,threats") as live:
        service.publish(device(1), flow(1), threat(1), device(2))
        told = live.until(lambda message: message.get("device", {}).get("mac") == "02:00:00:00:00:02")
        assert [message["type"] for message in told] == ["device_update", "threat_update", "device_update"]


def test_it_waits_no_longer_than_it_is_told_to() -> None:
    with serving() as service, listening(service) as live:
        assert live.read(0) is None
        assert live.read(0.01) is None


def test_it_reads_a_snapshot_of_many_pieces() -> None:
    with serving() as service:
        service.devices = {str(number): device(number) for number in range(3000)}
        settings = dataclasses.replace(service.settings, port=service.port)
        with stream(settings, timeout=PATIENCE) as live:
            assert len(live.until(is_snapshot)[-1]["devices"]) == 3000


def test_it_catches_up_with_what_happened_since_the_snapshot_was_made() -> None:
    with serving() as service, listening(service) as first:
        for number in range(50):
            service.publish(device(number))
            first.until(lambda message: message["type"] == "device_update")
            with stream(dataclasses.replace(service.settings, port=service.port), timeout=PATIENCE) as live:
                told = live.catch_up()
            known = [
                each["mac"] for message in told for each in message.get("devices", [message.get("device")]) if each
            ]
            assert f"02:00:00:00:00:{number:02x}" in known


def test_what_it_asks_for_is_done_when_it_is_answered() -> None:
    with serving() as service, listening(service) as live:
        assert live.act("forget", device=MAC)[-1] == {"type": "pong"}
        assert service.commands == [Forget(MAC)]


def test_a_refusal_is_the_daemons_own_sentence_and_the_next_op_is_answered() -> None:
    with serving(refuse="there is no such device") as service, listening(service) as live:
        with pytest.raises(Refused, match=r"^there is no such device$"):
            live.act("forget", device=MAC)
        with pytest.raises(Refused, match="there is no such op"):
            live.act("destroy")
        service.refuse = None
        assert live.act("forget", device=MAC)[-1]["type"] == "pong"


def test_the_token_is_shown_and_a_wrong_one_is_said() -> None:
    with serving(token="secret") as service:
        with listening(service) as live:
            live.act("forget", device=MAC)
        wrong = dataclasses.replace(service.settings, port=service.port, token="guess")
        with pytest.raises(Unanswered, match="answers 401"), stream(wrong):
            pass


def test_it_speaks_tls_where_the_daemon_does(tmp_path: Path) -> None:
    pem, key = certificate(tmp_path)
    with serving(tls_certificate=pem, tls_key=key) as service:
        with listening(service) as live:
            service.publish(device(1))
            assert live.until(lambda message: message["type"] == "device_update")
        plain = dataclasses.replace(service.settings, port=service.port, tls_certificate=None, tls_key=None)
        with pytest.raises(Unanswered), stream(plain):
            pass


def test_where_nobody_listens_that_is_said() -> None:
    port = free_port()
    with pytest.raises(Unanswered, match=f"does not answer at 127.0.0.1 port {port}"), stream(Websocket(port=port)):
        pass


def test_a_daemon_that_ends_is_said() -> None:
    with serving() as service, listening(service) as live:
        service.server.close(0.1)
        with pytest.raises(Unanswered, match="does not go on"):
            live.until(lambda message: False)


# Other servers on the port.


@contextmanager
def somebody(serves: Callable[[ServerConnection], object], **options: Any) -> Iterator[Websocket]:
    """Another WebSocket server."""
    with serve(serves, "127.0.0.1", 0, **options) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield Websocket(port=server.socket.getsockname()[1])


def test_pings_are_answered_while_it_reads() -> None:
    answered: list[bool] = []

    def serves(connection: ServerConnection) -> None:
        answered.append(connection.ping().wait(PATIENCE))
        connection.send('{"type": "done"}')
        list(connection)

    with somebody(serves) as settings, stream(settings, timeout=PATIENCE) as live:
        assert live.read(PATIENCE) == {"type": "done"}
    assert answered == [True]


def test_a_message_in_many_frames_is_one() -> None:
    def serves(connection: ServerConnection) -> None:
        connection.send(iter(['{"type": ', '"done', '\N{DROMEDARY CAMEL}"}']))
        list(connection)

    with somebody(serves) as settings, stream(settings, timeout=PATIENCE) as live:
        assert live.read(PATIENCE) == {"type": "done\N{DROMEDARY CAMEL}"}


@pytest.mark.parametrize("text", ["no json", "[1]", '{"type": 5}', "{}", "[" * 100_000])
def test_a_stranger_is_not_taken_for_the_daemon(text: str) -> None:
    def serves(connection: ServerConnection) -> None:
        connection.send(text)
        list(connection)

    with somebody(serves) as settings, pytest.raises(Unanswered) as caught, stream(settings, timeout=PATIENCE) as live:
        live.read(PATIENCE)
    assert "is not netwatchd" in str(caught.value)


def test_why_it_was_closed_is_said() -> None:
    closing = somebody(lambda connection: connection.close(1001, "going away"))
    with closing as settings, pytest.raises(Unanswered, match="going away"), stream(settings, timeout=PATIENCE) as live:
        live.read(PATIENCE)


def test_an_answer_that_does_not_come_is_not_waited_for_for_ever() -> None:
    silent = somebody(lambda connection: list(connection))
    with silent as settings, stream(settings, timeout=0.05) as live, pytest.raises(Unanswered, match="timed out"):
        live.act("forget", device=MAC)


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (b"", "does not answer .* closed the connection"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", "is not netwatchd"),
        (b"HTTP/1.1 429 Slow\r\nContent-Length: 5\r\n\r\nslow\n", "answers 429: slow"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "does not answer"),
        (b"HTTP/1.1 101 Yes\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", "is not netwatchd"),
        (b"HTTP/1.1 500 " + b"x" * 200_000, "is not netwatchd"),
    ],
)
def test_what_is_no_websocket_is_said(reply: bytes, words: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serves() -> None:
            peer, _ = server.accept()
            with peer, suppress(OSError):  # who has heard enough leaves, and is not connected any more
                peer.recv(65536)
                peer.sendall(reply)
                peer.shutdown(socket.SHUT_WR)
                while peer.recv(65536):
                    pass

        thread = threading.Thread(target=serves)
        thread.start()
        settings = Websocket(port=server.getsockname()[1])
        with pytest.raises(Unanswered, match=words), stream(settings, timeout=PATIENCE):
            pass
        thread.join(PATIENCE)


def test_a_silent_port_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        settings = Websocket(port=server.getsockname()[1])
        with pytest.raises(Unanswered, match="timed out"), stream(settings, timeout=0.05):
            pass


def test_a_message_without_an_end_is_given_up() -> None:
    def serves(connection: ServerConnection) -> None:
        piece = "x" * 2**22
        connection.send(piece for _ in range(LONGEST_MESSAGE // len(piece) + 2))

    with somebody(serves) as settings, pytest.raises(Unanswered) as caught, stream(settings, timeout=PATIENCE) as live:
        live.read(PATIENCE)
    assert "is not netwatchd" in str(caught.value)


def test_what_is_said_is_what_the_contract_says() -> None:
    heard: list[Any] = []

    def serves(connection: ServerConnection) -> None:
        heard.extend(json.loads(connection.recv(PATIENCE)) for _ in range(2))
        connection.send('{"type": "pong"}')
        list(connection)

    with somebody(serves) as settings, stream(settings, timeout=PATIENCE) as live:
        live.act("name", device=MAC, name="Ünal")
    assert heard == [{"op": "name", "device": MAC, "name": "Ünal"}, {"op": "ping"}]
