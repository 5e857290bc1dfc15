"""ntfy and webhooks, sent to real servers: what they are told, and what is made of how they answer."""

import hashlib
import hmac
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from email.header import decode_header, make_header
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
from alerts_kit import SECRET, Answer, Receiver, closed_port, message
from websocket_kit import certificate

from netwatchd.alerts import Channel, Message, Postponed, Refused
from netwatchd.alerts import http as sending
from netwatchd.alerts.line import Line
from netwatchd.alerts.ntfy import Ntfy
from netwatchd.alerts.webhook import Webhook
from netwatchd.config import AlertNtfy, AlertWebhook
from netwatchd.values import optional_url


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path]]:
    yield certificate(tmp_path_factory.mktemp("tls"))


def ntfy(url: str, **fields: Any) -> Ntfy:
    return Ntfy(AlertNtfy(url=optional_url(url), **fields))


def webhook(url: str, timeout: float = sending.TIMEOUT, **fields: Any) -> Webhook:
    return Webhook(AlertWebhook(url=optional_url(url), **fields), timeout)


def send(channel: Channel, what: Message | None = None) -> None:
    channel.send(what or message(), Line())


def fails(channel: Channel) -> Postponed | Refused:
    with pytest.raises((Postponed, Refused)) as caught:
        send(channel)
    assert isinstance(caught.value, Postponed | Refused)
    return caught.value


# What is sent.


@pytest.mark.parametrize(
    ("severity", "priority", "emoji"),
    [("info", "2", "information_source"), ("low", "2", "information_source"), ("medium", "3", "warning"),
     ("high", "4", "rotating_light"), ("critical", "5", "rotating_light")],
)  # fmt: skip
def test_ntfy_is_told_title_text_priority_tags_click_and_token(severity: str, priority: str, emoji: str) -> None:
    with Receiver() as server:
        click = optional_url("https://pi.example:8443/threats?open=1")
        send(ntfy(server.url("/my_topic"), token="tk_123", click=click), message(7, severity=severity))
    (request,) = server.requests
    assert request.path == "/my_topic"
    told = {name: request.headers[name] for name in ("Title", "Priority", "Tags", "Click", "Authorization")}
    assert told == {
        "Title": f"{severity.upper()}: port scan by 10.0.0.7",
        "Priority": priority,
        "Tags": f"{emoji},port_scan",
        "Click": "https://pi.example:8443/threats?open=1",
        "Authorization": "Bearer tk_123",
    }
    assert request.headers["X-Sequence-ID"] == message(7).id
    text = request.body.decode()
    assert text.startswith("number 7 tried many ports\n\nFind out why.\n\nSeen 20") and "netwatchd threat 7" in text


def test_without_token_and_click_there_are_no_such_headers() -> None:
    with Receiver() as server:
        send(ntfy(server.url("/topic")))
    assert not {"Authorization", "Click"} & set(server.requests[0].headers)


def test_a_title_beyond_ascii_is_an_encoded_word_and_a_long_text_is_cut_between_letters() -> None:
    with Receiver() as server:
        send(
            ntfy(server.url("/topic")), message(1, device="Küche ☃", description="ä" * 5000, recommendation="ö" * 5000)
        )
    (request,) = server.requests
    assert request.headers["Title"].isascii()
    assert str(make_header(decode_header(request.headers["Title"]))) == "MEDIUM: port scan by Küche ☃"
    assert 3990 < len(request.body) <= 4000
    text, last = request.body.decode().rsplit("…\n\n", 1)
    assert text.endswith("ö") and last == (
        'More: netwatchd threat 1\nTo mute it, in [threats]: mute = port_scan "Küche ☃"'
    ), "what is left out is not how to go on"


def test_a_device_that_calls_itself_badly_puts_nothing_into_a_header() -> None:
    with Receiver() as server:
        send(ntfy(server.url("/topic")), message(1, device="x\r\nPriority: 1\r\n\r\nhello", kind="a,b\r\nc\x1b[1m"))
    (request,) = server.requests
    assert request.headers["Priority"] == "3"
    assert request.headers["Tags"] == "warning,abc1m"


def verify(secret: str, headers: dict[str, str], body: bytes) -> bool:
    """The recipe of docs/ALERTS.md."""
    text = (Path(__file__).parent.parent / "docs/ALERTS.md").read_text()
    code = text.split("```python\n")[1].split("```")[0]
    place: dict[str, Any] = {}
    exec(code, place)
    answer: bool = place["is_ours"](secret, headers, body)
    return answer


