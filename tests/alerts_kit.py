"""Whoever alerts are sent to: servers of HTTP and of SMTP, as they are and as they fail; and what sends to them."""

import base64
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from store_kit import NOON
from waiting import PATIENCE

from netwatchd.alerts import Message
from netwatchd.alerts.box import USUAL, Patience
from netwatchd.alerts.outgoing import Outgoing
from netwatchd.alerts.text import Author
from netwatchd.broadcast.messages import threat_json
from netwatchd.clock import Now
from netwatchd.config import parse
from netwatchd.counters import Counters
from netwatchd.events import Device, Threat, ThreatStatus
from netwatchd.worker import Worker

SECRET = "0123456789abcdef0123"


def at(seconds: float, wall: float | None = None) -> Now:
    """So many seconds after noon by the steady clock, and by the wall clock, unless it says otherwise."""
    return Now(NOON + int((seconds if wall is None else wall) * 1000), 5000.0 + seconds)


def found(number: int = 1, severity: str = "medium", **fields: Any) -> Threat:
    """A threat, told apart by its number."""
    values: dict[str, Any] = {
        "id": number, "kind": "port_scan", "severity": severity, "device": f"10.0.{number // 250}.{number % 250}",
        "target": None, "description": f"number {number} tried many ports", "recommendation": "Find out why.",
        "evidence": {"ports": 90}, "first_seen": NOON, "last_seen": NOON, "count": 1, "status": ThreatStatus.OPEN,
    }  # fmt: skip
    return Threat(**values | fields)


AUTHOR = Author("pi", lambda _: None, threat_json)


def message(number: int = 1, **fields: Any) -> Message:
    """An alert as it is sent."""
    return AUTHOR.alert(f"{number}-{NOON}", found(number, **fields), NOON)


# HTTP.


@dataclass
class Request:
    """What a server was sent."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Answer:
    """What it says to that."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b"ok"
    raw: bytes | None = None  # instead of all that
    until: threading.Event | None = None  # it says nothing before


class Receiver:
    """A server of HTTP on loopback: it answers as it was told to, the last answer for ever."""

    def __init__(self, *answers: Answer, certificate: tuple[Path, Path] | None = None) -> None:
        self.requests: list[Request] = []
        self.answers = list(answers) or [Answer()]
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.requests.append(Request(self.path, dict(self.headers), body))
                answers = receiver.answers
                self.answer(answers.pop(0) if len(answers) > 1 else answers[0])

            def answer(self, answer: Answer) -> None:
                if answer.until:
                    answer.until.wait(PATIENCE)
                if answer.raw is not None:
                    self.wfile.write(answer.raw)
                    self.close_connection = True
                    return
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(answer.body)

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            def handle_error(self, *_: object) -> None:
                pass  # the client went away, which is what the test is about

        self._server = Server(("127.0.0.1", 0), Handler)
        self.scheme = "http"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
            self.scheme = "https"
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def url(self, path: str) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}{path}"

    def __enter__(self) -> "Receiver":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


# SMTP.


class MailServer:
    """A mail server on loopback that speaks as much of RFC 5321, 3207 and 4954 as is needed.

    `refuse` maps the first word of a command to the reply that it gets instead of what is right.
    """

    def __init__(
        self,
        certificate: tuple[Path, Path] | None = None,
        *,
        tls: bool = False,
        starttls: bool = False,
        login: tuple[str, str] | None = None,
        refuse: dict[str, str] | None = None,
    ) -> None:
        self.mails: list[EmailMessage] = []
        self.envelopes: list[tuple[str, list[str]]] = []
        self.commands: list[str] = []  # without what was said in them
        self.encrypted: list[bool] = []  # whether each of them was
        self._tls, self._starttls, self._login, self._refuse = tls, starttls, login, refuse or {}
        self._context = None
        if certificate:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(*certificate)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def __enter__(self) -> "MailServer":
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                peer, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._session, args=(peer,), daemon=True).start()

    def _session(self, peer: socket.socket) -> None:
        try:
            if self._tls and self._context:
                peer = self._context.wrap_socket(peer, server_side=True)
            self._talk(peer)
        except OSError:
            pass  # the client does not trust us, or went away
        finally:
            peer.close()

    def _talk(self, peer: socket.socket) -> None:
        talk = _Talk(peer)
        talk.say(self._refuse.get("CONNECT", "220 test"))
        while line := talk.file.readline().decode():
            word = line.split()[0].upper()
            self.commands.append(word)
            self.encrypted.append(talk.is_encrypted)
            if word in self._refuse:
                talk.say(self._refuse[word])
            elif word == "EHLO":
                offers = ["STARTTLS"] if self._starttls and not talk.is_encrypted else []
                offers += ["AUTH PLAIN"] if self._login else []
                talk.say("250 test", *(f"250 {each}" for each in offers))
            elif word == "STARTTLS" and self._context:
                talk.say("220 go on")
                talk.begin(self._context.wrap_socket(talk.peer, server_side=True))
            elif word == "AUTH":
                _, user, password = base64.b64decode(line.split()[2]).decode().split("\0")
                talk.say("235 hello" if (user, password) == self._login else "535 5.7.8 no")
            elif word == "DATA":
                self.mails.append(talk.mail())
                self.envelopes.append((talk.sender, talk.to))
                talk.say("250 taken")
            else:
                talk.envelope(word, line)


