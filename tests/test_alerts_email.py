"""E-mail, sent through a real mail server: as mail should be, never in the clear where that was not wanted."""

import socket
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest
from alerts_kit import MailServer, closed_port, message
from websocket_kit import certificate

from netwatchd.alerts import Postponed, Refused
from netwatchd.alerts.email import Email
from netwatchd.alerts.http import TIMEOUT
from netwatchd.alerts.line import Line
from netwatchd.config import AlertEmail

LOGIN = ("pi", "hunter2")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path]]:
    yield certificate(tmp_path_factory.mktemp("tls"))


def email(port: int, timeout: float = TIMEOUT, **fields: Any) -> Email:
    values = {
        "host": "127.0.0.1",
        "port": port,
        "security": "none",
        "sender": "pi@home.example",
        "to": ("me@x.example",),
    }
    return Email(AlertEmail(**values | fields), timeout)


def fails(channel: Email) -> Postponed | Refused:
    with pytest.raises((Postponed, Refused)) as caught:
        channel.send(message(), Line())
    assert isinstance(caught.value, Postponed | Refused)
    assert "hunter2" not in str(caught.value) and str(caught.value).isprintable()
    return caught.value


def test_a_mail_says_who_when_and_that_a_machine_wrote_it() -> None:
    with MailServer() as server:
        channel = email(server.port, to=("me@x.example", "you@y.example"))
        channel.send(message(7, severity="high"), Line())
        channel.send(message(7, severity="high"), Line())
    mail, again = server.mails
    assert server.envelopes[0] == ("<pi@home.example>", ["<me@x.example>", "<you@y.example>"])
    assert mail["Subject"] == "HIGH: port scan by 10.0.0.7"
    assert (mail["From"], mail["To"]) == ("pi@home.example", "me@x.example, you@y.example")
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Message-ID"] == again["Message-ID"] == f"<{message(7).id}.netwatchd@pi>"
    assert parsedate_to_datetime(mail["Date"]).tzinfo is not None
    assert mail.get_content_type() == "text/plain"
    text = mail.get_content()
    assert text.startswith("number 7 tried many ports\n\nFind out why.") and "netwatchd threat 7" in text


def test_what_the_network_says_of_itself_stays_in_its_place() -> None:
    with MailServer() as server:
        bad = message(1, device="x\r\nBcc: all@x.example", description="ü☃" * 600 + "\n.\n.\r\nQUIT", kind="k\udc80\0")
        email(server.port).send(bad, Line())
    (mail,) = server.mails
    assert mail["Bcc"] is None and mail["Subject"] == "MEDIUM: k by x Bcc: all@x.example"
    assert "ü☃ü☃" in mail.get_content()


def test_with_starttls_nothing_is_said_before_tls_begins(files: tuple[Path, Path]) -> None:
    with MailServer(files, starttls=True, login=LOGIN) as server:
        email(server.port, security="starttls", user="pi", password="hunter2", ca_file=files[0]).send(message(), Line())
    assert len(server.mails) == 1
    assert [each for each, safe in zip(server.commands, server.encrypted, strict=True) if not safe] == [
        "EHLO",
        "STARTTLS",
    ]


def test_with_tls_all_is_encrypted(files: tuple[Path, Path]) -> None:
    with MailServer(files, tls=True, login=LOGIN) as server:
        email(server.port, security="tls", user="pi", password="hunter2", ca_file=files[0]).send(message(), Line())
    assert len(server.mails) == 1 and all(server.encrypted)


def test_a_server_without_starttls_gets_neither_password_nor_mail() -> None:
    with MailServer(login=LOGIN) as server:
        failure = fails(email(server.port, security="starttls", user="pi", password="hunter2"))
    assert isinstance(failure, Postponed) and "STARTTLS" in str(failure)
    assert not {"AUTH", "MAIL", "DATA"} & set(server.commands)


@pytest.mark.parametrize("security", ["tls", "starttls"])
def test_a_server_that_is_not_trusted_gets_neither_password_nor_mail(files: tuple[Path, Path], security: str) -> None:
    with MailServer(files, tls=security == "tls", starttls=True, login=LOGIN) as server:
        failure = fails(email(server.port, security=security, user="pi", password="hunter2"))
    assert isinstance(failure, Postponed) and "its certificate is not trusted" in str(failure)
    assert not {"AUTH", "MAIL", "DATA"} & set(server.commands)


def test_the_password_may_be_in_a_file(files: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "password").write_text("hunter2\n")
    with MailServer(login=LOGIN) as server:
        email(server.port, user="pi", password_file=tmp_path / "password").send(message(), Line())
        assert len(server.mails) == 1
        failure = fails(email(server.port, user="pi", password_file=tmp_path / "none"))
    assert isinstance(failure, Postponed) and "cannot be read" in str(failure)


def test_a_password_that_cannot_be_sent_is_refused_without_saying_it() -> None:
    with MailServer(login=LOGIN) as server:
        failure = fails(email(server.port, user="pi", password="hunter2ü"))
    assert isinstance(failure, Refused) and "ASCII" in str(failure)


def test_a_wrong_password_is_refused() -> None:
    with MailServer(login=("pi", "another")) as server:
        failure = fails(email(server.port, user="pi", password="hunter2"))
    assert isinstance(failure, Refused) and "the user or the password is wrong" in str(failure)


@pytest.mark.parametrize("word", ["CONNECT", "MAIL", "RCPT", "DATA"])
@pytest.mark.parametrize(("reply", "kind"), [("451 4.3.0 later", Postponed), ("550 5.1.1 nobody\x1b", Refused)])
def test_4yz_is_tried_again_and_5yz_is_refused(word: str, reply: str, kind: type) -> None:
    with MailServer(refuse={word: reply}) as server:
        failure = fails(email(server.port))
    assert isinstance(failure, kind) and reply[:3] in str(failure)


def test_a_goodbye_that_goes_wrong_does_not_send_it_again() -> None:
    with MailServer(refuse={"QUIT": "500 no"}) as server:
        email(server.port).send(message(), Line())
    assert len(server.mails) == 1


def test_nobody_there_and_a_server_of_something_else_are_tried_again() -> None:
    with closed_port() as port:
        assert isinstance(fails(email(port)), Postponed)
    with MailServer(refuse={"CONNECT": "SSH-2.0-OpenSSH"}) as server:
        assert isinstance(fails(email(server.port)), Postponed)


def test_a_server_that_does_not_greet_is_not_waited_for_longer_than_the_timeout() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        failure = fails(email(listener.getsockname()[1], timeout=0.2))
    assert isinstance(failure, Postponed) and str(failure) == "127.0.0.1: no answer within 0.2 s"


def test_a_cut_line_ends_it() -> None:
    line = Line()
    line.cut()
    with MailServer() as server, pytest.raises(Postponed):
        email(server.port).send(message(), line)
    assert not server.mails