def test_a_webhook_is_signed_as_the_documented_recipe_checks() -> None:
    with Receiver() as server:
        send(webhook(server.url("/hook?key=abc"), secret=SECRET))
    (request,) = server.requests
    assert request.path == "/hook?key=abc"
    assert request.headers["Content-Type"] == "application/json"
    assert request.headers["Netwatchd-Id"] == request.json["id"] == message().id
    assert verify(SECRET, request.headers, request.body)
    assert not verify("another secret of it", request.headers, request.body)
    assert not verify(SECRET, request.headers, request.body + b" ")
    old = str(int(time.time()) - 301)
    signed = hmac.new(SECRET.encode(), old.encode() + b"." + request.body, hashlib.sha256).hexdigest()
    replayed = request.headers | {"Netwatchd-Timestamp": old, "Netwatchd-Signature": f"sha256={signed}"}
    assert not verify(SECRET, replayed, request.body)


def test_the_json_of_a_webhook_has_the_threat_as_the_stream_has_it() -> None:
    with Receiver() as server:
        send(webhook(server.url("/")), message(3, count=5))
    told = server.requests[0].json
    assert list(told) == ["event", "id", "host", "time", "severity", "title", "text", "threat"]
    assert told["threat"]["evidence"] == {"ports": 90} and told["threat"]["count"] == 5
    assert "Netwatchd-Signature" not in server.requests[0].headers


def test_evidence_that_json_has_no_words_for_is_left_out() -> None:
    with Receiver() as server:
        send(webhook(server.url("/")), message(3, evidence={"rate": float("nan")}))
    assert server.requests[0].json["threat"]["evidence"] == {}


def test_a_secret_is_read_from_its_file_each_time_also_as_a_credential(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    with Receiver() as server:
        for file in (tmp_path / "token", Path("token")):
            for token in ("first", "second"):
                (tmp_path / "token").write_text(f"{token}\n")
                send(ntfy(server.url("/topic"), token_file=file))
                assert server.requests[-1].headers["Authorization"] == f"Bearer {token}"


def test_a_secret_that_cannot_be_used_is_said_without_saying_it(tmp_path: Path) -> None:
    with Receiver() as server:
        said = [str(fails(ntfy(server.url("/topic"), token_file=tmp_path / "none")))]
        (tmp_path / "empty").write_text("\n")
        said.append(str(fails(ntfy(server.url("/topic"), token_file=tmp_path / "empty"))))
        (tmp_path / "binary").write_bytes(b"\xff\xfe\x80")
        said.append(str(fails(ntfy(server.url("/topic"), token_file=tmp_path / "binary"))))
        said.append(str(fails(ntfy(server.url("/topic"), token="two\nhunter2"))))
    assert not server.requests
    for text, told in zip(said, ("cannot be read: No such file", "is empty", "holds no text", "ASCII"), strict=True):
        assert told in text
    assert "hunter2" not in "".join(said)


# How it is answered.


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_any_2xx_takes_it(status: int) -> None:
    with Receiver(Answer(status)) as server:
        send(webhook(server.url("/")))


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 599])
def test_what_may_pass_is_tried_again(status: int) -> None:
    with Receiver(Answer(status, body=b"busy\x1b[2J")) as server:
        failure = fails(webhook(server.url("/")))
    assert isinstance(failure, Postponed) and failure.after == 0
    assert str(failure).startswith(f"127.0.0.1:{server.port} answers {status}")
    assert str(failure).isprintable()


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 413, 422])
def test_what_will_not_pass_is_refused(status: int) -> None:
    with Receiver(Answer(status)) as server:
        assert isinstance(fails(webhook(server.url("/secret-path"))), Refused)


@pytest.mark.parametrize(
    ("text", "least", "most"),
    [("120", 120, 120), ("0", 0, 0), ("soon", 0, 0), ("-5", 0, 0), ("9" * 40, 1e8, 1e9), ("", 0, 0), ("٣", 0, 0),
     ("in 900 s", 800, 900), ("900 s ago", 0, 0)],
)  # fmt: skip
def test_retry_after_is_understood_as_seconds_and_as_a_date(text: str, least: float, most: float) -> None:
    dates = {"in 900 s": time.time() + 900, "900 s ago": time.time() - 900}
    text = formatdate(dates[text], usegmt=True) if text in dates else text
    headers = {"Retry-After": text.encode().decode("latin-1")}
    with Receiver(Answer(429, headers)) as server:
        failure = fails(ntfy(server.url("/topic")))
    assert isinstance(failure, Postponed)
    assert least <= failure.after <= most


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_nobody_is_sent_elsewhere(status: int) -> None:
    with Receiver() as other, Receiver(Answer(status, {"Location": other.url("/")})) as server:
        failure = fails(ntfy(server.url("/topic"), token="tk_123"))
    assert isinstance(failure, Refused) and "not followed" in str(failure)
    assert not other.requests


