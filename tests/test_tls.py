"""The same service over TLS."""

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from waiting import eventually
from websocket_kit import (
    CLOSE,
    RawClient,
    certificate,
    device,
    flow,
    get,
    http,
    numbers,
    serving,
    take,
    threat,
    until,
)
from websockets.sync.client import connect

from netwatchd.broadcast.broadcaster import Broadcaster
from netwatchd.broadcast.messages import Snapshot
from netwatchd.broadcast.offers import Offers
from netwatchd.broadcast.server import Server
from netwatchd.broadcast.tls import server_context
from netwatchd.config import Websocket
from netwatchd.counters import Counters


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path]]:
    yield certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def settings(files: tuple[Path, Path]) -> dict[str, Path]:
    return {"tls_certificate": files[0], "tls_key": files[1]}


@pytest.fixture
def trusting(files: tuple[Path, Path]) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(files[0]))


def test_a_client_is_served_over_tls(settings: dict[str, Path], trusting: ssl.SSLContext) -> None:
    with serving(**settings) as service:
        url = f"wss://127.0.0.1:{service.port}/ws"
        with connect(url, ssl=trusting, legacy=True) as client:
            hello, snapshot = take(client, 2)
            service.publish(device(1), flow(2))
            assert (hello["type"], snapshot["type"]) == ("hello", "snapshot")
            assert numbers(until(client, 2)) == [1, 2]
            client.send("x" * 60_000)
            assert take(client)[0]["type"] == "error"
        assert get(service.port, "/healthz", tls=trusting)[0] == 200


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_slow_tls_client_reads_an_uncorrupted_stream(
    settings: dict[str, Path], trusting: ssl.SSLContext, version: ssl.TLSVersion
) -> None:
    trusting.minimum_version = trusting.maximum_version = version
    with serving(**settings) as service, RawClient(service.port, receive_buffer=2048, tls=trusting).open() as slow:
        service.listening(1)
        for number in range(1, 9):
            service.publish(threat(number, text="x" * (number * 7919)), *[flow(n) for n in range(40)])
        eventually(lambda: service.broadcaster.clients[0].queued)
        for _ in range(200):
            slow.receive(700)
        messages = [slow.message() for _ in range(2 + service.last)]
        assert numbers(messages[2:]) == list(range(1, service.last + 1))
        slow.send(CLOSE, b"\x03\xe8")
        assert slow.close_code() == 1000


def test_a_stalled_tls_client_is_dropped_while_another_is_served(
    settings: dict[str, Path], trusting: ssl.SSLContext
) -> None:
    with serving(send_timeout=0.3, retry_delay=0.05, retry_timeout=0.2, **settings) as service:
        healthy = RawClient(service.port, tls=trusting).open()
        stalled = RawClient(service.port, receive_buffer=2048, tls=trusting).open()
        service.listening(2)
        received = [healthy.message(), healthy.message()]
        while service.counters["dropped.clients.stalled"] == 0:
            service.publish(*[flow(number) for number in range(100)])
            while received[-1]["seq"] < service.last:
                received.append(healthy.message())
        assert numbers(received[2:]) == list(range(1, service.last + 1))
        stalled.socket.close()
        healthy.socket.close()


def test_plain_http_on_the_tls_port_learns_nothing(settings: dict[str, Path]) -> None:
    with serving(**settings) as service:
        status, reply = http(service.port, b"GET /status HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert status == 0
        assert len(reply) <= 7  # a TLS alert, at most
        eventually(lambda: service.counters["refused.tls"] == 1)


def test_a_tls_handshake_that_does_not_come_is_not_waited_for(settings: dict[str, Path]) -> None:
    with serving(handshake_timeout=0.2, **settings) as service, RawClient(service.port) as mute:
        with pytest.raises((EOFError, ConnectionResetError)):
            mute.receive()
        assert service.counters["refused.timeout"] == 1


def test_silent_handshakes_do_not_hold_others_up(settings: dict[str, Path], trusting: ssl.SSLContext) -> None:
    with serving(handshake_timeout=60.0, **settings) as service:
        mute = [RawClient(service.port) for _ in range(20)]
        assert get(service.port, "/healthz", tls=trusting)[0] == 200
        for one in mute:
            one.socket.close()


def test_close_says_going_away_over_tls_too(settings: dict[str, Path], trusting: ssl.SSLContext) -> None:
    with serving(**settings) as service, RawClient(service.port, tls=trusting).open() as client:
        service.listening(1)
        service.server.close(5)
        assert client.close_code() == 1001
        with pytest.raises(EOFError):  # close_notify: the end is announced, not cut off
            client.receive()


def test_old_tls_is_refused(settings: dict[str, Path], files: tuple[Path, Path]) -> None:
    assert server_context(*files).minimum_version is ssl.TLSVersion.TLSv1_2


def test_a_certificate_that_cannot_be_used_is_an_error_and_never_plaintext(tmp_path: Path) -> None:
    (tmp_path / "cert.pem").write_text("no certificate")
    (tmp_path / "key.pem").write_text("no key")
    broadcaster = Broadcaster(Websocket(), Counters(), lambda: Snapshot([], [], {}))
    for certificate_file in ("cert.pem", "missing.pem"):
        settings = Websocket(
            port=0, tls_certificate=tmp_path / certificate_file, tls_key=tmp_path / "key.pem"
        )  # fmt: skip
        with pytest.raises(OSError, match="cannot use the TLS certificate"):
            Server(settings, broadcaster, Offers(lambda _: None, dict), Counters())