class _Talk:
    """One connection of a mail server."""

    def __init__(self, peer: socket.socket) -> None:
        self.sender, self.to = "", list[str]()
        self.begin(peer)

    def begin(self, peer: socket.socket) -> None:
        self.peer, self.file = peer, peer.makefile("rwb")

    @property
    def is_encrypted(self) -> bool:
        return isinstance(self.peer, ssl.SSLSocket)

    def say(self, *lines: str) -> None:
        for number, line in enumerate(lines):
            self.file.write(f"{line[:3]}{'-' if number < len(lines) - 1 else ' '}{line[4:]}\r\n".encode())
        self.file.flush()

    def envelope(self, word: str, line: str) -> None:
        replies = {"MAIL": "250 ok", "RCPT": "250 ok", "QUIT": "221 bye"}
        if word == "MAIL":
            self.sender, self.to = line.split(":")[1].split()[0], []
        elif word == "RCPT":
            self.to.append(line.split(":")[1].split()[0])
        self.say(replies.get(word, "500 what?"))

    def mail(self) -> EmailMessage:
        self.say("354 go on")
        lines = []
        while (line := self.file.readline()) != b".\r\n":
            assert line
            lines.append(line.removeprefix(b".").replace(b"\r\n", b"\n"))
        mail = message_from_bytes(b"".join(lines), policy=policy.default)
        assert isinstance(mail, EmailMessage)
        return mail


# What sends.


class Desk:
    """An Outgoing with its thread; what it keeps is here, as are the threats that it may ask for."""

    def __init__(
        self,
        config: str,
        note: str | None = None,
        find: Callable[[str], Device | None] | None = None,
        patience: Patience = USUAL,
    ) -> None:
        self.counters = Counters()
        self.notes: list[str] = [note] if note else []
        self.known: dict[Any, Threat] = {}
        self.deaths: list[Worker] = []
        author = Author("pi", find or (lambda _: None), threat_json)
        self.out = Outgoing(parse(config), self.counters, author, self._latest, self._keep, patience)
        if note:
            now = time.time()
            self.out.remember(note, Now(int(now * 1000), time.monotonic()))
        self._worker = Worker("alerts", self.out.run, self.deaths.append)

    def _latest(self, keys: Sequence[Any]) -> list[Threat | None]:
        return [self.known.get(key) for key in keys]

    def _keep(self, key: str, text: str, *, soon: bool = False) -> None:
        self.notes.append(text)

    def tell(self, threat: Threat) -> None:
        """A threat is worth an alert."""
        self.known[threat.kind, threat.device, threat.target] = threat
        self.out.alert(threat)

    def state(self, channel: str) -> dict[str, Any]:
        (state,) = [each for each in self.out.status() if each["name"] == channel]
        return state

    def __enter__(self) -> "Desk":
        self._worker.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Ends it."""
        self._worker.ask_to_stop()
        self.out.wake()
        assert self._worker.stop(PATIENCE)
        assert not self.deaths, self.deaths[0].failure


@contextmanager
def closed_port() -> Iterator[int]:
    """A port at which nobody listens, and nobody will."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]