@pytest.mark.parametrize(
    ("raw", "told"),
    [(b"", "without an answer"), (b"SSH-2.0-OpenSSH_9.2\r\n", "speaks no HTTP"),
     (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 500, "speaks no HTTP")],
)  # fmt: skip
def test_an_answer_that_is_none_is_tried_again(raw: bytes, told: str) -> None:
    with Receiver(Answer(raw=raw)) as server:
        failure = fails(webhook(server.url("/")))
    assert isinstance(failure, Postponed) and told in str(failure)


def test_nobody_there_is_tried_again() -> None:
    with closed_port() as port:
        failure = fails(webhook(f"http://127.0.0.1:{port}/"))
    assert isinstance(failure, Postponed) and str(failure) == f"127.0.0.1:{port}: Connection refused"


def test_a_name_that_is_not_known_is_tried_again() -> None:
    failure = fails(webhook("http://no-such-host.invalid/secret"))
    assert isinstance(failure, Postponed) and "secret" not in str(failure)


def test_a_server_that_says_nothing_is_not_waited_for_longer_than_the_timeout() -> None:
    hold = threading.Event()
    with Receiver(Answer(until=hold)) as server:
        failure = fails(webhook(server.url("/"), timeout=0.2))
        hold.set()
    assert isinstance(failure, Postponed) and str(failure).endswith(": no answer within 0.2 s")


def test_a_server_that_drips_is_cut_by_another_thread() -> None:
    line, began = Line(), threading.Event()

    def drip(listener: socket.socket) -> None:
        peer, _ = listener.accept()
        began.set()
        try:
            while True:
                peer.sendall(b"H")
                threading.Event().wait(0.05)
        except OSError:
            peer.close()

    def cut() -> None:
        began.wait()
        line.cut()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        for target in (lambda: drip(listener), cut):
            threading.Thread(target=target, daemon=True).start()
        with pytest.raises(Postponed):
            webhook(f"http://127.0.0.1:{listener.getsockname()[1]}/").send(message(), line)


def test_a_line_that_is_cut_already_ends_what_is_hung_on_it() -> None:
    ended: list[int] = []
    line = Line()
    line.cut()
    line.holds(lambda: ended.append(1))
    assert ended == [1]


# TLS.


def test_over_tls_it_is_sent_where_the_certificate_is_trusted(files: tuple[Path, Path]) -> None:
    with Receiver(certificate=files) as server:
        send(webhook(server.url("/"), ca_file=files[0]))
        assert len(server.requests) == 1


def test_nothing_is_sent_to_a_server_that_is_not_trusted(files: tuple[Path, Path]) -> None:
    with Receiver(certificate=files) as server:
        failure = fails(webhook(server.url("/")))
        assert isinstance(failure, Postponed) and "its certificate is not trusted" in str(failure)
        failure = fails(webhook(server.url("/").replace("127.0.0.1", "localhost"), ca_file=files[0]))
        assert "its certificate is not trusted" in str(failure)
        assert not server.requests


def test_plain_http_where_tls_was_wanted_is_tried_again(files: tuple[Path, Path]) -> None:
    with Receiver() as server:
        failure = fails(webhook(f"https://127.0.0.1:{server.port}/", ca_file=files[0]))
    assert isinstance(failure, Postponed) and "TLS failed" in str(failure)


def test_certificates_that_cannot_be_read_are_said(tmp_path: Path) -> None:
    (tmp_path / "no.pem").write_text("nonsense")
    for name in ("no.pem", "missing.pem"):
        failure = fails(webhook("https://127.0.0.1:9/", ca_file=tmp_path / name))
        assert isinstance(failure, Postponed) and f"{name} cannot be used" in str(failure)


def test_old_tls_is_not_spoken(files: tuple[Path, Path]) -> None:
    assert sending.trust(files[0]).minimum_version >= ssl.TLSVersion.TLSv1_2
    assert sending.trust(None).verify_mode is ssl.CERT_REQUIRED
